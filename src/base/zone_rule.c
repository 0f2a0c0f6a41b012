/* zone_rule.c - the text behind the table of a TZif file, as "CET-1CEST,M3.5.0,M10.5.0/3": what holds in all years after
 * the last listed change. POSIX, with the wider hours of RFC 8536. A text without rules for summer time is refused
 * where it names one: what such a rule would be is left open by POSIX. */
#include "base/zone.h"

#include "base/date.h"

#include "base/banned.h"

struct reader { struct str rest; bool bad; };

static char peek(const struct reader *r)
{
	return r->rest.len > 0 ? r->rest.ptr[0] : '\0';
}

static bool take(struct reader *r, char c)
{
	if (peek(r) != c || c == '\0')
		return false;
	r->rest = str_skip(r->rest, 1);
	return true;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_quoted(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-';
}

static void read_name(struct reader *r, char to[static ZONE_ABBR_LEN + 1])
{
	bool quoted = take(r, '<');
	size_t len = 0;

	while (len < ZONE_ABBR_LEN && (quoted ? is_quoted(peek(r)) : is_letter(peek(r)))) {
		to[len++] = peek(r);
		r->rest = str_skip(r->rest, 1);
	}
	to[len] = '\0';
	r->bad = r->bad || len < 3 || (quoted && !take(r, '>'));
}

static int read_number(struct reader *r, int most)
{
	int value = 0, digits = 0;

	for (; peek(r) >= '0' && peek(r) <= '9' && digits < 4; digits++) {
		value = value * 10 + (peek(r) - '0');
		r->rest = str_skip(r->rest, 1);
	}
	r->bad = r->bad || digits == 0 || value > most;
	return value;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static int read_time(struct reader *r, int most_hours)
{
	int sign = take(r, '-') ? -1 : (take(r, '+'), 1), s = read_number(r, most_hours) * 3600;

	if (take(r, ':'))
		s += read_number(r, 59) * 60;
	if (take(r, ':'))
		s += read_number(r, 59);
	return sign * s;
}

static void read_day(struct reader *r, struct zone_day *day)
{
	*day = (struct zone_day){ .kind = 'N', .time_s = 7200 };
	if (take(r, 'M')) {
		day->kind = 'M';
		day->month = read_number(r, 12);
		r->bad = r->bad || !take(r, '.');
		day->week = read_number(r, 5);
		r->bad = r->bad || !take(r, '.');
		day->day = read_number(r, 6);
		r->bad = r->bad || day->month < 1 || day->week < 1;
	} else {
		if (take(r, 'J'))
			day->kind = 'J';
		day->day = read_number(r, 365);
		r->bad = r->bad || (day->kind == 'J' && day->day < 1);
	}
	if (take(r, '/'))
		day->time_s = read_time(r, 167);
}

int zone_rule_parse(struct str text, struct zone_rule *ret)
{
	struct reader r = { .rest = text };
	struct zone_rule rule = { 0 };

	read_name(&r, rule.standard);
	rule.standard_s = -read_time(&r, 24);
	rule.dst_s = rule.standard_s + 3600;
	if (r.rest.len > 0) {
		rule.has_dst = true;
		read_name(&r, rule.dst);
		if (peek(&r) != ',')
			rule.dst_s = -read_time(&r, 24);
		r.bad = r.bad || !take(&r, ',');
		read_day(&r, &rule.begin);
		r.bad = r.bad || !take(&r, ',');
		read_day(&r, &rule.end);
	}
	if (r.bad || r.rest.len > 0)
		return -EINVAL;
	*ret = rule;
	return 0;
}

/* Local time of the change, on the clock that holds before it. */
static int64_t day_seconds(const struct zone_day *d, int64_t year)
{
	int64_t days;

	if (d->kind == 'M') {
		int64_t first = date_days(year, d->month, 1);
		int at = 1 + (d->day - date_weekday(first) + 7) % 7 + 7 * (d->week - 1);
		while (at > date_month_days(year, d->month))
			at -= 7;
		days = first + at - 1;
	} else {
		bool after_february = d->kind == 'J' && d->day >= 60 && date_month_days(year, 2) == 29;
		days = date_days(year, 1, 1) + d->day - (d->kind == 'J') + after_february;
	}
	return days * 86400 + d->time_s;
}

struct change { int64_t at; bool dst; };

static void add_change(struct change *list, size_t *count, struct change c)
{
	size_t i = (*count)++;

	/* Where summer time ends and begins at once, it goes on. */
	for (; i > 0 && (list[i - 1].at > c.at || (list[i - 1].at == c.at && list[i - 1].dst && !c.dst)); i--)
		list[i] = list[i - 1];
	list[i] = c;
}

void zone_rule_at(const struct zone_rule *rule, int64_t utc_s, struct zone_span *ret)
{
	struct zone_span span = { .from = INT64_MIN, .until = INT64_MAX };
	struct change list[6];
	struct date date;
	size_t count = 0;

	date_of_seconds(utc_s, &date);
	for (int64_t year = date.year - 1; rule->has_dst && year <= date.year + 1; year++) {
		add_change(list, &count, (struct change){ day_seconds(&rule->begin, year) - rule->standard_s, true });
		add_change(list, &count, (struct change){ day_seconds(&rule->end, year) - rule->dst_s, false });
	}
	for (size_t i = 0; i < count; i++) {
		if (list[i].at > utc_s) {
			span.until = list[i].at;
			break;
		}
		span.from = list[i].at;
		span.dst = list[i].dst;
	}
	span.offset_s = span.dst ? rule->dst_s : rule->standard_s;
	memcpy(span.abbr, span.dst ? rule->dst : rule->standard, sizeof span.abbr);
	*ret = span;
}
