/* test_permissions.c - what is withheld from one call, where its task has it. Each row is an act in the shell: done by a
 * run that lacks the permission, where it must fail, and by one that has it, where it must work, in the same cell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/permission.h"
#include "rig.h"

#include "base/banned.h"

static struct warden *warden;
static char workspace[256];

/* What a descriptor for reading is enough for. A file system that does not know the call says so, and not EPERM. */
#define BY_IOCTL(file, number) \
	"perl -MErrno=EPERM -e '$x = \"\\0\" x 4096; open(F, \"<\", \"" file "\"); ioctl(F, " number ", $x) or $! != EPERM or exit 1'"

static const struct act {
	unsigned withheld;
	const char *sh;
} acts[] = {
	{ PERMISSION(FS_WRITE), "echo x > new" },
	{ PERMISSION(FS_WRITE), "echo x >> f" },
	{ PERMISSION(FS_WRITE), ": > f" },
	{ PERMISSION(FS_WRITE), "sh -c 'sh -c \"echo x > new\"'" },
	{ PERMISSION(FS_WRITE), "echo 'echo x > new' > $TMPDIR/s$$; sh $TMPDIR/s$$" },
	{ PERMISSION(FS_WRITE), "rm f" },
	{ PERMISSION(FS_WRITE), "mv f g" },
	{ PERMISSION(FS_WRITE), "mv f d/f" },
	{ PERMISSION(FS_WRITE), "perl -e 'rename(\"d\", \"e\") or exit 1'" },
	{ PERMISSION(FS_WRITE), "ln f g" },
	{ PERMISSION(FS_WRITE), "ln -s f g" },
	{ PERMISSION(FS_WRITE), "mkdir e" },
	{ PERMISSION(FS_WRITE), "rmdir d" },
	{ PERMISSION(FS_WRITE), "mkfifo g" },
	{ PERMISSION(FS_WRITE), "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un(\"g\")) or exit 1'" },
	{ PERMISSION(FS_WRITE), "perl -e 'truncate(\"f\", 1) or exit 1'" },
	{ PERMISSION(FS_WRITE), "perl -MFcntl -e 'sysopen(F, \"f\", O_RDONLY | O_TRUNC) or exit 1'" },
	{ PERMISSION(FS_WRITE), "perl -MFcntl -e 'sysopen(F, \"f\", 3 | O_TRUNC) or exit 1'" },
	{ PERMISSION(FS_WRITE), "perl -e 'open(F, \"+<\", \"f\") or exit 1'" },
	{ PERMISSION(FS_WRITE), "exec 3< f; echo x > /proc/self/fd/3" },
	{ PERMISSION(FS_WRITE), "exec 3< f; echo x > /dev/fd/3" },
	{ PERMISSION(FS_WRITE), "chmod 600 f" },
	{ PERMISSION(FS_WRITE), "perl -e 'open(F, \"<\", \"f\"); chmod(0600, *F) or exit 1'" },
	{ PERMISSION(FS_WRITE), "chown $(id -u) f" },
	{ PERMISSION(FS_WRITE), BY_IOCTL("f", "0x40086602") },   /* FS_IOC_SETFLAGS */
	{ PERMISSION(FS_WRITE), BY_IOCTL("f", "0x40087602") },   /* FS_IOC_SETVERSION */
	{ PERMISSION(FS_WRITE), BY_IOCTL("f", "0x40086604") },   /* the same of ext4's own */
	{ PERMISSION(FS_WRITE), BY_IOCTL("f", "0x40806685") },   /* FS_IOC_ENABLE_VERITY */
	{ PERMISSION(FS_WRITE), BY_IOCTL("d", "0x800c6613") },   /* FS_IOC_SET_ENCRYPTION_POLICY */
	{ PERMISSION(FS_WRITE), BY_IOCTL(".", "0x5000940e") },   /* BTRFS_IOC_SUBVOL_CREATE */
	{ PERMISSION(FS_WRITE), "touch -d 2001-01-01 f" },
	{ PERMISSION(FS_WRITE), "perl -e 'utime(1, 1, \"f\") or exit 1'" },
	{ PERMISSION(FS_WRITE), "echo x > $TMPDIR/x$$" },
	{ PERMISSION(FS_WRITE), "cp f $TMPDIR/y$$" },
	{ PERMISSION(FS_WRITE), "git init -q e" },
	{ PERMISSION(FS_READ), "cat f" },
	{ PERMISSION(FS_READ), "ls ." },
	{ PERMISSION(FS_READ), "cat /proc/self/cwd/f" },
	{ PERMISSION(FS_READ), "read x < $PWD/d/../f" },
	{ PERMISSION(FS_READ), "./s" },
	{ PERMISSION(FS_READ), "sh s" },
	{ PERMISSION(FS_READ), "sh -c 'cat f'" },
	{ PERMISSION(FS_READ), "cat $TMPDIR/there" },
	{ PERMISSION(FS_READ), "cp f g; cat g" },
	{ PERMISSION(EXEC), "cat f" },
	{ PERMISSION(EXEC), "$(printf ca)t f" },
	{ PERMISSION(EXEC), "exec cat f" },
	{ PERMISSION(EXEC), "(cat f) & wait $!" },
	{ PERMISSION(EXEC), "/lib64/ld-linux-x86-64.so.2 /usr/bin/cat f" },
	{ PERMISSION(EXEC), "./s" },
	{ PERMISSION(NET), "perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0) or exit 1'" },
	{ PERMISSION(NET), "perl -MSocket -e 'socket(S, AF_INET6, SOCK_STREAM, 0) or exit 1'" },
	{ PERMISSION(NET), "sh -c \"perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0) or exit 1'\"" },
};

/* What still works without all of it: enough to look at things. */
static const char *const harmless[] = {
	"cat f > /dev/null", "ls -l | wc -l > /dev/null", "git --version", "perl -e 'print 1'", "exec 2>/dev/null; sh -c 'cat f'",
};

static void fresh(void)
{
	char text[600];
	int status;

	snprintf(text, sizeof text, "cd %s && rm -rf new f g d e s && echo text > f && mkdir d && printf '#!/bin/sh\\nexit 0\\n' > s &&"
	         " chmod 755 s d && chmod 644 f && chown --reference=. f d s", workspace);
	pid_t pid = fork();
	if (pid == 0) {
		execle("/bin/bash", "bash", "-c", text, (char *)NULL, (char *const *)rig_env);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int act(struct rig *rig, const char *sh, unsigned withheld)
{
	char text[1024];

	fresh();
	snprintf(text, sizeof text, "export TMPDIR=%s; %s", json_get_text(rig->mechanisms, "tmp", "/tmp"), sh);
	return rig_run(rig, (struct cell_run){ .argv = RIG_ARGV("/bin/bash", "-c", text), .withheld = withheld });
}

/* Something of the same task that holds a file open for writing. */
static int writer(struct rig *rig)
{
	char text[600];
	snprintf(text, sizeof text, "exec 9>>held; echo x > %s/there; while :; do read -t 100 x < <(:); sleep 100; done",
	         json_get_text(rig->mechanisms, "tmp", "/tmp"));
	struct cell_run run = { .argv = RIG_ARGV("/bin/bash", "-c", text) };
	char path[512];
	int out = rig_start(rig, &run);

	snprintf(path, sizeof path, "%s/held", workspace);
	for (int64_t until = clock_mono_ms() + RIG_PATIENCE_MS; access(path, F_OK) < 0 && clock_mono_ms() < until;)
		rig_turn(rig, 20);
	assert_int_equal(access(path, F_OK), 0);
	return out;
}

static void try_acts(enum cell_level level)
{
	static struct rig rig;

	rig = (struct rig){ .warden = warden };
	memcpy(rig.workspace, workspace, sizeof workspace);
	assert_true(rig_open(&rig, level));
	int out = writer(&rig);
	for (size_t i = 0; i < COUNT(acts); i++) {
		if (level != CELL_FULL && acts[i].withheld == PERMISSION(NET))
			continue;        /* no such socket for anybody there */
		int status = act(&rig, acts[i].sh, acts[i].withheld);
		if (status <= 0)
			fail_msg("%s: withheld, and done: %s: %s", cell_level_name(level), acts[i].sh, rig.output);
		status = act(&rig, acts[i].sh, 0);
		if (status != 0)
			fail_msg("%s: granted: %s: status %d: this row proves nothing: %s", cell_level_name(level), acts[i].sh, status,
			         rig.output);
	}
	for (size_t i = 0; i < COUNT(harmless); i++)
		if (act(&rig, harmless[i], PERMISSION(FS_WRITE) | PERMISSION(NET)) != 0)
			fail_msg("%s: %s: only looked, and failed: %s", cell_level_name(level), harmless[i], rig.output);
	rig_close(&rig);
	close(out);
}

static void a_call_has_what_it_is_granted(void **state UNUSED)
{
	try_acts(CELL_FULL);
}

static void a_call_has_what_it_is_granted_when_reduced(void **state UNUSED)
{
	try_acts(CELL_REDUCED);
}

static int make_all(void **state UNUSED)
{
	struct err err = ERR_NONE;

	if (warden_start(NULL, 0, &warden, &err) < 0)
		return -1;
	snprintf(workspace, sizeof workspace, "/tmp/mishri-permit-XXXXXX");
	if (mkdtemp(workspace) == NULL)
		return -1;
	return geteuid() == 0 ? chown(workspace, 65534, 65534) : 0;
}

static int remove_all(void **state UNUSED)
{
	warden_stop(warden);
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/rm", "rm", "-rf", workspace, (char *)NULL);
		_exit(1);
	}
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_has_what_it_is_granted), cmocka_unit_test(a_call_has_what_it_is_granted_when_reduced),
	};

	return cmocka_run_group_tests(tests, make_all, remove_all);
}
