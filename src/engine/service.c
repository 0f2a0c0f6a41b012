/* service.c - an engine that outlives its tasks: it stays when none is left, and frees those that are over. It begins and
 * ends no task. */
#include "engine/place.h"

#include <string.h>

#include "base/banned.h"

static bool any_runs(const struct engine *engine)
{
	for (const struct run *run = engine->runs; run != NULL; run = run->next)
		if (!run->told)
			return true;
	return false;
}

/* Somebody still looks at it: a batch on its way, or a task below. */
static bool is_needed(const struct engine *engine, const struct run *run)
{
	if (!run->told || run->committing)
		return true;
	for (const struct run *other = engine->runs; other != NULL; other = other->next)
		if (other->parent == run)
			return true;
	return false;
}

/* From the loop alone, where nothing else is in the middle of a run. */
static void on_reaper(void *userdata)
{
	struct engine *engine = userdata;
	bool left = false;

	for (struct run **at = &engine->runs; *at != NULL;) {
		struct run *run = *at;
		if (is_needed(engine, run)) {
			left |= run->told;
			at = &run->next;
			continue;
		}
		*at = run->next;
		run_free(run);
	}
	places_reap(engine);
	if (left)
		watch_arm(engine->reaper, LIMIT_INBOX_POLL_MS);
}

void service_open(struct engine *engine)
{
	if (engine->setup.service)
		engine->reaper = watch_timer(engine->setup.loop, on_reaper, engine);
}

void service_close(struct engine *engine)
{
	watch_free(TAKE(engine->reaper));
}

bool service_stays(struct engine *engine)
{
	if (engine->reaper != NULL)
		watch_arm(engine->reaper, 0);
	return any_runs(engine) || (engine->setup.service && engine->drains == 0);
}

void service_rest(struct engine *engine)
{
	if (engine->setup.service && !any_runs(engine))
		loop_stop(engine->setup.loop);
}

size_t engine_task_count(const struct engine *engine)
{
	size_t count = 0;

	for (const struct run *run = engine->runs; run != NULL; run = run->next)
		count += !run->told;
	return count;
}

bool engine_draining(const struct engine *engine)
{
	return engine->drains > 0;
}

bool engine_has(const struct engine *engine, const char *task)
{
	for (const struct run *run = engine->runs; run != NULL; run = run->next)
		if (!run->told && strcmp(run->task->id, task) == 0)
			return true;
	return false;
}
