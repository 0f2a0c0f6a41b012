/* tmp_kept.c - packs the /tmp of a cell and unpacks it in the next cell of the same task. It keeps files, directories and
 * links with their modes and times; pipes, sockets and second names are left out. The stream was made by programs of the
 * cell as much as by this one, so it is read in a cell only, where it can do no more than they could.
 *
 * A stream is entries, then "end\n". An entry is "TYPE MODE SECONDS SIZE LENGTH\n", LENGTH bytes of path, SIZE bytes of
 * content; TYPE is d, f or l. A directory comes before what is in it. */
#include "tools/tmp_kept.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/banned.h"

#define TMP "/tmp"

static int64_t left;                   /* bytes that may still be kept */
static dev_t own;                      /* the file system of /tmp: a workspace below it is another */

static int put(const void *bytes, size_t len)
{
	left -= (int64_t)len;
	return left < 0 ? -EFBIG : io_write_all(1, bytes, len);
}

static int put_head(char type, const struct stat *st, int64_t size, const char *path)
{
	char head[128];
	int n = snprintf(head, sizeof head, "%c %o %lld %lld %zu\n", type, st->st_mode & 07777, (long long)st->st_mtim.tv_sec,
	                 (long long)size, strlen(path));
	int r = put(head, (size_t)n);

	return r < 0 ? r : put(path, strlen(path));
}

/* A file that grows or shrinks meanwhile is cut or filled up: its size was written down already. */
static int keep_file(int dir, const char *name, const struct stat *st, const char *path)
{
	AUTO(fd_closep) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char chunk[16384];
	int r = fd < 0 ? 0 : put_head('f', st, st->st_size, path);

	for (int64_t rest = st->st_size; fd >= 0 && r == 0 && rest > 0;) {
		size_t want = (size_t)MIN(rest, (int64_t)sizeof chunk);
		ssize_t n = read(fd, chunk, want);
		if (n <= 0) {
			memset(chunk, 0, want);
			n = (ssize_t)want;
		}
		r = put(chunk, (size_t)n);
		rest -= n;
	}
	return r;
}

static int keep_link(int dir, const char *name, const struct stat *st, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof target);
	int r = n < 0 ? 0 : put_head('l', st, n, path);

	return n < 0 || r < 0 ? r : put(target, (size_t)n);
}

static int keep_dir(int fd, char *path, size_t len, int depth)
{
	DIR *dir = fdopendir(fd);
	struct stat st;
	int r = 0;

	if (dir == NULL) {
		close(fd);
		return 0;
	}
	for (struct dirent *e; r == 0 && (e = readdir(dir)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != own)
			continue;
		if (len + strlen(e->d_name) + 2 > PATH_MAX || depth > LIMIT_FILES_DEPTH) {
			r = -ENAMETOOLONG;
			break;
		}
		size_t now = len + (size_t)snprintf(path + len, PATH_MAX - len, "%s%s", len > 0 ? "/" : "", e->d_name);
		if (S_ISREG(st.st_mode))
			r = keep_file(dirfd(dir), e->d_name, &st, path);
		else if (S_ISLNK(st.st_mode))
			r = keep_link(dirfd(dir), e->d_name, &st, path);
		else if (S_ISDIR(st.st_mode)) {
			r = put_head('d', &st, 0, path);
			int below = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (r == 0 && below >= 0)
				r = keep_dir(below, path, now, depth + 1);
			else
				fd_close(&below);
		}
		path[len] = '\0';
	}
	closedir(dir);
	return r;
}

int tmp_keep(const json_t *args UNUSED, const char *workspace UNUSED)
{
	char path[PATH_MAX] = "";
	int fd = open(TMP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	struct stat st;

	left = LIMIT_TMP_KEPT_BYTES;
	own = fd >= 0 && fstat(fd, &st) == 0 ? st.st_dev : 0;
	return fd < 0 || keep_dir(fd, path, 0, 0) < 0 || put("end\n", 4) < 0;
}

/* ---- back ---- */

struct entry_head {
	char type;
	unsigned mode;
	long long seconds, size;
	size_t length;
};

/* False: the end, or what is none of ours. */
static bool get_head(struct entry_head *ret)
{
	char line[128];
	size_t len = 0;

	while (len + 1 < sizeof line && read(0, line + len, 1) == 1 && line[len] != '\n')
		len++;
	line[len] = '\0';
	return sscanf(line, "%c %o %lld %lld %zu", &ret->type, &ret->mode, &ret->seconds, &ret->size, &ret->length) == 5 &&
	       ret->length < PATH_MAX && ret->length > 0 && ret->size >= 0;
}

static int bring_file(int top, const char *path, const struct entry_head *head)
{
	AUTO(fd_closep) int fd = openat(top, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = head->seconds } };
	char chunk[16384];
	int r = fd < 0 ? -errno : 0;

	for (long long rest = head->size; r == 0 && rest > 0;) {
		size_t want = (size_t)MIN(rest, (long long)sizeof chunk);
		r = io_read_all(0, chunk, want);
		if (r == 0)
			r = io_write_all(fd, chunk, want);
		rest -= (long long)want;
	}
	if (r == 0 && (fchmod(fd, head->mode & 0777) < 0 || futimens(fd, times) < 0))
		r = -errno;
	return r;
}

static int bring_link(int top, const char *path, const struct entry_head *head)
{
	char target[PATH_MAX + 1];

	if (head->size > PATH_MAX || io_read_all(0, target, (size_t)head->size) < 0)
		return -EINVAL;
	target[head->size] = '\0';
	return symlinkat(target, top, path) < 0 ? -errno : 0;
}

int tmp_bring(const json_t *args UNUSED, const char *workspace UNUSED)
{
	AUTO(fd_closep) int top = open(TMP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct entry_head head;
	char path[PATH_MAX];
	int r = top < 0 ? -errno : 0;

	while (r == 0 && get_head(&head)) {
		r = io_read_all(0, path, head.length);
		path[head.length] = '\0';
		if (r < 0)
			break;
		/* a workspace below /tmp is a mount that is there already */
		if (head.type == 'd')
			r = mkdirat(top, path, (head.mode & 0777) | 0700) < 0 && errno != EEXIST ? -errno : 0;
		else if (head.type == 'l')
			r = bring_link(top, path, &head);
		else
			r = bring_file(top, path, &head);
	}
	return r < 0;
}
