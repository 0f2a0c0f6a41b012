/* live.h - a block of lines at the bottom of a terminal that is painted over in place; everything above it
 * scrolls as ever. Pure: it makes the bytes and writes none. */
#ifndef MISHRI_CLI_LIVE_H
#define MISHRI_CLI_LIVE_H

#include "base/buf.h"

enum { LIVE_LINES = 24, LIVE_LINE_BYTES = 512 };

struct live {
	size_t count, width;         /* lines on the screen; the width they were made for */
	char lines[LIVE_LINES][LIVE_LINE_BYTES];
};

/* Shows `lines` in the place of what the block showed before, and rewrites only lines that differ. Lines must
 * be clean; they are cut to the width. `above`: text to print above the block first, whole lines; "" for none. */
void live_show(struct live *live, struct str above, const char *const *lines, size_t count, size_t width, struct buf *ret);

#endif
