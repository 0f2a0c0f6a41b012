/* cmd_run.c - `mishri run`: carries a goal out, or goes on with a task. What is wrong is looked for in
 * the order that the contract of the command line gives. */
#include "cli/chat.h"
#include "cli/common.h"
#include "cli/detach.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/control.h"
#include "engine/fallback.h"
#include "engine/instructions.h"
#include "policy/files.h"

#include "base/banned.h"

static const struct option_row options[] = {
	{ "--model", 'm', "PROVIDER/MODEL", "the model: openai/NAME, recorded/FILE, ...", false },
	{ "--fallback", 0, "PROVIDER/MODEL,...", "models that stand in when the model cannot be had; may be repeated", true },
	{ "--workspace", 'w', "DIR", "where the task works (default: this directory)", false },
	{ "--policy", 'p', "FILE", "a policy file, in the place of the project's; may be repeated", true },
	{ "--agent", 'a', "NAME", "the agent that begins: one of the configuration (default: master, or worker without a plan)", false },
	{ "--plan", 0, "WHEN", "a master that may plan and delegate (auto), must (always), or one agent (never)", false },
	{ "--budget", 0, "USD", "US dollars that the run may spend at most: 2.50", false },
	{ "--max-turns", 0, "N", "calls of the model at most", false },
	{ "--timeout", 0, "DURATION", "time at most: 90s, 10m, 2h", false },
	{ "--isolation", 0, "LEVEL", "full (default), reduced or none", false },
	{ "--workspace-mode", 0, "MODE", "direct (default), overlay (changes go to a layer, see `mishri diff`) or readonly", false },
	{ "--output-format", 0, "FORMAT", "text (default), json or stream-json", false },
	{ "--resume", 0, "TASK", "go on with a task that was interrupted or is paused", false },
	{ "--session", 0, "ID", "the session that the task belongs to", false },
	{ "--user", 0, "NAME", "act for this user (root only)", false },
	{ "--detach", 0, NULL, "hand the goal to `mishri serve` of this data directory, and print the task's id", false },
	{ "--wait-for-approval", 0, NULL, "without a terminal, wait for `mishri approve` instead of taking an ask for a no", false },
	{ "--log-level", 0, "LEVEL", "operators' log on stderr: error (default), warning, info or debug", false },
	{ "--log-format", 0, "FORMAT", "its lines: text (default) or json", false },
	{ "--config", 'c', "KEY=VALUE", "set a configuration key; may be repeated", true },
};

enum { POLICIES_MOST = REPEAT_MOST };

struct wish {                          /* what the command line and the configuration ask for */
	const struct options *o;
	struct config *config;
	enum output_format format;
	char *goal, *workspace;
	const char *policies[POLICIES_MOST];
	char *policies_resolved[POLICIES_MOST];
	size_t policy_count;
	struct task_limits limits;
	enum cell_level level;
	int64_t budget_nanos;          /* -1: no bound */
	const char *session, *model, *plan, *agent;
	bool leads;                    /* the root task is a master */
	json_t *fallback;              /* names of models that stand in; owned */
	json_t *chain;                 /* the same, of the task that is resumed or begins; owned */
	struct chat *chat;             /* NULL: one goal */
	const struct task *task;       /* the one that is resumed; NULL: a new one */
};

/* What is wrong, as a sentence, and in a JSON format also as the result that always comes. */
PRINTF(3, 4) static int refuse(const struct wish *w, int code, const char *format, ...)
{
	AUTO(task_freep) struct task *none = task_new();
	const struct task *t = w->task != NULL ? w->task : none;
	const char *state = t->phase == PHASE_NEW ? "failed" : t->phase == PHASE_PARKED ? "parked" : "running";
	char text[LIMIT_ERR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	complain(code, "%s", text);
	if (w->format != OUTPUT_TEXT)
		print_result(w->format, result_object(t, state, text, code, 0));
	return code;
}

static int one_of(const char *option, const char *word, const char *const *names, size_t count, int *ret)
{
	int at = name_find(names, count, word);

	if (at < 0) {
		struct buf all = BUF_INIT(KIB(1));
		for (size_t i = 0; i < count; i++)
			buf_printf(&all, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " or ", names[i]);
		complain(0, "%s: '%s' is not known; right would be %s", option, word, buf_text(&all));
		buf_done(&all);
		return -EINVAL;
	}
	*ret = at;
	return 0;
}

static int read_goal(const struct wish *w, char **ret)
{
	const char *const *words;
	size_t count = option_positionals(w->o, &words);
	struct buf text = BUF_INIT(LIMIT_GOAL_BYTES);
	struct err err = ERR_NONE;

	if (count > 1)
		return refuse(w, EXIT_USAGE, "run: one goal is wanted, %zu words were given; put the goal in quotes", count);
	if (count == 1 && strcmp(words[0], "-") != 0) {
		if (strlen(words[0]) > LIMIT_GOAL_BYTES)
			return refuse(w, EXIT_USAGE, "run: the goal has more than %zu bytes", LIMIT_GOAL_BYTES);
		buf_add_text(&text, words[0]);
	} else if (count == 0 && isatty(STDIN_FILENO)) {
		return refuse(w, EXIT_USAGE, "run: a goal is wanted: mishri run \"make the tests pass\"");
	} else if (io_read_fd(STDIN_FILENO, &text, &err) < 0) {
		buf_done(&text);
		return refuse(w, EXIT_USAGE, "run: the goal on standard input: %s", err.text);
	}
	if (str_trim(buf_str(&text)).len == 0) {
		buf_done(&text);
		return refuse(w, EXIT_USAGE, "run: the goal is empty; say what is to be done");
	}
	AUTO(json_decrefp) json_t *utf8 = json_of_str(buf_str(&text));
	bool same = json_string_length(utf8) == text.len && memcmp(json_string_value(utf8), buf_text(&text), text.len) == 0;
	bool nul = memchr(buf_text(&text), 0, text.len) != NULL;
	*ret = buf_take(&text);
	if (same && !nul)
		return 0;
	free(TAKE(*ret));
	return refuse(w, EXIT_USAGE, "run: the goal is not text in UTF-8");
}

static int read_words(struct wish *w)
{
	static const char *const formats[] = { "text", "json", "stream-json" };
	const char *usual = option_given(w->o, "--json") ? "json" : "text";
	int format;

	if (one_of("--output-format", option_text(w->o, "--output-format", usual), formats, COUNT(formats), &format) < 0)
		return -EINVAL;
	w->format = (enum output_format)format;
	if (w->chat != NULL)
		return 0;
	w->session = option_text(w->o, "--session", NULL);
	if (w->session != NULL && !id_valid(w->session))
		return refuse(w, EXIT_USAGE, "run: --session wants an id of %d characters, as `mishri history --json` shows", ID_LEN);
	if (option_given(w->o, "--agent") && option_given(w->o, "--resume"))
		return refuse(w, EXIT_USAGE, "run: --agent is for a new goal; a task that is resumed keeps its agent");
	if (option_given(w->o, "--budget") && option_given(w->o, "--resume"))
		return refuse(w, EXIT_USAGE, "run: --budget is for a new goal; a task that is resumed keeps its budget");
	return 0;
}

static const struct config_flag config_flags[] = {
	{ "--model", "model" },         { "--plan", "plan" },       { "--max-turns", "max_turns" },
	{ "--timeout", "timeout" },     { "--isolation", "isolation" }, { "--workspace-mode", "workspace_mode" },
	{ "--budget", "budget" },       { "--log-level", "log.level" }, { "--log-format", "log.format" },
};

static int no_agent(const struct wish *w)
{
	const char *names[LIMIT_AGENTS + 2] = { "master", "worker" };
	size_t count;
	const struct agent_profile *all = agents_all(config_agents(w->config), &count);

	for (size_t i = 0; i < count; i++)
		names[i + 2] = all[i].name;
	const char *near = name_nearest(names, count + 2, w->agent);
	if (near != NULL)
		return refuse(w, EXIT_USAGE, "--agent: there is no agent '%.64s': did you mean '%s'?", w->agent, near);
	return refuse(w, EXIT_USAGE, "--agent: there is no agent '%.64s'; `mishri config` shows those of the configuration, and "
	              "'master' and 'worker' are always there", w->agent);
}

/* Who begins. Its model is its own, unless a flag names one. Returns an exit code. */
static int choose_agent(struct wish *w)
{
	const char *origin = config_origin(w->config, "model");

	w->agent = option_text(w->o, "--agent", w->leads ? "master" : "worker");
	const struct agent_profile *profile = agents_find(config_agents(w->config), w->agent);
	if (profile == NULL && strcmp(w->agent, "master") != 0 && strcmp(w->agent, "worker") != 0)
		return no_agent(w);
	w->leads = w->leads && strcmp(profile != NULL ? profile->role : w->agent, "master") == 0;
	if (!w->leads)
		w->plan = "never";
	if (profile != NULL && profile->model != NULL && strcmp(origin, "--model") != 0 && strcmp(origin, "-c") != 0)
		w->model = profile->model;
	return 0;
}

/* The flag as often as it is given, else the key. Returns an exit code. */
static int read_fallback(struct wish *w)
{
	const char *given[LIMIT_FALLBACKS + 1];
	size_t count = option_all(w->o, "--fallback", given, COUNT(given));
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(64));
	struct err err = ERR_NONE;

	for (size_t i = 0; i < count; i++)
		buf_printf(&text, "%s%s", i > 0 ? "," : "", given[i]);
	if (count > 0 && config_set(w->config, "fallback", buf_text(&text), "--fallback", &err) < 0)
		return refuse(w, EXIT_USAGE, "%s", err.text);
	/* A configuration is for many models: the one of this run is left out of the chain. A flag that names it is a mistake. */
	if (fallback_read(config_text(w->config, "fallback"), count > 0 ? w->model : NULL, &w->fallback, &err) < 0)
		return refuse(w, count > 0 ? EXIT_USAGE : EXIT_CONFIG, "%s%s", count > 0 ? "--" : "", err.text);
	return 0;
}

/* What the configuration says, checked against what this version can keep. Returns an exit code. */
static int read_config(struct wish *w)
{
	static const char *const levels[] = { "full", "reduced", "none" };
	struct err err = ERR_NONE;
	bool usage;

	if (cli_config(w->o, w->workspace, config_flags, COUNT(config_flags), &w->config, &usage, &err) < 0)
		return refuse(w, usage ? EXIT_USAGE : EXIT_CONFIG, "%s", err.text);
	w->model = config_text(w->config, "model");
	w->plan = config_text(w->config, "plan");
	w->level = (enum cell_level)name_find(levels, COUNT(levels), config_text(w->config, "isolation"));
	w->limits = (struct task_limits){
		.turns = config_number(w->config, "max_turns"),
		.calls = config_number(w->config, "max_calls"),
		.timeout_ms = config_number(w->config, "timeout"),
		.output_bytes = config_number(w->config, "output_limit"),
		.bounds = config_bounds(w->config),
	};
	w->leads = strcmp(w->plan, "never") != 0;
	int code = choose_agent(w);
	if (code != 0)
		return code;
	code = read_fallback(w);
	if (code != 0)
		return code;
	w->budget_nanos = config_text(w->config, "budget") != NULL ? config_number(w->config, "budget") : -1;
	return 0;
}

static void wish_done(struct wish *w)
{
	config_free(w->config);
	json_decref(w->fallback);
	json_decref(w->chain);
	free(w->goal);
	free(w->workspace);
	for (size_t i = 0; i < w->policy_count; i++)
		free(w->policies_resolved[i]);
}

/* Absolute names, so that a resume from another directory finds the same files. */
static int resolve_policies(struct wish *w, struct err *err)
{
	for (size_t i = 0; i < w->policy_count; i++) {
		w->policies_resolved[i] = policy_is_ready_made(w->policies[i]) ? xstrdup(w->policies[i]) : realpath(w->policies[i], NULL);
		if (w->policies_resolved[i] == NULL) {
			w->policy_count = i;
			return err_sys(err, "policy '%s' (a file, or builtin:NAME, such as builtin:readonly)", w->policies[i]);
		}
		w->policies[i] = w->policies_resolved[i];
	}
	return 0;
}

/* Tasks that a crash left behind are named, never taken over unasked. */
static void name_left_task(void *userdata, const struct task_row *row)
{
	int *count = userdata;

	if (row->alive || ++*count > 3)
		return;
	struct buf goal = BUF_INIT(LIMIT_GOAL_BYTES * 8);
	sanitize_shown((struct str){ row->goal, strcspn(row->goal, "\n") }, &goal);
	fprintf(stderr, "mishri: task %s was left unfinished (%.60s); go on with: mishri run --resume %s\n", row->task,
	        buf_text(&goal), row->task);
	buf_done(&goal);
}

static int model_exit(int r)
{
	return r == -EACCES ? EXIT_AUTH : EXIT_CONFIG;
}

static const char *own_environment(void *unused, const char *name)
{
	(void)unused;
	return getenv(name);
}

static int open_model(struct session *s, const char *name, struct err *err)
{
	if (name == NULL || name[0] == '\0')
		return err_set(err, EACCES, "no model is set: `mishri init` asks for one; or give it with -m"
		                            " (openai/NAME with OPENAI_API_KEY, or OPENAI_BASE_URL "
		                            "for a local server), or try `mishri demo`, which needs none");
	return llm_model_open(name, own_environment, NULL, &s->model, err);
}

/* A question before anything runs; only where a person is at the terminal. */
static bool person_agrees(const char *what, const char *reason)
{
	char line[16] = "";

	if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1)
		return false;
	tcflush(STDIN_FILENO, TCIFLUSH); /* what was typed before the question is no answer to it */
	fprintf(stderr, "May this task use %s? %s\n  y = yes · anything else = no\n> ", what, reason);
	return fgets(line, sizeof line, stdin) != NULL && (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0);
}

/* A policy that names models says which a run may use. One that does not is about what agents do with
 * tools: its default is not meant for the model itself. Returns an exit code. */
static int check_model(const struct session *s, const struct wish *w)
{
	char by[256];
	struct decision d;
	struct action action = { .kind = ACTION_MODEL };
	struct facts facts = {
		.user = s->user, .role = w->leads ? "master" : "worker", .agent = w->agent, .channel = "cli", .workspace = w->workspace,
		.time_us = clock_wall_us(),
	};

	action.model.provider = llm_model_provider(s->model);
	action.model.model = llm_model_name(s->model);
	policy_decide(s->policy, &action, &facts, &d);
	if (policy_leaves_model(s->policy, &d))
		return 0;
	if (d.effect == EFFECT_DENY)
		return refuse(w, EXIT_DENIED, "the model %s is denied by %s: %s", w->model, decision_by(&d, by, sizeof by), d.reason);
	if (person_agrees(w->model, d.reason))
		return 0;
	return refuse(w, EXIT_NOBODY, "the model %s needs a person's approval by %s, and nobody gave it", w->model,
	              decision_by(&d, by, sizeof by));
}

/* Money can be bounded only where the price is known. Returns an exit code. */
static int check_budgets(const struct session *s, const struct wish *w, int64_t nanos)
{
	struct err err = ERR_NONE;

	if (engine_check_budgets(s->policy, config_prices(w->config), s->model, nanos, &err) < 0)
		return refuse(w, EXIT_CONFIG, "%s", err.text);
	return 0;
}

/* The models that stand in are looked at before anything runs, as the first one is. Returns an exit code. */
static int check_fallbacks(struct session *s, const struct wish *w, int64_t nanos)
{
	struct llm_model *own = s->model;
	struct wish one = *w;
	int code = 0;

	for (size_t i = 0; i < json_array_size(w->chain) && code == 0; i++) {
		struct err err = ERR_NONE;
		one.model = json_string_value(json_array_get(w->chain, i));
		s->model = NULL;
		int r = open_model(s, one.model, &err);
		if (r < 0)
			code = refuse(w, model_exit(r), "fallback %s: %s", one.model, err.text);
		if (code == 0)
			code = check_model(s, &one);
		if (code == 0)
			code = check_budgets(s, &one, nanos);
		llm_model_close(s->model);
	}
	s->model = own;
	return code;
}

/* What a new task and one that goes on have in common; 0, or the exit status when it was refused. */
static int open_session(struct session *s, const struct wish *w, int64_t nanos)
{
	struct err err = ERR_NONE;
	int code = check_model(s, w);

	if (code == 0)
		code = check_budgets(s, w, nanos);
	if (code == 0)
		code = check_fallbacks(s, w, nanos);
	if (code != 0)
		return code;
	bool ask = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
	s->agents = config_agents(w->config);
	s->config = w->config;
	s->secrets = config_secrets(w->config);
	s->prices = config_prices(w->config);
	s->context_tokens = config_number(w->config, "context_tokens");
	s->loops_ignored = strcmp(config_text(w->config, "loop.detect"), "off") == 0;
	s->reply_tokens = config_number(w->config, "reply_tokens");
	s->fallback = w->fallback;
	if (w->chat != NULL)
		chat_hook(w->chat, s);
	int r = session_open(s, ask, false, cli_color(w->o, STDERR_FILENO), &err);
	if (r < 0)
		return refuse(w, r == -EINVAL ? EXIT_CONFIG : EXIT_FAILED, "%s", err.text);
	return 0;
}

/* Of the agent that begins; the caller owns it. */
static json_t *chain_of(const struct wish *w)
{
	const struct agent_profile *profile = agents_find(config_agents(w->config), w->agent);

	return fallback_chain(profile, w->fallback, w->model);
}

static int load_policy(struct session *s, const struct wish *w, size_t count, struct err *err)
{
	int r = cli_policy_home(w->o, w->workspace, w->policies, count, &s->policy_home, err);

	return r < 0 ? r : cli_load_home(s->policy_home, &s->policy, err);
}

static void say_line(const char *line)
{
	complain(0, "%s", line);
}

static int read_told(const struct wish *w, json_t **ret, struct err *err)
{
	AUTO(freep) char *data = NULL;

	if (option_given(w->o, "--no-user-config")) /* a run that reads nothing else reads this neither */
		return 0;
	int r = cli_data_dir(w->o, &data, err);
	if (r == 0)
		*ret = instructions_read(data, w->workspace, say_line);
	return r;
}

static int start(struct session *s, struct wish *w)
{
	struct err err = ERR_NONE;
	int left = 0;
	struct task_filter filter = { .state = "running", .limit = 10 };

	if (w->chat == NULL && store_tasks(s->store, &filter, name_left_task, &left, &err) < 0)
		return refuse(w, EXIT_FAILED, "%s", err.text);
	int r = open_model(s, w->model, &err);
	if (r < 0)
		return refuse(w, model_exit(r), "%s", err.text);
	w->chain = chain_of(w);
	int code = open_session(s, w, w->budget_nanos);
	if (code != 0)
		return code;
	AUTO(json_decrefp) json_t *told = NULL;
	if (read_told(w, &told, &err) < 0)
		return refuse(w, EXIT_CONFIG, "%s", err.text);
	struct task_spec spec = {
		.told = told, .budget_nanos = w->budget_nanos,
		.goal = w->goal, .agent = w->agent, .role = w->leads ? "master" : "worker", .model = w->model, .workspace = w->workspace,
		.plan = w->plan, .channel = "cli", .session = w->session, .level = w->level, .mode = config_text(w->config, "workspace_mode"),
		.layer_bytes = config_number(w->config, "workspace_quota"), .limits = w->limits,
		.policies = w->policies, .policy_count = w->policy_count,
		.wait_for_approval = option_given(w->o, "--wait-for-approval"),
		.max_depth = w->leads ? (int)config_number(w->config, "max_depth") : 0,
	};
	if (config_env_counts(w->config)) {
		spec.traceparent = getenv("TRACEPARENT");
		spec.tracestate = getenv("TRACESTATE");
	}
	if (w->chat != NULL)
		return chat_run(w->chat, s, &spec);
	s->run = engine_start(s->engine, &spec);
	return session_finish(s);
}

static int run_new_goal(struct session *s, struct wish *w)
{
	struct err err = ERR_NONE;

	if (w->chat == NULL && read_goal(w, &w->goal) != 0)
		return EXIT_USAGE;
	if (cli_workspace(option_text(w->o, "--workspace", "."), &w->workspace, &err) < 0)
		return refuse(w, EXIT_USAGE, "%s", err.text);
	w->policy_count = option_all(w->o, "--policy", w->policies, COUNT(w->policies));
	cli_trust_again(w->o, w->workspace);
	int code = read_config(w);
	if (code != 0)
		return code;
	if (cli_check_data(w->o, w->workspace, &err) < 0 || resolve_policies(w, &err) < 0)
		return refuse(w, EXIT_CONFIG, "%s", err.text);
	if (load_policy(s, w, w->policy_count, &err) < 0)
		return refuse(w, EXIT_CONFIG, "%s", err.text);
	if (cli_open_store(w->o, STORE_CREATE, &s->store, &err) < 0 || session_register(s, w->o, &err) < 0)
		return refuse(w, EXIT_FAILED, "%s", err.text);
	return start(s, w);
}

/* A finished task prints its result again. */
static int print_again(const struct wish *w, const struct task *t)
{
	int64_t ms = t->active_us / 1000 + (t->last_us - t->run_since_us) / 1000;

	return print_result(w->format, result_object(t, t->state, t->result, t->exit, ms));
}

static int policies_of(const json_t *created, struct wish *w)
{
	size_t i;
	json_t *path;

	json_array_foreach(json_object_get(created, "policies"), i, path)
		if (w->policy_count < POLICIES_MOST)
			w->policies[w->policy_count++] = json_string_value(path);
	return 0;
}

struct opening {
	json_t *data;
};

static bool keep_opening(void *userdata, const struct event_row *row)
{
	struct opening *opening = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) == 0) {
		opening->data = json_incref(e.data);
		event_done(&e);
	}
	return false;
}

static void note_pause(void *userdata, const struct inbox_message *m)
{
	*(bool *)userdata |= strcmp(m->kind, "pause") == 0;
}

/* Whoever resumes a paused task means that it goes on. */
static int let_go_on(const struct session *s, const struct task *t, struct err *err)
{
	bool paused = t->paused;
	struct control_sent sent = { 0 };
	const struct control go_on = { .command = CONTROL_RESUME, .task = t->id, .user = s->user, .policy = s->policy };

	int r = store_inbox_read(s->store, t->id, 0, note_pause, &paused, err);
	if (r == 0 && paused)
		r = control_send(s->store, &go_on, &sent, err);
	if (r == 0 && paused && sent.outcome == CONTROL_REFUSED)
		r = err_set(err, EACCES, "%s", sent.said);
	return r;
}

static int run_again(struct session *s, struct wish *w)
{
	AUTO(task_freep) struct task *t = NULL;
	struct err err = ERR_NONE;
	char id[ID_LEN + 1];

	if (cli_open_store(w->o, 0, &s->store, &err) < 0)
		return refuse(w, EXIT_FAILED, "%s", err.text);
	if (store_task_find(s->store, option_text(w->o, "--resume", ""), id, &err) < 0)
		return refuse(w, EXIT_USAGE, "%s", err.text);
	if (engine_load(s->store, id, &t, &err) < 0)
		return refuse(w, EXIT_FAILED, "%s", err.text);
	if (t->phase == PHASE_ENDED)
		return print_again(w, t);
	w->task = t;
	if (t->parent[0] != '\0')
		return refuse(w, EXIT_USAGE, "task %s is a part of task %s; resume that one: mishri run --resume %s", t->id, t->root, t->root);
	struct opening opening = { NULL };
	struct event_filter filter = { .task = id, .type = "task.created" };
	if (store_events(s->store, &filter, keep_opening, &opening, &err) < 0)
		return refuse(w, EXIT_FAILED, "%s", err.text);
	AUTO(json_decrefp) json_t *created = opening.data;
	policies_of(created, w);
	if (cli_workspace(t->workspace, &w->workspace, &err) < 0)
		return refuse(w, EXIT_USAGE, "%s", err.text);
	if (cli_check_data(w->o, w->workspace, &err) < 0)
		return refuse(w, EXIT_CONFIG, "%s", err.text);
	size_t given = w->policy_count;
	w->policy_count = 0; /* borrowed from the event, not ours to free */
	cli_trust_again(w->o, w->workspace);
	int code = read_config(w);
	if (code != 0)
		return code;
	if (load_policy(s, w, given, &err) < 0)
		return refuse(w, EXIT_CONFIG, "%s", err.text);
	if (let_go_on(s, t, &err) < 0 || session_register(s, w->o, &err) < 0)
		return refuse(w, EXIT_FAILED, "%s", err.text);
	w->model = t->model;
	w->agent = t->agent;
	w->leads = strcmp(t->role, "master") == 0;
	int r = open_model(s, t->model, &err);
	if (r < 0)
		return refuse(w, model_exit(r), "%s", err.text);
	w->chain = json_incref(json_object_get(t->config, "fallback"));
	code = open_session(s, w, json_get_int(t->config, "budget_usd_nanos", -1));
	if (code != 0)
		return code;
	r = engine_resume(s->engine, id, json_object_get(created, "policies"),
	                  option_given(w->o, "--wait-for-approval"), &s->run, &err);
	if (r < 0)
		return refuse(w, r == -EBUSY ? EXIT_USAGE : EXIT_FAILED, "%s", err.text);
	return session_finish(s);
}

/* The service runs it: with its own environment and configuration, and what was said here. */
static int run_detached(struct wish *w)
{
	static const struct { const char *option, *field; } copied[] = {
		{ "--model", "model" }, { "--plan", "plan" }, { "--max-turns", "max_turns" }, { "--timeout", "timeout" },
		{ "--isolation", "isolation" }, { "--workspace-mode", "workspace_mode" }, { "--budget", "budget" },
		{ "--agent", "agent" }, { "--session", "session" }, { "--user", "user" },
	};
	static const char *const not_here[] = { "--resume", "--config", "--fallback" };
	AUTO(json_decrefp) json_t *body = json_object();
	AUTO(json_decrefp) json_t *answer = NULL;
	struct err err = ERR_NONE;

	for (size_t i = 0; i < COUNT(not_here); i++)
		if (option_given(w->o, not_here[i]))
			return refuse(w, EXIT_USAGE, "run: %s does not go with --detach: the service has its own configuration", not_here[i]);
	if (read_goal(w, &w->goal) != 0)
		return EXIT_USAGE;
	if (cli_workspace(option_text(w->o, "--workspace", "."), &w->workspace, &err) < 0)
		return refuse(w, EXIT_USAGE, "%s", err.text);
	w->policy_count = option_all(w->o, "--policy", w->policies, COUNT(w->policies));
	if (resolve_policies(w, &err) < 0)
		return refuse(w, EXIT_CONFIG, "%s", err.text);
	json_put_text(body, "goal", w->goal);
	json_put_text(body, "workspace", w->workspace);
	for (size_t i = 0; i < COUNT(copied); i++)
		if (option_given(w->o, copied[i].option))
			json_put_text(body, copied[i].field, option_text(w->o, copied[i].option, ""));
	if (w->policy_count > 0)
		json_put(body, "policies", json_array());
	for (size_t i = 0; i < w->policy_count; i++)
		json_array_append_new(json_object_get(body, "policies"), json_string(w->policies[i]));
	int r = detach_send(w->o, "/v1/tasks", body, &answer, &err);
	if (r < 0)
		return refuse(w, r == -EINVAL ? EXIT_USAGE : r == -EACCES ? EXIT_DENIED : EXIT_FAILED, "run: %s", err.text);
	if (w->format == OUTPUT_TEXT) {
		puts(json_get_text(answer, "task", ""));
	} else {
		AUTO(freep) char *text = json_text(answer);
		puts(text);
	}
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int run(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	struct session s = { 0 };
	struct wish w = { 0 };
	struct err err = ERR_NONE;
	struct cell_builtin builtins[64];

	if (options_parse(&cmd_run, argc, argv, &o) < 0)
		return EXIT_USAGE;
	w.o = o;
	if (read_words(&w) != 0)
		return EXIT_USAGE;
	if (cli_user(o, s.user, &err) < 0)
		return refuse(&w, EXIT_USAGE, "%s", err.text);
	s.format = w.format;
	if (option_given(o, "--detach")) {
		int detached = run_detached(&w);
		wish_done(&w);
		return detached;
	}
	if (warden_start(builtins, tool_builtins(builtins, COUNT(builtins)), &s.warden, &err) < 0)
		return refuse(&w, EXIT_CONFIG, "%s", err.text);
	int code = option_given(o, "--resume") ? run_again(&s, &w) : run_new_goal(&s, &w);
	session_close(&s);
	wish_done(&w);
	return code;
}

int cli_converse(struct options *o, struct chat *chat)
{
	struct session s = { 0 };
	struct wish w = { .o = o, .chat = chat };
	struct cell_builtin builtins[64];
	struct err err = ERR_NONE;

	if (read_words(&w) != 0)
		return EXIT_USAGE;
	if (cli_user(o, s.user, &err) < 0)
		return refuse(&w, EXIT_USAGE, "%s", err.text);
	s.format = w.format;
	if (warden_start(builtins, tool_builtins(builtins, COUNT(builtins)), &s.warden, &err) < 0)
		return refuse(&w, EXIT_CONFIG, "%s", err.text);
	int code = run_new_goal(&s, &w);
	session_close(&s);
	wish_done(&w);
	return code;
}

const struct command cmd_run = {
	.name = "run", .args = "[GOAL]", .about = "carry a goal out",
	.options = options, .option_count = COUNT(options), .run = run,
	.examples = "  mishri run -m openai/gpt-5 \"make the tests pass\"\n"
	            "  OPENAI_BASE_URL=http://127.0.0.1:8080/v1 mishri run -m openai/local \"...\"\n"
	            "  mishri run --output-format json --max-turns 20 --timeout 10m - < goal.txt\n"
	            "  mishri run --resume TASK\n",
};
