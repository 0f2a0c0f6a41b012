/* egress.h - the way out of a cell: a proxy that the engine serves on the cell's own listening socket. HTTP (absolute
 * form, and CONNECT) and SOCKS 5 with names. Each connection is one decision; what is connected to is the very address
 * that was decided on.
 *
 *   GET http://host/path     forwarded
 *   GET https://host/path    the engine speaks TLS with the host, the client sees a plain answer
 *   CONNECT host:port        a tunnel; SOCKS 5 likewise
 *
 * It knows neither tasks nor events. Policy is asked through `decide`; nothing is connected before egress_go. */
#ifndef MISHRI_ENGINE_EGRESS_H
#define MISHRI_ENGINE_EGRESS_H

#include "base/buf.h"
#include "engine/loop.h"
#include "policy/policy.h"

struct egress;                         /* the proxy of one cell */
struct egress_base;                    /* what the proxies of one process share: names, certificates, bounds */

struct egress_limits {                 /* 0: as limits.h says */
	int64_t connections, task_connections, idle_ms, time_ms, bytes, task_bytes;
};

/* servers, ca_file: see resolve.h and tls.h; NULL: the machine's. */
MUST_USE int egress_base_new(struct loop *loop, const char *servers, const char *ca_file, const struct egress_limits *limits,
                             struct egress_base **ret, struct err *err);
void egress_base_free(struct egress_base *base);    /* NULL is fine */

struct net_target {                    /* where a connection wants to go; borrowed */
	const char *host;              /* in its one spelling */
	int port;
	const char *scheme;            /* http, https, tcp; a tunnel to port 443 is https, and is held to it */
	const char *method;            /* NULL: a tunnel, nobody looks inside */
	enum address_class class;
	const char *address;           /* NULL: it was not looked up, or there is none */
	const char *unresolved;        /* NULL, or why there is no address; nothing will be connected */
};

struct net_end {
	const char *how;               /* closed, failed, limit, timeout, broken, dropped */
	const char *detail;            /* "" or a phrase */
	int64_t up, down, ms;          /* bytes from and to the cell */
	int status;                    /* of the answer to a plain request; 0: none */
};

struct egress_callbacks {
	/* What policy says; asked before a name is looked up (class says public), and with its address. */
	void (*decide)(void *userdata, const struct net_target *target, struct decision *ret);
	/* Once per connection that said where it wants to go. deny: it is told already. allow, ask: egress_go or
	 * egress_refuse follows, now or later; unresolved: neither. */
	void (*decided)(void *userdata, uint32_t id, const struct net_target *target, const struct decision *decision);
	void (*gone)(void *userdata, uint32_t id);              /* the client left before egress_go; no answer is wanted */
	void (*finished)(void *userdata, uint32_t id, const struct net_end *end); /* of one that egress_go let go, or unresolved */
	/* The value of a secret for a header, into ret; it goes to this host only, by TLS. -errno: err is what the client
	 * is told. */
	int (*secret)(void *userdata, const char *name, const struct net_target *target, struct buf *ret, struct err *err);
	void *userdata;
};

struct egress_sums { int64_t connections, denied, up, down; };

/* Takes the listener over. before: what the task has used up already; NULL: nothing. */
MUST_USE struct egress *egress_new(struct egress_base *base, int listener, const struct egress_sums *before,
                                   const struct egress_callbacks *callbacks);
void egress_free(struct egress *egress);            /* ends every connection, with its `finished`; NULL is fine */

void egress_go(struct egress *egress, uint32_t id);                                  /* ids that are over are ignored */
void egress_refuse(struct egress *egress, uint32_t id, const char *rule, const char *message);

/* What policy says now of one that waits for egress_go, and of just what was decided on. False: it waits no more. */
bool egress_decide_again(struct egress *egress, uint32_t id, struct decision *ret);
/* Where it wants to go, as it was told; text is borrowed by it. False: it waits no more. */
bool egress_target(struct egress *egress, uint32_t id, char (*text)[ADDRESS_TEXT_BYTES], struct net_target *ret);

struct egress_sums egress_sums(const struct egress *egress);

/* One line for people and models: "mishri: denied by RULE: net HOST:PORT (REASON)". Appends to ret. */
void egress_message(const struct net_target *target, const struct decision *decision, struct buf *ret);

/* The value of a secret for a request of this task. -errno: it may not go there, or there is none. */
struct run;
MUST_USE int egress_secret(struct run *run, const char *name, const struct net_target *target, struct buf *ret, struct err *err);

/* The variables that point programs to the proxy, NULL-terminated. */
extern const char *const egress_environment[];

#endif
