/* table.c - what fits, and how wide. It knows no numbers: a cell is a text. It never breaks a line in two. */
#include "cli/table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "cli/text.h"

#include "base/banned.h"

enum { GAP = 2, COLUMNS_MOST = 24 };

struct table {
	const struct table_column *columns;
	size_t count, rows;
	char **cells;                 /* rows × count */
};

struct fit { size_t width[COLUMNS_MOST]; bool gone[COLUMNS_MOST]; };

struct table *table_new(const struct table_column *columns, size_t count)
{
	struct table *t = xcalloc(1, sizeof *t);

	assert(count <= COLUMNS_MOST);
	*t = (struct table){ .columns = columns, .count = count };
	return t;
}

void table_free(struct table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->rows * t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

void table_add(struct table *t, const char *const *cells)
{
	if ((t->rows & (t->rows - 1)) == 0)
		t->cells = xrealloc(t->cells, MAX(t->rows * 2, (size_t)1) * t->count * sizeof *t->cells);
	for (size_t i = 0; i < t->count; i++) {
		AUTO(buf_done) struct buf clean = BUF_INIT(KIB(4));
		text_add(&clean, cells[i] != NULL ? cells[i] : "", 1000);
		t->cells[t->rows * t->count + i] = buf_take(&clean);
	}
	t->rows++;
}

static size_t least_of(const struct table *t, const struct fit *f, size_t i)
{
	return t->columns[i].least > 0 ? MIN(f->width[i], t->columns[i].least) : f->width[i];
}

/* The columns that are shown take so much, texts cut as far as they may be, or not at all. */
static size_t total(const struct table *t, const struct fit *f, bool cut)
{
	size_t sum = 0;

	for (size_t i = 0; i < t->count; i++)
		if (!f->gone[i])
			sum += (sum > 0 ? GAP : 0) + (cut ? least_of(t, f, i) : f->width[i]);
	return sum;
}

static bool drop_one(const struct table *t, struct fit *f)
{
	size_t first = SIZE_MAX;

	for (size_t i = 0; i < t->count; i++)
		if (!f->gone[i] && t->columns[i].drop > 0 && (first == SIZE_MAX || t->columns[i].drop < t->columns[first].drop))
			first = i;
	if (first != SIZE_MAX)
		f->gone[first] = true;
	return first != SIZE_MAX;
}

static void fit(const struct table *t, size_t width, struct fit *f)
{
	for (size_t i = 0; i < t->count; i++) {
		f->width[i] = text_columns(str_of(t->columns[i].head));
		for (size_t row = 0; row < t->rows; row++)
			f->width[i] = MAX(f->width[i], text_columns(str_of(t->cells[row * t->count + i])));
	}
	while (total(t, f, true) > width && drop_one(t, f))
		;
	for (size_t i = t->count; i-- > 0;) { /* the last text gives way first */
		size_t all = total(t, f, false);
		if (all > width && !f->gone[i])
			f->width[i] -= MIN(all - width, f->width[i] - least_of(t, f, i));
	}
}

static void add_cell(struct buf *line, const struct table_column *column, const char *text, size_t width, bool last)
{
	size_t start = line->len, columns = text_columns(str_of(text));

	if (column->least == 0)
		buf_printf(line, "%*s", (int)(width - MIN(columns, width)), "");
	text_cut(line, str_of(text), column->least == 0 ? MAX(columns, width) : width);
	if (!last)
		text_pad(line, start, width);
}

/* cells NULL: the heads. */
static void add_cells(const struct table *t, const struct fit *f, char *const *cells, struct buf *line)
{
	size_t end = t->count, start = line->len;

	while (end > 0 && f->gone[end - 1])
		end--;
	for (size_t i = 0; i < end; i++) {
		if (f->gone[i])
			continue;
		if (line->len > start)
			buf_printf(line, "%*s", GAP, "");
		add_cell(line, &t->columns[i], cells != NULL ? cells[i] : t->columns[i].head, f->width[i], i + 1 == end);
	}
	while (line->len > start && line->ptr[line->len - 1] == ' ')
		line->ptr[--line->len] = '\0';
}

void table_write(const struct table *t, size_t width, const char *ink, const char *plain, struct buf *ret)
{
	struct fit f = { 0 };

	fit(t, width, &f);
	buf_add_text(ret, ink);
	add_cells(t, &f, NULL, ret);
	buf_add_text(ret, plain);
	buf_add_char(ret, '\n');
	for (size_t row = 0; row < t->rows; row++) {
		add_cells(t, &f, t->cells + row * t->count, ret);
		buf_add_char(ret, '\n');
	}
}
