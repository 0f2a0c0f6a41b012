/* sync_clock.c - LD_PRELOAD: notes when each fdatasync and fsync of this process began and ended, as pairs of 64-bit
 * microseconds appended to the file that SYNC_CLOCK names. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int out = -1;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("SYNC_CLOCK");

	if (path != NULL)
		out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int timed(int (*real)(int), int fd)
{
	int64_t span[2] = { now_us(), 0 };
	int r = real(fd);

	span[1] = now_us();
	if (out >= 0 && write(out, span, sizeof span) != (ssize_t)sizeof span)
		_exit(99); /* a measurement with holes is none */
	return r;
}

int fdatasync(int fd)
{
	return timed((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"), fd);
}

int fsync(int fd)
{
	return timed((int (*)(int))dlsym(RTLD_NEXT, "fsync"), fd);
}
