/* columns.h - characters, and how many columns each takes on a terminal. */
#ifndef MISHRI_TUI_COLUMNS_H
#define MISHRI_TUI_COLUMNS_H

#include "base/buf.h"
#include "base/limits.h"

/* Takes one character off the front; U+FFFD for a byte that is no UTF-8. `rest` must not be empty. */
uint32_t char_take(struct str *rest);

/* 0 for what joins the character before it, 2 for wide ones. What cannot be printed counts as 1. */
size_t char_columns(uint32_t c);

/* Of a line; our own colour sequences (ESC [ ... m) take none. */
size_t columns_of(struct str line);

/* As much of the line as fits, with its colours, and colour off where it was cut. Appends. */
void columns_cut(struct str line, size_t columns, struct buf *ret);

/* Length of a colour sequence at the front; 0: there is none. */
size_t colour_length(struct str text);

#endif
