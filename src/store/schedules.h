/* schedules.h - schedules and their runs as they are durable. They are made from events alone: whoever wants to change
 * one appends an event with the version that he saw, and is refused where another was faster (-ECANCELED). */
#ifndef MISHRI_STORE_SCHEDULES_H
#define MISHRI_STORE_SCHEDULES_H

#include "store/store.h"

struct schedule_row {                  /* borrowed, but `spec`, which the row owns */
	char schedule[ID_LEN + 1];
	const char *name, *user, *state, *reason;      /* state: on, paused, removed */
	int64_t changed, version, cursor_us;
	int64_t fired, started;                /* instants that got a run or wait for it; runs, with those by hand */
	int64_t missed, skipped, dropped, failed;
	int64_t failures;                      /* in a row */
	int64_t active, queued, queued_us;     /* queued_us: the oldest */
	json_t *spec;
	int64_t spec_us;                       /* when it was written */
};
typedef void schedule_visit(void *userdata, const struct schedule_row *row);

/* All that are not removed, by name. The row is the visitor's to read, not to keep. */
MUST_USE int store_schedules(struct store *store, schedule_visit *visit, void *userdata, struct err *err);
/* Those that changed after an event, oldest change first, removed ones too; at most `limit`. */
MUST_USE int store_schedules_changed(struct store *store, int64_t after, int64_t limit, schedule_visit *visit, void *userdata,
                                     struct err *err);
MUST_USE int store_schedule_get(struct store *store, const char *schedule, schedule_visit *visit, void *userdata, struct err *err);
/* By name or whole id. -ENOENT: err names one that is near. */
MUST_USE int store_schedule_find(struct store *store, const char *name, char ret[static ID_LEN + 1], struct err *err);

struct schedule_run_row {              /* borrowed */
	int64_t instant_us, fired_us, ended_us; /* ended 0: not yet */
	const char *task, *cause, *state, *reason;      /* state: queued, claimed, running, done, failed, denied, cancelled, dropped */
};
/* Newest first. */
MUST_USE int store_schedule_runs(struct store *store, const char *schedule, int64_t limit,
                                 void (*visit)(void *userdata, const struct schedule_run_row *row), void *userdata,
                                 struct err *err);
/* The tasks of its runs that have begun and not ended. */
MUST_USE int store_schedule_active(struct store *store, const char *schedule,
                                   void (*visit)(void *userdata, const char *task), void *userdata, struct err *err);

struct schedule_claim {
	char schedule[ID_LEN + 1], task[ID_LEN + 1], engine[ID_LEN + 1];
	const char *cause;
	int64_t instant_us, fired_us;
};
/* Runs that were announced and have no task yet. all: every one; else those whose engine is gone, or that were left to the
 * first that comes along. */
MUST_USE int store_schedule_claims(struct store *store, bool all, void (*visit)(void *userdata, const struct schedule_claim *claim),
                                   void *userdata, struct err *err);

#endif
