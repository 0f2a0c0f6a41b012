/* test_query.c - what the projections say, that they can be made again, and that every question has an index. */
#include "fixture.h"

#include "store/sqlite.h"

#define A "aaaaaaaaaaa1"
#define B "aaaabbbbbbb2"
#define C "ccccccccccc3"

static struct event replied(const char *task, int input, json_t *usd_nanos)
{
	return event_of(EVENT_MODEL_REPLIED, task, "",
	                json_pack("{si ss ss si s{si si sn si} so si}", "turn", 1, "text", "t", "finish", "stop", "calls", 0,
	                          "usage", "input", input, "cache_read", 3, "cache_write", "output", 7, "usd_nanos", usd_nanos,
	                          "ms", 10));
}

static struct event decided(const char *task, const char *call, const char *effect)
{
	return event_of(EVENT_CALL_DECIDED, task, "",
	                json_pack("{ss ss ss ss ss sn ss s[] sn si}", "call", call, "tool", "shell", "effect", effect, "by",
	                          "policy", "rule", "r1", "source", "reason", "because", "also", "policy", "ns", 1));
}

static struct event answered(const char *task, const char *answer)
{
	return event_of(EVENT_APPROVAL_DECIDED, task, "",
	                json_pack("{ss ss ss ss ss ss}", "approval", "x", "call", "10.1", "answer", answer, "by", "amal",
	                          "digest", "d", "reason", ""));
}

static struct event exec(const char *task, const char *effect)
{
	return event_of(EVENT_EXEC_DECIDED, task, "",
	                json_pack("{ss si ss ss s[] ss ss sn sn ss sn si}", "call", "1.1", "pid", 1, "program", "/bin/rm",
	                          "origin", "system", "argv", "cwd", "/", "effect", effect, "rule", "source", "reason", "",
	                          "policy", "ns", 1));
}

static struct event started(const char *task, const char *call)
{
	return event_of(EVENT_CALL_STARTED, task, "",
	                json_pack("{ss ss ss}", "call", call, "tool", "shell", "nature", "at_most_once"));
}

static struct event cancelled(const char *task)
{
	return event_of(EVENT_TASK_CANCELLED, task, "", json_pack("{ss}", "by", "amal"));
}

static struct event paused(const char *task)
{
	return event_of(EVENT_TASK_PAUSED, task, "", json_pack("{ss sb}", "by", "amal", "now", 0));
}

static struct event continued(const char *task)
{
	return event_of(EVENT_TASK_CONTINUED, task, "", json_pack("{ss}", "by", "amal"));
}

static struct event resumed(const char *task)
{
	return event_of(EVENT_TASK_RESUMED, task, "", json_pack("{ss si ss}", "engine", "e", "generation", 2, "reason", "crash"));
}

/* A little of everything; ids sort differently from time. */
static void fill(struct fixture *f)
{
	AUTO(freep) char *goal = xmalloc(20001);
	struct event events[] = {
		replied(A, 10, json_integer(500)), proposed(A, "1.1", "ls"), decided(A, "1.1", "allow"), started(A, "1.1"),
		exec(A, "allow"), exec(A, "deny"), finished(A, "1.1", "one\n"), replied(A, 5, json_integer(250)),
		proposed(A, "10.1", "rm"), decided(A, "10.1", "ask"), answered(A, "lapsed"), proposed(A, "2.1", "df"),
		decided(A, "2.1", "deny"), answered(A, "allow"), ended(A, "the Answer is 42"),
	};

	memset(goal, 'g', 20000);
	goal[20000] = '\0';
	make_task(f, A, A, "count 100% of the sheep");
	make_task(f, B, B, "sleep");
	for (size_t i = 0; i < COUNT(events); i++)
		OK(f, put(f, A, events[i]));
	make_task(f, A, C, goal);
	OK(f, put(f, A, replied(C, 1, json_null())));
	OK(f, put(f, A, replied(C, 1, json_integer(5))));
	OK(f, put(f, A, ended(C, goal)));
	OK(f, put(f, B, parked(B)));
}

static void costs_and_counts_follow_the_events(void **state UNUSED)
{
	struct fixture f;
	struct task_row row;

	fixture_init(&f);
	fill(&f);
	OK(&f, store_task_get(f.store, A, &row, &f.err));
	assert_string_equal(row.goal, "count 100% of the sheep");
	assert_string_equal(row.result, "the Answer is 42");
	assert_string_equal(row.role, "master");
	assert_string_equal(row.user, "amal");
	assert_int_equal(row.state, TASK_DONE);
	assert_int_equal(row.exit, 0);
	assert_int_equal(row.turns, 2);
	assert_int_equal(row.calls, 3);
	assert_int_equal(row.denied, 3);                /* one exec, one lapsed, one by policy */
	assert_int_equal(row.input, 15);
	assert_int_equal(row.cache_read, 6);
	assert_int_equal(row.cache_write, 0);
	assert_int_equal(row.output, 14);
	assert_int_equal(row.usd_nanos, 750);
	assert_true(row.ended_us > 0 && row.started_us > 0);
	task_row_done(&row);
	OK(&f, store_task_get(f.store, C, &row, &f.err));
	assert_int_equal(row.usd_nanos, -1);            /* one unknown makes the sum unknown */
	assert_string_equal(row.parent, A);
	assert_string_equal(row.root, A);
	assert_int_equal(strlen(row.goal), 20000);
	assert_int_equal(strlen(row.result), 20000);
	task_row_done(&row);
	OK(&f, store_task_get(f.store, B, &row, &f.err));
	assert_int_equal(row.state, TASK_PARKED);
	assert_int_equal(row.exit, -1);
	assert_null(row.result);
	assert_int_equal(row.usd_nanos, 0);
	task_row_done(&row);
	fixture_done(&f);
}

static void the_state_follows_the_last_word(void **state UNUSED)
{
	static const struct { struct event (*make)(const char *); enum task_state want; bool alive; } rows[] = {
		{ NULL, TASK_RUNNING, true },     { parked, TASK_PARKED, false },  { resumed, TASK_RUNNING, true },
		{ paused, TASK_PAUSED, true },    { parked, TASK_PAUSED, true },   { resumed, TASK_PAUSED, true },
		{ continued, TASK_RUNNING, true }, { cancelled, TASK_RUNNING, true },
	};
	struct fixture f;
	struct task_row row;

	fixture_init(&f);
	make_task(&f, A, A, "one");
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].make != NULL)
			OK(&f, put(&f, A, rows[i].make(A)));
		OK(&f, store_task_get(f.store, A, &row, &f.err));
		assert_int_equal(row.state, rows[i].want);
		assert_int_equal(row.alive, rows[i].alive);
		assert_int_equal(row.holder_pid, getpid());
		task_row_done(&row);
	}
	OK(&f, put(&f, A, resumed(A)));
	tamper(&f, "UPDATE engines SET pid = 2147483000");
	OK(&f, store_task_get(f.store, A, &row, &f.err));
	assert_int_equal(row.state, TASK_RUNNING);
	assert_false(row.alive);
	assert_int_equal(row.holder_pid, 0);
	task_row_done(&row);
	fixture_done(&f);
}

static void add_name(void *userdata, const struct task_row *row)
{
	char *to = userdata;
	size_t len = strlen(to);

	snprintf(to + len, 100 - len, "%c", row->task[4] == 'b' ? 'B' : row->task[0] == 'c' ? 'C' : 'A');
}

static void tasks_are_found_by_what_is_known(void **state UNUSED)
{
	static const struct { struct task_filter filter; const char *want; } rows[] = {
		{ { .state = "parked" }, "B" },
		{ { .state = "done" }, "A" },
		{ { .state = "done", .limit = 1 }, "A" },
		{ { .state = "failed" }, "" },
		{ { .parent = A }, "C" },
		{ { .parent = A, .state = "running" }, "" },
		{ { .parent = B }, "" },
	};
	struct fixture f;

	fixture_init(&f);
	fill(&f);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char got[100] = "";
		OK(&f, store_tasks(f.store, &rows[i].filter, add_name, got, &f.err));
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("row %zu: '%s', not '%s'", i, got, rows[i].want);
	}
	fixture_done(&f);
}

static void add_cost(void *userdata, const struct cost_row *row)
{
	char *to = userdata;
	size_t len = strlen(to);
	char usd[24] = "?";

	if (row->usd_nanos >= 0)
		snprintf(usd, sizeof usd, "%lld", (long long)row->usd_nanos);
	assert_string_equal(row->user, "amal");
	snprintf(to + len, 400 - len, "%.4s/%.4s %.5s %lld+%lld+%lld+%lld %s\n", row->root, row->task, row->goal,
	         (long long)row->input, (long long)row->cache_read, (long long)row->cache_write, (long long)row->output, usd);
}

static void each_task_has_its_own_costs(void **state UNUSED)
{
	static const struct { struct cost_filter filter; const char *want; } rows[] = {
		{ { 0 }, "aaaa/aaaa sleep 0+0+0+0 0\naaaa/aaaa count 15+6+0+14 750\naaaa/cccc count 2+6+0+14 ?\n" },
		{ { .since_us = INT64_MAX }, "" },
		{ { .until_us = 1 }, "" },
		{ { .user = "bo" }, "" },
		{ { .user = "amal", .session = "s00000000001", .since_us = 1, .until_us = INT64_MAX },
		  "aaaa/aaaa sleep 0+0+0+0 0\naaaa/aaaa count 15+6+0+14 750\naaaa/cccc count 2+6+0+14 ?\n" },
		{ { .session = "s00000000002" }, "" },
		{ { .root = B }, "aaaa/aaaa sleep 0+0+0+0 0\n" },
	};
	struct fixture f;

	fixture_init(&f);
	fill(&f);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char got[400] = "";
		OK(&f, store_costs(f.store, &rows[i].filter, add_cost, got, &f.err));
		assert_string_equal(got, rows[i].want);
	}
	fixture_done(&f);
}

static void the_last_event_is_the_newest_of_the_task(void **state UNUSED)
{
	static const struct { const char *task; enum event_type want; } rows[] = {
		{ A, EVENT_TASK_FINISHED }, { B, EVENT_TASK_PARKED },
	};
	struct fixture f;
	struct event e;

	fixture_init(&f);
	fill(&f);
	for (size_t i = 0; i < COUNT(rows); i++) {
		OK(&f, store_event_last(f.store, rows[i].task, &e, &f.err));
		assert_int_equal(e.type, rows[i].want);
		assert_true(e.seq > 0);
		event_done(&e);
	}
	assert_int_equal(store_event_last(f.store, "zzzzzzzzzzzz", &e, &f.err), -ENOENT);
	fixture_done(&f);
}

static void a_name_must_be_clear(void **state UNUSED)
{
	static const struct { const char *name; int want; const char *task; } rows[] = {
		{ A, 0, A }, { "ccccc", 0, C }, { "aaaab", 0, B }, { "aaaa", -EEXIST, "" }, { "ccc", -ENOENT, "" },
		{ "zzzz", -ENOENT, "" }, { "", -ENOENT, "" }, { "last", 0, B }, { "aaaaaaaaaaa1x", -ENOENT, "" }, { "aaa%", -ENOENT, "" },
	};
	struct fixture f;
	char task[ID_LEN + 1];

	fixture_init(&f);
	assert_int_equal(store_task_find(f.store, "last", task, &f.err), -ENOENT);
	fill(&f);
	for (size_t i = 0; i < COUNT(rows); i++) {
		memset(task, 0, sizeof task);
		assert_int_equal(store_task_find(f.store, rows[i].name, task, &f.err), rows[i].want);
		assert_string_equal(task, rows[i].task);
	}
	fixture_done(&f);
}

static void add_call(void *userdata, const struct call_row *row)
{
	char *to = userdata;
	size_t len = strlen(to);

	snprintf(to + len, 500 - len, "%s %s %s %s %s %s %d %d %s;", row->call, row->tool, row->args, row->effect, row->rule,
	         row->status, row->exit, row->started_us != 0, row->output);
}

static void calls_come_in_order_with_what_was_said(void **state UNUSED)
{
	struct fixture f;
	char got[500] = "";

	fixture_init(&f);
	fill(&f);
	OK(&f, store_calls(f.store, A, add_call, got, &f.err));
	assert_string_equal(got, "1.1 shell {\"command\":\"ls\"} allow r1 ok 0 1 one\n;"
	                         "10.1 shell {\"command\":\"rm\"} ask r1  -1 0 ;"
	                         "2.1 shell {\"command\":\"df\"} deny r1  -1 0 ;");
	fixture_done(&f);
}

struct tally { int64_t count, stop_at; };

static bool count(void *userdata, const struct event_row *row UNUSED)
{
	struct tally *t = userdata;

	return ++t->count != t->stop_at;
}

static void events_are_found_by_type_and_place(void **state UNUSED)
{
	static const struct { struct event_filter filter; int64_t stop_at, want; } rows[] = {
		{ { 0 }, 0, 22 },
		{ { 0 }, 5, 5 },
		{ { .limit = 4 }, 0, 4 },
		{ { .after_seq = 20 }, 0, 2 },
		{ { .type = "call." }, 0, 8 },
		{ { .type = "call.decided" }, 0, 3 },
		{ { .type = "call.decide" }, 0, 0 },
		{ { .type = "call" }, 0, 0 },
		{ { .type = "call.", .after_seq = 10 }, 0, 4 },
		{ { .task = A }, 0, 16 },
		{ { .task = A, .tree = true }, 0, 20 },
		{ { .task = C, .tree = true }, 0, 20 },
		{ { .task = C }, 0, 4 },
		{ { .task = A, .tree = true, .type = "task." }, 0, 4 },
		{ { .task = A, .type = "task." }, 0, 2 },
		{ { .task = A, .tree = true, .type = "task.", .limit = 3 }, 0, 3 },
		{ { .task = "zzzzzzzzzzzz" }, 0, 0 },
		{ { .task = "zzzzzzzzzzzz", .tree = true }, 0, 0 },
	};
	struct fixture f;

	fixture_init(&f);
	fill(&f);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct tally t = { 0, rows[i].stop_at };
		OK(&f, store_events(f.store, &rows[i].filter, count, &t, &f.err));
		if (t.count != rows[i].want)
			fail_msg("row %zu: %lld events, not %lld", i, (long long)t.count, (long long)rows[i].want);
	}
	fixture_done(&f);
}

/* Inside a visit of calls, other questions may be put, also the same one. */
static void ask_again(void *userdata, const struct call_row *row UNUSED)
{
	struct fixture *f = userdata;
	char got[500] = "";

	OK(f, store_calls(f->store, A, add_call, got, &f->err));
	assert_non_null(strstr(got, "2.1 shell"));
}

static void questions_nest(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	fill(&f);
	OK(&f, store_calls(f.store, A, ask_again, &f, &f.err));
	fixture_done(&f);
}

/* All rows of a table as one text. */
static char *dump(const struct fixture *f, const char *table)
{
	struct buf text = BUF_INIT(MIB(16));
	char path[128], sql[64];
	sqlite3 *db;
	sqlite3_stmt *stmt;

	snprintf(path, sizeof path, "%s/mishri.db", f->dir);
	snprintf(sql, sizeof sql, "SELECT * FROM %s ORDER BY 1", table);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const char *value = (const char *)sqlite3_column_text(stmt, i);
			buf_printf(&text, "%s|", value != NULL ? value : "NULL");
		}
		buf_add_char(&text, '\n');
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return buf_take(&text);
}

static void projections_can_be_made_again(void **state UNUSED)
{
	static const char *const tables[] = { "tasks", "costs", "calls", "leases", "inbox" };
	static const char *const damage[] = {
		"SELECT 1", "UPDATE costs SET usd_nanos = 1", "DELETE FROM calls", "UPDATE tasks SET state = 'done', goal = 'x'",
	};
	AUTO(json_decrefp) json_t *body = json_object();

	for (size_t i = 0; i < COUNT(damage); i++) {
		struct fixture f;
		char *before[COUNT(tables)];
		fixture_init(&f);
		fill(&f);
		OK(&f, store_inbox_put(f.store, B, "steer", "amal", body, &f.err));
		for (size_t k = 0; k < COUNT(tables); k++)
			before[k] = dump(&f, tables[k]);
		assert_true(strlen(before[0]) > 100 && strlen(before[2]) > 100);
		tamper(&f, damage[i]);
		OK(&f, store_rebuild(f.store, &f.err));
		for (size_t k = 0; k < COUNT(tables); k++) {
			AUTO(freep) char *after = dump(&f, tables[k]);
			assert_string_equal(before[k], after);
			free(before[k]);
		}
		/* and the lease still fences */
		OK(&f, put(&f, B, parked(B)));
		fixture_done(&f);
	}
}

static void calls_that_come_together_are_each_counted(void **state UNUSED)
{
	static const char *const tables[] = { "costs", "days", "day_sums", "calls" };
	struct fixture f;
	char *before[COUNT(tables)];
	struct event events[] = {
		proposed(A, "1.1", "a"), proposed(A, "1.2", "b"), proposed(C, "1.1", "c"), proposed(C, "1.2", "d"), proposed(A, "1.3", "e"),
		started(A, "1.1"), proposed(A, "1.4", "f"), started(A, "1.2"),
	};

	fixture_init(&f);
	make_task(&f, A, A, "many at once");
	make_task(&f, A, C, "below");
	OK(&f, store_append_wait(f.store, &(struct store_batch){ .root = A, .task = A, .generation = 1, .events = events,
	                         .count = COUNT(events) }, NULL, &f.err));
	assert_int_equal(tamper(&f, "SELECT calls FROM costs WHERE task = '" A "'"), 4);
	assert_int_equal(tamper(&f, "SELECT calls FROM costs WHERE task = '" C "'"), 2);
	assert_int_equal(tamper(&f, "SELECT sum(calls) FROM days"), 6);
	assert_int_equal(tamper(&f, "SELECT sum(calls) FROM day_sums"), 6);
	for (size_t k = 0; k < COUNT(tables); k++)
		before[k] = dump(&f, tables[k]);
	OK(&f, store_rebuild(f.store, &f.err));
	for (size_t k = 0; k < COUNT(tables); k++) {
		AUTO(freep) char *after = dump(&f, tables[k]);
		assert_string_equal(before[k], after);
		free(before[k]);
	}
	fixture_done(&f);
}

static void every_statement_has_an_index(void **state UNUSED)
{
	struct fixture f;
	char path[128];
	sqlite3 *db;

	fixture_init(&f);
	fill(&f);
	snprintf(path, sizeof path, "%s/mishri.db", f.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (enum statement id = 0; id < STATEMENTS; id++) {
		AUTO(freep) char *sql = xasprintf("EXPLAIN QUERY PLAN %s", statement_sql(id));
		sqlite3_stmt *stmt;
		if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
			fail_msg("%s: %s", statement_name(id), sqlite3_errmsg(db));
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			const char *detail = (const char *)sqlite3_column_text(stmt, 3);
			bool scan = strncmp(detail, "SCAN", 4) == 0 && strcmp(detail, "SCAN CONSTANT ROW") != 0;
			if ((scan || strstr(detail, "TEMP B-TREE") != NULL) && !statement_reads_all(id))
				fail_msg("%s: %s", statement_name(id), detail);
		}
		sqlite3_finalize(stmt);
	}
	sqlite3_close(db);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(costs_and_counts_follow_the_events),
		cmocka_unit_test(calls_that_come_together_are_each_counted),
		cmocka_unit_test(the_state_follows_the_last_word),
		cmocka_unit_test(tasks_are_found_by_what_is_known),
		cmocka_unit_test(each_task_has_its_own_costs),
		cmocka_unit_test(the_last_event_is_the_newest_of_the_task),
		cmocka_unit_test(a_name_must_be_clear),
		cmocka_unit_test(calls_come_in_order_with_what_was_said),
		cmocka_unit_test(events_are_found_by_type_and_place),
		cmocka_unit_test(questions_nest),
		cmocka_unit_test(projections_can_be_made_again),
		cmocka_unit_test(every_statement_has_an_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
