/* prune.h - old task trees leave whole, or not at all. What leaves is replaced by an event, history.pruned, that says so:
 * root, hash of the last event, how many, when, by whom and why. Nothing that runs, waits or may be resumed ever leaves. */
#ifndef MISHRI_STORE_PRUNE_H
#define MISHRI_STORE_PRUNE_H

#include "store/store.h"

struct prune_rule {
	int64_t ended_before_us;      /* INT64_MAX: whenever */
	int64_t keep;                 /* the newest so many root tasks stay, whatever else is said; 0: none */
	const char *state;            /* only of root tasks in this state; NULL: done, failed, denied, cancelled */
};

struct prune_row {                /* borrowed */
	const struct task_row *root;
	int64_t tasks, events;
	int64_t bytes;                /* of the texts, and of the long strings that nobody else names */
	const char *stays;            /* why it cannot leave although the rule says so; NULL: it can */
};

/* What the rule would let go, oldest first; nothing is written. */
MUST_USE int store_prune_list(struct store *store, const struct prune_rule *rule,
                              void (*visit)(void *userdata, const struct prune_row *row), void *userdata, struct err *err);

/* One tree leaves, in one transaction. by: the user; reason: the rule in words. -EBUSY: it stays, err says why. */
MUST_USE int store_prune(struct store *store, const char *root, const char *by, const char *reason, struct err *err);

/* Bytes of the file that are free inside it; and gives them back to the system (which takes a while, and as much room again). */
MUST_USE int store_free_bytes(struct store *store, int64_t *ret, struct err *err);
MUST_USE int store_compact(struct store *store, struct err *err);

#endif
