/* recover.h - a task that an engine left behind is taken over, so often and no more. */
#ifndef MISHRI_ENGINE_RECOVER_H
#define MISHRI_ENGINE_RECOVER_H

#include "engine/engine.h"

/* Takes over a task that was running when its engine went, or that a service parked when it ended. Each attempt is durable
 * before it begins; without progress since the last LIMIT_RECOVER_ATTEMPTS of them the task is parked for a person instead.
 * 0: it goes on here, was parked, or there is nothing to do. -EBUSY: a living engine holds it. */
MUST_USE int engine_recover(struct engine *engine, const char *task, struct err *err);
/* Takes up a root task that rests, because a person said so: without counting, and it waits for whoever has to answer. -EBUSY,
 * -EALREADY: it has ended; others: err says why it cannot go on here. */
MUST_USE int engine_wake(struct engine *engine, const char *task, struct err *err);
/* Why it was parked last, as task.parked says; "": it never was. */
void recover_reason(struct store *store, const char *task, char ret[static 24]);
/* Was it parked because it only waits for people? Any word of one lets it go on. */
bool recover_rests(struct store *store, const char *task);
/* Was it parked because a service ended, so that a service goes on with it? Nobody else asked for that. */
bool recover_wanted(struct store *store, const char *task);

#endif
