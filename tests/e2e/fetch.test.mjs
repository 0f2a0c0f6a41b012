// http_fetch through the whole program: real servers on loopback, the real proxy, redirects hop by hop, bodies of every kind.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import zlib from 'node:zlib';
import { after, before, describe, test } from 'node:test';
import { USERS, exited, startModel, toldModel, world } from './lib.mjs';

const listen = (server) => new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)));
const hits = [];
let web, other, port, second;

const PAGE = '<html><head><title>T</title><script>no()</script></head><body><h1>Hello</h1><p>A <a href="/there?a=1&amp;b=2">link</a>.</p></body></html>';
const BOMB = zlib.gzipSync(Buffer.alloc(64 << 20));
const pages = {
	'/page': (req, res) => res.writeHead(200, { 'content-type': 'text/html' }).end(PAGE),
	'/gzip': (req, res) => res.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' }).end(zlib.gzipSync('packed text')),
	'/bomb': (req, res) => res.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' }).end(BOMB),
	'/json': (req, res) => res.writeHead(200, { 'content-type': 'application/json' }).end('{"a":[1,{"b":null}]}'),
	'/latin': (req, res) => res.writeHead(200, { 'content-type': 'text/plain; charset=iso-8859-1' }).end(Buffer.from('gr\xfc\xdfe', 'latin1')),
	'/png': (req, res) => res.writeHead(200, { 'content-type': 'image/png' }).end(Buffer.from([0x89, 0x50, 0, 1, 2, 255])),
	'/big': (req, res) => res.writeHead(200, { 'content-type': 'text/plain' }).end('0123456789'.repeat(30000)),
	'/chunks': (req, res) => { res.writeHead(200, { 'content-type': 'text/plain' }); for (let i = 0; i < 50; i++) res.write(`piece ${i}\n`); res.end(); },
	'/echo': (req, res) => { let all = ''; req.on('data', (c) => { all += c; }).on('end', () => res.end(`${req.method} ${req.headers['content-type']} ${all}`)); },
	'/missing': (req, res) => res.writeHead(404, { 'content-type': 'text/plain' }).end('not here'),
	'/hop': (req, res) => res.writeHead(302, { location: 'page' }).end(),
	'/away': (req, res) => res.writeHead(307, { location: `http://other.test:${second}/page` }).end(),
	'/metadata': (req, res) => res.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end(),
	'/file': (req, res) => res.writeHead(302, { location: 'file:///etc/passwd' }).end(),
	'/loop': (req, res) => res.writeHead(302, { location: '/loop' }).end(),
	'/post303': (req, res) => res.writeHead(303, { location: '/echo' }).end(),
};
const answer = (req, res) => {
	hits.push({ url: req.url, method: req.method, host: req.headers.host, headers: req.headers });
	(pages[req.url] ?? pages['/missing'])(req, res);
};

before(async () => {
	web = http.createServer(answer);
	other = http.createServer(answer);
	port = await listen(web);
	second = await listen(other);
});
after(() => {
	for (const server of [web, other]) {
		server.closeAllConnections();
		server.close();
	}
});

const policyOf = (rules) => `version: 1\nrules:\n  - { id: tools, allow: tool, tool: "*" }\n${rules}`;
const HERE = '  - { id: here, allow: net, host: localhost, private: true }\n';

async function fetched(t, rules, calls, options = {}) {
	const w = world(t, { policy: policyOf(rules), ...options });
	const model = await startModel({ replies: [{ calls: calls.map((args) => ({ name: 'http_fetch', args })) }, { text: 'Done.' }] });
	t.after(() => model.close());
	hits.length = 0;
	exited(await w.run(model, 'x', { timeout_ms: 40000 }), 0);
	const told = toldModel(model); // a long one is not in the row of the event
	return { w, done: w.events('call.finished').map((e, i) => ({ ...e.data, output: told[i] })) };
}
const at = (name, more = {}) => ({ url: `http://localhost:${port}${name}`, ...more });

describe('what comes back', () => {
	for (const { name, as_nobody } of USERS) {
		test(`text, pages, JSON, packed, in pieces, in old characters, as ${name}`, async (t) => {
			const { w, done } = await fetched(t, HERE, [at('/page'), at('/page', { as: 'html' }), at('/gzip'), at('/json'), at('/latin'),
				at('/chunks'), at('/missing'), at('/png'), at('/png', { save: 'pictures/a.png' }), at('/page', { method: 'HEAD' }),
				at('/echo', { method: 'POST', body: 'größe', headers: { 'Content-Type': 'text/plain' } })], { as_nobody });
			const [page, html, gzip, json, latin, chunks, missing, png, saved, head, echo] = done;
			assert.match(page.output, new RegExp(`^http://localhost:${port}/page: 200, text/html, ${PAGE.length} bytes\n\n# T\n\n# Hello\n\n` +
				`A \\[link\\]\\(http://localhost:${port}/there\\?a=1&b=2\\)\\.\n`));
			assert.ok(html.output.includes(PAGE));
			assert.match(gzip.output, /packed text/);
			assert.match(json.output, /\{\n {2}"a": \[\n {4}1,/);
			assert.match(latin.output, /grüße/);
			assert.match(chunks.output, /piece 0\n[^]*piece 49\n/);
			assert.deepEqual([missing.status, /404[^]*not here/.test(missing.output)], ['error', true]);
			assert.match(png.output, /image\/png, 6 bytes; it is no text and not shown/);
			assert.match(saved.output, /saved as pictures\/a\.png, sha256 [0-9a-f]{64}/);
			assert.deepEqual([...fs.readFileSync(path.join(w.ws, 'pictures/a.png'))], [0x89, 0x50, 0, 1, 2, 255]);
			assert.equal(fs.statSync(path.join(w.ws, 'pictures/a.png')).uid, fs.statSync(w.ws).uid);
			assert.match(head.output, /: 200, text\/html, 0 bytes/);
			assert.match(echo.output, /POST text\/plain größe/);
			assert.deepEqual([...page.taint].sort(), ['network', 'untrusted']);
		});
	}

	test('too much is bounded and said: a bomb, a long text, a file that is there', async (t) => {
		const { done } = await fetched(t, HERE, [at('/bomb'), at('/big'), at('/big', { max_bytes: 100 }), at('/page', { save: 'there.txt' })],
			{ files: { 'there.txt': 'mine' } });
		assert.match(done[0].output, /unpacks to more than 16 MiB; it is not read/);
		assert.equal(done[0].status, 'error');
		assert.match(done[1].output, /the first \d+ of 300000 bytes of text/);
		assert.ok(done[1].output.length <= 57344);
		assert.ok(done[2].output.length < 400);
		assert.match(done[3].output, /is there already; nothing was written/);
	});
});

describe('where it may go', () => {
	test('each hop is a decision: on, away, to metadata, to a file, in circles', async (t) => {
		const { w, done } = await fetched(t, HERE, [at('/hop'), at('/away'), at('/metadata'), at('/file'), at('/loop'), at('/hop', { follow: false }),
			{ url: `http://127.0.0.1:${port}/page` }, { url: `http://0x7f.1:${port}/page` }, at('/post303', { method: 'POST', body: 'x' })]);
		const [hop, away, metadata, file, loop, stay, number, odd, post] = done;
		assert.match(hop.output, /\/page: 200, .*after 1 redirect\n\n# T/);
		for (const one of [away, metadata, number, odd]) {
			assert.equal(one.status, 'error');
			assert.match(one.output, /not fetched: .*denied/);
		}
		assert.match(file.output, /the redirect to 'file:\/\/\/etc\/passwd' cannot be followed/);
		assert.match(loop.output, /more than 5 redirects/);
		assert.match(stay.output, /: 302, .*it redirects to page/);
		assert.match(post.output, /GET undefined/);
		assert.ok(!hits.some((hit) => hit.host?.startsWith('other.test')));
		assert.ok(w.events('net.decided').some((e) => e.data.effect === 'deny'));
	});

	test('the act works without the guard: the same redirect, allowed', async (t) => {
		const { done } = await fetched(t, '  - { id: all, allow: net, host: 127.0.0.1, private: true }\n', [{ url: `http://127.0.0.1:${port}/page` }]);
		assert.match(done[0].output, /: 200, text\/html/);
	});

	test('without a rule there is no way out, and a rule may say no by method', async (t) => {
		const none = await fetched(t, '', [at('/page')]);
		assert.match(none.done[0].output, /not fetched: .*denied by default/);
		const reading = await fetched(t, HERE + '  - { id: no-writes, deny: tool, tool: http_fetch, risk: high }\n',
			[at('/page'), at('/echo', { method: 'POST', body: 'x' })]);
		assert.equal(reading.done[0].status, 'ok');
		assert.equal(reading.done[1].status, 'denied');
		assert.match(reading.done[1].output, /no-writes/);
	});

	test('what is no address, or no header, is told before anything happens', async (t) => {
		const rows = [[{ url: 'ftp://localhost/' }, /must begin with https/], [{ url: 'http://a b/' }, /must be written as %20/],
			[{ url: 'http://u:p@localhost/' }, /user name/], [at('/x', { headers: { Host: 'x' } }), /is set by the tool itself/],
			[at('/x', { headers: { 'X-A': 'a\r\nX-B: c' } }), /line break/], [at('/x', { headers: { 'a b': 'x' } }), /no name of a header/],
			[at('/x', { headers: { 'Mishri-Secret': 'A B' } }), /is set by the tool itself/], [at('/x', { body: 'x' }), /is not for GET/],
			[at('/x', { headers: { 'X-A': 'x{{secret:A}}' } }), /no secret 'A'|stands alone/], [at('/x', { save: '../out' }), /\.\.|outside/]];
		const { done } = await fetched(t, HERE, rows.map((row) => row[0]));
		done.forEach((one, i) => {
			assert.notEqual(one.status, 'ok', one.output);
			assert.match(one.output, rows[i][1]);
		});
		assert.deepEqual(hits, []);
	});
});
