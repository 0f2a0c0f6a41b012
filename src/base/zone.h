/* zone.h - time zones of the IANA database: which offset holds when. Reading one and asking it are apart: zone_parse and
 * the questions are pure, only zone_load and zone_system look at files.
 *
 * Its own reader of TZif, not the C library's: that one has a single zone for the whole process, in a global that
 * tzset() changes under the feet of other threads, and cannot be asked when an offset ends.
 *
 * Seconds are since 1970-01-01T00:00:00, of UTC or of the zone's own clock ("local"), without leap seconds. */
#ifndef MISHRI_BASE_ZONE_H
#define MISHRI_BASE_ZONE_H

#include "base/err.h"
#include "base/str.h"

struct zone;

enum { ZONE_NAME_LEN = 63, ZONE_ABBR_LEN = 15 };

/* The bytes of a TZif file of version 2 or later (RFC 8536). -EINVAL: err says what is wrong. The caller owns *ret. */
MUST_USE int zone_parse(const char *name, struct str bytes, struct zone **ret, struct err *err);

/* The same from the system's files. -ENOENT: there is no zone of this name; err names one that is near, or says that
 * the package tzdata is missing. "UTC" is always there. */
MUST_USE int zone_load(const char *name, struct zone **ret, struct err *err);
void zone_free(struct zone *zone);                         /* NULL is fine */
void zone_freep(struct zone **zone);
const char *zone_name(const struct zone *zone);

/* The zone that this system is set to: TZ, /etc/localtime, /etc/timezone, in this order; else "UTC". */
const char *zone_system(char ret[static ZONE_NAME_LEN + 1]);

struct zone_span {                     /* from <= t < until, and one offset in all of it */
	int64_t from, until;           /* INT64_MIN, INT64_MAX: no end */
	int offset_s;                  /* local = UTC + offset */
	bool dst;
	char abbr[ZONE_ABBR_LEN + 1];
};
void zone_at(const struct zone *zone, int64_t utc_s, struct zone_span *ret);

/* The first instant at which the local clock showed `local_s` or later. A local time that comes twice is its first
 * coming; one that is left out is the instant right after the gap. It never falls while local_s rises. */
int64_t zone_first(const struct zone *zone, int64_t local_s);

/* The latest that the local clock has shown up to and including utc_s. zone_first(x) > utc_s where x is later, and
 * only there. */
int64_t zone_latest(const struct zone *zone, int64_t utc_s);

/* ---- zone_rule.c: the rule for the time after the last change that a file lists (POSIX TZ) ---- */

struct zone_day { char kind; int month, week, day; int time_s; }; /* kind: 'M', 'J' or 'N' */
struct zone_rule {
	bool has_dst;
	int standard_s, dst_s;
	char standard[ZONE_ABBR_LEN + 1], dst[ZONE_ABBR_LEN + 1];
	struct zone_day begin, end;
};
MUST_USE int zone_rule_parse(struct str text, struct zone_rule *ret);   /* 0 or -EINVAL */
void zone_rule_at(const struct zone_rule *rule, int64_t utc_s, struct zone_span *ret);

#endif
