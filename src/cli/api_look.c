/* api_look.c - what the dashboard needs beyond tasks and people: who asks, what a task changed, another try from a point of it, the
 * policy against what was decided, tools, and the proof of the record. */
#include <stdio.h>
#include <string.h>

#include "cli/api.h"
#include "cli/print.h"
#include "engine/fork.h"

#include "base/banned.h"

void api_me(struct api_call *c)
{
	static const struct { enum right right; const char *name; } rights[] = {
		{ RIGHT_READ, "read" }, { RIGHT_READ_ALL, "read_all" }, { RIGHT_START, "start" },
		{ RIGHT_CONTROL, "control" }, { RIGHT_APPROVE, "approve" }, { RIGHT_ADMIN, "admin" },
	};
	struct err err = ERR_NONE;
	int64_t newest = 0;

	if (store_event_newest(c->api->serve->s.store, &newest, &err) < 0) {
		api_fail(c, &err);
		return;
	}
	json_t *list = json_array();
	for (size_t i = 0; i < COUNT(rights); i++)
		if ((c->rights & rights[i].right) != 0)
			json_array_append_new(list, json_string(rights[i].name));
	api_json(c, 200, json_pack("{s:s, s:o, s:s, s:I}", "user", c->who.user, "rights", list, "version", MISHRI_VERSION,
	                             "newest_event", (json_int_t)newest));
}

void api_task_diff(struct api_call *c)
{
	const char *words[] = { "--json", "--", c->id };

	api_work(c, &cmd_diff, words, COUNT(words), api_tell_json);
}

/* ---- fork ---- */

static bool see(void *userdata, const struct event_row *row)
{
	*(int64_t *)userdata = row->seq;
	return false;
}

/* An event of another task would be a way round the check of the path's id. */
static int event_of(struct api_call *c, int64_t event, struct err *err)
{
	struct event_filter filter = { .task = c->id, .after_seq = event - 1, .limit = 1 };
	int64_t found = 0;

	int r = event > 0 ? store_events(c->api->serve->s.store, &filter, see, &found, err) : 0;
	if (r < 0)
		return r;
	return found == event && event > 0 ? 0 : err_set(err, EINVAL, "event: the number of an event of this task is wanted");
}

void api_task_fork(struct api_call *c)
{
	static const char *const known[] = { "event", "text" };
	struct serve *serve = c->api->serve;
	struct fork_wish wish = { .event = json_get_int(c->body, "event", 0), .text = json_get_text(c->body, "text", NULL),
	                          .user = c->who.user, .policy = serve->s.policy, .interactive = true };
	char task[ID_LEN + 1];
	struct err err = ERR_NONE;

	int r = json_only_keys(c->body, known, COUNT(known), &err) < 0 ? -EINVAL : event_of(c, wish.event, &err);
	if (r == 0)
		r = fork_make(serve->s.store, &wish, task, &err);
	if (r == 0)
		r = serve_wake(serve, task, &err);
	if (r < 0)
		api_fail(c, err.code != 0 ? &err : &(struct err){ .code = EINVAL, .text = "event: a whole number is wanted" });
	else
		api_json(c, 201, json_pack("{s:s, s:I}", "task", task, "event", (json_int_t)wish.event));
}

/* ---- policy, tools, audit ---- */

void api_policy_backtest(struct api_call *c)
{
	AUTO(freep) char *workspace = NULL;
	const char *words[64] = { "--json" }, *since = api_query(c, "since"), *task = api_query(c, "task");

	if (!api_may_look(c, api_query(c, "workspace"), &workspace))
		return;
	size_t n = 1 + api_policy_words(c, workspace, words + 1, 48);
	if (since != NULL) {
		words[n++] = "--since";
		words[n++] = since;
	}
	if (task != NULL) {
		words[n++] = "--task";
		words[n++] = task;
	}
	api_work(c, &cmd_policy_backtest, words, n, api_tell_json);
}

static void tell_tools(struct api_call *c, struct str out)
{
	json_t *rows = NULL;
	struct err err = ERR_NONE;

	if (json_parse_any(out, &rows, &err) < 0)
		api_fail(c, &err);
	else
		api_json(c, 200, json_pack("{s:o}", "tools", rows));
}

void api_tools(struct api_call *c)
{
	const char *words[] = { "--json" };

	api_work(c, &cmd_tools_list, words, COUNT(words), tell_tools);
}

void api_audit(struct api_call *c)
{
	const char *words[] = { "--json" };

	api_work(c, &cmd_audit_verify, words, COUNT(words), api_tell_json);
}
