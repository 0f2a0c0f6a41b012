/* approvals.c - questions about approvals and grants. It reads and never writes: both follow from events. */
#include "store/internal.h"

#include <stdio.h>

#include "base/banned.h"

static void copy_text(char *to, size_t size, const struct query *q, int column)
{
	snprintf(to, size, "%s", query_text(q, column));
}

int event_data(const struct query *q, int column, json_t **ret, int64_t *ret_time_us, struct err *err)
{
	AUTO(json_decrefp) json_t *event = NULL;
	int r = json_parse(query_str(q, column), &event, err);

	if (r == 0)
		r = blobs_restore(q->db, event, err);
	if (r == 0 && clock_parse(json_get_text(event, "time", ""), ret_time_us) < 0)
		r = err_set(err, EBADMSG, "%s: an event has no time; look with 'mishri audit verify'", q->db->path);
	if (r == 0)
		*ret = json_incref(json_object_get(event, "data"));
	return r;
}

/* The order of APPROVAL_COLUMNS in statements.def. */
enum { A_ID, A_TASK, A_CALL, A_KIND, A_EXPIRES, A_STATE, A_VOTES, A_VOTERS, A_BY, A_WORD, A_REASON, A_DECIDED, A_USER,
       A_TASK_STATE, A_DATA, A_PID, A_START, A_BOOT, A_PID_NAMESPACE, A_UNTIL, A_GOAL };

static int visit_approval(const struct query *q, void (*visit)(void *userdata, const struct approval_row *row), void *userdata,
                          struct err *err)
{
	enum life life = holder_life(q, A_PID);
	struct approval_row row = {
		.user = query_text(q, A_USER), .task_state = query_text(q, A_TASK_STATE), .goal = query_text(q, A_GOAL),
		.voters = query_text(q, A_VOTERS), .by = query_text(q, A_BY),
		.reason = query_text(q, A_REASON), .expires_us = query_int(q, A_EXPIRES),
		.decided_us = query_int(q, A_DECIDED), .votes = (int)query_int(q, A_VOTES),
		.alive = life == LIFE_ALIVE || (life == LIFE_UNKNOWN && query_int(q, A_UNTIL) > clock_mono_ms()),
	};

	copy_text(row.approval, sizeof row.approval, q, A_ID);
	copy_text(row.task, sizeof row.task, q, A_TASK);
	copy_text(row.call, sizeof row.call, q, A_CALL);
	copy_text(row.kind, sizeof row.kind, q, A_KIND);
	copy_text(row.state, sizeof row.state, q, A_STATE);
	copy_text(row.word, sizeof row.word, q, A_WORD);
	int r = event_data(q, A_DATA, &row.request, &row.requested_us, err);
	if (r == 0)
		visit(userdata, &row);
	json_decref(row.request);
	return r;
}

int store_approvals(struct store *store, bool pending, int64_t limit,
                    void (*visit)(void *userdata, const struct approval_row *row), void *userdata, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, pending ? SQL_APPROVALS_PENDING : SQL_APPROVALS_NEWEST, "i", limit);
	int r;

	while ((r = query_next(&q, err)) > 0)
		if ((r = visit_approval(&q, visit, userdata, err)) < 0)
			return r;
	return r;
}

int store_approval_get(struct store *store, const char *approval,
                       void (*visit)(void *userdata, const struct approval_row *row), void *userdata, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_APPROVAL_GET, "t", approval);
	int r = query_next(&q, err);

	if (r == 0)
		return err_set(err, ENOENT, "there is no approval %s; `mishri approvals` lists those that wait", approval);
	return r < 0 ? r : visit_approval(&q, visit, userdata, err);
}

int store_approval_task(struct store *store, const char *approval, char ret[static ID_LEN + 1], struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_APPROVAL_GET, "t", approval);
	int r = query_next(&q, err);

	if (r > 0)
		copy_text(ret, ID_LEN + 1, &q, A_TASK);
	return r > 0 ? 0 : r < 0 ? r : err_set(err, ENOENT, "there is no approval %s", approval);
}

/* A whole id, or the beginning of one; list: the command that shows them. */
int store_approvals_late(struct store *store, int64_t now_us, void (*visit)(void *userdata, const char *root), void *userdata,
                         struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_APPROVALS_LATE, "i", now_us);
	int r;

	while ((r = query_next(&q, err)) > 0)
		visit(userdata, query_text(&q, 0));
	return r;
}

static int find(struct store *store, enum statement sql, const char *what, const char *list, const char *name,
                char ret[static ID_LEN + 1], struct err *err)
{
	AUTO(freep) char *beyond = xasprintf("%s~", name);
	AUTO(buf_done) struct buf all = BUF_INIT(KIB(1));
	char found[ID_LEN + 1] = "";
	size_t count = 0;
	int r;

	if (strlen(name) < 3 || strlen(name) > ID_LEN)
		return err_set(err, ENOENT, "'%.40s' names no %s: give its id, or at least 3 characters of it; `mishri %s` lists them",
		               name, what, list);
	AUTO(query_done) struct query q = query_start(&store->db, sql, "tt", name, beyond);
	while ((r = query_next(&q, err)) > 0) {
		if (count++ == 0)
			copy_text(found, sizeof found, &q, 0);
		buf_printf(&all, "%s%s", count > 1 ? ", " : "", query_text(&q, 0));
	}
	if (r < 0)
		return r;
	if (count == 0)
		return err_set(err, ENOENT, "there is no %s '%.40s'", what, name);
	if (count > 1)
		return err_set(err, EEXIST, "'%s' may be each of %s: give more characters", name, buf_text(&all));
	memcpy(ret, found, sizeof found);
	return 0;
}

int store_approval_find(struct store *store, const char *name, char ret[static ID_LEN + 1], struct err *err)
{
	return find(store, SQL_APPROVAL_BEGINS, "approval", "approvals", name, ret, err);
}

int store_answer_refused(struct store *store, const char *task, const char *word, char **ret, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_APPROVAL_REFUSAL, "ti", task, (int64_t)0);
	int r;

	*ret = NULL;
	while ((r = query_next(&q, err)) > 0) {
		AUTO(json_decrefp) json_t *event = NULL;
		if ((r = json_parse(query_str(&q, 0), &event, err)) < 0)
			return r;
		const json_t *data = json_object_get(event, "data");
		if (strcmp(json_get_text(data, "word", ""), word) != 0)
			continue;
		*ret = xstrdup(json_get_text(data, "reason", ""));
		return 0;
	}
	return r;
}

/* ---- grants ---- */

/* The order of GRANT_COLUMNS in statements.def. */
enum { G_ID, G_APPROVAL, G_TASK, G_ROOT, G_SESSION, G_USER, G_SCOPE, G_UNTIL, G_USES, G_USED, G_REVOKED, G_REVOKED_BY, G_TIME,
       G_DATA };

static int visit_grant(const struct query *q, void (*visit)(void *userdata, const struct grant_row *row), void *userdata,
                       struct err *err)
{
	struct grant_row row = {
		.user = query_text(q, G_USER), .scope = query_text(q, G_SCOPE), .revoked_by = query_text(q, G_REVOKED_BY),
		.until_us = query_int(q, G_UNTIL), .used_us = query_int(q, G_USED), .revoked_us = query_int(q, G_REVOKED),
		.uses = query_int(q, G_USES),
	};

	copy_text(row.grant, sizeof row.grant, q, G_ID);
	copy_text(row.approval, sizeof row.approval, q, G_APPROVAL);
	copy_text(row.task, sizeof row.task, q, G_TASK);
	copy_text(row.root, sizeof row.root, q, G_ROOT);
	copy_text(row.session, sizeof row.session, q, G_SESSION);
	int r = event_data(q, G_DATA, &row.made, &row.made_us, err);
	if (r == 0)
		visit(userdata, &row);
	json_decref(row.made);
	return r;
}

int store_grants(struct store *store, int64_t limit, void (*visit)(void *userdata, const struct grant_row *row), void *userdata,
                 struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_GRANTS, "i", limit);
	int r;

	while ((r = query_next(&q, err)) > 0)
		if ((r = visit_grant(&q, visit, userdata, err)) < 0)
			return r;
	return r;
}

int store_grant_get(struct store *store, const char *grant, void (*visit)(void *userdata, const struct grant_row *row),
                    void *userdata, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_GRANT_GET, "t", grant);
	int r = query_next(&q, err);

	if (r == 0)
		return err_set(err, ENOENT, "there is no grant %s; `mishri grants` lists them", grant);
	return r < 0 ? r : visit_grant(&q, visit, userdata, err);
}

int store_grant_find(struct store *store, const char *name, char ret[static ID_LEN + 1], struct err *err)
{
	return find(store, SQL_GRANT_BEGINS, "grant", "grants", name, ret, err);
}

int store_grant_match(struct store *store, const struct grant_wish *wish, char ret[static ID_LEN + 1], struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_GRANT_MATCH, "ttittt", wish->digest,
		wish->program_digest != NULL ? wish->program_digest : wish->digest, wish->now_us, wish->user, wish->root, wish->session);
	int r = query_next(&q, err);

	if (r > 0)
		copy_text(ret, ID_LEN + 1, &q, 0);
	return r;
}
