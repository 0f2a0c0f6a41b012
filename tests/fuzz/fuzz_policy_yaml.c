/* fuzz_policy_yaml.c - any bytes as a policy: it loads whole, or is refused with a place; what loads decides without
 * harm. */
#include <stdio.h>
#include <string.h>

#include "policy/probe.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7 forgets a buffer of 4 KiB on some malformed scalars; what is ours must not leak. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}

static void decide_some(const struct policy *policy)
{
	static const char *const words[][3] = { { "rm", "-rf", "x" }, { "./git", "push", "--dry-run" }, { "/tmp/x", "", "\xff" } };
	AUTO(json_decrefp) json_t *args = json_pack("{s:s, s:i, s:[s,s]}", "path", "a/../b", "n", 5, "list", "x", "/etc");
	struct probe p;
	struct decision d;
	struct err err;

	probe_init(&p, "/workspace");
	for (size_t i = 0; i < COUNT(words); i++) {
		assert(probe_set_exec(&p, words[i], 3, false, &err) == 0);
		policy_decide(policy, &p.action, &p.facts, &d);
		assert(memchr(d.reason, '\0', sizeof d.reason) != NULL && (d.rule == NULL) == (d.source == NULL));
	}
	assert(probe_set_net(&p, "a.example:443", NULL, &err) == 0);
	policy_decide(policy, &p.action, &p.facts, &d);
	probe_set_tool(&p, "write_file", "write", "high", args);
	policy_decide(policy, &p.action, &p.facts, &d);
	assert(d.high_risk);
	AUTO(json_decrefp) json_t *json = decision_json(&d, policy);
	assert(json_is_object(json));
	probe_done(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const char *const tools[] = { "read_file", "write_file", "shell" };
	const struct policy_source source = { LAYER_PROJECT, "f", { (const char *)bytes, len } };
	AUTO(policy_freep) struct policy *policy = NULL;
	struct err err = ERR_NONE;
	int line, column;

	if (policy_load(&source, 1, tools, COUNT(tools), &policy, &err) != 0) {
		assert(policy == NULL && sscanf(err.text, "f:%d:%d: ", &line, &column) == 2 && line > 0 && column > 0);
		return 0;
	}
	decide_some(policy);
	AUTO(json_decrefp) json_t *rules = policy_rules(policy);
	AUTO(json_decrefp) json_t *warnings = policy_lint(policy);
	assert(json_array_size(rules) == policy_rule_count(policy) && warnings != NULL);
	return 0;
}
