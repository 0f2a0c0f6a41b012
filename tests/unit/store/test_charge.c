/* test_charge.c - limits and budgets in the transaction of the intent: many at once never take more than there is, a
 * refusal leaves nothing behind, and what was spent can be counted again from the events. */
#include "fixture.h"

#define ROOT "aaaaaaaaaaa1"

static struct event requested(const char *task, int64_t nanos)
{
	return event_of(EVENT_MODEL_REQUESTED, task, "", json_pack("{ss ss si si s{sI sI}}", "provider", "p", "model", "m", "turn", 1,
	                "messages", 1, "reserve", "usd_nanos", (json_int_t)nanos, "tokens", (json_int_t)100));
}

static struct event replied(const char *task, json_t *nanos)
{
	return event_of(EVENT_MODEL_REPLIED, task, "", json_pack("{si ss ss si s{si si} so si}", "turn", 1, "text", "t", "finish", "stop", "calls",
	                0, "usage", "input", 10, "output", 20, "usd_nanos", nanos, "ms", 7));
}

static struct event failed(const char *task, const char *cls, json_t *status)
{
	return event_of(EVENT_MODEL_FAILED, task, "", json_pack("{si ss so ss si}", "turn", 1, "class", cls, "status", status, "message", "m",
	                "ms", 3));
}

static struct store_charge dollars(enum budget_scope scope, const char *key, int64_t most, int64_t wants)
{
	struct store_charge c = { .budget_count = 1, .wants = { [BUDGET_USD] = wants } };

	c.budgets[0].budget = (struct budget){ .id = "b", .scope = scope, .most = { most, -1, -1, -1 } };
	snprintf(c.budgets[0].key, sizeof c.budgets[0].key, "%s", key);
	return c;
}

static struct store_charge uses(int64_t count, const char *key)
{
	struct store_charge c = { .rate_count = 1 };

	c.rates[0] = (struct charge_rate){ .rate = { .count = count, .per_us = 3600000000 }, .uses = 1 };
	snprintf(c.rates[0].key, sizeof c.rates[0].key, "%s", key);
	return c;
}

static int charged(struct fixture *f, const char *task, struct event e, struct store_charge *c)
{
	struct store_batch batch = { .root = ROOT, .task = task, .generation = 1, .events = &e, .count = 1, .charge = c };

	return store_append_wait(f->store, &batch, NULL, &f->err);
}

static void begin(struct fixture *f, const char *task, const char *parent)
{
	struct event e = created(task, parent, "g");
	struct store_batch batch = { .root = ROOT, .task = task, .generation = 1, .lease = LEASE_CREATE, .events = &e, .count = 1 };

	OK(f, store_append_wait(f->store, &batch, NULL, &f->err));
}

static struct store_spent spent(struct fixture *f, enum budget_scope scope, const char *key)
{
	const struct budget b = { .id = "b", .scope = scope, .most = { 1, 1, 1, 1 } };
	struct store_spent s;

	OK(f, store_spent(f->store, &b, key, clock_wall_us() / 86400000000, "", &s, &f->err));
	return s;
}

/* A reservation is held until the reply, which puts what it cost in its place. */
static void a_reservation_becomes_what_it_cost(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	begin(&f, ROOT, "");
	struct store_charge c = dollars(BUDGET_TASK, ROOT, 100, 60);
	OK(&f, charged(&f, ROOT, requested(ROOT, 60), &c));
	assert_int_equal(spent(&f, BUDGET_TASK, ROOT).reserved[BUDGET_USD], 60);
	assert_int_equal(spent(&f, BUDGET_TASK, ROOT).spent[BUDGET_USD], 0);
	OK(&f, charged(&f, ROOT, replied(ROOT, json_integer(25)), NULL));
	struct store_spent s = spent(&f, BUDGET_SESSION, "s00000000001");
	assert_int_equal(s.reserved[BUDGET_USD], 0);
	assert_int_equal(s.spent[BUDGET_USD], 25);
	assert_int_equal(s.spent[BUDGET_TOKENS], 30);
	assert_int_equal(s.spent[BUDGET_TIME], 7);
	assert_int_equal(spent(&f, BUDGET_USER_DAY, "amal").spent[BUDGET_USD], 25);
	assert_int_equal(spent(&f, BUDGET_USER_DAY, "other").spent[BUDGET_USD], 0);
	assert_int_equal(spent(&f, BUDGET_STORE_DAY, "").spent[BUDGET_USD], 25);
	fixture_done(&f);
}

/* What is not known counts as the most that it could be; what the provider refused counts as nothing. */
static void what_is_unknown_counts_in_full(void **state UNUSED)
{
	static const struct { const char *what; int64_t status; const char *cls; int64_t want; } rows[] = {
		{ "cost unknown", 0, NULL, 60 },
		{ "refused", 429, "transient", 0 },
		{ "no answer", 0, "transient", 0 },
		{ "cut off", 200, "transient", 60 },
		{ "stopped by us", 0, "cancelled", 60 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fixture f;
		fixture_init(&f);
		begin(&f, ROOT, "");
		OK(&f, charged(&f, ROOT, requested(ROOT, 60), NULL));
		json_t *status = rows[i].status > 0 ? json_integer(rows[i].status) : json_null();
		if (rows[i].cls == NULL) {
			json_decref(status);
			OK(&f, charged(&f, ROOT, replied(ROOT, json_null()), NULL));
		} else {
			OK(&f, charged(&f, ROOT, failed(ROOT, rows[i].cls, status), NULL));
		}
		struct store_spent s = spent(&f, BUDGET_TASK, ROOT);
		if (s.spent[BUDGET_USD] != rows[i].want || s.reserved[BUDGET_USD] != 0)
			fail_msg("%s: %lld spent, %lld reserved", rows[i].what, (long long)s.spent[BUDGET_USD], (long long)s.reserved[BUDGET_USD]);
		fixture_done(&f);
	}
}

/* A crash in the middle of a request: on resume it counts as spent. */
static void a_lost_request_counts_as_spent(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	begin(&f, ROOT, "");
	OK(&f, charged(&f, ROOT, requested(ROOT, 60), NULL));
	OK(&f, charged(&f, ROOT, event_of(EVENT_TASK_RESUMED, ROOT, "", json_pack("{ss si ss}", "engine", "e", "generation", 2, "reason", "crash")), NULL));
	assert_int_equal(spent(&f, BUDGET_TASK, ROOT).spent[BUDGET_USD], 60);
	assert_int_equal(spent(&f, BUDGET_TASK, ROOT).reserved[BUDGET_USD], 0);
	fixture_done(&f);
}

/* A refusal writes nothing, uses no rate, and harms neither what comes with it nor what comes after it. */
static void a_refusal_leaves_nothing_behind(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	begin(&f, ROOT, "");
	int64_t before = tamper(&f, "SELECT count(*) FROM events");
	struct store_charge both = dollars(BUDGET_TASK, ROOT, 50, 60), rate = uses(1, "k");
	both.rates[0] = rate.rates[0];
	both.rate_count = 1;
	assert_int_equal(charged(&f, ROOT, requested(ROOT, 60), &both), -EDQUOT);
	assert_true(both.refused && both.budgets[0].refused && !both.rates[0].refused);
	assert_int_equal(both.budgets[0].most, 50);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM events"), before);
	assert_int_equal(tamper(&f, "SELECT count(*) FROM reservations"), 0);
	OK(&f, charged(&f, ROOT, requested(ROOT, 1), &rate));           /* its one use was not taken */
	struct store_charge again = uses(1, "k");
	assert_int_equal(charged(&f, ROOT, replied(ROOT, json_integer(1)), &again), -EDQUOT);
	assert_true(again.rates[0].wait_us > 3500000000 && again.rates[0].wait_us <= 3700000000);
	again.rates[0].forced = true;
	again.refused = again.rates[0].refused = false;
	OK(&f, charged(&f, ROOT, replied(ROOT, json_integer(1)), &again));  /* a person said yes */
	fixture_done(&f);
}

/* A budget that a person raised has that much more, and only for the scope that it was raised for. */
static void a_raise_is_of_one_scope(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	begin(&f, ROOT, "");
	struct store_charge c = dollars(BUDGET_TASK, ROOT, 50, 60);
	assert_int_equal(charged(&f, ROOT, requested(ROOT, 60), &c), -EDQUOT);
	OK(&f, charged(&f, ROOT, event_of(EVENT_BUDGET_RAISED, ROOT, "", json_pack("{ss ss ss si}", "budget", "b", "scope", "task " ROOT, "unit", "usd",
	                                 "amount", 20)), NULL));
	c = dollars(BUDGET_SESSION, "s00000000001", 50, 60);
	assert_int_equal(charged(&f, ROOT, requested(ROOT, 60), &c), -EDQUOT);
	c = dollars(BUDGET_TASK, ROOT, 50, 60);
	OK(&f, charged(&f, ROOT, requested(ROOT, 60), &c));
	fixture_done(&f);
}

static struct event raised(int64_t amount)
{
	return event_of(EVENT_BUDGET_RAISED, ROOT, "", json_pack("{ss ss ss sI}", "budget", "b", "scope", "task " ROOT, "unit", "usd", "amount",
	                (json_int_t)amount));
}

/* Two who were asked the same say yes: the first makes room for both, and the second gives nothing. */
static void what_has_room_is_not_raised(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	begin(&f, ROOT, "");
	struct store_charge gift = dollars(BUDGET_TASK, ROOT, 50, 60);
	gift.raises = true;
	OK(&f, charged(&f, ROOT, raised(50), &gift));
	gift = dollars(BUDGET_TASK, ROOT, 50, 60);
	gift.raises = true;
	assert_int_equal(charged(&f, ROOT, raised(50), &gift), -EALREADY);
	assert_int_equal(spent(&f, BUDGET_TASK, ROOT).raised[BUDGET_USD], 50);
	struct store_charge c = dollars(BUDGET_TASK, ROOT, 50, 60);
	OK(&f, charged(&f, ROOT, requested(ROOT, 60), &c));             /* and the store goes on */
	fixture_done(&f);
}

/* What began before midnight is of that day, however late it is written: that day's budget holds for it. */
static void an_event_is_of_its_own_day(void **state UNUSED)
{
	struct fixture f;

	fixture_init(&f);
	begin(&f, ROOT, "");
	for (int i = 0; i < 2; i++) {
		struct event e = requested(ROOT, 60);
		struct store_charge c = dollars(BUDGET_STORE_DAY, "", 100, 60);
		e.time_us -= 86400000000;
		assert_int_equal(charged(&f, ROOT, e, &c), i == 0 ? 0 : -EDQUOT);
		assert_true(c.day == clock_wall_us() / 86400000000 - 1 || c.day == clock_wall_us() / 86400000000 - 2);
		if (i == 0)
			OK(&f, charged(&f, ROOT, replied(ROOT, json_null()), NULL));
	}
	struct store_charge today = dollars(BUDGET_STORE_DAY, "", 100, 60);
	OK(&f, charged(&f, ROOT, requested(ROOT, 60), &today));
	fixture_done(&f);
}

enum { CHILDREN = 8, TRIES = 40 };

static void compete(const char *dir, int number, bool by_rate)
{
	struct fixture f = { 0 };
	char task[ID_LEN + 1];

	snprintf(f.dir, sizeof f.dir, "%s", dir);
	fixture_open(&f);
	snprintf(task, sizeof task, "child%07d", number);
	begin(&f, task, ROOT);
	for (int i = 0; i < TRIES; i++) {
		struct store_charge c = by_rate ? uses(100, "shared") : dollars(BUDGET_SESSION, "s00000000001", 1000, 30);
		int r = charged(&f, task, requested(task, by_rate ? 0 : 30), &c);
		if (r == -EDQUOT)
			continue;
		OK(&f, r);
		OK(&f, charged(&f, task, replied(task, json_integer(by_rate ? 0 : 7 + i % 24)), NULL)); /* at most what was reserved */
	}
	fixture_close(&f);
}

/* POLICY.md 9, invariant 9: processes that share a store never go beyond, whoever comes first. */
static void many_at_once_never_overshoot(void **state UNUSED)
{
	for (int by_rate = 0; by_rate < 2; by_rate++) {
		struct fixture f;
		fixture_init(&f);
		begin(&f, ROOT, "");
		fixture_close(&f);
		pid_t pids[CHILDREN];
		for (int i = 0; i < CHILDREN; i++) {
			pids[i] = fork();
			assert_true(pids[i] >= 0);
			if (pids[i] == 0) {
				compete(f.dir, i, by_rate != 0);
				_exit(0);
			}
		}
		for (int i = 0; i < CHILDREN; i++) {
			int status;
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_int_equal(status, 0);
		}
		fixture_open(&f);
		if (by_rate != 0) {
			assert_int_equal(tamper(&f, "SELECT count(*) FROM events WHERE type = 'model.requested'"), 100);
		} else {
			int64_t sum = tamper(&f, "SELECT sum(usd_nanos) FROM spending");
			if (sum > 1000 || sum <= 1000 - 30)     /* all is used but what no worst case fits into */
				fail_msg("%lld of 1000 were spent", (long long)sum);
		}
		fixture_done(&f);
	}
}

/* doctor --rebuild: the same sums out of the events alone. */
static void sums_can_be_made_again(void **state UNUSED)
{
	static const char sums[] = "SELECT sum(usd_nanos * 1000000 + tokens * 1000 + calls * 100 + ms) + (SELECT sum(usd_nanos) FROM reservations)"
		" + (SELECT sum(amount) FROM raises) FROM spending";
	struct fixture f;

	fixture_init(&f);
	begin(&f, ROOT, "");
	begin(&f, "bbbbbbbbbbb2", ROOT);
	OK(&f, charged(&f, ROOT, requested(ROOT, 60), NULL));
	OK(&f, charged(&f, ROOT, replied(ROOT, json_null()), NULL));
	OK(&f, charged(&f, "bbbbbbbbbbb2", proposed("bbbbbbbbbbb2", "1.1", "x"), NULL));
	OK(&f, charged(&f, "bbbbbbbbbbb2", event_of(EVENT_CALL_STARTED, "bbbbbbbbbbb2", "", json_pack("{ss ss ss}", "call", "1.1", "tool", "shell",
	               "nature", "pure")), NULL));
	OK(&f, charged(&f, "bbbbbbbbbbb2", finished("bbbbbbbbbbb2", "1.1", "o"), NULL));
	OK(&f, charged(&f, ROOT, event_of(EVENT_BUDGET_RAISED, ROOT, "", json_pack("{ss ss ss si}", "budget", "b", "scope", "x", "unit", "usd",
	               "amount", 20)), NULL));
	OK(&f, charged(&f, ROOT, requested(ROOT, 11), NULL));
	int64_t before = tamper(&f, sums);
	assert_true(before > 0);
	tamper(&f, "UPDATE spending SET usd_nanos = 0; DELETE FROM reservations; DELETE FROM raises");
	OK(&f, store_rebuild(f.store, &f.err));
	assert_int_equal(tamper(&f, sums), before);
	fixture_done(&f);
}

/* Tasks of one tree side by side, each asking, being answered, cut off or lost in any order: whatever the order, what is
 * spent and reserved together never passes the limit, and what may still be asked is not refused for nothing. */
static void nothing_is_ever_overshot(void **state UNUSED)
{
	enum { SIDE = 6, STEPS = 120, MOST = 300 };
	int refused = 0, taken = 0;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		int64_t held[SIDE] = { 0 }, sure = 0;
		uint64_t x = seed * 2654435761u;
		char names[SIDE][ID_LEN + 1];
		struct fixture f;
		fixture_init(&f);
		begin(&f, ROOT, "");
		for (int i = 0; i < SIDE; i++) {
			snprintf(names[i], sizeof names[i], "bbbbbbbbbbb%c", (char)('0' + i));
			begin(&f, names[i], ROOT);
		}
		for (int step = 0; step < STEPS; step++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			size_t at = x % SIDE;
			int64_t wants = 1 + (int64_t)(x >> 8) % 60, all = sure;
			for (size_t i = 0; i < SIDE; i++)
				all += held[i];
			if (held[at] == 0) {
				struct store_charge c = dollars(BUDGET_TASK, ROOT, MOST, wants);
				int r = charged(&f, names[at], requested(names[at], wants), &c);
				assert_int_equal(r, all + wants <= MOST ? 0 : -EDQUOT);
				held[at] = r == 0 ? wants : 0;
				*(r == 0 ? &taken : &refused) += 1;
			} else {
				int how = (int)(x >> 40) % 3;
				int64_t cost = how == 0 ? (int64_t)(x >> 20) % (held[at] + 1) : how == 1 ? held[at] : 0;
				struct event e = how == 0 ? replied(names[at], json_integer(cost)) : how == 1 ? replied(names[at], json_null())
					: failed(names[at], "transient", json_integer(500));
				OK(&f, charged(&f, names[at], e, NULL));
				sure += cost;
				held[at] = 0;
			}
			struct store_spent s = spent(&f, BUDGET_TASK, ROOT);
			int64_t together = s.spent[BUDGET_USD] + s.reserved[BUDGET_USD];
			if (together > MOST)
				fail_msg("seed %d, step %d: %lld of %d", (int)seed, step, (long long)together, MOST);
			assert_int_equal(s.spent[BUDGET_USD], sure);
		}
		fixture_done(&f);
	}
	assert_true(taken > 50 && refused > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reservation_becomes_what_it_cost),
		cmocka_unit_test(what_is_unknown_counts_in_full),
		cmocka_unit_test(a_lost_request_counts_as_spent),
		cmocka_unit_test(a_refusal_leaves_nothing_behind),
		cmocka_unit_test(a_raise_is_of_one_scope),
		cmocka_unit_test(what_has_room_is_not_raised),
		cmocka_unit_test(an_event_is_of_its_own_day),
		cmocka_unit_test(many_at_once_never_overshoot),
		cmocka_unit_test(sums_can_be_made_again),
		cmocka_unit_test(nothing_is_ever_overshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
