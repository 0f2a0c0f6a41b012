// token-reach.test.mjs - the bearer of a token gets no further than the service's configuration: what it may not say, the owner of the
// service may, by the socket.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { USERS, shell, world } from './lib.mjs';
import { serve, token } from './serve-lib.mjs';

const REPLIES = [{ agent: '*', text: 'now', calls: [shell('echo x > made')] }, { agent: '*', text: 'done' }];

async function service(t, user, ...args) {
	const w = world(t, user), model = path.join(w.dir, 'model.jsonl');
	fs.writeFileSync(model, [...REPLIES, ...REPLIES].map((r) => JSON.stringify(r)).join('\n'));
	const s = await serve(t, w, { args: ['-m', `recorded/${model}`, ...args] });
	return { w, s, model, ci: { token: await token(w, 'ci') } };
}

for (const user of USERS)
	describe(`as ${user.name}`, () => {
		test('a model that is a file: the service\'s own, and no other', async (t) => {
			const { w, s, model, ci } = await service(t, user);
			const secret = path.join(w.dir, 'secret.txt'), pipe = path.join(w.ws, 'pipe');
			fs.writeFileSync(secret, 'hunter2-of-another\n');
			execFileSync('mkfifo', [pipe]);
			fs.chmodSync(pipe, 0o666);
			const body = { goal: 'x', workspace: w.ws, plan: 'never' };
			for (const file of [secret, pipe, path.join(w.dir, 'none'), '/etc/passwd']) {
				const no = await s.post('/v1/tasks', { ...body, model: `recorded/${file}` }, ci);
				assert.equal(no.status, 403, no.text);
				assert.match(no.text, /a token names no file/);
				const chat = await s.post('/v1/chat/completions', { model: `recorded/${file}`, messages: [{ role: 'user', content: 'x' }] }, ci);
				assert.equal(chat.status, 403, chat.text);
				assert.doesNotMatch(no.text + chat.text, /hunter|No such file/);
			}
			const own = await s.post('/v1/tasks', { ...body, model: `recorded/${model}` }, ci);
			assert.equal(own.status, 201, own.text);
			await s.ended(own.body.task, ci);
			// by the socket it is looked into, and says what is wrong with it
			const read = await s.post('/v1/tasks', { ...body, model: `recorded/${secret}` });
			assert.match(read.text, /hunter/);
			assert.equal((await s.end()).code, 0);
		});

		test('a workspace that is only read, or written beside, stays so', async (t) => {
			const { w, s, ci } = await service(t, user, '-c', 'workspace_mode=overlay');
			const body = { goal: 'x', workspace: w.ws, plan: 'never' };
			const no = await s.post('/v1/tasks', { ...body, workspace_mode: 'direct' }, ci);
			assert.equal(no.status, 403, no.text);
			assert.match(no.text, /workspace_mode: a token may say/);
			const less = await s.post('/v1/tasks', { ...body, workspace_mode: 'readonly' }, ci);
			assert.equal(less.status, 201, less.text);
			await s.ended(less.body.task, ci);
			assert.ok(!w.has('made'));
			const direct = await s.post('/v1/tasks', { ...body, workspace_mode: 'direct' });
			assert.equal(direct.status, 201, direct.text);
			await s.ended(direct.body.task);
			assert.ok(w.has('made'), 'whoever owns the service may');
			assert.equal((await s.end()).code, 0);
		});
	});
