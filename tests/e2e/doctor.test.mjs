// doctor.test.mjs - what the doctor mends: a thing that is really broken, seen to be, mended after a yes and never without, and
// taken back by the very command that was printed.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { AM_ROOT, exited, mishri, USERS, world } from './lib.mjs';

const mode = (file) => (fs.statSync(file).mode & 0o7777).toString(8);

for (const { name, as_nobody } of USERS)
	test(`modes of files, as ${name}: shown, asked for, mended, taken back`, async (t) => {
		const w = world(t, { as_nobody });
		const args = ['doctor', '--fix', '--data', w.data];
		const own = (file, text, bits) => {
			fs.mkdirSync(path.dirname(file), { recursive: true });
			if (text !== null)
				fs.writeFileSync(file, text);
			else
				fs.mkdirSync(file);
			if (as_nobody && AM_ROOT)
				spawnSync('chown', ['-R', '65534:65534', w.home, file]);
			fs.chmodSync(file, bits);
		};
		const key = path.join(w.home, 'key'), policy = path.join(w.home, '.config/mishri/policy.yaml');
		own(w.data, null, 0o755);
		own(key, 'secret\n', 0o644);
		own(policy, 'version: 1\ndefault: deny\nrules: []\n', 0o664);
		const env = { OPENAI_API_KEY_FILE: key };

		const unasked = await w.mishri(args, { env });
		exited(unasked, 9);
		assert.match(unasked.err, /--yes/);
		assert.deepEqual([mode(w.data), mode(key), mode(policy)], ['755', '644', '664'], 'nothing without a yes');

		const no = w.startInTerminal(args, { env });
		for (let i = 1; i <= 3; i++) {
			await no.until(new RegExp(`(do it\\? \\[y/N\\][^]*){${i}}`), 'out');
			no.say(i === 2 ? 'y\n' : 'n\n');
		}
		await no.done;
		const modes = [mode(w.data), mode(key), mode(policy)];
		assert.equal(modes.filter((m, i) => m !== ['755', '644', '664'][i]).length, 1, `one yes, one change: ${modes}`);

		const yes = await w.mishri([...args, '--yes'], { env });
		exited(yes, 0);
		assert.deepEqual([mode(w.data), mode(key), mode(policy)], ['700', '600', '644']);
		const undo = [...yes.out.matchAll(/to take it back: (.*)/g)].map((m) => m[1]);
		assert.equal(undo.length, 2);
		for (const command of undo)
			assert.equal(spawnSync('sh', ['-c', command]).status, 0);
		const again = await w.mishri([...args, '--json', '--yes'], { env });
		exited(again, 0);
		assert.deepEqual(JSON.parse(again.out).map((m) => m.state), ['done', 'done']);
		const none = await w.mishri(args, { env });
		exited(none, 0);
		assert.match(none.out, /nothing that could be mended/);
	});

test('user namespaces that are turned off: no cell; mended, there is one', { skip: AM_ROOT ? false : 'only root can break it' }, (t) => {
	const w = world(t);
	// A user namespace of its own has its own number of those below it; /etc/sysctl.d is covered.
	const script = `set -e; mount -t tmpfs none /etc/sysctl.d; echo 0 >/proc/sys/user/max_user_namespaces; cd "$2"
		"$1" doctor --data "$3" | grep "^MISSING namespaces" || exit 90
		"$1" doctor --fix --data "$3" </dev/null && exit 91
		[ "$(cat /proc/sys/user/max_user_namespaces)" = 0 ] || exit 92
		"$1" doctor --fix --yes --data "$3"
		cat /etc/sysctl.d/*
		"$1" doctor --data "$3" | grep "^ok      namespaces"`;
	const r = spawnSync('unshare', ['-Urm', 'sh', '-c', script, 'sh', mishri(), w.ws, w.data], { encoding: 'utf8', env: w.env() });
	assert.equal(r.status, 0, `${r.status} ${r.stdout} ${r.stderr}`);
	assert.match(r.stdout, /sysctl -w user\.max_user_namespaces=10000/);
	assert.match(r.stdout, /to take it back: rm \/etc\/sysctl\.d\/60-mishri-max_user_namespaces\.conf/);
	assert.match(r.stdout, /^user\.max_user_namespaces = 10000$/m);
	assert.match(r.stdout, /^MISSING namespaces[^]*^ok {6}namespaces/m);
});

test('what is wrong on the line', async (t) => {
	const w = world(t);
	for (const [args, code, said] of [
		[['--yes'], 2, /--yes goes with --fix/],
		[['--fix', 'now'], 2, /one word too many/],
		[['--fxi'], 2, /did you mean '--fix'/],
	]) {
		const run = await w.mishri(['doctor', ...args]);
		exited(run, code);
		assert.match(run.err, said);
	}
});
