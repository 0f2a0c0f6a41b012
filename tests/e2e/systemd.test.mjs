// systemd.test.mjs - the unit that is installed: what systemd says of it, and its very command line with a service manager that listens.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { AM_ROOT, mishri, ROOT, sleep, world } from './lib.mjs';

const UNIT = path.join(ROOT, 'data/systemd/mishri.service');
const EXPOSURE = 50;   // tenths; what keeps it from less is what cells are made with, see the unit's comments
const absent = spawnSync('systemd-analyze', ['--version']).status !== 0 && 'there is no systemd-analyze here';

test('systemd finds nothing wrong with it, and it is not more exposed than it was', { skip: absent }, () => {
	const verified = spawnSync('systemd-analyze', ['verify', UNIT], { encoding: 'utf8' });
	assert.equal(verified.status, 0, verified.stderr);
	assert.doesNotMatch(verified.stderr, /mishri\.service/);
	const security = spawnSync('systemd-analyze', ['security', '--offline=true', `--threshold=${EXPOSURE}`, UNIT], { encoding: 'utf8' });
	assert.equal(security.status, 0, security.stdout.split('\n').slice(-3).join('\n') + security.stderr);
});

const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound")
while True:
    print(s.recv(4096).decode())
`;

test('its command line says READY=1, WATCHDOG=1 and STOPPING=1', { skip: !AM_ROOT && 'needs /var/lib/mishri' }, async (t) => {
	const w = world(t);
	const unit = Object.fromEntries(fs.readFileSync(UNIT, 'utf8').split('\n').filter((line) => /^[A-Za-z]+=/.test(line)).map((line) => line.split(/=(.*)/)));
	assert.equal(unit.Type, 'notify');
	assert.ok(Number(unit.WatchdogSec) > 1);
	const socket = path.join(w.dir, 'notify');
	const listener = spawn('python3', ['-uc', LISTENER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
	t.after(() => listener.kill());
	let heard = '';
	listener.stdout.setEncoding('utf8').on('data', (more) => { heard += more; });
	const hears = async (pattern) => {
		for (let i = 0; !pattern.test(heard); i++, await sleep(20))
			assert.ok(i < 1000, `${pattern} was never heard; but: ${heard}`);
	};
	await hears(/bound/);
	// StateDirectory= makes /var/lib/mishri; here it is in mounts of this process alone.
	const service = spawn('unshare', ['-m', 'sh', '-c', `mount -t tmpfs none /var/lib && mkdir -m 700 /var/lib/mishri && exec ${unit.ExecStart}`], {
		env: { PATH: `${path.dirname(mishri())}:${process.env.PATH}`, HOME: w.home, NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000' }, stdio: ['ignore', 'ignore', 'pipe'],
	});
	t.after(() => service.kill('SIGKILL'));
	let said = '';
	service.stderr.setEncoding('utf8').on('data', (more) => { said += more; });
	const ended = new Promise((done) => service.on('exit', (code, signal) => done(code ?? signal)));
	await Promise.race([hears(/READY=1/), ended.then((code) => assert.fail(`it ended with ${code}: ${said}`))]);
	assert.doesNotMatch(heard.split('READY=1')[0], /WATCHDOG=1/, 'not before it is ready');
	await hears(/(WATCHDOG=1[^]*){3}/);
	assert.doesNotMatch(heard, /STOPPING=1/);
	service.kill('SIGTERM');
	await hears(/STOPPING=1/);
	const code = await ended;
	assert.ok(code === 0 || code === 143, `${code}: ${said}`);
});
