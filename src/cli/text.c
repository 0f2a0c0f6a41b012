/* text.c - text in columns. It knows the width of characters roughly, by blocks: a wrong guess moves a
 * column, and never more than that. */
#include "cli/text.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/tool.h"

#include "base/banned.h"

enum { WIDTH_ELSE = 100, WIDTH_LEAST = 40 };

static const struct { uint32_t first, last; size_t columns; } blocks[] = {
	{ 0x300, 0x36f, 0 },     { 0x483, 0x489, 0 },     { 0x591, 0x5bd, 0 },     { 0x610, 0x61a, 0 },
	{ 0x64b, 0x65f, 0 },     { 0x1100, 0x115f, 2 },   { 0x1ab0, 0x1aff, 0 },   { 0x1dc0, 0x1dff, 0 },
	{ 0x20d0, 0x20ff, 0 },   { 0x231a, 0x231b, 2 },   { 0x2e80, 0x303e, 2 },   { 0x3041, 0xa4cf, 2 },
	{ 0xac00, 0xd7a3, 2 },   { 0xf900, 0xfaff, 2 },   { 0xfe00, 0xfe0f, 0 },   { 0xfe20, 0xfe2f, 0 },
	{ 0xfe30, 0xfe6f, 2 },   { 0xff00, 0xff60, 2 },   { 0xffe0, 0xffe6, 2 },   { 0x1f300, 0x1f64f, 2 },
	{ 0x1f680, 0x1f6ff, 2 }, { 0x1f900, 0x1faff, 2 }, { 0x20000, 0x3fffd, 2 },
};

static size_t columns_of(uint32_t c)
{
	for (size_t i = 0; i < COUNT(blocks) && blocks[i].first <= c; i++)
		if (c <= blocks[i].last)
			return blocks[i].columns;
	return 1;
}

/* The character at the front; *ret_len: its bytes, at least one. */
static uint32_t character(struct str text, size_t *ret_len)
{
	const unsigned char *s = (const unsigned char *)text.ptr;
	size_t n = utf8_length(s, text.len);

	*ret_len = MAX(n, (size_t)1);
	if (n < 2)
		return s[0];
	uint32_t c = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (s[i] & 0x3f);
	return c;
}

size_t text_columns(struct str text)
{
	size_t columns = 0, n;

	for (; text.len > 0; text = str_skip(text, n))
		columns += columns_of(character(text, &n));
	return columns;
}

void text_cut(struct buf *ret, struct str clean, size_t columns)
{
	bool fits = text_columns(clean) <= columns;
	size_t room = fits ? columns : columns - MIN(columns, (size_t)3), used = 0, n;

	for (; clean.len > 0; clean = str_skip(clean, n)) {
		used += columns_of(character(clean, &n));
		if (used > room)
			break;
		if (n == 1 && (*clean.ptr == '\n' || *clean.ptr == '\t'))
			buf_add_char(ret, ' ');
		else
			buf_add(ret, clean.ptr, n);
	}
	if (!fits)
		buf_add(ret, "...", MIN(columns, (size_t)3));
}

void text_add(struct buf *ret, const char *text, size_t columns)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_JSON_BYTES);

	sanitize_shown(str_trim(str_of(text)), &clean);
	text_cut(ret, buf_str(&clean), columns);
}

void text_pad(struct buf *ret, size_t start, size_t columns)
{
	for (size_t used = text_columns(str_skip(buf_str(ret), start)); used < columns; used++)
		buf_add_char(ret, ' ');
}

size_t text_width(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return WIDTH_ELSE;
	return MAX((size_t)size.ws_col, (size_t)WIDTH_LEAST);
}

size_t text_height(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 ? 24 : size.ws_row;
}
