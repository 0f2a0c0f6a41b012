/* clock.h - time. Only the engine, the store and the edges read clocks; the core is told. */
#ifndef MISHRI_BASE_CLOCK_H
#define MISHRI_BASE_CLOCK_H

#include "base/util.h"

enum { CLOCK_TEXT_BYTES = 28 };        /* "2026-11-22T15:04:05.123456Z" and NUL */

int64_t clock_wall_us(void);            /* microseconds since 1970-01-01 UTC */
int64_t clock_mono_ns(void);            /* nanoseconds since boot; never goes back */
int64_t clock_mono_ms(void);

/* RFC 3339, UTC, microseconds. Returns text. */
const char *clock_format(int64_t wall_us, char text[static CLOCK_TEXT_BYTES]);
MUST_USE int clock_parse(const char *text, int64_t *ret_wall_us); /* what clock_format wrote; 0 or -EINVAL */

/* "0.4 s", "12 s", "3 min 20 s", "2 h 05 min": for people. Returns text. */
const char *clock_span(int64_t ms, char *text, size_t size);

#endif
