/* words_scan.h - the strings of one field of a stored event, without making JSON of the whole text. */
#ifndef MISHRI_STORE_WORDS_SCAN_H
#define MISHRI_STORE_WORDS_SCAN_H

#include "base/buf.h"

/* One string of what is indexed: with a space between it and the one before, cut where a text is long enough. */
void words_add(struct str string, struct buf *ret);

/* Adds all strings below data.FIELD of the text, in order, as words_add() does. False: this is not the plain text that
 * event_format() writes, or it names strings that are kept elsewhere; *ret is as it was, and the text must be parsed. */
bool words_scan(struct str event, const char *field, struct buf *ret);

#endif
