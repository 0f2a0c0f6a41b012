/* cmd_schema.c - `mishri schema SCHEMA.json`: does the JSON on standard input match? */
#include "cli/command.h"

#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "tools/schema.h"
#include "base/banned.h"

static const struct option_row rows[] = {
	{ "--format-assertion", 0, NULL, "what `format` says must hold, too; else it only tells something", false },
};

static int read_schema(const char *path, json_t **ret)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_FILE_BYTES);
	struct err err;

	if (io_read_file(path, &text, &err) < 0)
		return complain(EXIT_USAGE, "schema: %s", err.text);
	if (json_parse_any(buf_str(&text), ret, &err) < 0)
		return complain(EXIT_CONFIG, "schema: %s: %s", path, err.text);
	return EXIT_DONE;
}

static void doubt(void *userdata, const char *pointer, const char *known)
{
	fprintf(stderr, "mishri: schema: %s: %s: is no keyword, so it checks nothing; did you mean '%s'?\n",
	        (const char *)userdata, pointer, known);
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(json_decrefp) json_t *json = NULL;
	AUTO(json_decrefp) json_t *value = NULL;
	AUTO(schema_freep) struct schema *schema = NULL;
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_JSON_BYTES);
	const char *const *words;
	struct err err;

	if (options_parse(&cmd_schema, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) != 1)
		return complain(
			EXIT_USAGE,
			"schema: one file with a JSON Schema must be given: mishri schema SCHEMA.json < value.json");
	int code = read_schema(words[0], &json);
	if (code != EXIT_DONE)
		return code;
	if (schema_compile(json, 0, &schema, &err) < 0)
		return complain(EXIT_CONFIG, "schema: %s: %s", words[0], err.text);
	schema_doubts(schema, doubt, (void *)words[0]);
	if (io_read_fd(STDIN_FILENO, &text, &err) < 0 || json_parse_any(buf_str(&text), &value, &err) < 0)
		return complain(EXIT_FAILED, "standard input: %s", err.text);
	if (schema_validate(schema, value, SCHEMA_LOCATE | (option_given(o, "--format-assertion") ? SCHEMA_FORMATS : 0u), &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	return EXIT_DONE;
}

const struct command cmd_schema = {
	.name = "schema",
	.args = "SCHEMA.json",
	.about = "check the JSON on standard input: exit 0 valid, 1 not",
	.options = rows,
	.option_count = COUNT(rows),
	.examples = "  echo '{\"command\": \"ls\"}' | mishri schema call.json\n",
	.run = run,
};
