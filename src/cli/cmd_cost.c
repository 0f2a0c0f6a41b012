/* cmd_cost.c - tokens in buckets that do not overlap, and money. What is not known is said to be unknown and
 * never counted as nothing. It changes nothing. */
#include <stdio.h>
#include <string.h>

#include "cli/common.h"
#include "cli/print.h"
#include "cli/text.h"

#include "base/banned.h"

enum by { BY_TASK, BY_SESSION, BY_USER, BY_MODEL, BY_DAY, BYS };
static const char *const by_names[] = {
	[BY_TASK] = "task", [BY_SESSION] = "session", [BY_USER] = "user", [BY_MODEL] = "model", [BY_DAY] = "day",
};
_Static_assert(COUNT(by_names) == BYS, "every kind has a name");

struct sum {
	int64_t tasks, unknown;      /* unknown: tasks with a reply of unknown cost */
	int64_t turns, calls, denied, input, cache_read, cache_write, output;
	int64_t known_nanos;         /* of the tasks whose cost is known */
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
	struct sum total;
};

static void add_row(struct sum *sum, const struct cost_row *row)
{
	sum->tasks++;
	sum->unknown += row->usd_nanos < 0;
	sum->turns += row->turns;
	sum->calls += row->calls;
	sum->denied += row->denied;
	sum->input += row->input;
	sum->cache_read += row->cache_read;
	sum->cache_write += row->cache_write;
	sum->output += row->output;
	sum->known_nanos += MAX(row->usd_nanos, (int64_t)0);
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

static void visit(void *userdata, const struct cost_row *row)
{
	struct groups *g = userdata;
	char day[TIME_TEXT_BYTES];
	const char *const keys[] = {
		[BY_TASK] = row->root, [BY_SESSION] = row->session, [BY_USER] = row->user, [BY_MODEL] = row->model,
		[BY_DAY] = time_text(row->started_us, day),
	};

	day[strcspn(day, " ")] = '\0';
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

static int64_t nanos(const struct sum *sum)
{
	return sum->unknown > 0 ? -1 : sum->known_nanos;
}

static json_t *json_sum(const struct sum *sum)
{
	const struct { const char *key; int64_t value; } numbers[] = {
		{ "tasks", sum->tasks }, { "turns", sum->turns }, { "calls", sum->calls }, { "denied", sum->denied },
		{ "input", sum->input }, { "cache_read", sum->cache_read }, { "cache_write", sum->cache_write },
		{ "output", sum->output }, { "usd_nanos_known", sum->known_nanos }, { "tasks_of_unknown_cost", sum->unknown },
	};
	json_t *object = json_object();

	json_put(object, "usd_nanos", nanos(sum) < 0 ? json_null() : json_integer(nanos(sum)));
	for (size_t i = 0; i < COUNT(numbers); i++)
		json_put_int(object, numbers[i].key, numbers[i].value);
	return object;
}

static void print_groups_json(const struct groups *g)
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
	print_json(object);
}

static size_t key_columns(const struct groups *g)
{
	static const size_t most = 40;
	size_t columns = 7;

	for (size_t i = 0; i < g->count; i++)
		columns = MAX(columns, text_columns(str_of(g->list[i].key)));
	return MIN(columns, most);
}

static void print_row(const char *key, size_t columns, const struct sum *sum, const struct sum *own, const char *goal)
{
	AUTO(buf_done) struct buf name = BUF_INIT(KIB(4));
	char cost[COST_TEXT_BYTES], own_cost[COST_TEXT_BYTES];

	text_add(&name, key, columns);
	text_pad(&name, 0, columns);
	printf("%s %6lld %6lld %6lld %9lld %9lld %9lld %9lld  %s", buf_text(&name), (long long)sum->tasks, (long long)sum->turns,
	       (long long)sum->calls, (long long)sum->input, (long long)sum->cache_read, (long long)sum->cache_write,
	       (long long)sum->output, cost_text(nanos(sum), cost));
	if (own != NULL) {
		printf("%*s  %-11s  ", MAX(11 - (int)strlen(cost), 0), "", cost_text(nanos(own), own_cost));
		print_line(goal, 40);
	}
	putchar('\n');
}

static void print_groups(const struct groups *g, bool colour)
{
	size_t columns = key_columns(g);
	bool by_task = g->by == BY_TASK;
	char cost[COST_TEXT_BYTES];

	if (g->count == 0) {
		fputs("mishri: no task fits\n", stderr);
		return;
	}
	printf("%s%-*s %6s %6s %6s %9s %9s %9s %9s  %s%s%s\n", ink(colour, INK_FAINT), (int)columns, by_names[g->by], "tasks",
	       "turns", "calls", "input", "cache rd", "cache wr", "output", "cost", by_task ? "         own cost     goal" : "",
	       ink(colour, INK_PLAIN));
	for (size_t i = 0; i < g->count; i++)
		print_row(g->list[i].key, columns, &g->list[i].all, by_task ? &g->list[i].own : NULL, g->list[i].goal);
	print_row("total", columns, &g->total, NULL, NULL);
	if (g->total.unknown > 0)
		printf("unknown: %lld of %lld tasks had a reply without a known price; the others cost %s\n",
		       (long long)g->total.unknown, (long long)g->total.tasks, cost_text(g->total.known_nanos, cost));
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

static int cost(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	const char *const *words;
	struct err err = ERR_NONE;
	int64_t since_us;

	if (options_parse(&cmd_cost, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) > 0)
		return complain(EXIT_USAGE, "cost: takes no argument; one task is shown by `mishri show TASK`");
	int by = name_find(by_names, COUNT(by_names), option_text(o, "--by", "task"));
	if (by < 0)
		return complain(EXIT_USAGE, "cost: --by is one of task, session, user, model, day");
	if (option_since_us(o, "--since", &since_us) < 0)
		return EXIT_USAGE;
	int r = cli_open_store(o, STORE_READ_ONLY, &store, &err);
	AUTO(groups_done) struct groups groups = { .by = (enum by)by, .by_key = json_object() };
	if (r == 0)
		r = store_costs(store, since_us, visit, &groups, &err);
	if (r < 0 && r != -ENOENT)                      /* no store yet: nothing was spent yet */
		return complain(EXIT_FAILED, "%s", err.text);
	if (option_given(o, "--json"))
		print_groups_json(&groups);
	else
		print_groups(&groups, print_colour(o));
	return EXIT_DONE;
}

static const struct option_row options[] = {
	{ "--by", 0, "WHAT", "task, session, user, model or day; task without it", false },
	{ "--since", 0, "SPAN|DATE", "goals given within 90m, 12h, 7d, or since 2026-11-22", false },
};

const struct command cmd_cost = {
	.name = "cost", .args = "", .about = "tokens and money, by task, session, user, model or day", .options = options,
	.option_count = COUNT(options), .run = cost,
	.examples = "  mishri cost --since 7d\n  mishri cost --by model --json\n",
};
