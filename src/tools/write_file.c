/* write_file.c - the tool `write_file`: a whole file, in one step. It refuses to append, to write to
 * anything but a regular file, to leave half a file behind, and to replace what this task has not read or what changed
 * since. */
#include "tools/inside.h"
#include "tools/rows.h"

#include "base/io.h"
#include "base/banned.h"

static int write_file_plan(const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err)
{
	struct str path = arg_str(args, "path"), content = arg_str(args, "content");

	(void)workspace;
	int r = place_lint(args, "path", err);
	if (r < 0)
		return r;
	if (path.ptr[path.len - 1] == '/')
		return err_set(err, EINVAL, "/path: ends with '/', which names a directory: give the path of a file");
	if (content.len > LIMIT_WRITE_FILE_BYTES)
		return err_set(err, EINVAL, "/content: has %zu bytes: at most %zu", content.len,
		               LIMIT_WRITE_FILE_BYTES);
	return plan_builtin(&tool_write_file, ret);
}

/* May it be written? *ret_same: it has these bytes already, which is what a second run after a crash finds. */
static int compare(struct place *place, const char *wanted, bool *ret_same, struct err *err)
{
	char now[SHA256_HEX_LEN + 1];

	*ret_same = false;
	if (!place->exists)
		return place_unchanged(place, NULL, true, err);
	AUTO(fd_closep) int fd = place_open_file(place, err);
	if (fd < 0)
		return fd;
	int r = sha256_fd(fd, now);
	if (r < 0)
		return err_set(err, -r, "%s: cannot be read: %s", place->given, strerror(-r));
	*ret_same = strcmp(now, wanted) == 0;
	return *ret_same ? 0 : place_unchanged(place, now, true, err);
}

static int write_file_run(const json_t *args, const char *workspace)
{
	AUTO(place_done) struct place place = PLACE_NONE;
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));
	struct str content = arg_str(args, "content");
	struct err err = ERR_NONE;
	char hex[SHA256_HEX_LEN + 1];
	bool same = false;
	AUTO(fd_closep) int lock = workspace_lock(workspace, &err);

	sha256_hex1(content, hex);
	if (lock < 0 || place_find(workspace, arg_str(args, "path").ptr, &place, &err) < 0 ||
	    compare(&place, hex, &same, &err) < 0 ||
	    (!same && place_write(&place, content, json_get_bool(args, "create_dirs", true), &err) < 0))
		return refuse(&err);
	seen_note(place.relative, hex);
	if (same)
		buf_printf(&said, "%s: has exactly these %zu bytes already\n", place.given, content.len);
	else if (place.exists)
		buf_printf(&said, "%s: wrote %zu bytes in place of %lld\n", place.given, content.len,
		           (long long)place.st.st_size);
	else
		buf_printf(&said, "%s: wrote %zu bytes, a new file\n", place.given, content.len);
	return answer(&said);
}

static const char schema[] =
	"{\"type\":\"object\",\"required\":[\"path\",\"content\"],\"additionalProperties\":false,\"properties\":{"
	"\"path\":{\"type\":\"string\",\"minLength\":1,"
	"\"description\":\"relative to the workspace, or absolute\"},"
	"\"content\":{\"type\":\"string\",\"description\":\"all of the new file\"},"
	"\"create_dirs\":{\"type\":\"boolean\",\"default\":true,"
	"\"description\":\"make directories that are missing\"}}}";

const struct tool tool_write_file = {
	.name = "write_file",
	.about = "Writes a whole file in the workspace, new or in place of one that you have read. For a change in a "
		 "file that exists, edit_file is safer.",
	.category = "write",
	.risk = "low",
	.permissions = "fs.read fs.write",
	.nature = NATURE_IDEMPOTENT,
	.schema = schema,
	.plan = write_file_plan,
	.run = write_file_run,
};
