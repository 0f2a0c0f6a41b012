/* scheduler.h - runs the schedules of a store, beside any number of others that do the same. What it decides is in
 * core/schedule.h; that an instant runs once is kept by the store. It does not know how a task is started: its owner does.
 *
 *     decide → event schedule.fired with the id of the task to be → durable → start → task.created with the same id
 *
 * Killed between the last two: the next engine finds an announced run without a task whose engine is gone, says so in one
 * more schedule.fired, and starts that same id. Two that try at once: the store takes the first task.created of an id. */
#ifndef MISHRI_ENGINE_SCHEDULER_H
#define MISHRI_ENGINE_SCHEDULER_H

#include "engine/loop.h"
#include "engine/schedules.h"

struct scheduler;

struct scheduler_job {                 /* borrowed */
	const char *task;              /* the id that the task must have */
	const char *schedule, *name, *user;
	int64_t instant_us;
	const json_t *spec;            /* the object `task` of the schedule's spec: goal, workspace, model ... */
	const json_t *mark;            /* for `schedule` of task.created */
};

struct scheduler_setup {
	struct loop *loop;             /* borrowed, all of them */
	struct store *store;           /* registered as an engine */
	const char *user;              /* of the engine */
	/* Starts the task. 0: it will be created, or scheduler_lost is called; else err says why not. */
	int (*start)(void *userdata, const struct scheduler_job *job, struct err *err);
	void (*beat)(void *userdata);  /* it lives: at every look, LIMIT_SCHEDULE_POLL_MS apart at most; may be NULL */
	bool (*resting)(void *userdata); /* nothing more is to be announced; may be NULL */
	void *userdata;
};

MUST_USE int scheduler_open(const struct scheduler_setup *setup, struct scheduler **ret, struct err *err);
void scheduler_close(struct scheduler *scheduler);         /* NULL is fine; what was announced is started by the next */

/* A task that start() took on and that will not come to be. Others are ignored. */
void scheduler_lost(struct scheduler *scheduler, const char *task, const char *why);

#endif
