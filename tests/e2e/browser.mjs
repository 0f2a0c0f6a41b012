// A real browser: Debian's Chromium, driven by playwright-core.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);

export function browser() {
	const program = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) => fs.existsSync(file));
	if (program === undefined)
		throw new Error('no Chromium: script/bootstrap installs it (apt-get install chromium)');
	return chromium.launch({ executablePath: program, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'], timeout: 60000 });
}

// A page that remembers what it asked for and what went wrong in it.
export async function openPage(t, chrome, url, options = {}) {
	const context = await chrome.newContext({ viewport: { width: 1400, height: 800 }, ...options });
	t.after(() => context.close());
	const page = await context.newPage();
	page.requests = [];
	page.problems = [];
	page.on('request', (request) => page.requests.push(request.url()));
	page.on('pageerror', (error) => page.problems.push(error.message));
	page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
	await page.goto(url, { timeout: 60000 });
	return page;
}

// What axe-core finds, as one line each.
export async function axe(page) {
	await page.evaluate(fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));
	const result = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }));
	return result.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join(', ')}`);
}
