// serve-lib.mjs - a service of a test's own, and how to talk to it: well, and badly.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';

import { sleep } from './lib.mjs';

export class Service {
	constructor(w, process) {
		this.w = w;
		this.process = process;
		this.socket = path.join(w.data, 'serve.sock');
	}
	get port() {
		return Number(/port (\d+)/.exec(this.process.out)?.[1]);
	}
	// { status, headers, body, text }; over TCP where there is a token or `tcp`.
	ask(method, target, { body, token, headers = {}, tcp = token !== undefined } = {}) {
		const text = body === undefined ? undefined : JSON.stringify(body);
		const options = {
			method, path: target, agent: false, ...(tcp ? { host: '127.0.0.1', port: this.port } : { socketPath: this.socket }),
			headers: { ...(tcp ? {} : { Host: 'mishri' }), ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
				...(text === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }), ...headers },
		};
		return new Promise((done, failed) => {
			const request = http.request(options, (answer) => {
				let all = '';
				answer.setEncoding('utf8').on('data', (part) => { all += part; }).on('end', () => {
					let parsed;
					try {
						parsed = JSON.parse(all);
					} catch {}
					done({ status: answer.statusCode, headers: answer.headers, body: parsed, text: all });
				});
			});
			request.on('error', failed);
			request.end(text);
		});
	}
	get(target, options) {
		return this.ask('GET', target, options);
	}
	post(target, body, options) {
		return this.ask('POST', target, { body, ...options });
	}
	// Bytes as they are; all that comes back until the other side closes, or the time is over.
	raw(bytes, timeout_ms = 3000) {
		return new Promise((done) => {
			const socket = net.connect(this.port, '127.0.0.1');
			let all = '';
			const timer = setTimeout(() => socket.destroy(), timeout_ms);
			socket.setEncoding('latin1').on('data', (part) => { all += part; }).on('error', () => {});
			socket.on('close', () => {
				clearTimeout(timer);
				done(all);
			});
			socket.on('connect', () => socket.write(bytes));
		});
	}
	async until(task, wanted, options) {
		for (let i = 0; i < 600; i++) {
			const { body } = await this.get(`/v1/tasks/${task}`, options);
			if (wanted(body))
				return body;
			await sleep(50);
		}
		assert.fail(`task ${task} never came so far`);
	}
	ended(task, options) {
		return this.until(task, (t) => t.ended !== null && t.ended !== undefined, options);
	}
	async end() {
		this.process.kill('SIGTERM');
		return this.process.done;
	}
}

export async function serve(t, w, { args = [], env = {}, ready = true } = {}) {
	const process = w.start(['serve', ...w.places(), '-p', w.policy, '--listen', '127.0.0.1:0', '-c', `serve.workspaces=${w.ws}`, ...args],
		{ env, timeout_ms: 120000 });
	t.after(() => process.ended || process.kill('SIGKILL'));
	if (ready)
		await process.until(/port \d+/, 'out');
	return new Service(w, process);
}

export async function token(w, name, ...more) {
	const made = await w.mishri(['token', 'add', ...w.places(), '--json', name, ...more]);
	assert.equal(made.code, 0, made.err);
	return JSON.parse(made.out).token;
}
