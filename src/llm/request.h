/* request.h - what dialects share when they put a conversation into words. */
#ifndef MISHRI_LLM_REQUEST_H
#define MISHRI_LLM_REQUEST_H

#include "base/json.h"

/* A JSON text, quoted. `value` is a string of jansson's (or anything else: ""), so it is UTF-8. This is the
 * path of every message in every turn: it makes no copies. */
void request_add_text(struct buf *to, const json_t *value);
void request_add_str(struct buf *to, struct str utf8);

/* A name or an id that a model made up, quoted, in letters that services take ([a-zA-Z0-9_-], at most `max`). Sent back
 * as it was, it would make the service refuse the whole conversation, now and for ever; the result that follows it says
 * what was wrong. */
void request_add_word(struct buf *to, const char *word, size_t max);

/* Services take no dot in the name of a tool, and ours may have some (db.query): there a dot is two underscores, which no
 * name of ours has. The caller owns both. */
MUST_USE char *request_tool_name(const char *name);
MUST_USE char *reply_tool_name(const char *sent, size_t max);

#endif
