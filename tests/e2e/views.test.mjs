// What can be seen of work: time line and graphs, costs, history, what runs now, one task, and the block while it works.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { POLICY, exited, mishri, shell, world } from './lib.mjs';

const MASTERS = `${POLICY}  - { id: share-work, allow: delegate, agent: "*" }
`;
const HOSTILE = 'count \u001b[31m<b>"]; x --> \u202e"];\nend\\';
const WORK = [
	{ agent: 'master', text: 'I will plan.', usage: { input: 100, cache_read: 50, output: 20, usd_nanos: 1000000 },
		calls: [{ name: 'plan', args: { steps: [{ id: 'a', title: 'Look at the files' }, { id: 'b', title: HOSTILE, after: ['a'] }] } }] },
	{ agent: 'master', text: 'Now the work.', usage: { input: 120, output: 30, usd_nanos: 1000000 },
		calls: [{ name: 'delegate', args: { tasks: [{ goal: 'look at the files', step: 'a' }] } }] },
	{ agent: 'worker', text: 'listing', usage: { input: 50, output: 10, usd_nanos: 500000 },
		calls: [shell('ls; rm -f x; sleep 0.5')] },
	{ agent: 'worker', text: 'it is empty', usage: { input: 60, output: 5, usd_nanos: 500000 } },
	{ agent: 'master', text: 'Two.', usage: { input: 220, output: 30, usd_nanos: 1000000 },
		calls: [{ name: 'delegate', args: { tasks: [{ goal: HOSTILE, step: 'b' }] } }] },
	{ agent: 'worker', text: 'counting', usage: { input: 50, output: 10 },
		calls: [shell('echo "]; evil'), { name: 'read_file', args: { path: 'no such file' } }] },
	{ agent: 'worker', text: 'done it', usage: { input: 60, output: 5, usd_nanos: 500000 } },
	{ agent: 'master', text: 'All done.', usage: { input: 320, output: 30, usd_nanos: 1000000 },
		calls: [{ name: 'finish', args: { result: 'all done' } }] },
];

function script(w, replies) {
	const file = path.join(w.dir, 'replies.jsonl');
	fs.writeFileSync(file, replies.map((r) => JSON.stringify(r)).join('\n'));
	return file;
}

async function worked(t) {
	const w = world(t, { policy: MASTERS, files: { 'notes.txt': 'one\n' } });
	const run = await w.mishri(w.runArgs('do the <work>', '--plan', 'always', '-m', `recorded/${script(w, WORK)}`));
	exited(run, 0);
	return w;
}

const look = async (w, ...args) => {
	const run = await w.mishri([...args, ...w.places()]);
	exited(run, 0);
	assert.equal(run.err, '');
	return run.out;
};

// Ids, times and bars differ from run to run.
const normal = (text, w) => text.replaceAll(w.dir, 'DIR').replace(/\b(?=[a-z]*\d)[0-9a-z]{12}\b/g, 'TASK')
	.replace(/ +\d+(\.\d)? m?s(?= |$)/gm, ' T');

const noControl = (text) => assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f\u202e]/);

test('trace: the time line', async (t) => {
	const w = await worked(t);
	const text = await look(w, 'trace', 'last');
	noControl(text);
	for (const line of text.split('\n'))
		assert.ok([...line].length <= 100, `${line.length}: ${line}`);
	assert.equal(await look(w, 'trace', 'last'), text, 'the same every time');
	const left = normal(text, w).split('\n').map((line) => line.slice(0, 56).replace(/ T .*/, '').trimEnd());
	assert.deepEqual(left.slice(1, -3), [
		'TASK master done: do the <work>',
		'  turn 1  150 in, 20 out, $0.001000, first',
		'    1.1 plan ok: 2 steps',
		'  turn 2  120 in, 30 out, $0.001000, first',
		'    2.1 delegate ok: 1 task',
		'      TASK worker done: look at the files',
		'        turn 1  50 in, 10 out, $0.000500, first',
		'          1.1 shell ok: ls; rm -f x; sleep 0.5',
		...left.slice(9, 10),                           // the shell
		'            exec: ls',
		left[11],
		'            exec: sleep 0.5',
		'        turn 2  60 in, 5 out, $0.000500, first',
		...left.slice(14, -3),
	]);
	assert.match(left[9], /^ {12}exec: \S*sh -c ls; rm -f x; sleep 0\.5$/);
	assert.match(left[11], /^ {12}exec rm DENIED by no-deleting: use trash/);
	assert.match(text, /^ {10}1\.1 shell ok: .*[* ] *####+$/m, 'half a second of the shell is most of it');
	assert.match(text, /^ {12}exec rm DENIED .* x$/m);
	assert.match(text, /turn 1 {2}50 in, 10 out, cost unknown/);
	assert.match(text, /1\.2 read_file error .*no such file/i);
	assert.match(text, /\n3 tasks, 8 turns, 7 calls, \d+ program starts, 1 denied\n$/);
	// of a child: it and what is below it
	const child = w.events('task.created')[1].task;
	const part = await look(w, 'trace', child);
	assert.match(part, new RegExp(`\\n${child} worker done`));
	assert.match(part, /\n1 task, 2 turns, 1 call,/);
});

test('trace: spans with the names of OpenTelemetry', async (t) => {
	const w = await worked(t);
	const { spans, edges, trace_id, left_out } = JSON.parse(await look(w, 'trace', 'last', '--format', 'json'));
	const ids = new Set(spans.map((s) => s.span_id));
	assert.equal(left_out, 0);
	assert.equal(ids.size, spans.length, 'every span has an id of its own');
	assert.match(trace_id, /^[0-9a-f]{32}$/);
	for (const s of spans) {
		assert.deepEqual(Object.keys(s), ['span_id', 'parent_span_id', 'node', 'name', 'kind', 'start', 'end', 'critical', 'attributes']);
		assert.match(s.span_id, /^[0-9a-f]{16}$/);
		assert.ok(s.parent_span_id === null ? s === spans[0] : ids.has(s.parent_span_id), s.name);
		assert.ok(s.end >= s.start, s.name);
		for (const name of Object.keys(s.attributes))
			assert.match(name, /^(gen_ai|mishri|process|error|http)\./);
	}
	const [first] = spans.filter((s) => s.name.startsWith('chat '));
	assert.equal(first.kind, 'client');
	assert.equal(first.attributes['gen_ai.usage.input_tokens'], 150, 'with what came from the cache');
	assert.equal(first.attributes['gen_ai.usage.cache_read.input_tokens'], 50);
	assert.equal(first.attributes['mishri.cost.usd_nanos'], 1000000);
	assert.ok(spans.some((s) => s.attributes['mishri.cost.usd_nanos'] === null), 'unknown is not 0');
	const denied = spans.filter((s) => s.name === 'exec rm');
	assert.equal(denied.length, 1);
	assert.equal(denied[0].attributes['mishri.policy.decision'], 'deny');
	assert.equal(denied[0].attributes['mishri.policy.rule'], 'no-deleting');
	assert.equal(spans.filter((s) => s.name === 'execute_tool shell').length, 2);
	assert.equal(spans.find((s) => s.name === 'execute_tool read_file').attributes['error.type'], 'error');
	assert.ok(!JSON.stringify(spans).includes('Look at the files'), 'no content');
	// nodes and edges of the graph
	assert.deepEqual([...new Set(spans.map((s) => s.node))].sort(), ['call', 'decision', 'exec', 'task', 'turn']);
	const by = (name) => spans.filter((s) => s.name === name), has = (kind, from, to) =>
		edges.some((e) => e.kind === kind && e.from === from.span_id && e.to === to.span_id);
	for (const e of edges)
		assert.ok(ids.has(e.from) && ids.has(e.to) && ['parent', 'sequence', 'data', 'wait'].includes(e.kind));
	const [plan] = by('execute_tool plan'), delegates = by('execute_tool delegate'), workers = by('invoke_agent worker'), turns = spans.filter((s) => s.node === 'turn');
	assert.ok(has('parent', spans[0], turns[0]) && has('parent', turns[0], plan));
	assert.ok(has('data', plan, turns[1]), 'the result of the plan went into the second turn');
	assert.ok(delegates.every((d, i) => has('parent', d, workers[i]) && has('wait', workers[i], d)), 'who delegates waits');
	const [shellTwo, readFile] = [by('execute_tool shell')[1], by('execute_tool read_file')[0]];
	assert.ok(has('sequence', shellTwo, readFile), 'calls of one reply come one after another');
	assert.equal(edges.filter((e) => e.kind === 'parent').length, spans.length - 1);
	assert.ok(spans[0].critical && delegates[0].critical && workers[0].critical && by('execute_tool shell')[0].critical);
	assert.ok(!denied[0].critical, 'a program start takes no time of its own');
});

test('trace: graphs hold whatever a model writes', async (t) => {
	const w = await worked(t);
	const dot = await look(w, 'trace', 'last', '--format', 'dot');
	const mermaid = await look(w, 'trace', 'last', '--format', 'mermaid');
	for (const text of [dot, mermaid])
		assert.doesNotMatch(text, /[\x00-\x08\x0b-\x1f\x7f\u202e]/);
	const dotLines = dot.trimEnd().split('\n');
	assert.match(dotLines[0], /^digraph "[0-9a-z]{12}" \{$/);
	assert.equal(dotLines.at(-1), '}');
	for (const line of dotLines.slice(3, -1))
		assert.match(line, /^\tn\d+ (-> n\d+( \[[a-z0-9=, ]+\])?;|\[shape=[a-z]+(, color=red)?(, penwidth=2)?, label="([^"\\]|\\["\\n])*"\];)$/);
	const nodes = (shape) => dotLines.filter((line) => line.includes(`[shape=${shape},`)).length;
	assert.deepEqual([nodes('box'), nodes('hexagon'), nodes('ellipse'), nodes('diamond')], [3, 8, 7, 7], 'tasks, turns, calls, decisions');
	assert.equal(dotLines.filter((line) => line.includes(', color=red')).length, 1, 'the program that was refused');
	for (const look of ['color=blue', 'style=dashed', 'style=dotted', 'color=red, penwidth=2'])
		assert.ok(dotLines.some((line) => line.includes(' -> ') && line.includes(look)), look);
	assert.equal(dotLines.filter((line) => / -> n\d+( \[color=red, penwidth=2\])?;$/.test(line)).length, dotLines.filter((line) => line.includes('[shape=')).length - 1,
		'each node but the root hangs from one');
	assert.match(dot, /count \\\\x1b\[31m<b>\\"\]; x -->/);
	for (const line of mermaid.trimEnd().split('\n').slice(3))
		assert.match(line, /^\tn\d+( (-->|==>\|data\||-\.->\|(sequence|wait)\|) n\d+|[[({/>]+"([A-Za-z0-9 .,]|#\d+;|<br\/>)*"[\])}/]+(:::(denied|critical))?)$/);
	assert.match(mermaid, /count #92;x1b#91;31m#60;b#62;#34;#93;#59; x #45;#45;#62;/);
});

test('trace: a format that is not there', async (t) => {
	const w = world(t);
	for (const format of ['pdf', 'TEXT', '', 'x\u001b[31m']) {
		const run = await w.mishri(['trace', 'last', '--format', format, ...w.places()]);
		exited(run, 2);
		assert.match(run.err, /there are text, json, dot, mermaid, html, view, perfetto and otlp/);
		assert.equal(run.out, '');
	}
});

test('cost: by what one likes, and unknown stays unknown', async (t) => {
	const w = await worked(t);
	const root = w.events('task.created')[0];
	const rows = [
		['task', root.task], ['session', root.session], ['user', root.user], ['model', root.data.model], ['day', /^\d{4}-\d\d-\d\d$/],
	];
	for (const [by, key] of rows) {
		const object = JSON.parse(await look(w, 'cost', '--by', by, '--json'));
		assert.equal(object.by, by);
		assert.equal(object.rows.length, 1);
		const [row] = object.rows;
		assert[key instanceof RegExp ? 'match' : 'equal'](row[by], key);
		const want = { usd_nanos: null, tasks: 3, turns: 8, calls: 7, denied: 1, input: 980, cache_read: 50, cache_write: 0, cache_write_1h: 0, output: 140, reasoning: 0,
			usd_nanos_known: 5500000, replies_of_unknown_cost: 1 };
		assert.deepEqual(object.total, want);
		for (const [name, value] of Object.entries(want))
			assert.equal(row[name], value, `${by}: ${name}`);
		if (by === 'task')
			assert.deepEqual({ ...row.own }, { ...want, usd_nanos: 4000000, tasks: 1, turns: 4, calls: 4, denied: 0, input: 760,
				output: 110, usd_nanos_known: 4000000, replies_of_unknown_cost: 0 });
	}
	const text = await look(w, 'cost');
	assert.match(text, new RegExp(`^${root.task} +3 +8 +7 +980 +50 +0 +0 +140 +0 +unknown +\\$0\\.004000 +do the <work>$`, 'm'));
	assert.match(text, /^unknown: 1 of 8 replies had no known price; the others cost \$0\.005500$/m);
	assert.deepEqual(JSON.parse(await look(w, 'cost', '--json', '--since', '2099-01-01')).rows, []);
	assert.equal(JSON.parse(await look(w, 'cost', '--json', '--since', '1h')).rows.length, 1);
	for (const args of [['--by', 'moon'], ['--since', 'yesterday'], ['--since', '2026-02-30'], ['word']])
		exited(await w.mishri(['cost', ...args, ...w.places()]), 2);
	const empty = await world(t).mishri(['cost', '--json', '--data', path.join(w.dir, 'nothing')]);
	exited(empty, 0);
	assert.deepEqual(JSON.parse(empty.out).rows, []);
});

test('history: filters', async (t) => {
	const w = await worked(t);
	const rows = [
		[[], 1], [['<WORK>'], 1], [['nothing of the kind'], 0], [['--tool', 'shell'], 1], [['--tool', 'plan'], 1], [['--tool', 'shel'], 0],
		[['--tool', 'write_file'], 0], [['--model', 'RECORDED'], 1], [['--model', 'gpt'], 0], [['--state', 'done'], 1],
		[['--state', 'failed'], 0], [['--user', 'nobody-else'], 0], [['--since', '1h'], 1], [['--since', '2020-01-01T10:00'], 1],
		[['--since', '2099-01-01'], 0], [['--limit', '1', '--tool', 'shell', '--state', 'done'], 1],
	];
	for (const [args, want] of rows) {
		const run = await w.mishri(['history', ...args, '--json', ...w.places()]);
		exited(run, 0);
		assert.equal(JSON.parse(run.out).length, want, args.join(' '));
	}
	for (const args of [['--since', '1 moon'], ['--state', 'x'], ['--limit', '0']])
		exited(await w.mishri(['history', ...args, ...w.places()]), 2);
});

test('show: plan, children, reasons, totals', async (t) => {
	const w = await worked(t);
	const text = await look(w, 'show', 'last');
	noControl(text);
	assert.match(text, /^total +with the 2 tasks below: 8 turns, 7 calls, 1 denied, input 980, .* cost unknown$/m);
	assert.match(text, /^plan\n {2}done +a {2}Look at the files\n {2}done +b {2}count \\x1b\[31m<b>.*\(after a\)$/m);
	const [, one, two] = w.events('task.created').map((e) => e.task);
	assert.match(text, new RegExp(`^ {8}> ${one} {2}done {2}2 turns, 1 call, 1 denied, .*, \\$0\\.001000 {2}look at the files$`, 'm'));
	assert.match(text, new RegExp(`^ {8}> ${two} {2}done {2}2 turns, 2 calls, 0 denied, .*, unknown {2}count `, 'm'));
	assert.match(await look(w, 'show', one), /^ {8}program denied by rule no-deleting: \["rm","-f","x"\] \(use trash instead\)$/m);
	const object = JSON.parse(await look(w, 'show', 'last', '--json'));
	assert.deepEqual(object.plan.map((step) => [step.id, step.state]), [['a', 'done'], ['b', 'done']]);
	assert.equal(object.total.cost.usd_nanos, null);
	assert.equal(object.total.tasks, 3);
	assert.equal(object.steps[1].calls[0].children[0].child, one);
	assert.equal(object.steps[1].calls[0].children[0].usd_nanos, 1000000);
});

test('show: why a call was denied', async (t) => {
	const w = world(t, { policy: 'version: 1\nrules:\n  - { id: no-shell, deny: tool, tool: shell, reason: "ask an admin" }\n' });
	const replies = [{ agent: '*', text: 'try', calls: [shell('ls')] }, { agent: '*', text: 'no way' }];
	exited(await w.mishri(w.runArgs('try it', '--plan', 'never', '-m', `recorded/${script(w, replies)}`)), 0);
	assert.match(await look(w, 'show', 'last'), /^ {8}deny by rule no-shell: .*ask an admin.* -> denied/m);
	assert.match(await look(w, 'trace', 'last'), /1\.1 shell DENIED by no-shell: .*ask an/);
});

test('ps: what runs, and what it does', async (t) => {
	const w = world(t, { policy: MASTERS });
	const replies = [
		{ agent: 'master', calls: [{ name: 'delegate', args: { tasks: [{ goal: 'sleep long' }] } }] },
		{ agent: 'worker', calls: [shell('sleep 60')] },
	];
	const nothing = await w.mishri(['ps', ...w.places()]);
	exited(nothing, 0);
	assert.match(nothing.err, /nothing runs/);
	const run = w.start(w.runArgs('two of us', '--plan', 'always', '-m', `recorded/${script(w, replies)}`));
	await run.until(/\[w1\] 1\.1/);
	let list;
	for (let i = 0; i < 50 && !/sleep$|sleep,/.test(list?.[1]?.now ?? ''); i++)
		list = JSON.parse(await look(w, 'ps', '--json'));
	assert.deepEqual(list.map((p) => [p.state, p.agent, p.pid, p.turns]), [['running', 'master', run.pid, 1], ['running', 'worker', run.pid, 1]]);
	assert.equal(list[1].parent, list[0].task);
	assert.equal(list[0].now, 'waits for its workers');
	assert.match(list[1].now, /^runs \S*sleep, call 1\.1$/);
	assert.match(await look(w, 'ps'), new RegExp(`^ {2}${list[1].task} +running +worker +.* ${run.pid} +1 .*runs `, 'm'));
	run.kill('SIGKILL');
	await run.done.catch(() => {});
	list = JSON.parse(await look(w, 'ps', '--json'));
	assert.deepEqual(list.map((p) => [p.state, p.pid]), [['lost', null], ['lost', null]]);
});

// As much of a terminal as the block needs: lines, cursor up, erase to the end of the line and of the screen.
function screen(bytes) {
	const rows = [''];
	let y = 0, x = 0;
	const at = (n) => { while (rows.length <= n) rows.push(''); };
	for (const [, csi, letter, c] of bytes.matchAll(/\x1b\[(\d*)([A-Z])|([^])/g)) {
		if (letter === 'A')
			y = Math.max(0, y - Number(csi || 1));
		else if (letter === 'K')
			rows[y] = rows[y].slice(0, x);
		else if (letter === 'J') {
			rows.length = y + 1;
			rows[y] = rows[y].slice(0, x);
		} else if (c === '\r')
			x = 0;
		else if (c === '\n')
			at(++y);
		else if (c !== undefined) {
			assert.ok(c >= ' ', `no other control character: ${JSON.stringify(c)}`);
			rows[y] = rows[y].slice(0, x).padEnd(x) + c + rows[y].slice(x + 1);
			x++;
		}
	}
	return rows.join('\n');
}

describe('live', () => {
	const slow = WORK.map((reply) => ({ ...reply, delay_ms: 250 }));

	test('a terminal: a block that is painted over, and gone at the end', async (t) => {
		const w = world(t, { policy: MASTERS });
		const run = w.startInTerminal(w.runArgs('do the <work>', '--plan', 'always', '-m', `recorded/${script(w, slow)}`), { env: { NO_COLOR: '1' } });
		await run.until(/\[>\] a {2}Look[^]*\[w1\] shell/, 'out');
		const seen = screen(run.out.replace(/[^\n]*$/, ''));
		assert.match(seen, /\n {2}\[>\] a {2}Look at the files\n {2}\[ \] b {2}count \\x1b\[31m/);
		assert.match(seen, /\n {2}\d+ m?s: \d turns, \d calls, \d+ tokens, \$0\.00\d\d\n/);
		await run.done;
		exited(run, 0);
		const end = screen(run.out);
		assert.doesNotMatch(end, /\[[ >x]\]|tokens/, 'nothing of the block is left');
		assert.match(end, /\nI will plan\.\n[^]*\n\[w1\] listing\n[^]*\nAll done\.\n[^]*\nall done\n/, 'what was said is all there');
		assert.doesNotMatch(run.out, /\x1b\[[0-9;]*m/, 'no colour');
	});

	test('no terminal: lines', async (t) => {
		const w = world(t, { policy: MASTERS });
		const run = await w.mishri(w.runArgs('do it', '--plan', 'always', '-m', `recorded/${script(w, WORK)}`));
		exited(run, 0);
		noControl(run.err);
		assert.doesNotMatch(run.err, /tokens/);
		assert.match(run.err, /\nI will plan\.\n/);
	});
});

test('completion: scripts that their shell takes, from the tables', async (t) => {
	const w = world(t);
	for (const shellName of ['bash', 'zsh', 'fish']) {
		const text = await look(w, 'completion', shellName);
		const file = path.join(w.dir, `completion.${shellName}`);
		fs.writeFileSync(file, text);
		const there = spawnSync(shellName, ['-n', file], { encoding: 'utf8' });
		if (there.error === undefined)
			assert.equal(there.status, 0, there.stderr);
	}
	for (const args of [[], ['csh'], ['bash', 'zsh']])
		exited(await w.mishri(['completion', ...args]), 2);
	assert.ok(fs.existsSync(mishri()));
});
