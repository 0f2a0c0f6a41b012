/* drain.c - how an engine comes to rest: nothing new begins, what runs is told to end, tasks park, and all of it has a
 * deadline. Beyond the deadline, or at a second request, the loop stops where it is: what is durable is the whole truth then, as
 * after a crash, and every task can be resumed. */
#include "engine/run.h"

#include <stdio.h>
#include <string.h>

#include "engine/notify.h"
#include "engine/watchdog.h"

#include "base/banned.h"

static int64_t deadline_ms(const struct engine *engine)
{
	return engine->setup.health.stop_ms > 0 ? engine->setup.health.stop_ms : LIMIT_STOP_MS;
}

bool engine_draining(const struct engine *engine)
{
	return engine->drains > 0;
}

int64_t drain_left_ms(const struct engine *engine)
{
	return engine->drains > 0 ? MAX(engine->drain_until_ms - clock_mono_ms(), (int64_t)0) : INT64_MAX;
}

/* What is left after the grace of calls is for their ends, for /tmp and for the store. */
int64_t drain_grace_ms(const struct engine *engine)
{
	return engine->drains > 0 ? MIN((int64_t)LIMIT_CELL_GRACE_MS, deadline_ms(engine) * 3 / 5) : LIMIT_CELL_GRACE_MS;
}

int64_t drain_keeping_ms(const struct engine *engine)
{
	int64_t left_ms = drain_left_ms(engine);

	return left_ms == INT64_MAX ? LIMIT_TMP_KEEPING_MS : MIN((int64_t)LIMIT_TMP_KEEPING_MS, left_ms - deadline_ms(engine) / 5);
}

/* ---- what it waits for ---- */

static char *waits_for(const struct engine *engine)
{
	int64_t calls = 0, commits = 0, cells = 0, others = 0;
	const struct run *one = NULL;
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(1));

	for (const struct run *run = engine->runs; run != NULL; run = run->next) {
		if (run->told)
			continue;
		if (run->live != NULL) {
			calls++;
			one = run;
		} else if (run->committing || run->charging != NULL) {
			commits++;
		} else if (run->cell != NULL && !run->cell_ready) {
			cells++;
		} else {
			others++;
		}
	}
	const struct call *c = calls == 1 ? task_call_find(one->task, call_running(one)) : NULL;
	if (c != NULL)
		buf_printf(&text, "call %s (%.32s) of task %s to end", c->id, c->tool, one->task->id);
	else if (calls > 0)
		buf_printf(&text, "%lld calls to end", (long long)calls);
	if (commits > 0)
		buf_printf(&text, "%sthe store", text.len > 0 ? ", " : "");
	if (cells > 0)
		buf_printf(&text, "%s%lld cells that open", text.len > 0 ? ", " : "", (long long)cells);
	if (others > 0)
		buf_printf(&text, "%s%lld %s", text.len > 0 ? ", " : "", (long long)others, others == 1 ? "task" : "tasks");
	return buf_take(&text);
}

static void tell(struct engine *engine)
{
	AUTO(freep) char *what = waits_for(engine);
	AUTO(freep) char *status = xasprintf("stopping, waits for %s", what);

	notify_status(status);
	if (engine->setup.on_drain != NULL)
		engine->setup.on_drain(engine->setup.userdata, drain_left_ms(engine), what);
}

static void on_timer(void *userdata)
{
	struct engine *engine = userdata;
	int64_t left_ms = drain_left_ms(engine);

	tell(engine);
	if (left_ms <= 0)
		loop_stop(engine->setup.loop);
	else
		watch_arm(engine->drain_timer, MIN(left_ms, (int64_t)1000));
}

/* ---- the requests ---- */

static void drain_run(struct run *run)
{
	run->input.draining = true;
	if (run->opening != NULL) { /* not begun, or not gone on with: nothing to bring to rest */
		struct err err = ERR_NONE;
		err_set(&err, EINTR, "interrupted before the task began");
		run_fail(run, RUN_INTERRUPTED, &err);
	} else {
		run_step(run);
	}
}

void engine_drain(struct engine *engine, const char *signal)
{
	if (engine->drains++ > 0) {
		loop_stop(engine->setup.loop);
		return;
	}
	engine->drain_until_ms = clock_mono_ms() + deadline_ms(engine);
	notify_stopping();
	engine_emit(engine, EVENT_ENGINE_DRAINING, json_pack("{s:s}", "signal", signal));
	engine->drain_timer = watch_timer(engine->setup.loop, on_timer, engine);
	watch_arm(engine->drain_timer, MIN((int64_t)LIMIT_STOP_TELL_MS, deadline_ms(engine)));
	/* Every call hears of it before the first task is waited for. */
	for (struct run *run = engine->runs; run != NULL; run = run->next)
		run->input.draining |= !run->told;
	for (struct run *run = engine->runs; run != NULL; run = run->next)
		if (!run->told && run->live != NULL)
			drain_run(run);
	for (struct run *run = engine->runs; run != NULL; run = run->next)
		if (!run->told && run->live == NULL)
			drain_run(run);
	service_rest(engine);
}

/* All at once: one after the other would take as long as there are cells. */
void drain_end_cells(struct engine *engine)
{
	for (struct run *run = engine->runs; run != NULL; run = run->next)
		if (run->cell != NULL)
			cell_doom(run->cell);
}
