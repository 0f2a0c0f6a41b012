/* test_tamper.c - no column and no row on which a claim of the audit rests can be changed unseen. The rows are made from the
 * schema that the file itself has: a new column is covered without a word here. */
#include "fixture.h"

#include <fcntl.h>

#include "base/io.h"
#include "store/audit.h"

#define A "aaaaaaaaaaa1"
#define B "bbbbbbbbbbb2"

enum { STATEMENT_BYTES = 2000 };

/* says: one of these words stands in the complaint, so that it says where. free: rows of it may leave. */
static const struct table {
	const char *name, *says;
	bool free;
	const char *note;            /* a column that is shown and proves nothing: only the order of keys, which `by` proves, follows from it */
} tables[] = {
	{ "events", "event |chain |checkpoint ", false },
	{ "chains", "chain ", false },
	{ "checkpoints", "checkpoint ", false },
	{ "signatures", "checkpoint ", false },
	{ "audit_keys", "key |checkpoint ", false, "since" },
	{ "blobs", "long string ", true },   /* content may leave: what stays is what it was */
};

/* Two trees, an engine event, long strings, and checkpoints of two keys, one signed by the other. */
static void fill(struct fixture *f)
{
	char id[SIGN_ID_LEN + 1];
	AUTO(freep) char *text = xmalloc(20001);

	memset(text, 'x', 20000);
	text[20000] = '\0';
	OK(f, store_audit_key_new(f->store, id, &f->err));
	make_task(f, A, A, "one");
	make_task(f, B, B, "two");
	OK(f, put(f, A, proposed(A, "1.1", "ls")));
	OK(f, put(f, B, proposed(B, "1.1", "ls")));
	OK(f, put(f, A, finished(A, "1.1", text)));
	text[0] = 'y';
	OK(f, put(f, B, finished(B, "1.1", text)));
	OK(f, put(f, "", stopped("e")));
	OK(f, put_with(f, (struct store_batch){ .root = A, .task = A, .generation = 1, .lease = LEASE_RELEASE, .checkpoint = true },
	               ended(A, "done"), NULL));
	OK(f, store_audit_key_new(f->store, id, &f->err));
	OK(f, put(f, "", stopped("g")));
	OK(f, put_with(f, (struct store_batch){ .root = B, .task = B, .generation = 1, .checkpoint = true }, parked(B), NULL));
}

struct home {
	struct fixture f;
	char path[128];
	struct buf whole;            /* the file as it was written */
	char triggers[20][STATEMENT_BYTES], names[20][64];
	int trigger_count;
};

static sqlite3 *open_file(const struct home *h)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(h->path, &db), SQLITE_OK);
	return db;
}

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static int keep_trigger(void *userdata, int columns UNUSED, char **values, char **names UNUSED)
{
	struct home *h = userdata;

	snprintf(h->names[h->trigger_count], sizeof *h->names, "%s", values[0]);
	snprintf(h->triggers[h->trigger_count++], STATEMENT_BYTES, "%s", values[1]);
	return 0;
}

static void home_init(struct home *h)
{
	*h = (struct home){ .whole = BUF_INIT(MIB(8)) };
	fixture_init(&h->f);
	fill(&h->f);
	fixture_close(&h->f);
	snprintf(h->path, sizeof h->path, "%s/mishri.db", h->f.dir);
	sqlite3 *db = open_file(h);
	run(db, "PRAGMA wal_checkpoint(TRUNCATE)");
	sqlite3_exec(db, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'", keep_trigger, h, NULL);
	sqlite3_close(db);
	OK(&h->f, io_read_file(h->path, &h->whole, &h->f.err));
}

/* The file as it was, then changed by another hand, its triggers back in their places. Nothing waits for the disk: what is asked is
 * what the file says, not what a crash leaves of it. */
static void change(struct home *h, const char *sql)
{
	int fd = open(h->path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0 && write(fd, h->whole.ptr, h->whole.len) == (ssize_t)h->whole.len);
	close(fd);
	sqlite3 *db = open_file(h);
	run(db, "PRAGMA synchronous=OFF; BEGIN");
	for (int i = 0; i < h->trigger_count; i++) {
		AUTO(freep) char *drop = xasprintf("DROP TRIGGER %s", h->names[i]);
		run(db, drop);
	}
	run(db, sql);
	for (int i = 0; i < h->trigger_count; i++)
		run(db, h->triggers[i]);
	run(db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
	sqlite3_close(db);
}

static bool says_one_of(const char *text, const char *words)
{
	struct str rest = str_of(words), word;

	while (str_next(&rest, '|', &word)) {
		AUTO(freep) char *one = xstrndup(word.ptr, word.len);
		if (strstr(text, one) != NULL)
			return true;
	}
	return false;
}

static void must_be_seen(struct home *h, const struct table *t, const char *sql)
{
	struct store_report report;

	change(h, sql);
	OK(&h->f, store_open(h->f.dir, STORE_READ_ONLY, &h->f.store, &h->f.err));
	int r = store_verify(h->f.store, &report, &h->f.err);
	if (r != -EBADMSG)
		fail_msg("not seen (%d %s): %s", r, r < 0 ? h->f.err.text : "", sql);
	if (!says_one_of(h->f.err.text, t->says))
		fail_msg("%s: does not say where: %s", sql, h->f.err.text);
	fixture_close(&h->f);
}

static int64_t number(const struct home *h, const char *sql)
{
	return tamper(&h->f, sql);
}

struct column { char name[64], type[16]; bool key; };

static int columns_of(const struct home *h, const char *table, struct column ret[static 32])
{
	AUTO(freep) char *sql = xasprintf("SELECT name, type, pk FROM pragma_table_info('%s')", table);
	sqlite3 *db = open_file(h);
	sqlite3_stmt *stmt;
	int n = 0;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	for (; sqlite3_step(stmt) == SQLITE_ROW; n++) {
		assert_true(n < 32);
		snprintf(ret[n].name, sizeof ret[n].name, "%s", (const char *)sqlite3_column_text(stmt, 0));
		snprintf(ret[n].type, sizeof ret[n].type, "%s", (const char *)sqlite3_column_text(stmt, 1));
		ret[n].key = sqlite3_column_int(stmt, 2) != 0;
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	assert_true(n > 0);
	return n;
}

/* The first column tells the rows of each of these tables apart. */
static char *row_of(const struct table *t, const struct column *key, int64_t row)
{
	return xasprintf("%s = (SELECT %s FROM %s ORDER BY %s LIMIT 1 OFFSET %lld)", key->name, key->name, t->name, key->name, (long long)row);
}

static void every_column_of_every_row(void **state UNUSED)
{
	static const struct { const char *type, *ways[3]; } ways[] = {
		{ "TEXT", { "%s || 'x'", "'z' || substr(%s, 2)", "''" } },
		{ "INTEGER", { "%s + 1", "%s - 1", "%s + 1000" } },
		{ "BLOB", { "CAST(%s || x'00' AS BLOB)", "zeroblob(length(%s))", "x''" } },
	};
	struct column columns[32];
	struct home h;
	int tried = 0;

	home_init(&h);
	for (size_t t = 0; t < COUNT(tables); t++) {
		AUTO(freep) char *count = xasprintf("SELECT count(*) FROM %s", tables[t].name);
		int64_t rows = number(&h, count);
		int n = columns_of(&h, tables[t].name, columns);
		assert_true(rows >= 2);
		for (int64_t row = 0; row < rows; row++)
			for (int c = 0; c < n; c++) {
				if (tables[t].note != NULL && strcmp(tables[t].note, columns[c].name) == 0)
					continue;
				AUTO(freep) char *where = row_of(&tables[t], &columns[0], row);
				size_t kind = 0, way = (size_t)(row + c) % 3;
				while (strcmp(ways[kind].type, columns[c].type) != 0)
					assert_true(++kind < COUNT(ways));
				const char *form = ways[kind].ways[way], *mark = strstr(form, "%s");
				AUTO(freep) char *value = mark == NULL ? xstrdup(form)
					: xasprintf("%.*s%s%s", (int)(mark - form), form, columns[c].name, mark + 2);
				AUTO(freep) char *test = xasprintf("SELECT count(*) FROM %s WHERE %s AND %s IS NOT (%s)", tables[t].name, where,
				                                   columns[c].name, value);
				AUTO(freep) char *sql = xasprintf("UPDATE OR REPLACE %s SET %s = %s WHERE %s", tables[t].name, columns[c].name, value,
				                                  where);
				change(&h, "SELECT 1");
				if (number(&h, test) == 0)
					continue; /* it is that already */
				must_be_seen(&h, &tables[t], sql);
				tried++;
			}
	}
	assert_true(tried > 100);
	print_message("%d changes of columns, each seen\n", tried);
	buf_done(&h.whole);
	fixture_done(&h.f);
}

/* One column of two rows, or (0) all but the first. Of events of two trees only the parts: which of two trees wrote first is in no
 * chain, and nobody claims it is. */
static int exchange(struct home *h, const struct table *t, const struct column *columns, int n, int64_t row, int64_t other, int column)
{
	AUTO(freep) char *where = row_of(t, &columns[0], row), *with = row_of(t, &columns[0], other);
	AUTO(buf_done) struct buf sql = BUF_INIT(KIB(16)), same = BUF_INIT(KIB(16));

	if (t->note != NULL && strcmp(t->note, columns[column].name) == 0)
		return 0;
	buf_printf(&same, "SELECT %s", column == 0 && strcmp(t->name, "events") == 0 ? "a.task <> b.task OR (1" : "(1");
	buf_printf(&sql, "CREATE TEMP TABLE a AS SELECT * FROM %s WHERE %s; CREATE TEMP TABLE b AS SELECT * FROM %s WHERE %s;", t->name,
	           where, t->name, with);
	for (int way = 0; way < 2; way++) {
		buf_printf(&sql, "UPDATE %s SET ", t->name);
		for (int c = MAX(column, 1); c < (column == 0 ? n : column + 1); c++) {
			buf_printf(&sql, "%s%s = (SELECT %s FROM %c)", c > MAX(column, 1) ? ", " : "", columns[c].name, columns[c].name,
			           way == 0 ? 'b' : 'a');
			if (way == 0)
				buf_printf(&same, " AND a.%s = b.%s", columns[c].name, columns[c].name);
		}
		buf_printf(&sql, " WHERE %s = (SELECT %s FROM %c);", columns[0].name, columns[0].name, way == 0 ? 'a' : 'b');
	}
	buf_printf(&same, ") FROM (SELECT * FROM %s WHERE %s) a, (SELECT * FROM %s WHERE %s) b", t->name, where, t->name, with);
	change(h, "SELECT 1");
	if (number(h, buf_text(&same)) != 0)
		return 0;
	must_be_seen(h, t, buf_text(&sql));
	return 1;
}

static void every_row(void **state UNUSED)
{
	struct column columns[32];
	struct home h;
	int tried = 0;

	home_init(&h);
	for (size_t t = 0; t < COUNT(tables); t++) {
		AUTO(freep) char *count = xasprintf("SELECT count(*) FROM %s", tables[t].name);
		int64_t rows = number(&h, count);
		int n = columns_of(&h, tables[t].name, columns);
		for (int64_t row = 0; row < rows; row++) {
			AUTO(freep) char *where = row_of(&tables[t], &columns[0], row);
			AUTO(freep) char *gone = xasprintf("DELETE FROM %s WHERE %s", tables[t].name, where);
			AUTO(freep) char *rest = xasprintf("DELETE FROM %s WHERE %s >= (SELECT %s FROM %s ORDER BY %s LIMIT 1 OFFSET %lld)",
			                                   tables[t].name, columns[0].name, columns[0].name, tables[t].name, columns[0].name,
			                                   (long long)row);
			if (!tables[t].free) {
				must_be_seen(&h, &tables[t], gone);
				must_be_seen(&h, &tables[t], rest);
				tried += 2;
			}
			/* With the two rows behind it: order, and what belongs to another task. */
			for (int64_t other = row + 1; other < MIN(rows, row + 3); other++)
				for (int c = 0; c < n; c++)
					tried += exchange(&h, &tables[t], columns, n, row, other, c);
		}
	}
	assert_true(tried > 50);
	print_message("%d rows removed, cut off or exchanged, each seen\n", tried);
	buf_done(&h.whole);
	fixture_done(&h.f);
}

/* The guard of the tests above: the same way without a change is no complaint. */
static void no_change_is_no_complaint(void **state UNUSED)
{
	struct store_report report;
	struct home h;

	home_init(&h);
	change(&h, "UPDATE events SET data = data");
	OK(&h.f, store_open(h.f.dir, 0, &h.f.store, &h.f.err));
	OK(&h.f, store_verify(h.f.store, &report, &h.f.err));
	assert_true(report.signatures == 2 && report.blobs == 2 && report.checkpoints == 2);
	buf_done(&h.whole);
	fixture_done(&h.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_change_is_no_complaint), cmocka_unit_test(every_column_of_every_row), cmocka_unit_test(every_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
