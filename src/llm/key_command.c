/* key_command.c - runs a person's command to get a key: `pass show openai`, `secret-tool lookup ...`. The words are the
 * person's own, so a shell reads them. What the command prints is a secret: it is in no message of this file. */
#include "llm/key_command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

#include "base/banned.h"

static int spawn(char *const *argv, int out, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t usual, none;

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE); /* we ignore it, the command should not */
	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigdefault(&attr, &usual);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	int r = posix_spawnp(ret, argv[0], &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return -r;
}

/* 0 at the end of the output, -ETIME, -ENOBUFS or -errno. */
static int collect(int fd, int64_t end_ms, struct buf *ret)
{
	char chunk[512];

	for (;;) {
		int64_t left_ms = end_ms - clock_mono_ms();
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		if (left_ms <= 0)
			return -ETIME;
		int n = poll(&wait, 1, (int)left_ms);
		if (n == 0 || (n < 0 && errno == EINTR))
			continue;
		ssize_t got = n > 0 ? read(fd, chunk, sizeof chunk) : -1;
		int r = got > 0 ? buf_add(ret, chunk, (size_t)got) : got == 0 ? 1 : errno == EINTR ? 0 : -errno;
		explicit_bzero(chunk, sizeof chunk);
		if (r != 0)
			return MIN(r, 0);
	}
}

/* Its status; -ETIME when it would not end in time. */
static int await(pid_t pid, int64_t end_ms, int *ret_status)
{
	for (;;) {
		pid_t r = waitpid(pid, ret_status, WNOHANG);
		if (r == pid)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (clock_mono_ms() >= end_ms)
			return -ETIME;
		poll(NULL, 0, 5);
	}
}

int key_command_run(const char *var, const char *command, int64_t wall_ms, struct buf *ret, struct err *err)
{
	char *const argv[] = { "/bin/sh", "-c", (char *)command, NULL };

	return key_program_run(var, argv, wall_ms, ret, err);
}

int key_program_run(const char *var, char *const *argv, int64_t wall_ms, struct buf *ret, struct err *err)
{
	int64_t end_ms = clock_mono_ms() + wall_ms;
	int ends[2], status = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, EACCES, "%s: no pipe for the command: %s", var, strerror(errno));
	AUTO(fd_closep) int in = ends[0];
	int r = spawn(argv, ends[1], &pid);
	close(ends[1]);
	if (r < 0)
		return err_set(err, EACCES, "%s: the command cannot be started: %s", var, strerror(-r));
	r = collect(in, end_ms, ret);
	if (r == 0)
		r = await(pid, end_ms, &status);
	if (r < 0) {
		kill(-pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
	}
	if (r == -ETIME)
		return err_set(err, EACCES, "%s: the command did not end within %lld s", var, (long long)(wall_ms / 1000));
	if (r == -ENOBUFS)
		return err_set(err, EACCES, "%s: the command must print one key of at most %zu bytes", var, LIMIT_API_KEY_BYTES);
	if (r < 0)
		return err_set(err, EACCES, "%s: the command's output cannot be read: %s", var, strerror(-r));
	if (WIFSIGNALED(status))
		return err_set(err, EACCES, "%s: the command was ended by signal %d", var, WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(err, EACCES, "%s: the command ended with exit status %d; it must print the key and end with 0", var,
		               WEXITSTATUS(status));
	return 0;
}
