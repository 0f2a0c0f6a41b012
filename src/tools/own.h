/* own.h - tools that people define themselves: a manifest names a program, its arguments and their schema, and what the tool
 * needs. The program runs in the cell like any other; a manifest gives no right that policy does not give. docs/tools.md
 * describes the file. */
#ifndef MISHRI_TOOLS_OWN_H
#define MISHRI_TOOLS_OWN_H

#include <sys/types.h>

#include "tools/tool.h"

/* A word of the command line, in pieces: text, or the value of an argument. */
struct own_piece {
	char *text;                  /* as it stands; for an argument: its JSON Pointer */
	bool argument;
};

struct own_word {
	struct own_piece *pieces;
	size_t count;
};

struct own {
	struct tool tool;            /* the row, as all others have it; its texts are ours */
	char *origin;                /* "FILE:LINE" of the name */
	char *program;               /* a name of the cell's PATH, an absolute path, or one below the workspace */
	struct own_word *words;
	size_t word_count;
	bool json_input;             /* the arguments on standard input */
	bool json_output;            /* what it prints is one JSON value */
	int64_t wall_ms;
	uint64_t memory_bytes, output_bytes; /* 0: as the cell and the task have it */
	char **secrets;              /* names whose values its environment holds */
	size_t secret_count;
};

/* Where manifests lie. */
struct own_place {
	const char *dir;
	uid_t owner;                 /* with `owned`: directory and files must belong to this user, and be writable by nobody else */
	bool owned;
	bool project;                /* tools can write there: no secrets, no links out of it */
};

/* Reads DIR/NAME.yaml of all places, in the order of names, and takes the place of what was loaded before. A directory that is
 * not there holds nothing. Failure loads nothing: -EINVAL or -errno, err "FILE:LINE:COL: what: what would be right". */
MUST_USE int own_tools_load(const struct own_place *places, size_t count, struct err *err);
void own_tools_drop(void);
const struct tool *own_tool_at(size_t i);                   /* NULL past the end */

/* own_read.c: one manifest. `name`: what errors call the file. The caller owns *ret. */
MUST_USE int own_read(const char *name, struct str text, bool project, struct own **ret, struct err *err);
void own_free(struct own *own);                             /* NULL is fine */
void own_freep(struct own **own);

/* own_plan.c: what a checked call starts. -EINVAL: a value that the command line cannot hold. */
MUST_USE int own_plan(const struct own *own, const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err);
/* A JSON Pointer, or a plain name, in the arguments; borrowed; NULL. */
const json_t *own_argument(const json_t *args, const char *pointer);

#endif
