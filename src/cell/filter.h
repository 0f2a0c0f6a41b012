/* filter.h - which system calls the processes of a cell may make. */
#ifndef MISHRI_CELL_FILTER_H
#define MISHRI_CELL_FILTER_H

#include <linux/filter.h>

#include "base/err.h"

struct filter {
	struct sock_filter *code;       /* owned */
	unsigned short count;
};

/* Of pid 1 and all that it starts; of the runs beside it, without what pid 1 needs to trace and to begin them. What one
 * run may do less than others: narrow.h. */
enum filter_part { FILTER_CELL, FILTER_RUN, FILTER_PARTS };

/* inet: TCP sockets may be made (where the network holds nothing but the cell). */
MUST_USE int filter_make(enum filter_part part, bool inet, struct filter *ret, struct err *err);
void filter_done(struct filter *filter);

/* For good, for the calling thread and what it starts. no_new_privs must be set. 0 or -errno. */
MUST_USE int filter_enter(const struct filter *filter);

#endif
