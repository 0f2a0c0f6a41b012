/* cmd_fork.c - `mishri fork`: a new task from any point of an old one. It makes the task, and then carries it out as
 * `mishri run --resume` would. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/common.h"
#include "cli/print.h"
#include "engine/control.h"
#include "engine/fork.h"

#include "base/banned.h"

static const struct option_row options[] = {
	{ "--make-only", 0, NULL, "make the task and print its id; `mishri resume` carries it out", false },
	{ "--output-format", 0, "FORMAT", "text (default), json or stream-json", false },
	{ "--wait-for-approval", 0, NULL, "without a terminal, wait for `mishri approve` instead of taking an ask for a no", false },
	{ "--user", 0, "NAME", "act for this user (root only)", false },
};

static int make(const struct options *o, const struct fork_wish *wish, char task[static ID_LEN + 1])
{
	AUTO(store_closep) struct store *store = NULL;
	struct err err = ERR_NONE;

	if (cli_open_store(o, 0, &store, &err) < 0)
		return complain(EXIT_FAILED, "fork: %s", err.text);
	int r = fork_make(store, wish, task, &err);
	if (r < 0)
		return complain(r == -EACCES ? EXIT_DENIED : r == -EINVAL || r == -ENOENT ? EXIT_USAGE : EXIT_FAILED, "fork: %s", err.text);
	return 0;
}

static int fork_task(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	const char *const *words;
	char task[ID_LEN + 1], user[USER_LEN + 1];
	struct err err = ERR_NONE;
	uint64_t seq;

	if (options_parse(&cmd_fork, argc, argv, &o) < 0)
		return EXIT_USAGE;
	size_t count = option_positionals(o, &words);
	if (count < 1 || count > 2)
		return complain(EXIT_USAGE, "fork: an event and perhaps a text are wanted: mishri fork 123 \"do it differently\"; "
		                "`mishri events TASK` shows the number of each event");
	if (str_to_u64(str_of(words[0] + (words[0][0] == '#')), &seq) < 0 || seq == 0 || seq > INT64_MAX)
		return complain(EXIT_USAGE, "fork: '%.40s' is no event: give its number, as `mishri events TASK` shows it", words[0]);
	int code = cli_resume_words(o);
	if (code != 0)
		return code;
	if (cli_user(o, user, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	struct fork_wish wish = { .event = (int64_t)seq, .text = count > 1 ? words[1] : NULL, .user = user,
	                          .interactive = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 };
	code = make(o, &wish, task);
	if (code != 0)
		return code;
	if (!option_given(o, "--make-only")) {
		fprintf(stderr, "mishri: task %s is a fork after event %llu\n", task, (unsigned long long)seq);
		return cli_run_resume(o, task);
	}
	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *made = json_pack("{s:s, s:I}", "task", task, "event", (json_int_t)seq);
		print_json(made);
	} else {
		puts(task);
	}
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

const struct command cmd_fork = {
	.name = "fork", .args = "EVENT [TEXT]", .about = "a new task from any point of an old one", .options = options,
	.option_count = COUNT(options), .run = fork_task,
	.examples = "  mishri fork 123 \"try it without the cache\"\n  mishri fork 123 --make-only\n",
};
