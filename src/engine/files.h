/* files.h - what a task may see and change: workspace modes, and the `files` rules of the policy on their way to a cell. */
#ifndef MISHRI_ENGINE_FILES_H
#define MISHRI_ENGINE_FILES_H

#include "cell/cell.h"
#include "policy/policy.h"

/* The rules as lists that a cell takes; borrowed from the policy. */
struct cell_files {
	const char **hide, **keep, **writable;       /* end in NULL */
};
void cell_files_of(const struct policy *policy, enum cell_level level, struct cell_files *ret);
void cell_files_done(struct cell_files *files);            /* fits AUTO(cell_files_done) */
void cell_files_put(const struct cell_files *files, struct cell_plan *plan);
/* {hide, readonly, writable} as patterns, added to what is in force. */
void cell_files_tell(const struct policy *policy, enum cell_level level, json_t *mechanisms);

#endif
