// Approvals from other terminals: bound to what was shown, kept through a crash, counted by the rule, remembered no
// wider than it says, and revoked at once.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { AM_ROOT, exited, shell, sleep, startModel, toldModel, USERS, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const rules = (asks) => `version: 1
groups: { ops: [alice, bob] }
rules:
  - { id: look, allow: tool, category: read }
  - { id: shells, allow: tool, tool: shell }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: no-secrets, deny: tool, tool: write_file, args: { path: "secret*" } }
${asks}
`;
const WRITES = '  - { id: writes, ask: tool, tool: write_file, reason: "writing is looked at" }';
const asks = (approval) => `  - { id: writes, ask: tool, tool: write_file, approval: ${approval} }`;
const write = (content, path = 'made.txt') => ({ name: 'write_file', args: { path, content } });

// A run that nobody sits at, until it waits for a person.
async function waiting(t, calls, options = {}) {
	const w = world(t, { policy: rules(options.asks ?? WRITES), ...options });
	model.setScenario({ replies: [...[calls].flat().map((call) => ({ calls: [call] })), { text: 'That is all.' }] });
	const run = w.startRun(model, 'x', { args: ['--wait-for-approval', ...(options.args ?? [])] });
	const [a] = await pending(w);
	return { w, run, a };
}
async function listed(w, ...more) {
	const done = await w.mishri(['approvals', '--json', ...more, ...w.places()]);
	return done.code === 0 ? JSON.parse(done.out) : [];
}
async function pending(w, count = 1, other = '') {
	for (const end = Date.now() + 20000; Date.now() < end; await sleep(50)) {
		const found = fs.existsSync(w.data) ? (await listed(w)).filter((a) => a.state === 'pending' && a.approval !== other) : [];
		if (found.length >= count)
			return found;
	}
	throw new Error('nothing ever waited');
}
const say = (w, verb, id, ...more) => w.mishri([verb, ...w.places(), ...more, id]);
async function killed(run) {
	run.kill('SIGKILL');
	await run.done;
}
const resumed = (w, ...more) => w.resume(model, w.task(), { args: ['--wait-for-approval', ...more] });

describe('an answer from another terminal', () => {
	for (const { name, as_nobody } of USERS)
		test(`yes, as ${name}`, async (t) => {
			const { w, run, a } = await waiting(t, write('hello'), { as_nobody });
			assert.ok(!w.has('made.txt'), 'nothing happens before the answer');
			assert.deepEqual(a.action.args, { path: 'made.txt', content: 'hello' });
			assert.equal(a.rule, 'writes');
			const yes = await say(w, 'approve', a.approval.slice(0, 5));
			exited(yes, 0);
			assert.match(yes.out, /approved/);
			await run.done;
			exited(run, 0);
			assert.equal(w.read('made.txt'), 'hello');
				assert.equal(w.events('approval.decided')[0].data.digest, a.digest);
			const late = await say(w, 'deny', a.approval);
			exited(late, 1);
			assert.match(late.err, /already answered by .*: yes/);
			w.checkChain();
		});

	test('no, with a sentence that the model gets', async (t) => {
		const { w, run, a } = await waiting(t, write('hello'));
		exited(await say(w, 'deny', a.approval, '--reason', 'use the other file'), 0);
		await run.done;
		exited(run, 0);
		assert.ok(!w.has('made.txt'));
		assert.match(toldModel(model)[0], /Denied by rule writes: use the other file/);
	});

	test('two at once: one counts, the other is told', async (t) => {
		const { w, run, a } = await waiting(t, write('hello'));
		const both = await Promise.all([say(w, 'approve', a.approval), say(w, 'deny', a.approval)]);
		assert.deepEqual(both.map((one) => one.code).sort(), [0, 1], both.map((one) => one.out + one.err).join('\n'));
		assert.match(both.find((one) => one.code === 1).err, /already answered by/);
		await run.done;
		assert.equal(w.events('approval.decided').length, 1);
		assert.equal(w.has('made.txt'), both[0].code === 0);
	});

	test('it takes down the prompt of the first terminal', async (t) => {
		const w = world(t, { policy: rules(WRITES) });
		model.setScenario({ replies: [{ calls: [write('hello')] }, { text: 'ok' }] });
		const run = w.startInTerminal(w.runArgs('x', '-m', 'openai/mock'), { env: model.env });
		await run.until(/y = yes[^\n]*\n> $/, 'out');
		const [a] = await pending(w);
		exited(await say(w, 'approve', a.approval), 0);
		await run.until(/no answer is needed any more: approved by/, 'out');
		await run.done;
		exited(run, 0);
		assert.equal(w.read('made.txt'), 'hello');
	});

	test('wrong words lose nothing and say what would be right', async (t) => {
		const { w, run, a } = await waiting(t, write('hello'));
		const swapped = a.approval[1] + a.approval[0] + a.approval.slice(2);
		for (const [words, code, says] of [
			[['approve', 'ab'], 2, /at least 3 characters/],
			[['approve', swapped === a.approval ? 'zzzz' : swapped], 2, new RegExp(`did you mean ${a.approval}`)],
			[['approve'], 2, /one approval is wanted/],
			[['approve', a.approval, a.approval], 2, /one approval is wanted/],
			[['approve', a.approval, '--remember', 'ever'], 2, /right would be task, session/],
			[['approve', a.approval, '--remember', 'session'], 1, /lets an answer be remembered for: task/],
			[['approve', a.approval, '--edit', '{"path":'], 2, /as a JSON object/],
			[['approve', a.approval, '--edit', '{"file": "x"}'], 2, /path/],
			[['approve', a.approval, '--digest', '0'.repeat(64)], 1, /not what was shown/],
			[['deny', a.approval, '--reason', ' '], 2, /a sentence for the model/],
			[['revoke', 'zzzz'], 2, /there is no grant/],
		]) {
			const done = await w.mishri([words[0], ...w.places(), ...words.slice(1)]);
			exited(done, code);
			assert.match(done.err, says);
		}
		assert.equal(w.events('approval.decided').length, 0);
		exited(await say(w, 'approve', a.approval), 0);
		await run.done;
		assert.ok(w.has('made.txt'));
	});
});

describe('a crash while it waits', () => {
	test('the question stays, is answered meanwhile, and counts afterwards', async (t) => {
		const { w, run, a } = await waiting(t, write('hello'));
		await killed(run);
		const kept = await say(w, 'approve', a.approval);
		exited(kept, 0);
		assert.match(kept.out, /kept; it takes effect when the task goes on/);
		const second = await say(w, 'deny', a.approval);
		exited(second, 1);
		assert.match(second.err, /already answered by/);
		const again = await resumed(w).done;
		exited(again, 0);
		assert.equal(w.read('made.txt'), 'hello');
		assert.equal(w.events('approval.requested').length, 1);
		w.checkChain();
	});

	for (const [name, change, same] of [
		['another rule', (text) => text.replace('id: look, allow: tool, category: read', 'id: look2, allow: tool, category: [read]'), true],
		['the rule that asks', (text) => text.replace('writing is looked at', 'writing is looked at twice'), false],
	])
		test(`an edit of ${name} ${same ? 'keeps the question' : 'asks anew'}`, async (t) => {
			const { w, run, a } = await waiting(t, write('hello'));
			await killed(run);
			fs.writeFileSync(w.policy, change(rules(WRITES)));
			exited(await say(w, 'approve', a.approval), 0);
			const again = resumed(w);
			if (!same) {
				const [other] = await pending(w, 1, a.approval);
				assert.notEqual(other.digest, a.digest);
				assert.ok(!w.has('made.txt'), 'the answer was about another question');
				exited(await say(w, 'approve', other.approval), 0);
			}
			await again.done;
			exited(again, 0);
			assert.equal(w.events('approval.requested').length, same ? 1 : 2);
			assert.ok(w.has('made.txt'));
		});

	test('a program that was held is gone, and its approval with it', async (t) => {
		const { w, run, a } = await waiting(t, shell('touch b'), { asks: '  - { id: touching, ask: exec, program: touch }' });
		assert.equal(a.kind, 'exec');
		await killed(run);
		const late = await say(w, 'approve', a.approval);
		exited(late, 1);
		assert.match(late.err, /gone with the engine/);
		const again = await resumed(w).done;
		exited(again, 0);
		assert.ok(!w.has('b'));
		assert.equal(w.events('approval.decided')[0].data.answer, 'withdrawn');
		assert.match(toldModel(model)[0], /Outcome unknown/);
	});
});

describe('the terms of the rule', () => {
	test('nobody in time is a no', async (t) => {
		const { w, run, a } = await waiting(t, write('hello'), { asks: asks('{ expires: 1s }') });
		await run.done;
		exited(run, 9);
		assert.ok(!w.has('made.txt'));
		assert.equal(w.events('approval.decided')[0].data.answer, 'expired');
		const late = await say(w, 'approve', a.approval);
		exited(late, 1);
		assert.match(late.err, /expired/);
	});

	test('it expires while no engine runs, too', async (t) => {
		const { w, run, a } = await waiting(t, write('hello'), { asks: asks('{ expires: 2s }') });
		await killed(run);
		await sleep(2500);
		const late = await say(w, 'approve', a.approval);
		exited(late, 1);
		assert.match(late.err, /too late: it expired/);
		exited(await resumed(w).done, 9);
		assert.ok(!w.has('made.txt'));
	});

	test('two distinct people of a group', { skip: !AM_ROOT && 'only root may answer for others' }, async (t) => {
		const { w, run, a } = await waiting(t, write('hello'), { asks: asks('{ from: "group:ops", count: 2 }') });
		const mine = await say(w, 'approve', a.approval);
		exited(mine, 6);
		assert.match(mine.err, /root may not say yes.*2 of the group ops \(alice, bob\)/);
		exited(await say(w, 'approve', a.approval, '--user', 'carol'), 6);
		const one = await say(w, 'approve', a.approval, '--user', 'alice');
		exited(one, 0);
		assert.match(one.out, /counted.*alice/);
		const twice = await say(w, 'approve', a.approval, '--user', 'alice');
		exited(twice, 1);
		assert.match(twice.err, /counts once/);
		assert.ok(!w.has('made.txt'));
		await killed(run);
		const again = resumed(w);
		exited(await say(w, 'approve', a.approval, '--user', 'bob'), 0);
		await again.done;
		exited(again, 0);
		assert.equal(w.read('made.txt'), 'hello');
		assert.deepEqual(w.events('approval.voted').map((e) => e.data.by), ['alice', 'bob']);
	});

	test('an ordinary user answers for nobody else', async (t) => {
		const { w, run, a } = await waiting(t, write('hello'), { as_nobody: true });
		const done = await say(w, 'approve', a.approval, '--user', 'alice');
		exited(done, 2);
		assert.match(done.err, /only root may act for another user/);
		exited(await say(w, 'deny', a.approval), 0);
		await run.done;
	});

	test('high risk is never remembered', async (t) => {
		const { w, run, a } = await waiting(t, shell('echo x > b'), { asks: '  - { id: risky, ask: tool, tool: shell, risk: [high, low] }\n  - { id: high, ask: tool, risk: high, tool: "*" }' });
		const terms = a.terms.risk;
		const done = await say(w, 'approve', a.approval, '--remember', 'session');
		assert.notEqual(done.code, 0);
		assert.ok(terms === 'high' || terms === 'low');
		exited(await say(w, 'approve', a.approval), 0);
		await run.done;
		assert.equal(w.events('grant.made').length, 0);
	});
});

describe('other arguments', () => {
	test('run in the place of the model\'s; the record keeps both, and the model is told', async (t) => {
		const { w, run, a } = await waiting(t, write('hello'));
		exited(await say(w, 'approve', a.approval, '--edit', '{"path":"other.txt","content":"short"}'), 0);
		await run.done;
		exited(run, 0);
		assert.ok(!w.has('made.txt'));
		assert.equal(w.read('other.txt'), 'short');
		assert.match(toldModel(model)[0], /a person changed the arguments.*other\.txt/);
		const [first, second] = w.events('approval.requested').map((e) => e.data);
		assert.equal(first.action.args.path, 'made.txt');
		assert.equal(second.action.args.path, 'other.txt');
		assert.deepEqual(w.events('approval.decided').map((e) => e.data.answer), ['edit', 'allow']);
	});

	test('are decided afresh: what policy denies stays denied', async (t) => {
		const { w, run, a } = await waiting(t, write('hello'));
		exited(await say(w, 'approve', a.approval, '--edit', '{"path":"secret.txt","content":"short"}'), 0);
		await run.done;
		assert.ok(!w.has('secret.txt') && !w.has('made.txt'));
		assert.match(toldModel(model)[0], /Denied by rule no-secrets/);
	});
});

describe('an answer that is remembered', () => {
	test('for this task: the same to the byte is not asked again; one byte more is', async (t) => {
		const { w, run, a } = await waiting(t, [write('1'), write('1'), write('12')]);
		exited(await say(w, 'approve', a.approval, '--remember', 'task'), 0);
		const [other] = await pending(w, 1, a.approval);
		assert.equal(other.action.args.content, '12');
		const [grant] = JSON.parse((await w.mishri(['grants', '--json', ...w.places()])).out);
		assert.equal(grant.uses, 1);
		assert.equal(grant.scope, 'task');
		exited(await say(w, 'approve', other.approval), 0);
		await run.done;
		exited(run, 0);
		assert.equal(w.events('approval.requested').length, 2);
		assert.equal(w.events('grant.used').length, 1);
	});

	test('for a session: it survives a crash, holds in the next task, and not once it is revoked', async (t) => {
		const { w, run, a } = await waiting(t, write('1'), { asks: asks('{ remember: session }') });
		exited(await say(w, 'approve', a.approval, '--remember', 'session'), 0);
		await run.done;
		const session = w.events('task.created')[0].session;
		model.setScenario({ replies: [{ calls: [write('1')] }, { text: 'ok' }] });
		const next = await w.run(model, 'x', { args: ['--session', session] });
		exited(next, 0);
		assert.equal(w.events('grant.used').length, 1);
		const [grant] = JSON.parse((await w.mishri(['grants', '--json', ...w.places()])).out);
		exited(await say(w, 'revoke', grant.grant.slice(0, 6)), 0);
		const twice = await say(w, 'revoke', grant.grant);
		exited(twice, 1);
		assert.match(twice.err, /revoked already/);
		model.setScenario({ replies: [{ calls: [write('1')] }, { text: 'ok' }] });
		exited(await w.run(model, 'x', { args: ['--session', session] }), 9);
		assert.deepEqual(JSON.parse((await w.mishri(['grants', '--json', ...w.places()])).out), []);
		exited(await w.mishri(['audit', 'verify', ...w.places()]), 0);
	});

	test('revoked while the task runs, it is asked again', async (t) => {
		const { w, run, a } = await waiting(t, [write('1'), shell('while [ ! -e go ]; do sleep 0.1; done'), write('1')]);
		exited(await say(w, 'approve', a.approval, '--remember', 'task'), 0);
		let grants = [];
		for (const end = Date.now() + 10000; grants.length === 0 && Date.now() < end; await sleep(50))
			grants = JSON.parse((await w.mishri(['grants', '--json', ...w.places()])).out);
		exited(await say(w, 'revoke', grants[0].grant), 0);
		w.write('go', '');
		const [again] = await pending(w, 1, a.approval);
		exited(await say(w, 'deny', again.approval), 0);
		await run.done;
		assert.equal(w.events('grant.used').length, 0);
	});

	test('until a date, but not beyond what the rule says', async (t) => {
		const { w, run, a } = await waiting(t, write('1'), { asks: asks('{ remember: 30d }') });
		exited(await say(w, 'approve', a.approval, '--remember', '31d'), 1);
		exited(await say(w, 'approve', a.approval, '--remember', '2001-01-01'), 1);
		exited(await say(w, 'approve', a.approval, '--remember', '7d'), 0);
		await run.done;
		const [grant] = JSON.parse((await w.mishri(['grants', '--json', ...w.places()])).out);
		assert.ok(Date.parse(grant.until) - Date.now() < 8 * 86400e3);
		model.setScenario({ replies: [{ calls: [write('1')] }, { text: 'ok' }] });
		exited(await w.run(model, 'x'), 0);
	});

	test('never lifts a deny', async (t) => {
		const { w, run, a } = await waiting(t, write('1'), { asks: asks('{ remember: 30d }') });
		exited(await say(w, 'approve', a.approval, '--remember', '7d'), 0);
		await run.done;
		w.write('made.txt', 'before');
		fs.appendFileSync(w.policy, '  - { id: frozen, deny: tool, tool: write_file, args: { path: "made*" } }\n');
		model.setScenario({ replies: [{ calls: [write('1')] }, { text: 'ok' }] });
		await w.run(model, 'x');
		assert.match(toldModel(model)[0], /Denied by rule frozen/);
		assert.equal(w.read('made.txt'), 'before');
	});

	test('the same program and subcommand, at the gate', async (t) => {
		const policy = '  - { id: gits, ask: exec, program: git, approval: { remember: task, same: program } }';
		const { w, run, a } = await waiting(t, shell('git init -q . ; git init -q sub; git config --list >/dev/null; true'), { asks: policy });
		assert.deepEqual(a.action.argv, ['git', 'init', '-q', '.']);
		exited(await say(w, 'approve', a.approval, '--remember', 'task'), 0);
		const [other] = await pending(w, 1, a.approval);
		assert.deepEqual(other.action.argv.slice(0, 2), ['git', 'config'], 'another subcommand is another question');
		exited(await say(w, 'deny', other.approval), 0);
		await run.done;
		exited(run, 0);
		assert.ok(w.has('.git') && w.has('sub/.git'));
	});
});
