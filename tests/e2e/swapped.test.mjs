// swapped.test.mjs - while a cell is made for a directory, a link is put in its place, over and over: the cell has that directory, or
// there is none. Whoever follows the name finds the other one.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { NOBODY, USERS, world } from './lib.mjs';

const SWAP = `import ctypes, sys
libc = ctypes.CDLL(None)
a, b = sys.argv[1].encode(), sys.argv[2].encode()
while True:
    libc.renameat2(-100, a, -100, b, 2)
`;

for (const user of USERS)
	describe(`as ${user.name}`, () => {
		test('a link in the place of the workspace leads nowhere', { timeout: 60000 }, async (t) => {
			const w = world(t, user), dir = path.join(w.ws, 'a'), link = path.join(w.ws, 'b'), other = path.join(w.dir, 'other');
			for (const [name, file] of [[dir, 'mine'], [other, 'of-another']]) {
				fs.mkdirSync(name);
				fs.writeFileSync(path.join(name, file), '');
			}
			fs.symlinkSync(other, link);
			if (user.as_nobody)
				for (const at of [w.ws, dir, other])
					fs.chownSync(at, NOBODY, NOBODY);
			const swap = spawn('python3', ['-c', SWAP, dir, link], { stdio: 'ignore' });
			t.after(() => swap.kill('SIGKILL'));
			let mine = 0, followed = 0;
			for (const end = Date.now() + 3000; Date.now() < end || mine === 0 || followed === 0;) {
				const run = await w.mishri(['exec', '--data', w.data, '--no-user-config', '-p', w.policy, '-w', dir, '--', 'ls', dir]);
				assert.doesNotMatch(run.out, /of-another/, 'the cell had another directory');
				mine += run.out === 'mine\n';
				followed += /of-another/.test(spawnSync('ls', [`${dir}/`], { encoding: 'utf8' }).stdout);
			}
		});
	});
