/* egress_answer.c - the last words to a client: what was refused and why, in its own protocol, so that it is read before
 * the connection ends. */
#include "engine/egress_conn.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>

#include "base/clock.h"
#include "cell/cell.h"
#include "engine/socks.h"

#include "base/banned.h"

const char *const egress_environment[] = {
	("HTTP_PROXY=http://" CELL_PROXY), ("http_proxy=http://" CELL_PROXY), ("HTTPS_PROXY=http://" CELL_PROXY),
	("https_proxy=http://" CELL_PROXY), ("ALL_PROXY=socks5h://" CELL_PROXY), ("all_proxy=socks5h://" CELL_PROXY),
	"NO_PROXY=localhost,127.0.0.1,::1", "no_proxy=localhost,127.0.0.1,::1", NULL,
};

static const struct status_row {
	int status;
	const char *phrase;
	enum socks_reply socks;
} rows[] = {
	{ 400, "Bad Request", SOCKS_FAILED },
	{ 403, "Forbidden", SOCKS_DENIED },
	{ 408, "Request Timeout", SOCKS_EXPIRED },
	{ 431, "Request Header Fields Too Large", SOCKS_FAILED },
	{ 502, "Bad Gateway", SOCKS_NO_HOST },
	{ 504, "Gateway Timeout", SOCKS_EXPIRED },
};

static const struct status_row *row_of(int status)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].status == status)
			return &rows[i];
	return &rows[0];
}

void egress_message(const struct net_target *target, const struct decision *decision, struct buf *ret)
{
	bool six = strchr(target->host, ':') != NULL;
	size_t from = ret->len;

	buf_printf(ret, "mishri: denied by %s: net %s%s%s%s%s:%d (%s)", decision->rule != NULL ? decision->rule : "default",
	           target->method != NULL ? target->method : "", target->method != NULL ? " " : "", six ? "[" : "", target->host,
	           six ? "]" : "", target->port, decision->reason);
	for (size_t i = from; i < ret->len; i++)
		if ((unsigned char)ret->ptr[i] < 0x20 || ret->ptr[i] == 0x7f)
			ret->ptr[i] = ' ';
}

/* A header holds ASCII. */
static void header_text(const char *text, char *ret, size_t size)
{
	size_t len = 0;

	for (; *text != '\0' && len + 1 < size; text++)
		ret[len++] = (unsigned char)*text >= 0x20 && (unsigned char)*text < 0x7f ? *text : '?';
	ret[len] = '\0';
}

static void answer_http(struct conn *c, const struct status_row *row, const char *rule, const char *message)
{
	struct evbuffer *out = bufferevent_get_output(c->client);
	char name[80], reason[600];

	header_text(rule != NULL ? rule : "default", name, sizeof name);
	header_text(message, reason, sizeof reason);
	evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n", row->status,
	                    row->phrase, strlen(message) + 1);
	if (row->status == 403)
		evbuffer_add_printf(out, "Mishri-Rule: %s\r\n", name);
	evbuffer_add_printf(out, "Mishri-Reason: %s\r\nConnection: close\r\n\r\n", reason);
	if (!c->wish.to_head)
		evbuffer_add_printf(out, "%s\n", message);
}

void conn_refuse(struct conn *c, int status, const char *rule, const char *message)
{
	const struct status_row *row = row_of(status);
	unsigned char reply[SOCKS_REPLY_BYTES];

	assert(c->state != CONN_RELAY || !c->answered);
	c->status = status;
	if (c->wish.kind == KIND_SOCKS) {
		socks_reply_write(row->socks, reply);
		bufferevent_write(c->client, reply, sizeof reply);
	} else {
		answer_http(c, row, rule, message);
	}
	conn_linger(c);
}

void conn_linger(struct conn *c)
{
	c->client_shut = false;
	conn_state_set(c, CONN_LINGER);
	bufferevent_setwatermark(c->client, EV_WRITE, 0, 0);
	bufferevent_setwatermark(c->client, EV_READ, 0, LIMIT_NET_BUFFER_BYTES);
	bufferevent_enable(c->client, EV_READ | EV_WRITE);
	relay_drained(c, c->client);
}
