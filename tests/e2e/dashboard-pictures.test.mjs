// dashboard-pictures.test.mjs - the page as somebody meets it who has used it for a day: the demonstration's task, others that were done,
// denied and stopped by a budget, one that waits for a person. MISHRI_SCREENSHOTS=1 writes the pictures of the documents.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { axe, browser } from './browser.mjs';
import { ROOT, shell, sleep, world } from './lib.mjs';
import { serve, token } from './serve-lib.mjs';

const POLICY = `version: 1
name: web-shop
rules:
  - { id: files-here, allow: tool, tool: [read_file, list_dir, search, edit_file, write_file] }
  - { id: shell, allow: tool, tool: shell }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: no-deleting, deny: exec, program: [rm, shred], reason: "move files to .trash/ instead" }
  - { id: ship, ask: exec, program: cp, argv: { contains: "release/shop-2.4.tar" }, reason: "what goes to release/ is what customers get", approval: { expires: 4h } }
budgets:
  - { id: a-day, per: user/day, usd: 5, over: ask }
  - { id: the-team, per: store/day, usd: 40, over: deny }
`;
// Goals of a day: what the model says, and what it cost.
const DAY = [
	['Update the dependencies of the web shop and run its tests', 0.42, [shell('echo "42 tests passed"')], 'Three packages are newer now. All 42 tests pass.'],
	['Find out why the nightly import fails', 0.18, [shell('ls; cat import.log 2>/dev/null || true'), { name: 'list_dir', args: {} }], 'The import stops at an order without a country. A test for it is in tests/import.'],
	['Remove the build folders of all projects', 0.05, [shell('rm -rf build')], 'Nothing was deleted: the rule no-deleting forbids it. The folders are in .trash/.'],
	['Translate the README to German', 1.61, [{ name: 'write_file', args: { path: 'README.de.md', content: '# Laden\n' } }], 'README.de.md is written.'],
];
const SHOWN = ['tasks-light', 'task-dark', 'trace-light', 'approvals-light', 'cost-dark']; // in docs/dashboard.md
const SHIP = 'Build the release and put it where customers get it';
let chrome;
before(async () => { chrome = await browser(); });
after(() => chrome.close());

function record(w, name, replies) {
	const file = path.join(w.dir, name);
	fs.writeFileSync(file, replies.map((r) => JSON.stringify(r)).join('\n') + '\n');
	return `recorded/${file}`;
}
const spent = (usd) => ({ input: Math.round(usd * 90000), cache_read: Math.round(usd * 40000), output: Math.round(usd * 9000), usd_nanos: Math.round(usd * 5e8) });

test('a day on the page', async (t) => {
	const w = world(t, { policy: POLICY });
	const kept = path.join(w.dir, 'wordcount');
	assert.equal((await w.mishri(['demo', '--keep', kept])).code, 0);
	w.data = path.join(kept, 'data'); // the rest of the day goes on in its history
	for (const [i, [goal, usd, calls, text]] of DAY.entries()) {
		const model = record(w, `day${i}.jsonl`, [{ agent: '*', usage: spent(usd), calls }, { agent: '*', usage: spent(usd), text }]);
		const done = await w.mishri(w.runArgs(goal, '-m', model));
		assert.equal(done.code, 0, done.err);
	}
	fs.mkdirSync(path.join(w.ws, 'release'));
	fs.writeFileSync(path.join(w.ws, 'shop.tar'), 'shop\n');
	const s = await serve(t, w);
	const model = record(w, 'ship.jsonl', [{ agent: '*', usage: spent(0.3), text: 'The tests pass; I put the archive into release/.', calls: [shell('cp shop.tar release/shop-2.4.tar')] }, { agent: '*', usage: spent(0.1), text: 'Release 2.4 is out.' }]);
	assert.equal((await s.post('/v1/tasks', { goal: SHIP, workspace: w.ws, model, plan: 'never' })).status, 201);
	assert.equal((await s.post('/v1/schedules', { name: 'nightly-import', goal: 'Look at the nightly import, report what fails', workspace: w.ws, cron: '0 4 * * MON-FRI', model, plan: 'never' })).status, 201);
	for (let i = 0; i < 200 && (await s.get('/v1/approvals')).body.approvals.length === 0; i++, await sleep(50));
	const tasks = (await s.get('/v1/tasks')).body.tasks, demo = tasks.find((one) => /tests of this project/.test(one.goal)).task;
	const views = [['tasks', '#/tasks'], ['task', `#/task/${demo}`], ['trace', `#/task/${demo}/trace`], ['approvals', '#/approvals'], ['cost', '#/cost'], ['policy', `#/policy?workspace=${w.ws}`]];
	for (const [name, scheme, width, height] of [['light', 'light', 1400, 820], ['dark', 'dark', 1400, 820], ['phone', 'light', 390, 820]]) {
		const context = await chrome.newContext({ colorScheme: scheme, viewport: { width, height } });
		t.after(() => context.close());
		const p = await context.newPage(), problems = [];
		p.on('pageerror', (error) => problems.push(error.message));
		p.setDefaultTimeout(20000);
		await p.goto(`http://127.0.0.1:${s.port}/`);
		await p.fill('input[name=token]', await token(w, name, '--role', 'admin'));
		await p.click('.signin button');
		await p.waitForSelector('body[data-ready]');
		for (const [view, hash] of views) {
			await p.evaluate((h) => { delete document.body.dataset.ready; if (location.hash === h) location.hash = '#/nowhere'; location.hash = h; }, hash);
			await p.waitForSelector('body[data-ready]');
			if (process.env.MISHRI_SCREENSHOTS && SHOWN.includes(`${view}-${name}`))
				await p.screenshot({ path: path.join(ROOT, `docs/dashboard-${view}-${name}.png`) });
			if (view === 'tasks')
				assert.equal(await p.textContent('[data-row] .state.ask'), 'asks you');
			if (view === 'approvals')
				assert.ok((await p.textContent('#view')).includes(SHIP) && (await p.textContent('#view pre')) === 'cp shop.tar release/shop-2.4.tar');
			assert.deepEqual(await axe(p), [], `${view} ${name}`);
			assert.ok(await p.evaluate(() => document.documentElement.scrollWidth - innerWidth) <= 0, `${view} is too wide as ${name}`);
		}
		assert.deepEqual(problems, []);
	}
	await s.end();
});
