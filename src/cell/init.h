/* init.h - pid 1 of a cell. */
#ifndef MISHRI_CELL_INIT_H
#define MISHRI_CELL_INIT_H

#include "cell/cgroup.h"
#include "cell/enter.h"
#include "cell/filter.h"
#include "cell/plan.h"

struct init_setup {
	int socket;                          /* to the warden, then to the engine */
	struct trees trees;
	int group[CGROUP_FDS];               /* of the control group; -1: none */
	bool trial;                          /* try whether ptrace works before saying READY */
	const struct plan *plan;
	const struct filter *filters;        /* FILTER_PARTS of them; NULL: none */
	const struct cell_builtin *builtins;
	size_t builtin_count;
};

/* Waits for GO, enters the cell, says READY or UNABLE, serves until the socket closes. */
_Noreturn void init_main(const struct init_setup *setup);

#endif
