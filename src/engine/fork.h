/* fork.h - a new root task that begins with the conversation of an old one, as it was after one of its events. */
#ifndef MISHRI_ENGINE_FORK_H
#define MISHRI_ENGINE_FORK_H

#include "policy/policy.h"
#include "store/store.h"

struct fork_wish {
	int64_t event;                 /* seq of the last event that counts */
	const char *text;              /* what the model is told then; NULL: nothing */
	const char *user;              /* who wants it */
	const struct policy *policy;   /* as in struct control */
	bool interactive;              /* is there a person to ask */
};

/* Makes it, parked: whoever resumes the task carries it out. Nothing of the old task is changed. It has the user, the
 * rights, the limits and the policy files of the old one, and its counts begin anew. store: open for writing; it becomes an
 * engine, if it is none. -ENOENT: no such event; -EINVAL: the task was in the middle of something, and err names the nearest
 * event that will do; -EACCES. */
MUST_USE int fork_make(struct store *store, const struct fork_wish *wish, char ret_task[static ID_LEN + 1], struct err *err);

#endif
