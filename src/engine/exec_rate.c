/* exec_rate.c - program starts that a limit counts: the program stands at the gate until its use is durable, and so long
 * as the limit says. It lets none through that was not counted. */
#include "engine/charge.h"
#include "engine/exec_like.h"

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
	char approved[SHA256_HEX_LEN + 1]; /* what a person said yes to; "": nobody was asked */
	bool by_limit;                 /* and it was a limit that had asked */
	bool high_risk, sent, gone, told;
	bool afresh;                   /* the policy changed while it was on its way */
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

static void decide_afresh(struct counted_exec *x);

static void on_counted(void *userdata, int result, int64_t first_seq, const struct err *err)
{
	struct counted_exec *x = userdata;
	struct run *run = x->run;

	(void)first_seq;
	x->sent = false;
	if (x->gone || run->over) {
		done(x);
	} else if (result == -EDQUOT && x->afresh) {
		decide_afresh(x);
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

/* Which limits of the policy in force concern it: how many, or -1: more than can be counted. */
static int limits_of(struct counted_exec *x, const struct cell_exec *exec)
{
	struct limit_hit hits[LIMIT_POLICY_HITS];
	struct action action;
	struct facts facts;

	exec_action(exec, &action);
	facts_of(x->run, &facts);
	int count = policy_limits(run_policy(x->run), &action, &facts, hits, COUNT(hits));
	x->charge = (struct store_charge){ 0 };
	for (int i = 0; i < count; i++) {
		struct charge_rate *to = &x->charge.rates[x->charge.rate_count];
		x->limits[x->charge.rate_count++] = (struct decision_limit){ hits[i].id, hits[i].source, hits[i].over };
		*to = (struct charge_rate){ .rate = hits[i].rate, .uses = 1, .forced = x->by_limit && hits[i].over == OVER_ASK };
		memcpy(to->key, hits[i].key, sizeof to->key);
	}
	return count;
}

/* Takes x over where it is true; where not, its data and shape are the caller's. */
static bool count(struct counted_exec *x, const struct cell_exec *exec)
{
	struct run *run = x->run;
	int limits = limits_of(x, exec);
	struct buf words = BUF_INIT(KIB(8));

	if (limits == 0)
		return false;
	exec_command(exec, limits > 0 ? x->limits[0].id : "limits", &words);
	x->refusal = buf_take(&words);
	x->next = run->counted;
	run->counted = x;
	if (limits < 0) {
		refuse(x, "more limits concern it than can be counted at once");
		done(x);
	} else {
		take_now(x);
	}
	return true;
}

bool exec_rate(struct run *run, const struct cell_exec *exec, const struct decision *d, json_t *data)
{
	if (!policy_has_limits(run_policy(run), ACTION_EXEC))
		return false;
	struct counted_exec *x = xcalloc(1, sizeof *x);
	*x = (struct counted_exec){ .run = run, .id = exec->id, .call = exec->call, .data = data, .high_risk = d->high_risk };
	x->shape = exec_shape(exec);
	if (count(x, exec))
		return true;
	x->data = NULL;
	counted_free(x);
	return false;
}

bool exec_rate_held(struct run *run, const struct held_exec *h, json_t *data)
{
	if (!policy_has_limits(run_policy(run), ACTION_EXEC))
		return false;
	struct exec_like like;
	exec_like_init(&like, h->id, data, h->shape);
	struct counted_exec *x = xcalloc(1, sizeof *x);
	*x = (struct counted_exec){ .run = run, .id = h->id, .call = like.exec.call, .data = data, .shape = json_incref(h->shape),
	                            .by_limit = h->by_limit };
	memcpy(x->approved, h->digest, sizeof x->approved);
	bool counted = count(x, &like.exec);
	if (!counted) {
		x->data = NULL;
		counted_free(x);
	}
	exec_like_done(&like);
	return counted;
}

/* ---- the policy changed ---- */

static void go_on(struct counted_exec *x, const struct exec_like *like)
{
	int limits = limits_of(x, &like->exec);

	if (limits < 0) {
		refuse(x, "more limits concern it than can be counted at once");
		done(x);
	} else {
		take_now(x); /* without a limit it only waits for its event */
	}
}

/* What a person said yes to, by a rule that is as it was, is agreed to still; so is the yes to a limit. */
static bool is_agreed(const struct counted_exec *x, const struct decision *d)
{
	char digest[SHA256_HEX_LEN + 1];

	exec_bind(x->data, d, digest);
	return d->effect == EFFECT_ALLOW || (d->effect == EFFECT_ASK && strcmp(digest, x->approved) == 0);
}

static void decide_afresh(struct counted_exec *x)
{
	struct run *run = x->run;
	struct exec_like like;
	struct decision d;

	x->afresh = false;
	watch_free(TAKE(x->timer));
	exec_like_init(&like, x->id, x->data, x->shape);
	exec_like_decide(run, &like, &d);
	json_put_text(x->data, "policy", policy_digest(run_policy(run)));
	if (is_agreed(x, &d)) {
		go_on(x, &like);
		exec_like_done(&like);
		return;
	}
	free(x->refusal);
	x->refusal = exec_like_refusal(&like, d.rule);
	exec_like_done(&like);
	json_put_text(x->data, "rule", d.rule);
	json_put_text(x->data, "source", d.source);
	AUTO(freep) char *why = xasprintf("the policy changed: %s", d.reason);
	if (d.effect == EFFECT_ASK)
		exec_hold(run, x->id, TAKE(x->refusal), TAKE(x->data), TAKE(x->shape), &d);
	else
		refuse(x, why);
	done(x);
}

void exec_rate_afresh(struct run *run)
{
	struct counted_exec *next;

	for (struct counted_exec *x = run->counted; x != NULL; x = next) {
		next = x->next;
		if (x->gone)
			continue;
		x->afresh = x->sent;
		if (!x->sent)
			decide_afresh(x);
	}
}
