/* api_people.c - what waits for a person, and the person's word, by the API. The judge is the one of `approve`. */
#include <stdio.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/api.h"
#include "cli/print.h"

#include "base/banned.h"

/* Rows of others go, where one may only see the own. */
static json_t *own_rows(const struct api_call *c, json_t *owned)
{
	for (size_t i = json_array_size(owned); i-- > 0 && !api_reads_all(c);)
		if (strcmp(json_get_text(json_array_get(owned, i), "user", ""), c->who.user) != 0)
			json_array_remove(owned, i);
	return owned;
}

static void tell(struct api_call *c, struct str out, const char *name)
{
	json_t *rows = NULL;
	struct err err = ERR_NONE;

	if (json_parse_any(out, &rows, &err) < 0)
		api_fail(c, &err);
	else
		api_json(c, 200, json_pack("{s:o}", name, own_rows(c, rows)));
}

static void tell_approvals(struct api_call *c, struct str out)
{
	tell(c, out, "approvals");
}

static void tell_grants(struct api_call *c, struct str out)
{
	tell(c, out, "grants");
}

static const char *const words[] = { "--json", "--all" };

void api_approvals(struct api_call *c)
{
	api_work(c, &cmd_approvals, words, api_query(c, "all") != NULL ? 2 : 1, tell_approvals);
}

void api_grants(struct api_call *c)
{
	api_work(c, &cmd_grants, words, api_query(c, "all") != NULL ? 2 : 1, tell_grants);
}

/* NULL: fine. */
static const char *read_answer(const struct api_call *c, struct answer_wish *w)
{
	const char *said = json_get_text(c->body, "answer", ""), *remember = json_get_text(c->body, "remember", "once");
	json_t *args = json_object_get(c->body, "args");
	bool yes = strcmp(said, "approve") == 0;

	if (!yes && strcmp(said, "deny") != 0)
		return "answer: right would be approve or deny";
	w->answer.say = args != NULL ? SAY_EDIT : yes ? SAY_YES : SAY_NO;
	w->answer.reason = json_get_text(c->body, "reason", "");
	w->answer.args = args;
	w->answer.remember = remember;
	w->digest = json_get_text(c->body, "digest", NULL);
	if (!yes && (args != NULL || json_object_get(c->body, "remember") != NULL))
		return "args and remember go with approve";
	if (args != NULL && (!json_is_object(args) || json_object_get(c->body, "remember") != NULL))
		return "args: an object is wanted, without remember: what was changed holds once";
	if (strlen(w->answer.reason) > LIMIT_REASON_BYTES)
		return "reason: it is too long";
	if (strcmp(remember, "once") == 0 || strcmp(remember, "task") == 0 || strcmp(remember, "session") == 0)
		return NULL;
	w->answer.remember = "date";
	return until_parse(remember, &w->answer.until_us) < 0 ? "remember: right would be task, session, a time (7d) or a date" : NULL;
}

void api_approval_answer(struct api_call *c)
{
	static const char *const known[] = { "answer", "reason", "remember", "args", "digest" };
	struct store *store = c->api->serve->s.store;
	struct answer_wish w = { .store = store };
	char word[ID_LEN + 1];
	struct err err = ERR_NONE;

	const char *wrong = json_only_keys(c->body, known, COUNT(known), &err) < 0 ? err.text : read_answer(c, &w);
	if (wrong != NULL) {
		http_problem(c->conn, 422, wrong);
		return;
	}
	id_new(word);
	w.answer.approval = c->id;
	w.answer.by = c->who.user;
	w.answer.word = word;
	w.answer.time_us = clock_wall_us();
	int r = answer_judge(&w, &err);
	if (r == 0)
		r = store_inbox_put(store, w.task, "approval", c->who.user, w.body, &err);
	if (r < 0)
		api_fail(c, &err);
	else
		api_wait_answer(c, word);
	json_decref(w.body);
}

void api_grant_revoke(struct api_call *c)
{
	struct err err = ERR_NONE;
	int r = grant_revoke(c->api->serve->s.store, c->id, c->who.user, &err);

	if (r < 0)
		api_fail(c, &err);
	else
		http_answer(c->conn, 204, "", STR(""), "");
}
