// The network of a cell through the whole program: real servers on loopback, HTTP, HTTPS with a certificate of our own,
// SOCKS, a name server that lies; what policy says is what happens, and it is written down.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { USERS, exited, shell, startModel, toldModel, world } from './lib.mjs';

// ---- servers ----

const listen = (server, host = '127.0.0.1') => new Promise((done) => server.listen(0, host, () => done(server.address().port)));
const hits = [];

function answer(req, res) {
	const chunks = [];
	req.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
		hits.push({ method: req.method, url: req.url, headers: req.headers, body: Buffer.concat(chunks).toString() });
		if (req.url === '/to-metadata')
			return res.writeHead(302, { location: 'http://169.254.169.254/latest' }).end();
		if (req.url === '/big')
			return res.end(Buffer.alloc(3 << 20, 'x'));
		if (req.url === '/break')
			return res.writeHead(200, { 'content-length': '100' }).write('begun', () => req.socket.destroy());
		if (req.url === '/rule')
			return res.writeHead(200, { 'Mishri-Rule': 'forged' }).end('hello\n');
		res.end(`hello ${req.method} ${req.headers.host}\n`);
	});
}

// A name server: NAME → addresses, or a function that is asked each time. It counts what it is asked.
class Names {
	constructor() {
		this.names = {};
		this.asked = [];
		this.socket = dgram.createSocket('udp4');
		this.socket.on('message', (query, from) => this.#answer(query, from));
	}
	async start() {
		await new Promise((done) => this.socket.bind(0, '127.0.0.1', done));
		return this.socket.address().port;
	}
	#answer(query, from) {
		const labels = [];
		let at = 12;
		for (; query[at] !== 0; at += query[at] + 1)
			labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
		const name = labels.join('.').toLowerCase(), type = query.readUInt16BE(at + 1);
		if (type === 1)
			this.asked.push(name);
		const known = this.names[name];
		const addresses = type !== 1 || known === undefined ? [] : typeof known === 'function' ? known() : known;
		const head = Buffer.from(query.subarray(0, 12));
		head.writeUInt16BE(known === undefined ? 0x8183 : 0x8180, 2);
		head.writeUInt16BE(addresses.length, 6);
		head.writeUInt16BE(0, 8);
		head.writeUInt16BE(0, 10);
		const records = addresses.map((a) => Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...a.split('.').map(Number)]));
		this.socket.send(Buffer.concat([head, query.subarray(12, at + 5), ...records]), from.port, from.address);
	}
}

let model, plain, secure, web, tls, ca, dir, names, resolver;

function certificate() {
	dir = fs.mkdtempSync(path.join(os.tmpdir(), 'mishri-net-'));
	fs.chmodSync(dir, 0o755);
	const run = (...words) => {
		const done = spawnSync('openssl', words, { cwd: dir, encoding: 'utf8' });
		assert.equal(done.status, 0, done.stderr);
	};
	run('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem',
		'-days', '2', '-subj', '/CN=test ca');
	run('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key.pem', '-out', 'req.pem', '-subj', '/CN=x');
	fs.writeFileSync(path.join(dir, 'ext'), 'subjectAltName=DNS:localhost,DNS:secure.test\n');
	run('x509', '-req', '-in', 'req.pem', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'ext',
		'-out', 'cert.pem');
	ca = path.join(dir, 'ca.pem');
	return { key: fs.readFileSync(path.join(dir, 'key.pem')), cert: fs.readFileSync(path.join(dir, 'cert.pem')) };
}

before(async () => {
	model = await startModel();
	web = http.createServer(answer);
	tls = https.createServer(certificate(), answer);
	plain = await listen(web);
	secure = await listen(tls);
	names = new Names();
	resolver = `127.0.0.1:${await names.start()}`;
});
after(async () => {
	await model.close();
	web.closeAllConnections();
	tls.closeAllConnections();
	web.close();
	tls.close();
	names.socket.close();
	fs.rmSync(dir, { recursive: true, force: true });
});

// ---- the program ----

const policyOf = (rules) => `version: 1
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: [system, workspace] } }
${rules}`;
const LOCAL = '  - { id: here, allow: net, host: [localhost, 127.0.0.1, "*.test"], private: true }\n';
const CURL = 'curl -sS -m 10 --noproxy none';

function inCell(w, command, options = {}) {
	const args = ['exec', ...w.places(), '-w', w.ws, '-p', w.policy, '-c', `net.resolver=${resolver}`, ...(options.args ?? []), '--',
		'sh', '-c', command];
	return w.mishri(args, { timeout_ms: 30000, ...options });
}

async function runs(t, rules, command, options = {}) {
	const w = world(t, { policy: policyOf(rules), ...options });
	return { w, run: await inCell(w, command, options) };
}

describe('what is allowed arrives', () => {
	for (const { name, as_nobody } of USERS) {
		test(`plain, by tunnel, by SOCKS, and as variables say, as ${name}`, async (t) => {
			const { run } = await runs(t, LOCAL, `${CURL} http://localhost:${plain}/a; ${CURL} -p http://127.0.0.1:${plain}/b;
				${CURL} -x socks5h://127.0.0.1:3128 http://localhost:${plain}/c; ${CURL} -d body http://localhost:${plain}/d;
				env | grep -ci proxy=`, { as_nobody });
			assert.equal(run.out, `hello GET localhost:${plain}\nhello GET 127.0.0.1:${plain}\nhello GET localhost:${plain}\n` +
				`hello POST localhost:${plain}\n8\n`, run.err);
			assert.equal(hits.at(-1).body, 'body');
		});
	}

	test('a tunnel to HTTPS, which the client checks; and HTTPS that the engine speaks', async (t) => {
		const w = world(t, { policy: policyOf(LOCAL), files: { 'ca.pem': fs.readFileSync(ca) } });
		const run = await inCell(w, `${CURL} --cacert ca.pem https://localhost:${secure}/a;
			printf 'GET https://localhost:${secure}/b HTTP/1.1\\r\\nHost: localhost:${secure}\\r\\n\\r\\n' > q
			bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; cat q >&3; cat <&3' | tail -1`, { args: ['-c', `net.ca_file=${ca}`] });
		assert.equal(run.out, `hello GET localhost:${secure}\nhello GET localhost:${secure}\n`, run.err);
	});

	test('HTTPS of the engine is checked: by its authority, and by its name', async (t) => {
		names.names['other.test'] = ['127.0.0.1'];
		const ask = (host) => `printf 'GET https://${host}:${secure}/never HTTP/1.1\\r\\nHost: ${host}:${secure}\\r\\n\\r\\n' > q
			bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; cat q >&3; cat <&3'; `;
		const { run } = await runs(t, LOCAL, ask('localhost'));
		assert.match(run.out, /^HTTP\/1\.1 502 [^]*certificate is not accepted/);
		const other = await runs(t, LOCAL, ask('other.test'), { args: ['-c', `net.ca_file=${ca}`] });
		assert.match(other.run.out, /^HTTP\/1\.1 502 [^]*certificate is not accepted: hostname mismatch/);
		assert.ok(!hits.some((hit) => hit.url === '/never'));
	});

	test('a name of the resolver that the configuration names', async (t) => {
		names.names['a.test'] = ['127.0.0.1'];
		const { run } = await runs(t, LOCAL, `${CURL} http://a.test:${plain}/; ${CURL} http://none.test:${plain}/`);
		assert.match(run.out, new RegExp(`^hello GET a.test:${plain}\\nmishri: none.test:${plain} could not be reached: there is no such name`));
	});
});

describe('what is not allowed', () => {
	test('says which rule, in each protocol; the name is not even looked up', async (t) => {
		names.asked = [];
		const rules = `${LOCAL}  - { id: not-there, deny: net, host: "*.evil.test", reason: "we do not talk to them" }\n`;
		const { run } = await runs(t, rules, `${CURL} -i http://leak.evil.test/x; ${CURL} -p http://b.evil.test:${plain}/;
			${CURL} -x socks5h://127.0.0.1:3128 http://c.evil.test/; ${CURL} http://example.com/`);
		assert.match(run.out, /^HTTP\/1\.1 403 Forbidden[^]*Mishri-Rule: not-there[^]*mishri: denied by not-there: net GET leak\.evil\.test:80 \(we do not talk to them\)/);
		assert.match(run.out, /mishri: denied by default: net GET example\.com:80 \(no rule allows this net; allowed would be:/);
		assert.match(run.err, /CONNECT tunnel failed, response 403/);
		assert.match(run.err, /(cannot|can't|Can't) complete SOCKS5 connection[^\n]*\(2\)/i);
		assert.match(run.err, /mishri: denied by not-there: net b\.evil\.test/);
		assert.deepEqual(names.asked, []);
	});

	test('methods of plain requests', async (t) => {
		const rules = '  - { id: reading, allow: net, host: localhost, private: true, method: [GET, HEAD] }\n';
		const { run } = await runs(t, rules, `${CURL} http://localhost:${plain}/m; ${CURL} -d x http://localhost:${plain}/m2;
			${CURL} -p http://localhost:${plain}/m3`);
		assert.match(run.out, /^hello GET[^]*denied by default: net POST localhost/);
		assert.ok(!hits.some((hit) => hit.url === '/m2' || hit.url === '/m3'), 'nobody looks into a tunnel');
	});

	const spellings = ['127.0.0.1', '2130706433', '0x7f.1', '0177.0.0.1', '127.1', '[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]',
		'[64:ff9b::7f00:1]', '[2002:7f00:1::]', '[::127.0.0.1]', 'localhost', 'LOCALHOST.', '0.0.0.0', '0', '[::]'];
	test('private addresses in every spelling, where the world is allowed', async (t) => {
		const before = hits.length;
		const { run } = await runs(t, '  - { id: world, allow: net, host: "*" }\n', spellings.map((host) =>
			`printf 'CONNECT ${host}:${plain} HTTP/1.1\\r\\nHost: ${host}:${plain}\\r\\n\\r\\n' > q;
			bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; cat q >&3; head -1 <&3'`).join('\n'));
		assert.equal(run.out.replaceAll('\r', ''), 'HTTP/1.1 403 Forbidden\n'.repeat(spellings.length), run.err);
		assert.equal(hits.length, before);
	});

	test('a name that leads to a private address; one that leads to both', async (t) => {
		names.names['inside.test'] = ['127.0.0.1'];
		names.names['both.test'] = ['203.0.114.1', '127.0.0.1'];
		const { run } = await runs(t, '  - { id: world, allow: net, host: "*" }\n',
			`${CURL} http://inside.test:${plain}/; ${CURL} http://both.test:${plain}/`);
		assert.match(run.out, /denied by default: net GET inside\.test:\d+ \(inside\.test leads to 127\.0\.0\.1, which is not public/);
		assert.match(run.out, /both\.test leads to 127\.0\.0\.1/);
	});

	test('a name never leads to a link-local address, whatever rules say', async (t) => {
		names.names['meta.test'] = ['169.254.169.254'];
		const { run } = await runs(t, LOCAL, `${CURL} http://meta.test/; ${CURL} -L http://localhost:${plain}/to-metadata`);
		assert.match(run.out, /meta\.test leads to 169\.254\.169\.254, a link-local or metadata address/);
		assert.match(run.out, /denied by default: net GET 169\.254\.169\.254:80/);
	});

	// With one answer for the check and another for the connection, this would arrive at the server on loopback.
	test('rebinding: what was checked is what is connected to', async (t) => {
		let n = 0;
		names.names['rebind.test'] = () => [n++ % 2 === 0 ? '203.0.114.1' : '127.0.0.1'];
		const before = hits.length;
		const { run } = await runs(t, '  - { id: world, allow: net, host: "*" }\n',
			`for i in 1 2 3 4; do ${CURL} -m 2 http://rebind.test:${plain}/rebound; done`);
		assert.equal(hits.length, before, run.out);
		assert.match(run.out, /rebind\.test leads to 127\.0\.0\.1/);
		n = 1;
		const shown = await runs(t, '  - { id: world, allow: net, host: "*.test", private: true }\n', `${CURL} http://rebind.test:${plain}/rebound`);
		assert.match(shown.run.out, /^hello/, 'where it is allowed, it arrives');
	});
});

describe('what is not well formed', () => {
	const raw = (text) => `printf '${text.replaceAll('\r\n', '\\r\\n').replaceAll('%', '%%').replaceAll('\0', '\\000')}' > q;
		bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; cat q >&3; head -1 <&3'`;
	const rows = () => {
		const at = `localhost:${plain}`;
		const get = (more, body = '') => `POST http://${at}/bad HTTP/1.1\r\nHost: ${at}\r\n${more}\r\n${body}`;
		return [
			get('Content-Length: 1\r\nContent-Length: 1\r\n', 'x'), get('Content-Length: 1\r\nTransfer-Encoding: chunked\r\n', 'x'),
			get('Transfer-Encoding: gzip, chunked\r\n'), get(' folded: x\r\n'), get('A : b\r\n'), get(`Host: ${at}\r\n`), get('Content-Length: +1\r\n', 'x'),
			`GET http://${at}/bad HTTP/1.1\r\nHost: other\r\n\r\n`, `GET http://user@${at}/bad HTTP/1.1\r\nHost: ${at}\r\n\r\n`,
			'GET /bad HTTP/1.1\r\nHost: x\r\n\r\n', `GET ftp://${at}/bad HTTP/1.1\r\nHost: ${at}\r\n\r\n`, `GET http://${at}/bad HTTP/2.0\r\nHost: ${at}\r\n\r\n`,
			'CONNECT localhost HTTP/1.1\r\nHost: localhost\r\n\r\n', `GET http://loc\0alhost/bad HTTP/1.1\r\nHost: x\r\n\r\n`,
			`GET http://[fe80::1%eth0]/bad HTTP/1.1\r\nHost: x\r\n\r\n`, `GET http://${at}/bad HTTP/1.1\r\nHost: ${at}\r\nConnection: host\r\n\r\n`,
		];
	};
	test('is refused before anything is connected', async (t) => {
		const { run } = await runs(t, LOCAL, rows().map(raw).join('\n'));
		assert.equal(run.out.replaceAll('\r', ''), 'HTTP/1.1 400 Bad Request\n'.repeat(rows().length), run.err);
		assert.ok(!hits.some((hit) => hit.url === '/bad'));
	});
	test('an answer that breaks off is seen to', async (t) => {
		const { run } = await runs(t, LOCAL, `${CURL} http://localhost:${plain}/break; echo "status $?"; ${CURL} -i http://localhost:${plain}/rule`);
		assert.match(run.out, /status (18|56)/);
		assert.doesNotMatch(run.out, /forged/, 'a server does not speak in our name');
	});
	test('a tunnel to port 443 carries TLS or nothing', async (t) => {
		const { run } = await runs(t, LOCAL, `${CURL} -p http://localhost:443/; echo`);
		assert.match(run.err, /CONNECT tunnel failed, response 502/);
	});
});

describe('bounds', () => {
	test('bytes of a connection, bytes of the task, connections of the task', async (t) => {
		const get = `${CURL} -o /dev/null -w '%{size_download}\\n' http://localhost:${plain}/big`;
		const one = await runs(t, LOCAL, get, { args: ['-c', 'net.bytes=1M'] });
		assert.ok(Number(one.run.out) < 1.1e6, one.run.out);
		const all = await runs(t, LOCAL, `${get}; ${get}; ${CURL} http://localhost:${plain}/`, { args: ['-c', 'net.task_bytes=4M'] });
		assert.match(all.run.out, /^3145728\n[^]*\n/);
		const some = await runs(t, LOCAL, `for i in 1 2 3; do ${CURL} http://localhost:${plain}/; done`, { args: ['-c', 'net.task_connections=2'] });
		assert.match(some.run.out, /^hello[^\n]*\nhello[^\n]*\nmishri: denied by default:[^\n]*net\.task_connections/);
	});
	test('nothing for too long', async (t) => {
		const silent = net.createServer(() => {});
		const port = await listen(silent);
		const { run } = await runs(t, LOCAL, `${CURL} -m 20 http://localhost:${port}/; echo "status $?"`, { args: ['-c', 'net.idle=1s'] });
		silent.close();
		assert.match(run.out, /status (52|56)/);
	});
	test('more at once than are let in wait their turn', async (t) => {
		const { run } = await runs(t, LOCAL, `for i in $(seq 40); do ${CURL} http://localhost:${plain}/ & done; wait`, { args: ['-c', 'net.connections=4'] });
		assert.equal(run.out.match(/hello/g)?.length, 40, run.err);
	});
	const many = `import socket, struct
conns = []
for i in range(1000):
    c = socket.socket(); c.setblocking(False)
    try: c.connect(('127.0.0.1', 3128))
    except BlockingIOError: pass
    conns.append(c)
for c in conns[:100]:
    c.setblocking(True)
    c.sendall(b'GET http://localhost:PORT/never HTTP/1.1\\r\\nHost: loc')
for c in conns: c.close()
def rest(c):
    data = b''
    while True:
        piece = c.recv(65536)
        if not piece: return data[:15]
        data += piece
def begin(text):
    c = socket.create_connection(('127.0.0.1', 3128), timeout=20); c.sendall(text); return c
c = begin(b'POST http://localhost:PORT/gone HTTP/1.1\\r\\nHost: localhost:PORT\\r\\nContent-Length: 9000000\\r\\n\\r\\n' + b'x' * 99999)
c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); c.close()
c = begin(b'GET http://localhost:PORT/half HTTP/1.1\\r\\nHost: localhost:PORT\\r\\n\\r\\n'); c.shutdown(socket.SHUT_WR); print(rest(c))
c = begin(b'CONNECT localhost:PORT HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); print(c.recv(100)[:12])
c.sendall(b'GET /half HTTP/1.0\\r\\n\\r\\n'); c.shutdown(socket.SHUT_WR); print(rest(c))
`;
	test('a thousand connections, clients that vanish, halves of connections', async (t) => {
		const w = world(t, { policy: policyOf(LOCAL), files: { 'many.py': many.replaceAll('PORT', String(plain)).replaceAll('\\\\', '\\') } });
		const run = await inCell(w, 'python3 many.py');
		if (/not found/.test(run.err))
			return t.skip('no python3');
		assert.equal(run.out, "b'HTTP/1.1 200 OK'\nb'HTTP/1.1 200'\nb'HTTP/1.1 200 OK'\n", run.err);
		assert.ok(!hits.some((hit) => hit.url === '/never'));
	});
	test('a wrong setting is refused with what would be right', async (t) => {
		const { run } = await runs(t, LOCAL, 'true', { args: ['-c', 'net.resolver=dns.example'] });
		assert.equal(run.code, 3);
		assert.match(run.err, /net\.resolver: 'dns\.example' is no name server/);
	});
});

describe('in a task', () => {
	test('each connection is written down before it is made, and when it ends; the hint is in the output', async (t) => {
		const w = world(t, { policy: policyOf(LOCAL) });
		model.setScenario({ replies: [{ calls: [shell(`${CURL} http://localhost:${plain}/t; ${CURL} -p http://denied.example:443/`)] }, { text: 'Done.' }] });
		const run = await w.run(model, 'x', { args: ['--output-format', 'json'] });
		exited(run, 0);
		const [told] = toldModel(model);
		assert.match(told, /hello GET/);
		assert.match(told, /mishri: denied by default: net denied\.example:443 \(no rule allows this net/);
		const decided = w.events('net.decided'), finished = w.events('net.finished');
		assert.deepEqual(decided.map((e) => [e.data.host, e.data.effect, e.data.rule, e.data.method, e.data.address, e.data.private]),
			[['localhost', 'allow', 'here', 'GET', '127.0.0.1', true], ['denied.example', 'deny', null, null, null, false]]);
		assert.equal(finished.length, 1);
		assert.equal(finished[0].data.how, 'closed');
		assert.equal(finished[0].data.status, 200);
		assert.ok(finished[0].data.bytes_down > 10);
		assert.equal(decided[0].data.call, '1.1');
		assert.ok(JSON.parse(run.out).denied >= 1);
		w.checkChain();
		await w.leftNothing();
	});

	test('what came from the network is a taint', async (t) => {
		const rules = `${LOCAL}  - { id: no-more, deny: exec, program: touch, when: { taint: network } }\n`;
		const w = world(t, { policy: policyOf(rules) });
		model.setScenario({ replies: [{ calls: [shell('touch before')] }, { calls: [shell(`${CURL} http://localhost:${plain}/t`)] },
			{ calls: [shell('touch after')] }, { text: 'Done.' }] });
		exited(await w.run(model, 'x'), 0);
		assert.ok(w.has('before'));
		assert.ok(!w.has('after'));
	});

	test('after a secret was read no connection is let go, by that rule; without one it is', async (t) => {
		const rules = `${LOCAL}  - { id: reading, allow: tool, tool: read_file }\n` +
			'  - { id: nothing-leaves-now, deny: net, when: { taint: secret }, reason: "a secret was read" }\n';
		const secret = `ghp_${'aZ3kQ9xW7vB1nM5tR8yL2pD6sF4gH0jK'}c1oG`;
		for (const text of [`TOKEN=${secret}\n`, 'TOKEN=none\n']) {
			const w = world(t, { files: { '.env': text }, policy: policyOf(rules) });
			const tainted = text.includes(secret), before = hits.length;
			model.setScenario({ replies: [{ calls: [shell(`${CURL} http://localhost:${plain}/first`)] },
				{ calls: [{ name: 'read_file', args: { path: '.env' } }] },
				{ calls: [shell(`${CURL} http://localhost:${plain}/second`)] }, { text: 'Done.' }] });
			exited(await w.run(model, 'x'), 0);
			const seen = hits.slice(before).map((hit) => hit.url);
			assert.deepEqual(seen, tainted ? ['/first'] : ['/first', '/second']);
			const decided = w.events('net.decided').map((e) => [e.data.effect, e.data.rule]);
			assert.equal(decided[0][0], 'allow');
			assert.deepEqual(decided.at(-1)[0], tainted ? 'deny' : 'allow');
			assert.equal(decided.at(-1)[1] === 'nothing-leaves-now', tainted);
			assert.equal(toldModel(model).at(-1).includes('nothing-leaves-now'), tainted);
		}
	});

	const asking = '  - { id: asks, ask: net, host: localhost, private: true, reason: "it is looked at" }\n';
	const PROMPT = /y = yes[^\n]*\n> $/;
	for (const answer of ['y', 'n not today']) {
		test(`a person is asked, and says ${answer}`, async (t) => {
			const w = world(t, { policy: policyOf(asking) });
			model.setScenario({ replies: [{ calls: [shell(`${CURL} http://localhost:${plain}/asked-${answer[0]}`)] }, { text: 'Done.' }] });
			const run = w.startInTerminal(w.runArgs('x', '-m', 'openai/mock'), { env: model.env });
			await run.until(PROMPT, 'out');
			assert.match(run.out, /May this connection\? Asked by rule asks: it is looked at/);
			assert.match(run.out, /host +localhost/);
			assert.ok(!hits.some((hit) => hit.url === `/asked-${answer[0]}`), 'nothing is connected before the answer');
			run.say(`${answer}\r`);
			await run.done;
			exited(run, 0);
			assert.match(toldModel(model)[0], answer === 'y' ? /hello GET/ : /mishri: denied by asks: net localhost:\d+ \(not today\)/);
			const [decided] = w.events('approval.decided');
			assert.equal(decided.data.answer, answer === 'y' ? 'allow' : 'deny');
			assert.equal(w.events('net.decided')[0].data.effect, answer === 'y' ? 'allow' : 'deny');
		});
	}
	test('nobody is there: no', async (t) => {
		const w = world(t, { policy: policyOf(asking) });
		model.setScenario({ replies: [{ calls: [shell(`${CURL} http://localhost:${plain}/nobody`)] }, { text: 'Done.' }] });
		await w.run(model, 'x');
		assert.match(toldModel(model)[0], /denied by asks[^]*nobody is there to ask/);
	});

	test('a limit counts connections, and the next one waits or is refused', async (t) => {
		const limit = (over) => `limits:\n  - { id: few, on: net, per: task, rate: 2/h, over: ${over} }\n`;
		const get = (n) => `${CURL} http://localhost:${plain}/limit${n}`;
		const w = world(t, { policy: `${policyOf(LOCAL)}${limit('deny')}` });
		model.setScenario({ replies: [{ calls: [shell(`${get(1)}; ${get(2)}; ${get(3)}`)] }, { text: 'Done.' }] });
		exited(await w.run(model, 'x'), 0);
		assert.match(toldModel(model)[0], /hello[^]*hello[^]*mishri: denied by few: net localhost:\d+ \(the limit few of/);
		assert.deepEqual(w.events('net.decided').map((e) => e.data.effect), ['allow', 'allow', 'deny']);
		assert.equal(w.events('limit.reached')[0].data.on, 'net');
		w.checkChain();
		const slow = world(t, { policy: `${policyOf(LOCAL)}limits:\n  - { id: slow, on: net, per: task, rate: 60/min, burst: 1, over: wait }\n` });
		model.setScenario({ replies: [{ calls: [shell(`${get(4)}; ${get(5)}`)] }, { text: 'Done.' }] });
		exited(await slow.run(model, 'x'), 0);
		assert.match(toldModel(model)[0], /hello[^]*hello/);
		assert.equal(slow.events('net.finished').length, 2);
	});

	// By TLS of the engine, into the one header, to the one host; the value is nowhere else.
	test('a secret goes from the engine to its host, and a program gets none', async (t) => {
		const w = world(t, { policy: policyOf(`${LOCAL}  - { id: fetch, allow: tool, tool: http_fetch }\n`) });
		const value = 'tok-9f3a5c7d1b2e4f60';
		fs.mkdirSync(path.join(w.home, '.config/mishri'), { recursive: true });
		fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'), `net.ca_file: ${ca}\nnet.resolver: ${resolver}\nsecrets:\n` +
			`  TOKEN: { env: TEST_TOKEN, allow: { tools: [http_fetch], hosts: [localhost] } }\n`);
		names.names['secure.test'] = ['127.0.0.1'];
		const fetch = (host) => ({ name: 'http_fetch', args: { url: `https://${host}:${secure}/secret-${host}`, headers: { Authorization: 'Bearer {{secret:TOKEN}}' } } });
		const raw = shell(`printf 'GET https://localhost:${secure}/secret-raw HTTP/1.1\\r\\nHost: localhost:${secure}\\r\\nMishri-Secret: TOKEN X-Token\\r\\n\\r\\n' > q
			bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; cat q >&3; cat <&3'`);
		model.setScenario({ replies: [{ calls: [fetch('localhost')] }, { calls: [fetch('secure.test')] }, { calls: [raw] }, { text: 'Done.' }] });
		const args = w.runArgs('x', '-m', 'openai/mock').filter((word) => word !== '--no-user-config');
		const run = await w.mishri(args, { env: { ...model.env, TEST_TOKEN: value } });
		exited(run, 0);
		const told = toldModel(model).join('\n---\n');
		assert.equal(hits.find((hit) => hit.url === '/secret-localhost')?.headers.authorization, `Bearer ${value}`, told);
		assert.ok(!hits.some((hit) => hit.url === '/secret-secure.test' || hit.url === '/secret-raw'), told);
		assert.match(told, /the secret TOKEN is not for secure\.test/);
		assert.match(told, /HTTP\/1\.1 403[^]*no such secret: 'TOKEN'/);
		assert.ok(!JSON.stringify(w.events()).includes(value), 'it is not written down');
	});
});
