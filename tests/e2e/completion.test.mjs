// completion.test.mjs - completion in the real shells, typed at a terminal; and what is offered, by the program itself.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { mishri, sleep, world } from './lib.mjs';

const has = (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;

// What is offered for a line, its last word as far as it is typed.
function offered(w, words, more = []) {
	const r = spawnSync(mishri(), ['completion', '--for', '--', ...words, ...more], { encoding: 'utf8', cwd: w.ws, env: w.env() });
	assert.equal(r.status, 0);
	assert.equal(r.stderr, '');
	return r.stdout.split('\n').filter((line) => line !== '').map((line) => line.split('\t')[0]);
}

test('what is offered, row by row', (t) => {
	const w = world(t);
	const rows = [
		[['ru'], ['run']],
		[['poli'], ['policy']],
		[['policy', 'che'], ['check']],
		[['help', 'policy', 'lin'], ['lint']],
		[['run', '--pl'], ['--plan']],
		[['run', '--plan', ''], ['auto', 'always', 'never']],
		[['run', '--plan=a'], ['--plan=auto', '--plan=always']],
		[['run', '-c', 'plan=n'], ['plan=never']],
		[['run', '-a', 'mas'], ['master']],
		[['run', '-w', ''], [':directories']],
		[['import', ''], [':files']],
		[['exec', '--', ''], [':files']],
		[['exec', 'ls', '--pl'], [':files']],
		[['tools', 'show', 'write'], ['write_file']],
		[['policy', 'check', '--tool', 'write'], ['write_file']],
		[['policy', 'show', 'read'], ['readonly']],
		[['trace', '--format', 'd'], ['dot']],
		[['metrics', '--format', ''], ['prometheus', 'openmetrics']],
		[['events', '--type', 'call.pro'], ['call.proposed']],
		[['completion', ''], ['bash', 'zsh', 'fish']],
		[['show', 'x', 'y', ''], []],
		[['nonsense', ''], []],
		[[], 'all'],
	];
	for (const [words, want] of rows) {
		const got = offered(w, words);
		if (want === 'all')
			assert.ok(got.includes('run') && got.includes('policy') && !got.includes('policy check'));
		else
			assert.deepEqual(got, want, words.join(' '));
	}
	assert.ok(!offered(w, ['run', '--plan', 'auto', '--']).includes('--plan'), 'an option that is given is not offered again');
	assert.ok(offered(w, ['run', '-c', 'plan=auto', '--']).includes('--config'), 'but one that may be repeated is');
});

test('ids of what there is; and nothing that a shell could take for more than a word', async (t) => {
	const w = world(t);
	const recorded = path.join(w.dir, 'replies.jsonl'), odd = path.join(w.dir, 'a$(touch x).jsonl');
	for (const file of [odd, recorded]) {
		fs.writeFileSync(file, '{"agent":"*","text":"done"}\n');
		const r = spawnSync(mishri(), ['run', '--plan', 'never', '--data', w.data, '-m', `recorded/${file}`, '-p', w.policy, '-w', w.ws,
			'\u001b[31mred $(touch y)'], { encoding: 'utf8', env: w.env() });
		assert.equal(r.status, 0, r.stderr);
	}
	const task = JSON.parse(spawnSync(mishri(), ['history', '--json', '--data', w.data], { encoding: 'utf8', env: w.env() }).stdout)[0].task;
	assert.deepEqual(offered(w, ['show', '--data', w.data, task.slice(0, 3)]), [task]);
	assert.deepEqual(offered(w, ['cancel', '--data', w.data, task.slice(0, 3)]), [], 'what has ended cannot be cancelled');
	assert.deepEqual(offered(w, ['run', '--data', w.data, '-m', 'recorded/']), [`recorded/${recorded}`, 'recorded/'],
		'a name with a $ is not offered');
	assert.equal(offered(w, ['run', '--data', w.data, '--session', '']).length, 2);
	const raw = spawnSync(mishri(), ['completion', '--for', '--', 'show', '--data', w.data, ''], { encoding: 'utf8', env: w.env() }).stdout;
	assert.ok(!raw.includes('\u001b'), 'a goal cannot act on the terminal');
});

// Types into an interactive shell; what it printed until `done` turned up.
async function typed(t, w, shell, setup, keys, done) {
	const bin = path.dirname(mishri());
	const child = spawn('script', ['-qec', shell, '/dev/null'], {
		cwd: w.ws, env: { ...w.env(), PATH: `${bin}:${process.env.PATH}`, TERM: 'dumb', PS1: 'ready> ', HOME: w.home, COLUMNS: '200' } });
	t.after(() => child.kill('SIGKILL'));
	let out = '';
	child.stdout.setEncoding('utf8').on('data', (text) => { out += text; });
	const until = async (pattern) => {
		for (let i = 0; i < 400 && !pattern.test(out); i++)
			await sleep(50);
		assert.match(out, pattern);
	};
	child.stdin.write(setup + "\necho begun-$((40+2))\n");
	await until(/begun-42/);
	out = '';
	child.stdin.write(keys);
	await until(done);
	child.stdin.end();
	child.kill('SIGKILL');
	return out;
}

// ^A puts "echo" before the completed line; what it prints is what a person would have run.
const ECHO = '\x01echo got: \n';
const SHELLS = [
	['bash', 'bash --norc --noprofile -i', "bind 'set enable-bracketed-paste off'; bind 'set show-all-if-ambiguous on'; source <(mishri completion bash)"],
	['zsh', 'zsh -f -i', "unsetopt zle_bracketed_paste; bindkey -e; autoload -U compinit; compinit -u -D; source <(mishri completion zsh)"],
];
for (const [name, start, setup] of SHELLS) {
	test(`${name}: a command, an option, its value, a file`, { skip: has(name) ? false : `there is no ${name} here` }, async (t) => {
		const w = world(t);
		fs.writeFileSync(path.join(w.ws, 'onlyfile.yaml'), 'version: 1\n');
		fs.mkdirSync(path.join(w.ws, 'onlydir'));
		for (const [keys, want] of [
			['mishri hist\t', 'mishri history'],
			['mishri policy expl\t', 'mishri policy explain'],
			['mishri run --isol\tredu\t', 'mishri run --isolation reduced'],
			['mishri run --plan=ne\t', 'mishri run --plan=never'],
			['mishri run -c plan=ne\t', 'mishri run -c plan=never'],
			['mishri run -p builtin:read\t', 'mishri run -p builtin:readonly'],
			['mishri policy lint onlyf\t', 'mishri policy lint onlyfile.yaml'],
			['mishri run -w onlyd\t', 'mishri run -w onlydir/?'],
		])
			await typed(t, w, start, setup, keys + ECHO, new RegExp(`^got: ${want.replace(/[.]/g, '\\.')} *\r?$`, 'm'));
		const list = await typed(t, w, start, setup, 'mishri run --plan \t\t', /never/);
		assert.match(list, /auto/);
		assert.match(list, /always/);
	});
}

test('fish: a command, an option, its value, a file', { skip: has('fish') ? false : 'there is no fish here' }, (t) => {
	const w = world(t);
	fs.writeFileSync(path.join(w.ws, 'onlyfile.yaml'), 'version: 1\n');
	const ask = (line) => spawnSync('fish', ['--no-config', '-c', `mishri completion fish | source; complete -C '${line}'`], {
		encoding: 'utf8', cwd: w.ws, env: { ...w.env(), PATH: `${path.dirname(mishri())}:${process.env.PATH}`, HOME: w.home } })
		.stdout.split('\n').filter((l) => l !== '').map((l) => l.split('\t')[0]);
	for (const [line, want] of [
		['mishri hist', ['history']],
		['mishri policy expl', ['explain']],
		['mishri run --isol', ['--isolation']],
		['mishri run --isolation redu', ['reduced']],
		['mishri run --plan=ne', ['--plan=never']],
		['mishri run --plan ', ['always', 'auto', 'never']],
		['mishri policy lint onlyf', ['onlyfile.yaml']],
	])
		assert.deepEqual(ask(line).sort(), want, line);
});
