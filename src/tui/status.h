/* status.h - one line that says how things stand, from parts of which the less important ones give way where it is narrow. Pure. */
#ifndef MISHRI_TUI_STATUS_H
#define MISHRI_TUI_STATUS_H

#include "base/buf.h"

enum { STATUS_PARTS = 12 };

struct status_part {
	const char *text;              /* clean, without colours; "" or NULL: nothing is said */
	int weight;                    /* the lightest gives way first; of equals the last */
};

/* "part · part · part", of at most `columns`. What is still too wide when one part is left is cut. Appends. */
void status_line(const struct status_part *parts, size_t count, size_t columns, struct buf *ret);

#endif
