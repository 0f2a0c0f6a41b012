// retry.test.mjs - models that fail in every way that real ones do, by real HTTP: what is asked again, when, how often, who
// stands in, and that nothing of a broken reply is ever used.
import assert from 'node:assert/strict';
import { test, describe } from 'node:test';
import { world, startModel, POLICY, shell, exited, checkResult, sleep, toldModel } from './lib.mjs';

const FAST = ['-c', 'retry.attempts=3'];
const json = ['--output-format', 'json'];
const soon = { 'retry-after-ms': '20' };
const good = { text: 'all is well', times: 0 };
const inSeconds = (s) => new Date(Date.now() + s * 1000).toUTCString();

async function model(t, scenario) {
	const m = await startModel(scenario);
	t.after(() => m.close());
	return m;
}
const retries = (w) => w.events('retry.scheduled').map((e) => e.data);
const failures = (w) => w.events('model.failed').map((e) => e.data);

describe('what passes is asked again', { concurrency: 2 }, () => {
	const rows = [
		{ name: 'nothing before the first byte', reply: { hang: 'before' }, args: ['-c', 'model.first_byte=300ms'], says: /no answer began/ },
		{ name: 'headers, then nothing', reply: { hang: 'headers' }, args: ['-c', 'model.first_byte=300ms'], says: /no answer began/ },
		{ name: 'silence in the middle of a stream', reply: { text: 'half of it', hang: 'first' }, args: ['-c', 'model.idle=300ms'], says: /nothing came for/ },
		{ name: 'a slow drip beyond the total', reply: { text: 'x'.repeat(400), piece_size: 1, piece_delay_ms: 100 },
			args: ['-c', 'model.total=1s'], says: /not complete after/ },
		{ name: 'a stream that is cut', reply: { text: 'half of a long sentence, and then', piece_size: 4, cut_after: 900 }, says: /openai: /, shown: true },
		{ name: 'a connection that is dropped', reply: { drop: true }, says: /openai: / },
		{ name: 'a body that ends too early', reply: { text: 'never finished', finish: 'stop', cut_after: 300 }, says: /openai: / },
		{ name: '500', reply: { status: 500, headers: soon }, status: 500, says: /500/ },
		{ name: '502 with a web page', reply: { status: 502, body: '<html>Bad Gateway</html>', headers: soon }, status: 502, says: /502/ },
		{ name: '529 overloaded', reply: { status: 529, headers: soon, error: { type: 'overloaded_error', message: 'Overloaded' } }, status: 529, says: /529/ },
		{ name: '429 with milliseconds', reply: { status: 429, headers: soon }, status: 429, says: /429/ },
		{ name: 'an error in the stream', reply: { text: 'begins', mid_error: { message: 'overloaded' } }, status: 200, says: /broke its reply off/ },
		{ name: 'an empty reply', reply: { text: '' }, status: 200, says: /empty/ },
	];
	for (const row of rows)
		test(row.name, async (t) => {
			const m = await model(t, { replies: [row.reply, good] });
			const w = world(t);
			const run = await w.run(m, 'try', { args: [...json, ...(row.args ?? [])] });
			exited(run, 0);
			checkResult(JSON.parse(run.out), { state: 'done', result: 'all is well', turns: 1 });
			assert.equal(m.requests.length, 2);
			const [failed] = failures(w);
			assert.equal(failed.class, 'transient');
			assert.match(failed.message, row.says);
			if (row.status !== undefined)
				assert.equal(failed.status, row.status);
			const [again] = retries(w);
			assert.equal(again.class, 'transient');
			assert.equal(again.attempt, 2);
			assert.equal(again.attempts, 5);
			assert.equal(again.model, 'openai/mock');
			assert.ok(again.next_us > 0);
			if (row.shown) {
				assert.ok(failed.shown > 0);
				assert.match(run.err, /nothing of it is kept/);
			}
			// what came of the broken reply is nowhere in the conversation
			assert.equal(JSON.stringify(m.requests.at(-1).body.messages).includes('half of'), false);
			w.checkChain();
		});

	test('what an answer calls itself does not matter', async (t) => {
		const m = await model(t, { replies: [{ ...good, headers: { 'content-type': 'image/png' } }] });
		const w = world(t);
		exited(await w.run(m, 'try'), 0);
		assert.deepEqual(failures(w), []);
	});

	test('a burst of 500s is outlived', async (t) => {
		const m = await model(t, { replies: [{ status: 500, times: 3, headers: soon }, good] });
		const w = world(t);
		exited(await w.run(m, 'try'), 0);
		assert.deepEqual(retries(w).map((r) => r.attempt), [2, 3, 4]);
	});

	test('a call in a reply that was cut is not carried out, not even in part', async (t) => {
		const m = await model(t, { replies: [
			{ calls: [shell('echo done >> effect', { x: 'y'.repeat(300) })], piece_size: 8, cut_after: 1400 },
			{ calls: [shell('echo done >> effect')] }, good] });
		const w = world(t);
		exited(await w.run(m, 'do it'), 0);
		assert.equal(failures(w).length, 1);
		assert.equal(w.events('call.proposed').length, 1);
		assert.equal(w.read('effect'), 'done\n');
	});
});

describe('what does not pass is not', { concurrency: 2 }, () => {
	const rows = [
		{ name: 'a request that is refused', exit: 1, reply: { status: 400, error: { message: 'no such parameter' } }, cls: 'terminal' },
		{ name: 'a wrong key', exit: 4, reply: { status: 401, error: { code: 'invalid_api_key', message: 'wrong' } }, cls: 'auth' },
		{ name: 'no money', exit: 5, reply: { status: 429, error: { code: 'insufficient_quota', message: 'pay' } }, cls: 'quota' },
		{ name: 'a redirect', exit: 1, reply: { status: 307, headers: { location: 'http://127.0.0.2/' } }, cls: 'terminal' },
		{ name: 'a web page', exit: 5, reply: { html: true }, cls: 'terminal' },
		{ name: 'an event that is no JSON', exit: 5, reply: { text: 'x', malformed: true }, cls: 'terminal' },
		{ name: 'half a JSON value', exit: 5, reply: { status: 200, body: '{"choices": [{"mess' }, cls: 'terminal' },
		{ name: 'neither JSON nor events', exit: 5, reply: { status: 200, body: 'Welcome!' }, cls: 'terminal' },
		{ name: 'more than a reply may have', exit: 5, reply: { status: 200, body: `data: ${'x'.repeat(33 << 20)}` }, cls: 'terminal' },
		{ name: 'a word not to come again', exit: 1, reply: { status: 500, headers: { 'x-should-retry': 'false' } }, cls: 'terminal' },
		{ name: 'a wait beyond all patience', exit: 5, reply: { status: 429, headers: { 'retry-after': '86400' } }, cls: 'transient' },
		{ name: 'a date beyond all patience', exit: 5, reply: { status: 503, headers: { 'retry-after': inSeconds(9999) } }, cls: 'transient' },
	];
	for (const row of rows)
		test(row.name, async (t) => {
			const m = await model(t, { replies: [{ ...row.reply, times: 0 }] });
			const w = world(t);
			exited(await w.run(m, 'try'), row.exit);
			assert.equal(m.requests.length, 1);
			assert.equal(failures(w)[0].class, row.cls);
			assert.deepEqual(retries(w), []);
		});

	test('attempts are counted, and told', async (t) => {
		const m = await model(t, { replies: [{ status: 503, times: 0, headers: soon }] });
		const w = world(t);
		const run = await w.run(m, 'try', { args: FAST });
		exited(run, 5);
		assert.equal(m.requests.length, 3);
		assert.match(run.err, /after 3 attempts/);
	});

	test('time is a budget too', async (t) => {
		const m = await model(t, { replies: [{ status: 503, times: 0, headers: { 'retry-after': '2' } }] });
		const w = world(t);
		exited(await w.run(m, 'try', { args: ['-c', 'retry.time=1s'] }), 5);
		assert.equal(m.requests.length, 1);
	});
});

describe('Retry-After is a floor', { concurrency: 2 }, () => {
	const rows = [
		{ name: 'seconds', headers: { 'retry-after': '2' }, least: 2000, most: 2400 },
		{ name: 'a date', headers: () => ({ 'retry-after': inSeconds(4) }), least: 2000, most: 4800 },
		{ name: 'milliseconds', headers: { 'retry-after-ms': '1500' }, least: 1500, most: 1800 },
		{ name: 'the reset of a limit that has nothing left', least: 1300, most: 1600,
			headers: { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '1.3s', 'x-ratelimit-remaining-tokens': '9',
				'x-ratelimit-reset-tokens': '6m0s' } },
	];
	for (const row of rows)
		test(row.name, async (t) => {
			const headers = typeof row.headers === 'function' ? row.headers() : row.headers;
			const m = await model(t, { replies: [{ status: 429, headers }, good] });
			const w = world(t);
			exited(await w.run(m, 'try'), 0);
			const [again] = retries(w);
			assert.ok(again.delay_ms >= row.least && again.delay_ms <= row.most, JSON.stringify(again));
			assert.ok(again.delay_ms >= again.retry_after_ms);
			assert.ok(m.requests[1].time_ms - m.requests[0].time_ms >= row.least - 50);
		});
});

describe('models that stand in', { concurrency: 2 }, () => {
	const FALL = ['--fallback', 'anthropic/mock-b'];
	const both = (a, b) => ({ env: { ...a.env, ANTHROPIC_BASE_URL: b.url, ANTHROPIC_API_KEY: 'sk-mock' } });
	const rows = [
		{ name: 'after the last attempt', reply: { status: 503, headers: soon }, cls: 'transient', asked: 3 },
		{ name: 'without money', reply: { status: 429, error: { code: 'insufficient_quota', message: 'pay' } }, cls: 'quota', asked: 1 },
		{ name: 'rather than a long wait', reply: { status: 429, headers: { 'retry-after': '45' } }, cls: 'transient', asked: 1 },
		{ name: 'for a page instead of a reply', reply: { html: true }, cls: 'terminal', asked: 1 },
		{ name: 'for a wrong key, where that is said', reply: { status: 401, error: { message: 'wrong' } }, cls: 'auth', asked: 1, args: ['-c', 'fallback.auth=on'] },
	];
	for (const row of rows)
		test(row.name, async (t) => {
			const a = await model(t, { replies: [{ ...row.reply, times: 0 }] }), b = await model(t, { replies: [{ text: 'b says so', usage: { input: 7, output: 3 } }] });
			const w = world(t);
			const run = await w.run(a, 'try', { args: [...FAST, ...FALL, ...json, ...(row.args ?? [])], ...both(a, b) });
			exited(run, 0);
			checkResult(JSON.parse(run.out), { state: 'done', result: 'b says so' });
			assert.equal(a.requests.length, row.asked);
			assert.equal(b.requests.length, 1);
			const [switched] = w.events('model.switched').map((e) => e.data);
			assert.equal(switched.from, 'openai/mock');
			assert.equal(switched.to, 'anthropic/mock-b');
			assert.equal(switched.class, row.cls);
			assert.ok(switched.reason.length > 0);
			assert.equal(w.events('model.requested').at(-1).data.provider, 'anthropic');
			const shown = JSON.parse((await w.mishri(['show', w.task(), '--json', '--data', w.data])).out).steps[0].retries;
			assert.equal(shown.length, row.asked);
			assert.equal(shown.at(-1).to, 'anthropic/mock-b');
			w.checkChain();
		});

	for (const [name, reply, exit] of [['a request that is wrong', { status: 400, error: { message: 'bad' } }, 1],
		['a wrong key', { status: 401, error: { message: 'wrong' } }, 4]])
		test(`not for ${name}`, async (t) => {
			const a = await model(t, { replies: [{ ...reply, times: 0 }] }), b = await model(t, { replies: [good] });
			const w = world(t);
			exited(await w.run(a, 'try', { args: FALL, ...both(a, b) }), exit);
			assert.equal(b.requests.length, 0);
		});

	test('when all of them fail, that is said', async (t) => {
		const a = await model(t, { replies: [{ status: 503, headers: soon, times: 0 }] }), b = await model(t, { replies: [{ status: 529, headers: soon, times: 0 }] });
		const w = world(t);
		const run = await w.run(a, 'try', { args: [...FAST, ...FALL], ...both(a, b) });
		exited(run, 5);
		assert.equal(a.requests.length, 3);
		assert.equal(b.requests.length, 3);
		assert.match(run.err, /none of the 2 models/);
	});

	test('what only one provider understands is not given to another, and goes back to it', async (t) => {
		const b = await model(t, { replies: [{ calls: [shell('echo two')] }] });
		const a = await model(t, { replies: [{ thinking: 'secret thoughts', calls: [shell('echo one')] }, { status: 503, headers: soon, times: 2 },
			{ text: 'the end' }] });
		const w = world(t);
		const run = await w.start(w.runArgs('try', '-m', 'anthropic/mock', '--fallback', 'openai/mock', '-c', 'retry.attempts=2', '-c', 'fallback.stay=1ms'),
			{ env: { ...b.env, ANTHROPIC_BASE_URL: a.url, ANTHROPIC_API_KEY: 'sk-mock' } }).done;
		exited(run, 0);
		assert.deepEqual(a.invalid, []);
		assert.deepEqual(b.invalid, []);
		assert.equal(JSON.stringify(b.requests[0].body).includes('secret thoughts'), false);
		assert.deepEqual(toldModel(b), ['one\n']);
		const last = JSON.stringify(a.requests.at(-1).body);
		assert.ok(last.includes('secret thoughts') && last.includes('two'), 'its own comes back to it, with what the other did');
		assert.deepEqual(w.events('model.switched').map((e) => [e.data.to, e.data.class]), [['openai/mock', 'transient'], ['anthropic/mock', 'return']]);
	});

	test('policy decides about them as well', async (t) => {
		const a = await model(t, { replies: [{ status: 503, headers: soon, times: 0 }] });
		const w = world(t, { policy: `version: 1\nrules:\n  - { id: tools, allow: tool, tool: "*" }\n  - { id: ours, allow: model, provider: openai }\n  - { id: not-theirs, deny: model, provider: anthropic, reason: "not approved" }\n` });
		const run = await w.run(a, 'try', { args: FALL, ...both(a, a) });
		exited(run, 6);
		assert.match(run.err, /not-theirs/);
		assert.equal(a.requests.length, 0, 'it is said before anything is asked');
	});

	test('a budget wants their price, too', async (t) => {
		const a = await model(t, { replies: [good] });
		const w = world(t, { files: { script: '{"agent":"*","text":"x","usage":{"usd_nanos":5}}\n' } });
		const run = await w.start(w.runArgs('try', '-m', 'recorded/script', '--fallback', 'anthropic/nobody-knows', '--budget', '1'), both(a, a)).done;
		exited(run, 3);
		assert.match(run.err, /anthropic\/nobody-knows/);
	});

	for (const [name, args, exit, says] of [
		['no provider', ['--fallback', 'gpt'], 2, /PROVIDER\/MODEL/],
		['an unknown one', ['--fallback', 'opnai/x'], 3, /did you mean 'openai'/],
		['twice the same', ['--fallback', 'openai/mock'], 2, /twice/],
		['no attempts', ['-c', 'retry.attempts=0'], 2, /too little/],
	])
		test(`wrong: ${name}`, async (t) => {
			const a = await model(t, { replies: [good] });
			const w = world(t);
			const run = await w.run(a, 'try', { args });
			exited(run, exit);
			assert.match(run.err, says);
			assert.equal(a.requests.length, 0);
		});

	test('a task that goes on asks the model that it was at', async (t) => {
		const a = await model(t, { replies: [{ status: 429, error: { code: 'insufficient_quota', message: 'pay' }, times: 0 }] });
		const b = await model(t, { replies: [{ calls: [shell('echo one')] }, { hang: 'before' }, { text: 'went on' }] });
		const w = world(t);
		const run = w.startRun(a, 'try', { args: FALL, ...both(a, b) });
		for (let i = 0; b.requests.length < 2 && i < 400; i++)
			await sleep(50);
		run.kill('SIGTERM');
		exited(await run.done, 143);
		const again = await w.resume(a, w.task(), both(a, b)).done;
		exited(again, 0);
		assert.equal(a.requests.length, 1);
		assert.equal(b.requests.length, 3);
	});
});

describe('the breaker', () => {
	// Several workers share one engine: together they find out that a model is gone, and one of them that it is back.
	test('opens for all, lets one through, and closes', async (t) => {
		const parts = [1, 2, 3, 4].map((i) => ({ goal: `part ${i}` }));
		const m = await model(t, { replies: [
			{ match: 'You lead', calls: [{ name: 'delegate', args: { tasks: parts } }] },
			{ status: 503, times: 5, headers: soon },
			{ match: 'You carry out one part', text: 'done with it', times: 0 }, { text: 'all parts are done', times: 0 }] });
		const w = world(t, { policy: `${POLICY}  - { id: share, allow: delegate }\n` });
		const run = w.start(w.teamArgs('lead', '-m', 'openai/mock', '--plan', 'auto', '-c', 'breaker.failures=3', '-c', 'breaker.open=3s',
			'-c', 'retry.attempts=20'), { env: m.env });
		await run.until(/left alone/);
		const health = JSON.parse((await w.mishri(['health', '--json', '--data', w.data])).out);
		exited(await run.done, 0);
		const seen = health.engines[0].models[0];
		assert.equal(seen.model, 'openai/mock');
		assert.ok(['open', 'trying'].includes(seen.state) && seen.failures >= 4, JSON.stringify(seen));
		const opened = w.events('breaker.opened').map((e) => e.data), closed = w.events('breaker.closed').map((e) => e.data);
		assert.ok(opened.length >= 1, 'it opened');
		assert.equal(opened[0].model, 'openai/mock');
		assert.equal(opened[0].failures, 4);
		assert.equal(closed.length, 1);
		const waits = retries(w).filter((r) => r.class === 'breaker');
		assert.ok(waits.length >= 1, 'tasks waited for it');
		assert.ok(waits.every((r) => r.attempt === undefined), 'and lost no attempt by that');
		// between opening and the next one there is silence, but for what was under way
		assert.ok(m.requests.length <= 1 + 5 + 4 + 4 + 2);
	});

	test('a model that stands in is asked while it is open', async (t) => {
		const a = await model(t, { replies: [{ status: 503, times: 0, headers: soon }] }), b = await model(t, { replies: [good] });
		const w = world(t);
		const run = await w.run(a, 'try', { args: ['--fallback', 'anthropic/b', '-c', 'breaker.failures=1', '-c', 'retry.attempts=9'],
			env: { ANTHROPIC_BASE_URL: b.url, ANTHROPIC_API_KEY: 'sk-mock' } });
		exited(run, 0);
		assert.equal(a.requests.length, 2);
		assert.equal(w.events('model.switched')[0].data.class, 'breaker');
	});
});
