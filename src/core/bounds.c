/* bounds.c - the table of limits and what follows from a row: its text, its place in events, the sentence about it.
 * It keeps no limit itself; the cell and the engine do. */
#include "core/bounds.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#include "base/banned.h"

static const struct bound_row rows[BOUND_COUNT] = {
#define BOUND(id, name_, field_, status_, unit_, text_, number, least_, most_, about) \
	[BOUND_##id] = { .name = name_, .key = "limits." name_, .field = field_, .status = status_, .text = text_, \
	                 .unit = BOUND_##unit_, .otherwise = (int64_t)(number), .least = least_, .most = most_ },
#include "core/bounds.def"
#undef BOUND
};

const struct bound_row *bound_row(enum bound bound)
{
	assert(bound > BOUND_NONE && bound < BOUND_COUNT);
	return &rows[bound];
}

enum bound bound_find(const char *name)
{
	for (int i = BOUND_NONE + 1; i < BOUND_COUNT; i++)
		if (strcmp(rows[i].name, name) == 0)
			return (enum bound)i;
	return BOUND_NONE;
}

size_t bound_names(const char *ret[static BOUND_COUNT])
{
	for (int i = BOUND_NONE + 1; i < BOUND_COUNT; i++)
		ret[i - 1] = rows[i].name;
	return BOUND_COUNT - 1;
}

static int parse(const struct bound_row *row, struct str text, int64_t *ret)
{
	uint64_t n = 0;
	int r;

	if (row->unit == BOUND_DURATION)
		return str_to_duration_ms(text, ret);
	r = row->unit == BOUND_INT ? str_to_u64(text, &n) : str_to_bytes(text, &n);
	if (r == 0)
		*ret = n <= INT64_MAX ? (int64_t)n : INT64_MAX;
	return r;
}

int bound_parse(enum bound bound, const char *text, int64_t *ret, struct err *err)
{
	static const char *const forms[] = {
		[BOUND_BYTES] = "a size, such as 512M or 2G", [BOUND_INT] = "a whole number, such as 200",
		[BOUND_DURATION] = "a time, such as 90s, 30m or 2h",
	};
	const struct bound_row *row = bound_row(bound);
	char least[BOUND_TEXT_BYTES], most[BOUND_TEXT_BYTES];
	int64_t value;
	int r = parse(row, str_of(text), &value);

	if (r == -EINVAL)
		return err_set(err, EINVAL, "%s: '%.64s' must be %s", row->name, text, forms[row->unit]);
	if (r < 0 || value < row->least || value > row->most)
		return err_set(err, EINVAL, "%s: %.64s must be between %s and %s", row->name, text,
		               bound_text(bound, row->least, least), bound_text(bound, row->most, most));
	*ret = value;
	return 0;
}

static const char *bytes_text(int64_t value, char text[static BOUND_TEXT_BYTES])
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double n = (double)value;
	size_t unit = 0;

	while (n >= 1024 && unit + 1 < COUNT(units)) {
		n /= 1024;
		unit++;
	}
	snprintf(text, BOUND_TEXT_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", n, units[unit]);
	return text;
}

const char *bound_text(enum bound bound, int64_t value, char text[static BOUND_TEXT_BYTES])
{
	switch (bound_row(bound)->unit) {
	case BOUND_BYTES: return bytes_text(value, text);
	case BOUND_DURATION: return clock_span(value, text, BOUND_TEXT_BYTES);
	case BOUND_INT: break;
	}
	snprintf(text, BOUND_TEXT_BYTES, "%lld", (long long)value);
	return text;
}

void bounds_tighten(struct bounds *to, const struct bounds *with)
{
	for (size_t i = 0; i < BOUND_COUNT; i++)
		if (with->at[i] > 0 && (to->at[i] == 0 || with->at[i] < to->at[i]))
			to->at[i] = with->at[i];
}

void bounds_write(const struct bounds *bounds, json_t *to)
{
	for (int i = BOUND_NONE + 1; i < BOUND_COUNT; i++)
		if (bounds->at[i] > 0)
			json_put_int(to, rows[i].field, bounds->at[i]);
}

struct bounds bounds_read(const json_t *from)
{
	struct bounds bounds = { { 0 } };

	for (int i = BOUND_NONE + 1; i < BOUND_COUNT; i++)
		bounds.at[i] = MAX(json_get_int(from, rows[i].field, 0), 0);
	return bounds;
}

/* ---- what was run into ---- */

static const char *const done[BOUND_COUNT] = {
	[BOUND_MEMORY] = "out of memory: %s were in use",
	[BOUND_PROCESSES] = "too many processes: there were %s",
	[BOUND_OPEN_FILES] = "more than one process may hold: %s",
	[BOUND_FILE] = "a file became too large: more than %s",
	[BOUND_TMP] = "/tmp is full: %s",
	[BOUND_DISK] = "too much was written: %s by this task",
	[BOUND_CPU] = "out of processor time: %s were used",
	[BOUND_WALL] = "it ran longer than %s",
	[BOUND_PRINTED] = "it printed too much: %s",
	[BOUND_TASK_CPU] = "the task is out of processor time: %s were used",
};

/* A number that is worth trying, as it would be written. */
static void suggest(const struct bound_row *row, int64_t limit, struct buf *ret)
{
	int64_t more = MIN(limit, row->most / 2) * 2;

	if (row->unit == BOUND_INT)
		buf_printf(ret, "%lld", (long long)more);
	else if (row->unit == BOUND_DURATION)
		buf_printf(ret, "%llds", (long long)((more + 999) / 1000));
	else if (more % (1 << 30) == 0)
		buf_printf(ret, "%lldG", (long long)(more >> 30));
	else
		buf_printf(ret, "%lldM", (long long)(more + (1 << 20) - 1) >> 20);
}

void bound_describe(const struct bound_hit *hit, const char *by, struct buf *ret)
{
	const struct bound_row *row = bound_row(hit->what);
	char reached[BOUND_TEXT_BYTES], limit[BOUND_TEXT_BYTES];
	const char *slot = strstr(done[hit->what], "%s");

	bound_text(hit->what, hit->what == BOUND_WALL ? hit->limit : hit->reached, reached);
	bound_text(hit->what, hit->limit, limit);
	buf_printf(ret, "%.*s%s%s", (int)(slot - done[hit->what]), done[hit->what], reached, slot + 2);
	if (hit->what != BOUND_WALL)
		buf_printf(ret, ", the limit is %s", limit);
	if (by != NULL) {
		buf_printf(ret, " (%s)", by);
		return;
	}
	buf_printf(ret, "; more with -c %s=", row->key);
	suggest(row, hit->limit, ret);
}

json_t *bound_json(const struct bound_hit *hit)
{
	const struct bound_row *row = bound_row(hit->what);

	return json_pack("{s:s, s:I, s:I, s:s}", "what", row->field, "reached", (json_int_t)hit->reached, "limit",
	                 (json_int_t)hit->limit, "key", row->key);
}
