/* table.c - the tools there are, and what their rows have in common. It refuses to know anything about
 * a single tool: that is in the tool's own file. */
#include "tools/own.h"
#include "tools/rows.h"
#include "tools/tmp_kept.h"

#include <string.h>

#include "base/banned.h"

static const struct tool *const tools[] = {
	&tool_read_file, &tool_list_dir, &tool_search, &tool_edit_file, &tool_write_file, &tool_apply_patch, &tool_shell,
	&tool_background, &tool_read_output, &tool_memory, &tool_system_info, &tool_http_fetch,
	&tool_plan_steps, &tool_delegate, &tool_ask_user, &tool_ask_master, &tool_finish, &tool_lock, &tool_unlock,
};

static const char *const natures[] = {
	[NATURE_AT_MOST_ONCE] = "at_most_once",
	[NATURE_IDEMPOTENT] = "idempotent",
	[NATURE_PURE] = "pure",
};

const char *nature_name(enum nature nature)
{
	return name_of(natures, COUNT(natures), nature);
}

void tool_plan_done(struct tool_plan *plan)
{
	for (char **arg = plan->argv; arg != NULL && *arg != NULL; arg++)
		free(*arg);
	free(plan->argv);
	free(plan->input);
	*plan = (struct tool_plan){ 0 };
}

enum nature tool_nature(const struct tool *tool, const json_t *args)
{
	return tool->nature_of != NULL ? tool->nature_of(args) : tool->nature;
}

const char *tool_risk(const struct tool *tool, const json_t *args)
{
	return tool->risk_of != NULL ? tool->risk_of(args) : tool->risk;
}

int tool_plan_make(const struct tool *tool, const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err)
{
	return tool->own != NULL ? own_plan(tool->own, args, workspace, ret, err) : tool->plan(args, workspace, ret, err);
}

const struct tool *tool_at(size_t i)
{
	return i < COUNT(tools) ? tools[i] : own_tool_at(i - COUNT(tools));
}

const struct tool *tool_find(const char *name)
{
	const struct tool *tool;

	for (size_t i = 0; (tool = tool_at(i)) != NULL; i++)
		if (strcmp(tool->name, name) == 0)
			return tool;
	return NULL;
}

size_t tool_names(const char **ret, size_t max)
{
	const struct tool *tool;
	size_t count = 0;

	while (count < max && (tool = tool_at(count)) != NULL)
		ret[count++] = tool->name;
	return count;
}

/* What the engine itself has done in a cell; no tool of an agent's. */
static const struct cell_builtin more[] = { { TMP_KEEP, tmp_keep }, { TMP_BRING, tmp_bring } };

size_t tool_builtins(struct cell_builtin *ret, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < COUNT(tools) && count < max; i++)
		if (tools[i]->run != NULL)
			ret[count++] = (struct cell_builtin){ tools[i]->name, tools[i]->run };
	for (size_t i = 0; i < COUNT(more) && count < max; i++)
		ret[count++] = more[i];
	return count;
}

json_t *tool_schema_of(const struct tool *tool)
{
	json_t *schema = NULL;
	int r = json_parse(str_of(tool->schema), &schema, NULL);

	assert(r == 0); /* the text is ours */
	return schema;
}
