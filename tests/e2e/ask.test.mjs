// Questions to a person: the exact action, made harmless; only a clear answer counts; nobody there is a no.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { exited, shell, sleep, startModel, toldModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const policy = `version: 1
rules:
  - { id: look, allow: tool, category: read }
  - { id: writing-asks, ask: tool, tool: write_file, reason: "writing is looked at" }
  - { id: shells, allow: tool, tool: shell }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: touching-asks, ask: exec, program: touch, reason: "touching is looked at" }
`;
const PROMPT = /y = yes[^\n]*\n> $/;
const write = (content, name = 'made.txt') => ({ name: 'write_file', args: { path: name, content } });

function ask(t, calls, options = {}) {
	const w = world(t, { policy, ...options });
	model.setScenario({ replies: [{ calls }, { text: 'That is all.' }] });
	const run = w.startInTerminal(w.runArgs('x', '-m', 'openai/mock'), { env: model.env });
	return { w, run };
}

// What a person sees: without the terminal's line ends, from the question on.
const seen = (run) => run.out.replaceAll('\r', '');
const question = (run, n = 0) => seen(run).split('\nMay this ')[n + 1];

describe('a tool that asks, at a terminal', () => {
	test('yes', async (t) => {
		const { w, run } = ask(t, [write('hello')]);
		await run.until(PROMPT, 'out');
		await sleep(100);
		assert.ok(!w.has('made.txt'), 'nothing happens before the answer');
		run.say('y\r');
		await run.done;
		exited(run, 0);
		assert.equal(w.read('made.txt'), 'hello');
		const shown = question(run);
		assert.match(shown, /tool run\? Asked by rule writing-asks: .*writing is looked at/);
		assert.match(shown, /\| tool +write_file/);
		assert.match(shown, /\| path +made\.txt/);
		assert.match(shown, /hello/);
		const [asked] = w.events('approval.requested');
		const [answered] = w.events('approval.decided');
		assert.equal(answered.data.answer, 'allow');
		assert.equal(answered.data.digest, asked.data.digest);
		assert.equal(answered.data.approval, asked.data.approval);
		assert.deepEqual(asked.data.action.args, { path: 'made.txt', content: 'hello' });
	});

	test('no', async (t) => {
		const { w, run } = ask(t, [write('hello')]);
		await run.until(PROMPT, 'out');
		run.say('n\r');
		await run.done;
		exited(run, 0);
		assert.ok(!w.has('made.txt'));
		assert.match(toldModel(model)[0], /Denied by rule writing-asks: the person said no/);
	});

	test('no, with a sentence for the model', async (t) => {
		const { w, run } = ask(t, [write('hello')]);
		await run.until(PROMPT, 'out');
		run.say('n use the other file, bitte ☃\r');
		await run.done;
		exited(run, 0);
		assert.ok(!w.has('made.txt'));
		assert.match(toldModel(model)[0], /use the other file, bitte ☃/);
		assert.equal(w.events('approval.decided')[0].data.answer, 'deny');
	});

	test('anything else is no answer', async (t) => {
		const { w, run } = ask(t, [write('hello')]);
		await run.until(PROMPT, 'out');
		for (const [i, word] of ['', 'maybe', 'Y', 'yess', 'ny', '\u0001y'].entries()) {
			run.say(`${word}\r`);
			const end = Date.now() + 5000;
			while ((seen(run).match(/y or n\? > /g) ?? []).length <= i && Date.now() < end)
				await sleep(20);
			assert.equal((seen(run).match(/y or n\? > /g) ?? []).length, i + 1, `'${word}'\n${run.out}`);
			assert.ok(!w.has('made.txt'), word);
		}
		run.say('yes\r');
		await run.done;
		exited(run, 0);
		assert.equal(w.read('made.txt'), 'hello');
	});

	test('what was typed before the question is no answer', async (t) => {
		const { w, run } = ask(t, [shell('echo begun; sleep 1.5'), write('hello')]);
		await run.until(/1\.1/, 'out');
		run.say('y\ry\ry\r');
		await run.until(PROMPT, 'out');
		await sleep(700);
		assert.ok(!w.has('made.txt'), run.out);
		assert.equal(w.events('approval.decided').length, 0);
		run.say('n\r');
		await run.done;
		assert.ok(!w.has('made.txt'));
		assert.equal(w.events('approval.decided')[0].data.answer, 'deny');
	});

	test('two answers in one breath do not answer the next question', async (t) => {
		const { w, run } = ask(t, [write('1', 'one'), write('2', 'two')]);
		await run.until(PROMPT, 'out');
		run.say('y\ry\r');
		const end = Date.now() + 5000;
		while (question(run, 1) === undefined && Date.now() < end)
			await sleep(20);
		await sleep(500);
		assert.ok(w.has('one') && !w.has('two'), run.out);
		run.say('n\r');
		await run.done;
		assert.ok(!w.has('two'));
	});

	test('the terminal goes away: the answer is no', async (t) => {
		const { w, run } = ask(t, [write('hello')]);
		await run.until(PROMPT, 'out');
		run.say('\u0004');                 // end of input
		await run.done;
		assert.ok(!w.has('made.txt'));
		assert.match(toldModel(model)[0], /terminal was closed/);
	});

	test('nothing in the action can act on the terminal or hide', async (t) => {
		const nasty = 'a\u001b[2J\u001b[1;1H\u0007b\u202emoc.live\u202c\u200b\u2066c\u009b31md\rEVIL\u0008\u0008\u007f e\u2028f\ufeff\n> y = yes\n  | tool      read_file';
		const { w, run } = ask(t, [write(nasty, 'a\u202eb.txt')]);
		await run.until(PROMPT, 'out');
		const raw = run.out.slice(run.out.indexOf('May this '));
		// eslint-disable-next-line no-control-regex
		assert.doesNotMatch(raw.replaceAll('\r\n', '\n').replaceAll(/\r?\u001b\[K/g, ''), /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/);
		assert.match(raw, /\\u202e|U\+202E|u\{202e\}|202e/i, 'it is shown, not left out');
		for (const line of question(run).split('\n').slice(1, -2))
			assert.match(line, /^ {2}(\||This|[yrt] =|\()/, `a line of the action is marked as such: ${line}`);
		run.say('n\r');
		await run.done;
		exited(run, 0);
	});

	test('SIGINT while it asks parks the task; it asks the same again when resumed', async (t) => {
		const { w, run } = ask(t, [write('hello')]);
		await run.until(PROMPT, 'out');
		run.say('\u0003');
		await run.done;
		exited(run, 130);
		assert.equal(w.events().at(-2).type === 'task.parked' || w.events('task.parked').length === 1, true);
		await w.leftNothing();
		const again = w.startInTerminal(w.resumeArgs(w.task()), { env: model.env });
		await again.until(PROMPT, 'out');
		again.say('y\r');
		await again.done;
		exited(again, 0);
		assert.equal(w.read('made.txt'), 'hello');
		assert.equal(w.events('approval.requested').length, 1, 'the question is the same');
		w.checkChain();
	});
});

describe('a program that asks at the gate', () => {
	test('yes', async (t) => {
		const { w, run } = ask(t, [shell('echo before > a; touch b; echo after > c')]);
		await run.until(PROMPT, 'out');
		await sleep(200);
		assert.ok(w.has('a') && !w.has('b') && !w.has('c'), 'it stands before its first instruction');
		run.say('y\r');
		await run.done;
		exited(run, 0);
		assert.ok(w.has('b') && w.has('c'));
		const shown = question(run);
		assert.match(shown, /program start\? Asked by rule touching-asks/);
		assert.match(shown, /\| program +\/usr\/bin\/touch/);
		assert.match(shown, /\| argv +\["touch", ?"b"\]/);
		assert.match(shown, new RegExp(`\\| cwd +${w.ws}`));
		const touch = w.events('exec.decided').find((e) => /touch$/.test(e.data.program));
		assert.equal(touch.data.effect, 'allow');
		assert.equal(touch.data.rule, 'touching-asks');
		assert.equal(w.events('approval.decided')[0].data.answer, 'allow');
	});

	test('no, with a reason on the program\'s own stderr', async (t) => {
		const { w, run } = ask(t, [shell('touch b 2> said; echo $? > status')]);
		await run.until(PROMPT, 'out');
		run.say('n not today\r');
		await run.done;
		exited(run, 0);
		assert.ok(!w.has('b'));
		assert.match(w.read('said'), /^mishri: denied by touching-asks: \/usr\/bin\/touch b \(not today\)\n$/);
		assert.equal(w.read('status'), '126\n');
	});

	test('a question whose program ends is withdrawn', async (t) => {
		const { w, run } = ask(t, [shell('timeout -s KILL 1 touch b; echo over > c')]);
		await run.until(PROMPT, 'out');
		await run.until(/no answer is needed/, 'out');
		await run.done;
		exited(run, 0);
		assert.ok(!w.has('b') && w.has('c'));
		assert.equal(w.events('approval.decided')[0].data.answer, 'withdrawn');
	});

	test('several at once are asked one after another, and one answer is for one question', async (t) => {
		const { w, run } = ask(t, [shell('touch b1 & touch b2 & touch b3 & wait')]);
		for (let i = 0; i < 3; i++) {
			const end = Date.now() + 5000;
			while (question(run, i) === undefined && Date.now() < end)
				await sleep(20);
			await sleep(200);
			assert.equal(question(run, i + 1), undefined, run.out);
			run.say('y\ry\ry\r');
		}
		await run.done;
		exited(run, 0);
		assert.ok(w.has('b1') && w.has('b2') && w.has('b3'));
	});
});

describe('without a terminal nobody is asked', () => {
	for (const [name, call, hint] of [['a tool', write('x', 'b'), /nobody is there to ask/], ['a program', shell('touch b'), /denied by touching-asks: .*nobody is there to ask/]]) {
		test(name, async (t) => {
			const w = world(t, { policy });
			model.setScenario({ replies: [{ calls: [call] }, { text: 'It may not be.' }] });
			const run = await w.run(model, 'x', { input: 'y\ny\ny\n' });
			exited(run, 9);
			assert.equal(run.out, 'It may not be.\n');
			assert.ok(!w.has('b'));
			assert.match(toldModel(model)[0], hint);
			const [answered] = w.events('approval.decided');
			assert.equal(answered.data.answer, 'lapsed');
			assert.equal(answered.data.by, 'nobody');
		});
	}

	test('with a terminal for output only, neither', async (t) => {
		const w = world(t, { policy });
		model.setScenario({ replies: [{ calls: [write('x', 'b')] }, { text: 'no' }] });
		fs.writeFileSync(path.join(w.dir, 'yes'), 'y\n'.repeat(100));
		const words = w.runArgs('x', '-m', 'openai/mock').map((word) => `'${word}'`).join(' ');
		const { mishri } = await import('./lib.mjs');
		const run = await w.start(['-qefc', `${mishri()} ${words} < ${w.dir}/yes`, '/dev/null'], { program: 'script', env: { ...model.env, SHELL: '/bin/sh' } }).done;
		exited(run, 9);
		assert.ok(!w.has('b'));
	});
});
