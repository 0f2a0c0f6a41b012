// hostile-model.test.mjs - a model server that means harm: what never ends, what is too large, what is no reply. The run ends by itself,
// small in memory and on the disk, and the server had been willing to go on.
import assert from 'node:assert/strict';
import http from 'node:http';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import zlib from 'node:zlib';
import { exited, mishri, world } from './lib.mjs';

const event = (o) => `data: ${JSON.stringify(o)}\n\n`;
const delta = (d, more = {}) => event({ choices: [{ index: 0, delta: d, ...more }] });
const call = (index, args, more = { id: `c${index}`, type: 'function' }) => delta({ tool_calls: [{ index, ...more, function: { ...(more.id ? { name: 'shell' } : {}), arguments: args } }] });
const END = `${delta({}, { finish_reason: 'tool_calls' })}data: [DONE]\n\n`;
const STOP = `${delta({ content: 'done' })}${delta({}, { finish_reason: 'stop' })}data: [DONE]\n\n`;
const LONG = 'x'.repeat(60000);

// [what, the first reply: { head, again: sent for ever } or { body }, exit, what is said]
const rows = [
	['text without end', { again: delta({ content: LONG }) }, 5, /longer than a reply may be/],
	['a line without end', { head: 'data: ', again: LONG }, 5, /longer than it may be/],
	['comments without end', { again: ': here\n\n'.repeat(8000) }, 5, /longer than a reply may be/],
	['empty pieces without end', { again: delta({}).repeat(1000) }, 5, /longer than a reply may be/],
	['arguments without end', { head: call(0, '{"command":"'), again: call(0, LONG, {}) }, 5, /arguments of a call are longer/],
	['thoughts without end', { again: delta({ reasoning_content: LONG }) }, 5, /longer than a reply may be/],
	['an error without end', { status: 400, again: LONG }, 1, /answered 400/],
	['ten thousand calls', { body: Array.from({ length: 10000 }, (_, i) => call(i, '{"command":"true"}')).join('') + END }, [0, 5, 8, 10]],
	['JSON three million deep', { body: `data: ${'['.repeat(3000000)}\n\n` }, 5, /nested deeper/],
	['arguments two hundred thousand deep', { body: call(0, `{"command":${'['.repeat(200000)}`) + END }, [0, 5, 10]],
	['half a gigabyte in half a megabyte', { gzip: true }, 5, /longer than|cannot be read|holds no answer/],
	['the way to a file', { status: 302, headers: { location: 'file:///etc/passwd' }, body: '' }, 1, /redirect to file:\/\/\/etc\/passwd, which is not followed/],
	['a bill that pays back', { body: `${delta({ content: 'hi' })}${delta({}, { finish_reason: 'stop' })}${event({ choices: [],
		usage: { prompt_tokens: -1000000000, completion_tokens: -5, cost: -100 } })}data: [DONE]\n\n` }, 0],
];

describe('a model server that means harm', () => {
	const bomb = zlib.gzipSync(Buffer.alloc(512 << 20), { level: 9 });
	for (const [name, first, code, says] of rows)
		test(name, async (t) => {
			let requests = 0, cut = false;
			const server = http.createServer((request, response) => {
				request.resume();
				response.on('error', () => {}).on('close', () => { cut ||= !response.writableFinished; });
				const headers = { 'Content-Type': first.status === 400 ? 'application/json' : 'text/event-stream', ...first.headers };
				if (requests++ > 0)
					return response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end(STOP);
				response.writeHead(first.status ?? 200, first.gzip ? { ...headers, 'Content-Encoding': 'gzip' } : headers);
				if (first.again === undefined)
					return response.end(first.gzip ? bomb : first.body);
				response.write(first.head ?? '');
				const more = () => { while (response.write(first.again)); };
				response.on('drain', more);
				more();
			});
			await new Promise((done) => server.listen(0, '127.0.0.1', done));
			t.after(() => { server.closeAllConnections(); server.close(); });
			const w = world(t), measured = path.join(w.dir, 'peak');
			const run = await w.mishri(w.runArgs('hello', '-m', 'openai/mock', '-c', 'retry.attempts=1'), {
				program: peaked(w, measured), env: { OPENAI_API_KEY: 'sk-x', OPENAI_BASE_URL: `http://127.0.0.1:${server.address().port}/v1` } });
			if (Array.isArray(code))
				assert.ok(code.includes(run.code), `exit ${run.code}\n${run.err.slice(-1000)}`);
			else
				exited(run, code);
			if (says !== undefined)
				assert.match(run.err, says);
			if (first.again !== undefined)
				assert.ok(cut, 'the server would have gone on');
			const peak = Number(fs.readFileSync(measured, 'utf8'));
			assert.ok(peak > 1000 && peak < 128 << 10, `${peak} KiB of memory`);
			assert.ok(fs.statSync(path.join(w.data, 'mishri.db')).size < 16 << 20);
			for (const e of w.events('model.replied'))
				for (const count of Object.values(e.data.usage).filter((n) => n !== null))
					assert.ok(count >= 0, JSON.stringify(e.data.usage));
		});
});

// The program, started by one that writes down the most memory that it had.
function peaked(w, file) {
	const wrapper = path.join(w.dir, 'peaked');
	fs.writeFileSync(wrapper, `#!/usr/bin/python3
import os, resource, subprocess, sys
code = subprocess.call([${JSON.stringify(mishri())}] + sys.argv[1:])
open(${JSON.stringify(file)}, "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
`, { mode: 0o755 });
	return wrapper;
}
