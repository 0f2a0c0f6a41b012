/* metrics.h - counts of what happens, in the text form of Prometheus (exposition 0.0.4, or OpenMetrics 1.0). Fed by durable
 * events; it keeps sums and no content. Labels come from small sets: what a model makes up becomes "other". */
#ifndef MISHRI_ENGINE_METRICS_H
#define MISHRI_ENGINE_METRICS_H

#include "core/event.h"

struct metrics;
struct engine;
struct store;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);                /* NULL is fine */
void metrics_freep(struct metrics **metrics);
void metrics_event(struct metrics *metrics, const struct event *event);
void metrics_commit(struct metrics *metrics, int64_t us);  /* from the hand-over of a batch until it was durable */

/* What stands now, beside what was counted; any may be NULL. engine: health_measures, queues, spans under way. */
struct metrics_now { struct store *store; struct engine *engine; };

extern const char metrics_type[], metrics_type_open[];     /* Content-Type of both forms */
bool metrics_wants_open(const char *accept);               /* by the header Accept; NULL: none came */
void metrics_render(const struct metrics *metrics, const struct metrics_now *now, bool open, struct buf *ret);

#endif
