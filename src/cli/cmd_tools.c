/* cmd_tools.c - `mishri tools list|show|check`: the table of tools, for people and scripts. */
#include "cli/common.h"

#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "tools/own.h"
#include "base/banned.h"

static json_t *tool_json(const struct tool *tool)
{
	json_t *one = json_object();

	json_put_text(one, "name", tool->name);
	json_put_text(one, "about", tool->about);
	json_put_text(one, "category", tool->category);
	json_put_text(one, "risk", tool->risk);
	json_put_text(one, "permissions", tool->permissions);
	json_put_text(one, "nature", nature_name(tool->nature));
	json_put(one, "schema", tool_schema_of(tool));
	if (tool->own != NULL) {
		json_put_text(one, "origin", tool->own->origin);
		json_put_text(one, "program", tool->own->program);
	}
	return one;
}

static int print_json(const json_t *value)
{
	AUTO(freep) char *text = json_text(value);

	return puts(text) < 0 || fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}

/* Each command reads the manifests first. 0 or an exit code. */
static int begin(const struct command *command, int argc, char **argv, struct options **ret)
{
	AUTO(freep) char *here = getcwd(NULL, 0);
	struct err err;

	if (options_parse(command, argc, argv, ret) < 0)
		return EXIT_USAGE;
	if (cli_own_tools(*ret, here, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	return 0;
}

static int run_list(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	const char *const *words;
	const struct tool *tool;

	int code = begin(&cmd_tools_list, argc, argv, &o);
	if (code != 0)
		return code;
	if (option_positionals(o, &words) != 0)
		return complain(EXIT_USAGE,
		                "tools list: '%s' is one word too many; `mishri tools show %s` shows one tool",
		                words[0], words[0]);
	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *all = json_array();
		for (size_t i = 0; (tool = tool_at(i)) != NULL; i++)
			json_array_append_new(all, tool_json(tool));
		return print_json(all);
	}
	for (size_t i = 0; (tool = tool_at(i)) != NULL; i++)
		printf("%-14s %-8s %-5s %-13s %s\n", tool->name, tool->category, tool->risk, nature_name(tool->nature),
		       tool->about);
	return fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}

/* The tool that a command names; NULL after a complaint. */
static const struct tool *named(const struct command *command, const struct options *o)
{
	const char *names[LIMIT_TOOLS], *const *words;
	size_t count = tool_names(names, COUNT(names));

	if (option_positionals(o, &words) != 1) {
		complain(EXIT_USAGE, "%s: the name of one tool must be given; `mishri tools list` shows them",
		         command->name);
		return NULL;
	}
	const struct tool *tool = tool_find(words[0]);
	const char *near = tool == NULL ? name_nearest(names, count, words[0]) : NULL;
	if (near != NULL)
		complain(EXIT_USAGE, "there is no tool '%s': did you mean '%s'?", words[0], near);
	else if (tool == NULL)
		complain(EXIT_USAGE, "there is no tool '%s'; `mishri tools list` shows them", words[0]);
	return tool;
}

static int run_show(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;

	int code = begin(&cmd_tools_show, argc, argv, &o);
	if (code != 0)
		return code;
	const struct tool *tool = named(&cmd_tools_show, o);
	if (tool == NULL)
		return EXIT_USAGE;
	AUTO(json_decrefp) json_t *all = tool_json(tool);
	if (option_given(o, "--json"))
		return print_json(all);
	if (tool->own != NULL)
		printf("%s is defined in %s and starts %s\n\n", tool->name, tool->own->origin, tool->own->program);
	AUTO(freep) char *schema = json_dumps(json_object_get(all, "schema"), JSON_INDENT(2));
	printf("%s: %s\n\ncategory     %s\nrisk         %s\npermissions  %s\nnature       %s\n\narguments\n%s\n",
	       tool->name, tool->about, tool->category, tool->risk, tool->permissions, nature_name(tool->nature),
	       schema != NULL ? schema : "");
	return fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}

/* Everything that is checked before a call is made: the schema, then the tool's own look. */
static int check_args(const struct tool *tool, const json_t *args, struct err *err)
{
	AUTO(json_decrefp) json_t *schema = tool_schema_of(tool);
	AUTO(freep) char *here = getcwd(NULL, 0);
	struct tool_plan plan = { 0 };

	if (here == NULL)
		return err_sys(err, "the working directory");
	int r = schema_check(schema, args, err);
	if (r == 0 && !tool->control)
		r = tool_plan_make(tool, args, here, &plan, err);
	tool_plan_done(&plan);
	return r;
}

static int run_check(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_CALL_ARGS_BYTES);
	AUTO(json_decrefp) json_t *args = NULL;
	struct err err;

	int code = begin(&cmd_tools_check, argc, argv, &o);
	if (code != 0)
		return code;
	const struct tool *tool = named(&cmd_tools_check, o);
	if (tool == NULL)
		return EXIT_USAGE;
	if (io_read_fd(STDIN_FILENO, &text, &err) < 0 || json_parse(buf_str(&text), &args, &err) < 0)
		return complain(EXIT_FAILED, "standard input: %s", err.text);
	if (check_args(tool, args, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	return EXIT_DONE;
}

const struct command cmd_tools_list = {
	.name = "tools list",
	.args = "",
	.about = "the tools there are",
	.run = run_list,
};

const struct command cmd_tools_show = {
	.name = "tools show",
	.args = "NAME",
	.about = "one tool and the schema of its arguments",
	.examples = "  mishri tools show read_file\n",
	.run = run_show,
};

const struct command cmd_tools_check = {
	.name = "tools check",
	.args = "NAME",
	.about = "check arguments from standard input: exit 0 valid, 1 not",
	.examples = "  echo '{\"path\": \"src/main.c\"}' | mishri tools check read_file\n",
	.run = run_check,
};
