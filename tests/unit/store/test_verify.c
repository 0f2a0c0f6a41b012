/* test_verify.c - every way to change the past is seen; foreign, newer and damaged files are refused. */
#include "fixture.h"

#include <fcntl.h>

#define A "aaaaaaaaaaa1"
#define B "bbbbbbbbbbb2"

static void fill(struct fixture *f)
{
	AUTO(freep) char *text = xmalloc(20001);

	memset(text, 'x', 20000);
	text[20000] = '\0';
	make_task(f, A, A, "one");
	make_task(f, B, B, "two");
	OK(f, put(f, A, proposed(A, "1.1", "ls")));
	OK(f, put(f, A, finished(A, "1.1", text)));
	OK(f, put(f, "", stopped("e")));
	OK(f, put(f, B, proposed(B, "1.1", "rm")));
	OK(f, put_with(f, (struct store_batch){ .root = A, .task = A, .generation = 1, .lease = LEASE_RELEASE,
	               .checkpoint = true }, ended(A, "done"), NULL));
	OK(f, put_with(f, (struct store_batch){ .root = B, .task = B, .generation = 1, .checkpoint = true }, parked(B), NULL));
}

static void what_nobody_touched_is_good(void **state UNUSED)
{
	struct fixture f;
	struct store_report r;

	fixture_init(&f);
	OK(&f, store_verify(f.store, &r, &f.err));
	assert_true(r.events == 0 && r.chains == 0 && r.checkpoints == 0 && r.blobs == 0);
	fill(&f);
	OK(&f, store_verify(f.store, &r, &f.err));
	assert_true(r.events == 8 && r.chains == 3 && r.checkpoints == 2 && r.blobs == 1);
	fixture_done(&f);
}

static void the_file_itself_refuses_changes(void **state UNUSED)
{
	static const char *const rows[] = {
		"UPDATE events SET data = '{}' WHERE seq = 3",   "DELETE FROM events WHERE seq = 3",
		"UPDATE checkpoints SET root = '' WHERE id = 1", "DELETE FROM checkpoints WHERE id = 1",
	};
	struct fixture f;
	char path[128];
	sqlite3 *db;

	fixture_init(&f);
	fill(&f);
	snprintf(path, sizeof path, "%s/mishri.db", f.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);                 /* the index of words may be written just now */
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(sqlite3_exec(db, rows[i], NULL, NULL, NULL), SQLITE_CONSTRAINT);
	sqlite3_close(db);
	fixture_done(&f);
}

#define FREE "DROP TRIGGER events_stay; DROP TRIGGER events_last; DROP TRIGGER checkpoints_stay; DROP TRIGGER checkpoints_last; "
#define BOUND \
	"CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are never changed'); END; " \
	"CREATE TRIGGER events_last BEFORE DELETE ON events WHEN OLD.task = '' OR NOT EXISTS" \
	" (SELECT 1 FROM tasks t JOIN pruned p ON p.root = t.root WHERE t.task = OLD.task)" \
	" BEGIN SELECT RAISE(ABORT, 'events are never deleted but with their whole tree, for which history.pruned stands'); END; " \
	"CREATE TRIGGER checkpoints_stay BEFORE UPDATE ON checkpoints" \
	" BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END; " \
	"CREATE TRIGGER checkpoints_last BEFORE DELETE ON checkpoints" \
	" BEGIN SELECT RAISE(ABORT, 'checkpoints are never deleted'); END; "

static void every_change_is_seen(void **state UNUSED)
{
	static const struct { const char *change, *says; } rows[] = {
		{ "SELECT 1", NULL },                                   /* taking the triggers off and on is no change */
		{ "UPDATE events SET data = replace(data, '\"ls\"', '\"id\"') WHERE seq = 3", "event 3" },
		{ "UPDATE events SET data = data || ' ' WHERE seq = 3", "event 3" },
		{ "UPDATE events SET data = 'x' WHERE seq = 3", "event 3" },
		{ "UPDATE events SET time = '2020-01-01T00:00:00.000000Z' WHERE seq = 4", "event 4" },
		{ "UPDATE events SET type = 'call.decided' WHERE seq = 3", "event 3" },
		{ "UPDATE events SET session = 'other' WHERE seq = 3", "event 3" },
		{ "UPDATE events SET task = '" B "' WHERE seq = 3", "event 3" },
		{ "UPDATE events SET hash = prev WHERE seq = 3", "event 3" },
		{ "UPDATE events SET prev = hash WHERE seq = 3", "event 3" },
		{ "DELETE FROM events WHERE seq = 1", "event 1" },
		{ "DELETE FROM events WHERE seq = 3", "event 3" },
		{ "DELETE FROM events WHERE seq = 5", "event 5" },
		{ "DELETE FROM events WHERE seq = 8", "chain 'bbbbbbbbbbb2'" },
		{ "DELETE FROM events", "chain" },
		/* the newest cut off, and the head set back: the checkpoint still knows */
		{ "UPDATE chains SET head = (SELECT prev FROM events WHERE seq = 8), events = 2 WHERE root = '" B "'; "
		  "DELETE FROM events WHERE seq = 8", "checkpoint 2" },
		/* two events change places */
		{ "UPDATE events SET seq = 100 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 4; "
		  "UPDATE events SET seq = 4 WHERE seq = 100", "event 3" },
		/* of different chains: no hash is wrong, but a checkpoint and the text of a task's place are */
		{ "UPDATE events SET seq = 100 WHERE seq = 7; UPDATE events SET seq = 7 WHERE seq = 8; "
		  "UPDATE events SET seq = 8 WHERE seq = 100", "checkpoint 1" },
		{ "UPDATE events SET seq = 100 WHERE seq = 8", "event 8" },
		{ "INSERT INTO events SELECT 9, time, type, session, task, data, hash, prev FROM events WHERE seq = 8", "event 9" },
		{ "UPDATE blobs SET data = x'00'", "long string" },
		{ "INSERT INTO blobs VALUES ('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', x'')",
		  "no event names" },
		{ "DELETE FROM blobs", NULL },                          /* content may go */
		{ "UPDATE chains SET head = (SELECT hash FROM events WHERE seq = 1) WHERE root = '" A "'", "chain 'aaaaaaaaaaa1'" },
		{ "UPDATE chains SET events = 7 WHERE root = ''", "chain ''" },
		{ "DELETE FROM chains WHERE root = ''", "chain ''" },
		{ "INSERT INTO chains VALUES ('zzzzzzzzzzzz', 'x', 1)", "chain 'zzzzzzzzzzzz'" },
		{ "UPDATE checkpoints SET data = replace(data, '2', '3') WHERE id = 1", "checkpoint 1" },
		{ "UPDATE checkpoints SET root = '" B "' WHERE id = 1", "checkpoint 1" },
		{ "UPDATE checkpoints SET seq = 1 WHERE id = 1", "checkpoint 1" },
		{ "UPDATE checkpoints SET hash = prev WHERE id = 2", "checkpoint 2" },
		{ "DELETE FROM checkpoints WHERE id = 1", "checkpoint 1" },
		{ "CREATE TRIGGER quiet AFTER INSERT ON events BEGIN DELETE FROM inbox; END", "trigger 'quiet'" },
		{ "DROP INDEX events_task", "events_task" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fixture f;
		struct store_report report = { .events = -1 };
		fixture_init(&f);
		fill(&f);
		fixture_close(&f);
		AUTO(freep) char *sql = xasprintf(FREE "%s; " BOUND, rows[i].change);
		tamper(&f, sql);
		fixture_open(&f);
		int r = store_verify(f.store, &report, &f.err);
		if (r != (rows[i].says == NULL ? 0 : -EBADMSG))
			fail_msg("%s: %d: %s", rows[i].change, r, f.err.text);
		if (r < 0 && strstr(f.err.text, rows[i].says) == NULL)
			fail_msg("%s: %s", rows[i].change, f.err.text);
		assert_true((report.events == -1) == (r < 0));
		fixture_done(&f);
	}
}

static void missing_triggers_are_seen(void **state UNUSED)
{
	struct fixture f;
	struct store_report report;

	fixture_init(&f);
	fill(&f);
	tamper(&f, "DROP TRIGGER events_last");
	assert_int_equal(store_verify(f.store, &report, &f.err), -EBADMSG);
	assert_non_null(strstr(f.err.text, "events_last"));
	fixture_done(&f);
}

/* ---- files that are not ours, not yet ours, not ours any more ---- */

static void overwrite(const struct fixture *f, off_t at, const void *bytes, size_t len)
{
	char path[128];

	snprintf(path, sizeof path, "%s/mishri.db", f->dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	close(fd);
}

static void garbage_at_start(const struct fixture *f) { overwrite(f, 0, "this is no database at all", 26); }
static void newer(const struct fixture *f) { tamper(f, "PRAGMA user_version = 99"); }
static void foreign(const struct fixture *f) { tamper(f, "PRAGMA application_id = 7"); }

static void damaged_pages(const struct fixture *f)
{
	char noise[4096];

	memset(noise, 0xa5, sizeof noise);
	for (off_t page = 1; page < 40; page++)
		overwrite(f, page * 4096, noise, sizeof noise);
}

static void damaged_schema(const struct fixture *f)
{
	char noise[4096 - 108]; /* the rest of the first page, behind its header */

	memset(noise, 0xa5, sizeof noise);
	overwrite(f, 108, noise, sizeof noise);
}

static void empty(const struct fixture *f)
{
	char path[128];

	snprintf(path, sizeof path, "%s/mishri.db", f->dir);
	assert_int_equal(truncate(path, 0), 0);
}

static void unlinked(const struct fixture *f)
{
	char path[128];

	snprintf(path, sizeof path, "%s/mishri.db", f->dir);
	assert_int_equal(unlink(path), 0);
}

static void directory_instead(const struct fixture *f)
{
	char path[128];

	unlinked(f);
	snprintf(path, sizeof path, "%s/mishri.db", f->dir);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void untouched(const struct fixture *f UNUSED) { }

static int open_and_ask(struct fixture *f, unsigned flags)
{
	struct store_report report;
	int r = store_open(f->dir, flags, &f->store, &f->err);

	return r < 0 ? r : store_verify(f->store, &report, &f->err);
}

static void unfit_files_are_refused_with_a_reason(void **state UNUSED)
{
	static const struct { void (*make)(const struct fixture *); int create, write, read; const char *says; } rows[] = {
		{ untouched, 0, 0, 0, NULL },
		{ garbage_at_start, -EUCLEAN, -EUCLEAN, -EUCLEAN, "damaged" },
		{ damaged_schema, -EUCLEAN, -EUCLEAN, -EUCLEAN, "damaged" },
		{ damaged_pages, -EUCLEAN, -EUCLEAN, -EUCLEAN, "damaged" },
		{ newer, -ENOTSUP, -ENOTSUP, -ENOTSUP, "newer version" },
		{ foreign, -EUCLEAN, -EUCLEAN, -EUCLEAN, "another program" },
		{ directory_instead, -EUCLEAN, -EUCLEAN, -EUCLEAN, "is no file" },
		{ unlinked, 0, -ENOENT, -ENOENT, "no store yet" },
		{ empty, 0, 0, -ENOENT, "nothing has been stored" },
	};
	static const unsigned flags[] = { STORE_CREATE, 0, STORE_READ_ONLY };

	for (size_t i = 0; i < COUNT(rows) * COUNT(flags); i++) {
		struct fixture f;
		size_t row = i / COUNT(flags), how = i % COUNT(flags);
		int want = how == 0 ? rows[row].create : how == 1 ? rows[row].write : rows[row].read;
		char path[128];
		fixture_init(&f);
		fill(&f);
		fixture_close(&f);
		rows[row].make(&f);
		int r = open_and_ask(&f, flags[how]);
		if (r != want)
			fail_msg("row %zu.%zu: %d: %s", row, how, r, f.err.text);
		if (r < 0 && strstr(f.err.text, rows[row].says) == NULL)
			fail_msg("row %zu.%zu: %s", row, how, f.err.text);
		snprintf(path, sizeof path, "%s/mishri.db", f.dir);
		rmdir(path);
		fixture_done(&f);
	}
}

static void nobody_else_may_read_it(void **state UNUSED)
{
	static const char *const names[] = { "mishri.db", "mishri.db-wal", "mishri.db-shm" };
	struct fixture f = { 0 };
	char path[128], top[32] = "/tmp/mishri-test-XXXXXX";
	struct stat st;
	mode_t before = umask(0);

	assert_non_null(mkdtemp(top));
	snprintf(f.dir, sizeof f.dir, "%s/a", top);
	fixture_open(&f);
	make_task(&f, A, A, "one");
	assert_int_equal(stat(f.dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", f.dir, names[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	fixture_done(&f);
	rmdir(top);
	umask(before);
}

/* A reader needs no writer, sees what is committed, and disturbs nobody. */
static void readers_see_what_is_committed(void **state UNUSED)
{
	struct fixture f;
	struct store *reader;
	struct task_row row;

	fixture_init(&f);
	make_task(&f, A, A, "one");
	OK(&f, store_open(f.dir, STORE_READ_ONLY, &reader, &f.err));
	for (int i = 0; i < 20; i++) {
		char call[24];
		snprintf(call, sizeof call, "1.%d", i);
		OK(&f, put(&f, A, proposed(A, call, "ls")));
		OK(&f, store_task_get(reader, A, &row, &f.err));
		assert_int_equal(row.calls, i + 1);
		task_row_done(&row);
	}
	store_close(reader);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_touched_is_good),
		cmocka_unit_test(the_file_itself_refuses_changes),
		cmocka_unit_test(every_change_is_seen),
		cmocka_unit_test(missing_triggers_are_seen),
		cmocka_unit_test(unfit_files_are_refused_with_a_reason),
		cmocka_unit_test(nobody_else_may_read_it),
		cmocka_unit_test(readers_see_what_is_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
