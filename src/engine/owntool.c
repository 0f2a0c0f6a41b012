/* owntool.c - what the manifest of a tool says about a call of it beyond its command line: how much of its output is kept, and
 * whether that is the JSON that it promised. It looks at the text only, and takes no value out of it. */
#include "engine/run.h"
#include "tools/own.h"

#include "base/banned.h"

static const struct own *own_of(const char *name)
{
	const struct tool *tool = tool_find(name);

	return tool != NULL ? tool->own : NULL;
}

size_t owntool_output_bytes(const struct run *run, const char *name)
{
	const struct own *own = own_of(name);
	uint64_t most = (uint64_t)run->task->limits.output_bytes;

	return (size_t)(own != NULL && own->output_bytes > 0 ? MIN(own->output_bytes, most) : most);
}

const char *owntool_status(const char *name, const char *status, struct buf *text)
{
	const struct own *own = own_of(name);
	AUTO(json_decrefp) json_t *value = NULL;
	struct err err = ERR_NONE;

	if (own == NULL || !own->json_output || strcmp(status, "ok") != 0 || json_parse(buf_str(text), &value, &err) == 0)
		return status;
	buf_printf(text, "\n[the manifest of %s promises JSON, and this is none: %s]", name, err.text);
	return "error";
}
