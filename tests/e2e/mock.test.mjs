// The mock model server is itself tested with the services' official clients: what they understand is the real format.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { startModel } from './mock/model.mjs';

const tools = [{ type: 'function', function: { name: 'shell', description: 'runs a command',
	parameters: { type: 'object', properties: { command: { type: 'string' } }, required: ['command'] } } }];
const ask = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Hello?' }];

let model;
let openai;
let anthropic;
before(async () => {
	model = await startModel({ replies: [] });
	openai = new OpenAI({ baseURL: model.base, apiKey: 'sk-test', maxRetries: 0, timeout: 2000 });
	anthropic = new Anthropic({ baseURL: model.url, apiKey: 'sk-test', maxRetries: 0, timeout: 2000 });
});
after(() => model.close());
beforeEach(() => model.setScenario({ replies: [] }));
const replies = (...list) => model.setScenario({ replies: list });

describe('chat completions by the openai client', () => {
	test('text in one piece, with usage', async () => {
		replies({ text: 'Hi 🌍', usage: { input: 5, cache_read: 20, output: 3, reasoning: 1 } });
		const reply = await openai.chat.completions.create({ model: 'm', messages: ask });
		assert.equal(reply.choices[0].message.content, 'Hi 🌍');
		assert.equal(reply.choices[0].finish_reason, 'stop');
		assert.equal(reply.usage.prompt_tokens, 25);
		assert.equal(reply.usage.prompt_tokens_details.cached_tokens, 20);
		assert.equal(reply.usage.completion_tokens_details.reasoning_tokens, 1);
	});

	for (const chunk_bytes of [undefined, 1, 7]) {
		test(`a stream with parallel calls, ${chunk_bytes ?? 'all'} bytes a write`, async () => {
			replies({ text: 'Let me look — 🌍.', calls: [{ name: 'shell', args: { command: 'ls "ä"' } },
				{ name: 'shell', args: { command: 'pwd' } }], piece_size: 3, chunk_bytes });
			const runner = openai.chat.completions.stream({ model: 'm', messages: ask, tools,
				stream_options: { include_usage: true } });
			const reply = await runner.finalChatCompletion();
			const [choice] = reply.choices;
			assert.equal(choice.message.content, 'Let me look — 🌍.');
			assert.equal(choice.finish_reason, 'tool_calls');
			assert.deepEqual(choice.message.tool_calls.map((call) => JSON.parse(call.function.arguments)),
				[{ command: 'ls "ä"' }, { command: 'pwd' }]);
			assert.equal(reply.usage.total_tokens, 15);
		});
	}

	test('results go back', async () => {
		replies({ calls: [{ name: 'shell', args: { command: 'ls' } }] }, { text: 'Done.' });
		const first = await openai.chat.completions.create({ model: 'm', messages: ask, tools });
		const [call] = first.choices[0].message.tool_calls;
		const second = await openai.chat.completions.create({ model: 'm', tools, messages: [...ask, first.choices[0].message,
			{ role: 'tool', tool_call_id: call.id, content: 'a b' }] });
		assert.equal(second.choices[0].message.content, 'Done.');
		assert.deepEqual(model.requests.map((request) => request.answered), ['reply 0', 'reply 1']);
	});

	test('refusals', async () => {
		replies({ refusal: 'I cannot do that.' });
		const reply = await openai.chat.completions.stream({ model: 'm', messages: ask }).finalChatCompletion();
		assert.equal(reply.choices[0].message.refusal, 'I cannot do that.');
	});

	const errors = [
		[{ status: 400 }, OpenAI.BadRequestError],
		[{ status: 401 }, OpenAI.AuthenticationError],
		[{ status: 404 }, OpenAI.NotFoundError],
		[{ status: 429, error: { type: 'insufficient_quota', code: 'insufficient_quota' } }, OpenAI.RateLimitError],
		[{ status: 500 }, OpenAI.InternalServerError],
	];
	for (const [reply, type] of errors) {
		test(`status ${reply.status}`, async () => {
			replies(reply);
			await assert.rejects(openai.chat.completions.create({ model: 'm', messages: ask }), (error) => {
				assert.ok(error instanceof type);
				assert.equal(error.status, reply.status);
				assert.equal(error.requestID, 'req_mock');
				assert.equal(error.code ?? undefined, reply.error?.code);
				return true;
			});
		});
	}

	test('retry-after is honoured', async () => {
		replies({ status: 429, headers: { 'retry-after-ms': '300' } }, { text: 'later' });
		const start = Date.now();
		const patient = new OpenAI({ baseURL: model.base, apiKey: 'x', maxRetries: 1 });
		const reply = await patient.chat.completions.create({ model: 'm', messages: ask });
		assert.equal(reply.choices[0].message.content, 'later');
		assert.ok(Date.now() - start >= 290);
	});

	const faults = [
		['an error in the stream', { text: 'Hel', mid_error: { message: 'overloaded' } }, /overloaded/],
		['a stream that is cut', { text: 'a'.repeat(500), cut_after: 400 }, /terminated|aborted|network|closed|reset/i],
		['no answer', { drop: true }, /connection/i],
		['silence', { text: 'a', hang: 'before' }, /timed out/i],
		['an event that is no JSON', { text: 'a', malformed: true }, /JSON|token/i],
	];
	for (const [name, reply, what] of faults) {
		test(name, async () => {
			replies(reply);
			await assert.rejects(async () => {
				const stream = await openai.chat.completions.create({ model: 'm', messages: ask, stream: true });
				for await (const chunk of stream)
					assert.ok(chunk.id);
			}, (error) => what.test(`${error.message} ${error.cause ?? ''}`));
		});
	}
});

describe('messages by the anthropic client', () => {
	const request = { model: 'm', max_tokens: 100, messages: [{ role: 'user', content: 'Hello?' }],
		tools: [{ name: 'shell', input_schema: { type: 'object' } }] };

	for (const chunk_bytes of [undefined, 1]) {
		test(`a stream with thinking, text and calls, ${chunk_bytes ?? 'all'} bytes a write`, async () => {
			replies({ thinking: 'Hmm, ls.', text: 'I look — 🌍.', calls: [{ name: 'shell', args: { command: 'ls' } }],
				usage: { input: 25, cache_read: 2000, cache_write: 100, output: 30 }, piece_size: 3, chunk_bytes });
			const reply = await anthropic.messages.stream(request).finalMessage();
			assert.deepEqual(reply.content.map((block) => block.type), ['thinking', 'text', 'tool_use']);
			assert.equal(reply.content[0].signature, 'signed:Hmm, ls.');
			assert.equal(reply.content[1].text, 'I look — 🌍.');
			assert.deepEqual(reply.content[2].input, { command: 'ls' });
			assert.equal(reply.stop_reason, 'tool_use');
			assert.equal(reply.usage.cache_read_input_tokens, 2000);
			assert.equal(reply.usage.output_tokens, 30);
		});
	}

	test('results and thinking go back', async () => {
		replies({ thinking: 'Hmm.', calls: [{ name: 'shell', args: {} }] }, { text: 'Done.' });
		const first = await anthropic.messages.create(request);
		const second = await anthropic.messages.create({ ...request, messages: [...request.messages,
			{ role: 'assistant', content: first.content },
			{ role: 'user', content: [{ type: 'tool_result', tool_use_id: first.content[1].id, content: 'ok' }] }] });
		assert.equal(second.content[0].text, 'Done.');
		await assert.rejects(anthropic.messages.create({ ...request, messages: [...request.messages,
			{ role: 'assistant', content: first.content.slice(1) },
			{ role: 'user', content: [{ type: 'tool_result', tool_use_id: first.content[1].id, content: 'ok' }] }] }),
		/must start with a thinking block/);
	});

	test('errors', async () => {
		replies({ status: 529, error: { type: 'overloaded_error', message: 'Overloaded' } },
			{ text: 'Hel', mid_error: { type: 'overloaded_error' } });
		await assert.rejects(anthropic.messages.create(request), (error) => error.status === 529 && /Overloaded/.test(error));
		await assert.rejects(anthropic.messages.stream(request).finalMessage(), /[Oo]verloaded/);
	});
});

describe('what the services refuse is refused', () => {
	const call = (id, name = 'shell') => ({ id, type: 'function', function: { name, arguments: '{}' } });
	const said = { role: 'assistant', content: null, tool_calls: [call('call_1'), call('call_2')] };
	const result = (id) => ({ role: 'tool', tool_call_id: id, content: 'ok' });
	const rows = [
		['no messages', []],
		['an unknown role', [{ role: 'robot', content: 'x' }]],
		['a result without a call', [...ask, result('call_1')]],
		['a call without a result', [...ask, said, result('call_1'), { role: 'user', content: 'x' }]],
		['a call without a result at the end', [...ask, said, result('call_1')]],
		['two results for a call', [...ask, said, result('call_1'), result('call_1'), result('call_2')]],
		['empty calls', [...ask, { role: 'assistant', content: 'x', tool_calls: [] }]],
		['a name with a space', [...ask, { role: 'assistant', content: null, tool_calls: [call('a', 'a b')] }, result('a')]],
		['a long id', [...ask, { role: 'assistant', content: null, tool_calls: [call('a'.repeat(41))] },
			result('a'.repeat(41))]],
		['arguments that are no text', [...ask, { role: 'assistant', content: null, tool_calls: [{ ...call('a'),
			function: { name: 'shell', arguments: {} } }] }, result('a')]],
		['content that is missing', [{ role: 'user' }]],
		['an assistant without content', [...ask, { role: 'assistant', content: null }]],
	];
	for (const [name, messages] of rows) {
		test(name, async () => {
			replies({ text: 'x' });
			await assert.rejects(openai.chat.completions.create({ model: 'm', messages }), OpenAI.BadRequestError);
			assert.equal(model.invalid.length, 1);
		});
	}

	test('the well-formed form of these is taken', async () => {
		replies({ text: 'x' });
		await openai.chat.completions.create({ model: 'm', messages: [...ask, said, result('call_2'), result('call_1'),
			{ role: 'assistant', content: 'y' }, { role: 'user', content: 'z' }] });
		assert.deepEqual(model.invalid, []);
	});

	test('the wrong key', async () => {
		model.setScenario({ key: 'sk-right', replies: [{ text: 'x' }] });
		await assert.rejects(openai.chat.completions.create({ model: 'm', messages: ask }), OpenAI.AuthenticationError);
		await assert.rejects(anthropic.messages.create({ model: 'm', max_tokens: 1, messages: ask.slice(1) }),
			Anthropic.AuthenticationError);
	});

	test('a request that no reply is for', async () => {
		replies({ text: 'x', match: 'not said' });
		await assert.rejects(openai.chat.completions.create({ model: 'm', messages: ask }), /no reply left/);
		assert.equal(model.missed, 1);
	});
});

test('a scenario with a mistyped key is refused', async () => {
	await assert.rejects(startModel({ replies: [{ txt: 'x' }] }), /unknown key 'txt'/);
});
