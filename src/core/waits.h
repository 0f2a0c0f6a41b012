/* waits.h - who waits for whom, and whether that can ever end. Pure.
 *
 * An edge says that `from` waits for `to`. A task goes on when all that it waits for do, but of worker slots one
 * holder that goes on is enough. Whoever waits for nothing goes on; so does a person. */
#ifndef MISHRI_CORE_WAITS_H
#define MISHRI_CORE_WAITS_H

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"

enum wait_kind { WAIT_CHILD, WAIT_QUESTION, WAIT_APPROVAL, WAIT_LOCK, WAIT_SLOT };

struct wait_edge {
	char from[ID_LEN + 1], to[ID_LEN + 1]; /* to "": a person */
	enum wait_kind kind;
	const char *name;              /* of the lock; borrowed; NULL */
	int64_t since_us;
};

struct wait_cycle {
	struct wait_edge edges[LIMIT_WAIT_CYCLE]; /* each leads to the next one, the last to the first */
	size_t count;
};

/* Can `start` never go on? Then *ret is a cycle that keeps it so. */
bool waits_find(const struct wait_edge *edges, size_t count, const char *start, struct wait_cycle *ret);
/* Which wait of a cycle ends, so that the others go on: of those for a lock or an agent's answer the youngest. Where there
 * is none, the youngest of all. */
size_t waits_victim(const struct wait_cycle *cycle);
/* "A waits for lock x held by B; B waits for its worker A". The caller owns it. */
MUST_USE char *waits_draw(const struct wait_cycle *cycle);
MUST_USE json_t *waits_json(const struct wait_cycle *cycle);   /* [{from, to, kind, name}] */
const char *wait_kind_name(enum wait_kind kind);          /* child, question, approval, lock, slot */
int wait_kind_find(const char *name);                     /* -1: there is none */

#endif
