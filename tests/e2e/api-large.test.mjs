// api-large.test.mjs - what is large is put together beside the loop: the service answers others meanwhile, starts no more than so
// many processes for it, ends them when their client leaves, and gives them none of its keys.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { test } from 'node:test';

import { AM_ROOT, descendants, KEY, shell, sleep, startModel, world } from './lib.mjs';
import { serve } from './serve-lib.mjs';

// A task of the real program, and then as many more events of it as it takes to be slow.
async function large(t, count) {
	const w = world(t, { as_nobody: AM_ROOT });
	const model = await startModel({ replies: [{ calls: [shell('true')] }, { text: 'done' }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env });
	const { body } = await s.post('/v1/tasks', { goal: 'x', workspace: w.ws, model: 'openai/mock', plan: 'never' });
	await s.ended(body.task);
	w.sql(`insert into events select (select max(seq) from events) + value, time, type, session, task, data, prev, hash
		from events, (with recursive n(value) as (select 1 union all select value + 1 from n where value < ${count}) select value from n)
		where type = 'exec.decided' and seq = (select max(seq) from events where type = 'exec.decided')`);
	return { w, s, task: body.task };
}
const readers = (s) => descendants(s.process.pid).map((p) => {
	try {
		return { pid: p.pid, words: fs.readFileSync(`/proc/${p.pid}/cmdline`, 'latin1').split('\0'), env: fs.readFileSync(`/proc/${p.pid}/environ`, 'latin1') };
	} catch {
		return { words: [] };
	}
}).filter((p) => p.words.includes('trace'));

test('while a trace of 50,000 events is put together, others are answered, and the loop beats', async (t) => {
	const { s, task } = await large(t, 50000);
	let whole = null, between = 0, slowest = 0;
	const all = s.get(`/v1/tasks/${task}/trace`).then((answer) => { whole = answer; });
	while (whole === null) {
		const since = Date.now();
		assert.equal((await s.get('/healthz')).status, 200);
		slowest = Math.max(slowest, Date.now() - since);
		between += whole === null;
		await sleep(5);
	}
	await all;
	assert.equal(whole.status, 200);
	assert.ok(whole.text.length > 50000 * 100, `${whole.text.length} bytes`);
	assert.ok(between >= 5, `${between} others were answered meanwhile`);
	assert.ok(slowest < 5000, `${slowest} ms`);
	t.diagnostic(`${between} answers meanwhile, the slowest after ${slowest} ms`);
	const health = await s.get('/v1/health');
	assert.equal(health.body.status, 'ok');
	const shown = JSON.parse((await s.w.mishri(['trace', ...s.w.places(), '--format', 'json', task])).out);
	assert.deepEqual(whole.body, shown, 'as the command says it');
	await s.end();
});

test('no more than four at once, without a key; who leaves takes his away', async (t) => {
	const { w, s, task } = await large(t, 20000);
	const options = { socketPath: s.socket, path: `/v1/tasks/${task}/trace`, headers: { Host: 'mishri' }, agent: false };
	let open = 8, most = 0;
	const answers = Array.from({ length: 8 }, () => s.get(`/v1/tasks/${task}/trace`).finally(() => open--));
	while (open > 0) {
		const now = readers(s);
		most = Math.max(most, now.length);
		for (const p of now)
			assert.doesNotMatch(p.env, new RegExp(`${KEY}|API_KEY`));
		await sleep(10);
	}
	for (const answer of await Promise.all(answers))
		assert.equal(answer.status, 200);
	assert.ok(most >= 1 && most <= 4, `${most} at once`);
	for (const how of ['tcp', 'unix']) {
		const token = JSON.parse((await w.mishri(['token', 'add', ...w.places(), '--json', how, '--role', 'auditor'])).out).token;
		const leaving = Array.from({ length: 6 }, () => http.get(how === 'unix' ? options : { ...options, socketPath: undefined, host: '127.0.0.1',
			port: s.port, headers: { Authorization: `Bearer ${token}` } }));
		const said = [];
		for (const one of leaving)
			one.on('error', () => {}).on('response', (answer) => said.push(answer.statusCode));
		for (let i = 0; readers(s).length < 4; i++, await sleep(5))
			assert.ok(i < 400, `they never began: ${said}`);
		for (const one of leaving)
			one.destroy();
		for (let i = 0; readers(s).length > 0; i++, await sleep(10))
			assert.ok(i < 1000, 'they are at it still');
	}
	assert.equal((await s.get('/healthz')).status, 200);
	await s.end();
	await w.leftNothing();
});

test('a service that ends does not leave its readers behind', async (t) => {
	const { w, s, task } = await large(t, 20000);
	const answers = Array.from({ length: 6 }, () => s.get(`/v1/tasks/${task}/trace`).catch(() => {}));
	for (let i = 0; readers(s).length === 0; i++, await sleep(5))
		assert.ok(i < 2000, 'they never began');
	await s.end();
	await Promise.all(answers);
	await w.leftNothing();
});
