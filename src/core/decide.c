/* decide.c - what comes next in a task. A pure reading of the state: it changes nothing and remembers
 * nothing, so asking twice gives the same answer.
 *
 * The order of the questions is the meaning: first whether the task must come to rest (cancelled,
 * interrupted, out of time), then the calls of the last reply, in their order, then the model. */
#include "core/models.h"
#include "core/replan.h"

#include <string.h>

#include "base/banned.h"

void step_done(struct step *step)
{
	free(step->text);
	step->text = NULL;
}

/* The time of a pause is not the task's, nor, where nobody is there, the time that an answer takes. */
static int64_t deadline_us(const struct task *t)
{
	if (t->paused || (t->patient && task_waits(t)))
		return INT64_MAX;
	return (t->patient ? t->waited_us : 0) + t->paused_us + t->run_since_us + t->limits.timeout_ms * 1000 - t->active_us;
}

int64_t task_wakeup_us(const struct task *t)
{
	if (t->phase != PHASE_ACTIVE || t->paused)
		return INT64_MAX;
	int64_t at = MIN(deadline_us(t), approvals_wakeup_us(t));
	for (size_t i = 0; i < t->call_count; i++)
		if (t->calls[i].phase == CALL_WAITING)
			at = MIN(at, t->calls[i].wait_until_us);
	return t->model_phase == MODEL_WAITING ? MIN(at, t->retry_at_us) : at;
}

bool call_may_retry(const struct task *t, const struct call *c, enum failure kind, int64_t retry_after_ms, int64_t now_us)
{
	int64_t wait_us = MAX(retry_after_ms, 0) * 1000;

	return failure_row(kind)->again && c->repeatable && !c->killing && c->child_count == 0 && c->attempt < t->retry.calls &&
	       wait_us <= t->retry.wait_ms * 1000 && now_us + wait_us < deadline_us(t);
}

static bool close_call(struct step *ret, struct call *c, const char *status, char *text)
{
	*ret = (struct step){ STEP_CLOSE_CALL, .call = c, .status = status, .text = text };
	return true;
}

static char *refusal(const struct call *c)
{
	if (c->invalid)
		return xasprintf("Not run: %s", c->reason);
	return xasprintf("Denied%s%s: %s", c->rule != NULL && c->rule[0] != '\0' ? " by rule " : "",
	                 c->rule != NULL ? c->rule : "", c->reason);
}

static const char unknown_outcome[] =
	"Outcome unknown: the engine stopped while this call was running, so it may or may not have taken effect. "
	"It was not run again. Find out what happened before you repeat it.";

static bool all_reported(const struct call *c)
{
	for (size_t i = 0; i < c->child_count; i++)
		if (!c->children[i].reported)
			return false;
	return c->child_count > 0;
}

/* The next step of one call; false when it waits or is closed. */
static bool step_call(struct call *c, struct step *ret)
{
	switch (c->phase) {
	case CALL_PROPOSED:
		*ret = (struct step){ STEP_CHECK_CALL, .call = c };
		return true;
	case CALL_REFUSED:
		return close_call(ret, c, c->invalid ? "invalid" : "denied", refusal(c));
	case CALL_ASKED:
		*ret = (struct step){ STEP_ASK_PERSON, .call = c };
		return true;
	case CALL_ALLOWED:
		*ret = (struct step){ STEP_RUN_CALL, .call = c };
		return true;
	case CALL_LOST:
		if (!c->repeatable)
			return close_call(ret, c, "unknown", xstrdup(unknown_outcome));
		if (c->attempt >= LIMIT_CALL_ATTEMPTS && c->child_count == 0 && !c->asks_person)
			return close_call(ret, c, "unknown", xasprintf("The engine stopped %d times while this ran; it is not run again.",
			                                               c->attempt));
		*ret = (struct step){ STEP_RUN_CALL, .call = c };
		return true;
	case CALL_RUNNING:
		*ret = (struct step){ .type = STEP_END_DELEGATION, .call = c };
		return all_reported(c);
	case CALL_HELD:
	case CALL_WAITING:
	case CALL_CLOSED:
		return false;
	}
	return false;
}

enum settled { SETTLED, SETTLING, WAITING };

/* Brings everything that is under way to its end: a step (SETTLING), or WAITING for what was stopped
 * already. What was only proposed is closed where the task ends, and left as it is where it parks. */
static enum settled settle(const struct task *t, const struct task_input *input, const char *why, bool close_all,
                           struct step *ret)
{
	enum settled all = SETTLED;

	if (t->model_phase == MODEL_ASKED) {
		*ret = (struct step){ .type = STEP_CANCEL_MODEL };
		return SETTLING;
	}
	for (size_t i = 0; i < t->call_count; i++) {
		struct call *c = &t->calls[i];
		bool delegates = c->child_count > 0;
		if (c->phase == CALL_RUNNING && step_call(c, ret))
			return SETTLING;
		if (c->phase == CALL_RUNNING && c->asks_person && !close_all) {
			continue; /* nothing runs: the question stays, and its answer may come when nobody works on the task */
		} else if (c->phase == CALL_RUNNING && delegates && !close_all) {
			all = input->children_active ? WAITING : all; /* they park too, and are found again */
		} else if (c->phase == CALL_RUNNING && !c->killing) {
			*ret = (struct step){ STEP_KILL_CALL, .call = c, .status = why };
			return SETTLING;
		} else if (c->phase == CALL_RUNNING) {
			all = WAITING;
		} else if (c->phase == CALL_LOST && (!c->repeatable || (close_all && delegates))) {
			step_call(c, ret); /* a lost delegation is taken up again, to be ended with its children */
			return SETTLING;
		} else if (close_all && c->phase != CALL_CLOSED) {
			close_call(ret, c, "cancelled", xasprintf("Not run%s: %s.", c->attempt > 0 ? " again" : "", why));
			return SETTLING;
		}
	}
	return all;
}

static bool finish(struct step *ret, const char *state, int exit, char *text)
{
	*ret = (struct step){ STEP_FINISH, .state = state, .exit = exit, .text = text };
	return true;
}

/* Ends the task for a reason from outside; first everything under way comes to its end. */
static bool end_early(const struct task *t, const struct task_input *input, const char *why, const char *state, int exit,
                      char *text, struct step *ret)
{
	enum settled settled = settle(t, input, why, true, ret);

	if (settled == SETTLED)
		return finish(ret, state, exit, text);
	free(text);
	return settled == SETTLING;
}

static bool park(const struct task *t, const struct task_input *input, struct step *ret)
{
	enum settled settled = settle(t, input, "interrupted", false, ret);

	if (settled == SETTLED)
		*ret = (struct step){ STEP_PARK, .status = t->paused ? "paused" : task_waits(t) ? "waiting" : "interrupted" };
	return settled != WAITING;
}

/* An engine that drains takes up no part to end it, and one that had parked when the cancel came does not report to it
 * any more: whoever takes the task up ends them, for the cancel is durable. */
static bool ends_later(const struct task *t, const struct task_input *input)
{
	if (!input->draining || input->children_active)
		return false;
	for (size_t i = 0; i < t->call_count; i++) {
		const struct call *c = &t->calls[i];
		if (c->child_count > 0 && (c->phase == CALL_LOST || (c->phase == CALL_RUNNING && c->killing && !all_reported(c))))
			return true;
	}
	return false;
}

static bool end_cancelled(const struct task *t, const struct task_input *input, struct step *ret)
{
	bool known = t->cancelled_by != NULL && t->cancelled_by[0] != '\0';

	return end_early(t, input, "cancelled", "cancelled", 1,
	                 known ? xasprintf("Cancelled by %s.", t->cancelled_by) : xstrdup("Cancelled."), ret);
}

/* What runs comes to its end by itself, or is ended; nothing begins. */
static bool rest(const struct task *t, const struct task_input *input, struct step *ret)
{
	return t->pause_now && settle(t, input, "paused", false, ret) == SETTLING;
}

static bool out_of_time(const struct task *t, const struct task_input *input, struct step *ret)
{
	char span[32];

	clock_span(t->limits.timeout_ms, span, sizeof span);
	if (t->models.failing_since_us > 0) /* nothing came back since the first failure */
		return end_early(t, input, "timeout", "failed", 5,
		                 xasprintf("The time limit of %s was reached while the model could not be reached: %s",
		                           span, t->failure_text), ret);
	return end_early(t, input, "timeout", "failed", 8,
	                 xasprintf("The time limit of %s was reached. Give more with --timeout.", span), ret);
}

static bool after_last_reply(const struct task *t, struct step *ret)
{
	if (strcmp(t->finish, "length") == 0)
		return finish(ret, "failed", 1, xasprintf("The reply was cut off at the model's output limit: %s", t->reply));
	if (strcmp(t->finish, "content_filter") == 0)
		return finish(ret, "failed", 1, xasprintf("The provider's content filter stopped the reply. %s", t->reply));
	if (replan_reminds(t, ret))
		return true;
	return finish(ret, "done", t->unanswered > 0 ? 9 : 0, xstrdup(t->reply));
}

/* One word a turn, each louder than the one before, until the circle is left; then the end. A part ends, so that who
 * gave it out can plan anew; a whole task rests, until a person resumes it. */
static bool check_loops(const struct task *t, struct step *ret)
{
	struct loop_finding found;

	if (t->loops.told == LOOP_STOP && t->parent[0] == '\0') {
		*ret = (struct step){ STEP_PARK, .status = "loop" };
		return true;
	}
	if (t->loops.told == LOOP_STOP)
		return finish(ret, "failed", 10, xstrdup(json_get_text(json_array_get(t->messages, json_array_size(t->messages) - 1),
		                                                       "text", "It went round in circles.")));
	if (t->loops.told_turn == t->turns || !loops_find(&t->loops, &found))
		return false;
	enum loop_level level = MIN(found.level, t->loops.told + 1);
	if (level <= t->loops.told)
		return false;
	found.level = level;
	*ret = (struct step){ STEP_WARN_LOOP, .status = loop_level_name(level), .loop = found, .text = loop_text(&found, level) };
	return true;
}

static bool call_model(const struct task *t, const struct task_input *input, struct step *ret)
{
	enum models_word word = models_before_request(t, input, ret);

	if (word == MODELS_GO)
		*ret = (struct step){ .type = compact_wanted(t) ? STEP_COMPACT : STEP_CALL_MODEL };
	return word != MODELS_WAIT;
}

static bool ask_model(const struct task *t, const struct task_input *input, struct step *ret)
{
	if (t->model_phase == MODEL_ASKED || t->model_phase == MODEL_HELD)
		return false;
	if (t->model_phase == MODEL_OVER) {
		*ret = (struct step){ .type = STEP_ASK_MODEL };
		return true;
	}
	if (t->model_phase == MODEL_FAILED) {
		models_after_failure(t, input, ret);
		return true;
	}
	if (t->model_phase == MODEL_WAITING && input->now_us < t->retry_at_us)
		return false;
	if (t->last_word != NULL)
		return finish(ret, "done", t->unanswered > 0 ? 9 : 0, xstrdup(t->last_word));
	if (t->turns > 0 && check_loops(t, ret))
		return true;
	if (t->turns > 0 && t->call_count == 0 && !t->loops.answers_due)
		return after_last_reply(t, ret);
	if (t->turns >= t->limits.turns)
		return finish(ret, "failed", 8, xasprintf("The limit of %lld turns was reached. Give more with --max-turns.",
		                                          (long long)t->limits.turns));
	return call_model(t, input, ret);
}

/* Sums, and what a cell said while a call was still under way. */
static bool spends_too_much(const struct task *t, struct bound_hit *ret)
{
	const int64_t cpu_ms = t->used.cpu_ms + t->below.cpu_ms, written = t->used.written + t->below.written;
	const int64_t *most = t->limits.bounds.at;

	*ret = t->spent;
	if (ret->what == BOUND_NONE && most[BOUND_TASK_CPU] > 0 && cpu_ms >= most[BOUND_TASK_CPU])
		*ret = (struct bound_hit){ BOUND_TASK_CPU, cpu_ms, most[BOUND_TASK_CPU] };
	else if (ret->what == BOUND_NONE && most[BOUND_DISK] > 0 && written >= most[BOUND_DISK])
		*ret = (struct bound_hit){ BOUND_DISK, written, most[BOUND_DISK] };
	return ret->what != BOUND_NONE;
}

static bool used_up(const struct task *t, const struct task_input *input, const struct bound_hit *hit, struct step *ret)
{
	struct buf text = BUF_INIT(KIB(1));

	buf_add_text(&text, "The task was ended: ");
	bound_describe(hit, NULL, &text);
	buf_add_char(&text, '.');
	return end_early(t, input, bound_row(hit->what)->status, "failed", 8, buf_take(&text), ret);
}

bool task_decide(const struct task *t, const struct task_input *input, struct step *ret)
{
	struct bound_hit hit;

	if (t->phase != PHASE_ACTIVE)
		return false;
	if (input->cancelled || t->cancelled_by != NULL)
		return ends_later(t, input) ? park(t, input, ret) : end_cancelled(t, input, ret);
	if (input->draining)
		return park(t, input, ret);
	if (t->paused)
		return rest(t, input, ret);
	if (input->now_us >= deadline_us(t))
		return out_of_time(t, input, ret);
	if (t->over_text != NULL)
		return end_early(t, input, t->over_exit == 6 ? "a limit was reached" : "a budget is used up",
		                 t->over_exit == 6 ? "denied" : "failed", t->over_exit, xstrdup(t->over_text), ret);
	if (t->calls_total > t->limits.calls)
		return end_early(t, input, "the limit of calls was reached", "failed", 8,
		                 xasprintf("The limit of %lld calls was reached.", (long long)t->limits.calls), ret);
	const struct approval *late = approvals_expired(t, input->now_us);
	if (late != NULL) {
		*ret = (struct step){ .type = STEP_EXPIRE, .approval = late };
		return true;
	}
	if (spends_too_much(t, &hit))
		return used_up(t, input, &hit, ret);
	if (t->interrupting) { /* its words join the conversation as soon as every call is closed */
		enum settled settled = settle(t, input, "steered", true, ret);
		if (settled != SETTLED)
			return settled == SETTLING;
	}
	/* One call after another, in the order in which the model asked: effects are never reordered. */
	for (size_t i = 0; i < t->call_count; i++) {
		struct call *c = &t->calls[i];
		if (replan_refuses(t, c, ret))
			return true;
		if (c->phase == CALL_WAITING && input->now_us >= c->wait_until_us) {
			*ret = (struct step){ STEP_RUN_CALL, .call = c };
			return true;
		}
		if (c->phase != CALL_CLOSED)
			return step_call(c, ret);
	}
	return ask_model(t, input, ret);
}
