/* key_command.h - a key out of a command's output. */
#ifndef MISHRI_LLM_KEY_COMMAND_H
#define MISHRI_LLM_KEY_COMMAND_H

#include "base/buf.h"
#include "base/err.h"

/* Runs the command by /bin/sh -c and appends what it prints; what it says on stderr is seen. It has wall_ms; then it is
 * ended with all that it started in its process group. Forks: only before the event loop runs. -EACCES; err begins
 * with `var` and repeats nothing of the output. */
MUST_USE int key_command_run(const char *var, const char *command, int64_t wall_ms, struct buf *ret, struct err *err);
/* The same without a shell: argv[0] is looked up in PATH. */
MUST_USE int key_program_run(const char *var, char *const *argv, int64_t wall_ms, struct buf *ret, struct err *err);

#endif
