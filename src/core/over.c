/* over.c - folds what limits and budgets say: a call or a model call waits, a person is asked, or the task ends. Whether
 * there is room is not judged here, but where it is counted. */
#include "core/over.h"

#include <string.h>

#include "base/banned.h"

static int damaged(const struct task *t, const struct event *e, struct err *err)
{
	return err_set(err, EINVAL, "task %s: %s cannot follow here: the history is damaged", t->id, event_name(e->type));
}

static void keep(json_t **to, const json_t *data)
{
	json_decref(*to);
	*to = json_deep_copy(data);
}

static void end_task(struct task *t, int exit, const char *why)
{
	free(t->over_text);
	t->over_text = xstrdup(why);
	t->over_exit = exit;
}

static int exit_of(const json_t *over)
{
	return json_object_get(over, "budget") != NULL ? 7 : 6;
}

static int model_over(struct task *t, const struct event *e, const char *over, int64_t until_us, struct err *err)
{
	if (t->model_phase == MODEL_ASKED)
		return damaged(t, e, err);
	keep(&t->over, e->data);
	t->model_waived = false;
	if (strcmp(over, "wait") == 0) {
		t->model_phase = MODEL_WAITING;
		t->retry_at_us = until_us;
	} else if (strcmp(over, "ask") == 0) {
		t->model_phase = MODEL_OVER;
	} else {
		end_task(t, exit_of(e->data), json_get_text(e->data, "reason", ""));
	}
	return 0;
}

int over_reached(struct task *t, const struct event *e, struct err *err)
{
	const char *call = json_get_text(e->data, "call", NULL), *over = json_get_text(e->data, "over", "deny");
	const char *on = json_get_text(e->data, "on", "");
	int64_t until_us = e->time_us + json_get_int(e->data, "wait_ms", 0) * 1000;

	if (t->phase != PHASE_ACTIVE)
		return damaged(t, e, err);
	if (strcmp(on, "exec") == 0 || strcmp(on, "net") == 0) /* of a program in a call, which goes on */
		return 0;
	if (call == NULL)
		return model_over(t, e, over, until_us, err);
	struct call *c = task_call_find(t, call);
	if (c == NULL || (c->phase != CALL_ALLOWED && c->phase != CALL_WAITING && c->phase != CALL_LOST))
		return damaged(t, e, err);
	keep(&c->over, e->data);
	c->waived = false;
	if (strcmp(over, "wait") == 0) {
		c->phase = CALL_WAITING;
		c->wait_until_us = until_us;
	} else if (strcmp(over, "deny") == 0 && exit_of(e->data) == 7) {
		end_task(t, 7, json_get_text(e->data, "reason", ""));
	}
	return 0; /* else a call.decided follows */
}

void over_decided(struct call *c, const struct event *e)
{
	const char *by = json_get_text(e->data, "by", "");

	if (strcmp(by, "limit") == 0 || strcmp(by, "budget") == 0)
		return;
	json_decref(TAKE(c->over));
	c->waived = false;
}

static bool is_wait(const json_t *over)
{
	return strcmp(json_get_text(over, "over", ""), "wait") == 0;
}

void over_policy(struct task *t, const struct event *e)
{
	for (size_t i = 0; i < t->call_count; i++) {
		struct call *c = &t->calls[i];
		if (c->phase == CALL_WAITING && is_wait(c->over) && c->retried_why == NULL)
			c->wait_until_us = e->time_us;
	}
	if (t->model_phase == MODEL_WAITING && is_wait(t->over))
		t->retry_at_us = e->time_us;
}

/* A yes is spent by what was given for it. The event of an older engine does not say for which call it was, and counts for
 * the model call that it may have been for. */
void over_raised(struct task *t, const struct event *e)
{
	const struct call *c = task_call_find(t, json_get_text(e->data, "call", ""));
	json_t *over = c != NULL ? c->over : t->over;
	static const char *const same[] = { "budget", "scope", "unit" };

	for (size_t i = 0; i < COUNT(same); i++)
		if (strcmp(json_get_text(over, same[i], ""), json_get_text(e->data, same[i], "")) != 0)
			return;
	json_put_bool(over, "raised", true);
}

int over_asked(struct task *t, const struct event *e, struct err *err)
{
	const char *id = json_get_text(e->data, "approval", "");

	if (t->phase != PHASE_ACTIVE || t->model_phase != MODEL_OVER || strlen(id) > ID_LEN)
		return damaged(t, e, err);
	memcpy(t->model_approval, id, strlen(id) + 1);
	t->model_phase = MODEL_HELD;
	return 0;
}

bool over_answered(struct task *t, const struct event *e)
{
	const char *answer = json_get_text(e->data, "answer", "lapsed");

	if (t->model_phase != MODEL_HELD || strcmp(json_get_text(e->data, "approval", ""), t->model_approval) != 0)
		return false;
	t->model_phase = MODEL_IDLE;
	t->model_waived = strcmp(answer, "allow") == 0;
	if (t->model_waived)
		return true;
	AUTO(freep) char *why = xasprintf("%s No more was given: %s.", json_get_text(t->over, "reason", ""),
	                                  json_get_text(e->data, "reason", ""));
	end_task(t, strcmp(answer, "lapsed") == 0 || strcmp(answer, "expired") == 0 ? 9 : exit_of(t->over), why);
	return true;
}
