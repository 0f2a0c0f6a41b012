/* charge.c - is there room? Rates and budgets, judged in the transaction that writes the intent, so that nothing starts
 * that was not counted, and nothing is counted that did not start. Whoever comes second sees what the first one took. */
#include "store/internal.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"

#include "base/banned.h"

static const struct { enum statement spent, reserved; } sums[BUDGET_SCOPES] = {
	[BUDGET_TASK] = { SQL_SPENT_ROOT, SQL_RESERVED_ROOT },
	[BUDGET_SESSION] = { SQL_SPENT_SESSION, SQL_RESERVED_SESSION },
	[BUDGET_USER_DAY] = { SQL_SPENT_USER_DAY, SQL_RESERVED_USER_DAY },
	[BUDGET_STORE_DAY] = { SQL_SPENT_DAY, SQL_RESERVED_DAY },
};

/* ---- rates ---- */

static int clock_now(struct db *db, int64_t *ret_us, struct err *err)
{
	struct rate_clock c = { 0 };
	struct process self;
	struct timespec t;

	struct query q = query_start(db, SQL_RATE_CLOCK_GET, "");
	int r = query_next(&q, err);
	if (r > 0) {
		snprintf(c.boot, sizeof c.boot, "%s", query_text(&q, 0));
		c.boot_us = query_int(&q, 1);
		c.wall_us = query_int(&q, 2);
		c.now_us = query_int(&q, 3);
	}
	query_done(&q);
	if (r < 0)
		return r;
	process_self(&self);
	clock_gettime(CLOCK_BOOTTIME, &t);
	rate_clock_advance(&c, self.boot, (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000, clock_wall_us());
	*ret_us = c.now_us;
	return db_run(db, err, SQL_RATE_CLOCK_PUT, "tiii", c.boot, c.boot_us, c.wall_us, c.now_us);
}

static int state_get(struct db *db, const struct charge_rate *c, struct rate_state *ret, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_RATE_GET, "t", c->key);
	int r = query_next(&q, err);

	rate_state_read(&c->rate, r > 0 ? query_str(&q, 0) : STR(""), ret);
	return MIN(r, 0);
}

static int state_put(struct db *db, const struct charge_rate *c, const struct rate_state *state, struct err *err)
{
	unsigned char bytes[RATE_STATE_BYTES];
	struct str text = { (const char *)bytes, rate_state_write(&c->rate, state, bytes) };

	return db_run(db, err, SQL_RATE_PUT, "tbi", c->key, text, rate_idle_us(&c->rate, state));
}

/* First all are asked, so that one which refuses leaves the others unused. */
static int charge_rates(struct db *db, struct store_charge *c, struct rate_state *states, struct err *err)
{
	int64_t now_us = 0;
	int r = c->rate_count > 0 ? clock_now(db, &now_us, err) : 0;

	for (size_t i = 0; i < c->rate_count && r == 0; i++) {
		struct charge_rate *one = &c->rates[i];
		int64_t at_us = INT64_MAX;
		r = state_get(db, one, &states[i], err);
		if (r < 0)
			return r;
		one->refused = !rate_take(&one->rate, &states[i], now_us, one->uses, one->forced, &at_us);
		one->wait_us = !one->refused ? 0 : at_us == INT64_MAX ? INT64_MAX : MAX(at_us - now_us, 1);
		c->refused |= one->refused;
	}
	if (r == 0 && c->rate_count > 0)
		r = db_run(db, err, SQL_RATE_DROP, "i", now_us);
	return r;
}

/* ---- budgets ---- */

const char *budget_scope_key(const struct budget *budget, const char *key, int64_t day, char text[static 160])
{
	bool daily = budget->scope == BUDGET_USER_DAY || budget->scope == BUDGET_STORE_DAY;

	if (daily)
		snprintf(text, 160, "%s %s %lld", budget_scope_name(budget->scope), key, (long long)day);
	else
		snprintf(text, 160, "%s %s", budget_scope_name(budget->scope), key);
	return text;
}

static int raised_get(struct db *db, const struct budget *b, const char *scope, struct store_spent *ret, struct err *err)
{
	for (size_t i = 0; i < BUDGET_UNITS; i++) {
		if (b->most[i] < 0)
			continue;
		AUTO(query_done) struct query q = query_start(db, SQL_RAISED, "ttt", b->id, scope, budget_unit_name((enum budget_unit)i));
		int r = query_next(&q, err);
		if (r < 0)
			return r;
		ret->raised[i] = r > 0 ? query_int(&q, 0) : 0;
	}
	return 0;
}

static int spent_get(struct db *db, const struct budget *b, const char *key, int64_t day, const char *without,
                     struct store_spent *ret, struct err *err)
{
	char scope[160];

	*ret = (struct store_spent){ 0 };
	struct query q = query_start(db, sums[b->scope].spent, b->scope >= BUDGET_USER_DAY ? "ti" : "t", key, day);
	int r = query_next(&q, err);
	for (int i = 0; r > 0 && i < BUDGET_UNITS; i++)
		ret->spent[i] = query_int(&q, i);
	query_done(&q);
	if (r < 0)
		return r;
	q = query_start(db, sums[b->scope].reserved, "tit", key, day, without);
	r = query_next(&q, err);
	for (int i = 0; r > 0 && i < 2; i++)
		ret->reserved[i] = query_int(&q, i);
	query_done(&q);
	return r < 0 ? r : raised_get(db, b, budget_scope_key(b, key, day, scope), ret, err);
}

int store_spent(struct store *store, const struct budget *budget, const char *key, int64_t day, const char *without,
                struct store_spent *ret, struct err *err)
{
	return spent_get(&store->db, budget, key, day, without, ret, err);
}

static int charge_budget(struct db *db, struct store_charge *c, struct charge_budget *b, const char *task, struct err *err)
{
	struct store_spent s;
	int r = spent_get(db, &b->budget, b->key, c->day, task, &s, err);

	for (size_t i = 0; i < BUDGET_UNITS && r == 0 && !b->refused; i++) {
		int64_t most = b->budget.most[i];
		if (most < 0 || c->wants[i] <= 0)
			continue;
		most += MIN(s.raised[i], INT64_MAX - most);
		int64_t used = s.spent[i] + s.reserved[i];
		if (used <= most && c->wants[i] <= most - used)
			continue;
		b->refused = c->refused = true;
		b->unit = (enum budget_unit)i;
		b->spent = s.spent[i];
		b->reserved = s.reserved[i];
		b->most = most;
	}
	return r;
}

/* The day is the event's: what it spends is counted for that one, however long it lay in the queue at midnight. */
int charge_write(struct db *db, struct store_charge *c, const char *task, int64_t time_us, struct err *err)
{
	struct rate_state states[LIMIT_POLICY_HITS];

	c->day = time_us / 86400000000;
	int r = charge_rates(db, c, states, err);
	for (size_t i = 0; i < c->budget_count && r == 0; i++)
		r = charge_budget(db, c, &c->budgets[i], task, err);
	if (r == 0 && c->raises)
		return c->refused ? 0 : err_set(err, EALREADY, "there is room already: somebody else gave the budget more");
	if (r == 0 && c->refused)
		return err_set(err, EDQUOT, "a limit or a budget leaves no room");
	for (size_t i = 0; i < c->rate_count && r == 0; i++)
		r = state_put(db, &c->rates[i], &states[i], err);
	return r;
}

/* What budgets are called belongs to a policy that may be gone by now: only what was found goes back. */
void charge_answer(const struct store_charge *from, struct store_charge *to)
{
	*to = *from;
}
