/* lean.h - what a fork of pid 1 need not carry along. */
#ifndef MISHRI_CELL_LEAN_H
#define MISHRI_CELL_LEAN_H

#include <sys/types.h>

/* fork() for a child that is to run a program: it has no libraries but those that launch.c calls before execve. It may call
 * nothing of the others. -1 with errno, 0 in the child, else its pid. */
pid_t lean_fork(void);

/* fork() for a child that runs our own code: it has everything. */
pid_t lean_fork_whole(void);

#endif
