// A policy that changes at the wrong moment: while a program or a connection waits for a person or for a limit, between a crash
// and the resume, between a yes and the start; and what a file is worth that is no policy any more.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { exited, USERS, world } from './lib.mjs';
import { ALLOW, broken, has, mended, pending, say, script, turn, until } from './races.mjs';

let web, port;
const hits = [];
before(async () => {
	web = http.createServer((request, answer) => {
		hits.push(request.url);
		answer.end('hello\n');
	});
	port = await new Promise((done) => web.listen(0, '127.0.0.1', () => done(web.address().port)));
});
after(() => {
	web.closeAllConnections();
	web.close();
});

const HERE = '  - { id: here, allow: net, host: 127.0.0.1, private: true }\n';
const kinds = {
	program: {
		does: (name) => `touch ${name}`, did: (w, name) => w.has(name), decided: 'exec.decided',
		on: 'exec, program: touch', allow: '', ask: '  - { id: held, ask: exec, program: touch, approval: { remember: task } }\n',
		deny: '  - { id: never, deny: exec, program: touch }\n',
	},
	connection: {
		does: (name) => `curl -sS -m 30 --noproxy none http://127.0.0.1:${port}/${name}`, did: (w, name) => hits.includes(`/${name}`),
		decided: 'net.decided', on: 'net, host: 127.0.0.1, private: true', allow: HERE,
		ask: '  - { id: held, ask: net, host: 127.0.0.1, private: true, approval: { remember: task } }\n',
		deny: '  - { id: never, deny: net, host: 127.0.0.1 }\n',
	},
};
const limits = (k, rate, over) => `limits:\n  - { id: few, on: ${k.on}, per: task, rate: ${rate}, over: ${over} }\n`;
const begin = (w, commands, ...more) => w.start(w.runArgs('go', '-m', script(w, [...commands.map((c) => turn(c)), { text: 'done' }]), ...more));
const put = (w, text) => fs.writeFileSync(w.policy, text);

for (const [what, k] of Object.entries(kinds))
	describe(`a ${what}`, () => {
		test('that is remembered is counted, too', async (t) => {
			hits.length = 0;
			const w = world(t, { policy: `${ALLOW}${k.ask}${limits(k, '2/h', 'deny')}` });
			const run = begin(w, Array(4).fill(k.does('a')), '--wait-for-approval');
			const [a] = await pending(w);
			exited(await say(w, 'approve', a.approval, '--remember', 'task'), 0);
			await run.done;
			exited(run, 0);
			assert.deepEqual(w.events(k.decided).filter((e) => ['held', 'few'].includes(e.data.rule)).map((e) => e.data.effect),
				['allow', 'allow', 'deny', 'deny']);
			assert.equal(what === 'connection' ? hits.length : 2, 2);
			assert.equal(w.events('grant.used').length, 3, 'and that is because of the limit, not for want of a yes');
		});

		test('that a person is asked about because of a limit: what the new policy denies is denied', async (t) => {
			hits.length = 0;
			const w = world(t, { policy: `${ALLOW}${k.allow}${limits(k, '1/h', 'ask')}` });
			const run = begin(w, [k.does('a'), k.does('b')], '--wait-for-approval');
			const [a] = await pending(w);
			put(w, `${ALLOW}${k.deny}${limits(k, '1/h', 'ask')}`);
			await has(w, 'policy.loaded', 2);
			await until(() => w.events('approval.decided').length === 1, 'the question to be taken back');
			exited(await say(w, 'approve', a.approval), 1);
			await run.done;
			assert.ok(k.did(w, 'a') && !k.did(w, 'b'));
			assert.equal(w.events('approval.decided')[0].data.answer, 'withdrawn');
			w.checkChain();
		});

		test('that a person is asked about because of a limit: yes lets it go, as one use', async (t) => {
			hits.length = 0;
			const w = world(t, { policy: `${ALLOW}${k.allow}${limits(k, '1/h', 'ask')}` });
			const run = begin(w, [k.does('a'), k.does('b')], '--wait-for-approval');
			const [a] = await pending(w);
			exited(await say(w, 'approve', a.approval), 0);
			await run.done;
			exited(run, 0);
			assert.ok(k.did(w, 'a') && k.did(w, 'b'));
			assert.equal(w.events('approval.requested').length, 1);
		});

		test('that a rule asks about: denied when the policy denies it, let go when it allows', async (t) => {
			for (const [rules, effect] of [[k.deny, 'deny'], [k.allow, 'allow']]) {
				hits.length = 0;
				const w = world(t, { policy: `${ALLOW}${k.ask}` });
				const run = begin(w, [k.does('a')], '--wait-for-approval');
				const [a] = await pending(w);
				put(w, `${ALLOW}${rules}`);
				await run.done;
				exited(run, 0);
				exited(await say(w, 'approve', a.approval), 1);
				assert.equal(k.did(w, 'a'), effect === 'allow', effect);
				const last = w.events(k.decided).at(-1).data;
				assert.equal(last.effect, effect);
				assert.equal(last.policy, w.events('policy.loaded').at(-1).data.policy);
			}
		});

		test('that waits for a limit: the new policy denies it, or has no such limit', async (t) => {
			for (const [rules, effect] of [[`${k.deny}${limits(k, '1/h', 'wait')}`, 'deny'], [k.allow, 'allow']]) {
				hits.length = 0;
				const w = world(t, { policy: `${ALLOW}${k.allow}${limits(k, '1/h', 'wait')}` });
				const run = begin(w, [k.does('a'), k.does('b')]);
				await has(w, 'limit.reached');
				put(w, `${ALLOW}${rules}`);
				await run.done;
				exited(run, 0);
				assert.ok(k.did(w, 'a'));
				assert.equal(k.did(w, 'b'), effect === 'allow', effect);
				assert.equal(w.events(k.decided).at(-1).data.effect, effect);
				w.checkChain();
			}
		});
	});

describe('a policy file that lies in the workspace', () => {
	const RULES = `${ALLOW}  - { id: no-touch, deny: exec, program: touch }\n`;
	const ways = ['sed /no-touch/d conf/p.yaml > x; cp x conf/p.yaml', 'sed -i /no-touch/d conf/p.yaml', 'sed /no-touch/d conf/p.yaml > x; mv x conf/p.yaml',
		'mkdir n; sed /no-touch/d conf/p.yaml > n/p.yaml; mv conf o; mv n conf', 'rm -r conf; mkdir conf; printf "version: 1\\ndefault: allow\\n" > conf/p.yaml',
		'ln -f /etc/hostname conf/p.yaml; ln -sf /etc/hostname conf/p.yaml'];
	for (const user of USERS)
		test(`is not changed by the tools that it is about, as ${user.name}`, async (t) => {
			const w = world(t, { files: { 'conf/p.yaml': RULES, 'beside/p.yaml': 'x' }, ...user });
			w.policy = path.join(w.ws, 'conf/p.yaml');
			exited(await begin(w, [...ways, 'touch a', 'echo open > beside/p.yaml']).done, 0);
			assert.equal(w.read('conf/p.yaml'), RULES);
			assert.ok(!w.has('a'));
			assert.equal(w.read('beside/p.yaml'), 'open\n', 'another file of that name is');
			assert.equal(w.events('policy.refused').length, 0);
		});

	test('is not believed while they run, whoever changed it', async (t) => {
		const w = world(t, { files: { 'p.yaml': RULES } });
		w.policy = path.join(w.ws, 'p.yaml');
		const run = begin(w, ['until [ -e one ]; do sleep 0.05; done; touch a']);
		await has(w, 'call.started');
		put(w, ALLOW);
		await has(w, 'policy.refused');
		w.write('one', '');
		await run.done;
		exited(run, 0);
		assert.ok(!w.has('a'));
		assert.match(w.events('policy.refused')[0].data.message, /lies where tools can write.*counts from the next start on/);
		exited(await begin(w, ['touch a']).done, 0);
		assert.ok(w.has('a'), 'and from then on it does');
	});

	test('or in a directory that it makes writable itself is an error', async (t) => {
		const w = world(t);
		const dir = path.join(w.dir, 'open');
		fs.mkdirSync(dir);
		w.policy = path.join(dir, 'p.yaml');
		put(w, `${ALLOW}files: { writable: [${dir}] }\n`);
		const run = await begin(w, ['true']).done;
		exited(run, 3);
		assert.match(run.err, /'writable': the policy file .*p\.yaml lies in .*, where tools could change it: put it elsewhere/);
	});
});

describe('what is no policy any more', () => {
	const other = (w) => path.join(w.dir, 'other');
	const ways = {
		'an empty file': (w) => put(w, ''),
		'half of one': (w) => put(w, 'version: 1\nrules:\n  - { id: a, allow: tool'),
		'a pipe': (w) => { fs.unlinkSync(w.policy); spawnSync('mkfifo', [w.policy]); },
		'a directory': (w) => { fs.unlinkSync(w.policy); fs.mkdirSync(w.policy); },
		'a link to nowhere': (w) => { fs.unlinkSync(w.policy); fs.symlinkSync(other(w), w.policy); },
		'a link to itself': (w) => { fs.unlinkSync(w.policy); fs.symlinkSync(w.policy, w.policy); },
		'a device without end': (w) => { fs.unlinkSync(w.policy); fs.symlinkSync('/dev/zero', w.policy); },
		'an empty device': (w) => { fs.unlinkSync(w.policy); fs.symlinkSync('/dev/null', w.policy); },
		'more than a policy may have': (w) => fs.appendFileSync(w.policy, '#'.repeat(2 << 20)),
	};
	for (const [what, make] of Object.entries(ways))
		test(`${what}: what was in force stays, and nothing starts with it`, async (t) => {
			const w = world(t, { policy: `${ALLOW}  - { id: no-touch, deny: exec, program: touch }\n` });
			const run = begin(w, ['until [ -e one ]; do sleep 0.05; done; touch a']);
			await has(w, 'call.started');
			make(w);
			await has(w, 'policy.refused');
			w.write('one', '');
			await run.done;
			exited(run, 0);
			const next = await begin(w, ['touch a']).done;
			exited(next, 3);
			assert.ok(!w.has('a'));
		});
});

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
