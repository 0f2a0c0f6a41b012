/* str.c - parsing of small values out of borrowed bytes. */
#include "base/str.h"

#include <errno.h>

#include "base/limits.h"

#include "base/banned.h"

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
	while (s.len > 0 && is_space(s.ptr[0]))
		s = str_skip(s, 1);
	while (s.len > 0 && is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool str_next(struct str *rest, char sep, struct str *ret)
{
	if (rest->ptr == NULL)
		return false;
	const char *at = rest->len != 0 ? memchr(rest->ptr, sep, rest->len) : NULL;
	if (at == NULL) {
		*ret = *rest;
		*rest = (struct str){ NULL, 0 };
		return true;
	}
	*ret = (struct str){ rest->ptr, (size_t)(at - rest->ptr) };
	*rest = str_skip(*rest, ret->len + 1);
	return true;
}

int str_to_u64(struct str s, uint64_t *ret)
{
	uint64_t value = 0;

	if (s.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return -EINVAL;
		uint64_t digit = (uint64_t)(s.ptr[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	*ret = value;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* A number followed by one of the units; the first row is the unit of a bare number. */
static int with_unit(struct str s, const struct unit *units, size_t count, uint64_t *ret)
{
	size_t digits = 0;
	uint64_t value, factor = 0;

	while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9')
		digits++;
	int r = str_to_u64((struct str){ s.ptr, digits }, &value);
	if (r < 0)
		return r;
	struct str suffix = str_skip(s, digits);
	if (suffix.len == 0)
		factor = units[0].factor;
	for (size_t i = 0; i < count && factor == 0; i++)
		if (str_eq(suffix, str_of(units[i].name)))
			factor = units[i].factor;
	if (factor == 0)
		return -EINVAL;
	if (value > (uint64_t)INT64_MAX / factor)
		return -ERANGE;
	*ret = value * factor;
	return 0;
}

int str_to_duration_ms(struct str s, int64_t *ret)
{
	static const struct unit units[] = {
		{ "s", 1000 }, { "ms", 1 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
	};
	uint64_t value;
	int r = with_unit(s, units, COUNT(units), &value);
	if (r == 0)
		*ret = (int64_t)value;
	return r;
}

int str_to_bytes(struct str s, uint64_t *ret)
{
	static const struct unit units[] = {
		{ "", 1 }, { "k", KIB(1) }, { "K", KIB(1) }, { "m", MIB(1) }, { "M", MIB(1) }, { "G", KIB(MIB(1)) },
	};
	return with_unit(s, units, COUNT(units), ret);
}

size_t utf8_length(const unsigned char *s, size_t len)
{
	unsigned char c = s[0];
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) ||
	    (c == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}
