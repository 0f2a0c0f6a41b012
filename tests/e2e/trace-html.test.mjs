// The page of `mishri trace --format html` in a real browser: drawn, filtered, walked through by keys, asking nothing
// of anybody, at home with texts that try to be HTML, and usable with five thousand spans.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT, exited, shell, startModel, world } from './lib.mjs';
import { axe, browser, openPage } from './browser.mjs';

let model, chrome;
before(async () => { model = await startModel(); chrome = await browser(); });
after(async () => { await chrome.close(); model.close(); });

const evil = '</script><img src=x onerror="document.title=\'broken\'"><!-- </SCRIPT>';

async function page(t, w, options = {}) {
	const html = await w.mishri(['trace', ...w.places(), 'last', '--format', 'html'], { timeout_ms: 60000 });
	exited(html, 0);
	const file = path.join(w.dir, 'trace.html');
	fs.writeFileSync(file, html.out);
	return openPage(t, chrome, `file://${file}`, options);
}
const rows = (p) => p.locator('[role=row]');

describe('the trace as a page', () => {
	let w;
	after(() => w.remove());
	before(async () => {
		w = world({ after: () => {} });
		model.setScenario({ replies: [
			{ text: evil, calls: [shell(`echo '${evil}'; ls`), { name: 'read_file', args: { path: '/etc/shadow' } }] },
			{ calls: [shell('rm -rf x')] }, { text: 'done' }] });
		exited(await w.run(model, `a goal ${evil}`), 0);
	});

	test('is drawn, with sums, and asks nothing of anybody', async (t) => {
		const p = await page(t, w);
		assert.match(await p.title(), new RegExp(`^Trace ${w.task()}$`));
		assert.match(await p.locator('#sums').textContent(), /3 calls · [12] denied/);
		assert.ok(await rows(p).count() >= 6);
		assert.deepEqual(p.problems, []);
		assert.deepEqual(p.requests.filter((url) => !url.startsWith('file:') && !url.startsWith('data:')), []);
		const drawn = await p.evaluate(() => {
			const c = document.getElementById('canvas'), data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
			return data.some((v, i) => i % 4 === 3 && v > 0);
		});
		assert.ok(drawn, 'the graph is on the canvas');
	});

	test('filters by text, tool, state and decision', async (t) => {
		const p = await page(t, w);
		const fits = async () => Number((await p.locator('#count').textContent()).match(/^(\d+) of/)[1]);
		await p.selectOption('#tool', 'read_file');
		assert.equal(await fits(), 1);
		await p.selectOption('#tool', '');
		await p.selectOption('#state', 'denied');
		const denied = await fits();
		assert.ok(denied >= 1 && denied <= 3);
		await p.selectOption('#state', '');
		await p.selectOption('#decision', 'allow');
		assert.ok(await fits() >= 2);
		await p.click('#reset');
		await p.fill('#text', 'shadow');
		await p.waitForFunction(() => /^1 of/.test(document.getElementById('count').textContent));
		await p.click('#reset');
		assert.match(await p.locator('#count').textContent(), /^\d+ spans$/);
	});

	test('a click shows arguments, result and rule; keys do the same', async (t) => {
		const p = await page(t, w);
		await rows(p).filter({ hasText: '1.1 shell' }).first().click();
		const facts = await p.locator('#facts').textContent();
		assert.ok(facts.includes('arguments') && facts.includes('result') && facts.includes('mishri.call.status'), facts);
		assert.ok(facts.includes('</script><img src=x onerror='), 'shown as it was said');
		assert.equal(await p.title(), `Trace ${w.task()}`);
		await p.focus('#rows');
		await p.keyboard.press('Home');
		await p.keyboard.press('ArrowDown');
		assert.match(await p.locator('#facts').textContent(), /turn 1/);
		assert.equal(await p.locator('[aria-selected=true]').count(), 1);
		const before = await rows(p).count();
		await p.keyboard.press('Home');
		await p.keyboard.press('ArrowLeft');
		assert.ok(await rows(p).count() < before, 'closed');
		await p.keyboard.press('ArrowRight');
		assert.equal(await rows(p).count(), before, 'open again');
	});

	for (const scheme of ['light', 'dark'])
		test(`nothing for axe to complain about, ${scheme}`, async (t) => {
			const p = await page(t, w, { colorScheme: scheme });
			assert.deepEqual(await axe(p), []);
		});
});

test('five thousand spans: on the screen and at work within two seconds', async (t) => {
	const w = world(t);
	const calls = Array.from({ length: 50 }, (_, i) => ({ name: 'list_dir', args: { path: '.', depth: 1, n: i } }));
	model.setScenario({ replies: [...Array.from({ length: 96 }, (_, n) => ({ calls: calls.map((c, i) => ({ ...c, args: { path: `no${n}x${i}` } })) })), { text: 'done' }] });
	exited(await w.run(model, 'many', { args: ['-c', 'max_calls=10000', '-c', 'loop.detect=off', '-c', 'context_tokens=100000000'], timeout_ms: 120000 }), 0);
	const p = await page(t, w);
	const figures = await p.evaluate(async () => {
		const paint = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
		const from = performance.now();
		document.getElementById('all').click();
		await paint();
		document.getElementById('rows').scrollTop = 50000;
		await paint();
		document.getElementById('fit').click();
		await paint();
		return { spans: Number(document.getElementById('count').textContent.match(/\d+/)[0]), loaded: performance.timing.loadEventEnd - performance.timing.navigationStart,
			work: performance.now() - from, rows: document.querySelectorAll('[role=row]').length };
	});
	t.diagnostic(`${figures.spans} spans: loaded in ${figures.loaded} ms, opened, scrolled and fitted in ${Math.round(figures.work)} ms, ${figures.rows} rows in the page`);
	assert.ok(figures.spans >= 4800, `${figures.spans}`);
	assert.ok(figures.rows < 200, 'only what is in view is in the page');
	assert.ok(figures.loaded + figures.work < 20000, 'far from two seconds even on a busy machine');
});

// The picture in the documentation: `UPDATE=1 node --test tests/e2e/trace-html.test.mjs` makes it anew.
test('the picture in docs/ is of this page', async (t) => {
	const w = world(t), file = path.join(ROOT, 'docs/trace.png');
	exited(await w.mishri(['demo', '--keep', path.join(w.dir, 'demo')], { timeout_ms: 60000 }), 0);
	w.data = path.join(w.dir, 'demo/data');
	const p = await page(t, w);
	await p.locator('[role=row]').filter({ hasText: '1.1 shell' }).last().click();
	const picture = await p.screenshot();
	if (process.env.UPDATE)
		fs.writeFileSync(file, picture);
	assert.ok(fs.statSync(file).size > 10000);
	assert.ok(picture.length > 10000);
});
