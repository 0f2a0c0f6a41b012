/* retain.c - a round of retention: which trees the rule names is looked up once, then one leaves at each step, so that whoever
 * writes waits for one tree at most. It judges nothing itself: prune.c says what may leave, also when its turn has come. */
#include "store/prune.h"

#include <stdio.h>

#include "store/internal.h"

#include "base/banned.h"

struct retain {
	struct prune_rule rule;
	char reason[160];
	char (*roots)[ID_LEN + 1];      /* of this round; NULL before the look */
	size_t count, next, most;
	struct retain_end end;
	struct err err;
	void (*on_end)(void *userdata, const struct retain_end *end);
	void *userdata;
};

static bool keep(void *userdata, const struct task_row *root, const char *stays)
{
	struct retain *t = userdata;

	if (stays != NULL)
		return true;
	if (t->count == t->most) {
		t->end.more = true;
		return false;
	}
	snprintf(t->roots[t->count++], sizeof *t->roots, "%s", root->task);
	return true;
}

bool retain_step(struct retain *t, struct db *db)
{
	int64_t events = 0;
	int r;

	if (t->roots == NULL) {
		t->roots = xcalloc(t->most, sizeof *t->roots);
		r = prune_walk(db, &t->rule, keep, t, &t->err);
	} else {
		r = prune_tree(db, t->roots[t->next++], "retention", t->reason, &events, &t->err);
		t->end.left += r == 0;
		t->end.events += events;
		r = r == -EBUSY || r == -ENOENT ? 0 : r; /* it came into use, or another let it go */
	}
	t->end.result = r;
	return r == 0 && t->next < t->count;
}

void retain_free(struct retain *t)
{
	if (t == NULL)
		return;
	free(t->roots);
	free(t);
}

void retain_forget(struct retain *t)
{
	t->on_end = NULL;
}

void retain_finish(struct retain *t)
{
	t->end.err = &t->err;
	if (t->on_end != NULL)
		t->on_end(t->userdata, &t->end);
	retain_free(t);
}

int store_retain(struct store *store, const struct prune_rule *rule, const char *reason, int64_t most,
                 void (*on_end)(void *userdata, const struct retain_end *end), void *userdata, struct err *err)
{
	struct retain *t = xcalloc(1, sizeof *t);

	assert(store->writer != NULL && most > 0);
	*t = (struct retain){ .rule = *rule, .most = (size_t)most, .on_end = on_end, .userdata = userdata };
	snprintf(t->reason, sizeof t->reason, "%s", reason);
	if (writer_retain(store->writer, t))
		return 0;
	retain_free(t);
	return err_set(err, EALREADY, "a round of retention is under way");
}

void store_retain_alone(struct store *store)
{
	writer_retain_alone(store->writer);
}
