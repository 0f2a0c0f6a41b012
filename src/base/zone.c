/* zone.c - a TZif file as a table of changes, and the two questions that schedules ask of it. Pure. It refuses files
 * with leap seconds ("right/..."): everything else here counts days of 86,400 seconds. */
#include "base/zone.h"

#include "base/banned.h"

enum { HEADER_BYTES = 44, TYPE_BYTES = 6, OFFSET_MOST_S = 26 * 3600, JUMP_MOST_S = 2 * 86400 };

struct kind { int offset_s; bool dst; char abbr[ZONE_ABBR_LEN + 1]; };

struct zone {
	char name[ZONE_NAME_LEN + 1];
	int64_t *at;                           /* ascending */
	uint8_t *to;                           /* which kind holds from then on */
	size_t count;
	struct kind *kinds;                    /* [0] holds before the first change */
	size_t kind_count;
	bool has_rule;                         /* for what is after the last change */
	struct zone_rule rule;
};

void zone_free(struct zone *zone)
{
	if (zone == NULL)
		return;
	free(zone->at);
	free(zone->to);
	free(zone->kinds);
	free(zone);
}

void zone_freep(struct zone **zone)
{
	zone_free(*zone);
}

const char *zone_name(const struct zone *zone)
{
	return zone->name;
}

/* ---- reading ---- */

static uint64_t big_endian(const char *p, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | (unsigned char)p[i];
	return value;
}

struct header { size_t utc, standard, leaps, times, types, chars; };

static bool read_header(struct str *rest, char *ret_version, struct header *ret)
{
	if (rest->len < HEADER_BYTES || memcmp(rest->ptr, "TZif", 4) != 0)
		return false;
	size_t n[6];
	for (size_t i = 0; i < COUNT(n); i++) {
		n[i] = (size_t)big_endian(rest->ptr + 20 + 4 * i, 4);
		if (n[i] > LIMIT_ZONE_BYTES)
			return false;
	}
	*ret_version = rest->ptr[4];
	*ret = (struct header){ n[0], n[1], n[2], n[3], n[4], n[5] };
	*rest = str_skip(*rest, HEADER_BYTES);
	return true;
}

static size_t body_bytes(const struct header *h, size_t time_bytes)
{
	return h->times * (time_bytes + 1) + h->types * TYPE_BYTES + h->chars + h->leaps * (time_bytes + 4) + h->standard + h->utc;
}

static bool read_kinds(struct zone *z, const struct header *h, const char *types)
{
	const char *chars = types + h->types * TYPE_BYTES;

	z->kind_count = h->types;
	z->kinds = xcalloc(h->types, sizeof *z->kinds);
	for (size_t i = 0; i < h->types; i++) {
		const char *type = types + i * TYPE_BYTES;
		size_t at = (unsigned char)type[5];
		if (at >= h->chars)
			return false;
		size_t len = strnlen(chars + at, h->chars - at);
		z->kinds[i].offset_s = (int32_t)(uint32_t)big_endian(type, 4);
		z->kinds[i].dst = type[4] != 0;
		memcpy(z->kinds[i].abbr, chars + at, MIN(len, (size_t)ZONE_ABBR_LEN));
		if (z->kinds[i].offset_s <= -OFFSET_MOST_S || z->kinds[i].offset_s >= OFFSET_MOST_S)
			return false;
	}
	return true;
}

static bool read_changes(struct zone *z, const struct header *h, const char *body)
{
	z->count = h->times;
	z->at = xcalloc(MAX(h->times, (size_t)1), sizeof *z->at);
	z->to = xcalloc(MAX(h->times, (size_t)1), 1);
	for (size_t i = 0; i < h->times; i++) {
		z->at[i] = (int64_t)big_endian(body + 8 * i, 8);
		z->to[i] = (uint8_t)body[8 * h->times + i];
		if (z->to[i] >= h->types || (i > 0 && z->at[i] <= z->at[i - 1]))
			return false;
	}
	return read_kinds(z, h, body + 9 * h->times);
}

/* "\n" TEXT "\n"; an empty text: what held last holds for ever. */
static bool read_rule(struct zone *z, struct str rest)
{
	if (rest.len < 2 || rest.ptr[0] != '\n')
		return false;
	const char *end = memchr(rest.ptr + 1, '\n', rest.len - 1);
	if (end == NULL)
		return false;
	struct str text = { rest.ptr + 1, (size_t)(end - rest.ptr - 1) };
	z->has_rule = text.len > 0;
	return text.len == 0 || zone_rule_parse(text, &z->rule) == 0;
}

int zone_parse(const char *name, struct str bytes, struct zone **ret, struct err *err)
{
	AUTO(zone_freep) struct zone *z = xcalloc(1, sizeof *z);
	struct header h;
	char version;

	memcpy(z->name, name, MIN(strlen(name), (size_t)ZONE_NAME_LEN));
	if (bytes.len > LIMIT_ZONE_BYTES || !read_header(&bytes, &version, &h) || version < '2' || body_bytes(&h, 4) > bytes.len)
		return err_set(err, EINVAL, "time zone %s: it is no TZif file of version 2 or later; reinstall the package tzdata", name);
	bytes = str_skip(bytes, body_bytes(&h, 4));
	if (!read_header(&bytes, &version, &h) || body_bytes(&h, 8) > bytes.len || h.types == 0 || h.types > 256)
		return err_set(err, EINVAL, "time zone %s: its file is cut off or damaged; reinstall the package tzdata", name);
	if (h.leaps != 0)
		return err_set(err, EINVAL, "time zone %s: it counts leap seconds; give the zone without \"right/\"", name);
	if (!read_changes(z, &h, bytes.ptr) || !read_rule(z, str_skip(bytes, body_bytes(&h, 8))))
		return err_set(err, EINVAL, "time zone %s: its file is damaged; reinstall the package tzdata", name);
	*ret = TAKE(z);
	return 0;
}

/* ---- asking ---- */

/* How many changes are at or before t. */
static size_t changes_until(const struct zone *z, int64_t t)
{
	size_t low = 0, high = z->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (z->at[middle] <= t)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void zone_at(const struct zone *z, int64_t utc_s, struct zone_span *ret)
{
	size_t n = changes_until(z, utc_s);

	if (n == z->count && z->has_rule) {
		zone_rule_at(&z->rule, utc_s, ret);
		if (n > 0)
			ret->from = MAX(ret->from, z->at[n - 1]);
		return;
	}
	const struct kind *kind = &z->kinds[n > 0 ? z->to[n - 1] : 0];
	*ret = (struct zone_span){ .from = n > 0 ? z->at[n - 1] : INT64_MIN, .until = n < z->count ? z->at[n] : INT64_MAX,
	                           .offset_s = kind->offset_s, .dst = kind->dst };
	memcpy(ret->abbr, kind->abbr, sizeof ret->abbr);
}

int64_t zone_first(const struct zone *z, int64_t local_s)
{
	struct zone_span span;

	zone_at(z, local_s - OFFSET_MOST_S, &span); /* no local clock is so far ahead that it has shown it by then */
	for (;;) {
		int64_t at = MAX(span.from, local_s - span.offset_s);
		if (at < span.until)
			return at;
		zone_at(z, span.until, &span);
	}
}

int64_t zone_latest(const struct zone *z, int64_t utc_s)
{
	struct zone_span span;

	zone_at(z, utc_s, &span);
	int64_t latest = utc_s + span.offset_s;
	while (span.from > utc_s - JUMP_MOST_S && span.from != INT64_MIN) {
		int64_t before = span.from - 1;
		zone_at(z, before, &span);
		latest = MAX(latest, before + span.offset_s);
	}
	return latest;
}
