/* Who is late, who is told of it and how often, and what a row may do to the table while it is judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/heartbeat.h"

static char told[256];

static void tell(void *unused, const struct beat_change *c)
{
	size_t len = strlen(told);

	(void)unused;
	snprintf(told + len, sizeof told - len, "%s%s %s %lld;", c->recovered ? "+" : "-", c->state.kind, c->state.name,
	         (long long)(c->recovered ? c->stood_ms : c->state.age_ms));
}

static void judged(struct heartbeats *table, int64_t now_ms, const char *want)
{
	told[0] = '\0';
	heartbeats_judge(table, now_ms, NULL, tell, NULL);
	assert_string_equal(told, want);
}

/* One row with a deadline of 100 ms that beats at 1000: what is told at each of these moments, one after the other. */
static void a_row_through_time(void **state)
{
	static const struct { int64_t now_ms; enum { NOTHING, BEATS, RESTS, LONGER } then; const char *want; } rows[] = {
		{ 1050, NOTHING, "" },
		{ 1100, NOTHING, "" },                      /* in time still */
		{ 1101, NOTHING, "-cell a 101;" },
		{ 1150, NOTHING, "" },                      /* told once */
		{ 1200, BEATS, "+cell a 200;" },
		{ 1300, NOTHING, "" },
		{ 1400, NOTHING, "-cell a 200;" },
		{ 1500, RESTS, "+cell a 300;" },
		{ 9999, NOTHING, "" },                      /* at rest nothing is due */
		{ 10000, BEATS, "" },
		{ 10500, LONGER, "" },
		{ 11001, NOTHING, "-cell a 1001;" },
	};
	struct heartbeats *table = heartbeats_new();
	struct beat *beat = beat_new(table, &(struct beat_spec){ .kind = "cell", .name = "a", .action = BEAT_KILL, .deadline_ms = 100 });

	(void)state;
	judged(table, 500, "");                             /* before its first beat */
	beat_now(beat, 1000);
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].then == BEATS)
			beat_now(beat, rows[i].now_ms);
		else if (rows[i].then == RESTS)
			beat_rest(beat);
		else if (rows[i].then == LONGER)
			beat_deadline(beat, 1000);
		judged(table, rows[i].now_ms, rows[i].want);
	}
	heartbeats_free(table);
}

static struct beat *doomed;

static void free_both(void *self, int64_t age_ms)
{
	struct beat **own = self;

	assert_true(age_ms > 100);
	beat_free(*own);
	beat_free(doomed);
	*own = doomed = NULL;
}

/* What follows a miss may end its own row and others, late ones too. */
static void rows_that_go_while_they_are_judged(void **state)
{
	struct heartbeats *table = heartbeats_new();
	struct beat *first = NULL;
	struct beat_spec spec = { .kind = "tool", .name = "first", .action = BEAT_KILL, .deadline_ms = 100, .missed = free_both, .userdata = &first };

	(void)state;
	first = beat_new(table, &spec);
	spec = (struct beat_spec){ .kind = "tool", .name = "second", .action = BEAT_KILL, .deadline_ms = 100 };
	doomed = beat_new(table, &spec);
	spec.name = "third";
	struct beat *third = beat_new(table, &spec);
	beat_now(first, 0);
	beat_now(doomed, 0);
	beat_now(third, 0);
	judged(table, 200, "-tool first 200;-tool third 200;");
	assert_null(first);
	heartbeats_free(table);
}

static void count(void *userdata, const struct beat_state *s)
{
	int *late = userdata;

	*late += s->late;
}

static void what_is_vital_and_what_is_left_out(void **state)
{
	struct heartbeats *table = heartbeats_new();
	struct beat *loop = beat_new(table, &(struct beat_spec){ .kind = "loop", .name = "", .deadline_ms = 100, .vital = true });
	struct beat *cell = beat_new(table, &(struct beat_spec){ .kind = "cell", .name = "", .deadline_ms = 100 });
	int late = 0;

	(void)state;
	beat_now(loop, 1000);
	beat_now(cell, 1000);
	assert_true(heartbeats_vital(table, 1100));
	beat_now(loop, 1150);
	assert_true(heartbeats_vital(table, 1200));         /* a cell alone does not make an engine useless */
	assert_false(heartbeats_vital(table, 1251));
	heartbeats_see(table, 1251, count, &late);
	assert_int_equal(late, 2);
	told[0] = '\0';
	heartbeats_judge(table, 1251, "loop", tell, NULL);
	assert_string_equal(told, "-cell  251;");           /* the loop is judged by the watchdog */
	heartbeats_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_through_time),
		cmocka_unit_test(rows_that_go_while_they_are_judged),
		cmocka_unit_test(what_is_vital_and_what_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
