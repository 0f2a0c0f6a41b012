// Answers to what is risky, held, or beyond a limit: each given from another terminal, by whom the rule wants, once.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AM_ROOT, exited, shell, sleep, startModel, toldModel, world } from './lib.mjs';

let model, server, port;
const hits = [];
before(async () => {
	model = await startModel();
	server = http.createServer((req, res) => {
		hits.push(`${req.method} ${req.url}`);
		req.resume().on('end', () => res.end('hello\n'));
	});
	port = await new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)));
});
after(() => {
	model.close();
	server.closeAllConnections();
	server.close();
});

const rules = (more) => `version: 1
groups: { ops: [alice, bob] }
rules:
  - { id: shells, allow: tool, tool: shell }
  - { id: programs, allow: exec, program: { from: system } }
${more}
`;
const HERE = '  - { id: here, allow: net, host: localhost, private: true }\n';
const POSTS = `${HERE}  - { id: posts, ask: tool, tool: http_fetch, approval: { remember: 30d } }`;
const fetchTo = (url, more = {}) => ({ name: 'http_fetch', args: { url: `http://localhost:${port}${url}`, ...more } });
const post = (url) => fetchTo(url, { method: 'POST', body: 'x=1' });
const curl = (url) => shell(`curl -sS -m 30 --noproxy none http://localhost:${port}${url}`);

function script(calls) {
	model.setScenario({ replies: [...calls.map((call) => ({ calls: [call] })), { text: 'That is all.' }] });
}
async function waiting(t, policy, calls, options = {}) {
	const w = world(t, { policy, ...options });
	script(calls);
	const run = w.startRun(model, 'x', { args: ['--wait-for-approval'] });
	return { w, run, a: await pending(w, '', run) };
}
async function pending(w, other = '', run = undefined) {
	for (const end = Date.now() + 20000; Date.now() < end; await sleep(50)) {
		const done = fs.existsSync(w.data) ? await w.mishri(['approvals', '--json', ...w.places()]) : { code: 1 };
		const found = done.code === 0 ? JSON.parse(done.out).find((a) => a.state === 'pending' && a.approval !== other) : undefined;
		if (found !== undefined)
			return found;
	}
	throw new Error(`nothing ever waited: ${run?.err}`);
}
const say = (w, verb, a, ...more) => w.mishri([verb, ...w.places(), ...more, a.approval]);
const answers = (w) => w.events('approval.decided').map((e) => e.data.answer);

describe('an action of high risk', () => {
	test('Enter is a no, and no key remembers it', async (t) => {
		const w = world(t, { policy: rules(POSTS) });
		script([post('/entered')]);
		const run = w.startInTerminal(w.runArgs('x', '-m', 'openai/mock'), { env: model.env });
		await run.until(/y = yes[^\n]*n = no \(Enter\)[^\n]*\n> $/, 'out');
		assert.match(run.out, /This is a high-risk action/);
		assert.doesNotMatch(run.out, /t = yes, for this task/);
		run.say('t\r');
		await run.until(/y or n\? > $/, 'out');
		assert.deepEqual(answers(w), [], 't means nothing here');
		run.say('\r');
		await run.done;
		assert.deepEqual(answers(w), ['deny']);
		assert.ok(!hits.includes('POST /entered'));
	});

	test('of low risk, Enter is no answer, and t remembers', async (t) => {
		const w = world(t, { policy: rules(POSTS) });
		script([fetchTo('/low')]);
		const run = w.startInTerminal(w.runArgs('x', '-m', 'openai/mock'), { env: model.env });
		await run.until(/t = yes, for this task[^]*\n> $/, 'out');
		run.say('\r');
		await run.until(/y or n\? > $/, 'out');
		assert.deepEqual(answers(w), []);
		run.say('t\r');
		await run.done;
		exited(run, 0);
		assert.ok(hits.includes('GET /low'));
		assert.equal(w.events('grant.made').length, 1);
	});

	test('--remember is refused with a sentence, and the same is asked again', async (t) => {
		const { w, run, a } = await waiting(t, rules(POSTS), [post('/again'), post('/again')]);
		assert.equal(a.terms.risk, 'high');
		for (const how of ['task', 'session', '7d']) {
			const refused = await say(w, 'approve', a, '--remember', how);
			exited(refused, 1);
			assert.match(refused.err, /high risk is never remembered: leave --remember out/);
		}
		assert.ok(!hits.includes('POST /again'));
		exited(await say(w, 'approve', a), 0);
		const second = await pending(w, a.approval);
		assert.equal(hits.filter((hit) => hit === 'POST /again').length, 1);
		exited(await say(w, 'deny', second), 0);
		await run.done;
		assert.equal(hits.filter((hit) => hit === 'POST /again').length, 1);
		assert.equal(w.events('grant.made').length, 0);
	});

	test('a tool whose manifest says so', async (t) => {
		const w = world(t, { policy: rules('  - { id: risky, ask: tool, tool: "*", risk: high }') });
		const dir = path.join(w.home, '.config/mishri/tools');
		fs.mkdirSync(dir, { recursive: true });
		fs.writeFileSync(path.join(dir, 'ship.yaml'), 'name: ship.it\ndescription: Ships it.\ncategory: write\npermissions: [fs.write]\nprogram: touch\nargs: ["{{name}}"]\n' +
			'schema:\n  properties:\n    name: { type: string }\n  required: [name]\nrisk: high\n');
		script([{ name: 'ship.it', args: { name: 'shipped' } }]);
		const run = w.start(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '--plan', 'never', '-m', 'openai/mock', '--wait-for-approval',
			'--', 'x'], { env: model.env });
		const a = await pending(w, '', run);
		assert.equal(a.action.tool, 'ship.it');
		const refused = await say(w, 'approve', a, '--remember', 'task');
		exited(refused, 1);
		assert.match(refused.err, /never remembered/);
		assert.ok(!w.has('shipped'));
		exited(await say(w, 'approve', a), 0);
		await run.done;
		exited(run, 0);
		assert.ok(w.has('shipped'));
	});
});

describe('what is held, answered from another terminal', () => {
	for (const verb of ['approve', 'deny']) {
		test(`a connection: ${verb}`, async (t) => {
			const asking = '  - { id: asks, ask: net, host: localhost, private: true }';
			const { w, run, a } = await waiting(t, rules(asking), [curl(`/held-${verb}`)]);
			assert.equal(a.kind, 'net');
			assert.ok(!hits.includes(`GET /held-${verb}`), 'nothing is connected before the answer');
			exited(await say(w, verb, a, ...(verb === 'deny' ? ['--reason', 'not today'] : [])), 0);
			await run.done;
			exited(run, 0);
			assert.equal(hits.includes(`GET /held-${verb}`), verb === 'approve');
			assert.match(toldModel(model)[0], verb === 'approve' ? /hello/ : /denied by asks: net localhost:\d+ \(not today\)/);
			w.checkChain();
		});

		test(`a program at the gate: ${verb}`, async (t) => {
			const asking = '  - { id: touching, ask: exec, program: touch }';
			const { w, run, a } = await waiting(t, rules(asking), [shell('touch held; echo after')]);
			assert.equal(a.kind, 'exec');
			assert.ok(!w.has('held'));
			exited(await say(w, verb, a, ...(verb === 'deny' ? ['--reason', 'not today'] : [])), 0);
			await run.done;
			exited(run, 0);
			assert.equal(w.has('held'), verb === 'approve');
			assert.match(toldModel(model)[0], verb === 'approve' ? /after/ : /denied by touching: \/usr\/bin\/touch held \(not today\)[^]*after/);
			w.checkChain();
		});

		test(`a limit: ${verb}`, async (t) => {
			const limit = 'limits:\n  - { id: few, on: tool, tool: shell, per: task, rate: 1/h, over: ask }';
			const { w, run, a } = await waiting(t, rules(limit), [shell('touch one'), shell('touch two')]);
			assert.ok(w.has('one') && !w.has('two'));
			assert.equal(a.rule, 'few');
			exited(await say(w, verb, a), 0);
			await run.done;
			exited(run, 0);
			assert.equal(w.has('two'), verb === 'approve');
		});

		test(`a budget: ${verb}`, async (t) => {
			const budget = 'budgets:\n  - { id: some, per: task, calls: 1, over: ask }';
			const { w, run, a } = await waiting(t, rules(budget), [shell('touch one'), shell('touch two')]);
			assert.ok(w.has('one') && !w.has('two'));
			assert.equal(a.rule, 'some');
			exited(await say(w, verb, a), 0);
			await run.done;
			assert.equal(w.has('two'), verb === 'approve');
			assert.deepEqual(answers(w), [verb === 'approve' ? 'allow' : 'deny']);
		});
	}
});

describe('who, and how often', { skip: !AM_ROOT && 'only root may answer for others' }, () => {
	const two = rules('  - { id: touching, ask: exec, program: touch, approval: { from: "group:ops", count: 2 } }');

	test('two users, named by root, let a held program go on', async (t) => {
		const { w, run, a } = await waiting(t, two, [shell('touch held')]);
		exited(await say(w, 'approve', a, '--user', 'alice'), 0);
		exited(await say(w, 'approve', a, '--user', 'carol'), 6);
		assert.ok(!w.has('held'), 'one of two is not enough');
		exited(await say(w, 'approve', a, '--user', 'bob'), 0);
		await run.done;
		exited(run, 0);
		assert.ok(w.has('held'));
		assert.deepEqual(w.events('approval.voted').map((e) => e.data.by), ['alice', 'bob']);
	});

	test('one person twice at the same moment is one person', async (t) => {
		const { w, run, a } = await waiting(t, two, [shell('touch held')]);
		const both = await Promise.all([say(w, 'approve', a, '--user', 'alice'), say(w, 'approve', a, '--user', 'alice')]);
		assert.deepEqual(both.map((one) => one.code).sort(), [0, 1], both.map((one) => one.out + one.err).join('\n'));
		assert.ok(!w.has('held'));
		assert.equal(w.events('approval.voted').length, 1);
		exited(await say(w, 'deny', a, '--user', 'bob'), 0);
		await run.done;
		assert.ok(!w.has('held'));
	});
});

test('the same yes twice at once starts a held program once', async (t) => {
	const { w, run, a } = await waiting(t, rules('  - { id: tees, ask: exec, program: tee }'), [shell('echo x | tee -a held')]);
	const both = await Promise.all([say(w, 'approve', a), say(w, 'approve', a)]);
	assert.deepEqual(both.map((one) => one.code).sort(), [0, 1], both.map((one) => one.out + one.err).join('\n'));
	assert.match(both.find((one) => one.code === 1).err, /already answered by/);
	await run.done;
	exited(run, 0);
	assert.equal(w.read('held'), 'x\n');
	assert.deepEqual(answers(w), ['allow']);
});

test('in an overlay workspace the change is shown against the layer, not the plain workspace', async (t) => {
	const asking = '  - { id: looks, allow: tool, category: read }\n  - { id: edits, ask: tool, category: write }';
	const write = (file, content) => ({ name: 'write_file', args: { path: file, content } });
	const files = { 'a.txt': 'one\ntwo\n', 'gone.txt': 'old\n', 'd/deep.txt': 'deep\n', 'plain.txt': 'plain\n' };
	const w = world(t, { policy: rules(asking), files });
	script([shell('echo layered > a.txt; mv gone.txt d/moved.txt; find d/deep.txt -delete; mkdir n; ln -s /etc/passwd n/link'),
		write('a.txt', 'mine\n'), write('gone.txt', 'new\n'), write(`${w.ws}/d/deep.txt`, 'new\n'), write('plain.txt', 'mine\n'),
		write('n/link', 'new\n')]);
	const run = w.startInTerminal(w.runArgs('x', '-m', 'openai/mock', '--workspace-mode', 'overlay'), { env: model.env });
	for (const [want, not] of [[/-layered\n[^]*\+mine/, /-two/], [/gone\.txt \(not there now\)[^]*\+new/, /-old/],
		[/deep\.txt \(not there now\)[^]*\+new/, /-deep/], [/-plain\n[^]*\+mine/, /not there/], [/not shown: it is a link/, /root:/]]) {
		const from = run.out.length;
		const shown = () => run.out.replaceAll('\r', '').slice(run.out.replaceAll('\r', '').lastIndexOf('\nMay this '));
		for (const end = Date.now() + 20000; !(run.out.length >= from && want.test(shown()) && /y = yes[^\n]*\n> $/.test(shown())); await sleep(50))
			assert.ok(Date.now() < end && !run.ended, `${want} never came:\n${shown()}`);
		assert.doesNotMatch(shown(), not);
		run.say('n\r');
	}
	await run.done;
	assert.equal(w.read('a.txt'), 'one\ntwo\n');
});
