/* egress_client.c - the client's side of a connection: what it wants, in one of two protocols, and that it leaves. */
#include "engine/egress_conn.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "base/clock.h"
#include "engine/socks.h"

#include "base/banned.h"

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
	conn_decide(c);
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
	conn_decide(c);
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

void conn_new(struct egress *e, int fd)
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
	c->timer = watch_timer(e->base->loop, conn_on_timer, c);
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
