/* rows.h - one line per tool; table.c lists them. */
#ifndef MISHRI_TOOLS_ROWS_H
#define MISHRI_TOOLS_ROWS_H

#include "tools/tool.h"

extern const struct tool tool_shell, tool_read_file, tool_write_file, tool_edit_file, tool_list_dir, tool_search,
	tool_apply_patch, tool_system_info, tool_http_fetch;

/* argv of a shell that runs the command line; the caller owns it. -EINVAL: it has a NUL. */
MUST_USE int shell_argv(struct str command, char ***ret, struct err *err);

#endif
