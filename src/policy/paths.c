/* paths.c - the section `files`: what a cell hides, keeps from being written, and may write to beside the workspace. It
 * is read here and kept by the kernel (cell/guard.c). It refuses what no mount could keep, and a lower layer that would
 * open more than the one above it. */
#include <stdio.h>

#include "policy/glob.h"
#include "policy/rules.h"

#include "base/banned.h"

static const char *const kind_words[] = { [PATH_HIDE] = "hide", [PATH_READONLY] = "readonly", [PATH_WRITABLE] = "writable" };

const char *path_kind_name(enum path_kind kind)
{
	return name_of(kind_words, COUNT(kind_words), kind);
}

static bool has_dots(const char *path)
{
	struct str rest = str_of(path), part;

	while (str_next(&rest, '/', &part))
		if (str_eq(part, STR(".")) || str_eq(part, STR("..")) || (part.len == 0 && rest.len > 0))
			return true;
	return false;
}

/* Below the workspace, without "./" before it and '/' behind. */
static int pattern_read(struct loader *l, const struct yaml_node *n, enum path_kind kind, char **ret)
{
	static const char workspace[] = "${workspace}/";
	const char *text = yaml_text(n), *word = kind_words[kind];

	if (strncmp(text, workspace, sizeof workspace - 1) == 0)
		text += sizeof workspace - 1;
	else if (text[0] == '/')
		return yaml_err(n, l->err, "'%s' is about the workspace: write '%.80s' as it is called from there, such as"
		                " '**/.env'; what lies elsewhere is not in a cell, or read-only", word, text);
	while (strncmp(text, "./", 2) == 0)
		text += 2;
	AUTO(freep) char *pattern = xstrdup(text);
	size_t len = strlen(pattern);
	if (len > 1 && pattern[len - 1] == '/')
		pattern[--len] = '\0';
	const char *problem = glob_problem(pattern);
	if (problem != NULL)
		return yaml_err(n, l->err, "'%s' in '%s': %s", text, word, problem);
	if (len > LIMIT_FILES_PATTERN_BYTES)
		return yaml_err(n, l->err, "a pattern in '%s' has %zu bytes: %d are possible", word, len, LIMIT_FILES_PATTERN_BYTES);
	if (has_dots(pattern))
		return yaml_err(n, l->err, "'%.80s' in '%s' has '.', '..' or '//' in it: write the path without", text, word);
	if (glob_is_everything(pattern) || strcmp(pattern, "**/*") == 0)
		return yaml_err(n, l->err, "'%.80s' in '%s' is the whole workspace: name what is meant, or use the workspace mode"
		                " 'readonly'", text, word);
	*ret = TAKE(pattern);
	return 0;
}

static int directory_read(struct loader *l, const struct yaml_node *n, char **ret)
{
	static const char *const taken[] = { "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/proc",
	                                      "/sys", "/dev", "/boot", "/run/systemd" };
	const char *text = yaml_text(n);
	AUTO(freep) char *path = xstrdup(text);
	size_t len = strlen(path);

	if (text[0] != '/')
		return yaml_err(n, l->err, "'%.80s' in 'writable' is no absolute path: the workspace is writable already, write"
		                " '/var/tmp/build'", text);
	if (strpbrk(text, "*?[\\") != NULL)
		return yaml_err(n, l->err, "'%.80s' in 'writable' is a pattern: name each directory", text);
	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	if (has_dots(path + 1) || len == 1)
		return yaml_err(n, l->err, "'%.80s' in 'writable' must be one directory, without '.', '..' or '//'", text);
	for (size_t i = 0; i < COUNT(taken); i++)
		if (path_is_within(path, taken[i]))
			return yaml_err(n, l->err, "'%.80s' in 'writable' is a path of the system, which no cell may change: take another"
			                " directory", text);
	*ret = TAKE(path);
	return 0;
}

static size_t count_of(const struct policy *p, enum path_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < p->path_count; i++)
		count += p->paths[i].kind == kind;
	return count;
}

static int entry_read(struct loader *l, const struct yaml_node *n, enum path_kind kind)
{
	struct policy *p = l->policy;
	char *pattern = NULL;

	if (yaml_want(n, YAML_TEXT, "a path", l->err) != 0)
		return -EINVAL;
	int r = kind == PATH_WRITABLE ? directory_read(l, n, &pattern) : pattern_read(l, n, kind, &pattern);
	if (r != 0)
		return r;
	struct path_rule rule = { .kind = kind, .pattern = pattern, .layer = p->files[l->file].layer, .line = yaml_line(n),
	                          .column = yaml_column(n) };
	rule.source = xasprintf("%s:%d", p->files[l->file].name, yaml_line(n));
	p->paths = xrealloc(p->paths, (p->path_count + 1) * sizeof *p->paths);
	p->paths[p->path_count++] = rule;
	for (size_t i = 0; i + 1 < p->path_count; i++)
		if (p->paths[i].kind == kind && p->paths[i].layer == rule.layer && strcmp(p->paths[i].pattern, pattern) == 0)
			return yaml_err(n, l->err, "'%.80s' is in 'files: %s' already (%s): leave one", pattern, kind_words[kind],
			                p->paths[i].source);
	size_t most = kind == PATH_WRITABLE ? LIMIT_CELL_WRITABLE : LIMIT_FILES_PATTERNS;
	if (count_of(p, kind) > most)
		return yaml_err(n, l->err, "'files: %s' has more than %zu entries in all layers", kind_words[kind], most);
	return 0;
}

int paths_read(struct loader *l, const struct yaml_node *root)
{
	struct policy *p = l->policy;
	const struct yaml_node *files = yaml_get(root, "files");

	if (files == NULL)
		return 0;
	if (yaml_want(files, YAML_MAP, "'files'", l->err) != 0 || yaml_only_keys(files, kind_words, COUNT(kind_words), l->err) != 0)
		return -EINVAL;
	for (size_t kind = 0; kind < COUNT(kind_words); kind++) {
		const struct yaml_node *list = yaml_get(files, kind_words[kind]);
		if (list == NULL)
			continue;
		if (yaml_want(list, YAML_LIST, kind_words[kind], l->err) != 0)
			return -EINVAL;
		if (kind == PATH_WRITABLE)
			p->says_writable[p->files[l->file].layer] = true;
		for (const struct yaml_node *n = yaml_first(list); n != NULL; n = yaml_next(n))
			if (entry_read(l, n, (enum path_kind)kind) != 0)
				return -EINVAL;
	}
	return 0;
}

/* ---- layers ---- */

static void path_drop(struct policy *p, size_t at)
{
	free((char *)p->paths[at].pattern);
	free((char *)p->paths[at].source);
	p->path_count--;
	memmove(&p->paths[at], &p->paths[at + 1], (p->path_count - at) * sizeof *p->paths);
}

static bool layer_holds(const struct policy *p, enum layer layer, const char *path)
{
	for (size_t i = 0; i < p->path_count; i++)
		if (p->paths[i].kind == PATH_WRITABLE && p->paths[i].layer == layer && path_is_within(path, p->paths[i].pattern))
			return true;
	return false;
}

static int by_kind_and_name(const void *a, const void *b)
{
	const struct path_rule *x = a, *y = b;

	return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->pattern, y->pattern);
}

/* The highest layer that is loaded may open directories; each below it only what the one above has. Where a lower one says
 * `writable`, its list is the whole of it: it tightened. */
int paths_settle(struct loader *l)
{
	struct policy *p = l->policy;
	int above = -1, top = LAYER_COUNT;

	for (size_t i = 0; i < p->file_count; i++)
		top = MIN(top, (int)p->files[i].layer);
	for (int layer = top; layer < LAYER_COUNT; layer++) {
		if (layer != top && !p->says_writable[layer])
			continue;
		for (size_t i = 0; i < p->path_count && layer != top; i++) {
			const struct path_rule *rule = &p->paths[i];
			if (rule->kind == PATH_WRITABLE && (int)rule->layer == layer && !layer_holds(p, (enum layer)above, rule->pattern))
				return err_set(l->err, EINVAL, "%s:%d: 'writable': '%s' opens what the %s layer does not: only the highest"
				               " layer can, so name it there, or take it out here", rule->source, rule->column, rule->pattern,
				               layer_names[above]);
		}
		above = layer;
	}
	for (size_t i = p->path_count; i-- > 0;)
		if (p->paths[i].kind == PATH_WRITABLE && (int)p->paths[i].layer != above)
			path_drop(p, i);
	if (p->path_count > 1)
		qsort(p->paths, p->path_count, sizeof *p->paths, by_kind_and_name);
	return 0;
}

/* What is special in a pattern means itself in a path. */
static char *pattern_of(const char *path)
{
	struct buf text = BUF_INIT(KIB(64));

	for (; *path != '\0'; path++) {
		if (strchr("*?[]\\", *path) != NULL)
			buf_add_char(&text, '\\');
		buf_add_char(&text, *path);
	}
	return buf_take(&text);
}

int policy_path_keep(struct policy *p, const char *path, const char *why, struct err *err)
{
	AUTO(freep) char *pattern = pattern_of(path);

	if (strlen(pattern) > LIMIT_FILES_PATTERN_BYTES || count_of(p, PATH_READONLY) >= LIMIT_FILES_PATTERNS)
		return err_set(err, EINVAL, "'%.200s' lies in the workspace, where tools could change it, and cannot be kept from them: its "
		               "name is too long, or 'files: readonly' has %d entries already; put it beside the workspace", path,
		               LIMIT_FILES_PATTERNS);
	p->paths = xrealloc(p->paths, (p->path_count + 1) * sizeof *p->paths);
	p->paths[p->path_count++] = (struct path_rule){ .kind = PATH_READONLY, .pattern = TAKE(pattern), .layer = LAYER_PROJECT,
	                                                .source = xstrdup(why), .own = true };
	qsort(p->paths, p->path_count, sizeof *p->paths, by_kind_and_name);
	return 0;
}

void paths_done(struct policy *p)
{
	while (p->path_count > 0)
		path_drop(p, p->path_count - 1);
	free(p->paths);
}

/* ---- what it holds ---- */

size_t policy_paths(const struct policy *policy, const struct path_rule **ret)
{
	*ret = policy->paths;
	return policy->path_count;
}

json_t *policy_paths_json(const struct policy *policy)
{
	json_t *all = json_object();

	for (size_t kind = 0; kind < COUNT(kind_words); kind++) {
		json_t *list = json_array();
		for (size_t i = 0; i < policy->path_count; i++)
			if (policy->paths[i].kind == (enum path_kind)kind)
				json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "pattern", policy->paths[i].pattern, "layer",
				                                      layer_names[policy->paths[i].layer], "source", policy->paths[i].source));
		json_put(all, kind_words[kind], list);
	}
	return all;
}

/* The path, or a directory that it lies in. */
const struct path_rule *policy_path_find(const struct policy *policy, enum path_kind kind, const char *path)
{
	for (size_t i = 0; i < policy->path_count; i++) {
		const struct path_rule *rule = &policy->paths[i];
		struct str part = str_of(path);
		if (rule->kind != kind)
			continue;
		do {
			if (part.len > 0 && glob_match(rule->pattern, part, true))
				return rule;
			while (part.len > 0 && part.ptr[--part.len] != '/')
				;
		} while (part.len > 0);
	}
	return NULL;
}
