/* tokens.c - rows about tokens and requests. It makes no token and compares none. */
#include "store/tokens.h"

#include <stdio.h>

#include "store/internal.h"

#include "base/banned.h"

enum { REQUEST_KEPT_DAYS = 30 };

static void read_row(const struct query *q, struct token_row *ret)
{
	*ret = (struct token_row){ .made_us = query_int(q, 6), .expires_us = query_int(q, 8), .revoked_us = query_int(q, 9) };
	snprintf(ret->id, sizeof ret->id, "%s", query_text(q, 0));
	snprintf(ret->name, sizeof ret->name, "%s", query_text(q, 1));
	snprintf(ret->user, sizeof ret->user, "%s", query_text(q, 2));
	snprintf(ret->role, sizeof ret->role, "%s", query_text(q, 3));
	snprintf(ret->salt, sizeof ret->salt, "%s", query_text(q, 4));
	snprintf(ret->hash, sizeof ret->hash, "%s", query_text(q, 5));
	snprintf(ret->made_by, sizeof ret->made_by, "%s", query_text(q, 7));
	snprintf(ret->revoked_by, sizeof ret->revoked_by, "%s", query_text(q, 10));
}

static void count_one(void *userdata, const struct token_row *row)
{
	(void)row;
	++*(int64_t *)userdata;
}

static json_t *added(const struct token_row *t)
{
	char time[CLOCK_TEXT_BYTES];
	json_t *data = json_object();

	json_put_text(data, "token", t->id);
	json_put_text(data, "name", t->name);
	json_put_text(data, "user", t->user);
	json_put_text(data, "role", t->role);
	json_put(data, "expires", t->expires_us > 0 ? json_string(clock_format(t->expires_us, time)) : json_null());
	json_put_text(data, "by", t->made_by);
	return data;
}

static int add(struct db *db, const struct token_row *t, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_TOKEN_PUT, "ttttttiti", t->id, t->name, t->user, t->role, t->salt, t->hash,
	                                              t->made_us, t->made_by, t->expires_us);
	int r = query_next(&q, err);

	if (r == 0)
		return err_set(err, EEXIST, "there is a token '%s' already; `mishri token list` shows them, and a name is used once", t->name);
	return r < 0 ? r : engine_event_write(db, EVENT_TOKEN_ADDED, t->made_by, added(t), err);
}

int store_token_add(struct store *store, const struct token_row *t, struct err *err)
{
	int64_t count = 0;
	int r = store_tokens(store, count_one, &count, err);

	if (r < 0)
		return r;
	if (count >= LIMIT_TOKENS)
		return err_set(err, ENOSPC, "there are %d tokens; no more are kept", LIMIT_TOKENS);
	r = tx_begin(&store->db, err);
	return r < 0 ? r : tx_end(&store->db, add(&store->db, t, err), err);
}

int store_token_get(struct store *store, const char *id, struct token_row *ret, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_TOKEN_GET, "t", id);
	int r = query_next(&q, err);

	if (r <= 0)
		return r < 0 ? r : err_set(err, ENOENT, "there is no such token");
	read_row(&q, ret);
	return 0;
}

int store_tokens(struct store *store, void (*visit)(void *userdata, const struct token_row *row), void *userdata, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_TOKENS, "");
	int r;

	while ((r = query_next(&q, err)) > 0) {
		struct token_row row;
		read_row(&q, &row);
		visit(userdata, &row);
	}
	return r;
}

static int revoke(struct db *db, const char *name, const char *by, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_TOKEN_REVOKE, "tit", name, clock_wall_us(), by);
	int r = query_next(&q, err);

	if (r < 0)
		return r;
	if (r > 0)
		return engine_event_write(db, EVENT_TOKEN_REVOKED, by, json_pack("{s:s, s:s, s:s}", "token", query_text(&q, 0), "name", name,
		                          "by", by), err);
	AUTO(query_done) struct query old = query_start(db, SQL_TOKEN_NAMED, "t", name);
	r = query_next(&old, err);
	if (r < 0)
		return r;
	return r > 0 ? err_set(err, EALREADY, "the token '%s' is revoked already", name)
		: err_set(err, ENOENT, "there is no token '%s'; `mishri token list` shows them", name);
}

int store_token_revoke(struct store *store, const char *name, const char *by, struct err *err)
{
	int r = tx_begin(&store->db, err);

	return r < 0 ? r : tx_end(&store->db, revoke(&store->db, name, by, err), err);
}

int store_request_get(struct store *store, const char *user, const char *key, char ret_digest[static SHA256_HEX_LEN + 1],
                      char ret_task[static ID_LEN + 1], bool *ret_there, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_REQUEST_GET, "tt", user, key);
	int r = query_next(&q, err);

	if (r <= 0)
		return r;
	snprintf(ret_digest, SHA256_HEX_LEN + 1, "%s", query_text(&q, 0));
	snprintf(ret_task, ID_LEN + 1, "%s", query_text(&q, 1));
	*ret_there = query_int(&q, 2) != 0;
	return 1;
}

int store_request_put(struct store *store, const char *user, const char *key, const char *digest, const char *task, struct err *err)
{
	int64_t now_us = clock_wall_us();
	int r = db_run(&store->db, err, SQL_REQUEST_FORGET, "i", now_us - REQUEST_KEPT_DAYS * LIMIT_DAY_US);

	return r < 0 ? r : db_run(&store->db, err, SQL_REQUEST_PUT, "tttti", user, key, digest, task, now_us);
}

int store_tasks_left(struct store *store, enum task_state state, void (*visit)(void *userdata, const char *task), void *userdata,
                     struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_TASKS_LEFT, "t", task_state_name(state));
	int r;

	while ((r = query_next(&q, err)) > 0)
		visit(userdata, query_text(&q, 0));
	return r;
}

int store_session_user(struct store *store, const char *session, char ret[static USER_LEN + 1], struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_SESSION_USER, "t", session);
	int r = query_next(&q, err);

	if (r > 0)
		snprintf(ret, USER_LEN + 1, "%s", query_text(&q, 0));
	return r;
}
