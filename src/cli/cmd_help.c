/* cmd_help.c - `mishri help`: what the tables of commands and options say, for a terminal of 80 columns; and, on request,
 * as manual pages. It knows no command by itself. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/man.h"
#include "cli/print.h"
#include "cli/text.h"

#include "base/banned.h"

enum { HELP_COLUMNS = 80, HELP_COMMANDS = 24, HELP_OPTIONS = 31 };

static const struct option_row options[] = {
	{ "--man", 0, "DIR", "write the manual pages of all commands, and mishri-config(5), into DIR", false },
};

static const struct command_row rows[] = {
#define GROUP(title) { .group = title },
#define FAMILY(word, text) { .family = #word, .about = text },
#define COMMAND(name) { .command = &cmd_##name },
#include "cli/commands.def"
};

const struct command_row *command_row_at(size_t i)
{
	return i < COUNT(rows) ? &rows[i] : NULL;
}

/* `text` word by word in the column `left` and to its right, behind what stands in the line up to the column `at`. */
static void wrapped(FILE *to, size_t at, size_t left, const char *text)
{
	struct str rest = str_of(text), word;
	bool first = true;

	fprintf(to, "%s%*s", at >= left ? "\n" : "", (int)(at >= left ? left : left - at), "");
	at = left;
	while (str_next(&rest, ' ', &word)) {
		size_t wide = text_columns(word);
		bool fits = first || at + 1 + wide <= HELP_COLUMNS;
		if (fits)
			fprintf(to, "%s%.*s", first ? "" : " ", STR_ARG(word));
		else
			fprintf(to, "\n%*s%.*s", (int)left, "", STR_ARG(word));
		at = fits ? at + wide + !first : left + wide;
		first = false;
	}
	fputc('\n', to);
}

static void row(FILE *to, const char *first, const char *text, size_t left)
{
	fprintf(to, "  %s", first);
	wrapped(to, 2 + strlen(first), left, text);
}

static bool of_family(const struct command *command, const char *family)
{
	size_t len = strlen(family);

	return strncmp(command->name, family, len) == 0 && command->name[len] == ' ';
}

void command_help_all(void *to)
{
	const char *family = NULL;

	fputs("mishri - a governed runtime for AI agents: what they may do, did, and cost\n\n"
	      "Begin with `mishri demo`, which needs no key, or with `mishri init`, and then\n"
	      "`mishri run \"GOAL\"`.\n", to);
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].group != NULL)
			fprintf(to, "\n%s\n", rows[i].group);
		if (rows[i].family != NULL) {
			family = rows[i].family;
			AUTO(freep) char *words = xasprintf("%s ...", family);
			row(to, words, rows[i].about, HELP_COMMANDS);
		}
		if (rows[i].command == NULL || (family != NULL && of_family(rows[i].command, family)))
			continue;
		AUTO(freep) char *left = xasprintf("%s %s", rows[i].command->name, rows[i].command->args);
		row(to, left, rows[i].command->about, HELP_COMMANDS);
	}
	fputs("\n`mishri help COMMAND` shows the options and examples of one, and where\n"
	      "... stands, the commands behind it.\n", to);
}

static void help_family(const char *word)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].family != NULL && strcmp(rows[i].family, word) == 0)
			printf("mishri %s - %s\n\nCommands\n", word, rows[i].about);
		if (rows[i].command == NULL || !of_family(rows[i].command, word))
			continue;
		AUTO(freep) char *left = xasprintf("%s %s", rows[i].command->name, rows[i].command->args);
		row(stdout, left, rows[i].command->about, HELP_OPTIONS);
	}
	printf("\n`mishri help %s COMMAND` shows the options and examples of one.\n", word);
}

void command_help(const struct command *c, void *to)
{
	const struct option_row *o;

	AUTO(freep) char *usage = xasprintf("mishri %s%s%s -", c->name, c->args[0] != '\0' ? " " : "", c->args);
	fputs(usage, to);
	wrapped(to, strlen(usage), strlen(usage) + 1, c->about);
	fputs("\nOptions\n", to);
	for (size_t i = 0; (o = command_option(c, i)) != NULL; i++) {
		char shorter[8] = "    ";
		if (o->short_name != 0)
			snprintf(shorter, sizeof shorter, "-%c, ", o->short_name);
		AUTO(freep) char *left = xasprintf("%s%s%s%s", shorter, o->name, o->value != NULL ? " " : "",
		                                   o->value != NULL ? o->value : "");
		row(to, left, o->help, HELP_OPTIONS);
	}
	if (c->examples != NULL)
		fprintf(to, "\nExamples\n%s", c->examples);
}

static json_t *json_command(const struct command *c, const char *group)
{
	json_t *all = json_array();
	const struct option_row *o;

	for (size_t i = 0; (o = command_option(c, i)) != NULL; i++) {
		char letter[3] = { '-', o->short_name, '\0' };
		json_array_append_new(all, json_pack("{s:s, s:s?, s:s?, s:s, s:b}", "name", o->name, "short", o->short_name != 0 ? letter : NULL,
		                                     "value", o->value, "about", o->help, "repeat", o->repeat));
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "command", c->name, "args", c->args, "about", c->about, "group", group,
	                 "options", all);
}

/* All commands, or those that begin with the words, as one list. */
static void help_json(const struct command *only, const char *family)
{
	AUTO(json_decrefp) json_t *list = json_array();
	const char *group = "";

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct command *c = rows[i].command;
		group = rows[i].group != NULL ? rows[i].group : group;
		if (c != NULL && (only == NULL || c == only) && (family == NULL || of_family(c, family)))
			json_array_append_new(list, json_command(c, group));
	}
	print_json(list);
}

static bool is_family(const char *word)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].family != NULL && strcmp(rows[i].family, word) == 0)
			return true;
	return false;
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	const char *const *words;
	struct err err = ERR_NONE;
	int used = 0;

	if (options_parse(&cmd_help, argc, argv, &o) < 0)
		return EXIT_USAGE;
	size_t count = option_positionals(o, &words);
	if (option_given(o, "--man")) {
		if (count > 0)
			return complain(EXIT_USAGE, "help: --man writes all pages; it takes no command");
		return man_write(option_text(o, "--man", "."), &err) < 0 ? complain(EXIT_FAILED, "%s", err.text) : EXIT_DONE;
	}
	const struct command *about = command_find((int)count, (char **)words, &used);
	const char *family = count == 1 && is_family(words[0]) ? words[0] : NULL;
	if (count > 0 && about == NULL && family == NULL)
		return command_unknown((int)count, (char **)words);
	if (about != NULL && (size_t)used < count)
		return complain(EXIT_USAGE, "help: '%s' is one word too many; see `mishri help %s`", words[used], about->name);
	if (option_given(o, "--json"))
		help_json(about, family);
	else if (family != NULL)
		help_family(family);
	else if (about != NULL)
		command_help(about, stdout);
	else
		command_help_all(stdout);
	return EXIT_DONE;
}

const struct command cmd_help = {
	.name = "help", .args = "[COMMAND]", .about = "what there is, or one command with its options",
	.options = options, .option_count = COUNT(options), .run = run,
	.examples = "  mishri help\n  mishri help policy check\n  mishri help --json | jq -r .[].command\n"
	            "  mishri help --man /tmp/pages && man /tmp/pages/mishri-run.1\n",
};
