/* cmd_schedule_add.c - `mishri schedule add`: a goal that is carried out at times. What would make every run fail is found
 * now: a workspace that is not there, a policy that is wrong, a time that never comes. Keys of models are not looked at:
 * they are those of the service. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/print.h"
#include "cli/schedule.h"
#include "engine/schedules.h"
#include "llm/llm.h"
#include "policy/files.h"

#include "base/banned.h"

static const struct option_row options[] = {
	{ "--cron", 0, "EXPRESSION", "five fields (\"30 9 * * MON-FRI\"), or @hourly, @daily, @weekly, @monthly, @yearly", false },
	{ "--every", 0, "DURATION", "an interval of elapsed time: 90m, 6h; from --start, or from now", false },
	{ "--at", 0, "TIME", "once: 2026-12-01T09:00, or with Z for UTC", false },
	{ "--zone", 0, "ZONE", "whose clock: Europe/Berlin (default: that of this system)", false },
	{ "--overlap", 0, "HOW", "while the run before has not ended: skip (default), queue, cancel-previous, allow", false },
	{ "--queue", 0, "N", "with queue: so many may wait (default 1)", false },
	{ "--catch-up", 0, "DURATION", "make up the newest run that was missed, if no later than that (default 1h); or off", false },
	{ "--jitter", 0, "DURATION", "begin up to so much later (default 10s; a tenth of the gap at most); or off", false },
	{ "--start", 0, "TIME", "nothing before that", false },
	{ "--end", 0, "TIME", "nothing after that", false },
	{ "--runs", 0, "N", "so many runs, then it has ended", false },
	{ "--failures", 0, "N", "paused for a person after so many failures in a row (default 5; 0: never)", false },
	{ "--replace", 0, NULL, "where the name is taken, change that schedule", false },
	{ "--model", 'm', "PROVIDER/MODEL", "the model of its runs", false },
	{ "--workspace", 'w', "DIR", "where its runs work (default: this directory)", false },
	{ "--policy", 'p', "FILE", "a policy file, in the place of the project's; may be repeated", true },
	{ "--agent", 'a', "NAME", "the agent that begins", false },
	{ "--plan", 0, "WHEN", "auto, always or never", false },
	{ "--budget", 0, "USD", "US dollars that each run may spend at most", false },
	{ "--max-turns", 0, "N", "calls of the model at most", false },
	{ "--timeout", 0, "DURATION", "time of each run at most", false },
	{ "--isolation", 0, "LEVEL", "full (default), reduced or none", false },
	{ "--workspace-mode", 0, "MODE", "direct (default), overlay or readonly", false },
	{ "--config", 'c', "KEY=VALUE", "set a configuration key for its runs; may be repeated", true },
	{ "--user", 0, "NAME", "its runs are of this user (root only)", false },
};

static const struct config_flag config_flags[] = {
	{ "--model", "model" },         { "--plan", "plan" },           { "--max-turns", "max_turns" },
	{ "--timeout", "timeout" },     { "--isolation", "isolation" }, { "--workspace-mode", "workspace_mode" },
	{ "--budget", "budget" },
};

/* Options that become keys of the spec as they are. */
static const struct { const char *option, *key; bool number; } rule_keys[] = {
	{ "--cron", "cron", false },         { "--every", "every", false },       { "--at", "at", false },
	{ "--overlap", "overlap", false },   { "--queue", "queue", true },        { "--catch-up", "catch_up", false },
	{ "--jitter", "jitter", false },     { "--start", "start", false },       { "--end", "end", false },
	{ "--runs", "runs", true },          { "--failures", "failures", true },
};
static const struct { const char *option, *key; } task_keys[] = {
	{ "--model", "model" },         { "--agent", "agent" },     { "--plan", "plan" },           { "--budget", "budget" },
	{ "--max-turns", "max_turns" }, { "--timeout", "timeout" }, { "--isolation", "isolation" },
	{ "--workspace-mode", "workspace_mode" },
};

static int put_rule(const struct options *o, json_t *spec)
{
	char zone[ZONE_NAME_LEN + 1];

	for (size_t i = 0; i < COUNT(rule_keys); i++) {
		int64_t n;
		if (!option_given(o, rule_keys[i].option))
			continue;
		if (!rule_keys[i].number)
			json_put_text(spec, rule_keys[i].key, option_text(o, rule_keys[i].option, ""));
		else if (strcmp(rule_keys[i].key, "failures") == 0 && strcmp(option_text(o, "--failures", ""), "0") == 0)
			json_put_int(spec, "failures", 0);
		else if (option_count(o, rule_keys[i].option, 0, &n) < 0)
			return EXIT_USAGE;
		else
			json_put_int(spec, rule_keys[i].key, n);
	}
	json_put_text(spec, "zone", option_text(o, "--zone", zone_system(zone)));
	return 0;
}

/* Rules about schedules say what may be scheduled; a policy without one is about what agents do with tools. Returns an
 * exit code. */
static int check_policy(const struct policy *policy, const struct options *o, const char *workspace, const json_t *task)
{
	const char *cron = option_text(o, "--cron", option_text(o, "--every", option_text(o, "--at", "")));
	char user[USER_LEN + 1];
	struct decision d;
	struct err err = ERR_NONE;

	if (cli_user(o, user, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	struct action action = { .kind = ACTION_SCHEDULE };
	struct facts facts = { .user = user, .role = "master", .agent = option_text(o, "--agent", "master"), .channel = "cli",
	                       .workspace = workspace, .time_us = clock_wall_us() };
	action.schedule.cron = cron;
	action.schedule.goal = json_get_text(task, "goal", "");
	policy_decide(policy, &action, &facts, &d);
	if (d.rule == NULL || d.effect == EFFECT_ALLOW)
		return 0;
	return complain(d.effect == EFFECT_DENY ? EXIT_DENIED : EXIT_NOBODY, "schedule add: %s by %s (%s): %s",
	                d.effect == EFFECT_DENY ? "denied" : "another person's approval is needed", d.rule, d.source, d.reason);
}

/* Absolute names, and the policy that they make must be a right one. Returns an exit code. */
static int put_policies(const struct options *o, const char *workspace, json_t *task)
{
	const char *files[REPEAT_MOST];
	size_t count = option_all(o, "--policy", files, COUNT(files));
	AUTO(json_decrefp) json_t *list = json_array();
	struct policy *policy = NULL;
	struct err err = ERR_NONE;

	for (size_t i = 0; i < count; i++) {
		AUTO(freep) char *path = policy_is_ready_made(files[i]) ? xstrdup(files[i]) : realpath(files[i], NULL);
		if (path == NULL)
			return complain(EXIT_CONFIG, "schedule add: policy '%s': %s", files[i], strerror(errno));
		json_array_append_new(list, json_string(path));
	}
	if (cli_load_policy(o, workspace, files, count, &policy, &err) < 0)
		return complain(EXIT_CONFIG, "%s", err.text);
	int code = check_policy(policy, o, workspace, task);
	policy_free(policy);
	if (count > 0)
		json_put(task, "policies", json_incref(list));
	return code;
}

static int put_config(const struct options *o, const char *workspace, json_t *task)
{
	const char *words[REPEAT_MOST];
	size_t count = option_all(o, "--config", words, COUNT(words));
	struct config *config = NULL;
	struct err err = ERR_NONE;
	bool usage;

	if (cli_config(o, workspace, config_flags, COUNT(config_flags), &config, &usage, &err) < 0)
		return complain(usage ? EXIT_USAGE : EXIT_CONFIG, "schedule add: %s", err.text);
	const char *model = config_text(config, "model");
	int r = option_given(o, "--model") && model != NULL ? llm_model_check(model, &err) : 0;
	config_free(config);
	if (r < 0)
		return complain(EXIT_CONFIG, "schedule add: --model: %s", err.text);
	for (size_t i = 0; i < COUNT(task_keys); i++)
		if (option_given(o, task_keys[i].option))
			json_put_text(task, task_keys[i].key, option_text(o, task_keys[i].option, ""));
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(words[i]));
	if (count > 0)
		json_put(task, "config", list);
	else
		json_decref(list);
	return 0;
}

static int put_goal(const char *word, json_t *task)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_GOAL_BYTES);
	struct err err = ERR_NONE;

	if (strcmp(word, "-") != 0)
		buf_add_text(&text, word);
	else if (io_read_fd(STDIN_FILENO, &text, &err) < 0)
		return complain(EXIT_USAGE, "schedule add: the goal on standard input: %s", err.text);
	if (text.full)
		return complain(EXIT_USAGE, "schedule add: the goal has more than %zu bytes", LIMIT_GOAL_BYTES);
	json_t *goal = json_stringn(buf_text(&text), text.len);
	if (goal == NULL || memchr(buf_text(&text), 0, text.len) != NULL) {
		json_decref(goal);
		return complain(EXIT_USAGE, "schedule add: the goal is not text in UTF-8");
	}
	json_put(task, "goal", goal);
	return 0;
}

/* Returns an exit code. */
static int make_spec(const struct options *o, const char *goal, json_t *spec)
{
	AUTO(freep) char *workspace = NULL;
	json_t *task = json_object();
	struct err err = ERR_NONE;

	int code = put_rule(o, spec);
	json_put(spec, "task", task);
	if (code == 0)
		code = put_goal(goal, task);
	if (code != 0)
		return code;
	if (cli_workspace(option_text(o, "--workspace", "."), &workspace, &err) < 0 || cli_check_data(o, workspace, &err) < 0)
		return complain(EXIT_USAGE, "schedule add: %s", err.text);
	json_put_text(task, "workspace", workspace);
	code = put_config(o, workspace, task);
	return code != 0 ? code : put_policies(o, workspace, task);
}

static int print_added(const struct options *o, const char *name, const json_t *spec, int64_t next_us)
{
	char text[CLOCK_TEXT_BYTES];

	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *json = json_pack("{s:s, s:s, s:O}", "name", name, "next", clock_format(next_us, text), "spec", spec);
		print_json(json);
	} else {
		AUTO(buf_done) struct buf when = BUF_INIT(KIB(4));
		schedule_words(spec, &when);
		printf("%s: %s; first ", name, buf_text(&when));
		schedule_print_time(spec, next_us);
		putchar('\n');
	}
	schedule_warn(o);
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int add(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(json_decrefp) json_t *spec = json_object();
	AUTO(zone_freep) struct zone *zone = NULL;
	struct schedule_rule rule;
	char user[USER_LEN + 1];
	const char *const *words;
	struct err err = ERR_NONE;
	int64_t next_us;

	if (options_parse(&cmd_schedule_add, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) != 2)
		return complain(EXIT_USAGE, "schedule add: a name and a goal are wanted: "
		                "mishri schedule add nightly --cron \"0 3 * * *\" \"run the tests\"");
	if (cli_user(o, user, &err) < 0)
		return complain(EXIT_USAGE, "%s", err.text);
	if (schedule_name_check(words[0], &err) < 0)
		return complain(EXIT_USAGE, "schedule add: %s", err.text);
	int code = make_spec(o, words[1], spec);
	if (code != 0)
		return code;
	if (schedule_check(spec, clock_wall_us(), &rule, &zone, &err) < 0)
		return complain(EXIT_USAGE, "schedule add: %s", err.text);
	if (cli_open_store(o, STORE_CREATE, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int r = schedule_add(store, user, words[0], spec, option_given(o, "--replace"), &next_us, &err);
	if (r < 0)
		return complain(r == -EEXIST || r == -EINVAL ? EXIT_USAGE : r == -EPERM ? EXIT_DENIED : EXIT_FAILED,
		                "schedule add: %s", err.text);
	return print_added(o, words[0], spec, next_us);
}

const struct command cmd_schedule_add = {
	.name = "schedule add", .args = "NAME GOAL", .about = "carry a goal out at times", .options = options,
	.option_count = COUNT(options), .run = add,
	.examples = "  mishri schedule add nightly --cron \"0 3 * * *\" \"run the tests\"\n"
	            "  mishri schedule add watch --every 15m --overlap skip \"look at the queue\"\n"
	            "  mishri schedule add once --at 2026-12-01T09:00 --zone UTC \"send the report\"\n",
};
