/* test_retain.c - trees that leave by themselves: round by round, never what is held, and what came out of a file by the time
 * at which it came. */
#include "fixture.h"

#include "store/history.h"
#include "store/prune.h"
#include "store/transfer.h"

#define DAY INT64_C(86400000000)

static struct event at(struct event e, int64_t time_us)
{
	e.time_us = time_us;
	return e;
}

static void goal_name(int i, char task[static ID_LEN + 1])
{
	snprintf(task, ID_LEN + 1, "%c%011d", 'a' + i % 20, i);
}

/* A goal that began and ended days ago; days < 0: it has not ended. */
static void put_goal(struct fixture *f, int i, int64_t days)
{
	int64_t then = clock_wall_us() - (days < 0 ? 100 : days) * DAY;
	char task[ID_LEN + 1];

	goal_name(i, task);
	OK(f, put_with(f, (struct store_batch){ .root = task, .task = task, .lease = LEASE_CREATE }, at(created(task, "", "goal"), then), NULL));
	OK(f, put_with(f, (struct store_batch){ .root = task, .task = task, .generation = 1, .checkpoint = true, .lease = LEASE_RELEASE },
	               at(days < 0 ? parked(task) : ended(task, "done"), then + 1), NULL));
}

struct seen { bool over; struct retain_end end; };

static void over(void *userdata, const struct retain_end *end)
{
	struct seen *seen = userdata;

	assert_false(seen->over);
	seen->over = true;
	seen->end = *end;
}

static struct seen round_of(struct fixture *f, const struct prune_rule *rule, int64_t most)
{
	struct seen seen = { 0 };

	OK(f, store_retain(f->store, rule, "a rule", most, over, &seen, &f->err));
	assert_int_equal(store_retain(f->store, rule, "a rule", most, over, &seen, &f->err), -EALREADY);
	while (!seen.over) {
		struct pollfd p = { store_fd(f->store), POLLIN, 0 };
		assert_int_equal(poll(&p, 1, 60000), 1);
		store_dispatch(f->store);
	}
	return seen;
}

static void count(void *userdata, const struct prune_row *row)
{
	*(int64_t *)userdata += row->stays == NULL;
}

static int64_t would_leave(struct fixture *f, const struct prune_rule *rule)
{
	int64_t n = 0;

	OK(f, store_prune_list(f->store, rule, count, &n, &f->err));
	return n;
}

static const char *held(const void *userdata, const char *root)
{
	return strcmp(userdata, root) == 0 ? "it is held" : NULL;
}

/* Ten goals, 1 to 10 days old, and one that waits. */
static void rounds_are_bounded_and_come_to_the_end(void **state UNUSED)
{
	static const struct { int64_t days, keep, most, rounds, left; bool held; } rows[] = {
		{ .days = 20, .most = 5, .rounds = 1, .left = 0 },
		{ .days = 3, .most = 100, .rounds = 1, .left = 8 },
		{ .days = 3, .most = 3, .rounds = 3, .left = 8 },
		{ .days = 0, .keep = 4, .most = 4, .rounds = 2, .left = 7 },     /* the newest is the one that waits */
		{ .days = 0, .most = 9, .rounds = 1, .left = 9, .held = true },
		{ .days = 0, .most = 10, .rounds = 1, .left = 10 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fixture f;
		struct store_report report;
		char first[ID_LEN + 1];
		struct seen seen = { .end.more = true };
		int64_t left = 0, rounds = 0, events = 0;
		fixture_init(&f);
		for (int k = 0; k < 10; k++)
			put_goal(&f, k, 10 - k);
		put_goal(&f, 10, -1);
		goal_name(0, first);
		struct prune_rule rule = { .ended_before_us = clock_wall_us() - rows[i].days * DAY + DAY / 2, .keep = rows[i].keep,
		                           .holds = rows[i].held ? held : NULL, .userdata = first };
		int64_t before = tamper(&f, "SELECT count(*) FROM events"), said = would_leave(&f, &rule);
		for (; seen.end.more; rounds++) {
			seen = round_of(&f, &rule, rows[i].most);
			assert_int_equal(seen.end.result, 0);
			assert_true(seen.end.left <= rows[i].most);
			left += seen.end.left;
			events += seen.end.events;
		}
		assert_int_equal(left, rows[i].left);
		assert_int_equal(left, said);
		assert_int_equal(rounds, rows[i].rounds);
		assert_int_equal(would_leave(&f, &rule), 0);
		assert_int_equal(tamper(&f, "SELECT count(*) FROM events"), before - events + left);
		assert_int_equal(tamper(&f, "SELECT count(*) FROM events WHERE type = 'history.pruned' AND data LIKE '%\"by\":\"retention\"%'"), left);
		OK(&f, store_verify(f.store, &report, &f.err));
		assert_int_equal(report.pruned, left);
		put_goal(&f, 11, 1);                                        /* and work goes on */
		fixture_done(&f);
	}
}

/* Nobody is told of a round that nobody waits for any more, and none outlives the store. */
static void a_store_closes_in_the_middle(void **state UNUSED)
{
	struct fixture f;
	struct seen seen = { 0 };
	struct store_report report;

	fixture_init(&f);
	for (int k = 0; k < 50; k++)
		put_goal(&f, k, 10);
	struct prune_rule rule = { .ended_before_us = clock_wall_us() };
	OK(&f, store_retain(f.store, &rule, "a rule", 50, over, &seen, &f.err));
	store_retain_alone(f.store);
	fixture_close(&f);
	assert_false(seen.over);
	fixture_open(&f);
	OK(&f, store_verify(f.store, &report, &f.err));
	assert_int_equal(report.pruned + would_leave(&f, &rule), 50);
	fixture_done(&f);
}

static void count_open(void *userdata, const struct task_row *row UNUSED)
{
	++*(int64_t *)userdata;
}

static int keep(void *userdata, struct str line, struct err *err UNUSED)
{
	buf_add(userdata, line.ptr, line.len);
	return 0;
}

/* A tree of 50 days ago comes in now, with one of here beside it that is as old. */
static void what_was_imported_counts_from_then(void **state UNUSED)
{
	static const struct { int64_t days; bool resumable; int64_t older_days; const char *only; int64_t leaves; bool open; } rows[] = {
		{ .days = 50, .older_days = 30, .leaves = 0 },
		{ .days = 50, .older_days = -1, .leaves = 1 },
		{ .days = 50, .resumable = true, .older_days = 30, .leaves = 0 },
		{ .days = 50, .resumable = true, .older_days = -1, .leaves = 1 },
		{ .days = -1, .older_days = 30, .leaves = 0 },
		{ .days = -1, .older_days = -1, .leaves = 1 },
		{ .days = -1, .older_days = -1, .only = "done", .leaves = 0 },
		{ .days = -1, .resumable = true, .older_days = -1, .leaves = 0, .open = true },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_done) struct buf file = BUF_INIT(MIB(1));
		struct fixture f, g;
		struct store_report report;
		struct transfer t;
		char task[ID_LEN + 1];
		int64_t open = 0;
		fixture_init(&f);
		fixture_init(&g);
		put_goal(&f, 1, rows[i].days);
		put_goal(&g, 2, 50);
		goal_name(1, task);
		OK(&f, store_export(f.store, task, "amal", keep, &file, &f.err));
		OK(&g, store_import(g.store, buf_str(&file), "bo", rows[i].resumable, &t, &g.err));
		struct prune_rule rule = { .ended_before_us = clock_wall_us() - rows[i].older_days * DAY, .state = rows[i].only };
		assert_int_equal(round_of(&g, &rule, 10).end.left, rows[i].leaves + 1);
		OK(&g, store_verify(g.store, &report, &g.err));
		assert_int_equal(tamper(&g, "SELECT count(*) FROM tasks"), 1 - rows[i].leaves);
		struct task_filter filter = { .state = "parked" };
		OK(&g, store_tasks(g.store, &filter, count_open, &open, &g.err));
		assert_int_equal(open, rows[i].open);
		fixture_done(&f);
		fixture_done(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds_are_bounded_and_come_to_the_end), cmocka_unit_test(a_store_closes_in_the_middle),
		cmocka_unit_test(what_was_imported_counts_from_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
