// The exec gate and the cell's walls through the whole program: what is denied does not happen, says why on its own
// stderr, is written down, and is told to the model; what is secret is out of reach.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AM_ROOT, KEY, USERS, checkStream, exited, shell, startModel, toldModel, world } from './lib.mjs';

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const victim = 'precious.txt';
const spellings = [
	['plainly', `rm ${victim}`],
	['quoted', `r"m" ${victim}`],
	['by a variable', `c=r; \${c}m ${victim}`],
	['with $IFS', `rm\${IFS}${victim}`],
	['decoded', `echo ${Buffer.from(`rm ${victim}`).toString('base64')} | base64 -d | sh`],
	['by find', `find . -name ${victim} -exec rm {} +`],
	['by xargs', `echo ${victim} | xargs rm`],
	['by env', `env -i /bin/rm ${victim}`],
	['by awk', `awk 'BEGIN { system("rm ${victim}") }'`],
	['by a script', `printf '#!/bin/sh\\nrm ${victim}\\n' > s.sh; chmod +x s.sh; ./s.sh`],
	['by a link', `ln -s /bin/rm harmless; ./harmless ${victim}`],
	['by the loader', `for l in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do [ -e $l ] && $l /bin/rm ${victim}; done`],
	['in the background', `rm ${victim} & wait`],
	['under nohup, timeout and nice', `nohup timeout 5 nice rm ${victim}`],
	['by its full name with dots', `/usr/../bin/./rm ${victim}`],
	['by python', `python3 -c 'import os; os.execvp("rm", ["innocent", "${victim}"])'`],
	['by perl', `perl -e 'exec { "/bin/rm" } "ls", "${victim}"'`],
];

for (const { name, as_nobody } of USERS) {
	describe(`a denied program, as ${name}`, () => {
		for (const [how, text] of spellings) {
			test(how, async (t) => {
				const w = world(t, { files: { [victim]: 'x\n' }, as_nobody });
				model.setScenario({ replies: [{ calls: [shell(text)] }, { text: 'I see.' }] });
				const run = await w.run(model, 'x', { args: ['--output-format', 'json'] });
				exited(run, 0);
				const [told] = toldModel(model);
				assert.ok(w.has(victim), told);
				if (/by (python|perl)/.test(how) && /not found/.test(told))
					return t.skip('not installed');
				assert.match(told, /mishri: denied by no-deleting: \S*(rm|ld-linux\S* \S*rm) .*\(.*use trash instead.*\)/);
				const denied = w.events('exec.decided').filter((e) => e.data.effect === 'deny');
				assert.equal(denied.length, 1);
				assert.equal(denied[0].data.rule, 'no-deleting');
				assert.match(denied[0].data.source, /policy\.yaml:\d+$/);
				assert.match(denied[0].data.program, /\/(rm|ld-linux[^/]*)$/);
				assert.equal(denied[0].data.call, '1.1');
				assert.equal(w.events('call.finished')[0].data.denied_execs, 1);
				assert.ok(JSON.parse(run.out).denied >= 1);
				assert.match(run.err, /stopped at the exec gate.*no-deleting/);
				w.checkChain();
				await w.leftNothing();
			});
		}

		test('without the rule the same spellings delete', async (t) => {
			const w = world(t, { as_nobody, policy: `version: 1
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: own, allow: exec, program: { from: workspace } }
` });
			const sure = spellings.filter(([how]) => !/python|perl|loader/.test(how));
			model.setScenario({ replies: [{ calls: sure.map(([, text], i) => shell(`mkdir d${i} && cd d${i} && echo x > ${victim}; ${text}`)) }, { text: 'ok' }] });
			const run = await w.run(model, 'x');
			exited(run, 0);
			sure.forEach(([how], i) => assert.ok(w.has(`d${i}`) && !w.has(`d${i}/${victim}`), `${how}: ${toldModel(model)[i]}`));
		});

		test('through exec, with the same words', async (t) => {
			const w = world(t, { files: { [victim]: 'x\n' }, as_nobody });
			const run = await w.mishri(['exec', ...w.places(), '-p', w.policy, '-w', w.ws, '--', 'sh', '-c', spellings[4][1]]);
			assert.ok(w.has(victim));
			exited(run, 126);
			assert.match(run.err, /^mishri: denied by no-deleting: \S*rm precious\.txt \(.*use trash instead.*\)$/m);
		});
	});
}

test('exec stands programs that are killed as they start', async (t) => {
	const w = world(t, { policy: 'version: 1\ndefault: allow\n' });
	const text = 'for i in $(seq 300); do /usr/bin/true & kill -9 $!; /usr/bin/true & sleep 0.000$((i % 10)); kill -9 $!; done 2>/dev/null; wait; exit 7';
	exited(await w.mishri(['exec', ...w.places(), '-p', w.policy, '-w', w.ws, '--', 'bash', '-c', text]), 7);
});

test('a flood of refusals does not fill the history', async (t) => {
	const w = world(t);
	model.setScenario({ replies: [{ calls: [shell('i=0; while [ $i -lt 1050 ]; do rm x; i=$((i+1)); done 2>&1 | tail -1')] }, { text: 'ok' }] });
	const run = await w.run(model, 'x');
	exited(run, 0);
	assert.equal(w.events('exec.decided').filter((e) => e.data.effect === 'deny').length, 1000);
	assert.equal(w.events('call.finished')[0].data.denied_execs, 1050);
	w.checkChain();
});

test('POLICY.md 7: a denied tool: nothing runs, the model hears the rule and what would be allowed, and goes on', async (t) => {
	const w = world(t, { policy: `version: 1
rules:
  - { id: look, allow: tool, category: read }
  - { id: hands-off, deny: tool, tool: write_file, reason: "this week we only read" }
` });
	model.setScenario({ replies: [{ calls: [{ name: 'write_file', args: { path: 'x', content: 'y' } }, shell('touch y')] }, { text: 'ok' }] });
	const run = await w.run(model, 'x', { args: ['--output-format', 'json'] });
	exited(run, 0);
	const told = toldModel(model);
	assert.match(told[0], /Denied by rule hands-off: .*this week we only read/);
	assert.match(told[1], /Denied: no rule allows this tool; allowed would be: .*\(look\)/);
	assert.deepEqual(fs.readdirSync(w.ws), []);
	assert.equal(JSON.parse(run.out).denied, 2);
	assert.equal(w.events('call.started').length, 0);
	const [decided] = w.events('call.decided');
	assert.equal(decided.data.effect, 'deny');
	assert.equal(decided.data.rule, 'hands-off');
	assert.match(decided.data.policy, /^[0-9a-f]{64}$/);
	assert.equal(decided.data.policy, w.events('policy.loaded')[0].data.policy);
});

for (const { name, as_nobody } of USERS) {
	describe(`what the kernel holds, as ${name}`, () => {
		const told = async (t, command, options = {}) => {
			const w = world(t, { files: { 'a.txt': 'a\n' }, as_nobody });
			model.setScenario({ replies: [{ calls: [shell(command(w))] }, { text: 'ok' }] });
			const run = await w.run(model, 'x', options);
			exited(run, 0);
			return { text: toldModel(model)[0], w, run };
		};

		test('no network, neither outside nor this machine', async (t) => {
			let hits = 0;
			const server = http.createServer((request, response) => { hits++; response.end('reached'); });
			await new Promise((done) => server.listen(0, '127.0.0.1', done));
			t.after(() => server.close());
			const { port } = server.address();
			const { text } = await told(t, () => `exec 2>&1; (echo GET / >/dev/tcp/127.0.0.1/${port}) && echo connected; (echo x >/dev/tcp/127.0.0.1/${model.port}) && echo connected; ` +
				'timeout 3 bash -c "echo x >/dev/tcp/1.1.1.1/53" && echo connected; timeout 3 bash -c "echo x >/dev/udp/1.1.1.1/53" && echo connected; ls /sys/class/net 2>/dev/null | grep -v "^lo$"; echo end');
			assert.doesNotMatch(text, /connected|eth0|enp/);
			assert.match(text, /end/);
			assert.equal(hits, 0);
			const outside = spawnSync('bash', ['-c', `echo GET / >/dev/tcp/127.0.0.1/${port} && echo connected`], { encoding: 'utf8' });
			assert.match(outside.stdout, /connected/, 'without the cell it is reached');
		});

		test('no secrets: shadow, home, the data directory, the policy, other processes, the key', async (t) => {
			const { text, w, run } = await told(t, (w) => {
				fs.writeFileSync(path.join(w.home, 'secret'), 'S3CRET-home');
				fs.chmodSync(path.join(w.home, 'secret'), 0o644);
				return `exec 2>/dev/null; cat /etc/shadow; cat /root/* ; ls -A /root /home; cat ${w.home}/secret; ls ${w.data}; cat ${w.data}/mishri.db; cat ${w.policy}; ` +
					'env; cat /proc/*/environ | tr "\\0" "\\n"; cat /proc/1/cmdline /proc/1/maps; cat /proc/[0-9]*/cmdline | tr "\\0" " "; ls -l /proc/*/fd; echo end';
			}, { env: { OPENAI_API_KEY: KEY } });
			assert.match(text, /end\s*$/);
			for (const secret of ['root:', 'S3CRET-home', KEY, 'SQLite format', 'no-deleting', 'mishri.db-'])
				assert.ok(!text.includes(secret), `${secret} in ${text}`);
			assert.equal(model.requests[0].headers.authorization, `Bearer ${KEY}`, 'the key was really in use');
			// Nor does the key lie anywhere afterwards.
			for (const file of fs.readdirSync(w.data, { recursive: true }).map((f) => path.join(w.data, f)).filter((f) => fs.statSync(f).isFile()))
				assert.ok(!fs.readFileSync(file).includes(KEY), file);
			assert.ok(!(run.out + run.err).includes(KEY));
		});

		test('the key is not in the files while it runs', async (t) => {
			const w = world(t, { as_nobody });
			model.setScenario({ key: KEY, replies: [{ calls: [shell('sleep 1')] }, { text: 'ok' }] });
			const run = w.startRun(model, 'x', { env: { OPENAI_API_KEY: KEY } });
			await run.until(/1\.1/);
			for (const file of fs.readdirSync(w.data, { withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => entry.name))
				assert.ok(!fs.readFileSync(path.join(w.data, file)).includes(KEY), file);
			await run.done;
			exited(run, 0);
		});

		test('a key that comes back in an error is not shown', async (t) => {
			const w = world(t, { as_nobody });
			model.setScenario({ replies: [{ status: 401, error: { message: `Incorrect API key provided: ${KEY}` } }] });
			const run = await w.run(model, 'x', { env: { OPENAI_API_KEY: KEY }, args: ['--output-format', 'stream-json'] });
			exited(run, 4);
			checkStream(run.out, { exit: 4 });
			assert.ok(!(run.out + run.err + JSON.stringify(w.events())).includes(KEY));
		});

		test('nothing outside the workspace can be written', async (t) => {
			// /dev/shm and /tmp are the cell's own.
			const { text, w } = await told(t, (w) => `exec 2>/dev/null; for f in /etc/x /usr/x /bin/x /x /root/x ${w.dir}/x ${w.data}/x /var/x /dev/shm/x /proc/sys/kernel/hostname; do ` +
				'echo y > $f && echo "wrote $f"; done; echo y > /tmp/x && echo tmp; echo y > x && echo here');
			assert.doesNotMatch(text.replaceAll(/wrote \/(dev\/shm|tmp\/[^ ]*)\/x/g, ''), /wrote/);
			assert.match(text, /tmp\nhere/);
			assert.ok(w.has('x'));
			for (const file of [`${w.data}/x`, '/etc/x', '/usr/x', '/bin/x', '/x', `${w.dir}/x`, '/var/x', '/dev/shm/x', '/tmp/x'])
				assert.ok(!fs.existsSync(file), file);
		});

		test('no way up: no ids, no mounts, no namespaces, no debugging', async (t) => {
			const { text } = await told(t, () => 'grep -E "^(NoNewPrivs|Seccomp|CapEff|CapBnd):" /proc/self/status; (unshare -Ur true && echo unshared; mount -t tmpfs none /tmp && echo mounted; ' +
				'chroot / true && echo chrooted; su -c true && echo su; strace -o /dev/null true && echo traced) 2>/dev/null; id -u; ls /proc | grep -c "^[0-9]"');
			assert.match(text, /NoNewPrivs:\t1/);
			assert.match(text, /Seccomp:\t2/);
			assert.match(text, /CapEff:\t0000000000000000/);
			assert.doesNotMatch(text, /unshared|mounted|chrooted|^su$|traced/m);
			if (AM_ROOT && !as_nobody)
				assert.doesNotMatch(text, /^0$/m);
		});

		test('a link out of the workspace leads nowhere for tools', async (t) => {
			const w = world(t, { as_nobody });
			fs.symlinkSync('/etc/passwd', path.join(w.ws, 'link'));
			fs.symlinkSync(w.dir, path.join(w.ws, 'up'));
			model.setScenario({ replies: [{ calls: [{ name: 'read_file', args: { path: 'up/policy.yaml' } }, { name: 'read_file', args: { path: '../policy.yaml' } },
				{ name: 'read_file', args: { path: '/etc/shadow' } }, { name: 'write_file', args: { path: 'up/made', content: 'x' } },
				{ name: 'write_file', args: { path: '../made', content: 'x' } }] }, { text: 'ok' }] });
			const run = await w.run(model, 'x');
			exited(run, 0);
			assert.doesNotMatch(toldModel(model).join('\n'), /no-deleting|root:/);
			assert.ok(!fs.existsSync(path.join(w.dir, 'made')));
			for (const e of w.events('call.finished'))
				assert.notEqual(e.data.status, 'ok');
		});
	});
}

test('limits: forks and memory end the tool, not the machine', async (t) => {
	const w = world(t);
	model.setScenario({ replies: [{ calls: [shell('f() { f | f & }; f; sleep 2; echo survived', { timeout_s: 10 }), shell('echo still here')] }, { text: 'ok' }] });
	const run = await w.run(model, 'x', { timeout_ms: 90000 });
	exited(run, 0);
	assert.match(toldModel(model)[1], /still here/);
	await w.leftNothing();
});
