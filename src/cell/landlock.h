/* landlock.h - the kernel's file rules, by raw system calls: the headers of Debian 12 know ABI 2, kernels know more. */
#ifndef MISHRI_CELL_LANDLOCK_H
#define MISHRI_CELL_LANDLOCK_H

#include "cell/plan.h"

int landlock_abi(void);                       /* 0: the kernel has none */

/* Confines the calling thread for good, as a cell of this plan: whatever the ABI in force can express is forbidden
 * unless a rule gives it. no_new_privs must be set. *ret_abi: what is in force. */
MUST_USE int landlock_enter(const struct plan *plan, const char *scratch, int *ret_abi, struct err *err);

/* One more layer: no write, no new name, no truncation, but through descriptors that are open and to /dev/null and its
 * like. Modes, owners and times are the filter's part. */
MUST_USE int landlock_readonly(struct err *err);

/* Takes nothing away, but puts this process and its children into a domain of their own: the kernel lets no process look into
 * another domain that is not below its own (environment, memory, open files by way of /proc). no_new_privs must be set. */
MUST_USE int landlock_apart(struct err *err);

#endif
