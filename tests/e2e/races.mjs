// races.mjs - what the tests of what happens at the same time share: a moment of the store made long or made to fail, so that
// something else can be put into it, and what waits for people.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { shell, sleep } from './lib.mjs';

export const ALLOW = `version: 1
rules:
  - { id: tools, allow: tool, tool: "*" }
  - { id: programs, allow: exec, program: { from: system } }
  - { id: models, allow: model }
  - { id: share, allow: delegate }
`;
export const CENT = 10_000_000;

// A script of replies: each costs so many cents.
export function script(w, replies, name = 'recorded.jsonl') {
	const file = path.join(w.dir, name);
	fs.writeFileSync(file, replies.map((r) => JSON.stringify({ agent: '*', text: 'x', ...r,
		usage: { input: 10, output: 10, usd_nanos: (r.cents ?? 1) * CENT }, cents: undefined })).join('\n'));
	return `recorded/${file}`;
}
export const turn = (command, cents) => ({ calls: [shell(command)], cents });
export const waitThen = (name, then, cents) => turn(`until [ -e ${name} ]; do sleep 0.05; done; ${then}`, cents);

// While the store is just being made, or held, there is nothing to be seen.
export async function until(check, what, ms = 20000) {
	for (const end = Date.now() + ms; ; await sleep(30)) {
		let found;
		try {
			found = check();
		} catch {
			found = false;
		}
		if (found)
			return found;
		assert.ok(Date.now() < end, `${what} never came`);
	}
}
export const has = (w, type, n = 1) => until(() => w.hasStore() && w.events(type).length >= n, type);

// Every write of an event of this type takes seconds of work inside of its transaction: what comes meanwhile finds it on its way.
export const slow = (w, type, steps = 10_000_000) => w.sql(`create trigger slow before insert on events when new.type = '${type}'
	begin select count(*) from (with recursive c(x) as (select 1 union all select x + 1 from c where x < ${steps}) select x from c); end`);
// The write of such an event fails, as on a disk that breaks at just this moment: the engine ends there.
export const broken = (w, type) => w.sql(`create trigger broken before insert on events when new.type = '${type}'
	begin select raise(abort, 'broken for a test'); end`);
export const mended = (w) => w.sql('drop trigger if exists broken; drop trigger if exists slow');

export async function pending(w, n = 1) {
	for (const end = Date.now() + 20000; Date.now() < end; await sleep(50)) {
		const done = fs.existsSync(w.data) ? await w.mishri(['approvals', '--json', ...w.places()]) : { code: 1 };
		const found = done.code === 0 ? JSON.parse(done.out).filter((a) => a.state === 'pending') : [];
		if (found.length >= n)
			return found;
	}
	throw new Error(`${n} questions never waited`);
}
export const say = (w, verb, id, ...more) => w.mishri([verb, ...w.places(), ...more, id]);
