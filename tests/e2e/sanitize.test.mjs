// Secrets in outputs, and the labels that stay on a task: through the whole program. The secrets are put together here.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { USERS, exited, shell, startModel, toldModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const SECRET = ['gh', 'p_', 'q7Rk2mVx9TbLw4Zc8NdYp3Hs6Fg1JaEu5Xo0'].join('');
const TOOLS = 'version: 1\nname: t\nrules:\n  - { id: tools, allow: tool, tool: "*" }\n  - { id: programs, allow: exec, program: { from: system } }\n';

describe('mishri sanitize', () => {
	test('hides, and says what', async (t) => {
		const w = world(t);
		const run = await w.mishri(['sanitize'], { input: `a ${SECRET}\nDB_PASSWORD=x7Gk29fLmQ1\n\x1b[1mb` });
		exited(run, 0);
		assert.equal(run.out, 'a [redacted:github-token]\nDB_PASSWORD=[redacted:password]\n\\x1b[1mb');
		const found = JSON.parse(run.err);
		assert.deepEqual(found.redactions, { 'github-token': 1, password: 1 });
		assert.equal(found.control, 1);
	});
	test('a secret at the gap leaves no half', async (t) => {
		const w = world(t);
		for (const max of ['1k', '1030', '1040', '1060']) {
			const run = await w.mishri(['sanitize', '--max-output', max], { input: `${'x\n'.repeat(250)}${SECRET}\n${'y\n'.repeat(2000)}` });
			exited(run, 0);
			assert.ok(!run.out.includes(SECRET.slice(0, 16)) && !run.out.includes(SECRET.slice(-16)), max);
		}
	});
	test('sanitize.allow of the user holds; a wrong pattern is an error with its place', async (t) => {
		const w = world(t);
		const dir = path.join(w.home, '.config/mishri');
		fs.mkdirSync(dir, { recursive: true });
		fs.writeFileSync(path.join(dir, 'config.yaml'), 'sanitize:\n  allow: ["^ghp_q7R"]\n');
		let run = await w.mishri(['sanitize'], { input: SECRET });
		exited(run, 0);
		assert.equal(run.out, SECRET);
		fs.writeFileSync(path.join(dir, 'config.yaml'), 'sanitize:\n  allow: ["("]\n');
		run = await w.mishri(['sanitize'], { input: SECRET });
		exited(run, 3);
		assert.match(run.err, /config\.yaml:2:\d+: .*is no regular expression/);
		assert.equal(run.out, '');
	});
});

for (const { name, as_nobody } of USERS) {
	describe(`a secret in a file, as ${name}`, () => {
		test('is kept from the model, the record and the terminal; the file keeps it', async (t) => {
			const w = world(t, { files: { '.env': `TOKEN=${SECRET}\n` }, as_nobody });
			model.setScenario({ replies: [{ calls: [shell('cat .env; cp .env copy')] }, { text: `It is ${SECRET}` }] });
			const run = await w.run(model, 'x');
			exited(run, 0);
			assert.match(toldModel(model)[0], /TOKEN=\[redacted:github-token\]/);
			assert.ok(!run.out.includes(SECRET) && !run.err.includes(SECRET), 'the terminal');
			assert.match(run.out, /It is \[redacted:github-token\]/);
			assert.ok(w.read('copy').includes(SECRET));
			const [done] = w.events('call.finished');
			assert.deepEqual(done.data.redactions, { 'github-token': 1 });
			assert.deepEqual(done.data.taint, ['secret']);
			assert.ok(!done.text.includes(SECRET));
			const show = await w.mishri(['show', ...w.places(), '--json', done.task]);
			assert.deepEqual(JSON.parse(show.out).taint, ['secret']);
			const tree = await w.mishri(['tree', ...w.places(), done.task]);
			assert.match(tree.out, /\[secret\]/);
			w.checkChain();
		});
		test('then `when: { taint: secret }` holds, and not before', async (t) => {
			const policy = `${TOOLS}  - { id: no-writing-now, deny: tool, tool: write_file, when: { taint: secret } }\n  - { id: no-find-now, deny: exec, program: find, when: { taint: secret } }\n`;
			const write = (file) => ({ name: 'write_file', args: { path: file, content: 'x' } });
			for (const text of [`TOKEN=${SECRET}\n`, 'TOKEN=none\n']) {
				const w = world(t, { files: { '.env': text }, policy, as_nobody });
				const tainted = text.includes(SECRET);
				model.setScenario({ replies: [{ calls: [write('before'), shell('find . -name .env'), { name: 'read_file', args: { path: '.env' } }, write('after')] },
					{ calls: [shell('find . -name .env')] }, { text: 'done' }] });
				exited(await w.run(model, 'x'), 0);
				assert.ok(w.has('before'));
				assert.equal(w.has('after'), !tainted);
				const told = toldModel(model);
				assert.match(told[1], /\.env/);
				assert.equal(/denied by no-find-now/.test(told[4]), tainted, told[4]);
				if (tainted)
					assert.match(told[3], /no-writing-now/);
			}
		});
	});
}

test('a label survives a resume', async (t) => {
	const w = world(t, { files: { '.env': `TOKEN=${SECRET}\n` }, policy: `${TOOLS}  - { id: no-writing-now, deny: tool, tool: write_file, when: { taint: secret } }\n` });
	model.setScenario({ replies: [{ calls: [shell('cat .env')] }, { calls: [shell('touch go; sleep 60')] }, { calls: [{ name: 'write_file', args: { path: 'f', content: 'x' } }] }, { text: 'done' }] });
	const run = w.startRun(model, 'x');
	const end = Date.now() + 20000;
	while (!w.has('go') && Date.now() < end)
		await new Promise((go) => setTimeout(go, 50));
	run.kill('SIGKILL');
	await run.done.catch(() => {});
	exited(await w.resume(model, w.task()).done, 0);
	assert.ok(!w.has('f'));
	assert.match(toldModel(model).at(-1), /no-writing-now/);
});

test('children begin with the labels of the one above, which gets theirs', async (t) => {
	const w = world(t, { files: { '.env': `TOKEN=${SECRET}\n` }, policy: `${TOOLS}  - { id: share, allow: delegate }\n` });
	const file = path.join(w.dir, 'team.jsonl');
	const line = (agent, calls, text = '') => JSON.stringify({ agent, text, calls, usage: {} });
	fs.writeFileSync(file, [
		line('master', [{ name: 'delegate', args: { tasks: [{ goal: 'read it' }] } }]),
		line('worker', [shell('cat .env')]), line('worker', [], 'read'),
		line('master', [{ name: 'delegate', args: { tasks: [{ goal: 'and again' }] } }]),
		line('worker', [], 'nothing to do'),
		line('master', [{ name: 'finish', args: { result: 'done' } }]),
	].join('\n') + '\n');
	const run = await w.mishri(w.teamArgs('x', '--plan', 'always', '-m', `recorded/${file}`));
	exited(run, 0);
	const created = w.events('task.created');
	assert.equal(created.length, 3, run.err);
	assert.equal(created[1].data.taint, undefined);
	assert.deepEqual(created[2].data.taint, ['secret']);
	assert.deepEqual(w.events('task.reported').map((e) => e.data.taint), [['secret'], ['secret']]);
});
