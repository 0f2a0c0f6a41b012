/* said.c - what people say to a task while it works: end, rest, go on, listen, matter more, and where a fork begins. It folds
 * their words and judges nobody: whose word counts is asked before an event is written. */
#include "core/said.h"
#include "core/replan.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

static int not_now(const struct task *t, const struct event *e, struct err *err)
{
	return err_set(err, EINVAL, "task %s: %s cannot follow here: the history is damaged", t->id, event_name(e->type));
}

int said_cancel(struct task *t, const struct event *e, struct err *err)
{
	(void)err;
	if (t->cancelled_by == NULL)
		t->cancelled_by = xstrdup(json_get_text(e->data, "by", ""));
	return 0; /* the end that follows says what came of it */
}

int said_pause(struct task *t, const struct event *e, struct err *err)
{
	if (t->phase != PHASE_ACTIVE)
		return not_now(t, e, err);
	if (!t->paused) {
		if (task_waits(t))
			t->waited_us += e->time_us - t->waiting_since_us;
		t->paused_since_us = e->time_us;
	}
	t->paused = true;
	t->pause_now |= json_get_bool(e->data, "now", false);
	snprintf(t->pause_of, sizeof t->pause_of, "%s", json_get_text(e->data, "of", t->id));
	return 0;
}

int said_continue(struct task *t, const struct event *e, struct err *err)
{
	if (t->phase != PHASE_ACTIVE)
		return not_now(t, e, err);
	if (t->paused) {
		t->paused_us += e->time_us - t->paused_since_us;
		t->waiting_since_us = e->time_us;
	}
	t->paused = t->pause_now = false;
	t->pause_of[0] = '\0';
	return 0;
}

/* May a word stand behind what the conversation has? A provider wants every call's result first. */
static bool may_deliver(const struct task *t)
{
	if (t->model_phase == MODEL_ASKED || t->call_count < t->calls_due)
		return false;
	for (size_t i = 0; i < t->call_count; i++)
		if (t->calls[i].phase != CALL_CLOSED)
			return false;
	return true;
}

void said_deliver(struct task *t)
{
	size_t i;
	json_t *text;

	if (json_array_size(t->said) == 0 || !may_deliver(t))
		return;
	json_array_foreach(t->said, i, text)
		task_say(t, task_message("user", json_string_value(text)));
	json_array_clear(t->said);
	loops_reset(&t->loops);
	t->loops.answers_due = true;
	t->interrupting = false;
	free(TAKE(t->last_word)); /* it is not the last any more */
}

static const char anew[] =
	"\n\n(The person wants the plan made anew. Before anything else, write all steps again with the tool plan: what is done "
	"stays done, what does not serve the goal any more is skipped.)";

int said_steer(struct task *t, const struct event *e, struct err *err)
{
	if (t->phase != PHASE_ACTIVE)
		return not_now(t, e, err);
	AUTO(freep) char *text = xasprintf("%s%s", json_get_text(e->data, "text", ""),
	                                   json_get_bool(e->data, "replan", false) ? anew : "");
	json_array_append_new(t->said, json_of_str(str_of(text)));
	t->interrupting |= json_get_bool(e->data, "now", false);
	t->replan_due |= json_get_bool(e->data, "replan", false) && replan_possible(t);
	said_deliver(t);
	return 0;
}

int said_priority(struct task *t, const struct event *e, struct err *err)
{
	(void)err;
	t->priority = json_get_int(e->data, "priority", 0);
	return 0;
}

/* The first part takes the place of the goal alone; others follow where it does not fit one event. */
int said_fork(struct task *t, const struct event *e, struct err *err)
{
	const json_t *messages = json_object_get(e->data, "messages"), *plan = json_object_get(e->data, "plan");
	const char *path, *from = json_get_text(e->data, "from", "");
	size_t i;
	json_t *one;

	if (t->phase != PHASE_ACTIVE || t->turns > 0 || (plan != NULL && steps_check(plan, NULL) < 0))
		return not_now(t, e, err);
	if (json_get_int(e->data, "part", 1) == 1) {
		json_array_clear(t->messages);
		t->context.bytes = 0;
	}
	json_array_foreach(messages, i, one)
		task_say(t, json_deep_copy(one));
	json_object_foreach((json_t *)json_object_get(e->data, "seen"), path, one)
		task_see(t, path, one);
	if (plan != NULL) {
		json_decref(t->plan);
		t->plan = json_deep_copy(plan);
	}
	const char *summary = json_get_text(e->data, "summary", NULL);
	if (summary != NULL) {
		free(t->context.summary);
		t->context.summary = xstrdup(summary);
	}
	snprintf(t->forked_from, sizeof t->forked_from, "%s", from);
	t->forked_at = json_get_int(e->data, "event", 0);
	return 0;
}

void said_done(struct task *t)
{
	free(t->cancelled_by);
	json_decref(t->said);
}

/* ---- waiting for people ---- */

bool task_waits(const struct task *t)
{
	return t->approval_count + t->questions > 0;
}

void task_wait_begins(struct task *t, int64_t now_us)
{
	if (!task_waits(t) && !t->paused)
		t->waiting_since_us = now_us;
}

void task_wait_ended(struct task *t, int64_t now_us)
{
	if (!task_waits(t) && !t->paused)
		t->waited_us += now_us - t->waiting_since_us;
}

bool task_may_fork(const struct task *t)
{
	return t->phase != PHASE_NEW && may_deliver(t);
}
