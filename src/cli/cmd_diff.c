/* cmd_diff.c - `mishri diff`: what a task changed in its layer, for a person who is to decide about it. It changes nothing,
 * and what it prints of the task's making is harmless to a terminal. */
#include <stdio.h>
#include <string.h>

#include "cli/changes.h"
#include "cli/print.h"
#include "engine/text_diff.h"
#include "tools/tool.h"

#include "base/banned.h"

static const struct option_row rows[] = {
	{ "--stat", 0, NULL, "only the list: what was added, changed and deleted", false },
};

enum shown { SHOWN, BINARY, TOO_LARGE, NO_CONTENT };

/* Both sides of a change. Names and modes alone have none. */
static enum shown read_sides(const struct overlay *layer, const struct change *c, struct buf *before, struct buf *after)
{
	int r = 0;

	if (c->kind == CHANGE_MODE || (c->type == TYPE_DIRECTORY && c->was == TYPE_DIRECTORY))
		return NO_CONTENT;
	if (c->kind != CHANGE_ADDED && c->was == TYPE_FILE)
		r = layer_read(layer->lower, c->path, TYPE_FILE, before);
	if (r == 0 && c->kind != CHANGE_DELETED && c->type == TYPE_FILE)
		r = layer_read(layer->upper, c->path, TYPE_FILE, after);
	if (r == -EFBIG)
		return TOO_LARGE;
	if (r < 0)
		return NO_CONTENT;
	return text_is_binary(buf_str(before)) || text_is_binary(buf_str(after)) ? BINARY : SHOWN;
}

struct sides {
	enum shown shown;
	struct buf before, after, text;
	struct diff_counts counts;
};

static void sides_done(struct sides *s)
{
	buf_done(&s->before);
	buf_done(&s->after);
	buf_done(&s->text);
}

static void sides_make(const struct overlay *layer, const struct change *c, struct sides *ret)
{
	*ret = (struct sides){ .before = BUF_INIT(LIMIT_DIFF_FILE_BYTES), .after = BUF_INIT(LIMIT_DIFF_FILE_BYTES),
	                       .text = BUF_INIT(LIMIT_DIFF_FILE_BYTES * 4) };
	ret->shown = read_sides(layer, c, &ret->before, &ret->after);
	if (ret->shown == SHOWN)
		text_diff(buf_str(&ret->before), buf_str(&ret->after), &ret->text, &ret->counts);
}

static void print_name(const char *before, const char *path)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(KIB(64));

	sanitize_text(str_of(path), &clean);
	for (size_t i = 0; i < clean.len; i++)
		if (clean.ptr[i] == '\n' || clean.ptr[i] == '\t')
			clean.ptr[i] = '?';
	printf("%s%s\n", before, buf_text(&clean));
}

static void print_lines(struct str text, bool colour)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_DIFF_FILE_BYTES * 16);
	struct str line;

	sanitize_text(text, &clean);
	for (struct str rest = buf_str(&clean); rest.len > 0 && str_next(&rest, '\n', &line);) {
		char sign = line.len > 0 ? line.ptr[0] : ' ';
		enum ink colour_of = sign == '+' ? INK_GOOD : sign == '-' ? INK_BAD : sign == '@' ? INK_FAINT : INK_PLAIN;
		printf("%s%.*s%s\n", ink(colour, colour_of), STR_ARG(line), ink(colour, INK_PLAIN));
	}
}

static void print_change(const struct overlay *layer, const struct change *c, bool colour)
{
	AUTO(sides_done) struct sides s;

	sides_make(layer, c, &s);
	if (s.shown == NO_CONTENT || (s.shown == SHOWN && s.text.len == 0))
		return;
	bool there = c->kind != CHANGE_ADDED && c->was == TYPE_FILE, stays = c->kind != CHANGE_DELETED && c->type == TYPE_FILE;
	putchar('\n');
	print_name(there ? "--- a/" : "--- ", there ? c->path : "/dev/null");
	print_name(stays ? "+++ b/" : "+++ ", stays ? c->path : "/dev/null");
	if (s.shown == SHOWN)
		print_lines(buf_str(&s.text), colour);
	else
		printf("(%s)\n", s.shown == BINARY ? "no text: its bytes differ" : "too large to be shown line by line");
}

static json_t *change_json(const struct overlay *layer, const struct change *c, bool stat)
{
	AUTO(sides_done) struct sides s;
	AUTO(buf_done) struct buf target = BUF_INIT(KIB(4));
	json_t *row = json_object();

	sides_make(layer, c, &s);
	json_put(row, "path", json_of_str(str_of(c->path)));
	json_put_text(row, "kind", change_kind_name(c->kind));
	json_put_text(row, "type", change_type_name(c->type));
	json_put_text(row, "was", c->kind != CHANGE_ADDED ? change_type_name(c->was) : NULL);
	json_put(row, "mode", c->kind != CHANGE_DELETED ? json_integer(c->mode) : json_null());
	json_put(row, "old_mode", c->kind != CHANGE_ADDED ? json_integer(c->old_mode) : json_null());
	json_put_int(row, "bytes", c->bytes);
	json_put_bool(row, "binary", s.shown == BINARY);
	json_put(row, "lines_added", s.shown == SHOWN ? json_integer((json_int_t)s.counts.added) : json_null());
	json_put(row, "lines_removed", s.shown == SHOWN ? json_integer((json_int_t)s.counts.removed) : json_null());
	if (c->type == TYPE_LINK && c->kind != CHANGE_DELETED && layer_read(layer->upper, c->path, TYPE_LINK, &target) == 0)
		json_put(row, "target", json_of_str(buf_str(&target)));
	json_put(row, "conflict", c->conflict != NULL ? json_of_str(str_of(c->conflict)) : json_null());
	if (!stat)
		json_put(row, "diff", s.shown == SHOWN ? json_of_str(buf_str(&s.text)) : json_null());
	return row;
}

static void print_all_json(const struct changes *c, bool stat)
{
	AUTO(json_decrefp) json_t *all = json_object();
	json_t *list = json_array();

	for (size_t i = 0; i < c->layer.count; i++)
		json_array_append_new(list, change_json(&c->layer, &c->layer.changes[i], stat));
	json_put_text(all, "task", c->task->id);
	json_put_text(all, "workspace", c->task->workspace);
	json_put(all, "sums", layer_sums(&c->layer));
	json_put(all, "changes", list);
	json_put(all, "refused", c->layer.refused != NULL ? json_incref(c->layer.refused) : json_array());
	print_json(all);
}

static int show(struct changes *c, const struct options *o)
{
	bool stat = option_given(o, "--stat"), colour = print_colour(o);
	int code = changes_find(c, o, STORE_READ_ONLY);

	if (code == 0)
		code = changes_read(c);
	if (code != 0)
		return code;
	if (option_given(o, "--json")) {
		print_all_json(c, stat);
		return fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
	}
	if (c->layer.count == 0 && json_array_size(c->layer.refused) == 0)
		puts("nothing is changed");
	else
		changes_list(&c->layer, stdout);
	for (size_t i = 0; i < c->layer.count && !stat; i++)
		print_change(&c->layer, &c->layer.changes[i], colour);
	return fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	struct changes c = { 0 };

	if (options_parse(&cmd_diff, argc, argv, &o) < 0)
		return EXIT_USAGE;
	int code = show(&c, o);
	changes_done(&c);
	return code;
}

const struct command cmd_diff = {
	.name = "diff", .args = "TASK", .about = "what a task changed in an overlay workspace",
	.options = rows, .option_count = COUNT(rows), .run = run,
	.examples = "  mishri run --workspace-mode overlay -m openai/gpt-5 \"make the tests pass\"\n"
	            "  mishri diff last\n  mishri diff --stat last\n  mishri apply last\n",
};
