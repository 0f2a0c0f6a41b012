/* test_columns.c - how wide text is, and where it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/columns.h"

#include "base/banned.h"

static void widths(void **state UNUSED)
{
	static const struct { const char *text; size_t want; } rows[] = {
		{ "", 0 },           { "abc", 3 },         { "\xe6\xbc\xa2\xe5\xad\x97", 4 }, { "e\xcc\x81", 1 },
		{ "\xc3\xa9", 1 },   { "\xf0\x9f\x98\x80", 2 }, { "\033[1mab\033[0m", 2 },    { "\xe2\x80\x8b", 0 },
		{ "\xff", 1 },       { "\xef\xbc\xa1", 2 }, { "\xd7\xa9\xd6\xbc", 1 },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (columns_of(str_of(rows[i].text)) != rows[i].want)
			fail_msg("row %zu: %zu columns", i, columns_of(str_of(rows[i].text)));
}

static void cuts(void **state UNUSED)
{
	static const struct { const char *text; size_t columns; const char *want; } rows[] = {
		{ "abc", 5, "abc" },                { "abc", 2, "ab" },
		{ "\xe6\xbc\xa2\xe5\xad\x97", 3, "\xe6\xbc\xa2" },
		{ "e\xcc\x81x", 1, "e\xcc\x81" },   { "\033[1mabc\033[0m", 2, "\033[1mab\033[0m" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf got = BUF_INIT(KIB(1));
		columns_cut(str_of(rows[i].text), rows[i].columns, &got);
		assert_string_equal(buf_text(&got), rows[i].want);
		buf_done(&got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(widths), cmocka_unit_test(cuts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
