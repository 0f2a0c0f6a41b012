/* test_table.c - what fits a width: texts are cut before columns go, columns go in their order, and no line is too wide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "cli/table.h"
#include "cli/text.h"

#include "base/banned.h"

static const struct table_column columns[] = { { "name", 0, 6 }, { "n", 2, 0 }, { "much", 1, 0 }, { "sum", 0, 0 }, { "why", 3, 5 } };

static void fill(struct table *t)
{
	table_add(t, (const char *[]){ "one", "1", "1000000", "$0.1", "because it is so" });
	table_add(t, (const char *[]){ "a longer name", "22", "2", "unknown", "\u65e5\u672c\u8a9e\u65e5\u672c\033" });
	table_add(t, (const char *[]){ "total", "23", NULL, "unknown", NULL });
}

static void it_fits(void **state UNUSED)
{
	static const struct { size_t width; const char *want; } rows[] = {
		{ SIZE_MAX, "name            n     much      sum  why\n"
		            "one             1  1000000     $0.1  because it is so\n"
		            "a longer name  22        2  unknown  \u65e5\u672c\u8a9e\u65e5\u672c\\x1b\n"
		            "total          23           unknown\n" },
		{ 45, "name            n     much      sum  why\n"
		      "one             1  1000000     $0.1  becau...\n"
		      "a longer name  22        2  unknown  \u65e5\u672c...\n"
		      "total          23           unknown\n" },
		{ 26, "name     n      sum  why\n"
		      "one      1     $0.1  be...\n"
		      "a l...  22  unknown  \u65e5...\n"
		      "total   23  unknown\n" },
		{ 22, "name        sum  why\n"
		      "one        $0.1  be...\n"
		      "a l...  unknown  \u65e5...\n"
		      "total   unknown\n" },
		{ 19, "name            sum\none            $0.1\na longe...  unknown\ntotal       unknown\n" },
		{ 15, "name        sum\n" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(table_freep) struct table *t = table_new(columns, COUNT(columns));
		AUTO(buf_done) struct buf got = BUF_INIT(KIB(64));
		fill(t);
		table_write(t, rows[i].width, "", "", &got);
		if (strncmp(buf_text(&got), rows[i].want, strlen(rows[i].want)) != 0)
			fail_msg("%zu: want\n%sgot\n%s", rows[i].width, rows[i].want, buf_text(&got));
	}
}

static void no_line_is_too_wide(void **state UNUSED)
{
	for (size_t width = 15; width < 80; width++) {
		AUTO(table_freep) struct table *t = table_new(columns, COUNT(columns));
		AUTO(buf_done) struct buf got = BUF_INIT(KIB(64));
		fill(t);
		table_write(t, width, "", "", &got);
		struct str rest = buf_str(&got), line;
		int lines = 0;
		while (str_next(&rest, '\n', &line)) {
			if (text_columns(line) > width)
				fail_msg("%zu: %.*s", width, STR_ARG(line));
			lines += line.len > 0;
		}
		assert_int_equal(lines, 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(it_fits), cmocka_unit_test(no_line_is_too_wide) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
