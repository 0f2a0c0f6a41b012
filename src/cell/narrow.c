/* narrow.c - what one run of a cell may do less than its task: a second Landlock domain inside the cell's, and a
 * second filter beside it. It only ever takes away, and it refuses to guess: a layer that cannot be put on ends the
 * run before its first own step.
 *
 * withheld    Landlock                          seccomp
 * fs.read     opens the system, not the files   -
 * fs.write    no write, new name or removal     modes, owners, times, attributes (by ioctl too), truncation by name
 * exec        -                                 of our own code: execve; of programs: the gate
 * net         -                                 sockets other than Unix ones
 *
 * And what an old Landlock does not keep at the reduced level: emptying a file by its name. */
#include "cell/narrow.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/fscrypt.h>
#include <linux/fsverity.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/permission.h"
#include "cell/filter.h"
#include "cell/landlock.h"
#include "base/banned.h"

/* Numbers that are newer than the C library's headers; the filter of the cell answers ENOSYS to those beyond it. */
static const int writes_without_writing[] = {
#if defined(SYS_chmod)
	SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat,
#endif
	SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_utimensat, SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr,
	SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr,
};
/* FS_IOC_SETVERSION by a number of ext4's own; no header has it. */
#define EXT_IOC_SETVERSION _IOW('f', 4, long)
/* All of btrfs: it makes and removes volumes below a directory without asking Landlock. */
enum { IOCTL_TYPE = 0xff00, BTRFS_TYPE = 0x9400 };
/* What changes a file by a descriptor that is open for reading only: flags, its generation, a seal for ever, a key. */
static const unsigned long writes_by_ioctl[] = {
	FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, FS_IOC_SETVERSION, EXT_IOC_SETVERSION, FS_IOC_ENABLE_VERITY,
	FS_IOC_SET_ENCRYPTION_POLICY,
};
static const int starts[] = { SYS_execve, SYS_execveat };

enum { X32_BIT = 0x40000000, BODY_BYTES = 8192 };

#define DENY (SECCOMP_RET_ERRNO | EPERM)
#define LOAD_NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define LOAD_ARGUMENT(i) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args) + 8u * (i)))

static void refuse_all(struct buf *code, const int *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct sock_filter rows[] = {
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)numbers[i], 0, 1),
			BPF_STMT(BPF_RET | BPF_K, DENY),
		};
		buf_add(code, rows, sizeof rows);
	}
}

/* Refused where (argument & mask) == value; leaves the number loaded. */
static void refuse_with(struct buf *code, int number, unsigned argument, uint32_t mask, uint32_t value)
{
	const struct sock_filter rows[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 5),
		LOAD_ARGUMENT(argument),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, DENY),
		LOAD_NUMBER,
	};
	buf_add(code, rows, sizeof rows);
}

/* Emptying a file without writing to it, which Landlock knows from ABI 3 on only; Debian 12 has 2. */
static void refuse_truncation(struct buf *code, bool builtin)
{
	/* Opened for nothing but to be emptied: by access, neither reading nor (3) reading and writing asks Landlock. */
	static const uint32_t access[] = { O_RDONLY, O_ACCMODE };

	refuse_all(code, (const int[]){ SYS_truncate }, 1);
	for (size_t i = 0; i < COUNT(access); i++) {
#if defined(SYS_open)
		refuse_with(code, SYS_open, 1, O_ACCMODE | O_TRUNC, access[i] | O_TRUNC);
#endif
		refuse_with(code, SYS_openat, 2, O_ACCMODE | O_TRUNC, access[i] | O_TRUNC);
	}
	/* Its flags lie in memory, where no filter sees them. Our own tools use it, and ask for reading. */
	if (!builtin && landlock_abi() < 3)
		refuse_all(code, (const int[]){ SYS_openat2 }, 1);
}

static void refuse_writes(struct buf *code, bool builtin)
{
	refuse_all(code, writes_without_writing, COUNT(writes_without_writing));
	for (size_t i = 0; i < COUNT(writes_by_ioctl); i++)
		refuse_with(code, SYS_ioctl, 1, UINT32_MAX, (uint32_t)writes_by_ioctl[i]);
	refuse_with(code, SYS_ioctl, 1, IOCTL_TYPE, BTRFS_TYPE);
	refuse_truncation(code, builtin);
}

static void refuse_network(struct buf *code)
{
	const struct sock_filter rows[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4),
		LOAD_ARGUMENT(0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, DENY),
		LOAD_NUMBER,
	};
	buf_add(code, rows, sizeof rows);
}

static int filter_calls(unsigned withheld, bool builtin, bool truncates, struct err *err)
{
	AUTO(buf_done) struct buf code = BUF_INIT(BODY_BYTES);
	/* Numbers mean other calls on another architecture: there is none in a cell, and none here. */
	const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		LOAD_NUMBER,
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	}, tail[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };

	buf_add(&code, head, sizeof head);
	if ((withheld & PERMISSION(FS_WRITE)) != 0)
		refuse_writes(&code, builtin);
	else if (truncates)
		refuse_truncation(&code, builtin);
	if ((withheld & PERMISSION(EXEC)) != 0 && builtin)
		refuse_all(&code, starts, COUNT(starts));
	if ((withheld & PERMISSION(NET)) != 0)
		refuse_network(&code);
	buf_add(&code, tail, sizeof tail);
	assert(!code.full);
	const struct filter filter = { (struct sock_filter *)(void *)code.ptr,
	                               (unsigned short)(code.len / sizeof(struct sock_filter)) };
	int r = filter_enter(&filter);
	return r < 0 ? err_set(err, -r, "the kernel refused the filter of a run: %s", strerror(-r)) : 0;
}

int narrow_run(const struct plan *plan, unsigned withheld, bool builtin, struct err *err)
{
	const unsigned files = PERMISSION(FS_READ) | PERMISSION(FS_WRITE);
	bool landlock = (withheld & files) != 0 && (plan->level != CELL_NONE || landlock_abi() > 0);
	/* Without mounts of its own the cell sees all files of the user, and only Landlock keeps them. */
	bool truncates = plan->level == CELL_REDUCED && landlock_abi() < 3;
	int r = 0;

	if (!truncates && (withheld & (files | PERMISSION(EXEC) | PERMISSION(NET))) == 0)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "cannot set no_new_privs");
	if (landlock && (withheld & PERMISSION(FS_WRITE)) != 0)
		r = landlock_readonly(err);
	if (r == 0 && landlock && (withheld & PERMISSION(FS_READ)) != 0)
		r = landlock_unread(err);
	return r < 0 ? r : filter_calls(withheld, builtin, truncates, err);
}
