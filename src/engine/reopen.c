/* reopen.c - what was lost and comes again: a warden that died, cells that died with it or by themselves. What ran in a cell
 * that is gone has an unknown outcome, and is told so; the task goes on in a new one. A task that loses cell after cell
 * stops, to be resumed by a person. */
#include "engine/charge.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

static void on_timer(void *userdata)
{
	struct engine *engine = userdata;

	if (warden_is_lost(engine->setup.warden) && !warden_replace(engine))
		return;
	for (struct run *run = engine->runs; run != NULL; run = run->next) {
		if (!run->cell_wanted || run->over)
			continue;
		run->cell_wanted = false;
		run_open_cell(run);
	}
}

/* Later, from the loop: what holds the lost ones is still at work. */
static void open_soon(struct engine *engine)
{
	if (engine->reopen_timer == NULL)
		engine->reopen_timer = watch_timer(engine->setup.loop, on_timer, engine);
	watch_arm(engine->reopen_timer, 0);
}

static bool may_reopen(const struct run *run)
{
	return !run->over && !run->input.draining && run->cells_lost < LIMIT_CELL_LOSSES;
}

bool cell_retry(struct run *run)
{
	if (!may_reopen(run))
		return false;
	run->cells_lost++;
	meter_stop(run);
	run->cell_wanted = true;
	open_soon(run->engine);
	return true;
}

bool cell_replace(struct run *run)
{
	if (!may_reopen(run) || run->opening != NULL || run->task->phase != PHASE_ACTIVE)
		return false;
	run->reopening = true;
	exec_rate_drop(run);
	call_ended(run, NULL);
	run_close_cell(run, "lost");
	run->cell_ready = false;
	return cell_retry(run);
}

void cell_reopened(struct run *run)
{
	run->reopening = false;
}

bool run_waits_for_cell(const struct run *run)
{
	return run->reopening && !run->input.draining && !run->input.cancelled;
}

/* ---- the warden ---- */

static void on_warden(void *userdata)
{
	struct engine *engine = userdata;

	warden_look(engine);
}

static void no_more_wardens(struct engine *engine, const struct err *why)
{
	fprintf(stderr, "mishri: %s\n", why->text);
	for (struct run *run = engine->runs; run != NULL; run = run->next)
		if (run->cell_wanted)
			run_fail(run, RUN_NO_CELL, why);
}

bool warden_replace(struct engine *engine)
{
	struct warden *warden = engine->setup.warden;
	struct err err = ERR_NONE;

	watch_free(TAKE(engine->warden_readable));
	if (engine->health.warden_restarts >= LIMIT_WARDEN_RESTARTS)
		err_set(&err, EIO, "%d wardens died, one after the other: no more is started. See the log of the system, then start the "
		        "engine again", LIMIT_WARDEN_RESTARTS);
	else if (warden_restart(warden, &err) == 0)
		engine->health.warden_restarts++;
	if (err.code != 0) {
		beat_rest(engine->health.warden);
		no_more_wardens(engine, &err);
		return false;
	}
	engine->warden_readable = watch_fd(engine->setup.loop, warden_fd(warden), on_warden, engine);
	beat_now(engine->health.warden, clock_mono_ms());
	return true;
}

void warden_watch(struct engine *engine)
{
	engine->warden_readable = watch_fd(engine->setup.loop, warden_fd(engine->setup.warden), on_warden, engine);
}

/* One that died is told of here; one that only hangs, by its heartbeat. */
void warden_look(struct engine *engine)
{
	warden_dispatch(engine->setup.warden);
	if (!warden_is_lost(engine->setup.warden) || engine->warden_readable == NULL)
		return;
	int64_t silent_ms = clock_mono_ms() - engine->health.asked_ms;
	health_tell_missed(engine, "warden", "", MAX(silent_ms, (int64_t)0), LIMIT_HEALTH_WARDEN_MS, beat_action_name(BEAT_RESTART));
	if (warden_replace(engine))
		health_tell_recovered(engine, "warden", "", MAX(silent_ms, (int64_t)0));
}
