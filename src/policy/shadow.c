/* shadow.c - rules that can do nothing. A rule that a stricter one of its own file always beats is an error; a deny
 * rule that no test decides is a warning, for a rule that never matches is the commonest hole. */
#include <stdio.h>

#include "policy/glob.h"
#include "policy/rules.h"

#include "base/banned.h"

/* Every text that `inner` matches is matched by one pattern of `outer`, as far as that can be seen. */
static bool pattern_covers(const struct matcher *outer, const struct matcher *inner)
{
	if (outer->op == OP_ANY) {
		for (size_t i = 0; i < outer->count; i++)
			if (pattern_covers(&outer->children[i], inner))
				return true;
		return false;
	}
	if (strcmp(outer->text, inner->text) == 0 && outer->op == inner->op)
		return true;
	if (outer->op != OP_GLOB)
		return false;
	bool path = strchr(outer->text, '/') != NULL;
	return glob_is_everything(outer->text) ||
	       (inner->op == OP_LITERAL && glob_match(outer->text, str_of(inner->text), path));
}

static bool list_covers(const struct matcher *outer, const struct matcher *inner)
{
	if (inner->op != OP_ANY)
		return pattern_covers(outer, inner);
	for (size_t i = 0; i < inner->count; i++)
		if (!list_covers(outer, &inner->children[i]))
			return false;
	return true;
}

static const struct term *term_find(const struct clause *c, const struct term *like)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->terms[i].key == like->key && (like->pointer == NULL || strcmp(c->terms[i].pointer, like->pointer) == 0))
			return &c->terms[i];
	return NULL;
}

/* Whatever the inner rule matches, the outer one matches too. Says no where it is not plain to see. */
static bool covers(const struct rule *outer, const struct rule *inner)
{
	if (outer->has_unless || outer->overridable)       /* an overridable rule may step aside */
		return false;
	if (outer->shape_hash == inner->shape_hash && strcmp(outer->shape, inner->shape) == 0)
		return true;
	if (outer->has_when)
		return false;
	for (size_t i = 0; i < outer->clause.count; i++) {
		const struct term *o = &outer->clause.terms[i], *n = term_find(&inner->clause, o);
		if (n == NULL || !text_is_plain_list(&o->matcher) || !text_is_plain_list(&n->matcher) ||
		    !list_covers(&o->matcher, &n->matcher))
			return false;
	}
	return true;
}

int shadow_check(struct loader *l)
{
	const struct policy *p = l->policy;

	for (size_t i = 0; i < p->rule_count; i++) {
		const struct rule *inner = p->rules[i];
		for (size_t k = 0; inner->file == l->file && inner->effect != EFFECT_DENY && k < p->rule_count; k++) {
			const struct rule *outer = p->rules[k];
			if (outer->file != l->file || outer->kind != inner->kind || outer->effect >= inner->effect ||
			    !covers(outer, inner))
				continue;
			return err_set(l->err, EINVAL, "%s:%d:%d: the rule '%s' can never win: '%s' on line %d is stricter and "
			               "matches all that it matches; remove one, or give '%s' an 'unless'",
			               p->files[l->file].name, inner->line, inner->column, inner->id, outer->id, outer->line,
			               outer->id);
		}
	}
	return 0;
}

json_t *policy_lint(const struct policy *policy)
{
	json_t *warnings = json_array();

	for (size_t i = 0; i < policy->rule_count; i++) {
		const struct rule *r = policy->rules[i];
		if (r->effect != EFFECT_DENY || r->decided_a_test)
			continue;
		AUTO(freep) char *text = xasprintf("%s:%d:%d: no test is decided by the deny rule '%s': add one under 'tests' "
		                                   "with 'expect: deny' and 'rule: %s'", policy->files[r->file].name, r->line,
		                                   r->column, r->id, r->id);
		json_array_append_new(warnings, json_of_str(str_of(text)));
	}
	return warnings;
}
