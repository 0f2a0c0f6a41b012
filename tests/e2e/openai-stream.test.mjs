// openai-stream.test.mjs - what an agent says, token by token, to the official client of OpenAI's API.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';

import OpenAI from 'openai';

import { shell, sleep, startModel, world } from './lib.mjs';
import { serve, token } from './serve-lib.mjs';

async function begin(t, replies, { policy, env = {}, args = [], config } = {}) {
	const w = world(t, policy === undefined ? {} : { policy });
	const model = await startModel({ replies });
	t.after(() => model.close());
	if (config !== undefined) {
		fs.mkdirSync(path.join(w.home, '.config/mishri'), { recursive: true });
		fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'), config);
		w.places = () => ['--data', w.data];
	}
	const s = await serve(t, w, { env: { ...model.env, ...env }, args: ['-m', 'openai/mock', ...(args.length > 0 ? args : ['-c', 'plan=never'])] });
	const key = await token(w, 'one');
	const ai = new OpenAI({ baseURL: `http://127.0.0.1:${s.port}/v1`, apiKey: key, maxRetries: 0 });
	return { w, s, model, ai, key };
}
const ask = (content, more = {}) => ({ model: 'mishri', stream: true, messages: [{ role: 'user', content }], ...more });

// What the client has by now; `until` waits for a text.
function listen(stream) {
	const heard = { text: '', deltas: [], reasons: [], usage: [], ended: false, error: null };
	heard.done = (async () => {
		try {
			for await (const chunk of stream) {
				const choice = chunk.choices[0];
				if (choice?.delta.content)
					heard.deltas.push(choice.delta.content);
				heard.text += choice?.delta.content ?? '';
				if (choice?.finish_reason)
					heard.reasons.push(choice.finish_reason);
				if (chunk.usage)
					heard.usage.push(chunk.usage);
			}
		} catch (e) {
			heard.error = e;
		}
		heard.ended = true;
		return heard;
	})();
	heard.until = async (pattern) => {
		for (let i = 0; i < 400 && !pattern.test(heard.text); i++)
			await sleep(50);
		assert.match(heard.text, pattern);
	};
	return heard;
}

test('the first words come before the model has ended its reply', async (t) => {
	const { s, w, model, ai } = await begin(t, [{ text: 'Grüße aus 日本語の文 and the end of it.', piece_size: 3, hold_after: 8 }]);
	const heard = listen(await ai.chat.completions.create(ask('talk', { stream_options: { include_usage: true } })));
	await heard.until(/^Grüße aus 日本語/);
	assert.ok(!heard.ended && !heard.text.includes('end of it'));
	assert.equal(w.events('model.replied').length, 0, 'nothing of the reply is durable yet');
	model.release();
	await heard.done;
	assert.equal(heard.error, null);
	assert.equal(heard.text, 'Grüße aus 日本語の文 and the end of it.');
	assert.ok(heard.deltas.length > 5, 'piece by piece');
	assert.deepEqual(heard.reasons, ['stop']);
	assert.equal(heard.usage.length, 1);
	assert.ok(heard.usage[0].total_tokens > 0);
	await s.end();
});

test('what is said before a call is content, a paragraph each; the result is not told twice', async (t) => {
	const { s, w, ai, model } = await begin(t, [
		{ text: 'I look first.', calls: [shell('echo made > made')] }, { calls: [shell('true')] }, { text: 'All\n\ndone.' },
		{ text: 'I look first.', calls: [shell('true')] }, { text: 'All\n\ndone.' }]);
	const heard = await listen(await ai.chat.completions.create(ask('make'))).done;
	assert.equal(heard.text, 'I look first.\n\nAll\n\ndone.');
	assert.ok(w.has('made'));
	const whole = await ai.chat.completions.create(ask('make', { stream: false }));
	assert.equal(whole.choices[0].message.content, 'All\n\ndone.', 'without a stream: the result alone');
	assert.equal(model.missed, 0);
	await s.end();
});

const GITHUB = `ghp_${'0123456789abcdefghijABCDEFGHIJ012345'.slice(0, 36)}`;
const KEY = ['-----BEGIN RSA PRIVATE KEY-----', ...Array.from({ length: 6 }, (_, i) => `MIIE${'b3BlbnNzaC1rZXktdjE'.repeat(3)}${i}`), '-----END RSA PRIVATE KEY-----'];

for (const piece_size of [1, 2, 7, 16, 1000])
	test(`secrets and escapes in pieces of ${piece_size}`, async (t) => {
		const config = 'secrets:\n  DEPLOY: { env: DEPLOY_VALUE }\n';
		const said = `deploy with s3cr3t-of-mine-42! or ${GITHUB} now\x1b[2J\u202e\r\nthen\n${KEY.join('\n')}\nand aHR0cCBz end`;
		const { s, w, ai } = await begin(t, [{ text: said, piece_size }, { text: said }, { text: said }],
			{ config, env: { DEPLOY_VALUE: 's3cr3t-of-mine-42!' } });
		const { text } = await listen(await ai.chat.completions.create(ask('talk'))).done;
		for (const secret of ['s3cr3t', GITHUB, GITHUB.slice(4, 20), KEY[1], KEY[3], '\x1b', '\u202e', '\r'])
			assert.ok(!text.includes(secret), `${JSON.stringify(secret)} in ${JSON.stringify(text)}`);
		assert.match(text, /deploy with \[redacted:secret DEPLOY\] or \[redacted:github-token\] now\\x1b\[2J<U\+202E>\nthen\n/);
		assert.match(text, /and aHR0cCBz end$/);
		const whole = await ai.chat.completions.create(ask('talk', { stream: false }));
		assert.equal(whole.choices[0].message.content, text, 'a stream and an answer say the same');
		w.checkChain();
		await s.end();
	});

// A client that takes nothing until it is told to.
function slow(s, key, body, headers = {}) {
	return new Promise((done, failed) => {
		const text = JSON.stringify(body);
		const request = http.request({ host: '127.0.0.1', port: s.port, method: 'POST', path: '/v1/chat/completions', agent: false,
			headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), ...headers } },
		(answer) => done({ request, answer }));
		request.on('error', failed);
		request.end(text);
	});
}
async function readAll(answer) {
	let all = '';
	for await (const part of answer.setEncoding('utf8'))
		all += part;
	const events = all.split('\n\n').filter((e) => e.startsWith('data: {')).map((e) => JSON.parse(e.slice(6)));
	return { all, events, text: events.map((e) => e.choices?.[0]?.delta.content ?? '').join('') };
}

test('a slow reader slows nobody, and misses nothing', async (t) => {
	const long = (n) => Array.from({ length: n }, (_, i) => `word${i}`).join(' ');
	const first = long(200000), second = `second ${long(1000)}`;
	const { s, key, w, ai } = await begin(t, [{ text: first, piece_size: 40, chunk_bytes: 60000, calls: [shell('true')] }, { text: second }, { text: 'quick' }]);
	const { answer } = await slow(s, key, ask('much'));
	const task = answer.headers['x-mishri-task'];
	await s.until(task, (row) => row.ended !== null && row.ended !== undefined);
	const quick = await listen(await ai.chat.completions.create(ask('quick'))).done;
	assert.equal(quick.text, 'quick');
	const { text, all, events } = await readAll(answer);
	assert.ok(text === `${first}\n\n${second}`, `${text.length} of ${first.length + second.length + 2} characters`);
	assert.ok(events.length < first.length / 40 / 2, `${events.length} chunks: most of it came from the record, in larger ones`);
	assert.ok(all.endsWith('data: [DONE]\n\n'));
	assert.equal(w.events('task.cancelled').length, 0);
	await s.end();
});

test('a reply that breaks off is said anew, and the client is told so', async (t) => {
	const { s, ai } = await begin(t, [{ text: 'The first try of it.', mid_error: { message: 'overloaded' } }, { text: 'The second try.' }]);
	const heard = await listen(await ai.chat.completions.create(ask('talk'))).done;
	assert.equal(heard.error, null);
	assert.equal(heard.text, 'The first try of it.\n\n[The reply broke off here; it is said anew.]\n\nThe second try.');
	assert.deepEqual(heard.reasons, ['stop']);
	await s.end();
});

test('a stream ends with the error where the task does', async (t) => {
	const policy = 'version: 1\nname: ask\nrules:\n  - { id: ask, ask: tool, tool: shell, reason: "look first" }\n';
	const rows = [
		[[{ text: 'I begin.', calls: [shell('true')] }, { text: 'It was not allowed.' }], {}, 'approval_wanted', /^I begin\./],
		[[{ text: 'Half of', finish: 'length' }], {}, 'failed', /^Half of/],
		[[{ status: 401, error: { message: 'no' }, times: 0 }], {}, 'no_key', /^$/],
	];
	for (const [replies, more, code, text] of rows) {
		const { s, ai } = await begin(t, replies, { policy });
		const heard = await listen(await ai.chat.completions.create(ask('act', more))).done;
		assert.equal(heard.error?.code, code, heard.error?.message);
		assert.match(heard.text, text);
		assert.deepEqual(heard.reasons, []);
		await s.end();
	}
});

test('turns that are up: finish_reason is length', async (t) => {
	const { s, ai } = await begin(t, [{ text: 'One.', calls: [shell('true')] }, { text: 'Two.', calls: [shell('true')] }, { text: 'Three.' }]);
	const heard = await listen(await ai.chat.completions.create(ask('act', { mishri: { max_turns: 1 } }))).done;
	assert.equal(heard.error, null);
	assert.deepEqual(heard.reasons, ['length']);
	assert.match(heard.text, /^One\./);
	await s.end();
});

test('with a key a stream is the same when it is asked for again, during the task and after it', async (t) => {
	const { s, w, model, ai, key } = await begin(t, [{ text: 'First I look.', calls: [shell('true')] }, { text: 'Then I say a lot more.', piece_size: 4, hold_after: 4 }]);
	const headers = { 'Idempotency-Key': 'again' };
	const gone = new AbortController();
	const first = listen(await ai.chat.completions.create(ask('go'), { headers, signal: gone.signal }));
	await first.until(/look\.\n\nThen/);
	gone.abort();
	await first.done;
	const joined = await slow(s, key, ask('go'), headers);
	const second = listen(await ai.chat.completions.create(ask('go'), { headers }));
	await second.until(/^First I look\./);
	model.release();
	await second.done;
	const whole = 'First I look.\n\nThen I say a lot more.';
	assert.equal(second.text, whole);
	assert.equal((await readAll(joined.answer)).text, whole);
	assert.equal((await listen(await ai.chat.completions.create(ask('go'), { headers })).done).text, whole);
	assert.equal(w.events('task.created').length, 1);
	assert.equal(model.requests.length, 2);
	await s.end();
});

test('a client that goes in the middle cancels its task', async (t) => {
	const { s, w, model, ai } = await begin(t, [{ text: 'A reply that nobody will hear to its end.', piece_size: 4, hold_after: 4 }]);
	const gone = new AbortController();
	const heard = listen(await ai.chat.completions.create(ask('go'), { signal: gone.signal }));
	await heard.until(/^A reply/);
	gone.abort();
	await heard.done;
	const [{ task }] = w.events('task.created');
	assert.equal((await s.ended(task)).state, 'cancelled');
	model.release();
	await s.end();
	w.checkChain();
});

test('a service that ends says so in the stream, and the task can be gone on with', async (t) => {
	const { s, w, model, ai } = await begin(t, [{ text: 'A reply that is cut off by an ending service.', piece_size: 4, hold_after: 4 }]);
	const heard = listen(await ai.chat.completions.create(ask('go')));
	await heard.until(/^A reply/);
	await s.end();
	await heard.done;
	assert.equal(heard.error?.code, 'parked', heard.error?.message);
	assert.equal(w.events('task.parked').length, 1);
	assert.equal(w.events('task.cancelled').length, 0);
	model.release();
});

test('a master and its worker: what the worker says is not told, what both used is counted, also when it is asked for again', async (t) => {
	const policy = 'version: 1\nname: team\nrules:\n  - { id: tools, allow: tool, tool: "*" }\n  - { id: share, allow: delegate }\n  - { id: programs, allow: exec, program: { from: system } }\n';
	const usage = { input: 100, output: 10 };
	const { s, w, ai } = await begin(t, [
		{ text: 'I share it.', calls: [{ name: 'delegate', args: { tasks: [{ goal: 'the part' }] } }], usage },
		{ text: 'The words of the worker.', usage }, { text: 'All is done.', usage }], { policy, args: ['-c', 'plan=auto'] });
	const more = { stream_options: { include_usage: true } }, headers = { 'Idempotency-Key': 'team' };
	const first = await listen(await ai.chat.completions.create(ask('share', more), { headers })).done;
	assert.equal(first.error, null);
	assert.equal(first.text, 'I share it.\n\nAll is done.');
	assert.equal(first.usage[0].total_tokens, 330);
	const again = await listen(await ai.chat.completions.create(ask('share', more), { headers })).done;
	assert.equal(again.text, first.text);
	assert.deepEqual(again.usage, first.usage);
	assert.equal(w.events('task.created').length, 2);
	await s.end();
});
