/* when.c - which instant comes next. Calendars are walked on the local clock alone; the zone says afterwards when that
 * clock first showed the time (base/zone.h), so no rule for summer time stands here. */
#include "core/when.h"

#include "base/date.h"

#include "base/banned.h"

enum { SECOND_US = 1000000 };

static int64_t whole_seconds(int64_t us)
{
	return us / SECOND_US - (us % SECOND_US < 0);
}

static bool next_by_cron(const struct when *w, int64_t after_us, int64_t *ret_us)
{
	int64_t after = whole_seconds(after_us), local;

	if (!cron_next(&w->cron, zone_latest(w->zone, after), &local))
		return false;
	*ret_us = zone_first(w->zone, local) * SECOND_US;
	return true;
}

bool when_next(const struct when *w, int64_t after_us, int64_t *ret_us)
{
	int64_t n;

	switch (w->kind) {
	case WHEN_CRON: return next_by_cron(w, after_us, ret_us);
	case WHEN_EVERY:
		n = after_us < w->anchor_us ? 0 : (after_us - w->anchor_us) / w->every_us + 1;
		*ret_us = w->anchor_us + n * w->every_us;
		return true;
	case WHEN_AT:
		*ret_us = w->at_us;
		return w->at_us > after_us;
	}
	return false;
}

int when_read_time(const char *text, const struct zone *zone, int64_t *ret_us, struct err *err)
{
	struct date date;
	bool utc;

	if (date_parse(text, &date, &utc) < 0)
		return err_set(err, EINVAL, "'%.64s' is no time: write it as 2026-12-01T09:00, or 2026-12-01T08:00Z for UTC", text);
	int64_t s = date_seconds(&date);
	*ret_us = (utc ? s : zone_first(zone, s)) * SECOND_US;
	return 0;
}
