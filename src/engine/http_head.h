/* http_head.h - heads and bodies of HTTP/1 as a strict proxy reads them. Pure. */
#ifndef MISHRI_ENGINE_HTTP_HEAD_H
#define MISHRI_ENGINE_HTTP_HEAD_H

#include "base/err.h"
#include "base/str.h"

struct http_header {
	struct str name, value;
};

enum http_framing { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_END };

struct http_head {                       /* borrowed from the text it was read from */
	struct str method, target;       /* of a request */
	int status;                      /* of a response */
	struct str reason;
	int minor;                       /* HTTP/1.MINOR */
	struct http_header headers[LIMIT_NET_HEADERS];
	size_t count;
	enum http_framing framing;
	uint64_t length;                 /* BODY_LENGTH */
};

/* `text` is a head with the empty line at its end. -EINVAL: err says what is wrong with it, in a way that other
 * readers of the same bytes could see otherwise: nothing is repaired. */
MUST_USE int http_request_read(struct str text, struct http_head *ret, struct err *err);
/* to_head: it answers a HEAD request, which has no body. */
MUST_USE int http_response_read(struct str text, bool to_head, struct http_head *ret, struct err *err);

/* NULL: none. Names do not care for case. */
const struct http_header *http_header_find(const struct http_head *head, const char *name);
bool http_name_is(struct str name, const char *other);
/* Is it one that belongs to this connection and is not passed on: Connection and its kin, and what it names? */
bool http_is_hop(const struct http_head *head, struct str name);
bool http_is_token(struct str s);

/* Where in its body a message is. */
struct http_body {
	enum http_framing framing;
	bool trailers;                   /* may there be headers behind the last chunk? */
	bool done;
	int state;
	uint64_t left;
	unsigned line;                   /* bytes of a line that is read */
};
void http_body_init(const struct http_head *head, bool trailers, struct http_body *ret);
/* Looks at the next bytes. *ret_used: so many belong to the body (fewer than len only when it is done). -EINVAL: its
 * framing is broken. */
MUST_USE int http_body_feed(struct http_body *body, const char *ptr, size_t len, size_t *ret_used, struct err *err);

#endif
