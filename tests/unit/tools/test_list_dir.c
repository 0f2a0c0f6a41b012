/* list_dir: what is shown of each kind of file, depth, bounds and refusals. */
#include "bench.h"

#include "base/banned.h"

static void lists(void **state)
{
	char path[512];

	(void)state;
	put_dir("src");
	put_dir("src/deep");
	put_dir("src/deep/er");
	put_dir(".git");
	put_dir("none");
	put_file("src/main.c", STR("12345"), 0644);
	put_file("src/deep/x", STR(""), 0644);
	put_file(".git/config", STR(""), 0644);
	put_file("run", STR("#!"), 0755);
	put_file("odd\nname\x1b", STR(""), 0644);
	put_link("etc", "/etc");
	in_workspace("pipe", path);
	assert_int_equal(mkfifo(path, 0644), 0);
	static const struct row rows[] = {
		{ "{}", 0, ".: 7 entries\n.git/\netc -> /etc\nnone/\nodd\\x0aname\\x1b  0 bytes\npipe  named pipe\n"
		           "run  2 bytes, executable\nsrc/\n" },
		{ "{\"path\":\"src\"}", 0, "src: 2 entries\ndeep/\nmain.c  5 bytes\n" },
		{ "{\"path\":\"src\",\"depth\":2}", 0, "src: 4 entries\ndeep/\ndeep/er/\ndeep/x  0 bytes\nmain.c  5 bytes\n" },
		{ "{\"depth\":8}", 0, ".git/\netc -> /etc\nnone/\n" }, /* neither .git nor a link is gone into */
		{ "{\"depth\":8}", 0, "\nsrc/deep/er/\nsrc/deep/x  0 bytes\nsrc/main.c  5 bytes\n" },
		{ "{\"path\":\"none\"}", 0, "none: an empty directory\n" },
		{ "{\"path\":\"%W/src/deep/..\"}", 0, "2 entries\ndeep/" },
		{ "{\"path\":\"run\"}", 1, "run: is no directory; read_file shows" },
		{ "{\"path\":\"scr\"}", 1, "scr: there is no such file; did you mean 'src'?" },
		{ "{\"path\":\"etc\"}", 1, "etc: lies outside of the workspace" },
		{ "{\"path\":\"..\"}", 1, "lies outside of the workspace" },
		{ "{\"path\":\"/\"}", 1, "lies outside of the workspace" },
		{ "{\"depth\":9}", -1, "/depth: maximum: is 9; must be at most 8" },
		{ "{\"path\":\"\"}", -1, "/path: minLength" },
	};
	check_rows("list_dir", rows, COUNT(rows));
}

static void closed_directories_are_said(void **state)
{
	static const struct row rows[] = {
		{ "{\"depth\":2}", 0, ".: 1 entry; no permission to look into 1 directory\nclosed/\n" },
		{ "{\"path\":\"closed\"}", 1, "closed: no permission to read it" },
	};
	char path[512];

	(void)state;
	put_dir("closed");
	in_workspace("closed", path);
	assert_int_equal(chmod(path, 0000), 0);
	check_rows("list_dir", rows, COUNT(rows));
	assert_int_equal(chmod(path, 0700), 0);
}

static void many_entries_are_bounded(void **state)
{
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));
	char name[64];

	(void)state;
	for (int i = 0; i < LIMIT_LIST_ENTRIES + 5; i++) {
		snprintf(name, sizeof name, "f%04d", i);
		put_file(name, STR(""), 0644);
	}
	assert_int_equal(call("list_dir", "{}", &said), 0);
	assert_true(said.len <= LIMIT_CALL_OUTPUT_BYTES);
	assert_true(str_starts(buf_str(&said), STR(".: the first 1000 entries; there are more")));
	assert_non_null(strstr(buf_text(&said), "f0999"));
	assert_null(strstr(buf_text(&said), "f1000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lists, set_up, tear_down),
		cmocka_unit_test_setup_teardown(closed_directories_are_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_entries_are_bounded, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
