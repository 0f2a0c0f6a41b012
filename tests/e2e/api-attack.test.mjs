// api-attack.test.mjs - many clients that take places and time: a thousand streams, thousands that say nothing, hundreds that say a
// byte at a time, one that does not read. The others are answered, and what the loop says of itself is printed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';

import { AM_ROOT, shell, sleep, startModel, world } from './lib.mjs';
import { serve, token } from './serve-lib.mjs';

const head = (...lines) => [...lines, '', ''].join('\r\n');
const longest_ms = async (s) => (await s.get('/v1/health')).body.loop_longest_us / 1000;

function open(t, to, bytes = '') {
	const one = net.connect(to);
	one.on('error', () => {});
	one.resume();
	if (bytes !== '')
		one.write(bytes);
	t.after(() => one.destroy());
	return one;
}

async function until(check, what) {
	for (let i = 0; i < 300; i++, await sleep(50))
		if (await check())
			return;
	assert.fail(what);
}

// How long others wait meanwhile.
async function others(s, options, count = 40) {
	const times = [];
	for (let i = 0; i < count; i++) {
		const since = performance.now();
		const answer = await s.get('/v1/me', options);
		assert.equal(answer.status, 200, answer.text);
		times.push(performance.now() - since);
	}
	times.sort((a, b) => a - b);
	return `others waited ${times[times.length >> 1].toFixed(1)} ms (median), ${times.at(-1).toFixed(1)} ms at most`;
}

test('a thousand streams are each told what happens, and one token cannot have them all', async (t) => {
	const w = world(t);
	const model = await startModel({ replies: [{ calls: [shell('true')] }, { text: 'done' }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env, args: ['-c', 'serve.rate=100000'] });
	const key = await token(w, 'greedy');
	let told = 0;
	for (let i = 0; i < 1000; i++) {
		let all = '';
		open(t, s.socket, head('GET /v1/events?after=0&type=task.finished HTTP/1.1', 'Host: mishri', 'Accept: text/event-stream')).on('data', (part) => {
			all += part;
			if (/event: task.finished/.test(all)) {
				told++;
				all = '';
			}
		});
	}
	await until(async () => (await s.get('/v1/health')).body.streams === 1000, 'a thousand streams were not opened');
	const begun = await s.post('/v1/tasks', { goal: 'x', workspace: w.ws, model: 'openai/mock', plan: 'never' });
	await s.ended(begun.body.task);
	await until(() => told === 1000, `${told} of 1000 were told`);
	t.diagnostic(`${await others(s)}; longest callback ${await longest_ms(s)} ms`);
	let refused = 0;
	for (let i = 0; i < 530; i++)
		open(t, { port: s.port, host: '127.0.0.1' }, head('GET /v1/events?after=1000000 HTTP/1.1', `Host: 127.0.0.1:${s.port}`, `Authorization: Bearer ${key}`,
			'Accept: text/event-stream')).on('data', (part) => { refused += /^HTTP\/1.1 429/.test(part); });
	await until(() => refused === 18, `${refused} of 530 were refused, where 512 may be open`);
	assert.equal((await s.get('/v1/me', { token: key })).status, 200, 'it may still ask');
	assert.equal((await s.get('/v1/health')).body.status, 'ok');
	await s.end();
});

test('three thousand that say nothing lock nobody out, and are gone when they go', async (t) => {
	const w = world(t);
	const s = await serve(t, w, { args: ['-c', 'serve.rate=100000'] });
	const key = await token(w, 'one');
	const silent = Array.from({ length: 3000 }, () => open(t, { port: s.port, host: '127.0.0.1' }));
	await until(async () => (await s.get('/v1/health')).body.connections > 1900, 'they were not taken');
	const { connections } = (await s.get('/v1/health')).body;
	assert.ok(connections <= 2048, `${connections} connections`);
	t.diagnostic(`${connections} connections; by a port ${await others(s, { token: key })}; by the socket ${await others(s)}; longest callback ${await longest_ms(s)} ms`);
	for (const one of silent)
		one.destroy();
	await until(async () => (await s.get('/v1/health')).body.connections < 5, 'they were not forgotten');
	const done = await s.end();
	assert.equal(done.code, 0, done.err);
});

test('a byte at a time from three hundred, halves of requests, and one who does not read', async (t) => {
	const w = world(t);
	const model = await startModel({ replies: [{ calls: [shell('head -c 60000 /dev/urandom | base64')], times: 30 }, { text: 'done', times: 0 }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env, args: ['-c', 'serve.rate=100000', '-c', 'max_turns=40', '-c', 'loop.detect=off'] });
	const key = await token(w, 'one'), to = { port: s.port, host: '127.0.0.1' };
	const slow = head('POST /v1/tasks HTTP/1.1', `Host: 127.0.0.1:${s.port}`, `Authorization: Bearer ${key}`, 'Content-Type: application/json', 'Content-Length: 5000') + '{'.repeat(5000);
	const drips = Array.from({ length: 300 }, () => open(t, to));
	let at = 0;
	const drip = setInterval(() => drips.forEach((one) => one.writable && one.write(slow[at])) || at++, 20);
	t.after(() => clearInterval(drip));
	for (const part of ['GET /heal', slow.slice(0, 60), slow.slice(0, -100)]) {
		const half = net.connect({ ...to, allowHalfOpen: true });
		half.on('error', () => {}).end(part);
		t.after(() => half.destroy());
	}
	const deaf = net.connect(s.socket); // it never reads
	deaf.on('error', () => {}).pause();
	t.after(() => deaf.destroy());
	deaf.write(head('GET /v1/events?after=0 HTTP/1.1', 'Host: mishri', 'Accept: text/event-stream'));
	const begun = await s.post('/v1/tasks', { goal: 'x', workspace: w.ws, model: 'openai/mock', plan: 'never' });
	assert.equal(begun.status, 201, begun.text);
	const waited = await others(s, { token: key });
	const before = Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${s.process.pid}/status`, 'latin1'))[1]);
	await s.ended(begun.body.task);
	const after = Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${s.process.pid}/status`, 'latin1'))[1]);
	t.diagnostic(`${waited}; longest callback ${await longest_ms(s)} ms; memory ${before} → ${after} KiB`);
	assert.ok(after < before + 48 * 1024, `${before} → ${after} KiB`);
	assert.equal((await s.get('/v1/health')).body.status, 'ok');
	clearInterval(drip);
	drips.forEach((one) => one.destroy());
	deaf.destroy();
	await until(async () => (await s.get('/v1/health')).body.connections < 5, 'they were not forgotten');
	await s.end();
});
