// Stopping and going on: signals, parking, resume, who holds a task, many at once.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { USERS, checkResult, checkStream, descendants, exited, gone, lines, shell, sleep, startModel, toldModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const moments = [
	{ name: 'while a tool runs', replies: [{ calls: [shell('echo 1 >> steps; sleep 30; echo 2 >> steps')] }, { text: 'went on', times: 0 }], when: /1\.1/, then: /stopped: interrupted/ },
	{ name: 'while a tool ignores it', slow: true, replies: [{ calls: [shell('trap "" TERM INT; echo 1 >> steps; sleep 30 & while :; do wait; done')] }, { text: 'went on', times: 0 }], when: /1\.1/,
		then: /stopped: interrupted/ },
	{ name: 'while the model thinks', replies: [{ hang: 'before' }, { text: 'went on', times: 0 }], when: /task \w/ },
	{ name: 'while the model streams', replies: [{ text: 'a'.repeat(2000), hang: 'first' }, { text: 'went on', times: 0 }], when: /task \w/ },
	{ name: 'while a retry waits', replies: [{ status: 503, headers: { 'retry-after': '3' } }, { text: 'went on', times: 0 }], when: /again in/ },
	{ name: 'with calls yet to come', replies: [{ calls: [shell('echo 1 >> steps; sleep 30'), shell('echo 2 >> steps')] }, { text: 'went on', times: 0 }], when: /1\.1/,
		then: /stopped: interrupted/, steps: '1\n2\n' },
];

describe('an orderly stop', () => {
	for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) {
		for (const moment of moments) {
			test(`${signal} ${moment.name}`, async (t) => {
				const w = world(t);
				model.setScenario({ replies: moment.replies });
				const run = w.startRun(model, 'x', { args: ['--output-format', 'stream-json'] });
				await run.until(moment.when);
				await sleep(300);
				const all = descendants(run.pid);
				const begun = Date.now();
				run.kill(signal);
				await run.done;
				assert.ok(Date.now() - begun < (moment.slow ? 9000 : 3000), `${Date.now() - begun} ms`);
				exited(run, code);
				const events = checkStream(run.out, { state: 'parked', exit: code });
				const task = events[0].task;
				assert.match(run.err, new RegExp(`--resume ${task}`));
				await gone(all);
				await w.leftNothing();
				const types = w.events().map((e) => e.type);
				assert.ok(types.includes('engine.draining'));
				assert.equal(types.filter((type) => type === 'cell.closed').length, types.filter((type) => type === 'cell.opened').length);
				assert.deepEqual(w.sql('select task from leases where until_ms > 0'), []);
				assert.equal(w.events().filter((e) => e.task === task).at(-1).type, 'task.parked');
				if (fs.existsSync(path.join(w.data, 'mishri.db')))
					assert.equal(JSON.parse((await w.mishri(['history', '--json', ...w.places()])).out)[0].state, 'parked');

				const again = await w.resume(model, task, { args: ['--output-format', 'json'] }).done;
				exited(again, 0);
				checkResult(JSON.parse(again.out), { task, state: 'done', result: 'went on' });
				if (moment.then)
					assert.match(toldModel(model)[0], moment.then);
				if (moment.steps)
					assert.equal(w.read('steps'), moment.steps);
				assert.deepEqual(model.invalid, []);
				w.checkChain();
				const last = await w.resume(model, task).done;
				exited(last, 0);
				assert.equal(last.out, 'went on\n');
			});
		}
	}

	test('a second signal ends at once, and the task can go on', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('trap "" TERM; echo 1 >> steps; while :; do sleep 1; done')] }, { text: 'went on' }] });
		const run = w.startRun(model, 'x', { args: ['--output-format', 'stream-json'] });
		await run.until(/1\.1/);
		await sleep(300);
		const all = descendants(run.pid);
		run.kill('SIGINT');
		await sleep(300);
		const begun = Date.now();
		run.kill('SIGINT');
		await run.done;
		assert.ok(Date.now() - begun < 1500, `${Date.now() - begun} ms`);
		exited(run, 130);
		checkStream(run.out, { exit: 130 });
		await gone(all);
		await w.leftNothing();
		const again = await w.resume(model, w.task()).done;
		exited(again, 0);
		assert.equal(again.out, 'went on\n');
		assert.equal(w.read('steps'), '1\n', 'it was not run again');
		assert.match(toldModel(model)[0], /Outcome unknown/);
		w.checkChain();
	});

	test('while a task is taken up again: nothing of it is forgotten', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('echo 1 >> steps; sleep 30')] }, { text: 'went on', times: 0 }] });
		const run = w.startRun(model, 'x');
		await run.until(/1\.1/);
		await sleep(200);
		run.kill('SIGKILL');
		await run.done;
		const task = w.task();
		for (let ms = 0; ms < 60 && w.end() === undefined; ms += 4) {
			const again = w.resume(model, task);
			await sleep(ms);
			again.kill('SIGTERM');
			await again.done;
			assert.ok([143, 0].includes(again.code) || again.signal === 'SIGTERM', `${again.code} ${again.signal} ${again.err}`);
		}
		exited(await w.resume(model, task).done, 0);
		assert.equal(w.read('steps'), '1\n');
		assert.equal(w.events('call.finished')[0].data.status, 'unknown');
		assert.match(toldModel(model)[0], /Outcome unknown/);
		w.checkChain();
		await w.leftNothing();
	});

	test('before anything began', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ text: 'ok', times: 0 }] });
		for (const ms of [0, 2, 5, 10, 20, 30, 40, 60]) {
			const run = w.startRun(model, 'x', { args: ['--output-format', 'stream-json'] });
			await sleep(ms);
			run.kill('SIGTERM');
			await run.done;
			assert.ok(run.code === 143 || run.code === 0 || run.signal === 'SIGTERM', `${run.code} ${run.signal} ${run.err}`);
			if (run.code === 143)
				checkStream(run.out, { exit: 143 });
		}
		await w.leftNothing();
		if (w.hasStore())
			w.checkChain();
	});

	test('SIGTERM to exec reaches the program', async (t) => {
		const w = world(t);
		const run = w.start(['exec', ...w.places(), '-p', w.policy, '-w', w.ws, '--', 'sh', '-c', 'trap "echo caught; exit 5" TERM; echo ready; while :; do sleep 0.1; done']);
		await run.until(/ready/, 'out');
		run.kill('SIGTERM');
		await run.done;
		exited(run, 5);
		assert.match(run.out, /caught/);
		await w.leftNothing();
	});

	test('a closed stdout does not stop the work', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('sleep 0.5; echo 1 >> steps')] }, { text: 'ok' }] });
		const run = w.startRun(model, 'x', { args: ['--output-format', 'stream-json'] });
		run.child.stdout.destroy();
		await run.done;
		assert.equal(w.read('steps'), '1\n');
		assert.equal(w.end().state, 'done');
		assert.equal(run.code, 1, 'but it says that nobody got the result');
	});
});

describe('who holds a task', () => {
	test('a task of a living engine is not taken over', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('sleep 3')] }, { text: 'ok' }] });
		const run = w.startRun(model, 'x');
		await run.until(/1\.1/);
		const other = await w.resume(model, w.task()).done;
		assert.notEqual(other.code, 0);
		assert.match(other.err, new RegExp(`\\b${run.pid}\\b`));
		assert.equal(other.out, '');
		await run.done;
		exited(run, 0);
		assert.equal(w.events('task.resumed').length, 0);
		w.checkChain();
	});

	test('a task of a stopped engine is not taken over before its lease ends', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('sleep 3')] }, { text: 'ok' }] });
		const run = w.startRun(model, 'x');
		await run.until(/1\.1/);
		run.kill('SIGSTOP');
		const other = await w.resume(model, w.task()).done;
		run.kill('SIGCONT');
		assert.match(other.err, new RegExp(`\\b${run.pid}\\b`));
		await run.done;
		exited(run, 0);
	});

	test('a task left by a crash is named by the next run, and only one of two takes it over', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('echo 1 >> steps; sleep 30')] }, { text: 'went on', match: 'Outcome unknown', times: 0 }, { text: 'new', times: 0 }] });
		const run = w.startRun(model, 'the first goal');
		await run.until(/1\.1/);
		await sleep(200);
		const all = descendants(run.pid);
		run.kill('SIGKILL');
		await run.done;
		await gone(all);
		const task = w.task();
		const next = await w.run(model, 'another');
		exited(next, 0);
		assert.match(next.err, new RegExp(`task ${task} was left unfinished \\(the first goal\\).*--resume ${task}`));
		const both = await Promise.all([1, 2].map(() => w.resume(model, task).done));
		assert.ok(both.some((r) => r.code === 0 && r.out === 'went on\n'), both.map((r) => r.err).join('\n'));
		assert.equal(w.read('steps'), '1\n');
		assert.equal(w.events('task.finished').filter((e) => e.task === task).length, 1);
		w.checkChain();
		await w.leftNothing();
	});

	test('resume of what is not there', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ text: 'ok' }] });
		const none = await w.resume(model, '000000000000').done;
		assert.notEqual(none.code, 0);
		exited(await w.run(model, 'x'), 0);
		const run = await w.resume(model, '000000000000').done;
		exited(run, 2);
		assert.match(run.err, /no task|history/);
	});

	test('a resume keeps to the model, the workspace and the policy of the task', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('sleep 30')] }, { calls: [shell('rm steps; pwd > where')] }, { text: 'ok' }] });
		const run = w.startRun(model, 'x');
		await run.until(/1\.1/);
		await sleep(200);
		run.kill('SIGTERM');
		await run.done;
		const again = await w.start(w.resumeArgs(w.task()), { env: model.env, cwd: w.dir }).done;
		exited(again, 0);
		assert.equal(w.read('where'), `${w.ws}\n`);
		assert.match(toldModel(model)[1], /denied by no-deleting/);
		assert.ok(model.requests.every((r) => r.body.model === 'mock'));
	});

	test('a resume whose workspace or policy is gone says so and loses nothing', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('sleep 30')] }, { text: 'ok' }] });
		const run = w.startRun(model, 'x');
		await run.until(/1\.1/);
		await sleep(200);
		run.kill('SIGTERM');
		await run.done;
		const task = w.task();
		fs.renameSync(w.policy, `${w.policy}.away`);
		const noPolicy = await w.resume(model, task).done;
		exited(noPolicy, 3);
		assert.match(noPolicy.err, /policy\.yaml/);
		fs.renameSync(`${w.policy}.away`, w.policy);
		fs.renameSync(w.ws, `${w.ws}.away`);
		const noPlace = await w.start(w.resumeArgs(task), { env: model.env, cwd: w.dir }).done;
		exited(noPlace, 2);
		fs.renameSync(`${w.ws}.away`, w.ws);
		const again = await w.resume(model, task).done;
		exited(again, 0);
	});
});

describe('many at once on one store', () => {
	for (const { name, as_nobody } of USERS) {
		for (const count of [2, 10]) {
			test(`${count} runs, as ${name}`, async (t) => {
				const w = world(t, { as_nobody });
				model.setScenario({ replies: Array.from({ length: count }, (_, i) => [
					{ match: `goal-${i}-end`, calls: [shell(`echo ${i} >> all; echo done > mine-${i}`), shell('true')] },
					{ match: `goal-${i}-end`, calls: [shell('true')] },
					{ match: `goal-${i}-end`, text: `result ${i}` }]).flat() });
				const runs = await Promise.all(Array.from({ length: count }, (_, i) => w.run(model, `goal-${i}-end`, { args: ['--output-format', 'json'] })));
				runs.forEach((run, i) => {
					exited(run, 0);
					assert.equal(JSON.parse(run.out).result, `result ${i}`);
					assert.ok(w.has(`mine-${i}`));
				});
				assert.equal(lines(w.read('all')).length, count);
				assert.equal(JSON.parse((await w.mishri(['history', '--json', ...w.places()])).out).length, count);
				exited(await w.mishri(['audit', 'verify', ...w.places()]), 0);
				w.checkChain();
				await w.leftNothing();
			});
		}
	}

	test('the first runs of a new store, at the same moment', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ text: 'ok', times: 0 }] });
		const runs = await Promise.all(Array.from({ length: 6 }, () => w.run(model, 'x')));
		for (const run of runs)
			exited(run, 0);
		w.checkChain();
	});
});
