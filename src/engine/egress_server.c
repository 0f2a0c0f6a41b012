/* egress_server.c - the server's side of a connection: the address that was decided on, and TLS where the engine speaks
 * it. No name is looked up here. */
#include "engine/egress_conn.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "base/io.h"

#include "base/banned.h"

void conn_unreachable(struct conn *c)
{
	AUTO(freep) char *text = xasprintf("mishri: %s:%d could not be reached: %s", c->wish.host.name, c->wish.port, c->why);

	conn_fail(c, strstr(c->why, "in time") != NULL ? 504 : 502, text, "failed", c->why);
}

void conn_try_next(struct conn *c, const char *why)
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
		conn_unreachable(c);
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
		conn_unreachable(c);
	} else {
		conn_try_next(c, strerror(EVUTIL_SOCKET_ERROR()));
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
	conn_unreachable(c);
}

/* ---- what the server gets first ---- */

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
	char address[ADDRESS_TEXT_BYTES];
	address_format(&c->addresses[0], address);
	const struct net_target target = { .host = c->wish.host.name, .port = c->wish.port, .scheme = c->wish.scheme,
	                                   .method = c->wish.method, .class = c->class, .address = address };
	int r = cb->secret(cb->userdata, s->name, &target, &value, err);

	if (r == 0 && !is_header_value(buf_str(&value)))
		r = err_set(err, EINVAL, "the secret '%.64s' does not fit into a header: it must be one line of text", s->name);
	if (r == 0)
		buf_printf(lines, "%s: %s%s%s\r\n", s->header, s->prefix, s->prefix[0] != '\0' ? " " : "", buf_text(&value));
	if (value.ptr != NULL)
		explicit_bzero(value.ptr, value.len);
	return r;
}

/* What the server gets first. False: it is over. */
bool conn_head_make(struct conn *c)
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
