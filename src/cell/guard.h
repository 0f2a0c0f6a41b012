/* guard.h - the `files` rules of a policy, kept by mounts: what is hidden is covered by something empty that nobody may
 * read, what is kept is mounted on itself read-only. */
#ifndef MISHRI_CELL_GUARD_H
#define MISHRI_CELL_GUARD_H

#include "base/json.h"
#include "cell/proto.h"

/* Where the covers lie in a cell; on a read-only mount. */
#define GUARD_COVERS "run/hidden"

struct guard {
	int root;                     /* of the cell: a directory, not O_PATH */
	const char *workspace;        /* absolute */
	const struct texts *hide, *keep;
	bool later;                   /* the cell runs: what cannot be held is told, not refused */
};

/* Makes the two covers below `root`, before it becomes read-only. */
MUST_USE int guard_covers_make(int root, struct err *err);

/* Guards whatever fits a pattern now and is not guarded yet, with all other names of the same files. The caller may
 * mount here and is not confined yet. found: see cell_guard in cell.h; the caller owns *ret_found. */
MUST_USE int guard_apply(const struct guard *guard, json_t **ret_found, struct err *err);

#endif
