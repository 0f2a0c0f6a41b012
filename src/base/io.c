/* io.c - reading and writing whole things. */
#include "base/io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void fd_closep(int *fd)
{
	fd_close(fd);
}

int fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int io_write_all(int fd, const void *ptr, size_t len)
{
	const char *at = ptr;

	while (len > 0) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_read_all(int fd, void *ptr, size_t len)
{
	char *at = ptr;

	while (len > 0) {
		ssize_t n = read(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_read_fd(int fd, struct buf *ret, struct err *err)
{
	char chunk[16384];

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read");
		if (n == 0)
			return 0;
		if (buf_add(ret, chunk, (size_t)n) < 0)
			return err_set(err, EFBIG, "more than %zu bytes", ret->max);
	}
}

int io_read_file(const char *path, struct buf *ret, struct err *err)
{
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "%s", path);
	if (S_ISDIR(st.st_mode))
		return err_set(err, EISDIR, "%s: is a directory, not a file", path);
	if (io_read_fd(fd, ret, err) < 0)
		return err_prefix(err, "%s", path);
	return 0;
}

int io_mkdirs(const char *path, struct err *err)
{
	AUTO(freep) char *copy = xstrdup(path);

	for (char *at = copy + 1; *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			return err_sys(err, "cannot make the directory '%s'", copy);
		*at = '/';
	}
	if (mkdir(copy, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "cannot make the directory '%s'", copy);
	struct stat st;
	if (stat(copy, &st) < 0)
		return err_sys(err, "%s", copy);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "'%s' is not a directory", copy);
	return 0;
}
