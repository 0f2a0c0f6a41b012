// serve-start.test.mjs - what a service starts, for somebody who asks and for a schedule, by the same way; and a model that could not
// be opened at first.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { AM_ROOT, KEY, sleep, startModel, world } from './lib.mjs';
import { serve } from './serve-lib.mjs';

test('a model without its key is refused, and tried again by the next task, without a new start', async (t) => {
	const w = world(t, { as_nobody: AM_ROOT });
	const model = await startModel({ key: KEY, replies: [{ text: 'done', times: 0 }] });
	t.after(() => model.close());
	const file = path.join(w.home, 'key');
	const { OPENAI_API_KEY: unused, ...env } = model.env;
	const s = await serve(t, w, { env: { ...env, OPENAI_API_KEY_FILE: file } });
	const body = { goal: 'x', workspace: w.ws, model: 'openai/mock', plan: 'never' };
	for (let i = 0; i < 2; i++) {
		const refused = await s.post('/v1/tasks', body);
		assert.equal(refused.status, 422, refused.text);
		assert.match(refused.body.detail, /OPENAI_API_KEY_FILE: cannot read/);
	}
	fs.writeFileSync(file, `${KEY}\n`, { mode: 0o600 });
	if (AM_ROOT)
		fs.chownSync(file, 65534, 65534);
	const taken = await s.post('/v1/tasks', body);
	assert.equal(taken.status, 201, taken.text);
	assert.equal((await s.ended(taken.body.task)).state, 'done');
	await s.end();
});

test('a schedule and somebody who asks get the same task out of the same words', async (t) => {
	const w = world(t);
	const model = await startModel({ replies: [{ text: 'done', times: 0 }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env });
	const words = { goal: 'the same', workspace: w.ws, model: 'openai/mock', plan: 'never', max_turns: 3, timeout: '90s', workspace_mode: 'readonly' };
	const asked = await s.post('/v1/tasks', words);
	assert.equal(asked.status, 201, asked.text);
	await s.ended(asked.body.task);
	const added = await w.mishri(['schedule', 'add', ...w.places(), 'nightly', '-w', w.ws, '-p', w.policy, '-m', 'openai/mock', '--plan', 'never', '--max-turns', '3',
		'--timeout', '90s', '--workspace-mode', 'readonly', '--at', '2099-01-01T00:00', 'the same']);
	assert.equal(added.code, 0, added.err);
	assert.equal((await w.mishri(['schedule', 'run', ...w.places(), 'nightly'])).code, 0);
	for (let i = 0; w.events('task.finished').length < 2; i++, await sleep(50))
		assert.ok(i < 600, 'the schedule never ran');
	const [first, second] = w.events('task.created').map((e) => e.data);
	const { schedule, ...same } = second;
	assert.equal(typeof schedule, 'object');
	assert.deepEqual({ ...same, channel: 'http' }, first);
	await s.end();
});
