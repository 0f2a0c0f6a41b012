/* seen.h - what a task has seen of files, handed to a tool and back. Workers share a workspace: what one has read may
 * be something else by the time it writes. The task keeps the SHA-256 of every file that its tools showed or wrote; a
 * tool that writes compares before it does.
 *
 * The way is a memory file on descriptor 0 of the tool: the engine writes into it what the task has seen, the tool
 * adds what it saw, the engine reads that when the tool has ended. Only the tool's own code, in a process that no
 * other in the cell may look into, has the descriptor: no text of a model and no bytes of a file get into it. */
#ifndef MISHRI_TOOLS_SEEN_H
#define MISHRI_TOOLS_SEEN_H

#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"

/* ---- in the engine ---- */

/* seen: path → SHA-256, or null where nothing was; NULL is empty. The caller owns *ret_fd; *ret_from is for seen_collect. */
MUST_USE int seen_open(const json_t *seen, int *ret_fd, int64_t *ret_from, struct err *err);
/* [{"path","sha256"}] as the tool added it; NULL: nothing, or nothing that is well formed. The caller owns it. */
MUST_USE json_t *seen_collect(int fd, int64_t from);

/* How long the other side wants to be left alone, as the tool told; -1: it told nothing. */
int64_t seen_wait_ms(int fd, int64_t from);

/* ---- in the cell; a path is below the workspace, without links and ".." ---- */

/* Has the task seen this path? hex: of its bytes then; "" where it saw that nothing was there. */
MUST_USE bool seen_find(const char *path, char hex[static SHA256_HEX_LEN + 1]);
void seen_note(const char *path, const char *hex);           /* hex NULL: nothing is there */
void seen_wait(int64_t ms);                                  /* before the call may be run again */

#endif
