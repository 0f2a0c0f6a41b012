/* answer.c - may this answer be given? The engine asks the same again when it takes it: here most wrong ones end, and whoever
 * gives them hears why at once. It decides nothing. */
#include "cli/answer.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tools/tool.h"
#include "tools/schema.h"

#include "base/banned.h"

bool approval_is_gone(const struct approval_row *row)
{
	return !approval_outlives(row->kind) && !row->alive;
}

static int check_args(const struct approval *a, const json_t *args, struct err *err)
{
	const struct tool *tool = tool_find(json_get_text(a->action, "tool", ""));

	if (strcmp(a->kind, "tool") != 0 || tool == NULL)
		return 0; /* the judge has its own sentence for it */
	AUTO(json_decrefp) json_t *schema = tool_schema_of(tool);
	return schema_check(schema, args, err);
}

static int over(const struct approval_row *row, struct err *err)
{
	static const char *const words[] = { "allow", "deny", "edit" };

	if (name_find(words, COUNT(words), row->state) < 0)
		return err_set(err, EALREADY, "it is over (%s): %s", row->state, row->reason);
	return err_set(err, EALREADY, "already answered by %s: %s", row->by,
	               strcmp(row->state, "allow") == 0 ? "yes" : strcmp(row->state, "deny") == 0 ? "no" : row->state);
}

/* An answer that waits in the inbox because no engine runs is an answer already. */
struct waiting { const char *approval; struct approval *a; char by[USER_LEN + 1]; bool decides; };

static void note_waiting(void *userdata, const struct inbox_message *m)
{
	struct waiting *w = userdata;
	struct answer other;

	if (w->decides || strcmp(m->kind, "approval") != 0 || answer_parse(m->body, &other, NULL) < 0)
		return;
	other.by = m->user;
	other.time_us = m->time_us;
	int r = strcmp(other.approval, w->approval) == 0 ? approval_judge(w->a, &other, NULL) : -ENOENT;
	if (r == 0) {
		w->decides = true;
		snprintf(w->by, sizeof w->by, "%s", m->user);
	} else if (r == 1) {
		AUTO(json_decrefp) json_t *vote = json_pack("{s:s, s:s}", "by", m->user, "remember", other.remember);
		approval_vote(w->a, vote);
	}
	json_decref(other.body);
}

struct judging { struct answer_wish *wish; struct err err; };

static void refuse(struct judging *j, int r)
{
	j->err.code = -r;
}

static void judge(void *userdata, const struct approval_row *row)
{
	struct judging *j = userdata;
	struct answer_wish *w = j->wish;
	struct approval a;

	memcpy(w->task, row->task, sizeof w->task);
	w->alive = row->alive;
	if (strcmp(row->kind, "question") == 0) {
		refuse(j, err_set(&j->err, EOPNOTSUPP, "this is a question, which wants words: mishri answer %s TEXT", row->approval));
		return;
	}
	if (strcmp(row->state, "pending") != 0) {
		refuse(j, over(row, &j->err));
		return;
	}
	if (approval_is_gone(row)) {
		refuse(j, err_set(&j->err, EALREADY, "what was held is gone with the engine that held it; go on with: mishri run --resume %s",
		                  row->task));
		return;
	}
	approval_read(row->request, row->requested_us, &a);
	AUTO(freep) char *voters = xstrdup(row->voters);
	struct str rest = str_of(voters), name;
	while (rest.len > 0 && str_next(&rest, ',', &name)) {
		AUTO(json_decrefp) json_t *vote = json_pack("{s:o}", "by", json_of_str(str_trim(name)));
		approval_vote(&a, vote);
	}
	struct waiting waiting = { .approval = a.id, .a = &a };
	int r = 0;
	if (store_inbox_read(w->store, row->task, 0, note_waiting, &waiting, NULL) == 0 && waiting.decides)
		r = err_set(&j->err, EALREADY, "already answered by %s; it takes effect when the task goes on: mishri run --resume %s",
		            waiting.by, row->task);
	w->answer.digest = w->digest != NULL ? w->digest : a.digest;
	if (r == 0)
		r = MIN(approval_judge(&a, &w->answer, &j->err), 0);
	if (r == 0 && w->answer.args != NULL)
		r = check_args(&a, w->answer.args, &j->err) < 0 ? -EBADMSG : 0;
	if (r < 0)
		refuse(j, r);
	else
		w->body = answer_format(&w->answer);
	approval_done(&a);
}

int answer_judge(struct answer_wish *wish, struct err *err)
{
	struct judging j = { .wish = wish };
	int r = store_approval_get(wish->store, wish->answer.approval, judge, &j, err);

	if (r < 0 || j.err.code == 0)
		return r;
	return err_set(err, j.err.code, "%s", j.err.text);
}

/* ---- grants ---- */

static void look(void *userdata, const struct grant_row *row)
{
	struct err *err = userdata;

	if (row->revoked_us > 0)
		err_set(err, EALREADY, "revoked already by %s", row->revoked_by);
	else if (row->until_us > 0 && row->until_us <= clock_wall_us())
		err_set(err, EALREADY, "it has ended");
}

int grant_revoke(struct store *store, const char *grant, const char *by, struct err *err)
{
	struct err over_already = ERR_NONE;
	int64_t seq;
	int r = store_grant_get(store, grant, look, &over_already, err);

	if (r < 0)
		return r;
	if (over_already.code != 0)
		return err_set(err, EALREADY, "%s", over_already.text);
	struct event e = { .type = EVENT_GRANT_REVOKED, .time_us = clock_wall_us(), .attempt = 1,
	                   .data = json_pack("{s:s, s:s}", "grant", grant, "by", by) };
	memcpy(e.user, by, strlen(by) + 1);
	return store_append_wait(store, &(struct store_batch){ .root = "", .task = "", .events = &e, .count = 1 }, &seq, err);
}
