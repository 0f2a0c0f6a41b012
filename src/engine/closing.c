/* closing.c - the end of a task that no engine runs. Its lease is taken, the core says what the end needs, and all of it
 * becomes one batch of events: nothing is started, no sandbox, no program, no request. What was under way when its engine
 * went stays unknown, and is said to be. */
#include "engine/control.h"
#include "engine/run.h"

#include <string.h>

#include "base/banned.h"

struct closing {
	struct store *store;
	struct task *task;
	const char *by, *word, *of;    /* of: the task that was addressed, above this one; NULL: it is this one */
	int64_t generation;
	struct event *events;
	size_t count;
	struct err *err;
};

static int close_one(struct store *store, const char *task, const char *by, const char *word, const char *of, struct err *err);

static int emit(struct closing *c, enum event_type type, const char *call, json_t *owned_data)
{
	const struct task *t = c->task;
	struct event e = { .type = type, .time_us = clock_wall_us(), .attempt = 1, .data = owned_data };

	memcpy(e.session, t->session, sizeof e.session);
	memcpy(e.task, t->id, sizeof e.task);
	memcpy(e.parent, t->parent, sizeof e.parent);
	memcpy(e.user, t->user, sizeof e.user);
	memcpy(e.trace_id, t->trace_id, sizeof e.trace_id);
	run_spans(t, call[0] != '\0' ? "call" : "task", call, &e);
	int r = event_check(type, e.data, c->err);
	if (r == 0)
		r = task_apply(c->task, &e, c->err);
	c->events = xrealloc(c->events, (c->count + 1) * sizeof *c->events);
	c->events[c->count++] = e;
	return r;
}

static int finish_call(struct closing *c, const struct call *call, const char *status, const char *text)
{
	json_t *data = call_counts(0, 0, 0, 0);

	json_put_text(data, "call", call->id);
	json_put_text(data, "tool", call->tool);
	json_put_text(data, "status", status);
	json_put(data, "exit", json_null());
	json_put_text(data, "output", text);
	return emit(c, EVENT_CALL_FINISHED, call->id, data);
}

/* The tasks of a delegation end first, and report. */
static int close_children(struct closing *c, const struct call *call)
{
	AUTO(freep) char *id = xstrdup(call->id);
	const char *of = c->of != NULL ? c->of : c->task->id;
	int r = 0;

	for (size_t i = 0; r == 0; i++) {
		const struct call *now = task_call_find(c->task, id);
		AUTO(task_freep) struct task *below = NULL;
		if (i >= now->child_count)
			break;
		if (now->children[i].reported)
			continue;
		r = close_one(c->store, now->children[i].id, c->by, c->word, of, c->err);
		if (r == -ENOENT) { /* it never began */
			r = emit(c, EVENT_TASK_REPORTED, id, control_no_report(id, now->children[i].id, "cancelled", "Cancelled before it began."));
			continue;
		}
		if (r >= 0)
			r = engine_load(c->store, now->children[i].id, &below, c->err);
		if (r == 0)
			r = emit(c, EVENT_TASK_REPORTED, id, control_report(id, below));
	}
	return r;
}

/* Only what ends something. A lost delegation is taken up again for its children's sake: they are ended, not begun. */
static int obey(struct closing *c, const struct step *step)
{
	const struct call *call = step->call;

	switch (step->type) {
	case STEP_CLOSE_CALL: return finish_call(c, call, step->status, step->text);
	case STEP_RUN_CALL: {
		AUTO(freep) char *id = xstrdup(call->id);
		assert(call->child_count > 0);
		int r = emit(c, EVENT_CALL_STARTED, id, call_started(call));
		return r < 0 ? r : close_children(c, task_call_find(c->task, id));
	}
	case STEP_KILL_CALL:
		return emit(c, EVENT_CALL_KILLED, call->id, json_pack("{s:s, s:s}", "call", call->id, "reason", step->status));
	case STEP_END_DELEGATION: {
		AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_EVENT_BYTES / 2);
		control_reports(call, &text);
		return finish_call(c, call, "cancelled", buf_text(&text));
	}
	case STEP_FINISH:
		return emit(c, EVENT_TASK_FINISHED, "", json_pack("{s:s, s:i, s:s}", "state", step->state, "exit", step->exit, "result",
		                                                  step->text));
	case STEP_CHECK_CALL:
	case STEP_ASK_PERSON:
	case STEP_EXPIRE:
	case STEP_WARN_LOOP:
	case STEP_COMPACT:
	case STEP_ASK_MODEL:
	case STEP_CALL_MODEL:
	case STEP_CANCEL_MODEL:
	case STEP_RETRY_MODEL:
	case STEP_SWITCH_MODEL:
	case STEP_PARK: break;
	}
	assert(false); /* the core gives none of these to a task that is to end */
	return -EINVAL;
}

static int cancel(struct closing *c)
{
	const struct task_input input = { .now_us = clock_wall_us() };
	json_t *data = json_pack("{s:s}", "by", c->by);
	struct step step;

	json_put_text(data, c->of != NULL ? "of" : "word", c->of != NULL ? c->of : c->word);
	int r = emit(c, EVENT_TASK_RESUMED, "", json_pack("{s:s, s:I, s:s}", "engine", store_engine_id(c->store), "generation",
	             (json_int_t)c->generation, "reason", c->task->phase == PHASE_PARKED ? "parked" : "crash"));
	if (r < 0) {
		json_decref(data);
		return r;
	}
	r = emit(c, EVENT_TASK_CANCELLED, "", data);
	while (r == 0 && task_decide(c->task, &input, &step)) {
		r = obey(c, &step);
		step_done(&step);
	}
	return r;
}

static int write_down(struct closing *c)
{
	struct store_batch batch = { .root = c->task->root, .task = c->task->id, .generation = c->generation, .lease = LEASE_RELEASE,
	                             .events = c->events, .count = c->count, .checkpoint = true };
	int64_t first;

	if (c->count > LIMIT_BATCH_EVENTS)
		return err_set(c->err, EFBIG, "task %s: its end has more than %d events", c->task->id, (int)LIMIT_BATCH_EVENTS);
	c->count = 0; /* the store takes them over */
	return store_append_wait(c->store, &batch, &first, c->err);
}

static int close_one(struct store *store, const char *task, const char *by, const char *word, const char *of, struct err *err)
{
	struct closing c = { .store = store, .by = by, .word = word, .of = of, .err = err };

	int r = store_lease_take(store, task, &c.generation, err);
	if (r == 0)
		r = engine_load(store, task, &c.task, err);
	bool ended = r == 0 && c.task->phase == PHASE_ENDED;
	if (ended)
		store_lease_drop(store, task, c.generation);
	else if (r == 0)
		r = cancel(&c);
	if (r == 0 && c.count > 0)
		r = write_down(&c);
	if (r == 0)
		files_forget(store, c.task);
	for (size_t i = 0; i < c.count; i++)
		event_done(&c.events[i]);
	free(c.events);
	task_free(c.task);
	return r == 0 && ended ? 1 : r;
}

int closing_cancel(struct store *store, const char *task, const char *by, const char *word, struct err *err)
{
	int r = store_engine_id(store)[0] == '\0' ? store_engine_register(store, "", err) : 0;

	return r < 0 ? r : close_one(store, task, by, word, NULL, err);
}
