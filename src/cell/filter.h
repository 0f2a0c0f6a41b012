/* filter.h - which system calls the processes of a cell may make. */
#ifndef MISHRI_CELL_FILTER_H
#define MISHRI_CELL_FILTER_H

#include <linux/filter.h>

#include "base/err.h"

struct filter {
	struct sock_filter *code;       /* owned */
	unsigned short count;
};

/* inet: TCP sockets may be made (where the network holds nothing but the cell). What one run may do less: narrow.h. */
MUST_USE int filter_make(bool inet, struct filter *ret, struct err *err);
void filter_done(struct filter *filter);

/* For good, for the calling thread and what it starts. no_new_privs must be set. 0 or -errno. */
MUST_USE int filter_enter(const struct filter *filter);

#endif
