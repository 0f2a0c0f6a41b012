/* changes.c - finds the layer that a command is about, and lists what is in it. It changes nothing. */
#include <stdio.h>
#include <string.h>

#include "cli/changes.h"
#include "cli/print.h"
#include "tools/tool.h"

#include "base/banned.h"

int changes_find(struct changes *c, const struct options *o, unsigned store_flags)
{
	char id[ID_LEN + 1];
	struct task_row row;
	struct err err = ERR_NONE;

	c->layer = LAYER_NONE;
	if (cli_open_store(o, store_flags, &c->store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int code = task_argument(o, c->store, id);
	if (code != 0)
		return code;
	if (store_task_get(c->store, id, &row, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int r = engine_load(c->store, row.root, &c->task, &err);
	task_row_done(&row);
	if (r < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	c->data = layer_data_dir(c->store);
	if (layer_exists(c->data, c->task->id))
		return 0;
	if (json_get_int(c->task->config, "layer_bytes", 0) == 0)
		return complain(EXIT_USAGE, "task %s has no layer of changes: what it did went to the workspace at once; start one with"
		                " --workspace-mode overlay", c->task->id);
	c->none = true;
	return 0;
}

int changes_read(struct changes *c)
{
	struct err err = ERR_NONE;

	if (!c->none && layer_open(c->data, c->task->id, &c->layer, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	return 0;
}

void changes_done(struct changes *c)
{
	layer_close(&c->layer);
	task_free(c->task);
	store_close(c->store);
	free(c->data);
}

static void add_name(struct buf *line, const char *name)
{
	AUTO(buf_done) struct buf raw = BUF_INIT(KIB(8));

	buf_add_text(&raw, name);
	for (size_t i = 0; i < raw.len; i++)
		if (raw.ptr[i] == '\n' || raw.ptr[i] == '\t')
			raw.ptr[i] = '?';
	sanitize_text(buf_str(&raw), line);
}

static void list_one(const struct overlay *layer, const struct change *c, FILE *to)
{
	AUTO(buf_done) struct buf line = BUF_INIT(KIB(64)), target = BUF_INIT(KIB(4));

	buf_printf(&line, "%-8s ", change_kind_name(c->kind));
	add_name(&line, c->path);
	if (c->type == TYPE_DIRECTORY)
		buf_add_char(&line, '/');
	if (c->type == TYPE_LINK && c->kind != CHANGE_DELETED && layer_read(layer->upper, c->path, TYPE_LINK, &target) == 0) {
		buf_add_text(&line, " -> ");
		add_name(&line, buf_text(&target));
	}
	if (c->kind == CHANGE_CHANGED && c->type != c->was)
		buf_printf(&line, "  (was a %s)", change_type_name(c->was));
	if (c->kind == CHANGE_MODE || (c->kind == CHANGE_CHANGED && c->type == TYPE_FILE && c->was == TYPE_FILE && c->mode != c->old_mode))
		buf_printf(&line, "  (mode %03o, was %03o)", c->mode, c->old_mode);
	if (c->conflict != NULL) {
		buf_add_text(&line, "  CONFLICT: ");
		add_name(&line, c->conflict);
	}
	fprintf(to, "%s\n", buf_text(&line));
}

void changes_list(const struct overlay *layer, FILE *to)
{
	const json_t *row;
	size_t i;

	for (size_t k = 0; k < layer->count; k++)
		list_one(layer, &layer->changes[k], to);
	json_array_foreach(layer->refused, i, row) {
		AUTO(buf_done) struct buf line = BUF_INIT(KIB(64));
		add_name(&line, json_get_text(row, "path", ""));
		fprintf(to, "refused  %s  (%s: it is never applied)\n", buf_text(&line), json_get_text(row, "why", ""));
	}
}

void changes_note(json_t *notes, const struct event *e)
{
	if (e->type != EVENT_FILES_VIOLATED && e->type != EVENT_CHANGES_APPLIED && e->type != EVENT_CHANGES_DROPPED)
		return;
	json_t *note = json_deep_copy(e->data);
	json_put_text(note, "event", event_name(e->type));
	json_put_text(note, "user", e->user);
	json_array_append_new(notes, note);
}

static void print_places(const json_t *places, bool colour)
{
	const json_t *row;
	size_t i;

	json_array_foreach(places, i, row) {
		printf("  %snew%s where the policy says files.%s: ", ink(colour, INK_BAD), ink(colour, INK_PLAIN),
		       json_get_text(row, "kind", ""));
		print_line(json_get_text(row, "path", ""), 120);
		putchar('\n');
	}
}

void changes_print_notes(const json_t *notes, bool colour)
{
	const json_t *note;
	size_t i;

	if (json_array_size(notes) > 0)
		printf("\n%sfiles%s\n", ink(colour, INK_BOLD), ink(colour, INK_PLAIN));
	json_array_foreach(notes, i, note) {
		const json_t *sums = json_object_get(note, "sums"), *forced = json_object_get(note, "forced");
		print_places(json_object_get(note, "places"), colour);
		if (sums == NULL)
			continue;
		printf("  changes were %s by %s: %lld added, %lld changed, %lld deleted, %lld modes",
		       strcmp(json_get_text(note, "event", ""), "changes.applied") == 0 ? "applied" : "dropped",
		       json_get_text(note, "user", ""), (long long)json_get_int(sums, "added", 0),
		       (long long)json_get_int(sums, "changed", 0), (long long)json_get_int(sums, "deleted", 0),
		       (long long)json_get_int(sums, "mode", 0));
		if (json_array_size(forced) > 0)
			printf(", %zu over what had changed meanwhile", json_array_size(forced));
		putchar('\n');
	}
}

void changes_hint(const struct store *store, const struct task *task)
{
	AUTO(freep) char *data = layer_data_dir(store);

	if (json_get_int(task->config, "layer_bytes", 0) > 0 && task->phase == PHASE_ENDED && layer_exists(data, task->id))
		complain(0, "what it changed waits in a layer: look with `mishri diff %s`, then `mishri apply %s` or `mishri drop %s`",
		         task->id, task->id, task->id);
}
