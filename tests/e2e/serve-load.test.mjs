// serve-load.test.mjs - a service when the world is unkind: many tasks and a stop, models that hang, stutter and refuse, a full disk.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { test } from 'node:test';

import { AM_ROOT, shell, sleep, startModel, world } from './lib.mjs';
import { serve } from './serve-lib.mjs';

const start = (s, w, goal, model = 'openai/mock') => s.post('/v1/tasks', { goal, workspace: w.ws, model, plan: 'never' });
async function until(check, what, polls = 1200) {
	for (let i = 0; i < polls; i++, await sleep(50))
		if (await check())
			return;
	assert.fail(what);
}

const TASKS = 200;

test(`a stop under ${TASKS} running tasks: all park in order, and the next service ends them all, once`, { timeout: 240000 }, async (t) => {
	const w = world(t);
	const model = await startModel({ replies: [{ match: 'of many', hang: 'before', times: TASKS }, { match: 'of many', text: 'done', times: 0 }] });
	t.after(() => model.close());
	const env = { ...model.env };
	const first = await serve(t, w, { env, args: ['-c', 'shutdown.deadline=60s'] });
	for (let i = 0; i < TASKS; i += 20)
		for (const { status, text } of await Promise.all(Array.from({ length: 20 }, (_, k) => start(first, w, `${i + k} of many`))))
			assert.equal(status, 201, text);
	await until(() => model.requests.length === TASKS, 'not all of them ever ran');
	assert.equal((await first.get('/healthz')).status, 200);
	const stopped = await first.end();
	assert.ok([0, 143].includes(stopped.code), `${stopped.code} ${stopped.err}`);
	const parked = w.events('task.parked');
	assert.equal(parked.length, TASKS);
	assert.deepEqual([...new Set(parked.map((e) => `${e.data.reason} ${e.data.service}`))], ['interrupted true']);
	assert.deepEqual(w.sql('select task from leases where until_ms > 0'), []);
	const second = await serve(t, w, { env });
	await until(() => w.sql("select count(*) as n from tasks where state = 'done'")[0].n === TASKS, 'not all of them ended');
	assert.equal(w.events('task.finished').length, TASKS);
	await second.end();
	w.checkChain();
	await w.leftNothing();
});

const UNKIND = [
	{ name: 'nothing comes', bad: [{ hang: 'before' }, { hang: 'before' }] },
	{ name: 'the headers, and nothing', bad: [{ hang: 'headers' }] },
	{ name: 'the first words, and nothing', bad: [{ text: 'and then', hang: 'first' }] },
	{ name: 'byte by byte', bad: [], good: { text: 'done', piece_size: 1, piece_delay_ms: 20 } },
	{ name: 'it is cut', bad: [{ text: 'half of a long sentence, and then', piece_size: 4, cut_after: 400 }] },
	{ name: 'no answer at all', bad: [{ drop: true }, { drop: true }] },
	{ name: 'too many requests', bad: [{ status: 429, headers: { 'retry-after': '1' } }, { status: 429 }] },
	{ name: 'overloaded', bad: [{ status: 529 }, { status: 503 }] },
	{ name: 'a web page', bad: [{ status: 502, body: '<html>bad gateway</html>' }] },
];

test('models that hang, stutter, cut and refuse: each task outlives its own, and nobody waits for another\'s', async (t) => {
	const w = world(t);
	const model = await startModel({ replies: [...UNKIND.flatMap((row, i) => [...row.bad.map((bad) => ({ match: `unkind ${i}.`, ...bad })),
		{ match: `unkind ${i}.`, text: 'done', ...row.good }]), { match: 'kind', text: 'done', times: 0 }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env, args: ['-c', 'model.first_byte=1s', '-c', 'model.idle=1s'] });
	const tasks = await Promise.all(UNKIND.map((row, i) => start(s, w, `unkind ${i}.`, `openai/model-${i}`)));
	for (const { status, text } of tasks)
		assert.equal(status, 201, text);
	const kind = await start(s, w, 'kind', 'openai/kind');
	assert.equal((await s.ended(kind.body.task)).state, 'done');
	assert.equal((await s.get('/healthz')).status, 200);
	for (const [i, { body }] of tasks.entries())
		assert.equal((await s.ended(body.task)).state, 'done', UNKIND[i].name);
	const retried = new Set(w.events('retry.scheduled').map((e) => e.task));
	for (const [i, { body }] of tasks.entries())
		assert.equal(retried.has(body.task), UNKIND[i].bad.length > 0, UNKIND[i].name);
	await s.end();
	w.checkChain();
});

test('a full disk: nothing begins, it is said, and a service goes on with all of it when there is room', { skip: !AM_ROOT && 'mounts a small file system' }, async (t) => {
	const w = world(t);
	fs.mkdirSync(w.data);
	const holder = spawn('unshare', ['-m', 'sh', '-c', `mount -t tmpfs -o size=6m,mode=700 none '${w.data}' && echo ready && exec sleep 600`]);
	t.after(() => holder.kill('SIGKILL'));
	await new Promise((done, failed) => {
		holder.stdout.once('data', done);
		holder.once('exit', () => failed(new Error('no small file system')));
	});
	w.enter = ['nsenter', '-m', '-t', String(holder.pid), '--'];
	const inside = (script) => spawnSync('nsenter', ['-m', '-t', String(holder.pid), '--', 'sh', '-c', script]);
	const model = await startModel({ replies: [{ match: 'before', calls: [shell('echo 1 >> steps; while [ ! -e go ]; do sleep 0.1; done')] },
		{ match: 'before', text: 'x'.repeat(200000), calls: [shell('echo 2 >> steps')] }, { text: 'done', times: 0 }] });
	t.after(() => model.close());
	const args = ['-c', 'shutdown.deadline=2s'];
	let s = await serve(t, w, { env: model.env, args });
	const token = JSON.parse((await w.mishri(['token', 'add', ...w.places(), '--json', 'all', '--role', 'admin'])).out).token;
	const ask = (method, target, body) => s.ask(method, target, { body, token });
	const made = await ask('POST', '/v1/tasks', { goal: 'before', workspace: w.ws, model: 'openai/mock', plan: 'never' });
	assert.equal(made.status, 201, made.text);
	await until(() => w.has('steps'), 'it never began');
	inside(`cat /dev/zero > '${w.data}/filler'`);
	w.write('go', '');
	let refused;
	await until(async () => {
		refused = await ask('POST', '/v1/tasks', { goal: 'x'.repeat(100000), workspace: w.ws, model: 'openai/mock', plan: 'never' });
		return refused.status !== 201;
	}, 'a full disk took everything', 100);
	assert.equal(refused.status, 503, refused.text);
	assert.match(refused.body.detail, /full|space|room|store/i);
	assert.equal(w.read('steps'), '1\n', 'nothing began that was not written down');
	assert.equal((await ask('GET', '/healthz')).status, 200, 'it lives, and says how it is');
	inside(`rm '${w.data}/filler'`);
	await s.end();
	s = await serve(t, w, { env: model.env, args });
	await until(async () => (await ask('GET', `/v1/tasks/${made.body.task}`)).body.state === 'done', 'it never went on');
	assert.ok(w.read('steps').split('\n').filter((line) => line === '1').length === 1, 'once');
	const more = await ask('POST', '/v1/tasks', { goal: 'after', workspace: w.ws, model: 'openai/mock', plan: 'never' });
	assert.equal(more.status, 201, more.text);
	await s.end();
	w.checkChain();
});
