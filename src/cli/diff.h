/* diff.h - what differs between two texts, for a person. Pure. */
#ifndef MISHRI_CLI_DIFF_H
#define MISHRI_CLI_DIFF_H

#include "base/buf.h"

/* Unified hunks with three lines of context; nothing where both are the same. Always right, and shortest where the
 * part that differs is not too large to compare line by line. Appends. */
void diff_text(struct str before, struct str after, struct buf *ret);

#endif
