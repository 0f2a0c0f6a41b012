// Tools by manifest through the whole program: what a manifest gives, what it cannot take, and that a value of an argument never
// becomes anything but a value.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { NOBODY, AM_ROOT, ROOT, USERS, exited, startModel, world } from './lib.mjs';

const tool = (name, args) => ({ name, args });
const manifests = (w, files, dir = path.join(w.home, '.config/mishri/tools')) => {
	fs.mkdirSync(dir, { recursive: true });
	for (const [name, text] of Object.entries(files))
		fs.writeFileSync(path.join(dir, name), text);
	if (w.as_nobody && AM_ROOT)
		for (const file of fs.readdirSync(w.dir, { recursive: true }))
			fs.lchownSync(path.join(w.dir, file), NOBODY, NOBODY);
};
// With the configuration of the person, which holds the manifests.
const runArgs = (w, ...more) => ['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '--plan', 'never', ...more, '--', 'Do it'];
const record = (w, replies) => {
	const file = path.join(w.dir, 'script.jsonl');
	fs.writeFileSync(file, [...replies, { text: 'Done.' }].map((r) => JSON.stringify({ agent: '*', ...r })).join('\n') + '\n');
	fs.chmodSync(file, 0o644);
	return `recorded/${file}`;
};
const results = (w) => Object.fromEntries(w.events('call.finished').map((e) => [e.data.call, e.data]));
const work = async (w, calls, ...args) => {
	const run = await w.mishri(runArgs(w, '-m', record(w, [{ calls }]), ...args));
	exited(run, 0);
	return results(w);
};

const WORDS = `name: text.words
description: Shows its words.
program: printf
args: ['[%s]', "{{first}}", "--second={{second}}", "{{rest}}", "n={{n}}"]
schema:
  properties:
    first: { type: string }
    second: { type: string }
    rest: { type: array, items: { type: string } }
    n: { type: number }
    deep: { type: object }
risk: low
`;

for (const { name, as_nobody } of USERS) {
	describe(`as ${name}`, () => {
		test('the example of the documentation, word for word', async (t) => {
			const page = fs.readFileSync(path.join(ROOT, 'docs/tools.md'), 'utf8');
			const yaml = page.match(/```yaml\n(name: db\.query\n[^]*?)```/)[1];
			assert.ok(yaml.trim().split('\n').length <= 12, 'ten lines, about');
			const w = world(t, { as_nobody, files: { 'setup.sql': 'create table t(x); insert into t values(1),(2);' } });
			manifests(w, { 'query.yaml': yaml });
			const done = await work(w, [{ name: 'shell', args: { command: 'sqlite3 app.db < setup.sql' } },
				tool('db.query', { sql: 'select sum(x) from t' }), tool('db.query', { sql: 'delete from t' }), tool('db.query', { query: 'x' })]);
			assert.equal(done['1.2'].status, 'ok', done['1.2'].output);
			assert.match(done['1.2'].output, /\[\{"sum\(x\)":3\}\]/);
			assert.equal(done['1.3'].status, 'error', 'a tool of category read cannot write');
			assert.equal(done['1.4'].status, 'invalid');
			assert.match(done['1.4'].output, /\/sql: required|\/query: additionalProperties/);
		});

		test('values stay values: no shell, no option, no second word', async (t) => {
			const w = world(t, { as_nobody });
			manifests(w, { 'words.yaml': WORDS });
			const done = await work(w, [
				tool('text.words', { first: 'a; touch owned $(touch owned) `touch owned` | "', second: "x' y", n: -5 }),
				tool('text.words', { first: '-v' }),
				tool('text.words', { rest: ['a b', '', '*'] }),
				tool('text.words', { rest: ['ok', '--bad'] }),
				tool('text.words', {}),
				tool('text.words', { first: 'a\u0000b' }),
			]);
			assert.equal(done['1.1'].output.trim(), '[a; touch owned $(touch owned) `touch owned` | "][--second=x\' y][n=-5]');
			assert.ok(!w.has('owned'));
			assert.match(done['1.2'].output, /begins with '-', which the program would take for an option/);
			assert.equal(done['1.3'].output.trim(), '[a b][][*]');
			assert.match(done['1.4'].output, /begins with '-'/);
			assert.equal(done['1.5'].output.trim(), '[]');
			assert.match(done['1.6'].output, /NUL/);
			const program = w.events('exec.decided').map((e) => path.basename(e.data.program));
			assert.ok(program.includes('printf'), 'its program is decided like any other');
		});

		test('arguments on standard input, JSON out, limits', async (t) => {
			const w = world(t, { as_nobody, files: { 'bin/echo.sh': '#!/bin/sh\ncat\n' } });
			fs.chmodSync(path.join(w.ws, 'bin/echo.sh'), 0o755);
			manifests(w, {
				'a.yaml': 'name: echo.json\ndescription: Gives its arguments back.\nprogram: bin/echo.sh\noutput: json\n' +
					'schema: { additionalProperties: true }\n',
				'b.yaml': 'name: echo.none\ndescription: No JSON.\nprogram: printf\nargs: ["{not json"]\noutput: json\n',
				'c.yaml': 'name: slow\ndescription: Sleeps.\nprogram: sleep\nargs: ["60"]\nlimits: { timeout: 1s }\n',
				'd.yaml': 'name: flood\ndescription: Prints much.\nprogram: seq\nargs: ["100000"]\nlimits: { output: 2k }\n',
				'e.yaml': 'name: writer\ndescription: Writes.\nprogram: touch\nargs: [made]\npermissions: [fs.write]\n',
				'f.yaml': 'name: reader\ndescription: Would write.\nprogram: touch\nargs: [not-made]\n',
			});
			const done = await work(w, [tool('echo.json', { a: ['ü', { b: null }] }), tool('echo.none', {}), tool('slow', {}),
				tool('flood', {}), tool('writer', {}), tool('reader', {})]);
			assert.deepEqual(JSON.parse(done['1.1'].output), { a: ['ü', { b: null }] });
			assert.equal(done['1.2'].status, 'error');
			assert.match(done['1.2'].output, /promises JSON, and this is none/);
			assert.equal(done['1.3'].status, 'timeout');
			assert.ok(done['1.4'].output.length < 5000, 'its output is bounded by the manifest');
			assert.match(done['1.4'].output, /bytes left out/);
			assert.ok(w.has('made'), done['1.5'].output);
			assert.equal(done['1.6'].status, 'error');
			assert.ok(!w.has('not-made'), 'without fs.write the kernel keeps it from writing');
		});
	});
}

test('the policy decides on the tool by its name, and on its program', async (t) => {
	const policy = (more) => `version: 1\nrules:\n  - { id: all, allow: tool, tool: "*" }\n  - { id: sys, allow: exec, program: { from: system } }\n${more}`;
	const cases = [
		['  - { id: no-words, deny: tool, tool: text.words }\n', 'denied', /no-words/],
		['  - { id: no-text, deny: tool, tool: "text.*" }\n', 'denied', /no-text/],
		['  - { id: no-printf, deny: exec, program: printf }\n', 'error', /denied by no-printf/],
		['  - { id: no-risk, deny: tool, risk: high }\n', 'ok', /\[x\]/],
	];
	for (const [more, status, output] of cases) {
		const w = world(t, { policy: policy(more) });
		manifests(w, { 'words.yaml': WORDS });
		const done = await work(w, [tool('text.words', { first: 'x' })]);
		assert.equal(done['1.1'].status, status, done['1.1'].output);
		assert.match(done['1.1'].output, output);
	}
});

test('a project is read where it is trusted only, and follows no link', async (t) => {
	const w = world(t);
	manifests(w, { 'words.yaml': WORDS }, path.join(w.ws, '.mishri/tools'));
	let list = await w.mishri(['tools', 'list', '--data', w.data]);
	exited(list, 0);
	assert.doesNotMatch(list.out, /text\.words/);
	assert.match(list.err, /\.mishri\/tools is not read: this directory is not trusted/);
	exited(await w.mishri(['trust', '--data', w.data]), 0);
	list = await w.mishri(['tools', 'list', '--data', w.data]);
	assert.match(list.out, /text\.words +exec +low +at_most_once +Shows its words/);
	const none = await w.mishri(['tools', 'list', '--data', w.data, '--no-user-config']);
	assert.doesNotMatch(none.out, /text\.words/);
	const shown = await w.mishri(['tools', 'show', 'text.words', '--data', w.data, '--json']);
	assert.deepEqual([JSON.parse(shown.out).permissions, JSON.parse(shown.out).program], ['fs.read exec', 'printf']);
	const check = await w.mishri(['tools', 'check', 'text.words', '--data', w.data], { input: '{"fist":"x"}' });
	exited(check, 1);
	assert.match(check.err, /did you mean 'first'/);
	fs.symlinkSync('/etc/hostname', path.join(w.ws, '.mishri/tools/link.yaml'));
	exited(await w.mishri(['trust', '--data', w.data]), 0);
	const link = await w.mishri(['tools', 'list', '--data', w.data]);
	exited(link, 3);
	assert.match(link.err, /link\.yaml: is a link/);
});

test('what is wrong in a manifest is told with its place, and nothing is loaded', async (t) => {
	const good = 'name: a.b\ndescription: x\nprogram: ls\n';
	const rows = [
		[good.replace('a.b', 'shell'), /:1:7: name: 'shell' is a tool of Mishri's own; .*my\.shell/],
		[good.replace('a.b', 'A b'), /:1:7: name: 'A b' is no name of a tool/],
		[good.replace('a.b', 'a__b'), /is no name of a tool/],
		[good + 'categorie: read\n', /:4:1: .*categorie.*did you mean 'category'/],
		[good + 'category: raed\n', /:4:11: category: 'raed' is not known: did you mean 'read'/],
		[good + 'args: ["{{x}}"]\nschema: { properties: { xy: {} } }\n', /:4:8: args: the schema has no argument 'x'/],
		[good + 'args: ["{{secret:X}}"]\n', /a secret is on no command line/],
		[good + 'args: ["{{x"]\n', /'\{\{' is not closed/],
		[good + 'schema: { type: array }\n', /schema: type: the arguments of a tool are an object/],
		[good + 'schema: { propertys: {} }\n', /:4:9: schema: .*propert/],
		[good + 'limits: { timeout: 1h }\n', /:4:20: limits: timeout: must be a time from 1s to 600s/],
		[good + 'limits: { memory: lots }\n', /limits: memory: must be a size/],
		[good + 'permissions: [root]\n', /:4:15: permissions: must be/],
		[good + 'category: read\npermissions: [fs.write]\n', /a tool of category read has no fs\.write/],
		[good + 'secrets: [X]\n', /add secrets to its permissions/],
		['name: a.b\nprogram: ls\n', /'description' is missing/],
		[good.replace('ls', 'ls -l'), /is one file, not a command line/],
		[good + 'name: a.c\n', /:4:1: /],
		['', /./],
	];
	for (const [text, want] of rows) {
		const w = world(t);
		manifests(w, { 'x.yaml': text });
		const list = await w.mishri(['tools', 'list', '--data', w.data]);
		exited(list, 3);
		assert.match(list.err, want, text);
		assert.match(list.err, /x\.yaml/);
	}
	const w = world(t);
	manifests(w, { 'a.yaml': good, 'b.yaml': good });
	assert.match((await w.mishri(['tools', 'list', '--data', w.data])).err, /b\.yaml:1:7: name: the tool 'a\.b' is defined in .*a\.yaml:1:7 already/);
	manifests(w, { 'b.yml': good });
	fs.rmSync(path.join(w.home, '.config/mishri/tools/b.yaml'));
	assert.match((await w.mishri(['tools', 'list', '--data', w.data])).err, /a manifest ends in \.yaml: rename it to b\.yaml/);
});

test('agents name it, and a model is given a name that services take', async (t) => {
	const w = world(t);
	manifests(w, { 'words.yaml': WORDS });
	fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'), 'agents: { only: { tools: [text.words] } }\n');
	const model = await startModel({ replies: [{ calls: [{ name: 'text__words', args: { first: 'hello' } }] }, { text: 'Done.' }] });
	t.after(() => model.close());
	const run = await w.mishri(runArgs(w, '-m', 'openai/mock', '--agent', 'only'), { env: model.env });
	exited(run, 0);
	assert.deepEqual(model.invalid ?? [], []);
	assert.deepEqual(model.requests[0].body.tools.map((one) => one.function.name), ['text__words']);
	assert.match(model.requests[1].body.messages.find((m) => m.role === 'tool').content, /\[hello\]/);
	assert.equal(w.events('call.proposed')[0].data.tool, 'text.words');
});
