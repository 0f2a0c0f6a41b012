/* sums.c - totals beside a task: session, user, day, model, and marks of budgets. Only what the store has already is counted; what
 * is not known is said to be unknown. */
#include "cli/sums.h"

#include <stdio.h>
#include <string.h>

#include "cli/print.h"
#include "cli/text.h"
#include "policy/limits.h"

#include "base/banned.h"

struct sum { int64_t known_nanos, tokens, unknown; };

struct sums {
	const struct task_row *task;
	struct sum own, tree, user_day, day;
	int64_t session_unknown;     /* replies */
	json_t *models;              /* model → sum as JSON */
};

static json_t *json_sum(const struct sum *s)
{
	return json_pack("{s:o, s:I, s:I}", "usd_nanos", s->unknown > 0 ? json_null() : json_integer(s->known_nanos),
	                 "usd_nanos_known", (json_int_t)s->known_nanos, "tokens", (json_int_t)s->tokens);
}

static void add(struct sum *to, int64_t known_nanos, int64_t tokens, int64_t unknown)
{
	to->known_nanos += known_nanos;
	to->tokens += tokens;
	to->unknown += unknown;
}

static void add_model(json_t *models, const char *name, const struct sum *more)
{
	json_t *row = json_object_get(models, name);
	struct sum all = *more;

	if (row != NULL)
		add(&all, json_get_int(row, "usd_nanos_known", 0), json_get_int(row, "tokens", 0),
		    json_is_null(json_object_get(row, "usd_nanos")));
	json_put(models, name, json_sum(&all));
}

static void visit_task(void *userdata, const struct cost_row *row)
{
	struct sums *s = userdata;
	struct sum one = { row->known_nanos, row->input + row->cache_read + row->cache_write + row->output, row->unknown };

	add(&s->tree, one.known_nanos, one.tokens, one.unknown);
	if (strcmp(row->task, s->task->task) == 0)
		add(&s->own, one.known_nanos, one.tokens, one.unknown);
	if (row->turns > 0)
		add_model(s->models, row->model, &one);
}

static void visit_session(void *userdata, const struct cost_row *row)
{
	struct sums *s = userdata;

	s->session_unknown += row->unknown;
}

static void visit_day(void *userdata, const struct day_row *row)
{
	struct sums *s = userdata;
	int64_t tokens = row->input + row->cache_read + row->cache_write + row->output;

	add(&s->day, row->usd_nanos, tokens, row->unknown);
	if (strcmp(row->user, s->task->user) == 0)
		add(&s->user_day, row->usd_nanos, tokens, row->unknown);
}

static json_t *model_list(const json_t *models)
{
	json_t *list = json_array(), *row;
	const char *name;

	json_object_foreach((json_t *)models, name, row) {
		json_t *one = json_pack("{s:s}", "model", name);
		json_object_update(one, row);
		json_array_append_new(list, one);
	}
	return list;
}

int sums_read(struct store *store, const struct task_row *task, json_t **ret, struct err *err)
{
	AUTO(json_decrefp) json_t *models = json_object();
	struct sums s = { .task = task, .models = models };
	const struct budget session = { .scope = BUDGET_SESSION };
	int64_t today = clock_wall_us() / LIMIT_DAY_US;
	struct store_spent spent;

	int r = store_costs(store, &(struct cost_filter){ .root = task->root }, visit_task, &s, err);
	if (r == 0)
		r = store_days(store, &(struct cost_filter){ .since_us = today * LIMIT_DAY_US }, visit_day, &s, err);
	if (r == 0)
		r = store_spent(store, &session, task->session, today, "", &spent, err);
	if (r == 0) /* what was spent is counted as it is spent; what of it has no price only the tasks know */
		r = store_costs(store, &(struct cost_filter){ .session = task->session }, visit_session, &s, err);
	if (r < 0)
		return r;
	const struct sum in_session = { spent.spent[BUDGET_USD], spent.spent[BUDGET_TOKENS], s.session_unknown };
	*ret = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "own", json_sum(&s.own), "tree", json_sum(&s.tree), "session",
	                 json_sum(&in_session), "user_day", json_sum(&s.user_day), "day", json_sum(&s.day), "models", model_list(models));
	return 0;
}

static int64_t nanos_of(const json_t *sums, const char *key)
{
	return json_get_int(json_object_get(sums, key), "usd_nanos", -1);
}

const char *sums_text(const json_t *sums, const char *user, char text[static SUMS_TEXT_BYTES])
{
	char session[COST_TEXT_BYTES], mine[COST_TEXT_BYTES], all[COST_TEXT_BYTES];
	int64_t own = nanos_of(sums, "tree"), day = nanos_of(sums, "day"), by_user = nanos_of(sums, "user_day");

	text[0] = '\0';
	if (own == nanos_of(sums, "session") && own == day)
		return text;
	snprintf(text, SUMS_TEXT_BYTES, "session %s, today %s", cost_text(nanos_of(sums, "session"), session), cost_text(by_user, mine));
	size_t len = strlen(text);
	if (by_user != day)
		snprintf(text + len, SUMS_TEXT_BYTES - len, " of %.32s, %s of all", user, cost_text(day, all));
	return text;
}

/* ---- budgets ---- */

static bool keep_warned(void *userdata, const struct event_row *row)
{
	json_t *by_budget = userdata, *event = NULL;

	if (json_parse(row->text, &event, NULL) < 0)
		return true;
	const json_t *data = json_object_get(event, "data");
	AUTO(freep) char *key = xasprintf("%s %s %s", json_get_text(data, "budget", ""), json_get_text(data, "per", ""),
	                                  json_get_text(data, "unit", ""));
	json_t *one = json_copy((json_t *)data);
	json_put_text(one, "task", json_get_text(event, "task", ""));
	json_put_text(one, "time", json_get_text(event, "time", ""));
	json_put(by_budget, key, one);
	json_decref(event);
	return true;
}

int sums_warned(struct store *store, const char *task, int64_t since_us, json_t **ret, struct err *err)
{
	AUTO(json_decrefp) json_t *by_budget = json_object();
	struct event_filter filter = { .task = task, .tree = task != NULL, .type = "budget.warned" };
	const char *key;
	json_t *one;

	int r = task == NULL ? store_event_before(store, since_us, &filter.after_seq, err) : 0;
	if (r == 0)
		r = store_events(store, &filter, keep_warned, by_budget, err);
	if (r < 0)
		return r;
	*ret = json_array();
	json_object_foreach(by_budget, key, one)
		json_array_append(*ret, one);
	return 0;
}

void sums_print_warned(const json_t *list, bool colour)
{
	char spent[40], most[40];
	const json_t *one;
	size_t i;

	json_array_foreach((json_t *)list, i, one) {
		enum budget_unit unit = BUDGET_USD;
		int64_t percent = json_get_int(one, "percent", 0);
		while (unit + 1 < BUDGET_UNITS && strcmp(budget_unit_name(unit), json_get_text(one, "unit", "")) != 0)
			unit++;
		printf("%sbudget ", ink(colour, percent >= 100 ? INK_BAD : INK_WARN));
		print_line(json_get_text(one, "budget", ""), 40);
		printf("%s: %lld %% is spent, %s of %s per %s\n", ink(colour, INK_PLAIN), (long long)percent,
		       budget_amount(unit, json_get_int(one, "spent", 0), spent, sizeof spent),
		       budget_amount(unit, json_get_int(one, "most", 0), most, sizeof most), json_get_text(one, "per", ""));
	}
}
