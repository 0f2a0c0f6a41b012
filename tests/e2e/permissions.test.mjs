// What a call may do of that which its tool can: by its agent's profile, by the rule that allows it, and by the kernel.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { USERS, exited, shell, world } from './lib.mjs';

const usage = { input: 1, cache_read: 0, output: 1, usd_nanos: 0 };
const RULES = `version: 1
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: parts, allow: delegate, agent: "*" }
`;

function user(t, config, options = {}) {
	const w = world(t, { policy: RULES, ...options });
	fs.mkdirSync(path.join(w.home, '.config/mishri'), { recursive: true });
	fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'), config);
	w.go = (replies, ...more) => {
		const script = path.join(w.dir, 'r.jsonl');
		fs.writeFileSync(script, replies.map((reply) => `${JSON.stringify({ agent: '*', usage, ...reply })}\n`).join(''));
		return w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '-m', `recorded/${script}`, ...more, '--', 'go']);
	};
	return w;
}
const finished = (w) => w.events('call.finished').map((e) => e.data);

for (const { name, as_nobody } of USERS) {
	describe(`permissions, as ${name}`, () => {
		test('the profile of an agent bounds what its calls can do', async (t) => {
			const w = user(t, 'agents: { looker: { permissions: [fs.read, exec] }, doer: { } }\n', { as_nobody, files: { 'a.txt': 'a\n' } });
			const replies = [{ calls: [shell('cat a.txt; echo x > b.txt; python3 -c "import socket; socket.socket()" 2>&1 | tail -1')] }, { text: 'ok' }];
			exited(await w.go(replies, '--plan', 'never', '--agent', 'looker'), 0);
			assert.ok(!w.has('b.txt'));
			assert.match(finished(w)[0].output, /^a$[^]*b\.txt: Permission denied[^]*Operation not permitted/m);
			assert.deepEqual(w.events('call.started')[0].data.permissions, ['fs.read', 'exec']);
			assert.deepEqual(w.events('call.decided')[0].data.permissions, ['fs.read', 'exec']);
			const tools = w.events('task.created')[0].data.tools;
			assert.ok(tools.includes('read_file') && tools.includes('shell') && !tools.includes('write_file'), `${tools}`);
			// the same by an agent that was not narrowed
			exited(await w.go(replies, '--plan', 'never', '--agent', 'doer'), 0);
			assert.ok(w.has('b.txt'));
		});

		test('a part has no more than the whole', async (t) => {
			const w = user(t, 'agents: { master: { permissions: [fs.read, exec, agent] }, doer: { permissions: [fs.read, fs.write, exec, net] } }\n', { as_nobody });
			exited(await w.go([{ agent: 'master', calls: [{ name: 'delegate', args: { tasks: [{ goal: 'part', agent: 'doer' }] } }] },
				{ agent: 'worker', calls: [shell('echo x > b.txt')] }, { agent: 'worker', text: 'tried' }, { agent: 'master', text: 'all' }]), 0);
			assert.ok(!w.has('b.txt'));
			const part = w.events('task.created')[1].data;
			assert.deepEqual(part.config.permissions, ['fs.read', 'exec']);
			assert.ok(!part.tools.includes('write_file'));
		});

		test('a rule says what the calls that it allows may do; of several the least', async (t) => {
			const w = user(t, '{}\n', { as_nobody, files: { 'a.txt': 'a\n' }, policy: RULES.replace('tool: "*" }', 'tool: "*", permissions: [fs.read, exec, net] }') +
				'  - { id: quiet, allow: tool, tool: shell, permissions: [fs.read, fs.write, exec] }\n' });
			const run = await w.go([{ calls: [shell('cat a.txt; echo x > b.txt; python3 -c "import socket; socket.socket()" 2>&1 | tail -1'),
				{ name: 'write_file', args: { path: 'c.txt', content: 'c' } }, { name: 'read_file', args: { path: 'a.txt' } }] }, { text: 'ok' }], '--plan', 'never');
			exited(run, 0);
			assert.ok(!w.has('b.txt') && !w.has('c.txt'));
			const [sh, write, read] = finished(w);
			assert.match(sh.output, /^a$[^]*Permission denied[^]*Operation not permitted/m);
			assert.match(write.output, /write_file' needs fs\.write, which the rules that allow it do not grant/);
			assert.equal(write.status, 'denied');
			assert.equal(read.status, 'ok');
			const decided = w.events('call.decided').map((e) => e.data);
			assert.deepEqual([decided[1].effect, decided[1].by], ['deny', 'permissions']);
			assert.deepEqual(w.events('call.started').map((e) => e.data.permissions), [['fs.read', 'exec'], ['fs.read']]);
		});

		test('exec --permissions', async (t) => {
			const w = world(t, { as_nobody, policy: RULES, files: { 'a.txt': 'a\n' } });
			const exec = (list, text) => w.mishri(['exec', ...w.places(), '-p', w.policy, '-w', w.ws, '--permissions', list, '--', 'bash', '-c', text]);
			const cannot = await exec('fs.read,exec', 'cat a.txt && echo x > b.txt');
			exited(cannot, 1);
			assert.equal(cannot.out, 'a\n');
			exited(await exec('fs.read, fs.write, exec', 'cat a.txt && echo x > b.txt'), 0);
			const alone = await exec('fs.read', 'echo alone; cat a.txt');
			exited(alone, 126);
			assert.equal(alone.out, 'alone\n');
			assert.match(alone.err, /^mishri: denied by the gate: \S*cat a\.txt \(this call may start no program but its first: it was not granted `exec`\)$/m);
			const blind = await exec('exec', 'cat a.txt');
			exited(blind, 1);
			assert.match(blind.err, /Permission denied/);
			const wrong = await exec('fs.raed', 'true');
			exited(wrong, 2);
			assert.match(wrong.err, /--permissions: 'fs\.raed' is no permission: did you mean 'fs\.read'\?/);
		});
	});
}

test('wrong lists are refused where they stand', async (t) => {
	for (const [config, says] of [
		['agents: { x: { permissions: fs.read } }', /config\.yaml:1:\d+: x: permissions/],
		['agents: { x: { permissions: [fs.raed] } }', /'fs\.raed' is no permission: did you mean 'fs\.read'/],
		['agents: { x: { permissions: [fs.read, fs.read] } }', /'fs\.read' is there twice/],
		['agents: { x: { permissions: [fs.read], tools: [read_file, write_file] } }', /the tool 'write_file' of this agent needs more than this/],
	]) {
		const w = user(t, `${config}\n`);
		const run = await w.go([{ text: 'never' }], '--plan', 'never');
		exited(run, 3);
		assert.match(run.err, says);
	}
	for (const [rule, says] of [
		['{ id: a, allow: tool, permissions: [write] }', /'write' is no permission/],
		['{ id: a, deny: tool, tool: shell, permissions: [exec] }', /'permissions' says what an allowed call of a tool may do/],
		['{ id: a, allow: exec, permissions: [exec] }', /belongs to 'allow: tool' and 'ask: tool'/],
		['{ id: a, allow: tool, permissions: exec }', /'permissions'/],
	]) {
		const w = world(t, { policy: `version: 1\nrules:\n  - ${rule}\n` });
		const run = await w.mishri(['policy', 'lint', w.policy]);
		exited(run, 3);
		assert.match(run.out, says);
	}
});

test('tools show tells what a tool needs, and check what a rule leaves of it', async (t) => {
	const w = world(t, { policy: 'version: 1\nrules:\n  - { id: s, allow: tool, tool: shell, permissions: [fs.read, exec] }\n' });
	const tool = JSON.parse((await w.mishri(['tools', 'show', 'shell', '--json'])).out);
	assert.deepEqual(tool.permissions, ['fs.read', 'fs.write', 'exec', 'net', 'secrets']);
	assert.deepEqual(tool.needed, ['exec']);
	assert.match((await w.mishri(['tools', 'show', 'shell'])).out, /permissions {2}exec; where granted: fs\.read, fs\.write, net, secrets/);
	const check = await w.mishri(['policy', 'check', '--json', '-p', w.policy, '--tool', 'shell', '--args', '{"command":"x"}']);
	exited(check, 0);
	assert.deepEqual(JSON.parse(check.out).permissions, ['fs.read', 'exec']);
});

test('debuggers are told why; hashes are in the record', async (t) => {
	const w = user(t, '{}\n', { policy: 'version: 1\ndefault: allow\n' });
	exited(await w.go([{ calls: [shell('cp /usr/bin/strace ./tracer 2>/dev/null || cp /usr/bin/true ./strace; (strace true || ./strace) 2>&1; printf "#!/bin/sh\\necho ran\\n" > s; chmod +x s; ./s; ls > /dev/null')] },
		{ text: 'ok' }], '--plan', 'never'), 0);
	assert.match(finished(w)[0].output, /mishri: denied by the gate: \S*strace.*one tracer/);
	const decided = w.events('exec.decided').map((e) => e.data);
	assert.match(decided.find((d) => /\/s$/.test(d.program)).sha256, /^[0-9a-f]{64}$/);
	assert.equal(decided.find((d) => /\/ls$/.test(d.program)).sha256, undefined, 'the system is hashed only where a rule asks');
});
