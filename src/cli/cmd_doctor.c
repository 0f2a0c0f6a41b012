/* cmd_doctor.c - `mishri doctor`: what this machine offers, what is missing, how to mend it. It changes
 * nothing but, when asked by name, the projections that can be made anew from the events, and with --fix what a person
 * says yes to (doctor_fix.c). */
#include "cli/apparmor.h"
#include "cli/common.h"
#include "cli/doctor.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/banned.h"

static const struct option_row options[] = {
	{ "--apparmor", 0, NULL, "print an AppArmor profile that lets this program have user namespaces, and do nothing else", false },
	{ "--fix", 0, NULL, "show what can be mended, step by step, and do it after a yes", false },
	{ "--yes", 'y', NULL, "with --fix: yes to all of it", false },
	{ "--rebuild", 0, NULL, "make the store's projections anew from its events", false },
};

static void add(json_t *rows, const char *name, bool ok, const char *detail, const char *fix)
{
	json_t *row = json_object();

	json_put_text(row, "name", name);
	json_put_bool(row, "ok", ok);
	json_put_text(row, "detail", detail);
	json_put_text(row, "fix", fix);
	json_array_append_new(rows, row);
}

static void check_store(const struct options *o, json_t *rows)
{
	AUTO(store_closep) struct store *store = NULL;
	AUTO(freep) char *dir = NULL;
	struct store_report report;
	struct err err = ERR_NONE;

	int r = cli_data_dir(o, &dir, &err);
	if (r == 0)
		r = cli_open_store(o, STORE_READ_ONLY, &store, &err);
	if (r == -ENOENT) {
		AUTO(freep) char *text = xasprintf("none yet; it will be made in %s", dir);
		add(rows, "store", true, text, "");
		return;
	}
	if (r < 0) {
		add(rows, "store", false, err.text, "");
		return;
	}
	if (store_verify(store, &report, &err) < 0) {
		add(rows, "store", false, err.text, "the history was changed from outside; keep the file and look into it");
		return;
	}
	AUTO(freep) char *text = xasprintf("%s: %lld events in %lld chains, every hash as written", store_path(store),
	                                   (long long)report.events, (long long)report.chains);
	add(rows, "store", true, text, "");
}

static void check_policy(const struct options *o, json_t *rows)
{
	struct policy *policy = NULL;
	AUTO(freep) char *workspace = NULL;
	struct err err = ERR_NONE;

	if (cli_workspace(".", &workspace, &err) < 0) {
		AUTO(freep) char *text = xasprintf("not looked at: %s", err.text);
		add(rows, "policy", true, text, "");
		return;
	}
	if (cli_load_policy(o, workspace, NULL, 0, &policy, &err) < 0) {
		add(rows, "policy", false, err.text, "`mishri policy lint FILE` checks a file; `mishri policy show` says which hold");
		return;
	}
	AUTO(freep) char *text = xasprintf("%zu rules for this directory", policy_rule_count(policy));
	add(rows, "policy", true, text, "");
	policy_free(policy);
}

static void check_keys(json_t *rows)
{
	bool key = getenv("OPENAI_API_KEY") != NULL || getenv("OPENAI_API_KEY_FILE") != NULL;
	bool url = getenv("OPENAI_BASE_URL") != NULL;

	add(rows, "model", true, key ? "a key for openai/... is set" : url ? "OPENAI_BASE_URL is set" : "no key is set",
	    key || url ? "" : "set OPENAI_API_KEY, or OPENAI_BASE_URL for a local server; `mishri demo` needs neither");
}

static int print(const struct options *o, const json_t *rows)
{
	int bad = 0;
	size_t i;
	json_t *row;

	json_array_foreach((json_t *)rows, i, row)
		bad += !json_get_bool(row, "ok", false);
	if (option_given(o, "--json")) {
		AUTO(freep) char *text = json_text(rows);
		puts(text);
		return bad > 0 ? EXIT_FAILED : EXIT_DONE;
	}
	json_array_foreach((json_t *)rows, i, row) {
		const char *fix = json_get_text(row, "fix", "");
		printf("%-7s %-22s %s\n", json_get_bool(row, "ok", false) ? "ok" : "MISSING", json_get_text(row, "name", ""),
		       json_get_text(row, "detail", ""));
		if (fix[0] != '\0')
			printf("        %-22s -> %s\n", "", fix);
	}
	if (bad > 0)
		puts("\n`mishri doctor --fix` shows what of it can be mended from here.");
	return bad > 0 ? EXIT_FAILED : EXIT_DONE;
}

static int rebuild(const struct options *o)
{
	AUTO(store_closep) struct store *store = NULL;
	struct err err = ERR_NONE;

	if (cli_open_store(o, CLI_STORE_UNSIGNED, &store, &err) < 0 || store_rebuild(store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	puts("The projections were made anew from the events.");
	return EXIT_DONE;
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	struct warden *warden = NULL;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_doctor, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_given(o, "--apparmor"))
		return apparmor_print();
	if (option_given(o, "--rebuild"))
		return rebuild(o);
	if (option_given(o, "--yes") && !option_given(o, "--fix"))
		return complain(EXIT_USAGE, "doctor: --yes goes with --fix");
	if (option_given(o, "--fix"))
		return doctor_fix(o);
	AUTO(json_decrefp) json_t *rows = NULL;
	if (warden_start(NULL, 0, &warden, &err) < 0) {
		rows = json_array();
		add(rows, "warden", false, err.text, "");
	} else {
		rows = cell_probe(warden);
	}
	check_store(o, rows);
	check_policy(o, rows);
	check_keys(rows);
	warden_stop(warden);
	return print(o, rows);
}

const struct command cmd_doctor = {
	.name = "doctor", .args = "", .about = "say what this machine offers, what is missing, how to mend it",
	.options = options, .option_count = COUNT(options), .run = run,
	.examples = "  mishri doctor\n  mishri doctor --fix\n",
};
