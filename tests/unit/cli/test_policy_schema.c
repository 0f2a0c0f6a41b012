/* test_policy_schema.c - what `mishri policy schema` prints, against files: whatever the program accepts validates, and
 * of the files that are wrong in their structure most do not. It is asked with our own validator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/yaml.h"
#include "policy/files.h"
#include "policy/schema.h"
#include "tools/schema.h"

#include "base/banned.h"

enum { FILE_BYTES = 1 << 20, READY_MOST = 16, SHARE = 60 };

static json_t *json;
static struct schema *schema;

static int compile(void **state UNUSED)
{
	struct err err = ERR_NONE;

	json = policy_schema();
	return schema_compile(json, SCHEMA_STRICT, &schema, &err);
}

static int discard(void **state UNUSED)
{
	schema_free(schema);
	json_decref(json);
	return 0;
}

/* -1: it is no YAML of ours; else whether it validates. */
static int validates(const char *name, struct str text, struct err *err)
{
	AUTO(yaml_freep) struct yaml *yaml = NULL;

	if (yaml_parse(name, text, FILE_BYTES, &yaml, err) < 0)
		return -1;
	AUTO(json_decrefp) json_t *value = yaml_to_json(yaml_root(yaml));
	return schema_validate(schema, value, 0, err) == 0;
}

static void must_validate(const char *name, struct str text)
{
	struct err err = ERR_NONE;

	if (validates(name, text, &err) != 1)
		fail_msg("%s: %s", name, err.text);
}

static char *read_text(const char *path)
{
	struct buf text = BUF_INIT(FILE_BYTES);
	struct err err = ERR_NONE;

	if (io_read_file(path, &text, &err) < 0)
		fail_msg("%s", err.text);
	return buf_take(&text);
}

static void what_comes_with_the_program_validates(void **state UNUSED)
{
	char names[READY_MOST][POLICY_NAME_BYTES];
	size_t count = policy_ready_names(names, READY_MOST);
	struct err err = ERR_NONE;
	struct str text;

	assert_in_range(count, 5, READY_MOST);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(policy_ready_text(names[i], &text, &err), 0);
		must_validate(names[i], text);
	}
	AUTO(freep) char *demo = read_text(TEST_CASES "/../../data/demo/policy.yaml");
	must_validate("the demo", str_of(demo));
}

/* The examples are whole files, or one section of one. */
static void the_examples_of_the_manual_validate(void **state UNUSED)
{
	static const char open[] = "```yaml\n", version[] = "version:";
	AUTO(freep) char *page = read_text(TEST_CASES "/../../docs/policy.md");
	size_t count = 0;

	for (char *at = page; (at = strstr(at, open)) != NULL; count++) {
		at += sizeof open - 1;
		char *end = strstr(at, "```");
		assert_non_null(end);
		bool whole = strncmp(at, version, sizeof version - 1) == 0 || memmem(at, (size_t)(end - at), "\nversion:", 9) != NULL;
		AUTO(freep) char *text = xasprintf("%s%.*s", whole ? "" : "version: 1\n", (int)(end - at), at);
		must_validate("docs/policy.md", str_of(text));
		at = end;
	}
	assert_true(count >= 3);
}

/* Rows: "=== policy LAYER", the text, "=== error ..."; only those of one file. What is no YAML of ours never reaches the
 * schema; nor does it know what wants other parts of the program: names, regular expressions, tests. */
static void most_wrong_files_do_not_validate(void **state UNUSED)
{
	static const char head[] = "=== policy project\n", tail[] = "=== error ";
	AUTO(freep) char *cases = read_text(TEST_CASES "/policy/wrong.case");
	size_t refused = 0, count = 0;
	struct err err;

	for (const char *at = cases; (at = strstr(at, head)) != NULL;) {
		at += sizeof head - 1;
		const char *end = strstr(at, "=== ");
		assert_non_null(end);
		int valid = strncmp(end, tail, sizeof tail - 1) == 0 ?
			validates("case", (struct str){ at, (size_t)(end - at) }, &err) : -1;
		count += valid >= 0;
		refused += valid == 0;
		at = end;
	}
	print_message("%zu of %zu wrong files do not validate: %zu %%\n", refused, count, refused * 100 / MAX(count, (size_t)1));
	assert_true(count >= 100);
	assert_true(refused * 100 >= count * SHARE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_with_the_program_validates), cmocka_unit_test(the_examples_of_the_manual_validate),
		cmocka_unit_test(most_wrong_files_do_not_validate),
	};

	return cmocka_run_group_tests(tests, compile, discard);
}
