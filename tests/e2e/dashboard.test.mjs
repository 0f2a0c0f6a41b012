// dashboard.test.mjs - the page at / of serve in a real browser: signing in, looking, starting, steering, answering. Nothing that a
// model wrote becomes markup, nothing is asked of anybody else, and it is usable by keys, in the dark and on a phone.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { axe, browser } from './browser.mjs';
import { AM_ROOT, ROOT, shell, startModel, world } from './lib.mjs';
import { Service, serve, token } from './serve-lib.mjs';

const EVIL = '</script><script>document.title="broken"</script><img src=x onerror="document.title=\'broken\'">';
const POLICY = `version: 1
name: ask
rules:
  - { id: ask, ask: tool, tool: shell, reason: "look first ${EVIL.replaceAll('"', '\\"')}" }
  - { id: files, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: no-deleting, deny: exec, program: rm, reason: "use trash" }
`;
let chrome;
before(async () => { chrome = await browser(); });
after(() => chrome.close());

// A page that is signed in, and that nothing leaves.
async function open(t, s, secret, options = {}, at = '') {
	const context = await chrome.newContext({ viewport: { width: 1400, height: 860 }, ...options });
	t.after(() => context.close());
	const p = await context.newPage(), own = `http://127.0.0.1:${s.port}/`;
	p.problems = [];
	p.foreign = [];
	p.on('pageerror', (error) => p.problems.push(error.message));
	p.on('request', (r) => r.url().startsWith(own) || p.foreign.push(r.url()));
	p.setDefaultTimeout(20000);
	await p.goto(own + at);
	if (secret !== undefined) {
		await p.fill('input[name=token]', secret);
		await p.click('.signin button');
		await p.waitForSelector('body[data-ready]');
	}
	return p;
}
const go = async (p, hash, ready) => { await p.evaluate((h) => { location.hash = h; }, hash); await p.waitForSelector(ready); };

async function ready(t, replies, options = {}) {
	const w = world(t, { policy: POLICY, ...options });
	const model = await startModel({ replies });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env });
	return { w, s, model, goal: { goal: 'say hello', workspace: w.ws, model: 'openai/mock', plan: 'never' } };
}

test('the files: one tag each, packed where it is wanted, a policy that lets nothing in, all of it small', async (t) => {
	const { s } = await ready(t, []);
	const page = await s.get('/', { tcp: true });
	assert.equal(page.status, 200);
	assert.match(page.headers['content-security-policy'], /default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'/);
	assert.match(page.headers['content-security-policy'], /frame-ancestors 'none'/);
	assert.equal(page.headers['x-content-type-options'], 'nosniff');
	assert.equal(page.headers['referrer-policy'], 'no-referrer');
	assert.doesNotMatch(page.text, /<script>|style=|https?:/);
	assert.equal((await s.get('/', { tcp: true, headers: { 'If-None-Match': page.headers.etag } })).status, 304);
	let sum = 0;
	for (const name of ['index.html', 'style.css', 'base.js', 'main.js', 'task.js', 'view.js', 'view.css']) {
		const packed = await fetch(`http://127.0.0.1:${s.port}/ui/${name}`, { headers: { 'Accept-Encoding': 'gzip' } });
		assert.equal(packed.headers.get('content-encoding'), 'gzip', name);
		sum += Number(packed.headers.get('content-length'));
		assert.equal(await packed.text(), (await s.get(`/ui/${name}`, { tcp: true })).text, name);
	}
	assert.ok(sum < 150 * 1024, `${sum} bytes`);
	for (const wrong of ['/ui/', '/ui/nothing.js', '/ui/index.html.gz', '/ui'])
		assert.ok([400, 404].includes((await s.get(wrong, { tcp: true })).status), wrong);
	assert.equal((await s.ask('POST', '/', { tcp: true, body: {} })).status, 405);
	assert.equal(gunzipSync(fs.readFileSync(path.join(ROOT, 'build/data/dashboard.stamp.d/main.js.gz'))).toString(), fs.readFileSync(path.join(ROOT, 'data/dashboard/main.js'), 'utf8'));
	await s.end();
});

test('a page of another origin may say nothing, the own one may', async (t) => {
	const { s, w } = await ready(t, []);
	const secret = await token(w, 'me', '--role', 'admin'), say = (origin) => s.post('/v1/policy/check', { workspace: w.ws, tool: 'read_file' }, { token: secret, headers: { Origin: origin } });
	assert.equal((await say(`http://127.0.0.1:${s.port}`)).status, 200);
	for (const origin of ['null', 'http://evil.example', `http://127.0.0.1:${s.port}.evil.example`, `http://localhost:${s.port}`, 'http://127.0.0.1', 'http://'])
		assert.equal((await say(origin)).status, 403, origin);
	await s.end();
});

test('from signing in to a task that a person let go on with other arguments; a second one is denied with a reason', async (t) => {
	const { s, w, goal } = await ready(t, [{ text: EVIL, calls: [shell('echo before > made')] }, { calls: [shell('echo second')] }, { text: `done ${EVIL}` }]);
	const stranger = await open(t, s);
	await stranger.fill('input[name=token]', 'mishri-nothing-at-all');
	await stranger.click('.signin button');
	await stranger.waitForSelector('.wrong');
	assert.equal(await stranger.evaluate(() => sessionStorage.getItem('mishri-token')), null);
	const page = await open(t, s, await token(w, 'me', '--role', 'admin'));
	await page.waitForSelector('#live.on');
	await page.click('#start');
	await page.fill('dialog textarea[name=goal]', `a goal ${EVIL}`);
	await page.fill('dialog input[name=workspace]', '/nowhere');
	await page.fill('dialog input[name=model]', goal.model);
	await page.selectOption('dialog select[name=plan]', 'never');
	await page.click('dialog button[type=submit]');
	await page.waitForSelector('dialog .wrong');
	await page.fill('dialog input[name=workspace]', w.ws);
	await page.click('dialog button[type=submit]');
	await page.waitForFunction(() => location.hash.startsWith('#/task/'));
	await page.waitForSelector('.turn .said');
	const task = (await page.evaluate(() => location.hash)).split('/')[2];
	await page.waitForSelector('.badge');
	await go(page, '#/approvals', '[data-do=edit]');
	await page.click('[data-do=edit]');
	await page.fill('dialog textarea', '{ no json');
	await page.click('dialog button[type=submit]');
	await page.waitForSelector('dialog .wrong');
	await page.fill('dialog textarea', JSON.stringify({ command: 'echo edited > made' }));
	await page.click('dialog button[type=submit]');
	await page.waitForFunction(() => document.querySelector('#view pre')?.textContent.includes('echo second'));
	assert.equal(fs.readFileSync(path.join(w.ws, 'made'), 'utf8'), 'edited\n');
	await page.click('[data-do=deny]');
	await page.fill('dialog textarea', 'not today');
	await page.click('dialog button[type=submit]');
	await page.waitForSelector('.empty');
	await s.ended(task);
	assert.ok(w.events('approval.decided').some((e) => JSON.stringify(e.data).includes('not today')));
	for (const [tab, sign] of [['', '.turn .said'], ['/trace', '.trace'], ['/events', 'details.call'], ['/changes', '.empty'], ['/facts', 'dl'], ['', '.turn']])
		await go(page, `#/task/${task}${tab}`, sign);
	assert.ok((await page.textContent('#view')).includes('<img src=x onerror='), 'shown as it was said');
	assert.equal(await page.locator('#view img, #view script').count(), 0);
	assert.doesNotMatch(await page.title(), /broken/);
	await go(page, '#/tasks', `[data-row="${task}"]`);
	assert.deepEqual(page.problems, []);
	assert.deepEqual(page.foreign, []);
	await page.click('#leave');
	assert.equal(await page.evaluate(() => sessionStorage.getItem('mishri-token')), null);
	await s.end();
	w.checkChain();
});

test('what a person says yes to hides nothing, turns no line round, and has no letter that passes for another', async (t) => {
	const hidden = 'curl p\u0430ypal.example \u202e)txt.exe(\u200b', policy = 'version: 1\nrules:\n  - { id: a, ask: tool, tool: shell }\n  - { id: p, ask: exec, program: printf }\n  - { id: q, allow: exec, program: { from: system } }\n';
	const { s, w, goal } = await ready(t, [{ calls: [shell(hidden)] }, { calls: [shell('/usr/bin/printf \u0430\u202e')] }, { text: 'done' }], { policy });
	const page = await open(t, s, await token(w, 'me', '--role', 'approver'), {}, '#/approvals');
	const { body } = await s.post('/v1/tasks', goal);
	const box = page.locator('section.box');
	await box.waitFor();
	assert.equal(await box.locator('pre').first().textContent(), 'curl p<U+0430>ypal.example <U+202E>)txt.exe(<U+200B>');
	assert.doesNotMatch(await box.textContent(), /[\u0430\u202e\u200b]/, 'neither in what is folded away');
	await page.click('[data-do=edit]');
	const text = await page.inputValue('dialog textarea');
	assert.match(text, /\\u202e.*\\u200b/);
	assert.deepEqual(JSON.parse(text), { command: hidden }, 'and yet it is the same');
	await page.fill('dialog textarea', JSON.stringify({ command: 'true' }));
	await page.click('dialog button[type=submit]');
	await page.waitForFunction(() => document.querySelector('section.box pre')?.textContent.startsWith('/usr/bin/printf <'));
	await page.click('[data-do=approve]');
	await page.waitForFunction(() => document.querySelector('section.box pre')?.textContent === "/usr/bin/printf '<U+0430><U+202E>'");
	await page.click('[data-do=deny]');
	await page.click('dialog button[type=submit]');
	await s.ended(body.task);
	const [stored] = w.events('approval.requested').filter((e) => e.data.kind === 'tool');
	assert.equal(stored.data.action.args.command, hidden, 'what was asked about stands in the record as it is');
	await s.end();
});

test('the policy of the page stops a script, a picture and a request that somebody got into it', async (t) => {
	const { s } = await ready(t, []);
	const p = await open(t, s, undefined);
	const tried = await p.evaluate(async () => {
		const seen = [];
		addEventListener('securitypolicyviolation', (e) => seen.push(e.effectiveDirective));
		const script = document.createElement('script');
		try { script.textContent = 'window.broken = 1'; document.body.append(script); } catch {}
		try { document.body.insertAdjacentHTML('beforeend', '<b onclick="1">x</b>'); } catch {}
		const image = new Image();
		image.src = 'http://127.0.0.2:9/x.png';
		await fetch('http://127.0.0.2:9/').catch(() => {});
		await new Promise((done) => setTimeout(done, 300));
		return { seen, broken: window.broken, html: document.querySelector('b[onclick]') !== null };
	});
	assert.equal(tried.broken, undefined);
	assert.equal(tried.html, false);
	for (const directive of [/script|trusted/, /img-src/, /connect-src/])
		assert.ok(tried.seen.some((d) => directive.test(d)), `${directive} in ${tried.seen}`);
	const open_page = await (await chrome.newContext()).newPage();
	await open_page.setContent('<p>no policy</p>');
	assert.equal(await open_page.evaluate(() => { const e = document.createElement('script'); e.textContent = 'window.broken = 1'; document.body.append(e); return window.broken; }), 1, 'without the policy it works');
	await open_page.context().close();
	await s.end();
});

test('by keys alone: marked, opened, steered, paused, resumed, cancelled', async (t) => {
	const { s, w, goal } = await ready(t, [{ hang: 'before', times: 0 }]);
	const p = await open(t, s, await token(w, 'me', '--role', 'operator'));
	const { body } = await s.post('/v1/tasks', { ...goal, goal: 'came while the page was open' }, { token: await token(w, 'other', '--role', 'operator') });
	await p.waitForSelector(`[data-row="${body.task}"]`);
	await p.keyboard.press('j');
	await p.keyboard.press('Enter');
	await p.waitForSelector('[data-do=pause]');
	await p.keyboard.press('s');
	await p.keyboard.type('hurry up');
	await p.keyboard.press('Tab');
	await p.keyboard.press('Tab');
	await p.keyboard.press('Tab');
	await p.keyboard.press('Tab');
	await p.keyboard.press('Enter');
	await p.waitForFunction(() => document.querySelector('dialog') === null);
	await p.waitForFunction(() => document.querySelector('#view').textContent.includes('hurry up'));
	await p.keyboard.press('p');
	await p.waitForSelector('[data-do=resume]');
	await p.keyboard.press('p');
	await p.waitForSelector('[data-do=pause]');
	await p.keyboard.press('x');
	await p.waitForSelector('dialog');
	await p.keyboard.press('Space');
	await p.click('dialog button[type=submit]');
	await s.ended(body.task);
	await p.waitForSelector('.top .state.cancelled');
	await p.keyboard.press('u');
	await p.waitForSelector('#start');
	await p.keyboard.press('/');
	assert.equal(await p.evaluate(() => document.activeElement.name), 'q');
	await p.keyboard.press('Escape');
	await p.keyboard.press('?');
	await p.waitForSelector('dialog kbd');
	await p.keyboard.press('Escape');
	await p.keyboard.press('g');
	await p.keyboard.press('h');
	await p.waitForFunction(() => location.hash === '#/health');
	assert.deepEqual(p.problems, []);
	await s.end();
});

test('policy, schedules, cost, search, health and audit; what a role may not, it does not see; axe has no complaint', async (t) => {
	const { s, w, goal } = await ready(t, [{ calls: [{ name: 'list_dir', args: {} }] }, { text: 'all is well' }, { text: 'again', times: 0 }]);
	const { body } = await s.post('/v1/tasks', goal);
	await s.ended(body.task);
	assert.equal((await s.post('/v1/schedules', { name: 'nightly', goal: 'say hello', workspace: w.ws, cron: '0 3 * * *', model: 'openai/mock', plan: 'never' })).status, 201);
	const p = await open(t, s, await token(w, 'me', '--role', 'admin'));
	await go(p, `#/policy?workspace=${w.ws}`, '#playground');
	await p.selectOption('#playground select', 'exec');
	await p.click('#playground button');
	await p.waitForSelector('#said .state.deny');
	assert.match(await p.textContent('#said'), /no-deleting/);
	await p.click('#backtest');
	await p.waitForSelector('.cards');
	assert.match(await p.textContent('tr[data-rule=files]'), /files\s*[1-9]/);
	await go(p, '#/schedules', 'text=nightly');
	await p.click('text=Pause');
	await p.waitForSelector('.state.paused');
	await p.click('text=Resume');
	await p.waitForSelector('text=Run now');
	await go(p, '#/cost?by=model', 'table');
	await go(p, '#/search?q=well', `[data-row="${body.task}"]`);
	await go(p, '#/search?q=nothingfits', '.empty');
	await go(p, '#/health', '.state.good');
	await go(p, '#/audit', '#verify');
	await p.click('#verify');
	await p.waitForSelector('#verdict');
	assert.match(await p.textContent('#verdict'), /as it was written/);
	const views = ['#/tasks', `#/task/${body.task}`, `#/task/${body.task}/trace`, `#/task/${body.task}/events`, '#/approvals', '#/cost', `#/policy?workspace=${w.ws}`, '#/schedules', '#/search', '#/health', '#/audit'];
	for (const [scheme, width] of [['light', 1400], ['dark', 1400], ['light', 390]]) {
		const q = await open(t, s, await token(w, `${scheme}${width}`, '--role', 'admin'), { colorScheme: scheme, viewport: { width, height: 860 } });
		for (const hash of views) {
			await q.evaluate((h) => { delete document.body.dataset.ready; if (location.hash === h) location.hash = '#/nowhere'; location.hash = h; }, hash);
			await q.waitForSelector('body[data-ready]');
			assert.deepEqual(await axe(q), [], `${hash} ${scheme} ${width}`);
			const wide = await q.evaluate(() => document.documentElement.scrollWidth - innerWidth);
			assert.ok(wide <= 0, `${hash} is ${wide} px too wide at ${width}`);
		}
		assert.deepEqual(q.problems, []);
	}
	const viewer = await open(t, s, await token(w, 'v', '--role', 'viewer'));
	assert.equal(await viewer.locator('#start').count(), 0);
	await go(viewer, '#/audit', '.empty');
	await go(viewer, `#/task/${body.task}`, '.turn');
	assert.equal(await viewer.locator('[data-do]').count(), 0);
	await s.end();
});

test('the service goes and comes again: the page says so, and goes on', async (t) => {
	const { s, w, model } = await ready(t, [{ text: 'done', times: 0 }]);
	const p = await open(t, s, await token(w, 'me', '--role', 'admin')), port = s.port;
	await p.waitForSelector('#live.on');
	await s.end();
	await p.waitForFunction(() => document.querySelector('#live').textContent === 'reconnecting');
	const process = w.start(['serve', ...w.places(), '-p', w.policy, '--listen', `127.0.0.1:${port}`], { env: model.env, timeout_ms: 120000 });
	t.after(() => process.ended || process.kill('SIGKILL'));
	await process.until(/port \d+/, 'out');
	const again = new Service(w, process);
	await p.waitForSelector('#live.on');
	const { body } = await again.post('/v1/tasks', { goal: 'after it', workspace: w.ws, model: 'openai/mock', plan: 'never' });
	await p.waitForSelector(`[data-row="${body.task}"]`);
	await again.end();
});

test('what a task changed, and another try from a point of it; an event of another task is none of it', async (t) => {
	const { s, w, goal } = await ready(t, [{ calls: [{ name: 'write_file', args: { path: 'new.txt', content: `first ${EVIL}\n` } }] }, { text: 'done' }, { text: 'forked', times: 0 }]);
	const { body } = await s.post('/v1/tasks', { ...goal, workspace_mode: 'overlay' });
	await s.ended(body.task);
	const other = (await s.post('/v1/tasks', goal)).body;
	await s.ended(other.task);
	const last = (await s.get(`/v1/tasks/${other.task}/events?limit=1000`)).body.events.at(-1).seq;
	for (const wrong of [{ event: last }, { event: 0 }, { event: 'x' }, { event: 1, surprise: 1 }])
		assert.equal((await s.post(`/v1/tasks/${body.task}/fork`, wrong)).status, 422, JSON.stringify(wrong));
	const viewer = { token: await token(w, 'v', '--role', 'viewer') };
	assert.equal((await s.post(`/v1/tasks/${other.task}/fork`, { event: last }, viewer)).status, 403);
	for (const target of ['/v1/audit', `/v1/policy/backtest?workspace=${w.ws}`])
		assert.equal((await s.get(target, viewer)).status, 403, target);
	assert.deepEqual((await s.get('/v1/me', viewer)).body.rights, ['read']);
	const p = await open(t, s, await token(w, 'me', '--role', 'operator'));
	await go(p, `#/task/${body.task}/changes`, '.add');
	assert.match(await p.textContent('.add'), /first <\/script>/);
	await go(p, `#/task/${other.task}`, '[data-do=fork]');
	await p.click('[data-do=fork]');
	await p.fill('dialog textarea', 'differently');
	await p.click('dialog button[type=submit]');
	await p.waitForFunction((task) => location.hash.startsWith('#/task/') && !location.hash.includes(task), other.task);
	const made = (await p.evaluate(() => location.hash)).split('/')[2];
	assert.equal((await s.ended(made)).result, 'forked');
	assert.deepEqual(p.problems, []);
	await s.end();
	w.checkChain();
});

const PEOPLE = `version: 1
groups: { ops: [me, you] }
rules:
  - { id: two, ask: tool, tool: write_file, reason: "two look", approval: { from: "group:ops", count: 2, remember: task } }
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
`;

test('two people say yes, it is remembered, and taken back; a question is answered; a schedule is run and removed; what is late is red', { skip: !AM_ROOT && 'only root makes tokens for others' }, async (t) => {
	const { s, w, goal } = await ready(t, [{ calls: [{ name: 'write_file', args: { path: 'one', content: 'first line' } }] },
		{ text: 'written' }, { calls: [{ name: 'ask_user', args: { question: 'Which colour?' } }] }, { match: 'blue', text: 'done' }, { text: 'at last', times: 0 }], { policy: PEOPLE });
	const { body } = await s.post('/v1/tasks', goal);
	const me = await open(t, s, await token(w, 'first', '--user', 'me', '--role', 'admin')), you = await open(t, s, await token(w, 'second', '--user', 'you', '--role', 'admin'));
	for (const p of [me, you])
		await go(p, '#/approvals', '[data-do=approve]');
	assert.match(await me.textContent('.box'), /group:ops.*0 of 2/s);
	await me.selectOption('.box select', 'task');
	await me.click('[data-do=approve]');
	await you.waitForFunction(() => /1 of 2: me/.test(document.querySelector('.box')?.textContent ?? ''));
	assert.equal(w.has('one'), false);
	await you.selectOption('.box select', 'task');
	await you.click('[data-do=approve]');
	await me.waitForSelector('text=Revoke');
	assert.match(await me.textContent('table'), /two.*write_file.*task/s);
	await me.click('text=Revoke');
	await me.waitForSelector('text=Revoke', { state: 'detached' });
	await s.ended(body.task);
	const asks = (await s.post('/v1/tasks', { ...goal, plan: 'always' })).body.task;
	const owner = await open(t, s, await token(w, 'third', '--role', 'admin'));
	await go(owner, `#/task/${asks}`, 'form >> text=Which colour?');
	await owner.fill('form.note textarea', 'blue');
	await owner.click('form.note button.main');
	assert.equal((await s.ended(asks)).state, 'done');
	assert.equal(w.read('one'), 'first line');
	assert.equal((await s.post('/v1/schedules', { ...goal, name: 'nightly', goal: 'say good night', cron: '0 3 * * *' })).status, 201);
	await go(owner, '#/schedules', 'text=say good night');
	await owner.click('text=Run now');
	for (let i = 0; i < 200 && w.events('schedule.fired').length === 0; i++)
		await new Promise((done) => setTimeout(done, 50));
	assert.equal(w.events('schedule.fired')[0].data.cause, 'hand');
	await owner.click('tr >> text=Remove');
	await owner.click('dialog button[type=submit]');
	await owner.waitForSelector('text=No schedule.');
	await owner.route('**/v1/health', async (route) => {
		const answer = await route.fetch(), health = await answer.json();
		health.beats[0].state = 'late';
		await route.fulfill({ json: health });
	});
	await go(owner, '#/health', 'td .state.failed');
	assert.equal(await owner.textContent('td .state.failed'), 'late');
	assert.ok(await owner.locator('td .state.good').count() > 0);
	await owner.unrouteAll({ behavior: 'ignoreErrors' });
	assert.deepEqual([...me.problems, ...owner.problems, ...you.problems], []);
	await s.end();
});

test('what is new takes nothing from a person: what is chosen, focused, open and scrolled stays; a box that has just moved takes no answer', async (t) => {
	const asks = (command, remember) => `  - { id: ${command}, ask: tool, tool: shell, args: { command: ["echo ${command}"] }, approval: { remember: ${remember} } }\n`;
	const { s, w, goal, model } = await ready(t, [{ match: 'first', calls: [shell('echo one')] }, { match: 'second', calls: [shell('echo two')] }, { match: 'third', calls: [shell('echo three')] },
		{ text: 'done', times: 0 }], { policy: `version: 1\nrules:\n${asks('one', 'task')}${asks('two', '7d')}${asks('three', 'never')}  - { id: programs, allow: exec, program: { from: system } }\n` });
	const start = async (name) => (await s.post('/v1/tasks', { ...goal, goal: name })).body.task, waiting = (p, n) => p.waitForFunction((many) => document.querySelectorAll('.box').length === many, n);
	const first = await start('the first'), p = await open(t, s, await token(w, 'me', '--role', 'admin'), { viewport: { width: 900, height: 500 } });
	await go(p, '#/approvals', '[data-do=approve]');
	await start('the second');
	await waiting(p, 2);
	const box = (n) => p.locator('.box').nth(n);
	await box(1).locator('select').selectOption('session');
	await box(1).locator('summary').click();
	await box(1).locator('select').focus();
	await p.evaluate(() => { window.before = document.querySelectorAll('.box')[1]; });
	await start('the third');
	await waiting(p, 3);
	assert.deepEqual(await p.$$eval('.box', (all) => all.map((b) => [...b.querySelectorAll('option')].map((o) => o.value))),
		[['', 'task'], ['', 'task', 'session', '1d', '604800s'], []], 'as long as each rule lets it be');
	assert.equal(await box(1).locator('select').inputValue(), 'session');
	assert.equal(await box(1).locator('details').getAttribute('open'), '');
	assert.ok(await p.evaluate(() => document.querySelectorAll('.box')[1] === window.before && document.activeElement === window.before.querySelector('select')));

	// Presses in the moment in which the second comes to stand where the first was.
	await p.evaluate(() => {
		const above = document.querySelector('.box');
		new MutationObserver((list, me) => {
			if (above.isConnected)
				return;
			me.disconnect();
			document.querySelector('.box [data-do=approve]').click();
			window.pressed = true;
		}).observe(above.parentNode, { childList: true });
	});
	const { approvals } = (await s.get('/v1/approvals')).body;
	assert.equal(approvals[0].task, first);
	assert.equal((await s.post(`/v1/approvals/${approvals[0].approval}`, { answer: 'deny', digest: approvals[0].digest })).status, 200);
	await p.waitForFunction(() => window.pressed);
	await p.waitForSelector('.toast >> text=just moved');
	await waiting(p, 2);
	assert.equal((await s.get('/v1/approvals')).body.approvals.length, 2, 'nothing but the first was answered');
	assert.equal(await box(0).locator('select').inputValue(), 'session', 'it is the second, with what was chosen');
	await p.evaluate(() => document.activeElement.blur());
	await p.keyboard.press('a');
	await new Promise((done) => setTimeout(done, 300));
	assert.equal((await s.get('/v1/approvals')).body.approvals.length, 2, 'with two boxes a key answers the marked one alone');
	await box(0).locator('select').selectOption('604800s');
	await box(0).locator('[data-do=approve]').click();
	await waiting(p, 1);
	assert.equal((await s.get('/v1/grants')).body.grants[0].scope, 'date');
	await p.waitForSelector('[data-do=approve]:not([aria-disabled])');
	await p.keyboard.press('a');
	await waiting(p, 0);

	const many = await p.evaluate(() => { location.hash = '#/tasks'; }) ?? 3;
	await p.waitForFunction((n) => document.querySelectorAll('tbody tr').length === n, many);
	await p.setViewportSize({ width: 390, height: 700 });
	await p.focus(`[data-row="${first}"] a`);
	await p.evaluate(() => { window.before = document.activeElement; document.querySelector('.scroll').scrollLeft = 40; });
	const scrolled = await p.evaluate(() => document.querySelector('.scroll').scrollLeft);
	await start('the last');
	await p.waitForFunction(() => document.querySelectorAll('tbody tr').length === 4);
	assert.deepEqual(await p.evaluate(() => [document.activeElement === window.before, document.querySelector('.scroll').scrollLeft]), [true, scrolled]);
	assert.match(await p.textContent('tbody tr'), /the last/);
	assert.ok(model.requests.length > 0);
	assert.deepEqual(p.problems, []);
	await s.end();
});

test('budgets under cost: what is spent, of how much, and what happens beyond', async (t) => {
	const budgets = `budgets:
  - { id: a-day, per: user/day, calls: 4, tokens: 1000000, over: ask }
  - { id: everybody, per: store/day, calls: 40, over: deny }
  - { id: each-task, per: task, calls: 30, over: deny }
`;
	const { s, w, goal } = await ready(t, [{ calls: [{ name: 'list_dir', args: {} }, { name: 'list_dir', args: { path: '.' } }, { name: 'list_dir', args: { path: './' } }] },
		{ text: 'done' }], { policy: POLICY + budgets });
	const { body } = await s.post('/v1/tasks', goal);
	await s.ended(body.task);
	const shown = JSON.parse((await w.mishri(['policy', 'budgets', ...w.places(), '-p', w.policy, '-w', w.ws, '--json', '--task', body.task])).out);
	assert.deepEqual(shown.budgets.filter((b) => b.unit === 'calls').map((b) => [b.budget, b.spent, b.most, b.percent]),
		[['a-day', 3, 4, 75], ['everybody', 3, 40, 7], ['each-task', 3, 30, 10]]);
	const p = await open(t, s, await token(w, 'me', '--role', 'viewer'));
	await go(p, '#/cost', '[aria-label=Budgets]');
	const rows = await p.$$eval('[aria-label=Budgets] tbody tr', (list) => list.map((r) => r.textContent.replace(/\s+/g, ' ')));
	assert.equal(rows.length, 4);
	assert.match(rows.find((r) => /a-day.*calls/.test(r)), /user\/day ?75 % ?3 calls ?0 calls ?4 calls ?a person is asked/);
	assert.match(rows.find((r) => /each-task/.test(r)), /counted for each task/);
	assert.deepEqual(await axe(p), []);
	assert.equal(await p.getAttribute('[role=meter][aria-valuenow="75"]', 'aria-label'), 'a-day: used');
	await s.end();
});
