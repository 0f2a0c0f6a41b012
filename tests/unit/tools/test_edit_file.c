/* edit_file: exact replacement, and that every refusal leaves the file as it was. */
#include "bench.h"

#include "base/banned.h"

static void edits(void **state)
{
	static const struct { const char *before; struct row row; const char *after; } rows[] = {
		{ "one\ntwo\n", { "{\"path\":\"f\",\"old\":\"two\",\"new\":\"2\"}", 0, "f: replaced 1 place, at line 2; now 6 bytes\n" }, "one\n2\n" },
		{ "one\ntwo\n", { "{\"path\":\"f\",\"old\":\"one\\ntwo\\n\",\"new\":\"\"}", 0, "now 0 bytes" }, "" },
		{ "a b a\na", { "{\"path\":\"f\",\"old\":\"a\",\"new\":\"aa\",\"all\":true}", 0, "replaced 3 places, at lines 1, 1, 2" }, "aa b aa\naa" },
		{ "aaa", { "{\"path\":\"f\",\"old\":\"aa\",\"new\":\"b\",\"all\":true}", 0, "1 place" }, "ba" },
		{ "x $1 \\0 &", { "{\"path\":\"f\",\"old\":\"$1 \\\\0 &\",\"new\":\"& \\\\1\"}", 0, "1 place" }, "x & \\1" },
		{ "\xc3\xa4\xff" "b", { "{\"path\":\"f\",\"old\":\"b\",\"new\":\"\xc3\xbc\"}", 0, "1 place" }, "\xc3\xa4\xff\xc3\xbc" },
		/* lines that end in CR LF go on doing so */
		{ "a\r\nb\r\nc\r\n", { "{\"path\":\"f\",\"old\":\"a\\nb\",\"new\":\"x\\ny\\nz\"}", 0, "1 place" }, "x\r\ny\r\nz\r\nc\r\n" },
		{ "a\r\nb\r\n", { "{\"path\":\"f\",\"old\":\"a\",\"new\":\"x\\ny\"}", 0, "1 place" }, "x\r\ny\r\nb\r\n" },
		{ "a\r\nb\nc\n", { "{\"path\":\"f\",\"old\":\"b\\nc\",\"new\":\"d\"}", 0, "at line 2" }, "a\r\nd\n" },
		{ "a\r\nb\r\n", { "{\"path\":\"f\",\"old\":\"a\\r\\n\",\"new\":\"\"}", 0, "1 place" }, "b\r\n" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		put_file("f", str_of(rows[i].before), 0640);
		json_object_clear(seen);     /* each row is another task */
		check_rows("edit_file", &rows[i].row, 1);
		if (!file_is("f", rows[i].after))
			fail_msg("row %zu: the file is something else", i);
	}
}

static void refuses_and_changes_nothing(void **state)
{
	static const char text[] = "int main(void)\n{\n\tcall();\n\tcall();\n}\n";
	static const struct row rows[] = {
		{ "{\"path\":\"f\",\"new\":\"\"}", -1, "/old: required" },
		{ "{\"path\":\"f\",\"old\":\"\",\"new\":\"x\"}", -1, "/old: minLength" },
		{ "{\"path\":\"f\",\"old\":\"x\",\"new\":\"x\"}", -1, "/new: is the same as old" },
		{ "{\"path\":\"f\",\"old\":\"call();\",\"new\":\"x\"}", 1, "f: old is in the file 2 times, at lines 3, 4: add lines around it" },
		{ "{\"path\":\"f\",\"old\":\"nowhere\",\"new\":\"x\"}", 1, "f: old is not in the file: read the file again" },
		{ "{\"path\":\"f\",\"old\":\"nowhere\",\"new\":\"x\",\"all\":true}", 1, "old is not in the file" },
		{ "{\"path\":\"f\",\"old\":\"    call();\\n    other();\",\"new\":\"x\"}", 1, "line 3 begins alike, but white space" },
		{ "{\"path\":\"f\",\"old\":\"Call\",\"new\":\"x\"}", 1, "old is not in the file" },
		{ "{\"path\":\"same\",\"old\":\"aa\",\"new\":\"x\"}", 1, "same: old is in the file 2 times, at lines 1, 1" },
		{ "{\"path\":\"missing\",\"old\":\"a\",\"new\":\"b\"}", 1, "missing: there is no such file" },
		{ "{\"path\":\".\",\"old\":\"a\",\"new\":\"b\"}", 1, "is a directory" },
		{ "{\"path\":\"locked\",\"old\":\"keep\",\"new\":\"b\"}", 1, "locked: no permission to write it" },
		{ "{\"path\":\"out/f\",\"old\":\"a\",\"new\":\"b\"}", 1, "lies outside of the workspace" },
	};
	char target[512];

	(void)state;
	put_file("f", str_of(text), 0644);
	put_file("same", STR("aaa"), 0644);
	put_file("locked", STR("keep"), 0444);
	put_link("out", outside);
	snprintf(target, sizeof target, "%s/f", outside);
	AUTO(fd_closep) int fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_int_equal(io_write_all(fd, "a", 1), 0);
	check_rows("edit_file", rows, COUNT(rows));
	assert_true(file_is("f", text));
	assert_true(file_is("same", "aaa"));
	assert_true(file_is("locked", "keep"));
	assert_true(file_is("out/f", "a"));
}

static void size_is_bounded(void **state)
{
	AUTO(buf_done) struct buf big = BUF_INIT(MIB(16));
	struct row too_big = { "{\"path\":\"f\",\"old\":\"b\",\"new\":\"c\"}", 1, "f: more than 8 MiB, which is too much to edit here" };
	struct row grows = { "{\"path\":\"f\",\"old\":\"b\",\"new\":\"cc\"}", 1, "f: would have more than 8 MiB" };

	(void)state;
	for (size_t i = 1; i < LIMIT_EDIT_FILE_BYTES; i++)
		buf_add_char(&big, 'a');
	buf_add_char(&big, 'b');
	put_file("f", buf_str(&big), 0644);
	check_rows("edit_file", &grows, 1);
	buf_add_char(&big, 'x');
	put_file("f", buf_str(&big), 0644);
	check_rows("edit_file", &too_big, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(edits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_and_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(size_is_bounded, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
