/* cmd_token.c - `mishri token add`, `list`, `revoke`: who may use the API of `serve`. A token is shown once, when it is made. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/common.h"
#include "cli/print.h"
#include "server/token.h"

#include "base/banned.h"

static const struct option_row add_rows[] = {
	{ "--user", 0, "NAME", "whose tasks it starts and sees (root may name any user; default: you)", false },
	{ "--role", 0, "ROLE", "viewer, auditor, operator (default), approver or admin", false },
	{ "--expires", 0, "SPAN|DATE", "until when it counts: 30d, 2027-01-31 (default: until it is revoked)", false },
};
static const struct option_row list_rows[] = {
	{ "--all", 0, NULL, "those that were revoked or have expired, too", false },
};

static int one_name(const struct options *o, const char *command, const char **ret)
{
	const char *const *words;

	if (option_positionals(o, &words) != 1)
		return complain(EXIT_USAGE, "%s: one name is wanted: mishri %s ci-server", command, command);
	*ret = words[0];
	return 0;
}

static int read_wish(const struct options *o, struct token_row *row)
{
	const char *name = "", *role = option_text(o, "--role", "operator"), *expires = option_text(o, "--expires", NULL);
	struct err err = ERR_NONE;
	int code = one_name(o, "token add", &name);

	if (code != 0)
		return code;
	if (!token_name_valid(name))
		return complain(EXIT_USAGE, "token add: a name has letters, digits and -._, at most %d of them", LIMIT_TOKEN_NAME_BYTES);
	if (role_find(role) == NULL)
		return complain(EXIT_USAGE, "token add: --role '%.40s' is not known; right would be viewer, auditor, operator, approver or admin",
		                role);
	if (expires != NULL && (until_parse(expires, &row->expires_us) < 0 || row->expires_us <= clock_wall_us()))
		return complain(EXIT_USAGE, "token add: --expires '%.60s': right would be a time (30d) or a date to come (2027-01-31)", expires);
	if (cli_user(o, row->user, &err) < 0)
		return complain(EXIT_USAGE, "token add: %s", err.text);
	snprintf(row->name, sizeof row->name, "%s", name);
	snprintf(row->role, sizeof row->role, "%s", role);
	return 0;
}

static int add(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	struct token_row row = { .made_us = clock_wall_us() };
	char text[TOKEN_TEXT_BYTES];
	struct err err = ERR_NONE;

	if (options_parse(&cmd_token_add, argc, argv, &o) < 0)
		return EXIT_USAGE;
	int code = read_wish(o, &row);
	if (code != 0)
		return code;
	AUTO(options_freep) struct options *none = NULL;
	char *no_words[] = { NULL };
	if (options_parse(&cmd_token_list, 0, no_words, &none) < 0 || cli_user(none, row.made_by, &err) < 0)
		return complain(EXIT_FAILED, "token add: %s", err.text);
	if (cli_open_store(o, STORE_CREATE, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	token_make(&row, text);
	int r = store_token_add(store, &row, &err);
	if (r < 0)
		return complain(r == -EEXIST ? EXIT_USAGE : EXIT_FAILED, "token add: %s", err.text);
	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", row.name, "user", row.user, "role", row.role,
		                                              "token", text, "expires", json_time(row.expires_us));
		print_json(object);
	} else {
		fprintf(stderr, "mishri: the token of '%s', for user %s as %s; it is shown this once:\n", row.name, row.user, row.role);
		puts(text);
	}
	explicit_bzero(text, sizeof text);
	if (fflush(stdout) == 0)
		return EXIT_DONE;
	return complain(EXIT_FAILED, "token add: nobody saw the token of '%s': revoke it with `mishri token revoke %s`, and add another",
	                row.name, row.name);
}

struct list { json_t *json; bool all; size_t count; };

static const char *state_of(const struct token_row *row)
{
	if (row->revoked_us != 0)
		return "revoked";
	return row->expires_us != 0 && row->expires_us <= clock_wall_us() ? "expired" : "in force";
}

static void add_row(void *userdata, const struct token_row *row)
{
	struct list *list = userdata;
	char time[TIME_TEXT_BYTES];
	const char *state = state_of(row);

	if (!list->all && strcmp(state, "in force") != 0)
		return;
	list->count++;
	if (list->json != NULL) {
		json_array_append_new(list->json, json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:s?}", "name",
			row->name, "user", row->user,
			"role", row->role, "state", state, "made", json_time(row->made_us), "made_by", row->made_by, "expires",
			json_time(row->expires_us), "revoked", json_time(row->revoked_us), "revoked_by",
			row->revoked_us != 0 ? row->revoked_by : NULL));
		return;
	}
	printf("%-20s  %-8s  %-9s  for ", row->name, state, row->role);
	print_line(row->user, 40);
	printf(", made %s by ", time_text(row->made_us, time));
	print_line(row->made_by, 40);
	if (row->expires_us != 0)
		printf(", until %s", time_text(row->expires_us, time));
	putchar('\n');
}

static int list(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(json_decrefp) json_t *json = NULL;
	const char *const *words;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_token_list, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) > 0)
		return complain(EXIT_USAGE, "token list: '%s' is one word too many", words[0]);
	int r = cli_open_store(o, STORE_READ_ONLY, &store, &err);
	if (r < 0 && r != -ENOENT)
		return complain(EXIT_FAILED, "%s", err.text);
	if (option_given(o, "--json"))
		json = json_array();
	struct list all = { .json = json, .all = option_given(o, "--all") };
	if (store != NULL && store_tokens(store, add_row, &all, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (json != NULL)
		print_json(json);
	else if (all.count == 0)
		puts("there is no token; `mishri token add NAME` makes one");
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int revoke_token(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	const char *name = "";
	char user[USER_LEN + 1];
	struct err err = ERR_NONE;

	if (options_parse(&cmd_token_revoke, argc, argv, &o) < 0)
		return EXIT_USAGE;
	int code = one_name(o, "token revoke", &name);
	if (code != 0)
		return code;
	if (cli_user(o, user, &err) < 0 || cli_open_store(o, CLI_STORE_SIGN_IF, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int r = store_token_revoke(store, name, user, &err);
	if (r < 0)
		return complain(r == -ENOENT ? EXIT_USAGE : EXIT_FAILED, "token revoke: %s", err.text);
	printf("%s: revoked; it opens nothing any more\n", name);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

const struct command cmd_token_add = {
	.name = "token add", .args = "NAME", .about = "a new token for the API of `serve`, shown once", .options = add_rows,
	.option_count = COUNT(add_rows), .run = add,
	.examples = "  mishri token add ci --role operator --expires 30d\n  mishri token add audit --user alice --role viewer\n",
};
const struct command cmd_token_list = {
	.name = "token list", .args = "", .about = "the tokens, without their secrets", .options = list_rows,
	.option_count = COUNT(list_rows), .run = list, .examples = "  mishri token list --all --json\n",
};
const struct command cmd_token_revoke = {
	.name = "token revoke", .args = "NAME", .about = "ends a token at once", .run = revoke_token,
	.examples = "  mishri token revoke ci\n",
};
