/* text.c - text in columns, measured as tui/columns.h does. */
#include "cli/text.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/tool.h"
#include "tui/columns.h"

#include "base/banned.h"

enum { WIDTH_ELSE = 100, WIDTH_LEAST = 40 };

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
		columns += char_columns(character(text, &n));
	return columns;
}

void text_cut(struct buf *ret, struct str clean, size_t columns)
{
	bool fits = text_columns(clean) <= columns;
	size_t room = fits ? columns : columns - MIN(columns, (size_t)3), used = 0, n;

	for (; clean.len > 0; clean = str_skip(clean, n)) {
		used += char_columns(character(clean, &n));
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
