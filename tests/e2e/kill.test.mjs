// Killed at any moment, twice in a row, in the middle of a commit: nothing happens twice, nothing that was
// acknowledged is lost, what is not known is said to be not known, nothing is left behind, and the end is reached.
//
//   KILLS=1000 SEED=7 node --test kill.test.mjs
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { append, checkSteps, steps, storedTask } from './effects.mjs';
import { ROOT, descendants, gone, mountsOf, sleep, startModel, world } from './lib.mjs';

const KILLS = Number(process.env.KILLS ?? 300);
const SEED = Number(process.env.SEED ?? Date.now() % 1000000);
const STEPS = 40;

let model;
before(async () => { model = await startModel(); });
after(() => model.close());

// mulberry32, so that a seed gives the same moments again
let state = SEED;
function random() {
	state = (state + 0x6d2b79f5) | 0;
	let x = Math.imul(state ^ (state >>> 15), 1 | state);
	x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
	return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
}

// A killed run may have printed its result only when the end of the task was durable.
function checkClaim(w, run) {
	if (run.out !== '')
		assert.equal(run.out, `${w.end()?.result}\n`, 'a result was claimed that is not stored');
}

// Kills it after a while and returns what it was; null when it ended by itself before.
async function killLater(run, ms, whom) {
	await Promise.race([sleep(ms), run.done.catch(() => {})]);
	if (run.ended)
		return null;
	const family = descendants(run.pid);
	if (whom === 'engine')
		run.kill('SIGKILL');
	else {
		// The nurse is the engine's child, the warden the nurse's, and the first process of a cell the warden's.
		const below = (list) => family.filter((p) => list.some((q) => q.pid === p.ppid));
		const nurse = family.filter((p) => p.ppid === run.pid);
		const warden = below(nurse);
		const victim = ({ nurse, warden, cell: below(warden) })[whom][0];
		try {
			process.kill(victim !== undefined ? victim.pid : run.pid, 'SIGKILL');
		} catch (error) {
			if (error.code !== 'ESRCH') // it ended a moment before: then the engine is what is left
				throw error;
			run.kill('SIGKILL');
		}
	}
	await run.done;
	return family;
}

describe(`killed ${KILLS} times, seed ${SEED}`, () => {
	test('engine, warden or cell, also during recovery', { timeout: KILLS * 4000 + 60000 }, async (t) => {
		let kills = 0;
		let unknown = 0;
		let tasks = 0;
		const sums = { engine: 0, nurse: 0, warden: 0, cell: 0 };
		while (kills < KILLS) {
			const w = world(t);
			model.setScenario({ replies: steps(STEPS, append) });
			let task = null;
			for (let attempt = 0; ; attempt++) {
				assert.ok(attempt < 400, 'it does not get to its end');
				const run = task === null ? w.startRun(model, 'go') : w.resume(model, task);
				const whom = random() < 0.7 ? 'engine' : ['nurse', 'warden', 'cell'][Math.floor(random() * 3)];
				// Often at once, so that recovery itself is hit as well.
				const family = kills < KILLS ? await killLater(run, random() < 0.3 ? random() * 30 : random() * 250, whom) : (await run.done, null);
				if (family !== null) {
					kills++;
					sums[whom]++;
					await gone(family, 3000);
					assert.deepEqual(mountsOf(w.dir), []);
					checkClaim(w, run);
				}
				task ??= storedTask(w);
				if (run.code === 0)
					break;
				assert.ok(family !== null, `it ended by itself: ${run.code} ${run.err}`);
				if (whom !== 'engine' && run.signal !== 'SIGKILL' && run.err !== '')
					assert.ok([1, 3].includes(run.code), `${run.code} ${run.err}`);
			}
			assert.deepEqual(model.invalid, []);
			assert.equal(model.missed, 0);
			assert.equal(w.end().result, 'All steps were asked for.');
			unknown += checkSteps(w, STEPS);
			assert.equal((await w.mishri(['audit', 'verify', ...w.places()])).code, 0);
			await w.leftNothing();
			w.remove();
			tasks++;
		}
		t.diagnostic(`${kills} kills (${JSON.stringify(sums)}) in ${tasks} tasks of ${STEPS} steps; ${unknown} steps of unknown outcome`);
	});
});

const shim = path.join(ROOT, 'build/tests/fault/libfault_shim.so');
describe('killed at every sync', { skip: !fs.existsSync(shim) && 'needs build/tests/fault (no sanitizers)' }, () => {
	for (const what of ['KILL', 'EIO', 'ENOSPC']) {
		test(`${what} at the N-th sync of the store, for every N`, { timeout: 300000 }, async (t) => {
			let n = 1;
			let unknown = 0;
			for (; ; n++) {
				const w = world(t);
				model.setScenario({ replies: steps(5, append) });
				const env = { LD_PRELOAD: shim, FAULT_CALL: 'sync', FAULT_AT: String(n), FAULT_DO: what, FAULT_PATH: 'mishri.db' };
				const run = await w.startRun(model, 'go', { env }).done;
				assert.ok(n < 200, 'there is no end to it');
				await w.leftNothing();
				const untouched = run.code === 0;
				if (!untouched) {
					if (what === 'KILL')
						assert.equal(run.signal, 'SIGKILL', run.err);
					else
						assert.equal(run.code, 1, run.err);
					checkClaim(w, run);
				}
				const task = storedTask(w);
				const again = task === null ? await w.startRun(model, 'go').done : await w.resume(model, task).done;
				assert.equal(again.code, 0, `after sync ${n}: ${again.err}`);
				assert.equal(again.out, 'All steps were asked for.\n');
				unknown += checkSteps(w, 5);
				await w.leftNothing();
				w.remove();
				if (untouched)
					break;
			}
			assert.ok(n > 10, 'the shim is at work');
			t.diagnostic(`${n - 1} syncs; ${unknown} steps of unknown outcome`);
		});
	}

	test('the disk is full while it runs: it says so, and goes on when there is room', async (t) => {
		const w = world(t);
		model.setScenario({ replies: steps(5, append) });
		const env = { LD_PRELOAD: shim, FAULT_CALL: 'write', FAULT_AT: '400', FAULT_FROM: '1', FAULT_DO: 'ENOSPC', FAULT_PATH: 'mishri.db' };
		const run = await w.startRun(model, 'go', { env, args: ['--output-format', 'json'] }).done;
		assert.equal(run.code, 1, run.err);
		assert.match(JSON.parse(run.out).result, /full|space/i);
		await w.leftNothing();
		const task = storedTask(w);
		assert.notEqual(task, null);
		const again = await w.resume(model, task).done;
		assert.equal(again.code, 0, again.err);
		checkSteps(w, 5);
	});
});
