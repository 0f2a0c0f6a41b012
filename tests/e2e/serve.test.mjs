// serve.test.mjs - the service: one per data directory, requests that are not well formed, streams, slow clients, its end.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';

import { AM_ROOT, shell, sleep, startModel, world } from './lib.mjs';
import { serve } from './serve-lib.mjs';

const CRLF = '\r\n';
const head = (...lines) => [...lines, '', ''].join(CRLF);

// Every one is refused with this status, and the connection is closed: what is behind it is never read as a request.
const BAD = [
	['no request line', head('', 'Host: HOST'), 400],
	['a line feed alone', 'GET /healthz HTTP/1.1\nHost: HOST\n\n', null],
	['a line feed inside', `GET /healthz HTTP/1.1\nHost: HOST${CRLF}${CRLF}`, 400],
	['a carriage return alone', `GET /healthz HTTP/1.1\rHost: HOST${CRLF}${CRLF}`, 400],
	['two spaces', head('GET  /healthz HTTP/1.1', 'Host: HOST'), 400],
	['a space behind', head('GET /healthz HTTP/1.1 ', 'Host: HOST'), 400],
	['a tab', head('GET\t/healthz HTTP/1.1', 'Host: HOST'), 400],
	['no version', head('GET /healthz', 'Host: HOST'), 400],
	['version 1.0', head('GET /healthz HTTP/1.0', 'Host: HOST'), 505],
	['version 2.0', head('GET /healthz HTTP/2.0', 'Host: HOST'), 400],
	['a version in small letters', head('GET /healthz http/1.1', 'Host: HOST'), 400],
	['the preface of HTTP/2', `PRI * HTTP/2.0${CRLF}${CRLF}SM${CRLF}${CRLF}`, 400],
	['no Host', head('GET /healthz HTTP/1.1'), 400],
	['two Hosts', head('GET /healthz HTTP/1.1', 'Host: HOST', 'Host: HOST'), 400],
	['another Host', head('GET /healthz HTTP/1.1', 'Host: evil.example'), 421],
	['Host without its port', head('GET /healthz HTTP/1.1', 'Host: 127.0.0.1'), 421],
	['an empty Host', head('GET /healthz HTTP/1.1', 'Host:'), 421],
	['a Host and more', head('GET /healthz HTTP/1.1', 'Host: HOST, evil.example'), 421],
	['an absolute target', head('GET http://HOST/healthz HTTP/1.1', 'Host: HOST'), 400],
	['an asterisk', head('OPTIONS * HTTP/1.1', 'Host: HOST'), 400],
	['CONNECT', head('CONNECT evil.example:443 HTTP/1.1', 'Host: HOST'), 400],
	['two slashes', head('GET //healthz HTTP/1.1', 'Host: HOST'), 400],
	['a way up', head('GET /v1/../healthz HTTP/1.1', 'Host: HOST'), 400],
	['a way up in disguise', head('GET /v1/%2e%2e/healthz HTTP/1.1', 'Host: HOST'), 400],
	['a NUL in disguise', head('GET /healthz%00 HTTP/1.1', 'Host: HOST'), 400],
	['a fragment', head('GET /healthz#x HTTP/1.1', 'Host: HOST'), 400],
	['a byte above 127', head('GET /h\u00e9 HTTP/1.1', 'Host: HOST'), 400],
	['a space before the colon', head('GET /healthz HTTP/1.1', 'Host : HOST'), 400],
	['a folded header', head('GET /healthz HTTP/1.1', 'Host: HOST', 'X: a', ' b'), 400],
	['a header without a colon', head('GET /healthz HTTP/1.1', 'Host: HOST', 'nonsense'), 400],
	['a header without a name', head('GET /healthz HTTP/1.1', 'Host: HOST', ': x'), 400],
	['a NUL in a header', head('GET /healthz HTTP/1.1', 'Host: HOST', 'X: a\0b'), 400],
	['two lengths', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Content-Length: 2', 'Content-Length: 2'), 400],
	['two lengths in one', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Content-Length: 2, 2'), 400],
	['a length with a sign', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Content-Length: +2'), 400],
	['a length below nought', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Content-Length: -1'), 400],
	['a length in hexadecimal', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Content-Length: 0x2'), 400],
	['an empty length', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Content-Length:'), 400],
	['a length beyond all', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Content-Length: 99999999999999999999'), 400],
	['a length beyond the most', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Content-Length: 99999999'), 413],
	['length and chunks', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Content-Length: 2', 'Transfer-Encoding: chunked'), 400],
	['chunks', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Transfer-Encoding: chunked'), 411],
	['chunks in disguise', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Transfer-Encoding: xchunked'), 400],
	['chunks twice', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'), 400],
	['chunks and more', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Transfer-Encoding: gzip, chunked'), 400],
	['a body behind GET', head('GET /healthz HTTP/1.1', 'Host: HOST', 'Content-Length: 2') + 'ab', 400],
	['Connection names Host', head('GET /healthz HTTP/1.1', 'Host: HOST', 'Connection: host'), 400],
	['Connection names the length', head('POST /v1/tasks HTTP/1.1', 'Host: HOST', 'Connection: content-length', 'Content-Length: 0'), 400],
	['an upgrade', head('GET /healthz HTTP/1.1', 'Host: HOST', 'Upgrade: h2c', 'Connection: upgrade'), 400],
	['another expectation', head('GET /healthz HTTP/1.1', 'Host: HOST', 'Expect: tea'), 417],
	['another origin', head('GET /healthz HTTP/1.1', 'Host: HOST', 'Origin: http://evil.example'), 403],
	['a head beyond the most', `GET /healthz HTTP/1.1${CRLF}Host: HOST${CRLF}X: ${'a'.repeat(20000)}`, 431],
	['too many headers', head('GET /healthz HTTP/1.1', 'Host: HOST', ...Array(120).fill('X: y')), 400],
];

test('what is not well formed is refused once, and what hides behind it is never answered', async (t) => {
	const w = world(t);
	const s = await serve(t, w);
	const host = `127.0.0.1:${s.port}`;
	const good = head('GET /healthz HTTP/1.1', `Host: ${host}`);
	assert.match(await s.raw(good + good.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')), /200 OK[^]*200 OK/, 'two in a row are two answers');
	assert.ok(BAD.length >= 40);
	for (const [name, bytes, status] of BAD) {
		const answer = await s.raw(Buffer.from(bytes.replaceAll('HOST', host) + (status === null ? '' : good), 'latin1'), status === null ? 300 : 3000);
		assert.doesNotMatch(answer, /200 OK/, `${name}: what is behind it was answered:\n${answer}`);
		if (status !== null)
			assert.match(answer, new RegExp(`^HTTP/1.1 ${status} [^]*Connection: close`), `${name}:\n${answer}`);
	}
	assert.equal((await s.get('/healthz', { tcp: true })).status, 200);
	const done = await s.end();
	assert.equal(done.code, 0, done.err);
});

test('one service a data directory; the second says whose it is; the socket is the owner\'s', async (t) => {
	const w = world(t);
	const s = await serve(t, w);
	const second = await w.mishri(['serve', ...w.places()]);
	assert.equal(second.code, 1);
	assert.match(second.err, new RegExp(`process ${s.process.pid} serves`));
	assert.equal(fs.statSync(s.socket).mode & 0o777, 0o600);
	const far = await w.mishri(['serve', '--data', `${w.data}2`, '--no-user-config', '--listen', '0.0.0.0:0']);
	assert.equal(far.code, 2);
	assert.match(far.err, /serve\.expose/);
	s.process.kill('SIGKILL');
	await s.process.done;
	const again = await serve(t, w); // the lock and the socket of the dead one do not matter
	assert.equal((await again.get('/healthz')).status, 200);
	await again.end();
	assert.ok(!fs.existsSync(s.socket));
});

test('five hundred idle streams, clients that stop in the middle, and the service still answers; a stream tells all, and from where one left', async (t) => {
	const w = world(t);
	const model = await startModel({ replies: [{ calls: [shell('echo hello')] }, { text: 'done' }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env });
	const idle = [];
	t.after(() => idle.forEach((one) => one.destroy()));
	for (let i = 0; i < 500; i++) {
		const one = net.connect(s.socket);
		one.on('error', () => {}).on('data', () => {});
		one.write(head('GET /v1/events?after=1000000 HTTP/1.1', 'Host: mishri', 'Accept: text/event-stream'));
		idle.push(one);
	}
	for (const part of ['GET /heal', 'POST /v1/tasks HTTP/1.1\r\nHost: mishri\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{']) {
		const slow = net.connect(s.socket);
		slow.on('error', () => {});
		slow.write(part);
		idle.push(slow);
		const half = net.connect({ path: s.socket, allowHalfOpen: true });
		half.on('error', () => {});
		half.end(part);
		idle.push(half);
	}
	let health;
	for (let i = 0; i < 200 && health?.streams !== 500; i++, await sleep(50))
		health = (await s.get('/v1/health')).body;
	assert.equal(health.streams, 500);
	const begun = await s.post('/v1/tasks', { goal: 'say hello', workspace: w.ws, model: 'openai/mock', plan: 'never' });
	assert.equal(begun.status, 201, begun.text);
	await s.ended(begun.body.task);
	const stream = (last) => new Promise((done) => {
		const one = net.connect(s.socket);
		let all = '';
		one.setEncoding('utf8').on('data', (part) => {
			all += part;
			if (/event: task.finished/.test(all))
				one.destroy();
		}).on('close', () => done([...all.matchAll(/^id: (\d+)$/gm)].map((m) => Number(m[1]))));
		one.write(head(`GET /v1/tasks/${begun.body.task}/events HTTP/1.1`, 'Host: mishri', 'Accept: text/event-stream',
			...(last === undefined ? [] : [`Last-Event-ID: ${last}`])));
	});
	const all = await stream();
	assert.deepEqual(all, w.events().filter((e) => e.task === begun.body.task).map((e) => e.seq).slice(0, all.length));
	assert.deepEqual(await stream(all[2]), all.slice(3));
	await s.end();
});

test('a task is handed over, and without a service the way to one is said', async (t) => {
	const w = world(t, { as_nobody: AM_ROOT });
	const model = await startModel({ replies: [{ text: 'done' }] });
	t.after(() => model.close());
	const args = w.runArgs('do it', '-m', 'openai/mock', '--detach');
	const alone = await w.mishri(args);
	assert.equal(alone.code, 1);
	assert.match(alone.err, /mishri serve/);
	const s = await serve(t, w, { env: model.env });
	const handed = await w.mishri(args);
	assert.equal(handed.code, 0, handed.err);
	const task = await s.ended(handed.out.trim());
	assert.equal(task.state, 'done');
	assert.equal((await w.mishri([...w.runArgs('x', '--detach'), '--resume', 'abc'])).code, 2);
	await s.end();
	w.checkChain();
});
