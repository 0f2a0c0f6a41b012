// The levels of isolation, where a machine really forbids user namespaces: full says what forbids them and how to mend it,
// and is never lowered by itself; reduced works, and keeps what docs/sandbox.md says of it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { NOBODY, AM_ROOT, exited, mishri, world } from './lib.mjs';

const POLICY = 'version: 1\ndefault: allow\nrules:\n  - { id: no-rm, deny: exec, program: rm }\n';

// An ordinary user in a user namespace of his own in which no other can be made.
function forbidden(w, args) {
	const script = 'echo 0 > /proc/sys/user/max_user_namespaces || exit 99; exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all --no-new-privs -- "$0" "$@"';
	const words = ['unshare', '--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, '--keep-caps', 'bash', '-c', script, mishri(), ...args];
	const [file, ...rest] = AM_ROOT ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--', ...words] : words;
	const done = spawnSync(file, rest, { cwd: w.ws, env: w.env(), encoding: 'utf8', timeout: 60000 });
	assert.notEqual(done.status, 99, `namespaces could not be forbidden: ${done.stderr}`);
	return { code: done.status, out: done.stdout, err: done.stderr };
}

describe('where user namespaces are forbidden', () => {
	const exec = (w, level, ...words) => forbidden(w, ['exec', ...w.places(), '-p', w.policy, '-w', w.ws, '--isolation', level, '--', ...words]);

	test('full is an error that says how to mend it, and nothing runs', (t) => {
		const w = world(t, { policy: POLICY, as_nobody: true });
		const run = exec(w, 'full', 'touch', 'made');
		exited(run, 3);
		assert.match(run.err, /user namespaces are turned off \(sysctl user\.max_user_namespaces is 0\): raise it/);
		assert.match(run.err, /'reduced'/);
		assert.ok(!w.has('made'));
		const free = spawnSync(...(AM_ROOT ? ['setpriv', [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--']] : ['env', []])
			.map((part, i) => i === 0 ? part : [...part, mishri(), 'exec', ...w.places(), '-p', w.policy, '-w', w.ws, '--', 'touch', 'made']), { cwd: w.ws, env: w.env() });
		assert.equal(free.status, 0, 'where they are allowed, it runs');
		assert.ok(w.has('made'));
	});

	test('doctor says what is missing', (t) => {
		const w = world(t, { policy: POLICY, as_nobody: true });
		const run = forbidden(w, ['doctor', ...w.places(), '--json']);
		const row = JSON.parse(run.out).find((one) => one.name === 'namespaces');
		assert.equal(row.ok, false);
		assert.match(row.fix, /user\.max_user_namespaces/);
		exited(run, 1);
	});

	test('reduced runs, decides about programs, and keeps files, network and permissions', (t) => {
		const w = world(t, { policy: POLICY, as_nobody: true, files: { 'a.txt': 'here\n' } });
		fs.writeFileSync(path.join(w.dir, 'secret'), 'S3CRET');
		fs.chmodSync(path.join(w.dir, 'secret'), 0o644);
		const run = exec(w, 'reduced', 'bash', '-c', `exec 2>&1; cat a.txt; cat ${w.dir}/secret; echo x > ${w.dir}/made; rm a.txt; python3 -c 'import socket; socket.socket()'; echo y > b.txt && cat b.txt; exit 7`);
		exited(run, 7);
		assert.match(run.out, /^here$/m);
		assert.match(run.out, /^y$/m);
		assert.doesNotMatch(run.out, /S3CRET/);
		assert.match(run.out, /mishri: denied by no-rm: \S*\/rm a\.txt/);
		assert.match(run.out, /Operation not permitted/);
		assert.ok(!fs.existsSync(path.join(w.dir, 'made')) && w.has('a.txt'));
		const narrowed = forbidden(w, ['exec', ...w.places(), '-p', w.policy, '-w', w.ws, '--isolation', 'reduced', '--permissions', 'fs.read,exec', '--', 'bash', '-c', 'cat a.txt; echo z > c.txt']);
		exited(narrowed, 1);
		assert.match(narrowed.out, /^here$/m);
		assert.ok(!w.has('c.txt'));
	});

	test('none runs, and a policy attack at the level that there is', (t) => {
		const w = world(t, { policy: POLICY, as_nobody: true });
		exited(exec(w, 'none', 'true'), 0);
		const full = forbidden(w, ['policy', 'attack', ...w.places(), '-p', w.policy, '--only', 'base64']);
		exited(full, 3);
		assert.match(full.err, /max_user_namespaces/);
		const reduced = forbidden(w, ['policy', 'attack', ...w.places(), '-p', w.policy, '--isolation', 'reduced', '--only', 'base64', '--only', 'write-outside', '--json']);
		exited(reduced, 0);
		assert.deepEqual(JSON.parse(reduced.out).rows.map((row) => row.verdict), ['held', 'held'], reduced.out);
	});
});

test('the AppArmor profile names this very program', (t) => {
	const w = world(t);
	const run = spawnSync(mishri(), ['doctor', '--apparmor'], { encoding: 'utf8', cwd: w.ws, env: w.env() });
	assert.equal(run.status, 0, run.stderr);
	assert.ok(run.stdout.includes(`profile mishri "${mishri()}" flags=(unconfined) {`), run.stdout);
	assert.match(run.stdout, /^ {2}userns,$/m);
});
