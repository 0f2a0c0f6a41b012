/* cells.c - many cells at once, and many calls in one. Usage: bench_cells [CELLS [CALLS]]. Prints what each cell costs in
 * time and memory, and how much engine, warden and pid 1 grow over the calls: that should be nothing. */
#include "rig.h"

#include <dirent.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/banned.h"

enum { CELLS_MAX = 1000, STEPS = 10 };

static struct rig rigs[CELLS_MAX];
static int64_t opened_ns[CELLS_MAX];

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t number_in(pid_t pid, const char *file, const char *key)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(64));
	char path[64];
	const char *at;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	if (io_read_file(path, &text, NULL) < 0 || (at = strstr(buf_text(&text), key)) == NULL)
		return 0;
	return strtoull(at + strlen(key), NULL, 10);
}

static size_t children_of(pid_t parent, pid_t *ret, size_t max)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(64));
	struct str rest, word;
	char path[64];
	size_t count = 0;
	uint64_t pid;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", parent, parent);
	if (io_read_file(path, &text, NULL) < 0)
		return 0;
	for (rest = buf_str(&text); count < max && str_next(&rest, ' ', &word);)
		if (str_to_u64(word, &pid) == 0)
			ret[count++] = (pid_t)pid;
	return count;
}

static size_t fds_of(pid_t pid)
{
	char path[64];
	size_t count = 0;

	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	DIR *dir = opendir(path);
	while (dir != NULL && readdir(dir) != NULL)
		count++;
	if (dir != NULL)
		closedir(dir);
	return count;
}

static bool turn(struct warden *warden)
{
	struct pollfd p = { warden_fd(warden), POLLIN, 0 };

	if (poll(&p, 1, 30000) <= 0)
		return false;
	warden_dispatch(warden);
	return true;
}

static int bench_many(struct warden *warden, const char *workspace, size_t count)
{
	static pid_t pids[CELLS_MAX];
	pid_t keeper;
	size_t open = 0;
	uint64_t pss = 0;
	int64_t start = clock_mono_ns();

	for (size_t i = 0; i < count; i++) {
		rigs[i].warden = warden;
		rigs[i].cell = cell_open(warden, &(struct cell_plan){ .level = CELL_FULL, .workspace = workspace }, &rig_callbacks,
		                         &rigs[i]);
	}
	while (open < count && turn(warden))
		for (size_t i = 0; i < count; i++) {
			if (!rigs[i].opened || opened_ns[i] != 0)
				continue;
			opened_ns[i] = clock_mono_ns() - start;
			open++;
		}
	if (open < count || children_of(getpid(), &keeper, 1) == 0)
		return 1;
	size_t made = children_of(keeper, pids, CELLS_MAX);
	for (size_t i = 0; i < made; i++)
		pss += number_in(pids[i], "smaps_rollup", "\nPss:");
	qsort(opened_ns, count, sizeof opened_ns[0], compare);
	int64_t all_ns = opened_ns[count - 1];
	printf("%-44s %9.1f ms, %.2f ms each; ready: median %.1f ms   p99 %.1f ms\n", "cells at once: open all",
	       (double)all_ns / 1e6, (double)all_ns / 1e6 / (double)count, (double)opened_ns[count / 2] / 1e6,
	       (double)opened_ns[count * 99 / 100] / 1e6);
	printf("%-44s %9.0f KiB each (%zu processes)\n", "cells at once: memory of pid 1 (PSS)",
	       (double)pss / (double)MAX(made, (size_t)1), made);
	start = clock_mono_ns();
	for (size_t i = 0; i < count; i++)
		rig_close(&rigs[i]);
	printf("%-44s %9.2f ms each\n", "cells at once: close", (double)(clock_mono_ns() - start) / 1e6 / (double)count);
	return 0;
}

static int bench_growth(struct warden *warden, const char *workspace, size_t calls)
{
	static struct rig rig;
	pid_t keeper = 0, first = 0;

	rig.warden = warden;
	snprintf(rig.workspace, sizeof rig.workspace, "%s", workspace);
	if (!rig_open(&rig, CELL_FULL) || children_of(getpid(), &keeper, 1) == 0 || children_of(keeper, &first, 1) == 0)
		return 1;
	for (size_t i = 1; i <= calls; i++) {
		if (rig_run(&rig, (struct cell_run){ .argv = RIG_ARGV("/bin/true") }) != 0)
			return 1;
		if (i != calls / STEPS && i != calls)
			continue;
		printf("after %6zu calls: RSS engine %llu, warden %llu, pid 1 %llu KiB; descriptors %zu, %zu, %zu\n", i,
		       (unsigned long long)number_in(getpid(), "status", "\nVmRSS:"),
		       (unsigned long long)number_in(keeper, "status", "\nVmRSS:"),
		       (unsigned long long)number_in(first, "status", "\nVmRSS:"),
		       fds_of(getpid()), fds_of(keeper), fds_of(first));
		fflush(stdout);
	}
	rig_close(&rig);
	return 0;
}

int main(int argc, char **argv)
{
	struct warden *warden = NULL;
	struct err err = ERR_NONE;
	uint64_t cells = 200, calls = 10000;
	char workspace[] = "/tmp/mishri-bench-XXXXXX";

	if ((argc > 1 && (str_to_u64(str_of(argv[1]), &cells) < 0 || cells == 0 || cells > CELLS_MAX)) ||
	    (argc > 2 && (str_to_u64(str_of(argv[2]), &calls) < 0 || calls < STEPS)))
		return 2;
	if (warden_start(NULL, 0, &warden, &err) < 0 || mkdtemp(workspace) == NULL)
		return 1;
	int r = bench_many(warden, workspace, cells);
	if (r == 0)
		r = bench_growth(warden, workspace, calls);
	warden_stop(warden);
	rmdir(workspace);
	return r;
}
