// model.mjs - a model server for tests: real HTTP, real formats (chat completions, messages), scripted replies.
//
//   node model.mjs [SCENARIO.json] [--port N] [--until-stdin-ends]
//     prints its port alone on the first line of stdout; ends on SIGTERM, or when stdin ends if asked to
//   import { startModel } from './mock/model.mjs'
//     const model = await startModel({ replies: [{ text: 'Hello' }] });
//     model.port, model.url ('http://127.0.0.1:PORT'), model.base (url + '/v1'), model.env (variables for mishri),
//     model.requests (array, see below), model.setScenario(scenario), model.release(), await model.close()
//
// A scenario: { "replies": [...], "key": "sk-test", "model": "name" }. Only `replies` is needed. With `key`, any other
// key is answered with 401. One request takes the first reply that is left and whose `match` fits. When none does,
// the answer is 500 with a text that says so and x-should-retry: false, and model.missed counts it.
//
// A reply says what the model does:
//   text, refusal        the message
//   calls                [{ name, args, id }]: args is an object, or a string that is sent as it is; id is optional
//   thinking             messages only: a thinking block, with a signature
//   finish               'stop', 'tool_calls', 'length', 'content_filter': made from the rest when not given
//   usage                { input, cache_read, cache_write, cache_write_1h (of it), output, reasoning (of it) }; null: none is sent
// which request it is for:
//   match                a text that the conversation must contain (messages and call arguments)
//   times                how many requests it answers: 1; 0 is for ever
// how it comes:
//   delay_ms             before the headers        piece_size       characters per event (default 16)
//   piece_delay_ms       between HTTP writes       chunk_bytes      bytes per HTTP write: 1 is byte by byte
//   stream               false: one JSON value although a stream was asked for
//   no_done              without [DONE] (messages: without message_stop)
//   close                connection: close        hold_after       silence after so many events, until model.release()
// and what goes wrong:
//   status               with `error` { type, code, message } in the provider's shape, or with `body` (text or
//                        object) as it is; `headers` are added, e.g. { "retry-after": "1" }
//   headers              also for replies that go well
//   hang                 'before' the headers, 'headers' after them, 'first' after the first event, 'last' after the
//                        last one, without ending the body: then silence
//   cut_after            the connection is reset after so many bytes of the body
//   drop                 the connection is reset without an answer
//   malformed            an event that is no JSON, after the first one
//   mid_error            { type, code, message }: an error event after the text
//   html                 a web page with status 200
//
// Requests must be what the real service takes: roles, order, each call answered by one result, texts where texts
// belong, signed thinking back in its place. Whatever is not is answered with 400 in the real shape, uses up no reply, and is kept in model.invalid.
//
//   GET /__requests      [{ n, time_ms, path, connection, headers, body, answered }]: connection numbers show reuse
//   GET /__state         { requests, invalid, missed, connections, open }
//   PUT /__scenario      a new scenario; what was counted is forgotten
import http from 'node:http';
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v);
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

class Invalid extends Error {
	constructor(message, param = null, code = null) {
		super(message);
		Object.assign(this, { param, code });
	}
}
function need(condition, message, param, code) {
	if (!condition)
		throw new Invalid(message, param, code);
}

// ---- chat completions ----

function checkParts(content, at) {
	need(typeof content === 'string' || (Array.isArray(content) && content.length > 0),
		`Invalid type for '${at}': expected one of a string or array of objects, but got ${content === null ? 'null' :
			typeof content} instead.`, at, 'invalid_type');
	if (Array.isArray(content))
		for (const part of content)
			need(isObject(part) && typeof part.type === 'string', `Invalid value for '${at}'.`, at, 'invalid_value');
}

function checkAssistant(message, at) {
	const calls = message.tool_calls;
	if (calls === undefined) {
		if (typeof message.refusal !== 'string')
			checkParts(message.content, `${at}.content`);
		return [];
	}
	need(Array.isArray(calls) && calls.length > 0, `Invalid '${at}.tool_calls': empty array. Expected an array with ` +
		'minimum length 1, but got an empty array instead.', `${at}.tool_calls`, 'empty_array');
	if (message.content !== null && message.content !== undefined)
		checkParts(message.content, `${at}.content`);
	calls.forEach((call, k) => {
		const where = `${at}.tool_calls[${k}]`;
		need(isObject(call) && call.type === 'function' && isObject(call.function), `Missing required parameter: '${where
		}.function'.`, `${where}.function`, 'missing_required_parameter');
		need(typeof call.id === 'string' && call.id.length >= 1 && call.id.length <= 40, `Invalid '${where}.id': string ` +
			'too long. Expected a string with maximum length 40.', `${where}.id`, 'string_above_max_length');
		need(NAME.test(call.function.name), `Invalid '${where}.function.name': string does not match pattern. Expected a ` +
			"string that matches the pattern '^[a-zA-Z0-9_-]+$'.", `${where}.function.name`, 'invalid_value');
		need(typeof call.function.arguments === 'string', `Invalid type for '${where}.function.arguments': expected a ` +
			'string.', `${where}.function.arguments`, 'invalid_type');
	});
	const ids = calls.map((call) => call.id);
	need(new Set(ids).size === ids.length, `Duplicate value for 'tool_call_id' in '${at}'.`, at);
	return ids;
}

function checkMessages(messages) {
	need(Array.isArray(messages) && messages.length > 0, "Invalid 'messages': empty array. Expected an array with " +
		'minimum length 1, but got an empty array instead.', 'messages', 'empty_array');
	let open = [];
	const unanswered = () => need(open.length === 0, "An assistant message with 'tool_calls' must be followed by tool " +
		`messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${
			open.join(', ')}`, 'messages');
	messages.forEach((message, i) => {
		const at = `messages[${i}]`;
		need(isObject(message), `Invalid type for '${at}': expected an object.`, at, 'invalid_type');
		need(['system', 'developer', 'user', 'assistant', 'tool'].includes(message.role), `Invalid value: '${message.role
		}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.`, `${at}.role`,
		'invalid_value');
		if (message.role === 'tool') {
			need(open.includes(message.tool_call_id), "Invalid parameter: messages with role 'tool' must be a response to " +
				"a preceeding message with 'tool_calls'.", `${at}.role`);
			open = open.filter((id) => id !== message.tool_call_id);
			checkParts(message.content, `${at}.content`);
			return;
		}
		unanswered();
		need(message.tool_call_id === undefined, `Unknown parameter: '${at}.tool_call_id'.`, at, 'unknown_parameter');
		need(message.role === 'assistant' || message.tool_calls === undefined, `Unknown parameter: '${at}.tool_calls'.`,
			at, 'unknown_parameter');
		if (message.role === 'assistant')
			open = checkAssistant(message, at);
		else
			checkParts(message.content, `${at}.content`);
	});
	unanswered();
}

const CHAT_KEYS = ['model', 'messages', 'tools', 'tool_choice', 'parallel_tool_calls', 'stream', 'stream_options',
	'max_completion_tokens', 'max_tokens', 'temperature', 'top_p', 'n', 'stop', 'seed', 'response_format', 'metadata',
	'reasoning_effort', 'service_tier', 'store', 'user', 'prompt_cache_key', 'safety_identifier', 'verbosity'];

function checkChat(body) {
	need(isObject(body), 'We could not parse the JSON body of your request.');
	for (const key of Object.keys(body))
		need(CHAT_KEYS.includes(key), `Unrecognized request argument supplied: ${key}`);
	need(typeof body.model === 'string' && body.model !== '', 'you must provide a model parameter');
	checkMessages(body.messages);
	if (body.tools !== undefined) {
		need(Array.isArray(body.tools) && body.tools.length > 0, "Invalid 'tools': empty array. Expected an array with " +
			'minimum length 1, but got an empty array instead.', 'tools', 'empty_array');
		body.tools.forEach((tool, i) => {
			const at = `tools[${i}].function`;
			need(isObject(tool) && tool.type === 'function' && isObject(tool.function), `Missing required parameter: '${at
			}'.`, at, 'missing_required_parameter');
			need(NAME.test(tool.function.name), `Invalid '${at}.name': string does not match pattern. Expected a string ` +
				"that matches the pattern '^[a-zA-Z0-9_-]+$'.", `${at}.name`, 'invalid_value');
			need(tool.function.description === undefined || typeof tool.function.description === 'string',
				`Invalid type for '${at}.description': expected a string.`, at, 'invalid_type');
			need(tool.function.parameters === undefined || (isObject(tool.function.parameters) &&
				tool.function.parameters.type === 'object'), `Invalid schema for function '${tool.function.name}': schema ` +
				`must be a JSON Schema of 'type: "object"', got 'type: "None"'.`, `${at}.parameters`,
			'invalid_function_parameters');
		});
	}
	need(body.stream_options === undefined || body.stream === true, "The 'stream_options' parameter is only allowed " +
		"when 'stream' is enabled.", 'stream_options');
	for (const key of ['max_completion_tokens', 'max_tokens'])
		need(body[key] === undefined || (Number.isInteger(body[key]) && body[key] >= 1), `Invalid '${key}': integer below ` +
			'minimum value. Expected a value >= 1.', key, 'integer_below_min_value');
	need(body.max_tokens === undefined || body.max_completion_tokens === undefined, 'Setting \'max_tokens\' and ' +
		"'max_completion_tokens' at the same time is not supported.", 'max_tokens');
}

function chatText(body) {
	const texts = [];
	for (const message of body.messages) {
		texts.push(typeof message.content === 'string' ? message.content : JSON.stringify(message.content ?? ''));
		for (const call of message.tool_calls ?? [])
			texts.push(call.function.arguments);
	}
	return texts.join('\n');
}

const pieces = (text, size) => text.match(new RegExp(`[^]{1,${size}}`, 'gu')) ?? [];
const argsText = (args) => (typeof args === 'string' ? args : JSON.stringify(args ?? {}));

function chatUsage(usage = {}) {
	const { input = 10, cache_read = 0, cache_write = 0, output = 5, reasoning = 0 } = usage;
	const prompt = input + cache_read + cache_write;
	return {
		prompt_tokens: prompt, completion_tokens: output, total_tokens: prompt + output,
		prompt_tokens_details: { cached_tokens: cache_read, cache_write_tokens: cache_write, audio_tokens: 0 },
		completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: 0, accepted_prediction_tokens: 0,
			rejected_prediction_tokens: 0 },
	};
}

const chat = {
	check: checkChat,
	text: chatText,
	key: (headers) => headers.authorization?.replace(/^Bearer /, ''),
	badKey: { type: 'invalid_request_error', code: 'invalid_api_key', message: 'Incorrect API key provided. You can ' +
		'find your API key at https://platform.openai.com/account/api-keys.' },
	error: ({ message = 'made to fail', type = 'invalid_request_error', param = null, code = null }) =>
		({ error: { message, type, param, code } }),
	serverError: 'server_error',
	calls: (reply, n) => (reply.calls ?? []).map((call, i) => ({
		id: call.id ?? `call_${n}_${i}`, type: 'function', function: { name: call.name, arguments: argsText(call.args) },
	})),
	finish: (reply) => reply.finish ?? (reply.calls?.length ? 'tool_calls' : 'stop'),
	whole(reply, body, n) {
		const calls = chat.calls(reply, n);
		const message = { role: 'assistant', content: reply.text ?? null, refusal: reply.refusal ?? null,
			...(calls.length ? { tool_calls: calls } : {}) };
		return {
			id: `chatcmpl-${n}`, object: 'chat.completion', created: 1767225600, model: body.model,
			choices: [{ index: 0, message, logprobs: null, finish_reason: chat.finish(reply) }],
			...(reply.usage === null ? {} : { usage: chatUsage(reply.usage) }), service_tier: 'default',
			system_fingerprint: 'fp_mock',
		};
	},
	*events(reply, body, n) {
		const withUsage = body.stream_options?.include_usage === true;
		const chunk = (choices, extra = {}) => `data: ${JSON.stringify({ id: `chatcmpl-${n}`,
			object: 'chat.completion.chunk', created: 1767225600, model: body.model, service_tier: 'default',
			system_fingerprint: 'fp_mock', choices, ...(withUsage ? { usage: null } : {}), ...extra })}\n\n`;
		const delta = (d, finish = null) => chunk([{ index: 0, delta: d, logprobs: null, finish_reason: finish }]);
		const size = reply.piece_size ?? 16;
		yield delta({ role: 'assistant', content: reply.calls?.length && !reply.text ? null : '', refusal: null });
		if (reply.malformed)
			yield 'data: {"id": nonsense\n\n';
		for (const piece of pieces(reply.text ?? '', size))
			yield delta({ content: piece });
		for (const piece of pieces(reply.refusal ?? '', size))
			yield delta({ refusal: piece });
		if (reply.mid_error) {
			yield `data: ${JSON.stringify(chat.error({ type: 'server_error', ...reply.mid_error }))}\n\n`;
			return;
		}
		for (const [index, call] of chat.calls(reply, n).entries()) {
			yield delta({ tool_calls: [{ index, id: call.id, type: 'function',
				function: { name: call.function.name, arguments: '' } }] });
			for (const piece of pieces(call.function.arguments, size))
				yield delta({ tool_calls: [{ index, function: { arguments: piece } }] });
		}
		yield delta({}, chat.finish(reply));
		if (withUsage && reply.usage !== null)
			yield chunk([], { usage: chatUsage(reply.usage) });
		if (!reply.no_done)
			yield 'data: [DONE]\n\n';
	},
};

// ---- messages ----

const STOP_REASONS = { stop: 'end_turn', tool_calls: 'tool_use', length: 'max_tokens', content_filter: 'refusal' };
const BLOCKS = {
	user: ['text', 'tool_result', 'image', 'document'],
	assistant: ['text', 'tool_use', 'thinking', 'redacted_thinking'],
};

function checkBlock(block, at, role) {
	need(isObject(block) && BLOCKS[role].includes(block.type), `${at}: Input tag '${block?.type}' found using 'type' does ` +
		'not match any of the expected tags');
	if (block.type === 'text')
		need(typeof block.text === 'string' && block.text !== '', 'messages: text content blocks must be non-empty');
	if (block.type === 'tool_use') {
		need(/^[a-zA-Z0-9_-]+$/.test(block.id), `${at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'`);
		need(/^[a-zA-Z0-9_-]{1,128}$/.test(block.name), `${at}.tool_use.name: String should match pattern ` +
			"'^[a-zA-Z0-9_-]{1,128}$'");
		need(isObject(block.input), `${at}.tool_use.input: Input should be a valid dictionary`);
	}
	if (block.type === 'tool_result')
		need(block.content === undefined || typeof block.content === 'string' || Array.isArray(block.content),
			`${at}.tool_result.content: Input should be a valid string or list`);
	if (block.type === 'thinking')
		need(block.signature === `signed:${block.thinking}`, `${at}: Invalid \`signature\` in \`thinking\` block`);
}

function checkTurns(messages) {
	need(Array.isArray(messages) && messages.length > 0, 'messages: at least one message is required');
	need(messages[0].role === 'user', 'messages: first message must use the "user" role');
	let open = [];
	messages.forEach((message, i) => {
		need(BLOCKS[message.role] !== undefined, `messages.${i}.role: Input should be 'user' or 'assistant'`);
		if (typeof message.content === 'string')
			need(message.content !== '', `messages.${i}: all messages must have non-empty content except for the optional ` +
				'final assistant message');
		const blocks = typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : message.content;
		need(Array.isArray(blocks) && blocks.length > 0, `messages.${i}.content: Input should be a valid list`);
		blocks.forEach((block, k) => checkBlock(block, `messages.${i}.content.${k}`, message.role));
		const results = blocks.filter((block) => block.type === 'tool_result').map((block) => block.tool_use_id);
		for (const id of results)
			need(open.includes(id), `messages.${i}.content: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${id
			}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`);
		need(new Set(results).size === results.length, `messages.${i}.content: each tool_use must have a single result.`);
		const missing = open.filter((id) => !results.includes(id));
		need(missing.length === 0, `messages.${i - 1}: \`tool_use\` ids were found without \`tool_result\` blocks ` +
			`immediately after: ${missing.join(', ')}.`);
		open = blocks.filter((block) => block.type === 'tool_use').map((block) => block.id);
		need(new Set(open).size === open.length, 'messages: `tool_use` ids must be unique');
	});
	need(open.length === 0, `messages.${messages.length - 1}: \`tool_use\` ids were found without \`tool_result\` blocks ` +
		`immediately after: ${open.join(', ')}.`);
}

const MESSAGES_KEYS = ['model', 'messages', 'max_tokens', 'system', 'tools', 'tool_choice', 'stream', 'thinking',
	'temperature', 'top_p', 'top_k', 'stop_sequences', 'metadata', 'service_tier'];

function checkMessagesRequest(body, headers) {
	need(typeof headers['anthropic-version'] === 'string', 'anthropic-version: header is required');
	need(isObject(body), 'The request body is not valid JSON');
	for (const key of Object.keys(body))
		need(MESSAGES_KEYS.includes(key), `${key}: Extra inputs are not permitted`);
	need(typeof body.model === 'string' && body.model !== '', 'model: Field required');
	need(Number.isInteger(body.max_tokens) && body.max_tokens >= 1, 'max_tokens: Field required');
	need(body.system === undefined || (typeof body.system === 'string' && body.system !== '') ||
		(Array.isArray(body.system) && body.system.every((b) => b.type === 'text' && b.text !== '')),
	'system: text content blocks must be non-empty');
	checkTurns(body.messages);
	(body.tools ?? []).forEach((tool, i) => {
		need(/^[a-zA-Z0-9_-]{1,128}$/.test(tool.name), `tools.${i}.custom.name: String should match pattern ` +
			"'^[a-zA-Z0-9_-]{1,128}$'");
		need(isObject(tool.input_schema) && tool.input_schema.type === 'object',
			`tools.${i}.custom.input_schema.type: Field required`);
	});
}

// A call that came with signed thinking must go back with it.
function checkThinking(body, thoughtful) {
	body.messages.forEach((message, i) => {
		if (message.role !== 'assistant' || typeof message.content === 'string')
			return;
		if (message.content.some((block) => block.type === 'tool_use' && thoughtful.has(block.id)))
			need(/thinking$/.test(message.content[0].type), `messages.${i}.content.0.type: Expected \`thinking\` or ` +
				`\`redacted_thinking\`, but found \`${message.content[0].type}\`. When \`thinking\` is enabled, a final ` +
				'`assistant` message must start with a thinking block.');
	});
}

function messagesText(body) {
	const texts = [typeof body.system === 'string' ? body.system : JSON.stringify(body.system ?? '')];
	for (const { content } of body.messages)
		for (const block of typeof content === 'string' ? [{ type: 'text', text: content }] : content)
			texts.push(block.text ?? (typeof block.content === 'string' ? block.content : JSON.stringify(block.input ??
				block.content ?? '')));
	return texts.join('\n');
}

function messagesUsage(usage = {}) {
	const { input = 10, cache_read = 0, cache_write = 0, cache_write_1h = 0, output = 5, reasoning = 0 } = usage;
	return {
		input_tokens: input, cache_creation_input_tokens: cache_write, cache_read_input_tokens: cache_read,
		cache_creation: { ephemeral_5m_input_tokens: cache_write - cache_write_1h, ephemeral_1h_input_tokens: cache_write_1h },
		output_tokens: output, output_tokens_details: { thinking_tokens: reasoning }, service_tier: 'standard',
	};
}

const messages = {
	check(body, headers, thoughtful) {
		checkMessagesRequest(body, headers);
		checkThinking(body, thoughtful);
	},
	text: messagesText,
	key: (headers) => headers['x-api-key'],
	badKey: { type: 'authentication_error', message: 'invalid x-api-key' },
	error: ({ message = 'made to fail', type = 'invalid_request_error' }) =>
		({ type: 'error', error: { type, message }, request_id: 'req_mock' }),
	serverError: 'api_error',
	finish: (reply) => STOP_REASONS[reply.finish] ?? reply.finish ?? (reply.refusal ? 'refusal' :
		reply.calls?.length ? 'tool_use' : 'end_turn'),
	blocks(reply, n) {
		const list = [];
		if (reply.thinking)
			list.push({ type: 'thinking', thinking: reply.thinking, signature: `signed:${reply.thinking}` });
		if (reply.text ?? reply.refusal)
			list.push({ type: 'text', text: reply.text ?? reply.refusal });
		for (const [i, call] of (reply.calls ?? []).entries())
			list.push({ type: 'tool_use', id: call.id ?? `toolu_${n}_${i}`, name: call.name, input: call.args ?? {} });
		return list;
	},
	whole(reply, body, n) {
		return { id: `msg_${n}`, type: 'message', role: 'assistant', model: body.model, content: messages.blocks(reply, n),
			stop_reason: messages.finish(reply), stop_sequence: null, usage: messagesUsage(reply.usage ?? {}) };
	},
	*events(reply, body, n) {
		const event = (type, fields) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
		const size = reply.piece_size ?? 16;
		const usage = messagesUsage(reply.usage ?? {});
		yield event('message_start', { message: { ...messages.whole({ ...reply, finish: null }, body, n), content: [],
			stop_reason: null, usage: { ...usage, output_tokens: 1 } } });
		yield event('ping', {});
		if (reply.malformed)
			yield 'event: content_block_start\ndata: {"type": nonsense\n\n';
		for (const [index, block] of messages.blocks(reply, n).entries()) {
			const delta = (d) => event('content_block_delta', { index, delta: d });
			if (block.type === 'tool_use' && reply.mid_error)
				break;
			if (block.type === 'text') {
				yield event('content_block_start', { index, content_block: { type: 'text', text: '' } });
				for (const text of pieces(block.text, size))
					yield delta({ type: 'text_delta', text });
			} else if (block.type === 'thinking') {
				yield event('content_block_start', { index, content_block: { type: 'thinking', thinking: '', signature: '' } });
				for (const thinking of pieces(block.thinking, size))
					yield delta({ type: 'thinking_delta', thinking });
				yield delta({ type: 'signature_delta', signature: block.signature });
			} else {
				yield event('content_block_start', { index, content_block: { ...block, input: {} } });
				yield delta({ type: 'input_json_delta', partial_json: '' });
				for (const partial_json of pieces(argsText(block.input), size))
					yield delta({ type: 'input_json_delta', partial_json });
			}
			yield event('content_block_stop', { index });
		}
		if (reply.mid_error) {
			yield event('error', { error: { type: 'overloaded_error', message: 'Overloaded', ...reply.mid_error } });
			return;
		}
		yield event('message_delta', { delta: { stop_reason: messages.finish(reply), stop_sequence: null }, usage });
		if (!reply.no_done)
			yield event('message_stop', {});
	},
};

const DIALECTS = { '/v1/chat/completions': chat, '/v1/messages': messages };

// ---- the server ----

// Throws when a scenario is not what the top of this file describes, so that a mistyped key cannot pass unseen.
const REPLY_KEYS = ['text', 'refusal', 'calls', 'thinking', 'finish', 'usage', 'match', 'times', 'delay_ms', 'piece_size',
	'piece_delay_ms', 'chunk_bytes', 'stream', 'no_done', 'close', 'status', 'error', 'body', 'headers', 'hang', 'cut_after',
	'drop', 'hold_after', 'malformed', 'mid_error', 'html', 'comment'];

function readScenario(scenario) {
	const { replies, ...rest } = scenario;
	for (const key of Object.keys(rest))
		if (!['key', 'model', 'comment'].includes(key))
			throw new Error(`scenario: unknown key '${key}'`);
	if (!Array.isArray(replies))
		throw new Error("scenario: 'replies' must be a list");
	for (const [i, reply] of replies.entries())
		for (const key of Object.keys(reply))
			if (!REPLY_KEYS.includes(key))
				throw new Error(`scenario: reply ${i}: unknown key '${key}'`);
	return { ...rest, replies: replies.map((reply) => ({ ...reply, left: reply.times === 0 ? Infinity : reply.times ?? 1 })) };
}

async function readBody(request) {
	const parts = [];
	for await (const part of request)
		parts.push(part);
	return Buffer.concat(parts).toString('utf8');
}

function sendJson(response, status, value, headers = {}) {
	const body = typeof value === 'string' ? value : JSON.stringify(value);
	response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req_mock',
		'content-length': Buffer.byteLength(body), ...headers });
	response.end(body);
}

// Writes the body in the pieces that the reply asks for; false when the reply cut the connection.
async function sendPieces(response, reply, texts, hold) {
	let sent = 0, events = 0;
	for (const text of texts) {
		if (events++ === reply.hold_after)
			await hold(response);
		const bytes = Buffer.from(text, 'utf8');
		const step = reply.chunk_bytes ?? bytes.length;
		for (let at = 0; at < bytes.length; at += step) {
			if (response.destroyed)
				return false;
			let piece = bytes.subarray(at, at + step);
			if (reply.cut_after !== undefined)
				piece = piece.subarray(0, Math.max(0, reply.cut_after - sent));
			if (piece.length > 0)
				response.write(piece);
			sent += piece.length;
			if (reply.cut_after !== undefined && sent >= reply.cut_after) {
				await sleep(20);
				response.socket?.destroy();
				return false;
			}
			if (reply.piece_delay_ms)
				await sleep(reply.piece_delay_ms);
		}
		if (reply.hang === 'first')
			return false;
	}
	return true;
}

async function sendReply(response, dialect, reply, body, n, hold) {
	if (reply.delay_ms)
		await sleep(reply.delay_ms);
	if (response.destroyed)
		return;
	if (reply.drop) {
		response.socket?.resetAndDestroy();
		return;
	}
	if (reply.hang === 'before')
		return;
	const headers = { 'x-request-id': 'req_mock', ...(reply.close ? { connection: 'close' } : {}), ...reply.headers };
	let texts;
	if (reply.status !== undefined && (reply.error !== undefined || reply.body !== undefined || reply.status >= 300)) {
		const value = reply.body ?? dialect.error({ type: reply.status >= 500 ? dialect.serverError : undefined,
			...reply.error });
		const text = typeof value === 'string' ? value : JSON.stringify(value);
		response.writeHead(reply.status, { 'content-type': text.startsWith('<') ? 'text/html' : 'application/json',
			...headers });
		texts = [text];
	} else if (reply.html) {
		response.writeHead(200, { 'content-type': 'text/html', ...headers });
		texts = ['<!DOCTYPE html>\n<html><body>Please sign in.</body></html>\n'];
	} else if (body.stream === true && reply.stream !== false) {
		response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache',
			...headers });
		texts = dialect.events(reply, body, n);
	} else {
		response.writeHead(200, { 'content-type': 'application/json', ...headers });
		texts = [JSON.stringify(dialect.whole(reply, body, n))];
	}
	if (reply.hang === 'headers') {
		response.flushHeaders();
		return;
	}
	if (await sendPieces(response, reply, texts, hold) && reply.hang !== 'last')
		response.end();
}

export async function startModel(scenario = { replies: [] }, { port = 0 } = {}) {
	let script = readScenario(scenario);
	let connections = 0;
	const sockets = new Set();
	const thoughtful = new Set();
	const model = { requests: [], invalid: [], missed: 0 };
	const held = [];
	const hold = (response) => new Promise((done) => {
		held.push(done);
		response.once('close', done);
	});
	model.release = () => held.splice(0).forEach((done) => done());

	async function answer(request, response) {
		const text = await readBody(request);
		const path = new URL(request.url, 'http://mock').pathname;
		if (request.method === 'GET' && path === '/__requests')
			return sendJson(response, 200, model.requests);
		if (request.method === 'GET' && path === '/__state')
			return sendJson(response, 200, { requests: model.requests.length, invalid: model.invalid.length,
				missed: model.missed, connections, open: sockets.size });
		if (request.method === 'PUT' && path === '/__scenario') {
			model.setScenario(JSON.parse(text));
			return sendJson(response, 200, {});
		}
		if (request.method === 'GET' && path === '/v1/models')
			return sendJson(response, 200, { object: 'list', data: [{ id: script.model ?? 'mock', object: 'model',
				created: 1767225600, owned_by: 'mock' }] });
		const dialect = DIALECTS[path];
		if (dialect === undefined || request.method !== 'POST')
			return sendJson(response, 404, chat.error({ message: `Invalid URL (${request.method} ${path})` }));
		return answerModel(request, response, dialect, path, text);
	}

	async function answerModel(request, response, dialect, path, text) {
		let body = null;
		try {
			body = JSON.parse(text);
		} catch {
			// checked below, where the real service checks it
		}
		const entry = { n: model.requests.length + 1, time_ms: Date.now(), path, connection: request.socket.number,
			headers: request.headers, body: body ?? text, answered: null };
		model.requests.push(entry);
		if (script.key !== undefined && dialect.key(request.headers) !== script.key) {
			entry.answered = 'bad key';
			return sendJson(response, 401, dialect.error(dialect.badKey));
		}
		try {
			need(/^application\/json/.test(request.headers['content-type'] ?? ''), 'you must send application/json');
			dialect.check(body, request.headers, thoughtful);
		} catch (problem) {
			if (!(problem instanceof Invalid))
				throw problem;
			entry.answered = `invalid: ${problem.message}`;
			model.invalid.push(problem.message);
			return sendJson(response, 400, dialect.error({ message: problem.message, param: problem.param ?? null,
				code: problem.code ?? null }));
		}
		const reply = script.replies.find((r) => r.left > 0 && (r.match === undefined ||
			dialect.text(body).includes(r.match)));
		if (reply === undefined) {
			entry.answered = 'no reply left';
			model.missed++;
			return sendJson(response, 500, dialect.error({ type: dialect.serverError, message: 'the scenario has no reply ' +
				'left for this request' }), { 'x-should-retry': 'false' });
		}
		reply.left--;
		entry.answered = `reply ${script.replies.indexOf(reply)}`;
		if (reply.thinking && dialect === messages)
			for (const block of messages.blocks(reply, entry.n))
				if (block.type === 'tool_use')
					thoughtful.add(block.id);
		return sendReply(response, dialect, reply, body, entry.n, hold);
	}

	const server = http.createServer((request, response) => {
		response.on('error', () => {});
		answer(request, response).catch((problem) => {
			console.error(`mock model: ${problem.stack}`);
			response.destroy();
		});
	});
	server.keepAliveTimeout = 60000;
	server.on('connection', (socket) => {
		socket.number = ++connections;
		socket.setNoDelay(true);
		sockets.add(socket);
		socket.on('close', () => sockets.delete(socket));
		socket.on('error', () => {});
	});
	await new Promise((done, failed) => {
		server.once('error', failed);
		server.listen(port, '127.0.0.1', done);
	});

	model.port = server.address().port;
	model.url = `http://127.0.0.1:${model.port}`;
	model.base = `${model.url}/v1`;
	model.env = { OPENAI_BASE_URL: model.base, OPENAI_API_KEY: script.key ?? 'sk-mock',
		ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: script.key ?? 'sk-mock' };
	model.setScenario = (next) => {
		script = readScenario(next);
		model.requests.length = 0;
		model.invalid.length = 0;
		model.missed = 0;
	};
	model.close = () => new Promise((done) => {
		server.close(() => done());
		for (const socket of sockets)
			socket.destroy();
	});
	return model;
}

async function main(args) {
	const options = {};
	let scenario = { replies: [{ text: 'Hello from the mock.', times: 0 }] };
	let untilStdinEnds = false;
	for (let i = 0; i < args.length; i++) {
		if (args[i] === '--port')
			options.port = Number(args[++i]);
		else if (args[i] === '--until-stdin-ends')
			untilStdinEnds = true;
		else
			scenario = JSON.parse(await readFile(args[i], 'utf8'));
	}
	const model = await startModel(scenario, options);
	console.log(model.port);
	process.on('SIGTERM', () => process.exit(0));
	process.on('SIGINT', () => process.exit(0));
	if (untilStdinEnds)
		process.stdin.on('end', () => process.exit(0)).resume();
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
	await main(process.argv.slice(2));
