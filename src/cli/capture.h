/* capture.h - what a command prints, as a text: the API answers what the commands show with --json. */
#ifndef MISHRI_CLI_CAPTURE_H
#define MISHRI_CLI_CAPTURE_H

#include "cli/command.h"

/* Runs `command` with these words on this thread; nothing else may print meanwhile. *ret_out and *ret_err: what it printed to
 * stdout, and its complaint without "mishri: " and the line's end; the caller owns both. Returns the exit code. */
MUST_USE int command_capture(const struct command *command, const char *const *words, size_t count, char **ret_out, size_t *ret_len,
                             char **ret_err);

#endif
