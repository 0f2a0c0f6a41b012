// A policy that changes at the wrong moment for a call: between a crash and the resume, between a yes and the start, while it waits.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { exited, world } from './lib.mjs';
import { ALLOW, broken, has, mended, pending, say, script, turn, until } from './races.mjs';

const begin = (w, commands, ...more) => w.start(w.runArgs('go', '-m', script(w, [...commands.map((c) => turn(c)), { text: 'done' }]), ...more));
const put = (w, text) => fs.writeFileSync(w.policy, text);

describe('between a crash and the resume', () => {
	const ASK = '  - { id: writes, ask: tool, tool: write_file }\n';
	const files = '  - { id: reads, allow: tool, tool: [read_file, shell] }\n';
	const base = 'version: 1\nrules:\n';
	const calls = (w) => script(w, [{ calls: [{ name: 'write_file', args: { path: 'a', content: 'x' } }] }, { text: 'done' }]);

	for (const [what, rules, wants] of [['denies it', '  - { id: never, deny: tool, tool: write_file }\n', 'deny'],
		['asks by another rule', '  - { id: other, ask: tool, tool: "write_*" }\n', 'ask'], ['is as it was', ASK, 'allow']])
		test(`a yes was given and the policy ${what}`, async (t) => {
			const w = world(t, { policy: `${base}${files}${ASK}` });
			const run = w.start(w.runArgs('go', '-m', calls(w), '--wait-for-approval'));
			const [a] = await pending(w);
			run.kill('SIGKILL');
			await run.done;
			exited(await say(w, 'approve', a.approval), 0);
			put(w, `${base}${files}${rules}`);
			const again = w.start(w.resumeArgs(w.task()));
			if (wants === 'ask') {
				await again.until(/waits for approval \w+: mishri approvals/);
				const [second] = await pending(w);
				assert.ok(!w.has('a') && second.rule === 'other');
				again.kill('SIGKILL');
				await again.done;
				const third = w.start(w.resumeArgs(w.task()));
				await third.until(new RegExp(`waits for approval ${second.approval} still`));
				exited(await say(w, 'deny', second.approval), 0);
				await third.done;
			}
			await again.done;
			assert.equal(w.has('a'), wants === 'allow');
			assert.equal(w.events('approval.requested').length, wants === 'ask' ? 2 : 1);
			w.checkChain();
		});

	test('a call that may run again was allowed, and is not any more', async (t) => {
		const w = world(t, { policy: `${base}${files}  - { id: writes, allow: tool, tool: write_file }\n` });
		const run = w.start(w.runArgs('go', '-m', calls(w)));
		await until(() => w.hasStore(), 'the store');
		broken(w, 'call.finished');
		await run.done;
		assert.equal(w.events('call.started').length, 1);
		mended(w);
		fs.rmSync(path.join(w.ws, 'a'), { force: true });
		put(w, `${base}${files}  - { id: never, deny: tool, tool: write_file }\n`);
		exited(await w.mishri(w.resumeArgs(w.task())), 0);
		assert.ok(!w.has('a'));
		assert.match(w.events('call.finished')[0].data.status, /denied|unknown/);
	});
});

describe('a call', () => {
	const limit = (rate, over) => `limits:\n  - { id: few, on: tool, tool: shell, per: task, rate: ${rate}, over: ${over} }\n`;
	const DENY = '  - { id: never, deny: tool, tool: shell }\n', ASK = '  - { id: held, ask: tool, tool: shell }\n';

	for (const [rules, wants] of [[DENY, 'denied'], [ASK, 'asked'], ['', 'ok']])
		test(`that a person is asked about because of a limit, and the new policy wants it ${wants}`, async (t) => {
			const w = world(t, { policy: `${ALLOW}${limit('1/h', 'ask')}` });
			const run = begin(w, ['touch a', 'touch b'], '--wait-for-approval');
			const [a] = await pending(w);
			put(w, `${ALLOW}${rules}  - { id: more, deny: exec, program: shred }\n${limit('1/h', 'ask')}`);
			await has(w, 'policy.loaded', 2);
			if (wants !== 'ok')
				await until(() => w.events('approval.decided').some((e) => e.data.answer === 'withdrawn' || e.data.approval === a.approval) ||
					w.events('call.decided').length > 3, 'another decision');
			const yes = await say(w, 'approve', a.approval);
			exited(yes, wants === 'ok' ? 0 : 1);
			if (wants === 'asked') {
				const [b] = await pending(w);
				assert.equal(b.rule, 'held');
				exited(await say(w, 'deny', b.approval), 0);
			}
			await run.done;
			assert.equal(w.has('b'), wants === 'ok');
			w.checkChain();
		});

	test('or a request that waits for a limit or for tomorrow goes on when the new policy has more', async (t) => {
		for (const [before, after] of [[limit('1/h', 'wait'), limit('5/h', 'wait')],
			['limits:\n  - { id: think, on: model, per: task, rate: 2/h, over: wait }\n', ''],
			['budgets:\n  - { id: day, per: store/day, usd: 0.02, over: wait }\n', 'budgets:\n  - { id: day, per: store/day, usd: 0.20, over: wait }\n'],
			['budgets:\n  - { id: day, per: store/day, calls: 1, over: wait }\n', '']]) {
			const w = world(t, { policy: `${ALLOW}${before}` });
			const run = begin(w, ['touch a', 'touch b']);
			await until(() => w.events('limit.reached').length + w.events('budget.exceeded').length === 1, 'a wait');
			assert.ok(!w.has('b') || w.events('model.replied').length === 2);
			put(w, `${ALLOW}${after}`);
			await run.done;
			exited(run, 0);
			assert.ok(w.has('b'), before);
			w.checkChain();
		}
	});
});
