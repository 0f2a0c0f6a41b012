/* wrap.c - breaks lines that are too wide at the last blank that fits. Colours go on over the break. It reads no Markdown. */
#include "tui/wrap.h"

#include "tui/columns.h"

#include "base/banned.h"

/* Bytes of the line that are shown in the first row; less than the line: a blank follows there. */
static size_t row_of(struct str line, size_t columns)
{
	struct str rest = line;
	size_t used = 0, blank = 0, n;
	bool word = false;

	while (rest.len > 0) {
		if ((n = colour_length(rest)) > 0) {
			rest = str_skip(rest, n);
			continue;
		}
		if (*rest.ptr == ' ' && word)
			blank = line.len - rest.len;
		word |= *rest.ptr != ' ';
		used += char_columns(char_take(&rest));
		if (used > columns && blank > 0)
			return blank;
	}
	return line.len;
}

static size_t indent_of(struct str line)
{
	size_t n = 0;

	while (n < line.len && line.ptr[n] == ' ')
		n++;
	return n;
}

static void wrap_line(struct str line, size_t columns, struct buf *ret)
{
	size_t indent = MIN(indent_of(line) + 2, columns / 2), before = 0;

	for (;;) {
		size_t taken = row_of(line, columns - before);
		buf_printf(ret, "%*s%.*s\n", (int)before, "", (int)taken, line.ptr);
		line = str_skip(line, taken);
		line = str_skip(line, indent_of(line));
		if (line.len == 0)
			return;
		before = indent;
	}
}

void wrap_text(struct str text, size_t columns, struct buf *ret)
{
	struct str line;

	while (text.len > 0 && str_next(&text, '\n', &line))
		wrap_line(line, columns, ret);
}
