/* test_slots.c - the queue for worker slots: limits, order, and that nobody is kept out for ever. Properties are tried
 * on many drawn lives, each from a seed that is printed when it fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "core/slots.h"

#include "base/banned.h"

static struct slot_want want(const char *user, const char *provider, const char *agent, int64_t priority, int64_t now_us)
{
	return (struct slot_want){ .user = user, .provider = provider, .agent = agent, .priority = priority, .now_us = now_us };
}

/* Users that ask, in order, and the order in which they are served with one slot that is given back each time. */
static void the_order(UNUSED void **state)
{
	static const struct {
		const char *asks[6];     /* "USER PRIORITY SECOND" */
		const char *served;      /* places in asks */
	} rows[] = {
		{ { "a 0 0", "a 0 1", "a 0 2" }, "012" },
		{ { "a 0 0", "a 0 1", "b 0 2" }, "021" },                      /* round and round */
		{ { "a 0 0", "a 0 1", "a 0 2", "b 0 3", "b 0 4" }, "03142" },
		{ { "a 0 0", "a 5 1", "a 1 2" }, "120" },                      /* priority goes first */
		{ { "a 0 0", "a 1 9", "a 1 11" }, "102" },                     /* a step is worth ten seconds */
		{ { "a 0 0", "a 1 10" }, "01" },
		{ { "a 0 0", "a 0 1", "b -9 2" }, "021" },                     /* and nothing between users, unless they are alike */
		{ { "a 0 0", "b 100 1" }, "10" },
		{ { "a -5 0", "a 0 1" }, "10" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const int64_t limits[SLOT_SCOPES] = { 1 };
		struct slots *slots = slots_new(limits);
		struct slot_seat seats[6] = { 0 };
		char served[8] = "";
		for (size_t k = 0; k < COUNT(rows[i].asks) && rows[i].asks[k] != NULL; k++) {
			char user[8];
			long priority, second;
			assert_int_equal(sscanf(rows[i].asks[k], "%7s %ld %ld", user, &priority, &second), 3);
			struct slot_want w = want(user, NULL, "x", priority, second * 1000000);
			slots_enter(slots, &seats[k], &w);
		}
		for (struct slot_seat *s; (s = slots_next(slots)) != NULL; slots_leave(slots, s)) {
			assert_null(slots_next(slots)); /* there is one slot */
			served[strlen(served)] = (char)('0' + (s - seats));
		}
		assert_string_equal(served, rows[i].served);
		slots_free(slots);
	}
}

static void each_limit_holds_up_its_own(UNUSED void **state)
{
	static const struct {
		int64_t limits[SLOT_SCOPES];
		struct slot_want first, second;
		enum slot_scope why;     /* the second waits for; SLOT_SCOPES: it does not wait */
	} rows[] = {
		{ { 1, 0, 0, 0 }, { "a", NULL, "x" }, { "b", NULL, "y" }, SLOT_ENGINE },
		{ { 9, 1, 0, 0 }, { "a", NULL, "x" }, { "a", NULL, "y" }, SLOT_USER },
		{ { 9, 1, 0, 0 }, { "a", NULL, "x" }, { "b", NULL, "x" }, SLOT_SCOPES },
		{ { 9, 0, 1, 0 }, { "a", "p", "x" }, { "b", "p", "y" }, SLOT_PROVIDER },
		{ { 9, 0, 1, 0 }, { "a", "p", "x" }, { "b", NULL, "y" }, SLOT_SCOPES },
		{ { 9, 0, 1, 0 }, { "a", "p", "x" }, { "b", "q", "y" }, SLOT_SCOPES },
		{ { 9, 0, 0, 1 }, { "a", NULL, "x" }, { "b", NULL, "x" }, SLOT_AGENT },
		{ { 9, 0, 0, 1 }, { "a", NULL, "x" }, { "a", NULL, "y" }, SLOT_SCOPES },
		{ { 0, 0, 0, 0 }, { "a", "p", "x" }, { "a", "p", "x" }, SLOT_SCOPES },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slots *slots = slots_new(rows[i].limits);
		struct slot_seat first = { 0 }, second = { 0 };
		struct slot_state why;
		slots_enter(slots, &first, &rows[i].first);
		slots_enter(slots, &second, &rows[i].second);
		assert_ptr_equal(slots_next(slots), &first);
		assert_ptr_equal(slots_next(slots), rows[i].why == SLOT_SCOPES ? &second : NULL);
		if (rows[i].why != SLOT_SCOPES) {
			slots_why(slots, &second, &why);
			assert_int_equal(why.scope, rows[i].why);
			assert_int_equal(why.running, 1);
			slots_leave(slots, &first);
			assert_ptr_equal(slots_next(slots), &second);
		}
		slots_free(slots);
	}
}

/* Of one provider another limit; work that cannot wait goes beyond it, and nothing new begins meanwhile. */
static void named_and_forced(UNUSED void **state)
{
	const int64_t limits[SLOT_SCOPES] = { 9, 9, 9, 9 };
	struct slots *slots = slots_new(limits);
	struct slot_seat a = { 0 }, b = { 0 }, c = { 0 };
	struct slot_want w = want("u", "p", "x", 0, 1);

	slots_limit(slots, SLOT_PROVIDER, "p", 1);
	slots_enter(slots, &a, &w);
	slots_enter(slots, &b, &w);
	assert_ptr_equal(slots_next(slots), &a);
	assert_null(slots_next(slots));
	slots_force(slots, &c, &w);
	assert_int_equal(slots_running(slots), 2);
	slots_leave(slots, &a);
	assert_null(slots_next(slots));
	slots_leave(slots, &c);
	assert_ptr_equal(slots_next(slots), &b);
	slots_free(slots);
}

static void what_a_configuration_says(UNUSED void **state)
{
	static const struct { const char *text; int count; } rows[] = {
		{ "openai=8", 1 }, { " openai = 8 , ollama=1", 2 }, { "openai", -1 }, { "openai=", -1 }, { "=3", -1 }, { "openai=0", -1 },
		{ "openai=x", -1 }, { "openai=8,", -1 }, { "openai=100001", -1 }, { "", -1 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str rest = str_of(rows[i].text), name;
		struct err err = ERR_NONE;
		int64_t n;
		int count = 0, r;
		while ((r = slots_provider(&rest, &name, &n, &err)) > 0)
			count++;
		assert_int_equal(r < 0 ? -1 : count, rows[i].count);
		assert_true(r == 0 || strstr(err.text, "NAME=N") != NULL);
	}
}

/* ---- properties ---- */

enum { TASKS = 60, STEPS = 4000, USERS = 4, NAMES = 3 };

struct life {
	uint64_t random;
	struct slots *slots;
	struct slot_seat seats[TASKS];
	int user[TASKS], provider[TASKS], agent[TASKS]; /* provider -1: none */
	int64_t waited_us[TASKS], now_us;
};

static unsigned draw(struct life *l, unsigned below)
{
	l->random = l->random * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(l->random >> 33) % below;
}

static const int64_t most[SLOT_SCOPES] = { 6, 3, 4, 3 };
static const char *const users[] = { "u0", "u1", "u2", "u3" }, *const names[] = { "n0", "n1", "n2" };

static void check_limits(const struct life *l)
{
	int64_t engine = 0, by_user[USERS] = { 0 }, by_provider[NAMES] = { 0 }, by_agent[NAMES] = { 0 };

	for (int i = 0; i < TASKS; i++) {
		if (!l->seats[i].holds)
			continue;
		assert_true(++engine <= most[SLOT_ENGINE]);
		assert_true(++by_user[l->user[i]] <= most[SLOT_USER]);
		assert_true(l->provider[i] < 0 || ++by_provider[l->provider[i]] <= most[SLOT_PROVIDER]);
		assert_true(++by_agent[l->agent[i]] <= most[SLOT_AGENT]);
	}
	assert_int_equal(engine, slots_running(l->slots));
}

/* Whoever waits longer than every other, by far, was passed over for ever. */
static int64_t live(struct life *l)
{
	int64_t longest_us = 0;

	for (int step = 0; step < STEPS; step++) {
		int i = (int)draw(l, TASKS);
		l->now_us += 100000;
		if (l->seats[i].lane == NULL) {
			l->user[i] = i % USERS;
			l->provider[i] = (int)draw(l, NAMES + 1) - 1;
			l->agent[i] = (int)draw(l, NAMES);
			struct slot_want w = want(users[l->user[i]], l->provider[i] >= 0 ? names[l->provider[i]] : NULL, names[l->agent[i]],
			                          i % 3 == 0 ? 0 : 2, l->now_us);
			slots_enter(l->slots, &l->seats[i], &w);
		} else if (l->seats[i].holds || draw(l, 50) == 0) { /* ends, or is cancelled while it waits */
			slots_leave(l->slots, &l->seats[i]);
		}
		for (struct slot_seat *s; (s = slots_next(l->slots)) != NULL;)
			longest_us = MAX(longest_us, l->now_us - s->since_us);
		check_limits(l);
	}
	for (int i = 0; i < TASKS; i++) /* whoever still waits has waited too */
		if (l->seats[i].lane != NULL && !l->seats[i].holds)
			longest_us = MAX(longest_us, l->now_us - l->seats[i].since_us);
	return longest_us;
}

static void nobody_starves(UNUSED void **state)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		const struct life begin = { .random = seed, .slots = slots_new(most) };
		struct life *l = xcalloc(1, sizeof *l);
		*l = begin;
		int64_t longest_us = live(l);
		if (longest_us > 200 * 1000000ll)
			fail_msg("seed %llu: a task waited %lld s", (unsigned long long)seed, (long long)longest_us / 1000000);
		for (int i = 0; i < TASKS; i++)
			slots_leave(l->slots, &l->seats[i]);
		assert_int_equal(slots_running(l->slots), 0);
		assert_int_equal(slots_waiting(l->slots), 0);
		slots_free(l->slots);
		free(l);
	}
}

/* One user with a thousand tasks, one with one: the one is served next, whenever it comes. */
static void a_crowd_keeps_nobody_out(UNUSED void **state)
{
	const int64_t limits[SLOT_SCOPES] = { 4 };
	struct slots *slots = slots_new(limits);
	struct slot_seat *crowd = xcalloc(1000, sizeof *crowd), one = { 0 };
	struct slot_want many = want("many", NULL, "x", 100, 0), alone = want("alone", NULL, "x", -100, 1000000);

	for (int i = 0; i < 1000; i++)
		slots_enter(slots, &crowd[i], &many);
	for (int i = 0; i < 4; i++)
		assert_non_null(slots_next(slots));
	slots_enter(slots, &one, &alone);
	slots_leave(slots, &crowd[0]);
	assert_ptr_equal(slots_next(slots), &one);
	slots_free(slots);
	free(crowd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order),
		cmocka_unit_test(each_limit_holds_up_its_own),
		cmocka_unit_test(named_and_forced),
		cmocka_unit_test(what_a_configuration_says),
		cmocka_unit_test(nobody_starves),
		cmocka_unit_test(a_crowd_keeps_nobody_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
