/* fetch.h - the parts of http_fetch, all of which run in the cell: addresses, one request by the proxy of the cell, and what its
 * body is made into. */
#ifndef MISHRI_TOOLS_FETCH_H
#define MISHRI_TOOLS_FETCH_H

#include "base/json.h"

/* ---- fetch_url.c ---- */

struct url {
	bool tls;                            /* https */
	char *host;                          /* as written, lower case; with brackets where it had them */
	int port;
	char *path;                          /* "/..." with the query, without the fragment */
};
#define URL_NONE ((struct url){ 0 })
void url_done(struct url *url);              /* fits AUTO(url_done) */
/* http and https, without user names. -EINVAL: err says what would be right. */
MUST_USE int url_parse(struct str text, struct url *ret, struct err *err);
/* `text` as it is meant on a page at `base`. */
MUST_USE int url_resolve(const struct url *base, struct str text, struct url *ret, struct err *err);
void url_format(const struct url *url, struct buf *ret);
bool url_same_origin(const struct url *a, const struct url *b);

/* ---- fetch_request.c ---- */

struct reply {
	int status;
	struct buf head;                     /* the lines of its headers */
	struct buf body;                     /* as it came: still packed */
	bool cut;                            /* there was more than LIMIT_FETCH_BODY_BYTES */
};
void reply_done(struct reply *reply);        /* fits AUTO(reply_done) */
/* The value of a header, "" where there is none; borrowed. */
struct str reply_header(const struct reply *reply, const char *name);
/* proxy: "http://127.0.0.1:3128". headers: whole lines. One request, no redirect. */
MUST_USE int fetch_request(const char *proxy, const char *method, const struct url *url, const char *headers, struct str body,
                           struct reply *ret, struct err *err);

/* ---- fetch_again.c ---- */

/* Is it of the kind that may pass: an answer (error 0) by its status, or none by its error? */
bool fetch_may_pass(const struct reply *reply, int error);
/* A Retry-After: seconds, or a date. -1: none that can be read. */
int64_t fetch_wait_ms(struct str retry_after, int64_t now_wall_us);
void fetch_tell_wait(const struct reply *reply);      /* to the engine, by the way of seen.h */

/* ---- fetch_body.c ---- */

/* Takes gzip and deflate off, in place. -EFBIG: it would unpack to more than LIMIT_FETCH_BODY_BYTES. */
MUST_USE int body_unpack(struct reply *reply, struct err *err);
enum body_kind { BODY_TEXT, BODY_HTML, BODY_JSON, BODY_BINARY };
enum body_kind body_kind_of(const struct reply *reply);
/* As UTF-8, by what the header, a byte order mark or the page itself says; what fits nowhere becomes U+FFFD. */
void body_text(const struct reply *reply, bool html, struct buf *ret);

/* ---- html.c ---- */

/* What a person would read of a page in UTF-8, as Markdown; addresses made whole. -errno where the library is missing. */
MUST_USE int html_read(struct str page, const struct url *base, struct buf *ret, struct err *err);

#endif
