/* charge.c - limits and budgets at the point of no return: the intent to run a call or to ask a model becomes durable in
 * the transaction in which its uses and the most that it may cost are taken, or it does not happen. It decides nothing
 * about what is permitted; it only asks the store whether there is room. */
#include "engine/charge.h"
#include "engine/raise.h"
#include "engine/reload.h"

#include <stdio.h>
#include <string.h>

#include "llm/prices.h"

#include "base/banned.h"

enum { WARNED_MARKS = 3 };
static const int warn_marks[WARNED_MARKS] = { 50, 80, 100 };

/* ---- which budgets there are ---- */

static int64_t task_budget(const struct task *t)
{
	return json_get_int(t->config, "budget_usd_nanos", -1);
}

static const struct budget *budget_at(const struct run *run, size_t i, struct budget *own)
{
	const struct policy *policy = run_policy(run);
	size_t count = policy_budget_count(policy);

	if (i < count)
		return policy_budget(policy, i);
	if (i > count || task_budget(run->task) < 0)
		return NULL;
	*own = (struct budget){ .id = "--budget", .scope = BUDGET_TASK, .over = OVER_DENY,
	                        .most = { task_budget(run->task), -1, -1, -1 } };
	return own;
}

static bool has_budgets(const struct run *run)
{
	struct budget own;

	return budget_at(run, 0, &own) != NULL;
}

static const char *budget_key(const struct run *run, const struct budget *b)
{
	switch (b->scope) {
	case BUDGET_TASK: return run->task->root;
	case BUDGET_SESSION: return run->task->session;
	case BUDGET_USER_DAY: return run->task->user;
	case BUDGET_STORE_DAY:
	case BUDGET_SCOPES: break;
	}
	return "";
}

static int64_t today(void)
{
	return clock_wall_us() / 86400000000;
}

/* More than can be kept at once counts as one that leaves nothing. */
static bool add_budgets(const struct run *run, struct store_charge *c)
{
	struct budget own;
	const struct budget *b;

	for (size_t i = 0; (b = budget_at(run, i, &own)) != NULL; i++) {
		bool concerned = false;
		for (size_t u = 0; u < BUDGET_UNITS; u++)
			concerned |= b->most[u] >= 0 && c->wants[u] > 0;
		if (!concerned)
			continue;
		if (c->budget_count == COUNT(c->budgets))
			return false;
		struct charge_budget *to = &c->budgets[c->budget_count++];
		*to = (struct charge_budget){ .budget = *b };
		snprintf(to->key, sizeof to->key, "%s", budget_key(run, b));
	}
	return true;
}

/* ---- which limits concern a step ---- */

/* A limit that concerns several parts of one call is one limit, used several times. False: there are too many. */
static bool add_rate(struct charging *g, const struct limit_hit *hit, enum action_kind on)
{
	struct store_charge *c = &g->charge;

	for (size_t i = 0; i < c->rate_count; i++)
		if (strcmp(c->rates[i].key, hit->key) == 0) {
			c->rates[i].uses++;
			return true;
		}
	if (c->rate_count == COUNT(c->rates))
		return false;
	g->limits[c->rate_count] = (struct decision_limit){ hit->id, hit->source, hit->over };
	g->on[c->rate_count] = on;
	struct charge_rate *to = &c->rates[c->rate_count++];
	*to = (struct charge_rate){ .rate = hit->rate, .uses = 1, .forced = raise_waives(g, hit->over) };
	memcpy(to->key, hit->key, sizeof to->key);
	return true;
}

static bool add_action(struct charging *g, const struct action *action)
{
	struct limit_hit hits[LIMIT_POLICY_HITS];
	struct facts facts;

	facts_of(g->run, &facts);
	int count = policy_limits(run_policy(g->run), action, &facts, hits, COUNT(hits));
	bool fits = count >= 0;
	for (int i = 0; i < count && fits; i++)
		fits = add_rate(g, &hits[i], action->kind);
	return fits;
}

static bool add_call(struct charging *g, const struct call *c)
{
	const struct tool *tool = tool_find(c->tool);
	struct action action = {
		.kind = ACTION_TOOL,
		.tool = { .name = tool->name, .category = tool->category, .risk = tool_risk(tool, c->args), .args = c->args },
	};
	bool fits = add_action(g, &action);
	const json_t *parts = tool == &tool_delegate ? json_object_get(c->args, "tasks") : NULL;

	for (size_t i = 0; i < json_array_size(parts) && fits; i++) {
		struct action part = { .kind = ACTION_DELEGATE };
		part.delegate.agent = json_get_text(json_array_get(parts, i), "agent", "worker");
		fits = add_action(g, &part);
	}
	return fits;
}

/* ---- on the way to the store ---- */

static void charging_free(struct charging *g)
{
	event_done(&g->event);
	free(g);
}

void charge_drop(struct run *run)
{
	if (run->charging != NULL && !run->charging->sent)
		charging_free(run->charging);
	run->charging = NULL;
}

bool charge_meanwhile(struct run *run, bool policy)
{
	struct charging *g = run->charging;

	if (g != NULL && g->sent) {
		*(policy ? &g->policy : &g->news) = true;
		return true;
	}
	if (g != NULL) {
		charge_drop(run);
		run->slot_used = false; /* it has the slot, and did nothing with it */
	}
	return false;
}

static int64_t until_tomorrow_ms(void)
{
	return 86400000 - clock_wall_us() / 1000 % 86400000;
}

enum over limit_over(const struct store_charge *charge, const struct decision_limit *limits, size_t i)
{
	return charge->rates[i].wait_us == INT64_MAX && limits[i].over == OVER_WAIT ? OVER_DENY : limits[i].over;
}

size_t limit_deciding(const struct store_charge *charge, const struct decision_limit *limits)
{
	size_t best = charge->rate_count;

	for (size_t i = 0; i < charge->rate_count; i++) {
		if (!charge->rates[i].refused)
			continue;
		enum over over = limit_over(charge, limits, i);
		enum over least = best < charge->rate_count ? limit_over(charge, limits, best) : over;
		if (best == charge->rate_count || over < least ||
		    (over == least && charge->rates[i].wait_us > charge->rates[best].wait_us))
			best = i;
	}
	return best;
}

json_t *limit_data(const struct run *run, const struct decision_limit *limit, const struct charge_rate *rate, enum action_kind on,
                   const char *call)
{
	static const char *const kinds[] = { "tool", "exec", "net", "delegate", "schedule", "model" };
	AUTO(freep) char *often = rate_text(&rate->rate);
	char span[32];
	int64_t wait_ms = rate->wait_us / 1000 + 1;
	bool never = rate->wait_us == INT64_MAX;
	AUTO(freep) char *reason = never ?
		xasprintf("the limit %s of %s can never take %lld at once", limit->id, often, (long long)rate->uses) :
		xasprintf("the limit %s of %s is reached; there is room again in %s", limit->id, often,
		          clock_span(wait_ms, span, sizeof span));
	json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "limit", limit->id, "source", limit->source, "on",
		name_of(kinds, COUNT(kinds), on), "over", never && limit->over == OVER_WAIT ? "deny" : over_name(limit->over), "reason", reason,
		"policy", policy_digest(run_policy(run)));

	json_put_text(data, "call", call);
	json_put(data, "wait_ms", never ? json_null() : json_integer(wait_ms));
	return data;
}

static json_t *budget_data(const struct charge_budget *b, int64_t day, int64_t wants, const char *call)
{
	char most[40], spent[40], reserved[40], want[40], scope[160];
	bool wait = b->budget.over == OVER_WAIT;
	struct buf reason = BUF_INIT(KIB(1));

	buf_printf(&reason, "The budget %s of %s per %s has no room: %s is spent", b->budget.id,
	           budget_amount(b->unit, b->most, most, sizeof most), budget_scope_name(b->budget.scope),
	           budget_amount(b->unit, b->spent, spent, sizeof spent));
	if (b->reserved > 0)
		buf_printf(&reason, ", %s is reserved", budget_amount(b->unit, b->reserved, reserved, sizeof reserved));
	if (b->unit == BUDGET_USD || b->unit == BUDGET_TOKENS)
		buf_printf(&reason, ", and the next model call may take %s", budget_amount(b->unit, wants, want, sizeof want));
	buf_printf(&reason, ". It stands %s%s.", b->budget.source != NULL ? "at " : "in --budget or the configuration key budget",
	           b->budget.source != NULL ? b->budget.source : "");
	json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s}", "budget", b->budget.id, "per",
		budget_scope_name(b->budget.scope), "scope", budget_scope_key(&b->budget, b->key, day, scope), "unit",
		budget_unit_name(b->unit), "most", (json_int_t)b->most, "spent", (json_int_t)b->spent, "reserved",
		(json_int_t)b->reserved, "wants", (json_int_t)wants, "over", over_name(b->budget.over), "reason", buf_text(&reason));

	json_put_text(data, "source", b->budget.source);
	json_put_text(data, "call", call);
	json_put(data, "wait_ms", wait ? json_integer(until_tomorrow_ms()) : json_null());
	buf_done(&reason);
	return data;
}

/* Beyond a limit, a call is refused or a person is asked as after any decision; the core does the waiting. */
static void decide_again(struct run *run, const struct call *c, const char *by, const json_t *over)
{
	const char *what = json_get_text(over, "over", "deny");
	const char *id = json_get_text(over, "limit", json_get_text(over, "budget", ""));

	if (strcmp(what, "wait") == 0)
		return;
	json_t *fields = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[], s:i}", "call", c->id, "tool", c->tool, "effect", what, "by", by,
	                           "rule", id, "reason", json_get_text(over, "reason", ""), "also", "ns", 0);
	json_put_text(fields, "source", json_get_text(over, "source", NULL));
	json_put_text(fields, "policy", policy_digest(run_policy(run)));
	run_emit(run, EVENT_CALL_DECIDED, "call", c->id, fields);
}

static void emit_over(struct run *run, enum event_type type, const char *call, json_t *owned_data)
{
	AUTO(json_decrefp) json_t *data = json_incref(owned_data);
	char turn[24];

	snprintf(turn, sizeof turn, "%lld", (long long)run->task->turns + 1);
	run_emit(run, type, call != NULL ? "call" : "turn", call != NULL ? call : turn, owned_data);
	const struct call *c = call != NULL ? task_call_find(run->task, call) : NULL;
	bool ends = type == EVENT_BUDGET_EXCEEDED && strcmp(json_get_text(data, "over", ""), "deny") == 0;
	if (c != NULL && !ends)
		decide_again(run, c, type == EVENT_LIMIT_REACHED ? "limit" : "budget", data);
}

/* Of all that refuse, the strictest speaks; of those that wait, the longest; of budgets, one that a person said yes to: it is
 * given more, and the others are looked at then. */
static void refused(struct run *run, const struct charging *g)
{
	const struct store_charge *c = &g->charge;
	const char *call = g->call[0] != '\0' ? g->call : NULL;
	const struct charge_budget *budget = NULL;
	size_t rate = limit_deciding(c, g->limits);

	for (size_t i = 0; i < c->budget_count; i++)
		if (c->budgets[i].refused && (budget == NULL || c->budgets[i].budget.over < budget->budget.over ||
		                              (c->budgets[i].budget.over == budget->budget.over && raise_is_due(g, &c->budgets[i]))))
			budget = &c->budgets[i];
	bool by_rate = rate < c->rate_count && (budget == NULL || limit_over(c, g->limits, rate) < budget->budget.over);
	if (by_rate)
		emit_over(run, EVENT_LIMIT_REACHED, call, limit_data(run, &g->limits[rate], &c->rates[rate], g->on[rate], call));
	else if (budget != NULL && raise_is_due(g, budget))
		raise_begin(g, budget);
	else if (budget != NULL)
		emit_over(run, EVENT_BUDGET_EXCEEDED, call, budget_data(budget, c->day, c->wants[budget->unit], call));
}

/* What cannot be counted is refused, and said to be: the engine goes on. */
static void refuse_uncounted(struct run *run, const char *call)
{
	AUTO(freep) char *reason = xasprintf("more than %d limits of the policy concern this, which is more than can be counted at "
		"once: it needs fewer limits, or narrower ones", LIMIT_POLICY_HITS);
	json_t *data = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:n}", "limit", "limits", "source", "",
		"on", call != NULL ? "tool" : "model", "over", "deny", "reason", reason, "policy", policy_digest(run_policy(run)), "wait_ms");

	json_put_text(data, "call", call);
	emit_over(run, EVENT_LIMIT_REACHED, call, data);
}

/* What was not begun is not begun: the next step closes it. */
static bool is_to_stop(const struct run *run)
{
	const struct task *t = run->task;

	return run->input.cancelled || run->input.draining || t->cancelled_by != NULL || (t->paused && t->pause_now);
}

static void on_charged(void *userdata, int result, int64_t first_seq, const struct err *err)
{
	struct charging *g = userdata;
	struct run *run = g->run;
	struct err why = ERR_NONE;

	run->committing = false;
	run->charging = NULL;
	if (run->over) { /* it failed meanwhile */
		service_look(run->engine);
		charging_free(g);
		return;
	}
	if (result == -EDQUOT) {
		refused(run, g);
	} else if (result == -EALREADY) {
		assert(g->charge.raises); /* there is room without it: it is asked for again */
	} else if (result < 0) {
		run_fail(run, RUN_STORE, err);
	} else {
		g->event.seq = first_seq;
		bool fits = task_apply(run->task, &g->event, &why) == 0;
		if (!fits)
			fprintf(stderr, "mishri: %s\n", why.text);
		assert(fits);
		run_published(run, &g->event);
	}
	if (g->news)
		inbox_read(run);
	if (result >= 0 && g->effect >= 0 && !run->over && !is_to_stop(run))
		run_begin(run, g->effect, g->call);
	if (g->policy && !run->over)
		policy_review(run);
	charging_free(g);
	run_step(run);
}

bool charge_flush(struct run *run)
{
	struct charging *g = run->charging;
	struct event copy;

	if (g == NULL || g->sent || run->pending_count > 0)
		return false;
	copy = g->event;
	json_incref(copy.data);
	g->sent = run->committing = true;
	store_append(run->engine->setup.store, &(struct store_batch){
		.root = run->task->root, .task = run->task->id, .generation = run->generation, .lease = LEASE_HOLD,
		.events = &copy, .count = 1, .charge = &g->charge, .on_commit = on_charged, .userdata = g });
	return true;
}

void charge_begin(struct charging *owned, enum event_type type, const char *what, const char *name, json_t *owned_data)
{
	struct run *run = owned->run;

	assert(run->charging == NULL);
	run_event(run, type, what, name, owned_data, &owned->event);
	run->charging = owned;
	run->hurry |= run->pending_count > 0;
}

/* Takes data over. False: nothing counts it. */
static bool begin(struct run *run, struct charging *owned, enum event_type type, const char *what, const char *name,
                  json_t *owned_data, bool fits)
{
	bool counted = !fits || owned->charge.rate_count > 0 || owned->charge.budget_count > 0;

	if (fits && counted) {
		charge_begin(owned, type, what, name, owned_data);
		return true;
	}
	json_decref(owned_data);
	if (!fits)
		refuse_uncounted(run, type == EVENT_CALL_STARTED ? owned->call : NULL);
	free(owned);
	return counted;
}

struct charging *charging_new(struct run *run, int effect)
{
	struct charging *g = xcalloc(1, sizeof *g);

	g->run = run;
	g->effect = effect;
	return g;
}

/* ---- calls ---- */

bool charge_call(struct run *run, struct call *c, int effect)
{
	const struct policy *policy = run_policy(run);

	if (!has_budgets(run) && !policy_has_limits(policy, ACTION_TOOL) && !policy_has_limits(policy, ACTION_DELEGATE))
		return false;
	struct charging *g = charging_new(run, effect);
	g->charge.wants[BUDGET_CALLS] = g->charge.wants[BUDGET_TIME] = 1;
	memcpy(g->call, c->id, sizeof g->call);
	bool fits = add_call(g, c) && add_budgets(run, &g->charge);
	return begin(run, g, EVENT_CALL_STARTED, "call", c->id, call_started(c), fits);
}

/* ---- model calls ---- */

/* No fewer tokens than the request has: what the provider counted last, and a token for each byte since. */
static int64_t input_tokens(struct run *run)
{
	const struct task *t = run->task;
	int64_t most = t->context.window_tokens > 0 ? t->context.window_tokens : INT64_MAX, tokens;

	if (t->context.reported_tokens > 0) {
		tokens = t->context.reported_tokens + (int64_t)strlen(t->reply != NULL ? t->reply : "") + KIB(1) +
		         MAX(t->context.bytes - t->context.reported_bytes, 0);
	} else {
		AUTO(json_decrefp) json_t *messages = prompt_messages(run);
		const json_t *tools = prompt_tools(run);
		AUTO(freep) char *text = json_text(messages), *schemas = json_text(tools);
		tokens = (int64_t)(strlen(text) + strlen(schemas));
	}
	return MIN(tokens, most);
}

/* What is left in all budgets, of one unit; INT64_MAX: none bounds it. */
static int64_t room(const struct run *run, enum budget_unit unit)
{
	int64_t left = INT64_MAX;
	struct budget own;
	const struct budget *b;

	for (size_t i = 0; (b = budget_at(run, i, &own)) != NULL; i++) {
		struct store_spent s;
		struct err err;
		if (b->most[unit] < 0)
			continue;
		if (store_spent(run->engine->setup.store, b, budget_key(run, b), today(), run->task->id, &s, &err) < 0)
			return 0; /* the store will say so itself */
		int64_t most = b->most[unit] + MIN(s.raised[unit], INT64_MAX - b->most[unit]);
		left = MIN(left, MAX(most - s.spent[unit] - s.reserved[unit], 0));
	}
	return left;
}

int64_t charge_time_left_ms(const struct run *run)
{
	return MAX(room(run, BUDGET_TIME), 1);
}

/* The longest reply that is surely paid for; at least LIMIT_BUDGET_OUTPUT_TOKENS, which the store then refuses. */
static int64_t fitting_output(const struct price *price, int64_t input, int64_t most, int64_t nanos)
{
	int64_t low = LIMIT_BUDGET_OUTPUT_TOKENS;

	if (price_worst(price, input, most) <= nanos)
		return most;
	while (low < most - 1) {
		int64_t middle = low + (most - low) / 2;
		if (price_worst(price, input, middle) <= nanos)
			low = middle;
		else
			most = middle;
	}
	return low;
}

/* The most that the next request takes. False: its price is not known. */
static bool worst_of(struct run *run, int64_t wants[static BUDGET_UNITS], int64_t *ret_output)
{
	struct price price;
	int64_t tokens, nanos;

	*ret_output = 0;
	if (llm_model_recorded_worst(run->model, &nanos, &tokens)) {
		wants[BUDGET_USD] = nanos;
		wants[BUDGET_TOKENS] = tokens;
		return nanos >= 0;
	}
	int64_t money = room(run, BUDGET_USD), left = room(run, BUDGET_TOKENS), input = input_tokens(run);
	int64_t most = run->engine->setup.reply_tokens > 0 ? run->engine->setup.reply_tokens : LIMIT_BUDGET_REPLY_TOKENS;
	bool known = prices_find(run->engine->setup.prices, run->model, clock_wall_us(), &price);
	if (left != INT64_MAX)
		most = MIN(most, MAX(left - input, LIMIT_BUDGET_OUTPUT_TOKENS));
	if (known && money != INT64_MAX)
		most = fitting_output(&price, input, most, money);
	wants[BUDGET_TOKENS] = input + most;
	wants[BUDGET_USD] = known ? price_worst(&price, input, most) : 0;
	*ret_output = money != INT64_MAX || left != INT64_MAX ? most : 0;
	return known || money == INT64_MAX;
}

static json_t *unknown_price(const struct run *run)
{
	struct charge_budget b = { .unit = BUDGET_USD };
	struct budget own;
	const struct budget *one;

	for (size_t i = 0; (one = budget_at(run, i, &own)) != NULL; i++)
		if (one->most[BUDGET_USD] >= 0) {
			b.budget = *one;
			break;
		}
	b.budget.over = OVER_DENY;
	snprintf(b.key, sizeof b.key, "%s", budget_key(run, &b.budget));
	b.most = b.budget.most[BUDGET_USD];
	json_t *data = budget_data(&b, today(), 0, NULL);
	AUTO(freep) char *why = xasprintf("The budget %s cannot be kept: the price of %s/%s is not known. Give one under prices: in the "
		"configuration.", b.budget.id, llm_model_provider(run->model), llm_model_name(run->model));
	json_put_text(data, "reason", why);
	return data;
}

bool charge_model(struct run *run)
{
	engine_look_at_policy(run->engine);
	const struct policy *policy = run_policy(run);
	struct task *t = run->task;
	bool budgets = has_budgets(run);
	char turn[24];

	run->max_output = run->engine->setup.reply_tokens;
	if (!budgets && !policy_has_limits(policy, ACTION_MODEL))
		return false;
	struct charging *g = charging_new(run, DO_SEND_REQUEST);
	struct action action = { .kind = ACTION_MODEL };
	action.model.provider = llm_model_provider(run->model);
	action.model.model = llm_model_name(run->model);
	int64_t output = 0;
	if (budgets && !worst_of(run, g->charge.wants, &output)) {
		free(g);
		emit_over(run, EVENT_BUDGET_EXCEEDED, NULL, unknown_price(run));
		return true;
	}
	g->charge.wants[BUDGET_TIME] = 1;
	bool fits = add_action(g, &action) && add_budgets(run, &g->charge);
	json_t *data = model_request_data(run);
	if (budgets)
		json_put(data, "reserve", json_pack("{s:I, s:I}", "usd_nanos", (json_int_t)g->charge.wants[BUDGET_USD], "tokens",
		                                    (json_int_t)g->charge.wants[BUDGET_TOKENS]));
	if (output > 0) {
		json_put_int(data, "max_output", output);
		run->max_output = output;
	}
	snprintf(turn, sizeof turn, "%lld", (long long)t->turns + 1);
	return begin(run, g, EVENT_MODEL_REQUESTED, "turn", turn, data, fits);
}

/* ---- a person's word about a model call ---- */

static json_t *model_action(const struct run *run)
{
	const json_t *over = run->task->over;
	json_t *action = json_pack("{s:s, s:s, s:s}", "kind", "model", "provider", llm_model_provider(run->model), "model",
	                           llm_model_name(run->model));
	static const char *const shown[] = { "budget", "limit", "per" };

	for (size_t i = 0; i < COUNT(shown); i++)
		if (json_get_text(over, shown[i], NULL) != NULL)
			json_put_text(action, shown[i], json_get_text(over, shown[i], ""));
	return action;
}

static const char *over_id(const struct task *t)
{
	return json_get_text(t->over, "budget", json_get_text(t->over, "limit", ""));
}

void charge_ask_model(struct run *run)
{
	AUTO(json_decrefp) json_t *action = model_action(run);
	const json_t *over = run->task->over;
	struct decision d;
	char id[ID_LEN + 1];

	limit_decision(over_id(run->task), json_get_text(over, "source", NULL), json_get_text(over, "reason", ""), false, &d);
	struct ask ask = { .kind = "model", .call = "", .action = action, .decision = &d };
	approval_request(run, &ask, id);
	if (approval_can_wait(run))
		run_defer(run, DO_ASK_PERSON, id);
	else
		approval_lapse(run, id, "lapsed", "it needs a person's approval, and nobody is there to ask");
}

void charge_withdraw(struct run *run)
{
	const struct engine_setup *setup = &run->engine->setup;

	if (run->task->model_phase == MODEL_HELD && setup->ask_withdrawn != NULL)
		setup->ask_withdrawn(setup->userdata, run->task->model_approval, "the task goes on without it");
}

/* ---- how much is spent ---- */

static int percent(int64_t part, int64_t whole)
{
	return whole <= 0 ? 100 : part >= whole ? 100 : (int)((__int128)part * 100 / whole);
}

static void own_part(const struct run *run, const struct event *e, int64_t ret[static BUDGET_UNITS])
{
	static const char *const buckets[] = { "input", "cache_read", "cache_write", "output" };
	const json_t *usage = json_object_get(e->data, "usage");

	(void)run;
	ret[BUDGET_USD] = json_get_int(e->data, "usd_nanos", 0);
	ret[BUDGET_TIME] = json_get_int(e->data, "ms", 0);
	ret[BUDGET_CALLS] = e->type == EVENT_CALL_STARTED;
	ret[BUDGET_TOKENS] = 0;
	for (size_t i = 0; i < COUNT(buckets); i++)
		ret[BUDGET_TOKENS] += json_get_int(usage, buckets[i], 0);
}

/* One mark is told of once by this engine; another one may tell of it too. */
static void warn(struct run *run, const struct budget *b, enum budget_unit unit, const struct store_spent *s, int64_t own)
{
	struct engine *engine = run->engine;
	char scope[160];
	int64_t most = b->most[unit] + MIN(s->raised[unit], INT64_MAX - b->most[unit]);
	AUTO(freep) char *mark = xasprintf("%s %s %s %lld", b->id, budget_unit_name(unit),
	                                   budget_scope_key(b, budget_key(run, b), today(), scope), (long long)most);
	int now = percent(s->spent[unit], most), before = percent(s->spent[unit] - own, most), told = 0;

	if (engine->warned == NULL)
		engine->warned = json_object();
	before = MAX(before, (int)json_get_int(engine->warned, mark, 0));
	for (size_t i = 0; i < COUNT(warn_marks); i++)
		if (before < warn_marks[i] && now >= warn_marks[i])
			told = warn_marks[i];
	if (told == 0)
		return;
	json_put_int(engine->warned, mark, told);
	run_emit(run, EVENT_BUDGET_WARNED, "task", "", json_pack("{s:s, s:s, s:s, s:i, s:I, s:I}", "budget", b->id, "per",
	         budget_scope_name(b->scope), "unit", budget_unit_name(unit), "percent", told, "spent", (json_int_t)s->spent[unit],
	         "most", (json_int_t)most));
}

/* ahead: what is in the event is not in the store yet. */
static void look(struct run *run, const struct event *e, bool ahead)
{
	int64_t own[BUDGET_UNITS];
	struct budget b_own;
	const struct budget *b;

	if (e->type != EVENT_MODEL_REPLIED && e->type != EVENT_CALL_STARTED && e->type != EVENT_CALL_FINISHED)
		return;
	own_part(run, e, own);
	for (size_t i = 0; (b = budget_at(run, i, &b_own)) != NULL && run->task->phase == PHASE_ACTIVE && !run->over; i++) {
		struct store_spent s;
		struct err err;
		if (store_spent(run->engine->setup.store, b, budget_key(run, b), today(), "", &s, &err) < 0)
			continue; /* a warning is no promise */
		for (size_t u = 0; u < BUDGET_UNITS; u++) {
			s.spent[u] += ahead ? own[u] : 0;
			if (b->most[u] >= 0 && own[u] > 0)
				warn(run, b, (enum budget_unit)u, &s, own[u]);
		}
	}
}

void charge_noted(struct run *run, const struct event *e)
{
	look(run, e, false);
}

void charge_last(struct run *run, const struct event *e)
{
	look(run, e, true);
}

/* ---- before a task begins ---- */

int engine_check_budgets(const struct policy *policy, const struct prices *prices, const struct llm_model *model,
                         int64_t task_nanos, struct err *err)
{
	const char *id = task_nanos >= 0 ? "--budget" : NULL;
	int64_t nanos, tokens;
	struct price price;

	for (size_t i = 0; i < policy_budget_count(policy) && id == NULL; i++)
		if (policy_budget(policy, i)->most[BUDGET_USD] >= 0)
			id = policy_budget(policy, i)->id;
	if (id == NULL)
		return 0;
	bool known = llm_model_recorded_worst(model, &nanos, &tokens) ? nanos >= 0 : prices_find(prices, model, clock_wall_us(), &price);
	if (known)
		return 0;
	const char *provider = llm_model_provider(model);
	if (strcmp(provider, "recorded") == 0)
		return err_set(err, EINVAL, "the budget %s is of money, and %s does not say what each reply costs: give every line "
		               "\"usage\":{\"usd_nanos\":N}, or take the budget out", id, llm_model_name(model));
	return err_set(err, EINVAL, "the budget %s is of money, and the price of %s/%s is not known: give one in your configuration, as "
	               "prices: { \"%s/%s\": { input: 0.50, output: 1.50 } } (US dollars a million tokens), or take the budget out", id,
	               provider, llm_model_name(model), provider, llm_model_name(model));
}
