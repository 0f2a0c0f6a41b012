/* schedules.c - what becomes of schedules by events, and questions about them. Each event says on which version of its
 * schedule it was decided; one that comes second finds another version, and its whole batch is refused. So two engines
 * may decide at once, and an instant still gets one run. */
#include "store/schedules.h"

#include <stdio.h>

#include "store/internal.h"

#include "base/banned.h"

/* ---- events into rows ---- */

/* 1: it changed a row. */
static int change(struct db *db, enum statement sql, const struct fact *fact, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, sql, "");

	if (q.rc == SQLITE_OK)
		fact_bind(q.stmt, fact);
	return query_next(&q, err);
}

static const char *name_in(const struct fact *fact)
{
	return json_get_text(fact->data, "name", "");
}

static int outdated(const struct fact *fact, struct err *err)
{
	return err_set(err, ECANCELED, "schedule %s: it changed meanwhile; look again with `mishri schedule show %s`", name_in(fact),
	               name_in(fact));
}

static int added(struct db *db, const struct fact *fact, struct err *err)
{
	int r = change(db, SQL_SCHEDULE_ADD, fact, err);

	if (r == 0)
		return err_set(err, EEXIST, "there is a schedule %s already; give another name, or --replace to change that one", name_in(fact));
	return MIN(r, 0);
}

/* The statement that must change a row (or -EEXIST), and one that goes with it. */
static int instant(struct db *db, enum statement sql, enum statement with, const struct fact *fact, struct err *err)
{
	int r = change(db, sql, fact, err);

	if (r == 0)
		return err_set(err, EEXIST, "schedule %s: this instant has had its run", name_in(fact));
	return r < 0 ? r : MIN(change(db, with, fact, err), 0);
}

static int two(struct db *db, enum statement first, enum statement second, const struct fact *fact, struct err *err)
{
	int r = change(db, first, fact, err);

	return r < 0 ? r : MIN(change(db, second, fact, err), 0);
}

/* An event of a schedule, after its version was found to be the newest. */
static int apply(struct db *db, enum event_type type, const struct fact *fact, struct err *err)
{
	switch ((unsigned)type) {
	case EVENT_SCHEDULE_CHANGED: return change(db, SQL_SCHEDULE_CHANGE, fact, err);
	case EVENT_SCHEDULE_PAUSED: return change(db, SQL_SCHEDULE_PAUSE, fact, err);
	case EVENT_SCHEDULE_RESUMED: return change(db, SQL_SCHEDULE_RESUME, fact, err);
	case EVENT_SCHEDULE_REMOVED: return two(db, SQL_SCHEDULE_REMOVE, SQL_SCHEDULE_EMPTY_QUEUE, fact, err);
	case EVENT_SCHEDULE_FIRED: return instant(db, SQL_SCHEDULE_FIRE, SQL_SCHEDULE_COUNT_FIRED, fact, err);
	case EVENT_SCHEDULE_QUEUED: return instant(db, SQL_SCHEDULE_QUEUE, SQL_SCHEDULE_COUNT_QUEUED, fact, err);
	case EVENT_SCHEDULE_PASSED: return change(db, SQL_SCHEDULE_COUNT_PASSED, fact, err);
	case EVENT_SCHEDULE_FAILED: return instant(db, SQL_SCHEDULE_RUN_LOST, SQL_SCHEDULE_COUNT_LOST, fact, err);
	default: return 0;
	}
}

static int task_begins(struct db *db, const struct fact *fact, struct err *err)
{
	if (json_object_get(fact->data, "schedule") == NULL || fact->parent[0] != '\0')
		return 0;
	int r = change(db, SQL_SCHEDULE_RUN_BEGINS, fact, err);
	if (r == 0)
		return err_set(err, ESTALE, "task %s: its schedule has given the instant up; nothing was written", fact->task);
	return r < 0 ? r : MIN(change(db, SQL_SCHEDULE_TOUCH, fact, err), 0);
}

static int task_ends(struct db *db, const struct fact *fact, struct err *err)
{
	int r = change(db, SQL_SCHEDULE_RUN_ENDS, fact, err);

	return r <= 0 ? r : MIN(change(db, SQL_SCHEDULE_COUNT_END, fact, err), 0);
}

int schedule_project(struct db *db, enum event_type type, const struct fact *fact, struct err *err)
{
	if (type == EVENT_TASK_CREATED)
		return task_begins(db, fact, err);
	if (type == EVENT_TASK_FINISHED)
		return task_ends(db, fact, err);
	if (type == EVENT_SCHEDULE_ADDED)
		return added(db, fact, err);
	if (type < EVENT_SCHEDULE_CHANGED || type > EVENT_SCHEDULE_FAILED)
		return 0;
	int r = change(db, SQL_SCHEDULE_NEXT_VERSION, fact, err);
	if (r == 0)
		return outdated(fact, err);
	return r < 0 ? r : MIN(apply(db, type, fact, err), 0);
}

/* ---- questions ---- */

/* The order of SCHEDULE_COLUMNS in statements.def. */
enum { S_ID, S_NAME, S_USER, S_STATE, S_REASON, S_CHANGED, S_VERSION, S_CURSOR, S_FIRED, S_STARTED, S_MISSED, S_SKIPPED, S_DROPPED,
       S_FAILED, S_FAILURES, S_ACTIVE, S_QUEUED, S_QUEUED_AT, S_DATA };

static void copy_id(char to[static ID_LEN + 1], const struct query *q, int column)
{
	snprintf(to, ID_LEN + 1, "%s", query_text(q, column));
}

static int visit_row(const struct query *q, schedule_visit *visit, void *userdata, struct err *err)
{
	AUTO(json_decrefp) json_t *data = NULL;
	struct schedule_row row = {
		.name = query_text(q, S_NAME), .user = query_text(q, S_USER), .state = query_text(q, S_STATE), .reason = query_text(q, S_REASON),
		.changed = query_int(q, S_CHANGED), .version = query_int(q, S_VERSION), .cursor_us = query_int(q, S_CURSOR),
		.fired = query_int(q, S_FIRED), .started = query_int(q, S_STARTED), .missed = query_int(q, S_MISSED),
		.skipped = query_int(q, S_SKIPPED), .dropped = query_int(q, S_DROPPED), .failed = query_int(q, S_FAILED),
		.failures = query_int(q, S_FAILURES), .active = query_int(q, S_ACTIVE), .queued = query_int(q, S_QUEUED),
		.queued_us = query_int(q, S_QUEUED_AT),
	};

	copy_id(row.schedule, q, S_ID);
	int r = event_data(q, S_DATA, &data, &row.spec_us, err);
	if (r < 0)
		return r;
	row.spec = json_object_get(data, "spec");
	visit(userdata, &row);
	return 0;
}

static int visit_rows(struct query *q, schedule_visit *visit, void *userdata, struct err *err)
{
	int r;

	while ((r = query_next(q, err)) > 0)
		if ((r = visit_row(q, visit, userdata, err)) < 0)
			return r;
	return r;
}

int store_schedules(struct store *store, schedule_visit *visit, void *userdata, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_SCHEDULES_ALL, "");

	return visit_rows(&q, visit, userdata, err);
}

int store_schedules_changed(struct store *store, int64_t after, int64_t limit, schedule_visit *visit, void *userdata,
                            struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_SCHEDULES_CHANGED, "ii", after, limit);

	return visit_rows(&q, visit, userdata, err);
}

int store_schedule_get(struct store *store, const char *schedule, schedule_visit *visit, void *userdata, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_SCHEDULE_GET, "t", schedule);
	int r = query_next(&q, err);

	if (r == 0)
		return err_set(err, ENOENT, "there is no schedule %s; `mishri schedule list` shows them", schedule);
	return r < 0 ? r : visit_row(&q, visit, userdata, err);
}

static int no_schedule(struct store *store, const char *name, struct err *err)
{
	const char *names[LIMIT_SCHEDULES];
	size_t count = 0;
	AUTO(query_done) struct query q = query_start(&store->db, SQL_SCHEDULE_NAMES, "");
	int r;

	while (count < COUNT(names) && (r = query_next(&q, err)) > 0)
		names[count++] = xstrdup(query_text(&q, 0));
	const char *near = name_nearest(names, count, name);
	if (near != NULL)
		r = err_set(err, ENOENT, "there is no schedule '%.64s': did you mean '%s'?", name, near);
	else
		r = err_set(err, ENOENT, "there is no schedule '%.64s'; `mishri schedule list` shows them", name);
	for (size_t i = 0; i < count; i++)
		free((char *)names[i]);
	return r;
}

int store_schedule_find(struct store *store, const char *name, char ret[static ID_LEN + 1], struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_SCHEDULE_BY_NAME, "t", name);
	AUTO(query_done) struct query by_id = query_start(&store->db, SQL_SCHEDULE_GET, "t", name);
	int r = query_next(&q, err);

	if (r > 0)
		copy_id(ret, &q, 0);
	else if (r == 0 && (r = query_next(&by_id, err)) > 0)
		copy_id(ret, &by_id, S_ID);
	return r == 0 ? no_schedule(store, name, err) : MIN(r, 0);
}

int store_schedule_runs(struct store *store, const char *schedule, int64_t limit,
                        void (*visit)(void *userdata, const struct schedule_run_row *row), void *userdata, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_SCHEDULE_RUNS, "ti", schedule, limit);
	int r;

	while ((r = query_next(&q, err)) > 0) {
		struct schedule_run_row row = {
			.instant_us = query_int(&q, 0), .task = query_text(&q, 1), .cause = query_text(&q, 2), .state = query_text(&q, 3),
			.fired_us = query_int(&q, 4), .ended_us = query_int(&q, 5), .reason = query_text(&q, 6),
		};
		visit(userdata, &row);
	}
	return r;
}

int store_schedule_active(struct store *store, const char *schedule, void (*visit)(void *userdata, const char *task),
                          void *userdata, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_SCHEDULE_ACTIVE, "t", schedule);
	int r;

	while ((r = query_next(&q, err)) > 0)
		visit(userdata, query_text(&q, 0));
	return r;
}

int store_schedule_claims(struct store *store, bool all, void (*visit)(void *userdata, const struct schedule_claim *claim),
                          void *userdata, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_SCHEDULE_CLAIMS, "");
	int r;

	while ((r = query_next(&q, err)) > 0) {
		struct schedule_claim claim = { .cause = query_text(&q, 3), .instant_us = query_int(&q, 1), .fired_us = query_int(&q, 5) };
		copy_id(claim.schedule, &q, 0);
		copy_id(claim.task, &q, 2);
		copy_id(claim.engine, &q, 4);
		/* One in another PID namespace cannot be looked at: it has as long as a lease. */
		enum life life = claim.engine[0] == '\0' ? LIFE_GONE : holder_life(&q, 6);
		if (all || life == LIFE_GONE || (life == LIFE_UNKNOWN && clock_wall_us() - claim.fired_us > LIMIT_LEASE_MS * 1000ll))
			visit(userdata, &claim);
	}
	return r;
}
