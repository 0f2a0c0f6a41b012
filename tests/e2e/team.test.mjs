// A master and its workers: plans, delegations side by side, what may not be, and being killed in between.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { shell, sleep, world } from './lib.mjs';

const usage = { input: 10, cache_read: 0, output: 5, usd_nanos: 1000 };
const plan = (...steps) => ({ name: 'plan', args: { steps: steps.map(([id, ...after]) => ({ id, title: `step ${id}`, after })) } });
const delegate = (...tasks) => ({ name: 'delegate', args: { tasks } });
const finish = (result) => ({ name: 'finish', args: { result } });

// A recorded model: real replies in order, so that many workers can be told apart by their goals.
function record(w, replies) {
	const file = path.join(w.dir, 'recorded.jsonl');
	fs.writeFileSync(file, replies.map((r) => JSON.stringify({ agent: '*', usage, ...r })).join('\n') + '\n');
	if (w.as_nobody)
		fs.chmodSync(file, 0o644);
	return `recorded/${file}`;
}

const POLICY = `version: 1
name: team
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: share, allow: delegate }
`;

async function result(running) {
	const done = await running;
	return { ...done, json: JSON.parse(done.out) };
}

test('two workers side by side: their reports reach the master, their cost the root', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [plan(['1'], ['2'], ['3', '1', '2'])] },
		{ agent: 'master', match: 'The plan has 3 steps', calls: [delegate({ step: '1', goal: 'alpha part' }, { step: '2', goal: 'beta part' })] },
		// each waits for the other's file: only side by side can both end
		{ agent: 'worker', match: 'alpha part', calls: [shell('touch a; for i in $(seq 100); do [ -e b ] && exit 0; sleep 0.1; done; exit 1')] },
		{ agent: 'worker', match: 'beta part', calls: [shell('touch b; for i in $(seq 100); do [ -e a ] && exit 0; sleep 0.1; done; exit 1')] },
		{ agent: 'worker', match: 'alpha part', text: 'alpha saw beta' },
		{ agent: 'worker', match: 'beta part', text: 'beta saw alpha' },
		{ agent: 'master', match: 'beta saw alpha', calls: [finish('both are done')] },
	]);
	const r = await result(w.mishri(w.teamArgs('lead', '-m', model, '--plan', 'always', '--output-format', 'json')));
	assert.equal(r.code, 0, r.err);
	assert.equal(r.json.result, 'both are done');
	assert.equal(r.json.turns, 7);
	assert.equal(r.json.cost.usd_nanos, 7000);
	assert.equal(w.events('call.finished').filter((e) => e.data.tool === 'shell' && e.data.status === 'ok').length, 2);
	const tree = JSON.parse((await w.mishri(['tree', r.json.task, ...w.places(), '--json'])).out);
	assert.deepEqual([tree.role, tree.state, tree.children.map((c) => [c.goal, c.state]).sort()],
		['master', 'done', [['alpha part', 'done'], ['beta part', 'done']]]);
	const traces = new Set(w.events().filter((e) => e.task !== '').map((e) => e.trace_id));
	assert.equal(traces.size, 1, 'one trace for the whole tree');
	const spans = new Map(w.events('call.started').map((e) => [e.data.tool, e.span_id]));
	for (const child of w.events('task.created').filter((e) => e.parent !== null))
		assert.equal(child.parent_span_id, spans.get('delegate'), 'a child lies below the call that delegated');
	assert.equal((await w.mishri(['audit', 'verify', ...w.places()])).code, 0);
	await w.leftNothing();
});

test('what may not be is told to the master, who goes on', async (t) => {
	const rows = [
		[delegate({ step: '2', goal: 'x' }), /step '2' waits for step '1', which is pending/],
		[delegate({ step: '9', goal: 'x' }), /the plan has no step '9'/],
		[delegate({ step: '1', goal: 'x' }, { step: '1', goal: 'y' }), /step '1' is given out twice/],
		[delegate({ goal: 'x', agent: 'wizard' }), /there is no agent 'wizard'/],
		[delegate(), /tasks/],
		[plan(['1', '2'], ['2', '1']), /waits for itself/],
		[plan(['1'], ['1']), /two steps have the id '1'/],
		[plan(['1', '7']), /names '7', which is no step/],
		[shell('true'), /there is no tool 'shell'/],
	];
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [plan(['1'], ['2', '1'])] },
		...rows.map(([call]) => ({ agent: 'master', calls: [call] })),
		{ agent: 'master', calls: [finish('over')] },
	]);
	const r = await result(w.mishri(w.teamArgs('lead', '-m', model, '--plan', 'always', '--output-format', 'json')));
	assert.equal(r.code, 0, r.err);
	const finished = w.events('call.finished').map((e) => e.data);
	rows.forEach(([, why], i) => {
		assert.equal(finished[i + 1].status, 'invalid');
		assert.match(finished[i + 1].output, why);
	});
	assert.equal(w.events('task.created').length, 1);
});

test('a worker cannot delegate, and a policy can forbid it to a master', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [delegate({ goal: 'go deeper' })] },
		{ agent: 'worker', calls: [delegate({ goal: 'still deeper' })] },
		{ agent: 'worker', match: "there is no tool 'delegate'", text: 'I cannot' },
		{ agent: 'master', match: 'I cannot', text: 'over' },
	]);
	const first = await w.mishri(w.teamArgs('lead', '-m', model));
	assert.deepEqual([first.code, first.out], [0, 'over\n'], first.err);

	const v = world(t, { policy: POLICY.replace('allow: delegate', 'deny: delegate') });
	const denied = record(v, [
		{ agent: 'master', calls: [delegate({ goal: 'x' })] },
		{ agent: 'master', match: 'Denied by rule share', text: 'over' },
	]);
	const second = await result(v.mishri(v.teamArgs('lead', '-m', denied, '--output-format', 'json')));
	assert.deepEqual([second.code, second.json.denied], [0, 1], second.err);
	assert.equal(v.events('task.created').length, 1);
});

test("a child's limits are never more than its parent's", async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [delegate({ goal: 'work for ever' })] },
		...Array.from({ length: 10 }, () => ({ agent: 'worker', calls: [shell('true')] })),
		{ agent: 'master', match: 'failed', text: 'over' },
	]);
	const done = await w.mishri(w.teamArgs('lead', '-m', model, '--max-turns', '4', '--timeout', '30s'));
	assert.equal(done.code, 0, done.err);
	const [root, child] = w.events('task.created').map((e) => e.data.limits);
	assert.ok(child.turns <= root.turns && child.timeout_ms <= root.timeout_ms && child.calls <= root.calls);
	assert.equal(w.events('task.reported')[0].data.exit, 8);
});

test('a time limit of the master ends its workers, a while before its own end, so that it hears of it', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [delegate({ goal: 'sleep one' }, { goal: 'sleep two' })] },
		{ agent: 'worker', match: 'sleep one', calls: [shell('sleep 60')] },
		{ agent: 'worker', match: 'sleep two', calls: [shell('sleep 60')] },
		{ agent: 'master', match: 'The time limit of', calls: [finish('they were too slow')] },
	]);
	const r = await result(w.mishri(w.teamArgs('lead', '-m', model, '--timeout', '5s', '--output-format', 'json')));
	assert.ok([0, 8].includes(r.code), r.err); /* 8: on a machine that is busy its own time is over too */
	assert.ok(r.ms < 15000);
	const below = w.events('task.created').filter((e) => e.parent !== null);
	assert.ok(below.every((e) => e.data.limits.timeout_ms > 0 && e.data.limits.timeout_ms <= 4500));
	const ended = w.events('task.finished').filter((e) => e.parent !== null);
	assert.deepEqual(ended.map((e) => e.data.exit), [8, 8]);
	assert.equal(w.events('task.reported').length, 2);
	assert.equal(w.events('task.finished').length, 3);
	await w.leftNothing();
});

test('interrupted: workers park, and the same ones go on', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [delegate({ goal: 'alpha' }, { goal: 'beta' })] },
		{ agent: 'worker', match: 'alpha', calls: [shell('echo alpha >> log; sleep 30')] },
		{ agent: 'worker', match: 'beta', calls: [shell('echo beta >> log; sleep 30')] },
		{ agent: 'worker', match: 'alpha', text: 'alpha over' },
		{ agent: 'worker', match: 'beta', text: 'beta over' },
		{ agent: 'master', match: 'beta over', text: 'all over' },
	]);
	const run = w.start(w.teamArgs('lead', '-m', model));
	await run.until(/beta[^]*beta|2\.1|sleep 30[^]*sleep 30/);
	while (!w.has('log') || w.read('log').split('\n').length < 3)
		await sleep(50);
	run.kill('SIGINT');
	const stopped = await run.done;
	assert.equal(stopped.code, 130, stopped.err);
	assert.equal(w.events('task.parked').length, 3);
	const root = w.events('task.created')[0].task;
	const again = await w.mishri(w.resumeArgs(root));
	assert.deepEqual([again.code, again.out], [0, 'all over\n'], again.err);
	assert.equal(w.events('task.created').length, 3, 'no new tasks were made');
	assert.deepEqual(w.read('log').trim().split('\n').sort(), ['alpha', 'beta'], 'nothing ran twice');
	await w.leftNothing();
});

test('killed at any moment: nothing runs twice, nothing is lost, the tree ends', { timeout: 240000 }, async (t) => {
	const w = world(t, { policy: POLICY });
	const workers = ['alpha', 'beta', 'gamma'], steps = 6;
	const model = record(w, [
		{ agent: 'master', calls: [delegate(...workers.map((name) => ({ goal: `${name} work` })))] },
		...workers.flatMap((name) => [
			...Array.from({ length: steps }, (_, i) => ({ agent: 'worker', match: `${name} work`, calls: [shell(`echo ${name}${i} >> log; sleep 0.02`)] })),
			{ agent: 'worker', match: `${name} work`, text: `${name} over` },
		]),
		{ agent: 'master', match: 'gamma over', text: 'all over' },
	]);
	let run = w.start(w.teamArgs('lead', '-m', model));
	let kills = 0, done;
	for (; kills < 15; kills++) {
		await sleep(30 + Math.floor(Math.random() * 250));
		run.kill('SIGKILL');
		done = await run.done;
		if (done.code === 0)
			break;
		await w.leftNothing();
		const roots = w.hasStore() ? w.events('task.created') : [];
		run = w.start(roots.length > 0 ? w.resumeArgs(roots[0].task) : w.teamArgs('lead', '-m', model));
	}
	done = await run.done;
	assert.deepEqual([done.code, done.out], [0, 'all over\n'], done.err);
	const log = w.read('log').trim().split('\n');
	assert.equal(new Set(log).size, log.length, 'nothing ran twice');
	const unknown = w.events('call.finished').filter((e) => e.data.status === 'unknown').length;
	assert.ok(log.length + unknown >= workers.length * steps, `${log.length} effects and ${unknown} unknown of ${workers.length * steps}`);
	assert.equal(w.events('task.created').length, 4);
	assert.equal((await w.mishri(['audit', 'verify', ...w.places()])).code, 0);
	t.diagnostic(`${kills} kills, ${unknown} outcomes unknown`);
});

test('ask_user without a person says so and goes on', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [{ name: 'ask_user', args: { question: 'Which colour?' } }] },
		{ agent: 'master', match: 'Nobody is there', text: 'blue then' },
	]);
	const done = await w.mishri(w.teamArgs('paint', '-m', model));
	assert.deepEqual([done.code, done.out], [0, 'blue then\n'], done.err);
	assert.equal(w.events('question.answered')[0].data.by, 'nobody');
});

test('ask_user at a terminal: the next line is the answer', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [{ name: 'ask_user', args: { question: 'Which \u001b[31mcolour?' } }] },
		{ agent: 'master', match: 'dark green', text: 'dark green it is' },
	]);
	const run = w.startInTerminal(w.teamArgs('paint', '-m', model));
	await run.until(/The agent asks you/, 'out');
	await sleep(200);
	run.say('dark green\n');
	const done = await run.done;
	assert.equal(done.code, 0, done.out);
	assert.match(done.out, /Which \\x1b\[31mcolour\?/);
	assert.match(done.out, /dark green it is/);
});

// The first process of the cell in which a command line runs.
function cellInit(command) {
	const read = (pid, file) => { try { return fs.readFileSync(`/proc/${pid}/${file}`, 'utf8'); } catch { return ''; } };
	let pid = fs.readdirSync('/proc').find((p) => /^\d+$/.test(p) && read(p, 'cmdline') === command.split(' ').join('\0') + '\0');
	for (; pid !== undefined && pid > 1; pid = read(pid, 'status').match(/PPid:\s+(\d+)/)?.[1])
		if (/NSpid:\s+\d+(\s+\d+)*\s+1\n/.test(read(pid, 'status')))
			return Number(pid);
	return null;
}

test('a worker that loses its cell gets another one: its call is of unknown outcome, and the work goes on', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [delegate({ goal: 'alpha part' }, { goal: 'beta part' })] },
		{ agent: 'worker', match: 'alpha part', calls: [shell('sleep 61.51')] },
		{ agent: 'worker', match: 'beta part', calls: [shell('sleep 6.52')] },
		{ agent: 'worker', match: 'alpha part', text: 'alpha went on' },
		{ agent: 'worker', match: 'beta part', text: 'beta is done' },
		{ agent: 'master', text: 'both have reported' },
	]);
	const run = w.start(w.teamArgs('lead', '-m', model));
	let init = null;
	for (let i = 0; i < 100 && (init === null || cellInit('sleep 6.52') === null); i++, await sleep(50))
		init = cellInit('sleep 61.51');
	assert.ok(init > 1);
	process.kill(init, 'SIGKILL');
	const done = await run.done;
	assert.equal(done.code, 0, done.err);
	assert.match(done.out, /both have reported/);
	const finished = w.events('call.finished').filter((e) => e.data.tool === 'shell').map((e) => e.data.status).sort();
	assert.deepEqual(finished, ['ok', 'unknown']);
	assert.ok(w.events('cell.closed').some((e) => e.data.reason === 'lost'));
	assert.equal(w.events('cell.opened').length, 4, 'three tasks, and one cell anew');
	await w.leftNothing();
});
