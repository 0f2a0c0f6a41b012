/* system.c - the whole system in one process: several engines on one store, a tree of tasks, people, tools that have
 * effects in the world, and every disaster between them: `system FIRST COUNT [v]`.
 *
 * Tasks are the real core. The store is played to the letter of store.h: batches are all or nothing and fenced by the
 * generation of a lease. Engines crash, stand still past their leases and wake up, drain, and take over what others
 * left. After each step the promises of the architecture that can be seen here are checked; a seed that breaks one is
 * printed with its history, and `system SEED 1 v` lives through it again. */
#include <stdio.h>
#include <string.h>

#include "core/task.h"

#include "base/banned.h"

enum { ENGINES = 3, TASKS = 40, EFFECTS = 2000, STEPS = 60000, MESSAGES = 24, DEPTH = 2 };
enum { LEASE_US = LIMIT_LEASE_MS * 1000, NOBODY = -1, NO_TASK = -1 };

struct message { char kind[16]; int64_t id; };

struct record {                        /* a task on the disk */
	char id[ID_LEN + 1], call[CALL_ID_BYTES];   /* call: of the task above, which gave it out */
	int parent, depth;
	bool there, ended;
	struct buf log;
	int holder;
	int64_t generation, until_us;
	struct message inbox[MESSAGES];
	size_t inbox_count;
	bool cancel_sent;              /* a person wants it to end; it is in the inbox, or was taken */
};

struct effect {                        /* the world's own account, which no crash can touch */
	int record;
	char call[CALL_ID_BYTES], nature[16];
	int starts, engine;            /* engine: where it runs now, or NOBODY */
};

struct hold {                          /* a task in the hands of an engine */
	int record;
	int64_t generation, lease_us;  /* lease_us: until when this engine knows that the task is its own */
	struct task *task;
	struct event pending[LIMIT_BATCH_EVENTS];
	size_t pending_count;
	int64_t inbox_upto;            /* goes with the pending batch */
	struct task_input input;
	bool fresh, send_request, run_call, start_children, request_out;
	char run_id[CALL_ID_BYTES], running[CALL_ID_BYTES];
};

struct engine {
	bool alive, draining;
	int64_t asleep_until_us;       /* SIGSTOP; 0: it is awake */
	struct hold *holds[TASKS];     /* by record */
};

struct world {
	uint64_t seed, random;
	bool verbose;
	int64_t now_us, messages;
	struct record records[TASKS];
	int record_count;
	struct effect effects[EFFECTS];
	int effect_count;
	struct engine engines[ENGINES];
	struct sums { long crashes, sleeps, takeovers, stale, words, effects, unknown, tasks; } sums;
};

static _Noreturn void broken(const struct world *w, const char *promise)
{
	printf("seed %llu breaks a promise: %s\n", (unsigned long long)w->seed, promise);
	for (int i = 0; i < w->record_count; i++)
		printf("task %d (above: %d, held by %d, generation %lld)%s\n%s", i, w->records[i].parent, w->records[i].holder,
		       (long long)w->records[i].generation, w->records[i].ended ? ", ended" : "", buf_text(&w->records[i].log));
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

static void say(const struct world *w, const char *what, int engine, int record)
{
	if (w->verbose)
		printf("%12lld engine %d task %d: %s\n", (long long)w->now_us, engine, record, what);
}

/* ---- the world outside: effects of tools ---------------------------------------------------------- */

static struct effect *effect_find(struct world *w, int record, const char *call)
{
	for (int i = 0; i < w->effect_count; i++)
		if (w->effects[i].record == record && strcmp(w->effects[i].call, call) == 0)
			return &w->effects[i];
	return NULL;
}

static const char *nature_of(struct world *w, int record, const char *call)
{
	static const char *const natures[] = { "pure", "idempotent", "at_most_once" };
	struct effect *e = effect_find(w, record, call);

	if (e == NULL) {
		PROMISE(w, w->effect_count < EFFECTS, "effects are bounded");
		e = &w->effects[w->effect_count++];
		*e = (struct effect){ .record = record, .engine = NOBODY };
		snprintf(e->call, sizeof e->call, "%s", call);
		snprintf(e->nature, sizeof e->nature, "%s", natures[pick(w, COUNT(natures))]);
	}
	return e->nature;
}

static void effect_start(struct world *w, int engine, struct hold *h)
{
	struct effect *e = effect_find(w, h->record, h->run_id);
	const struct record *r = &w->records[h->record];

	PROMISE(w, e != NULL, "an effect was announced");
	PROMISE(w, r->holder == engine && r->generation == h->generation, "an effect starts in the hands that hold the lease");
	PROMISE(w, !r->ended, "nothing starts after the end");
	e->starts++;
	e->engine = engine;
	PROMISE(w, strcmp(e->nature, "at_most_once") != 0 || e->starts == 1, "an at-most-once effect starts at most once");
	snprintf(h->running, sizeof h->running, "%s", h->run_id);
	w->sums.effects++;
}

/* The cell of a task closes: what ran in it is gone. */
static void cell_close(struct world *w, int engine, int record)
{
	for (int i = 0; i < w->effect_count; i++)
		if (w->effects[i].record == record && w->effects[i].engine == engine)
			w->effects[i].engine = NOBODY;
}

/* ---- one task in one engine ------------------------------------------------------------------------- */

static void drop_pending(struct hold *h)
{
	for (size_t i = 0; i < h->pending_count; i++)
		event_done(&h->pending[i]);
	h->pending_count = 0;
	h->inbox_upto = 0;
}

/* What is not durable is forgotten; what ran is killed. */
static void hold_drop(struct world *w, int engine, int record)
{
	struct hold *h = w->engines[engine].holds[record];

	cell_close(w, engine, record);
	drop_pending(h);
	task_free(h->task);
	free(h);
	w->engines[engine].holds[record] = NULL;
}

/* A task that cannot go on here takes those below with it: nobody would hear of them. */
static void hold_drop_tree(struct world *w, int engine, int record)
{
	hold_drop(w, engine, record);
	for (int i = 0; i < w->record_count; i++)
		if (w->records[i].parent == record && w->engines[engine].holds[i] != NULL)
			hold_drop_tree(w, engine, i);
}

static void emit(struct world *w, struct hold *h, enum event_type type, json_t *data)
{
	struct event e = { .type = type, .time_us = ++w->now_us, .attempt = 1, .data = data };
	struct err err = ERR_NONE;

	snprintf(e.task, sizeof e.task, "%s", w->records[h->record].id);
	snprintf(e.session, sizeof e.session, "%s", "ba9876543210");
	snprintf(e.trace_id, sizeof e.trace_id, "%s", "0af7651916cd43dd8448eb211c80319c");
	PROMISE(w, event_check(type, data, &err) == 0, err.text);
	PROMISE(w, task_apply(h->task, &e, &err) == 0, err.text);
	PROMISE(w, h->pending_count < COUNT(h->pending), "a batch is bounded");
	h->pending[h->pending_count++] = e;
}

static struct task *replay(const struct world *w, int record)
{
	struct task *t = task_new();
	struct str rest = buf_str(&w->records[record].log), line;
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

static struct hold *hold_new(struct world *w, int engine, int record)
{
	struct hold *h = xcalloc(1, sizeof *h);

	PROMISE(w, w->engines[engine].holds[record] == NULL, "a task is in one pair of hands");
	h->record = record;
	h->lease_us = w->now_us + LEASE_US;
	w->engines[engine].holds[record] = h;
	return h;
}

static bool engine_lives(const struct world *w, int engine)
{
	return engine != NOBODY && w->engines[engine].alive;
}

/* As store_lease_take: at once where none is held, it has expired, or its holder is gone. */
static bool lease_take(struct world *w, int engine, int record)
{
	struct record *r = &w->records[record];

	if (engine_lives(w, r->holder) && r->holder != engine && w->now_us < r->until_us)
		return false;
	r->holder = engine;
	r->generation++;
	r->until_us = w->now_us + LEASE_US;
	return true;
}

static bool take_over(struct world *w, int engine, int record)
{
	if (!lease_take(w, engine, record))
		return false;
	say(w, "is taken over", engine, record);
	struct hold *h = hold_new(w, engine, record);
	h->generation = w->records[record].generation;
	h->task = replay(w, record);
	emit(w, h, EVENT_TASK_RESUMED, json_pack("{s:s, s:I, s:s}", "engine", "e", "generation", (json_int_t)h->generation, "reason", "crash"));
	w->sums.takeovers++;
	return true;
}

static struct hold *create(struct world *w, int engine, int record)
{
	const struct record *r = &w->records[record];
	struct hold *h = hold_new(w, engine, record);

	h->fresh = true;
	h->task = task_new();
	emit(w, h, EVENT_TASK_CREATED, json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:b, s:s, s:[s], s:[], s:{s:i, s:i, s:i}, s:{}}",
	     "goal", "g", "agent", "a", "role", r->depth < DEPTH ? "master" : "worker", "depth", r->depth, "model", "sim/m", "workspace", "/w",
	     "isolation", "full", "channel", "cli", "interactive", 0, "plan", "never", "tools", "plan", "policies", "limits", "turns",
	     1 + pick(w, 6), "calls", 1 + pick(w, 20), "timeout_ms", 86400000, "config"));
	return h;
}

/* ---- tasks below ---------------------------------------------------------------------------------------- */

static int record_find(const struct world *w, const char *id)
{
	for (int i = 0; i < w->record_count; i++)
		if (strcmp(w->records[i].id, id) == 0)
			return i;
	return NO_TASK;
}

static void report(struct world *w, struct hold *h, const char *call, int record, const char *state)
{
	emit(w, h, EVENT_TASK_REPORTED, json_pack("{s:s, s:s, s:s, s:i, s:s, s:i, s:i, s:i, s:{s:i}, s:n}", "call", call, "child",
	     w->records[record].id, "state", state, "exit", 0, "result", "said", "turns", 1, "calls", 1, "denied", 0, "usage", "input", 1,
	     "usd_nanos"));
}

static int record_new(struct world *w, const char *id, const char *call, int parent)
{
	PROMISE(w, w->record_count < TASKS, "tasks are bounded");
	struct record *r = &w->records[w->record_count];

	*r = (struct record){ .parent = parent, .holder = NOBODY, .log = BUF_INIT(MIB(16)) };
	r->depth = parent == NO_TASK ? 0 : w->records[parent].depth + 1;
	snprintf(r->id, sizeof r->id, "%s", id);
	snprintf(r->call, sizeof r->call, "%s", call);
	return w->record_count++;
}

/* The effect of a delegation: each task below is made, taken up again, or has ended while nobody looked. Another engine
 * may still hold one, because it sleeps: then this task waits, and tries again. */
static void start_children(struct world *w, int engine, struct hold *h, const char *call_id)
{
	const struct call *c = task_call_find(h->task, call_id);

	for (size_t i = 0; c != NULL && i < c->child_count; i++) {
		const struct child *child = &c->children[i];
		int record = record_find(w, child->id);
		if (child->reported || (record != NO_TASK && w->engines[engine].holds[record] != NULL))
			continue;
		if (record == NO_TASK)
			record = record_new(w, child->id, c->id, h->record);
		if (w->records[record].ended) {
			report(w, h, call_id, record, "done");
		} else if (!w->records[record].there) {
			w->records[record].holder = NOBODY;
			create(w, engine, record)->input.cancelled = h->input.cancelled;
		} else if (take_over(w, engine, record)) {
			w->engines[engine].holds[record]->input.cancelled = h->input.cancelled;
		}
		c = task_call_find(h->task, call_id);
	}
}

static bool children_here(const struct world *w, int engine, int record)
{
	for (int i = 0; i < w->record_count; i++)
		if (w->records[i].parent == record && w->engines[engine].holds[i] != NULL)
			return true;
	return false;
}

static void cancel_children(struct world *w, int engine, int record)
{
	for (int i = 0; i < w->record_count; i++)
		if (w->records[i].parent == record && w->engines[engine].holds[i] != NULL)
			w->engines[engine].holds[i]->input.cancelled = true;
}

static void delegate(struct world *w, struct hold *h, const struct call *c)
{
	char id[ID_LEN + 1], call[CALL_ID_BYTES];
	int count = 1 + pick(w, 2);

	snprintf(call, sizeof call, "%s", c->id);
	snprintf(h->run_id, sizeof h->run_id, "%s", call);
	h->start_children = true;
	emit(w, h, EVENT_CALL_STARTED, json_pack("{s:s, s:s, s:s}", "call", call, "tool", "delegate", "nature", "idempotent"));
	if (task_call_find(h->task, call)->child_count > 0)
		return;
	for (int i = 0; i < count; i++) {
		snprintf(id, sizeof id, "%012llu", (unsigned long long)(next_random(w) % 1000000000000u));
		emit(w, h, EVENT_TASK_DELEGATED, json_pack("{s:s, s:s, s:s, s:s, s:n}", "call", call, "child", id, "goal", "g", "agent",
		     "worker", "step"));
	}
}

/* ---- steps of the core, obeyed --------------------------------------------------------------------------- */

static json_t *finished_data(const struct call *c, const char *status)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:i, s:i, s:i, s:i}", "call", c->id, "tool", c->tool, "status", status,
	                 "exit", 0, "output", "out", "bytes", 3, "execs", 1, "denied_execs", 0, "ms", 1);
}

/* The world's own reading: the last word for a new plan stands behind the last plan. An engine that was taken over from does not
 * know what was said since, and nothing that it wants reaches the disk. */
static bool replan_wanted(const struct world *w, const struct hold *h)
{
	struct str rest = buf_str(&w->records[h->record].log), line;
	bool wanted = false;

	if (w->records[h->record].generation != h->generation)
		return false;
	while (str_next(&rest, '\n', &line)) {
		bool plan = memmem(line.ptr, line.len, "\"plan.updated\"", 14) != NULL;
		bool word = memmem(line.ptr, line.len, "\"task.steered\"", 14) != NULL &&
		            memmem(line.ptr, line.len, "\"replan\":true", 13) != NULL;
		wanted = !plan && (wanted || word);
	}
	for (size_t i = 0; i < h->pending_count; i++)
		wanted = h->pending[i].type != EVENT_PLAN_UPDATED &&
		         (wanted || (h->pending[i].type == EVENT_TASK_STEERED && json_get_bool(h->pending[i].data, "replan", false)));
	return wanted;
}

static void write_plan(struct world *w, struct hold *h, const char *id)
{
	char call[CALL_ID_BYTES];

	snprintf(call, sizeof call, "%s", id);
	emit(w, h, EVENT_CALL_STARTED, json_pack("{s:s, s:s, s:s}", "call", call, "tool", "plan", "nature", "idempotent"));
	emit(w, h, EVENT_PLAN_UPDATED, json_pack("{s:s, s:[{s:s, s:s, s:[], s:s}]}", "call", call, "steps", "id", "a", "title", "t",
	     "after", "state", "pending"));
	emit(w, h, EVENT_CALL_FINISHED, finished_data(task_call_find(h->task, call), "ok"));
}

static void check_call(struct world *w, struct hold *h, const struct call *c)
{
	const char *effect = chance(w, 90) ? "allow" : "deny";

	emit(w, h, EVENT_CALL_DECIDED, json_pack("{s:s, s:s, s:s, s:s, s:s, s:n, s:s, s:[], s:n, s:i}", "call", c->id, "tool",
	     c->tool, "effect", effect, "by", "policy", "rule", "r", "source", "reason", "because", "also", "policy", "ns", 1));
}

static bool is_held_up(const struct hold *h)
{
	return h->input.cancelled || h->task->cancelled_by != NULL || h->task->paused;
}

static void run_call(struct world *w, struct hold *h, const struct call *c)
{
	bool room = w->records[h->record].depth < DEPTH && w->record_count + 12 < TASKS;

	PROMISE(w, strcmp(c->tool, "delegate") != 0 || c->child_count > 0 || !replan_wanted(w, h),
	        "nothing of the old plan is given out when a new one is wanted");

	PROMISE(w, !is_held_up(h) || c->child_count > 0, "nothing starts after a cancel or a pause was heard, but what ends the parts");
	if (strcmp(c->tool, "delegate") == 0 && (c->child_count > 0 || room)) {
		delegate(w, h, c);
		return;
	}
	if (strcmp(c->tool, "plan") == 0) {
		write_plan(w, h, c->id);
		return;
	}
	snprintf(h->run_id, sizeof h->run_id, "%s", c->id);
	h->run_call = true;
	emit(w, h, EVENT_CALL_STARTED, json_pack("{s:s, s:s, s:s}", "call", c->id, "tool", c->tool, "nature",
	     nature_of(w, h->record, c->id)));
}

static void kill_call(struct world *w, int engine, struct hold *h, const struct step *step)
{
	char id[CALL_ID_BYTES];
	bool parts = step->call->child_count > 0;

	snprintf(id, sizeof id, "%s", step->call->id);
	emit(w, h, EVENT_CALL_KILLED, json_pack("{s:s, s:s}", "call", id, "reason", step->status));
	if (parts) {
		cancel_children(w, engine, h->record);
		start_children(w, engine, h, id); /* those that are elsewhere, or ended while nobody looked */
	} else if (h->running[0] == '\0') {       /* its start was not committed yet */
		emit(w, h, EVENT_CALL_FINISHED, finished_data(task_call_find(h->task, id), "cancelled"));
	}
}

static void rest(const struct world *w, int engine, const struct hold *h)
{
	PROMISE(w, h->running[0] == '\0' && !h->request_out && !children_here(w, engine, h->record),
	        "what is at rest has nothing under way");
}

static void obey(struct world *w, int engine, struct hold *h, const struct step *step)
{
	const struct call *c = step->call;
	json_int_t turn = (json_int_t)h->task->turns + 1;

	switch (step->type) {
	case STEP_CHECK_CALL: check_call(w, h, c); break;
	case STEP_RUN_CALL: run_call(w, h, c); break;
	case STEP_KILL_CALL: kill_call(w, engine, h, step); break;
	case STEP_END_DELEGATION:
		for (size_t i = 0; i < c->child_count; i++)
			PROMISE(w, w->records[record_find(w, c->children[i].id)].ended, "a delegation ends after its parts");
		emit(w, h, EVENT_CALL_FINISHED, finished_data(c, "ok"));
		break;
	case STEP_CLOSE_CALL:
		w->sums.unknown += strcmp(step->status, "unknown") == 0;
		emit(w, h, EVENT_CALL_FINISHED, finished_data(c, step->status));
		break;
	case STEP_CALL_MODEL:
		PROMISE(w, !h->request_out, "one request at a time");
		PROMISE(w, !is_held_up(h), "no model is asked after a cancel or a pause was heard");
		h->send_request = true;
		emit(w, h, EVENT_MODEL_REQUESTED, json_pack("{s:I, s:s, s:s, s:i}", "turn", turn, "provider", "sim", "model", "m", "messages", 1));
		break;
	case STEP_CANCEL_MODEL:
		h->request_out = false;
		emit(w, h, EVENT_MODEL_FAILED, json_pack("{s:I, s:s, s:n, s:s, s:i}", "turn", turn, "class", "cancelled", "status", "message",
		     "stopped", "ms", 1));
		break;
	case STEP_RETRY_MODEL:
		emit(w, h, EVENT_RETRY_SCHEDULED, json_pack("{s:I, s:I, s:s, s:s}", "turn", turn, "delay_ms",
		     (json_int_t)retry_delay_ms(h->task->failures, h->task->retry_after_ms, (uint32_t)next_random(w)), "class", "transient",
		     "reason", "because"));
		break;
	case STEP_WARN_LOOP:
		emit(w, h, EVENT_LOOP_DETECTED, json_pack("{s:s, s:s, s:I, s:I, s:s}", "kind", step->loop.kind, "level",
		     loop_level_name(step->loop.level), "length", (json_int_t)step->loop.length, "count", (json_int_t)step->loop.count, "text",
		     step->text));
		break;
	case STEP_PARK:
		rest(w, engine, h);
		emit(w, h, EVENT_TASK_PARKED, json_pack("{s:s}", "reason", step->status));
		break;
	case STEP_FINISH:
		rest(w, engine, h);
		PROMISE(w, strcmp(step->state, "done") != 0 || !replan_wanted(w, h), "a task whose plan is to be made anew does not end as done");
		emit(w, h, EVENT_TASK_FINISHED, json_pack("{s:s, s:i, s:s}", "state", step->state, "exit", step->exit, "result", step->text));
		break;
	case STEP_ASK_PERSON: case STEP_EXPIRE: case STEP_COMPACT: case STEP_ASK_MODEL: case STEP_SWITCH_MODEL:
		broken(w, "nothing asks for this here");
	}
}

/* ---- durability ------------------------------------------------------------------------------------------- */

static void engine_crash(struct world *w, int engine, const char *when)
{
	say(w, when, engine, NO_TASK);
	for (int i = 0; i < w->record_count; i++)
		if (w->engines[engine].holds[i] != NULL)
			hold_drop(w, engine, i);
	w->engines[engine] = (struct engine){ 0 };
	w->sums.crashes++;
}

static void inbox_forget(struct record *r, int64_t upto)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->inbox_count; i++)
		if (r->inbox[i].id > upto)
			r->inbox[kept++] = r->inbox[i];
	r->inbox_count = kept;
}

/* All or nothing, and only in the hands that hold the lease. */
static bool write_batch(struct world *w, int engine, struct hold *h)
{
	struct record *r = &w->records[h->record];

	if (h->fresh && !r->there) {
		*r = (struct record){ .parent = r->parent, .depth = r->depth, .log = r->log, .there = true, .holder = engine, .generation = 1 };
		snprintf(r->id, sizeof r->id, "%s", h->pending[0].task);
		h->generation = 1;
		r->until_us = h->lease_us = w->now_us + LEASE_US;
		w->sums.tasks++;
	} else if (r->holder != engine || r->generation != h->generation) {
		return false;
	}
	h->fresh = false;
	for (size_t i = 0; i < h->pending_count; i++) {
		PROMISE(w, !r->ended, "nothing is written behind the end");
		r->ended |= h->pending[i].type == EVENT_TASK_FINISHED;
		event_format(&h->pending[i], &r->log);
		buf_add_char(&r->log, '\n');
	}
	inbox_forget(r, h->inbox_upto);
	drop_pending(h);
	if (r->ended || h->task->phase == PHASE_PARKED)
		r->holder = NOBODY;
	return true;
}

static void begin_effects(struct world *w, int engine, struct hold *h)
{
	const struct call *c = task_call_find(h->task, h->run_id);
	bool request = h->send_request, call = h->run_call, children = h->start_children;
	char id[CALL_ID_BYTES];

	snprintf(id, sizeof id, "%s", h->run_id);
	h->send_request = h->run_call = h->start_children = false;
	h->request_out |= request && h->task->model_phase == MODEL_ASKED;
	if (call && c != NULL && c->phase == CALL_RUNNING && !c->killing)
		effect_start(w, engine, h);
	if (children && c != NULL && c->phase == CALL_RUNNING)
		start_children(w, engine, h, id);
}

/* The end of a task below, told to the one above where it is in the same hands. */
static void child_over(struct world *w, int engine, int record)
{
	struct hold *above = w->records[record].parent != NO_TASK ? w->engines[engine].holds[w->records[record].parent] : NULL;

	if (above != NULL && w->records[record].ended && above->task->phase == PHASE_ACTIVE)
		for (size_t i = 0; i < above->task->call_count; i++)
			for (size_t k = 0; k < above->task->calls[i].child_count; k++)
				if (strcmp(above->task->calls[i].children[k].id, w->records[record].id) == 0 &&
				    !above->task->calls[i].children[k].reported) {
					report(w, above, above->task->calls[i].id, record, "done");
					return;
				}
}

static bool sleeps(const struct world *w, int engine)
{
	return w->engines[engine].asleep_until_us > w->now_us;
}

/* false: the task is no longer in these hands, or they do nothing now. */
static bool commit(struct world *w, int engine, struct hold *h)
{
	int record = h->record;

	if (h->pending_count > 0) {
		if (chance(w, 2)) {
			engine_crash(w, engine, "crashes before a commit");
			return false;
		}
		if (!write_batch(w, engine, h)) {
			say(w, "has lost its lease", engine, record);
			w->sums.stale++;
			hold_drop_tree(w, engine, record);
			return false;
		}
		if (chance(w, 2)) {
			engine_crash(w, engine, "crashes after a commit");
			return false;
		}
		if (chance(w, 1)) {
			w->engines[engine].asleep_until_us = w->now_us + (int64_t)pick(w, 3 * LEASE_US / 1000) * 1000;
			w->sums.sleeps++;
			return false;
		}
	}
	if (h->task->phase == PHASE_ENDED || h->task->phase == PHASE_PARKED) {
		hold_drop(w, engine, record);
		child_over(w, engine, record);
		return false;
	}
	/* What this engine knows of its lease decides, not what it hopes: it may have slept since the commit. */
	if ((h->send_request || h->run_call || h->start_children) && w->now_us >= h->lease_us) {
		hold_drop_tree(w, engine, record);
		return false;
	}
	begin_effects(w, engine, h);
	return true;
}

/* What a person said becomes an event, in the batch with which the message goes. */
static void take_word(struct world *w, struct hold *h, const char *kind)
{
	const struct task *t = h->task;

	if (strcmp(kind, "cancel") == 0 && t->cancelled_by == NULL)
		emit(w, h, EVENT_TASK_CANCELLED, json_pack("{s:s}", "by", "a"));
	else if (strcmp(kind, "pause") == 0 && !t->paused)
		emit(w, h, EVENT_TASK_PAUSED, json_pack("{s:s, s:b}", "by", "a", "now", chance(w, 50)));
	else if (strcmp(kind, "continue") == 0 && t->paused)
		emit(w, h, EVENT_TASK_CONTINUED, json_pack("{s:s}", "by", "a"));
	else if (strcmp(kind, "steer") == 0)
		emit(w, h, EVENT_TASK_STEERED, json_pack("{s:s, s:s, s:b, s:b}", "by", "a", "text", "hurry", "now", chance(w, 50), "replan", chance(w, 30)));
}

static void inbox_read(struct world *w, struct hold *h)
{
	struct record *r = &w->records[h->record];

	for (size_t i = 0; i < r->inbox_count; i++)
		if (r->inbox[i].id > h->inbox_upto) {
			take_word(w, h, r->inbox[i].kind);
			h->inbox_upto = r->inbox[i].id;
		}
}

static void conversation_is_whole(const struct world *w, const struct task *t)
{
	for (size_t i = 0; i < json_array_size(t->messages); i++) {
		const json_t *calls = json_object_get(json_array_get(t->messages, i), "calls");
		for (size_t k = 0; k < json_array_size(calls); k++) {
			int results = 0;
			for (size_t j = i + 1; j < json_array_size(t->messages); j++)
				results += strcmp(json_get_text(json_array_get(t->messages, j), "call", ""),
				                  json_get_text(json_array_get(calls, k), "id", "-")) == 0;
			PROMISE(w, results == 1, "every call in the conversation has exactly one result");
		}
	}
}

/* Decide and write until nothing is left to say. */
static void work(struct world *w, int engine, int record)
{
	struct hold *h = w->engines[engine].holds[record];
	struct step step;

	while (h != NULL && !sleeps(w, engine)) {
		if (h->task->phase == PHASE_ACTIVE)
			inbox_read(w, h);
		for (;;) {
			h->input.now_us = w->now_us;
			h->input.draining = w->engines[engine].draining;
			h->input.children_active = children_here(w, engine, record);
			if (!task_decide(h->task, &h->input, &step))
				break;
			if (step.type == STEP_CALL_MODEL)
				conversation_is_whole(w, h->task);
			obey(w, engine, h, &step);
			step_done(&step);
		}
		bool more = h->pending_count > 0 || h->send_request || h->run_call || h->start_children;
		if (!more || !commit(w, engine, h))
			return;
		h = w->engines[engine].holds[record];
	}
}

/* ---- what happens ---------------------------------------------------------------------------------------- */

static void reply(struct world *w, struct hold *h)
{
	int calls = chance(w, 75) ? 1 + pick(w, 3) : 0, turn = (int)h->task->turns + 1;

	emit(w, h, EVENT_MODEL_REPLIED, json_pack("{s:i, s:s, s:s, s:i, s:{s:i, s:i}, s:n, s:i}", "turn", turn, "text", "hm", "finish",
	     calls > 0 ? "tool_calls" : "stop", "calls", calls, "usage", "input", 10, "output", 5, "usd_nanos", "ms", 1));
	for (int i = 0; i < calls; i++) {
		char id[CALL_ID_BYTES];
		snprintf(id, sizeof id, "%d.%d", turn, i + 1);
		emit(w, h, EVENT_CALL_PROPOSED, json_pack("{s:s, s:i, s:s, s:s, s:{s:I}}", "call", id, "turn", turn, "id", id, "tool",
		     chance(w, 30) ? "delegate" : chance(w, 25) ? "plan" : "shell", "args", "n", (json_int_t)(next_random(w) % 1000000)));
	}
}

static void request_ends(struct world *w, struct hold *h)
{
	h->request_out = false;
	if (chance(w, 90))
		reply(w, h);
	else
		emit(w, h, EVENT_MODEL_FAILED, json_pack("{s:I, s:s, s:i, s:s, s:I, s:i}", "turn", (json_int_t)h->task->turns + 1, "class",
		     chance(w, 90) ? "transient" : "terminal", "status", 500, "message", "because", "retry_after_ms",
		     (json_int_t)(chance(w, 20) ? 7000 : -1), "ms", 1));
}

static void tool_ends(struct world *w, struct hold *h)
{
	const struct call *c = task_call_find(h->task, h->running);

	effect_find(w, h->record, h->running)->engine = NOBODY;
	h->running[0] = '\0';
	emit(w, h, EVENT_CALL_FINISHED, finished_data(c, c->killing ? "killed" : "ok"));
}

/* A delegation whose parts are in nobody's hands here: one was not to be had when it began. */
static void look_for_children(struct world *w, int engine, struct hold *h)
{
	for (size_t i = 0; i < h->task->call_count; i++) {
		const struct call *c = &h->task->calls[i];
		if (c->phase == CALL_RUNNING && c->child_count > 0) {
			start_children(w, engine, h, c->id);
			return;
		}
	}
}

/* Something comes back to one task, or its time comes. */
static void task_happens(struct world *w, int engine, int record)
{
	struct hold *h = w->engines[engine].holds[record];

	if (h->task->phase != PHASE_ACTIVE && h->pending_count == 0) { /* it fell asleep between the last commit and the end */
		hold_drop(w, engine, record);
		return;
	}
	if (h->request_out)
		request_ends(w, h);
	else if (h->running[0] != '\0')
		tool_ends(w, h);
	else
		look_for_children(w, engine, h);
	if (w->engines[engine].holds[record] != NULL)
		work(w, engine, record);
}

/* Serves what others left: root tasks that nobody living holds. Those below come with them. */
static void recover(struct world *w, int engine)
{
	const struct record *root = &w->records[0];

	if (root->there && !root->ended && w->engines[engine].holds[0] == NULL && !w->engines[engine].draining && take_over(w, engine, 0))
		work(w, engine, 0);
}

/* Lengthens the leases that are still this engine's, and learns of those that are not. */
static void renew(struct world *w, int engine)
{
	for (int i = 0; i < w->record_count; i++) {
		struct hold *h = w->engines[engine].holds[i];
		struct record *r = &w->records[i];
		if (h == NULL || h->fresh)
			continue;
		if (r->holder == engine && r->generation == h->generation) {
			r->until_us = h->lease_us = w->now_us + LEASE_US;
		} else {
			w->sums.stale++;
			hold_drop_tree(w, engine, i);
		}
	}
}

static void send(struct world *w, struct record *r, const char *kind)
{
	if (!r->there || r->ended || r->inbox_count == MESSAGES)
		return;
	r->inbox[r->inbox_count] = (struct message){ .id = ++w->messages };
	snprintf(r->inbox[r->inbox_count++].kind, sizeof r->inbox[0].kind, "%s", kind);
	r->cancel_sent |= strcmp(kind, "cancel") == 0;
	w->sums.words++;
}

/* People grow tired: in the end they only let go on what they held. */
static void speak(struct world *w, bool tired)
{
	static const char *const kinds[] = { "cancel", "pause", "pause", "continue", "continue", "continue", "steer", "steer" };

	for (int i = 0; tired && i < w->record_count; i++)
		send(w, &w->records[i], "continue");
	if (!tired)
		send(w, &w->records[pick(w, w->record_count)], kinds[pick(w, COUNT(kinds))]);
}

static void engine_happens(struct world *w, int engine)
{
	struct engine *e = &w->engines[engine];
	int held[TASKS], count = 0, die = pick(w, 100);

	if (!e->alive) {
		e->alive = chance(w, 30);
		return;
	}
	if (sleeps(w, engine))
		return;
	if (e->asleep_until_us != 0) { /* it wakes up; which timer fires first is chance */
		e->asleep_until_us = 0;
		if (chance(w, 50))
			renew(w, engine);
	}
	for (int i = 0; i < w->record_count; i++)
		if (e->holds[i] != NULL)
			held[count++] = i;
	if (die < 2) {
		engine_crash(w, engine, "crashes while something runs");
	} else if (die < 4) {
		e->asleep_until_us = w->now_us + (int64_t)pick(w, 3 * LEASE_US / 1000) * 1000;
		w->sums.sleeps++;
	} else if (die < 5) {
		e->draining = true;
		for (int i = w->record_count; i-- > 0;)
			if (e->alive && e->holds[i] != NULL)
				work(w, engine, i);
	} else if (e->draining && count == 0) {
		*e = (struct engine){ 0 };
	} else if (die < 15 || count == 0) {
		recover(w, engine);
	} else {
		task_happens(w, engine, held[pick(w, count)]);
	}
}

/* ---- promises ---------------------------------------------------------------------------------------------- */

static void check_hands(const struct world *w)
{
	for (int i = 0; i < w->record_count; i++) {
		int hands = 0;
		for (int e = 0; e < ENGINES; e++)
			hands += w->engines[e].holds[i] != NULL && !w->engines[e].holds[i]->fresh &&
			         w->engines[e].holds[i]->generation == w->records[i].generation;
		PROMISE(w, hands <= 1, "a task is in one pair of hands");
	}
}

static void check_end(struct world *w)
{
	for (int i = 0; i < w->record_count; i++) {
		if (!w->records[i].there)
			continue;
		PROMISE(w, w->records[i].ended, "every task comes to its end");
		AUTO(task_freep) struct task *t = replay(w, i);
		PROMISE(w, t->phase == PHASE_ENDED, "what is durable says so");
		for (size_t k = 0; k < t->call_count; k++)
			PROMISE(w, t->calls[k].phase == CALL_CLOSED, "every proposed call has its result at the end");
		PROMISE(w, !w->records[i].cancel_sent || w->records[i].inbox_count > 0 || strcmp(t->state, "cancelled") == 0 ||
		           t->phase == PHASE_ENDED, "a cancel is heard");
	}
	for (int i = 0; i < w->effect_count; i++)
		PROMISE(w, w->effects[i].engine == NOBODY, "nothing outlives its task");
}

static bool is_over(const struct world *w)
{
	for (int e = 0; e < ENGINES; e++)
		for (int i = 0; i < w->record_count; i++)
			if (w->engines[e].holds[i] != NULL)
				return false;
	for (int i = 0; i < w->record_count; i++)
		if (w->records[i].there && !w->records[i].ended)
			return false;
	return w->records[0].there;
}

static void run_seed(uint64_t seed, bool verbose, struct sums *sums)
{
	static struct world world;
	struct world *w = &world;

	*w = (struct world){ .seed = seed, .random = seed, .verbose = verbose, .now_us = 1000000, .sums = *sums };
	record_new(w, "0123456789ab", "", NO_TASK);
	for (int step = 0; !is_over(w); step++) {
		PROMISE(w, step < STEPS, "every system comes to rest");
		int engine = pick(w, ENGINES);
		if (!w->records[0].there && w->engines[engine].alive && !w->engines[engine].draining && w->engines[engine].holds[0] == NULL &&
		    !sleeps(w, engine)) {
			create(w, engine, 0);
			work(w, engine, 0);
		}
		engine_happens(w, engine);
		w->now_us += (int64_t)pick(w, 2000) * 1000;
		for (int e = 0; e < ENGINES; e++)
			if (w->engines[e].alive && !sleeps(w, e) && chance(w, 20))
				renew(w, e);
		if (pick(w, 60) == 0)
			speak(w, step > STEPS / 20);
		check_hands(w);
	}
	check_end(w);
	*sums = w->sums;
	for (int i = 0; i < w->record_count; i++)
		buf_done(&w->records[i].log);
}

int main(int argc, char **argv)
{
	uint64_t first = 1, count = 1000;
	struct sums s = { 0 };

	if ((argc > 1 && str_to_u64(str_of(argv[1]), &first) < 0) || (argc > 2 && str_to_u64(str_of(argv[2]), &count) < 0)) {
		fprintf(stderr, "usage: system [FIRST [COUNT [v]]]\n");
		return 2;
	}
	for (uint64_t seed = first; seed < first + count; seed++)
		run_seed(seed, argc > 3, &s);
	printf("%llu seeds: %ld tasks, %ld effects, %ld with unknown outcome; %ld crashes, %ld stops, %ld takeovers, %ld fenced off, %ld "
	       "words of people\n", (unsigned long long)count, s.tasks, s.effects, s.unknown, s.crashes, s.sleeps, s.takeovers, s.stale, s.words);
	return 0;
}
