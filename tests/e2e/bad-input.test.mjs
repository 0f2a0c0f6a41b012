// Bad input gets a clear sentence that says what would be right, and loses nothing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AM_ROOT, checkStream, exited, mishri, shell, startModel, toldModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

describe('goals', () => {
	const rows = [
		{ name: 'empty', words: [''], says: /goal is empty/ },
		{ name: 'only white space', words: [' \n\t '], says: /goal is empty/ },
		{ name: 'nothing on stdin', words: [], input: '', says: /goal is empty/ },
		{ name: '10 MB on stdin', words: [], input: 'x'.repeat(10 << 20), says: /goal.*1048576|goal.*1 MiB/i },
		{ name: 'invalid UTF-8 on stdin', words: [], input: Buffer.from([0x61, 0xff, 0xfe]), says: /UTF-8/ },
		{ name: 'an overlong sequence', words: [], input: Buffer.from([0x61, 0xc0, 0xaf]), says: /UTF-8/ },
		{ name: 'half a surrogate', words: [], input: Buffer.from([0xed, 0xa0, 0x80]), says: /UTF-8/ },
		{ name: 'a NUL', words: [], input: 'a\0b', says: /UTF-8|NUL/ },
		{ name: 'two of them', words: ['make', 'tea'], says: /quotes/ },
	];
	for (const row of rows) {
		test(row.name, async (t) => {
			const w = world(t);
			model.setScenario({ replies: [{ text: 'ok', times: 0 }] });
			const run = await w.start([...w.runArgs(null, '-m', 'openai/mock'), '--', ...row.words], { env: model.env, input: row.input }).done;
			exited(run, 2);
			assert.match(run.err, row.says);
			assert.equal(run.err.trim().split('\n').length, 1, 'one line');
			assert.equal(run.out, '');
			assert.equal(model.requests.length, 0);
			assert.ok(!fs.existsSync(w.data), 'nothing was made');
		});
	}

	test('invalid UTF-8 in the argument', async (t) => {
		const w = world(t);
		const run = await w.start(['-c', `exec "$0" "$@" $'a\\xffb'`, mishri(), ...w.runArgs(null, '-m', 'openai/mock')], { program: 'bash', env: model.env }).done;
		exited(run, 2);
		assert.match(run.err, /UTF-8/);
	});

	test('the longest goal that is allowed arrives whole', async (t) => {
		const w = world(t);
		const goal = 'x'.repeat((1 << 20) - 2) + 'ä';
		model.setScenario({ replies: [{ text: 'ok' }] });
		const run = await w.start(w.runArgs(null, '-m', 'openai/mock'), { env: model.env, input: goal }).done;
		exited(run, 0);
		assert.ok(model.requests[0].body.messages.at(-1).content === goal);
		const again = await w.mishri(['history', '--json', ...w.places()]);
		assert.ok(JSON.parse(again.out)[0].goal === goal);
		w.checkChain();
	});
});

describe('workspaces', () => {
	const rows = [
		{ name: 'missing', make: (w) => path.join(w.dir, 'none'), says: /none.*No such file/ },
		{ name: 'a file', make: (w) => w.policy, says: /policy\.yaml.*(no directory|Not a directory)/ },
		{ name: 'a link that leads nowhere', make: (w) => { fs.symlinkSync('/none', path.join(w.dir, 'l')); return path.join(w.dir, 'l'); }, says: /No such file/ },
		{ name: 'the root', make: () => '/', says: /root of the file system/ },
		{ name: 'unreadable', as_nobody: true, make: (w) => { const d = path.join(w.dir, 'shut'); fs.mkdirSync(d, { mode: 0 }); fs.chmodSync(d, 0); return d; },
			says: /shut.*(Permission denied|cannot be read)/ },
		{ name: 'inside the unreadable', as_nobody: true, make: (w) => { const d = path.join(w.dir, 'shut'); fs.mkdirSync(path.join(d, 'in'), { recursive: true });
			fs.chmodSync(d, 0); return path.join(d, 'in'); }, says: /shut.*Permission denied/ },
		{ name: 'the empty name', make: () => '', says: /workspace/ },
	];
	for (const row of rows) {
		test(row.name, { skip: row.as_nobody && !AM_ROOT && 'needs root' }, async (t) => {
			const w = world(t, { as_nobody: row.as_nobody });
			const run = await w.start(['run', ...w.places(), '-w', row.make(w), '-p', w.policy, '-m', 'openai/mock', 'goal'], { env: model.env }).done;
			exited(run, 2);
			assert.match(run.err, row.says);
			assert.equal(run.out, '');
		});
	}

	// What tools could write there, the next run would read or trust.
	for (const row of [
		{ name: 'the home directory', args: (w) => ['--data', w.data], env: (w) => ({ HOME: w.ws }), says: /settings and policy .*\.config\/mishri lie in the workspace/ },
		{ name: 'around the settings', args: (w) => ['--data', w.data], env: (w) => ({ XDG_CONFIG_HOME: `${w.ws}/c` }), says: /lie in the workspace/ },
		{ name: 'around the settings behind a link', args: (w) => ['--data', w.data], env: (w) => { fs.symlinkSync(w.home, `${w.ws}/l`); return { XDG_CONFIG_HOME: `${w.ws}/l` }; },
			says: /lie in the workspace/ },
		{ name: 'around the history', args: (w) => ['--data', `${w.ws}/data`], env: () => ({}), says: /data directory .* lies in the workspace/ },
	]) {
		test(row.name, async (t) => {
			const w = world(t);
			const env = row.env(w);
			for (const command of [['run', '-m', 'openai/mock'], ['exec']]) {
				const run = await w.start([command[0], ...row.args(w), '-w', w.ws, '-p', w.policy, ...command.slice(1), '--', 'true'], { env: { ...model.env, ...env } }).done;
				exited(run, 3);
				assert.match(run.err, row.says);
			}
		});
	}

	test('with a name that is hard', async (t) => {
		const w = world(t);
		const ws = path.join(w.dir, 'a b\n"c" $(d) ☃');
		fs.mkdirSync(ws);
		model.setScenario({ replies: [{ calls: [shell('pwd > where'), { name: 'write_file', args: { path: 'x', content: 'y' } }] }, { text: 'ok' }] });
		const run = await w.start(['run', ...w.places(), '-w', ws, '-p', w.policy, '-m', 'openai/mock', 'goal'], { env: model.env }).done;
		exited(run, 0);
		assert.equal(fs.readFileSync(path.join(ws, 'where'), 'utf8'), `${ws}\n`);
		assert.equal(fs.readFileSync(path.join(ws, 'x'), 'utf8'), 'y');
	});

	test('by a link is the directory itself', async (t) => {
		const w = world(t);
		fs.symlinkSync(w.ws, path.join(w.dir, 'link'));
		model.setScenario({ replies: [{ calls: [shell('pwd -P > where')] }, { text: 'ok' }] });
		const run = await w.start(['run', ...w.places(), '-w', path.join(w.dir, 'link'), '-p', w.policy, '-m', 'openai/mock', 'goal'], { env: model.env }).done;
		exited(run, 0);
		assert.equal(w.read('where'), `${fs.realpathSync(w.ws)}\n`);
	});
});

describe('policies', () => {
	const rows = [
		['an unknown key', 'version: 1\nrulez: []\n', /^mishri: \S*policy\.yaml:2:1: .*'?rulez'?.*rules/m],
		['an unknown tool', 'version: 1\nrules:\n  - { id: a, allow: tool, tool: shel }\n', /policy\.yaml:3:\d+: .*shel.*shell/],
		['two effects', 'version: 1\nrules:\n  - { id: a, allow: tool, deny: tool }\n', /policy\.yaml:3:\d+: /],
		['an id twice', 'version: 1\nrules:\n  - { id: a, allow: tool }\n  - { id: a, deny: exec }\n', /policy\.yaml:4:\d+: .*a/],
		['no YAML', 'version: 1\nrules: [\n', /policy\.yaml:\d+:\d+: /],
		['an empty file', '', /policy\.yaml.*empty/],
		['a bad regex', 'version: 1\nrules:\n  - { id: a, deny: tool, tool: shell, args: { command: { regex: "(" } } }\n', /policy\.yaml:3:\d+: /],
		['a failing test', 'version: 1\nrules:\n  - { id: a, deny: exec, program: rm }\ntests:\n  - { call: { exec: [rm, x] }, expect: allow }\n', /policy\.yaml:5:\d+: .*deny/],
	];
	for (const [name, text, says] of rows) {
		test(name, async (t) => {
			const w = world(t, { policy: text });
			const run = await w.run(model, 'goal');
			exited(run, 3);
			assert.match(run.err, says);
			assert.equal(run.out, '');
			const lint = await w.mishri(['policy', 'lint', w.policy]);
			exited(lint, 3);
			assert.match(lint.err + lint.out, new RegExp(says.source.replace('^mishri: ', '')));
			const exec = await w.mishri(['exec', ...w.places(), '-p', w.policy, '--', 'true']);
			exited(exec, 3);
		});
	}

	test('a missing file', async (t) => {
		const w = world(t);
		const run = await w.start(['run', ...w.places(), '-w', w.ws, '-p', 'none.yaml', '-m', 'openai/mock', 'goal'], { env: model.env }).done;
		exited(run, 3);
		assert.match(run.err, /none\.yaml.*No such file/);
	});

	test('more files than can be taken are an error, not left out', async (t) => {
		const w = world(t);
		const empty = path.join(w.dir, 'allow.yaml');
		fs.writeFileSync(empty, 'version: 1\nrules:\n  - { id: t, allow: tool, tool: shell }\n  - { id: e, allow: exec, program: { from: system } }\n');
		const strict = path.join(w.dir, 'deny.yaml');
		fs.writeFileSync(strict, 'version: 1\nrules:\n  - { id: none, deny: exec }\n');
		const many = Array.from({ length: 40 }, (_, i) => {
			const copy = path.join(w.dir, `allow${i}.yaml`);
			fs.writeFileSync(copy, fs.readFileSync(empty, 'utf8').replaceAll('id: ', `id: f${i}-`));
			return ['-p', copy];
		}).flat();
		const run = await w.start(['exec', ...w.places(), '-w', w.ws, ...many, '-p', strict, '--', 'touch', 'x']).done;
		assert.ok(run.code === 2 || run.code === 6, `${run.code} ${run.err}`);
		assert.ok(!w.has('x'));
	});
});

describe('stores', () => {
	const broken = (w) => fs.writeFileSync(path.join(w.data, 'mishri.db'), fs.readFileSync(path.join(w.data, 'mishri.db')).fill(0x5a, 4096, 8192));
	const rows = [
		{ name: 'a directory that cannot be written', as_nobody: true, break: (w) => { fs.mkdirSync(w.data); fs.chmodSync(w.data, 0o555); fs.chownSync(w.data, 0, 0); },
			says: /data.*(Permission denied|cannot)/ },
		{ name: 'a file where the directory should be', break: (w) => fs.writeFileSync(w.data, 'x'), says: /data.*(Not a directory|no directory|not a directory)/ },
		{ name: 'from a newer version', ran: true, break: (w) => w.sql('pragma user_version = 9999'), says: /newer version/ },
		{ name: 'of another program', break: (w) => { fs.mkdirSync(w.data); spawnSync('sqlite3', [path.join(w.data, 'mishri.db'), 'create table t(x)']); },
			says: /mishri\.db/ },
		{ name: 'damaged', ran: true, break: broken, says: /mishri\.db.*(damaged|malformed|not as)/s },
	];
	for (const row of rows) {
		test(row.name, { skip: row.as_nobody && !AM_ROOT && 'needs root' }, async (t) => {
			const w = world(t, { as_nobody: row.as_nobody });
			model.setScenario({ replies: [{ text: 'ok', times: 0 }] });
			if (row.ran)
				exited(await w.run(model, 'x'), 0);
			row.break(w);
			const before = fs.existsSync(path.join(w.data, 'mishri.db')) ? fs.readFileSync(path.join(w.data, 'mishri.db')) : null;
			const run = await w.run(model, 'goal');
			exited(run, 1);
			assert.match(run.err, row.says);
			assert.equal(run.out, '');
			if (before !== null)
				assert.ok(before.equals(fs.readFileSync(path.join(w.data, 'mishri.db'))), 'the file is left as it is');
		});
	}
});

describe('models', () => {
	const told = (i) => toldModel(model)[i];
	const rows = [
		{ name: 'a web page', replies: [{ html: true, times: 0 }], code: 5, requests: 1, result: /text\/html|web page|HTML|JSON/i },
		{ name: 'an empty reply, then a good one', replies: [{ text: '' }, { text: 'ok' }], code: 0, requests: 2 },
		{ name: 'nothing but empty replies', replies: [{ text: '  \n', times: 0 }], code: 5, requests: 3, args: ['-c', 'retry.attempts=3'], result: /empty/ },
		{ name: 'an unknown tool', replies: [{ calls: [{ name: 'delete_everything', args: {} }] }, { text: 'ok' }], code: 0,
			check: () => assert.match(told(0), /no tool 'delete_everything'; there are:.*shell/) },
		{ name: 'a tool name that no service takes', replies: [{ calls: [{ name: 'rm -rf /; "x"\n', args: {} }] }, { text: 'ok' }], code: 0,
			check: () => assert.match(told(0), /no tool/) },
		{ name: 'arguments that are no JSON', replies: [{ calls: [{ name: 'shell', args: '{"command": "touch mad' }] }, { text: 'ok' }], code: 0,
			check: (w) => { assert.match(told(0), /JSON/); assert.ok(!w.has('mad')); } },
		{ name: 'arguments that are a list', replies: [{ calls: [{ name: 'shell', args: '["touch mad"]' }] }, { text: 'ok' }], code: 0,
			check: (w) => { assert.match(told(0), /object/); assert.ok(!w.has('mad')); } },
		{ name: 'arguments against the schema', replies: [{ calls: [{ name: 'shell', args: { cmd: 'touch mad' } }, { name: 'shell', args: { command: 7 } },
			{ name: 'shell', args: { command: 'touch mad', timeout_s: 0 } }] }, { text: 'ok' }], code: 0,
			check: (w) => { assert.match(told(0), /command/); assert.match(told(1), /\/command/); assert.match(told(2), /\/timeout_s/); assert.ok(!w.has('mad')); } },
		{ name: 'a key twice in the arguments', replies: [{ calls: [{ name: 'shell', args: '{"command":"true","command":"touch mad"}' }] }, { text: 'ok' }], code: 0,
			check: (w) => assert.ok(!w.has('mad')) },
		{ name: 'a thousand calls in a reply', replies: [{ calls: Array.from({ length: 1000 }, (_, i) => shell(`echo ${i} >> many`)) }, { text: 'ok' }], code: 0,
			check: (w) => { assert.equal(w.read('many'), Array.from({ length: 64 }, (_, i) => `${i}\n`).join(''));
				assert.match(model.requests.at(-1).body.messages.at(-1).content, /only the first 64 calls/i); } },
		{ name: 'a stream that is cut, then a good one', replies: [{ text: 'half of it, and then', cut_after: 300 }, { text: 'whole' }], code: 0, requests: 2,
			result: /^whole$/ },
		{ name: 'a call that is cut is not run', replies: [{ calls: [shell('echo ran >> cut')], cut_after: 500 }, { text: 'ok' }], code: 0, requests: 2,
			check: (w) => assert.ok(!w.has('cut')) },
		{ name: 'an error in the stream', replies: [{ text: 'Hel', mid_error: { message: 'overloaded' } }, { text: 'ok' }], code: 0, requests: 2 },
		{ name: 'an event that is no JSON', replies: [{ text: 'a', malformed: true, times: 0 }], code: 5, requests: 1, result: /nonsense/ },
		{ name: 'a connection that is dropped', replies: [{ drop: true }, { text: 'ok' }], code: 0, requests: 2 },
		{ name: 'no [DONE]', replies: [{ text: 'ok', no_done: true }], code: 0, requests: 1 },
		{ name: 'no stream although one was asked for', replies: [{ text: 'ok', stream: false }], code: 0, requests: 1 },
		{ name: 'a refusal', replies: [{ refusal: 'I cannot do that.' }], code: 0, result: /I cannot do that\./ },
		{ name: 'two calls with one id', replies: [{ calls: [{ ...shell('echo a >> two'), id: 'same' }, { ...shell('echo b >> two'), id: 'same' }] }, { text: 'ok' }], code: 0,
			check: (w) => assert.equal(w.read('two'), 'a\nb\n') },
		{ name: 'text with control bytes', replies: [{ text: 'a\u001b[2Jb\u202ec\u0000d' }], code: 0, check: (w, run) => assert.doesNotMatch(run.err + run.out, /\u001b\[2J|\u202e|\0/) },
		{ name: 'a hundred kilobytes of text', replies: [{ text: 'ä'.repeat(50000), piece_size: 1000 }], code: 0, check: (w) => assert.equal(w.end().result.length >= 0, true) },
	];
	for (const row of rows) {
		test(row.name, async (t) => {
			const w = world(t);
			model.setScenario({ replies: row.replies });
			const run = await w.run(model, 'x', { args: ['--output-format', 'stream-json', ...(row.args ?? [])], timeout_ms: 120000 });
			exited(run, row.code);
			checkStream(run.out, { exit: row.code });
			assert.deepEqual(model.invalid, [], 'what was sent back is what the service takes');
			assert.equal(model.missed, 0);
			if (row.requests !== undefined)
				assert.equal(model.requests.length, row.requests);
			if (row.result)
				assert.match(JSON.parse(run.out.trim().split('\n').at(-1)).result, row.result);
			if (row.check) {
				const text = await w.resume(model, w.task()).done;
				row.check(w, { out: text.out, err: run.err });
			}
			w.checkChain();
			await w.leftNothing();
		});
	}

	test('retry-after is honoured', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ status: 429, headers: { 'retry-after': '3' } }, { text: 'ok' }] });
		const run = await w.run(model, 'x');
		exited(run, 0);
		const waited = model.requests[1].time_ms - model.requests[0].time_ms;
		assert.ok(waited >= 2950 && waited < 8000, `${waited} ms`);
		assert.ok(w.events('retry.scheduled')[0].data.delay_ms >= 3000);
		assert.match(run.err, /again in/);
	});

	test('a retry-after beyond all patience is a failure at once', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ status: 429, headers: { 'retry-after': '86400' }, times: 0 }] });
		const run = await w.run(model, 'x');
		exited(run, 5);
		assert.equal(model.requests.length, 1);
	});
});

describe('tools that misbehave', () => {
	test('a flood of output is cut, and the run goes on', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('head -c 50000000 /dev/zero | tr "\\0" x; echo end')] }, { text: 'ok' }] });
		const run = await w.run(model, 'x');
		exited(run, 0);
		const told = toldModel(model)[0];
		assert.ok(Buffer.byteLength(told) < 70000, `${told.length}`);
		assert.match(told, /end\s*$/);
		assert.ok(w.events('call.finished')[0].data.bytes >= 50000000);
	});

	test('bytes of any kind', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('head -c 100000 /dev/urandom; printf "\\033[2J\\000\\377"')] }, { text: 'ok' }] });
		const run = await w.run(model, 'x');
		exited(run, 0);
		assert.doesNotMatch(toldModel(model)[0], /[\0\u001b]/);
		assert.deepEqual(model.invalid, []);
		w.checkChain();
	});

	test('a command that runs too long is stopped with all it started', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('sleep 300 & (trap "" TERM; sleep 301) & sleep 302', { timeout_s: 1 })] }, { text: 'ok' }] });
		const run = await w.run(model, 'x');
		exited(run, 0);
		assert.match(toldModel(model)[0], /ran longer than 1/);
		assert.equal(w.events('call.finished')[0].data.status, 'timeout');
		assert.ok(run.ms < 12000, `${run.ms} ms`);
		await w.leftNothing();
	});

	test('a program that stays behind ends with the task', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('setsid -f sleep 300 >/dev/null 2>&1 </dev/null; echo started')] }, { text: 'ok' }] });
		const run = await w.run(model, 'x');
		exited(run, 0);
		assert.match(toldModel(model)[0], /started/);
		await w.leftNothing();
	});

	test('one that holds its output open does not hold the call', async (t) => {
		const w = world(t);
		model.setScenario({ replies: [{ calls: [shell('sleep 60 & echo started')] }, { text: 'ok' }] });
		const run = await w.run(model, 'x');
		exited(run, 0);
		assert.ok(run.ms < 15000, `${run.ms} ms`);
		await w.leftNothing();
	});
});

describe('a result that cannot be printed is not a success', () => {
	for (const format of ['text', 'json', 'stream-json']) {
		test(format, async (t) => {
			const w = world(t);
			model.setScenario({ replies: [{ text: 'ok' }] });
			const run = await w.start(['-c', 'exec "$0" "$@" > /dev/full', mishri(), ...w.runArgs('x', '-m', 'openai/mock', '--output-format', format)],
				{ program: 'sh', env: model.env }).done;
			exited(run, 1);
			assert.match(run.err, /No space left/);
			assert.equal(w.end().state, 'done', 'the task itself is done');
		});
	}
});
