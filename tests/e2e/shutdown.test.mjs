// The end of an engine that does not come easily: calls that ignore it, a deadline, a terminal that is gone, a reader that
// stopped reading, a store that hangs, a disk that is full, an engine that was stopped for longer than its lease.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { append, checkSteps, steps } from './effects.mjs';
import { AM_ROOT, ROOT, USERS, checkStream, descendants, exited, gone, lines, mishri, shell, sleep, startModel, toldModel, world } from './lib.mjs';

const SHIM = path.join(ROOT, 'build/tests/fault/libfault_shim.so');
const needsShim = { skip: !fs.existsSync(SHIM) && 'needs build/tests/fault (no sanitizers)' };

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

// What a program may do so as not to be ended: signals ignored, a session of its own, a parent that is gone, the output held open.
const STUBBORN = 'trap "" TERM INT HUP; (setsid sh -c \'trap "" TERM INT HUP; sleep 300\' &) ; (sh -c \'trap "" TERM; sleep 300\' &) ; ' +
	'echo 1 >> steps; while :; do sleep 1; done';

describe('a stop has a deadline', () => {
	for (const { name, as_nobody } of USERS) {
		test(`programs that ignore every signal, as ${name}`, async (t) => {
			const w = world(t, { as_nobody });
			model.setScenario({ replies: [{ calls: [shell(STUBBORN)] }, { text: 'went on', times: 0 }] });
			const run = w.startRun(model, 'x', { args: ['--output-format', 'stream-json', '-c', 'shutdown.deadline=3s'] });
			await run.until(/1\.1/);
			while (!w.has('steps'))
				await sleep(50);
			const all = descendants(run.pid);
			run.kill('SIGTERM');
			await run.done;
			exited(run, 143);
			checkStream(run.out, { state: 'parked', exit: 143 });
			assert.match(run.err, /stopping, \d s left \(SIGTERM again: at once\); waits for call 1\.1 \(shell\) of task \w+ to end/);
			await gone(all);
			await w.leftNothing();
			assert.deepEqual(w.sql('select task from leases where until_ms > 0'), []);
			exited(await w.resume(model, w.task()).done, 0);
			assert.equal(w.read('steps'), '1\n');
			assert.match(toldModel(model)[0], /stopped: interrupted/);
			w.checkChain();
		});
	}

	// A pid 1 that stands still takes no request: nothing of the call ends before the deadline.
	test('the deadline itself: what is not at rest then is left, and can be resumed', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('echo 1 >> steps; sleep 60')] }, { text: 'went on', times: 0 }] });
		const run = w.startRun(model, 'x', { args: ['--output-format', 'stream-json', '-c', 'shutdown.deadline=1s'] });
		await run.until(/1\.1/);
		while (!w.has('steps'))
			await sleep(50);
		const all = descendants(run.pid);
		const nurse = all.find((p) => p.ppid === run.pid);
		const warden = all.find((p) => p.ppid === nurse.pid);
		process.kill(all.find((p) => p.ppid === warden.pid).pid, 'SIGSTOP');
		run.kill('SIGTERM');
		await run.done;
		exited(run, 143);
		checkStream(run.out, { exit: 143 });
		assert.match(run.err, /the time for stopping is over/);
		await gone(all);
		await w.leftNothing();
		exited(await w.resume(model, w.task()).done, 0);
		assert.equal(w.read('steps'), '1\n');
		assert.equal(w.events('call.finished')[0].data.status, 'unknown');
		w.checkChain();
	});
});

describe('a terminal that is gone', () => {
	test('SIGHUP is a stop like the others', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('sleep 30')] }, { text: 'went on' }] });
		const run = w.startRun(model, 'x', { args: ['--output-format', 'stream-json'] });
		await run.until(/1\.1/);
		run.kill('SIGHUP');
		await run.done;
		exited(run, 129);
		checkStream(run.out, { state: 'parked', exit: 129 });
		assert.equal(w.events('engine.draining')[0].data.signal, 'SIGHUP');
		exited(await w.resume(model, w.task()).done, 0);
		await w.leftNothing();
	});

	test('the terminal is closed while it runs: the task is parked', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('sleep 30')] }, { text: 'went on' }] });
		const run = w.startInTerminal(w.runArgs('x', '-m', 'openai/mock'), { env: model.env });
		await run.until(/1\.1/, 'out');
		const all = descendants(run.pid);
		run.kill('SIGKILL');           // script(1), and with it the other side of the terminal
		await run.done;
		await gone(all, 10000);
		assert.equal(w.events('task.parked').length, 1);
		assert.equal(w.events('engine.draining')[0].data.signal, 'SIGHUP');
		exited(await w.resume(model, w.task()).done, 0);
	});

	test('under nohup it goes on', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('sleep 1')] }, { text: 'went on' }] });
		const words = [mishri(), ...w.runArgs('x', '-m', 'openai/mock')].map((x) => `'${x}'`).join(' ');
		const run = w.start(['-c', `trap "" HUP; exec ${words}`], { program: '/bin/sh', env: model.env });
		await run.until(/1\.1/);
		run.kill('SIGHUP');
		exited(await run.done, 0);
		assert.equal(run.out, 'went on\n');
	});
});

describe('what does not move', () => {
	test('a reader that stopped reading, and a stop: it ends all the same', async (t) => {
		const w = world(t);
		const text = 'x'.repeat(60000);
		model.setScenario({ replies: [...Array.from({ length: 8 }, () => ({ text, calls: [shell('echo 1 >> steps')] })), { text: 'went on', times: 0 }] });
		const run = w.startRun(model, 'x', { args: ['--output-format', 'stream-json', '-c', 'watchdog.loop=500ms', '-c', 'shutdown.deadline=1s', '-c', 'loop.detect=off'] });
		run.child.stdout.pause();
		await run.until(/the event loop has stood for/);
		const all = descendants(run.pid);
		run.kill('SIGTERM');
		await run.until(/the deadline of the stop is over, and it is not over: the event loop stands/);
		run.child.stdout.resume();
		await run.done;
		exited(run, 143);
		await gone(all);
		await w.leftNothing();
		const again = await w.resume(model, w.task(), { args: ['-c', 'loop.detect=off'] }).done;
		exited(again, 0);
		const started = w.events('call.started').length;
		assert.equal(w.read('steps'), '1\n'.repeat(w.events('call.finished').filter((e) => e.data.status === 'ok').length));
		assert.ok(started > 0);
		w.checkChain();
	});

	test('a store that hangs, and a stop: a result, the end, and all of it can be resumed', needsShim, async (t) => {
		const w = world(t);
		model.setScenario({ replies: steps(5, append) });
		const run = w.startRun(model, 'x', { args: ['--output-format', 'stream-json', '-c', 'shutdown.deadline=1s'],
			env: { LD_PRELOAD: SHIM, FAULT_CALL: 'sync', FAULT_AT: '12', FAULT_FROM: '1', FAULT_DO: 'HANG', FAULT_MS: '600000', FAULT_PATH: 'mishri.db' } });
		await run.until(/task \w/);
		await sleep(1500);
		const all = descendants(run.pid);
		run.kill('SIGTERM');
		await run.done;
		exited(run, 143);
		checkStream(run.out, { exit: 143 });
		assert.match(run.err, /waits for the store/);
		assert.match(run.err, /the store does not answer/);
		await gone(all);
		await w.leftNothing();
		exited(await w.resume(model, w.task()).done, 0);
		checkSteps(w, 5);
	});
});

// A file system of 4 MiB as the data directory, in mounts that only this process and what enters them can see.
async function smallDisk(t, w) {
	fs.mkdirSync(w.data);
	const holder = spawn('unshare', ['-m', 'sh', '-c', `mount -t tmpfs -o size=4m,mode=700 none '${w.data}' && echo ready && exec sleep 600`]);
	t.after(() => holder.kill('SIGKILL'));
	await new Promise((done, failed) => {
		holder.stdout.once('data', done);
		holder.once('exit', () => failed(new Error('no small file system')));
	});
	w.enter = ['nsenter', '-m', '-t', String(holder.pid), '--'];
	const inside = (script) => spawnSync('nsenter', ['-m', '-t', String(holder.pid), '--', 'sh', '-c', script]);
	return { fill: () => inside(`cat /dev/zero > '${w.data}/filler'`), free: () => inside(`rm '${w.data}/filler'`) };
}

describe('a full disk', { skip: !AM_ROOT && 'mounts a small file system' }, () => {
	for (const stop of [false, true]) {
		test(`really full${stop ? ', and a stop' : ''}: it says so, and goes on when there is room`, async (t) => {
			const w = world(t);
			const disk = await smallDisk(t, w);
			model.setScenario({ replies: [{ calls: [shell('echo 1 >> steps')] }, { calls: [shell('echo 2 >> steps; while [ ! -e go ]; do sleep 0.1; done')] },
				{ text: 'x'.repeat(200000), calls: [shell('echo 3 >> steps')] }, { text: 'went on', times: 0 }] });
			const run = w.startRun(model, 'x', { args: ['--output-format', 'stream-json', '-c', 'shutdown.deadline=2s'] });
			await run.until(/2\.1/);
			while (w.read('steps') !== '1\n2\n')
				await sleep(50);
			disk.fill();
			const well = await w.mishri(['health', '--json', ...w.places()]);
			exited(well, 1);
			assert.equal(JSON.parse(well.out).store.healthy, false, 'too little room is no health');
			if (stop)
				run.kill('SIGTERM');
			else
				w.write('go', '');
			await run.done;
			assert.ok([1, 143].includes(run.code), `${run.code} ${run.err}`);
			const result = lines(run.out).at(-1);
			checkStream(run.out, { exit: run.code });
			assert.ok(run.code === 143 || /full|space/i.test(result.result), run.out.slice(-500));
			assert.equal(w.read('steps'), '1\n2\n', 'nothing began that was not written down');
			disk.free();
			w.write('go', '');
			const again = await w.resume(model, w.task()).done;
			exited(again, 0);
			assert.equal(again.out, 'went on\n');
			assert.match(w.read('steps'), /^1\n2\n(3\n)?$/, 'nothing is repeated');
			exited(await w.mishri(['audit', 'verify', ...w.places()]), 0);
			w.checkChain();
		});
	}
});

describe('an engine that was stopped for longer than its lease', () => {
	test('what it still wants to do is refused; it says so, and does nothing', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('echo 1 >> steps; while [ ! -e go ]; do sleep 0.1; done; echo late >> late')] },
			{ text: 'went on', times: 0 }] });
		const old = w.startRun(model, 'x', { args: ['--output-format', 'stream-json'] });
		await old.until(/1\.1/);
		while (!w.has('steps'))
			await sleep(50);
		const task = w.task();
		old.kill('SIGSTOP');
		const early = await w.resume(model, task).done;
		assert.notEqual(early.code, 0, 'its lease still counts');
		w.sql('update leases set until_ms = 1');  // as 45 seconds would
		const taken = await w.resume(model, task).done;
		exited(taken, 0);
		assert.equal(taken.out, 'went on\n');
		const events = w.events().length;
		w.write('go', '');
		old.kill('SIGCONT');
		await old.done;
		exited(old, 1);
		const all = checkStream(old.out, { exit: 1 });
		assert.ok(!all.some((e) => e.type === 'task.finished'));
		assert.match(lines(old.out).at(-1).result, /another engine has taken it over|lease/);
		const since = w.events().slice(events).filter((e) => e.task === task);
		assert.deepEqual(since, [], 'it wrote nothing more about the task');
		assert.equal(w.events('call.finished')[0].data.status, 'unknown');
		assert.equal(w.events('task.finished').length, 1);
		exited(await w.mishri(['audit', 'verify', ...w.places()]), 0);
		w.checkChain();
		await w.leftNothing();
	});
});
