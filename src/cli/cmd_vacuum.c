/* cmd_vacuum.c - lets old task trees leave, by what is said here or in the configuration. It refuses to guess: without a
 * rule nothing leaves. */
#include <stdio.h>
#include <string.h>

#include "cli/common.h"
#include "cli/print.h"
#include "cli/text.h"
#include "engine/retention.h"

#include "base/banned.h"

struct leaving {
	struct store *store;
	json_t *rows, *stays;
	int64_t tasks, events, bytes;
	bool colour, quiet;          /* quiet: nothing is printed a row */
};

struct plan {
	struct prune_rule rule;
	char *data;                  /* the data directory */
	char reason[RETENTION_TEXT_BYTES]; /* the rule in words */
};

static const char *size_text(int64_t bytes, char text[static 32])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes;
	size_t i = 0;

	for (; n >= 1024 && i + 1 < COUNT(units); i++)
		n /= 1024;
	snprintf(text, 32, i == 0 ? "%.0f %s" : "%.1f %s", n, units[i]);
	return text;
}

static void add_row(void *userdata, const struct prune_row *row)
{
	struct leaving *l = userdata;
	json_t *one = json_object();
	char time[TIME_TEXT_BYTES], size[32];

	json_put_text(one, "task", row->root->task);
	json_put_text(one, "goal", row->root->goal);
	json_put_text(one, "state", task_state_name(row->root->state));
	json_put(one, "ended", json_time(row->root->ended_us));
	json_put_int(one, "tasks", row->tasks);
	json_put_int(one, "events", row->events);
	json_put_int(one, "bytes", row->bytes);
	if (row->stays != NULL)
		json_put_text(one, "why", row->stays);
	json_array_append_new(row->stays != NULL ? l->stays : l->rows, one);
	if (row->stays == NULL) {
		l->tasks += row->tasks;
		l->events += row->events;
		l->bytes += row->bytes;
	}
	if (l->quiet)
		return;
	printf("%s  %s  %-9s  %6lld events  %10s  ", row->root->task, time_text(row->root->ended_us, time),
	       task_state_name(row->root->state), (long long)row->events, size_text(row->bytes, size));
	print_line(row->root->goal, 40);
	if (row->stays != NULL)
		printf("  %sstays: %s%s", ink(l->colour, INK_WARN), row->stays, ink(l->colour, INK_PLAIN));
	putchar('\n');
}

/* Flags before configuration. Returns an exit code. */
static int read_rule(const struct options *o, struct plan *p)
{
	AUTO(config_freep) struct config *config = NULL;
	struct err err = ERR_NONE;
	bool usage;

	if (cli_config(o, NULL, NULL, 0, &config, &usage, &err) < 0)
		return complain(usage ? EXIT_USAGE : EXIT_CONFIG, "%s", err.text);
	if (cli_data_dir(o, &p->data, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	struct retention says = retention_of(config);
	says.state = option_text(o, "--state", NULL);
	if (option_duration_ms(o, "--older-than", says.older_ms, &says.older_ms) < 0 ||
	    option_count(o, "--keep", says.keep, &says.keep) < 0)
		return EXIT_USAGE;
	if (!retention_says_something(&says))
		return complain(EXIT_USAGE, "vacuum: say what may leave: --older-than 90d, or --keep 10000 (the newest stay), or both; "
		                "or set retention.older_than or retention.keep. --compact alone gives free room back");
	static const char *const states[] = { "done", "failed", "denied", "cancelled" };
	if (says.state != NULL && name_find(states, COUNT(states), says.state) < 0)
		return complain(EXIT_USAGE, "vacuum: --state is one of done, failed, denied, cancelled: what runs or is parked never leaves");
	p->rule = retention_rule(&says, p->data, clock_wall_us(), p->reason);
	return 0;
}

/* One by one, so that others can write between. What came to be in use meanwhile stays, and is said. */
static int leave(struct leaving *l, const char *user, const char *reason, struct err *err)
{
	size_t i;
	json_t *row;

	json_array_foreach(l->rows, i, row) {
		int r = store_prune(l->store, json_get_text(row, "task", ""), user, reason, err);
		if (r == -EBUSY)
			fprintf(stderr, "mishri: %s\n", err->text);
		else if (r < 0)
			return r;
		json_put_bool(row, "left", r == 0);
	}
	return 0;
}

static void print_end(const struct leaving *l, bool dry, int64_t free_bytes, bool compacted)
{
	char size[32], room[32];

	printf("%s %zu task trees: %lld tasks, %lld events, %s\n", dry ? "would leave:" : "left:", json_array_size(l->rows),
	       (long long)l->tasks, (long long)l->events, size_text(l->bytes, size));
	if (json_array_size(l->stays) > 0)
		printf("stays: %zu that the rule names, for the reasons above\n", json_array_size(l->stays));
	if (!dry && !compacted && free_bytes > 0)
		printf("%s are free inside the file and will be used again; --compact gives them back to the system\n",
		       size_text(free_bytes, room));
}

static void print_all_json(const struct leaving *l, bool dry, int64_t free_bytes, const char *reason)
{
	AUTO(json_decrefp) json_t *object = json_object();

	json_put_bool(object, "dry_run", dry);
	json_put_text(object, "rule", reason);
	json_put_int(object, "tasks", l->tasks);
	json_put_int(object, "events", l->events);
	json_put_int(object, "bytes", l->bytes);
	json_put(object, "trees", json_incref(l->rows));
	json_put(object, "stays", json_incref(l->stays));
	json_put_int(object, "free_bytes", free_bytes);
	print_json(object);
}

/* Returns an exit code. */
static int work(const struct options *o, struct leaving *l, const struct plan *p, bool prunes)
{
	bool dry = option_given(o, "--dry-run"), compact = option_given(o, "--compact") && !dry;
	char user[USER_LEN + 1];
	int64_t free_bytes = 0;
	struct err err = ERR_NONE;

	int r = cli_user(o, user, &err);
	if (r < 0)
		return complain(EXIT_USAGE, "vacuum: %s", err.text);
	r = cli_open_store(o, dry ? STORE_READ_ONLY : 0, &l->store, &err);
	if (r == 0 && prunes)
		r = store_prune_list(l->store, &p->rule, add_row, l, &err);
	if (r == 0 && !dry)
		r = leave(l, user, p->reason, &err);
	if (r == 0 && compact)
		r = store_compact(l->store, &err);
	if (r == 0)
		r = store_free_bytes(l->store, &free_bytes, &err);
	if (r < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (l->quiet)
		print_all_json(l, dry, free_bytes, p->reason);
	else
		print_end(l, dry, free_bytes, compact);
	return EXIT_DONE;
}

static int vacuum(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	struct plan plan = { .reason = "nothing leaves" };
	const char *const *words;

	if (options_parse(&cmd_vacuum, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) > 0)
		return complain(EXIT_USAGE, "vacuum: takes no argument; what leaves is said by --older-than, --keep and --state");
	bool prunes = !option_given(o, "--compact") || option_given(o, "--older-than") || option_given(o, "--keep") ||
	              option_given(o, "--state");
	int code = prunes ? read_rule(o, &plan) : 0;
	if (code != 0) {
		free(plan.data);
		return code;
	}
	struct leaving l = { .rows = json_array(), .stays = json_array(), .colour = print_colour(o),
	                     .quiet = option_given(o, "--json") };
	code = work(o, &l, &plan, prunes);
	store_close(l.store);
	free(plan.data);
	json_decref(l.rows);
	json_decref(l.stays);
	return code;
}

static const struct option_row options[] = {
	{ "--older-than", 0, "DURATION", "what ended longer ago than this: 90d", false },
	{ "--keep", 0, "N", "the newest N goals stay, however old", false },
	{ "--state", 0, "STATE", "only goals that are done, failed, denied or cancelled", false },
	{ "--dry-run", 0, NULL, "say what would leave, and change nothing", false },
	{ "--compact", 0, NULL, "give free room back to the system; takes as much room again for a while", false },
	{ "--user", 0, "NAME", "act for this user (root only)", false },
	{ "--config", 'c', "KEY=VALUE", "set a configuration key; may be repeated", true },
};

const struct command cmd_vacuum = {
	.name = "vacuum", .args = "", .about = "lets old tasks leave the history, whole and accounted for", .options = options,
	.option_count = COUNT(options), .run = vacuum,
	.examples = "  mishri vacuum --older-than 90d --dry-run\n  mishri vacuum --older-than 90d --keep 1000 --compact\n",
};
