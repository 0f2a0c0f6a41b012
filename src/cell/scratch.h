/* scratch.h - a private directory for temporary files, where there is no private /tmp. */
#ifndef MISHRI_CELL_SCRATCH_H
#define MISHRI_CELL_SCRATCH_H

#include <limits.h>

#include "base/err.h"

/* Makes it, with a child that removes it, and all in it, once *ret_fd is closed: by the end of this process at the
 * latest. Call before this process is confined. */
MUST_USE int scratch_make(char ret_path[static PATH_MAX], int *ret_fd, struct err *err);

#endif
