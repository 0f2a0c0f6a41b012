/* test_live.c - a block of lines on a terminal: what is written for which change, and what one sees then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "cli/live.h"

#include "base/banned.h"

#define E "\033["

static void only_what_changed_is_written(void **state UNUSED)
{
	static const struct { const char *above, *lines[4]; size_t width; const char *want; } rows[] = {
		{ "", { "one", "two" }, 80, "one\ntwo\n" },
		{ "", { "one", "two" }, 80, "\r" E "2A\n\n" },
		{ "", { "one", "TWO" }, 80, "\r" E "2A\nTWO" E "K\n" },
		{ "", { "one", "TWO", "three" }, 80, "\r" E "2A\n\nthree\n" },
		{ "said\n", { "one" }, 80, "\r" E "3A" E "Jsaid\none\n" },
		{ "", { "one", "a longer line" }, 10, "\r" E "1A" E "Jone\na long...\n" },
		{ "", { "one" }, 10, "\r" E "2A\n" E "J" },
		{ "", { 0 }, 10, "\r" E "1A" E "J" },
		{ "", { 0 }, 10, "" },
		{ "plain\n", { 0 }, 10, "plain\n" },
		{ "", { "123456789" }, 12, "123456789\n" },
		{ "", { "123456789" }, 5, "\r" E "2A" E "J1...\n" },    /* two rows since the terminal is narrow */
	};
	static struct live live;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf got = BUF_INIT(KIB(4));
		size_t count = 0;
		while (count < COUNT(rows[i].lines) && rows[i].lines[count] != NULL)
			count++;
		live_show(&live, str_of(rows[i].above), rows[i].lines, count, rows[i].width, &got);
		if (strcmp(buf_text(&got), rows[i].want) != 0)
			fail_msg("row %zu: %zu bytes: %s", i, got.len, buf_text(&got));
		buf_done(&got);
	}
}

static void a_block_has_an_end(void **state UNUSED)
{
	static struct live live;
	const char *lines[LIVE_LINES + 5];
	struct buf got = BUF_INIT(KIB(4));

	for (size_t i = 0; i < COUNT(lines); i++)
		lines[i] = "x";
	live_show(&live, STR(""), lines, COUNT(lines), 80, &got);
	assert_int_equal(live.count, LIVE_LINES);
	assert_int_equal(got.len, 2 * LIVE_LINES);
	buf_done(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_changed_is_written),
		cmocka_unit_test(a_block_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
