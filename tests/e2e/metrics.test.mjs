// Numbers for Prometheus: read by a parser that is not ours, and compared with the events they were counted from.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import parse from 'parse-prometheus-text-format';
import { exited, shell, startModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

async function worked(t) {
	const w = world(t, { files: { 'notes.txt': 'x\n' } });
	model.setScenario({ replies: [
		{ status: 503, error: { message: 'busy' }, headers: { 'retry-after': '0' } },
		{ usage: { input: 100, cache_read: 40, output: 20 }, calls: [shell('ls; rm -f x'), { name: 'read_file', args: { path: 'notes.txt' } }, { name: 'made_up"\n{}', args: {} }] },
		{ calls: [shell('exit 3')] }, { text: 'done' }] });
	exited(await w.run(model, 'count me', { args: ['-c', 'loop.detect=off'] }), 0);
	return w;
}
const look = async (w, ...args) => {
	const run = await w.mishri(['metrics', ...w.places(), ...args]);
	exited(run, 0);
	return run.out;
};
// { name: { '{"label":"value"}': number or histogram } }
const table = (text) => Object.fromEntries(parse(text).map((f) => [f.name, Object.fromEntries(f.metrics.map((m) =>
	[JSON.stringify(m.labels ?? {}), m.buckets ? { buckets: m.buckets, sum: Number(m.sum), count: Number(m.count) } : Number(m.value)]))]));
const count = (list, key) => list.reduce((sums, one) => ({ ...sums, [key(one)]: (sums[key(one)] ?? 0) + 1 }), {});

test('every number is what the events say', async (t) => {
	const w = await worked(t), text = await look(w), all = table(text), of = (type) => w.events(type);
	const labels = (object) => JSON.stringify(object);
	assert.equal(all.mishri_events_total['{}'], w.events().length);
	assert.deepEqual(all.mishri_tasks_ended_total, { [labels({ state: 'done' })]: 1 });
	assert.deepEqual(all.mishri_model_calls_total, { [labels({ model: 'openai/mock', status: 'transient' })]: 1, [labels({ model: 'openai/mock', status: 'ok' })]: 3 });
	assert.deepEqual(all.mishri_retries_total, { [labels({ of: 'model', class: 'transient' })]: 1 });
	for (const [bucket, sum] of [['input', 100], ['cache_read', 40], ['output', 20]])
		assert.ok(all.mishri_tokens_total[labels({ model: 'openai/mock', bucket })] >= sum);
	assert.equal(all.mishri_cost_unknown_total[labels({ model: 'openai/mock' })], 3, 'unknown is not nothing');
	assert.equal(all.mishri_cost_usd_total, undefined);
	assert.deepEqual(all.mishri_decisions_total, {
		...count(of('call.decided'), (e) => labels({ on: 'tool', effect: e.data.effect })),
		...count(of('exec.decided'), (e) => labels({ on: 'exec', effect: e.data.effect })) });
	const known = (e) => ['shell', 'read_file'].includes(e.data.tool) ? e.data.tool : 'other';
	assert.deepEqual(all.mishri_tool_calls_total, count(of('call.finished'), (e) => labels({ tool: known(e), status: e.data.status })));
	assert.ok(Object.keys(all.mishri_tool_calls_total).some((key) => key.includes('"other"')), 'what a model made up is no label');
	// the parser forgets the labels of histograms
	const steps = [...text.matchAll(/^mishri_tool_seconds_bucket\{tool="shell",le="(.*)"\} (\d+)$/gm)].map((m) => [Number(m[1].replace('+Inf', 'Infinity')), Number(m[2])]);
	for (const column of [0, 1])
		assert.deepEqual(steps.map((s) => s[column]), steps.map((s) => s[column]).sort((a, b) => a - b), 'bounds and buckets only rise');
	assert.deepEqual(steps.at(-1), [Infinity, 2]);
	const seconds = of('call.finished').filter((e) => e.data.tool === 'shell').reduce((sum, e) => sum + e.data.ms / 1e3, 0);
	assert.ok(Math.abs(Number(text.match(/^mishri_tool_seconds_sum\{tool="shell"\} (.*)$/m)[1]) - seconds) < 1e-6);
	assert.match(text, new RegExp(`^mishri_cell_start_seconds_count\\{level="full"\\} ${of('cell.opened').length}$`, 'm'));
	for (const line of text.trimEnd().split('\n'))
		assert.match(line, /^(# (HELP|TYPE) mishri_[a-z_]+ .+|mishri_[a-z_]+(\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\})? [0-9.e+-]+)$/);
	assert.deepEqual(all.mishri_open_tasks, { [labels({ state: 'running' })]: 0, [labels({ state: 'parked' })]: 0 });
});

test('OpenMetrics: counters by their family, and an end', async (t) => {
	const w = await worked(t), text = await look(w, '--format', 'openmetrics');
	assert.match(text, /^# TYPE mishri_events counter\nmishri_events_total \d+$/m);
	assert.ok(text.endsWith('\n# EOF\n'));
	assert.equal(text.split('# EOF').length, 2);
});

test('what is asked for wrongly says what would be right; an empty span of time counts nothing', async (t) => {
	const w = await worked(t);
	const wrong = await w.mishri(['metrics', ...w.places(), '--format', 'xml']);
	exited(wrong, 2);
	assert.match(wrong.err, /there are prometheus and openmetrics/);
	const none = table(await look(w, '--since', '2099-01-01'));
	assert.deepEqual(Object.keys(none), ['mishri_open_tasks']);
	const nothing = world(t), run = await nothing.mishri(['metrics', ...nothing.places()]);
	assert.notEqual(run.code, 0);
	assert.match(run.err, /no |not /);
});

// GET over the Unix socket of a service.
const get = (socketPath, headers = {}) => new Promise((done, failed) => http.get({ socketPath, path: '/metrics', headers }, (response) => {
	let text = '';
	response.setEncoding('utf8').on('data', (piece) => { text += piece; }).on('end', () => done({ status: response.statusCode, type: response.headers['content-type'], text }));
}).on('error', failed));

test('a service tells its own: each name once, with its kind, in both forms', async (t) => {
	const w = world(t);
	const serve = w.start(['serve', ...w.places(), '-p', w.policy]);
	await serve.until(/socket \S+/, 'out');
	const socket = serve.out.match(/socket (\S+)/)[1];
	const plain = await get(socket), open = await get(socket, { accept: 'application/openmetrics-text; version=1.0.0' });
	assert.deepEqual([plain.status, plain.type, open.type], [200, 'text/plain; version=0.0.4; charset=utf-8', 'application/openmetrics-text; version=1.0.0; charset=utf-8']);
	const names = [...plain.text.matchAll(/^# TYPE (\S+) /gm)].map((m) => m[1]);
	assert.equal(new Set(names).size, names.length, 'a name has one place');
	let family = '';
	for (const line of plain.text.trimEnd().split('\n')) {
		family = line.startsWith('# TYPE') ? line.split(' ')[2] : family;
		assert.ok(line.startsWith('#') || line.startsWith(family), line);
	}
	const all = table(plain.text);
	assert.equal(all.mishri_healthy['{}'], 1);
	assert.ok(Object.keys(all.mishri_heartbeat_late).some((labels) => labels.includes('loop')));
	assert.ok(open.text.endsWith('# EOF\n'));
	serve.kill('SIGTERM');
	await serve.done;
});
