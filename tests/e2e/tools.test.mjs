// The tools of an agent through the whole program, with recorded replies: patches, files that change under one's hands,
// long outputs, programs in the background, and what of all that survives a resume.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { USERS, exited, processesOf, shell, sleep, world } from './lib.mjs';

const tool = (name, args) => ({ name, args });
const record = (w, replies) => {
	const file = path.join(w.dir, 'script.jsonl');
	fs.writeFileSync(file, replies.map((r) => JSON.stringify({ agent: '*', ...r })).join('\n') + '\n');
	fs.chmodSync(file, 0o644);
	return `recorded/${file}`;
};
const results = (w) => Object.fromEntries(w.events('call.finished').map((e) => [e.data.call, e.data]));
const content = async (w, call) => {
	const shown = await w.mishri(['events', 'last', '--data', w.data, '--no-user-config', '--json', '--content']);
	exited(shown, 0);
	return shown.out.split('\n').filter(Boolean).map((l) => JSON.parse(l)).filter((e) => e.data.call === call);
};
const work = async (w, replies, ...args) => {
	const run = await w.mishri(w.runArgs('Do it', '-m', record(w, [...replies, { text: 'Done.' }]), ...args));
	exited(run, 0);
	return results(w);
};

for (const { name, as_nobody } of USERS) {
	describe(`as ${name}`, () => {
		test('a patch over several files, and its owner', async (t) => {
			const w = world(t, { files: { 'a.txt': 'one\ntwo\n', 'old.txt': 'x\n' }, as_nobody });
			const patch = '--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n--- /dev/null\n+++ b/d/new.txt\n@@ -0,0 +1 @@\n+hi\n' +
				'--- a/old.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n';
			const done = await work(w, [
				{ calls: [tool('apply_patch', { patch }), tool('apply_patch', { patch })] },
			]);
			assert.equal(done['1.1'].status, 'ok', done['1.1'].output);
			assert.equal(w.read('a.txt'), 'one\n2\n');
			assert.equal(w.read('d/new.txt'), 'hi\n');
			assert.ok(!w.has('old.txt'));
			assert.equal(fs.statSync(path.join(w.ws, 'd/new.txt')).uid, fs.statSync(w.ws).uid);
			assert.deepEqual(done['1.1'].files.map((f) => [f.path, f.sha256 === null]), [['a.txt', false], ['d/new.txt', false], ['old.txt', true]]);
			assert.equal(done['1.2'].status, 'error');
			assert.match(done['1.2'].output, /a\.txt: hunk 1 .* does not fit.*No file was changed/s);
			w.checkChain();
			await w.leftNothing();
		});

		test('what changed since it was read is not overwritten', async (t) => {
			const w = world(t, { files: { 'a.txt': 'one\n', 'b.txt': 'b\n' }, as_nobody });
			const done = await work(w, [
				{ calls: [tool('write_file', { path: 'b.txt', content: 'mine\n' }), tool('read_file', { path: 'a.txt' }), shell('echo other > a.txt')] },
				{ calls: [tool('edit_file', { path: 'a.txt', old: 'o', new: '0' }), tool('write_file', { path: 'a.txt', content: 'mine\n' })] },
				{ calls: [tool('read_file', { path: 'a.txt' }), tool('write_file', { path: 'a.txt', content: 'mine\n' }),
					tool('edit_file', { path: 'a.txt', old: 'mine', new: 'ours' })] },
			]);
			assert.match(done['1.1'].output, /b\.txt: nothing was changed: it exists, and this task has not read it/);
			assert.match(done['2.1'].output, /it was changed since this task last read/);
			assert.match(done['2.2'].output, /it was changed since this task last read/);
			assert.match(done['3.2'].output, /wrote 5 bytes in place of 6/);
			assert.equal(w.read('a.txt'), 'ours\n');
			assert.equal(w.read('b.txt'), 'b\n');
		});

		test('a long output can be read on', async (t) => {
			const w = world(t, { as_nobody });
			const done = await work(w, [
				{ calls: [shell('seq 1 60000; printf "\\033"'), shell('echo short')] },
				{ calls: [tool('read_output', { call: '1.1', offset: 150000, length: 100 }), tool('read_output', { call: '1.2' }),
					tool('read_output', { call: '7.7' }), tool('read_output', { call: 'last' }), tool('read_output', { call: '1.1', offset: 9999999 }),
					tool('read_output', { call: '1.1' })] },
			]);
			const whole = Array.from({ length: 60000 }, (_, i) => `${i + 1}\n`).join('') + '\\x1b';
			const [kept] = (await content(w, '1.1')).filter((e) => e.type === 'output.kept');
			assert.equal(kept.data.text, whole);
			assert.equal(kept.data.size, whole.length);
			const [shown] = (await content(w, '1.1')).filter((e) => e.type === 'call.finished');
			assert.match(shown.data.output, /^\[head and tail; read_output with call "1\.1" shows the rest\]\n1\n2\n.*bytes left out/s);
			assert.ok(shown.data.output.length < 70000);
			assert.equal(done['2.1'].output, `output of 1.1: bytes 150000 to 150100 of ${whole.length}; read on with offset 150100\n${whole.slice(150000, 150100)}`);
			assert.equal(done['2.2'].output, 'output of 1.2: bytes 0 to 6 of 6\nshort\n');
			assert.match(done['2.3'].output, /this task has no call 7\.7/);
			assert.match(done['2.4'].output, /must be the id of a call/);
			assert.match(done['2.5'].output, /offset must be below that/);
			const [first] = (await content(w, '2.6')).filter((e) => e.type === 'call.finished');
			assert.equal(first.data.output, `output of 1.1: bytes 0 to 57344 of ${whole.length}; read on with offset 57344\n${whole.slice(0, 57344)}`);
			w.checkChain();
		});

		test('in the background: start, read, stop', async (t) => {
			const w = world(t, { as_nobody });
			const done = await work(w, [
				{ calls: [tool('background', { action: 'start', command: 'echo up; trap "echo bye; exit 3" TERM; while :; do sleep 0.1; done' })] },
				{ calls: [shell('sleep 0.5; pgrep -c sleep || true'), tool('background', { action: 'read', id: '1.1' }), tool('background', { action: 'read', id: '1.1' })] },
				{ calls: [tool('background', { action: 'stop', id: '1.1' }), tool('background', { action: 'read', id: '1.1' }),
					tool('background', { action: 'read' }), tool('background', { action: 'read', id: '9.9' }), tool('background', { action: 'stop' })] },
			]);
			assert.match(done['1.1'].output, /Started; its id is "1\.1"/);
			assert.match(done['2.2'].output, /^up\n\[it runs, since /);
			assert.match(done['2.3'].output, /^\[no new output\]\n\[it runs/);
			assert.match(done['3.1'].output, /bye\n\[it has ended, with exit status 3\]$/);
			assert.equal(done['3.1'].exit, 3);
			assert.match(done['3.2'].output, /\[no new output\]\n\[it has ended, with exit status 3\]/);
			assert.match(done['3.3'].output, /^1\.1: 0 bytes of new output \[it has ended/);
			assert.match(done['3.4'].output, /There is no '9\.9'/);
			assert.match(done['3.5'].output, /is needed for 'stop'/);
			const of_it = w.events('exec.decided').filter((e) => e.data.call === '1.1').map((e) => path.basename(e.data.program));
			assert.ok(of_it.includes('bash') && of_it.includes('sleep'), 'what it starts is its call\'s');
			await w.leftNothing();
		});

		test('in the background: what ignores SIGTERM is killed, what is denied ends, what is left behind ends with the task', async (t) => {
			const w = world(t, { files: { precious: 'x\n' }, as_nobody });
			const start = (command) => tool('background', { action: 'start', command });
			const done = await work(w, [
				{ calls: [start('trap "" TERM; echo deaf; while :; do sleep 0.1; done'), start('rm precious'), start('sleep 1000'), shell('sleep 0.5')] },
				{ calls: [tool('background', { action: 'stop', id: '1.1' }), tool('background', { action: 'read', id: '1.2' })] },
			]);
			assert.match(done['2.1'].output, /deaf\n\[it has ended, by signal 9/);
			assert.match(done['2.2'].output, /denied by no-deleting.*\[it has ended, with exit status 126\]/s);
			assert.equal(done['2.2'].denied_execs, 1);
			assert.ok(w.has('precious'));
			await w.leftNothing();
		});

		test('no more than eight', async (t) => {
			const w = world(t, { as_nobody });
			const start = tool('background', { action: 'start', command: 'sleep 1000' });
			const done = await work(w, [{ calls: Array(9).fill(start) }, { calls: [tool('background', { action: 'stop', id: '1.1' })] }, { calls: [start] }]);
			assert.match(done['1.9'].output, /Not started: there are 8 in the background/);
			assert.match(done['2.1'].output, /by signal 15/);
			assert.match(done['3.1'].output, /Started/);
			await w.leftNothing();
		});
	});
}

test('after a resume: what was seen and kept is there, what ran is gone and said so', async (t) => {
	const w = world(t, { files: { 'a.txt': 'one\n', 'b.txt': 'b\n' } });
	const model = record(w, [
		{ calls: [tool('read_file', { path: 'a.txt' }), tool('read_file', { path: 'b.txt' }), shell('seq 1 60000'),
			tool('background', { action: 'start', command: 'sleep 1000' }), shell('touch here; sleep 300')] },
		{ calls: [tool('write_file', { path: 'a.txt', content: 'mine\n' }), tool('write_file', { path: 'b.txt', content: 'mine\n' }),
			tool('read_output', { call: '1.3', offset: 100000, length: 20 }), tool('background', { action: 'read', id: '1.4' }),
			tool('background', { action: 'read', id: '1.5' })] },
		{ text: 'Done.' },
	]);
	const first = w.start(w.runArgs('Do it', '-m', model));
	for (let i = 0; !w.has('here'); i++) {
		assert.ok(i < 200 && !first.ended, first.err);
		await sleep(50);
	}
	first.kill('SIGKILL');
	await first.done;
	for (let i = 0; processesOf(w.ws).length > 0; i++) {
		assert.ok(i < 100, 'the cell ends with its engine');
		await sleep(50);
	}
	w.write('b.txt', 'somebody else\n');
	const second = await w.mishri(w.resumeArgs(w.task()));
	exited(second, 0);
	const done = results(w);
	assert.equal(done['1.5'].status, 'unknown');
	assert.match(done['2.1'].output, /wrote 5 bytes in place of 4/);
	assert.match(done['2.2'].output, /it was changed since this task last read/);
	assert.equal(w.read('b.txt'), 'somebody else\n');
	const whole = Array.from({ length: 60000 }, (_, i) => `${i + 1}\n`).join('');
	assert.ok(done['2.3'].output.endsWith(`\n${whole.slice(100000, 100020)}`), done['2.3'].output);
	assert.match(done['2.4'].output, /^1\.4 is gone: it ended when the task was interrupted/);
	assert.match(done['2.5'].output, /There is no '1\.5'/);
	w.checkChain();
	await w.leftNothing();
});

test('stream-json tells of a kept output without its text', async (t) => {
	const w = world(t);
	const run = await w.mishri(w.runArgs('Do it', '-m', record(w, [{ calls: [shell('seq 1 60000')] }, { text: 'Done.' }]),
		'--output-format', 'stream-json'));
	exited(run, 0);
	const kept = run.out.split('\n').filter(Boolean).map((l) => JSON.parse(l)).filter((e) => e.type === 'output.kept');
	assert.equal(kept.length, 1);
	assert.equal(kept[0].data.text, '');
	assert.equal(kept[0].data.size, 348894);
});

test('a cancelled wait for an end ends at once', async (t) => {
	const w = world(t);
	const run = w.start(w.runArgs('Do it', '-m', record(w, [
		{ calls: [tool('background', { action: 'start', command: 'trap "" TERM; touch deaf; while :; do sleep 0.1; done' }), shell('while [ ! -e deaf ]; do sleep 0.1; done; touch here'),
			tool('background', { action: 'stop', id: '1.1' })] }, { text: 'Done.' }])));
	for (let i = 0; !w.has('here'); i++) {
		assert.ok(i < 200 && !run.ended, run.err);
		await sleep(50);
	}
	await sleep(300);
	run.kill('SIGINT');
	await run.done;
	assert.equal(run.code, 130);
	const end = w.events('call.finished').at(-1).data;
	assert.equal(end.call, '1.3');
	assert.equal(end.status, 'killed');
	assert.match(end.output, /by signal 9/);
	await w.leftNothing();
});
