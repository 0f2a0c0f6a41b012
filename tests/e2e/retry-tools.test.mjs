// retry-tools.test.mjs - calls that fail in a way that may pass: those that may be run again are, after the wait that the other
// side asks for; what may have taken effect is not, and the model is told either way.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { exited, startModel, toldModel, world } from './lib.mjs';

const hits = [];
const scripts = new Map();              // path → answers, one a request, the last one for ever
let web, port;

before(async () => {
	web = http.createServer((req, res) => {
		const answers = scripts.get(req.url) ?? [[404]];
		const [status, headers, drop] = answers.length > 1 ? answers.shift() : answers[0];
		hits.push({ url: req.url, method: req.method, time_ms: Date.now() });
		if (drop)
			req.socket.resetAndDestroy();
		else
			res.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(status === 200 ? 'here it is' : 'not now');
	});
	port = await new Promise((done) => web.listen(0, '127.0.0.1', () => done(web.address().port)));
});
after(() => {
	web.closeAllConnections();
	web.close();
});

const NET = 'version: 1\nrules:\n  - { id: tools, allow: tool, tool: "*" }\n  - { id: programs, allow: exec }\n' +
	'  - { id: here, allow: net, host: localhost, private: true }\n';
const calls = (w, type) => w.events(type).filter((e) => e.data.call === '1.1').map((e) => e.data);

async function fetched(t, answers, args, more = []) {
	const url = `/${Math.random()}`;
	scripts.set(url, answers);
	const w = world(t, { policy: NET });
	const model = await startModel({ replies: [{ calls: [{ name: 'http_fetch', args: { url: `http://localhost:${port}${url}`, ...args } }] }, { text: 'Done.' }] });
	t.after(() => model.close());
	exited(await w.run(model, 'x', { timeout_ms: 40000, args: more }), 0);
	w.checkChain();
	return { w, told: toldModel(model)[0], hits: hits.filter((h) => h.url === url), retries: calls(w, 'retry.scheduled'), end: calls(w, 'call.finished')[0] };
}

describe('http_fetch', { concurrency: 2 }, () => {
	for (const [name, first] of [['503', [503]], ['429', [429]], ['a connection that breaks', [0, {}, true]]])
		test(`${name} passes`, async (t) => {
			const done = await fetched(t, [first, [200]], {});
			assert.equal(done.hits.length, 2);
			assert.equal(done.end.status, 'ok');
			assert.equal(done.end.attempts, 2);
			assert.match(done.told, /here it is/);
			assert.match(done.told, /\[attempt 2; before it: /);
			assert.equal(done.retries.length, 1);
			assert.equal(done.retries[0].attempt, 2);
			assert.equal(calls(done.w, 'call.started').length, 2);
			assert.deepEqual(calls(done.w, 'call.started').map((e) => e.nature), ['pure', 'pure']);
		});

	test('Retry-After is a floor', async (t) => {
		const done = await fetched(t, [[503, { 'retry-after': '2' }], [200]], {});
		assert.equal(done.retries[0].retry_after_ms, 2000);
		assert.ok(done.retries[0].delay_ms >= 2000 && done.retries[0].delay_ms <= 2400);
		assert.ok(done.hits[1].time_ms - done.hits[0].time_ms >= 1990);
	});

	test('beyond all patience it is not waited for', async (t) => {
		const done = await fetched(t, [[503, { 'retry-after': '86400' }], [200]], {});
		assert.equal(done.hits.length, 1);
		assert.equal(done.end.failure, 'transient');
	});

	test('attempts are bounded, and told', async (t) => {
		const done = await fetched(t, [[503]], {}, ['-c', 'retry.tool_attempts=2']);
		assert.equal(done.hits.length, 2);
		assert.equal(done.end.status, 'error');
		assert.equal(done.end.attempts, 2);
		assert.equal(done.end.failure, 'transient');
	});

	for (const [name, args] of [['POST', { method: 'POST', body: 'pay' }], ['PUT', { method: 'PUT', body: 'x' }], ['DELETE', { method: 'DELETE' }], ['a GET that saves', { save: 'file' }]])
		test(`${name} is done once`, async (t) => {
			const done = await fetched(t, [[503], [200]], args);
			assert.equal(done.hits.length, 1);
			assert.deepEqual(done.retries, []);
			assert.equal(done.end.failure, 'replay-unsafe');
			assert.match(done.told, /replay-unsafe/);
		});

	for (const status of [400, 404, 500, 501])
		test(`${status} does not pass`, async (t) => {
			const done = await fetched(t, [[status], [200]], {});
			assert.equal(done.hits.length, 1);
			assert.equal(done.end.failure, undefined);
		});
});

describe('tools by manifest', { concurrency: 2 }, () => {
	// Fails with `status` until it has been started `until` times; notes the word that stays the same.
	const script = (until, status) => `#!/bin/sh\necho "$MISHRI_CALL" >> seen\n[ $(wc -l < seen) -ge ${until} ] && { echo fine; exit 0; }\necho "busy now"; exit ${status}\n`;
	const rows = [
		{ name: 'idempotent, and 75 says that it may pass', nature: 'idempotent', until: 3, status: 75, runs: 3, end: 'ok' },
		{ name: 'pure', nature: 'pure', until: 2, status: 75, runs: 2, end: 'ok' },
		{ name: 'as often as it may be', nature: 'idempotent', until: 9, status: 75, runs: 3, end: 'error', failure: 'transient' },
		{ name: 'another status is a result', nature: 'idempotent', until: 9, status: 1, runs: 1, end: 'error' },
		{ name: 'what has effects is run once', nature: 'at_most_once', until: 9, status: 75, runs: 1, end: 'error', failure: 'replay-unsafe' },
	];
	for (const row of rows)
		test(row.name, async (t) => {
			const w = world(t, { policy: NET, files: { 'busy.sh': script(row.until, row.status) } });
			const dir = path.join(w.home, '.config/mishri/tools'), file = path.join(w.dir, 'script.jsonl');
			fs.mkdirSync(dir, { recursive: true });
			fs.writeFileSync(path.join(dir, 'busy.yaml'), `name: busy\ndescription: Is busy.\nprogram: sh\nargs: [busy.sh]\nnature: ${row.nature}\nrisk: low\npermissions: [fs.write]\n`);
			fs.writeFileSync(file, [{ agent: '*', calls: [{ name: 'busy', args: {} }] }, { agent: '*', text: 'Done.' }].map((l) => JSON.stringify(l)).join('\n'));
			const run = await w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '--plan', 'never', '-m', `recorded/${file}`, '--', 'x']);
			exited(run, 0);
			const [end] = calls(w, 'call.finished'), seen = w.read('seen').trim().split('\n');
			assert.equal(seen.length, row.runs);
			assert.equal(new Set(seen).size, 1, 'every attempt has the same word');
			assert.equal(seen[0], `${w.task()}/1.1`);
			assert.equal(end.status, row.end);
			assert.equal(end.failure, row.failure);
			assert.equal(calls(w, 'retry.scheduled').length, row.runs - 1);
			if (row.runs > 1)
				assert.match(end.output, new RegExp(`\\[attempt ${row.runs}; before it: busy now`));
		});

	test('a call that waits to be run again goes on after a stop', async (t) => {
		const w = world(t, { policy: NET });
		const url = '/stopped';
		scripts.set(url, [[503, { 'retry-after': '3' }], [200]]);
		const model = await startModel({ replies: [{ calls: [{ name: 'http_fetch', args: { url: `http://localhost:${port}${url}` } }] }, { text: 'Done.' }] });
		t.after(() => model.close());
		const run = w.startRun(model, 'x');
		await run.until(/again in/);
		run.kill('SIGTERM');
		exited(await run.done, 143);
		exited(await w.resume(model, w.task()).done, 0);
		assert.match(toldModel(model)[0], /here it is/);
		assert.equal(hits.filter((h) => h.url === url).length, 2);
	});
});
