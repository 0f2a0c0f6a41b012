// Limits through the whole program: each ends the call with its own status, says the figure and the key that raises it,
// to the model, to the person and in the events; what belongs to the task ends the task; nothing stays.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { AM_ROOT, USERS, descendants, exited, shell, sleep, world } from './lib.mjs';

const record = (w, replies) => {
	const file = path.join(w.dir, 'script.jsonl');
	fs.writeFileSync(file, replies.map((r) => JSON.stringify({ agent: '*', ...r })).join('\n') + '\n');
	fs.chmodSync(file, 0o644);
	return `recorded/${file}`;
};
const run = (w, replies, ...args) => w.mishri(w.runArgs('Do it', '-m', record(w, [...replies, { text: 'Done.' }]), ...args));
const finished = (w, call) => w.events('call.finished').find((e) => e.data.call === call).data;
const python = (text) => `exec python3 -c '${text}'`;

// A command, the limits, what its call is closed with, and with which limit.
const ROWS = [
	['out_of_memory', 'memory_bytes', python('a = [bytearray(b"x" * (1 << 20)) for i in range(200)]'), ['limits.memory=64M']],
	['process_limit', 'processes', 'f() { f | f & }; f; sleep 20', ['limits.processes=40']],
	['cpu_limit', 'cpu_ms', 'while :; do :; done', ['limits.cpu=300ms']],
	['file_limit', 'file_bytes', 'truncate -s 4G sparse; sleep 20', ['limits.file=1M']],
	['timeout', 'wall_ms', 'sleep 60', ['limits.wall=1s']],
	['output_limit', 'printed_bytes', 'yes', ['limits.output=1M', 'output_limit=2k']],
	['disk_limit', 'tmp_bytes', 'head -c 5000000 /dev/zero > /tmp/x', ['limits.tmp=1M']],
];

for (const { name, as_nobody } of USERS) {
	describe(`as ${name}`, () => {
		test('each limit has an end of its own', async (t) => {
			for (const [status, what, command, limits] of ROWS) {
				const w = world(t, { as_nobody });
				const args = limits.flatMap((pair) => ['-c', pair]);
				const ended = await run(w, [{ calls: [shell(command), shell('echo well')] }], ...args);
				exited(ended, 0);
				const call = finished(w, '1.1');
				assert.equal(call.status, status, `${what}: ${JSON.stringify(call)}`);
				assert.equal(call.limit.what, what);
				assert.ok(call.limit.reached >= call.limit.limit && call.limit.limit > 0, JSON.stringify(call.limit));
				assert.ok(call.output.includes(`more with -c ${call.limit.key}=`), call.output);
				assert.equal(finished(w, '1.2').status, 'ok', 'the cell itself is well');
				if (what !== 'tmp_bytes') {
					const [told] = w.events('resource.exceeded');
					assert.equal(told.data.what, what);
					assert.equal(told.data.status, status);
					assert.match(ended.err, /limit reached.*more with -c limits\./);
				}
				w.checkChain();
				await w.leftNothing();
				w.remove();
			}
		});

		test('without the limits the same ends well', async (t) => {
			const w = world(t, { as_nobody });
			exited(await run(w, [{ calls: [
				shell(ROWS[0][2]), shell('truncate -s 3G sparse && truncate -s 0 sparse'), shell('yes | head -c 3000000'),
				shell('head -c 5000000 /dev/zero > /tmp/x'),
			] }]), 0);
			for (const call of ['1.1', '1.2', '1.3', '1.4'])
				assert.equal(finished(w, call).status, 'ok', finished(w, call).output);
		});

		test('who does not listen is ended all the same, with all that it left', async (t) => {
			const w = world(t, { as_nobody });
			const command = 'trap "" TERM INT HUP; (setsid bash -c "trap \\"\\" TERM; while :; do sleep 1; done" &); while :; do sleep 1; done';
			exited(await run(w, [{ calls: [shell(command, { timeout_s: 1 })] }]), 0);
			assert.equal(finished(w, '1.1').status, 'timeout');
			assert.match(finished(w, '1.1').output, /it ran longer than .* \(timeout_s of the call\)/);
			await w.leftNothing();
		});

		test('what belongs to the task ends the task', async (t) => {
			for (const [pair, what, status, command] of [
				['limits.disk=4M', 'disk_bytes', 'disk_limit', 'while :; do head -c 1000000 /dev/zero > x; done'],
				['limits.task_cpu=1s', 'task_cpu_ms', 'cpu_limit', 'while :; do :; done'],
			]) {
				const w = world(t, { as_nobody });
				const ended = await run(w, [{ calls: [shell(command), shell('touch never')] }], '-c', pair);
				exited(ended, 8);
				assert.equal(finished(w, '1.1').status, status);
				assert.equal(finished(w, '1.1').limit.what, what);
				assert.equal(finished(w, '1.2').status, 'cancelled');
				assert.equal(w.end().state, 'failed');
				assert.match(w.end().result, new RegExp(`The task was ended: .*more with -c ${pair.split('=')[0].replace('.', '\\.')}=`));
				assert.ok(!w.has('never'));
				await w.leftNothing();
			}
		});

		test('the sum over calls counts', async (t) => {
			const w = world(t, { as_nobody });
			const burn = 'i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done';
			exited(await run(w, Array.from({ length: 20 }, () => ({ calls: [shell(burn)] })), '-c', 'limits.task_cpu=1s'), 8);
			const calls = w.events('call.finished').map((e) => e.data);
			assert.ok(calls.length > 1 && calls.length < 20, `${calls.length} calls`);
			assert.ok(calls.slice(0, -1).every((c) => c.status === 'ok'));
			assert.ok(calls.reduce((sum, c) => sum + c.used.cpu_ms, 0) >= 1000);
		});

		test('mishri exec keeps them, too', async (t) => {
			const w = world(t, { as_nobody });
			const args = ['exec', ...w.places(), '-p', w.policy, '--json', '-c', 'limits.processes=30', '--', 'bash', '-c'];
			const ended = await w.mishri([...args, 'for i in {1..60}; do sleep 5 & done; wait']);
			assert.equal(ended.code, 137);
			assert.match(ended.err, /stopped: too many processes: there were 31, the limit is 30; more with -c limits\.processes=60/);
			assert.equal(JSON.parse(ended.err.trim().split('\n').at(-1)).status, 'process_limit');
			exited(await w.mishri([...args, 'for i in {1..10}; do sleep 0.1 & done; wait']), 0);
			await w.leftNothing();
		});

		test('what is in force is written down', async (t) => {
			const w = world(t, { as_nobody });
			exited(await run(w, [{ calls: [shell('true')] }], '-c', 'limits.memory=1G'), 0);
			const { limits } = w.events('cell.opened')[0].data.mechanisms;
			assert.equal(limits.memory_bytes, 1 << 30);
			assert.match(limits.memory_by, /^(cgroup v[12]|watchdog)$/);
			const doctor = JSON.parse((await w.mishri(['doctor', '--json', ...w.places()])).out);
			const row = doctor.find((r) => r.name === 'limits: memory');
			assert.ok(row.ok && row.detail.startsWith(limits.memory_by), row.detail);
		});
	});
}

test('wrong limits are refused, with what would be right', async (t) => {
	const w = world(t);
	for (const [pair, says] of [
		['limits.memory=1k', /too little/], ['limits.memory=much', /must be a size, such as/], ['limits.cpu=-3', /must be a time/],
		['limits.processes=2.5', /must be a whole number/], ['limits.memroy=1G', /did you mean 'limits\.memory'/],
	]) {
		const ended = await w.mishri(w.runArgs('x', '-m', 'openai/mock', '-c', pair));
		exited(ended, 2);
		assert.match(ended.err, says);
	}
});

// Only where this user can make control groups of his own.
test('a control group that a killed engine left goes with the next start', { skip: !AM_ROOT }, async (t) => {
	const w = world(t);
	const probe = JSON.parse((await w.mishri(['doctor', '--json', ...w.places()])).out).find((r) => r.name === 'limits: memory');
	const place = /^cgroup v[12] in (.*)$/.exec(probe.detail)?.[1];
	if (place === undefined)
		return t.skip('no control groups here');
	const running = w.start(w.runArgs('Do it', '-m', record(w, [{ calls: [shell('sleep 86409')] }, { text: 'Done.' }])));
	let groups = [];
	for (const end = Date.now() + 20000; groups.length === 0; await sleep(20)) {
		assert.ok(Date.now() < end, 'no group was made');
		const pids = descendants(running.pid).map((p) => `-${p.pid}-`);
		groups = fs.readdirSync(place).filter((g) => g.startsWith('mishri-') && pids.some((pid) => g.includes(pid)));
	}
	running.kill('SIGKILL');
	await running.done;
	await w.leftNothing();
	exited(await w.mishri(['exec', ...w.places(), '-p', w.policy, '--', 'true']), 0);
	assert.deepEqual(fs.readdirSync(place).filter((g) => groups.includes(g)), []);
});
