// Signs of life: who gives them, what follows where one is missed, what `mishri health` says, what a service manager hears.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT, USERS, checkStream, descendants, exited, shell, sleep, startModel, toldModel, world } from './lib.mjs';

const SHIM = path.join(ROOT, 'build/tests/fault/libfault_shim.so');
const needsShim = { skip: !fs.existsSync(SHIM) && 'needs build/tests/fault (no sanitizers)' };

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const health = (w) => w.mishri(['health', '--json', ...w.places()]);
const beatsOf = (run) => JSON.parse(run.out).engines[0].beats;
const family = (run) => {
	const all = descendants(run.pid);
	const below = (list) => all.filter((p) => list.some((q) => q.pid === p.ppid));
	const nurse = all.filter((p) => p.ppid === run.pid);
	return { nurse: nurse[0], warden: below(nurse)[0], cell: below(below(nurse))[0] };
};

// Until `look` gives something.
async function eventually(look, what) {
	for (const end = Date.now() + 30000; Date.now() < end; await sleep(100)) {
		const found = await look();
		if (found)
			return found;
	}
	return assert.fail(`never: ${what}`);
}

describe('mishri health', () => {
	for (const { name, as_nobody } of USERS) {
		test(`an engine at work, as ${name}`, async (t) => {
			const w = world(t, { as_nobody });
			model.setScenario({ replies: [{ calls: [shell('touch begun; while [ ! -e enough ]; do sleep 0.1; done')] }, { text: 'ok' }] });
			const none = await health(w);
			exited(none, 0);
			assert.deepEqual(JSON.parse(none.out).engines, []);
			const run = w.startRun(model, 'x');
			await run.until(/1\.1/);
			const seen = await eventually(async () => {
				const h = await health(w);
				return h.code === 0 && beatsOf(h).some((b) => b.kind === 'tool') ? h : null;
			}, 'the row of the tool');
			const whole = JSON.parse(seen.out);
			assert.equal(whole.healthy, true);
			const [engine] = whole.engines;
			assert.equal(engine.pid, run.pid);
			assert.deepEqual(engine.beats.map((b) => b.kind).sort(), ['cell', 'loop', 'store', 'tool', 'warden']);
			for (const b of engine.beats)
				assert.ok(['ok', 'rest'].includes(b.state) && b.deadline_ms > 0 && (b.age_ms === null || b.age_ms <= b.deadline_ms), JSON.stringify(b));
			assert.equal(engine.beats.find((b) => b.kind === 'tool').name, `${w.task()} 1.1`);
			assert.equal(engine.in_force.level, 'full');
			assert.match(engine.in_force.limits.memory_by, /cgroup v[12]|watchdog/);
			assert.equal(engine.leases, 1);
			assert.deepEqual([engine.tasks.here, engine.tasks.cells, engine.tasks.calls], [1, 1, 1]);
			assert.ok(whole.store.db_bytes > 0 && whole.store.free_bytes > 0 && whole.store.events > 0);
			const text = await w.mishri(['health', ...w.places()]);
			exited(text, 0);
			assert.match(text.out, /healthy[\s\S]*warden[\s\S]*tool/);
			w.write('enough', '');
			exited(await run.done, 0);
		});
	}

	test('an engine that stands still is described from outside', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('sleep 2')] }, { text: 'ok' }] });
		const run = w.startRun(model, 'x');
		await run.until(/1\.1/);
		run.kill('SIGSTOP');
		const seen = await health(w);
		const text = await w.mishri(['health', ...w.places()]);
		run.kill('SIGCONT');
		exited(seen, 1);
		const [engine] = JSON.parse(seen.out).engines;
		assert.equal(engine.answered, false);
		assert.equal(engine.healthy, false);
		assert.match(engine.process.state, /^T/);
		assert.ok(engine.silent_ms >= 0);
		exited(text, 1);
		assert.match(text.out, new RegExp(`pid ${run.pid} .*NOT HEALTHY[\\s\\S]*did not answer in time.*state T`));
		exited(await run.done, 0);
	});

	test('wrong use', async (t) => {
		const w = world(t);
		exited(await w.mishri(['health', 'x', ...w.places()]), 2);
		exited(await w.start(w.runArgs('x', '-m', 'openai/mock', '-c', 'watchdog.loop=1ms'), { env: model.env }).done, 2);
		const far = await w.start(w.runArgs('x', '-m', 'openai/mock', '-c', 'shutdown.deadline=2h'), { env: model.env }).done;
		exited(far, 2);
		assert.match(far.err, /shutdown\.deadline: 2h is too much/);
	});
});

// whom: stopped or killed while call 1.1 runs; the task goes on, and says the truth about that call.
const losses = [
	{ name: 'a warden that is killed is replaced', whom: 'warden', signal: 'SIGKILL', kind: 'warden', action: 'restart' },
	{ name: 'a warden that stands still is replaced', whom: 'warden', signal: 'SIGSTOP', kind: 'warden', action: 'restart', args: ['-c', 'watchdog.warden=3s'] },
	{ name: 'a cell that is killed comes again', whom: 'cell', signal: 'SIGKILL' },
	{ name: 'a cell that stands still is ended and comes again', whom: 'cell', signal: 'SIGSTOP', kind: 'cell', action: 'kill', args: ['-c', 'watchdog.cell=3s'] },
];

describe('what is lost comes again', () => {
	for (const loss of losses) {
		test(loss.name, async (t) => {
			const w = world(t);
			model.setScenario({ replies: [{ calls: [shell('echo 1 >> steps; sleep 60'), shell('echo 2 >> steps')] }, { text: 'went on' }] });
			const run = w.startRun(model, 'x', { args: loss.args ?? [] });
			await run.until(/1\.1/);
			await eventually(() => w.has('steps'), 'the first step');
			const before = descendants(run.pid);
			process.kill(family(run)[loss.whom].pid, loss.signal);
			exited(await run.done, 0);
			assert.equal(run.out, 'went on\n');
			assert.equal(w.read('steps'), '1\n2\n', 'once each');
			const ends = w.events('call.finished').map((e) => e.data.status);
			assert.deepEqual(ends, ['unknown', 'ok']);
			assert.match(toldModel(model)[0], /sandbox ended while this ran/);
			assert.deepEqual(w.events('cell.closed').map((e) => e.data.reason), ['lost', 'finished']);
			assert.equal(w.events('cell.opened').length, 2);
			const missed = w.events('health.missed').map((e) => `${e.data.kind} ${e.data.action}`);
			if (loss.kind)
				assert.ok(missed.includes(`${loss.kind} ${loss.action}`), missed.join());
			if (loss.kind === 'warden')
				assert.ok(w.events('health.recovered').some((e) => e.data.kind === 'warden'));
			w.checkChain();
			await w.leftNothing();
			for (const p of before)
				assert.ok(!fs.existsSync(`/proc/${p.pid}`) || descendants(process.pid).every((q) => q.pid !== p.pid));
		});
	}

	test('who loses one cell after the other stops, and can be resumed', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('echo 1 >> steps; sleep 60')], times: 4 }, { text: 'went on', times: 0 }] });
		const run = w.startRun(model, 'x', { args: ['-c', 'loop.detect=off'] });
		for (let n = 1; n <= 4; n++) {
			await eventually(() => w.has('steps') && w.read('steps').length === 2 * n, `step ${n}`);
			process.kill(family(run).cell.pid, 'SIGKILL');
		}
		exited(await run.done, 1);
		assert.match(run.err, /the sandbox of task .* ended.*--resume/);
		const again = await w.resume(model, w.task()).done;
		exited(again, 0);
		assert.equal(again.out, 'went on\n');
		w.checkChain();
	});

	test('a model that falls silent is cut, and asked again', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ text: 'a'.repeat(200), hang: 'first' }, { text: 'went on' }] });
		const run = await w.run(model, 'x', { args: ['-c', 'model.idle=1s'] });
		exited(run, 0);
		assert.equal(run.out, 'went on\n');
		const [missed] = w.events('health.missed');
		assert.deepEqual([missed.data.kind, missed.data.action, missed.data.name], ['model', 'reconnect', w.task()]);
		assert.equal(w.events('model.failed')[0].data.class, 'transient');
		assert.match(w.events('model.failed')[0].data.message, /nothing came for/);
	});
});

describe('the watchdog', () => {
	test('a loop that stands: where, on stderr at once and as an event once it moves', async (t) => {
		const w = world(t);
		// A program that reads our events and stops reading: the pipe is full, and the loop stands in a write.
		const text = 'x'.repeat(60000);
		model.setScenario({ replies: [...Array.from({ length: 6 }, (_, n) => ({ text, calls: [shell(`echo ${n} >> steps`)] })), { text: 'ok' }] });
		const run = w.startRun(model, 'x', { args: ['--output-format', 'stream-json', '-c', 'watchdog.loop=500ms', '-c', 'loop.detect=off'] });
		run.child.stdout.pause();
		await run.until(/the event loop has stood for/);
		await run.until(/(stream_line|on_event)\+0x/);
		await sleep(200);
		run.child.stdout.resume();
		exited(await run.done, 0);
		checkStream(run.out, { exit: 0 });
		const stood = w.events('health.recovered').find((e) => e.data.kind === 'loop');
		assert.ok(stood.data.stood_ms >= 500);
		assert.ok(stood.data.stack.some((f) => /^(stream_line|on_event)\+0x/.test(f)), stood.data.stack.join('\n'));
		assert.ok(stood.data.stack.some((f) => /event_base_loop/.test(f)));
		assert.equal(w.events('health.missed').find((e) => e.data.kind === 'loop').data.action, 'alarm');
	});

	test('a store that hangs: an alarm, and the work goes on when it writes again', needsShim, async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('echo 1 >> steps; sleep 2')] }, { text: 'ok' }] });
		const run = await w.run(model, 'x', { args: ['-c', 'watchdog.store=500ms'],
			env: { LD_PRELOAD: SHIM, FAULT_CALL: 'sync', FAULT_AT: '9', FAULT_DO: 'HANG', FAULT_MS: '3000', FAULT_PATH: 'mishri.db' } });
		exited(run, 0);
		assert.match(run.err, /the store has written nothing for \d+ ms/);
		assert.match(run.err, /the store writes again/);
		assert.ok(w.events('health.recovered').some((e) => e.data.kind === 'store' && e.data.stood_ms >= 500));
		assert.equal(w.read('steps'), '1\n');
	});

	test('what a service manager hears', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('sleep 3')] }, { calls: [shell('sleep 60')] }, { text: 'ok' }] });
		const socket = path.join(w.dir, 'notify');
		const listener = spawn('python3', ['-uc', `
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(${JSON.stringify(socket)})
print("bound")
while True:
    print(s.recv(4096).decode())
`], { stdio: ['ignore', 'pipe', 'inherit'] });
		t.after(() => listener.kill());
		let heard = '';
		listener.stdout.setEncoding('utf8').on('data', (more) => { heard += more; });
		await eventually(() => heard.includes('bound'), 'the listener');
		const run = w.startRun(model, 'x', { env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000' } });
		await eventually(() => /READY=1/.test(heard), 'ready');
		await eventually(() => heard.split('WATCHDOG=1').length > 3, 'pings');
		// A vital part is silent: no more pings, so that the manager would act.
		await run.until(/2\.1/);
		run.kill('SIGSTOP');
		await sleep(100);
		const before = heard.length;
		await sleep(1500);
		assert.equal(heard.length, before);
		run.kill('SIGCONT');
		run.kill('SIGTERM');
		exited(await run.done, 143);
		await eventually(() => /STOPPING=1/.test(heard), 'stopping');
	});
});
