/* text_diff.h - two texts as a unified diff. Pure. */
#ifndef MISHRI_ENGINE_TEXT_DIFF_H
#define MISHRI_ENGINE_TEXT_DIFF_H

#include "base/buf.h"

/* Text, or bytes that nobody reads: a NUL among the first of them, or no UTF-8. */
bool text_is_binary(struct str bytes);

/* Hunks with three lines around, without the two lines that name the files. Texts that differ too much (LIMIT_DIFF_EDITS)
 * are shown as removed and added whole: still true, only longer. Counts lines. Appends to ret. */
struct diff_counts {
	size_t added, removed;
};
void text_diff(struct str before, struct str after, struct buf *ret, struct diff_counts *ret_counts);

#endif
