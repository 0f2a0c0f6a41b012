/* cell_late.c - when a task gets its cell: before the first call that needs one. A task that thinks, talks or waits for a person
 * has none, and costs no process. That this machine makes such a cell is known before any model is asked: the first task of a
 * kind (level, workspace, policy, mode) opens its own when it begins, as the check; the engine remembers the kind, and forgets all
 * when a cell could not be had. It lowers nothing: a call that needs a cell waits for it, or the task stops. */
#include "engine/cell_late.h"

#include <string.h>

#include "base/banned.h"

static char *kind_of(const struct run *run)
{
	const char *mode = json_get_text(files_task_config(run), "workspace_mode", "direct");

	return xasprintf("%s %s %s %s", cell_level_name(run->level), policy_digest(run_policy(run)), mode, run->workspace);
}

static struct cell_kind *find(const struct run *run)
{
	struct cell_kinds *kinds = &run->engine->cell_kinds;
	AUTO(freep) char *name = kind_of(run);

	for (size_t i = 0; i < COUNT(kinds->known); i++)
		if (kinds->known[i].name != NULL && strcmp(kinds->known[i].name, name) == 0)
			return &kinds->known[i];
	return NULL;
}

/* Who waits for a check looks again, from the loop. */
static void wake(struct engine *engine)
{
	for (struct run *run = engine->runs; run != NULL; run = run->next) {
		if (!run->awaits_check || run->over)
			continue;
		run->awaits_check = false;
		watch_arm(run->wakeup, 0);
	}
}

static void forget(struct cell_kind *kind)
{
	free(kind->name);
	*kind = (struct cell_kind){ 0 };
}

/* The oldest makes room; whoever is of its kind finds out anew. */
static void check_by(struct run *run)
{
	struct cell_kinds *kinds = &run->engine->cell_kinds;
	struct cell_kind *kind = &kinds->known[kinds->next++ % COUNT(kinds->known)];
	bool awaited = kind->checker != NULL;

	forget(kind);
	*kind = (struct cell_kind){ .name = kind_of(run), .checker = run };
	if (awaited)
		wake(run->engine);
	run_open_cell(run);
}

static void on_begin(void *userdata)
{
	struct run *run = userdata;
	const struct cell_kind *kind = find(run);

	watch_free(TAKE(run->wakeup));
	if (kind != NULL && kind->checker == NULL)
		run_opened(run, NULL);
	else
		cell_begin(run);
}

/* A layer is a mount that the whole tree shares, and has its own ways to fail: there the cell comes first. */
void cell_begin(struct run *run)
{
	bool layered = files_layer_bytes(files_task_config(run)) > 0;
	const struct cell_kind *kind = layered ? NULL : find(run);

	if (layered) {
		run_open_cell(run);
		return;
	}
	if (kind == NULL) {
		check_by(run);
		return;
	}
	runs_add(run);
	run->awaits_check = kind->checker != NULL;
	run->wakeup = watch_timer(run->engine->setup.loop, on_begin, run);
	if (!run->awaits_check)
		watch_arm(run->wakeup, 0);
}

void cell_check_ends(struct run *run, bool works)
{
	struct cell_kinds *kinds = &run->engine->cell_kinds;

	for (size_t i = 0; i < COUNT(kinds->known); i++) {
		if (kinds->known[i].checker != run)
			continue;
		kinds->known[i].checker = NULL;
		if (!works)
			forget(&kinds->known[i]);
		wake(run->engine);
	}
}

void cell_kinds_forget(struct engine *engine)
{
	for (size_t i = 0; i < COUNT(engine->cell_kinds.known); i++)
		if (engine->cell_kinds.known[i].checker == NULL)
			forget(&engine->cell_kinds.known[i]);
}

bool cell_needed_by(const struct tool *tool)
{
	return !tool->control && tool != &tool_read_output && tool != &tool_memory;
}

bool cell_is_awaited(struct run *run, const struct tool *tool)
{
	if (run->cell != NULL || !cell_needed_by(tool))
		return false;
	run->reopening = true;
	run_open_cell(run);
	return true;
}
