/* prune.h - old task trees leave whole, or not at all. What leaves is replaced by an event, history.pruned, that says so:
 * root, hash of the last event, how many, when, by whom and why. Nothing that runs, waits or may be resumed ever leaves. */
#ifndef MISHRI_STORE_PRUNE_H
#define MISHRI_STORE_PRUNE_H

#include "store/store.h"

struct prune_rule {
	int64_t ended_before_us;      /* INT64_MAX: whenever */
	int64_t keep;                 /* the newest so many root tasks stay, whatever else is said; 0: none */
	const char *state;            /* only of root tasks in this state; NULL: done, failed, denied, cancelled */
	/* Why a tree stays for reasons that the store does not know; NULL: it may go. Called from the writer's thread, too. NULL:
	 * there are none. */
	const char *(*holds)(const void *userdata, const char *root);
	const void *userdata;
};

struct prune_row {                /* borrowed */
	const struct task_row *root;
	int64_t tasks, events;
	int64_t bytes;                /* of the texts, and of the long strings that nobody else names */
	const char *stays;            /* why it cannot leave although the rule says so; NULL: it can */
};

/* What the rule would let go, oldest first; nothing is written. A tree that came out of a file counts as ended when it was taken
 * in, also where it had not ended elsewhere; one that may be resumed here must have ended. */
MUST_USE int store_prune_list(struct store *store, const struct prune_rule *rule,
                              void (*visit)(void *userdata, const struct prune_row *row), void *userdata, struct err *err);

/* One tree leaves, in one transaction. by: the user; reason: the rule in words. -EBUSY: it stays, err says why. */
MUST_USE int store_prune(struct store *store, const char *root, const char *by, const char *reason, struct err *err);

/* The same by itself: the writer's thread lets trees go that the rule names, each in its own transaction, and only while nothing
 * waits to be written. Never blocks. One round at a time: -EALREADY. What the rule and on_end borrow lasts until on_end, which
 * comes once, from store_dispatch; not at all when the store is closed before. */
struct retain_end { int64_t left, events; bool more; int result; const struct err *err; };  /* more: the round was full */
MUST_USE int store_retain(struct store *store, const struct prune_rule *rule, const char *reason, int64_t most,
                          void (*on_end)(void *userdata, const struct retain_end *end), void *userdata, struct err *err);

/* on_end of the round that is under way is not called any more; what the rule borrows has to last until the store is closed. */
void store_retain_alone(struct store *store);

/* Bytes of the file that are free inside it; and gives them back to the system (which takes a while, and as much room again). */
MUST_USE int store_free_bytes(struct store *store, int64_t *ret, struct err *err);
MUST_USE int store_compact(struct store *store, struct err *err);

#endif
