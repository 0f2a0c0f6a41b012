/* ask_show.c - an action on a screen: what, why, for whom, and what it can touch. Whatever a model made stands behind a
 * mark of ours, wrapped to the width, with its characters made visible, and cannot push the rest out of view. */
#include "cli/ask_show.h"

#include <stdio.h>
#include <string.h>

#include "cli/change.h"
#include "cli/text.h"
#include "cli/visible.h"

#include "base/banned.h"

enum { KEY_COLUMNS = 10, MARGIN = 4 + KEY_COLUMNS + 1, FIELDS_SHOWN = 12, ROWS_LEAST = 2, ROWS_OURS = 12 };

struct page {
	struct buf *brief, *full;
	size_t width, room;            /* room: rows that are left for the brief form */
};

static void add_key(const char *key, struct buf *ret)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(KIB(4));

	visible_text(str_of(key), &clean);
	buf_add_text(ret, "  | ");
	size_t from = ret->len;
	text_cut(ret, buf_str(&clean), KEY_COLUMNS);
	text_pad(ret, from, KEY_COLUMNS);
}

/* The piece of a line that fits; at least one character. */
static size_t piece(struct str line, size_t columns)
{
	size_t len = 0, used = 0;

	while (len < line.len) {
		size_t n = MAX(utf8_length((const unsigned char *)line.ptr + len, line.len - len), (size_t)1);
		used += text_columns((struct str){ line.ptr + len, n });
		if (used > columns && len > 0)
			break;
		len += n;
	}
	return len;
}

struct rows {
	struct str *list;
	size_t count;
};

static void add_row(struct rows *rows, struct str text)
{
	if ((rows->count & (rows->count - 1)) == 0)
		rows->list = xrealloc(rows->list, MAX(rows->count * 2, (size_t)1) * sizeof *rows->list);
	rows->list[rows->count++] = text;
}

static struct rows wrap(struct str text, size_t columns)
{
	struct rows rows = { 0 };
	struct str line;

	while (str_next(&text, '\n', &line)) {
		if (line.len == 0)
			add_row(&rows, line);
		while (line.len > 0) {
			size_t len = piece(line, columns);
			add_row(&rows, (struct str){ line.ptr, len });
			line = str_skip(line, len);
		}
	}
	return rows;
}

static void print_row(const char *key, struct str row, struct buf *ret)
{
	add_key(key, ret);
	buf_add_char(ret, ' ');
	for (size_t i = 0; i < row.len; i++)
		buf_add_char(ret, row.ptr[i] == '\t' ? ' ' : row.ptr[i]);
	buf_add_char(ret, '\n');
}

/* A field: all of its rows in the full form; head, tail and its size in the brief one. */
static void add_field(struct page *p, const char *key, struct str text)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_JSON_BYTES);

	visible_text(text, &clean);
	struct rows rows = wrap(buf_str(&clean), p->width - MARGIN);
	if (rows.count == 0)
		add_row(&rows, STR("(empty)"));
	size_t most = MAX(p->room, (size_t)ROWS_LEAST);
	bool cut = rows.count > most;
	size_t head = cut ? (most * 2 + 2) / 3 : rows.count, tail = cut ? most - head : 0;
	p->room -= MIN(p->room, MIN(rows.count, most));
	for (size_t i = 0; i < rows.count; i++) {
		print_row(i == 0 ? key : "", rows.list[i], p->full);
		if (i == head)
			buf_printf(p->brief, "  (%zu of %zu lines of this, %zu bytes in all, are left out here: d shows everything)\n",
			           rows.count - most, rows.count, text.len);
		if (i < head || i >= rows.count - tail)
			print_row(i == 0 ? key : "", rows.list[i], p->brief);
	}
	free(rows.list);
}

static void add_text(struct page *p, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0')
		add_field(p, key, str_of(text));
}

static void add_value(struct page *p, const char *key, const json_t *value)
{
	AUTO(freep) char *json = json_is_string(value) ? NULL : json_text(value);
	struct str text = json_is_string(value) ? (struct str){ json_string_value(value), json_string_length(value) } : str_of(json);

	add_field(p, key, text);
}

/* The arguments one by one; what the diff shows already is only in the full form. */
static void add_args(struct page *p, const json_t *action, bool has_diff)
{
	static const char *const in_diff[] = { "content", "old", "new", "patch" };
	json_t *args = json_object_get(action, "args"), *value;
	const char *key;
	size_t count = 0;

	if (!json_is_object(args)) {
		add_value(p, "args", args);
		return;
	}
	json_object_foreach(args, key, value) {
		struct buf *brief = p->brief, unseen = BUF_INIT(LIMIT_JSON_BYTES);
		size_t room = p->room;
		bool hidden = ++count > FIELDS_SHOWN || (has_diff && name_find(in_diff, COUNT(in_diff), key) >= 0);
		if (hidden)
			p->brief = &unseen;
		add_value(p, key, value);
		p->brief = brief;
		p->room = hidden ? room : p->room;
		buf_done(&unseen);
	}
	if (count > FIELDS_SHOWN)
		buf_printf(p->brief, "  (%zu more arguments are left out here: d shows everything)\n", count - FIELDS_SHOWN);
}

static void add_action(struct page *p, const struct approval *a, const struct ask_about *about)
{
	AUTO(buf_done) struct buf diff = BUF_INIT(LIMIT_JSON_BYTES);
	const char *key;
	json_t *value;

	if (strcmp(a->kind, "tool") != 0) {
		json_object_foreach(a->action, key, value)
			if (strcmp(key, "kind") != 0)
				add_value(p, key, value);
		return;
	}
	const char *tool = json_get_text(a->action, "tool", ""), *workspace = json_get_text(a->action, "cwd", about->workspace);
	bool has_diff = workspace != NULL && change_show(tool, json_object_get(a->action, "args"),
	                                                    &(struct change_in){ workspace, about->layer }, &diff);
	add_text(p, "tool", tool);
	add_args(p, a->action, has_diff);
	add_text(p, "cwd", json_get_text(a->action, "cwd", ""));
	if (has_diff)
		add_field(p, "change", str_trim(buf_str(&diff)));
}

/* What the action can touch, by the table of tools. */
static void add_reach(struct page *p, const struct approval *a, const struct ask_about *about)
{
	const struct tool *tool = about->tool;
	bool itself = strcmp(a->kind, "tool") == 0;
	AUTO(freep) char *reach = NULL;

	if (tool == NULL)
		return;
	if (itself)
		reach = xasprintf("%s: %s, in the sandbox of the task", tool->category, tool->permissions[0] != '\0' ? tool->permissions
		                   : "nothing outside the task");
	else
		reach = xasprintf("what the sandbox of the task lets through; held in a call of %s", tool->name);
	add_text(p, "reach", reach);
}

static void add_people(struct page *p, const struct approval *a)
{
	AUTO(buf_done) struct buf who = BUF_INIT(KIB(64));
	char span[32];
	size_t i;
	json_t *name;

	if (json_object_get(a->terms, "from") != NULL || approval_needed(a) > 1) {
		approval_who(a, &who);
		if (json_array_size(a->voters) > 0)
			buf_add_text(&who, "; yes until now:");
		json_array_foreach(a->voters, i, name)
			buf_printf(&who, " %s", json_string_value(name));
		add_text(p, "wants", buf_text(&who));
	}
	int64_t left_ms = (a->expires_us - clock_wall_us()) / 1000;
	if (a->expires_us > 0 && left_ms < LIMIT_APPROVAL_MS / 2) {
		AUTO(freep) char *until = xasprintf("in %s, and no answer is a no", clock_span(MAX(left_ms, 0), span, sizeof span));
		add_text(p, "expires", until);
	}
}

static void both(struct page *p, const char *text)
{
	buf_add_text(p->brief, text);
	buf_add_text(p->full, text);
}

void ask_show(const struct approval *a, const struct ask_about *about, struct buf *brief, struct buf *full)
{
	struct page page = { brief, full, MAX(about->width, (size_t)40), MAX(about->height, (size_t)24) - ROWS_OURS };
	AUTO(buf_done) struct buf reason = BUF_INIT(KIB(8)), rule = BUF_INIT(KIB(8));
	const char *what = strcmp(a->kind, "exec") == 0 ? "program start" : strcmp(a->kind, "net") == 0 ? "connection" :
	                   strcmp(a->kind, "model") == 0 ? "task go on" : "tool run";

	text_add(&reason, a->reason != NULL ? a->reason : "", 400);
	text_add(&rule, a->rule != NULL ? a->rule : "(default)", 80);
	AUTO(freep) char *head = xasprintf("\nMay this %s? Asked by rule %s: %s\n", what, buf_text(&rule), buf_text(&reason));
	both(&page, head);
	add_text(&page, "approval", a->id);
	add_action(&page, a, about);
	add_text(&page, "for", about->path);
	add_text(&page, "rule", a->source);
	add_reach(&page, a, about);
	add_text(&page, "taint", about->taints);
	add_people(&page, a);
	both(&page, approval_high_risk(a) ? "  This is a high-risk action.\n" : "");
}

void ask_line(const json_t *action, size_t columns, struct buf *ret)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_JSON_BYTES), text = BUF_INIT(LIMIT_JSON_BYTES);
	const char *kind = json_get_text(action, "kind", "");
	const json_t *argv = json_object_get(action, "argv");
	size_t i;
	json_t *word;

	if (strcmp(kind, "exec") == 0) {
		buf_add_text(&text, json_get_text(action, "program", ""));
		json_array_foreach(argv, i, word)
			if (i > 0)
				buf_printf(&text, " %s", json_string_value(word));
	} else {
		AUTO(freep) char *args = json_text(strcmp(kind, "tool") == 0 ? json_object_get(action, "args") : action);
		buf_printf(&text, "%s %s", json_get_text(action, "tool", kind), args);
	}
	visible_text(buf_str(&text), &clean);
	text_cut(ret, buf_str(&clean), columns);
}
