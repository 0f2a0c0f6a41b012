/* str.h - borrowed bytes with a length. Never owns, never ends in NUL by promise. */
#ifndef MISHRI_BASE_STR_H
#define MISHRI_BASE_STR_H

#include <string.h>

#include "base/util.h"

struct str {
	const char *ptr;
	size_t len;
};

#define STR(literal)  ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_ARG(s)    (int)(s).len, (s).ptr            /* for "%.*s" */

static inline struct str str_of(const char *text)      /* NULL gives the empty string */
{
	return (struct str){ text != NULL ? text : "", text != NULL ? strlen(text) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline struct str str_skip(struct str s, size_t n)
{
	n = MIN(n, s.len);
	return (struct str){ s.ptr + n, s.len - n };
}

struct str str_trim(struct str s);                      /* without ASCII white space at both ends */

/* Takes the part up to `sep` off the front of *rest (without sep). False when *rest is used up. */
bool str_next(struct str *rest, char sep, struct str *ret);

/* Decimal, whole string, no sign, no overflow. */
MUST_USE int str_to_u64(struct str s, uint64_t *ret);   /* 0, -EINVAL, -ERANGE */

/* "90", "1500ms", "30s", "5m", "2h", "1d": a plain number means seconds. */
MUST_USE int str_to_duration_ms(struct str s, int64_t *ret);

/* "4096", "64k", "16M", "1G", powers of 1024. */
MUST_USE int str_to_bytes(struct str s, uint64_t *ret);

/* The length of the well-formed UTF-8 sequence at s, 1 to 4; 0 when there is none (Unicode 15, table 3-7). */
size_t utf8_length(const unsigned char *s, size_t len);

#endif
