/* What a task has seen of files: who may write what, when another one wrote in between; and the memory file itself. */
#include "bench.h"

#include <sys/file.h>

#include "base/banned.h"

/* One word is one thing that happens: "read:f", "other:f" (somebody else writes), "gone:f", or a call. */
struct story {
	const char *before;          /* words */
	const char *tool;
	struct row row;
	const char *after;           /* of f; NULL: it is not there */
};

static void play(const char *words)
{
	struct str rest = str_of(words), word;
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));
	char path[512], args[512];

	while (rest.len > 0 && str_next(&rest, ' ', &word)) {
		AUTO(freep) char *name = xstrndup(word.ptr + 6, word.len - 6);
		in_workspace(name, path);
		if (str_starts(word, STR("reads:"))) {
			snprintf(args, sizeof args, "{\"path\":\"%s\"}", name);
			(void)call("read_file", args, &said);
		} else if (str_starts(word, STR("other:"))) {
			put_file(name, STR("other"), 0644);
		} else if (str_starts(word, STR("gone_:"))) {
			assert_int_equal(unlink(path), 0);
		} else if (str_starts(word, STR("wrote:"))) {
			snprintf(args, sizeof args, "{\"path\":\"%s\",\"content\":\"mine\"}", name);
			assert_int_equal(call("write_file", args, &said), 0);
		} else {
			fail_msg("%s", words);
		}
	}
}

#define WRITE "{\"path\":\"f\",\"content\":\"new\"}"
#define EDIT "{\"path\":\"f\",\"old\":\"o\",\"new\":\"0\"}"
#define PATCH "{\"patch\":\"--- a/f\\n+++ b/f\\n@@ -1 +1 @@\\n-other\\n\\\\ No newline at end of file\\n+new\\n\\\\ No newline at end of file\\n\"}"
#define MAKE "{\"patch\":\"--- /dev/null\\n+++ b/f\\n@@ -0,0 +1 @@\\n+new\\n\\\\ No newline at end of file\\n\"}"

static void stories(void **state)
{
	static const struct story rows[] = {
		{ "", "write_file", { WRITE, 0, "a new file" }, "new" },
		{ "other:f", "write_file", { WRITE, 1, "f: nothing was changed: it exists, and this task has not read it; read it first" }, "other" },
		{ "other:f reads:f", "write_file", { WRITE, 0, "in place of 5" }, "new" },
		{ "wrote:f", "write_file", { WRITE, 0, "in place of 4" }, "new" },
		{ "wrote:f other:f", "write_file", { WRITE, 1, "it was changed since this task last read or wrote it" }, "other" },
		{ "wrote:f other:f reads:f", "write_file", { WRITE, 0, "in place of 5" }, "new" },
		{ "wrote:f gone_:f", "write_file", { WRITE, 1, "f: nothing was changed: it was deleted since" }, NULL },
		{ "wrote:f gone_:f reads:f", "write_file", { WRITE, 0, "a new file" }, "new" },
		{ "reads:f other:f", "write_file", { WRITE, 1, "it was made since" }, "other" },
		{ "other:f reads:f", "write_file", { "{\"path\":\"./d/../f\",\"content\":\"new\"}", 1, "no such file" }, "other" },
		{ "other:f reads:f", "write_file", { "{\"path\":\"%W/./f\",\"content\":\"new\"}", 0, "in place of 5" }, "new" },
		/* the same bytes again change nothing, and may come after a crash */
		{ "other:f", "write_file", { "{\"path\":\"f\",\"content\":\"other\"}", 0, "exactly these 5 bytes already" }, "other" },
		/* an exact match is evidence, but not against what was seen */
		{ "other:f", "edit_file", { EDIT, 0, "replaced 1 place" }, "0ther" },
		{ "wrote:f other:f", "edit_file", { EDIT, 1, "it was changed since" }, "other" },
		{ "other:f reads:f", "edit_file", { EDIT, 0, "replaced 1 place" }, "0ther" },
		{ "other:f", "apply_patch", { PATCH, 0, "f: 1 hunk, +1 -1 lines" }, "new" },
		{ "wrote:f other:f", "apply_patch", { PATCH, 1, "it was changed since" }, "other" },
		{ "other:f reads:f", "apply_patch", { PATCH, 0, "1 hunk" }, "new" },
		{ "wrote:f gone_:f", "apply_patch", { MAKE, 1, "it was deleted since" }, NULL },
		{ "", "apply_patch", { MAKE, 0, "a new file" }, "new" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char path[512];
		set_up(state);
		play(rows[i].before);
		check_rows(rows[i].tool, &rows[i].row, 1);
		in_workspace("f", path);
		if (rows[i].after == NULL ? access(path, F_OK) == 0 : !file_is("f", rows[i].after))
			fail_msg("row %zu: f is something else", i);
		tear_down(state);
	}
}

static void a_write_is_seen_by_the_next(void **state)
{
	static const struct row rows[] = {
		{ "{\"path\":\"f\",\"old\":\"mine\",\"new\":\"a\"}", 0, "replaced" },
		{ "{\"path\":\"f\",\"old\":\"a\",\"new\":\"b\"}", 0, "replaced" },
	};
	static const struct row whole = { WRITE, 0, "in place of 1" };

	(void)state;
	play("wrote:f");
	check_rows("edit_file", rows, COUNT(rows));
	check_rows("write_file", &whole, 1);
}

static void the_lock_is_waited_for_and_not_for_ever(void **state)
{
	static const struct row refused = { WRITE, 1, "nothing was changed: something else holds the lock of the workspace" };
	static const struct row done = { WRITE, 0, "a new file" };

	(void)state;
	AUTO(fd_closep) int fd = open(workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	check_rows("write_file", &refused, 1);
	assert_int_equal(flock(fd, LOCK_UN), 0);
	check_rows("write_file", &done, 1);
}

/* Only whole and well-formed records count; one that is not, and none does. */
static void nothing_else_is_believed(void **state)
{
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NONE "----------------------------------------------------------------"
	static const struct { struct str bytes; size_t want; } rows[] = {
		{ STR(""), 0 },
		{ STR(HEX " f\0"), 1 },
		{ STR(NONE " f\0" HEX " a b\nc\0"), 2 },
		{ STR(HEX " f"), 0 },
		{ STR(HEX " \0"), 0 },
		{ STR(HEX "_f\0"), 0 },
		{ STR("X123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef f\0"), 0 },
		{ STR(HEX " f\0" HEX), 0 },
		{ STR(HEX " f\0\0"), 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(fd_closep) int fd = -1;
		int64_t from;
		assert_int_equal(seen_open(NULL, &fd, &from, NULL), 0);
		assert_int_equal(io_write_all(fd, rows[i].bytes.ptr, rows[i].bytes.len), 0);
		AUTO(json_decrefp) json_t *files = seen_collect(fd, from);
		if (json_array_size(files) != rows[i].want)
			fail_msg("row %zu: %zu records", i, json_array_size(files));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stories),
		cmocka_unit_test_setup_teardown(a_write_is_seen_by_the_next, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_lock_is_waited_for_and_not_for_ever, set_up, tear_down),
		cmocka_unit_test(nothing_else_is_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
