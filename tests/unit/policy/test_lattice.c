/* test_lattice.c - what must hold of every set of rules, tried on random ones: order says nothing, a deny never opens, a
 * lower layer never loosens. The seed is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/id.h"
#include "policy/probe.h"

#include "base/banned.h"

enum { ROUNDS = 400, RULES_MOST = 12, ACTIONS = 24 };

static uint64_t random_state;

static uint32_t next_random(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33);
}

static const char *one_of(const char *const *words, size_t count)
{
	return words[next_random() % count];
}

#define ANY(...) one_of((const char *const[]){ __VA_ARGS__ }, COUNT(((const char *const[]){ __VA_ARGS__ })))

/* What a rule may say besides its effect. */
static char *random_matchers(const char **ret_kind)
{
	switch (next_random() % 8) {
	case 0: *ret_kind = "tool"; return xasprintf("tool: %s", ANY("shell", "\"*\"", "[read_file, write_file]", "\"*_file\"", "{ not: shell }"));
	case 1: *ret_kind = "tool"; return xasprintf("category: %s, args: { path: %s }", ANY("read", "write", "[read, write]"),
	                                            ANY("{ within: \"${workspace}\" }", "\"*.c\"", "{ regex: \"x|y\" }", "{ not: \"a*\" }"));
	case 2: *ret_kind = "tool"; return xasprintf("args: { n: { %s: %s } }", ANY("gt", "lt", "ge", "le", "eq", "ne"), ANY("1", "5", "10"));
	case 3: *ret_kind = "exec"; return xasprintf("program: %s", ANY("rm", "[rm, git]", "\"*\"", "{ from: system }", "{ from: workspace }", "/usr/bin/git"));
	case 4: *ret_kind = "exec"; return xasprintf("argv: { %s }", ANY("contains: push", "flag: -f", "flag: --force", "regex: \"pu\"", "count: { gt: 1 }"));
	case 5: *ret_kind = "net"; return xasprintf("host: %s", ANY("a.example", "\"*.example\"", "\"*\"", "[a.example, b.example]"));
	case 6: *ret_kind = ANY("tool", "exec", "net"); return xasprintf("when: { %s }", ANY("user: alice", "group: ops", "depth: { lt: 2 }", "taint: secret",
		"interactive: true", "cost_usd: { gt: 1 }", "env: { CI: \"true\" }", "time: \"08:00-18:00\"", "calls: { ge: 3 }"));
	default: *ret_kind = ANY("tool", "exec", "net"); return xstrdup("");
	}
}

static char *random_rule(int number, bool overridable)
{
	const char *kind, *other;
	AUTO(freep) char *matchers = random_matchers(&kind);
	AUTO(freep) char *exception = NULL;
	const char *effect = ANY("allow", "ask", "deny");

	for (int i = 0; i < 20 && exception == NULL && next_random() % 3 == 0; i++) {
		AUTO(freep) char *other_text = random_matchers(&other);
		if (strcmp(other, kind) == 0 && other_text[0] != '\0')
			exception = TAKE(other_text);
	}
	return xasprintf("  - { id: r%d, %s: %s%s%s%s%s%s%s }\n", number, effect, kind, matchers[0] != '\0' ? ", " : "", matchers,
	                 exception != NULL ? ", unless: { " : "", exception != NULL ? exception : "", exception != NULL ? " }" : "",
	                 overridable && strcmp(effect, "allow") != 0 && next_random() % 2 == 0 ? ", overridable: true" : "");
}

static struct policy *load(const struct policy_source *sources, size_t count)
{
	struct policy *policy = NULL;
	struct err err;

	return policy_load(sources, count, NULL, 0, &policy, &err) == 0 ? policy : NULL;
}

static char *file_of(char *const *rules, size_t count, const char *head)
{
	struct buf text = BUF_INIT(MIB(1));

	buf_printf(&text, "version: 1\n%s", head);
	for (size_t i = 0; i < count; i++)
		buf_printf(&text, "%s%s", i == 0 ? "rules:\n" : "", rules[i]);
	return buf_take(&text);
}

/* The same action and facts for a number. */
static void action_of(uint64_t number, struct probe *p)
{
	uint64_t kept = random_state;
	struct err err;

	random_state = number * 7919 + 17;
	probe_init(p, "/w");
	assert_int_equal(probe_set_fact(p, "user", ANY("alice", "bob"), &err), 0);
	assert_int_equal(probe_set_fact(p, "depth", ANY("0", "1", "2"), &err), 0);
	assert_int_equal(probe_set_fact(p, "calls", ANY("0", "3", "9"), &err), 0);
	assert_int_equal(probe_set_fact(p, "interactive", ANY("true", "false"), &err), 0);
	assert_int_equal(probe_set_fact(p, "cost_usd", ANY("0", "1.50"), &err), 0);
	assert_int_equal(probe_set_fact(p, "time", ANY("2026-11-22T03:00:00Z", "2026-11-22T12:00:00Z"), &err), 0);
	if (next_random() % 2 == 0)
		assert_int_equal(probe_set_fact(p, "taint", "secret", &err), 0);
	if (next_random() % 2 == 0)
		assert_int_equal(probe_set_fact(p, "env.CI", "true", &err), 0);
	if (next_random() % 3 == 0) {
		AUTO(json_decrefp) json_t *args = json_pack("{s:s, s:i}", "path", ANY("a.c", "../x", "y", "/etc/passwd"), "n", (int)(next_random() % 12));
		probe_set_tool(p, ANY("shell", "read_file", "write_file", "other"), ANY("read", "write", "exec"), ANY("low", "high"), args);
	} else if (next_random() % 2 == 0) {
		const char *words[] = { ANY("rm", "git", "ls", "./git", "/tmp/rm"), ANY("push", "-rf", "--force", "x"), ANY("-f", "y") };
		assert_int_equal(probe_set_exec(p, words, 1 + next_random() % 3, false, &err), 0);
	} else {
		assert_int_equal(probe_set_net(p, ANY("a.example:443", "b.example:80", "c.test:22"), NULL, &err), 0);
	}
	random_state = kept;
}

static enum effect decide(const struct policy *policy, uint64_t number)
{
	struct probe p;
	struct decision d;

	action_of(number, &p);
	policy_decide(policy, &p.action, &p.facts, &d);
	probe_done(&p);
	return d.effect;
}

static void shuffle(char **rules, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t k = next_random() % i;
		char *kept = rules[i - 1];
		rules[i - 1] = rules[k];
		rules[k] = kept;
	}
}

static const char *random_head(void)
{
	return ANY("groups: { ops: [alice] }\n", "default: ask\ngroups: { ops: [alice] }\n", "default: allow\ngroups: { ops: [alice] }\n",
	           "default: deny\ngroups: { ops: [alice] }\n");
}

typedef bool round_fn(uint64_t seed, char **rules, size_t count);

/* Tries it on many sets; sets that do not load (a rule can never win) do not count, but most must. */
static void many(round_fn *round, bool overridable)
{
	uint32_t seed;
	int loaded = 0;

	id_random(&seed, sizeof seed);
	print_message("seed %u\n", seed);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		char *rules[RULES_MOST];
		random_state = seed + i * 104729;
		size_t count = 1 + next_random() % RULES_MOST;
		for (size_t k = 0; k < count; k++)
			rules[k] = random_rule((int)k, overridable);
		loaded += round(seed + i * 104729, rules, count);
		for (size_t k = 0; k < count; k++)
			free(rules[k]);
	}
	assert_true(loaded > ROUNDS / 4);
}

static bool order_of_rules(uint64_t seed, char **rules, size_t count)
{
	const char *head = random_head();
	AUTO(freep) char *one = file_of(rules, count, head);
	shuffle(rules, count);
	AUTO(freep) char *two = file_of(rules, count, head);
	struct policy_source a = { LAYER_PROJECT, "a", str_of(one) }, b = { LAYER_PROJECT, "b", str_of(two) };
	AUTO(policy_freep) struct policy *first = load(&a, 1), *second = load(&b, 1);

	assert_true((first == NULL) == (second == NULL));      /* whether it loads does not depend on the order either */
	for (uint64_t i = 0; first != NULL && i < ACTIONS; i++)
		if (decide(first, i) != decide(second, i))
			fail_msg("seed %llu, action %llu: the order of the rules matters\n%s\n%s", (unsigned long long)seed, (unsigned long long)i, one, two);
	return first != NULL;
}

/* POLICY.md 4 */
static void the_order_of_rules_says_nothing(void **unused)
{
	(void)unused;
	many(order_of_rules, true);
}

static bool order_of_files(uint64_t seed, char **rules, size_t count)
{
	size_t half = count / 2;
	AUTO(freep) char *one = file_of(rules, half, "groups: { ops: [alice] }\n"), *two = file_of(rules + half, count - half, "default: ask\ngroups: { opz: [alice], other: [x] }\n");
	struct policy_source ab[] = { { LAYER_USER, "a", str_of(one) }, { LAYER_USER, "b", str_of(two) } }, ba[] = { ab[1], ab[0] };
	AUTO(policy_freep) struct policy *first = load(ab, 2), *second = load(ba, 2);

	for (uint64_t i = 0; first != NULL && second != NULL && i < ACTIONS; i++)
		if (decide(first, i) != decide(second, i))
			fail_msg("seed %llu, action %llu: the order of the files matters", (unsigned long long)seed, (unsigned long long)i);
	return first != NULL && second != NULL; /* a group is known only to the files behind its own */
}

/* POLICY.md 4 */
static void the_order_of_files_says_nothing(void **unused)
{
	(void)unused;
	many(order_of_files, true);
}

static bool one_more_deny(uint64_t seed, char **rules, size_t count)
{
	const char *head = random_head();
	char *more[RULES_MOST + 1];
	char *deny = NULL;

	while (deny == NULL || strstr(deny, " deny: ") == NULL) {
		free(deny);
		deny = random_rule(RULES_MOST, false);
	}
	memcpy(more, rules, count * sizeof *rules);
	more[count] = deny;
	AUTO(freep) char *one = file_of(rules, count, head), *two = file_of(more, count + 1, head);
	free(deny);
	struct policy_source a = { LAYER_PROJECT, "a", str_of(one) }, b = { LAYER_PROJECT, "b", str_of(two) };
	AUTO(policy_freep) struct policy *before = load(&a, 1), *after = load(&b, 1);
	for (uint64_t i = 0; before != NULL && after != NULL && i < ACTIONS; i++)
		if (decide(after, i) > decide(before, i))
			fail_msg("seed %llu, action %llu: one more deny allows more\n%s", (unsigned long long)seed, (unsigned long long)i, two);
	return before != NULL && after != NULL;
}

/* POLICY.md 4 */
static void a_deny_never_opens(void **unused)
{
	(void)unused;
	many(one_more_deny, false);
}

static bool lower_layer(uint64_t seed, char **rules, size_t count)
{
	size_t half = (count + 1) / 2;
	AUTO(freep) char *one = file_of(rules, half, random_head()), *two = file_of(rules + half, count - half, ANY("", "default: allow\n", "default: ask\n"));
	struct policy_source set[] = { { LAYER_ADMIN, "admin", str_of(one) }, { LAYER_PROJECT, "project", str_of(two) } };
	AUTO(policy_freep) struct policy *alone = load(set, 1), *both = load(set, 2);
	struct probe p;
	struct decision d;

	for (uint64_t i = 0; alone != NULL && both != NULL && i < ACTIONS; i++) {
		action_of(i, &p);
		policy_decide(alone, &p.action, &p.facts, &d);
		/* where the layer above said nothing at all, the lower one is the first to speak */
		bool silent = d.rule == NULL && strstr(one, "default:") == NULL;
		probe_done(&p);
		if (!silent && decide(both, i) > d.effect)
			fail_msg("seed %llu, action %llu: a lower layer loosens\n%s\n%s", (unsigned long long)seed, (unsigned long long)i, one, two);
	}
	return alone != NULL && both != NULL;
}

/* POLICY.md 5 */
static void a_lower_layer_never_loosens(void **unused)
{
	(void)unused;
	many(lower_layer, false);
}

static bool grows(uint64_t seed, char **rules, size_t count)
{
	AUTO(freep) char *head = xasprintf("default: %s\ngroups: { ops: [alice] }\n", ANY("ask", "allow"));
	AUTO(freep) char *without = file_of(rules, count, "groups: { ops: [alice] }\n"), *with = file_of(rules, count, head);
	struct policy_source a = { LAYER_PROJECT, "a", str_of(without) }, b = { LAYER_PROJECT, "b", str_of(with) };
	AUTO(policy_freep) struct policy *first = load(&a, 1), *second = load(&b, 1);
	struct probe p;
	struct decision x, y;

	for (uint64_t i = 0; first != NULL && second != NULL && i < ACTIONS; i++) {
		action_of(i, &p);
		policy_decide(first, &p.action, &p.facts, &x);
		policy_decide(second, &p.action, &p.facts, &y);
		probe_done(&p);
		/* a default decides only where no rule does, and silence is no */
		if (x.rule != NULL ? x.effect != y.effect : x.effect != EFFECT_DENY)
			fail_msg("seed %llu, action %llu: a default speaks where a rule does", (unsigned long long)seed, (unsigned long long)i);
	}
	return first != NULL && second != NULL;
}

/* POLICY.md 6 */
static void a_default_decides_only_where_no_rule_does(void **unused)
{
	(void)unused;
	many(grows, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order_of_rules_says_nothing),
		cmocka_unit_test(the_order_of_files_says_nothing),
		cmocka_unit_test(a_deny_never_opens),
		cmocka_unit_test(a_lower_layer_never_loosens),
		cmocka_unit_test(a_default_decides_only_where_no_rule_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
