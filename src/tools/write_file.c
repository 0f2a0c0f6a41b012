/* write_file.c - the tool `write_file`: a whole file, in one step. It refuses to append, to write to
 * anything but a regular file, and to leave half a file behind. */
#include "tools/inside.h"
#include "tools/rows.h"

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

static int write_file_run(const json_t *args, const char *workspace)
{
	AUTO(place_done) struct place place = PLACE_NONE;
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));
	struct str content = arg_str(args, "content");
	struct err err = ERR_NONE;

	if (place_find(workspace, arg_str(args, "path").ptr, &place, &err) < 0 ||
	    place_write(&place, content, json_get_bool(args, "create_dirs", true), &err) < 0)
		return refuse(&err);
	if (place.exists)
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
	.about = "Writes a whole file in the workspace, new or in place of the old one. For a change in a file "
		 "that exists, edit_file is safer.",
	.category = "write",
	.risk = "low",
	.permissions = "fs.write",
	.nature = NATURE_IDEMPOTENT,
	.schema = schema,
	.plan = write_file_plan,
	.run = write_file_run,
};
