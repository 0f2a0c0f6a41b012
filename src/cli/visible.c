/* visible.c - look-alikes. It knows the letters of other scripts that print as ASCII does in common fonts; what it
 * does not know it shows as it is. It makes no judgement about whole names: only the person can. */
#include "cli/visible.h"

#include <string.h>

#include "tools/tool.h"

#include "base/banned.h"

/* Sorted. Cyrillic, Greek, Armenian, Latin extensions, spaces, punctuation; then whole blocks of styled letters. */
static const struct { uint32_t first, last; } alike[] = {
	{ 0xa0, 0xa0 },     { 0x131, 0x131 },   { 0x17f, 0x17f },   { 0x1c0, 0x1c3 },   { 0x251, 0x251 },   { 0x261, 0x261 },
	{ 0x2b9, 0x2bc },   { 0x2c2, 0x2c3 },   { 0x2c6, 0x2c6 },   { 0x2c8, 0x2c8 },   { 0x2d7, 0x2d7 },   { 0x2dc, 0x2dc },
	{ 0x37e, 0x37e },   { 0x391, 0x392 },   { 0x395, 0x397 },   { 0x399, 0x39a },   { 0x39c, 0x39d },   { 0x39f, 0x39f },
	{ 0x3a1, 0x3a1 },   { 0x3a4, 0x3a5 },   { 0x3a7, 0x3a7 },   { 0x3b1, 0x3b1 },   { 0x3b3, 0x3b3 },   { 0x3b9, 0x3b9 },
	{ 0x3bd, 0x3bd },   { 0x3bf, 0x3bf },   { 0x3c1, 0x3c1 },   { 0x3c5, 0x3c5 },   { 0x3f2, 0x3f3 },   { 0x3f9, 0x3f9 },
	{ 0x405, 0x406 },   { 0x408, 0x408 },   { 0x410, 0x410 },   { 0x412, 0x412 },   { 0x415, 0x415 },   { 0x41a, 0x41a },
	{ 0x41c, 0x41e },   { 0x420, 0x423 },   { 0x425, 0x425 },   { 0x430, 0x430 },   { 0x435, 0x435 },   { 0x43e, 0x43e },
	{ 0x440, 0x441 },   { 0x443, 0x443 },   { 0x445, 0x445 },   { 0x455, 0x456 },   { 0x458, 0x458 },   { 0x475, 0x475 },
	{ 0x4ae, 0x4af },   { 0x4bb, 0x4bb },   { 0x4c0, 0x4c0 },   { 0x4cf, 0x4cf },   { 0x501, 0x501 },   { 0x50c, 0x50c },
	{ 0x51a, 0x51d },   { 0x54d, 0x54d },   { 0x555, 0x555 },   { 0x561, 0x561 },   { 0x570, 0x570 },   { 0x578, 0x578 },
	{ 0x57d, 0x57d },   { 0x581, 0x581 },   { 0x585, 0x585 },   { 0x1d00, 0x1d22 }, { 0x2000, 0x200a }, { 0x2010, 0x2015 },
	{ 0x2018, 0x201b }, { 0x2024, 0x2024 }, { 0x202f, 0x202f }, { 0x2032, 0x2032 }, { 0x2035, 0x2035 }, { 0x2039, 0x203a },
	{ 0x2044, 0x2044 }, { 0x2053, 0x2053 }, { 0x205f, 0x205f }, { 0x2102, 0x2138 }, { 0x2160, 0x217f }, { 0x2212, 0x2212 },
	{ 0x2215, 0x2217 }, { 0x2223, 0x2223 }, { 0x223c, 0x223c }, { 0x2571, 0x2573 }, { 0x25cb, 0x25cb }, { 0x29f5, 0x29f9 },
	{ 0x2c60, 0x2c7f }, { 0x3000, 0x3000 }, { 0xa4d0, 0xa4ff }, { 0xa731, 0xa731 }, { 0xab32, 0xab32 }, { 0xff01, 0xff5e },
	{ 0x10280, 0x1031f }, { 0x1d400, 0x1d7ff }, { 0x1f130, 0x1f169 },
};

static bool passes_for_ascii(uint32_t c)
{
	size_t low = 0, high = COUNT(alike);

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (c > alike[middle].last)
			low = middle + 1;
		else if (c < alike[middle].first)
			high = middle;
		else
			return true;
	}
	return false;
}

static size_t character(struct str s, uint32_t *ret)
{
	size_t n = utf8_length((const unsigned char *)s.ptr, s.len);

	*ret = (unsigned char)s.ptr[0];
	if (n < 2)
		return 1;
	*ret &= 0xffu >> (n + 1);
	for (size_t i = 1; i < n; i++)
		*ret = *ret << 6 | ((unsigned char)s.ptr[i] & 0x3f);
	return n;
}

/* Letters of the two scripts whose everyday words look-alikes are part of. */
static bool is_cyrillic_or_greek(uint32_t c)
{
	return (c >= 0x370 && c <= 0x3ff) || (c >= 0x400 && c <= 0x52f);
}

static bool is_ascii_letter(uint32_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(uint32_t c)
{
	return is_ascii_letter(c) || c >= 0xc0;
}

static void add_word(struct str word, struct buf *ret)
{
	bool ascii = false, own = false;
	uint32_t c;
	size_t n;

	for (struct str rest = word; rest.len > 0; rest = str_skip(rest, n)) {
		n = character(rest, &c);
		ascii |= is_ascii_letter(c);
		own |= is_cyrillic_or_greek(c) && !passes_for_ascii(c);
	}
	for (; word.len > 0; word = str_skip(word, n)) {
		n = character(word, &c);
		if (passes_for_ascii(c) && (ascii || !own || !is_cyrillic_or_greek(c)))
			buf_printf(ret, "<U+%04X>", (unsigned)c);
		else
			buf_add(ret, word.ptr, n);
	}
}

void visible_text(struct str text, struct buf *ret)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_JSON_BYTES);
	uint32_t c;

	sanitize_text(text, &clean);
	for (struct str rest = buf_str(&clean); rest.len > 0;) {
		size_t len = 0;
		while (len < rest.len) {
			size_t n = character(str_skip(rest, len), &c);
			if (!is_word(c))
				break;
			len += n;
		}
		if (len > 0) {
			add_word((struct str){ rest.ptr, len }, ret);
			rest = str_skip(rest, len);
			continue;
		}
		size_t n = character(rest, &c);
		add_word((struct str){ rest.ptr, n }, ret);
		rest = str_skip(rest, n);
	}
}

static json_t *visible_string(struct str text)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_JSON_BYTES);

	visible_text(text, &clean);
	return json_stringn_nocheck(buf_text(&clean), clean.len);
}

static json_t *visible_object(const json_t *value)
{
	json_t *all = json_object(), *one;
	const char *key;

	json_object_foreach((json_t *)value, key, one) {
		AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_JSON_BYTES);
		visible_text(str_of(key), &clean);
		if (json_object_get(all, buf_text(&clean)) != NULL)
			buf_add(&clean, " (again)", 8);
		json_put(all, buf_text(&clean), visible_json(one));
	}
	return all;
}

json_t *visible_json(const json_t *value)
{
	if (json_is_object(value))
		return visible_object(value);
	if (json_is_string(value))
		return visible_string((struct str){ json_string_value(value), json_string_length(value) });
	if (!json_is_array(value))
		return json_deep_copy(value);
	json_t *all = json_array();
	for (size_t i = 0; i < json_array_size(value); i++)
		json_array_append_new(all, visible_json(json_array_get(value, i)));
	return all;
}
