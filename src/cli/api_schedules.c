/* api_schedules.c - goals at times, by the API. Who comes by the Unix socket may add one; the bearer of a token may look at
 * those of his user, and hold, start and remove them, but not leave goals behind that outlive his token. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/api.h"
#include "engine/schedules.h"

#include "base/banned.h"

enum { SHOWN_INSTANTS = 5, SHOWN_RUNS = 20, WORDS = 56 };

struct listing {
	const struct api_call *call;
	json_t *list;
};

static void add_row(void *userdata, const struct schedule_row *row)
{
	const struct listing *l = userdata;

	if (api_reads_all(l->call) || strcmp(row->user, l->call->who.user) == 0)
		json_array_append_new(l->list, schedule_json(row, 1, clock_wall_us()));
}

void api_schedules(struct api_call *c)
{
	AUTO(json_decrefp) json_t *list = json_array();
	struct listing l = { c, list };
	struct err err = ERR_NONE;

	if (store_schedules(c->api->serve->s.store, add_row, &l, &err) < 0)
		api_fail(c, &err);
	else
		api_json(c, 200, json_pack("{s:O}", "schedules", list));
}

static void keep_row(void *userdata, const struct schedule_row *row)
{
	json_t **ret = userdata;

	*ret = schedule_json(row, SHOWN_INSTANTS, clock_wall_us());
}

static void add_run(void *userdata, const struct schedule_run_row *row)
{
	json_array_append_new(userdata, schedule_run_json(row));
}

void api_schedule_show(struct api_call *c)
{
	struct store *store = c->api->serve->s.store;
	json_t *shown = NULL, *runs = json_array();
	struct err err = ERR_NONE;

	int r = store_schedule_get(store, c->id, keep_row, &shown, &err);
	if (r == 0)
		r = store_schedule_runs(store, c->id, SHOWN_RUNS, add_run, runs, &err);
	if (r < 0 || shown == NULL) {
		json_decref(shown);
		json_decref(runs);
		api_fail(c, &err);
		return;
	}
	json_put(shown, "last_runs", runs);
	api_json(c, 200, shown);
}

static void order(struct api_call *c, enum schedule_order order, const char *reason)
{
	char task[ID_LEN + 1] = "";
	struct err err = ERR_NONE;

	if (schedule_order(c->api->serve->s.store, order, c->who.user, c->id, reason, task, &err) < 0)
		api_fail(c, &err);
	else if (task[0] != '\0')
		api_json(c, 200, json_pack("{s:s, s:s}", "schedule", c->id, "task", task));
	else
		api_json(c, 200, json_pack("{s:s}", "schedule", c->id));
}

void api_schedule_pause(struct api_call *c)
{
	order(c, SCHEDULE_ORDER_PAUSE, json_get_text(c->body, "reason", NULL));
}

void api_schedule_resume(struct api_call *c)
{
	order(c, SCHEDULE_ORDER_RESUME, NULL);
}

void api_schedule_run(struct api_call *c)
{
	order(c, SCHEDULE_ORDER_RUN, NULL);
}

void api_schedule_remove(struct api_call *c)
{
	order(c, SCHEDULE_ORDER_REMOVE, NULL);
}

/* Each key of the body is the option of this name. */
static const char *const keys[] = {
	"cron", "every", "at", "zone", "overlap", "catch-up", "jitter", "start", "end",
	"model", "agent", "plan", "budget", "timeout", "isolation", "workspace-mode", "workspace",
};

void api_schedule_add(struct api_call *c)
{
	const struct serve *serve = c->api->serve;
	char names[COUNT(keys)][24];
	const char *words[WORDS];
	size_t count = 0;

	if (!c->who.trusted) {
		http_problem(c->conn, 403, "schedules are added by the Unix socket of the service, or by `mishri schedule add`");
		return;
	}
	for (size_t i = 0; i < COUNT(keys); i++) {
		const char *value = json_get_text(c->body, keys[i], NULL);
		if (value == NULL)
			continue;
		snprintf(names[i], sizeof names[i], "--%s", keys[i]);
		words[count++] = names[i];
		words[count++] = value;
	}
	for (size_t i = 0; i < serve->policy_count && count + 8 < WORDS; i++) {
		words[count++] = "--policy";
		words[count++] = serve->policies[i];
	}
	if (geteuid() == 0) {
		words[count++] = "--user";
		words[count++] = c->who.user;
	}
	words[count++] = "--";
	words[count++] = json_get_text(c->body, "name", "");
	words[count++] = json_get_text(c->body, "goal", "");
	json_t *made = api_command(c, &cmd_schedule_add, words, count);
	if (made != NULL)
		api_json(c, 201, made);
}
