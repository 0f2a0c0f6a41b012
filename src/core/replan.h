/* replan.h - a person wants the plan made anew. Used by decide.c and said.c; nobody else includes it. */
#ifndef MISHRI_CORE_REPLAN_H
#define MISHRI_CORE_REPLAN_H

#include "core/task.h"

bool replan_possible(const struct task *task);             /* it has the tool */
/* True: the call is of the old plan and has not begun; the step closes it. */
bool replan_refuses(const struct task *task, const struct call *call, struct step *ret);
/* True: the model would end, and the step tells it to plan first. */
bool replan_reminds(const struct task *task, struct step *ret);

#endif
