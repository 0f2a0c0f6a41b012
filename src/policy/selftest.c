/* selftest.c - the `tests` of a policy file. They run at every load against the rules of their own file, so that
 * another layer can neither hide a failure nor cause one; one that fails refuses the file. They look at no file
 * system: a bare name is a system program, and the workspace is /workspace. */
#include <stdio.h>

#include "policy/probe.h"
#include "policy/rules.h"

#include "base/banned.h"

static const char *const test_keys[] = { "call", "when", "expect", "rule" };
static const char *const call_keys[] = { "tool", "args", "category", "risk", "exec", "program", "cwd", "sha256", "net",
                                         "scheme", "method", "address", "delegate", "schedule", "goal", "model", "secret" };

static const char *text_of(const struct yaml_node *call, const char *key)
{
	const struct yaml_node *n = yaml_get(call, key);
	return n != NULL ? yaml_text(n) : NULL;
}

static int call_exec(struct loader *l, const struct yaml_node *call, const struct yaml_node *n, struct probe *p)
{
	const char *argv[256];
	size_t argc = 0;
	struct err err;

	if (yaml_want(n, YAML_LIST, "'exec'", l->err) != 0)
		return -EINVAL;
	for (const struct yaml_node *word = yaml_first(n); word != NULL; word = yaml_next(word)) {
		if (yaml_want(word, YAML_TEXT, "a word of a command", l->err) != 0)
			return -EINVAL;
		if (argc == COUNT(argv))
			return yaml_err(word, l->err, "too many words in a test: at most %zu", COUNT(argv));
		argv[argc++] = yaml_text(word);
	}
	if (probe_set_exec(p, argv, argc, false, &err) != 0)
		return yaml_err(n, l->err, "%s", err.text);
	const struct yaml_node *program = yaml_get(call, "program");
	if (program != NULL) {
		if (yaml_text(program)[0] != '/')
			return yaml_err(program, l->err, "'program' is where the program lies: write an absolute path");
		const char *first = yaml_text(program);
		AUTO(freep) const char **words = xcalloc(argc, sizeof *words);
		memcpy(words, argv, argc * sizeof *words);
		words[0] = first;
		if (probe_set_exec(p, words, argc, false, &err) != 0)
			return yaml_err(program, l->err, "%s", err.text);
	}
	if (text_of(call, "cwd") != NULL)
		p->action.exec.cwd = text_of(call, "cwd");
	p->action.exec.sha256 = text_of(call, "sha256");
	return 0;
}

static int call_tool(struct loader *l, const struct yaml_node *call, const struct yaml_node *n, struct probe *p)
{
	const struct yaml_node *args = yaml_get(call, "args");
	AUTO(json_decrefp) json_t *value = args != NULL ? yaml_to_json(args) : json_object();

	if (args != NULL && yaml_want(args, YAML_MAP, "'args'", l->err) != 0)
		return -EINVAL;
	probe_set_tool(p, yaml_text(n), text_of(call, "category"), text_of(call, "risk"), value);
	return 0;
}

static int call_net(struct loader *l, const struct yaml_node *call, const struct yaml_node *n, struct probe *p)
{
	struct err err;

	if (probe_set_net(p, yaml_text(n), text_of(call, "scheme"), &err) != 0 ||
	    probe_add_net(p, text_of(call, "method"), text_of(call, "address"), &err) != 0)
		return yaml_err(n, l->err, "%s", err.text);
	return 0;
}

static int call_other(struct loader *l, const struct yaml_node *call, const struct yaml_node *n, struct probe *p)
{
	(void)l;
	p->action = (struct action){ .kind = (enum action_kind)name_find(kind_names, KIND_COUNT, yaml_text(yaml_key(n))) };
	if (p->action.kind == ACTION_DELEGATE)
		p->action.delegate.agent = yaml_text(n);
	p->action.schedule.cron = p->action.kind == ACTION_SCHEDULE ? yaml_text(n) : NULL;
	p->action.schedule.goal = text_of(call, "goal");
	return 0;
}

static int call_model(struct loader *l, const struct yaml_node *call, const struct yaml_node *n, struct probe *p)
{
	const char *slash = strchr(yaml_text(n), '/');

	(void)call;
	if (slash == NULL)
		return yaml_err(n, l->err, "'%.80s' is no model: write PROVIDER/MODEL", yaml_text(n));
	size_t len = (size_t)(slash - yaml_text(n));
	char *provider = xstrndup(yaml_text(n), len);
	p->owned = xrealloc(p->owned, (p->owned_count + 1) * sizeof(char *));
	p->owned[p->owned_count++] = provider;
	p->action = (struct action){ .kind = ACTION_MODEL, .model = { provider, slash + 1 } };
	return 0;
}

/* One row per kind of action: how a test spells it, and which other keys go with it. */
static const struct call_row {
	const char *key;
	int (*read)(struct loader *l, const struct yaml_node *call, const struct yaml_node *n, struct probe *p);
	const char *with[4];
} call_rows[KIND_COUNT] = {
	[ACTION_TOOL] = { "tool", call_tool, { "args", "category", "risk", "secret" } },
	[ACTION_EXEC] = { "exec", call_exec, { "program", "cwd", "sha256" } },
	[ACTION_NET] = { "net", call_net, { "scheme", "method", "address", "secret" } },
	[ACTION_DELEGATE] = { "delegate", call_other },
	[ACTION_SCHEDULE] = { "schedule", call_other, { "goal" } },
	[ACTION_MODEL] = { "model", call_model },
};

static int call_read(struct loader *l, const struct yaml_node *call, struct probe *p)
{
	const struct call_row *row = NULL;

	if (yaml_only_keys(call, call_keys, COUNT(call_keys), l->err) != 0)
		return -EINVAL;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		if (yaml_get(call, call_rows[i].key) == NULL)
			continue;
		if (row != NULL)
			return yaml_err(call, l->err, "two actions in one test, '%s' and '%s': leave one", row->key, call_rows[i].key);
		row = &call_rows[i];
	}
	if (row == NULL)
		return yaml_err(call, l->err, "no action in this test: write {exec: [rm, x]}, {tool: NAME, args: {}} or "
		                              "{net: \"HOST:PORT\"}");
	for (const struct yaml_node *n = yaml_first(call); n != NULL; n = yaml_next(n)) {
		const char *key = yaml_text(yaml_key(n));
		bool mine = strcmp(key, row->key) == 0;
		for (size_t i = 0; i < COUNT(row->with) && row->with[i] != NULL; i++)
			mine |= strcmp(key, row->with[i]) == 0;
		if (!mine)
			return yaml_err(yaml_key(n), l->err, "'%s' does not go with '%s': leave it out", key, row->key);
		if (strcmp(key, "exec") != 0 && strcmp(key, "args") != 0 && yaml_want(n, YAML_TEXT, "this", l->err) != 0)
			return -EINVAL;
	}
	int r = row->read(l, call, yaml_get(call, row->key), p);
	p->action.secret = text_of(call, "secret");
	return r;
}

static int env_read(struct loader *l, const struct yaml_node *map, struct probe *p)
{
	struct err err;

	for (const struct yaml_node *n = yaml_first(map); n != NULL; n = yaml_next(n)) {
		AUTO(freep) char *key = xasprintf("env.%s", yaml_text(yaml_key(n)));
		if (!yaml_is_scalar(n))
			return yaml_err(n, l->err, "a test gives one plain value for '%s', no matcher", key);
		if (probe_set_fact(p, key, yaml_text(n), &err) != 0)
			return yaml_err(n, l->err, "%s", err.text);
	}
	return 0;
}

static int fact_read(struct loader *l, const struct yaml_node *n, struct probe *p)
{
	struct err err;

	if (yaml_type(n) == YAML_LIST && strcmp(yaml_text(yaml_key(n)), "taint") == 0) {
		for (const struct yaml_node *c = yaml_first(n); c != NULL; c = yaml_next(c))
			if (!yaml_is_scalar(c) || probe_set_fact(p, "taint", yaml_text(c), &err) != 0)
				return yaml_err(c, l->err, "no taint: name at most %d of them", PROBE_TAINTS);
		return 0;
	}
	if (yaml_type(n) == YAML_MAP && strcmp(yaml_text(yaml_key(n)), "env") == 0)
		return env_read(l, n, p);
	if (!yaml_is_scalar(n))
		return yaml_err(n, l->err, "a test gives one plain value for '%s', no matcher", yaml_text(yaml_key(n)));
	if (probe_set_fact(p, yaml_text(yaml_key(n)), yaml_text(n), &err) != 0)
		return yaml_err(n, l->err, "%s", err.text);
	return 0;
}

static int rule_known(struct loader *l, const struct yaml_node *n)
{
	if (yaml_want(n, YAML_TEXT, "'rule'", l->err) != 0)
		return -EINVAL;
	for (size_t i = 0; i < l->policy->rule_count; i++)
		if (l->policy->rules[i]->file == l->file && strcmp(l->policy->rules[i]->id, yaml_text(n)) == 0)
			return 0;
	return yaml_err(n, l->err, "no rule of this file has the id '%.64s': write the id of the rule that is to decide",
	                yaml_text(n));
}

static int judge(struct loader *l, const struct yaml_node *test, const struct probe *p)
{
	static const char *const effects[] = { "deny", "ask", "allow" };
	const struct yaml_node *expect = yaml_get(test, "expect"), *rule = yaml_get(test, "rule");
	struct decision d;

	if (expect == NULL)
		return yaml_err(test, l->err, "'expect' is missing in this test: write 'expect: deny', ask or allow");
	if (!yaml_is_text(expect) || name_find(effects, COUNT(effects), yaml_text(expect)) < 0)
		return yaml_err(expect, l->err, "'expect' is what must come out: write deny, ask or allow");
	if (rule != NULL && rule_known(l, rule) != 0)
		return -EINVAL;
	decide_by(l->policy, l->file, &p->action, &p->facts, &d);
	bool right = strcmp(effect_name(d.effect), yaml_text(expect)) == 0;
	bool by = rule == NULL || (d.rule != NULL && strcmp(d.rule, yaml_text(rule)) == 0);
	if (!right || !by)
		return yaml_err(test, l->err, "this test fails: it expects %s%s%s, but %s%s decides %s (%s): mend the rule or the test",
		                yaml_text(expect), rule != NULL ? " by " : "", rule != NULL ? yaml_text(rule) : "",
		                d.rule != NULL ? "the rule " : "", d.rule != NULL ? d.rule : "the default", effect_name(d.effect),
		                d.reason);
	for (size_t i = 0; d.rule != NULL && i < l->policy->rule_count; i++)
		if (l->policy->rules[i]->id == d.rule)
			l->policy->rules[i]->decided_a_test = true;
	return 0;
}

static int test_run(struct loader *l, const struct yaml_node *test, struct probe *p)
{
	if (yaml_only_keys(test, test_keys, COUNT(test_keys), l->err) != 0)
		return -EINVAL;
	const struct yaml_node *when = yaml_get(test, "when"), *call = yaml_get(test, "call");
	if (call == NULL)
		return yaml_err(test, l->err, "'call' is missing in this test: write 'call: {exec: [rm, x]}'");
	if (when != NULL && yaml_want(when, YAML_MAP, "'when'", l->err) != 0)
		return -EINVAL;
	for (const struct yaml_node *n = when != NULL ? yaml_first(when) : NULL; n != NULL; n = yaml_next(n))
		if (fact_read(l, n, p) != 0)
			return -EINVAL;
	if (call_read(l, call, p) != 0)
		return -EINVAL;
	return judge(l, test, p);
}

int tests_run(struct loader *l, const struct yaml_node *tests)
{
	if (yaml_want(tests, YAML_LIST, "'tests'", l->err) != 0)
		return -EINVAL;
	for (const struct yaml_node *n = yaml_first(tests); n != NULL; n = yaml_next(n)) {
		struct probe p;
		probe_init(&p, "/workspace");
		int r = test_run(l, n, &p);
		probe_done(&p);
		if (r != 0)
			return -EINVAL;
		l->policy->test_count++;
	}
	return 0;
}
