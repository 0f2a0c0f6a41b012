/* held.h - what holds a task up or is held by it, folded from events: worker slots, named locks. Pure. */
#ifndef MISHRI_CORE_HELD_H
#define MISHRI_CORE_HELD_H

#include "core/task.h"

MUST_USE int held_up(struct task *task, const struct event *event, struct err *err);        /* slot.waiting, deadlock.detected */
MUST_USE int held_lock(struct task *task, const struct event *event, struct err *err);      /* lock.waiting, lock.taken */
MUST_USE int held_released(struct task *task, const struct event *event, struct err *err);  /* lock.released */

/* Does it hold the lock? Also after a crash or while it is parked: until it gives it back or ends. */
bool holds_lock(const struct task *task, const char *name);
/* The call that waits for a lock; NULL: none does. */
const struct call *waits_for_lock(const struct task *task);

#endif
