/* place.c - from a path that a model wrote to a descriptor below the workspace. Links and ".." are
 * followed by name first, so that the refusal can say where they lead; what is opened then is opened
 * below the workspace without following any link, so that a link made in between leads nowhere.
 * It refuses what lies outside, and to open anything that could block or act when it is opened. */
#include "tools/inside.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/io.h"
#include "base/banned.h"

void place_done(struct place *place)
{
	fd_close(&place->root);
	free(place->workspace);
	free(place->given);
	free(place->relative);
	*place = PLACE_NONE;
}

int place_lint(const json_t *args, const char *key, struct err *err)
{
	struct str path = arg_str(args, key);

	if (json_object_get(args, key) == NULL)
		return 0;
	if (path.len == 0)
		return err_set(err, EINVAL, "/%s: is empty: give a path, such as \"src/main.c\"", key);
	if (path.len >= LIMIT_TOOL_PATH_BYTES)
		return err_set(err, EINVAL, "/%s: has %zu bytes: a path has at most %d", key, path.len,
		               LIMIT_TOOL_PATH_BYTES - 1);
	if (memchr(path.ptr, '\0', path.len) != NULL)
		return err_set(err, EINVAL, "/%s: has a NUL character in it: no path can have one", key);
	return 0;
}

int open_below(int dir, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

/* What a link says, joined to the directory it is in; NULL when it is none. The caller owns it. */
static char *link_target(const char *path, const char *parent)
{
	char text[PATH_MAX];
	ssize_t n = readlink(path, text, sizeof text - 1);

	if (n <= 0)
		return NULL;
	text[n] = '\0';
	return text[0] == '/' ? xstrdup(text) : xasprintf("%s/%s", parent, text);
}

/* The real path of an absolute one, whose end may be missing. NULL with errno. The caller owns it. */
static char *resolve(const char *full)
{
	AUTO(freep) char *at = xstrdup(full);
	AUTO(freep) char *rest = xstrdup("");

	for (int links = 0; links <= LIMIT_TOOL_LINKS;) {
		AUTO(freep) char *real = realpath(at, NULL);
		if (real != NULL)
			return rest[0] == '\0' ? TAKE(real) : xasprintf("%s/%s", real[1] == '\0' ? "" : real, rest);
		if (errno != ENOENT)
			return NULL;
		size_t len = strlen(at);
		while (len > 1 && at[len - 1] == '/')
			at[--len] = '\0';
		char *slash = strrchr(at, '/');
		AUTO(freep) char *last = xstrdup(slash + 1);
		AUTO(freep) char *parent = xstrndup(at, MAX((size_t)(slash - at), (size_t)1));
		char *target = link_target(at, parent);
		if (target == NULL && strcmp(last, "..") == 0) {
			errno = ENOENT; /* the parent of nothing */
			return NULL;
		}
		if (target == NULL && strcmp(last, ".") != 0) {
			char *longer = xasprintf("%s%s%s", last, rest[0] != '\0' ? "/" : "", rest);
			free(rest);
			rest = longer;
		}
		links += target != NULL;
		free(at);
		at = target != NULL ? target : TAKE(parent);
	}
	errno = ELOOP;
	return NULL;
}

static int cannot_resolve(const struct place *p, struct err *err)
{
	int code = errno;

	switch (code) {
	case ENOENT: return err_set(err, code, "%s: there is no such file or directory", p->given);
	case ENOTDIR: return err_set(err, code, "%s: a part of this path is a file, not a directory", p->given);
	case EACCES: return err_set(err, code, "%s: no permission to look there", p->given);
	case ELOOP: return err_set(err, code, "%s: symbolic links that lead in a circle", p->given);
	default: break;
	}
	errno = code;
	return err_sys(err, "%s", p->given);
}

enum { GIVEN_LONGEST = 300 };

/* Both ends of what the model wrote: a sentence must have room for what is wrong with it. */
static char *shorten(const struct buf *given)
{
	size_t head = GIVEN_LONGEST / 2, tail = given->len - MIN(given->len, (size_t)GIVEN_LONGEST / 2);

	if (given->len <= GIVEN_LONGEST)
		return xstrdup(buf_text(given));
	while (((unsigned char)given->ptr[head] & 0xc0) == 0x80)
		head--;
	while (((unsigned char)given->ptr[tail] & 0xc0) == 0x80)
		tail++;
	return xasprintf("%.*s...%s", (int)head, given->ptr, given->ptr + tail);
}

int place_find(const char *workspace, const char *path, struct place *ret, struct err *err)
{
	AUTO(place_done) struct place p = PLACE_NONE;
	AUTO(buf_done) struct buf given = BUF_INIT(MIB(1));

	show_name(path, &given);
	p.given = shorten(&given);
	p.workspace = realpath(workspace, NULL);
	p.root = p.workspace != NULL ? open(p.workspace, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (p.root < 0)
		return err_sys(err, "the workspace '%s'", workspace);

	AUTO(freep) char *full = path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", p.workspace, path);
	AUTO(freep) char *real = resolve(full);
	if (real == NULL)
		return cannot_resolve(&p, err);
	size_t len = p.workspace[1] == '\0' ? 0 : strlen(p.workspace);
	if (strncmp(real, p.workspace, len) != 0 || (real[len] != '/' && real[len] != '\0'))
		return err_set(err, EXDEV, "%s: lies outside of the workspace; give a path below %s", p.given,
		               p.workspace);
	p.relative = xstrdup(real[len] == '\0' || real[len + 1] == '\0' ? "." : real + len + 1);

	AUTO(fd_closep) int fd = open_below(p.root, p.relative, O_PATH);
	if (fd < 0 && errno != ENOENT)
		return cannot_resolve(&p, err);
	p.exists = fd >= 0;
	if (p.exists && fstat(fd, &p.st) < 0)
		return err_sys(err, "%s", p.given);
	*ret = p;
	p = PLACE_NONE;
	return 0;
}

int place_open(const struct place *place, int flags, struct err *err)
{
	int fd = open_below(place->root, place->relative, flags | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0)
		return fd;
	if (errno == ELOOP || errno == EXDEV)
		return err_set(err, errno, "%s: was changed while it was being opened; look again", place->given);
	if (errno == EACCES || errno == EPERM || errno == EROFS)
		return err_set(err, errno, "%s: no permission to %s it", place->given,
		               (flags & O_ACCMODE) == O_RDONLY ? "read" : "write");
	return err_sys(err, "%s", place->given);
}

/* 0 for a regular file, else -errno with the right sentence. */
static int only_regular(const struct place *place, const struct stat *st, struct err *err)
{
	if (S_ISREG(st->st_mode))
		return 0;
	if (S_ISDIR(st->st_mode))
		return err_set(err, EISDIR, "%s: is a directory; list_dir shows what is in it", place->given);
	return err_set(err, EINVAL, "%s: is a %s, not a regular file", place->given,
	               S_ISFIFO(st->st_mode)   ? "named pipe"
	               : S_ISSOCK(st->st_mode) ? "socket"
	                                       : "device");
}

int place_open_file(struct place *place, struct err *err)
{
	if (!place->exists)
		return place_missing(place, err);
	int r = only_regular(place, &place->st, err);
	if (r < 0)
		return r;
	AUTO(fd_closep) int fd = place_open(place, O_RDONLY, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &place->st) < 0)
		return err_sys(err, "%s", place->given);
	r = only_regular(place, &place->st, err); /* it may be another one by now */
	if (r < 0)
		return r;
	int opened = fd;
	fd = -1;
	return opened;
}

int place_open_parent(const struct place *place, bool make, const char **ret_name, struct err *err)
{
	AUTO(freep) char *path = xstrdup(place->relative);
	AUTO(fd_closep) int dir = open_below(place->root, ".", O_PATH | O_DIRECTORY);
	size_t done = 0;

	for (char *slash; dir >= 0 && (slash = strchr(path + done, '/')) != NULL; done = (size_t)(slash - path) + 1) {
		*slash = '\0';
		int next = open_below(dir, path + done, O_PATH | O_DIRECTORY);
		if (next < 0 && errno == ENOENT && make) {
			if (mkdirat(dir, path + done, 0777) < 0 && errno != EEXIST)
				return err_sys(err, "%s: cannot make the directory '%s'", place->given, path);
			next = open_below(dir, path + done, O_PATH | O_DIRECTORY);
		}
		if (next < 0 && errno == ENOENT)
			return err_set(err, ENOENT, "%s: there is no directory '%s'", place->given, path);
		fd_close(&dir);
		dir = next;
		*slash = '/';
	}
	if (dir < 0)
		return err_sys(err, "%s", place->given);
	*ret_name = place->relative + done;
	int opened = dir;
	dir = -1;
	return opened;
}

enum { NEIGHBOURS = 1000 };

int place_missing(const struct place *place, struct err *err)
{
	AUTO(names_done) struct names names = { 0 };
	const char *name, *near = NULL;
	AUTO(fd_closep) int parent = place_open_parent(place, false, &name, err);

	if (parent < 0)
		return parent;
	AUTO(fd_closep) int dir = open_below(parent, ".", O_RDONLY | O_DIRECTORY);
	if (dir >= 0 && names_read(dir, NEIGHBOURS, &names) == 0)
		near = name_nearest((const char *const *)names.list, names.count, name);
	if (near == NULL)
		return err_set(err, ENOENT, "%s: there is no such file or directory", place->given);
	AUTO(buf_done) struct buf shown = BUF_INIT(MIB(1));
	AUTO(freep) char *meant = xasprintf("%.*s%s", (int)(name - place->relative), place->relative, near);
	show_name(meant, &shown);
	return err_set(err, ENOENT, "%s: there is no such file; did you mean '%s'?", place->given, buf_text(&shown));
}

static int fill(int fd, const struct place *place, struct str content, struct err *err)
{
	int r = io_write_all(fd, content.ptr, content.len);

	if (r == 0 && place->exists && fchmod(fd, place->st.st_mode & 0777) < 0)
		r = -errno;
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, -r, "%s: nothing was changed: cannot write: %s", place->given, strerror(-r));
	return 0;
}

int place_may_replace(const struct place *place, struct err *err)
{
	int r = only_regular(place, &place->st, err);

	if (r < 0)
		return r;
	AUTO(fd_closep) int fd = place_open(place, O_WRONLY, err);
	return fd >= 0 || fd == -ETXTBSY ? 0 : fd;
}

void staged_name(char name[static STAGED_NAME_BYTES])
{
	char id[ID_LEN + 1];

	id_new(id); /* not the process number: cells that share a workspace count their own */
	snprintf(name, STAGED_NAME_BYTES, ".mishri-%s.tmp", id);
}

int place_stage(const struct place *place, struct str content, bool make_dirs, bool executable, struct staged *ret,
                struct err *err)
{
	struct staged s;
	int r = place->exists ? place_may_replace(place, err) : 0;

	if (r < 0)
		return r;
	AUTO(fd_closep) int dir = place_open_parent(place, make_dirs, &s.name, err);
	if (dir < 0)
		return dir;
	staged_name(s.temporary);
	AUTO(fd_closep) int fd = openat(dir, s.temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	                                executable ? 0777 : 0666);
	if (fd < 0)
		return err_sys(err, "%s: cannot make a file in this directory", place->given);
	r = fill(fd, place, content, err);
	if (r < 0) {
		(void)unlinkat(dir, s.temporary, 0);
		return r;
	}
	s.dir = dir;
	dir = -1;
	*ret = s;
	return 0;
}

void dir_sync(int dir)
{
	AUTO(fd_closep) int durable = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (durable >= 0)
		(void)fsync(durable); /* the file itself is safe; a directory that cannot be synced is no failure */
}

int place_write(const struct place *place, struct str content, bool make_dirs, struct err *err)
{
	struct staged staged;
	int r = place_stage(place, content, make_dirs, false, &staged, err);

	if (r < 0)
		return r;
	AUTO(fd_closep) int dir = staged.dir;
	if (renameat(dir, staged.temporary, dir, staged.name) < 0) {
		r = err_sys(err, "%s: nothing was changed: cannot put the new file in place", place->given);
		(void)unlinkat(dir, staged.temporary, 0);
		return r;
	}
	dir_sync(dir);
	return 0;
}

enum { LOCK_LOOK_MS = 10 };

/* A program of somebody's may hold the lock for ever: the wait is bounded. */
int workspace_lock(const char *workspace, struct err *err)
{
	AUTO(fd_closep) int fd = open(workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t end_ms = clock_mono_ms() + LIMIT_WORKSPACE_LOCK_MS;

	if (fd < 0)
		return err_sys(err, "the workspace '%s'", workspace);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(err, "the workspace '%s' cannot be locked", workspace);
		if (clock_mono_ms() > end_ms)
			return err_set(err, EBUSY, "nothing was changed: something else holds the lock of the workspace; try again");
		usleep(LOCK_LOOK_MS * 1000);
	}
	int locked = fd;
	fd = -1;
	return locked;
}

int place_unchanged(const struct place *place, const char *now, bool must, struct err *err)
{
	char then[SHA256_HEX_LEN + 1] = "";
	bool seen = seen_find(place->relative, then);

	if (!seen && (now == NULL || !must))
		return 0;
	if (!seen)
		return err_set(err, EBUSY, "%s: nothing was changed: it exists, and this task has not read it; read it first, so "
		               "that nothing in it is lost", place->given);
	if (strcmp(then, now != NULL ? now : "") == 0)
		return 0;
	return err_set(err, EBUSY, "%s: nothing was changed: it %s since this task last read or wrote it; read it again, then decide",
	               place->given, now == NULL ? "was deleted" : then[0] == '\0' ? "was made" : "was changed");
}
