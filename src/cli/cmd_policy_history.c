/* cmd_policy_history.c - `mishri policy diff|backtest|suggest|schema`: a policy against what really happened. It decides
 * and prints; it changes nothing. */
#include <stdio.h>
#include <string.h>

#include "cli/common.h"
#include "cli/replay.h"
#include "policy/files.h"
#include "policy/schema.h"
#include "tools/tool.h"

#include "base/banned.h"

enum { SHOWN = 50, SUGGESTED_MOST = 500 };

static const struct option_row diff_options[] = {
	{ "--since", 0, "WHEN", "only what happened since then: 30d, 12h, 2026-11-22 (default: all)", false },
	{ "--task", 0, "TASK", "only of this task and those below it", false },
};

static const struct option_row backtest_options[] = {
	{ "--policy", 'p', "FILE", "a policy file, in the place of the project's; may be repeated", true },
	{ "--workspace", 'w', "DIR", "the workspace (default: the current directory)", false },
	{ "--since", 0, "WHEN", "only what happened since then: 30d, 12h, 2026-11-22 (default: all)", false },
	{ "--task", 0, "TASK", "only of this task and those below it", false },
};

static const struct option_row suggest_options[] = {
	{ "--denied", 0, NULL, "also what was denied, not only what a person approved", false },
};

static int flushed(int code)
{
	return fflush(stdout) != 0 ? EXIT_FAILED : code;
}

static int print_json(const json_t *value, int code)
{
	AUTO(freep) char *text = json_text(value);

	puts(text);
	return flushed(code);
}

/* ---- diff and backtest ---- */

struct comparison {
	const struct policy *before, *after;   /* before NULL: what was decided then */
	int64_t counts[3][3], total, changed;
	json_t *rows;                          /* "BEFORE AFTER TEXT" → row */
	json_t *hits;                          /* rule of `after` → how often it decided */
};

static int effect_find(const char *name)
{
	for (int i = EFFECT_DENY; i <= EFFECT_ALLOW; i++)
		if (strcmp(effect_name((enum effect)i), name) == 0)
			return i;
	return -1;
}

static void compare(void *userdata, const struct replayed *r)
{
	struct comparison *c = userdata;
	struct decision before, after;
	int was = effect_find(r->effect);

	if (c->before != NULL) {
		replay_decide(c->before, r, &before);
		was = (int)before.effect;
	}
	if (was < 0)
		return;
	replay_decide(c->after, r, &after);
	c->total++;
	c->counts[was][after.effect]++;
	const char *rule = after.rule != NULL ? after.rule : "";
	json_put_int(c->hits, rule, json_get_int(c->hits, rule, 0) + 1);
	if (was == (int)after.effect)
		return;
	c->changed++;
	AUTO(freep) char *text = replay_text(r);
	AUTO(freep) char *key = xasprintf("%d %d %s", was, (int)after.effect, text);
	json_t *row = json_object_get(c->rows, key);
	if (row != NULL) {
		json_put_int(row, "count", json_get_int(row, "count", 0) + 1);
		return;
	}
	row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "before", effect_name((enum effect)was), "after",
	                effect_name(after.effect), "task", r->event->task, "call", r->call, "action", text, "count", 1);
	json_put_text(row, "rule_before", c->before != NULL ? before.rule : r->rule);
	json_put_text(row, "rule_after", after.rule);
	json_put_text(row, "source_after", after.source);
	json_put_text(row, "reason_after", after.reason);
	json_put(c->rows, key, row);
}

static void print_counts(const struct comparison *c)
{
	printf("%lld recorded decisions, %lld would change\n", (long long)c->total, (long long)c->changed);
	for (int from = EFFECT_DENY; from <= EFFECT_ALLOW; from++)
		for (int to = EFFECT_DENY; to <= EFFECT_ALLOW; to++)
			if (from != to && c->counts[from][to] > 0)
				printf("  %-5s -> %-5s  %lld\n", effect_name((enum effect)from), effect_name((enum effect)to),
				       (long long)c->counts[from][to]);
}

static void print_rows(const struct comparison *c)
{
	size_t shown = 0;
	const char *key;
	json_t *row;

	json_object_foreach(c->rows, key, row) {
		if (shown++ == SHOWN) {
			printf("... and %zu more; --json has all\n", json_object_size(c->rows) - SHOWN);
			return;
		}
		const char *rule = json_get_text(row, "rule_after", NULL), *source = json_get_text(row, "source_after", NULL);
		printf("%s %s  %s -> %s by %s%s%s%s", json_get_text(row, "task", ""), json_get_text(row, "call", ""),
		       json_get_text(row, "before", ""), json_get_text(row, "after", ""),
		       rule != NULL ? rule : "the default", source != NULL ? " (" : "", source != NULL ? source : "",
		       source != NULL ? ")" : "");
		if (json_get_int(row, "count", 1) > 1)
			printf(", %lld times", (long long)json_get_int(row, "count", 1));
		printf("\n    %s\n", json_get_text(row, "action", ""));
	}
}

static int print_comparison(const struct options *o, const struct comparison *c)
{
	int code = c->changed > 0 ? EXIT_FAILED : EXIT_DONE;

	if (!option_given(o, "--json")) {
		print_counts(c);
		print_rows(c);
		return flushed(code);
	}
	AUTO(json_decrefp) json_t *all = json_object();
	json_t *counts = json_object(), *rows = json_array();
	const char *key;
	json_t *row;
	for (int from = EFFECT_DENY; from <= EFFECT_ALLOW; from++)
		for (int to = EFFECT_DENY; to <= EFFECT_ALLOW; to++) {
			AUTO(freep) char *name = xasprintf("%s_%s", effect_name((enum effect)from), effect_name((enum effect)to));
			json_put_int(counts, name, c->counts[from][to]);
		}
	json_object_foreach(c->rows, key, row)
		json_array_append(rows, row);
	json_put_int(all, "decisions", c->total);
	json_put_int(all, "changed", c->changed);
	json_put(all, "counts", counts);
	json_put(all, "changes", rows);
	json_put(all, "hits", json_incref(c->hits));
	return print_json(all, code);
}

/* Reads the history into the comparison. Returns an exit code, or -1 where it went well. */
static int read_history(const struct options *o, struct comparison *c)
{
	const char *name = option_text(o, "--task", NULL);
	struct store *store = NULL;
	char task[ID_LEN + 1] = "";
	struct err err = ERR_NONE;
	int64_t since_us;

	if (option_since_us(o, "--since", &since_us) < 0)
		return EXIT_USAGE;
	if (cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int code = -1;
	if (name != NULL && store_task_find(store, name, task, &err) < 0)
		code = complain(EXIT_USAGE, "--task: %s", err.text);
	else if (replay(store, name != NULL ? task : NULL, since_us, compare, c, &err) < 0)
		code = complain(EXIT_FAILED, "%s", err.text);
	store_close(store);
	return code;
}

static int load_one(const char *path, struct policy **ret)
{
	const struct policy_file file = { LAYER_PROJECT, path };
	const char *tools[LIMIT_TOOLS];
	struct err err;

	if (policy_load_files(&file, 1, tools, tool_names(tools, COUNT(tools)), ret, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	return 0;
}

static int run_diff(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(policy_freep) struct policy *before = NULL, *after = NULL;
	AUTO(json_decrefp) json_t *rows = json_object();
	AUTO(json_decrefp) json_t *hits = json_object();
	struct comparison c = { .rows = rows, .hits = hits };
	const char *const *words;

	if (options_parse(&cmd_policy_diff, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) != 2)
		return complain(EXIT_USAGE, "policy diff: name the old and the new policy: mishri policy diff old.yaml new.yaml");
	int code = load_one(words[0], &before);
	if (code == 0)
		code = load_one(words[1], &after);
	if (code != 0)
		return code;
	c.before = before;
	c.after = after;
	code = read_history(o, &c);
	return code >= 0 ? code : print_comparison(o, &c);
}

static int run_backtest(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(policy_freep) struct policy *after = NULL;
	AUTO(json_decrefp) json_t *rows = json_object();
	AUTO(freep) char *workspace = NULL;
	AUTO(json_decrefp) json_t *hits = json_object();
	struct comparison c = { .rows = rows, .hits = hits };
	const char *files[REPEAT_MOST], *const *words;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_policy_backtest, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) > 0)
		return complain(EXIT_USAGE, "policy backtest: '%s' is one word too many; a file stands behind -p", words[0]);
	size_t count = option_all(o, "--policy", files, COUNT(files));
	if (cli_workspace(option_text(o, "--workspace", "."), &workspace, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	if (cli_load_policy(o, workspace, files, MIN(count, COUNT(files)), &after, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	c.after = after;
	int code = read_history(o, &c);
	return code >= 0 ? code : print_comparison(o, &c);
}

/* ---- suggest ---- */

struct suggestion {
	json_t *approved;            /* "TASK CALL KIND TEXT of the action" of what a person said yes to → the rule or null */
	json_t *seen;                /* matchers → true */
	bool denied_too;
	struct buf rules, notes;
	int count;
};

/* A value of YAML in its JSON form, which every reader takes the same way. */
static void put_value(struct buf *to, const json_t *value)
{
	json_write(value, to);
}

static void put_text(struct buf *to, const char *text)
{
	AUTO(json_decrefp) json_t *value = json_of_str(str_of(text));

	put_value(to, value);
}

/* The arguments by which a person tells one call from another; where there is none, all short ones. */
static void put_args(struct buf *to, const json_t *args)
{
	static const char *const telling[] = { "path", "command", "url", "pattern", "name" };
	bool any = false;
	const char *key;
	json_t *value;

	for (size_t i = 0; i < COUNT(telling); i++)
		any |= json_is_string(json_object_get(args, telling[i]));
	size_t count = 0;
	json_object_foreach((json_t *)(uintptr_t)args, key, value) {
		bool tells = name_find(telling, COUNT(telling), key) >= 0 && json_is_string(value);
		bool plain = json_is_string(value) || json_is_number(value) || json_is_boolean(value);
		if ((any && !tells) || !plain || (json_is_string(value) && json_string_length(value) > 400))
			continue;
		buf_add_text(to, count++ == 0 ? ", args: { " : ", ");
		put_text(to, key);
		buf_add_text(to, ": { eq: ");
		put_value(to, value);
		buf_add_text(to, " }");
	}
	if (count > 0)
		buf_add_text(to, " }");
}

/* These words and no others. */
static void put_argv(struct buf *to, const struct action *a)
{
	struct buf regex = BUF_INIT(KIB(64));

	buf_add_text(&regex, "\\A");
	for (size_t i = 1; i < a->exec.argc; i++) {
		if (i > 1)
			buf_add_char(&regex, ' ');
		for (const char *p = a->exec.argv[i]; *p != '\0'; p++) {
			bool plain = (unsigned char)*p >= 0x80 || (*p >= '0' && *p <= '9') || ((*p | 32) >= 'a' && (*p | 32) <= 'z') || *p == '_';
			if (*p == '\n')
				buf_add_text(&regex, "\\n");
			else
				buf_printf(&regex, plain ? "%c" : "\\%c", *p);
		}
	}
	buf_add_text(&regex, "\\z");
	buf_printf(to, ", argv: { count: %zu", a->exec.argc > 0 ? a->exec.argc - 1 : 0);
	if (a->exec.argc > 1 && regex.len < KIB(2)) {
		buf_add_text(to, ", regex: ");
		put_text(to, buf_text(&regex));
	}
	buf_add_text(to, " }");
	buf_done(&regex);
}

static void put_matchers(struct buf *to, const struct replayed *r)
{
	const struct action *a = r->action;

	if (a->kind == ACTION_TOOL) {
		buf_add_text(to, "tool: ");
		put_text(to, a->tool.name);
		put_args(to, r->args);
	} else if (a->kind == ACTION_NET) {
		buf_add_text(to, "host: { eq: ");
		put_text(to, a->net.host);
		buf_printf(to, " }, port: %d", a->net.port);
	} else {
		size_t len = strlen(r->facts->workspace);
		bool inside = len > 0 && strncmp(a->exec.program, r->facts->workspace, len) == 0 && a->exec.program[len] == '/';
		AUTO(freep) char *program = inside ? xasprintf("${workspace}%s", a->exec.program + len) : xstrdup(a->exec.program);
		buf_add_text(to, "program: { eq: ");
		put_text(to, program);
		buf_add_text(to, " }");
		put_argv(to, a);
	}
}

static const char *kind_word(const struct action *a)
{
	return a->kind == ACTION_TOOL ? "tool" : a->kind == ACTION_NET ? "net" : "exec";
}

/* The same name for an action in the approval and in the decision. */
static char *action_key(const char *task, const char *call, const json_t *action)
{
	const char *kind = json_get_text(action, "kind", "tool");

	if (strcmp(kind, "exec") == 0) {
		AUTO(freep) char *argv = json_text(json_object_get(action, "argv"));
		return xasprintf("%s exec %s %s", task, json_get_text(action, "program", ""), argv);
	}
	if (strcmp(kind, "net") == 0)
		return xasprintf("%s net %s %lld", task, json_get_text(action, "host", ""), (long long)json_get_int(action, "port", 0));
	return xasprintf("%s tool %s", task, call);
}

static char *replayed_key(const struct replayed *r)
{
	AUTO(json_decrefp) json_t *action = json_copy(r->event->data);

	json_put_text(action, "kind", kind_word(r->action));
	return action_key(r->event->task, r->call, action);
}

static void suggest(void *userdata, const struct replayed *r)
{
	struct suggestion *s = userdata;
	AUTO(freep) char *key = replayed_key(r);
	const json_t *approved = json_object_get(s->approved, key);
	bool denied = s->denied_too && approved == NULL && strcmp(r->effect, "deny") == 0;
	struct buf matchers = BUF_INIT(KIB(64));

	if ((approved == NULL && !denied) || s->count == SUGGESTED_MOST)
		return;
	put_matchers(&matchers, r);
	AUTO(freep) char *once = xasprintf("%s %s", kind_word(r->action), buf_text(&matchers));
	if (json_object_get(s->seen, once) == NULL && !matchers.full) {
		const char *rule = approved != NULL ? json_string_value(approved) : r->rule;
		json_put_bool(s->seen, once, true);
		s->count++;
		buf_printf(&s->rules, "  - { id: suggested-%d, allow: %s, %s }\n", s->count, kind_word(r->action), buf_text(&matchers));
		if (rule != NULL)
			buf_printf(&s->notes, "# suggested-%d: the rule %s %s here, and no other rule lifts that. Put this under its `unless`:\n"
			           "#   unless: { %s }\n", s->count, rule, approved != NULL ? "asks" : "denies", buf_text(&matchers));
	}
	buf_done(&matchers);
}

/* What people said yes to: the approvals of the task's tree. */
struct yes {
	json_t *asked;               /* approval id → {"key", "rule"} */
	json_t *approved;
};

static bool on_approval(void *userdata, const struct event_row *row)
{
	struct yes *y = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) < 0)
		return true;
	const char *id = json_get_text(e.data, "approval", "");
	if (e.type == EVENT_APPROVAL_REQUESTED) {
		AUTO(freep) char *key = action_key(e.task, json_get_text(e.data, "call", ""), json_object_get(e.data, "action"));
		json_t *asked = json_pack("{s:s}", "key", key);
		json_put_text(asked, "rule", json_get_text(e.data, "rule", NULL));
		json_put(y->asked, id, asked);
	} else if (e.type == EVENT_APPROVAL_DECIDED && strcmp(json_get_text(e.data, "answer", ""), "allow") == 0) {
		const json_t *asked = json_object_get(y->asked, id);
		if (asked != NULL)
			json_put(y->approved, json_get_text(asked, "key", ""), json_incref(json_object_get(asked, "rule")));
	}
	event_done(&e);
	return true;
}

static int collect(struct store *store, const char *task, struct suggestion *s, struct err *err)
{
	AUTO(json_decrefp) json_t *asked = json_object();
	struct yes y = { asked, s->approved };
	struct event_filter filter = { .task = task, .tree = true, .type = "approval.", .with_content = true };
	int r = store_events(store, &filter, on_approval, &y, err);

	return r < 0 ? r : replay(store, task, 0, suggest, s, err);
}

/* What is printed is loaded first: a suggestion that does not lint helps nobody. */
static int print_suggestion(const char *task, struct suggestion *s)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_POLICY_BYTES);
	AUTO(policy_freep) struct policy *policy = NULL;
	struct err err;

	if (s->count == 0)
		return complain(EXIT_DONE, "no person approved anything in task %s%s", task,
		                s->denied_too ? ", and nothing was denied by policy" : "; --denied also looks at what was denied");
	buf_printf(&text, "# What would have allowed task %s without asking. Read each rule before you keep it; make it wider by hand.\n"
	           "version: 1\nname: suggested\n\nrules:\n%s", task, buf_text(&s->rules));
	if (s->notes.len > 0)
		buf_printf(&text, "\n%s", buf_text(&s->notes));
	const struct policy_source source = { LAYER_PROJECT, "suggestion", buf_str(&text) };
	if (text.full || policy_load(&source, 1, NULL, 0, &policy, &err) < 0)
		return complain(EXIT_FAILED, "the suggestion would not load: %s", text.full ? "it is too long" : err.text);
	fputs(buf_text(&text), stdout);
	return flushed(EXIT_DONE);
}

static int run_suggest(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(json_decrefp) json_t *approved = json_object(), *seen = json_object();
	AUTO(buf_done) struct buf rules = BUF_INIT(LIMIT_POLICY_BYTES), notes = BUF_INIT(LIMIT_POLICY_BYTES);
	struct store *store = NULL;
	const char *const *words;
	char task[ID_LEN + 1];
	struct err err = ERR_NONE;

	if (options_parse(&cmd_policy_suggest, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) != 1)
		return complain(EXIT_USAGE, "policy suggest: name one task, as `mishri history` shows it, or last");
	if (cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	struct suggestion s = { .approved = approved, .seen = seen, .denied_too = option_given(o, "--denied"),
		.rules = rules, .notes = notes };
	int code = EXIT_DONE;
	if (store_task_find(store, words[0], task, &err) < 0)
		code = complain(EXIT_USAGE, "policy suggest: %s", err.text);
	else if (collect(store, task, &s, &err) < 0)
		code = complain(EXIT_FAILED, "%s", err.text);
	else
		code = print_suggestion(task, &s);
	rules = s.rules;
	notes = s.notes;
	store_close(store);
	return code;
}

/* ---- schema ---- */

static int run_schema(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	const char *const *words;

	if (options_parse(&cmd_policy_schema, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) > 0)
		return complain(EXIT_USAGE, "policy schema: '%s' is one word too many", words[0]);
	AUTO(json_decrefp) json_t *schema = policy_schema();
	return print_json(schema, EXIT_DONE);
}

/* ---- rows ---- */

const struct command cmd_policy_diff = {
	.name = "policy diff", .args = "OLD NEW", .about = "which recorded actions two policies decide differently: exit 0 none, 1 some",
	.options = diff_options, .option_count = COUNT(diff_options), .run = run_diff,
	.examples = "  mishri policy diff policy.yaml stricter.yaml --since 30d\n",
};

const struct command cmd_policy_backtest = {
	.name = "policy backtest", .args = "",
	.about = "put the history to a policy: what would be decided otherwise; exit 0 nothing, 1 something",
	.options = backtest_options, .option_count = COUNT(backtest_options), .run = run_backtest,
	.examples = "  mishri policy backtest -p stricter.yaml --since 30d\n",
};

const struct command cmd_policy_suggest = {
	.name = "policy suggest", .args = "TASK", .about = "the smallest rules that would have allowed what a person approved",
	.options = suggest_options, .option_count = COUNT(suggest_options), .run = run_suggest,
	.examples = "  mishri policy suggest last > more.yaml\n",
};

const struct command cmd_policy_schema = {
	.name = "policy schema", .args = "", .about = "a JSON Schema of policy files, for editors", .run = run_schema,
	.examples = "  mishri policy schema > policy.schema.json\n",
};
