/* cmd_otlp.c - `mishri otlp send`: spans of the record to an OTLP receiver, afterwards: what a crash, a receiver that was
 * away or a full queue kept from it. Spans have the same ids each time, so that sending twice is telling twice, not counting
 * twice. It changes nothing in the record. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/common.h"
#include "cli/print.h"
#include "engine/otel.h"
#include "store/history.h"

#include "base/banned.h"

struct roots { char (*ids)[ID_LEN + 1]; size_t count; };

static void add_root(struct roots *all, const char *task)
{
	if ((all->count & (all->count - 1)) == 0)
		all->ids = xrealloc(all->ids, MAX(all->count * 2, (size_t)1) * sizeof *all->ids);
	memcpy(all->ids[all->count++], task, ID_LEN + 1);
}

static void add_row(void *userdata, const struct history_row *row)
{
	add_root(userdata, row->root->task);
}

/* The tasks that are named, or all since a time; an exit code. */
static int choose(const struct options *o, struct store *store, struct roots *ret)
{
	const char *const *names;
	size_t count = option_positionals(o, &names);
	struct history_filter filter = { .limit = LIMIT_OTLP_TASKS };
	bool more = false;
	struct err err = ERR_NONE;

	if (option_since_us(o, "--since", &filter.since_us) < 0)
		return EXIT_USAGE;
	if (count == 0 && filter.since_us == 0)
		return complain(EXIT_USAGE, "otlp send: which? name tasks (or 'last'), or give --since 1d for all that began since then");
	if (count > 0 && filter.since_us != 0)
		return complain(EXIT_USAGE, "otlp send: either tasks or --since, not both");
	if (count == 0 && store_history(store, &filter, add_row, ret, &more, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	for (size_t i = 0; i < count; i++) {
		char task[ID_LEN + 1];
		if (store_task_find(store, names[i], task, &err) < 0)
			return complain(EXIT_USAGE, "%s", err.text);
		add_root(ret, task);
	}
	return 0;
}

static int send_all(struct otel *otel, struct store *store, const struct roots *roots, bool content, struct otel_stats *ret)
{
	struct err err = ERR_NONE;

	for (size_t i = roots->count; i-- > 0;) {        /* oldest first */
		struct trace trace;
		if (trace_read(store, roots->ids[i], content, &trace, &err) < 0)
			return complain(EXIT_FAILED, "%s", err.text);
		otel_send_trace(otel, &trace);
		trace_done(&trace);
		otel_stats(otel, ret);
		if (ret->dropped > 0)           /* the next ones would fare no better */
			return 0;
	}
	otel_flush(otel);
	otel_stats(otel, ret);
	return 0;
}

static int tell(const struct options *o, const struct otel_stats *stats, size_t tasks)
{
	bool failed = stats->dropped + stats->rejected > 0;

	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *object = json_pack("{s:I, s:I, s:I, s:I, s:I}", "tasks", (json_int_t)tasks, "sent",
		                                              (json_int_t)stats->sent, "rejected", (json_int_t)stats->rejected, "dropped",
		                                              (json_int_t)stats->dropped, "requests", (json_int_t)stats->requests);
		json_put_text(object, "error", failed ? stats->why : NULL);
		print_json(object);
	} else if (!failed) {
		printf("sent ");
		print_count(stats->sent, "span");
		printf(" of ");
		print_count((int64_t)tasks, "task");
		printf("\n");
	}
	if (!failed)
		return EXIT_DONE;
	return complain(EXIT_FAILED, "otlp send: %lld spans arrived, %lld did not: %s", (long long)stats->sent,
	                (long long)(stats->dropped + stats->rejected), stats->why);
}

static int send_to(const struct options *o, struct store *store, const struct config *config)
{
	AUTO(loop_freep) struct loop *loop = NULL;
	AUTO(otel_freep) struct otel *otel = NULL;
	struct otel_setup setup;
	struct otel_stats stats = { 0 };
	struct roots roots = { 0 };
	struct err err = ERR_NONE;

	int64_t since;
	if (option_since_us(o, "--since", &since) < 0)
		return EXIT_USAGE;
	if (config_otel_wrong(config) != NULL)
		return complain(EXIT_CONFIG, "%s", config_otel_wrong(config));
	int r = otel_setup_read(config, true, &setup, &err);
	if (r == 0)
		return complain(EXIT_CONFIG, "otlp send: where to? set otel.endpoint, OTEL_EXPORTER_OTLP_ENDPOINT or "
		                "-c otel.endpoint=http://127.0.0.1:4318");
	if (r < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	setup.flush_ms = MAX(setup.flush_ms, (int64_t)LIMIT_OTLP_SEND_MS);
	bool content = setup.target.style.content;
	r = loop_new(&loop, &err);
	if (r == 0)
		r = otel_new(loop, store, &setup, &otel, &err);
	otel_setup_done(&setup);
	if (r < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	int code = choose(o, store, &roots);
	if (code == 0)
		code = send_all(otel, store, &roots, content, &stats);
	if (code == 0)
		code = tell(o, &stats, roots.count);
	free(roots.ids);
	return code;
}

static int otlp_send(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(config_freep) struct config *config = NULL;
	struct err err = ERR_NONE;
	bool usage;

	if (options_parse(&cmd_otlp_send, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (cli_config(o, NULL, NULL, 0, &config, &usage, &err) < 0)
		return complain(usage ? EXIT_USAGE : EXIT_CONFIG, "%s", err.text);
	if (cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	return send_to(o, store, config);
}

static const struct option_row options[] = {
	{ "--since", 0, "WHEN", "all tasks that began since then: 2h, 7d, 2026-11-22", false },
	{ "--config", 'c', "KEY=VALUE", "set a configuration key; may be repeated", true },
};

const struct command cmd_otlp_send = {
	.name = "otlp send", .args = "[TASK...]", .about = "send the spans of tasks to an OpenTelemetry receiver",
	.options = options, .option_count = COUNT(options), .run = otlp_send,
	.examples = "  mishri otlp send last -c otel.endpoint=http://127.0.0.1:4318\n  mishri otlp send --since 1d\n",
};
