/* reveal.h - a model's text as it arrives, for a program: made harmless as for a terminal, and given on word by word. */
#ifndef MISHRI_CLI_REVEAL_H
#define MISHRI_CLI_REVEAL_H

#include "base/buf.h"
#include "base/limits.h"

struct reveal {
	struct buf line;               /* that is being written, as it came */
	struct buf given;              /* of it, made harmless: what was given on */
};
void reveal_init(struct reveal *reveal);
void reveal_done(struct reveal *reveal);

/* What is known to be harmless by now is appended to ret; the last word waits until another one begins. */
void reveal_add(struct reveal *reveal, struct str text, struct buf *ret);
/* The text is over. keep: false: what is held back is nothing. */
void reveal_end(struct reveal *reveal, bool keep, struct buf *ret);

#endif
