/* given.c - a policy file that a person gave with -p may lie in the workspace, where the tools that it is about can write. It
 * is kept from them by the kernel, and what changes in it while they run is not believed: who wrote it cannot be told. (The
 * project's own file is believed by its digest: trust.c.) */
#include "engine/given.h"

#include <string.h>

#include "engine/dirs.h"
#include "policy/probe.h"

#include "base/banned.h"

static bool is_given(const struct policy_places *places, const struct policy_file *file)
{
	return places->given_count > 0 && file->layer == LAYER_PROJECT && !policy_is_ready_made(file->path);
}

static const struct path_rule *writable_above(const struct policy *policy, const char *path)
{
	const struct path_rule *rules;
	size_t count = policy_paths(policy, &rules);

	for (size_t i = 0; i < count; i++)
		if (rules[i].kind == PATH_WRITABLE && dirs_lies_in(path, rules[i].pattern))
			return &rules[i];
	return NULL;
}

static int keep_one(const char *workspace, const char *path, struct policy *policy, struct err *err)
{
	AUTO(freep) char *resolved = resolve_path(NULL, path);
	size_t len = strlen(workspace);

	const struct path_rule *open = writable_above(policy, path);
	if (open != NULL)
		return err_set(err, EINVAL, "%s: 'writable': the policy file %s lies in '%s', where tools could change it: put it elsewhere",
		               open->source, path, open->pattern);
	if (resolved == NULL || strncmp(resolved, workspace, len) != 0 || resolved[len] != '/')
		return 0;
	const char *below = resolved + len + 1;
	if (policy_path_find(policy, PATH_READONLY, below) != NULL || policy_path_find(policy, PATH_HIDE, below) != NULL)
		return 0;
	return policy_path_keep(policy, below, "-p", err);
}

int given_keep(const struct policy_places *places, const struct policy_files *found, struct policy *policy,
               struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < found->count && r == 0 && places->workspace != NULL; i++)
		if (is_given(places, &found->files[i]))
			r = keep_one(places->workspace, found->files[i].path, policy, err);
	return r;
}

/* Of the file in a set; "" where it is not in it. */
static const char *digest_in(const json_t *sources, const char *path)
{
	size_t i;
	json_t *source;

	json_array_foreach(sources, i, source)
		if (strcmp(json_get_text(source, "file", ""), path) == 0)
			return json_get_text(source, "sha256", "");
	return "";
}

int given_check(const struct policy_places *places, const struct policy_files *found, const struct policy *now,
                const struct policy *next, struct err *err)
{
	AUTO(json_decrefp) json_t *before = policy_sources(now), *after = policy_sources(next);

	for (size_t i = 0; i < found->count; i++) {
		const char *path = found->files[i].path;
		bool reached = is_given(places, &found->files[i]) &&
		               ((places->workspace != NULL && dirs_lies_in(path, places->workspace)) || writable_above(now, path) != NULL);
		if (reached && strcmp(digest_in(before, path), digest_in(after, path)) != 0)
			return err_set(err, EPERM, "%s:1:1: lies where tools can write, so that nobody can say who changed it: it counts from "
			               "the next start on; put it beside the workspace to change it while tasks run", path);
	}
	return 0;
}
