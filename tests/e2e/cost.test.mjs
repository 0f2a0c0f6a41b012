// What replies cost, in every place that says so: the configuration's price, the provider's word, and "unknown".
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { POLICY, ROOT, exited, lines, shell, startModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const usage = { input: 1000, cache_read: 500, cache_write: 0, output: 200, reasoning: 150 };

function user(t, config) {
	const w = world(t);
	fs.mkdirSync(path.join(w.home, '.config/mishri'), { recursive: true });
	if (config !== null)
		fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'), config);
	w.go = (...more) => w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '--plan', 'never', '-m', 'openai/mock',
		'--output-format', 'json', ...more, '--', 'go'], { env: model.env });
	return w;
}

describe('the price of a reply', () => {
	test('from the configuration, two turns, in result, cost, show and the event', async (t) => {
		const w = user(t, 'prices:\n  openai/mo*: { input: 2, output: 10, cache_read: 0.2 }\n');
		model.setScenario({ replies: [{ calls: [shell('true')], usage }, { text: 'done', usage }] });
		const run = await w.go();
		exited(run, 0);
		const turn = 1000 * 2000 + 500 * 200 + 200 * 10000; // nano-dollars
		assert.equal(JSON.parse(run.out).cost.usd_nanos, 2 * turn);
		const [first] = w.events('model.replied');
		assert.equal(first.data.usd_nanos, turn);
		assert.match(first.data.price, /config\.yaml:2$/);
		const cost = await w.mishri(['cost', ...w.places(), '--json']);
		assert.match(cost.out, new RegExp(`"usd_nanos":\\s*${2 * turn}\\b`));
		const show = await w.mishri(['show', ...w.places(), w.task()]);
		assert.match(show.out, /\$0\.0082/);
	});

	test('a server of one\'s own without a price is unknown: null and never 0', async (t) => {
		const w = user(t, null);
		model.setScenario({ replies: [{ text: 'done', usage }] });
		const run = await w.go();
		exited(run, 0);
		assert.equal(JSON.parse(run.out).cost.usd_nanos, null);
		assert.equal(w.events('model.replied')[0].data.price, undefined);
		const show = await w.mishri(['show', ...w.places(), w.task()]);
		assert.match(show.out, /unknown/);
		const { totals } = JSON.parse((await w.mishri(['tree', ...w.places(), w.task(), '--json'])).out);
		for (const of of ['own', 'tree', 'session', 'user_day', 'day'])
			assert.equal(totals[of].usd_nanos, null, of);
	});

	test('without usage there is nothing to multiply', async (t) => {
		const w = user(t, 'prices: { openai/mock: { input: 2, output: 10 } }\n');
		model.setScenario({ replies: [{ text: 'done', usage: null }] });
		const run = await w.go();
		exited(run, 0);
		assert.equal(JSON.parse(run.out).cost.usd_nanos, null);
	});

	for (const [config, says] of [
		['prices: { openai/x: { input: 2 } }\n', /config\.yaml:1:\d+: prices: openai\/x: needs `input` and `output`/],
		['prices: { gpt: { input: 2, output: 2 } }\n', /write PROVIDER\/MODEL/],
		['prices: [1]\n', /prices/],
		['price: 1\n', /did you mean 'prices'/],
	])
		test(`wrong: ${config.trim()}`, async (t) => {
			const w = user(t, config);
			const run = await w.go();
			exited(run, 3);
			assert.match(run.err, says);
		});
});

test('what a model spent that stood in is booked under that model, whichever way it is summed up', async (t) => {
	const other = await startModel();
	t.after(() => other.close());
	const w = user(t, 'prices:\n  openai/mock: { input: 2, output: 10 }\n  anthropic/mock-b: { input: 3, output: 30 }\n');
	model.setScenario({ replies: [{ calls: [shell('true')], usage: { input: 1000, output: 100 } }, { status: 503, headers: { 'retry-after-ms': '1' }, times: 0 }] });
	other.setScenario({ replies: [{ calls: [shell('true')], usage: { input: 500, output: 50 } }, { text: 'done', usage: { input: 700, output: 70 } }] });
	const run = await w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '--plan', 'never', '-m', 'openai/mock', '--fallback',
		'anthropic/mock-b', '-c', 'retry.attempts=1', '--output-format', 'json', '--', 'go'], { env: { ...model.env, ANTHROPIC_BASE_URL: other.url, ANTHROPIC_API_KEY: 'sk-mock' } });
	exited(run, 0);
	const own = 1000 * 2000 + 100 * 10000, stoodIn = 1200 * 3000 + 120 * 30000;
	assert.equal(JSON.parse(run.out).cost.usd_nanos, own + stoodIn);
	assert.deepEqual(w.events('model.replied').map((e) => e.data.asked), [undefined, 'anthropic/mock-b', 'anthropic/mock-b']);
	const seen = async () => {
		const all = {};
		for (const [name, ...args] of [['days'], ['tasks', '--since', '3h'], ['tree', 'last']]) {
			const cost = JSON.parse((await w.mishri(['cost', ...args, '--by', 'model', ...w.places(), '--json'])).out);
			all[name] = [cost.rows.map((r) => [r.model, r.tasks, r.turns, r.calls, r.input, r.output, r.usd_nanos]).sort(), cost.total.usd_nanos, cost.total.tasks, cost.total.turns];
		}
		return all;
	};
	const want = [[['anthropic/mock-b', 0, 2, 0, 1200, 120, stoodIn], ['openai/mock', 1, 1, 2, 1000, 100, own]], own + stoodIn, 1, 3];
	assert.deepEqual(await seen(), { days: want, tasks: want, tree: want });
	for (const by of ['task', 'session', 'user', 'day'])
		assert.equal(JSON.parse((await w.mishri(['cost', '--by', by, ...w.places(), '--json'])).out).rows[0].usd_nanos, own + stoodIn, by);
	assert.equal(JSON.parse((await w.mishri(['history', '--model', 'mock-b', ...w.places(), '--json'])).out).length, 1);
	exited(await w.mishri(['doctor', '--rebuild', ...w.places()]), 0);
	assert.deepEqual(await seen(), { days: want, tasks: want, tree: want });
	const days = async () => JSON.parse((await w.mishri(['cost', '--by', 'model', ...w.places(), '--json'])).out);
	const before = await days();
	exited(await w.mishri(['vacuum', '--older-than', '1ms', ...w.places()]), 0);
	assert.deepEqual(await days(), before);
	exited(await w.mishri(['doctor', '--rebuild', ...w.places()]), 0);
	assert.deepEqual((await days()).total, before.total);
	assert.equal(JSON.parse((await w.mishri(['history', '--model', 'mock-b', ...w.places(), '--json'])).out).length, 0);
	exited(await w.mishri(['audit', 'verify', ...w.places()]), 0);
});

test('tree and cost say what session, user and day spent, each model, and how full budgets are', async (t) => {
	const w = world(t);
	const policy = path.join(w.dir, 'budgets.yaml');
	fs.writeFileSync(policy, `${fs.readFileSync(w.policy, 'utf8')}budgets:\n  - { id: of-session, per: session, usd: 0.01, over: deny }\n  - { id: of-day, per: store/day, usd: 1, over: deny }\n`);
	const reply = (usd, ...more) => ({ text: 'step', usage: { input: 100, output: 10, usd_nanos: usd * 1e6 }, ...more[0] });
	const script = (name, replies) => {
		const file = path.join(w.dir, name);
		fs.writeFileSync(file, replies.map((r) => JSON.stringify({ agent: '*', ...r })).join('\n'));
		return `recorded/${file}`;
	};
	const run = (name, replies, ...more) => w.mishri(['run', ...w.places(), '-p', policy, '-w', w.ws, '--plan', 'never', '-m', script(name, replies), ...more, '--', name]);
	exited(await run('one', [reply(2, { calls: [shell('true')] }), reply(3.5)]), 0);
	const [{ session, task }] = w.events('task.created');
	const second = await run('two', [reply(3)], '--session', session);
	exited(second, 0);
	assert.match(second.err, /budget of-session: 80 % is spent, \$0\.008500 of \$0\.01 per session/);
	exited(await run('three', [reply(5)]), 0);
	const tree = JSON.parse((await w.mishri(['tree', ...w.places(), task, '--json'])).out);
	const nanos = Object.fromEntries(Object.entries(tree.totals).filter(([k]) => k !== 'models').map(([k, v]) => [k, v.usd_nanos]));
	assert.deepEqual(nanos, { own: 5.5e6, tree: 5.5e6, session: 8.5e6, user_day: 13.5e6, day: 13.5e6 });
	assert.deepEqual(tree.totals.models.map((m) => [m.tokens, m.usd_nanos]), [[220, 5.5e6]]);
	assert.equal(tree.usd_nanos_with_below, 5.5e6);
	const marks = (list) => list.map((b) => [b.budget, b.per, b.percent, b.spent, b.most]);
	assert.deepEqual(marks(tree.budgets), [['of-session', 'session', 50, 5.5e6, 1e7]]);
	const shown = (await w.mishri(['tree', ...w.places(), task])).out;
	assert.match(shown, /^session \$0\.008500, today \$0\.013500$/m);
	assert.match(shown, /^budget of-session: 50 % is spent, /m);
	assert.deepEqual(marks(JSON.parse((await w.mishri(['cost', ...w.places(), '--json'])).out).budgets), [['of-session', 'session', 50, 5e6, 1e7]],
		'the newest of each budget');
	assert.deepEqual(marks(JSON.parse((await w.mishri(['cost', ...w.places(), second.err.match(/task ([0-9a-z]{12})/)[1], '--json'])).out).budgets),
		[['of-session', 'session', 80, 8.5e6, 1e7]]);
	assert.match((await w.mishri(['cost', ...w.places()])).out, /^budget of-session: 50 % is spent/m);
});

// A page of 80 columns, as a person has it: a real terminal, by script(1).
const on_terminal = (w, columns, ...args) => {
	const line = [`stty cols ${columns}`, [path.join(ROOT, 'build/mishri'), ...args, ...w.places()].map((a) => `'${a}'`).join(' ')].join('; ');
	const run = spawnSync('script', ['-qec', line, '/dev/null'], { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1', TERM: 'xterm' }, input: '' });
	return run.stdout.replaceAll('\r', '').split('\n').filter((l) => l !== '');
};

test('parts of buckets: writes that last an hour and reasoning, by hand, wherever a cost is said', async (t) => {
	const w = user(t, 'prices:\n  anthropic/mock: { input: 3, output: 15, cache_read: 0.3, cache_write: 3.75, cache_write_1h: 6 }\n');
	const one = { input: 1000, cache_read: 400, cache_write: 300, cache_write_1h: 100, output: 50 }, two = { input: 10, cache_write: 7, cache_write_1h: 7, output: 5 };
	model.setScenario({ replies: [{ calls: [shell('true')], usage: one }, { text: 'done', usage: two }] });
	const run = await w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '--plan', 'never', '-m', 'anthropic/mock', '--output-format',
		'stream-json', '--', 'go'], { env: { ...model.env, ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'sk-mock' } });
	exited(run, 0);
	// 1000*3 + 400*0.3 + 200*3.75 + 100*6 + 50*15 = 5220 µUSD; 10*3 + 7*6 + 5*15 = 147
	const first = 5220000, nanos = 5367000;
	const want = { usd_nanos: nanos, input: 1010, cache_read: 400, cache_write: 307, cache_write_1h: 107, output: 55, reasoning: 0 };
	const all = lines(run.out);
	assert.deepEqual(all.at(-1).cost, want);
	assert.deepEqual(all.at(-1).own_cost, want);
	const totals = all.filter((l) => l.type === 'totals');
	assert.deepEqual(totals.map((l) => [l.own.cost.usd_nanos, l.tree.cost.usd_nanos, l.tree.turns]), [[first, first, 1], [nanos, nanos, 2], [nanos, nanos, 2]]);
	assert.equal(w.events('model.replied')[0].data.usage.cache_write_1h, 100);
	for (const by of ['task', 'session', 'user', 'model', 'day']) {
		const { rows: [row], total } = JSON.parse((await w.mishri(['cost', '--by', by, ...w.places(), '--json'])).out);
		for (const [key, value] of Object.entries(want))
			assert.deepEqual([row[key], total[key]], [value, value], `${by}: ${key}`);
	}
	const show = JSON.parse((await w.mishri(['show', 'last', ...w.places(), '--json'])).out);
	assert.deepEqual([show.cost, show.total.cost], [want, want]);
	assert.match((await w.mishri(['show', 'last', ...w.places()])).out, /^tokens +input 1010, cache read 400, cache write 307 \(107 of it for 1h\), output 55$/m);
	exited(await w.mishri(['doctor', '--rebuild', ...w.places()]), 0);
	const again = JSON.parse((await w.mishri(['cost', '--by', 'day', ...w.places(), '--json'])).out);
	assert.deepEqual([again.rows[0].cache_write_1h, again.rows[0].usd_nanos], [107, nanos]);
	exited(await w.mishri(['vacuum', '--older-than', '1ms', ...w.places()]), 0);
	for (const again_of of ['as it is', 'made anew']) {
		const left = JSON.parse((await w.mishri(['cost', '--by', 'day', ...w.places(), '--json'])).out);
		assert.deepEqual([left.rows[0].cache_write_1h, left.rows[0].usd_nanos, left.rows[0].tasks], [107, nanos, 1], again_of);
		exited(await w.mishri(['doctor', '--rebuild', ...w.places()]), 0);
	}
});

test('reasoning is a part of output, and of a child\'s report', async (t) => {
	const w = world(t, { policy: `${POLICY}  - { id: share-work, allow: delegate, agent: "*" }\n` });
	const replies = [
		{ agent: 'master', calls: [{ name: 'delegate', args: { tasks: [{ goal: 'think' }] } }], usage: { input: 10, output: 20, reasoning: 8, usd_nanos: 1000 } },
		{ agent: 'worker', text: 'thought', usage: { input: 5, output: 40, reasoning: 30, usd_nanos: 500 } },
		{ agent: 'master', text: 'all', usage: { input: 12, output: 2, reasoning: 1, usd_nanos: 200 } },
	];
	const file = path.join(w.dir, 'replies.jsonl');
	fs.writeFileSync(file, replies.map((r) => JSON.stringify(r)).join('\n'));
	const run = await w.mishri(['run', ...w.places(), '-p', w.policy, '-w', w.ws, '--plan', 'always', '-m', `recorded/${file}`, '--output-format', 'stream-json', '--', 'two']);
	exited(run, 0);
	const all = lines(run.out), result = all.at(-1);
	assert.deepEqual([result.cost.output, result.cost.reasoning, result.cost.usd_nanos], [62, 39, 1700]);
	assert.deepEqual([result.own_cost.output, result.own_cost.reasoning, result.own_cost.usd_nanos], [22, 9, 1200]);
	const last = (of) => all.filter((l) => l.type === 'totals' && l.task === of).at(-1);
	const [root, child] = w.events('task.created').map((e) => e.task);
	assert.deepEqual(['own', 'with_below', 'tree'].map((k) => [last(child)[k].tasks, last(child)[k].cost.reasoning]), [[1, 30], [1, 30], [2, 38]]);
	assert.deepEqual(['own', 'with_below', 'tree'].map((k) => [last(root)[k].tasks, last(root)[k].cost.usd_nanos]), [[1, 1200], [2, 1700], [2, 1700]]);
	assert.match((await w.mishri(['show', root, ...w.places()])).out, /^tokens .*output 22 \(9 of it reasoning\)$/m);
	assert.match((await w.mishri(['cost', ...w.places()])).out, /^task .* reasoning /m);
});

test('cost and history fit a terminal of 80 columns; --wide and a pipe have everything', async (t) => {
	const w = user(t, 'prices:\n  openai/mo*: { input: 2, output: 10, cache_read: 0.2 }\n');
	const long = 'a goal that is much longer than a line of a terminal can be, with 漢字 in it, and that goes on and on';
	model.setScenario({ replies: [{ text: 'done', usage: { input: 123456, cache_read: 999999, output: 4321 } }] });
	exited(await w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '--plan', 'never', '-m', 'openai/mock', '--', long], { env: model.env }), 0);
	const columns = (line) => [...line].reduce((sum, c) => sum + (c.codePointAt(0) >= 0x2e80 ? 2 : 1), 0);
	for (const width of [80, 60, 100, 140])
		for (const args of [['cost'], ['cost', '--by', 'model'], ['cost', '--by', 'day'], ['history'], ['history', 'goal']]) {
			const shown = on_terminal(w, width, ...args);
			assert.ok(shown.length > 1, `${args}: ${shown}`);
			for (const line of shown)
				assert.ok(columns(line) <= Math.max(width, args[0] === 'history' ? 66 : 0), `${width}: ${args.join(' ')}: ${columns(line)}: ${line}`);
		}
	const heads = (width, ...args) => on_terminal(w, width, 'cost', ...args)[0].trim().split(/ {2,}/);
	assert.deepEqual(heads(80), ['task', 'tasks', 'turns', 'calls', 'input', 'output', 'cost', 'goal']);
	assert.deepEqual(heads(40), ['task', 'cost', 'goal']);
	const everything = ['task', 'tasks', 'turns', 'calls', 'input', 'cache rd', 'cache wr', 'of it 1h', 'output', 'reasoning', 'cost', 'own cost', 'goal'];
	assert.deepEqual(heads(80, '--wide'), everything);
	const piped = (await w.mishri(['cost', ...w.places()])).out.split('\n');
	assert.deepEqual(piped[0].trim().split(/ {2,}/), everything);
	assert.ok(piped[1].endsWith(long), 'a goal is not cut where nobody is short of room');
	assert.ok((await w.mishri(['history', '--wide', ...w.places()])).out.includes(long));
	assert.ok(on_terminal(w, 80, 'history', '--wide').some((l) => l.includes(long)));
});
