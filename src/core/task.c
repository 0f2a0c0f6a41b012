/* task.c - folds events into the state of a task. What follows from the state is decide.c's business;
 * nothing here looks at a clock, and an event that cannot follow is an error, not a guess. */
#include "core/task.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/permission.h"
#include "core/held.h"
#include "core/models.h"
#include "core/over.h"
#include "core/said.h"

#include "base/banned.h"

struct task *task_new(void)
{
	struct task *t = xcalloc(1, sizeof *t);

	t->messages = json_array();
	t->seen = json_object();
	t->background = json_object();
	t->said = json_array();
	t->retry_after_ms = -1;
	return t;
}

static void call_done(struct call *c)
{
	free(c->provider_id);
	free(c->tool);
	free(c->killed_why);
	free(c->reason);
	free(c->rule);
	free(c->answer);
	free(c->wants_lock);
	free(c->retried_why);
	free(c->edited_by);
	free(c->edited_rule);
	json_decref(c->args);
	json_decref(c->over);
	for (size_t i = 0; i < c->child_count; i++) {
		struct child *child = &c->children[i];
		free(child->goal);
		free(child->agent);
		free(child->step);
		free(child->state);
		free(child->result);
		json_decref(child->asked);
	}
	free(c->children);
}

static void drop_calls(struct task *t)
{
	for (size_t i = 0; i < t->call_count; i++)
		call_done(&t->calls[i]);
	free(t->calls);
	t->calls = NULL;
	t->call_count = 0;
}

void task_free(struct task *t)
{
	if (t == NULL)
		return;
	drop_calls(t);
	approvals_free(t);
	said_done(t);
	char *texts[] = { t->goal,    t->agent, t->role,   t->model,         t->workspace,    t->isolation,
		          t->channel, t->reply, t->finish, t->failure_class, t->failure_text, t->result,
		          t->plan_mode, t->last_word, t->park_reason, t->context.summary, t->over_text };
	for (size_t i = 0; i < COUNT(texts); i++)
		free(texts[i]);
	for (size_t i = 0; i < t->taint_count; i++)
		free(t->taints[i]);
	free(t->loops.signs);
	json_decref(t->config);
	json_decref(t->over);
	json_decref(t->tools);
	json_decref(t->plan);
	json_decref(t->asked);
	json_decref(t->messages);
	json_decref(t->seen);
	json_decref(t->background);
	json_decref(t->locks);
	free(t);
}

void task_freep(struct task **t)
{
	task_free(*t);
}

struct call *task_call_find(struct task *t, const char *id)
{
	for (size_t i = 0; i < t->call_count; i++)
		if (strcmp(t->calls[i].id, id) == 0)
			return &t->calls[i];
	return NULL;
}

void task_span(const struct task *t, const char *what, const char *name, char ret[static SPAN_ID_LEN + 1])
{
	const struct str parts[] = { str_of(t->trace_id), STR("/"), str_of(t->id), STR("/"), str_of(what), STR("/"), str_of(name) };
	char hex[SHA256_HEX_LEN + 1];

	sha256_hex(parts, COUNT(parts), hex);
	memcpy(ret, hex, SPAN_ID_LEN);
	ret[SPAN_ID_LEN] = '\0';
	if (strspn(ret, "0") == SPAN_ID_LEN) /* the standard forbids the all-zero id */
		ret[0] = '1';
}

static char *text_of(const struct event *e, const char *key)
{
	return xstrdup(json_get_text(e->data, key, ""));
}

static void set_text(char **to, const struct event *e, const char *key)
{
	free(*to);
	*to = text_of(e, key);
}

json_t *task_message(const char *role, const char *text)
{
	json_t *m = json_object();

	json_put_text(m, "role", role);
	json_put_text(m, "text", text);
	return m;
}

void task_say(struct task *t, json_t *owned_message)
{
	t->context.bytes += message_bytes(owned_message);
	if (json_array_append_new(t->messages, owned_message) < 0)
		abort();
}

typedef int apply_fn(struct task *t, const struct event *e, struct err *err);

static int out_of_place(const struct task *t, const struct event *e, struct err *err)
{
	return err_set(err, EINVAL, "task %s: %s cannot follow here: the history is damaged", t->id, event_name(e->type));
}

/* Rules and schemas of tools, about; what else is told stands in the configuration. */
enum { PROMPT_BYTES = 8192 };

static int64_t told_bytes(const json_t *config)
{
	AUTO(freep) char *text = config != NULL ? json_text(config) : NULL;

	return text != NULL ? (int64_t)strlen(text) : 0;
}

static int on_created(struct task *t, const struct event *e, struct err *err)
{
	if (t->phase != PHASE_NEW)
		return out_of_place(t, e, err);
	memcpy(t->id, e->task, sizeof t->id);
	memcpy(t->parent, e->parent, sizeof t->parent);
	snprintf(t->root, sizeof t->root, "%s", json_get_text(e->data, "root", e->task));
	memcpy(t->session, e->session, sizeof t->session);
	memcpy(t->user, e->user, sizeof t->user);
	memcpy(t->trace_id, e->trace_id, sizeof t->trace_id);
	memcpy(t->parent_span_id, e->parent_span_id, sizeof t->parent_span_id);
	set_text(&t->goal, e, "goal");
	set_text(&t->agent, e, "agent");
	set_text(&t->role, e, "role");
	set_text(&t->model, e, "model");
	set_text(&t->workspace, e, "workspace");
	set_text(&t->isolation, e, "isolation");
	set_text(&t->channel, e, "channel");
	set_text(&t->plan_mode, e, "plan");
	t->tools = json_incref(json_object_get(e->data, "tools"));
	t->depth = (int)json_get_int(e->data, "depth", 0);
	t->interactive = json_get_bool(e->data, "interactive", false);
	const json_t *limits = json_object_get(e->data, "limits");
	t->limits = (struct task_limits){
		.turns = json_get_int(limits, "turns", LIMIT_TASK_TURNS),
		.calls = json_get_int(limits, "calls", LIMIT_TASK_CALLS),
		.timeout_ms = json_get_int(limits, "timeout_ms", LIMIT_TASK_TIMEOUT_MS),
		.output_bytes = json_get_int(limits, "output_bytes", LIMIT_CALL_OUTPUT_BYTES),
		.bounds = bounds_read(limits),
	};
	task_taint(t, json_object_get(e->data, "taint"));
	t->config = json_incref(json_object_get(e->data, "config"));
	models_created(t, t->config);
	t->patient = json_get_bool(t->config, "wait_for_approval", false);
	t->loops.off = !json_get_bool(t->config, "loop_detect", true);
	t->context.window_tokens = json_get_int(t->config, "context_tokens", 0);
	t->context.prompt_bytes = PROMPT_BYTES + told_bytes(t->config);
	t->created_us = t->run_since_us = e->time_us;
	t->phase = PHASE_ACTIVE;
	task_say(t, task_message("user", t->goal));
	return 0;
}

static void background_gone(struct task *t)
{
	const char *id;
	json_t *lasts;

	json_object_foreach(t->background, id, lasts) /* replaced in place: the walk goes on */
		json_put_bool(t->background, id, false);
}

/* What of the run counts as the task's own time. */
static void run_ends(struct task *t, int64_t at_us)
{
	if (t->paused)
		t->paused_us += at_us - t->paused_since_us;
	else if (task_waits(t))
		t->waited_us += at_us - t->waiting_since_us;
	t->active_us += at_us - t->run_since_us - t->paused_us - (t->patient ? t->waited_us : 0);
	t->waited_us = t->paused_us = 0;
	t->waiting_since_us = t->paused_since_us = at_us;
}

/* Whoever ran the task before is gone. What it had under way is lost; what it had only intended is not, and a person
 * who was asked may still answer. */
static int on_resumed(struct task *t, const struct event *e, struct err *err)
{
	if (t->phase != PHASE_ACTIVE && t->phase != PHASE_PARKED)
		return out_of_place(t, e, err);
	if (t->phase == PHASE_ACTIVE) /* a crash: the run lasted as long as its last event tells */
		run_ends(t, t->last_us);
	t->run_since_us = t->waiting_since_us = t->paused_since_us = e->time_us;
	t->patient |= json_get_bool(e->data, "wait_for_approval", false);
	t->phase = PHASE_ACTIVE;
	models_resumed(t);
	bool due = t->loops.answers_due;
	loops_reset(&t->loops);
	t->loops.answers_due = due;
	background_gone(t);
	if (t->model_phase == MODEL_ASKED || t->model_phase == MODEL_FAILED)
		t->model_phase = MODEL_IDLE;
	else if (t->model_phase == MODEL_HELD && task_approval(t, t->model_approval) == NULL)
		t->model_phase = MODEL_OVER;
	for (size_t i = 0; i < t->call_count; i++)
		if (t->calls[i].phase == CALL_RUNNING)
			t->calls[i].phase = CALL_LOST;
	said_deliver(t);
	return 0;
}

static int on_parked(struct task *t, const struct event *e, struct err *err)
{
	if (t->phase != PHASE_ACTIVE)
		return out_of_place(t, e, err);
	run_ends(t, e->time_us);
	set_text(&t->park_reason, e, "reason");
	t->phase = PHASE_PARKED;
	return 0;
}

static int on_finished(struct task *t, const struct event *e, struct err *err)
{
	if (t->phase != PHASE_ACTIVE)
		return out_of_place(t, e, err);
	snprintf(t->state, sizeof t->state, "%s", json_get_text(e->data, "state", "failed"));
	t->exit = (int)json_get_int(e->data, "exit", 1);
	set_text(&t->result, e, "result");
	t->phase = PHASE_ENDED;
	return 0;
}

static int on_requested(struct task *t, const struct event *e, struct err *err)
{
	if (t->phase != PHASE_ACTIVE || t->model_phase == MODEL_ASKED)
		return out_of_place(t, e, err);
	t->model_phase = MODEL_ASKED;
	t->model_waived = false;
	json_decref(TAKE(t->over));
	return 0;
}

static void add_usage(struct task *t, const json_t *usage, const json_t *usd_nanos)
{
	t->input += json_get_int(usage, "input", 0);
	t->cache_read += json_get_int(usage, "cache_read", 0);
	t->cache_write += json_get_int(usage, "cache_write", 0);
	t->output += json_get_int(usage, "output", 0);
	t->cache_write_1h += json_get_int(usage, "cache_write_1h", 0);
	t->reasoning += json_get_int(usage, "reasoning", 0);
	if (json_is_integer(usd_nanos))
		t->usd_nanos += (int64_t)json_integer_value(usd_nanos);
	else
		t->usd_unknown = true;
}

/* What the provider counted is better than a guess. The calls of the reply are added as they come. */
static void count_context(struct task *t, const json_t *usage)
{
	int64_t in = json_get_int(usage, "input", 0) + json_get_int(usage, "cache_read", 0) + json_get_int(usage, "cache_write", 0);

	t->context.reported_tokens = in > 0 ? in + (int64_t)json_string_length(json_object_get(
		json_array_get(t->messages, json_array_size(t->messages) - 1), "text")) / 4 : 0;
	t->context.reported_bytes = t->context.bytes;
}

static int on_compacted(struct task *t, const struct event *e, struct err *err)
{
	int64_t drop_to = json_get_int(e->data, "drop_to", 0), stub_to = json_get_int(e->data, "stub_to", 0);

	if (t->phase != PHASE_ACTIVE || t->model_phase == MODEL_ASKED || drop_to < 1 || stub_to < 1)
		return out_of_place(t, e, err);
	return compact_apply(t, (size_t)drop_to, (size_t)stub_to, json_get_text(e->data, "summary", ""), err);
}

static int on_replied(struct task *t, const struct event *e, struct err *err)
{
	if (t->phase != PHASE_ACTIVE || t->model_phase != MODEL_ASKED)
		return out_of_place(t, e, err);
	t->model_phase = MODEL_IDLE;
	models_replied(t);
	t->turns++;
	t->loops.answers_due = false;
	drop_calls(t);
	set_text(&t->reply, e, "text");
	set_text(&t->finish, e, "finish");
	loops_reply(&t->loops, t->reply);
	t->calls_due = (size_t)MIN(MAX(json_get_int(e->data, "calls", 0), 0), LIMIT_CALLS_PER_REPLY);
	t->dropped_calls = MAX(json_get_int(e->data, "calls", 0) - LIMIT_CALLS_PER_REPLY, 0);
	add_usage(t, json_object_get(e->data, "usage"), json_object_get(e->data, "usd_nanos"));
	json_t *m = task_message("assistant", t->reply);
	const char *opaque = json_get_text(e->data, "opaque", NULL);
	if (opaque != NULL)
		json_put_text(m, "opaque", opaque);
	if (json_object_get(t->config, "fallback") != NULL)
		json_put_text(m, "by", task_model(t, t->models.at));
	json_put(m, "calls", json_array());
	task_say(t, m);
	count_context(t, json_object_get(e->data, "usage"));
	said_deliver(t);
	return 0;
}

static int on_proposed(struct task *t, const struct event *e, struct err *err)
{
	size_t last = json_array_size(t->messages);
	json_t *calls = last > 0 ? json_object_get(json_array_get(t->messages, last - 1), "calls") : NULL;

	if (t->phase != PHASE_ACTIVE || calls == NULL || t->call_count >= LIMIT_CALLS_PER_REPLY)
		return out_of_place(t, e, err);
	t->calls = xrealloc(t->calls, (t->call_count + 1) * sizeof *t->calls);
	struct call *c = &t->calls[t->call_count++];
	json_t *args = json_object_get(e->data, "args");
	*c = (struct call){
		.provider_id = text_of(e, "id"),
		.tool = text_of(e, "tool"),
		.args = json_incref(args),
		.turn = (int)json_get_int(e->data, "turn", 0),
	};
	snprintf(c->id, sizeof c->id, "%s", json_get_text(e->data, "call", ""));
	t->calls_total++;

	json_t *said = json_object();
	json_put_text(said, "id", c->provider_id);
	json_put_text(said, "name", c->tool);
	/* What was no JSON goes back to the model as it came; a provider may insist on an object. */
	AUTO(freep) char *text = json_is_string(args) ? xstrdup("{}") : json_text(args);
	json_put_text(said, "args", text);
	json_put_text(said, "ref", c->id);
	int64_t before = message_bytes(json_array_get(t->messages, last - 1));
	json_array_append_new(calls, said);
	t->context.bytes += message_bytes(json_array_get(t->messages, last - 1)) - before;
	return 0;
}

static int call_of(struct task *t, const struct event *e, struct call **ret, struct err *err)
{
	struct call *c = task_call_find(t, json_get_text(e->data, "call", ""));

	if (t->phase != PHASE_ACTIVE || c == NULL || c->phase == CALL_CLOSED)
		return out_of_place(t, e, err);
	*ret = c;
	return 0;
}

static int on_decided(struct task *t, const struct event *e, struct err *err)
{
	struct call *c;
	int r = call_of(t, e, &c, err);

	if (r < 0)
		return r;
	const char *effect = json_get_text(e->data, "effect", "deny");
	set_text(&c->reason, e, "reason");
	set_text(&c->rule, e, "rule");
	c->approved[0] = '\0';
	over_decided(c, e);
	approvals_drop_call(t, c->id, e->time_us); /* it was asked before, and is no longer the question */
	c->invalid = strcmp(json_get_text(e->data, "by", ""), "schema") == 0;
	c->phase = strcmp(effect, "allow") == 0 ? CALL_ALLOWED : strcmp(effect, "ask") == 0 ? CALL_ASKED : CALL_REFUSED;
	t->denied += c->phase == CALL_REFUSED && !c->invalid;
	const json_t *granted = json_object_get(e->data, "permissions");
	c->withheld = granted != NULL ? PERMISSIONS_ALL & ~permissions_of_json(granted) : 0;
	return 0;
}

/* A question about a program or a connection that is held changes nothing for the call it belongs to (which may even
 * have ended, and left the program behind). */
static int on_asked(struct task *t, const struct event *e, struct err *err)
{
	const char *kind = json_get_text(e->data, "kind", "tool");
	struct call *c;
	int r = 0;

	if (t->phase != PHASE_ACTIVE || task_approval(t, json_get_text(e->data, "approval", "")) != NULL)
		return out_of_place(t, e, err);
	if (strcmp(kind, "tool") == 0) {
		if ((r = call_of(t, e, &c, err)) < 0)
			return r;
		snprintf(c->approval, sizeof c->approval, "%s", json_get_text(e->data, "approval", ""));
		c->phase = CALL_HELD;
	} else if (strcmp(kind, "model") == 0) {
		r = over_asked(t, e, err);
	}
	if (r == 0)
		approvals_add(t, e);
	return r;
}

static int on_voted(struct task *t, const struct event *e, struct err *err)
{
	if (t->phase != PHASE_ACTIVE)
		return out_of_place(t, e, err);
	approvals_voted(t, e);
	return 0;
}

/* The arguments are others now: everything is looked at afresh, the schema too. */
static void edit_call(struct call *c, const struct event *e, const char *rule_digest)
{
	json_decref(c->args);
	c->args = json_incref(json_object_get(e->data, "args"));
	set_text(&c->edited_by, e, "by");
	free(c->edited_rule);
	c->edited_rule = xstrdup(rule_digest);
	json_decref(TAKE(c->over));
	c->phase = CALL_PROPOSED;
}

static int on_answered(struct task *t, const struct event *e, struct err *err)
{
	struct call *c = task_call_find(t, json_get_text(e->data, "call", ""));
	const char *answer = json_get_text(e->data, "answer", "lapsed"), *id = json_get_text(e->data, "approval", "");
	const char *digest = json_get_text(e->data, "digest", "");
	const struct approval *a = task_approval(t, id);
	bool allowed = strcmp(answer, "allow") == 0, edited = strcmp(answer, "edit") == 0;
	bool withdrawn = strcmp(answer, "withdrawn") == 0;

	if (t->phase != PHASE_ACTIVE || (a != NULL && (allowed || edited) && strcmp(digest, a->digest) != 0))
		return out_of_place(t, e, err);
	t->unanswered += strcmp(answer, "lapsed") == 0 || strcmp(answer, "expired") == 0;
	if (over_answered(t, e)) {
		approvals_drop(t, id, e->time_us);
		return 0;
	}
	if (c != NULL && c->phase == CALL_HELD && strcmp(c->approval, id) == 0) {
		t->denied += !allowed && !edited && !withdrawn;
		c->phase = allowed ? CALL_ALLOWED : withdrawn ? CALL_PROPOSED : CALL_REFUSED;
		c->waived = allowed && c->over != NULL;
		if (allowed)
			snprintf(c->approved, sizeof c->approved, "%s", digest);
		else if (edited)
			edit_call(c, e, a != NULL ? a->rule_digest : "");
		else
			set_text(&c->reason, e, "reason");
	}
	approvals_drop(t, id, e->time_us);
	return 0;
}

static int on_granted(struct task *t, const struct event *e, struct err *err)
{
	struct call *c;

	if (strcmp(json_get_text(e->data, "kind", "tool"), "tool") != 0)
		return 0;
	int r = call_of(t, e, &c, err);
	if (r < 0)
		return r;
	if (c->phase != CALL_ASKED)
		return out_of_place(t, e, err);
	c->phase = CALL_ALLOWED;
	snprintf(c->approved, sizeof c->approved, "%s", json_get_text(e->data, "digest", ""));
	return 0;
}

static int on_started(struct task *t, const struct event *e, struct err *err)
{
	struct call *c;
	int r = call_of(t, e, &c, err);

	if (r < 0)
		return r;
	if (c->phase != CALL_ALLOWED && c->phase != CALL_WAITING && c->phase != CALL_LOST)
		return out_of_place(t, e, err);
	c->polls = json_get_bool(e->data, "polls", false);
	c->repeatable = strcmp(json_get_text(e->data, "nature", ""), "at_most_once") != 0;
	if (c->phase == CALL_LOST && !c->repeatable)
		return out_of_place(t, e, err);
	task_taint(t, json_object_get(e->data, "taint"));
	c->attempt++;
	c->killing = false; /* that was the attempt before */
	c->phase = CALL_RUNNING;
	return 0;
}

/* The attempt is over, and the call is not. */
static int on_call_retried(struct task *t, const struct event *e, struct err *err)
{
	struct call *c;
	int r = call_of(t, e, &c, err);

	if (r < 0)
		return r;
	if (c->phase != CALL_RUNNING || !c->repeatable || c->child_count > 0)
		return out_of_place(t, e, err);
	set_text(&c->retried_why, e, "reason");
	c->wait_until_us = e->time_us + json_get_int(e->data, "delay_ms", 0) * 1000;
	c->phase = CALL_WAITING;
	t->used.cpu_ms += json_get_int(json_object_get(e->data, "used"), "cpu_ms", 0);
	t->used.written += json_get_int(json_object_get(e->data, "used"), "written_bytes", 0);
	return 0;
}

static int on_retry(struct task *t, const struct event *e, struct err *err)
{
	return json_object_get(e->data, "call") != NULL ? on_call_retried(t, e, err) : models_retried(t, e, err);
}

static int on_killed(struct task *t, const struct event *e, struct err *err)
{
	struct call *c;
	int r = call_of(t, e, &c, err);

	if (r < 0)
		return r;
	c->killing = true;
	set_text(&c->killed_why, e, "reason");
	return 0;
}

/* ---- parts of the goal that other tasks carry out ------------------------------------------------ */

static void move_step(struct task *t, const char *step, const char *state)
{
	json_t *found = step != NULL ? steps_find(t, step) : NULL;

	if (found != NULL)
		json_put_text(found, "state", state);
}

static struct child *child_find(struct call *c, const char *id)
{
	for (size_t i = 0; i < c->child_count; i++)
		if (strcmp(c->children[i].id, id) == 0)
			return &c->children[i];
	return NULL;
}

static int on_delegated(struct task *t, const struct event *e, struct err *err)
{
	struct call *c;
	int r = call_of(t, e, &c, err);

	if (r < 0)
		return r;
	const char *id = json_get_text(e->data, "child", ""), *step = json_get_text(e->data, "step", NULL);
	if (c->phase != CALL_RUNNING || !id_valid(id) || child_find(c, id) != NULL)
		return out_of_place(t, e, err);
	c->children = xrealloc(c->children, (c->child_count + 1) * sizeof *c->children);
	struct child *child = &c->children[c->child_count++];
	*child = (struct child){ .goal = text_of(e, "goal"), .agent = text_of(e, "agent"), .step = step != NULL ? xstrdup(step) : NULL };
	child->question = json_get_bool(e->data, "question", false);
	memcpy(child->id, id, sizeof child->id);
	move_step(t, step, "running");
	return 0;
}

static int on_reported(struct task *t, const struct event *e, struct err *err)
{
	struct call *c;
	int r = call_of(t, e, &c, err);

	if (r < 0)
		return r;
	struct child *child = child_find(c, json_get_text(e->data, "child", ""));
	if (child == NULL || child->reported)
		return out_of_place(t, e, err);
	child->reported = true;
	child->state = text_of(e, "state");
	child->result = text_of(e, "result");
	child->asked = json_incref(json_object_get(e->data, "asked"));
	move_step(t, child->step, strcmp(child->state, "done") == 0 ? "done" : "failed");
	const json_t *usage = json_object_get(e->data, "usage"), *usd = json_object_get(e->data, "usd_nanos");
	t->below.turns += json_get_int(e->data, "turns", 0);
	t->below.calls += json_get_int(e->data, "calls", 0);
	t->below.denied += json_get_int(e->data, "denied", 0);
	t->below.input += json_get_int(usage, "input", 0);
	t->below.cache_read += json_get_int(usage, "cache_read", 0);
	t->below.cache_write += json_get_int(usage, "cache_write", 0);
	t->below.output += json_get_int(usage, "output", 0);
	t->below.cache_write_1h += json_get_int(usage, "cache_write_1h", 0);
	t->below.reasoning += json_get_int(usage, "reasoning", 0);
	t->below.usd_nanos += json_get_int(e->data, "usd_nanos", 0);
	t->below.usd_unknown |= !json_is_integer(usd);
	t->below.cpu_ms += json_get_int(json_object_get(e->data, "used"), "cpu_ms", 0);
	t->below.written += json_get_int(json_object_get(e->data, "used"), "written_bytes", 0);
	task_taint(t, json_object_get(e->data, "taint"));
	t->unanswered += json_get_int(e->data, "exit", 0) == 9;
	return 0;
}

static int on_plan(struct task *t, const struct event *e, struct err *err)
{
	const json_t *steps = json_object_get(e->data, "steps");

	if (t->phase != PHASE_ACTIVE || steps_check(steps, NULL) < 0)
		return out_of_place(t, e, err);
	json_decref(t->plan);
	t->plan = json_deep_copy(steps); /* steps move on; the event does not */
	t->replan_due &= json_array_size(t->said) > 0; /* one that was made before the model heard of it is the old one */
	return 0;
}

static int on_question(struct task *t, const struct event *e, struct err *err)
{
	struct call *c;
	int r = call_of(t, e, &c, err);

	if (r < 0)
		return r;
	snprintf(c->question, sizeof c->question, "%s", json_get_text(e->data, "id", ""));
	if (!c->asks_person) {
		task_wait_begins(t, e->time_us);
		t->questions++;
	}
	c->asks_person = true;
	return 0;
}

static void question_over(struct task *t, struct call *c, int64_t now_us)
{
	if (!c->asks_person)
		return;
	c->asks_person = false;
	t->questions--;
	task_wait_ended(t, now_us);
}

static int on_word(struct task *t, const struct event *e, struct err *err)
{
	struct call *c;
	int r = call_of(t, e, &c, err);

	if (r < 0)
		return r;
	question_over(t, c, e->time_us);
	set_text(&c->answer, e, "answer");
	loops_reset(&t->loops);
	return 0;
}

static bool turn_is_closed(const struct task *t)
{
	for (size_t i = 0; i < t->call_count; i++)
		if (t->calls[i].phase != CALL_CLOSED)
			return false;
	return true;
}

/* The newest last; where there are too many the oldest is forgotten, and must be read again. */
void task_see(struct task *t, const char *path, const json_t *sha256)
{
	json_object_del(t->seen, path);
	json_put(t->seen, path, json_incref((json_t *)sha256));
	if (json_object_size(t->seen) > LIMIT_SEEN_FILES)
		json_object_del(t->seen, json_object_iter_key(json_object_iter(t->seen)));
}

static void see_files(struct task *t, const json_t *files)
{
	size_t i;
	json_t *file;

	json_array_foreach(files, i, file)
		task_see(t, json_get_text(file, "path", ""), json_object_get(file, "sha256"));
}

static int on_kept(struct task *t, const struct event *e, struct err *err)
{
	struct call *c;
	int r = call_of(t, e, &c, err);

	if (r == 0)
		t->kept_bytes += json_get_int(e->data, "size", 0);
	return r;
}

/* A question to the task above is part of what this one reports to it. */
static void note_asked(struct task *t, const struct call *c)
{
	const struct child *child = c->child_count > 0 ? &c->children[0] : NULL;

	if (child == NULL || !child->question || !child->reported)
		return;
	if (t->asked == NULL)
		t->asked = json_array();
	json_array_append_new(t->asked, json_pack("{s:o, s:o}", "question", json_of_str(str_of(child->goal)), "answer",
	                                          strcmp(child->state, "done") == 0 ? json_of_str(str_of(child->result)) : json_null()));
}

static int on_call_finished(struct task *t, const struct event *e, struct err *err)
{
	struct call *c;
	int r = call_of(t, e, &c, err);

	if (r < 0)
		return r;
	c->phase = CALL_CLOSED;
	approvals_drop_call(t, c->id, e->time_us);
	question_over(t, c, e->time_us);
	t->denied += json_get_int(e->data, "denied_execs", 0);
	t->used.cpu_ms += json_get_int(json_object_get(e->data, "used"), "cpu_ms", 0);
	t->used.written += json_get_int(json_object_get(e->data, "used"), "written_bytes", 0);
	if (strcmp(c->tool, "finish") == 0 && strcmp(json_get_text(e->data, "status", ""), "ok") == 0)
		set_text(&t->last_word, e, "output");
	task_taint(t, json_object_get(e->data, "taint"));
	see_files(t, json_object_get(e->data, "files"));
	loops_add(&t->loops, c, e);
	loops_delegated(&t->loops, c);
	note_asked(t, c);
	free(TAKE(c->wants_lock));
	struct loop_finding found;
	if (!loops_find(&t->loops, &found))
		t->loops.told = LOOP_NONE; /* the circle is left */
	if (strcmp(c->tool, "background") == 0 && strcmp(json_get_text(e->data, "status", ""), "ok") == 0 &&
	    strcmp(json_get_text(c->args, "action", ""), "start") == 0)
		json_put_bool(t->background, c->id, true);
	json_t *m = task_message("tool", json_get_text(e->data, "output", ""));
	json_put_text(m, "call", c->provider_id);
	json_put_text(m, "ref", c->id);
	json_put_text(m, "tool", c->tool);
	task_say(t, m);
	if (t->dropped_calls > 0 && turn_is_closed(t)) {
		AUTO(freep) char *text = xasprintf("Only the first %d calls of your reply were taken. Ask for the others again if "
		                                   "they are still needed.", LIMIT_CALLS_PER_REPLY);
		task_say(t, task_message("user", text));
	}
	said_deliver(t);
	return 0;
}

/* Most end one call. What belongs to the whole task is used up. */
static int on_exceeded(struct task *t, const struct event *e, struct err *err)
{
	static const enum bound whole[] = { BOUND_DISK, BOUND_TASK_CPU };
	const char *what = json_get_text(e->data, "what", "");

	if (t->phase != PHASE_ACTIVE)
		return out_of_place(t, e, err);
	for (size_t i = 0; i < COUNT(whole); i++)
		if (strcmp(bound_row(whole[i])->field, what) == 0)
			t->spent = (struct bound_hit){ whole[i], json_get_int(e->data, "reached", 0), json_get_int(e->data, "limit", 0) };
	return 0;
}

static int on_net_decided(struct task *t, const struct event *e, struct err *err)
{
	bool allowed = strcmp(json_get_text(e->data, "effect", ""), "allow") == 0;

	(void)err;
	task_taint_event(t, e);
	t->net.connections += allowed;
	t->denied += !allowed;
	return 0;
}

static int on_net_finished(struct task *t, const struct event *e, struct err *err)
{
	(void)err;
	t->net.up += json_get_int(e->data, "bytes_up", 0);
	t->net.down += json_get_int(e->data, "bytes_down", 0);
	task_taint(t, json_object_get(e->data, "taint"));
	return 0;
}

static int on_loop(struct task *t, const struct event *e, struct err *err)
{
	if (t->phase != PHASE_ACTIVE || t->model_phase == MODEL_ASKED)
		return out_of_place(t, e, err);
	t->loops.told = loop_level_find(json_get_text(e->data, "level", ""));
	t->loops.told_turn = t->turns;
	t->loops.answers_due = true;
	task_say(t, task_message("user", json_get_text(e->data, "text", "")));
	return 0;
}

static int on_raised(struct task *t, const struct event *e, struct err *err)
{
	(void)err;
	over_raised(t, e);
	return 0;
}

static int on_policy(struct task *t, const struct event *e, struct err *err)
{
	(void)err;
	over_policy(t, e);
	return 0;
}

static int on_nothing(struct task *t, const struct event *e, struct err *err)
{
	(void)t, (void)e, (void)err; /* a fact for people; the task does not depend on it */
	return 0;
}

static int on_recovery(struct task *t, const struct event *e, struct err *err)
{
	(void)err;
	t->recoveries = json_get_int(e->data, "attempt", t->recoveries + 1);
	return 0;
}

/* It got on: what crashed before is over. */
static bool is_progress(enum event_type type)
{
	return type == EVENT_MODEL_REPLIED || type == EVENT_CALL_FINISHED || type == EVENT_TASK_REPORTED;
}

static apply_fn *const appliers[] = {
	[EVENT_ENGINE_STARTED] = on_nothing,
	[EVENT_ENGINE_DRAINING] = on_nothing,
	[EVENT_ENGINE_STOPPED] = on_nothing,
	[EVENT_HEALTH_MISSED] = on_nothing,
	[EVENT_HEALTH_RECOVERED] = on_nothing,
	[EVENT_POLICY_LOADED] = on_policy,
	[EVENT_POLICY_REFUSED] = on_nothing,
	[EVENT_RECOVERY_STARTED] = on_recovery,
	[EVENT_TASK_CREATED] = on_created,
	[EVENT_TASK_DELEGATED] = on_delegated,
	[EVENT_TASK_REPORTED] = on_reported,
	[EVENT_TASK_RESUMED] = on_resumed,
	[EVENT_TASK_PARKED] = on_parked,
	[EVENT_TASK_CANCELLED] = said_cancel,
	[EVENT_TASK_PAUSED] = said_pause,
	[EVENT_TASK_CONTINUED] = said_continue,
	[EVENT_TASK_STEERED] = said_steer,
	[EVENT_TASK_PRIORITIZED] = said_priority,
	[EVENT_TASK_FORKED] = said_fork,
	[EVENT_CONTROL_REFUSED] = on_nothing,
	[EVENT_TASK_FINISHED] = on_finished,
	[EVENT_PLAN_UPDATED] = on_plan,
	[EVENT_QUESTION_ASKED] = on_question,
	[EVENT_QUESTION_ANSWERED] = on_word,
	[EVENT_CONVERSATION_COMPACTED] = on_compacted,
	[EVENT_LOOP_DETECTED] = on_loop,
	[EVENT_SLOT_WAITING] = held_up,
	[EVENT_LOCK_WAITING] = held_lock,
	[EVENT_LOCK_TAKEN] = held_lock,
	[EVENT_LOCK_RELEASED] = held_released,
	[EVENT_DEADLOCK_DETECTED] = held_up,
	[EVENT_MODEL_REQUESTED] = on_requested,
	[EVENT_MODEL_REPLIED] = on_replied,
	[EVENT_MODEL_FAILED] = models_failed,
	[EVENT_MODEL_SWITCHED] = models_switched,
	[EVENT_BREAKER_OPENED] = on_nothing,
	[EVENT_BREAKER_CLOSED] = on_nothing,
	[EVENT_RETRY_SCHEDULED] = on_retry,
	[EVENT_CALL_PROPOSED] = on_proposed,
	[EVENT_CALL_DECIDED] = on_decided,
	[EVENT_APPROVAL_REQUESTED] = on_asked,
	[EVENT_APPROVAL_VOTED] = on_voted,
	[EVENT_APPROVAL_REFUSED] = on_nothing,
	[EVENT_APPROVAL_DECIDED] = on_answered,
	[EVENT_GRANT_MADE] = on_nothing,
	[EVENT_GRANT_USED] = on_granted,
	[EVENT_GRANT_REVOKED] = on_nothing,
	[EVENT_LIMIT_REACHED] = over_reached,
	[EVENT_BUDGET_WARNED] = on_nothing,
	[EVENT_BUDGET_EXCEEDED] = over_reached,
	[EVENT_BUDGET_RAISED] = on_raised,
	[EVENT_CALL_STARTED] = on_started,
	[EVENT_CALL_KILLED] = on_killed,
	[EVENT_RESOURCE_EXCEEDED] = on_exceeded,
	[EVENT_OUTPUT_KEPT] = on_kept,
	[EVENT_CALL_FINISHED] = on_call_finished,
	[EVENT_EXEC_DECIDED] = on_nothing,
	[EVENT_NET_DECIDED] = on_net_decided,
	[EVENT_NET_FINISHED] = on_net_finished,
	[EVENT_CELL_OPENED] = on_nothing,
	[EVENT_CELL_CLOSED] = on_nothing,
	[EVENT_FILES_VIOLATED] = on_nothing,
	[EVENT_CHANGES_APPLIED] = on_nothing,
	[EVENT_CHANGES_DROPPED] = on_nothing,
	[EVENT_HISTORY_IMPORTED] = on_nothing,
	[EVENT_HISTORY_PRUNED] = on_nothing,
	[EVENT_TOKEN_ADDED] = on_nothing,
	[EVENT_TOKEN_REVOKED] = on_nothing,
	[EVENT_TOKEN_USED] = on_nothing,
	[EVENT_TRUST_GIVEN] = on_nothing,
	[EVENT_TRUST_TAKEN] = on_nothing,
	[EVENT_SCHEDULE_ADDED] = on_nothing,
	[EVENT_SCHEDULE_CHANGED] = on_nothing,
	[EVENT_SCHEDULE_PAUSED] = on_nothing,
	[EVENT_SCHEDULE_RESUMED] = on_nothing,
	[EVENT_SCHEDULE_REMOVED] = on_nothing,
	[EVENT_SCHEDULE_FIRED] = on_nothing,
	[EVENT_SCHEDULE_QUEUED] = on_nothing,
	[EVENT_SCHEDULE_PASSED] = on_nothing,
	[EVENT_SCHEDULE_FAILED] = on_nothing,
};
_Static_assert(COUNT(appliers) == EVENT_TYPES, "every event type is folded");

int task_apply(struct task *t, const struct event *e, struct err *err)
{
	assert((size_t)e->type < COUNT(appliers));
	if (t->phase == PHASE_NEW && e->type != EVENT_TASK_CREATED)
		return out_of_place(t, e, err);
	int r = appliers[e->type](t, e, err);
	if (r == 0)
		t->last_us = e->time_us;
	if (is_progress(e->type))
		t->recoveries = 0;
	return r;
}
