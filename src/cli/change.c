/* change.c - the diff of a file tool's call against the files as the task sees them, for the person who is asked. It only
 * reads, through the same door as the tools do: nothing outside of the workspace, no link out of it, no device. What
 * is shown is the present; the tool looks again when it runs. */
#include "cli/change.h"

#include <string.h>

#include "base/io.h"
#include "engine/layer.h"
#include "engine/text_diff.h"
#include "tools/inside.h"
#include "tools/patch.h"

#include "base/banned.h"

/* The bytes of a file; empty where there is none. */
static int read_now(const struct change_in *in, const char *path, struct buf *ret, bool *ret_there, struct err *err)
{
	AUTO(place_done) struct place place = PLACE_NONE;

	if (in->layer != NULL)
		return layer_see(in->layer, in->workspace, path, ret, ret_there, err);
	int r = place_find(in->workspace, path, &place, err);
	if (r < 0)
		return r;
	*ret_there = place.exists;
	if (!place.exists)
		return 0;
	AUTO(fd_closep) int fd = place_open_file(&place, err);
	if (fd < 0)
		return fd;
	return io_read_fd(fd, ret, err);
}

static void head(const char *path, bool there, struct buf *ret)
{
	buf_printf(ret, "--- %s%s\n+++ %s\n", path, there ? "" : " (not there now)", path);
}

static void show(const char *path, bool there, struct str before, struct str after, struct buf *ret)
{
	size_t from = ret->len;

	head(path, there, ret);
	size_t body = ret->len;
	struct diff_counts counts;
	text_diff(before, after, ret, &counts);
	if (ret->len > body)
		return;
	ret->len = from;
	buf_printf(ret, there ? "%s stays as it is\n" : "%s: an empty file is made\n", path);
}

static int write_change(const json_t *args, const struct change_in *in, struct buf *ret, struct err *err)
{
	AUTO(buf_done) struct buf now = BUF_INIT(LIMIT_EDIT_FILE_BYTES);
	struct str path = arg_str(args, "path");
	bool there = false;

	int r = read_now(in, path.ptr, &now, &there, err);
	if (r == 0)
		show(path.ptr, there, buf_str(&now), arg_str(args, "content"), ret);
	return r;
}

static int edit_change(const json_t *args, const struct change_in *in, struct buf *ret, struct err *err)
{
	AUTO(buf_done) struct buf now = BUF_INIT(LIMIT_EDIT_FILE_BYTES), then = BUF_INIT(LIMIT_EDIT_FILE_BYTES);
	struct str path = arg_str(args, "path"), old = arg_str(args, "old"), new = arg_str(args, "new");
	bool there = false, all = json_get_bool(args, "all", false);
	size_t count = 0;

	int r = read_now(in, path.ptr, &now, &there, err);
	if (r < 0)
		return r;
	struct str rest = buf_str(&now);
	for (const char *at; old.len > 0 && (all || count == 0) && (at = memmem(rest.ptr, rest.len, old.ptr, old.len)) != NULL; count++) {
		buf_add(&then, rest.ptr, (size_t)(at - rest.ptr));
		buf_add_str(&then, new);
		rest = str_skip(rest, (size_t)(at - rest.ptr) + old.len);
	}
	buf_add_str(&then, rest);
	if (count == 0)
		return err_set(err, EINVAL, "the text that is to go is not in the file as it is now: as it stands the call would fail");
	show(path.ptr, there, buf_str(&now), buf_str(&then), ret);
	return 0;
}

static int patch_change(const json_t *args, const struct change_in *in, struct buf *ret, struct err *err)
{
	AUTO(patch_done) struct patch patch = { 0 };
	int r = patch_parse(arg_str(args, "patch"), &patch, err);

	for (size_t i = 0; r == 0 && i < patch.file_count; i++) {
		const struct patch_file *f = &patch.files[i];
		AUTO(buf_done) struct buf now = BUF_INIT(LIMIT_EDIT_FILE_BYTES), then = BUF_INIT(LIMIT_EDIT_FILE_BYTES);
		AUTO(buf_done) struct buf shown = BUF_INIT(KIB(64));
		struct patch_sums sums = { 0 };
		bool there = false;
		r = read_now(in, f->path, &now, &there, err);
		if (r == 0)
			r = patch_apply(&patch, f, buf_str(&now), &then, &sums, &shown, err);
		if (r == 0 && f->kind == PATCH_DELETE)
			buf_printf(ret, "%s is deleted:\n", f->path);
		if (r == 0)
			show(f->path, there, buf_str(&now), buf_str(&then), ret);
	}
	return r;
}

bool change_show(const char *tool, const json_t *args, const struct change_in *in, struct buf *ret)
{
	static const struct {
		const char *tool;
		int (*change)(const json_t *args, const struct change_in *in, struct buf *ret, struct err *err);
	} changes[] = { { "write_file", write_change }, { "edit_file", edit_change }, { "apply_patch", patch_change } };
	struct err err = ERR_NONE;

	for (size_t i = 0; i < COUNT(changes); i++) {
		if (strcmp(changes[i].tool, tool) != 0)
			continue;
		if (changes[i].change(args, in, ret, &err) < 0)
			buf_printf(ret, "(%s)\n", err.text);
		return true;
	}
	return false;
}
