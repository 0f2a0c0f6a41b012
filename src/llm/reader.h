/* reader.h - the body of one answer, read piece by piece, whatever it turns out to be. */
#ifndef MISHRI_LLM_READER_H
#define MISHRI_LLM_READER_H

#include "llm/provider.h"
#include "llm/sse.h"

enum body_kind { BODY_UNKNOWN, BODY_STREAM, BODY_JSON, BODY_PAGE, BODY_ERROR };

struct reader {
	const struct dialect *dialect;
	enum body_kind kind;
	struct gather gather;
	struct sse sse;
	struct buf body;        /* JSON as a whole; of anything else the head */
	size_t total_bytes;
};

/* The reader must not move after this. The provider is borrowed. */
void reader_init(struct reader *r, const struct provider *provider, int http_status);
void reader_done(struct reader *r);

/* Any bytes, cut anywhere. False when no more need to be read: the reply failed. */
bool reader_feed(struct reader *r, struct str bytes);

/* No more bytes come; `cut` says why when that is not the end that HTTP promised, or is NULL. True: *ret_reply is
 * set; false: *ret_failure. */
MUST_USE bool reader_finish(struct reader *r, const char *cut, struct llm_reply *ret_reply,
                            struct llm_failure *ret_failure);

#endif
