// Spans on their way to a receiver that is made from the official definitions: what arrives is what the events say, in both
// encodings, whatever the receiver does; nothing that was said goes along unasked; tools and events see no OTEL_*.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { KEY, exited, shell, sleep, startModel, world } from './lib.mjs';
import { startReceiver } from './mock/otlp.mjs';

let model, receiver;
before(async () => { model = await startModel(); receiver = await startReceiver(); });
after(() => { model.close(); receiver.close(); });

const SECRET = 'otlp-key-7c1f0d';
const WORK = [
	{ text: 'so I say', usage: { input: 100, cache_read: 40, cache_write: 7, output: 20 }, calls: [shell('echo id-4711x; rm -rf nothing'), { name: 'read_file', args: { path: 'notes.txt' } }] },
	{ text: 'and more', calls: [shell('echo id-4711x again')] },
	{ text: 'the end' },
];
const files = { 'notes.txt': 'what the notes say\n' };
const to = (url, ...more) => ['-c', `otel.endpoint=${url}`, '-c', 'otel.delay=50ms', ...more.flatMap((pair) => ['-c', pair])];

async function ran(t, ...more) {
	const w = world(t, { files });
	model.setScenario({ replies: WORK });
	receiver.forget();
	const run = await w.run(model, 'my own goal', { args: to(receiver.url, ...more) });
	exited(run, 0);
	return { w, run };
}
const ended = () => receiver.spans.filter((s) => !s.attributes['mishri.running']);
const ns = (time) => String(BigInt(Date.parse(time.slice(0, 23) + 'Z')) * 1000000n + BigInt(time.slice(23, 26)) * 1000n);

// Every span by what the events say.
function checkSpans(w) {
	const events = w.events(), [root] = events.filter((e) => e.type === 'task.created'), spans = ended();
	const of = (span_id) => events.filter((e) => e.span_id === span_id);
	assert.deepEqual(receiver.bad, []);
	assert.ok(spans.every((s) => s.trace === root.trace_id && s.flags === 0x101));
	const [agent] = spans.filter((s) => s.name.startsWith('invoke_agent '));
	assert.equal(agent.name, 'invoke_agent worker');
	assert.equal(agent.id, root.span_id);
	assert.equal(agent.parent, '');
	assert.equal(agent.start, ns(root.time));
	assert.equal(agent.end, ns(events.find((e) => e.type === 'task.finished').time));
	assert.equal(agent.attributes['mishri.task.state'], 'done');
	assert.equal(agent.attributes['gen_ai.provider.name'], 'openai');
	const chats = spans.filter((s) => s.name === 'chat mock');
	assert.equal(chats.length, 3);
	for (const s of chats) {
		assert.equal(s.kind, 3);
		assert.equal(s.parent, agent.id);
		const replied = of(s.id).find((e) => e.type === 'model.replied');
		assert.equal(s.end, ns(replied.time));
		const { input, cache_read, cache_write, output } = replied.data.usage;
		assert.equal(s.attributes['gen_ai.usage.output_tokens'] ?? null, output);
		assert.equal(s.attributes['gen_ai.usage.input_tokens'] ?? null, input === null ? null : input + (cache_read ?? 0) + (cache_write ?? 0));
	}
	const calls = spans.filter((s) => s.name.startsWith('execute_tool '));
	assert.deepEqual(calls.map((s) => s.name).sort(), ['execute_tool read_file', 'execute_tool shell', 'execute_tool shell']);
	for (const s of calls) {
		const mine = of(s.id), decided = mine.find((e) => e.type === 'call.decided'), finished = mine.find((e) => e.type === 'call.finished');
		assert.equal(s.kind, 1);
		assert.ok(chats.some((c) => c.id === s.parent));
		assert.equal(s.attributes['mishri.policy.rule'], decided.data.rule);
		assert.equal(s.attributes['mishri.call.status'], finished.data.status);
		assert.equal(s.end, ns(finished.time));
		const [decision] = s.events;
		assert.equal(decision.name, 'mishri.policy.decided');
		assert.equal(decision.attributes['mishri.policy.decision'], decided.data.effect);
		assert.equal(decision.attributes['mishri.policy.digest'], decided.data.policy);
	}
	const execs = spans.filter((s) => s.name.startsWith('exec '));
	assert.equal(execs.length, events.filter((e) => e.type === 'exec.decided').length);
	const [rm] = execs.filter((s) => s.name === 'exec rm');
	assert.deepEqual([rm.status.code, rm.attributes['mishri.denied'], rm.attributes['mishri.policy.rule']], [2, true, 'no-deleting']);
	const [first, , second] = [calls.find((s) => s.attributes['mishri.call.id'] === '1.1'), null, calls.find((s) => s.attributes['mishri.call.id'] === '2.1')];
	assert.ok(chats[1].links.some((l) => l.id === first.id && l['mishri.edge'] === 'data'), 'its result went into the next turn');
	assert.equal(spans.length, 1 + 3 + 3 + execs.length);
	return { agent, chats, calls, second };
}

describe('live', () => {
	for (const [protocol, type] of [['http/protobuf', 'application/x-protobuf'], ['http/json', 'application/json']])
		for (const compression of ['none', 'gzip'])
			test(`${protocol}, ${compression}: what arrives is what the events say`, async (t) => {
				const { w, run } = await ran(t, `otel.protocol=${protocol}`, `otel.compression=${compression}`);
				const { agent, chats } = checkSpans(w);
				assert.ok(receiver.requests.every((r) => r.type === type && r.path === '/v1/traces' && r.method === 'POST'));
				assert.ok(receiver.requests.every((r) => (r.headers['content-encoding'] ?? 'none') === compression));
				assert.equal(agent.resource['service.name'], 'mishri');
				assert.match(agent.scope.schemaUrl, /opentelemetry\.io\/schemas\/1\./);
				assert.deepEqual([chats[0].attributes['gen_ai.usage.cache_creation.input_tokens'], chats[0].attributes['gen_ai.usage.cache_write.input_tokens']], [7, 7]);
				const all = JSON.stringify(receiver.spans);
				for (const said of ['my own goal', 'so I say', 'the end', 'what the notes say', 'id-4711x'])
					assert.ok(!all.includes(said), `${said} is content, and nobody asked for it`);
				assert.doesNotMatch(run.err, /export:/);
			});

	test('the newest names, and content, where they are asked for', async (t) => {
		const { agent, chats, calls } = checkSpans((await ran(t, 'otel.names=latest', 'otel.content=on')).w);
		assert.equal(agent.scope.schemaUrl, '');
		assert.deepEqual([chats[0].attributes['gen_ai.usage.cache_creation.input_tokens'], chats[0].attributes['gen_ai.usage.cache_write.input_tokens']], [undefined, 7]);
		assert.equal(calls[0].attributes['gen_ai.agent.name'], 'worker');
		assert.deepEqual(JSON.parse(agent.attributes['gen_ai.input.messages']), [{ role: 'user', parts: [{ type: 'text', content: 'my own goal' }] }]);
		assert.deepEqual(JSON.parse(chats[2].attributes['gen_ai.output.messages']),
			[{ role: 'assistant', parts: [{ type: 'text', content: 'the end' }], finish_reason: 'stop' }]);
		const read = calls.find((s) => s.name === 'execute_tool read_file');
		assert.deepEqual(JSON.parse(read.attributes['gen_ai.tool.call.arguments']), { path: 'notes.txt' });
		assert.match(read.attributes['gen_ai.tool.call.result'], /what the notes say/);
	});

	test('work is seen before it ends', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('while [ ! -e go ]; do sleep 0.05; done')] }, { text: 'done' }] });
		receiver.forget();
		const run = w.startRun(model, 'wait', { args: to(receiver.url) });
		await receiver.until((r) => r.spans.some((s) => s.name === 'running: execute_tool shell') && r.spans.some((s) => s.name === 'running: invoke_agent worker'));
		const [moment] = receiver.spans.filter((s) => s.name === 'running: execute_tool shell');
		assert.ok(!receiver.spans.some((s) => s.name === 'execute_tool shell'));
		w.write('go', '');
		exited(await run.done, 0);
		const [call] = receiver.spans.filter((s) => s.name === 'execute_tool shell');
		assert.equal(moment.parent, call.id, 'it hangs from what it stands for');
		assert.notEqual(moment.id, call.id, 'and takes nobody\'s place');
		assert.equal(moment.attributes['mishri.running.span_id'], call.id);
	});

	test('a turn that is tried again is one span, sent once', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ status: 503, error: { message: 'busy' }, headers: { 'retry-after': '0' } }, { text: 'done' }] });
		receiver.forget();
		exited(await w.run(model, 'again', { args: to(receiver.url, 'otel.running=off') }), 0);
		const sent = receiver.requests.flatMap((r) => r.decoded.object.resourceSpans[0].scopeSpans[0].spans.map((s) => s.name));
		assert.equal(sent.filter((name) => name === 'chat mock').length, 1);
		const [chat] = receiver.spans.filter((s) => s.name === 'chat mock');
		assert.deepEqual([chat.status.code, chat.attributes['mishri.model.retries'], chat.attributes['error.type']], [0, 1, undefined]);
	});

	test('after a crash: the resumed run sends what ends there, `otlp send` all of it', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('touch begun; while [ ! -e go ]; do sleep 0.05; done')] }, { calls: [shell('true')] }, { text: 'done' }] });
		receiver.forget();
		const run = w.startRun(model, 'crash', { args: to(receiver.url) });
		while (!w.has('begun'))
			await sleep(20);
		run.kill('SIGKILL');
		await run.done.catch(() => {});
		const before = w.task();
		w.write('go', '');
		receiver.forget();
		const again = await w.resume(model, before, { args: to(receiver.url) }).done;
		exited(again, 0);
		const created = w.events('task.created')[0], [agent] = ended().filter((s) => s.name === 'invoke_agent worker');
		assert.equal(agent.start, ns(created.time), 'its beginning was in another process');
		assert.ok(!ended().some((s) => s.name === 'chat mock' && s.attributes['mishri.turn'] === 1), 'what ended there is not sent again');
		receiver.forget();
		const all = await w.mishri(['otlp', 'send', ...w.places(), before, '-c', `otel.endpoint=${receiver.url}`]);
		exited(all, 0);
		assert.match(all.out, new RegExp(`^sent ${ended().length} spans of 1 task\n$`));
		assert.equal(ended().filter((s) => s.name === 'chat mock').length, 3);
	});
});

describe('a receiver that fails', () => {
	const cases = [
		{ name: '429 with Retry-After', plan: [{ status: 429, headers: { 'retry-after': '1' } }], arrives: true, tries: 2 },
		{ name: '503 twice', plan: [{ status: 503, headers: { 'retry-after': '0' } }, { status: 503, headers: { 'retry-after': '0' } }], arrives: true, tries: 3 },
		{ name: '502', plan: [{ status: 502 }], arrives: true, tries: 2 },
		{ name: '504', plan: [{ status: 504 }], arrives: true, tries: 2 },
		{ name: 'the connection is cut', plan: [{ cut: true }], arrives: true, tries: 2 },
		{ name: 'no answer', plan: [{ hang: true }], more: ['otel.timeout=300ms'], arrives: true, tries: 2 },
		{ name: '400 is not tried again', plan: [{ status: 400, body: 'no' }], arrives: false, tries: 1, says: /the receiver answered 400/ },
		{ name: '500 is not tried again', plan: [{ status: 500 }], arrives: false, tries: 1, says: /the receiver answered 500/ },
		{ name: '302 is not followed', plan: [{ status: 302, headers: { location: '/elsewhere' } }], arrives: false, tries: 1, says: /answered 302/ },
		{ name: 'a part is rejected: not tried again', plan: [{ partial: { rejectedSpans: 2, errorMessage: 'two are too old' } }], arrives: true, tries: 1, says: /2 did not arrive: two are too old/ },
	];
	for (const encoding of ['http/protobuf', 'http/json'])
		for (const one of encoding === 'http/json' ? cases.slice(-1) : cases)
			test(`${one.name} (${encoding})`, async (t) => {
				const w = world(t);
				model.setScenario({ replies: [{ text: 'done' }] });
				receiver.forget();
				receiver.plan = [...one.plan];
				const run = await w.run(model, 'x', { args: to(receiver.url, 'otel.delay=60s', 'otel.running=off', 'otel.flush=20s', `otel.protocol=${encoding}`, ...(one.more ?? [])) });
				exited(run, 0);
				assert.equal(run.out, 'done\n', 'the task does not suffer');
				assert.equal(receiver.requests.length, one.tries);
				assert.equal(receiver.spans.length > 0, one.arrives);
				assert.ok(receiver.requests.every((r) => r.path === '/v1/traces'));
				if (one.says)
					assert.match(run.err, one.says);
				else
					assert.doesNotMatch(run.err, /export:/);
			});

	test('a receiver that is not there costs the flush time at most, and is told of', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ text: 'done' }] });
		const run = await w.run(model, 'x', { args: to('http://127.0.0.1:9', 'otel.flush=1s', 'otel.running=off') });
		exited(run, 0);
		assert.match(run.err, /export: of 2 spans 2 did not arrive: .*; send them again with: mishri otlp send/);
		assert.equal(run.out, 'done\n');
	});

	test('a full queue: dropped, counted, and the engine goes on', async (t) => {
		const w = world(t);
		receiver.forget();
		receiver.plan = Array.from({ length: 50 }, () => ({ hang: true }));
		model.setScenario({ replies: [...Array.from({ length: 20 }, (_, n) => ({ calls: [{ name: 'list_dir', args: { path: `d${n}` } }] })), { text: 'done' }] });
		const run = await w.run(model, 'x', { args: ['-c', 'loop.detect=off', ...to(receiver.url, 'otel.queue=10', 'otel.flush=1s', 'otel.running=off')] });
		exited(run, 0);
		assert.match(run.err, /export: of 42 spans 42 did not arrive/);
	});

	test('a second signal ends the wait', async (t) => {
		const w = world(t);
		receiver.forget();
		receiver.plan = Array.from({ length: 50 }, () => ({ hang: true }));
		model.setScenario({ replies: [{ text: 'done' }] });
		const run = w.startRun(model, 'x', { args: to(receiver.url, 'otel.flush=600s', 'otel.timeout=600s') });
		await run.until(/done/, 'out');
		await receiver.until((r) => r.requests.length > 0);
		run.kill('SIGINT');
		exited(await run.done, 0);
		assert.match(run.err, /did not arrive/);
	});
});

// As the standard has them; places() would leave them out with all else of the environment.
describe('OTEL_*', () => {
	const bare = (w) => ['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '--plan', 'never', '-m', 'openai/mock'];
	const go = async (t, env, ...more) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('env; echo GOT $TRACEPARENT')] }, { text: 'done' }] });
		receiver.forget();
		const run = await w.mishri([...bare(w), ...more, '--', 'x'], { env: { ...model.env, OTEL_BSP_SCHEDULE_DELAY: '50', ...env } });
		return { w, run };
	};

	test('are honoured, and reach no tool, event or log', async (t) => {
		const { w, run } = await go(t, { OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/base/`, OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${SECRET},x-more=1`,
			OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-more=2', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
			OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip', OTEL_EXPORTER_OTLP_TIMEOUT: '5000', OTEL_SERVICE_NAME: 'my-agents',
			OTEL_RESOURCE_ATTRIBUTES: 'team=a%2Cb,service.name=not-this', OTEL_SEMCONV_STABILITY_OPT_IN: 'http,gen_ai_latest_experimental' });
		exited(run, 0);
		assert.ok(receiver.requests.length > 0);
		for (const r of receiver.requests) {
			assert.deepEqual([r.path, r.type, r.headers['content-encoding']], ['/base/v1/traces', 'application/json', 'gzip']);
			assert.deepEqual([r.headers.authorization, r.headers['x-more']], [`Bearer ${SECRET}`, '2']);
		}
		const [agent] = receiver.spans.filter((s) => s.name === 'invoke_agent worker');
		assert.deepEqual([agent.resource['service.name'], agent.resource.team, agent.scope.schemaUrl], ['my-agents', 'a,b', '']);
		const output = w.events('call.finished')[0].data.output;
		assert.doesNotMatch(output, /OTEL_|TRACEPARENT=/);
		assert.match(output, /^GOT$/m);
		for (const text of [run.out, run.err, JSON.stringify(w.events()), JSON.stringify(receiver.spans)])
			assert.ok(!text.includes(SECRET) && !text.includes(KEY));
		const config = await w.mishri(['config', '--data', w.data], { env: { OTEL_EXPORTER_OTLP_HEADERS: `a=${SECRET}`, OTEL_SERVICE_NAME: 'my-agents' } });
		assert.match(config.out, /otel\.service_name +my-agents +OTEL_SERVICE_NAME/);
		assert.ok(!config.out.includes(SECRET));
	});

	const silent = [
		['OTEL_SDK_DISABLED', { OTEL_SDK_DISABLED: 'true' }], ['OTEL_TRACES_EXPORTER=none', { OTEL_TRACES_EXPORTER: 'none' }],
		['a sampler that takes nothing', { OTEL_TRACES_SAMPLER: 'always_off' }], ['a part of nothing', { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }],
		['a parent that is not sampled', { TRACEPARENT: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00` }],
		['a protocol that is not spoken', { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, /OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' is not spoken here: one of http\/protobuf http\/json is; nothing is exported/],
		['a time that is none', { OTEL_EXPORTER_OTLP_TIMEOUT: '10s' }, /OTEL_EXPORTER_OTLP_TIMEOUT: '10s' must be milliseconds/],
	];
	for (const [name, env, says] of silent)
		test(`${name}: nothing is sent, and the task runs`, async (t) => {
			const { run } = await go(t, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...env });
			exited(run, 0);
			assert.equal(receiver.requests.length, 0);
			if (says)
				assert.match(run.err, says);
		});

	test('--no-user-config leaves them out', async (t) => {
		await go(t, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, TRACEPARENT: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }, '--no-user-config');
		assert.equal(receiver.requests.length, 0);
	});

	test('TRACEPARENT comes in and goes out', async (t) => {
		const trace = '4bf92f3577b34da6a3ce929d0e0e4736', parent = '00f067aa0ba902b7';
		const { w, run } = await go(t, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, TRACEPARENT: `00-${trace}-${parent}-01`, TRACESTATE: 'a=1,b=2' },
			'-c', 'otel.propagate_programs=on', '-c', 'otel.propagate_models=on');
		exited(run, 0);
		const [agent] = receiver.spans.filter((s) => s.name === 'invoke_agent worker'), [call] = receiver.spans.filter((s) => s.name === 'execute_tool shell');
		assert.deepEqual([agent.trace, agent.parent, agent.state, agent.flags], [trace, parent, 'a=1,b=2', 0x301]);
		const output = w.events('call.finished')[0].data.output;
		assert.match(output, new RegExp(`^TRACEPARENT=00-${trace}-${call.id}-01$`, 'm'));
		assert.match(output, /^TRACESTATE=a=1,b=2$/m);
		const turns = w.events('model.requested');
		model.requests.forEach((r, i) => {
			assert.equal(r.headers.traceparent, `00-${trace}-${turns[i].span_id}-01`);
			assert.equal(r.headers.tracestate, 'a=1,b=2');
		});
	});

	for (const text of ['00-0-0-0', `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`, `ff-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, `00-${'A'.repeat(32)}-${'b'.repeat(16)}-01`, '\u00e9'])
		test(`a TRACEPARENT that is none (${text.slice(0, 12)}) counts for nothing, and models get none unasked`, async (t) => {
			const { w, run } = await go(t, { TRACEPARENT: text });
			exited(run, 0);
			const [created] = w.events('task.created');
			assert.match(created.trace_id, /^[0-9a-f]{32}$/);
			assert.equal(created.parent_span_id, null);
			assert.equal(model.requests[0].headers.traceparent, undefined);
		});
});

test('headers come from a file that is one\'s own; wrong settings say what would be right', async (t) => {
	const w = world(t), file = path.join(w.dir, 'headers');
	model.setScenario({ replies: [{ text: 'done' }, { text: 'done' }] });
	receiver.forget();
	fs.writeFileSync(file, `# mine\nAuthorization: Bearer ${SECRET}\n`, { mode: 0o600 });
	exited(await w.run(model, 'x', { args: to(receiver.url, `otel.headers_file=${file}`) }), 0);
	assert.equal(receiver.requests[0].headers.authorization, `Bearer ${SECRET}`);
	fs.chmodSync(file, 0o644);
	const wrong = [
		[[`otel.headers_file=${file}`], /must be a file that nobody else may read \(chmod 600\)/],
		[['otel.endpoint=ftp://x'], /begins with http:\/\/ or https:\/\//],
		[[`otel.endpoint=http://me:${SECRET}@127.0.0.1:1`], /do not belong into an address/],
		[['otel.resource=a'], /otel\.resource: must be KEY=VALUE,KEY=VALUE/],
		[['otel.sampler=traceidratio', 'otel.sampler_arg=2'], /otel\.sampler_arg: '2' must be a number from 0 to 1/],
		[['otel.protocol=grpc'], /otel\.protocol: 'grpc' is not one of: http\/protobuf http\/json/],
	];
	for (const [pairs, says] of wrong) {
		const run = await w.run(model, 'x', { args: to(receiver.url, ...pairs) });
		assert.notEqual(run.code, 0);
		assert.match(run.err, says);
		assert.ok(!run.err.includes(SECRET));
	}
	assert.equal(w.events('task.created').length, 1, 'nothing began');
	const nowhere = await w.mishri(['otlp', 'send', ...w.places(), 'last']);
	exited(nowhere, 3);
	assert.match(nowhere.err, /where to\? set otel\.endpoint/);
	for (const [args, says] of [[[], /which\? name tasks/], [['last', '--since', '1d'], /either tasks or --since/], [['nosuchtask00'], /no task/]]) {
		const run = await w.mishri(['otlp', 'send', ...w.places(), ...args, '-c', `otel.endpoint=${receiver.url}`]);
		exited(run, 2);
		assert.match(run.err, says);
	}
});

describe('what is wrong with the export is an error of the configuration', () => {
	for (const [line, says] of [
		['otel.endpoint: http://me:secret@127.0.0.1:1', /config\.yaml:1: otel\.endpoint: a name and a password/],
		['otel.sampler_arg: "7"\notel.sampler: traceidratio\notel.endpoint: http://127.0.0.1:1', /config\.yaml:1: otel\.sampler_arg: '7' must be/],
		['otel.endpont: x', /config\.yaml:1:1: unknown key 'otel\.endpont': did you mean/],
	])
		test(line.split(':')[0], async (t) => {
			const w = world(t);
			fs.mkdirSync(path.join(w.home, '.config/mishri'), { recursive: true });
			fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'), `${line}\n${line.includes('endpoint') ? 'otel.export: "on"\n' : ''}`);
			for (const command of [['run', '-w', w.ws, '--plan', 'never', '-m', 'openai/mock', '--', 'go'], ['serve']]) {
				const run = await w.mishri([command[0], '--data', w.data, '-p', w.policy, ...command.slice(1)], { env: model.env, timeout_ms: 20000 });
				exited(run, 3);
				assert.match(run.err, says);
				assert.equal(run.err.includes('secret@'), false);
			}
		});

	test('the exporter is among the heartbeats', async (t) => {
		const w = world(t);
		const s = w.start(['serve', ...w.places(), '-p', w.policy, ...to(receiver.url)], { timeout_ms: 60000 });
		t.after(() => s.ended || s.kill('SIGKILL'));
		await s.until(/socket /, 'out');
		const health = await w.mishri(['health', '--json', '--data', w.data]);
		assert.match(health.out, /"exporter"/, health.err);
		s.kill('SIGTERM');
		exited(await s.done, 0);
	});
});
