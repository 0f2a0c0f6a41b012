/* sqlite.c - connections, the cache of statements, and SQLite's failures as errors of ours.
 * It knows no table. It refuses to run SQL that is in no table, but for pragmas and the schema. */
#include "store/sqlite.h"

#include <pthread.h>
#include <stdarg.h>
#include <time.h>

#include "base/clock.h"

#include "base/banned.h"

static const struct { const char *name, *sql; bool reads_all; } statements[] = {
#define STATEMENT(name, whole_table, sql) [SQL_##name] = { #name, sql, whole_table },
#include "store/statements.def"
#undef STATEMENT
};
_Static_assert(COUNT(statements) == STATEMENTS, "every statement has a text");

const char *statement_name(enum statement id)
{
	return statements[id].name;
}

const char *statement_sql(enum statement id)
{
	return statements[id].sql;
}

bool statement_reads_all(enum statement id)
{
	return statements[id].reads_all;
}

static int code_of(sqlite3 *handle, int rc)
{
	int os_code = handle != NULL ? sqlite3_system_errno(handle) : 0;

	switch (rc & 0xff) {
	case SQLITE_FULL: return ENOSPC;
	case SQLITE_NOMEM: return ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return EBUSY;
	case SQLITE_READONLY: return rc == SQLITE_READONLY_DBMOVED ? EIO : EROFS;
	case SQLITE_PERM: return EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return EUCLEAN;
	case SQLITE_CONSTRAINT: return EINVAL;
	case SQLITE_CANTOPEN: return os_code != 0 && os_code != ENOENT ? os_code : EIO; /* the file itself is there */
	default: return os_code == ENOSPC || os_code == EDQUOT ? ENOSPC : EIO;
	}
}

int db_fail(struct db *db, int rc, const char *what, struct err *err)
{
	static const struct { int code; const char *advice; } advice[] = {
		{ ENOSPC, "make room on the disk and start again" },
		{ EBUSY, "another program has held the store for too long; end it, or wait" },
		{ EUCLEAN, "the file is damaged; keep a copy, and put a backup in its place" },
		{ EROFS, "the store may not be written here" },
		{ EACCES, "run as the owner of the data directory" },
	};
	int code = code_of(db->handle, rc);
	const char *reason = db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);

	for (size_t i = 0; i < COUNT(advice); i++)
		if (advice[i].code == code)
			return err_set(err, code, "%s: %s: %s: %s", db->path, what, reason, advice[i].advice);
	return err_set(err, code, "%s: %s: %s", db->path, what, reason);
}

/* SQLite's own handler sleeps up to 100 ms at a time; commits here take less than one. */
static int wait_for_lock(void *unused UNUSED, int attempt)
{
	static const long steps_us[] = { 200, 500, 1000, 2000, 5000 };
	long us = steps_us[MIN((size_t)attempt, COUNT(steps_us) - 1)];
	struct timespec pause = { .tv_nsec = us * 1000 };

	nanosleep(&pause, NULL);
	return attempt < LIMIT_STORE_BUSY_MS / 5;
}

int db_exec(struct db *db, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_fail(db, rc, "cannot be set up", err);
}

static int set_up(struct db *db, struct err *err)
{
	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_busy_handler(db->handle, wait_for_lock, NULL);
	/* A file that somebody else made must not bring code along. */
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 0);
	return db_exec(db,
	               "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA recursive_triggers=ON;"
	               "PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON; PRAGMA journal_size_limit=67108864;",
	               err);
}

/* SQLite would count every allocation of the process under one lock, for numbers that nobody asks for. */
static void uncounted(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int db_open(struct db *db, const char *path, int flags, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, uncounted);
	*db = (struct db){ .path = xstrdup(path) };
	int rc = sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
	int r = rc == SQLITE_OK ? set_up(db, err) : db_fail(db, rc, "cannot be opened", err);
	if (r < 0)
		db_close(db);
	return r;
}

void db_close(struct db *db)
{
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(TAKE(db->cache[i]));
	sign_key_free(TAKE(db->signer));
	sqlite3_close(TAKE(db->handle));
	free(TAKE(db->path));
}

static void bind_str(sqlite3_stmt *stmt, int at, struct str s, bool bytes)
{
	const char *ptr = s.ptr != NULL ? s.ptr : "";

	if (bytes)
		sqlite3_bind_blob64(stmt, at, ptr, s.len, SQLITE_STATIC);
	else
		sqlite3_bind_text64(stmt, at, ptr, s.len, SQLITE_STATIC, SQLITE_UTF8);
}

struct query query_start(struct db *db, enum statement id, const char *types, ...)
{
	struct query q = { .db = db, .id = id, .stmt = TAKE(db->cache[id]) };
	va_list args;

	if (q.stmt == NULL)
		q.rc = sqlite3_prepare_v3(db->handle, statements[id].sql, -1, SQLITE_PREPARE_PERSISTENT, &q.stmt, NULL);
	if (q.rc != SQLITE_OK)
		return q;
	va_start(args, types);
	for (int i = 0; types[i] != '\0'; i++) {
		switch (types[i]) {
		case 't': sqlite3_bind_text(q.stmt, i + 1, va_arg(args, const char *), -1, SQLITE_STATIC); break;
		case 's': bind_str(q.stmt, i + 1, va_arg(args, struct str), false); break;
		case 'b': bind_str(q.stmt, i + 1, va_arg(args, struct str), true); break;
		case 'i': sqlite3_bind_int64(q.stmt, i + 1, va_arg(args, int64_t)); break;
		default: abort();
		}
	}
	va_end(args);
	return q;
}

int query_next(struct query *q, struct err *err)
{
	int rc = q->rc == SQLITE_OK ? sqlite3_step(q->stmt) : q->rc;

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return db_fail(q->db, rc, statements[q->id].name, err);
}

void query_done(struct query *q)
{
	if (q->stmt == NULL)
		return;
	sqlite3_reset(q->stmt);
	sqlite3_clear_bindings(q->stmt);
	if (q->db->cache[q->id] == NULL)
		q->db->cache[q->id] = TAKE(q->stmt);
	else
		sqlite3_finalize(TAKE(q->stmt));
}

struct str query_str(const struct query *q, int column)
{
	/* The pointer first: asking for the size may otherwise convert and move it. */
	const char *ptr = sqlite3_column_blob(q->stmt, column);
	int len = sqlite3_column_bytes(q->stmt, column);

	return (struct str){ ptr != NULL ? ptr : "", ptr != NULL ? (size_t)len : 0 };
}

const char *query_text(const struct query *q, int column)
{
	const char *text = (const char *)sqlite3_column_text(q->stmt, column);

	return text != NULL ? text : "";
}

int64_t query_int(const struct query *q, int column)
{
	return sqlite3_column_int64(q->stmt, column);
}

bool query_is_null(const struct query *q, int column)
{
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

int run_query(struct query q, struct err *err)
{
	int r;

	do
		r = query_next(&q, err);
	while (r > 0);
	query_done(&q);
	return r;
}

int tx_begin(struct db *db, struct err *err)
{
	return db_run(db, err, SQL_BEGIN, "");
}

int tx_end(struct db *db, int r, struct err *err)
{
	if (r >= 0) {
		int committed = db_run(db, err, SQL_COMMIT, "");
		if (committed < 0)
			r = committed;
	}
	/* After some failures SQLite has rolled back by itself. */
	if (r < 0 && sqlite3_get_autocommit(db->handle) == 0 && db_run(db, NULL, SQL_ROLLBACK, "") < 0)
		abort();
	return r;
}
