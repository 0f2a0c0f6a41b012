/* memory.h - notes of a user, which outlive tasks: written, found by their words, listed, deleted. Each belongs to one user and is
 * never seen by another. They are no events: what is deleted here is gone. */
#ifndef MISHRI_STORE_MEMORY_H
#define MISHRI_STORE_MEMORY_H

#include "store/store.h"

struct note {                        /* borrowed for the time of the callback */
	int64_t id, time_us;
	const char *task;            /* that wrote it */
	const char *text, *tags;     /* tags: words joined by spaces, "" for none */
	const char *taints;          /* of that task when it wrote: words joined by spaces */
};
typedef bool note_fn(void *userdata, const struct note *note);   /* false: enough */

/* key: of the call; the same key again writes nothing and gives the same id. -EDQUOT: the user has as many as there may be. */
MUST_USE int memory_write(struct store *store, const char *user, const char *key, const struct note *note, int64_t *ret_id,
                          struct err *err);
/* Newest first; all of them where words is NULL, else those that have every word (the last one may be a beginning), best first. */
MUST_USE int memory_find(struct store *store, const char *user, const char *words, int limit, note_fn *fn, void *userdata,
                         struct err *err);
MUST_USE int memory_delete(struct store *store, const char *user, int64_t id, struct err *err);   /* -ENOENT */

#endif
