/* inside.h - what the tools share that run inside a cell: paths held to the workspace, whole files, and
 * speaking on fd 1. The kernel holds the same line once more; here it becomes a sentence. */
#ifndef MISHRI_TOOLS_INSIDE_H
#define MISHRI_TOOLS_INSIDE_H

#include <sys/stat.h>

#include "tools/seen.h"
#include "tools/tool.h"

/* A path of the model's, resolved: no links and no "..", below the workspace. */
struct place {
	int root;                    /* the workspace, O_PATH */
	char *workspace;             /* resolved */
	char *given;                 /* as the model wrote it, fit to be shown: one line, not long */
	char *relative;              /* "." is the workspace itself */
	bool exists;
	struct stat st;              /* when it exists */
};

#define PLACE_NONE ((struct place){ .root = -1 })

/* For plan(): a path that could name something. 0, or -EINVAL with what would be right. */
MUST_USE int place_lint(const json_t *args, const char *key, struct err *err);

/* Follows every link; the end of the path may be missing. 0; -EXDEV: outside of the workspace; -errno. */
MUST_USE int place_find(const char *workspace, const char *path, struct place *ret, struct err *err);
void place_done(struct place *place);                       /* fits AUTO(place_done) */

/* A descriptor of the place, or -errno. It never follows a link that came after place_find. */
MUST_USE int place_open(const struct place *place, int flags, struct err *err);
/* A regular file for reading. A directory, FIFO, socket or device is refused unopened. */
MUST_USE int place_open_file(struct place *place, struct err *err);
/* The directory that holds the place; make: creates what is missing. *ret_name points into place. */
MUST_USE int place_open_parent(const struct place *place, bool make, const char **ret_name, struct err *err);
/* A descriptor of `path` below a directory, no link followed on the way. -1 with errno. */
MUST_USE int open_below(int dir, const char *path, int flags);
/* "No such file", with the name of a neighbour that is spelled nearly so. */
int place_missing(const struct place *place, struct err *err);
/* Replaces or makes the file in one step: readers see the old bytes or the new ones. Keeps the mode. */
MUST_USE int place_write(const struct place *place, struct str content, bool make_dirs, struct err *err);

/* Would the kernel let this regular file be written? A rename would not ask. */
MUST_USE int place_may_replace(const struct place *place, struct err *err);

/* The same in two steps: new bytes beside the old ones, synced; the caller renames, or takes them away. */
enum { STAGED_NAME_BYTES = 64 };
struct staged {
	int dir;                     /* where both lie; the caller's to close */
	const char *name;            /* of the file; within the place */
	char temporary[STAGED_NAME_BYTES];
};
MUST_USE int place_stage(const struct place *place, struct str content, bool make_dirs, bool executable,
                         struct staged *ret, struct err *err);
void staged_name(char name[static STAGED_NAME_BYTES]);      /* one that nothing has */
void dir_sync(int dir);

/* Held while a file is compared and replaced, so that of two tools in one workspace the second sees what the first
 * did. A descriptor to be closed, or -errno. */
MUST_USE int workspace_lock(const char *workspace, struct err *err);
/* Is the place as this task saw it last? now: SHA-256 of its bytes; NULL: nothing is there. A place that it never saw
 * passes, but for `must`: then there must be nothing to lose. 0, or -EBUSY with what to do. */
MUST_USE int place_unchanged(const struct place *place, const char *now, bool must, struct err *err);

/* Whole numbers of checked arguments; 5.0 is one, too. */
int64_t arg_int(const json_t *args, const char *key, int64_t otherwise);
struct str arg_str(const json_t *args, const char *key);    /* empty when it is not there */

/* A file name as one harmless line. Appends. */
void show_name(const char *name, struct buf *ret);

/* The names in a directory but "." and "..", sorted, at most `max` of them. dir stays the caller's. */
struct names {
	char **list;
	size_t count;
	bool more;                   /* there were others */
};
MUST_USE int names_read(int dir, size_t max, struct names *ret);
void names_done(struct names *names);                       /* fits AUTO(names_done) */

/* Both write to fd 1 and return the exit status: 0 or 1. */
int answer(const struct buf *text);
int refuse(const struct err *err);

/* A plan for the tool's own `run`. */
int plan_builtin(const struct tool *tool, struct tool_plan *ret);

#endif
