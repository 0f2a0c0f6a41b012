// dashboard-large.test.mjs - the page where there is much: ten thousand tasks, a task of five thousand calls. The page's own marks are
// printed; what is asserted is generous, for a machine that does other things.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { browser } from './browser.mjs';
import { shell, startModel, world } from './lib.mjs';
import { serve, token } from './serve-lib.mjs';

const TASKS = 10000, TURNS = 1000, CALLS = 5;
let chrome;
before(async () => { chrome = await browser(); });
after(() => chrome.close());

// Copies of a task of the real program: rows as they are, with other ids.
function many_tasks(w, task) {
	const own = { tasks: { task: "printf('%012d', n)", root: "printf('%012d', n)", seq: '1000000 + n', goal: "'goal number ' || n", started_us: 'started_us - n * 1000000' },
		costs: { task: "printf('%012d', n)" } };
	for (const [table, change] of Object.entries(own)) {
		const columns = w.sql(`select name from pragma_table_info('${table}')`).map((c) => c.name);
		w.sql(`insert into ${table} (${columns.join(', ')}) with recursive k(n) as (select 1 union all select n + 1 from k where n < ${TASKS})
			select ${columns.map((c) => change[c] ?? c).join(', ')} from ${table}, k where task = '${task}'`);
	}
}

// The first turn of a task again and again, between it and the last one.
function many_calls(w, task) {
	const events = w.events().filter((e) => e.task === task), first = events.findIndex((e) => e.type === 'model.requested');
	const last = events.findLastIndex((e) => e.type === 'model.requested'), turn = events.slice(first, last);
	const spans = [...new Set(turn.map((e) => e.span_id))].filter((id) => id !== events[0].span_id).map((id) => id.slice(0, 8));
	w.sql('drop trigger events_stay');
	w.sql(`update events set seq = seq + 10000000 where seq >= ${events[last].seq}`);
	let text = 'replace(replace(data, \'"turn":1,\', \'"turn":\' || n || \',\'), \'"call":"1.\', \'"call":"\' || n || \'.\')';
	spans.forEach((id, i) => { text = `replace(${text}, '${id}', printf('%08x', n * 16 + ${i}))`; });
	w.sql(`insert into events (seq, time, type, session, task, data, prev, hash)
		with recursive k(n) as (select 2 union all select n + 1 from k where n < ${TURNS})
		select seq + n * 100, time, type, session, task, ${text}, prev, hash from events, k where seq between ${turn[0].seq} and ${turn.at(-1).seq}`);
}

test('the first view with ten thousand tasks; a task of five thousand calls, with its trace, while it is looked at', async (t) => {
	const w = world(t);
	const list = Array.from({ length: CALLS }, (_, i) => ({ name: 'list_dir', args: { path: `.${'/.'.repeat(i)}` } }));
	const model = await startModel({ replies: [{ calls: list }, { text: 'done' }, { calls: [shell('true')] }, { text: 'done', times: 0 }] });
	t.after(() => model.close());
	let s = await serve(t, w, { env: model.env });
	const { body } = await s.post('/v1/tasks', { goal: 'much to do', workspace: w.ws, model: 'openai/mock', plan: 'never' });
	await s.ended(body.task);
	await s.end();
	many_tasks(w, body.task);
	many_calls(w, body.task);
	s = await serve(t, w, { env: model.env });
	const secret = await token(w, 'me', '--role', 'admin');
	const context = await chrome.newContext({ viewport: { width: 1400, height: 860 } });
	t.after(() => context.close());
	const p = await context.newPage(), problems = [];
	p.on('pageerror', (error) => problems.push(error.message));
	p.setDefaultTimeout(60000);
	await p.goto(`http://127.0.0.1:${s.port}/`);
	await p.fill('input[name=token]', secret);
	await p.click('.signin button');
	await p.waitForSelector('body[data-ready]');
	const times = [];
	for (let i = 0; i < 5; i++) { // as one who comes again: signed in, the page reloaded
		await p.reload();
		await p.waitForSelector('body[data-ready]');
		times.push(await p.evaluate(() => performance.now()));
	}
	times.sort((a, b) => a - b);
	assert.match(await p.textContent('main'), /goal number/);
	const timed = async (hash, ready) => {
		const since = await p.evaluate((h) => { delete document.body.dataset.ready; location.hash = h; return performance.now(); }, hash);
		await p.waitForSelector(ready);
		await p.waitForSelector('body[data-ready]');
		return await p.evaluate((from) => performance.now() - from, since);
	};
	const talk = await timed(`#/task/${body.task}`, '.call');
	const shown = await p.$$eval('.call', (all) => all.length);
	const trace = await timed(`#/task/${body.task}/trace`, '.trace');
	// It answers while it has all of that in it.
	const frame = await p.evaluate(() => new Promise((done) => {
		const since = performance.now();
		requestAnimationFrame(() => setTimeout(() => done(performance.now() - since)));
	}));
	t.diagnostic(`first view ${times[2].toFixed(0)} ms (median of 5, ${times[4].toFixed(0)} at most); conversation of ${TURNS * CALLS} calls ${talk.toFixed(0)} ms, ` +
		`${shown} of them drawn; trace ${trace.toFixed(0)} ms; then a frame ${frame.toFixed(0)} ms`);
	assert.ok(times[2] < 10000 && talk < 30000 && trace < 30000 && frame < 5000);
	assert.deepEqual(problems, []);
	await s.end();
});
