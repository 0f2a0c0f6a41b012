/* test_rate.c - rates against a model that keeps every use, over random schedules, restarts and clocks that jump. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/id.h"
#include "policy/rate.h"

#include "base/banned.h"

enum { SCHEDULES = 300, USES = 400 };

static uint64_t random_state;

static uint32_t next_random(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33);
}

static int64_t between(int64_t low, int64_t high)
{
	return low + (int64_t)(next_random() % (uint64_t)(high - low + 1));
}

/* What was let through, in the order of time. */
struct model {
	int64_t at[USES * 4];
	size_t count;
};

static int64_t within(const struct model *m, int64_t from_us, int64_t to_us)
{
	int64_t count = 0;

	for (size_t i = 0; i < m->count; i++)
		count += m->at[i] > from_us && m->at[i] <= to_us;
	return count;
}

/* Through bytes and back, as over a restart. */
static void restart(const struct rate *rate, struct rate_state *state)
{
	unsigned char bytes[RATE_STATE_BYTES];
	size_t len = rate_state_write(rate, state, bytes);

	rate_state_read(rate, (struct str){ (const char *)bytes, len }, state);
}

static void note(struct model *m, int64_t now_us, int64_t uses)
{
	while (uses-- > 0 && m->count < COUNT(m->at))
		m->at[m->count++] = now_us;
}

static void one_window(uint64_t seed)
{
	struct rate rate = { .count = between(1, 40), .per_us = between(1000000, 100000000) };
	struct rate_state state = { 0 };
	struct model m = { .count = 0 };
	int64_t now_us = between(0, 1000000000000), slot_us = (rate.per_us + 63) / 64;

	for (int i = 0; i < USES; i++) {
		int64_t uses = between(1, 3), at_us = 0;
		now_us += next_random() % 3 == 0 ? between(0, rate.per_us * 2) : between(0, rate.per_us / rate.count);
		if (next_random() % 7 == 0)
			restart(&rate, &state);
		bool taken = rate_take(&rate, &state, now_us, uses, false, &at_us);
		int64_t exact = within(&m, now_us - rate.per_us, now_us);
		int64_t generous = within(&m, now_us - rate.per_us - 2 * slot_us, now_us);
		if (taken && exact + uses > rate.count)
			fail_msg("seed %llu: %lld + %lld uses in a window of %lld", (unsigned long long)seed, (long long)exact, (long long)uses,
			         (long long)rate.count);
		if (!taken && generous + uses <= rate.count)
			fail_msg("seed %llu: refused with %lld of %lld used", (unsigned long long)seed, (long long)generous, (long long)rate.count);
		if (taken) {
			note(&m, now_us, uses);
		} else if (at_us != INT64_MAX) {
			struct rate_state later = state;
			int64_t again;
			assert_true(at_us > now_us);
			assert_true(rate_take(&rate, &later, at_us, uses, false, &again));   /* what it promises, it keeps */
		} else {
			assert_true(uses > rate.count);
		}
	}
}

/* The exact bucket, in uses times per_us. */
static void one_bucket(uint64_t seed)
{
	struct rate rate = { .count = between(1, 40), .per_us = between(1000000, 100000000), .burst = between(1, 20) };
	struct rate_state state = { 0 };
	int64_t now_us = between(0, 1000000000000), last_us = now_us;
	__int128 level = (__int128)rate.burst * rate.per_us;

	for (int i = 0; i < USES; i++) {
		int64_t uses = between(1, 3), at_us = 0;
		now_us += next_random() % 3 == 0 ? between(0, rate.per_us * 2) : between(0, rate.per_us / rate.count);
		if (next_random() % 7 == 0)
			restart(&rate, &state);
		level += (__int128)(now_us - last_us) * rate.count;
		level = MIN(level, (__int128)rate.burst * rate.per_us);
		last_us = now_us;
		bool want = level >= (__int128)uses * rate.per_us;
		bool taken = rate_take(&rate, &state, now_us, uses, false, &at_us);
		if (taken != want)
			fail_msg("seed %llu, use %d: the bucket says %d, the model %d", (unsigned long long)seed, i, taken, want);
		if (taken) {
			level -= (__int128)uses * rate.per_us;
		} else if (at_us == INT64_MAX) {
			assert_true(uses > rate.burst);
		} else {
			struct rate_state later = state, sooner = state;
			int64_t again;
			assert_true(rate_take(&rate, &later, at_us, uses, false, &again));
			assert_false(rate_take(&rate, &sooner, at_us - 1, uses, false, &again));
		}
	}
}

/* POLICY.md 9 */
static void rates_keep_to_a_model(void **unused)
{
	uint32_t seed;

	(void)unused;
	id_random(&seed, sizeof seed);
	print_message("seed %u\n", seed);
	for (uint64_t i = 0; i < SCHEDULES; i++) {
		random_state = seed + i;
		one_window(seed + i);
		random_state = seed + i;
		one_bucket(seed + i);
	}
}

/* All state that is idle may be forgotten: an empty one answers the same. */
static void an_idle_state_is_an_empty_one(void **unused)
{
	static const struct rate rates[] = { { 5, 1000000, 0 }, { 5, 1000000, 3 }, { 7, 60000000, 7 } };

	(void)unused;
	for (size_t i = 0; i < COUNT(rates); i++) {
		struct rate_state state = { 0 };
		int64_t at_us;
		for (int k = 0; k < 3; k++)
			assert_true(rate_take(&rates[i], &state, 1000 + k, 1, false, &at_us));
		struct rate_state used = state, empty = { 0 };
		int64_t idle_us = rate_idle_us(&rates[i], &state);
		for (int k = 0; k < 10; k++)
			assert_int_equal(rate_take(&rates[i], &used, idle_us, 1, false, &at_us), rate_take(&rates[i], &empty, idle_us, 1, false, &at_us));
	}
}

/* The clock that engines share, against the time that really passed: it never runs ahead within a boot, whatever the wall
 * clock does, and never goes back. */
static void the_clock_survives_steps_and_restarts(void **unused)
{
	uint32_t seed;

	(void)unused;
	id_random(&seed, sizeof seed);
	print_message("seed %u\n", seed);
	random_state = seed;
	for (int round = 0; round < 200; round++) {
		struct rate_clock clock = { 0 };
		int64_t real_us = 0, boot_us = 5000000, wall_us = 1000000000000000, last_us = 0;
		int boots = 1;
		char boot[40];
		for (int i = 0; i < 200; i++) {
			int64_t passed = between(0, 60000000);
			real_us += passed;
			boot_us += passed;
			wall_us += passed;
			if (next_random() % 5 == 0)
				wall_us += between(-864000000000, 864000000000);      /* somebody sets the clock */
			snprintf(boot, sizeof boot, "boot-%d", boots);
			/* another engine may have looked a moment before, and comes late */
			int64_t late = next_random() % 4 == 0 ? between(0, 1000) : 0;
			rate_clock_advance(&clock, boot, boot_us - late, wall_us);
			if (boots == 1 && clock.now_us > real_us)
				fail_msg("seed %u: %lld us passed, the clock says %lld", seed, (long long)real_us, (long long)clock.now_us);
			assert_true(clock.now_us >= last_us);
			last_us = clock.now_us;
			if (round % 2 == 1 && next_random() % 40 == 0) {      /* the machine is started again */
				boots++;
				boot_us = 0;
			}
		}
	}
}

static void words_are_read(void **unused)
{
	static const struct { const char *text; int64_t count, per_us; } rows[] = {
		{ "1/s", 1, 1000000 }, { "30/min", 30, 60000000 }, { "2/h", 2, 3600000000 }, { "5/day", 5, 86400000000 },
		{ "100/15m", 100, 900000000 }, { "7/90s", 7, 90000000 }, { "1/30d", 1, 2592000000000 }, { "1000000/s", 1000000, 1000000 },
		{ "0/s", 0, 0 }, { "1/0s", 0, 0 }, { "1/31d", 0, 0 }, { "1/", 0, 0 }, { "/s", 0, 0 }, { "s", 0, 0 }, { "1/x", 0, 0 },
		{ "1000001/s", 0, 0 }, { "-1/s", 0, 0 }, { "1/500ms", 0, 0 }, { "1/s/s", 0, 0 }, { "", 0, 0 }, { "1/5", 0, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t count = 0, per_us = 0;
		int r = rate_parse(rows[i].text, &count, &per_us);
		if ((r == 0) != (rows[i].count > 0) || count != rows[i].count || per_us != rows[i].per_us)
			fail_msg("'%s': %d, %lld in %lld us", rows[i].text, r, (long long)count, (long long)per_us);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_keep_to_a_model),
		cmocka_unit_test(an_idle_state_is_an_empty_one),
		cmocka_unit_test(the_clock_survives_steps_and_restarts),
		cmocka_unit_test(words_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
