/* test_attack.c - what attackers of a cell found once, and may not find again. Each row is an act in the shell, done
 * in a cell, where it must fail, and outside of it by the same user, where it must work, or it would prove nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "rig.h"

#include "base/banned.h"

static struct warden *warden;
static char workspace[256];
static char victim[16];
static pid_t victim_pid;

static int outside(const char *text)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (chdir(workspace) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
			_exit(99);
		execle("/bin/bash", "bash", "-c", text, (char *)NULL, (char *const *)rig_env);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* first: pid 1 of the cell; outside a process that is the leader of its group, too. */
static void with_victim(char *text, size_t size, const char *first, const char *act)
{
	snprintf(text, size, "VICTIM=%s; FIRST=%s; %s", victim, first, act);
}

/* ---- what the kernel keeps ---- */

enum where { FULL = 1, REDUCED = 2 };

static const struct act {
	unsigned where;
	const char *sh;
} acts[] = {
	/* a program that runs as its owner, left where others of the machine can start it */
	{ FULL | REDUCED, "rm -f x; : > x; chmod 4755 x" },
	{ FULL | REDUCED, "rm -f x; : > x; chmod 2755 x" },
	{ FULL | REDUCED, "perl -e 'open(F, \">\", \"x\"); chmod(06711, *F) or die'" },
#if defined(__x86_64__)
	{ FULL | REDUCED, "perl -e 'my $f = \"y$$\"; syscall(133, $f, 0104755, 0) and die; unlink($f) or die'" },
#endif
	/* another process, but by no signal */
	{ FULL | REDUCED, "prlimit --pid $VICTIM --core=1:1" },
	{ FULL | REDUCED, "sleep 5 & prlimit --pid $! --core=1:1; r=$?; kill $!; exit $r" },
	{ REDUCED, "renice -n 19 -p $VICTIM" },
	/* pid 1, which counts what the others use: late is as good as never */
	{ FULL, "renice -n 19 -p $FIRST" },
	{ FULL, "renice -n 19 -g $FIRST" },
	{ FULL, "chrt --idle -p 0 $FIRST" },
	{ FULL, "taskset -p 1 $FIRST" },
	{ FULL, "ionice -c 3 -p $FIRST" },
	/* what stays when every process is gone */
	{ REDUCED, "perl -e 'my $id = shmget(0x6d736872, 4096, 01600); exit 1 if !defined $id; shmctl($id, 0, 0)'" },
	{ REDUCED, "perl -e 'my $id = msgget(0x6d736872, 01600); exit 1 if !defined $id; msgctl($id, 0, 0)'" },
	{ REDUCED, "perl -e 'my $id = semget(0x6d736872, 1, 01600); exit 1 if !defined $id; semctl($id, 0, 0, 0)'" },
};

static void try_acts(enum cell_level level, enum where where)
{
	static struct rig rig;
	char text[1024];

	rig = (struct rig){ .warden = warden };
	memcpy(rig.workspace, workspace, sizeof workspace);
	assert_true(rig_open(&rig, level));
	for (size_t i = 0; i < COUNT(acts); i++) {
		if ((acts[i].where & where) == 0)
			continue;
		with_victim(text, sizeof text, victim, acts[i].sh);
		if (outside(text) != 0)
			fail_msg("outside: %s: this row proves nothing", acts[i].sh);
		with_victim(text, sizeof text, "1", acts[i].sh);
		int status = rig_run(&rig, (struct cell_run){ .argv = RIG_ARGV("/bin/bash", "-c", text) });
		if (status <= 0)
			fail_msg("inside: %s: done: %s", acts[i].sh, rig.output);
	}
	rig_close(&rig);
}

static void the_kernel_keeps(void **state UNUSED)
{
	try_acts(CELL_FULL, FULL);
}

static void the_kernel_keeps_when_reduced(void **state UNUSED)
{
	if (geteuid() == 0)           /* it wants an ordinary user, or a workspace of one */
		skip();
	try_acts(CELL_REDUCED, REDUCED);
}

/* What each cell must say of itself; the engine, here this test, says the opposite. */
static void cells_are_marked(void **state UNUSED)
{
	static const char *const marks[] = {
		"! tr '\\0' ' ' < /proc/PID/cmdline | grep -q test_attack",       /* the goal may be in the arguments */
		"[ $(cat /proc/PID/oom_score_adj) = 1000 ]",                     /* when memory runs out */
		"grep -q '^Seccomp:.*2$' /proc/PID/status",                      /* pid 1 is under a filter, too */
	};
	static struct rig rig;
	char text[256];

	rig = (struct rig){ .warden = warden };
	memcpy(rig.workspace, workspace, sizeof workspace);
	assert_true(rig_open(&rig, CELL_FULL));
	for (size_t i = 0; i < COUNT(marks); i++) {
		const char *at = strstr(marks[i], "PID");
		snprintf(text, sizeof text, "%.*s%s%s", (int)(at - marks[i]), marks[i], "1", at + 3);
		assert_int_equal(rig_run(&rig, (struct cell_run){ .argv = RIG_ARGV("/bin/bash", "-c", text) }), 0);
		snprintf(text, sizeof text, "%.*s%d%s", (int)(at - marks[i]), marks[i], getpid(), at + 3);
		assert_int_not_equal(outside(text), 0);
	}
	rig_close(&rig);
}

/* ---- what the gate sees ---- */

/* Ways to start `touch forbidden` under other names, where `touch` is denied and everything else allowed. */
static const char *const disguises[] = {
	"busybox touch forbidden",
	"busybox busybox touch forbidden",
	"busybox busybox busybox touch forbidden",
	"printf '#!/usr/bin/busybox touch\n' > s; chmod +x s; ./s forbidden",
	"printf '#!/lib64/ld-linux-x86-64.so.2 /usr/bin/touch\n' > s; chmod +x s; ./s forbidden",
	"printf '#!/bin/sh\n: > forbidden\n' > touch; printf '#!%s/touch\n' $PWD > s; chmod +x s touch; ./s",
	"/lib64/ld-linux-x86-64.so.2 --argv0 touch /usr/bin/busybox forbidden",
	"/lib64/ld-linux-x86-64.so.2 /usr/bin/busybox touch forbidden",
};

static bool try_disguise(struct rig *rig, const char *sh)
{
	char path[512];

	snprintf(path, sizeof path, "%s/forbidden", workspace);
	unlink(path);
	rig_run(rig, (struct cell_run){ .argv = RIG_ARGV("/bin/bash", "-c", sh) });
	return access(path, F_OK) == 0;
}

static void no_name_is_lost(void **state UNUSED)
{
	static struct rig rig;

	rig = (struct rig){ .warden = warden };
	memcpy(rig.workspace, workspace, sizeof workspace);
	assert_true(rig_open(&rig, CELL_FULL));
	for (size_t i = 0; i < COUNT(disguises); i++) {
		rig.deny = NULL;
		if (!try_disguise(&rig, disguises[i])) {
			print_message("not here: %s: %s\n", disguises[i], rig.output);   /* no busybox, or a static one */
			continue;
		}
		rig.deny = "touch";
		if (try_disguise(&rig, disguises[i]) || rig.last.denied == 0)
			fail_msg("%s: done", disguises[i]);
	}
	rig_close(&rig);
}

/* ---- set-up ---- */

static int make_all(void **state UNUSED)
{
	struct err err = ERR_NONE;

	if (warden_start(NULL, 0, &warden, &err) < 0)
		return -1;
	snprintf(workspace, sizeof workspace, "/tmp/mishri-attack-XXXXXX");
	if (mkdtemp(workspace) == NULL)
		return -1;
	victim_pid = fork();
	if (victim_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		for (;;)
			pause();
	}
	snprintf(victim, sizeof victim, "%d", victim_pid);
	return 0;
}

static int remove_all(void **state UNUSED)
{
	char text[300];

	warden_stop(warden);
	kill(victim_pid, SIGKILL);
	snprintf(text, sizeof text, "cd / && rm -rf %s", workspace);
	return outside(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_keeps), cmocka_unit_test(the_kernel_keeps_when_reduced),
		cmocka_unit_test(cells_are_marked), cmocka_unit_test(no_name_is_lost),
	};

	return cmocka_run_group_tests(tests, make_all, remove_all);
}
