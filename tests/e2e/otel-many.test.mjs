// Ten thousand spans, sent afterwards: all arrive, once each, whatever the size of the queue.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { exited, startModel, world } from './lib.mjs';
import { startReceiver } from './mock/otlp.mjs';

let model, receiver;
before(async () => { model = await startModel(); receiver = await startReceiver(); });
after(() => { model.close(); receiver.close(); });

test('ten thousand spans, afterwards', async (t) => {
	const w = world(t);
	const calls = Array.from({ length: 50 }, (_, i) => i);
	model.setScenario({ replies: [...Array.from({ length: 10 }, (_, n) => ({ calls: calls.map((i) => ({ name: 'list_dir', args: { path: `no${n}x${i}` } })) })), { text: 'done' }] });
	exited(await w.run(model, 'many', { args: ['-c', 'max_calls=100000', '-c', 'max_turns=1000', '-c', 'loop.detect=off', '-c', 'context_tokens=100000000'], timeout_ms: 120000 }), 0);
	for (const copies of [1, 20]) {
		receiver.forget();
		const begun = Date.now(), sent = await w.mishri(['otlp', 'send', ...w.places(), '--json', ...Array(copies).fill('last'), '-c', `otel.endpoint=${receiver.url}`], { timeout_ms: 60000 });
		exited(sent, 0);
		const said = JSON.parse(sent.out);
		t.diagnostic(`${said.sent} spans in ${said.requests} requests, ${Date.now() - begun} ms`);
		assert.deepEqual([said.sent, said.dropped, said.rejected], [512 * copies, 0, 0]);
		assert.deepEqual([receiver.spans.length, receiver.bad.length], [512, 0], 'the same spans have the same ids');
	}
});
