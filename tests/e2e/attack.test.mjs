// `mishri policy attack`: a hole is found and named, a policy without one holds, and what is beyond exec rules is said to be.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { USERS, exited, sleep, world } from './lib.mjs';

const TIGHT = `version: 1
name: tight
default: deny
rules:
  - { id: shell, allow: tool, tool: shell }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: no-deleting, deny: exec, program: [rm, unlink, shred], reason: "use trash instead" }
  - { id: no-push, deny: exec, program: git, argv: { contains: push } }
`;
const HOLE = `version: 1
name: hole
default: allow
rules:
  - { id: no-deleting, deny: exec, program: [rm, unlink, shred] }
`;

const places = () => fs.readdirSync('/var/tmp').filter((name) => name.startsWith('mishri-attack-'));
const attack = (w, ...more) => w.mishri(['policy', 'attack', ...w.places(), '-p', w.policy, '-w', w.ws, ...more], { timeout_ms: 120000 });
const by = (report) => Object.fromEntries(report.rows.map((row) => [row.id, row]));

for (const { name, as_nobody } of USERS) {
	describe(`policy attack, as ${name}`, () => {
		test('a policy without a hole: all that it forbids holds', async (t) => {
			const w = world(t, { policy: TIGHT, as_nobody });
			const before = places();
			const run = await attack(w, '--json');
			exited(run, 0);
			const report = JSON.parse(run.out), rows = by(report);
			assert.equal(report.through, 0);
			assert.ok(report.held >= 80, run.out);
			assert.equal(report.rows.length, report.held + report.through + report.beyond + report.allowed + report.not_here);
			for (const id of ['plain', 'quotes', 'base64', 'xargs', 'find-exec', 'env-split', 'loader', 'script-of-script', 'link'])
				assert.deepEqual([id, rows[id].verdict, rows[id].rule !== undefined], [id, 'held', true]);
			assert.equal(rows.base64.rule, 'no-deleting');
			assert.match(rows.base64.source, /policy\.yaml:7$/);
			assert.equal(rows['push-core'].rule, 'no-push');
			for (const id of ['copy', 'copy-tmp', 'tmp-copy', 'own-script', 'read-outside', 'write-link', 'set-user-id', 'namespace'])
				assert.equal(rows[id].verdict, 'held', JSON.stringify(rows[id]));
			// what no exec rule promises is said, with who holds it instead
			assert.equal(rows['perl-inside'].verdict, 'beyond');
			assert.match(rows['perl-inside'].close, /no exec rule can/);
			assert.match(rows.plain.technique, /^rm -rf prey$/);
			assert.deepEqual(fs.readdirSync(w.ws), [], 'the workspace is not touched');
			const left = () => places().filter((place) => !before.includes(place));
			for (let i = 0; i < 600 && left().length > 0; i++)
				await sleep(100); // another attack on this machine has its place there while it lasts
			assert.deepEqual(left(), [], 'nothing is left');
			await w.leftNothing();
		});

		test('a policy with a hole: it is found, and what would close it is said', async (t) => {
			const w = world(t, { policy: HOLE, as_nobody });
			const run = await attack(w);
			exited(run, 1);
			assert.match(run.out, /^GOT THROUGH {2}copy .*cat \S*\/rm > z/m);
			assert.match(run.out, /to close it: allow programs only `from: system`/);
			assert.match(run.out, /^allowed +own-script/m);
			assert.match(run.out, /^\d+ held, [1-9]\d* got through, \d+ beyond exec rules, \d+ allowed by the policy, \d+ do not work here$/m);
			const json = JSON.parse((await attack(w, '--json', '--only', 'copy', '--only', 'plain')).out);
			assert.deepEqual(json.rows.map((row) => [row.id, row.verdict]), [['plain', 'held'], ['copy', 'got through']]);
			fs.writeFileSync(w.policy, HOLE + '  - { id: only-known, deny: exec, program: { from: [workspace, untrusted] } }\n');
			exited(await attack(w), 0);
		});
	});
}

const NETWORK = ['proxy-curl', 'proxy-python', 'proxy-socks', 'proxy-tunnel', 'proxy-raw-old', 'metadata', 'metadata-decimal', 'metadata-hex',
	'metadata-octal', 'metadata-mapped', 'metadata-socks', 'metadata-dot', 'proxy-loopback', 'proxy-loopback-ipv6'];
const HIDDEN = ['hidden', 'hidden-link', 'hidden-hard-link', 'hidden-other-name', 'hidden-proc-root', 'hidden-parent'];
const KEPT = ['hook-write', 'hook-parent', 'hook-directory', 'config-write', 'policy-write', 'policy-parent', 'policy-link'];
const FILES = 'files:\n  hide: ["**/.env"]\n  readonly: [".git/hooks", ".git/config", ".mishri"]\n';
const only = (ids) => ids.flatMap((id) => ['--only', id]);
const verdicts = (run) => Object.fromEntries(JSON.parse(run.out).rows.map((row) => [row.id, row.verdict]));
const all = (ids, verdict) => Object.fromEntries(ids.map((id) => [id, verdict]));

for (const { name, as_nobody } of USERS) {
	describe(`connections and files, as ${name}`, () => {
		test('what nobody allowed is not let go, in whatever spelling', async (t) => {
			const w = world(t, { policy: TIGHT, as_nobody });
			const run = await attack(w, '--json', ...only(NETWORK));
			exited(run, 0);
			assert.deepEqual(verdicts(run), all(NETWORK, 'held'), run.out);
			const rows = by(JSON.parse(run.out));
			assert.equal(rows['metadata-hex'].target, 'net 169.254.169.254:80');
			assert.match(rows['metadata-hex'].reason, /link-local or metadata address/);
		});

		test('a policy that opens the network: named where it is open, and metadata stay closed', async (t) => {
			const w = world(t, { policy: TIGHT + '  - { id: all-of-it, allow: net }\n', as_nobody });
			const run = await attack(w, '--json', ...only(NETWORK));
			exited(run, 0);
			const rows = by(JSON.parse(run.out));
			assert.deepEqual([rows['proxy-curl'].verdict, rows['proxy-curl'].rule], ['allowed', 'all-of-it']);
			assert.equal(rows['metadata-decimal'].verdict, 'held');
		});

		test('a rule that names the host, and a hole beside it, are told apart', async (t) => {
			const hole = 'version: 1\ndefault: allow\nrules:\n  - { id: not-there, deny: net, host: "*.invalid", method: GET }\n';
			const w = world(t, { policy: hole, as_nobody });
			const run = await attack(w, '--json', ...only(['proxy-curl', 'proxy-tunnel']));
			assert.deepEqual(verdicts(run), { 'proxy-curl': 'held', 'proxy-tunnel': 'held' }, run.out);
			fs.writeFileSync(w.policy, hole.replace('host: "*.invalid", method: GET', 'host: "*.invalid", scheme: http'));
			const open = await attack(w, '--json', ...only(['proxy-curl', 'proxy-tunnel']));
			exited(open, 1);
			assert.deepEqual(verdicts(open), { 'proxy-curl': 'held', 'proxy-tunnel': 'got through' }, open.out);
			assert.match(by(JSON.parse(open.out))['proxy-tunnel'].close, /default: deny/);
		});

		test('what `files` hides and keeps stays so; without it, that is said', async (t) => {
			const w = world(t, { policy: TIGHT + FILES, as_nobody });
			const held = await attack(w, '--json', ...only([...HIDDEN, ...KEPT]));
			exited(held, 0);
			assert.deepEqual(verdicts(held), all([...HIDDEN, ...KEPT], 'held'), held.out);
			assert.match(by(JSON.parse(held.out))['hidden-parent'].target, /^reading deep\/\.env$/);
			fs.writeFileSync(w.policy, TIGHT);
			const open = await attack(w, '--json', ...only([...HIDDEN, ...KEPT]));
			exited(open, 0);
			assert.deepEqual(verdicts(open), all([...HIDDEN, ...KEPT], 'allowed'), open.out);
			assert.match(by(JSON.parse(open.out))['hook-write'].reason, /no pattern of `files` is about it/);
		});
	});
}

test('what is asked for is no hole, and a denied shell is said', async (t) => {
	const w = world(t, { policy: 'version: 1\ndefault: ask\nrules:\n  - { id: cat, allow: exec, program: [bash, sh, base64] }\n' });
	const run = await attack(w, '--all', '--only', 'base64');
	exited(run, 0);
	assert.match(run.out, /^note: the tool `shell` itself is asked for/m);
	assert.match(run.out, /^held +base64 .*\n.*a person would be asked/m);
});

test('wrong input', async (t) => {
	const w = world(t, { policy: TIGHT });
	for (const [args, code, says] of [[['--only', 'base46'], 2, /no row 'base46': did you mean base64/], [['--isolation', 'none'], 2, /full or reduced/], [['x'], 2, /one word too many/]]) {
		const run = await attack(w, ...args);
		exited(run, code);
		assert.match(run.err, says);
	}
	fs.writeFileSync(w.policy, 'version: 1\nrulez: []\n');
	exited(await attack(w), 3);
});
