/* cmd_schema.c - `mishri schema SCHEMA.json`: does the JSON on standard input match? */
#include "cli/command.h"

#include <unistd.h>

#include "base/io.h"
#include "tools/tool.h"
#include "base/banned.h"

static int read_schema(const char *path, json_t **ret)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_FILE_BYTES);
	AUTO(json_decrefp) json_t *schema = NULL;
	struct err err;

	if (io_read_file(path, &text, &err) < 0)
		return complain(EXIT_USAGE, "schema: %s", err.text);
	if (json_parse(buf_str(&text), &schema, &err) < 0)
		return complain(EXIT_CONFIG, "schema: %s: %s", path, err.text);
	if (schema_lint(schema, &err) < 0)
		return complain(EXIT_CONFIG, "schema: %s: %s", path, err.text);
	*ret = TAKE(schema);
	return EXIT_DONE;
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(json_decrefp) json_t *schema = NULL;
	AUTO(json_decrefp) json_t *value = NULL;
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_JSON_BYTES);
	const char *const *words;
	struct err err;

	if (options_parse(&cmd_schema, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) != 1)
		return complain(
			EXIT_USAGE,
			"schema: one file with a JSON Schema must be given: mishri schema SCHEMA.json < value.json");
	int code = read_schema(words[0], &schema);
	if (code != EXIT_DONE)
		return code;
	if (io_read_fd(STDIN_FILENO, &text, &err) < 0 || json_parse(buf_str(&text), &value, &err) < 0)
		return complain(EXIT_FAILED, "standard input: %s", err.text);
	if (schema_check(schema, value, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	return EXIT_DONE;
}

const struct command cmd_schema = {
	.name = "schema",
	.args = "SCHEMA.json",
	.about = "check the JSON on standard input: exit 0 valid, 1 not",
	.examples = "  echo '{\"command\": \"ls\"}' | mishri schema call.json\n",
	.run = run,
};
