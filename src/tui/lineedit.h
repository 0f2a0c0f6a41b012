/* lineedit.h - the line that a person writes: keys in, text out, and how it looks in rows. */
#ifndef MISHRI_TUI_LINEEDIT_H
#define MISHRI_TUI_LINEEDIT_H

#include "tui/keys.h"

struct lineedit;

MUST_USE struct lineedit *lineedit_new(void);
void lineedit_free(struct lineedit *line);

enum edited {
	EDITED_NOTHING,                /* the key changes nothing */
	EDITED_LINE,                   /* to be painted again */
	EDITED_DONE,                   /* Enter: take it */
	EDITED_ASKS,                   /* the key is the caller's to act on: Esc, Tab, Ctrl-C, Ctrl-D, Ctrl-L, Ctrl-Z */
};
enum edited lineedit_key(struct lineedit *line, enum key key, struct str text);

struct str lineedit_text(const struct lineedit *line);                /* borrowed until the next key */
void lineedit_set(struct lineedit *line, struct str text);            /* the cursor behind it */
MUST_USE char *lineedit_take(struct lineedit *line);                  /* the caller owns it; the line is empty then */
bool lineedit_searching(const struct lineedit *line);

/* Lines of before, oldest first; what was said twice in a row stands once. */
void lineedit_remember(struct lineedit *line, struct str text);

/* Rows of at most `width` columns, at most `most` of them, those around the cursor; behind each '\n'. The first starts with
 * "> ". *ret_row and *ret_column: the cursor, from 0. Appends to ret. */
void lineedit_show(const struct lineedit *line, size_t width, size_t most, struct buf *ret, size_t *ret_row, size_t *ret_column);

#endif
