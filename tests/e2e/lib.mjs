// lib.mjs - what the tests of the whole program share: a world of its own for each test (workspace, data, policy), the
// program started in a bare environment, what it wrote down, and what is left of it afterwards.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export { startModel } from './mock/model.mjs';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const BUILT = process.env.MISHRI ?? path.join(ROOT, 'build/mishri');
export const AM_ROOT = process.getuid() === 0;
export const NOBODY = 65534;
export const KEY = 'sk-e2e-0f3a9c5d7b1e';       // must turn up nowhere
export const TASK_ID = /^[0-9a-z]{12}$/;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
export const shell = (command, more = {}) => ({ name: 'shell', args: { command, ...more } });

// An ordinary user may be unable to look into this checkout, so the program is copied to where anybody can.
let program = null;
export function mishri() {
	if (program === null) {
		const place = fs.mkdtempSync(path.join(os.tmpdir(), 'mishri-program-'));
		fs.chmodSync(place, 0o755);
		program = path.join(place, 'mishri');
		fs.copyFileSync(BUILT, program);
		fs.chmodSync(program, 0o755);
		process.on('exit', () => fs.rmSync(place, { recursive: true, force: true }));
	}
	return program;
}

export const POLICY = `version: 1
name: e2e
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: own-programs, allow: exec, program: { from: workspace } }
  - id: no-deleting
    deny: exec
    program: [rm, shred, unlink]
    reason: "use trash instead"
`;

// ---- processes ----

class Running {
	constructor(child, options) {
		this.child = child;
		this.out = '';
		this.err = '';
		this.begun = Date.now();
		this.listeners = new Set();
		child.stdout.setEncoding('utf8').on('data', (text) => this.#heard('out', text));
		child.stderr.setEncoding('utf8').on('data', (text) => this.#heard('err', text));
		child.stdin.on('error', () => {});
		if (options.input !== undefined)
			child.stdin.end(options.input);
		else if (!options.keep_stdin)
			child.stdin.end();
		this.timer = setTimeout(() => {
			this.timed_out = true;
			child.kill('SIGKILL');
		}, options.timeout_ms ?? 60000);
		this.done = new Promise((done, failed) => {
			child.on('error', failed);
			child.on('close', (code, signal) => {
				clearTimeout(this.timer);
				this.code = code;
				this.signal = signal;
				this.ms = Date.now() - this.begun;
				this.ended = true;
				for (const wake of this.listeners)
					wake();
				if (this.timed_out)
					failed(new Error(`it did not end in time\n${this.out}\n${this.err}`));
				else
					done(this);
			});
		});
		this.done.catch(() => {});
	}
	#heard(which, text) {
		this[which] += text;
		for (const wake of this.listeners)
			wake();
	}
	get pid() {
		return this.child.pid;
	}
	kill(signal) {
		this.child.kill(signal);
	}
	// Until what it has printed matches; an error when it ends before.
	async until(pattern, which = 'err', timeout_ms = 20000) {
		const end = Date.now() + timeout_ms;
		while (!pattern.test(this[which])) {
			if (this.ended || Date.now() > end)
				throw new Error(`${pattern} never came\n-- stdout\n${this.out}\n-- stderr\n${this.err}`);
			await new Promise((done) => {
				const wake = () => {
					clearTimeout(timer);
					this.listeners.delete(wake);
					done();
				};
				const timer = setTimeout(wake, 200);
				this.listeners.add(wake);
			});
		}
	}
	say(line) {
		this.child.stdin.write(line);
	}
}

function command(words, options) {
	return options.as_nobody && AM_ROOT
		? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--', ...words] : words;
}

// ---- what /proc knows ----

const readProc = (pid, name) => {
	try {
		return fs.readFileSync(`/proc/${pid}/${name}`, 'latin1');
	} catch {
		return '';
	}
};
const readLink = (pid, name) => {
	try {
		return fs.readlinkSync(`/proc/${pid}/${name}`);
	} catch {
		return '';
	}
};

// { pid, ppid, started, state } of every process; the start time tells a reused number.
export function processes() {
	const all = [];
	for (const name of fs.readdirSync('/proc')) {
		if (!/^[0-9]+$/.test(name))
			continue;
		const stat = readProc(name, 'stat');
		const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
		if (stat !== '')
			all.push({ pid: Number(name), ppid: Number(fields[1]), state: fields[0], started: fields[19],
				name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')) });
	}
	return all;
}

export function descendants(pid) {
	const all = processes();
	const found = [];
	for (let front = [pid]; front.length > 0;) {
		const next = all.filter((p) => front.includes(p.ppid));
		found.push(...next);
		front = next.map((p) => p.pid);
	}
	return found;
}

const alive = (p) => {
	const stat = readProc(p.pid, 'stat');
	const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
	return stat !== '' && fields[19] === p.started && fields[0] !== 'Z';
};

// Waits until every one of these is gone.
export async function gone(list, timeout_ms = 5000) {
	const end = Date.now() + timeout_ms;
	while (list.some(alive)) {
		if (Date.now() > end) {
			const left = list.filter(alive).map((p) => `${p.pid} (${p.name}) ${readProc(p.pid, 'cmdline').replaceAll('\0', ' ')}`);
			assert.fail(`processes are left: ${left.join('; ')}`);
		}
		await sleep(20);
	}
}

// Processes that have to do with a directory: by their arguments, environment, working directory, or mounts of their own. What is
// mounted where the tests run is every process's, and says nothing about any.
export function processesOf(dir) {
	const here = readLink('self', 'ns/mnt');
	return processes().filter((p) => p.pid !== process.pid && p.state !== 'Z' && (readProc(p.pid, 'cmdline').includes(dir) ||
		readProc(p.pid, 'environ').includes(dir) || readLink(p.pid, 'cwd').startsWith(dir) ||
		(readLink(p.pid, 'ns/mnt') !== here && readProc(p.pid, 'mountinfo').includes(dir))));
}

export const mountsOf = (dir) => readProc('self', 'mountinfo').split('\n').filter((line) => line.includes(dir));

// ---- a world ----

export class World {
	constructor(options) {
		this.as_nobody = options.as_nobody ?? false;
		this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mishri-e2e-'));
		this.ws = path.join(this.dir, 'ws');
		this.data = path.join(this.dir, 'data');
		this.home = path.join(this.dir, 'home');
		this.policy = path.join(this.dir, 'policy.yaml');
		this.enter = [];       // words before each program of ours: nsenter, into mounts that only this test has
		fs.mkdirSync(this.ws);
		fs.mkdirSync(this.home);
		for (const [name, text] of Object.entries(options.files ?? {})) {
			fs.mkdirSync(path.dirname(path.join(this.ws, name)), { recursive: true });
			fs.writeFileSync(path.join(this.ws, name), text);
		}
		fs.writeFileSync(this.policy, options.policy ?? POLICY);
		if (this.as_nobody && AM_ROOT)
			spawnSync('chown', ['-R', `${NOBODY}:${NOBODY}`, this.dir]);
		fs.chmodSync(this.dir, 0o755);
	}
	env(more = {}) {
		return { PATH: process.env.PATH, HOME: this.home, LANG: 'C.UTF-8', ...more };
	}
	start(args, options = {}) {
		const [file, ...words] = command([...this.enter, options.program ?? mishri(), ...args], { as_nobody: this.as_nobody, ...options });
		return new Running(spawn(file, words, { cwd: options.cwd ?? this.ws, env: this.env(options.env) }), options);
	}
	mishri(args, options) {
		return this.start(args, options).done;
	}
	// With a terminal, as script(1) makes one: what is typed goes to stdin, stdout and stderr both come by `out`.
	startInTerminal(args, options = {}) {
		const quoted = [mishri(), ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
		const words = command(['script', '-qefc', quoted, '/dev/null'], { as_nobody: this.as_nobody, ...options });
		const child = spawn(words[0], words.slice(1), { cwd: this.ws, env: this.env({ TERM: 'xterm', SHELL: '/bin/sh', ...options.env }) });
		return new Running(child, { keep_stdin: true, ...options });
	}
	places() {
		return ['--data', this.data, '--no-user-config'];
	}
	// One agent, unless a test says otherwise.
	runArgs(goal, ...more) {
		return this.teamArgs(goal, ...(more.includes('--plan') ? [] : ['--plan', 'never']), ...more);
	}
	// A master leads, unless --plan says otherwise.
	teamArgs(goal, ...more) {
		return ['run', ...this.places(), '-w', this.ws, '-p', this.policy, ...more, ...(goal === null ? [] : ['--', goal])];
	}
	resumeArgs(task, ...more) {
		return ['run', ...this.places(), '--resume', task, ...more];
	}
	// A run against a mock model.
	run(model, goal, options = {}) {
		return this.startRun(model, goal, options).done;
	}
	startRun(model, goal, { args = [], env = {}, ...options } = {}) {
		return this.start(this.runArgs(goal, '-m', 'openai/mock', ...args), { env: { ...model.env, ...env }, ...options });
	}
	resume(model, task, { args = [], env = {}, ...options } = {}) {
		return this.start(this.resumeArgs(task, ...args), { env: { ...model.env, ...env }, ...options });
	}
	read(name) {
		return fs.readFileSync(path.join(this.ws, name), 'utf8');
	}
	has(name) {
		return fs.existsSync(path.join(this.ws, name));
	}
	write(name, text) {
		fs.writeFileSync(path.join(this.ws, name), text);
	}
	// Read by another program than ours.
	sql(query) {
		const [file, ...words] = [...this.enter, 'sqlite3', '-cmd', '.timeout 10000', '-json', path.join(this.data, 'mishri.db'), query];
		const done = spawnSync(file, words, { encoding: 'utf8', maxBuffer: 1 << 28 });
		assert.equal(done.status, 0, done.stderr);
		return done.stdout.trim() === '' ? [] : JSON.parse(done.stdout);
	}
	// Its tables are there: it may be killed before that.
	hasStore() {
		const file = path.join(this.data, 'mishri.db');
		return fs.existsSync(file) && this.sql("select name from sqlite_master where name = 'events'").length > 0;
	}
	events(type) {
		const where = type === undefined ? '' : ` where type = '${type}'`;
		return this.sql(`select seq, type, task, data, prev, hash from events${where} order by seq`)
			.map((row) => ({ text: row.data, ...JSON.parse(row.data), seq: row.seq, task: row.task, prev: row.prev, hash: row.hash }));
	}
	task() {
		const rows = this.events('task.created');
		assert.equal(rows.length, 1);
		return rows[0].task;
	}
	end() {
		return this.events('task.finished').at(-1)?.data;
	}
	// What nobody does by accident: events can only be changed after taking their guard away.
	forge(change) {
		const guards = this.sql("select name from sqlite_master where type = 'trigger'").map((row) => `drop trigger ${row.name};`);
		this.sql(guards.join('') + change);
	}
	// The chain as store/README.md describes it, computed anew with another library.
	checkChain() {
		const heads = new Map();
		const rows = this.events();
		rows.forEach((row, i) => {
			assert.equal(row.seq, i + 1, 'no gap');
			const prev = heads.get(row.task) ?? '0'.repeat(64);
			assert.equal(row.prev, prev, `event ${row.seq} follows the one before`);
			assert.equal(row.hash, createHash('sha256').update(prev).update(row.text).digest('hex'), `hash of event ${row.seq}`);
			heads.set(row.task, row.hash);
		});
		return rows.length;
	}
	// Nothing of it is left in the system.
	async leftNothing() {
		const end = Date.now() + 5000;
		for (let left; (left = processesOf(this.dir)).length > 0; await sleep(20))
			assert.ok(Date.now() < end, `left running: ${left.map((p) => `${p.pid} ${p.name} ${readProc(p.pid, 'cmdline').replaceAll('\0', ' ')}`).join('; ')}`);
		assert.deepEqual(mountsOf(this.dir), []);
	}
	remove() {
		for (const p of processesOf(this.dir))
			process.kill(p.pid, 'SIGKILL');
		fs.rmSync(this.dir, { recursive: true, force: true });
	}
}

export function world(t, options = {}) {
	const w = new World(options);
	t.after(() => w.remove());
	return w;
}

// As root, whose cells map to another user, and as an ordinary user: the same must hold.
export const USERS = AM_ROOT ? [{ name: 'root', as_nobody: false }, { name: 'nobody', as_nobody: true }]
	: [{ name: 'this user', as_nobody: false }];

// ---- what the contract promises ----

export const RESULT_KEYS = ['calls', 'cost', 'denied', 'elapsed_ms', 'exit', 'own_cost', 'result', 'session', 'state', 'task', 'turns'];
export const COST_KEYS = ['cache_read', 'cache_write', 'cache_write_1h', 'input', 'output', 'reasoning', 'usd_nanos'];

export function checkResult(object, want = {}) {
	const { type, ...fields } = object;
	assert.ok(type === undefined || type === 'result');
	assert.deepEqual(Object.keys(fields).sort(), RESULT_KEYS);
	for (const cost of [object.cost, object.own_cost])
		assert.deepEqual(Object.keys(cost).sort(), COST_KEYS);
	for (const [key, value] of Object.entries(want))
		assert.deepEqual(object[key], value, `${key} of ${JSON.stringify(object)}`);
	return object;
}

// The exit code of a run that ended; what it said when it is another.
export function exited(run, code) {
	assert.equal(run.code ?? run.signal, code, `exit code\n-- stdout\n${run.out.slice(-2000)}\n-- stderr\n${run.err.slice(-2000)}`);
}

export const lines = (text) => text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));

// stream-json: events, and at the end exactly one result.
export function checkStream(text, want = {}) {
	const all = lines(text);
	const results = all.filter((line) => line.type === 'result');
	assert.equal(results.length, 1, `one result in ${text}`);
	assert.equal(all.at(-1).type, 'result', 'the result comes last');
	checkResult(results[0], want);
	return all.slice(0, -1).filter((line) => line.type !== 'totals');
}

// What the model was told about its calls, in the last request.
export const toldModel = (model) => model.requests.at(-1).body.messages.filter((m) => m.role === 'tool').map((m) => m.content);
