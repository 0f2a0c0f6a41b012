/* when.h - the instants of a schedule: by cron on the clock of a zone, by interval, or once. Pure.
 *
 * A local time that a zone's clock leaves out (the hour that summer time takes) is the first instant after the gap; one
 * that comes twice is its first coming. Several local times that become one instant are one. Intervals are elapsed
 * time: no zone changes them. */
#ifndef MISHRI_CORE_WHEN_H
#define MISHRI_CORE_WHEN_H

#include "base/zone.h"
#include "core/cron.h"

enum when_kind { WHEN_CRON, WHEN_EVERY, WHEN_AT };

struct when {
	enum when_kind kind;
	struct cron cron;
	int64_t every_us, anchor_us;   /* anchor + n * every, n >= 0 */
	int64_t at_us;
	const struct zone *zone;       /* of cron; borrowed */
};

/* The first instant after `after_us`. False: there is none. */
bool when_next(const struct when *when, int64_t after_us, int64_t *ret_us);

/* "2026-12-01T09:00" on the zone's clock, or with Z of UTC. -EINVAL: err says what would be right. */
MUST_USE int when_read_time(const char *text, const struct zone *zone, int64_t *ret_us, struct err *err);

#endif
