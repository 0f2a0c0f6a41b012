/* search: what is found, what is passed over, bounds and refusals; and globs by themselves. */
#include "bench.h"

#include "tools/ignore.h"

#include "base/banned.h"

static void globs(void **state)
{
	static const struct { const char *pattern, *path; bool want; } rows[] = {
		{ "*.c", "main.c", true },         { "*.c", "main.h", false },      { "*.c", "src/main.c", false },
		{ "*", "", false },                { "", "", true },                { "a", "", false },
		{ "**", "a/b", true },             { "**/x", "x", true },           { "**/x", "a/b/x", true },
		{ "**/x", "a/xx", false },         { "a/**", "a/b/c", true },       { "a/**", "a", false },
		{ "a/**/b", "a/b", true },         { "a/**/b", "a/x/y/b", true },   { "a/**/b", "a/x/y/c", false },
		{ "a/**/b/**/c", "a/b/b/x/c", true }, { "a*b*c", "aXbXbc", true },  { "a*b*c", "aXbXb", false },
		{ "?", "\xc3\xa4", true },         { "?", "ab", false },            { "?", "/", false },
		{ "[a-c]x", "bx", true },          { "[a-c]x", "dx", false },       { "[!a-c]x", "dx", true },
		{ "[^a]", "a", false },            { "[]]", "]", true },            { "[a-]", "-", true },
		{ "[a", "[a", true },              { "\\*", "*", true },            { "\\*", "x", false },
		{ "a\\", "a\\", true },            { "src/*.c", "src/a.c", true },  { "src/*.c", "src/b/a.c", false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (ignore_glob(rows[i].pattern, rows[i].path) != rows[i].want)
			fail_msg("'%s' '%s'", rows[i].pattern, rows[i].path);
}

/* Many stars against a name that nearly matches: a matcher that goes back to every star never ends. */
static void globs_take_bounded_time(void **state)
{
	char name[256] = { 0 };
	int64_t before = clock_mono_ms();

	(void)state;
	for (size_t i = 0; i < 255; i++)
		name[i] = 'a';
	assert_false(ignore_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
	assert_false(ignore_glob("**/a/**/a/**/a/**/a/**/a/**/b", "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"));
	assert_true(clock_mono_ms() - before < 1000);
}

static void finds(void **state)
{
	(void)state;
	put_dir("src");
	put_dir("src/sub");
	put_dir(".git");
	put_file("src/a.c", STR("int needle;\r\nint other;\n"), 0644);
	put_file("src/sub/b.h", STR("x\n\n  Needle(1)\nneedle"), 0644);
	put_file("top.md", STR("a needle here\n"), 0644);
	put_file(".git/config", STR("needle\n"), 0644);
	put_file("blob", STR("needle\0\n"), 0644);
	put_file("latin", STR("\xe9 needle\n"), 0644);
	put_link("out", outside);
	put_link("self", ".");
	static const struct row rows[] = {
		{ "{\"pattern\":\"needle\"}", 0, "4 matching lines in 4 of 4 files\nlatin:1:\xe9 needle\nsrc/a.c:1:int needle;\n"
		                                 "src/sub/b.h:4:needle\ntop.md:1:a needle here\n" },
		{ "{\"pattern\":\"(?i)needle\\\\(\"}", 0, "1 matching line in 1 of 4 files\nsrc/sub/b.h:3:  Needle(1)\n" },
		{ "{\"pattern\":\"needle;$\"}", 0, "1 matching line" },   /* the CR is no part of the line */
		{ "{\"pattern\":\"^$\"}", 0, "src/sub/b.h:2:\n" },
		{ "{\"pattern\":\"other.*x\"}", 0, "0 matching lines in 0 of 4 files\n" },
		{ "{\"pattern\":\"needle\",\"path\":\"src\"}", 0, "2 matching lines in 2 of 2 files\nsrc/a.c:1:" },
		{ "{\"pattern\":\"needle\",\"path\":\"src/a.c\"}", 0, "1 matching line in 1 of 1 file\nsrc/a.c:1:" },
		{ "{\"pattern\":\"needle\",\"glob\":\"*.h\"}", 0, "1 matching line in 1 of 1 file\nsrc/sub/b.h:4:" },
		{ "{\"pattern\":\"needle\",\"glob\":\"src/**\"}", 0, "in 2 of 2 files" },
		{ "{\"pattern\":\"needle\",\"glob\":\"src/*\"}", 0, "in 1 of 1 file\n" },
		{ "{\"pattern\":\"needle\",\"path\":\"blob\"}", 0, "0 matching lines in 0 of 0 files" },
		{ "{\"pattern\":\"(\"}", -1, "/pattern: is no regular expression at offset 1: missing closing parenthesis" },
		{ "{\"pattern\":\"\"}", -1, "/pattern: minLength" },
		{ "{\"pattern\":\"x\",\"path\":\"out\"}", 1, "lies outside of the workspace" },
		{ "{\"pattern\":\"x\",\"path\":\"nowhere\"}", 1, "nowhere: there is no such file or directory" },
	};
	check_rows("search", rows, COUNT(rows));
}

static void passes_over_what_git_ignores(void **state)
{
	(void)state;
	put_dir("build");
	put_dir("src");
	put_dir("src/gen");
	put_dir("src/tmp");
	put_file(".gitignore", STR("# comment\n\nbuild/\n*.log\n!keep.log\n/only-top\nsrc/gen/*.c\r\n  \n"), 0644);
	put_file("src/.gitignore", STR("tmp\n!src.log\n"), 0644);
	static const char *const names[] = {
		"build/x", "a.log", "keep.log", "only-top", "src/only-top", "src/gen/y.c", "src/gen/y.h", "src/tmp/z",
		"src/src.log", "src/b.log", "src/plain", "src/build",
	};
	for (size_t i = 0; i < COUNT(names); i++)
		put_file(names[i], STR("needle\n"), 0644);
	static const struct row rows[] = {
		{ "{\"pattern\":\"needle\"}", 0, "6 matching lines in 6 of 8 files\nkeep.log:1:needle\nsrc/build:1:needle\nsrc/gen/y.h:1:needle\n"
		  "src/only-top:1:needle\nsrc/plain:1:needle\nsrc/src.log:1:needle\n" },
		/* the rules of the directories above hold, too */
		{ "{\"pattern\":\"needle\",\"path\":\"src/gen\"}", 0, "1 matching line in 1 of 1 file\nsrc/gen/y.h:1:" },
		/* what is asked for by name is searched */
		{ "{\"pattern\":\"needle\",\"path\":\"build\"}", 0, "build/x:1:needle" },
		{ "{\"pattern\":\"needle\",\"path\":\"a.log\"}", 0, "a.log:1:needle" },
	};
	check_rows("search", rows, COUNT(rows));
}

static void bounds(void **state)
{
	AUTO(buf_done) struct buf many = BUF_INIT(MIB(16)), said = BUF_INIT(MIB(1));
	char path[512];

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_printf(&many, "needle %d\n", i);
	put_file("many", buf_str(&many), 0644);
	assert_int_equal(call("search", "{\"pattern\":\"needle\"}", &said), 0);
	assert_true(str_starts(buf_str(&said), STR("the first 200 matching lines in 1 of 1 file; there may be more: narrow")));
	assert_non_null(strstr(buf_text(&said), "many:200:"));
	assert_null(strstr(buf_text(&said), "many:201:"));

	buf_reset(&many);
	for (int i = 0; i < 2000; i++)
		buf_add_text(&many, "\xc3\xa4");
	buf_printf(&many, "needle%.*s\n", 500, buf_text(&many));
	put_file("many", buf_str(&many), 0644);
	assert_int_equal(call("search", "{\"pattern\":\"needle\"}", &said), 0);
	assert_true(said.len < 400);
	assert_non_null(strstr(buf_text(&said), "many:1:...\xc3\xa4"));
	assert_non_null(strstr(buf_text(&said), "\xc3\xa4needle\xc3\xa4"));

	in_workspace("huge", path);
	put_file("huge", STR("needle\n"), 0644);
	assert_int_equal(truncate(path, (off_t)LIMIT_SEARCH_FILE_BYTES + 1), 0);
	put_file("closed", STR("needle\n"), 0000);
	assert_int_equal(call("search", "{\"pattern\":\"needle\"}", &said), 0);
	assert_true(str_starts(buf_str(&said), STR("1 matching line in 1 of 1 file; 1 of more than 8 MiB not searched; no permission to read 1\n")));

	put_file("many", STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\n"), 0644);
	assert_int_equal(call("search", "{\"pattern\":\"^(a+)+$\"}", &said), 1);
	assert_string_equal(buf_text(&said), "the pattern takes too long at many, line 1: make it simpler, without a repeat within a repeat\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(globs),
		cmocka_unit_test(globs_take_bounded_time),
		cmocka_unit_test_setup_teardown(finds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(passes_over_what_git_ignores, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bounds, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
