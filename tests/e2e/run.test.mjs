// The main job end to end: a goal, a model, tools in the cell, a result; and what can be read about it afterwards.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AM_ROOT, NOBODY, TASK_ID, USERS, World, checkResult, checkStream, exited, lines, shell, startModel, toldModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const usage = { input: 100, cache_read: 40, output: 7 };
const work = [
	{ text: 'First I look.', usage, calls: [{ name: 'read_file', args: { path: 'notes.txt' } }, shell('ls; echo to-stderr >&2')] },
	{ usage, calls: [{ name: 'write_file', args: { path: 'report.txt', content: 'two lines\nand a snowman ☃\n' } },
		shell('wc -l < notes.txt > count.txt; cat count.txt; exit 3')] },
	{ usage, text: 'The notes have 2 lines. ☃' },
];
const files = { 'notes.txt': 'first line\nsecond line\n' };

function checkWork(w, uid) {
	assert.equal(w.read('report.txt'), 'two lines\nand a snowman ☃\n');
	assert.equal(w.read('count.txt').trim(), '2');
	for (const name of ['report.txt', 'count.txt'])
		assert.equal(fs.statSync(path.join(w.ws, name)).uid, uid, `owner of ${name}`);
	assert.deepEqual(model.invalid, [], 'every request is what the service takes');
	assert.equal(model.missed, 0);
	const told = toldModel(model);
	assert.equal(told.length, 4);
	assert.match(told[0], /first line\n.*second line/s);
	assert.match(told[1], /notes\.txt/);
	assert.match(told[1], /to-stderr/);
	assert.match(told[3], /^2\s+\[exit status 3\]$/);
}

for (const { name, as_nobody } of USERS) {
	const uid = as_nobody ? NOBODY : process.getuid();
	describe(`run as ${name}`, () => {
		test('text: only the result on stdout', async (t) => {
			const w = world(t, { files, as_nobody });
			model.setScenario({ replies: work });
			const run = await w.run(model, 'How many lines have the notes?');
			exited(run, 0);
			assert.equal(run.out, 'The notes have 2 lines. ☃\n');
			assert.match(run.err, /First I look\./);
			checkWork(w, uid);
			w.checkChain();
			await w.leftNothing();
		});

		test('json: one object', async (t) => {
			const w = world(t, { files, as_nobody });
			model.setScenario({ replies: work });
			const run = await w.run(model, 'How many?', { args: ['--output-format', 'json'] });
			exited(run, 0);
			const [object, ...more] = lines(run.out);
			assert.deepEqual(more, []);
			checkResult(object, { state: 'done', exit: 0, turns: 3, calls: 4, denied: 0, result: 'The notes have 2 lines. ☃',
				cost: { usd_nanos: null, input: 300, cache_read: 120, cache_write: 0, cache_write_1h: 0, output: 21, reasoning: 0 } });
			assert.match(object.task, TASK_ID);
			assert.match(object.session, TASK_ID);
			assert.ok(object.elapsed_ms > 0 && object.elapsed_ms <= run.ms);
			checkWork(w, uid);
		});

		test('stream-json: the events as they are stored, then the result', async (t) => {
			const w = world(t, { files, as_nobody });
			model.setScenario({ replies: work });
			const run = await w.run(model, 'How many?', { args: ['--output-format', 'stream-json'] });
			exited(run, 0);
			const shown = checkStream(run.out, { state: 'done', exit: 0, calls: 4 });
			const stored = w.events().filter((e) => e.task !== '');
			assert.deepEqual(shown.map((e) => e.seq), stored.map((e) => e.seq));
			for (const [i, event] of shown.entries()) {
				const { seq, ...fields } = event;
				assert.deepEqual(fields, JSON.parse(stored[i].text), `event ${seq}`);
			}
			checkWork(w, uid);
		});
	});
}

test('a recorded model needs no server and no key', async (t) => {
	const w = world(t, { files });
	const script = path.join(w.dir, 'script.jsonl');
	fs.writeFileSync(script, [
		{ agent: 'worker', calls: [shell('echo hi > hi.txt')], usage: { input: 5, output: 2, usd_nanos: 1500 } },
		{ agent: '*', match: 'no output', text: 'Said hi.', usage: { input: 6, output: 3, usd_nanos: 500 } },
	].map((line) => JSON.stringify(line)).join('\n') + '\n');
	const run = await w.mishri(w.runArgs('Say hi', '-m', `recorded/${script}`, '--output-format', 'json'));
	exited(run, 0);
	checkResult(JSON.parse(run.out), { result: 'Said hi.', calls: 1,
		cost: { usd_nanos: 2000, input: 11, cache_read: 0, cache_write: 0, cache_write_1h: 0, output: 5, reasoning: 0 } });
	assert.equal(w.read('hi.txt'), 'hi\n');
});

test('a recorded script that runs out is a failure, not a reply', async (t) => {
	const w = world(t);
	const script = path.join(w.dir, 'script.jsonl');
	fs.writeFileSync(script, `${JSON.stringify({ agent: 'worker', calls: [shell('true')] })}\n`);
	const run = await w.mishri(w.runArgs('x', '-m', `recorded/${script}`));
	exited(run, 1);
	assert.equal(run.out, '');
	assert.match(run.err, /script\.jsonl/);
});

describe('the goal', () => {
	for (const [name, args, input] of [['from stdin', [], 'Über ☃'], ['from stdin by -', ['-'], 'Über ☃'], ['in the argument', ['Über ☃'], '']]) {
		test(name, async (t) => {
			const w = world(t);
			model.setScenario({ replies: [{ text: 'ok' }] });
			const run = await w.start([...w.runArgs(null, '-m', 'openai/mock'), ...args], { env: model.env, input }).done;
			exited(run, 0);
			assert.equal(model.requests[0].body.messages.at(-1).content, 'Über ☃');
		});
	}
});

test('byte by byte, a whole run is the same', async (t) => {
	const w = world(t, { files });
	model.setScenario({ replies: work.map((reply) => ({ ...reply, chunk_bytes: 1, piece_size: 3 })) });
	const run = await w.run(model, 'How many?');
	exited(run, 0);
	assert.equal(run.out, 'The notes have 2 lines. ☃\n');
	checkWork(w, process.getuid());
});

test('one connection serves the run', async (t) => {
	const w = world(t);
	model.setScenario({ replies: [...Array.from({ length: 5 }, (_, i) => ({ calls: [shell(`true ${i}`)] })), { text: 'ok' }] });
	exited(await w.run(model, 'x'), 0);
	assert.equal(new Set(model.requests.map((r) => r.connection)).size, 1);
});

test('files keep their owner and mode outside', { skip: !AM_ROOT && 'needs root to make files of others' }, async (t) => {
	const w = world(t, { files: { 'theirs.txt': 'a\n' } });
	fs.chownSync(path.join(w.ws, 'theirs.txt'), 1234, 1234);
	fs.chownSync(w.ws, 1234, 1234);
	model.setScenario({ replies: [{ calls: [shell('id -u; echo b >> theirs.txt; stat -c %u theirs.txt; echo c > new.txt')] }, { text: 'ok' }] });
	const run = await w.run(model, 'x');
	exited(run, 0);
	const told = toldModel(model)[0];
	assert.notEqual(told.split('\n')[0], '0', 'a tool of root is not root');
	assert.equal(fs.statSync(path.join(w.ws, 'theirs.txt')).uid, 1234, told);
});

describe('what is known afterwards', () => {
	let w;
	let task;
	before(async () => {
		w = new World({ files });
		model.setScenario({ replies: work });
		const run = await w.run(model, 'How many lines?', { args: ['--output-format', 'json'] });
		exited(run, 0);
		task = JSON.parse(run.out).task;
	});
	after(() => w.remove());
	const ask = async (...args) => {
		const done = await w.mishri([...args, ...w.places()]);
		assert.equal(done.code, 0, done.err);
		return done.out;
	};

	test('history --json', async () => {
		const [row, ...more] = JSON.parse(await ask('history', '--json'));
		assert.deepEqual(more, []);
		for (const key of ['task', 'goal', 'state', 'agent', 'started', 'ended', 'exit'])
			assert.ok(key in row, key);
		assert.equal(row.task, task);
		assert.equal(row.goal, 'How many lines?');
		assert.equal(row.state, 'done');
		assert.equal(row.exit, 0);
		assert.ok(new Date(row.ended) >= new Date(row.started));
		assert.deepEqual(JSON.parse(await ask('history', 'no such text', '--json')), []);
		assert.equal(JSON.parse(await ask('history', 'MANY', '--json')).length, 1);
	});

	test('tree --json', async () => {
		const tree = JSON.parse(await ask('tree', task, '--json'));
		assert.deepEqual(Object.keys(tree).sort(), ['agent', 'budgets', 'children', 'cost', 'forked', 'goal', 'priority', 'role', 'state',
			'taint', 'task', 'totals', 'usd_nanos_with_below']);
		assert.equal(tree.task, task);
		assert.equal(tree.role, 'worker');
		assert.deepEqual(tree.children, []);
		assert.equal(tree.cost.input, 300);
	});

	test('events --json is JSON Lines of what is stored', async () => {
		const shown = lines(await ask('events', task, '--json'));
		const stored = w.events().filter((e) => e.task === task);
		assert.deepEqual(shown.map((e) => e.type), stored.map((e) => e.type));
		for (const [i, event] of shown.entries())
			assert.deepEqual(event.data, stored[i].data);
	});

	test('the events tell the whole story, in order', async () => {
		const types = w.events().filter((e) => e.task === task).map((e) => e.type);
		for (const [first, second] of [['task.created', 'cell.opened'], ['cell.opened', 'model.requested'],
			['model.requested', 'model.replied'], ['model.replied', 'call.proposed'], ['call.proposed', 'call.decided'],
			['call.decided', 'call.started'], ['call.started', 'call.finished'], ['cell.closed', 'task.finished']])
			assert.ok(types.indexOf(first) >= 0 && types.indexOf(first) < types.indexOf(second), `${first} before ${second}`);
		assert.equal(types.filter((type) => type === 'call.started').length, 4);
		assert.equal(types.at(-1), 'task.finished');
	});

	test('show, in text and json', async () => {
		assert.match(await ask('show', task), /How many lines\?/);
		assert.equal(JSON.parse(await ask('show', task, '--json')).task, task);
		assert.equal(JSON.parse(await ask('show', 'last', '--json')).task, task);
	});

	test('the chain, computed anew by another program', async () => {
		assert.ok(w.checkChain() > 20);
		await ask('audit', 'verify');
	});

	test('a finished task prints its result again', async () => {
		const again = await w.resume(model, task, { args: ['--output-format', 'json'] }).done;
		exited(again, 0);
		checkResult(JSON.parse(again.out), { task, state: 'done', result: 'The notes have 2 lines. ☃', calls: 4 });
	});
});

test('audit verify names the event that was changed', async (t) => {
	const w = world(t);
	model.setScenario({ replies: [{ text: 'ok' }] });
	exited(await w.run(model, 'x'), 0);
	exited(await w.mishri(['audit', 'verify', ...w.places()]), 0);
	w.forge("update events set data = replace(data, '\"ok\"', '\"no\"') where type = 'task.finished'");
	const seq = w.sql("select seq from events where type = 'task.finished'")[0].seq;
	const verify = await w.mishri(['audit', 'verify', ...w.places()]);
	exited(verify, 1);
	assert.match(verify.err, new RegExp(`\\b${seq}\\b`));
	assert.throws(() => w.checkChain());
});

for (const provider of ['anthropic/mock', 'openrouter/mock', 'ollama/mock'])
	test(`the same work with ${provider}`, async (t) => {
		const w = world(t, { files });
		model.setScenario({ replies: work });
		const base = { OPENROUTER_BASE_URL: model.base, OPENROUTER_API_KEY: 'sk-test', OLLAMA_HOST: model.url };
		const run = await w.start(w.runArgs('count', '-m', provider), { env: { ...model.env, ...base } }).done;
		exited(run, 0);
		assert.equal(run.out, 'The notes have 2 lines. ☃\n');
		assert.equal(w.read('report.txt'), 'two lines\nand a snowman ☃\n');
		assert.deepEqual(model.invalid, [], 'every request is what the service takes');
		assert.equal(w.events('model.replied').reduce((sum, e) => sum + e.data.usage.output, 0), 21);
	});
