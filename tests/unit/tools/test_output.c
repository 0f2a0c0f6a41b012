/* The sanitiser: exact rows, the bound, and that the pieces a stream comes in make no difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "tools/tool.h"

#include "base/banned.h"

#define BAD "\xef\xbf\xbd"

static const struct { struct str in; const char *out; struct findings found; } rows[] = {
	{ { "", 0 }, "", { 0 } },
	{ { "plain\n\ttext ~", 13 }, "plain\n\ttext ~", { 0 } },
	{ { "\xc3\xa4 \xe4\xb8\xad \xf0\x9f\x98\x80", 11 }, "\xc3\xa4 \xe4\xb8\xad \xf0\x9f\x98\x80", { 0 } },
	{ { "\x1b[31mred\x1b]0;t\x07", 14 }, "\\x1b[31mred\\x1b]0;t\\x07", { .control = 3 } },
	{ { "a\0b\x7f\b", 5 }, "a\\x00b\\x7f\\x08", { .control = 3 } },
	{ { "a\r\nb\rc\r", 7 }, "a\nb\\x0dc\\x0d", { .control = 2 } },
	{ { "\r\r\n", 3 }, "\\x0d\n", { .control = 1 } },
	{ { "\xc2\x9b" "2J\xc2\x85", 6 }, "<U+009B>2J<U+0085>", { .control = 2 } },
	{ { "\xe2\x80\xa8\xe2\x80\xa9", 6 }, "<U+2028><U+2029>", { .control = 2 } },
	{ { "if (\xe2\x80\xae" "x\xe2\x81\xa6)", 12 }, "if (<U+202E>x<U+2066>)", { .bidirectional = 2 } },
	{ { "\xd8\x9c\xe2\x80\x8e\xe2\x80\x8f", 8 }, "<U+061C><U+200E><U+200F>", { .bidirectional = 3 } },
	{ { "p\xe2\x80\x8b" "w\xef\xbb\xbf\xc2\xad\xe2\x81\xa0", 13 }, "p<U+200B>w<U+FEFF><U+00AD><U+2060>", { .invisible = 4 } },
	{ { "\xe3\x85\xa4\xef\xbe\xa0\xe1\x85\x9f", 9 }, "<U+3164><U+FFA0><U+115F>", { .invisible = 3 } },
	{ { "\xf3\xa0\x81\xa1\xf3\xa0\x80\x81", 8 }, "<U+E0061><U+E0001>", { .tags = 2 } },
	{ { "\xf3\xa0\x84\x80", 4 }, "<U+E0100>", { .invisible = 1 } },
	/* one style selector behind a visible character is everyday text; more, or none before, is not */
	{ { "\xe2\x9d\xa4\xef\xb8\x8f", 6 }, "\xe2\x9d\xa4\xef\xb8\x8f", { 0 } },
	{ { "1\xef\xb8\x8f", 4 }, "1\xef\xb8\x8f", { 0 } },
	{ { "a\xef\xb8\x8f\xef\xb8\x8e", 7 }, "a\xef\xb8\x8f<U+FE0E>", { .invisible = 1 } },
	{ { "\xef\xb8\x8f \xef\xb8\x8f", 7 }, "<U+FE0F> <U+FE0F>", { .invisible = 2 } },
	{ { "a\xef\xb8\x80", 4 }, "a<U+FE00>", { .invisible = 1 } },
	/* neighbours of the hidden ranges stand */
	{ { "\xc2\xa0\xc2\xac\xc2\xae\xe2\x80\x8a\xe2\x80\x90\xe2\x80\xaf\xe2\x81\xb0", 18 },
	  "\xc2\xa0\xc2\xac\xc2\xae\xe2\x80\x8a\xe2\x80\x90\xe2\x80\xaf\xe2\x81\xb0", { 0 } },
	/* invalid: alone, overlong, surrogate, too large, cut off */
	{ { "a\x80z", 3 }, "a" BAD "z", { .invalid = 1 } },
	{ { "\xc0\xaf", 2 }, BAD BAD, { .invalid = 2 } },
	{ { "\xed\xa0\x80", 3 }, BAD BAD BAD, { .invalid = 3 } },
	{ { "\xf4\x90\x80\x80", 4 }, BAD BAD BAD BAD, { .invalid = 4 } },
	{ { "x\xe2\x82", 3 }, "x" BAD BAD, { .invalid = 2 } },
	{ { "\xff\xfe", 2 }, BAD BAD, { .invalid = 2 } },
};

static void rows_are_exact(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_done) struct buf text = BUF_INIT(KIB(4)), rendered = BUF_INIT(KIB(4));
		AUTO(output_freep) struct output *output = output_new(KIB(1));
		struct findings found, want = rows[i].found;
		want.bytes = rows[i].in.len;
		sanitize_text(rows[i].in, &text);
		assert_string_equal(buf_text(&text), rows[i].out);
		output_add(output, rows[i].in.ptr, rows[i].in.len);
		output_render_found(output, &rendered, &found);
		assert_string_equal(buf_text(&rendered), rows[i].out);
		if (memcmp(&found, &want, sizeof found) != 0)
			fail_msg("row %zu (%s): other findings", i, rows[i].out);
	}
}

/* What is harmless comes out as it went in: rendering twice changes nothing more. */
static void clean_text_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_done) struct buf again = BUF_INIT(KIB(4));
		sanitize_text(str_of(rows[i].out), &again);
		assert_string_equal(buf_text(&again), rows[i].out);
	}
}

static void whole(struct str in, size_t max, struct buf *ret)
{
	AUTO(output_freep) struct output *output = output_new(max);

	output_add(output, in.ptr, in.len);
	output_render(output, ret);
}

/* Every split into two adds, and byte by byte, under every bound from nothing to all. */
static void pieces_make_no_difference(void **state)
{
	static const char mixed[] = "ab\r\n\xc3\xa4\xe2\x80\x8b\x1b[0m\xf0\x9f\x98\x80\xff\r\xe4\xb8\xad\xe2\x82z";
	struct str in = { mixed, sizeof mixed - 1 };

	(void)state;
	for (size_t max = 0; max <= in.len + 1; max++) {
		AUTO(buf_done) struct buf want = BUF_INIT(KIB(4));
		whole(in, max, &want);
		for (size_t split = 0; split <= in.len; split++) {
			AUTO(buf_done) struct buf got = BUF_INIT(KIB(4));
			AUTO(output_freep) struct output *output = output_new(max);
			output_add(output, in.ptr, split);
			output_add(output, in.ptr + split, in.len - split);
			output_render(output, &got);
			assert_string_equal(buf_text(&got), buf_text(&want));
			assert_int_equal(output_total(output), in.len);
		}
		AUTO(buf_done) struct buf got = BUF_INIT(KIB(4));
		AUTO(output_freep) struct output *output = output_new(max);
		for (size_t i = 0; i < in.len; i++)
			output_add(output, in.ptr + i, 1);
		output_render(output, &got);
		assert_string_equal(buf_text(&got), buf_text(&want));
	}
}

static void the_gap(void **state)
{
	static const struct { const char *in; size_t max; const char *out; } cases[] = {
		{ "0123456789", 10, "0123456789" },
		{ "0123456789", 4, "01\n[... 6 bytes left out ...]\n89" },
		{ "0123456789", 5, "01\n[... 5 bytes left out ...]\n789" },
		{ "0123456789", 1, "[... 9 bytes left out ...]\n9" },
		{ "0123456789", 0, "[... 10 bytes left out ...]\n" },
		{ "0\n23456789", 4, "0\n[... 6 bytes left out ...]\n89" },
		/* a character is on one side or left out whole */
		{ "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 6, "\xc3\xa4\n[... 4 bytes left out ...]\n\xc3\xa4" },
		{ "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 8, "\xf0\x9f\x98\x80\n[... 4 bytes left out ...]\n\xf0\x9f\x98\x80" },
		{ "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 6, "[... 12 bytes left out ...]\n" },
		{ "ab\r\ncdefgh", 6, "ab\n[... 5 bytes left out ...]\nfgh" },
		/* bytes that are no character are not taken for half a one */
		{ "a\xff\xff" "defgh", 6, "a" BAD BAD "\n[... 2 bytes left out ...]\nfgh" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO(buf_done) struct buf got = BUF_INIT(KIB(4));
		whole(str_of(cases[i].in), cases[i].max, &got);
		assert_string_equal(buf_text(&got), cases[i].out);
	}
}

/* A flood is kept within the bound: the ring forgets, the count does not. */
static void a_flood_is_bounded(void **state)
{
	AUTO(output_freep) struct output *output = output_new(1000);
	AUTO(buf_done) struct buf got = BUF_INIT(KIB(64));
	char line[32];
	uint64_t total = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		int n = snprintf(line, sizeof line, "line %d\n", i);
		output_add(output, line, (size_t)n);
		total += (uint64_t)n;
	}
	output_render(output, &got);
	assert_int_equal(output_total(output), total);
	assert_true(got.len < 1100);
	assert_true(str_starts(buf_str(&got), STR("line 0\nline 1\n")));
	assert_string_equal(buf_text(&got) + got.len - 11, "line 99999\n");
}

/* A full target keeps whole characters. */
static void a_full_target_stays_whole(void **state)
{
	AUTO(buf_done) struct buf got = BUF_INIT(5);

	(void)state;
	sanitize_text(STR("\xc3\xa4\xc3\xa4\xc3\xa4"), &got);
	assert_true(got.full);
	assert_string_equal(buf_text(&got), "\xc3\xa4\xc3\xa4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_exact),
		cmocka_unit_test(clean_text_stays),
		cmocka_unit_test(pieces_make_no_difference),
		cmocka_unit_test(the_gap),
		cmocka_unit_test(a_flood_is_bounded),
		cmocka_unit_test(a_full_target_stays_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
