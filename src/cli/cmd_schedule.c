/* cmd_schedule.c - `mishri schedule list`, `show`, `pause`, `resume`, `run`, `remove`. They read the store and append one
 * event; whatever runs is run by `mishri serve`. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/common.h"
#include "cli/print.h"
#include "cli/schedule.h"
#include "cli/text.h"
#include "engine/schedules.h"

#include "base/banned.h"

static const struct option_row show_rows[] = {
	{ "--next", 0, "N", "how many of the next instants (default 5)", false },
	{ "--runs", 0, "N", "how many of the last runs (default 10)", false },
};
static const struct option_row order_rows[] = {
	{ "--user", 0, "NAME", "in the name of this user (root only)", false },
};
static const struct option_row pause_rows[] = {
	{ "--reason", 0, "TEXT", "why; `schedule list` shows it", false },
	{ "--user", 0, "NAME", "in the name of this user (root only)", false },
};

bool schedule_served(const struct options *o)
{
	AUTO(freep) char *data = NULL;
	struct err err = ERR_NONE;

	if (cli_data_dir(o, &data, &err) < 0)
		return false;
	AUTO(freep) char *path = xasprintf("%s/serve.lock", data);
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
}

void schedule_warn(const struct options *o)
{
	if (!schedule_served(o))
		complain(0, "nothing runs the schedules of this data directory now; start `mishri serve`");
}

void schedule_print_time(const json_t *spec, int64_t us)
{
	AUTO(zone_freep) struct zone *zone = NULL;
	AUTO(buf_done) struct buf text = BUF_INIT(128);

	if (zone_load(json_get_text(spec, "zone", "UTC"), &zone, NULL) < 0 && zone_load("UTC", &zone, NULL) < 0)
		return;
	schedule_time(zone, us, &text);
	fputs(buf_text(&text), stdout);
}

/* ---- list ---- */

struct list { json_t *json; bool colour; size_t count; };

static const char *state_of(const struct schedule_row *row, int64_t next_us)
{
	return strcmp(row->state, "on") == 0 && next_us == 0 && row->queued == 0 ? "ended" : row->state;
}

static void print_counts(const struct schedule_row *row)
{
	const struct { int64_t n; const char *what; } counts[] = {
		{ row->failed, "failed" }, { row->missed, "missed" }, { row->skipped, "skipped" }, { row->dropped, "dropped" },
		{ row->active, "running" }, { row->queued, "waiting" },
	};

	print_count(row->started, "run");
	for (size_t i = 0; i < COUNT(counts); i++)
		if (counts[i].n > 0)
			printf(", %lld %s", (long long)counts[i].n, counts[i].what);
}

static void print_head(const struct schedule_row *row, bool colour, int64_t next_us)
{
	AUTO(buf_done) struct buf when = BUF_INIT(KIB(4));
	const char *state = state_of(row, next_us);

	schedule_words(row->spec, &when);
	printf("%s%s%s  %s%s%s  ", ink(colour, INK_BOLD), row->name, ink(colour, INK_PLAIN),
	       ink(colour, strcmp(state, "on") == 0 ? INK_GOOD : strcmp(state, "paused") == 0 ? INK_WARN : INK_FAINT), state,
	       ink(colour, INK_PLAIN));
	print_line(buf_text(&when), 120);
	putchar('\n');
}

static void list_row(void *userdata, const struct schedule_row *row)
{
	struct list *list = userdata;
	int64_t next_us = 0, now_us = clock_wall_us();

	list->count++;
	if (list->json != NULL) {
		json_array_append_new(list->json, schedule_json(row, 1, now_us));
		return;
	}
	if (strcmp(row->state, "on") == 0)
		(void)!schedule_instants(row, now_us, &next_us, 1);
	print_head(row, list->colour, next_us);
	fputs("    ", stdout);
	if (next_us != 0) {
		fputs("next ", stdout);
		schedule_print_time(row->spec, next_us);
		fputs("; ", stdout);
	}
	print_counts(row);
	if (row->reason[0] != '\0') {
		fputs("; paused: ", stdout);
		print_line(row->reason, 100);
	}
	printf("; user %s\n    ", row->user);
	print_line(json_get_text(json_object_get(row->spec, "task"), "goal", ""), 90);
	putchar('\n');
}

/* 0 with *ret NULL: nothing has been stored yet. Else an exit code. */
static int open_to_read(const struct options *o, struct store **ret)
{
	struct err err = ERR_NONE;
	int r = cli_open_store(o, STORE_READ_ONLY, ret, &err);

	return r == 0 || r == -ENOENT ? 0 : complain(EXIT_FAILED, "%s", err.text);
}

static int list(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(json_decrefp) json_t *json = NULL;
	const char *const *words;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_schedule_list, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) > 0)
		return complain(EXIT_USAGE, "schedule list: '%s' is one word too many; `mishri schedule show %s` shows one", words[0], words[0]);
	int code = open_to_read(o, &store);
	if (code != 0)
		return code;
	if (option_given(o, "--json"))
		json = json_array();
	struct list all = { .json = json, .colour = print_colour(o) };
	if (store != NULL && store_schedules(store, list_row, &all, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (json != NULL)
		print_json(json);
	else if (all.count == 0)
		puts("there is no schedule; `mishri schedule add --help` shows how one is made");
	else
		schedule_warn(o);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* ---- show ---- */

struct shown { json_t *json; bool colour; size_t next; const struct options *o; };

static void print_key(const char *key, const json_t *value)
{
	AUTO(freep) char *text = json_is_string(value) ? xstrdup(json_string_value(value)) : json_text(value);

	printf("    %-16s ", key);
	print_line(text, 100);
	putchar('\n');
}

static void show_text(const struct shown *shown, const struct schedule_row *row)
{
	int64_t instants[LIMIT_SCHEDULE_SHOWN];
	size_t count = strcmp(row->state, "on") == 0 ? schedule_instants(row, clock_wall_us(), instants, shown->next) : 0;
	const char *key;
	json_t *value;

	print_head(row, shown->colour, count > 0 ? instants[0] : 0);
	if (row->reason[0] != '\0') {
		fputs("  paused: ", stdout);
		print_line(row->reason, 100);
		putchar('\n');
	}
	printf("  id %s, user %s; ", row->schedule, row->user);
	print_counts(row);
	puts("\n  rule");
	json_object_foreach(row->spec, key, value)
		if (strcmp(key, "task") != 0)
			print_key(key, value);
	puts("  each run");
	json_object_foreach(json_object_get(row->spec, "task"), key, value)
		print_key(key, value);
	if (count > 0)
		puts("  next");
	for (size_t i = 0; i < count; i++) {
		fputs("    ", stdout);
		schedule_print_time(row->spec, instants[i]);
		putchar('\n');
	}
}

static void show_row(void *userdata, const struct schedule_row *row)
{
	struct shown *shown = userdata;

	if (shown->json == NULL) {
		show_text(shown, row);
		return;
	}
	AUTO(json_decrefp) json_t *o = schedule_json(row, shown->next, clock_wall_us());
	json_object_update(shown->json, o);
}

struct runs { json_t *json; size_t count; };

static void show_run(void *userdata, const struct schedule_run_row *row)
{
	struct runs *runs = userdata;
	char time[TIME_TEXT_BYTES];

	if (runs->json != NULL) {
		json_array_append_new(runs->json, schedule_run_json(row));
		return;
	}
	if (runs->count++ == 0)
		puts("  last runs");
	printf("    %s  %-9s  %-6s  %s", time_text(row->instant_us, time), row->state, row->cause, row->task);
	if (row->reason[0] != '\0') {
		fputs("  ", stdout);
		print_line(row->reason, 100);
	}
	putchar('\n');
}

static int show_all(const struct options *o, struct store *store, const char *id)
{
	AUTO(json_decrefp) json_t *json = option_given(o, "--json") ? json_object() : NULL;
	struct runs runs = { .json = json != NULL ? json_array() : NULL };
	struct err err = ERR_NONE;
	int64_t next, most;

	if (option_count(o, "--next", 5, &next) < 0 || option_count(o, "--runs", 10, &most) < 0)
		return EXIT_USAGE;
	struct shown shown = { .json = json, .colour = print_colour(o), .next = (size_t)MIN(next, (int64_t)LIMIT_SCHEDULE_SHOWN), .o = o };
	if (store_schedule_get(store, id, show_row, &shown, &err) < 0 ||
	    store_schedule_runs(store, id, MIN(most, (int64_t)LIMIT_SCHEDULE_SHOWN), show_run, &runs, &err) < 0)
		return complain(EXIT_FAILED, "schedule show: %s", err.text);
	if (json != NULL) {
		json_put(json, "last_runs", runs.json);
		print_json(json);
	} else {
		schedule_warn(o);
	}
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int show(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	char id[ID_LEN + 1];
	const char *const *words;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_schedule_show, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) != 1)
		return complain(EXIT_USAGE, "schedule show: one schedule is wanted: mishri schedule show NAME");
	int code = open_to_read(o, &store);
	if (code != 0)
		return code;
	if (store == NULL)
		return complain(EXIT_USAGE, "there is no schedule '%s'; `mishri schedule list` shows them", words[0]);
	int r = store_schedule_find(store, words[0], id, &err);
	if (r < 0)
		return complain(r == -ENOENT ? EXIT_USAGE : EXIT_FAILED, "%s", err.text);
	return show_all(o, store, id);
}

/* ---- orders ---- */

static const struct { const struct command *command; const char *done; } orders[] = {
	[SCHEDULE_ORDER_PAUSE] = { &cmd_schedule_pause, "paused; what is running goes on, and nothing new starts" },
	[SCHEDULE_ORDER_RESUME] = { &cmd_schedule_resume, "goes on from now; what would have run meanwhile is not made up" },
	[SCHEDULE_ORDER_REMOVE] = { &cmd_schedule_remove, "removed; what is running goes on" },
	[SCHEDULE_ORDER_RUN] = { &cmd_schedule_run, "runs as task " },
};

static int print_order(const struct options *o, enum schedule_order order, const char *name, const char *task)
{
	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *json = json_pack("{s:s}", "name", name);
		json_put_text(json, "task", task[0] != '\0' ? task : NULL);
		print_json(json);
	} else {
		printf("%s: %s%s\n", name, orders[order].done, task);
	}
	if (order == SCHEDULE_ORDER_RUN)
		schedule_warn(o);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int give(enum schedule_order order, int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	const struct command *command = orders[order].command;
	char user[USER_LEN + 1], task[ID_LEN + 1];
	const char *const *words;
	struct err err = ERR_NONE;

	if (options_parse(command, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) != 1)
		return complain(EXIT_USAGE, "%s: one schedule is wanted: mishri %s NAME; `mishri schedule list` shows them", command->name,
		                command->name);
	if (cli_user(o, user, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	int r = cli_open_store(o, 0, &store, &err);
	if (r == -ENOENT)
		return complain(EXIT_USAGE, "there is no schedule '%s'; `mishri schedule list` shows them", words[0]);
	if (r < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	const char *reason = order == SCHEDULE_ORDER_PAUSE ? option_text(o, "--reason", NULL) : NULL;
	r = schedule_order(store, order, user, words[0], reason, task, &err);
	if (r < 0)
		return complain(r == -ENOENT || r == -E2BIG ? EXIT_USAGE : r == -EPERM ? EXIT_DENIED : EXIT_FAILED, "%s: %s", command->name,
		                err.text);
	return print_order(o, order, words[0], task);
}

static int pause_it(int argc, char **argv)
{
	return give(SCHEDULE_ORDER_PAUSE, argc, argv);
}

static int resume_it(int argc, char **argv)
{
	return give(SCHEDULE_ORDER_RESUME, argc, argv);
}

static int remove_it(int argc, char **argv)
{
	return give(SCHEDULE_ORDER_REMOVE, argc, argv);
}

static int run_it(int argc, char **argv)
{
	return give(SCHEDULE_ORDER_RUN, argc, argv);
}

const struct command cmd_schedule_list = {
	.name = "schedule list", .args = "", .about = "the schedules, with the next instant of each", .run = list,
	.examples = "  mishri schedule list\n  mishri schedule list --json\n",
};
const struct command cmd_schedule_show = {
	.name = "schedule show", .args = "NAME", .about = "one schedule: its rule, next instants and last runs", .options = show_rows,
	.option_count = COUNT(show_rows), .run = show, .examples = "  mishri schedule show nightly --next 5\n",
};
const struct command cmd_schedule_pause = {
	.name = "schedule pause", .args = "NAME", .about = "let a schedule start nothing until it is resumed", .options = pause_rows,
	.option_count = COUNT(pause_rows), .run = pause_it, .examples = "  mishri schedule pause nightly --reason \"holidays\"\n",
};
const struct command cmd_schedule_resume = {
	.name = "schedule resume", .args = "NAME", .about = "let a paused schedule go on from now", .options = order_rows,
	.option_count = COUNT(order_rows), .run = resume_it, .examples = "  mishri schedule resume nightly\n",
};
const struct command cmd_schedule_run = {
	.name = "schedule run", .args = "NAME", .about = "run a schedule once, now", .options = order_rows,
	.option_count = COUNT(order_rows), .run = run_it, .examples = "  mishri schedule run nightly\n",
};
const struct command cmd_schedule_remove = {
	.name = "schedule remove", .args = "NAME", .about = "end a schedule; its runs and events stay", .options = order_rows,
	.option_count = COUNT(order_rows), .run = remove_it, .examples = "  mishri schedule remove nightly\n",
};
