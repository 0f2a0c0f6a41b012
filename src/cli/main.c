/* main.c - finds the command and calls it. Everything else is in cmd_*.c, one file a command. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/command.h"
#include "cli/ends.h"

#include "base/banned.h"

/* One row per command: dispatch and --help read this table. */
static const struct command *const commands[] = {
#define COMMAND(name) &cmd_##name,
#include "cli/commands.def"
};

const struct command *command_at(size_t i)
{
	return i < COUNT(commands) ? commands[i] : NULL;
}

const struct command *command_find(int count, char **words, int *ret_words)
{
	for (size_t i = 0; i < COUNT(commands) && count > 0; i++) {
		const char *name = commands[i]->name, *second = strchr(name, ' ');
		size_t first = second != NULL ? (size_t)(second - name) : strlen(name);
		if (strncmp(words[0], name, first) != 0 || words[0][first] != '\0')
			continue;
		if (second != NULL && (count < 2 || strcmp(words[1], second + 1) != 0))
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

int command_unknown(int count, char **words)
{
	AUTO(buf_done) struct buf group = BUF_INIT(LIMIT_FILE_BYTES), begun = BUF_INIT(LIMIT_FILE_BYTES);
	const char *names[COUNT(commands)];
	bool second = count > 1 && words[1][0] != '-';

	if (beginning_with(words[0], true, &group) > 0 && !second)
		return complain(EXIT_USAGE, "'%s' wants a second word: %s; `mishri help %s` says what they do", words[0],
		                buf_text(&group), words[0]);
	if (!second && beginning_with(words[0], false, &begun) == 1)
		return complain(EXIT_USAGE, "there is no command '%s': did you mean '%s'?", words[0], buf_text(&begun));

	for (size_t i = 0; i < COUNT(commands); i++)
		names[i] = commands[i]->name;
	AUTO(freep) char *both = second ? xasprintf("%s %s", words[0], words[1]) : xstrdup(words[0]);
	const char *near = name_nearest(names, COUNT(names), both);
	if (near == NULL && group.len == 0)
		near = name_nearest(names, COUNT(names), words[0]);
	if (near != NULL)
		return complain(EXIT_USAGE, "there is no command '%s': did you mean '%s'?", both, near);
	if (group.len > 0)
		return complain(EXIT_USAGE, "there is no command '%s'; there are: %s", both, buf_text(&group));
	return complain(EXIT_USAGE, "there is no command '%s'; `mishri help` lists them", words[0]);
}

static int dispatch(int argc, char **argv)
{
	int words = 0;

	if (argc < 2) {
		command_help_all(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return cmd_help.run(argc - 2, argv + 2);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return cmd_version.run(argc - 2, argv + 2);
	const struct command *command = command_find(argc - 1, argv + 1, &words);
	if (command == NULL && argc == 3 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
		return cmd_help.run(1, argv + 1);
	if (command == NULL)
		return command_unknown(argc - 1, argv + 1);
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

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	ends_open();
	return ends_done(dispatch(argc, argv));
}
