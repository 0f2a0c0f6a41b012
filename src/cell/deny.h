/* deny.h - ends a program before its first instruction, so that its parent understands why. */
#ifndef MISHRI_CELL_DENY_H
#define MISHRI_CELL_DENY_H

#include <sys/types.h>

#include "base/util.h"

/* pid stands at PTRACE_EVENT_EXEC. Makes it write message and a newline to its descriptor 2 and exit with 126 once it
 * is let go on. -errno: this image cannot be changed; the caller kills it. */
MUST_USE int deny_inject(pid_t pid, const char *message);

#endif
