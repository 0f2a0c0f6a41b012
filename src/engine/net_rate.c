/* net_rate.c - connections that a limit counts: one waits until its use is durable, together with its net.decided, and so
 * long as the limit says. It lets none through that was not counted. */
#include "engine/charge.h"

#include <stdio.h>
#include <string.h>

#include "engine/net_link.h"

#include "base/banned.h"

struct counted_net {
	struct run *run;
	uint32_t id;
	struct store_charge charge;
	struct decision_limit limits[LIMIT_POLICY_HITS];
	struct event event;            /* while it is sent */
	struct watch *timer;
	bool sent, gone, told;
	bool afresh;                   /* the policy changed while it was on its way */
	struct counted_net *next;
};

static void done(struct counted_net *x)
{
	struct counted_net **at = &x->run->counted_net;

	while (*at != NULL && *at != x)
		at = &(*at)->next;
	if (*at != NULL)
		*at = x->next;
	watch_free(x->timer);
	event_done(&x->event);
	free(x);
}

/* One that is on its way is freed when it is back. */
static void forget(struct counted_net *x)
{
	x->gone = true;
	if (!x->sent)
		done(x);
}

void net_rate_drop(struct run *run)
{
	struct counted_net *next;

	for (struct counted_net *x = run->counted_net; x != NULL; x = next) {
		next = x->next;
		watch_free(TAKE(x->timer));
		forget(x);
	}
}

void net_rate_gone(struct run *run, uint32_t id)
{
	for (struct counted_net *x = run->counted_net; x != NULL; x = x->next)
		if (x->id == id && !x->gone) {
			forget(x);
			return;
		}
}

static void take_now(struct counted_net *x);

static void on_timer(void *userdata)
{
	take_now(userdata);
}

static void over(struct counted_net *x)
{
	struct run *run = x->run;
	size_t at = limit_deciding(&x->charge, x->limits);
	const struct charge_rate *rate = &x->charge.rates[at];
	const struct decision_limit *limit = &x->limits[at];
	const char *call = json_get_text(net_link_facts(run, x->id), "call", "");
	AUTO(json_decrefp) json_t *data = limit_data(run, limit, rate, ACTION_NET, call);
	const char *reason = json_get_text(data, "reason", "");

	if (!x->told)
		run_emit(run, EVENT_LIMIT_REACHED, call[0] != '\0' ? "call" : "task", call, json_incref(data));
	x->told = true; /* a wait may be followed by another one */
	enum over what = limit_over(&x->charge, x->limits, at);
	if (what == OVER_WAIT) {
		if (x->timer == NULL)
			x->timer = watch_timer(run->engine->setup.loop, on_timer, x);
		watch_arm(x->timer, rate->wait_us / 1000 + 1);
		return;
	}
	uint32_t id = x->id;
	bool ask = what == OVER_ASK;
	const char *rule = limit->id, *source = limit->source;
	done(x);
	net_link_over(run, id, rule, source, reason, ask);
}

/* The event is the task's and the reader's as any other, only that it was stored by itself. */
static void publish(struct counted_net *x, int64_t seq)
{
	const struct engine_setup *setup = &x->run->engine->setup;
	struct err err = ERR_NONE;

	x->event.seq = seq;
	if (task_apply(x->run->task, &x->event, &err) < 0) {
		run_fail(x->run, RUN_STORE, &err);
		return;
	}
	if (setup->on_event != NULL)
		setup->on_event(setup->userdata, &x->event);
}

static void on_counted(void *userdata, int result, int64_t first_seq, const struct err *err)
{
	struct counted_net *x = userdata;
	struct run *run = x->run;
	uint32_t id = x->id;

	x->sent = false;
	if (run->over) {
		done(x);
		return;
	}
	if (result < 0 && result != -EDQUOT) {
		done(x);
		run_fail(run, RUN_STORE, err);
		return;
	}
	if (result == 0)
		publish(x, first_seq);
	if (run->over)
		return;
	if (result < 0 && !x->gone && x->afresh) {
		net_decide_afresh(run);
	} else if (result < 0 && !x->gone) {
		over(x);
	} else {
		bool go = !x->gone;
		done(x);
		if (go)
			net_link_go(run, id);
	}
	run_step(run);
}

static void take_now(struct counted_net *x)
{
	struct run *run = x->run;
	json_t *facts = net_link_facts(run, x->id);
	const char *call = json_get_text(facts, "call", "");

	if (x->gone || run->over || facts == NULL) {
		done(x);
		return;
	}
	event_done(&x->event);
	run_event(run, EVENT_NET_DECIDED, call[0] != '\0' ? "call" : "task", call, json_deep_copy(facts), &x->event);
	x->sent = true;
	x->charge.refused = false;
	store_append(run->engine->setup.store, &(struct store_batch){
		.root = run->task->root, .task = run->task->id, .generation = run->generation, .lease = LEASE_HOLD,
		.events = &x->event, .count = 1, .charge = &x->charge, .on_commit = on_counted, .userdata = x });
}

bool net_rate_waits(struct run *run, uint32_t id)
{
	for (struct counted_net *x = run->counted_net; x != NULL; x = x->next)
		if (x->id == id && !x->gone) {
			x->afresh = x->sent;
			return !x->sent;
		}
	return false;
}

bool net_rate(struct run *run, uint32_t id, const struct action *action, const struct facts *facts, bool agreed)
{
	const struct policy *policy = run_policy(run);
	struct limit_hit hits[LIMIT_POLICY_HITS];

	if (!policy_has_limits(policy, ACTION_NET))
		return false;
	int count = policy_limits(policy, action, facts, hits, COUNT(hits));
	if (count == 0)
		return false;
	if (count < 0) {
		net_link_over(run, id, NULL, NULL, "more limits concern it than can be counted at once", false);
		return true;
	}
	struct counted_net *x = xcalloc(1, sizeof *x);
	x->run = run;
	x->id = id;
	for (int i = 0; i < count; i++) {
		struct charge_rate *to = &x->charge.rates[x->charge.rate_count];
		x->limits[x->charge.rate_count++] = (struct decision_limit){ hits[i].id, hits[i].source, hits[i].over };
		*to = (struct charge_rate){ .rate = hits[i].rate, .uses = 1, .forced = agreed && hits[i].over == OVER_ASK };
		memcpy(to->key, hits[i].key, sizeof to->key);
	}
	x->next = run->counted_net;
	run->counted_net = x;
	take_now(x);
	return true;
}
