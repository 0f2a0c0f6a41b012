/* guard.c - finds what the patterns of a policy name, and mounts over it. It trusts nothing that lies in the workspace:
 * it follows links below the workspace alone, opens nothing but directories, and holds what it looks at by descriptor.
 * A pattern that names more than it can hold is an error, never a part. */
#include "cell/guard.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "policy/glob.h"
#include "base/banned.h"

enum kind { KEEP, HIDE };

static const char *const kind_words[] = { [KEEP] = "readonly", [HIDE] = "hide" };

struct identity {
	dev_t device;
	ino_t inode;
	enum kind kind;
	const char *pattern;
};

/* A place that was found by a walk. It is looked up afresh before anything is mounted: mounts that are made meanwhile would
 * leave a descriptor of the walk below them. */
struct place_found {
	char *path;
	enum kind kind;
	const char *pattern;
};

struct work {
	struct place_found *places;
	size_t place_count;
	const struct guard *guard;
	int top;                              /* the workspace */
	int covers[2];                        /* file, directory; O_PATH */
	json_t *found;
	size_t walked, held;
	struct identity linked[LIMIT_FILES_LINKED];   /* guarded files with several names */
	size_t linked_count;
	struct err *err;
	char path[PATH_MAX];                  /* below the workspace, of what is looked at */
};

int guard_covers_make(int root, struct err *err)
{
	AUTO(fd_closep) int fd = -1;

	if ((mkdirat(root, "run", 0755) < 0 && errno != EEXIST) || mkdirat(root, GUARD_COVERS, 0755) < 0 ||
	    mkdirat(root, GUARD_COVERS "/dir", 0) < 0 ||
	    (fd = openat(root, GUARD_COVERS "/file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0)) < 0)
		return err_sys(err, "cell: cannot make what covers hidden files");
	return 0;
}

static int open_beneath(int dir, const char *path, uint64_t flags, uint64_t more)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | more };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

static bool is_guarded(int fd, const struct stat *st, enum kind kind)
{
	struct statvfs vfs;

	if (fstatvfs(fd, &vfs) < 0 || (vfs.f_flag & ST_RDONLY) == 0)
		return false;
	return kind == KEEP || ((st->st_mode & 07777) == 0 && (S_ISDIR(st->st_mode) || st->st_size == 0));
}

static void tell(struct work *w, const char *path, enum kind kind, const char *pattern, bool held)
{
	json_t *row = json_object();

	json_put_text(row, "path", path);
	json_put_text(row, "kind", kind_words[kind]);
	json_put_text(row, "pattern", pattern);
	json_put_bool(row, "held", held);
	json_array_append_new(w->found, row);
}

/* fd: what is to be guarded, O_PATH. */
static int put_over(struct work *w, int fd, const struct stat *st, enum kind kind)
{
	int from = kind == KEEP ? fd : w->covers[S_ISDIR(st->st_mode)];
	AUTO(fd_closep) int tree = open_tree(from, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };

	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0 ||
	    move_mount(tree, "", fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(w->err, "cell: cannot guard '%s' in the workspace (files: %s)", w->path, kind_words[kind]);
	return 0;
}

static int too_many_links(const struct work *w)
{
	return err_set(w->err, E2BIG, "more than %d files that the policy guards have a second name (hard link); the last was"
	               " '%s': guard the directories that hold them", LIMIT_FILES_LINKED, w->path);
}

static int note_linked(struct work *w, const struct stat *st, enum kind kind, const char *pattern)
{
	if (!S_ISREG(st->st_mode) || st->st_nlink < 2)
		return 0;
	for (size_t i = 0; i < w->linked_count; i++)
		if (w->linked[i].device == st->st_dev && w->linked[i].inode == st->st_ino && w->linked[i].kind >= kind)
			return 0;
	if (w->linked_count == COUNT(w->linked))
		return too_many_links(w);
	w->linked[w->linked_count++] = (struct identity){ st->st_dev, st->st_ino, kind, pattern };
	return 0;
}

typedef int visit_fn(struct work *w, int dir, const char *name, unsigned char type, void *userdata);

/* Every name below a directory that can be opened; what cannot be opened by this process, no program of the cell can
 * open either. visit: 0, 1 to leave this directory out, or -errno. */
static int walk(struct work *w, int dir, size_t depth, visit_fn *visit, void *userdata)
{
	size_t len = strlen(w->path);
	int r = 0, own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = own >= 0 ? fdopendir(own) : NULL;

	if (stream == NULL) {
		fd_close(&own);
		return 0;
	}
	if (depth == LIMIT_FILES_DEPTH)
		r = err_set(w->err, ELOOP, "the workspace has directories deeper than %d, where the policy's patterns cannot be"
		            " looked for: '%.200s'", LIMIT_FILES_DEPTH, w->path);
	for (struct dirent *e; r == 0 && (e = readdir(stream)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (++w->walked > LIMIT_FILES_WALKED || len + strlen(e->d_name) + 2 > sizeof w->path) {
			r = err_set(w->err, E2BIG, "the workspace has more than %d names, or longer ones than can be looked at, for"
			            " the patterns of 'files' in the policy: name directories instead of '**'", LIMIT_FILES_WALKED);
			break;
		}
		snprintf(w->path + len, sizeof w->path - len, "%s%s", len > 0 ? "/" : "", e->d_name);
		r = visit(w, dirfd(stream), e->d_name, e->d_type, userdata);
		if (r == 0 && (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN)) {
			AUTO(fd_closep) int below = openat(dirfd(stream), e->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			r = below >= 0 ? walk(w, below, depth + 1, visit, userdata) : 0;
		}
		r = MIN(r, 0);
		w->path[len] = '\0';
	}
	closedir(stream);
	return r;
}

struct below {
	enum kind kind;
	const char *pattern;
};

static int visit_linked(struct work *w, int dir, const char *name, unsigned char type, void *userdata)
{
	const struct below *b = userdata;
	struct stat st;

	if (type != DT_REG && type != DT_UNKNOWN)
		return 0;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return note_linked(w, &st, b->kind, b->pattern);
}

static int too_many(const struct work *w, enum kind kind, const char *pattern)
{
	return err_set(w->err, E2BIG, "'files: %s' of the policy fits more than %d places in the workspace (the last was"
	               " '%s' by '%s'): name directories instead", kind_words[kind], LIMIT_FILES_GUARDED, w->path, pattern);
}

/* A directory on the way to what is kept could be renamed, and another put in its place: unless it is a mount itself. dir:
 * the one that holds what is kept. From the inside out: each clone takes the mounts below it along. */
static int anchor(struct work *w, int dir, const char *pattern)
{
	AUTO(fd_closep) int at = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statx top, now;

	if (statx(w->top, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &top) < 0)
		return err_sys(w->err, "cell: the workspace");
	while (at >= 0 && statx(at, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &now) == 0) {
		if (now.stx_ino == top.stx_ino && now.stx_mnt_id == top.stx_mnt_id)
			return 0;
		int above = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		AUTO(fd_closep) int tree = -1;
		if ((now.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0) {
			tree = open_tree(at, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
			if (tree < 0 || move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
				fd_close(&above);
				return err_sys(w->err, "cell: cannot hold the directory of '%s'", w->path);
			}
			if (++w->held > LIMIT_FILES_GUARDED) {
				fd_close(&above);
				return too_many(w, KEEP, pattern);
			}
		}
		fd_close(&at);
		at = above;
	}
	return err_sys(w->err, "cell: the directory of '%s'", w->path);
}

/* dir: of the name that fd is; -1: not known, fd was reached over a link. */
static int guard_one(struct work *w, int dir, int fd, enum kind kind, const char *pattern)
{
	struct below below = { kind, pattern };
	struct stat st;

	if (fstat(fd, &st) < 0 || is_guarded(fd, &st, kind))
		return 0;
	if (++w->held > LIMIT_FILES_GUARDED)
		return too_many(w, kind, pattern);
	int r = S_ISDIR(st.st_mode) ? walk(w, fd, 0, visit_linked, &below) : note_linked(w, &st, kind, pattern);
	if (r == 0)
		r = put_over(w, fd, &st, kind);
	if (r == 0 && kind == KEEP && dir >= 0)
		r = anchor(w, dir, pattern);
	if (r == 0)
		tell(w, w->path, kind, pattern, true);
	return r;
}

/* A link is only a name: what it leads to is guarded. That the name itself stays cannot be held by a mount. */
static int guard_link(struct work *w, enum kind kind, const char *pattern)
{
	AUTO(fd_closep) int target = open_beneath(w->top, w->path, O_PATH, 0);

	if (kind == KEEP && !w->guard->later)
		return err_set(w->err, ENOTSUP, "'files: readonly' of the policy names '%s' by '%s', which is a symbolic link: a link"
		               " can be replaced whatever is mounted; name what it leads to, or put a file in its place", w->path,
		               pattern);
	int r = target >= 0 ? guard_one(w, -1, target, kind, pattern) : 0;
	if (r == 0 && kind == KEEP)
		tell(w, w->path, kind, pattern, false);
	return r;
}

/* A path is looked up with links on its way followed, as long as they stay in the workspace. */
static int guard_path(struct work *w, const char *path, enum kind kind, const char *pattern)
{
	const char *slash = strrchr(path, '/');
	AUTO(freep) char *parent = slash != NULL ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
	AUTO(fd_closep) int dir = open_beneath(w->top, parent, O_PATH | O_DIRECTORY, 0);
	AUTO(fd_closep) int fd = dir < 0 ? -1 : openat(dir, slash != NULL ? slash + 1 : path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	snprintf(w->path, sizeof w->path, "%s", path);
	int r = S_ISLNK(st.st_mode) ? guard_link(w, kind, pattern) : guard_one(w, dir, fd, kind, pattern);
	w->path[0] = '\0';
	return r;
}

static int note_place(struct work *w, enum kind kind, const char *pattern)
{
	if (w->place_count >= LIMIT_FILES_GUARDED)
		return too_many(w, kind, pattern);
	if ((w->place_count & (w->place_count + 1)) == 0)
		w->places = xrealloc(w->places, (w->place_count * 2 + 1) * sizeof *w->places);
	w->places[w->place_count++] = (struct place_found){ xstrdup(w->path), kind, pattern };
	return 0;
}

static int visit_matching(struct work *w, int dir UNUSED, const char *name UNUSED, unsigned char type UNUSED, void *userdata)
{
	enum kind kind = *(const enum kind *)userdata;
	const struct texts *patterns = kind == HIDE ? w->guard->hide : w->guard->keep;
	char literal[LIMIT_FILES_PATTERN_BYTES + 1];

	for (size_t i = 0; i < patterns->count; i++) {
		if (glob_is_literal(patterns->at[i], literal) || !glob_match(patterns->at[i], str_of(w->path), true))
			continue;
		int r = note_place(w, kind, patterns->at[i]);
		return r < 0 ? r : kind == HIDE;     /* nothing is seen below what is hidden */
	}
	return 0;
}

/* The other names of guarded files. */
static int visit_other_name(struct work *w, int dir, const char *name, unsigned char type, void *userdata UNUSED)
{
	struct stat st;

	if ((type != DT_REG && type != DT_UNKNOWN) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_nlink < 2)
		return 0;
	for (size_t i = 0; i < w->linked_count; i++) {
		const struct identity *id = &w->linked[i];
		int r = id->device == st.st_dev && id->inode == st.st_ino ? note_place(w, id->kind, id->pattern) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int guard_places(struct work *w)
{
	int r = 0;

	for (size_t i = 0; i < w->place_count && r == 0; i++)
		r = guard_path(w, w->places[i].path, w->places[i].kind, w->places[i].pattern);
	while (w->place_count > 0)
		free(w->places[--w->place_count].path);
	free(TAKE(w->places));
	return r;
}

static int guard_kind(struct work *w, enum kind kind)
{
	const struct texts *patterns = kind == HIDE ? w->guard->hide : w->guard->keep;
	char literal[LIMIT_FILES_PATTERN_BYTES + 1];
	bool wild = false;
	int r = 0;

	for (size_t i = 0; i < patterns->count && r == 0; i++) {
		if (glob_is_literal(patterns->at[i], literal))
			r = guard_path(w, literal, kind, patterns->at[i]);
		else
			wild = true;
	}
	if (r == 0 && wild)
		r = walk(w, w->top, 0, visit_matching, &kind);
	int places = guard_places(w);
	return r < 0 ? r : places;
}

static int guard_all(struct work *w)
{
	/* First what is read-only: its mounts would lie over those that hide. */
	int r = guard_kind(w, KEEP);

	if (r == 0)
		r = guard_kind(w, HIDE);
	if (r == 0 && w->linked_count > 0)
		r = walk(w, w->top, 0, visit_other_name, NULL);
	int places = guard_places(w);
	return r < 0 ? r : places;
}

int guard_apply(const struct guard *guard, json_t **ret_found, struct err *err)
{
	AUTO(json_decrefp) json_t *found = json_array();
	AUTO(freep) struct work *w = xcalloc(1, sizeof *w);
	AUTO(fd_closep) int top = openat(guard->root, guard->workspace + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd_closep) int file = openat(guard->root, GUARD_COVERS "/file", O_PATH | O_CLOEXEC);
	AUTO(fd_closep) int dir = openat(guard->root, GUARD_COVERS "/dir", O_PATH | O_CLOEXEC);

	if (top < 0 || file < 0 || dir < 0)
		return err_sys(err, "cell: cannot guard the workspace");
	w->guard = guard;
	w->top = top;
	w->covers[0] = file;
	w->covers[1] = dir;
	w->found = found;
	w->err = err;
	int r = guard_all(w);
	if (r == 0)
		*ret_found = TAKE(found);
	return r;
}
