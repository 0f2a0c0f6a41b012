/* prune.c - takes a tree out: what stands for it goes in first, in the same transaction, so that at no moment events are
 * missing that nothing accounts for. It refuses a tree in which anything has not ended, and one that is still referred to. */
#include "store/prune.h"

#include <stdio.h>

#include "store/internal.h"

#include "base/banned.h"

/* Why it cannot leave; "" where it can. */
static int why_not(struct db *db, const char *root, char ret[static 160], struct err *err)
{
	static const struct { enum statement id; const char *what, *why; } rows[] = {
		{ SQL_PRUNE_OPEN, "task", "of it has not ended" },
		{ SQL_PRUNE_GRANT, "grant", "which it led to is still in force: 'mishri revoke' ends it" },
	};
	int r = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < COUNT(rows) && r == 0 && ret[0] == '\0'; i++) {
		AUTO(query_done) struct query q = query_start(db, rows[i].id, "ti", root, clock_wall_us());
		r = query_next(&q, err);
		if (r > 0)
			snprintf(ret, 160, "%s %s %s", rows[i].what, query_text(&q, 0), rows[i].why);
		r = MIN(r, 0);
	}
	if (r == 0 && ret[0] == '\0') {
		AUTO(query_done) struct query q = query_start(db, SQL_PRUNE_LEASES, "t", root);
		while ((r = query_next(&q, err)) > 0)
			if (holder_life(&q, 1) != LIFE_GONE)
				snprintf(ret, 160, "process %lld still holds task %s of it", (long long)query_int(&q, 1), query_text(&q, 0));
	}
	return r;
}

/* ---- what would go ---- */

struct size { int64_t tasks, events, first, last, bytes; };

static int size_of(struct db *db, const char *root, struct size *ret, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_PRUNE_SIZE, "t", root);
	int r = query_next(&q, err);

	if (r <= 0)
		return r;
	*ret = (struct size){ query_int(&q, 0), query_int(&q, 1), query_int(&q, 2), query_int(&q, 3), query_int(&q, 4) };
	return 0;
}

static int keep_from(struct db *db, int64_t keep, int64_t *ret_seq, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_PRUNE_KEEP, "i", keep - 1);
	int r = keep > 0 ? query_next(&q, err) : 0;

	*ret_seq = keep == 0 ? INT64_MAX : r > 0 ? query_int(&q, 0) : 0;
	return MIN(r, 0);
}

int prune_walk(struct db *db, const struct prune_rule *rule,
               bool (*visit)(void *userdata, const struct task_row *root, const char *stays), void *userdata, struct err *err)
{
	char upto[CLOCK_TEXT_BYTES];
	int64_t before = 0;
	int r = keep_from(db, rule->keep, &before, err);

	if (r < 0)
		return r;
	clock_format(MIN(rule->ended_before_us, clock_wall_us()), upto);
	AUTO(query_done) struct query q = query_start(db, SQL_PRUNE_LIST, "iitt", before, rule->ended_before_us, rule->state, upto);
	while ((r = query_next(&q, err)) > 0) {
		AUTO(task_row_done) struct task_row root = { 0 };
		char stays[160];
		task_row_read(&q, &root);
		r = why_not(db, root.task, stays, err);
		if (r < 0)
			return r;
		const char *held = stays[0] == '\0' && rule->holds != NULL ? rule->holds(rule->userdata, root.task) : NULL;
		if (!visit(userdata, &root, held != NULL ? held : stays[0] != '\0' ? stays : NULL))
			return 0;
	}
	return r;
}

struct listing {
	struct db *db;
	void (*visit)(void *userdata, const struct prune_row *row);
	void *userdata;
	struct err *err;
	int result;
};

static bool list_one(void *userdata, const struct task_row *root, const char *stays)
{
	struct listing *l = userdata;
	struct size size = { 0 };

	l->result = size_of(l->db, root->task, &size, l->err);
	if (l->result == 0)
		l->visit(l->userdata, &(struct prune_row){ root, size.tasks, size.events, size.bytes, stays });
	return l->result == 0;
}

int store_prune_list(struct store *store, const struct prune_rule *rule,
                     void (*visit)(void *userdata, const struct prune_row *row), void *userdata, struct err *err)
{
	struct listing l = { .db = &store->db, .visit = visit, .userdata = userdata, .err = err };
	int r = prune_walk(&store->db, rule, list_one, &l, err);

	return l.result < 0 ? l.result : r;
}

/* ---- what stands for it ---- */

static int sums(struct db *db, enum statement id, const char *root, const char *const *keys, json_t **ret, struct err *err)
{
	AUTO(json_decrefp) json_t *list = json_array();
	AUTO(query_done) struct query q = query_start(db, id, "t", root);
	int r;

	while ((r = query_next(&q, err)) > 0) {
		json_t *row = json_object();
		for (int i = 0; keys[i] != NULL; i++) {
			if (sqlite3_column_type(q.stmt, i) == SQLITE_TEXT)
				json_put_text(row, keys[i], query_text(&q, i));
			else
				json_put_int(row, keys[i], query_int(&q, i));
		}
		json_array_append_new(list, row);
	}
	if (r == 0)
		*ret = TAKE(list);
	return r;
}

static int read_root(struct db *db, const char *root, json_t *data, struct err *err)
{
	char began[CLOCK_TEXT_BYTES];
	AUTO(query_done) struct query q = query_start(db, SQL_PRUNE_ROOT, "t", root);
	int r = query_next(&q, err);

	if (r < 0)
		return r;
	if (r == 0)
		return err_set(err, ENOENT, "there is no root task %s; 'mishri history' lists them", root);
	json_put_text(data, "head", query_text(&q, 0));
	json_put_text(data, "began", clock_format(query_int(&q, 1), began));
	json_put_text(data, "state", query_text(&q, 2));
	return 0;
}

static int describe(struct db *db, const char *root, const char *by, const char *reason, json_t *data, struct err *err)
{
	static const char *const day_keys[] = { "day", "user", "model", "tasks", "unknown", "turns", "calls", "denied", "input",
	                                        "cache_read", "cache_write", "output", "usd_nanos", "cache_write_1h", "reasoning", NULL };
	static const char *const spent_keys[] = { "session", "user", "day", "usd_nanos", "tokens", "calls", "ms", NULL };
	json_t *days = NULL, *spent = NULL;
	struct size size = { 0 };

	int r = read_root(db, root, data, err);
	if (r == 0)
		r = size_of(db, root, &size, err);
	if (r == 0)
		r = sums(db, SQL_PRUNE_DAYS, root, day_keys, &days, err);
	if (r == 0)
		r = sums(db, SQL_PRUNE_SPENT, root, spent_keys, &spent, err);
	if (r < 0) {
		json_decref(days);
		return r;
	}
	json_put_text(data, "root", root);
	json_put_int(data, "events", size.events);
	json_put_int(data, "first", size.first);
	json_put_int(data, "last", size.last);
	json_put_int(data, "tasks", size.tasks);
	json_put_int(data, "bytes", size.bytes);
	json_put_text(data, "by", by);
	json_put_text(data, "reason", reason);
	json_put(data, "days", days);
	json_put(data, "spending", spent);
	return 0;
}

int engine_event_write(struct db *db, enum event_type type, const char *user, json_t *owned_data, struct err *err)
{
	struct event e = { .type = type, .time_us = clock_wall_us(), .attempt = 1, .data = owned_data };
	struct store_batch batch = { .root = "", .task = "", .events = &e, .count = 1, .checkpoint = true };

	snprintf(e.user, sizeof e.user, "%s", user);
	struct pending *p = pending_new(&batch, "");
	int r = p->result;
	if (r == 0)
		r = batch_write(db, p);
	if (r < 0 && err != NULL)
		*err = p->err;
	pending_free(p);
	return r;
}

/* ---- out with it ---- */

static int take_words(struct db *db, const char *root, struct err *err)
{
	int64_t upto = 0, last = 0;
	int r = words_upto(db, &upto, &last, err);

	if (r < 0)
		return r;
	AUTO(query_done) struct query q = query_start(db, SQL_PRUNE_WORDS, "ti", root, upto);
	while ((r = query_next(&q, err)) > 0) {
		r = words_take(db, query_int(&q, 0), query_int(&q, 2), query_text(&q, 3), query_str(&q, 1), err);
		if (r < 0)
			return r;
	}
	return r;
}

static int prune(struct db *db, const char *root, const char *by, const char *reason, int64_t *ret_events, struct err *err)
{
	static const enum statement out[] = {
		SQL_PRUNE_MARKS, SQL_PRUNE_INBOX, SQL_PRUNE_LEASE_ROWS, SQL_PRUNE_APPROVALS, SQL_PRUNE_GRANTS, SQL_PRUNE_CALLS,
		SQL_PRUNE_STAND_INS, SQL_PRUNE_COSTS, SQL_PRUNE_BLOBS, SQL_PRUNE_BLOB_REFS, SQL_PRUNE_EVENTS, SQL_PRUNE_CHAIN, SQL_PRUNE_IMPORTED,
		SQL_PRUNE_TASKS,
	};
	AUTO(json_decrefp) json_t *data = json_object();
	char stays[160];

	int r = describe(db, root, by, reason, data, err);
	if (r == 0)
		r = why_not(db, root, stays, err);
	if (r == 0 && stays[0] != '\0')
		return err_set(err, EBUSY, "task %s stays: %s", root, stays);
	if (r == 0)
		r = take_words(db, root, err);
	if (r == 0)
		r = engine_event_write(db, EVENT_HISTORY_PRUNED, by, json_incref(data), err);
	for (size_t i = 0; i < COUNT(out) && r == 0; i++)
		r = db_run(db, err, out[i], "t", root);
	if (r == 0)
		*ret_events = json_get_int(data, "events", 0);
	return r;
}

int prune_tree(struct db *db, const char *root, const char *by, const char *reason, int64_t *ret_events, struct err *err)
{
	/* What leaves is not left in free pages either. */
	int r = db_exec(db, "PRAGMA secure_delete=ON", err);
	if (r == 0)
		r = tx_begin(db, err);
	if (r == 0)
		r = tx_end(db, prune(db, root, by, reason, ret_events, err), err);
	int back = db_exec(db, "PRAGMA secure_delete=OFF", NULL);
	return r == 0 && back < 0 ? err_set(err, EIO, "%s: cannot be written", db->path) : r;
}

int store_prune(struct store *store, const char *root, const char *by, const char *reason, struct err *err)
{
	int64_t events;

	assert(store->writer != NULL);
	return prune_tree(&store->db, root, by, reason, &events, err);
}

int store_free_bytes(struct store *store, int64_t *ret, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_FREE_BYTES, "");
	int r = query_next(&q, err);

	if (r > 0)
		*ret = query_int(&q, 0);
	return MIN(r, 0);
}

int store_compact(struct store *store, struct err *err)
{
	assert(store->writer != NULL);
	int r = db_run(&store->db, err, SQL_WORDS_OPTIMIZE, "");
	/* The new file is attached for as long as it is written. */
	sqlite3_limit(store->db.handle, SQLITE_LIMIT_ATTACHED, 1);
	if (r == 0)
		r = db_run(&store->db, err, SQL_VACUUM, "");
	sqlite3_limit(store->db.handle, SQLITE_LIMIT_ATTACHED, 0);
	return r == 0 ? db_exec(&store->db, "PRAGMA wal_checkpoint(TRUNCATE)", err) : r;
}
