/* dirs.c - directories out of flags and environment, and the list of trusted ones. It refuses relative
 * XDG paths, as their specification says, and to trust a path that cannot be written on one line. */
#include "engine/dirs.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
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

bool trust_check(const char *data, const char *directory)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_FILE_BYTES);
	AUTO(freep) char *real = realpath(directory, NULL);
	struct str line;

	if (real == NULL || read_trusted(data, &text) < 0)
		return false;
	for (struct str rest = buf_str(&text); str_next(&rest, '\n', &line);)
		if (str_eq(line, str_of(real)))
			return true;
	return false;
}

int trust_add(const char *data, const char *directory, struct err *err)
{
	AUTO(freep) char *real = realpath(directory, NULL);
	AUTO(freep) char *path = xasprintf("%s/trusted", data);
	struct stat st;

	if (real == NULL || stat(real, &st) < 0)
		return err_sys(err, "cannot trust '%s'", directory);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "cannot trust '%s': it is no directory", directory);
	if (strchr(real, '\n') != NULL)
		return err_set(err, EINVAL, "cannot trust a directory with a line break in its name: rename it");
	if (trust_check(data, real))
		return 0;
	int r = io_mkdirs(data, err);
	if (r < 0)
		return r;
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	AUTO(freep) char *line = xasprintf("%s\n", real);
	if (fd < 0)
		return err_sys(err, "%s", path);
	r = io_write_all(fd, line, strlen(line));
	if (r < 0 || fsync(fd) < 0)
		return err_set(err, r < 0 ? -r : errno, "%s: cannot be written", path);
	if (!trust_check(data, real))
		return err_set(err, EPERM, "%s: must be yours, and nobody else may be able to write it (chmod 600)",
		               path);
	return 0;
}

int trust_list(const char *data, struct buf *ret, struct err *err)
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

int trust_remove(const char *data, const char *directory, struct err *err)
{
	AUTO(buf_done) struct buf old = BUF_INIT(LIMIT_FILE_BYTES), left = BUF_INIT(LIMIT_FILE_BYTES);
	AUTO(freep) char *real = realpath(directory, NULL);
	struct str line, name = str_of(real != NULL ? real : directory);

	int r = trust_list(data, &old, err);
	if (r < 0)
		return r;
	for (struct str rest = buf_str(&old); str_next(&rest, '\n', &line);)
		if (line.len > 0 && !str_eq(line, name)) {
			buf_add_str(&left, line);
			buf_add_char(&left, '\n');
		}
	if (left.len == old.len)
		return err_set(err, ENOENT, "'%s' is not trusted; `mishri trust --list` shows what is", directory);
	return write_trusted(data, buf_str(&left), err);
}
