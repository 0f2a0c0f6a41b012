// Several people and terminals at one task at the same moment: every command has one truthful outcome, no word is lost or heard
// twice, nothing is left lying about, and what a task is after a crash is what it was before.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { exited, shell, startModel, world } from './lib.mjs';
import { serve } from './serve-lib.mjs';
import { ALLOW, has, mended, slow, until } from './races.mjs';

const COUNTED = `${ALLOW}limits:\n  - { id: l, on: [TOOL], per: task, rate: 1000/h, over: deny }\n`;
const counted = (on) => COUNTED.replace('[TOOL]', on);
const spoken = (w, task) => w.events('task.steered').filter((e) => e.task === task).map((e) => e.data.text);
const heard = (request, word) => request.body.messages.filter((m) => m.role === 'user' && String(m.content).split('\n').includes(word)).length;

async function running(t, w, model, ...more) {
	const run = w.start(w.runArgs('go', '-m', 'openai/mock', '--max-turns', '100000', '-c', 'loop.detect=off', ...more), { env: model.env });
	await has(w, 'call.started');
	return run;
}
async function forever(t, ...first) {
	const model = await startModel({ replies: [...first, { calls: [shell('sleep 0.1')], times: 0 }] });
	t.after(() => model.close());
	return model;
}

// As `mishri steer` stores it, but without the poke: the engine comes to look by itself, a little later.
const put = (w, kind, text) => w.sql(`insert into inbox (task, time_us, kind, user, body) values ('${w.task()}', ${Date.now() * 1000}, '${kind}',
	'${w.events('task.created')[0].user}', '${JSON.stringify({ word: 'w00000000001', now: false, replan: false, priority: 0, text, question: null })}')`);

describe('two who speak at once', () => {
	for (const service of [false, true])
		test(`from terminals${service ? ' and the API' : ''}: every word is heard once, and one end is the end`, async (t) => {
			const w = world(t, { policy: counted('model') });
			const model = await forever(t);
			let s, run, task;
			if (service) {
				s = await serve(t, w, { env: model.env, args: ['-c', 'loop.detect=off'] });
				task = (await s.post('/v1/tasks', { goal: 'x', workspace: w.ws, model: 'openai/mock', plan: 'never', max_turns: 100000 })).body.task;
				await has(w, 'call.started');
			} else {
				run = await running(t, w, model);
				task = w.task();
			}
			const cli = async (what, ...words) => JSON.parse((await w.mishri([what, ...w.places(), '--json', task, ...words])).out).outcome;
			const api = async (what, body) => (await s.post(`/v1/tasks/${task}/${what}`, body)).body.outcome ?? 'refused';
			const tell = (i) => (service && i % 2 ? api('steer', { text: `word ${i}.`, now: i % 3 === 0 }) : cli('steer', `word ${i}.`, ...(i % 3 ? [] : ['--now'])));
			const other = (i) => [() => cli('pause'), () => cli('resume'), () => cli('priority', String(i)), () => (service ? api('resume', {}) : cli('pause', '--now'))][i % 4]();
			const told = await Promise.all(Array.from({ length: 10 }, (_, i) => Promise.all([tell(i), other(i)])));
			assert.ok(told.every(([outcome]) => outcome === 'done'), JSON.stringify(told));
			await cli('resume');
			const words = Array.from({ length: 10 }, (_, i) => `word ${i}.`);
			await until(() => words.every((word) => heard(model.requests.at(-1), word) > 0), 'all words');
			assert.deepEqual(words.map((word) => heard(model.requests.at(-1), word)), words.map(() => 1));
			assert.deepEqual(spoken(w, task).sort(), words);
			const ends = await Promise.all([cli('cancel'), cli('cancel'), cli('steer', 'late'), cli('pause'), ...(service ? [api('cancel', {})] : [])]);
			await until(() => w.events('task.finished').length === 1, 'the end');
			if (run)
				await run.done;
			assert.equal(w.end().state, 'cancelled');
			assert.equal(ends[0] === 'done' || ends[1] === 'done' || ends[4] === 'done', true, JSON.stringify(ends));
			assert.deepEqual(w.sql('select * from inbox'), [], 'nobody will read what is said to a task that has ended');
			w.checkChain();
		});

	test('where no engine runs the task, one of two ended it, and the other is told so', async (t) => {
		const w = world(t, { policy: ALLOW });
		const model = await forever(t);
		for (let i = 0; i < 3; i++) {
			fs.rmSync(w.data, { recursive: true, force: true });
			const run = await running(t, w, model);
			run.kill('SIGKILL');
			await run.done;
			const task = w.task();
			const outcomes = await Promise.all(Array.from({ length: 6 }, () => w.mishri(['cancel', ...w.places(), '--json', task])));
			assert.deepEqual(outcomes.map((one) => JSON.parse(one.out).outcome).sort(), ['done', ...Array(5).fill('nothing')]);
			assert.equal(w.events('task.cancelled').length, 1);
			exited(await w.mishri(['steer', ...w.places(), task, 'late']), 0);
			assert.deepEqual(w.sql('select * from inbox'), []);
		}
	});

	test('a word that comes while a request is on its way to the disk stands behind it, also after a crash', async (t) => {
		const w = world(t, { policy: counted('model') });
		const model = await forever(t, { calls: [shell('until [ -e one ]; do sleep 0.05; done')] });
		const run = await running(t, w, model);
		slow(w, 'model.requested');
		put(w, 'steer', 'the word');
		w.write('one', '');
		await until(() => model.requests.some((request) => heard(request, 'the word') > 0), 'the word');
		run.kill('SIGKILL');
		await run.done;
		mended(w);
		const events = w.events().filter((e) => ['model.requested', 'task.steered'].includes(e.type)).map((e) => e.type);
		const at = events.indexOf('task.steered');
		assert.equal(model.requests.findIndex((request) => heard(request, 'the word') > 0), at, 'told when the record says so');
		const before = model.requests.at(-1).body.messages;
		const again = w.resume(model, w.task(), { args: ['-c', 'loop.detect=off'] });
		const count = model.requests.length;
		await until(() => model.requests.length > count, 'a request after the crash');
		assert.deepEqual(model.requests[count].body.messages.slice(1, before.length), before.slice(1), 'and the conversation is the same');
		again.kill('SIGKILL');
	});

	test('a cancel while a call is on its way to the disk: it does not begin', async (t) => {
		const w = world(t, { policy: counted('tool') });
		const model = await forever(t, { calls: [shell('until [ -e one ]; do sleep 0.05; done')] }, { calls: [shell('touch begun')] });
		const run = await running(t, w, model);
		slow(w, 'call.started');
		put(w, 'cancel', null);
		w.write('one', '');
		await run.done;
		assert.ok(!w.has('begun'));
		const { status, output } = w.events('call.finished').at(-1).data;
		assert.deepEqual([status, output], ['cancelled', 'Not run: the task was stopped first.']);
		mended(w);
		w.checkChain();
	});
});
