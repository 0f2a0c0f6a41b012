/* runs.c - the runs of an engine by the id of their task, so that a message to one of ten thousand does not cost a walk over
 * all of them. A run has its place in the table from the moment that its cell is asked for until it is freed. */
#include "engine/run.h"

#include <string.h>

#include "base/banned.h"

static size_t place_of(const struct engine *engine, const char *task)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const char *c = task; *c != '\0'; c++)
		hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	return (size_t)((hash ^ hash >> 32) % engine->by_task_room);
}

static void grow(struct engine *engine)
{
	struct run **old = engine->by_task;
	size_t room = engine->by_task_room;

	engine->by_task_room = MAX(room * 2, (size_t)LIMIT_RUNS_TABLE);
	engine->by_task = xcalloc(engine->by_task_room, sizeof(struct run *));
	for (size_t i = 0; i < room; i++)
		for (struct run *run = old[i], *next; run != NULL; run = next) {
			size_t at = place_of(engine, run->task->id);
			next = run->next_by_task;
			run->next_by_task = engine->by_task[at];
			engine->by_task[at] = run;
		}
	free(old);
}

void runs_add(struct run *run)
{
	struct engine *engine = run->engine;

	if (run->indexed)
		return;
	if (engine->by_task_count == engine->by_task_room)
		grow(engine);
	size_t at = place_of(engine, run->task->id);
	run->next_by_task = engine->by_task[at];
	engine->by_task[at] = run;
	engine->by_task_count++;
	run->indexed = true;
}

void runs_remove(struct run *run)
{
	struct engine *engine = run->engine;

	if (!run->indexed)
		return;
	struct run **at = &engine->by_task[place_of(engine, run->task->id)];
	while (*at != run)
		at = &(*at)->next_by_task;
	*at = run->next_by_task;
	engine->by_task_count--;
	run->indexed = false;
}

struct run *runs_find(const struct engine *engine, const char *task)
{
	if (engine->by_task_count == 0)
		return NULL;
	for (struct run *run = engine->by_task[place_of(engine, task)]; run != NULL; run = run->next_by_task)
		if (!run->told && strcmp(run->task->id, task) == 0)
			return run;
	return NULL;
}

void runs_close(struct engine *engine)
{
	assert(engine->by_task_count == 0);
	free(TAKE(engine->by_task));
	engine->by_task_room = 0;
}
