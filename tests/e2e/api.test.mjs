// api.test.mjs - the routes: what they give is what the commands show, and what the description says is what there is.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { ROOT, mishri, shell, sleep, startModel, world } from './lib.mjs';
import { serve, token } from './serve-lib.mjs';

test('the description and the service agree: every route is there, every other method is not', async (t) => {
	const w = world(t);
	const s = await serve(t, w);
	const { body } = await s.get('/openapi.json', { tcp: true });
	assert.equal(body.openapi, '3.1.0');
	const methods = ['get', 'post', 'put', 'delete', 'patch'];
	for (const [path, operations] of Object.entries(body.paths))
		for (const method of methods) {
			const target = path.replace('{id}', 'aaaaaaaaaaaa'), operation = operations[method];
			const answer = await s.ask(method.toUpperCase(), target, operation?.requestBody !== undefined ? { body: {} } : {});
			if (operation === undefined)
				assert.equal(answer.status, 405, `${method} ${path}`);
			else
				assert.ok(![405, 500, 501].includes(answer.status), `${method} ${path}: ${answer.status} ${answer.text}`);
			if (answer.status >= 400) {
				assert.match(answer.headers['content-type'], /problem\+json/);
				assert.ok(answer.body.detail.length > 10, answer.text);
			}
			if (operation !== undefined && operation.security.length > 0)
				assert.equal((await s.ask(method.toUpperCase(), target, { tcp: true, ...(operation.requestBody !== undefined ? { body: {} } : {}) })).status, 401, path);
			if (operation?.requestBody !== undefined) {
				const schema = operation.requestBody.content['application/json'].schema;
				assert.equal(schema.additionalProperties, false);
				assert.equal((await s.ask(method.toUpperCase(), target, { body: [] })).status, 400, path);
			}
			for (const one of operation?.parameters ?? [])
				if (one.in === 'query')
					assert.notEqual((await s.ask(method.toUpperCase(), `${target}?${one.name}=1`, {})).status, 400, `${path} ${one.name}`);
			if (operation !== undefined && operation.requestBody === undefined)
				assert.equal((await s.ask(method.toUpperCase(), `${target}?surprise=1`, {})).status, 400, path);
		}
	for (const path of ['/ui/', '/v1', '/v1/nothing', '/v1/tasks/a/b/c', '/v1/tasks/'])
		assert.ok([400, 404].includes((await s.get(path)).status), path);
	await s.end();
});

test('docs/api.md is made from the table', () => {
	const made = spawnSync(path.join(ROOT, 'script/api-docs'), ['print'], { encoding: 'utf8', env: { ...process.env, MISHRI: mishri() } });
	assert.equal(made.status, 0, made.stderr);
	assert.equal(fs.readFileSync(path.join(ROOT, 'docs/api.md'), 'utf8'), made.stdout);
});

test('a task by the API: once for one key, and shown as the commands show it', async (t) => {
	const w = world(t);
	const model = await startModel({ replies: [{ calls: [shell('echo hello')] }, { text: 'done' }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env });
	const goal = { goal: 'say hello', workspace: w.ws, model: 'openai/mock', plan: 'never', max_turns: 5, timeout: '1m' };
	const key = { headers: { 'Idempotency-Key': 'one' } };
	const begun = await Promise.all(Array.from({ length: 4 }, () => s.post('/v1/tasks', goal, key)));
	assert.equal(new Set(begun.map((one) => one.body.task)).size, 1, JSON.stringify(begun.map((one) => one.body)));
	const { task } = begun[0].body;
	assert.equal((await s.post('/v1/tasks', { ...goal, goal: 'other' }, key)).status, 422);
	const shown = await s.ended(task);
	assert.equal(shown.result, 'done');
	assert.equal((await s.post('/v1/tasks', goal, key)).body.task, task, 'also when it is over');
	const cli = async (...args) => JSON.parse((await w.mishri([...args, ...w.places(), '--json'])).out);
	assert.deepEqual(shown, await cli('show', task));
	assert.deepEqual((await s.get(`/v1/tasks/${task}/tree`)).body, await cli('tree', task));
	assert.deepEqual((await s.get('/v1/tasks?q=hello&limit=5')).body.tasks.map((one) => one.task), [task]);
	assert.deepEqual((await s.get('/v1/cost?by=user')).body, await cli('cost', '--by', 'user'));
	const events = (await s.get(`/v1/tasks/${task}/events?limit=3`)).body;
	assert.equal(events.events.length, 3);
	const rest = (await s.get(`/v1/tasks/${task}/events?limit=1000&after=${events.next}`)).body;
	assert.equal(events.events.length + rest.events.length, w.events().filter((e) => e.task === task).length);
	for (const [format, start] of [['json', /^{/], ['dot', /^digraph/], ['html', /^<!doctype/i], ['mermaid', /^flowchart|^graph/], ['text', /./]])
		assert.match((await s.get(`/v1/tasks/${task}/trace?format=${format}`)).text, start, format);
	assert.equal((await s.get(`/v1/tasks/${task}/trace?format=x`)).status, 422);
	assert.equal((await s.post('/v1/policy/check', { workspace: w.ws, exec: ['/bin/rm', 'x'] })).body.effect, 'deny');
	assert.equal((await s.get(`/v1/policy?workspace=${w.ws}`)).status, 200);
	await s.end();
});

test('an approval answered by the API and at a terminal at once counts once; a steered and cancelled task', async (t) => {
	const w = world(t, { policy: `version: 1
name: ask
rules:
  - { id: ask, ask: tool, tool: shell, reason: "look first" }
  - { id: programs, allow: exec, program: { from: system } }
` });
	const model = await startModel({ replies: [{ calls: [shell('echo hello > made')] }, { text: 'done' }, { hang: 'before', times: 0 }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env });
	const { body } = await s.post('/v1/tasks', { goal: 'x', workspace: w.ws, model: 'openai/mock', plan: 'never' });
	let waiting = [];
	for (let i = 0; i < 400 && waiting.length === 0; i++, await sleep(50))
		waiting = (await s.get('/v1/approvals')).body.approvals;
	assert.equal(waiting.length, 1);
	const id = waiting[0].approval, viewer = { token: await token(w, 'viewer', '--role', 'viewer') };
	assert.equal((await s.post(`/v1/approvals/${id}`, { answer: 'approve' }, viewer)).status, 403);
	for (const wrong of [{}, { answer: 'maybe' }, { answer: 'deny', remember: 'task' }, { answer: 'approve', surprise: 1 }])
		assert.equal((await s.post(`/v1/approvals/${id}`, wrong)).status, 422, JSON.stringify(wrong));
	const [api, cli] = await Promise.all([s.post(`/v1/approvals/${id}`, { answer: 'approve' }),
		w.mishri(['deny', id, ...w.places()])]);
	assert.equal([api.status === 200, cli.code === 0].filter(Boolean).length, 1, `${api.status} ${api.text} ${cli.code} ${cli.err}`);
	assert.equal(w.events('approval.decided').length, 1);
	await s.ended(body.task);
	assert.equal(w.has('made'), api.status === 200);
	assert.equal((await s.post(`/v1/approvals/${id}`, { answer: 'approve' })).status, 409);
	const next = (await s.post('/v1/tasks', { goal: 'hangs', workspace: w.ws, model: 'openai/mock', plan: 'never' })).body;
	const steered = await s.post(`/v1/tasks/${next.task}/steer`, { text: 'hurry' });
	assert.ok([200, 202].includes(steered.status), steered.text);
	const cancelled = await s.post(`/v1/tasks/${next.task}/cancel`, {});
	assert.ok([200, 202].includes(cancelled.status), cancelled.text);
	assert.equal((await s.ended(next.task)).state, 'cancelled');
	assert.equal((await s.post(`/v1/tasks/${next.task}/cancel`, {})).status < 500, true);
	await s.end();
	w.checkChain();
});

test('a task of the API has its channel, and the trace that the request is a part of', async (t) => {
	const w = world(t);
	const model = await startModel({ replies: [{ text: 'done' }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env });
	const trace = '0af7651916cd43dd8448eb211c80319c';
	const { body } = await s.post('/v1/tasks', { goal: 'x', workspace: w.ws, model: 'openai/mock', plan: 'never' },
		{ headers: { traceparent: `00-${trace}-b7ad6b7169203331-01` } });
	await s.ended(body.task);
	const [created] = w.events('task.created');
	assert.equal(created.data.channel, 'http', 'the name that policies know');
	assert.equal(created.trace_id, trace);
	await s.end();
});

test('health: all of it for who may see everybody\'s tasks, and no more than a word for the others', async (t) => {
	const w = world(t);
	const s = await serve(t, w);
	const whole = (await s.get('/v1/health')).body;
	assert.equal(whole.status, 'ok');
	assert.ok(whole.beats.some((one) => one.kind === 'loop'));
	const brief = (await s.get('/v1/health', { token: await token(w, 'v', '--role', 'viewer') })).body;
	assert.deepEqual(Object.keys(brief).sort(), ['connections', 'status', 'streams', 'version']);
	await s.end();
});

test('schedules: added by the socket, held and started by a token, as the commands show them', async (t) => {
	const w = world(t);
	const model = await startModel({ replies: [{ text: 'done', times: 0 }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env });
	const goal = { name: 'nightly', goal: 'say hello', workspace: w.ws, cron: '0 3 * * *', model: 'openai/mock', plan: 'never' };
	const operator = { token: await token(w, 'o', '--role', 'operator') }, viewer = { token: await token(w, 'v', '--role', 'viewer') };
	assert.equal((await s.post('/v1/schedules', goal, operator)).status, 403, 'not by a token');
	assert.match((await s.post('/v1/schedules', { ...goal, cron: '61 * * * *' })).body.detail, /minute/);
	const added = await s.post('/v1/schedules', goal);
	assert.equal(added.status, 201, added.text);
	assert.equal((await s.post('/v1/schedules', goal)).status, 422, 'the name is taken');
	assert.deepEqual((await s.get('/v1/schedules', viewer)).body.schedules.map((one) => one.name), ['nightly']);
	assert.equal((await s.post('/v1/schedules/nightly/pause', { reason: 'holidays' }, viewer)).status, 403);
	assert.equal((await s.post('/v1/schedules/nightly/pause', { reason: 'holidays' }, operator)).status, 200);
	assert.equal((await s.get('/v1/schedules/nightly')).body.state, 'paused');
	assert.equal((await s.post('/v1/schedules/nightly/resume', {}, operator)).status, 200);
	const run = await s.post('/v1/schedules/nightly/run', {}, operator);
	assert.equal(run.status, 200, run.text);
	for (let i = 0; i < 200 && (await s.get(`/v1/tasks/${run.body.task}`)).status !== 200; i++)
		await sleep(50);
	assert.equal((await s.ended(run.body.task)).state, 'done');
	assert.equal((await s.ask('DELETE', '/v1/schedules/nightly', operator)).status, 200);
	assert.equal((await s.get('/v1/schedules/nightly')).status, 404);
	await s.end();
});
