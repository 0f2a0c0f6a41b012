/* fault.h - what went wrong, sorted by what helps: asking again, paying, another key, or nothing. */
#ifndef MISHRI_LLM_FAULT_H
#define MISHRI_LLM_FAULT_H

#include "llm/curl.h"
#include "llm/llm.h"

/* Fills all of *ret. The sentence is made safe for a terminal: one line, UTF-8, no control bytes. */
void fault_set(struct llm_failure *ret, enum failure cls, int http_status, const char *format, ...) PRINTF(4, 5);

/* The rows of faults.def. */
enum stream_end {
#define FAULT_STREAM(id, kind, about) STREAM_##id,
#include "llm/faults.def"
	STREAM_ENDS
};
enum failure fault_of_stream(enum stream_end how);
enum failure fault_of_curl(CURLcode code);
/* The class of an HTTP status alone. 200 to 299 count as transient: the error came in a stream that had begun. */
enum failure fault_class(int http_status);

/* True when `body` is one of the shapes in which providers report an error; then *ret says which. `who` is the
 * provider's name. `http_status` below 400: an error inside a reply that had begun. */
bool fault_read(const json_t *body, const char *who, int http_status, struct llm_failure *ret);

/* What an answer of 300 or more says, by its body if that is readable. */
void fault_of_answer(struct str body, const char *who, int http_status, struct llm_failure *ret);

/* retry-after-ms, else retry-after in seconds or as an HTTP date; either may be NULL. -1: none that can be read. */
int64_t fault_retry_after_ms(const char *milliseconds, const char *seconds_or_date, int64_t now_wall_us);

/* When a limit of a provider is full again: "1s", "6m0s", "20ms", or an RFC 3339 time. -1: neither. */
int64_t fault_reset_ms(const char *text, int64_t now_wall_us);

/* Replaces every occurrence of the key. */
void fault_scrub(struct llm_failure *failure, const char *key);

#endif
