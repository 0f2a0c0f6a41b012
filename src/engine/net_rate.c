/* net_rate.c - connections that a limit counts: one waits until its use is durable, and so long as the limit says. It
 * lets none through that was not counted. As exec_rate.c for programs. */
#include "engine/charge.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

struct counted_net {
	struct run *run;
	uint32_t id;
	json_t *data;                  /* net.decided as it will be written */
	struct store_charge charge;
	struct decision_limit limits[LIMIT_POLICY_HITS];
	struct watch *timer;
	bool sent, gone, told;
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
	json_decref(x->data);
	free(x);
}

static void leave(struct counted_net *x)
{
	x->gone = true; /* one that is on its way is freed when it is back */
	watch_free(TAKE(x->timer));
	if (!x->sent)
		done(x);
}

void net_rate_drop(struct run *run)
{
	struct counted_net *next;

	for (struct counted_net *x = run->counted_net; x != NULL; x = next) {
		next = x->next;
		leave(x);
	}
}

void net_rate_gone(struct run *run, uint32_t id)
{
	for (struct counted_net *x = run->counted_net; x != NULL; x = x->next)
		if (x->id == id && !x->gone) {
			leave(x);
			return;
		}
}

static void take_now(struct counted_net *x);

static void on_timer(void *userdata)
{
	take_now(userdata);
}

static size_t deciding(const struct counted_net *x)
{
	size_t best = x->charge.rate_count;

	for (size_t i = 0; i < x->charge.rate_count; i++)
		if (x->charge.rates[i].refused &&
		    (best == x->charge.rate_count || x->limits[i].over < x->limits[best].over ||
		     (x->limits[i].over == x->limits[best].over && x->charge.rates[i].wait_us > x->charge.rates[best].wait_us)))
			best = i;
	return best;
}

static void over(struct counted_net *x)
{
	struct run *run = x->run;
	size_t at = deciding(x);
	const struct charge_rate *rate = &x->charge.rates[at];
	AUTO(freep) char *call = xstrdup(json_get_text(x->data, "call", ""));
	AUTO(json_decrefp) json_t *data = limit_data(run, &x->limits[at], rate, ACTION_NET, call);

	if (!x->told)
		run_emit(run, EVENT_LIMIT_REACHED, call[0] != '\0' ? "call" : "task", call, json_incref(data));
	x->told = true; /* a wait may be followed by another one */
	if (x->limits[at].over == OVER_WAIT && rate->wait_us != INT64_MAX) {
		if (x->timer == NULL)
			x->timer = watch_timer(run->engine->setup.loop, on_timer, x);
		watch_arm(x->timer, rate->wait_us / 1000 + 1);
		return;
	}
	net_over(run, x->id, &x->limits[at], json_get_text(data, "reason", ""));
	done(x);
}

static void on_counted(void *userdata, int result, int64_t first_seq, const struct err *err)
{
	struct counted_net *x = userdata;
	struct run *run = x->run;
	char name[16];

	(void)first_seq;
	x->sent = false;
	if (x->gone || run->over) {
		done(x);
	} else if (result == -EDQUOT) {
		over(x);
	} else if (result < 0) {
		run_fail(run, RUN_STORE, err);
		return;
	} else {
		snprintf(name, sizeof name, "%u", x->id);
		done(x);
		net_connect(run, name);
	}
	run_step(run);
}

static void take_now(struct counted_net *x)
{
	struct run *run = x->run;
	const char *call = json_get_text(x->data, "call", "");
	struct event e;

	if (x->gone || run->over) {
		done(x);
		return;
	}
	run_event(run, EVENT_NET_DECIDED, call[0] != '\0' ? "call" : "task", call, json_deep_copy(x->data), &e);
	x->sent = true;
	x->charge.refused = false;
	store_append(run->engine->setup.store, &(struct store_batch){
		.root = run->task->root, .task = run->task->id, .generation = run->generation, .lease = LEASE_HOLD,
		.events = &e, .count = 1, .charge = &x->charge, .on_commit = on_counted, .userdata = x });
}

bool net_rate(struct run *run, uint32_t id, const struct action *action, json_t *data)
{
	const struct policy *policy = run->engine->setup.policy;
	struct limit_hit hits[LIMIT_POLICY_HITS];
	struct facts facts;

	if (!policy_has_limits(policy, ACTION_NET))
		return false;
	facts_of(run, &facts);
	int count = policy_limits(policy, action, &facts, hits, COUNT(hits));
	if (count == 0)
		return false;
	struct counted_net *x = xcalloc(1, sizeof *x);
	*x = (struct counted_net){ .run = run, .id = id, .data = json_incref(data) };
	x->next = run->counted_net;
	run->counted_net = x;
	for (int i = 0; i < count; i++) {
		struct charge_rate *to = &x->charge.rates[x->charge.rate_count];
		x->limits[x->charge.rate_count++] = (struct decision_limit){ hits[i].id, hits[i].source, hits[i].over };
		*to = (struct charge_rate){ .rate = hits[i].rate, .uses = 1 };
		memcpy(to->key, hits[i].key, sizeof to->key);
	}
	if (count > 0) {
		take_now(x);
		return true;
	}
	static const struct decision_limit many = { "limits", "", OVER_DENY };
	net_over(run, id, &many, "more limits concern it than can be counted at once");
	done(x);
	return true;
}
