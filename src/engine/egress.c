/* egress.c - takes connections of a cell, asks what policy says of each, looks names up and connects. How bytes then go
 * to and fro is egress_relay.c. Nothing here waits, and everything has a bound. */
#include "engine/egress_conn.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/bufferevent_ssl.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "engine/socks.h"

#include "base/banned.h"

/* ---- shared ---- */

int egress_base_new(struct loop *loop, const char *servers, const char *ca_file, const struct egress_limits *limits,
                    struct egress_base **ret, struct err *err)
{
	struct resolver *resolver;
	int r = resolver_new(loop, servers, &resolver, err);

	if (r < 0)
		return r;
	struct egress_base *base = xcalloc(1, sizeof *base);
	base->loop = loop;
	base->resolver = resolver;
	base->tls = tls_new(ca_file);
	base->limits = (struct egress_limits){
		.connections = limits->connections != 0 ? limits->connections : LIMIT_NET_CONNECTIONS,
		.task_connections = limits->task_connections != 0 ? limits->task_connections : LIMIT_NET_TASK_CONNECTIONS,
		.idle_ms = limits->idle_ms != 0 ? limits->idle_ms : LIMIT_NET_IDLE_MS,
		.time_ms = limits->time_ms != 0 ? limits->time_ms : LIMIT_NET_TIME_MS,
		.bytes = limits->bytes != 0 ? limits->bytes : (int64_t)LIMIT_NET_BYTES,
		.task_bytes = limits->task_bytes != 0 ? limits->task_bytes : (int64_t)LIMIT_NET_TASK_BYTES,
	};
	*ret = base;
	return 0;
}

void egress_base_free(struct egress_base *base)
{
	if (base == NULL)
		return;
	resolver_free(base->resolver);
	tls_free(base->tls);
	free(base);
}

/* ---- the life of a connection ---- */

void conn_target(const struct conn *c, char (*address)[ADDRESS_TEXT_BYTES], struct net_target *ret)
{
	*ret = (struct net_target){
		.host = c->wish.host.name, .port = c->wish.port, .scheme = c->wish.scheme, .method = c->wish.method, .class = c->class,
	};
	if (c->address_count > 0) {
		address_format(&c->addresses[MIN(c->address_at, c->address_count - 1)], *address);
		ret->address = *address;
	}
}

static void accept_more(struct egress *e);

static void conn_free(struct conn *c)
{
	struct egress *e = c->egress;

	lookup_cancel(c->lookup);
	watch_free(c->timer);
	if (c->client != NULL)
		bufferevent_free(c->client);
	if (c->server != NULL)
		bufferevent_free(c->server);
	wish_done(&c->wish);
	if (c->head.ptr != NULL)
		explicit_bzero(c->head.ptr, c->head.len);      /* a secret may be in it */
	buf_done(&c->head);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		e->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	e->count--;
	free(c);
	accept_more(e);
}

/* `finished` is told once, with the end of the traffic; what lingers after it is only the last words. */
static void conn_report(struct conn *c, const char *how, const char *detail)
{
	const struct egress_callbacks *cb = &c->egress->callbacks;
	struct net_end end = { .how = how, .detail = detail, .up = c->up, .down = c->down, .ms = clock_mono_ms() - c->began_ms,
	                       .status = c->status };

	if (!c->counted)
		return;
	c->counted = false;
	cb->finished(cb->userdata, c->id, &end);
}

void conn_end(struct conn *c, const char *how, const char *detail)
{
	const struct egress_callbacks *cb = &c->egress->callbacks;

	if (c->state == CONN_WAITING) {
		c->egress->waiting--;
		cb->gone(cb->userdata, c->id);
	}
	conn_report(c, how, detail);
	conn_free(c);
}

void conn_finish(struct conn *c, const char *how, const char *detail)
{
	conn_report(c, how, detail);
	if (c->server != NULL)
		bufferevent_free(TAKE(c->server));
	c->session = NULL;
	conn_linger(c);
}

void conn_fail(struct conn *c, int status, const char *message, const char *how, const char *detail)
{
	c->status = status;
	conn_report(c, how, detail);
	if (c->server != NULL)
		bufferevent_free(TAKE(c->server));
	c->session = NULL;
	conn_refuse(c, status, NULL, message);
}

/* The time until which this state may last. */
static int64_t deadline(const struct conn *c)
{
	const struct egress_limits *l = &c->egress->base->limits;

	switch (c->state) {
	case CONN_HEAD: return c->since_ms + LIMIT_NET_HEAD_MS;
	case CONN_RESOLVING: return c->since_ms + LIMIT_NET_RESOLVE_MS;
	case CONN_CONNECTING: return c->since_ms + LIMIT_NET_CONNECT_MS;
	case CONN_RELAY: return MIN(c->last_ms + l->idle_ms, c->began_ms + l->time_ms);
	case CONN_LINGER: return c->last_ms + LIMIT_NET_LINGER_MS;
	case CONN_WAITING: break;
	}
	return INT64_MAX;
}

void conn_state_set(struct conn *c, enum conn_state state)
{
	if (c->state == CONN_WAITING)
		c->egress->waiting--;
	c->state = state;
	if (c->state == CONN_WAITING)
		c->egress->waiting++;
	c->since_ms = c->last_ms = clock_mono_ms();
	int64_t at = deadline(c);
	watch_arm(c->timer, at == INT64_MAX ? -1 : MAX(at - c->since_ms, 1));
}

static void try_next(struct conn *c, const char *why);

static void expired(struct conn *c)
{
	const struct egress_limits *l = &c->egress->base->limits;
	char span[32], text[160];
	bool idle = c->last_ms + l->idle_ms <= clock_mono_ms();

	switch (c->state) {
	case CONN_HEAD:
		conn_refuse(c, 408, NULL, "mishri: the request was not whole in time");
		break;
	case CONN_RESOLVING:
		lookup_cancel(TAKE(c->lookup));
		conn_refuse(c, 504, NULL, "mishri: no name server answers");
		break;
	case CONN_CONNECTING:
		try_next(c, "no answer in time");
		break;
	case CONN_RELAY:
		snprintf(text, sizeof text, "%s %s (%s)", idle ? "nothing came for" : "it lasted longer than",
		         clock_span(idle ? l->idle_ms : l->time_ms, span, sizeof span), idle ? "net.idle" : "net.time");
		conn_end(c, "timeout", text);
		break;
	case CONN_LINGER:
		conn_end(c, "closed", "");
		break;
	case CONN_WAITING:
		break;
	}
}

static void on_timer(void *userdata)
{
	struct conn *c = userdata;
	int64_t at = deadline(c), now = clock_mono_ms();

	if (at <= now)
		expired(c);
	else if (at != INT64_MAX)
		watch_arm(c->timer, at - now);
}

/* ---- to the server ---- */

static void no_server(struct conn *c)
{
	AUTO(freep) char *text = xasprintf("mishri: %s:%d could not be reached: %s", c->wish.host.name, c->wish.port, c->why);

	conn_fail(c, strstr(c->why, "in time") != NULL ? 504 : 502, text, "failed", c->why);
}

static void try_next(struct conn *c, const char *why)
{
	snprintf(c->why, sizeof c->why, "%s", why);
	if (c->server != NULL)
		bufferevent_free(TAKE(c->server));
	c->session = NULL;
	c->address_at++;
	conn_connect(c);
}

static void on_server_read(struct bufferevent *bev, void *userdata)
{
	(void)bev;
	relay_from_server(userdata);
}

static void on_server_write(struct bufferevent *bev, void *userdata)
{
	struct conn *c = userdata;

	if (c->state == CONN_RELAY)
		relay_drained(c, bev);
}

static void on_server_event(struct bufferevent *bev, short what, void *userdata);

static void server_watch(struct conn *c)
{
	bufferevent_setcb(c->server, on_server_read, on_server_write, on_server_event, c);
	bufferevent_setwatermark(c->server, EV_READ, 0, LIMIT_NET_BUFFER_BYTES);
	bufferevent_set_max_single_read(c->server, LIMIT_NET_BUFFER_BYTES);
	bufferevent_set_max_single_write(c->server, LIMIT_NET_BUFFER_BYTES);
}

/* On a connection that stands. */
static void tls_begin(struct conn *c)
{
	struct err err = ERR_NONE;
	struct ssl_st *session;
	int fd = fcntl(bufferevent_getfd(c->server), F_DUPFD_CLOEXEC, 0);

	bufferevent_free(TAKE(c->server));
	if (fd < 0 || tls_session(c->egress->base->tls, &c->wish.host, &session, &err) < 0) {
		fd_close(&fd);
		snprintf(c->why, sizeof c->why, "%.150s", fd < 0 && err.code == 0 ? "no descriptor is left" : err.text);
		no_server(c);
		return;
	}
	c->server = bufferevent_openssl_socket_new(loop_base(c->egress->base->loop), fd, session, BUFFEREVENT_SSL_CONNECTING,
	                                           BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (c->server == NULL)
		abort();
	c->session = session;
	server_watch(c);
	bufferevent_enable(c->server, EV_READ | EV_WRITE);
}

static void connecting_event(struct conn *c, short what)
{
	if ((what & BEV_EVENT_CONNECTED) != 0 && c->wish.tls && c->session == NULL) {
		tls_begin(c);
	} else if ((what & BEV_EVENT_CONNECTED) != 0) {
		relay_begin(c);
	} else if (c->session != NULL) {
		tls_failure(c->session, c->why, sizeof c->why);
		no_server(c);
	} else {
		try_next(c, strerror(EVUTIL_SOCKET_ERROR()));
	}
}

static void on_server_event(struct bufferevent *bev, short what, void *userdata)
{
	struct conn *c = userdata;

	(void)bev;
	if (c->state == CONN_CONNECTING)
		connecting_event(c, what);
	else if (c->state == CONN_RELAY && (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
		relay_server_ended(c, (what & BEV_EVENT_EOF) != 0);
}

/* The address itself: no name is looked up any more from here on. */
static int socket_connect(const struct address *address, int port)
{
	struct sockaddr_storage to;
	socklen_t len = address_to_sockaddr(address, port, &to);
	AUTO(fd_closep) int fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (connect(fd, (const struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS)
		return -errno;
	int connected = fd;
	fd = -1;
	return connected;
}

void conn_connect(struct conn *c)
{
	for (; c->address_at < c->address_count; c->address_at++) {
		int fd = socket_connect(&c->addresses[c->address_at], c->wish.port);
		if (fd < 0) {
			snprintf(c->why, sizeof c->why, "%s", strerror(-fd));
			continue;
		}
		c->server = bufferevent_socket_new(loop_base(c->egress->base->loop), fd, BEV_OPT_CLOSE_ON_FREE);
		if (c->server == NULL)
			abort();
		server_watch(c);
		conn_state_set(c, CONN_CONNECTING);
		if (bufferevent_socket_connect(c->server, NULL, 0) < 0)
			abort();
		return;
	}
	c->address_at = c->address_count;
	no_server(c);
}

/* ---- what policy says ---- */

static void ask_policy(struct conn *c, enum address_class class, const char *address, struct net_target *t, struct decision *ret)
{
	const struct egress_callbacks *cb = &c->egress->callbacks;

	*t = (struct net_target){
		.host = c->wish.host.name, .port = c->wish.port, .scheme = c->wish.scheme, .method = c->wish.method,
		.class = class, .address = address,
	};
	cb->decide(cb->userdata, t, ret);
}

static void tell_decided(struct conn *c, const struct net_target *target, const struct decision *d)
{
	const struct egress_callbacks *cb = &c->egress->callbacks;

	c->told = true;
	cb->decided(cb->userdata, c->id, target, d);
}

static void deny(struct conn *c, const struct net_target *target, const struct decision *d)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(4));

	c->egress->sums.denied++;
	egress_message(target, d, &text);
	conn_refuse(c, 403, d->rule, buf_text(&text));
	tell_decided(c, target, d);
}

/* The bounds of the task, as a decision. */
static bool used_up(const struct egress *e, struct decision *ret)
{
	const struct egress_limits *l = &e->base->limits;

	if (e->sums.connections < l->task_connections && e->sums.up + e->sums.down < l->task_bytes)
		return false;
	*ret = (struct decision){ .effect = EFFECT_DENY };
	if (e->sums.connections >= l->task_connections)
		snprintf(ret->reason, sizeof ret->reason, "this task has made %lld connections, which is all it may "
		         "(net.task_connections)", (long long)l->task_connections);
	else
		snprintf(ret->reason, sizeof ret->reason, "this task has moved %lld bytes, which is all it may (net.task_bytes)",
		         (long long)l->task_bytes);
	return true;
}

static enum effect ask_for(struct conn *c, size_t i, char (*text)[ADDRESS_TEXT_BYTES], struct net_target *t,
                           struct decision *ret)
{
	address_format(&c->addresses[i], *text);
	ask_policy(c, address_class_of(&c->addresses[i]), *text, t, ret);
	return ret->effect;
}

/* The strictest of what policy says of each address, with this one in front; what is of another kind is not connected to. */
static void ask_for_all(struct conn *c, char (*text)[ADDRESS_TEXT_BYTES], struct net_target *t, struct decision *ret)
{
	size_t strictest = 0;

	if (c->address_count == 0) {
		c->class = ADDRESS_PUBLIC;
		ask_policy(c, c->class, NULL, t, ret);
		return;
	}
	enum effect worst = ask_for(c, 0, text, t, ret);
	for (size_t i = 1; i < c->address_count; i++) {
		enum effect effect = ask_for(c, i, text, t, ret);
		strictest = effect < worst ? i : strictest;
		worst = MIN(worst, effect);
	}
	struct address first = c->addresses[strictest];
	c->addresses[strictest] = c->addresses[0];
	c->addresses[0] = first;
	c->class = address_class_of(&first);
	for (size_t i = 1; i < c->address_count;)
		if (address_class_of(&c->addresses[i]) == c->class)
			i++;
		else
			c->addresses[i] = c->addresses[--c->address_count];
	ask_for(c, 0, text, t, ret);
}

/* With the addresses, or with the reason why there is none. */
static void decide(struct conn *c, const char *unresolved)
{
	char text[ADDRESS_TEXT_BYTES];
	struct net_target target;
	struct decision d;

	ask_for_all(c, &text, &target, &d);
	target.unresolved = unresolved;
	if (d.effect == EFFECT_DENY || used_up(c->egress, &d)) {
		deny(c, &target, &d);
		return;
	}
	c->egress->sums.connections++;
	if (unresolved != NULL) {
		snprintf(c->why, sizeof c->why, "%s", unresolved);
		tell_decided(c, &target, &d);
		c->counted = true;
		no_server(c);
		return;
	}
	conn_state_set(c, CONN_WAITING);
	tell_decided(c, &target, &d);
}

static void on_resolved(void *userdata, const struct address *addresses, size_t count, const char *why)
{
	struct conn *c = userdata;

	c->lookup = NULL;
	for (size_t i = 0; i < count; i++)
		c->addresses[c->address_count++] = addresses[i];
	decide(c, count == 0 ? why : NULL);
}

/* Before a name is looked up, because a lookup tells its servers something too. */
static void look_before(struct conn *c)
{
	struct net_target target;
	struct decision d, inside;

	if (c->wish.host.address.family != 0) {
		c->addresses[c->address_count++] = c->wish.host.address;
		decide(c, NULL);
		return;
	}
	ask_policy(c, ADDRESS_PRIVATE, NULL, &target, &inside);
	ask_policy(c, ADDRESS_PUBLIC, NULL, &target, &d);
	if (d.effect == EFFECT_DENY && inside.effect == EFFECT_DENY) {
		deny(c, &target, &d);
		return;
	}
	if (used_up(c->egress, &d)) {
		deny(c, &target, &d);
		return;
	}
	conn_state_set(c, CONN_RESOLVING);
	c->lookup = resolver_ask(c->egress->base->resolver, c->wish.host.name, on_resolved, c);
}

/* ---- what the client wants ---- */

static void read_http(struct conn *c, struct evbuffer *in)
{
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	AUTO(freep) char *text = NULL;
	struct err err = ERR_NONE;
	int status;

	if (end.pos < 0 && evbuffer_get_length(in) < LIMIT_NET_HEAD_BYTES)
		return;
	if (end.pos < 0 || end.pos > (ev_ssize_t)LIMIT_NET_HEAD_BYTES) {
		conn_refuse(c, 431, NULL, "mishri: the head of the request is too long");
		return;
	}
	size_t len = (size_t)end.pos + 4;
	text = xmalloc(len + 1);
	evbuffer_remove(in, text, len);
	text[len] = '\0';
	if (wish_read((struct str){ text, len }, &c->wish, &status, &err) < 0) {
		AUTO(freep) char *message = xasprintf("mishri: %s", err.text);
		conn_refuse(c, status, NULL, message);
		return;
	}
	look_before(c);
}

static void read_socks(struct conn *c, struct evbuffer *in)
{
	size_t len = MIN(evbuffer_get_length(in), (size_t)600);
	const unsigned char *bytes = evbuffer_pullup(in, (ev_ssize_t)len);
	struct socks_request request;
	struct err err = ERR_NONE;
	bool open = false;

	c->wish.kind = KIND_SOCKS;
	int r = c->socks_greeted ? socks_request_read(bytes, len, &request, &err) : socks_greeting_read(bytes, len, &open);
	if (r == 0)
		return;
	if (r < 0) {
		conn_refuse(c, 400, NULL, "");
		return;
	}
	evbuffer_drain(in, (size_t)r);
	if (!c->socks_greeted) {
		bufferevent_write(c->client, open ? "\x05\x00" : "\x05\xff", 2);
		c->socks_greeted = true;
		if (!open)
			conn_linger(c);
		else if (evbuffer_get_length(in) > 0)
			read_socks(c, in);
		return;
	}
	if (request.refusal != SOCKS_OK) {
		unsigned char reply[SOCKS_REPLY_BYTES];
		socks_reply_write(request.refusal, reply);
		bufferevent_write(c->client, reply, sizeof reply);
		conn_linger(c);
		return;
	}
	c->wish.host = request.host;
	c->wish.port = request.port;
	c->wish.scheme = request.port == 443 ? "https" : "tcp";
	look_before(c);
}

static void read_head(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->client);
	const unsigned char *first = evbuffer_pullup(in, 1);

	if (first == NULL)
		return;
	if (c->socks_greeted || *first == 5)
		read_socks(c, in);
	else
		read_http(c, in);
}

static void on_client_read(struct bufferevent *bev, void *userdata)
{
	struct conn *c = userdata;
	struct evbuffer *in = bufferevent_get_input(bev);

	switch (c->state) {
	case CONN_HEAD:
		read_head(c);
		break;
	case CONN_RELAY:
		relay_from_client(c);
		break;
	case CONN_LINGER:
		c->lingered += (int64_t)evbuffer_get_length(in);
		evbuffer_drain(in, evbuffer_get_length(in));
		if (c->lingered > (int64_t)LIMIT_NET_LINGER_BYTES)
			conn_end(c, "closed", "");
		break;
	case CONN_RESOLVING: case CONN_WAITING: case CONN_CONNECTING:    /* it stays in the buffer, which has a bound */
		break;
	}
}

static void on_client_write(struct bufferevent *bev, void *userdata)
{
	relay_drained(userdata, bev);
}

static void on_client_event(struct bufferevent *bev, short what, void *userdata)
{
	struct conn *c = userdata;

	(void)bev;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
		return;
	c->client_ended = true;
	bool half = (what & BEV_EVENT_EOF) != 0;
	if (c->state == CONN_RELAY && half)
		relay_client_ended(c);
	else if (c->state == CONN_LINGER && half && evbuffer_get_length(bufferevent_get_output(c->client)) > 0)
		return;         /* it may still read */
	else if (!half || c->wish.kind != KIND_REQUEST || c->state == CONN_HEAD || c->state == CONN_WAITING || c->state == CONN_LINGER)
		conn_end(c, "dropped", "the client left");
}

/* ---- taking them ---- */

static void conn_new(struct egress *e, int fd)
{
	struct conn *c = xcalloc(1, sizeof *c);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	c->egress = e;
	c->id = ++e->last_id;
	c->next = e->conns;
	if (c->next != NULL)
		c->next->prev = c;
	e->conns = c;
	e->count++;
	c->timer = watch_timer(e->base->loop, on_timer, c);
	c->client = bufferevent_socket_new(loop_base(e->base->loop), fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->client == NULL)
		abort();
	c->began_ms = clock_mono_ms();
	bufferevent_setcb(c->client, on_client_read, on_client_write, on_client_event, c);
	bufferevent_setwatermark(c->client, EV_READ, 0, LIMIT_NET_BUFFER_BYTES);
	bufferevent_set_max_single_read(c->client, LIMIT_NET_BUFFER_BYTES);
	bufferevent_set_max_single_write(c->client, LIMIT_NET_BUFFER_BYTES);
	conn_state_set(c, CONN_HEAD);
	bufferevent_enable(c->client, EV_READ | EV_WRITE);
}

static void on_connection(void *userdata)
{
	struct egress *e = userdata;

	for (int i = 0; i < LIMIT_NET_ACCEPTS && (int64_t)e->count < e->base->limits.connections; i++) {
		int fd = accept4(e->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			conn_new(e, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			watch_free(TAKE(e->readable));       /* it would be readable for ever */
			watch_arm(e->backoff, LIMIT_NET_BACKOFF_MS);
		}
		return;
	}
	if ((int64_t)e->count >= e->base->limits.connections)
		watch_free(TAKE(e->readable));
}

static void accept_more(struct egress *e)
{
	if (e->readable == NULL && e->listener >= 0 && (int64_t)e->count < e->base->limits.connections)
		e->readable = watch_fd(e->base->loop, e->listener, on_connection, e);
}

static void on_backoff(void *userdata)
{
	accept_more(userdata);
}

struct egress *egress_new(struct egress_base *base, int listener, const struct egress_sums *before,
                          const struct egress_callbacks *callbacks)
{
	struct egress *e = xcalloc(1, sizeof *e);

	e->base = base;
	e->callbacks = *callbacks;
	e->listener = listener;
	if (before != NULL)
		e->sums = *before;
	e->backoff = watch_timer(base->loop, on_backoff, e);
	accept_more(e);
	return e;
}

void egress_free(struct egress *e)
{
	if (e == NULL)
		return;
	watch_free(TAKE(e->readable));
	fd_close(&e->listener);
	while (e->conns != NULL)
		conn_end(e->conns, "dropped", "the cell ended");
	watch_free(e->backoff);
	free(e);
}

struct egress_sums egress_sums(const struct egress *e)
{
	return e->sums;
}

/* ---- answers ---- */

static struct conn *waiting(const struct egress *e, uint32_t id)
{
	struct conn *c = e->conns;

	while (c != NULL && c->id != id)
		c = c->next;
	return c != NULL && c->state == CONN_WAITING ? c : NULL;
}

static bool is_header_value(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return false;
	return s.len > 0;
}

static int secret_add(struct conn *c, const struct wanted_secret *s, struct buf *lines, struct err *err)
{
	const struct egress_callbacks *cb = &c->egress->callbacks;
	AUTO(buf_done) struct buf value = BUF_INIT(LIMIT_NET_HEAD_BYTES);
	int r = cb->secret(cb->userdata, s->name, c->wish.host.name, &value, err);

	if (r == 0 && !is_header_value(buf_str(&value)))
		r = err_set(err, EINVAL, "the secret '%.64s' does not fit into a header: it must be one line of text", s->name);
	if (r == 0)
		buf_printf(lines, "%s: %s%s%s\r\n", s->header, s->prefix, s->prefix[0] != '\0' ? " " : "", buf_text(&value));
	if (value.ptr != NULL)
		explicit_bzero(value.ptr, value.len);
	return r;
}

/* What the server gets first. False: it is over. */
static bool head_make(struct conn *c)
{
	AUTO(buf_done) struct buf lines = BUF_INIT(LIMIT_NET_HEAD_BYTES);
	struct err err = ERR_NONE;
	int r = 0;

	if (c->wish.kind != KIND_REQUEST)
		return true;
	for (size_t i = 0; i < c->wish.secret_count && r == 0; i++)
		r = secret_add(c, &c->wish.secrets[i], &lines, &err);
	if (r < 0) {
		AUTO(freep) char *text = xasprintf("mishri: %s", err.text);
		conn_state_set(c, CONN_CONNECTING);
		conn_fail(c, 403, text, "failed", err.text);
		return false;
	}
	buf_init(&c->head, LIMIT_NET_HEAD_BYTES * 4);
	wish_head(&c->wish, buf_str(&lines), &c->head);
	if (lines.ptr != NULL)
		explicit_bzero(lines.ptr, lines.len);
	return true;
}

void egress_go(struct egress *e, uint32_t id)
{
	struct conn *c = waiting(e, id);

	if (c == NULL)
		return;
	c->counted = true;
	if (!head_make(c))
		return;
	conn_state_set(c, CONN_CONNECTING);
	conn_connect(c);
}

void egress_refuse(struct egress *e, uint32_t id, const char *rule, const char *message)
{
	struct conn *c = waiting(e, id);

	if (c == NULL)
		return;
	e->sums.denied++;
	conn_refuse(c, 403, rule, message);
}
