/* test_cron.c - expressions and instants: a corpus that another program made (tests/cases/time/make.py, by Python's
 * zoneinfo), rows by hand, what is refused and how, and what must hold for every expression in every zone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/date.h"
#include "base/io.h"
#include "core/when.h"

#include "base/banned.h"

enum { US = 1000000 };

static struct zone *load(const char *name)
{
	struct zone *zone = NULL;
	struct err err = ERR_NONE;

	if (zone_load(name, &zone, &err) < 0)
		fail_msg("%s", err.text);
	return zone;
}

static int64_t utc_us(const char *text)
{
	struct date d;
	bool utc;

	if (date_parse(text, &d, &utc) < 0)
		fail_msg("'%s' is no time", text);
	return date_seconds(&d) * US;
}

static struct when by_cron(const char *expression, const struct zone *zone)
{
	struct when w = { .kind = WHEN_CRON, .zone = zone };
	struct err err = ERR_NONE;

	if (cron_parse(str_of(expression), &w.cron, &err) < 0)
		fail_msg("%s: %s", expression, err.text);
	return w;
}

static void check_row(const char *zone_name, const char *expression, const char *from, struct str instants)
{
	AUTO(zone_freep) struct zone *zone = load(zone_name);
	struct when w = by_cron(expression, zone);
	int64_t at = utc_us(from);
	struct str want;

	for (size_t n = 0; str_next(&instants, ',', &want); n++) {
		AUTO(freep) char *text = xstrndup(want.ptr, want.len);
		if (!when_next(&w, at, &at) || at != utc_us(text)) {
			struct date d;
			date_of_seconds(at / US, &d);
			fail_msg("%s '%s' from %s, instant %zu: %s was wanted, not %lld-%02d-%02dT%02d:%02d:%02d", zone_name, expression, from,
			         n + 1, text, (long long)d.year, d.month, d.day, d.hour, d.minute, d.second);
		}
	}
}

static void the_corpus(void **state)
{
	AUTO(buf_done) struct buf file = BUF_INIT(LIMIT_FILE_BYTES);
	struct err err = ERR_NONE;
	struct str rest, line;
	size_t rows = 0;

	(void)state;
	if (io_read_file(TEST_CASES "/time/cron.tsv", &file, &err) < 0)
		fail_msg("%s", err.text);
	for (rest = buf_str(&file); str_next(&rest, '\n', &line);) {
		struct str zone, expression, from;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		assert_true(str_next(&line, '\t', &zone) && str_next(&line, '\t', &expression) && str_next(&line, '\t', &from));
		AUTO(freep) char *z = xstrndup(zone.ptr, zone.len), *e = xstrndup(expression.ptr, expression.len);
		AUTO(freep) char *f = xstrndup(from.ptr, from.len);
		check_row(z, e, f, line);
		rows++;
	}
	assert_true(rows >= 400);
}

/* By hand, from the published dates of the changes. */
static void by_hand(void **state)
{
	static const struct { const char *zone, *expression, *from, *instants; } rows[] = {
		{ "Europe/Berlin", "30 2 29 3 *", "2026-03-01", "2026-03-29T01:00:00" },
		{ "Europe/Berlin", "30 2 25 10 *", "2026-10-01", "2026-10-25T00:30:00,2027-10-25T00:30:00" },
		{ "America/New_York", "30 1 1 11 *", "2026-10-31", "2026-11-01T05:30:00" },
		{ "Australia/Lord_Howe", "15 2 4 10 *", "2026-10-01", "2026-10-03T15:30:00" },
		{ "Asia/Kathmandu", "0 0 * * *", "2026-01-01T00:00", "2026-01-01T18:15:00" },
		{ "Asia/Kolkata", "@daily", "2026-01-01", "2026-01-01T18:30:00" },
		{ "UTC", "@HOURLY", "2026-12-31T23:00", "2027-01-01T00:00:00" },
		{ "UTC", "@weekly", "2026-11-22T00:00", "2026-11-29T00:00:00" },
		{ "UTC", "@monthly", "2026-12-31T23:00", "2027-01-01T00:00:00,2027-02-01T00:00:00" },
		{ "UTC", "@yearly", "2026-11-22", "2027-01-01T00:00:00,2028-01-01T00:00:00" },
		{ "UTC", "@annually", "2026-11-22", "2027-01-01T00:00:00" }, { "UTC", "@midnight", "2026-11-22", "2026-11-23T00:00:00" },
		{ "UTC", "0 0 29 2 *", "2096-03-01", "2104-02-29T00:00:00" }, { "UTC", "0 0 31 * *", "2026-01-31", "2026-03-31T00:00:00" },
		{ "UTC", "  5\t4  3 2 * ", "2026-01-01", "2026-02-03T04:05:00" }, { "UTC", "0 0 13 * FRI", "2026-11-12", "2026-11-13T00:00:00,2026-11-20T00:00:00" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(rows[i].zone, rows[i].expression, rows[i].from, str_of(rows[i].instants));
}

static void what_is_refused(void **state)
{
	static const struct { const char *text, *says; } rows[] = {
		{ "", "five fields are wanted" }, { "* * * *", "there are 4" }, { "0 * * * * *", "a field of seconds" }, { "* * * * * * *", "there are 7" },
		{ "60 * * * *", "minute '60': right would be" }, { "* 24 * * *", "hour '24'" }, { "* * 0 * *", "day of month '0'" },
		{ "* * 32 * *", "day of month '32'" }, { "* * * 13 *", "1 to 12 or JAN to DEC" }, { "* * * * 8", "0 to 7 or SUN to SAT" },
		{ "* * L * *", "L (the last day)" }, { "* * 15W * *", "W (the nearest" }, { "* * * * 5#3", "# (the n-th" }, { "* * ? * *", "write *" },
		{ "* * LW * *", "L (the last day)" }, { "* * * * 5L", "L (the last day)" }, { "H * * * *", "H is of another dialect" },
		{ "5-1 * * * *", "goes backwards" }, { "* 22-6 * * *", "22-23,0-6" }, { "* * * * FRI-MON", "goes backwards" },
		{ "*/0 * * * *", "a step of 1 to 99" }, { "*/ * * * *", "a step" }, { "5/10 * * * *", "a step wants a range" }, { "1, * * * *", "right would be" },
		{ ",1 * * * *", "right would be" }, { "1,,2 * * * *", "right would be" }, { "-1 * * * *", "right would be" }, { "+1 * * * *", "right would be" },
		{ "1- * * * *", "right would be" }, { "** * * * *", "right would be" }, { "* * * JANUARY *", "right would be" }, { "* * * * MO", "right would be" },
		{ "* * MON * *", "day of month 'MON'" }, { "0x1 * * * *", "right would be" }, { "1.5 * * * *", "right would be" }, { "001 * * * *", "right" },
		{ "@reboot", "@reboot is no time" }, { "@dayly", "right would be @hourly" }, { "@", "right would be @hourly" }, { "*/1/2 * * * *", "a step" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cron cron = { .minutes = 42 };
		struct err err = ERR_NONE;
		if (cron_parse(str_of(rows[i].text), &cron, &err) != -EINVAL || strstr(err.text, rows[i].says) == NULL || cron.minutes != 42)
			fail_msg("'%s' said: %s", rows[i].text, err.text);
	}
}

static void a_day_that_never_comes(void **state)
{
	static const char *const never[] = { "0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 31 FEB */2" };
	int64_t at = 42;

	(void)state;
	for (size_t i = 0; i < COUNT(never); i++) {
		struct when w = by_cron(never[i], NULL);
		assert_false(cron_next(&w.cron, 1800000000, &at));
		assert_int_equal(at, 42);
	}
}

/* next > now; it never falls when now rises; nothing lies between now and next; asked again it says the same. */
static void what_always_holds(void **state)
{
	static const char *const zones[] = { "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham",
	                                     "Africa/Casablanca", "Asia/Gaza", "Antarctica/Troll", "America/Santiago", "Asia/Kathmandu" };
	static const char *const expressions[] = { "* * * * *", "*/15 * * * *", "30 2 * * *", "0 0 * * *", "0 9 * * MON-FRI", "45 23 28-31 * *" };

	(void)state;
	for (size_t z = 0; z < COUNT(zones); z++) {
		AUTO(zone_freep) struct zone *zone = load(zones[z]);
		for (size_t e = 0; e < COUNT(expressions); e++) {
			struct when w = by_cron(expressions[e], zone);
			int64_t before = 0, next, again, half;
			for (int64_t now = 1293000000ll * US; now < 1356000000ll * US; now += 4999ll * US * (int64_t)(1 + e)) {
				assert_true(when_next(&w, now, &next) && next > now && next >= before);
				assert_true(when_next(&w, now, &again) && again == next);
				assert_true(when_next(&w, next - 1, &again) && again == next);
				assert_true(when_next(&w, now + (next - now) / 2, &half) && half >= next);
				before = next;
			}
		}
	}
}

static void intervals_are_elapsed_time(void **state)
{
	struct when w = { .kind = WHEN_EVERY, .every_us = 5400ll * US, .anchor_us = 1000ll * US };
	static const struct { int64_t after_s, next_s; } rows[] = {
		{ -5000, 1000 }, { 999, 1000 }, { 1000, 6400 }, { 6399, 6400 }, { 6400, 11800 }, { 1774746000, 1774748800 },
	};
	int64_t at;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(when_next(&w, rows[i].after_s * US, &at));
		assert_int_equal(at, rows[i].next_s * US);
	}
}

static void once_is_once(void **state)
{
	AUTO(zone_freep) struct zone *zone = load("Europe/Berlin");
	static const struct { const char *text, *utc; } rows[] = {
		{ "2026-12-01T09:00", "2026-12-01T08:00:00" }, { "2026-12-01T09:00Z", "2026-12-01T09:00:00" }, { "2026-12-01", "2026-11-30T23:00:00" },
		{ "2026-03-29T02:30", "2026-03-29T01:00:00" }, { "2026-10-25T02:30", "2026-10-25T00:30:00" }, { "2026-10-25T03:00", "2026-10-25T02:00:00" },
	};
	struct when w = { .kind = WHEN_AT };
	int64_t at;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(when_read_time(rows[i].text, zone, &w.at_us, NULL), 0);
		assert_int_equal(w.at_us, utc_us(rows[i].utc));
		assert_true(when_next(&w, w.at_us - 1, &at) && at == w.at_us);
		assert_false(when_next(&w, w.at_us, &at));
	}
	assert_int_equal(when_read_time("at noon", zone, &at, NULL), -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_corpus),
		cmocka_unit_test(by_hand),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(a_day_that_never_comes),
		cmocka_unit_test(what_always_holds),
		cmocka_unit_test(intervals_are_elapsed_time),
		cmocka_unit_test(once_is_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
