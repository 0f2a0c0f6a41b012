/* read_output.c - the tool `read_output`: the part of an earlier call's output that the model was not given. It is in the
 * record, so the engine reads it there (engine/kept.c); no cell is involved. It refuses calls of other tasks. */
#include "tools/inside.h"
#include "tools/rows.h"

#include <stdio.h>

#include "base/banned.h"

_Static_assert(LIMIT_READ_OUTPUT_BYTES == 57344, "the schema tells the maximum");

static int read_output_plan(const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err)
{
	const char *call = json_get_text(args, "call", "");
	unsigned turn, index;
	int end = 0;

	(void)workspace;
	if (sscanf(call, "%5u.%5u%n", &turn, &index, &end) != 2 || call[end] != '\0')
		return err_set(err, EINVAL, "/call: must be the id of a call, TURN.NUMBER, such as \"3.1\" for the first call of the third "
		               "reply");
	*ret = (struct tool_plan){ .wall_ms = LIMIT_BUILTIN_WALL_MS };
	return 0;
}

static const char schema[] =
	"{\"type\":\"object\",\"required\":[\"call\"],\"additionalProperties\":false,\"properties\":{"
	"\"call\":{\"type\":\"string\",\"minLength\":3,\"maxLength\":11,\"description\":\"the id of the call, e.g. 3.1: the first call of "
	"your third reply\"},"
	"\"offset\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000000000,\"default\":0,\"description\":\"the first byte to show\"},"
	"\"length\":{\"type\":\"integer\",\"minimum\":4,\"maximum\":57344,\"default\":57344,\"description\":\"how many bytes to show\"}}}";

const struct tool tool_read_output = {
	.name = "read_output",
	.about = "Shows the output of an earlier call of this task, also the part that was left out of its result. The first line of "
		 "the answer says which bytes they are, of how many, and how to read on.",
	.category = "read",
	.risk = "low",
	.permissions = "",
	.nature = NATURE_PURE,
	.hosted = true,
	.schema = schema,
	.plan = read_output_plan,
};
