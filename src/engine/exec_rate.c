/* exec_rate.c - program starts that a limit counts: the program stands at the gate until its use is durable, and so long
 * as the limit says. It lets none through that was not counted. */
#include "engine/charge.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

struct counted_exec {
	struct run *run;
	uint32_t id;
	uint64_t call;
	json_t *data;                  /* exec.decided as it will be written */
	json_t *shape;                 /* exec_shape */
	char *refusal;                 /* the line for its stderr, up to the reason */
	struct store_charge charge;
	struct decision_limit limits[LIMIT_POLICY_HITS];
	struct watch *timer;
	bool high_risk, sent, gone, told;
	struct counted_exec *next;
};

static void counted_free(struct counted_exec *x)
{
	watch_free(x->timer);
	json_decref(x->data);
	json_decref(x->shape);
	free(x->refusal);
	free(x);
}

static void unlink_counted(struct run *run, const struct counted_exec *x)
{
	struct counted_exec **at = &run->counted;

	while (*at != NULL && *at != x)
		at = &(*at)->next;
	if (*at != NULL)
		*at = x->next;
}

static void done(struct counted_exec *x)
{
	unlink_counted(x->run, x);
	counted_free(x);
}

void exec_rate_drop(struct run *run)
{
	struct counted_exec *next;

	for (struct counted_exec *x = run->counted; x != NULL; x = next) {
		next = x->next;
		x->gone = true; /* one that is on its way is freed when it is back */
		watch_free(TAKE(x->timer));
		if (!x->sent)
			done(x);
	}
}

bool exec_rate_gone(struct run *run, uint32_t id)
{
	for (struct counted_exec *x = run->counted; x != NULL; x = x->next) {
		if (x->id != id || x->gone)
			continue;
		x->gone = true;
		if (!x->sent)
			done(x);
		return true;
	}
	return false;
}

static void take_now(struct counted_exec *x);

static void on_timer(void *userdata)
{
	take_now(userdata);
}

static void refuse(struct counted_exec *x, const char *reason)
{
	struct run *run = x->run;
	AUTO(freep) char *message = xasprintf("%s (%s)", x->refusal, reason);
	char call[CALL_ID_BYTES];

	cell_exec_answer(run->cell, x->id, false, message);
	call_id_of(x->call, call);
	json_put_text(x->data, "effect", "deny");
	json_put_text(x->data, "reason", reason);
	if (call_note_exec(run, x->call, true))
		run_emit(run, EVENT_EXEC_DECIDED, "call", call, json_incref(x->data));
}

/* What a limit asks is asked each time: an answer is about this use, and is never remembered. */
static void ask_about_limit(struct counted_exec *x, size_t at, const char *reason)
{
	struct decision d;

	limit_decision(x->limits[at].id, x->limits[at].source, reason, x->high_risk, &d);
	exec_hold(x->run, x->id, TAKE(x->refusal), TAKE(x->data), TAKE(x->shape), &d);
}

static void over(struct counted_exec *x)
{
	struct run *run = x->run;
	size_t at = limit_deciding(&x->charge, x->limits);
	const struct charge_rate *rate = &x->charge.rates[at];
	enum over what = limit_over(&x->charge, x->limits, at);
	char call[CALL_ID_BYTES];

	call_id_of(x->call, call);
	AUTO(json_decrefp) json_t *data = limit_data(run, &x->limits[at], rate, ACTION_EXEC, call);
	const char *reason = json_get_text(data, "reason", "");
	if (!x->told && call_may_ask(run, x->call))
		run_emit(run, EVENT_LIMIT_REACHED, "call", call, json_incref(data));
	x->told = true; /* a wait may be followed by another one */
	if (what == OVER_WAIT) {
		if (x->timer == NULL)
			x->timer = watch_timer(run->engine->setup.loop, on_timer, x);
		watch_arm(x->timer, rate->wait_us / 1000 + 1);
		return;
	}
	json_put_text(x->data, "rule", x->limits[at].id);
	json_put_text(x->data, "source", x->limits[at].source);
	if (what == OVER_ASK)
		ask_about_limit(x, at, reason);
	else
		refuse(x, reason);
	done(x);
}

static void on_counted(void *userdata, int result, int64_t first_seq, const struct err *err)
{
	struct counted_exec *x = userdata;
	struct run *run = x->run;

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
		cell_exec_answer(run->cell, x->id, true, "");
		call_note_exec(run, x->call, false);
		done(x);
	}
	run_step(run);
}

static void take_now(struct counted_exec *x)
{
	struct run *run = x->run;
	struct event e;
	char call[CALL_ID_BYTES];

	if (x->gone || run->over) {
		done(x);
		return;
	}
	call_id_of(x->call, call);
	run_event(run, EVENT_EXEC_DECIDED, "call", call, json_deep_copy(x->data), &e);
	x->sent = true;
	x->charge.refused = false;
	store_append(run->engine->setup.store, &(struct store_batch){
		.root = run->task->root, .task = run->task->id, .generation = run->generation, .lease = LEASE_HOLD,
		.events = &e, .count = 1, .charge = &x->charge, .on_commit = on_counted, .userdata = x });
}

bool exec_rate(struct run *run, const struct cell_exec *exec, const struct decision *d, json_t *data)
{
	const struct policy *policy = run_policy(run);
	struct limit_hit hits[LIMIT_POLICY_HITS];
	struct action action;
	struct facts facts;
	struct buf words = BUF_INIT(KIB(8));

	if (!policy_has_limits(policy, ACTION_EXEC))
		return false;
	exec_action(exec, &action);
	facts_of(run, &facts);
	int count = policy_limits(policy, &action, &facts, hits, COUNT(hits));
	if (count == 0)
		return false;
	struct counted_exec *x = xcalloc(1, sizeof *x);
	*x = (struct counted_exec){ .run = run, .id = exec->id, .call = exec->call, .data = data,
		.shape = exec_shape(exec), .high_risk = d->high_risk };
	for (int i = 0; i < count; i++) {
		struct charge_rate *to = &x->charge.rates[x->charge.rate_count];
		x->limits[x->charge.rate_count++] = (struct decision_limit){ hits[i].id, hits[i].source, hits[i].over };
		*to = (struct charge_rate){ .rate = hits[i].rate, .uses = 1 };
		memcpy(to->key, hits[i].key, sizeof to->key);
	}
	exec_command(exec, count > 0 ? hits[0].id : "limits", &words);
	x->refusal = buf_take(&words);
	x->next = run->counted;
	run->counted = x;
	if (count < 0) {
		refuse(x, "more limits concern it than can be counted at once");
		done(x);
	} else {
		take_now(x);
	}
	return true;
}
