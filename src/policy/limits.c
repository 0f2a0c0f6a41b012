/* limits.c - the sections `limits` and `budgets` of a policy: text to rows, and which rows concern an action. It counts
 * nothing and refuses nothing: see store/charge.c. */
#include "policy/limits.h"

#include <stdio.h>

#include "base/clock.h"
#include "policy/rules.h"

#include "base/banned.h"

static const char *const over_names[] = { [OVER_DENY] = "deny", [OVER_ASK] = "ask", [OVER_WAIT] = "wait" };
static const char *const scope_names[] = { "task", "session", "user/day", "store/day" };
static const char *const unit_names[] = { "usd", "tokens", "calls", "time" };

enum { PER_TOOL = 1, PER_USER = 2, PER_SESSION = 4, PER_TASK = 8, PER_AGENT = 16, PER_STORE = 32 };
static const char *const per_names[] = { "tool", "user", "session", "task", "agent", "store" };

struct limit {
	char *id, *source, *means;
	size_t file;
	int line, column;
	enum action_kind kind;
	struct rule matches;         /* only its clauses are used */
	unsigned per;
	struct rate rate;
	enum over over;
};

struct budget_row {
	char *id, *source;
	size_t file;
	int line, column;
	struct budget budget;
};

const char *over_name(enum over over)
{
	return name_of(over_names, COUNT(over_names), over);
}

const char *budget_scope_name(enum budget_scope scope)
{
	return name_of(scope_names, COUNT(scope_names), scope);
}

const char *budget_unit_name(enum budget_unit unit)
{
	return name_of(unit_names, COUNT(unit_names), unit);
}

const char *budget_amount(enum budget_unit unit, int64_t amount, char *text, size_t size)
{
	if (unit == BUDGET_TIME)
		return clock_span(amount, text, size);
	if (unit == BUDGET_USD)
		snprintf(text, size, amount % 10000000 == 0 ? "$%.2f" : "$%.6f", (double)amount / 1e9);
	else
		snprintf(text, size, "%lld %s", (long long)amount, unit_names[unit]);
	return text;
}

int usd_parse(struct str text, int64_t *ret)
{
	struct str whole, fraction = STR("");
	uint64_t dollars, nanos = 0;

	if (!str_next(&text, '.', &whole) || str_to_u64(whole, &dollars) < 0 || dollars > 1000000000)
		return -EINVAL;
	if (text.ptr != NULL) {
		fraction = text;
		if (fraction.len == 0 || fraction.len > 9 || str_to_u64(fraction, &nanos) < 0)
			return -EINVAL;
	}
	for (size_t i = fraction.len; i < 9; i++)
		nanos *= 10;
	*ret = (int64_t)(dollars * 1000000000 + nanos);
	return 0;
}

void limits_done(struct policy *p)
{
	for (size_t i = 0; i < p->limit_count; i++) {
		struct limit *l = &p->limits[i];
		clause_done(&l->matches.clause);
		clause_done(&l->matches.unless);
		free(l->id);
		free(l->source);
		free(l->means);
	}
	for (size_t i = 0; i < p->budget_count; i++) {
		free(p->budgets[i].id);
		free(p->budgets[i].source);
	}
	free(p->limits);
	free(p->budgets);
}

/* ---- what both have ---- */

static int id_read(struct loader *l, const struct yaml_node *node, const char *what, char **ret)
{
	const struct yaml_node *n = yaml_get(node, "id");

	if (n == NULL)
		return yaml_err(node, l->err, "%s without an id: add 'id: some-name', which events will show", what);
	return yaml_want(n, YAML_TEXT, "'id'", l->err) != 0 || name_check(l, n) != 0 ? -EINVAL
		: (*ret = xstrdup(yaml_text(n)), 0);
}

static int over_read(struct loader *l, const struct yaml_node *node, enum over *ret)
{
	const struct yaml_node *n = yaml_get(node, "over");

	if (n == NULL)
		return yaml_err(node, l->err, "'over' is missing here: say what happens beyond it: deny, ask or wait");
	int over = yaml_is_text(n) ? name_find(over_names, COUNT(over_names), yaml_text(n)) : -1;
	if (over < 0)
		return yaml_err(n, l->err, "'over' says what happens beyond it: write deny, ask or wait");
	*ret = (enum over)over;
	return 0;
}

static int list_of(struct loader *l, const struct yaml_node *root, const char *name, size_t had, const struct yaml_node **ret)
{
	*ret = yaml_get(root, name);
	if (*ret == NULL)
		return 0;
	AUTO(freep) char *what = xasprintf("'%s'", name);
	if (yaml_want(*ret, YAML_LIST, what, l->err) != 0)
		return -EINVAL;
	if (had + yaml_count(*ret) > LIMIT_POLICY_LIMITS)
		return yaml_err(*ret, l->err, "too many %s: at most %d in all files", name, LIMIT_POLICY_LIMITS);
	return 0;
}

/* ---- limits ---- */

static int on_read(struct loader *l, const struct yaml_node *node, enum action_kind *ret)
{
	static const enum action_kind counted[] = { ACTION_TOOL, ACTION_EXEC, ACTION_NET, ACTION_MODEL, ACTION_DELEGATE };
	const struct yaml_node *n = yaml_get(node, "on");

	if (n == NULL)
		return yaml_err(node, l->err, "'on' is missing here: say what is counted: tool, exec, net, model or delegate");
	for (size_t i = 0; yaml_is_text(n) && i < COUNT(counted); i++)
		if (strcmp(yaml_text(n), kind_names[counted[i]]) == 0) {
			*ret = counted[i];
			return 0;
		}
	return yaml_err(n, l->err, "'on' says what is counted: write tool, exec, net, model or delegate");
}

static int per_add(struct loader *l, const struct yaml_node *n, unsigned *per)
{
	int at = yaml_is_text(n) ? name_find(per_names, COUNT(per_names), yaml_text(n)) : -1;

	if (at < 0)
		return yaml_err(n, l->err, "'per' says whose uses are counted together: write tool, user, session, task, agent or store, "
		                "or a list of them");
	if (*per & 1u << at)
		return yaml_err(n, l->err, "'%s' is given twice: leave one", yaml_text(n));
	*per |= 1u << at;
	return 0;
}

static int per_read(struct loader *l, const struct yaml_node *node, struct limit *ret)
{
	const struct yaml_node *n = yaml_get(node, "per");

	if (n == NULL)
		return yaml_err(node, l->err, "'per' is missing here: say whose uses are counted together: tool, user, session, task, "
		                "agent or store");
	if (yaml_type(n) != YAML_LIST && per_add(l, n, &ret->per) != 0)
		return -EINVAL;
	if (yaml_type(n) == YAML_LIST && yaml_count(n) == 0)
		return yaml_err(n, l->err, "an empty list: write store where all uses are counted together");
	for (const struct yaml_node *c = yaml_type(n) == YAML_LIST ? yaml_first(n) : NULL; c != NULL; c = yaml_next(c))
		if (per_add(l, c, &ret->per) != 0)
			return -EINVAL;
	if (ret->per & PER_STORE && ret->per != PER_STORE)
		return yaml_err(n, l->err, "'store' counts all uses together: leave it out beside others");
	if (ret->per & PER_TOOL && ret->kind != ACTION_TOOL)
		return yaml_err(n, l->err, "'tool' counts by the name of a tool: it goes with 'on: tool'");
	return 0;
}

static int rate_read(struct loader *l, const struct yaml_node *node, struct rate *ret)
{
	const struct yaml_node *rate = yaml_get(node, "rate"), *burst = yaml_get(node, "burst");

	if (rate == NULL)
		return yaml_err(node, l->err, "'rate' is missing here: write how often, such as 30/min");
	if (!yaml_is_text(rate) || rate_parse(yaml_text(rate), &ret->count, &ret->per_us) != 0)
		return yaml_err(rate, l->err, "'rate' is how often: write N/s, N/min, N/h, N/day or N/15m, with N from 1 to %d and at "
		                "most 30 days", LIMIT_RATE_COUNT);
	if (burst == NULL)
		return 0;
	if (yaml_want(burst, YAML_INT, "'burst'", l->err) != 0)
		return -EINVAL;
	if (yaml_int(burst) < 1 || yaml_int(burst) > LIMIT_RATE_COUNT)
		return yaml_err(burst, l->err, "'burst' is how many may come at once: write 1 to %d", LIMIT_RATE_COUNT);
	ret->burst = yaml_int(burst);
	return 0;
}

static int limit_read(struct loader *l, const struct yaml_node *node, struct limit *ret)
{
	static const char *const keys[] = { "id", "on", "per", "rate", "burst", "over", "unless" };
	const struct yaml_node *unless;

	if (yaml_want(node, YAML_MAP, "a limit", l->err) != 0 || id_read(l, node, "a limit", &ret->id) != 0 ||
	    on_read(l, node, &ret->kind) != 0 || per_read(l, node, ret) != 0 || rate_read(l, node, &ret->rate) != 0 ||
	    over_read(l, node, &ret->over) != 0)
		return -EINVAL;
	if (clause_parse(l, node, keys, COUNT(keys), ret->kind, &ret->matches.clause) != 0)
		return -EINVAL;
	unless = yaml_get(node, "unless");
	if (unless != NULL && (yaml_want(unless, YAML_MAP, "'unless'", l->err) != 0 ||
	                       clause_parse(l, unless, NULL, 0, ret->kind, &ret->matches.unless) != 0))
		return -EINVAL;
	ret->matches.has_unless = unless != NULL;
	ret->matches.effect = EFFECT_DENY;
	ret->means = rule_means(node, keys, COUNT(keys));
	return 0;
}

/* ---- budgets ---- */

static int64_t int_of(const struct yaml_node *n)
{
	return yaml_type(n) == YAML_INT ? yaml_int(n) : -1;
}

static int amount_read(struct loader *l, const struct yaml_node *n, enum budget_unit unit, int64_t *ret)
{
	switch (unit) {
	case BUDGET_USD:
		if ((yaml_type(n) != YAML_INT && yaml_type(n) != YAML_FLOAT) || usd_parse(str_of(yaml_text(n)), ret) != 0)
			return yaml_err(n, l->err, "'usd' is money: write US dollars such as 2.50, from 0 to 1000000000");
		return 0;
	case BUDGET_TIME:
		if (!yaml_is_text(n) || str_to_duration_ms(str_of(yaml_text(n)), ret) != 0 || *ret <= 0)
			return yaml_err(n, l->err, "'time' is no time: write 90s, 30m or 2h");
		return 0;
	case BUDGET_TOKENS: case BUDGET_CALLS: case BUDGET_UNITS: break;
	}
	*ret = int_of(n);
	if (*ret < 0)
		return yaml_err(n, l->err, "'%s' is how many: write a whole number from 0 on", unit_names[unit]);
	return 0;
}

static int scope_read(struct loader *l, const struct yaml_node *node, enum budget_scope *ret)
{
	const struct yaml_node *n = yaml_get(node, "per");

	if (n == NULL)
		return yaml_err(node, l->err, "'per' is missing here: write task, session, user/day or store/day");
	int at = yaml_is_text(n) ? name_find(scope_names, COUNT(scope_names), yaml_text(n)) : -1;
	if (at < 0)
		return yaml_err(n, l->err, "'per' says who shares the budget: write task, session, user/day or store/day");
	*ret = (enum budget_scope)at;
	return 0;
}

static int budget_read(struct loader *l, const struct yaml_node *node, struct budget_row *ret)
{
	static const char *const keys[] = { "id", "per", "usd", "tokens", "calls", "time", "over" };
	struct budget *b = &ret->budget;
	bool any = false;

	if (yaml_want(node, YAML_MAP, "a budget", l->err) != 0 || yaml_only_keys(node, keys, COUNT(keys), l->err) != 0 ||
	    id_read(l, node, "a budget", &ret->id) != 0 || scope_read(l, node, &b->scope) != 0 || over_read(l, node, &b->over) != 0)
		return -EINVAL;
	for (size_t i = 0; i < BUDGET_UNITS; i++) {
		const struct yaml_node *n = yaml_get(node, unit_names[i]);
		b->most[i] = -1;
		if (n != NULL && amount_read(l, n, (enum budget_unit)i, &b->most[i]) != 0)
			return -EINVAL;
		any |= n != NULL;
	}
	if (!any)
		return yaml_err(node, l->err, "a budget of nothing: write usd, tokens, calls or time");
	if (b->over == OVER_WAIT && b->scope != BUDGET_USER_DAY && b->scope != BUDGET_STORE_DAY)
		return yaml_err(yaml_get(node, "over"), l->err, "a %s never has more to spend by waiting: write deny or ask, or 'per: user/day'",
		                scope_names[b->scope]);
	return 0;
}

int limits_read(struct loader *l, const struct yaml_node *root)
{
	struct policy *p = l->policy;
	const struct yaml_node *list;

	if (list_of(l, root, "limits", p->limit_count, &list) != 0)
		return -EINVAL;
	for (const struct yaml_node *n = list != NULL ? yaml_first(list) : NULL; n != NULL; n = yaml_next(n)) {
		p->limits = xrealloc(p->limits, (p->limit_count + 1) * sizeof *p->limits);
		struct limit *limit = &p->limits[p->limit_count++];
		*limit = (struct limit){ .file = l->file, .line = yaml_line(n), .column = yaml_column(n),
		                         .source = xasprintf("%s:%d", yaml_name(n), yaml_line(n)) };
		if (limit_read(l, n, limit) != 0)
			return -EINVAL;
	}
	if (list_of(l, root, "budgets", p->budget_count, &list) != 0)
		return -EINVAL;
	for (const struct yaml_node *n = list != NULL ? yaml_first(list) : NULL; n != NULL; n = yaml_next(n)) {
		p->budgets = xrealloc(p->budgets, (p->budget_count + 1) * sizeof *p->budgets);
		struct budget_row *row = &p->budgets[p->budget_count++];
		*row = (struct budget_row){ .file = l->file, .line = yaml_line(n), .column = yaml_column(n),
		                            .source = xasprintf("%s:%d", yaml_name(n), yaml_line(n)) };
		if (budget_read(l, n, row) != 0)
			return -EINVAL;
		row->budget.id = row->id;
		row->budget.source = row->source;
	}
	return 0;
}

/* Ids are what events name: one name, one thing. */
static int id_is_new(struct loader *l, struct name_map *seen, const char *id, const char *source, size_t file, int line, int column)
{
	const struct name_entry *rule = name_map_find(&l->ids, id), *other = name_map_find(seen, id);

	if (rule == NULL && other == NULL) {
		name_map_add(seen, id, 0);
		return 0;
	}
	(void)source;
	return err_set(l->err, EINVAL, "%s:%d:%d: the id '%.64s' is used twice, also by another %s: choose another name",
	               l->policy->files[file].name, line, column, id, rule != NULL ? "rule" : "limit or budget");
}

/* No matcher says which budgets concern a step: all that count what it takes do, and --budget beside them. */
static int budgets_fit(struct loader *l)
{
	const struct policy *p = l->policy;
	size_t calls = 0, models = 0;

	for (size_t i = 0; i < p->budget_count; i++) {
		const struct budget_row *row = &p->budgets[i];
		const int64_t *most = row->budget.most;
		calls += most[BUDGET_CALLS] >= 0 || most[BUDGET_TIME] >= 0;
		models += most[BUDGET_USD] >= 0 || most[BUDGET_TOKENS] >= 0 || most[BUDGET_TIME] >= 0;
		if (MAX(calls, models) < LIMIT_POLICY_HITS)
			continue;
		return err_set(l->err, EINVAL, "%s:%d:%d: too many budgets: at most %d in all files may count calls or time, and at "
		               "most %d money, tokens or time: leave out those that another one reaches first",
		               p->files[row->file].name, row->line,
		               row->column, LIMIT_POLICY_HITS - 1, LIMIT_POLICY_HITS - 1);
	}
	return 0;
}

int limits_check_ids(struct loader *l)
{
	struct policy *p = l->policy;
	struct name_map seen = { 0 };
	int r = 0;

	for (size_t i = 0; i < p->limit_count && r == 0; i++)
		r = id_is_new(l, &seen, p->limits[i].id, p->limits[i].source, p->limits[i].file, p->limits[i].line, p->limits[i].column);
	for (size_t i = 0; i < p->budget_count && r == 0; i++)
		r = id_is_new(l, &seen, p->budgets[i].id, p->budgets[i].source, p->budgets[i].file, p->budgets[i].line, p->budgets[i].column);
	name_map_done(&seen);
	return r == 0 ? budgets_fit(l) : r;
}

/* ---- asking ---- */

bool policy_has_limits(const struct policy *policy, enum action_kind kind)
{
	for (size_t i = 0; i < policy->limit_count; i++)
		if (policy->limits[i].kind == kind)
			return true;
	return false;
}

/* Parts that may hold anything are behind their lengths, so that no two keys run into each other. */
static void key_add(struct buf *key, const char *what, const char *value)
{
	buf_printf(key, " %s=%zu:%s", what, strlen(value), value);
}

/* A changed rate begins anew: its state would mean another thing. */
static void key_write(const struct limit *l, const struct action *a, const struct facts *f, char ret[static LIMIT_KEY_BYTES])
{
	struct buf key = BUF_INIT(KIB(64));
	AUTO(freep) char *rate = rate_text(&l->rate);

	buf_printf(&key, "%s %s", l->id, rate);
	if (l->per & PER_TOOL)
		key_add(&key, "tool", a->tool.name != NULL ? a->tool.name : "");
	if (l->per & PER_USER)
		key_add(&key, "user", f->user);
	if (l->per & PER_SESSION)
		key_add(&key, "session", f->session != NULL ? f->session : "");
	if (l->per & PER_TASK)
		key_add(&key, "task", f->root != NULL ? f->root : "");
	if (l->per & PER_AGENT)
		key_add(&key, "agent", f->agent);
	if (key.len < LIMIT_KEY_BYTES) {
		memcpy(ret, buf_text(&key), key.len + 1);
	} else {
		sha256_hex1(buf_str(&key), ret);
	}
	buf_done(&key);
}

int policy_limits(const struct policy *policy, const struct action *action, const struct facts *facts,
                  struct limit_hit *ret, size_t max)
{
	AUTO(eval_done) struct eval e = { .policy = policy, .action = action, .facts = facts };
	size_t count = 0;

	for (size_t i = 0; i < policy->limit_count; i++) {
		const struct limit *l = &policy->limits[i];
		if (l->kind != action->kind || rule_matches(&e, &l->matches) == NO)
			continue;
		if (count == max)
			return -1;
		ret[count] = (struct limit_hit){ .id = l->id, .source = l->source, .rate = l->rate, .over = l->over };
		key_write(l, action, facts, ret[count++].key);
	}
	return (int)count;
}

size_t policy_budget_count(const struct policy *policy)
{
	return policy->budget_count;
}

const struct budget *policy_budget(const struct policy *policy, size_t i)
{
	return &policy->budgets[i].budget;
}

/* ---- showing ---- */

static json_t *per_json(unsigned per)
{
	json_t *list = json_array();

	for (size_t i = 0; i < COUNT(per_names); i++)
		if (per & 1u << i)
			json_array_append_new(list, json_string(per_names[i]));
	return list;
}

json_t *policy_limits_json(const struct policy *policy)
{
	json_t *list = json_array();

	for (size_t i = 0; i < policy->limit_count; i++) {
		const struct limit *l = &policy->limits[i];
		AUTO(freep) char *rate = rate_text(&l->rate);
		json_t *o = json_object();
		json_put_text(o, "id", l->id);
		json_put_text(o, "on", kind_names[l->kind]);
		json_put_text(o, "matches", l->means);
		json_put(o, "per", per_json(l->per));
		json_put_text(o, "rate", rate);
		json_put_text(o, "over", over_names[l->over]);
		json_put_text(o, "layer", layer_names[policy->files[l->file].layer]);
		json_put_text(o, "source", l->source);
		json_array_append_new(list, o);
	}
	return list;
}

json_t *policy_budgets_json(const struct policy *policy)
{
	static const char *const keys[] = { "usd_nanos", "tokens", "calls", "ms" };
	json_t *list = json_array();

	for (size_t i = 0; i < policy->budget_count; i++) {
		const struct budget_row *b = &policy->budgets[i];
		json_t *o = json_object();
		json_put_text(o, "id", b->id);
		json_put_text(o, "per", scope_names[b->budget.scope]);
		for (size_t k = 0; k < BUDGET_UNITS; k++)
			if (b->budget.most[k] >= 0)
				json_put_int(o, keys[k], b->budget.most[k]);
		json_put_text(o, "over", over_names[b->budget.over]);
		json_put_text(o, "layer", layer_names[policy->files[b->file].layer]);
		json_put_text(o, "source", b->source);
		json_array_append_new(list, o);
	}
	return list;
}
