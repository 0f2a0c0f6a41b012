// `mishri init`: three questions or flags, two files that Mishri reads, and nothing overwritten unasked.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { exited, mishri, world } from './lib.mjs';

function home(t) {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mishri-init-'));
	t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
	const place = path.join(dir, 'mishri');
	const start = (program, words, env) => new Promise((done) => {
		const child = spawn(program, words, { env: { PATH: process.env.PATH, HOME: dir, XDG_CONFIG_HOME: dir, OLLAMA_HOST: '127.0.0.1:9', ...env } });
		const result = { out: '', err: '' };
		child.stdout.on('data', (text) => { result.out += text; });
		child.stderr.on('data', (text) => { result.err += text; });
		child.stdin.end();
		child.on('close', (code) => done({ ...result, code }));
	});
	return { dir, place, init: (words, env = {}) => start(mishri(), ['init', ...words], env), start,
		read: (name) => fs.readFileSync(path.join(place, name), 'utf8') };
}

test('the files are read afterwards: model, policy, budget', async (t) => {
	const h = home(t);
	const made = await h.init(['--yes', '--policy', 'readonly', '--budget', '2.50'], { OPENAI_API_KEY: 'k' });
	assert.equal(made.code, 0, made.err);
	assert.match(made.out, /^Next, in the directory of a project:\n +mishri run/);
	assert.match(h.read('config.yaml'), /^model: openai\/gpt-5$/m);
	assert.equal(fs.statSync(path.join(h.place, 'config.yaml')).mode & 0o777, 0o600);
	const config = await h.start(mishri(), ['config', '--json'], {});
	assert.match(config.out, /openai\/gpt-5/);
	const policy = await h.start(mishri(), ['policy', 'show', '-w', h.dir], {});
	assert.match(policy.out, /look-at-the-workspace/);
	assert.match(policy.out, /daily-money.*\$2\.50/);
	const lint = await h.start(mishri(), ['policy', 'lint', path.join(h.place, 'policy.yaml')], {});
	assert.equal(lint.code, 0, lint.err);
});

test('a local server is found, and asked which models it has', async (t) => {
	const h = home(t);
	const server = http.createServer((request, response) => {
		response.setHeader('content-type', 'application/json');
		response.end(JSON.stringify(request.url === '/v1/models' ? { data: [{ id: 'qwen3' }, { id: 'other' }] } : {}));
	});
	await new Promise((up) => server.listen(0, '127.0.0.1', up));
	t.after(() => server.close());
	const made = await h.init(['--yes'], { OLLAMA_HOST: `127.0.0.1:${server.address().port}` });
	assert.equal(made.code, 0, made.err);
	assert.match(h.read('config.yaml'), /^model: ollama\/qwen3$/m);
});

test('nothing is found: the files say what to set', async (t) => {
	const h = home(t);
	const made = await h.init(['--yes']);
	assert.equal(made.code, 0, made.err);
	assert.match(made.out, /OPENAI_API_KEY.*mishri init --force/s);
	assert.match(h.read('config.yaml'), /^# model:/m);
});

test('what is there stays, and with --force it is kept', async (t) => {
	const h = home(t);
	await h.init(['--yes', '--model', 'ollama/a']);
	fs.appendFileSync(path.join(h.place, 'policy.yaml'), '# mine\n');
	const before = h.read('policy.yaml');
	const again = await h.init(['--yes', '--model', 'ollama/b']);
	assert.equal(again.code, 1);
	assert.match(again.err, /is there already: edit it, or give --force/);
	assert.equal(h.read('policy.yaml'), before);
	const forced = await h.init(['--yes', '--force', '--model', 'ollama/b']);
	assert.equal(forced.code, 0, forced.err);
	assert.equal(h.read('policy.yaml.old'), before);
	assert.match(h.read('config.yaml'), /ollama\/b/);
});

test('a wrong answer is asked again, and loses none of those before', async (t) => {
	const w = world(t);
	const run = w.startInTerminal(['init'], { env: { OLLAMA_HOST: '127.0.0.1:9' } });
	for (const [question, answer] of [
		[/model \[\]: $/, 'gpt'], [/write PROVIDER\/MODEL[^]*model \[\]: $/, 'ollama/qwen3'],
		[/\[workspace\]: $/, '9'], [/no ready-made policy '9'[^]*\[workspace\]: $/, 'readonly'],
		[/dollars \[no bound\]: $/, 'lots'], [/not 'lots'[^]*dollars \[no bound\]: $/, ''],
	]) {
		await run.until(question, 'out');
		run.say(`${answer}\n`);
	}
	exited(await run.done, 0);
	const place = path.join(w.home, '.config/mishri');
	assert.match(fs.readFileSync(path.join(place, 'config.yaml'), 'utf8'), /^model: ollama\/qwen3$/m);
	assert.match(fs.readFileSync(path.join(place, 'policy.yaml'), 'utf8'), /look-at-the-workspace/);
});

describe('wrong input writes nothing', () => {
	const rows = [
		{ words: [], code: 2, says: /nobody is at a terminal.*--yes, or --model, --policy and --budget/ },
		{ words: ['--yes', '--policy', 'lockeddown'], code: 2, says: /did you mean 'locked-down'/ },
		{ words: ['--yes', '--model', 'gpt'], code: 2, says: /write PROVIDER\/MODEL/ },
		{ words: ['--yes', '--model', 'opnai/gpt'], code: 2, says: /did you mean 'openai'/ },
		{ words: ['--yes', '--budget', '5x'], code: 2, says: /such as 5 or 2\.50/ },
		{ words: ['--yes', '--model', 'openai/no-such-model', '--budget', '5'], env: { OPENAI_API_KEY: 'k' }, code: 3, says: /price.*nothing was written/s },
	];
	for (const row of rows) {
		test(row.words.join(' ') || 'no terminal', async (t) => {
			const h = home(t);
			const made = await h.init(row.words, row.env);
			assert.equal(made.code, row.code, made.err);
			assert.match(made.err, row.says);
			assert.ok(!fs.existsSync(h.place));
		});
	}
});
