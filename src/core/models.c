/* models.c - a model that fails: whether it is asked again, and which model is asked in its place. It knows nothing of
 * providers; what failed is one of the kinds of failure.h, and what may be asked now is told by the engine. */
#include "core/models.h"
#include "core/said.h"

#include <string.h>

#include "core/failure.h"

#include "base/banned.h"

enum { NO_MODEL = LIMIT_FALLBACKS + 1 };

const char *task_model(const struct task *t, size_t at)
{
	return at == 0 ? t->model : json_string_value(json_array_get(json_object_get(t->config, "fallback"), at - 1));
}

static size_t model_count(const struct task *t)
{
	return 1 + MIN(json_array_size(json_object_get(t->config, "fallback")), (size_t)LIMIT_FALLBACKS);
}

static bool has_failed(const struct task *t, size_t at)
{
	return (t->models.tried & 1u << at) != 0;
}

static bool is_free(const struct task_input *input, size_t at)
{
	const struct model_sight *m = &input->models[at];

	return !m->barred && !m->probing && m->until_us <= input->now_us;
}

/* The first of the chain that did not fail since the last reply: one that can be asked at once; else, where `or_later`, one
 * that can be asked in a while. */
static size_t other_model(const struct task *t, const struct task_input *input, bool or_later)
{
	for (int later = 0; later <= (or_later ? 1 : 0); later++)
		for (size_t at = 0; at < model_count(t); at++)
			if (at != t->models.at && !has_failed(t, at) &&
			    (later != 0 ? !input->models[at].barred : is_free(input, at)))
				return at;
	return NO_MODEL;
}

static void switch_to(struct step *ret, size_t at, const char *why)
{
	*ret = (struct step){ .type = STEP_SWITCH_MODEL, .model = at, .status = why };
}

static void end(const struct task *t, const struct failure_row *row, struct step *ret)
{
	bool began = t->failure_status == 200 && !row->again; /* a reply that nobody can read is the provider's fault */
	int exit = row->exit == 1 && began ? 5 : row->exit;
	char *text = t->failures > 1 ? xasprintf("%s (after %d attempts)", t->failure_text, t->failures) : xstrdup(t->failure_text);

	if (model_count(t) > 1) {
		char *whole = xasprintf("%s; none of the %zu models of this task could answer", text, model_count(t));
		free(text);
		text = whole;
	}
	*ret = (struct step){ .type = STEP_FINISH, .state = "failed", .exit = exit, .text = text };
}

static bool has_time(const struct task *t, int64_t at_us)
{
	return t->models.failing_since_us == 0 || at_us - t->models.failing_since_us <= t->retry.time_ms * 1000;
}

void models_after_failure(const struct task *t, const struct task_input *input, struct step *ret)
{
	const enum failure kind = failure_find(t->failure_class);
	const struct failure_row *row = failure_row(kind);
	bool unreadable = kind == FAILURE_TERMINAL && t->failure_status == 200; /* the request was taken, the reply is no reply */
	bool elsewhere = (row->elsewhere || unreadable) && (kind != FAILURE_AUTH || t->retry.auth_elsewhere);
	size_t other = elsewhere ? other_model(t, input, true) : NO_MODEL;
	int64_t wait_ms = MAX(t->retry_after_ms, 0);
	bool patient = wait_ms <= t->retry.wait_ms && has_time(t, input->now_us + wait_ms * 1000);
	bool faster = other != NO_MODEL && is_free(input, other) && wait_ms > LIMIT_RETRY_CAP_MS;

	if (row->again && t->failures < (t->models.trial ? 1 : t->retry.attempts) && patient && !faster)
		*ret = (struct step){ .type = STEP_RETRY_MODEL, .status = row->name };
	else if (other != NO_MODEL)
		switch_to(ret, other, row->name);
	else
		end(t, row, ret);
}

enum models_word models_before_request(const struct task *t, const struct task_input *input, struct step *ret)
{
	const struct model_sight *m = &input->models[t->models.at];
	size_t other;

	if (t->models.at > 0 && input->now_us >= t->models.stay_until_us && is_free(input, 0) && !has_failed(t, 0)) {
		switch_to(ret, 0, "return");
		return MODELS_STEP;
	}
	if (!m->probing && m->until_us <= input->now_us)
		return MODELS_GO;
	if ((other = other_model(t, input, false)) != NO_MODEL) {
		switch_to(ret, other, failure_name(FAILURE_BREAKER));
		return MODELS_STEP;
	}
	if (m->until_us <= input->now_us)
		return MODELS_WAIT;
	if (has_time(t, m->until_us)) {
		*ret = (struct step){ .type = STEP_RETRY_MODEL, .status = failure_name(FAILURE_BREAKER) };
	} else {
		*ret = (struct step){ .type = STEP_FINISH, .state = "failed", .exit = failure_row(FAILURE_BREAKER)->exit };
		ret->text = xasprintf("%s could not be reached for too long (retry.time): %s", task_model(t, t->models.at),
		                      t->failure_text != NULL ? t->failure_text : failure_row(FAILURE_BREAKER)->about);
	}
	return MODELS_STEP;
}

/* ---- folds ---- */

static int damaged(const struct task *t, const struct event *e, struct err *err)
{
	return err_set(err, EINVAL, "task %s: %s cannot follow here: the history is damaged", t->id, event_name(e->type));
}

static void set_text(char **to, const struct event *e, const char *key)
{
	free(*to);
	*to = xstrdup(json_get_text(e->data, key, ""));
}

void models_created(struct task *t, const json_t *config)
{
	const json_t *retry = json_object_get(config, "retry");

	t->retry.attempts = json_get_int(retry, "attempts", LIMIT_MODEL_ATTEMPTS);
	t->retry.calls = json_get_int(retry, "tool_attempts", LIMIT_TOOL_ATTEMPTS);
	t->retry.time_ms = json_get_int(retry, "time_ms", LIMIT_RETRY_TIME_MS);
	t->retry.wait_ms = json_get_int(retry, "wait_ms", LIMIT_RETRY_AFTER_MS);
	t->retry.auth_elsewhere = json_get_bool(config, "fallback_auth", false);
}

/* Whoever goes on begins with fresh patience; which model is in use stays. */
void models_resumed(struct task *t)
{
	t->failures = 0;
	t->models.tried = 0;
	t->models.trial = false;
	t->models.failing_since_us = 0;
}

void models_replied(struct task *t)
{
	models_resumed(t);
}

int models_failed(struct task *t, const struct event *e, struct err *err)
{
	if (t->phase != PHASE_ACTIVE || t->model_phase != MODEL_ASKED)
		return damaged(t, e, err);
	set_text(&t->failure_class, e, "class");
	set_text(&t->failure_text, e, "message");
	t->failure_status = (int)json_get_int(e->data, "status", 0);
	t->retry_after_ms = json_get_int(e->data, "retry_after_ms", -1);
	if (failure_find(t->failure_class) == FAILURE_CANCELLED) {
		t->model_phase = MODEL_IDLE;
		said_deliver(t);
		return 0;
	}
	t->failures++;
	if (t->models.failing_since_us == 0)
		t->models.failing_since_us = e->time_us;
	t->model_phase = MODEL_FAILED;
	said_deliver(t);
	return 0;
}

/* Waiting for a breaker is no attempt: nothing was asked. */
int models_retried(struct task *t, const struct event *e, struct err *err)
{
	bool breaker = failure_find(json_get_text(e->data, "class", "")) == FAILURE_BREAKER;

	if (t->phase != PHASE_ACTIVE || (breaker ? t->model_phase != MODEL_IDLE && t->model_phase != MODEL_WAITING
	                                         : t->model_phase != MODEL_FAILED))
		return damaged(t, e, err);
	if (breaker && t->models.failing_since_us == 0) {
		t->models.failing_since_us = e->time_us;
		set_text(&t->failure_text, e, "reason");
	}
	t->retry_at_us = e->time_us + json_get_int(e->data, "delay_ms", 0) * 1000;
	t->model_phase = MODEL_WAITING;
	return 0;
}

int models_switched(struct task *t, const struct event *e, struct err *err)
{
	static const char *const spared[] = { "breaker", "return" };
	const char *cls = json_get_text(e->data, "class", "");
	int64_t at = json_get_int(e->data, "at", -1);

	if (t->phase != PHASE_ACTIVE || t->model_phase == MODEL_ASKED || at < 0 || at >= (int64_t)model_count(t))
		return damaged(t, e, err);
	if (name_find(spared, COUNT(spared), cls) < 0)
		t->models.tried |= 1u << t->models.at;
	t->models.at = (size_t)at;
	t->models.trial = strcmp(cls, "return") == 0;
	t->models.stay_until_us = e->time_us + json_get_int(e->data, "stay_ms", 0) * 1000;
	t->failures = 0;
	t->retry_after_ms = -1;
	t->context.window_tokens = json_get_int(e->data, "window", t->context.window_tokens);
	t->model_phase = MODEL_IDLE;
	return 0;
}
