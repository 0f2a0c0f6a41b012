/* test_prune.c - trees leave whole, what stands for them holds the record together, and what must stay stays. */
#include "fixture.h"

#include "store/history.h"
#include "store/prune.h"

#define A "aaaaaaaaaaa1"
#define B "bbbbbbbbbbb2"
#define C "ccccccccccc3"
#define D "dddddddddddd"
#define E "eeeeeeeeeeee"

static struct event replied(const char *task)
{
	return event_of(EVENT_MODEL_REPLIED, task, "",
	                json_pack("{si ss ss si s{si si sn si} si si}", "turn", 1, "text", "umbrella", "finish", "stop", "calls", 0,
	                          "usage", "input", 10, "cache_read", 3, "cache_write", "output", 7, "usd_nanos", 500, "ms", 10));
}

static struct event granted(const char *task)
{
	return event_of(EVENT_GRANT_MADE, task, "",
	                json_pack("{ss ss ss sI ss ss ss s{} sn ss}", "grant", "ggggggggggg1", "approval", "ppppppppppp1", "scope", "date", "until_us",
	                          (json_int_t)INT64_MAX, "digest", "d", "covers", "tool shell", "same", "action", "action",
	                          "rule", "by", "amal"));
}

static struct event revoked(void)
{
	return event_of(EVENT_GRANT_REVOKED, "", "", json_pack("{ss ss}", "grant", "ggggggggggg1", "by", "amal"));
}

static void end(struct fixture *f, const char *root, const char *task)
{
	OK(f, put_with(f, (struct store_batch){ .root = root, .task = task, .generation = 1, .checkpoint = true, .lease = LEASE_RELEASE },
	               ended(task, "umbrella"), NULL));
}

/* A: two tasks, a blob of its own and one that B has too. B: done. C: parked. D: runs. E: done, with a grant in force. */
static void fill(struct fixture *f)
{
	AUTO(freep) char *own = xmalloc(20001), *both = xmalloc(30001);

	memset(own, 'o', 20000);
	memset(both, 'b', 30000);
	own[20000] = both[30000] = '\0';
	make_task(f, A, A, "go out");
	make_task(f, B, B, "stay in");
	OK(f, put(f, A, replied(A)));
	OK(f, put(f, A, proposed(A, "1.1", "ls")));
	OK(f, put(f, A, finished(A, "1.1", own)));
	OK(f, put(f, B, finished(B, "1.1", both)));
	make_task(f, A, "aaaaaaaaaaa2", "a part");
	OK(f, put(f, A, finished("aaaaaaaaaaa2", "1.1", both)));
	end(f, A, "aaaaaaaaaaa2");
	end(f, A, A);
	end(f, B, B);
	make_task(f, C, C, "wait");
	OK(f, put_with(f, (struct store_batch){ .root = C, .task = C, .generation = 1, .checkpoint = true, .lease = LEASE_RELEASE },
	               parked(C), NULL));
	make_task(f, D, D, "run");
	make_task(f, E, E, "grant");
	OK(f, put(f, E, granted(E)));
	end(f, E, E);
	OK(f, store_words_update(f->store, &f->err));
}

static void add(void *userdata, const struct prune_row *row)
{
	char *to = userdata;
	size_t len = strlen(to);

	snprintf(to + len, 200 - len, "%c%lld%s ", row->root->task[0], (long long)row->tasks, row->stays != NULL ? "!" : "");
	assert_true(row->events > 0 && row->bytes > 0);
}

static void the_rule_says_who(void **state UNUSED)
{
	static const struct { struct prune_rule rule; const char *want; } rows[] = {
		{ { .ended_before_us = INT64_MAX }, "a2 b1 e1! " },
		{ { .ended_before_us = 1 }, "" },
		{ { .ended_before_us = INT64_MAX, .keep = 1 }, "a2 b1 " },
		{ { .ended_before_us = INT64_MAX, .keep = 4 }, "a2 " },
		{ { .ended_before_us = INT64_MAX, .keep = 5 }, "" },
		{ { .ended_before_us = INT64_MAX, .keep = 99 }, "" },
		{ { .ended_before_us = INT64_MAX, .state = "failed" }, "" },
		{ { .ended_before_us = INT64_MAX, .state = "done" }, "a2 b1 e1! " },
	};
	struct fixture f;

	fixture_init(&f);
	fill(&f);
	int64_t before = tamper(&f, "SELECT count(*) FROM events");
	for (size_t i = 0; i < COUNT(rows); i++) {
		char got[200] = "";
		OK(&f, store_prune_list(f.store, &rows[i].rule, add, got, &f.err));
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("row %zu: '%s', not '%s'", i, got, rows[i].want);
	}
	assert_int_equal(tamper(&f, "SELECT count(*) FROM events"), before);
	fixture_done(&f);
}

static void count(void *userdata, const struct history_row *row UNUSED)
{
	++*(int *)userdata;
}

static int found(struct fixture *f, const char *text)
{
	int n = 0;
	bool more;

	OK(f, store_history(f->store, &(struct history_filter){ .text = text }, count, &n, &more, &f->err));
	return n;
}

/* What remains of it anywhere but in history.pruned and in checkpoints. */
static int64_t left_of_a(struct fixture *f)
{
	return tamper(f, "SELECT (SELECT count(*) FROM events WHERE task LIKE 'aaaa%') + (SELECT count(*) FROM tasks WHERE root = '" A "')"
	                 " + (SELECT count(*) FROM calls WHERE task LIKE 'aaaa%') + (SELECT count(*) FROM costs WHERE task LIKE 'aaaa%')"
	                 " + (SELECT count(*) FROM chains WHERE root = '" A "') + (SELECT count(*) FROM blob_refs WHERE root = '" A "')"
	                 " + (SELECT count(*) FROM leases WHERE task LIKE 'aaaa%') + (SELECT count(*) FROM marks WHERE root = 1)"
	                 " + (SELECT count(*) FROM blobs WHERE data LIKE 'oooo%')");
}

static void a_tree_leaves_whole(void **state UNUSED)
{
	struct store_report r;
	struct fixture f;

	fixture_init(&f);
	fill(&f);
	int64_t days = tamper(&f, "SELECT sum(tasks + turns * 10 + usd_nanos) FROM days");
	int64_t spent = tamper(&f, "SELECT sum(usd_nanos + tokens + calls) FROM spending");
	assert_true(left_of_a(&f) > 10 && spent > 0 && found(&f, "umbrella") == 3);
	OK(&f, store_prune(f.store, A, "amal", "a rule", &f.err));
	assert_int_equal(left_of_a(&f), 0);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM blobs"), 1);      /* B has it too */
	assert_int_equal(tamper(&f, "SELECT count(*) FROM words WHERE words MATCH 'part'"), 0);
	assert_int_equal(found(&f, "umbrella"), 2);
	for (int again = 0; again < 2; again++) {
		OK(&f, store_verify(f.store, &r, &f.err));
		assert_true(r.pruned == 1 && r.events == tamper(&f, "SELECT count(*) FROM events"));
		assert_int_equal(tamper(&f, "SELECT sum(tasks + turns * 10 + usd_nanos) FROM days"), days);
		assert_int_equal(tamper(&f, "SELECT sum(usd_nanos + tokens + calls) FROM spending"), spent);
		OK(&f, store_rebuild(f.store, &f.err));
	}
	OK(&f, store_prune(f.store, B, "amal", "a rule", &f.err));
	assert_int_equal(tamper(&f, "SELECT count(*) FROM blobs"), 0);      /* now nobody has */
	OK(&f, store_compact(f.store, &f.err));
	OK(&f, store_verify(f.store, &r, &f.err));
	assert_int_equal(r.pruned, 2);
	OK(&f, put(&f, D, replied(D)));                                     /* and work goes on */
	OK(&f, store_verify(f.store, &r, &f.err));
	fixture_done(&f);
}

static void what_stays(void **state UNUSED)
{
	static const struct { const char *root; int want; const char *says; } rows[] = {
		{ C, -EBUSY, "has not ended" }, { D, -EBUSY, "has not ended" }, { E, -EBUSY, "grant ggggggggggg1" },
		{ "aaaaaaaaaaa2", -ENOENT, "no root task" }, { "zzzzzzzzzzzz", -ENOENT, "no root task" },
	};
	struct fixture f;

	fixture_init(&f);
	fill(&f);
	int64_t before = tamper(&f, "SELECT count(*) FROM events");
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(store_prune(f.store, rows[i].root, "amal", "a rule", &f.err), rows[i].want);
		assert_non_null(strstr(f.err.text, rows[i].says));
	}
	assert_int_equal(tamper(&f, "SELECT count(*) FROM events"), before);
	OK(&f, put(&f, "", revoked()));
	OK(&f, store_prune(f.store, E, "amal", "a rule", &f.err));          /* it was the grant alone */
	fixture_done(&f);
}

/* Somebody with a hand in the file, after a tree has left. */
static void what_did_not_leave_is_missed(void **state UNUSED)
{
#define FREE "DROP TRIGGER events_last; DROP TRIGGER events_stay; DROP TRIGGER checkpoints_last; DROP TRIGGER checkpoints_stay;"
	static const char *const rows[] = {
		FREE "DELETE FROM events WHERE task = '" B "' AND seq = (SELECT max(seq) FROM events WHERE task = '" B "')",
		FREE "DELETE FROM events WHERE task = '" B "'; DELETE FROM chains WHERE root = '" B "'; DELETE FROM blobs;",
		FREE "DELETE FROM events WHERE type = 'history.pruned'",
		FREE "UPDATE events SET data = replace(data, '\"events\":9', '\"events\":8') WHERE type = 'history.pruned'",
		FREE "UPDATE events SET data = replace(data, 'a rule', 'no rule') WHERE type = 'history.pruned'",
		"DROP TRIGGER costs_more",
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct store_report r;
		struct fixture f;
		fixture_init(&f);
		fill(&f);
		OK(&f, store_prune(f.store, A, "amal", "a rule", &f.err));
		OK(&f, store_verify(f.store, &r, &f.err));
		tamper(&f, rows[i]);
		if (store_verify(f.store, &r, &f.err) != -EBADMSG)
			fail_msg("not seen: %s", rows[i]);
		fixture_done(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rule_says_who), cmocka_unit_test(a_tree_leaves_whole), cmocka_unit_test(what_stays),
		cmocka_unit_test(what_did_not_leave_is_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
