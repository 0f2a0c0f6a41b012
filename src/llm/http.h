/* http.h - POST requests on the event loop, by libcurl. Knows nothing of models. */
#ifndef MISHRI_LLM_HTTP_H
#define MISHRI_LLM_HTTP_H

#include <event2/event.h>

#include "base/buf.h"
#include "base/err.h"
#include "llm/curl.h"

struct http;            /* opaque: the connections of one event_base, kept for later requests */
struct http_transfer;   /* opaque: one request under way */

enum { HTTP_HEADERS = 16, HTTP_HEADER_BYTES = 256 };

struct http_end {
	CURLcode code;                  /* CURLE_OK: the answer came to its end; a time that ran out is CURLE_OPERATION_TIMEDOUT */
	int status;                     /* 0: no answer */
	const char *why;                /* unless complete: a sentence */
	/* A header of the answer; NULL when it was not given. Borrowed while on_end runs. */
	const char *(*header)(const struct http_end *end, const char *name);
	struct http_transfer *transfer;
};

struct http_request {
	const char *url;
	struct curl_slist *headers;     /* taken over */
	struct buf *body;               /* taken over: empty afterwards */
	const char *ca_file, *ca_dir;   /* NULL: the system's */
	bool direct;                    /* ask no proxy, whatever the environment says */
	int64_t connect_ms;
	int64_t first_ms, idle_ms;      /* to the first byte of the answer; between two */
	int64_t total_ms;
	/* Both are called from the event loop, never from inside http_start, and may start and cancel transfers. */
	void (*on_bytes)(void *userdata, int status, struct str bytes);
	/* Exactly once, never after http_cancel; the transfer is gone when it returns. */
	void (*on_end)(void *userdata, const struct http_end *end);
	void *userdata;
};

MUST_USE int http_new(struct event_base *base, struct http **ret, struct err *err);
void http_free(struct http *http);              /* not from inside a callback; transfers end without one */

MUST_USE struct http_transfer *http_start(struct http *http, const struct http_request *request);
void http_cancel(struct http_transfer *transfer);

/* From now on the transfer ends when no byte comes for so long. */
void http_set_idle(struct http_transfer *transfer, int64_t idle_ms);

/* When the last byte came, or the request began, monotonic; and how long the next one may take. */
int64_t http_heard_ms(const struct http_transfer *transfer, int64_t *ret_patience_ms);

#endif
