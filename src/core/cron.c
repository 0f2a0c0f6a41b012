/* cron.c - reads cron expressions and walks the calendar. What other dialects have besides (seconds, L, W, #, ?, H,
 * ranges that go round) is refused with a sentence: an expression that means something else elsewhere is no help. */
#include "core/cron.h"

#include <strings.h>

#include "base/date.h"

#include "base/banned.h"

struct field { const char *name; int least, most; const char *const *words; int first_word; };

static const char *const month_words[] = {
	"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC", NULL,
};
static const char *const day_words[] = { "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", NULL };

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };
static const struct field fields[FIELDS] = {
	[MINUTE] = { "minute", 0, 59, NULL, 0 },
	[HOUR] = { "hour", 0, 23, NULL, 0 },
	[DAY] = { "day of month", 1, 31, NULL, 0 },
	[MONTH] = { "month", 1, 12, month_words, 1 },
	[WEEKDAY] = { "day of week", 0, 7, day_words, 0 },
};

static const struct { const char *name, *fields; } nicknames[] = {
	{ "@hourly", "0 * * * *" },   { "@daily", "0 0 * * *" },  { "@midnight", "0 0 * * *" }, { "@weekly", "0 0 * * 0" },
	{ "@monthly", "0 0 1 * *" },  { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" },
};

/* What other dialects write, and what to write here. */
static const char *elsewhere(const struct field *f, struct str s)
{
	bool word = f->words != NULL && s.len == 3;

	if (memchr(s.ptr, '?', s.len) != NULL)
		return "? is of another dialect; write *";
	if (memchr(s.ptr, '#', s.len) != NULL)
		return "# (the n-th weekday) is of another dialect; give the days of month instead, as in 0 9 8-14 * *, "
		       "and let the goal say which weekday";
	if (!word && s.len > 0 && (memchr(s.ptr, 'L', s.len) != NULL || memchr(s.ptr, 'l', s.len) != NULL))
		return "L (the last day) is of another dialect; give the days, as in 28-31";
	if (!word && s.len > 0 && (memchr(s.ptr, 'W', s.len) != NULL || memchr(s.ptr, 'w', s.len) != NULL))
		return "W (the nearest working day) is of another dialect; give days of week, as in MON-FRI";
	if (!word && s.len > 0 && (s.ptr[0] == 'H' || s.ptr[0] == 'h'))
		return "H is of another dialect; write a value, and let --jitter spread the load";
	return NULL;
}

static int bad(const struct field *f, struct str part, struct err *err)
{
	const char *other = elsewhere(f, part);

	if (other != NULL)
		return err_set(err, EINVAL, "cron: %s '%.*s': %s", f->name, STR_ARG(part), other);
	return err_set(err, EINVAL, "cron: %s '%.*s': right would be *, %d to %d%s, a range (a-b), a step (*/n, a-b/n) or a list of those",
	               f->name, STR_ARG(part), f->least, f->most,
	               f->words == month_words ? " or JAN to DEC" : f->words == day_words ? " or SUN to SAT" : "");
}

static bool read_value(const struct field *f, struct str s, int *ret)
{
	uint64_t n;

	for (int i = 0; f->words != NULL && f->words[i] != NULL; i++)
		if (s.len == 3 && strncasecmp(s.ptr, f->words[i], 3) == 0) {
			*ret = f->first_word + i;
			return true;
		}
	if (s.len > 2 || str_to_u64(s, &n) < 0 || n < (uint64_t)f->least || n > (uint64_t)f->most)
		return false;
	*ret = (int)n;
	return true;
}

/* One member of a list: *, a, a-b, with /n. */
static int read_part(const struct field *f, struct str part, uint64_t *set, struct err *err)
{
	struct str rest = part, range = { 0 }, from;
	int low = f->least, high = f->words == day_words ? 6 : f->most;
	uint64_t step = 1;

	(void)str_next(&rest, '/', &range);
	bool stepped = part.len > range.len;
	if (stepped && (rest.len > 2 || str_to_u64(rest, &step) < 0 || step == 0))
		return err_set(err, EINVAL, "cron: %s '%.*s': behind / a step of 1 to 99 is wanted, as in */15", f->name, STR_ARG(part));
	if (!str_eq(range, STR("*"))) {
		struct str to = range;
		(void)str_next(&to, '-', &from);
		bool ranged = range.len > from.len;
		if (!read_value(f, from, &low) || (ranged && !read_value(f, to, &high)))
			return bad(f, part, err);
		if (!ranged && stepped)
			return err_set(err, EINVAL, "cron: %s '%.*s': a step wants a range: */n or a-b/n", f->name, STR_ARG(part));
		if (!ranged)
			high = low;
	}
	if (low > high)
		return err_set(err, EINVAL, "cron: %s '%.*s': the range goes backwards; write it as two, as in 22-23,0-6",
		               f->name, STR_ARG(part));
	for (uint64_t at = (uint64_t)low; at <= (uint64_t)high; at += step)
		*set |= 1ull << at;
	return 0;
}

static int read_field(const struct field *f, struct str text, uint64_t *ret, struct err *err)
{
	uint64_t set = 0;
	struct str rest = text, part;

	if (text.len > 0 && text.ptr[text.len - 1] == ',')
		return bad(f, text, err);
	while (str_next(&rest, ',', &part)) {
		int r = read_part(f, part, &set, err);
		if (r < 0)
			return r;
	}
	*ret = set;
	return 0;
}

static bool next_word(struct str *rest, struct str *ret)
{
	size_t n = 0, end;

	while (n < rest->len && (rest->ptr[n] == ' ' || rest->ptr[n] == '\t'))
		n++;
	*rest = str_skip(*rest, n);
	for (end = 0; end < rest->len && rest->ptr[end] != ' ' && rest->ptr[end] != '\t'; end++)
		continue;
	*ret = (struct str){ rest->ptr, end };
	*rest = str_skip(*rest, end);
	return end > 0;
}

static int of_nickname(struct str text, struct cron *ret, struct err *err)
{
	for (size_t i = 0; i < COUNT(nicknames); i++)
		if (text.len == strlen(nicknames[i].name) && strncasecmp(text.ptr, nicknames[i].name, text.len) == 0)
			return cron_parse(str_of(nicknames[i].fields), ret, err);
	if (text.len == 7 && strncasecmp(text.ptr, "@reboot", 7) == 0)
		return err_set(err, EINVAL, "cron: @reboot is no time; let systemd start it with `mishri run --detach`");
	return err_set(err, EINVAL, "cron: '%.*s': right would be @hourly, @daily, @weekly, @monthly or @yearly",
	               (int)MIN(text.len, (size_t)40), text.ptr);
}

int cron_parse(struct str text, struct cron *ret, struct err *err)
{
	struct str words[FIELDS], rest = str_trim(text), word;
	uint64_t sets[FIELDS];
	size_t count = 0;

	if (text.len > LIMIT_CRON_BYTES)
		return err_set(err, EINVAL, "cron: the expression has more than %d bytes", LIMIT_CRON_BYTES);
	if (rest.len > 0 && rest.ptr[0] == '@')
		return of_nickname(rest, ret, err);
	for (; next_word(&rest, &word); count++)
		if (count < FIELDS)
			words[count] = word;
	if (count != FIELDS)
		return err_set(err, EINVAL, "cron: five fields are wanted (minute, hour, day of month, month, day of week), as in "
		               "\"30 9 * * MON-FRI\"; there are %zu%s", count,
		               count == FIELDS + 1 ? " (a field of seconds is of another dialect; --every has seconds)" : "");
	for (size_t i = 0; i < FIELDS; i++) {
		int r = read_field(&fields[i], words[i], &sets[i], err);
		if (r < 0)
			return r;
	}
	*ret = (struct cron){
		.minutes = sets[MINUTE], .hours = (uint32_t)sets[HOUR], .days = (uint32_t)sets[DAY], .months = (uint16_t)sets[MONTH],
		.weekdays = (uint8_t)((sets[WEEKDAY] | sets[WEEKDAY] >> 7) & 0x7f),
		.either_day = words[DAY].ptr[0] != '*' && words[WEEKDAY].ptr[0] != '*',
	};
	return 0;
}

/* The first member at or above `from`; -1: none. */
static int member(uint64_t set, int from)
{
	uint64_t rest = from > 63 ? 0 : set >> from << from;

	return rest != 0 ? __builtin_ctzll(rest) : -1;
}

static bool day_matches(const struct cron *c, const struct date *d)
{
	bool of_month = (c->days >> d->day & 1) != 0;
	bool of_week = (c->weekdays >> date_weekday(date_days(d->year, d->month, d->day)) & 1) != 0;

	return c->either_day ? of_month || of_week : of_month && of_week;
}

/* The next month that matches, at its beginning, where this one does not. */
static bool to_month(const struct cron *c, struct date *d)
{
	int month = member(c->months, d->month);

	if (month == d->month)
		return false;
	if (month < 0) {
		d->year++;
		month = member(c->months, 1);
	}
	*d = (struct date){ .year = d->year, .month = month, .day = 1 };
	return true;
}

static void to_next_day(struct date *d)
{
	date_of_seconds(date_days(d->year, d->month, d->day + 1) * 86400, d);
}

bool cron_next(const struct cron *c, int64_t local_s, int64_t *ret)
{
	struct date d;

	date_of_seconds(local_s + 60, &d);
	int64_t last_year = d.year + LIMIT_CRON_YEARS;
	d.second = 0;
	while (d.year <= last_year) {
		if (to_month(c, &d))
			continue;
		int hour = member(c->hours, d.hour), minute = member(c->minutes, hour == d.hour ? d.minute : 0);
		if (hour == d.hour && minute < 0) {
			hour = member(c->hours, d.hour + 1);
			minute = member(c->minutes, 0);
		}
		if (!day_matches(c, &d) || hour < 0) {
			to_next_day(&d);
			continue;
		}
		d.hour = hour;
		d.minute = minute;
		*ret = date_seconds(&d);
		return true;
	}
	return false;
}
