/* test_text.c - a stranger's text in a column: harmless, cut, padded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "cli/text.h"

#include "base/banned.h"

static void a_line_is_one_line_of_its_width(void **state UNUSED)
{
	static const struct { const char *text; size_t columns; const char *want; } rows[] = {
		{ "", 5, "" },
		{ "abc", 3, "abc" },
		{ "abcd", 3, "..." },
		{ "abcd", 2, ".." },
		{ "abcd", 0, "" },
		{ "  a\nb\tc \n", 9, "a b c" },
		{ "abcdefgh", 6, "abc..." },
		{ "\033[31mred", 12, "\\x1b[31mred" },
		{ "a\rb\x7f", 20, "a\\x0db\\x7f" },
		{ "a\u202eb", 20, "a<U+202E>b" },
		{ "\xff", 3, "\xef\xbf\xbd" },
		{ "日本語", 6, "日本語" },
		{ "日本語", 5, "日..." },
		{ "e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf got = BUF_INIT(KIB(4));
		text_add(&got, rows[i].text, rows[i].columns);
		if (strcmp(buf_text(&got), rows[i].want) != 0)
			fail_msg("row %zu: '%s', not '%s'", i, buf_text(&got), rows[i].want);
		assert_true(text_columns(buf_str(&got)) <= rows[i].columns);
		buf_done(&got);
	}
}

static void columns_are_filled(void **state UNUSED)
{
	static const struct { const char *text; size_t start, columns, want; } rows[] = {
		{ "ab", 0, 5, 5 }, { "ab", 2, 3, 5 }, { "日", 0, 5, 6 }, { "abcdef", 0, 3, 6 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf got = BUF_INIT(KIB(4));
		buf_add_text(&got, rows[i].text);
		text_pad(&got, rows[i].start, rows[i].columns);
		assert_int_equal(got.len, rows[i].want);
		buf_done(&got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_one_line_of_its_width),
		cmocka_unit_test(columns_are_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
