/* api_openai.c - chat completions, so that a client of OpenAI's API talks to a governed agent: a request is a task of its
 * caller, and the answer is the task's result; as a stream, what its agent says until then (api_said.c). It says nothing that
 * was not made harmless. */
#include "cli/api_openai.h"

#include <stdio.h>
#include <string.h>

#include "store/tokens.h"
#include "tools/tool.h"

#include "base/banned.h"

void chat_forget(struct api_chat *chat)
{
	reveal_done(&chat->text);
	free(chat->end.result);
	free(chat->model);
	free(chat);
}

static struct api_chat *take_out(struct api *api, const struct http_conn *conn)
{
	for (struct api_chat **at = &api->chats; *at != NULL; at = &(*at)->next)
		if ((*at)->conn == conn) {
			struct api_chat *chat = *at;
			*at = chat->next;
			return chat;
		}
	return NULL;
}

/* ---- what the client is told ---- */

static json_t *usage_of(const struct ending *end)
{
	return json_pack("{s:I, s:I, s:I}", "prompt_tokens", (json_int_t)end->input, "completion_tokens", (json_int_t)end->output,
	                 "total_tokens", (json_int_t)(end->input + end->output));
}

static json_t *head_of(const struct api_chat *chat, const char *object)
{
	AUTO(freep) char *id = xasprintf("chatcmpl-%s", chat->task);

	return json_pack("{s:s, s:s, s:I, s:s}", "id", id, "object", object, "created", (json_int_t)chat->created_s, "model", chat->model);
}

static void write_data(const struct api_chat *chat, json_t *owned)
{
	AUTO(json_decrefp) json_t *object = owned;
	AUTO(freep) char *text = json_text(object);
	AUTO(freep) char *line = xasprintf("data: %s\n\n", text);

	http_stream_write(chat->conn, str_of(line));
}

static void write_delta(const struct api_chat *chat, json_t *delta, const char *reason)
{
	json_t *chunk = head_of(chat, "chat.completion.chunk");

	json_put(chunk, "choices", json_pack("[{s:i, s:o, s:n, s:s?}]", "index", 0, "delta", delta, "logprobs", "finish_reason", reason));
	if (chat->usage)
		json_put(chunk, "usage", json_null());
	write_data(chat, chunk);
}

static void headers_of(const struct api_chat *chat, const char *more, char *ret, size_t size)
{
	snprintf(ret, size, "X-Mishri-Task: %s\r\n%s", chat->task, more);
}

/* How ends that are no answer are told; a client must not repeat by itself what may have had effects. */
static void tell_failure(struct api_chat *chat, int status, const char *code, const char *why)
{
	char more[160];

	if (chat->begun) {
		write_data(chat, json_pack("{s:o}", "error", http_error_object(status, why, code, NULL)));
		http_stream_write(chat->conn, STR("data: [DONE]\n\n"));
		http_stream_end(chat->conn);
		return;
	}
	headers_of(chat, status == 429 ? "X-Should-Retry: false\r\nRetry-After: 60\r\n" : "X-Should-Retry: false\r\n", more, sizeof more);
	http_problem_about(chat->conn, status, why, code, NULL, more);
}

/* Where a piece of at most this many bytes ends without cutting a character. */
static size_t piece_end(struct str text)
{
	size_t n = MIN(text.len, (size_t)LIMIT_CHAT_PIECE_BYTES);

	while (n < text.len && n > 0 && ((unsigned char)text.ptr[n] & 0xc0) == 0x80)
		n--;
	return n;
}

void chat_content(const struct api_chat *chat, struct str text)
{
	while (text.len > 0) {
		size_t n = piece_end(text);
		json_t *delta = json_object();
		json_put_str(delta, "content", (struct str){ text.ptr, n });
		write_delta(chat, delta, NULL);
		text = str_skip(text, n);
	}
}

static void tell_stream(struct api_chat *chat, const char *reason)
{
	said_result(chat, chat->end.result);
	write_delta(chat, json_object(), reason);
	if (chat->usage) {
		json_t *chunk = head_of(chat, "chat.completion.chunk");
		json_put(chunk, "choices", json_array());
		json_put(chunk, "usage", usage_of(&chat->end));
		write_data(chat, chunk);
	}
	http_stream_write(chat->conn, STR("data: [DONE]\n\n"));
	http_stream_end(chat->conn);
}

static void begin_stream(struct api_chat *chat)
{
	char more[160];

	headers_of(chat, "", more, sizeof more);
	http_stream_begin(chat->conn, "text/event-stream", more);
	chat->begun = true;
	write_delta(chat, json_pack("{s:s, s:s}", "role", "assistant", "content", ""), NULL);
}

static void tell_result(struct api_chat *chat)
{
	const char *reason = chat->end.exit == EXIT_LIMIT ? "length" : "stop";
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_REPLY_TEXT_BYTES * 16);
	char more[160];

	if (chat->begun) {
		tell_stream(chat, reason);
		return;
	}
	AUTO(json_decrefp) json_t *all = head_of(chat, "chat.completion");
	sanitize_shown(str_of(chat->end.result), &clean);
	json_put(all, "choices", json_pack("[{s:i, s:{s:s, s:o, s:n}, s:n, s:s}]", "index", 0, "message", "role", "assistant",
	                                   "content", json_of_str(buf_str(&clean)), "refusal", "logprobs", "finish_reason", reason));
	json_put(all, "usage", usage_of(&chat->end));
	AUTO(freep) char *text = json_text(all);
	headers_of(chat, "", more, sizeof more);
	http_answer(chat->conn, 200, "application/json", str_of(text), more);
}

/* The client has its answer after this. */
static void tell_end(struct api_chat *chat)
{
	static const struct { int exit, status; const char *code; } rows[] = {
		{ EXIT_AUTH, 503, "no_key" }, { EXIT_PROVIDER, 503, "provider" }, { EXIT_DENIED, 403, "denied" },
		{ EXIT_BUDGET, 429, "budget" }, { EXIT_NOBODY, 403, "approval_wanted" }, { EXIT_LOOP, 422, "loop" },
	};
	const struct ending *end = &chat->end;
	int status = strcmp(end->state, "cancelled") == 0 ? 409 : 422;
	const char *code = status == 409 ? "cancelled" : "failed";
	AUTO(buf_done) struct buf why = BUF_INIT(LIMIT_REPLY_TEXT_BYTES * 16);

	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].exit == end->exit) {
			status = rows[i].status;
			code = rows[i].code;
		}
	if (end->exit == EXIT_DONE || end->exit == EXIT_LIMIT) {
		tell_result(chat);
		return;
	}
	sanitize_shown(str_of(end->result), &why);
	tell_failure(chat, status, code, why.len > 0 ? buf_text(&why) : "the task ended without a result");
}

/* Tells what there is room for. False: it was told all, and is gone. */
static bool go_on(struct api *api, struct api_chat *chat)
{
	if (chat->begun)
		said_again(api, chat);
	if (!chat->over || chat->behind)
		return true;
	take_out(api, chat->conn);
	tell_end(chat);
	chat_forget(chat);
	return false;
}

/* ---- what the engine says ---- */

void api_chats_event(struct api *api, const struct event *event)
{
	for (struct api_chat *chat = api->chats, *next; chat != NULL; chat = next) {
		next = chat->next;
		if (!chat->stream || strcmp(chat->task, event->task) != 0)
			continue;
		if (event->type == EVENT_TASK_CREATED && !chat->begun)
			begin_stream(chat);
		else if (chat->begun && said_event(chat, event))
			go_on(api, chat);
	}
}

void api_chats_text(struct api *api, const char *task, struct str text)
{
	for (struct api_chat *chat = api->chats; chat != NULL; chat = chat->next)
		if (chat->begun && strcmp(chat->task, task) == 0)
			said_live(chat, text);
}

static void set_end(struct api_chat *chat, struct ending end, const char *result)
{
	chat->end = end;
	chat->end.result = xstrdup(result != NULL ? result : "");
	chat->over = true;
	chat->behind |= chat->begun;
}

static void on_over(struct api *api, struct api_chat *chat, const struct run *run)
{
	const struct task *task = run_task(run);
	const struct err *why = run_failure(run);
	const struct ending end = {
		.state = strcmp(task->state, "cancelled") == 0 ? "cancelled" : "", .exit = task->exit,
		.input = task->input + task->cache_read + task->cache_write + task->below.input + task->below.cache_read +
		         task->below.cache_write,
		.output = task->output + task->below.output,
	};

	if (task->state[0] != '\0') {
		set_end(chat, end, task->result);
		go_on(api, chat);
		return;
	}
	take_out(api, chat->conn);
	tell_failure(chat, 503, "parked", why->code != 0 ? why->text : "the task is parked; GET /v1/tasks/{id} shows how it goes on");
	chat_forget(chat);
}

void api_chats_over(struct api *api, const struct run *run)
{
	for (struct api_chat *chat = api->chats, *next; chat != NULL; chat = next) {
		next = chat->next;
		if (strcmp(chat->task, run_task(run)->id) == 0 && !chat->over)
			on_over(api, chat, run);
	}
}

bool api_chat_room(struct api *api, const struct http_conn *conn)
{
	for (struct api_chat *chat = api->chats; chat != NULL; chat = chat->next)
		if (chat->conn == conn) {
			go_on(api, chat);
			return true;
		}
	return false;
}

void api_chats_alive(struct api *api)
{
	for (struct api_chat *chat = api->chats, *next; chat != NULL; chat = next) {
		next = chat->next;
		if (!chat->begun)
			continue;
		if (!api_token_holds(api, chat->token)) {
			http_stream_end(chat->conn);
			chat_forget(take_out(api, chat->conn));
		} else if (http_stream_waiting(chat->conn) == 0 && go_on(api, chat)) {
			http_stream_write(chat->conn, STR(": here\n\n"));
		}
	}
}

/* Nobody waits for it any more: it does nothing further, unless its client said by a key that it may come back. */
bool api_chat_gone(struct api *api, struct http_conn *conn)
{
	struct api_chat *chat = take_out(api, conn);
	struct control_sent sent = { 0 };
	struct err err = ERR_NONE;

	if (chat == NULL)
		return false;
	const struct control cancel = { .command = CONTROL_CANCEL, .task = chat->task, .user = chat->user,
	                                .policy = api->serve->s.policy };
	if (!chat->kept && !chat->over && control_send(api->serve->s.store, &cancel, &sent, &err) < 0)
		fprintf(stderr, "mishri: task %s was not cancelled after its client went: %s\n", chat->task, err.text);
	chat_forget(chat);
	return true;
}

void api_chats_close(struct api *api)
{
	while (api->chats != NULL)
		chat_forget(take_out(api, api->chats->conn));
}

/* ---- the request ---- */

static bool refused(struct api_call *c, const char *param, const char *why)
{
	http_problem_about(c->conn, 400, why, "unsupported", param, "");
	return false;
}

/* False: it was answered. */
static bool check_params(struct api_call *c)
{
	static const char *const known[] = {
		"model", "messages", "stream", "stream_options", "n", "mishri", "temperature", "top_p", "max_tokens",
		"max_completion_tokens", "seed", "user", "metadata", "store", "presence_penalty", "frequency_penalty", "reasoning_effort",
		"service_tier", "safety_identifier", "prompt_cache_key",
	};
	const json_t *n = json_object_get(c->body, "n"), *stream = json_object_get(c->body, "stream");
	const json_t *options = json_object_get(c->body, "stream_options");
	const char *key;
	json_t *value;

	json_object_foreach(c->body, key, value) {
		bool found = false;
		for (size_t i = 0; i < COUNT(known) && !found; i++)
			found = strcmp(known[i], key) == 0;
		AUTO(freep) char *why = xasprintf("'%.64s' is not supported: an agent of Mishri has its own tools, and gives one answer in text",
		                                  key);
		if (!found)
			return refused(c, key, why);
	}
	if (n != NULL && json_integer_value(n) != 1)
		return refused(c, "n", "n: there is one answer; right would be 1, or nothing");
	if (stream != NULL && !json_is_boolean(stream))
		return refused(c, "stream", "stream: true or false is wanted");
	if (options != NULL && !json_is_object(options))
		return refused(c, "stream_options", "stream_options: an object with include_usage is wanted");
	return true;
}

static bool add_content(struct buf *text, const json_t *content)
{
	size_t i;
	json_t *part;

	if (json_is_string(content))
		return buf_add_text(text, json_string_value(content)) == 0;
	if (!json_is_array(content) || json_array_size(content) == 0)
		return false;
	json_array_foreach((json_t *)content, i, part)
		if (strcmp(json_get_text(part, "type", ""), "text") != 0 || buf_add_text(text, json_get_text(part, "text", "")) < 0)
			return false;
	return true;
}

/* The conversation as one goal: a single message is the goal itself. NULL: it was answered. */
static char *goal_of(struct api_call *c)
{
	static const char *const roles[] = { "system", "developer", "user", "assistant" };
	const json_t *messages = json_object_get(c->body, "messages"), *message;
	size_t count = json_array_size(messages), i;
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_GOAL_BYTES);

	if (!json_is_array(messages) || count == 0 || count > LIMIT_CHAT_MESSAGES ||
	    strcmp(json_get_text(json_array_get(messages, count - 1), "role", ""), "user") != 0) {
		refused(c, "messages", "messages: a list of at most 4096 is wanted, the last one with the role user");
		return NULL;
	}
	if (count > 1)
		buf_add_text(&text, "The conversation until now:\n");
	json_array_foreach((json_t *)messages, i, message) {
		const char *role = json_get_text(message, "role", "");
		AUTO(freep) char *where = xasprintf("messages[%zu]", i);
		bool known = name_find(roles, COUNT(roles), role) >= 0;
		if (count > 1)
			buf_printf(&text, i + 1 < count ? "\n[%s]\n" : "\nWhat the user asks for now:\n", role);
		if (!known || !add_content(&text, json_object_get(message, "content"))) {
			refused(c, where, "a message has one of the roles system, developer, user, assistant, and text as its content, together "
			        "not more than a goal may have (1 MiB); images, sound, files and calls are not supported");
			return NULL;
		}
		buf_add_text(&text, count > 1 ? "\n" : "");
	}
	if (text.full) {
		refused(c, "messages", "messages: together they are longer than a goal may be (1 MiB)");
		return NULL;
	}
	return buf_take(&text);
}

static bool no_model(struct api_call *c, const char *why)
{
	http_problem_about(c->conn, 404, why, "model_not_found", "model", "");
	return false;
}

static bool name_model(struct api_call *c, json_t *spec)
{
	const struct agents *agents = config_agents(c->api->serve->config);
	const char *model = json_get_text(c->body, "model", "");

	if (chat_model(model, agents, spec))
		return true;
	AUTO(freep) char *why = strncmp(model, "agent:", 6) == 0
		? xasprintf("model: there is no agent '%.64s'; GET /v1/models lists those that you may use", model + 6)
		: xasprintf("model: there is none of the name '%.64s'; right would be mishri, agent:NAME or PROVIDER/MODEL, as GET /v1/models "
		            "lists them", model);
	return no_model(c, why);
}

/* What POST /v1/tasks would have been given; NULL: it was answered. */
static json_t *spec_of(struct api_call *c)
{
	const json_t *own = json_object_get(c->body, "mishri");

	if (!check_params(c))
		return NULL;
	if (own != NULL && (!json_is_object(own) || json_object_get(own, "goal") != NULL || json_object_get(own, "model") != NULL)) {
		refused(c, "mishri", "mishri: an object with fields of POST /v1/tasks is wanted, without goal and model");
		return NULL;
	}
	AUTO(freep) char *goal = goal_of(c);
	if (goal == NULL)
		return NULL;
	AUTO(json_decrefp) json_t *spec = own != NULL ? json_deep_copy(own) : json_object();
	if (!name_model(c, spec))
		return NULL;
	json_put_text(spec, "goal", goal);
	chat_workspace(c->api, spec);
	if (json_object_get(spec, "wait_for_approval") == NULL)
		json_put_bool(spec, "wait_for_approval", false);
	return TAKE(spec);
}

static struct api_chat *chat_new(const struct api_call *c, const char *task, bool kept)
{
	struct api_chat *chat = xcalloc(1, sizeof *chat);

	chat->conn = c->conn;
	memcpy(chat->task, task, sizeof chat->task);
	memcpy(chat->user, c->who.user, sizeof chat->user);
	memcpy(chat->token, c->token, sizeof chat->token);
	chat->model = xstrdup(json_get_text(c->body, "model", ""));
	chat->stream = json_get_bool(c->body, "stream", false);
	chat->usage = json_get_bool(json_object_get(c->body, "stream_options"), "include_usage", false);
	chat->kept = kept;
	chat->created_s = clock_wall_us() / 1000000;
	reveal_init(&chat->text);
	return chat;
}

static void wait_for(struct api_call *c, struct api_chat *chat)
{
	http_conn_watch(c->conn);
	chat->next = c->api->chats;
	c->api->chats = chat;
}

/* Its task began earlier: a stream tells what was said until now first. */
static void join(struct api_call *c, struct api_chat *chat)
{
	wait_for(c, chat);
	if (chat->stream) {
		begin_stream(chat);
		said_missed(chat);
	}
	go_on(c->api, chat);
}

/* Of the task and all below it, as while it worked. */
static void add_used(void *userdata, const struct cost_row *row)
{
	struct ending *end = userdata;

	end->input += row->input + row->cache_read + row->cache_write;
	end->output += row->output;
}

static void join_ended(struct api_call *c, const struct task_row *row)
{
	struct ending end = { .state = row->state == TASK_CANCELLED ? "cancelled" : "", .exit = row->exit };
	struct err err = ERR_NONE;

	if (store_costs(c->api->serve->s.store, &(struct cost_filter){ .root = row->task }, add_used, &end, &err) < 0) {
		api_fail(c, &err);
		return;
	}
	struct api_chat *chat = chat_new(c, row->task, true);
	set_end(chat, end, row->result);
	join(c, chat);
}

/* True: the request came before, and is answered with its task's end. */
static bool came_before(struct api_call *c, const char *key, const char *digest)
{
	char before[SHA256_HEX_LEN + 1], task[ID_LEN + 1];
	AUTO(task_row_done) struct task_row row = { 0 };
	struct err err = ERR_NONE;
	bool there = false;
	int r = store_request_get(c->api->serve->s.store, c->who.user, key, before, task, &there, &err);
	bool here = r > 0 && engine_has(c->api->serve->s.engine, task);

	if (r == 0 || (r > 0 && !there && !here))
		return false;
	if (r > 0 && strcmp(before, digest) != 0) {
		http_problem(c->conn, 422, "this Idempotency-Key came with another body before; a new request wants a new key");
		return true;
	}
	if (r > 0 && there)
		r = store_task_get(c->api->serve->s.store, task, &row, &err);
	if (r < 0)
		api_fail(c, &err);
	else if (row.result != NULL && row.exit >= 0)
		join_ended(c, &row);
	else if (here && there)
		join(c, chat_new(c, task, true));
	else if (here)
		wait_for(c, chat_new(c, task, true));
	else
		http_problem(c->conn, 409, "the task of this Idempotency-Key is parked; GET /v1/tasks shows it");
	return true;
}

/* False: it was answered. */
static bool has_room(struct api_call *c)
{
	size_t all = 0, own = 0;

	for (const struct api_chat *chat = c->api->chats; chat != NULL; chat = chat->next, all++)
		own += strcmp(chat->user, c->who.user) == 0 ? 1 : 0;
	if (all < LIMIT_CHATS && own < LIMIT_CHATS_USER)
		return true;
	http_problem_about(c->conn, 429, "too many answers are waited for at once; try again when one has come", "rate_limit", NULL,
	                   "Retry-After: 5\r\n");
	return false;
}

/* Of a model, policy or its key said no, or nobody has it. */
static void tell_refused(struct api_call *c, const struct err *err)
{
	if (strncmp(err->text, "model: ", 7) != 0)
		api_fail(c, err->code == ENOENT ? &(struct err){ .code = EINVAL } : err);
	else if (err->code == EACCES)
		http_problem_about(c->conn, 403, err->text, "model_refused", "model", "");
	else
		no_model(c, err->text);
}

void api_chat(struct api_call *c)
{
	struct serve *serve = c->api->serve;
	char key[256], digest[SHA256_HEX_LEN + 1];
	struct run *run = NULL;
	struct err err = ERR_NONE;

	if (!api_key(c, key) || !has_room(c))
		return;
	if (engine_draining(serve->s.engine)) {
		http_problem(c->conn, 503, "the service is ending; nothing new begins");
		return;
	}
	AUTO(json_decrefp) json_t *spec = spec_of(c);
	if (spec == NULL)
		return;
	sha256_hex1(c->http->body, digest);
	if (key[0] != '\0' && came_before(c, key, digest))
		return;
	api_take_header(c, "traceparent", c->who.traceparent, sizeof c->who.traceparent);
	api_take_header(c, "tracestate", c->who.tracestate, sizeof c->who.tracestate);
	int r = serve_start(serve, &c->who, spec, &run, &err);
	if (r == 0 && key[0] != '\0')
		r = store_request_put(serve->s.store, c->who.user, key, digest, run_task(run)->id, &err);
	if (r < 0 && run == NULL)
		tell_refused(c, &err);
	else
		wait_for(c, chat_new(c, run_task(run)->id, key[0] != '\0'));
}
