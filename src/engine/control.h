/* control.h - what people say to a task from outside: from a terminal, over HTTP, by any front. A front stores a message with
 * control_send and asks control_look what became of it; the engine that holds the task takes it from its inbox. */
#ifndef MISHRI_ENGINE_CONTROL_H
#define MISHRI_ENGINE_CONTROL_H

#include "policy/policy.h"
#include "store/store.h"

enum control_command {
	CONTROL_CANCEL,              /* it ends, and all tasks below it; a second one at once */
	CONTROL_PAUSE,               /* nothing new of it begins, nor of the tasks below */
	CONTROL_RESUME,              /* a paused one goes on */
	CONTROL_STEER,               /* words for the model */
	CONTROL_ANSWER,              /* to a question of the model's */
	CONTROL_PRIORITY,
	CONTROL_COMMANDS
};
const char *control_name(enum control_command command);          /* "cancel"; also the kind of its message */
int control_find(const char *name);                              /* -1: there is none */

struct control {
	enum control_command command;
	const char *task;              /* a whole id */
	const char *user;              /* who says it: found out by the front, never said by the sender */
	const char *text;              /* STEER, ANSWER */
	const char *question;          /* ANSWER: its id; NULL: the only one that is open */
	bool now;                      /* CANCEL, PAUSE, STEER: what runs is interrupted */
	bool replan;                   /* STEER */
	int64_t priority;              /* PRIORITY: -LIMIT_PRIORITY to LIMIT_PRIORITY */
	const struct policy *policy;   /* whose group `control` may do this to tasks of others; NULL: nobody may */
};

enum control_outcome {
	CONTROL_WAITING,             /* the engine has not taken it yet, or is still at it: look again */
	CONTROL_DONE,
	CONTROL_KEPT,                /* no engine runs the task: it takes effect when it goes on */
	CONTROL_NOTHING,             /* it is so already */
	CONTROL_REFUSED,
};

struct control_sent {
	enum control_command command;
	char task[ID_LEN + 1], word[ID_LEN + 1];
	bool alive;                  /* an engine runs the task */
	int64_t after_seq;
	enum control_outcome outcome;
	int code;                    /* with REFUSED: -EACCES, -EINVAL, -ENOENT, -EALREADY */
	char said[LIMIT_ERR_TEXT_BYTES]; /* one sentence about the outcome; "" with WAITING */
};

/* May this user say something to tasks of that one? The task's own user may, root, and the group `control` of the policy. */
bool control_may(const struct policy *policy, const char *owner, const char *user);

/* Checks the message and stores it, durable on return; its engine is poked. A task that no engine runs is cancelled here
 * and now, without starting anything; the store becomes an engine for that, if it is none. store: open for writing.
 * 0: ret->outcome says how far it is. -errno: the store fails, or there is no such task. */
MUST_USE int control_send(struct store *store, const struct control *control, struct control_sent *ret, struct err *err);
/* What became of it by now. Never waits. */
MUST_USE int control_look(struct store *store, const struct control *control, struct control_sent *sent, struct err *err);
/* Looks until it is not WAITING any more, or the time is over. */
MUST_USE int control_wait(struct store *store, const struct control *control, int64_t timeout_ms, struct control_sent *sent,
                          struct err *err);

/* closing.c: ends a task that no engine runs, and all below it, children first. Nothing is started. -EBUSY: one runs it. */
/* 0: it is ended by this; 1: it had ended before, and nothing was written. */
MUST_USE int closing_cancel(struct store *store, const char *task, const char *by, const char *word, struct err *err);

#endif
