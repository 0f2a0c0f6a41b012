/* rest.c - what only waits for people, a service does not keep in memory: a whole tree parks once that has lasted for a while, and
 * is taken up again by the word that it waits for, or when what it asks has run out (cli/serve_wake.c). It parks nothing that
 * has anything under way: a program, a request, a commit. */
#include "engine/run.h"

#include <malloc.h>

#include "base/banned.h"

static bool is_still(const struct run *run)
{
	return !run->over && !run->committing && run->pending_count == 0 && run->deferred_count == 0 && run->charging == NULL &&
	       run->request == NULL && run->live == NULL && run->held == NULL && run->background == NULL && run->opening == NULL &&
	       !run->reopening && !run->cell_wanted && !run->slot_wanted;
}

/* Calls go one after another: what is behind this one has not begun. */
static const struct call *first_open(const struct task *t)
{
	for (size_t i = 0; i < t->call_count; i++)
		if (t->calls[i].phase != CALL_CLOSED)
			return &t->calls[i];
	return NULL;
}

static bool only_waits(const struct run *run, int64_t before_us);

static bool children_wait(const struct run *run, int64_t before_us)
{
	for (const struct run *child = run->children; child != NULL; child = child->sibling)
		if (!child->told && !only_waits(child, before_us))
			return false;
	return run->active_children > 0;
}

/* For people, since before that time. */
static bool only_waits(const struct run *run, int64_t before_us)
{
	const struct task *t = run->task;
	const struct call *c = first_open(t);

	if (!is_still(run) || t->phase != PHASE_ACTIVE || t->cancelled_by != NULL || t->interrupting || !t->patient ||
	    t->model_phase == MODEL_ASKED)
		return false;
	if (c != NULL && c->phase == CALL_RUNNING && c->child_count > 0)
		return children_wait(run, before_us);
	if (c != NULL && c->phase == CALL_RUNNING && !c->asks_person)
		return false;
	if (t->paused)
		return t->paused_since_us <= before_us;
	bool asks = c != NULL ? c->phase == CALL_HELD || c->phase == CALL_RUNNING : t->model_phase == MODEL_HELD;
	return asks && task_waits(t) && t->waiting_since_us <= before_us;
}

static void lay_down(struct run *run)
{
	run->resting = run->input.draining = true;
	for (struct run *child = run->children; child != NULL; child = child->sibling)
		if (!child->told)
			lay_down(child);
	run_step(run);
}

/* Returns how many were laid down, no more than are right at once. */
static size_t lay_down_some(struct engine *engine, int64_t before_us)
{
	size_t count = 0;

	for (struct run *run = engine->runs; run != NULL && engine->drains == 0 && count < LIMIT_REST_AT_ONCE; run = run->next)
		if (run->parent == NULL && !run->told && !run->resting && only_waits(run, before_us)) {
			lay_down(run);
			count++;
		}
	return count;
}

static void on_timer(void *userdata)
{
	struct engine *engine = userdata;
	int64_t rest_ms = engine->setup.rest_ms;
	int64_t pause_ms = MIN(MAX(rest_ms / 2, (int64_t)LIMIT_REST_LEAST_MS), (int64_t)LIMIT_REST_MOST_MS);

	/* Those of the last look are gone, the slowest by the look after. A service may do nothing for days, and libc would keep
	 * what they took. */
	if (engine->trims > 0) {
		malloc_trim(0);
		engine->trims--;
	}
	size_t count = lay_down_some(engine, clock_wall_us() - rest_ms * 1000);
	if (count > 0)
		engine->trims = 2;
	watch_arm(engine->rest_timer, count == LIMIT_REST_AT_ONCE ? LIMIT_REST_LEAST_MS : pause_ms);
}

void rest_open(struct engine *engine)
{
	if (!engine->setup.service || engine->setup.rest_ms <= 0)
		return;
	engine->rest_timer = watch_timer(engine->setup.loop, on_timer, engine);
	watch_arm(engine->rest_timer, LIMIT_REST_LEAST_MS);
}

void rest_close(struct engine *engine)
{
	watch_free(TAKE(engine->rest_timer));
}
