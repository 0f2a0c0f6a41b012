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

async function until(check, what) {
	for (let i = 0; i < 600; i++, await sleep(50))
		if (await check())
			return;
	assert.fail(what);
}

const asks = [
	{ match: 'lead them', calls: [delegate('the part')] },
	{ match: 'the part', calls: [ask('how many?')] },
];

async function started(t, replies) {
	const w = world(t, { policy: POLICY });
	const model = await startModel({ replies });
	t.after(() => model.close());
	const run = w.start(w.teamArgs('lead them', '-m', 'openai/mock', '--plan', 'always', '--output-format', 'json'), { env: model.env });
	return { w, model, run, task: () => w.events('task.created')[0].task };
}

for (const [when, waits] of [
	['while the answer is made', (w, model) => model.requests.length === 3],
	['as soon as the question is durable', (w) => w.hasStore() && w.events('task.delegated').length === 2],
])
	test(`SIGKILL ${when}: the same question is answered once`, async (t) => {
		const { w, model, run, task } = await started(t, [...asks, { match: tests_answer, hang: 'before' }]);
		await until(() => waits(w, model), 'it was never asked');
		run.kill('SIGKILL');
		await run.done;
		model.setScenario({ replies: [{ match: tests_answer, text: 'forty-two' }, { match: 'forty-two', text: 'made forty-two' },
			{ match: 'It asked you: how many?', calls: [finish('whole')] }] });
		const r = await w.mishri(['run', '--resume', task(), '--output-format', 'json', ...w.places(), '-p', w.policy], { env: model.env });
		assert.equal(JSON.parse(r.out).result, 'whole', r.err);
		assert.equal(w.events('task.delegated').filter((e) => e.data.question).length, 1);
		assert.equal(w.events('task.created').length, 3, 'master, worker, answer');
		const closed = w.events('call.finished').filter((e) => e.data.tool === 'ask_master');
		assert.deepEqual(closed.map((e) => [e.data.status, e.data.output]), [['ok', 'forty-two']]);
		assert.equal((await w.mishri(['audit', 'verify', ...w.places()])).code, 0);
		await w.leftNothing();
	});

test('a cancel ends the question with those who wait', async (t) => {
	const { w, model, run, task } = await started(t, [...asks, { match: tests_answer, hang: 'before' }]);
	await until(() => model.requests.length === 3, 'it was never asked');
	const ps = await w.mishri(['ps', ...w.places()]);
	assert.match(ps.out, /asks its master: how many\?/);
	assert.equal((await w.mishri(['cancel', task(), ...w.places()])).code, 0);
	await run.done;
	assert.deepEqual(w.events('task.finished').map((e) => e.data.state), ['cancelled', 'cancelled', 'cancelled']);
	assert.deepEqual(w.events('call.finished').map((e) => [e.data.tool, e.data.status]), [['ask_master', 'cancelled'], ['delegate', 'cancelled']]);
	await w.leftNothing();
});

test('who gets no answer is told why, and goes on', async (t) => {
	const { w, run } = await started(t, [...asks, { match: tests_answer, status: 401, error: { type: 'x', message: 'not this key' } },
		{ match: 'Your master did not answer', text: 'took seven' }, { match: 'You answered: \\(nothing came\\)', calls: [finish('no')], times: 0 },
		{ match: 'took seven', calls: [finish('with seven')] }]);
	await run.done;
	const closed = w.events('call.finished').find((e) => e.data.tool === 'ask_master');
	assert.equal(closed.data.status, 'error');
	assert.match(closed.data.output, /^Your master did not answer \(failed\): .*Decide yourself/s);
	assert.equal(JSON.parse(run.out).result, 'with seven', run.err);
	assert.equal(w.events('task.reported').find((e) => e.data.asked).data.asked[0].answer, null);
});

test('policy may forbid it; an empty question and the seventeenth are refused', async (t) => {
	const w = world(t, { policy: POLICY });
	const many = Array.from({ length: 16 }, (_, i) => [{ agent: 'worker', calls: [ask(`question ${i}?`)] }, { agent: 'master', match: `question ${i}?`, text: `answer ${i}` }]).flat();
	const model = record(w, [
		{ agent: 'master', calls: [delegate('the part')] },
		{ agent: 'worker', calls: [ask('')] },
		...many,
		{ agent: 'worker', match: 'answer 15', calls: [ask('one more?')] },
		{ agent: 'worker', match: 'has asked 16 times, which is the most', text: 'enough' },
		{ agent: 'master', calls: [finish('done')] },
	]);
	const r = await result(lead(w, model));
	assert.equal(r.json.result, 'done', r.err);
	const closed = w.events('call.finished').filter((e) => e.data.tool === 'ask_master');
	assert.deepEqual([closed.length, closed.filter((e) => e.data.status === 'ok').length, closed[0].data.status, closed.at(-1).data.status],
		[18, 16, 'invalid', 'invalid']);
	const denied = world(t, { policy: `${POLICY}  - { id: silent, deny: tool, tool: ask_master, reason: "nobody asks here" }\n` });
	const other = record(denied, [
		{ agent: 'master', calls: [delegate('the part')] },
		{ agent: 'worker', calls: [ask('may I?')] },
		{ agent: 'worker', match: 'Denied by rule silent: nobody asks here', text: 'did not' },
		{ agent: 'master', calls: [finish('done')] },
	]);
	assert.equal((await result(lead(denied, other))).json.result, 'done');
	assert.equal(denied.events('task.created').length, 2, 'nobody was made to answer');
});

test('tree, show and trace say who asked whom what', async (t) => {
	const w = world(t, { policy: POLICY });
	const model = record(w, [
		{ agent: 'master', calls: [delegate('the part')] },
		{ agent: 'worker', calls: [ask('which way?')] },
		{ agent: 'master', match: 'which way?', text: 'left' },
		{ agent: 'worker', match: 'left', text: 'went left' },
		{ agent: 'master', calls: [finish('done')] },
	]);
	const r = await result(lead(w, model));
	const tree = JSON.parse((await w.mishri(['tree', r.json.task, ...w.places(), '--json'])).out);
	assert.deepEqual(tree.children[0].children.map((c) => [c.goal, c.role, c.state]), [['which way?', 'master', 'done']]);
	assert.match((await w.mishri(['tree', r.json.task, ...w.places()])).out, /which way\?/);
	const shown = JSON.parse((await w.mishri(['show', tree.children[0].task, ...w.places(), '--json'])).out);
	assert.equal(JSON.stringify(shown).includes('"question":true'), true);
	assert.match((await w.mishri(['trace', r.json.task, ...w.places()])).out, /ask_master ok: which way\?/);
});
