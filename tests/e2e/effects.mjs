// effects.mjs - steps whose effects lie outside, in the workspace, and what must be true of them whatever happened to the engine:
// none is repeated, and none is lost without being said to be of unknown outcome.
import assert from 'node:assert/strict';
import { lines, shell } from './lib.mjs';

// A model that goes by the conversation alone, so that it does not matter how often it is asked: whoever asked for step
// N gets steps N+1 and so on, now one, now several in a reply.
export function steps(count, text) {
	const replies = [{ match: `#${count}#`, text: 'All steps were asked for.', times: 0 }];
	for (let from = count - 1; from >= 0;) {
		const many = [1, 1, 3, 1, 2][from % 5];
		const first = Math.max(from - many + 1, 0);
		const calls = [];
		for (let n = first; n <= from; n++)
			calls.push(shell(text(n + 1)));
		replies.push({ match: first === 0 ? undefined : `#${first}#`, calls, times: 0 });
		from = first - 1;
	}
	return replies;
}
export const append = (n) => `echo ${n} >> steps; : '#${n}#'`;

// What the events say about each step, against what lies in the workspace.
export function checkSteps(w, count) {
	const done = w.has('steps') ? lines(w.read('steps')) : [];
	assert.equal(new Set(done).size, done.length, `a step was done twice: ${done}`);
	const proposed = new Map(w.events('call.proposed').map((e) => [e.data.call, Number(/#(\d+)#/.exec(e.data.args.command)[1])]));
	assert.equal(new Set(proposed.values()).size, proposed.size, 'a step was asked for twice');
	assert.equal(proposed.size, count);
	const ends = new Map(w.events('call.finished').map((e) => [proposed.get(e.data.call), e.data]));
	const started = w.events('call.started').map((e) => e.data.call);
	assert.equal(new Set(started).size, started.length, 'an at-most-once call was started twice');
	let unknown = 0;
	for (let n = 1; n <= count; n++) {
		const { status, output } = ends.get(n);
		unknown += status === 'unknown';
		if (status === 'ok')
			assert.ok(done.includes(n), `step ${n} is lost, and nobody said so`);
		else if (status === 'error') // the cell was gone before it could be asked
			assert.ok(/^The tool could not be run: /.test(output) && !done.includes(n), `step ${n}: ${output}`);
		else // killed: by a stop, which was told
			assert.ok(['unknown', 'killed'].includes(status), `step ${n}: ${status} ${output}`);
	}
	assert.deepEqual(done, [...done].sort((a, b) => a - b), 'in their order');
	w.checkChain();
	return unknown;
}

// The task, as far as it is durable; null when nothing is.
export const storedTask = (w) => (w.hasStore()
	? w.events('task.created')[0]?.task ?? null : null);

