/* main.c - finds the command and calls it. Everything else is in cmd_*.c, one file a command. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/command.h"

#include "base/banned.h"

/* One row per command: dispatch and --help read this table. */
static const struct command *const commands[] = {
#define COMMAND(name) &cmd_##name,
#include "cli/commands.def"
#undef COMMAND
};

const struct command *command_at(size_t i)
{
	return i < COUNT(commands) ? commands[i] : NULL;
}

static void help(FILE *to)
{
	fputs("mishri - a governed runtime for AI agents: what they may do, did, and cost\n\nCommands\n", to);
	for (size_t i = 0; i < COUNT(commands); i++) {
		char left[64];
		snprintf(left, sizeof left, "%s %s", commands[i]->name, commands[i]->args);
		fprintf(to, "  %-30s %s\n", left, commands[i]->about);
	}
	fputs("\n`mishri COMMAND --help` shows its options and examples. Without a model key: `mishri demo`.\n", to);
}

/* The command that the first words name, and how many words that takes. */
static const struct command *find(int argc, char **argv, int *ret_words)
{
	for (size_t i = 0; i < COUNT(commands); i++) {
		const char *name = commands[i]->name, *second = strchr(name, ' ');
		size_t first = second != NULL ? (size_t)(second - name) : strlen(name);
		if (strncmp(argv[1], name, first) != 0 || argv[1][first] != '\0')
			continue;
		if (second != NULL && (argc < 3 || strcmp(argv[2], second + 1) != 0))
			continue;
		*ret_words = second != NULL ? 2 : 1;
		return commands[i];
	}
	return NULL;
}

/* "policy check, policy explain, ...": the commands that begin with `word`, whole or with a part of it; the number of
 * them. */
static size_t beginning_with(const char *word, bool whole, struct buf *ret)
{
	size_t found = 0, len = strlen(word);

	for (size_t i = 0; i < COUNT(commands) && len > 0; i++) {
		const char *name = commands[i]->name;
		if (strncmp(name, word, len) != 0 || (whole && name[len] != ' '))
			continue;
		buf_printf(ret, "%s%s", found > 0 ? ", " : "", name);
		found++;
	}
	return found;
}

static int unknown(int argc, char **argv)
{
	AUTO(buf_done) struct buf group = BUF_INIT(LIMIT_FILE_BYTES), begun = BUF_INIT(LIMIT_FILE_BYTES);
	const char *names[COUNT(commands)];

	if (argc == 2 && beginning_with(argv[1], true, &group) > 0)
		return complain(EXIT_USAGE, "'%s' wants a second word; the commands are: %s", argv[1], buf_text(&group));
	if (beginning_with(argv[1], false, &begun) == 1)
		return complain(EXIT_USAGE, "there is no command '%s': did you mean '%s'?", argv[1], buf_text(&begun));

	for (size_t i = 0; i < COUNT(commands); i++)
		names[i] = commands[i]->name;
	AUTO(freep) char *words = argc > 2 && argv[2][0] != '-' ? xasprintf("%s %s", argv[1], argv[2]) : xstrdup(argv[1]);
	const char *near = name_nearest(names, COUNT(names), words);
	if (near == NULL)
		near = name_nearest(names, COUNT(names), argv[1]);
	if (near != NULL)
		return complain(EXIT_USAGE, "there is no command '%s': did you mean '%s'?", argv[1], near);
	return complain(EXIT_USAGE, "there is no command '%s'; `mishri --help` lists them", argv[1]);
}

int main(int argc, char **argv)
{
	int words = 0;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    (argc == 2 && strcmp(argv[1], "help") == 0)) {
		help(argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_USAGE : EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0)
		return cmd_version.run(argc - 2, argv + 2);
	if (strcmp(argv[1], "help") == 0 && argc > 2) {
		argv++;
		argc--;
		const struct command *about = find(argc, argv, &words);
		if (about == NULL)
			return unknown(argc, argv);
		command_help(about, stdout);
		return EXIT_DONE;
	}
	const struct command *command = find(argc, argv, &words);
	if (command == NULL)
		return unknown(argc, argv);
	for (int i = 1 + words; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if ((command->flags & COMMAND_STOPS) != 0 && argv[i][0] != '-')
			break;
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			command_help(command, stdout);
			return EXIT_DONE;
		}
	}
	return command->run(argc - 1 - words, argv + 1 + words);
}
