// How a chat looks: live sums, the plan, every kind of terminal and size, and text of others that tries to draw.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { mishri, ROOT, shell, sleep, startModel, world } from './lib.mjs';
import { picture } from './picture.mjs';
import { chatArgs, openChat, Terminal } from './terminal.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const open = (t, options, ...args) => openChat(t, model, options, ...args);
const count = (text, pattern) => (text.match(pattern) ?? []).length;
const status = (term) => term.screen().split('\n').filter((line) => / · (ready|works|stopped)/.test(line)).at(-1) ?? '';

// A chat with a configuration of its own: prices, so that replies cost something.
async function priced(t, options, ...args) {
	const w = world(t, options);
	fs.mkdirSync(path.join(w.home, '.config/mishri'), { recursive: true });
	fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'), 'prices:\n  openai/mock: { input: 100, output: 1000, cache_read: 100 }\n');
	w.places = () => ['--data', w.data];
	const term = new Terminal(t, w, chatArgs(w, ...args), { ...options, model });
	await term.until(/ready/);
	return { w, term };
}
const usage = { input: 1000, output: 100 };          // 20 cents

test('cost and budget stand in the status line while it works, and what the chat cost in all', async (t) => {
	model.setScenario({ replies: [{ calls: [shell('true')], usage }, { text: 'Half of it, and the rest.', usage, hold_after: 3 }, { text: 'Again.', usage }] });
	const { term } = await priced(t, {}, '--session', 'costs', '--budget', '5');
	assert.match(status(term), /^costs · openai\/mock · \$5\.00 a message · ready · \/help$/);
	term.say('go');
	await term.until(/Half of it[^]* · \$0\.20 of \$5\.00 · chat \$0\.20 · works · Esc stops/);
	assert.match(term.screen(), /1 calls, 1100 tokens, \$0\.2000 of \$5\.00/);
	model.release();
	await term.until(/chat \$0\.40 · ready/);
	term.say('once more');
	await term.until(/Again\.[^]*chat \$0\.60 · ready/);
	term.keys('C-d');
	await term.until(/left with 0/);
});

test('a price that is not known is said to be so', async (t) => {
	model.setScenario({ replies: [{ calls: [shell('true')], usage }, { text: 'x y z', hold_after: 2, usage }] });
	const { term } = await open(t);
	term.say('go');
	await term.until(/x y z[^]*1100 tokens, cost unknown · works/);
	model.release();
	await term.until(/ready/);
	await term.leave();
});

const plan = (...steps) => ({ name: 'plan', args: { steps: steps.map(([id, state]) => ({ id, title: `step ${id}`, state, after: [] })) } });

test('the plan is a list that changes in place', async (t) => {
	model.setScenario({ replies: [
		{ calls: [plan(['a', 'running'], ['b', 'pending'])] }, { text: 'I begin here now.', calls: [shell('true')], hold_after: 3 },
		{ calls: [plan(['a', 'done'], ['b', 'running'])] }, { text: 'Both are done now.', hold_after: 3 } ] });
	const w = world(t);
	const term = new Terminal(t, w, [...chatArgs(w), '--plan', 'auto'].filter((word, i, all) => word !== 'never' && !(word === '--plan' && all[i + 1] === 'never')), { model });
	await term.until(/ready/);
	term.say('plan it');
	await term.until(/I begin here[^]*\[>\] a +step a\n +\[ \] b +step b/, () => term.screen());
	model.release();
	await term.until(/Both are[^]*\[x\] a +step a\n +\[>\] b +step b/, () => term.screen());
	assert.equal(count(term.screen(), /\[.\] a +step a/g), 1, 'painted over, not once more');
	model.release();
	await term.until(/Both are done now\.[^]*ready/);
	assert.doesNotMatch(term.screen(), /\[x\] a/);
	await term.leave();
});

test('/cost, /plan, /tree and the others fit in 80 columns', async (t) => {
	model.setScenario({ replies: [{ calls: [shell('true')], usage }, { text: 'done', usage }] });
	const { term } = await priced(t, {}, '--session', 'a-name-that-is-rather-long-for-a-chat-of-this-kind');
	term.say('go');
	await term.until(/\ndone[^]*ready/);
	for (const [line, seen] of [['/cost', /openai\/mock +2 +1 +2000 +0 +200 +\$0\.40\n +total +2/], ['/tree', /go/], ['/help', /\/exit/], ['/tools', /read_file/], ['/approvals', /./]]) {
		term.say(line);
		await term.until(seen);
	}
	const rows = (text) => text.split('\n').map((row) => row.trimEnd()), wide = rows(term.tmux('capture-pane', '-p', '-S', '-').stdout), joined = rows(term.all());
	assert.deepEqual(wide.filter((row) => !joined.includes(row)).filter((row) => !/a-name-that/.test(row)), [], 'no line was wrapped');
	term.keys('C-d');
	await term.until(/left with 0/);
});

for (const TERM of ['xterm', 'screen', 'vt100', 'xterm-256color'])
	test(`TERM=${TERM}: typed, answered, edited`, async (t) => {
		model.setScenario({ replies: [{ text: 'An **answer**.' }, { text: 'Another.' }] });
		const { term } = await open(t, { env: { TERM } });
		term.type('helo');
		term.keys('Left', 'l', 'Home', 'End', 'Enter');
		await term.until(/> hello\n[^]*An answer\.[^]*ready/);
		term.keys('Up', 'BSpace', 'Enter');
		await term.until(/> hell\n[^]*Another\.[^]*ready/);
		await term.leave();
	});

test('TERM=dumb: whole lines, no escape sequence', async (t) => {
	model.setScenario({ replies: [{ text: 'A **plain** answer.' }] });
	const w = world(t);
	const run = w.startInTerminal(chatArgs(w), { env: { ...model.env, TERM: 'dumb' } });
	await run.until(/Ctrl-D leaves/, 'out');
	run.say('hello\r');
	await run.until(/answer\./, 'out');
	run.say('/exit\r');
	await run.done;
	assert.equal(run.code, 0);
	assert.doesNotMatch(run.out, /\x1b/);
});

test('40 by 10, and resized while it streams: nothing is painted twice', async (t) => {
	const text = Array.from({ length: 60 }, (_, i) => `Line ${i} has some words in it.`).join('\n\n');
	model.setScenario({ replies: [{ text, piece_size: 20, hold_after: 60 }] });
	const { term } = await open(t, { width: 40, height: 10 });
	term.say('go');
	await term.until(/Line 10/);
	for (const [x, y] of [[80, 24], [33, 8], [120, 30], [40, 10]]) {
		term.tmux('resize-window', '-x', x, '-y', y);
		await sleep(100);
	}
	model.release();
	await term.until(/Line 59[^]*ready/);
	const all = term.all();
	for (let i = 0; i < 60; i++)
		assert.equal(count(all, new RegExp(`Line ${i} has some words in it\\.`, 'g')), 1, `line ${i}\n${all}`);
	for (const row of term.screen().split('\n'))
		assert.ok(row.length <= 40, row);
	assert.equal(count(term.screen(), / · ready/g), 1);
	await term.leave();
});

test('a paste of 2000 lines is one message; so is one with keys and escape sequences in it', async (t) => {
	model.setScenario({ replies: [{ text: 'All of it came.' }, { text: 'That too.' }] });
	const { w, term } = await open(t);
	const lines = Array.from({ length: 2000 }, (_, i) => `pasted line ${i} — ü`).join('\n');
	term.paste(lines);
	await term.until(/pasted line 1999/);
	assert.ok(term.screen().split('\n').length <= 25);
	term.keys('Enter');
	await term.until(/All of it came\.[^]*ready/);
	assert.ok(JSON.stringify(model.requests[0].body.messages).includes(JSON.stringify(lines).slice(1, -1)), 'every line, in order');
	term.paste('a\x03b\x04c\x1b[2Jd\x1b]0;title\x07e');
	await sleep(300);
	term.keys('Enter');
	await term.until(/That too\.[^]*ready/);
	assert.match(w.events('task.created')[1].data.goal, /^a.*b.*c.*d.*e$/s);
	assert.doesNotMatch(w.events('task.created')[1].data.goal, /[\x00-\x08\x0e-\x1f]/);
	await term.leave();
});

test('wide characters, emoji, accents and right-to-left text: typed, edited, streamed', async (t) => {
	const said = '日本語の長い文章です。'.repeat(8) + ' 👩‍👩‍👧 e\u0301a\u0308 שלום עולם مرحبا';
	model.setScenario({ replies: [{ text: said, piece_size: 2 }] });
	const { w, term } = await open(t, { width: 50 });
	term.type('שלום 👍🏽 日本 e\u0301x');
	term.keys('BSpace', 'Enter');
	await term.until(/مرحبا[^]*ready/);
	assert.equal(w.events('task.created')[0].data.goal, 'שלום 👍🏽 日本 e\u0301');
	assert.equal(term.all().replace(/\s/g, '').split('日本語の長い文章です。').length - 1, 8);
	assert.equal(count(term.screen(), / · ready/g), 1);
	await term.leave();
});

test('Ctrl-Z suspends, fg goes on, with the screen whole', async (t) => {
	model.setScenario({ replies: [{ calls: [shell('sleep 1')] }, { text: 'After the pause.' }] });
	const w = world(t);
	const term = new Terminal(t, w, chatArgs(w), { model, inShell: true });
	await term.until(/ready/);
	term.type('half a line');
	await term.until(/> half a line/);
	term.keys('C-z');
	await term.until(/Stopped/);
	term.say('echo in-the-shell; stty -a | grep -o " icanon"');
	await term.until(/in-the-shell\n icanon/);
	term.say('fg');
	await term.until(/> half a line/, () => term.screen().split('fg').at(-1));
	term.keys('C-u');
	term.say('go');
	await term.until(/works/);
	term.keys('C-z');
	await term.until(/Stopped[^]*Stopped/);
	term.say('fg');
	await term.until(/After the pause\.[^]*ready/);
	term.keys('C-d');
	await term.until(/\$ $/m);
});

test('Ctrl-Z at a question: fg shows what it wants to hear again', async (t) => {
	model.setScenario({ replies: [{ calls: [{ name: 'write_file', args: { path: 'one', content: 'x\n' } }] }, { text: 'Written.' }] });
	const w = world(t, { policy: 'version: 1\nrules:\n  - { id: asks, ask: tool, tool: write_file, reason: "look" }\n' });
	const term = new Terminal(t, w, chatArgs(w), { model, inShell: true });
	await term.until(/ready/);
	term.say('write');
	await term.until(/y = yes/);
	term.keys('C-z');
	await term.until(/Stopped/);
	term.say('fg');
	await term.until(/fg\n[^]*y = yes, once/);
	term.say('y');
	await term.until(/Written\.[^]*ready/);
	assert.equal(w.read('one'), 'x\n');
	term.keys('C-d');
	await term.until(/\$ $/m);
});

const EVIL = 'x\x1b[2J\x1b]0;pwned\x07\x1b[31m\x9b5A\r> forged\u202egnp.exe';

test('text of models, tools, file names and policy reasons cannot draw', async (t) => {
	const policy = `version: 1\nrules:\n  - { id: tools, allow: tool, tool: [shell, list_dir] }\n  - { id: programs, allow: exec, program: { from: system } }\n`
		+ `  - { id: no-writing, deny: tool, tool: write_file, reason: "no\\e[2J\\e]0;pwned\\a\\r> forged" }\n`;
	model.setScenario({ replies: [
		{ text: `said ${EVIL}`, calls: [shell("printf 'out \\033[2J\\033]0;pwned\\007\\r> forged\\n'")] },
		{ calls: [{ name: 'write_file', args: { path: `name${EVIL}`, content: EVIL } }] },
		{ calls: [shell(`echo ${EVIL}`)] },
		{ calls: [{ name: `tool${EVIL.replace(/[^ -~]/g, '')}`, args: {} }] },
		{ text: `\`\`\`\n${EVIL}\n\`\`\`\n| a | ${EVIL.replaceAll('\r', '')} |\n|---|---|\nend` } ] });
	const { term } = await open(t, { policy });
	term.say('go');
	await term.until(/\nend[^]*ready|end[^]*ready/);
	const raw = term.coloured();
	assert.match(term.all(), /> go/, 'nothing above was cleared');
	assert.doesNotMatch(term.tmux('display-message', '-p', '#{pane_title}').stdout, /pwned/);
	assert.doesNotMatch(raw, /\u202e/);
	for (const row of term.all().split('\n'))
		assert.doesNotMatch(row, /^> forged/, 'no row is forged');
	assert.match(term.all(), /\\x1b\[2J/, 'they are shown as what they are');
	await term.leave();
});

test('chats are completed by their names, on the command line and behind /resume', async (t) => {
	model.setScenario({ replies: [{ text: 'one', times: 0 }] });
	const w = world(t), other = path.join(w.dir, 'elsewhere');
	fs.mkdirSync(other);
	for (const [name, dir] of [['fix-tests', w.ws], ['write-docs', other]]) {
		const words = ['chat', ...w.places(), '-w', dir, '-p', w.policy, '--plan', 'never', '-m', 'openai/mock', '--session', name];
		assert.equal((await w.mishri(words, { input: 'hello\n', env: model.env })).code, 0);
	}
	const offered = await w.mishri(['completion', '--for', '--', 'chat', '--data', w.data, '--session', '']);
	assert.deepEqual(offered.out.trim().split('\n').map((line) => line.split('\t')[0]).sort(), ['fix-tests', 'write-docs']);
	const term = new Terminal(t, w, chatArgs(w), { model });
	await term.until(/ready/);
	term.type('/resume wr');
	term.keys('Tab');
	await term.until(/> \/resume write-docs/);
	term.keys('Enter');
	await term.until(/This is chat write-docs\.[^]*It was in .*elsewhere; your next/);
	term.say('/resume fix-tests');
	await term.until(/This is chat fix-tests\./);
	assert.equal(count(term.all(), /It was in/g), 1);
	await term.leave();
});

for (const [known, seen] of [[true, /it is \[redacted:secret DEPLOY\] here/], [false, /it is s3cr3t-of-mine-42! here/]])
	test(`a secret that the model says is ${known ? 'hidden while it comes' : 'text like any other where nobody knows it'}`, async (t) => {
		model.setScenario({ replies: [{ text: 'it is s3cr3t-of-mine-42! here, and that was all', piece_size: 3, hold_after: 14 }] });
		const w = world(t);
		fs.mkdirSync(path.join(w.home, '.config/mishri'), { recursive: true });
		fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'), known ? 'secrets:\n  DEPLOY: { env: DEPLOY_VALUE }\n' : '');
		w.places = () => ['--data', w.data];
		const term = new Terminal(t, w, chatArgs(w), { model, env: { DEPLOY_VALUE: 's3cr3t-of-mine-42!' } });
		await term.until(/ready/);
		term.say('tell');
		await term.until(seen);
		assert.match(term.screen(), / · works/, 'while it is written');
		model.release();
		await term.until(/that was all[^]*ready/);
		assert.equal(/s3cr3t/.test(term.all()), !known);
		term.keys('C-d');
		await term.until(/left with 0/);
	});

test('the picture of docs/chat.md is this screen', async (t) => {
	const replies = [
		{ calls: [shell('ls')], usage },
		{ text: 'A small C project:\n\n- **src/** with the program\n- **tests/** with its tests\n\nThe test of `add` fails: it wants `5`.', usage },
		{ calls: [{ name: 'edit_file', args: { path: 'tests/add.txt', old: 'want 5', new: 'want 4' } }], usage },
		{ text: 'The test was wrong: 2 + 2 is 4. I changed what it wants.', usage } ];
	model.setScenario({ replies });
	const { w, term } = await priced(t, { width: 80, height: 44, files: { 'src/add.c': 'int add(int a, int b)\n{\n\treturn a + b;\n}\n', 'tests/add.txt': 'add 2 2\nwant 5\n' } },
		'--session', 'fix-tests', '--budget', '5');
	term.say('what is in here?');
	await term.until(/it wants 5\.[^]*ready/);
	term.say('mend the test');
	await term.until(/2 \+ 2 is 4[^]*chat \$0\.80 · ready/);
	const ids = w.events('task.created').map((e) => e.task);
	const screen = ids.reduce((all, id, i) => all.replaceAll(id, ['q9mncb9httqy', 'k3v7tw0hs2ab'][i]), term.coloured())
		.replaceAll(w.ws, '/home/ada/project').replaceAll('openai/mock', 'openai/gpt-5').replace(/\b\d+(\.\d)? (ms|s)\b/g, '12 ms');
	const file = path.join(ROOT, 'docs/chat.svg'), svg = picture('mishri chat', screen, 80);
	if (process.env.UPDATE)
		fs.writeFileSync(file, svg);
	assert.equal(svg, fs.readFileSync(file, 'utf8'), 'UPDATE=1 node --test chat-looks.test.mjs makes it anew; look at it before keeping it');
	term.keys('C-d');
	await term.until(/left with 0/);
});
