/* anthropic.c - the dialect of the Messages API (POST /v1/messages). It asks for a stream and takes one JSON value as
 * well. Thinking that came with a signature goes back unchanged and in its place, as the service demands: it travels as
 * `opaque`, {"anthropic":[blocks]}, in which text stands as it came and a call stands as its id only.
 *
 * The system text and the newest message are marked for the service's prompt cache: in a conversation that is sent
 * again each turn, reading the cache costs a tenth. */
#include "llm/provider.h"
#include "llm/request.h"

#include "base/banned.h"

enum { WORD_BYTES = 64, MAX_TOKENS_UNASKED = 8192 };    /* the service wants a maximum; every current model has 8192 */

/* ---- the request ---- */

static bool has_words(const char *text)
{
	return str_trim(str_of(text)).len > 0;
}

/* The service refuses a text without words. */
static void add_text_block(json_t *blocks, const char *text)
{
	if (!has_words(text))
		return;
	json_t *block = json_object();
	json_put_text(block, "type", "text");
	json_put_text(block, "text", text);
	json_array_append_new(blocks, block);
}

/* Input must be an object; arguments that are none are shown to the model as the text that it wrote. */
static json_t *call_input(const char *args)
{
	json_t *input = NULL;

	if (args[0] == '\0')
		return json_object();
	if (json_parse(str_of(args), &input, NULL) == 0 && json_is_object(input))
		return input;
	json_decref(input);
	input = json_object();
	json_put_text(input, "unreadable", args);
	return input;
}

static json_t *word(const char *made_up)
{
	struct buf text = BUF_INIT(WORD_BYTES + 2);
	json_t *value = NULL;

	request_add_word(&text, made_up, WORD_BYTES);
	if (json_parse(buf_str(&text), &value, NULL) < 0)
		abort();
	buf_done(&text);
	return value;
}

static void add_call_block(json_t *blocks, const json_t *call)
{
	AUTO(freep) char *name = request_tool_name(json_get_text(call, "name", ""));
	json_t *block = json_object();

	json_put_text(block, "type", "tool_use");
	json_put(block, "id", word(json_get_text(call, "id", "")));
	json_put(block, "name", word(name));
	json_put(block, "input", call_input(json_get_text(call, "args", "")));
	json_array_append_new(blocks, block);
}

static const json_t *find_call(const json_t *calls, const char *id)
{
	const json_t *call;
	size_t i;

	json_array_foreach(calls, i, call) {
		if (strcmp(json_get_text(call, "id", ""), id) == 0)
			return call;
	}
	return NULL;
}

/* The blocks as they came, with the calls as they are now. */
static void add_kept_blocks(json_t *blocks, const json_t *kept, const json_t *calls)
{
	json_t *block;
	size_t i;

	json_array_foreach(kept, i, block) {
		const char *type = json_get_text(block, "type", "");
		const json_t *call = find_call(calls, json_get_text(block, "id", ""));
		if (strcmp(type, "tool_use") != 0)
			json_array_append(blocks, block);
		else if (call != NULL)
			add_call_block(blocks, call);
	}
}

static void add_assistant(json_t *blocks, const json_t *message)
{
	AUTO(json_decrefp) json_t *opaque = NULL;
	const char *text = json_get_text(message, "opaque", NULL);
	const json_t *calls = json_object_get(message, "calls"), *call, *kept = NULL;
	size_t i, k;

	if (text != NULL && json_parse(str_of(text), &opaque, NULL) == 0)
		kept = json_object_get(opaque, "anthropic");
	if (json_is_array(kept))
		add_kept_blocks(blocks, kept, calls);
	else
		add_text_block(blocks, json_get_text(message, "text", ""));
	json_array_foreach(calls, i, call) {
		const json_t *block;
		bool there = false;
		json_array_foreach(kept, k, block)
			there |= strcmp(json_get_text(block, "id", ""), json_get_text(call, "id", "")) == 0;
		if (!there)
			add_call_block(blocks, call);
	}
}

static void add_result(json_t *blocks, const json_t *message)
{
	json_t *block = json_object();

	json_put_text(block, "type", "tool_result");
	json_put(block, "tool_use_id", word(json_get_text(message, "call", "")));
	json_put_text(block, "content", json_get_text(message, "text", ""));
	json_array_append_new(blocks, block);
}

/* Turns alternate: what the user and the tools say between two replies becomes one turn. */
static json_t *turn_of(json_t *turns, const char *role)
{
	json_t *last = json_array_get(turns, json_array_size(turns) - 1);

	if (last == NULL || strcmp(json_get_text(last, "role", ""), role) != 0) {
		last = json_object();
		json_put_text(last, "role", role);
		json_put(last, "content", json_array());
		json_array_append_new(turns, last);
	}
	return json_object_get(last, "content");
}

static void drop_empty_turn(json_t *turns)
{
	size_t count = json_array_size(turns);

	if (count > 0 && json_array_size(json_object_get(json_array_get(turns, count - 1), "content")) == 0)
		json_array_remove(turns, count - 1);
}

static json_t *request_turns(const json_t *messages)
{
	json_t *turns = json_array();
	const json_t *message;
	size_t i;

	json_array_foreach(messages, i, message) {
		const char *role = json_get_text(message, "role", "user");
		if (strcmp(role, "assistant") == 0)
			add_assistant(turn_of(turns, "assistant"), message);
		else if (strcmp(role, "tool") == 0)
			add_result(turn_of(turns, "user"), message);
		else if (strcmp(role, "system") != 0 || json_array_size(turns) > 0)
			add_text_block(turn_of(turns, "user"), json_get_text(message, "text", ""));
		drop_empty_turn(turns);
	}
	return turns;
}

/* What the system says before the first turn; what it says later stands in its place, as the user's. */
static json_t *request_guide(const json_t *messages)
{
	json_t *guide = json_array();
	const json_t *message;
	size_t i;

	json_array_foreach(messages, i, message) {
		if (strcmp(json_get_text(message, "role", ""), "system") != 0)
			break;
		add_text_block(guide, json_get_text(message, "text", ""));
	}
	return guide;
}

static void mark_for_cache(json_t *blocks)
{
	json_t *last = json_array_get(blocks, json_array_size(blocks) - 1);

	if (last == NULL)
		return;
	json_t *control = json_object();
	json_put_text(control, "type", "ephemeral");
	json_put(last, "cache_control", control);
}

static json_t *request_tools(const json_t *tools)
{
	json_t *list = json_array();
	const json_t *tool;
	size_t i;

	json_array_foreach(tools, i, tool) {
		json_t *item = json_object(), *schema = json_object_get(tool, "schema");
		AUTO(freep) char *name = request_tool_name(json_get_text(tool, "name", ""));
		json_put_text(item, "name", name);
		json_put_text(item, "description", json_get_text(tool, "description", ""));
		json_put(item, "input_schema", schema != NULL ? json_incref(schema) :
		         json_pack("{s:s}", "type", "object"));
		json_array_append_new(list, item);
	}
	return list;
}

static void anthropic_request(const struct llm_model *model, const struct llm_request *request, struct buf *ret)
{
	AUTO(json_decrefp) json_t *body = json_object(), *guide = request_guide(request->messages);
	json_t *turns = request_turns(request->messages);
	json_t *newest = json_array_get(turns, json_array_size(turns) - 1);

	mark_for_cache(guide);
	if (strcmp(json_get_text(newest, "role", ""), "user") == 0)
		mark_for_cache(json_object_get(newest, "content"));
	json_put_text(body, "model", model->name);
	json_put_int(body, "max_tokens", request->max_output_tokens > 0 ? request->max_output_tokens :
	             MAX_TOKENS_UNASKED);
	if (json_array_size(request->tools) > 0)
		json_put(body, "tools", request_tools(request->tools));
	if (json_array_size(guide) > 0)
		json_put(body, "system", json_incref(guide));
	json_put(body, "messages", turns);
	json_put_bool(body, "stream", true);
	json_write(body, ret);
}

static void anthropic_headers(const struct llm_model *model, void (*add)(void *to, const char *line), void *to)
{
	add(to, "anthropic-version: 2023-06-01");
	if (model->key == NULL)
		return;
	AUTO(freep) char *line = xasprintf("x-api-key: %s", model->key);
	add(to, line);
	explicit_bzero(line, strlen(line));
}

/* ---- the reply ---- */

static const struct { const char *theirs, *ours; } finishes[] = {
	{ "end_turn", "stop" },
	{ "stop_sequence", "stop" },
	{ "tool_use", "tool_calls" },
	{ "max_tokens", "length" },
	{ "model_context_window_exceeded", "length" },
};

static void read_finish(struct gather *g, const json_t *reason)
{
	if (json_string_length(reason) == 0)
		return;
	gather_word(&g->finish, reason);
	for (size_t i = 0; i < COUNT(finishes); i++) {
		if (strcmp(json_string_value(reason), finishes[i].theirs) == 0) {
			free(g->finish);
			g->finish = xstrdup(finishes[i].ours);
		}
	}
	g->whole = true;
}

/* Counts are totals so far, never differences: the newest one holds. */
static void read_count(const json_t *usage, const char *key, int64_t *count)
{
	int64_t have = gather_tokens(usage, key);

	if (have >= 0)
		*count = have;
}

static void read_usage(struct gather *g, const json_t *usage)
{
	read_count(usage, "input_tokens", &g->usage.input);
	read_count(usage, "cache_read_input_tokens", &g->usage.cache_read);
	read_count(usage, "cache_creation_input_tokens", &g->usage.cache_write);
	read_count(json_object_get(usage, "cache_creation"), "ephemeral_1h_input_tokens", &g->usage.cache_write_1h);
	read_count(usage, "output_tokens", &g->usage.output);
	read_count(json_object_get(usage, "output_tokens_details"), "thinking_tokens", &g->usage.reasoning);
}

static bool is_thinking(const json_t *block)
{
	const char *type = json_get_text(block, "type", "");

	return strcmp(type, "thinking") == 0 || strcmp(type, "redacted_thinking") == 0;
}

static void read_block(struct gather *g, int64_t index, const json_t *block)
{
	const char *type = json_get_text(block, "type", "");
	const json_t *input = json_object_get(block, "input");

	gather_block(g, index, block);
	if (strcmp(type, "text") == 0) {
		gather_text(g, json_object_get(block, "text"));
	} else if (strcmp(type, "tool_use") == 0) {
		struct gathered_call *call = gather_call(g, index, json_object_get(block, "id"),
		                                         json_object_get(block, "name"));
		if (call != NULL && json_object_size(input) > 0)
			gather_args(g, call, input);
	} else if (is_thinking(block)) {
		g->spoke = true;
	}
}

static void read_delta(struct gather *g, int64_t index, const json_t *delta)
{
	const char *type = json_get_text(delta, "type", "");
	struct gathered_block *block = gather_block_find(g, index);

	if (block == NULL)
		return;
	if (strcmp(type, "text_delta") == 0) {
		gather_text(g, json_object_get(delta, "text"));
	} else if (strcmp(type, "thinking_delta") == 0) {
		gather_block_add(g, &block->text, json_object_get(delta, "thinking"));
	} else if (strcmp(type, "signature_delta") == 0) {
		gather_block_add(g, &block->signature, json_object_get(delta, "signature"));
	} else if (strcmp(type, "input_json_delta") == 0) {
		struct gathered_call *call = NULL;
		if (strcmp(json_get_text(block->block, "type", ""), "tool_use") == 0)
			call = gather_call(g, index, NULL, NULL);
		if (call != NULL)
			gather_args(g, call, json_object_get(delta, "partial_json"));
	}
}

static void read_message(struct gather *g, const json_t *message)
{
	const json_t *block;
	size_t i;

	g->begun = true;
	gather_word(&g->response_id, json_object_get(message, "id"));
	gather_word(&g->model, json_object_get(message, "model"));
	json_array_foreach(json_object_get(message, "content"), i, block)
		read_block(g, (int64_t)i, block);
	read_usage(g, json_object_get(message, "usage"));
	read_finish(g, json_object_get(message, "stop_reason"));
}

static void read_event(struct gather *g, const json_t *value)
{
	const char *type = json_get_text(value, "type", "");
	int64_t index = json_get_int(value, "index", -1);

	if (strcmp(type, "message_start") == 0) {
		read_message(g, json_object_get(value, "message"));
	} else if (strcmp(type, "content_block_start") == 0) {
		read_block(g, index, json_object_get(value, "content_block"));
	} else if (strcmp(type, "content_block_delta") == 0) {
		read_delta(g, index, json_object_get(value, "delta"));
	} else if (strcmp(type, "message_delta") == 0) {
		read_usage(g, json_object_get(value, "usage"));
		read_finish(g, json_object_get(json_object_get(value, "delta"), "stop_reason"));
	} else if (strcmp(type, "message_stop") == 0) {
		g->ended = true;
	}
}

static void anthropic_event(struct gather *g, struct str name UNUSED, struct str data)
{
	AUTO(json_decrefp) json_t *value = NULL;
	struct err err = ERR_NONE;
	struct llm_failure failure;

	if (json_parse(data, &value, &err) < 0)
		gather_unreadable(g, err.text);
	else if (fault_read(value, g->who, g->http_status, &failure))
		gather_fail(g, &failure);
	else
		read_event(g, value);
}

static void anthropic_whole(struct gather *g, const json_t *value)
{
	if (strcmp(json_get_text(value, "type", ""), "message") != 0) {
		gather_unreadable(g, "it is JSON, but no message: is the base address right? It has no /v1 at its end");
		return;
	}
	read_message(g, value);
	g->whole = true;
}

static void append_key(json_t *block, const char *key, const struct buf *more)
{
	AUTO(freep) char *text = xasprintf("%s%s", json_get_text(block, key, ""), buf_text(more));

	json_put_text(block, key, text);
}

/* Where thinking came, what goes back must be what came, in its order. */
static void anthropic_finish(struct gather *g)
{
	bool thinking = false;

	for (size_t i = 0; i < g->block_count; i++)
		thinking |= is_thinking(g->blocks[i].block);
	if (!thinking)
		return;
	json_t *list = json_array();
	for (size_t i = 0; i < g->block_count; i++) {
		json_t *block = g->blocks[i].block;
		const char *type = json_get_text(block, "type", "");
		size_t end = i + 1 < g->block_count ? g->blocks[i + 1].text_from : g->text.len;
		if (strcmp(type, "thinking") == 0) {
			append_key(block, "thinking", &g->blocks[i].text);
			append_key(block, "signature", &g->blocks[i].signature);
			json_array_append(list, block);
		} else if (strcmp(type, "redacted_thinking") == 0) {
			json_array_append(list, block);
		} else if (strcmp(type, "tool_use") == 0) {
			json_array_append_new(list, json_pack("{s:s,s:s}", "type", type, "id",
			                                      json_get_text(block, "id", "")));
		} else if (strcmp(type, "text") == 0) {
			AUTO(freep) char *text = xstrndup(buf_text(&g->text) + g->blocks[i].text_from,
			                                  end - g->blocks[i].text_from);
			add_text_block(list, text);
		}
	}
	json_t *opaque = json_pack("{s:o}", "anthropic", list);
	g->opaque = json_text(opaque);
	json_decref(opaque);
}

const struct dialect anthropic_dialect = {
	.path = "/v1/messages",
	.request = anthropic_request,
	.headers = anthropic_headers,
	.event = anthropic_event,
	.whole = anthropic_whole,
	.finish = anthropic_finish,
};
