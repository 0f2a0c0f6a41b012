/* fuzz_regex_rule.c - any text as the regex of a rule, against any text: it is refused with a place, or it decides within
 * its bounds, and what a regex forbids, no other part of the decision allows. Input: the pattern, a NUL, the text. */
#include <string.h>

#include "base/clock.h"
#include "policy/probe.h"
#include "policy/rules.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7 forgets a buffer of 4 KiB on some malformed scalars; what is ours must not leak. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}

static struct policy *load(const char *pattern, const char *effect, const char *otherwise)
{
	AUTO(json_decrefp) json_t *value = json_of_str(str_of(pattern));
	AUTO(freep) char *quoted = json_text(value);
	AUTO(freep) char *text = xasprintf("version: 1\ndefault: %s\nrules:\n  - { id: r, %s: tool, args: { a: { regex: %s } } }\n"
	                                   "  - { id: e, %s: exec, argv: { regex: %s } }\n", otherwise, effect, quoted, effect, quoted);
	const struct policy_source source = { LAYER_PROJECT, "f", str_of(text) };
	struct policy *policy = NULL;
	struct err err = ERR_NONE;

	if (policy_load(&source, 1, NULL, 0, &policy, &err) != 0)
		assert(policy == NULL && strncmp(err.text, "f:", 2) == 0);
	return policy;
}

/* The sieve over rules leaves out no pattern that matches. */
static void check_sieve(const char *pattern, const char *subject)
{
	struct matcher m = { .op = OP_REGEX };
	struct sieve sieve;
	int code;
	PCRE2_SIZE at;
	pcre2_code *regex = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);

	needle_of_regex(pattern, &m.needle);
	if (regex == NULL || m.needle.count == 0) {
		pcre2_code_free(regex);
		return;
	}
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	pcre2_set_match_limit(limits, LIMIT_POLICY_REGEX_STEPS);
	sieve_fill(&sieve, str_of(subject));
	if (pcre2_match(regex, (PCRE2_SPTR)subject, PCRE2_ZERO_TERMINATED, 0, 0, data, limits) >= 0)
		assert(sieve_passes(&sieve, &m));
	pcre2_match_data_free(data);
	pcre2_match_context_free(limits);
	pcre2_code_free(regex);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const uint8_t *nul = memchr(bytes, 0, len);
	size_t pattern_len = nul != NULL ? (size_t)(nul - bytes) : len / 2;
	AUTO(freep) char *pattern = xstrndup((const char *)bytes, pattern_len);
	const char *rest = (const char *)bytes + pattern_len + (nul != NULL);
	AUTO(freep) char *subject = xstrndup(rest, len - pattern_len - (nul != NULL));
	AUTO(policy_freep) struct policy *deny = load(pattern, "deny", "allow"), *allow = load(pattern, "allow", "deny");
	struct decision denied, allowed;
	struct probe p;
	struct err err = ERR_NONE;

	check_sieve(pattern, subject);
	assert((deny == NULL) == (allow == NULL));
	if (deny == NULL)
		return 0;
	AUTO(json_decrefp) json_t *args = json_object();
	json_put_text(args, "a", subject);
	const char *const words[] = { "prog", subject };
	for (int exec = 0; exec < 2; exec++) {
		probe_init(&p, "/w");
		if (exec == 0)
			probe_set_tool(&p, "t", "read", "low", args);
		else
			assert(probe_set_exec(&p, words, 2, false, &err) == 0);
		int64_t start_ms = clock_mono_ms();
		policy_decide(deny, &p.action, &p.facts, &denied);
		policy_decide(allow, &p.action, &p.facts, &allowed);
		assert(clock_mono_ms() - start_ms < 20000);
		/* doubt forbids, and never allows: both at once cannot be */
		assert(!(denied.effect == EFFECT_ALLOW && allowed.effect == EFFECT_ALLOW));
		probe_done(&p);
	}
	return 0;
}
