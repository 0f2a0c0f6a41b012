// openai.test.mjs - the official client of OpenAI's API talks to a governed agent, in one answer and as a stream.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import OpenAI from 'openai';

import { shell, sleep, startModel, world } from './lib.mjs';
import { serve, token } from './serve-lib.mjs';

async function begin(t, replies, policy, { config, env = {} } = {}) {
	const w = world(t, policy === undefined ? {} : { policy });
	if (config !== undefined) {
		fs.mkdirSync(path.join(w.home, '.config/mishri'), { recursive: true });
		fs.writeFileSync(path.join(w.home, '.config/mishri/config.yaml'), config);
		w.places = () => ['--data', w.data];
	}
	const model = await startModel({ replies });
	t.after(() => model.close());
	const s = await serve(t, w, { env: { ...model.env, ...env }, args: ['-m', 'openai/mock', '-c', 'plan=never'] });
	const client = async (name, ...more) => new OpenAI({ baseURL: `http://127.0.0.1:${s.port}/v1`, apiKey: await token(w, name, ...more) });
	return { w, s, client };
}
const LONG = Array.from({ length: 1500 }, (_, i) => `grüße${i}`).join(' ');
const say = (content, more = {}) => ({ model: 'mishri', messages: [{ role: 'user', content }], ...more });

test('one answer, a stream, the list of models', async (t) => {
	const { w, s, client } = await begin(t, [{ calls: [shell('echo hello > made')] }, { text: 'done' }, { text: LONG }]);
	const ai = await client('one');
	assert.deepEqual((await ai.models.list()).data.map((m) => m.id), ['mishri', 'openai/mock']);
	const { data, response } = await ai.chat.completions.create(say('make it')).withResponse();
	assert.equal(data.choices[0].message.content, 'done');
	assert.equal(data.choices[0].finish_reason, 'stop');
	assert.ok(data.usage.total_tokens > 0);
	assert.ok(w.has('made'), 'the agent acted');
	assert.equal(data.id, `chatcmpl-${response.headers.get('x-mishri-task')}`);
	const [created] = w.events('task.created');
	assert.equal(created.task, response.headers.get('x-mishri-task'));
	assert.equal(created.data.channel, 'http');
	let text = '', reason, usage;
	for await (const chunk of await ai.chat.completions.create(say('tell', { stream: true, stream_options: { include_usage: true } }))) {
		text += chunk.choices[0]?.delta.content ?? '';
		reason ??= chunk.choices[0]?.finish_reason ?? undefined;
		usage = chunk.usage ?? usage;
	}
	assert.equal(text, LONG);
	assert.equal(reason, 'stop');
	assert.ok(usage.total_tokens > 0);
	await s.end();
});

test('what is not supported is said with its name, and begins nothing', async (t) => {
	const { w, s, client } = await begin(t, [{ text: 'never' }]);
	const ai = await client('one'), viewer = await client('two', '--role', 'viewer');
	const stranger = new OpenAI({ baseURL: ai.baseURL, apiKey: 'wrong' });
	const rows = [
		[ai, { tools: [] }, 400, 'tools'], [ai, { n: 2 }, 400, 'n'], [ai, { logprobs: true }, 400, 'logprobs'],
		[ai, { stop: 'x' }, 400, 'stop'], [ai, { messages: [] }, 400, 'messages'],
		[ai, { messages: [{ role: 'assistant', content: 'x' }] }, 400, 'messages'],
		[ai, { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] }, 400, 'messages[0]'],
		[ai, { model: 'gpt' }, 404, 'model'], [ai, { mishri: { goal: 'x' } }, 400, 'mishri'],
		[ai, { mishri: { workspace: '/etc' } }, 403, null], [ai, { mishri: { policies: [] } }, 403, null],
		[viewer, {}, 403, null], [stranger, {}, 401, null],
	];
	for (const [who, more, status, param] of rows)
		await assert.rejects(who.chat.completions.create(say('x', more), { maxRetries: 0 }), (e) => {
			assert.equal(e.status, status, `${JSON.stringify(more)}: ${e.message}`);
			assert.equal(e.param, param);
			assert.ok(e.error.message.length > 10);
			return true;
		});
	assert.equal(w.events('task.created').length, 0);
	await s.end();
});

test('an ask without a person is a refusal; a client that goes cancels, one with a key comes back to its task', async (t) => {
	const policy = 'version: 1\nname: ask\nrules:\n  - { id: ask, ask: tool, tool: shell, reason: "look first" }\n';
	const { w, s, client } = await begin(t, [{ text: 'kept' }, { calls: [shell('echo x > made')] }, { text: 'then not' }, { hang: 'before', times: 0 }], policy);
	const ai = await client('one');
	const key = { headers: { 'Idempotency-Key': 'k' } };
	const first = await ai.chat.completions.create(say('with a key'), key);
	assert.equal((await ai.chat.completions.create(say('with a key'), key)).id, first.id);
	const other = ai.chat.completions.create(say('other'), { ...key, maxRetries: 0 });
	await assert.rejects(other, (e) => e.status === 422);
	const gone = new AbortController();
	const asked = ai.chat.completions.create(say('act'));
	await assert.rejects(asked, (e) => e.status === 403 && e.code === 'approval_wanted');
	assert.ok(!w.has('made'));
	const before = w.events('task.created').length;
	const hanging = ai.chat.completions.create(say('hang'), { signal: gone.signal });
	const failed = assert.rejects(hanging);
	for (let i = 0; i < 400 && w.events('task.created').length === before; i++)
		await sleep(50);
	gone.abort();
	await failed;
	const { task } = w.events('task.created').at(-1);
	assert.equal((await s.ended(task)).state, 'cancelled');
	await s.end();
	w.checkChain();
});

const MODELS = `version: 1
name: models
rules:
  - { id: not-for-carol, deny: model, provider: ollama, when: { user: carol }, reason: "ollama is for the others" }
  - { id: nobody, deny: model, model: "secret*", reason: "not yet" }
  - { id: look-first, ask: model, model: dear, reason: "it costs" }
  - { id: tools, allow: tool, tool: "*" }
`;
const AGENTS = `agents:
  near: { role: worker, model: ollama/near, fallback: [openai/third] }
  hidden: { role: worker, model: openai/secret-one }
  keyless: { role: worker, model: anthropic/none }
fallback: openai/dear, openai/second
`;
const all = ['mishri', 'agent:near', 'openai/mock', 'ollama/near', 'openai/third', 'openai/second'];

test('the list of models has what this user may use, and what it does not have is refused by name and rule', async (t) => {
	const { w, s, client } = await begin(t, [{ text: 'done', times: 0 }], MODELS, { config: AGENTS, env: { OLLAMA_HOST: 'http://127.0.0.1:9', ANTHROPIC_API_KEY: '', ANTHROPIC_BASE_URL: '' } });
	const rows = [
		['ada', all],
		['carol', all.filter((name) => !['agent:near', 'ollama/near'].includes(name))],
	];
	for (const [user, want] of rows) {
		const ai = await client(user, '--user', user);
		const have = (await ai.models.list()).data.map((m) => m.id);
		assert.deepEqual(have.sort(), [...want].sort(), user);
		for (const model of have.filter((name) => !/near/.test(name)))
			assert.equal((await ai.chat.completions.create(say('x', { model }), { maxRetries: 0 })).choices[0].message.content, 'done', model);
	}
	const before = w.events('task.created').length;
	const refused = [
		['carol', 'ollama/near', 403, 'model_refused', /ollama\/near is denied by not-for-carol .*: ollama is for the others/],
		['carol', 'agent:near', 403, 'model_refused', /ollama\/near is denied by not-for-carol/],
		['ada', 'agent:hidden', 403, 'model_refused', /openai\/secret-one is denied by nobody .*: not yet/],
		['ada', 'openai/dear', 403, 'model_refused', /openai\/dear needs a person's approval by look-first/],
		['ada', 'agent:keyless', 403, 'model_refused', /ANTHROPIC_API_KEY/],
		['ada', 'agent:nobody', 404, 'model_not_found', /no agent 'nobody'/],
		['ada', 'nobody/x', 404, 'model_not_found', /nobody/],
		['ada', 'gpt', 404, 'model_not_found', /'gpt'/],
	];
	for (const [user, model, status, code, said] of refused) {
		const ai = await client(`${user}-${model.replace(/[^a-z]/g, '-')}`, '--user', user);
		await assert.rejects(ai.chat.completions.create(say('x', { model }), { maxRetries: 0 }), (e) => {
			assert.deepEqual([e.status, e.code, e.param], [status, code, 'model'], `${model}: ${e.message}`);
			assert.match(e.message, said);
			return true;
		});
	}
	assert.equal(w.events('task.created').length, before, 'nothing began');
	await s.end();
});

test('models by what is allowed alone; another workspace is asked about by name', async (t) => {
	const only = 'version: 1\nname: only\nrules:\n  - { id: own, allow: model, model: mock }\n  - { id: no-others, deny: model, model: { not: mock }, reason: "only mock" }\n';
	const { w, s, client } = await begin(t, [{ text: 'done' }], only, { config: AGENTS });
	const ids = (answer) => answer.body.data.map((m) => m.id);
	assert.deepEqual(ids(await s.get(`/v1/models?workspace=${w.ws}`)), ['mishri', 'openai/mock']);
	assert.deepEqual(ids(await s.get('/v1/models')), ['mishri', 'openai/mock']);
	const outside = await s.get('/v1/models?workspace=/etc', { token: (await client('x')).apiKey });
	assert.equal(outside.status, 403);
	assert.match(outside.body.detail, /not in or below/);
	await s.end();
});
