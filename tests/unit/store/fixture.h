/* fixture.h - a store in a fresh directory, and events to put into it. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "store/store.h"

struct fixture {
	char dir[96];
	struct store *store;
	struct err err;
};

#define OK(f, r) do { int r_ = (r); if (r_ != 0) fail_msg("%s: %d: %s", #r, r_, (f)->err.text); } while (0)

static inline void fixture_open(struct fixture *f)
{
	OK(f, store_open(f->dir, STORE_CREATE, &f->store, &f->err));
	OK(f, store_engine_register(f->store, "", &f->err));
}

static inline void fixture_init(struct fixture *f)
{
	*f = (struct fixture){ .dir = "/tmp/mishri-test-XXXXXX" };
	assert_non_null(mkdtemp(f->dir));
	fixture_open(f);
}

static inline void fixture_close(struct fixture *f)
{
	store_close(TAKE(f->store));
}

static inline void fixture_done(struct fixture *f)
{
	static const char *const names[] = { "mishri.db", "mishri.db-wal", "mishri.db-shm", "socket", "audit.key" };
	char path[128];

	fixture_close(f);
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", f->dir, names[i]);
		unlink(path);
	}
	rmdir(f->dir);
}

/* Another hand in the file: no triggers of ours, no rules. Returns the first column as a number. */
static inline int64_t tamper(const struct fixture *f, const char *sql)
{
	char path[128];
	sqlite3 *db;
	sqlite3_stmt *stmt;
	int64_t value = 0;
	const char *rest = sql;

	snprintf(path, sizeof path, "%s/mishri.db", f->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	while (*rest != '\0') {
		if (sqlite3_prepare_v2(db, rest, -1, &stmt, &rest) != SQLITE_OK)
			fail_msg("%s: %s", sql, sqlite3_errmsg(db));
		int rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW)
			value = sqlite3_column_int64(stmt, 0);
		else if (rc != SQLITE_DONE)
			fail_msg("%s: %s", sql, sqlite3_errmsg(db));
		sqlite3_finalize(stmt);
		while (*rest == ' ')
			rest++;
	}
	sqlite3_close(db);
	return value;
}

static inline struct event event_of(enum event_type type, const char *task, const char *parent, json_t *data)
{
	struct event e = { .type = type, .time_us = clock_wall_us(), .attempt = 1, .data = data };

	assert_non_null(data);
	snprintf(e.session, sizeof e.session, "%s", task[0] != '\0' ? "s00000000001" : "");
	snprintf(e.task, sizeof e.task, "%s", task);
	snprintf(e.parent, sizeof e.parent, "%s", parent);
	snprintf(e.user, sizeof e.user, "amal");
	return e;
}

static inline struct event created(const char *task, const char *parent, const char *goal)
{
	return event_of(EVENT_TASK_CREATED, task, parent,
	                json_pack("{ss ss ss si ss ss ss ss sb ss s[] s[] s{}}", "goal", goal, "agent", "default", "role",
	                          parent[0] == '\0' ? "master" : "worker", "depth", parent[0] == '\0' ? 0 : 1, "model",
	                          "recorded/x", "workspace", "/w", "isolation", "full", "channel", "cli", "interactive", 0,
	                          "plan", "never", "tools", "policies", "limits"));
}

static inline struct event proposed(const char *task, const char *call, const char *text)
{
	return event_of(EVENT_CALL_PROPOSED, task, "",
	                json_pack("{ss si ss ss s{ss}}", "call", call, "turn", 1, "id", "x", "tool", "shell", "args",
	                          "command", text));
}

static inline struct event finished(const char *task, const char *call, const char *output)
{
	return event_of(EVENT_CALL_FINISHED, task, "",
	                json_pack("{ss ss ss si ss si si si si}", "call", call, "tool", "shell", "status", "ok", "exit", 0,
	                          "output", output, "bytes", 1, "execs", 1, "denied_execs", 0, "ms", 5));
}

static inline struct event ended(const char *task, const char *result)
{
	return event_of(EVENT_TASK_FINISHED, task, "",
	                json_pack("{ss si ss}", "state", "done", "exit", 0, "result", result));
}

static inline struct event parked(const char *task)
{
	return event_of(EVENT_TASK_PARKED, task, "", json_pack("{ss}", "reason", "interrupted"));
}

static inline struct event stopped(const char *engine)
{
	return event_of(EVENT_ENGINE_STOPPED, "", "", json_pack("{ss ss}", "engine", engine, "reason", "done"));
}

static inline int put_with(struct fixture *f, struct store_batch batch, struct event e, int64_t *ret_seq)
{
	batch.events = &e;
	batch.count = 1;
	return store_append_wait(f->store, &batch, ret_seq, &f->err);
}

/* One event of a task whose lease is held with generation 1. */
static inline int put(struct fixture *f, const char *root, struct event e)
{
	return put_with(f, (struct store_batch){ .root = root, .task = root[0] != '\0' ? e.task : "", .generation = 1 }, e, NULL);
}

static inline void make_task(struct fixture *f, const char *root, const char *task, const char *goal)
{
	const char *parent = strcmp(root, task) == 0 ? "" : root;

	OK(f, put_with(f, (struct store_batch){ .root = root, .task = task, .lease = LEASE_CREATE },
	               created(task, parent, goal), NULL));
}

#endif
