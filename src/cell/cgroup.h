/* cgroup.h - the control group of a cell, where this machine lets us make one: version 2 where a subtree is ours
 * (delegated), version 1 where its hierarchies can be written. Made and removed by the warden; the cell only enters. */
#ifndef MISHRI_CELL_CGROUP_H
#define MISHRI_CELL_CGROUP_H

#include "cell/plan.h"

/* Where groups of cells are made. */
struct cgroup_root {
	int version;                   /* 0: nowhere */
	char memory[PATH_MAX], pids[PATH_MAX];   /* directories; the same one in version 2; "" where there is none */
	uint64_t memory_most, pids_most;   /* what the groups between ours and these allow; UINT64_MAX: everything */
	char prefix[96];               /* of the names of this warden's groups */
	char why[256];                 /* version 0: what is missing */
};

struct cgroup {
	char name[128];                /* "": none */
};

/* What pid 1 gets of its group, as descriptors; -1 where there is none. */
enum { CGROUP_ENTER_MEMORY, CGROUP_ENTER_PIDS, CGROUP_OOM, CGROUP_USED, CGROUP_FDS };

/* Finds the place by trying it, and removes what a dead warden left there. */
void cgroup_look(struct cgroup_root *ret);

/* A group with the limits of the plan. Failure leaves nothing behind. */
MUST_USE int cgroup_make(const struct cgroup_root *root, const struct plan *plan, struct cgroup *ret,
                         int ret_fds[static CGROUP_FDS], struct err *err);

/* Kills what is in it and removes it. False: something is still dying in there; again. */
bool cgroup_end(const struct cgroup_root *root, const struct cgroup *group);

/* ---- in the cell, by the descriptors ---- */

/* The calling process goes into the group. */
MUST_USE int cgroup_enter(const int fds[static CGROUP_FDS]);
uint64_t cgroup_oom_kills(int fd);                   /* so far */
uint64_t cgroup_used(int fd);                        /* bytes of memory now, or at most so far */

#endif
