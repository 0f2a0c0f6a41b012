/* test_append.c - what is appended is there, in its chain, once, and only from who holds the task. */
#include "fixture.h"

#include <sys/socket.h>
#include <sys/un.h>

#define A "aaaaaaaaaaa1"
#define B "bbbbbbbbbbb2"
#define C "ccccccccccc3"

struct seen { int64_t count, last; char prev[65], hash[65], text[4096]; bool linked; };

static bool see(void *userdata, const struct event_row *row)
{
	struct seen *s = userdata;
	char want[65];

	sha256_hex((struct str[]){ str_of(row->prev), row->text }, 2, want);
	assert_string_equal(want, row->hash);
	s->linked = s->count == 0 || strcmp(row->prev, s->hash) == 0;
	if (s->count == 0)
		snprintf(s->prev, sizeof s->prev, "%s", row->prev);
	snprintf(s->hash, sizeof s->hash, "%s", row->hash);
	snprintf(s->text, sizeof s->text, "%.*s", STR_ARG(row->text));
	s->count++;
	s->last = row->seq;
	return true;
}

static void what_is_appended_is_read_back(void **state UNUSED)
{
	struct fixture f;
	struct seen seen = { 0 };
	struct event back;
	struct buf text = BUF_INIT(4096);

	fixture_init(&f);
	make_task(&f, A, A, "find out");
	struct event e = proposed(A, "1.1", "ls \xc3\xa9\\ \"x\"");
	json_incref(e.data);
	event_format(&e, &text);
	OK(&f, put(&f, A, e));
	OK(&f, store_events(f.store, &(struct event_filter){ .task = A, .after_seq = 1 }, see, &seen, &f.err));
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.last, 2);
	assert_string_equal(seen.text, buf_text(&text));
	OK(&f, event_parse(str_of(seen.text), &back, &f.err));
	assert_true(json_equal(back.data, e.data));
	event_done(&back);
	event_done(&e);
	buf_done(&text);
	fixture_done(&f);
}

static void each_root_has_its_own_chain(void **state UNUSED)
{
	static const struct { const char *task; bool tree; int64_t events; } rows[] = {
		{ A, false, 2 }, { A, true, 3 }, { C, true, 3 }, { B, false, 1 }, { B, true, 1 },
	};
	struct fixture f;

	fixture_init(&f);
	make_task(&f, A, A, "one");
	make_task(&f, B, B, "two");
	OK(&f, put(&f, "", stopped("e")));
	make_task(&f, A, C, "child of one");
	OK(&f, put(&f, A, proposed(A, "1.1", "ls")));
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct seen seen = { 0 };
		OK(&f, store_events(f.store, &(struct event_filter){ .task = rows[i].task, .tree = rows[i].tree }, see, &seen,
		                    &f.err));
		assert_int_equal(seen.count, rows[i].events);
		if (rows[i].tree) {
			assert_true(seen.linked);
			assert_int_equal(strspn(seen.prev, "0"), 64);
		}
	}
	fixture_done(&f);
}

static void a_batch_must_fit_its_chain(void **state UNUSED)
{
	struct fixture f;
	const struct { const char *root; struct event event; const char *says; } rows[] = {
		{ A, proposed(C, "1.1", "ls"), "there is no task" },
		{ B, proposed(A, "1.1", "ls"), "belongs to the chain" },
		{ "", proposed(A, "1.1", "ls"), "belongs to the chain" },
		{ A, created(A, "", "again"), "UNIQUE" },
		{ A, event_of(EVENT_TASK_PARKED, A, "", json_pack("{ss}", "why", "x")), "is missing" },
		{ A, event_of(EVENT_TASK_PARKED, A, "", json_pack("{ss ss}", "reason", "x", "odd", "x")), "catalogue" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct store_report report;
		fixture_init(&f);
		make_task(&f, A, A, "one");
		make_task(&f, B, B, "two");
		int r = put_with(&f, (struct store_batch){ .root = rows[i].root, .task = "" }, rows[i].event, NULL);
		assert_int_equal(r, -EINVAL);
		if (strstr(f.err.text, rows[i].says) == NULL)
			fail_msg("row %zu says: %s", i, f.err.text);
		/* What was believed and what is stored must not drift apart. */
		assert_int_equal(put(&f, B, proposed(B, "1.1", "ls")), -EINVAL);
		OK(&f, store_verify(f.store, &report, &f.err));
		assert_int_equal(report.events, 2);
		fixture_done(&f);
	}
}

static void a_lost_lease_writes_nothing(void **state UNUSED)
{
	static const struct { const char *change; int want; } rows[] = {
		{ "SELECT 1", 0 },
		{ "UPDATE leases SET generation = 2", -ESTALE },
		{ "UPDATE leases SET engine = 'other'", -ESTALE },
		{ "UPDATE leases SET until_ms = 0", 0 },             /* expired, but nobody took it */
		{ "DELETE FROM leases", -ESTALE },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fixture f;
		fixture_init(&f);
		make_task(&f, A, A, "one");
		make_task(&f, B, B, "two");
		tamper(&f, rows[i].change);
		assert_int_equal(put(&f, A, proposed(A, "1.1", "ls")), rows[i].want);
		assert_int_equal(tamper(&f, "SELECT count(*) FROM events"), rows[i].want == 0 ? 3 : 2);
		assert_int_equal(tamper(&f, "SELECT count(*) FROM calls"), rows[i].want == 0 ? 1 : 0);
		/* A fence is no failure of the store. */
		OK(&f, put(&f, "", stopped("e")));
		fixture_done(&f);
	}
}

static void a_second_creation_is_fenced(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	make_task(&f, A, A, "one");
	int r = put_with(&f, (struct store_batch){ .root = A, .task = A, .lease = LEASE_CREATE }, proposed(A, "1.1", "x"), NULL);
	assert_int_equal(r, -ESTALE);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM events"), 1);
	fixture_done(&f);
}

struct result { int order, result; int64_t seq; };
static int order;

static void note(void *userdata, int result, int64_t first_seq, const struct err *err UNUSED)
{
	struct result *to = userdata;

	*to = (struct result){ ++order, result, first_seq };
}

static void await(struct fixture *f, int results)
{
	for (int i = 0; order < results && i < 1000; i++) {
		struct pollfd p = { store_fd(f->store), POLLIN, 0 };
		assert_true(poll(&p, 1, 5000) > 0);
		store_dispatch(f->store);
	}
	assert_int_equal(order, results);
}

static void batches_come_back_in_order_and_fences_stay_alone(void **state UNUSED)
{
	enum { N = 300 };
	struct fixture f;
	struct result results[N];
	struct store_report report;
	int64_t last = 0;

	order = 0;
	fixture_init(&f);
	make_task(&f, A, A, "one");
	make_task(&f, B, B, "two");
	for (int i = 0; i < N; i++) {
		char call[24];
		snprintf(call, sizeof call, "1.%d", i);
		bool stale = i % 3 == 1;
		struct event e[2] = { proposed(stale ? B : A, call, "ls"), finished(stale ? B : A, call, "out") };
		store_append(f.store, &(struct store_batch){ .root = stale ? B : A, .task = stale ? B : A,
		             .generation = stale ? 7 : 1, .events = e, .count = 2, .on_commit = note, .userdata = &results[i] });
		assert_null(e[0].data);                 /* taken over */
	}
	await(&f, N);
	for (int i = 0; i < N; i++) {
		assert_int_equal(results[i].order, i + 1);
		assert_int_equal(results[i].result, i % 3 == 1 ? -ESTALE : 0);
		if (results[i].result == 0) {
			assert_true(results[i].seq == (last == 0 ? 3 : last + 2));
			last = results[i].seq;
		}
	}
	OK(&f, store_verify(f.store, &report, &f.err));
	assert_int_equal(report.events, 2 + 2 * N * 2 / 3);
	fixture_done(&f);
}

static void closing_commits_what_is_queued(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	make_task(&f, A, A, "one");
	for (int i = 0; i < 100; i++) {
		struct event e = parked(A);
		store_append(f.store, &(struct store_batch){ .root = A, .task = A, .generation = 1, .events = &e, .count = 1 });
	}
	fixture_close(&f);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM events"), 101);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM engines"), 0);
	fixture_done(&f);
}

/* ---- leases ---- */

static void a_lease_passes_only_from_the_dead_or_late(void **state UNUSED)
{
	static const struct { const char *change; int want; } rows[] = {
		{ "SELECT 1", -EBUSY },
		{ "UPDATE leases SET until_ms = 0", 0 },
		{ "UPDATE leases SET engine = ''", 0 },
		{ "UPDATE engines SET pid = 2147483000", 0 },
		{ "UPDATE engines SET start = start + 1", 0 },               /* the pid was given to another process */
		{ "UPDATE engines SET boot = 'another boot'", 0 },
		{ "UPDATE engines SET pid = 2147483000, pid_namespace = 7", -EBUSY },  /* cannot be seen from here */
		{ "UPDATE engines SET pid_namespace = 7; UPDATE leases SET until_ms = 0", 0 },
		{ "DELETE FROM engines", 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fixture f, g = { 0 };
		int64_t generation = -1;
		fixture_init(&f);
		make_task(&f, A, A, "one");
		tamper(&f, rows[i].change);
		memcpy(g.dir, f.dir, sizeof g.dir);
		OK(&g, store_open(g.dir, 0, &g.store, &g.err));
		OK(&g, store_engine_register(g.store, "", &g.err));
		int r = store_lease_take(g.store, A, &generation, &g.err);
		if (r != rows[i].want)
			fail_msg("row %zu: %d: %s", i, r, g.err.text);
		assert_int_equal(generation, r == 0 ? 2 : -1);
		assert_int_equal(put(&f, A, parked(A)), r == 0 ? -ESTALE : 0);
		fixture_close(&g);
		fixture_done(&f);
	}
}

static void generations_only_rise(void **state UNUSED)
{
	struct fixture f;
	int64_t generation;

	fixture_init(&f);
	make_task(&f, A, A, "one");
	OK(&f, put_with(&f, (struct store_batch){ .root = A, .task = A, .generation = 1, .lease = LEASE_RELEASE,
	                .checkpoint = true }, parked(A), NULL));
	assert_int_equal(put(&f, A, parked(A)), -ESTALE);
	OK(&f, store_lease_take(f.store, A, &generation, &f.err));
	assert_int_equal(generation, 2);
	OK(&f, store_lease_take(f.store, A, &generation, &f.err));
	assert_int_equal(generation, 3);
	assert_int_equal(store_lease_take(f.store, B, &generation, &f.err), -ENOENT);
	assert_int_equal(generation, 3);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM checkpoints"), 1);
	fixture_done(&f);
}

static void renewing_lengthens_only_ours(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	make_task(&f, A, A, "one");
	make_task(&f, B, B, "two");
	tamper(&f, "UPDATE leases SET until_ms = 5; UPDATE leases SET engine = 'other' WHERE task = '" B "'");
	store_lease_renew(f.store);
	OK(&f, put(&f, "", stopped("e")));                      /* comes after the renewal, or with it */
	assert_true(tamper(&f, "SELECT until_ms FROM leases WHERE task = '" A "'") > clock_mono_ms());
	assert_int_equal(tamper(&f, "SELECT until_ms FROM leases WHERE task = '" B "'"), 5);
	fixture_done(&f);
}

/* ---- blobs ---- */

static char *long_text(size_t len, char c)
{
	char *text = xmalloc(len + 1);

	memset(text, c, len);
	text[len] = '\0';
	return text;
}

static bool keep_data(void *userdata, const struct event_row *row)
{
	json_t **to = userdata;

	json_decref(*to);
	assert_int_equal(json_parse(row->text, to, NULL), 0);
	return true;
}

static void long_strings_live_in_blobs(void **state UNUSED)
{
	static const struct { size_t len; bool moved; } rows[] = {
		{ LIMIT_EVENT_INLINE_BYTES, false }, { LIMIT_EVENT_INLINE_BYTES + 1, true }, { MIB(1), true },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fixture f;
		AUTO(freep) char *text = long_text(rows[i].len, 'x');
		AUTO(json_decrefp) json_t *stored = NULL;
		AUTO(json_decrefp) json_t *whole = NULL;
		fixture_init(&f);
		make_task(&f, A, A, "one");
		struct event e = proposed(A, "1.1", "y");
		json_object_set_new(json_object_get(e.data, "args"), "a/b~c", json_pack("[s s s]", "k", text, text));
		AUTO(json_decrefp) json_t *before = json_deep_copy(e.data);
		OK(&f, put(&f, A, e));
		OK(&f, store_events(f.store, &(struct event_filter){ .task = A }, keep_data, &stored, &f.err));
		OK(&f, store_events(f.store, &(struct event_filter){ .task = A, .with_content = true }, keep_data, &whole, &f.err));
		assert_true(json_equal(json_object_get(whole, "data"), before));
		assert_null(json_object_get(whole, "blobs"));
		assert_int_equal(json_object_size(json_object_get(stored, "blobs")), rows[i].moved ? 2 : 0);
		assert_int_equal(tamper(&f, "SELECT count(*) FROM blobs"), rows[i].moved ? 1 : 0);
		if (rows[i].moved)
			assert_non_null(json_object_get(json_object_get(stored, "blobs"), "/data/args/a~1b~0c/2"));
		fixture_done(&f);
	}
}

struct replayed {
	size_t count, stop_at;
	int64_t seq;
	char *goal;
};

static int fold(void *userdata, const struct event *event, struct err *err)
{
	struct replayed *r = userdata;

	assert_true(event->seq > r->seq);
	r->seq = event->seq;
	if (event->type == EVENT_TASK_CREATED)
		r->goal = xstrdup(json_get_text(event->data, "goal", ""));
	return ++r->count == r->stop_at ? err_set(err, EINVAL, "it does not fit") : 0;
}

static void a_replay_has_all_of_one_task_in_order(void **state UNUSED)
{
	static const struct { size_t stop_at, want; int result; } rows[] = { { 0, 2, 0 }, { 1, 1, -EINVAL } };
	AUTO(freep) char *text = long_text(20000, 'x');
	struct fixture f;

	fixture_init(&f);
	make_task(&f, A, A, text);
	make_task(&f, B, B, "another");
	OK(&f, put(&f, A, event_of(EVENT_CALL_PROPOSED, A, "",
	                           json_pack("{ss si ss ss s{ss}}", "call", "1.1", "turn", 1, "id", "x", "tool", "shell", "args",
	                                     "command", "true"))));
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct replayed r = { .stop_at = rows[i].stop_at };
		assert_int_equal(store_replay(f.store, A, fold, &r, &f.err), rows[i].result);
		assert_int_equal(r.count, rows[i].want);
		assert_string_equal(r.goal, text);
		free(r.goal);
	}
	fixture_done(&f);
}

static void deleted_content_says_so_and_breaks_no_chain(void **state UNUSED)
{
	struct fixture f;
	AUTO(freep) char *text = long_text(20000, 'x');
	AUTO(json_decrefp) json_t *whole = NULL;
	struct store_report report;
	struct task_row row;

	fixture_init(&f);
	make_task(&f, A, A, text);
	OK(&f, store_task_get(f.store, A, &row, &f.err));
	assert_string_equal(row.goal, text);
	task_row_done(&row);
	tamper(&f, "DELETE FROM blobs");
	OK(&f, store_events(f.store, &(struct event_filter){ .task = A, .with_content = true }, keep_data, &whole, &f.err));
	assert_string_equal(json_get_text(json_object_get(whole, "data"), "goal", ""), "[content removed]");
	OK(&f, store_task_get(f.store, A, &row, &f.err));
	assert_string_equal(row.goal, "[content removed]");
	task_row_done(&row);
	OK(&f, store_verify(f.store, &report, &f.err));
	fixture_done(&f);
}

/* A model may write whatever it likes; it cannot make the store fetch a blob for it. */
static void model_text_cannot_name_a_blob(void **state UNUSED)
{
	struct fixture f;
	AUTO(json_decrefp) json_t *whole = NULL;
	AUTO(freep) char *secret = long_text(20000, 's');
	char digest[65];

	fixture_init(&f);
	make_task(&f, B, B, secret);
	sha256_hex1(str_of(secret), digest);
	make_task(&f, A, A, "one");
	struct event e = event_of(EVENT_CALL_PROPOSED, A, "",
	                          json_pack("{ss si ss ss s{s{ss} ss}}", "call", "1.1", "turn", 1, "id", "x", "tool", "shell",
	                                    "args", "blobs", "/data/args/command", digest, "command", ""));
	OK(&f, put(&f, A, e));
	OK(&f, store_events(f.store, &(struct event_filter){ .task = A, .with_content = true }, keep_data, &whole, &f.err));
	json_t *args = json_object_get(json_object_get(whole, "data"), "args");
	assert_string_equal(json_get_text(args, "command", "?"), "");
	assert_string_equal(json_get_text(json_object_get(args, "blobs"), "/data/args/command", "?"), digest);
	fixture_done(&f);
}

static void what_could_not_be_read_again_is_refused(void **state UNUSED)
{
	static const struct { int depth; int want; } rows[] = { { LIMIT_JSON_DEPTH - 3, 0 }, { LIMIT_JSON_DEPTH - 2, -EINVAL } };

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fixture f;
		json_t *deep = json_array();
		AUTO(json_decrefp) json_t *whole = NULL;
		fixture_init(&f);
		make_task(&f, A, A, "one");
		for (int k = 1; k < rows[i].depth; k++)
			deep = json_pack("[o]", deep);
		struct event e = proposed(A, "1.1", "x");
		json_object_set_new(json_object_get(e.data, "args"), "deep", deep);
		assert_int_equal(put(&f, A, e), rows[i].want);
		OK(&f, store_events(f.store, &(struct event_filter){ .task = A }, keep_data, &whole, &f.err));
		fixture_done(&f);
	}
}

/* ---- inbox ---- */

static void keep_message(void *userdata, const struct inbox_message *message)
{
	char *to = userdata;
	size_t len = strlen(to);

	snprintf(to + len, 200 - len, "%lld %s %s %s; ", (long long)message->id, message->kind, message->user,
	         json_get_text(message->body, "text", ""));
}

static void messages_wait_until_they_are_done_with(void **state UNUSED)
{
	struct fixture f;
	char got[200] = "";
	AUTO(json_decrefp) json_t *body = json_pack("{ss}", "text", "left");

	fixture_init(&f);
	make_task(&f, A, A, "one");
	make_task(&f, B, B, "two");
	OK(&f, store_inbox_put(f.store, A, "steer", "amal", body, &f.err));
	OK(&f, store_inbox_put(f.store, B, "pause", "amal", body, &f.err));
	OK(&f, store_inbox_put(f.store, A, "cancel", "bo", body, &f.err));
	assert_int_equal(store_inbox_put(f.store, C, "cancel", "bo", body, &f.err), -ENOENT);
	assert_int_equal(store_inbox_put(f.store, A, "explode", "bo", body, &f.err), -EINVAL);
	OK(&f, store_inbox_read(f.store, A, 0, keep_message, got, &f.err));
	assert_string_equal(got, "1 steer amal left; 3 cancel bo left; ");
	OK(&f, put_with(&f, (struct store_batch){ .root = A, .task = A, .generation = 1, .inbox_upto = 1 }, parked(A), NULL));
	got[0] = '\0';
	OK(&f, store_inbox_read(f.store, A, 0, keep_message, got, &f.err));
	assert_string_equal(got, "3 cancel bo left; ");
	OK(&f, put_with(&f, (struct store_batch){ .root = A, .task = A, .generation = 1, .inbox_upto = 3 }, parked(A), NULL));
	OK(&f, store_inbox_put(f.store, A, "cancel", "bo", body, &f.err));
	got[0] = '\0';
	OK(&f, store_inbox_read(f.store, A, 3, keep_message, got, &f.err));
	assert_string_equal(got, "4 cancel bo left; ");         /* no number twice */
	fixture_done(&f);
}

static void the_holder_is_poked(void **state UNUSED)
{
	struct fixture f = { .dir = "/tmp/mishri-test-XXXXXX" };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO(json_decrefp) json_t *body = json_object();
	char byte;

	assert_non_null(mkdtemp(f.dir));
	snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", f.dir);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	OK(&f, store_open(f.dir, STORE_CREATE, &f.store, &f.err));
	OK(&f, store_engine_register(f.store, address.sun_path, &f.err));
	make_task(&f, A, A, "one");
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	OK(&f, store_inbox_put(f.store, A, "cancel", "amal", body, &f.err));
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
	OK(&f, store_inbox_put(f.store, A, "cancel", "amal", body, &f.err));    /* nobody listens: no matter */
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_appended_is_read_back),
		cmocka_unit_test(each_root_has_its_own_chain),
		cmocka_unit_test(a_batch_must_fit_its_chain),
		cmocka_unit_test(a_lost_lease_writes_nothing),
		cmocka_unit_test(a_second_creation_is_fenced),
		cmocka_unit_test(batches_come_back_in_order_and_fences_stay_alone),
		cmocka_unit_test(closing_commits_what_is_queued),
		cmocka_unit_test(a_lease_passes_only_from_the_dead_or_late),
		cmocka_unit_test(generations_only_rise),
		cmocka_unit_test(renewing_lengthens_only_ours),
		cmocka_unit_test(long_strings_live_in_blobs),
		cmocka_unit_test(deleted_content_says_so_and_breaks_no_chain),
		cmocka_unit_test(model_text_cannot_name_a_blob),
		cmocka_unit_test(a_replay_has_all_of_one_task_in_order),
		cmocka_unit_test(what_could_not_be_read_again_is_refused),
		cmocka_unit_test(messages_wait_until_they_are_done_with),
		cmocka_unit_test(the_holder_is_poked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
