/* entries.h - the way back into cells whose files are guarded. In the warden. */
#ifndef MISHRI_CELL_ENTRIES_H
#define MISHRI_CELL_ENTRIES_H

#include "cell/plan.h"

struct entry {
	uint32_t id;                         /* of the cell */
	pid_t pid;                           /* its pid 1, as the warden counts */
	int user_ns, mount_ns;
	uid_t uid;
	gid_t gid;
	struct entry *next;
};

/* Before the process gets GO: it is dumpable until then, and later its namespaces could not be opened by an ordinary user. */
MUST_USE int entries_keep(struct entry **list, uint32_t id, pid_t pid, const struct plan *plan, struct err *err);
/* NULL: the cell has none, or is gone. */
const struct entry *entries_find(const struct entry *list, uint64_t id);
void entries_drop(struct entry **list, pid_t pid);          /* it was reaped; a pid that is not there is fine */

/* Guards once more, from inside: a child of the caller's, which answers on *ret_socket with READY and what it found as text,
 * or UNABLE. wish: a GUARD message. */
MUST_USE int entries_guard(const struct entry *entry, const struct msg *wish, int *ret_socket, pid_t *ret_pid, struct err *err);

#endif
