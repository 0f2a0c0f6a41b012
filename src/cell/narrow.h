/* narrow.h - takes permissions away from one run of a cell, by the kernel and for good. */
#ifndef MISHRI_CELL_NARROW_H
#define MISHRI_CELL_NARROW_H

#include "cell/plan.h"

/* For the calling process and all that comes of it; what is not withheld stays as the cell has it. withheld: bits of
 * base/permission.h. builtin: our own code runs, which starts no program when exec is withheld; what a program starts
 * is the gate's to refuse. Isolation none: as far as the kernel can. no_new_privs is set by it. */
MUST_USE int narrow_run(const struct plan *plan, unsigned withheld, bool builtin, struct err *err);

#endif
