/* held.c - folds the events about slots and named locks. Whether a lock is free is not to be seen in one task: that is
 * the engine's business (engine/locks.c). */
#include "core/held.h"

#include <string.h>

#include "base/banned.h"

static int misplaced(const struct task *t, const struct event *e, struct err *err)
{
	return err_set(err, EINVAL, "task %s: %s cannot follow here: the history is damaged", t->id, event_name(e->type));
}

int held_up(struct task *t, const struct event *e, struct err *err)
{
	return t->phase == PHASE_ACTIVE ? 0 : misplaced(t, e, err);
}

int held_lock(struct task *t, const struct event *e, struct err *err)
{
	struct call *c = task_call_find(t, json_get_text(e->data, "call", ""));
	const char *name = json_get_text(e->data, "lock", "");

	if (t->phase != PHASE_ACTIVE || c == NULL || c->phase != CALL_RUNNING || name[0] == '\0' || holds_lock(t, name))
		return misplaced(t, e, err);
	free(TAKE(c->wants_lock));
	if (e->type == EVENT_LOCK_WAITING) {
		c->wants_lock = xstrdup(name);
		c->wait_since_us = e->time_us;
		return 0;
	}
	if (t->locks == NULL)
		t->locks = json_object();
	json_put_text(t->locks, name, c->id);
	return 0;
}

int held_released(struct task *t, const struct event *e, struct err *err)
{
	const char *name = json_get_text(e->data, "lock", "");

	if (t->phase != PHASE_ACTIVE || !holds_lock(t, name))
		return misplaced(t, e, err);
	json_object_del(t->locks, name);
	return 0;
}

bool holds_lock(const struct task *t, const char *name)
{
	return t->phase != PHASE_ENDED && json_object_get(t->locks, name) != NULL;
}

const struct call *waits_for_lock(const struct task *t)
{
	for (size_t i = 0; i < t->call_count; i++)
		if (t->calls[i].phase == CALL_RUNNING && t->calls[i].wants_lock != NULL)
			return &t->calls[i];
	return NULL;
}
