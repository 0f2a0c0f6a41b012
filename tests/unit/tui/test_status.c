/* test_status.c - the status line at all widths: what matters most stays longest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "tui/columns.h"
#include "tui/status.h"

#include "base/banned.h"

static const struct status_part chat[] = {
	{ "fix-tests", 4 }, { "openai/gpt-5", 2 }, { "$0.0123 of $0.50", 5 }, { "", 9 }, { NULL, 9 }, { "works", 6 }, { "2 waiting", 3 },
	{ "Esc stops", 4 },
};

static void it_gives_way_by_weight(void **state UNUSED)
{
	static const struct { size_t columns; const char *want; } rows[] = {
		{ 79, "fix-tests · openai/gpt-5 · $0.0123 of $0.50 · works · 2 waiting · Esc stops" },
		{ 75, "fix-tests · openai/gpt-5 · $0.0123 of $0.50 · works · 2 waiting · Esc stops" },
		{ 74, "fix-tests · $0.0123 of $0.50 · works · 2 waiting · Esc stops" },
		{ 59, "fix-tests · $0.0123 of $0.50 · works · Esc stops" },
		{ 39, "fix-tests · $0.0123 of $0.50 · works" },
		{ 30, "$0.0123 of $0.50 · works" },
		{ 20, "works" },
		{ 3, "wor" },
		{ 0, "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_done) struct buf got = BUF_INIT(KIB(4));
		status_line(chat, COUNT(chat), rows[i].columns, &got);
		assert_string_equal(buf_text(&got), rows[i].want);
	}
}

static void it_is_never_wider(void **state UNUSED)
{
	static const struct status_part wide[] = { { "日本語の名前", 1 }, { "模型", 1 }, { "\xf0\x9f\x98\x80", 3 } };

	for (size_t columns = 0; columns < 100; columns++) {
		AUTO(buf_done) struct buf one = BUF_INIT(KIB(4)), two = BUF_INIT(KIB(4));
		status_line(chat, COUNT(chat), columns, &one);
		status_line(wide, COUNT(wide), columns, &two);
		assert_true(columns_of(buf_str(&one)) <= columns);
		assert_true(columns_of(buf_str(&two)) <= columns);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gives_way_by_weight),
		cmocka_unit_test(it_is_never_wider),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
