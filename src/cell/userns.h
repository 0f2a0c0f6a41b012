/* userns.h - may this user have namespaces of his own? Distributions forbid it in several ways. */
#ifndef MISHRI_CELL_USERNS_H
#define MISHRI_CELL_USERNS_H

#include "base/err.h"

/* Tries what a full cell needs: namespaces, and rights in them. 0, or -errno: err says what forbids it and how to mend
 * it. For a process without threads. */
MUST_USE int userns_try(struct err *err);

/* Says why `error` came of making namespaces or of the first mount in them; sys: "/proc/sys". Returns -error. */
int userns_explain(const char *sys, int error, struct err *err);

#endif
