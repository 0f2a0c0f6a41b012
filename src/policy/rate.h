/* rate.h - how often may something happen? Pure arithmetic: state and time in, answer and state out. The time is one
 * that never goes back; rate_clock makes it out of the clocks of a machine. */
#ifndef MISHRI_POLICY_RATE_H
#define MISHRI_POLICY_RATE_H

#include "base/str.h"

/* With a burst it is a token bucket: `burst` at once, then `count` in `per_us`, evenly. Without one it is a sliding
 * window: never more than `count` in any time of the length `per_us`. */
struct rate {
	int64_t count, per_us;
	int64_t burst;               /* 0: a window */
};

enum { RATE_SLOTS = 65 };            /* a window is known to a 64th of its length: a use is forgotten so much late, never early */

struct rate_state {                  /* all zero: nothing was used yet */
	bool begun;
	int64_t at_us;               /* bucket: when `level` was right; window: the newest slot */
	int64_t level;               /* bucket: what is left, in count * microseconds; one use takes per_us */
	uint32_t used[RATE_SLOTS];   /* window: uses by slot, at slot % RATE_SLOTS */
};

/* Takes `uses` at the time now_us, or says when they could be had: *ret_at_us, INT64_MAX where never. A refusal leaves
 * the state as it was. force: takes them in any case, and is true. */
bool rate_take(const struct rate *rate, struct rate_state *state, int64_t now_us, int64_t uses, bool force, int64_t *ret_at_us);
/* When the state says no more than an empty one, so that it can be forgotten. */
int64_t rate_idle_us(const struct rate *rate, const struct rate_state *state);

/* As bytes and back. Bytes that are not of this rate are an empty state. */
enum { RATE_STATE_BYTES = 24 + 4 * RATE_SLOTS };
size_t rate_state_write(const struct rate *rate, const struct rate_state *state, unsigned char ret[static RATE_STATE_BYTES]);
void rate_state_read(const struct rate *rate, struct str bytes, struct rate_state *ret);

/* "30/min", "5/s", "100/15m". 0 or -EINVAL. */
MUST_USE int rate_parse(const char *text, int64_t *ret_count, int64_t *ret_per_us);
char *rate_text(const struct rate *rate);            /* "30/min, burst 10"; the caller owns it */

/* A time that all engines of a store share. Within one boot it follows the clock that no one can set; across a boot
 * the wall clock, where that went forward. */
struct rate_clock {
	char boot[40];               /* "" at the very beginning */
	int64_t boot_us, wall_us;    /* when it was looked at last */
	int64_t now_us;
};
void rate_clock_advance(struct rate_clock *clock, const char *boot, int64_t boot_us, int64_t wall_us);

#endif
