/* test_runs.c - the table of runs: each of many is found by the id of its task, one that is over or was taken out is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/run.h"

enum { MANY = 3000 };

static struct engine engine;
static struct run runs[MANY];
static struct task tasks[MANY];

static void enter(size_t i)
{
	runs[i].engine = &engine;
	runs[i].task = &tasks[i];
	snprintf(tasks[i].id, sizeof tasks[i].id, "t%zu", i);
	runs_add(&runs[i]);
}

static void each_is_found_until_it_leaves(void **state)
{
	(void)state;
	assert_null(runs_find(&engine, "t0"));
	for (size_t i = 0; i < MANY; i++)
		enter(i);
	runs_add(&runs[7]); /* a cell that is opened again */
	assert_int_equal(engine.by_task_count, MANY);
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(runs_find(&engine, tasks[i].id), &runs[i]);
	assert_null(runs_find(&engine, "t"));
	for (size_t i = 0; i < MANY; i += 2)
		runs_remove(&runs[i]);
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(runs_find(&engine, tasks[i].id), i % 2 == 0 ? NULL : &runs[i]);
	for (size_t i = 0; i < MANY; i++)
		runs_remove(&runs[i]);
	runs_close(&engine);
}

/* A task that was parked and taken up again by the same engine has two runs for a while. */
static void of_two_the_one_that_goes_on(void **state)
{
	(void)state;
	enter(0);
	runs[0].told = true;
	assert_null(runs_find(&engine, "t0"));
	enter(1);
	runs_remove(&runs[1]);
	memcpy(tasks[1].id, tasks[0].id, sizeof tasks[1].id);
	runs_add(&runs[1]);
	assert_ptr_equal(runs_find(&engine, "t0"), &runs[1]);
	runs_remove(&runs[0]);
	assert_ptr_equal(runs_find(&engine, "t0"), &runs[1]);
	runs_remove(&runs[1]);
	runs_close(&engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_found_until_it_leaves), cmocka_unit_test(of_two_the_one_that_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
