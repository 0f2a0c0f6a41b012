// mishri chat: through tmux with real keys, at 80 columns; and without a terminal.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AM_ROOT, exited, shell, startModel, world } from './lib.mjs';
import { chatArgs, openChat, Terminal } from './terminal.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const asking = `version: 1
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: writing-asks, ask: tool, tool: write_file, reason: "writing is looked at" }
`;

const open = (t, options, ...args) => openChat(t, model, options, ...args);
const told = () => model.requests.map((r) => JSON.stringify(r.body.messages));
const count = (text, pattern) => (text.match(pattern) ?? []).length;

describe('chat in a terminal', () => {
	test('what is typed is answered as Markdown, and the next message knows it', async (t) => {
		model.setScenario({ replies: [{ text: '# Plan\n\nUse **bold** and `code`.\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 漢字 | x |\n' },
			{ text: 'The second answer.' }] });
		const { w, term } = await open(t, {}, '--session', 'first');
		term.say('hello there');
		await term.until(/• two[^]*漢字 +x[^]*ready/);
		assert.match(term.coloured(), /\x1b\[[0-9;]*1[0-9;]*mbold/);
		assert.doesNotMatch(term.all(), /\*\*bold/);
		assert.equal(count(term.all(), /• one/g), 1, 'the result is not printed twice');
		term.say('and now');
		await term.until(/The second answer\.[^]*ready/);
		const last = told().at(-1);
		assert.ok(last.includes('hello there') && last.includes('Use **bold**') && last.includes('and now'), last);
		assert.equal(new Set(w.events('task.created').map((e) => e.session)).size, 1);
		assert.equal(w.events('task.forked').length, 1);
		await term.leave();
		w.checkChain();
	});

	test('a question in place: no, then yes', async (t) => {
		const write = (name) => ({ name: 'write_file', args: { path: name, content: 'x\n' } });
		model.setScenario({ replies: [{ calls: [write('one')] }, { calls: [write('two')] }, { text: 'Both tried.' }] });
		const { w, term } = await open(t, { policy: asking });
		term.say('write');
		await term.until(/path +one[^]*y = yes/);
		term.say('n');
		await term.until(/path +two[^]*y = yes/);
		assert.ok(!w.has('one'));
		term.say('y');
		await term.until(/Both tried\.[^]*ready/);
		assert.equal(w.read('two'), 'x\n');
		await term.leave();
	});

	test('at a question: Ctrl-C stops nothing and says so, again it leaves; Ctrl-D is a no', async (t) => {
		const write = (name) => ({ name: 'write_file', args: { path: name, content: 'x\n' } });
		model.setScenario({ replies: [{ calls: [write('one')] }, { text: 'Not written.' }, { calls: [write('two')] }, { text: 'Written.' }] });
		const w = world(t, { policy: asking });
		const term = new Terminal(t, w, chatArgs(w, '--session', 'asked'), { model, inShell: true });
		await term.until(/ready/);
		term.say('write');
		await term.until(/path +one[^]*y = yes/);
		term.keys('C-d');
		await term.until(/Not written\.[^]*ready/);
		assert.ok(!w.has('one'));
		term.say('again');
		await term.until(/path +two[^]*y = yes/);
		term.keys('C-c');
		await term.until(/The question waits/);
		term.say('y');
		await term.until(/Written\.[^]*ready/);
		assert.equal(w.read('two'), 'x\n');
		model.setScenario({ replies: [{ calls: [write('three')] }, { text: 'Later.' }] });
		term.say('once more');
		await term.until(/path +three[^]*y = yes/);
		term.keys('C-c');
		await term.until(/waits[^]*waits/);
		term.keys('C-c');
		await term.until(/go on with: mishri chat --session asked/);
		term.say('echo left with $?');
		await term.until(/left with 130/);
		await term.close();
		assert.ok(!w.has('three'));
	});

	test('a change that is allowed is shown as a diff, in colour', async (t) => {
		model.setScenario({ replies: [{ calls: [{ name: 'write_file', args: { path: 'two', content: 'x\n' } }] }, { text: 'Written.' }] });
		const { term } = await open(t);
		term.say('write');
		await term.until(/Written\.[^]*ready/);
		assert.match(term.coloured(), /\x1b\[32m\+x/);
		await term.leave();
	});

	test('what is written while it works is told to it', async (t) => {
		model.setScenario({ replies: [{ calls: [shell('sleep 3')] }, { text: 'I heard you.' }] });
		const { w, term } = await open(t);
		term.say('begin');
		await term.until(/1\.1 +shell/);
		term.say('use the blue one');
		await term.until(/I heard you\.[^]*ready/);
		assert.ok(told().at(-1).includes('use the blue one'));
		assert.equal(w.events('task.steered').length, 1);
		assert.equal(w.events('task.created').length, 1);
		await term.leave();
	});

	test('Esc stops a call, Enter goes on; Esc twice ends the task', async (t) => {
		model.setScenario({ replies: [{ calls: [shell('sleep 500')] }, { text: 'It was stopped.' }, { calls: [shell('sleep 501')] },
			{ text: 'never said' }] });
		const { w, term } = await open(t);
		term.say('begin');
		await term.until(/1\.1 +shell +sleep 500/);
		term.keys('Escape');
		await term.until(/stopped · Enter goes on/);
		term.keys('Enter');
		await term.until(/It was stopped\.[^]*ready/);
		term.say('again');
		await term.until(/sleep 501/);
		term.keys('Escape');
		await term.until(/sleep 501[^]*stopped · Enter goes on/, () => term.all());
		term.keys('Escape');
		await term.until(/ended[^]*ready · \/help/);
		assert.deepEqual(w.events('task.finished').map((e) => e.data.state), ['done', 'cancelled']);
		await term.leave();
	});

	test('Ctrl-C twice leaves; the chat goes on by its name', async (t) => {
		model.setScenario({ replies: [{ calls: [shell('sleep 500')] }, { text: 'Here I am again.' }] });
		const { w, term } = await open(t, {}, '--session', 'kept');
		term.say('begin');
		await term.until(/1\.1 +shell/);
		term.keys('C-c');
		await term.until(/Ctrl-C again leaves/);
		term.keys('C-c');
		await term.until(/chat --session kept[^]*left with 130/);
		await term.close();
		const again = new Terminal(t, w, chatArgs(w, '--session', 'kept'), { model });
		await again.until(/which goes on[^]*Here I am again\.[^]*ready/);
		assert.equal(w.events('task.created').length, 1);
		await again.leave();
	});

	test('a chat whose process was killed goes on by its name', async (t) => {
		model.setScenario({ replies: [{ text: 'The number is 4711.' }, { text: 'As I said.' }] });
		const { w, term } = await open(t, {}, '--session', 'killed');
		term.say('tell me');
		await term.until(/4711[^]*ready/);
		const [engine] = w.events('engine.started');
		process.kill(engine.data.pid, 'SIGKILL');
		await term.until(/left with 137/);
		await term.close();
		const again = new Terminal(t, w, chatArgs(w, '--session', 'killed'), { model });
		await again.until(/ready · \/help/);
		again.say('what was it?');
		await again.until(/As I said\.[^]*ready/);
		assert.ok(told().at(-1).includes('4711'));
		await again.leave();
	});

	test('editing: paste of many lines, history, search, wide characters', async (t) => {
		model.setScenario({ replies: [{ text: 'one' }, { text: 'two' }, { text: 'three' }, { text: 'four' }] });
		const { term } = await open(t);
		term.paste('first line\nsecond line\n\tthird');
		await term.until(/> first line\n {2}second line\n {6}third/);
		assert.equal(model.requests.length, 0, 'a paste sends nothing');
		term.keys('Enter');
		await term.until(/\none[^]*ready/);
		assert.ok(told()[0].includes('first line\\nsecond line\\n\\tthird'));
		term.type('日本語x');
		term.keys('Left', 'BSpace');
		term.type('é');
		await term.until(/> 日本éx/);
		term.keys('Enter');
		await term.until(/\ntwo[^]*ready/);
		term.keys('Up');
		await term.until(/> 日本éx/, () => term.screen().split('ready').at(-1));
		term.keys('C-u', 'C-r');
		term.type('second');
		await term.until(/search: second/);
		term.keys('Enter');
		await term.gone(/search: /);
		term.keys('Enter');
		await term.until(/\nthree[^]*ready/);
		assert.ok(told().at(-1).split('second line').length > 2);
		await term.leave();
	});

	test('slash commands', async (t) => {
		model.setScenario({ replies: [{ text: 'done' }] });
		const { term } = await open(t);
		term.say('go');
		await term.until(/\ndone[^]*ready/);
		for (const [line, seen] of [['/help', /\/queue +TEXT/], ['/plan', /There is no plan/], ['/cost', /total +1/], ['/approvals', /.{5}/],
			['/policy', /no-deleting/], ['/tools', /read_file/], ['/undo', /nothing that can be undone/], ['/model nobody/x', /nobody/],
			['/modle', /did you mean \/model/], ['/clear', /A new conversation/]]) {
			term.say(line);
			await term.until(seen);
		}
		term.say('/exit');
		await term.until(/left with 0/);
		await term.close();
		assert.equal(model.requests.length, 1, 'no command reaches the model');
	});

	test('resized while it works, and narrow', async (t) => {
		model.setScenario({ replies: [{ calls: [shell('sleep 2')] }, { text: `${'wide '.repeat(30)}end.` }] });
		const { term } = await open(t);
		term.say('go');
		await term.until(/1\.1 +shell/);
		term.tmux('resize-window', '-x', 50, '-y', 15);
		await term.until(/end\.[^]*ready/);
		for (const line of term.screen().split('\n'))
			assert.ok(line.length <= 50, line);
		assert.equal(count(term.screen(), /ready · \/help/g), 1, term.screen());
		await term.leave();
	});

	test('text of a model cannot draw: no escape sequence, no forged question', async (t) => {
		model.setScenario({ replies: [{ text: 'a\x1b[2J\x1b[31mred\x1b]0;title\x07 \x9b2J\r\nforged\u202e' }] });
		const { term } = await open(t);
		term.say('go');
		await term.until(/forged[^]*ready/);
		assert.match(term.all(), /> go/, 'nothing above was cleared');
		assert.doesNotMatch(term.coloured(), /\x1b\[31mred/);
		await term.leave();
	});

	test('a screen reader gets whole lines, and nothing is painted over', async (t) => {
		model.setScenario({ replies: [{ text: 'Spoken.' }] });
		const w = world(t);
		const run = w.startInTerminal(chatArgs(w, '--screen-reader'), { env: model.env });
		await run.until(/Ctrl-D leaves/, 'out');
		run.say('hello\r');
		await run.until(/Spoken\./, 'out');
		run.say('/exit\r');
		await run.done;
		exited(run, 0);
		assert.doesNotMatch(run.out, /\x1b\[[0-9]*[ABCDHJK]/);
	});

	test('NO_COLOR: no colours', async (t) => {
		model.setScenario({ replies: [{ text: 'some **bold** text' }] });
		const { term } = await open(t, { env: { NO_COLOR: '1' } });
		term.say('go');
		await term.until(/some bold text[^]*ready/);
		assert.doesNotMatch(term.coloured(), /\x1b\[[0-9;]*[1-9]m/);
		await term.leave();
	});
});

describe('chat without a terminal', () => {
	test('each line is a message, in order; exit code of the last', async (t) => {
		model.setScenario({ replies: [{ text: 'answer 1' }, { text: 'answer 2' }] });
		const w = world(t);
		const run = await w.mishri(chatArgs(w, '--session', 's'), { input: 'one\ntwo\n', env: model.env });
		exited(run, 0);
		assert.equal(run.out, 'answer 1\nanswer 2\n');
		assert.ok(told().at(-1).includes('answer 1'));
	});

	test('--json: one object for each message', async (t) => {
		model.setScenario({ replies: [{ text: 'answer 1' }] });
		const w = world(t);
		const run = await w.mishri(chatArgs(w, '--json'), { input: 'one', env: model.env });
		exited(run, 0);
		assert.equal(JSON.parse(run.out).result, 'answer 1');
	});

	test('whoever goes on with a chat has its place, policy, model and flags; what is said now goes before', async (t) => {
		const w = world(t, { as_nobody: AM_ROOT });
		const other = path.join(w.dir, 'other'), strict = path.join(w.dir, 'strict.yaml');
		fs.mkdirSync(other);
		fs.writeFileSync(strict, 'version: 1\nname: strict\nrules:\n  - { id: nothing, deny: tool, tool: "*", reason: "not today" }\n');
		const talk = async (words, { cwd = other, code = 0 } = {}) => {
			model.setScenario({ replies: [{ calls: [shell('echo x > made')] }, { text: 'answer' }] });
			const run = await w.mishri(['chat', ...w.places(), '--session', 's', ...words], { input: 'go\n', env: model.env, cwd });
			exited(run, code);
			return { run, created: w.events('task.created').at(-1)?.data };
		};
		const first = ['-w', w.ws, '-p', strict, '-m', 'openai/first', '--plan', 'never', '--max-turns', '7', '--isolation', 'reduced'];
		const { created: begun } = await talk(first);
		const rows = [
			[[], (d) => assert.deepEqual([d.workspace, d.model, d.plan, d.limits.turns, d.policies], [w.ws, 'openai/first', 'never', 7, [strict]])],
			[[], (d) => assert.equal(d.isolation, 'full', 'less isolation is said each time')],
			[['-m', 'openai/second', '--max-turns', '3'], (d) => assert.deepEqual([d.model, d.limits.turns, d.workspace], ['openai/second', 3, w.ws])],
			[[], (d) => assert.deepEqual([d.model, d.limits.turns], ['openai/second', 3], 'the newest message counts')],
			[['-p', w.policy], (d) => assert.deepEqual([d.policies, d.workspace], [[w.policy], w.ws])],
			[['-w', other], (d) => assert.equal(d.workspace, other)],
			[['-w', w.ws], (d) => assert.equal(d.workspace, w.ws)],
		];
		assert.equal(begun.isolation, 'reduced');
		for (const [words, check] of rows) {
			const before = w.events('task.created').length, { created, run } = await talk(words);
			assert.equal(w.events('task.created').length, before + 1);
			check(created);
			assert.match(run.err, /As it was begun:/);
		}
		assert.ok(fs.existsSync(path.join(w.ws, 'made')), 'the policy given now let it');
		const unknown = await w.mishri(['chat', ...w.places(), '-m', 'openai/x', '-p', w.policy, '--plan', 'never', '--session', 'new'], { input: '', cwd: other, env: model.env });
		assert.doesNotMatch(unknown.err, /As it was begun/);
		fs.rmSync(w.ws, { recursive: true });
		const gone = await w.mishri(['chat', ...w.places(), '--resume', w.events('task.created')[0].task], { input: '', env: model.env, cwd: other });
		exited(gone, 2);
		assert.match(gone.err, /ws/);
	});

	test('a chat that came out of a file says nothing about policy and place', async (t) => {
		const from = world(t), w = world(t), file = path.join(w.dir, 'chat.jsonl');
		model.setScenario({ replies: [{ text: 'answer', times: 0 }] });
		const talk = (who, words) => who.mishri([...words, '--session', 's'], { input: 'go\n', env: model.env });
		exited(await talk(from, chatArgs(from)), 0);
		exited(await from.mishri(['export', '--data', from.data, '--no-user-config', '-o', file, 'last']), 0);
		exited(await w.mishri(['import', '--data', w.data, '--no-user-config', '--resumable', file]), 0);
		const run = await talk(w, chatArgs(w));
		exited(run, 0);
		assert.doesNotMatch(run.err, /As it was begun/);
		const offered = await w.mishri(['completion', '--for', '--', 'chat', '--data', w.data, '--session', '']);
		assert.match(offered.out, /^s\t/m, 'it has a message of its own now');
		assert.match((await talk(w, ['chat', ...w.places(), '-m', 'openai/mock'])).err, /As it was begun:.*--workspace/);
	});

	test('what is wrong is said', async (t) => {
		const w = world(t);
		for (const [args, code, said] of [[['--session', 'a b'], 2, /--session 'a b' is no name/], [['goal'], 2, /one word too many/],
			[['--session', 'a', '--resume', 'b'], 2, /give one of them/], [['--resume', 'zzzzzzzzzzzz'], 2, /there is no task/],
			[['--policy', '/nowhere'], 3, /nowhere/]]) {
			const run = await w.mishri(chatArgs(w, ...args), { input: '', env: model.env });
			exited(run, code);
			assert.match(run.err, said);
		}
	});

	test('changes in a layer: the next message waits for /apply or /undo', async (t) => {
		model.setScenario({ replies: [{ calls: [shell('echo x > made')] }, { text: 'made it' }, { text: 'after' }] });
		const w = world(t);
		const run = await w.mishri(chatArgs(w, '--workspace-mode', 'overlay'), { input: 'make\nnext\n/undo\nnext\n', env: model.env });
		exited(run, 0);
		assert.match(run.err, /changes of the last message wait/);
		assert.match(run.out, /made it[^]*dropped[^]*after/);
		assert.ok(!fs.existsSync(path.join(w.ws, 'made')));
	});
});
