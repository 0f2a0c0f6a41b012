/* serve_job.c - from stored words to a task of the engine: configuration of its workspace, policy, model, budget. It is
 * `mishri run` without a terminal: what that would ask a person is refused here. */
#include "cli/serve_job.h"

#include <string.h>
#include <unistd.h>

#include "engine/instructions.h"

#include "base/banned.h"

struct plan {                          /* what it comes to */
	struct serve *serve;
	const struct serve_job *job;
	struct config *config;
	char *workspace;
	const char *policies[REPEAT_MOST];
	size_t policy_count;
	struct policy *policy;         /* for the questions before the start; the engine has its own */
	struct policy_place *place;
	struct llm_model *model;
	json_t *told;
	const char *model_name, *agent, *plan;
	bool leads;
	int64_t budget_nanos;
};

static void plan_done(struct plan *p)
{
	config_free(p->config);
	free(p->workspace);
	policy_free(p->policy);
	json_decref(p->told);
}

/* One engine, one Unix user: only root may act for another. */
static int check_user(const struct plan *p, struct err *err)
{
	if (strcmp(p->job->user, p->serve->s.user) == 0 || geteuid() == 0)
		return 0;
	return err_set(err, EPERM, "it is of user %s, and this service runs as %s; start a `mishri serve` as %s, or as root", p->job->user,
	               p->serve->s.user, p->job->user);
}

static int read_config(struct plan *p, struct err *err)
{
	static const char *const keys[] = { "model", "plan", "max_turns", "timeout", "isolation", "workspace_mode", "budget" };
	const json_t *spec = p->job->spec;
	size_t i;
	json_t *pair;

	int r = config_load_usual(p->serve->data, p->workspace, option_given(p->serve->o, "--no-user-config"), &p->config, err);
	const char *usual = config_text(p->serve->config, "model");
	if (r == 0 && usual != NULL && config_text(p->config, "model") == NULL)
		r = config_set(p->config, "model", usual, "serve", err);
	json_array_foreach(json_object_get(spec, "config"), i, pair)
		if (r == 0)
			r = config_set_pair(p->config, json_string_value(pair) != NULL ? json_string_value(pair) : "", err);
	for (size_t k = 0; k < COUNT(keys) && r == 0; k++)
		if (json_get_text(spec, keys[k], NULL) != NULL)
			r = config_set(p->config, keys[k], json_get_text(spec, keys[k], ""), keys[k], err);
	return r;
}

/* Who begins, and with which model: as `mishri run` has it. */
static int choose_agent(struct plan *p, struct err *err)
{
	const char *named = json_get_text(p->job->spec, "agent", NULL);

	p->plan = config_text(p->config, "plan");
	p->leads = strcmp(p->plan, "never") != 0;
	p->agent = named != NULL ? named : p->leads ? "master" : "worker";
	const struct agent_profile *profile = agents_find(config_agents(p->serve->config), p->agent);
	if (profile == NULL && strcmp(p->agent, "master") != 0 && strcmp(p->agent, "worker") != 0)
		return err_set(err, EINVAL, "there is no agent '%.64s' in the configuration of the service; "
		               "'master' and 'worker' are always there",
		               p->agent);
	p->leads = p->leads && strcmp(profile != NULL ? profile->role : p->agent, "master") == 0;
	if (!p->leads)
		p->plan = "never";
	p->model_name = config_text(p->config, "model");
	if (profile != NULL && profile->model != NULL && json_get_text(p->job->spec, "model", NULL) == NULL)
		p->model_name = profile->model;
	if (p->model_name == NULL || p->model_name[0] == '\0')
		return err_set(err, EINVAL, "no model is set: give one with -m, or start the service with one");
	return engine_model(p->serve->s.engine, p->model_name, &p->model, err);
}

static int read_policies(struct plan *p, struct err *err)
{
	const json_t *list = json_object_get(p->job->spec, "policies");
	AUTO(json_decrefp) json_t *none = json_array();
	size_t i;
	json_t *path;

	json_array_foreach(list, i, path)
		if (p->policy_count < COUNT(p->policies) && json_is_string(path))
			p->policies[p->policy_count++] = json_string_value(path);
	if (p->policy_count == 0)
		p->policy_count = option_all(p->serve->o, "--policy", p->policies, COUNT(p->policies));
	int r = cli_load_policy(p->serve->o, p->workspace, p->policies, p->policy_count, &p->policy, err);
	return r < 0 ? r : engine_place(p->serve->s.engine, p->workspace, list != NULL ? list : none, &p->place, err);
}

/* A policy that names models says which may be used; nobody is there to be asked. */
static int check_model(const struct plan *p, struct err *err)
{
	struct decision d;
	struct action action = { .kind = ACTION_MODEL };
	struct facts facts = {
		.user = p->job->user, .role = p->leads ? "master" : "worker", .agent = p->agent, .channel = p->job->channel,
		.workspace = p->workspace, .time_us = clock_wall_us(),
	};

	action.model.provider = llm_model_provider(p->model);
	action.model.model = llm_model_name(p->model);
	policy_decide(p->policy, &action, &facts, &d);
	if (d.rule != NULL && d.effect != EFFECT_ALLOW)
		return err_set(err, EACCES, "the model %s %s by %s (%s): %s", p->model_name,
		               d.effect == EFFECT_DENY ? "is denied" : "needs a person's approval", d.rule, d.source, d.reason);
	return engine_check_budgets(p->policy, config_prices(p->serve->config), p->model, p->budget_nanos, err);
}

static void say_line(const char *line)
{
	complain(0, "%s", line);
}

static struct run *start(const struct plan *p)
{
	static const char *const levels[] = { "full", "reduced", "none" };
	const struct task_spec spec = {
		.task = p->job->task, .schedule = p->job->schedule, .user = p->job->user, .place = p->place, .opened = p->model,
		.goal = json_get_text(p->job->spec, "goal", ""), .agent = p->agent, .role = p->leads ? "master" : "worker",
		.model = p->model_name, .workspace = p->workspace, .plan = p->plan, .channel = p->job->channel,
		.level = (enum cell_level)name_find(levels, COUNT(levels), config_text(p->config, "isolation")),
		.mode = config_text(p->config, "workspace_mode"), .layer_bytes = config_number(p->config, "workspace_quota"),
		.limits = {
			.turns = config_number(p->config, "max_turns"), .calls = config_number(p->config, "max_calls"),
			.timeout_ms = config_number(p->config, "timeout"), .output_bytes = config_number(p->config, "output_limit"),
			.bounds = config_bounds(p->config),
		},
		.policies = p->policies, .policy_count = p->policy_count, .max_depth = p->leads ? (int)config_number(p->config, "max_depth") : 0,
		.wait_for_approval = true, .budget_nanos = p->budget_nanos, .told = p->told,
	};

	return engine_start(p->serve->s.engine, &spec);
}

int serve_job_start(struct serve *serve, const struct serve_job *job, struct run **ret, struct err *err)
{
	AUTO(plan_done) struct plan p = { .serve = serve, .job = job };

	int r = check_user(&p, err);
	if (r == 0)
		r = cli_workspace(json_get_text(job->spec, "workspace", ""), &p.workspace, err);
	if (r == 0)
		r = cli_check_data(serve->o, p.workspace, err);
	if (r == 0)
		r = read_config(&p, err);
	if (r == 0)
		r = choose_agent(&p, err);
	if (r < 0)
		return r;
	p.budget_nanos = config_text(p.config, "budget") != NULL ? config_number(p.config, "budget") : -1;
	r = read_policies(&p, err);
	if (r == 0)
		r = check_model(&p, err);
	if (r < 0)
		return r;
	if (!option_given(serve->o, "--no-user-config"))
		p.told = instructions_read(serve->data, p.workspace, say_line);
	*ret = start(&p);
	return 0;
}
