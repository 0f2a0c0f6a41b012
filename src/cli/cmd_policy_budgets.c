/* cmd_policy_budgets.c - `mishri policy budgets`: what the budgets of the policy in force here have left: today's of a user and of
 * everybody, and those of one task and its session. It reads the same sums that stop a task, and changes nothing. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/common.h"
#include "cli/print.h"
#include "cli/table.h"
#include "cli/text.h"
#include "policy/limits.h"

#include "base/banned.h"

enum { POLICIES_MOST = 16 };

struct view {
	const char *user, *root, *session; /* root, session: NULL where no task was named */
	int64_t day;                       /* since 1970, UTC */
	struct store *store;               /* NULL: there is none yet, so nothing was spent */
	json_t *rows;
};

/* Whose sum it is; NULL: nobody was named. */
static const char *key_of(const struct view *v, const struct budget *b)
{
	switch (b->scope) {
	case BUDGET_TASK: return v->root;
	case BUDGET_SESSION: return v->session;
	case BUDGET_USER_DAY: return v->user;
	case BUDGET_STORE_DAY:
	case BUDGET_SCOPES: break;
	}
	return "";
}

static int add_budget(struct view *v, const struct budget *b, struct err *err)
{
	struct store_spent s = { .spent = { 0 } };
	const char *key = key_of(v, b);
	int r = v->store != NULL && key != NULL ? store_spent(v->store, b, key, v->day, "", &s, err) : 0;

	for (enum budget_unit unit = BUDGET_USD; r == 0 && unit < BUDGET_UNITS; unit++) {
		int64_t most = b->most[unit];
		if (most < 0)
			continue;
		most += MIN(s.raised[unit], INT64_MAX - most);
		json_t *row = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s?}", "budget", b->id, "per", budget_scope_name(b->scope), "unit",
			budget_unit_name(unit), "most", (json_int_t)most, "raised", (json_int_t)s.raised[unit], "over", over_name(b->over),
			"source", b->source);
		json_put(row, "spent", key != NULL ? json_integer(s.spent[unit]) : json_null());
		json_put(row, "reserved", key != NULL ? json_integer(s.reserved[unit]) : json_null());
		int64_t used = s.spent[unit] + s.reserved[unit];
		json_int_t percent = most > 0 ? (json_int_t)((double)used * 100 / (double)most) : 100;
		json_put(row, "percent", key == NULL ? json_null() : json_integer(percent));
		json_array_append_new(v->rows, row);
	}
	return r;
}

/* ---- as a person reads it ---- */

static enum budget_unit unit_of(const json_t *row)
{
	enum budget_unit unit = BUDGET_USD;

	while (unit + 1 < BUDGET_UNITS && strcmp(budget_unit_name(unit), json_get_text(row, "unit", "")) != 0)
		unit++;
	return unit;
}

static const char *amount(const json_t *row, const char *key, char *text, size_t size)
{
	if (!json_is_integer(json_object_get(row, key)))
		return "-";
	return budget_amount(unit_of(row), json_get_int(row, key, 0), text, size);
}

static void print_rows(const json_t *rows, bool colour)
{
	static const struct table_column columns[] = {
		{ "BUDGET", 0, 10 }, { "PER", 0, 9 }, { "SPENT", 0, 0 }, { "RESERVED", 2, 0 }, { "OF", 0, 0 }, { "USED", 0, 0 },
		{ "BEYOND", 3, 5 }, { "WRITTEN IN", 1, 12 },
	};
	AUTO(table_freep) struct table *t = table_new(columns, COUNT(columns));
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1));
	const json_t *row;
	size_t i;

	if (json_array_size(rows) == 0) {
		puts("The policy in force here has no budgets.");
		return;
	}
	json_array_foreach((json_t *)rows, i, row) {
		char spent[40], reserved[40], most[40], used[24] = "-";
		if (json_is_integer(json_object_get(row, "percent")))
			snprintf(used, sizeof used, "%lld %%", (long long)json_get_int(row, "percent", 0));
		const char *cells[] = { json_get_text(row, "budget", ""), json_get_text(row, "per", ""),
		                        amount(row, "spent", spent, sizeof spent), amount(row, "reserved", reserved, sizeof reserved),
		                        amount(row, "most", most, sizeof most), used,
		                        json_get_text(row, "over", ""), json_get_text(row, "source", "") };
		table_add(t, cells);
	}
	table_write(t, isatty(STDOUT_FILENO) == 1 ? text_width(1) : SIZE_MAX, ink(colour, INK_FAINT), ink(colour, INK_PLAIN), &text);
	fwrite(buf_text(&text), 1, text.len, stdout);
}

/* ---- the command ---- */

static int find_task(struct view *v, const char *name, char task[static ID_LEN + 1], struct task_row *row)
{
	struct err err = ERR_NONE;

	if (v->store == NULL)
		return complain(EXIT_USAGE, "policy budgets: there is no task yet");
	if (store_task_find(v->store, name, task, &err) < 0 || store_task_get(v->store, task, row, &err) < 0)
		return complain(EXIT_USAGE, "policy budgets: --task: %s", err.text);
	v->root = row->root;
	v->session = row->session;
	v->user = row->user;
	return 0;
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(policy_freep) struct policy *policy = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(freep) char *workspace = NULL;
	AUTO(json_decrefp) json_t *rows = json_array();
	const char *files[POLICIES_MOST];
	char user[USER_LEN + 1], task[ID_LEN + 1];
	struct task_row row;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_policy_budgets, argc, argv, &o) < 0)
		return EXIT_USAGE;
	size_t count = option_all(o, "--policy", files, COUNT(files));
	if (cli_user(o, user, &err) < 0 || cli_workspace(option_text(o, "--workspace", "."), &workspace, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	if (cli_load_policy(o, workspace, files, MIN(count, COUNT(files)), &policy, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	int r = cli_open_store(o, STORE_READ_ONLY, &store, &err);
	if (r < 0 && r != -ENOENT)
		return complain(EXIT_FAILED, "%s", err.text);
	struct view v = { .user = user, .day = clock_wall_us() / LIMIT_DAY_US, .store = store, .rows = rows };
	int code = option_given(o, "--task") ? find_task(&v, option_text(o, "--task", ""), task, &row) : 0;
	if (code != 0)
		return code;
	for (size_t i = 0; i < policy_budget_count(policy); i++)
		if (add_budget(&v, policy_budget(policy, i), &err) < 0)
			return complain(EXIT_FAILED, "%s", err.text);
	if (!option_given(o, "--json")) {
		print_rows(rows, print_colour(o));
		return EXIT_DONE;
	}
	AUTO(json_decrefp) json_t *all = json_pack("{s:s, s:O}", "user", v.user, "budgets", rows);
	print_json(all);
	return EXIT_DONE;
}

static const struct option_row options[] = {
	{ "--task", 0, "TASK", "also what this task and its session have spent, and its user's day", false },
	{ "--user", 0, "NAME", "whose day; yours without it", false },
	{ "--policy", 'p', "FILE", "a policy file, in the place of the project's; may be repeated", true },
	{ "--workspace", 'w', "DIR", "the workspace (default: the current directory)", false },
};

const struct command cmd_policy_budgets = {
	.name = "policy budgets", .args = "", .about = "what the budgets in force have left, today or of a task", .options = options,
	.option_count = COUNT(options), .run = run,
	.examples = "  mishri policy budgets\n  mishri policy budgets --task last -p policy.yaml\n",
};
