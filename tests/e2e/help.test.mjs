// help.test.mjs - help and manual pages, against the very tables that they are made of; what is said to a slip of the finger.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { mishri, ROOT, world } from './lib.mjs';

const ask = (...args) => spawnSync(mishri(), args, { encoding: 'utf8', env: { PATH: process.env.PATH, HOME: '/nonexistent' } });
const COMMANDS = [...fs.readFileSync(path.join(ROOT, 'src/cli/commands.def'), 'utf8').matchAll(/^COMMAND\(([a-z_]+)\)/gm)].map((m) => m[1]);
const words = (name) => name.split('_');
const optionsOf = (help) => [...help.matchAll(/^ {2}(?:-(\w), | {4})(--[a-z-]+)/gm)].map((m) => m[2]);

test('every command is once in the table, and has help that fits a terminal of 80 columns', () => {
	assert.equal(new Set(COMMANDS).size, COMMANDS.length);
	for (const name of COMMANDS) {
		const help = ask(...words(name), '--help');
		assert.equal(help.status, 0, help.stderr);
		assert.equal(ask('help', ...words(name)).stdout, help.stdout);
		assert.ok(help.stdout.startsWith(`mishri ${words(name).join(' ')} `), name);
		for (const line of help.stdout.split('\n'))
			assert.ok([...line].length <= 80, `${name}: ${line}`);
		const options = optionsOf(help.stdout);
		assert.equal(new Set(options).size, options.length, `${name} has an option twice`);
		assert.ok(options.includes('--help'));
	}
});

test('the list of all', () => {
	const bare = ask(), all = ask('help');
	assert.equal(bare.status, 2);
	assert.equal(bare.stdout, '');
	assert.equal(all.status, 0);
	assert.equal(bare.stderr, all.stdout);
	assert.equal(ask('--help').stdout, all.stdout);
	assert.equal(ask('-h').stdout, all.stdout);
	for (const line of all.stdout.split('\n'))
		assert.ok(line.length <= 80, line);
	for (const name of COMMANDS) {
		const [first, second] = words(name);
		assert.match(all.stdout, new RegExp(`^ {2}${first}( |$)`, 'm'));
		if (second !== undefined)
			assert.match(ask('help', first).stdout, new RegExp(`^ {2}${first} ${second}( |$)`, 'm'));
	}
});

test('a slip of the finger is answered with what was meant', () => {
	for (const [args, want] of [
		[['rnu'], "did you mean 'run'"],
		[['hist'], "did you mean 'history'"],
		[['policy'], '`mishri help policy`'],
		[['policy', 'chek'], "did you mean 'policy check'"],
		[['polcy', 'check'], "did you mean 'policy check'"],
		[['policy', 'zzzzzz'], 'there are: policy check, '],
		[['zzzzzzzz'], '`mishri help` lists them'],
		[['help', 'zzzzzzzz'], '`mishri help` lists them'],
		[['run', '--modle', 'x'], "did you mean '--model'"],
		[['run', '--modle=x'], "did you mean '--model'"],
		[['run', '--zzzzzzzz'], '`mishri run --help`'],
		[['ps', 'extra'], "'extra' is one word too many"],
		[['run', '--json=1'], 'takes no value'],
		[['run', '--model'], 'wants a value: --model PROVIDER/MODEL'],
		[['help', '--man'], 'wants a value'],
		[['completion', 'tcsh'], 'bash, zsh or fish'],
	]) {
		const said = ask(...args);
		assert.equal(said.status, 2, args.join(' '));
		assert.equal(said.stdout, '');
		assert.ok(said.stderr.includes(want), `${args.join(' ')}: ${said.stderr}`);
	}
});

test('manual pages: one for each command, with each option; mandoc finds nothing wrong', (t) => {
	const w = world(t), pages = path.join(w.dir, 'pages');
	const made = spawnSync(mishri(), ['help', '--man', pages], { encoding: 'utf8', env: { SOURCE_DATE_EPOCH: '1700000000' } });
	assert.equal(made.status, 0, made.stderr);
	for (const name of COMMANDS) {
		const text = fs.readFileSync(path.join(pages, `mishri-${words(name).join('-')}.1`), 'utf8');
		assert.match(text, /^\.Dd November 14, 2023$/m);
		for (const option of optionsOf(ask(...words(name), '--help').stdout))
			assert.ok(text.includes(` Fl \\&${option.slice(1)}`), `${name}: ${option}`);
	}
	assert.equal(fs.readdirSync(pages).length, COMMANDS.length + 2);
	const config = fs.readFileSync(path.join(pages, 'mishri-config.5'), 'utf8');
	const keys = Object.keys(JSON.parse(ask('config', '--json', '--no-user-config', '--data', w.data).stdout)).filter((key) => !['data', 'trusted', 'agents'].includes(key));
	assert.ok(keys.length > 30);
	for (const key of keys)
		assert.ok(config.includes(`"\\&${key}"`), `mishri-config(5) lacks ${key}`);
	if (spawnSync('sh', ['-c', 'command -v mandoc']).status !== 0)
		return t.skip('there is no mandoc here');
	fs.copyFileSync(path.join(ROOT, 'data/man/mishri-policy.5'), path.join(pages, 'mishri-policy.5'));
	const lint = spawnSync('mandoc', ['-Tlint', ...fs.readdirSync(pages).map((f) => path.join(pages, f))], { encoding: 'utf8' });
	// It looks for the pages that are named in the system's own directories; that they are here, the next lines show.
	const complaints = lint.stdout.split('\n').filter((line) => line !== '' && !/referenced manual not found: Xr mishri/.test(line));
	assert.deepEqual(complaints, []);
	for (const file of fs.readdirSync(pages))
		for (const [, name, section] of fs.readFileSync(path.join(pages, file), 'utf8').matchAll(/Xr (mishri[a-z-]*) (\d)/g))
			assert.ok(fs.existsSync(path.join(pages, `${name}.${section}`)), `${file} names ${name}(${section})`);
});

test('mishri-policy(5) knows every key of the language', () => {
	const page = fs.readFileSync(path.join(ROOT, 'data/man/mishri-policy.5'), 'utf8').replace(/^\.Bd[^]*?^\.Ed/gm, '');
	const keys = new Set();
	(function walk(node) {
		if (node === null || typeof node !== 'object')
			return;
		if (node.properties !== undefined && !Array.isArray(node.properties))
			Object.keys(node.properties).forEach((key) => keys.add(key));
		Object.values(node).forEach(walk);
	})(JSON.parse(ask('policy', 'schema').stdout));
	assert.ok(keys.size > 50);
	// Keys of the tests of a file are told by their example in policy.md.
	const missing = [...keys].filter((key) => !['call', 'expect', 'rule', 'address', 'fact', 'facts'].includes(key) &&
		!new RegExp(`(^|[^a-z_])${key}([^a-z_]|$)`, 'm').test(page));
	assert.deepEqual(missing, []);
});
