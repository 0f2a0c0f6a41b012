/* patch_apply.c - finds where each hunk of a file belongs, and makes the new bytes. A hunk fits where every old line of it is,
 * byte by byte; it is looked for some lines around where it says, and must fit at one place only. One liberty: read_file
 * shows CR LF as a newline, so where a hunk has no CR and every line that it names ends in CR LF, it fits, and what it adds
 * ends so, too. */
#include "tools/patch.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

struct lines {
	struct str text;
	uint32_t *start;             /* count + 1 of them */
	size_t count;
};

static void lines_done(struct lines *lines)
{
	free(lines->start);
}

static struct lines lines_of(struct str text)
{
	struct lines lines = { .text = text };
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == '\n';
	n += text.len > 0 && text.ptr[text.len - 1] != '\n';
	lines.start = xcalloc(n + 1, sizeof *lines.start);
	for (size_t i = 0, line = 0; i < text.len && line < n; i++)
		if (text.ptr[i] == '\n')
			lines.start[++line] = (uint32_t)i + 1;
	lines.start[n] = (uint32_t)text.len;
	lines.count = n;
	return lines;
}

/* With its newline, where it has one. */
static struct str line_at(const struct lines *lines, size_t i)
{
	return (struct str){ lines->text.ptr + lines->start[i], lines->start[i + 1] - lines->start[i] };
}

static struct str without_newline(struct str line)
{
	line.len -= line.len > 0 && line.ptr[line.len - 1] == '\n';
	return line;
}

static bool same(const struct patch_line *wanted, struct str line, bool returns)
{
	bool ended = line.len > 0 && line.ptr[line.len - 1] == '\n';

	if (wanted->open_end == ended)
		return false;
	line = without_newline(line);
	if (returns && ended) {
		if (line.len == 0 || line.ptr[line.len - 1] != '\r')
			return false;
		line.len--;
	}
	return str_eq(line, wanted->text);
}

struct fit {
	const struct patch_line *lines;
	const struct hunk *hunk;
	const struct lines *file;
	size_t done;                 /* lines of the file that hunks before have used up */
	bool returns;
};

/* The first old line of the hunk that is not there; NULL: it fits. */
static const struct patch_line *misfit(const struct fit *f, size_t place)
{
	for (size_t i = 0; i < f->hunk->count; i++) {
		const struct patch_line *line = &f->lines[i];
		if (line->sign == '+')
			continue;
		if (place >= f->file->count || !same(line, line_at(f->file, place), f->returns))
			return line;
		place++;
	}
	return NULL;
}

static bool fits(struct fit *f, size_t place)
{
	if (place < f->done || place > f->file->count || f->hunk->old_count > f->file->count - place)
		return false;
	f->returns = false;
	if (misfit(f, place) == NULL)
		return true;
	f->returns = !f->hunk->returns;
	return f->returns && misfit(f, place) == NULL;
}

/* Nothing to match: it goes where it says, and there only. */
static bool insertion_fits(struct fit *f, size_t place)
{
	struct str first = f->file->count > 0 ? line_at(f->file, 0) : STR("");

	if (place < f->done || place > f->file->count)
		return false;
	f->returns = !f->hunk->returns && first.len > 1 && first.ptr[first.len - 2] == '\r' && first.ptr[first.len - 1] == '\n';
	struct str before = place > 0 ? line_at(f->file, place - 1) : STR("\n");
	return before.ptr[before.len - 1] == '\n';
}

/* How many places around `wanted` fit; *ret is the nearest. */
static size_t search(struct fit *f, size_t wanted, size_t *ret)
{
	size_t found = 0;

	for (size_t off = 1; off <= LIMIT_PATCH_OFFSET; off++) {
		size_t places[] = { wanted >= off ? wanted - off : SIZE_MAX, wanted + off };
		for (size_t i = 0; i < COUNT(places); i++)
			if (fits(f, places[i]) && found++ == 0)
				*ret = places[i];
	}
	return found;
}

enum { SHOWN_LINES = 12, SHOWN_BYTES = 200 };

static void show_line(struct str line, struct buf *shown)
{
	while (line.len > 0 && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
		line.len--;
	buf_add(shown, line.ptr, MIN(line.len, (size_t)SHOWN_BYTES));
	buf_add_text(shown, line.len > SHOWN_BYTES ? "...\n" : "\n");
}

static void show(const struct fit *f, size_t place, struct buf *shown)
{
	size_t left = SHOWN_LINES;

	buf_printf(shown, "the hunk wants:\n");
	for (size_t i = 0; i < f->hunk->count && left > 0; i++)
		if (f->lines[i].sign != '+') {
			show_line(f->lines[i].text, shown);
			left--;
		}
	if (place >= f->file->count) {
		buf_printf(shown, "the file has only %zu lines\n", f->file->count);
		return;
	}
	buf_printf(shown, "the file has, from line %zu:\n", place + 1);
	for (size_t i = 0; i < MIN(f->hunk->old_count, (size_t)SHOWN_LINES) && place + i < f->file->count; i++)
		show_line(line_at(f->file, place + i), shown);
}

/* Why it does not fit where it says; the line of the file counts from 1. */
static int no_fit(struct fit *f, size_t number, size_t place, struct buf *shown, struct err *err)
{
	size_t line = place;

	if (f->hunk->old_count == 0 && place <= f->file->count && place >= f->done)
		return err_set(err, EINVAL, "hunk %zu (line %zu of the patch): the file does not end in a newline: change its last line, with "
		               "'\\ No newline at end of file' behind it", number, f->hunk->line);
	if (f->hunk->old_count == 0 && place >= f->done)
		return err_set(err, EINVAL, "hunk %zu (line %zu of the patch): goes behind line %zu, and the file has %zu", number,
		               f->hunk->line, place, f->file->count);
	if (place < f->done)
		return err_set(err, EINVAL, "hunk %zu (line %zu of the patch): lies before the end of the hunk before it: give hunks in the "
		               "order of the file", number, f->hunk->line);
	f->returns = false;
	const struct patch_line *first = misfit(f, place);
	for (const struct patch_line *l = f->lines; l < first; l++)
		line += l->sign != '+';
	show(f, place, shown);
	bool end = first != NULL && line < f->file->count && str_eq(first->text, without_newline(line_at(f->file, line)));
	return err_set(err, EINVAL, "hunk %zu (line %zu of the patch) does not fit: %s at line %zu of the file, and it fits nowhere "
	               "within %d lines; read the file again", number, f->hunk->line,
	               end ? "the newline at the end of the file (see '\\ No newline at end of file') differs" : "the first difference is",
	               line + 1, LIMIT_PATCH_OFFSET);
}

static int locate(struct fit *f, size_t number, size_t wanted, size_t *ret, struct buf *shown, struct err *err)
{
	size_t found;

	*ret = wanted;
	if (f->hunk->old_count == 0)
		return insertion_fits(f, wanted) ? 0 : no_fit(f, number, wanted, shown, err);
	if (fits(f, wanted))
		return 0;
	found = search(f, wanted, ret);
	if (found == 1)
		return fits(f, *ret) ? 0 : -EINVAL;     /* says again how its lines end */
	if (found == 0)
		return no_fit(f, number, wanted, shown, err);
	return err_set(err, EINVAL,
	               "hunk %zu (line %zu of the patch) does not fit at line %zu, where it says, and fits at %zu places "
	               "near it: give the right line number, or more lines around the change",
	               number, f->hunk->line, wanted + 1, found);
}

static int emit(const struct fit *f, size_t number, size_t place, struct buf *ret, struct patch_sums *sums, struct err *err)
{
	bool open_end = false;

	for (size_t i = 0; i < f->hunk->count; i++) {
		const struct patch_line *line = &f->lines[i];
		if (line->sign == '+') {
			buf_add_str(ret, line->text);
			buf_add_text(ret, line->open_end ? "" : f->returns ? "\r\n" : "\n");
			sums->added++;
			open_end |= line->open_end;
		} else if (line->sign == '-') {
			sums->removed++;
			place++;
		} else {
			buf_add_str(ret, line_at(f->file, place++));
		}
	}
	if (open_end && place < f->file->count)
		return err_set(err, EINVAL, "hunk %zu (line %zu of the patch): says that the file ends here, and %zu more lines follow",
		               number, f->hunk->line, f->file->count - place);
	return 0;
}

int patch_apply(const struct patch *patch, const struct patch_file *file, struct str before, struct buf *ret,
                struct patch_sums *sums, struct buf *shown, struct err *err)
{
	AUTO(lines_done) struct lines lines = lines_of(before);
	struct fit f = { .file = &lines };
	int64_t drift = 0;           /* where the hunk before was found, against where it says */

	*sums = (struct patch_sums){ .hunks = file->count };
	for (size_t i = 0; i < file->count; i++) {
		const struct hunk *h = &patch->hunks[file->first + i];
		size_t says = h->old_start - (h->old_count > 0), place;
		f.hunk = h;
		f.lines = &patch->lines[h->first];
		size_t wanted = (size_t)MAX((int64_t)says + drift, (int64_t)0);
		int r = locate(&f, i + 1, wanted, &place, shown, err);
		if (r < 0)
			return r;
		sums->moved += place != says;
		drift = (int64_t)place - (int64_t)says;
		buf_add(ret, before.ptr + lines.start[f.done], lines.start[place] - lines.start[f.done]);
		r = emit(&f, i + 1, place, ret, sums, err);
		if (r < 0)
			return r;
		f.done = place + h->old_count;
	}
	buf_add(ret, before.ptr + lines.start[f.done], lines.start[lines.count] - lines.start[f.done]);
	return ret->full ? err_set(err, EFBIG, "would have more than %zu MiB", ret->max >> 20) : 0;
}
