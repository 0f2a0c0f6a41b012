/* Schema rows come from the files in tests/cases/schema: {"schema", "rows": [{"value", "says"}], "lint"}. A row
 * without "says" is valid, unless it says "valid": false, where any sentence will do; "lint" is what schema_lint says, and then nothing at all may pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>

#include "base/io.h"
#include "tools/tool.h"

#include "base/banned.h"

static size_t checked;

/* Tests run in the build folder, from which the compiler named this file. */
static void cases_path(const char *name, char *ret, size_t size)
{
	const char *slash = strrchr(__FILE__, '/');

	snprintf(ret, size, "%.*s/../../cases/schema/%s", (int)(slash - __FILE__), __FILE__, name);
}

static void check_row(const char *file, size_t at, const json_t *schema, const json_t *row)
{
	const char *says = json_get_text(row, "says", NULL);
	const json_t *value = json_object_get(row, "value");
	struct err err = ERR_NONE;

	assert_non_null(value);
	int r = schema_check(schema, value, &err);
	checked++;
	if (json_is_false(json_object_get(row, "valid"))) {
		if (r != -EINVAL || err.text[0] == '\0')
			fail_msg("%s, case %zu: %s: must not be valid", file, at, json_text(value));
		return;
	}
	if (says == NULL ? r != 0 : r != -EINVAL || strcmp(err.text, says) != 0)
		fail_msg("%s, case %zu: %s\nwant: %s\nsaid: %s", file, at, json_text(value), says != NULL ? says : "valid",
		         r == 0 ? "valid" : err.text);
}

static void check_case(const char *file, size_t at, const json_t *one)
{
	const json_t *schema = json_object_get(one, "schema");
	const char *lint = json_get_text(one, "lint", NULL);
	struct err err = ERR_NONE;
	json_t *row;
	size_t i;

	int r = schema_lint(schema, &err);
	checked++;
	if (lint == NULL ? r != 0 : r != -EINVAL || strcmp(err.text, lint) != 0)
		fail_msg("%s, case %zu: lint\nwant: %s\nsaid: %s", file, at, lint != NULL ? lint : "fine", err.text);
	json_array_foreach(json_object_get(one, "rows"), i, row)
		check_row(file, at, schema, row);
	if (lint == NULL)
		return;
	AUTO(json_decrefp) json_t *any = json_object();
	assert_int_equal(schema_check(schema, any, &err), -EINVAL);
}

static void cases(void **state)
{
	char path[1024];

	(void)state;
	cases_path("", path, sizeof path);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		AUTO(buf_done) struct buf text = BUF_INIT(MIB(1));
		AUTO(json_decrefp) json_t *all = NULL;
		struct err err;
		json_t *one;
		size_t i;
		if (e->d_name[0] == '.')
			continue;
		cases_path(e->d_name, path, sizeof path);
		assert_int_equal(io_read_file(path, &text, &err), 0);
		if (json_parse(buf_str(&text), &all, &err) < 0)
			fail_msg("%s: %s", path, err.text);
		json_array_foreach(all, i, one)
			check_case(e->d_name, i, one);
	}
	closedir(dir);
	assert_true(checked > 100);
}

/* A pattern that explodes is a refusal in bounded time, never a match and never a hang. */
static void a_bomb_is_refused(void **state)
{
	AUTO(json_decrefp) json_t *schema = NULL;
	AUTO(json_decrefp) json_t *value = json_string("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
	struct err err = ERR_NONE;

	(void)state;
	assert_int_equal(json_parse(STR("{\"pattern\":\"^(a+)+$\"}"), &schema, &err), 0);
	assert_int_equal(schema_check(schema, value, &err), -EINVAL);
	assert_string_equal(err.text, "/: pattern: takes too long to compare with ^(a+)+$");
}

/* Deeper than any parsed schema may be: built by hand, it is still refused. */
static void depth_is_bounded(void **state)
{
	AUTO(json_decrefp) json_t *schema = json_object();
	struct err err = ERR_NONE;

	(void)state;
	for (int i = 0; i < 100; i++) {
		json_t *outer = json_object();
		json_put(outer, "items", schema);
		schema = outer;
	}
	assert_int_equal(schema_lint(schema, &err), -EINVAL);
	assert_non_null(strstr(err.text, "nested deeper than"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases),
		cmocka_unit_test(a_bomb_is_refused),
		cmocka_unit_test(depth_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
