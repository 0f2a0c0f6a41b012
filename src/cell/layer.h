/* layer.h - a workspace whose changes go to a layer: an overlay that all cells of one warden share. In the warden. */
#ifndef MISHRI_CELL_LAYER_H
#define MISHRI_CELL_LAYER_H

#include "cell/plan.h"

struct layer;                         /* one that is mounted somewhere, out of sight */

/* A tree of the plan's workspace under its layer, not mounted anywhere yet. Mounts the layer first where no earlier call
 * did, and puts it into *list. The layer is a directory with `upper` and `work` in it, on a file system that can be an
 * upper one. The caller owns *ret_fd. -errno: err says what is missing. */
MUST_USE int layer_tree(struct layer **list, const struct plan *plan, int *ret_fd, struct err *err);

/* Runs in a process of its own, inside the namespaces, as the user of the plan with every right there. Returns a status. */
typedef int namespace_fn(void *userdata, int socket);
/* A child of the caller that enters both, becomes uid and gid, and calls the function with one end of a socket pair of
 * datagrams; the other end goes to *ret_socket. -errno. */
MUST_USE int namespace_run(int user_ns, int mount_ns, uid_t uid, gid_t gid, namespace_fn *function, void *userdata,
                           int *ret_socket, pid_t *ret_pid, struct err *err);

#endif
