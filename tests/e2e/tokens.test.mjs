// tokens.test.mjs - who may do what by the API: roles, users, and tokens that do not count.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { AM_ROOT, shell, startModel, world } from './lib.mjs';
import { serve, token } from './serve-lib.mjs';

const ROLES = {
	viewer: { list: 200, start: 403, grant: 403, metrics: 403 },
	auditor: { list: 200, start: 403, grant: 403, metrics: 403 },
	operator: { list: 200, start: 422, grant: 403, metrics: 403 },
	approver: { list: 200, start: 403, grant: 404, metrics: 403 },
	admin: { list: 200, start: 422, grant: 404, metrics: 200 },
};

test('a role opens what it says and nothing else; a token that does not count opens nothing', async (t) => {
	const w = world(t);
	const s = await serve(t, w);
	for (const [role, want] of Object.entries(ROLES)) {
		const bearer = { token: await token(w, role, '--role', role) };
		assert.equal((await s.get('/v1/tasks', bearer)).status, want.list, role);
		assert.equal((await s.post('/v1/tasks', { goal: '' }, bearer)).status, want.start, role);
		assert.equal((await s.ask('DELETE', '/v1/grants/abcdefghjkmn', bearer)).status, want.grant, role);
		assert.equal((await s.get('/metrics', bearer)).status, want.metrics, role);
		// The secret lies nowhere.
		for (const name of fs.readdirSync(w.data))
			if (fs.statSync(path.join(w.data, name)).isFile())
				assert.ok(!fs.readFileSync(path.join(w.data, name), 'latin1').includes(bearer.token.slice(20)), name);
	}
	const good = await token(w, 'once');
	for (const wrong of ['', 'x', good.slice(0, -1), `${good.slice(0, -1)}${good.endsWith('0') ? '1' : '0'}`, good.toUpperCase(), `${good}0`])
		assert.equal((await s.get('/v1/tasks', { token: wrong })).status, 401, wrong);
	assert.equal((await s.get('/v1/tasks', { tcp: true })).status, 401);
	assert.equal((await s.get('/v1/tasks', { token: good })).status, 200);
	assert.equal((await w.mishri(['token', 'revoke', ...w.places(), 'once'])).code, 0);
	assert.equal((await s.get('/v1/tasks', { token: good })).status, 401, 'at once');
	const many = await Promise.all(Array.from({ length: 30 }, () => s.get('/v1/tasks', { token: 'wrong' })));
	assert.ok(many.some((one) => one.status === 429), 'who guesses has to wait');
	assert.equal((await s.get('/v1/tasks', { token: await token(w, 'right') })).status, 200, 'and nobody else');
	await s.end();
});

test('two users in one service: each has its own policy, tasks and sessions', { skip: !AM_ROOT }, async (t) => {
	const w = world(t, { policy: `version: 1
name: two
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: not-bob, deny: tool, tool: shell, when: { user: bob }, reason: "not for bob" }
` });
	const model = await startModel({ replies: [{ calls: [shell('echo hello')] }, { text: 'done' }, { calls: [shell('echo hello')] }, { text: 'done' }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env });
	const alice = { token: await token(w, 'alice', '--user', 'alice') }, bob = { token: await token(w, 'bob', '--user', 'bob') };
	const goal = { goal: 'x', workspace: w.ws, model: 'openai/mock', plan: 'never' };
	const tasks = {};
	for (const [name, who] of Object.entries({ alice, bob })) {
		const begun = await s.post('/v1/tasks', goal, who);
		assert.equal(begun.status, 201, begun.text);
		tasks[name] = begun.body;
		const task = await s.ended(begun.body.task, who);
		assert.equal(task.user, name);
		assert.equal(task.steps[0].calls[0].effect, name === 'bob' ? 'deny' : 'allow', JSON.stringify(task.steps));
	}
	assert.equal((await s.get(`/v1/tasks/${tasks.alice.task}`, bob)).status, 404);
	assert.equal((await s.get(`/v1/tasks/${tasks.alice.task}/events`, bob)).status, 404);
	assert.deepEqual((await s.get('/v1/tasks?user=alice', bob)).body.tasks.map((one) => one.task), [tasks.bob.task]);
	assert.equal((await s.get('/v1/events', bob)).body.events.some((e) => e.task === tasks.alice.task), false);
	assert.equal((await s.post(`/v1/tasks/${tasks.alice.task}/cancel`, {}, bob)).status, 404);
	for (const [more, status] of [[{ session: tasks.alice.session }, 403], [{ user: 'alice' }, 403], [{ workspace: '/etc' }, 403],
		[{ workspace: '/nowhere' }, 403], [{ policies: [] }, 403], [{ isolation: 'none' }, 403], [{ max_turns: 1000 }, 403], [{ surprise: 1 }, 422],
		[{ model: 'nobody/x' }, 422], [{ goal: ' ' }, 422], [{ agent: 'ghost' }, 422]])
		assert.equal((await s.post('/v1/tasks', { ...goal, ...more }, bob)).status, status, JSON.stringify(more));
	await s.end();
});
