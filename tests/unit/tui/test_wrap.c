/* test_wrap.c - lines broken between words: nothing is lost, nothing is wider than it must be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tui/columns.h"
#include "tui/wrap.h"

#include "base/banned.h"

static void rows(void **state UNUSED)
{
	static const struct { size_t columns; const char *text, *want; } table[] = {
		{ 10, "", "" },
		{ 10, "\n", "\n" },
		{ 10, "one two\n", "one two\n" },
		{ 10, "a   b\n\n  c\n", "a   b\n\n  c\n" },
		{ 10, "one two three four\n", "one two\n  three\n  four\n" },
		{ 10, "  one two three\n", "  one two\n    three\n" },
		{ 10, "one two    \n", "one two   \n" },
		{ 10, "one two three   \n", "one two\n  three   \n" },
		{ 5, "incredible\n", "incredible\n" },
		{ 5, "x incredible y\n", "x\n  incredible\n  y\n" },
		{ 10, "\033[1mone two three\033[0m\n", "\033[1mone two\n  three\033[0m\n" },
		{ 10, "日本語 日本語\n", "日本語\n  日本語\n" },
		{ 10, "no end here, none", "no end\n  here,\n  none\n" },
		{ 1, "a b\n", "a\nb\n" },
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		AUTO(buf_done) struct buf got = BUF_INIT(KIB(4));
		wrap_text(str_of(table[i].text), table[i].columns, &got);
		if (strcmp(buf_text(&got), table[i].want) != 0)
			fail_msg("row %zu: '%s', not '%s'", i, buf_text(&got), table[i].want);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
