/* cmd_trust.c - `mishri trust`: which project directories may bring their own configuration, policy, AGENTS.md and
 * skills. It reads nothing of them. */
#include "cli/common.h"

#include <stdio.h>

#include "engine/dirs.h"
#include "tools/tool.h"

#include "base/banned.h"

static const struct option_row rows[] = {
	{ "--remove", 0, NULL, "trust it no longer", false },
	{ "--list", 0, NULL, "show what is trusted", false },
};

static int list(const struct options *o, const char *data)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_FILE_BYTES), clean = BUF_INIT(LIMIT_FILE_BYTES * 4);
	AUTO(json_decrefp) json_t *all = json_array();
	struct str line;
	struct err err;

	if (trust_list(data, &text, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	for (struct str rest = buf_str(&text); str_next(&rest, '\n', &line);)
		if (line.len > 0)
			json_array_append_new(all, json_of_str(line));
	if (option_given(o, "--json")) {
		AUTO(freep) char *json = json_text(all);
		puts(json);
	} else {
		sanitize_text(buf_str(&text), &clean);
		fputs(buf_text(&clean), stdout);
	}
	return fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(freep) char *data = NULL;
	const char *const *words;
	struct err err;

	if (options_parse(&cmd_trust, argc, argv, &o) < 0)
		return EXIT_USAGE;
	size_t count = option_positionals(o, &words);
	if (count > 1 || (count == 1 && option_given(o, "--list")))
		return complain(EXIT_USAGE, "trust: '%s' is one word too many; right would be `mishri trust [DIR]` or `mishri trust --list`",
		                words[count - 1]);
	if (option_given(o, "--list") && option_given(o, "--remove"))
		return complain(EXIT_USAGE, "trust: --list and --remove do not go together");
	if (cli_data_dir(o, &data, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	if (option_given(o, "--list"))
		return list(o, data);
	const char *dir = count == 1 ? words[0] : ".";
	int r = option_given(o, "--remove") ? trust_remove(data, dir, &err) : trust_add(data, dir, &err);
	if (r < 0)
		return complain(r == -ENOENT || r == -ENOTDIR || r == -EINVAL ? EXIT_USAGE : EXIT_CONFIG, "trust: %s", err.text);
	return EXIT_DONE;
}

const struct command cmd_trust = {
	.name = "trust", .args = "[DIR]", .about = "let a project bring its own configuration, policy, AGENTS.md and skills",
	.options = rows, .option_count = COUNT(rows), .run = run,
	.examples = "  mishri trust ~/project\n  mishri trust --list\n  mishri trust --remove ~/project\n",
};
