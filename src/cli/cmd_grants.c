/* cmd_grants.c - `mishri grants`, `revoke`: answers that are remembered, and their end. A revocation is a fact of its
 * own that every engine sees at its next decision; nothing that has begun is undone. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/answer.h"
#include "cli/common.h"
#include "cli/print.h"
#include "cli/text.h"

#include "base/banned.h"

static const struct option_row list_rows[] = {
	{ "--all", 0, NULL, "those that ended or were revoked, too", false },
};
static const struct option_row revoke_rows[] = {
	{ "--user", 0, "NAME", "in the name of this user (root only)", false },
};

struct list {
	json_t *json;                  /* NULL: text */
	bool all, colour;
	size_t count;
};

static const char *state_of(const struct grant_row *row)
{
	if (row->revoked_us > 0)
		return "revoked";
	return row->until_us > 0 && row->until_us <= clock_wall_us() ? "ended" : "in force";
}

static void add_json(json_t *list, const struct grant_row *row)
{
	static const char *const copied[] = { "covers", "same", "action", "rule", "by", "digest" };
	json_t *o = json_object();

	json_put_text(o, "grant", row->grant);
	json_put_text(o, "state", state_of(row));
	json_put_text(o, "scope", row->scope);
	json_put_text(o, "task", row->root);
	json_put_text(o, "session", row->session);
	json_put_text(o, "user", row->user);
	json_put_text(o, "approval", row->approval);
	json_put(o, "made", json_time(row->made_us));
	json_put(o, "until", json_time(row->until_us));
	json_put_int(o, "uses", row->uses);
	json_put(o, "used", json_time(row->used_us));
	json_put(o, "revoked", json_time(row->revoked_us));
	json_put_text(o, "revoked_by", row->revoked_us > 0 ? row->revoked_by : NULL);
	for (size_t i = 0; i < COUNT(copied); i++)
		json_put(o, copied[i], json_incref(json_object_get(row->made, copied[i])));
	json_array_append_new(list, o);
}

static void print_what(const json_t *made)
{
	const char *covers = json_get_text(made, "covers", "");

	print_line(covers, 120);
	if (strcmp(json_get_text(made, "same", ""), "action") != 0)
		return;
	AUTO(freep) char *action = json_text(json_object_get(made, "action"));
	fputs("\n    ", stdout);
	print_line(action, text_width(STDOUT_FILENO) - 6);
}

static void add_text(struct list *list, const struct grant_row *row)
{
	static const char *const scopes[][2] = { { "task", "for task" }, { "session", "for session" }, { "date", "for tasks of" } };
	char time[TIME_TEXT_BYTES];
	const char *state = state_of(row), *of = "";

	for (size_t i = 0; i < COUNT(scopes); i++)
		if (strcmp(row->scope, scopes[i][0]) == 0)
			of = scopes[i][1];
	printf("%s%s%s  %s%-8s%s ", ink(list->colour, INK_BOLD), row->grant, ink(list->colour, INK_PLAIN),
	       ink(list->colour, strcmp(state, "in force") == 0 ? INK_GOOD : INK_FAINT), state, ink(list->colour, INK_PLAIN));
	print_what(row->made);
	printf("\n    %s %s", of, strcmp(row->scope, "task") == 0 ? row->root :
	       strcmp(row->scope, "session") == 0 ? row->session : row->user);
	if (row->until_us > 0)
		printf(", until %s", time_text(row->until_us, time));
	fputs("; used ", stdout);
	print_count(row->uses, "time");
	printf("; rule %s, by ", json_get_text(row->made, "rule", "(default)"));
	print_line(json_get_text(row->made, "by", ""), 80);
	if (row->revoked_us > 0) {
		fputs("; revoked by ", stdout);
		print_line(row->revoked_by, 40);
	}
	putchar('\n');
}

static void add_row(void *userdata, const struct grant_row *row)
{
	struct list *list = userdata;

	if (!list->all && strcmp(state_of(row), "in force") != 0)
		return;
	list->count++;
	if (list->json != NULL)
		add_json(list->json, row);
	else
		add_text(list, row);
}

static int grants(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(json_decrefp) json_t *json = NULL;
	const char *const *words;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_grants, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) > 0)
		return complain(EXIT_USAGE, "grants: '%s' is one word too many; one of them is ended by `mishri revoke %s`", words[0], words[0]);
	int r = cli_open_store(o, STORE_READ_ONLY, &store, &err);
	if (r < 0 && r != -ENOENT)
		return complain(EXIT_FAILED, "%s", err.text);
	if (option_given(o, "--json"))
		json = json_array();
	struct list list = { .json = json, .all = option_given(o, "--all"), .colour = print_colour(o) };
	if (store != NULL && store_grants(store, LIMIT_APPROVALS_SHOWN, add_row, &list, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (json != NULL)
		print_json(json);
	else if (list.count == 0)
		puts(list.all ? "no answer was ever remembered" : "no answer is remembered");
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* ---- revoke ---- */

static int revoke_one(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	const char *const *words;
	struct err err = ERR_NONE;
	char user[USER_LEN + 1], grant[ID_LEN + 1];

	if (options_parse(&cmd_revoke, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) != 1)
		return complain(EXIT_USAGE, "revoke: one grant is wanted: mishri revoke ID; `mishri grants` lists them");
	if (cli_user(o, user, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	if (cli_open_store(o, CLI_STORE_SIGN_IF, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (store_grant_find(store, words[0], grant, &err) < 0)
		return complain(EXIT_USAGE, "revoke: %s%s", err.text,
		                err.code == ENOENT && strlen(words[0]) >= 3 ? "; `mishri grants` lists them" : "");
	if (grant_revoke(store, grant, user, &err) < 0)
		return complain(EXIT_FAILED, "revoke: %s: %s", grant, err.text);
	printf("%s: revoked; it counts for nothing that is decided from now on\n", grant);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

const struct command cmd_grants = {
	.name = "grants", .args = "", .about = "answers that are remembered", .options = list_rows, .option_count = COUNT(list_rows),
	.run = grants, .examples = "  mishri grants\n  mishri grants --all --json\n",
};
const struct command cmd_revoke = {
	.name = "revoke", .args = "ID", .about = "end a remembered answer", .options = revoke_rows, .option_count = COUNT(revoke_rows),
	.run = revoke_one, .examples = "  mishri revoke 4f9x\n",
};
