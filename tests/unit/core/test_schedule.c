/* test_schedule.c - the next step of a schedule, case by case: what is due, late, missed, overlapping, paused, ended; and
 * which words of people are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/schedule.h"

#include "base/banned.h"

enum { S = 1000000 };
#define M (60ll * S)
#define H (3600ll * S)

/* Every 10 minutes from 0 on, seen at a moment, with what is durable. */
struct row {
	const char *what;
	enum overlap overlap;
	int64_t catch_up, now, cursor;
	int active, queued, queue;
	int64_t runs, runs_most, failures;
	bool paused;
	enum schedule_act act;
	int64_t at, count;                 /* FIRE, QUEUE: the instant; PASS: the last one, and how many; WAIT: until then (-1: for ever) */
	int detail;                        /* cause, or pass */
	bool cancel;
};

static const struct row rows[] = {
	{ "nothing yet", .catch_up = H, .now = 9 * M, .act = SCHEDULE_WAIT, .at = 10 * M },
	{ "due now", .catch_up = H, .now = 10 * M, .act = SCHEDULE_FIRE, .at = 10 * M, .detail = CAUSE_DUE },
	{ "in time", .catch_up = H, .now = 10 * M + 9 * S, .act = SCHEDULE_FIRE, .at = 10 * M, .detail = CAUSE_DUE },
	{ "late", .catch_up = H, .now = 15 * M, .act = SCHEDULE_FIRE, .at = 10 * M, .detail = CAUSE_LATE },
	{ "in time, without catch-up", .now = 10 * M + 9 * S, .act = SCHEDULE_FIRE, .at = 10 * M, .detail = CAUSE_DUE },
	{ "late, without catch-up", .now = 15 * M, .act = SCHEDULE_PASS, .at = 10 * M, .count = 1, .detail = PASS_MISSED },
	{ "later than the window", .catch_up = 2 * M, .now = 13 * M, .act = SCHEDULE_PASS, .at = 10 * M, .count = 1, .detail = PASS_MISSED },
	{ "several: the older ones first", .catch_up = H, .now = 55 * M, .act = SCHEDULE_PASS, .at = 40 * M, .count = 4, .detail = PASS_MISSED },
	{ "then the newest", .catch_up = H, .now = 55 * M, .cursor = 40 * M, .act = SCHEDULE_FIRE, .at = 50 * M, .detail = CAUSE_LATE },
	{ "decided is decided", .catch_up = H, .now = 55 * M, .cursor = 50 * M, .act = SCHEDULE_WAIT, .at = 60 * M },
	{ "the clock went back", .catch_up = H, .now = 20 * M, .cursor = 50 * M, .act = SCHEDULE_WAIT, .at = 60 * M },
	{ "skip", OVERLAP_SKIP, .catch_up = H, .now = 10 * M, .active = 1, .act = SCHEDULE_PASS, .at = 10 * M, .count = 1, .detail = PASS_SKIPPED },
	{ "allow", OVERLAP_ALLOW, .catch_up = H, .now = 10 * M, .active = 9, .act = SCHEDULE_FIRE, .at = 10 * M, .detail = CAUSE_DUE },
	{ "allow, but not for ever", OVERLAP_ALLOW, .catch_up = H, .now = 10 * M, .active = LIMIT_SCHEDULE_RUNNING, .act = SCHEDULE_PASS, .at = 10 * M,
	  .count = 1, .detail = PASS_SKIPPED },
	{ "queue", OVERLAP_QUEUE, .catch_up = H, .now = 10 * M, .active = 1, .queue = 2, .queued = 1, .act = SCHEDULE_QUEUE, .at = 10 * M },
	{ "the queue is full", OVERLAP_QUEUE, .catch_up = H, .now = 20 * M, .cursor = 10 * M, .active = 1, .queue = 1, .queued = 1, .act = SCHEDULE_PASS,
	  .at = 20 * M, .count = 1, .detail = PASS_DROPPED },
	{ "the queue moves on", OVERLAP_QUEUE, .catch_up = H, .now = 25 * M, .cursor = 20 * M, .queue = 1, .queued = 1, .act = SCHEDULE_FIRE,
	  .at = 5 * M, .detail = CAUSE_QUEUED },
	{ "cancel: it waits", OVERLAP_CANCEL, .catch_up = H, .now = 10 * M, .active = 1, .act = SCHEDULE_QUEUE, .at = 10 * M },
	{ "cancel: the run before is ended", OVERLAP_CANCEL, .catch_up = H, .now = 11 * M, .cursor = 10 * M, .active = 1, .queued = 1, .act = SCHEDULE_WAIT,
	  .at = 20 * M, .cancel = true },
	{ "cancel: it has ended", OVERLAP_CANCEL, .catch_up = H, .now = 11 * M, .cursor = 10 * M, .queued = 1, .act = SCHEDULE_FIRE, .at = 5 * M,
	  .detail = CAUSE_QUEUED },
	{ "paused", .catch_up = H, .now = 55 * M, .paused = true, .act = SCHEDULE_WAIT, .at = -1 },
	{ "paused with a queue", OVERLAP_QUEUE, .now = 55 * M, .queue = 1, .queued = 1, .paused = true, .act = SCHEDULE_WAIT, .at = -1 },
	{ "so many runs", .catch_up = H, .now = 55 * M, .runs = 3, .runs_most = 3, .act = SCHEDULE_WAIT, .at = -1 },
	{ "one is left", .catch_up = H, .now = 10 * M, .runs = 2, .runs_most = 3, .act = SCHEDULE_FIRE, .at = 10 * M, .detail = CAUSE_DUE },
	{ "the last one waits still", OVERLAP_QUEUE, .now = 55 * M, .runs = 3, .runs_most = 3, .queue = 1, .queued = 1, .act = SCHEDULE_FIRE, .at = 5 * M,
	  .detail = CAUSE_QUEUED },
	{ "failures in a row", .catch_up = H, .now = 10 * M, .failures = 5, .act = SCHEDULE_PAUSE },
	{ "not yet so many", .catch_up = H, .now = 10 * M, .failures = 4, .act = SCHEDULE_FIRE, .at = 10 * M, .detail = CAUSE_DUE },
	{ "thousands of them, a part at a time", .catch_up = H, .now = 700000 * M, .act = SCHEDULE_PASS, .at = LIMIT_SCHEDULE_INSTANTS * 10 * M,
	  .count = LIMIT_SCHEDULE_INSTANTS, .detail = PASS_MISSED },
};

static void one_step(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *r = &rows[i];
		struct schedule_rule rule = {
			.when = { .kind = WHEN_EVERY, .every_us = 10 * M }, .overlap = r->overlap, .queue = r->queue, .catch_up_us = r->catch_up,
			.runs_most = r->runs_most, .failures_most = 5,
		};
		struct schedule_state s = { .id = "abc", .paused = r->paused, .cursor_us = r->cursor, .runs = r->runs, .failures = r->failures,
		                            .active = r->active, .queued = r->queued, .queued_us = 5 * M };
		struct schedule_step step, again;
		schedule_decide(&rule, &s, r->now, NULL, &step);
		schedule_decide(&rule, &s, r->now, NULL, &again);
		assert_memory_equal(&step, &again, sizeof step);
		int64_t at = step.act == SCHEDULE_PASS ? step.last_us : step.act == SCHEDULE_WAIT ? step.wake_us : step.instant_us;
		if (step.act != r->act || (r->act != SCHEDULE_PAUSE && at != (r->at < 0 ? INT64_MAX : r->at)) || step.cancel != r->cancel)
			fail_msg("%s: %d at %lld", r->what, step.act, (long long)at);
		if (step.act == SCHEDULE_PASS && (step.count != r->count || step.pass != (enum schedule_pass)r->detail || step.reason[0] == '\0'))
			fail_msg("%s: %lld %s: %s", r->what, (long long)step.count, schedule_pass_names[step.pass], step.reason);
		if (step.act == SCHEDULE_FIRE && step.cause != (enum schedule_cause)r->detail)
			fail_msg("%s: %s", r->what, schedule_cause_names[step.cause]);
	}
}

static void why_it_was_missed(void **state)
{
	struct schedule_rule rule = { .when = { .kind = WHEN_EVERY, .every_us = 10 * M } };
	struct schedule_state s = { .id = "abc" };
	struct schedule_step step;

	(void)state;
	schedule_decide(&rule, &s, 55 * M, "the machine slept for 50 min 00 s", &step);
	assert_string_equal(step.reason, "the machine slept for 50 min 00 s; of several only the newest runs");
	s.cursor_us = 40 * M;
	schedule_decide(&rule, &s, 55 * M, "no engine ran the schedules then", &step);
	assert_string_equal(step.reason, "no engine ran the schedules then; it is more than 10 s late");
}

static void what_the_clocks_say(void **state)
{
	static const struct { int64_t wall, boot, mono; const char *says; } moves[] = {
		{ 1 * S, 1 * S, 1 * S, NULL }, { 1 * S + 1900000, 1 * S, 1 * S, NULL },                   /* slewed by NTP */
		{ 3601ll * S, 1 * S, 1 * S, "the clock was set forward by 1 h 00 min" },
		{ -3599ll * S, 1 * S, 1 * S, "the clock was set back by 1 h 00 min" },
		{ 3601ll * S, 3601ll * S, 1 * S, "the machine slept for 1 h 00 min" },
		{ 7201ll * S, 3601ll * S, 1 * S, "the machine slept for 1 h 00 min" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(moves); i++) {
		struct schedule_sight a = { 1000, 2000, 3000 }, b = { 1000 + moves[i].wall, 2000 + moves[i].boot, 3000 + moves[i].mono };
		char text[160] = "";
		assert_int_equal(schedule_clock_jumped(&a, &b, text, sizeof text), moves[i].says != NULL);
		assert_string_equal(text, moves[i].says != NULL ? moves[i].says : "");
	}
}

/* The same for every engine, spread, and never beyond a tenth of the gap. */
static void jitter(void **state)
{
	struct schedule_rule rule = { .when = { .kind = WHEN_EVERY, .every_us = 10 * S }, .jitter_us = 10 * S };
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	for (int64_t n = 1; n < 2000; n++) {
		int64_t j = schedule_jitter_us(&rule, "abcdef", n * 10 * S);
		assert_int_equal(j, schedule_jitter_us(&rule, "abcdef", n * 10 * S));
		least = MIN(least, j);
		most = MAX(most, j);
	}
	assert_true(least >= 0 && least < 20000 && most > 980000 && most <= 1 * S);
	assert_int_not_equal(schedule_jitter_us(&rule, "abcdef", 10 * S), schedule_jitter_us(&rule, "abcdeg", 10 * S));
	rule.jitter_us = 0;
	assert_int_equal(schedule_jitter_us(&rule, "abcdef", 10 * S), 0);
	rule = (struct schedule_rule){ .when = { .kind = WHEN_AT, .at_us = 10 * S }, .jitter_us = 10 * S };
	assert_int_equal(schedule_jitter_us(&rule, "abcdef", 10 * S), 0);
}

static void words_of_people(void **state)
{
	static const struct { const char *spec, *says; } specs[] = {
		{ "{'cron':'0 9 * * *'}", NULL }, { "{'every':'90m','overlap':'queue','queue':100}", NULL }, { "{'at':'2030-01-01T09:00'}", NULL },
		{ "{'every':'1s','catch_up':'off','jitter':'off','failures':0,'runs':1}", NULL },
		{ "{'every':'1h','start':'2030-01-01','end':'2030-01-02'}", NULL }, { "{'every':'366d'}", NULL },
		{ "{}", "one of cron" }, { "{'cron':'* * * * *','every':'1h'}", "one of cron" }, { "{'cron':'x'}", "five fields" },
		{ "{'every':'999ms'}", "every: '999ms': a span from 1s" }, { "{'every':'367d'}", "to 366d" }, { "{'every':'soon'}", "as in 90m" },
		{ "{'every':'1h','overlap':'both'}", "skip, queue, cancel-previous or allow" },
		{ "{'every':'1h','queue':2}", "overlap is skip" }, { "{'every':'1h','overlap':'queue','queue':0}", "a number from 1 to 100" },
		{ "{'every':'1h','overlap':'queue','queue':101}", "a number from 1 to 100" }, { "{'every':'1h','runs':0}", "runs: a number" },
		{ "{'every':'1h','failures':-1}", "failures: a number" }, { "{'every':'1h','catch_up':'-1h'}", "catch_up: '-1h'" },
		{ "{'every':'1h','jitter':'x'}", "jitter: 'x'" }, { "{'at':'2001-01-01'}", "is past" }, { "{'at':'noon'}", "at: 'noon' is no time" },
		{ "{'every':'1h','start':'2030-01-02','end':'2030-01-01'}", "before start" }, { "{'every':'1h','end':'2001-01-01'}", "before its end" },
		{ "{'cron':'0 0 30 2 *'}", "no such day" }, { "{'cron':'0 0 1 1 *','end':'2027-12-01'}", NULL },
		{ "{'cron':'0 0 1 1 *','end':'2026-12-01'}", "before its end" },
	};
	AUTO(zone_freep) struct zone *zone = NULL;

	(void)state;
	assert_int_equal(zone_load("UTC", &zone, NULL), 0);
	for (size_t i = 0; i < COUNT(specs); i++) {
		AUTO(freep) char *text = xstrdup(specs[i].spec);
		AUTO(json_decrefp) json_t *spec = NULL;
		struct schedule_rule rule = { .runs_most = 42 };
		struct err err = ERR_NONE;
		for (char *at = text; *at != '\0'; at++)
			*at = *at == '\'' ? '"' : *at;
		assert_int_equal(json_parse(str_of(text), &spec, NULL), 0);
		int r = schedule_rule_read(spec, zone, 1795000000ll * S, &rule, &err); /* 2026-11-18 */
		if (r != (specs[i].says == NULL ? 0 : -EINVAL) || (r < 0 && (strstr(err.text, specs[i].says) == NULL || rule.runs_most != 42)))
			fail_msg("%s: %d: %s", specs[i].spec, r, err.text);
	}
}

static void names(void **state)
{
	static const char *const good[] = { "a", "nightly-2", "_x", "A.b", "0" }, *const bad[] = { "", "-a", ".a", "a b", "a/b", "ü", "a\n" };
	char longest[LIMIT_SCHEDULE_NAME_BYTES + 2];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_int_equal(schedule_name_check(good[i], NULL), 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(schedule_name_check(bad[i], NULL), -EINVAL);
	memset(longest, 'a', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(schedule_name_check(longest, NULL), -EINVAL);
	assert_int_equal(schedule_name_check(longest + 1, NULL), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_step),
		cmocka_unit_test(why_it_was_missed),
		cmocka_unit_test(what_the_clocks_say),
		cmocka_unit_test(jitter),
		cmocka_unit_test(words_of_people),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
