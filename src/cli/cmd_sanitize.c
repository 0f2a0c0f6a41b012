/* cmd_sanitize.c - `mishri sanitize`: what a model and a terminal would get to see of standard input. */
#include "cli/common.h"

#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "tools/tool.h"
#include "base/banned.h"

enum { WORST_GROWTH = 16 }; /* "\x1b" for one byte; "[redacted:KIND]" for a password of two */

static const struct option_row rows[] = {
	{ "--max-output", 0, "SIZE", "keep this much, head and tail together (64k)", false },
};

static int print_findings(const struct findings *found)
{
	AUTO(json_decrefp) json_t *all = json_object();

	json_put_int(all, "bytes", (int64_t)found->bytes);
	json_put_int(all, "left_out", (int64_t)found->left_out);
	json_put_int(all, "control", (int64_t)found->control);
	json_put_int(all, "bidirectional", (int64_t)found->bidirectional);
	json_put_int(all, "invisible", (int64_t)found->invisible);
	json_put_int(all, "tags", (int64_t)found->tags);
	json_put_int(all, "invalid_utf8", (int64_t)found->invalid);
	json_t *redactions = findings_redactions(found);
	json_put(all, "redactions", redactions != NULL ? redactions : json_object());
	json_put_int(all, "sure", (int64_t)found->sure);
	AUTO(freep) char *text = json_text(all);
	return fprintf(stderr, "%s\n", text) < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int pass_through(size_t max)
{
	AUTO(output_freep) struct output *output = output_new(max);
	AUTO(buf_done) struct buf shown = BUF_INIT(max * WORST_GROWTH + 128);
	struct findings found;
	char chunk[16384];

	for (;;) {
		ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return complain(EXIT_FAILED, "standard input: %s", strerror(errno));
		if (n == 0)
			break;
		output_add(output, chunk, (size_t)n);
	}
	output_render_found(output, &shown, &found);
	int r = io_write_all(STDOUT_FILENO, buf_text(&shown), shown.len);
	if (r < 0)
		return complain(EXIT_FAILED, "standard output: %s", strerror(-r));
	return print_findings(&found);
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	const char *const *words;
	uint64_t max;

	if (options_parse(&cmd_sanitize, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) != 0)
		return complain(EXIT_USAGE, "sanitize: '%s' is one word too many: the text comes from standard input",
		                words[0]);
	const char *size = option_text(o, "--max-output", "64k");
	if (str_to_bytes(str_of(size), &max) < 0 || max > LIMIT_SANITIZE_BYTES)
		return complain(EXIT_USAGE, "--max-output: '%s' must be a size of at most %zuM, such as 64k", size,
		                LIMIT_SANITIZE_BYTES >> 20);
	AUTO(config_freep) struct config *config = NULL; /* its section `sanitize:` holds from here on */
	struct err err;
	bool usage;
	if (cli_config(o, NULL, NULL, 0, &config, &usage, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	return pass_through((size_t)max);
}

const struct command cmd_sanitize = {
	.name = "sanitize",
	.args = "",
	.about = "standard input, made harmless for a model and a terminal",
	.options = rows,
	.option_count = COUNT(rows),
	.examples = "  make 2>&1 | mishri sanitize --max-output 16k\n",
	.run = run,
};
