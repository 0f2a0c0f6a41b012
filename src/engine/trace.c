/* trace.c - folds the events of a task tree into spans. It keeps the content of messages out of the
 * attributes: who exports them does not give away what was said. It prints nothing. */
#include "engine/trace.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"

#include "base/banned.h"

static const char *const kind_names[] = {
	[SPAN_TASK] = "task", [SPAN_MODEL] = "model", [SPAN_CALL] = "call", [SPAN_DECISION] = "decision", [SPAN_EXEC] = "exec",
	[SPAN_NET] = "net", [SPAN_PERSON] = "person", [SPAN_PARKED] = "parked",
};
_Static_assert(COUNT(kind_names) == SPAN_KINDS, "every kind has a name");

const char *span_kind_name(enum span_kind kind)
{
	return name_of(kind_names, COUNT(kind_names), kind);
}

int64_t span_end(const struct trace *trace, const struct span *span)
{
	return span->end_us != 0 ? span->end_us : trace->end_us;
}

static void set(char **text, const char *value)
{
	free(*text);
	*text = value != NULL ? xstrdup(value) : NULL;
}

struct span *trace_find(const struct trace *t, const char *id)
{
	const json_t *at = json_object_get(t->by_id, id);

	return at != NULL ? t->spans[json_integer_value(at)] : NULL;
}

char *span_full_name(const struct span *s)
{
	return xasprintf("%s %s", json_get_text(s->attributes, "gen_ai.operation.name", span_kind_name(s->kind)),
	                 s->kind == SPAN_MODEL ? json_get_text(s->attributes, "gen_ai.request.model", "") : s->name);
}

/* Events of what has no span of its own in the record get one that follows from them. */
static void derived_id(const struct event *e, const char *what, char ret[static SPAN_ID_LEN + 1])
{
	char hex[SHA256_HEX_LEN + 1];
	const struct str parts[] = { str_of(e->trace_id), STR("/"), str_of(e->span_id), STR("/"), str_of(what) };

	sha256_hex(parts, COUNT(parts), hex);
	memcpy(ret, hex, SPAN_ID_LEN);
	ret[SPAN_ID_LEN] = '\0';
}

/* NULL beyond the limit. */
static struct span *begin(struct trace *t, const struct event *e, enum span_kind kind, const char *id, const char *parent_id)
{
	if (t->count == LIMIT_TRACE_SPANS) {
		t->left_out++;
		return NULL;
	}
	struct span *s = xcalloc(1, sizeof *s);
	s->kind = kind;
	snprintf(s->id, sizeof s->id, "%s", id);
	snprintf(s->parent_id, sizeof s->parent_id, "%s", parent_id);
	s->start_us = e->time_us;
	s->attributes = json_object();
	s->parent = trace_find(t, parent_id);
	if (s->parent != NULL && s->parent->last != NULL)
		s->parent->last = s->parent->last->next = s;
	else if (s->parent != NULL)
		s->parent->first = s->parent->last = s;
	if (t->count == t->room) {
		t->room = MAX(t->room * 2, (size_t)16);
		t->spans = xrealloc(t->spans, t->room * sizeof *t->spans);
	}
	json_put_int(t->by_id, s->id, (int64_t)t->count);
	t->spans[t->count++] = s;
	return s;
}

static void finish(struct trace *t, struct span *s, const struct event *e, const char *status)
{
	s->end_us = e->time_us;
	set(&s->status, status);
	if (!t->tells_ends)
		return;
	t->ended = xrealloc(t->ended, (t->ended_count + 1) * sizeof *t->ended);
	t->ended[t->ended_count++] = s;
}

/* Copies fields of data under other names; null and absence leave the attribute out. */
struct copy { const char *from, *to; };
static void copy(struct span *s, const json_t *data, const struct copy *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		json_t *value = json_object_get(data, rows[i].from);
		if (value != NULL && !json_is_null(value))
			json_object_set(s->attributes, rows[i].to, value);
	}
}
#define COPY(s, data, ...) do { \
		static const struct copy rows_[] = { __VA_ARGS__ }; \
		copy((s), (data), rows_, COUNT(rows_)); \
	} while (0)

/* What was said, where it is wanted; the middle of long texts is left out. */
static void keep(const struct trace *t, struct span *s, const char *name, const json_t *value)
{
	if (!t->content || value == NULL || json_is_null(value))
		return;
	if (s->content == NULL)
		s->content = json_object();
	size_t len = json_string_length(value);
	if (len <= LIMIT_TRACE_TEXT_BYTES) {
		json_object_set(s->content, name, (json_t *)value);
		return;
	}
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_TRACE_TEXT_BYTES + 100);
	const char *whole = json_string_value(value);
	buf_add(&text, whole, LIMIT_TRACE_TEXT_BYTES / 2);
	buf_printf(&text, "\n[... %zu bytes left out ...]\n", len - LIMIT_TRACE_TEXT_BYTES);
	buf_add(&text, whole + len - LIMIT_TRACE_TEXT_BYTES / 2, LIMIT_TRACE_TEXT_BYTES / 2);
	json_put_str(s->content, name, buf_str(&text));
}

/* "by RULE: REASON" */
static char *refusal(const json_t *data)
{
	return xasprintf("by %s: %s", json_get_text(data, "rule", json_get_text(data, "by", "the default")),
	                 json_get_text(data, "reason", ""));
}

/* ---- tasks ---- */

static void on_task_created(struct trace *t, const struct event *e)
{
	struct span *s = begin(t, e, SPAN_TASK, e->span_id, e->parent_span_id);

	if (s == NULL)
		return;
	set(&s->name, json_get_text(e->data, "agent", ""));
	set(&s->label, e->task);
	set(&s->text, json_get_text(e->data, "goal", ""));
	set(&s->status, "running");
	keep(t, s, "goal", json_object_get(e->data, "goal"));
	json_put_text(s->attributes, "gen_ai.operation.name", "invoke_agent");
	json_put_text(s->attributes, "gen_ai.conversation.id", e->session);
	json_put_text(s->attributes, "mishri.task.id", e->task);
	COPY(s, e->data, { "agent", "gen_ai.agent.name" }, { "role", "mishri.task.role" }, { "depth", "mishri.task.depth" },
	     { "isolation", "mishri.task.isolation" });
	json_put_text(s->attributes, "mishri.user", e->user);
	const char *state = json_get_text(json_object_get(e->data, "config"), "tracestate", NULL);
	if (state != NULL && t->tracestate == NULL)
		set(&t->tracestate, state);
	const char *model = json_get_text(e->data, "model", ""), *slash = strchr(model, '/');
	if (slash != NULL) {
		json_put_str(s->attributes, "gen_ai.provider.name", (struct str){ model, (size_t)(slash - model) });
		json_put_text(s->attributes, "gen_ai.request.model", slash + 1);
	}
}

static void on_task_finished(struct trace *t, const struct event *e)
{
	struct span *s = trace_find(t, e->span_id);

	if (s == NULL)
		return;
	const char *state = json_get_text(e->data, "state", "done");
	finish(t, s, e, state);
	s->denied = strcmp(state, "denied") == 0;
	s->failed = strcmp(state, "done") != 0;
	if (s->failed) {
		set(&s->why, json_get_text(e->data, "result", ""));
		json_put_text(s->attributes, "error.type", state);
	}
	COPY(s, e->data, { "state", "mishri.task.state" }, { "exit", "mishri.task.exit" });
	if (s->parent != NULL)
		trace_edge(s->parent, s, EDGE_WAIT);
}

static void on_task_parked(struct trace *t, const struct event *e)
{
	char id[SPAN_ID_LEN + 1], what[40];
	struct span *task = trace_find(t, e->span_id);

	if (task == NULL)
		return;
	snprintf(what, sizeof what, "parked/%lld", (long long)e->seq);
	derived_id(e, what, id);
	struct span *s = begin(t, e, SPAN_PARKED, id, e->span_id);
	set(&task->status, "parked");
	if (s == NULL)
		return;
	set(&s->name, "parked");
	set(&s->text, json_get_text(e->data, "reason", ""));
	COPY(s, e->data, { "reason", "mishri.task.parked.reason" });
}

static void on_task_resumed(struct trace *t, const struct event *e)
{
	struct span *task = trace_find(t, e->span_id);

	if (task == NULL)
		return;
	set(&task->status, "running");
	for (struct span *s = task->first; s != NULL; s = s->next)
		if (s->kind == SPAN_PARKED && s->end_us == 0)
			finish(t, s, e, "resumed");
}

/* ---- models ---- */

static void on_model_requested(struct trace *t, const struct event *e)
{
	struct span *s = trace_find(t, e->span_id);

	if (s != NULL) {                        /* the same turn again: the span covers its retries */
		s->end_us = 0;
		s->failed = false;
		set(&s->status, NULL);
		set(&s->why, NULL);
		json_object_del(s->attributes, "error.type");
		COPY(s, e->data, { "provider", "gen_ai.provider.name" }, { "model", "gen_ai.request.model" }); /* it may be another */
		json_put_int(s->attributes, "mishri.model.retries",
		             json_get_int(s->attributes, "mishri.model.retries", 0) + 1);
		return;
	}
	s = begin(t, e, SPAN_MODEL, e->span_id, e->parent_span_id);
	if (s == NULL)
		return;
	AUTO(freep) char *name = xasprintf("turn %lld", (long long)json_get_int(e->data, "turn", 0));
	set(&s->name, name);
	json_put_text(s->attributes, "gen_ai.operation.name", "chat");
	json_put_text(s->attributes, "gen_ai.conversation.id", e->session);
	COPY(s, e->data, { "provider", "gen_ai.provider.name" }, { "model", "gen_ai.request.model" }, { "turn", "mishri.turn" });
	trace_turn_edges(s);
}

/* Input counts what came from a cache too, as the convention wants it. */
static void add_usage(struct span *s, const json_t *usage)
{
	static const char *const inputs[] = { "input", "cache_read", "cache_write" };
	int64_t sum = 0;
	bool known = false;

	for (size_t i = 0; i < COUNT(inputs); i++) {
		known |= json_is_integer(json_object_get(usage, inputs[i]));
		sum += json_get_int(usage, inputs[i], 0);
	}
	if (known)
		json_put_int(s->attributes, "gen_ai.usage.input_tokens", sum);
	COPY(s, usage, { "output", "gen_ai.usage.output_tokens" }, { "cache_read", "gen_ai.usage.cache_read.input_tokens" },
	     { "cache_write", "gen_ai.usage.cache_creation.input_tokens" },
	     { "cache_write_1h", "mishri.usage.cache_write_1h" }, { "reasoning", "gen_ai.usage.reasoning.output_tokens" });
}

static void on_model_replied(struct trace *t, const struct event *e)
{
	struct span *s = trace_find(t, e->span_id);

	if (s == NULL)
		return;
	finish(t, s, e, json_get_text(e->data, "finish", ""));
	keep(t, s, "text", json_object_get(e->data, "text"));
	COPY(s, e->data, { "model", "gen_ai.response.model" }, { "response_id", "gen_ai.response.id" });
	json_put(s->attributes, "gen_ai.response.finish_reasons", json_pack("[s]", s->status));
	add_usage(s, json_object_get(e->data, "usage"));
	json_t *cost = json_object_get(e->data, "usd_nanos");
	json_put(s->attributes, "mishri.cost.usd_nanos", cost != NULL ? json_incref(cost) : json_null());
	if (json_is_integer(json_object_get(e->data, "first_ms")))
		json_put(s->attributes, "gen_ai.response.time_to_first_chunk",
		         json_real((double)json_get_int(e->data, "first_ms", 0) / 1e3));
}

static void on_model_failed(struct trace *t, const struct event *e)
{
	struct span *s = trace_find(t, e->span_id);

	if (s == NULL)
		return;
	finish(t, s, e, "failed");
	s->failed = true;
	set(&s->why, json_get_text(e->data, "message", ""));
	COPY(s, e->data, { "class", "error.type" }, { "status", "http.response.status_code" });
}

/* ---- calls ---- */

/* What a call is about: the argument that says most. */
static char *gist(const json_t *args)
{
	static const char *const keys[] = { "command", "path", "pattern", "url", "question", "result" };
	static const struct { const char *key, *noun; } lists[] = { { "steps", "step" }, { "tasks", "task" } };

	for (size_t i = 0; i < COUNT(keys); i++) {
		const char *text = json_get_text(args, keys[i], NULL);
		if (text != NULL)
			return xstrdup(text);
	}
	for (size_t i = 0; i < COUNT(lists); i++) {
		size_t count = json_array_size(json_object_get(args, lists[i].key));
		if (count > 0)
			return xasprintf("%zu %s%s", count, lists[i].noun, count == 1 ? "" : "s");
	}
	return json_text(args);
}

static void on_call_proposed(struct trace *t, const struct event *e)
{
	struct span *s = begin(t, e, SPAN_CALL, e->span_id, e->parent_span_id);

	if (s == NULL)
		return;
	AUTO(freep) char *text = gist(json_object_get(e->data, "args"));
	set(&s->name, json_get_text(e->data, "tool", ""));
	set(&s->label, json_get_text(e->data, "call", ""));
	set(&s->text, text);
	keep(t, s, "args", json_object_get(e->data, "args"));
	json_put_text(s->attributes, "gen_ai.operation.name", "execute_tool");
	json_put_text(s->attributes, "gen_ai.tool.type", "function");
	COPY(s, e->data, { "tool", "gen_ai.tool.name" }, { "id", "gen_ai.tool.call.id" }, { "call", "mishri.call.id" });
	trace_call_edges(t, s, json_object_get(e->data, "args"));
}

/* The decision on a call as a node of its own; it takes no time that a trace could show. */
static void add_decision(struct trace *t, const struct event *e)
{
	char id[SPAN_ID_LEN + 1], what[40];
	const char *effect = json_get_text(e->data, "effect", "");

	snprintf(what, sizeof what, "decision/%d", e->attempt);
	derived_id(e, what, id);
	if (trace_find(t, id) != NULL)
		return;
	struct span *s = begin(t, e, SPAN_DECISION, id, e->span_id);
	if (s == NULL)
		return;
	set(&s->name, effect);
	finish(t, s, e, effect);
	set(&s->text, json_get_text(e->data, "reason", ""));
	COPY(s, e->data, { "effect", "mishri.policy.decision" }, { "rule", "mishri.policy.rule" }, { "source", "mishri.policy.source" },
	     { "reason", "mishri.policy.reason" }, { "policy", "mishri.policy.digest" }, { "by", "mishri.policy.by" },
	     { "ns", "mishri.policy.ns" });
}

/* Calls of one reply are decided one after another: until then it only waited for the ones before. */
static void on_call_decided(struct trace *t, const struct event *e)
{
	struct span *s = trace_find(t, e->span_id);

	if (s == NULL)
		return;
	s->start_us = e->time_us;
	bool refused = strcmp(json_get_text(e->data, "effect", ""), "deny") == 0;
	s->denied = refused && strcmp(json_get_text(e->data, "by", ""), "schema") != 0; /* a malformed call is no denial */
	if (refused) {
		free(s->why);
		s->why = refusal(e->data);
	}
	COPY(s, e->data, { "effect", "mishri.policy.decision" }, { "rule", "mishri.policy.rule" },
	     { "reason", "mishri.policy.reason" }, { "policy", "mishri.policy.digest" }, { "by", "mishri.policy.by" });
	add_decision(t, e);
}

static void on_call_killed(struct trace *t, const struct event *e)
{
	struct span *s = trace_find(t, e->span_id);

	if (s != NULL)
		COPY(s, e->data, { "reason", "mishri.call.killed" });
}

static void on_call_finished(struct trace *t, const struct event *e)
{
	struct span *s = trace_find(t, e->span_id);

	if (s == NULL)
		return;
	const char *status = json_get_text(e->data, "status", "");
	s->failed = strcmp(status, "ok") != 0;
	finish(t, s, e, status);
	keep(t, s, "output", json_object_get(e->data, "output"));
	trace_output_words(t, s, json_get_text(e->data, "output", ""));
	if (s->failed) {
		json_put_text(s->attributes, "error.type", status);
		if (s->why == NULL)
			set(&s->why, json_get_text(e->data, "output", ""));
	}
	COPY(s, e->data, { "status", "mishri.call.status" }, { "exit", "process.exit.code" }, { "bytes", "mishri.call.output_bytes" },
	     { "execs", "mishri.call.execs" }, { "denied_execs", "mishri.call.denied_execs" }, { "taint", "mishri.call.taint" },
	     { "redactions", "mishri.call.redactions" }, { "attempts", "mishri.call.attempts" });
}

static char *words(const json_t *argv)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_JSON_BYTES);

	for (size_t i = 0; i < json_array_size(argv); i++) {
		const char *word = json_string_value(json_array_get(argv, i));
		buf_printf(&text, "%s%s", i > 0 ? " " : "", word != NULL ? word : "");
	}
	return xstrdup(buf_text(&text));
}

static void on_exec_decided(struct trace *t, const struct event *e)
{
	char id[SPAN_ID_LEN + 1], what[40];

	snprintf(what, sizeof what, "exec/%lld", (long long)e->seq);
	derived_id(e, what, id);
	struct span *s = begin(t, e, SPAN_EXEC, id, e->span_id);
	if (s == NULL)
		return;
	const char *program = json_get_text(e->data, "program", ""), *slash = strrchr(program, '/');
	AUTO(freep) char *text = words(json_object_get(e->data, "argv"));
	set(&s->name, slash != NULL ? slash + 1 : program);
	set(&s->text, text);
	const char *effect = json_get_text(e->data, "effect", "");
	s->denied = strcmp(effect, "deny") == 0;
	finish(t, s, e, effect);
	if (s->denied)
		s->why = refusal(e->data);
	json_put_text(s->attributes, "process.executable.name", s->name);
	COPY(s, e->data, { "program", "process.executable.path" }, { "origin", "mishri.exec.origin" },
	     { "effect", "mishri.policy.decision" }, { "rule", "mishri.policy.rule" }, { "reason", "mishri.policy.reason" });
}

/* ---- connections ---- */

/* Both events of one connection name it; numbers begin again in each cell, so the newest counts. */
static void connection_id(const struct event *e, char ret[static SPAN_ID_LEN + 1])
{
	char what[40];

	snprintf(what, sizeof what, "net/%lld", (long long)json_get_int(e->data, "connection", 0));
	derived_id(e, what, ret);
}

static void on_net_decided(struct trace *t, const struct event *e)
{
	char id[SPAN_ID_LEN + 1];
	const char *effect = json_get_text(e->data, "effect", ""), *method = json_get_text(e->data, "method", "");

	connection_id(e, id);
	struct span *s = begin(t, e, SPAN_NET, id, e->span_id);
	if (s == NULL)
		return;
	AUTO(freep) char *name = xasprintf("%s%s%s:%lld", method, method[0] != '\0' ? " " : "", json_get_text(e->data, "host", ""),
	                                   (long long)json_get_int(e->data, "port", 0));
	set(&s->name, name);
	s->denied = strcmp(effect, "deny") == 0;
	if (s->denied) {
		finish(t, s, e, effect);
		s->why = refusal(e->data);
	}
	json_put(s->attributes, "server.port", json_incref(json_object_get(e->data, "port")));
	COPY(s, e->data, { "host", "server.address" }, { "address", "network.peer.address" }, { "method", "http.request.method" },
	     { "scheme", "url.scheme" }, { "effect", "mishri.policy.decision" }, { "rule", "mishri.policy.rule" },
	     { "reason", "mishri.policy.reason" });
}

static void on_net_finished(struct trace *t, const struct event *e)
{
	static const struct { const char *from, *to; } numbers[] = {
		{ "bytes_up", "mishri.net.bytes_up" }, { "bytes_down", "mishri.net.bytes_down" }, { "status", "http.response.status_code" },
	};
	char id[SPAN_ID_LEN + 1];
	const char *how = json_get_text(e->data, "how", ""), *detail = json_get_text(e->data, "detail", "");

	connection_id(e, id);
	struct span *s = trace_find(t, id);
	if (s == NULL)
		return;
	s->failed = strcmp(how, "closed") != 0 && strcmp(how, "dropped") != 0;
	finish(t, s, e, how);
	set(&s->why, s->failed ? detail : NULL);
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (json_is_integer(json_object_get(e->data, numbers[i].from)))
			json_put_int(s->attributes, numbers[i].to, json_get_int(e->data, numbers[i].from, 0));
}

/* ---- people ---- */

static struct span *person(struct trace *t, const struct event *e, const char *what)
{
	char id[SPAN_ID_LEN + 1];

	derived_id(e, what, id);
	struct span *s = trace_find(t, id);
	return s != NULL ? s : begin(t, e, SPAN_PERSON, id, e->span_id);
}

static void on_approval_requested(struct trace *t, const struct event *e)
{
	struct span *s = person(t, e, json_get_text(e->data, "approval", ""));

	if (s == NULL)
		return;
	set(&s->name, "approval");
	set(&s->text, json_get_text(e->data, "reason", ""));
	COPY(s, e->data, { "approval", "mishri.approval.id" }, { "kind", "mishri.approval.kind" }, { "rule", "mishri.policy.rule" });
}

static void on_approval_decided(struct trace *t, const struct event *e)
{
	struct span *s = person(t, e, json_get_text(e->data, "approval", ""));

	if (s == NULL)
		return;
	AUTO(freep) char *status = xasprintf("%s by %s", json_get_text(e->data, "answer", ""), json_get_text(e->data, "by", ""));
	finish(t, s, e, status);
	s->denied = strcmp(json_get_text(e->data, "answer", ""), "allow") != 0;
	if (s->denied)
		set(&s->why, json_get_text(e->data, "reason", ""));
	if (s->denied && s->parent != NULL && s->parent->kind == SPAN_CALL && s->parent->why == NULL)
		s->parent->why = xasprintf("%s: %s", status, json_get_text(e->data, "reason", ""));
	COPY(s, e->data, { "answer", "mishri.approval.answer" }, { "by", "mishri.approval.by" });
	json_put_int(s->attributes, "mishri.approval.wait_ms", (s->end_us - s->start_us) / 1000);
	if (s->parent != NULL)
		trace_edge(s->parent, s, EDGE_WAIT);
}

static void on_question_asked(struct trace *t, const struct event *e)
{
	struct span *s = person(t, e, "question");

	if (s == NULL)
		return;
	set(&s->name, "question");
	set(&s->text, json_get_text(e->data, "question", ""));
}

static void on_question_answered(struct trace *t, const struct event *e)
{
	struct span *s = person(t, e, "question");

	if (s == NULL)
		return;
	AUTO(freep) char *status = xasprintf("answered by %s", json_get_text(e->data, "by", ""));
	finish(t, s, e, status);
	COPY(s, e->data, { "by", "mishri.question.by" });
	if (s->parent != NULL)
		trace_edge(s->parent, s, EDGE_WAIT);
}

/* ---- reading ---- */

static void (*const handlers[EVENT_TYPES])(struct trace *, const struct event *) = {
	[EVENT_TASK_CREATED] = on_task_created,         [EVENT_TASK_FINISHED] = on_task_finished,
	[EVENT_TASK_PARKED] = on_task_parked,           [EVENT_TASK_RESUMED] = on_task_resumed,
	[EVENT_MODEL_REQUESTED] = on_model_requested,   [EVENT_MODEL_REPLIED] = on_model_replied,
	[EVENT_MODEL_FAILED] = on_model_failed,         [EVENT_CALL_PROPOSED] = on_call_proposed,
	[EVENT_CALL_DECIDED] = on_call_decided,         [EVENT_CALL_KILLED] = on_call_killed,
	[EVENT_CALL_FINISHED] = on_call_finished,       [EVENT_EXEC_DECIDED] = on_exec_decided,
	[EVENT_NET_DECIDED] = on_net_decided,           [EVENT_NET_FINISHED] = on_net_finished,
	[EVENT_APPROVAL_REQUESTED] = on_approval_requested, [EVENT_APPROVAL_DECIDED] = on_approval_decided,
	[EVENT_QUESTION_ASKED] = on_question_asked,     [EVENT_QUESTION_ANSWERED] = on_question_answered,
};

/* Of the tree of t->task, or of a task below it. */
static bool belongs(struct trace *t, const struct event *e)
{
	if (e->type == EVENT_TASK_CREATED &&
	    (strcmp(e->task, t->task) == 0 || json_object_get(t->tasks, e->parent) != NULL))
		json_put_bool(t->tasks, e->task, true);
	return json_object_get(t->tasks, e->task) != NULL;
}

void trace_begin(struct trace *trace, const char *task, bool content, size_t words_most)
{
	*trace = (struct trace){ .content = content, .by_id = json_object(), .tasks = json_object(), .words = json_object(),
	                         .words_most = words_most };
	snprintf(trace->task, sizeof trace->task, "%s", task);
}

bool trace_add(struct trace *t, const struct event *e)
{
	if (!belongs(t, e))
		return false;
	if (t->start_us == 0) {
		t->start_us = e->time_us;
		memcpy(t->trace_id, e->trace_id, sizeof t->trace_id);
	}
	t->end_us = MAX(t->end_us, e->time_us);
	if (handlers[e->type] != NULL)
		handlers[e->type](t, e);
	return true;
}

static bool add_row(void *userdata, const struct event_row *row)
{
	struct trace *t = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) < 0)       /* a newer version's, or damaged: 'audit verify' tells */
		return true;
	e.seq = row->seq;
	(void)trace_add(t, &e);
	event_done(&e);
	return true;
}

int trace_read(struct store *store, const char *task, bool content, struct trace *ret, struct err *err)
{
	const struct event_filter filter = { .task = task, .tree = true };
	struct trace t;

	trace_begin(&t, task, content, LIMIT_TRACE_WORDS);
	int r = store_events(store, &filter, add_row, &t, err);
	if (r < 0) {
		trace_done(&t);
		return r;
	}
	*ret = t;
	return 0;
}

/* ---- the end ---- */

static void span_free(struct span *s)
{
	char *texts[] = { s->name, s->label, s->text, s->status, s->why };

	for (size_t k = 0; k < COUNT(texts); k++)
		free(texts[k]);
	free(s->edges);
	json_decref(s->attributes);
	json_decref(s->content);
	free(s);
}

static void unlink_span(struct span *s)
{
	struct span *before = NULL;

	if (s->parent == NULL)
		return;
	for (struct span *k = s->parent->first; k != s; k = k->next)
		before = k;
	*(before != NULL ? &before->next : &s->parent->first) = s->next;
	if (s->parent->last == s)
		s->parent->last = before;
	if (s->parent->call == s)
		s->parent->call = NULL;
}

/* The newest turn and its calls are what the next turn comes from. */
static bool is_wanted(const struct span *s)
{
	const struct span *turn = s->kind == SPAN_CALL ? s->parent : s;

	return s->first != NULL || (turn != NULL && turn->parent != NULL && turn->parent->turn == turn);
}

void trace_prune(struct trace *t, bool (*gone)(const struct span *span))
{
	size_t kept = 0;

	for (size_t i = t->count; i-- > 0;)     /* what hangs from a span comes after it */
		if (!is_wanted(t->spans[i]) && gone(t->spans[i])) {
			unlink_span(t->spans[i]);
			json_object_del(t->by_id, t->spans[i]->id);
			span_free(t->spans[i]);
			t->spans[i] = NULL;
		}
	for (size_t i = 0; i < t->count; i++)
		if (t->spans[i] != NULL)
			t->spans[kept++] = t->spans[i];
	t->count = t->room = kept;
	t->spans = kept > 0 ? xrealloc(t->spans, kept * sizeof *t->spans) : (free(t->spans), NULL);
	for (size_t i = 0; i < kept; i++)
		json_put_int(t->by_id, t->spans[i]->id, (int64_t)i);
}

void trace_done(struct trace *trace)
{
	for (size_t i = 0; i < trace->count; i++)
		span_free(trace->spans[i]);
	free(trace->spans);
	free(trace->ended);
	free(trace->tracestate);
	json_decref(trace->by_id);
	json_decref(trace->tasks);
	json_decref(trace->words);
	*trace = (struct trace){ 0 };
}
