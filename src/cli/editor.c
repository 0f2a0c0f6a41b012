/* editor.c - starts the editor that the person chose, on a file that only the person can read, with an environment of
 * what an editor needs: no key of a model is in it. The terminal is the editor's until it ends. */
#include "cli/editor.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

#include "base/banned.h"

struct editor {
	pid_t pid;
	int pidfd;
	struct watch *ended;
	char *path;
	void (*done)(void *userdata, const char *text, const char *why);
	void *userdata;
};

static void take_terminal(pid_t group)
{
	sigset_t block, before;

	sigemptyset(&block);
	sigaddset(&block, SIGTTOU);
	sigprocmask(SIG_BLOCK, &block, &before);
	tcsetpgrp(STDIN_FILENO, group);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

void editor_free(struct editor *e)
{
	if (e == NULL)
		return;
	watch_free(e->ended);
	if (e->pid > 0) {
		kill(-e->pid, SIGKILL);
		waitpid(e->pid, NULL, 0);
		take_terminal(getpgrp());
	}
	fd_close(&e->pidfd);
	if (e->path != NULL)
		unlink(e->path);
	free(e->path);
	free(e);
}

static void on_ended(void *userdata)
{
	struct editor *e = userdata;
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_CALL_ARGS_BYTES);
	struct err err = ERR_NONE;
	int status = 0;

	if (waitpid(e->pid, &status, WNOHANG) != e->pid)
		return;
	e->pid = 0;
	take_terminal(getpgrp());
	void (*done)(void *, const char *, const char *) = e->done;
	void *whom = e->userdata;
	bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0 && io_read_file(e->path, &text, &err) == 0;
	editor_free(e);
	done(whom, ok ? buf_text(&text) : NULL, err.code != 0 ? err.text : "the editor did not end well");
}

/* Only what an editor needs; the keys of models are in the environment, too. */
static char **editor_environment(void)
{
	static const char *const names[] = { "PATH", "HOME", "TERM", "LANG", "LC_ALL", "LC_CTYPE", "USER", "LOGNAME", "SHELL",
	                                     "DISPLAY", "WAYLAND_DISPLAY", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "COLORTERM" };
	char **env = xcalloc(COUNT(names) + 1, sizeof *env);
	size_t n = 0;

	for (size_t i = 0; i < COUNT(names); i++)
		if (getenv(names[i]) != NULL)
			env[n++] = xasprintf("%s=%s", names[i], getenv(names[i]));
	return env;
}

static void free_all(char **texts)
{
	for (size_t i = 0; texts[i] != NULL; i++)
		free(texts[i]);
	free(texts);
}

/* The value of EDITOR is a command with words, as other programs take it. */
static int spawn(const char *command, const char *path, pid_t *ret)
{
	AUTO(freep) char *script = xasprintf("exec %s \"$1\"", command);
	char *argv[] = { (char *)"sh", (char *)"-c", script, (char *)"sh", (char *)path, NULL };
	char **env = editor_environment();
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none;

	sigemptyset(&none);
	posix_spawnattr_init(&how);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&how, 0);
	posix_spawnattr_setsigmask(&how, &none);
	sigaddset(&none, SIGPIPE);
	posix_spawnattr_setsigdefault(&how, &none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO); /* stdout may be a file of results */
	int r = posix_spawn(ret, "/bin/sh", &files, &how, argv, env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&how);
	free_all(env);
	return -r;
}

static int write_file(const char *text, char **ret_path, struct err *err)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	AUTO(freep) char *path = xasprintf("%s/mishri-edit-XXXXXX.json", dir != NULL && dir[0] == '/' ? dir : "/tmp");
	AUTO(fd_closep) int fd = mkostemps(path, (int)strlen(".json"), O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "no file for the editor at %s", path);
	*ret_path = TAKE(path);
	int r = io_write_all(fd, text, strlen(text));
	return r < 0 ? err_set(err, -r, "the file for the editor: %s", strerror(-r)) : 0;
}

int editor_start(struct loop *loop, const char *text, void (*done)(void *userdata, const char *text, const char *why),
                 void *userdata, struct editor **ret, struct err *err)
{
	const char *command = getenv("VISUAL");

	if (command == NULL || command[0] == '\0')
		command = getenv("EDITOR");
	if (command == NULL || command[0] == '\0')
		return err_set(err, ENOENT, "neither VISUAL nor EDITOR names an editor: write the new arguments behind the e, as JSON");
	struct editor *e = xcalloc(1, sizeof *e);
	*e = (struct editor){ .pidfd = -1, .done = done, .userdata = userdata };
	int r = write_file(text, &e->path, err);
	if (r == 0 && (r = spawn(command, e->path, &e->pid)) < 0) {
		e->pid = 0;
		r = err_set(err, -r, "the editor '%s' cannot be started: %s", command, strerror(-r));
	}
	if (r == 0) {
		take_terminal(e->pid);
		kill(-e->pid, SIGCONT); /* it may have asked for the terminal too early */
		e->pidfd = (int)syscall(SYS_pidfd_open, e->pid, 0);
		if (e->pidfd < 0)
			r = err_sys(err, "the editor cannot be waited for");
	}
	if (r < 0) {
		editor_free(e);
		return r;
	}
	e->ended = watch_fd(loop, e->pidfd, on_ended, e);
	*ret = e;
	return 0;
}
