// recovery.test.mjs - what crashed engines left is taken over, once, and not for ever; what a person parked is not.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AM_ROOT, shell, sleep, startModel, world } from './lib.mjs';
import { serve } from './serve-lib.mjs';

async function until(check, what) {
	for (let i = 0; i < 600; i++, await sleep(50))
		if (await check())
			return;
	assert.fail(what);
}

test('kill -9 in the middle, kill -9 during recovery: the task goes on, and nothing is done twice', async (t) => {
	const w = world(t, { as_nobody: AM_ROOT });
	const model = await startModel({ replies: [{ calls: [shell('echo one >> effects; sleep 60')] }, { match: 'echo two', text: 'done', times: 0 },
		{ calls: [shell('echo two >> effects')], times: 0 }] });
	t.after(() => model.close());
	let s = await serve(t, w, { env: model.env });
	const { body } = await s.post('/v1/tasks', { goal: 'x', workspace: w.ws, model: 'openai/mock', plan: 'never' });
	await until(() => w.has('effects'), 'the call never began');
	s.process.kill('SIGKILL');
	await s.process.done;
	s = await serve(t, w, { env: model.env });
	await until(() => w.events('recovery.started').length > 0, 'it was never taken over');
	s.process.kill('SIGKILL');
	await s.process.done;
	s = await serve(t, w, { env: model.env });
	const task = await s.ended(body.task);
	assert.equal(task.state, 'done');
	assert.match(w.read('effects'), /^one\n(two\n)?$/); // the second call may be what was killed
	await s.end();
	w.checkChain();
});

test('a service that ends in order is gone on with; what a person parked, and what a living engine runs, stays', async (t) => {
	const w = world(t);
	const model = await startModel({ replies: [{ match: 'of the service', calls: [shell('sleep 60')] }, { match: 'of the terminal', calls: [shell('sleep 61')] },
		{ match: 'alive', calls: [shell('touch began; sleep 4')] }, { text: 'done', times: 0 }] });
	t.after(() => model.close());
	const parked = w.startRun(model, 'of the terminal');
	await until(() => w.hasStore() && w.events('call.started').length === 1, 'the terminal never began');
	parked.kill('SIGINT');
	await parked.done;
	let s = await serve(t, w, { env: model.env });
	const { body } = await s.post('/v1/tasks', { goal: 'of the service', workspace: w.ws, model: 'openai/mock', plan: 'never' });
	await until(() => w.events('call.started').length === 2, 'the service never began');
	await s.end();
	assert.equal(w.events('task.parked').at(-1).data.service, true);
	const living = w.startRun(model, 'alive');
	await until(() => w.has('began'), 'the living one never began');
	s = await serve(t, w, { env: model.env });
	assert.equal((await s.ended(body.task)).state, 'done');
	await living.done;
	assert.equal(living.code, 0, living.err);
	const resumed = new Set(w.events('task.resumed').map((e) => e.task));
	assert.deepEqual([...resumed], [body.task]);
	await s.end();
});

test('five attempts without progress, then a person; show and ps say why', async (t) => {
	const w = world(t);
	const model = await startModel({ replies: [{ hang: 'before', times: 0 }] });
	t.after(() => model.close());
	let s = await serve(t, w, { env: model.env });
	const { body } = await s.post('/v1/tasks', { goal: 'x', workspace: w.ws, model: 'openai/mock', plan: 'never' });
	await until(() => model.requests.length === 1, 'the model was never asked');
	for (let attempt = 1; attempt <= 5; attempt++) {
		s.process.kill('SIGKILL');
		await s.process.done;
		s = await serve(t, w, { env: model.env });
		await until(() => w.events('recovery.started').length === attempt && w.events('model.requested').length === attempt + 1, `attempt ${attempt} never came`);
		assert.equal(w.events('recovery.started').at(-1).data.attempt, attempt);
	}
	s.process.kill('SIGKILL');
	await s.process.done;
	s = await serve(t, w, { env: model.env });
	const task = await s.until(body.task, (one) => one.state === 'parked');
	assert.equal(task.state, 'parked');
	const parked = w.events('task.parked').at(-1).data;
	assert.equal(parked.reason, 'recovery');
	assert.match(parked.detail, /5 times/);
	assert.match((await w.mishri(['ps', ...w.places(), '--json'])).out, /5 times/);
	await sleep(4000);
	assert.equal(w.events('recovery.started').length, 5, 'it is left alone now');
	await s.end();
	w.checkChain();
});
