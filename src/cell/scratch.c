/* scratch.c - the temporary directory of a cell without mounts. It must not outlive the cell, whatever kills pid 1, and
 * pid 1 cannot remove it: it is confined itself. So a child waits outside of the confinement for the end. It follows no
 * link and leaves other file systems alone. */
#include "cell/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/banned.h"

enum { SWEEPS = 500, PAUSE_US = 10000, DEPTH_MAX = 128 };

/* A directory whose owner took his own rights away is given them back. */
static int open_dir(int at, const char *name)
{
	char link[64];
	AUTO(fd_closep) int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if (chmod(link, 0700) < 0)
		return -1;
	return open(link, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void empty(int dir_fd, int depth)
{
	DIR *dir = fdopendir(dir_fd);

	if (dir == NULL) {
		close(dir_fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dir_fd, entry->d_name, 0) == 0)
			continue;
		int fd = open_dir(dir_fd, entry->d_name);
		if (fd >= 0 && depth < DEPTH_MAX)
			empty(fd, depth + 1);
		else
			fd_close(&fd);
		unlinkat(dir_fd, entry->d_name, AT_REMOVEDIR);
	}
	closedir(dir);
}

/* Processes of the cell may still be dying and writing: again, until it is gone. */
static _Noreturn void sweep(const char *path, int wait_fd)
{
	char byte;

	setsid();
	prctl(PR_SET_PDEATHSIG, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	while (read(wait_fd, &byte, 1) < 0 && errno == EINTR)
		;
	for (int i = 0; i < SWEEPS; i++) {
		int fd = open_dir(AT_FDCWD, path);
		if (fd >= 0)
			empty(fd, 0);
		if (rmdir(path) == 0 || errno == ENOENT)
			_exit(0);
		usleep(PAUSE_US);
	}
	_exit(1);
}

int scratch_make(char ret_path[static PATH_MAX], int *ret_fd, struct err *err)
{
	int ends[2];

	snprintf(ret_path, PATH_MAX, "/tmp/mishri-cell-XXXXXX");
	if (mkdtemp(ret_path) == NULL)
		return err_sys(err, "cell: cannot make a directory for temporary files in /tmp");
	if (pipe2(ends, O_CLOEXEC) < 0) {
		rmdir(ret_path);
		return err_sys(err, "pipe");
	}
	pid_t pid = fork();
	if (pid == 0) {
		/* Nothing but its own end: the socket of pid 1 must close with pid 1. */
		if (dup2(ends[0], 0) < 0)
			_exit(1);
		close_range(3, ~0u, 0);
		sweep(ret_path, 0);
	}
	close(ends[0]);
	if (pid < 0) {
		close(ends[1]);
		rmdir(ret_path);
		return err_sys(err, "fork");
	}
	*ret_fd = ends[1];
	return 0;
}
