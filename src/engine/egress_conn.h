/* egress_conn.h - one connection through the proxy. Internal to the egress_*.c files. */
#ifndef MISHRI_ENGINE_EGRESS_CONN_H
#define MISHRI_ENGINE_EGRESS_CONN_H

#include "base/buf.h"
#include "engine/egress.h"
#include "engine/http_head.h"
#include "engine/resolve.h"
#include "engine/tls.h"

struct bufferevent;

struct egress_base {
	struct loop *loop;
	struct resolver *resolver;
	struct tls *tls;
	struct egress_limits limits;
};

enum conn_state {
	CONN_HEAD,                     /* reads what the client wants */
	CONN_RESOLVING,
	CONN_WAITING,                  /* decided; for egress_go */
	CONN_CONNECTING,               /* and the handshake of TLS */
	CONN_RELAY,
	CONN_LINGER,                   /* the last words are on their way to the client; nothing else happens any more */
};

enum conn_kind { KIND_REQUEST, KIND_CONNECT, KIND_SOCKS };

struct wanted_secret {                 /* a header that the engine fills in */
	char *name, *header, *prefix;
};

struct wish {                          /* what a client asked for */
	enum conn_kind kind;
	struct host host;
	int port;
	const char *scheme;
	char *method, *path;           /* KIND_REQUEST */
	bool tls;                      /* the engine speaks it */
	bool to_head, ancient;         /* ancient: HTTP/1.0, which knows no interim answers */
	char *headers;                 /* that are passed on, each with its line end; Host is not among them */
	struct http_body body;
	struct wanted_secret secrets[LIMIT_NET_SECRETS];
	size_t secret_count;
};
void wish_done(struct wish *wish);

/* egress_request.c. text: a whole head. *ret_status: what to answer on failure. */
MUST_USE int wish_read(struct str text, struct wish *ret, int *ret_status, struct err *err);
/* The head for the server. secrets: "HEADER: VALUE" lines. */
void wish_head(const struct wish *wish, struct str secrets, struct buf *ret);
/* The head for the client out of the server's. */
void answer_head(const struct http_head *head, struct buf *ret);

struct conn {
	struct egress *egress;
	struct conn *next, *prev;
	uint32_t id;
	enum conn_state state;
	bool socks_greeted, told, counted;     /* told: `decided` was called; counted: egress_go was */
	struct bufferevent *client, *server;
	struct ssl_st *session;        /* of the server's side; it is freed with it */
	struct watch *timer;
	struct lookup *lookup;
	struct wish wish;
	struct buf head;               /* for the server */
	struct address addresses[LIMIT_NET_ADDRESSES];
	size_t address_count, address_at;
	enum address_class class;
	int64_t began_ms, since_ms, last_ms;   /* since: this state */
	int64_t up, down;
	int status;
	bool answered;                 /* the head of the server's answer was passed on */
	struct http_body answer;
	bool client_ended, server_ended;       /* no more bytes from there */
	bool client_shut, server_shut; /* that was passed on to the other side */
	unsigned first_up;             /* bytes of a tunnel that were looked at */
	int64_t lingered;
	char why[160];                 /* why the last address could not be reached */
};

struct egress {
	struct egress_base *base;
	struct egress_callbacks callbacks;
	int listener;
	struct watch *readable, *backoff;
	struct conn *conns;
	size_t count, waiting;
	uint32_t last_id;
	struct egress_sums sums;
};

/* egress.c */
void egress_accept(struct egress *egress);                               /* if there is room for more */

/* egress_conn.c */
void conn_state_set(struct conn *c, enum conn_state state);
void conn_on_timer(void *userdata);
void conn_report(struct conn *c, const char *how, const char *detail);   /* `finished`, once, where it was counted */
void conn_end(struct conn *c, const char *how, const char *detail);      /* reports and frees it */
void conn_finish(struct conn *c, const char *how, const char *detail);   /* the same, after what the client still gets */
void conn_fail(struct conn *c, int status, const char *message, const char *how, const char *detail); /* and is told why */

/* egress_client.c */
void conn_new(struct egress *egress, int fd);

/* egress_decide.c: of what the wish says; the connection is refused, or waits for egress_go. */
void conn_decide(struct conn *c);
/* Of one that waits: what policy says now, and where it goes. */
void conn_decide_again(struct conn *c, struct decision *ret);
void conn_target(const struct conn *c, char (*text)[ADDRESS_TEXT_BYTES], struct net_target *ret);

/* egress_server.c */
bool conn_head_make(struct conn *c);                                     /* false: refused, a secret is not to be had */
void conn_connect(struct conn *c);                                       /* to the next address */
void conn_unreachable(struct conn *c);                                     /* none could be; why says so */
void conn_try_next(struct conn *c, const char *why);                     /* this one could not be reached */

/* egress_answer.c: last words. */
void conn_refuse(struct conn *c, int status, const char *rule, const char *message);
void conn_linger(struct conn *c);      /* what is in the client's buffer is sent, then it is closed */

/* egress_relay.c */
void relay_begin(struct conn *c);      /* the server is there */
void relay_from_client(struct conn *c);
void relay_from_server(struct conn *c);
void relay_drained(struct conn *c, struct bufferevent *to);
void relay_client_ended(struct conn *c);
void relay_server_ended(struct conn *c, bool clean);

#endif
