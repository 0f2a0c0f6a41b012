/* shim.c - LD_PRELOAD: makes the N-th call of a kind fail, hang, or be the last one.
 *
 *   FAULT_CALL   write (also pwrite, writev, pwritev), sync (fsync, fdatasync), truncate (ftruncate, fallocate), rename,
 *                create (open with O_CREAT), connect, clone (fork, clone3), mmap (of files), any
 *   FAULT_AT     which of these calls, from 1
 *   FAULT_DO     ENOSPC, EIO, EDQUOT, EINTR, EMFILE, ENOMEM, EAGAIN: fails with it · SHORT: half is written ·
 *                KILL: SIGKILL before the call · HANG: the call waits for FAULT_MS first
 *   FAULT_FROM   1: this call and every later one
 *   FAULT_PATH   only files whose path contains this text; without it all. Calls without a file are not concerned
 *   FAULT_NAME   only processes and threads of this name (prctl(2), PR_GET_NAME); without it, only the first process
 *   FAULT_COUNT  a file that gets a byte for each such call, so that a sweep knows where it ends
 *
 * Without FAULT_AT nothing is changed. It uses no memory and no lock, so that any thread may call. */
#undef _FILE_OFFSET_BITS                /* both names of a function are wanted, not one made of the other */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

typedef long syscall_fn(long, ...);

/* syscall(2) itself is one of the calls that are counted here. */
static long real_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	static syscall_fn *real;

	if (real == NULL)
		real = (syscall_fn *)dlsym(RTLD_NEXT, "syscall");
	return real(number, a, b, c, d, e, f);
}

/* Read once: a process that forgets its environment is still meant. */
static struct {
	const char *call, *what, *path, *name, *count;
	char text[5][256];
	long at, ms;
	bool from;
	pid_t first;
} wanted;

static atomic_long calls;

static const char *keep(const char *name, char room[static 256])
{
	const char *value = getenv(name);

	if (value == NULL)
		return NULL;
	snprintf(room, 256, "%s", value);
	return room;
}

__attribute__((constructor)) static void read_wishes(void)
{
	const char *at = getenv("FAULT_AT"), *ms = getenv("FAULT_MS");

	wanted.call = keep("FAULT_CALL", wanted.text[0]);
	wanted.what = keep("FAULT_DO", wanted.text[1]);
	wanted.path = keep("FAULT_PATH", wanted.text[2]);
	wanted.name = keep("FAULT_NAME", wanted.text[3]);
	wanted.count = keep("FAULT_COUNT", wanted.text[4]);
	wanted.at = at != NULL && wanted.call != NULL && wanted.what != NULL ? strtol(at, NULL, 10) : 0;
	wanted.ms = ms != NULL ? strtol(ms, NULL, 10) : 0;
	wanted.from = getenv("FAULT_FROM") != NULL;
	wanted.first = getpid();
}

/* path: of a call that has one; else of its descriptor. */
static bool concerns(int fd, const char *path)
{
	char link[64], room[4096], name[17] = "";

	if (wanted.name == NULL && getpid() != wanted.first)
		return false;
	if (wanted.name != NULL && (prctl(PR_GET_NAME, name) < 0 || strcmp(name, wanted.name) != 0))
		return false;
	if (wanted.path == NULL)
		return true;
	if (path != NULL)
		return strstr(path, wanted.path) != NULL;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = fd >= 0 ? readlink(link, room, sizeof room - 1) : -1;
	if (n < 0)
		return false;
	room[n] = '\0';
	return strstr(room, wanted.path) != NULL;
}

static void note_call(void)
{
	if (wanted.count == NULL)
		return;
	long fd = real_syscall(SYS_openat, AT_FDCWD, (long)wanted.count, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666, 0, 0);
	if (fd < 0)
		return;
	(void)!real_syscall(SYS_write, fd, (long)".", 1, 0, 0, 0);
	real_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

static void wait_a_while(long ms)
{
	struct timespec rest = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
		continue;
}

/* NULL: go on; otherwise what FAULT_DO says. */
static const char *fault(const char *call, int fd, const char *path)
{
	if (wanted.at <= 0 || (strcmp(wanted.call, "any") != 0 && strcmp(wanted.call, call) != 0) || !concerns(fd, path))
		return NULL;
	note_call();
	long now = atomic_fetch_add(&calls, 1) + 1;
	if (now != wanted.at && !(now > wanted.at && wanted.from))
		return NULL;
	if (strcmp(wanted.what, "KILL") == 0)
		kill(getpid(), SIGKILL);
	if (strcmp(wanted.what, "HANG") == 0) {
		wait_a_while(wanted.ms);
		return NULL;
	}
	return wanted.what;
}

static int error_of(const char *what)
{
	static const struct { const char *name; int code; } errors[] = {
		{ "ENOSPC", ENOSPC }, { "EDQUOT", EDQUOT }, { "EIO", EIO }, { "EINTR", EINTR }, { "EMFILE", EMFILE },
		{ "ENOMEM", ENOMEM }, { "EAGAIN", EAGAIN },
	};

	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (strcmp(errors[i].name, what) == 0)
			return errors[i].code;
	return EIO;
}

/* The real function of the same name; found once per place. */
#define REAL(type, name) \
	static type *real; \
	if (real == NULL) \
		real = (type *)dlsym(RTLD_NEXT, name)

/* A failing call: -1 with errno, or half of the bytes. */
#define CHECK(call, fd, short_result) CHECK_PATH(call, fd, NULL, short_result)
#define CHECK_PATH(call, fd, path, short_result) \
	const char *what = fault(call, fd, path); \
	if (what != NULL && strcmp(what, "SHORT") != 0) { \
		errno = error_of(what); \
		return -1; \
	} \
	if (what != NULL) \
		return short_result

typedef ssize_t write_fn(int, const void *, size_t);
typedef ssize_t pwrite_fn(int, const void *, size_t, off64_t);
typedef ssize_t writev_fn(int, const struct iovec *, int);
typedef ssize_t pwritev_fn(int, const struct iovec *, int, off64_t);
typedef int sync_fn(int);
typedef int truncate_fn(int, off64_t);
typedef int fallocate_fn(int, int, off64_t, off64_t);

ssize_t write(int fd, const void *bytes, size_t len)
{
	REAL(write_fn, "write");
	CHECK("write", fd, real(fd, bytes, (len + 1) / 2));
	return real(fd, bytes, len);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	REAL(pwrite_fn, "pwrite64");
	CHECK("write", fd, real(fd, bytes, (len + 1) / 2, at));
	return real(fd, bytes, len, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	REAL(writev_fn, "writev");
	CHECK("write", fd, real(fd, parts, (count + 1) / 2));
	return real(fd, parts, count);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at)
{
	REAL(pwritev_fn, "pwritev64");
	CHECK("write", fd, real(fd, parts, (count + 1) / 2, at));
	return real(fd, parts, count, at);
}

int fsync(int fd)
{
	REAL(sync_fn, "fsync");
	CHECK("sync", fd, 0);
	return real(fd);
}

int fdatasync(int fd)
{
	REAL(sync_fn, "fdatasync");
	CHECK("sync", fd, 0);
	return real(fd);
}

int ftruncate64(int fd, off64_t size)
{
	REAL(truncate_fn, "ftruncate64");
	CHECK("truncate", fd, 0);
	return real(fd, size);
}

int fallocate64(int fd, int mode, off64_t at, off64_t len)
{
	REAL(fallocate_fn, "fallocate64");
	CHECK("truncate", fd, 0);
	return real(fd, mode, at, len);
}

/* With 64-bit offsets these are the same functions under their older names. */
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at) { return pwrite64(fd, bytes, len, at); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return pwritev64(fd, parts, count, at); }
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
int fallocate(int fd, int mode, off_t at, off_t len) { return fallocate64(fd, mode, at, len); }

typedef int rename_fn(const char *, const char *);
typedef int connect_fn(int, const struct sockaddr *, socklen_t);
typedef pid_t fork_fn(void);
typedef int open_fn(const char *, int, ...);
typedef int openat_fn(int, const char *, int, ...);
typedef void *mmap_fn(void *, size_t, int, int, int, off64_t);

int rename(const char *from, const char *to)
{
	REAL(rename_fn, "rename");
	CHECK_PATH("rename", -1, to, 0);
	return real(from, to);
}

int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	REAL(connect_fn, "connect");
	CHECK("connect", fd, 0);
	return real(fd, to, len);
}

pid_t fork(void)
{
	REAL(fork_fn, "fork");
	CHECK("clone", -1, -1);
	return real();
}

long syscall(long number, ...)
{
	long at[6];
	va_list more;

	va_start(more, number);
	for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
		at[i] = va_arg(more, long);
	va_end(more);
	if (number == SYS_clone3) {
		CHECK("clone", -1, -1);
	}
	return real_syscall(number, at[0], at[1], at[2], at[3], at[4], at[5]);
}

int open64(const char *path, int flags, ...)
{
	REAL(open_fn, "open64");
	mode_t mode = 0;
	va_list more;

	if ((flags & (O_CREAT | __O_TMPFILE)) == 0)
		return real(path, flags);
	va_start(more, flags);
	mode = va_arg(more, mode_t);
	va_end(more);
	CHECK_PATH("create", -1, path, -1);
	return real(path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
	REAL(openat_fn, "openat64");
	mode_t mode = 0;
	va_list more;

	if ((flags & (O_CREAT | __O_TMPFILE)) == 0)
		return real(dir, path, flags);
	va_start(more, flags);
	mode = va_arg(more, mode_t);
	va_end(more);
	CHECK_PATH("create", -1, path, -1);
	return real(dir, path, flags, mode);
}

/* Of files alone: without memory the process ends anyway. */
void *mmap64(void *addr, size_t len, int protection, int flags, int fd, off64_t at)
{
	REAL(mmap_fn, "mmap64");
	const char *what = fd >= 0 ? fault("mmap", fd, NULL) : NULL;

	if (what != NULL) {
		errno = error_of(what);
		return MAP_FAILED;
	}
	return real(addr, len, protection, flags, fd, at);
}

/* With 64-bit offsets these are the same functions under their older names. */
void *mmap(void *addr, size_t len, int protection, int flags, int fd, off_t at)
{
	return mmap64(addr, len, protection, flags, fd, at);
}

int open(const char *path, int flags, ...)
{
	va_list more;

	va_start(more, flags);
	mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
	va_end(more);
	return open64(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list more;

	va_start(more, flags);
	mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
	va_end(more);
	return openat64(dir, path, flags, mode);
}
