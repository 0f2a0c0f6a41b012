// api-fuzz.test.mjs - requests drawn from the service's own description, well formed and not: every answer is one that the
// description allows, nothing is the service's fault, and it stays as quick and as small as it was. FUZZ_SEED repeats a run.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { test } from 'node:test';

import { AM_ROOT, shell, startModel, world } from './lib.mjs';
import { serve, token } from './serve-lib.mjs';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1e9), ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 25);

// splitmix32: small, and the same everywhere
function chance(seed) {
	let state = seed >>> 0;
	const next = () => {
		state = (state + 0x9e3779b9) >>> 0;
		let z = state;
		z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
		z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
		return (z ^ (z >>> 15)) >>> 0;
	};
	const below = (n) => next() % n;
	return { below, pick: (list) => list[below(list.length)], often: (percent) => below(100) < percent };
}

const ODD_TEXTS = ['', ' ', '0', '-1', 'null', 'true', '*', '..', '../../etc/passwd', '/', 'a'.repeat(300), 'a'.repeat(70000), '\u0001', '\u202e',
	'"', '\\', '<b>', '%', '%00', '\ud83d\ude00', '{{secret:X}}', '9223372036854775808', '1e400', "' or 1=1 --", '\n', '\u0000', 'NaN', 'last', 'yesterday'];
const ODD_VALUES = [null, true, false, 0, -1, 1.5, 1e300, Number.MAX_SAFE_INTEGER, [], {}, [[]], { a: { b: {} } }, ...ODD_TEXTS];

function valueOf(c, schema, depth = 0) {
	if (schema.enum !== undefined)
		return c.pick(schema.enum);
	const type = Array.isArray(schema.type) ? c.pick(schema.type) : schema.type;
	switch (type) {
	case 'boolean': return c.often(50);
	case 'integer': return c.pick([0, 1, -1, 7, 100, 1 << 30]);
	case 'array': return Array.from({ length: c.below(3) }, () => valueOf(c, schema.items ?? {}, depth + 1));
	case 'object': return depth > 3 ? {} : objectOf(c, schema, depth + 1);
	case 'string': return c.pick(['x', 'write a file', 'a b c', ...ODD_TEXTS.slice(0, 12)]);
	default: return c.pick(ODD_VALUES);
	}
}

function objectOf(c, schema, depth = 0) {
	const made = {};
	for (const [name, one] of Object.entries(schema.properties ?? {}))
		if ((schema.required ?? []).includes(name) || c.often(30))
			made[name] = valueOf(c, one, depth);
	return made;
}

// A body that is wrong in one way, as bytes.
function broken(c, good) {
	const text = JSON.stringify(good), names = Object.keys(good);
	switch (c.below(12)) {
	case 0: return JSON.stringify({ ...good, surprise: 1 });
	case 1: return JSON.stringify(Object.fromEntries(names.slice(1).map((n) => [n, good[n]])));
	case 2: return JSON.stringify({ ...good, [c.pick([...names, 'x'])]: c.pick(ODD_VALUES) });
	case 3: return text.slice(0, c.below(text.length + 1));
	case 4: return `${text}${text}`;
	case 5: return '['.repeat(5000) + ']'.repeat(5000);
	case 6: return text.replace('{', '{"a":1,"a":2,');
	case 7: return Buffer.concat([Buffer.from('{"goal":"'), Buffer.from([0xff, 0xfe, 0xc0, 0x80]), Buffer.from('"}')]);
	case 8: return '{"goal":"a\\u0000b","workspace":"\\ud800"}';
	case 9: return `{"x":${'9'.repeat(400)}}`;
	case 10: return c.pick(['', 'null', '1', '"x"', '[]', 'undefined', '\u0000', '{', '}']);
	default: return `${' '.repeat(1000)}${text}\n\n`;
	}
}

function queryOf(c, operation) {
	const words = [];
	for (const one of (operation.parameters ?? []).filter((p) => p.in === 'query'))
		if (c.often(25))
			words.push(`${one.name}=${encodeURIComponent(c.pick(['1', 'x', '7d', '2026-01-01', 'json', 'day', ...ODD_TEXTS]).toWellFormed())}`);
	if (c.often(8))
		words.push(c.pick(['surprise=1', '=', '&', 'limit=1&limit=2', '%zz=1', 'limit=%ff', 'a=b=c', 'limit', '%00=1', 'q=' + 'x'.repeat(9000)]));
	return words.length > 0 ? `?${words.join('&')}` : '';
}

function headersOf(c, operation) {
	const headers = {};
	for (const one of (operation.parameters ?? []).filter((p) => p.in === 'header'))
		if (c.often(30))
			headers[one.name] = c.pick(['1', '0', '-1', 'x', '99999999999999999999', 'a'.repeat(300), `key-${c.below(5)}`, ' ', 'a b']);
	if (c.often(5))
		headers.Accept = c.pick(['*/*', 'text/html', 'application/json']);
	return headers;
}

function send(s, agent, method, target, headers, body) {
	return new Promise((done, failed) => {
		const tcp = headers.Authorization !== undefined, place = tcp ? { host: '127.0.0.1', port: s.port } : { socketPath: s.socket };
		const request = http.request({ ...place, agent, method, path: target, headers: { ...(tcp ? {} : { Host: 'mishri' }), ...headers } }, (answer) => {
			const parts = [];
			answer.on('data', (part) => parts.push(part)).on('end', () => done({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString() }));
			answer.on('error', failed);
		});
		request.on('error', failed);
		request.end(body);
	});
}

const descriptors = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;
const memory_kib = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))[1]);

test(`requests drawn from the description (seed ${SEED})`, { skip: !AM_ROOT && 'only root makes tokens for others' }, async (t) => {
	const w = world(t);
	const model = await startModel({ replies: [{ match: 'x', calls: [shell('true')] }, { text: 'done', times: 0 }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env, args: ['-c', 'serve.rate=1000000', '-m', 'openai/mock'] });
	const viewer = await token(w, 'looks', '--user', 'alice', '--role', 'viewer'), operator = await token(w, 'works', '--user', 'bob', '--role', 'operator');
	const { body } = await s.post('/v1/tasks', { goal: 'y', workspace: w.ws, model: 'openai/mock', plan: 'never' });
	await s.ended(body.task);
	const api = (await s.get('/openapi.json')).body;
	const operations = Object.entries(api.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));
	assert.ok(operations.length > 30);
	const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
	const c = chance(SEED), seen = new Map();
	const before = { descriptors: 0, memory: 0 };

	async function one({ path, method, operation }) {
		const target = path.replace('{id}', encodeURIComponent(c.pick([body.task, body.task, body.task.slice(0, 4), 'aaaaaaaaaaaa', 'x', '-', '%', 'A'.repeat(200), 'nightly']))) + queryOf(c, operation);
		const schema = operation.requestBody?.content['application/json'].schema;
		const headers = headersOf(c, operation);
		let bytes;
		if (schema !== undefined || c.often(5)) {
			const good = schema === undefined ? {} : schema.properties?.goal !== undefined && c.often(30) ? { goal: 'x', workspace: w.ws } : objectOf(c, schema);
			if (good.workspace !== undefined && c.often(70))
				good.workspace = w.ws;
			delete good.stream; // streams are another test's
			bytes = Buffer.from(c.often(50) ? JSON.stringify(good) : broken(c, good));
			headers['Content-Type'] = c.often(95) ? 'application/json' : c.pick(['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-8', '']);
			headers['Content-Length'] = bytes.length;
		}
		if (c.often(30))
			headers.Authorization = `Bearer ${c.pick([viewer, operator, operator, c.often(10) ? 'nonsense' : viewer])}`;
		const what = `seed ${SEED}: ${method} ${target.slice(0, 300)} ${JSON.stringify(headers).slice(0, 300)} ${bytes?.toString('latin1').slice(0, 300) ?? ''}`;
		const answer = await send(s, agent, method.toUpperCase(), target, headers, bytes).catch((e) => assert.fail(`${what}: ${e}`));
		seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
		const listed = operation.responses[answer.status];
		if (answer.status >= 400) {
			assert.ok(answer.status < 500 || answer.status === 503, `${what}: ${answer.status} ${answer.text}`);
			assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/, what);
			const problem = JSON.parse(answer.text), schema = operation.responses.default.content['application/problem+json'].schema;
			assert.deepEqual(schema.required.filter((name) => typeof problem[name] !== schema.properties[name].type.replace('integer', 'number')), [], `${what}: ${answer.text}`);
			assert.equal(problem.status, answer.status, what);
			assert.ok(typeof problem.title === 'string' && problem.detail.length > 5, `${what}: ${answer.text}`);
			assert.doesNotMatch(problem.detail, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/, what);
			return;
		}
		assert.ok(listed !== undefined, `${what}: ${answer.status} is not in the description`);
		if ((answer.headers['content-type'] ?? '').startsWith('application/json'))
			JSON.parse(answer.text);
	}

	for (let round = 0; round < ROUNDS; round++) {
		for (let i = 0; i < operations.length; i += 4)
			await Promise.all(operations.slice(i, i + 4).map(one));
		if (round === Math.floor(ROUNDS / 5))
			Object.assign(before, { descriptors: descriptors(s.process.pid), memory: memory_kib(s.process.pid) });
	}
	agent.destroy();
	// What was begun comes to its end: then as many descriptors are open as before.
	for (let i = 0; i < 200 && (await s.get('/v1/health')).body.status !== 'ok'; i++);
	const health = (await s.get('/v1/health')).body, after = { descriptors: descriptors(s.process.pid), memory: memory_kib(s.process.pid) };
	t.diagnostic(`answers: ${[...seen].sort().map(([status, n]) => `${n} × ${status}`).join(', ')}; longest callback ${health.loop_longest_us / 1000} ms; ` +
		`descriptors ${before.descriptors} → ${after.descriptors}, memory ${before.memory} → ${after.memory} KiB`);
	assert.ok(seen.get(200) > ROUNDS && seen.get(400) > ROUNDS, 'both sides are tried');
	assert.equal(health.status, 'ok');
	assert.equal(health.loop_stood, 0);
	assert.ok(health.loop_longest_us < 1e6, `${health.loop_longest_us} µs in one callback`);
	assert.ok(after.descriptors < before.descriptors + 200, `${before.descriptors} → ${after.descriptors} descriptors`);
	assert.ok(after.memory < before.memory + 64 * 1024, `${before.memory} → ${after.memory} KiB`);
	const done = await s.end();
	assert.equal(done.code, 0, done.err);
	w.checkChain();
});
