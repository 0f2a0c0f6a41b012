// Limits and budgets through the whole program: what a run spends, how often it may, and what a person is told.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import test from 'node:test';
import { checkResult, exited, shell, USERS, world } from './lib.mjs';

const ALLOW = `version: 1
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: models, allow: model }
  - { id: share, allow: delegate }
`;
const CENT = 10_000_000;

// A script of replies: each costs so many cents, or says nothing about it.
function script(w, replies) {
	const file = path.join(w.dir, 'recorded.jsonl');
	fs.writeFileSync(file, replies.map((r) => JSON.stringify({ agent: '*', text: 'x', ...r,
		usage: { input: 10, output: 10, ...(r.cents === undefined ? {} : { usd_nanos: r.cents * CENT }) }, cents: undefined })).join('\n'));
	fs.chmodSync(file, 0o644);
	return `recorded/${file}`;
}
const turn = (command, cents) => ({ calls: [shell(command)], cents });
const run = (w, model, ...args) => w.mishri(w.runArgs('go', '-m', model, ...args));

for (const user of USERS) {
	test(`a budget of money ends the run before it is overdrawn, as ${user.name}`, async (t) => {
		const w = world(t, { policy: ALLOW, ...user });
		const model = script(w, [turn('echo 1', 30), turn('echo 2', 30), turn('echo 3', 30), { text: 'done', cents: 30 }]);
		const done = await run(w, model, '--budget', '1', '--output-format', 'json');
		exited(done, 7);
		const result = checkResult(JSON.parse(done.out), { state: 'failed', exit: 7 });
		assert.equal(result.cost.usd_nanos, 90 * CENT);
		assert.match(result.result, /budget --budget of \$1\.00 per task has no room: \$0\.90 is spent.*may take \$0\.30/);
		assert.deepEqual(w.events('budget.warned').map((e) => e.data.percent), [50, 80]);
		assert.match(done.err, /budget --budget: 80 % is spent, \$0\.90 of \$1\.00 per task/);
		w.checkChain();
		await w.leftNothing();
	});
}

test('without the budget the same run ends well', async (t) => {
	const w = world(t, { policy: ALLOW });
	const model = script(w, [turn('echo 1', 30), turn('echo 2', 30), turn('echo 3', 30), { text: 'done', cents: 30 }]);
	exited(await run(w, model), 0);
});

test('POLICY.md 9: budgets of a session, a user and the store are shared by runs', async (t) => {
	for (const per of ['session', 'user/day', 'store/day']) {
		const w = world(t, { policy: `${ALLOW}budgets:\n  - { id: money, per: ${per}, usd: 1.00, over: deny }\n` });
		const args = per === 'session' ? ['--session', 'aaaaaaaaaaaa'] : [];
		exited(await run(w, script(w, [{ text: 'one', cents: 60 }]), ...args), 0);
		const second = await run(w, script(w, [{ text: 'two', cents: 60 }]), ...args);
		exited(second, 7);
		assert.match(second.err, new RegExp(`budget money of \\$1\\.00 per ${per} has no room: \\$0\\.60 is spent`));
		if (per === 'session')
			exited(await run(w, script(w, [{ text: 'three', cents: 60 }]), '--session', 'bbbbbbbbbbbb'), 0);
	}
});

test('two runs at once never spend more than there is', async (t) => {
	const w = world(t, { policy: `${ALLOW}budgets:\n  - { id: money, per: user/day, usd: 1.00, over: deny }\n` });
	const model = script(w, Array.from({ length: 8 }, () => turn('true', 9)).concat([{ text: 'done', cents: 9 }]));
	const runs = await Promise.all([1, 2, 3].map(() => run(w, model)));
	assert.ok(runs.some((r) => r.code === 7), 'there was not enough for all');
	const [{ sum }] = w.sql('select sum(usd_nanos) as sum from spending');
	assert.ok(sum <= 100 * CENT && sum > 91 * CENT, `${sum / CENT} cents of 100`);
	assert.deepEqual(w.sql('select * from reservations'), []);
});

test('a master and its workers share the budget of their tree', async (t) => {
	const w = world(t, { policy: ALLOW });
	const file = path.join(w.dir, 'team.jsonl');
	const usage = { input: 10, output: 10, usd_nanos: 20 * CENT };
	const worker = { agent: 'worker', text: 'x', calls: [shell('true')], usage };
	const tasks = [1, 2, 3].map((n) => ({ goal: `part ${n}` }));
	fs.writeFileSync(file, [{ agent: 'master', text: 'x', calls: [{ name: 'delegate', args: { tasks } }], usage }, ...Array(12).fill(worker),
		{ agent: 'master', text: 'done', usage }].map((r) => JSON.stringify(r)).join('\n'));
	const done = await w.mishri(w.teamArgs('go', '-m', `recorded/${file}`, '--budget', '1'));
	exited(done, 7);
	const [{ sum }] = w.sql('select sum(usd_nanos) as sum from spending');
	assert.equal(sum, 100 * CENT);
	assert.ok(w.events('budget.exceeded').length >= 3, 'each of them is stopped');
});

test('tokens, calls and time have budgets too', async (t) => {
	const rows = [
		['tokens: 50', [turn('true', 1), turn('true', 1), turn('true', 1), { text: 'done', cents: 1 }], /of 50 tokens per task has no room: 40 tokens/],
		['calls: 2', [turn('true', 1), turn('true', 1), turn('true', 1), { text: 'done', cents: 1 }], /of 2 calls per task has no room: 2 calls/],
		['time: 1s', [turn('sleep 5', 1), turn('true', 1), { text: 'done', cents: 1 }], /of 1(\.0)? s per task has no room/],
	];
	for (const [budget, replies, says] of rows) {
		const w = world(t, { policy: `${ALLOW}budgets:\n  - { id: b, per: task, ${budget}, over: deny }\n` });
		const done = await run(w, script(w, replies));
		exited(done, 7);
		assert.match(done.err, says);
	}
});

test('money with a price that nobody knows is an error of the configuration, and says how to give one', async (t) => {
	const w = world(t, { policy: ALLOW });
	const silent = script(w, [{ text: 'done' }]);
	const done = await run(w, silent, '--budget', '1');
	exited(done, 3);
	assert.match(done.err, /does not say what each reply costs: give every line "usage":\{"usd_nanos":N\}/);
	exited(await run(w, silent), 0);
	const unknown = await w.mishri(w.runArgs('go', '-m', 'openai/no-such-model', '--budget', '1'),
		{ env: { OPENAI_API_KEY: 'sk-x', OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' } });
	exited(unknown, 3);
	assert.match(unknown.err, /the price of openai\/no-such-model is not known: give one in your configuration, as prices:/);
	for (const wrong of ['x', '-1', '1.0000000001', '$1', ''])
		exited(await run(w, silent, '--budget', wrong), 2);
});

const ASKED = /May this task go on\?[^]*\n> $/; // what is typed before the question stands there whole, is no answer
test('over: ask without a person ends the run; with one it goes on', async (t) => {
	const policy = `${ALLOW}budgets:\n  - { id: money, per: session, usd: 0.50, over: ask }\n`;
	const replies = [turn('echo 1', 30), turn('echo 2', 30), { text: 'done', cents: 30 }];
	const alone = world(t, { policy });
	exited(await run(alone, script(alone, replies)), 9);
	const w = world(t, { policy });
	const model = script(w, replies);
	const running = w.startInTerminal(w.runArgs('go', '-m', model));
	await running.until(ASKED, 'out');
	running.say('y\n');
	await running.done;
	exited(running, 0);
	assert.equal(w.events('budget.raised').length, 1);
	const no = world(t, { policy });
	const refused = no.startInTerminal(no.runArgs('go', '-m', script(no, replies)));
	await refused.until(ASKED, 'out');
	refused.say('n\n');
	await refused.done;
	exited(refused, 7);
});

test('POLICY.md 9: beyond a limit a call is denied, waits, or asks', async (t) => {
	const replies = [turn('echo 1', 1), turn('echo 2', 1), { text: 'done', cents: 1 }];
	for (const [over, code] of [['deny', 0], ['ask', 9], ['wait', 0]]) {
		const rate = over === 'wait' ? '1/2s' : '1/h';
		const w = world(t, { policy: `${ALLOW}limits:\n  - { id: slow, on: tool, tool: shell, per: task, rate: ${rate}, over: ${over} }\n` });
		const done = await run(w, script(w, replies));
		exited(done, code);
		const reached = w.events('limit.reached');
		assert.equal(reached.length, 1);
		assert.equal(reached[0].data.call, '2.1');
		const ends = w.events('call.finished').map((e) => e.data.status);
		assert.deepEqual(ends, ['ok', over === 'wait' ? 'ok' : 'denied']);
		if (over === 'wait') {
			const [first] = w.events('call.proposed'), [, second] = w.events('call.started'); // it counts from its decision, before a cell is opened
			assert.ok(Date.parse(second.time) - Date.parse(first.time) >= 2000, 'it waited');
		}
		w.checkChain();
	}
});

test('a limit holds over runs of one user, and over a crash', async (t) => {
	const w = world(t, { policy: `${ALLOW}limits:\n  - { id: few, on: tool, tool: shell, per: user, rate: 2/h, over: deny }\n` });
	const model = () => script(w, [turn('echo 1', 1), { text: 'done', cents: 1 }]);
	for (let i = 0; i < 3; i++)
		exited(await run(w, model()), 0);
	assert.deepEqual(w.events('call.finished').map((e) => e.data.status), ['ok', 'ok', 'denied']);
	assert.equal(w.events('call.decided').filter((e) => e.data.by === 'limit' && e.data.rule === 'few').length, 1);
});

for (const user of USERS) {
	test(`a limit on programs holds at the exec gate, as ${user.name}`, async (t) => {
		const w = world(t, { policy: `${ALLOW}limits:\n  - { id: few, on: exec, program: touch, per: task, rate: 2/h, over: deny }\n`, ...user });
		const model = script(w, [turn('touch a; touch b; touch c; touch d; ls', 1), { text: 'done', cents: 1 }]);
		exited(await run(w, model), 0);
		assert.deepEqual(['a', 'b', 'c', 'd'].map((name) => w.has(name)), [true, true, false, false]);
		assert.match(w.events('call.finished')[0].data.output, /denied by few: .*touch c \(the limit few of 2\/h is reached/);
		const open = world(t, { policy: ALLOW, ...user });
		exited(await run(open, script(open, [turn('touch a; touch b; touch c', 1), { text: 'done', cents: 1 }])), 0);
		assert.ok(open.has('c'));
	});
}

test('a program that waits for a limit runs later, and nothing else stands still', async (t) => {
	const w = world(t, { policy: `${ALLOW}limits:\n  - { id: slow, on: exec, program: touch, per: task, rate: 1/2s, over: wait }\n` });
	const model = script(w, [turn('touch a; touch b & ls > listed; wait', 1), { text: 'done', cents: 1 }]);
	exited(await run(w, model), 0);
	assert.ok(w.has('b') && w.has('listed'));
	const b = w.events('exec.decided').find((e) => e.data.argv[1] === 'b');
	const ls = w.events('exec.decided').find((e) => e.data.argv[0] === 'ls');
	assert.ok(b.time > ls.time);
});

test('a limit on connections holds at the proxy', async (t) => {
	const hits = [];
	const web = http.createServer((request, answer) => {
		hits.push(request.url);
		answer.end('hello\n');
	}).listen(0, '127.0.0.1');
	t.after(() => web.close());
	await once(web, 'listening');
	const here = '  - { id: here, allow: net, host: 127.0.0.1, private: true }\n';
	const get = (...names) => names.map((name) => `curl -sS -m 20 --noproxy none http://127.0.0.1:${web.address().port}/${name}`).join('; ');
	for (const [over, rate, arrived] of [['deny', '2/h', ['/a', '/b']], ['wait', '1/2s', ['/a', '/b', '/c']], ['ask', '2/h', ['/a', '/b']]]) {
		hits.length = 0;
		const w = world(t, { policy: `${ALLOW}${here}limits:\n  - { id: few, on: net, per: task, rate: ${rate}, over: ${over} }\n` });
		exited(await run(w, script(w, [turn(get('a', 'b', 'c'), 1), { text: 'done', cents: 1 }])), over === 'ask' ? 9 : 0);
		assert.deepEqual(hits, arrived, over);
		assert.ok(w.events('limit.reached').length >= 1);
		if (over === 'deny')
			assert.match(w.events('call.finished')[0].data.output, /denied by few: net 127\.0\.0\.1/);
	}
	hits.length = 0;
	const open = world(t, { policy: `${ALLOW}${here}` });
	exited(await run(open, script(open, [turn(get('a', 'b', 'c'), 1), { text: 'done', cents: 1 }])), 0);
	assert.equal(hits.length, 3);
});

test('a call that waits for a limit is ended by an interrupt, and goes on with a resume', async (t) => {
	const w = world(t, { policy: `${ALLOW}limits:\n  - { id: slow, on: tool, tool: shell, per: task, rate: 1/3s, over: wait }\n` });
	const model = script(w, [turn('echo 1', 1), turn('echo 2', 1), { text: 'done', cents: 1 }]);
	const running = w.start(w.runArgs('go', '-m', model));
	await running.until(/waits: the limit slow/);
	running.kill('SIGINT');
	await running.done;
	exited(running, 130);
	exited(await w.mishri(w.resumeArgs(w.task())), 0);
	assert.deepEqual(w.events('call.finished').map((e) => e.data.status), ['ok', 'ok']);
	w.checkChain();
});

test('rules can ask what was spent, and what stands in the environment', async (t) => {
	const w = world(t, { policy: `${ALLOW}  - { id: dear, deny: tool, tool: shell, when: { cost_usd: { ge: 0.40 } } }\n` +
		'  - { id: not-in-ci, deny: exec, program: id, when: { env: { CI: "true" } } }\n' });
	const replies = [turn('id', 30), turn('id', 30), { text: 'done', cents: 1 }];
	exited(await w.mishri(w.runArgs('go', '-m', script(w, replies)), { env: { CI: 'true' } }), 0);
	assert.deepEqual(w.events('call.finished').map((e) => e.data.status), ['error', 'denied']);
	assert.equal(w.events('exec.decided').filter((e) => e.data.rule === 'not-in-ci').length, 1);
	const check = (...args) => w.mishri(['policy', 'check', '--no-user-config', '-p', w.policy, ...args]);
	exited(await check('--when', 'cost_usd=0.39', '--tool', 'shell'), 0);
	exited(await check('--when', 'cost_usd=0.40', '--tool', 'shell'), 6);
	exited(await check('--when', 'env.CI=true', '--exec', 'id'), 6);
	exited(await check('--when', 'env.CI=false', '--exec', 'id'), 0);
	exited(await check('--when', 'cost_usd=much', '--tool', 'shell'), 2);
});
