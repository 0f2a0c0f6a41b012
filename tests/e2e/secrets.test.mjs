// Secrets through the whole program: they reach the one call that may have them, and nothing else ever shows them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { AM_ROOT, NOBODY, USERS, exited, shell, startModel, toldModel, world } from './lib.mjs';

const VALUE = 'k3y/with+odd "chars"&%20 and-tail';
const b64 = (text) => Buffer.from(text).toString('base64');
// Every spelling in which it must not turn up.
const SPELLINGS = [VALUE, b64(VALUE).replace(/=+$/, '').slice(0, -1), b64('a' + VALUE).slice(2, -4), b64('ab' + VALUE).slice(3, -4),
	Buffer.from(VALUE).toString('hex'), Buffer.from(VALUE).toString('hex').toUpperCase(), encodeURIComponent(VALUE),
	JSON.stringify(VALUE).slice(1, -1), b64(VALUE).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '').slice(0, -1)];

const config = (w, text) => {
	fs.mkdirSync(path.join(w.home, '.config/mishri'), { recursive: true });
	fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'), text);
	if (w.as_nobody && AM_ROOT)
		spawnSync('chown', ['-R', `${NOBODY}:${NOBODY}`, w.home]);
};
const run = async (w, model, goal = 'Do it', env = {}) =>
	w.mishri(['run', '--data', w.data, '-w', w.ws, '-p', w.policy, '--plan', 'never', '-m', 'openai/mock', '--', goal],
		{ env: { ...model.env, TOKEN_VAR: VALUE, ...env } });
const results = (w) => Object.fromEntries(w.events('call.finished').map((e) => [e.data.call, e.data]));
const everything = (w, ran, model) => ran.out + ran.err + JSON.stringify(model.requests) +
	fs.readdirSync(w.data).map((name) => path.join(w.data, name)).filter((file) => fs.statSync(file).isFile())
		.map((file) => fs.readFileSync(file, 'latin1')).join('');
const nowhere = (text) => {
	for (const spelling of SPELLINGS)
		assert.ok(!text.includes(spelling), `found ${spelling}`);
};
const modelOf = async (t, ...replies) => {
	const model = await startModel({ replies: [...replies, { text: 'Done.' }] });
	t.after(() => model.close());
	return model;
};

for (const { name, as_nobody } of USERS) {
	describe(`as ${name}`, () => {
		test('it reaches the program, in each way of quoting, and is shown nowhere', async (t) => {
			const w = world(t, { as_nobody });
			config(w, 'secrets: { TOKEN: { env: TOKEN_VAR, allow: { tools: [shell] } } }\n');
			const split = 'v={{secret:TOKEN}}; for i in $(seq 0 ${#v}); do printf %s "${v:$i:1}"; sleep 0.01; done; echo';
			const model = await modelOf(t, { calls: [
				shell(`printf %s {{secret:TOKEN}} | sha256sum; printf %s "<{{secret:TOKEN}}>" | sha256sum; printf %s '<{{secret:TOKEN}}>' | sha256sum`),
				shell('echo {{secret:TOKEN}}; printf %s {{secret:TOKEN}} | base64 -w 20; printf a%s {{secret:TOKEN}} | base64 -w0; echo; ' +
					'printf ab%s {{secret:TOKEN}} | base64 -w0 | tr "+/" "-_"; echo; printf %s {{secret:TOKEN}} | od -An -tx1; ' +
					'printf %s {{secret:TOKEN}} | od -An -tx1 | tr -d " \\n" | tr a-f A-F'),
				shell('python3 -c "import os,urllib.parse,json; v=os.environ[\'MISHRI_SECRET_TOKEN\']; print(urllib.parse.quote(v), json.dumps(v))" ; echo {{secret:TOKEN}} >/dev/null'),
				shell(split),
				shell('printf %s {{secret:TOKEN}} > kept.txt'),
				{ name: 'read_file', args: { path: 'kept.txt' } },
				shell('cat kept.txt; /bin/true "$(cat kept.txt)"; cat "/nonexistent/$(cat kept.txt)"'),
			] });
			const ran = await run(w, model, `The token is ${VALUE}; look after it`);
			exited(ran, 0);
			const done = results(w);
			const sum = (text) => spawnSync('sha256sum', { input: text, encoding: 'utf8' }).stdout.trim();
			assert.equal(done['1.1'].output.trim(), [sum(VALUE), sum(`<${VALUE}>`), sum(`<${VALUE}>`)].join('\n'));
			assert.equal(w.read('kept.txt'), VALUE, 'what the program does with it is its affair');
			for (const call of ['1.2', '1.3', '1.4', '1.6', '1.7'])
				assert.match(done[call].output, /\[redacted:secret TOKEN\]/, call);
			assert.equal(done['1.4'].output.trim(), '[redacted:secret TOKEN]', 'also split over many writes');
			assert.match(w.events('task.created')[0].data.goal, /The token is \[redacted:secret TOKEN\]/);
			nowhere(everything(w, ran, model));
			assert.match(w.events('call.proposed')[0].data.args.command, /\{\{secret:TOKEN\}\}/);
			w.checkChain();
			await w.leftNothing();
		});

		test('no other call has it: environment, /proc, memory, files of the cell', async (t) => {
			const w = world(t, { as_nobody });
			config(w, 'secrets: { TOKEN: { env: TOKEN_VAR, allow: { tools: [shell, background] } } }\n');
			const look = 'env | grep -c MISHRI_SECRET; for p in /proc/[0-9]*; do for f in environ maps mem auxv; do ' +
				'head -c 65536 $p/$f 2>/dev/null | tr "\\0" "\\n" | grep -ac "^MISHRI_SECRET" | grep -v "^0"; done; ls -l $p/fd 2>/dev/null; ' +
				'tr "\\0" " " < $p/cmdline; done; ls -R /tmp /dev/shm; true';
			const model = await modelOf(t,
				{ calls: [{ name: 'background', args: { action: 'start', command: 'echo {{secret:TOKEN}}; exec sleep 300' } }] },
				// Shown to work within the very call: the guard is between calls, not in the program.
				{ calls: [shell('x={{secret:TOKEN}}; sleep 60 & for i in $(seq 200); do ' +
					'n=$(tr "\\0" "\\n" < /proc/$!/environ | grep -ac "^MISHRI_SECRET"); [ "$n" = 1 ] && break; sleep 0.05; done; echo $n; kill $!')] },
				{ calls: [shell(look), { name: 'system_info', args: {} }, { name: 'background', args: { action: 'read' } }] });
			const ran = await run(w, model);
			exited(ran, 0);
			const done = results(w);
			assert.equal(done['2.1'].output.trim(), '1', done['2.1'].output);
			assert.equal(done['3.1'].output.split('\n')[0], '0', 'its own environment');
			assert.doesNotMatch(done['3.1'].output, /^[1-9][0-9]*$/m, `another call's environment was read:\n${done['3.1'].output}`);
			assert.doesNotMatch(done['3.1'].output, /redacted:secret/, 'on no command line, in no name of a file');
			nowhere(everything(w, ran, model));
		});
	});
}

test('who may have it: its own allow, a rule that names it, and never more than both say', async (t) => {
	const rules = (more) => `version: 1\nrules:\n  - { id: tools, allow: tool, tool: "*" }\n  - { id: sys, allow: exec, program: { from: system } }\n${more}`;
	const cases = [
		['allow: { tools: [shell] }', '', 'ok', /^ok$/],
		['allow: { tools: ["sh*"] }', '', 'ok', /^ok$/],
		['allow: { tools: [http_fetch] }', '', 'denied', /secret TOKEN is not for the tool shell/],
		['allow: { tools: [] }', '', 'denied', /is not for the tool shell/],
		['allow: {}', '', 'denied', /is not for the tool shell/],
		['', '', 'denied', /not open to the tool shell: a person must name/],
		['', '  - { id: s, allow: tool, tool: shell, secret: TOKEN }\n', 'ok', /^ok$/],
		['', '  - { id: s, allow: tool, tool: shell, secret: "TOK*" }\n', 'ok', /^ok$/],
		['', '  - { id: s, allow: tool, tool: shell, secret: OTHER }\n', 'denied', /not open to the tool shell/],
		['allow: { tools: [read_file] }', '  - { id: s, allow: tool, tool: shell, secret: TOKEN }\n', 'denied', /is not for the tool shell/],
		['allow: { tools: [shell] }', '  - { id: no, deny: tool, secret: TOKEN }\n', 'denied', /rule no\b/],
		['allow: { tools: [shell] }', '  - { id: no, deny: tool, secret: { not: OTHER } }\n', 'denied', /rule no\b/],
		['allow: { tools: [shell] }', '  - { id: ask, ask: tool, secret: TOKEN }\n', 'denied', /nobody is there to ask/],
	];
	for (const [allow, more, status, output] of cases) {
		const w = world(t, { policy: rules(more) });
		config(w, `secrets:\n  TOKEN: { env: TOKEN_VAR${allow === '' ? '' : `, ${allow}`} }\n`);
		const model = await modelOf(t, { calls: [shell('test {{secret:TOKEN}} && echo ok'), shell('echo plain')] });
		const ran = await run(w, model);
		const done = results(w);
		assert.equal(done['1.1'].status, status, `${allow} ${more}: ${done['1.1'].output}`);
		assert.match(done['1.1'].output.trim(), output);
		assert.equal(done['1.2'].output.trim(), 'plain', 'a rule about a secret is about calls with one');
		nowhere(everything(w, ran, model));
	}
});

test('a policy in the workspace, which tools can write, opens nothing', async (t) => {
	const text = 'version: 1\nrules:\n  - { id: tools, allow: tool, tool: "*" }\n  - { id: sys, allow: exec, program: { from: system } }\n' +
		'  - { id: s, allow: tool, tool: shell, secret: TOKEN }\n';
	const w = world(t, { files: { '.mishri/policy.yaml': text } });
	config(w, 'secrets: { TOKEN: { env: TOKEN_VAR } }\n');
	exited(await w.mishri(['trust', '--data', w.data]), 0);
	const model = await modelOf(t, { calls: [shell('echo {{secret:TOKEN}} | wc -c')] });
	await w.mishri(['run', '--data', w.data, '-w', w.ws, '--plan', 'never', '-m', 'openai/mock', '--', 'x'], { env: { ...model.env, TOKEN_VAR: VALUE } });
	assert.equal(results(w)['1.1'].status, 'denied');
	assert.match(results(w)['1.1'].output, /not open to the tool shell/);
});

test('references that mean nothing are told, and run nothing', async (t) => {
	const w = world(t);
	const file = path.join(w.dir, 'open.txt');
	fs.writeFileSync(file, 'long-enough-value\n');
	fs.chmodSync(file, 0o644);
	config(w, `secrets:\n  TOKEN: { env: TOKEN_VAR, allow: { tools: ["*"] } }\n  GONE: { env: NOT_SET_HERE, allow: { tools: ["*"] } }\n` +
		`  OPEN: { file: ${file}, allow: { tools: ["*"] } }\n  TINY: { command: [printf, abc], allow: { tools: ["*"] } }\n` +
		`  FAILS: { command: [sh, -c, "echo leaked-value-1; exit 3"], allow: { tools: ["*"] } }\n  CMD: { command: [printf, from-a-command], allow: { tools: ["*"] } }\n`);
	const model = await modelOf(t, { calls: [
		shell('echo {{secret:TOKE}}'), shell('echo {{secret:GONE}}'), shell('echo {{secret:OPEN}}'), shell('echo {{secret:TINY}}'),
		shell('echo {{secret:FAILS}}'), shell('echo {{secret:lower}}'), shell('echo {{secret:TOKEN'), shell('echo {{secret:CMD}} | wc -c'),
		{ name: 'write_file', args: { path: 'a.txt', content: 'a template with {{secret:TOKEN}} in it' } },
	] });
	const ran = await run(w, model);
	exited(ran, 0);
	const done = results(w);
	const wants = [/did you mean 'TOKEN'/, /the environment has no variable NOT_SET_HERE/, /can be read by others; .*0600/, /less than 8 bytes/,
		/exit status 3/, /names no secret/, /is not closed/];
	wants.forEach((want, i) => {
		assert.equal(done[`1.${i + 1}`].status, 'invalid', done[`1.${i + 1}`].output);
		assert.match(done[`1.${i + 1}`].output, want);
	});
	assert.equal(done['1.8'].output.trim(), '15');
	assert.equal(w.read('a.txt'), 'a template with {{secret:TOKEN}} in it', 'to other tools it is text like any other');
	assert.ok(!everything(w, ran, model).includes('leaked-value-1'));
});

test('the task is tainted from the call on, and the taint is a fact for the policy', async (t) => {
	const policy = 'version: 1\nrules:\n  - { id: tools, allow: tool, tool: "*" }\n  - { id: sys, allow: exec, program: { from: system } }\n' +
		'  - { id: after, deny: exec, program: id, when: { taint: secret } }\n';
	const w = world(t, { policy });
	config(w, 'secrets: { TOKEN: { env: TOKEN_VAR, allow: { tools: [shell] } } }\n');
	const model = await modelOf(t, { calls: [shell('id -u')] }, { calls: [shell('id -u; echo {{secret:TOKEN}}')] }, { calls: [shell('id -u')] });
	exited(await run(w, model), 0);
	const done = results(w);
	assert.match(done['1.1'].output, /^[0-9]+/);
	assert.match(done['2.1'].output, /denied by after/, 'in the call itself');
	assert.match(done['3.1'].output, /denied by after/);
	assert.deepEqual([done['1.1'].taint ?? [], done['2.1'].taint], [[], ['secret']]);
});

test('an own tool has the secrets of its manifest in its environment, and no others', async (t) => {
	const w = world(t);
	fs.mkdirSync(path.join(w.home, '.config/mishri/tools'), { recursive: true });
	fs.writeFileSync(path.join(w.home, '.config/mishri/tools/a.yaml'),
		'name: has.it\ndescription: x\nprogram: sh\nargs: [-c, "env | grep -c ^MISHRI_SECRET; printf %s \\"$MISHRI_SECRET_TOKEN\\" | wc -c; echo $MISHRI_SECRET_TOKEN"]\n' +
		'permissions: [secrets]\nsecrets: [TOKEN]\nschema: { properties: { x: { type: string } } }\n');
	config(w, 'secrets: { TOKEN: { env: TOKEN_VAR, allow: { tools: [has.it] } }, OTHER: { env: TOKEN_VAR, allow: { tools: [has.it] } } }\n');
	const model = await modelOf(t, { calls: [{ name: 'has__it', args: {} }, { name: 'has__it', args: { x: '{{secret:OTHER}}' } }, shell('echo {{secret:TOKEN}}')] });
	const ran = await run(w, model);
	exited(ran, 0);
	const done = results(w);
	assert.match(done['1.1'].output, new RegExp(`^1\n${VALUE.length}\n\\[redacted:secret`));
	assert.match(done['1.2'].output, /given the secrets that its manifest names/);
	assert.equal(done['1.3'].status, 'denied');
	nowhere(everything(w, ran, model));
	assert.ok(toldModel(model).length > 0);
});

test('a cell in which a program was given a secret connects to the hosts of that secret only', async (t) => {
	const server = http.createServer((req, res) => res.end('reached\n'));
	const port = await new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)));
	t.after(() => server.close());
	const net = '  - { id: here, allow: net, host: [localhost, 127.0.0.1], private: true }\n';
	const policy = (more) => `version: 1\nrules:\n  - { id: tools, allow: tool, tool: "*" }\n  - { id: sys, allow: exec, program: { from: system } }\n${net}${more}`;
	const curl = (host) => shell(`curl -sS -m 20 --noproxy none http://${host}:${port}/`);
	const given = shell('echo {{secret:TOKEN}} | wc -c');
	const rows = [
		[', allow: { tools: [shell], hosts: [localhost] }', '', [true, true, false]],
		[', allow: { tools: [shell] }', '', [true, false, false]],
		['', '  - { id: s, allow: tool, tool: shell, secret: TOKEN }\n  - { id: n, allow: net, host: 127.0.0.1, private: true, secret: TOKEN }\n', [true, false, true]],
	];
	for (const [allow, more, [before, local, number]] of rows) {
		const w = world(t, { policy: policy(more) });
		config(w, `secrets: { TOKEN: { env: TOKEN_VAR${allow} } }\n`);
		const model = await modelOf(t, { calls: [curl('127.0.0.1')] }, { calls: [given] }, { calls: [curl('localhost'), curl('127.0.0.1')] });
		const ran = await run(w, model);
		exited(ran, 0);
		const done = results(w);
		const reached = ['1.1', '3.1', '3.2'].map((call) => done[call].output.includes('reached'));
		assert.deepEqual(reached, [before, local, number], `${allow} ${more}: ${JSON.stringify(done)}`);
		if (!number)
			assert.match(done['3.2'].output, /the secret TOKEN is not for 127\.0\.0\.1/);
		nowhere(everything(w, ran, model));
	}
});

test('mishri secrets, and what is wrong in the section', async (t) => {
	const w = world(t);
	config(w, 'secrets:\n  TOKEN: { env: TOKEN_VAR, allow: { tools: [shell], hosts: ["*.example.com"] } }\n  OTHER: { file: ~/none }\n');
	const list = await w.mishri(['secrets', 'list', '--data', w.data], { env: { TOKEN_VAR: VALUE } });
	exited(list, 0);
	assert.match(list.out, /^OTHER +file +~\/none +where a rule of the policy names it.*\nTOKEN +env +TOKEN_VAR +tools shell, hosts \*\.example\.com/);
	const json = JSON.parse((await w.mishri(['secrets', 'list', '--data', w.data, '--json'], { env: { TOKEN_VAR: VALUE } })).out);
	assert.deepEqual(json.map((s) => [s.name, s.source, s.allow]), [['OTHER', 'file', null], ['TOKEN', 'env', { tools: ['shell'], hosts: ['*.example.com'] }]]);
	const good = await w.mishri(['secrets', 'check', 'TOKEN', '--data', w.data], { env: { TOKEN_VAR: VALUE } });
	exited(good, 0);
	nowhere(list.out + good.out + good.err);
	exited(await w.mishri(['secrets', 'check', 'OTHER', '--data', w.data]), 1);
	const near = await w.mishri(['secrets', 'check', 'TOKN', '--data', w.data]);
	exited(near, 2);
	assert.match(near.err, /did you mean 'TOKEN'/);
	const rows = [
		['secrets: { token: { env: X } }', /:1:12: secrets: 'token' is no name of a secret/],
		['secrets: { A: { env: X, file: /x } }', /A: has two sources/],
		['secrets: { A: { allow: { tools: [x] } } }', /A: has no source/],
		['secrets: { A: { env: X, alow: {} } }', /did you mean 'allow'/],
		['secrets: { A: { env: X, allow: { tool: [x] } } }', /did you mean 'tools'/],
		['secrets: { A: { file: x } }', /must be an absolute path/],
		['secrets: { A: { command: "pass show x" } }', /'?command'?.*list/],
		['secrets: [A]', /secrets/],
	];
	for (const [text, want] of rows) {
		config(w, `${text}\n`);
		const wrong = await w.mishri(['secrets', 'list', '--data', w.data]);
		exited(wrong, 3);
		assert.match(wrong.err, want);
	}
	config(w, '');
	fs.mkdirSync(path.join(w.ws, '.mishri'));
	fs.writeFileSync(path.join(w.ws, '.mishri/config.yaml'), 'secrets: { A: { env: X } }\n');
	exited(await w.mishri(['trust', '--data', w.data]), 0);
	const project = await w.mishri(['secrets', 'list', '--data', w.data]);
	exited(project, 3);
	assert.match(project.err, /secrets: is not for a project file/);
});
