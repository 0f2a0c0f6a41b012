/* schedule_spec.c - the stored form of a schedule's rule: a JSON object of the words that the person wrote, so that a
 * list shows them and a later version may understand more. It reads words into a rule and refuses what contradicts. */
#include "core/schedule.h"

#include <string.h>

#include "base/banned.h"

enum { MS = 1000 };

int schedule_name_check(const char *name, struct err *err)
{
	size_t len = strlen(name);

	if (len >= 1 && len <= LIMIT_SCHEDULE_NAME_BYTES && name[0] != '-' && name[0] != '.' &&
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len)
		return 0;
	return err_set(err, EINVAL, "'%.80s' is no name for a schedule: up to %d letters, digits, '.', '_' and '-', the first a "
	               "letter, a digit or '_'", name, LIMIT_SCHEDULE_NAME_BYTES);
}

/* A span in milliseconds between bounds; a key that is not there leaves *ret_us. */
static int read_span(const json_t *spec, const char *key, int64_t least_ms, int64_t *ret_us, struct err *err)
{
	const char *text = json_get_text(spec, key, NULL);
	int64_t ms;

	if (text == NULL)
		return 0;
	if (strcmp(text, "off") == 0 && least_ms == 0) {
		*ret_us = 0;
		return 0;
	}
	if (str_to_duration_ms(str_of(text), &ms) < 0 || ms < least_ms || ms > LIMIT_SCHEDULE_MOST_MS)
		return err_set(err, EINVAL, "%s: '%.40s': a span from %s to 366d is wanted, as in 90m or 2h", key, text,
		               least_ms == 0 ? "0s (or off)" : "1s");
	*ret_us = ms * MS;
	return 0;
}

static int read_number(const json_t *spec, const char *key, int64_t least, int64_t most, int64_t *ret, struct err *err)
{
	const json_t *value = json_object_get(spec, key);

	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < least || json_integer_value(value) > most)
		return err_set(err, EINVAL, "%s: a number from %lld to %lld is wanted", key, (long long)least, (long long)most);
	*ret = json_integer_value(value);
	return 0;
}

static int read_instant(const json_t *spec, const char *key, const struct zone *zone, int64_t *ret_us, struct err *err)
{
	const char *text = json_get_text(spec, key, NULL);

	if (text == NULL)
		return 0;
	int r = when_read_time(text, zone, ret_us, err);
	return r < 0 ? err_prefix(err, "%s", key) : 0;
}

static int read_when(const json_t *spec, const struct zone *zone, int64_t now_us, struct schedule_rule *rule, struct err *err)
{
	const char *cron = json_get_text(spec, "cron", NULL), *every = json_get_text(spec, "every", NULL);
	const char *at = json_get_text(spec, "at", NULL);
	struct when *w = &rule->when;

	if ((cron != NULL) + (every != NULL) + (at != NULL) != 1)
		return err_set(err, EINVAL, "one of cron (\"30 9 * * MON-FRI\"), every (90m) and at (2026-12-01T09:00) is wanted");
	w->zone = zone;
	if (cron != NULL) {
		w->kind = WHEN_CRON;
		return cron_parse(str_of(cron), &w->cron, err);
	}
	if (at != NULL) {
		w->kind = WHEN_AT;
		return read_instant(spec, "at", zone, &w->at_us, err);
	}
	w->kind = WHEN_EVERY;
	w->anchor_us = rule->start_us != 0 ? rule->start_us : now_us - now_us % 1000000;
	return read_span(spec, "every", LIMIT_SCHEDULE_LEAST_MS, &w->every_us, err);
}

static int read_overlap(const json_t *spec, struct schedule_rule *rule, struct err *err)
{
	const char *name = json_get_text(spec, "overlap", "skip");
	int at = name_find(overlap_names, OVERLAPS, name);
	int64_t queue = 1;

	if (at < 0)
		return err_set(err, EINVAL, "overlap: '%.40s': right would be skip, queue, cancel-previous or allow", name);
	rule->overlap = (enum overlap)at;
	if (json_object_get(spec, "queue") != NULL && rule->overlap != OVERLAP_QUEUE)
		return err_set(err, EINVAL, "queue: it says how many may wait with overlap queue, and overlap is %s", name);
	int r = read_number(spec, "queue", 1, LIMIT_SCHEDULE_QUEUE, &queue, err);
	rule->queue = (int)queue;
	return r;
}

int schedule_rule_read(const json_t *spec, const struct zone *zone, int64_t now_us, struct schedule_rule *ret, struct err *err)
{
	struct schedule_rule rule = {
		.catch_up_us = LIMIT_SCHEDULE_CATCH_UP_MS * (int64_t)MS, .jitter_us = LIMIT_SCHEDULE_JITTER_MS * (int64_t)MS,
		.failures_most = LIMIT_SCHEDULE_FAILURES,
	};
	int64_t first;

	int r = read_instant(spec, "start", zone, &rule.start_us, err);
	if (r == 0)
		r = read_instant(spec, "end", zone, &rule.end_us, err);
	if (r == 0)
		r = read_when(spec, zone, now_us, &rule, err);
	if (r == 0)
		r = read_overlap(spec, &rule, err);
	if (r == 0)
		r = read_span(spec, "catch_up", 0, &rule.catch_up_us, err);
	if (r == 0)
		r = read_span(spec, "jitter", 0, &rule.jitter_us, err);
	if (r == 0)
		r = read_number(spec, "runs", 1, INT64_MAX, &rule.runs_most, err);
	if (r == 0)
		r = read_number(spec, "failures", 0, INT32_MAX, &rule.failures_most, err);
	if (r < 0)
		return r;
	if (rule.end_us != 0 && rule.end_us < rule.start_us)
		return err_set(err, EINVAL, "end: it lies before start");
	if (!schedule_next(&rule, now_us, &first))
		return err_set(err, EINVAL, rule.when.kind == WHEN_AT ? "at: that time is past or after end: it would never run"
		               : rule.end_us != 0 ? "it would never run before its end"
		               : "cron: there is no such day in the next %d years: it would never run", LIMIT_CRON_YEARS);
	*ret = rule;
	return 0;
}

void schedule_words(const json_t *spec, struct buf *ret)
{
	static const char *const kinds[] = { "cron", "every", "at" };

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (json_get_text(spec, kinds[i], NULL) != NULL)
			buf_printf(ret, "%s %s", kinds[i], json_get_text(spec, kinds[i], ""));
	if (json_get_text(spec, "every", NULL) == NULL)
		buf_printf(ret, ", %s", json_get_text(spec, "zone", "UTC"));
}
