// The N-th call of a kind fails, for every N that a small run has: the run ends with a sensible code and a sentence, the
// history is whole, a resume comes to the same end, and outside nothing is repeated and nothing is lost unsaid.
//
//   FAULTS=all node --test faults.test.mjs     every N; without it every so many, so that all of it takes a minute
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { append, checkSteps, steps, storedTask } from './effects.mjs';
import { ROOT, checkStream, exited, lines, startModel, world } from './lib.mjs';

const SHIM = path.join(ROOT, 'build/tests/fault/libfault_shim.so');
const EVERY = process.env.FAULTS === 'all';
const STEPS = 3;

// at most: how many N are tried when not all are. name: the process that is meant; the engine where none is given.
const sweeps = [
	{ call: 'write', what: ['ENOSPC', 'EIO', 'EINTR', 'SHORT'], path: 'mishri', most: 6 },
	{ call: 'sync', what: ['EIO', 'ENOSPC', 'EINTR'], path: 'mishri.db', most: 5 },
	{ call: 'truncate', what: ['EIO', 'ENOSPC'], path: 'mishri.db', most: 3 },
	{ call: 'create', what: ['ENOSPC', 'EMFILE', 'EIO'], path: 'mishri-e2e', most: 4 },
	{ call: 'connect', what: ['EMFILE', 'EINTR', 'EIO'], most: 3 },
	{ call: 'clone', what: ['EAGAIN', 'ENOMEM'], most: 2 },
	{ call: 'clone', what: ['EAGAIN', 'ENOMEM'], most: 2, name: 'mishri-warden' },
	{ call: 'clone', what: ['EAGAIN'], most: 2, name: 'mishri-nurse' },
	{ call: 'mmap', what: ['ENOMEM'], path: 'mishri', most: 3 },
	{ call: 'rename', what: ['ENOSPC', 'EIO'], most: 3, stop: true },
];

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

const wishes = (w, s, what, n) => ({ LD_PRELOAD: SHIM, FAULT_CALL: s.call, FAULT_DO: what, FAULT_AT: String(n), FAULT_COUNT: path.join(w.dir, 'count'),
	...(s.path && { FAULT_PATH: s.path }), ...(s.name && { FAULT_NAME: s.name }) });

// One run with the fault at n; stop: it is told to end in the middle, so that it parks.
async function go(w, s, what, n) {
	model.setScenario({ replies: steps(STEPS, append) });
	const run = w.startRun(model, 'go', { env: wishes(w, s, what, n), args: ['--output-format', 'stream-json'], timeout_ms: 30000 });
	if (s.stop) {
		await run.until(/1\.1|mishri:/).catch(() => {});
		run.kill('SIGTERM');
	}
	return run.done;
}

function checkEnd(run, where) {
	assert.equal(run.signal, null, `${where}: it died of ${run.signal}\n${run.err}`);
	assert.ok([0, 1, 3, 5, 143].includes(run.code), `${where}: exit ${run.code}\n${run.err}`);
	checkStream(run.out, { exit: run.code });
	if (run.code !== 0)
		assert.match(lines(run.out).at(-1).result, /\S.{10,}/, `${where}: exit ${run.code} and nobody says why`);
}

// How many of these calls there are, where nothing fails.
async function countCalls(t, s) {
	const w = world(t);
	const run = await go(w, s, 'EIO', 1000000000);
	assert.ok([0, 143].includes(run.code), run.err);
	const file = path.join(w.dir, 'count');
	const count = fs.existsSync(file) ? fs.statSync(file).size : 0;
	w.remove();
	return count;
}

async function tryOne(t, s, what, n) {
	const where = `${s.name ?? 'engine'}: ${s.call} ${n} ${what}`;
	const w = world(t);
	const run = await go(w, s, what, n);
	checkEnd(run, where);
	await w.leftNothing();
	if (w.hasStore() && w.events().length > 0)
		exited(await w.mishri(['audit', 'verify', ...w.places()]), 0);
	const task = storedTask(w);
	const again = task === null ? await w.startRun(model, 'go').done : await w.resume(model, task).done;
	assert.equal(again.code, 0, `${where}, then: ${again.err}`);
	assert.equal(again.out, 'All steps were asked for.\n', where);
	const unknown = checkSteps(w, STEPS);
	await w.leftNothing();
	w.remove();
	return { failed: run.code !== 0, unknown };
}

describe('the N-th call fails', { skip: !fs.existsSync(SHIM) && 'needs build/tests/fault (no sanitizers)' }, () => {
	for (const s of sweeps) {
		test(`${s.call}${s.name ? ` of ${s.name}` : ''}${s.stop ? ' while it stops' : ''}: ${s.what.join(', ')}`, { timeout: 600000 }, async (t) => {
			const count = await countCalls(t, s);
			let runs = 0;
			let failed = 0;
			let unknown = 0;
			for (const [i, what] of s.what.entries()) {
				const stride = EVERY ? 1 : Math.max(Math.ceil(count / s.most), 1);
				for (let n = 1 + (EVERY ? 0 : i % stride); n <= count; n += stride) {
					const one = await tryOne(t, s, what, n);
					runs++;
					failed += one.failed;
					unknown += one.unknown;
				}
			}
			t.diagnostic(`${count} calls, ${runs} runs, ${failed} ended by the fault, ${unknown} steps of unknown outcome; 0 repeated, 0 lost`);
		});
	}
});
