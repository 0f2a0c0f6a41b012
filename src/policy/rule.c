/* rule.c - one rule: its id, its one effect, its matchers, and what goes with them. */
#include <stdio.h>

#include "base/permission.h"
#include "policy/glob.h"
#include "policy/rules.h"

#include "base/banned.h"

const char *const kind_names[KIND_COUNT] = {
	[ACTION_TOOL] = "tool", [ACTION_EXEC] = "exec", [ACTION_NET] = "net", [ACTION_DELEGATE] = "delegate",
	[ACTION_SCHEDULE] = "schedule", [ACTION_MODEL] = "model",
};

enum { SHOWN_BYTES = 1024 };

static const char *const rule_keys[] = {
	"id", "allow", "ask", "deny", "unless", "reason", "approval", "overridable", "permissions",
};
static const char *const effect_names[] = { [EFFECT_DENY] = "deny", [EFFECT_ASK] = "ask", [EFFECT_ALLOW] = "allow" };

const char *effect_name(enum effect effect)
{
	return name_of(effect_names, COUNT(effect_names), effect);
}

void rule_free(struct rule *rule)
{
	if (rule == NULL)
		return;
	clause_done(&rule->clause);
	clause_done(&rule->unless);
	free(rule->approval.from);
	free(rule->approval.remember);
	free(rule->id);
	free(rule->source);
	free(rule->reason);
	free(rule->means);
	free(rule->exception);
	free(rule->shape);
	free(rule);
}

static void rule_freep(struct rule **rule)
{
	rule_free(*rule);
}

int name_check(struct loader *l, const struct yaml_node *n)
{
	const char *id = yaml_text(n);

	if (*id == '\0' || strlen(id) > 64 ||
	    id[strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] != '\0')
		return yaml_err(n, l->err, "the id '%.80s' is no name: use at most 64 letters, digits, '-', '_' and '.'", id);
	return 0;
}

static int id_read(struct loader *l, const struct yaml_node *node, struct rule *rule)
{
	const struct yaml_node *n = yaml_get(node, "id");

	if (n == NULL)
		return yaml_err(node, l->err, "a rule without an id: add 'id: some-name', which decisions will show");
	if (yaml_want(n, YAML_TEXT, "'id'", l->err) != 0 || name_check(l, n) != 0)
		return -EINVAL;
	const char *id = yaml_text(n);
	const struct name_entry *used = name_map_find(&l->ids, id);
	if (used != NULL)
		return yaml_err(n, l->err, "the id '%s' is already used at %s: choose another", id,
		                l->policy->rules[used->value]->source);
	rule->id = xstrdup(id);
	return 0;
}

static int effect_read(struct loader *l, const struct yaml_node *node, struct rule *rule)
{
	const struct yaml_node *found = NULL;

	for (size_t i = 0; i < COUNT(effect_names); i++) {
		const struct yaml_node *n = yaml_get(node, effect_names[i]);
		if (n != NULL && found != NULL) {
			const struct yaml_node *second = yaml_line(n) > yaml_line(found) ||
				(yaml_line(n) == yaml_line(found) && yaml_column(n) > yaml_column(found)) ? n : found;
			return yaml_err(yaml_key(second), l->err,
			                "two effects in one rule: leave one of allow, ask, deny, or make two rules");
		}
		if (n != NULL) {
			found = n;
			rule->effect = (enum effect)i;
		}
	}
	if (found == NULL)
		return yaml_err(node, l->err, "a rule without an effect: write 'allow: tool', 'ask: exec' or 'deny: net'");
	if (yaml_want(found, YAML_TEXT, "what the rule is about", l->err) != 0)
		return -EINVAL;
	int kind = name_find(kind_names, KIND_COUNT, yaml_text(found));
	if (kind < 0) {
		const char *near = name_nearest(kind_names, KIND_COUNT, yaml_text(found));
		return yaml_err(found, l->err, "'%.40s' is no kind of action: %s%s", yaml_text(found),
		                near != NULL ? "did you mean " : "write tool, exec, net, delegate, schedule or model",
		                near != NULL ? near : "");
	}
	rule->kind = (enum action_kind)kind;
	return 0;
}

/* ---- approval ---- */

static int from_read(struct loader *l, const struct yaml_node *n, struct approval *a)
{
	if (yaml_want(n, YAML_TEXT, "'from'", l->err) != 0)
		return -EINVAL;
	const char *from = yaml_text(n);
	if (strncmp(from, "user:", 5) == 0 && from[5] != '\0') {
		a->from = xstrdup(from);
		return 0;
	}
	if (strncmp(from, "group:", 6) != 0 || from[6] == '\0')
		return yaml_err(n, l->err, "'%.80s' names nobody: write group:NAME or user:NAME", from);
	for (size_t i = 0; i < l->policy->group_count; i++)
		if (strcmp(l->policy->groups[i].name, from + 6) == 0) {
			a->from = xstrdup(from);
			return 0;
		}
	return yaml_err(n, l->err, "unknown group '%.80s': define it under 'groups'", from + 6);
}

static int count_read(struct loader *l, const struct yaml_node *n, struct approval *a)
{
	if (yaml_want(n, YAML_INT, "'count'", l->err) != 0)
		return -EINVAL;
	if (yaml_int(n) < 1 || yaml_int(n) > 100)
		return yaml_err(n, l->err, "'count' is how many people must agree: write 1 to 100");
	a->count = (int)yaml_int(n);
	size_t members = SIZE_MAX;
	for (size_t i = 0; a->from != NULL && i < l->policy->group_count; i++)
		if (strncmp(a->from, "group:", 6) == 0 && strcmp(l->policy->groups[i].name, a->from + 6) == 0)
			members = l->policy->groups[i].count;
	if (a->from != NULL && strncmp(a->from, "user:", 5) == 0)
		members = 1;
	if ((size_t)a->count > members)
		return yaml_err(n, l->err, "%d people of %s cannot agree: it has %zu; lower 'count'", a->count, a->from, members);
	return 0;
}

static int duration_read(struct loader *l, const struct yaml_node *n, const char *what, int64_t *ret)
{
	AUTO(freep) char *wrong = xasprintf("%s is no time: write 90s, 30m, 2h or 30d", what);

	if (!yaml_is_text(n) || str_to_duration_ms(str_of(yaml_text(n)), ret) != 0 || *ret <= 0)
		return yaml_err(n, l->err, "%s", wrong);
	return 0;
}

static int remember_read(struct loader *l, const struct yaml_node *n, const struct rule *rule, struct approval *a)
{
	static const char *const words[] = { "never", "task", "session" };
	int64_t ms = 0;

	if (yaml_want(n, YAML_TEXT, "'remember'", l->err) != 0)
		return -EINVAL;
	if (name_find(words, COUNT(words), yaml_text(n)) < 0 &&
	    duration_read(l, n, "'remember' (never, task, session or a time)", &ms) != 0)
		return -EINVAL;
	if (rule->high_risk && strcmp(yaml_text(n), "never") != 0)
		return yaml_err(n, l->err, "an approval of high risk is never remembered: write 'remember: never'");
	a->remember = xstrdup(yaml_text(n));
	a->remember_ms = ms;
	return 0;
}

static int same_read(struct loader *l, const struct yaml_node *n, const struct rule *rule, struct approval *a)
{
	if (yaml_want(n, YAML_TEXT, "'same'", l->err) != 0)
		return -EINVAL;
	if (strcmp(yaml_text(n), "program") != 0)
		return yaml_err(n, l->err, "'same' cannot be '%.40s': write 'same: program', or leave it out for the very same action",
		                yaml_text(n));
	if (rule->kind != ACTION_EXEC)
		return yaml_err(yaml_key(n), l->err, "'same: program' is for rules about programs: this one is about %s",
		                kind_names[rule->kind]);
	a->same_program = true;
	return 0;
}

static int approval_read(struct loader *l, const struct yaml_node *node, struct rule *rule)
{
	static const char *const keys[] = { "from", "count", "expires", "remember", "same" };
	const struct yaml_node *map = yaml_get(node, "approval"), *n;

	if (map == NULL)
		return 0;
	if (rule->effect != EFFECT_ASK)
		return yaml_err(yaml_key(map), l->err, "'approval' belongs to a rule that asks: this one says %s",
		                effect_name(rule->effect));
	if (yaml_only_keys(map, keys, COUNT(keys), l->err) != 0)
		return -EINVAL;
	struct approval *a = &rule->approval;
	a->given = true;
	a->count = 1;
	if ((n = yaml_get(map, "from")) != NULL && from_read(l, n, a) != 0)
		return -EINVAL;
	if ((n = yaml_get(map, "count")) != NULL && count_read(l, n, a) != 0)
		return -EINVAL;
	if ((n = yaml_get(map, "expires")) != NULL && duration_read(l, n, "'expires'", &a->expires_ms) != 0)
		return -EINVAL;
	if ((n = yaml_get(map, "remember")) != NULL && remember_read(l, n, rule, a) != 0)
		return -EINVAL;
	if ((n = yaml_get(map, "same")) != NULL && same_read(l, n, rule, a) != 0)
		return -EINVAL;
	return 0;
}

/* ---- the rest ---- */

/* A value in the words of the file, on one line. */
static void render(const struct yaml_node *n, struct buf *ret)
{
	if (yaml_is_scalar(n)) {
		buf_add_text(ret, yaml_text(n));
		return;
	}
	bool map = yaml_type(n) == YAML_MAP;
	buf_add_char(ret, map ? '{' : '[');
	for (const struct yaml_node *c = yaml_first(n); c != NULL; c = yaml_next(c)) {
		if (c != yaml_first(n))
			buf_add_text(ret, ", ");
		if (map)
			buf_printf(ret, "%s: ", yaml_text(yaml_key(c)));
		render(c, ret);
	}
	buf_add_char(ret, map ? '}' : ']');
}

/* What did not fit is named by its place rather than cut, because half a condition says something else. */
static char *shown(struct buf *text, const struct yaml_node *n)
{
	return text->full ? xasprintf("what %s:%d says", yaml_name(n), yaml_line(n)) : buf_take(text);
}

char *rule_means(const struct yaml_node *node, const char *const *without, size_t count)
{
	AUTO(buf_done) struct buf text = BUF_INIT(SHOWN_BYTES);

	for (const struct yaml_node *n = yaml_first(node); n != NULL; n = yaml_next(n)) {
		const char *key = yaml_text(yaml_key(n));
		if (name_find(without, count, key) >= 0)
			continue;
		buf_printf(&text, "%s%s: ", text.len > 0 ? ", " : "", key);
		render(n, &text);
	}
	return shown(&text, node);
}

/* The matchers of the rule: for people, and for the question whether another rule covers it. */
static void describe(const struct yaml_node *node, struct rule *rule)
{
	AUTO(buf_done) struct buf exception = BUF_INIT(SHOWN_BYTES);
	AUTO(json_decrefp) json_t *shape = json_object();

	for (const struct yaml_node *n = yaml_first(node); n != NULL; n = yaml_next(n))
		if (name_find(rule_keys, COUNT(rule_keys), yaml_text(yaml_key(n))) < 0)
			json_put(shape, yaml_text(yaml_key(n)), yaml_to_json(n));
	if (rule->has_unless)
		render(yaml_get(node, "unless"), &exception);
	rule->means = rule_means(node, rule_keys, COUNT(rule_keys));
	rule->exception = rule->has_unless ? shown(&exception, yaml_get(node, "unless")) : NULL;
	AUTO(buf_done) struct buf json = BUF_INIT(LIMIT_POLICY_BYTES);
	AUTO(json_decrefp) json_t *whole = yaml_to_json(node);
	json_write_canonical(whole, &json);
	sha256_hex1(buf_str(&json), rule->digest);
	buf_reset(&json);
	json_write_canonical(shape, &json);
	rule->shape = buf_take(&json);
	rule->shape_hash = name_hash(rule->shape);
}

static int unless_read(struct loader *l, const struct yaml_node *node, struct rule *rule)
{
	const struct yaml_node *n = yaml_get(node, "unless");

	if (n == NULL)
		return 0;
	if (yaml_want(n, YAML_MAP, "'unless'", l->err) != 0)
		return -EINVAL;
	if (yaml_count(n) == 0)
		return yaml_err(n, l->err, "'unless' is empty, so the rule would never hold: name the exception");
	rule->has_unless = true;
	return clause_parse(l, n, NULL, 0, rule->kind, &rule->unless);
}

static bool names_high_risk(const struct matcher *m)
{
	if (m->op == OP_LITERAL)
		return strcmp(m->text, "high") == 0;
	return m->op == OP_ANY && m->count == 1 && names_high_risk(m->children);
}

static bool is_everything(const struct matcher *m)
{
	if (m->op == OP_GLOB)
		return glob_is_everything(m->text);
	for (size_t i = 0; m->op == OP_ANY && i < m->count; i++)
		if (is_everything(&m->children[i]))
			return true;
	return m->op == OP_NOT;
}

/* Who opens a private network says which part of it. */
static int private_read(struct loader *l, const struct yaml_node *node, struct rule *rule)
{
	const struct yaml_node *n = yaml_get(node, "private");
	bool named = false;

	for (size_t i = 0; i < rule->clause.count; i++) {
		const struct term *t = &rule->clause.terms[i];
		if (t->key->subject == SUBJECT_PRIVATE)
			rule->opens_private = json_is_true(t->matcher.scalar);
		if (t->key->subject == SUBJECT_HOST)
			named = !is_everything(&t->matcher);
	}
	if (!rule->opens_private || rule->effect == EFFECT_DENY || named)
		return 0;
	return yaml_err(n, l->err, "a rule that opens private addresses names them: add 'host' with names or addresses, such "
	                           "as [127.0.0.1, \"*.internal.example\"]; '*' or 'not' alone is none");
}

static int details_read(struct loader *l, const struct yaml_node *node, struct rule *rule)
{
	const struct yaml_node *n = yaml_get(node, "reason");

	if (n != NULL && yaml_want(n, YAML_TEXT, "'reason'", l->err) != 0)
		return -EINVAL;
	if (n != NULL && (*yaml_text(n) == '\0' || strlen(yaml_text(n)) > 300))
		return yaml_err(n, l->err, "'reason' is one sentence for the person and the model: 1 to 300 bytes");
	rule->reason = n != NULL ? xstrdup(yaml_text(n)) : NULL;
	n = yaml_get(node, "overridable");
	if (n != NULL && yaml_want(n, YAML_BOOL, "'overridable'", l->err) != 0)
		return -EINVAL;
	rule->overridable = n != NULL && yaml_bool(n);
	if (rule->overridable && rule->effect == EFFECT_ALLOW)
		return yaml_err(yaml_key(n), l->err, "'overridable' on an allow rule does nothing, a lower layer may always "
		                                     "tighten: leave it out");
	for (size_t i = 0; i < rule->clause.count; i++)
		if (rule->clause.terms[i].key->subject == SUBJECT_RISK && names_high_risk(&rule->clause.terms[i].matcher))
			rule->high_risk = true;
	return private_read(l, node, rule) < 0 ? -EINVAL : approval_read(l, node, rule);
}

/* What the call may do at most, of that which its tool declares. */
static int permissions_read(struct loader *l, const struct yaml_node *node, struct rule *rule)
{
	const struct yaml_node *list = yaml_get(node, "permissions");
	unsigned set = 0, one;
	struct err word;

	if (list == NULL)
		return 0;
	if (rule->kind != ACTION_TOOL || rule->effect == EFFECT_DENY)
		return yaml_err(yaml_key(list), l->err, "'permissions' says what an allowed call of a tool may do: it belongs to"
		                                        " 'allow: tool' and 'ask: tool'");
	if (yaml_want(list, YAML_LIST, "'permissions'", l->err) != 0)
		return -EINVAL;
	for (const struct yaml_node *n = yaml_first(list); n != NULL; n = yaml_next(n)) {
		if (yaml_want(n, YAML_TEXT, "a permission", l->err) != 0)
			return -EINVAL;
		if (permissions_parse(str_of(yaml_text(n)), &one, &word) < 0)
			return yaml_err(n, l->err, "%s", word.text);
		set |= one;
	}
	rule->withheld = PERMISSIONS_ALL & ~set;
	return 0;
}

int rule_parse(struct loader *l, const struct yaml_node *node)
{
	AUTO(rule_freep) struct rule *rule = xcalloc(1, sizeof *rule);
	struct policy *p = l->policy;

	if (yaml_want(node, YAML_MAP, "a rule", l->err) != 0 || id_read(l, node, rule) != 0 ||
	    effect_read(l, node, rule) != 0)
		return -EINVAL;
	if (p->rule_count == LIMIT_POLICY_RULES)
		return yaml_err(node, l->err, "too many rules: at most %d in all files", LIMIT_POLICY_RULES);
	rule->file = l->file;
	rule->line = yaml_line(node);
	rule->column = yaml_column(node);
	rule->source = xasprintf("%s:%d", yaml_name(node), yaml_line(node));
	rule->has_when = yaml_get(node, "when") != NULL;
	if (clause_parse(l, node, rule_keys, COUNT(rule_keys), rule->kind, &rule->clause) != 0 ||
	    unless_read(l, node, rule) != 0 || details_read(l, node, rule) != 0 ||
	    permissions_read(l, node, rule) != 0)
		return -EINVAL;
	describe(node, rule);
	if ((p->rule_count & (p->rule_count - 1)) == 0)    /* grows by doubling */
		p->rules = xrealloc(p->rules, MAX(p->rule_count * 2, 1u) * sizeof(struct rule *));
	name_map_add(&l->ids, rule->id, (uint32_t)p->rule_count);
	p->rules[p->rule_count++] = TAKE(rule);
	return 0;
}
