/* list_dir.c - the tool `list_dir`: what is in a directory, one path a line. It refuses to follow links
 * and to go into .git. */
#include "tools/inside.h"
#include "tools/rows.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/io.h"
#include "base/banned.h"

static int list_dir_plan(const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err)
{
	(void)workspace;
	int r = place_lint(args, "path", err);
	return r < 0 ? r : plan_builtin(&tool_list_dir, ret);
}

struct list {
	struct buf text;
	size_t shown, left_out, closed;
};

static void show_link(int dir, const char *name, struct buf *ret)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof target - 1);

	if (n < 0)
		return;
	target[n] = '\0';
	buf_add_text(ret, " -> ");
	show_name(target, ret);
}

static void show_entry(int dir, const char *prefix, const char *name, const struct stat *st, struct list *list)
{
	AUTO(buf_done) struct buf line = BUF_INIT(MIB(1));

	show_name(prefix, &line);
	show_name(name, &line);
	if (S_ISDIR(st->st_mode))
		buf_add_char(&line, '/');
	else if (S_ISLNK(st->st_mode))
		show_link(dir, name, &line);
	else if (S_ISREG(st->st_mode))
		buf_printf(&line, "  %lld bytes%s", (long long)st->st_size,
		           (st->st_mode & 0111) != 0 ? ", executable" : "");
	else
		buf_add_text(&line, S_ISFIFO(st->st_mode)   ? "  named pipe"
		                    : S_ISSOCK(st->st_mode) ? "  socket"
		                                            : "  device");
	buf_add_char(&line, '\n');
	if (list->shown >= LIMIT_LIST_ENTRIES || buf_add_str(&list->text, buf_str(&line)) < 0)
		list->left_out++;
	else
		list->shown++;
}

static void list_below(int dir, const char *prefix, int64_t depth, struct list *list)
{
	AUTO(names_done) struct names names = { 0 };

	if (names_read(dir, LIMIT_DIR_ENTRIES, &names) < 0) {
		list->closed++;
		return;
	}
	list->left_out += names.more;
	for (size_t i = 0; i < names.count; i++) {
		struct stat st;
		if (fstatat(dir, names.list[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* gone since */
		show_entry(dir, prefix, names.list[i], &st, list);
		if (depth <= 1 || !S_ISDIR(st.st_mode) || strcmp(names.list[i], ".git") == 0 || list->left_out > 0)
			continue;
		AUTO(fd_closep) int below = open_below(dir, names.list[i], O_RDONLY | O_DIRECTORY);
		AUTO(freep) char *longer = xasprintf("%s%s/", prefix, names.list[i]);
		if (below < 0)
			list->closed++;
		else
			list_below(below, longer, depth - 1, list);
	}
}

static int answer_list(const struct place *place, struct list *list)
{
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));

	buf_printf(&said, "%s: ", place->given);
	if (list->shown == 0 && list->closed == 0)
		buf_add_text(&said, "an empty directory");
	else
		buf_printf(&said, "%s%zu %s", list->left_out > 0 ? "the first " : "", list->shown,
		           list->shown == 1 ? "entry" : "entries");
	if (list->left_out > 0)
		buf_add_text(&said, "; there are more: list a directory below this one, or with a smaller depth");
	if (list->closed > 0)
		buf_printf(&said, "; no permission to look into %zu %s", list->closed,
		           list->closed == 1 ? "directory" : "directories");
	buf_add_char(&said, '\n');
	buf_add_str(&said, buf_str(&list->text));
	return answer(&said);
}

static int list_dir_run(const json_t *args, const char *workspace)
{
	AUTO(place_done) struct place place = PLACE_NONE;
	struct list list = { .text = BUF_INIT(LIMIT_READ_SHOWN_BYTES) };
	struct err err = ERR_NONE;
	const char *path = json_get_text(args, "path", ".");

	if (place_find(workspace, path, &place, &err) < 0)
		return refuse(&err);
	if (!place.exists) {
		(void)place_missing(&place, &err);
		return refuse(&err);
	}
	if (!S_ISDIR(place.st.st_mode)) {
		err_set(&err, ENOTDIR, "%s: is no directory; read_file shows what is in a file", place.given);
		return refuse(&err);
	}
	AUTO(fd_closep) int dir = place_open(&place, O_RDONLY | O_DIRECTORY, &err);
	if (dir < 0)
		return refuse(&err);
	list_below(dir, "", arg_int(args, "depth", 1), &list);
	int status = answer_list(&place, &list);
	buf_done(&list.text);
	return status;
}

_Static_assert(LIMIT_LIST_DEPTH == 8, "the schema tells the maximum");

static const char schema[] =
	"{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
	"\"path\":{\"type\":\"string\",\"minLength\":1,\"default\":\".\","
	"\"description\":\"relative to the workspace, or absolute; the workspace itself where none is given\"},"
	"\"depth\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":8,\"default\":1,"
	"\"description\":\"how many levels of directories\"}}}";

const struct tool tool_list_dir = {
	.name = "list_dir",
	.about = "Lists a directory in the workspace: one path a line, directories with '/' at the end, files with "
		 "their size.",
	.category = "read",
	.risk = "low",
	.permissions = "fs.read",
	.nature = NATURE_PURE,
	.schema = schema,
	.plan = list_dir_plan,
	.run = list_dir_run,
};
