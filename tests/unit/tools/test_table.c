/* The table: every row is whole, every schema is understood, and `shell` hands the command over as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/tool.h"

#include "base/banned.h"

static bool one_of(const char *name, const char *const *names, size_t count)
{
	return name_find(names, count, name) >= 0;
}

static void rows_are_whole(void **state)
{
	static const char *const categories[] = { "read", "write", "exec", "network", "agent", "schedule" };
	static const char *const risks[] = { "low", "high" };
	const struct tool *tool;
	size_t i;

	(void)state;
	for (i = 0; (tool = tool_at(i)) != NULL; i++) {
		struct err err;
		AUTO(json_decrefp) json_t *schema = tool_schema_of(tool);
		if (schema_lint(schema, &err) < 0)
			fail_msg("%s: %s", tool->name, err.text);
		assert_ptr_equal(tool_find(tool->name), tool);
		assert_true(one_of(tool->category, categories, COUNT(categories)));
		assert_true(one_of(tool->risk, risks, COUNT(risks)));
		assert_true(tool->about[0] != '\0' && tool->permissions != NULL);
		/* what the engine carries out itself has nothing for the cell; everything else has */
		assert_true(tool->control == (tool->plan == NULL));
		assert_true((tool->control || tool->hosted || strcmp(tool->category, "exec") == 0) == (tool->run == NULL));
		assert_false(tool->control && tool->hosted);
		/* a model that adds an argument is told so */
		assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
		/* only what reads may be run twice without a thought */
		assert_true(tool->nature != NATURE_PURE || strcmp(tool->category, "read") == 0);
	}
	assert_true(i >= 3);
	assert_null(tool_find("no_such_tool"));
}

static void names_and_builtins(void **state)
{
	const char *names[32];
	struct cell_builtin builtins[32];
	size_t count = tool_names(names, COUNT(names)), built = tool_builtins(builtins, COUNT(builtins));

	(void)state;
	assert_null(tool_at(count));
	assert_int_equal(built, count - 11 + 2); /* all but shell, five of the engine's and five for agents among themselves; and two that are no tools */
	assert_int_equal(tool_names(names, 2), 2);
	assert_int_equal(tool_builtins(builtins, 1), 1);
	assert_string_equal(nature_name(tool_find("shell")->nature), "at_most_once");
	assert_string_equal(nature_name(tool_find("read_file")->nature), "pure");
	assert_string_equal(nature_name(tool_find("write_file")->nature), "idempotent");
}

static void shell_plans(void **state)
{
	static const struct { const char *args; const char *before, *command; int64_t wall_ms; } rows[] = {
		{ "{\"command\":\"echo \\\"a b\\\"; exit 3\"}", NULL, "echo \"a b\"; exit 3", 120000 },
		{ "{\"command\":\"x\",\"timeout_s\":1}", NULL, "x", 1000 },
		{ "{\"command\":\"x\",\"timeout_s\":600.0}", NULL, "x", 600000 },
		{ "{\"command\":\"-i\"}", "--", "-i", 120000 },
		{ "{\"command\":\"+x\"}", "--", "+x", 120000 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(json_decrefp) json_t *args = NULL;
		struct tool_plan plan;
		struct err err;
		assert_int_equal(json_parse(str_of(rows[i].args), &args, &err), 0);
		assert_int_equal(tool_find("shell")->plan(args, "/w", &plan, &err), 0);
		assert_null(plan.builtin);
		assert_true(strcmp(plan.argv[0], "/bin/bash") == 0 || strcmp(plan.argv[0], "/bin/sh") == 0);
		assert_string_equal(plan.argv[1], "-c");
		char **rest = plan.argv + 2;
		if (rows[i].before != NULL)
			assert_string_equal(*rest++, rows[i].before);
		assert_string_equal(rest[0], rows[i].command);
		assert_null(rest[1]);
		assert_int_equal(plan.wall_ms, rows[i].wall_ms);
		tool_plan_done(&plan);
		assert_null(plan.argv);
	}
}

static void shell_refuses(void **state)
{
	static const struct { const char *args, *says; } rows[] = {
		{ "{}", "/command: required" },
		{ "{\"command\":\"\"}", "/command: minLength: has 0 characters; must have at least 1" },
		{ "{\"command\":\"a\\u0000b\"}", "/command: has a NUL" },
		{ "{\"command\":[\"ls\"]}", "/command: type: is of type array; must be string" },
		{ "{\"command\":\"x\",\"timeout_s\":601}", "/timeout_s: maximum: is 601; must be at most 600" },
		{ "{\"command\":\"x\",\"timeout_s\":0}", "/timeout_s: minimum" },
		{ "{\"command\":\"x\",\"timeout\":1}", "did you mean 'timeout_s'?" },
	};
	const struct tool *shell = tool_find("shell");
	AUTO(json_decrefp) json_t *schema = tool_schema_of(shell);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(json_decrefp) json_t *args = NULL;
		struct tool_plan plan = { .wall_ms = 7 };
		struct err err = ERR_NONE;
		assert_int_equal(json_parse(str_of(rows[i].args), &args, &err), 0);
		assert_true(schema_check(schema, args, &err) < 0 || shell->plan(args, "/w", &plan, &err) < 0);
		if (strstr(err.text, rows[i].says) == NULL)
			fail_msg("%s\nsaid: %s", rows[i].args, err.text);
		assert_int_equal(plan.wall_ms, 7); /* untouched */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_whole),
		cmocka_unit_test(names_and_builtins),
		cmocka_unit_test(shell_plans),
		cmocka_unit_test(shell_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
