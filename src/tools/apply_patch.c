/* apply_patch.c - the tool `apply_patch`: a unified diff over several files, all of them or none. Everything that can be
 * known is known before the first byte is written: every hunk is placed, every new file lies finished beside its place. Then
 * names are exchanged, one after another, and exchanged back if one of them fails. It refuses renames, binary patches, places
 * outside of the workspace, and files that changed since this task saw them. */
#include "tools/inside.h"
#include "tools/patch.h"
#include "tools/rows.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/banned.h"

struct change {
	const struct patch_file *file;
	struct place place;
	struct buf after;
	struct patch_sums sums;
	struct staged staged;        /* dir -1: not yet */
	char backup[STAGED_NAME_BYTES];
	bool has_temporary, has_backup, done;
	size_t parents;              /* bytes of the path to its directory that were there before */
};

struct work {
	struct patch patch;
	struct change *changes;
	size_t count;
	size_t bytes;                /* of all files, before and after */
	struct buf shown;            /* what a hunk wants, and what is there */
	bool stuck;                  /* something could not be put back */
};

static void work_done(struct work *work)
{
	for (size_t i = 0; i < work->count; i++) {
		place_done(&work->changes[i].place);
		buf_done(&work->changes[i].after);
		fd_close(&work->changes[i].staged.dir);
	}
	free(work->changes);
	buf_done(&work->shown);
	patch_done(&work->patch);
}

static int apply_patch_plan(const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err)
{
	struct str patch = arg_str(args, "patch");

	(void)workspace;
	if (patch.len > LIMIT_PATCH_BYTES)
		return err_set(err, EINVAL, "/patch: has %zu bytes: at most %zu; give it in parts", patch.len, LIMIT_PATCH_BYTES);
	if (memchr(patch.ptr, '\0', patch.len) != NULL)
		return err_set(err, EINVAL, "/patch: has a NUL character in it: binary patches are refused");
	return plan_builtin(&tool_apply_patch, ret);
}

/* ---- what will be: nothing is written yet ------------------------------------------------------------ */

static int read_before(struct place *place, struct buf *ret, struct err *err)
{
	AUTO(fd_closep) int fd = place_open_file(place, err);

	if (fd < 0)
		return fd;
	int r = io_read_fd(fd, ret, err);
	if (r == -EFBIG)
		return err_set(err, EFBIG, "%s: has more than %zu MiB, which is too much to patch here; `patch` in the shell can",
		               place->given, LIMIT_EDIT_FILE_BYTES >> 20);
	return r < 0 ? err_prefix(err, "%s", place->given) : 0;
}

static int compute(struct work *work, struct change *c, struct str before, struct err *err)
{
	int r = patch_apply(&work->patch, c->file, before, &c->after, &c->sums, &work->shown, err);

	if (r < 0)
		return err_prefix(err, "%s", c->place.given);
	if (c->file->kind == PATCH_DELETE && c->after.len > 0)
		return err_set(err, EINVAL, "%s: is to be deleted, and the patch does not name all of its lines", c->place.given);
	work->bytes += before.len + c->after.len;
	if (work->bytes > LIMIT_PATCH_TOTAL_BYTES)
		return err_set(err, EFBIG, "the files of this patch have more than %zu MiB: give it in parts", LIMIT_PATCH_TOTAL_BYTES >> 20);
	return 0;
}

static int is_twice(const struct work *work, const struct change *c, struct err *err)
{
	for (const struct change *other = work->changes; other < c; other++)
		if (strcmp(other->place.relative, c->place.relative) == 0)
			return err_set(err, EINVAL, "%s: is in the patch twice: put its hunks together", c->place.given);
	return 0;
}

/* How much of the way to its directory exists, so that what is made on the way can be taken away again. */
static size_t parents_there(const struct place *place)
{
	AUTO(freep) char *path = xstrdup(place->relative);

	for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
		*slash = '\0';
		AUTO(fd_closep) int fd = open_below(place->root, path, O_PATH | O_DIRECTORY);
		if (fd >= 0)
			return strlen(path);
	}
	return 0;
}

static int look(struct work *work, struct change *c, const char *workspace, struct err *err)
{
	AUTO(buf_done) struct buf before = BUF_INIT(LIMIT_EDIT_FILE_BYTES);
	char hex[SHA256_HEX_LEN + 1];
	int r = place_find(workspace, c->file->path, &c->place, err);

	if (r == 0)
		r = is_twice(work, c, err);
	if (r < 0)
		return r;
	c->parents = parents_there(&c->place);
	if (c->file->kind == PATCH_NEW && c->place.exists)
		return err_set(err, EEXIST, "%s: is to be made, and is there already", c->place.given);
	if (c->file->kind != PATCH_NEW) {
		r = read_before(&c->place, &before, err);
		if (r == 0)
			r = place_may_replace(&c->place, err);
		sha256_hex1(buf_str(&before), hex);
	}
	if (r == 0)
		r = place_unchanged(&c->place, c->file->kind != PATCH_NEW ? hex : NULL, false, err);
	return r == 0 ? compute(work, c, buf_str(&before), err) : r;
}

/* ---- the names change: what is half done can be undone ----------------------------------------------- */

static int stage(struct change *c, struct err *err)
{
	int r = 0;

	staged_name(c->backup);
	if (c->file->kind == PATCH_DELETE) {
		c->staged.dir = place_open_parent(&c->place, false, &c->staged.name, err);
		return MIN(c->staged.dir, 0);
	}
	r = place_stage(&c->place, buf_str(&c->after), true, c->file->executable, &c->staged, err);
	c->has_temporary = r == 0;
	return r;
}

/* A new name is linked, not renamed: what came to be there in the meantime is not replaced. */
static int exchange(struct change *c, struct err *err)
{
	int dir = c->staged.dir, r = 0;
	const char *name = c->staged.name;

	switch (c->file->kind) {
	case PATCH_CHANGE:
		r = linkat(dir, name, dir, c->backup, 0);
		c->has_backup = r == 0;
		r = r == 0 ? renameat(dir, c->staged.temporary, dir, name) : r;
		c->has_temporary = r < 0;
		break;
	case PATCH_NEW:
		r = linkat(dir, c->staged.temporary, dir, name, 0);
		break;
	case PATCH_DELETE:
		r = renameat(dir, name, dir, c->backup);
		c->has_backup = r == 0;
		break;
	}
	c->done = r == 0;
	return r < 0 ? err_sys(err, "%s: cannot put the new file in place", c->place.given) : 0;
}

static void remove_made_dirs(const struct change *c)
{
	AUTO(freep) char *path = xstrdup(c->place.relative);

	for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
		*slash = '\0';
		if (strlen(path) <= c->parents || unlinkat(c->place.root, path, AT_REMOVEDIR) < 0)
			return; /* it was there before, or is not empty */
	}
}

static int undo(struct work *work, int code, struct err *err)
{
	for (size_t i = work->count; i-- > 0;) {
		struct change *c = &work->changes[i];
		int dir = c->staged.dir, r = 0;
		if (c->done && c->file->kind == PATCH_NEW)
			r = unlinkat(dir, c->staged.name, 0);
		else if (c->done)
			r = renameat(dir, c->backup, dir, c->staged.name);
		else if (c->has_backup)
			(void)unlinkat(dir, c->backup, 0);
		if (c->has_temporary)
			(void)unlinkat(dir, c->staged.temporary, 0);
		if (r < 0) {
			work->stuck = true;
			err_prefix(err, "%s could not be put back and is changed", c->place.given);
		}
		if (dir >= 0 && c->file->kind == PATCH_NEW)
			remove_made_dirs(c);
	}
	return code;
}

static int carry_out(struct work *work, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < work->count && r == 0; i++)
		r = stage(&work->changes[i], err);
	for (size_t i = 0; i < work->count && r == 0; i++)
		r = exchange(&work->changes[i], err);
	if (r < 0)
		return undo(work, r, err);
	for (size_t i = 0; i < work->count; i++) {
		const struct change *c = &work->changes[i];
		if (c->has_backup)
			(void)unlinkat(c->staged.dir, c->backup, 0);
		if (c->has_temporary)
			(void)unlinkat(c->staged.dir, c->staged.temporary, 0);
		dir_sync(c->staged.dir);
	}
	return 0;
}

/* ---- the call ------------------------------------------------------------------------------------------ */

static void tell(const struct change *c, struct buf *said)
{
	char hex[SHA256_HEX_LEN + 1];

	if (c->file->kind == PATCH_DELETE) {
		seen_note(c->place.relative, NULL);
		buf_printf(said, "%s: deleted\n", c->place.given);
		return;
	}
	sha256_hex1(buf_str(&c->after), hex);
	seen_note(c->place.relative, hex);
	buf_printf(said, "%s: %s%zu %s, +%zu -%zu lines; now %zu bytes\n", c->place.given,
	           c->file->kind == PATCH_NEW ? "a new file, " : "", c->sums.hunks, c->sums.hunks == 1 ? "hunk" : "hunks",
	           c->sums.added, c->sums.removed, c->after.len);
	if (c->sums.moved > 0)
		buf_printf(said, "  %zu of them not at the line where the patch says\n", c->sums.moved);
}

static int prepare(struct work *work, const json_t *args, const char *workspace, struct err *err)
{
	int r = patch_parse(arg_str(args, "patch"), &work->patch, err);

	if (r < 0)
		return err_prefix(err, "the patch");
	work->changes = xcalloc(work->patch.file_count, sizeof *work->changes);
	for (size_t i = 0; i < work->patch.file_count && r == 0; i++) {
		struct change *c = &work->changes[work->count++];
		*c = (struct change){ .file = &work->patch.files[i], .place = PLACE_NONE, .after = BUF_INIT(LIMIT_EDIT_FILE_BYTES),
		                      .staged.dir = -1 };
		r = look(work, c, workspace, err);
	}
	return r;
}

static int apply_patch_run(const json_t *args, const char *workspace)
{
	AUTO(work_done) struct work work = { .shown = BUF_INIT(KIB(16)) };
	AUTO(buf_done) struct buf said = BUF_INIT(MIB(1));
	struct err err = ERR_NONE;
	AUTO(fd_closep) int lock = workspace_lock(workspace, &err);

	if (lock < 0 || prepare(&work, args, workspace, &err) < 0 || carry_out(&work, &err) < 0) {
		buf_printf(&said, "%s\n%s%s", err.text, buf_text(&work.shown), work.stuck ? "" : "No file was changed.\n");
		(void)answer(&said);
		return 1;
	}
	for (size_t i = 0; i < work.count; i++)
		tell(&work.changes[i], &said);
	return answer(&said);
}

static const char schema[] =
	"{\"type\":\"object\",\"required\":[\"patch\"],\"additionalProperties\":false,\"properties\":{"
	"\"patch\":{\"type\":\"string\",\"minLength\":1,\"description\":\"a unified diff, as git makes it: '--- a/NAME', '+++ b/NAME', "
	"'@@ -LINE,COUNT +LINE,COUNT @@' and lines that begin with ' ', '-' or '+'; /dev/null for a new or deleted file\"}}}";

const struct tool tool_apply_patch = {
	.name = "apply_patch",
	.about = "Applies a unified diff to files in the workspace: several files at once, all or none. Context must match exactly; "
		 "line numbers may be a little off.",
	.category = "write",
	.risk = "low",
	.permissions = "fs.read fs.write",
	.nature = NATURE_AT_MOST_ONCE, /* what it changed no longer has the old lines */
	.schema = schema,
	.plan = apply_patch_plan,
	.run = apply_patch_run,
};
