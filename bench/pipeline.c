/* pipeline.c - what a call costs on its whole way, from call.proposed to call.finished: schema, policy, two durable
 * commits, the cell, the exec gate. Against a bare posix_spawn of the same program, and file tools against the plain system
 * calls. Usage: bench_pipeline MISHRI [CALLS]. Makes a directory below /tmp and removes it. */
#include "rig.h"

#include <spawn.h>
#include <sys/wait.h>

#include "base/banned.h"

enum { CALLS_MAX = 5000, FILE_BYTES = 10000 };

static int64_t samples[CALLS_MAX];
static char dir[] = "/tmp/mishri-pipeline-XXXXXX";

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static double report(const char *name, size_t count, double floor_us)
{
	if (count == 0)
		return 0;
	qsort(samples, count, sizeof samples[0], compare);
	double median = (double)samples[count / 2] / 1000, p99 = (double)samples[count * 99 / 100] / 1000;

	printf("%-44s median %9.1f us   p99 %9.1f us", name, median, p99);
	if (floor_us > 0)
		printf("   %7.2f x", median / floor_us);
	printf("\n");
	fflush(stdout);
	return median;
}

static int spawn_wait(const char *const *argv, int out)
{
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	if (out >= 0) {
		posix_spawn_file_actions_adddup2(&actions, out, 1);
		posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	}
	if (posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)argv, environ) == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	posix_spawn_file_actions_destroy(&actions);
	return status;
}

static void write_text(const char *name, const char *text, size_t len)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || io_write_all(fd, text, len) < 0)
		abort();
}

/* One reply of the recorded model for each call. */
static void write_script(const char *name, const char *args, size_t calls)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(64));

	for (size_t i = 0; i < calls; i++)
		buf_printf(&text, "{\"agent\":\"*\",\"calls\":[{\"name\":\"%s\",\"args\":%s}]}\n", name, args);
	buf_add_text(&text, "{\"agent\":\"*\",\"text\":\"done\"}\n");
	write_text("script.jsonl", buf_text(&text), text.len);
}

/* Microseconds of each call by its events; returns how many. */
static size_t read_events(int fd)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(256));
	struct str rest, line;
	size_t count = 0;
	int64_t begun = 0, at;

	lseek(fd, 0, SEEK_SET);
	if (io_read_fd(fd, &text, NULL) < 0)
		return 0;
	for (rest = buf_str(&text); count < CALLS_MAX && str_next(&rest, '\n', &line);) {
		AUTO(json_decrefp) json_t *e = NULL;
		if (json_parse(line, &e, NULL) < 0 || clock_parse(json_get_text(e, "time", ""), &at) < 0)
			continue;
		if (strcmp(json_get_text(e, "type", ""), "call.proposed") == 0)
			begun = at;
		else if (strcmp(json_get_text(e, "type", ""), "call.finished") == 0)
			samples[count++] = (at - begun) * 1000;
	}
	return count;
}

static size_t run_calls(const char *mishri, const char *tool, const char *args, size_t calls)
{
	char model[300], workspace[300], policy[300], data[300], turns[32], most[32];
	AUTO(fd_closep) int out = memfd_create("events", MFD_CLOEXEC);
	AUTO(fd_closep) int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	write_script(tool, args, calls);
	snprintf(model, sizeof model, "recorded/%s/script.jsonl", dir);
	snprintf(workspace, sizeof workspace, "%s/ws", dir);
	snprintf(policy, sizeof policy, "%s/policy.yaml", dir);
	snprintf(data, sizeof data, "%s/data-%s", dir, tool);
	snprintf(turns, sizeof turns, "max_turns=%zu", calls + 1);
	snprintf(most, sizeof most, "max_calls=%zu", calls + 1);
	if (spawn_wait(RIG_ARGV(mishri, "run", "--data", data, "--no-user-config", "-w", workspace, "-p", policy, "-m", model, "-c", turns,
	                        "-c", most, "-c", "loop.detect=off", "--plan", "never", "--", "go"), null) != 0)
		fprintf(stderr, "the run of %s failed\n", tool);
	if (spawn_wait(RIG_ARGV(mishri, "events", "last", "--data", data, "--no-user-config", "--json"), out) != 0)
		return 0;
	return read_events(out);
}

static double read_plainly(size_t rounds)
{
	char path[300], bytes[FILE_BYTES];

	snprintf(path, sizeof path, "%s/ws/file.txt", dir);
	for (size_t i = 0; i < rounds; i++) {
		int64_t start = clock_mono_ns();
		AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || io_read_all(fd, bytes, sizeof bytes) < 0)
			abort();
		samples[i] = clock_mono_ns() - start;
	}
	return report("open, read, close of 10 kB", rounds, 0);
}

int main(int argc, char **argv)
{
	static const char policy[] = "version: 1\nname: bench\nrules:\n  - { id: t, allow: tool, tool: \"*\" }\n"
				     "  - { id: p, allow: exec, program: { from: system } }\n";
	static char bytes[FILE_BYTES];
	uint64_t calls = 200;
	char ws[300];

	if (argc < 2 || (argc > 2 && (str_to_u64(str_of(argv[2]), &calls) < 0 || calls == 0 || calls > CALLS_MAX))) {
		fprintf(stderr, "usage: bench_pipeline MISHRI [CALLS]\n");
		return 2;
	}
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(ws, sizeof ws, "%s/ws", dir);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = i % 50 == 49 ? '\n' : 'a';
	if (mkdir(ws, 0755) < 0)
		return 1;
	write_text("policy.yaml", policy, strlen(policy));
	write_text("ws/file.txt", bytes, sizeof bytes);
	for (size_t i = 0; i < calls; i++) {
		int64_t start = clock_mono_ns();
		if (spawn_wait(RIG_ARGV("/bin/bash", "-c", "true"), -1) != 0)
			abort();
		samples[i] = clock_mono_ns() - start;
	}
	double floor_us = report("posix_spawn + wait bash -c true (floor)", calls, 0);
	report("the same as a call of shell, whole pipeline", run_calls(argv[1], "shell", "{\"command\":\"true\"}", calls), floor_us);
	floor_us = read_plainly(calls);
	report("read_file of the same, whole pipeline", run_calls(argv[1], "read_file", "{\"path\":\"file.txt\"}", calls), floor_us);
	snprintf(ws, sizeof ws, "%s", dir);
	return spawn_wait(RIG_ARGV("/bin/rm", "-rf", ws), -1) == 0 ? 0 : 1;
}
