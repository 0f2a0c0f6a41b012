/* cmd_audit.c - audit verify: is every event as it was written? It repairs nothing. */
#include <stdio.h>

#include "cli/common.h"
#include "cli/print.h"

#include "base/banned.h"

static void report_json(bool intact, const struct store_report *report, const char *problem)
{
	AUTO(json_decrefp) json_t *object = json_object();

	json_put_bool(object, "intact", intact);
	if (intact) {
		json_put_int(object, "events", report->events);
		json_put_int(object, "chains", report->chains);
		json_put_int(object, "checkpoints", report->checkpoints);
		json_put_int(object, "blobs", report->blobs);
		json_put_int(object, "pruned", report->pruned);
	} else {
		json_put_text(object, "problem", problem);
	}
	print_json(object);
}

static int audit_verify(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	struct store_report report = { 0 };
	struct err err = ERR_NONE;

	if (options_parse(&cmd_audit_verify, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int r = store_verify(store, &report, &err);
	if (option_given(o, "--json"))
		report_json(r == 0, &report, err.text);
	if (r < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (!option_given(o, "--json"))
		printf("intact: %lld events in %lld chains, %lld checkpoints, %lld long strings\n",
		       (long long)report.events, (long long)report.chains, (long long)report.checkpoints,
		       (long long)report.blobs);
	if (!option_given(o, "--json") && report.pruned > 0)
		printf("pruned: %lld task trees left by retention; history.pruned stands for each\n", (long long)report.pruned);
	return EXIT_DONE;
}

const struct command cmd_audit_verify = {
	.name = "audit verify", .args = "", .about = "checks every event against its chain", .run = audit_verify,
	.examples = "  mishri audit verify\n",
};
