/* files.c - finds and reads policy files. A file that cannot be read or that someone else could change is an error and
 * never passed over: a policy that is silently not there is the worst one. */
#include "policy/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guarded.h"
#include "base/io.h"

#include "base/banned.h"

void policy_files_done(struct policy_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free((char *)(uintptr_t)files->files[i].path);
	free(files->files);
	free(files->untrusted);
	*files = (struct policy_files){ 0 };
}

static void add(struct policy_files *files, enum layer layer, char *owned_path)
{
	files->files = xrealloc(files->files, (files->count + 1) * sizeof *files->files);
	files->files[files->count++] = (struct policy_file){ layer, owned_path };
}

static bool ends(const char *name, const char *end)
{
	size_t len = strlen(name), n = strlen(end);
	return len > n && strcmp(name + len - n, end) == 0;
}

/* Hidden files, and what editors and package managers leave behind. */
static bool is_leftover(const char *name)
{
	return name[0] == '.' || ends(name, "~") || strstr(name, ".dpkg-") != NULL || ends(name, ".rpmnew") ||
	       ends(name, ".rpmsave");
}

static int compare_files(const void *a, const void *b)
{
	return strcmp(((const struct policy_file *)a)->path, ((const struct policy_file *)b)->path);
}

static int find_admin(const char *dir, struct policy_files *ret, struct err *err)
{
	DIR *d = opendir(dir);

	if (d == NULL && errno == ENOENT)
		return 0;
	if (d == NULL)
		return err_sys(err, "the policies in '%s' cannot be read", dir);
	int r = 0;
	for (struct dirent *entry = readdir(d); entry != NULL && r == 0; entry = readdir(d)) {
		if (is_leftover(entry->d_name))
			continue;
		if (ends(entry->d_name, ".yaml"))
			add(ret, LAYER_ADMIN, xasprintf("%s/%s", dir, entry->d_name));
		else
			r = err_set(err, EINVAL, "%s/%s: not a policy by its name: end it in .yaml, or move it away", dir,
			            entry->d_name);
	}
	closedir(d);
	if (r == 0 && ret->count > 1)
		qsort(ret->files, ret->count, sizeof *ret->files, compare_files);
	return r;
}

/* Adds dir/name where it is there. */
static int find_one(const char *dir, const char *name, enum layer layer, struct policy_files *ret, struct err *err)
{
	AUTO(freep) char *path = xasprintf("%s/%s", dir, name);
	struct stat st;

	if (lstat(path, &st) == 0)
		add(ret, layer, TAKE(path));
	else if (errno != ENOENT && errno != ENOTDIR)
		return err_sys(err, "the policy '%s' cannot be read", path);
	return 0;
}

static int find_project(const struct policy_places *places, struct policy_files *ret, struct err *err)
{
	struct policy_files found = { 0 };

	for (size_t i = 0; i < places->given_count; i++)
		add(ret, LAYER_PROJECT, xstrdup(places->given[i]));
	if (places->given_count > 0 || places->no_user_config || places->workspace == NULL)
		return 0;
	int r = find_one(places->workspace, ".mishri/policy.yaml", LAYER_PROJECT, places->trusted ? ret : &found, err);
	if (found.count > 0)
		ret->untrusted = xstrdup(found.files[0].path);
	policy_files_done(&found);
	return r;
}

int policy_files_find(const struct policy_places *places, struct policy_files *ret, struct err *err)
{
	struct policy_files found = { 0 };
	int r = 0;

	if (places->admin_dir != NULL) /* always: a flag may not take away what an admin said */
		r = find_admin(places->admin_dir, &found, err);
	if (r == 0 && !places->no_user_config && places->config_dir != NULL)
		r = find_one(places->config_dir, "policy.yaml", LAYER_USER, &found, err);
	if (r == 0)
		r = find_project(places, &found, err);
	if (r == 0)
		*ret = found;
	else
		policy_files_done(&found);
	return r;
}

/* ---- reading ---- */

static int check_owner(const struct stat *st, const char *path, struct err *err)
{
	if (st->st_uid != 0)
		return err_set(err, EINVAL, "%s:1:1: the admin policy belongs to user %u: give it to root", path,
		               (unsigned)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, EINVAL, "%s:1:1: others may write the admin policy: chmod go-w", path);
	return 0;
}

static int check_dir(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	AUTO(freep) char *dir = slash == NULL ? xstrdup(".") : xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
	struct stat st;

	if (stat(dir, &st) != 0)
		return err_sys(err, "%s:1:1: its directory cannot be read", path);
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(err, EINVAL, "%s:1:1: others may change the directory of the admin policy: give it to root, "
		               "chmod go-w", path);
	return 0;
}

static int read_one(const struct policy_file *file, struct buf *ret, struct err *err)
{
	struct str ready;

	if (file->path[0] == '\0')
		return err_set(err, EINVAL, "the policy '' has no name: give a file, or builtin:NAME, such as builtin:readonly");
	if (policy_is_ready_made(file->path)) {
		int r = policy_ready_text(file->path, &ready, err);
		return r < 0 ? r : buf_add_str(ret, ready);
	}
	AUTO(fd_closep) int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return err_set(err, EINVAL, "%s:1:1: cannot be read: %s", file->path, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s:1:1: not a file: a policy is a plain file", file->path);
	if (file->layer == LAYER_ADMIN && (check_owner(&st, file->path, err) != 0 || check_dir(file->path, err) != 0))
		return -EINVAL;
	if (file->layer == LAYER_USER && guarded_check(&st, file->path, err) < 0)
		return -EPERM;
	if (st.st_size > (off_t)LIMIT_POLICY_BYTES || io_read_fd(fd, ret, NULL) != 0)
		return err_set(err, EINVAL, "%s:1:1: cannot be read, or is too large: a policy has at most %zu bytes", file->path,
		               LIMIT_POLICY_BYTES);
	return 0;
}

int policy_load_files(const struct policy_file *files, size_t count, const char *const *tools, size_t tool_count,
                      struct policy **ret, struct err *err)
{
	AUTO(freep) struct policy_source *sources = xcalloc(count, sizeof *sources);
	AUTO(freep) struct buf *texts = xcalloc(count, sizeof *texts);
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		buf_init(&texts[i], LIMIT_POLICY_BYTES);
		r = read_one(&files[i], &texts[i], err);
		sources[i] = (struct policy_source){ files[i].layer, files[i].path, buf_str(&texts[i]) };
	}
	if (r == 0)
		r = policy_load(sources, count, tools, tool_count, ret, err);
	for (size_t i = 0; i < count; i++)
		buf_done(&texts[i]);
	return r;
}
