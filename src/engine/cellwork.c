/* cellwork.c - the life of a task's cell: opened when cell_late.c says so, closed with the task. */
#include "engine/cell_late.h"
#include "engine/limits.h"

#include <string.h>

#include "base/banned.h"

static void on_readable(void *userdata)
{
	struct run *run = userdata;

	cell_dispatch(run->cell);
}

static void on_open(void *userdata, const json_t *mechanisms, const struct err *failure)
{
	struct run *run = userdata;

	if (failure != NULL) {
		run->cell = NULL; /* gone after this callback */
		if (failure->code == EPIPE && cell_retry(run)) /* the warden died; another follows */
			return;
		cell_kinds_forget(run->engine);
		run_fail(run, RUN_NO_CELL, failure);
		return;
	}
	run->cell_ready = true;
	cell_check_ends(run, true);
	free(run->tmp);
	run->tmp = xstrdup(json_get_text(mechanisms, "tmp", "/tmp"));
	run->cell_readable = watch_fd(run->engine->setup.loop, cell_fd(run->cell), on_readable, run);
	net_open(run);
	const char *brought = run->had_cell ? NULL : tmp_kept_bring(run);
	run->had_cell = true;
	AUTO(json_decrefp) json_t *all = json_copy((json_t *)mechanisms);
	if (brought != NULL)
		json_put_text(all, "tmp_kept", brought);
	run_opened(run, all);
}

static void on_exec(void *userdata, const struct cell_exec *exec)
{
	exec_arrived(userdata, exec);
}

static void on_exec_gone(void *userdata, uint32_t id)
{
	exec_gone(userdata, id);
}

static void on_ended(void *userdata, const struct cell_exit *ended)
{
	if (tmp_kept_ended(userdata, ended))
		return;
	call_ended(userdata, ended);
}

static void on_limit(void *userdata, uint64_t tag, const struct bound_hit *hit)
{
	call_limit(userdata, tag, hit);
}

/* The kernel or an administrator killed it. The call in it has an unknown outcome; a new cell is made. */
static void on_lost(void *userdata, const char *why)
{
	struct run *run = userdata;
	struct err err = ERR_NONE;

	if (cell_replace(run))
		return;
	err_set(&err, EIO, "the sandbox of task %s ended: %s. Go on with: mishri run --resume %s", run->task->id, why,
	        run->task->id);
	run_fail(run, RUN_CELL_LOST, &err);
}

/* Told from the loop, as on_open would. */
static void on_no_layer(void *userdata)
{
	struct run *run = userdata;
	struct err why = *run->failure;

	run_fail(run, RUN_NO_CELL, &why);
}

void run_open_cell(struct run *run)
{
	static const struct cell_callbacks callbacks = {
		.on_open = on_open, .on_exec = on_exec, .on_exec_gone = on_exec_gone, .on_exit = on_ended, .on_lost = on_lost,
		.on_limit = on_limit,
	};
	struct cell_plan plan = { .level = run->level, .workspace = run->workspace };
	AUTO(cell_files_done) struct cell_files files = { 0 };
	AUTO(freep) char *layer = NULL;
	struct err err = ERR_NONE;

	runs_add(run);
	limits_of_cell(run, &plan);
	id_new(run->cell_id);
	if (files_plan(run, &plan, &files, &layer, &err) < 0) {
		free(run->failure);
		run->failure = xmalloc(sizeof err);
		*run->failure = err;
		watch_free(TAKE(run->wakeup));
		run->wakeup = watch_timer(run->engine->setup.loop, on_no_layer, run);
		watch_arm(run->wakeup, 0);
		return;
	}
	if (layer != NULL)
		meter_start(run, layer, files_layer_bytes(files_task_config(run)));
	run->cell_asked_ns = clock_mono_ns();
	run->cell = cell_open(run->engine->setup.warden, &plan, &callbacks, run);
}

void run_close_cell(struct run *run, const char *reason)
{
	if (run->cell == NULL)
		return;
	if (run->reopening && !run->cell_ready) { /* it was not there yet */
		meter_stop(run);
		cell_close(TAKE(run->cell));
		return;
	}
	exec_lapse(run, "it ended with its sandbox");
	net_lapse(run, "it ended with its sandbox");
	files_close(run);
	const char *kept = strcmp(reason, "parked") == 0 ? tmp_kept_save(run) : NULL;
	meter_stop(run);
	exec_drop(run);
	call_drop_live(run);
	background_drop(run);
	net_close(run);
	watch_free(TAKE(run->cell_readable));
	cell_close(TAKE(run->cell));
	json_t *closed = json_pack("{s:s, s:s}", "cell", run->cell_id, "reason", reason);
	if (kept != NULL)
		json_put_text(closed, "tmp", kept);
	run_emit(run, EVENT_CELL_CLOSED, "task", "", closed);
}
