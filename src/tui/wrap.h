/* wrap.h - whole lines of text that fit a terminal: broken between words, continued where the line began. Pure. */
#ifndef MISHRI_TUI_WRAP_H
#define MISHRI_TUI_WRAP_H

#include "base/buf.h"

/* Lines that fit stay as they are, also their blanks. A word that is wider than a line is left to the terminal. Appends; each line
 * of ret ends with its end. */
void wrap_text(struct str text, size_t columns, struct buf *ret);

#endif
