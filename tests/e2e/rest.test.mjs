// rest.test.mjs - what only waits for people leaves the memory of a service, and loses nothing by that: an answer, a cancel, a word
// or the end of its time brings it back; a service that is killed meanwhile changes nothing.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';

import { shell, sleep, startModel, USERS, world } from './lib.mjs';
import { serve } from './serve-lib.mjs';

const POLICY = (expires) => `version: 1
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: share, allow: delegate }
  - { id: look, ask: tool, tool: shell, reason: "look first", approval: { expires: ${expires} } }
`;
const until = async (check, what) => {
	for (let i = 0; i < 1200; i++, await sleep(50))
		if (await check())
			return;
	assert.fail(what);
};
const say = (w, command, ...args) => w.mishri([command, ...w.places(), ...args]);
const memory = (s) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${s.process.pid}/status`, 'utf8'))[1]);
const cells = (s) => fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && (() => {
	try {
		return Number(/PPid:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) === s.process.pid;
	} catch {
		return false;
	}
})()).length;

async function place(t, user, { expires = '1h', replies, args = [] } = {}) {
	const w = world(t, { policy: POLICY(expires), ...user });
	const model = await startModel({ replies: replies ?? [...Array.from({ length: 20 }, (_, i) => ({ match: `goal ${i}.`, calls: [shell(`echo ${i} >> effects`)] })),
		{ text: 'done', times: 0 }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env, args: ['-c', 'serve.rest=200ms', ...args] });
	const post = async (goal, more = {}) => {
		const made = await s.post('/v1/tasks', { goal, workspace: w.ws, model: 'openai/mock', plan: 'never', ...more });
		assert.equal(made.status, 201, made.text);
		return made.body.task;
	};
	const rests = (count = 1) => until(() => w.hasStore() && w.events('task.parked').filter((e) => e.data.resting).length >= count, 'it was never laid down');
	return { w, model, s, post, rests };
}

for (const user of USERS)
	test(`many wait, none is kept, all are answered, and each effect is there once, as ${user.name}`, async (t) => {
		const { w, s, post, rests } = await place(t, user);
		const tasks = [];
		for (let i = 0; i < 20; i++)
			tasks.push(await post(`goal ${i}.`));
		await rests(20);
		await until(async () => (await s.get('/metrics')).status !== 0 && cells(s) <= 2, 'their cells are closed');
		const waiting = JSON.parse((await say(w, 'approvals', '--json')).out);
		assert.equal(waiting.length, 20);
		const seen = await say(w, 'ps');
		assert.match(seen.out + seen.err, /waits for a person/);
		await Promise.all(waiting.slice(0, 10).map(async ({ approval }) => assert.equal((await say(w, 'approve', approval)).code, 0)));
		for (const { approval } of waiting.slice(10)) {
			const answer = await s.post(`/v1/approvals/${approval}`, { answer: 'approve' });
			assert.ok(answer.status === 200 || answer.status === 202, answer.text);
		}
		for (const task of tasks)
			assert.equal((await s.ended(task)).state, 'done');
		assert.deepEqual(w.read('effects').trim().split('\n').sort(), [...Array(20).keys()].map(String).sort());
		t.diagnostic(`${memory(s)} KiB behind 20 tasks`);
		await s.end();
		w.checkChain();
		await w.leftNothing();
	});

describe('what brings one back', () => {
	test('a cancel ends it, without an effect', async (t) => {
		const { w, s, post, rests } = await place(t, {});
		const task = await post('goal 1.');
		await rests();
		assert.equal((await say(w, 'cancel', task)).code, 0);
		assert.equal((await s.ended(task)).state, 'cancelled');
		assert.equal(w.has('effects'), false);
		await s.end();
	});

	test('a no, with its sentence', async (t) => {
		const { w, s, model, post, rests } = await place(t, {}, { replies: [{ match: 'rather not', text: 'then not', times: 0 },
			{ calls: [shell('echo 1 >> effects')] }] });
		const task = await post('goal 1.');
		await rests();
		const [{ approval }] = JSON.parse((await say(w, 'approvals', '--json')).out);
		assert.equal((await say(w, 'deny', approval, '--reason', 'rather not')).code, 0);
		assert.equal((await s.ended(task)).result, 'then not');
		assert.equal(w.has('effects'), false);
		assert.match(JSON.stringify(model.requests.at(-1).body.messages), /rather not/);
		await s.end();
	});

	test('the end of its time: nobody answered', async (t) => {
		const { w, s, post, rests } = await place(t, {}, { expires: '3s', replies: [{ match: 'xpired', text: 'nobody came', times: 0 },
			{ calls: [shell('echo 1 >> effects')] }, { text: 'nobody came', times: 0 }] });
		const task = await post('goal 1.');
		await rests();
		assert.equal((await s.ended(task)).result, 'nobody came');
		assert.equal(w.events('approval.decided')[0].data.answer, 'expired');
		assert.equal(w.has('effects'), false);
		await s.end();
	});

	test('a word to it is heard, and it rests again', async (t) => {
		const { w, s, model, post, rests } = await place(t, {}, { replies: [{ calls: [shell('echo 1 >> effects')] }, { text: 'done', times: 0 }] });
		const task = await post('goal 1.');
		await rests();
		assert.equal((await say(w, 'steer', task, 'be quick')).code, 0);
		await rests(2);
		const [{ approval }] = JSON.parse((await say(w, 'approvals', '--json')).out);
		assert.equal((await say(w, 'approve', approval)).code, 0);
		assert.equal((await s.ended(task)).state, 'done');
		assert.match(JSON.stringify(model.requests.at(-1).body.messages), /be quick/);
		await s.end();
	});

	test('a pause rests too, and goes on when it is let', async (t) => {
		const { w, s, post } = await place(t, {});
		const task = await post('goal 1.');
		await until(() => w.hasStore() && w.events('approval.requested').length === 1, 'it never asked');
		assert.equal((await say(w, 'pause', task)).code, 0);
		await until(() => w.events('task.parked').at(-1)?.data.reason === 'paused', 'it was never laid down');
		const [{ approval }] = JSON.parse((await say(w, 'approvals', '--json')).out);
		assert.equal((await say(w, 'approve', approval)).code, 0);
		assert.equal((await say(w, 'resume', task)).code, 0);
		assert.equal((await s.ended(task)).state, 'done');
		assert.equal(w.read('effects'), '1\n');
		await s.end();
	});
});

test('a tree rests whole: the master, and the workers that ask', async (t) => {
	const { w, s, post, rests } = await place(t, {}, { replies: [
		{ match: 'Both', calls: [{ name: 'finish', args: { result: 'all of it' } }] },
		{ match: 'the effect of', text: 'Both are here', times: 0 },
		{ match: 'alpha part', calls: [shell('echo "the effect of alpha" | tee -a effects')] },
		{ match: 'beta part', calls: [shell('echo "the effect of beta" | tee -a effects')] },
		{ calls: [{ name: 'delegate', args: { tasks: [{ goal: 'alpha part' }, { goal: 'beta part' }] } }] },
	] });
	const task = await post('do both', { plan: 'always' });
	await rests(3);
	await until(() => cells(s) <= 2, 'their cells are closed');
	const waiting = JSON.parse((await say(w, 'approvals', '--json')).out);
	assert.equal(waiting.length, 2);
	assert.equal((await say(w, 'approve', waiting[0].approval)).code, 0);
	await until(() => w.has('effects'), 'the first goes on');
	await rests(5);
	assert.equal((await say(w, 'approve', waiting[1].approval)).code, 0);
	assert.equal((await s.ended(task)).state, 'done');
	assert.deepEqual(w.read('effects').trim().split('\n').sort(), ['the effect of alpha', 'the effect of beta']);
	await s.end();
	assert.equal((await w.mishri(['audit', 'verify', ...w.places()])).code, 0);
});

test('killed while they rest: the next service leaves them there, and answers still reach them', async (t) => {
	const { w, s, model, post, rests } = await place(t, {});
	const tasks = [await post('goal 1.'), await post('goal 2.')];
	await rests(2);
	s.process.kill('SIGKILL');
	await s.process.done.catch(() => {});
	const next = await serve(t, w, { env: model.env });
	await sleep(4000);
	assert.equal(w.events('task.resumed').length, 0, 'nobody said anything');
	for (const { approval } of JSON.parse((await say(w, 'approvals', '--json')).out))
		assert.equal((await say(w, 'approve', approval)).code, 0);
	for (const task of tasks)
		assert.equal((await next.ended(task)).state, 'done');
	assert.deepEqual(w.read('effects').trim().split('\n').sort(), ['1', '2']);
	await next.end();
});
