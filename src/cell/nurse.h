/* nurse.h - the process that starts wardens, for an engine that forks no more once its loop runs. */
#ifndef MISHRI_CELL_NURSE_H
#define MISHRI_CELL_NURSE_H

#include <sys/types.h>

#include "cell/cell.h"

/* In the forked child of the engine: for each descriptor that comes by `control`, a warden that serves it, in the place of the
 * one before. Ends with the engine. */
_Noreturn void nurse_main(int control, const struct cell_builtin *builtins, size_t count, pid_t engine);

/* The engine's side: asks for a warden at `socket`, which stays the caller's. -errno: there is no nurse any more. */
MUST_USE int nurse_ask(int control, int socket);

#endif
