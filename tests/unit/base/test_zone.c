/* test_zone.c - time zones: what a damaged file does, names, the two questions at every change of every zone, and the
 * same answers as the C library gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <time.h>

#include "base/date.h"
#include "base/io.h"
#include "base/zone.h"

#include "base/banned.h"

static struct zone *load(const char *name)
{
	struct zone *zone = NULL;
	struct err err = ERR_NONE;

	if (zone_load(name, &zone, &err) < 0)
		fail_msg("%s: %s", name, err.text);
	return zone;
}

static void dates_go_there_and_back(void **state)
{
	static const struct { int64_t year; int month, day; int64_t days; int weekday; } rows[] = {
		{ 1970, 1, 1, 0, 4 }, { 2000, 2, 29, 11016, 2 }, { 2000, 3, 1, 11017, 3 }, { 2100, 2, 28, 47540, 0 },
		{ 2100, 3, 1, 47541, 1 }, { 1969, 12, 31, -1, 3 }, { 1600, 1, 1, -135140, 6 }, { 2026, 11, 22, 20779, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(date_days(rows[i].year, rows[i].month, rows[i].day), rows[i].days);
		assert_int_equal(date_weekday(rows[i].days), rows[i].weekday);
	}
	for (int64_t s = -9000000000; s < 90000000000; s += 86399 * 37) {
		struct date d;
		date_of_seconds(s, &d);
		assert_int_equal(date_seconds(&d), s);
	}
}

static void times_as_people_write_them(void **state)
{
	static const struct { const char *text; int64_t s; int utc; } rows[] = {
		{ "1970-01-01", 0, 0 }, { "1970-01-02T00:01", 86460, 0 }, { "1970-01-01 00:00:07Z", 7, 1 }, { "2028-02-29", 1835395200, 0 },
		{ "2027-02-29", -1, 0 }, { "2026-13-01", -1, 0 }, { "2026-1-1", -1, 0 }, { "2026-01-01T24:00", -1, 0 }, { "", -1, 0 },
		{ "2026-01-01T09", -1, 0 }, { "2026-01-01T09:00+01:00", -1, 0 }, { "2026-01-01T09:00 ", -1, 0 }, { "tomorrow", -1, 0 },
		{ "2026-00-10", -1, 0 }, { "2026-04-31", -1, 0 }, { "2026-01-01Z", -1, 0 }, { "2026-01-01T09:00:60", -1, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct date d;
		bool utc;
		int r = date_parse(rows[i].text, &d, &utc);
		if (r != (rows[i].s < 0 ? -EINVAL : 0) || (r == 0 && (date_seconds(&d) != rows[i].s || utc != rows[i].utc)))
			fail_msg("'%s'", rows[i].text);
	}
}

static void a_name_that_is_near(void **state)
{
	static const struct { const char *name, *says; } rows[] = {
		{ "Europe/Berln", "did you mean 'Europe/Berlin'?" }, { "berlin", "did you mean 'Europe/Berlin'?" },
		{ "europe/berlin", "did you mean 'Europe/Berlin'?" }, { "utc", "did you mean 'UTC'?" }, { "", "names are those of" },
		{ "../../etc/passwd", "there is no time zone" }, { "/etc/passwd", "there is no time zone" }, { "zone.tab", "there is no" },
		{ "Europe", "there is no" }, { "Europe/", "there is no" }, { "leapseconds", "there is no" },
		{ "right/Europe/Berlin", "leap seconds" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zone *zone = NULL;
		struct err err = ERR_NONE;
		if (zone_load(rows[i].name, &zone, &err) == 0 || zone != NULL || strstr(err.text, rows[i].says) == NULL)
			fail_msg("'%s' said: %s", rows[i].name, err.text);
	}
}

static void rules_behind_the_table(void **state)
{
	static const struct { const char *text; int ok; const char *at; int offset_s; } rows[] = {
		{ "UTC0", 1, "2026-07-01", 0 }, { "CET-1CEST,M3.5.0,M10.5.0/3", 1, "2050-07-01", 7200 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", 1, "2050-12-01", 3600 }, { "IST-1GMT0,M10.5.0,M3.5.0/1", 1, "2050-12-01", 0 },
		{ "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 1, "2050-07-01", -3600 }, { "EST5EDT,M3.2.0,M11.1.0", 1, "2050-07-01", -14400 },
		{ "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 1, "2050-01-01", 39600 }, { "XXX3EDT4,0/0,J365/23", 1, "2050-07-01", -14400 },
		{ "XXX3EDT4,0/0,J365/23", 1, "2050-01-01", -14400 }, { "IST-2IDT,M3.4.4/26,M10.5.0", 1, "2050-07-01", 10800 },
		{ "CET-1CEST", 0, NULL, 0 }, { "", 0, NULL, 0 }, { "AB1", 0, NULL, 0 }, { "CET", 0, NULL, 0 }, { "CET-1CEST,M13.1.0,M10.5.0", 0, NULL, 0 },
		{ "CET-1CEST,M3.5.0", 0, NULL, 0 }, { "CET-1CEST,M3.5.0,M10.5.0x", 0, NULL, 0 }, { "<CET-1", 0, NULL, 0 }, { "CET99", 0, NULL, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zone_rule rule;
		struct zone_span span;
		struct date d;
		bool utc;
		int r = zone_rule_parse(str_of(rows[i].text), &rule);
		assert_int_equal(r, rows[i].ok ? 0 : -EINVAL);
		if (r < 0)
			continue;
		assert_int_equal(date_parse(rows[i].at, &d, &utc), 0);
		zone_rule_at(&rule, date_seconds(&d), &span);
		if (span.offset_s != rows[i].offset_s || span.from > date_seconds(&d) || span.until <= date_seconds(&d))
			fail_msg("%s at %s: %d", rows[i].text, rows[i].at, span.offset_s);
	}
}

/* Whatever of a file is cut off or changed: an error or some zone, never a crash or an answer without end. */
static void a_damaged_file(void **state)
{
	AUTO(buf_done) struct buf file = BUF_INIT(LIMIT_ZONE_BYTES);
	struct zone_span span;
	uint64_t seed = 7;

	(void)state;
	assert_int_equal(io_read_file("/usr/share/zoneinfo/Europe/Dublin", &file, NULL), 0);
	for (size_t i = 0; i < 6000; i++) {
		AUTO(freep) char *copy = xmalloc(file.len);
		AUTO(zone_freep) struct zone *zone = NULL;
		size_t len = i < file.len ? i : file.len;
		struct err err = ERR_NONE;
		memcpy(copy, buf_text(&file), file.len);
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		if (i >= file.len)
			copy[(seed >> 33) % file.len] = (char)(seed >> 24);
		int r = zone_parse("x", (struct str){ copy, len }, &zone, &err);
		if (i < file.len)
			assert_int_equal(r, -EINVAL);
		if (r < 0) {
			assert_true(err.text[0] != '\0');
			continue;
		}
		zone_at(zone, 1800000000, &span);
		assert_true(span.from <= 1800000000 && span.until > 1800000000);
		(void)zone_first(zone, 1800000000);
		(void)zone_latest(zone, 1800000000);
	}
}

/* ---- every zone that there is ---- */

static void each_zone(const char *below, void (*visit)(const struct zone *zone))
{
	AUTO(freep) char *path = xasprintf("/usr/share/zoneinfo/%s", below);
	DIR *dir = opendir(path);
	const struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] < 'A' || entry->d_name[0] > 'Z')
			continue;
		AUTO(freep) char *name = xasprintf("%s%s%s", below, below[0] != '\0' ? "/" : "", entry->d_name);
		if (entry->d_type == DT_DIR) {
			each_zone(name, visit);
			continue;
		}
		AUTO(zone_freep) struct zone *zone = load(name);
		visit(zone);
	}
	closedir(dir);
}

static size_t zones, changes;

static int64_t local(const struct zone *zone, int64_t t)
{
	struct zone_span span;

	zone_at(zone, t, &span);
	assert_true(span.from <= t && t < span.until);
	return t + span.offset_s;
}

/* By definition and without cleverness: the first instant, second by second from before. */
static void compare_at(const struct zone *zone, int64_t change)
{
	static const int64_t around[] = { -7200, -3600, -1800, -60, -1, 0, 1, 60, 1800, 3599, 3600, 7200, 86400 };

	for (size_t i = 0; i < COUNT(around); i++) {
		int64_t t = change + around[i], shown = local(zone, t), first = zone_first(zone, shown), latest = zone_latest(zone, t);
		assert_true(first <= t && local(zone, first) >= shown && local(zone, first - 1) < shown);
		assert_true(latest >= shown && zone_first(zone, latest) <= t && zone_first(zone, latest + 1) > t);
	}
}

static void at_every_change(const struct zone *zone)
{
	struct zone_span span;
	int64_t t = -5000000000;

	zones++;
	for (zone_at(zone, t, &span); span.until < 5000000000; zone_at(zone, t, &span)) {
		t = span.until;
		changes++;
		compare_at(zone, t);
	}
}

static void the_two_questions_at_every_change_of_every_zone(void **state)
{
	(void)state;
	each_zone("", at_every_change);
	print_message("%zu zones, %zu changes\n", zones, changes);
	assert_true(zones > 300 && changes > 20000);
}

static void as_the_c_library(const struct zone *zone)
{
	AUTO(freep) char *tz = xasprintf(":%s", zone_name(zone));

	setenv("TZ", tz, 1);
	tzset();
	for (int64_t t = -2000000000; t < 8000000000; t += 86400 * 41 + 1801) {
		time_t seconds = (time_t)t;
		struct zone_span span;
		struct tm tm;
		localtime_r(&seconds, &tm);
		zone_at(zone, t, &span);
		if (span.offset_s != tm.tm_gmtoff || span.dst != (tm.tm_isdst > 0))
			fail_msg("%s at %lld: %d, and %ld", zone_name(zone), (long long)t, span.offset_s, tm.tm_gmtoff);
	}
}

static void the_same_as_the_c_library(void **state)
{
	(void)state;
	each_zone("", as_the_c_library);
	setenv("TZ", "Asia/Kathmandu", 1);
	char name[ZONE_NAME_LEN + 1];
	assert_string_equal(zone_system(name), "Asia/Kathmandu");
	setenv("TZ", "../../etc/passwd", 1);
	assert_string_not_equal(zone_system(name), "../../etc/passwd");
	unsetenv("TZ");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_go_there_and_back),
		cmocka_unit_test(times_as_people_write_them),
		cmocka_unit_test(a_name_that_is_near),
		cmocka_unit_test(rules_behind_the_table),
		cmocka_unit_test(a_damaged_file),
		cmocka_unit_test(the_two_questions_at_every_change_of_every_zone),
		cmocka_unit_test(the_same_as_the_c_library),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
