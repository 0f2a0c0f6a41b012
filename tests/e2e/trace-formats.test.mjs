// The forms of a trace for other programs, against files in tests/golden: ids, times and places are put in order, all else is
// as it was written. `UPDATE=1 node --test tests/e2e/trace-formats.test.mjs` makes the files anew.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createRequire } from 'node:module';
import { POLICY, ROOT, exited, shell, world } from './lib.mjs';

const WORK = [
	{ agent: 'master', text: 'I plan.', usage: { input: 100, cache_read: 50, output: 20, usd_nanos: 1000000 },
		calls: [{ name: 'plan', args: { steps: [{ id: 'a', title: 'Look' }] } }] },
	{ agent: 'master', text: 'Now.', usage: { input: 120, output: 30, usd_nanos: 1000000 }, calls: [{ name: 'delegate', args: { tasks: [{ goal: 'look <at> "it"', step: 'a' }] } }] },
	{ agent: 'worker', text: 'listing', usage: { input: 50, output: 10, usd_nanos: 500000 }, calls: [shell('echo id-$((4000 + 711))x; rm -f x')] },
	{ agent: 'worker', text: 'reading', usage: { input: 50, output: 10 }, calls: [{ name: 'read_file', args: { path: 'id-4711x' } }] },
	{ agent: 'worker', text: 'it is empty', usage: { input: 60, output: 5, usd_nanos: 500000 } },
	{ agent: 'master', text: 'All done.', usage: { input: 320, output: 30, usd_nanos: 1000000 }, calls: [{ name: 'finish', args: { result: 'all done' } }] },
];

// Random or measured: the n-th different one of its kind gets the number n.
function normal(text, w) {
	const seen = new Map(), number = (kind) => (word) => {
		if (!seen.has(kind))
			seen.set(kind, new Map());
		const of = seen.get(kind);
		return of.get(word) ?? of.set(word, `${kind}-${of.size + 1}`).get(word);
	};
	return text.replaceAll(w.dir, 'DIR').replace(/\b[0-9a-f]{64}\b/g, number('digest')).replace(/\b[0-9a-f]{32}\b/g, number('trace'))
		.replace(/\b[0-9a-f]{16}\b/g, number('span')).replace(/\b\d{19}\b/g, 'NS').replace(/("(?:ts|dur)": )\d+/g, '$1"US"')
		.replace(/\b(?=[a-z]*\d)(?=[0-9]*[a-z])[0-9a-z]{12}\b/g, number('id'))
		.replace(/("(?:mishri\.policy\.ns|gen_ai\.response\.time_to_first_chunk|mishri\.call\.output_bytes)": )[\d.]+/g, '$1"MEASURED"')
		.replace(/("key": "(?:mishri\.policy\.ns|gen_ai\.response\.time_to_first_chunk)",\s*"value": \{\s*"\w+": )("?)[\d.]+("?)/g, '$1"MEASURED"')
		.replace(/("key": "mishri\.user",\s*"value": \{\s*"stringValue": )"[^"]*"/g, '$1"USER"').replace(/("mishri\.user": )"[^"]*"/g, '$1"USER"')
		.replace(/"cname": "terrible",?\s*/g, (m) => m);
}

function golden(name, text) {
	const file = path.join(ROOT, 'tests/golden', name);
	if (process.env.UPDATE) {
		fs.mkdirSync(path.dirname(file), { recursive: true });
		fs.writeFileSync(file, text);
	}
	assert.equal(text, fs.readFileSync(file, 'utf8'), `${file} says something else`);
}

describe('a trace for other programs', () => {
	let w;
	after(() => w.remove());
	before(async () => {
		w = world({ after: () => {} }, { policy: `${POLICY}  - { id: share-work, allow: delegate, agent: "*" }\n`, files: { 'id-4711x': 'x\n' } });
		const file = path.join(w.dir, 'replies.jsonl');
		fs.writeFileSync(file, WORK.map((r) => JSON.stringify(r)).join('\n'));
		exited(await w.mishri(w.runArgs('do <the> work', '--plan', 'always', '-m', `recorded/${file}`)), 0);
	});
	const look = async (format) => {
		const run = await w.mishri(['trace', 'last', '--format', format, ...w.places()]);
		exited(run, 0);
		return JSON.parse(run.out);
	};
	const pretty = (value) => `${JSON.stringify(value, null, 1)}\n`;

	test('otlp: the official definitions take it', async () => {
		const object = await look('otlp');
		const { ExportTraceServiceRequest: Request } = createRequire(import.meta.url)('@opentelemetry/otlp-transformer/build/src/generated/root.js')
			.opentelemetry.proto.collector.trace.v1;
		const bytes = structuredClone(object);
		for (const s of bytes.resourceSpans[0].scopeSpans[0].spans) // hexadecimal in JSON, bytes in the definitions
			for (const one of [s, ...s.links])
				for (const key of ['traceId', 'spanId', 'parentSpanId'])
					if (one[key])
						one[key] = Buffer.from(one[key], 'hex').toString('base64');
		assert.equal(Request.verify(Request.fromObject(bytes)), null);
		golden('trace.otlp.json', normal(pretty(object), w));
	});

	test('perfetto: slices of one line lie within each other, arrows have two ends', async () => {
		const { traceEvents: events } = await look('perfetto');
		for (const tid of new Set(events.map((e) => e.tid))) {
			const open = [];
			for (const e of events.filter((e) => e.ph === 'X' && e.tid === tid).sort((a, b) => a.ts - b.ts || b.dur - a.dur)) {
				while (open.length > 0 && open.at(-1) <= e.ts)
					open.pop();
				assert.ok(open.length === 0 || e.ts + e.dur <= open.at(-1), `${e.name} sticks out`);
				open.push(e.ts + e.dur);
			}
		}
		const [starts, ends] = ['s', 'f'].map((ph) => events.filter((e) => e.ph === ph));
		assert.deepEqual(starts.map((e) => e.id), ends.map((e) => e.id));
		assert.deepEqual([...new Set(starts.map((e) => e.name))].sort(), ['data', 'wait']);
		const within = (e) => events.some((s) => s.ph === 'X' && s.tid === e.tid && s.ts <= e.ts && e.ts <= s.ts + s.dur);
		assert.ok([...starts, ...ends].every(within), 'an arrow begins and ends on a slice');
		golden('trace.perfetto.json', normal(pretty({ traceEvents: events }), w));
	});

	test('json: a result that fed a call', async () => {
		const { spans, edges } = await look('json');
		const [echo] = spans.filter((s) => s.name === 'execute_tool shell'), [read] = spans.filter((s) => s.name === 'execute_tool read_file');
		assert.ok(edges.some((e) => e.kind === 'data' && e.from === echo.span_id && e.to === read.span_id), 'its argument stood in the output');
		golden('trace.json', normal(pretty({ spans: spans.map(({ start, end, ...s }) => s), edges }), w));
	});

	for (const format of ['dot', 'mermaid'])
		test(format, async () => {
			const run = await w.mishri(['trace', 'last', '--format', format, ...w.places()]);
			golden(`trace.${format}`, normal(run.out, w));
		});
});
