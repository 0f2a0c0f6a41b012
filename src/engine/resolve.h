/* resolve.h - names to addresses, on the loop, by libevent's own name service client. */
#ifndef MISHRI_ENGINE_RESOLVE_H
#define MISHRI_ENGINE_RESOLVE_H

#include "engine/loop.h"
#include "policy/address.h"

struct resolver;
struct lookup;

/* servers: "ADDRESS[:PORT]", separated by spaces or commas; NULL: those of /etc/resolv.conf. /etc/hosts goes first. No
 * search domains: a name means itself. -EINVAL: a server is no address. */
MUST_USE int resolver_new(struct loop *loop, const char *servers, struct resolver **ret, struct err *err);
void resolver_free(struct resolver *resolver);       /* NULL is fine; lookups must be over or cancelled */

/* Once, later on the loop. count 0: none, and why says so in a phrase. */
typedef void lookup_fn(void *userdata, const struct address *addresses, size_t count, const char *why);
MUST_USE struct lookup *resolver_ask(struct resolver *resolver, const char *name, lookup_fn *fn, void *userdata);
void lookup_cancel(struct lookup *lookup);           /* fn is not called any more */

#endif
