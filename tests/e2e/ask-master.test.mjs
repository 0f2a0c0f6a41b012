// A worker asks the task above it while that one waits for it: an answer from its conversation, once, whatever happens in between.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { shell, sleep, startModel, world } from './lib.mjs';

const usage = { input: 10, cache_read: 0, output: 5, usd_nanos: 1000 };
const delegate = (...goals) => ({ name: 'delegate', args: { tasks: goals.map((goal) => ({ goal })) } });
const finish = (result) => ({ name: 'finish', args: { result } });
const ask = (question) => ({ name: 'ask_master', args: { question } });
const tests_answer = 'asks you while it works';

const POLICY = `version: 1
name: questions
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: share, allow: delegate }
`;

function record(w, replies) {
	const file = path.join(w.dir, 'recorded.jsonl');
	fs.writeFileSync(file, replies.map((r) => JSON.stringify({ agent: '*', usage, ...r })).join('\n') + '\n');
	if (w.as_nobody)
		fs.chmodSync(file, 0o644);
	return `recorded/${file}`;
}

async function result(running) {
	const done = await running;
	assert.notEqual(done.out, '', done.err);
	return { ...done, json: JSON.parse(done.out) };
}

const lead = (w, model, ...more) => w.mishri(w.teamArgs('lead', '-m', model, '--plan', 'always', '--output-format', 'json', ...more));

test('two workers ask at once; each has its own answer, the master hears of both', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [delegate('alpha part', 'beta part')] },
		{ agent: 'worker', match: 'alpha part', calls: [ask('which colour for alpha?')] },
		{ agent: 'worker', match: 'beta part', calls: [ask('which colour for beta?')] },
		{ agent: 'master', match: 'which colour for alpha?', text: 'alpha is red' },
		{ agent: 'master', match: 'which colour for beta?', text: 'beta is blue' },
		{ agent: 'worker', match: 'alpha is red', text: 'painted alpha' },
		{ agent: 'worker', match: 'beta is blue', text: 'painted beta' },
		{ agent: 'master', match: 'You answered: alpha is red', calls: [finish('both painted')] },
	]);
	const r = await result(lead(w, model));
	assert.equal(r.code, 0, r.err + r.out);
	assert.equal(r.json.result, 'both painted');
	assert.equal(r.json.cost.usd_nanos, 8000, 'answers are paid for by the tree');
	const asked = w.events('task.delegated').filter((e) => e.data.question === true);
	assert.equal(asked.length, 2);
	for (const e of asked) {
		const answers = w.events('task.created').find((c) => c.task === e.data.child);
		assert.equal(answers.parent, e.task, 'the answer lies below the call that asked');
		assert.deepEqual(answers.data.tools, [], 'who answers has no tools');
		assert.equal(answers.data.role, 'master');
		assert.equal(answers.data.config.answers, e.task);
		const said = w.events('task.forked').find((c) => c.task === e.data.child);
		const roles = said.data.messages.map((m) => m.role);
		assert.deepEqual(roles, ['user', 'assistant', 'tool', 'user'], 'the open delegation has a result, then comes the question');
	}
	const reports = w.events('task.reported').filter((e) => e.data.asked !== undefined).map((e) => e.data.asked);
	assert.deepEqual(reports.map((list) => list.length), [1, 1]);
	assert.equal((await w.mishri(['audit', 'verify', ...w.places()])).code, 0);
	await w.leftNothing();
});

test('who has nobody above it is not offered the tool', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [{ agent: '*', calls: [ask('anybody?')] }, { agent: '*', match: "there is no tool 'ask_master'", text: 'alone' }]);
	const r = await result(w.mishri(w.runArgs('x', '-m', model, '--output-format', 'json')));
	assert.equal(r.json.result, 'alone');
	assert.equal(w.events('task.created')[0].data.tools.includes('ask_master'), false);
});
