/* warden.h - the process that makes cells. */
#ifndef MISHRI_CELL_WARDEN_H
#define MISHRI_CELL_WARDEN_H

#include <sys/types.h>

#include "cell/cell.h"

/* In the forked child: serves requests on the socket until the engine is gone. */
_Noreturn void warden_main(int socket, const struct cell_builtin *builtins, size_t count, pid_t engine);

#endif
