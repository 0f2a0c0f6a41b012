/* test_store.c - the disk fails, or the process dies, at the N-th call: nothing acknowledged is lost,
 * nothing is half there, the reason is told, and the store can be used again.
 *
 *   usage: test_store SHIM DRIVER */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "store/store.h"

struct sweep {
	const char *call, *what, *from;
	int error;                              /* what the driver must end with; 0: it is killed */
	long batches, dense, stride, last;      /* N: 1..dense one by one, then by stride up to last */
	bool may_be_harmless;                   /* the fault may have no effect at all */
};

static const struct sweep sweeps[] = {
	{ "write", "ENOSPC", NULL, ENOSPC, 12, 40, 9, 400, false },
	{ "write", "ENOSPC", "1", ENOSPC, 12, 10, 17, 400, false },
	{ "write", "EIO", NULL, EIO, 12, 10, 13, 400, false },
	{ "write", "SHORT", NULL, 0, 12, 5, 31, 300, true },
	{ "write", "KILL", NULL, 0, 12, 40, 11, 400, false },
	{ "sync", "EIO", NULL, EIO, 12, 30, 1, 30, false },
	{ "sync", "KILL", NULL, 0, 12, 30, 1, 30, false },
	{ "sync", "KILL", NULL, 0, 400, 0, 37, 420, false },         /* far enough for checkpoints of the log */
	{ "write", "ENOSPC", NULL, ENOSPC, 400, 0, 911, 9000, false },
	{ "truncate", "EIO", "1", EIO, 12, 6, 1, 6, true },
};

static const char *shim, *driver;
static char dir[] = "/tmp/mishri-fault-XXXXXX";

static void die(const struct sweep *s, long n, const char *why)
{
	fprintf(stderr, "%s %s %s N=%ld of %ld batches: %s\n", s->call, s->what, s->from != NULL ? "and on" : "once", n,
	        s->batches, why);
	exit(1);
}

static void remove_store(void)
{
	static const char *const names[] = { "mishri.db", "mishri.db-wal", "mishri.db-shm" };
	char path[128];

	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		unlink(path);
	}
}

static void set_up_child(const struct sweep *s, long n, int out)
{
	char number[32], batches[32];

	snprintf(number, sizeof number, "%ld", n);
	snprintf(batches, sizeof batches, "%ld", s->batches);
	dup2(out, 1);
	if (n > 0) {
		setenv("FAULT_CALL", s->call, 1);
		setenv("FAULT_DO", s->what, 1);
		setenv("FAULT_AT", number, 1);
		setenv("FAULT_PATH", dir, 1);
		if (s->from != NULL)
			setenv("FAULT_FROM", s->from, 1);
		setenv("LD_PRELOAD", shim, 1);
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(null, 2);
	}
	execl(driver, driver, dir, batches, (char *)NULL);
	_exit(127);
}

/* Runs the driver; *ret_status as of waitpid, returns the last seq it said was stored. n 0: no fault. */
static int64_t drive(const struct sweep *s, long n, int *ret_status)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1));
	int fds[2];
	int64_t last = 0;

	if (pipe2(fds, O_CLOEXEC) < 0)
		abort();
	pid_t pid = fork();
	if (pid == 0)
		set_up_child(s, n, fds[1]);
	close(fds[1]);
	if (pid < 0 || io_read_fd(fds[0], &text, NULL) < 0 || waitpid(pid, ret_status, 0) != pid)
		abort();
	close(fds[0]);
	for (struct str rest = buf_str(&text), line; str_next(&rest, '\n', &line);) {
		uint64_t seq;
		if (str_to_u64(line, &seq) == 0)
			last = (int64_t)seq;
	}
	return last;
}

static void check_store(const struct sweep *s, long n, int64_t acknowledged)
{
	AUTO(store_closep) struct store *store = NULL;
	struct store_report report = { 0 };
	struct err err = ERR_NONE;

	int r = store_open(dir, STORE_CREATE, &store, &err);
	if (r == 0)
		r = store_verify(store, &report, &err);
	if (r < 0)
		die(s, n, err.text);
	if (report.events < acknowledged)
		die(s, n, "an acknowledged event is lost");
}

/* False: the fault came too late to matter. */
static bool try(const struct sweep *s, long n)
{
	int status;

	remove_store();
	int64_t acknowledged = drive(s, n, &status);
	bool finished = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (finished && acknowledged != s->batches)
		die(s, n, "the driver ended well without storing everything");
	if (!finished && s->error != 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == s->error))
		die(s, n, "the driver did not end with the error of the disk");
	if (!finished && s->error == 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		die(s, n, "the driver was not killed by the fault");
	check_store(s, n, acknowledged);
	if (n % 5 == 0 && (drive(s, 0, &status) < acknowledged || !WIFEXITED(status) || WEXITSTATUS(status) != 0))
		die(s, n, "the store cannot be used again");
	return !finished;
}

int main(int argc, char **argv)
{
	if (argc != 3 || mkdtemp(dir) == NULL)
		return 2;
	shim = argv[1];
	driver = argv[2];
	for (size_t i = 0; i < COUNT(sweeps); i++) {
		const struct sweep *s = &sweeps[i];
		long tried = 0, hit = 0;
		for (long n = s->dense > 0 ? 1 : s->stride; n <= s->last; n += n < s->dense ? 1 : s->stride) {
			tried++;
			hit += try(s, n);
		}
		printf("%-8s %-6s %-6s %4ld batches: %3ld runs, %3ld stopped by the fault\n", s->call, s->what,
		       s->from != NULL ? "and on" : "once", s->batches, tried, hit);
		if (hit == 0 && !s->may_be_harmless)
			die(s, 0, "the fault never happened");
	}
	remove_store();
	rmdir(dir);
	return 0;
}
