/* cron.h - the five fields of cron as sets, and the next local minute that is in all of them. Pure; it knows no zone.
 *
 * minute 0-59, hour 0-23, day of month 1-31, month 1-12 or JAN-DEC, day of week 0-7 or SUN-SAT (0 and 7 are Sunday).
 * Each is *, a value, a range a-b, a step of a range or of all (a-b/2), or a list of those. @hourly, @daily (or
 * @midnight), @weekly, @monthly and @yearly (or @annually) stand for five fields. Letters in either case.
 *
 * Day of month and day of week, as in Vixie cron: where neither begins with *, a day that is in one of them will do;
 * otherwise it must be in both. */
#ifndef MISHRI_CORE_CRON_H
#define MISHRI_CORE_CRON_H

#include "base/err.h"
#include "base/str.h"

struct cron {
	uint64_t minutes;
	uint32_t hours, days;          /* a bit for each value */
	uint16_t months;
	uint8_t weekdays;              /* bit 0 is Sunday */
	bool either_day;               /* day of month or day of week */
};

/* -EINVAL: err says which field, and what would be right. */
MUST_USE int cron_parse(struct str text, struct cron *ret, struct err *err);

/* The first minute after local_s (seconds of a local clock) that matches. False: none in LIMIT_CRON_YEARS. */
bool cron_next(const struct cron *cron, int64_t local_s, int64_t *ret);

#endif
