// Control from another terminal: cancel, pause, resume, steer, answer, priority, in each state of a task; who may; what is left.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { AM_ROOT, POLICY, USERS, checkStream, descendants, exited, gone, shell, sleep, startModel, toldModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const say = (w, ...words) => w.mishri([words[0], ...w.places(), ...words.slice(1)]);
const calls = (...list) => [{ calls: list }, { text: 'went on', times: 0 }];
const started = (w) => w.events('call.started').length;

// Until the store says so.
async function until(w, what, run) {
	for (const end = Date.now() + 20000; ; await sleep(20)) {
		if (w.hasStore()) {
			const found = what();
			if (found)
				return found;
		}
		if (Date.now() > end || run?.ended)
			assert.fail(`it never came\n${run?.out}\n${run?.err}`);
	}
}
const of = (w, type) => w.events(type).at(-1)?.data;
const begun = (w, type, run) => until(w, () => w.events(type).at(-1), run);

const ASKING = POLICY.replace('rules:\n', 'rules:\n  - { id: looked-at, ask: tool, tool: write_file }\n');
const TEAM = POLICY.replace('rules:\n', 'rules:\n  - { id: share, allow: delegate }\n');
const ask = { name: 'write_file', args: { path: 'asked', content: 'x' } };
const question = { name: 'ask_user', args: { question: 'Which colour?' } };
const STUBBORN = 'trap "" TERM INT HUP; (setsid sh -c "trap \\"\\" TERM INT HUP; while :; do sleep 1; done" &) ; echo up > up; while :; do sleep 1; done';

const states = [
	{ name: 'while the model thinks', replies: [{ hang: 'before' }], when: 'model.requested' },
	{ name: 'while the model streams', replies: [{ text: 'a'.repeat(2000), hang: 'first' }], when: 'model.requested' },
	{ name: 'while a retry waits', replies: [{ status: 503, headers: { 'retry-after': '20' } }], when: 'retry.scheduled' },
	{ name: 'while a tool runs', replies: calls(shell('echo before; sleep 60'), shell('echo never > never')), when: 'exec.decided', status: ['cancelled', 'cancelled'] },
	{ name: 'while a tool ignores it and leaves others behind', replies: calls(shell(STUBBORN)), file: 'up', status: ['cancelled'] },
	{ name: 'while an approval waits', policy: ASKING, args: ['--wait-for-approval'], replies: calls(ask), when: 'approval.requested', status: ['cancelled'] },
	{ name: 'while a question waits', args: ['--wait-for-approval'], tools: 'auto', replies: calls(question), when: 'question.asked', status: ['cancelled'] },
	{ name: 'while it is paused', replies: calls(shell('sleep 60')), when: 'exec.decided', first: 'pause', status: ['cancelled'] },
];

describe('cancel', () => {
	for (const state of states) {
		test(state.name, async (t) => {
			const w = world(t, { policy: state.policy });
			model.setScenario({ replies: state.replies });
			const run = w.startRun(model, 'x', { args: ['--output-format', 'stream-json', '-c', 'cancel_grace=1s', ...(state.args ?? []),
				...(state.tools ? ['--plan', state.tools] : [])] });
			await (state.file ? until(w, () => w.has(state.file), run) : begun(w, state.when, run));
			const task = w.task(), all = descendants(run.pid), before = started(w);
			if (state.first)
				exited(await say(w, state.first, task), 0);
			const done = await say(w, 'cancel', task);
			exited(done, 0);
			assert.match(done.out, /cancelled/);
			await run.done;
			exited(run, 1);
			checkStream(run.out, { state: 'cancelled' });
			await gone(all);
			await w.leftNothing();
			assert.equal(w.end().state, 'cancelled');
			assert.match(w.end().result, /Cancelled by /);
			assert.equal(of(w, 'task.cancelled').by, w.events('task.created')[0].user);
			assert.equal(started(w), before, 'nothing began after it');
			assert.deepEqual(w.events('call.finished').map((e) => e.data.status), state.status ?? []);
			assert.ok(!w.has('never'));
			assert.deepEqual(w.sql('select id from inbox'), []);
			w.checkChain();
			const again = await say(w, 'cancel', task);
			exited(again, 0);
			assert.match(again.out, /has ended already \(cancelled\)/);
		});
	}

	test('without grace, when it is said again', async (t) => {
		const w = world(t);
		model.setScenario({ replies: calls(shell(STUBBORN)) });
		const run = w.startRun(model, 'x', { args: ['-c', 'cancel_grace=50s'] });
		await until(w, () => w.has('up'), run);
		const all = descendants(run.pid), first = say(w, 'cancel', w.task());
		await begun(w, 'call.killed', run);
		assert.ok(!run.ended, 'the tool has its grace');
		exited(await say(w, 'cancel', w.task()), 0);
		exited(await first, 0);
		await run.done;
		assert.ok(run.ms < 40000, 'long before the grace is over');
		await gone(all);
		await w.leftNothing();
		assert.deepEqual(w.events('task.cancelled').map((e) => e.data.now ?? false), [false, true]);
	});

	test('of a task that is parked: nothing is started', async (t) => {
		const w = world(t);
		model.setScenario({ replies: calls(shell('echo 1 >> steps; sleep 60'), shell('echo never > never')) });
		const run = w.startRun(model, 'x');
		await begun(w, 'exec.decided', run);
		run.kill('SIGINT');
		await run.done;
		const task = w.task(), asked = model.requests.length, cells = w.events('cell.opened').length;
		exited(await say(w, 'cancel', task), 0);
		assert.equal(w.end().state, 'cancelled');
		assert.equal(model.requests.length, asked);
		assert.equal(w.events('cell.opened').length, cells);
		assert.deepEqual(w.events('call.finished').map((e) => e.data.status), ['killed', 'cancelled']);
		assert.deepEqual(w.sql('select task from leases where until_ms > 0'), []);
		w.checkChain();
	});

	test('of a task whose engine was killed, with the tasks below it, children first', async (t) => {
		const w = world(t, { policy: TEAM });
		model.setScenario({ replies: [{ match: 'lead', calls: [{ name: 'delegate', args: { tasks: [{ goal: 'part one' }, { goal: 'part two' }] } }] },
			{ match: 'part', calls: [shell('sleep 60')], times: 2 }] });
		const run = w.start(w.teamArgs('lead', '-m', 'openai/mock'), { env: model.env });
		await until(w, () => w.events('exec.decided').length >= 2, run);
		const root = w.events('task.created')[0].task;
		run.kill('SIGKILL');
		await run.done.catch(() => {});
		exited(await say(w, 'cancel', root), 0);
		const ends = w.events('task.finished');
		assert.deepEqual(ends.map((e) => e.data.state), ['cancelled', 'cancelled', 'cancelled']);
		assert.equal(ends.at(-1).task, root, 'the root ends last');
		assert.deepEqual(w.events('call.finished').map((e) => e.data.status).sort(), ['cancelled', 'unknown', 'unknown']);
		assert.deepEqual(w.sql('select task from leases where until_ms > 0'), []);
		await w.leftNothing();
	});

	test('of a subtree: the task above goes on', async (t) => {
		const w = world(t, { policy: TEAM });
		model.setScenario({ replies: [{ match: 'lead', calls: [{ name: 'delegate', args: { tasks: [{ goal: 'part one' }, { goal: 'part two' }] } }] },
			{ match: 'part', calls: [shell('sleep 60')], times: 2 }, { match: 'cancelled', text: 'went on', times: 0 }] });
		const run = w.start(w.teamArgs('lead', '-m', 'openai/mock'), { env: model.env });
		await until(w, () => w.events('exec.decided').length >= 2, run);
		const children = w.events('task.created').slice(1).map((e) => e.task);
		exited(await say(w, 'cancel', ...children), 0);
		await run.done;
		exited(run, 0);
		assert.equal(run.out, 'went on\n');
		assert.deepEqual(w.events('task.reported').map((e) => e.data.state), ['cancelled', 'cancelled']);
		await w.leftNothing();
		exited(await w.mishri(['audit', 'verify', ...w.places()]), 0);
	});

	for (const user of USERS)
		test(`kill -9 between the message and its effect, as ${user.name}`, async (t) => {
			const w = world(t, user);
			model.setScenario({ replies: calls(shell('echo 1 >> steps; sleep 60')) });
			const run = w.startRun(model, 'x');
			await begun(w, 'exec.decided', run);
			run.kill('SIGSTOP'); // it lives, and hears nothing
			const said = w.start(['cancel', ...w.places(), w.task()]);
			await until(w, () => w.sql('select id from inbox').length > 0);
			run.kill('SIGKILL');
			await run.done.catch(() => {});
			await said.done;
			exited(said, 0);
			assert.equal(w.end().state, 'cancelled');
			assert.deepEqual(w.events('call.finished').map((e) => e.data.status), ['unknown'], 'the truth about the call');
			assert.equal(w.read('steps'), '1\n');
			await w.leftNothing();
			w.checkChain();
		});
});

describe('pause and resume', () => {
	test('calls under way end, nothing new begins, the time stands still', async (t) => {
		const w = world(t);
		model.setScenario({ replies: calls(shell('echo 1 >> steps; sleep 2; echo 2 >> steps'), shell('echo 3 >> steps')) });
		const run = w.startRun(model, 'x', { args: ['--timeout', '5s'] });
		await begun(w, 'exec.decided', run);
		const task = w.task();
		exited(await say(w, 'pause', task), 0);
		await begun(w, 'call.finished', run);
		await sleep(5000);
		assert.equal(w.read('steps'), '1\n2\n');
		for (const view of ['ps', 'history'])
			assert.equal(JSON.parse((await say(w, view, '--json')).out)[0].state, 'paused', view);
		for (const view of ['show', 'tree'])
			assert.equal(JSON.parse((await say(w, view, task, '--json')).out).state, 'paused', view);
		assert.match((await say(w, 'pause', task)).out, /paused already/);
		exited(await say(w, 'resume', task), 0);
		await run.done;
		exited(run, 0);
		assert.equal(w.read('steps'), '1\n2\n3\n');
		assert.match((await say(w, 'resume', task)).out, /has ended already/);
		w.checkChain();
	});

	test('--now interrupts, and a crash does not let it go on', async (t) => {
		const w = world(t);
		model.setScenario({ replies: calls(shell('echo 1 >> steps; sleep 60; echo 2 >> steps'), shell('echo 3 >> steps')) });
		const run = w.startRun(model, 'x');
		await begun(w, 'exec.decided', run);
		const task = w.task();
		exited(await say(w, 'pause', task, '--now'), 0);
		assert.equal((await begun(w, 'call.finished', run)).data.status, 'cancelled');
		run.kill('SIGKILL');
		await run.done.catch(() => {});
		assert.equal(JSON.parse((await say(w, 'show', task, '--json')).out).state, 'paused');
		const here = await w.mishri(['resume', ...w.places(), task], { env: model.env });
		exited(here, 0);
		assert.equal(here.out, 'went on\n');
		assert.equal(w.read('steps'), '1\n3\n');
		w.checkChain();
	});

	test('of a task with tasks below it', async (t) => {
		const w = world(t, { policy: TEAM });
		model.setScenario({ replies: [{ match: 'lead', calls: [{ name: 'delegate', args: { tasks: [{ goal: 'part one' }] } }] },
			{ match: 'part one', calls: [shell('sleep 1'), shell('echo 2 >> steps')] }, { text: 'went on', times: 0 }] });
		const run = w.start(w.teamArgs('lead', '-m', 'openai/mock'), { env: model.env });
		await begun(w, 'exec.decided', run);
		const [root, child] = w.events('task.created').map((e) => e.task);
		exited(await say(w, 'pause', root), 0);
		await begun(w, 'call.finished', run);
		await sleep(500);
		assert.deepEqual(w.events('task.paused').map((e) => [e.task, e.data.of]).sort(), [[root, undefined], [child, root]].sort());
		assert.ok(!w.has('steps'));
		exited(await say(w, 'resume', root), 0);
		await run.done;
		exited(run, 0);
		assert.equal(w.read('steps'), '2\n');
	});
});

const plan = { name: 'plan', args: { steps: [{ id: 'a', title: 'another way' }] } };

describe('steer', () => {
	test('joins before the next turn, behind the results', async (t) => {
		const w = world(t);
		model.setScenario({ replies: calls(shell('echo first; sleep 2'), shell('echo second')) });
		const run = w.startRun(model, 'x');
		await begun(w, 'exec.decided', run);
		exited(await say(w, 'steer', w.task(), 'use the blue one'), 0);
		await run.done;
		exited(run, 0);
		const last = model.requests.at(-1).body.messages;
		assert.deepEqual(last.slice(-3).map((m) => m.role), ['tool', 'tool', 'user']);
		assert.equal(last.at(-1).content, 'use the blue one');
		assert.deepEqual(model.invalid, []);
	});

	const interrupted = [
		{ name: 'a tool', replies: calls(shell('echo first; sleep 60'), shell('echo never > never')), when: 'exec.decided', roles: ['tool', 'tool', 'user'] },
		{ name: 'the model', replies: [{ text: 'a'.repeat(2000), hang: 'first' }, { text: 'went on' }], when: 'model.requested', roles: ['user', 'user'] },
	];
	for (const row of interrupted)
		test(`--now interrupts ${row.name}, and goes on with the text`, async (t) => {
			const w = world(t);
			model.setScenario({ replies: row.replies });
			const run = w.startRun(model, 'x');
			await begun(w, row.when, run);
			exited(await say(w, 'steer', w.task(), 'not so', '--now'), 0);
			await run.done;
			exited(run, 0);
			assert.equal(run.out, 'went on\n');
			const last = model.requests.at(-1).body.messages;
			assert.deepEqual(last.slice(-row.roles.length).map((m) => m.role), row.roles);
			assert.equal(last.at(-1).content, 'not so');
			assert.ok(!w.has('never'));
			assert.deepEqual(model.invalid, []);
			w.checkChain();
		});

	test('after a crash the words are still said', async (t) => {
		const w = world(t);
		model.setScenario({ replies: calls(shell('echo 1 >> steps; sleep 60')) });
		const run = w.startRun(model, 'x');
		await begun(w, 'exec.decided', run);
		exited(await say(w, 'steer', w.task(), 'remember me'), 0);
		run.kill('SIGKILL');
		await run.done.catch(() => {});
		const kept = await say(w, 'steer', w.task(), 'and me');
		exited(kept, 0);
		assert.match(kept.out, /kept/);
		exited(await w.resume(model, w.task()).done, 0);
		assert.deepEqual(model.requests.at(-1).body.messages.slice(-2).map((m) => m.content), ['remember me', 'and me']);
		assert.deepEqual(model.invalid, []);
	});

	test('--now --replan ends the parts that run, and asks for a new plan', async (t) => {
		const w = world(t, { policy: TEAM });
		model.setScenario({ replies: [{ match: 'lead', calls: [{ name: 'delegate', args: { tasks: [{ goal: 'part one' }] } }] },
			{ match: 'part one', calls: [shell('sleep 60')] }, { match: 'plan made anew', calls: [plan] }, { match: 'plan made anew', text: 'went on', times: 0 }] });
		const run = w.start(w.teamArgs('lead', '-m', 'openai/mock'), { env: model.env });
		await begun(w, 'exec.decided', run);
		const [root, child] = w.events('task.created').map((e) => e.task);
		exited(await say(w, 'steer', child, 'x', '--replan'), 1);
		exited(await say(w, 'steer', root, 'another way', '--now', '--replan'), 0);
		await run.done;
		exited(run, 0);
		assert.equal(run.out, 'went on\n');
		assert.equal(of(w, 'task.reported').state, 'cancelled');
		assert.deepEqual(model.invalid, []);
		await w.leftNothing();
	});

	test('--replan: nothing of the old plan is given out, nor is it finished, before there is a new one', async (t) => {
		const w = world(t, { policy: TEAM });
		const delegate = (goal) => ({ name: 'delegate', args: { tasks: [{ goal }] } });
		model.setScenario({ replies: [{ match: 'lead', calls: [shell('touch began; while [ ! -e go ]; do sleep 0.1; done'), delegate('old part')] },
			{ match: 'plan made anew', calls: [delegate('other part'), { name: 'finish', args: { result: 'no' } }] },
			{ match: 'plan made anew', text: 'I am done.' }, { match: 'no new plan yet', calls: [plan, delegate('new part')] },
			{ match: 'new part', text: 'the report' }, { match: 'the report', text: 'went on', times: 0 }] });
		const run = w.start(w.teamArgs('lead', '-m', 'openai/mock'), { env: model.env });
		await until(w, () => w.has('began'), run);
		exited(await say(w, 'steer', w.task(), 'another way', '--replan'), 0);
		w.write('go', '');
		await run.done;
		exited(run, 0);
		assert.equal(run.out, 'went on\n');
		assert.deepEqual(w.events('task.created').map((e) => e.data.goal), ['lead', 'new part']);
		const refused = w.events('call.finished').filter((e) => e.data.status === 'invalid');
		assert.deepEqual(refused.map((e) => [e.data.tool, /plan made anew/.test(e.data.output)]), [['delegate', true], ['delegate', true], ['finish', true]]);
		assert.deepEqual(w.events('loop.detected').map((e) => [e.data.kind, e.data.level]), [['no_plan', 'nudge']]);
		assert.deepEqual(model.invalid, []);
	});

	test('--replan, and a model that does not: it is stopped, and can be resumed', async (t) => {
		const w = world(t, { policy: TEAM });
		model.setScenario({ replies: [{ match: 'lead', calls: [shell('touch began; while [ ! -e go ]; do sleep 0.1; done')] },
			{ match: 'plan made anew', text: 'I am done.', times: 3 }, { match: 'plan made anew', calls: [plan] }, { match: 'plan made anew', text: 'went on', times: 0 }] });
		const run = w.start(w.teamArgs('lead', '-m', 'openai/mock'), { env: model.env });
		await until(w, () => w.has('began'), run);
		exited(await say(w, 'steer', w.task(), 'another way', '--replan'), 0);
		w.write('go', '');
		await run.done;
		exited(run, 10);
		assert.deepEqual(w.events('loop.detected').map((e) => [e.data.kind, e.data.level]), [['no_plan', 'nudge'], ['no_plan', 'replan'], ['no_plan', 'stop']]);
		const again = await w.resume(model, w.task()).done;
		exited(again, 0);
		assert.equal(again.out, 'went on\n');
	});
});

describe('answer', () => {
	test('a question, where nobody is at the terminal; the first answer wins', async (t) => {
		const w = world(t);
		model.setScenario({ replies: calls(question) });
		const run = w.start(w.teamArgs('x', '-m', 'openai/mock', '--wait-for-approval'), { env: model.env });
		const id = (await begun(w, 'question.asked', run)).data.id;
		const listed = JSON.parse((await say(w, 'approvals', '--json')).out);
		assert.deepEqual(listed.map((row) => [row.approval, row.kind, row.question]), [[id, 'question', 'Which colour?']]);
		const wrong = await say(w, 'approve', id);
		exited(wrong, 2);
		assert.match(wrong.err, /mishri answer/);
		exited(await say(w, 'answer', w.task(), 'blue'), 0);
		await run.done;
		exited(run, 0);
		assert.deepEqual(toldModel(model), ['blue']);
		const late = await say(w, 'answer', id, 'green');
		exited(late, 0);
		assert.match(late.out, /ended already/);
	});

	test('over a crash: it is the same question, and what was said meanwhile counts', async (t) => {
		const w = world(t);
		model.setScenario({ replies: calls(question) });
		const run = w.start(w.teamArgs('x', '-m', 'openai/mock', '--wait-for-approval'), { env: model.env });
		const id = (await begun(w, 'question.asked', run)).data.id;
		run.kill('SIGKILL');
		await run.done.catch(() => {});
		exited(await say(w, 'answer', id, 'blue'), 0);
		exited(await w.resume(model, w.task()).done, 0);
		assert.deepEqual(toldModel(model), ['blue']);
		assert.equal(w.events('question.asked').length, 1);
		w.checkChain();
	});
});

describe('whose word counts', () => {
	test('another user is refused, with an event; the group of the policy and root are not', { skip: !AM_ROOT }, async (t) => {
		const w = world(t, { policy: POLICY.replace('rules:\n', 'groups: { control: [carol] }\nrules:\n') });
		model.setScenario({ replies: calls(shell('sleep 60')) });
		const run = w.startRun(model, 'x', { args: ['--user', 'alice'] });
		await begun(w, 'exec.decided', run);
		for (const words of [['cancel', w.task()], ['pause', w.task()], ['steer', w.task(), 'x'], ['priority', w.task(), '5']]) {
			const refused = await say(w, ...words, '--user', 'bob');
			assert.notEqual(refused.code, 0, words[0]);
			assert.match(refused.err, /bob is neither root nor in the group `control`/);
		}
		assert.deepEqual(w.events('control.refused').map((e) => [e.data.command, e.data.by]), [['cancel', 'bob'], ['pause', 'bob'], ['steer', 'bob'], ['priority', 'bob']]);
		exited(await say(w, 'priority', w.task(), '7', '--user', 'carol'), 0);
		assert.equal(JSON.parse((await say(w, 'show', w.task(), '--json')).out).priority, 7);
		run.kill('SIGINT');
		await run.done;
		const refused = await say(w, 'cancel', w.task(), '--user', 'bob');
		exited(refused, 6);
		exited(await say(w, 'cancel', w.task()), 0);
		assert.equal(w.end().state, 'cancelled');
	});

	test('what is wrong is said, and nothing is lost', async (t) => {
		const w = world(t);
		model.setScenario({ replies: calls(shell('sleep 3')) });
		const run = w.startRun(model, 'x');
		await begun(w, 'exec.decided', run);
		const task = w.task();
		const rows = [
			[['cancel'], 2, /name a task/], [['cancel', 'zzzz'], 2, /no task|names/], [['pause', task, '--nov'], 2, /--now/],
			[['steer', task], 2, /wanted/], [['steer', task, ' '], 2, /empty/], [['steer', task, 'a', 'b'], 2, /quotes/],
			[['steer', task, 'x'.repeat(70000)], 2, /more than 65536/], [['priority', task, '101'], 2, /-100 to 100/],
			[['priority', task, 'high'], 2, /whole number/], [['answer', task, 'x'], 1, /asks nothing/], [['resume'], 2, /name one task/],
		];
		for (const [words, code, pattern] of rows) {
			const done = await say(w, ...words);
			exited(done, code);
			assert.match(done.err, pattern);
		}
		await run.done;
		exited(run, 0);
		assert.deepEqual(w.events().filter((e) => /steered|cancelled|paused|prioritized/.test(e.type)), []);
	});
});

describe('fork', () => {
	async function finished(w, more = []) {
		model.setScenario({ replies: [{ calls: [shell('echo one')] }, { text: 'the first end' }] });
		exited(await w.run(model, 'the goal', { args: more }), 0);
		return w.task();
	}

	test('goes on from a point of the old one, which stays as it was', async (t) => {
		const w = world(t);
		const old = await finished(w), before = w.events().filter((e) => e.task === old).map((e) => e.hash);
		const at = w.events('call.finished')[0].seq;
		model.setScenario({ replies: [{ text: 'another end' }] });
		const fork = await w.mishri(['fork', ...w.places(), String(at), 'do it differently'], { env: model.env });
		exited(fork, 0);
		assert.equal(fork.out, 'another end\n');
		const told = model.requests.at(-1).body.messages.slice(1);
		assert.deepEqual(told.map((m) => m.role), ['user', 'assistant', 'tool', 'user', 'user']);
		assert.equal(told[0].content, 'the goal');
		assert.equal(told.at(-1).content, 'do it differently');
		assert.deepEqual(model.invalid, []);
		assert.deepEqual(w.events().filter((e) => e.task === old).map((e) => e.hash), before);
		const made = w.events('task.forked')[0];
		const [a, b] = w.events('task.created').map((e) => e.data);
		for (const key of ['policies', 'tools', 'limits', 'isolation', 'workspace', 'model', 'role'])
			assert.deepEqual(b[key], a[key], key);
		assert.deepEqual(b.config.rights, a.config.rights);
		assert.deepEqual(JSON.parse((await say(w, 'show', made.task, '--json')).out).forked, { task: old, event: at });
		assert.match((await say(w, 'tree', made.task)).out, new RegExp(`fork of ${old} after event ${at}`));
		w.checkChain();
	});

	test('an event in the middle of a call names the nearest that will do', async (t) => {
		const w = world(t);
		await finished(w);
		const seq = (type) => w.events(type)[0].seq;
		const refused = await say(w, 'fork', String(seq('call.finished') - 1));
		exited(refused, 2);
		assert.match(refused.err, new RegExp(`nearest that will do is event ${seq('call.finished')}`));
		const over = await say(w, 'fork', String(w.events('task.finished')[0].seq));
		exited(over, 2);
		assert.match(over.err, /give TEXT/);
		for (const [word, pattern] of [['99999', /no event 99999/], ['x', /is no event/], ['1', /belongs to no task/]]) {
			const bad = await say(w, 'fork', word);
			exited(bad, 2);
			assert.match(bad.err, pattern);
		}
		assert.equal(w.events('task.created').length, 1);
	});

	test('a long conversation, and a fork of the end', async (t) => {
		const w = world(t);
		const old = await finished(w, ['--user', 'alice'].slice(AM_ROOT ? 0 : 2));
		const made = await say(w, 'fork', String(w.events('task.finished')[0].seq), 'and now?', '--make-only', '--json');
		exited(made, 0);
		const { task } = JSON.parse(made.out);
		const row = JSON.parse((await say(w, 'show', task, '--json')).out);
		assert.equal(row.state, 'parked');
		if (AM_ROOT)
			assert.equal(row.user, 'alice', 'a fork acts for the same user');
		model.setScenario({ replies: [{ match: 'and now?', text: 'more' }] });
		exited(await w.mishri(['resume', ...w.places(), task], { env: model.env }), 0);
		assert.notEqual(task, old);
	});
});
