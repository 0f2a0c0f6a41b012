// wrong.test.mjs - every command of the table with what is wrong: words, options, values, files, streams. The table is the program's own
// (`mishri help --json`), so a new command is tried by itself; a new kind of value must be told below what is wrong for it.
//
// What must hold of each: the exit code of usage or configuration, one line on standard error that names what was wrong, nothing on
// standard output, no control character of the caller's in either, and a record that is as it was.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AM_ROOT, mishri, startModel, world } from './lib.mjs';

const TABLE = JSON.parse(spawnSync(mishri(), ['help', '--json'], { encoding: 'utf8' }).stdout);
const GLOBAL = ['--data', '--no-user-config', '--json', '--no-color', '--help'];
const LONG = 'x'.repeat(100000), ESCAPE = 'a\u001b[2Jb\u202ec', SHOWN = 'a\\x1b[2Jb<U+202E>c';

// What is wrong for a value that the table calls so; FREE: any text will do, but it must do no harm.
const NUMBERS = ['', 'x', '-1', '1.5', '99999999999999999999'], SPANS = ['', 'x', '5y', '-1s'], DATES = ['', 'x', '2026-02-30'], WORDS = ['', 'zzz'];
const FREE = null;
const WRONG = {
	N: NUMBERS, USD: ['', 'x', '-1', 'nan'], SIZE: ['', 'x', '-1', '5q'], DURATION: SPANS, SPAN: SPANS, 'SPAN|DATE': DATES, WHEN: DATES, TIME: DATES,
	LEVEL: WORDS, MODE: WORDS, FORMAT: WORDS, ROLE: WORDS, HOW: WORDS, STATE: WORDS, EFFECT: WORDS, WHAT: WORDS, TYPE: WORDS, LIST: ['zzz'], SHELL: WORDS,
	TASK: ['', 'nosuch', LONG, ESCAPE], 'TASK...': ['', 'nosuch', LONG, ESCAPE], EVENT: ['', 'x', '-1', '99999999'], 'SEQ|end': ['', 'x', '-1'],
	'PROVIDER/MODEL': ['x', 'nosuch/x'], 'PROVIDER/MODEL,...': ['x', 'nosuch/x'], 'KEY=VALUE': ['', 'x', '=1', 'no.such=1'],
	JSON: ['', '{', '[]'], 'ADDR:PORT': ['', 'x', '127.0.0.1:99999', '192.0.2.1:80'], 'HOST:PORT': ['', 'x', 'h:99999'], ADDRESS: ['x', '1.2.3'],
	EXPRESSION: ['', 'x', '* * * *', '99 * * * *'], ZONE: ['', 'No/Such'], 'SHA-256': ['', 'x'],
	FILE: ['', '/dev/null/x', '/tmp'], 'FILE...': ['', '/dev/null/x', '/tmp'], 'SCHEMA.json': ['', '/dev/null/x', '/tmp'],
	DIR: ['/dev/null/x'], OLD: ['/dev/null/x'], 'PROGRAM ARG...': [''],
	ID: FREE, NAME: FREE, TEXT: FREE, QUERY: FREE, GOAL: FREE, COMMAND: FREE,
};
// Where a word means something else than its kind elsewhere; null: what the kind calls wrong is right here.
const EXCEPT = {
	'events --type': ['', 'no.such'],
	'policy check --address': ['x'], 'policy explain --address': ['x'],
	'export --output': ['', '/dev/null/x', '/tmp'],
	'approve --digest': FREE,                       // compared with that of an approval which is there
	'policy check --exec': FREE, 'policy explain --exec': FREE,     // the rest of the line is the program's
};

let model, w, task, event;
// Right words for each command, so that one thing alone is wrong. A command without required words needs no row.
const RIGHT = {
	'token add': () => ['fresh'], 'token revoke': () => ['ci'], exec: () => ['--', 'true'], steer: () => [task, 'go on'], answer: () => [task, 'yes'],
	priority: () => [task, '5'], fork: () => [String(event)], approve: () => ['nosuchnosuch'], deny: () => ['nosuchnosuch'], revoke: () => ['nosuchnosuch'],
	'schedule add': () => ['fresh', 'a goal', '--every', '1h'], 'schedule show': () => ['watch'], 'schedule pause': () => ['watch'],
	'schedule resume': () => ['watch'], 'schedule run': () => ['watch'], 'schedule remove': () => ['watch'], import: () => [path.join(w.dir, 'tree.json')],
	'audit export': () => [path.join(w.dir, 'bundle')], 'policy check': () => ['--exec', 'ls'], 'policy explain': () => ['--exec', 'ls'],
	'policy lint': () => [w.policy], 'policy test': () => [w.policy], 'policy diff': () => [w.policy, w.policy], 'tools show': () => ['shell'],
	'tools check': () => ['shell'], 'secrets check': () => ['NAME'], schema: () => [path.join(w.dir, 'schema.json')], completion: () => ['bash'],
	'otlp send': () => [task, '-c', 'otel.endpoint=http://127.0.0.1:9'], vacuum: () => ['--dry-run', '--keep', '5'], chat: () => ['-m', 'openai/mock'], serve: () => [], demo: () => [], run: () => ['-m', 'openai/mock', 'goal'],
};
const required = (c) => c.args.split(' ').filter((word) => word !== '' && !word.startsWith('['));
const right = (c) => RIGHT[c.command]?.() ?? (required(c)[0]?.startsWith('TASK') ? [task] : []);

// What people and agents have in the store; that an engine was there and went is no harm.
const state = () => ({ events: w.events().filter((e) => !e.type.startsWith('engine.')).map((e) => `${e.seq} ${e.type} ${e.hash}`),
	tokens: w.sql('select name from tokens'), schedules: w.sql('select * from schedules') });

before(async () => {
	model = await startModel({ replies: [{ text: 'done', times: 0 }] });
	w = world({ after: () => {} });
	const made = await w.run(model, 'the first');
	assert.equal(made.code, 0, made.err);
	task = w.task();
	event = w.events('call.finished').concat(w.events('model.replied'))[0].seq;
	for (const words of [['token', 'add', 'ci', ...w.places()], ['schedule', 'add', 'watch', '--every', '1h', ...w.places(), '-w', w.ws, 'look'],
		['export', task, '--output', path.join(w.dir, 'tree.json'), '--data', w.data]]) {
		const r = await w.mishri(words);
		assert.equal(r.code, 0, r.err);
	}
	fs.writeFileSync(path.join(w.dir, 'schema.json'), '{}');
});
after(() => {
	w.remove();
	return model.close();
});

// All of them, three at a time; what is wrong of any is told together.
async function each(rows, check) {
	const wrong = [];
	let next = 0;
	const worker = async () => {
		for (let row; (row = rows[next++]) !== undefined;) {
			const said = `${row.words.map((word) => JSON.stringify(word.length > 60 ? `${word.slice(0, 20)}...` : word)).join(' ')}:`;
			try {
				const r = await w.start(row.words, { env: { ...model.env, ...row.env }, timeout_ms: 30000, input: '', ...row.options }).done;
				const why = check(r, row);
				if (why)
					wrong.push(`${said} ${why}; exit ${r.code ?? r.signal}\n    ${r.err.slice(0, 300).trim()}\n    ${r.out.slice(0, 200)}`);
			} catch (e) {
				wrong.push(`${said} ${e.message.slice(0, 200)}`);
			}
		}
	};
	await Promise.all([worker(), worker(), worker()]);
	assert.deepEqual(wrong, [], wrong.join('\n'));
}

const harmless = (r) => (r.code === null ? 'a signal ended it' : /[\u001b\u202e]/.test(r.out + r.err) ? 'a control character came through' :
	r.err.length > 4096 ? `${r.err.length} bytes of complaint` : null);
const refused = (codes) => (r, row) => harmless(r) ?? (!codes.includes(r.code) ? `exit ${codes.join(' or ')} is right` : r.out !== '' ? 'something on stdout' :
	r.err.trim().split('\n').length !== 1 ? 'not one line' : !/^(mishri: )?\S/.test(r.err) ? 'no sentence' :
	row.names && !row.names.some((name) => r.err.includes(name)) ? `names none of ${row.names.join(', ')}` : null);

describe('wrong words', () => {
	test('every kind of value has what is wrong for it', () => {
		const kinds = new Set(TABLE.flatMap((c) => c.options.map((o) => o.value)).filter((kind) => kind !== null));
		assert.deepEqual([...kinds].filter((kind) => !(kind in WRONG)), []);
		assert.ok(TABLE.length > 60);
	});

	test('no word where one is wanted, one too many, an unknown option, a value too much or none', async () => {
		const was = state();
		const rows = [];
		for (const c of TABLE) {
			const name = c.command.split(' '), places = ['--data', w.data];
			if (required(c).length > 0)
				rows.push({ words: [...name, ...places] });
			if (!/\.\.\.|GOAL|QUERY|TEXT|ACTION|COMMAND/.test(c.args))
				rows.push({ words: [...name, ...places, ...right(c), 'too', 'many', 'words'] });
			rows.push({ words: [...name, '--no-such-option', ...places, ...right(c)], names: ['--no-such-option'] });
			for (const o of c.options.filter((one) => !GLOBAL.includes(one.name)))
				rows.push(o.value === null ? { words: [...name, `${o.name}=x`, ...places, ...right(c)], names: [o.name] }
					: { words: [...name, ...places, o.name], names: o.name === '--exec' ? ['no program'] : [o.name] });
		}
		await each(rows, refused([2]));
		assert.deepEqual(state(), was);
	});

	test('a misspelt second word', async () => {
		const families = new Set(TABLE.filter((c) => c.command.includes(' ')).map((c) => c.command.split(' ')[0]));
		await each([...families].flatMap((family) => [{ words: [family] }, { words: [family, 'zzz'], names: [`${family} zzz`] }, { words: [family, ''] }, { words: [family, ESCAPE] }, { words: [family, LONG] }]), refused([2]));
		await each([{ words: [''] }, { words: [LONG] }, { words: [ESCAPE] }], refused([2]));
	});

	test('values that are wrong for an option', async () => {
		const was = state(), rows = [], free = [];
		for (const c of TABLE)
			for (const o of c.options.filter((one) => one.value !== null && !GLOBAL.includes(one.name))) {
				const kind = `${c.command} ${o.name}` in EXCEPT ? EXCEPT[`${c.command} ${o.name}`] : WRONG[o.value];
				let words = o.name === '--since' && c.command === 'otlp send' ? right(c).slice(1) : right(c);
				if (words.includes(o.name) || (c.command === 'schedule add' && ['--cron', '--at'].includes(o.name)))
					words = words.slice(0, words.findIndex((word) => word.startsWith('--')));
				const names = [o.name, o.name.slice(2), o.name.slice(2).replaceAll('-', '_'), ...(o.short !== null ? [o.short] : [])];
				for (const value of kind ?? ['', LONG, ESCAPE])
					(kind === FREE ? free : rows).push({ words: [...c.command.split(' '), '--data', w.data, o.name, value, ...words],
						names: [...names, ...(value === '' ? ["''"] : value === ESCAPE ? [SHOWN] : [value.slice(0, 20), value.split('=')[0]])] });
			}
		await each(rows, (r, row) => refused(/^(export|help|demo)$/.test(row.words[0]) ? [1, 2, 3] : [2, 3])(r, row));
		await each(free.filter((row) => ['history', 'events', 'cost', 'show', 'tree', 'policy', 'tools', 'token', 'approve', 'deny'].includes(row.words[0])), harmless);
		assert.deepEqual(state(), was);
	});

	test('words that name nothing', async () => {
		const was = state(), rows = [];
		for (const c of TABLE.filter((one) => required(one).length > 0 && !['run', 'exec', 'policy check', 'policy explain', 'schedule add', 'audit export', 'token add'].includes(one.command)))
			for (const value of ['', 'nosuch', LONG, ESCAPE])
				rows.push({ words: [...c.command.split(' '), '--data', w.data, value, ...right(c).slice(1)], report: /^policy (lint|test)$/.test(c.command) });
		// What is wrong with a policy is what lint and test are asked for: their result.
		await each(rows, (r, row) => refused(row.words[0] === 'import' ? [1, 2] : [2, 3])(row.report ? { ...r, code: r.code, out: '', err: r.out } : r, row));
		assert.deepEqual(state(), was);
	});
});

describe('wrong places', () => {
	test('a data directory that is a file, empty, or in a file', async () => {
		const rows = [];
		for (const c of TABLE.filter((one) => !['serve', 'demo', 'chat', 'doctor', 'init', 'help', 'version', 'completion', 'sanitize', 'schema', 'exec', 'run'].includes(one.command) &&
			!/^(tools|secrets|policy (lint|test|check|explain|show|schema|attack|diff)|config|trust)/.test(one.command)))
			for (const data of [w.policy, '', `${w.policy}/deep`])
				rows.push({ words: [...c.command.split(' '), '--data', data, ...right(c)] });
		await each(rows, (r) => refused([1, 2, 3])(r, {}));
	});

	test('for another user: only root may', { skip: !AM_ROOT && 'needs root' }, async (t) => {
		const v = world(t, { as_nobody: true });
		for (const c of TABLE.filter((one) => one.options.some((o) => o.name === '--user') && !/^(history|events|cost|policy)/.test(one.command) && one.command !== 'chat')) {
			const r = await v.start([...c.command.split(' '), '--data', v.data, '--user', 'root', ...right(c)], { env: model.env, input: '' }).done;
			assert.ok(r.code > 0 && r.code <= 10, `${c.command}: exit ${r.code} ${r.err}`);
			assert.match(r.err, /root/, c.command);
			assert.equal(r.out, '');
		}
		assert.ok(!fs.existsSync(v.data), 'nothing was made');
	});
});

describe('wrong streams', () => {
	// What only looks, and prints something.
	const LOOKS = /^(history|show|tree|events|trace|ps|health|cost|metrics|token list|schedule (list|show)|approvals|grants|audit verify|policy (show|schema|check|explain)|tools (list|show)|config|doctor|help|version|completion|export)$/;
	const through = (c, redirect) => ({ words: ['-c', `exec "$0" "$@" ${redirect}`, mishri(), ...c.command.split(' '), '--data', w.data, ...right(c)], options: { program: 'sh' } });

	test('a full device, or none: what did not arrive is a failure that is told', async () => {
		const plain = [];
		for (const c of TABLE.filter((one) => LOOKS.test(one.command))) {
			const r = await w.start([...c.command.split(' '), '--data', w.data, ...right(c)], { env: model.env, input: '' }).done;
			if (r.out !== '')
				plain.push(c);
		}
		assert.ok(plain.length > 20, `${plain.length}`);
		await each(plain.flatMap((c) => [through(c, '>/dev/full'), through(c, '>&-')]),
			(r) => harmless(r) ?? (r.code === 0 ? 'it says that all is well' : !/output|written/.test(r.err) ? 'it does not say so' : null));
	});

	test('no standard input, and no standard error', async () => {
		const was = state();
		await each(TABLE.filter((one) => LOOKS.test(one.command)).flatMap((c) => [through(c, '<&-'), through(c, '2>&- <&-')]), (r) => harmless(r) ?? (r.code > 1 ? 'it minds' : null));
		assert.deepEqual(state(), was);
	});

	test('a reader who has had enough is no failure', async () => {
		const r = await w.start(['-c', '"$0" events --json --data "$1"; echo $? >&2', mishri(), w.data], { program: 'sh', input: '' }).done;
		assert.equal(r.err, '0\n');
		const cut = await w.start(['-c', '{ "$0" help; echo $? >&2; } | true', mishri()], { program: 'sh', input: '' }).done;
		assert.equal(cut.err, '0\n');
	});
});
