/* complete.h - what may stand in the place of the last word of a command line: for the completions of shells. */
#ifndef MISHRI_CLI_COMPLETE_H
#define MISHRI_CLI_COMPLETE_H

#include "base/buf.h"

enum { COMPLETE_MOST = 200 };    /* ids of one kind that are offered */

/* words: those behind "mishri", the last one as far as it is typed (maybe empty). One line a candidate, WORD<TAB>ABOUT, or
 * a line ":files" or ":directories" where the shell knows better. What begins differently is left out. Silent: where
 * something cannot be read, it offers less. A word is made of characters that mean nothing to a shell; others are not
 * offered. */
void complete(int count, char **words, struct buf *ret);

#endif
