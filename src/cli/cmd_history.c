/* cmd_history.c - past tasks, newest first, or those that fit best. It changes nothing but the index of words, which it
 * brings up to date where it may write. */
#include <stdio.h>
#include <string.h>

#include "cli/common.h"
#include "cli/print.h"
#include "cli/text.h"
#include "policy/limits.h"
#include "store/history.h"

#include "base/banned.h"

struct output {
	bool colour, whole;
	size_t width;
	json_t *list;                /* NULL: text */
	int64_t count;
	char last[ID_LEN + 1];
};

static void add_json(json_t *list, const struct history_row *h)
{
	const struct task_row *row = h->root;
	json_t *task = json_object();

	json_put_text(task, "task", row->task);
	json_put_text(task, "goal", row->goal);
	json_put_text(task, "state", task_state_name(row->state));
	json_put_text(task, "agent", row->agent);
	json_put(task, "started", json_time(row->started_us));
	json_put(task, "ended", json_time(row->ended_us));
	json_put(task, "exit", row->exit < 0 ? json_null() : json_integer(row->exit));
	json_put_text(task, "user", row->user);
	json_put_text(task, "session", row->session);
	json_put_text(task, "model", row->model);
	json_put_int(task, "tasks", h->tasks);
	json_put_int(task, "turns", h->turns);
	json_put_int(task, "calls", h->calls);
	json_put_int(task, "denied", h->denied);
	json_put_int(task, "asks", h->asks);
	json_put(task, "usd_nanos", h->usd_nanos < 0 ? json_null() : json_integer(h->usd_nanos));
	json_put_bool(task, "imported", h->imported);
	if (h->found != NULL)
		json_put(task, "found", json_incref((json_t *)h->found));
	json_array_append_new(list, task);
}

/* Everything in one line, whatever the width. */
static void print_wide(const struct output *out, const struct history_row *h)
{
	const struct task_row *row = h->root;
	char time[TIME_TEXT_BYTES], span[SPAN_TEXT_BYTES], cost[COST_TEXT_BYTES];

	if (out->count == 1)
		printf("%s%-12s  %-19s  %-9s  %-12s  %-12s  %5s  %5s  %5s  %6s  %-11s  GOAL%s\n", ink(out->colour, INK_FAINT), "TASK",
		       "STARTED", "STATE", "TOOK", "USER", "TASKS", "TURNS", "CALLS", "DENIED", "COST", ink(out->colour, INK_PLAIN));
	printf("%s  %s  %s%-9s%s  %-12s  ", row->task, time_text(row->started_us, time), ink(out->colour, ink_of_state(row)),
	       state_text(row), ink(out->colour, INK_PLAIN), span_text(row, span));
	printf("%-12s  %5lld  %5lld  %5lld  %6lld  %-11s  %s", row->user, (long long)h->tasks, (long long)h->turns, (long long)h->calls,
	       (long long)h->denied, cost_text(h->usd_nanos, cost), h->imported ? "imported " : "");
	print_line(row->goal, 1000);
	putchar('\n');
}

static void print_found(const json_t *found, size_t width, bool colour)
{
	size_t i;
	json_t *one;

	json_array_foreach(found, i, one) {
		printf("              %s%-7s%s ", ink(colour, INK_FAINT), json_get_text(one, "in", ""), ink(colour, INK_PLAIN));
		print_line(json_get_text(one, "text", ""), width > 44 ? width - 23 : 21);
		putchar('\n');
	}
}

enum { LEFT_COLUMNS = 80 };                              /* before the goal */

static void add_row(void *userdata, const struct history_row *h)
{
	struct output *out = userdata;
	const struct task_row *row = h->root;
	char time[TIME_TEXT_BYTES], span[SPAN_TEXT_BYTES], cost[COST_TEXT_BYTES];
	bool wide = out->width >= LEFT_COLUMNS + 25;

	out->count++;
	memcpy(out->last, row->task, sizeof out->last);
	if (out->list != NULL) {
		add_json(out->list, h);
		return;
	}
	if (out->whole) {
		print_wide(out, h);
		print_found(h->found, 200, out->colour);
		return;
	}
	if (out->count == 1)
		printf("%s%-12s  %-19s  %-9s  %-12s  %5s%s%s%s\n", ink(out->colour, INK_FAINT), "TASK", "STARTED", "STATE", "TOOK", "CALLS",
		       wide ? "  COST         " : "", wide ? "GOAL" : "", ink(out->colour, INK_PLAIN));
	printf("%s  %s  %s%-9s%s  %-12s  %5lld", row->task, time_text(row->started_us, time),
	       ink(out->colour, ink_of_state(row)), state_text(row), ink(out->colour, INK_PLAIN), span_text(row, span),
	       (long long)h->calls);
	size_t room = wide ? out->width - LEFT_COLUMNS : MAX(out->width, (size_t)60) - 27;
	char marks[64] = "";
	if (h->asks > 0)
		snprintf(marks, sizeof marks, "asks you ");
	if (h->denied > 0)
		snprintf(marks + strlen(marks), sizeof marks - strlen(marks), "%lld denied ", (long long)h->denied);
	if (h->imported)
		snprintf(marks + strlen(marks), sizeof marks - strlen(marks), "imported ");
	if (wide)
		printf("  %-11s  ", cost_text(h->usd_nanos, cost));
	else
		printf("\n              %s%-11s%s ", ink(out->colour, INK_FAINT), cost_text(h->usd_nanos, cost), ink(out->colour, INK_PLAIN));
	printf("%s%s%s", ink(out->colour, INK_WARN), marks, ink(out->colour, INK_PLAIN));
	print_line(row->goal, room - MIN(strlen(marks), room - 10));
	putchar('\n');
	print_found(h->found, out->width, out->colour);
}

/* 0, or an exit code after the complaint. */
static int read_numbers(const struct options *o, struct history_filter *filter)
{
	const char *cost = option_text(o, "--cost-over", NULL);

	if (option_since_us(o, "--since", &filter->since_us) < 0 || option_since_us(o, "--until", &filter->until_us) < 0 ||
	    option_count(o, "--limit", 100, &filter->limit) < 0)
		return EXIT_USAGE;
	if (filter->until_us > 0 && filter->since_us >= filter->until_us)
		return complain(EXIT_USAGE, "history: --until is not after --since: no time is between them");
	if (cost != NULL && (usd_parse(str_of(cost), &filter->cost_nanos) < 0 || filter->cost_nanos <= 0))
		return complain(EXIT_USAGE, "history: --cost-over wants US dollars above 0, such as 0.50");
	return 0;
}

static int read_filter(const struct options *o, struct history_filter *filter)
{
	const char *const *words;
	size_t count = option_positionals(o, &words);

	if (count > 1)
		return complain(EXIT_USAGE, "history: give all words to look for in one pair of quotes: 'invoice paid'");
	*filter = (struct history_filter){
		.text = count == 1 ? words[0] : NULL,
		.user = option_text(o, "--user", NULL),
		.state = option_text(o, "--state", NULL),
		.session = option_text(o, "--session", NULL),
		.tool = option_text(o, "--tool", NULL),
		.agent = option_text(o, "--agent", NULL),
		.model = option_text(o, "--model", NULL),
		.denied = option_given(o, "--denied"),
		.ranked = option_given(o, "--rank"),
	};
	bool known = filter->state == NULL;
	for (int state = 0; state < TASK_STATES && !known; state++)
		known = strcmp(task_state_name((enum task_state)state), filter->state) == 0;
	if (!known)
		return complain(EXIT_USAGE,
		                "history: --state is one of running, parked, paused, done, failed, denied, cancelled");
	if (filter->ranked && filter->text == NULL)
		return complain(EXIT_USAGE, "history: --rank puts what fits a text best first: give a text to look for");
	if (filter->ranked && option_given(o, "--before"))
		return complain(EXIT_USAGE, "history: --before goes on with older tasks; with --rank a larger --limit would be right");
	return read_numbers(o, filter);
}

/* With a text the index must know what was written last. Who may only read is told what is not in it yet. */
static int open_store(const struct options *o, bool words, struct store **ret, struct err *err)
{
	struct err unused = ERR_NONE;
	int64_t behind = 0;
	int r = -EACCES;

	if (words && cli_open_store(o, CLI_STORE_UNSIGNED, ret, &unused) == 0)
		return store_words_update(*ret, err);
	r = cli_open_store(o, STORE_READ_ONLY, ret, err);
	if (r == 0 && words)
		r = store_words_behind(*ret, &behind, err);
	if (r == 0 && behind > 0)
		fprintf(stderr, "mishri: the %lld newest events are not searched yet: the store can only be read by you\n",
		        (long long)behind);
	return r;
}

/* `--before` may be a short name. */
static int find_before(const struct options *o, struct store *store, char task[static ID_LEN + 1], struct history_filter *filter)
{
	const char *name = option_text(o, "--before", NULL);
	struct err err = ERR_NONE;

	if (name == NULL)
		return 0;
	if (store_task_find(store, name, task, &err) < 0)
		return complain(EXIT_USAGE, "history: --before: %s", err.text);
	filter->before = task;
	return 0;
}

static int history(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(json_decrefp) json_t *list = NULL;
	struct err err = ERR_NONE;
	struct history_filter filter;
	char before[ID_LEN + 1];
	bool more = false;

	if (options_parse(&cmd_history, argc, argv, &o) < 0)
		return EXIT_USAGE;
	int code = read_filter(o, &filter);
	if (code != 0)
		return code;
	if (option_given(o, "--json"))
		list = json_array();
	struct output out = { .colour = print_colour(o), .list = list, .width = text_width(1), .whole = option_given(o, "--wide") };
	int r = open_store(o, filter.text != NULL, &store, &err);
	if (r == 0 && (code = find_before(o, store, before, &filter)) != 0)
		return code;
	if (r == 0)
		r = store_history(store, &filter, add_row, &out, &more, &err);
	if (r == -EINVAL)
		return complain(EXIT_USAGE, "history: %s", err.text);
	if (r < 0 && r != -ENOENT)                      /* no store yet: nothing has happened yet */
		return complain(EXIT_FAILED, "%s", err.text);
	if (list != NULL)
		print_json(list);
	else if (out.count == 0)
		fputs("mishri: no task fits\n", stderr);
	if (more && list == NULL)
		fprintf(stderr, "mishri: there are more: %s\n", filter.ranked ? "give a larger --limit" : "go on with --before");
	if (more && list == NULL && !filter.ranked)
		fprintf(stderr, "        mishri history ... --before %s\n", out.last);
	return EXIT_DONE;
}

static const struct option_row options[] = {
	{ "--user", 0, "NAME", "only tasks of this user", false },
	{ "--state", 0, "STATE", "running, parked, paused, done, failed, denied or cancelled", false },
	{ "--session", 0, "ID", "only tasks of this session", false },
	{ "--tool", 0, "NAME", "only tasks in whose tree this tool was called", false },
	{ "--agent", 0, "NAME", "only tasks in whose tree this agent worked", false },
	{ "--model", 0, "TEXT", "only tasks in whose tree a model with this in its name worked", false },
	{ "--denied", 0, NULL, "only tasks in whose tree something was denied", false },
	{ "--cost-over", 0, "USD", "only tasks that cost this much or more, with all below", false },
	{ "--since", 0, "SPAN|DATE", "began within 90m, 12h, 7d, or since 2026-11-22", false },
	{ "--until", 0, "SPAN|DATE", "began before that", false },
	{ "--before", 0, "TASK", "older than this task: the next page", false },
	{ "--rank", 0, NULL, "what fits the text best first", false },
	{ "--wide", 0, NULL, "user, tasks, turns and denials too, and the whole goal, in one line", false },
	{ "--limit", 'n', "N", "at most this many; 100 without it", false },
};

const struct command cmd_history = {
	.name = "history", .args = "[QUERY]", .about = "past tasks, newest first: by words, user, tool, time or cost",
	.options = options, .option_count = COUNT(options), .run = history,
	.examples = "  mishri history\n  mishri history 'invoice -draft' --since 7d\n  mishri history '\"not found\" OR ENOENT' --rank\n"
	            "  mishri history 'goal:deploy*' --tool shell --state failed --json\n",
};
