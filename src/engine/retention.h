/* retention.h - which trees may leave the history, as the configuration says it: the same for `mishri vacuum` and for a service,
 * which lets them go by itself. Where nothing is said, nothing leaves. */
#ifndef MISHRI_ENGINE_RETENTION_H
#define MISHRI_ENGINE_RETENTION_H

#include "engine/config.h"
#include "store/prune.h"

enum { RETENTION_TEXT_BYTES = 160 };

struct retention {                     /* a value */
	int64_t older_ms, keep;        /* 0: not said */
	const char *state;             /* NULL: any that has ended. Borrowed */
};

/* retention.older_than and retention.keep. */
struct retention retention_of(const struct config *config);
bool retention_says_something(const struct retention *r);
/* The rule as of now, and the rule in words. data: the data directory; borrowed by the rule, as `state` is. Trees whose changes
 * still lie in a layer stay. */
struct prune_rule retention_rule(const struct retention *r, const char *data, int64_t now_us,
                                 char ret_text[static RETENTION_TEXT_BYTES]);

/* Rounds by themselves, on the writer's thread of the store; what left is in the events history.pruned. config, data: borrowed. */
struct loop;
struct retention_rounds;
struct retention_rounds *retention_begin(struct loop *loop, struct store *store, const struct config *config, const char *data);
void retention_end(struct retention_rounds *rounds);   /* NULL is fine */

#endif
