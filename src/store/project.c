/* project.c - what follows from an event for the tables that questions are put to.
 * Everything is made from the stored event alone, so that it can be made again. A row says which
 * statements an event type runs; their parameters say where the values come from:
 *   :seq :time :task :parent :session :user   of the event; :calls of a run of proposed calls
 *   $name, $name::key                         a field of data, or a key of such a field; null where missing
 *   @name                                     digest of the blob that holds data's field; null where it is in place */
#include "store/internal.h"

#include <stdio.h>

#include "base/banned.h"

/* anywhere: also for what came out of a file (import.c). It may only say something of its own tree: no answer, grant,
 * budget or spending of here may follow from it. */
static const struct {
	enum event_type type;
	enum statement sql;
	bool anywhere;
	const char *needs;           /* a field of data without which nothing follows; NULL: none */
	const char *effect;          /* nothing follows from another effect; NULL: from each */
} rows[] = {
	{ EVENT_TASK_CREATED, SQL_ADD_TASK, true },
	{ EVENT_TASK_CREATED, SQL_ADD_COSTS, true },
	{ EVENT_TASK_CREATED, SQL_MARK_ROOT_USER, true },
	{ EVENT_TASK_CREATED, SQL_MARK_ROOT_SESSION, true },
	{ EVENT_TASK_CREATED, SQL_MARK_AGENT, true },
	{ EVENT_TASK_CREATED, SQL_MARK_MODEL, true },
	{ EVENT_TASK_RESUMED, SQL_SET_RUNNING, true },
	{ EVENT_TASK_PARKED, SQL_SET_PARKED, true },
	{ EVENT_TASK_PAUSED, SQL_SET_PAUSED, true },
	{ EVENT_TASK_CONTINUED, SQL_SET_CONTINUED, true },
	{ EVENT_TASK_PRIORITIZED, SQL_SET_PRIORITY, true },
	{ EVENT_TASK_FORKED, SQL_SET_FORKED, true },
	{ EVENT_TASK_FINISHED, SQL_SET_FINISHED, true },
	{ EVENT_TASK_FINISHED, SQL_LAPSE_TASK },
	{ EVENT_TASK_FINISHED, SQL_DROP_INBOX },
	{ EVENT_QUESTION_ASKED, SQL_ADD_QUESTION },
	{ EVENT_QUESTION_ANSWERED, SQL_SET_QUESTION },
	{ EVENT_MODEL_REPLIED, SQL_ADD_REPLY, true },
	{ EVENT_MODEL_REPLIED, SQL_ADD_STAND_IN, true, "asked" },
	{ EVENT_MODEL_REPLIED, SQL_MARK_STAND_IN, true, "asked" },
	{ EVENT_MODEL_REPLIED, SQL_DAYS_LESS, false, "asked" },
	{ EVENT_MODEL_REPLIED, SQL_DAYS_MORE, false, "asked" },
	{ EVENT_CALL_PROPOSED, SQL_ADD_CALL, true },
	{ EVENT_CALL_PROPOSED, SQL_COUNT_CALL, true },
	{ EVENT_CALL_PROPOSED, SQL_MARK_TOOL, true },
	{ EVENT_CALL_DECIDED, SQL_SET_DECISION, true },
	{ EVENT_CALL_DECIDED, SQL_COUNT_DENIED, true, .effect = "deny" },
	{ EVENT_CALL_DECIDED, SQL_MARK_DENIED, true, .effect = "deny" },
	{ EVENT_APPROVAL_REQUESTED, SQL_ADD_APPROVAL },
	{ EVENT_APPROVAL_VOTED, SQL_ADD_VOTE },
	{ EVENT_APPROVAL_DECIDED, SQL_COUNT_REFUSED, true },
	{ EVENT_APPROVAL_DECIDED, SQL_MARK_DENIED, true },
	{ EVENT_APPROVAL_DECIDED, SQL_SET_ANSWER },
	{ EVENT_GRANT_MADE, SQL_ADD_GRANT },
	{ EVENT_GRANT_USED, SQL_USE_GRANT },
	{ EVENT_GRANT_REVOKED, SQL_REVOKE_GRANT },
	{ EVENT_EXEC_DECIDED, SQL_COUNT_DENIED, true, .effect = "deny" },
	{ EVENT_EXEC_DECIDED, SQL_MARK_DENIED, true, .effect = "deny" },
	{ EVENT_NET_DECIDED, SQL_COUNT_DENIED, true, .effect = "deny" },
	{ EVENT_NET_DECIDED, SQL_MARK_DENIED, true, .effect = "deny" },
	{ EVENT_CALL_STARTED, SQL_SET_STARTED, true },
	{ EVENT_CALL_FINISHED, SQL_SET_RESULT, true },
	{ EVENT_CALL_FINISHED, SQL_LAPSE_CALL },
	{ EVENT_MODEL_REQUESTED, SQL_RESERVE },
	{ EVENT_MODEL_REPLIED, SQL_SPEND_REPLY },
	{ EVENT_MODEL_REPLIED, SQL_UNRESERVE },
	{ EVENT_MODEL_FAILED, SQL_SPEND_FAILED },
	{ EVENT_MODEL_FAILED, SQL_UNRESERVE },
	{ EVENT_TASK_RESUMED, SQL_SPEND_LOST },
	{ EVENT_TASK_RESUMED, SQL_UNRESERVE },
	{ EVENT_CALL_STARTED, SQL_SPEND_CALL },
	{ EVENT_CALL_FINISHED, SQL_SPEND_TIME },
	{ EVENT_BUDGET_RAISED, SQL_RAISE },
	{ EVENT_HISTORY_IMPORTED, SQL_ADD_IMPORTED },
	{ EVENT_HISTORY_IMPORTED, SQL_DROP_PRUNED },
	{ EVENT_HISTORY_PRUNED, SQL_ADD_PRUNED },
	{ EVENT_HISTORY_PRUNED, SQL_PRUNED_RUN },
};

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

static void bind_json(sqlite3_stmt *stmt, int at, const json_t *value)
{
	if (json_is_string(value))
		sqlite3_bind_text64(stmt, at, json_string_value(value), json_string_length(value), SQLITE_STATIC,
				    SQLITE_UTF8);
	else if (json_is_integer(value))
		sqlite3_bind_int64(stmt, at, json_integer_value(value));
	else
		sqlite3_bind_null(stmt, at);
}

static const json_t *field(const json_t *data, const char *path)
{
	const char *colons = strstr(path, "::");
	char name[64];

	if (colons == NULL)
		return json_object_get(data, path);
	snprintf(name, sizeof name, "%.*s", (int)(colons - path), path);
	return json_object_get(json_object_get(data, name), colons + 2);
}

static void bind_common(sqlite3_stmt *stmt, int at, const char *name, const struct fact *f)
{
	const struct { const char *name, *value; } texts[] = {
		{ "task", f->task }, { "parent", f->parent }, { "session", f->session }, { "user", f->user },
	};

	if (strcmp(name, "seq") == 0)
		sqlite3_bind_int64(stmt, at, f->seq);
	else if (strcmp(name, "time") == 0)
		sqlite3_bind_int64(stmt, at, f->time_us);
	else if (strcmp(name, "calls") == 0)
		sqlite3_bind_int64(stmt, at, f->calls);
	for (size_t i = 0; i < COUNT(texts); i++)
		if (strcmp(name, texts[i].name) == 0)
			bind_text(stmt, at, texts[i].value);
}

void fact_bind(sqlite3_stmt *stmt, const struct fact *f)
{
	for (int at = 1; at <= sqlite3_bind_parameter_count(stmt); at++) {
		const char *name = sqlite3_bind_parameter_name(stmt, at);
		char pointer[64];
		if (name[0] == '$') {
			bind_json(stmt, at, field(f->data, name + 1));
		} else if (name[0] == '@') {
			snprintf(pointer, sizeof pointer, "/data/%s", name + 1);
			bind_json(stmt, at, json_object_get(f->refs, pointer));
		} else {
			bind_common(stmt, at, name + 1, f);
		}
	}
}

static int name_blobs(struct db *db, const struct fact *fact, struct err *err)
{
	const char *pointer;
	json_t *digest;
	int r = 0;

	json_object_foreach((json_t *)fact->refs, pointer, digest)
		if (r == 0 && json_is_string(digest))
			r = db_run(db, err, SQL_BLOB_REF, "tt", json_string_value(digest), fact->task);
	return r;
}

/* A tool that a task called just before is marked already: the row would be looked for, found and left. */
static bool is_marked(struct db *db, const struct fact *fact, bool mark)
{
	const char *tool = json_get_text(fact->data, "tool", "");
	size_t at = 0, len = strlen(tool);

	if (len >= sizeof db->marked[0].tool || strlen(fact->task) >= sizeof db->marked[0].task)
		return false;
	for (const char *c = tool; *c != '\0'; c++)
		at = at * 31 + (unsigned char)*c;
	for (const char *c = fact->task; *c != '\0'; c++)
		at = at * 31 + (unsigned char)*c;
	struct marked *m = &db->marked[at % COUNT(db->marked)];
	if (mark) {
		memcpy(m->tool, tool, len + 1);
		memcpy(m->task, fact->task, strlen(fact->task) + 1);
	}
	return strcmp(m->tool, tool) == 0 && strcmp(m->task, fact->task) == 0;
}

void project_forget(struct db *db)
{
	memset(db->marked, 0, sizeof db->marked);
}

static bool follows(struct db *db, size_t i, const struct fact *fact)
{
	if ((fact->imported && !rows[i].anywhere) || (rows[i].needs != NULL && json_object_get(fact->data, rows[i].needs) == NULL))
		return false;
	if (rows[i].effect != NULL && strcmp(json_get_text(fact->data, "effect", ""), rows[i].effect) != 0)
		return false;
	if (rows[i].sql == SQL_COUNT_CALL)
		return fact->calls > 0;
	return rows[i].sql != SQL_MARK_TOOL || !is_marked(db, fact, false);
}

int project(struct db *db, enum event_type type, const struct fact *fact, struct err *err)
{
	int r = 0;

	if (!fact->imported && (r = schedule_project(db, type, fact, err)) < 0)
		return r;
	/* Of an engine. A grant outlives its task; the others are about whole trees. */
	if (fact->task[0] == '\0' && type != EVENT_GRANT_REVOKED && type != EVENT_HISTORY_IMPORTED &&
	    type != EVENT_HISTORY_PRUNED)
		return name_blobs(db, fact, err);
	for (size_t i = 0; i < COUNT(rows) && r >= 0; i++) {
		if (rows[i].type != type || !follows(db, i, fact))
			continue;
		struct query q = query_start(db, rows[i].sql, "");
		if (q.rc == SQLITE_OK)
			fact_bind(q.stmt, fact);
		r = run_query(q, err);
		if (r == 0 && rows[i].sql == SQL_MARK_TOOL)
			is_marked(db, fact, true);
	}
	return r == 0 ? name_blobs(db, fact, err) : r;
}

/* ---- everything again ---- */

/* What a tree that left had cost is in no `costs` any more; the event that stands for it says it. */
static int add_days(struct db *db, const json_t *data, struct err *err)
{
	static const char *const keys[] = { "day", "tasks", "unknown", "turns", "calls", "denied", "input", "cache_read",
	                                    "cache_write", "output", "usd_nanos", "cache_write_1h", "reasoning" };
	int64_t n[COUNT(keys)];
	size_t i;
	json_t *row;
	int r = 0;

	json_array_foreach(json_object_get(data, "days"), i, row) {
		for (size_t k = 0; k < COUNT(keys); k++)
			n[k] = json_get_int(row, keys[k], 0);
		if (r == 0)
			r = db_run(db, err, SQL_DAYS_ADD, "ittiiiiiiiiiiii", n[0], json_get_text(row, "user", ""),
			           json_get_text(row, "model", ""), n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10],
			           n[11], n[12]);
	}
	return r;
}

/* What it took from the budgets of its session, its user and its days is still taken. */
static int add_spending(struct db *db, const json_t *data, struct err *err)
{
	const char *root = json_get_text(data, "root", "");
	size_t i;
	json_t *row;
	int r = 0;

	json_array_foreach(json_object_get(data, "spending"), i, row)
		if (r == 0)
			r = db_run(db, err, SQL_SPENDING_ADD, "tttiiiii", root, json_get_text(row, "session", ""),
			           json_get_text(row, "user", ""), json_get_int(row, "day", 0), json_get_int(row, "usd_nanos", 0),
			           json_get_int(row, "tokens", 0), json_get_int(row, "calls", 0), json_get_int(row, "ms", 0));
	return r;
}

/* Is this one of the first events of its tree, which came out of a file? foreign: root → how many are to come. */
static int is_imported(struct db *db, json_t *foreign, const char *task, const char *parent, bool *ret, struct err *err)
{
	const char *asked = parent[0] != '\0' ? parent : task;

	*ret = false;
	if (json_object_size(foreign) == 0 || task[0] == '\0')
		return 0;
	AUTO(query_done) struct query q = query_start(db, SQL_TASK_ROOT, "t", asked);
	int r = query_next(&q, err);
	if (r < 0)
		return r;
	const char *root = r > 0 ? query_text(&q, 0) : task;
	int64_t left = json_get_int(foreign, root, 0);
	*ret = left > 0;
	if (left > 0)
		json_put_int(foreign, root, left - 1);
	return 0;
}

static int project_again(struct db *db, const struct query *q, json_t *foreign, struct err *err)
{
	AUTO(json_decrefp) json_t *event = NULL;
	int64_t time_us;
	int type = event_find(query_text(q, 2));

	if (type < 0)                   /* a newer version's; it has no rows here */
		return 0;
	if (json_parse(query_str(q, 5), &event, err) < 0 || clock_parse(query_text(q, 1), &time_us) < 0)
		return err_set(err, EBADMSG, "%s: event %lld is not as it was written; look with 'mishri audit verify'",
		               q->db->path, (long long)query_int(q, 0));
	struct fact fact = {
		.seq = query_int(q, 0), .time_us = time_us, .task = query_text(q, 4), .session = query_text(q, 3),
		.parent = json_get_text(event, "parent", ""), .user = json_get_text(event, "user", ""),
		.data = json_object_get(event, "data"), .refs = json_object_get(event, "blobs"),
		.calls = 1,
	};
	int r = is_imported(db, foreign, fact.task, fact.parent, &fact.imported, err);
	if (r == 0)
		r = project(db, (enum event_type)type, &fact, err);
	if (fact.task[0] != '\0') /* whole trees are spoken of by the engine chain alone */
		return r;
	if (r == 0 && type == EVENT_HISTORY_PRUNED)
		r = add_days(db, fact.data, err);
	if (r == 0 && type == EVENT_HISTORY_PRUNED)
		r = add_spending(db, fact.data, err);
	if (type == EVENT_HISTORY_IMPORTED)
		json_put_int(foreign, json_get_text(fact.data, "root", ""), json_get_int(fact.data, "events", 0));
	return r;
}

static int clear_all(struct db *db, struct err *err)
{
	static const enum statement clear[] = {
		SQL_CLEAR_CALLS, SQL_CLEAR_STAND_INS, SQL_CLEAR_COSTS, SQL_CLEAR_TASKS, SQL_CLEAR_SPENDING, SQL_CLEAR_RESERVATIONS,
		SQL_CLEAR_RAISES,
		SQL_CLEAR_SCHEDULES, SQL_CLEAR_SCHEDULE_RUNS,
		SQL_CLEAR_APPROVALS, SQL_CLEAR_GRANTS, SQL_CLEAR_MARKS, SQL_CLEAR_DAYS, SQL_CLEAR_DAY_SUMS, SQL_CLEAR_IMPORTED, SQL_CLEAR_PRUNED,
		SQL_CLEAR_BLOB_REFS, SQL_WORDS_CLEAR,
	};
	int r = 0;

	project_forget(db);
	for (size_t i = 0; i < COUNT(clear) && r == 0; i++)
		r = db_run(db, err, clear[i], "");
	return r == 0 ? db_run(db, err, SQL_WORDS_SET_UPTO, "i", (int64_t)0) : r;
}

static int rebuild(struct db *db, struct err *err)
{
	AUTO(json_decrefp) json_t *foreign = json_object();
	int r = clear_all(db, err);

	if (r < 0)
		return r;
	AUTO(query_done) struct query q = query_start(db, SQL_VERIFY_EVENTS, "");
	while ((r = query_next(&q, err)) > 0) {
		r = project_again(db, &q, foreign, err);
		if (r < 0)
			return r;
	}
	return r;
}

int store_rebuild(struct store *store, struct err *err)
{
	if (store->writer == NULL)
		return err_set(err, EROFS, "%s: opened for reading only", store->db.path);
	int r = tx_begin(&store->db, err);
	return r < 0 ? r : tx_end(&store->db, rebuild(&store->db, err), err);
}
