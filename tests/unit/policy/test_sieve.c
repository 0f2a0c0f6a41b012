/* test_sieve.c - the sieve over rules leaves out nothing that a pattern matches: rows with each turn of the syntax, and
 * patterns at random against PCRE2 itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/glob.h"
#include "policy/rules.h"

#include "base/banned.h"

static bool passes(const struct needle *needle, const char *text)
{
	struct matcher m = { .op = OP_REGEX, .needle = *needle };
	struct sieve s;

	sieve_fill(&s, str_of(text));
	return sieve_passes(&s, &m);
}

static bool pcre_matches(const char *pattern, const char *text, bool *ret)
{
	int code;
	PCRE2_SIZE at;
	pcre2_code *regex = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &at, NULL);

	if (regex == NULL)
		return false;
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	*ret = pcre2_match(regex, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, 0, data, NULL) >= 0;
	pcre2_match_data_free(data);
	pcre2_code_free(regex);
	return true;
}

/* Texts that match, each with a pattern that a careless reader would want other bytes for. */
static void what_matches_passes(void **state)
{
	static const struct { const char *pattern, *text; } rows[] = {
		{ "rm -rf", "sudo rm -rf /" }, { "rm -rf?", "rm -r /" }, { "rm -rf*", "rm -r" }, { "rm -r{0}f", "rm -f" },
		{ "colou?red", "colored" }, { "abc|xyz", "xyz" }, { "(?:abc|xyz)def", "xyzdef" }, { "(abc)?def", "def" },
		{ "ab{2,3}cd", "abbcd" }, { "ab{,x}cd", "ab{,x}cd" }, { "a{b[}]cde", "a{b}cde" }, { "[]abc]def", "]def" },
		{ "[^]abc]def", "xdef" }, { "[[:alpha:]]def", "xdef" }, { "[\\]abc]def", "]def" }, { "[\\c]abc]def", "bdef" },
		{ "[\\Q]abc\\E]def", "]def" }, { "\\Qa.b\\E", "a.b" }, { "\\x41bc", "Abc" }, { "\\101bc", "Abc" }, { "a\\.b\\/c", "a.b/c" },
		{ "abc\\d+def", "abc7def" }, { "(?i)sudo make", "SUDO MAKE" }, { "(?i)kiss", "\xe2\x84\xaai\xc5\xbf\xc5\xbf" },
		{ "ab(?i)cde", "abCDE" }, { "(?x)a b c", "abc" }, { "(?#abc)def", "def" }, { "abc(?=def)", "abcdef" }, { "abc(?!x)d?", "abc" },
		{ "(?<n>abc)\\k<n>", "abcabc" }, { "abc\xc3\xa9?def", "abcdef" }, { "ab++cde", "abbcde" }, { "ab+?cde", "abcde" },
		{ "ab*?cde", "acde" }, { "ab?+cde", "acde" }, { "a.c.e", "abcde" }, { "abc\\b def", "abc def" }, { "^abc$", "abc" },
		{ "(*UTF)abc", "abc" }, { "abc\\Kdef", "abcdef" }, { "\\p{L}bcd", "abcd" }, { "\\N{U+61}bc", "abc" }, { "abc\\tdef", "abc\tdef" },
		{ "(\\)abc|xyz)", "xyz" }, { "([)]abc|xyz)q", "xyzq" }, { "((abc|x)y)z", "xyz" }, { "abcdefgh{0,1}i", "abcdefgi" },
		{ "a|b", "b" }, { "ABC", "ABC" }, { "x{3}yz", "xxxyz" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct needle needle;
		bool matches = false;
		assert_true(pcre_matches(rows[i].pattern, rows[i].text, &matches));
		needle_of_regex(rows[i].pattern, &needle);
		if (!matches || !passes(&needle, rows[i].text))
			fail_msg("%s on %s: %s", rows[i].pattern, rows[i].text, matches ? "was left out" : "the row is wrong");
	}
}

static void what_lacks_bytes_is_left_out(void **state)
{
	static const char *const regexes[] = { "\\brm -rf /x1\\b", "curl.*\\|", "(?i)drop +table", "[a-z]+ push", "git (pull|push) origin",
	                                       "abc\\s+def", "mkfs\\.ext4" };
	static const char *const globs[] = { "*rm -rf*", "git push *", "?sudo" };
	struct needle needle;

	(void)state;
	for (size_t i = 0; i < COUNT(regexes); i++) {
		needle_of_regex(regexes[i], &needle);
		assert_true(needle.count > 0);
		assert_false(passes(&needle, "make -C build all test"));
		assert_false(passes(&needle, ""));
	}
	for (size_t i = 0; i < COUNT(globs); i++) {
		needle_of_glob(globs[i], &needle);
		assert_true(needle.count > 0);
		assert_false(passes(&needle, "make -C build all test"));
	}
}

static void build(char *at, size_t max, const char *const *parts, size_t count)
{
	size_t pieces = 1 + (size_t)rand() % 8;

	*at = '\0';
	for (size_t i = 0; i < pieces; i++)
		snprintf(at + strlen(at), max - strlen(at), "%s", parts[(size_t)rand() % count]);
}

static void random_patterns_agree_with_pcre2(void **state)
{
	static const char *const parts[] = { "a", "b", "ab", "abc", "K", "s", "?", "*", "+", "{2}", "{0,1}", "{", "}", "]", "[ab]", "[^]a]",
		"[", "(", ")", "(?:", "|", "\\b", "\\d", "\\.", "\\Q", "\\E", "\\x", ".", "^", "$", "(?i)", "\\", "\xc3\xa9", "-", " ", "\\s" };
	static const char *const texts[] = { "a", "b", "ab", "abc", "k", "K", "s", "-", " ", ".", "]", "{", "}", "2", "0,1", "\xc3\xa9",
	                                     "\xe2\x84\xaa", "\xc5\xbf", "E" };
	int compiled = 0, matched = 0, sifted = 0;
	char pattern[128], text[128];
	struct needle needle;

	(void)state;
	srand(1);
	for (int i = 0; i < 200000; i++) {
		bool matches = false;
		build(pattern, sizeof pattern, parts, COUNT(parts));
		build(text, sizeof text, texts, COUNT(texts));
		if (!pcre_matches(pattern, text, &matches))
			continue;
		compiled++;
		matched += matches;
		needle_of_regex(pattern, &needle);
		bool passed = passes(&needle, text);
		sifted += !passed;
		if (matches && !passed)
			fail_msg("%s matches %s and was left out", pattern, text);
	}
	assert_true(compiled > 10000 && matched > 2000 && sifted > 1000);
}

static void random_globs_agree(void **state)
{
	static const char *const parts[] = { "a", "b", "ab", "abc", "*", "?", "[ab]", "\\*", "/", "**", "\xc3\xa9" };
	static const char *const texts[] = { "a", "b", "ab", "abc", "*", "/", "\xc3\xa9", "\xa9" };
	int matched = 0, sifted = 0;
	char pattern[128], text[128];
	struct needle needle;

	(void)state;
	srand(2);
	for (int i = 0; i < 200000; i++) {
		build(pattern, sizeof pattern, parts, COUNT(parts));
		build(text, sizeof text, texts, COUNT(texts));
		bool matches = glob_match(pattern, str_of(text), false);
		matched += matches;
		needle_of_glob(pattern, &needle);
		bool passed = passes(&needle, text);
		sifted += !passed;
		if (matches && !passed)
			fail_msg("%s matches %s and was left out", pattern, text);
	}
	assert_true(matched > 2000 && sifted > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_matches_passes),
		cmocka_unit_test(what_lacks_bytes_is_left_out),
		cmocka_unit_test(random_patterns_agree_with_pcre2),
		cmocka_unit_test(random_globs_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
