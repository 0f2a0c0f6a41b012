/* edit_file.c - the tool `edit_file`: one exact text for another. It refuses to guess: a text that is not
 * there, or is there more than once, changes nothing, and the answer says at which lines it is. */
#include "tools/inside.h"
#include "tools/rows.h"

#include "base/io.h"
#include "base/banned.h"

static int edit_file_plan(const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err)
{
	(void)workspace;
	int r = place_lint(args, "path", err);
	if (r < 0)
		return r;
	if (str_eq(arg_str(args, "old"), arg_str(args, "new")))
		return err_set(err, EINVAL, "/new: is the same as old: nothing would change");
	return plan_builtin(&tool_edit_file, ret);
}

static const char *find(struct str text, struct str what)
{
	return text.len > 0 ? memmem(text.ptr, text.len, what.ptr, what.len) : NULL;
}

static size_t line_at(struct str file, const char *at)
{
	size_t line = 1;

	for (const char *c = file.ptr; (c = memchr(c, '\n', (size_t)(at - c))) != NULL; c++)
		line++;
	return line;
}

enum { LINES_SHOWN = 20 };

/* How often it is there, and "lines 3, 17 and 40". overlapping: "aa" is twice in "aaa". */
static size_t count_places(struct str file, struct str what, bool overlapping, struct buf *ret_lines)
{
	size_t count = 0;
	const char *at;

	for (struct str rest = file; (at = find(rest, what)) != NULL; count++) {
		if (count < LINES_SHOWN)
			buf_printf(ret_lines, "%s%zu", count > 0 ? ", " : "", line_at(file, at));
		else if (count == LINES_SHOWN)
			buf_add_text(ret_lines, ", ...");
		rest = str_skip(rest, (size_t)(at - rest.ptr) + (overlapping ? 1 : what.len));
	}
	return count;
}

static bool has(struct str text, char c)
{
	return text.len > 0 && memchr(text.ptr, c, text.len) != NULL;
}

static void with_returns(struct str text, struct buf *ret)
{
	struct str line;
	bool more = true;

	while (more && str_next(&text, '\n', &line)) {
		buf_add_str(ret, line);
		more = text.ptr != NULL;
		if (more)
			buf_add_text(ret, "\r\n");
	}
}

/* The line where the first line of `old` would be if white space did not count; 0: nowhere. */
static size_t alike(struct str file, struct str old)
{
	struct str wanted = STR(""), line;

	while (wanted.len == 0 && str_next(&old, '\n', &line))
		wanted = str_trim(line);
	for (size_t n = 1; wanted.len > 0 && str_next(&file, '\n', &line); n++)
		if (str_eq(str_trim(line), wanted))
			return n;
	return 0;
}

static int not_there(const struct place *place, struct str file, struct str old, struct err *err)
{
	size_t line = alike(file, old);

	if (line > 0)
		return err_set(err, EINVAL,
		               "%s: old is not in the file as it was given; line %zu begins alike, but white space or "
		               "what follows differs: read the file again and copy it exactly",
		               place->given, line);
	return err_set(err, EINVAL, "%s: old is not in the file: read the file again and copy it exactly",
	               place->given);
}

/* What the file will be. 0; -EINVAL when old is not there, or not once. */
static int replace(const struct place *place, struct str file, const json_t *args, struct buf *ret, struct buf *said,
                   struct err *err)
{
	struct str old = arg_str(args, "old"), new = arg_str(args, "new");
	AUTO(buf_done) struct buf old_returns = BUF_INIT(MIB(4)), new_returns = BUF_INIT(MIB(4));
	AUTO(buf_done) struct buf lines = BUF_INIT(KIB(4));
	bool all = json_get_bool(args, "all", false);

	/* read_file shows CR LF as a newline: what was copied from there still means this place. */
	if (!has(old, '\r') && !has(new, '\r') && find(file, STR("\r\n")) != NULL) {
		with_returns(old, &old_returns);
		with_returns(new, &new_returns);
		if (find(file, buf_str(&old_returns)) != NULL) {
			old = buf_str(&old_returns);
			new = buf_str(&new_returns);
		}
	}
	size_t count = count_places(file, old, !all, &lines);
	if (count == 0)
		return not_there(place, file, old, err);
	if (count > 1 && !all)
		return err_set(err, EINVAL,
		               "%s: old is in the file %zu times, at lines %s: add lines around it until it is there "
		               "once, or set all to true",
		               place->given, count, buf_text(&lines));
	struct str rest = file;
	for (const char *at; (at = find(rest, old)) != NULL; rest = str_skip(rest, (size_t)(at - rest.ptr) + old.len)) {
		buf_add(ret, rest.ptr, (size_t)(at - rest.ptr));
		buf_add_str(ret, new);
	}
	buf_add_str(ret, rest);
	if (ret->full)
		return err_set(err, EFBIG, "%s: would have more than %zu MiB", place->given,
		               LIMIT_EDIT_FILE_BYTES >> 20);
	buf_printf(said, "%s: replaced %zu %s, at line%s %s; now %zu bytes\n", place->given, count,
	           count == 1 ? "place" : "places", count == 1 ? "" : "s", buf_text(&lines), ret->len);
	return 0;
}

static int edit_file_run(const json_t *args, const char *workspace)
{
	AUTO(place_done) struct place place = PLACE_NONE;
	AUTO(buf_done) struct buf file = BUF_INIT(LIMIT_EDIT_FILE_BYTES), edited = BUF_INIT(LIMIT_EDIT_FILE_BYTES);
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));
	struct err err = ERR_NONE;
	char hex[SHA256_HEX_LEN + 1];
	AUTO(fd_closep) int lock = workspace_lock(workspace, &err);

	if (lock < 0 || place_find(workspace, arg_str(args, "path").ptr, &place, &err) < 0)
		return refuse(&err);
	AUTO(fd_closep) int fd = place_open_file(&place, &err);
	if (fd < 0)
		return refuse(&err);
	if (io_read_fd(fd, &file, &err) < 0) {
		if (err.code == EFBIG)
			err_set(&err, EFBIG,
			        "more than %zu MiB, which is too much to edit here; `sed -i` in the shell can",
			        LIMIT_EDIT_FILE_BYTES >> 20);
		err_prefix(&err, "%s", place.given);
		return refuse(&err);
	}
	sha256_hex1(buf_str(&file), hex);
	if (place_unchanged(&place, hex, false, &err) < 0 ||
	    replace(&place, buf_str(&file), args, &edited, &said, &err) < 0 ||
	    place_write(&place, buf_str(&edited), false, &err) < 0)
		return refuse(&err);
	sha256_hex1(buf_str(&edited), hex);
	seen_note(place.relative, hex);
	return answer(&said);
}

static const char schema[] =
	"{\"type\":\"object\",\"required\":[\"path\",\"old\",\"new\"],\"additionalProperties\":false,\"properties\":{"
	"\"path\":{\"type\":\"string\",\"minLength\":1,"
	"\"description\":\"relative to the workspace, or absolute\"},"
	"\"old\":{\"type\":\"string\",\"minLength\":1,\"description\":\"the text to replace, with its white space, "
	"and enough lines around it to be there once\"},"
	"\"new\":{\"type\":\"string\",\"description\":\"what stands there then\"},"
	"\"all\":{\"type\":\"boolean\",\"default\":false,\"description\":\"replace it everywhere in the file\"}}}";

const struct tool tool_edit_file = {
	.name = "edit_file",
	.about = "Replaces an exact text in a file by another. The text must be there once, or all must be true.",
	.category = "write",
	.risk = "low",
	.permissions = "fs.read fs.write",
	.nature = NATURE_AT_MOST_ONCE,
	.schema = schema,
	.plan = edit_file_plan,
	.run = edit_file_run,
};
