/* screen.c - paints a block over itself. Lines that are the same are stepped over, nothing is cleared that is not written
 * again, and nothing above the block is ever touched: it belongs to the terminal's scrollback. */
#include "tui/screen.h"

#include "tui/columns.h"

#include "base/banned.h"

void screen_forget(struct screen *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->lines[i]);
	s->count = s->row = s->column = 0;
}

void screen_done(struct screen *s)
{
	screen_forget(s);
}

/* A terminal that became narrower has wrapped the old lines: they take more rows then. */
static size_t rows_of(const struct screen *s, size_t from, size_t to, size_t width)
{
	size_t rows = 0;

	for (size_t i = from; i < to; i++)
		rows += MAX((columns_of(str_of(s->lines[i])) + width - 1) / width, (size_t)1);
	return rows;
}

/* To the first column of the first row. */
static void go_home(const struct screen *s, size_t width, struct buf *ret)
{
	if (s->count == 0)
		return;
	size_t up = rows_of(s, 0, s->row, width) + s->column / width;
	buf_add_char(ret, '\r');
	if (up > 0)
		buf_printf(ret, "\033[%zuA", up);
}

void screen_clear(struct screen *s, struct buf *ret)
{
	if (s->count > 0) {
		go_home(s, MAX(s->width, (size_t)1), ret);
		buf_add_text(ret, "\033[J");
	}
	screen_forget(s);
}

static void go_to_cursor(struct screen *s, const struct screen_look *look, struct buf *ret)
{
	s->row = MIN(look->row, s->count - 1);
	s->column = MIN(look->column, look->width - 1);
	if (s->count - 1 > s->row)
		buf_printf(ret, "\033[%zuA", s->count - 1 - s->row);
	buf_add_char(ret, '\r');
	if (s->column > 0)
		buf_printf(ret, "\033[%zuC", s->column);
}

static bool is_same(const struct screen *s, const struct screen_look *look)
{
	if (look->above.len > 0 || s->count != look->count || s->width != look->width || s->row != look->row ||
	    s->column != look->column)
		return false;
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->lines[i], look->lines[i]) != 0)
			return false;
	return true;
}

void screen_show(struct screen *s, const struct screen_look *look, struct buf *ret)
{
	size_t count = MIN(look->count, (size_t)SCREEN_LINES), old = s->count;
	bool afresh = look->above.len > 0 || look->width != s->width || rows_of(s, 0, old, look->width) != old;

	if (is_same(s, look))
		return;
	go_home(s, look->width, ret);
	if (old > 0 && afresh)
		buf_add_text(ret, "\033[J");
	buf_add_str(ret, look->above);
	if (count == 0) {
		if (!afresh && old > 0)
			buf_add_text(ret, "\033[J");
		screen_forget(s);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct buf line = BUF_INIT(KIB(64));
		columns_cut(str_of(look->lines[i]), look->width - 1, &line);
		bool over = !afresh && i < old, same = over && strcmp(s->lines[i], buf_text(&line)) == 0;
		if (!same)
			buf_printf(ret, "%s%s", buf_text(&line), over ? "\033[K" : "");
		if (i + 1 < count)
			buf_add_text(ret, "\r\n");
		if (i < old)
			free(s->lines[i]);
		s->lines[i] = buf_take(&line);
	}
	for (size_t i = count; i < old; i++)
		free(s->lines[i]);
	if (!afresh && count < old)
		buf_add_text(ret, count > 0 ? "\r\n\033[J\033[A" : "\033[J");
	s->count = count;
	s->width = look->width;
	go_to_cursor(s, look, ret);
}
