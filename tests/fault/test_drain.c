/* test_drain.c - SIGTERM to an engine with many running tasks, all in programs that will not end: every task is parked or left to be
 * resumed, no process is left, and it takes no longer than was promised.
 *
 *   usage: test_drain DRIVER [COUNT [DEADLINE_MS]] */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "store/store.h"

enum { PATIENCE_MS = 120000 };

static char dir[] = "/tmp/mishri-drain-XXXXXX";

static void die(const char *why)
{
	fprintf(stderr, "%s (what is left lies in %s)\n", why, dir);
	exit(1);
}

static int64_t running(const char *workspace)
{
	DIR *d = opendir(workspace);
	int64_t count = 0;

	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		count += strncmp(e->d_name, "running.", 8) == 0;
	if (d != NULL)
		closedir(d);
	return count;
}

static pid_t start(const char *driver, const char *count, const char *deadline)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl(driver, driver, dir, count, deadline, (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* Orphans come to this process: when it has no child any more, nothing is left. */
static bool all_gone(int64_t until_ms)
{
	for (;;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0)
			return errno == ECHILD;
		if (pid == 0 && clock_mono_ms() > until_ms)
			return false;
		if (pid == 0)
			usleep(5000);
	}
}

struct sums { int64_t tasks, parked, held; };

static void add(void *userdata, const struct task_row *row)
{
	struct sums *s = userdata;

	s->tasks++;
	s->parked += row->state == TASK_PARKED;
	s->held += row->holder_pid != 0;
}

static void check_store(const char *data, int64_t count, struct sums *ret)
{
	AUTO(store_closep) struct store *store = NULL;
	static const char *const states[] = { "running", "parked" };
	struct store_report report;
	struct err err = ERR_NONE;

	if (store_open(data, STORE_READ_ONLY, &store, &err) < 0 || store_verify(store, &report, &err) < 0)
		die(err.text);
	for (size_t i = 0; i < COUNT(states); i++) {
		const struct task_filter filter = { .state = states[i], .limit = INT64_MAX };
		if (store_tasks(store, &filter, add, ret, &err) < 0)
			die(err.text);
	}
	if (ret->tasks != count)
		die("a task is lost");
	if (ret->held != 0)
		die("a lease is held by a process that is gone");
}

int main(int argc, char **argv)
{
	const char *number = argc > 2 ? argv[2] : "200";
	AUTO(freep) char *workspace = NULL, *data = NULL;
	const char *deadline = argc > 3 ? argv[3] : "20000";
	uint64_t count, deadline_ms;
	struct sums sums = { 0 };
	int status;

	if (argc < 2 || str_to_u64(str_of(number), &count) < 0 || str_to_u64(str_of(deadline), &deadline_ms) < 0 || mkdtemp(dir) == NULL)
		return 2;
	workspace = xasprintf("%s/ws", dir);
	data = xasprintf("%s/data", dir);
	if (mkdir(workspace, 0700) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return 2;
	pid_t pid = start(argv[1], number, deadline);
	for (int64_t until_ms = clock_mono_ms() + PATIENCE_MS; running(workspace) < (int64_t)count; usleep(20000))
		if (clock_mono_ms() > until_ms || waitpid(pid, &status, WNOHANG) != 0) {
			kill(pid, SIGKILL);
			die("the tasks did not all begin");
		}
	int64_t begun_ms = clock_mono_ms();
	kill(pid, SIGTERM);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		die("the engine did not end in order");
	int64_t ended_ms = clock_mono_ms();
	if (!all_gone(ended_ms + 5000))
		die("a process is left");
	if (ended_ms - begun_ms > (int64_t)deadline_ms + LIMIT_STOP_GUARD_MS)
		die("it took longer than the deadline");
	check_store(data, (int64_t)count, &sums);
	printf("%lld tasks in programs that ignore signals: %lld parked, %lld left to be resumed, 0 processes left, %lld ms\n",
	       (long long)count, (long long)sums.parked, (long long)(count - (uint64_t)sums.parked), (long long)(ended_ms - begun_ms));
	fflush(stdout);
	return execlp("rm", "rm", "-rf", dir, (char *)NULL);
}
