/* test_markdown.c - Markdown in, lines of a terminal out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/columns.h"
#include "tui/markdown.h"

#include "base/banned.h"

#define E "\033["

static void render(const char *text, size_t width, bool color, struct buf *got)
{
	struct markdown m;
	struct str rest = str_of(text), line;

	markdown_init(&m, width, color);
	while (str_next(&rest, '\n', &line))
		markdown_line(&m, line, got);
	markdown_end(&m, got);
	markdown_done(&m);
}

static void looks(void **state UNUSED)
{
	static const struct { const char *text; size_t width; bool color; const char *want; } rows[] = {
		{ "plain", 40, true, "plain\n" },
		{ "a **b** c", 40, true, "a " E "1mb" E "0m c\n" },
		{ "a **b** `c*d*`", 40, false, "a b `c*d*`\n" },
		{ "`a**b**`", 40, true, E "36ma**b**" E "0m\n" },
		{ "snake_case_name 2 * 3 * 4 **", 40, true, "snake_case_name 2 * 3 * 4 **\n" },
		{ "\\*no\\*", 40, true, "*no*\n" },
		{ "# Title", 40, true, E "1m" E "4mTitle" E "0m\n" },
		{ "# Title", 40, false, "# Title\n" },
		{ "- one\n  - two", 40, true, "\xe2\x80\xa2 one\n  \xe2\x80\xa2 two\n" },
		{ "- aaaa bbbb cccc dddd eeee", 20, false, "- aaaa bbbb cccc\n  dddd eeee\n" },
		{ "12. x", 40, true, "12. x\n" },
		{ "> said", 40, false, "> said\n" },
		{ "```c\nint **x;\n```\nafter", 40, false, "  c\n  int **x;\nafter\n" },
		{ "```diff\n+new\n-old\n```", 40, true, E "2m  diff" E "0m\n  " E "32m+new" E "0m\n  " E "31m-old" E "0m\n" },
		{ "[text](http://x)", 40, true, "text (" E "4mhttp://x" E "0m)\n" },
		{ "| a | bb |\n|---|----|\n| ccc | d |\nx", 40, false, "a    bb\nccc  d\nx\n" },
		{ "| name | what |\n|---|---|\n| long long long | very very long |", 20, false,
		  "- name: long long\n    long\n  what: very very\n    long\n" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaa", 20, false, "aaaaaaaaaaaaaaaaaaa\naaaaaa\n" },
		{ E "31mred\007\x7f\xc2\x9b" "2J", 40, true, "[31mred2J\n" },
		{ "", 40, true, "\n" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf got = BUF_INIT(KIB(16));
		render(rows[i].text, rows[i].width, rows[i].color, &got);
		if (strcmp(buf_text(&got), rows[i].want) != 0)
			fail_msg("row %zu:\n%s", i, buf_text(&got));
		buf_done(&got);
	}
}

static void diffs(void **state UNUSED)
{
	struct buf got = BUF_INIT(KIB(4));

	markdown_diff(STR("@@ -1 +1 @@\n-a\n+b\033[2J\n c"), "  ", 40, true, &got);
	assert_string_equal(buf_text(&got), "  " E "36m@@ -1 +1 @@" E "0m\n  " E "31m-a" E "0m\n  " E "32m+b[2J" E "0m\n   c\n");
	buf_done(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(looks), cmocka_unit_test(diffs) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
