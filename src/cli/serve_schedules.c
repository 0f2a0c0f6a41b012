/* serve_schedules.c - the scheduler as a part of the service: it says what is due, and here it becomes a task. */
#include <stdio.h>
#include <string.h>

#include "cli/serve.h"
#include "engine/health.h"
#include "engine/scheduler.h"

#include "base/banned.h"

struct part { struct serve *serve; struct scheduler *scheduler; struct beat *beat; };

static int start(void *userdata, const struct scheduler_job *job, struct err *err)
{
	const struct part *part = userdata;
	struct run *run;
	const struct serve_job task = { .task = job->task, .user = job->user, .channel = "schedule", .schedule = job->mark,
	                                .spec = job->spec };

	return serve_job_start(part->serve, &task, &run, err);
}

static void beat(void *userdata)
{
	const struct part *part = userdata;

	beat_now(part->beat, clock_mono_ms());
}

static bool resting(void *userdata)
{
	const struct part *part = userdata;

	return part->serve->s.signo != 0;
}

void serve_schedules_over(struct serve *serve, const struct run *run)
{
	const struct part *part = serve->schedules;
	const struct err *why = run_failure(run);

	/* One that became a task is told of by its events; one that did not (no cell) is nobody's yet. */
	if (part != NULL && why->code != 0 && run_failure_kind(run) != RUN_INTERRUPTED)
		scheduler_lost(part->scheduler, run_task(run)->id, why->text);
}

int serve_schedules_open(struct serve *serve, void **ret, struct err *err)
{
	struct part *part = xcalloc(1, sizeof *part);
	struct scheduler_setup setup = { .loop = serve->s.loop, .store = serve->s.store, .user = serve->s.user, .start = start,
	                                 .beat = beat, .resting = resting, .userdata = part };
	const struct beat_spec spec = { .kind = "scheduler", .name = "", .action = BEAT_ALARM, .deadline_ms = LIMIT_SCHEDULE_BEAT_MS };

	part->serve = serve;
	int r = scheduler_open(&setup, &part->scheduler, err);
	if (r < 0) {
		free(part);
		return r;
	}
	part->beat = beat_new(engine_heartbeats(serve->s.engine), &spec);
	serve->schedules = part;
	*ret = part;
	return 0;
}

void serve_schedules_close(struct serve *serve, void *part)
{
	struct part *p = part;

	serve->schedules = NULL;
	scheduler_close(p->scheduler);
	beat_free(p->beat);
	free(p);
}
