/* landlock.c - which files the processes of a cell may reach, kept by the kernel whatever else fails. It never falls
 * back to nothing: a kernel without Landlock is an error. What an old ABI cannot express is not guarded by this layer;
 * mounts and seccomp stand beside it. */
#include "cell/landlock.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "cell/hostdir.h"
#include "base/banned.h"

/* linux/landlock.h, ABI 6. The numbers are the kernel's. */
enum {
	FS_EXECUTE = 1 << 0, FS_WRITE_FILE = 1 << 1, FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3, FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5, FS_MAKE_CHAR = 1 << 6, FS_MAKE_DIR = 1 << 7, FS_MAKE_REG = 1 << 8, FS_MAKE_SOCK = 1 << 9,
	FS_MAKE_FIFO = 1 << 10, FS_MAKE_BLOCK = 1 << 11, FS_MAKE_SYM = 1 << 12, FS_REFER = 1 << 13, FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,
	FS_ALL = (1 << 16) - 1,
	FS_READ = FS_EXECUTE | FS_READ_FILE | FS_READ_DIR,
	FS_WRITE = FS_ALL & ~FS_READ & ~FS_IOCTL_DEV,
	FS_DATA = FS_ALL & ~FS_MAKE_CHAR & ~FS_MAKE_BLOCK & ~FS_IOCTL_DEV,
	FS_ON_FILE = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
	NET_BIND_TCP = 1 << 0, NET_CONNECT_TCP = 1 << 1,
	SCOPE_ABSTRACT_UNIX = 1 << 0, SCOPE_SIGNAL = 1 << 1,
	RULE_PATH_BENEATH = 1,
	CREATE_VERSION = 1 << 0,
};

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_attr {
	uint64_t access;
	int32_t fd;
} __attribute__((packed));

struct file_rule {
	const char *path;
	uint64_t access;
	bool host;                     /* a checked name of the host, in which no link may be by now */
};

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return abi > 0 ? (int)abi : 0;
}

/* The rights that an ABI can express. */
static uint64_t rights_of(int abi)
{
	uint64_t rights = FS_ALL;

	if (abi < 5)
		rights &= ~(uint64_t)FS_IOCTL_DEV;
	if (abi < 3)
		rights &= ~(uint64_t)FS_TRUNCATE;
	if (abi < 2)
		rights &= ~(uint64_t)FS_REFER;
	return rights;
}

/* A path that does not exist gives nothing and is left out. */
static int rule_add(int ruleset, uint64_t handled, const struct file_rule *rule, struct err *err)
{
	AUTO(fd_closep) int fd = rule->host ? hostdir_open(rule->path) : open(rule->path, O_PATH | O_CLOEXEC);
	struct path_attr attr = { rule->access & handled, fd };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "Landlock: cannot open '%s'", rule->path);
	if (!S_ISDIR(st.st_mode))
		attr.access &= FS_ON_FILE;
	if (attr.access != 0 && syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0) < 0)
		return err_sys(err, "Landlock: cannot make the rule for '%s'", rule->path);
	return 0;
}

static int restrict_self(const struct ruleset_attr *attr, const struct file_rule *rules, size_t count, struct err *err)
{
	AUTO(fd_closep) int fd = (int)syscall(SYS_landlock_create_ruleset, attr, sizeof *attr, 0);

	if (fd < 0)
		return err_sys(err, "the kernel refused a Landlock rule set");
	for (size_t i = 0; i < count; i++) {
		int r = rule_add(fd, attr->fs, &rules[i], err);
		if (r < 0)
			return r;
	}
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return err_sys(err, "the kernel refused to enter a Landlock domain");
	return 0;
}

enum { RULES_MAX = 96 + LIMIT_CELL_WRITABLE, RULE_PATH_MAX = 64 };

struct rule_list {
	struct file_rule at[RULES_MAX];
	size_t count;
};

static void list_add(struct rule_list *list, const char *path, uint64_t access)
{
	assert(list->count < RULES_MAX);
	list->at[list->count++] = (struct file_rule){ .path = path, .access = access };
}

/* Without namespaces the whole machine is in sight: then only what a full cell would contain may be read. */
static void rules_without_mounts(struct rule_list *list, char (*paths)[RULE_PATH_MAX])
{
	/* gitconfig: git takes a refusal for a fault, where a full cell just has no such file */
	static const char *const more[] = { "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/ssl/certs", "/etc/gitconfig", "/proc" };

	for (size_t i = 0; i < plan_system_count; i++)
		list_add(list, plan_system[i], FS_READ);
	for (size_t i = 0; i < plan_etc_count; i++) {
		snprintf(paths[i], RULE_PATH_MAX, "/etc/%s", plan_etc[i]);
		list_add(list, paths[i], FS_READ);
	}
	for (size_t i = 0; i < COUNT(more); i++)
		list_add(list, more[i], FS_READ_FILE | FS_READ_DIR);
}

int landlock_enter(const struct plan *plan, const char *scratch, int *ret_abi, struct err *err)
{
	static const char *const device_files[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
	                                            "/dev/tty", "/dev/ptmx" };
	struct rule_list list = { .count = 0 };
	char paths[64][RULE_PATH_MAX];
	int abi = landlock_abi();

	assert(plan_etc_count <= COUNT(paths));
	if (abi == 0)
		return err_set(err, ENOSYS, "the kernel has no Landlock: boot one with CONFIG_SECURITY_LANDLOCK and with"
		               " landlock in the list of lsm= (5.13 or newer)");
	if (plan->level == CELL_FULL)
		list_add(&list, "/", FS_READ);
	else
		rules_without_mounts(&list, paths);
	size_t first = list.count;
	list_add(&list, plan->workspace, plan->workspace_readonly ? FS_READ : FS_DATA | FS_READ);
	for (size_t i = 0; i < plan->writable.count; i++)
		list_add(&list, plan->writable.at[i], FS_DATA | FS_READ);
	while (first < list.count)
		list.at[first++].host = true;
	list_add(&list, scratch, FS_DATA);
	for (size_t i = 0; i < COUNT(device_files); i++)
		list_add(&list, device_files[i], FS_READ_FILE | FS_WRITE_FILE | FS_IOCTL_DEV);
	if (plan->level == CELL_FULL) {
		list_add(&list, "/dev/pts", FS_READ | FS_WRITE_FILE | FS_IOCTL_DEV);
		list_add(&list, "/dev/shm", FS_DATA);
	}
	struct ruleset_attr attr = {
		.fs = rights_of(abi),
		/* A full cell has a network of its own in which nothing but itself can be reached. */
		.net = abi >= 4 && plan->level != CELL_FULL ? NET_BIND_TCP | NET_CONNECT_TCP : 0,
		.scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL : 0,
	};
	int r = restrict_self(&attr, list.at, list.count, err);
	if (r == 0)
		*ret_abi = abi;
	return r;
}

int landlock_readonly(struct err *err)
{
	/* By name: /dev/shm holds files of the cell. */
	static const struct file_rule rules[] = {
		{ "/dev/null", FS_WRITE_FILE }, { "/dev/zero", FS_WRITE_FILE }, { "/dev/full", FS_WRITE_FILE },
		{ "/dev/tty", FS_WRITE_FILE },
	};
	/* No scope here: two runs of one cell may signal each other. */
	struct ruleset_attr attr = { .fs = rights_of(landlock_abi()) & FS_WRITE };

	return restrict_self(&attr, rules, COUNT(rules), err);
}

int landlock_unread(struct err *err)
{
	static const char *const more[] = { "/etc", "/proc", "/dev/null", "/dev/zero", "/dev/full", "/dev/random",
	                                    "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts" };
	struct rule_list list = { .count = 0 };
	struct ruleset_attr attr = { .fs = FS_READ };

	for (size_t i = 0; i < plan_system_count; i++)
		list_add(&list, plan_system[i], FS_READ);
	for (size_t i = 0; i < COUNT(more); i++)
		list_add(&list, more[i], FS_READ);
	return restrict_self(&attr, list.at, list.count, err);
}

int landlock_apart(struct err *err)
{
	static const struct file_rule rules[] = { { "/", FS_REFER } };
	/* A layer must handle something: what no cell may do anyway, and what every layer must grant to keep. */
	struct ruleset_attr attr = { .fs = rights_of(landlock_abi()) & (FS_MAKE_BLOCK | FS_REFER) };

	return restrict_self(&attr, rules, COUNT(rules), err);
}
