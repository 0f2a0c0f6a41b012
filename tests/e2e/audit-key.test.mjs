// Where the key is that signs: a variable, a file, a credential, a command. What is wrong there stops what writes, and says what
// would be right; the key itself is in no configuration, no environment of a tool, no output and no message.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { USERS, exited, shell, startModel, toldModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

function newKey(dir, name) {
	const file = path.join(dir, name), pub = path.join(dir, `${name}.pub`);
	assert.equal(spawnSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', file]).status, 0);
	assert.equal(spawnSync('openssl', ['pkey', '-in', file, '-pubout', '-out', pub]).status, 0);
	const pem = fs.readFileSync(file, 'utf8');
	return { file, pub, pem, body: pem.split('\n')[1] };
}
const signed = async (w, pub) => {
	const run = await w.mishri(['audit', 'verify', ...w.places(), '--key', pub, '--json']);
	return { code: run.code, err: run.err, ...JSON.parse(run.out) };
};
const go = (w, key, { env = {}, args = [] } = {}) => w.run(model, 'go', { args: ['-c', `audit.key=${key}`, ...args], env });

for (const { name, as_nobody } of USERS)
	test(`each source signs, as ${name}`, async (t) => {
		const w = world(t, { as_nobody });
		const key = newKey(w.dir, 'sign.pem');
		fs.chmodSync(w.dir, 0o755);
		const owner = fs.statSync(w.ws).uid;
		const credentials = path.join(w.dir, 'credentials');
		fs.mkdirSync(credentials, { mode: 0o755 });
		fs.writeFileSync(path.join(credentials, 'audit'), key.pem, { mode: 0o400 });
		for (const file of [key.file, path.join(credentials, 'audit')])
			fs.chownSync(file, owner, owner);
		fs.chmodSync(key.file, 0o600);
		let tasks = 0;
		for (const [source, env] of [[`env:SIGN_WITH`, { SIGN_WITH: key.pem }], [`file:${key.file}`, {}], ['credential:audit', { CREDENTIALS_DIRECTORY: credentials }],
			[`command:cat '${key.file}'`, {}]]) {
			model.setScenario({ replies: [{ calls: [shell(`env; cat /proc/self/environ; cat /proc/1/environ; echo ${key.body}`)] }, { text: `it is ${key.body}` }] });
			const run = await go(w, source, { env });
			exited(run, 0);
			tasks++;
			const told = toldModel(model).join('\n');
			assert.ok(!told.includes('SIGN_WITH') && !told.includes('PRIVATE KEY'), told);
			for (const where of [told, run.out, run.err, JSON.stringify(w.events())])
				assert.ok(!where.includes(key.body), `the key is shown, from ${source}`);
			const seen = await signed(w, key.pub);
			assert.deepEqual([seen.intact, seen.signatures, seen.checkpoints], [true, tasks, tasks], seen.err);
		}
		assert.ok(!fs.existsSync(path.join(w.data, 'audit.key')));
		// The same word goes through where nothing signs: it is the key that is hidden.
		const bare = world(t, { as_nobody });
		model.setScenario({ replies: [{ text: `it is ${key.body.slice(0, 20)} ${key.body.slice(20)}` }] });
		const run = await bare.run(model, 'go');
		exited(run, 0);
		assert.ok(run.out.includes(key.body.slice(0, 20)));
	});

describe('what is wrong keeps the store shut, and says what would be right', () => {
	const rows = [
		['nothing of the kind', 2, /audit\.key: says where the key is, never the key itself: env:VARIABLE, file:\/PATH, credential:NAME or command:WORDS/],
		['env:1X', 2, /says where the key is/], ['file:relative', 2, /says where the key is/], ['credential:../x', 2, /says where the key is/],
		['command: ', 2, /says where the key is/],
		['env:NOT_THERE', 1, /the environment has no variable NOT_THERE; set it before the start/],
		['env:EMPTY', 1, /the environment has no variable EMPTY/],
		['env:WRONG', 1, /it is no private Ed25519 key in PEM; `openssl genpkey -algorithm ed25519` makes one/],
		['file:/nowhere/at/all', 1, /\/nowhere\/at\/all: No such file or directory/],
		['file:DIR/open.pem', 1, /open\.pem: others may read or write it; it must be yours and of mode 0600/],
		['file:DIR/sign.pem.pub', 1, /it is no private Ed25519 key/],
		['file:DIR/rsa.pem', 1, /it is no private Ed25519 key/],
		['file:DIR', 1, /is no regular file/],
		['credential:audit', 1, /CREDENTIALS_DIRECTORY is not set: start it as a service of systemd with LoadCredential=audit:/],
		['command:exit 3', 1, /the command ended with exit status 3; it must print the key and end with 0/],
		['command:true', 1, /what is there is empty; a private Ed25519 key \(PEM\) would be right/],
		['command:no-such-program-at-all', 1, /exit status 127/],
		['command:echo s3cr3t-and-wrong', 1, /it is no private Ed25519 key/],
		['command:head -c 100000 /dev/zero', 1, /must print one key of at most/],
		['command:kill -9 $$', 1, /ended by signal 9/],
		['command:sleep 30', 1, /did not end within 10 s/],
	];
	test('rows', async (t) => {
		const w = world(t);
		const key = newKey(w.dir, 'sign.pem');
		fs.writeFileSync(path.join(w.dir, 'open.pem'), key.pem, { mode: 0o644 });
		fs.chmodSync(key.file, 0o600);
		fs.chmodSync(key.pub, 0o600);
		assert.equal(spawnSync('openssl', ['genpkey', '-algorithm', 'rsa', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', path.join(w.dir, 'rsa.pem')]).status, 0);
		fs.chmodSync(path.join(w.dir, 'rsa.pem'), 0o600);
		model.setScenario({ replies: [{ text: 'done', times: 0 }] });
		await Promise.all(rows.map(async ([source, code, says]) => {
			const run = await go(w, source.replaceAll('DIR', w.dir), { env: { EMPTY: '', WRONG: '-----BEGIN PRIVATE KEY-----\ns3cr3t\n-----END PRIVATE KEY-----\n' } });
			assert.equal(run.code, code, `${source}: ${run.err}`);
			assert.match(run.err, says, source);
			assert.ok(!run.err.includes('s3cr3t'), `${source}: ${run.err}`);
		}));
		assert.equal(w.events('task.created').length, 0, 'nothing was begun');
		// The key itself, as one would paste it.
		for (const pasted of [key.pem, key.body]) {
			const run = await go(w, pasted);
			assert.equal(run.code, 2, run.err);
			assert.ok(!run.err.includes(key.body), run.err);
		}
		exited(await go(w, `file:${key.file}`), 0);
		const config = await w.mishri(['config', '-c', `audit.key=file:${key.file}`, '--json', '--data', w.data]);
		assert.ok(!config.out.includes(key.body));
	});
});

test('what stops work goes through without a key; a project cannot name one', async (t) => {
	const w = world(t);
	model.setScenario({ replies: [{ calls: [shell('sleep 60')] }, { text: 'done' }] });
	const env = { ...model.env, MISHRI_AUDIT_KEY: 'env:NOT_THERE' };
	const run = w.start(w.runArgs('go', '-m', 'openai/mock', '--plan', 'never'), { env: model.env });
	let task;
	for (let i = 0; i < 600 && task === undefined; i++) {
		await new Promise((r) => setTimeout(r, 50));
		try { task = w.events('call.started')[0]?.task; } catch { /* not there yet */ }
	}
	const cancel = await w.mishri(['cancel', task, '--data', w.data], { env });
	exited(cancel, 0);
	assert.match(cancel.err, /checkpoints are not signed: MISHRI_AUDIT_KEY: audit\.key: the environment has no variable NOT_THERE/);
	await run.ended;
	const refused = await w.mishri(['audit', 'key', '--new', '--data', w.data], { env });
	assert.equal(refused.code, 1);
	const dir = path.join(w.ws, '.mishri');
	fs.mkdirSync(dir, { recursive: true });
	fs.writeFileSync(path.join(dir, 'config.yaml'), 'audit.key: "command:touch /tmp/never"\n');
	exited(await w.mishri(['trust', w.ws, '--data', w.data]), 0);
	const project = await w.mishri(['run', '--data', w.data, '-w', w.ws, '-m', 'openai/mock', '--plan', 'never', 'go'], { env: model.env });
	assert.equal(project.code, 3, project.err);
	assert.match(project.err, /audit\.key/);
});

test('a key elsewhere comes after the one that signed before, and who trusted that one trusts it', async (t) => {
	const w = world(t);
	const key = newKey(w.dir, 'sign.pem');
	const kept = path.join(w.dir, 'kept.pem');
	const made = await w.mishri(['audit', 'key', '--new', ...w.places()]);
	exited(made, 0);
	fs.writeFileSync(kept, made.out);
	model.setScenario({ replies: [{ text: 'done', times: 0 }] });
	exited(await w.run(model, 'one'), 0);
	const env = { MISHRI_AUDIT_KEY: `file:${key.file}` };
	fs.chmodSync(key.file, 0o600);
	const fresh = await w.mishri(['audit', 'key', '--new', '--data', w.data], { env });
	assert.equal(fresh.code, 2);
	assert.match(fresh.err, /the key is where audit\.key says/);
	assert.equal((await w.mishri(['audit', 'key', '--after', kept, ...w.places()])).code, 2, 'audit.key says nothing');
	const half = await w.mishri(['audit', 'key', '--after', kept, '--data', w.data], { env });
	assert.equal(half.code, 2);
	assert.match(half.err, /kept\.pem: it is no private Ed25519 key/);
	const follow = await w.mishri(['audit', 'key', '--after', path.join(w.data, 'audit.key'), '--data', w.data], { env });
	exited(follow, 0);
	assert.equal(follow.out, fs.readFileSync(key.pub, 'utf8'));
	exited(await go(w, `file:${key.file}`), 0);
	const all = await signed(w, kept);
	assert.deepEqual([all.intact, all.signatures], [true, 2], all.err);
	assert.equal((await signed(w, key.pub)).intact, false, 'the new one did not sign what was before it');
	const again = await w.mishri(['audit', 'key', '--after', path.join(w.data, 'audit.key'), '--data', w.data], { env });
	assert.equal(again.code, 1);
	assert.match(again.err, /has signed already, so it cannot come after another/);
	// Without the step in between, the chain of trust ends.
	const other = newKey(w.dir, 'other.pem');
	fs.chmodSync(other.file, 0o600);
	exited(await go(w, `file:${other.file}`), 0);
	assert.equal((await signed(w, kept)).intact, false);
});
