/* serve_start.c - a goal that comes from outside, now or from a schedule, becomes a task: what may be chosen, by whom, and
 * within which bounds. The bearer of a token never gets more than the service's own configuration gives; it runs nothing itself. */
#include "cli/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/dirs.h"
#include "engine/instructions.h"
#include "policy/files.h"
#include "store/tokens.h"

#include "base/banned.h"

struct start {
	struct serve *serve;
	const struct serve_who *who;
	const struct serve_job *job;   /* it was stored earlier; NULL: somebody asks now */
	const json_t *body;
	char *workspace;
	struct config *config;
	json_t *policies, *told;
	const char *policy_list[REPEAT_MOST];
	const char *agent, *model, *plan;
	bool leads;
	struct llm_model *opened;
	struct policy_place *place;
	enum cell_level level;
};

/* What of the configuration a request may set; most: a token may only say less. */
static const struct { const char *field, *key; bool most; } settings[] = {
	{ "model", "model", false }, { "plan", "plan", false }, { "isolation", "isolation", false },
	{ "workspace_mode", "workspace_mode", false }, { "budget", "budget", true }, { "max_turns", "max_turns", true },
	{ "max_calls", "max_calls", true }, { "timeout", "timeout", true },
};
static const char *const fields[] = {
	"goal", "workspace", "agent", "session", "wait_for_approval", "policies", "user", "model", "plan", "isolation", "workspace_mode",
	"budget", "max_turns", "max_calls", "timeout",
};

/* ---- places ---- */

int serve_workspace_check(const struct serve *serve, const char *workspace, struct err *err)
{
	const char *list = config_text(serve->config, "serve.workspaces");
	struct str rest = str_of(list), one;

	while (rest.len > 0 && str_next(&rest, ',', &one)) {
		struct str name = str_trim(one);
		AUTO(freep) char *dir = xstrndup(name.ptr, name.len);
		AUTO(freep) char *resolved = realpath(dir, NULL);
		size_t len = resolved != NULL ? strlen(resolved) : 0;
		if (len > 1 && strncmp(workspace, resolved, len) == 0 && (workspace[len] == '\0' || workspace[len] == '/'))
			return 0;
	}
	if (list == NULL)
		return err_set(err, EACCES, "no workspace is open to tokens here: set serve.workspaces in the service's configuration");
	return err_set(err, EACCES, "workspace: '%.200s' is not in or below one of serve.workspaces of the service's configuration",
	               workspace);
}

static int read_workspace(struct start *s, struct err *err)
{
	const char *path = json_get_text(s->body, "workspace", NULL);

	if (path == NULL || path[0] != '/')
		return err_set(err, EINVAL, "workspace: an absolute path is wanted, such as \"/home/me/project\"");
	char *resolved = realpath(path, NULL);
	if (!s->who->trusted && (resolved == NULL || serve_workspace_check(s->serve, resolved, NULL) < 0)) {
		AUTO(freep) char *name = resolved;
		return serve_workspace_check(s->serve, name != NULL ? name : path, err) < 0 ? -EACCES
			: err_set(err, EINVAL, "workspace: there is no directory '%.200s'", path);
	}
	free(resolved);
	int r = cli_workspace(path, &s->workspace, err);
	if (r == 0 && !s->who->trusted) /* again: a task may have put a link in its place meanwhile */
		r = serve_workspace_check(s->serve, s->workspace, err);
	return r < 0 ? r : cli_check_data(s->serve->o, s->workspace, err);
}

/* ---- policy ---- */

int serve_load_policy(void *userdata, const char *workspace, const json_t *policies, struct policy_home **ret_home,
                      struct policy **ret, struct err *err)
{
	const struct serve *serve = userdata;
	const char *files[REPEAT_MOST];
	size_t count = 0, i;
	json_t *path;

	json_array_foreach((json_t *)policies, i, path)
		if (count < COUNT(files) && json_is_string(path))
			files[count++] = json_string_value(path);
	for (i = 0; count == 0 && i < serve->policy_count; i++)
		files[i] = serve->policies[i];
	int r = cli_policy_home(serve->o, workspace, files, count > 0 ? count : serve->policy_count, ret_home, err);
	if (r == 0)
		r = cli_load_home(*ret_home, ret, err);
	if (r < 0)
		policy_home_free(TAKE(*ret_home));
	return r;
}

static int add_policy(json_t *list, const char *name, struct err *err)
{
	AUTO(freep) char *path = policy_is_ready_made(name) ? xstrdup(name) : realpath(name, NULL);

	if (path == NULL || (path[0] != '/' && !policy_is_ready_made(name)))
		return err_sys(err, "policies: '%.200s'", name);
	json_array_append_new(list, json_string(path));
	return 0;
}

static int read_policies(struct start *s, struct err *err)
{
	const json_t *given = json_object_get(s->body, "policies"), *one;
	size_t i;
	int r = 0;

	s->policies = json_array();
	if (given != NULL && !s->who->trusted)
		return err_set(err, EACCES, "policies: a token chooses none; the service's own files and the project's hold");
	if (given != NULL && (!json_is_array(given) || json_array_size(given) >= REPEAT_MOST))
		return err_set(err, EINVAL, "policies: a list of fewer than %d file names is wanted", REPEAT_MOST);
	json_array_foreach((json_t *)given, i, one)
		if (r == 0)
			r = json_is_string(one) ? add_policy(s->policies, json_string_value(one), err)
				: err_set(err, EINVAL, "policies: file names are texts");
	for (i = 0; given == NULL && i < s->serve->policy_count; i++)
		json_array_append_new(s->policies, json_string(s->serve->policies[i]));
	json_array_foreach(s->policies, i, one)
		s->policy_list[i] = json_string_value(one);
	return r;
}

/* ---- settings ---- */

static int set_one(struct start *s, size_t i, const json_t *value, struct err *err)
{
	const char *key = settings[i].key;
	int64_t before = config_number(s->config, key);
	bool bounded = config_text(s->config, key) != NULL;
	char number[32];

	snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
	if (!json_is_string(value) && !json_is_integer(value))
		return err_set(err, EINVAL, "%s: a text or a whole number is wanted", settings[i].field);
	int r = config_set(s->config, key, json_is_string(value) ? json_string_value(value) : number, settings[i].field, err);
	if (r < 0 || !settings[i].most || s->who->trusted || !bounded || config_number(s->config, key) <= before)
		return r;
	return err_set(err, EACCES, "%s: a token may say less than the service's configuration does, not more", settings[i].field);
}

/* The higher, the less is written. */
static int mode_rank(const struct config *config)
{
	static const char *const modes[] = { "direct", "overlay", "readonly" };
	const char *mode = config_text(config, "workspace_mode");

	return mode != NULL ? MAX(name_find(modes, COUNT(modes), mode), 0) : 0;
}

static int read_settings(struct start *s, struct err *err)
{
	static const char *const levels[] = { "full", "reduced", "none" };
	bool usage;
	int r = cli_config(s->serve->o, s->workspace, NULL, 0, &s->config, &usage, err);
	int before = r == 0 ? name_find(levels, COUNT(levels), config_text(s->config, "isolation")) : 0;

	int mode = r == 0 ? mode_rank(s->config) : 0;
	/* The model of the command line is the service's, not the project's to take away. */
	if (r == 0 && option_given(s->serve->o, "--model"))
		r = config_set(s->config, "model", option_text(s->serve->o, "--model", ""), "--model", err);
	size_t at;
	json_t *pair;
	json_array_foreach(s->job != NULL ? json_object_get(s->body, "config") : NULL, at, pair)
		if (r == 0)
			r = config_set_pair(s->config, json_string_value(pair) != NULL ? json_string_value(pair) : "", err);
	for (size_t i = 0; r == 0 && i < COUNT(settings); i++) {
		const json_t *value = json_object_get(s->body, settings[i].field);
		if (value != NULL)
			r = set_one(s, i, value, err);
	}
	if (r < 0)
		return r;
	if (!s->who->trusted && mode_rank(s->config) < mode)
		return err_set(err, EACCES, "workspace_mode: a token may say overlay or readonly where the service's configuration lets more be"
		               " written, not the other way");
	int level = name_find(levels, COUNT(levels), config_text(s->config, "isolation"));
	if (level > before && !s->who->trusted)
		return err_set(err, EACCES, "isolation: a token may ask for more isolation than the service's configuration, not for less");
	s->level = (enum cell_level)level;
	s->plan = config_text(s->config, "plan");
	s->leads = strcmp(s->plan, "never") != 0;
	return 0;
}

static int read_agent(struct start *s, struct err *err)
{
	const struct agents *agents = config_agents(s->serve->config); /* those that the engine has */

	s->agent = json_get_text(s->body, "agent", s->leads ? "master" : "worker");
	const struct agent_profile *profile = agents_find(agents, s->agent);
	if (profile == NULL && strcmp(s->agent, "master") != 0 && strcmp(s->agent, "worker") != 0)
		return err_set(err, EINVAL, "agent: there is no agent '%.64s'; 'master' and 'worker' are always there", s->agent);
	s->leads = s->leads && strcmp(profile != NULL && profile->role != NULL ? profile->role : s->agent, "master") == 0;
	if (!s->leads)
		s->plan = "never";
	s->model = config_text(s->config, "model");
	if (profile != NULL && profile->model != NULL && json_object_get(s->body, "model") == NULL)
		s->model = profile->model;
	if (s->model == NULL || s->model[0] == '\0')
		return err_set(err, EINVAL, "model: none is set: give one (openai/NAME), or start the service with -m");
	return 0;
}

static const char *own_environment(void *unused, const char *name)
{
	(void)unused;
	return getenv(name);
}

/* Named by the service's command line or configuration, not by whoever asks. */
static bool is_own_model(const struct start *s)
{
	const char *own = config_text(s->serve->config, "model");
	size_t count;
	const struct agent_profile *all = agents_all(config_agents(s->serve->config), &count);

	if (own != NULL && strcmp(own, s->model) == 0)
		return true;
	for (size_t i = 0; i < count; i++)
		if (all[i].model != NULL && strcmp(all[i].model, s->model) == 0)
			return true;
	return false;
}

/* A command that brings a key is started before the loop runs, or not at all. A recording is a file, read as the service's user. */
static int check_key(const struct start *s, struct err *err)
{
	if (is_own_model(s))
		return 0;
	if (!s->who->trusted && strncmp(s->model, "recorded/", strlen("recorded/")) == 0)
		return err_set(err, EACCES, "a token names no file of this machine; the service's own recordings are those of -m and of"
		               " the agents of its configuration");
	if (!llm_key_is_command(s->model, own_environment, NULL))
		return 0;
	return err_set(err, EACCES, "the key of %.100s comes from a command, which only runs when the service starts: name that"
	               " model with -m or in an agent of the configuration", s->model);
}

static int check_model(const struct start *s, const char *user, struct err *err)
{
	char by[256];
	struct decision d;
	struct action action = { .kind = ACTION_MODEL };
	struct facts facts = {
		.user = user, .role = s->leads ? "master" : "worker", .agent = s->agent, .channel = s->who->channel, .workspace = s->workspace,
		.time_us = clock_wall_us(),
	};

	action.model.provider = llm_model_provider(s->opened);
	action.model.model = llm_model_name(s->opened);
	policy_decide(place_policy(s->place), &action, &facts, &d);
	if (policy_leaves_model(place_policy(s->place), &d))
		return 0;
	return err_set(err, EACCES, "model: %s %s by %s: %s", s->model,
	               d.effect == EFFECT_DENY ? "is denied" : "needs a person's approval", decision_by(&d, by, sizeof by), d.reason);
}

static int open_model(struct start *s, const char *user, struct err *err)
{
	int64_t budget = config_text(s->config, "budget") != NULL ? config_number(s->config, "budget") : -1;
	int r = check_key(s, err);

	if (r == 0)
		r = engine_model(s->serve->s.engine, s->model, &s->opened, err);
	if (r < 0) {
		err->code = r == -EACCES ? EACCES : EINVAL;
		return err_prefix(err, "model");
	}
	r = check_model(s, user, err);
	return r < 0 ? r : engine_check_budgets(place_policy(s->place), s->serve->s.prices, s->opened, budget, err);
}

/* ---- the request ---- */

static int read_goal(const struct start *s, struct err *err)
{
	const json_t *goal = json_object_get(s->body, "goal");
	const char *session = json_get_text(s->body, "session", NULL);

	if (!json_is_string(goal) || str_trim(str_of(json_string_value(goal))).len == 0)
		return err_set(err, EINVAL, "goal: a text is wanted that says what is to be done");
	if (strlen(json_string_value(goal)) != json_string_length(goal) || json_string_length(goal) > LIMIT_GOAL_BYTES)
		return err_set(err, EINVAL, "goal: it has a NUL, or more than %zu bytes", LIMIT_GOAL_BYTES);
	if (json_object_get(s->body, "session") != NULL && (session == NULL || !id_valid(session)))
		return err_set(err, EINVAL, "session: an id of %d characters is wanted, as GET /v1/tasks shows", ID_LEN);
	const json_t *wait = json_object_get(s->body, "wait_for_approval");
	if (wait != NULL && !json_is_boolean(wait))
		return err_set(err, EINVAL, "wait_for_approval: true or false is wanted");
	return 0;
}

static int read_user(const struct start *s, const char **ret, struct err *err)
{
	const char *wanted = json_get_text(s->body, "user", NULL);

	*ret = s->who->user;
	/* One engine, one Unix user: only root may act for another. */
	if (s->job != NULL && strcmp(s->who->user, s->serve->s.user) != 0 && geteuid() != 0)
		return err_set(err, EPERM, "it is of user %s, and this service runs as %s; start a `mishri serve` as %s, or as root",
		               s->who->user, s->serve->s.user, s->who->user);
	if (s->job != NULL || json_object_get(s->body, "user") == NULL || (wanted != NULL && strcmp(wanted, s->who->user) == 0))
		return 0;
	if (!s->who->root || wanted == NULL || wanted[0] == '\0' || strlen(wanted) > USER_LEN)
		return err_set(err, EACCES, "user: only root may act for another user; you are %s", s->who->user);
	*ret = wanted;
	return 0;
}

/* A session is one user's. Whether another has one of this name, a token is not told, nor may it take the name first. */
static int check_session(const struct start *s, const char *user, struct err *err)
{
	const char *session = json_get_text(s->body, "session", NULL);
	char owner[USER_LEN + 1];

	if (session == NULL || s->who->root)
		return 0;
	int r = store_session_user(s->serve->s.store, session, owner, err);
	if (r < 0 || (r > 0 && strcmp(owner, user) == 0) || (r == 0 && (s->job != NULL || s->who->trusted)))
		return MIN(r, 0);
	return err_set(err, EACCES, "session: there is none '%.40s' that you may go on with; leave it out to begin one", session);
}

static void say_line(const char *line)
{
	fprintf(stderr, "mishri: %s\n", line);
}

static struct run *begin(struct start *s, const char *user)
{
	const struct config *c = s->config;
	const struct serve_job none = { 0 }, *job = s->job != NULL ? s->job : &none;
	struct task_spec spec = {
		.task = job->task, .schedule = job->schedule, .user = user, .place = s->place, .opened = s->opened, .told = s->told,
		.goal = json_get_text(s->body, "goal", ""), .agent = s->agent, .role = s->leads ? "master" : "worker", .model = s->model,
		.workspace = s->workspace, .plan = s->plan, .channel = s->who->channel, .session = json_get_text(s->body, "session", NULL),
		.level = s->level, .mode = config_text(c, "workspace_mode"), .layer_bytes = config_number(c, "workspace_quota"),
		.limits = { .turns = config_number(c, "max_turns"), .calls = config_number(c, "max_calls"),
		            .timeout_ms = config_number(c, "timeout"), .output_bytes = config_number(c, "output_limit"),
		            .bounds = config_bounds(c) },
		.policies = s->policy_list, .policy_count = json_array_size(s->policies),
		.max_depth = s->leads ? (int)config_number(c, "max_depth") : 0,
		.wait_for_approval = json_get_bool(s->body, "wait_for_approval", true),
		.budget_nanos = config_text(c, "budget") != NULL ? config_number(c, "budget") : -1,
		.traceparent = s->who->traceparent, .tracestate = s->who->tracestate,
	};

	return engine_start(s->serve->s.engine, &spec);
}

static int prepare(struct start *s, const char **ret_user, struct err *err)
{
	int r = !json_is_object(s->body) ? err_set(err, EINVAL, "an object is wanted")
		: s->job != NULL ? 0 : json_only_keys(s->body, fields, COUNT(fields), err);

	if (r == 0)
		r = read_goal(s, err);
	if (r == 0)
		r = read_user(s, ret_user, err);
	if (r == 0)
		r = check_session(s, *ret_user, err);
	if (r == 0)
		r = read_workspace(s, err);
	if (r == 0)
		r = read_policies(s, err);
	if (r == 0)
		r = read_settings(s, err);
	if (r == 0)
		r = read_agent(s, err);
	if (r == 0)
		r = engine_place(s->serve->s.engine, s->workspace, s->policies, &s->place, err);
	return r < 0 ? r : open_model(s, *ret_user, err);
}

static void forget(struct start *s)
{
	json_decref(s->told);
	json_decref(s->policies);
	config_free(s->config);
	free(s->workspace);
}

static int start(struct start *s, struct run **ret, struct err *err)
{
	const char *user = s->who->user;
	int r = prepare(s, &user, err);

	if (r == 0) {
		if (!option_given(s->serve->o, "--no-user-config"))
			s->told = instructions_read(s->serve->data, s->workspace, say_line);
		*ret = begin(s, user);
	}
	forget(s);
	return r;
}

int serve_may_start(struct serve *serve, const struct serve_who *who, const json_t *body, struct err *err)
{
	struct start s = { .serve = serve, .who = who, .body = body };
	const char *user = who->user;
	int r = prepare(&s, &user, err);

	forget(&s);
	return r;
}

int serve_start(struct serve *serve, const struct serve_who *who, const json_t *body, struct run **ret, struct err *err)
{
	struct start s = { .serve = serve, .who = who, .body = body };

	return start(&s, ret, err);
}

int serve_job_start(struct serve *serve, const struct serve_job *job, struct run **ret, struct err *err)
{
	struct serve_who who = { .trusted = true, .channel = job->channel };
	struct start s = { .serve = serve, .who = &who, .job = job, .body = job->spec };

	snprintf(who.user, sizeof who.user, "%s", job->user);
	return start(&s, ret, err);
}
