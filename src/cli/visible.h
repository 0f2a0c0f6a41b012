/* visible.h - a stranger's text so that a person sees what is really there. */
#ifndef MISHRI_CLI_VISIBLE_H
#define MISHRI_CLI_VISIBLE_H

#include "base/buf.h"
#include "base/json.h"

/* As sanitize_text, and letters that pass for ASCII ones are shown by number: <U+0430> for a Cyrillic a. In a word that
 * has letters which pass for nothing, such as a Russian one, they stay as they are. Appends. */
void visible_text(struct str text, struct buf *ret);
/* The same value, all its keys and texts so. The caller owns it. */
json_t *visible_json(const json_t *value);

#endif
