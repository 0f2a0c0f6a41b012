/* table.h - rows of cells that fit a terminal: texts are cut first, then columns go, in the order that the table states. */
#ifndef MISHRI_CLI_TABLE_H
#define MISHRI_CLI_TABLE_H

#include "base/buf.h"

struct table_column {
	const char *head;
	int drop;                     /* 1 goes first, then 2 ...; 0: it stays */
	size_t least;                 /* a text, on the left, cut down to so many columns; 0: a number, on the right, never cut */
};

struct table;                     /* opaque */
struct table *table_new(const struct table_column *columns, size_t count);      /* columns are borrowed */
void table_free(struct table *t);
static inline void table_freep(struct table **t) { table_free(*t); }
void table_add(struct table *t, const char *const *cells);                      /* copied and made harmless; NULL: empty */
/* Appends it, the line of heads between two escape sequences ("": none). width SIZE_MAX: everything. */
void table_write(const struct table *t, size_t width, const char *ink, const char *plain, struct buf *ret);

#endif
