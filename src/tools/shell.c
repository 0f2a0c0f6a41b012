/* shell.c - the tool `shell`: one command line, run by a shell in the cell. It refuses to look into the
 * text: what the text does is decided program by program, where the programs start. */
#include "tools/inside.h"
#include "tools/rows.h"

#include <unistd.h>

#include "base/banned.h"

_Static_assert(LIMIT_SHELL_WALL_MS == 120 * 1000, "the schema tells the default");
_Static_assert(LIMIT_CALL_WALL_MS == 600 * 1000, "the schema tells the maximum");

int shell_argv(struct str command, char ***ret, struct err *err)
{
	size_t n = 0;

	if (memchr(command.ptr, '\0', command.len) != NULL)
		return err_set(err, EINVAL, "/command: has a NUL character in it: no command line can have one");
	char **argv = xcalloc(5, sizeof *argv);
	argv[n++] = xstrdup(access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh");
	argv[n++] = xstrdup("-c");
	if (command.ptr[0] == '-' || command.ptr[0] == '+')
		argv[n++] = xstrdup("--"); /* otherwise the shell takes the command for an option */
	argv[n] = xstrndup(command.ptr, command.len);
	*ret = argv;
	return 0;
}

static int shell_plan(const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err)
{
	char **argv;
	int r = shell_argv(arg_str(args, "command"), &argv, err);

	(void)workspace;
	if (r < 0)
		return r;
	*ret = (struct tool_plan){
		.argv = argv,
		.wall_ms = arg_int(args, "timeout_s", LIMIT_SHELL_WALL_MS / 1000) * 1000,
	};
	return 0;
}

static const char schema[] =
	"{\"type\":\"object\",\"required\":[\"command\"],\"additionalProperties\":false,\"properties\":{"
	"\"command\":{\"type\":\"string\",\"minLength\":1,\"description\":\"the command line\"},"
	"\"timeout_s\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":600,\"default\":120,"
	"\"description\":\"seconds until everything it started is ended\"}}}";

const struct tool tool_shell = {
	.name = "shell",
	.about = "Runs a command line with bash in the workspace and returns what it printed and its exit status. "
		 "Nobody can type into it: standard input is empty.",
	.category = "exec",
	.risk = "low",
	.permissions = "fs.read fs.write exec secrets",
	.nature = NATURE_AT_MOST_ONCE,
	.schema = schema,
	.plan = shell_plan,
};
