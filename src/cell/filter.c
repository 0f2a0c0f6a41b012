/* filter.c - the seccomp filters of a cell. What is listed here is refused; system calls that are newer than this list
 * answer ENOSYS, as an older kernel would. Nothing is killed but code of a foreign architecture, whose numbers mean
 * other calls. Pid 1 is under the first filter, and all that it starts with it; a run is under a second one, with the
 * few calls by which pid 1 traces and sets up a run. Both are built once, in the warden. */
#include "cell/filter.h"

#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/banned.h"

/* Refused whatever the arguments. ENOSYS where programs then take an older way. */
static const struct refused {
	const char *name;
	int error;
} refused[] = {
	/* out of the gate, or into a process that is held: clone3 hides its flags in memory */
	{ "clone3", ENOSYS }, { "process_madvise", EPERM }, { "pidfd_getfd", EPERM }, { "kcmp", EPERM }, { "memfd_secret", EPERM },
	/* another view of the system */
	{ "setns", EPERM }, { "mount", EPERM }, { "umount", EPERM }, { "umount2", EPERM }, { "pivot_root", EPERM },
	{ "chroot", EPERM }, { "open_tree", EPERM }, { "move_mount", EPERM }, { "fsopen", EPERM }, { "fsconfig", EPERM },
	{ "fsmount", EPERM }, { "fspick", EPERM }, { "mount_setattr", EPERM }, { "open_by_handle_at", EPERM },
	{ "name_to_handle_at", EPERM }, { "fanotify_init", EPERM }, { "quotactl", EPERM }, { "quotactl_fd", EPERM },
	/* parts of the kernel with a large surface and no use in a cell */
	{ "io_uring_setup", ENOSYS }, { "io_uring_enter", ENOSYS }, { "io_uring_register", ENOSYS }, { "bpf", EPERM },
	{ "perf_event_open", EPERM }, { "userfaultfd", EPERM }, { "keyctl", EPERM }, { "add_key", EPERM },
	{ "request_key", EPERM }, { "vmsplice", EPERM },
	/* takes room on a disk without writing, which nobody counts: programs then write */
	{ "fallocate", EOPNOTSUPP },
	/* the machine itself */
	{ "init_module", EPERM }, { "finit_module", EPERM }, { "delete_module", EPERM }, { "kexec_load", EPERM },
	{ "kexec_file_load", EPERM }, { "reboot", EPERM }, { "swapon", EPERM }, { "swapoff", EPERM }, { "acct", EPERM },
	{ "syslog", EPERM }, { "settimeofday", EPERM }, { "clock_settime", EPERM }, { "clock_adjtime", EPERM },
	{ "adjtimex", EPERM }, { "sethostname", EPERM }, { "setdomainname", EPERM }, { "iopl", EPERM }, { "ioperm", EPERM },
	{ "vhangup", EPERM }, { "uselib", ENOSYS }, { "_sysctl", ENOSYS }, { "lookup_dcookie", EPERM },
	{ "nfsservctl", ENOSYS }, { "modify_ldt", EPERM },
};

/* The same, but for pid 1, which is the gate. The kernel takes a filter apart at every run, so what can be in the first one is. */
static const struct refused refused_to_runs[] = {
	{ "ptrace", EPERM }, { "process_vm_readv", EPERM }, { "process_vm_writev", EPERM },
};

/* Refused with these arguments, of which the kernel reads 32 bits: some bit of the mask is set (value ANY), or
 * (argument & mask) == value; 0 of 0: always. */
#define CLONE_NEW \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define ANY UINT32_MAX
enum { FIRST_PID = 1 };               /* of a full cell; a reduced one has the numbers of the host */
static const struct refused_with {
	int number;
	unsigned argument;
	uint32_t mask, value;
	bool reduced;                 /* only where the processes and the IPC of the host are in sight */
} refused_with[] = {
	/* CLONE_PARENT: whose child a process is says which call it belongs to */
	{ SYS_clone, 0, CLONE_UNTRACED | CLONE_PARENT | CLONE_NEW, ANY },
	/* a shared working directory could change while a program is held */
	{ SYS_clone, 0, CLONE_FS | CLONE_THREAD, CLONE_FS },
	/* A program that runs as its owner, whoever starts it: harmless here, where files belong to the engine's user it
	 * would be a way out. One that is born with the bits by open() is empty, and loses them when it is written. */
#if defined(SYS_chmod)
	{ SYS_chmod, 1, S_ISUID | S_ISGID, ANY }, { SYS_mknod, 1, S_ISUID | S_ISGID, ANY },
#endif
	{ SYS_fchmod, 1, S_ISUID | S_ISGID, ANY }, { SYS_fchmodat, 2, S_ISUID | S_ISGID, ANY },
	{ SYS_mknodat, 2, S_ISUID | S_ISGID, ANY },
	/* the limits of another process: no signal, and yet it can end one. Pid 1 is one of them */
	{ SYS_prlimit64, 0, UINT32_MAX, ANY },
	{ SYS_setpriority, 0, UINT32_MAX, ANY, true }, { SYS_setpriority, 1, UINT32_MAX, ANY, true },
	/* pid 1 made slow by the processes that it watches: by its number, by its user */
	{ SYS_setpriority, 1, UINT32_MAX, FIRST_PID }, { SYS_setpriority, 0, UINT32_MAX, PRIO_USER },
	{ SYS_ioprio_set, 1, UINT32_MAX, FIRST_PID }, { SYS_ioprio_set, 0, UINT32_MAX, IOPRIO_WHO_USER },
	{ SYS_sched_setscheduler, 0, UINT32_MAX, FIRST_PID }, { SYS_sched_setparam, 0, UINT32_MAX, FIRST_PID },
	{ SYS_sched_setattr, 0, UINT32_MAX, FIRST_PID }, { SYS_sched_setaffinity, 0, UINT32_MAX, FIRST_PID },
	/* who answers a child's system calls can hand another file to a program that was looked at, and another library to
	 * one of the system */
	{ SYS_seccomp, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER, ANY },
	/* who is asked before a file is opened can write it first: a script that was looked at */
	{ SYS_fcntl, 1, UINT32_MAX, F_SETLEASE },
	/* memory and queues that others can open and that no process's end removes */
	{ SYS_shmget, 0, 0, 0, true }, { SYS_shmat, 0, 0, 0, true }, { SYS_shmctl, 0, 0, 0, true },
	{ SYS_semget, 0, 0, 0, true }, { SYS_semop, 0, 0, 0, true }, { SYS_semctl, 0, 0, 0, true },
	{ SYS_semtimedop, 0, 0, 0, true }, { SYS_msgget, 0, 0, 0, true }, { SYS_msgsnd, 0, 0, 0, true },
	{ SYS_msgrcv, 0, 0, 0, true }, { SYS_msgctl, 0, 0, 0, true }, { SYS_mq_open, 0, 0, 0, true },
	{ SYS_mq_unlink, 0, 0, 0, true },
	{ SYS_unshare, 0, CLONE_NEW | CLONE_NEWTIME, ANY },
	/* typing into a terminal that somebody else reads */
	{ SYS_ioctl, 1, UINT32_MAX, TIOCSTI }, { SYS_ioctl, 1, UINT32_MAX, TIOCLINUX },
	/* a connection that is no connect() */
	{ SYS_sendto, 3, MSG_FASTOPEN, ANY }, { SYS_sendmsg, 2, MSG_FASTOPEN, ANY },
	{ SYS_sendmmsg, 3, MSG_FASTOPEN, ANY },
};

static const struct refused_with refused_to_runs_with[] = {
	/* who hides from pid 1 is not counted; a run is not dumpable itself before it is traced */
	{ SYS_prctl, 0, UINT32_MAX, PR_SET_DUMPABLE },
};

/* Whoever raises this looks at each new call first. */
enum { LAST_KNOWN = SYS_futex_waitv, X32_BIT = 0x40000000, SOCK_TYPE_BITS = 0xf };

#define DENY (SECCOMP_RET_ERRNO | EPERM)
#define LOAD_NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define LOAD_ARGUMENT(i) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args) + 8u * (i)))
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lower half of an argument comes first");

/* Arguments, by hand: libseccomp compares an argument once a rule, and all 64 bits of it where the kernel reads 32.
 * This part only ever refuses or falls through to the list behind it. Each row finds the number of the call in the
 * accumulator and leaves it there, so that a row of another call is one comparison. */
static void add_refused_with(struct buf *code, const struct refused_with *rows, size_t count, bool reduced)
{
	for (size_t i = 0; i < count; i++) {
		const struct refused_with *row = &rows[i];
		if (row->reduced && !reduced)
			continue;
		const struct sock_filter any[] = {
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)row->number, 0, 4),
			LOAD_ARGUMENT(row->argument),
			BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, row->mask, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, DENY),
			LOAD_NUMBER,
		};
		const struct sock_filter equal[] = {
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)row->number, 0, 5),
			LOAD_ARGUMENT(row->argument),
			BPF_STMT(BPF_ALU | BPF_AND | BPF_K, row->mask),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, row->value, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, DENY),
			LOAD_NUMBER,
		};
		if (row->value == ANY)
			buf_add(code, any, sizeof any);
		else
			buf_add(code, equal, sizeof equal);
	}
}

/* Unix sockets, and TCP where there is a network: no UDP, no netlink, no vsock, no raw or packet sockets, no MPTCP. */
static void add_sockets(struct buf *code, bool inet)
{
	const struct sock_filter pairs[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socketpair, 0, 4),
		LOAD_ARGUMENT(0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, DENY),
		LOAD_NUMBER,
	};
	const struct sock_filter sockets[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 12),
		LOAD_ARGUMENT(0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 9, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, inet ? AF_INET : AF_UNIX, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, inet ? AF_INET6 : AF_UNIX, 0, 6),
		LOAD_ARGUMENT(1),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SOCK_TYPE_BITS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 0, 3),
		LOAD_ARGUMENT(2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, DENY),
		LOAD_NUMBER,
	};

	buf_add(code, pairs, sizeof pairs);
	buf_add(code, sockets, sizeof sockets);
}

/* Where cores go to a program of the machine's, a limit of 1 is what keeps it from being started by a crash in here; 0 is
 * not. So a change of that limit does nothing, and says that it was done: many programs ask for 0. */
static void add_core_limit(struct buf *code)
{
	const struct sock_filter rows[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setrlimit, 0, 4),
		LOAD_ARGUMENT(0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RLIMIT_CORE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
		LOAD_NUMBER,
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 0, 6),
		LOAD_ARGUMENT(1),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RLIMIT_CORE, 0, 3),
		LOAD_ARGUMENT(2),                        /* only asked for: the address is 0 */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
		LOAD_NUMBER,
	};
	buf_add(code, rows, sizeof rows);
}

static void add_arguments(struct buf *code, enum filter_part part, bool inet)
{
	AUTO(buf_done) struct buf body = BUF_INIT(KIB(16));

	const struct sock_filter number[] = { LOAD_NUMBER }, newer[] = {
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, LAST_KNOWN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	buf_add(&body, number, sizeof number);
	if (part == FILTER_CELL) {
		buf_add(&body, newer, sizeof newer);
		add_refused_with(&body, refused_with, COUNT(refused_with), !inet);
		add_sockets(&body, inet);
		add_core_limit(&body);
	} else {
		add_refused_with(&body, refused_to_runs_with, COUNT(refused_to_runs_with), !inet);
	}
	/* Another architecture goes past, to the list, which ends it. */
	const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 1, 0),
		BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(body.len / sizeof(struct sock_filter))),
	};
	assert(!body.full);
	buf_add(code, head, sizeof head);
	buf_add_str(code, buf_str(&body));
}

static int add_names(scmp_filter_ctx ctx, const struct refused *rows, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		int number = seccomp_syscall_resolve_name(rows[i].name);
		if (number >= 0)         /* not every architecture has all of them */
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)rows[i].error), number, 0);
	}
	return r;
}

static int add_lists(scmp_filter_ctx ctx, enum filter_part part)
{
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = part == FILTER_CELL ? add_names(ctx, refused, COUNT(refused)) :
		                          add_names(ctx, refused_to_runs, COUNT(refused_to_runs));
	return r;
}

/* libseccomp 2.5 exports to a descriptor only. */
static int export_to(scmp_filter_ctx ctx, struct buf *code, struct err *err)
{
	AUTO(fd_closep) int fd = memfd_create("filter", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(err, "memfd_create");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return err_set(err, -r, "libseccomp could not write the filter");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "seek in the filter");
	return io_read_fd(fd, code, err);
}

int filter_make(enum filter_part part, bool inet, struct filter *ret, struct err *err)
{
	AUTO(buf_done) struct buf code = BUF_INIT(sizeof(struct sock_filter) * BPF_MAXINSNS);
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	if (ctx == NULL)
		return err_set(err, ENOMEM, "libseccomp could not start");
	add_arguments(&code, part, inet);
	int r = add_lists(ctx, part);
	r = r < 0 ? err_set(err, -r, "libseccomp refused a rule") : export_to(ctx, &code, err);
	seccomp_release(ctx);
	if (r < 0)
		return r;
	ret->count = (unsigned short)(code.len / sizeof(struct sock_filter));
	ret->code = (struct sock_filter *)(void *)buf_take(&code);
	return 0;
}

void filter_done(struct filter *filter)
{
	free(TAKE(filter->code));
	filter->count = 0;
}

int filter_enter(const struct filter *filter)
{
	struct sock_fprog program = { filter->count, filter->code };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}
