/* cmd_history.c - past tasks, newest first. It changes nothing. */
#include <stdio.h>
#include <string.h>

#include "cli/common.h"
#include "cli/print.h"

#include "base/banned.h"

struct output {
	bool colour;
	json_t *list;                /* NULL: text */
	int64_t count;
};

static void add_json(json_t *list, const struct task_row *row)
{
	json_t *task = json_object();

	json_put_text(task, "task", row->task);
	json_put_text(task, "goal", row->goal);
	json_put_text(task, "state", task_state_name(row->state));
	json_put_text(task, "agent", row->agent);
	json_put(task, "started", json_time(row->started_us));
	json_put(task, "ended", json_time(row->ended_us));
	json_put(task, "exit", row->exit < 0 ? json_null() : json_integer(row->exit));
	json_array_append_new(list, task);
}

static void add_row(void *userdata, const struct task_row *row)
{
	struct output *out = userdata;
	char time[TIME_TEXT_BYTES], span[SPAN_TEXT_BYTES], cost[COST_TEXT_BYTES];

	if (out->list != NULL) {
		add_json(out->list, row);
		return;
	}
	if (out->count++ == 0)
		printf("%s%-12s  %-19s  %-9s  %-12s  %5s  %-11s  %s%s\n", ink(out->colour, INK_FAINT), "TASK",
		       "STARTED", "STATE", "TOOK", "CALLS", "COST", "GOAL", ink(out->colour, INK_PLAIN));
	printf("%s  %s  %s%-9s%s  %-12s  %5lld  %-11s  ", row->task, time_text(row->started_us, time),
	       ink(out->colour, ink_of_state(row)), state_text(row), ink(out->colour, INK_PLAIN), span_text(row, span),
	       (long long)row->calls, cost_text(row->usd_nanos, cost));
	print_line(row->goal, 60);
	putchar('\n');
}

/* 0, or an exit code after the complaint. */
static int read_filter(const struct options *o, struct task_filter *filter)
{
	const char *const *words;
	uint64_t limit;

	size_t count = option_positionals(o, &words);
	if (count > 1)
		return complain(EXIT_USAGE, "history: give one text to look for; put it in quotes");
	*filter = (struct task_filter){
		.text = count == 1 ? words[0] : NULL,
		.user = option_text(o, "--user", NULL),
		.state = option_text(o, "--state", NULL),
		.tool = option_text(o, "--tool", NULL),
		.model = option_text(o, "--model", NULL),
	};
	bool known = filter->state == NULL;
	for (int state = 0; state < TASK_STATES && !known; state++)
		known = strcmp(task_state_name((enum task_state)state), filter->state) == 0;
	if (!known)
		return complain(EXIT_USAGE,
		                "history: --state is one of running, parked, done, failed, denied, cancelled");
	if (option_since_us(o, "--since", &filter->since_us) < 0)
		return EXIT_USAGE;
	if (str_to_u64(str_of(option_text(o, "--limit", "100")), &limit) < 0 || limit == 0 || limit > INT64_MAX)
		return complain(EXIT_USAGE, "history: --limit wants a number above 0");
	filter->limit = (int64_t)limit;
	return 0;
}

static int history(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(json_decrefp) json_t *list = NULL;
	struct err err = ERR_NONE;
	struct task_filter filter;

	if (options_parse(&cmd_history, argc, argv, &o) < 0)
		return EXIT_USAGE;
	int code = read_filter(o, &filter);
	if (code != 0)
		return code;
	if (option_given(o, "--json"))
		list = json_array();
	struct output out = { .colour = print_colour(o), .list = list };
	int r = cli_open_store(o, STORE_READ_ONLY, &store, &err);
	if (r == 0)
		r = store_tasks(store, &filter, add_row, &out, &err);
	if (r < 0 && r != -ENOENT)                      /* no store yet: nothing has happened yet */
		return complain(EXIT_FAILED, "%s", err.text);
	if (list != NULL)
		print_json(list);
	else if (out.count == 0)
		fputs("mishri: no task fits\n", stderr);
	return EXIT_DONE;
}

static const struct option_row options[] = {
	{ "--user", 0, "NAME", "only tasks of this user", false },
	{ "--state", 0, "STATE", "running, parked, done, failed, denied or cancelled", false },
	{ "--tool", 0, "NAME", "only tasks in whose tree this tool was called", false },
	{ "--model", 0, "TEXT", "only tasks in whose tree a model with this in its name worked", false },
	{ "--since", 0, "SPAN|DATE", "began within 90m, 12h, 7d, or since 2026-11-22", false },
	{ "--limit", 'n', "N", "at most this many; 100 without it", false },
};

const struct command cmd_history = {
	.name = "history", .args = "[QUERY]", .about = "past tasks, newest first", .options = options,
	.option_count = COUNT(options), .run = history,
	.examples = "  mishri history\n  mishri history 'invoice' --since 7d\n  mishri history --tool shell --state failed --json\n",
};
