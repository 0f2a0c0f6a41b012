/* test_yaml.c - what the YAML reader takes and, with the exact place, what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/yaml.h"

#include "base/banned.h"

static void values_become_typed(void **state)
{
	static const struct { const char *text, *json; } rows[] = {
		{ "a: 1", "{\"a\":1}" },
		{ "---\na: 1\n...\n", "{\"a\":1}" },
		{ "\xef\xbb\xbf" "a: 1", "{\"a\":1}" },
		{ "a: 1\r\nb: 2\r\n", "{\"a\":1,\"b\":2}" },
		{ "a: [1, -2, +3, 0]", "{\"a\":[1,-2,3,0]}" },
		{ "a: [1.5, 1e3, .5]", "{\"a\":[1.5,1000.0,0.5]}" },
		{ "a: [true, True, FALSE, yes, on, off]", "{\"a\":[true,true,false,\"yes\",\"on\",\"off\"]}" },
		{ "a: [null, ~, '', \"null\"]", "{\"a\":[null,null,\"\",\"null\"]}" },
		{ "a:", "{\"a\":null}" },
		{ "a: '12'\nb: \"true\"", "{\"a\":\"12\",\"b\":\"true\"}" },
		{ "a: 1.2.3\nb: 12:30\nc: 1-2\nd: -x\nb2: .\ne: 1e", "{\"a\":\"1.2.3\",\"b\":\"12:30\",\"c\":\"1-2\",\"d\":\"-x\",\"b2\":\".\",\"e\":\"1e\"}" },
		{ "1: a\ntrue: b\nnull: c", "{\"1\":\"a\",\"true\":\"b\",\"null\":\"c\"}" },
		{ "a: |\n  12\n  x\nb: >-\n  y\n  z", "{\"a\":\"12\\nx\\n\",\"b\":\"y z\"}" },
		{ "a: \"\\u00e9\\x41\\n\"", "{\"a\":\"\xc3\xa9" "A\\n\"}" },
		{ "\"<<\": 1", "{\"<<\":1}" },
		{ "[a, {b: c}]", "[\"a\",{\"b\":\"c\"}]" },
		{ "just text", "\"just text\"" },
		{ "{}", "{}" },
		{ "a: 9223372036854775807", "{\"a\":9223372036854775807}" },
		{ "# only\na: 'it''s' # c", "{\"a\":\"it's\"}" },
		{ "a: '*x'\nb: \"&y\"\nc: '!z'", "{\"a\":\"*x\",\"b\":\"&y\",\"c\":\"!z\"}" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(yaml_freep) struct yaml *y = NULL;
		struct err err = ERR_NONE;
		if (yaml_parse("f", str_of(rows[i].text), 4096, &y, &err) != 0)
			fail_msg("%s\n%s", rows[i].text, err.text);
		AUTO(json_decrefp) json_t *value = yaml_to_json(yaml_root(y));
		AUTO(freep) char *text = json_text(value);
		assert_string_equal(text, rows[i].json);
	}
}

static void the_rest_is_refused_with_its_place(void **state)
{
	static const struct { const char *text, *error; } rows[] = {
		{ "", "f:1:1: the file is empty" },
		{ " \n\n", "f:1:1: the file is empty" },
		{ "# nothing\n", "f:1:1: the file is empty" },
		{ "---\n", "f:1:1: the file is empty" },
		{ "~", "f:1:1: the file is empty" },
		{ "a: &x 1", "f:1:4: an anchor" },
		{ "a: 1\nb: *x", "f:2:4: an alias" },
		{ "a: &x {b: 1}\nc: *x", "f:1:4: an anchor" },
		{ "a: !!str 1", "f:1:4: a tag" },
		{ "a: !secret [1]", "f:1:4: a tag" },
		{ "&k a: 1", "f:1:1: an anchor" },
		{ "!!map {a: 1}", "f:1:1: a tag" },
		{ "<<: {a: 1}", "f:1:1: a merge key" },
		{ "a: 1\nb: 2\na: 3", "f:3:1: the key 'a' stands here twice: it is already on line 1" },
		{ "x: {a: 1, b: 2, 'a': 3}", "f:1:17: the key 'a' stands here twice" },
		{ "a: 1\nb: {c: 1, d: 1,\n    d: 2}\na: 2", "f:3:5: the key 'd'" },
		{ "1: a\n'1': b", "f:2:1: the key '1'" },
		{ "? [a]\n: b", "f:1:3: a list or a map as a key" },
		{ ": b", "f:1:1: an empty key" },
		{ "a: 1\n---\nb: 2", "f:2:1: a second document" },
		{ "%YAML 1.2\n---\na: 1", "f:1:1: a '%' directive" },
		{ "%TAG ! tag:x,2000:\n---\na: 1", "f:1:1: a '%' directive" },
		{ "a: 0755", "f:1:4: '0755' is a number with a leading zero" },
		{ "a: 0x1f", "f:1:4: '0x1f' is no plain number" },
		{ "a: 0o17", "f:1:4: '0o17' is no plain number" },
		{ "a: .inf", "f:1:4: '.inf' is no plain number" },
		{ "a: 1e999", "f:1:4: the number 1e999 is too large" },
		{ "a: 9223372036854775808", "f:1:4: the number" },
		{ "a: \xff", "f:1:4: a byte 0xff that is not UTF-8" },
		{ "a: \xc0\x80", "f:1:4: a byte 0xc0 that is not UTF-8" },
		{ "a: \xed\xa0\x80", "f:1:4: a byte 0xed that is not UTF-8" },
		{ "a: \xe2\x80\xae" "x", "f:1:4: a character that cannot be seen: write it as \"\\u202e\"" },
		{ "a: x\nbc: \xe2\x80\x8b", "f:2:5: a character that cannot be seen" },
		{ "a: \x1b[1m", "f:1:4: a character that cannot be seen" },
		{ "a: \"\\0\"", "f:1:4: a NUL" },
		{ "a: 1\rb: 2", "f:1:5: a carriage return" },
		{ "a: \"x", "f:1:5: not YAML" },
		{ "a: [1", "f:2:1: not YAML" },
		{ "a: 1\n b: 2", "f:1:4: not YAML" },
		{ "\ta: 1", "f:1:1: not YAML" },
		{ "a: b: c", "f:1:5: not YAML" },
		{ "- a\nb: 1", "f:2:1: not YAML" },
		{ "a: @x", "f:1:4: not YAML" },
		{ "\xc3\xa9: \xc3\xa9\xc3\xa9\n\xc3\xa9\xc3\xa9: &x 1", "f:2:5: an anchor" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct yaml *y = (struct yaml *)8;
		struct err err = ERR_NONE;
		int r = yaml_parse("f", str_of(rows[i].text), 4096, &y, &err);
		if (r != -EINVAL || strncmp(err.text, rows[i].error, strlen(rows[i].error)) != 0)
			fail_msg("%s\nwant %s\ngot  %d %s", rows[i].text, rows[i].error, r, err.text);
		assert_ptr_equal(y, (struct yaml *)8);
	}
}

static void size_and_depth_are_bounded(void **state)
{
	AUTO(buf_done) struct buf deep = BUF_INIT(4096);
	AUTO(yaml_freep) struct yaml *y = NULL;
	struct err err = ERR_NONE;
	(void)state;

	for (size_t i = 0; i < LIMIT_POLICY_DEPTH; i++)
		buf_add_char(&deep, '[');
	buf_add_char(&deep, 'x');
	for (size_t i = 0; i < LIMIT_POLICY_DEPTH; i++)
		buf_add_char(&deep, ']');
	assert_int_equal(yaml_parse("f", buf_str(&deep), 4096, &y, &err), 0);
	yaml_free(TAKE(y));

	AUTO(freep) char *deeper = xasprintf("[%s]", buf_text(&deep));
	assert_int_equal(yaml_parse("f", str_of(deeper), 4096, &y, &err), -EINVAL);
	assert_string_equal(err.text, "f:1:33: nested too deeply: at most 32 levels");

	assert_int_equal(yaml_parse("f", STR("a: 12"), 5, &y, &err), 0);
	yaml_free(TAKE(y));
	assert_int_equal(yaml_parse("f", STR("a: 123"), 5, &y, &err), -EINVAL);
	assert_string_equal(err.text, "f:1:1: 6 bytes are too many: at most 5");
	assert_null(y);
}

static void a_hundred_thousand_keys_take_no_time(void **state)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(2));
	AUTO(yaml_freep) struct yaml *y = NULL;
	struct err err = ERR_NONE;
	(void)state;

	for (int i = 0; i < 100000; i++)
		buf_printf(&text, "k%d: 1\n", i);
	assert_int_equal(yaml_parse("f", buf_str(&text), MIB(2), &y, &err), 0);
	assert_int_equal(yaml_count(yaml_root(y)), 100000);
}

static void places_and_keys_are_told(void **state)
{
	static const char *const keys[] = { "rules", "name" };
	AUTO(yaml_freep) struct yaml *y = NULL;
	struct err err = ERR_NONE;
	(void)state;

	assert_int_equal(yaml_parse("f", STR("name: x\nruels:\n  - {a: 1}\n"), 99, &y, &err), 0);
	const struct yaml_node *root = yaml_root(y), *list = yaml_get(root, "ruels"), *map = yaml_first(list);
	assert_int_equal(yaml_line(map), 3);
	assert_int_equal(yaml_column(map), 5);
	assert_int_equal(yaml_column(yaml_first(map)), 9);
	assert_string_equal(yaml_text(yaml_key(yaml_first(map))), "a");
	assert_int_equal(yaml_int(yaml_first(map)), 1);
	assert_null(yaml_get(root, "nothing"));
	assert_int_equal(yaml_only_keys(root, keys, 2, &err), -EINVAL);
	assert_string_equal(err.text, "f:2:1: unknown key 'ruels': did you mean 'rules'?");
	assert_int_equal(yaml_only_keys(map, keys, 2, &err), -EINVAL);
	assert_string_equal(err.text, "f:3:6: unknown key 'a': known here: rules, name");
	assert_int_equal(yaml_want(list, YAML_TEXT, "'ruels'", &err), -EINVAL);
	assert_string_equal(err.text, "f:3:3: 'ruels' is a list here: write text");
	assert_int_equal(yaml_want(yaml_first(map), YAML_TEXT, "'a'", &err), -EINVAL);
	assert_string_equal(err.text, "f:3:9: 'a' is a whole number here: write it as text, in quotes: \"1\"");
	assert_int_equal(yaml_want(yaml_first(map), YAML_FLOAT, "'a'", &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_become_typed),
		cmocka_unit_test(the_rest_is_refused_with_its_place),
		cmocka_unit_test(size_and_depth_are_bounded),
		cmocka_unit_test(a_hundred_thousand_keys_take_no_time),
		cmocka_unit_test(places_and_keys_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
