/* charge.h - limits and budgets at the point of no return. Internal to engine/. */
#ifndef MISHRI_ENGINE_CHARGE_H
#define MISHRI_ENGINE_CHARGE_H

#include "engine/run.h"

/* An intent that becomes durable only together with what it takes from limits and budgets. The task does not see it
 * before, and the run does nothing else meanwhile. */
struct charging {
	struct run *run;
	struct event event;
	struct store_charge charge;
	struct decision_limit { const char *id, *source; enum over over; } limits[LIMIT_POLICY_HITS]; /* of charge.rates */
	enum action_kind on[LIMIT_POLICY_HITS];
	bool sent;
	bool news, policy;             /* while it was on its way: somebody spoke, the policy changed; looked at behind it */
	int effect;                    /* DO_...; -1: none */
	char call[CALL_ID_BYTES];      /* "" for a model call */
};

/* The step is charged: true, and it goes on or not when the store has answered. False: nothing counts it. */
bool charge_call(struct run *run, struct call *call, int effect);
bool charge_model(struct run *run);

/* For raise.c: an intent without one yet, and one on its way. Takes both over. */
struct charging *charging_new(struct run *run, int effect);
void charge_begin(struct charging *owned, enum event_type type, const char *what, const char *name, json_t *owned_data);

/* Called by run.c: puts what waits on its way; false: nothing does. */
bool charge_flush(struct run *run);
/* Somebody spoke, or the policy is another: an intent that has not left is taken back, and decided on anew. True: one is on
 * its way to the disk, so that what is new stands behind it and is looked at then. */
bool charge_meanwhile(struct run *run, bool policy);
void charge_drop(struct run *run);

void charge_ask_model(struct run *run);                          /* STEP_ASK_MODEL */
void charge_withdraw(struct run *run);                           /* the question, when the run comes to rest */
int64_t charge_time_left_ms(const struct run *run);              /* of budgets of time, at least 1; INT64_MAX: none */
/* An event became durable: says how much of the budgets is spent now. */
void charge_noted(struct run *run, const struct event *event);
/* The same of an event that is not durable yet, because nothing of the task may be left when it is. */
void charge_last(struct run *run, const struct event *event);

/* "limit.reached" of one refused rate, as it is written. kind: of what it counts. The caller owns it. */
json_t *limit_data(const struct run *run, const struct decision_limit *limit, const struct charge_rate *rate, enum action_kind on,
                   const char *call);
/* What a refused rate means: `over`, but a wait that would never end is a deny. */
enum over limit_over(const struct store_charge *charge, const struct decision_limit *limits, size_t i);
/* Which refused rate decides: of the strictest limit; of those that wait, the longest wait. rate_count: none refused.
 * limits[i] belongs to charge->rates[i]. */
size_t limit_deciding(const struct store_charge *charge, const struct decision_limit *limits);

/* exec_rate.c: a program start that a limit counts. False: none does. Takes data over when true. */
bool exec_rate(struct run *run, const struct cell_exec *exec, const struct decision *decision, json_t *data);
/* The same of one that a person said yes to, and that stands there still. */
bool exec_rate_held(struct run *run, const struct held_exec *held, json_t *data);
void exec_rate_afresh(struct run *run);                          /* those that wait are held against a new policy */
bool exec_rate_gone(struct run *run, uint32_t id);               /* the program ended meanwhile; false: not known here */
void exec_rate_drop(struct run *run);
/* exec.c */
void exec_bind(const json_t *facts, const struct decision *decision, char ret[static SHA256_HEX_LEN + 1]);
void exec_hold(struct run *run, uint32_t id, char *owned_refusal, json_t *owned_data, json_t *owned_shape,
               const struct decision *decision);

#endif
