/* ask_show.h - what a person sees of an action that waits. */
#ifndef MISHRI_CLI_ASK_SHOW_H
#define MISHRI_CLI_ASK_SHOW_H

#include "core/approval.h"
#include "tools/tool.h"

struct ask_about {                     /* besides the approval itself; borrowed, NULL where it is not known */
	const char *user;              /* who looks */
	const char *path, *workspace, *layer, *taints;
	const struct tool *tool;
	size_t width, height;          /* of the screen */
};

/* brief: bounded, long texts as head and tail; full: everything. Each line of what is not ours begins with "  | ". */
void ask_show(const struct approval *approval, const struct ask_about *about, struct buf *brief, struct buf *full);

/* One line of an action for a list, sanitised: "write_file {...}". Appends at most `columns`. */
void ask_line(const json_t *action, size_t columns, struct buf *ret);

#endif
