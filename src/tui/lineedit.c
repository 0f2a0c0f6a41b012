/* lineedit.c - a line that is being written, with history and search. Pure: the caller reads keys and paints rows. Our own,
 * because readline and libedit own the terminal while a line is written, and here others write above it meanwhile. */
#include "tui/lineedit.h"

#include "tui/columns.h"

#include "base/banned.h"

enum { TAB_COLUMNS = 4, PROMPT_COLUMNS = 2 };

struct lineedit {
	struct buf text;
	size_t at;                     /* the cursor, in bytes */
	struct buf cut;                /* what was deleted last */
	char **lines;                  /* the history, oldest first */
	size_t count, where;           /* where: the line that is shown; count: the draft */
	char *draft;                   /* what was written before somebody looked at the history */
	bool searching, missed;
	struct buf wanted;
};

struct lineedit *lineedit_new(void)
{
	struct lineedit *e = xcalloc(1, sizeof *e);

	e->text = BUF_INIT(LIMIT_PASTE_BYTES);
	e->cut = BUF_INIT(LIMIT_PASTE_BYTES);
	e->wanted = BUF_INIT(KIB(1));
	e->lines = xcalloc(LIMIT_LINE_HISTORY, sizeof *e->lines);
	return e;
}

void lineedit_free(struct lineedit *e)
{
	if (e == NULL)
		return;
	for (size_t i = 0; i < e->count; i++)
		free(e->lines[i]);
	free(e->lines);
	free(e->draft);
	buf_done(&e->text);
	buf_done(&e->cut);
	buf_done(&e->wanted);
	free(e);
}

struct str lineedit_text(const struct lineedit *e)
{
	return buf_str(&e->text);
}

void lineedit_set(struct lineedit *e, struct str text)
{
	buf_reset(&e->text);
	buf_add_str(&e->text, text);
	e->at = e->text.len;
}

char *lineedit_take(struct lineedit *e)
{
	char *text = xstrndup(buf_text(&e->text), e->text.len);

	lineedit_set(e, STR(""));
	e->where = e->count;
	free(TAKE(e->draft));
	return text;
}

bool lineedit_searching(const struct lineedit *e)
{
	return e->searching;
}

void lineedit_remember(struct lineedit *e, struct str text)
{
	if (text.len == 0 || (e->count > 0 && str_eq(str_of(e->lines[e->count - 1]), text)))
		return;
	if (e->count == LIMIT_LINE_HISTORY) {
		free(e->lines[0]);
		memmove(e->lines, e->lines + 1, --e->count * sizeof *e->lines);
	}
	e->lines[e->count++] = xstrndup(text.ptr, text.len);
	e->where = e->count;
}

/* ---- places in the text ---- */

/* A character with what joins it. */
static size_t next_of(const struct lineedit *e, size_t at)
{
	struct str rest = str_skip(buf_str(&e->text), at);

	if (rest.len == 0)
		return at;
	char_take(&rest);
	while (rest.len > 0) {
		struct str more = rest;
		if (char_columns(char_take(&more)) > 0)
			break;
		rest = more;
	}
	return e->text.len - rest.len;
}

static size_t before_of(const struct lineedit *e, size_t at)
{
	size_t last = 0;

	for (size_t i = 0; i < at; i = next_of(e, i))
		last = i;
	return last;
}

static size_t line_start(const struct lineedit *e, size_t at)
{
	while (at > 0 && e->text.ptr[at - 1] != '\n')
		at--;
	return at;
}

static size_t line_end(const struct lineedit *e, size_t at)
{
	while (at < e->text.len && e->text.ptr[at] != '\n')
		at++;
	return at;
}

static bool is_gap(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '/';
}

static size_t word_left(const struct lineedit *e)
{
	size_t at = e->at;

	while (at > 0 && is_gap(e->text.ptr[at - 1]))
		at--;
	while (at > 0 && !is_gap(e->text.ptr[at - 1]))
		at--;
	return at;
}

static size_t word_right(const struct lineedit *e)
{
	size_t at = e->at;

	while (at < e->text.len && is_gap(e->text.ptr[at]))
		at++;
	while (at < e->text.len && !is_gap(e->text.ptr[at]))
		at++;
	return at;
}

/* ---- changes ---- */

static void insert(struct lineedit *e, struct str text)
{
	AUTO(buf_done) struct buf tail = BUF_INIT(LIMIT_PASTE_BYTES);

	if (e->text.len + text.len > LIMIT_PASTE_BYTES)
		return;
	buf_add_str(&tail, str_skip(buf_str(&e->text), e->at));
	e->text.len = e->at;
	buf_add_str(&e->text, text);
	e->at = e->text.len;
	buf_add_str(&e->text, buf_str(&tail));
}

static void erase(struct lineedit *e, size_t from, size_t to, bool keep)
{
	if (to <= from)
		return;
	if (keep) {
		buf_reset(&e->cut);
		buf_add(&e->cut, e->text.ptr + from, to - from);
	}
	memmove(e->text.ptr + from, e->text.ptr + to, e->text.len - to + 1);
	e->text.len -= to - from;
	e->at = from;
}

static void show_line(struct lineedit *e, size_t where)
{
	if (e->where == e->count && where != e->count) {
		free(e->draft);
		e->draft = xstrndup(buf_text(&e->text), e->text.len);
	}
	e->where = where;
	lineedit_set(e, str_of(where < e->count ? e->lines[where] : e->draft));
}

/* Up and down: within the text first, then through the history. */
static bool move_line(struct lineedit *e, bool up, bool history_only)
{
	size_t start = line_start(e, e->at), end = line_end(e, e->at), column = e->at - start;

	if (!history_only && up && start > 0) {
		size_t above = line_start(e, start - 1);
		e->at = MIN(above + column, start - 1);
	} else if (!history_only && !up && end < e->text.len) {
		e->at = MIN(end + 1 + column, line_end(e, end + 1));
	} else {
		if (up ? e->where == 0 : e->where == e->count)
			return false;
		show_line(e, up ? e->where - 1 : e->where + 1);
	}
	while (e->at > 0 && e->at < e->text.len && ((unsigned char)e->text.ptr[e->at] & 0xc0) == 0x80)
		e->at--;
	return true;
}

/* ---- search ---- */

static void search_from(struct lineedit *e, size_t from)
{
	for (size_t i = from; i > 0; i--) {
		if (strstr(e->lines[i - 1], buf_text(&e->wanted)) == NULL)
			continue;
		show_line(e, i - 1);
		e->missed = false;
		return;
	}
	e->missed = true;
}

/* True: the key was the search's. Else the search is over, and the key acts on what it found. */
static bool search_key(struct lineedit *e, enum key key, struct str text)
{
	if (key == KEY_SEARCH) {
		search_from(e, e->where);
	} else if (key == KEY_TEXT) {
		buf_add_str(&e->wanted, (struct str){ text.ptr, strcspn(text.ptr, "\n") });
		search_from(e, MIN(e->where + 1, e->count));
	} else if (key == KEY_BACKSPACE) {
		while (e->wanted.len > 0 && ((unsigned char)e->wanted.ptr[--e->wanted.len] & 0xc0) == 0x80)
			;
		if (e->wanted.ptr != NULL)
			e->wanted.ptr[e->wanted.len] = '\0';
		search_from(e, e->count);
	} else {
		e->searching = false;
		if (key == KEY_ESC || key == KEY_INTERRUPT)
			show_line(e, e->count);
		return key == KEY_ESC || key == KEY_INTERRUPT || key == KEY_ENTER;
	}
	return true;
}

static void search_begin(struct lineedit *e)
{
	e->searching = true;
	e->missed = false;
	buf_reset(&e->wanted);
}

/* ---- keys ---- */

static enum edited move_to(struct lineedit *e, size_t at)
{
	bool moved = at != e->at;

	e->at = at;
	return moved ? EDITED_LINE : EDITED_NOTHING;
}

static enum edited remove_to(struct lineedit *e, size_t at, bool keep)
{
	bool some = at != e->at;

	erase(e, MIN(at, e->at), MAX(at, e->at), keep);
	return some ? EDITED_LINE : EDITED_NOTHING;
}

/* A backslash at the end of the line says that it goes on. */
static enum edited enter(struct lineedit *e)
{
	if (e->at == e->text.len && e->at > 0 && e->text.ptr[e->at - 1] == '\\') {
		erase(e, e->at - 1, e->at, false);
		insert(e, STR("\n"));
		return EDITED_LINE;
	}
	return EDITED_DONE;
}

enum edited lineedit_key(struct lineedit *e, enum key key, struct str text)
{
	if (e->searching && search_key(e, key, text))
		return EDITED_LINE;
	switch (key) {
	case KEY_TEXT: insert(e, text); return EDITED_LINE;
	case KEY_NEWLINE: insert(e, STR("\n")); return EDITED_LINE;
	case KEY_PUT_BACK: insert(e, buf_str(&e->cut)); return EDITED_LINE;
	case KEY_ENTER: return enter(e);
	case KEY_LEFT: return move_to(e, before_of(e, e->at));
	case KEY_RIGHT: return move_to(e, next_of(e, e->at));
	case KEY_HOME: return move_to(e, line_start(e, e->at));
	case KEY_END: return move_to(e, line_end(e, e->at));
	case KEY_WORD_LEFT: return move_to(e, word_left(e));
	case KEY_WORD_RIGHT: return move_to(e, word_right(e));
	case KEY_BACKSPACE: return remove_to(e, before_of(e, e->at), false);
	case KEY_DELETE: return remove_to(e, next_of(e, e->at), false);
	case KEY_DELETE_WORD: return remove_to(e, word_left(e), true);
	case KEY_DELETE_NEXT_WORD: return remove_to(e, word_right(e), true);
	case KEY_DELETE_TO_START: return remove_to(e, line_start(e, e->at), true);
	case KEY_DELETE_TO_END: return remove_to(e, line_end(e, e->at), true);
	case KEY_UP:
	case KEY_OLDER: return move_line(e, true, key == KEY_OLDER) ? EDITED_LINE : EDITED_NOTHING;
	case KEY_DOWN:
	case KEY_NEWER: return move_line(e, false, key == KEY_NEWER) ? EDITED_LINE : EDITED_NOTHING;
	case KEY_SEARCH: search_begin(e); return EDITED_LINE;
	case KEY_CLOSE:
		if (e->text.len > 0) /* as a shell has it: with text it deletes forwards */
			return remove_to(e, next_of(e, e->at), false);
		return EDITED_ASKS;
	case KEY_TAB:
	case KEY_ESC:
	case KEY_REPAINT:
	case KEY_INTERRUPT:
	case KEY_SUSPEND: return EDITED_ASKS;
	case KEY_OTHER:
	case KEYS: break;
	}
	return EDITED_NOTHING;
}

/* ---- on the screen ---- */

struct layout {
	struct buf *rows;
	size_t width, row, column;
	size_t cursor_row, cursor_column;
};

static void break_row(struct layout *l)
{
	buf_add_text(l->rows, "\n  ");
	l->row++;
	l->column = PROMPT_COLUMNS;
}

static void lay_out(const struct lineedit *e, struct layout *l)
{
	struct str rest = buf_str(&e->text);

	for (;;) {
		struct str one = rest;
		bool here = e->text.len - rest.len == e->at;
		uint32_t c = rest.len > 0 ? char_take(&rest) : 0;
		size_t columns = c == '\n' || one.len == 0 ? 0 : c == '\t' ? TAB_COLUMNS : char_columns(c);
		if (l->column + columns > l->width - 1)
			break_row(l);
		if (here) {
			l->cursor_row = l->row;
			l->cursor_column = l->column;
		}
		if (one.len == 0)
			return;
		l->column += columns;
		if (c == '\n')
			break_row(l);
		else if (c == '\t')
			buf_add_text(l->rows, "    ");
		else
			buf_add(l->rows, one.ptr, one.len - rest.len);
	}
}

/* The rows around the cursor, where there are more than may be shown. */
static void window(const struct layout *l, size_t most, struct buf *ret, size_t *ret_row)
{
	size_t from = l->row + 1 > most && l->cursor_row + 1 > most ? l->cursor_row + 1 - most : 0, n = 0;
	struct str rest = buf_str(l->rows), line;

	while (str_next(&rest, '\n', &line)) {
		if (n >= from && n < from + most) {
			buf_add_str(ret, line);
			buf_add_char(ret, '\n');
		}
		n++;
	}
	*ret_row = l->cursor_row - from;
}

void lineedit_show(const struct lineedit *e, size_t width, size_t most, struct buf *ret, size_t *ret_row, size_t *ret_column)
{
	AUTO(buf_done) struct buf rows = BUF_INIT(LIMIT_PASTE_BYTES * 4);
	struct layout l = { .rows = &rows, .width = MAX(width, (size_t)8), .column = PROMPT_COLUMNS };

	buf_add_text(&rows, "> ");
	lay_out(e, &l);
	if (e->searching) { /* on a row of its own, so that the line stays as it is */
		AUTO(buf_done) struct buf label = BUF_INIT(KIB(2));
		buf_printf(&label, "%s: %s", e->missed ? "not found" : "search", buf_text(&e->wanted));
		columns_cut(buf_str(&label), l.width - 1, ret);
		buf_add_char(ret, '\n');
		most = MAX(most, (size_t)2) - 1;
	}
	window(&l, MAX(most, (size_t)1), ret, ret_row);
	*ret_row += e->searching;
	*ret_column = l.cursor_column;
}
