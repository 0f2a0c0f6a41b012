/* test_escape.c - attempts to get out of a cell or round its gate. Each row is done three times at most: in the
 * cell, where it must fail; outside of it by the same user, where it must work, or the row would prove nothing; and,
 * for the gate, in the cell with everything allowed. Argument: the path of the program `attempt`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "rig.h"

#include "base/banned.h"

static struct rig rig;
static const char *attempt_path;
static pid_t victim_pid;
static char secret[256], data_dir[256], port[16], victim[16], abstract[64];

static int plain_sh(const char *text, const char *dir)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int out = open("/dev/null", O_WRONLY);
		/* The proof that root can do it must not be done to this machine. */
		if (geteuid() == 0 && (unshare(CLONE_NEWNS | CLONE_NEWUTS) < 0 ||
		                       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
			_exit(99);
		if (chdir(dir) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
			_exit(99);
		execle("/bin/bash", "bash", "-c", text, (char *)NULL, (char *const *)rig_env);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool exists(const char *name)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", rig.workspace, name);
	return access(path, F_OK) == 0;
}

static void forget(const char *name)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", rig.workspace, name);
	unlink(path);
}

enum proof { ANYBODY, ROOT_ALONE, NO_PROOF };    /* who can do it outside; NO_PROOF: where the machine may lack it */

/* What the kernel keeps. No act changes the machine where it works. */
static const struct kept {
	const char *act, *says;
	enum proof proof;
	int status;                   /* inside; 0: 1 */
} kept[] = {
	{ "read /etc/shadow", "No such file", ROOT_ALONE },
	{ "read $SECRET", "No such file", ANYBODY },
	{ "read $DATA/mishri.db", "No such file", ANYBODY },
	{ "write $DATA/mishri.db", "No such file", ANYBODY },
	{ "write /usr/mishri-escape", "Read-only", NO_PROOF },        /* the next rows prove it for what exists */
	{ "write /etc/mishri-escape", "Read-only", NO_PROOF },
	{ "open-for-write /usr/lib/os-release", "", ROOT_ALONE },
	{ "open-for-write /etc/passwd", "Read-only", ROOT_ALONE },
	{ "open-for-write /proc/sys/kernel/core_pattern", "ermi", ROOT_ALONE },
	{ "open-for-write /proc/self/comm", "", ANYBODY },
	{ "write-own-memory", "", ANYBODY },
	{ "look-at $TARGET", "Permission denied", ANYBODY },
	{ "kill $VICTIM", "No such process", ANYBODY },
	{ "trace-child", "Operation not permitted", ANYBODY },
	{ "write-child", "Operation not permitted", ANYBODY },
	{ "get-fd-of-child", "Operation not permitted", ANYBODY },
	{ "mount", "Operation not permitted", ROOT_ALONE },
	{ "unshare-user", "Operation not permitted", ANYBODY },
	{ "clone-user", "Operation not permitted", ANYBODY },
	{ "setns", "Operation not permitted", ROOT_ALONE },
	{ "chroot", "Operation not permitted", ROOT_ALONE },
	{ "open-tree", "Operation not permitted", ANYBODY },
	{ "connect $PORT", "Connection refused", ANYBODY },
	{ "connect-abstract $ABSTRACT", "Connection refused", ANYBODY },
	{ "fast-open $PORT", "Operation not permitted", ANYBODY },
	{ "socket 2 2 0", "Operation not permitted", ANYBODY },       /* UDP */
	{ "socket 10 2 0", "Operation not permitted", ANYBODY },      /* UDP over IPv6: name servers too */
	{ "socket 2 3 1", "Operation not permitted", ROOT_ALONE },    /* raw ICMP */
	{ "socket 10 3 58", "Operation not permitted", ROOT_ALONE },  /* raw ICMPv6 */
	{ "socket 2 1 262", "Operation not permitted", NO_PROOF },    /* MPTCP */
	{ "socket 16 3 0", "Operation not permitted", ANYBODY },      /* netlink */
	{ "socket 40 1 0", "Operation not permitted", NO_PROOF },     /* vsock */
	{ "socket 17 3 0", "Operation not permitted", ROOT_ALONE },   /* packet */
	{ "io-uring", "not implemented", NO_PROOF },
	{ "keyring", "Operation not permitted", NO_PROOF },
	{ "bpf", "Operation not permitted", ROOT_ALONE },
	{ "perf", "Operation not permitted", NO_PROOF },
	{ "userfault", "Operation not permitted", NO_PROOF },
	{ "tiocsti", "Operation not permitted", NO_PROOF },
	{ "layers", "Argument list too long", ANYBODY },              /* one of 16 Landlock layers is the cell's */
	{ "hostname", "Operation not permitted", ROOT_ALONE },
	{ "slow-user", "Operation not permitted", NO_PROOF },         /* all processes of a user: pid 1, too */
	{ "supervise", "Operation not permitted", ANYBODY },
	{ "lease leased", "Operation not permitted", ANYBODY },
	{ "core-limit", "it is 1", ANYBODY },                         /* a crash starts no program of the machine's */
	/* what else of /proc leads to another process, to the machine or to its root */
	{ "read /proc/1/root/etc/shadow", "Permission denied", NO_PROOF },
	{ "read /proc/1/maps", "ermi", NO_PROOF },
	{ "read /proc/1/mem", "Permission denied", NO_PROOF },
	{ "read /proc/1/fd/3", "Permission denied", NO_PROOF },
	{ "open-for-write /proc/1/oom_score_adj", "", NO_PROOF },
	{ "read /proc/$VICTIM/status", "No such file", ANYBODY },
	{ "open-for-write /proc/sysrq-trigger", "", NO_PROOF },
	{ "read /proc/kmsg", "", NO_PROOF },
	{ "read /dev/kmsg", "No such file", NO_PROOF },
	{ "read /dev/mem", "No such file", NO_PROOF },
	{ "read /sys/kernel/notes", "No such file", NO_PROOF },
#if defined(__x86_64__)
	{ "call 312", "Operation not permitted", ANYBODY },           /* kcmp */
	{ "call 438", "Operation not permitted", ANYBODY },           /* pidfd_getfd */
	{ "call 440", "Operation not permitted", ANYBODY },           /* process_madvise */
	{ "call 310", "Operation not permitted", ANYBODY },           /* process_vm_readv */
	{ "call 278", "Operation not permitted", ANYBODY },           /* vmsplice */
	{ "call 248", "Operation not permitted", ANYBODY },           /* add_key */
	{ "call 249", "Operation not permitted", ANYBODY },           /* request_key */
	{ "call 303", "Operation not permitted", ANYBODY },           /* name_to_handle_at */
	{ "call 304", "Operation not permitted", ROOT_ALONE },        /* open_by_handle_at */
	{ "call 300", "Operation not permitted", ROOT_ALONE },        /* fanotify_init */
	{ "call 154", "Operation not permitted", NO_PROOF },          /* modify_ldt */
	{ "call 447", "Operation not permitted", NO_PROOF },          /* memfd_secret */
	{ "call 431", "Operation not permitted", NO_PROOF },          /* fsconfig */
	{ "call 442", "Operation not permitted", NO_PROOF },          /* mount_setattr */
	{ "call 426", "not implemented", NO_PROOF },                  /* io_uring_enter */
	/* calls that are newer than the list: what mounts there are, attributes by path, namespaces by number */
	{ "call 453", "not implemented", NO_PROOF },                  /* map_shadow_stack */
	{ "call 457", "not implemented", NO_PROOF },                  /* statmount */
	{ "call 458", "not implemented", NO_PROOF },                  /* listmount */
	{ "call 462", "not implemented", NO_PROOF },                  /* mseal */
	{ "call 463", "not implemented", NO_PROOF },                  /* setxattrat */
	{ "call 467", "not implemented", NO_PROOF },                  /* open_tree_attr */
	{ "call 469", "not implemented", NO_PROOF },                  /* file_setattr */
	{ "call 470", "not implemented", NO_PROOF },                  /* listns */
#endif
	{ "untraced /usr/bin/true", "Operation not permitted", ANYBODY },
	{ "shared-directory /usr/bin/true", "Operation not permitted", ANYBODY },
	{ "as-sibling /usr/bin/true", "Operation not permitted", NO_PROOF },
	{ "clone3 /usr/bin/true", "not implemented", ANYBODY },
#if defined(__x86_64__)
	{ "i386", "", NO_PROOF, 128 + SIGSYS },
	{ "x32", "", NO_PROOF, 128 + SIGSYS },
#endif
};

/* TARGET is pid 1 of the cell, or outside a process of the same user. */
static void name_things(char *text, size_t size, const char *act, const char *target)
{
	snprintf(text, size, "TARGET=%s; SECRET=%s; DATA=%s; VICTIM=%s; PORT=%s; ABSTRACT=%s; exec ./attempt %s",
		 target, secret, data_dir, victim, port, abstract, act);
}

static void the_kernel_keeps(void **state UNUSED)
{
	char text[2048];

	rig.deny = NULL;
	rig.deny_untrusted = rig.deny_workspace = false;
	for (size_t i = 0; i < COUNT(kept); i++) {
		int want = kept[i].status != 0 ? kept[i].status : 1;
		name_things(text, sizeof text, kept[i].act, "1");
		int status = rig_run(&rig, (struct cell_run){ .argv = RIG_ARGV("/bin/bash", "-c", text) });
		if (status != want || strstr(rig.output, kept[i].says) == NULL)
			fail_msg("inside: %s: status %d, says '%s', not '%s'", kept[i].act, status, rig.output, kept[i].says);
		if (kept[i].proof == NO_PROOF || (kept[i].proof == ROOT_ALONE && geteuid() != 0))
			continue;
		name_things(text, sizeof text, kept[i].act, victim);
		status = plain_sh(text, rig.workspace);
		if (status != 0)
			fail_msg("outside: %s: status %d: this row proves nothing", kept[i].act, status);
	}
}

enum guard { BY_NAME, BY_UNTRUSTED, BY_WORKSPACE };

/* Ways to start `touch forbidden` where `touch` is denied; or, by another file, where only the system is allowed. */
static const struct spelling {
	const char *sh;
	enum guard guard;
} spellings[] = {
	{ "touch forbidden" },
	{ "/usr/bin/touch forbidden" },
	{ "/usr/../usr/bin/./touch forbidden" },
	{ "sh -c 'touch forbidden'" },
	{ "env touch forbidden" },
	{ "t=tou; ${t}ch$IFS''forbidden" },
	{ "\\t'o'u\"c\"h forbidden" },
	{ "echo dG91Y2ggZm9yYmlkZGVu | base64 -d | sh" },
	{ "find . -maxdepth 0 -exec touch forbidden \\;" },
	{ "echo forbidden | xargs touch" },
	{ "awk 'BEGIN { system(\"touch forbidden\") }'" },
	{ "perl -e 'exec \"touch\", \"forbidden\"'" },
	{ "python3 -c 'import os; os.execv(\"/usr/bin/touch\", [\"ls\", \"forbidden\"])'" },
	{ "python3 -c 'import subprocess; subprocess.run([\"touch\", \"forbidden\"])'" },
	{ "exec -a ls /usr/bin/touch forbidden" },
	{ "printf '#!/bin/sh\\ntouch forbidden\\n' > s; chmod +x s; ./s" },
	{ "printf '#!/usr/bin/touch forbidden\\n' > s; chmod +x s; ./s" },
	{ "nohup setsid sh -c '(sleep 0.1; touch forbidden) &' > /dev/null; sleep 0.5" },
	{ "ln -sf /usr/bin/touch link; ./link forbidden" },
	{ "git -c alias.x='!touch forbidden' x" },
	{ "timeout 5 touch forbidden" },
	{ "nice touch forbidden" },
	{ "cat > Makefile <<'E'\nall: ; @touch forbidden\nE\nmake" },
	{ "./attempt exec /usr/bin/touch forbidden" },
	{ "./attempt vfork /usr/bin/touch forbidden" },
	{ "./attempt thread /usr/bin/touch forbidden" },
	{ "./attempt last-thread /usr/bin/touch forbidden" },
	{ "./attempt fexecve /usr/bin/touch forbidden" },
	{ "./attempt double-fork /usr/bin/touch forbidden" },
	{ "/lib64/ld-linux-x86-64.so.2 /usr/bin/touch forbidden" },
	{ "ln -sf /lib64/ld-linux-x86-64.so.2 l; ./l /usr/bin/touch forbidden" },
	{ "./attempt memory /usr/bin/touch forbidden", BY_UNTRUSTED },
	{ "cp /usr/bin/touch /tmp/ls-$$; /tmp/ls-$$ forbidden; rm -f /tmp/ls-$$", BY_UNTRUSTED },
	{ "cp /usr/bin/touch /dev/shm/ls-$$; /dev/shm/ls-$$ forbidden; rm -f /dev/shm/ls-$$", BY_UNTRUSTED },
	{ "LD_PRELOAD=./none.so touch forbidden", BY_UNTRUSTED },
	{ "LD_LIBRARY_PATH=. touch forbidden", BY_UNTRUSTED },
	{ "PYTHONPLATLIBDIR=lib /usr/bin/python3 -c 'open(\"forbidden\", \"w\")'", BY_UNTRUSTED },
	{ "echo '$(file >forbidden,)' > m; MAKEFILES=m make -sf /dev/null", BY_UNTRUSTED },
	{ "/lib64/ld-linux-x86-64.so.2 --library-path . /usr/bin/touch forbidden", BY_UNTRUSTED },
	{ "echo ': > forbidden' > e; BASH_ENV=./e bash -c :", BY_UNTRUSTED },
	{ "cp /usr/bin/touch copy; ./copy forbidden", BY_WORKSPACE },
	{ "cp /usr/bin/touch ls; PATH=.:$PATH ls forbidden", BY_WORKSPACE },
	{ "cp /usr/bin/touch copy; /lib64/ld-linux-x86-64.so.2 ./copy forbidden", BY_WORKSPACE },
	{ "printf '#!/bin/sh\\n: > forbidden\\n' > s; chmod +x s; ./s", BY_WORKSPACE },
};

static void try_spelling(const struct spelling *row)
{
	rig.deny = row->guard == BY_NAME ? "touch" : NULL;
	rig.deny_untrusted = row->guard == BY_UNTRUSTED;
	rig.deny_workspace = row->guard == BY_WORKSPACE;
	forget("forbidden");
	rig_run(&rig, (struct cell_run){ .argv = RIG_ARGV("/bin/bash", "-c", row->sh) });
	if (exists("forbidden") || rig.last.denied == 0)
		fail_msg("with the guard: %s: %s, %d denied: %s", row->sh, exists("forbidden") ? "done" : "not done",
		         (int)rig.last.denied, rig.output);
	if (strstr(rig.output, "mishri: denied by test") == NULL && strstr(row->sh, "nohup") == NULL)
		fail_msg("%s: nothing was said: '%s'", row->sh, rig.output);
	rig.deny = NULL;
	rig.deny_untrusted = rig.deny_workspace = false;
	rig_run(&rig, (struct cell_run){ .argv = RIG_ARGV("/bin/bash", "-c", row->sh) });
	if (!exists("forbidden"))
		fail_msg("without the guard: %s: not done, this row proves nothing: %s", row->sh, rig.output);
}

static void the_gate_sees_every_spelling(void **state UNUSED)
{
	for (size_t i = 0; i < COUNT(spellings); i++)
		try_spelling(&spellings[i]);
}

/* Unreadable to the gate, so unknown: refused as untrusted. Nothing may be read of it, so nothing is injected. */
static void unreadable_is_untrusted(void **state UNUSED)
{
	static const char text[] = "cp /usr/bin/touch hidden; chmod 0111 hidden; ./hidden forbidden";

	rig.deny = NULL;
	rig.deny_workspace = false;
	rig.deny_untrusted = true;
	forget("forbidden");
	assert_int_equal(rig_sh(&rig, text), 128 + SIGKILL);
	assert_false(exists("forbidden"));
	rig.deny_untrusted = false;
	forget("hidden");
	assert_int_equal(rig_sh(&rig, text), 0);
	assert_true(exists("forbidden"));
	forget("hidden");
}

static bool comes_in(int listener)
{
	struct pollfd p = { listener, POLLIN, 0 };

	if (poll(&p, 1, 0) <= 0)
		return false;
	close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	return true;
}

/* The way out leads to the engine, which has the socket, and to nobody else: not to the proxy of another cell, not to
 * what listens there on the host. */
static void the_proxy_is_the_cells_own(void **state UNUSED)
{
	static struct rig other;
	static const char connect_there[] = "exec ./attempt connect 3128";
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(LIMIT_CELL_PROXY_PORT) };
	AUTO(fd_closep) int host = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* where somebody else listens there, that is as good */
	bool ours = bind(host, (struct sockaddr *)&in, sizeof in) == 0 && listen(host, 4) == 0;
	other.warden = rig.warden;
	memcpy(other.workspace, rig.workspace, sizeof other.workspace);
	assert_true(rig_open_plan(&other, &(struct cell_plan){ .level = CELL_FULL, .workspace = other.workspace }));
	AUTO(fd_closep) int mine = cell_take_listener(rig.cell), others = cell_take_listener(other.cell);
	assert_true(mine >= 0 && others >= 0);
	assert_int_equal(cell_take_listener(rig.cell), -1);
	rig.deny = NULL;
	rig.deny_untrusted = rig.deny_workspace = false;
	if (rig_sh(&rig, connect_there) != 0)
		fail_msg("the proxy is not there: %s", rig.output);
	assert_true(comes_in(mine));
	assert_false(comes_in(others) || (ours && comes_in(host)));
	assert_int_equal(rig_sh(&other, connect_there), 0);
	assert_true(comes_in(others));
	assert_false(comes_in(mine) || (ours && comes_in(host)));
	fd_close(&mine);
	assert_int_equal(rig_sh(&rig, connect_there), 1);       /* without the engine there is no way at all */
	assert_non_null(strstr(rig.output, "refused"));
	rig_close(&other);
}

/* Mounts of the host as it sees them: a cell adds none. */
static size_t mounts(void)
{
	struct buf text = BUF_INIT(MIB(4));
	size_t lines = 0;

	assert_int_equal(io_read_file("/proc/self/mountinfo", &text, NULL), 0);
	for (size_t i = 0; i < text.len; i++)
		lines += text.ptr[i] == '\n';
	buf_done(&text);
	return lines;
}

static const char *nap(void)
{
	static char text[32];

	snprintf(text, sizeof text, "86405.%d", getpid());
	return text;
}

static int processes_of_cells(void)
{
	DIR *dir = opendir("/proc");
	int count = 0;

	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		struct buf text = BUF_INIT(KIB(64));
		char path[300];
		snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
		if (io_read_file(path, &text, NULL) == 0 && text.len > 0 && memmem(text.ptr, text.len, nap(), strlen(nap())) != NULL)
			count++;
		buf_done(&text);
	}
	closedir(dir);
	return count;
}

static void a_bomb_leaves_nothing(void **state UNUSED)
{
	size_t before = mounts();
	static struct rig other;
	const struct cell_run run = { .argv = RIG_ARGV("bash", "-c", "f() { setsid sleep $0 & f & f; }; f", nap()) };

	other.warden = rig.warden;
	memcpy(other.workspace, rig.workspace, sizeof other.workspace);
	assert_true(rig_open_plan(
		&other, &(struct cell_plan){.level = CELL_FULL, .workspace = other.workspace, .processes = 60}));
	assert_int_equal(rig_run(&other, run), 128 + SIGKILL);
	assert_int_equal(other.last.hit.what, BOUND_PROCESSES);
	rig_close(&other);
	assert_int_equal(processes_of_cells(), 0);
	assert_int_equal(mounts(), before);
}

/* ---- what there is to reach outside ---- */

static void make_file(char *path, size_t size, const char *dir, const char *name)
{
	snprintf(path, size, "%s/%s", dir, name);
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, "secret", 6), 0);
}

static void listeners(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof in;
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(tcp, (struct sockaddr *)&in, sizeof in), 0);
	assert_int_equal(listen(tcp, 64), 0);
	assert_int_equal(getsockname(tcp, (struct sockaddr *)&in, &len), 0);
	snprintf(port, sizeof port, "%d", ntohs(in.sin_port));
	snprintf(abstract, sizeof abstract, "mishri-escape-%d", getpid());
	memcpy(un.sun_path + 1, abstract, strlen(abstract));
	assert_int_equal(bind(local, (struct sockaddr *)&un,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(abstract))),
			 0);
	assert_int_equal(listen(local, 64), 0);
}

static int make_all(void **state UNUSED)
{
	struct err err = ERR_NONE;
	char path[300], copy[700];

	if (warden_start(NULL, 0, &rig.warden, &err) < 0)
		return -1;
	snprintf(rig.workspace, sizeof rig.workspace, "/tmp/mishri-escape-XXXXXX");
	snprintf(data_dir, sizeof data_dir, "/var/tmp/mishri-escape-XXXXXX");
	if (mkdtemp(rig.workspace) == NULL || mkdtemp(data_dir) == NULL)
		return -1;
	make_file(secret, sizeof secret, data_dir, "id_ed25519");
	make_file(path, sizeof path, data_dir, "mishri.db");
	listeners();
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGUSR1, SIG_IGN);
		for (;;)
			pause();
	}
	victim_pid = pid;
	snprintf(victim, sizeof victim, "%d", pid);
	snprintf(copy, sizeof copy, "cp %s attempt && chmod 755 attempt", attempt_path);
	if (plain_sh(copy, rig.workspace) != 0)
		return -1;
	return rig_open(&rig, CELL_FULL) ? 0 : -1;
}

static int remove_all(void **state UNUSED)
{
	char text[700];

	rig_close(&rig);
	warden_stop(rig.warden);
	kill(victim_pid, SIGKILL);
	snprintf(text, sizeof text, "rm -rf %s %s", rig.workspace, data_dir);
	return plain_sh(text, "/");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_keeps), cmocka_unit_test(the_gate_sees_every_spelling),
		cmocka_unit_test(unreadable_is_untrusted), cmocka_unit_test(the_proxy_is_the_cells_own), cmocka_unit_test(a_bomb_leaves_nothing),
	};

	if (argc != 2 || access(argv[1], X_OK) < 0) {
		fprintf(stderr, "usage: test_escape ATTEMPT\n");
		return 2;
	}
	attempt_path = realpath(argv[1], NULL);
	return cmocka_run_group_tests(tests, make_all, remove_all);
}
