/* cmd_policy.c - `mishri policy check|explain|lint|test|show`: what a policy says, before an agent finds out. It decides
 * and prints; it starts no program and changes nothing. */
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/common.h"
#include "policy/files.h"
#include "policy/limits.h"
#include "policy/probe.h"
#include "tools/tool.h"

#include "base/banned.h"

enum { POLICIES_MOST = REPEAT_MOST };

static const struct option_row check_options[] = {
	{ "--policy", 'p', "FILE", "a policy file, in the place of the project's; may be repeated", true },
	{ "--workspace", 'w', "DIR", "the workspace (default: the current directory)", false },
	{ "--user", 0, "NAME", "the user that asks (default: you)", false },
	{ "--when", 0, "KEY=VALUE", "a fact: role, agent, channel, interactive, depth, taint, calls, cost_usd, time or env.NAME", true },
	{ "--tool", 0, "NAME", "decide about a call of this tool", false },
	{ "--args", 0, "JSON", "its arguments (default: {})", false },
	{ "--net", 0, "HOST:PORT", "decide about a connection", false },
	{ "--secret", 0, "NAME", "the secret that the tool call or the connection would use", false },
	{ "--scheme", 0, "NAME", "its scheme: http, https or tcp (default: by the port)", false },
	{ "--method", 0, "NAME", "the method of a plain HTTP request; without it, not known", false },
	{ "--address", 0, "ADDRESS", "where the name leads (default: somewhere public)", false },
	{ "--exec", 0, "PROGRAM ARG...", "decide about a program start; the rest of the line is the program's", false },
};

static const struct option_row show_options[] = {
	{ "--policy", 'p', "FILE", "a policy file, in the place of the project's; may be repeated", true },
	{ "--workspace", 'w', "DIR", "the workspace (default: the current directory)", false },
};

static int print_json(const json_t *value)
{
	AUTO(freep) char *text = json_text(value);

	return puts(text) < 0 || fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}

static int flushed(int code)
{
	return fflush(stdout) != 0 ? EXIT_FAILED : code;
}

/* ---- check and explain ---- */

struct check {
	const struct command *command;
	const struct options *o;
	char *workspace;
	struct policy *policy;
	struct probe probe;
	char **exec;                   /* what stands behind --exec */
	int exec_count;
};

static void check_done(struct check *c)
{
	policy_free(c->policy);
	probe_done(&c->probe);
	free(c->workspace);
}

static int usage(const struct check *c, const char *text)
{
	return complain(EXIT_USAGE, "%s: %s", c->command->name, text);
}

static const char *own_name(char number[static 24])
{
	const struct passwd *who = getpwuid(getuid());

	snprintf(number, 24, "%u", (unsigned)getuid());
	return who != NULL ? who->pw_name : number;
}

/* 0 or an exit code. */
static int read_facts(struct check *c)
{
	const char *pairs[64];
	char number[24];
	struct err err = ERR_NONE;

	probe_init(&c->probe, c->workspace);
	c->probe.facts.resolve = resolve_path;
	c->probe.facts.time_us = clock_wall_us();
	c->probe.facts.env = (const char *const *)environ; /* until --when gives a variable: then only those that are given */
	if (probe_set_fact(&c->probe, "user", option_text(c->o, "--user", own_name(number)), &err) < 0)
		return usage(c, err.text);
	size_t count = option_all(c->o, "--when", pairs, COUNT(pairs));
	for (size_t i = 0; i < MIN(count, COUNT(pairs)); i++) {
		const char *equals = strchr(pairs[i], '=');
		if (equals == NULL)
			return complain(EXIT_USAGE, "%s: --when %s: no '='; write --when role=worker", c->command->name, pairs[i]);
		AUTO(freep) char *key = xstrndup(pairs[i], (size_t)(equals - pairs[i]));
		if (probe_set_fact(&c->probe, key, equals + 1, &err) < 0)
			return complain(EXIT_USAGE, "%s: --when %s", c->command->name, err.text);
	}
	return 0;
}

static int read_tool(struct check *c, const char *name)
{
	AUTO(json_decrefp) json_t *args = NULL;
	const struct tool *tool = tool_find(name);
	struct err err = ERR_NONE;

	if (json_parse(str_of(option_text(c->o, "--args", "{}")), &args, &err) < 0)
		return complain(EXIT_USAGE, "%s: --args: %s", c->command->name, err.text);
	if (!json_is_object(args))
		return usage(c, "--args is no JSON object: write --args '{\"path\": \"a\"}'");
	probe_set_tool(&c->probe, name, tool != NULL ? tool->category : NULL, tool != NULL ? tool_risk(tool, args) : NULL, args);
	return 0;
}

static int read_exec(struct check *c)
{
	const char *const *argv = (const char *const *)c->exec;
	size_t argc = (size_t)c->exec_count;
	struct err err = ERR_NONE;

	int r = probe_set_exec(&c->probe, argv, argc, true, &err);
	if (r == -ENOENT) {
		complain(0, "%s; judged by its spelling", err.text);
		r = probe_set_exec(&c->probe, argv, argc, false, &err);
	}
	return r < 0 ? usage(c, err.text) : 0;
}

/* 0 or an exit code. */
static int read_action(struct check *c)
{
	const char *tool = option_text(c->o, "--tool", NULL), *net = option_text(c->o, "--net", NULL), *const *words;
	struct err err = ERR_NONE;

	if (option_positionals(c->o, &words) > 0)
		return complain(EXIT_USAGE, "%s: '%s' is one word too many; a program stands behind --exec", c->command->name,
		                words[0]);
	if ((tool != NULL) + (net != NULL) + (c->exec != NULL) != 1)
		return usage(c, "give one action: --tool NAME --args JSON, --exec PROGRAM ARG..., or --net HOST:PORT");
	if (option_given(c->o, "--args") && tool == NULL)
		return usage(c, "--args goes with --tool");
	if (net == NULL && (option_given(c->o, "--scheme") || option_given(c->o, "--method") || option_given(c->o, "--address")))
		return usage(c, "--scheme, --method and --address go with --net HOST:PORT");
	if (tool != NULL)
		return read_tool(c, tool);
	if (c->exec != NULL)
		return read_exec(c);
	int r = probe_set_net(&c->probe, net, option_text(c->o, "--scheme", NULL), &err);
	if (r == 0)
		r = probe_add_net(&c->probe, option_text(c->o, "--method", NULL), option_text(c->o, "--address", NULL), &err);
	return r < 0 ? usage(c, err.text) : 0;
}

static int read_secret(struct check *c)
{
	c->probe.action.secret = option_text(c->o, "--secret", NULL);
	if (c->probe.action.secret != NULL && c->probe.action.kind != ACTION_TOOL && c->probe.action.kind != ACTION_NET)
		return usage(c, "--secret goes with --tool or --net");
	return 0;
}

static void add_secret(const struct action *a, const struct decision *d, struct buf *ret)
{
	if (a->secret == NULL || d->effect == EFFECT_DENY)
		return;
	if (d->secret_source != NULL)
		buf_printf(ret, "  secret %s: named by %s\n", a->secret, d->secret_source);
	else
		buf_printf(ret, "  secret %s: no rule names it, so only its own `allow` in the configuration opens it\n", a->secret);
}

/* What --exec is followed by is no option of ours: cuts argv there. */
static int cut_exec(struct check *c, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--exec") != 0)
			continue;
		c->exec = argv + i + 1;
		c->exec_count = argc - i - 1;
		if (c->exec_count > 0 && strcmp(c->exec[0], "--") == 0) {
			c->exec++;
			c->exec_count--;
		}
		return i;
	}
	return argc;
}

static void add_decision(const struct check *c, const struct decision *d, struct buf *ret)
{
	buf_printf(ret, "%s", effect_name(d->effect));
	if (d->rule != NULL)
		buf_printf(ret, " by %s (%s)", d->rule, d->source);
	buf_printf(ret, ": %s\n", d->reason);
	for (size_t i = 0; i < d->also_count; i++)
		buf_printf(ret, "  also: %s\n", d->also[i]);
	add_secret(&c->probe.action, d, ret);
	if (c->command == &cmd_policy_check)
		return;
	const struct facts *f = &c->probe.facts;
	const struct action *a = &c->probe.action;
	if (a->kind == ACTION_EXEC) {
		buf_printf(ret, "  program: %s, from %s; goes by", a->exec.program, origin_name(a->exec.origin));
		for (size_t i = 0; i < a->exec.name_count; i++)
			buf_printf(ret, " %s", a->exec.names[i]);
		buf_add_text(ret, "\n");
	}
	if (a->kind == ACTION_TOOL)
		buf_printf(ret, "  tool: %s, category %s, risk %s\n", a->tool.name, a->tool.category != NULL ? a->tool.category : "unknown",
		       a->tool.risk != NULL ? a->tool.risk : "unknown");
	char time[CLOCK_TEXT_BYTES];
	buf_printf(ret, "  facts: user %s, role %s, agent %s, channel %s, depth %d, calls %lld, %s, workspace %s, %s\n", f->user,
	       f->role, f->agent, f->channel, f->depth, (long long)f->calls, f->interactive ? "somebody there" : "nobody there",
	       f->workspace, clock_format(f->time_us, time));
	buf_printf(ret, "  policy: %s, %lld ns\n", policy_digest(c->policy), (long long)d->ns);
}

/* Names and words in it are those of the command line and of files: nothing in them may act on the terminal. */
static void print_decision(const struct check *c, const struct decision *d)
{
	AUTO(buf_done) struct buf text = BUF_INIT(MIB(1)), clean = BUF_INIT(MIB(4));

	add_decision(c, d, &text);
	sanitize_text(buf_str(&text), &clean);
	fputs(buf_text(&clean), stdout);
}

static int decide(struct check *c)
{
	static const int codes[] = { [EFFECT_DENY] = EXIT_DENIED, [EFFECT_ASK] = EXIT_NOBODY, [EFFECT_ALLOW] = EXIT_DONE };
	struct decision d;

	policy_decide(c->policy, &c->probe.action, &c->probe.facts, &d);
	if (option_given(c->o, "--json")) {
		AUTO(json_decrefp) json_t *json = decision_json(&d, c->policy);
		if (print_json(json) != EXIT_DONE)
			return EXIT_FAILED;
	} else {
		print_decision(c, &d);
	}
	return flushed(codes[d.effect]);
}

static int check(const struct command *command, int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(check_done) struct check c = { .command = command };
	const char *files[POLICIES_MOST];
	struct err err = ERR_NONE;

	if (options_parse(command, cut_exec(&c, argc, argv), argv, &o) < 0)
		return EXIT_USAGE;
	c.o = o;
	size_t count = option_all(o, "--policy", files, COUNT(files));
	if (cli_workspace(option_text(o, "--workspace", "."), &c.workspace, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	if (cli_own_tools(o, c.workspace, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	int r = read_facts(&c);
	if (r == 0)
		r = read_action(&c);
	if (r == 0)
		r = read_secret(&c);
	if (r != 0)
		return r;
	if (cli_load_policy(o, c.workspace, files, MIN(count, COUNT(files)), &c.policy, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	return decide(&c);
}

static int run_check(int argc, char **argv)
{
	return check(&cmd_policy_check, argc, argv);
}

static int run_explain(int argc, char **argv)
{
	return check(&cmd_policy_explain, argc, argv);
}

/* ---- lint and test ---- */

/* Loads the files that the words name, as one set. 0 or an exit code; err is set where it is EXIT_CONFIG. */
static int load_named(const struct command *command, const struct options *o, struct policy **ret, struct err *err)
{
	const char *const *words, *tools[LIMIT_TOOLS];
	struct policy_file files[POLICIES_MOST];
	size_t count = option_positionals(o, &words);

	if (count == 0 || count > COUNT(files))
		return complain(EXIT_USAGE, "%s: name 1 to %d policy files", command->name, POLICIES_MOST);
	for (size_t i = 0; i < count; i++)
		files[i] = (struct policy_file){ LAYER_PROJECT, words[i] };
	if (cli_own_tools(o, ".", err) < 0)
		return EXIT_CONFIG;
	return policy_load_files(files, count, tools, tool_names(tools, COUNT(tools)), ret, err) < 0 ? EXIT_CONFIG : 0;
}

/* FILE:LINE:COL: what; names and words in it are a stranger's. */
static void print_refusal(const char *text)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(MIB(1));

	sanitize_text(str_of(text), &clean);
	puts(buf_text(&clean));
}

static int run_lint(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(policy_freep) struct policy *policy = NULL;
	AUTO(json_decrefp) json_t *warnings = NULL;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_policy_lint, argc, argv, &o) < 0)
		return EXIT_USAGE;
	int r = load_named(&cmd_policy_lint, o, &policy, &err);
	if (r == EXIT_USAGE)
		return r;
	warnings = policy != NULL ? policy_lint(policy) : json_array();
	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *all = json_object();
		json_put_text(all, "error", policy == NULL ? err.text : NULL);
		json_put(all, "warnings", json_incref(warnings));
		return print_json(all) == EXIT_DONE ? r : EXIT_FAILED;
	}
	if (policy == NULL)
		print_refusal(err.text);
	for (size_t i = 0; i < json_array_size(warnings); i++)
		printf("%s\n", json_string_value(json_array_get(warnings, i)));
	return flushed(r);
}

static int run_test(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(policy_freep) struct policy *policy = NULL;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_policy_test, argc, argv, &o) < 0)
		return EXIT_USAGE;
	int r = load_named(&cmd_policy_test, o, &policy, &err);
	if (r == EXIT_USAGE)
		return r;
	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *all = json_object();
		json_put_text(all, "error", policy == NULL ? err.text : NULL);
		json_put_int(all, "passed", policy != NULL ? (int64_t)policy_test_count(policy) : 0);
		return print_json(all) == EXIT_DONE ? r : EXIT_FAILED;
	}
	if (policy == NULL)
		print_refusal(err.text);
	else
		printf("%zu rules, %zu tests: all pass\n", policy_rule_count(policy), policy_test_count(policy));
	return flushed(r);
}

/* ---- show ---- */

static void print_paths(const json_t *paths)
{
	const char *kind;
	json_t *list;
	const json_t *row;
	size_t i;

	json_object_foreach((json_t *)paths, kind, list)
		json_array_foreach(list, i, row)
			printf("files %-8s %s  (%s)\n", kind, json_get_text(row, "pattern", ""), json_get_text(row, "source", ""));
}

static void print_set(const json_t *sources, const json_t *rules)
{
	const json_t *row;
	size_t i;

	json_array_foreach(sources, i, row)
		printf("# %s layer: %s, default %s\n", json_get_text(row, "layer", ""), json_get_text(row, "file", ""),
		       json_get_text(row, "default", "not set"));
	json_array_foreach(rules, i, row) {
		const char *unless = json_get_text(row, "unless", NULL);
		printf("%-5s %-8s %s  %s%s%s  (%s)\n", json_get_text(row, "effect", ""), json_get_text(row, "kind", ""),
		       json_get_text(row, "id", ""), json_get_text(row, "matches", ""), unless != NULL ? ", unless " : "",
		       unless != NULL ? unless : "", json_get_text(row, "source", ""));
	}
}

static void print_limits(const json_t *limits, const json_t *budgets)
{
	static const struct { const char *key; enum budget_unit unit; } amounts[] = {
		{ "usd_nanos", BUDGET_USD }, { "tokens", BUDGET_TOKENS }, { "calls", BUDGET_CALLS }, { "ms", BUDGET_TIME },
	};
	const json_t *row;
	char text[40];
	size_t i;

	json_array_foreach(limits, i, row) {
		AUTO(freep) char *per = json_text(json_object_get(row, "per"));
		printf("limit %-8s %s  %s per %s, over: %s  %s  (%s)\n", json_get_text(row, "on", ""), json_get_text(row, "id", ""),
		       json_get_text(row, "rate", ""), per, json_get_text(row, "over", ""), json_get_text(row, "matches", ""),
		       json_get_text(row, "source", ""));
	}
	json_array_foreach(budgets, i, row) {
		printf("budget %s  per %s:", json_get_text(row, "id", ""), json_get_text(row, "per", ""));
		for (size_t k = 0; k < COUNT(amounts); k++)
			if (json_get_int(row, amounts[k].key, -1) >= 0)
				printf(" %s", budget_amount(amounts[k].unit, json_get_int(row, amounts[k].key, 0), text, sizeof text));
		printf(", over: %s  (%s)\n", json_get_text(row, "over", ""), json_get_text(row, "source", ""));
	}
}

/* A ready-made one as it is written, with its explanations: to be kept, and changed. */
static int show_ready(const char *name)
{
	struct str text;
	struct err err;

	if (policy_ready_text(name, &text, &err) < 0)
		return complain(EXIT_USAGE, "policy show: %s", err.text);
	fwrite(text.ptr, 1, text.len, stdout);
	return flushed(EXIT_DONE);
}

static int run_show(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(policy_freep) struct policy *policy = NULL;
	AUTO(freep) char *workspace = NULL;
	const char *files[POLICIES_MOST], *const *words;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_policy_show, argc, argv, &o) < 0)
		return EXIT_USAGE;
	size_t named = option_positionals(o, &words);
	if (named > 1 || (named == 1 && option_given(o, "--policy")))
		return complain(EXIT_USAGE, "policy show: '%s' is one word too many; a file stands behind -p", words[named - 1]);
	if (named == 1)
		return show_ready(words[0]);
	size_t count = option_all(o, "--policy", files, COUNT(files));
	if (cli_workspace(option_text(o, "--workspace", "."), &workspace, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	if (cli_load_policy(o, workspace, files, MIN(count, COUNT(files)), &policy, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	AUTO(json_decrefp) json_t *sources = policy_sources(policy);
	AUTO(json_decrefp) json_t *rules = policy_rules(policy);
	AUTO(json_decrefp) json_t *limits = policy_limits_json(policy), *budgets = policy_budgets_json(policy);
	AUTO(json_decrefp) json_t *paths = policy_paths_json(policy);
	if (!option_given(o, "--json")) {
		print_set(sources, rules);
		print_limits(limits, budgets);
		print_paths(paths);
		return flushed(EXIT_DONE);
	}
	AUTO(json_decrefp) json_t *all = json_object();
	json_put_text(all, "policy", policy_digest(policy));
	json_put(all, "sources", json_incref(sources));
	json_put(all, "rules", json_incref(rules));
	json_put(all, "limits", json_incref(limits));
	json_put(all, "budgets", json_incref(budgets));
	json_put(all, "files", json_incref(paths));
	return print_json(all);
}

/* ---- rows ---- */

const struct command cmd_policy_check = {
	.name = "policy check", .args = "ACTION",
	.about = "decide about one action: exit 0 allow, 6 deny, 9 ask",
	.options = check_options, .option_count = COUNT(check_options), .flags = COMMAND_STOPS, .run = run_check,
	.examples = "  mishri policy check -p policy.yaml --exec git push --force\n"
	            "  mishri policy check --user alice --when taint=secret --net api.github.com:443\n"
	            "  mishri policy check --json --tool write_file --args '{\"path\": \"/etc/passwd\"}'\n",
};

const struct command cmd_policy_explain = {
	.name = "policy explain", .args = "ACTION",
	.about = "the same, with what was read and which other rules match",
	.options = check_options, .option_count = COUNT(check_options), .flags = COMMAND_STOPS, .run = run_explain,
	.examples = "  mishri policy explain -p policy.yaml --exec git push --force\n",
};

const struct command cmd_policy_lint = {
	.name = "policy lint", .args = "FILE...", .about = "check policy files: exit 0 good, 3 refused", .run = run_lint,
	.examples = "  mishri policy lint .mishri/policy.yaml\n",
};

const struct command cmd_policy_test = {
	.name = "policy test", .args = "FILE...", .about = "run the tests in policy files: exit 0 all pass, 3 refused",
	.run = run_test, .examples = "  mishri policy test .mishri/policy.yaml\n",
};

const struct command cmd_policy_show = {
	.name = "policy show", .args = "[NAME]", .about = "the policy in force here: all layers, with their sources; or a ready-made one",
	.options = show_options, .option_count = COUNT(show_options), .run = run_show,
	.examples = "  mishri policy show -p policy.yaml\n  mishri policy show readonly > policy.yaml\n",
};
