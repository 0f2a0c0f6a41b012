/* layer_see.c - one file as the task sees it: its layer over the workspace, read side by side without a mount. It follows
 * no link, neither in the layer nor below it, and where it cannot tell what the task sees it says so and shows nothing. */
#include "engine/layer.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/banned.h"

/* The path below the workspace, without "." and empty parts. */
static int below(const char *workspace, const char *path, struct buf *ret, struct err *err)
{
	size_t len = strlen(workspace);
	struct str rest = str_of(path), part;

	if (path[0] == '/') {
		if (strncmp(path, workspace, len) != 0 || (path[len] != '/' && path[len] != '\0'))
			return err_set(err, EXDEV, "it lies outside of the workspace: as it stands the call would fail");
		rest = str_skip(rest, len);
	}
	while (rest.len > 0 && str_next(&rest, '/', &part)) {
		if (part.len == 0 || str_eq(part, STR(".")))
			continue;
		if (str_eq(part, STR("..")))
			return err_set(err, EINVAL, "the change is not shown: the path has '..' in it");
		if (ret->len > 0)
			buf_add_char(ret, '/');
		buf_add_str(ret, part);
	}
	return ret->len > 0 ? 0 : err_set(err, EISDIR, "the workspace itself is no file");
}

enum side { SIDE_NONE, SIDE_UPPER, SIDE_LOWER };

/* Does this directory of the layer hide what lies below it? A renamed one shows what lies elsewhere. */
static int hides(int fd, bool *ret, struct err *err)
{
	char mark[4];

	if (fgetxattr(fd, "user.overlay.redirect", NULL, 0) >= 0)
		return err_set(err, ENOTSUP, "the change is not shown: a directory of the path was renamed in the layer");
	*ret = fgetxattr(fd, "user.overlay.opaque", mark, sizeof mark) > 0 && mark[0] == 'y';
	return 0;
}

/* Which side has what the task sees at `path`. */
static int side_of(int upper, const char *path, enum side *ret, struct err *err)
{
	AUTO(freep) char *way = xstrdup(path);
	bool hidden = false;

	for (char *slash = way; slash != NULL; *slash++ = '/') {
		slash = strchr(slash, '/');
		if (slash != NULL)
			*slash = '\0';
		struct stat st;
		AUTO(fd_closep) int fd = layer_at(upper, way, O_PATH);
		if (fd < 0 && errno != ENOENT)
			return err_sys(err, "the change is not shown: '%s' in the layer", way);
		if (fd < 0) {
			*ret = hidden ? SIDE_NONE : SIDE_LOWER;
			return 0;
		}
		if (fstat(fd, &st) < 0)
			return err_sys(err, "the change is not shown: '%s' in the layer", way);
		if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0)) {
			*ret = SIDE_NONE;
			return 0;
		}
		*ret = SIDE_UPPER;
		if (slash == NULL)
			return 0;
		if (!S_ISDIR(st.st_mode))
			return err_set(err, ENOTDIR, "the change is not shown: '%s' is no directory in the layer", way);
		AUTO(fd_closep) int dir = layer_at(upper, way, O_RDONLY | O_DIRECTORY);
		bool opaque = false;
		if (dir < 0)
			return err_sys(err, "the change is not shown: '%s' in the layer", way);
		int r = hides(dir, &opaque, err);
		if (r < 0)
			return r;
		hidden = hidden || opaque;
	}
	return 0;
}

int layer_see(const char *layer, const char *workspace, const char *path, struct buf *ret, bool *ret_there, struct err *err)
{
	AUTO(buf_done) struct buf name = BUF_INIT(LIMIT_TOOL_PATH_BYTES + 1);
	AUTO(freep) char *over = xasprintf("%s/upper", layer);
	AUTO(fd_closep) int upper = open(over, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	AUTO(fd_closep) int lower = open(workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum side side = SIDE_NONE;
	struct stat st;

	if (upper < 0 || lower < 0)
		return err_sys(err, "the change is not shown: '%s'", upper < 0 ? over : workspace);
	int r = below(workspace, path, &name, err);
	if (r == 0)
		r = side_of(upper, buf_text(&name), &side, err);
	if (r < 0)
		return r;
	AUTO(fd_closep) int at = side == SIDE_NONE ? -1 : layer_at(side == SIDE_UPPER ? upper : lower, buf_text(&name), O_PATH);
	if (at < 0 && side != SIDE_NONE && errno != ENOENT)
		return errno == ELOOP ? err_set(err, ELOOP, "the change is not shown: the path leads over a link")
		                      : err_sys(err, "the change is not shown");
	*ret_there = at >= 0;
	if (at < 0)
		return 0;
	if (fstat(at, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "the change is not shown: it is %s", S_ISLNK(st.st_mode) ? "a link" : "no regular file");
	r = layer_read(side == SIDE_UPPER ? upper : lower, buf_text(&name), TYPE_FILE, ret);
	return r < 0 ? err_set(err, -r, "the change is not shown: %s", strerror(-r)) : 0;
}
