/* policy.c - what a decision costs: sets of 10 to 10000 rules, an action that the last rule decides, and one that none
 * does; and what loading costs. One JSON line a measurement. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "policy/probe.h"

enum { SPAN_MS = 300, SAMPLES = 100000 };

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void measure(const char *what, size_t rules, const struct policy *policy, const struct probe *p)
{
	static int64_t ns[SAMPLES];
	struct decision d;
	int64_t end = clock_mono_ms() + SPAN_MS;
	size_t count = 0;

	while (count < SAMPLES && clock_mono_ms() < end) {
		int64_t start = clock_mono_ns();
		policy_decide(policy, &p->action, &p->facts, &d);
		ns[count++] = clock_mono_ns() - start;
	}
	qsort(ns, count, sizeof *ns, compare);
	printf("{\"bench\":\"policy_decide\",\"action\":\"%s\",\"rules\":%zu,\"effect\":\"%s\",\"p50_ns\":%lld,\"p99_ns\":%lld,"
	       "\"samples\":%zu}\n", what, rules, effect_name(d.effect), (long long)ns[count / 2],
	       (long long)ns[count * 99 / 100], count);
}

/* Half of the rules are about programs, half about tools; each tenth has a regex. */
static void write_rules(struct buf *text, size_t count)
{
	buf_add_text(text, "version: 1\ndefault: ask\nrules:\n");
	for (size_t i = 0; i < count; i++) {
		if (i % 2 == 0)
			buf_printf(text, "- {id: r%zu, deny: exec, program: prog%zu, argv: {contains: word%zu}}\n", i, i, i);
		else if (i % 10 == 1)
			buf_printf(text, "- {id: r%zu, deny: tool, tool: 'db%zu.*', args: {sql: {regex: 'drop +t%zu'}}}\n", i, i, i);
		else
			buf_printf(text, "- {id: r%zu, allow: tool, tool: 'x%zu.*', args: {path: {within: '${workspace}'}}}\n", i, i);
	}
}

static void bench(size_t count)
{
	static const char *const hit[] = { "prog0", "word0" }, *const miss[] = { "ls", "-l" };
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(2)), last = BUF_INIT(64);
	AUTO(policy_freep) struct policy *policy = NULL;
	AUTO(json_decrefp) json_t *args = json_pack("{s:s, s:s}", "sql", "select drop  t", "path", "a");
	struct err err = ERR_NONE;
	struct probe p;

	write_rules(&text, count);
	struct policy_source source = { LAYER_PROJECT, "bench", buf_str(&text) };
	int64_t start = clock_mono_ns();
	if (policy_load(&source, 1, NULL, 0, &policy, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	printf("{\"bench\":\"policy_load\",\"rules\":%zu,\"ms\":%.1f}\n", count, (double)(clock_mono_ns() - start) / 1e6);
	probe_init(&p, "/workspace");
	if (probe_set_exec(&p, hit, 2, false, &err) != 0)
		exit(1);
	measure("exec, a rule matches", count, policy, &p);
	if (probe_set_exec(&p, miss, 2, false, &err) != 0)
		exit(1);
	measure("exec, none matches", count, policy, &p);
	buf_printf(&last, "x%zu.a", count % 10 == 0 ? count - 1 : count);
	probe_set_tool(&p, buf_text(&last), "read", "low", args);
	measure("tool, the last rule matches", count, policy, &p);
	probe_done(&p);
}

static struct policy *load_text(const struct buf *text)
{
	struct policy_source source = { LAYER_PROJECT, "bench", buf_str(text) };
	struct policy *policy = NULL;
	struct err err = ERR_NONE;

	if (policy_load(&source, 1, NULL, 0, &policy, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return policy;
}

/* So many rules, of which 50 concern the tool: each with a regex over a command of 200 bytes. */
static void bench_concerned(size_t count)
{
	static const char command[] = "make -C /workspace/build all test VERBOSE=1 CFLAGS='-O2 -g -Wall -Wextra' && git status --short && "
		"git add -A && git commit -m 'a message of some length that says what was done and why it was done'";
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(4));
	AUTO(json_decrefp) json_t *args = json_pack("{s:s}", "command", command);
	struct probe p;

	buf_add_text(&text, "version: 1\ndefault: ask\nrules:\n");
	for (size_t i = 0; i < count; i++) {
		AUTO(freep) char *tool = i < 50 ? xstrdup("shell") : xasprintf("tool%zu", i);
		buf_printf(&text, "- {id: r%zu, deny: tool, tool: %s, args: {command: {regex: '\\brm -rf /x%zu\\b'}}}\n", i, tool, i);
	}
	int64_t start = clock_mono_ns();
	AUTO(policy_freep) struct policy *policy = load_text(&text);
	printf("{\"bench\":\"policy_load\",\"rules\":%zu,\"with\":\"a regex each\",\"ms\":%.1f}\n", count,
	       (double)(clock_mono_ns() - start) / 1e6);
	probe_init(&p, "/workspace");
	probe_set_tool(&p, "shell", "exec", "high", args);
	measure("a command of 200 bytes, 50 rules concern it", count, policy, &p);
	probe_done(&p);
}

/* What one more matcher in a rule costs, and a longer argument. */
static void bench_matchers(size_t matchers, size_t bytes)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(4));
	AUTO(freep) char *value = xmalloc(bytes + 1), *what = xasprintf("%zu patterns a rule, an argument of %zu bytes", matchers, bytes);
	AUTO(json_decrefp) json_t *args = json_object();
	struct probe p;

	memset(value, 'a', bytes);
	value[bytes] = '\0';
	buf_add_text(&text, "version: 1\ndefault: ask\nrules:\n");
	for (size_t i = 0; i < 100; i++) {
		buf_printf(&text, "- {id: r%zu, deny: tool, tool: shell, args: {", i);
		for (size_t k = 0; k < matchers; k++)   /* the last one never fits, the others do */
			buf_printf(&text, "%sa%zu: '%s'", k > 0 ? ", " : "", k, k + 1 < matchers ? "a*a" : "*b*c");
		buf_add_text(&text, "}}\n");
	}
	AUTO(policy_freep) struct policy *policy = load_text(&text);
	for (size_t k = 0; k < matchers; k++) {
		AUTO(freep) char *key = xasprintf("a%zu", k);
		json_put_text(args, key, value);
	}
	probe_init(&p, "/workspace");
	probe_set_tool(&p, "shell", "exec", "high", args);
	measure(what, 100, policy, &p);
	probe_done(&p);
}

int main(void)
{
	static const size_t matchers[] = { 1, 2, 4, 8 }, bytes[] = { 20, 200, 2000, 20000 };

	for (size_t count = 10; count <= 10000; count *= 10)
		bench(count);
	for (size_t count = 100; count <= 10000; count *= 10)
		bench_concerned(count);
	for (size_t i = 0; i < COUNT(matchers); i++)
		bench_matchers(matchers[i], 200);
	for (size_t i = 0; i < COUNT(bytes); i++)
		bench_matchers(1, bytes[i]);
	return 0;
}
