// A policy while tasks run: changed, broken, trusted anew; and a policy against what happened.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { exited, shell, sleep, world } from './lib.mjs';

const RULES = `version: 1
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
`;

function script(w, replies) {
	const file = path.join(w.dir, 'recorded.jsonl');
	fs.writeFileSync(file, replies.map((r) => JSON.stringify({ agent: '*', text: 'x', usage: { usd_nanos: 1 }, ...r })).join('\n'));
	return `recorded/${file}`;
}
// The call waits until the test has done its part: polled, never timed.
const waitFor = (name, then) => ({ calls: [shell(`until [ -e ${name} ]; do sleep 0.05; done; ${then}`)] });

async function until(check, what) {
	for (const end = Date.now() + 20000; !check(); await sleep(50))
		assert.ok(Date.now() < end, `${what} never came`);
}
// While it is just being made, the store has no tables, or is locked.
function has(w, type, n = 1) {
	const done = spawnSync('sqlite3', ['-readonly', '-cmd', '.timeout 5000', path.join(w.data, 'mishri.db'), `select count(*) from events where type = '${type}'`],
		{ encoding: 'utf8' });
	return done.status === 0 && Number(done.stdout) >= n;
}

test('a changed file is in force without a restart; a wrong one changes nothing', async (t) => {
	const w = world(t, { policy: RULES });
	const run = w.start(w.runArgs('go', '-m', script(w, [waitFor('one', 'touch two'), waitFor('three', 'touch four'), { text: 'done' }])));
	await until(() => has(w, 'call.started'), 'the first call');
	fs.writeFileSync(w.policy, `${RULES}  - { id: no-touch, deny: exec, prgram: touch }\n`);
	await until(() => has(w, 'policy.refused'), 'the refusal');
	w.write('one', '');
	await until(() => w.has('two'), 'what the old policy allows');
	const [refused] = w.events('policy.refused');
	assert.match(refused.data.message, /policy\.yaml:5:\d+: unknown key 'prgram': did you mean 'program'\?/);
	fs.writeFileSync(w.policy, `${RULES}  - { id: no-touch, deny: exec, program: touch }\n`);
	await until(() => has(w, 'policy.loaded', 2), 'the new policy');
	w.write('three', '');
	await run.done;
	exited(run, 0);
	assert.ok(!w.has('four'));
	const [first, second] = w.events('policy.loaded').map((e) => e.data.policy);
	assert.notEqual(first, second);
	assert.equal(refused.data.policy, first);
	const touches = w.events('exec.decided').filter((e) => e.data.argv[0] === 'touch');
	assert.deepEqual(touches.map((e) => [e.data.effect, e.data.policy]), [['allow', first], ['deny', second]]);
	assert.match(run.err, /the changed policy is refused.*prgram/);
	w.checkChain();
});

test('a file that is gone leaves what was in force', async (t) => {
	const w = world(t, { policy: `${RULES}  - { id: no-touch, deny: exec, program: touch }\n` });
	const run = w.start(w.runArgs('go', '-m', script(w, [waitFor('one', 'touch two'), { text: 'done' }])));
	await until(() => has(w, 'call.started'), 'the call');
	fs.rmSync(w.policy);
	await until(() => has(w, 'policy.refused'), 'the refusal');
	w.write('one', '');
	await run.done;
	exited(run, 0);
	assert.ok(!w.has('two'));
	assert.match(w.events('policy.refused')[0].data.message, /policy\.yaml:1:1: cannot be read: No such file/);
});

test('a question that a new policy answers is taken back', async (t) => {
	for (const [effect, made] of [['allow', true], ['deny', false]]) {
		const w = world(t, { policy: `${RULES}  - { id: writes, ask: tool, tool: write_file }\n` });
		const run = w.startInTerminal(w.runArgs('go', '-m', script(w, [{ calls: [{ name: 'write_file', args: { path: 'made', content: 'x' } }] },
			{ text: 'done' }])));
		await run.until(/made/, 'out');
		await until(() => has(w, 'approval.requested'), 'the question');
		fs.writeFileSync(w.policy, `${RULES}  - { id: writes, ${effect}: tool, tool: write_file }\n`);
		await run.done;
		exited(run, 0);
		assert.equal(w.has('made'), made);
	}
});

function project(t, policy) {
	const w = world(t, { files: { '.mishri/policy.yaml': policy, 'AGENTS.md': 'Be brief.\n' } });
	w.m = (...args) => w.mishri([args[0], '--data', w.data, ...args.slice(1)]);
	w.check = (...args) => w.m('policy', ...args);
	return w;
}
const check = (w) => w.mishri(['policy', 'check', '--data', w.data, '-w', w.ws, '--exec', 'ls']);

test('POLICY.md 5: a project is trusted as it was when a person looked; a change needs another look', async (t) => {
	const w = project(t, `${RULES}  - { id: no-ls, deny: exec, program: ls }\n`);
	let run = await check(w);
	exited(run, 0);
	assert.match(run.err, /policy\.yaml is not read: this directory is not trusted; `mishri trust .*` changes that/);
	exited(await w.m('trust', w.ws), 0);
	exited(await check(w), 6);
	exited(await w.m('trust', '--show', w.ws), 0);
	w.write('.mishri/policy.yaml', `${RULES}`);
	run = await check(w);
	exited(run, 0);
	assert.match(run.err, /is not read: since you trusted this directory, there is a change in \.mishri\/policy\.yaml/);
	run = await w.m('trust', '--show', w.ws);
	exited(run, 1);
	assert.match(run.out, /changed +[0-9a-f]{12} {2}\.mishri\/policy\.yaml/);
	assert.match(run.out, /unchanged +[0-9a-f]{12} {2}AGENTS\.md/);
	run = await w.m('trust', '--diff', w.ws);
	assert.match(run.out, /^-.*no-ls/m);
	exited(await w.m('trust', w.ws), 0);
	run = await check(w);
	exited(run, 0);
	assert.doesNotMatch(run.err, /not read/);
	for (const [name, text] of [['AGENTS.md', 'Be long.\n'], ['.mishri/skills/a/SKILL.md', 'x'], ['.mishri/tools/t.yaml', 'x'], ['.mishri/config.yaml', 'plan: never\n']]) {
		fs.mkdirSync(path.dirname(path.join(w.ws, name)), { recursive: true });
		const before = fs.existsSync(path.join(w.ws, name)) ? w.read(name) : null;
		w.write(name, text);
		exited(await w.m('trust', '--show', w.ws), 1);
		if (before === null)
			fs.rmSync(path.join(w.ws, name));
		else
			w.write(name, before);
		exited(await w.m('trust', '--show', w.ws), 0);
	}
	exited(await w.m('trust', '--remove', w.ws), 0);
	exited(await w.m('trust', '--show', w.ws), 1);
});

test('trust of an older version, by the path alone, is asked for again', async (t) => {
	const w = project(t, RULES);
	fs.mkdirSync(w.data, { mode: 0o700 });
	fs.writeFileSync(path.join(w.data, 'trusted'), `${w.ws}\n`, { mode: 0o600 });
	const run = await check(w);
	assert.match(run.err, /is not read/);
	exited(await w.m('trust', '--list'), 0);
	exited(await w.m('trust', w.ws), 0);
	assert.doesNotMatch((await check(w)).err, /is not read/);
	assert.equal((await w.m('trust', '--list')).out, `${w.ws}\n`);
});

test('at a terminal, a run asks whether a changed project is still trusted', async (t) => {
	for (const [key, made] of [['y\n', false], ['n\n', true]]) {
		const w = project(t, RULES);
		exited(await w.m('trust', w.ws), 0);
		w.write('.mishri/policy.yaml', `${RULES}  - { id: no-touch, deny: exec, program: touch }\n`);
		const run = w.startInTerminal(['run', '--data', w.data, '-w', w.ws, '--plan', 'never', '-m',
			script(w, [{ calls: [shell('touch made')] }, { text: 'done' }]), '--', 'go']);
		await run.until(/Trust them as they are now\?/, 'out');
		assert.match(run.out, /changed +\.mishri\/policy\.yaml/);
		run.say(key);
		await run.done;
		exited(run, 0);
		assert.equal(w.has('made'), made);
	}
});

test('a project policy that changes under a run is not let in by itself', async (t) => {
	const w = project(t, `${RULES}  - { id: no-touch, deny: exec, program: touch }\n`);
	exited(await w.m('trust', w.ws), 0);
	const run = w.start(['run', '--data', w.data, '-w', w.ws, '--plan', 'never', '-m', script(w, [waitFor('one', 'touch two'), { text: 'done' }]), '--', 'go']);
	await until(() => has(w, 'call.started'), 'the call');
	w.write('.mishri/policy.yaml', RULES);
	await until(() => has(w, 'policy.refused'), 'the refusal');
	assert.match(w.events('policy.refused')[0].data.message, /since you trusted this directory, there is a change in \.mishri\/policy\.yaml/);
	w.write('one', '');
	await run.done;
	exited(run, 0);
	assert.ok(!w.has('two'));
});

test('ready-made policies go by their names, and are shown with what they explain', async (t) => {
	const w = world(t);
	for (const name of ['workspace', 'readonly', 'ci', 'locked-down', 'open-in-cell']) {
		exited(await w.mishri(['policy', 'test', `builtin:${name}`]), 0);
		const lint = await w.mishri(['policy', 'lint', `builtin:${name}`]);
		exited(lint, 0);
		assert.equal(lint.out, '', `${name} lints without a word`);
		const shown = await w.mishri(['policy', 'show', name]);
		assert.match(shown.out, new RegExp(`^# ${name} - `));
		fs.writeFileSync(w.policy, shown.out);
		exited(await w.mishri(['policy', 'test', w.policy]), 0);
	}
	const run = await w.mishri(['run', ...w.places(), '-w', w.ws, '-p', 'builtin:readonly', '--plan', 'never', '-m',
		script(w, [{ calls: [shell('touch made')] }, { text: 'done' }]), '--', 'go']);
	exited(run, 0);
	assert.ok(!w.has('made'));
	assert.match((await w.mishri(['policy', 'show', 'reedonly'])).err, /did you mean 'readonly'\?/);
	exited(await w.mishri(['policy', 'check', '--no-user-config', '-p', 'builtin:nothing', '--exec', 'ls']), 3);
});

test('diff and backtest put the history to another policy', async (t) => {
	const w = world(t, { policy: RULES });
	exited(await w.mishri(w.runArgs('go', '-m', script(w, [{ calls: [shell('ls; ls; id')] }, { text: 'done' }]))), 0);
	const stricter = path.join(w.dir, 'stricter.yaml');
	fs.writeFileSync(stricter, `${RULES}  - { id: no-ls, deny: exec, program: ls }\n`);
	const back = (...args) => w.mishri(['policy', 'backtest', '--data', w.data, '--no-user-config', '-w', w.ws, ...args]);
	exited(await back('-p', w.policy), 0);
	let run = await back('-p', stricter, '--json');
	exited(run, 1);
	const found = JSON.parse(run.out);
	assert.equal(found.changed, 2);
	assert.equal(found.counts.allow_deny, 2);
	assert.deepEqual(found.changes.map((c) => [c.before, c.after, c.rule_after, c.count]), [['allow', 'deny', 'no-ls', 2]]);
	run = await back('-p', stricter, '--since', '2099-01-01');
	exited(run, 0);
	assert.match(run.out, /^0 recorded decisions/);
	const diff = (...args) => w.mishri(['policy', 'diff', '--data', w.data, ...args]);
	exited(await diff(w.policy, w.policy), 0);
	run = await diff(w.policy, stricter, '--task', 'last');
	exited(run, 1);
	assert.match(run.out, /allow -> deny +2\n/);
	assert.match(run.out, /by no-ls \(.*stricter\.yaml:5\), 2 times\n {4}\/usr\/bin\/ls\n/);
	exited(await diff(w.policy), 2);
	exited(await diff(w.policy, path.join(w.dir, 'none.yaml')), 3);
	exited(await diff(w.policy, stricter, '--since', 'yesterday'), 2);
	exited(await diff(w.policy, stricter, '--task', 'zzzzzzzzzzzz'), 2);
});

test('suggest writes the smallest rules for what a person approved, and they load and hold', async (t) => {
	const w = world(t, { policy: 'version: 1\ndefault: ask\nrules:\n  - { id: shell, allow: tool, tool: shell }\n  - { id: sh, allow: exec, program: [sh, bash, dash] }\n' });
	const calls = [shell('touch "a b"'), { name: 'write_file', args: { path: 'x*y', content: 'long text' } }];
	const run = w.startInTerminal(w.runArgs('go', '-m', script(w, [{ calls: [calls[0]] }, { calls: [calls[1]] }, { text: 'done' }])));
	for (let asked = 1; asked <= 2; asked++) {
		await until(() => has(w, 'approval.requested', asked), `question ${asked}`);
		await run.until(new RegExp(`(May this [^]*?> [^]*?){${asked}}`), 'out');
		run.say('y\n');
	}
	await run.done;
	exited(run, 0);
	const suggested = await w.mishri(['policy', 'suggest', '--data', w.data, 'last']);
	exited(suggested, 0);
	const file = path.join(w.dir, 'suggested.yaml');
	fs.writeFileSync(file, suggested.out);
	exited(await w.mishri(['policy', 'lint', file]), 0);
	const check = (...args) => w.mishri(['policy', 'check', '--no-user-config', '-w', w.ws, '-p', file, ...args]);
	exited(await check('--exec', 'touch', 'a b'), 0);
	exited(await check('--exec', 'touch', 'a', 'b'), 6);
	exited(await check('--exec', 'touch', 'c'), 6);
	exited(await check('--tool', 'write_file', '--args', '{"path":"x*y","content":"z"}'), 0);
	exited(await check('--tool', 'write_file', '--args', '{"path":"xxy","content":"z"}'), 6);
	exited(await w.mishri(['policy', 'suggest', '--data', w.data]), 2);
	exited(await w.mishri(['policy', 'suggest', '--data', w.data, 'nothere']), 2);
});

test('the schema is one, and names every key', async (t) => {
	const w = world(t);
	const run = await w.mishri(['policy', 'schema']);
	exited(run, 0);
	const schema = JSON.parse(run.out);
	assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema');
	assert.deepEqual(Object.keys(schema.properties).sort(), ['budgets', 'default', 'files', 'groups', 'limits', 'name', 'rules', 'tests', 'version']);
	for (const key of ['cost_usd', 'env', 'taint', 'user', 'weekday'])
		assert.ok(key in schema.$defs.when.properties, key);
	const refs = [...run.out.matchAll(/"\$ref":"#\/\$defs\/([a-z]+)"/g)].map((m) => m[1]);
	for (const ref of new Set(refs))
		assert.ok(ref in schema.$defs, `${ref} is defined`);
});
