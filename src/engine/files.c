/* files.c - what a task may see and change. The kernel keeps it, in the cell; here it is put together, told to the model
 * in words, and what could not be prevented is written down. */
#include "engine/files.h"

#include <stdio.h>
#include <string.h>

#include "engine/layer.h"
#include "engine/run.h"
#include "policy/probe.h"

#include "base/banned.h"

/* Without mounts of its own a cell keeps no file: there only what the policy's words want is said to be missing. */
static bool is_kept(const struct path_rule *rule, enum cell_level level)
{
	return !rule->own || level == CELL_FULL;
}

void cell_files_of(const struct policy *policy, enum cell_level level, struct cell_files *ret)
{
	const struct path_rule *rules;
	size_t count = policy_paths(policy, &rules), at[3] = { 0 };
	const char **lists[3];

	for (size_t kind = 0; kind < COUNT(lists); kind++)
		lists[kind] = xcalloc(count + 1, sizeof *lists[kind]);
	for (size_t i = 0; i < count; i++)
		if (is_kept(&rules[i], level))
			lists[rules[i].kind][at[rules[i].kind]++] = rules[i].pattern;
	*ret = (struct cell_files){ lists[PATH_HIDE], lists[PATH_READONLY], lists[PATH_WRITABLE] };
}

void cell_files_done(struct cell_files *files)
{
	free(files->hide);
	free(files->keep);
	free(files->writable);
}

void cell_files_put(const struct cell_files *files, struct cell_plan *plan)
{
	plan->hide = files->hide;
	plan->keep = files->keep;
	plan->writable = files->writable;
}

void cell_files_tell(const struct policy *policy, enum cell_level level, json_t *mechanisms)
{
	const struct path_rule *rules;
	size_t count = policy_paths(policy, &rules);
	json_t *files = json_object_get(mechanisms, "files");

	if (count == 0)
		return;
	if (files == NULL) {
		files = json_object();
		json_put(mechanisms, "files", files);
	}
	for (enum path_kind kind = PATH_HIDE; kind <= PATH_WRITABLE; kind++) {
		json_t *list = json_array();
		for (size_t i = 0; i < count; i++)
			if (rules[i].kind == kind && is_kept(&rules[i], level))
				json_array_append_new(list, json_of_str(str_of(rules[i].pattern)));
		json_put(files, path_kind_name(kind), list);
	}
}

/* ---- modes ---- */

void files_config(json_t *config, const char *mode, int64_t layer_bytes, const struct agent_profile *profile)
{
	if (profile != NULL && profile->readonly)
		mode = "readonly";
	json_put_text(config, "workspace_mode", mode != NULL ? mode : "direct");
	if (layer_bytes > 0)
		json_put_int(config, "layer_bytes", layer_bytes);
}

/* 0: there is no layer. */
int64_t files_layer_bytes(const json_t *config)
{
	return json_get_int(config, "layer_bytes", 0);
}

const json_t *files_task_config(const struct run *run)
{
	bool unwritten = run->opening_type == EVENT_TASK_CREATED && run->opening != NULL;

	return unwritten ? json_object_get(run->opening, "config") : run->task->config;
}

static const char *root_of(const struct run *run)
{
	return run->task->root[0] != '\0' ? run->task->root : run->task->id;
}

int files_plan(struct run *run, struct cell_plan *plan, struct cell_files *ret_files, char **ret_layer, struct err *err)
{
	const json_t *config = files_task_config(run);

	cell_files_of(run_policy(run), plan->level, ret_files);
	cell_files_put(ret_files, plan);
	plan->workspace_readonly = strcmp(json_get_text(config, "workspace_mode", "direct"), "readonly") == 0;
	if (files_layer_bytes(config) == 0)
		return 0;
	AUTO(freep) char *data = layer_data_dir(run->engine->setup.store);
	int r = layer_begin(data, root_of(run), run->workspace, ret_layer, err);
	if (r == 0)
		plan->layer = *ret_layer;
	return r;
}

char *files_layer(const struct run *run)
{
	if (files_layer_bytes(run->task->config) == 0)
		return NULL;
	AUTO(freep) char *data = layer_data_dir(run->engine->setup.store);
	return layer_path(data, root_of(run));
}

/* A layer in which nothing was changed is nobody's business. */
void files_forget(struct store *store, const struct task *t)
{
	tmp_kept_drop(store, t->id);
	if (t->parent[0] != '\0' || files_layer_bytes(t->config) == 0)
		return;
	AUTO(freep) char *data = layer_data_dir(store);
	AUTO(freep) char *path = layer_path(data, t->id);
	if (layer_remove_empty(path) < 0)
		return; /* `mishri diff` says that it is empty */
}

/* ---- rules ---- */

static char *below_workspace(const char *workspace, const char *path)
{
	size_t len = strlen(workspace);
	AUTO(freep) char *whole = path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", workspace, path);
	char *resolved = resolve_path(NULL, whole);

	if (resolved == NULL || strncmp(resolved, workspace, len) != 0 || resolved[len] != '/') {
		free(resolved);
		return NULL;
	}
	memmove(resolved, resolved + len + 1, strlen(resolved + len + 1) + 1);
	return resolved;
}

bool files_refuse(const struct run *run, const struct tool *tool, const json_t *args, struct decision *ret)
{
	const char *path = json_get_text(args, "path", NULL);
	const struct path_rule *rule = NULL;
	bool writes = strcmp(tool->category, "write") == 0;

	if (path == NULL || path[0] == '\0')
		return false;
	AUTO(freep) char *below = below_workspace(run->workspace, path);
	if (below != NULL)
		rule = policy_path_find(run_policy(run), PATH_HIDE, below);
	if (rule == NULL && below != NULL && writes)
		rule = policy_path_find(run_policy(run), PATH_READONLY, below);
	if (rule == NULL)
		return false;
	*ret = (struct decision){ .effect = EFFECT_DENY, .source = rule->source,
	                          .rule = rule->kind == PATH_HIDE ? "files.hide" : "files.readonly" };
	snprintf(ret->reason, sizeof ret->reason, "the policy %s '%.200s' (pattern '%.120s'): %s",
	         rule->kind == PATH_HIDE ? "hides" : "keeps from being changed", below, rule->pattern,
	         rule->kind == PATH_HIDE ? "go on without it, or say that you need it" : "it can be read; change another file");
	return true;
}

/* Each place once: a link that cannot be held would be found again each time. */
static json_t *not_told_yet(struct run *run, const json_t *found)
{
	json_t *fresh = json_array(), *row;
	size_t i;

	if (run->files_told == NULL)
		run->files_told = json_object();
	json_array_foreach(found, i, row) {
		const char *path = json_get_text(row, "path", "");
		if (json_object_get(run->files_told, path) == NULL)
			json_array_append(fresh, row);
		json_put_bool(run->files_told, path, true);
	}
	return fresh;
}

static int note_found(struct run *run, struct err *err)
{
	AUTO(json_decrefp) json_t *found = NULL;
	int r = cell_guard_wait(run->cell, &found, err);

	if (r < 0)
		return r;
	AUTO(json_decrefp) json_t *fresh = not_told_yet(run, found);
	if (json_array_size(fresh) > 0)
		run_emit(run, EVENT_FILES_VIOLATED, "task", "", json_pack("{s:s, s:O}", "cell", run->cell_id, "places", fresh));
	return 0;
}

/* Does anything else write to the workspace while this task does nothing? */
static bool is_shared(const struct run *run)
{
	if (run->background != NULL)
		return true;
	for (const struct run *other = run->engine->runs; other != NULL; other = other->next)
		if (other != run && !other->told && other->cell_ready && strcmp(other->workspace, run->workspace) == 0)
			return true;
	return false;
}

int files_guard(struct run *run, struct err *err)
{
	bool shared = is_shared(run);

	if (!run->files_dirty && !shared)
		return 0;
	/* What was asked for when the last call ended is enough, where nobody wrote since. */
	int r = note_found(run, err);
	if (r == 0 && shared) {
		cell_guard(run->cell);
		r = note_found(run, err);
	}
	run->files_dirty = r < 0 || shared;
	return r;
}

void files_touched(struct run *run)
{
	run->files_dirty = true;
	if (run->cell != NULL)
		cell_guard(run->cell);       /* while the model thinks */
}

void files_close(struct run *run)
{
	struct err err = ERR_NONE;

	if (run->cell_ready && files_guard(run, &err) < 0)
		run_emit(run, EVENT_FILES_VIOLATED, "task", "",
		         json_pack("{s:s, s:[], s:s}", "cell", run->cell_id, "places", "unknown", err.text));
	json_decref(TAKE(run->files_told));
}
