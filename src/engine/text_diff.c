/* text_diff.c - the shortest list of changed lines, by Myers' greedy search, bounded in steps. It refuses nothing: where
 * the bound is reached, everything between the common beginning and end is replaced. */
#include "engine/text_diff.h"

#include <stdio.h>

#include "base/limits.h"
#include "base/banned.h"

enum { AROUND = 3, LOOKED_AT = 8000 };

bool text_is_binary(struct str bytes)
{
	if (bytes.len > 0 && memchr(bytes.ptr, '\0', MIN(bytes.len, (size_t)LOOKED_AT)) != NULL)
		return true;
	for (size_t i = 0; i < bytes.len;) {
		size_t n = utf8_length((const unsigned char *)bytes.ptr + i, bytes.len - i);
		if (n == 0)
			return true;
		i += n;
	}
	return false;
}

struct lines {
	struct str *at;
	size_t count;
	bool ends;                     /* with a line break */
};

static struct lines split(struct str text)
{
	struct lines lines = { .ends = text.len == 0 || text.ptr[text.len - 1] == '\n' };
	size_t room = 0;

	while (text.len > 0) {
		const char *end = memchr(text.ptr, '\n', text.len);
		size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
		if (lines.count == room)
			lines.at = xrealloc(lines.at, (room = room * 2 + 64) * sizeof *lines.at);
		lines.at[lines.count++] = (struct str){ text.ptr, len };
		text = str_skip(text, MIN(len + 1, text.len));
	}
	return lines;
}

struct comparison {
	struct lines a, b;
	bool *gone, *new;              /* which lines of a, of b are not common */
};

static bool same_line(const struct comparison *c, size_t i, size_t k)
{
	bool last_a = i + 1 == c->a.count && !c->a.ends, last_b = k + 1 == c->b.count && !c->b.ends;

	return last_a == last_b && str_eq(c->a.at[i], c->b.at[k]);
}

/* Back along the furthest points of each number of edits. trace[d] holds 2d+1 of them. */
static void mark(struct comparison *c, ptrdiff_t **trace, ptrdiff_t edits, ptrdiff_t base, ptrdiff_t x, ptrdiff_t y)
{
	for (ptrdiff_t d = edits; d > 0; d--) {
		const ptrdiff_t *v = trace[d - 1] + (d - 1);
		ptrdiff_t k = x - y;
		bool down = k == -d || (k != d && v[k - 1] < v[k + 1]);
		ptrdiff_t from = down ? k + 1 : k - 1, old_x = v[from], old_y = old_x - from;
		if (down)
			c->new[base + old_y] = true;
		else
			c->gone[base + old_x] = true;
		x = old_x;
		y = old_y;
	}
}

/* Between the common beginning (base lines) and end: a has n lines there, b has m. False: too many edits. */
static bool search(struct comparison *c, size_t base, ptrdiff_t n, ptrdiff_t m)
{
	ptrdiff_t most = MIN(n + m, (ptrdiff_t)LIMIT_DIFF_EDITS), d = 0;
	AUTO(freep) ptrdiff_t **trace = xcalloc((size_t)most + 1, sizeof *trace);
	bool found = false;

	for (; d <= most && !found; d++) {
		trace[d] = xcalloc((size_t)d * 2 + 1, sizeof **trace);
		ptrdiff_t *v = trace[d] + d, *before = d > 0 ? trace[d - 1] + (d - 1) : NULL;
		for (ptrdiff_t k = -d; k <= d && !found; k += 2) {
			ptrdiff_t x = d == 0 ? 0 : k == -d || (k != d && before[k - 1] < before[k + 1]) ? before[k + 1] : before[k - 1] + 1;
			ptrdiff_t y = x - k;
			while (x < n && y < m && same_line(c, base + (size_t)x, base + (size_t)y))
				x++, y++;
			v[k] = x;
			if (x >= n && y >= m) {
				found = true;
				mark(c, trace, d, (ptrdiff_t)base, x, y);
			}
		}
	}
	for (ptrdiff_t i = 0; i < d; i++)
		free(trace[i]);
	return found;
}

static void compare(struct comparison *c)
{
	size_t begin = 0, end = 0, most = MIN(c->a.count, c->b.count);

	while (begin < most && same_line(c, begin, begin))
		begin++;
	while (end < most - begin && same_line(c, c->a.count - 1 - end, c->b.count - 1 - end))
		end++;
	size_t n = c->a.count - begin - end, m = c->b.count - begin - end;
	if (search(c, begin, (ptrdiff_t)n, (ptrdiff_t)m))
		return;
	for (size_t i = 0; i < n; i++)
		c->gone[begin + i] = true;
	for (size_t i = 0; i < m; i++)
		c->new[begin + i] = true;
}

static void put_line(struct buf *ret, char sign, const struct lines *lines, size_t i)
{
	buf_add_char(ret, sign);
	buf_add_str(ret, lines->at[i]);
	buf_add_char(ret, '\n');
	if (i + 1 == lines->count && !lines->ends)
		buf_add_text(ret, "\\ No newline at end of file\n");
}

/* One hunk from line i of a and k of b: up to the first stretch of common lines that is long enough to part two. */
static void put_hunk(const struct comparison *c, size_t *i, size_t *k, struct buf *ret, struct diff_counts *counts)
{
	size_t back = MIN(MIN(*i, *k), (size_t)AROUND), from_a = *i - back, from_b = *k - back, x = *i, y = *k, common = 0;

	while ((x < c->a.count || y < c->b.count) && common <= 2 * AROUND) {
		if (x < c->a.count && c->gone[x])
			x++, common = 0;
		else if (y < c->b.count && c->new[y])
			y++, common = 0;
		else
			x++, y++, common++;
	}
	size_t cut = common - MIN(common, (size_t)AROUND), to_a = x - cut, to_b = y - cut;
	buf_printf(ret, "@@ -%zu,%zu +%zu,%zu @@\n", from_a + (to_a > from_a), to_a - from_a, from_b + (to_b > from_b),
	           to_b - from_b);
	for (x = from_a, y = from_b; x < to_a || y < to_b;) {
		if (x < to_a && c->gone[x]) {
			put_line(ret, '-', &c->a, x++);
			counts->removed++;
		} else if (y < to_b && c->new[y]) {
			put_line(ret, '+', &c->b, y++);
			counts->added++;
		} else {
			put_line(ret, ' ', &c->a, x++);
			y++;
		}
	}
	*i = to_a;
	*k = to_b;
}

void text_diff(struct str before, struct str after, struct buf *ret, struct diff_counts *ret_counts)
{
	struct comparison c = { .a = split(before), .b = split(after) };
	struct diff_counts counts = { 0 };
	size_t i = 0, k = 0;

	c.gone = xcalloc(c.a.count + 1, sizeof *c.gone);
	c.new = xcalloc(c.b.count + 1, sizeof *c.new);
	compare(&c);
	while (i < c.a.count || k < c.b.count) {
		bool differs = (i < c.a.count && c.gone[i]) || (k < c.b.count && c.new[k]);
		if (differs)
			put_hunk(&c, &i, &k, ret, &counts);
		else
			i++, k++;
	}
	free(c.a.at);
	free(c.b.at);
	free(c.gone);
	free(c.new);
	*ret_counts = counts;
}
