// roles.test.mjs - every route of the API, by every role, about what is one's own and what is somebody else's: read from the
// service's own description, so that a new route is in the table by itself. What is refused changes nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AM_ROOT, shell, sleep, startModel, world } from './lib.mjs';
import { serve, token } from './serve-lib.mjs';

const POLICY = `version: 1
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: look, ask: tool, tool: shell, reason: "look first", approval: { remember: session } }
`;
const BODIES = { steer: { text: 'x' }, answer: { text: 'x' }, priority: { priority: 3 }, fork: { event: 1 } };
const ROLES = { viewer: [], operator: ['start', 'control'], auditor: ['all'], approver: ['all', 'approve'] };
const OPEN = ['/healthz', '/openapi.json'];
const BOB = {}; // his tokens, by role

// What one must have for it, beside a token that may read.
function wants(method, path) {
	if (path === '/metrics')
		return 'admin';
	if (['/v1/audit', '/v1/policy/backtest'].includes(path))
		return 'all';
	if (method === 'get' || path === '/v1/policy/check')
		return null;
	if (/^\/v1\/(approvals|grants)\//.test(path))
		return 'approve';
	return path === '/v1/tasks' || /fork$|completions$/.test(path) ? 'start' : 'control';
}

test('role by route by owner', { skip: !AM_ROOT && 'only root makes tokens for others' }, async (t) => {
	const w = world(t, { policy: POLICY });
	const model = await startModel({ replies: [{ match: 'the first', calls: [shell('echo 1 >> effects')] }, { match: 'the second', calls: [shell('echo 2 >> effects')] },
		{ text: 'done', times: 0 }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env });
	const alice = await token(w, 'alice', '--user', 'alice', '--role', 'operator');
	const begin = async (goal) => (await s.post('/v1/tasks', { goal, workspace: w.ws, model: 'openai/mock', plan: 'never' }, { token: alice })).body.task;
	const waiting = async () => {
		for (let i = 0; i < 400; i++, await sleep(50)) {
			const { approvals } = (await s.get('/v1/approvals')).body;
			if (approvals.length > 0)
				return approvals[0].approval;
		}
		return assert.fail('it never asked');
	};
	const first = await begin('the first');
	assert.equal((await s.post(`/v1/approvals/${await waiting()}`, { answer: 'approve', remember: 'session' })).status, 200);
	await s.ended(first);
	const task = await begin('the second'), approval = await waiting();
	assert.equal((await s.post('/v1/schedules', { name: 'nightly', goal: 'x', workspace: w.ws, cron: '0 3 * * *', model: 'openai/mock', plan: 'never' })).status, 201);
	const grant = (await s.get('/v1/grants')).body.grants[0].grant;
	const ids = { tasks: task, approvals: approval, grants: grant, schedules: 'nightly' };
	const { paths } = (await s.get('/openapi.json')).body;
	const before = w.events().filter((e) => e.task === task).length;
	const ask = (method, path, options) => {
		const target = path.replace('{id}', ids[path.split('/')[2]]) + (/policy$|backtest$/.test(path) ? `?workspace=${w.ws}` : '');
		return s.ask(method.toUpperCase(), target, { tcp: true, ...(method === 'post' ? { body: BODIES[path.split('/').at(-1)] ?? (path === '/v1/approvals/{id}' ? { answer: 'deny' } : {}) } : {}), ...options });
	};
	let rows = 0;
	for (const [path, methods] of Object.entries(paths))
		for (const method of Object.keys(methods)) {
			const wanted = wants(method, path);
			const nobody = await ask(method, path, {});
			assert.equal(nobody.status === 401, !OPEN.includes(path), `${method} ${path} without a token: ${nobody.status}`);
			for (const [role, rights] of Object.entries(ROLES)) {
				const bob = BOB[role] ??= await token(w, `bob-${role}`, '--user', 'bob', '--role', role);
				const { status, text } = await ask(method, path, { token: bob });
				const what = `${method} ${path} by a ${role} who is not the owner: ${status} ${text.slice(0, 200)}`;
				if (OPEN.includes(path))
					assert.equal(status, 200, what);
				else if (wanted !== null && !rights.includes(wanted))
					assert.equal(status, 403, what);
				else if (path.includes('{id}') && !rights.includes('all'))
					assert.equal(status, 404, what);
				else if (path === '/v1/grants/{id}' || path === '/v1/approvals/{id}')
					assert.ok(status < 500, what); // an approver may: the rule says who counts
				else if (method === 'get' && !path.endsWith('/diff')) // it has no layer
					assert.equal(status, 200, what);
				else
					assert.ok([400, 403, 422].includes(status), what); // an empty body begins nothing
				rows++;
			}
		}
	t.diagnostic(`${rows} rows`);
	const told = w.events().filter((e) => e.task === task).slice(before).map((e) => e.type);
	assert.deepEqual(told.filter((type) => /^task\.(cancelled|paused|steered|prioritized|forked)/.test(type)), [], 'what is refused changes nothing');
	assert.equal((await s.get(`/v1/tasks/${task}`, { token: alice })).status, 200, 'the owner sees it');
	assert.equal((await s.post(`/v1/tasks/${task}/cancel`, {}, { token: alice })).status, 200, 'the owner may do what the others may not');
	assert.equal(w.has('effects') ? w.read('effects').includes('2') : false, false);
	await s.end();
});

test('who asks too often is told to wait, and the others are not', { skip: !AM_ROOT && 'only root makes tokens for others' }, async (t) => {
	const w = world(t, { policy: POLICY });
	const s = await serve(t, w, { args: ['-c', 'serve.rate=5'] });
	const often = await token(w, 'often', '--user', 'alice'), other = await token(w, 'other', '--user', 'bob');
	const answers = await Promise.all(Array.from({ length: 40 }, () => s.get('/v1/me', { token: often })));
	const refused = answers.filter((a) => a.status === 429);
	assert.ok(refused.length >= 10 && refused.length <= 20, `${refused.length} of 40 refused, where 20 may come at once`);
	assert.equal(refused[0].headers['retry-after'], '1');
	assert.equal(refused[0].headers['content-type'], 'application/problem+json');
	assert.equal((await s.get('/v1/me', { token: other })).status, 200, 'another user');
	assert.equal((await s.get('/v1/me')).status, 200, 'the socket');
	await sleep(1100);
	assert.equal((await s.get('/v1/me', { token: often })).status, 200, 'a second later');
	await s.end();
});

test('names of models do not fill the memory of a service', async (t) => {
	const w = world(t, { policy: 'version: 1\nrules:\n  - { id: none, deny: model, model: "*", reason: "no" }\n' });
	const s = await serve(t, w, { env: { OPENAI_API_KEY: 'x', OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' } });
	const ask = (i) => s.post('/v1/tasks', { goal: 'x', workspace: w.ws, plan: 'never', model: `openai/m${i}` });
	for (let i = 0; i < 1024; i += 32)
		for (const answer of await Promise.all(Array.from({ length: 32 }, (_, k) => ask(i + k))))
			assert.equal(answer.status, 403, answer.text);
	const more = await ask(1024);
	assert.deepEqual([more.status, /1024 other models were asked for/.test(more.text)], [422, true], more.text);
	assert.equal((await ask(7)).status, 403, 'one that it knows');
	await s.end();
});
