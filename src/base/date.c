/* date.c - days and fields of the Gregorian calendar. Years are shifted to begin in March, so that the leap day is the
 * last day of a year and needs no case of its own. */
#include "base/date.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

enum { ERA_DAYS = 146097, ERA_YEARS = 400, DAYS_TO_1970 = 719468, DAY_S = 86400 };

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t date_days(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year, era = floor_div(y, ERA_YEARS), of_era = y - era * ERA_YEARS;
	int from_march = (month + 9) % 12;
	int64_t of_year = (153 * from_march + 2) / 5 + day - 1;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970;
}

int date_month_days(int64_t year, int month)
{
	return (int)(date_days(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) - date_days(year, month, 1));
}

int date_weekday(int64_t days)
{
	int64_t r = (days + 4) % 7; /* 1970-01-01 was a Thursday */

	return (int)(r < 0 ? r + 7 : r);
}

int64_t date_seconds(const struct date *d)
{
	return date_days(d->year, d->month, d->day) * DAY_S + d->hour * 3600 + d->minute * 60 + d->second;
}

void date_of_seconds(int64_t seconds, struct date *ret)
{
	int64_t days = floor_div(seconds, DAY_S), z = days + DAYS_TO_1970, era = floor_div(z, ERA_DAYS);
	int64_t of_era = z - era * ERA_DAYS;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int from_march = (int)((5 * of_year + 2) / 153), rest = (int)(seconds - days * DAY_S);

	ret->day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
	ret->month = from_march < 10 ? from_march + 3 : from_march - 9;
	ret->year = year + era * ERA_YEARS + (ret->month <= 2);
	ret->hour = rest / 3600;
	ret->minute = rest / 60 % 60;
	ret->second = rest % 60;
}

/* Exactly `digits` of them, then `behind` (0: whatever follows). */
static bool number(const char **at, int digits, char behind, int *ret)
{
	int value = 0;

	for (int i = 0; i < digits; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		value = value * 10 + (**at - '0');
	}
	if (behind != 0 && *(*at)++ != behind)
		return false;
	*ret = value;
	return true;
}

int date_parse(const char *text, struct date *ret, bool *ret_utc)
{
	struct date d = { 0 };
	int year;
	bool utc = false;

	if (!number(&text, 4, '-', &year) || !number(&text, 2, '-', &d.month) || !number(&text, 2, 0, &d.day))
		return -EINVAL;
	d.year = year;
	if (*text == 'T' || *text == ' ') {
		text++;
		if (!number(&text, 2, ':', &d.hour) || !number(&text, 2, 0, &d.minute))
			return -EINVAL;
		if (*text == ':' && (text++, !number(&text, 2, 0, &d.second)))
			return -EINVAL;
		if (*text == 'Z') {
			utc = true;
			text++;
		}
	}
	if (*text != '\0' || d.month < 1 || d.month > 12 || d.day < 1 || d.day > date_month_days(d.year, d.month) ||
	    d.hour > 23 || d.minute > 59 || d.second > 59)
		return -EINVAL;
	*ret = d;
	*ret_utc = utc;
	return 0;
}
