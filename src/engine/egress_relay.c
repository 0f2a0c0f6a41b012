/* egress_relay.c - bytes between a client in the cell and the server that was decided on. Of a plain request head and
 * body are read and held to their form; of a tunnel to port 443 it is only seen that it is TLS. A side that reads slowly
 * makes the other one wait. */
#include "engine/egress_conn.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "engine/socks.h"

#include "base/banned.h"

/* The other side sees that this was no proper end. */
static void break_off(struct conn *c, const char *how, const char *detail)
{
	const struct linger now = { 1, 0 };

	setsockopt(bufferevent_getfd(c->client), SOL_SOCKET, SO_LINGER, &now, sizeof now);
	conn_end(c, how, detail);
}

/* False: that was too much, and it is over. */
static bool account(struct conn *c, size_t up, size_t down)
{
	const struct egress_limits *l = &c->egress->base->limits;
	struct egress_sums *sums = &c->egress->sums;
	bool task = sums->up + sums->down + (int64_t)(up + down) > l->task_bytes;

	c->last_ms = clock_mono_ms();
	if (!task && c->up + c->down + (int64_t)(up + down) <= l->bytes) {
		c->up += (int64_t)up;
		c->down += (int64_t)down;
		sums->up += (int64_t)up;
		sums->down += (int64_t)down;
		return true;
	}
	break_off(c, "limit", task ? "all bytes of this task are used up (net.task_bytes)" :
	                             "all bytes of this connection are used up (net.bytes)");
	return false;
}

static size_t waiting(struct bufferevent *bev)
{
	return evbuffer_get_length(bufferevent_get_output(bev));
}

static void hold_back(struct bufferevent *from, struct bufferevent *to)
{
	if (waiting(to) >= LIMIT_NET_BUFFER_BYTES)
		bufferevent_disable(from, EV_READ);
}

/* ---- tunnels ---- */

/* Port 443 was decided on as https: it begins as TLS does, with a handshake record. */
static bool is_as_said(struct conn *c, struct evbuffer *in)
{
	static const unsigned char record[] = { 0x16, 0x03 };
	unsigned char first[sizeof record];

	if (strcmp(c->wish.scheme, "https") != 0 || c->first_up >= sizeof record)
		return true;
	size_t n = MIN(sizeof record - c->first_up, evbuffer_get_length(in));
	evbuffer_copyout(in, first, n);
	bool fits = memcmp(first, record + c->first_up, n) == 0;
	c->first_up += (unsigned)n;
	return fits;
}

static void tunnel_up(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->client);

	if (!is_as_said(c, in)) {
		break_off(c, "broken", "a tunnel to port 443 must carry TLS");
		return;
	}
	if (!account(c, evbuffer_get_length(in), 0))
		return;
	bufferevent_write_buffer(c->server, in);
	hold_back(c->client, c->server);
}

static void tunnel_down(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->server);

	if (!account(c, 0, evbuffer_get_length(in)))
		return;
	bufferevent_write_buffer(c->client, in);
	hold_back(c->server, c->client);
}

/* One side has said all: the other is told once it has got all. False: both have, and it is over. */
static bool pass_end_on(struct conn *c)
{
	if (c->client_ended && !c->server_shut && waiting(c->server) == 0) {
		shutdown(bufferevent_getfd(c->server), SHUT_WR);
		c->server_shut = true;
	}
	if (c->server_ended && !c->client_shut && waiting(c->client) == 0) {
		shutdown(bufferevent_getfd(c->client), SHUT_WR);
		c->client_shut = true;
	}
	if (!c->server_shut || !c->client_shut)
		return true;
	conn_end(c, "closed", "");
	return false;
}

/* ---- plain requests ---- */

static void request_up(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->client);
	size_t len = evbuffer_get_length(in), used = 0;
	struct err err = ERR_NONE;

	if (http_body_feed(&c->wish.body, (const char *)evbuffer_pullup(in, -1), len, &used, &err) < 0) {
		break_off(c, "broken", err.text);
		return;
	}
	if (!account(c, used, 0))
		return;
	evbuffer_remove_buffer(in, bufferevent_get_output(c->server), used);
	if (used < len) {       /* a second request is not taken: the answer says that the connection ends */
		c->lingered += (int64_t)(len - used);
		evbuffer_drain(in, len - used);
		if (c->lingered > (int64_t)LIMIT_NET_LINGER_BYTES) {
			break_off(c, "broken", "bytes behind the request");
			return;
		}
	}
	hold_back(c->client, c->server);
}

/* An answer that cannot be passed on, before any of it was. */
static void bad_answer(struct conn *c, const char *why)
{
	AUTO(freep) char *text = xasprintf("mishri: %s:%d: %s", c->wish.host.name, c->wish.port, why);

	conn_fail(c, 502, text, "failed", why);
}

/* 1: an answer begins. 0: not yet. -1: over. */
static int answer_begin(struct conn *c, struct evbuffer *in)
{
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_NET_HEAD_BYTES * 2);
	struct err err = ERR_NONE;
	struct http_head head;

	if (end.pos < 0 && evbuffer_get_length(in) < LIMIT_NET_HEAD_BYTES)
		return 0;
	if (end.pos < 0 || end.pos > (ev_ssize_t)LIMIT_NET_HEAD_BYTES) {
		bad_answer(c, "the head of its answer is too long");
		return -1;
	}
	size_t len = (size_t)end.pos + 4;
	AUTO(freep) char *bytes = xmalloc(len);
	evbuffer_remove(in, bytes, len);
	if (http_response_read((struct str){ bytes, len }, c->wish.to_head, &head, &err) < 0 || head.status == 101) {
		bad_answer(c, err.code != 0 ? err.text : "it wants to speak another protocol");
		return -1;
	}
	if (!account(c, 0, len))
		return -1;
	answer_head(&head, &text);
	if (head.status >= 200 || !c->wish.ancient)
		bufferevent_write(c->client, buf_text(&text), text.len);
	if (head.status < 200)
		return answer_begin(c, in);
	c->status = head.status;
	c->answered = true;
	http_body_init(&head, true, &c->answer);
	return 1;
}

static void answer_down(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->server);
	struct err err = ERR_NONE;
	size_t used = 0;

	if (!c->answered && answer_begin(c, in) <= 0)
		return;
	size_t len = evbuffer_get_length(in);
	if (http_body_feed(&c->answer, (const char *)evbuffer_pullup(in, -1), len, &used, &err) < 0) {
		break_off(c, "broken", err.text);
		return;
	}
	if (!account(c, 0, used))
		return;
	evbuffer_remove_buffer(in, bufferevent_get_output(c->client), used);
	if (c->answer.done)
		conn_finish(c, "closed", "");
	else
		hold_back(c->server, c->client);
}

static void answer_ended(struct conn *c, bool clean)
{
	if (c->answered && c->answer.framing == BODY_UNTIL_END && clean)
		conn_finish(c, "closed", "");
	else if (c->answered)
		break_off(c, "failed", "the answer broke off");
	else
		bad_answer(c, "it hung up without an answer");
}

/* ---- both ---- */

void relay_begin(struct conn *c)
{
	unsigned char reply[SOCKS_REPLY_BYTES];

	conn_state_set(c, CONN_RELAY);
	bufferevent_setwatermark(c->client, EV_WRITE, LIMIT_NET_BUFFER_BYTES / 2, 0);
	bufferevent_setwatermark(c->server, EV_WRITE, LIMIT_NET_BUFFER_BYTES / 2, 0);
	bufferevent_enable(c->server, EV_READ | EV_WRITE);
	if (c->wish.kind == KIND_CONNECT) {
		evbuffer_add_printf(bufferevent_get_output(c->client), "HTTP/1.1 200 Connection established\r\n\r\n");
	} else if (c->wish.kind == KIND_SOCKS) {
		socks_reply_write(SOCKS_OK, reply);
		bufferevent_write(c->client, reply, sizeof reply);
	} else {
		if (!account(c, c->head.len, 0))
			return;
		bufferevent_write(c->server, buf_text(&c->head), c->head.len);
	}
	if (evbuffer_get_length(bufferevent_get_input(c->client)) > 0)
		relay_from_client(c);
}

void relay_from_client(struct conn *c)
{
	if (c->wish.kind == KIND_REQUEST)
		request_up(c);
	else
		tunnel_up(c);
}

void relay_from_server(struct conn *c)
{
	if (c->state != CONN_RELAY)
		return;
	if (c->wish.kind == KIND_REQUEST)
		answer_down(c);
	else
		tunnel_down(c);
}

/* What was written to this side has become little, or is gone. */
void relay_drained(struct conn *c, struct bufferevent *to)
{
	if (c->state == CONN_LINGER && to == c->client && waiting(to) == 0 && !c->client_shut) {
		shutdown(bufferevent_getfd(to), SHUT_WR);
		c->client_shut = true;
		c->last_ms = clock_mono_ms();
		if (c->client_ended)
			conn_end(c, "closed", "");
		return;
	}
	if (c->state != CONN_RELAY)
		return;
	struct bufferevent *from = to == c->client ? c->server : c->client;
	bool ended = to == c->client ? c->server_ended : c->client_ended;
	c->last_ms = clock_mono_ms();
	if (!ended && waiting(to) < LIMIT_NET_BUFFER_BYTES)
		bufferevent_enable(from, EV_READ);
	if (c->wish.kind != KIND_REQUEST && (c->client_ended || c->server_ended))
		(void)pass_end_on(c);
}

void relay_client_ended(struct conn *c)
{
	if (c->wish.kind == KIND_REQUEST) {
		if (!c->wish.body.done)
			conn_end(c, "dropped", "the client left");
		return;         /* it has said all, and may still read */
	}
	bufferevent_setwatermark(c->server, EV_WRITE, 0, 0);
	(void)pass_end_on(c);
}

void relay_server_ended(struct conn *c, bool clean)
{
	c->server_ended = true;
	if (c->wish.kind == KIND_REQUEST) {
		answer_ended(c, clean);
	} else if (!clean) {
		break_off(c, "failed", "the server broke off");
	} else {
		bufferevent_setwatermark(c->client, EV_WRITE, 0, 0);
		(void)pass_end_on(c);
	}
}
