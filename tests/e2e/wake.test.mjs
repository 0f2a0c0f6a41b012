// wake.test.mjs - a task that rests goes on in the service when somebody says so; and two services on the same data, one of them
// killed, asleep past its lease, or both at once, never do anything twice.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { AM_ROOT, shell, sleep, startModel, USERS, world } from './lib.mjs';
import { serve } from './serve-lib.mjs';

async function until(check, what) {
	for (let i = 0; i < 600; i++, await sleep(50))
		if (await check())
			return;
	assert.fail(what);
}
const say = (w, command, ...args) => w.mishri([command, ...w.places(), ...args]);
const began = (w, type, count = 1) => until(() => w.hasStore() && w.events(type).length >= count, `${type} never came`);

// What is at rest when the service begins; each leaves `first` done and `second` to do.
const RESTS = [
	{ name: 'paused, and its engine killed', async rest(w, run) {
		assert.equal((await say(w, 'pause', w.task(), '--now')).code, 0);
		run.kill('SIGKILL');
		await run.done.catch(() => {});
	} },
	{ name: 'paused, and its engine ended', async rest(w, run) {
		assert.equal((await say(w, 'pause', w.task(), '--now')).code, 0);
		run.kill('SIGTERM');
		await run.done;
	} },
	{ name: 'parked by Ctrl-C', async rest(w, run) {
		run.kill('SIGINT');
		await run.done;
	} },
];
const VOICES = [
	{ name: 'by the API', async say(w, s, task) {
		const answer = await s.post(`/v1/tasks/${task}/resume`, {});
		assert.equal(answer.status, 200, answer.text);
		assert.equal(answer.body.outcome, 'done');
		assert.equal(answer.body.said, 'it goes on');
	} },
	{ name: 'at a terminal', async say(w, s, task) {
		const run = await say(w, 'resume', task);
		assert.equal(run.code, 0, run.err);
		assert.match(run.out, /goes on, in the service/);
	} },
];

describe('resume, while a service runs', () => {
	for (const [i, rest] of RESTS.entries())
		for (const [k, voice] of VOICES.entries())
			test(`${rest.name}: ${voice.name}`, async (t) => {
				const w = world(t, { as_nobody: (i + k) % 2 === 0 && AM_ROOT });
				const model = await startModel({ replies: [{ calls: [shell('echo one >> effects; sleep 60')] }, { match: 'echo two', text: 'done', times: 0 },
					{ calls: [shell('echo two >> effects')], times: 0 }] });
				t.after(() => model.close());
				const run = w.startRun(model, 'x');
				await until(() => w.has('effects'), 'the call never began');
				await rest.rest(w, run);
				const s = await serve(t, w, { env: model.env });
				const task = w.task();
				await sleep(4000); // it looks every three seconds, and leaves it alone
				assert.equal(w.events('task.resumed').length, 0, 'nobody said so');
				await voice.say(w, s, task);
				assert.equal((await s.ended(task)).state, 'done');
				assert.equal(w.read('effects'), 'one\ntwo\n');
				assert.equal(w.events('task.continued').length, 1);
				assert.deepEqual(w.events('control.refused'), []);
				await s.end();
				w.checkChain();
			});

	test('--here carries it on at the terminal; what cannot go on in the service is said, and kept', async (t) => {
		const w = world(t);
		const model = await startModel({ replies: [{ calls: [shell('sleep 60')] }, { text: 'done', times: 0 }] });
		t.after(() => model.close());
		const run = w.startRun(model, 'x');
		await began(w, 'call.started');
		run.kill('SIGINT');
		await run.done;
		const s = await serve(t, w); // it has no key
		const refused = await say(w, 'resume', w.task());
		assert.equal(refused.code, 0);
		assert.match(refused.out, /cannot go on here.*OPENAI/);
		const here = await w.mishri(['resume', ...w.places(), '--here', w.task()], { env: model.env });
		assert.equal(here.code, 0, here.err);
		assert.match(here.out, /done/);
		await s.end();
		w.checkChain();
	});
});

test('an answer, said at a terminal, lets a task go on that was parked while it waited for it', async (t) => {
	const w = world(t);
	const model = await startModel({ replies: [{ calls: [{ name: 'ask_user', args: { question: 'Which colour?' } }] }, { text: 'done', times: 0 }] });
	t.after(() => model.close());
	const run = w.start(w.teamArgs('x', '-m', 'openai/mock', '--wait-for-approval'), { env: model.env });
	await began(w, 'question.asked');
	run.kill('SIGINT');
	await run.done;
	assert.equal(w.events('task.parked').at(-1).data.reason, 'waiting');
	const s = await serve(t, w, { env: model.env });
	assert.equal((await say(w, 'steer', w.task(), 'be quick')).code, 0);
	await sleep(4000);
	assert.equal(w.events('task.resumed').length, 0, 'other words do not');
	assert.equal((await say(w, 'answer', w.task(), 'blue')).code, 0);
	assert.equal((await s.ended(w.task())).state, 'done');
	assert.match(JSON.stringify(model.requests.at(-1).body.messages), /blue.*be quick/);
	await s.end();
});

// ---- two services ----

const slow = (count) => ({ replies: [...Array.from({ length: count }, (_, i) => ({ match: `number ${i}`, calls: [shell(`echo begun-${i} >> effects; sleep 2; echo ended-${i} >> effects`)] })),
	{ match: 'ended-', text: 'done', times: 0 }, { match: 'unknown', text: 'done', times: 0 }, { text: 'done', times: 0 }] });
const times = (w, word) => w.read('effects').split('\n').filter((line) => line === word).length;

for (const user of USERS)
	test(`two at once on the same data: one serves, the other says who does; after a kill it takes over, as ${user.name}`, async (t) => {
		const w = world(t, user);
		const model = await startModel(slow(6));
		t.after(() => model.close());
		const both = await Promise.all([0, 1].map(() => serve(t, w, { env: model.env, ready: false })));
		await until(() => both.some((s) => s.process.ended) && both.some((s) => /port \d+/.test(s.process.out)), 'neither gave way');
		const [loser, first] = both[0].process.ended ? both : both.toReversed();
		assert.equal(loser.process.code, 1);
		assert.match(loser.process.err, new RegExp(`process ${first.process.pid} serves`));
		const tasks = await Promise.all([0, 1, 2].map((i) => first.post('/v1/tasks', { goal: `number ${i}`, workspace: w.ws, model: 'openai/mock', plan: 'never' })));
		await until(() => w.has('effects') && [0, 1, 2].every((i) => times(w, `begun-${i}`) === 1), 'they never began');
		first.process.kill('SIGKILL');
		const second = await serve(t, w, { env: model.env });
		for (const { body } of tasks)
			assert.equal((await second.ended(body.task)).state, 'done');
		for (const i of [0, 1, 2])
			assert.equal(times(w, `begun-${i}`), 1, 'no effect twice');
		assert.equal(w.events('task.finished').length, 3);
		await second.end();
		w.checkChain();
	});

test('one stands still past its leases, and another takes over: what wakes up does no harm', async (t) => {
	const w = world(t);
	const model = await startModel(slow(4));
	t.after(() => model.close());
	const first = await serve(t, w, { env: model.env });
	const tasks = await Promise.all([0, 1, 2, 3].map((i) => first.post('/v1/tasks', { goal: `number ${i}`, workspace: w.ws, model: 'openai/mock', plan: 'never' })));
	await until(() => w.has('effects') && [0, 1, 2, 3].every((i) => times(w, `begun-${i}`) === 1), 'they never began');
	first.process.kill('SIGSTOP');
	assert.equal((await (await serve(t, w, { env: model.env, ready: false })).process.done).code, 1, 'its lock holds as long as it lives');
	// Somebody thinks that it is gone for good, and takes its lock away: leases alone are left.
	fs.rmSync(path.join(w.data, 'serve.lock'));
	fs.rmSync(path.join(w.data, 'serve.sock'));
	const second = await serve(t, w, { env: model.env });
	await sleep(4000);
	assert.equal(w.events('recovery.started').length, 0, 'not before the leases are over');
	w.sql('update leases set until_ms = 1');
	for (const { body } of tasks)
		assert.equal((await second.ended(body.task)).state, 'done');
	first.process.kill('SIGCONT');
	await sleep(3000);
	for (const i of [0, 1, 2, 3])
		assert.equal(times(w, `begun-${i}`), 1, 'no effect twice');
	assert.equal(w.events('task.finished').length, 4);
	assert.deepEqual([...new Set(w.events('recovery.started').map((e) => e.task))].sort(), tasks.map(({ body }) => body.task).sort());
	first.process.kill('SIGKILL');
	await second.end();
	w.checkChain();
});
