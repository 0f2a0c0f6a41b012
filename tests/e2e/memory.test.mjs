// The tools memory and system_info through the whole program: notes outlive a task, belong to one user, and keep their taints.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AM_ROOT, USERS, exited, shell, startModel, toldModel, world } from './lib.mjs';

const memory = (args) => ({ name: 'memory', args });
async function work(t, w, turns, ...args) {
	const model = await startModel({ replies: [...turns.map((calls) => ({ calls })), { text: 'Done.' }] });
	t.after(() => model.close());
	exited(await w.run(model, 'x', { args }), 0);
	return toldModel(model);
}

for (const { name, as_nobody } of USERS) {
	test(`written by one task, found by the next, deleted for good, as ${name}`, async (t) => {
		const w = world(t, { as_nobody });
		const first = await work(t, w, [[
			memory({ action: 'write', text: 'The build wants "make -j2"; grüße', tags: ['build', 'c'] }),
			memory({ action: 'write', text: 'Releases happen on Fridays' }), memory({ action: 'list' })]]);
		assert.deepEqual(first.slice(0, 2), ['Noted as note 1.', 'Noted as note 2.']);
		assert.match(first[2], /note 2, \d{4}-\d\d-\d\d\nReleases[^]*note 1, .*, tags build c\nThe build wants/);
		const next = await work(t, w, [[
			memory({ action: 'search', query: 'build wants' }), memory({ action: 'search', query: 'frid' }),
			memory({ action: 'search', query: 'build fridays' }), memory({ action: 'search', query: '" OR NEAR( * -x' }),
			memory({ action: 'search', query: 'GRÜSSE grüße' }), memory({ action: 'list', limit: 1 }), memory({ action: 'delete', id: 1 }),
			memory({ action: 'delete', id: 1 }), memory({ action: 'search', query: 'build' }), memory({ action: 'list' })]]);
		assert.match(next[0], /^note 1/);
		assert.match(next[1], /^note 2/);
		for (const i of [2, 3, 4, 8])
			assert.equal(next[i], 'No note has all of these words.');
		assert.match(next[5], /note 2/);
		assert.doesNotMatch(next[5], /note 1/);
		assert.deepEqual(next.slice(6, 8), ['Note 1 is deleted.', 'Note 1 is not there, or not any more.']);
		assert.doesNotMatch(next[9], /note 1/);
		assert.ok(!JSON.stringify(w.sql('select * from notes')).includes('make -j2'));
		w.checkChain();
		exited(await w.mishri(['audit', 'verify', ...w.places()]), 0);
	});
}

test('it never crosses users', { skip: !AM_ROOT }, async (t) => {
	const w = world(t);
	await work(t, w, [[memory({ action: 'write', text: 'the plan of alice' })]], '--user', 'alice');
	const bob = await work(t, w, [[memory({ action: 'list' }), memory({ action: 'search', query: 'plan alice' }), memory({ action: 'delete', id: 1 }),
		memory({ action: 'write', text: 'x', user: 'alice' })]], '--user', 'bob');
	assert.deepEqual(bob.slice(0, 3), ['There are no notes.', 'No note has all of these words.', 'Note 1 is not there, or not any more.']);
	assert.match(bob[3], /user/);
	assert.match((await work(t, w, [[memory({ action: 'list' })]], '--user', 'alice'))[0], /the plan of alice/);
});

test('a note of a tainted task taints who reads it', async (t) => {
	const policy = 'version: 1\nrules:\n  - { id: tools, allow: tool, tool: "*" }\n  - { id: sys, allow: exec, program: { from: system } }\n' +
		'  - { id: careful, deny: exec, program: id, when: { taint: secret } }\n';
	const w = world(t, { policy });
	const key = ['AKIA', 'Q3EGRIT6', 'KO5TX7ZW'].join('');
	const told = await work(t, w, [[shell(`echo aws_access_key_id = ${key}`)], [memory({ action: 'write', text: 'somebody said so' })]]);
	assert.match(told[0], /redacted/);
	const reads = await work(t, w, [[shell('id -u')], [memory({ action: 'list' })], [shell('id -u')]]);
	assert.match(reads[0], /^\d+/);
	assert.match(reads[1], /written by a task that had read untrusted things\nsomebody said so/);
	assert.match(reads[2], /denied by careful/);
	assert.deepEqual([...w.events('call.finished').find((e) => e.data.call === '2.1' && e.data.output.includes('somebody')).data.taint].sort(),
		['secret', 'untrusted']);
});

test('arguments that do not belong together, and too much', async (t) => {
	const w = world(t);
	const told = await work(t, w, [[memory({ action: 'write' }), memory({ action: 'list', id: 3 }), memory({ action: 'search' }),
		memory({ action: 'delete' }), memory({ action: 'write', text: 'x'.repeat(9000) }), memory({ action: 'write', text: 'ü'.repeat(5000) }),
		memory({ action: 'write', text: 'x', tags: ['two words'] }), memory({ action: 'forget' }), memory({ action: 'list', limit: 51 })]]);
	const wants = [/text: is needed for 'write'/, /id: is not for 'list'/, /query: is needed/, /id: is needed/, /maxLength/, /more than 8192 bytes/,
		/pattern/, /enum/, /maximum/];
	wants.forEach((want, i) => assert.match(told[i], want));
	assert.deepEqual(w.sql('select * from notes'), []);
});

describe('system_info', () => {
	for (const { name, as_nobody } of USERS) {
		test(`tells what the cell has, and nothing of the machine behind it, as ${name}`, async (t) => {
			const w = world(t, { as_nobody });
			const [told] = await work(t, w, [[{ name: 'system_info', args: {} }]]);
			for (const want of [/^system +Linux /m, /^processors +\d/m, /^limits +memory/m, /^isolation +full$/m, /^network +/m, /^shell +bash sh/m])
				assert.match(told, want);
			assert.ok(told.includes(w.ws));
			for (const hidden of [w.home, w.data, process.env.HOME].filter((dir) => dir !== undefined && dir.length > 1))
				assert.ok(!told.includes(hidden), hidden);
		});
	}
});
