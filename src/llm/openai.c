/* openai.c - the dialect of chat completions (POST /v1/chat/completions), which most servers speak. It asks for a
 * stream with usage, and takes a reply in one piece where a server ignores that. Where servers differ from the
 * documented form in a way that loses nothing, they are understood; everything else fails the reply. */
#include "llm/provider.h"
#include "llm/request.h"

#include "base/banned.h"

enum { NAME_BYTES = 64 };       /* what the service takes */

/* ---- the request ---- */

static void add_calls(struct buf *to, const json_t *calls)
{
	const json_t *call;
	size_t i;

	buf_add_text(to, ",\"tool_calls\":[");
	json_array_foreach(calls, i, call) {
		const json_t *args = json_object_get(call, "args");
		AUTO(freep) char *name = request_tool_name(json_get_text(call, "name", ""));
		buf_add_text(to, i > 0 ? ",{\"id\":" : "{\"id\":");
		request_add_text(to, json_object_get(call, "id"));
		buf_add_text(to, ",\"type\":\"function\",\"function\":{\"name\":");
		request_add_word(to, name, NAME_BYTES);
		buf_add_text(to, ",\"arguments\":");
		if (json_string_length(args) > 0)
			request_add_text(to, args);
		else
			buf_add_text(to, "\"{}\"");
		buf_add_text(to, "}}");
	}
	buf_add_char(to, ']');
}

static void add_message(struct buf *to, const json_t *message)
{
	const json_t *role = json_object_get(message, "role"), *text = json_object_get(message, "text");
	const json_t *calls = json_object_get(message, "calls"), *call = json_object_get(message, "call");

	buf_add_text(to, "{\"role\":");
	request_add_text(to, role);
	if (call != NULL) {
		buf_add_text(to, ",\"tool_call_id\":");
		request_add_text(to, call);
	}
	buf_add_text(to, ",\"content\":");
	if (json_array_size(calls) > 0 && json_string_length(text) == 0)
		buf_add_text(to, "null");
	else
		request_add_text(to, text);
	if (json_array_size(calls) > 0)
		add_calls(to, calls);
	buf_add_char(to, '}');
}

static void add_tool(struct buf *to, const json_t *tool)
{
	const json_t *schema = json_object_get(tool, "schema"), *text = json_object_get(tool, "schema_text");
	AUTO(freep) char *name = request_tool_name(json_get_text(tool, "name", ""));

	buf_add_text(to, "{\"type\":\"function\",\"function\":{\"name\":");
	request_add_str(to, str_of(name));
	buf_add_text(to, ",\"description\":");
	request_add_text(to, json_object_get(tool, "description"));
	buf_add_text(to, ",\"parameters\":");
	if (text != NULL)
		buf_add(to, json_string_value(text), json_string_length(text));
	else if (schema != NULL)
		json_write(schema, to);
	else
		buf_add_text(to, "{\"type\":\"object\",\"properties\":{}}");
	buf_add_text(to, "}}");
}

static void add_list(struct buf *to, const char *name, const json_t *list, void (*add)(struct buf *, const json_t *))
{
	const json_t *item;
	size_t i;

	buf_printf(to, ",\"%s\":[", name);
	json_array_foreach(list, i, item) {
		if (i > 0)
			buf_add_char(to, ',');
		add(to, item);
	}
	buf_add_char(to, ']');
}

static void openai_request(const struct llm_model *model, const struct llm_request *request, struct buf *ret)
{
	buf_add_text(ret, "{\"model\":");
	request_add_str(ret, str_of(model->name));
	add_list(ret, "messages", request->messages, add_message);
	if (json_array_size(request->tools) > 0)
		add_list(ret, "tools", request->tools, add_tool);
	if (request->max_output_tokens > 0)
		buf_printf(ret, ",\"%s\":%lld", model->provider->max_tokens_key, (long long)request->max_output_tokens);
	buf_add_text(ret, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
}

static void openai_headers(const struct llm_model *model, void (*add)(void *to, const char *line), void *to)
{
	if (model->key == NULL)
		return;
	AUTO(freep) char *line = xasprintf("Authorization: Bearer %s", model->key);
	add(to, line);
	explicit_bzero(line, strlen(line));
}

/* ---- the reply ---- */

/* Prompt tokens include what was read from and written to the cache; ours are disjoint. */
static void read_usage(struct gather *g, const json_t *usage)
{
	if (!json_is_object(usage))
		return;
	const json_t *prompt = json_object_get(usage, "prompt_tokens_details");
	const json_t *completion = json_object_get(usage, "completion_tokens_details");
	const json_t *cost = json_object_get(usage, "cost");
	struct llm_usage *u = &g->usage;
	int64_t all = gather_tokens(usage, "prompt_tokens"), total = gather_tokens(usage, "total_tokens");

	u->cache_read = gather_tokens(prompt, "cached_tokens");
	u->cache_write = gather_tokens(prompt, "cache_write_tokens");
	u->output = gather_tokens(usage, "completion_tokens");
	u->reasoning = gather_tokens(completion, "reasoning_tokens");
	int64_t cached = MAX(u->cache_read, (int64_t)0) + MAX(u->cache_write, (int64_t)0);
	u->input = all >= cached ? all - cached : all;
	/* Some servers leave reasoning out of completion_tokens; their total gives them away. */
	if (all >= 0 && u->output >= 0 && u->reasoning > 0 && total == all + u->output + u->reasoning)
		u->output += u->reasoning;
	if (g->reports_usd && json_is_number(cost) && json_number_value(cost) >= 0 && json_number_value(cost) < 1e6)
		u->usd_nanos = (int64_t)(json_number_value(cost) * 1e9 + 0.5);
}

static void read_calls(struct gather *g, const json_t *calls, bool streamed)
{
	const json_t *piece;
	size_t i;

	json_array_foreach(calls, i, piece) {
		const json_t *function = json_object_get(piece, "function");
		int64_t index = json_get_int(piece, "index", streamed ? -1 : (int64_t)i);
		struct gathered_call *call = gather_call(g, index, json_object_get(piece, "id"),
		                                         json_object_get(function, "name"));
		if (call != NULL)
			gather_args(g, call, json_object_get(function, "arguments"));
	}
}

/* Text, or a list of parts of which those with text count. */
static void read_content(struct gather *g, const json_t *content)
{
	const json_t *part;
	size_t i;

	gather_text(g, content);
	json_array_foreach(content, i, part)
		gather_text(g, json_object_get(part, "text"));
}

/* `message` is a whole one or what a piece of the stream adds. */
static void read_message(struct gather *g, const json_t *message, bool streamed)
{
	const json_t *refusal = json_object_get(message, "refusal");

	if (json_string_length(json_object_get(message, "reasoning_content")) > 0 ||
	    json_string_length(json_object_get(message, "reasoning")) > 0)
		g->spoke = true;
	read_content(g, json_object_get(message, "content"));
	gather_text(g, refusal);
	g->refused |= json_string_length(refusal) > 0;
	read_calls(g, json_object_get(message, "tool_calls"), streamed);
}

static void read_finish(struct gather *g, const json_t *choice)
{
	const json_t *finish = json_object_get(choice, "finish_reason");

	if (json_string_length(finish) == 0)
		return;
	if (strcmp(json_string_value(finish), "error") == 0) {
		struct llm_failure failure;
		fault_set(&failure, FAILURE_TRANSIENT, g->http_status, "%s broke its reply off without a reason", g->who);
		gather_fail(g, &failure);
		return;
	}
	gather_word(&g->finish, finish);
	g->whole = true;
}

static void read_value(struct gather *g, const json_t *value, const char *message_key)
{
	const json_t *choice;
	struct llm_failure failure;
	size_t i;

	if (fault_read(value, g->who, g->http_status, &failure)) {
		gather_fail(g, &failure);
		return;
	}
	gather_word(&g->response_id, json_object_get(value, "id"));
	gather_word(&g->model, json_object_get(value, "model"));
	json_array_foreach(json_object_get(value, "choices"), i, choice) {
		if (json_get_int(choice, "index", 0) != 0)
			continue;
		if (fault_read(choice, g->who, g->http_status, &failure)) {
			gather_fail(g, &failure);
			return;
		}
		g->begun = true;
		read_message(g, json_object_get(choice, message_key), message_key[0] == 'd');
		read_finish(g, choice);
	}
	read_usage(g, json_object_get(value, "usage"));
}

static void openai_event(struct gather *g, struct str name UNUSED, struct str data)
{
	AUTO(json_decrefp) json_t *value = NULL;
	struct err err = ERR_NONE;

	if (str_eq(str_trim(data), STR("[DONE]"))) {
		g->ended = true;
		return;
	}
	if (json_parse(data, &value, &err) < 0)
		gather_unreadable(g, err.text);
	else
		read_value(g, value, "delta");
}

/* A message in one piece is whole even where a server forgets to say why it ended. */
static void openai_whole(struct gather *g, const json_t *value)
{
	if (json_is_object(value) && json_object_get(value, "choices") == NULL) {
		gather_unreadable(g, "it is JSON, but no chat completion: is the base address right? "
		                  "It often ends in /v1");
		return;
	}
	read_value(g, value, "message");
	g->whole = true;
}

const struct dialect openai_dialect = {
	.path = "/chat/completions",
	.request = openai_request,
	.headers = openai_headers,
	.event = openai_event,
	.whole = openai_whole,
};
