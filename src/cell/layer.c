/* layer.c - overlays. The kernel forbids two mounts over one upper directory, and cells have no mount in common: so the
 * overlay is mounted once, in namespaces of its own that no process stays in, and each cell gets a clone of that mount.
 * It falls back to nothing: a layer that cannot be had is an error that says what is missing. */
#include "cell/layer.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "cell/ids.h"
#include "cell/hostdir.h"
#include "policy/glob.h"
#include "base/banned.h"

#define LOWER "/tmp/lower"
#define LAYER "/tmp/layer"
#define MERGED "/tmp/merged"
#define MADE "/tmp/made"

struct layer {
	struct layer *next;
	char *path;
	int user_ns, mount_ns, lock;
};

static void layer_free(struct layer *layer)
{
	fd_close(&layer->user_ns);
	fd_close(&layer->mount_ns);
	fd_close(&layer->lock);
	free(layer->path);
	free(layer);
}

static int child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* ---- a word from a child: 0 and a descriptor, or an error ---- */

static int say_tree(int socket, int tree)
{
	return msg_send(socket, &(struct msg){ .type = MSG_MADE, .text = "", .fds = { tree }, .fd_count = 1 }) < 0;
}

static int say_error(int socket, const struct err *err)
{
	return msg_send(socket, &(struct msg){ .type = MSG_UNABLE, .code = (uint64_t)err->code, .text = err->text }) < 0;
}

static int hear_tree(int socket, int *ret_fd, struct err *err)
{
	AUTO(freep) char *room = xmalloc(LIMIT_CELL_MESSAGE_BYTES);
	struct msg msg;
	int r = msg_receive(socket, room, &msg);

	if (r <= 0)
		return err_set(err, EIO, "the process that mounts the layer of changes died");
	if (msg.type == MSG_MADE && msg.fd_count == 1) {
		*ret_fd = msg.fds[0];
		msg.fd_count = 0;
		r = 0;
	} else {
		r = err_set(err, msg.code > 0 ? (int)msg.code : EIO, "%s", msg.type == MSG_UNABLE ? msg.text : "the layer of changes");
	}
	msg_done(&msg);
	return r;
}

/* ---- in the namespaces ---- */

static int become(uid_t uid, gid_t gid)
{
	if (getuid() == uid && getgid() == gid)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

int namespace_run(int user_ns, int mount_ns, uid_t uid, gid_t gid, namespace_fn *function, void *userdata, int *ret_socket,
                  pid_t *ret_pid, struct err *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "socketpair");
	pid_t warden = getpid(), pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != warden)
			_exit(2);
		if (setns(user_ns, CLONE_NEWUSER) < 0 || setns(mount_ns, CLONE_NEWNS) < 0 || become(uid, gid) < 0)
			_exit(3);
		_exit(function(userdata, ends[1]));
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return err_sys(err, "fork");
	}
	*ret_socket = ends[0];
	*ret_pid = pid;
	return 0;
}

static int clone_merged(void *userdata UNUSED, int socket)
{
	struct err err = ERR_NONE;
	int tree = open_tree(AT_FDCWD, MERGED, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree >= 0)
		return say_tree(socket, tree);
	err_sys(&err, "cannot show the layer of changes to a cell");
	return say_error(socket, &err);
}

static int overlay_refused(const struct plan *plan, struct err *err)
{
	switch (errno) {
	case ENODEV:
		return err_set(err, ENODEV, "mode 'overlay' needs overlayfs, which this kernel does not have: load the module"
		               " 'overlay' (modprobe overlay), or work in mode 'direct'");
	case EPERM:
		return err_set(err, EPERM, "mode 'overlay': this kernel does not let a user namespace mount overlayfs, which"
		               " Linux 5.11 and newer do: work in mode 'direct'");
	case EINVAL:
	case ENOTSUP:
		return err_set(err, EINVAL, "mode 'overlay': the file system of '%s' cannot hold a layer of changes (another overlay"
		               " and network file systems cannot): keep the data elsewhere with --data, such as on ext4, xfs or"
		               " btrfs", plan->layer);
	case EBUSY:
		return err_set(err, EBUSY, "mode 'overlay': the layer '%s' is still mounted: wait for the end of the program that"
		               " uses it", plan->layer);
	default:
		return err_sys(err, "mode 'overlay': the layer '%s' cannot be mounted over '%s'", plan->layer, plan->workspace);
	}
}

/* A name that the policy keeps and that is not there yet could be made by a tool. Here it can be there without being in the
 * workspace or the layer: as an empty directory of a third one. Only at the top, where no other directory is touched. */
static bool make_missing(const struct plan *plan)
{
	char name[LIMIT_FILES_PATTERN_BYTES + 1], path[LIMIT_FILES_PATTERN_BYTES + 64];
	bool any = false;

	for (size_t i = 0; i < plan->keep.count; i++) {
		if (!glob_is_literal(plan->keep.at[i], name) || strchr(name, '/') != NULL)
			continue;
		snprintf(path, sizeof path, LOWER "/%s", name);
		bool missing = faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
		snprintf(path, sizeof path, LAYER "/upper/%s", name);
		missing = missing && faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
		snprintf(path, sizeof path, MADE "/%s", name);
		any |= missing && (mkdir(MADE, 0755) == 0 || errno == EEXIST) && mkdir(path, 0755) == 0;
	}
	return any;
}

/* lower, layer: trees that were opened outside, or -1: to be opened here, where the caller has no other ids. */
static int merge(const struct plan *plan, int lower, int layer, struct err *err)
{
	static const char options[] = "lowerdir=" LOWER ",upperdir=" LAYER "/upper,workdir=" LAYER "/work,userxattr";
	static const char with_made[] = "lowerdir=" MADE ":" LOWER ",upperdir=" LAYER "/upper,workdir=" LAYER "/work,userxattr";
	const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;

	if (lower < 0 && (lower = hostdir_tree(plan->workspace)) < 0)
		return err_sys(err, "mode 'overlay': cannot take the workspace '%s'", plan->workspace);
	if (layer < 0 && (layer = open_tree(AT_FDCWD, plan->layer, flags)) < 0)
		return err_sys(err, "mode 'overlay': cannot take the layer '%s'", plan->layer);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=0755") < 0 || mkdir(LOWER, 0755) < 0 ||
	    mkdir(LAYER, 0755) < 0 || mkdir(MERGED, 0755) < 0 ||
	    move_mount(lower, "", AT_FDCWD, LOWER, MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    move_mount(layer, "", AT_FDCWD, LAYER, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(err, "mode 'overlay': cannot prepare the mounts");
	if (mount("overlay", MERGED, "overlay", MS_NOSUID | MS_NODEV, make_missing(plan) ? with_made : options) < 0)
		return overlay_refused(plan, err);
	return 0;
}

static _Noreturn void holder_main(const struct plan *plan, int lower, int layer, int socket)
{
	struct err err = ERR_NONE;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Until the ids are mapped. */
	if (recv(socket, &byte, 1, 0) != 1 || become(plan->uid_inside, plan->gid_inside) < 0)
		_exit(2);
	umask(0);
	if (merge(plan, lower, layer, &err) < 0)
		_exit(say_error(socket, &err));
	_exit(clone_merged(NULL, socket));
}

/* ---- in the warden ---- */

static int ns_open(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int hold(const struct plan *plan, int lower, int tree, struct layer *layer, int *ret_fd, struct err *err)
{
	struct clone_args args = { .flags = CLONE_NEWUSER | CLONE_NEWNS, .exit_signal = SIGCHLD };
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "socketpair");
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0) {
		close(ends[0]);
		holder_main(plan, lower, tree, ends[1]);
	}
	AUTO(fd_closep) int socket = ends[0];
	close(ends[1]);
	if (pid < 0)
		return err_sys(err, "mode 'overlay' needs user namespaces");
	layer->user_ns = ns_open((pid_t)pid, "user");
	layer->mount_ns = ns_open((pid_t)pid, "mnt");
	if (layer->user_ns < 0 || layer->mount_ns < 0)
		r = err_sys(err, "mode 'overlay': cannot keep the namespaces of the layer");
	else
		r = ids_write(plan, (pid_t)pid, err);
	if (r == 0 && send(socket, "", 1, MSG_NOSIGNAL) != 1)
		r = err_sys(err, "mode 'overlay': the process that mounts is gone");
	if (r == 0)
		r = hear_tree(socket, ret_fd, err);
	kill((pid_t)pid, SIGKILL);
	(void)child_wait((pid_t)pid);
	return r;
}

/* An engine that was killed may leave its warden and cells for another moment. */
static int lock_take(const char *layer, int *ret_fd, struct err *err)
{
	AUTO(freep) char *path = xasprintf("%s/lock", layer);
	AUTO(fd_closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int64_t until_ms = clock_mono_ms() + LIMIT_CELL_LAYER_WAIT_MS;

	if (fd < 0)
		return err_sys(err, "mode 'overlay': '%s'", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || clock_mono_ms() > until_ms)
			return err_set(err, EBUSY, "mode 'overlay': the layer '%s' is in use by another program: wait for its end",
			               layer);
		usleep(10000);
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int layer_make(const struct plan *plan, struct layer *layer, int *ret_fd, struct err *err)
{
	AUTO(fd_closep) int lower = -1;
	AUTO(fd_closep) int tree = -1;
	int r = lock_take(plan->layer, &layer->lock, err);

	if (r == 0 && plan->as_root)
		r = ids_map_workspace(plan, &lower, err);
	if (r == 0 && plan->as_root)
		r = ids_map_layer(plan, &tree, err);
	return r == 0 ? hold(plan, lower, tree, layer, ret_fd, err) : r;
}

static int layer_again(const struct layer *layer, const struct plan *plan, int *ret_fd, struct err *err)
{
	int socket;
	pid_t pid;
	int r = namespace_run(layer->user_ns, layer->mount_ns, plan->uid_inside, plan->gid_inside, clone_merged, NULL, &socket,
	                      &pid, err);

	if (r < 0)
		return r;
	r = hear_tree(socket, ret_fd, err);
	close(socket);
	kill(pid, SIGKILL);
	(void)child_wait(pid);
	return r;
}

int layer_tree(struct layer **list, const struct plan *plan, int *ret_fd, struct err *err)
{
	for (struct layer *layer = *list; layer != NULL; layer = layer->next)
		if (strcmp(layer->path, plan->layer) == 0)
			return layer_again(layer, plan, ret_fd, err);
	struct layer *layer = xcalloc(1, sizeof *layer);
	layer->path = xstrdup(plan->layer);
	layer->user_ns = layer->mount_ns = layer->lock = -1;
	int r = layer_make(plan, layer, ret_fd, err);
	if (r < 0) {
		layer_free(layer);
		return r;
	}
	layer->next = *list;
	*list = layer;
	return 0;
}
