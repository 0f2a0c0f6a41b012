/* carry.h - the conversation of a session, for a new task that goes on with it. */
#ifndef MISHRI_ENGINE_CARRY_H
#define MISHRI_ENGINE_CARRY_H

#include "store/store.h"
#include "core/task.h"

struct carried {
	char task[ID_LEN + 1];         /* the newest root task of the session */
	json_t *parts;                 /* data of task.forked events; NULL: the conversation is empty */
	json_t *taint;                 /* labels that go on with it; NULL: none */
	bool ended;                    /* else it is to be resumed, and there are no parts */
	bool layered;                  /* its changes lie in a layer */
};
void carried_done(struct carried *carried);

/* `said`: what the person says next, behind the conversation. Only tasks of this user count. -ENOENT: the session has none;
 * -EACCES: it is another user's. */
MUST_USE int carry_read(struct store *store, const char *session, const char *user, const char *said, struct carried *ret,
                        struct err *err);

/* Adds to `parts` the data of the task.forked events of a task that goes on with the conversation of this one, and `more`
 * behind it; event: seq of the last event that counts. -EFBIG. */
MUST_USE int carry_parts(const struct task *task, int64_t event, const json_t *more, json_t *parts, struct err *err);

/* The session that a name stands for: the same for the same user and name, whatever happened in between. */
void carry_session(const char *user, const char *name, char ret[static ID_LEN + 1]);

#endif
