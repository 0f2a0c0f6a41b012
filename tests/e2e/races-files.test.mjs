// The file of a policy while tasks run: who wrote it, and what it is worth when it is no policy any more.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { exited, USERS, world } from './lib.mjs';
import { ALLOW, has, script, turn } from './races.mjs';

const begin = (w, commands, ...more) => w.start(w.runArgs('go', '-m', script(w, [...commands.map((c) => turn(c)), { text: 'done' }]), ...more));
const put = (w, text) => fs.writeFileSync(w.policy, text);

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
