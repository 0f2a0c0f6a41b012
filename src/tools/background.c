/* background.c - the tool `background`: programs that run on while the task does other things: a server, a watcher. The
 * engine carries it out (engine/background.c), because what runs outlives the call that began it; the program itself runs in
 * the cell like any other. It refuses to keep one alive beyond its cell. */
#include "tools/inside.h"
#include "tools/rows.h"

#include "base/banned.h"

static int background_plan(const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err)
{
	const char *action = json_get_text(args, "action", "");
	bool start = strcmp(action, "start") == 0, stop = strcmp(action, "stop") == 0;
	bool command = json_object_get(args, "command") != NULL, id = json_object_get(args, "id") != NULL;
	char **argv = NULL;

	(void)workspace;
	if (start != command)
		return err_set(err, EINVAL, "/command: is %s for 'start'%s", start ? "needed" : "only", start ? "" : ", not for others");
	if (start && id)
		return err_set(err, EINVAL, "/id: 'start' gives the id; leave it out");
	if (stop && !id)
		return err_set(err, EINVAL, "/id: is needed for 'stop'; 'read' without an id lists what there is");
	int r = start ? shell_argv(arg_str(args, "command"), &argv, err) : 0;
	if (r < 0)
		return r;
	*ret = (struct tool_plan){ .argv = argv, .wall_ms = LIMIT_BUILTIN_WALL_MS };
	return 0;
}

static const char schema[] =
	"{\"type\":\"object\",\"required\":[\"action\"],\"additionalProperties\":false,\"properties\":{"
	"\"action\":{\"enum\":[\"start\",\"read\",\"stop\"]},"
	"\"command\":{\"type\":\"string\",\"minLength\":1,\"description\":\"start: the command line\"},"
	"\"id\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":23,\"description\":\"read, stop: as start gave it; read without it "
	"lists all\"}}}";

const struct tool tool_background = {
	.name = "background",
	.about = "Runs a command line in the background, such as a server or a watcher: start returns an id at once; read returns "
		 "what it printed since the last read and whether it still runs; stop ends it. It ends with the task.",
	.category = "exec",
	.risk = "low",
	.permissions = "fs.read fs.write exec secrets",
	.nature = NATURE_AT_MOST_ONCE,
	.polls = true,
	.hosted = true,
	.schema = schema,
	.plan = background_plan,
};
