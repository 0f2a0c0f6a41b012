// The demonstration as a person sees it, against a transcript that was read by one: tests/e2e/demo.txt. Times, ids and
// places differ from run to run, and two workers side by side may overtake each other: so lines are compared worker
// by worker. UPDATE=1 node --test demo.test.mjs writes the transcript anew; read the difference before keeping it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { mishri, ROOT, USERS, world } from './lib.mjs';

const GOLDEN = path.join(ROOT, 'tests/e2e/demo.txt');

function normal(text, dir, ids) {
	return ids.reduce((all, id) => all.replaceAll(id, 'TASK'), text.replaceAll(dir, 'DIR').replaceAll(mishri(), 'build/mishri'))
		.replace(/\b[0-9]+(\.[0-9])? (ms|s)\b/g, 'TIME')
		.replace(/ +$/gm, '');
}

// What the master did, then each worker, each in its own order; what is printed at the end has an order of its own.
function byWorker(text) {
	const of = (line) => line.match(/^ *\[(w[0-9])\]/)?.[1] ?? 'master';
	const lines = text.split('\n');
	return ['master', 'w1', 'w2'].flatMap((name) => [`== ${name}`, ...lines.filter((line) => of(line) === name)]).join('\n') + '\n';
}

// Which of the two is made first is a matter of microseconds; the tree shows them in that order, each with its goal below.
function sorted(out) {
	const lines = out.split('\n'), isChild = (line) => /^(\|-|`-) /.test(line);
	const children = lines.flatMap((line, i) => (isChild(line) ? [[line.slice(3), lines[i + 1].slice(3)]] : [])).sort();
	const plain = lines.flatMap((line, i) => (isChild(line) ? children.shift().map((text) => `   ${text}`) : isChild(lines[i - 1] ?? '') ? [] : [line]));
	return plain.join('\n');
}

for (const { name, as_nobody } of USERS)
	test(`the demonstration as ${name} is the transcript`, async (t) => {
		const w = world(t, { as_nobody });
		const dir = path.join(w.dir, 'demo');
		const run = await w.mishri(['demo', '--keep', dir]);
		assert.equal(run.code, 0, run.err);
		assert.ok(run.ms < 20000, `${run.ms} ms`);
		const ids = [...run.err.matchAll(/\btask ([0-9a-z]{12})\b/g)].map((m) => m[1]);
		assert.equal(ids.length, 3);
		const got = `${byWorker(normal(run.err, dir, ids))}== stdout\n${sorted(normal(run.out, dir, ids))}`;
		if (process.env.UPDATE)
			fs.writeFileSync(GOLDEN, got);
		assert.equal(got, fs.readFileSync(GOLDEN, 'utf8'));
		assert.ok(fs.existsSync(path.join(dir, 'workspace/build/test')), 'nothing was deleted');
		await w.leftNothing();
	});
