/* test_show.c - what a person sees of a stranger's text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "cli/visible.h"

#include "base/banned.h"

static void look_alikes_are_told(void **state UNUSED)
{
	static const struct { const char *text, *want; } rows[] = {
		{ "plain text, 1 + 1", "plain text, 1 + 1" },
		{ "p\u0430ypal.com", "p<U+0430>ypal.com" },                /* Cyrillic a among ASCII */
		{ "\u0440\u0430\u0443", "<U+0440><U+0430><U+0443>" },      /* all of it passes for "pay" */
		{ "\u043f\u0440\u0438\u0432\u0435\u0442", "\u043f\u0440\u0438\u0432\u0435\u0442" }, /* a Russian word stays */
		{ "\u03bf\u03c1\u03b5\u03bd", "\u03bf\u03c1\u03b5\u03bd" },
		{ "r\u03bfot", "r<U+03BF>ot" },
		{ "\uff52\uff4d -rf", "<U+FF52><U+FF4D> -rf" },            /* full width */
		{ "rm\u00a0-rf", "rm<U+00A0>-rf" },
		{ "a\u2010b \u2215etc", "a<U+2010>b <U+2215>etc" },
		{ "\U0001d5cb\U0001d5c6", "<U+1D5CB><U+1D5C6>" },
		{ "gr\u00fc\u00df dich, \u65e5\u672c\u8a9e", "gr\u00fc\u00df dich, \u65e5\u672c\u8a9e" },
		{ "a\u202eb\u200bc\033[2J", "a<U+202E>b<U+200B>c\\x1b[2J" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_done) struct buf got = BUF_INIT(KIB(4));
		visible_text(str_of(rows[i].text), &got);
		if (strcmp(buf_text(&got), rows[i].want) != 0)
			fail_msg("row %zu: '%s', not '%s'", i, buf_text(&got), rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(look_alikes_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
