/* trust.c - trust in a project directory is trust in what its files say: their digest is kept with the path, and a copy
 * of them, so that a person can see what changed. What cannot be read is not trusted. */
#include "engine/trust.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"

#include "base/banned.h"

/* What a project brings. A directory: all files below it. */
static const char *const parts[] = {
	".mishri/policy.yaml", ".mishri/config.yaml", ".mishri/tools", ".mishri/skills", ".agents/skills", "AGENTS.md",
};

enum { DEPTH_MOST = 16, TEXT_KEPT_BYTES = 256 * 1024 };

/* {relative path: {"sha256", "text" where it is one}} */
struct reading {
	int root;
	json_t *files;
	size_t bytes;
};

static int read_part(struct reading *r, const char *path, int depth, struct err *err);

static int read_below(struct reading *r, const char *path, int fd, int depth, struct err *err)
{
	DIR *d = fdopendir(fd);
	int result = 0;

	if (d == NULL) {
		close(fd);
		return err_sys(err, "%s", path);
	}
	for (struct dirent *entry = readdir(d); entry != NULL && result == 0; entry = readdir(d)) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		AUTO(freep) char *below = xasprintf("%s/%s", path, entry->d_name);
		result = depth == DEPTH_MOST ? err_set(err, E2BIG, "%s: directories are nested too deeply", path)
			: read_part(r, below, depth + 1, err);
	}
	closedir(d);
	return result;
}

static int read_file(struct reading *r, const char *path, int fd, struct err *err)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_TRUST_BYTES);
	char hex[SHA256_HEX_LEN + 1];

	int result = io_read_fd(fd, &text, err);
	if (result < 0)
		return err_prefix(err, "%s", path);
	r->bytes += text.len;
	if (r->bytes > LIMIT_TRUST_BYTES || json_object_size(r->files) >= LIMIT_TRUST_FILES)
		return err_set(err, E2BIG, "%s: more than %d files or %zu bytes cannot be trusted at once", path, LIMIT_TRUST_FILES,
		               LIMIT_TRUST_BYTES);
	sha256_hex1(buf_str(&text), hex);
	json_t *file = json_object();
	json_put_text(file, "sha256", hex);
	json_t *copy = text.len <= TEXT_KEPT_BYTES ? json_stringn(buf_text(&text), text.len) : NULL;
	if (copy != NULL)
		json_put(file, "text", copy);
	json_put(r->files, path, file);
	return 0;
}

/* Links are followed, as whoever uses the file follows them: what counts is what is read. */
static int read_part(struct reading *r, const char *path, int depth, struct err *err)
{
	int fd = openat(r->root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	if (fd < 0)
		return err_sys(err, "%s", path);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return read_below(r, path, fd, depth, err);
	AUTO(fd_closep) int file = fd;
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s: is neither a file nor a directory", path);
	return read_file(r, path, file, err);
}

static int read_project(const char *dir, json_t **ret, struct err *err)
{
	AUTO(fd_closep) int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(json_decrefp) json_t *files = json_object();
	struct reading r = { .root = root, .files = files };
	int result = root < 0 ? err_sys(err, "%s", dir) : 0;

	for (size_t i = 0; i < COUNT(parts) && result == 0; i++)
		result = read_part(&r, parts[i], 0, err);
	if (result == 0)
		*ret = json_incref(files);
	return result;
}

/* Of names and contents; the order of a directory does not matter. */
static void digest_of(const json_t *files, char hex[static SHA256_HEX_LEN + 1])
{
	AUTO(json_decrefp) json_t *sums = json_object();
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_TRUST_BYTES);
	const char *path;
	json_t *file;

	json_object_foreach((json_t *)files, path, file)
		json_put_text(sums, path, json_get_text(file, "sha256", ""));
	json_write_canonical(sums, &text);
	sha256_hex1(buf_str(&text), hex);
}

/* ---- what is kept ---- */

static char *kept_path(const char *data, const char *real)
{
	char hex[SHA256_HEX_LEN + 1];

	sha256_hex1(str_of(real), hex);
	return xasprintf("%s/trust-%.32s.json", data, hex);
}

static json_t *kept_read(const char *data, const char *real)
{
	AUTO(freep) char *path = kept_path(data, real);
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_TRUST_BYTES * 8);
	json_t *value = NULL;

	if (io_read_file(path, &text, NULL) < 0 || json_parse(buf_str(&text), &value, NULL) < 0)
		return json_object();
	return value;
}

static int kept_write(const char *data, const char *real, const json_t *files, struct err *err)
{
	AUTO(freep) char *path = kept_path(data, real);
	AUTO(freep) char *next = xasprintf("%s.new", path);
	AUTO(freep) char *text = json_text(files);

	(void)unlink(next); /* of one that was interrupted */
	AUTO(fd_closep) int fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(err, "%s", next);
	int r = io_write_all(fd, text, strlen(text));
	if (r < 0 || fsync(fd) < 0 || rename(next, path) < 0)
		return err_set(err, r < 0 ? -r : errno, "%s: cannot be written", path);
	return 0;
}

void trust_forget(const char *data, const char *real)
{
	AUTO(freep) char *path = kept_path(data, real);

	(void)unlink(path);
}

/* ---- asking ---- */

int trust_bind(const char *data, const char *real, char hex[static SHA256_HEX_LEN + 1], struct err *err)
{
	AUTO(json_decrefp) json_t *files = NULL;
	int r = read_project(real, &files, err);

	if (r < 0)
		return r;
	digest_of(files, hex);
	r = io_mkdirs(data, err);
	return r < 0 ? r : kept_write(data, real, files, err);
}

bool trust_holds(const char *real, const char *hex)
{
	AUTO(json_decrefp) json_t *files = NULL;
	char now[SHA256_HEX_LEN + 1];

	if (read_project(real, &files, NULL) < 0)
		return false;
	digest_of(files, now);
	return strcmp(now, hex) == 0;
}

static void add_row(json_t *list, const char *path, const char *state, const json_t *before, const json_t *now)
{
	json_t *row = json_object();

	json_put_text(row, "file", path);
	json_put_text(row, "state", state);
	json_put_text(row, "sha256", json_get_text(now != NULL ? now : before, "sha256", ""));
	if (before != NULL)
		json_put_text(row, "before", json_get_text(before, "text", NULL));
	if (now != NULL)
		json_put_text(row, "now", json_get_text(now, "text", NULL));
	json_array_append_new(list, row);
}

int trust_compare(const char *data, const char *real, json_t **ret, struct err *err)
{
	AUTO(json_decrefp) json_t *now = NULL, *kept = kept_read(data, real);
	json_t *list = json_array();
	const char *path;
	json_t *file;
	int r = read_project(real, &now, err);

	if (r < 0) {
		json_decref(list);
		return r;
	}
	json_object_foreach(now, path, file) {
		const json_t *before = json_object_get(kept, path);
		bool same = before != NULL && strcmp(json_get_text(before, "sha256", ""), json_get_text(file, "sha256", "")) == 0;
		add_row(list, path, same ? "unchanged" : before != NULL ? "changed" : "new", before, file);
	}
	json_object_foreach(kept, path, file)
		if (json_object_get(now, path) == NULL)
			add_row(list, path, "gone", file, NULL);
	*ret = list;
	return 0;
}

char *trust_complaint(const char *data, const char *dir, const char *file)
{
	AUTO(freep) char *real = realpath(dir, NULL);
	AUTO(json_decrefp) json_t *rows = NULL;
	AUTO(buf_done) struct buf names = BUF_INIT(KIB(4));
	size_t i, shown = 0;
	json_t *row;

	if (real == NULL || trust_state(data, real) != TRUST_CHANGED || trust_compare(data, real, &rows, NULL) < 0)
		return xasprintf("%s is not read: this directory is not trusted; `mishri trust %s` changes that", file, dir);
	json_array_foreach(rows, i, row)
		if (strcmp(json_get_text(row, "state", ""), "unchanged") != 0 && shown++ < 3)
			buf_printf(&names, "%s%s", shown > 1 ? ", " : "", json_get_text(row, "file", ""));
	if (shown == 0) /* trusted by an older version, which did not look */
		return xasprintf("%s is not read: what it says was not trusted yet; `mishri trust %s` does", file, dir);
	return xasprintf("%s is not read: since you trusted this directory, there is a change in %s%s; `mishri trust --diff %s` shows it, "
	                 "`mishri trust %s` lets it in", file, buf_text(&names), shown > 3 ? " and others" : "", dir, dir);
}
