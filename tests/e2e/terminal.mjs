// terminal.mjs - a terminal that a test types into and looks at: tmux, with real keys and a real screen.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';

import { mishri, sleep, world } from './lib.mjs';

export const chatArgs = (w, ...more) => ['chat', ...w.places(), '-w', w.ws, '-p', w.policy, '--plan', 'never', '-m', 'openai/mock', ...more];

// A terminal of its own for each test: a tmux server that nobody else talks to.
export class Terminal {
	constructor(t, w, args, { width = 80, height = 24, env = {}, model, inShell = false } = {}) {
		this.world = w;
		this.socket = path.join(w.dir, `tmux-${Math.random().toString(36).slice(2)}`);
		const words = ['env', '-i', ...Object.entries({ ...w.env(), ...model?.env, TERM: 'screen-256color', ...env }).map(([k, v]) => `${k}=${v}`),
			mishri(), ...args];
		const line = words.map((word) => `'${String(word).replaceAll("'", "'\\''")}'`).join(' ');
		const start = inShell ? "PS1='$ ' sh -i" : `${line}; echo "left with $?"; sleep 600`;
		this.tmux('-f', '/dev/null', 'new-session', '-d', '-x', width, '-y', height, start);
		if (inShell)
			this.say(line);
		t.after(() => this.tmux('kill-server'));
	}
	tmux(...words) {
		return spawnSync('tmux', ['-u', '-S', this.socket, ...words.map(String)],
			{ encoding: 'utf8', env: { PATH: process.env.PATH, LANG: 'C.UTF-8', SHELL: '/bin/sh', HOME: '/' } });
	}
	keys(...names) {
		this.tmux('send-keys', ...names);
	}
	type(text) {
		this.tmux('send-keys', '-l', '--', text);
	}
	say(text) {
		this.type(text);
		this.keys('Enter');
	}
	paste(text) {
		const done = spawnSync('tmux', ['-u', '-S', this.socket, 'load-buffer', '-'], { input: text, encoding: 'utf8' });
		assert.equal(done.status, 0, done.stderr);
		this.tmux('paste-buffer', '-p');
	}
	screen() {
		return this.tmux('capture-pane', '-p').stdout;
	}
	all() {
		return this.tmux('capture-pane', '-p', '-J', '-S', '-').stdout;
	}
	coloured() {
		return this.tmux('capture-pane', '-p', '-e', '-S', '-').stdout;
	}
	async until(pattern, see = () => this.all()) {
		const end = Date.now() + 20000;
		for (let seen; !pattern.test(seen = see()); await sleep(50))
			assert.ok(Date.now() < end, `${pattern} never came\n${seen.trimEnd()}`);
	}
	async gone(pattern) {
		const end = Date.now() + 20000;
		for (let seen; pattern.test(seen = this.screen()); await sleep(50))
			assert.ok(Date.now() < end, `${pattern} stays\n${seen}`);
	}
	async leave() {
		this.keys('C-d');
		await this.until(/left with 0/);
		await this.close();
	}
	async close() {
		this.tmux('kill-server');
		await this.world.leftNothing();
	}
}

// A chat that is ready for its first message.
export async function openChat(t, model, options = {}, ...args) {
	const w = world(t, options);
	const term = new Terminal(t, w, chatArgs(w, ...args), { ...options, model });
	await term.until(/ready/);
	return { w, term };
}
