/* mock_start.c - what the benchmarks around the mock model share. */
#include "mock_start.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

#include "base/banned.h"

extern char **environ;

struct mock mock_start(uint64_t calls_per_conversation)
{
	char self[PATH_MAX] = "", program[PATH_MAX + 16], count[32], port[16] = "";
	struct mock mock = { .in = -1 };
	posix_spawn_file_actions_t actions;
	int in[2], out[2];

	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0 || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		abort();
	snprintf(program, sizeof program, "%s/mock_model", dirname(self));
	snprintf(count, sizeof count, "%llu", (unsigned long long)calls_per_conversation);
	char *argv[] = { program, count, NULL };
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	if (posix_spawn(&mock.pid, program, &actions, NULL, argv, environ) != 0) {
		fprintf(stderr, "cannot start %s\n", program);
		exit(1);
	}
	posix_spawn_file_actions_destroy(&actions);
	fd_close(&in[0]);
	fd_close(&out[1]);
	for (size_t n = 0; n < sizeof port - 1 && read(out[0], port + n, 1) == 1 && port[n] != '\n';)
		n++;
	fd_close(&out[0]);
	mock.in = in[1];
	mock.port = strtol(port, NULL, 10);
	return mock;
}

void mock_stop(struct mock *mock)
{
	fd_close(&mock->in);
	waitpid(mock->pid, NULL, 0);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

double time_at_us(int64_t *ns, size_t count, double share)
{
	qsort(ns, count, sizeof *ns, compare);
	return (double)ns[MIN((size_t)(share * (double)count), count - 1)] / 1000;
}
