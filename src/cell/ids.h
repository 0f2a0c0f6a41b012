/* ids.h - who a cell is, inside and outside. */
#ifndef MISHRI_CELL_IDS_H
#define MISHRI_CELL_IDS_H

#include "cell/plan.h"

/* Fills in the ids of a plan. Root: an unprivileged user outside, LIMIT_CELL_ID_INSIDE inside; nth spreads the
 * engines over the range; one engine's cells are one user, apart by their namespaces. Anyone else: himself. Levels
 * without a user namespace cannot translate: there root becomes the owner of the workspace, and a workspace of
 * root's is refused. */
MUST_USE int ids_choose(struct plan *plan, unsigned nth, struct err *err);

/* Writes the id maps of a process in a new user namespace. */
MUST_USE int ids_write(const struct plan *plan, pid_t pid, struct err *err);

/* A tree of the workspace, not mounted anywhere yet, in which the cell's user is seen as the owner of what the owner
 * of the workspace owns. For as_root. The caller owns *ret_fd. -errno: the file system cannot do it; err says what
 * to do. */
MUST_USE int ids_map_workspace(const struct plan *plan, int *ret_fd, struct err *err);
/* The same of another directory, with the ids of its own owner. */
MUST_USE int ids_map_directory(const struct plan *plan, const char *path, int *ret_fd, struct err *err);
/* The same of a directory whose files are the workspace's: the ids of the workspace's owner. */
MUST_USE int ids_map_layer(const struct plan *plan, int *ret_fd, struct err *err);

#endif
