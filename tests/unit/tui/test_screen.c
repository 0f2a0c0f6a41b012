/* test_screen.c - what is written for which change of the block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/screen.h"

#include "base/banned.h"

#define E "\033["

static void only_what_changed_is_written(void **state UNUSED)
{
	static const struct { const char *above, *lines[4]; size_t width, row, column; const char *want; } rows[] = {
		{ "", { "one", "two" }, 80, 1, 2, "one\r\ntwo\r" E "2C" },
		{ "", { "one", "two" }, 80, 1, 2, "" },
		{ "", { "one", "TWO" }, 80, 1, 3, "\r" E "1A\r\nTWO" E "K\r" E "3C" },
		{ "", { "one", "TWO" }, 80, 0, 0, "\r" E "1A\r\n" E "1A\r" },
		{ "said\n", { "one" }, 80, 0, 0, "\r" E "Jsaid\none\r" },
		{ "", { "a longer line" }, 10, 0, 0, "\r" E "Ja longer \r" },
		{ "", { 0 }, 10, 0, 0, "\r" E "J" },
		{ "plain\n", { 0 }, 10, 0, 0, "plain\n" },
	};
	struct screen s = { 0 };

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf got = BUF_INIT(KIB(4));
		struct screen_look look = { .above = str_of(rows[i].above), .lines = rows[i].lines, .width = rows[i].width,
		                            .row = rows[i].row, .column = rows[i].column };
		while (look.count < COUNT(rows[i].lines) && rows[i].lines[look.count] != NULL)
			look.count++;
		screen_show(&s, &look, &got);
		if (strcmp(buf_text(&got), rows[i].want) != 0)
			fail_msg("row %zu: %s", i, buf_text(&got));
		buf_done(&got);
	}
	screen_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(only_what_changed_is_written) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
