// The prompt: what it shows, which keys it offers, and that nothing else answers it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { exited, shell, sleep, startModel, toldModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const rules = (approval = '') => `version: 1
rules:
  - { id: look, allow: tool, category: read }
  - { id: writes, ask: tool, category: write, reason: "writing is looked at"${approval && `, approval: ${approval}`} }
  - { id: shells, allow: tool, tool: shell }
  - { id: programs, allow: exec, program: { from: system } }
`;
const PROMPT = /y = yes[^\n]*\n> $/;
const write = (content, name = 'made.txt') => ({ name: 'write_file', args: { path: name, content } });

async function prompted(t, calls, { approval, files, env = {}, policy } = {}) {
	const w = world(t, { policy: policy ?? rules(approval), files });
	model.setScenario({ replies: [...calls.map((call) => ({ calls: [call] })), { text: 'That is all.' }] });
	const run = w.startInTerminal(w.runArgs('x', '-m', 'openai/mock'), { env: { ...model.env, ...env } });
	await run.until(PROMPT, 'out');
	return { w, run, text: () => run.out.replaceAll('\r', '').slice(run.out.replaceAll('\r', '').lastIndexOf('\nMay this ')) };
}
// Until the prompt stands there again after what was typed.
async function type(run, line, pattern) {
	const from = run.out.length;
	run.say(`${line}\r`);
	for (const end = Date.now() + 10000; !pattern.test(run.out.slice(from).replaceAll('\r', '')); await sleep(20))
		assert.ok(Date.now() < end && !run.ended, `${pattern} never came after '${line}':\n${run.out.slice(from)}`);
	return run.out.slice(from).replaceAll('\r', '');
}
const end = async (run) => { run.say('n\r'); await run.done; };

test('what, why, who, reach and the change, in a frame', async (t) => {
	const { w, run, text } = await prompted(t, [write('one\nTWO\nthree\n', 'old.txt')], { files: { 'old.txt': 'one\ntwo\nthree\n' } });
	const shown = text();
	assert.match(shown, /^\nMay this tool run\? Asked by rule writes: .*writing is looked at/);
	for (const line of [/\| approval +[0-9a-z]{12}\n/, /\| tool +write_file\n/, /\| path +old\.txt\n/, / -two\n/, / \+TWO\n/,
		new RegExp(`\\| cwd +${w.ws}`), /\| for +worker [0-9a-z]{12}\n/, /\| rule +.*policy\.yaml:4\n/, /\| reach +write: fs\.read fs\.write/])
		assert.match(shown, line);
	assert.doesNotMatch(shown, /\| content/, 'the diff says it');
	await end(run);
});

test('only the keys that the rule permits are offered, and taken', async (t) => {
	for (const [approval, offered, refused] of [['{ remember: never }', [], ['t', 's', 'u 7d']], ['{ remember: session }', ['t', 's'], ['u 7d']],
		['{ remember: 30d }', ['t', 's', 'u'], []]]) {
		const { w, run, text } = await prompted(t, [write('x')], { approval });
		for (const key of ['t', 's', 'u'])
			assert.equal(new RegExp(`[ ·] ${key}( DATE)? = `).test(text()), offered.includes(key), `${approval} ${key}`);
		for (const key of refused)
			await type(run, key, /y or n\? > $/);
		assert.ok(!w.has('made.txt'));
		await end(run);
		assert.equal(w.events('grant.made').length, 0);
	}
});

test('t: the same is not asked again in this task', async (t) => {
	const { w, run } = await prompted(t, [write('x'), write('x')]);
	run.say('t\r');
	await run.done;
	exited(run, 0);
	assert.equal(w.events('approval.requested').length, 1);
	assert.match(run.out, /remembered as grant/);
	assert.match(run.out, /allowed as remembered/);
});

test('r: a reason on a line of its own', async (t) => {
	const { run } = await prompted(t, [write('x')]);
	await type(run, 'r', /no, because: $/);
	run.say('the other file, please\r');
	await run.done;
	assert.match(toldModel(model)[0], /Denied by rule writes: the other file, please/);
});

test('e: other arguments, in line; what is no JSON, or against the schema, loses nothing', async (t) => {
	const { w, run } = await prompted(t, [write('x')]);
	await type(run, 'e {"path"', /These are no arguments[^\n]*\n[^]*> $/);
	await type(run, 'e {"file":"a"}', /path[^\n]*\n[^]*> $/);
	await type(run, 'e {"path":"made.txt","content":"x"}', /as they were[^]*> $/);
	run.say('e {"path":"edited.txt","content":"mine"}\r');
	await run.done;
	exited(run, 0);
	assert.equal(w.read('edited.txt'), 'mine');
	assert.ok(!w.has('made.txt'));
});

test('e: in the editor, which gets the terminal and no key', async (t) => {
	const place = fs.mkdtempSync('/tmp/mishri-editor-');
	t.after(() => fs.rmSync(place, { recursive: true, force: true }));
	const editor = path.join(place, 'edit');
	fs.writeFileSync(editor, `#!/bin/sh\nenv > ${place}/env\ntest -t 0 && test -t 1 && echo tty > ${place}/tty\nsed -i 's/"x"/"by hand"/' "$1"\n`, { mode: 0o755 });
	const { w, run } = await prompted(t, [write('x')], { env: { EDITOR: editor, OPENAI_API_KEY: 'sk-editor-secret' } });
	run.say('e\r');
	await run.done;
	exited(run, 0);
	assert.equal(w.read('made.txt'), 'by hand');
	assert.equal(fs.readFileSync(path.join(place, 'tty'), 'utf8'), 'tty\n');
	assert.doesNotMatch(fs.readFileSync(path.join(place, 'env'), 'utf8'), /sk-editor-secret/);
});

test('e without an editor says how; ? explains; d shows all of it', async (t) => {
	const long = Array.from({ length: 400 }, (_, i) => `line ${i}`).join('\n');
	const { w, run, text } = await prompted(t, [write(long)], { env: { EDITOR: '', VISUAL: '' } });
	assert.match(text(), /line 0\n/);
	assert.match(text(), /line 399\n/);
	assert.doesNotMatch(text(), /line 200\n/);
	assert.match(text(), /of 40\d lines of this, \d+ bytes in all, are left out here: d shows everything/);
	assert.ok(text().split('\n').length < 60, 'nothing is pushed out of view');
	await type(run, 'e', /behind the e, as JSON[^]*> $/);
	assert.match(await type(run, '?', /> $/), /bound to: [0-9a-f]{64}/);
	let all = await type(run, 'd', /enough > $/);
	for (let i = 0; i < 60 && /enough > $/.test(all); i++)
		all += await type(run, '', /(enough|model why)[^]*> $/);
	assert.match(all, /line 200\n/);
	assert.ok(!w.has('made.txt'), 'paging answers nothing');
	await end(run);
	assert.ok(!w.has('made.txt'));
});

test('high risk: Enter is a no, and nothing is remembered', async (t) => {
	const policy = rules().replace('category: write', 'category: write, risk: [low]').replace('  - { id: shells, allow: tool, tool: shell }',
		'  - { id: shells, allow: tool, tool: shell }\n  - { id: deleting, ask: exec, program: touch, approval: { remember: never } }\n  - { id: risky, ask: tool, risk: high, tool: "write_file" }');
	const { w, run } = await prompted(t, [write('x')], { policy });
	await type(run, '', /y or n\? > $/);
	await end(run);
	assert.ok(!w.has('made.txt'));
});

test('look-alikes and a wall of text stay inside the frame', async (t) => {
	const nasty = `${'\n'.repeat(300)}  | rule      allowed\n> y\n\u001b[2Jр\u0430у`;
	const { run, text } = await prompted(t, [{ name: 'write_file', args: { path: 'p\u0430y.txt', content: nasty } }]);
	assert.match(text(), /\| path +p<U\+0430>y\.txt/);
	assert.ok(text().split('\n').length < 60);
	for (const line of text().split('\n').slice(2, -5))
		assert.match(line, /^ {2}(\| |\(\d)/, line);
	await end(run);
});

test('a program that is held: r, and t for the same to the byte', async (t) => {
	const policy = rules().replace('  - { id: programs', '  - { id: touching, ask: exec, program: touch }\n  - { id: programs');
	const { w, run } = await prompted(t, [shell('touch a; touch a; touch b')], { policy });
	run.say('t\r');
	await run.until(/\["touch", ?"b"\][^]*why\r?\n> $/, 'out');
	await type(run, 'r not b', /That is all/);
	await run.done;
	exited(run, 0);
	assert.ok(w.has('a') && !w.has('b'));
	assert.equal(w.events('grant.used').length, 1);
});

describe('over a pipe', () => {
	test('there is no prompt, whatever comes down it', async (t) => {
		const w = world(t, { policy: rules() });
		model.setScenario({ replies: [{ calls: [write('x')] }, { text: 'ok' }] });
		const run = await w.run(model, 'x', { input: 'y\n'.repeat(50) });
		exited(run, 9);
		assert.doesNotMatch(run.err, /May this/);
		assert.ok(!w.has('made.txt'));
	});
});
