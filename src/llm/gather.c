/* gather.c - joins the pieces of a reply and keeps its bounds. It repairs nothing: arguments stay the text that came,
 * and what is too large fails the reply instead of being cut. */
#include "llm/gather.h"
#include "llm/request.h"

#include "base/id.h"

#include "base/banned.h"

enum { FINISH_BYTES = 64, BLOCKS_MAX = 1024 };
static const int64_t tokens_max = 1000000000000;

void gather_init(struct gather *g, const char *who, int http_status)
{
	*g = (struct gather){
		.who = who, .http_status = http_status, .text = BUF_INIT(LIMIT_REPLY_TEXT_BYTES),
		.usage = { -1, -1, -1, -1, -1, -1, -1 },
	};
}

void gather_done(struct gather *g)
{
	for (size_t i = 0; i < g->call_count; i++) {
		free(g->calls[i].id);
		free(g->calls[i].name);
		buf_done(&g->calls[i].args);
	}
	for (size_t i = 0; i < g->block_count; i++) {
		json_decref(g->blocks[i].block);
		buf_done(&g->blocks[i].text);
		buf_done(&g->blocks[i].signature);
	}
	free(g->calls);
	free(g->blocks);
	free(g->opaque);
	buf_done(&g->text);
	free(g->finish);
	free(g->model);
	free(g->response_id);
	gather_init(g, g->who, g->http_status);
}

void gather_fail(struct gather *g, const struct llm_failure *failure)
{
	if (!g->failed)
		g->failure = *failure;
	g->failed = true;
}

void gather_unreadable(struct gather *g, const char *what)
{
	struct llm_failure failure;

	fault_set(&failure, fault_of_stream(STREAM_UNREADABLE), g->http_status, "%s: the reply cannot be read: %s", g->who, what);
	gather_fail(g, &failure);
}

/* Texts of a reply end in NUL, so one inside becomes the next control byte: in JSON it is as wrong as before. */
static void add_text(struct buf *to, const json_t *text)
{
	size_t len = json_string_length(text), start = to->len;

	buf_add(to, json_string_value(text), len);
	for (char *at; to->len > start && (at = memchr(to->ptr + start, '\0', to->len - start)) != NULL;)
		*at = '\x01';
}

void gather_text(struct gather *g, const json_t *text)
{
	size_t before = g->text.len;

	if (g->failed || json_string_length(text) == 0)
		return;
	g->spoke = true;
	add_text(&g->text, text);
	if (g->text.full)
		gather_unreadable(g, "its text is longer than a reply may be");
	else if (g->on_text != NULL)
		g->on_text(g->userdata, str_skip(buf_str(&g->text), before));
}

void gather_word(char **word, const json_t *text)
{
	if (json_string_length(text) == 0)
		return;
	free(*word);
	*word = xstrndup(json_string_value(text), LIMIT_MODEL_NAME_BYTES);
}

/* The newest call with this index takes the piece, unless the piece names another id: some servers give every call
 * the index 0. A piece without an index continues the newest call, unless it brings an id. */
static struct gathered_call *find_call(struct gather *g, int64_t index, const char *id)
{
	for (size_t i = g->call_count; i-- > 0;) {
		struct gathered_call *call = &g->calls[i];
		if (index >= 0 && call->index != index)
			continue;
		if (id != NULL && (call->id == NULL || strcmp(call->id, id) != 0))
			return NULL;
		return call;
	}
	return NULL;
}

struct gathered_call *gather_call(struct gather *g, int64_t index, const json_t *id, const json_t *name)
{
	const char *id_text = json_string_length(id) > 0 ? json_string_value(id) : NULL;
	struct gathered_call *call = find_call(g, index, id_text);

	g->spoke = true;
	if (call == NULL) {
		if (g->call_count > LIMIT_CALLS_PER_REPLY)
			return NULL;
		g->calls = xrealloc(g->calls, (g->call_count + 1) * sizeof *g->calls);
		call = &g->calls[g->call_count++];
		*call = (struct gathered_call){ .index = index, .args = BUF_INIT(LIMIT_CALL_ARGS_BYTES) };
		if (id_text != NULL)
			call->id = xstrdup(id_text);
	}
	if (call->name == NULL && json_string_length(name) > 0)
		call->name = reply_tool_name(json_string_value(name), LIMIT_CALL_NAME_BYTES);
	return call;
}

void gather_args(struct gather *g, struct gathered_call *call, const json_t *args)
{
	if (args == NULL || json_is_null(args))
		return;
	if (json_is_string(args))
		add_text(&call->args, args);
	else
		json_write(args, &call->args);
	if (call->args.full)
		gather_unreadable(g, "the arguments of a call are longer than they may be");
}

void gather_block(struct gather *g, int64_t index, const json_t *block)
{
	if (g->block_count == BLOCKS_MAX) {
		gather_unreadable(g, "it has more parts than a reply may have");
		return;
	}
	g->blocks = xrealloc(g->blocks, (g->block_count + 1) * sizeof *g->blocks);
	g->blocks[g->block_count++] = (struct gathered_block){
		.index = index, .block = json_deep_copy(block), .text_from = g->text.len,
		.text = BUF_INIT(LIMIT_REPLY_TEXT_BYTES), .signature = BUF_INIT(LIMIT_REPLY_TEXT_BYTES),
	};
}

struct gathered_block *gather_block_find(struct gather *g, int64_t index)
{
	for (size_t i = g->block_count; i-- > 0;) {
		if (g->blocks[i].index == index)
			return &g->blocks[i];
	}
	return NULL;
}

void gather_block_add(struct gather *g, struct buf *to, const json_t *text)
{
	add_text(to, text);
	if (to->full)
		gather_unreadable(g, "a part of it is longer than it may be");
}

int64_t gather_tokens(const json_t *object, const char *key)
{
	int64_t count = json_get_int(object, key, -1);

	return count >= 0 && count <= tokens_max ? count : -1;
}

static bool id_usable(const struct llm_reply *reply, size_t before, const char *id)
{
	if (id == NULL || strlen(id) > LIMIT_CALL_ID_BYTES)
		return false;
	for (size_t i = 0; i < before; i++) {
		if (strcmp(reply->calls[i].id, id) == 0)
			return false;
	}
	return true;
}

static void hand_over_calls(struct gather *g, struct llm_reply *ret)
{
	if (g->call_count == 0)
		return;
	ret->calls = xcalloc(g->call_count, sizeof *ret->calls);
	for (size_t i = 0; i < g->call_count; i++) {
		struct gathered_call *from = &g->calls[i];
		struct llm_tool_call *to = &ret->calls[i];
		if (id_usable(ret, i, from->id)) {
			to->id = TAKE(from->id);
		} else {
			char made[ID_LEN + 1];
			id_new(made);
			to->id = xasprintf("call_%s", made);
		}
		to->name = from->name != NULL ? TAKE(from->name) : xstrdup("");
		to->args = buf_take(&from->args);
		ret->call_count++;
	}
}

void gather_reply(struct gather *g, struct llm_reply *ret)
{
	struct llm_reply reply = { .usage = g->usage, .first_ms = -1 };

	reply.text = buf_take(&g->text);
	hand_over_calls(g, &reply);
	if (g->refused)
		reply.finish = xstrdup("refusal");
	else if (g->finish != NULL)
		reply.finish = xstrndup(g->finish, FINISH_BYTES);
	else
		reply.finish = xstrdup(reply.call_count > 0 ? "tool_calls" : "stop");
	reply.model = TAKE(g->model);
	reply.response_id = TAKE(g->response_id);
	reply.opaque = TAKE(g->opaque);
	*ret = reply;
}

void llm_reply_done(struct llm_reply *reply)
{
	for (size_t i = 0; i < reply->call_count; i++) {
		free(reply->calls[i].id);
		free(reply->calls[i].name);
		free(reply->calls[i].args);
	}
	free(reply->calls);
	free(reply->text);
	free(reply->finish);
	free(reply->model);
	free(reply->response_id);
	free(reply->ref);
	free(reply->opaque);
	*reply = (struct llm_reply){ 0 };
}
