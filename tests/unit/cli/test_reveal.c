/* test_reveal.c - a model's text on its way to a program: however it is cut, no secret and no escape sequence leaves, words come as
 * soon as they are whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "cli/reveal.h"

#include "base/banned.h"

#define TOKEN "ghp_0123456789abcdefghijABCDEFGHIJ012345"
#define KEY   "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA0123456789abcdefghij\nAKCAQEA0123456789abcdefghijMIIEowIB\n"

static void the_cuts_do_not_matter(void **state UNUSED)
{
	static const struct { const char *text, *want; } rows[] = {
		{ "", "" },
		{ "one two", "one two" },
		{ "one\n\n  two\n", "one\n\n  two\n" },
		{ "key " TOKEN " end", "key [redacted:github-token] end" },
		{ TOKEN, "[redacted:github-token]" },
		{ "a\n" TOKEN "\nb", "a\n[redacted:github-token]\nb" },
		{ "a\n" KEY "-----END RSA PRIVATE KEY-----\nb", "a\n[redacted:private-key]\nb" },
		{ "\033[2J\033]0;x\a", "\\x1b[2J\\x1b]0;x\\x07" },
		{ "a\r\nb", "a\nb" },
		{ "日本語 の\xf0\x9f\x98\x80 x", "日本語 の\xf0\x9f\x98\x80 x" },
		{ "-----BEGIN CERTIFICATE-----\nabc\n", "-----BEGIN CERTIFICATE-----\nabc\n" },
		{ "a -----BEGIN and no more", "a -----BEGIN and no more" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t size = 1; size <= strlen(rows[i].text) + 1; size++) {
			struct reveal r;
			AUTO(buf_done) struct buf got = BUF_INIT(KIB(64));
			reveal_init(&r);
			for (struct str rest = str_of(rows[i].text); rest.len > 0; rest = str_skip(rest, MIN(size, rest.len)))
				reveal_add(&r, (struct str){ rest.ptr, MIN(size, rest.len) }, &got);
			reveal_end(&r, true, &got);
			if (strcmp(buf_text(&got), rows[i].want) != 0)
				fail_msg("row %zu in pieces of %zu: '%s', not '%s'", i, size, buf_text(&got), rows[i].want);
			reveal_done(&r);
		}
}

static void a_word_comes_when_the_next_one_begins(void **state UNUSED)
{
	static const struct { const char *text, *want; } rows[] = {
		{ "wor", "" }, { "word", "" }, { "word ", "word " }, { "word ne", "word " }, { "a\nb", "a\n" }, { "日本", "日本" },
		{ "日x", "日" }, { "日\xe6\x9c", "日" }, { "é", "" }, { "a\u200b", "" }, { "x -----BEGIN RSA PRIVATE KEY-----\nabc def", "" },
		{ "x -----BEGIN CERTIFICATE-----\nabc def", "x -----BEGIN CERTIFICATE-----\nabc " },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct reveal r;
		AUTO(buf_done) struct buf got = BUF_INIT(KIB(64)), more = BUF_INIT(KIB(64));
		reveal_init(&r);
		reveal_add(&r, str_of(rows[i].text), &got);
		assert_string_equal(buf_text(&got), rows[i].want);
		reveal_end(&r, false, &more);
		assert_int_equal(more.len, 0);
		reveal_done(&r);
	}
}

static void a_line_without_an_end_has_one(void **state UNUSED)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1)), got = BUF_INIT(MIB(4));
	struct reveal r;

	while (text.len < LIMIT_REVEAL_BYTES * 3)
		buf_add_text(&text, text.len < LIMIT_REVEAL_BYTES ? "xxxxxxx" : "yyy yyy");
	reveal_init(&r);
	reveal_add(&r, buf_str(&text), &got);
	assert_true(text.len - got.len < 8);
	assert_true(r.line.len < LIMIT_REVEAL_BYTES);
	reveal_end(&r, true, &got);
	assert_true(str_eq(buf_str(&text), buf_str(&got)));
	reveal_done(&r);
}

static void a_word_without_an_end_is_cut_between_letters(void **state UNUSED)
{
	static const char *const letters[] = { "é", "ก", "😀" }; /* of two, three and four bytes */

	for (size_t i = 0; i < COUNT(letters); i++)
		for (size_t before = 0; before < 4; before++) {
			AUTO(buf_done) struct buf text = BUF_INIT(MIB(1)), got = BUF_INIT(MIB(4));
			struct reveal r;
			buf_add(&text, "xxxx", before);
			while (text.len < LIMIT_REVEAL_BYTES * 2)
				buf_add_text(&text, letters[i]);
			reveal_init(&r);
			reveal_add(&r, buf_str(&text), &got);
			reveal_end(&r, true, &got);
			assert_true(str_eq(buf_str(&text), buf_str(&got)));
			reveal_done(&r);
		}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cuts_do_not_matter),
		cmocka_unit_test(a_word_comes_when_the_next_one_begins),
		cmocka_unit_test(a_line_without_an_end_has_one),
		cmocka_unit_test(a_word_without_an_end_is_cut_between_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
