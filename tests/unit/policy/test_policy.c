/* test_policy.c - runs the rows of tests/cases/policy: what a set decides, and with which words it is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <time.h>

#include "base/io.h"
#include "policy/files.h"
#include "policy/glob.h"
#include "policy/probe.h"
#include "policy/rules.h"

#include "base/banned.h"

static const char *const tools[] = { "read_file", "list_dir", "search", "edit_file", "write_file", "shell", "http_fetch",
                                     "db.query" };

/* ---- the rows of the case files ---- */

struct run {
	const char *file;
	int line, rows, failures;
	struct policy_source sources[8];
	size_t count;
	struct policy *policy;
	struct err err;
};

/* A file system with one link out of the workspace and one that cannot be followed. */
static char *fake_resolve(void *userdata, const char *path)
{
	(void)userdata;
	if (strncmp(path, "/w/link/", 8) == 0 || strcmp(path, "/w/link") == 0) {
		AUTO(freep) char *target = xasprintf("/etc%s", path + 7);
		return path_clean(target);
	}
	if (strncmp(path, "/w/loop", 7) == 0)
		return NULL;
	return path_clean(path);
}

static void complain_about(struct run *r, const char *format, ...) PRINTF(2, 3);

static void complain_about(struct run *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	AUTO(freep) char *text = NULL;
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	print_error("%s:%d: %s\n", r->file, r->line, text);
	r->failures++;
}

static void set_key(struct run *r, struct probe *p, const char *key, char *value)
{
	struct err err;

	if (strcmp(key, "category") == 0)
		p->action.tool.category = value;
	else if (strcmp(key, "risk") == 0)
		p->action.tool.risk = value;
	else if (strcmp(key, "program") == 0)
		p->action.exec.program = value;
	else if (strcmp(key, "cwd") == 0)
		p->action.exec.cwd = value;
	else if (strcmp(key, "sha256") == 0)
		p->action.exec.sha256 = value;
	else if (strcmp(key, "trusted") == 0)
		p->action.exec.trusted_names = (size_t)(value[0] - '0');
	else if (strcmp(key, "origin") == 0)
		p->action.exec.origin = value[0] == 's' ? ORIGIN_SYSTEM : value[0] == 'w' ? ORIGIN_WORKSPACE : ORIGIN_UNTRUSTED;
	else if (probe_set_fact(p, key, value, &err) != 0)
		complain_about(r, "%s", err.text);
}

static size_t words_of(const json_t *list, const char **words, size_t max)
{
	size_t count = 0;

	for (; count < json_array_size(list) && count < max; count++)
		words[count] = json_string_value(json_array_get(list, count));
	return count;
}

static int read_action(struct probe *p, const char *kind, char *what, const char **words, json_t **value, struct err *err)
{
	char *name = what, *json = what;

	if (strcmp(kind, "tool") == 0) {
		json = what + strcspn(what, " ");
		if (*json != '\0')
			*json++ = '\0';
		json = *json != '\0' ? json : (char *)(uintptr_t)"{}";
	}
	int r = json_parse(str_of(json), value, err);
	if (r != 0)
		return r;
	const char *text = json_string_value(*value);
	if (strcmp(kind, "tool") == 0) {
		probe_set_tool(p, name, NULL, NULL, *value);
		return 0;
	}
	if (strcmp(kind, "exec") == 0)
		return probe_set_exec(p, words, words_of(*value, words, 64), false, err);
	if (strcmp(kind, "net") == 0)
		return probe_set_net(p, text, NULL, err);
	int which = name_find(kind_names, KIND_COUNT, kind);
	if (which < 0 || text == NULL)
		return err_set(err, EINVAL, "no action '%s'", kind);
	p->action = (struct action){ .kind = (enum action_kind)which, .delegate = { text }, .schedule = { text, NULL } };
	const char *slash = strchr(text, '/');
	p->action.model.provider = slash != NULL ? "openai" : NULL;
	p->action.model.model = slash != NULL ? slash + 1 : NULL;
	return 0;
}

static bool has_words(const char *reason, char *piece)
{
	for (char *p = piece; *p != '\0'; p++)
		if (*p == '_')
			*p = ' ';
	return strstr(reason, piece) != NULL;
}

/* EFFECT RULE [KEY=VALUE]... KIND WHAT */
static void row_run(struct run *r, char *line)
{
	char *fields[40], *save = NULL, *reason = NULL, *names_text = NULL;
	size_t count = 0, kind = 2;
	AUTO(freep) char *copy = xstrdup(line);
	AUTO(json_decrefp) json_t *value = NULL, *names = NULL;
	const char *words[64], *name_words[8];
	struct err err = ERR_NONE;
	struct decision d;

	for (char *f = strtok_r(copy, " ", &save); f != NULL && count < COUNT(fields); f = strtok_r(NULL, " ", &save))
		fields[count++] = f;
	while (kind < count && strchr(fields[kind], '=') != NULL)
		kind++;
	if (kind + 1 >= count) {
		complain_about(r, "no row: %s", line);
		return;
	}
	struct probe p;
	probe_init(&p, "/w");
	p.facts.resolve = fake_resolve;
	AUTO(freep) char *what = xstrdup(line + (fields[kind + 1] - copy));
	if (read_action(&p, fields[kind], what, words, &value, &err) != 0)
		complain_about(r, "%s", err.text);
	for (size_t i = 2; i < kind; i++) {
		char *equal = strchr(fields[i], '=');
		*equal = '\0';
		if (strcmp(fields[i], "reason") == 0)
			reason = equal + 1;
		else if (strcmp(fields[i], "names") == 0)
			names_text = equal + 1;
		else
			set_key(r, &p, fields[i], equal + 1);
	}
	if (names_text != NULL && json_parse(str_of(names_text), &names, &err) == 0) {
		p.action.exec.name_count = words_of(names, name_words, COUNT(name_words));
		p.action.exec.names = name_words;
	}
	policy_decide(r->policy, &p.action, &p.facts, &d);
	const char *by = d.rule != NULL ? d.rule : "-";
	if (strcmp(effect_name(d.effect), fields[0]) != 0 || strcmp(by, fields[1]) != 0)
		complain_about(r, "want %s by %s, got %s by %s (%s)\n    %s", fields[0], fields[1], effect_name(d.effect), by,
		               d.reason, line);
	else if (reason != NULL && !has_words(d.reason, reason))
		complain_about(r, "the reason is '%s'\n    %s", d.reason, line);
	probe_done(&p);
	r->rows++;
}

static void error_run(struct run *r, const char *want)
{
	r->rows++;
	if (r->policy != NULL)
		complain_about(r, "loads, but should not: %s", want);
	else if (strncmp(r->err.text, want, strlen(want)) != 0)
		complain_about(r, "want %s\n    got  %s", want, r->err.text);
	r->count = 0;
}

static void set_load(struct run *r)
{
	policy_free(TAKE(r->policy));
	r->err = ERR_NONE;
	int code = policy_load(r->sources, r->count, tools, COUNT(tools), &r->policy, &r->err);
	assert_int_equal(code == 0, r->policy != NULL);
}

/* After "=== policy LAYER": takes the lines up to the next "===". */
static void policy_take(struct run *r, const char *layer, struct str *rest)
{
	static const char *const layers[] = { "admin", "user", "project" };
	int which = name_find(layers, COUNT(layers), layer);

	if (which < 0 || r->count == COUNT(r->sources))
		fail_msg("%s:%d: no layer '%s', or too many policies", r->file, r->line, layer);
	const char *start = rest->ptr, *end = start;
	struct str line;
	while (!str_starts(*rest, STR("=== ")) && str_next(rest, '\n', &line)) {
		end = rest->len > 0 ? rest->ptr : line.ptr + line.len;
		r->line++;
	}
	r->sources[r->count++] = (struct policy_source){ (enum layer)which, layers[which], { start, (size_t)(end - start) } };
}

static int file_run(const char *path, int *rows)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1));
	struct run r = { .file = strrchr(path, '/') + 1 };
	bool in_cases = false;
	struct str line;
	struct err err;

	assert_int_equal(io_read_file(path, &text, &err), 0);
	struct str rest = buf_str(&text);
	while (str_next(&rest, '\n', &line)) {
		AUTO(freep) char *l = xstrndup(line.ptr, line.len);
		r.line++;
		if (strncmp(l, "=== policy ", 11) == 0) {
			if (in_cases)
				r.count = 0;
			in_cases = false;
			policy_take(&r, l + 11, &rest);
		} else if (strncmp(l, "=== error ", 10) == 0) {
			set_load(&r);
			error_run(&r, l + 10);
		} else if (strcmp(l, "=== cases") == 0) {
			set_load(&r);
			in_cases = r.policy != NULL;
			if (!in_cases) {
				complain_about(&r, "does not load: %s", r.err.text);
				r.count = 0;
			}
		} else if (in_cases && l[0] != '\0' && l[0] != '#') {
			row_run(&r, l);
		}
	}
	policy_free(r.policy);
	*rows += r.rows;
	return r.failures;
}

static void all_cases_hold(void **state)
{
	const char *dir = TEST_CASES "/policy";
	int rows = 0, files = 0, failures = 0;
	DIR *d = opendir(dir);
	(void)state;

	assert_non_null(d);
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (strstr(e->d_name, ".case") == NULL)
			continue;
		AUTO(freep) char *path = xasprintf("%s/%s", dir, e->d_name);
		failures += file_run(path, &rows);
		files++;
	}
	closedir(d);
	print_message("%d rows in %d files\n", rows, files);
	assert_int_equal(failures, 0);
	assert_true(rows >= 150);
}

/* ---- the parts ---- */

static void globs_match(void **state)
{
	static const struct { const char *pattern, *text; bool text_mode, path_mode; } rows[] = {
		{ "a", "a", true, true }, { "a", "b", false, false }, { "a", "", false, false }, { "*", "", true, true },
		{ "*", "a/b", true, false }, { "**", "a/b", true, true }, { "a*c", "abbc", true, true },
		{ "a*c", "ac", true, true }, { "a*c", "acb", false, false }, { "*a*b*c*", "xaxbxcx", true, true },
		{ "/a/*", "/a/b/c", true, false }, { "/a/**", "/a/b/c", true, true }, { "/a/**", "/a", false, false },
		{ "/a/**/c", "/a/c", false, true }, { "/a/**/c", "/a/b/x/c", true, true }, { "/a/**/c", "/a/xc", false, false },
		{ "**/c", "c", false, true }, { "**/c", "/a/c", true, true }, { "**/c", "ac", false, false },
		{ "/**/a/*/b", "/x/a/y/b", true, true }, { "/**/a/*/b", "/x/a/y/z/a/q/b", true, true },
		{ "/**/a/*/b", "/x/a/y/z/b", true, false }, { "?", "/", true, false }, { "?", "\xc3\xa9", true, true },
		{ "??", "\xc3\xa9", false, false }, { "?", "\xff", true, true }, { "[a-c]", "b", true, true },
		{ "[!a-c]", "b", false, false }, { "[!a]", "/", true, false }, { "[]]", "]", true, true },
		{ "[\\]a]", "a", true, true }, { "[a-]", "-", true, true }, { "[\xc3\xa0-\xc3\xbc]", "\xc3\xa9", true, true },
		{ "\\*", "*", true, true }, { "\\*", "a", false, false }, { "a\\?", "a?", true, true }, { "a**b", "a/x/b", true, true },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_null(glob_problem(rows[i].pattern));
		if (glob_match(rows[i].pattern, str_of(rows[i].text), false) != rows[i].text_mode ||
		    glob_match(rows[i].pattern, str_of(rows[i].text), true) != rows[i].path_mode)
			fail_msg("'%s' on '%s'", rows[i].pattern, rows[i].text);
	}
}

static void a_glob_of_many_stars_ends(void **state)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(64)), stars = BUF_INIT(KIB(4));
	(void)state;

	for (int i = 0; i < 20000; i++)
		buf_add_char(&text, 'a');
	for (int i = 0; i < 300; i++)
		buf_add_text(&stars, i % 2 != 0 ? "*a" : "**a");
	buf_add_char(&stars, 'b');
	assert_false(glob_match(buf_text(&stars), buf_str(&text), false));
	assert_false(glob_match(buf_text(&stars), buf_str(&text), true));
}

static void paths_are_cleaned(void **state)
{
	static const struct { const char *path, *clean; } rows[] = {
		{ "/", "/" }, { "//", "/" }, { "/..", "/" }, { "/a/../..", "/" }, { "/a/./b//c/", "/a/b/c" },
		{ "/a/b/../../c", "/c" }, { "/...", "/..." }, { "/a/..b", "/a/..b" }, { "/a/b/..", "/a" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(freep) char *clean = path_clean(rows[i].path);
		assert_string_equal(clean, rows[i].clean);
	}
}

/* ---- with real files ---- */

static char scratch_root[] = "/tmp/test-policy-XXXXXX";

static int make_scratch(void **state)
{
	(void)state;
	return mkdtemp(scratch_root) != NULL ? 0 : -1;
}

static int remove_scratch(void **state)
{
	(void)state;
	return rmdir(scratch_root);
}

static char *scratch(const char *name, const char *text, mode_t mode)
{
	char *path = xasprintf("%s/%s", scratch_root, name);
	if (text == NULL)
		return path;
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static void a_path_leads_where_its_links_lead(void **state)
{
	AUTO(freep) char *root = scratch("", NULL, 0), *dir = scratch("ws", NULL, 0), *out = scratch("ws/out", NULL, 0);
	AUTO(freep) char *dangling = scratch("ws/dangling", NULL, 0), *loop = scratch("ws/loop", NULL, 0);
	AUTO(freep) char *rel = scratch("ws/rel", NULL, 0), *file = scratch("plain", "x", 0644);
	static const struct { const char *asked, *found; } rows[] = {
		{ "ws/a", "ws/a" }, { "ws/a/b/../c", "ws/a/c" }, { "ws/../x", "x" }, { "ws/out/passwd", "/etc/passwd" },
		{ "ws/out/../x", "/x" }, { "ws/dangling", "/nowhere/else" }, { "ws/dangling/x", "/nowhere/else/x" },
		{ "ws/rel/x", "x" }, { "ws/none/../out/x", "/etc/x" }, { "ws/loop", NULL }, { "ws/loop/x", NULL },
		{ "plain/x", NULL },
	};
	(void)state;

	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(symlink("/etc", out), 0);
	assert_int_equal(symlink("/nowhere/else", dangling), 0);
	assert_int_equal(symlink("loop", loop), 0);
	assert_int_equal(symlink("..", rel), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(freep) char *asked = xasprintf("%s%s", root, rows[i].asked);
		AUTO(freep) char *found = resolve_path(NULL, asked);
		AUTO(freep) char *want = rows[i].found == NULL ? NULL : rows[i].found[0] == '/' ? xstrdup(rows[i].found) :
		                         xasprintf("%s%s", root, rows[i].found);
		if ((want == NULL) != (found == NULL) || (want != NULL && strcmp(want, found) != 0))
			fail_msg("%s leads to %s", asked, found != NULL ? found : "nothing");
	}
	assert_null(resolve_path(NULL, "relative"));
	unlink(out);
	unlink(dangling);
	unlink(loop);
	unlink(rel);
	rmdir(dir);
	unlink(file);
}

static void an_admin_file_must_be_roots_alone(void **state)
{
	static const struct { mode_t mode; uid_t owner; bool loads; enum layer layer; } rows[] = {
		{ 0644, 0, true, LAYER_ADMIN }, { 0600, 0, true, LAYER_ADMIN }, { 0664, 0, false, LAYER_ADMIN },
		{ 0646, 0, false, LAYER_ADMIN }, { 0644, 1, false, LAYER_ADMIN }, { 0666, 1, true, LAYER_PROJECT },
	};
	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(freep) char *path = scratch("admin.yaml", "version: 1\ndefault: deny\n", rows[i].mode);
		AUTO(policy_freep) struct policy *p = NULL;
		struct err err = ERR_NONE;
		assert_int_equal(chown(path, rows[i].owner, 0), 0);
		struct policy_file file = { rows[i].layer, path };
		assert_int_equal(policy_load_files(&file, 1, tools, COUNT(tools), &p, &err), rows[i].loads ? 0 : -EINVAL);
		unlink(path);
	}
	struct policy_file odd[] = { { LAYER_PROJECT, "/dev/zero" }, { LAYER_PROJECT, "/" }, { LAYER_PROJECT, "/nowhere" } };
	for (size_t i = 0; i < COUNT(odd); i++) {
		struct policy *p = NULL;
		struct err err = ERR_NONE;
		assert_int_equal(policy_load_files(&odd[i], 1, tools, COUNT(tools), &p, &err), -EINVAL);
		assert_non_null(strstr(err.text, ":1:1: "));
	}
}

static void files_are_found_in_their_order(void **state)
{
	AUTO(freep) char *dir = scratch("d", NULL, 0), *project = scratch("d/.mishri", NULL, 0);
	const char *given[] = { "one.yaml", "two.yaml" };
	struct policy_places places = { .admin_dir = dir, .config_dir = dir, .workspace = dir, .trusted = true };
	struct policy_files found = { 0 };
	struct err err = ERR_NONE;
	(void)state;

	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(mkdir(project, 0755), 0);
	AUTO(freep) char *b = scratch("d/policy.yaml", "x", 0644), *a = scratch("d/a.yaml", "x", 0644);
	AUTO(freep) char *p = scratch("d/.mishri/policy.yaml", "x", 0644), *old = scratch("d/a.yaml.dpkg-old", "x", 0644);

	assert_int_equal(policy_files_find(&places, &found, &err), 0);
	assert_int_equal(found.count, 4);
	assert_string_equal(found.files[0].path, a);
	assert_string_equal(found.files[1].path, b);
	assert_int_equal(found.files[2].layer, LAYER_USER);
	assert_string_equal(found.files[3].path, p);
	assert_null(found.untrusted);
	policy_files_done(&found);

	places.trusted = false;
	assert_int_equal(policy_files_find(&places, &found, &err), 0);
	assert_int_equal(found.count, 3);
	assert_string_equal(found.untrusted, p);
	policy_files_done(&found);

	places.given = given;
	places.given_count = 2;
	assert_int_equal(policy_files_find(&places, &found, &err), 0);
	assert_int_equal(found.count, 5);
	assert_string_equal(found.files[4].path, "two.yaml");
	assert_int_equal(found.files[4].layer, LAYER_PROJECT);
	policy_files_done(&found);

	places.no_user_config = true;
	assert_int_equal(policy_files_find(&places, &found, &err), 0);
	assert_int_equal(found.count, 4); /* the admin's are not the user's to leave out */
	assert_int_equal(found.files[0].layer, LAYER_ADMIN);
	policy_files_done(&found);

	places.no_user_config = false;
	AUTO(freep) char *odd = scratch("d/rules.yml", "x", 0644);
	assert_int_equal(policy_files_find(&places, &found, &err), -EINVAL);
	assert_non_null(strstr(err.text, "d/rules.yml: not a policy by its name"));
	unlink(odd);
	unlink(a);
	unlink(b);
	unlink(p);
	unlink(old);
	rmdir(project);
	rmdir(dir);
}

/* ---- the whole ---- */

static void without_files_the_built_in_policy_holds(void **state)
{
	AUTO(policy_freep) struct policy *p = NULL;
	struct err err = ERR_NONE;
	(void)state;

	if (policy_load(NULL, 0, tools, COUNT(tools), &p, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(policy_rule_count(p), 11);
	assert_true(policy_test_count(p) >= 21);
	AUTO(json_decrefp) json_t *warnings = policy_lint(p);
	assert_int_equal(json_array_size(warnings), 0);
}

/* Every ```yaml block of docs/policy.md loads, and its tests pass. */
static void the_examples_of_the_documents_load(void **state)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1));
	struct err err = ERR_NONE;
	size_t blocks = 0, tests = 0;
	(void)state;

	assert_int_equal(io_read_file(TEST_CASES "/../../docs/policy.md", &text, &err), 0);
	for (const char *at = strstr(buf_text(&text), "```yaml\n"); at != NULL; at = strstr(at, "```yaml\n")) {
		at += strlen("```yaml\n");
		const char *end = strstr(at, "```");
		assert_non_null(end);
		struct policy_source source = { LAYER_PROJECT, "example", { at, (size_t)(end - at) } };
		AUTO(policy_freep) struct policy *p = NULL;
		if (policy_load(&source, 1, tools, COUNT(tools), &p, &err) != 0)
			fail_msg("example %zu: %s", blocks + 1, err.text);
		tests += policy_test_count(p);
		blocks++;
		at = end;
	}
	assert_true(blocks >= 4);
	assert_true(tests >= 13);
}

static void a_failed_load_leaves_nothing_behind(void **state)
{
	struct policy *p = (struct policy *)8;
	struct err err = ERR_NONE;
	struct policy_source sources[] = {
		{ LAYER_USER, "u", STR("version: 1\ndefault: allow") },
		{ LAYER_PROJECT, "p", STR("version: 1\nrules: [{id: a, allow: exec, program: { regex: '(' }}]") },
	};
	(void)state;
	assert_int_equal(policy_load(sources, 2, tools, COUNT(tools), &p, &err), -EINVAL);
	assert_ptr_equal(p, (struct policy *)8);
	assert_string_equal(err.text, "p:2:48: the regex '(' is wrong at character 2: missing closing parenthesis");
}

static struct policy *load_text(const char *text)
{
	struct policy_source source = { LAYER_PROJECT, "p", str_of(text) };
	struct policy *p = NULL;
	struct err err = ERR_NONE;

	if (policy_load(&source, 1, tools, COUNT(tools), &p, &err) != 0)
		fail_msg("%s", err.text);
	return p;
}

static void a_decision_tells_all(void **state)
{
	AUTO(policy_freep) struct policy *p = load_text("version: 1\nrules:\n- {id: a, allow: net}\n- {id: b, ask: net, port: 1}\n"
	                                                "- {id: c, deny: net, host: x, reason: no x}\n");
	struct probe probe;
	struct decision d;
	struct err err;
	(void)state;

	probe_init(&probe, "/w");
	assert_int_equal(probe_set_net(&probe, "x:1", NULL, &err), 0);
	policy_decide(p, &probe.action, &probe.facts, &d);
	AUTO(json_decrefp) json_t *json = decision_json(&d, p);
	assert_true(json_get_int(json, "ns", -1) >= 0);
	json_object_del(json, "ns");
	AUTO(freep) char *text = json_text(json);
	AUTO(freep) char *want = xasprintf("{\"effect\":\"deny\",\"rule\":\"c\",\"source\":\"p:5\",\"reason\":\"no x\","
	                                   "\"also\":[\"a\",\"b\"],\"policy\":\"%s\"}", policy_digest(p));
	assert_string_equal(text, want);
	assert_int_equal(strlen(policy_digest(p)), 64);
	AUTO(json_decrefp) json_t *warnings = policy_lint(p);
	assert_int_equal(json_array_size(warnings), 1);
	assert_int_equal(strncmp(json_string_value(json_array_get(warnings, 0)), "p:5:3: no test is decided", 25), 0);
	probe_done(&probe);
}

/* A text is searched in pieces; wherever the match begins or ends, it is found. */
static void a_match_is_found_at_every_place(void **state)
{
	AUTO(policy_freep) struct policy *p = load_text("version: 1\nrules:\n- {id: find, deny: tool, args: {c: {regex: '(?<=-)n\xc3\xa9" "edle$'}}}\n"
	                                                "- {id: ok, allow: tool}\n");
	struct probe probe;
	struct decision d;
	(void)state;

	for (size_t pad = 0; pad < 1300; pad++) {
		AUTO(buf_done) struct buf text = BUF_INIT(KIB(8));
		for (size_t i = 0; i < pad; i++)
			buf_add_text(&text, i % 3 == 0 ? "\xc3\xa4" : "n");
		buf_add_text(&text, "-n\xc3\xa9" "edle");
		for (int with = 1; with >= 0; with--, buf_add_char(&text, 's')) {
			AUTO(json_decrefp) json_t *args = json_pack("{s:s}", "c", buf_text(&text));
			probe_init(&probe, "/w");
			probe_set_tool(&probe, "shell", "exec", "low", args);
			policy_decide(p, &probe.action, &probe.facts, &d);
			assert_int_equal(d.effect, with ? EFFECT_DENY : EFFECT_ALLOW);
			probe_done(&probe);
		}
	}
}

/* `$` fits before a newline at the end as well: an allow does not hold for it, a deny does. */
static void a_newline_at_the_end_is_in_doubt(void **state)
{
	static const struct { const char *rule, *text; enum effect want; } rows[] = {
		{ "allow: tool, args: {c: {regex: '^[a-z]+$'}}", "abc", EFFECT_ALLOW },
		{ "allow: tool, args: {c: {regex: '^[a-z]+$'}}", "abc\n", EFFECT_DENY },
		{ "allow: tool, args: {c: {regex: '^[a-z]+\\n$'}}", "abc\n", EFFECT_DENY },
		{ "allow: tool, args: {c: {regex: '^[a-z]+\\n\\z'}}", "abc\n", EFFECT_ALLOW },
		{ "allow: tool, args: {c: {regex: '^[a-z]+'}}", "abc\n", EFFECT_ALLOW },
		{ "deny: tool, args: {c: {regex: '^[a-z]+$'}}}\n- {id: b, allow: tool", "abc\n", EFFECT_DENY },
		{ "deny: tool, args: {c: {regex: '^[a-z]+$'}}}\n- {id: b, allow: tool", "1\n", EFFECT_ALLOW },
	};
	struct probe probe;
	struct decision d;
	(void)state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO(freep) char *text = xasprintf("version: 1\nrules:\n- {id: a, %s}\n", rows[i].rule);
		AUTO(policy_freep) struct policy *p = load_text(text);
		AUTO(json_decrefp) json_t *args = json_pack("{s:s}", "c", rows[i].text);
		probe_init(&probe, "/w");
		probe_set_tool(&probe, "shell", "exec", "low", args);
		policy_decide(p, &probe.action, &probe.facts, &d);
		if (d.effect != rows[i].want)
			fail_msg("%s: '%s': %d", rows[i].rule, rows[i].text, d.effect);
		probe_done(&probe);
	}
}

/* Slow from each of a million places, fast enough from each one to stay under the limit of steps. */
static void a_slow_pattern_holds_nothing_up(void **state)
{
	AUTO(policy_freep) struct policy *p = load_text("version: 1\nrules:\n- {id: slow, deny: tool, args: {c: {regex: 'x[a-w]*x+[a-x]*[yz]'}}}\n"
	                                                "- {id: ok, allow: tool}\n");
	AUTO(freep) char *text = xmalloc(MIB(1) + 1);
	struct probe probe;
	struct decision d;
	(void)state;

	for (size_t i = 0; i < MIB(1); i++)
		text[i] = i % 30000 == 29999 ? '\n' : 'x';
	text[MIB(1)] = '\0';
	AUTO(json_decrefp) json_t *args = json_pack("{s:s}", "c", text);
	probe_init(&probe, "/w");
	probe_set_tool(&probe, "shell", "exec", "low", args);
	clock_t begun = clock(); /* its own time: others may work on this machine */
	policy_decide(p, &probe.action, &probe.facts, &d);
	assert_true(clock() - begun < 5 * CLOCKS_PER_SEC);
	assert_int_equal(d.effect, EFFECT_DENY);
	assert_string_equal(d.rule, "slow");
	probe_done(&probe);
}

static void the_digest_says_text_and_layer(void **state)
{
	struct policy_source sources[] = {
		{ LAYER_USER, "a", STR("version: 1") }, { LAYER_USER, "b", STR("version: 1") },
		{ LAYER_PROJECT, "a", STR("version: 1") }, { LAYER_USER, "a", STR("version: 1\n") },
	};
	struct policy *p[COUNT(sources)];
	(void)state;

	for (size_t i = 0; i < COUNT(sources); i++) {
		struct err err = ERR_NONE;
		assert_int_equal(policy_load(&sources[i], 1, tools, COUNT(tools), &p[i], &err), 0);
	}
	assert_string_equal(policy_digest(p[0]), policy_digest(p[1]));
	assert_string_not_equal(policy_digest(p[0]), policy_digest(p[2]));
	assert_string_not_equal(policy_digest(p[0]), policy_digest(p[3]));
	for (size_t i = 0; i < COUNT(sources); i++)
		policy_free(p[i]);
}

static void a_long_reason_is_cut_at_a_character(void **state)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(16));
	struct probe probe;
	struct decision d;
	struct err err;
	(void)state;

	for (int pad = 0; pad < 4; pad++) {
		buf_reset(&text);
		buf_add_text(&text, "version: 1\nrules: [{id: a, deny: net, unless: {host: [");
		for (int i = 0; i < pad; i++)
			buf_add_char(&text, 'a');
		for (int i = 0; i < 400; i++)
			buf_add_text(&text, "a");
		buf_add_text(&text, "], when: {user: \xe2\x82\xac");
		for (int i = 0; i < 100; i++)
			buf_add_text(&text, "\xe2\x82\xac");
		buf_add_text(&text, "}}}]\n");
		AUTO(policy_freep) struct policy *p = load_text(buf_text(&text));
		probe_init(&probe, "/w");
		assert_int_equal(probe_set_net(&probe, "x:1", NULL, &err), 0);
		policy_decide(p, &probe.action, &probe.facts, &d);
		size_t len = strlen(d.reason);
		assert_true(len > 500 && len < sizeof d.reason);
		for (size_t i = 0, n; i < len; i += n) {
			n = utf8_length((const unsigned char *)d.reason + i, len - i);
			assert_true(n > 0);
		}
		assert_null(strchr(d.reason, '?'));
		probe_done(&probe);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_cases_hold),
		cmocka_unit_test(globs_match),
		cmocka_unit_test(a_glob_of_many_stars_ends),
		cmocka_unit_test(paths_are_cleaned),
		cmocka_unit_test(a_path_leads_where_its_links_lead),
		cmocka_unit_test(an_admin_file_must_be_roots_alone),
		cmocka_unit_test(files_are_found_in_their_order),
		cmocka_unit_test(without_files_the_built_in_policy_holds),
		cmocka_unit_test(the_examples_of_the_documents_load),
		cmocka_unit_test(a_failed_load_leaves_nothing_behind),
		cmocka_unit_test(a_decision_tells_all),
		cmocka_unit_test(a_match_is_found_at_every_place), cmocka_unit_test(a_newline_at_the_end_is_in_doubt),
		cmocka_unit_test(a_slow_pattern_holds_nothing_up),
		cmocka_unit_test(the_digest_says_text_and_layer),
		cmocka_unit_test(a_long_reason_is_cut_at_a_character),
	};
	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
