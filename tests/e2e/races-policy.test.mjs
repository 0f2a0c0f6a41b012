// A policy that changes while a program or a connection waits for a person or for a limit.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { exited, world } from './lib.mjs';
import { ALLOW, has, pending, say, script, turn, until } from './races.mjs';

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
