/* over.h - what a limit or a budget does to a task. Folded by task.c; nobody else includes it. */
#ifndef MISHRI_CORE_OVER_H
#define MISHRI_CORE_OVER_H

#include "core/task.h"

MUST_USE int over_reached(struct task *task, const struct event *event, struct err *err);   /* limit.reached, budget.exceeded */
MUST_USE int over_asked(struct task *task, const struct event *event, struct err *err);     /* approval.requested of kind model */
/* call.decided: what the rules say anew was not said about the limit that it had met. */
void over_decided(struct call *call, const struct event *event);
/* policy.loaded: what waits for a limit or a budget is tried again, for they may be others. */
void over_policy(struct task *task, const struct event *event);
void over_raised(struct task *task, const struct event *event);                    /* budget.raised */
bool over_answered(struct task *task, const struct event *event);            /* approval.decided; false: not of a model call */

#endif
