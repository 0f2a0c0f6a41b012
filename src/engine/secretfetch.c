/* secretfetch.c - gets a value from where the configuration says. It refuses a file that others can read, a value that no
 * environment can hold, and one that is too short to be recognised in other text. */
#include "engine/secretfetch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "llm/key_command.h"

#include "base/banned.h"

/* ---- memory --------------------------------------------------------------------------------------------------- */

static size_t room_of(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page) / page * page;   /* a NUL behind it */
}

/* Not in swap, not in a core dump, not in a process that is forked. */
static char *locked_copy(struct str value, bool *ret_locked)
{
	size_t room = room_of(value.len);
	char *memory = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();                     /* out of memory, as in xmalloc() */
	*ret_locked = mlock(memory, room) == 0;
	(void)madvise(memory, room, MADV_DONTDUMP);
	(void)madvise(memory, room, MADV_WIPEONFORK);
	memcpy(memory, value.ptr, value.len);
	return memory;
}

void secret_forget(struct secret *s)
{
	if (s->value == NULL)
		return;
	explicit_bzero(s->value, s->value_len);
	munmap(s->value, room_of(s->value_len));
	s->value = NULL;
}

static void wipe(struct buf *b)
{
	if (b->ptr != NULL)
		explicit_bzero(b->ptr, b->cap);
	buf_done(b);
}

/* ---- sources --------------------------------------------------------------------------------------------------- */

static int from_env(const struct secret *s, struct buf *ret, struct err *err)
{
	const char *value = getenv(s->from);

	if (value == NULL)
		return err_set(err, EACCES, "%s: the environment has no variable %s; set it before the run", s->name, s->from);
	return buf_add_text(ret, value) < 0 ? err_set(err, EINVAL, "%s: has more than %zu bytes", s->name, LIMIT_SECRET_BYTES) : 0;
}

static int from_file(const struct secret *s, struct buf *ret, struct err *err)
{
	const char *home = getenv("HOME");
	AUTO(freep) char *path = s->from[0] == '~' && home != NULL ? xasprintf("%s%s", home, s->from + 1) : xstrdup(s->from);
	AUTO(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, EACCES, "%s: %s: %s", s->name, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, EACCES, "%s: %s is no regular file", s->name, path);
	if ((st.st_mode & 077) != 0 || (st.st_uid != geteuid() && st.st_uid != 0))
		return err_set(err, EACCES, "%s: %s can be read by others; it must be yours and of mode 0600 (chmod 600)", s->name, path);
	if (io_read_fd(fd, ret, NULL) < 0)
		return err_set(err, EACCES, "%s: %s cannot be read, or has more than %zu bytes", s->name, path, LIMIT_SECRET_BYTES);
	return 0;
}

static int from_command(const struct secret *s, struct buf *ret, struct err *err)
{
	return key_program_run(s->name, s->argv, LIMIT_SECRET_COMMAND_MS, ret, err);
}

static int check(const struct secret *s, struct str value, struct err *err)
{
	if (value.len < LIMIT_SECRET_LEAST_BYTES)
		return err_set(err, EINVAL, "%s: the value has less than %d bytes, so it could not be told from other text and kept out of it",
		               s->name, LIMIT_SECRET_LEAST_BYTES);
	if (memchr(value.ptr, '\0', value.len) != NULL)
		return err_set(err, EINVAL, "%s: the value has a NUL in it, which no environment can hold; store it as Base64", s->name);
	return 0;
}

int secret_fetch(struct secret *s, bool *ret_locked, struct err *err)
{
	AUTO(wipe) struct buf text = BUF_INIT(LIMIT_SECRET_BYTES + 2);
	int r = 0;

	switch (s->source) {
	case SECRET_ENV: r = from_env(s, &text, err); break;
	case SECRET_FILE: r = from_file(s, &text, err); break;
	case SECRET_COMMAND: r = from_command(s, &text, err); break;
	}
	if (r < 0)
		return r;
	struct str value = buf_str(&text);
	if (s->source != SECRET_ENV && value.len > 0 && value.ptr[value.len - 1] == '\n') /* the end of the line is not meant */
		value.len -= value.len > 1 && value.ptr[value.len - 2] == '\r' ? 2 : 1;
	r = check(s, value, err);
	if (r < 0)
		return r;
	s->value = locked_copy(value, ret_locked);
	s->value_len = value.len;
	return 0;
}
