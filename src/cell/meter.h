/* meter.h - what the runs of a cell use, and the end of those that use too much. Lives in pid 1, which sees and traces
 * every process of the cell. */
#ifndef MISHRI_CELL_METER_H
#define MISHRI_CELL_METER_H

#include "cell/gate.h"
#include "cell/plan.h"

struct meter {
	const struct plan *plan;
	struct gate *gate;
	const int *group;              /* CGROUP_FDS descriptors */
	const char *scratch;           /* where temporary files lie; "": nowhere of its own */
	uint64_t oom_seen;
	int64_t next_ms;               /* when to look again */
	int processors;
	struct memory_files *files;
};

void meter_init(struct meter *meter, const struct plan *plan, struct gate *gate, const int *group, const char *scratch);

int meter_timeout_ms(const struct meter *meter);       /* for poll; -1: nothing runs */
void meter_tick(struct meter *meter);                  /* looks, when it is time */
void meter_started(struct meter *meter);               /* a run begins */

/* For the gate: a thread ends (false: what it wrote is not known); a process of the run was killed by nobody here. */
bool meter_dying(struct meter *meter, struct gate_run *run, pid_t pid, struct sample *last);
void meter_killed(struct meter *meter, struct gate_run *run);

/* A run failed: was it for want of room in /tmp? */
void meter_check_tmp(const struct meter *meter, struct gate_run *run);

/* How each limit is kept, for the mechanisms of the cell; the caller owns it. */
MUST_USE json_t *meter_mechanisms(const struct meter *meter);

#endif
