/* own.c - finds the manifests and keeps what they define for the rest of the process: the table of tools has no other owner. It
 * refuses a manifest that takes the name of a tool which is there already, whoever defined it, and a directory of the
 * administrator's that others can write. */
#include "tools/own.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guarded.h"
#include "base/io.h"
#include "tools/inside.h"

#include "base/banned.h"

struct own_set {
	struct own *list[LIMIT_OWN_TOOLS];
	size_t count;
};

static struct own_set loaded;

static void set_done(struct own_set *set)
{
	while (set->count > 0)
		own_free(set->list[--set->count]);
}

void own_tools_drop(void)
{
	set_done(&loaded);
}

const struct tool *own_tool_at(size_t i)
{
	return i < loaded.count ? &loaded.list[i]->tool : NULL;
}

/* ---- one directory -------------------------------------------------------------------------------------- */

static int check_owner(const struct own_place *place, const char *path, const struct stat *st, struct err *err)
{
	if (!place->owned)
		return place->project ? 0 : guarded_check(st, path, err);
	if (st->st_uid == place->owner && (st->st_mode & 022) == 0)
		return 0;
	return err_set(err, EPERM, "%s: must belong to %s, and nobody else may be able to write it (chmod go-w)", path,
	               place->owner == 0 ? "root" : "its owner");
}

/* A named pipe must not hold the start up, and a link of a project must not lead out of it. */
static int read_manifest(const struct own_place *place, int dir, const char *file, const char *path, struct buf *ret,
                         struct err *err)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (place->project ? O_NOFOLLOW : 0);
	AUTO(fd_closep) int fd = openat(dir, file, flags);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return err_set(err, EINVAL, "%s: is a link; a manifest of a project must be a file of its own", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s: is no regular file", path);
	int r = check_owner(place, path, &st, err);
	if (r == 0 && io_read_fd(fd, ret, err) < 0)
		r = err_set(err, EFBIG, "%s: has more than %zu bytes, or cannot be read", path, LIMIT_OWN_MANIFEST_BYTES);
	return r;
}

static int check_name(const struct own_set *set, const struct own *own, struct err *err)
{
	const struct tool *tool;
	const char *name = own->tool.name;

	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->list[i]->tool.name, name) == 0)
			return err_set(err, EINVAL, "%s: name: the tool '%s' is defined in %s already; give this one another name",
			               own->origin, name, set->list[i]->origin);
	for (size_t i = 0; (tool = tool_at(i)) != NULL && tool->own == NULL; i++)
		if (strcmp(tool->name, name) == 0)
			return err_set(err, EINVAL, "%s: name: '%s' is a tool of Mishri's own; give this one another name, such as "
			               "'my.%s'", own->origin, name, name);
	return 0;
}

static int add(const struct own_place *place, int dir, const char *file, struct own_set *set, struct err *err)
{
	AUTO(freep) char *path = xasprintf("%s/%s", place->dir, file);
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_OWN_MANIFEST_BYTES);
	AUTO(own_freep) struct own *own = NULL;

	int r = read_manifest(place, dir, file, path, &text, err);
	if (r == 0)
		r = own_read(path, buf_str(&text), place->project, &own, err);
	if (r == 0)
		r = check_name(set, own, err);
	if (r == 0 && set->count == LIMIT_OWN_TOOLS)
		r = err_set(err, E2BIG, "%s: there are more than %d tools by manifest", path, LIMIT_OWN_TOOLS);
	if (r == 0)
		set->list[set->count++] = TAKE(own);
	return r;
}

static bool is_manifest(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > 5 && strcmp(name + len - 5, ".yaml") == 0;
}

/* What is no manifest but looks like one is told of: a tool that is silently not there is a riddle. */
static int check_ending(const struct own_place *place, const char *name, struct err *err)
{
	size_t len = strlen(name);

	if (len > 4 && strcmp(name + len - 4, ".yml") == 0)
		return err_set(err, EINVAL, "%s/%s: a manifest ends in .yaml: rename it to %.*s.yaml", place->dir, name, (int)len - 4, name);
	return 0;
}

static int read_place(const struct own_place *place, struct own_set *set, struct err *err)
{
	AUTO(fd_closep) int dir = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (place->project ? O_NOFOLLOW : 0));
	AUTO(names_done) struct names names = { 0 };
	struct stat st;

	if (dir < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (dir < 0 || fstat(dir, &st) < 0)
		return err_sys(err, "%s", place->dir);
	int r = check_owner(place, place->dir, &st, err);
	if (r == 0 && (r = names_read(dir, LIMIT_DIR_ENTRIES, &names)) < 0)
		return err_set(err, -r, "%s: cannot be read", place->dir);
	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = is_manifest(names.list[i]) ? add(place, dir, names.list[i], set, err) : check_ending(place, names.list[i], err);
	return r;
}

int own_tools_load(const struct own_place *places, size_t count, struct err *err)
{
	AUTO(set_done) struct own_set set = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = read_place(&places[i], &set, err);
	if (r < 0)
		return r;
	own_tools_drop();
	loaded = set;
	set = (struct own_set){ 0 };
	return 0;
}
