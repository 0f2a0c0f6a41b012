/* breaker.c - counts how often each model failed in a row, for all tasks of this engine together. It sends nothing and
 * keeps nobody waiting itself: a task sees until when a model is left alone, and core/models.c decides what it does then. */
#include "engine/breaker.h"

#include <string.h>

#include "base/banned.h"

struct breaker {
	char *model, *reason;          /* reason: of the last failure; NULL: none */
	int64_t failures;              /* in a row */
	int64_t until_us;              /* open until then; 0: closed */
	int64_t opened_us;             /* when it first opened */
	const struct run *probe;       /* who was let through; NULL: nobody */
	struct breaker *next;
};

static struct breaker *breaker_find(const struct engine *engine, const char *model)
{
	struct breaker *b = engine->breakers;

	while (b != NULL && strcmp(b->model, model) != 0)
		b = b->next;
	return b;
}

static struct breaker *breaker_of(struct engine *engine, const char *model)
{
	struct breaker *b = breaker_find(engine, model);

	if (b == NULL) {
		b = xcalloc(1, sizeof *b);
		b->model = xstrdup(model);
		b->next = engine->breakers;
		engine->breakers = b;
	}
	return b;
}

void breakers_free(struct engine *engine)
{
	watch_free(TAKE(engine->breaker_timer));
	while (engine->breakers != NULL) {
		struct breaker *b = engine->breakers;
		engine->breakers = b->next;
		free(b->model);
		free(b->reason);
		free(b);
	}
}

/* Tasks that wait for what another one tries look again. Not at once: we may be in the middle of one. */
static void on_change(void *userdata)
{
	struct engine *engine = userdata;

	for (struct run *run = engine->runs; run != NULL; run = run->next)
		if (!run->told && run->opening == NULL && run->task->phase == PHASE_ACTIVE)
			run_step(run);
}

static void tell_all(struct engine *engine)
{
	if (engine->breaker_timer == NULL)
		engine->breaker_timer = watch_timer(engine->setup.loop, on_change, engine);
	watch_arm(engine->breaker_timer, 1);
}

void breaker_see(const struct engine *engine, const char *model, struct model_sight *ret)
{
	const struct breaker *b = breaker_find(engine, model);

	ret->until_us = b != NULL ? b->until_us : 0;
	ret->probing = b != NULL && b->probe != NULL;
}

void breaker_enter(struct run *run, const char *model)
{
	struct breaker *b = breaker_find(run->engine, model);

	if (b != NULL && b->until_us != 0 && b->probe == NULL)
		b->probe = run;
}

void breaker_leave(const struct run *run)
{
	for (struct breaker *b = run->engine->breakers; b != NULL; b = b->next)
		if (b->probe == run) {
			b->probe = NULL;
			tell_all(run->engine);
		}
}

void breaker_success(struct run *run, const char *model)
{
	struct breaker *b = breaker_find(run->engine, model);

	if (b == NULL)
		return;
	if (b->until_us != 0)
		engine_emit(run->engine, EVENT_BREAKER_CLOSED,
		            json_pack("{s:s, s:I}", "model", model, "ms", (json_int_t)(clock_wall_us() - b->opened_us) / 1000));
	b->failures = b->until_us = b->opened_us = 0;
	b->probe = NULL;
	tell_all(run->engine);
}

static void open_breaker(struct run *run, struct breaker *b)
{
	const struct engine_setup *setup = &run->engine->setup;
	int64_t now_us = clock_wall_us(), open_ms = setup->patience.open_ms > 0 ? setup->patience.open_ms : LIMIT_BREAKER_OPEN_MS;

	b->until_us = now_us + open_ms * 1000;
	b->opened_us = b->opened_us != 0 ? b->opened_us : now_us;
	engine_emit(run->engine, EVENT_BREAKER_OPENED,
	            json_pack("{s:s, s:I, s:I, s:s}", "model", b->model, "failures", (json_int_t)b->failures, "until_us",
	                      (json_int_t)b->until_us, "reason", b->reason));
}

/* An answer that refuses this one request is an answer. */
void breaker_failure(struct run *run, const char *model, enum failure kind, const struct llm_failure *why)
{
	const struct engine_setup *setup = &run->engine->setup;
	int64_t most = setup->patience.failures > 0 ? setup->patience.failures : LIMIT_BREAKER_FAILURES;

	if (!failure_row(kind)->counts && why->http_status >= 200 && why->http_status < 500) {
		breaker_success(run, model);
		return;
	}
	if (!failure_row(kind)->counts) { /* a cancel, or nothing that says something about the model */
		breaker_leave(run);
		return;
	}
	struct breaker *b = breaker_of(run->engine, model);
	bool probe = b->probe == run, open = b->until_us > clock_wall_us();
	free(b->reason);
	b->reason = xstrdup(why->text);
	b->failures++;
	if (probe)
		b->probe = NULL;
	if (probe || (!open && b->failures > most && b->probe == NULL)) /* what was under way when it opened says nothing new */
		open_breaker(run, b);
	if (probe)
		tell_all(run->engine);
}

json_t *breakers_json(const struct engine *engine)
{
	json_t *all = json_array();

	for (const struct breaker *b = engine->breakers; b != NULL; b = b->next) {
		const char *state = b->until_us == 0 ? "closed" : b->probe != NULL || b->until_us <= clock_wall_us() ? "trying" : "open";
		json_t *one = json_pack("{s:s, s:s, s:I, s:I}", "model", b->model, "state", state, "failures", (json_int_t)b->failures,
		                        "until_us", (json_int_t)b->until_us);
		json_put_text(one, "reason", b->failures > 0 ? b->reason : NULL);
		json_array_append_new(all, one);
	}
	return all;
}
