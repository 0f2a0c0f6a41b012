/* said.h - what people say to a task from outside. Folded by task.c; nobody else includes it. */
#ifndef MISHRI_CORE_SAID_H
#define MISHRI_CORE_SAID_H

#include "core/task.h"

MUST_USE int said_cancel(struct task *task, const struct event *event, struct err *err);     /* task.cancelled */
MUST_USE int said_pause(struct task *task, const struct event *event, struct err *err);      /* task.paused */
MUST_USE int said_continue(struct task *task, const struct event *event, struct err *err);   /* task.continued */
MUST_USE int said_steer(struct task *task, const struct event *event, struct err *err);      /* task.steered */
MUST_USE int said_priority(struct task *task, const struct event *event, struct err *err);   /* task.prioritized */
MUST_USE int said_fork(struct task *task, const struct event *event, struct err *err);       /* task.forked */
/* Words that wait join the conversation, if no call of the last reply is open and no reply is under way. */
void said_deliver(struct task *task);

void said_done(struct task *task);

/* task.c */
void task_say(struct task *task, json_t *owned_message);
MUST_USE json_t *task_message(const char *role, const char *text);
void task_see(struct task *task, const char *path, const json_t *sha256);

#endif
