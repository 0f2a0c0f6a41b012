/* schedule.h - what a schedule does next. Pure: it is told the time and what is durable of the schedule, and says one
 * step; the engine writes the step down, and asks again. The cursor is what makes an instant happen once: every
 * instant up to it was decided, whatever the clock says now. */
#ifndef MISHRI_CORE_SCHEDULE_H
#define MISHRI_CORE_SCHEDULE_H

#include "base/id.h"
#include "base/json.h"
#include "core/when.h"

enum overlap { OVERLAP_SKIP, OVERLAP_QUEUE, OVERLAP_CANCEL, OVERLAP_ALLOW, OVERLAPS };

/* What a person asked for. */
struct schedule_rule {
	struct when when;
	enum overlap overlap;
	int queue;                     /* with OVERLAP_QUEUE: instants that may wait */
	int64_t catch_up_us;           /* an instant that is later than that is missed; 0: LIMIT_SCHEDULE_ON_TIME_MS */
	int64_t jitter_us;             /* at most; and never more than a tenth of the gap */
	int64_t start_us, end_us;      /* 0: none; both belong to it */
	int64_t runs_most;             /* 0: no end */
	int64_t failures_most;         /* in a row, then it is paused; 0: never */
};

/* What is durable of it. */
struct schedule_state {
	char id[ID_LEN + 1];
	bool paused;
	int64_t cursor_us;             /* every instant up to here was decided */
	int64_t runs;                  /* instants that ran, are running or wait for their turn; not those by hand */
	int64_t failures;              /* runs in a row that failed */
	int active;                    /* runs that have not ended */
	int queued;
	int64_t queued_us;             /* the oldest instant that waits */
};

enum schedule_act {
	SCHEDULE_WAIT,                 /* until wake_us */
	SCHEDULE_FIRE,                 /* start a run for instant_us */
	SCHEDULE_QUEUE,                /* instant_us waits for the run before it */
	SCHEDULE_PASS,                 /* first_us to last_us, `count` instants, will not run */
	SCHEDULE_PAUSE,                /* for a person */
};
enum schedule_cause { CAUSE_DUE, CAUSE_LATE, CAUSE_QUEUED, CAUSE_HAND, SCHEDULE_CAUSES };
enum schedule_pass { PASS_MISSED, PASS_SKIPPED, PASS_DROPPED, SCHEDULE_PASSES };
extern const char *const overlap_names[OVERLAPS];             /* skip, queue, cancel-previous, allow */
extern const char *const schedule_cause_names[SCHEDULE_CAUSES];
extern const char *const schedule_pass_names[SCHEDULE_PASSES];

struct schedule_step {
	enum schedule_act act;
	int64_t wake_us;               /* WAIT: INT64_MAX: only something that happens wakes it */
	int64_t instant_us;
	enum schedule_cause cause;
	enum schedule_pass pass;
	int64_t first_us, last_us, count;
	bool cancel;                   /* the runs that are active are to be cancelled now */
	char reason[160];              /* PASS, PAUSE */
};

/* `why`: why instants that are long past were not seen in time, or NULL. */
void schedule_decide(const struct schedule_rule *rule, const struct schedule_state *state, int64_t now_us, const char *why,
                     struct schedule_step *ret);

/* The next instant after `after_us` within start and end. False: none. */
bool schedule_next(const struct schedule_rule *rule, int64_t after_us, int64_t *ret_us);

/* By how much the run for an instant begins later: the same for every engine, and at every look. */
int64_t schedule_jitter_us(const struct schedule_rule *rule, const char *id, int64_t instant_us);

/* ---- schedule_spec.c: a rule as people write it, and as it is stored ---- */

/* A JSON object with the keys cron, every or at (one of them), zone, overlap, queue, catch_up, jitter, start, end,
 * runs, failures; other keys are not looked at. now_us: when it was added (an interval without a start is anchored
 * there). zone: of the name in it; borrowed, and must outlive the rule. -EINVAL: err says what would be right. */
MUST_USE int schedule_rule_read(const json_t *spec, const struct zone *zone, int64_t now_us, struct schedule_rule *ret,
                                struct err *err);

/* May a schedule have this name? -EINVAL. */
MUST_USE int schedule_name_check(const char *name, struct err *err);

/* "cron 30 9 * * MON-FRI, Europe/Berlin", "every 90m", "at 2026-12-01T09:00, Europe/Berlin". Appends. */
void schedule_words(const json_t *spec, struct buf *ret);

/* ---- what the clocks tell: why were instants not seen in time? ---- */

struct schedule_sight { int64_t wall_us, boot_us, mono_us; };
/* Between two looks: the machine slept, or the wall clock was set; false: neither. text: for schedule_decide. */
bool schedule_clock_jumped(const struct schedule_sight *before, const struct schedule_sight *now, char *text, size_t size);

#endif
