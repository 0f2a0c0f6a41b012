/* limits.c - from the limits of a task to those of its cell and its calls. The tightest wins: configuration, profile,
 * tool, what the call asks for, what is left of the task's own. It keeps none: the cell does, and call.c for what only
 * the engine sees (time and output). */
#include "engine/limits.h"

#include "tools/own.h"

#include "base/banned.h"

/* What file tools may use, which start no program. */
static const struct bounds builtin_bounds = { .at = {
	[BOUND_MEMORY] = MIB(1024), [BOUND_PROCESSES] = 16, [BOUND_CPU] = LIMIT_BUILTIN_WALL_MS,
} };

static int64_t or_default(const struct bounds *bounds, enum bound what)
{
	return bounds->at[what] > 0 ? bounds->at[what] : bound_row(what)->otherwise;
}

/* At least a little: what has nothing left has ended already, and 0 would mean no limit. */
static int64_t left_of(int64_t most, int64_t used)
{
	return most > 0 ? MAX(most - used, 1) : 0;
}

/* Of a task that has not begun, what its first event will say. */
static struct bounds bounds_of(const struct run *run)
{
	const json_t *opening = run->opening != NULL ? json_object_get(run->opening, "limits") : NULL;

	return opening != NULL ? bounds_read(opening) : run->task->limits.bounds;
}

struct bounds limits_of_child(const struct task *parent, const struct agent_profile *profile)
{
	struct bounds bounds = parent->limits.bounds;

	bounds.at[BOUND_DISK] = left_of(or_default(&bounds, BOUND_DISK), parent->used.written + parent->below.written);
	bounds.at[BOUND_TASK_CPU] = left_of(bounds.at[BOUND_TASK_CPU], parent->used.cpu_ms + parent->below.cpu_ms);
	if (profile != NULL)
		bounds_tighten(&bounds, &profile->bounds);
	return bounds;
}

void limits_of_cell(const struct run *run, struct cell_plan *ret)
{
	const struct bounds bounds = bounds_of(run);
	int64_t written = run->task->used.written + run->task->below.written;

	ret->memory_bytes = (uint64_t)or_default(&bounds, BOUND_MEMORY);
	ret->tmp_bytes = (uint64_t)or_default(&bounds, BOUND_TMP);
	ret->file_bytes = (uint64_t)or_default(&bounds, BOUND_FILE);
	ret->disk_bytes = (uint64_t)left_of(or_default(&bounds, BOUND_DISK), written);
	ret->processes = (int)or_default(&bounds, BOUND_PROCESSES);
	ret->open_files = (int)or_default(&bounds, BOUND_OPEN_FILES);
}

void limits_of_call(const struct task *task, const struct tool *tool, const struct tool_plan *plan, struct call_limits *ret)
{
	*ret = (struct call_limits){ .bounds = task->limits.bounds };
	for (int i = BOUND_NONE + 1; i < BOUND_COUNT; i++)
		ret->bounds.at[i] = or_default(&ret->bounds, (enum bound)i);
	if (tool->run != NULL)
		bounds_tighten(&ret->of_tool, &builtin_bounds);
	if (tool->limits != NULL)
		bounds_tighten(&ret->of_tool, tool->limits);
	if (tool->own != NULL)
		ret->of_tool.at[BOUND_MEMORY] = (int64_t)tool->own->memory_bytes;
	int64_t wall_ms = ret->bounds.at[BOUND_WALL], rest_ms = left_of(task->limits.bounds.at[BOUND_TASK_CPU],
	                                                              task->used.cpu_ms + task->below.cpu_ms);
	if (plan->wall_ms > 0 && plan->wall_ms < wall_ms) {
		ret->bounds.at[BOUND_WALL] = plan->wall_ms;
		ret->wall_is_asked = true;
	}
	bounds_tighten(&ret->bounds, &ret->of_tool);
	if (rest_ms > 0 && rest_ms <= ret->bounds.at[BOUND_CPU]) {
		ret->bounds.at[BOUND_CPU] = rest_ms;
		ret->cpu_is_tasks = true;
	}
}

void limits_of_run(const struct call_limits *limits, struct cell_run *ret)
{
	ret->cpu_ms = limits->bounds.at[BOUND_CPU];
	ret->memory_bytes = limits->of_tool.at[BOUND_MEMORY];
	ret->processes = limits->of_tool.at[BOUND_PROCESSES];
	ret->file_bytes = limits->of_tool.at[BOUND_FILE];
	ret->open_files = limits->of_tool.at[BOUND_OPEN_FILES];
}

struct bound_hit limits_hit(const struct run *run, const struct call_limits *limits, const struct bound_hit *hit)
{
	const struct task *t = run->task;

	if (hit->what == BOUND_CPU && limits->cpu_is_tasks)
		return (struct bound_hit){ BOUND_TASK_CPU, t->used.cpu_ms + t->below.cpu_ms + hit->reached,
		                           t->limits.bounds.at[BOUND_TASK_CPU] };
	if (hit->what == BOUND_DISK) {         /* the cell knows only what was left when it was opened */
		int64_t most = or_default(&t->limits.bounds, BOUND_DISK);
		return (struct bound_hit){ BOUND_DISK, most + hit->reached - hit->limit, most };
	}
	return *hit;
}

void limits_describe(const struct call_limits *limits, const struct bound_hit *hit, struct buf *ret)
{
	const char *by = NULL;

	if (hit->what == BOUND_WALL && limits->wall_is_asked)
		by = "timeout_s of the call";
	else if (limits->of_tool.at[hit->what] > 0 && limits->of_tool.at[hit->what] == hit->limit)
		by = "the tool has this limit, nothing raises it";
	bound_describe(hit, by, ret);
}

void limits_reached(struct run *run, const char *call, const struct call_limits *limits, const struct bound_hit *hit)
{
	const struct bound_row *row = bound_row(hit->what);
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(1));

	limits_describe(limits, hit, &text);
	run_emit(run, EVENT_RESOURCE_EXCEEDED, "call", call,
	         json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:s}", "call", call, "what", row->field, "reached",
	                   (json_int_t)hit->reached, "limit", (json_int_t)hit->limit, "key", row->key, "status", row->status,
	                   "text", buf_text(&text)));
}

json_t *limits_used(const struct cell_exit *ended)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "cpu_ms", (json_int_t)ended->cpu_ms, "memory_bytes",
	                 (json_int_t)ended->memory_bytes, "processes", (json_int_t)ended->processes, "written_bytes",
	                 (json_int_t)ended->written_bytes);
}
