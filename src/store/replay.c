/* replay.c - the events of one task, for whoever folds them into its state again. Each is parsed once, and what was moved out
 * of it is put back into that. It does not check the chain: `mishri audit` does. */
#include "store/internal.h"

#include "base/banned.h"

static int read_event(struct db *db, const struct query *q, struct event *ret, struct err *err)
{
	AUTO(json_decrefp) json_t *object = NULL;

	int r = json_parse(query_str(q, 1), &object, err);
	if (r == 0 && json_object_get(object, "blobs") != NULL)
		r = blobs_restore(db, object, err);
	if (r == 0)
		r = event_read(object, ret, err);
	if (r == 0)
		ret->seq = query_int(q, 0);
	return r;
}

int store_replay(struct store *store, const char *task, int (*visit)(void *userdata, const struct event *event, struct err *err),
                 void *userdata, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_EVENTS_TASK, "ittit", (int64_t)0, "", "~", (int64_t)-1, task);
	int r;

	while ((r = query_next(&q, err)) > 0) {
		struct event e;
		r = read_event(&store->db, &q, &e, err);
		if (r < 0)
			return err_prefix(err, "event %lld", (long long)query_int(&q, 0));
		r = visit(userdata, &e, err);
		event_done(&e);
		if (r < 0)
			return r;
	}
	return r;
}
