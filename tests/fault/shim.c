/* shim.c - LD_PRELOAD: makes the N-th call that changes a file fail, or be the last one.
 *
 *   FAULT_CALL   write (also pwrite, writev, pwritev), sync (fsync, fdatasync), truncate (ftruncate, fallocate), any
 *   FAULT_AT     which of these calls, from 1
 *   FAULT_DO     ENOSPC, EIO, EDQUOT: fails with it · SHORT: half is written · KILL: SIGKILL before the call
 *   FAULT_FROM   1: this call and every later one
 *   FAULT_PATH   only descriptors whose path contains this text; without it all
 *
 * Without FAULT_AT nothing is changed. It uses no memory and no lock, so that any thread may call. */
#undef _FILE_OFFSET_BITS                /* both names of a function are wanted, not one made of the other */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;

static bool concerns(int fd)
{
	const char *wanted = getenv("FAULT_PATH");
	char link[64], path[4096];

	if (wanted == NULL)
		return true;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return strstr(path, wanted) != NULL;
}

/* NULL: go on; otherwise what FAULT_DO says. */
static const char *fault(const char *call, int fd)
{
	const char *at = getenv("FAULT_AT"), *which = getenv("FAULT_CALL"), *what = getenv("FAULT_DO");

	if (at == NULL || which == NULL || what == NULL || !concerns(fd))
		return NULL;
	if (strcmp(which, "any") != 0 && strcmp(which, call) != 0)
		return NULL;
	long now = atomic_fetch_add(&calls, 1) + 1, wanted = strtol(at, NULL, 10);
	if (now != wanted && !(now > wanted && getenv("FAULT_FROM") != NULL))
		return NULL;
	if (strcmp(what, "KILL") == 0)
		kill(getpid(), SIGKILL);
	return what;
}

static int error_of(const char *what)
{
	static const struct { const char *name; int code; } errors[] = {
		{ "ENOSPC", ENOSPC }, { "EDQUOT", EDQUOT }, { "EIO", EIO },
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
#define CHECK(call, fd, short_result) \
	const char *what = fault(call, fd); \
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
