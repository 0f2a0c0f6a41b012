/* plan.h - what a cell is made of, as data: enter.c and landlock.c apply it. */
#ifndef MISHRI_CELL_PLAN_H
#define MISHRI_CELL_PLAN_H

#include <limits.h>
#include <sys/types.h>

#include "cell/cell.h"
#include "cell/proto.h"

struct plan {
	enum cell_level level;
	char workspace[PATH_MAX];
	bool workspace_readonly;
	char layer[PATH_MAX];         /* "": none */
	struct texts hide, keep, writable;   /* borrowed from the message */
	uint64_t memory_bytes, tmp_bytes, file_bytes;
	uint64_t disk_bytes;          /* 0: no limit */
	uint64_t processes, open_files;
	int cgroup_version;           /* of the group that the cell has; 0: none */
	/* Who the cell is. inside == outside unless the warden is root. */
	bool as_root;
	uid_t uid_inside, uid_outside;
	gid_t gid_inside, gid_outside;
	uid_t owner;                  /* of the workspace */
	gid_t group;
};

/* Defaults put in, bounds and the workspace checked: absolute, resolved, a directory, none that the system needs.
 * -errno: err says what would be right. */
MUST_USE int plan_make(const struct msg *open, struct plan *ret, struct err *err);
MUST_USE int plan_check(const struct cell_plan *plan, struct err *err);   /* the same checks, for the caller's side */

/* Directories of the host that a cell sees read-only. Where one is a link (/bin), the cell has the same link. */
extern const char *const plan_system[];
extern const size_t plan_system_count;

/* What a cell sees of /etc: nothing that is secret or says who uses this machine. */
extern const char *const plan_etc[];
extern const size_t plan_etc_count;

extern const char *const plan_devices[];
extern const size_t plan_devices_count;

struct plan_link {
	const char *path, *target;
};
extern const struct plan_link plan_links[];
extern const size_t plan_links_count;

/* Is the path one of the directories in plan_system, or in one? Lexical: no "..", no doubled slash. */
bool plan_is_system(const char *path);
bool plan_guards(const struct plan *plan);            /* does it hide or keep anything? */
bool path_within(const char *path, const char *dir);

#endif
