// Every exit code with its sentence, and the order in which what is wrong is looked for.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { checkResult, checkStream, exited, shell, startModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const askPolicy = `version: 1
rules:
  - { id: reading, allow: tool, tool: read_file }
  - { id: shells-ask, ask: tool, tool: shell }
`;

const rows = [
	{ name: 'done', exit: 0, state: 'done', replies: [{ text: 'fine' }], says: /fine/ },
	{ name: 'the model was cut off', exit: 1, state: 'failed', replies: [{ text: 'half a sen', finish: 'length' }], says: /cut off.*half a sen/s },
	{ name: 'the request was refused', exit: 1, state: 'failed', replies: [{ status: 400, error: { message: 'bad thing' } }], says: /bad thing/ },
	{ name: 'the model does not exist', exit: 1, state: 'failed', replies: [{ status: 404, error: { message: 'no such model', code: 'model_not_found' } }], says: /no such model/ },
	{ name: 'the content filter', exit: 1, state: 'failed', replies: [{ text: 'x', finish: 'content_filter' }], says: /content filter/ },
	{ name: 'the key was refused', exit: 4, state: 'failed', key: 'another', replies: [{ text: 'x' }], says: /401|key/i, requests: 1 },
	{ name: 'status 401', exit: 4, state: 'failed', replies: [{ status: 401, error: { message: 'Incorrect API key' } }], says: /Incorrect API key/, requests: 1 },
	{ name: 'the quota is used up', exit: 5, state: 'failed', requests: 1, says: /quota/i,
		replies: [{ status: 429, error: { type: 'insufficient_quota', code: 'insufficient_quota', message: 'You exceeded your current quota' } }] },
	{ name: 'the provider fails again and again', exit: 5, state: 'failed', requests: 3, args: ['-c', 'retry.attempts=3'], replies: [{ status: 503, times: 0 }], says: /after 3 attempts/ },
	{ name: 'turns are used up', exit: 8, state: 'failed', args: ['--max-turns', '2'], replies: [{ times: 0, calls: [shell('true')] }], says: /limit of 2 turns.*--max-turns/ },
	{ name: 'time is used up', exit: 8, state: 'failed', args: ['--timeout', '2s'], replies: [{ calls: [shell('sleep 30')] }], says: /time limit of 2/ },
	{ name: 'time is used up while only retrying', exit: 5, state: 'failed', args: ['--timeout', '2s'],
		replies: [{ times: 0, status: 429, headers: { 'retry-after': '5' } }], says: /time limit.*429|429.*time limit/s },
	{ name: 'nobody to ask', exit: 9, state: 'done', policy: askPolicy, replies: [{ calls: [shell('touch made')] }, { text: 'I could not.' }], says: /I could not/ },
];

describe('exit codes of run', () => {
	for (const row of rows) {
		test(`${row.exit}: ${row.name}`, async (t) => {
			const w = world(t, { policy: row.policy });
			model.setScenario({ replies: row.replies, ...(row.key ? { key: row.key } : {}) });
			const env = { OPENAI_API_KEY: 'sk-mock' };
			const run = await w.run(model, 'x', { args: ['--output-format', 'stream-json', ...(row.args ?? [])], env });
			exited(run, row.exit);
			const events = checkStream(run.out, { state: row.state, exit: row.exit });
			assert.match(JSON.parse(run.out.trim().split('\n').at(-1)).result, row.says);
			assert.equal(events.at(-1).type, 'task.finished');
			assert.equal(events.at(-1).data.exit, row.exit);
			if (row.requests !== undefined)
				assert.equal(model.requests.length, row.requests);
			assert.deepEqual(model.invalid, []);
			assert.ok(!w.has('made'));
			w.checkChain();
			await w.leftNothing();
			// Again, as text: the reason is on stderr unless it is an answer, and stdout holds nothing else.
			const again = await w.resume(model, events.at(-1).task).done;
			exited(again, row.exit);
			assert.match(row.state === 'done' ? again.out : again.err, row.says);
			assert.ok(row.state === 'done' || again.out === '');
		});
	}

	for (const [rule, code, says] of [['deny: model, provider: openai', 6, /not-this-one/], ['ask: model, model: "mo*"', 9, /not-this-one/],
		['allow: model, provider: ollama', 6, /denied by the list of models in the policy: no rule allows this model/]]) {
		test(`${code}: the model itself may not be called (${rule})`, async (t) => {
			const w = world(t, { policy: `version: 1\nrules:\n  - { id: not-this-one, ${rule}, reason: "take another" }\n` });
			model.setScenario({ replies: [{ text: 'x' }] });
			const run = await w.run(model, 'x', { args: ['--output-format', 'stream-json'] });
			exited(run, code);
			checkStream(run.out, { state: 'failed', exit: code });
			assert.match(run.err, says);
			assert.equal(model.requests.length, 0);
		});
	}

	for (const rules of ['- { id: tools, allow: tool, tool: "*" }', '- { id: not-that-one, deny: model, provider: ollama }', '- { id: this-one, allow: model, model: mock }'])
		test(`0: a model that no list leaves out (${rules})`, async (t) => {
			const w = world(t, { policy: `version: 1\ndefault: deny\nrules:\n  ${rules}\n` });
			model.setScenario({ replies: [{ text: 'x' }] });
			exited(await w.run(model, 'x'), 0);
		});

	test('5: nobody listens', async (t) => {
		const w = world(t);
		const run = await w.mishri(w.runArgs('x', '-m', 'openai/mock', '--output-format', 'json'),
			{ env: { OPENAI_BASE_URL: 'http://127.0.0.1:9/v1', OPENAI_API_KEY: 'x' } });
		exited(run, 5);
		checkResult(JSON.parse(run.out), { state: 'failed', exit: 5 });
		assert.match(JSON.parse(run.out).result, /127\.0\.0\.1:9|connect/i);
	});
});

describe('exit codes of exec', () => {
	const execArgs = (w, ...words) => ['exec', ...w.places(), '-p', w.policy, '-w', w.ws, '--', ...words];
	const policy = `version: 1
rules:
  - { id: all, allow: exec, program: { from: system } }
  - { id: no-touching, deny: exec, program: touch, reason: "look, do not touch" }
  - { id: copies-ask, ask: exec, program: cp }
`;
	for (const [name, words, code, says] of [
		['its own', ['sh', '-c', 'echo out; echo err >&2; exit 42'], 42, /^err$/m],
		['0', ['true'], 0, /^$/],
		['of a signal', ['sh', '-c', 'kill -9 $$'], 137, /^$/],
		['6 when the program is denied', ['touch', 'x'], 6, /^mishri: denied by no-touching: \S*touch x \(.*look, do not touch.*\)$/m],
		['9 when it would have to ask', ['cp', 'a', 'b'], 9, /^mishri: denied by copies-ask: \S*cp a b \(/m],
		['its own when a child is denied', ['sh', '-c', 'touch x; exit 7'], 7, /^mishri: denied by no-touching: /m],
		['127 when there is no such program', ['no-such-program'], 127, /no-such-program/],
	]) {
		test(name, async (t) => {
			const w = world(t, { policy });
			const run = await w.mishri(execArgs(w, ...words));
			exited(run, code);
			assert.match(run.err, says);
			assert.equal(run.out, words[2]?.startsWith('echo out') ? 'out\n' : '');
			assert.deepEqual(fs.readdirSync(w.ws), []);
			await w.leftNothing();
		});
	}

	test('stdin, stdout and stderr are the program\'s', async (t) => {
		const w = world(t, { policy });
		const bytes = 'ä\n'.repeat(100000);
		const run = await w.mishri(execArgs(w, 'cat'), { input: bytes });
		exited(run, 0);
		assert.ok(run.out === bytes);
	});
});

describe('what is wrong is looked for in order', () => {
	// Each row mends one thing more.
	const wrong = (w) => {
		fs.writeFileSync(path.join(w.dir, 'bad.yaml'), 'version: 1\nrulez: []\n');
		fs.mkdirSync(w.data);
		fs.writeFileSync(path.join(w.data, 'mishri.db'), 'this is no database, whatever its name may say\n'.repeat(100));
	};
	const steps = [
		{ name: 'usage first', args: (w) => ['--no-such-option', '-w', `${w.dir}/none`, '-p', `${w.dir}/bad.yaml`, '-m', 'openai/x', 'goal'], code: 2, says: /--no-such-option/ },
		{ name: 'then the workspace', args: (w) => ['-w', `${w.dir}/none`, '-p', `${w.dir}/bad.yaml`, '-m', 'openai/x', 'goal'], code: 2, says: /workspace.*none/ },
		{ name: 'then configuration', args: (w) => ['-w', w.ws, '-c', 'max_turns=many', '-p', `${w.dir}/bad.yaml`, '-m', 'openai/x', 'goal'], code: 2, says: /max_turns/ },
		{ name: 'then policy', args: (w) => ['-w', w.ws, '-p', `${w.dir}/bad.yaml`, '-m', 'openai/x', 'goal'], code: 3, says: /bad\.yaml:2:1:.*rulez.*rules/ },
		{ name: 'then the store', args: (w) => ['-w', w.ws, '-p', w.policy, '-m', 'openai/x', 'goal'], code: 1, says: /mishri\.db/ },
		{ name: 'then the key', args: (w) => ['-w', w.ws, '-p', w.policy, '-m', 'openai/x', 'goal'], code: 4, says: /OPENAI_API_KEY/, mend: (w) => fs.rmSync(path.join(w.data, 'mishri.db')) },
		{ name: 'no model at all', args: (w) => ['-w', w.ws, '-p', w.policy, 'goal'], code: 4, says: /mishri demo/, mend: (w) => fs.rmSync(path.join(w.data, 'mishri.db')) },
		{ name: 'an unknown provider', args: (w) => ['-w', w.ws, '-p', w.policy, '-m', 'opnai/x', 'goal'], code: 3, says: /did you mean 'openai'/, mend: (w) => fs.rmSync(path.join(w.data, 'mishri.db')) },
	];
	for (const step of steps) {
		test(step.name, async (t) => {
			const w = world(t);
			wrong(w);
			step.mend?.(w);
			const run = await w.mishri(['run', ...w.places(), ...step.args(w)]);
			exited(run, step.code);
			assert.match(run.err, step.says);
			assert.equal(run.out, '');
			// stream-json ends with one result whatever happens.
			if (step.name !== 'usage first') {
				const stream = await w.mishri(['run', ...w.places(), '--output-format', 'stream-json', ...step.args(w)]);
				exited(stream, step.code);
				checkStream(stream.out, { task: null, state: 'failed', exit: step.code });
				assert.match(JSON.parse(stream.out).result, step.says);
			}
		});
	}
});
