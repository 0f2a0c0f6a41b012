/* sim.c - drives the core through disasters with a seeded scheduler: `sim FIRST COUNT [-v]`.
 *
 * The world around the core is played here: a disk that keeps only what was committed, a model that
 * fails and rambles, tools of every nature, policy that allows, asks and denies, people who answer or
 * do not, crashes before and after every commit and in the middle of every effect, interrupts. After
 * each seed the promises of the architecture are checked; a seed that breaks one is printed. */
#include <stdio.h>
#include <string.h>

#include "core/models.h"
#include "people.h"
#include "said.h"

#include "base/banned.h"

enum { MAX_STEPS = 20000, MAX_CALLS = 512 };

struct started {                       /* the world's own account of effects, which no crash can touch */
	char call[CALL_ID_BYTES];
	char nature[16];
	int starts, ends;
	bool unfinished;               /* it runs, or ran when the engine went */
};

struct below {                         /* a task below: it lives in the store, not in the engine's memory */
	char id[ID_LEN + 1], call[CALL_ID_BYTES];
	bool here, ended;              /* this engine runs it; it came to its end */
	int starts;
};

struct world {
	uint64_t seed, random;
	bool verbose;
	struct buf log;                /* the disk: committed events, a line each */
	struct task *task;             /* the engine's memory; NULL after a crash */
	struct event pending[LIMIT_BATCH_EVENTS];
	size_t pending_count;
	bool send_request, run_call;   /* effects that wait for the commit */
	char run_id[CALL_ID_BYTES];
	bool request_out;              /* the model thinks */
	char running[CALL_ID_BYTES];   /* a tool runs; "" otherwise */
	struct task_input input;
	int64_t now_us;
	int turns_to_go, crashes, runs, compactions, circles;
	bool stubborn;                 /* the model asks for the same again and again */
	bool gift;                     /* a budget was given more: that is written before anything else is done */
	struct started started[MAX_CALLS];
	size_t started_count;
	struct below below[MAX_CALLS];
	size_t below_count;
	int window;                    /* of the model, in tokens; often too small */
	bool start_children;           /* waits for the commit, as run_call does */
	struct people people;
	struct said said;
	int questions;
	int models;                    /* of the chain; 1: none stands in */
	int asked[LIMIT_FALLBACKS + 1]; /* how often each was asked since the last reply or resume */
	int retries, switches, calls_again, plans; /* how often each happened */
};

static _Noreturn void broken(const struct world *w, const char *promise)
{
	printf("seed %llu breaks a promise: %s\nthe history so far:\n%s", (unsigned long long)w->seed, promise, buf_text(&w->log));
	exit(1);
}

#define PROMISE(w, condition, text) do { if (!(condition)) broken(w, text); } while (0)

static uint64_t next_random(struct world *w) /* splitmix64 */
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static int pick(struct world *w, int below)
{
	return (int)(next_random(w) % (uint64_t)below);
}

static bool chance(struct world *w, int percent)
{
	return pick(w, 100) < percent;
}

/* ---- the engine, as far as it matters: emit, commit, effects ------------------------------------- */

static void emit(struct world *w, enum event_type type, json_t *data)
{
	struct event e = { .type = type, .time_us = ++w->now_us, .attempt = 1, .data = data };
	struct err err = ERR_NONE;

	snprintf(e.task, sizeof e.task, "%s", "0123456789ab");
	snprintf(e.session, sizeof e.session, "%s", "ba9876543210");
	snprintf(e.trace_id, sizeof e.trace_id, "%s", "0af7651916cd43dd8448eb211c80319c");
	PROMISE(w, event_check(type, data, &err) == 0, err.text);
	PROMISE(w, task_apply(w->task, &e, &err) == 0, err.text);
	PROMISE(w, w->pending_count < COUNT(w->pending), "a batch is bounded");
	w->pending[w->pending_count++] = e;
}

static void crash(struct world *w, const char *when)
{
	if (w->verbose)
		printf("  crash %s\n", when);
	people_crash(&w->people);
	said_crash(&w->said);
	for (size_t i = 0; i < w->pending_count; i++)
		event_done(&w->pending[i]);
	w->pending_count = 0;
	task_free(w->task);
	w->task = NULL;
	w->request_out = w->send_request = w->run_call = w->start_children = false;
	w->running[0] = '\0';
	for (size_t i = 0; i < w->below_count; i++)
		w->below[i].here = false;
	w->crashes++;
}

static struct started *account(struct world *w, const char *call)
{
	for (size_t i = 0; i < w->started_count; i++)
		if (strcmp(w->started[i].call, call) == 0)
			return &w->started[i];
	PROMISE(w, w->started_count < MAX_CALLS, "calls are bounded");
	struct started *s = &w->started[w->started_count++];
	snprintf(s->call, sizeof s->call, "%s", call);
	return s;
}

static void start_tool(struct world *w, const char *call)
{
	struct started *s = account(w, call);

	PROMISE(w, w->running[0] == '\0', "one call runs at a time");
	s->starts++;
	s->unfinished = true;
	PROMISE(w, strcmp(s->nature, "at_most_once") != 0 || s->starts == 1, "an at-most-once effect starts at most once");
	snprintf(w->running, sizeof w->running, "%s", call);
}

static struct below *below_find(struct world *w, const char *id)
{
	for (size_t i = 0; i < w->below_count; i++)
		if (strcmp(w->below[i].id, id) == 0)
			return &w->below[i];
	return NULL;
}

static void report_below(struct world *w, const struct below *b, const char *state)
{
	emit(w, EVENT_TASK_REPORTED, json_pack("{s:s, s:s, s:s, s:i, s:s, s:i, s:i, s:i, s:{s:i}, s:n}", "call", b->call,
	     "child", b->id, "state", state, "exit", 0, "result", "said", "turns", 1, "calls", 1, "denied", 0, "usage",
	     "input", 1, "usd_nanos"));
}

/* The effect of a delegation: each task below is made, taken up again, or has ended while nobody looked. */
static void start_below(struct world *w, const struct call *c)
{
	for (size_t i = 0; i < c->child_count; i++) {
		const struct child *child = &c->children[i];
		struct below *b = below_find(w, child->id);
		if (b == NULL) {
			PROMISE(w, w->below_count < MAX_CALLS, "tasks below are bounded");
			b = &w->below[w->below_count++];
			snprintf(b->id, sizeof b->id, "%s", child->id);
			snprintf(b->call, sizeof b->call, "%s", c->id);
		}
		PROMISE(w, !b->here, "a task below is in one pair of hands");
		if (b->ended && !child->reported)
			report_below(w, b, "done");
		b->here = !b->ended;
		b->starts += b->here;
	}
}

static bool below_active(const struct world *w)
{
	for (size_t i = 0; i < w->below_count; i++)
		if (w->below[i].here)
			return true;
	return false;
}

static void commit(struct world *w)
{
	if (w->pending_count == 0)
		return;
	if (chance(w, 8)) {
		crash(w, "before a commit");
		return;
	}
	for (size_t i = 0; i < w->pending_count; i++) {
		event_format(&w->pending[i], &w->log);
		buf_add_char(&w->log, '\n');
		event_done(&w->pending[i]);
	}
	w->pending_count = 0;
	people_forget(&w->people);
	said_forget(&w->said);
	if (chance(w, 8)) {
		crash(w, "after a commit");
		return;
	}
	if (w->send_request && w->task->model_phase == MODEL_ASKED)
		w->request_out = true;
	const struct call *c = w->run_call ? task_call_find(w->task, w->run_id) : NULL;
	if (c != NULL && c->phase == CALL_RUNNING && !c->killing)
		start_tool(w, w->run_id);
	const struct call *d = w->start_children ? task_call_find(w->task, w->run_id) : NULL;
	if (d != NULL && d->phase == CALL_RUNNING)
		start_below(w, d);
	w->send_request = w->run_call = w->start_children = false;
}

/* Now and then an output that does not fit the window twice. */
static const char *output_of(struct world *w)
{
	static const int sizes[] = { 3, 3, 300, 3000, 20000 };
	static char text[20001];
	int size = w->stubborn ? 3 : sizes[pick(w, COUNT(sizes))];

	memset(text, 'o', sizeof text - 1);
	text[size] = '\0';
	return text;
}

static json_t *finished_data(struct world *w, const struct call *c, const char *status)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:i, s:i, s:i, s:i}", "call", c->id, "tool", c->tool, "status", status,
	                 "exit", 0, "output", output_of(w), "bytes", 3, "execs", 1, "denied_execs", 0, "ms", 1);
}

static void check_call(struct world *w, const struct call *c)
{
	static const char *const effects[] = { "allow", "allow", "allow", "ask", "deny" };
	const char *effect = effects[pick(w, COUNT(effects))];
	bool schema = strcmp(effect, "deny") == 0 && chance(w, 50);

	emit(w, EVENT_CALL_DECIDED, json_pack("{s:s, s:s, s:s, s:s, s:s, s:n, s:s, s:[], s:n, s:i}", "call", c->id, "tool",
	     c->tool, "effect", effect, "by", schema ? "schema" : "policy", "rule", "r", "source", "reason", "because", "also",
	     "policy", "ns", 1));
}

/* What an answer is bound to: these very arguments, asked for by this rule. */
static void digest_of(const struct call *c, char hex[static SHA256_HEX_LEN + 1])
{
	AUTO(json_decrefp) json_t *action = json_pack("{s:s, s:s, s:O}", "kind", "tool", "tool", c->tool, "args", c->args);

	approval_bind(action, "r", hex);
}

static void ask_person(struct world *w, const struct call *c)
{
	char approval[ID_LEN + 1], digest[SHA256_HEX_LEN + 1];
	const char *remember = chance(w, 50) ? "task" : "never";

	digest_of(c, digest);
	const struct truth *t = people_truth(&w->people, digest);
	if (t->remembered && !t->revoked) {
		emit(w, EVENT_GRANT_USED, json_pack("{s:s, s:s, s:s, s:s}", "grant", "g", "call", c->id, "kind", "tool", "digest", digest));
		return;
	}
	snprintf(approval, sizeof approval, "%012llu", (unsigned long long)(next_random(w) % 1000000000000u));
	emit(w, EVENT_APPROVAL_REQUESTED, json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:O}, s:s, s:s, s:s, s:s, s:I, s:{s:i, s:s, s:s, s:s, s:[s,s,s]}}",
	     "approval", approval, "call", c->id, "kind", "tool", "action", "kind", "tool", "tool", c->tool, "args", c->args, "digest", digest,
	     "rule", "r", "rule_digest", "r", "reason", "because", "expires_us", (json_int_t)(w->now_us + 1000000 * (int64_t)(1 + pick(w, 300))),
	     "terms", "count", 1 + pick(w, 2), "remember", remember, "risk", "low", "from", "group:g", "members", "a", "b", "c"));
}

/* An approval counts only for the exact bytes that people saw, and only where enough of the right ones said yes. */
static void check_approved(struct world *w, const struct call *c)
{
	char digest[SHA256_HEX_LEN + 1];

	if (c->approved[0] == '\0' || c->waived)
		return;
	digest_of(c, digest);
	PROMISE(w, strcmp(digest, c->approved) == 0, "what runs is what was approved, to the byte");
	PROMISE(w, people_agreed(people_truth(&w->people, digest)) >= 1, "somebody who may said yes to exactly this");
}

static void expire(struct world *w, const struct approval *a)
{
	PROMISE(w, w->now_us >= a->expires_us, "nothing expires early");
	emit(w, EVENT_APPROVAL_DECIDED, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "approval", a->id, "call", a->call, "answer",
	     "expired", "by", "nobody", "digest", a->digest, "reason", "because"));
}

static void ask_model(struct world *w)
{
	char approval[ID_LEN + 1];

	snprintf(approval, sizeof approval, "m%011d", pick(w, 1000000));
	emit(w, EVENT_APPROVAL_REQUESTED, json_pack("{s:s, s:s, s:s, s:{}, s:s, s:s, s:s}", "approval", approval, "call", "", "kind",
	     "model", "action", "digest", "d", "rule", "r", "reason", "because"));
}

/* How many committed events have this in them. */
static int count_log(const struct world *w, const char *a, const char *b)
{
	struct str rest = buf_str(&w->log), line;
	int count = 0;

	while (str_next(&rest, '\n', &line)) {
		AUTO(freep) char *text = xstrndup(line.ptr, line.len);
		count += strstr(text, a) != NULL && strstr(text, b) != NULL;
	}
	return count;
}

/* A yes to a budget: it is given more, unless somebody else's gift has made room. True: the step is asked for again. */
static bool gives(struct world *w, const struct call *c, const json_t *over)
{
	if (json_get_text(over, "budget", NULL) == NULL || json_get_bool(over, "raised", false) || pick(w, 4) == 0)
		return false;
	json_t *data = json_pack("{s:s, s:s, s:s, s:i}", "budget", "b", "scope", "task x", "unit", "usd", "amount", 5);
	if (c != NULL)
		json_put_text(data, "call", c->id);
	emit(w, EVENT_BUDGET_RAISED, data);
	PROMISE(w, count_log(w, "\"budget.raised\"", "") + 1 <= count_log(w, "\"budget.exceeded\"", "\"over\":\"ask\""),
	        "a yes is given for once, whatever crashes behind it");
	return w->gift = true;
}

static void exceed_budget(struct world *w, const struct call *c)
{
	json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:s, s:n, s:s}", "budget", "b", "source", "f:2", "per", "task",
	     "scope", "task x", "unit", "usd", "most", 5, "spent", 5, "reserved", 0, "wants", 1, "over", "ask", "wait_ms", "reason", "no room");

	json_put_text(data, "call", c != NULL ? c->id : NULL);
	emit(w, EVENT_BUDGET_EXCEEDED, data);
}

/* Now and then a limit or a budget says no: wait, ask, or never. What a person allowed passes. c NULL: a model call. */
static bool meets_limit(struct world *w, const struct call *c, bool waived)
{
	static const char *const overs[] = { "wait", "wait", "ask", "ask", "deny" };
	const char *over = overs[pick(w, COUNT(overs))];
	char call[CALL_ID_BYTES] = "";

	if (waived && gives(w, c, c != NULL ? c->over : w->task->over))
		return true;
	if (waived || pick(w, 12) != 0)
		return false;
	if (strcmp(over, "deny") == 0 && (c == NULL || pick(w, 4) != 0)) /* most runs are to go on */
		return false;
	if (c != NULL)
		snprintf(call, sizeof call, "%s", c->id);
	bool budget = strcmp(over, "ask") == 0 && chance(w, 2);
	if (budget)
		exceed_budget(w, c);
	else
		emit(w, EVENT_LIMIT_REACHED, json_pack("{s:s, s:s, s:s, s:s?, s:s, s:i, s:s, s:s}", "limit", "l", "source", "f:1", "on",
	     c != NULL ? "tool" : "model", "call", c != NULL ? call : NULL, "over", over, "wait_ms", 1 + pick(w, 5000), "reason", "too often",
	     "policy", "p"));
	if (c != NULL && strcmp(over, "wait") != 0)
		emit(w, EVENT_CALL_DECIDED, json_pack("{s:s, s:s, s:s, s:s, s:s, s:n, s:s, s:[], s:n, s:i}", "call", call, "tool", c->tool, "effect",
		     over, "by", budget ? "budget" : "limit", "rule", budget ? "b" : "l", "source", "reason", "too often", "also", "policy", "ns", 0));
	return true;
}

/* The world's own reading: the last word for a new plan stands behind the last plan. */
static bool replan_wanted(const struct world *w)
{
	struct str rest = buf_str(&w->log), line;
	bool wanted = false;

	while (str_next(&rest, '\n', &line)) {
		bool plan = memmem(line.ptr, line.len, "\"plan.updated\"", 14) != NULL;
		bool word = memmem(line.ptr, line.len, "\"task.steered\"", 14) != NULL &&
		            memmem(line.ptr, line.len, "\"replan\":true", 13) != NULL;
		wanted = !plan && (wanted || word);
	}
	for (size_t i = 0; i < w->pending_count; i++)
		wanted = w->pending[i].type != EVENT_PLAN_UPDATED &&
		         (wanted || (w->pending[i].type == EVENT_TASK_STEERED && json_get_bool(w->pending[i].data, "replan", false)));
	return wanted;
}

static void write_plan(struct world *w, const struct call *c)
{
	char call[CALL_ID_BYTES];

	snprintf(call, sizeof call, "%s", c->id);
	emit(w, EVENT_CALL_STARTED, json_pack("{s:s, s:s, s:s}", "call", call, "tool", "plan", "nature", "idempotent"));
	emit(w, EVENT_PLAN_UPDATED, json_pack("{s:s, s:[{s:s, s:s, s:[], s:s}]}", "call", call, "steps", "id", "a", "title", "t", "after",
	     "state", "pending"));
	emit(w, EVENT_CALL_FINISHED, finished_data(w, task_call_find(w->task, call), "ok"));
	w->plans++;
}

static void delegate(struct world *w, const struct call *c)
{
	char id[ID_LEN + 1], call[CALL_ID_BYTES];
	int count = 1 + pick(w, 3);

	snprintf(call, sizeof call, "%s", c->id);
	snprintf(w->run_id, sizeof w->run_id, "%s", c->id);
	w->start_children = true;
	emit(w, EVENT_CALL_STARTED, json_pack("{s:s, s:s, s:s}", "call", call, "tool", "delegate", "nature", "idempotent"));
	if (task_call_find(w->task, call)->child_count > 0)
		return;
	PROMISE(w, !replan_wanted(w), "nothing of the old plan is given out when a new one is wanted");
	for (int i = 0; i < count; i++) {
		snprintf(id, sizeof id, "%012d", pick(w, 1000000000));
		emit(w, EVENT_TASK_DELEGATED, json_pack("{s:s, s:s, s:s, s:s, s:n}", "call", call, "child", id, "goal", "g",
		     "agent", "worker", "step"));
	}
}

/* The task ends before its parts have: so do they, and say so. */
static void cancel_below(struct world *w, const char *call)
{
	for (size_t i = 0; i < w->below_count; i++)
		if (strcmp(w->below[i].call, call) == 0 && w->below[i].here) {
			w->below[i].here = false;
			w->below[i].ended = true;
			report_below(w, &w->below[i], "cancelled");
		}
}

static void compact(struct world *w)
{
	struct compaction c = compact_plan(w->task);
	json_t *data = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "turn",
		(json_int_t)w->task->turns + 1, "tokens", (json_int_t)task_context_tokens(w->task), "window",
		(json_int_t)w->task->context.window_tokens, "dropped", (json_int_t)c.dropped, "stubbed", (json_int_t)c.stubbed,
		"kept", (json_int_t)c.kept, "bytes_before", (json_int_t)c.bytes_before, "bytes_after", (json_int_t)c.bytes_after,
		"drop_to", (json_int_t)c.drop_to, "stub_to", (json_int_t)c.stub_to, "summary", c.lines);

	emit(w, EVENT_CONVERSATION_COMPACTED, data);
	PROMISE(w, w->task->context.bytes == c.bytes_after, "a compaction leaves what it said");
	PROMISE(w, json_array_size(w->task->messages) == c.kept, "a compaction keeps what it said");
	PROMISE(w, !compact_wanted(w->task), "a compaction is not wanted twice");
	compaction_done(&c);
	w->compactions++;
}

static void warn_loop(struct world *w, const struct step *cmd)
{
	PROMISE(w, cmd->loop.level == w->task->loops.told + 1, "a circle is told louder each time, and step by step");
	PROMISE(w, w->task->loops.told == LOOP_NONE || w->task->loops.told_turn < w->task->turns, "once a turn");
	emit(w, EVENT_LOOP_DETECTED, json_pack("{s:s, s:s, s:I, s:I, s:s}", "kind", cmd->loop.kind, "level",
	     loop_level_name(cmd->loop.level), "length", (json_int_t)cmd->loop.length, "count", (json_int_t)cmd->loop.count,
	     "text", cmd->text));
	w->circles++;
}

static void call_model(struct world *w)
{
	const struct task *t = w->task;
	const struct model_sight *m = &w->input.models[t->models.at];

	PROMISE(w, !w->request_out, "one request at a time");
	PROMISE(w, m->until_us <= w->now_us && !m->probing, "a model whose breaker is open is not asked");
	if (meets_limit(w, NULL, t->model_waived))
		return;
	w->asked[t->models.at]++;
	PROMISE(w, w->asked[t->models.at] <= t->retry.attempts, "no model is asked more often than it may be");
	w->send_request = true;
	emit(w, EVENT_MODEL_REQUESTED, json_pack("{s:I, s:s, s:s, s:i}", "turn", (json_int_t)t->turns + 1,
	     "provider", "sim", "model", "m", "messages", 1));
}

static void retry_model(struct world *w, const struct step *cmd)
{
	const struct task *t = w->task;
	bool breaker = strcmp(cmd->status, "breaker") == 0;
	int64_t delay_ms = breaker ? (w->input.models[t->models.at].until_us - w->now_us) / 1000 + 1
	                           : retry_delay_ms(t->failures, t->retry_after_ms, (uint32_t)next_random(w));

	PROMISE(w, breaker || strcmp(t->failure_class, "transient") == 0, "only what may pass is tried again");
	PROMISE(w, breaker || delay_ms >= t->retry_after_ms, "nobody comes back before the time that he was told");
	PROMISE(w, !breaker || w->input.models[t->models.at].until_us > w->now_us, "nobody waits for a breaker that is closed");
	w->retries++;
	emit(w, EVENT_RETRY_SCHEDULED, json_pack("{s:I, s:I, s:s, s:s}", "turn", (json_int_t)t->turns + 1, "delay_ms",
	     (json_int_t)delay_ms, "class", cmd->status, "reason", "because"));
}

static void switch_model(struct world *w, const struct step *cmd)
{
	const struct task *t = w->task;
	bool back = strcmp(cmd->status, "return") == 0;

	PROMISE(w, cmd->model < (size_t)w->models && cmd->model != t->models.at, "another model of the chain is asked");
	PROMISE(w, !w->input.models[cmd->model].barred, "policy and budgets are asked about a model that stands in");
	PROMISE(w, strcmp(cmd->status, "terminal") != 0 || t->failure_status == 200, "what the request itself caused is not tried elsewhere");
	PROMISE(w, strcmp(cmd->status, "auth") != 0, "a key that is refused is no reason to go elsewhere, unless somebody says so");
	PROMISE(w, back == (cmd->model == 0 && strcmp(cmd->status, "return") == 0), "only its own model is returned to");
	PROMISE(w, (t->models.tried & 1u << cmd->model) == 0, "a model that failed for good is not asked again before a reply");
	w->switches++;
	emit(w, EVENT_MODEL_SWITCHED, json_pack("{s:I, s:s, s:s, s:I, s:s, s:s, s:i, s:i}", "turn", (json_int_t)t->turns + 1, "from", "f",
	     "to", "t", "at", (json_int_t)cmd->model, "class", cmd->status, "reason", "because", "window", w->window, "stay_ms",
	     cmd->model == 0 ? 0 : pick(w, 400000)));
}

/* The model's question: the same after a crash, and closed at once where it was answered meanwhile. */
static void ask_question(struct world *w, const struct call *c)
{
	char call[CALL_ID_BYTES], id[ID_LEN + 1];

	snprintf(call, sizeof call, "%s", c->id);
	emit(w, EVENT_CALL_STARTED, json_pack("{s:s, s:s, s:s}", "call", call, "tool", "ask_user", "nature", "idempotent"));
	c = task_call_find(w->task, call);
	if (c->answer != NULL) {
		emit(w, EVENT_CALL_FINISHED, finished_data(w, c, "ok"));
	} else if (!c->asks_person) {
		snprintf(id, sizeof id, "q%011d", ++w->questions);
		emit(w, EVENT_QUESTION_ASKED, json_pack("{s:s, s:s, s:s}", "call", call, "question", "why?", "id", id));
	}
}

/* What never happens to a task that rests, or is to end. */
static void check_quiet(struct world *w, const struct step *cmd)
{
	bool begins = cmd->type == STEP_CALL_MODEL || cmd->type == STEP_RUN_CALL || cmd->type == STEP_ASK_PERSON ||
	              cmd->type == STEP_ASK_MODEL || cmd->type == STEP_SWITCH_MODEL;
	bool for_its_end = cmd->type == STEP_RUN_CALL && cmd->call->child_count > 0;

	PROMISE(w, !begins || !w->task->paused || (for_its_end && w->task->cancelled_by != NULL),
	        "a paused task begins nothing, but, once it is cancelled, what ends its parts");
	PROMISE(w, !begins || for_its_end || w->task->cancelled_by == NULL, "nothing begins after a cancel, but what ends the parts");
	PROMISE(w, !begins || !w->said.cancelled || for_its_end, "a cancel that is durable is never forgotten");
	PROMISE(w, cmd->type != STEP_CALL_MODEL || json_array_size(w->task->said) == 0, "what was said is told before the model is asked");
}

static void obey(struct world *w, const struct step *cmd)
{
	static const char *const natures[] = { "pure", "idempotent", "at_most_once" };
	const struct call *c = cmd->call;

	check_quiet(w, cmd);
	switch (cmd->type) {
	case STEP_CHECK_CALL: check_call(w, c); break;
	case STEP_ASK_PERSON: ask_person(w, c); break;
	case STEP_EXPIRE: expire(w, cmd->approval); break;
	case STEP_RUN_CALL:
		check_approved(w, c);
		if (meets_limit(w, c, c->waived))
			break;
		if (strcmp(c->tool, "delegate") == 0) {
			delegate(w, c);
			break;
		}
		if (strcmp(c->tool, "ask_user") == 0) {
			ask_question(w, c);
			break;
		}
		if (strcmp(c->tool, "plan") == 0) {
			write_plan(w, c);
			break;
		}
		PROMISE(w, strcmp(c->tool, "finish") != 0 || !replan_wanted(w), "a task whose plan is to be made anew does not finish");
		snprintf(w->run_id, sizeof w->run_id, "%s", c->id);
		w->run_call = true;
		struct started *s = account(w, c->id);
		if (s->nature[0] == '\0')
			snprintf(s->nature, sizeof s->nature, "%s", natures[pick(w, COUNT(natures))]);
		emit(w, EVENT_CALL_STARTED, json_pack("{s:s, s:s, s:s}", "call", c->id, "tool", c->tool, "nature", s->nature));
		break;
	case STEP_KILL_CALL:
		emit(w, EVENT_CALL_KILLED, json_pack("{s:s, s:s}", "call", c->id, "reason", cmd->status));
		if (c->child_count > 0)
			cancel_below(w, c->id);
		else if (w->running[0] == '\0') /* its start was not committed yet */
			emit(w, EVENT_CALL_FINISHED, finished_data(w, task_call_find(w->task, c->id), "cancelled"));
		break;
	case STEP_END_DELEGATION:
		for (size_t i = 0; i < c->child_count; i++)
			PROMISE(w, below_find(w, c->children[i].id)->ended, "a delegation ends after its parts");
		emit(w, EVENT_CALL_FINISHED, finished_data(w, c, "ok"));
		break;
	case STEP_CLOSE_CALL: emit(w, EVENT_CALL_FINISHED, finished_data(w, c, cmd->status)); break;
	case STEP_WARN_LOOP: warn_loop(w, cmd); break;
	case STEP_COMPACT: compact(w); break;
	case STEP_ASK_MODEL: ask_model(w); break;
	case STEP_CALL_MODEL: call_model(w); break;
	case STEP_CANCEL_MODEL:
		w->request_out = false;
		emit(w, EVENT_MODEL_FAILED, json_pack("{s:I, s:s, s:n, s:s, s:i}", "turn", (json_int_t)w->task->turns + 1,
		     "class", "cancelled", "status", "message", "stopped", "ms", 1));
		break;
	case STEP_RETRY_MODEL: retry_model(w, cmd); break;
	case STEP_SWITCH_MODEL: switch_model(w, cmd); break;
	case STEP_PARK:
		PROMISE(w, w->running[0] == '\0' && !w->request_out && !below_active(w), "a parked task has nothing under way");
		emit(w, EVENT_TASK_PARKED, json_pack("{s:s}", "reason", cmd->status));
		break;
	case STEP_FINISH:
		PROMISE(w, w->running[0] == '\0' && !w->request_out && !below_active(w), "a finished task has nothing under way");
		PROMISE(w, strcmp(cmd->state, "done") != 0 || !replan_wanted(w), "a task whose plan is to be made anew does not end as done");
		emit(w, EVENT_TASK_FINISHED, json_pack("{s:s, s:i, s:s}", "state", cmd->state, "exit", cmd->exit, "result", cmd->text));
		break;
	}
}

/* ---- the world --------------------------------------------------------------------------------------- */

static void reply(struct world *w)
{
	int calls = w->turns_to_go-- > 0 ? 1 + pick(w, 4) : 0;
	int turn = (int)w->task->turns + 1;
	memset(w->asked, 0, sizeof w->asked);
	static const char *const finishes[] = { "stop", "stop", "stop", "stop", "length", "content_filter" };

	if (chance(w, 2))
		calls = LIMIT_CALLS_PER_REPLY + 5; /* a model that floods */
	emit(w, EVENT_MODEL_REPLIED, json_pack("{s:i, s:s, s:s, s:i, s:{s:i, s:i}, s:n, s:i}", "turn", turn, "text", "hm",
	     "finish", calls > 0 ? "tool_calls" : finishes[pick(w, COUNT(finishes))], "calls", calls, "usage", "input", 10,
	     "output", 5, "usd_nanos", "ms", 1));
	for (int i = 0; i < MIN(calls, LIMIT_CALLS_PER_REPLY); i++) {
		char id[CALL_ID_BYTES];
		snprintf(id, sizeof id, "%d.%d", turn, i + 1);
		emit(w, EVENT_CALL_PROPOSED, json_pack("{s:s, s:i, s:s, s:s, s:o}", "call", id, "turn", turn, "id", id, "tool",
		     w->stubborn ? "shell" : chance(w, 25) ? "delegate" : chance(w, 10) ? "ask_user" : chance(w, 15) ? "plan" :
		     chance(w, 5) ? "finish" : "shell", "args", w->stubborn || chance(w, 90) ? json_object() : json_string("not json")));
	}
}

static void fail_request(struct world *w)
{
	static const char *const classes[] = { "transient", "transient", "transient", "transient", "auth", "quota", "terminal" };

	static const int waits_ms[] = { 0, 700, 7000, 70000, 700000 };
	emit(w, EVENT_MODEL_FAILED, json_pack("{s:I, s:s, s:i, s:s, s:I, s:i}", "turn", (json_int_t)w->task->turns + 1,
	     "class", classes[pick(w, COUNT(classes))], "status", chance(w, 10) ? 200 : 500, "message", "because", "retry_after_ms",
	     (json_int_t)(chance(w, 20) ? waits_ms[pick(w, COUNT(waits_ms))] : -1), "ms", 1));
}

static void tool_ends(struct world *w)
{
	const struct call *c = task_call_find(w->task, w->running);
	struct started *s = account(w, w->running);

	s->ends++;
	s->unfinished = false;
	w->running[0] = '\0';
	int64_t after_ms = chance(w, 30) ? pick(w, 400000) : -1;
	if (chance(w, 15) && call_may_retry(w->task, c, FAILURE_TRANSIENT, after_ms, w->now_us)) {
		int64_t delay_ms = retry_delay_ms(c->attempt, after_ms, (uint32_t)next_random(w));
		PROMISE(w, strcmp(s->nature, "at_most_once") != 0, "what may have taken effect is not run again");
		PROMISE(w, c->attempt < w->task->retry.calls, "no call is run more often than it may be");
		PROMISE(w, delay_ms >= after_ms, "no call comes back before the time that it was told");
		w->calls_again++;
		emit(w, EVENT_RETRY_SCHEDULED, json_pack("{s:I, s:I, s:s, s:s, s:s}", "turn", (json_int_t)w->task->turns, "delay_ms",
		     (json_int_t)delay_ms, "class", "transient", "reason", "because", "call", c->id));
		return;
	}
	emit(w, EVENT_CALL_FINISHED, finished_data(w, c, c->killing ? "killed" : "ok"));
}

static const struct call *held(const struct world *w)
{
	for (size_t i = 0; i < w->task->call_count; i++)
		if (w->task->calls[i].phase == CALL_HELD)
			return &w->task->calls[i];
	return NULL;
}

static void decided(struct world *w, const struct approval *a, const char *answer, const char *by)
{
	json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "approval", a->id, "call", a->call, "answer", answer, "by", by,
	                         "digest", a->digest, "reason", "because");

	if (strcmp(answer, "edit") == 0)
		json_put(data, "args", json_pack("{s:i}", "edited", pick(w, 3)));
	emit(w, EVENT_APPROVAL_DECIDED, data);
}

/* One word, as the engine takes it: judged by the core, and written down. */
static void take_word(struct world *w, const struct word *word)
{
	const struct approval *a = task_approval(w->task, word->approval);
	struct err err = ERR_NONE;
	struct answer answer = { .say = word->say, .approval = word->approval, .digest = word->digest, .by = word->by, .word = "",
	                         .reason = "", .remember = word->remember ? "task" : "once", .time_us = word->time_us };

	if (a == NULL)
		return;
	int r = approval_judge(a, &answer, &err);
	if (r < 0) {
		w->people.refused++;
		w->people.twice += r == -EALREADY;
	} else if (word->say == SAY_NO) {
		decided(w, a, "deny", word->by);
	} else if (word->say == SAY_EDIT) {
		decided(w, a, "edit", word->by);
	} else {
		w->people.voted++;
		emit(w, EVENT_APPROVAL_VOTED, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i}", "approval", word->approval, "call",
		     a->call, "by", word->by, "digest", word->digest, "remember", answer.remember, "word", "w", "votes", 1, "needed",
		     approval_needed(a)));
		a = task_approval(w->task, word->approval);
		if (r == 0 && strcmp(a->remember, "task") == 0)
			people_truth(&w->people, a->digest)->remembered = true;
		PROMISE(w, r != 0 || people_agreed(people_truth(&w->people, a->digest)) >= approval_needed(a), "as many as the rule wants said yes");
		if (r == 0)
			decided(w, a, "allow", word->by);
	}
}

static void take_words(struct world *w)
{
	for (size_t i = 0; i < w->people.word_count; i++) {
		if (w->people.words[i].taken)
			continue;
		w->people.words[i].taken = true;
		take_word(w, &w->people.words[i]);
	}
}

/* Nobody, one or several at once say something about what waits; now and then a grant is revoked. */
static void answer(struct world *w, const struct call *c)
{
	const struct approval *a = task_approval_of(w->task, c->id);

	PROMISE(w, a != NULL, "a call that is held waits for an answer");
	for (int i = pick(w, 3); i > 0; i--)
		people_speak(&w->people, a, w->now_us, next_random(w));
	if (chance(w, 20) && w->people.truth_count > 0)
		w->people.truths[pick(w, (int)w->people.truth_count)].revoked = true;
	w->now_us += (int64_t)pick(w, 60) * 1000000;
}

static void answer_model(struct world *w)
{
	static const char *const answers[] = { "allow", "allow", "allow", "deny", "lapsed" };

	emit(w, EVENT_APPROVAL_DECIDED, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "approval", w->task->model_approval, "call", "",
	     "answer", answers[pick(w, COUNT(answers))], "by", "someone", "digest", "d", "reason", "because"));
}

/* One of the tasks below ends, or comes to rest where the engine drains. */
static void below_moves(struct world *w)
{
	size_t at = (size_t)pick(w, (int)w->below_count);

	while (!w->below[at].here)
		at = (at + 1) % w->below_count;
	struct below *b = &w->below[at];
	b->here = false;
	if (w->input.draining && chance(w, 70))
		return; /* parked */
	b->ended = true;
	if (chance(w, 90))
		report_below(w, b, chance(w, 80) ? "done" : "failed");
	else
		crash(w, "between the end of a part and its report");
}

/* What other tasks, policy and budgets make of the models, as this task sees it. */
static void models_change(struct world *w)
{
	for (int at = 0; at < w->models; at++) {
		struct model_sight *m = &w->input.models[at];
		m->probing = m->until_us != 0 && m->until_us <= w->now_us && !m->probing && chance(w, 50);
		if (m->until_us <= w->now_us && !m->probing)
			m->until_us = chance(w, 10) ? w->now_us + (int64_t)pick(w, 90) * 1000000 : 0;
		m->barred = at > 0 && at != (int)w->task->models.at && chance(w, 20);
	}
}

/* ---- what people say from other terminals ---- */

static struct call *asking(struct world *w)
{
	for (size_t i = 0; i < w->task->call_count; i++)
		if (w->task->calls[i].asks_person && w->task->calls[i].phase != CALL_CLOSED)
			return &w->task->calls[i];
	return NULL;
}

static void answer_question(struct world *w, struct call *c)
{
	bool runs = c->phase == CALL_RUNNING;
	char call[CALL_ID_BYTES];

	snprintf(call, sizeof call, "%s", c->id);
	emit(w, EVENT_QUESTION_ANSWERED, json_pack("{s:s, s:s, s:s, s:s}", "call", call, "answer", "so", "by", "a", "id", c->question));
	if (runs)
		emit(w, EVENT_CALL_FINISHED, finished_data(w, task_call_find(w->task, call), "ok"));
	w->said.answers++;
}

static void hear(struct world *w, const struct said_word *word)
{
	char text[32];

	switch (word->what) {
	case SAY_CANCEL:
		emit(w, EVENT_TASK_CANCELLED, json_pack("{s:s}", "by", "a"));
		w->said.cancels++;
		break;
	case SAY_PAUSE:
		if (w->task->paused && !word->now)
			break;
		emit(w, EVENT_TASK_PAUSED, json_pack("{s:s, s:b}", "by", "a", "now", word->now));
		w->said.pauses++;
		break;
	case SAY_GO_ON:
		if (w->task->paused)
			emit(w, EVENT_TASK_CONTINUED, json_pack("{s:s}", "by", "a"));
		break;
	case SAY_STEER:
		snprintf(text, sizeof text, "word %d", word->number);
		emit(w, EVENT_TASK_STEERED, json_pack("{s:s, s:s, s:b, s:b}", "by", "a", "text", text, "now", word->now, "replan", word->number % 3 == 0));
		w->said.steers++;
		break;
	case SAY_ANSWER:
		if (asking(w) != NULL)
			answer_question(w, asking(w));
		break;
	}
}

static void hear_all(struct world *w)
{
	for (size_t i = 0; i < w->said.count; i++) {
		if (w->said.words[i].taken)
			continue;
		w->said.words[i].taken = true;
		hear(w, &w->said.words[i]);
	}
}

/* Something happens outside the engine. */
static void happen(struct world *w)
{
	models_change(w);
	if (chance(w, 12))
		said_anything(&w->said, next_random(w));
	if (chance(w, 5)) {
		crash(w, "while something ran");
	} else if (chance(w, 2)) {
		w->input.draining = true;
	} else if (w->request_out) {
		w->request_out = false;
		if (chance(w, 15))
			fail_request(w);
		else
			reply(w);
	} else if (w->running[0] != '\0') {
		tool_ends(w);
	} else if (below_active(w)) {
		below_moves(w);
	} else if (w->task->paused) {
		said_put(&w->said, SAY_GO_ON, false);
		w->now_us += (int64_t)pick(w, 5000) * 1000000; /* a rest may be longer than all the time that the task has */
	} else if (asking(w) != NULL) {
		said_put(&w->said, SAY_ANSWER, false);
	} else if (held(w) != NULL) {
		answer(w, held(w));
	} else if (w->task->model_phase == MODEL_HELD) {
		answer_model(w);
	} else {
		PROMISE(w, !w->input.draining, "an interrupted task with nothing under way parks");
		int64_t wakeup = task_wakeup_us(w->task);
		PROMISE(w, wakeup != INT64_MAX, "an active task always waits for something");
		w->now_us = MAX(w->now_us, wakeup);
	}
	if (chance(w, 5))
		w->now_us += (int64_t)pick(w, 200) * 1000000;
}

/* Everything that a task is, as text, to compare a replayed one with the one in memory. */
static void dump(const struct task *t, struct buf *ret)
{
	buf_printf(ret, "%d %d %zu %lld %lld %lld %lld %d %s %d\n", t->phase, t->model_phase, t->call_count,
	           (long long)t->turns, (long long)t->calls_total, (long long)t->denied, (long long)t->unanswered,
	           t->failures, t->state, t->exit);
	for (size_t i = 0; i < t->call_count; i++)
		for (size_t k = 0; k < t->calls[i].child_count; k++)
			buf_printf(ret, "%s %d\n", t->calls[i].children[k].id, t->calls[i].children[k].reported);
	for (size_t i = 0; i < t->call_count; i++)
		buf_printf(ret, "%s %d %d %d %d %lld %d\n", t->calls[i].id, t->calls[i].phase, t->calls[i].attempt,
		           t->calls[i].repeatable, t->calls[i].killing, (long long)t->calls[i].wait_until_us, t->calls[i].waived);
	buf_printf(ret, "%zu %u %d %lld %lld %lld\n", t->models.at, t->models.tried, t->models.trial, (long long)t->models.stay_until_us,
	           (long long)t->models.failing_since_us, (long long)t->retry_at_us);
	buf_printf(ret, "%d %s %d\n", t->model_waived, t->over_text != NULL ? t->over_text : "", t->over_exit);
	for (size_t i = 0; i < t->approval_count; i++)
		buf_printf(ret, "%s %zu %s\n", t->approvals[i].id, json_array_size(t->approvals[i].voters), t->approvals[i].remember);
	buf_printf(ret, "%d %d %d %zu %zu %s %lld %lld\n", t->paused, t->pause_now, t->interrupting, json_array_size(t->said), t->questions,
	           t->cancelled_by != NULL ? t->cancelled_by : "", (long long)t->paused_us, (long long)t->active_us);
	json_write_canonical(t->messages, ret);
}

static struct task *replay(const struct world *w)
{
	struct task *t = task_new();
	struct str rest = buf_str(&w->log), line;
	struct err err = ERR_NONE;

	while (str_next(&rest, '\n', &line)) {
		struct event e;
		if (line.len == 0)
			continue;
		PROMISE(w, event_parse(line, &e, &err) == 0, err.text);
		PROMISE(w, task_apply(t, &e, &err) == 0, err.text);
		event_done(&e);
	}
	return t;
}

static void replay_equals_memory(struct world *w)
{
	struct buf a = BUF_INIT(MIB(16)), b = BUF_INIT(MIB(16));
	AUTO(task_freep) struct task *again = replay(w);

	dump(w->task, &a);
	dump(again, &b);
	PROMISE(w, str_eq(buf_str(&a), buf_str(&b)), "a replayed task equals the one in memory");
	buf_done(&a);
	buf_done(&b);
}

/* A provider refuses a conversation in which a call has no result, or two. */
static void conversation_is_whole(const struct world *w)
{
	const json_t *messages = w->task->messages;
	int64_t bytes = 0;

	PROMISE(w, str_starts(str_of(json_get_text(json_array_get(messages, 0), "text", "")), str_of(w->task->goal)),
	        "a conversation begins with the goal");
	PROMISE(w, w->task->turns == 0 || json_array_size(messages) > 1, "the last turn stays in the conversation");
	for (size_t i = 0; i < json_array_size(messages); i++)
		bytes += message_bytes(json_array_get(messages, i));
	PROMISE(w, bytes == w->task->context.bytes, "the size of the conversation is kept along");
	for (size_t i = 0; i < json_array_size(messages); i++) {
		const char *of = json_get_text(json_array_get(messages, i), "call", NULL);
		bool asked = of == NULL;
		for (size_t j = 0; j < i && !asked; j++) {
			const json_t *calls = json_object_get(json_array_get(messages, j), "calls");
			for (size_t k = 0; k < json_array_size(calls); k++)
				asked |= strcmp(json_get_text(json_array_get(calls, k), "id", ""), of) == 0;
		}
		PROMISE(w, asked, "every result in the conversation stands behind its call");
	}
	for (size_t i = 0; i < json_array_size(messages); i++) {
		const json_t *calls = json_object_get(json_array_get(messages, i), "calls");
		for (size_t k = 0; k < json_array_size(calls); k++) {
			PROMISE(w, strcmp(json_get_text(json_array_get(messages, i + 1 + k), "role", ""), "tool") == 0,
			        "nothing stands between calls and their results");
			const char *id = json_get_text(json_array_get(calls, k), "id", "");
			int results = 0;
			for (size_t j = i + 1; j < json_array_size(messages); j++)
				results += strcmp(json_get_text(json_array_get(messages, j), "call", ""), id) == 0;
			PROMISE(w, results == 1, "every call in the conversation has exactly one result");
		}
	}
}

static json_t *chain_of(const struct world *w)
{
	json_t *names = json_array();

	for (int i = 1; i < w->models; i++)
		json_array_append_new(names, json_string("sim/other"));
	return names;
}

static void begin(struct world *w)
{
	w->input.draining = false;
	memset(w->input.models, 0, sizeof w->input.models);
	memset(w->asked, 0, sizeof w->asked);
	w->runs++;
	if (w->log.len == 0) {
		w->task = task_new();
		emit(w, EVENT_TASK_CREATED, json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:b, s:s, s:[s], s:[], s:{s:i, s:i, s:i}, s:{s:i, s:{s:i, s:i, s:i, s:i}, s:o}}",
		     "goal", "g", "agent", "a", "role", "worker", "depth", 0, "model", "sim/m", "workspace", "/w", "isolation",
		     "full", "channel", "cli", "interactive", 1, "plan", "never", "tools", "plan", "policies", "limits", "turns",
		     1 + pick(w, 12), "calls", 1 + pick(w, 40), "timeout_ms", 600000, "config",
		     "context_tokens", w->window, "retry", "attempts", 1 + pick(w, 5), "tool_attempts", 1 + pick(w, 3), "time_ms",
		     pick(w, 300000), "wait_ms", pick(w, 300000), "fallback", chain_of(w)));
		return;
	}
	w->task = replay(w);
	if (w->task->phase != PHASE_ENDED)
		emit(w, EVENT_TASK_RESUMED, json_pack("{s:s, s:i, s:s}", "engine", "e", "generation", w->runs, "reason", "crash"));
}

static void run_seed(uint64_t seed, bool verbose, struct people *sums, struct world *totals)
{
	static const int windows[] = { 0, 500, 3000, 8000, 128000 };
	struct world w = { .seed = seed, .random = seed, .verbose = verbose, .log = BUF_INIT(MIB(16)), .now_us = 1000000 };

	w.stubborn = chance(&w, 20);
	w.turns_to_go = pick(&w, 8);
	w.models = 1 + pick(&w, 4);
	w.window = windows[pick(&w, COUNT(windows))];
	for (int step = 0;; step++) {
		struct step c;
		PROMISE(&w, step < MAX_STEPS, "every task comes to its end");
		if (w.task == NULL)
			begin(&w);
		if (w.task->phase == PHASE_ENDED && w.pending_count == 0)
			break;
		w.input.now_us = w.now_us;
		w.input.children_active = below_active(&w);
		if (w.task->phase == PHASE_ACTIVE) {
			take_words(&w);
			hear_all(&w);
		}
		while (!w.gift && task_decide(w.task, &w.input, &c)) {
			if (c.type == STEP_CALL_MODEL)
				conversation_is_whole(&w);
			obey(&w, &c);
			step_done(&c);
			w.input.children_active = below_active(&w);
		}
		commit(&w);
		if (w.gift) {
			w.gift = false;
			continue;
		}
		if (w.task == NULL || w.task->phase == PHASE_ENDED)
			continue;
		if (w.pending_count > 0)
			continue; /* what was found out at the start of a delegation is written first */
		replay_equals_memory(&w);
		if (w.task->phase == PHASE_PARKED) {
			task_free(w.task); /* somebody resumes it later */
			w.task = NULL;
			continue;
		}
		happen(&w);
	}
	replay_equals_memory(&w);
	PROMISE(&w, !w.said.cancelled || strcmp(w.task->state, "cancelled") == 0, "what was cancelled ends cancelled");
	PROMISE(&w, w.task->active_us >= 0, "no time is counted twice");
	PROMISE(&w, w.task->turns <= w.task->limits.turns, "the limit of turns holds");
	for (size_t i = 0; i < w.task->call_count; i++)
		PROMISE(&w, w.task->calls[i].phase == CALL_CLOSED, "every proposed call has its result at the end");
	totals->crashes += w.crashes;
	totals->compactions += w.compactions;
	totals->circles += w.circles;
	totals->retries += w.retries;
	totals->switches += w.switches;
	totals->calls_again += w.calls_again;
	totals->plans += w.plans;
	totals->said.cancels += w.said.cancels;
	totals->said.pauses += w.said.pauses;
	totals->said.steers += w.said.steers;
	totals->said.answers += w.said.answers;
	sums->voted += w.people.voted;
	sums->refused += w.people.refused;
	sums->drifted += w.people.drifted;
	sums->late += w.people.late;
	sums->twice += w.people.twice;
	task_free(w.task);
	buf_done(&w.log);
}

int main(int argc, char **argv)
{
	uint64_t first = 1, count = 1000;
	struct world totals = { 0 };
	struct people sums = { 0 };

	if (argc > 1 && str_to_u64(str_of(argv[1]), &first) < 0)
		return 2;
	if (argc > 2 && str_to_u64(str_of(argv[2]), &count) < 0)
		return 2;
	for (uint64_t seed = first; seed < first + count; seed++)
		run_seed(seed, argc > 3, &sums, &totals);
	printf("%llu seeds, %d crashes survived, %d compactions, %d circles told\n", (unsigned long long)count, totals.crashes,
	       totals.compactions, totals.circles);
	printf("%d requests tried again, %d changes of the model, %d calls run again\n", totals.retries, totals.switches,
	       totals.calls_again);
	printf("%d plans\n", totals.plans);
	printf("%ld cancels, %ld pauses, %ld words, %ld answers\n", totals.said.cancels, totals.said.pauses, totals.said.steers,
	       totals.said.answers);
	printf("%ld yes counted, %ld answers refused: %ld about other bytes, %ld too late, %ld said before\n", sums.voted, sums.refused,
	       sums.drifted, sums.late, sums.twice);
	return 0;
}
