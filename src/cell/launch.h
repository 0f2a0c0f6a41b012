/* launch.h - the first process of a run: from a request to a traced child before its first own step. */
#ifndef MISHRI_CELL_LAUNCH_H
#define MISHRI_CELL_LAUNCH_H

#include "cell/gate.h"
#include "cell/init.h"

/* fds of the request are the child's 0, 1, 2. Failure: nothing was started, or it is dead already. */
MUST_USE int launch(struct gate *gate, const struct init_setup *setup, const struct msg *run, struct err *err);

#endif
