/* decide.c - from an action and the facts to a decision. The strictest match wins, in a layer and over all layers; what
 * no rule speaks about falls to the defaults, and where there is none, to deny. */
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/permission.h"
#include "policy/rules.h"

#include "base/banned.h"

/* What one layer says, as its rules are read. */
struct say {
	struct match { const struct rule *rule; enum truth truth; } firm, soft;   /* the strictest; soft: overridable */
	bool matched;
};

struct hits {
	const struct rule *rules[COUNT(((struct decision *)0)->also) + 1];
	size_t count;
};

static struct match stricter(struct match a, struct match b)
{
	return a.rule == NULL || (b.rule != NULL && b.rule->effect < a.rule->effect) ? b : a;
}

static void hit(struct say *say, struct hits *hits, struct match match)
{
	struct match *best = match.rule->overridable ? &say->soft : &say->firm;

	*best = stricter(*best, match);
	say->matched = true;
	if (hits->count < COUNT(hits->rules))
		hits->rules[hits->count++] = match.rule;
}

/* An overridable rule yields where a lower layer has a matching rule of its own. */
static struct match deciding_match(const struct say *says)
{
	struct match best = { 0 };

	for (size_t layer = 0; layer < LAYER_COUNT; layer++) {
		bool overridden = false;
		for (size_t lower = layer + 1; lower < LAYER_COUNT; lower++)
			overridden |= says[lower].matched;
		best = stricter(best, says[layer].firm);
		if (!overridden)
			best = stricter(best, says[layer].soft);
	}
	return best;
}

/* Does it say which models may be used? A list of tools is none of models, and a rule that denies one or asks is no list either.
 * layer LAYER_COUNT: any. */
static bool lists_models(const struct policy *p, size_t only, size_t layer)
{
	for (size_t i = 0; i < p->rule_count; i++) {
		const struct rule *rule = p->rules[i];
		if (rule->kind == ACTION_MODEL && rule->effect == EFFECT_ALLOW && (only == ALL_FILES || only == rule->file) &&
		    (layer == LAYER_COUNT || p->files[rule->file].layer == layer))
			return true;
	}
	return false;
}

/* The strictest default of the layers in which no rule matched. NULL: none set. */
static const struct file *deciding_default(const struct policy *p, size_t only, enum action_kind kind, const struct say *says)
{
	const struct file *best = NULL;
	bool listed = kind == ACTION_MODEL && lists_models(p, only, LAYER_COUNT);

	for (size_t i = 0; i < p->file_count; i++) {
		const struct file *f = &p->files[i];
		if ((only == ALL_FILES || only == i) && f->has_default && !says[f->layer].matched &&
		    (!listed || lists_models(p, only, f->layer)) &&
		    (best == NULL || f->default_effect < best->default_effect))
			best = f;
	}
	return best;
}

/* ---- words ---- */

/* Adds to the reason; cuts at a whole character; control characters of a path become '?'. */
static void say_more(struct decision *d, const char *format, ...) PRINTF(2, 3);

static void say_more(struct decision *d, const char *format, ...)
{
	size_t len = strlen(d->reason);
	va_list args;

	va_start(args, format);
	vsnprintf(d->reason + len, sizeof d->reason - len, format, args);
	va_end(args);
	size_t end = len + strlen(d->reason + len);
	while (len < end) {
		size_t n = utf8_length((const unsigned char *)d->reason + len, end - len);
		if (n == 0 && len + 4 >= sizeof d->reason - 1) {
			d->reason[len] = '\0';
			break;
		}
		if (n == 0 || (unsigned char)d->reason[len] < 0x20 || d->reason[len] == 0x7f)
			d->reason[len] = '?';
		len += MAX(n, 1u);
	}
}

/* Does the rule speak of this very tool, program or host, and fail only in the rest? */
static bool is_near(struct eval *e, const struct rule *rule)
{
	for (size_t i = 0; i < rule->clause.count; i++) {
		enum subject s = rule->clause.terms[i].key->subject;
		if (s == SUBJECT_TOOL || s == SUBJECT_PROGRAM || s == SUBJECT_HOST) {
			struct rule name = { .clause = { &rule->clause.terms[i], 1 } };
			return rule_matches(e, &name) != NO;
		}
	}
	return false;
}

/* What would be allowed: the rules that speak of this name, else the first ones of this kind. */
static void say_allowed(struct eval *e, size_t only, struct decision *ret)
{
	enum { SHOWN = 3, LOOKED_AT = 1000 };
	const struct rule_index *index = &e->policy->kinds[e->action->kind];
	const struct rule *shown[SHOWN];
	size_t count = 0;

	for (int near = 1; near >= 0 && count == 0; near--)
		for (size_t i = 0; i < MIN(index->count, (size_t)LOOKED_AT) && count < SHOWN; i++) {
			const struct rule *r = index->all[i];
			if (r->effect == EFFECT_ALLOW && r->means[0] != '\0' && (only == ALL_FILES || only == r->file) &&
			    (!near || is_near(e, r)))
				shown[count++] = r;
		}
	for (size_t i = 0; i < count; i++)
		say_more(ret, "%s%s (%s)", i == 0 ? "; allowed would be: " : "; or ", shown[i]->means, shown[i]->id);
}

static void explain_rule(const struct rule *rule, bool sure, struct decision *ret)
{
	if (rule->reason != NULL)
		say_more(ret, "%s", rule->reason);
	else if (rule->means[0] != '\0')
		say_more(ret, "rule %s says %s %s for %s", rule->id, effect_name(rule->effect), kind_names[rule->kind],
		         rule->means);
	else
		say_more(ret, "rule %s says %s for every %s", rule->id, effect_name(rule->effect), kind_names[rule->kind]);
	if (!sure)
		say_more(ret, " (it cannot be ruled out that this is meant, so it counts)");
	if (rule->effect != EFFECT_ALLOW && rule->exception != NULL)
		say_more(ret, "; it does not hold for %s", rule->exception);
}

static void explain_default(struct eval *e, size_t only, const struct file *file, struct decision *ret)
{
	if (file != NULL)
		say_more(ret, "no rule of the %s layer speaks of this, and its default is %s (%s)", layer_names[file->layer],
		         effect_name(ret->effect), file->default_source);
	else
		say_more(ret, "no rule allows this %s", kind_names[e->action->kind]);
	if (ret->effect != EFFECT_ALLOW)
		say_allowed(e, only, ret);
}

/* No default opens what is not public. */
static void explain_private(const struct action *a, struct decision *ret)
{
	const char *address = a->net.resolved != NULL ? a->net.resolved : "what it stands for";

	say_more(ret, "%.120s leads to %s, ", a->net.host != NULL ? a->net.host : "this host", address);
	if (a->net.address == ADDRESS_NEVER)
		say_more(ret, "where no connection is ever made");
	else if (a->net.address == ADDRESS_LINK)
		say_more(ret, "a link-local or metadata address; only a rule for that very address with 'private: true' opens it");
	else
		say_more(ret, "which is not public; only a rule for this host with 'private: true' opens it");
}

/* ---- the decision ---- */

/* A rule that says nothing about it lets an answer be remembered for the task: what a person agreed to there. */
static struct approval_terms terms_of(const struct policy *p, const struct rule *rule, bool high_risk)
{
	struct approval_terms terms = { .count = 1, .remember = high_risk ? "never" : "task" };

	if (rule == NULL || !rule->approval.given)
		return terms;
	const struct approval *a = &rule->approval;
	terms.from = a->from;
	terms.count = a->count;
	terms.expires_ms = a->expires_ms;
	terms.remember_ms = a->remember_ms;
	terms.same_program = a->same_program;
	if (a->remember != NULL && !high_risk)
		terms.remember = a->remember_ms > 0 ? "date" : a->remember;
	for (size_t i = 0; a->from != NULL && i < p->group_count; i++)
		if (strncmp(a->from, "group:", 6) == 0 && strcmp(p->groups[i].name, a->from + 6) == 0) {
			terms.members = (const char *const *)p->groups[i].members;
			terms.member_count = p->groups[i].count;
		}
	return terms;
}

static void fill(struct eval *e, size_t only, const struct say *says, const struct hits *hits, struct decision *ret)
{
	struct match match = deciding_match(says);
	const struct rule *rule = match.rule;
	const struct file *file = deciding_default(e->policy, only, e->action->kind, says);
	bool by_default = rule == NULL || (file != NULL && file->default_effect < rule->effect);

	ret->effect = !by_default ? rule->effect : file != NULL ? file->default_effect : EFFECT_DENY;
	if (by_default && is_private_net(e->action)) {
		ret->effect = EFFECT_DENY;
		explain_private(e->action, ret);
	} else if (by_default) {
		explain_default(e, only, file, ret);
	} else {
		ret->rule = rule->id;
		ret->source = rule->source;
		ret->rule_digest = rule->digest;
		explain_rule(rule, match.truth == YES, ret);
	}
	for (size_t i = 0; i < hits->count && ret->also_count < COUNT(ret->also); i++)
		if (by_default || hits->rules[i] != rule)
			ret->also[ret->also_count++] = hits->rules[i]->id;
	ret->high_risk = (!by_default && rule->high_risk) ||
	                 (e->action->kind == ACTION_TOOL && e->action->tool.risk != NULL &&
	                  strcmp(e->action->tool.risk, "high") == 0);
	ret->approval = terms_of(e->policy, by_default ? NULL : rule, ret->high_risk);
}

/* Where a name is not known, every rule must be looked at. */
static void start_walk(struct eval *e, struct rule_walk *ret)
{
	enum { NAMES = COUNT(ret->chains) + 1 };
	const struct action *a = e->action;
	const char *names[NAMES] = { 0 };
	size_t count = NAMES;

	if (a->kind == ACTION_TOOL && a->tool.name != NULL) {
		names[0] = a->tool.name;
		count = 1;
	} else if (a->kind == ACTION_NET && a->net.host != NULL) {
		names[0] = eval_host(e);
		names[1] = a->net.resolved;
		count = a->net.resolved != NULL && strcmp(names[0], names[1]) != 0 ? 2 : 1;
	} else if (a->kind == ACTION_EXEC && a->exec.program != NULL && a->exec.name_count < NAMES) {
		for (count = 0; count < a->exec.name_count; count++)
			names[count] = base_name(a->exec.names[count]);
	}
	walk_init(ret, &e->policy->kinds[a->kind], names, count);
}

/* A secret is opened only by a rule that speaks of it; one for the tool alone does not. */
static bool names_secret(const struct rule *rule)
{
	for (size_t i = 0; i < rule->clause.count; i++)
		if (rule->clause.terms[i].key->subject == SUBJECT_SECRET)
			return rule->effect != EFFECT_DENY;
	return false;
}

void decide_by(const struct policy *policy, size_t only, const struct action *action, const struct facts *facts,
               struct decision *ret)
{
	AUTO(eval_done) struct eval e = { .policy = policy, .action = action, .facts = facts };
	struct sieve sieves[SIEVE_SLOTS];
	struct rule_walk walk;
	struct say says[LAYER_COUNT] = { 0 };
	struct hits hits = { 0 };
	int64_t start = clock_mono_ns();

	*ret = (struct decision){ .effect = EFFECT_DENY };
	for (size_t i = 0; i < SIEVE_SLOTS; i++)
		sieves[i].state = SIEVE_UNMADE;
	e.sieves = sieves;
	start_walk(&e, &walk);
	for (const struct rule *rule = walk_next(&walk); rule != NULL; rule = walk_next(&walk)) {
		if (only != ALL_FILES && only != rule->file)
			continue;
		enum truth t = rule_matches(&e, rule);
		if (t != NO && rule->effect != EFFECT_DENY)     /* each that may speak for the call says what it may do at most */
			ret->withheld |= rule->withheld;
		if (t == YES || (t == MAYBE && rule->effect != EFFECT_ALLOW))
			hit(&says[policy->files[rule->file].layer], &hits, (struct match){ rule, t });
		if (t == YES && ret->secret_source == NULL && names_secret(rule))
			ret->secret_source = rule->source;
	}
	fill(&e, only, says, &hits, ret);
	ret->ns = clock_mono_ns() - start;
}

void policy_decide(const struct policy *policy, const struct action *action, const struct facts *facts,
                   struct decision *ret)
{
	assert((int)action->kind < KIND_COUNT);
	decide_by(policy, ALL_FILES, action, facts, ret);
}

bool policy_leaves_model(const struct policy *policy, const struct decision *d)
{
	return d->effect == EFFECT_ALLOW || (d->rule == NULL && !lists_models(policy, ALL_FILES, LAYER_COUNT));
}

const char *decision_by(const struct decision *d, char *text, size_t size)
{
	if (d->rule != NULL)
		snprintf(text, size, "%s (%s)", d->rule, d->source);
	else
		snprintf(text, size, "the list of models in the policy");
	return text;
}

json_t *decision_json(const struct decision *decision, const struct policy *policy)
{
	json_t *o = json_object(), *also = json_array();

	json_put_text(o, "effect", effect_name(decision->effect));
	json_put_text(o, "rule", decision->rule);
	json_put_text(o, "source", decision->source);
	json_put_text(o, "reason", decision->reason);
	for (size_t i = 0; i < decision->also_count; i++)
		json_array_append_new(also, json_of_str(str_of(decision->also[i])));
	json_put(o, "also", also);
	if (decision->withheld != 0)
		json_put(o, "permissions", permissions_json(PERMISSIONS_ALL & ~decision->withheld));
	json_put_text(o, "policy", policy_digest(policy));
	json_put_int(o, "ns", decision->ns);
	return o;
}
