/* warden.h - the process that makes cells. */
#ifndef MISHRI_CELL_WARDEN_H
#define MISHRI_CELL_WARDEN_H

#include <sys/types.h>

#include "cell/cell.h"

/* Overwrites arguments and environment of this process, which every cell would inherit. */
void warden_forget_arguments(void);

/* In the child of the nurse: serves requests on the socket until the engine is gone. */
_Noreturn void warden_main(int socket, const struct cell_builtin *builtins, size_t count, pid_t nurse);

#endif
