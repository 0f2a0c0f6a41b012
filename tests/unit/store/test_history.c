/* test_history.c - trees found by words and by what is known of them, pages, ranks, sums by day; and what is no search. */
#include "fixture.h"

#include "store/history.h"
#include "store/search.h"

#define A "aaaaaaaaaaa1"
#define B "bbbbbbbbbbb2"
#define C "ccccccccccc3"
#define D "dddddddddddd"
#define FAR INT64_C(4102444800000000)           /* 2100 */

static struct event replied(const char *task, const char *text, json_t *usd_nanos)
{
	return event_of(EVENT_MODEL_REPLIED, task, "",
	                json_pack("{si ss ss si s{si si sn si} so si}", "turn", 1, "text", text, "finish", "stop", "calls", 0,
	                          "usage", "input", 10, "cache_read", 3, "cache_write", "output", 7, "usd_nanos", usd_nanos,
	                          "ms", 10));
}

static struct event denied(const char *task, const char *call)
{
	return event_of(EVENT_CALL_DECIDED, task, "",
	                json_pack("{ss ss ss ss ss sn ss s[] sn si}", "call", call, "tool", "shell", "effect", "deny", "by",
	                          "policy", "rule", "r1", "source", "reason", "because", "also", "policy", "ns", 1));
}

static void put_as(struct fixture *f, const char *root, const char *task, const char *user, const char *session, const char *model,
                   const char *goal)
{
	struct event e = created(task, strcmp(root, task) == 0 ? "" : root, goal);

	snprintf(e.user, sizeof e.user, "%s", user);
	snprintf(e.session, sizeof e.session, "%s", session);
	json_put_text(e.data, "model", model);
	OK(f, put_with(f, (struct store_batch){ .root = root, .task = task, .lease = LEASE_CREATE }, e, NULL));
}

/* A: two words far apart, a denied call, money. B: another user, parked. C: a child of A. D: a phrase, and a price nobody knows. */
static void fill(struct fixture *f)
{
	AUTO(freep) char *lot = xmalloc(40001);

	memset(lot, 'x', 40000);
	memcpy(lot, "needle ", 7);
	memcpy(lot + 39000, " haystack ", 10);
	lot[40000] = '\0';
	put_as(f, A, A, "amal", "s00000000001", "recorded/one", "Pay the invoice of Müller");
	put_as(f, B, B, "bo", "s00000000002", "openai/gpt-5", "sleep");
	OK(f, put(f, A, replied(A, "I look for the file", json_integer(500))));
	OK(f, put(f, A, proposed(A, "1.1", "cat /etc/hosts.conf")));
	OK(f, put(f, A, finished(A, "1.1", "No such file or directory")));
	OK(f, put(f, A, proposed(A, "2.1", "rm")));
	OK(f, put(f, A, denied(A, "2.1")));
	put_as(f, A, C, "amal", "s00000000001", "openai/gpt-5-mini", "count the sheep");
	OK(f, put(f, A, replied(C, "sheep sheep sheep", json_integer(1500))));
	OK(f, put(f, A, ended(C, "forty-two")));
	OK(f, put(f, A, ended(A, "paid")));
	OK(f, put_with(f, (struct store_batch){ .root = B, .task = B, .generation = 1, .checkpoint = true }, parked(B), NULL));
	put_as(f, D, D, "amal", "s00000000001", "recorded/one", "find the sheep");
	OK(f, put(f, D, finished(D, "1.1", lot)));
	OK(f, put(f, D, replied(D, "the invoice was not paid", json_null())));
	OK(f, store_words_update(f->store, &f->err));
}

static void add_name(void *userdata, const struct history_row *row)
{
	char *to = userdata;
	size_t len = strlen(to);

	snprintf(to + len, 100 - len, "%c", row->root->task[0] - 'a' + 'A');
}

static void trees_are_found(void **state UNUSED)
{
	static const struct { struct history_filter filter; const char *want; bool more; } rows[] = {
		{ { 0 }, "DBA", false },
		{ { .limit = 1 }, "D", true },
		{ { .limit = 1, .before = D }, "B", true },
		{ { .limit = 9, .before = B }, "A", false },
		{ { .limit = 3 }, "DBA", false },
		{ { .text = "invoice" }, "DA", false },
		{ { .text = "INVOICE paid" }, "DA", false },      /* both, anywhere in the tree */
		{ { .text = "\"invoice paid\"" }, "", false },
		{ { .text = "\"not paid\"" }, "D", false },
		{ { .text = "invoice -such" }, "D", false },
		{ { .text = "forty OR needle" }, "DA", false },
		{ { .text = "forty OR nothing" }, "A", false },
		{ { .text = "muller" }, "A", false },             /* accents do not matter */
		{ { .text = "inv*" }, "DA", false },
		{ { .text = "inv" }, "", false },
		{ { .text = "\"the inv\"*" }, "DA", false },
		{ { .text = "goal:invoice" }, "A", false },
		{ { .text = "reply:invoice" }, "D", false },
		{ { .text = "result:paid" }, "A", false },
		{ { .text = "args:hosts.conf" }, "A", false },
		{ { .text = "output:needle" }, "D", false },      /* lies in a blob */
		{ { .text = "haystack" }, "", false },            /* beyond what is indexed of one text */
		{ { .text = "sheep" }, "DA", false },             /* of a child */
		{ { .text = "x:y OR goal:sleep" }, "B", false },
		{ { .text = "\"); drop\" OR sleep" }, "B", false },
		{ { .text = "sheep", .user = "bo" }, "", false },
		{ { .user = "amal" }, "DA", false },
		{ { .user = "am" }, "", false },
		{ { .session = "s00000000002" }, "B", false },
		{ { .state = "parked" }, "B", false },
		{ { .state = "done", .user = "amal" }, "A", false },
		{ { .tool = "shell" }, "A", false },
		{ { .tool = "shel" }, "", false },
		{ { .agent = "default", .limit = 1 }, "D", true },
		{ { .model = "GPT-5" }, "BA", false },            /* B itself, A by its child */
		{ { .model = "mini" }, "A", false },
		{ { .model = "%" }, "", false },
		{ { .denied = true }, "A", false },
		{ { .cost_nanos = 2000 }, "A", false },
		{ { .cost_nanos = 2001 }, "", false },            /* D is unknown, which is not much and not little */
		{ { .since_us = 1 }, "DBA", false },
		{ { .since_us = FAR }, "", false },
		{ { .until_us = 2 }, "", false },
		{ { .until_us = FAR }, "DBA", false },
		{ { .text = "sheep", .ranked = true }, "DA", false }, /* D has it in its own goal, A in a child's, three times too */
		{ { .text = "invoice OR file", .ranked = true, .limit = 1 }, "A", true },
	};
	struct fixture f;

	fixture_init(&f);
	fill(&f);
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < COUNT(rows); i++) {
			char got[100] = "";
			bool more = false;
			OK(&f, store_history(f.store, &rows[i].filter, add_name, got, &more, &f.err));
			if (rows[i].filter.ranked && rows[i].filter.limit == 0)
				assert_int_equal(strlen(got), 2);
			else if (strcmp(got, rows[i].want) != 0 || more != rows[i].more)
				fail_msg("row %zu: '%s' %d, not '%s' %d", i, got, more, rows[i].want, rows[i].more);
		}
		OK(&f, store_rebuild(f.store, &f.err)); /* and the same of what is made again */
		OK(&f, store_words_update(f.store, &f.err));
	}
	fixture_done(&f);
}

static void what_is_no_search(void **state UNUSED)
{
	static const struct { const char *text, *says; } rows[] = {
		{ "", "no word to look for" }, { "  ", "no word to look for" }, { "-draft", "without '-'" },
		{ "\"open", "closing quote" }, { "a OR", "OR stands between" }, { "OR a", "OR stands between" },
		{ "a OR OR b", "OR stands between" }, { "a OR -b", "OR stands between" }, { "-a OR b", "OR stands between" },
		{ "+++", "no letter or digit" }, { "\"\"", "no letter or digit" }, { "*", "no letter or digit" },
		{ "a*", "at least two characters" }, { "\xff", "not UTF-8" },
		{ "a b c d e f g h i j k l m n o p q", "fewer would be right" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct search s;
		struct err err = ERR_NONE;
		int r = search_parse(rows[i].text, &s, &err);
		if (r != -EINVAL || strstr(err.text, rows[i].says) == NULL)
			fail_msg("'%s': %d '%s'", rows[i].text, r, err.text);
	}
	AUTO(freep) char *lot = xmalloc(LIMIT_HISTORY_QUERY_BYTES + 2);
	struct search s;
	memset(lot, 'a', LIMIT_HISTORY_QUERY_BYTES + 1);
	lot[LIMIT_HISTORY_QUERY_BYTES + 1] = '\0';
	assert_int_equal(search_parse(lot, &s, NULL), -EINVAL);
}

static void keep_found(void *userdata, const struct history_row *row)
{
	json_t **found = userdata;

	json_decref(*found);
	*found = json_deep_copy(row->found);
}

static void a_piece_of_the_text_is_shown(void **state UNUSED)
{
	struct fixture f;
	json_t *found = NULL;
	bool more;

	fixture_init(&f);
	fill(&f);
	OK(&f, store_history(f.store, &(struct history_filter){ .text = "needle" }, keep_found, &found, &more, &f.err));
	assert_int_equal(json_array_size(found), 1);
	assert_string_equal(json_get_text(json_array_get(found, 0), "in", ""), "output");
	const char *text = json_get_text(json_array_get(found, 0), "text", "");
	assert_int_equal(strncmp(text, "needle xxx", 10), 0);
	assert_true(strlen(text) < 200 && strcmp(text + strlen(text) - 3, "...") == 0);
	json_decref(found);
	fixture_done(&f);
}

static void add_day(void *userdata, const struct day_row *row)
{
	char *to = userdata;
	size_t len = strlen(to);

	assert_true(row->day > 20000);
	snprintf(to + len, 400 - len, "%s %s %lld/%lld %lld %lld %lld %lld %lld\n", row->user, row->model, (long long)row->tasks,
	         (long long)row->unknown, (long long)row->turns, (long long)row->calls, (long long)row->denied,
	         (long long)row->input, (long long)row->usd_nanos);
}

static void days_are_the_sums_of_their_tasks(void **state UNUSED)
{
	static const char want[] = "bo openai/gpt-5 1/0 0 0 0 0 0\namal recorded/one 2/1 2 2 1 20 500\n"
	                           "amal openai/gpt-5-mini 1/0 1 0 0 10 1500\n";
	static const char want_sums[] = "  4/1 3 2 1 30 2000\n";
	static const char *const differ =
		"SELECT count(*) FROM (SELECT t.started_us / 86400000000, t.user, t.model, count(*), sum(c.usd_nanos IS NULL), sum(c.turns),"
		" sum(c.calls), sum(c.denied), sum(c.input), sum(c.cache_read), sum(c.cache_write), sum(c.output),"
		" coalesce(sum(c.usd_nanos), 0), sum(c.cache_write_1h), sum(c.reasoning) FROM tasks t JOIN costs c ON c.task = t.task"
		" GROUP BY 1, 2, 3 EXCEPT SELECT * FROM days)";
	static const char *const sums_differ =
		"SELECT count(*) FROM (SELECT day, sum(tasks), sum(unknown), sum(turns), sum(calls), sum(denied), sum(input),"
		" sum(cache_read), sum(cache_write), sum(output), sum(usd_nanos), sum(cache_write_1h), sum(reasoning) FROM days GROUP BY 1"
		" EXCEPT SELECT * FROM day_sums)";
	struct fixture f;

	fixture_init(&f);
	fill(&f);
	for (int again = 0; again < 2; again++) {
		char got[400] = "";
		OK(&f, store_days(f.store, &(struct cost_filter){ 0 }, add_day, got, &f.err));
		assert_string_equal(got, want);
		assert_int_equal(tamper(&f, differ), 0);
		assert_int_equal(tamper(&f, sums_differ), 0);
		got[0] = '\0';
		OK(&f, store_day_sums(f.store, &(struct cost_filter){ 0 }, add_day, got, &f.err));
		assert_string_equal(got, want_sums);
		OK(&f, store_rebuild(f.store, &f.err));
	}
	char got[400] = "";
	OK(&f, store_days(f.store, &(struct cost_filter){ .user = "bo" }, add_day, got, &f.err));
	assert_string_equal(got, "bo openai/gpt-5 1/0 0 0 0 0 0\n");
	assert_true(tamper(&f, "UPDATE days SET turns = turns + 1") == 0 && tamper(&f, differ) > 0); /* the comparisons can fail */
	assert_true(tamper(&f, "UPDATE day_sums SET turns = turns + 1") == 0 && tamper(&f, sums_differ) > 0);
	fixture_done(&f);
}

/* A store of before: its events are not in the index until somebody brings it up. */
static void the_index_follows(void **state UNUSED)
{
	struct fixture f;
	int64_t behind = -1;
	char got[100] = "";
	bool more;

	fixture_init(&f);
	fill(&f);
	tamper(&f, "INSERT INTO words (words) VALUES ('delete-all'); UPDATE words_upto SET seq = 0;");
	OK(&f, store_words_behind(f.store, &behind, &f.err));
	assert_true(behind > 10);
	OK(&f, store_history(f.store, &(struct history_filter){ .text = "invoice" }, add_name, got, &more, &f.err));
	assert_string_equal(got, "");
	OK(&f, store_words_update(f.store, &f.err));
	OK(&f, store_history(f.store, &(struct history_filter){ .text = "invoice" }, add_name, got, &more, &f.err));
	assert_string_equal(got, "DA");
	/* The end of a task brings it up by itself. */
	OK(&f, put_with(&f, (struct store_batch){ .root = D, .task = D, .generation = 1, .checkpoint = true, .lease = LEASE_RELEASE },
	                ended(D, "umbrella"), NULL));
	for (int i = 0; i < 2000 && behind > 0; i++) {
		OK(&f, store_words_behind(f.store, &behind, &f.err));
		usleep(5000);
	}
	assert_int_equal(behind, 0);
	fixture_done(&f);
}

static void add_tree(void *userdata, const struct task_row *row)
{
	char *to = userdata;
	size_t len = strlen(to);

	snprintf(to + len, 8 - len, "%c", row->task[0]);
}

static void a_tree_comes_whole(void **state UNUSED)
{
	struct fixture f;
	char got[8] = "";

	fixture_init(&f);
	fill(&f);
	OK(&f, store_tree(f.store, C, add_tree, got, &f.err));  /* of any task in it */
	assert_string_equal(got, "ac");
	assert_int_equal(store_tree(f.store, "eeeeeeeeeeee", add_tree, got, &f.err), -ENOENT);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees_are_found), cmocka_unit_test(what_is_no_search),
		cmocka_unit_test(a_piece_of_the_text_is_shown), cmocka_unit_test(days_are_the_sums_of_their_tasks),
		cmocka_unit_test(the_index_follows), cmocka_unit_test(a_tree_comes_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
