// cells.test.mjs - a task has a cell from its first call that needs one. Who waits, talks or delegates costs no process; what cannot be
// had is still refused before a model is asked.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { shell, sleep, startModel, USERS, world } from './lib.mjs';
import { serve } from './serve-lib.mjs';

const POLICY = `version: 1
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: look, ask: tool, tool: write_file, reason: "look first" }
`;
const until = async (check, what) => {
	for (let i = 0; i < 600; i++, await sleep(50))
		if (await check())
			return;
	assert.fail(what);
};

async function place(t, user, replies, args = []) {
	const w = world(t, { policy: POLICY, ...user });
	const model = await startModel({ replies });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env, args });
	const post = async (goal, more = {}) => {
		const made = await s.post('/v1/tasks', { goal, workspace: w.ws, model: 'openai/mock', plan: 'never', ...more });
		assert.equal(made.status, 201, made.text);
		return made.body.task;
	};
	const types = (task) => w.events().filter((e) => e.task === task).map((e) => e.type);
	return { w, model, s, post, types };
}

for (const user of USERS)
	test(`of many that wait only the first has a cell; each other gets its own before its call, as ${user.name}`, async (t) => {
		const write = (i) => ({ match: `goal ${i}.`, calls: [{ name: 'write_file', args: { path: `f${i}`, content: `${i}` } }] });
		const { w, s, post, types } = await place(t, user, [...Array.from({ length: 6 }, (_, i) => write(i)), { text: 'done', times: 0 }]);
		const tasks = [];
		for (let i = 0; i < 6; i++)
			tasks.push(await post(`goal ${i}.`));
		await until(() => w.hasStore() && w.events('approval.requested').length === 6, 'all of them ask');
		assert.equal(w.events('cell.opened').length, 1, 'the first one is the check');
		const { body } = await s.get('/v1/health');
		assert.equal(body.tasks.cells, 1, JSON.stringify(body.tasks));
		for (const e of w.events('approval.requested'))
			assert.equal((await s.post(`/v1/approvals/${e.data.approval}`, { answer: 'approve' })).status < 300, true);
		for (const task of tasks) {
			assert.equal((await s.ended(task)).state, 'done');
			const order = types(task);
			assert.equal(order.filter((type) => type === 'cell.opened').length, 1);
			assert.equal(order.filter((type) => type === 'cell.closed').length, 1);
			assert.ok(order.indexOf('cell.opened') < order.indexOf('call.started'), order.join(' '));
		}
		assert.equal(w.events('cell.opened').length, 6);
		for (let i = 0; i < 6; i++)
			assert.equal(w.read(`f${i}`), `${i}`);
		await s.end();
		w.checkChain();
		await w.leftNothing();
	});

test('one that only talks has none, and is recorded whole', async (t) => {
	const { w, s, post, types } = await place(t, {}, [{ text: 'done', times: 0 }]);
	assert.equal((await s.ended(await post('first'))).state, 'done');
	const second = await post('second');
	assert.equal((await s.ended(second)).state, 'done');
	assert.deepEqual(types(second).filter((type) => type.startsWith('cell.')), []);
	assert.equal(w.events('cell.opened').length, 1);
	await s.end();
	w.checkChain();
});

test('its /tmp comes back with its cell, not with the task', async (t) => {
	const { w, s, post, types } = await place(t, {}, [
		{ match: 'second', calls: [shell('echo kept > /tmp/note')] },
		{ calls: [{ name: 'write_file', args: { path: 'f', content: 'x' } }] },
		{ calls: [shell('cat /tmp/note')] },
		{ text: 'done', times: 0 },
	].map((r, i) => (i === 0 ? r : { match: 'second', ...r })).concat({ text: 'done', times: 0 }), ['-c', 'serve.rest=200ms']);
	assert.equal((await s.ended(await post('first'))).state, 'done');
	const task = await post('second', { wait_for_approval: true });
	await until(() => w.events('task.parked').some((e) => e.data.resting), 'it was never laid down');
	const [asked] = w.events('approval.requested');
	await s.post(`/v1/approvals/${asked.data.approval}`, { answer: 'approve' });
	assert.equal((await s.ended(task)).state, 'done');
	assert.match(w.events('call.finished').at(-1).data.output, /^kept/);
	const order = types(task);
	assert.ok(order.indexOf('task.resumed') < order.lastIndexOf('cell.opened'));
	await s.end();
});

test('a workspace that went away stops the task that needs it, and no other; nothing ran', async (t) => {
	const { w, s, post, types } = await place(t, {}, [{ match: 'write', calls: [shell('echo x > effect')] }, { text: 'done', times: 0 }]);
	const other = path.join(w.dir, 'other');
	fs.mkdirSync(other);
	assert.equal((await s.ended(await post('talk', { workspace: other }))).state, 'done');
	fs.rmSync(other, { recursive: true });
	const answer = await s.post('/v1/tasks', { goal: 'write', workspace: other, model: 'openai/mock', plan: 'never' });
	assert.ok(answer.status >= 400, 'refused at the door');
	const task = await post('write');
	assert.equal((await s.ended(task)).state, 'done');
	assert.ok(types(task).includes('cell.opened'));
	assert.equal(w.read('effect'), 'x\n');
	await s.end();
});
