// Worker slots, named locks, and waits that would never end: real processes, a recorded model.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { exited, shell, sleep, startModel, USERS, world } from './lib.mjs';

const usage = { input: 10, cache_read: 0, output: 5, usd_nanos: 1000 };
const lock = (name, more = {}) => ({ name: 'lock', args: { name, ...more } });
const unlock = (name) => ({ name: 'unlock', args: { name } });
const delegate = (...goals) => ({ name: 'delegate', args: { tasks: goals.map((goal) => ({ goal })) } });
const finish = (result) => ({ name: 'finish', args: { result } });

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

const until = (file) => `for i in $(seq 300); do [ -e ${file} ] && exit 0; sleep 0.1; done; exit 1`;
const told = (w, tool) => w.events('call.finished').filter((e) => e.data.tool === tool).map((e) => [e.data.status, e.data.output]);

async function team(w, model, ...more) {
	const r = await w.mishri(w.teamArgs('lead', '-m', model, '--output-format', 'json', ...more));
	return { ...r, json: JSON.parse(r.out) };
}

for (const user of USERS)
	test(`two workers that lock in opposite order: one wait is ended and told of, as ${user.name}`, async (t) => {
		const w = world(t, { policy: POLICY, ...user });
		const model = record(w, [
			{ agent: 'master', calls: [delegate('alpha part', 'beta part')] },
			{ agent: 'worker', match: 'alpha part', calls: [lock('x'), shell(`touch a; ${until('b')}`), lock('y')] },
			{ agent: 'worker', match: 'beta part', calls: [lock('y'), shell(`touch b; ${until('a')}`), lock('x')] },
			{ agent: 'worker', match: 'Deadlock, not locked', text: 'I gave way' },
			{ agent: 'worker', match: 'You hold the lock', text: 'I have both' },
			{ agent: 'master', match: 'I gave way', calls: [finish('both are done')] },
		]);
		const r = await team(w, model);
		assert.equal(r.code, 0, r.err);
		assert.equal(r.json.result, 'both are done');
		const [dead, ...more] = w.events('deadlock.detected');
		assert.equal(more.length, 0);
		const [one, other] = dead.data.edges.map((e) => e.from);
		assert.equal(dead.data.edges.length, 2);
		assert.match(dead.data.cycle, new RegExp(`^${one} waits for lock [xy] held by ${other}; ${other} waits for lock [xy] held by ${one}$`));
		const waits = w.events('lock.waiting'), since = waits.map((e) => e.time).sort().at(-1);
		assert.ok(waits.some((e) => e.time === since && e.task === dead.task), 'the youngest wait is ended');
		assert.equal(told(w, 'lock').filter(([status]) => status === 'error').length, 1);
		const taken = w.events('lock.taken').map((e) => e.data.lock);
		assert.equal(taken.length, 3, 'what gave way gave back at its end, and the other one had it');
		const shown = await w.mishri(['trace', r.json.task, ...w.places()]);
		assert.match(shown.out, /lock error Deadlock/);
		await w.leftNothing();
	});

test('a lock keeps the others of the tree out until it is given back, and no longer', async (t) => {
	const w = world(t, { policy: POLICY });
	const work = (name) => [lock('file'), shell(`[ -e busy ] && touch both; touch busy; sleep 0.3; rm busy; echo ${name}`), unlock('file')];
	const model = record(w, [
		{ agent: 'master', calls: [delegate('alpha', 'beta', 'gamma')] },
		...['alpha', 'beta', 'gamma'].map((name) => ({ agent: 'worker', match: name, calls: work(name) })),
		...['alpha', 'beta', 'gamma'].map((name) => ({ agent: 'worker', match: name, text: 'done' })),
		{ agent: 'master', match: 'done', calls: [finish('all')] },
	]);
	const r = await team(w, model);
	assert.equal(r.code, 0, r.err);
	assert.equal(fs.existsSync(path.join(w.ws, 'both')), false, 'two were in at once');
	assert.deepEqual(w.events('lock.taken').length, 3);
	assert.ok(w.events('lock.waiting').length >= 1, 'somebody had to wait');
	assert.equal(w.events('deadlock.detected').length, 0);
});

test('a worker that wants what its master holds is told, and the master goes on', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [lock('file'), delegate('alpha')] },
		{ agent: 'worker', calls: [lock('file')] },
		{ agent: 'worker', match: 'its worker', text: 'my master has it' },
		{ agent: 'master', match: 'my master has it', calls: [unlock('file'), unlock('file'), lock('file', { wait: false }), finish('ok')] },
	]);
	const r = await team(w, model);
	assert.equal(r.code, 0, r.err);
	assert.match(w.events('deadlock.detected')[0].data.cycle, /waits for lock file held by .*; .* waits for its worker /);
	assert.deepEqual(told(w, 'unlock').map(([status]) => status), ['ok', 'error']);
});

test('a lock outlives a crash of the engine', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [delegate('alpha', 'beta')] },
		{ agent: 'worker', match: 'alpha', calls: [lock('x'), shell(`touch has; ${until('go')}`), { name: 'read_file', args: { path: 'go' } }, unlock('x')] },
		{ agent: 'worker', match: 'beta', calls: [shell(until('has')), lock('x'), shell('cat go')] },
		{ agent: 'worker', match: 'alpha', text: 'alpha is done' },
		{ agent: 'worker', match: 'beta', text: 'beta is done' },
		{ agent: 'master', match: 'beta is done', calls: [finish('all')] },
	]);
	const run = w.start(w.teamArgs('lead', '-m', model, '--output-format', 'json'));
	for (let i = 0; i < 300 && (!w.has('has') || w.events('lock.waiting').length === 0); i++)
		await sleep(50);
	assert.equal(w.events('lock.waiting').length, 1);
	run.child.kill('SIGKILL');
	await run.done;
	fs.writeFileSync(path.join(w.ws, 'go'), 'now\n');
	const task = w.events('task.created')[0].task;
	const r = await w.mishri(['run', '--resume', task, ...w.places(), '--output-format', 'json']);
	assert.equal(r.code, 0, r.err);
	const order = [...w.events('lock.taken'), ...w.events('lock.released')].sort((a, b) => a.seq - b.seq).map((e) => e.type);
	const owner = w.events('lock.taken').map((e) => e.task);
	assert.equal(new Set(owner).size, 2);
	assert.ok(order.indexOf('lock.released') < order.lastIndexOf('lock.taken'), 'given back before the other one had it');
});

test('one slot: a tree does not hang, work is one at a time, and who waits says so', async (t) => {
	const w = world(t, { policy: POLICY });
	const busy = shell('[ -e busy ] && touch both; touch busy; sleep 1.3; rm busy');
	const model = record(w, [
		{ agent: 'master', calls: [delegate('alpha', 'beta', 'gamma')] },
		...['alpha', 'beta', 'gamma'].map((name) => ({ agent: 'worker', match: name, calls: [busy] })),
		...['alpha', 'beta', 'gamma'].map((name) => ({ agent: 'worker', match: name, text: 'done' })),
		{ agent: 'master', match: 'done', calls: [finish('all')] },
	]);
	const r = await team(w, model, '-c', 'slots.engine=1');
	assert.equal(r.code, 0, r.err);
	assert.equal(fs.existsSync(path.join(w.ws, 'both')), false, 'two worked at once');
	const waiting = w.events('slot.waiting');
	assert.ok(waiting.length >= 1);
	assert.equal(waiting[0].data.scope, 'engine');
	assert.equal(waiting[0].data.limit, 1);
	assert.equal(waiting[0].data.behind.length, 1);
	await w.leftNothing();
});

test('without that limit they work at once', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [delegate('alpha', 'beta')] },
		{ agent: 'worker', match: 'alpha', calls: [shell(`touch a; ${until('b')}`)] },
		{ agent: 'worker', match: 'beta', calls: [shell(`touch b; ${until('a')}`)] },
		{ agent: 'worker', match: 'alpha', text: 'done' },
		{ agent: 'worker', match: 'beta', text: 'done' },
		{ agent: 'master', match: 'done', calls: [finish('all')] },
	]);
	const r = await team(w, model);
	assert.equal(r.code, 0, r.err);
	assert.deepEqual(told(w, 'shell').map(([status]) => status), ['ok', 'ok']);
});

test('bad numbers are said', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [{ text: 'x' }]);
	for (const [pair, why] of [['slots.engine=0', /slots\.engine: 0 is too little/], ['slots.providers=openai', /write NAME=N, NAME=N, such as openai=8/],
		['slots.user=many', /must be a whole number/]]) {
		const r = await w.mishri(w.teamArgs('go', '-m', model, '-c', pair));
		assert.equal(r.code, 2, pair);
		assert.match(r.err, why);
	}
});

test('a higher priority takes the next slot, of who has waited longer', async (t) => {
	const w = world(t, { policy: POLICY });
	const names = ['alpha', 'beta', 'gamma'];
	const model = record(w, [
		{ agent: 'master', calls: [delegate(...names)] },
		...names.map((name) => ({ agent: 'worker', match: name, calls: [shell(`echo ${name} >> order; ${until('go')}`)] })),
		...names.map((name) => ({ agent: 'worker', match: name, text: 'done' })),
		{ agent: 'master', match: 'done', calls: [finish('all')] },
	]);
	const run = w.start(w.teamArgs('lead', '-m', model, '-c', 'slots.engine=1'));
	const waiting = () => (w.has('order') ? w.events('slot.waiting') : []);
	for (let i = 0; i < 300 && waiting().length < 2; i++)
		await sleep(50);
	const last = waiting().sort((a, b) => a.data.since_us - b.data.since_us).at(-1).task;
	const goal = w.events('task.created').find((e) => e.task === last).data.goal;
	const ps = JSON.parse((await w.mishri(['ps', ...w.places(), '--json'])).out);
	assert.match(ps.find((row) => row.task === last).now, /^waits for a worker slot since .*: the engine has all 1 in use by \w{12}; /);
	const set = await w.mishri(['priority', last, '50', ...w.places()]);
	assert.equal(set.code, 0, set.err);
	for (let i = 0; i < 300 && w.events('task.prioritized').length === 0; i++)
		await sleep(50);
	w.write('go', '');
	const done = await run.done;
	assert.equal(done.code, 0, done.err);
	assert.equal(w.read('order').trim().split('\n')[1], goal);
});

// Two parts at once, each with a model call that takes its time and a program that does. What the events say of their order
// is what is checked: the intent of one follows the end of the other, or does not.
const PLACES = [
	{ name: 'no limit', config: '', args: [], calls: false, requests: false },
	{ name: 'one for all providers', config: '', args: ['-c', 'slots.provider=1'], calls: false, requests: true, scope: 'provider', of: 'openai' },
	{ name: 'one for this provider', config: '', args: ['-c', 'slots.providers=openai=1, anthropic=4'], calls: false, requests: true, scope: 'provider', of: 'openai' },
	{ name: 'one for another provider', config: '', args: ['-c', 'slots.providers=anthropic=1'], calls: false, requests: false },
	{ name: 'one for each profile', config: '', args: ['-c', 'slots.agent=1'], calls: true, requests: true, scope: 'agent', of: 'worker' },
	{ name: 'one, says the profile', config: 'agents: { doer: { slots: 1 } }\n', agent: 'doer', args: [], calls: true, requests: true, scope: 'agent', of: 'doer' },
	{ name: 'one, says another profile', config: 'agents: { doer: { slots: 1 } }\n', args: [], calls: false, requests: false },
];

describe('slots in their places', { concurrency: PLACES.length }, () => {
	for (const row of PLACES)
		test(row.name, async (t) => {
			const w = world(t, { policy: POLICY });
			const parts = ['alpha', 'beta'];
			const model = await startModel({ replies: [{ match: 'lead', calls: [{ name: 'delegate', args: { tasks: parts.map((goal) => ({ goal, ...(row.agent && { agent: row.agent }) })) } }] },
				...parts.map((goal) => ({ match: goal, delay_ms: 3000, calls: [shell('sleep 6')] })), ...parts.map((goal) => ({ match: goal, text: 'done' })),
				{ match: 'lead', calls: [finish('all')], times: 0 }] });
			t.after(() => model.close());
			const dir = path.join(w.home, '.config/mishri');
			fs.mkdirSync(dir, { recursive: true });
			fs.writeFileSync(path.join(dir, 'config.yaml'), row.config);
			exited(await w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '-m', 'openai/mock', ...row.args, 'lead'], { env: model.env }), 0);
			const workers = w.events('task.created').slice(1).map((e) => e.task);
			const spans = (begin, end) => workers.map((task) => [w.events(begin), w.events(end)].map((all) => all.find((e) => e.task === task).seq));
			const apart = ([a, b]) => a[1] < b[0] || b[1] < a[0];
			assert.equal(apart(spans('model.requested', 'model.replied')), row.requests, 'model calls one after the other');
			assert.equal(apart(spans('call.started', 'call.finished')), row.calls, 'programs one after the other');
			const waiting = w.events('slot.waiting').map((e) => [e.data.scope, e.data.name, e.data.limit]);
			assert.deepEqual([...new Set(waiting.map(String))], row.scope === undefined ? [] : [String([row.scope, row.of, 1])]);
		});
});
