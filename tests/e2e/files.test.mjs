// What a task may see and change, through the whole program: workspaces in mode overlay with diff, apply and drop, read-only
// ones, and the `files` rules of a policy.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { AM_ROOT, POLICY, USERS, exited, shell, sleep, world } from './lib.mjs';

const tool = (name, args) => ({ name, args });
const record = (w, replies, name = 'script.jsonl') => {
	const file = path.join(w.dir, name);
	fs.writeFileSync(file, replies.map((r) => JSON.stringify({ agent: '*', ...r })).join('\n') + '\n');
	fs.chmodSync(file, 0o644);
	return `recorded/${file}`;
};
const results = (w) => Object.fromEntries(w.events('call.finished').map((e) => [e.data.call, e.data]));
const overlay = ['--workspace-mode', 'overlay'];
const work = async (w, replies, ...args) => {
	const run = await w.mishri(w.runArgs('Do it', '-m', record(w, [...replies, { text: 'Done.' }]), ...args));
	exited(run, 0);
	return results(w);
};
const about = (w, command, ...args) => w.mishri([command, ...w.places(), 'last', ...args]);
const own = (w, name, text) => {
	w.write(name, text);
	if (AM_ROOT && w.as_nobody)
		fs.chownSync(path.join(w.ws, name), 65534, 65534);
};
const RULES = `files:
  hide: ["**/.env", secrets]
  readonly: [".git/hooks", keep.txt, .mishri]
`;

for (const { name, as_nobody } of USERS) {
	describe(`as ${name}`, () => {
		test('run in a layer, look, apply', async (t) => {
			const w = world(t, { files: { 'a.txt': 'one\ntwo\n', 'old.txt': 'x\n', 'd/e.txt': 'e\n' }, as_nobody });
			const done = await work(w, [
				{ calls: [tool('read_file', { path: 'a.txt' }), tool('edit_file', { path: 'a.txt', old: 'two', new: '2' }),
					tool('write_file', { path: 'new/n.txt', content: 'hi\n' })] },
				{ calls: [shell('find old.txt -delete; ln -s /etc/passwd link; chmod 750 d/e.txt; printf "\\0\\1" > bin; mkfifo pipe; cat a.txt; printf "#!/bin/sh\\necho mine\\n" > prog; chmod +x prog; ./prog')] },
			], ...overlay);
			assert.equal(done['1.2'].status, 'ok', done['1.2'].output);
			assert.match(done['2.1'].output, /one\n2\nmine/);
			assert.equal(w.events('exec.decided').filter((e) => e.data.program.endsWith('/prog') || e.data.argv.includes('./prog'))[0].data.rule, 'own-programs', 'a program of the layer is one of the workspace');
			assert.deepEqual(fs.readdirSync(w.ws).sort(), ['a.txt', 'd', 'old.txt'], 'the workspace is as it was');
			assert.equal(w.read('a.txt'), 'one\ntwo\n');

			const text = await about(w, 'diff');
			exited(text, 0);
			assert.match(text.out, /^changed {2}a\.txt$/m);
			assert.match(text.out, /^-two\n\+2$/m);
			assert.match(text.out, /^added {4}link -> \/etc\/passwd$/m);
			assert.match(text.out, /^mode {5}d\/e\.txt {2}\(mode 750, was 644\)$/m);
			assert.match(text.out, /^refused {2}pipe {2}\(a named pipe: it is never applied\)$/m);
			assert.match(text.out, /\+\+\+ b\/bin\n\(no text: its bytes differ\)/);
			const json = JSON.parse((await about(w, 'diff', '--json')).out);
			assert.deepEqual(json.sums, { added: 5, changed: 1, deleted: 1, mode: 1, bytes: json.sums.bytes });
			assert.equal(json.changes.find((c) => c.path === 'bin').binary, true);
			assert.ok(!(await about(w, 'diff', '--stat')).out.includes('+2'));

			const dry = await about(w, 'apply', '--dry-run');
			exited(dry, 0);
			assert.ok(!w.has('new'));
			const applied = await about(w, 'apply');
			exited(applied, 0);
			assert.match(applied.err, /not applied: pipe: a named pipe/);
			assert.equal(w.read('a.txt'), 'one\n2\n');
			assert.equal(w.read('new/n.txt'), 'hi\n');
			assert.deepEqual(fs.readdirSync(w.ws).sort(), ['a.txt', 'bin', 'd', 'link', 'new', 'prog']);
			assert.equal(fs.readlinkSync(path.join(w.ws, 'link')), '/etc/passwd');
			assert.equal(fs.statSync(path.join(w.ws, 'd/e.txt')).mode & 0o777, 0o750);
			for (const file of ['a.txt', 'new', 'new/n.txt', 'bin'])
				assert.equal(fs.statSync(path.join(w.ws, file)).uid, fs.statSync(w.ws).uid, `${file} has the workspace's owner`);
			const event = w.events('changes.applied')[0].data;
			assert.match(event.digest, /^[0-9a-f]{64}$/);
			assert.deepEqual(event.refused.map((r) => r.path), ['pipe']);
			assert.match((await about(w, 'diff')).out, /nothing is changed/);
			assert.match((await about(w, 'apply')).out, /nothing is changed/);
			w.checkChain();
			exited(await w.mishri(['audit', 'verify', ...w.places()]), 0);
			await w.leftNothing();
		});

		test('a conflict stops all of it; force goes over it; drop throws away', async (t) => {
			const w = world(t, { files: { 'a.txt': 'one\n', 'b.txt': 'b\n', 'c.txt': 'c\n' }, as_nobody });
			await work(w, [{ calls: [shell('echo two > a.txt; echo B > b.txt; find c.txt -delete')] }], ...overlay);
			own(w, 'b.txt', 'mine\n');
			const stopped = await about(w, 'apply');
			exited(stopped, 1);
			assert.match(stopped.err, /b\.txt {2}CONFLICT: 'b\.txt' was changed in the workspace meanwhile/);
			assert.match(stopped.err, /nothing was applied: 1 thing was changed/);
			assert.equal(w.read('a.txt') + w.read('b.txt') + w.read('c.txt'), 'one\nmine\nc\n');
			assert.equal(w.events('changes.applied').length, 0);
			exited(await about(w, 'apply', '--force'), 0);
			assert.equal(w.read('a.txt') + w.read('b.txt'), 'two\nB\n');
			assert.deepEqual(w.events('changes.applied')[0].data.forced, ['b.txt']);

			await work(w, [{ calls: [shell('echo three > a.txt')] }], ...overlay);
			const dropped = await about(w, 'drop');
			exited(dropped, 0);
			assert.match(dropped.out, /dropped: 0 added, 1 changed/);
			assert.equal(w.read('a.txt'), 'two\n');
			assert.equal(w.events('changes.dropped').length, 1);
			assert.match((await about(w, 'diff')).out, /nothing is changed/);
			assert.match((await about(w, 'drop')).out, /nothing is changed/);
			assert.deepEqual(fs.readdirSync(path.join(w.data, 'layers')), []);
		});

		test('a layer outlives a kill, workers share it, and nobody applies what runs', async (t) => {
			const w = world(t, { files: { 'a.txt': 'one\n' }, as_nobody });
			const model = record(w, [
				{ calls: [shell('echo first > first.txt')] },
				{ calls: [shell('echo > started; sleep 60')] },
				{ calls: [shell('cat first.txt a.txt; echo second > second.txt')] },
				{ text: 'Done.' },
			]);
			const run = w.start(w.runArgs('Do it', '-m', model, ...overlay));
			const layers = path.join(w.data, 'layers');
			const begun = () => fs.existsSync(layers) && fs.readdirSync(layers).some((id) => fs.existsSync(path.join(layers, id, 'upper/started')));
			for (let end = Date.now() + 20000; !begun(); await sleep(50))
				assert.ok(Date.now() < end, run.err);
			const refused = await about(w, 'apply');
			exited(refused, 2);
			assert.match(refused.err, /is at work/);
			assert.match((await about(w, 'diff', '--stat')).out, /added {4}first\.txt/);
			run.kill('SIGKILL');
			await run.done;
			exited(await w.mishri(w.resumeArgs(w.task())), 0);
			assert.match(results(w)['3.1'].output, /first\none/);
			assert.ok(!w.has('first.txt'));
			exited(await about(w, 'apply'), 0);
			assert.equal(w.read('first.txt') + w.read('second.txt'), 'first\nsecond\n');
			await w.leftNothing();
		});

		test('workers of a tree see each other\'s changes', async (t) => {
			const w = world(t, { files: { 'a.txt': 'one\n' }, policy: POLICY + '  - { id: delegating, allow: delegate }\n', as_nobody });
			const file = record(w, [
				{ agent: 'master', calls: [tool('plan', { steps: [{ id: 's1', title: 'make' }, { id: 's2', title: 'see', after: ['s1'] }] })] },
				{ agent: 'master', calls: [tool('delegate', { tasks: [{ step: 's1', goal: 'make it' }] })] },
				{ agent: 'worker', match: 'make it', calls: [shell('echo made > made.txt')] },
				{ agent: 'worker', match: 'make it', text: 'Made.' },
				{ agent: 'master', calls: [tool('delegate', { tasks: [{ step: 's2', goal: 'see it' }] })] },
				{ agent: 'worker', match: 'see it', calls: [shell('cat made.txt')] },
				{ agent: 'worker', match: 'see it', text: 'Seen.' },
				{ agent: 'master', text: 'Done.' },
			]);
			const run = await w.mishri(w.teamArgs('Do it', '--plan', 'always', '-m', file, ...overlay));
			exited(run, 0);
			assert.ok(w.events('call.finished').some((e) => e.data.tool === 'shell' && /^made$/m.test(e.data.output)), run.err);
			assert.ok(!w.has('made.txt'));
			const worker = w.events('task.created').find((e) => e.data.role === 'worker').task;
			exited(await w.mishri(['apply', ...w.places(), worker]), 0);
			assert.equal(w.read('made.txt'), 'made\n');
		});

		test('a read-only workspace', async (t) => {
			const w = world(t, { files: { 'a.txt': 'one\n' }, as_nobody });
			const done = await work(w, [{ calls: [shell('cat a.txt; touch b || echo no; echo x > /tmp/t && cat /tmp/t'),
				tool('write_file', { path: 'n.txt', content: 'x' })] }], '--workspace-mode', 'readonly');
			assert.match(done['1.1'].output, /one\n.*Read-only file system\nno\nx/s);
			assert.equal(done['1.2'].status, 'error');
			assert.deepEqual(fs.readdirSync(w.ws), ['a.txt']);
			const diff = await about(w, 'diff');
			exited(diff, 2);
			assert.match(diff.err, /has no layer of changes.*--workspace-mode overlay/);
		});

		test('the rules of the policy, in the cell and in words', async (t) => {
			const w = world(t, { files: { '.env': 'TOKEN=hush\n', 'sub/.env': 'TOKEN=hush\n', 'secrets/k': 'hush\n', '.git/hooks/x': 'x\n',
				'keep.txt': 'k\n', 'a.txt': 'a\n' }, policy: POLICY + RULES, as_nobody });
			const done = await work(w, [
				{ calls: [shell('cat .env sub/.env secrets/k; grep -r hush . ; mkdir .mishri; echo n > sub/new; mkdir n; echo z > n/.env'),
					tool('read_file', { path: 'sub/.env' }), tool('edit_file', { path: 'keep.txt', old: 'k', new: 'x' }),
					tool('read_file', { path: 'keep.txt' })] },
				{ calls: [shell('cat n/.env; touch .mishri/policy.yaml; echo x >> keep.txt; cat .git/hooks/x')] },
			]);
			assert.doesNotMatch(done['1.1'].output, /hush/);
			assert.equal(done['1.2'].status, 'denied');
			assert.match(done['1.2'].output, /the policy hides 'sub\/\.env' \(pattern '\*\*\/\.env'\)/);
			assert.match(done['1.3'].output, /keeps from being changed 'keep\.txt'/);
			assert.equal(done['1.4'].status, 'ok');
			assert.match(done['2.1'].output, /n\/\.env: Permission denied.*Read-only file system.*Read-only file system.*x/s);
			const decided = w.events('call.decided').find((e) => e.data.call === '1.2').data;
			assert.equal(decided.rule, 'files.hide');
			assert.match(decided.source, /policy\.yaml:\d+$/);
			const places = w.events('files.violated').flatMap((e) => e.data.places);
			assert.deepEqual(places.map((p) => [p.path, p.kind, p.held]).sort(), [['.mishri', 'readonly', true], ['n/.env', 'hide', true]]);
			const files = w.events('cell.opened')[0].data.mechanisms.files;
			assert.deepEqual([files.hidden, files.kept, files.hide], [3, 2, ['**/.env', 'secrets']]);
			const shown = await w.mishri(['show', ...w.places(), 'last']);
			assert.match(shown.out, /^files\n {2}new where the policy says files\.readonly: \.mishri\n/m);
			await w.leftNothing();
		});

		test('a quota ends what makes the layer grow, and deleting goes on', async (t) => {
			const w = world(t, { files: { 'a.txt': 'one\n' }, as_nobody });
			const done = await work(w, [
				{ calls: [shell('i=0; while [ $i -lt 3000 ]; do head -c 1000000 /dev/zero > big$i; i=$((i+1)); sleep 0.05; done')] },
				{ calls: [shell('find . -name "big*" -delete; echo small > small')] },
			], ...overlay, '-c', 'workspace_quota=4M');
			assert.equal(done['1.1'].status, 'killed');
			assert.match(done['1.1'].output, /holds more than its quota/);
			assert.equal(done['2.1'].status, 'ok');
			assert.match((await about(w, 'diff', '--stat')).out, /^added {4}small\n$/);
		});

		test('/tmp is kept for a return within ten minutes', async (t) => {
			for (const row of [{ late: false, says: /text\n.*r-x.*link -> f.*1000/s }, { late: true, says: /No such file/ }, { large: true, says: /No such file/ }]) {
				const w = world(t, { files: { 'a.txt': 'one\n' }, as_nobody });
				const fill = row.large ? 'head -c 70000000 /dev/zero > /tmp/large; ' : '';
				const model = record(w, [
					{ calls: [shell(`${fill}mkdir -p /tmp/d/e; echo text > /tmp/d/e/f; ln -s f /tmp/d/e/link; touch -d @1000 /tmp/d/e/f; chmod 555 /tmp/d/e/f; mkfifo /tmp/p`)] },
					{ calls: [shell('touch started; sleep 60')] },
					{ calls: [shell('cat /tmp/d/e/link; ls -l /tmp/d/e; stat -c %Y /tmp/d/e/f; test ! -e /tmp/p')] },
					{ text: 'Done.' },
				]);
				const run = w.start(w.runArgs('Do it', '-m', model));
				for (let end = Date.now() + 20000; !w.has('started'); await sleep(50))
					assert.ok(Date.now() < end, run.err);
				run.kill('SIGINT');
				await run.done;
				exited(run, 130);
				const kept = path.join(w.data, 'tmp');
				assert.equal(w.events('cell.closed')[0].data.tmp, row.large ? 'not kept: too large' : 'kept');
				assert.equal(fs.readdirSync(kept).length, row.large ? 0 : 1);
				if (row.late)
					fs.utimesSync(path.join(kept, w.task()), 1000, 1000);
				exited(await w.mishri(w.resumeArgs(w.task())), 0);
				assert.match(results(w)['3.1'].output, row.says);
				assert.deepEqual(fs.readdirSync(kept), []);
				await w.leftNothing();
			}
		});

		test('one program in a layer', async (t) => {
			const w = world(t, { files: { 'a.txt': 'one\n' }, as_nobody });
			const run = await w.mishri(['exec', ...w.places(), '-p', w.policy, '-w', w.ws, ...overlay, '--', 'sh', '-c', 'echo 2 > a.txt; echo n > n; cat a.txt']);
			exited(run, 0);
			assert.equal(run.out, '2\n');
			assert.match(run.err, /thrown away now:\nchanged {2}a\.txt\nadded {4}n\n/);
			assert.equal(w.read('a.txt'), 'one\n');
			assert.deepEqual(fs.readdirSync(path.join(w.data, 'layers')), []);
		});
	});
}

test('a root engine over the workspace of somebody else', { skip: !AM_ROOT }, async (t) => {
	const w = world(t, { files: { 'a.txt': 'one\n', 'd/b.txt': 'b\n', 'roots.txt': 'r\n' }, policy: POLICY + RULES });
	for (const name of ['.', 'a.txt', 'd', 'd/b.txt'])
		fs.chownSync(path.join(w.ws, name), 1234, 1234);
	const done = await work(w, [{ calls: [shell('echo two >> a.txt; mkdir -p n/m; echo x > n/m/x; mv d/b.txt d/c.txt; cat roots.txt; echo no >> roots.txt || echo refused')] }], ...overlay);
	assert.match(done['1.1'].output, /r\n.*refused/s);
	exited(await about(w, 'apply'), 0);
	for (const name of ['a.txt', 'n', 'n/m', 'n/m/x', 'd/c.txt'])
		assert.equal(fs.statSync(path.join(w.ws, name)).uid, 1234, name);
	assert.equal(w.read('a.txt') + w.read('roots.txt'), 'one\ntwo\nr\n');
});

test('what is wrong is said', async (t) => {
	const w = world(t, { files: { 'a.txt': 'one\n' } });
	const rows = [
		[w.runArgs('x', '-m', record(w, []), '--workspace-mode', 'layered'), 2, /workspace_mode: 'layered' is not one of: direct overlay readonly/],
		[['exec', '--workspace-mode', 'x', '--', 'true'], 2, /direct, overlay or readonly/],
		[['diff', ...w.places(), 'nosuchtask'], 2, /nosuchtask/],
		[['apply', ...w.places()], 2, /TASK|task/],
		[['drop', ...w.places(), 'last'], 2, /has no layer of changes/],
		[['apply', ...w.places(), '--dryrun', 'last'], 2, /--dry-run/],
	];
	await work(w, []);
	for (const [args, code, says] of rows) {
		const run = await w.mishri(args);
		assert.equal(run.code, code, `${args}: ${run.err}`);
		assert.match(run.err, says);
	}
});

test('where a rule cannot be kept, nothing runs', async (t) => {
	const w = world(t, { files: { '.env': 'x\n' }, policy: POLICY + RULES, as_nobody: true });
	const run = await w.mishri(w.runArgs('x', '-m', record(w, [{ text: 'Done.' }]), '--isolation', 'reduced'));
	exited(run, 3);
	assert.match(run.err, /isolation 'reduced' cannot keep 'files: hide'/);
	const layered = await w.mishri(w.runArgs('x', '-m', record(w, [{ text: 'Done.' }]), '--isolation', 'none', ...overlay));
	exited(layered, 3);
});
