/* extra.c - the parts of the language that this version reads but does not keep: limits, budgets. They are
 * checked, and then refused: a policy that promises what nobody keeps is worse than an error. */
#include <stdio.h>

#include "policy/rules.h"

#include "base/banned.h"

/* One key of an entry: its type, the words it may be (NULL: any), and whether it must be there. */
struct extra_key {
	const char *name;
	enum yaml_type type;
	const char *const *words;
	bool required;
};

static const char *const kinds[] = { "tool", "exec", "net", "delegate", "schedule", "model", NULL };
static const char *const scopes[] = { "task", "session", "user", "user/day", "day", NULL };
static const char *const overs[] = { "deny", "ask", "wait", NULL };
static const char *const budget_overs[] = { "deny", "ask", NULL };

static const struct extra_key limit_keys[] = {
	{ "id", YAML_TEXT, NULL, true }, { "on", YAML_TEXT, kinds, true }, { "tool", YAML_TEXT }, { "program", YAML_TEXT },
	{ "host", YAML_TEXT }, { "per", YAML_TEXT, scopes, true }, { "rate", YAML_TEXT, NULL, true }, { "burst", YAML_INT },
	{ "over", YAML_TEXT, overs, true },
};
static const struct extra_key budget_keys[] = {
	{ "id", YAML_TEXT, NULL, true }, { "per", YAML_TEXT, scopes, true }, { "usd", YAML_FLOAT },
	{ "tokens", YAML_INT }, { "over", YAML_TEXT, budget_overs, true },
};

static int value_check(const struct extra_key *key, const struct yaml_node *n, struct err *err)
{
	AUTO(freep) char *what = xasprintf("'%s'", key->name);
	size_t count = 0;

	if (yaml_want(n, key->type, what, err) != 0)
		return -EINVAL;
	if (key->words == NULL)
		return 0;
	AUTO(buf_done) struct buf known = BUF_INIT(256);
	for (; key->words[count] != NULL; count++)
		buf_printf(&known, "%s%s", count > 0 ? ", " : "", key->words[count]);
	if (name_find(key->words, count, yaml_text(n)) >= 0)
		return 0;
	return yaml_err(n, err, "'%s' cannot be '%.40s': write one of %s", key->name, yaml_text(n), buf_text(&known));
}

static int entry_check(const struct yaml_node *n, const struct extra_key *keys, size_t count, struct err *err)
{
	const char *names[COUNT(limit_keys)];

	assert(count <= COUNT(names));
	for (size_t i = 0; i < count; i++)
		names[i] = keys[i].name;
	if (yaml_only_keys(n, names, count, err) != 0)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		const struct yaml_node *value = yaml_get(n, keys[i].name);
		if (value == NULL && keys[i].required)
			return yaml_err(n, err, "'%s' is missing here: add it", keys[i].name);
		if (value != NULL && value_check(&keys[i], value, err) != 0)
			return -EINVAL;
	}
	return 0;
}

static int entries_check(const struct yaml_node *root, const char *name, const struct extra_key *keys, size_t count,
                         struct err *err)
{
	const struct yaml_node *list = yaml_get(root, name);

	if (list == NULL)
		return 0;
	AUTO(freep) char *what = xasprintf("'%s'", name);
	if (yaml_want(list, YAML_LIST, what, err) != 0)
		return -EINVAL;
	for (const struct yaml_node *n = yaml_first(list); n != NULL; n = yaml_next(n))
		if (entry_check(n, keys, count, err) != 0)
			return -EINVAL;
	return yaml_err(yaml_key(list), err, "'%s' is not enforced by this version yet: leave it out", name);
}

int extra_check(struct loader *l, const struct yaml_node *root)
{
	if (entries_check(root, "limits", limit_keys, COUNT(limit_keys), l->err) != 0)
		return -EINVAL;
	return entries_check(root, "budgets", budget_keys, COUNT(budget_keys), l->err);
}
