/* cmd_metrics.c - what happened in this store as numbers, in the text form of Prometheus: for a textfile collector, or a look.
 * It counts the record anew each time and changes nothing; a service that runs tells its own at /metrics. */
#include <stdio.h>
#include <string.h>

#include "cli/common.h"
#include "engine/metrics.h"

#include "base/banned.h"

struct count { struct metrics *metrics; int64_t since_us; };

static bool count_row(void *userdata, const struct event_row *row)
{
	struct count *c = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) < 0)
		return true;
	if (e.time_us >= c->since_us)
		metrics_event(c->metrics, &e);
	event_done(&e);
	return true;
}

static int metrics(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(metrics_freep) struct metrics *counted = metrics_new();
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_METRICS_BYTES);
	struct count count = { .metrics = counted };
	const struct event_filter all = { 0 };
	struct err err = ERR_NONE;

	if (options_parse(&cmd_metrics, argc, argv, &o) < 0 || option_since_us(o, "--since", &count.since_us) < 0)
		return EXIT_USAGE;
	const char *format = option_text(o, "--format", "prometheus");
	bool open = strcmp(format, "openmetrics") == 0;
	if (!open && strcmp(format, "prometheus") != 0)
		return complain(EXIT_USAGE, "metrics: there is no format '%.40s'; there are prometheus and openmetrics", format);
	if (cli_own_tools(o, NULL, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	if (cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0 || store_events(store, &all, count_row, &count, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	metrics_render(counted, &(struct metrics_now){ .store = store }, open, &text);
	fwrite(buf_text(&text), 1, text.len, stdout);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static const struct option_row options[] = {
	{ "--since", 0, "WHEN", "only what happened since then: 2h, 7d, 2026-11-22", false },
	{ "--format", 'f', "FORMAT", "prometheus (default) or openmetrics", false },
};

const struct command cmd_metrics = {
	.name = "metrics", .args = "", .about = "counts of tasks, calls, decisions, tokens and times, for Prometheus",
	.options = options, .option_count = COUNT(options), .run = metrics,
	.examples = "  mishri metrics > /var/lib/node_exporter/mishri.prom\n  mishri metrics --since 1d | grep tool_calls\n",
};
