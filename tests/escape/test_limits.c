/* test_limits.c - programs that take more than they may: each is ended with the limit that it ran into, and nothing of
 * it stays. The same program ends by itself where the limits are wide, or its row would prove nothing. At full and
 * reduced; as root (where there are control groups, these) and as an ordinary user (the meter). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <sys/wait.h>

#include "cell/cgroup.h"
#include "rig.h"

#include "base/banned.h"

static struct rig rig;

static const struct cell_plan narrow = {
	.memory_bytes = MIB(64), .tmp_bytes = MIB(8), .file_bytes = MIB(8), .disk_bytes = MIB(24), .processes = 40,
};
static const struct cell_plan wide = {
	.memory_bytes = MIB(1024), .tmp_bytes = MIB(256), .file_bytes = MIB(5120), .disk_bytes = MIB(1024), .processes = 900,
};

enum { NARROW_CPU_MS = 300, WIDE_CPU_MS = 60000 };

#define PYTHON(text) "exec python3 -c '" text "'"
/* Touches what it takes, a piece at a time, and keeps it. */
#define PIECES "piece = b\"x\" * (1 << 20)\n"

static const struct bomb {
	const char *name, *sh;
	enum bound ends;               /* BOUND_NONE: an error to the program */
	bool full_only;
} bombs[] = {
	{ "memory of one process", PYTHON("a = [bytearray(b\"x\" * (1 << 20)) for i in range(150)]"), BOUND_MEMORY },
	{ "memory of many processes",
	  "for i in 1 2 3 4 5 6 7 8; do python3 -c 'import time; a = b\"x\" * (15 << 20); time.sleep(1)' & done; wait", BOUND_MEMORY },
	{ "a file in memory",
	  PYTHON("import os, time\n" PIECES "fd = os.memfd_create(\"x\")\nfor i in range(7): os.write(fd, piece)\n"
		 "fds = [os.memfd_create(str(i)) for i in range(20)]\nfor f in fds:\n for i in range(7): os.write(f, piece)\n"
		 "time.sleep(0.5)"), BOUND_MEMORY },
	{ "a shared mapping",
	  PYTHON("import mmap, time\nm = mmap.mmap(-1, 150 << 20)\nfor i in range(0, 150 << 20, 4096): m[i] = 1\ntime.sleep(0.5)"),
	  BOUND_MEMORY },
	{ "segments that nobody has mapped",
	  PYTHON("import ctypes, time\nc = ctypes.CDLL(None)\nc.shmat.restype = ctypes.c_void_p\nfor i in range(20):\n"
		 " n = c.shmget(0, 8 << 20, 0o600)\n p = c.shmat(n, None, 0)\n ctypes.memset(p, 1, 8 << 20)\n"
		 " c.shmdt(ctypes.c_void_p(p))\ntime.sleep(0.5)"), BOUND_MEMORY, true },
	{ "a full /tmp", "for i in 1 2 3 4 5 6 7 8; do head -c 4000000 /dev/zero > /tmp/f$i || exit 1; done; rm /tmp/f*", BOUND_TMP,
	  true },
	{ "a full /dev/shm", "for i in 1 2 3 4 5 6 7 8; do head -c 4000000 /dev/zero > /dev/shm/f$i || exit 1; done; rm /dev/shm/f*",
	  BOUND_TMP, true },
	{ "ten thousand files in /tmp", PYTHON("for i in range(10000): open(\"/tmp/%d\" % i, \"w\").close()"), BOUND_NONE, true },
	{ "a thousand files", PYTHON("for i in range(1000): open(\"f%d\" % i, \"w\").write(\"x\" * 40000)"), BOUND_DISK },
	{ "a tree of processes", "f() { if [ $1 -gt 0 ]; then f $(($1 - 1)) & f $(($1 - 1)) & fi; wait; sleep 0.2; }; f 6",
	  BOUND_PROCESSES },
	{ "threads",
	  PYTHON("import threading, time\nfor i in range(100): threading.Thread(target=time.sleep, args=(0.5,)).start()"), BOUND_PROCESSES },
	{ "orphans in sessions of their own", "for i in {1..60}; do (setsid sleep 1 &); done; sleep 0.7; exit 0", BOUND_PROCESSES },
	{ "processor time of one", "i=0; while [ $i -lt 250000 ]; do i=$((i+1)); done", BOUND_CPU },
	{ "processor time of many short ones", "for i in {1..1500}; do (:); done", BOUND_CPU },
	{ "processor time of children that nobody waits for",
	  PYTHON("import os, signal, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nfor i in range(60):\n if os.fork() == 0:\n"
		 "  e = time.process_time() + 0.02\n  while time.process_time() < e: pass\n  os._exit(0)\n time.sleep(0.02)"), BOUND_CPU },
	{ "a sparse file", "truncate -s 4G sparse", BOUND_FILE },
	{ "a sparse file by who does not listen", PYTHON("open(\"sparse\", \"wb\").truncate(4 << 30)"), BOUND_FILE },
	{ "a compressed bomb on the disk", "gunzip -c bomb.gz > out", BOUND_FILE },
	{ "a compressed bomb in memory", PYTHON("import gzip\na = gzip.open(\"bomb.gz\").read()"), BOUND_MEMORY },
	{ "many files on the disk", "for i in {1..20}; do head -c 4000000 /dev/zero > d$i; done", BOUND_DISK },
	{ "one file again and again", "for i in {1..20}; do head -c 4000000 /dev/zero > d; rm d; done", BOUND_DISK },
	{ "a file by way of a mapping",
	  PYTHON("import mmap\nfor k in range(12):\n with open(\"m%d\" % k, \"wb+\") as f:\n  f.truncate(7 << 20)\n"
		 "  m = mmap.mmap(f.fileno(), 7 << 20)\n  for i in range(0, 7 << 20, 4096): m[i] = 1\n  m.flush()"), BOUND_DISK },
};

static int plain_sh(const char *text)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (chdir(rig.workspace) < 0)
			_exit(99);
		execle("/bin/bash", "bash", "-c", text, (char *)NULL, (char *const *)rig_env);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- what is left ---- */

struct left {
	size_t mounts, processes, groups, children;
};

static size_t lines_of(const char *path)
{
	struct buf text = BUF_INIT(MIB(4));
	size_t lines = 0;

	if (io_read_file(path, &text, NULL) == 0)
		for (size_t i = 0; i < text.len; i++)
			lines += text.ptr[i] == '\n' || text.ptr[i] == ' ';
	buf_done(&text);
	return lines;
}

/* Whoever stands in the workspace; this process does not. */
static size_t processes_in_workspace(void)
{
	DIR *dir = opendir("/proc");
	size_t count = 0;

	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		char path[300], cwd[512];
		snprintf(path, sizeof path, "/proc/%s/cwd", entry->d_name);
		ssize_t n = readlink(path, cwd, sizeof cwd - 1);
		cwd[n > 0 ? n : 0] = '\0';
		count += strncmp(cwd, rig.workspace, strlen(rig.workspace)) == 0;
	}
	closedir(dir);
	return count;
}

static pid_t warden_pid(void)
{
	struct buf text = BUF_INIT(KIB(1));
	char path[64];
	uint64_t pid = 0;
	struct str rest, word;

	snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
	assert_int_equal(io_read_file(path, &text, NULL), 0);
	rest = buf_str(&text);
	assert_true(str_next(&rest, ' ', &word) && str_to_u64(word, &pid) == 0);
	buf_done(&text);
	return (pid_t)pid;
}

static size_t groups_in(const char *place)
{
	char warden[64];
	size_t count = 0;
	DIR *dir = place[0] != '\0' ? opendir(place) : NULL;

	snprintf(warden, sizeof warden, "-%d-", warden_pid());
	for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
		count += strncmp(entry->d_name, "mishri-", 7) == 0 && strstr(entry->d_name, warden) != NULL;
	if (dir != NULL)
		closedir(dir);
	return count;
}

static struct left count_left(void)
{
	static struct cgroup_root groups;
	char path[64];

	cgroup_look(&groups);
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", warden_pid(), warden_pid());
	return (struct left){ lines_of("/proc/self/mountinfo"), processes_in_workspace(),
	                      groups_in(groups.memory) + groups_in(groups.pids), lines_of(path) };
}

static bool is_same(const struct left *a, const struct left *b)
{
	return a->mounts == b->mounts && a->processes == b->processes && a->groups == b->groups && a->children == b->children;
}

static void nothing_is_left(const char *name, const struct left *before)
{
	int64_t until = clock_mono_ms() + RIG_PATIENCE_MS;
	struct left now = count_left();

	while (!is_same(&now, before) && clock_mono_ms() < until) {
		usleep(10000);
		now = count_left();
	}
	if (!is_same(&now, before))
		fail_msg("%s: left behind: %d mounts, %d processes, %d control groups, %d children of the warden", name,
		         (int)(now.mounts - before->mounts), (int)(now.processes - before->processes),
		         (int)(now.groups - before->groups), (int)(now.children - before->children));
}

/* ---- the rows ---- */

static void open_cell(enum cell_level level, const struct cell_plan *limits)
{
	struct cell_plan plan = *limits;

	plan.level = level;
	plan.workspace = rig.workspace;
	assert_true(rig_open_plan(&rig, &plan));
}

static void forget_files(void)
{
	assert_int_equal(plain_sh("find . -mindepth 1 ! -name bomb.gz -delete"), 0);
}

static void try_bomb(const struct bomb *bomb, enum cell_level level)
{
	const struct left before = count_left();
	struct cell_run run = { .argv = RIG_ARGV("bash", "-c", bomb->sh), .cpu_ms = NARROW_CPU_MS };
	bool cpu = bomb->ends == BOUND_CPU;

	if (!cpu)
		run.cpu_ms = WIDE_CPU_MS;
	open_cell(level, cpu ? &wide : &narrow);
	int status = rig_run(&rig, run);
	if (status == 0 || rig.last.hit.what != bomb->ends)
		fail_msg("%s at %s: status %d, limit %d, not %d: %s", bomb->name, cell_level_name(level), status, rig.last.hit.what,
		         bomb->ends, rig.output);
	if (bomb->ends != BOUND_NONE)
		assert_true(rig.last.hit.reached >= rig.last.hit.limit && rig.last.hit.limit > 0);
	/* the cell itself is well; but for one that has written all it may */
	if (bomb->ends != BOUND_DISK)
		assert_int_equal(rig_sh(&rig, "test $(echo well | wc -l) = 1"), 0);
	rig_close(&rig);
	forget_files();
	nothing_is_left(bomb->name, &before);

	if (level != CELL_FULL)                /* proven already */
		return;
	open_cell(level, &wide);
	run.cpu_ms = WIDE_CPU_MS;
	status = rig_run(&rig, run);
	if (status != 0 || rig.last.hit.what != BOUND_NONE)
		fail_msg("%s at %s: it ends with status %d and limit %d also where limits are wide: %s", bomb->name,
		         cell_level_name(level), status, rig.last.hit.what, rig.output);
	rig_close(&rig);
	forget_files();
	nothing_is_left(bomb->name, &before);
}

static void every_bomb_is_ended(void **state UNUSED)
{
	for (size_t i = 0; i < COUNT(bombs); i++)
		try_bomb(&bombs[i], CELL_FULL);
}

static void every_bomb_is_ended_when_reduced(void **state UNUSED)
{
	for (size_t i = 0; i < COUNT(bombs); i++)
		if (!bombs[i].full_only)
			try_bomb(&bombs[i], CELL_REDUCED);
}

/* What would get round the count is refused inside and works outside. */
static void nobody_hides(void **state UNUSED)
{
	static const char *const ways[] = {
		"fallocate -l 1M room", PYTHON("import ctypes, sys\nsys.exit(ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) != 0)"),
	};

	for (size_t i = 0; i < COUNT(ways); i++) {
		assert_int_equal(plain_sh(ways[i]), 0);
		forget_files();
		for (enum cell_level level = CELL_FULL; level <= CELL_REDUCED; level++) {
			open_cell(level, &wide);
			assert_int_not_equal(rig_run(&rig, (struct cell_run){ .argv = RIG_ARGV("bash", "-c", ways[i]) }), 0);
			rig_close(&rig);
		}
		forget_files();
	}
}

/* One call may be given less than the cell has, and only that call is ended by it. */
static void a_run_has_limits_of_its_own(void **state UNUSED)
{
	const struct { struct cell_run run; enum bound ends; } rows[] = {
		{ { .argv = RIG_ARGV("bash", "-c", bombs[0].sh), .memory_bytes = MIB(64) }, BOUND_MEMORY },
		{ { .argv = RIG_ARGV("bash", "-c", "for i in {1..30}; do sleep 1 & done; wait"), .processes = 20 }, BOUND_PROCESSES },
		{ { .argv = RIG_ARGV("bash", "-c", "head -c 4000000 /dev/zero > x"), .file_bytes = MIB(1) }, BOUND_FILE },
	};
	struct cell_run other = { .argv = RIG_ARGV("sleep", "100") };

	open_cell(CELL_FULL, &wide);
	int out = rig_start(&rig, &other);
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(rig_run(&rig, rows[i].run), 128 + SIGKILL);
		assert_int_equal(rig.last.hit.what, rows[i].ends);
		assert_int_equal(rig.last.call, rig.next_call);
	}
	rig.ended = false;
	cell_kill(rig.cell, other.call, SIGTERM);
	assert_int_equal(rig_finish(&rig, out), 128 + SIGTERM);
	rig_close(&rig);
	forget_files();
}

static void what_was_used_is_told(void **state UNUSED)
{
	static const char text[] = "head -c 3000000 /dev/zero > x; (sleep 0.1 & sleep 0.1 & wait); i=0; while [ $i -lt 100000 ]; do "
				   "i=$((i+1)); done";

	open_cell(CELL_FULL, &wide);
	assert_int_equal(rig_run(&rig, (struct cell_run){ .argv = RIG_ARGV("bash", "-c", text) }), 0);
	assert_true(rig.last.written_bytes >= 2900000 && rig.last.written_bytes < 20000000);
	assert_true(rig.last.cpu_ms > 5);
	assert_true(rig.last.processes >= 4);
	assert_true(rig.last.memory_bytes > 500000);
	rig_close(&rig);
	forget_files();
}

/* A process that is there before its first instruction, and one that has ended, leave nothing either: hundreds of times. */
static void calls_leave_nothing(void **state UNUSED)
{
	enum { CALLS = 300 };
	struct buf status = BUF_INIT(KIB(16));
	long rss[2] = { 0 };

	open_cell(CELL_FULL, &wide);
	for (int i = 0; i < CALLS; i++) {
		if (i == CALLS / 10 || i == CALLS - 1) {
			/* of this process, which is the engine's side; pid 1 of the cell is looked at by its end */
			assert_int_equal(io_read_file("/proc/self/status", &status, NULL), 0);
			rss[i == CALLS - 1] = strtol(strstr(buf_text(&status), "VmRSS:") + 6, NULL, 10);
			buf_reset(&status);
		}
		assert_int_equal(rig_run(&rig, (struct cell_run){ .argv = RIG_ARGV("true") }), 0);
	}
	if (rss[1] > rss[0] + 512)
		fail_msg("%d calls took %ld KiB", CALLS, rss[1] - rss[0]);
	rig_close(&rig);
	buf_done(&status);
}

static int make_all(void **state UNUSED)
{
	struct err err = ERR_NONE;

	if (warden_start(NULL, 0, &rig.warden, &err) < 0)
		return -1;
	snprintf(rig.workspace, sizeof rig.workspace, "/var/tmp/mishri-limits-XXXXXX");
	if (mkdtemp(rig.workspace) == NULL)
		return -1;
	if (geteuid() == 0 && chown(rig.workspace, 65534, 65534) < 0)
		return -1;
	return plain_sh("head -c 100000000 /dev/zero | gzip > bomb.gz && chmod 644 bomb.gz");
}

static int remove_all(void **state UNUSED)
{
	char text[400];

	warden_stop(rig.warden);
	snprintf(text, sizeof text, "rm -rf %s", rig.workspace);
	return plain_sh(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bomb_is_ended), cmocka_unit_test(every_bomb_is_ended_when_reduced),
		cmocka_unit_test(nobody_hides), cmocka_unit_test(a_run_has_limits_of_its_own),
		cmocka_unit_test(what_was_used_is_told), cmocka_unit_test(calls_leave_nothing),
	};

	return cmocka_run_group_tests(tests, make_all, remove_all);
}
