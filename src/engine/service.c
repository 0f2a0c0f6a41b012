/* service.c - an engine that outlives its tasks: it stays when none is left. Tasks that are over are freed here, in every
 * engine. It begins and ends no task. */
#include "engine/place.h"

#include <string.h>

#include "base/banned.h"

/* Somebody still looks at it: a batch on its way, or a task below; at a root, who started it, unless that is a service. */
static bool is_needed(const struct run *run)
{
	return !run->told || run->committing || run->children != NULL || (run->parent == NULL && !run->engine->setup.service);
}

static void unlink_child(struct run *run)
{
	struct run **at = &run->parent->children;

	while (*at != run)
		at = &(*at)->sibling;
	*at = run->sibling;
}

/* From the loop alone, where nothing else is in the middle of a run. Who has a batch on its way is looked at again
 * when that is back. */
static void on_reaper(void *userdata)
{
	struct engine *engine = userdata;

	engine->reaping = false;
	for (struct run **at = &engine->runs; *at != NULL;) {
		struct run *run = *at;
		if (is_needed(run)) {
			at = &run->next;
			continue;
		}
		*at = run->next;
		if (run->parent != NULL)
			unlink_child(run);
		run_free(run);
	}
	places_reap(engine);
}

/* One walk does for all that end within a while. */
void service_look(struct engine *engine)
{
	if (!engine->reaping)
		watch_arm(engine->reaper, LIMIT_REAP_MS);
	engine->reaping = true;
}

void service_open(struct engine *engine)
{
	engine->reaper = watch_timer(engine->setup.loop, on_reaper, engine);
}

void service_close(struct engine *engine)
{
	watch_free(TAKE(engine->reaper));
}

bool service_stays(struct engine *engine)
{
	service_look(engine);
	return engine->active > 0 || (engine->setup.service && engine->drains == 0);
}

void service_rest(struct engine *engine)
{
	if (engine->setup.service && engine->active == 0)
		loop_stop(engine->setup.loop);
}

size_t engine_task_count(const struct engine *engine)
{
	size_t count = 0;

	for (const struct run *run = engine->runs; run != NULL; run = run->next)
		count += !run->told;
	return count;
}

bool engine_has(const struct engine *engine, const char *task)
{
	for (const struct run *run = engine->runs; run != NULL; run = run->next)
		if (!run->told && strcmp(run->task->id, task) == 0)
			return true;
	return false;
}
