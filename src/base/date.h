/* date.h - the Gregorian calendar as arithmetic: seconds since 1970-01-01T00:00:00 on some clock, and the fields that
 * people read. It knows of no zone and no leap second; years before 1583 are counted as if the calendar were older. */
#ifndef MISHRI_BASE_DATE_H
#define MISHRI_BASE_DATE_H

#include "base/util.h"

struct date {
	int64_t year;
	int month, day;                 /* 1 to 12, 1 to 31 */
	int hour, minute, second;
};

int64_t date_days(int64_t year, int month, int day);    /* since 1970-01-01; a day beyond the month counts on */
int date_month_days(int64_t year, int month);           /* 28 to 31 */
int date_weekday(int64_t days);                         /* 0 is Sunday */
int64_t date_seconds(const struct date *date);
void date_of_seconds(int64_t seconds, struct date *ret);

/* "2026-12-01", "2026-12-01T09:00", "2026-12-01T09:00:30", with a blank instead of the T where one likes. A Z at the end
 * says that it is UTC (*ret_utc). 0 or -EINVAL: no such form, or no such day or time. */
MUST_USE int date_parse(const char *text, struct date *ret, bool *ret_utc);

#endif
