/* seen.c - the memory file by which engine and tool tell each other what the task has seen. A record is the digest
 * in hexadecimal (or as many dashes), a blank, the path and NUL; with as many equals signs, a wait in milliseconds
 * follows. It refuses to guess: one record that is not so, and nothing of what a tool added counts. */
#include "tools/seen.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/banned.h"

static const char magic[] = "mishri: what the task has seen";     /* with its NUL */
static const char nothing[] = "----------------------------------------------------------------";
static const char wait_mark[] = "================================================================";
_Static_assert(sizeof wait_mark == SHA256_HEX_LEN + 1, "as long as a digest");
_Static_assert(sizeof nothing == SHA256_HEX_LEN + 1, "as long as a digest");

enum { RECORD_BEGINS = SHA256_HEX_LEN + 1 };                       /* where the path begins */

static void record_add(struct buf *ret, const char *path, const char *hex)
{
	buf_printf(ret, "%s %s", hex != NULL ? hex : nothing, path);
	buf_add_char(ret, '\0');
}

int seen_open(const json_t *seen, int *ret_fd, int64_t *ret_from, struct err *err)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_SEEN_BYTES);
	const char *path;
	json_t *hex;

	buf_add(&text, magic, sizeof magic);
	json_object_foreach((json_t *)seen, path, hex)
		record_add(&text, path, json_string_value(hex));
	if (text.full)
		return err_set(err, EFBIG, "the task has seen more files than can be kept");
	AUTO(fd_closep) int fd = memfd_create("seen", MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "no memory file for a tool");
	int r = io_write_all(fd, text.ptr, text.len);
	if (r < 0)
		return err_set(err, -r, "no memory file for a tool: %s", strerror(-r));
	*ret_from = (int64_t)text.len;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* All from `from` on, unless it is more than fits. The offset of the descriptor is shared, and not used. */
static bool bytes_from(int fd, int64_t from, struct buf *ret)
{
	char chunk[16384];

	for (;;) {
		ssize_t n = pread(fd, chunk, sizeof chunk, (off_t)from + (off_t)ret->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 && !ret->full;
		buf_add(ret, chunk, (size_t)n);
	}
}

/* One record off the front of *rest. False: the end, or no record. */
static bool record_next(struct str *rest, struct str *ret_hex, const char **ret_path)
{
	const char *end = rest->len > 0 ? memchr(rest->ptr, '\0', rest->len) : NULL;
	size_t len = end != NULL ? (size_t)(end - rest->ptr) : 0;

	if (len <= RECORD_BEGINS || rest->ptr[SHA256_HEX_LEN] != ' ')
		return false;
	*ret_hex = (struct str){ rest->ptr, SHA256_HEX_LEN };
	*ret_path = rest->ptr + RECORD_BEGINS;
	*rest = str_skip(*rest, len + 1);
	for (size_t i = 0; i < SHA256_HEX_LEN; i++)
		if (strchr("0123456789abcdef", ret_hex->ptr[i]) == NULL)
			return str_eq(*ret_hex, str_of(nothing)) || str_eq(*ret_hex, str_of(wait_mark));
	return true;
}

json_t *seen_collect(int fd, int64_t from)
{
	AUTO(buf_done) struct buf text = BUF_INIT((size_t)LIMIT_SEEN_AT_ONCE * (RECORD_BEGINS + LIMIT_TOOL_PATH_BYTES));
	AUTO(json_decrefp) json_t *all = json_array();
	const char *path;
	struct str hex;

	if (!bytes_from(fd, from, &text))
		return NULL;
	for (struct str rest = buf_str(&text); rest.len > 0;) {
		if (!record_next(&rest, &hex, &path) || json_array_size(all) == LIMIT_SEEN_AT_ONCE)
			return NULL;
		if (hex.ptr[0] == '=')
			continue;
		json_t *one = json_object();
		json_put_text(one, "path", path);
		if (hex.ptr[0] == '-')
			json_put(one, "sha256", json_null());
		else
			json_put_str(one, "sha256", hex);
		json_array_append_new(all, one);
	}
	return json_array_size(all) > 0 ? TAKE(all) : NULL;
}

int64_t seen_wait_ms(int fd, int64_t from)
{
	AUTO(buf_done) struct buf text = BUF_INIT((size_t)LIMIT_SEEN_AT_ONCE * (RECORD_BEGINS + LIMIT_TOOL_PATH_BYTES));
	int64_t ms = -1;
	uint64_t told;
	const char *word;
	struct str hex;

	if (fd < 0 || !bytes_from(fd, from, &text))
		return -1;
	for (struct str rest = buf_str(&text); record_next(&rest, &hex, &word);)
		if (hex.ptr[0] == '=' && str_to_u64(str_of(word), &told) == 0 && told < INT64_MAX / 1000000)
			ms = (int64_t)told;
	return ms;
}

/* What descriptor 0 is, where a tool was not started by the engine, is not ours. */
static bool is_ours(void)
{
	char start[sizeof magic];
	struct stat st;

	return fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode) &&
	       pread(STDIN_FILENO, start, sizeof start, 0) == (ssize_t)sizeof start && memcmp(start, magic, sizeof magic) == 0;
}

bool seen_find(const char *path, char hex[static SHA256_HEX_LEN + 1])
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_SEEN_BYTES + MIB(1));
	const char *seen;
	struct str digest;
	bool found = false;

	if (!is_ours() || !bytes_from(STDIN_FILENO, sizeof magic, &text))
		return false;
	for (struct str rest = buf_str(&text); record_next(&rest, &digest, &seen);) {
		if (strcmp(seen, path) != 0)
			continue;
		found = true;                                     /* the last one counts */
		snprintf(hex, SHA256_HEX_LEN + 1, "%.*s", digest.ptr[0] == '-' ? 0 : (int)SHA256_HEX_LEN, digest.ptr);
	}
	return found;
}

void seen_wait(int64_t ms)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)ms);
	seen_note(text, wait_mark);
}

/* A note that cannot be made is one that is missing: the next write is refused, and nothing is lost. */
void seen_note(const char *path, const char *hex)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(16));
	struct stat st;

	if (!is_ours() || fstat(STDIN_FILENO, &st) < 0)
		return;
	record_add(&text, path, hex);
	if (pwrite(STDIN_FILENO, text.ptr, text.len, st.st_size) != (ssize_t)text.len)
		(void)!ftruncate(STDIN_FILENO, st.st_size);
}
