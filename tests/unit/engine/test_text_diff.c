/* test_text_diff.c - diffs by rows, and of many made-up texts that the second one comes out of the first and the diff. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "engine/text_diff.h"

static void rows_of_diffs(void **state)
{
	static const struct { const char *before, *after, *want; } rows[] = {
		{ "", "", "" },
		{ "a\n", "a\n", "" },
		{ "", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n" },
		{ "a\n", "", "@@ -1,1 +0,0 @@\n-a\n" },
		{ "a\nb\nc\n", "a\nB\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n" },
		{ "a", "a\n", "@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n" },
		{ "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n", "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n" },
		{ "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
		  "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf text = BUF_INIT(KIB(4));
		struct diff_counts counts;
		text_diff(str_of(rows[i].before), str_of(rows[i].after), &text, &counts);
		assert_string_equal(buf_text(&text), rows[i].want);
		buf_done(&text);
	}
}

/* What the diff makes of `before`: as patch(1) would, without looking for anything. */
static void carry_out(struct str before, struct str diff, struct buf *ret)
{
	struct str line, old;
	size_t at = 1;

	while (str_next(&diff, '\n', &line)) {
		unsigned from, count;
		if (line.len == 0)
			continue;
		if (line.ptr[0] == '@') {
			assert_int_equal(sscanf(line.ptr, "@@ -%u,%u ", &from, &count), 2);
			while (at < from + (count == 0)) {
				assert_true(str_next(&before, '\n', &old));
				buf_add_str(ret, old);
				buf_add_char(ret, '\n');
				at++;
			}
			continue;
		}
		if (line.ptr[0] == '+' || line.ptr[0] == ' ') {
			buf_add_str(ret, str_skip(line, 1));
			buf_add_char(ret, '\n');
		}
		if (line.ptr[0] == '-' || line.ptr[0] == ' ') {
			assert_true(str_next(&before, '\n', &old));
			assert_true(str_eq(old, str_skip(line, 1)));
			at++;
		}
	}
	buf_add_str(ret, before);
}

static void make_text(struct buf *ret, unsigned lines, unsigned letters)
{
	for (unsigned i = 0; i < lines; i++)
		buf_printf(ret, "line %c\n", 'a' + (int)((unsigned)rand() % letters));
}

static void the_second_text_comes_out(void **state)
{
	(void)state;
	srand(7);
	for (unsigned i = 0; i < 400; i++) {
		struct buf a = BUF_INIT(KIB(64)), b = BUF_INIT(KIB(64)), diff = BUF_INIT(KIB(256)), got = BUF_INIT(KIB(256));
		struct diff_counts counts;
		make_text(&a, (unsigned)rand() % 60, 1 + i % 12);
		make_text(&b, (unsigned)rand() % 60, 1 + i % 12);
		text_diff(buf_str(&a), buf_str(&b), &diff, &counts);
		carry_out(buf_str(&a), buf_str(&diff), &got);
		assert_string_equal(buf_text(&got), buf_text(&b));
		buf_done(&a);
		buf_done(&b);
		buf_done(&diff);
		buf_done(&got);
	}
}

/* Nothing in common, and more of it than is searched through: still right. */
static void too_different_is_replaced(void **state)
{
	struct buf a = BUF_INIT(MIB(1)), b = BUF_INIT(MIB(1)), diff = BUF_INIT(MIB(4)), got = BUF_INIT(MIB(4));
	struct diff_counts counts;

	(void)state;
	for (int i = 0; i < LIMIT_DIFF_EDITS; i++) {
		buf_printf(&a, "a %d\n", i);
		buf_printf(&b, "b %d\n", i);
	}
	text_diff(buf_str(&a), buf_str(&b), &diff, &counts);
	assert_int_equal(counts.added, LIMIT_DIFF_EDITS);
	assert_int_equal(counts.removed, LIMIT_DIFF_EDITS);
	carry_out(buf_str(&a), buf_str(&diff), &got);
	assert_string_equal(buf_text(&got), buf_text(&b));
	buf_done(&a);
	buf_done(&b);
	buf_done(&diff);
	buf_done(&got);
}

static void bytes_are_no_text(void **state)
{
	static const struct { struct str bytes; bool binary; } rows[] = {
		{ STR(""), false }, { STR("text\n"), false }, { STR("\xc3\xa4\n"), false }, { STR("a\0b"), true }, { STR("\xff\xfe"), true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(text_is_binary(rows[i].bytes), rows[i].binary);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_diffs), cmocka_unit_test(the_second_text_comes_out), cmocka_unit_test(too_different_is_replaced),
		cmocka_unit_test(bytes_are_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
