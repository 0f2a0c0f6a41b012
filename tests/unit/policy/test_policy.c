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
	AUTO(freep) char *clean = NULL;
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

static void file_run(const char *path, int *rows)
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
			if (!in_cases)
				complain_about(&r, "does not load: %s", r.err.text);
		} else if (in_cases && l[0] != '\0' && l[0] != '#') {
			row_run(&r, l);
		}
	}
	policy_free(r.policy);
	if (r.failures > 0)
		fail_msg("%d rows of %s fail", r.failures, r.file);
	*rows += r.rows;
}

static void all_cases_hold(void **state)
{
	const char *dir = TEST_CASES "/policy";
	int rows = 0, files = 0;
	DIR *d = opendir(dir);
	(void)state;

	assert_non_null(d);
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (strstr(e->d_name, ".case") == NULL)
			continue;
		AUTO(freep) char *path = xasprintf("%s/%s", dir, e->d_name);
		file_run(path, &rows);
		files++;
	}
	closedir(d);
	print_message("%d rows in %d files\n", rows, files);
	assert_true(rows >= 150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_cases_hold),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
