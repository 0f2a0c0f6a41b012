/* test_json_plain.c - what the fast reader takes is what jansson would have made of it, and what it must not take it leaves alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/json_plain.h"
#include "base/util.h"

#include "base/banned.h"

static json_t *by_jansson(struct str text)
{
	return json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

static void taken_as_jansson_does(void **state UNUSED)
{
	static const char *const rows[] = {
		"{}", "[]", " {\"a\" : 1 , \"b\":[ ] }\n", "\"\"", "\"x\"", "0", "-1", "999999999999999999", "-999999999999999999",
		"true", "false", "null", "[true,false,null,[[]],{\"\":{}}]", "\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "\"\\n\"", "\"x\\ny\"",
		"\"\x7f\"", "\"gr\xc3\xbc\xc3\x9f\"", "{\"gr\xc3\xbc\":\"\xf0\x9f\x98\x80\"}", "{\"a\":\"x\\\\\",\"b\":\"y\"}",
		"{\"k\":\"v\\n\",\"l\":\"w\\n\",\"m\":[\"\\t\",\"u\"]}",
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(json_decrefp) json_t *plain = json_plain(str_of(rows[i])), *whole = by_jansson(str_of(rows[i]));
		if (plain == NULL || whole == NULL || !json_equal(plain, whole))
			fail_msg("row %zu: %s", i, rows[i]);
	}
}

static void left_to_jansson(void **state UNUSED)
{
	static const char *const rows[] = {
		"", " ", "{", "}", "[1", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{a:1}", "{\"a\":1}x", "1 2",
		"{\"a\":1,\"a\":2}", "{\"a\\n\":1}", "\"\\u0041\"", "\"\\u0000\"", "\"\\x\"", "\"\\", "\"a", "\"a\nb\"", "\"\x01\"",
		"\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "\"\xc0\x80\"", "{\"\xff\":1}", "01", "-", "-0", "00", "1.5", "1e3", "1E3", "1.",
		"9999999999999999999", "+1", "tru", "nul", "True", "//", "\xef\xbb\xbf{}",
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (json_plain(str_of(rows[i])) != NULL)
			fail_msg("row %zu: %s", i, rows[i]);
	assert_null(json_plain((struct str){ "{}\0", 3 }));
	assert_null(json_plain((struct str){ "\"a\0b\"", 5 }));
}

/* Each text cut and changed at each place: never another value than jansson's, never a value where jansson has none. */
static void never_more_than_jansson(void **state UNUSED)
{
	static const char seed[] = "{\"a\":[1,-20,\"x\\ny\",true,null],\"b\":{\"c\":\"\xc3\xbc\",\"d\":[{}]},\"e\":\"\"}";
	static const char others[] = "\"\\{}[]:,09-.eu tn\x01\xc3\xff";
	char text[sizeof seed];
	size_t taken = 0;

	for (size_t at = 0; at < sizeof seed - 1; at++) {
		for (size_t k = 0; k <= sizeof others - 1; k++) {
			memcpy(text, seed, sizeof seed);
			size_t len = k < sizeof others - 1 ? sizeof seed - 1 : at;
			if (k < sizeof others - 1)
				text[at] = others[k];
			AUTO(json_decrefp) json_t *plain = json_plain((struct str){ text, len });
			AUTO(json_decrefp) json_t *whole = by_jansson((struct str){ text, len });
			if (plain != NULL && (whole == NULL || !json_equal(plain, whole)))
				fail_msg("%.*s", (int)len, text);
			taken += plain != NULL;
		}
	}
	assert_true(taken > 100);
}

static void nesting_is_bounded(void **state UNUSED)
{
	char text[2 * (LIMIT_JSON_DEPTH + 1)];

	for (size_t depth = LIMIT_JSON_DEPTH - 1; depth <= LIMIT_JSON_DEPTH + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		AUTO(json_decrefp) json_t *plain = json_plain((struct str){ text, 2 * depth });
		json_t *parsed = NULL;
		int r = json_parse((struct str){ text, 2 * depth }, &parsed, NULL);
		assert_true(plain == NULL || r == 0);
		assert_int_equal(r == 0, depth <= LIMIT_JSON_DEPTH);
		json_decref(parsed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken_as_jansson_does), cmocka_unit_test(left_to_jansson),
		cmocka_unit_test(never_more_than_jansson), cmocka_unit_test(nesting_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
