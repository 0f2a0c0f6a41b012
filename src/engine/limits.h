/* limits.h - which limits hold for a task's cell and for each of its calls, and what is said when one is reached. */
#ifndef MISHRI_ENGINE_LIMITS_H
#define MISHRI_ENGINE_LIMITS_H

#include "engine/run.h"

/* What a child may still have of what its parent has, tightened by its profile. */
struct bounds limits_of_child(const struct task *parent, const struct agent_profile *profile);

/* What the cell of this run shall keep. */
void limits_of_cell(const struct run *run, struct cell_plan *ret);

/* The limits of one call: what the task has, tightened by the tool and by its plan. */
struct call_limits {
	struct bounds bounds;
	bool wall_is_asked;            /* the call itself named its time */
	bool cpu_is_tasks;             /* the rest of the task's processor time is less than that of a call */
	struct bounds of_tool;         /* what the tool itself sets; nothing in the configuration raises that */
};
void limits_of_call(const struct task *task, const struct tool *tool, const struct tool_plan *plan, struct call_limits *ret);
void limits_of_run(const struct call_limits *limits, struct cell_run *ret);

/* Writes down that a call ran into a limit. */
void limits_reached(struct run *run, const char *call, const struct call_limits *limits, const struct bound_hit *hit);
/* The limit as it was set: a call that used up what was left of its task's time ran into that. */
struct bound_hit limits_hit(const struct run *run, const struct call_limits *limits, const struct bound_hit *hit);
/* The sentence of bound_describe, with who set the limit. */
void limits_describe(const struct call_limits *limits, const struct bound_hit *hit, struct buf *ret);

/* What a call used, for call.finished; the caller owns it. */
MUST_USE json_t *limits_used(const struct cell_exit *ended);

#endif
