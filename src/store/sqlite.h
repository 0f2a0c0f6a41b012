/* sqlite.h - one connection with its statements; private to this folder.
 *
 * Every statement is a row of statements.def and is prepared once per connection. A query is
 * borrowed from that cache, so that queries may nest; a statement in use is prepared again. */
#ifndef MISHRI_STORE_SQLITE_H
#define MISHRI_STORE_SQLITE_H

#include <sqlite3.h>

#include "base/err.h"
#include "base/sign.h"
#include "base/str.h"

enum statement {
#define STATEMENT(name, whole_table, sql) SQL_##name,
#include "store/statements.def"
#undef STATEMENT
	STATEMENTS
};

const char *statement_name(enum statement id);
const char *statement_sql(enum statement id);
bool statement_reads_all(enum statement id);            /* on purpose: upkeep */

struct db {
	sqlite3 *handle;
	char *path;
	sqlite3_stmt *cache[STATEMENTS];
	struct sign_key *signer;                        /* of signing.c; NULL: none */
	int64_t signer_stamp;                           /* of the file that it came from */
	struct marked { char task[16], tool[48]; } marked[64];  /* of project.c: marks that are there */
	const struct sign_key *given;                   /* borrowed; NULL: the file counts */
};

/* flags: SQLITE_OPEN_*. Sets what every connection needs; the schema is schema_prepare's business. */
MUST_USE int db_open(struct db *db, const char *path, int flags, struct err *err);
void db_close(struct db *db);                           /* may be called twice */

/* The sentence for the last failure: what, the file, SQLite's reason. Returns -errno. */
int db_fail(struct db *db, int rc, const char *what, struct err *err);

/* One SQL text outside the table: pragmas and schema. */
MUST_USE int db_exec(struct db *db, const char *sql, struct err *err);

struct query {
	struct db *db;
	enum statement id;
	sqlite3_stmt *stmt;
	int rc;                                         /* of preparing */
};

/* Binds by position: types is one letter each: t text (NULL: null), s struct str, b struct str as
 * bytes, i int64_t. What is bound must live until query_done. */
struct query query_start(struct db *db, enum statement id, const char *types, ...);
MUST_USE int query_next(struct query *q, struct err *err); /* 1: a row, 0: no more, or -errno */
void query_done(struct query *q);                          /* fits AUTO(query_done) */

/* The columns of the current row; borrowed until the next step. */
const char *query_text(const struct query *q, int column);   /* "" for null */
struct str query_str(const struct query *q, int column);
int64_t query_int(const struct query *q, int column);
bool query_is_null(const struct query *q, int column);

/* A statement without rows, or whose rows do not matter. */
#define db_run(db, err, ...) run_query(query_start((db), __VA_ARGS__), (err))
MUST_USE int run_query(struct query q, struct err *err);

/* BEGIN IMMEDIATE ... COMMIT, or ROLLBACK where r < 0. tx_end returns r, or the failure to commit. */
MUST_USE int tx_begin(struct db *db, struct err *err);
MUST_USE int tx_end(struct db *db, int r, struct err *err);

#endif
