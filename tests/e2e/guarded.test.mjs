// guarded.test.mjs - what mishri believes lies where nobody else can write: its data, its sockets, its configuration.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { AM_ROOT, NOBODY, USERS, exited, startModel, world } from './lib.mjs';

const own = (w, place, uid = w.as_nobody ? NOBODY : process.getuid()) => AM_ROOT && fs.chownSync(place, uid, uid);

for (const user of USERS)
	describe(`as ${user.name}`, () => {
		// [what, how the data directory is made, what is said, or undefined: it works]
		const data = [
			['a directory of one\'s own', (w) => fs.mkdirSync(w.data, { mode: 0o700 })],
			['one that others may read', (w) => fs.mkdirSync(w.data, { mode: 0o755 })],
			['one that others may write', (w) => { fs.mkdirSync(w.data); fs.chmodSync(w.data, 0o777); }, /data: others may write it \(mode 0777\)/],
			['one that a group may write', (w) => { fs.mkdirSync(w.data); fs.chmodSync(w.data, 0o775); }, /data: others may write it/],
			['one like /tmp', (w) => { fs.mkdirSync(w.data); fs.chmodSync(w.data, 0o1777); }, /data: others may write it/],
		];
		for (const [name, make, says] of data)
			test(`the data: ${name}`, async (t) => {
				const w = world(t, user), model = await startModel({ replies: [{ text: 'ok' }] });
				t.after(() => model.close());
				make(w);
				own(w, w.data);
				const run = await w.run(model, 'hello');
				if (says === undefined) {
					exited(run, 0);
					assert.equal(fs.statSync(path.join(w.data, 'mishri.db')).mode & 0o777, 0o600);
					return;
				}
				assert.notEqual(run.code, 0);
				assert.match(run.err, says);
				assert.deepEqual(fs.readdirSync(w.data), [], 'nothing was put there');
				assert.equal(model.requests.length, 0);
			});

		test('a store that others may write is not believed; one that they may read is closed to them', async (t) => {
			const w = world(t, user), model = await startModel({ replies: [{ text: 'ok', times: 0 }] });
			t.after(() => model.close());
			exited(await w.run(model, 'hello'), 0);
			const db = path.join(w.data, 'mishri.db');
			fs.chmodSync(db, 0o666);
			const no = await w.run(model, 'again');
			assert.notEqual(no.code, 0);
			assert.match(no.err, /mishri\.db: others may write it/);
			fs.chmodSync(db, 0o644);
			exited(await w.run(model, 'again'), 0);
			assert.equal(fs.statSync(db).mode & 0o777, 0o600);
		});

		const files = [
			['config.yaml', 'max_turns: 3\n'],
			['policy.yaml', 'version: 1\nname: mine\nrules:\n  - { id: mine, deny: exec, program: shred }\n'],
			['tools/hello.yaml', 'name: test.hello\ndescription: Says hello.\nprogram: echo\nargs: [hello]\ncategory: read\nrisk: low\nnature: pure\n'],
		];
		for (const [name, text] of files)
			test(`${name} that others may write is not read`, async (t) => {
				const w = world(t, user), model = await startModel({ replies: [{ text: 'ok', times: 0 }] });
				t.after(() => model.close());
				const file = path.join(w.home, '.config/mishri', name);
				fs.mkdirSync(path.dirname(file), { recursive: true });
				fs.writeFileSync(file, text);
				fs.chmodSync(file, 0o644);
				const begin = () => w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '--plan', 'never', '-m', 'openai/mock', '--', 'hello'],
					{ env: model.env });
				for (let at = file; at !== w.home; at = path.dirname(at))
					own(w, at);
				const good = await begin();
				exited(good, 0);
				fs.chmodSync(file, 0o666);
				const no = await begin();
				assert.notEqual(no.code, 0);
				assert.match(no.err, /others may write it \(mode 0666\)/);
			});
	});

describe('of another user', { skip: !AM_ROOT && 'only root can make files of others' }, () => {
	test('a data directory of another: refused, but to root', async (t) => {
		const w = world(t, { as_nobody: true });
		fs.mkdirSync(w.data, { mode: 0o755 });
		fs.chownSync(w.data, 12345, 12345);
		fs.writeFileSync(path.join(w.data, 'mishri.db'), '');
		fs.chmodSync(path.join(w.data, 'mishri.db'), 0o666);
		fs.chownSync(path.join(w.data, 'mishri.db'), 12345, 12345);
		const model = await startModel({ replies: [{ text: 'ok' }] });
		t.after(() => model.close());
		const run = await w.run(model, 'hello');
		assert.notEqual(run.code, 0);
		assert.match(run.err, /data: belongs to user 12345/);
	});

	test('a configuration of another is not read: it can name commands', async (t) => {
		const w = world(t), file = path.join(w.home, '.config/mishri/config.yaml');
		fs.mkdirSync(path.dirname(file), { recursive: true });
		fs.writeFileSync(file, 'max_turns: 3\n');
		fs.chownSync(file, NOBODY, NOBODY);
		const model = await startModel({ replies: [{ text: 'ok', times: 0 }] });
		t.after(() => model.close());
		const begin = () => w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '--plan', 'never', '-m', 'openai/mock', '--', 'hello'], { env: model.env });
		const no = await begin();
		assert.notEqual(no.code, 0);
		assert.match(no.err, /config\.yaml: belongs to user 65534/);
		fs.chownSync(file, 0, 0);
		exited(await begin(), 0);
	});

	test('no socket in a directory of another, and no goal to a service of another', async (t) => {
		const w = world(t), runtime = path.join(w.dir, 'runtime'), dir = path.join(runtime, 'mishri');
		const env = { XDG_RUNTIME_DIR: runtime, XDG_STATE_HOME: path.join(w.dir, 'state') };
		fs.mkdirSync(dir, { recursive: true });
		fs.chownSync(dir, NOBODY, NOBODY);
		const no = await w.mishri(['serve', '-p', w.policy], { env });
		assert.notEqual(no.code, 0);
		assert.match(no.err, /runtime\/mishri: belongs to user 65534/);
		let heard = '';
		const { spawn } = await import('node:child_process');
		const thief = spawn('setpriv', [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', process.execPath, '-e',
			`require('net').createServer((s) => s.on('data', (d) => process.stdout.write(d))).listen(${JSON.stringify(path.join(dir, 'serve.sock'))}, () => console.log('ready'))`],
		{ stdio: ['ignore', 'pipe', 'inherit'] });
		t.after(() => thief.kill('SIGKILL'));
		thief.stdout.setEncoding('utf8').on('data', (text) => { heard += text; });
		while (!heard.includes('ready'))
			await new Promise((done) => thief.stdout.once('data', done));
		const told = await w.mishri(['run', '--detach', '-w', w.ws, '--', 'the secret goal'], { env, timeout_ms: 20000 });
		assert.notEqual(told.code, 0);
		assert.match(told.err, /user 65534 listens there, not you: nothing was sent/);
		assert.doesNotMatch(heard, /secret goal/);
		// What it would have heard, from whoever does not look.
		const plain = net.connect(path.join(dir, 'serve.sock'), () => plain.end('the secret goal'));
		while (!heard.includes('secret goal'))
			await new Promise((done) => thief.stdout.once('data', done));
		// In a directory of one's own the service begins, and takes the goal.
		thief.kill('SIGKILL');
		fs.rmSync(path.join(dir, 'serve.sock'), { force: true });
		fs.chownSync(dir, 0, 0);
		const serve = w.start(['serve', '-p', w.policy], { env });
		await serve.until(/serving/, 'out');
		assert.equal(fs.statSync(path.join(dir, 'serve.sock')).mode & 0o777, 0o600);
		serve.kill('SIGTERM');
		await serve.done;
	});
});
