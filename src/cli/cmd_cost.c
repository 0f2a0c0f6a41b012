/* cmd_cost.c - tokens in buckets that do not overlap, and money. What is not known is said to be unknown and
 * never counted as nothing. It changes nothing. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/common.h"
#include "cli/print.h"
#include "cli/sums.h"
#include "cli/table.h"
#include "cli/text.h"

#include "base/banned.h"

enum by { BY_TASK, BY_SESSION, BY_USER, BY_MODEL, BY_DAY, BYS };
static const char *const by_names[] = {
	[BY_TASK] = "task", [BY_SESSION] = "session", [BY_USER] = "user", [BY_MODEL] = "model", [BY_DAY] = "day",
};
_Static_assert(COUNT(by_names) == BYS, "every kind has a name");

struct sum {
	int64_t tasks, unknown;      /* unknown: replies of unknown cost */
	int64_t turns, calls, denied, input, cache_read, cache_write, output;
	int64_t cache_write_1h, reasoning; /* of cache_write, of output */
	int64_t known_nanos;         /* of the other replies */
};

struct group {
	char *key, *goal;            /* goal: of a task; NULL else */
	struct sum all, own;         /* own: with BY_TASK, of the root task without its children */
};

struct groups {
	enum by by;
	struct group *list;
	size_t count;
	json_t *by_key;              /* key → index */
	const char *model;           /* only of models with this in their names; NULL: all */
	struct sum total;
};

static void add_row(struct sum *sum, const struct cost_row *row)
{
	sum->tasks += !row->stand_in;
	sum->unknown += row->unknown;
	sum->turns += row->turns;
	sum->calls += row->calls;
	sum->denied += row->denied;
	sum->input += row->input;
	sum->cache_read += row->cache_read;
	sum->cache_write += row->cache_write;
	sum->output += row->output;
	sum->cache_write_1h += row->cache_write_1h;
	sum->reasoning += row->reasoning;
	sum->known_nanos += row->known_nanos;
}

static struct group *group_of(struct groups *g, const char *key)
{
	const json_t *at = json_object_get(g->by_key, key);

	if (at != NULL)
		return &g->list[json_integer_value(at)];
	if ((g->count & (g->count - 1)) == 0)
		g->list = xrealloc(g->list, MAX(g->count * 2, (size_t)1) * sizeof *g->list);
	json_put_int(g->by_key, key, (int64_t)g->count);
	g->list[g->count] = (struct group){ .key = xstrdup(key) };
	return &g->list[g->count++];
}

static const char *day_text(int64_t day, char text[static TIME_TEXT_BYTES])
{
	char time[CLOCK_TEXT_BYTES];

	snprintf(text, TIME_TEXT_BYTES, "%.10s", clock_format(day * LIMIT_DAY_US, time));
	return text;
}

static void visit(void *userdata, const struct cost_row *row)
{
	struct groups *g = userdata;
	char day[TIME_TEXT_BYTES];
	const char *const keys[] = {
		[BY_TASK] = row->root, [BY_SESSION] = row->session, [BY_USER] = row->user, [BY_MODEL] = row->model,
		[BY_DAY] = day_text(row->started_us / LIMIT_DAY_US, day),
	};

	if (g->model != NULL && strstr(row->model, g->model) == NULL)
		return;
	struct group *group = group_of(g, keys[g->by]);
	add_row(&group->all, row);
	add_row(&g->total, row);
	if (g->by != BY_TASK)
		return;
	if (strcmp(row->root, row->task) == 0)
		add_row(&group->own, row);
	if (group->goal == NULL)
		group->goal = xstrdup(row->goal);
}

static void add_sums(struct sum *sum, const struct day_row *row)
{
	sum->tasks += row->tasks;
	sum->unknown += row->unknown;
	sum->turns += row->turns;
	sum->calls += row->calls;
	sum->denied += row->denied;
	sum->input += row->input;
	sum->cache_read += row->cache_read;
	sum->cache_write += row->cache_write;
	sum->output += row->output;
	sum->cache_write_1h += row->cache_write_1h;
	sum->reasoning += row->reasoning;
	sum->known_nanos += row->usd_nanos;
}

static void visit_day(void *userdata, const struct day_row *row)
{
	struct groups *g = userdata;
	char day[TIME_TEXT_BYTES];
	const char *key = g->by == BY_DAY ? day_text(row->day, day) : g->by == BY_USER ? row->user : row->model;

	if (g->model != NULL && strstr(row->model, g->model) == NULL)
		return;
	add_sums(&group_of(g, key)->all, row);
	add_sums(&g->total, row);
}

static int64_t nanos(const struct sum *sum)
{
	return sum->unknown > 0 ? -1 : sum->known_nanos;
}

static json_t *json_sum(const struct sum *sum)
{
	const struct { const char *key; int64_t value; } numbers[] = {
		{ "tasks", sum->tasks }, { "turns", sum->turns }, { "calls", sum->calls }, { "denied", sum->denied },
		{ "input", sum->input }, { "cache_read", sum->cache_read }, { "cache_write", sum->cache_write },
		{ "cache_write_1h", sum->cache_write_1h }, { "output", sum->output }, { "reasoning", sum->reasoning },
		{ "usd_nanos_known", sum->known_nanos }, { "replies_of_unknown_cost", sum->unknown },
	};
	json_t *object = json_object();

	json_put(object, "usd_nanos", nanos(sum) < 0 ? json_null() : json_integer(nanos(sum)));
	for (size_t i = 0; i < COUNT(numbers); i++)
		json_put_int(object, numbers[i].key, numbers[i].value);
	return object;
}

static void print_groups_json(const struct groups *g, json_t *budgets)
{
	AUTO(json_decrefp) json_t *object = json_object();
	json_t *rows = json_array();

	for (size_t i = 0; i < g->count; i++) {
		json_t *row = json_object(), *all = json_sum(&g->list[i].all);
		json_put_text(row, by_names[g->by], g->list[i].key);
		if (g->by == BY_TASK) {
			json_put_text(row, "goal", g->list[i].goal);
			json_put(row, "own", json_sum(&g->list[i].own));
		}
		json_object_update(row, all);
		json_decref(all);
		json_array_append_new(rows, row);
	}
	json_put_text(object, "by", by_names[g->by]);
	json_put(object, "rows", rows);
	json_put(object, "total", json_sum(&g->total));
	json_put(object, "budgets", json_incref(budgets));
	print_json(object);
}

/* In the order in which they are shown; what does not fit goes in the order of the numbers. */
enum { KEY, TASKS, TURNS, CALLS, INPUT, CACHE_READ, CACHE_WRITE, HOUR, OUTPUT, REASONING, COST, OWN_COST, GOAL, COLUMNS };
static const struct table_column columns[COLUMNS] = {
	[KEY] = { "", 0, 12 }, [TASKS] = { "tasks", 6, 0 }, [TURNS] = { "turns", 8, 0 }, [CALLS] = { "calls", 7, 0 },
	[INPUT] = { "input", 9, 0 }, [CACHE_READ] = { "cache rd", 5, 0 }, [CACHE_WRITE] = { "cache wr", 4, 0 },
	[HOUR] = { "of it 1h", 1, 0 }, [OUTPUT] = { "output", 10, 0 }, [REASONING] = { "reasoning", 2, 0 }, [COST] = { "cost", 0, 0 },
	[OWN_COST] = { "own cost", 3, 0 }, [GOAL] = { "goal", 11, 16 },
};

static void add_line(struct table *t, const char *key, const struct sum *sum, const struct sum *own, const char *goal)
{
	const int64_t numbers[COLUMNS] = {
		[TASKS] = sum->tasks, [TURNS] = sum->turns, [CALLS] = sum->calls, [INPUT] = sum->input, [CACHE_READ] = sum->cache_read,
		[CACHE_WRITE] = sum->cache_write, [HOUR] = sum->cache_write_1h, [OUTPUT] = sum->output, [REASONING] = sum->reasoning,
	};
	char texts[COLUMNS][24], cost[COST_TEXT_BYTES], own_cost[COST_TEXT_BYTES];
	const char *cells[COLUMNS] = { [KEY] = key, [COST] = cost_text(nanos(sum), cost), [GOAL] = goal };

	if (own != NULL)
		cells[OWN_COST] = cost_text(nanos(own), own_cost);
	for (size_t i = TASKS; i < COST; i++) {
		snprintf(texts[i], sizeof texts[i], "%lld", (long long)numbers[i]);
		cells[i] = texts[i];
	}
	table_add(t, cells);
}

static void print_groups(const struct groups *g, size_t width, bool colour)
{
	struct table_column shown[COLUMNS];
	bool by_task = g->by == BY_TASK;
	char cost[COST_TEXT_BYTES];

	if (g->count == 0) {
		fputs("mishri: no task fits\n", stderr);
		return;
	}
	memcpy(shown, columns, sizeof shown);
	shown[KEY].head = by_names[g->by];
	AUTO(table_freep) struct table *t = table_new(shown, by_task ? COLUMNS : OWN_COST);
	for (size_t i = 0; i < g->count; i++)
		add_line(t, g->list[i].key, &g->list[i].all, by_task ? &g->list[i].own : NULL, g->list[i].goal);
	add_line(t, "total", &g->total, NULL, NULL);
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_JSON_BYTES * 4);
	table_write(t, width, ink(colour, INK_FAINT), ink(colour, INK_PLAIN), &text);
	fputs(buf_text(&text), stdout);
	if (g->total.unknown > 0)
		printf("unknown: %lld of %lld replies had no known price; the others cost %s\n", (long long)g->total.unknown,
		       (long long)g->total.turns, cost_text(g->total.known_nanos, cost));
}

static void groups_done(struct groups *g)
{
	for (size_t i = 0; i < g->count; i++) {
		free(g->list[i].key);
		free(g->list[i].goal);
	}
	free(g->list);
	json_decref(g->by_key);
}

/* Whole days are summed up already; everything else is counted from tasks. Days, users and models take the first way, unless
 * a session, a tree or a moment within a day is asked for. */
static bool by_days(const struct groups *g, const struct cost_filter *f)
{
	return g->by >= BY_USER && f->session == NULL && f->root == NULL && f->since_us % LIMIT_DAY_US == 0 &&
	       f->until_us % LIMIT_DAY_US == 0;
}

/* 0, or an exit code after the complaint. */
static int read_filter(const struct options *o, struct cost_filter *f)
{
	*f = (struct cost_filter){ .user = option_text(o, "--user", NULL), .session = option_text(o, "--session", NULL) };
	if (option_since_us(o, "--since", &f->since_us) < 0 || option_since_us(o, "--until", &f->until_us) < 0)
		return EXIT_USAGE;
	if (f->until_us > 0 && f->since_us >= f->until_us)
		return complain(EXIT_USAGE, "cost: --until is not after --since: no time is between them");
	return 0;
}

/* The tree that a task belongs to. Writes to root. */
static int find_tree(const struct options *o, struct store *store, char root[static ID_LEN + 1], struct cost_filter *f)
{
	struct task_row row;
	struct err err = ERR_NONE;
	const char *const *words;

	if (option_positionals(o, &words) == 0)
		return 0;
	int code = task_argument(o, store, root);
	if (code != 0)
		return code;
	if (store_task_get(store, root, &row, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	memcpy(root, row.root, sizeof row.root);
	task_row_done(&row);
	f->root = root;
	return 0;
}

static int cost(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	struct cost_filter filter;
	char root[ID_LEN + 1];
	struct err err = ERR_NONE;

	if (options_parse(&cmd_cost, argc, argv, &o) < 0)
		return EXIT_USAGE;
	int by = name_find(by_names, COUNT(by_names), option_text(o, "--by", "task"));
	if (by < 0)
		return complain(EXIT_USAGE, "cost: --by is one of task, session, user, model, day");
	int code = read_filter(o, &filter);
	if (code != 0)
		return code;
	int r = cli_open_store(o, STORE_READ_ONLY, &store, &err);
	AUTO(groups_done) struct groups groups = { .by = (enum by)by, .by_key = json_object(), .model = option_text(o, "--model", NULL) };
	if (r == 0 && (code = find_tree(o, store, root, &filter)) != 0)
		return code;
	bool day_alone = by == BY_DAY && filter.user == NULL && groups.model == NULL;
	if (r == 0 && by_days(&groups, &filter))
		r = (day_alone ? store_day_sums : store_days)(store, &filter, visit_day, &groups, &err);
	else if (r == 0)
		r = store_costs(store, &filter, visit, &groups, &err);
	AUTO(json_decrefp) json_t *budgets = NULL;
	int64_t today_us = clock_wall_us() / LIMIT_DAY_US * LIMIT_DAY_US;
	if (r == 0)
		r = sums_warned(store, filter.root, filter.since_us > 0 ? filter.since_us : today_us, &budgets, &err);
	if (r < 0 && r != -ENOENT)                      /* no store yet: nothing was spent yet */
		return complain(EXIT_FAILED, "%s", err.text);
	if (budgets == NULL)
		budgets = json_array();
	if (option_given(o, "--json")) {
		print_groups_json(&groups, budgets);
	} else {
		/* What is read by a program, or asked for, is whole. */
		print_groups(&groups, option_given(o, "--wide") || !isatty(STDOUT_FILENO) ? SIZE_MAX : text_width(1), print_colour(o));
		sums_print_warned(budgets, print_colour(o));
	}
	return EXIT_DONE;
}

static const struct option_row options[] = {
	{ "--by", 0, "WHAT", "task, session, user, model or day; task without it", false },
	{ "--since", 0, "SPAN|DATE", "goals given within 90m, 12h, 7d, or since 2026-11-22", false },
	{ "--until", 0, "SPAN|DATE", "and before that", false },
	{ "--user", 0, "NAME", "only of this user", false },
	{ "--session", 0, "ID", "only of this session", false },
	{ "--model", 0, "TEXT", "only of models with this in their names", false },
	{ "--wide", 0, NULL, "all columns, however narrow the terminal is", false },
};

const struct command cmd_cost = {
	.name = "cost", .args = "[TASK]", .about = "tokens and money, by task, session, user, model or day", .options = options,
	.option_count = COUNT(options), .run = cost,
	.examples = "  mishri cost --since 7d\n  mishri cost --by model --json\n  mishri cost last --by model\n",
};
