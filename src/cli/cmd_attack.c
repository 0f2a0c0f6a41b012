/* cmd_attack.c - `mishri policy attack`: what a policy holds against evasions that are tried, not imagined. Exit 0: all
 * that the policy forbids held; 1: something got through. It judges the policy, and changes nothing of the user's. */
#include "cli/attack.h"
#include "cli/common.h"
#include "base/clock.h"
#include "engine/loop.h"
#include "policy/probe.h"
#include "tools/tool.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

static const struct option_row options[] = {
	{ "--policy", 'p', "FILE", "a policy file, in the place of the project's; may be repeated", true },
	{ "--workspace", 'w', "DIR", "whose policy is tried (default: this directory); it is not touched", false },
	{ "--isolation", 0, "LEVEL", "full (default) or reduced", false },
	{ "--only", 0, "ID", "try only this row; may be repeated", true },
	{ "--all", 0, NULL, "print also what held and what is not here", false },
};

struct attacking {
	const struct options *o;
	struct policy *policy;
	struct loop *loop;
	struct warden *warden;
	struct attack_field *field;
	char user[USER_LEN + 1];
	size_t counts[VERDICTS];
	json_t *rows;
};

static bool is_chosen(const struct options *o, const char *id)
{
	const char *only[REPEAT_MOST];
	size_t count = option_all(o, "--only", only, COUNT(only));

	for (size_t i = 0; i < MIN(count, COUNT(only)); i++)
		if (strcmp(only[i], id) == 0)
			return true;
	return count == 0;
}

/* 0 or an exit code. */
static int check_only(const struct options *o)
{
	const char *only[REPEAT_MOST], *ids[256];
	size_t count = option_all(o, "--only", only, COUNT(only));

	for (size_t i = 0; i < MIN(attack_count, COUNT(ids)); i++)
		ids[i] = attacks[i].id;
	for (size_t i = 0; i < MIN(count, COUNT(only)); i++) {
		if (name_find(ids, MIN(attack_count, COUNT(ids)), only[i]) >= 0)
			continue;
		const char *near = name_nearest(ids, MIN(attack_count, COUNT(ids)), only[i]);
		return complain(EXIT_USAGE, "policy attack: there is no row '%s'%s%s", only[i], near != NULL ? ": did you mean " : "; "
		                "`mishri policy attack --all` names them", near != NULL ? near : "");
	}
	return 0;
}

static void note(struct attacking *x, const struct attack *a, const struct attack_result *r)
{
	json_t *row = json_object();
	bool open = r->verdict == VERDICT_THROUGH || r->verdict == VERDICT_BEYOND;

	json_put_text(row, "id", a->id);
	json_put_text(row, "technique", r->tried);
	json_put_text(row, "target", r->target);
	json_put_text(row, "verdict", attack_verdict_name(r->verdict));
	json_put_text(row, "rule", r->rule);
	json_put_text(row, "source", r->source);
	json_put_text(row, "reason", r->why);
	json_put_text(row, "close", open ? a->close : NULL);
	json_array_append_new(x->rows, row);
	x->counts[r->verdict]++;
}

static void print_row(const struct attacking *x, const struct attack *a, const struct attack_result *r)
{
	AUTO(buf_done) struct buf line = BUF_INIT(KIB(8));
	bool open = r->verdict == VERDICT_THROUGH || r->verdict == VERDICT_BEYOND;

	if (!open && r->verdict != VERDICT_ALLOWED && !option_given(x->o, "--all"))
		return;
	sanitize_text(str_of(r->tried), &line);
	for (size_t i = 0; i < line.len; i++)
		line.ptr[i] = line.ptr[i] == '\n' ? ' ' : line.ptr[i];
	printf("%-11s  %-22s %s\n", open && r->verdict == VERDICT_THROUGH ? "GOT THROUGH" : attack_verdict_name(r->verdict), a->id,
	       buf_text(&line));
	printf("%-13s%s", "", r->target);
	if (r->rule != NULL)
		printf(": %s (%s)", r->rule, r->source);
	printf("%s%s\n", r->why[0] != '\0' ? ": " : "", r->why);
	if (open)
		printf("%-13s%s: %s\n", "", r->verdict == VERDICT_BEYOND ? "who holds it" : "to close it", a->close);
}

/* Rows that are not tried one by one, because the policy lets their target be. */
static bool is_told(const struct attacking *x, const struct attack_result *r)
{
	size_t i;
	const json_t *row;

	if (r->verdict != VERDICT_ALLOWED || option_given(x->o, "--all"))
		return false;
	json_array_foreach(x->rows, i, row)
		if (strcmp(json_get_text(row, "target", ""), r->target) == 0)
			return true;
	return false;
}

/* Through which door an agent would come: said once, since the rows do not ask for it. */
static void print_door(const struct attacking *x)
{
	AUTO(json_decrefp) json_t *args = json_pack("{s:s}", "command", "x");
	const struct tool *shell = tool_find("shell");
	struct probe p;
	struct decision d;

	probe_init(&p, "/workspace");
	p.facts.user = x->user;
	p.facts.time_us = clock_wall_us();
	probe_set_tool(&p, shell->name, shell->category, shell->risk, args);
	policy_decide(x->policy, &p.action, &p.facts, &d);
	if (d.effect != EFFECT_ALLOW)
		printf("note: the tool `shell` itself is %s by this policy%s%s; what follows is what would hold behind it\n",
		       d.effect == EFFECT_ASK ? "asked for" : "denied", d.rule != NULL ? ", rule " : "", d.rule != NULL ? d.rule : "");
	probe_done(&p);
}

static int print_end(const struct attacking *x)
{
	int code = x->counts[VERDICT_THROUGH] > 0 ? EXIT_FAILED : EXIT_DONE;

	if (option_given(x->o, "--json")) {
		AUTO(json_decrefp) json_t *all = json_object();
		json_put_text(all, "policy", policy_digest(x->policy));
		json_put_int(all, "held", (int64_t)x->counts[VERDICT_HELD]);
		json_put_int(all, "through", (int64_t)x->counts[VERDICT_THROUGH]);
		json_put_int(all, "beyond", (int64_t)x->counts[VERDICT_BEYOND]);
		json_put_int(all, "allowed", (int64_t)x->counts[VERDICT_ALLOWED]);
		json_put_int(all, "not_here", (int64_t)x->counts[VERDICT_NOT_HERE]);
		json_put(all, "rows", json_incref(x->rows));
		AUTO(freep) char *text = json_text(all);
		return puts(text) < 0 || fflush(stdout) != 0 ? EXIT_FAILED : code;
	}
	printf("%zu held, %zu got through, %zu beyond exec rules, %zu allowed by the policy, %zu do not work here\n",
	       x->counts[VERDICT_HELD], x->counts[VERDICT_THROUGH], x->counts[VERDICT_BEYOND], x->counts[VERDICT_ALLOWED],
	       x->counts[VERDICT_NOT_HERE]);
	return fflush(stdout) != 0 ? EXIT_FAILED : code;
}

static int try_all(struct attacking *x)
{
	struct err err = ERR_NONE;

	if (!option_given(x->o, "--json"))
		print_door(x);
	for (size_t i = 0; i < attack_count; i++) {
		AUTO(attack_result_done) struct attack_result result = { 0 };
		if (!is_chosen(x->o, attacks[i].id))
			continue;
		if (attack_try(x->field, &attacks[i], &result, &err) < 0)
			return complain(EXIT_CONFIG, "policy attack: %s: %s", attacks[i].id, err.text);
		if (!option_given(x->o, "--json") && !is_told(x, &result))
			print_row(x, &attacks[i], &result);
		note(x, &attacks[i], &result);
	}
	return print_end(x);
}

/* 0 or an exit code. */
static int prepare(struct attacking *x, enum cell_level *ret_level)
{
	static const char *const levels[] = { "full", "reduced" };
	AUTO(freep) char *workspace = NULL;
	const char *files[REPEAT_MOST], *const *words;
	struct err err = ERR_NONE;

	int level = name_find(levels, COUNT(levels), option_text(x->o, "--isolation", "full"));
	if (level < 0)
		return complain(EXIT_USAGE, "--isolation: '%s' cannot be tried; right would be full or reduced",
		                option_text(x->o, "--isolation", ""));
	*ret_level = (enum cell_level)level;
	if (option_positionals(x->o, &words) > 0)
		return complain(EXIT_USAGE, "policy attack: '%s' is one word too many; a file stands behind -p", words[0]);
	int code = check_only(x->o);
	if (code != 0)
		return code;
	size_t count = option_all(x->o, "--policy", files, COUNT(files));
	if (cli_user(x->o, x->user, &err) < 0 || cli_workspace(option_text(x->o, "--workspace", "."), &workspace, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	if (cli_load_policy(x->o, workspace, files, MIN(count, COUNT(files)), &x->policy, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	return 0;
}

static int attack(struct attacking *x)
{
	enum cell_level level = CELL_FULL;
	struct err err = ERR_NONE;
	int code = prepare(x, &level);

	if (code != 0)
		return code;
	if (loop_new(&x->loop, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (attack_field_open(x->warden, x->loop, x->policy, x->user, level, &x->field, &err) < 0)
		return complain(EXIT_CONFIG, "policy attack: %s", err.text);
	return try_all(x);
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(json_decrefp) json_t *rows = json_array();
	struct attacking x = { .rows = rows };
	struct err err = ERR_NONE;

	if (options_parse(&cmd_policy_attack, argc, argv, &o) < 0)
		return EXIT_USAGE;
	x.o = o;
	if (warden_start(NULL, 0, &x.warden, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	int code = attack(&x);
	attack_field_close(x.field);
	if (x.loop != NULL)
		loop_free(x.loop);
	policy_free(x.policy);
	warden_stop(x.warden);
	return code;
}

const struct command cmd_policy_attack = {
	.name = "policy attack", .args = "", .about = "try evasions in a cell against the policy: exit 0 all held, 1 a hole",
	.options = options, .option_count = COUNT(options), .run = run,
	.examples = "  mishri policy attack -p policy.yaml\n"
	            "  mishri policy attack -p policy.yaml --all --only copy --only loader\n",
};
