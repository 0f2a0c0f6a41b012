/* load.c - texts of policies to one set, or to none. Strict in everything: a file that is wrong in one place is
 * refused whole, with that place, and with it the set. */
#include <stdio.h>

#include "base/permission.h"
#include "policy/rules.h"

#include "base/banned.h"

const char *const layer_names[LAYER_COUNT] = {
	[LAYER_ADMIN] = "admin", [LAYER_USER] = "user", [LAYER_PROJECT] = "project", [LAYER_BUILTIN] = "builtin",
};

void policy_free(struct policy *policy)
{
	if (policy == NULL)
		return;
	for (size_t i = 0; i < policy->rule_count; i++)
		rule_free(policy->rules[i]);
	for (size_t i = 0; i < policy->group_count; i++) {
		for (size_t k = 0; k < policy->groups[i].count; k++)
			free(policy->groups[i].members[k]);
		free(policy->groups[i].members);
		free(policy->groups[i].name);
	}
	for (size_t i = 0; i < policy->file_count; i++) {
		free(policy->files[i].name);
		free(policy->files[i].default_source);
		free(policy->files[i].title);
	}
	for (size_t i = 0; i < KIND_COUNT; i++)
		index_done(&policy->kinds[i]);
	paths_done(policy);
	limits_done(policy);
	free(policy->rules);
	free(policy->groups);
	free(policy->files);
	free(policy);
}

void policy_freep(struct policy **policy)
{
	policy_free(*policy);
}

/* ---- the top of a file ---- */

static int version_read(struct loader *l, const struct yaml_node *root)
{
	const struct yaml_node *n = yaml_get(root, "version");

	if (n == NULL)
		return yaml_err(root, l->err, "'version' is missing: begin the file with 'version: 1'");
	if (yaml_type(n) != YAML_INT || yaml_int(n) != 1)
		return yaml_err(n, l->err, "the version '%.20s' is unknown: this program reads 'version: 1'",
		                yaml_is_scalar(n) ? yaml_text(n) : yaml_type_name(yaml_type(n)));
	return 0;
}

static int name_read(struct loader *l, const struct yaml_node *root, struct file *file)
{
	const struct yaml_node *n = yaml_get(root, "name");

	if (n == NULL)
		return 0;
	if (yaml_want(n, YAML_TEXT, "'name'", l->err) != 0)
		return -EINVAL;
	file->title = xstrdup(yaml_text(n));
	return 0;
}

static int default_read(struct loader *l, const struct yaml_node *root, struct file *file)
{
	static const char *const words[] = { "deny", "ask", "allow" };
	const struct yaml_node *n = yaml_get(root, "default");

	if (n == NULL)
		return 0;
	int effect = yaml_is_text(n) ? name_find(words, COUNT(words), yaml_text(n)) : -1;
	if (effect < 0)
		return yaml_err(n, l->err, "'default' says what holds where no rule does: write allow, ask or deny");
	file->has_default = true;
	file->default_effect = (enum effect)effect;
	file->default_source = xasprintf("%s:%d", file->name, yaml_line(n));
	return 0;
}

static int group_read(struct loader *l, const struct yaml_node *list)
{
	struct policy *p = l->policy;
	const char *name = yaml_text(yaml_key(list));

	for (size_t i = 0; i < p->group_count; i++)
		if (strcmp(p->groups[i].name, name) == 0)
			return yaml_err(yaml_key(list), l->err, "the group '%.60s' is already defined at %s:%d: choose another name",
			                name, p->files[p->groups[i].file].name, p->groups[i].line);
	if (yaml_want(list, YAML_LIST, "a group", l->err) != 0)
		return -EINVAL;
	if (yaml_count(list) == 0)
		return yaml_err(list, l->err, "the group '%.60s' has no member: name one, or remove it", name);
	p->groups = xrealloc(p->groups, (p->group_count + 1) * sizeof *p->groups);
	struct group *g = &p->groups[p->group_count++];
	*g = (struct group){ .name = xstrdup(name), .file = l->file, .line = yaml_line(yaml_key(list)),
	                     .members = xcalloc(yaml_count(list), sizeof(char *)) };
	for (const struct yaml_node *n = yaml_first(list); n != NULL; n = yaml_next(n)) {
		if (yaml_want(n, YAML_TEXT, "a user", l->err) != 0)
			return -EINVAL;
		if (name_find((const char *const *)g->members, g->count, yaml_text(n)) >= 0)
			return yaml_err(n, l->err, "'%.60s' is in this group twice: leave one", yaml_text(n));
		g->members[g->count++] = xstrdup(yaml_text(n));
	}
	return 0;
}

static int groups_read(struct loader *l, const struct yaml_node *root)
{
	const struct yaml_node *groups = yaml_get(root, "groups");

	if (groups == NULL)
		return 0;
	if (yaml_want(groups, YAML_MAP, "'groups'", l->err) != 0)
		return -EINVAL;
	for (const struct yaml_node *n = yaml_first(groups); n != NULL; n = yaml_next(n))
		if (group_read(l, n) != 0)
			return -EINVAL;
	return 0;
}

static int rules_read(struct loader *l, const struct yaml_node *root)
{
	const struct yaml_node *rules = yaml_get(root, "rules");

	if (rules == NULL)
		return 0;
	if (yaml_want(rules, YAML_LIST, "'rules'", l->err) != 0)
		return -EINVAL;
	for (const struct yaml_node *n = yaml_first(rules); n != NULL; n = yaml_next(n))
		if (rule_parse(l, n) != 0)
			return -EINVAL;
	return shadow_check(l);
}

/* ---- the set ---- */

static void index_rules(struct policy *p)
{
	for (size_t i = 0; i < KIND_COUNT; i++)
		index_make(p, (enum action_kind)i);
	sieve_make(p);
}

static int file_load(struct loader *l, const struct policy_source *source)
{
	static const char *const keys[] = { "version", "name", "default", "groups", "rules", "files", "limits", "budgets",
	                                    "tests" };
	AUTO(yaml_freep) struct yaml *yaml = NULL;

	if (yaml_parse(source->name, source->text, LIMIT_POLICY_BYTES, &yaml, l->err) != 0)
		return -EINVAL;
	struct policy *p = l->policy;
	l->file = p->file_count;
	struct file *file = &p->files[p->file_count++];
	*file = (struct file){ .layer = source->layer, .name = xstrdup(source->name) };
	sha256_hex1(source->text, file->sha256);

	const struct yaml_node *root = yaml_root(yaml);
	if (yaml_want(root, YAML_MAP, "a policy", l->err) != 0 || version_read(l, root) != 0 ||
	    yaml_only_keys(root, keys, COUNT(keys), l->err) != 0 || name_read(l, root, file) != 0 ||
	    default_read(l, root, file) != 0 || groups_read(l, root) != 0 || rules_read(l, root) != 0 ||
	    paths_read(l, root) != 0 || limits_read(l, root) != 0)
		return -EINVAL;
	const struct yaml_node *tests = yaml_get(root, "tests");
	if (tests == NULL)
		return 0;
	index_rules(p);
	return tests_run(l, tests);
}

static void digest_set(struct policy *p)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_FILE_BYTES);

	for (size_t i = 0; i < p->file_count; i++)
		buf_printf(&text, "%s %s\n", layer_names[p->files[i].layer], p->files[i].sha256);
	sha256_hex1(buf_str(&text), p->digest);
}

int policy_load(const struct policy_source *sources, size_t count, const char *const *tools, size_t tool_count,
                struct policy **ret, struct err *err)
{
	const struct policy_source builtin = { LAYER_BUILTIN, "built-in:workspace", builtin_policy() };
	AUTO(policy_freep) struct policy *p = xcalloc(1, sizeof *p);
	struct loader l = { .policy = p, .tools = tools, .tool_count = tool_count, .err = err };

	if (count == 0) {
		sources = &builtin;
		count = 1;
	}
	p->files = xcalloc(count, sizeof *p->files);
	int r = 0;
	for (int layer = 0; layer < LAYER_COUNT; layer++)  /* a layer sees the groups of those above it */
		for (size_t i = 0; i < count && r == 0; i++)
			if ((int)sources[i].layer == layer)
				r = file_load(&l, &sources[i]);
	if (r == 0)
		r = limits_check_ids(&l);
	if (r == 0)
		r = paths_settle(&l);
	name_map_done(&l.ids);
	if (r != 0)
		return r;
	index_rules(p);
	digest_set(p);
	*ret = TAKE(p);
	return 0;
}

/* ---- what it holds ---- */

const char *policy_digest(const struct policy *policy)
{
	return policy->digest;
}

size_t policy_rule_count(const struct policy *policy)
{
	return policy->rule_count;
}

size_t policy_test_count(const struct policy *policy)
{
	return policy->test_count;
}

json_t *policy_sources(const struct policy *policy)
{
	json_t *list = json_array();

	for (size_t i = 0; i < policy->file_count; i++) {
		json_t *o = json_object();
		json_put_text(o, "layer", layer_names[policy->files[i].layer]);
		json_put_text(o, "file", policy->files[i].name);
		json_put_text(o, "sha256", policy->files[i].sha256);
		if (policy->files[i].title != NULL)
			json_put_text(o, "name", policy->files[i].title);
		if (policy->files[i].has_default)
			json_put_text(o, "default", effect_name(policy->files[i].default_effect));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *approval_json(const struct approval *a)
{
	json_t *o = json_object();

	if (a->from != NULL)
		json_put_text(o, "from", a->from);
	json_put_int(o, "count", a->count);
	if (a->expires_ms > 0)
		json_put_int(o, "expires_ms", a->expires_ms);
	if (a->remember != NULL)
		json_put_text(o, "remember", a->remember);
	if (a->same_program)
		json_put_text(o, "same", "program");
	return o;
}

json_t *policy_rules(const struct policy *policy)
{
	json_t *list = json_array();

	for (size_t i = 0; i < policy->rule_count; i++) {
		const struct rule *r = policy->rules[i];
		json_t *o = json_object();
		json_put_text(o, "id", r->id);
		json_put_text(o, "effect", effect_name(r->effect));
		json_put_text(o, "kind", kind_names[r->kind]);
		json_put_text(o, "layer", layer_names[policy->files[r->file].layer]);
		json_put_text(o, "source", r->source);
		json_put_text(o, "matches", r->means);
		if (r->exception != NULL)
			json_put_text(o, "unless", r->exception);
		if (r->reason != NULL)
			json_put_text(o, "reason", r->reason);
		if (r->overridable)
			json_put_bool(o, "overridable", true);
		if (r->approval.given)
			json_put(o, "approval", approval_json(&r->approval));
		if (r->withheld != 0)
			json_put(o, "permissions", permissions_json(PERMISSIONS_ALL & ~r->withheld));
		json_array_append_new(list, o);
	}
	return list;
}
