/* audit_key.c - gets the key that signs checkpoints from where the configuration says: a variable, a file, a credential of systemd,
 * a command. It refuses the key itself as a setting, a file that others may read, and whatever is no private Ed25519 key. It
 * keeps nothing but the key, and repeats nothing of what it was given. */
#include "engine/audit_key.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "llm/key_command.h"

#include "base/banned.h"

static bool is_variable(const char *name)
{
	for (const char *c = name; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && *c != '_')
			return false;
	return name[0] != '\0' && !isdigit((unsigned char)name[0]);
}

static bool is_path(const char *path)
{
	return path[0] == '/';
}

static bool is_file_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static bool is_something(const char *words)
{
	return words[strspn(words, " ")] != '\0';
}

static int from_variable(const char *name, struct buf *ret, struct err *err)
{
	char *value = getenv(name);

	if (value == NULL || value[0] == '\0')
		return err_set(err, EACCES, "audit.key: the environment has no variable %s; set it before the start", name);
	int r = buf_add_text(ret, value);
	explicit_bzero(value, strlen(value)); /* /proc/PID/environ shows this memory */
	unsetenv(name);                       /* no program that is started later has it */
	return r < 0 ? err_set(err, EINVAL, "audit.key: %s has more than %zu bytes", name, LIMIT_SECRET_BYTES) : 0;
}

/* open_to: who else may have rights to it. */
static int read_private(const char *path, mode_t open_to, struct buf *ret, struct err *err)
{
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, EACCES, "audit.key: %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, EACCES, "audit.key: %s is no regular file", path);
	if ((st.st_mode & 077 & ~open_to) != 0 || (st.st_uid != geteuid() && st.st_uid != 0))
		return err_set(err, EACCES, "audit.key: %s: others may read or write it; it must be yours and of mode 0600 (chmod 600)", path);
	if (io_read_fd(fd, ret, NULL) < 0)
		return err_set(err, EACCES, "audit.key: %s cannot be read, or has more than %zu bytes", path, LIMIT_SECRET_BYTES);
	return 0;
}

static int from_file(const char *path, struct buf *ret, struct err *err)
{
	return read_private(path, 0, ret, err);
}

/* systemd may give a service its right by an access list, which shows as a right of the group. */
static int from_credential(const char *name, struct buf *ret, struct err *err)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	if (dir == NULL || dir[0] != '/')
		return err_set(err, EACCES, "audit.key: CREDENTIALS_DIRECTORY is not set: start it as a service of systemd with "
		               "LoadCredential=%s:/PATH", name);
	AUTO(freep) char *path = xasprintf("%s/%s", dir, name);
	return read_private(path, 040, ret, err);
}

static int from_command(const char *words, struct buf *ret, struct err *err)
{
	return key_command_run("audit.key", words, LIMIT_SECRET_COMMAND_MS, ret, err);
}

static const struct source {
	const char *name;             /* with its colon */
	bool (*fits)(const char *rest);
	int (*get)(const char *rest, struct buf *ret, struct err *err);
} sources[] = {
	{ "env:", is_variable, from_variable },
	{ "file:", is_path, from_file },
	{ "credential:", is_file_name, from_credential },
	{ "command:", is_something, from_command },
};

/* NULL, and err says what would be right. What is behind the name of the source is *ret_rest. */
static const struct source *source_find(const char *text, const char **ret_rest, struct err *err)
{
	for (size_t i = 0; i < COUNT(sources); i++) {
		size_t len = strlen(sources[i].name);
		if (strncmp(text, sources[i].name, len) == 0 && sources[i].fits(text + len)) {
			*ret_rest = text + len;
			return &sources[i];
		}
	}
	err_set(err, EINVAL, "audit.key: says where the key is, never the key itself: env:VARIABLE, file:/PATH, credential:NAME "
	        "or command:WORDS");
	return NULL;
}

int audit_key_check(const char *source, struct err *err)
{
	const char *rest;

	return source_find(source, &rest, err) != NULL ? 0 : -EINVAL;
}

static void wipe(struct buf *b)
{
	if (b->ptr != NULL)
		explicit_bzero(b->ptr, b->cap);
	buf_done(b);
}

int audit_key_fetch(const char *source, struct sign_key **ret, struct err *err)
{
	AUTO(wipe) struct buf pem = BUF_INIT(LIMIT_SECRET_BYTES);
	const char *rest;
	const struct source *from = source_find(source, &rest, err);
	int r = from != NULL ? from->get(rest, &pem, err) : -EINVAL;

	if (r < 0)
		return r;
	if (str_trim(buf_str(&pem)).len == 0)
		return err_set(err, EINVAL, "audit.key: what is there is empty; a private Ed25519 key (PEM) would be right");
	return sign_key_parse(buf_str(&pem), true, ret, err) < 0 ? err_prefix(err, "audit.key") : 0;
}
