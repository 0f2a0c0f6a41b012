/* recorded.h - a script of replies: JSON Lines, one reply a line, for demos, tests and replays. */
#ifndef MISHRI_LLM_RECORDED_H
#define MISHRI_LLM_RECORDED_H

#include "llm/llm.h"

struct script;          /* opaque */
struct script_line;     /* opaque; lives as long as its script */

/* -EINVAL: err says "FILE:LINE: what is wrong: what would be right". -errno: the file cannot be read. */
MUST_USE int script_open(const char *path, struct script **ret, struct err *err);
void script_free(struct script *script);

/* Takes the first unused line that fits the agent and the conversation. NULL: *ret_failure says which line was
 * expected next. */
const struct script_line *script_take(struct script *script, const struct llm_request *request,
                                      struct llm_failure *ret_failure);
void script_give_back(struct script *script, const struct script_line *line);       /* the call was cancelled */
void script_mark_used(struct script *script, const char *ref);                      /* "line:N"; else nothing */

void script_worst(const struct script *script, int64_t *ret_nanos, int64_t *ret_tokens);   /* see llm.h */

int64_t script_line_delay_ms(const struct script_line *line);
void script_line_reply(const struct script_line *line, struct llm_reply *ret);

#endif
