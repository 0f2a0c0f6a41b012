/* markdown.h - a model's text for a terminal, line by line as it arrives. */
#ifndef MISHRI_TUI_MARKDOWN_H
#define MISHRI_TUI_MARKDOWN_H

#include "base/buf.h"
#include "base/limits.h"

struct markdown {
	size_t width;                  /* may be changed between lines */
	bool color;
	char fence;                    /* ` or ~ within a block of code, else 0 */
	size_t fence_length;
	bool diff;                     /* that block is a diff */
	struct buf table;              /* lines of a table that is not over */
};
void markdown_init(struct markdown *markdown, size_t width, bool color);
void markdown_done(struct markdown *markdown);

/* One line without its end. Whole lines are appended to ret; lines of a table come when it is over. Control characters
 * are dropped, whoever let them pass. */
void markdown_line(struct markdown *markdown, struct str line, struct buf *ret);
/* The text is over: what waits is written. */
void markdown_end(struct markdown *markdown, struct buf *ret);
/* How a line looks of which more may come; nothing is remembered. */
void markdown_peek(const struct markdown *markdown, struct str line, struct buf *ret);

/* A unified diff with colours, each line cut to the width. Appends whole lines, behind `margin`. */
void markdown_diff(struct str diff, const char *margin, size_t width, bool color, struct buf *ret);

#endif
