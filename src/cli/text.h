/* text.h - text in columns: what a stranger wrote, made harmless, cut and padded to a width. */
#ifndef MISHRI_CLI_TEXT_H
#define MISHRI_CLI_TEXT_H

#include "base/buf.h"

/* Columns that well-formed UTF-8 takes on a terminal: wide characters two, combining ones none. */
size_t text_columns(struct str text);

/* Appends one line of at most `columns`, cut with "...". Line breaks and tabs become spaces. Sanitised. */
void text_add(struct buf *ret, const char *text, size_t columns);
/* The same for what is clean already. */
void text_cut(struct buf *ret, struct str clean, size_t columns);

/* Spaces until what stands in ret from `start` on takes `columns`. */
void text_pad(struct buf *ret, size_t start, size_t columns);

/* The width of the terminal behind fd; 100 where there is none. Never below 40. */
size_t text_width(int fd);
size_t text_height(int fd);     /* 24 where there is none */

#endif
