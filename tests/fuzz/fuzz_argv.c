/* fuzz_argv.c - any words against matchers of argv: in allow, only what deny would forbid as well; a flag that stands
 * there as it is spelled is always seen. Input: words, a NUL behind each; the first is the flag of the rule. */
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

enum { WORDS = 16 };

static struct policy *load(const char *key, const char *value, const char *effect, const char *otherwise)
{
	AUTO(json_decrefp) json_t *text = json_of_str(str_of(value));
	AUTO(freep) char *quoted = json_text(text);
	AUTO(freep) char *file = xasprintf("version: 1\ndefault: %s\nrules:\n  - { id: r, %s: exec, argv: { %s: %s } }\n", otherwise, effect, key,
	                                   quoted);
	const struct policy_source source = { LAYER_PROJECT, "f", str_of(file) };
	struct policy *policy = NULL;
	struct err err = ERR_NONE;

	return policy_load(&source, 1, NULL, 0, &policy, &err) == 0 ? policy : NULL;
}

static void check(const char *key, const char *value, const char *const *words, size_t count)
{
	AUTO(policy_freep) struct policy *deny = load(key, value, "deny", "allow"), *allow = load(key, value, "allow", "deny");
	struct decision denied, allowed;
	struct err err = ERR_NONE;
	struct probe p;

	if (deny == NULL || allow == NULL)
		return;
	probe_init(&p, "/w");
	assert(probe_set_exec(&p, words, count, false, &err) == 0);
	policy_decide(deny, &p.action, &p.facts, &denied);
	policy_decide(allow, &p.action, &p.facts, &allowed);
	assert(!(denied.effect == EFFECT_ALLOW && allowed.effect == EFFECT_ALLOW));
	/* A literal flag among the words before "--" cannot escape a deny. What is no UTF-8 cannot stand in a policy: then the
	 * rule is about another word. */
	AUTO(json_decrefp) json_t *text = json_of_str(str_of(value));
	bool plain = strcmp(key, "flag") == 0 && strcmp(json_string_value(text), value) == 0;
	for (size_t i = 1; plain && i < count && strcmp(words[i], "--") != 0; i++)
		if (strcmp(words[i], value) == 0)
			assert(denied.effect == EFFECT_DENY);
	probe_done(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *words[WORDS] = { "prog" };
	size_t count = 1;
	AUTO(freep) char *copy = xmalloc(len + 1);

	if (len == 0)
		return 0;
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	size_t first = strlen(copy);
	for (size_t at = first + 1; at < len && count < WORDS; at += strlen(copy + at) + 1)
		words[count++] = copy + at;
	check("flag", copy, words, count);
	check("contains", copy, words, count);
	return 0;
}
