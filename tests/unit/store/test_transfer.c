/* test_transfer.c - a tree goes out and comes back the same; and a stranger's file gets nothing in that it should not. */
#include "fixture.h"

#include "store/history.h"
#include "store/prune.h"
#include "store/transfer.h"

#define A "aaaaaaaaaaa1"
#define K "aaaaaaaaaaa2"
#define B "bbbbbbbbbbb2"
#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"

static struct event replied(const char *task)
{
	return event_of(EVENT_MODEL_REPLIED, task, "",
	                json_pack("{si ss ss si s{si si sn si} si si}", "turn", 1, "text", "umbrella", "finish", "stop", "calls", 0,
	                          "usage", "input", 10, "cache_read", 3, "cache_write", "output", 7, "usd_nanos", 500, "ms", 10));
}

static struct event granted(const char *task)
{
	return event_of(EVENT_GRANT_MADE, task, "",
	                json_pack("{ss ss ss sI ss ss ss s{} sn ss}", "grant", "ggggggggggg1", "approval", "ppppppppppp1", "scope", "date",
	                          "until_us", (json_int_t)INT64_MAX, "digest", "d", "covers", "tool shell", "same", "action", "action",
	                          "rule", "by", "amal"));
}

static struct event asked(const char *task, const char *approval)
{
	return event_of(EVENT_APPROVAL_REQUESTED, task, "",
	                json_pack("{ss ss ss s{} ss sn ss}", "approval", approval, "call", "1.1", "kind", "tool", "action", "digest", "d",
	                          "rule", "reason", "because"));
}

static struct event answered(const char *task, const char *approval)
{
	return event_of(EVENT_APPROVAL_DECIDED, task, "",
	                json_pack("{ss ss ss ss ss ss}", "approval", approval, "call", "1.1", "answer", "allow", "by", "amal", "digest", "d",
	                          "reason", "yes"));
}

static struct event raised(const char *task)
{
	return event_of(EVENT_BUDGET_RAISED, task, "",
	                json_pack("{ss ss ss si}", "budget", "b", "scope", "user amal", "unit", "usd", "amount", 1000));
}

static void fill(struct fixture *f)
{
	AUTO(freep) char *lot = xmalloc(20001);

	memset(lot, 'o', 20000);
	lot[20000] = '\0';
	make_task(f, A, A, "go out");
	OK(f, put(f, A, replied(A)));
	OK(f, put(f, A, proposed(A, "1.1", "ls \"a\" \xc3\xa9 \x01")));
	OK(f, put(f, A, finished(A, "1.1", lot)));
	make_task(f, A, K, "a part");
	OK(f, put(f, A, ended(K, "done")));
	OK(f, put_with(f, (struct store_batch){ .root = A, .task = A, .generation = 1, .checkpoint = true, .lease = LEASE_RELEASE },
	               parked(A), NULL));
}

static int keep(void *userdata, struct str line, struct err *err UNUSED)
{
	buf_add(userdata, line.ptr, line.len);
	return 0;
}

static void out(struct fixture *f, struct buf *ret)
{
	OK(f, store_export(f->store, K, "amal", keep, ret, &f->err)); /* any task of the tree stands for it */
}

static void count(void *userdata, const struct history_row *row)
{
	*(int *)userdata += row->imported ? 10 : 1;
}

static void there_and_back(void **state UNUSED)
{
	AUTO(buf_done) struct buf file = BUF_INIT(MIB(1)), again = BUF_INIT(MIB(1));
	struct fixture f, g;
	struct store_report r;
	struct transfer t;
	struct task_row row;
	int64_t generation;
	int n = 0;
	bool more;

	fixture_init(&f);
	fixture_init(&g);
	fill(&f);
	make_task(&g, B, B, "own");
	out(&f, &file);
	OK(&g, store_import(g.store, buf_str(&file), "bo", false, &t, &g.err));
	assert_string_equal(t.root, A);
	assert_true(t.events == 7 && t.tasks == 2 && t.blobs == 1);
	OK(&g, store_verify(g.store, &r, &g.err));
	assert_true(r.blobs == 1 && r.chains == 3);
	OK(&g, store_export(g.store, A, "amal", keep, &again, &g.err));
	const char *one = strchr(buf_text(&file), '\n'), *two = strchr(buf_text(&again), '\n');
	assert_string_equal(one, two);                                  /* all but the first line, which has the time */
	OK(&g, store_words_update(g.store, &g.err));
	OK(&g, store_history(g.store, &(struct history_filter){ .text = "umbrella" }, count, &n, &more, &g.err));
	assert_int_equal(n, 10);

	/* It was paid for elsewhere, and is not resumed. */
	assert_int_equal(tamper(&g, "SELECT sum(tasks) FROM days"), 1);
	assert_int_equal(tamper(&g, "SELECT count(*) FROM spending"), 0);
	assert_int_equal(store_lease_take(g.store, A, &generation, &g.err), -EPERM);
	OK(&g, store_task_get(g.store, A, &row, &g.err));
	assert_int_equal(row.turns, 1);
	task_row_done(&row);

	/* Twice is once; the same after all was made again; gone it may come back, and then to be resumed. */
	assert_int_equal(store_import(g.store, buf_str(&file), "bo", true, &t, &g.err), -EEXIST);
	OK(&g, store_rebuild(g.store, &g.err));
	assert_int_equal(tamper(&g, "SELECT sum(tasks) FROM days"), 1);
	assert_int_equal(tamper(&g, "SELECT count(*) FROM spending"), 0);
	OK(&g, store_prune(g.store, A, "bo", "a rule", &g.err));
	OK(&g, store_import(g.store, buf_str(&file), "bo", true, &t, &g.err));
	OK(&g, store_verify(g.store, &r, &g.err));
	assert_int_equal(r.pruned, 1);
	OK(&g, store_lease_take(g.store, A, &generation, &g.err));
	assert_int_not_equal(store_prune(g.store, A, "bo", "a rule", &g.err), 0); /* now it is ours, and parked */
	/* What it spends from here on counts. */
	OK(&g, put_with(&g, (struct store_batch){ .root = A, .task = A, .generation = generation }, replied(A), NULL));
	assert_int_equal(tamper(&g, "SELECT sum(usd_nanos) FROM spending"), 500);
	OK(&g, store_rebuild(g.store, &g.err));
	assert_int_equal(tamper(&g, "SELECT sum(usd_nanos) FROM spending"), 500);

	/* Here it has gone on since. */
	assert_int_equal(store_import(g.store, buf_str(&file), "bo", false, &t, &g.err), -ENOTUNIQ);
	fixture_done(&f);
	fixture_done(&g);
}

/* ---- files that somebody made, with right hashes ---- */

/* Appends a line with the event's text, and puts the head into `head`. */
static void add_text(struct buf *body, char head[static 65], struct str text)
{
	sha256_hex((struct str[]){ str_of(head), text }, 2, head);
	json_t *line = json_pack("{ss so}", "hash", head, "event", json_of_str(text));
	json_write(line, body);
	buf_add_char(body, '\n');
	json_decref(line);
}

static void add_event(struct buf *body, char head[static 65], struct event e)
{
	struct buf text = BUF_INIT(MIB(1));

	event_format(&e, &text);
	add_text(body, head, buf_str(&text));
	buf_done(&text);
	event_done(&e);
}

static void finish(struct buf *ret, const struct buf *body, const char *head, int events, int blobs)
{
	buf_printf(ret, "{\"mishri\":\"tree\",\"version\":1,\"root\":\"%s\",\"head\":\"%s\",\"events\":%d,\"blobs\":%d,"
	           "\"exported\":\"2026-11-22T10:00:00.000000Z\",\"by\":\"eve\"}\n", A, head, events, blobs);
	buf_add(ret, body->ptr, body->len);
}

static void a_strangers_word_has_no_force(void **state UNUSED)
{
	AUTO(buf_done) struct buf body = BUF_INIT(MIB(1)), file = BUF_INIT(MIB(1));
	char head[65] = ZERO;
	struct fixture f;
	struct transfer t;
	char grant[ID_LEN + 1];
	struct grant_wish wish = { .digest = "d", .user = "amal", .root = B, .session = "s00000000001", .now_us = 1 };

	fixture_init(&f);
	make_task(&f, B, B, "own");
	OK(&f, put(&f, B, asked(B, "ppppppppppp2")));                   /* waits here */
	add_event(&body, head, created(A, "", "evil"));
	add_event(&body, head, granted(A));
	add_event(&body, head, answered(A, "ppppppppppp2"));
	add_event(&body, head, asked(A, "ppppppppppp3"));
	add_event(&body, head, raised(A));
	finish(&file, &body, head, 5, 0);
	OK(&f, store_import(f.store, buf_str(&file), "amal", true, &t, &f.err));
	for (int again = 0; again < 2; again++) {
		assert_int_equal(store_grant_match(f.store, &wish, grant, &f.err), 0);
		assert_int_equal(tamper(&f, "SELECT count(*) FROM approvals WHERE state = 'pending' AND approval = 'ppppppppppp2'"), 1);
		assert_int_equal(tamper(&f, "SELECT count(*) FROM approvals"), 1);
		assert_int_equal(tamper(&f, "SELECT count(*) FROM raises"), 0);
		OK(&f, store_rebuild(f.store, &f.err));
	}
	OK(&f, put(&f, B, granted(B)));                                 /* of here it would have counted */
	assert_int_equal(store_grant_match(f.store, &wish, grant, &f.err), 1);
	fixture_done(&f);
}

static void hostile_trees(void **state UNUSED)
{
	static const char start[] = "{\"time\":\"2026-11-22T10:00:00.000000Z\",\"type\":\"%s\",\"session\":null,\"task\":\"" A "\","
		"\"parent\":null,\"user\":null,\"trace_id\":null,\"span_id\":null,\"parent_span_id\":null,\"attempt\":1,";
	static const struct { const char *task, *parent, *tail, *says; } rows[] = {
		{ B, "", NULL, "not created before" }, { A, "", NULL, "created twice" }, { K, B, NULL, "not in the tree" },
		{ K, "", NULL, "not in the tree" }, { "../../../etc", A, NULL, "must be ids" }, { "", "", NULL, "must be ids" },
		{ NULL, NULL, "\"data\":{\"reason\":\"x\"}}", NULL },          /* this one is right */
		{ NULL, NULL, "\"data\":{\"reason\":\"x\"} }", "form in which" },
		{ NULL, NULL, "\"data\":{\"reason\":\"x\"},\"evil\":1}", "form in which" },
		{ NULL, NULL, "\"data\":{\"reason\":\"x\"}}\n{\"x\":1}", "end of file expected" },
		{ NULL, NULL, "\"data\":{\"reason\":\"x\",\"evil\":1}}", "catalogue does not have" },
		{ NULL, NULL, "\"data\":{\"reason\":1}}", "must be of type" },
		{ NULL, NULL, "\"data\":{\"reason\":\"\"},\"blobs\":{\"/data/reason\":\"" ZERO "\"}}", NULL },
		{ NULL, NULL, "\"data\":{\"reason\":\"\"},\"blobs\":{\"/data/other\":\"" ZERO "\"}}", "where none belongs" },
		{ NULL, NULL, "\"data\":{\"reason\":\"\"},\"blobs\":{\"/task\":\"" ZERO "\"}}", "where none belongs" },
		{ NULL, NULL, "\"data\":{\"reason\":\"\"},\"blobs\":{\"/data/reason\":\"../x\"}}", "must name digests" },
		{ NULL, "history.imported", "\"data\":{\"root\":\"" B "\",\"head\":\"x\",\"events\":99,\"tasks\":1,\"resumable\":1,"
		  "\"exported\":\"\",\"digest\":\"\",\"by\":\"eve\"}}", "no event of a task" },
		{ NULL, "engine.stopped", "\"data\":{\"engine\":\"e\",\"reason\":\"x\"}}", "no event of a task" },
		{ NULL, "token.revoked", "\"data\":{\"token\":\"" K "\",\"name\":\"ci\",\"by\":\"eve\"}}", "no event of a task" },
		{ NULL, "trust.taken", "\"data\":{\"directory\":\"/x\",\"by\":\"eve\"}}", "no event of a task" },
		{ NULL, "grant.revoked", "\"data\":{\"grant\":\"" K "\",\"by\":\"eve\"}}", "no event of a task" },
		{ NULL, NULL, "\"data\":{\"reason\":\"\"},\"blobs\":[]}", "form in which" },
		{ NULL, NULL, "\"data\":{\"reason\":\"\"},\"blobs\":{} }", "form in which" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_done) struct buf body = BUF_INIT(MIB(1)), file = BUF_INIT(MIB(1));
		AUTO(buf_done) struct buf plain = BUF_INIT(KIB(64));
		const char *type = rows[i].task == NULL && rows[i].parent != NULL ? rows[i].parent : "task.parked";
		buf_printf(&plain, start, type);
		AUTO(freep) char *text = xasprintf("%s%s", buf_text(&plain), rows[i].tail != NULL ? rows[i].tail : "");
		char head[65] = ZERO;
		struct err err = ERR_NONE;
		struct transfer t;
		add_event(&body, head, created(A, "", "g"));
		if (rows[i].task == NULL)
			add_text(&body, head, str_of(text));
		else if (i == 0)
			add_event(&body, head, parked(rows[i].task));
		else
			add_event(&body, head, created(rows[i].task, rows[i].parent, "h"));
		finish(&file, &body, head, 2, 0);
		int r = transfer_check(buf_str(&file), &t, &err);
		if ((r == 0) != (rows[i].says == NULL) || (r < 0 && strstr(err.text, rows[i].says) == NULL))
			fail_msg("row %zu: %d '%s'", i, r, err.text);
	}
}

/* Of a right file, one piece replaced. */
static void changed_files(void **state UNUSED)
{
	static const struct { const char *from, *to, *says; } rows[] = {
		{ "umbrella", "umbrelle", "does not have its hash" }, { "oooo", "ooop", "digest that stands beside it" },
		{ "\"version\":1", "\"version\":2", "another version" }, { "\"mishri\":\"tree\"", "\"mishri\":\"wood\"", "no exported task" },
		{ "\"events\":7", "\"events\":6", "more in the file" }, { "\"events\":7", "\"events\":8", "ends too early" },
		{ "\"events\":7", "\"events\":-1", "events must be" }, { "\"events\":7", "\"events\":99999999", "events must be" },
		{ "\"blobs\":1", "\"blobs\":0", "has the keys hash, event" }, { "\"blobs\":1", "\"blobs\":2", "has the keys blob, data" },
		{ "\"root\":\"a", "\"root\":\"/", "root, head" }, { "\"head\":\"", "\"head\":\"x", "root, head" },
		{ "{\"mishri\"", "{\"mishri\":1,\"mishri\"", "no exported task" }, { "{\"mishri\"", "mishri", "no exported task" },
		{ "{\"hash\"", "{\"hush\"", "has the keys" },
	};
	AUTO(buf_done) struct buf file = BUF_INIT(MIB(1));
	struct fixture f, g;
	struct transfer t;

	fixture_init(&f);
	fixture_init(&g);
	fill(&f);
	out(&f, &file);
	OK(&f, transfer_check(buf_str(&file), &t, &f.err));
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_done) struct buf bad = BUF_INIT(MIB(1));
		const char *at = strstr(buf_text(&file), rows[i].from);
		struct err err = ERR_NONE;
		assert_non_null(at);
		buf_add(&bad, file.ptr, (size_t)(at - file.ptr));
		buf_add_text(&bad, rows[i].to);
		buf_add_text(&bad, at + strlen(rows[i].from));
		if (store_import(g.store, buf_str(&bad), "bo", false, &t, &err) == 0 || strstr(err.text, rows[i].says) == NULL)
			fail_msg("row %zu: '%s'", i, err.text);
	}
	for (size_t len = 0; len < file.len; len += file.len / 50)      /* cut off anywhere */
		assert_true(store_import(g.store, (struct str){ file.ptr, len }, "bo", false, &t, &g.err) < 0);
	assert_int_equal(tamper(&g, "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM blobs) + (SELECT count(*) FROM tasks)"), 0);
	/* A task of the file is here under another root. */
	make_task(&g, B, B, "own");
	make_task(&g, B, K, "mine");
	assert_int_equal(store_import(g.store, buf_str(&file), "bo", false, &t, &g.err), -ENOTUNIQ);
	assert_int_equal(tamper(&g, "SELECT count(*) FROM events"), 2);
	fixture_done(&f);
	fixture_done(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back), cmocka_unit_test(a_strangers_word_has_no_force), cmocka_unit_test(hostile_trees),
		cmocka_unit_test(changed_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
