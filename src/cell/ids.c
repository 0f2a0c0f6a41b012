/* ids.c - user and group ids. Never root to root: without capabilities, user 0 of a cell would still be the owner of
 * /proc/sys and of every system file for the kernel. So the ids of a root engine's cell are mapped to a user who owns
 * nothing, and the workspace is mounted so that owners look right from both sides. */
#include "cell/ids.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "cell/hostdir.h"
#include "base/banned.h"

int ids_choose(struct plan *plan, unsigned nth, struct err *err)
{
	plan->uid_inside = plan->uid_outside = geteuid();
	plan->gid_inside = plan->gid_outside = getegid();
	if (!plan->as_root)
		return 0;
	if (plan->level == CELL_FULL) {
		plan->uid_inside = plan->gid_inside = LIMIT_CELL_ID_INSIDE;
		plan->uid_outside = plan->gid_outside = LIMIT_CELL_ID_FIRST + nth % LIMIT_CELL_ID_COUNT;
		return 0;
	}
	if (plan->owner == 0)
		return err_set(err, EPERM, "isolation '%s' cannot run as root: use full isolation, or an ordinary user, or"
		               " give '%s' to an ordinary user", cell_level_name(plan->level), plan->workspace);
	plan->uid_inside = plan->uid_outside = plan->owner;
	plan->gid_inside = plan->gid_outside = plan->group;
	return 0;
}

static int file_write(pid_t pid, const char *name, const char *text, struct err *err)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return err_sys(err, "cannot map the ids of a cell (%s; a root engine in a container needs %u and %u in"
		               " /proc/self/uid_map)", name, LIMIT_CELL_ID_FIRST, LIMIT_CELL_FOREIGN_FIRST);
	return 0;
}

int ids_write(const struct plan *plan, pid_t pid, struct err *err)
{
	char text[64];
	/* Only a process with rights over all groups may keep setgroups(2) for its user namespace. */
	int r = plan->as_root ? 0 : file_write(pid, "setgroups", "deny", err);

	snprintf(text, sizeof text, "%u %u 1\n", plan->gid_inside, plan->gid_outside);
	if (r == 0)
		r = file_write(pid, "gid_map", text, err);
	snprintf(text, sizeof text, "%u %u 1\n", plan->uid_inside, plan->uid_outside);
	return r < 0 ? r : file_write(pid, "uid_map", text, err);
}

/* On disk → seen by the kernel through this mount. Third owners stay apart from the cell's user and from real ones. */
static void map_format(unsigned owner, unsigned outside, char *text, size_t size)
{
	const unsigned all = LIMIT_CELL_ID_COUNT, foreign = LIMIT_CELL_FOREIGN_FIRST;
	size_t len = (size_t)snprintf(text, size, "%u %u 1\n", owner, outside);

	if (owner > 0)
		len += (size_t)snprintf(text + len, size - len, "0 %u %u\n", foreign, MIN(owner, all));
	if (owner + 1 < all)
		snprintf(text + len, size - len, "%u %u %u\n", owner + 1, foreign + owner + 1, all - owner - 1);
}

/* A user namespace is made of a process in it, which does nothing and is gone before this returns. */
static int user_namespace(const char *uid_map, const char *gid_map, int *ret_fd, struct err *err)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	pid_t warden = getpid();
	char path[64];
	long pid = syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == warden)      /* it may have died before the line above */
			pause();
		_exit(1);
	}
	if (pid < 0)
		return err_sys(err, "cannot make a user namespace (`mishri doctor` says why, and what mends it;"
		                    " --isolation reduced does without)");
	int r = file_write((pid_t)pid, "gid_map", gid_map, err);
	if (r == 0)
		r = file_write((pid_t)pid, "uid_map", uid_map, err);
	snprintf(path, sizeof path, "/proc/%ld/ns/user", pid);
	int fd = r < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (r == 0 && fd < 0)
		r = err_sys(err, "%s", path);
	kill((pid_t)pid, SIGKILL);
	while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r == 0)
		*ret_fd = fd;
	return r;
}

/* The map for an owner. The last one is kept: cells of one engine mostly share a workspace. Borrowed. */
static int map_get(const struct plan *plan, uid_t owner, gid_t group, int *ret_ns, struct err *err)
{
	static struct { int fd; uid_t owner, outside; gid_t group; } last = { .fd = -1 };
	char uid_map[128], gid_map[128];

	if (last.fd < 0 || last.owner != owner || last.group != group || last.outside != plan->uid_outside) {
		fd_close(&last.fd);
		map_format(owner, plan->uid_outside, uid_map, sizeof uid_map);
		map_format(group, plan->gid_outside, gid_map, sizeof gid_map);
		int r = user_namespace(uid_map, gid_map, &last.fd, err);
		if (r < 0)
			return r;
		last.owner = owner;
		last.group = group;
		last.outside = plan->uid_outside;
	}
	*ret_ns = last.fd;
	return 0;
}

static int map_tree(const struct plan *plan, const char *path, uid_t owner, gid_t group, int *ret_fd, struct err *err)
{
	int ns;
	AUTO(fd_closep) int tree = hostdir_tree(path);

	if (tree < 0)
		return err_sys(err, "cannot take '%s' for a cell", path);
	int r = map_get(plan, owner, group, &ns, err);
	if (r < 0)
		return r;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)ns };
	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
		return err_set(err, errno, "the file system of '%s' (or one mounted below it) cannot translate"
		               " owners, which a root engine needs: run as an ordinary user, or put it on ext4,"
		               " xfs, btrfs or tmpfs (Linux 5.12 or newer; 6.3 for tmpfs)", path);
	*ret_fd = tree;
	tree = -1;
	return 0;
}

int ids_map_workspace(const struct plan *plan, int *ret_fd, struct err *err)
{
	return map_tree(plan, plan->workspace, plan->owner, plan->group, ret_fd, err);
}

int ids_map_layer(const struct plan *plan, int *ret_fd, struct err *err)
{
	return map_tree(plan, plan->layer, plan->owner, plan->group, ret_fd, err);
}

int ids_map_directory(const struct plan *plan, const char *path, int *ret_fd, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, "'%s'", path);
	return map_tree(plan, path, st.st_uid, st.st_gid, ret_fd, err);
}
