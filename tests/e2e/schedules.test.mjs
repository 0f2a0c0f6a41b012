// Schedules on a real service: they run when they should, once, with a policy of their own; what cannot run says why;
// what is killed goes on; what people say from a terminal holds.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AM_ROOT, sleep, startModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel({ replies: [{ text: 'done', times: 0 }] }); });
after(() => model.close());

async function serve(w, options = {}) {
	const s = w.start(['serve', ...w.places(), '-p', w.policy], { env: { ...(options.model ?? model).env }, ...options });
	await s.until(/serving/, 'out');
	return s;
}
async function stop(s) {
	s.kill('SIGTERM');
	await s.done;
}
const schedule = (w, ...args) => w.mishri(['schedule', args[0], ...w.places(), ...args.slice(1)]);
async function add(w, name, ...args) {
	const where = args.includes('-w') ? [] : ['-w', w.ws];
	const done = await schedule(w, 'add', name, ...where, '-m', 'openai/mock', '--plan', 'never', '--jitter', 'off', ...args);
	assert.equal(done.code, 0, done.err);
	return done;
}
async function show(w, name) {
	const done = await schedule(w, 'show', name, '--json');
	assert.equal(done.code, 0, done.err);
	return JSON.parse(done.out);
}
// Until what is stored is as it should be.
async function until(w, name, fits, timeout_ms = 30000) {
	for (const end = Date.now() + timeout_ms; ; await sleep(100)) {
		const now = await show(w, name);
		if (fits(now))
			return now;
		assert.ok(Date.now() < end, `it never came: ${JSON.stringify(now)}`);
	}
}

// What must hold at every end: an instant has one task, and a task begins once.
function checkRuns(w) {
	const fired = w.events('schedule.fired').map((e) => e.data);
	const created = w.events('task.created').filter((e) => e.data.schedule !== undefined);
	const instants = created.map((e) => `${e.data.schedule.schedule} ${e.data.schedule.instant_us}`);
	assert.equal(new Set(instants).size, instants.length, 'an instant ran twice');
	assert.equal(new Set(created.map((e) => e.task)).size, created.length);
	for (const e of created)
		assert.ok(fired.some((f) => f.task === e.task && f.instant_us === e.data.schedule.instant_us), 'it was announced before');
	for (const f of fired)
		assert.equal(fired.find((g) => g.instant_us === f.instant_us && g.schedule === f.schedule).task, f.task, 'an instant has one id');
	w.checkChain();
	return { fired, created };
}

describe('on time', () => {
	for (const as_nobody of AM_ROOT ? [false, true] : [false])
		test(`an interval, once each${as_nobody ? ', as an ordinary user' : ''}`, async (t) => {
			const w = world(t, { as_nobody });
			const s = await serve(w);
			await add(w, 'tick', '--every', '1s', '--runs', '3', 'say hello');
			const end = await until(w, 'tick', (now) => now.last_runs.length === 3 && now.last_runs.every((r) => r.state === 'done'));
			await stop(s);
			assert.equal(end.state, 'ended');
			const { created } = checkRuns(w);
			assert.equal(created.length, 3);
			for (const e of created) {
				assert.equal(e.data.channel, 'schedule');
				assert.equal(e.data.interactive, false);
				assert.equal(e.data.goal, 'say hello');
				assert.equal(e.data.schedule.name, 'tick');
				assert.ok(Date.parse(e.time) * 1000 >= e.data.schedule.instant_us, 'not before its time');
			}
			const audit = await w.mishri(['audit', 'verify', ...w.places()]);
			assert.equal(audit.code, 0, audit.err);
			await w.leftNothing();
		});

	test('once, and made up when nobody was there', async (t) => {
		const w = world(t);
		const at = new Date(Date.now() + 2000).toISOString().slice(0, 19) + 'Z';
		await add(w, 'once', '--at', at, 'x');
		await sleep(3000);
		const s = await serve(w);
		const end = await until(w, 'once', (now) => now.last_runs[0]?.state === 'done');
		await stop(s);
		assert.equal(end.last_runs.length, 1);
		assert.equal(end.state, 'ended');
	});

	test('what lies beyond the window is missed, and said', async (t) => {
		const w = world(t);
		await add(w, 'often', '--every', '1s', '--catch-up', 'off', '--overlap', 'allow', 'x');
		await sleep(14000);
		const s = await serve(w);
		const end = await until(w, 'often', (now) => now.started > 0 && now.missed > 0);
		await stop(s);
		assert.ok(end.missed >= 12, `${end.missed}`);
		assert.match(w.events('schedule.passed')[0].data.reason, /no engine ran the schedules then/);
		checkRuns(w);
	});

	test('by hand, also while it is paused', async (t) => {
		const w = world(t);
		const s = await serve(w);
		await add(w, 'yearly', '--cron', '@yearly', 'x');
		assert.equal((await schedule(w, 'pause', 'yearly', '--reason', 'not now')).code, 0);
		const ordered = await schedule(w, 'run', 'yearly', '--json');
		const { task } = JSON.parse(ordered.out);
		const end = await until(w, 'yearly', (now) => now.last_runs[0]?.state === 'done');
		await stop(s);
		assert.equal(end.last_runs[0].task, task);
		assert.equal(end.last_runs[0].cause, 'hand');
		assert.equal(end.state, 'paused');
		assert.equal(end.reason, 'not now');
		checkRuns(w);
	});
});

describe('overlap', () => {
	const rows = [
		['skip', [], (now) => now.skipped >= 2, (end) => assert.equal(end.started, 1)],
		['queue', ['--queue', '2'], (now) => now.queued === 2 && now.dropped >= 1, (end) => assert.equal(end.started, 1)],
		['allow', [], (now) => now.active >= 3, (end) => assert.equal(end.skipped, 0)],
		['cancel-previous', [], (now) => now.last_runs.some((r) => r.state === 'cancelled') && now.started >= 2,
			(end) => assert.ok(end.active <= 1)],
	];
	for (const [how, more, fits, check] of rows)
		test(how, async (t) => {
			const slow = await startModel({ replies: [{ text: 'done', delay_ms: 60000, times: 0 }] });
			t.after(() => slow.close());
			const w = world(t);
			const s = await serve(w, { model: slow });
			await add(w, 'slow', '--every', '1s', '--overlap', how, ...more, 'x');
			check(await until(w, 'slow', fits));
			s.kill('SIGKILL');
			await s.done.catch(() => {});
			checkRuns(w);
		});
});

describe('what goes wrong', () => {
	test('a run that cannot begin says why, and after so many it is paused', async (t) => {
		const w = world(t);
		fs.mkdirSync(path.join(w.dir, 'gone'));
		const s = await serve(w);
		await add(w, 'lost', '--every', '1s', '--failures', '2', '-w', path.join(w.dir, 'gone'), 'x');
		fs.rmdirSync(path.join(w.dir, 'gone'));
		const end = await until(w, 'lost', (now) => now.state === 'paused');
		await stop(s);
		assert.equal(end.failed, 2);
		assert.match(end.reason, /2 runs in a row failed/);
		assert.match(end.last_runs[0].reason, /gone/);
		assert.equal(w.events('task.created').length, 0);
	});

	test('a policy that became wrong runs nothing', async (t) => {
		const w = world(t);
		await add(w, 'strict', '--every', '1s', '--failures', '1', '-p', w.policy, 'x');
		fs.writeFileSync(path.join(w.dir, 'other.yaml'), 'version: 1\n');
		fs.writeFileSync(w.policy, 'version: 1\nrules: [{ id: x, permit: tool }]\n');
		const s = w.start(['serve', ...w.places(), '-p', path.join(w.dir, 'other.yaml')], { env: model.env });
		await s.until(/serving/, 'out');
		const end = await until(w, 'strict', (now) => now.state === 'paused');
		await stop(s);
		assert.match(end.last_runs[0].reason, /policy\.yaml:2/);
		assert.equal(w.events('task.created').length, 0);
	});

	test('killed again and again: no instant runs twice, none is without a word', async (t) => {
		const w = world(t);
		await add(w, 'tick', '--every', '1s', '--overlap', 'allow', 'x');
		for (let i = 0; i < 6; i++) {
			const s = w.start(['serve', ...w.places(), '-p', w.policy], { env: model.env });
			await s.until(/serving/, 'out');
			await sleep(300 + i * 237);
			s.kill('SIGKILL');
			await s.done.catch(() => {});
		}
		await schedule(w, 'pause', 'tick');
		const s = await serve(w);
		// What was announced and had not begun is begun now.
		await until(w, 'tick', (now) => now.last_runs.every((r) => r.state !== 'claimed'));
		await stop(s);
		const { fired, created } = checkRuns(w);
		assert.ok(created.length >= 2);
		const failed = w.events('schedule.failed').map((e) => e.data.task);
		for (const f of fired)
			assert.ok(created.some((e) => e.task === f.task) || failed.includes(f.task), `${f.task} never began`);
		// Every second from the first to the last that was decided has a run or a reason.
		const passed = w.events('schedule.passed').map((e) => e.data);
		const last = Math.max(...fired.map((f) => f.instant_us), ...passed.map((p) => p.last_us));
		const first = Math.min(...fired.map((f) => f.instant_us), ...passed.map((p) => p.first_us));
		for (let at = first; at <= last; at += 1000000)
			assert.ok(fired.some((f) => f.instant_us === at) || passed.some((p) => p.first_us <= at && at <= p.last_us), `${at} has no word`);
	});
});

describe('from the terminal', () => {
	const wrong = [
		[['add'], 2, /a name and a goal are wanted/],
		[['add', 'x', '--cron', '61 * * * *', 'goal'], 2, /minute '61'/],
		[['add', 'x', '--cron', '* * L * *', 'goal'], 2, /L \(the last day\)/],
		[['add', 'x', '--every', '1s', '--zone', 'Europe/Berln', 'goal'], 2, /did you mean 'Europe\/Berlin'/],
		[['add', 'x', '--every', '10ms', 'goal'], 2, /a span from 1s/],
		[['add', 'x', 'goal'], 2, /one of cron/],
		[['add', 'x', '--every', '1h', '--cron', '@daily', 'goal'], 2, /one of cron/],
		[['add', 'x', '--at', '2001-01-01', 'goal'], 2, /is past/],
		[['add', 'x', '--every', '1h', ' '], 2, /a goal is wanted/],
		[['add', 'a/b', '--every', '1h', 'goal'], 2, /no name for a schedule/],
		[['add', 'x', '--every', '1h', '-w', '/nowhere', 'goal'], 2, /nowhere/],
		[['add', 'x', '--every', '1h', '-p', '/nowhere.yaml', 'goal'], 3, /nowhere/],
		[['add', 'x', '--every', '1h', '--isolation', 'some', 'goal'], 2, /isolation/],
		[['add', 'x', '--every', '1h', '--overlap', 'maybe', 'goal'], 2, /skip, queue/],
		[['add', 'x', '--every', '1h', '--runs', '0', 'goal'], 2, /runs/],
		[['add', 'there', '--every', '1h', 'goal'], 2, /there is a schedule there already/],
		[['show', 'ther'], 2, /did you mean 'there'/],
		[['remove', 'nothing-like-it'], 2, /there is no schedule/],
		[['pause', 'there', '--reason', 'x'.repeat(5000)], 2, /the reason has more/],
		[['run'], 2, /one schedule is wanted/],
		[['list', 'there'], 2, /one word too many/],
	];
	test('what is wrong says what would be right, and changes nothing', async (t) => {
		const w = world(t);
		await add(w, 'there', '--every', '1h', 'goal');
		const before = w.events().length;
		for (const [args, code, says] of wrong) {
			const done = await schedule(w, ...args);
			assert.equal(done.code, code, `${args.join(' ')}: ${done.err}`);
			assert.match(done.err, says);
			assert.equal(done.out, '');
		}
		assert.equal(w.events().length, before);
		const first = await schedule(w, 'pause', 'there');
		const second = await schedule(w, 'pause', 'there');
		assert.deepEqual([first.code, second.code], [0, 1]);
		assert.match(second.err, /paused already/);
	});

	test('a life: added, changed, resumed, removed, and added anew', async (t) => {
		const w = world(t);
		const added = await add(w, 'life', '--cron', '30 2 * * *', '--zone', 'Europe/Berlin', 'one');
		assert.match(added.err, /start `mishri serve`/);
		await add(w, 'life', '--replace', '--cron', '30 2 * * *', '--zone', 'Asia/Kathmandu', 'two');
		const now = await show(w, 'life');
		assert.equal(now.spec.task.goal, 'two');
		assert.match(now.next[0], /T20:45:00/);
		assert.equal(now.next.length, 5);
		assert.equal(path.isAbsolute(now.spec.task.workspace), true);
		const list = JSON.parse((await schedule(w, 'list', '--json')).out);
		assert.deepEqual(list.map((s) => s.name), ['life']);
		assert.match((await schedule(w, 'list')).out, /life {2}on {2}cron 30 2 \* \* \*, Asia\/Kathmandu\n {4}next \d{4}-\d\d-\d\dT02:30:00\+05:45/);
		for (const order of ['pause', 'resume', 'remove'])
			assert.equal((await schedule(w, order, 'life')).code, 0);
		assert.equal((await schedule(w, 'list', '--json')).out, '[]\n');
		await add(w, 'life', '--every', '1h', 'three');
		assert.deepEqual(w.events().map((e) => e.data.by), Array(6).fill(w.events()[0].data.by));
	});

	test('of another user', { skip: !AM_ROOT }, async (t) => {
		const w = world(t, { as_nobody: true });
		await add(w, 'mine', '--every', '1h', 'x');
		const root = w.start(['schedule', 'add', ...w.places(), 'roots', '-w', w.ws, '--every', '1h', '--user', 'root', 'x'], { as_nobody: false });
		assert.equal((await root.done).code, 0, root.err);
		const done = await schedule(w, 'remove', 'roots');
		assert.equal(done.code, 6, done.err);
		assert.match(done.err, /of user root/);
	});
});
