/* schema_number.c - numbers as JSON means them: 1 and 1.0 are one number, and 0.3 is three tenths. A real is the shortest
 * decimal that reads back as it. Equality of whole values is here too, for it hangs on that. */
#include "tools/schema_node.h"

#include <math.h>
#include <stdio.h>

#include "base/banned.h"

__extension__ typedef unsigned __int128 wide;

struct decimal { /* digits * 10^exponent */
	uint64_t digits;
	int exponent;
};

bool number_whole(const json_t *value)
{
	return json_is_integer(value) || (json_is_real(value) && floor(json_real_value(value)) == json_real_value(value));
}

int number_compare(const json_t *a, const json_t *b)
{
	if (json_is_integer(a) && json_is_integer(b)) {
		json_int_t x = json_integer_value(a), y = json_integer_value(b);
		return (x > y) - (x < y);
	}
	long double x = json_is_integer(a) ? (long double)json_integer_value(a) : json_real_value(a);
	long double y = json_is_integer(b) ? (long double)json_integer_value(b) : json_real_value(b);
	return (x > y) - (x < y);
}

static struct decimal decimal_of(const json_t *value)
{
	struct decimal d = { 0 };
	char text[40];
	bool point = false;

	if (json_is_integer(value)) {
		json_int_t i = json_integer_value(value);
		return (struct decimal){ i < 0 ? -(uint64_t)i : (uint64_t)i, 0 };
	}
	double real = fabs(json_real_value(value));
	for (int precision = 1; precision <= 17; precision++) {
		snprintf(text, sizeof text, "%.*e", precision - 1, real);
		if (strtod(text, NULL) == real)
			break;
	}
	const char *at = text;
	for (; *at != 'e' && *at != '\0'; at++) {
		if (*at < '0' || *at > '9') { /* the point, whatever the locale says it is */
			point = true;
			continue;
		}
		d.digits = d.digits * 10 + (uint64_t)(*at - '0');
		d.exponent -= point;
	}
	d.exponent += *at == 'e' ? (int)strtol(at + 1, NULL, 10) : 0;
	return d;
}

bool number_multiple(const json_t *value, const json_t *of)
{
	struct decimal a = decimal_of(value), b = decimal_of(of);
	int shift = a.exponent - b.exponent;

	if (a.digits == 0 || b.digits == 0)
		return a.digits == 0;
	for (; shift < 0 && a.digits % 10 == 0; shift++)
		a.digits /= 10;
	for (; shift < 0 && b.digits <= UINT64_MAX / 10; shift++)
		b.digits *= 10;
	if (shift < 0)
		return false; /* a is not zero, and smaller than any multiple */
	wide rest = a.digits % b.digits;
	for (; shift > 0 && rest != 0; shift--)
		rest = rest * 10 % b.digits;
	return rest == 0;
}

bool json_same(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_number(a) && json_is_number(b))
		return number_compare(a, b) == 0;
	if (json_typeof(a) != json_typeof(b))
		return false;
	if (json_is_array(a)) {
		if (json_array_size(a) != json_array_size(b))
			return false;
		json_array_foreach(a, i, value)
			if (!json_same(value, json_array_get(b, i)))
				return false;
		return true;
	}
	if (json_is_object(a)) {
		if (json_object_size(a) != json_object_size(b))
			return false;
		json_object_foreach((json_t *)a, key, value) {
			const json_t *other = json_object_get(b, key);
			if (other == NULL || !json_same(value, other))
				return false;
		}
		return true;
	}
	return json_equal(a, b) != 0;
}

static uint64_t mix(uint64_t h, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < len; i++)
		h = (h ^ at[i]) * 0x100000001b3;
	return h;
}

uint64_t json_hash(const json_t *value)
{
	uint64_t h = 0xcbf29ce484222325 + (uint64_t)(json_is_number(value) ? JSON_REAL : json_typeof(value));
	const char *key;
	json_t *inner;
	size_t i;

	if (json_is_number(value)) {
		double real = json_number_value(value) + 0.0; /* no minus zero */
		return mix(h, &real, sizeof real);
	}
	if (json_is_string(value))
		return mix(h, json_string_value(value), json_string_length(value));
	json_array_foreach(value, i, inner) {
		uint64_t one = json_hash(inner);
		h = mix(h, &one, sizeof one);
	}
	json_object_foreach((json_t *)value, key, inner) /* in any order */
		h += mix(json_hash(inner), key, strlen(key)) | 1;
	return h;
}
