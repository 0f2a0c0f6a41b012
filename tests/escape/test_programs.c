/* test_programs.c - what the gate knows of a program by its bytes, what it notices while one is held, and that many of
 * them, held or refused, cost others nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/wait.h>

#include "base/hash.h"
#include "rig.h"

#include "base/banned.h"

static struct rig rig;
static const char *attempt_path;
static char attempt_hash[SHA256_HEX_LEN + 1];

static char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof path, "%s/%s", rig.workspace, name);
	return path;
}

static bool exists(const char *name)
{
	return access(path_of(name), F_OK) == 0;
}

static void put(const char *name, const char *text)
{
	AUTO(fd_closep) int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, 0755), 0);
}

static void hash_of(const char *path, char hex[static SHA256_HEX_LEN + 1])
{
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(sha256_fd(fd, hex), 0);
}

static const struct rig_exec *last_seen(void)
{
	assert_true(rig.seen_count > 0);
	return &rig.seen[(rig.seen_count - 1) % RIG_SEEN];
}

/* ---- by its bytes ---- */

static const char script[] = "#!/bin/sh\nexit 0\n";

static void programs_are_known_by_their_bytes(void **state UNUSED)
{
	char of_script[SHA256_HEX_LEN + 1], of_true[SHA256_HEX_LEN + 1], of_sh[SHA256_HEX_LEN + 1], of_loader[SHA256_HEX_LEN + 1];
	enum { NOTHING, SCRIPT, PROGRAM, TRUE };
	static const char *const loader = "/lib64/ld-linux-x86-64.so.2";
	const struct { const char *sh; int first; bool also_sh, hash_system; } rows[] = {
		{ "exec ./s", SCRIPT, false, false },
		{ "ln -sf s l; exec ./l", SCRIPT, false, false },
		{ "exec ./s", SCRIPT, true, true },
		{ "cp s /tmp/s; exec /tmp/s", SCRIPT, false, false },
		{ "exec ./attempt", PROGRAM, false, false },
		{ "cp attempt other; exec ./other", PROGRAM, false, false },
		{ "exec /lib64/ld-linux-x86-64.so.2 ./attempt", PROGRAM, false, false },
		{ "cat attempt > d; chmod +x d; exec 3< d; rm d; exec /proc/self/fd/3", PROGRAM, false, false },
		{ "exec ./attempt memory ./attempt", PROGRAM, false, false },
		{ "exec /usr/bin/true", NOTHING, false, false },
		{ "exec /usr/bin/true", TRUE, false, true },
		{ "exec /lib64/ld-linux-x86-64.so.2 /usr/bin/true", TRUE, false, true },
	};

	if (access(loader, X_OK) < 0)
		skip();
	put("s", script);
	hash_of(path_of("s"), of_script);
	hash_of("/usr/bin/true", of_true);
	hash_of("/bin/sh", of_sh);
	hash_of(loader, of_loader);
	const char *const want[] = { "", of_script, attempt_hash, of_true };
	for (size_t i = 0; i < COUNT(rows); i++) {
		rig_run(&rig, (struct cell_run){ .argv = RIG_ARGV("bash", "-c", rows[i].sh), .hash_system = rows[i].hash_system });
		const struct rig_exec *seen = last_seen();
		if ((rows[i].first == NOTHING) != (seen->hash_count == 0) ||
		    (rows[i].first != NOTHING && strcmp(seen->hashes[0], want[rows[i].first]) != 0))
			fail_msg("%s: %zu hashes, first %s", rows[i].sh, seen->hash_count, seen->hashes[0]);
		if (rows[i].also_sh && (seen->hash_count != 2 || strcmp(seen->hashes[1], of_sh) != 0))
			fail_msg("%s: the interpreter is %s", rows[i].sh, seen->hashes[1]);
	}
	put("s", "#!/bin/sh\nexit 1\n");         /* the same name, other bytes: nothing old is remembered */
	assert_int_equal(rig_sh(&rig, "exec ./s"), 1);
	assert_string_not_equal(last_seen()->hashes[0], of_script);
}

/* ---- while it is held ---- */

static void wait_held(size_t count)
{
	int64_t until = clock_mono_ms() + RIG_PATIENCE_MS;

	while (rig.held_count < count && clock_mono_ms() < until)
		rig_turn(&rig, 100);
	assert_int_equal(rig.held_count, count);
}

/* What somebody does to a script that a person is being asked about; it must not run then. */
static void a_change_while_it_is_held_is_noticed(void **state UNUSED)
{
	static const struct { const char *sh; bool runs; } rows[] = {
		{ ":", true },
		{ "cat s > /dev/null", true },
		{ "echo ': > evil' >> s", false },
		{ "printf '#!/bin/sh\\n: > evil\\n' > t; chmod +x t; mv t s", false },
		{ "rm s", false },
		{ "mv s t; ln -s /usr/bin/touch s", false },
		{ "cp -p s t; echo ': > evil' >> s; touch -r t s", false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cell_run run = { .argv = RIG_ARGV(path_of("s")) };
		rig_sh(&rig, "rm -f s t good evil");
		put("s", "#!/bin/sh\n: > good\n");
		rig.hold = true;
		int out = rig_start(&rig, &run);
		wait_held(1);
		uint32_t id = rig.held[0];
		rig.hold = false;
		assert_int_equal(rig_sh(&rig, rows[i].sh), 0);
		rig.ended = false;
		cell_exec_answer(rig.cell, id, true, NULL);
		int status = rig_finish(&rig, out);
		assert_false(exists("evil"));
		if (status != (rows[i].runs ? 0 : 126) || exists("good") != rows[i].runs)
			fail_msg("%s: status %d: %s", rows[i].sh, status, rig.output);
		if (!rows[i].runs)
			assert_non_null(strstr(rig.output, "was changed while its start was decided"));
	}
}

static void wait_file(const char *name)
{
	int64_t until = clock_mono_ms() + RIG_PATIENCE_MS;

	while (!exists(name) && clock_mono_ms() < until)
		rig_turn(&rig, 20);
	assert_true(exists(name));
}

/* Who is stopped before his first step leaves all the time in the world to change what he will read. */
static void who_was_stopped_while_held_does_not_start(void **state UNUSED)
{
	static const struct { const char *signal; bool runs; } rows[] = { { "STOP", false }, { "TSTP", false }, { "CONT", true } };

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cell_run run = { .argv = RIG_ARGV(path_of("s")) };
		char text[64];
		put("s", "#!/bin/sh\n: > good\n");
		assert_int_equal(rig_sh(&rig, "rm -f good evil go over; (until [ -e go ]; do :; done;"
		                        " echo ': > evil' > s; pkill -CONT -x s; : > over) > /dev/null 2>&1 &"), 0);
		rig.hold = true;
		int out = rig_start(&rig, &run);
		wait_held(1);
		uint32_t id = rig.held[0];
		rig.hold = false;
		snprintf(text, sizeof text, "pkill -%s -x s", rows[i].signal);
		if (rig_sh(&rig, text) != 0)
			fail_msg("%s: %s", text, rig.output);
		rig.ended = false;
		cell_exec_answer(rig.cell, id, true, NULL);
		rig_turn(&rig, 300);
		if (!rig.ended)                          /* it stands: now is the time to change it */
			put("go", "");
		int status = rig_finish(&rig, out);
		if (exists("evil") || exists("good") != rows[i].runs || (status == 0) != rows[i].runs)
			fail_msg("%s: status %d: %s", rows[i].signal, status, rig.output);
		put("go", "");
		wait_file("over");
	}
}

#define LOADER "/lib64/ld-linux-x86-64.so.2"

/* A page that is mapped and was written to is written again without any sign in the times of its file. What a loader
 * opens may be mapped so: it is no program to the kernel. */
static void a_write_by_a_mapping_is_noticed(void **state UNUSED)
{
	struct cell_run run = { .argv = RIG_ARGV(LOADER, "./copy", "mark") };
	char before[SHA256_HEX_LEN + 1];

	if (access(LOADER, X_OK) < 0)
		skip();
	assert_int_equal(rig_sh(&rig, "rm -f copy mark-* mapped written go; cp attempt copy;"
	                        " setsid ./attempt write-by-mapping copy go > /dev/null 2>&1 &"), 0);
	wait_file("mapped");
	for (int64_t until = clock_mono_ms() + 200; clock_mono_ms() < until;)     /* its digest is remembered from now on */
		rig_turn(&rig, 20);
	assert_int_equal(rig_run(&rig, run), 0);
	assert_true(exists("mark-good"));
	memcpy(before, last_seen()->hashes[0], sizeof before);
	rig.hold = true;
	int out = rig_start(&rig, &run);
	wait_held(1);
	uint32_t id = rig.held[0];
	rig.hold = false;
	put("go", "");
	wait_file("written");
	rig.ended = false;
	cell_exec_answer(rig.cell, id, true, NULL);
	int status = rig_finish(&rig, out);
	if (status != 126 || exists("mark-evil"))
		fail_msg("it runs: %d: %s", status, rig.output);
	assert_int_equal(rig_run(&rig, run), 0);          /* allowed as what it is now, it does what it could not do before */
	assert_true(exists("mark-evil"));
	assert_string_not_equal(last_seen()->hashes[0], before);
}

/* A program, other than a script, cannot be changed: the kernel keeps the file of a process from writers. */
static void a_held_program_cannot_be_written(void **state UNUSED)
{
	struct cell_run run = { .argv = RIG_ARGV(path_of("copy"), "hostname") };

	assert_int_equal(rig_sh(&rig, "cp attempt copy"), 0);
	assert_int_equal(rig_sh(&rig, "echo x >> copy && cp attempt copy"), 0);
	rig.hold = true;
	int out = rig_start(&rig, &run);
	wait_held(1);
	uint32_t id = rig.held[0];
	rig.hold = false;
	assert_int_not_equal(rig_sh(&rig, "echo x >> copy"), 0);
	assert_non_null(strstr(rig.output, "Text file busy"));
	rig.ended = false;
	cell_exec_answer(rig.cell, id, true, NULL);
	assert_int_equal(rig_finish(&rig, out), 1);
}

/* ---- many ---- */

static void sixty_held_stop_nobody(void **state UNUSED)
{
	enum { MANY = 60 };
	struct cell_run run = { .argv = RIG_ARGV("bash", "-c", "for i in $(seq 60); do touch h$i & done; wait") };
	uint32_t ids[MANY];

	int out = rig_start(&rig, &run);
	while (rig.seen_count < 2)               /* bash and seq */
		rig_turn(&rig, 100);
	rig.hold = true;
	wait_held(MANY);
	memcpy(ids, rig.held, sizeof ids);
	rig.hold = false;
	for (int i = 0; i < 20; i++)
		assert_int_equal(rig_sh(&rig, "ls > /dev/null"), 0);
	assert_false(exists("h1"));
	rig.ended = false;
	for (int i = 0; i < MANY; i++)
		cell_exec_answer(rig.cell, ids[i], i % 2 == 0, "mishri: denied by test");
	rig_finish(&rig, out);
	size_t made = 0;
	for (int i = 1; i <= MANY; i++) {
		char name[16];
		snprintf(name, sizeof name, "h%d", i);
		made += exists(name);
	}
	assert_int_equal(made, MANY / 2);
}

static long rss_of_first(void)
{
	assert_int_equal(rig_sh(&rig, "grep VmRSS /proc/1/status"), 0);
	return strtol(rig.output + strcspn(rig.output, "0123456789"), NULL, 10);
}

static void ten_thousand_refusals_cost_no_memory(void **state UNUSED)
{
#if defined(__SANITIZE_ADDRESS__)
	enum { GROWTH_KIB = 1 << 20 };                          /* what is freed is kept aside for a while */
#else
	enum { GROWTH_KIB = 2048 };
#endif

	assert_int_equal(rig_sh(&rig, "./attempt flood 100 /usr/bin/true"), 1);     /* allowed, it ends at once */
	rig.deny = "true";
	assert_int_equal(rig_sh(&rig, "./attempt flood 100 /usr/bin/true"), 0);
	long before = rss_of_first();
	for (int i = 0; i < 10; i++) {           /* each within the patience of a test */
		assert_int_equal(rig_run(&rig, (struct cell_run){ .argv = RIG_ARGV("./attempt", "flood", "1000", "/usr/bin/true") }), 0);
		assert_int_equal(rig.last.denied, 1000);
	}
	rig.deny = NULL;
	assert_true(rss_of_first() < before + GROWTH_KIB);
}

/* ---- set-up ---- */

static int open_it(void **state UNUSED)
{
	rig.hold = false;
	rig.deny = NULL;
	return rig_open(&rig, CELL_FULL) ? 0 : -1;
}

static int close_it(void **state UNUSED)
{
	rig_close(&rig);
	return 0;
}

static int shell(const char *text)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execle("/bin/sh", "sh", "-c", text, (char *)NULL, (char *const *)rig_env);
		_exit(99);
	}
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static int make_all(void **state UNUSED)
{
	struct err err = ERR_NONE;
	char text[700];

	if (warden_start(NULL, 0, &rig.warden, &err) < 0)
		return -1;
	snprintf(rig.workspace, sizeof rig.workspace, "/tmp/mishri-programs-XXXXXX");
	if (mkdtemp(rig.workspace) == NULL)
		return -1;
	hash_of(attempt_path, attempt_hash);
	snprintf(text, sizeof text, "cp %s %s/attempt && chmod 755 %s/attempt", attempt_path, rig.workspace, rig.workspace);
	return shell(text);
}

static int remove_all(void **state UNUSED)
{
	char text[300];

	warden_stop(rig.warden);
	snprintf(text, sizeof text, "rm -rf %s", rig.workspace);
	return shell(text);
}

#define IN_CELL(test) cmocka_unit_test_setup_teardown(test, open_it, close_it)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		IN_CELL(programs_are_known_by_their_bytes), IN_CELL(a_change_while_it_is_held_is_noticed),
		IN_CELL(who_was_stopped_while_held_does_not_start), IN_CELL(a_write_by_a_mapping_is_noticed),
		IN_CELL(a_held_program_cannot_be_written), IN_CELL(sixty_held_stop_nobody),
		IN_CELL(ten_thousand_refusals_cost_no_memory),
	};

	if (argc != 2 || access(argv[1], X_OK) < 0) {
		fprintf(stderr, "usage: test_programs ATTEMPT\n");
		return 2;
	}
	attempt_path = realpath(argv[1], NULL);
	return cmocka_run_group_tests(tests, make_all, remove_all);
}
