/* markdown.c - Markdown on a terminal: headings, emphasis, code, lists, quotes, tables, links. A line is rendered when it is
 * whole and never changed after that, so that it can scroll away. No HTML, no references across lines: text that is no
 * Markdown comes out as it is. */
#include "tui/markdown.h"

#include "tui/columns.h"

#include "base/banned.h"

#define BOLD      "\033[1m"
#define DIM       "\033[2m"
#define ITALIC    "\033[3m"
#define UNDERLINE "\033[4m"
#define STRIKE    "\033[9m"
#define CODE      "\033[36m"
#define RED       "\033[31m"
#define GREEN     "\033[32m"
#define PLAIN     "\033[0m"

enum { TABLE_COLUMNS = 16, NESTED_MOST = 4, LINE_BYTES = 1024 * 1024 };

void markdown_init(struct markdown *m, size_t width, bool color)
{
	*m = (struct markdown){ .width = MAX(width, (size_t)20), .color = color, .table = BUF_INIT(KIB(64)) };
}

void markdown_done(struct markdown *m)
{
	buf_done(&m->table);
}

static const char *paint(const struct markdown *m, const char *code)
{
	return m->color ? code : "";
}

/* No control characters, whoever let them pass; a tab is four columns. */
static void clean(struct str text, struct buf *ret)
{
	while (text.len > 0) {
		struct str at = text;
		uint32_t c = char_take(&text);
		if (c == '\t')
			buf_add_text(ret, "    ");
		else if (c == 0xfffd)
			buf_add_text(ret, "\xef\xbf\xbd");
		else if (c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0))
			buf_add(ret, at.ptr, at.len - text.len);
	}
}

/* ---- within a line ---- */

static bool is_word(struct str all, size_t at)
{
	unsigned char c = at < all.len ? (unsigned char)all.ptr[at] : ' ';

	return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t find(struct str text, size_t from, struct str what)
{
	const char *at = from < text.len ? memmem(text.ptr + from, text.len - from, what.ptr, what.len) : NULL;

	return at != NULL ? (size_t)(at - text.ptr) : SIZE_MAX;
}

static void spans(const struct markdown *m, struct str s, int depth, struct buf *ret);

struct mark { const char *text, *style; };

/* MARK text MARK, where the text neither begins nor ends with a space; 0: it is none. */
static size_t emphasis(const struct markdown *m, struct str s, size_t at, int depth, struct buf *ret)
{
	static const struct mark marks[] = {
		{ "**", BOLD }, { "__", BOLD }, { "~~", STRIKE }, { "*", ITALIC }, { "_", ITALIC },
	};

	for (size_t i = 0; i < COUNT(marks); i++) {
		struct str mark = str_of(marks[i].text);
		size_t from = at + mark.len;
		if (!str_starts(str_skip(s, at), mark))
			continue;
		if (from >= s.len || s.ptr[from] == ' ' || (*mark.ptr == '_' && at > 0 && is_word(s, at - 1)))
			return 0;
		size_t end = find(s, from, mark);
		if (end == SIZE_MAX || end == from || s.ptr[end - 1] == ' ' || (*mark.ptr == '_' && is_word(s, end + mark.len)))
			continue;
		buf_add_text(ret, paint(m, marks[i].style));
		spans(m, (struct str){ s.ptr + from, end - from }, depth + 1, ret);
		buf_add_text(ret, paint(m, PLAIN));
		return end + mark.len - at;
	}
	return 0;
}

/* Text between as many backticks as it begins with; taken as it is. */
static size_t code(const struct markdown *m, struct str s, size_t at, struct buf *ret)
{
	size_t n = 0;

	while (at + n < s.len && s.ptr[at + n] == '`')
		n++;
	size_t end = find(s, at + n, (struct str){ s.ptr + at, n });
	if (end == SIZE_MAX)
		return 0;
	struct str inner = { s.ptr + at + n, end - at - n };
	buf_add_text(ret, m->color ? CODE : "`");
	buf_add_str(ret, inner);
	buf_add_text(ret, m->color ? PLAIN : "`");
	return end + n - at;
}

/* [text](address): the address is always shown, so that nobody is sent where he does not see. */
static size_t link(const struct markdown *m, struct str s, size_t at, int depth, struct buf *ret)
{
	size_t middle = find(s, at, STR("](")), end = middle != SIZE_MAX ? find(s, middle + 2, STR(")")) : SIZE_MAX;

	if (end == SIZE_MAX || find(s, at + 1, STR("[")) < middle)
		return 0;
	struct str text = { s.ptr + at + 1, middle - at - 1 }, address = { s.ptr + middle + 2, end - middle - 2 };
	if (!str_eq(text, address)) {
		spans(m, text, depth + 1, ret);
		buf_add_text(ret, " (");
	}
	buf_printf(ret, "%s%.*s%s", paint(m, UNDERLINE), STR_ARG(address), paint(m, PLAIN));
	if (!str_eq(text, address))
		buf_add_char(ret, ')');
	return end + 1 - at;
}

static size_t escaped(char c, struct buf *ret)
{
	buf_add_char(ret, c);
	return 2;
}

static void spans(const struct markdown *m, struct str s, int depth, struct buf *ret)
{
	for (size_t i = 0; i < s.len;) {
		size_t taken = 0;
		char c = s.ptr[i];
		if (c == '\\' && i + 1 < s.len && strchr("\\`*_~[]#|-", s.ptr[i + 1]) != NULL)
			taken = escaped(s.ptr[i + 1], ret);
		else if (depth > NESTED_MOST)
			taken = 0;
		else if (c == '`')
			taken = code(m, s, i, ret);
		else if (c == '*' || c == '_' || c == '~')
			taken = emphasis(m, s, i, depth, ret);
		else if (c == '[')
			taken = link(m, s, i, depth, ret);
		if (taken == 0)
			buf_add_char(ret, s.ptr[i]);
		i += MAX(taken, (size_t)1);
	}
}

/* ---- wrapping ---- */

static size_t word_length(struct str text)
{
	size_t n = 0;

	while (n < text.len && text.ptr[n] == ' ')
		n++;
	while (n < text.len && text.ptr[n] != ' ')
		n++;
	return n;
}

/* A word that is wider than a line: as much as fits. */
static size_t fitting(struct str word, size_t columns)
{
	size_t used = 0;
	struct str rest = word;

	while (rest.len > 0) {
		size_t n = colour_length(rest);
		if (n > 0) {
			rest = str_skip(rest, n);
			continue;
		}
		struct str more = rest;
		used += char_columns(char_take(&more));
		if (used > columns && rest.len < word.len)
			break;
		rest = more;
	}
	return word.len - rest.len;
}

static void wrap(struct str text, size_t width, const char *first, const char *next, struct buf *ret)
{
	size_t used = columns_of(str_of(first)), margin = columns_of(str_of(next));
	bool begun = false;

	buf_add_text(ret, first);
	while (text.len > 0) {
		struct str word = { text.ptr, word_length(text) };
		if (used + columns_of(word) > width - 1 && begun) {
			buf_printf(ret, "\n%s", next);
			used = margin;
			begun = false;
			while (text.len > 0 && *text.ptr == ' ')
				text = str_skip(text, 1);
			continue;
		}
		word.len = used + columns_of(word) > width - 1 ? fitting(word, MAX(width - 1, used + 1) - used) : word.len;
		buf_add_str(ret, word);
		used += columns_of(word);
		text = str_skip(text, word.len);
		begun = true;
	}
	buf_add_char(ret, '\n');
}

static void paragraph(const struct markdown *m, struct str text, const char *first, const char *next, struct buf *ret)
{
	AUTO(buf_done) struct buf styled = BUF_INIT(LINE_BYTES);

	spans(m, text, 0, &styled);
	wrap(buf_str(&styled), m->width, first, next, ret);
}

/* ---- tables ---- */

static size_t split(struct str row, struct str *cells)
{
	size_t count = 0, start;

	row = str_trim(row);
	if (row.len == 0)
		return 0;
	row = str_skip(row, row.len > 0 && *row.ptr == '|' ? 1 : 0);
	if (row.len > 0 && row.ptr[row.len - 1] == '|')
		row.len--;
	for (size_t i = start = 0; i <= row.len && count < TABLE_COLUMNS; i++) {
		if (i < row.len && (row.ptr[i] != '|' || (i > 0 && row.ptr[i - 1] == '\\')))
			continue;
		cells[count++] = str_trim((struct str){ row.ptr + start, i - start });
		start = i + 1;
	}
	return count;
}

static bool is_rule(struct str row)
{
	for (size_t i = 0; i < row.len; i++)
		if (strchr("|-: ", row.ptr[i]) == NULL)
			return false;
	return memchr(row.ptr, '-', row.len) != NULL;
}

static size_t cell_columns(const struct markdown *m, struct str cell)
{
	AUTO(buf_done) struct buf styled = BUF_INIT(LINE_BYTES);

	spans(m, cell, 0, &styled);
	return columns_of(buf_str(&styled));
}

static void table_row(const struct markdown *m, const struct str *cells, size_t count, const size_t *widths, bool head,
                      struct buf *ret)
{
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_done) struct buf styled = BUF_INIT(LINE_BYTES);
		spans(m, cells[i], 0, &styled);
		size_t used = columns_of(buf_str(&styled));
		buf_printf(ret, "%s%s%s%s", i > 0 ? "  " : "", head ? paint(m, BOLD) : "", buf_text(&styled), head ? paint(m, PLAIN) : "");
		if (i + 1 < count)
			buf_printf(ret, "%*s", (int)(widths[i] - MIN(widths[i], used)), "");
	}
	buf_add_char(ret, '\n');
}

/* Too wide for the terminal: a line for each cell, behind its heading, so that nothing is left out. */
static void table_list(const struct markdown *m, const struct str *head, size_t heads, const struct str *cells, size_t count,
                       struct buf *ret)
{
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_done) struct buf line = BUF_INIT(LINE_BYTES);
		buf_printf(&line, "%.*s: %.*s", STR_ARG(i < heads ? head[i] : STR("")), STR_ARG(cells[i]));
		paragraph(m, buf_str(&line), i == 0 ? "- " : "  ", "    ", ret);
	}
}

static void show_table(struct markdown *m, struct buf *ret)
{
	size_t widths[TABLE_COLUMNS] = { 0 }, most = 0, total = 0;
	struct str cells[TABLE_COLUMNS], head[TABLE_COLUMNS], rest = buf_str(&m->table), row;

	while (str_next(&rest, '\n', &row)) {
		size_t count = is_rule(row) ? 0 : split(row, cells);
		most = MAX(most, count);
		for (size_t i = 0; i < count; i++)
			widths[i] = MAX(widths[i], cell_columns(m, cells[i]));
	}
	for (size_t i = 0; i < most; i++)
		total += widths[i] + (i > 0 ? 2 : 0);
	rest = buf_str(&m->table);
	size_t heads = str_next(&rest, '\n', &row) ? split(row, head) : 0;
	bool fits = total < m->width;
	if (fits)
		table_row(m, head, heads, widths, true, ret);
	while (str_next(&rest, '\n', &row)) {
		size_t count = is_rule(row) ? 0 : split(row, cells);
		if (count > 0 && fits)
			table_row(m, cells, count, widths, false, ret);
		else if (count > 0)
			table_list(m, head, heads, cells, count, ret);
	}
	buf_reset(&m->table);
}

/* ---- lines ---- */

static bool fence_line(struct markdown *m, struct str line, struct buf *ret)
{
	struct str s = str_trim(line);
	size_t n = 0;
	char c = s.len > 0 ? *s.ptr : '\0';

	while (n < s.len && s.ptr[n] == c)
		n++;
	if (m->fence != 0) {
		if (c != m->fence || n < m->fence_length || n != s.len)
			return false;
		m->fence = 0;
		return true;
	}
	if (n < 3 || (c != '`' && c != '~') || (c == '`' && memchr(s.ptr + n, '`', s.len - n) != NULL))
		return false;
	struct str name = str_trim(str_skip(s, n));
	m->fence = c;
	m->fence_length = n;
	m->diff = str_eq(name, STR("diff")) || str_eq(name, STR("patch"));
	if (name.len > 0)
		buf_printf(ret, "%s  %.*s%s\n", paint(m, DIM), STR_ARG(name), paint(m, PLAIN));
	return true;
}

static const char *diff_color(struct str line)
{
	return line.len == 0 ? "" : *line.ptr == '+' ? GREEN : *line.ptr == '-' ? RED : *line.ptr == '@' ? CODE : "";
}

static void code_line(const struct markdown *m, struct str line, struct buf *ret)
{
	const char *color = m->diff ? diff_color(line) : CODE;

	buf_printf(ret, "  %s%.*s%s\n", paint(m, color), STR_ARG(line), color[0] != '\0' ? paint(m, PLAIN) : "");
}

/* "- ", "* ", "+ ", "1. ", "1) " behind any spaces; 0: no item. */
static size_t item_mark(struct str line, size_t indent)
{
	struct str s = str_skip(line, indent);
	size_t n = 0;

	if (s.len > 1 && strchr("-*+", *s.ptr) != NULL && s.ptr[1] == ' ')
		return 2;
	while (n < s.len && n < 9 && s.ptr[n] >= '0' && s.ptr[n] <= '9')
		n++;
	return n > 0 && n + 1 < s.len && (s.ptr[n] == '.' || s.ptr[n] == ')') && s.ptr[n + 1] == ' ' ? n + 2 : 0;
}

static void item(const struct markdown *m, struct str line, size_t indent, size_t mark, struct buf *ret)
{
	AUTO(freep) char *first = mark == 2 && m->color ? xasprintf("%*s\xe2\x80\xa2 ", (int)indent, "")
		: xasprintf("%*s%.*s", (int)indent, "", (int)mark, line.ptr + indent);
	AUTO(freep) char *next = xasprintf("%*s", (int)(indent + mark), "");

	paragraph(m, str_skip(line, indent + mark), first, next, ret);
}

static void heading(const struct markdown *m, struct str line, size_t level, struct buf *ret)
{
	AUTO(buf_done) struct buf styled = BUF_INIT(LINE_BYTES);
	struct markdown plain = { .width = m->width };

	spans(m->color ? &plain : m, str_trim(str_skip(line, level)), 0, &styled);
	buf_printf(ret, "%s%s", paint(m, level < 3 ? BOLD UNDERLINE : BOLD), m->color ? "" : level < 2 ? "# " : "## ");
	wrap(buf_str(&styled), m->width, "", "", ret);
	if (m->color && ret->len > 0) {
		ret->len--; /* the line's end stands behind the colour's */
		buf_add_text(ret, PLAIN "\n");
	}
}

static bool is_ruler(struct str s)
{
	if (s.len < 3 || strchr("-*_", *s.ptr) == NULL)
		return false;
	for (size_t i = 1; i < s.len; i++)
		if (s.ptr[i] != *s.ptr)
			return false;
	return true;
}

static void text_line(const struct markdown *m, struct str line, struct buf *ret)
{
	size_t indent = 0, level = 0;

	while (indent < line.len && indent < m->width / 3 && line.ptr[indent] == ' ')
		indent++;
	struct str s = str_skip(line, indent);
	while (level < s.len && s.ptr[level] == '#')
		level++;
	size_t mark = item_mark(line, indent);
	if (level >= 1 && level <= 6 && level < s.len && s.ptr[level] == ' ') {
		heading(m, s, level, ret);
	} else if (is_ruler(str_trim(s))) {
		for (size_t i = 0; i < MIN(m->width - 1, (size_t)40); i++)
			buf_add_text(ret, m->color ? "\xe2\x94\x80" : "-");
		buf_add_char(ret, '\n');
	} else if (mark > 0) {
		item(m, line, indent, mark, ret);
	} else if (s.len > 0 && *s.ptr == '>') {
		paragraph(m, str_trim(str_skip(s, 1)), m->color ? DIM "\xe2\x94\x82 " PLAIN : "> ",
		          m->color ? DIM "\xe2\x94\x82 " PLAIN : "> ", ret);
	} else {
		AUTO(freep) char *margin = xasprintf("%*s", (int)indent, "");
		paragraph(m, s, margin, margin, ret);
	}
}

static void render(struct markdown *m, struct str line, struct buf *ret)
{
	struct str s = str_trim(line);

	if (m->fence == 0 && s.len > 1 && *s.ptr == '|' && m->table.len + line.len < m->table.max) {
		buf_add_str(&m->table, line);
		buf_add_char(&m->table, '\n');
		return;
	}
	if (m->table.len > 0)
		show_table(m, ret);
	if (fence_line(m, line, ret))
		return;
	if (m->fence != 0)
		code_line(m, line, ret);
	else
		text_line(m, line, ret);
}

void markdown_line(struct markdown *m, struct str line, struct buf *ret)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LINE_BYTES);

	clean(line, &text);
	render(m, buf_str(&text), ret);
}

void markdown_end(struct markdown *m, struct buf *ret)
{
	if (m->table.len > 0)
		show_table(m, ret);
	m->fence = 0;
}

void markdown_peek(const struct markdown *m, struct str line, struct buf *ret)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LINE_BYTES);
	struct markdown copy = *m;

	copy.table = BUF_INIT(0);
	clean(line, &text);
	if (m->fence != 0)
		code_line(&copy, buf_str(&text), ret);
	else
		text_line(&copy, buf_str(&text), ret);
}

void markdown_diff(struct str diff, const char *margin, size_t width, bool color, struct buf *ret)
{
	struct str line;

	if (diff.len > 0 && diff.ptr[diff.len - 1] == '\n')
		diff.len--;
	while (str_next(&diff, '\n', &line)) {
		AUTO(buf_done) struct buf text = BUF_INIT(LINE_BYTES), cut = BUF_INIT(LINE_BYTES);
		const char *code = color ? diff_color(line) : "";
		clean(line, &text);
		columns_cut(buf_str(&text), MAX(width, columns_of(str_of(margin)) + 10) - columns_of(str_of(margin)) - 1, &cut);
		buf_printf(ret, "%s%s%s%s\n", margin, code, buf_text(&cut), code[0] != '\0' ? PLAIN : "");
	}
}
