/* userns.c - why there is no user namespace: each way by which a machine forbids them has its own mending, and its own
 * sysctl that says so. It changes none of them. */
#include "cell/userns.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/banned.h"

/* Looked at in this order: the first that is set so is the reason. */
static const struct reason {
	const char *file, *value, *says;
} reasons[] = {
	{ "user/max_user_namespaces", "0", "user namespaces are turned off (sysctl user.max_user_namespaces is 0): raise it, such as"
	  " sysctl user.max_user_namespaces=10000" },
	{ "kernel/unprivileged_userns_clone", "0", "user namespaces are root's alone here: sysctl kernel.unprivileged_userns_clone=1" },
	{ "kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor lets only programs with a profile have user namespaces here"
	  " (Ubuntu 24.04 and later): load one by `mishri doctor --apparmor | sudo tee /etc/apparmor.d/mishri` and"
	  " `sudo apparmor_parser -r /etc/apparmor.d/mishri`" },
};

static bool is_set_so(const char *sys, const struct reason *reason)
{
	AUTO(buf_done) struct buf text = BUF_INIT(64);
	AUTO(freep) char *path = xasprintf("%s/%s", sys, reason->file);

	return io_read_file(path, &text, NULL) == 0 && str_eq(str_trim(buf_str(&text)), str_of(reason->value));
}

/* Where the root directory is no root of a mount, somebody changed it. */
static bool is_chroot(void)
{
	struct statx st;

	return statx(AT_FDCWD, "/", 0, STATX_BASIC_STATS, &st) == 0 &&
	       (st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0 && (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0;
}

int userns_explain(const char *sys, int error, struct err *err)
{
	static const char otherwise[] = "; until then isolation is 'reduced' at best";

	for (size_t i = 0; i < COUNT(reasons); i++)
		if (is_set_so(sys, &reasons[i]))
			return err_set(err, error, "%s%s", reasons[i].says, otherwise);
	if (error == EPERM && is_chroot())
		return err_set(err, error, "this is a chroot(2), and in one the kernel makes no user namespaces: enter the directory as"
		               " containers do, by pivot_root (systemd-nspawn and podman do)%s", otherwise);
	if (error == ENOSPC)
		return err_set(err, error, "no more user namespaces: raise the sysctl user.max_user_namespaces%s", otherwise);
	return err_set(err, error, "user namespaces are forbidden here (%s): in a container, start that with a seccomp profile that"
	               " allows them%s", strerror(error), otherwise);
}

/* In the new namespaces: without rights in them they are worth nothing. The status is an errno. */
static _Noreturn void use_them(void)
{
	_exit(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? errno : 0);
}

int userns_try(struct err *err)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
		         CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	int status = 0;
	long pid = syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0)
		use_them();
	if (pid < 0)
		return userns_explain("/proc/sys", errno, err);
	while (waitpid((pid_t)pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, "waitpid");
	int error = WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
	return error == 0 ? 0 : userns_explain("/proc/sys", error, err);
}
