/* attack_tree.c - the workspace in which evasions of the section `files` are tried: made, and looked at afterwards. It knows
 * no cell, and removes nothing. */
#include "cli/attack_tree.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

#include "base/banned.h"

static const char untouched[] = "# as it was made\n";
static const char *const hidden_names[] = { "deep/.env", "deep/key.pem", "deep/id_rsa", "secrets/token", ".env", ".ssh/id_rsa" };
static const char *const kept_names[] = { ".git/config", ".git/hooks/pre-commit", ".mishri/policy.yaml" };

const char *attack_tree_hidden(const struct policy *policy, const struct path_rule **ret_rule)
{
	for (size_t i = 0; i < COUNT(hidden_names); i++) {
		const struct path_rule *rule = policy_path_find(policy, PATH_HIDE, hidden_names[i]);
		if (rule == NULL)
			continue;
		*ret_rule = rule;
		return hidden_names[i];
	}
	return NULL;
}

/* The directories on the way to a file, each once. */
static int make_way(char *path, size_t begin, uid_t uid, gid_t gid, struct err *err)
{
	for (char *at = path + begin; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		int r = mkdir(path, 0755) == 0 ? chown(path, uid, gid) : errno == EEXIST ? 0 : -1;
		if (r < 0)
			return err_sys(err, "cannot make '%s'", path);
		*at = '/';
	}
	return 0;
}

static int make_one(const char *dir, const char *name, const char *text, uid_t uid, gid_t gid, struct err *err)
{
	AUTO(freep) char *path = xasprintf("%s/%s", dir, name);
	int r = make_way(path, strlen(dir) + 1, uid, gid, err);

	if (r < 0)
		return r;
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || io_write_all(fd, text, strlen(text)) < 0 || fchmod(fd, 0644) < 0 || fchown(fd, uid, gid) < 0)
		return err_sys(err, "cannot make '%s'", path);
	return 0;
}

int attack_tree_make(const char *dir, const char *hidden, const char *secret, uid_t uid, gid_t gid, struct err *err)
{
	int r = hidden != NULL ? make_one(dir, hidden, secret, uid, gid, err) : 0;

	for (size_t i = 0; i < COUNT(kept_names) && r == 0; i++)
		r = make_one(dir, kept_names[i], untouched, uid, gid, err);
	if (r < 0 || hidden == NULL)
		return r;
	AUTO(freep) char *from = xasprintf("%s/%s", dir, hidden);
	AUTO(freep) char *to = xasprintf("%s/other", dir);
	return link(from, to) < 0 ? err_sys(err, "cannot make '%s'", to) : 0;
}

bool attack_tree_changed(const char *dir, const char *file)
{
	AUTO(freep) char *path = xasprintf("%s/%s", dir, file);
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char text[sizeof untouched + 1];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);

	return n != (ssize_t)sizeof untouched - 1 || memcmp(text, untouched, sizeof untouched - 1) != 0;
}
