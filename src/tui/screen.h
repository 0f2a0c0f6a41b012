/* screen.h - a block of lines at the bottom of a terminal with a cursor in it; what is finished scrolls away above. Pure: it
 * makes the bytes and writes none. */
#ifndef MISHRI_TUI_SCREEN_H
#define MISHRI_TUI_SCREEN_H

#include "base/buf.h"
#include "base/limits.h"

enum { SCREEN_LINES = 64 };

struct screen {                        /* starts as {0}: nothing is shown */
	char *lines[SCREEN_LINES];
	size_t count, width;
	size_t row, column;            /* the cursor, within the block */
};
void screen_done(struct screen *screen);

struct screen_look {
	struct str above;              /* finished lines that are printed first, whole ones; "" for none */
	const char *const *lines;      /* clean, colours allowed; cut to the width */
	size_t count, width;
	size_t row, column;            /* where the cursor is to rest */
};
/* Writes what has changed, and nothing else. Appends to ret. */
void screen_show(struct screen *screen, const struct screen_look *look, struct buf *ret);
/* Takes the block away: what others print then stands where it was. */
void screen_clear(struct screen *screen, struct buf *ret);
/* Somebody else wrote over it: the next one is painted from where the cursor is. */
void screen_forget(struct screen *screen);

#endif
