// What happens at the same time, and after a crash, to what a policy counts: limits and budgets are never passed, a yes is
// good for one thing once, and nobody stands still for ever because of them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { exited, shell, sleep, world } from './lib.mjs';
import { ALLOW, broken, CENT, has, mended, pending, say, script, slow, turn, until, waitThen } from './races.mjs';

const rows = (n, row) => Array.from({ length: n }, (_, i) => row(i)).join('');

describe('more than can be counted at once', () => {
	test('of budgets is an error of the policy', async (t) => {
		const w = world(t, { policy: `${ALLOW}budgets:\n${rows(16, (i) => `  - { id: b${i}, per: task, calls: 100, over: deny }\n`)}` });
		const done = await w.mishri(w.runArgs('go', '-m', script(w, [{ text: 'done' }])));
		exited(done, 3);
		assert.match(done.err, /policy\.yaml:23:5: too many budgets: at most 15/);
		fs.writeFileSync(w.policy, `${ALLOW}budgets:\n${rows(15, (i) => `  - { id: b${i}, per: task, calls: 100, over: deny }\n`)}`);
		exited(await w.mishri(w.runArgs('go', '-m', script(w, [turn('touch a'), { text: 'done' }]), '--budget', '1')), 0);
		assert.ok(w.has('a'));
	});

	test('of limits is a refusal with a reason, and the engine goes on', async (t) => {
		const limits = (n, on) => `${ALLOW}limits:\n${rows(n, (i) => `  - { id: l${i}, on: ${on}, per: task, rate: 100/h, over: deny }\n`)}`;
		const w = world(t, { policy: limits(17, 'tool') });
		const done = await w.mishri(w.runArgs('go', '-m', script(w, [turn('touch a'), { text: 'done' }])));
		exited(done, 0);
		assert.ok(!w.has('a'));
		assert.match(w.events('call.finished')[0].data.output, /Denied by rule limits: more than 16 limits of the policy concern this/);
		fs.writeFileSync(w.policy, limits(16, 'tool'));
		exited(await w.mishri(w.runArgs('go', '-m', script(w, [turn('touch a'), { text: 'done' }]))), 0);
		assert.ok(w.has('a'));
		fs.writeFileSync(w.policy, limits(17, 'model'));
		const model = await w.mishri(w.runArgs('go', '-m', script(w, [{ text: 'done' }])));
		exited(model, 6);
		assert.match(model.err, /more than 16 limits of the policy concern this/);
	});

	test('one limit for many parts of one call is one limit', async (t) => {
		const w = world(t, { policy: `${ALLOW}limits:\n${rows(9, (i) => `  - { id: d${i}, on: delegate, per: task, rate: ${i + 2}/h, over: deny }\n`)}` });
		const parts = (n) => ({ calls: [{ name: 'delegate', args: { tasks: Array.from({ length: n }, (_, i) => ({ goal: `part ${i}` })) } }] });
		const done = await w.mishri(w.teamArgs('go', '-m', script(w, [parts(3), parts(2), { text: 'done' }, { text: 'done' }, { text: 'done' }])));
		exited(done, 0);
		const ends = w.events('call.finished').map((e) => [e.data.status, e.data.output]);
		assert.match(ends[0][1], /the limit d0 of 2\/h can never take 3 at once/);
		assert.equal(ends[1][0], 'ok');
	});
});

describe('a yes to a budget', () => {
	const ASK = `${ALLOW}budgets:\n  - { id: money, per: session, usd: 0.30, over: ask }\n`;

	test('that a crash follows is not given twice', async (t) => {
		const w = world(t, { policy: ASK });
		const model = script(w, [turn('true', 20), turn('true', 20), { text: 'done', cents: 5 }]);
		const run = w.start(w.runArgs('go', '-m', model, '--wait-for-approval'));
		const [a] = await pending(w);
		broken(w, 'model.requested');
		exited(await say(w, 'approve', a.approval), 0);
		await run.done;
		assert.notEqual(run.code, 0);
		assert.equal(w.events('budget.raised').length, 1, 'it broke behind the gift, and before what it was for');
		mended(w);
		const again = await w.mishri(w.resumeArgs(w.task(), '--wait-for-approval'));
		exited(again, 0);
		assert.equal(w.events('budget.raised').length, 1);
		assert.deepEqual(w.sql('select amount from raises'), [{ amount: 30 * CENT }]);
		w.checkChain();
	});

	test('from two who were asked the same is one gift where one is enough', async (t) => {
		const w = world(t, { policy: ASK });
		const file = path.join(w.dir, 'team.jsonl');
		const usage = { input: 10, output: 10, usd_nanos: 10 * CENT };
		const tasks = [1, 2].map((n) => ({ goal: `part ${n}` }));
		const first = { agent: 'worker', text: 'x', calls: [shell('mktemp began.XXXXXX; until [ -e go ]; do sleep 0.05; done')], usage };
		fs.writeFileSync(file, [{ agent: 'master', text: 'x', calls: [{ name: 'delegate', args: { tasks } }], usage }, first, first,
			{ agent: 'worker', text: 'done', usage }, { agent: 'worker', text: 'done', usage },
			{ agent: 'master', text: 'done', usage }].map((r) => JSON.stringify(r)).join('\n'));
		const run = w.start(w.teamArgs('go', '-m', `recorded/${file}`, '--wait-for-approval'));
		await until(() => fs.readdirSync(w.ws).filter((name) => name.startsWith('began')).length === 2, 'both parts');
		w.write('go', '');
		const asked = await pending(w, 2);
		await Promise.all(asked.map((a) => say(w, 'approve', a.approval)));
		await run.done;
		exited(run, 0);
		assert.deepEqual(w.sql('select amount from raises'), [{ amount: 30 * CENT }]);
		const [{ sum }] = w.sql('select sum(usd_nanos) as sum from spending');
		assert.equal(sum, 60 * CENT);
	});

	test('lets no limit be passed that filled meanwhile', async (t) => {
		const policy = `${ALLOW}budgets:\n  - { id: few, per: task, calls: 1, over: ask }\nlimits:\n` +
			'  - { id: all, on: tool, tool: shell, per: user, rate: 2/h, over: deny }\n';
		const w = world(t, { policy });
		const run = w.start(w.runArgs('go', '-m', script(w, [turn('touch a'), turn('touch b'), { text: 'done' }]), '--wait-for-approval'));
		const [a] = await pending(w);
		exited(await w.mishri(w.runArgs('go', '-m', script(w, [turn('touch other'), { text: 'done' }], 'other.jsonl'))), 0);
		assert.ok(w.has('other'));
		exited(await say(w, 'approve', a.approval), 0);
		await run.done;
		assert.ok(w.has('a') && !w.has('b'), 'two an hour, whoever said yes to a third');
		assert.match(w.events('call.finished').at(-1).data.output, /the limit all of 2\/h is reached/);
	});
});

describe('a yes to a limit', () => {
	const policy = (over) => `${ALLOW}limits:\n  - { id: slow, on: tool, tool: shell, per: task, rate: 1/h, over: ask }\n` +
		`  - { id: all, on: tool, tool: shell, per: user, rate: 2/h, over: ${over} }\n`;

	test('passes that one, and none that denies', async (t) => {
		const w = world(t, { policy: policy('deny') });
		const run = w.start(w.runArgs('go', '-m', script(w, [turn('touch a'), turn('touch b'), { text: 'done' }]), '--wait-for-approval'));
		const [a] = await pending(w);
		exited(await w.mishri(w.runArgs('go', '-m', script(w, [turn('touch other'), { text: 'done' }], 'other.jsonl'))), 0);
		exited(await say(w, 'approve', a.approval), 0);
		await run.done;
		assert.ok(w.has('a') && w.has('other') && !w.has('b'));
	});

	test('passes all that ask, with one question', async (t) => {
		const w = world(t, { policy: policy('ask') });
		const run = w.start(w.runArgs('go', '-m', script(w, [turn('touch a'), turn('touch b'), turn('touch c'), { text: 'done' }]), '--wait-for-approval'));
		for (const name of ['b', 'c']) {
			const [a] = await pending(w);
			assert.ok(!w.has(name));
			exited(await say(w, 'approve', a.approval), 0);
			await until(() => w.has(name), name);
		}
		await run.done;
		exited(run, 0);
		assert.equal(w.events('approval.requested').length, 2);
	});
});

describe('while an intent is on its way to the disk', () => {
	const LIMIT = 'limits:\n  - { id: all, on: tool, per: task, rate: 100/h, over: deny }\n';
	const DENY = `${ALLOW}  - { id: no-shell, deny: tool, tool: shell }\n${LIMIT}`;

	for (const type of ['call.decided', 'call.started'])
		test(`a policy that forbids it, at ${type}`, async (t) => {
			const w = world(t, { policy: `${ALLOW}${LIMIT}` });
			const run = w.start(w.runArgs('go', '-m', script(w, [waitThen('one', 'true'), turn('touch a'), { text: 'done' }])));
			await has(w, 'call.started');
			slow(w, type);
			w.write('one', '');
			await has(w, type === 'call.decided' ? 'call.finished' : 'call.decided', type === 'call.decided' ? 1 : 2);
			fs.writeFileSync(w.policy, DENY);
			await run.done;
			exited(run, 0);
			mended(w);
			const order = w.events().filter((e) => e.data.call === '2.1' || e.type === 'policy.loaded').map((e) => e.type);
			const loaded = order.lastIndexOf('policy.loaded'), started = order.indexOf('call.started');
			assert.ok(started < 0 || started < loaded, `no start behind the policy that forbids it: ${order}`);
			assert.equal(w.has('a'), started >= 0, 'and it ran just when it is said to have');
			w.checkChain();
		});
});
