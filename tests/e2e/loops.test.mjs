// A model that does the same over and over: told, told again, stopped; and taken up again by a person.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { exited, shell, startModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const stubborn = Array.from({ length: 12 }, () => ({ calls: [shell('echo the same')] }));
const levels = (w) => w.events('loop.detected').map((e) => e.data.level);

describe('a task that goes round in circles', () => {
	test('is told, told to plan anew, and rests; exit 10; a resume goes on', async (t) => {
		const w = world(t);
		model.setScenario({ replies: stubborn });
		const run = await w.run(model, 'go', { args: ['--output-format', 'json'] });
		exited(run, 10);
		const result = JSON.parse(run.out);
		assert.deepEqual([result.state, result.exit, result.turns], ['parked', 10, 5]);
		assert.match(result.result, /round in circles; go on with: mishri run --resume /);
		assert.deepEqual(levels(w), ['nudge', 'replan', 'stop']);
		assert.match(run.err, /goes round in circles \(repeat: 1 call, 3 times\): the agent was told so/);
		const told = model.requests.at(-1).body.messages.filter((m) => m.role === 'user').map((m) => m.content);
		assert.match(told.at(-1), /make a new plan/);
		await w.leftNothing();

		model.setScenario({ replies: [{ calls: [shell('echo other')] }, { text: 'done' }] });
		exited(await w.resume(model, result.task).done, 0);
		assert.equal(w.end().result, 'done');
		w.checkChain();
	});

	test('whoever listens is left alone', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [...stubborn.slice(0, 3), { calls: [shell('echo other')] }, ...stubborn.slice(0, 2), { text: 'done' }] });
		exited(await w.run(model, 'go'), 0);
		assert.deepEqual(levels(w), ['nudge']);
	});

	test('switched off, it is not', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [...stubborn, { text: 'done' }] });
		exited(await w.run(model, 'go', { args: ['-c', 'loop.detect=off'] }), 0);
		assert.deepEqual(levels(w), []);
		const config = await w.mishri(['config', '--data', w.data], { env: { MISHRI_LOOP_DETECT: 'off' } });
		assert.match(config.out, /loop\.detect +off +MISHRI_LOOP_DETECT/);
		const wrong = await w.run(model, 'go', { args: ['-c', 'loop.detect=maybe'] });
		exited(wrong, 2);
		assert.match(wrong.err, /loop\.detect: 'maybe' is not one of: on off/);
	});

	test('of a part: it fails, and whoever gave it out goes on', async (t) => {
		const w = world(t);
		const policy = `version: 1\nrules:\n  - { id: parts, allow: delegate, agent: "*" }\n  - { id: tools, allow: tool, tool: "*" }\n  - { id: programs, allow: exec, program: { from: system } }\n`;
		w.write('../policy.yaml', policy);
		model.setScenario({ replies: [
			{ calls: [{ name: 'delegate', args: { tasks: [{ goal: 'part' }] } }] }, ...stubborn.slice(0, 5), { text: 'did without' }] });
		exited(await w.mishri(w.teamArgs('go', '-m', 'openai/mock'), { env: model.env }), 0);
		const [report] = w.events('task.reported');
		assert.deepEqual([report.data.state, report.data.exit], ['failed', 10]);
		assert.match(report.data.result, /round in circles/);
	});
});
