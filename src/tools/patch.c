/* patch.c - reads a unified diff. Every line of it must have a meaning: what is passed over could be the half of a change.
 * It refuses renames, copies, changes of mode and binary patches, counts that are wrong, and names that differ. */
#include "tools/patch.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

struct reader {
	struct str rest, now;        /* now: the line to be looked at, without its newline */
	size_t line;
	bool more;                   /* there is one */
	size_t hunk_room, line_room, file_room;
	struct patch patch;
};

static void advance(struct reader *r)
{
	const char *end = r->rest.len > 0 ? memchr(r->rest.ptr, '\n', r->rest.len) : NULL;

	r->more = r->rest.len > 0;
	r->now = (struct str){ r->rest.ptr, end != NULL ? (size_t)(end - r->rest.ptr) : r->rest.len };
	r->rest = str_skip(r->rest, r->now.len + 1);
	r->line++;
}

static bool at(const struct reader *r, struct str prefix)
{
	return r->more && str_starts(r->now, prefix);
}

#define AT(r, literal) at(r, STR(literal))

static bool blank(const struct reader *r)
{
	return r->more && (r->now.len == 0 || str_eq(r->now, STR("\r")));
}

void patch_done(struct patch *patch)
{
	for (size_t i = 0; i < patch->file_count; i++)
		free(patch->files[i].path);
	free(patch->files);
	free(patch->hunks);
	free(patch->lines);
	*patch = (struct patch){ 0 };
}

static void *room_for(void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room * 2 + 16;
	return xrealloc(array, *room * size);
}

/* ---- hunks ---------------------------------------------------------------------------------------- */

static bool number(struct str *rest, size_t *ret)
{
	size_t n = 0, value = 0;

	for (; n < rest->len && n < 9 && rest->ptr[n] >= '0' && rest->ptr[n] <= '9'; n++)
		value = value * 10 + (size_t)(rest->ptr[n] - '0');
	*rest = str_skip(*rest, n);
	*ret = value;
	return n > 0;
}

static bool literal(struct str *rest, struct str what)
{
	bool there = str_starts(*rest, what);

	*rest = str_skip(*rest, there ? what.len : 0);
	return there;
}

/* "@@ -12,5 +12,7 @@ anything" */
static bool range(struct str text, struct hunk *ret)
{
	size_t new_start;

	ret->old_count = ret->new_count = 1;
	return literal(&text, STR("@@ -")) && number(&text, &ret->old_start) &&
	       (!literal(&text, STR(",")) || number(&text, &ret->old_count)) && literal(&text, STR(" +")) &&
	       number(&text, &new_start) && (!literal(&text, STR(",")) || number(&text, &ret->new_count)) &&
	       literal(&text, STR(" @@")) && (ret->old_start > 0 || ret->old_count == 0);
}

/* How many lines of each side there are, for the sentence about a wrong count. */
static int wrong_count(const struct reader *from, const struct hunk *h, struct err *err)
{
	size_t old = 0, new = 0;
	struct reader r = *from;

	for (; r.more && !AT(&r, "@@ ") && !AT(&r, "diff ") && !AT(&r, "\\"); advance(&r)) {
		struct reader next = r;
		advance(&next);
		if ((AT(&r, "--- ") && AT(&next, "+++ ")) || (blank(&r) && !next.more))
			break;
		char sign = blank(&r) ? ' ' : r.now.ptr[0];
		old += sign == ' ' || sign == '-';
		new += sign == ' ' || sign == '+';
	}
	return err_set(err, EINVAL, "line %zu: this hunk has %zu old and %zu new lines, and its header says %zu and %zu: give the "
	               "right numbers", h->line, old, new, h->old_count, h->new_count);
}

static struct patch_line *add_line(struct reader *r, char sign, struct str text)
{
	struct patch *p = &r->patch;

	p->lines = room_for(p->lines, p->line_count, &r->line_room, sizeof *p->lines);
	p->lines[p->line_count] = (struct patch_line){ .sign = sign, .text = text };
	return &p->lines[p->line_count++];
}

struct sides { size_t old, new; bool old_open, new_open; };   /* lines to go; the last line was said to be the last */

static int body_line(struct reader *r, struct hunk *h, struct sides *left, struct err *err)
{
	char sign = blank(r) ? ' ' : r->now.ptr[0];   /* editors like to strip the blank of an empty line */
	bool old = sign == ' ' || sign == '-', new = sign == ' ' || sign == '+';

	if (!old && !new)
		return err_set(err, EINVAL, "line %zu: a line of a hunk begins with ' ', '+', '-' or '\\'", r->line);
	if ((old && left->old_open) || (new && left->new_open))
		return err_set(err, EINVAL, "line %zu: a line follows one that is said to end the file", r->line);
	left->old -= old;
	left->new -= new;
	struct str text = str_skip(r->now, blank(r) ? 0 : 1);
	h->returns = h->returns || (text.len > 0 && memchr(text.ptr, '\r', text.len) != NULL);
	struct patch_line *line = add_line(r, sign, text);
	advance(r);
	if (!AT(r, "\\"))
		return 0;
	if (!AT(r, "\\ "))
		return err_set(err, EINVAL, "line %zu: must be '\\ No newline at end of file'", r->line);
	if (text.len == 0)
		return err_set(err, EINVAL, "line %zu: a last line without a newline cannot be empty: leave the line out", r->line);
	line->open_end = true;
	left->old_open |= old;
	left->new_open |= new;
	advance(r);
	return 0;
}

/* *ends: the hunk before said that the file ends there; then what this one says. */
static int hunk(struct reader *r, bool *ends, struct err *err)
{
	struct patch *p = &r->patch;
	struct hunk h = { .line = r->line, .first = p->line_count };

	if (*ends)
		return err_set(err, EINVAL, "line %zu: a hunk follows one that is said to end the file", r->line);
	if (!range(r->now, &h))
		return err_set(err, EINVAL, "line %zu: a hunk begins with '@@ -LINE,COUNT +LINE,COUNT @@'", r->line);
	if (h.old_count == 0 && h.new_count == 0)
		return err_set(err, EINVAL, "line %zu: a hunk of no lines changes nothing: leave it out", r->line);
	if (p->hunk_count == LIMIT_PATCH_HUNKS)
		return err_set(err, EINVAL, "line %zu: a patch may have at most %d hunks", r->line, LIMIT_PATCH_HUNKS);
	advance(r);
	struct reader body = *r;
	struct sides left = { .old = h.old_count, .new = h.new_count };
	while (left.old > 0 || left.new > 0) {
		char sign = !r->more ? '\0' : blank(r) ? ' ' : r->now.ptr[0];
		if (!r->more || sign == '@' || ((sign == ' ' || sign == '-') && left.old == 0) ||
		    ((sign == ' ' || sign == '+') && left.new == 0))
			return wrong_count(&body, &h, err);
		int code = body_line(r, &h, &left, err);
		if (code < 0)
			return code;
	}
	if (AT(r, " ") || AT(r, "+") || (AT(r, "-") && !AT(r, "--- ")))
		return wrong_count(&body, &h, err);
	*ends = left.old_open || left.new_open;
	h.count = p->line_count - h.first;
	p->hunks = room_for(p->hunks, p->hunk_count, &r->hunk_room, sizeof *p->hunks);
	p->hunks[p->hunk_count++] = h;
	return 0;
}

/* ---- the head of a file's part --------------------------------------------------------------------- */

struct head {
	struct str old, new, git;    /* ptr NULL: /dev/null, or not given */
	bool says_new, says_delete, executable;
};

static struct str without_return(struct str s)
{
	s.len -= s.len > 0 && s.ptr[s.len - 1] == '\r';
	return s;
}

/* The name behind "--- " or "+++ ", up to a tab. */
static int name_of_side(const struct reader *r, struct str *ret, struct err *err)
{
	struct str name = without_return(str_skip(r->now, 4));
	const char *tab = name.len > 0 ? memchr(name.ptr, '\t', name.len) : NULL;

	if (tab != NULL)
		name.len = (size_t)(tab - name.ptr);
	if (str_eq(name, STR("/dev/null"))) {
		*ret = (struct str){ NULL, 0 };
		return 0;
	}
	if (str_starts(name, STR("\"")))
		return err_set(err, EINVAL, "line %zu: a name in quotes: write it as it is", r->line);
	if (name.len == 0 || name.len >= LIMIT_TOOL_PATH_BYTES)
		return err_set(err, EINVAL, "line %zu: a name has 1 to %d bytes", r->line, LIMIT_TOOL_PATH_BYTES - 1);
	*ret = name;
	return 0;
}

/* "diff --git a/NAME b/NAME"; names that differ are looked at where they count. */
static struct str git_name(struct str line)
{
	struct str both = without_return(str_skip(line, strlen("diff --git ")));
	size_t half = both.len / 2;

	if (both.len < 7 || both.len % 2 == 0 || both.ptr[half] != ' ')
		return (struct str){ NULL, 0 };
	struct str a = { both.ptr, half }, b = { both.ptr + half + 1, half };
	bool same = str_starts(a, STR("a/")) && str_starts(b, STR("b/")) && str_eq(str_skip(a, 2), str_skip(b, 2));
	return same ? str_skip(b, 2) : (struct str){ NULL, 0 };
}

static int mode(const struct reader *r, struct str prefix, struct head *head, struct err *err)
{
	struct str value = without_return(str_skip(r->now, prefix.len));

	head->executable = str_eq(value, STR("100755"));
	if (head->executable || str_eq(value, STR("100644")))
		return 0;
	return err_set(err, EINVAL, "line %zu: only regular files (mode 100644 or 100755) can be made or deleted", r->line);
}

static int git_line(const struct reader *r, struct head *head, struct err *err)
{
	static const struct { const char *prefix, *why; } refused[] = {
		{ "old mode ", "a change of mode is not made here: use chmod in the shell" },
		{ "new mode ", "a change of mode is not made here: use chmod in the shell" },
		{ "rename ", "a rename is not made here: delete the one file and make the other" },
		{ "copy ", "a copy is not made here: make the new file with all its lines" },
		{ "similarity ", "renames and copies are not made here: delete the one file and make the other" },
		{ "dissimilarity ", "renames and copies are not made here: delete the one file and make the other" },
		{ "GIT binary patch", "a binary patch is refused" },
		{ "Binary files ", "a binary patch is refused" },
	};

	for (size_t i = 0; i < COUNT(refused); i++)
		if (str_starts(r->now, str_of(refused[i].prefix)))
			return err_set(err, EINVAL, "line %zu: %s", r->line, refused[i].why);
	if (AT(r, "new file mode ")) {
		head->says_new = true;
		return mode(r, STR("new file mode "), head, err);
	}
	if (AT(r, "deleted file mode ")) {
		head->says_delete = true;
		return mode(r, STR("deleted file mode "), head, err);
	}
	if (AT(r, "index "))
		return 0;
	return err_set(err, EINVAL, "line %zu: means nothing in a patch: '--- a/NAME' was expected", r->line);
}

static int both_sides(struct reader *r, struct head *head, struct err *err)
{
	int code = name_of_side(r, &head->old, err);

	advance(r);
	if (code == 0 && !AT(r, "+++ "))
		return err_set(err, EINVAL, "line %zu: '+++ b/NAME' must follow '--- a/NAME'", r->line);
	if (code == 0)
		code = name_of_side(r, &head->new, err);
	advance(r);
	if (code == 0 && head->old.ptr == NULL && head->new.ptr == NULL)
		return err_set(err, EINVAL, "line %zu: both sides are /dev/null: one must name a file", r->line - 1);
	if (code == 0 && !AT(r, "@@ "))
		return err_set(err, EINVAL, "line %zu: a hunk must follow: '@@ -LINE,COUNT +LINE,COUNT @@'", r->line);
	return code;
}

static struct str without(struct str name, struct str prefix)
{
	return str_skip(name, str_starts(name, prefix) && name.len > prefix.len ? prefix.len : 0);
}

/* What kind of change to which file: the head must not say two things. */
static int settle(const struct head *head, struct patch_file *ret, struct err *err)
{
	struct str path = head->git;
	bool empty = head->old.ptr == NULL && head->new.ptr == NULL;

	if (empty && (path.ptr == NULL || head->says_new == head->says_delete))
		return err_set(err, EINVAL, "line %zu: this part changes nothing: it has neither '--- a/NAME' with hunks nor a new or deleted "
		               "file", ret->line);
	ret->kind = head->old.ptr == NULL && !head->says_delete ? PATCH_NEW : head->new.ptr == NULL ? PATCH_DELETE : PATCH_CHANGE;
	if ((head->says_new && ret->kind != PATCH_NEW) || (head->says_delete && ret->kind != PATCH_DELETE))
		return err_set(err, EINVAL, "line %zu: a new file has '--- /dev/null', a deleted one '+++ /dev/null'", ret->line);
	if (!empty && ret->kind == PATCH_NEW)
		path = without(head->new, STR("b/"));
	else if (!empty && ret->kind == PATCH_DELETE)
		path = without(head->old, STR("a/"));
	else if (!empty)
		path = str_starts(head->old, STR("a/")) && str_starts(head->new, STR("b/")) ? without(head->new, STR("b/")) : head->new;
	bool renames = ret->kind == PATCH_CHANGE && !str_eq(head->old, head->new) &&
	               !(str_starts(head->old, STR("a/")) && str_starts(head->new, STR("b/")) &&
	                 str_eq(str_skip(head->old, 2), str_skip(head->new, 2)));
	if (renames || (head->git.ptr != NULL && !str_eq(head->git, path)))
		return err_set(err, EINVAL, "line %zu: the names of this part differ; a rename is not made here: delete the one file and "
		               "make the other", ret->line);
	ret->path = xstrndup(path.ptr, path.len);
	ret->executable = head->executable && ret->kind == PATCH_NEW;
	return 0;
}

static int file(struct reader *r, struct err *err)
{
	struct patch *p = &r->patch;
	struct head head = { 0 };
	struct patch_file f = { .line = r->line, .first = p->hunk_count };
	int code = 0;

	if (p->file_count == LIMIT_PATCH_FILES)
		return err_set(err, EINVAL, "line %zu: a patch may change at most %d files", r->line, LIMIT_PATCH_FILES);
	if (AT(r, "diff ")) {
		if (AT(r, "diff --git "))
			head.git = git_name(r->now);
		for (advance(r); code == 0 && r->more && !blank(r) && !AT(r, "--- ") && !AT(r, "diff "); advance(r))
			code = git_line(r, &head, err);
	} else if (!AT(r, "--- ")) {
		return err_set(err, EINVAL, "line %zu: means nothing in a patch: 'diff --git a/NAME b/NAME' or '--- a/NAME' was expected",
		               r->line);
	}
	if (code == 0 && AT(r, "--- "))
		code = both_sides(r, &head, err);
	if (code == 0)
		code = settle(&head, &f, err);
	if (code < 0)
		return code;
	p->files = room_for(p->files, p->file_count, &r->file_room, sizeof *p->files);
	p->files[p->file_count++] = f;       /* from here on it is freed with the patch */
	for (bool ends = false; code == 0 && AT(r, "@@"); )
		code = hunk(r, &ends, err);
	p->files[p->file_count - 1].count = p->hunk_count - f.first;
	return code;
}

int patch_parse(struct str text, struct patch *ret, struct err *err)
{
	struct reader r = { .rest = text };
	int code = 0;

	if (text.len > LIMIT_PATCH_BYTES)
		return err_set(err, EINVAL, "a patch may have at most %zu bytes", LIMIT_PATCH_BYTES);
	if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)
		return err_set(err, EINVAL, "the patch has a NUL in it: binary patches are refused");
	advance(&r);
	while (code == 0 && r.more) {
		if (blank(&r))
			advance(&r);
		else
			code = file(&r, err);
	}
	if (code == 0 && r.patch.file_count == 0)
		code = err_set(err, EINVAL, "the patch is empty: it begins with '--- a/NAME' or 'diff --git a/NAME b/NAME'");
	if (code < 0)
		patch_done(&r.patch);
	else
		*ret = r.patch;
	return code;
}
