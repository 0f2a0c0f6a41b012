/* http_conn.c - one connection: a head, a body, an answer, and again. Every state has its time, and every buffer its size; what
 * is not well formed is answered once and closed, never repaired. It knows no route and no token. */
#include "server/http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/json.h"

#include "base/banned.h"

enum state { STATE_HEAD, STATE_BODY, STATE_ANSWER, STATE_STREAM, STATE_CLOSING };

struct http_conn {
	struct http_server *server;
	const struct http_listener *listener;
	struct http_conn *next, *prev;
	struct bufferevent *bev;
	struct watch *timer;
	enum state state;
	struct http_peer peer;
	char *text;                    /* the head that `head` points into */
	struct http_head head;
	struct str path, query;
	struct buf body;
	bool begun;                    /* bytes of this request have come */
	bool last;                     /* the connection ends with this answer */
	bool half;                     /* the other side sends no more */
	bool in_callback, dead;
	void *note;
};

static void request_done(struct http_conn *c)
{
	free(TAKE(c->text));
	c->head = (struct http_head){ 0 }; /* it points into that text, and a refusal of the next request looks at it */
	c->path = c->query = (struct str){ 0 };
	c->server->body_bytes -= c->body.len;
	buf_done(&c->body);
	c->body = BUF_INIT(LIMIT_HTTP_BODY_BYTES);
	c->begun = false;
	c->note = NULL;
}

void http_conn_free(struct http_conn *c)
{
	struct http_server *s = c->server;

	if (c->in_callback) { /* whoever called sees it, and frees it then */
		c->dead = true;
		return;
	}
	request_done(c);
	watch_free(c->timer);
	bufferevent_free(c->bev);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	s->count--;
	free(c);
}

static void gone(struct http_conn *c)
{
	bool open = c->state == STATE_ANSWER || c->state == STATE_STREAM;

	if (open && c->server->calls.on_gone != NULL)
		c->server->calls.on_gone(c->server->calls.userdata, c);
	http_conn_free(c);
}

void http_conn_note(struct http_conn *c, void *note)
{
	c->note = note;
}

void *http_conn_noted(const struct http_conn *c)
{
	return c->note;
}

/* ---- answers ---- */

static const struct { int status; const char *text; } statuses[] = {
	{ 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" }, { 304, "Not Modified" },
	{ 400, "Bad Request" }, { 401, "Unauthorized" },
	{ 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" }, { 408, "Request Timeout" }, { 409, "Conflict" },
	{ 411, "Length Required" }, { 413, "Content Too Large" }, { 414, "URI Too Long" }, { 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" }, { 421, "Misdirected Request" }, { 422, "Unprocessable Content" },
	{ 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" },
	{ 501, "Not Implemented" }, { 503, "Service Unavailable" }, { 505, "HTTP Version Not Supported" },
};

const char *http_status_text(int status)
{
	for (size_t i = 0; i < COUNT(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].text;
	return "Unknown";
}

/* What a browser must not guess or keep: the answers are data for programs. */
static const char common_headers[] = "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                                     "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n";

static void await_request(struct http_conn *c)
{
	request_done(c);
	c->state = STATE_HEAD;
	watch_arm(c->timer, LIMIT_HTTP_IDLE_MS);
	bufferevent_enable(c->bev, EV_READ);
}

/* The last words are out, or on their way: then nothing more is sent, and the other side has a moment to read them. */
static void close_slowly(struct http_conn *c)
{
	c->state = STATE_CLOSING;
	watch_arm(c->timer, LIMIT_HTTP_WRITE_MS);
	bufferevent_enable(c->bev, EV_READ);
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0) {
		shutdown(bufferevent_getfd(c->bev), SHUT_WR);
		watch_arm(c->timer, LIMIT_HTTP_LINGER_MS);
		if (c->half)
			watch_arm(c->timer, 0);
	}
}

void http_answer(struct http_conn *c, int status, const char *type, struct str body, const char *more)
{
	AUTO(freep) char *headers = xasprintf("%s%s", common_headers, more);

	http_answer_as(c, status, type, body, headers);
}

void http_answer_as(struct http_conn *c, int status, const char *type, struct str body, const char *headers)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	bool empty = status == 204 || status == 304, no_body = str_eq(c->head.method, STR("HEAD"));

	assert(c->state == STATE_ANSWER);
	assert(c->text != NULL || c->head.method.len == 0);
	c->last |= c->half || c->server->closing;
	evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
	if (!empty)
		evbuffer_add_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, body.len);
	evbuffer_add_printf(out, "%s%s\r\n", headers, c->last ? "Connection: close\r\n" : "");
	if (!no_body && !empty)
		evbuffer_add(out, body.ptr, body.len);
	watch_arm(c->timer, LIMIT_HTTP_WRITE_MS);
	c->state = STATE_CLOSING; /* until it was taken; then the next request, if there may be one */
	if (c->last)
		close_slowly(c);
}

/* Nothing behind it can be trusted to begin where it seems to. */
static void refuse(struct http_conn *c, int status, const char *detail)
{
	c->last = true;
	c->state = STATE_ANSWER;
	http_problem(c, status, detail);
}

void http_conn_watch(struct http_conn *c)
{
	assert(c->state == STATE_ANSWER);
	bufferevent_enable(c->bev, EV_READ);
}

size_t http_server_unsent(const struct http_server *server)
{
	size_t sum = 0;

	for (const struct http_conn *c = server->conns; c != NULL; c = c->next)
		sum += evbuffer_get_length(bufferevent_get_output(c->bev));
	return sum;
}

/* ---- streams ---- */

void http_stream_begin(struct http_conn *c, const char *type, const char *more)
{
	assert(c->state == STATE_ANSWER);
	c->state = STATE_STREAM;
	c->last = true;
	watch_arm(c->timer, -1);
	evbuffer_add_printf(bufferevent_get_output(c->bev), "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%s%sConnection: close\r\n\r\n", type,
	                    common_headers, more);
	bufferevent_enable(c->bev, EV_READ);       /* to see that the other side went */
}

void http_stream_write(struct http_conn *c, struct str text)
{
	assert(c->state == STATE_STREAM);
	bufferevent_write(c->bev, text.ptr, text.len);
	watch_arm(c->timer, LIMIT_HTTP_WRITE_MS);
}

size_t http_stream_waiting(const struct http_conn *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

void http_stream_end(struct http_conn *c)
{
	assert(c->state == STATE_STREAM);
	close_slowly(c);
}

/* ---- requests ---- */

static bool host_known(const struct http_conn *c, struct str host)
{
	for (size_t i = 0; i < c->listener->host_count; i++)
		if (http_name_is(host, c->listener->hosts[i]))
			return true;
	return false;
}

static bool path_char(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
	       (ch != '\0' && strchr("/-._~", ch) != NULL);
}

/* One spelling of each path: what another reader could fold into another one is refused. */
static const char *target_wrong(struct http_conn *c)
{
	struct str t = c->head.target;
	const char *mark = memchr(t.ptr, '?', t.len);
	size_t len = mark != NULL ? (size_t)(mark - t.ptr) : t.len;

	c->path = (struct str){ t.ptr, len };
	c->query = mark != NULL ? str_skip(t, len + 1) : (struct str){ t.ptr + len, 0 };
	if (t.len == 0 || t.ptr[0] != '/')
		return "the target must be a path that begins with a slash";
	for (size_t i = 0; i < len; i++)
		if (!path_char(t.ptr[i]))
			return "a path here has letters, digits and -._~ between its slashes, and no percent sign";
	struct str rest = str_skip(c->path, 1), part;
	while (len > 1 && str_next(&rest, '/', &part))
		if (part.len == 0 || str_eq(part, STR(".")) || str_eq(part, STR("..")))
			return "a path here has no empty part, no '.' and no '..'";
	return memchr(c->query.ptr, '#', c->query.len) != NULL ? "a fragment is not sent" : NULL;
}

/* A browser names the page that asks with everything but a plain GET: the service's own page may, "null" and others may not. In
 * front of a server that speaks TLS, the page came by https. */
static bool origin_is_own(struct str origin, struct str host)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < COUNT(schemes); i++) {
		size_t len = strlen(schemes[i]);
		if (origin.len > len && memcmp(origin.ptr, schemes[i], len) == 0 && str_eq(str_skip(origin, len), host))
			return true;
	}
	return false;
}

struct verdict { int status; const char *why; };

static struct verdict head_wrong(struct http_conn *c)
{
	const struct http_head *h = &c->head;
	const struct http_header *expect = http_header_find(h, "expect"), *origin = http_header_find(h, "origin");
	bool bare = str_eq(h->method, STR("GET")) || str_eq(h->method, STR("HEAD"));

	if (h->minor != 1)
		return (struct verdict){ 505, "only HTTP/1.1 is spoken here" };
	if (!host_known(c, http_header_find(h, "host")->value))
		return (struct verdict){ 421, "this is not the host that Host names; `serve.hosts` of the configuration adds names" };
	const char *why = target_wrong(c);
	if (why != NULL)
		return (struct verdict){ 400, why };
	if (h->target.len > LIMIT_HTTP_TARGET_BYTES)
		return (struct verdict){ 414, "the target is too long" };
	if (origin != NULL && !origin_is_own(origin->value, http_header_find(h, "host")->value))
		return (struct verdict){ 403, "web pages of other origins have no access here" };
	if (h->framing == BODY_CHUNKED)
		return (struct verdict){ 411, "a body here has a Content-Length" };
	if (bare && h->framing == BODY_LENGTH && h->length > 0)
		return (struct verdict){ 400, "GET and HEAD have no body" };
	if (h->framing == BODY_LENGTH && h->length > LIMIT_HTTP_BODY_BYTES)
		return (struct verdict){ 413, "the body is too large" };
	if (http_header_find(h, "upgrade") != NULL || http_header_find(h, "http2-settings") != NULL)
		return (struct verdict){ 400, "nothing is upgraded here" };
	if (expect != NULL && !http_name_is(expect->value, "100-continue"))
		return (struct verdict){ 417, "the only expectation is 100-continue" };
	return (struct verdict){ 0, NULL };
}

/* What Connection says about the time after the answer. */
static bool wants_close(const struct http_head *h)
{
	for (size_t i = 0; i < h->count; i++) {
		struct str rest = h->headers[i].value, one;
		if (!http_name_is(h->headers[i].name, "connection"))
			continue;
		while (rest.len > 0 && str_next(&rest, ',', &one))
			if (http_name_is(str_trim(one), "close"))
				return true;
	}
	return false;
}

static struct http_request request_of(const struct http_conn *c)
{
	return (struct http_request){ .head = &c->head, .path = c->path, .query = c->query, .body = buf_str(&c->body), .peer = c->peer };
}

/* True: the connection is still there. */
static bool call_over(struct http_conn *c)
{
	c->in_callback = false;
	if (c->dead) {
		c->dead = false;
		http_conn_free(c);
		return false;
	}
	return true;
}

static bool request_ready(struct http_conn *c)
{
	struct http_request request = request_of(c);

	c->state = STATE_ANSWER;
	watch_arm(c->timer, -1);
	bufferevent_disable(c->bev, EV_READ);
	c->in_callback = true;
	c->server->calls.on_request(c->server->calls.userdata, c, &request);
	return call_over(c);
}

static bool head_ready(struct http_conn *c)
{
	struct http_request request = request_of(c);
	bool close = wants_close(&c->head), more = c->head.framing == BODY_LENGTH && c->head.length > 0;

	c->last = close || more; /* what is refused now leaves a body unread, and so an unknown place in the bytes */
	c->state = STATE_ANSWER;
	c->in_callback = true;
	bool goes_on = c->server->calls.on_head(c->server->calls.userdata, c, &request);
	if (!call_over(c) || !goes_on)
		return false;
	c->last = close;
	c->state = STATE_BODY;
	if (more && http_header_find(&c->head, "expect") != NULL)
		evbuffer_add_printf(bufferevent_get_output(c->bev), "HTTP/1.1 100 Continue\r\n\r\n");
	return true;
}

/* True: there may be more to do. */
static bool read_head(struct http_conn *c, struct evbuffer *in)
{
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	struct err err = ERR_NONE;

	if (evbuffer_get_length(in) > 0 && !c->begun) {
		c->begun = true;
		watch_arm(c->timer, LIMIT_HTTP_REQUEST_MS);
	}
	if (end.pos < 0 && evbuffer_get_length(in) < LIMIT_HTTP_HEAD_BYTES)
		return false;
	if (end.pos < 0 || end.pos + 4 > (ev_ssize_t)LIMIT_HTTP_HEAD_BYTES) {
		refuse(c, 431, "the head is too large");
		return false;
	}
	size_t len = (size_t)end.pos + 4;
	c->text = xcalloc(1, len + 1);
	evbuffer_remove(in, c->text, len);
	if (http_request_read((struct str){ c->text, len }, &c->head, &err) < 0) {
		c->head = (struct http_head){ 0 };
		refuse(c, 400, err.text);
		return false;
	}
	struct verdict v = head_wrong(c);
	if (v.status != 0) {
		refuse(c, v.status, v.why);
		return false;
	}
	return head_ready(c) && c->state == STATE_BODY;
}

static bool read_body(struct http_conn *c, struct evbuffer *in)
{
	size_t left = (size_t)c->head.length - c->body.len;
	size_t len = MIN(left, evbuffer_get_length(in));
	struct evbuffer_iovec part;

	if (c->server->body_bytes + len > LIMIT_HTTP_BODIES_BYTES) {
		refuse(c, 503, "too many requests at once; try again later");
		return false;
	}
	while (len > 0 && evbuffer_peek(in, (ev_ssize_t)len, NULL, &part, 1) > 0) {
		size_t taken = MIN(part.iov_len, len);
		buf_add(&c->body, part.iov_base, taken);
		evbuffer_drain(in, taken);
		c->server->body_bytes += taken;
		len -= taken;
	}
	return c->body.len == c->head.length ? request_ready(c) && c->state == STATE_HEAD : false;
}

static void read_on(struct http_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	for (bool more = true; more;) {
		if (c->state == STATE_HEAD)
			more = read_head(c, in);
		else if (c->state == STATE_BODY)
			more = read_body(c, in);
		else
			more = false;
	}
}

/* ---- what the socket says ---- */

static void on_read(struct bufferevent *bev, void *userdata)
{
	struct http_conn *c = userdata;
	struct evbuffer *in = bufferevent_get_input(bev);

	if (c->state == STATE_CLOSING && c->last)
		evbuffer_drain(in, evbuffer_get_length(in));
	else if (c->state == STATE_STREAM)
		gone(c); /* nothing is said during a stream */
	else
		read_on(c);
}

static void on_write(struct bufferevent *bev UNUSED, void *userdata)
{
	struct http_conn *c = userdata;

	if (c->state == STATE_STREAM) {
		watch_arm(c->timer, -1);
		if (c->server->calls.on_room != NULL)
			c->server->calls.on_room(c->server->calls.userdata, c);
	} else if (c->state == STATE_CLOSING && (c->last || c->half)) {
		c->last = true;
		close_slowly(c);
	} else if (c->state == STATE_CLOSING) {
		await_request(c);
		read_on(c); /* what had come already */
	}
}

static void on_event(struct bufferevent *bev, short what, void *userdata)
{
	struct http_conn *c = userdata;

	if ((what & BEV_EVENT_EOF) == 0) {
		gone(c);
		return;
	}
	c->half = true;
	if (c->state == STATE_HEAD || c->state == STATE_BODY || c->state == STATE_STREAM ||
	    evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		gone(c);
}

static void on_timer(void *userdata)
{
	struct http_conn *c = userdata;

	if ((c->state == STATE_HEAD && c->begun) || c->state == STATE_BODY)
		refuse(c, 408, "the request took too long to come");
	else
		gone(c);
}

static struct http_peer peer_of(const struct http_listener *l, int fd)
{
	struct ucred who = { 0 };
	socklen_t len = sizeof who;

	if (!l->local || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return (struct http_peer){ .local = false };
	return (struct http_peer){ .local = true, .uid = who.uid };
}

/* Anybody on the machine may connect to a port and say nothing. Of those, the one that is there longest gives way. */
static bool make_room(const struct http_conn *newest)
{
	struct http_conn *silent = NULL;

	for (struct http_conn *c = newest->next; c != NULL; c = c->next)
		if (!c->peer.local && c->state == STATE_HEAD && !c->begun && !c->in_callback)
			silent = c;
	if (silent == NULL)
		return false;
	http_conn_free(silent);
	return true;
}

void http_conn_open(struct http_listener *l, int fd)
{
	struct http_server *s = l->server;
	struct http_conn *c = xcalloc(1, sizeof *c);

	c->bev = bufferevent_socket_new(loop_base(s->loop), fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL)
		abort();
	*c = (struct http_conn){ .server = s, .listener = l, .bev = c->bev, .body = BUF_INIT(LIMIT_HTTP_BODY_BYTES),
	                         .peer = peer_of(l, fd), .next = s->conns };
	if (s->conns != NULL)
		s->conns->prev = c;
	s->conns = c;
	s->count++;
	c->timer = watch_timer(s->loop, on_timer, c);
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, LIMIT_HTTP_HEAD_BYTES);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	size_t most = LIMIT_HTTP_CONNECTIONS - (c->peer.local ? 0 : LIMIT_HTTP_LOCAL);
	if (s->count > most && !make_room(c))
		refuse(c, 503, "too many connections at once; try again later");
	else
		watch_arm(c->timer, LIMIT_HTTP_REQUEST_MS);
}

/* As much as the kernel takes at once; the loop does not run any more, and nobody is waited for. */
void http_conn_last_words(struct http_conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	if (evbuffer_get_length(out) == 0 || (c->state != STATE_CLOSING && c->state != STATE_STREAM))
		return;
	evbuffer_unfreeze(out, 1);
	evbuffer_write(out, bufferevent_getfd(c->bev));
	shutdown(bufferevent_getfd(c->bev), SHUT_WR);
}

void http_conns_rest(struct http_server *s)
{
	for (struct http_conn *c = s->conns, *next; c != NULL; c = next) {
		next = c->next;
		if (c->state == STATE_HEAD || c->state == STATE_BODY)
			http_conn_free(c);
	}
}
