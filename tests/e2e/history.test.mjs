// What was done, found again: events with filters and schemas, search, pages, retention, export and import.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { POLICY, exited, mishri, shell, sleep, world } from './lib.mjs';
import { serve } from './serve-lib.mjs';

const MASTERS = `${POLICY}  - { id: share-work, allow: delegate, agent: "*" }
`;
const LONG = 'printf "%20000d needle"';
const WORK = [
	{ agent: 'master', text: 'I will plan.', usage: { input: 100, output: 20, usd_nanos: 1000000 },
		calls: [{ name: 'plan', args: { steps: [{ id: 'a', title: 'Look at the invoices' }] } }] },
	{ agent: 'master', text: 'Now the work.', usage: { input: 120, output: 30, usd_nanos: 1000000 },
		calls: [{ name: 'delegate', args: { tasks: [{ goal: 'look at the invoices', step: 'a' }] } }] },
	{ agent: 'worker', text: 'listing', usage: { input: 50, output: 10, usd_nanos: 500000 },
		calls: [shell('ls; rm -f x'), shell(LONG)] },
	{ agent: 'worker', text: 'the umbrella is open', usage: { input: 60, output: 5, usd_nanos: 500000 } },
	{ agent: 'master', text: 'All done.', usage: { input: 320, output: 30, usd_nanos: 1000000 },
		calls: [{ name: 'finish', args: { result: 'all paid' } }] },
];
const SHORT = [{ text: 'nothing to do', usage: { input: 10, output: 1, usd_nanos: 1000 } }];

function script(w, name, replies) {
	const file = path.join(w.dir, `${name}.jsonl`);
	fs.writeFileSync(file, replies.map((r) => JSON.stringify({ agent: '*', ...r })).join('\n'));
	return `recorded/${file}`;
}

// Two trees: a team of two, then one agent with little to do.
async function worked(t) {
	const w = world(t, { policy: MASTERS, files: { 'notes.txt': 'one\n' } });
	exited(await w.mishri(w.runArgs('pay the invoices', '--plan', 'always', '-m', script(w, 'work', WORK))), 0);
	exited(await w.mishri(w.runArgs('sleep', '--plan', 'never', '-m', script(w, 'short', SHORT))), 0);
	const roots = w.events('task.created').filter((e) => e.parent === null).map((e) => e.task);
	w.team = roots[0];
	w.single = roots[1];
	return w;
}

const ask = async (w, ...args) => {
	const run = await w.mishri([...args, ...w.places()]);
	exited(run, 0);
	return run.out;
};
const refused = async (w, code, says, ...args) => {
	const run = await w.mishri([...args, ...w.places()]);
	exited(run, code);
	assert.match(run.err, says);
	assert.equal(run.out, '');
};
const jsonLines = (text) => text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));

describe('events', () => {
	test('filters, places and limits; what can never fit is refused', async (t) => {
		const w = await worked(t);
		const all = w.events();
		const rows = [
			[[], all.length],
			[['--type', 'call.decided'], all.filter((e) => e.type === 'call.decided').length],
			[['--type', 'call.'], all.filter((e) => e.type.startsWith('call.')).length],
			[['--effect', 'deny'], 1],
			[['--effect', 'ask'], 0],
			[['--user', 'nobody-else'], 0],
			[['--task', w.single], all.filter((e) => e.task === w.single).length],
			[[w.team, '--alone', '--type', 'model.replied'], 3],
			[['--after', String(all[all.length - 3].seq)], 2],
			[['--after', 'end'], 0],
			[['--limit', '4'], 4],
			[['--since', '1h'], all.length],
			[['--since', '2099-01-01'], 0],
			[['--until', '2020-01-01'], 0],
			[['--since', '1h', '--until', '2099-01-01', '--type', 'task.created'], 3],
		];
		for (const [args, want] of rows)
			assert.equal(jsonLines(await ask(w, 'events', ...args, '--json')).length, want, args.join(' '));
		const shell = jsonLines(await ask(w, 'events', '--tool', 'shell', '--json'));
		for (const type of ['call.proposed', 'call.decided', 'exec.decided', 'call.finished'])
			assert.ok(shell.some((e) => e.type === type), type);
		assert.ok(shell.every((e) => e.data.tool === 'shell' || e.data.call !== undefined));
		assert.equal(jsonLines(await ask(w, 'events', '--tool', 'shel', '--json')).length, 0);
		for (const [says, ...args] of [
			[/did you mean 'call\.decided'/, '--type', 'call.decidet'], [/no type 'xyz\.'/, '--type', 'xyz.'],
			[/--effect is one of/, '--effect', 'maybe'], [/--until is not after/, '--since', '1h', '--until', '2h'],
			[/give one of them/, '--until', '1h', '--follow'], [/wants the seq/, '--after', 'x'], [/no count/, '--limit', '0'],
			[/given twice/, 'last', '--task', 'last'], [/no task/, '--task', 'zzzzzz'], [/did you mean/, '--schema', 'task.creatd'],
		])
			await refused(w, 2, says, 'events', ...args);
	});

	test('every event of real runs is as its published schema says', async (t) => {
		const w = await worked(t);
		const schemas = JSON.parse(await ask(w, 'events', '--schema'));
		const lines = jsonLines(await ask(w, 'events', '--json'));
		const byType = Map.groupBy ? Map.groupBy(lines, (e) => e.type) : lines.reduce((m, e) => m.set(e.type, [...m.get(e.type) ?? [], e]), new Map());
		assert.ok(byType.size > 15);
		for (const [type, events] of byType) {
			assert.ok(schemas[type], type);
			const file = path.join(w.dir, 'schema.json');
			fs.writeFileSync(file, JSON.stringify({ type: 'array', items: schemas[type] }));
			const check = (value) => spawnSync(mishri(), ['schema', '--format-assertion', file], { input: JSON.stringify(value), encoding: 'utf8' });
			const good = check(events);
			assert.equal(good.status, 0, `${type}: ${good.stderr}`);
			assert.equal(check(events.map((e) => ({ ...e, evil: 1 }))).status, 1, type);
			assert.equal(check(events.map((e) => ({ ...e, data: { ...e.data, evil: 1 } }))).status, 1, type);
		}
		assert.deepEqual(JSON.parse(await ask(w, 'events', '--schema', 'task.created')), schemas['task.created']);
	});

	test('--follow sees what other engines write, goes on behind a seq, and ends when nobody reads', async (t) => {
		const w = await worked(t);
		const last = w.events().at(-1).seq;
		const follow = w.start(['events', '--follow', '--after', 'end', '--json', ...w.places()]);
		const more = w.start(w.runArgs('sleep again', '--plan', 'never', '-m', script(w, 'again', SHORT)));
		await follow.until(/"type":"task\.finished"/, 'out');
		exited(await more.done, 0);
		follow.kill('SIGTERM');
		await follow.done;
		const seen = jsonLines(follow.out);
		assert.deepEqual(seen.map((e) => e.seq), seen.map((e, i) => seen[0].seq + i));
		assert.ok(seen[0].seq > last);
		assert.deepEqual(jsonLines(await ask(w, 'events', '--json', '--after', String(seen[2].seq), '--limit', '2')), seen.slice(3, 5));
		const head = spawnSync('sh', ['-c', `"${mishri()}" events --follow --json --data "${w.data}" --no-user-config | head -n 1`],
			{ encoding: 'utf8', timeout: 20000 });
		assert.equal(head.status, 0);
		assert.equal(jsonLines(head.stdout).length, 1);
	});
});

describe('history', () => {
	test('by words, with what was found, in pages; no search is said so', async (t) => {
		const w = await worked(t);
		const rows = [
			['invoices', [w.team]], ['umbrella paid', [w.team]], ['"umbrella paid"', []], ['umbr*', [w.team]], ['sleep OR umbrella', [w.single, w.team]],
			['sleep -nothing', []], ['-nothing invoices', [w.team]], ['goal:sleep', [w.single]], ['plan:invoices', [w.team]], ['output:needle', []],
			['args:needle', [w.team]], ['to do', [w.single]], ['%', null],
		];
		for (const [words, want] of rows) {
			if (want === null)
				await refused(w, 2, /no letter or digit/, 'history', words);
			else
				assert.deepEqual(JSON.parse((await w.mishri(['history', '--json', ...w.places(), '--', words])).out).map((r) => r.task), want, words);
		}
		const [row] = JSON.parse(await ask(w, 'history', 'umbrella', '--json'));
		assert.equal(row.tasks, 2);
		assert.equal(row.denied, 1);
		assert.equal(row.usd_nanos, 4000000);
		assert.ok(row.found.some((f) => f.in === 'reply' && /umbrella is open/.test(f.text)));
		for (const [args, want] of [[['--denied'], [w.team]], [['--agent', 'worker'], [w.single, w.team]], [['--cost-over', '0.003'], [w.team]],
			[['--session', row.session], [w.team]], [['--before', w.single], [w.team]], [['--limit', '1'], [w.single]], [['--until', '2020-01-01'], []]])
			assert.deepEqual(JSON.parse(await ask(w, 'history', ...args, '--json')).map((r) => r.task), want, args.join(' '));
		for (const [says, ...args] of [[/closing quote/, '"open'], [/at least two/, 'a*'], [/OR stands/, 'a OR'], [/one pair of quotes/, 'two', 'words'],
			[/US dollars/, '--cost-over', '0'], [/give a text/, '--rank'], [/larger --limit/, 'x', '--rank', '--before', 'last']])
			await refused(w, 2, says, 'history', ...args);
		const page = await w.mishri(['history', '--limit', '1', ...w.places()]);
		assert.match(page.err, new RegExp(`--before ${w.single}`));
		for (const columns of [80, 120]) {
			const text = spawnSync('script', ['-qec', `stty cols ${columns}; "${mishri()}" history invoices --no-color --data "${w.data}" --no-user-config`,
				'/dev/null'], { encoding: 'utf8' }).stdout;
			for (const line of text.split('\r\n'))
				assert.ok(line.length <= columns, `${columns}: ${line}`);
			assert.match(text, /pay the invoices/);
		}
	});

	test('tree: who is below whom, and what it cost with all below', async (t) => {
		const w = await worked(t);
		const text = await ask(w, 'tree', w.team);
		assert.match(text, /^[0-9a-z]{12}  done  master master  3 turns, 3 calls, .*\$0\.003000 \(with 1 below \$0\.004000\)$/m);
		assert.match(text, /^`- [0-9a-z]{12}  done  worker worker  2 turns, 2 calls, 1 denied, /m);
		assert.match(text, /^ {6}look at the invoices$/m);
		const child = JSON.parse(await ask(w, 'tree', w.team, '--json')).children[0].task;
		assert.equal(JSON.parse(await ask(w, 'tree', child, '--json')).task, child);
		assert.doesNotMatch(await ask(w, 'tree', child), /pay the invoices/);
	});
});

describe('cost', () => {
	test('sums by day, user and model are those of the tasks; filters', async (t) => {
		const w = await worked(t);
		for (const by of ['day', 'user', 'model', 'session', 'task']) {
			const { rows, total } = JSON.parse(await ask(w, 'cost', '--by', by, '--json'));
			assert.equal(total.usd_nanos, 4001000, by);
			assert.equal(rows.reduce((n, r) => n + r.usd_nanos, 0), 4001000, by);
			assert.equal(rows.reduce((n, r) => n + r.tasks, 0), 3, by);
			const since = JSON.parse(await ask(w, 'cost', '--by', by, '--since', '3h', '--json'));
			assert.deepEqual(since.total, total, by);
		}
		assert.equal(JSON.parse(await ask(w, 'cost', w.single, '--json')).total.usd_nanos, 1000);
		assert.equal(JSON.parse(await ask(w, 'cost', '--by', 'model', '--model', 'short', '--json')).total.usd_nanos, 1000);
		assert.equal(JSON.parse(await ask(w, 'cost', '--user', 'nobody-else', '--json')).total.tasks, 0);
		await refused(w, 2, /--until is not after/, 'cost', '--since', '1h', '--until', '2h');
	});
});

describe('retention', () => {
	test('what leaves is said before, leaves whole, and is accounted for', async (t) => {
		const w = await worked(t);
		const before = w.events();
		const dry = JSON.parse(await ask(w, 'vacuum', '--keep', '1', '--dry-run', '--json'));
		assert.deepEqual(dry.trees.map((r) => r.task), [w.team]);
		assert.equal(dry.events, before.filter((e) => e.task && e.task !== w.single).length);
		assert.deepEqual(w.events().length, before.length);
		const real = JSON.parse(await ask(w, 'vacuum', '--keep', '1', '--compact', '--json'));
		assert.deepEqual([real.events, real.bytes, real.trees[0].left], [dry.events, dry.bytes, true]);
		assert.deepEqual(w.events().filter((e) => e.task && e.task !== w.single), []);
		assert.match(await ask(w, 'audit', 'verify'), /intact: .*\npruned: 1 task trees/);
		assert.deepEqual(JSON.parse(await ask(w, 'history', 'umbrella', '--json')), []);
		assert.equal(JSON.parse(await ask(w, 'cost', '--by', 'day', '--json')).total.usd_nanos, 4001000);
		assert.doesNotMatch(fs.readFileSync(path.join(w.data, 'mishri.db'), 'latin1'), /umbrella/);
		const [stone] = w.events('history.pruned');
		assert.equal(stone.data.root, w.team);
		assert.equal(stone.data.reason, 'whenever it ended, not of the newest 1');
		await refused(w, 1, /no task/, 'show', w.team).catch(() => refused(w, 2, /no task/, 'show', w.team));
	});

	test('a service lets go by itself what a dry run says, and keeps what waits in a layer', async (t) => {
		const w = await worked(t);
		exited(await w.mishri(w.runArgs('change', '--plan', 'never', '-c', 'workspace_mode=overlay', '-m',
			script(w, 'change', [{ text: 'writing', calls: [shell('echo two > notes.txt')] }, ...SHORT]))), 0);
		exited(await w.mishri(w.runArgs('last', '--plan', 'never', '-m', script(w, 'last', SHORT))), 0);
		const layered = w.events('task.created').find((e) => e.data.goal === 'change').task;
		const dry = JSON.parse(await ask(w, 'vacuum', '-c', 'retention.keep=1', '--dry-run', '--json'));
		assert.deepEqual(dry.trees.map((r) => r.task), [w.team, w.single]);
		assert.deepEqual(dry.stays.map((r) => r.task), [layered]);
		assert.match(dry.stays[0].why, /'mishri apply' or 'mishri drop'/);
		const s = await serve(t, w, { args: ['-c', 'retention.keep=1', '-c', 'retention.every=1s', '-c', 'log.level=info'] });
		for (let i = 0; i < 600 && w.events('history.pruned').length < 2; i++)
			await sleep(50);
		const stones = w.events('history.pruned');
		assert.deepEqual(stones.map((e) => [e.data.root, e.data.by, e.data.reason]),
			dry.trees.map((r) => [r.task, 'retention', dry.rule]));
		assert.equal(stones.reduce((n, e) => n + e.data.events, 0), dry.events);
		const { body } = await s.post('/v1/tasks', { goal: 'work goes on', workspace: w.ws, plan: 'never', model: script(w, 'more', SHORT) });
		await s.ended(body.task);
		assert.equal((await s.end()).code, 0);
		assert.match(s.process.err, /old trees left the history trees=2/);
		assert.match(await ask(w, 'audit', 'verify'), /intact: /);
		assert.match(await ask(w, 'diff', layered), /\+two/);
	});

	test('without a rule nothing leaves; what is parked never does; the configuration can say it', async (t) => {
		const w = world(t);
		const slow = w.start(w.runArgs('wait', '--plan', 'never', '-m', script(w, 'slow', [{ text: 'late', delay_ms: 60000 }])));
		await slow.until(/task [0-9a-z]{12}/);
		slow.kill('SIGINT');
		await slow.done;
		for (const [says, ...args] of [[/say what may leave/], [/--state is one of done/, '--state', 'parked', '--older-than', '1s'], [/no duration/, '--older-than', 'x'],
			[/no count/, '--keep', '-1'], [/one word too many/, 'all'], [/too little/, '-c', 'retention.older_than=1s']])
			await refused(w, 2, says, 'vacuum', ...args);
		assert.deepEqual(JSON.parse(await ask(w, 'vacuum', '--older-than', '1ms', '--json')).trees, []);
		assert.deepEqual(JSON.parse(await ask(w, 'vacuum', '-c', 'retention.keep=1', '--json')).trees, []);
		assert.equal(JSON.parse(await ask(w, 'history', '--state', 'parked', '--json')).length, 1);
	});
});

describe('export and import', () => {
	test('a tree goes to another store and is the same there', async (t) => {
		const w = await worked(t), v = world(t);
		const file = path.join(w.dir, 'team.jsonl');
		await ask(w, 'export', w.team, '-o', file);
		await refused(w, 1, /is there already/, 'export', w.team, '-o', file);
		const lines = fs.readFileSync(file, 'utf8');
		assert.equal(lines.split('\n')[1], (await ask(w, 'export', w.team)).split('\n')[1]);
		assert.match(await ask(v, 'import', '--check', file), /^as it was exported/);
		const back = JSON.parse(await ask(v, 'import', file, '--json'));
		assert.deepEqual([back.task, back.tasks, back.imported, back.resumable], [w.team, 2, true, false]);
		// What else was spent that day is another matter.
		const tree = (text) => text.replace(/^session .*\n/m, '');
		for (const command of ['show', 'tree'])
			assert.equal(tree(await ask(v, command, w.team)), tree(await ask(w, command, w.team)), command);
		const texts = (x) => x.events().filter((e) => e.task && e.task !== w.single).map((e) => [e.type, e.hash]);
		assert.deepEqual(texts(v), texts(w));
		assert.match(await ask(v, 'audit', 'verify'), /^intact/);
		assert.equal(JSON.parse(await ask(v, 'history', 'umbrella', '--json'))[0].imported, true);
		assert.equal(JSON.parse(await ask(v, 'cost', '--json')).total.tasks, 0);
		await refused(v, 1, /is here already/, 'import', file);
		const changed = path.join(w.dir, 'changed.jsonl');
		fs.writeFileSync(changed, lines.replace('umbrella', 'umbrellb'));
		await refused(world(t), 1, /line \d+: .*was changed/, 'import', changed);
		await refused(v, 2, /cannot read/, 'import', path.join(w.dir, 'none'));
		await refused(v, 1, /no exported task/, 'import', '/dev/null');
	});

	test('what is imported is not resumed, unless it was imported for that', async (t) => {
		const w = world(t), v = world(t), u = world(t);
		const model = script(w, 'slow', [{ text: 'late', delay_ms: 60000 }]);
		const slow = w.start(w.runArgs('wait', '--plan', 'never', '-m', model));
		await slow.until(/task [0-9a-z]{12}/);
		slow.kill('SIGINT');
		await slow.done;
		const task = w.events('task.created')[0].task, file = path.join(w.dir, 'parked.jsonl');
		await ask(w, 'export', task, '-o', file);
		await ask(v, 'import', file);
		const no = await v.mishri(['run', '--resume', task, ...v.places()]);
		assert.notEqual(no.code, 0);
		assert.match(no.err, /imported to be looked at/);
		await ask(u, 'import', '--resumable', file);
		fs.writeFileSync(path.join(w.dir, 'slow.jsonl'), JSON.stringify({ agent: '*', text: 'at last' }));
		const yes = await u.mishri(['run', '--resume', task, ...u.places()]);
		exited(yes, 0);
		assert.equal(yes.out, 'at last\n');
		assert.match(await ask(u, 'audit', 'verify'), /^intact/);
	});
});
