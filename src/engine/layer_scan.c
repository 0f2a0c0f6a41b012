/* layer_scan.c - what changed: an upper directory of overlayfs read beside the workspace it lies over. A deleted name is a
 * character device 0:0, a directory that hides all that was there before is marked opaque. It believes nothing else: other
 * devices, pipes, sockets and set-user-ID bits are refused and named, and no link is followed. A file of the workspace
 * whose inode changed since the layer was begun is a conflict, whoever changed it. */
#include "engine/layer.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/banned.h"

enum { PERMISSIONS = 0777, CHUNK = 65536 };

static const char *const kind_words[] = { [CHANGE_ADDED] = "added", [CHANGE_CHANGED] = "changed", [CHANGE_DELETED] = "deleted",
                                          [CHANGE_MODE] = "mode" };
static const char *const type_words[] = { [TYPE_FILE] = "file", [TYPE_DIRECTORY] = "directory", [TYPE_LINK] = "link" };

const char *change_kind_name(enum change_kind kind)
{
	return name_of(kind_words, COUNT(kind_words), kind);
}

const char *change_type_name(enum change_type type)
{
	return name_of(type_words, COUNT(type_words), type);
}

struct scan {
	struct overlay *layer;
	char path[PATH_MAX];
	struct err *err;
};

static int64_t changed_ns(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

static enum change_type type_of(const struct stat *st)
{
	return S_ISDIR(st->st_mode) ? TYPE_DIRECTORY : S_ISLNK(st->st_mode) ? TYPE_LINK : TYPE_FILE;
}

/* 0, or -errno; a name whose way leads over a link is not there. */
static int look(int dir, const char *path, struct stat *ret)
{
	AUTO(fd_closep) int parent = -1;
	const char *slash = strrchr(path, '/');

	if (slash != NULL) {
		AUTO(freep) char *above = xstrndup(path, (size_t)(slash - path));
		parent = layer_at(dir, above, O_PATH | O_DIRECTORY);
		if (parent < 0)
			return -errno;
	}
	return fstatat(slash != NULL ? parent : dir, slash != NULL ? slash + 1 : path, ret, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static struct change *change_add(struct scan *s, enum change_kind kind, enum change_type type)
{
	struct overlay *layer = s->layer;

	if ((layer->count & (layer->count + 1)) == 0)        /* 0, 1, 3, 7, ...: room for as many again */
		layer->changes = xrealloc(layer->changes, (layer->count * 2 + 1) * sizeof *layer->changes);
	struct change *c = &layer->changes[layer->count++];
	*c = (struct change){ .kind = kind, .type = type, .was = type, .path = xstrdup(s->path) };
	return c;
}

static void refuse(struct scan *s, const char *why)
{
	json_t *row = json_object();

	json_put(row, "path", json_of_str(str_of(s->path)));
	json_put_text(row, "why", why);
	json_array_append_new(s->layer->refused, row);
}

/* ---- conflicts ---- */

static void conflict(struct change *c, const char *path, const char *what)
{
	if (c->conflict == NULL)
		c->conflict = xasprintf("'%s' %s", path, what);
}

/* Everything below a directory of the workspace that goes away with it. */
static void look_below(const struct scan *s, struct change *c, const char *path, int depth)
{
	AUTO(fd_closep) int fd = layer_at(s->layer->lower, path, O_RDONLY | O_DIRECTORY);
	DIR *dir = fd >= 0 && depth < LIMIT_FILES_DEPTH ? fdopendir(fd) : NULL;
	struct stat st;

	if (dir == NULL) {
		conflict(c, path, "cannot be read");
		return;
	}
	fd = -1;
	for (struct dirent *e; c->conflict == NULL && (e = readdir(dir)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		AUTO(freep) char *below = xasprintf("%s/%s", path, e->d_name);
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (changed_ns(&st) >= s->layer->since_ns)
			conflict(c, below, "was changed in the workspace meanwhile");
		else if (S_ISDIR(st.st_mode))
			look_below(s, c, below, depth + 1);
	}
	closedir(dir);
}

/* What lies in the workspace now and is replaced or goes away. */
static void look_at_old(const struct scan *s, struct change *c, const struct stat *old)
{
	if (changed_ns(old) >= s->layer->since_ns)
		conflict(c, c->path, "was changed in the workspace meanwhile");
	if (S_ISDIR(old->st_mode))
		look_below(s, c, c->path, 0);
}

/* Was it copied from the workspace into the layer, and did the directory that had it lose something since? What was renamed in
 * the layer has the mark of a copy too, under a name that the workspace never had. Links cannot carry the mark. */
static bool was_lost(const struct scan *s)
{
	AUTO(fd_closep) int fd = layer_at(s->layer->upper, s->path, O_RDONLY);
	const char *slash = strrchr(s->path, '/');
	AUTO(freep) char *above = slash != NULL ? xstrndup(s->path, (size_t)(slash - s->path)) : NULL;
	struct stat dir;

	if (fd < 0 || fgetxattr(fd, "user.overlay.origin", NULL, 0) < 0)
		return false;
	int r = above != NULL ? look(s->layer->lower, above, &dir) : fstat(s->layer->lower, &dir);
	return r < 0 || changed_ns(&dir) >= s->layer->since_ns;
}

/* ---- one name ---- */

static int same_bytes(int a, int b)
{
	char one[CHUNK / 4], two[CHUNK / 4];

	for (;;) {
		ssize_t n = read(a, one, sizeof one);
		if (n < 0)
			return -errno;
		ssize_t got = 0;
		while (got < n) {
			ssize_t m = read(b, two + got, (size_t)(n - got));
			if (m < 0)
				return -errno;
			if (m == 0)
				return 0;
			got += m;
		}
		if (n == 0)
			return read(b, two, 1) == 0;
		if (memcmp(one, two, (size_t)n) != 0)
			return 0;
	}
}

/* 1: the same content. A file that cannot be read is another. */
static int same_content(const struct scan *s, const struct stat *upper, const struct stat *old)
{
	AUTO(buf_done) struct buf one = BUF_INIT(PATH_MAX), two = BUF_INIT(PATH_MAX);

	if (type_of(upper) != type_of(old) || upper->st_size != old->st_size)
		return 0;
	if (S_ISLNK(upper->st_mode))
		return layer_read(s->layer->upper, s->path, TYPE_LINK, &one) == 0 &&
		       layer_read(s->layer->lower, s->path, TYPE_LINK, &two) == 0 && str_eq(buf_str(&one), buf_str(&two));
	AUTO(fd_closep) int a = layer_at(s->layer->upper, s->path, O_RDONLY);
	AUTO(fd_closep) int b = layer_at(s->layer->lower, s->path, O_RDONLY);
	return a >= 0 && b >= 0 && same_bytes(a, b) == 1;
}

static void deleted(struct scan *s, const struct stat *old)
{
	struct change *c = change_add(s, CHANGE_DELETED, type_of(old));

	c->old_mode = old->st_mode & PERMISSIONS;
	c->replaces = true;
	look_at_old(s, c, old);
}

static void mode_changed(struct scan *s, const struct stat *st, const struct stat *old)
{
	struct change *c = change_add(s, CHANGE_MODE, type_of(st));

	c->mode = st->st_mode & PERMISSIONS;
	c->old_mode = old->st_mode & PERMISSIONS;
	/* A directory's inode also changes with each name in it; then both of its times are one. */
	bool by_names = S_ISDIR(old->st_mode) && old->st_mtim.tv_sec == old->st_ctim.tv_sec &&
	                old->st_mtim.tv_nsec == old->st_ctim.tv_nsec;
	if (!by_names)
		look_at_old(s, c, old);
	if (S_ISDIR(old->st_mode) && c->conflict != NULL && changed_ns(old) < s->layer->since_ns)
		free(TAKE(c->conflict));     /* what lies below stays as it is */
}

/* A file or a link of the layer; old: NULL where the workspace has nothing. */
static void file_seen(struct scan *s, const struct stat *st, const struct stat *old)
{
	if (old != NULL && same_content(s, st, old)) {
		if (!S_ISLNK(st->st_mode) && ((st->st_mode ^ old->st_mode) & PERMISSIONS) != 0)
			mode_changed(s, st, old);
		return;
	}
	struct change *c = change_add(s, old != NULL ? CHANGE_CHANGED : CHANGE_ADDED, type_of(st));
	c->mode = st->st_mode & PERMISSIONS;
	c->bytes = S_ISREG(st->st_mode) ? st->st_size : 0;
	s->layer->bytes += c->bytes;
	if (old != NULL) {
		c->was = type_of(old);
		c->old_mode = old->st_mode & PERMISSIONS;
		c->replaces = S_ISDIR(old->st_mode);
		look_at_old(s, c, old);
	} else if (S_ISREG(st->st_mode) && was_lost(s)) {
		conflict(c, c->path, "was deleted in the workspace meanwhile");
	}
}

/* opaque: nothing of the workspace shows through. new: there is nothing of it. */
static int scan_dir(struct scan *s, bool opaque, bool new, int depth);

static int directory_seen(struct scan *s, const struct stat *st, const struct stat *old, bool fresh, int depth)
{
	AUTO(fd_closep) int fd = layer_at(s->layer->upper, s->path, O_RDONLY | O_DIRECTORY);
	char mark[2];
	bool merges = old != NULL && S_ISDIR(old->st_mode);

	if (fd >= 0 && fgetxattr(fd, "user.overlay.redirect", NULL, 0) >= 0)
		return err_set(s->err, ENOTSUP, "the layer has a renamed directory ('%s') in a form that is not read here", s->path);
	bool opaque = fresh || (fd >= 0 && fgetxattr(fd, "user.overlay.opaque", mark, sizeof mark) > 0 && mark[0] == 'y');
	if (!merges) {
		struct change *c = change_add(s, old != NULL ? CHANGE_CHANGED : CHANGE_ADDED, TYPE_DIRECTORY);
		c->mode = st->st_mode & PERMISSIONS;
		if (old != NULL) {
			c->was = type_of(old);
			c->old_mode = old->st_mode & PERMISSIONS;
			c->replaces = true;
			look_at_old(s, c, old);
		} else if (!opaque && was_lost(s)) {
			conflict(c, c->path, "was deleted in the workspace meanwhile");
		}
	} else if (((st->st_mode ^ old->st_mode) & PERMISSIONS) != 0) {
		mode_changed(s, st, old);
	}
	return scan_dir(s, opaque, !merges, depth + 1);
}

static int name_seen(struct scan *s, bool fresh, int depth)
{
	struct stat st, lower;
	int r = look(s->layer->upper, s->path, &st);

	if (s->layer->count >= LIMIT_LAYER_CHANGES)
		return err_set(s->err, E2BIG, "the layer has more than %d changes", LIMIT_LAYER_CHANGES);
	if (r < 0)
		return err_set(s->err, -r, "the layer cannot be read at '%s': %s", s->path, strerror(-r));
	r = look(s->layer->lower, s->path, &lower);
	if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -ELOOP)
		return err_set(s->err, -r, "the workspace cannot be read at '%s': %s", s->path, strerror(-r));
	const struct stat *old = r == 0 ? &lower : NULL;
	if (S_ISCHR(st.st_mode) && st.st_rdev == 0) {
		if (old != NULL)
			deleted(s, old);
		return 0;
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode)) {
		refuse(s, S_ISFIFO(st.st_mode) ? "a named pipe" : S_ISSOCK(st.st_mode) ? "a socket" : "a device");
		return 0;
	}
	if (!S_ISDIR(st.st_mode) && (st.st_mode & (S_ISUID | S_ISGID)) != 0) {
		refuse(s, "a program with a set-user-ID or set-group-ID bit");
		return 0;
	}
	if (S_ISDIR(st.st_mode))
		return directory_seen(s, &st, old, fresh, depth);
	file_seen(s, &st, old);
	return 0;
}

/* ---- directories ---- */

static int each_name(struct scan *s, int side, int (*visit)(struct scan *s, bool fresh, int depth), bool fresh, int depth)
{
	size_t len = strlen(s->path);
	AUTO(fd_closep) int fd = layer_at(side, len > 0 ? s->path : ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	int r = 0;

	if (dir == NULL)
		return err_sys(s->err, "the directory '%s' cannot be read", s->path);
	fd = -1;
	for (struct dirent *e; r == 0 && (e = readdir(dir)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (len + strlen(e->d_name) + 2 > sizeof s->path || depth > LIMIT_FILES_DEPTH) {
			refuse(s, "what lies in this directory is nested too deeply");
			break;
		}
		snprintf(s->path + len, sizeof s->path - len, "%s%s", len > 0 ? "/" : "", e->d_name);
		r = visit(s, fresh, depth);
		s->path[len] = '\0';
	}
	closedir(dir);
	return r;
}

/* A name of the workspace that the layer's directory does not let through. */
static int covered(struct scan *s, bool fresh UNUSED, int depth UNUSED)
{
	struct stat st, old;

	if (look(s->layer->upper, s->path, &st) == -ENOENT && look(s->layer->lower, s->path, &old) == 0)
		deleted(s, &old);
	return 0;
}

static int scan_dir(struct scan *s, bool opaque, bool new, int depth)
{
	int r = each_name(s, s->layer->upper, name_seen, opaque, depth);

	return r == 0 && opaque && !new ? each_name(s, s->layer->lower, covered, false, depth) : r;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct change *)a)->path, ((const struct change *)b)->path);
}

int layer_open(const char *data, const char *root, struct overlay *ret, struct err *err)
{
	AUTO(layer_close) struct overlay layer = LAYER_NONE;
	AUTO(freep) struct scan *s = xcalloc(1, sizeof *s);
	int r = layer_open_dirs(data, root, &layer, err);

	if (r == 0 && layer.upper < 0)
		r = err_set(err, EBUSY, "the changes of task %s were being applied when that was interrupted: finish it with"
		            " `mishri apply %s`", root, root);
	if (r < 0)
		return r;
	s->layer = &layer;
	s->err = err;
	r = scan_dir(s, false, false, 0);
	if (r < 0)
		return r;
	if (layer.count > 1)
		qsort(layer.changes, layer.count, sizeof *layer.changes, by_path);
	*ret = layer;
	layer = LAYER_NONE;
	return 0;
}

/* ---- what follows from it ---- */

size_t layer_conflicts(const struct overlay *layer)
{
	size_t count = 0;

	for (size_t i = 0; i < layer->count; i++)
		count += layer->changes[i].conflict != NULL;
	return count;
}

json_t *layer_sums(const struct overlay *layer)
{
	json_int_t counts[COUNT(kind_words)] = { 0 };

	for (size_t i = 0; i < layer->count; i++)
		counts[layer->changes[i].kind]++;
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "added", counts[CHANGE_ADDED], "changed", counts[CHANGE_CHANGED], "deleted",
	                 counts[CHANGE_DELETED], "mode", counts[CHANGE_MODE], "bytes", (json_int_t)layer->bytes);
}

int layer_read(int dir, const char *path, enum change_type type, struct buf *ret)
{
	char target[PATH_MAX];
	struct stat st;

	if (type == TYPE_LINK) {
		AUTO(fd_closep) int fd = layer_at(dir, path, O_PATH);
		ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof target);
		return n < 0 ? -errno : buf_add(ret, target, (size_t)n);
	}
	AUTO(fd_closep) int fd = layer_at(dir, path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > ret->max)
		return -EFBIG;
	return io_read_fd(fd, ret, NULL);
}

static int digest_content(const struct overlay *layer, const struct change *c, char hex[static SHA256_HEX_LEN + 1])
{
	AUTO(buf_done) struct buf link = BUF_INIT(PATH_MAX);
	AUTO(fd_closep) int fd = c->type == TYPE_FILE ? layer_at(layer->upper, c->path, O_RDONLY) : -1;

	if (c->type == TYPE_FILE)
		return fd < 0 ? -errno : sha256_fd(fd, hex);
	int r = c->type == TYPE_LINK ? layer_read(layer->upper, c->path, TYPE_LINK, &link) : 0;
	sha256_hex1(buf_str(&link), hex);
	return r;
}

int layer_digest(const struct overlay *layer, char hex[static 65], struct err *err)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_JOURNAL_BYTES);

	for (size_t i = 0; i < layer->count; i++) {
		const struct change *c = &layer->changes[i];
		char content[SHA256_HEX_LEN + 1] = "-";
		int r = c->kind == CHANGE_ADDED || c->kind == CHANGE_CHANGED ? digest_content(layer, c, content) : 0;
		if (r < 0)
			return err_set(err, -r, "the layer cannot be read at '%s': %s", c->path, strerror(-r));
		buf_printf(&text, "%s %s %o %s %s", change_kind_name(c->kind), change_type_name(c->type), c->mode, content, c->path);
		buf_add(&text, "", 1);
	}
	if (text.full)
		return err_set(err, E2BIG, "the layer has more changes than can be summed up");
	sha256_hex1(buf_str(&text), hex);
	return 0;
}
