/* write_file: what it writes, what it keeps, and that a refusal changes nothing. */
#include "bench.h"

#include <dirent.h>

#include "base/banned.h"

static mode_t mode_of(const char *name)
{
	char path[512];
	struct stat st;

	in_workspace(name, path);
	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode;
}

static size_t entries(const char *path)
{
	size_t count = 0;
	DIR *dir = opendir(path);

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

static void writes(void **state)
{
	(void)state;
	put_file("old", STR("before"), 0750);
	put_file("private", STR("x"), 0600);
	put_dir("real");
	put_link("to-file", "old");
	put_link("to-dir", "real");
	put_link("to-nothing", "real/born");
	have_read("old");
	have_read("private");
	static const struct { struct row row; const char *file, *content; mode_t mode; } rows[] = {
		{ { "{\"path\":\"new\",\"content\":\"hi\\n\"}", 0, "new: wrote 3 bytes, a new file" }, "new", "hi\n", 0644 },
		{ { "{\"path\":\"new\",\"content\":\"hi\\n\"}", 0, "new: has exactly these 3 bytes already" }, "new", "hi\n", 0644 },
		{ { "{\"path\":\"new\",\"content\":\"ho\\n\"}", 0, "wrote 3 bytes in place of 3" }, "new", "ho\n", 0644 },
		{ { "{\"path\":\"old\",\"content\":\"\"}", 0, "old: wrote 0 bytes in place of 6" }, "old", "", 0750 },
		{ { "{\"path\":\"private\",\"content\":\"y\"}", 0, "in place of 1" }, "private", "y", 0600 },
		{ { "{\"path\":\"a/b/c\",\"content\":\"deep\"}", 0, "a new file" }, "a/b/c", "deep", 0644 },
		{ { "{\"path\":\"%W/real/x\",\"content\":\"x\"}", 0, "%W/real/x: wrote" }, "real/x", "x", 0644 },
		{ { "{\"path\":\"to-file\",\"content\":\"through\"}", 0, "in place of 0" }, "old", "through", 0750 },
		{ { "{\"path\":\"to-dir/y\",\"content\":\"y\"}", 0, "a new file" }, "real/y", "y", 0644 },
		{ { "{\"path\":\"to-nothing\",\"content\":\"b\"}", 0, "a new file" }, "real/born", "b", 0644 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		check_rows("write_file", &rows[i].row, 1);
		assert_true(file_is(rows[i].file, rows[i].content));
		assert_int_equal(mode_of(rows[i].file) & 07777, rows[i].mode);
	}
	assert_true(S_ISLNK(mode_of("to-file")) && S_ISLNK(mode_of("to-nothing")));
	assert_int_equal(entries(workspace), 8);  /* nothing temporary was left */
}

static void refuses_and_changes_nothing(void **state)
{
	char path[512], target[512];

	(void)state;
	put_dir("dir");
	put_dir("closed");
	put_file("locked", STR("keep"), 0444);
	put_file("closed/file", STR("keep"), 0644);
	put_link("out", outside);
	snprintf(target, sizeof target, "%s/new", outside);
	put_link("out-new", target);
	put_link("circle", "circle");
	in_workspace("pipe", path);
	assert_int_equal(mkfifo(path, 0666), 0);
	in_workspace("closed", path);
	assert_int_equal(chmod(path, 0555), 0);
	have_read("locked");
	have_read("closed/file");
	static const struct row rows[] = {
		{ "{\"path\":\"x\"}", -1, "/content: required: is missing" },
		{ "{\"path\":\"x/\",\"content\":\"\"}", -1, "names a directory: give the path of a file" },
		{ "{\"path\":\"no/x\",\"content\":\"\",\"create_dirs\":false}", 1, "no/x: there is no directory 'no'" },
		{ "{\"path\":\"dir\",\"content\":\"\"}", 1, "dir: is a directory" },
		{ "{\"path\":\".\",\"content\":\"\"}", 1, ".: is a directory" },
		{ "{\"path\":\"pipe\",\"content\":\"\"}", 1, "pipe: is a named pipe" },
		{ "{\"path\":\"locked\",\"content\":\"lost\"}", 1, "locked: no permission to write it" },
		{ "{\"path\":\"closed/new\",\"content\":\"\"}", 1, "cannot make a file in this directory: Permission denied" },
		{ "{\"path\":\"closed/file\",\"content\":\"\"}", 1, "cannot make a file in this directory: Permission denied" },
		{ "{\"path\":\"circle\",\"content\":\"\"}", 1, "lead in a circle" },
		{ "{\"path\":\"locked/x\",\"content\":\"\"}", 1, "is a file, not a directory" },
		{ "{\"path\":\"out/new\",\"content\":\"\"}", 1, "lies outside of the workspace" },
		{ "{\"path\":\"out-new\",\"content\":\"\"}", 1, "lies outside of the workspace" },
		{ "{\"path\":\"%O/new\",\"content\":\"\"}", 1, "lies outside of the workspace" },
		{ "{\"path\":\"../new\",\"content\":\"\"}", 1, "lies outside of the workspace" },
		{ "{\"path\":\"no/../../new\",\"content\":\"\"}", 1, "no such file or directory" },
	};
	check_rows("write_file", rows, COUNT(rows));
	assert_true(file_is("locked", "keep"));
	assert_true(file_is("closed/file", "keep"));
	assert_int_equal(entries(outside), 0);
	assert_int_equal(entries(workspace), 7);
	in_workspace("closed", path);
	assert_int_equal(chmod(path, 0755), 0);
}

/* The link `out` does lead out: without the guard a file appears there. */
static void the_link_does_lead_out(void **state)
{
	char path[512];

	(void)state;
	put_link("out", outside);
	in_workspace("out/new", path);
	AUTO(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(entries(outside), 1);
}

static void takes_any_text_up_to_the_bound(void **state)
{
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));
	AUTO(buf_done) struct buf content = BUF_INIT(MIB(2));
	AUTO(buf_done) struct buf read = BUF_INIT(MIB(2));
	char path[512];

	(void)state;
	for (size_t extra = 0; extra < 2; extra++) {
		buf_reset(&content);
		while (content.len < LIMIT_WRITE_FILE_BYTES + extra)
			buf_add_char(&content, content.len % 2 == 0 ? 'a' : '\0');
		AUTO(json_decrefp) json_t *object = json_object();
		json_put_text(object, "path", "big");
		json_put_str(object, "content", buf_str(&content));
		AUTO(freep) char *text = json_text(object);
		assert_int_equal(call("write_file", text, &said), extra == 0 ? 0 : -1);
	}
	assert_non_null(strstr(buf_text(&said), "/content: has 1048577 bytes: at most 1048576"));
	in_workspace("big", path);
	assert_int_equal(io_read_file(path, &read, NULL), 0);
	content.len--;
	assert_true(str_eq(buf_str(&read), buf_str(&content)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_and_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_link_does_lead_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(takes_any_text_up_to_the_bound, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
