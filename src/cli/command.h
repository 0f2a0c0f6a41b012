/* command.h - a command is one file with one function and one row in main's table. */
#ifndef MISHRI_CLI_COMMAND_H
#define MISHRI_CLI_COMMAND_H

#include "base/err.h"
#include "base/str.h"

/* The exit codes are a contract (docs/cli.md). */
enum exit_code {
	EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 3, EXIT_AUTH = 4, EXIT_PROVIDER = 5,
	EXIT_DENIED = 6, EXIT_BUDGET = 7, EXIT_LIMIT = 8, EXIT_NOBODY = 9, EXIT_LOOP = 10,
	EXIT_SIGHUP = 129, EXIT_SIGINT = 130, EXIT_SIGTERM = 143,
};

/* One option: from this row come parsing, --help, completion and the manual. */
struct option_row {
	const char *name;            /* "--workspace" */
	char short_name;             /* 'w', or 0 */
	const char *value;           /* "DIR": takes a value; NULL: a switch */
	const char *help;
	bool repeat;                 /* may be given more than once */
};

struct command {
	const char *name;            /* "policy check" for a subcommand */
	const char *args;            /* "[GOAL]" */
	const char *about;           /* one line */
	const struct option_row *options;
	size_t option_count;
	const char *examples;        /* lines of --help, or NULL */
	unsigned flags;
	int (*run)(int argc, char **argv);
};

enum { REPEAT_MOST = 64 };           /* times that a repeatable option may be given */
enum { COMMAND_STOPS = 1 };          /* flag: the first word that is no option ends the options (mishri exec) */

/* Parsed options of a command. Values are borrowed from argv. */
struct options;
/* The options of `command` and the global ones (--data DIR, --no-user-config, --json, --help, --no-color);
 * "--" ends options. Failure prints the usage error with the nearest option on stderr and returns -EINVAL. */
MUST_USE int options_parse(const struct command *command, int argc, char **argv, struct options **ret);
void options_freep(struct options **options);
const char *option_text(const struct options *o, const char *name, const char *otherwise);  /* the last one given */
bool option_given(const struct options *o, const char *name);
size_t option_all(const struct options *o, const char *name, const char **ret, size_t max); /* repeated ones, in order */
/* A duration ("30s"), a count or a size ("64k") of an option; `otherwise` when it was not given. A bad
 * value prints what would be right and gives -EINVAL. */
MUST_USE int option_duration_ms(const struct options *o, const char *name, int64_t otherwise, int64_t *ret);
MUST_USE int option_count(const struct options *o, const char *name, int64_t otherwise, int64_t *ret);
/* --since: a span ("90m", "7d") back from now, or a local date ("2026-11-22", "2026-11-22T15:04"); 0 without it.
 * Microseconds since 1970. */
MUST_USE int option_since_us(const struct options *o, const char *name, int64_t *ret);
/* The same forwards: "30d" from now, or a local date, in microseconds since 1970. -EINVAL. */
MUST_USE int until_parse(const char *text, int64_t *ret);
size_t option_positionals(const struct options *o, const char *const **ret);

/* "mishri: TEXT" on stderr; returns `code`. */
int complain(int code, const char *format, ...) PRINTF(2, 3);

/* The tables, for whoever makes something from them: NULL behind the last row. A command's own options
 * come first, then the global ones. */
const struct command *command_at(size_t i);
const struct option_row *command_option(const struct command *command, size_t i);

/* The command that `words` name, and how many of them that takes; NULL: none. */
const struct command *command_find(int count, char **words, int *ret_words);
/* "there is no command", with the nearest one; returns EXIT_USAGE. */
int command_unknown(int count, char **words);
/* What a heading or a family of commands.def is called: rows in its order, NULL behind the last. */
struct command_row {
	const char *group;                 /* a heading, or NULL */
	const char *family, *about;        /* the first word of the commands behind it, or NULL */
	const struct command *command;     /* or NULL */
};
const struct command_row *command_row_at(size_t i);

/* Help, on `to` (a FILE): of one command; of all. Text is broken at 80 columns. */
void command_help(const struct command *command, void *to);
void command_help_all(void *to);

#define COMMAND(name) extern const struct command cmd_##name;
#include "cli/commands.def"

#endif
