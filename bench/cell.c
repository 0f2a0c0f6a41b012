/* cell.c - what isolation costs, as ratios to a bare posix_spawn in the same run. Usage: bench_cell [ROUNDS]. It
 * makes a directory below /tmp and removes it. Other load on the machine moves all figures; the ratios less. */
#include "rig.h"

#include <spawn.h>
#include <sys/wait.h>

#include "base/banned.h"

enum { ROUNDS_MAX = 2000, FILES = 60, MAKES = 5 };

static int64_t samples[ROUNDS_MAX];

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Median in microseconds; prints a line. */
static double report(const char *name, size_t count, double floor_us)
{
	qsort(samples, count, sizeof samples[0], compare);
	double median = (double)samples[count / 2] / 1000, p99 = (double)samples[count * 99 / 100] / 1000;

	printf("%-44s median %9.0f us   p99 %9.0f us", name, median, p99);
	if (floor_us > 0)
		printf("   %5.2f x", median / floor_us);
	printf("\n");
	fflush(stdout);
	return median;
}

static int plain(const char *const *argv)
{
	pid_t pid;
	int status;

	if (posix_spawn(&pid, argv[0], NULL, NULL, (char *const *)argv, environ) != 0 || waitpid(pid, &status, 0) < 0)
		abort();
	return status;
}

static double bench_floor(size_t rounds)
{
	for (size_t i = 0; i < rounds; i++) {
		int64_t start = clock_mono_ns();
		plain(RIG_ARGV("/bin/true"));
		samples[i] = clock_mono_ns() - start;
	}
	return report("posix_spawn + wait /bin/true (floor)", rounds, 0);
}

static void bench_open(struct rig *rig, size_t rounds, double floor_us)
{
	for (size_t i = 0; i < rounds; i++) {
		int64_t start = clock_mono_ns();
		if (!rig_open(rig, CELL_FULL))
			abort();
		rig_close(rig);
		samples[i] = clock_mono_ns() - start;
	}
	report("a cell: open + close", rounds, floor_us);
}

static void bench_start(struct rig *rig, size_t rounds, double floor_us)
{
	for (size_t i = 0; i < rounds; i++) {
		int64_t start = clock_mono_ns();
		if (rig_run(rig, (struct cell_run){ .argv = RIG_ARGV("/bin/true") }) != 0)
			abort();
		samples[i] = clock_mono_ns() - start;
	}
	report("a program by cell_run, asked and allowed", rounds, floor_us);
}

/* What a script in the cell pays for each program, without the round trip of a run. */
static void bench_inner(struct rig *rig, double floor_us)
{
	enum { LOOPS = 200, TIMES = 5 };
	double plain_us;

	static const char loop[] = "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done";
	for (size_t i = 0; i < TIMES; i++) {
		int64_t start = clock_mono_ns();
		plain(RIG_ARGV("/bin/sh", "-c", loop));
		samples[i] = (clock_mono_ns() - start) / LOOPS;
	}
	plain_us = report("a program from a shell, plain", TIMES, floor_us);
	for (size_t i = 0; i < TIMES; i++) {
		int64_t start = clock_mono_ns();
		if (rig_sh(rig, loop) != 0)
			abort();
		samples[i] = (clock_mono_ns() - start) / LOOPS;
	}
	report("a program from a shell, in the cell", TIMES, plain_us);
}

static void write_sources(const char *dir)
{
	char path[512];

	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof path, "%s/f%d.c", dir, i);
		FILE *f = fopen(path, "w");
		fprintf(f,
			"#include <stdio.h>\n#include <stdlib.h>\nint f%d(int x);\nint f%d(int x) { printf(\"%%d\", "
			"x); return x; }\n",
			i, i);
		fclose(f);
	}
	snprintf(path, sizeof path, "%s/Makefile", dir);
	FILE *f = fopen(path, "w");
	fprintf(f, "O = $(patsubst %%.c,%%.o,$(wildcard *.c))\nall: $(O)\n%%.o: %%.c\n\t@gcc -c -o $@ "
		   "$<\nclean:\n\t@rm -f *.o\n");
	fclose(f);
}

static void bench_make(struct rig *rig)
{
	const char *const clean[] = { "/usr/bin/make", "-s", "-C", rig->workspace, "clean", NULL };
	const char *const make[] = { "/usr/bin/make", "-s", "-C", rig->workspace, "-j2", NULL };
	static int64_t gated[MAKES];
	double plain_us;

	for (size_t i = 0; i < MAKES; i++) {
		plain(clean);
		int64_t start = clock_mono_ns();
		plain(make);
		samples[i] = clock_mono_ns() - start;
		plain(clean);
		start = clock_mono_ns();
		if (rig_run(rig, (struct cell_run){ .argv = make }) != 0)
			abort();
		gated[i] = clock_mono_ns() - start;
	}
	plain_us = report("make -j2 of 60 files, plain", MAKES, 0);
	memcpy(samples, gated, sizeof gated);
	report("make -j2 of 60 files, in the cell", MAKES, plain_us);
}

int main(int argc, char **argv)
{
	static struct rig rig;
	struct err err = ERR_NONE;
	uint64_t rounds = 200;
	char rm[300];

	if (argc > 1 && (str_to_u64(str_of(argv[1]), &rounds) < 0 || rounds == 0 || rounds > ROUNDS_MAX))
		return 2;
	if (warden_start(NULL, 0, &rig.warden, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	snprintf(rig.workspace, sizeof rig.workspace, "/tmp/mishri-bench-XXXXXX");
	if (mkdtemp(rig.workspace) == NULL)
		return 1;
	double floor_us = bench_floor(rounds);
	bench_open(&rig, rounds, floor_us);
	write_sources(rig.workspace);
	if (!rig_open(&rig, CELL_FULL))
		return 1;
	bench_start(&rig, rounds, floor_us);
	bench_inner(&rig, floor_us);
	bench_make(&rig);
	rig_close(&rig);
	warden_stop(rig.warden);
	snprintf(rm, sizeof rm, "%s", rig.workspace);
	plain(RIG_ARGV("/bin/rm", "-r", rm));
	return 0;
}
