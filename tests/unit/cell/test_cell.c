/* test_cell.c - cells as the engine uses them: runs, decisions, ends. Attempts to get out are in tests/escape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/permission.h"
#include "rig.h"

#include "base/banned.h"

static struct rig rig;

/* Where the engine's environment lay: one from the start of the program, one set later. A cell's memory is a copy. */
static const char *early_at, *late_at;

static int builtin_environ(const json_t *args, const char *workspace UNUSED)
{
	if (getenv("MISHRI_TEST_SECRET") != NULL || early_at[0] != '\0' || late_at[0] != '\0')
		return 1;
	printf("%s", json_get_text(args, "say", "nothing"));
	return 7;
}

static int builtin_write(const json_t *args UNUSED, const char *workspace)
{
	char path[512];

	snprintf(path, sizeof path, "%s/by-builtin", workspace);
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	printf("%s", fd < 0 ? strerror(errno) : "written");
	return fd < 0 ? 1 : 0;
}

static int builtin_exec(const json_t *args UNUSED, const char *workspace UNUSED)
{
	execl("/usr/bin/touch", "touch", "by-exec", (char *)NULL);
	return 1;
}

static const struct cell_builtin builtins[] = {
	{ "environ", builtin_environ }, { "write", builtin_write }, { "exec", builtin_exec },
};

static bool exists(const char *name)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", rig.workspace, name);
	return access(path, F_OK) == 0;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", rig.workspace, name);
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

/* How many processes of this machine have this among their arguments. */
static int processes_with(const char *argument)
{
	DIR *dir = opendir("/proc");
	int count = 0;

	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		struct buf text = BUF_INIT(KIB(64));
		char path[300];
		snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && io_read_file(path, &text, NULL) == 0 &&
		    text.len > 0 && memmem(text.ptr, text.len, argument, strlen(argument)) != NULL)
			count++;
		buf_done(&text);
	}
	closedir(dir);
	return count;
}

/* A time to sleep that no other process of this machine sleeps, as another run of these tests might. */
static const char *nap(void)
{
	static char text[32];

	snprintf(text, sizeof text, "86400.%d", getpid());
	return text;
}

/* Waits until at least so many nap; shells on their way there count, and come and go. */
static bool wait_for_naps(struct rig *r, int count)
{
	int64_t until = clock_mono_ms() + RIG_PATIENCE_MS;

	while (clock_mono_ms() < until) {
		if (processes_with(nap()) >= count)
			return true;
		rig_turn(r, 20);
	}
	return false;
}

static int open_full(void **state UNUSED)
{
	rig.deny = NULL;
	rig.hold = rig.deny_untrusted = rig.deny_workspace = false;
	return rig_open(&rig, CELL_FULL) ? 0 : -1;
}

static int close_it(void **state UNUSED)
{
	rig_close(&rig);
	return 0;
}

static void statuses(void **state UNUSED)
{
	static const struct { const char *argv[4]; int status, signal; const char *says; } rows[] = {
		{ { "sh", "-c", "echo out; exit 3" }, 3, 0, "out\n" },
		{ { "sh", "-c", "kill -TERM $$" }, 128 + SIGTERM, SIGTERM, "" },
		{ { "/usr/bin/true" }, 0, 0, "" },
		{ { "no-such-program" }, 127, 0, "mishri: no-such-program: not found in PATH\n" },
		{ { "sh", "-c", "ls /proc/self/fd" }, 0, 0, "0\n1\n2\n3\n" },     /* 3 is the directory itself */
		{ { "/no/such" }, 127, 0, "mishri: /no/such: No such file or directory\n" },
		{ { "/etc/passwd" }, 126, 0, "mishri: /etc/passwd: Permission denied\n" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(rig_run(&rig, (struct cell_run){ .argv = rows[i].argv }), rows[i].status);
		assert_int_equal(rig.last.signal, rows[i].signal);
		assert_string_equal(rig.output, rows[i].says);
	}
}

static void refused_runs(void **state UNUSED)
{
	const struct { struct cell_run run; const char *says; } rows[] = {
		{ { .call = 1, .cwd = "/", .builtin = "nope" }, "there is no builtin 'nope'" },
		{ { .call = 1, .cwd = "/" }, "a run needs a program" },
		{ { .call = 1, .cwd = "x", .argv = RIG_ARGV("true") }, "the directory of a run must be an absolute path" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err err = ERR_NONE;
		assert_true(cell_run(rig.cell, &rows[i].run, &err) < 0);
		assert_string_equal(err.text, rows[i].says);
	}
}

static void first_program_is_asked_too(void **state UNUSED)
{
	rig.deny = "dash";
	assert_int_equal(rig_sh(&rig, "touch never"), 126);
	assert_string_equal(rig.output, "mishri: denied by test\n");
	assert_int_equal(rig.seen_count, 1);
	assert_true(rig.seen[0].first);
	assert_int_equal(rig.last.execs, 1);
	assert_int_equal(rig.last.denied, 1);
	assert_false(exists("never"));
}

static void facts(void **state UNUSED)
{
	static const struct { const char *sh, *program, *names; int origin; size_t trusted; const char *why; } rows[] = {
		{ "ls", "/usr/bin/ls", "ls", 2, 1, "" },
		{ "awk 1 /dev/null", "/usr/bin/mawk", "mawk awk", 2, 2, "" },
		{ "exec -a innocent ls", "/usr/bin/ls", "ls innocent", 2, 1, "" },
		{ "./script", "*/script", "script dash sh", 1, 1, "" },
		{ "ln -sf /usr/bin/ls here; ./here", "/usr/bin/ls", "ls here", 2, 1, "" },
		{ "cp /usr/bin/ls copy; ./copy", "*/copy", "copy", 1, 1, "" },
		{ "cp /usr/bin/ls /tmp/copy; /tmp/copy", "/tmp/copy", "copy", 0, 1,
		  "the file lies outside the system and the workspace" },
		{ "LD_PRELOAD=/x ls", "/usr/bin/ls", "ls", 0, 1, "LD_PRELOAD is set" },
		{ "LD_LIBRARY_PATH=/x ls", "/usr/bin/ls", "ls", 0, 1, "LD_LIBRARY_PATH is set" },
		{ "LD_AUDIT=/x ls", "/usr/bin/ls", "ls", 0, 1, "LD_AUDIT is set" },
		{ "BASH_ENV=/x bash -c :", "/usr/bin/bash", "bash", 0, 1, "BASH_ENV is set" },
		{ "ENV=/x sh -c :", "/usr/bin/dash", "dash sh", 0, 2, "ENV is set" },
		{ "/lib64/ld-linux-x86-64.so.2 /usr/bin/ls", "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
		  "ld-linux-x86-64.so.2 ls", 2, 1, "" },
		{ "/lib64/ld-linux-x86-64.so.2 ./copy", "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
		  "ld-linux-x86-64.so.2 copy", 1, 1, "" },
		{ "/lib64/ld-linux-x86-64.so.2 --preload /x /usr/bin/ls", "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
		  "ld-linux-x86-64.so.2 ls", 0, 1, "the loader is told --preload" },
		{ "/usr/bin/ldd /usr/bin/ls", "/usr/bin/ldd", "ldd bash", 2, 1, "" },
		{ "ln -sf /usr/bin/ldd l; ./l /usr/bin/ls", "*/l", "l ldd bash", 1, 1, "" },
		{ "cd /usr/bin && exec ./ldd /usr/bin/ls", "/usr/bin/ldd", "ldd bash", 2, 1, "" },
	};

	write_file("script", "#!/bin/sh\nexit 0\n", 0755);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct rig_exec *seen = NULL;
		assert_true(rig_run(&rig, (struct cell_run){ .argv = RIG_ARGV("bash", "-c", rows[i].sh) }) >= 0);
		for (size_t n = 1; n < rig.seen_count; n++) {
			const char *star = rows[i].program[0] == '*' ? strrchr(rig.seen[n].program, '/') : NULL;
			if (strcmp(star != NULL ? star : rig.seen[n].program, rows[i].program + (star != NULL)) == 0)
				seen = &rig.seen[n];
		}
		if (seen == NULL)
			fail_msg("%s: %s was not asked about", rows[i].sh, rows[i].program);
		if (strcmp(seen->names, rows[i].names) != 0 || seen->origin != rows[i].origin ||
		    seen->trusted != rows[i].trusted || strcmp(seen->why, rows[i].why) != 0)
			fail_msg("%s: names '%s' origin %d trusted %zu why '%s'", rows[i].sh, seen->names, seen->origin, seen->trusted,
			         seen->why);
		assert_string_equal(seen->cwd, strncmp(rows[i].sh, "cd /usr", 7) == 0 ? "/usr/bin" : rig.workspace);
	}
}

static void every_start_belongs_to_its_run(void **state UNUSED)
{
	assert_int_equal(rig_sh(&rig, "(setsid sh -c '(sleep 0.1; touch late) &' &); ( ( ls ) & ); wait; sleep 0.4"), 0);
	assert_true(exists("late"));
	assert_true(rig.seen_count >= 5);
	for (size_t i = 0; i < rig.seen_count; i++) {
		assert_int_equal(rig.seen[i].call, rig.next_call);
		assert_int_equal(rig.seen[i].first, i == 0);
	}
}

static void too_many_arguments(void **state UNUSED)
{
	/* Several, since where such a stack ends is a matter of chance. */
	for (int i = 0; i < 40; i++) {
		assert_int_equal(rig_sh(&rig, "/bin/echo $(seq 20000)"), 126);
		assert_non_null(strstr(rig.output, "too long to be checked"));
		assert_int_equal(rig.last.denied, 1);
	}
}

static void rig_wait_held(size_t count)
{
	int64_t until = clock_mono_ms() + RIG_PATIENCE_MS;

	while (rig.held_count < count && clock_mono_ms() < until)
		rig_turn(&rig, 100);
	assert_int_equal(rig.held_count, count);
}

/* One program waits for its answer; others start, run and end. */
static void holding_holds_nothing_else(void **state UNUSED)
{
	struct cell_run run = { .argv = RIG_ARGV("touch", "held") };

	rig.hold = true;
	int out = rig_start(&rig, &run);
	rig_wait_held(1);
	uint32_t id = rig.held[0];
	assert_false(exists("held"));
	rig.hold = false;
	assert_int_equal(rig_sh(&rig, "echo on; ls > /dev/null"), 0);
	assert_false(exists("held"));
	rig.ended = false;
	cell_exec_answer(rig.cell, id, true, NULL);
	assert_int_equal(rig_finish(&rig, out), 0);
	assert_int_equal(rig.last.call, run.call);
	assert_true(exists("held"));
}

static void a_signal_withdraws_the_question(void **state UNUSED)
{
	static const int rows[] = { SIGTERM, SIGINT, SIGKILL };

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cell_run run = { .argv = RIG_ARGV("touch", "gone") };
		rig.hold = true;
		int out = rig_start(&rig, &run);
		rig_wait_held(1);
		cell_kill(rig.cell, run.call, rows[i]);
		assert_int_equal(rig_finish(&rig, out), 128 + rows[i]);
		assert_int_equal(rig.gone_count, 1);
		/* An answer that crosses is no breach. */
		cell_exec_answer(rig.cell, rig.held[0], true, NULL);
		rig.hold = false;
		assert_int_equal(rig_sh(&rig, "exit 0"), 0);
		assert_false(exists("gone"));
	}
}

static void kill_reaches_the_whole_run(void **state UNUSED)
{
	struct cell_run run = { .argv = RIG_ARGV("sh", "-c", "setsid sleep $0 & (sleep $0 &); exec sleep $0", nap()) };
	int out = rig_start(&rig, &run);

	assert_true(wait_for_naps(&rig, 3));
	cell_kill(rig.cell, run.call, SIGKILL);
	assert_int_equal(rig_finish(&rig, out), 128 + SIGKILL);
	int64_t until = clock_mono_ms() + RIG_PATIENCE_MS;
	while (processes_with(nap()) > 0 && clock_mono_ms() < until)
		rig_turn(&rig, 20);
	assert_int_equal(processes_with(nap()), 0);
}

static void builtins_run_inside(void **state UNUSED)
{
	AUTO(json_decrefp) json_t *args = json_object();

	json_put_text(args, "say", "hello");
	assert_int_equal(rig_run(&rig, (struct cell_run){ .builtin = "environ", .args = args }), 7);
	assert_string_equal(rig.output, "hello");
	assert_int_equal(rig.last.execs, 0);
	assert_int_equal(rig_run(&rig, (struct cell_run){ .builtin = "write", .withheld = PERMISSION(FS_WRITE) }), 1);
	assert_string_equal(rig.output, "Permission denied");
	assert_false(exists("by-builtin"));
	assert_int_equal(rig_run(&rig, (struct cell_run){ .builtin = "write" }), 0);
	assert_true(exists("by-builtin"));
	/* One that may start no program cannot even try. */
	assert_int_equal(rig_run(&rig, (struct cell_run){ .builtin = "exec", .withheld = PERMISSION(EXEC) }), 1);
	assert_int_equal(rig.last.execs, 0);
	/* A builtin that starts a program is asked about like any other. */
	rig.deny = "touch";
	assert_int_equal(rig_run(&rig, (struct cell_run){ .builtin = "exec" }), 126);
	assert_false(exists("by-exec"));
}

static void readonly_runs(void **state UNUSED)
{
	static const struct { const char *sh; int status; } rows[] = {
		{ "ls / > /dev/null && cat script", 0 },
		{ "echo to an open descriptor", 0 },
		{ "echo x > new", 2 },
		{ "echo x > /tmp/new", 2 },
		{ "rm script", 1 },
		{ "mkdir d", 1 },
		{ "mv script other", 1 },
		{ "ln script other2", 1 },
		{ "echo x >> /dev/shm/there", 2 },
		{ "chmod 700 script", 1 },
		{ "touch -d 2001-01-01 script", 1 },
		{ "python3 -c 'import os; os.setxattr(\"script\", \"user.a\", b\"x\")'", 1 },
		{ "python3 -c 'import os; os.truncate(\"script\", 1)'", 1 },
	};

	write_file("script", "text\n", 0755);
	assert_int_equal(rig_sh(&rig, ": > /dev/shm/there"), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cell_run run = { .argv = RIG_ARGV("sh", "-c", rows[i].sh), .withheld = PERMISSION(FS_WRITE) };
		assert_int_equal(rig_run(&rig, run), rows[i].status);
		run.withheld = 0;
		if (rows[i].status != 0)
			assert_int_equal(rig_run(&rig, run), 0);
		write_file("script", "text\n", 0755);
	}
}

/* What is made inside belongs to the owner of the workspace outside; what he had can be changed. */
static void owners(void **state UNUSED)
{
	struct stat dir, made;
	char path[512];

	write_file("private", "old\n", 0600);
	assert_int_equal(
		rig_sh(&rig,
		       "cat private && echo new > private && touch made && test \"$(stat -c %u made)\" = \"$(id -u)\""),
		0);
	assert_string_equal(rig.output, "old\n");
	snprintf(path, sizeof path, "%s/made", rig.workspace);
	assert_int_equal(stat(rig.workspace, &dir), 0);
	assert_int_equal(stat(path, &made), 0);
	assert_int_equal(made.st_uid, dir.st_uid);
	assert_int_equal(made.st_gid, dir.st_gid);
	assert_int_equal(rig_sh(&rig, "test $(id -u) != 0"), 0);
}

static void limits_hold(void **state UNUSED)
{
	static const struct cell_plan small = { .level = CELL_FULL, .tmp_bytes = MIB(1), .file_bytes = MIB(2), .processes = 20,
	                                        .open_files = 32 };
	static const struct { const char *sh; int works; } rows[] = {
		{ "head -c 500000 /dev/zero > /tmp/a", 1 },     { "head -c 5000000 /dev/zero > /tmp/a", 0 },
		{ "head -c 5000000 /dev/zero > /dev/shm/a", 0 }, { "head -c 1000000 /dev/zero > a", 1 },
		{ "head -c 5000000 /dev/zero > a", 0 },          { "python3 -c 'x=[open(\"/dev/null\") for i in range(20)]'", 1 },
		{ "python3 -c 'x=[open(\"/dev/null\") for i in range(40)]'", 0 },
		{ "i=0; while [ $i -lt 40 ]; do sleep 1 & i=$((i+1)); done", 0 },
		{ "test \"$(ulimit -c)\" = 0", 1 },
	};
	struct cell_plan plan = small;

	rig_close(&rig);
	plan.workspace = rig.workspace;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(rig_open_plan(&rig, &plan));
		int status = rig_sh(&rig, rows[i].sh);
		if ((status == 0) != rows[i].works)
			fail_msg("%s: status %d: %s", rows[i].sh, status, rig.output);
		rig_close(&rig);
	}
	assert_true(rig_open(&rig, CELL_FULL));
}

static void cpu_limit(void **state UNUSED)
{
	int64_t start = clock_mono_ms();

	assert_int_equal(
		rig_run(&rig, (struct cell_run){.argv = RIG_ARGV("sh", "-c", "while :; do :; done"), .cpu_ms = 300}),
		128 + SIGKILL);
	assert_true(clock_mono_ms() - start < 15000);
}

static void memory_limit(void **state UNUSED)
{
	rig_close(&rig);
	assert_true(rig_open_plan(&rig, &(struct cell_plan){ .level = CELL_FULL, .workspace = rig.workspace,
	                                                      .memory_bytes = MIB(64) }));
	assert_int_equal(rig_sh(&rig, "python3 -c 'x = bytearray(10000000)'"), 0);
	/* it stays that large: where no control group keeps the limit, what comes and goes between two looks is not seen */
	assert_int_not_equal(rig_sh(&rig, "python3 -c 'import time; x = bytearray(100000000); time.sleep(20)'"), 0);
}

static void readonly_workspace(void **state UNUSED)
{
	rig_close(&rig);
	assert_true(rig_open_plan(&rig, &(struct cell_plan){ .level = CELL_FULL, .workspace = rig.workspace,
	                                                      .workspace_readonly = true }));
	assert_int_not_equal(rig_sh(&rig, "touch no"), 0);
	assert_int_equal(rig_sh(&rig, "ls > /tmp/list"), 0);
	assert_false(exists("no"));
}

static void closing_ends_everything(void **state UNUSED)
{
	struct cell_run run = {
		.argv = RIG_ARGV("sh", "-c", "trap '' TERM INT HUP; setsid sleep $0 & (sleep $0 &); sleep $0", nap())};
	int out = rig_start(&rig, &run);

	assert_true(wait_for_naps(&rig, 4));
	rig_close(&rig);
	assert_int_equal(processes_with(nap()), 0);    /* at once, not soon */
	close(out);
	assert_true(rig_open(&rig, CELL_FULL));
}

/* The engine is another process here, and dies without a word. */
static void nothing_outlives_the_engine(void **state UNUSED)
{
	char byte, sleep_for[32];
	int ready[2];

	snprintf(sleep_for, sizeof sleep_for, "%s", nap());
	assert_int_equal(pipe(ready), 0);
	pid_t engine = fork();
	if (engine == 0) {
		static struct rig own;
		struct err err;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		memcpy(own.workspace, rig.workspace, sizeof own.workspace);
		struct cell_run run = { .argv = RIG_ARGV("sh", "-c", "setsid sleep $0 & sleep $0", sleep_for) };
		if (warden_start(NULL, 0, &own.warden, &err) < 0 || !rig_open(&own, CELL_FULL) || rig_start(&own, &run) < 0)
			_exit(1);
		while (own.seen_count < 3)
			rig_turn(&own, 100);
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_true(processes_with(nap()) >= 1);
	kill(engine, SIGKILL);
	waitpid(engine, NULL, 0);
	int64_t until = clock_mono_ms() + 2000;
	while (processes_with(nap()) > 0 && clock_mono_ms() < until)
		usleep(5000);
	assert_int_equal(processes_with(nap()), 0);
}

/* The parent of a process with this name; 0: it is another one, or gone. */
static pid_t parent_of(const char *pid, const char *name)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(16));
	AUTO(freep) char *path = xasprintf("/proc/%s/status", pid);
	AUTO(freep) char *line = xasprintf("Name:\t%s\n", name);

	if (io_read_file(path, &text, NULL) < 0 || strstr(buf_text(&text), line) == NULL)
		return 0;
	const char *parent = strstr(buf_text(&text), "\nPPid:\t");
	return parent != NULL ? (pid_t)strtol(parent + 7, NULL, 10) : 0;
}

/* The newest warden that a nurse of this process started. */
static pid_t newest_warden(void)
{
	DIR *dir = opendir("/proc");
	pid_t newest = 0;

	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		pid_t nurse = parent_of(entry->d_name, "mishri-warden");
		AUTO(freep) char *of = xasprintf("%d", nurse);
		if (nurse > 0 && parent_of(of, "mishri-nurse") == getpid())
			newest = MAX(newest, (pid_t)strtol(entry->d_name, NULL, 10));
	}
	closedir(dir);
	return newest;
}

static void nothing_outlives_the_warden(void **state UNUSED)
{
	static struct rig other;
	struct cell_run run = { .argv = RIG_ARGV("sh", "-c", "setsid sleep $0 & sleep $0", nap()) };
	struct err err = ERR_NONE;

	memcpy(other.workspace, rig.workspace, sizeof other.workspace);
	assert_int_equal(warden_start(NULL, 0, &other.warden, &err), 0);
	assert_true(rig_open(&other, CELL_FULL));
	int out = rig_start(&other, &run);
	assert_true(wait_for_naps(&other, 2));
	assert_int_equal(kill(newest_warden(), SIGKILL), 0);
	assert_false(rig_until(&other, &other.ended, 5000));
	assert_true(other.lost);     /* its socket closes a moment before its processes are gone */
	int64_t until = clock_mono_ms() + 2000;
	while (processes_with(nap()) > 0 && clock_mono_ms() < until)
		usleep(5000);
	assert_int_equal(processes_with(nap()), 0);
	rig_close(&other);
	/* And a cell that is asked for now is refused, not waited for. */
	assert_false(rig_open(&other, CELL_FULL));
	assert_true(other.failed);
	close(out);
	/* Another warden makes cells as the first did; also in the place of one that stands still. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(warden_restart(other.warden, &err), 0);
		assert_false(warden_is_lost(other.warden));
		assert_true(rig_open(&other, CELL_FULL));
		rig_close(&other);
		assert_int_equal(kill(newest_warden(), i == 0 ? SIGSTOP : SIGKILL), 0);
	}
	warden_stop(other.warden);
}

static void plans_that_are_refused(void **state UNUSED)
{
	char file[300], relative[] = "x";
	snprintf(file, sizeof file, "%s/script", rig.workspace);
	write_file("script", "", 0644);
	const struct { struct cell_plan plan; const char *says; } rows[] = {
		{ { .workspace = relative }, "must be an absolute path" },
		{ { .workspace = NULL }, "must be an absolute path" },
		{ { .workspace = "/" }, "cannot be a workspace" },
		{ { .workspace = "/usr/lib" }, "cannot be a workspace" },
		{ { .workspace = "/tmp" }, "cannot be a workspace" },
		{ { .workspace = "/no/such/dir" }, "No such file" },
		{ { .workspace = file }, "is not a directory" },
		{ { .workspace = "/tmp/../tmp/x" }, "workspace" },
		{ { .workspace = rig.workspace, .open_files = 3 }, "16 open files" },
		{ { .workspace = rig.workspace, .memory_bytes = 1 }, "16 MiB" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct rig other = { .warden = rig.warden };
		assert_false(rig_open_plan(&other, &rows[i].plan));
		assert_true(other.failed);
		if (strstr(other.failure.text, rows[i].says) == NULL)
			fail_msg("said '%s', not '%s'", other.failure.text, rows[i].says);
	}
}

/* A workspace that an ordinary user owns, and a secret of his elsewhere. */
static void other_rig(struct rig *other, char *secret, size_t size)
{
	*other = (struct rig){ .warden = rig.warden };
	snprintf(other->workspace, sizeof other->workspace, "/tmp/mishri-other-XXXXXX");
	assert_non_null(mkdtemp(other->workspace));
	snprintf(secret, size, "/var/tmp/mishri-secret-XXXXXX");
	AUTO(fd_closep) int fd = mkstemp(secret);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, "secret", 6), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(other->workspace, 65534, 65534), 0);
		assert_int_equal(chown(secret, 65534, 65534), 0);
	}
}

static void other_rig_remove(struct rig *other, const char *secret)
{
	unlink(secret);
	assert_int_equal(rmdir(other->workspace), 0);
}

/* Every row works where nothing is kept (none), and is refused where Landlock, seccomp and the gate keep it
 * (reduced). */
static void reduced_keeps_what_it_says(void **state UNUSED)
{
	static const struct { const char *sh; int reduced; const char *says; } rows[] = {
		{ "cat $S", 1, "Permission denied" },
		{ "echo x >> $S", 2, "Permission denied" },
		{ "python3 -c 'import socket; socket.socket()'", 1, "Operation not permitted" },
		{ "ls /var/tmp", 2, "Permission denied" },
		{ "echo x > /tmp/mishri-other-$$ && rm /tmp/mishri-other-$$", 2, "Permission denied" },
		{ "touch forbidden && rm forbidden", 126, "denied by test" },
		{ "kill -0 $PPID", 0, "" },      /* its own pid 1: the same domain */
	};
	static struct rig other;
	char secret[64], text[512];

	other_rig(&other, secret, sizeof secret);
	other.deny = "touch";
	for (int level = CELL_REDUCED; level <= CELL_NONE; level++) {
		assert_true(rig_open(&other, (enum cell_level)level));
		assert_string_equal(json_get_text(other.mechanisms, "level", ""), cell_level_name((enum cell_level)level));
		for (size_t i = 0; i < COUNT(rows); i++) {
			snprintf(text, sizeof text, "S=%s; %s", secret, rows[i].sh);
			int status = rig_sh(&other, text), want = level == CELL_REDUCED ? rows[i].reduced : 0;
			if (status != want || (status != 0 && strstr(other.output, rows[i].says) == NULL))
				fail_msg("%s: %s: %d, not %d: %s", cell_level_name((enum cell_level)level), rows[i].sh, status, want,
				         other.output);
		}
		rig_close(&other);
	}
	other_rig_remove(&other, secret);
}

static void nothing_outlives_other_levels(void **state UNUSED)
{
	struct cell_run run = {
		.argv = RIG_ARGV("sh", "-c", "trap '' TERM; setsid sleep $0 & (sleep $0 &); exec sleep $0", nap())};
	static struct rig other;
	char secret[64], scratch[256];

	other_rig(&other, secret, sizeof secret);
	for (int level = CELL_REDUCED; level <= CELL_NONE; level++) {
		assert_true(rig_open(&other, (enum cell_level)level));
		snprintf(scratch, sizeof scratch, "%s", json_get_text(other.mechanisms, "tmp", ""));
		assert_int_equal(access(scratch, F_OK), 0);
		char make[600];
		snprintf(make, sizeof make, "cd %s && mkdir -p d/e && echo x > d/e/f && chmod 000 d/e", scratch);
		if (level == CELL_REDUCED)
			assert_int_equal(rig_sh(&other, make), 0);
		int out = rig_start(&other, &run);
		assert_true(wait_for_naps(&other, 3));
		rig_close(&other);
		assert_int_equal(processes_with(nap()), 0);
		if (level == CELL_REDUCED)
			assert_int_equal(access(scratch, F_OK), -1);
		close(out);
	}
	other_rig_remove(&other, secret);
}

/* A process limit by number of user would count the user's other programs: here the gate counts. */
static void reduced_bounds_processes(void **state UNUSED)
{
	static struct rig other;
	char secret[64];

	other_rig(&other, secret, sizeof secret);
	assert_true(rig_open_plan(&other, &(struct cell_plan){ .level = CELL_REDUCED, .workspace = other.workspace,
	                                                       .memory_bytes = RIG_MEMORY_BYTES, .processes = 20 }));
	rig_run(&other, (struct cell_run){.argv = RIG_ARGV("bash", "-c",
							   "for i in {1..40}; do sleep $0 & done; wait", nap())});
	assert_int_equal(other.last.hit.what, BOUND_PROCESSES);
	assert_int_equal(other.last.hit.reached, 21);
	assert_int_equal(other.last.hit.limit, 20);
	rig_close(&other);
	assert_int_equal(processes_with(nap()), 0);
	other_rig_remove(&other, secret);
}

static void root_needs_full(void **state UNUSED)
{
	if (geteuid() != 0)
		skip();
	for (int level = CELL_REDUCED; level <= CELL_NONE; level++) {
		struct rig other = { .warden = rig.warden };
		memcpy(other.workspace, rig.workspace, sizeof other.workspace);
		assert_false(rig_open(&other, (enum cell_level)level));
		assert_non_null(strstr(other.failure.text, "cannot run as root"));
	}
}

static void what_is_in_force(void **state UNUSED)
{
	assert_string_equal(json_get_text(rig.mechanisms, "level", ""), "full");
	assert_true(json_get_int(rig.mechanisms, "landlock_abi", 0) >= 1);
	assert_true(json_get_bool(rig.mechanisms, "seccomp", false));
	assert_string_equal(json_get_text(rig.mechanisms, "exec_gate", ""), "ptrace");
	AUTO(json_decrefp) json_t *rows = cell_probe(rig.warden);
	assert_true(json_array_size(rows) >= 5);
	for (size_t i = 0; i < json_array_size(rows); i++)
		assert_true(json_get_bool(json_array_get(rows, i), "ok", false));
}

static int make_all(void **state UNUSED)
{
	struct err err = ERR_NONE;

	setenv("MISHRI_TEST_SECRET", "s3cret", 1);
	early_at = getenv("PATH");
	late_at = getenv("MISHRI_TEST_SECRET");
	if (early_at == NULL || early_at[0] == '\0' || late_at[0] == '\0')
		return -1;
	if (warden_start(builtins, COUNT(builtins), &rig.warden, &err) < 0)
		return -1;
	snprintf(rig.workspace, sizeof rig.workspace, "/tmp/mishri-test-XXXXXX");
	return mkdtemp(rig.workspace) != NULL ? 0 : -1;
}

static int remove_all(void **state UNUSED)
{
	warden_stop(rig.warden);
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/rm", "rm", "-r", rig.workspace, (char *)NULL);
		_exit(1);
	}
	int status = 1;
	waitpid(pid, &status, 0);
	return status;
}

#define IN_CELL(test) cmocka_unit_test_setup_teardown(test, open_full, close_it)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_CELL(what_is_in_force),
		IN_CELL(statuses),
		IN_CELL(refused_runs),
		IN_CELL(first_program_is_asked_too),
		IN_CELL(facts),
		IN_CELL(every_start_belongs_to_its_run),
		IN_CELL(too_many_arguments),
		IN_CELL(holding_holds_nothing_else),
		IN_CELL(a_signal_withdraws_the_question),
		IN_CELL(kill_reaches_the_whole_run),
		IN_CELL(builtins_run_inside),
		IN_CELL(readonly_runs),
		IN_CELL(owners),
		IN_CELL(limits_hold),
		IN_CELL(cpu_limit),
		IN_CELL(memory_limit),
		IN_CELL(readonly_workspace),
		IN_CELL(closing_ends_everything),
		IN_CELL(nothing_outlives_the_engine),
		cmocka_unit_test(nothing_outlives_the_warden),
		cmocka_unit_test(plans_that_are_refused),
		cmocka_unit_test(reduced_keeps_what_it_says),
		cmocka_unit_test(nothing_outlives_other_levels),
		cmocka_unit_test(reduced_bounds_processes),
		cmocka_unit_test(root_needs_full),
	};

	return cmocka_run_group_tests(tests, make_all, remove_all);
}
