/* request.h - what dialects share when they put a conversation into words. */
#ifndef MISHRI_LLM_REQUEST_H
#define MISHRI_LLM_REQUEST_H

#include "base/json.h"

/* A name or an id that a model made up, in letters that services take ([a-zA-Z0-9_-], at most `max`). Sent back as it
 * was, it would make the service refuse the whole conversation, now and for ever; the result that follows it says what
 * was wrong. The caller owns it. */
MUST_USE json_t *request_word(const char *word, size_t max);

#endif
