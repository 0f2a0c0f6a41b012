/* test_bounds.c - the table of limits: its numbers, who wins, and what is said of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/bounds.h"

#include "base/banned.h"

static void a_default_is_the_same_as_text_and_as_number(void **state)
{
	(void)state;
	for (int i = BOUND_NONE + 1; i < BOUND_COUNT; i++) {
		const struct bound_row *row = bound_row((enum bound)i);
		int64_t value = 0;
		if (row->text != NULL)
			assert_int_equal(bound_parse((enum bound)i, row->text, &value, NULL), 0);
		assert_int_equal(value, row->otherwise);
		assert_int_equal(bound_find(row->name), i);
	}
	assert_int_equal(bound_find("memroy"), BOUND_NONE);
}

static void wrong_values(void **state)
{
	static const struct { enum bound bound; const char *text, *says; } rows[] = {
		{ BOUND_MEMORY, "much", "memory: 'much' must be a size, such as" },
		{ BOUND_MEMORY, "1M", "memory: 1M must be between 16.0 MiB and 1.0 PiB" },
		{ BOUND_MEMORY, "99999999999G", "must be between" },
		{ BOUND_PROCESSES, "2", "processes: 2 must be between 4 and 1000000" },
		{ BOUND_PROCESSES, "-2", "must be a whole number" },
		{ BOUND_CPU, "1x", "cpu: '1x' must be a time" },
		{ BOUND_WALL, "", "wall: '' must be a time" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err err = ERR_NONE;
		int64_t value = 7;
		assert_int_equal(bound_parse(rows[i].bound, rows[i].text, &value, &err), -EINVAL);
		assert_int_equal(value, 7);
		if (strstr(err.text, rows[i].says) == NULL)
			fail_msg("said '%s', not '%s'", err.text, rows[i].says);
	}
}

static void the_tightest_wins(void **state)
{
	static const struct { int64_t a, b, want; } rows[] = { { 0, 0, 0 }, { 0, 5, 5 }, { 5, 0, 5 }, { 5, 6, 5 }, { 6, 5, 5 } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct bounds a = { .at = { [BOUND_DISK] = rows[i].a } }, b = { .at = { [BOUND_DISK] = rows[i].b } };
		bounds_tighten(&a, &b);
		assert_int_equal(a.at[BOUND_DISK], rows[i].want);
	}
}

static void written_and_read(void **state)
{
	const struct bounds bounds = { .at = { [BOUND_MEMORY] = 5, [BOUND_TASK_CPU] = 7 } };
	AUTO(json_decrefp) json_t *json = json_object();

	(void)state;
	bounds_write(&bounds, json);
	assert_int_equal(json_object_size(json), 2);
	struct bounds again = bounds_read(json);
	assert_memory_equal(&again, &bounds, sizeof bounds);
	again = bounds_read(NULL);
	assert_int_equal(again.at[BOUND_MEMORY], 0);
	json_put_int(json, "memory_bytes", -5);
	assert_int_equal(bounds_read(json).at[BOUND_MEMORY], 0);
}

static void what_was_reached_is_said(void **state)
{
	static const struct { struct bound_hit hit; const char *by, *says; } rows[] = {
		{ { BOUND_MEMORY, 5000000000, 4294967296 }, NULL,
		  "out of memory: 4.7 GiB were in use, the limit is 4.0 GiB; more with -c limits.memory=8G" },
		{ { BOUND_MEMORY, 70000000, 67108864 }, "the tool", "out of memory: 66.8 MiB were in use, the limit is 64.0 MiB (the tool)" },
		{ { BOUND_PROCESSES, 41, 40 }, NULL, "too many processes: there were 41, the limit is 40; more with -c limits.processes=80" },
		{ { BOUND_WALL, 1007, 1000 }, NULL, "it ran longer than 1.0 s; more with -c limits.wall=2s" },
		{ { BOUND_CPU, 350, 300 }, NULL, "out of processor time: 350 ms were used, the limit is 300 ms; more with -c limits.cpu=1s" },
		{ { BOUND_PRINTED, 5000, 4096 }, NULL, "it printed too much: 4.9 KiB, the limit is 4.0 KiB; more with -c limits.output=1M" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf text = BUF_INIT(KIB(1));
		bound_describe(&rows[i].hit, rows[i].by, &text);
		assert_string_equal(buf_text(&text), rows[i].says);
		buf_done(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_default_is_the_same_as_text_and_as_number), cmocka_unit_test(wrong_values),
		cmocka_unit_test(the_tightest_wins), cmocka_unit_test(written_and_read), cmocka_unit_test(what_was_reached_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
