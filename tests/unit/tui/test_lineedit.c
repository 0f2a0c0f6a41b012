/* test_lineedit.c - keys in, line out; and how it looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/lineedit.h"

#include "base/banned.h"

static void press(struct lineedit *e, const char *bytes)
{
	struct keys k;
	enum key key;

	keys_init(&k);
	keys_add(&k, str_of(bytes));
	for (;;) {
		AUTO(buf_done) struct buf text = BUF_INIT(KIB(64));
		if (!keys_next(&k, &key, &text))
			break;
		(void)lineedit_key(e, key, buf_str(&text));
	}
	if (keys_waiting(&k)) {
		keys_give_up(&k, &key);
		(void)lineedit_key(e, key, STR(""));
	}
	keys_done(&k);
}

#define LEFT  "\033[D"
#define RIGHT "\033[C"
#define UP    "\033[A"
#define DOWN  "\033[B"

static void edits(void **state UNUSED)
{
	static const struct { const char *keys, *want; } rows[] = {
		{ "abc", "abc" },                       { "abc" LEFT "x", "abxc" },
		{ "abc\001x", "xabc" },                 { "abc\001\005x", "abcx" },
		{ "abc\177", "ab" },                    { "ae\xcc\x81\177x", "ax" },  /* a letter goes with what joins it */
		{ "one two\027", "one " },              { "one two\025x", "x" },
		{ "one two\027\031\031", "one twotwo" },{ "one\001\013x", "x" },
		{ "ab\001\004", "b" },                  { "a\\\rb", "a\nb" },
		{ "a\nb" UP "x", "ax\nb" },             { "a\nb" UP DOWN "x", "a\nbx" },
		{ UP, "newer" },                        { UP UP, "older" },
		{ "draft" UP DOWN, "draft" },           { UP UP UP "x", "olderx" },
		{ "\022" "old\r", "older" },            { "x\022" "old\033", "x" },
		{ "\022" "er\022\r", "older" },         { "\022" "zzz\r", "" },
		{ "a b\033bx", "a xb" },                { "a b\001\033dx", "x b" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct lineedit *e = lineedit_new();
		lineedit_remember(e, STR("older"));
		lineedit_remember(e, STR("newer"));
		lineedit_remember(e, STR("newer"));
		press(e, rows[i].keys);
		struct str got = lineedit_text(e);
		if (!str_eq(got, str_of(rows[i].want)))
			fail_msg("row %zu: '%.*s'", i, STR_ARG(got));
		lineedit_free(e);
	}
}

static void looks(void **state UNUSED)
{
	static const struct { const char *keys; size_t width, most; const char *want; size_t row, column; } rows[] = {
		{ "", 20, 5, "> \n", 0, 2 },
		{ "abc", 20, 5, "> abc\n", 0, 5 },
		{ "abcdefghij", 10, 5, "> abcdefg\n  hij\n", 1, 5 },
		{ "\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2", 10, 5, "> \xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2\n  \xe6\xbc\xa2\n", 1, 4 },
		{ "a\nb\nc\nd", 20, 2, "  c\n  d\n", 1, 3 },
		{ "a\nb\nc\nd\001" UP UP UP, 20, 2, "> a\n  b\n", 0, 2 },
		{ "\033[200~a\tb\033[201~", 20, 5, "> a    b\n", 0, 8 },
		{ "\022new", 20, 5, "search: new\n> newer\n", 1, 7 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct lineedit *e = lineedit_new();
		struct buf got = BUF_INIT(KIB(4));
		size_t row, column;
		lineedit_remember(e, STR("newer"));
		press(e, rows[i].keys);
		lineedit_show(e, rows[i].width, rows[i].most, &got, &row, &column);
		if (strcmp(buf_text(&got), rows[i].want) != 0 || row != rows[i].row || column != rows[i].column)
			fail_msg("row %zu: %zu,%zu\n%s", i, row, column, buf_text(&got));
		buf_done(&got);
		lineedit_free(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(edits), cmocka_unit_test(looks) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
