// What an auditor takes away is checked by the shell lines of docs/audit.md, and by nothing of ours; and each kind of
// tampering is found by them, or by `audit verify`.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT, exited, shell, sleep, startModel, world } from './lib.mjs';
import { serve, token } from './serve-lib.mjs';

const LINES = /```sh\n([\s\S]*?)```/.exec(fs.readFileSync(path.join(ROOT, 'docs/audit.md'), 'utf8'))[1];
const GUARDS = "select name from sqlite_master where type = 'trigger'";

let model;
before(async () => {
	model = await startModel({ replies: [] });
});
after(() => model.close());

const audit = (w, ...args) => w.mishri(['audit', args[0], ...w.places(), ...args.slice(1)]);
async function two(t) {
	const w = world(t);
	model.setScenario({ replies: [{ calls: [shell('echo one')] }, { text: 'done' }, { calls: [shell('rm x')] }, { text: 'done' }] });
	const first = await audit(w, 'key', '--new');
	assert.equal(first.code, 0, first.err);
	fs.writeFileSync(path.join(w.dir, 'kept.pem'), first.out);
	assert.equal((await w.run(model, 'first')).code, 0);
	assert.equal((await audit(w, 'key', '--new')).code, 0);
	assert.equal((await w.run(model, 'second')).code, 0);
	return w;
}
function check(dir) {
	const done = spawnSync('sh', ['-c', LINES], { cwd: dir, encoding: 'utf8' });
	return done.stdout + done.stderr;
}

describe('a bundle', () => {
	test('is whole, and says so to the shell', async (t) => {
		const w = await two(t);
		const verify = await audit(w, 'verify', '--key', path.join(w.dir, 'kept.pem'), '--json');
		assert.equal(verify.code, 0, verify.err);
		assert.equal(JSON.parse(verify.out).signatures, 2);
		for (const [name, ...task] of [['all'], ['one', 'last']]) {
			const dir = path.join(w.dir, name);
			const done = await audit(w, 'export', dir, ...task, '--json');
			assert.equal(done.code, 0, done.err);
			assert.equal(check(dir), '', name);
		}
		const links = fs.readFileSync(path.join(w.dir, 'all/links.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
		assert.equal(links.length, 2);
		for (const link of links) {
			assert.match(link.policy_sha256, /^[0-9a-f]{64}$/);
			assert.match(link.output_sha256, /^[0-9a-f]{64}$/);
			assert.equal(link.tool, 'shell');
			assert.equal(link.effect, 'allow');
		}
		const again = await audit(w, 'export', path.join(w.dir, 'all'));
		assert.equal(again.code, 2);
		assert.match(again.err, /there already/);
	});

	// file, what is done to its lines, what the shell says
	const rows = [
		['events.tsv', (l) => l.with(3, l[3].replace('"attempt":1', '"attempt":2')), /event \d+: its text was changed/],
		['events.tsv', (l) => l.toSpliced(3, 1), /the one before it is missing/],
		['events.tsv', (l) => [...l.slice(0, 2), l[3], l[2], ...l.slice(4)], /the one before it is missing/],
		['events.tsv', (l) => l.slice(0, l.findLastIndex((line) => line.includes('"type":"task.finished"'))), /events up to it are missing/],
		['checkpoints.tsv', (l) => l.with(0, l[0].replace(/"events":\d+/, '"events":1')), /checkpoint 1: changed/],
		['checkpoints.tsv', (l) => l.slice(1), /checkpoint 2: changed, or one before/],
		['checkpoints.tsv', (l) => l.with(1, l[1].split('\t').with(4, 'ab'.repeat(64)).join('\t')), /checkpoint 2: bad signature/],
		['checkpoints.tsv', (l) => l.with(1, l[1].split('\t').with(3, '-').join('\t')), /checkpoint 2: its signature is missing/],
	];
	test('shows what was done to it', async (t) => {
		const w = await two(t);
		const dir = path.join(w.dir, 'bundle');
		assert.equal((await audit(w, 'export', dir)).code, 0);
		for (const [file, change, says] of rows) {
			const whole = fs.readFileSync(path.join(dir, file), 'utf8');
			const lines = whole.trimEnd().split('\n');
			if (lines.with === undefined) // Node 18
				Array.prototype.with = function (i, v) { const c = [...this]; c[i] = v; return c; },
				Array.prototype.toSpliced = function (...a) { const c = [...this]; c.splice(...a); return c; };
			const changed = change(lines).join('\n') + '\n';
			assert.notEqual(changed, whole);
			fs.writeFileSync(path.join(dir, file), changed);
			assert.match(check(dir), says, `${file}: ${change}`);
			fs.writeFileSync(path.join(dir, file), whole);
		}
		assert.equal(check(dir), '');
	});
});

describe('the store', () => {
	const rows = [
		['delete from signatures where id = 1', /checkpoint 1 .* its signature is missing/],
		["update signatures set signature = replace(signature, substr(signature, 1, 1), 'x') where id = 2", /signature does not match/],
		['update signatures set key = (select key from audit_keys order by since desc limit 1) where id = 1', /another key than it says/],
		['delete from audit_keys where by = ""', /the key that signed it is missing/],
		["update audit_keys set public = (select public from audit_keys where by = '') where by <> ''", /another name/],
		["update audit_keys set signature = '' where by <> ''", /not signed by the key before/],
		['insert into signatures values (9, "x", "x")', /checkpoint 9 was signed, and is missing/],
		['delete from checkpoints where id = 2; delete from signatures where id = 2', null], // cut off: only what is kept elsewhere shows it
	];
	test('tells of keys and signatures that were tampered with', async (t) => {
		const w = await two(t);
		fs.copyFileSync(path.join(w.data, 'mishri.db'), path.join(w.dir, 'whole.db'));
		const schema = w.sql("select sql from sqlite_master where type = 'trigger'").map((r) => `${r.sql};`).join('');
		for (const [change, says] of rows) {
			w.sql(w.sql(GUARDS).map((r) => `drop trigger ${r.name};`).join('') + change.replaceAll('"', "'") + ';' + schema);
			const done = await audit(w, 'verify', '--key', path.join(w.dir, 'kept.pem'));
			assert.equal(done.code, says === null ? 0 : 1, `${change}: ${done.out}${done.err}`);
			if (says !== null)
				assert.match(done.err, says, change);
			for (const name of ['mishri.db-wal', 'mishri.db-shm'])
				fs.rmSync(path.join(w.data, name), { force: true });
			fs.copyFileSync(path.join(w.dir, 'whole.db'), path.join(w.data, 'mishri.db'));
		}
	});

	test('believes only the key that was kept, and what it signed', async (t) => {
		const w = await two(t);
		spawnSync('sh', ['-c', 'openssl genpkey -algorithm ed25519 | openssl pkey -pubout > other.pem'], { cwd: w.dir });
		const other = await audit(w, 'verify', '--key', path.join(w.dir, 'other.pem'));
		assert.equal(other.code, 1);
		assert.match(other.err, /has never signed it/);
		const newest = await audit(w, 'key');
		fs.writeFileSync(path.join(w.dir, 'newest.pem'), newest.out);
		const later = await audit(w, 'verify', '--key', path.join(w.dir, 'newest.pem'));
		assert.match(later.err, /checkpoint 1 .* the given one did not sign/);
		fs.writeFileSync(path.join(w.dir, 'no.pem'), 'hello');
		assert.equal((await audit(w, 'verify', '--key', path.join(w.dir, 'no.pem'))).code, 2);
		// A key that others may read signs nothing; the history goes on.
		fs.chmodSync(path.join(w.data, 'audit.key'), 0o644);
		model.setScenario({ replies: [{ text: 'done' }] });
		assert.equal((await w.run(model, 'third')).code, 0);
		const after = JSON.parse((await audit(w, 'verify', '--json')).out);
		assert.deepEqual([after.checkpoints, after.signatures], [3, 2]);
	});
});

test('tokens and trust leave events in the chain: given, used, taken away, and shown when they are over', async (t) => {
	const w = world(t);
	const s = await serve(t, w);
	const secret = await token(w, 'ci', '--role', 'viewer', '--expires', '2099-01-31');
	const ask = async (status) => assert.equal((await s.get('/v1/tasks', { token: secret })).status, status);
	await ask(200);
	await ask(200);
	exited(await w.mishri(['token', 'revoke', ...w.places(), 'ci']), 0);
	await ask(401);
	await ask(401);
	exited(await w.mishri(['token', 'revoke', ...w.places(), 'ci']), 1);
	const project = path.join(w.dir, 'project');
	fs.mkdirSync(path.join(project, '.mishri'), { recursive: true });
	fs.writeFileSync(path.join(project, '.mishri/config.yaml'), 'plan: never\n');
	for (const way of [[], ['--remove']])
		exited(await w.mishri(['trust', project, '--data', w.data, ...way]), 0);
	for (let i = 0; i < 200 && w.events('token.used').length < 2; i++)
		await sleep(50);
	const seen = w.events().filter((e) => /^(token|trust)\./.test(e.type)).map((e) => [e.type, e.data.name ?? e.data.directory, e.data.state]);
	assert.deepEqual(seen, [['token.added', 'ci', undefined], ['token.used', 'ci', 'in force'], ['token.revoked', 'ci', undefined],
		['token.used', 'ci', 'revoked'], ['trust.given', project, undefined], ['trust.taken', project, undefined]].sort((a, b) =>
		seen.findIndex((x) => String(x) === String(a)) - seen.findIndex((x) => String(x) === String(b))));
	assert.equal(JSON.stringify(w.events()).includes(secret.split('-')[2]), false, 'the secret is nowhere');
	assert.equal((await s.end()).code, 0);
	assert.match((await audit(w, 'verify')).out, /intact/);
	w.checkChain?.('');
	const db = path.join(w.data, 'mishri.db');
	const row = w.events('token.revoked')[0].seq;
	spawnSync('sqlite3', [db, `DROP TRIGGER events_stay; UPDATE events SET data = replace(data, 'token.revoked', 'token.added'), type = 'token.added' WHERE seq = ${row}`]);
	const found = await audit(w, 'verify');
	assert.equal(found.code, 1);
	assert.match(found.err, new RegExp(`event ${row} `));
});
