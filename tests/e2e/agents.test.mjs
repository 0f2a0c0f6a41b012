// Agents of one's own, what a trusted project tells them, keys out of commands, and conversations that grow too long.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { KEY, POLICY, exited, lines, shell, startModel, toldModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const usage = { input: 1, cache_read: 0, output: 1, usd_nanos: 0 };
const line = (reply) => `${JSON.stringify({ agent: '*', usage, ...reply })}\n`;

// A user with a configuration file of their own.
function user(t, config, files = {}, options = {}) {
	const w = world(t, { files, policy: `${POLICY}  - { id: parts, allow: delegate, agent: "*" }\n`, ...options });
	fs.mkdirSync(path.join(w.home, '.config/mishri'), { recursive: true });
	fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'), config);
	w.record = (name, ...replies) => {
		fs.writeFileSync(path.join(w.dir, name), replies.map(line).join(''));
		return `recorded/${path.join(w.dir, name)}`;
	};
	w.go = (goal, ...more) => w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, ...more, '--', goal]);
	return w;
}
const created = (w) => w.events('task.created').map((e) => e.data);
const system = () => model.requests.at(-1).body.messages[0].content;

describe('agents', () => {
	test('a profile says what an agent has, and bounds it', async (t) => {
		const w = user(t, 'agents: { reader: { tools: [read_file, search], max_turns: 3, timeout: 1m, prompt: Be brief. } }\n');
		model.setScenario({ replies: [{ calls: [shell('id')] }, { text: 'done' }] });
		const run = await w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '-m', 'openai/mock', '--agent', 'reader', '--', 'go'],
			{ env: model.env });
		exited(run, 0);
		const [data] = created(w);
		assert.deepEqual([data.agent, data.role, data.tools, data.limits.turns, data.limits.timeout_ms],
			['reader', 'worker', ['read_file', 'search'], 3, 60000]);
		assert.match(system(), /Be brief\./);
		assert.deepEqual(model.requests[0].body.tools.map((tool) => tool.function.name), ['read_file', 'search']);
		assert.match(toldModel(model)[0], /there is no tool 'shell'/);
		assert.equal(w.events('call.started').length, 0);
		assert.deepEqual(model.invalid, []);
	});

	test('a part has never more than the whole', async (t) => {
		const w = user(t, 'agents:\n  master: { tools: [plan, delegate, finish, read_file] }\n  doer: { tools: [read_file, shell], max_turns: 500, timeout: 20d }\n');
		const script = w.record('r.jsonl',
			{ agent: 'master', calls: [{ name: 'delegate', args: { tasks: [{ goal: 'part one', agent: 'doer' }, { goal: 'part two' }] } }] },
			{ agent: 'worker', match: 'part one', calls: [shell('touch escaped')] }, { agent: 'worker', match: 'part one', text: 'one' },
			{ agent: 'worker', match: 'part two', calls: [shell('touch escaped')] }, { agent: 'worker', match: 'part two', text: 'two' },
			{ agent: 'master', text: 'all' });
		exited(await w.go('lead', '-m', script, '--max-turns', '7', '--timeout', '5m'), 0);
		const [, ...below] = created(w);
		assert.equal(below.length, 2);
		for (const data of below) {
			assert.deepEqual(data.tools, ['read_file']);
			assert.ok(data.limits.turns <= 7 && data.limits.timeout_ms <= 300000, JSON.stringify(data.limits));
		}
		assert.ok(!w.has('escaped'));
	});

	test('the same without the bound: the parts do have the shell', async (t) => {
		const w = user(t, 'agents: { doer: { tools: [read_file, shell] } }\n');
		const script = w.record('r.jsonl', { agent: 'master', calls: [{ name: 'delegate', args: { tasks: [{ goal: 'part one', agent: 'doer' }] } }] },
			{ agent: 'worker', calls: [shell('touch made')] }, { agent: 'worker', text: 'one' }, { agent: 'master', text: 'all' });
		exited(await w.go('lead', '-m', script, '--plan', 'always'), 0);
		assert.deepEqual(created(w)[1].tools, ['read_file', 'shell']);
		assert.ok(w.has('made'));
	});

	test('a model for each agent; policy has its say about each; a missing one is told when it is wanted', async (t) => {
		const w = user(t, '');
		const other = w.record('other.jsonl', { agent: 'worker', text: 'from the other file' });
		fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'),
			`agents:\n  a1: { model: "${other}" }\n  a2: { model: "recorded//does/not/exist" }\n  a3: { model: "openai/forbidden" }\n`);
		fs.appendFileSync(w.policy, '  - { id: no-such-model, deny: model, model: forbidden }\n  - { id: models, allow: model, model: "*" }\n');
		const ask = (agent) => ({ agent: 'master', calls: [{ name: 'delegate', args: { tasks: [{ goal: 'part', agent }] } }] });
		const script = w.record('r.jsonl', ask('a2'), ask('a3'), ask('a4'), ask('a1'), { agent: 'master', text: 'all' });
		const run = await w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '-m', script, '--', 'lead'], { env: { OPENAI_API_KEY: KEY } });
		exited(run, 0);
		const outputs = w.events('call.finished').filter((e) => e.data.tool === 'delegate').map((e) => e.data.output);
		assert.match(outputs[0], /the model of agent 'a2' cannot be used: .*does\/not\/exist/);
		assert.match(outputs[1], /openai\/forbidden of agent 'a3' is denied by no-such-model/);
		assert.match(outputs[2], /there is no agent 'a4'/);
		assert.match(outputs[3], /from the other file/);
		assert.deepEqual(created(w).map((data) => data.model), [script, other]);
	});

	test('a resume goes on in each recorded file where it was', async (t) => {
		const w = user(t, '');
		const other = w.record('other.jsonl', { agent: 'worker', text: 'first of the other' },
			{ agent: 'worker', text: 'second of the other' });
		fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'), `agents: { a1: { model: "${other}" } }\n`);
		const ask = { agent: 'master', calls: [{ name: 'delegate', args: { tasks: [{ goal: 'part', agent: 'a1' }] } }] };
		const script = w.record('r.jsonl', ask, { agent: 'master', calls: [shell('echo begun; sleep 20')] }, ask, { agent: 'master', text: 'all' });
		const running = w.start(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '-m', script, '--', 'lead']);
		await running.until(/sleep 20/);
		running.kill('SIGTERM');
		await running.done;
		exited(running, 143);
		const root = w.events('task.created')[0].task;
		exited(await w.mishri(['run', '--data', w.data, '--resume', root]), 0);
		const outputs = w.events('call.finished').filter((e) => e.data.tool === 'delegate').map((e) => e.data.output);
		assert.match(outputs[0], /first of the other/);
		assert.match(outputs[1], /second of the other/);
		assert.equal(w.end().result, 'all');
	});

	test('who is not there, is said', async (t) => {
		const w = user(t, 'agents: { reviewer: {} }\n');
		const wrong = await w.go('x', '-m', 'openai/mock', '--agent', 'revewer');
		exited(wrong, 2);
		assert.match(wrong.err, /--agent: there is no agent 'revewer': did you mean 'reviewer'\?/);
		fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'), 'agents:\n  reviewer:\n    tool: [shell]\n');
		const file = await w.go('x', '-m', 'openai/mock', '--agent', 'reviewer');
		exited(file, 3);
		assert.match(file.err, /config\.yaml:3:5: .*did you mean 'tools'/);
	});

	test('config shows agents and trust', async (t) => {
		const w = user(t, 'agents: { reader: { tools: [read_file] } }\n');
		const show = async () => JSON.parse((await w.mishri(['config', '--data', w.data, '--json', '-w', w.ws])).out);
		const before = await show();
		assert.equal(before.trusted.value, false);
		assert.deepEqual(before.agents.reader.tools, ['read_file']);
		assert.match(before.agents.reader.origin, /config\.yaml:1$/);
		exited(await w.mishri(['trust', '--data', w.data, w.ws]), 0);
		assert.equal((await show()).trusted.value, true);
		assert.match((await w.mishri(['config', '--data', w.data, '-w', w.ws])).out, /agent reader +worker, tools read_file/);
		assert.deepEqual(JSON.parse((await w.mishri(['trust', '--data', w.data, '--list', '--json'])).out), [w.ws]);
		exited(await w.mishri(['trust', '--data', w.data, '--remove', w.ws]), 0);
		exited(await w.mishri(['trust', '--data', w.data, '--remove', w.ws]), 2);
		assert.equal((await show()).trusted.value, false);
	});
});

describe('what a project tells', () => {
	const files = { 'AGENTS.md': 'Use tabs here.\n', '.agents/skills/release/SKILL.md': '---\nname: release\ndescription: How a release is made\n---\nSECRET-BODY\n',
		'.agents/skills/Bad/SKILL.md': '---\nname: Bad\n---\n' };
	const go = (w, ...more) => w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '-m', 'openai/mock', ...more, '--', 'go'], { env: model.env });

	test('nothing before somebody trusts it', async (t) => {
		const w = user(t, '', files);
		model.setScenario({ replies: [{ text: 'done' }] });
		const run = await go(w);
		exited(run, 0);
		assert.doesNotMatch(system(), /Use tabs|release/);
		assert.match(run.err, /AGENTS\.md is not read: this directory is not trusted/);
		assert.match(run.err, /skills is not read: this directory is not trusted/);
	});

	test('AGENTS.md and the catalogue; the body only when it is read; the same after a resume', async (t) => {
		const w = user(t, '', files);
		exited(await w.mishri(['trust', '--data', w.data], { cwd: w.ws }), 0);
		model.setScenario({ replies: [{ calls: [{ name: 'read_file', args: { path: '.agents/skills/release/SKILL.md' } }, shell('sleep 20')] }, { text: 'done' }] });
		const running = w.start(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '-m', 'openai/mock', '--', 'go'], { env: model.env });
		await running.until(/sleep 20/);
		const first = system();
		assert.match(first, /Use tabs here\./);
		assert.match(first, /- release \(\.agents\/skills\/release\/SKILL\.md\): How a release is made/);
		assert.doesNotMatch(first, /SECRET-BODY/);
		running.kill('SIGTERM');
		await running.done;
		assert.match(running.err, /skill left out: .*Bad\/SKILL\.md:\d+:\d+: name: must be/);
		w.write('AGENTS.md', 'Something else.\n');
		exited(await w.mishri(['run', '--data', w.data, '--resume', w.task()], { env: model.env }), 0);
		assert.equal(system(), first);
		assert.match(toldModel(model)[0], /SECRET-BODY/);
	});

	test('--no-user-config reads nothing of it', async (t) => {
		const w = user(t, '', files);
		exited(await w.mishri(['trust', '--data', w.data], { cwd: w.ws }), 0);
		model.setScenario({ replies: [{ text: 'done' }] });
		exited(await go(w, '--no-user-config'), 0);
		assert.doesNotMatch(system(), /Use tabs|release/);
	});
});

test('a conversation that is too long is compacted, stays whole, and is taken up again', async (t) => {
	const w = world(t);
	const replies = [];
	for (let i = 1; i <= 30; i++)
		replies.push({ text: `look ${i}`, usage: null, calls: [shell(`seq ${i}000 ${i}400`), shell(`echo small ${i}`)] });
	model.setScenario({ replies: [...replies, { calls: [shell('sleep 20')] }, { text: 'done' }] });
	const running = w.startRun(model, 'the goal of it all', { args: ['-c', 'context_tokens=6000', '--max-turns', '100'] });
	await running.until(/sleep 20/, 'err', 60000);
	running.kill('SIGTERM');
	await running.done;
	exited(await w.resume(model, w.task()).done, 0);
	assert.deepEqual(model.invalid, [], 'every request is what the service takes');
	const all = w.events('conversation.compacted').map((e) => e.data);
	assert.ok(all.length > 1, `${all.length} compactions`);
	assert.ok(all.some((e) => e.dropped > 0) && all.some((e) => e.stubbed > 0));
	for (const e of all)
		assert.ok(e.bytes_after < e.bytes_before, JSON.stringify(e));
	for (const request of model.requests) {
		const size = JSON.stringify(request.body.messages).length;
		assert.ok(size < 40000, `a request of ${size} bytes`);
		assert.match(request.body.messages[1].content, /^the goal of it all/);
	}
	assert.match(model.requests.at(-1).body.messages[1].content, /call 2\d\.1 shell/);
	assert.equal(w.events('call.finished').filter((e) => e.data.status === 'ok').length, 60, 'the record has every output');
	w.checkChain();
});

describe('a key out of a command', () => {
	const env = (command) => ({ ...model.env, OPENAI_API_KEY: '', OPENAI_API_KEY_COMMAND: command });

	test('it is used, and turns up nowhere', async (t) => {
		const w = world(t);
		fs.writeFileSync(path.join(w.dir, 'key'), `${KEY}\n`);
		model.setScenario({ key: KEY, replies: [{ calls: [shell('env')] }, { text: 'done' }] });
		const run = await w.run(model, 'go', { env: env(`cat '${w.dir}/key'`) });
		exited(run, 0);
		assert.ok(!run.err.includes(KEY) && !run.out.includes(KEY));
		assert.ok(!lines(JSON.stringify(w.events())).join('').includes(KEY));
		assert.ok(!JSON.stringify(w.events()).includes(KEY));
	});

	test('one that fails is no key', async (t) => {
		const w = world(t);
		const run = await w.run(model, 'go', { env: env(`echo ${KEY}; exit 7`) });
		exited(run, 4);
		assert.match(run.err, /OPENAI_API_KEY_COMMAND: the command ended with exit status 7/);
		assert.ok(!run.err.includes(KEY));
	});
});
