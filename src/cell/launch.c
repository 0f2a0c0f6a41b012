/* launch.c - starts what a RUN asks for. The child puts on every restriction itself, in an order in which each still
 * can be put on, and waits until it is traced before it does anything of the call's. It inherits nothing: descriptors,
 * environment and limits are those of the request. */
#include "cell/launch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/permission.h"
#include "cell/landlock.h"
#include "cell/lean.h"
#include "cell/narrow.h"
#include "base/banned.h"

enum { EXIT_CANNOT = 126, EXIT_NOT_FOUND = 127 };

/* One line on the stderr of the run, which the caller sees. */
static _Noreturn void give_up(int status, const char *what, const char *why)
{
	char line[LIMIT_ERR_TEXT_BYTES + 64];
	int n = snprintf(line, sizeof line, "mishri: %s: %s\n", what, why);

	(void)!write(2, line, MIN((size_t)n, sizeof line - 1));
	_exit(status);
}

static uint64_t tighter(uint64_t cell, uint64_t run)
{
	return run != 0 && run < cell ? run : cell;
}

static void limit(__rlimit_resource_t resource, uint64_t value)
{
	struct rlimit now;

	if (getrlimit(resource, &now) < 0)
		give_up(EXIT_CANNOT, "limits", strerror(errno));
	rlim_t most = MIN((rlim_t)value, now.rlim_max);      /* never above what the engine itself may */
	struct rlimit want = { most, most };
	if (setrlimit(resource, &want) < 0)
		give_up(EXIT_CANNOT, "limits", strerror(errno));
}

/* What one process may have at most. For memory, processes and time of the whole tree this is a second line, behind the
 * group and the meter, so it is wider. */
static void limits_set(const struct plan *plan, const struct msg *run)
{
	/* not AS: node and java reserve far more than they use, and so does each thread for its stack */
	if (plan->cgroup_version == 0 && plan->memory_bytes < UINT64_MAX / 8)
		limit(RLIMIT_DATA, 4 * plan->memory_bytes + plan->processes * MIB(8));
	limit(RLIMIT_FSIZE, tighter(plan->file_bytes, run->file_bytes));
	limit(RLIMIT_NOFILE, tighter(plan->open_files, run->open_files));
	/* Counted per user namespace; elsewhere the user's other processes would count, and the gate counts instead. */
	if (plan->level == CELL_FULL)
		limit(RLIMIT_NPROC, plan->processes + LIMIT_CELL_SPARE_PROCESSES);
	if (run->cpu_ms > 0)
		limit(RLIMIT_CPU, (run->cpu_ms + 999) / 1000 + 1);
}

/* All others have their default action in pid 1. */
static void signals_reset(void)
{
	sigset_t none;

	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static const char *env_find(const struct texts *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < env->count; i++)
		if (strncmp(env->at[i], name, len) == 0 && env->at[i][len] == '=')
			return env->at[i] + len + 1;
	return NULL;
}

/* Each try that succeeds does not return; each program that starts is the gate's affair. */
static _Noreturn void exec_program(const struct msg *run)
{
	const char *name = run->argv.at[0], *path = env_find(&run->env, "PATH");
	char *const *argv = (char *const *)run->argv.at, *const *env = (char *const *)run->env.at;
	struct str rest = str_of(path), dir;
	char file[PATH_MAX];
	int seen = ENOENT;

	if (strchr(name, '/') != NULL) {
		execve(name, argv, env);
		give_up(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT, name, strerror(errno));
	}
	while (str_next(&rest, ':', &dir)) {
		if ((size_t)snprintf(file, sizeof file, "%.*s/%s", STR_ARG(dir), name) >= sizeof file || dir.len == 0)
			continue;
		execve(file, argv, env);
		if (errno != ENOENT && errno != ENOTDIR)
			seen = errno;
	}
	give_up(seen == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT, name,
	        seen == ENOENT ? "not found in PATH" : strerror(seen));
}

static _Noreturn void run_builtin(const struct init_setup *setup, const struct msg *run)
{
	struct err err = ERR_NONE;
	json_t *args = NULL;

	environ = (char **)run->env.at;
	if (json_parse(str_of(run->text), &args, &err) < 0)
		give_up(EXIT_CANNOT, run->builtin, err.text);
	for (size_t i = 0; i < setup->builtin_count; i++) {
		if (strcmp(setup->builtins[i].name, run->builtin) != 0)
			continue;
		int status = setup->builtins[i].run(args, setup->plan->workspace);
		fflush(NULL);
		_exit(status);
	}
	give_up(EXIT_NOT_FOUND, run->builtin, "there is no such builtin");
}

static void descriptors_set(const struct msg *run)
{
	for (int i = 0; i < 3; i++)
		if (dup2(run->fds[i], i) < 0)
			_exit(EXIT_CANNOT);
}

static _Noreturn void child(const struct init_setup *setup, const struct msg *run, int handshake)
{
	struct err err = ERR_NONE;
	char byte = 0;

	/* pid 1 is not dumpable and has no capability: only a dumpable child can be seized. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (io_write_all(handshake, &byte, 1) < 0 || io_read_all(handshake, &byte, 1) < 0)
		_exit(EXIT_CANNOT);
	if (run->builtin[0] != '\0')
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	int entered = cgroup_enter(setup->group);
	descriptors_set(run);
	close_range(3, ~0u, 0);
	if (entered < 0)
		give_up(EXIT_CANNOT, "control group", strerror(-entered));
	setsid();
	if (chdir(run->cwd) < 0)
		give_up(EXIT_CANNOT, run->cwd, strerror(errno));
	limits_set(setup->plan, run);
	/* A call may hold secrets: what another one left running must not read them out of /proc. */
	if (setup->plan->level != CELL_NONE && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_apart(&err) < 0))
		give_up(EXIT_CANNOT, "a domain of its own", err.code != 0 ? err.text : strerror(errno));
	signals_reset();
	if (narrow_run(setup->plan, (unsigned)run->withheld, run->builtin[0] != '\0', &err) < 0)
		give_up(EXIT_CANNOT, "permissions", err.text);
	if (setup->filters != NULL) {
		int r = filter_enter(&setup->filters[FILTER_RUN]);
		if (r < 0)
			give_up(EXIT_CANNOT, "seccomp", strerror(-r));
	}
	if (run->builtin[0] != '\0')
		run_builtin(setup, run);
	exec_program(run);
}

int launch(struct gate *gate, const struct init_setup *setup, const struct msg *run, struct err *err)
{
	int ends[2];
	char byte = 0;
	const struct run_bounds bounds = {
		.cpu_ns = run->cpu_ms * 1000000, .memory_bytes = run->memory_bytes, .processes = run->processes,
		.file_bytes = tighter(setup->plan->file_bytes, run->file_bytes),
	};

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "socketpair");
	pid_t pid = run->builtin[0] != '\0' ? lean_fork_whole() : lean_fork();
	if (pid == 0) {
		close(ends[0]);
		child(setup, run, ends[1]);
	}
	AUTO(fd_closep) int handshake = ends[0];
	close(ends[1]);
	if (pid < 0)
		return err_sys(err, "cannot start another process");
	gate->hash_system = run->hash_system;    /* the same policy holds for all runs of a cell: the newest one's */
	int r = io_read_all(handshake, &byte, 1);
	bool alone = (run->withheld & PERMISSION(EXEC)) != 0;
	r = r < 0 ? err_set(err, -r, "the new process ended before it began") :
	            gate_adopt(gate, run->call, alone, pid, &bounds, err);
	if (r < 0) {
		kill(pid, SIGKILL);      /* reaped with the others */
		return r;
	}
	if (io_write_all(handshake, &byte, 1) < 0)
		kill(pid, SIGKILL);      /* its end is reported as the end of the run */
	return 0;
}
