/* patch.h - unified diffs: from text to hunks, and from a file's old bytes to its new ones. Pure: no file is opened
 * here. Context must match byte by byte; only where it lies may be some lines off. */
#ifndef MISHRI_TOOLS_PATCH_H
#define MISHRI_TOOLS_PATCH_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"

struct patch_line {
	char sign;                   /* ' ', '-', '+' */
	bool open_end;               /* "\ No newline at end of file" */
	struct str text;             /* without the newline; within the patch's text */
};

struct hunk {
	size_t line;                 /* of its header in the patch, from 1 */
	size_t old_start, old_count, new_count;
	size_t first, count;         /* its lines, within struct patch */
	bool returns;                /* some line has a CR */
};

enum patch_kind { PATCH_CHANGE, PATCH_NEW, PATCH_DELETE };

struct patch_file {
	enum patch_kind kind;
	char *path;                  /* without a/ and b/ */
	bool executable;             /* a new one */
	size_t line;                 /* where it begins in the patch */
	size_t first, count;         /* its hunks, within struct patch */
};

struct patch {
	struct patch_file *files;
	struct hunk *hunks;
	struct patch_line *lines;
	size_t file_count, hunk_count, line_count;
};

/* Text is borrowed and must outlive the patch. -EINVAL: "line N: what: what would be right"; *ret untouched. */
MUST_USE int patch_parse(struct str text, struct patch *ret, struct err *err);
void patch_done(struct patch *patch);                       /* fits AUTO(patch_done) */

struct patch_sums {
	size_t hunks, added, removed;
	size_t moved;                /* hunks that lay elsewhere than they say */
};

/* Appends the file as it will be. -EINVAL: err says which hunk does not fit and why, and `shown` gets what it wants and
 * what the file has there; -EFBIG: ret is full. */
MUST_USE int patch_apply(const struct patch *patch, const struct patch_file *file, struct str before, struct buf *ret,
                         struct patch_sums *sums, struct buf *shown, struct err *err);

#endif
