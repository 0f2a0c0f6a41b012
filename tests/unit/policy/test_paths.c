/* test_paths.c - the section `files` over layers: what is hidden and kept adds up, what is opened only becomes less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "policy/policy.h"

static struct policy *load(const char *admin, const char *user, const char *project)
{
	const char *texts[] = { admin, user, project };
	struct policy_source sources[3];
	struct policy *policy = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	for (int i = 0; i < 3; i++)
		if (texts[i] != NULL)
			sources[count++] = (struct policy_source){ (enum layer)i, "file", str_of(texts[i]) };
	if (policy_load(sources, count, NULL, 0, &policy, &err) < 0)
		fail_msg("%s", err.text);
	return policy;
}

#define V "version: 1\n"

static void layers_tighten(void **state)
{
	static const struct { const char *admin, *user, *project, *want; } rows[] = {
		{ V "files: { hide: [a] }", V "files: { hide: [b] }", V "files: { hide: [a, c], readonly: [d/] }",
		  "hide a hide a hide b hide c readonly d " },
		{ NULL, NULL, V "files: { hide: ['${workspace}/x', './y'], writable: [/var/tmp/b/, /var/tmp/a] }",
		  "hide x hide y writable /var/tmp/a writable /var/tmp/b " },
		{ V "files: { writable: [/a, /b] }", V, V "files: { writable: [/a/x] }", "writable /a/x " },
		{ V "files: { writable: [/a, /b] }", V "files: { writable: [/a] }", V, "writable /a " },
		{ V "files: { writable: [/a] }", V "files: { writable: [] }", NULL, "" },
		{ V "files: { hide: [] }", NULL, NULL, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct policy *policy = load(rows[i].admin, rows[i].user, rows[i].project);
		struct buf text = BUF_INIT(KIB(4));
		const struct path_rule *rules;
		size_t count = policy_paths(policy, &rules);
		for (size_t k = 0; k < count; k++)
			buf_printf(&text, "%s %s ", path_kind_name(rules[k].kind), rules[k].pattern);
		assert_string_equal(buf_text(&text), rows[i].want);
		buf_done(&text);
		policy_free(policy);
	}
}

static void a_path_is_found_by_itself_and_by_its_directories(void **state)
{
	static const struct { const char *path; enum path_kind kind; const char *want; } rows[] = {
		{ ".env", PATH_HIDE, "**/.env" },
		{ "a/b/.env", PATH_HIDE, "**/.env" },
		{ "a/b/.envx", PATH_HIDE, NULL },
		{ "keys", PATH_HIDE, "keys" },
		{ "keys/a/b", PATH_HIDE, "keys" },
		{ "x/keys", PATH_HIDE, NULL },
		{ "keys2", PATH_HIDE, NULL },
		{ ".git/hooks/pre-commit", PATH_READONLY, ".git/hooks" },
		{ ".git/HEAD", PATH_READONLY, NULL },
		{ ".git/hooks", PATH_HIDE, NULL },
		{ "a.pem/x", PATH_HIDE, "*.pem" },
		{ "d/a.pem", PATH_HIDE, NULL },
	};
	struct policy *policy = load(NULL, NULL, V "files: { hide: ['**/.env', keys, '*.pem'], readonly: [.git/hooks] }");

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct path_rule *rule = policy_path_find(policy, rows[i].kind, rows[i].path);
		if ((rule == NULL) != (rows[i].want == NULL) || (rule != NULL && strcmp(rule->pattern, rows[i].want) != 0))
			fail_msg("%s: by '%s', not by '%s'", rows[i].path, rule != NULL ? rule->pattern : "nothing",
			         rows[i].want != NULL ? rows[i].want : "nothing");
	}
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layers_tighten), cmocka_unit_test(a_path_is_found_by_itself_and_by_its_directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
