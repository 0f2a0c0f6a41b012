/* layer.c - makes and takes away the directories of layers. What lies in an upper directory was made by programs of a
 * cell: it is walked by descriptor, no link in it is ever followed. It refuses to mount anything; that is the warden's. */
#include "engine/layer.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "store/store.h"
#include "base/banned.h"

char *layer_data_dir(const struct store *store)
{
	const char *file = store_path(store), *slash = strrchr(file, '/');

	return xstrndup(file, (size_t)(slash - file));
}

char *layer_path(const char *data, const char *root)
{
	return xasprintf("%s/layers/%s", data, root);
}

bool layer_exists(const char *data, const char *root)
{
	AUTO(freep) char *path = layer_path(data, root);
	AUTO(freep) char *begun = xasprintf("%s/begun", path);

	return access(begun, F_OK) == 0;
}

int layer_at(int dir, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	if ((flags & O_PATH) != 0)
		how.flags &= ~(uint64_t)(O_NOCTTY | O_NONBLOCK);
	return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

/* ---- taking away ---- */

/* A directory whose owner took his own rights away is given them back: it is about to go. */
static int open_to_empty(int at, const char *name)
{
	char link[64];
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO(fd_closep) int path = fd < 0 ? openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

	if (path < 0)
		return fd;
	snprintf(link, sizeof link, "/proc/self/fd/%d", path);
	return chmod(link, 0700) < 0 ? -1 : open(link, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int dir_empty(int dir, dev_t device, int depth)
{
	DIR *stream = fdopendir(dir);
	struct stat st;
	int r = 0;

	if (stream == NULL) {
		close(dir);
		return -errno;
	}
	for (struct dirent *e; r == 0 && (e = readdir(stream)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || unlinkat(dir, e->d_name, 0) == 0)
			continue;
		int below = open_to_empty(dir, e->d_name);
		if (below < 0 || depth == LIMIT_FILES_DEPTH * 4 || fstat(below, &st) < 0 || st.st_dev != device) {
			r = below < 0 ? -errno : depth == LIMIT_FILES_DEPTH * 4 ? -ELOOP : -EXDEV;
			fd_close(&below);
			break;
		}
		(void)fchmod(below, 0700);
		r = dir_empty(below, device, depth + 1);
		if (r == 0 && unlinkat(dir, e->d_name, AT_REMOVEDIR) < 0)
			r = -errno;
	}
	closedir(stream);
	return r;
}

int tree_remove(int dir, const char *name)
{
	struct stat st;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	int fd = open_to_empty(dir, name);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return -errno;
	}
	(void)fchmod(fd, 0700);
	int r = dir_empty(fd, st.st_dev, 0);
	if (r == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

int layer_remove(const char *path, struct err *err)
{
	int r = tree_remove(AT_FDCWD, path);

	return r < 0 ? err_set(err, -r, "the layer '%s' cannot be removed: %s", path, strerror(-r)) : 0;
}

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	bool empty = dir != NULL;

	for (struct dirent *e; empty && (e = readdir(dir)) != NULL;)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (dir != NULL)
		closedir(dir);
	return empty;
}

/* What stays behind is empty, and found again by whoever looks. */
int layer_remove_empty(const char *path)
{
	AUTO(freep) char *upper = xasprintf("%s/upper", path);
	AUTO(freep) char *journal = xasprintf("%s/journal", path);

	return is_empty(upper) && access(journal, F_OK) < 0 ? tree_remove(AT_FDCWD, path) : 0;
}

/* ---- making ---- */

/* The clock that file systems stamp their files by: what is changed from now on has this time or a later one. */
static int64_t file_time_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int file_write_new(const char *path, const char *text, struct err *err)
{
	AUTO(freep) char *next = xasprintf("%s.new", path);

	(void)unlink(next);
	AUTO(fd_closep) int fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || io_write_all(fd, text, strlen(text)) < 0 || fsync(fd) < 0 || rename(next, path) < 0)
		return err_sys(err, "'%s' cannot be written", path);
	return 0;
}

static int begun_write(const char *path, const char *workspace, struct err *err)
{
	AUTO(freep) char *begun = xasprintf("%s/begun", path);
	AUTO(json_decrefp) json_t *object = json_object();

	json_put_text(object, "workspace", workspace);
	json_put_int(object, "since_ns", file_time_ns());
	AUTO(freep) char *text = json_text(object);
	return file_write_new(begun, text, err);
}

/* The root of the view has the rights of `upper`: as the workspace has them. */
static int upper_make(const char *path, const char *workspace, struct err *err)
{
	AUTO(freep) char *upper = xasprintf("%s/upper", path);
	AUTO(freep) char *work = xasprintf("%s/work", path);
	struct stat st;

	if (stat(workspace, &st) < 0)
		return err_sys(err, "the workspace '%s'", workspace);
	if (tree_remove(AT_FDCWD, upper) < 0 || tree_remove(AT_FDCWD, work) < 0 || mkdir(work, 0700) < 0 ||
	    mkdir(upper, 0700) < 0)
		return err_sys(err, "the layer '%s' cannot be made", path);
	if (geteuid() == 0 && (chown(upper, st.st_uid, st.st_gid) < 0 || chown(work, st.st_uid, st.st_gid) < 0))
		return err_sys(err, "the layer '%s' cannot be given to the owner of the workspace", path);
	/* The cell's user goes through it to the other two; nobody else gets as far as here. */
	if (chmod(upper, st.st_mode & 0777) < 0 || chmod(path, 0711) < 0)
		return err_sys(err, "%s", upper);
	return 0;
}

static int begun_read(const char *path, char **ret_workspace, int64_t *ret_since_ns, struct err *err)
{
	AUTO(freep) char *begun = xasprintf("%s/begun", path);
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(64));
	AUTO(json_decrefp) json_t *object = NULL;
	int r = io_read_file(begun, &text, err);

	if (r == 0)
		r = json_parse(buf_str(&text), &object, err);
	if (r < 0)
		return r;
	*ret_workspace = xstrdup(json_get_text(object, "workspace", ""));
	*ret_since_ns = json_get_int(object, "since_ns", 0);
	return 0;
}

int layer_begin(const char *data, const char *root, const char *workspace, char **ret_path, struct err *err)
{
	AUTO(freep) char *path = layer_path(data, root);
	AUTO(freep) char *journal = xasprintf("%s/journal", path);
	AUTO(freep) char *over = NULL;
	int64_t since;
	int r;

	if (access(journal, F_OK) == 0)
		return err_set(err, EBUSY, "the changes of task %s were being applied when that was interrupted: finish it with"
		               " `mishri apply %s`", root, root);
	if (layer_exists(data, root)) {
		r = begun_read(path, &over, &since, err);
		if (r == 0 && strcmp(over, workspace) != 0)
			r = err_set(err, EINVAL, "the layer of task %s lies over '%s', not over '%s'", root, over, workspace);
	} else {
		r = io_mkdirs(path, err);
		if (r == 0)
			r = upper_make(path, workspace, err);
		if (r == 0)
			r = begun_write(path, workspace, err);
	}
	if (r == 0)
		*ret_path = TAKE(path);
	return r;
}

/* ---- opening ---- */

int layer_open_dirs(const char *data, const char *root, struct overlay *ret, struct err *err)
{
	AUTO(layer_close) struct overlay layer = LAYER_NONE;

	layer.path = layer_path(data, root);
	if (!layer_exists(data, root))
		return err_set(err, ENOENT, "task %s has no layer of changes: it did not run with --workspace-mode overlay, changed"
		               " nothing, or its changes were dropped", root);
	int r = begun_read(layer.path, &layer.workspace, &layer.since_ns, err);
	if (r < 0)
		return r;
	AUTO(freep) char *upper = xasprintf("%s/upper", layer.path);
	AUTO(freep) char *journal = xasprintf("%s/journal", layer.path);
	layer.upper = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	/* A crash may have come while the layer was emptied; who looks after that needs none. */
	if (layer.upper < 0 && access(journal, F_OK) < 0)
		return err_sys(err, "the layer '%s'", upper);
	layer.lower = open(layer.workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (layer.lower < 0)
		return err_sys(err, "the workspace '%s'", layer.workspace);
	layer.refused = json_array();
	*ret = layer;
	layer = LAYER_NONE;
	return 0;
}

void layer_close(struct overlay *layer)
{
	for (size_t i = 0; i < layer->count; i++) {
		free(layer->changes[i].path);
		free(layer->changes[i].conflict);
	}
	free(layer->changes);
	free(layer->path);
	free(layer->workspace);
	json_decref(layer->refused);
	fd_close(&layer->upper);
	fd_close(&layer->lower);
	*layer = LAYER_NONE;
}

int layer_finish(const char *path, struct err *err)
{
	AUTO(freep) char *journal = xasprintf("%s/journal", path);
	AUTO(freep) char *workspace = NULL;
	int64_t since;

	int r = begun_read(path, &workspace, &since, err);
	if (r == 0)
		r = upper_make(path, workspace, err);
	if (r == 0)
		r = begun_write(path, workspace, err);
	if (r == 0 && unlink(journal) < 0 && errno != ENOENT)
		r = err_sys(err, "%s", journal);
	return r;
}
