/* egress.c - the proxies of cells: what they share, taking connections, and the answers to them. One connection is
 * egress_conn.c and the files beside it. Nothing here waits, and everything has a bound. */
#include "engine/egress_conn.h"

#include <stdio.h>
#include <sys/socket.h>

#include "base/io.h"

#include "base/banned.h"

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

/* ---- taking them ---- */

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

void egress_accept(struct egress *e)
{
	if (e->readable == NULL && e->listener >= 0 && (int64_t)e->count < e->base->limits.connections)
		e->readable = watch_fd(e->base->loop, e->listener, on_connection, e);
}

static void on_backoff(void *userdata)
{
	egress_accept(userdata);
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
	egress_accept(e);
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

bool egress_decide_again(struct egress *e, uint32_t id, struct decision *ret)
{
	struct conn *c = waiting(e, id);

	if (c != NULL)
		conn_decide_again(c, ret);
	return c != NULL;
}

bool egress_target(struct egress *e, uint32_t id, char (*text)[ADDRESS_TEXT_BYTES], struct net_target *ret)
{
	const struct conn *c = waiting(e, id);

	if (c != NULL)
		conn_target(c, text, ret);
	return c != NULL;
}

void egress_go(struct egress *e, uint32_t id)
{
	struct conn *c = waiting(e, id);

	if (c == NULL)
		return;
	c->counted = true;
	if (!conn_head_make(c))
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
