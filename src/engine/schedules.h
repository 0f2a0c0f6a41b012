/* schedules.h - what people do with schedules, for every front: the command line, the API. Each is one durable event; an
 * engine that runs schedules sees it within a second. Nothing here starts a task. */
#ifndef MISHRI_ENGINE_SCHEDULES_H
#define MISHRI_ENGINE_SCHEDULES_H

#include "core/schedule.h"
#include "store/schedules.h"

/* A spec whole: its zone is loaded, its rule read; of `task`, the goal. *ret_zone is the caller's. now_us: as
 * schedule_rule_read. */
MUST_USE int schedule_check(const json_t *spec, int64_t now_us, struct schedule_rule *ret, struct zone **ret_zone, struct err *err);

/* -EEXIST: the name is taken, and replace is not set. -EINVAL: the spec. *ret_next: its first instant. */
MUST_USE int schedule_add(struct store *store, const char *user, const char *name, const json_t *spec, bool replace,
                          int64_t *ret_next_us, struct err *err);

enum schedule_order { SCHEDULE_ORDER_PAUSE, SCHEDULE_ORDER_RESUME, SCHEDULE_ORDER_REMOVE, SCHEDULE_ORDER_RUN };
/* name: or id. reason: of a pause, or NULL. ret_task: of a run, the task that it will be. -ENOENT, -EALREADY; -EPERM: it is
 * another user's, and this one is not root. */
MUST_USE int schedule_order(struct store *store, enum schedule_order order, const char *user, const char *name, const char *reason,
                            char ret_task[static ID_LEN + 1], struct err *err);

/* The event of a schedule, with what all of them have; data's other keys are the caller's to add before it is stored. */
struct event schedule_event(enum event_type type, const char *user, const char *schedule, const char *name, int64_t version,
                            json_t *owned_data);

/* A schedule as a list or an API shows it, with up to `next` instants from now on. The caller owns it. */
json_t *schedule_json(const struct schedule_row *row, size_t next, int64_t now_us);
json_t *schedule_run_json(const struct schedule_run_row *row);

/* The next instants of a row, at most `max`; how many. */
size_t schedule_instants(const struct schedule_row *row, int64_t now_us, int64_t *ret_us, size_t max);

/* An instant on the clock of a zone: "2026-12-01T09:00:00+01:00 CET". Appends. */
void schedule_time(const struct zone *zone, int64_t us, struct buf *ret);

#endif
