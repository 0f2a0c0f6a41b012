/* wards.h - the cells that a warden made and that have not ended yet, with what must be removed after them. */
#ifndef MISHRI_CELL_WARDS_H
#define MISHRI_CELL_WARDS_H

#include "cell/cgroup.h"

struct ward;
struct wards {
	const struct cgroup_root *root;
	struct ward *first;
	size_t ending;                 /* whose group is not gone yet */
};

void wards_add(struct wards *wards, pid_t pid, const struct cgroup *group);
void wards_ended(struct wards *wards, pid_t pid);      /* its pid 1 is reaped; others are ignored */
void wards_tick(struct wards *wards);                  /* tries the rest again */
int wards_timeout_ms(const struct wards *wards);       /* for poll; -1: nothing to do */
/* All of them end: for at most LIMIT_CELL_GROUP_MS. */
void wards_end(struct wards *wards);

#endif
