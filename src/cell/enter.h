/* enter.h - makes the calling process pid 1 of a cell. */
#ifndef MISHRI_CELL_ENTER_H
#define MISHRI_CELL_ENTER_H

#include "cell/plan.h"

/* Where a program lies says what it is. */
enum place { PLACE_UNTRUSTED, PLACE_WORKSPACE, PLACE_SYSTEM };

/* A full cell knows its mounts by number; without mounts of its own, the path and the owner of a file must do. */
struct places {
	bool by_mount;
	uint64_t system_ids[LIMIT_CELL_MOUNTS], workspace_ids[LIMIT_CELL_MOUNTS];
	size_t system_count, workspace_count;
	char workspace_path[PATH_MAX];
};

struct entered {
	struct places places;
	char scratch[PATH_MAX];       /* the private directory for temporary files */
	int scratch_fd;               /* removed when this is closed; -1: a private mount, or none at all */
	int landlock_abi;
	int listener;                 /* on CELL_PROXY; -1: there is no network of its own */
	json_t *guarded;              /* of guard_apply; NULL: nothing was to be guarded */
};

/* What the warden opened for a cell. trees[0] is the workspace, the others are the writable directories of the plan in
 * their order; -1: to be taken by the cell itself. */
struct trees {
	int at[1 + LIMIT_CELL_WRITABLE];
};
void trees_close(struct trees *trees);

/* In the new namespaces, ids mapped: mounts, root, network, privileges, Landlock. A failure leaves a process that is good
 * for nothing but to say so and exit. */
MUST_USE int enter_full(const struct plan *plan, const struct trees *trees, struct entered *ret, struct err *err);
/* Without namespaces. */
MUST_USE int enter_plain(const struct plan *plan, struct entered *ret, struct err *err);

#endif
