/* enter.c - builds the view of a cell and drops every privilege, in the one order that works: ids, mounts, root,
 * network, capabilities, no_new_privs, Landlock (after which the kernel allows no mount any more). What cannot be done
 * is an error; nothing is left out silently. */
#include "cell/enter.h"

#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <stdio.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "cell/guard.h"
#include "cell/landlock.h"
#include "cell/hostdir.h"
#include "cell/scratch.h"
#include "cell/userns.h"
#include "base/banned.h"

static int dir_make(const char *path, mode_t mode, struct err *err)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return err_sys(err, "cell: cannot make '%s'", path);
	return 0;
}

/* The directories on the way to a relative path; itself too with `whole`. */
static int dirs_make(const char *path, bool whole, struct err *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	assert(len < sizeof part && path[0] != '/');
	memcpy(part, path, len + 1);
	for (char *slash = strchr(part, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int r = dir_make(part, 0755, err);
		if (r < 0)
			return r;
		*slash = '/';
	}
	return whole ? dir_make(part, 0755, err) : 0;
}

static int file_make(const char *path, const char *text, struct err *err)
{
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0 || io_write_all(fd, text, strlen(text)) < 0)
		return err_sys(err, "cell: cannot make '%s'", path);
	return 0;
}

/* Something of the host at the same place in the new root (which is the working directory): a link as a link, a file
 * or a directory as a mount. What the host does not have, the cell does not have. */
static int show(const char *host_path, struct err *err)
{
	const char *path = host_path + 1;
	char target[PATH_MAX];
	struct stat st;

	if (lstat(host_path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(err, "%s", host_path);
	int r = dirs_make(path, S_ISDIR(st.st_mode), err);
	if (r < 0)
		return r;
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(host_path, target, sizeof target - 1);
		target[n > 0 ? n : 0] = '\0';
		return n > 0 && symlink(target, path) == 0 ? 0 : err_sys(err, "cell: cannot link '%s'", host_path);
	}
	if (!S_ISDIR(st.st_mode) && (r = file_make(path, "", err)) < 0)
		return r;
	if (mount(host_path, path, NULL, MS_BIND | MS_REC, NULL) < 0)
		return err_sys(err, "cell: cannot show '%s'", host_path);
	return 0;
}

static int etc_make(const struct plan *plan, struct err *err)
{
	char text[256], path[128];
	int r = dir_make("etc", 0755, err);

	for (size_t i = 0; i < plan_etc_count && r == 0; i++) {
		snprintf(path, sizeof path, "/etc/%s", plan_etc[i]);
		r = show(path, err);
	}
	snprintf(text, sizeof text, "root:x:0:0:root:/:/usr/sbin/nologin\nagent:x:%u:%u:agent:/tmp:/bin/sh\n"
	         "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n", plan->uid_inside, plan->gid_inside);
	if (r == 0)
		r = file_make("etc/passwd", text, err);
	snprintf(text, sizeof text, "root:x:0:\nagent:x:%u:\nnogroup:x:65534:\n", plan->gid_inside);
	if (r == 0)
		r = file_make("etc/group", text, err);
	if (r == 0)
		r = file_make("etc/hosts", "127.0.0.1 localhost cell\n::1 localhost\n", err);
	return r < 0 ? r : file_make("etc/hostname", "cell\n", err);
}

static int device_places(struct err *err)
{
	char path[64];
	int r = dir_make("dev", 0755, err);

	for (size_t i = 0; i < plan_devices_count && r == 0; i++) {
		snprintf(path, sizeof path, "dev/%s", plan_devices[i]);
		r = file_make(path, "", err);
	}
	if (r == 0)
		r = dir_make("dev/pts", 0755, err);
	return r < 0 ? r : dir_make("dev/shm", 0755, err);
}

/* Everything that is read-only in the end, and the places where the writable mounts will go. */
static int skeleton(const struct plan *plan, struct err *err)
{
	static const char *const dirs[] = { "proc", "tmp", "var", "run" };
	int r = 0;

	for (size_t i = 0; i < COUNT(dirs) && r == 0; i++)
		r = dir_make(dirs[i], 0755, err);
	for (size_t i = 0; i < plan_system_count && r == 0; i++)
		r = show(plan_system[i], err);
	if (r == 0)
		r = etc_make(plan, err);
	if (r == 0)
		r = device_places(err);
	if (r == 0)     /* before the links: a workspace below /var/tmp takes the place of one */
		r = dirs_make(plan->workspace + 1, true, err);
	for (size_t i = 0; i < plan->writable.count && r == 0; i++)
		r = dirs_make(plan->writable.at[i] + 1, true, err);
	if (r == 0 && plan_guards(plan))
		r = guard_covers_make(AT_FDCWD, err);
	for (size_t i = 0; i < plan_links_count && r == 0; i++)
		if (symlink(plan_links[i].target, plan_links[i].path) < 0 && errno != EEXIST)
			r = err_sys(err, "cell: cannot link '%s'", plan_links[i].path);
	if (r < 0)
		return r;
	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return err_sys(err, "cell: cannot mount /proc (in a container, parts of the outer /proc are covered: start it"
		               " with an unmasked /proc)");
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
	if (mount_setattr(AT_FDCWD, ".", AT_RECURSIVE, &attr, sizeof attr) < 0)
		return err_sys(err, "cell: cannot make the system read-only");
	return 0;
}

static int devices(struct err *err)
{
	char from[64], to[64];

	for (size_t i = 0; i < plan_devices_count; i++) {
		snprintf(from, sizeof from, "/dev/%s", plan_devices[i]);
		snprintf(to, sizeof to, "dev/%s", plan_devices[i]);
		if (mount(from, to, NULL, MS_BIND, NULL) < 0)
			return err_sys(err, "cell: cannot show '%s'", from);
	}
	if (mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620") < 0)
		return err_sys(err, "cell: cannot mount /dev/pts");
	return 0;
}

/* /tmp and /dev/shm are two directories of one file system, so that one size bounds both. */
static int scratch(const struct plan *plan, struct err *err)
{
	char options[96];

	/* empty files take memory of the kernel's: as many as there is room for small ones */
	snprintf(options, sizeof options, "size=%llu,nr_inodes=%llu,mode=0755", (unsigned long long)plan->tmp_bytes,
	         (unsigned long long)MAX(plan->tmp_bytes / KIB(4), (uint64_t)LIMIT_CELL_TMP_FILES_LEAST));
	if (mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
		return err_sys(err, "cell: cannot mount /tmp");
	if (mkdir("tmp/tmp", 01777) < 0 || mkdir("tmp/shm", 01777) < 0 ||
	    mount("tmp/shm", "dev/shm", NULL, MS_BIND, NULL) < 0 || mount("tmp/tmp", "tmp", NULL, MS_BIND, NULL) < 0)
		return err_sys(err, "cell: cannot mount /tmp and /dev/shm");
	return 0;
}

static int tree_show(const char *path, int tree, bool readonly, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
	int r = path_within(path, "/tmp") ? dirs_make(path + 1, true, err) : 0;

	if (r < 0)
		return r;
	if (readonly)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0 ||
	    move_mount(tree, "", AT_FDCWD, path + 1, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(err, "cell: cannot mount '%s'", path);
	return 0;
}

/* The host's directories that the cell may write to, taken before the new root covers /tmp. */
static int trees_take(const struct plan *plan, const struct trees *given, struct trees *ret, struct err *err)
{
	for (size_t i = 0; i <= plan->writable.count; i++) {
		const char *path = i == 0 ? plan->workspace : plan->writable.at[i - 1];
		ret->at[i] = given->at[i] >= 0 ? fcntl(given->at[i], F_DUPFD_CLOEXEC, 0)
		           : hostdir_tree(path);
		if (ret->at[i] < 0)
			return err_sys(err, "cell: cannot take '%s'", path);
	}
	return 0;
}

void trees_close(struct trees *trees)
{
	for (size_t i = 0; i < COUNT(trees->at); i++)
		fd_close(&trees->at[i]);
}

static int trees_show(const struct plan *plan, const struct trees *trees, struct err *err)
{
	int r = 0;

	/* A directory before what lies in it. */
	for (size_t i = 0; i < plan->writable.count && r == 0; i++)
		r = tree_show(plan->writable.at[i], trees->at[i + 1], false, err);
	return r < 0 ? r : tree_show(plan->workspace, trees->at[0], plan->workspace_readonly, err);
}

static int guard_put_on(const struct plan *plan, json_t **ret_guarded, struct err *err)
{
	AUTO(fd_closep) int root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, "cell: its root");
	return guard_apply(&(struct guard){ .root = root, .workspace = plan->workspace, .hide = &plan->hide,
	                                    .keep = &plan->keep }, ret_guarded, err);
}

static int view_make(const struct plan *plan, const struct trees *trees, struct entered *ret, struct err *err)
{
	if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0755") < 0 || chdir("/tmp") < 0)
		return err_sys(err, "cell: cannot make its root");
	int r = skeleton(plan, err);
	if (r == 0)
		r = devices(err);
	if (r == 0)
		r = scratch(plan, err);
	if (r == 0)
		r = trees_show(plan, trees, err);
	if (r == 0 && plan_guards(plan))
		r = guard_put_on(plan, &ret->guarded, err);
	if (r < 0)
		return r;
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(err, "cell: cannot leave the host's root");
	return 0;
}

/* From the host's mounts to the cell's. The workspace is taken first: it may lie below /tmp, which the new root
 * covers. */
static int view(const struct plan *plan, const struct trees *given, struct entered *ret, struct err *err)
{
	struct trees trees;

	memset(&trees, 0xff, sizeof trees);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)      /* there are namespaces, and no rights in them */
		return userns_explain("/proc/sys", errno, err);
	int r = trees_take(plan, given, &trees, err);
	if (r == 0)
		r = view_make(plan, &trees, ret, err);
	trees_close(&trees);
	return r;
}

static void place_add(uint64_t *ids, size_t *count, uint64_t id)
{
	if (*count < LIMIT_CELL_MOUNTS)     /* one too many is unknown, and so untrusted */
		ids[(*count)++] = id;
}

/* mountinfo writes white space and backslashes as three octal digits. */
static void unescape(struct str field, char *ret, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < field.len && len + 1 < size; i++) {
		char c = field.ptr[i];
		if (c == '\\' && i + 3 < field.len) {
			c = (char)((field.ptr[i + 1] - '0') << 6 | (field.ptr[i + 2] - '0') << 3 | (field.ptr[i + 3] - '0'));
			i += 3;
		}
		ret[len++] = c;
	}
	ret[len] = '\0';
}

/* Reads from the kernel which mount is what: "ID PARENT MAJOR:MINOR ROOT MOUNTPOINT ...". */
static int places_record(const struct plan *plan, struct places *ret, struct err *err)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1));
	int r = io_read_file("/proc/self/mountinfo", &text, err);
	struct str rest = buf_str(&text), line;

	while (r == 0 && str_next(&rest, '\n', &line)) {
		struct str id, field = { 0 };
		uint64_t number;
		char path[PATH_MAX];
		if (!str_next(&line, ' ', &id) || str_to_u64(id, &number) < 0)
			continue;
		bool covers = false;
		for (int i = 0; i < 4; i++) {
			if (!str_next(&line, ' ', &field))
				field = (struct str){ 0 };
			covers |= i == 2 && str_starts(field, STR("/" GUARD_COVERS "/"));
		}
		if (covers)              /* nothing there to run */
			continue;
		unescape(field, path, sizeof path);
		if (path_within(path, plan->workspace))
			place_add(ret->workspace_ids, &ret->workspace_count, number);
		else if (plan_is_system(path))
			place_add(ret->system_ids, &ret->system_count, number);
	}
	ret->by_mount = true;
	return r;
}

static int network(struct err *err)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	AUTO(fd_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_sys(err, "cell: cannot start the loopback of its network");
	if (sethostname("cell", 4) < 0)
		return err_sys(err, "cell: cannot set its host name");
	return 0;
}

/* Nothing but this socket connects the cell with anything; who holds it decides. */
static int listen_for_proxy(int *ret, struct err *err)
{
	const struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(LIMIT_CELL_PROXY_PORT),
	                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	AUTO(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)(const void *)&at, sizeof at) < 0 || listen(fd, LIMIT_NET_BACKLOG) < 0)
		return err_sys(err, "cell: cannot listen for its proxy");
	*ret = fd;
	fd = -1;
	return 0;
}

static int become(const struct plan *plan, struct err *err)
{
	if (!plan->as_root)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(plan->gid_inside, plan->gid_inside, plan->gid_inside) < 0 ||
	    setresuid(plan->uid_inside, plan->uid_inside, plan->uid_inside) < 0)
		return err_sys(err, "cell: cannot become user %u", plan->uid_inside);
	return 0;
}

static int drop_privileges(struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EPERM)
			return err_sys(err, "cell: cannot give up capability %lu", cap);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall(SYS_capset, &header, none) < 0)
		return err_sys(err, "cell: cannot give up its capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "cell: cannot set no_new_privs");
	/* Nothing in the cell may look into pid 1 by way of /proc/1. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, "cell: cannot protect its pid 1");
	return 0;
}

int enter_full(const struct plan *plan, const struct trees *trees, struct entered *ret, struct err *err)
{
	*ret = (struct entered){ .scratch = "/tmp", .scratch_fd = -1, .listener = -1 };
	memcpy(ret->places.workspace_path, plan->workspace, sizeof plan->workspace);
	umask(0);
	int r = become(plan, err);
	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)    /* a change of user clears it */
		r = err_sys(err, "cell: cannot be tied to its warden");
	if (r == 0)
		r = view(plan, trees, ret, err);
	if (r == 0)
		r = places_record(plan, &ret->places, err);
	if (r == 0)
		r = network(err);
	if (r == 0)
		r = listen_for_proxy(&ret->listener, err);
	if (r == 0)
		r = drop_privileges(err);
	umask(022);
	return r < 0 ? r : landlock_enter(plan, ret->scratch, &ret->landlock_abi, err);
}

/* Where namespaces are forbidden. Nothing is hidden but by Landlock: what a full cell would not contain cannot be
 * opened. With `none` there is not even that. */
int enter_plain(const struct plan *plan, struct entered *ret, struct err *err)
{
	*ret = (struct entered){ .scratch = "/tmp", .scratch_fd = -1, .listener = -1 };
	memcpy(ret->places.workspace_path, plan->workspace, sizeof plan->workspace);
	umask(022);
	int r = become(plan, err);
	/* Orphans come back to pid 1, which knows them all. */
	if (r == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0))
		r = err_sys(err, "cell: cannot be tied to its warden");
	if (r < 0 || plan->level == CELL_NONE)
		return r;
	r = scratch_make(ret->scratch, &ret->scratch_fd, err);
	if (r == 0)
		r = drop_privileges(err);
	return r < 0 ? r : landlock_enter(plan, ret->scratch, &ret->landlock_abi, err);
}
