/* hidden.c - the table of characters that a reader does not see, or that act on a terminal. ASCII is not its business. */
#include "tools/hidden.h"

#include "base/banned.h"

#define BIDI offsetof(struct findings, bidirectional)
#define INVISIBLE offsetof(struct findings, invisible)
#define CONTROL offsetof(struct findings, control)
#define TAG offsetof(struct findings, tags)

/* Sorted. From the Unicode 15 properties Bidi_Control, Default_Ignorable_Code_Point and the control
 * and format categories; without the Arabic and Syriac number signs, which are visible. */
static const struct hidden hidden[] = {
	{ 0x80, 0x9f, CONTROL },
	{ 0xad, 0xad, INVISIBLE },   /* soft hyphen */
	{ 0x34f, 0x34f, INVISIBLE }, /* combining grapheme joiner */
	{ 0x61c, 0x61c, BIDI },
	{ 0x115f, 0x1160, INVISIBLE }, /* Hangul fillers */
	{ 0x17b4, 0x17b5, INVISIBLE },
	{ 0x180b, 0x180f, INVISIBLE },
	{ 0x200b, 0x200d, INVISIBLE },
	{ 0x200e, 0x200f, BIDI },
	{ 0x2028, 0x2029, CONTROL }, /* line and paragraph separator */
	{ 0x202a, 0x202e, BIDI },
	{ 0x2060, 0x2065, INVISIBLE },
	{ 0x2066, 0x2069, BIDI },
	{ 0x206a, 0x206f, INVISIBLE },
	{ 0x3164, 0x3164, INVISIBLE },
	{ 0xfe00, 0xfe0f, INVISIBLE }, /* variation selectors, but see plain_style */
	{ 0xfeff, 0xfeff, INVISIBLE },
	{ 0xffa0, 0xffa0, INVISIBLE },
	{ 0xfff0, 0xfffb, INVISIBLE },
	{ 0x13430, 0x1343f, INVISIBLE },
	{ 0x1bca0, 0x1bca3, INVISIBLE },
	{ 0x1d173, 0x1d17a, INVISIBLE },
	{ 0xe0000, 0xe007f, TAG },
	{ 0xe0080, 0xe0fff, INVISIBLE }, /* with the supplementary variation selectors */
};

const struct hidden *hidden_find(uint32_t c)
{
	size_t low = 0, high = COUNT(hidden);

	if (c < hidden[0].first)
		return NULL;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (c > hidden[middle].last)
			low = middle + 1;
		else if (c < hidden[middle].first)
			high = middle;
		else
			return &hidden[middle];
	}
	return NULL;
}

uint32_t utf8_decode(const unsigned char *s, size_t len)
{
	uint32_t c = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (s[i] & 0x3fu);
	return c;
}
