/* diff.c - lines that went and lines that came. What both texts share at their ends is set aside; the rest is compared
 * by its longest common subsequence. Where that would take too much, the whole rest goes and comes. */
#include "cli/diff.h"

#include <string.h>

#include "base/limits.h"

#include "base/banned.h"

enum { CONTEXT = 3 };

struct lines {
	struct str *list;
	size_t count;
};

struct line {                          /* of the result */
	char sign;                     /* ' ', '-', '+' */
	struct str text;
};

struct script {
	struct line *lines;
	size_t count;
};

static struct lines split(struct str text)
{
	struct lines l = { 0 };

	while (text.len > 0) {
		const char *end = memchr(text.ptr, '\n', text.len);
		size_t len = end != NULL ? (size_t)(end - text.ptr) + 1 : text.len;
		if ((l.count & (l.count - 1)) == 0)
			l.list = xrealloc(l.list, MAX(l.count * 2, (size_t)1) * sizeof *l.list);
		l.list[l.count++] = (struct str){ text.ptr, len };
		text = str_skip(text, len);
	}
	return l;
}

static void add(struct script *s, char sign, struct str text)
{
	if ((s->count & (s->count - 1)) == 0)
		s->lines = xrealloc(s->lines, MAX(s->count * 2, (size_t)1) * sizeof *s->lines);
	s->lines[s->count++] = (struct line){ sign, text };
}

static void add_all(struct script *s, char sign, const struct lines *from, size_t first, size_t count)
{
	for (size_t i = 0; i < count; i++)
		add(s, sign, from->list[first + i]);
}

/* length[i][j]: of the longest common part of what is left from a[i] and b[j] on. */
static void compare(struct script *s, const struct lines *a, const struct lines *b, size_t from, size_t n, size_t m)
{
	if (n == 0 || m == 0 || n > LIMIT_DIFF_CELLS / m) {
		add_all(s, '-', a, from, n);
		add_all(s, '+', b, from, m);
		return;
	}
	AUTO(freep) uint32_t *length = xcalloc((n + 1) * (m + 1), sizeof *length);
	for (size_t i = n; i-- > 0;)
		for (size_t j = m; j-- > 0;)
			length[i * (m + 1) + j] = str_eq(a->list[from + i], b->list[from + j])
				? length[(i + 1) * (m + 1) + j + 1] + 1
				: MAX(length[(i + 1) * (m + 1) + j], length[i * (m + 1) + j + 1]);
	size_t i = 0, j = 0;
	while (i < n && j < m) {
		if (str_eq(a->list[from + i], b->list[from + j])) {
			add(s, ' ', a->list[from + i++]);
			j++;
		} else if (length[(i + 1) * (m + 1) + j] >= length[i * (m + 1) + j + 1]) {
			add(s, '-', a->list[from + i++]);
		} else {
			add(s, '+', b->list[from + j++]);
		}
	}
	add_all(s, '-', a, from + i, n - i);
	add_all(s, '+', b, from + j, m - j);
}

static void print_line(const struct line *l, struct buf *ret)
{
	buf_add_char(ret, l->sign);
	buf_add_str(ret, l->text);
	if (l->text.ptr[l->text.len - 1] != '\n')
		buf_add_text(ret, "\n\\ No newline at end of file\n");
}

/* Where the hunk that has the change at `at` ends: before a gap that no context bridges. */
static size_t hunk_end(const struct script *s, size_t at)
{
	size_t last = at;

	for (size_t i = at; i < s->count && i <= last + 2 * CONTEXT; i++)
		if (s->lines[i].sign != ' ')
			last = i;
	return MIN(last + CONTEXT + 1, s->count);
}

static void print_hunks(const struct script *s, struct buf *ret)
{
	size_t old = 1, new = 1, done = 0;

	for (size_t i = 0; i < s->count;) {
		if (s->lines[i].sign == ' ') {
			i++;
			continue;
		}
		size_t from = MAX(i > CONTEXT ? i - CONTEXT : 0, done), end = hunk_end(s, i), olds = 0, news = 0;
		for (; done < from; done++) {
			old += s->lines[done].sign != '+';
			new += s->lines[done].sign != '-';
		}
		for (size_t k = from; k < end; k++) {
			olds += s->lines[k].sign != '+';
			news += s->lines[k].sign != '-';
		}
		buf_printf(ret, "@@ -%zu,%zu +%zu,%zu @@\n", olds > 0 ? old : old - 1, olds, news > 0 ? new : new - 1, news);
		for (; done < end; done++)
			print_line(&s->lines[done], ret);
		old += olds;
		new += news;
		i = end;
	}
}

void diff_text(struct str before, struct str after, struct buf *ret)
{
	struct lines a = split(before), b = split(after);
	struct script s = { 0 };
	size_t head = 0, tail = 0;

	while (head < a.count && head < b.count && str_eq(a.list[head], b.list[head]))
		head++;
	while (tail < a.count - head && tail < b.count - head && str_eq(a.list[a.count - 1 - tail], b.list[b.count - 1 - tail]))
		tail++;
	add_all(&s, ' ', &a, 0, head);
	compare(&s, &a, &b, head, a.count - head - tail, b.count - head - tail);
	add_all(&s, ' ', &a, a.count - tail, tail);
	print_hunks(&s, ret);
	free(s.lines);
	free(a.list);
	free(b.list);
}
