/* egress_conn.c - the life of one connection: its states, how long each may last, and its end, which is told once. */
#include "engine/egress_conn.h"

#include <event2/bufferevent.h>
#include <stdio.h>

#include "base/clock.h"

#include "base/banned.h"

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
	egress_accept(e);
}

/* `finished` is told once, with the end of the traffic; what lingers after it is only the last words. */
void conn_report(struct conn *c, const char *how, const char *detail)
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
		conn_try_next(c, "no answer in time");
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

void conn_on_timer(void *userdata)
{
	struct conn *c = userdata;
	int64_t at = deadline(c), now = clock_mono_ms();

	if (at <= now)
		expired(c);
	else if (at != INT64_MAX)
		watch_arm(c->timer, at - now);
}
