/* columns.c - how wide text is. The tables are glibc's, asked in the locale C.UTF-8 whatever the user's is: they follow
 * Unicode, are there already, and tmux and most terminals measure alike. It does not know what a terminal joins by itself. */
#include "tui/columns.h"

#include <locale.h>
#include <wchar.h>

#include "base/banned.h"

uint32_t char_take(struct str *rest)
{
	const unsigned char *s = (const unsigned char *)rest->ptr;
	size_t n = utf8_length(s, rest->len);
	uint32_t c = s[0];

	if (n == 0)
		c = 0xfffd;
	else if (n > 1)
		c &= 0xffu >> (n + 1);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (s[i] & 0x3f);
	*rest = str_skip(*rest, MAX(n, (size_t)1));
	return c;
}

size_t char_columns(uint32_t c)
{
	static locale_t utf8;

	if (c < 0x300)
		return c == 0xad ? 0 : 1;
	if (utf8 == NULL)
		utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	if (utf8 == NULL)
		return 1; /* a C library without it */
	locale_t before = uselocale(utf8);
	int columns = wcwidth((wchar_t)c);
	uselocale(before);
	return columns < 0 ? 1 : (size_t)columns;
}

size_t colour_length(struct str text)
{
	if (!str_starts(text, STR("\033[")))
		return 0;
	size_t n = 2;
	while (n < text.len && (text.ptr[n] == ';' || (text.ptr[n] >= '0' && text.ptr[n] <= '9')))
		n++;
	return n < text.len && text.ptr[n] == 'm' ? n + 1 : 0;
}

size_t columns_of(struct str line)
{
	size_t columns = 0, n;

	while (line.len > 0) {
		if ((n = colour_length(line)) > 0)
			line = str_skip(line, n);
		else
			columns += char_columns(char_take(&line));
	}
	return columns;
}

void columns_cut(struct str line, size_t columns, struct buf *ret)
{
	bool coloured = false;
	size_t used = 0, n;

	while (line.len > 0) {
		if ((n = colour_length(line)) > 0) {
			coloured = true;
			buf_add(ret, line.ptr, n);
			line = str_skip(line, n);
			continue;
		}
		struct str rest = line;
		used += char_columns(char_take(&rest));
		if (used > columns)
			break;
		buf_add(ret, line.ptr, line.len - rest.len);
		line = rest;
	}
	if (line.len > 0 && coloured)
		buf_add_text(ret, "\033[0m");
}
