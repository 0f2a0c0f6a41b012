/* dirs.c - directories out of flags and environment, and the list of trusted ones. It refuses relative
 * XDG paths, as their specification says, and to trust a path that cannot be written on one line. */
#include "engine/dirs.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/trust.h"
#include "policy/probe.h"
#include "base/banned.h"

/* A variable that is set to nothing is not set. */
static const char *env_text(const char *name)
{
	const char *text = getenv(name);

	return text != NULL && text[0] != '\0' ? text : NULL;
}

static const char *env_absolute(const char *name)
{
	const char *text = env_text(name);

	return text != NULL && text[0] == '/' ? text : NULL;
}

static const char *home(void)
{
	const char *text = env_absolute("HOME");
	const struct passwd *entry = text == NULL ? getpwuid(geteuid()) : NULL;

	return entry != NULL && entry->pw_dir[0] == '/' ? entry->pw_dir : text;
}

static const char *chosen_data(const char *flag)
{
	return flag != NULL ? flag : env_text("MISHRI_DATA");
}

int dirs_data(const char *flag, char **ret, struct err *err)
{
	const char *chosen = chosen_data(flag);

	if (flag != NULL && flag[0] == '\0')
		return err_set(err, EINVAL, "--data: is empty: give a directory");
	if (chosen != NULL && chosen[0] == '/') {
		*ret = xstrdup(chosen);
		return 0;
	}
	if (chosen != NULL) {
		AUTO(freep) char *here = getcwd(NULL, 0);
		if (here == NULL)
			return err_sys(err, "the working directory, which '%s' is relative to", chosen);
		*ret = xasprintf("%s/%s", here, chosen);
		return 0;
	}
	if (env_absolute("XDG_STATE_HOME") != NULL)
		*ret = xasprintf("%s/mishri", env_absolute("XDG_STATE_HOME"));
	else if (home() != NULL)
		*ret = xasprintf("%s/.local/state/mishri", home());
	else
		return err_set(err, ENOENT, "no home directory to keep data in: give --data DIR or set MISHRI_DATA");
	return 0;
}

char *dirs_runtime(const char *flag, const char *data)
{
	const char *runtime = env_absolute("XDG_RUNTIME_DIR");

	if (chosen_data(flag) == NULL && runtime != NULL)
		return xasprintf("%s/mishri", runtime);
	return xstrdup(data);
}

char *dirs_user_config(void)
{
	if (env_absolute("XDG_CONFIG_HOME") != NULL)
		return xasprintf("%s/mishri/config.yaml", env_absolute("XDG_CONFIG_HOME"));
	return home() != NULL ? xasprintf("%s/.config/mishri/config.yaml", home()) : NULL;
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

bool dirs_lies_in(const char *path, const char *dir)
{
	AUTO(freep) char *resolved = resolve_path(NULL, path);

	return is_below(path, dir) || (resolved != NULL && is_below(resolved, dir));
}

/* The list itself must be above doubt: ours or root's, and nobody else may write it. */
static int read_trusted(const char *data, struct buf *ret)
{
	AUTO(freep) char *path = xasprintf("%s/trusted", data);
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 022) != 0)
		return -EPERM;
	return io_read_fd(fd, ret, NULL);
}

/* A line is "SHA256 PATH"; of an older version the path alone, which says nothing about the files. */
static bool line_is(struct str line, const char *real, struct str *ret_digest)
{
	*ret_digest = STR("");
	if (line.len > SHA256_HEX_LEN && line.ptr[SHA256_HEX_LEN] == ' ') {
		*ret_digest = (struct str){ line.ptr, SHA256_HEX_LEN };
		line = str_skip(line, SHA256_HEX_LEN + 1);
	}
	return str_eq(line, str_of(real));
}

enum trust trust_state(const char *data, const char *directory)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_FILE_BYTES);
	AUTO(freep) char *real = realpath(directory, NULL);
	struct str line, digest;

	if (real == NULL || read_trusted(data, &text) < 0)
		return TRUST_NONE;
	for (struct str rest = buf_str(&text); str_next(&rest, '\n', &line);) {
		if (!line_is(line, real, &digest))
			continue;
		AUTO(freep) char *hex = xstrndup(digest.ptr, digest.len);
		return trust_holds(real, hex) ? TRUST_OK : TRUST_CHANGED;
	}
	return TRUST_NONE;
}

bool trust_check(const char *data, const char *directory)
{
	return trust_state(data, directory) == TRUST_OK;
}

static int read_list(const char *data, struct buf *ret, struct err *err)
{
	int r = read_trusted(data, ret);

	if (r == -ENOENT)
		return 0;
	if (r == -EPERM)
		return err_set(err, EPERM, "%s/trusted: must be yours, and nobody else may be able to write it (chmod 600)", data);
	return r < 0 ? err_set(err, -r, "%s/trusted: cannot be read", data) : 0;
}

/* The new list takes the place of the old one at once: whoever reads it meanwhile sees one or the other. */
static int write_trusted(const char *data, struct str text, struct err *err)
{
	AUTO(freep) char *path = xasprintf("%s/trusted", data);
	AUTO(freep) char *next = xasprintf("%s/trusted.new", data);

	(void)unlink(next); /* of one that was interrupted */
	AUTO(fd_closep) int fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(err, "%s", next);
	int r = io_write_all(fd, text.ptr, text.len);
	if (r < 0 || fsync(fd) < 0 || rename(next, path) < 0) {
		err_set(err, r < 0 ? -r : errno, "%s: cannot be written", path);
		(void)unlink(next);
		return -EIO;
	}
	return 0;
}

int trust_list(const char *data, struct buf *ret, struct err *err)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_FILE_BYTES);
	struct str line;
	int r = read_list(data, &text, err);

	for (struct str rest = buf_str(&text); r == 0 && str_next(&rest, '\n', &line);) {
		bool bound = line.len > SHA256_HEX_LEN && line.ptr[SHA256_HEX_LEN] == ' ';
		if (line.len == 0)
			continue;
		buf_add_str(ret, bound ? str_skip(line, SHA256_HEX_LEN + 1) : line);
		buf_add_char(ret, '\n');
	}
	return r;
}

/* The list without one directory, and with `owned_line` at its end, where it is not NULL. */
static int replace(const char *data, const char *real, const char *line_added, bool *ret_found, struct err *err)
{
	AUTO(buf_done) struct buf old = BUF_INIT(LIMIT_FILE_BYTES), left = BUF_INIT(LIMIT_FILE_BYTES);
	struct str line, digest;
	int r = read_list(data, &old, err);

	*ret_found = false;
	if (r < 0)
		return r;
	for (struct str rest = buf_str(&old); str_next(&rest, '\n', &line);) {
		bool is = line_is(line, real, &digest);
		*ret_found |= is;
		if (line.len == 0 || is)
			continue;
		buf_add_str(&left, line);
		buf_add_char(&left, '\n');
	}
	if (line_added != NULL)
		buf_add_text(&left, line_added);
	else if (!*ret_found)
		return 0;
	return write_trusted(data, buf_str(&left), err);
}

int trust_add(const char *data, const char *directory, struct err *err)
{
	AUTO(freep) char *real = realpath(directory, NULL);
	char hex[SHA256_HEX_LEN + 1];
	struct stat st;
	bool had;

	if (real == NULL || stat(real, &st) < 0)
		return err_sys(err, "cannot trust '%s'", directory);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "cannot trust '%s': it is no directory", directory);
	if (strchr(real, '\n') != NULL)
		return err_set(err, EINVAL, "cannot trust a directory with a line break in its name: rename it");
	int r = trust_bind(data, real, hex, err);
	if (r < 0)
		return err_prefix(err, "cannot trust '%s'", directory);
	AUTO(freep) char *line = xasprintf("%s %s\n", hex, real);
	return replace(data, real, line, &had, err);
}

int trust_remove(const char *data, const char *directory, struct err *err)
{
	AUTO(freep) char *real = realpath(directory, NULL);
	bool had;
	int r = replace(data, real != NULL ? real : directory, NULL, &had, err);

	if (r == 0 && !had)
		return err_set(err, ENOENT, "'%s' is not trusted; `mishri trust --list` shows what is", directory);
	if (r == 0)
		trust_forget(data, real != NULL ? real : directory);
	return r;
}
