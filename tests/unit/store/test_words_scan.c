/* test_words_scan.c - what the scanner finds is what a parser finds, and what it does not know it leaves alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/limits.h"
#include "store/words_scan.h"

static void add_all(const json_t *value, struct buf *ret)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_string(value))
		words_add((struct str){ json_string_value(value), json_string_length(value) }, ret);
	json_object_foreach((json_t *)value, key, item)
		add_all(item, ret);
	json_array_foreach(value, i, item)
		add_all(item, ret);
}

static void the_same_as_a_parser(void **state UNUSED)
{
	static const struct { const char *event, *field; bool scanned; } rows[] = {
		{ "{\"data\":{\"text\":\"two words\"}}", "text", true },
		{ "{\"attempt\":1,\"data\":{\"a\":\"no\",\"text\":\"yes\",\"b\":{\"text\":\"no\"}}}", "text", true },
		{ "{\"data\":{\"args\":{\"k\":\"v\",\"n\":[1,-2.5e3,true,null,\"w\",[],{}],\"z\":{\"y\":\"x\"}}}}", "args", true },
		{ "{\"data\":{\"text\":\"a \\\"quoted\\\" \\\\ slash\\/ and\\nlines\\t\\b\\f\\r\"}}", "text", true },
		{ "{\"data\":{\"skip\":\"\\u00e9\",\"text\":\"gr\xc3\xbc\xc3\x9f\"}}", "text", true },
		{ "{\"data\":{\"other\":\"x\"}}", "text", true },
		{ "{\"data\":{}}", "text", true },
		{ "{\"text\":\"outside\",\"data\":{\"text\":\"\"}}", "text", true },
		{ "{\"data\":{\"text\":\"\\u0041 by number\"}}", "text", false },
		{ "{\"data\":{\"text\":\"\"},\"blobs\":{\"/data/text\":\"00\"}}", "text", false },
		{ "{\"data\":{\"text\":\"here\",\"blobs\":1}}", "text", false },
		{ "{ \"data\":{\"text\":\"spaces\"}}", "text", false },
		{ "{\"data\":{\"text\":\"open", "text", false },
		{ "{\"data\":{\"text\":\"open\\", "text", false },
		{ "{\"data\":{\"text\":\"more\"}}x", "text", false },
		{ "{\"data\":[]}", "text", false },
		{ "{\"data\":{\"text\":", "text", false },
		{ "", "text", false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(buf_done) struct buf found = BUF_INIT(KIB(64)), want = BUF_INIT(KIB(64));
		AUTO(json_decrefp) json_t *event = NULL;
		struct err err = ERR_NONE;
		buf_add_text(&found, "before");
		if (words_scan(str_of(rows[i].event), rows[i].field, &found) != rows[i].scanned)
			fail_msg("%s: %s", rows[i].event, rows[i].scanned ? "left alone" : "scanned");
		buf_add_text(&want, "before");
		if (rows[i].scanned) {
			assert_int_equal(json_parse(str_of(rows[i].event), &event, &err), 0);
			add_all(json_object_get(json_object_get(event, "data"), rows[i].field), &want);
		}
		assert_string_equal(buf_text(&found), buf_text(&want));
	}
}

/* A text that is cut is cut between characters; what is nested too deeply is not followed. */
static void bounds_hold(void **state UNUSED)
{
	AUTO(buf_done) struct buf event = BUF_INIT(MIB(1)), found = BUF_INIT(KIB(64));

	buf_add_text(&event, "{\"data\":{\"text\":[\"x\",\"");
	for (size_t i = 0; i < LIMIT_WORDS_TEXT_BYTES; i++)
		buf_add_text(&event, "\xc3\xbc");
	buf_add_text(&event, "\"]}}");
	assert_true(words_scan(buf_str(&event), "text", &found));
	assert_true(found.len <= LIMIT_WORDS_TEXT_BYTES + 1 && found.len > LIMIT_WORDS_TEXT_BYTES - 4);
	assert_int_equal((unsigned char)found.ptr[found.len - 1], 0xbc);

	buf_reset(&event);
	buf_add_text(&event, "{\"data\":{\"text\":");
	for (size_t i = 0; i < 100000; i++)
		buf_add_char(&event, '[');
	buf_reset(&found);
	assert_false(words_scan(buf_str(&event), "text", &found));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_as_a_parser),
		cmocka_unit_test(bounds_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
