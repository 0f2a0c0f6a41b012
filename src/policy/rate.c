/* rate.c - token bucket and sliding window in whole numbers. It reads no clock, and rounds against whoever asks: what
 * it lets through is never more than the rate says. */
#include "policy/rate.h"

#include <errno.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/banned.h"

/* ---- token bucket ---- */

static int64_t bucket_size(const struct rate *r)
{
	return r->burst * r->per_us;                       /* LIMIT_RATE_COUNT and LIMIT_RATE_PER_US keep it in range */
}

static void bucket_fill(const struct rate *r, struct rate_state *s, int64_t now_us)
{
	int64_t size = bucket_size(r);

	if (!s->begun) {
		*s = (struct rate_state){ .begun = true, .at_us = now_us, .level = size };
		return;
	}
	int64_t passed = now_us - s->at_us;
	if (passed <= 0)
		return;
	if (passed >= (size - s->level) / r->count + 1)
		s->level = size;
	else
		s->level = MIN(size, s->level + passed * r->count);
	s->at_us = now_us;
}

static bool bucket_take(const struct rate *r, struct rate_state *s, int64_t now_us, int64_t uses, bool force, int64_t *ret_at_us)
{
	struct rate_state next = *s;

	bucket_fill(r, &next, now_us);
	if (uses > r->burst && !force) {
		*ret_at_us = INT64_MAX;
		return false;
	}
	int64_t need = MIN(uses, r->burst) * r->per_us;
	if (next.level < need && !force) {
		*ret_at_us = next.at_us + (need - next.level + r->count - 1) / r->count;
		return false;
	}
	next.level = MAX(next.level - need, 0);
	*s = next;
	return true;
}

/* ---- sliding window ---- */

static int64_t slot_us(const struct rate *r)
{
	return (r->per_us + RATE_SLOTS - 2) / (RATE_SLOTS - 1);
}

/* Forgets what is older than the window. */
static void window_move(const struct rate *r, struct rate_state *s, int64_t now_us)
{
	int64_t slot = now_us / slot_us(r);

	if (!s->begun || slot - s->at_us >= RATE_SLOTS) {
		*s = (struct rate_state){ .begun = true, .at_us = s->begun ? MAX(slot, s->at_us) : slot };
		return;
	}
	while (s->at_us < slot)
		s->used[++s->at_us % RATE_SLOTS] = 0;
}

static int64_t window_used(const struct rate_state *s)
{
	int64_t used = 0;

	for (size_t i = 0; i < RATE_SLOTS; i++)
		used += s->used[i];
	return used;
}

/* When so much has been forgotten that `uses` fit. */
static int64_t window_free_at(const struct rate *r, const struct rate_state *s, int64_t uses)
{
	int64_t used = window_used(s);

	for (int64_t slot = s->at_us - RATE_SLOTS + 1; slot <= s->at_us; slot++) {
		used -= slot >= 0 ? s->used[slot % RATE_SLOTS] : 0;
		if (used + uses <= r->count)
			return (slot + RATE_SLOTS) * slot_us(r);
	}
	return INT64_MAX;
}

static bool window_take(const struct rate *r, struct rate_state *s, int64_t now_us, int64_t uses, bool force, int64_t *ret_at_us)
{
	struct rate_state next = *s;

	window_move(r, &next, now_us);
	if (window_used(&next) + uses > r->count && !force) {
		*ret_at_us = uses > r->count ? INT64_MAX : window_free_at(r, &next, uses);
		return false;
	}
	uint32_t *at = &next.used[next.at_us % RATE_SLOTS];
	*at = (uint32_t)MIN((int64_t)*at + uses, (int64_t)LIMIT_RATE_COUNT); /* forced uses may be any number */
	*s = next;
	return true;
}

/* ---- both ---- */

bool rate_take(const struct rate *r, struct rate_state *s, int64_t now_us, int64_t uses, bool force, int64_t *ret_at_us)
{
	assert(r->count > 0 && r->per_us > 0 && r->burst >= 0 && uses > 0 && now_us >= 0);
	if (r->burst > 0)
		return bucket_take(r, s, now_us, uses, force, ret_at_us);
	return window_take(r, s, now_us, uses, force, ret_at_us);
}

int64_t rate_idle_us(const struct rate *r, const struct rate_state *s)
{
	if (!s->begun)
		return 0;
	if (r->burst > 0)
		return s->at_us + (bucket_size(r) - s->level + r->count - 1) / r->count;
	return (s->at_us + RATE_SLOTS) * slot_us(r);
}

static void put_u64(unsigned char *to, uint64_t n, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (unsigned char)(n >> 8 * i);
}

static uint64_t get_u64(const unsigned char *from, size_t bytes)
{
	uint64_t n = 0;

	for (size_t i = bytes; i-- > 0;)
		n = n << 8 | from[i];
	return n;
}

size_t rate_state_write(const struct rate *r, const struct rate_state *s, unsigned char ret[static RATE_STATE_BYTES])
{
	put_u64(ret, r->burst > 0 ? 1 : 2, 8);
	put_u64(ret + 8, (uint64_t)s->at_us, 8);
	put_u64(ret + 16, (uint64_t)s->level, 8);
	if (r->burst > 0)
		return 24;
	for (size_t i = 0; i < RATE_SLOTS; i++)
		put_u64(ret + 24 + 4 * i, s->used[i], 4);
	return RATE_STATE_BYTES;
}

void rate_state_read(const struct rate *r, struct str bytes, struct rate_state *ret)
{
	const unsigned char *from = (const unsigned char *)bytes.ptr;

	*ret = (struct rate_state){ 0 };
	if (bytes.len != (r->burst > 0 ? 24u : (size_t)RATE_STATE_BYTES) || get_u64(from, 8) != (r->burst > 0 ? 1u : 2u))
		return;
	ret->begun = true;
	ret->at_us = (int64_t)get_u64(from + 8, 8);
	ret->level = (int64_t)get_u64(from + 16, 8);
	if (r->burst > 0 && (ret->level < 0 || ret->level > bucket_size(r)))
		ret->level = 0;
	for (size_t i = 0; r->burst == 0 && i < RATE_SLOTS; i++)
		ret->used[i] = (uint32_t)get_u64(from + 24 + 4 * i, 4);
}

/* ---- words ---- */

static const struct { const char *name; int64_t us; } units[] = {
	{ "s", 1000000 }, { "min", 60000000 }, { "h", 3600000000 }, { "day", 86400000000 },
};

int rate_parse(const char *text, int64_t *ret_count, int64_t *ret_per_us)
{
	struct str rest = str_of(text), count;
	int64_t per_us = 0, ms;
	uint64_t n;

	if (!str_next(&rest, '/', &count) || rest.ptr == NULL || str_to_u64(count, &n) < 0 || n < 1 || n > (uint64_t)LIMIT_RATE_COUNT)
		return -EINVAL;
	for (size_t i = 0; i < COUNT(units); i++)
		if (str_eq(rest, str_of(units[i].name)))
			per_us = units[i].us;
	if (per_us == 0 && (rest.len < 2 || str_to_duration_ms(rest, &ms) < 0 || ms < 1000 || ms > LIMIT_RATE_PER_US / 1000))
		return -EINVAL;
	*ret_count = (int64_t)n;
	*ret_per_us = per_us != 0 ? per_us : ms * 1000;
	return 0;
}

char *rate_text(const struct rate *r)
{
	AUTO(freep) char *unit = xasprintf("%llds", (long long)(r->per_us / 1000000));

	for (size_t i = 0; i < COUNT(units); i++)
		if (units[i].us == r->per_us) {
			free(unit);
			unit = xstrdup(units[i].name);
		}
	if (r->burst > 0)
		return xasprintf("%lld/%s, burst %lld", (long long)r->count, unit, (long long)r->burst);
	return xasprintf("%lld/%s", (long long)r->count, unit);
}

/* ---- the clock ---- */

void rate_clock_advance(struct rate_clock *c, const char *boot, int64_t boot_us, int64_t wall_us)
{
	int64_t passed;

	if (c->boot[0] == '\0')
		passed = 0;
	else if (strcmp(c->boot, boot) == 0)
		passed = boot_us - c->boot_us;             /* of two engines, one may have looked a little earlier */
	else
		passed = wall_us - c->wall_us;
	if (c->boot[0] == '\0' || strcmp(c->boot, boot) != 0 || passed > 0) {
		snprintf(c->boot, sizeof c->boot, "%s", boot);
		c->boot_us = boot_us;
		c->wall_us = wall_us;
	}
	c->now_us += MAX(passed, 0);
}
