/* fallback.c - models that stand in for another. It opens them before the loop runs, asks policy and budgets about each
 * before it is used, and carries the change out; when there is one is decided in core/models.c. Nobody is asked in the
 * middle of a run: a model that needs a person's word is passed over. */
#include "engine/fallback.h"
#include "engine/breaker.h"

#include <string.h>

#include "base/banned.h"

/* "3.1" as an id that every provider takes. */
static json_t *call_name(const char *ref)
{
	AUTO(freep) char *text = xasprintf("call_%s", ref);

	text[strcspn(text, ".")] = text[strcspn(text, ".")] == '.' ? '_' : '\0';
	return json_string(text);
}

/* Are two models of one provider? "openai/a" and "openai/b" are. */
static bool is_related(const char *a, const char *b)
{
	size_t len = strcspn(a, "/");

	return strncmp(a, b, len) == 0 && b[len] == '/';
}

json_t *fallback_messages(const struct task *t)
{
	const char *now = task_model(t, t->models.at);
	bool foreign = false;                  /* the calls of the last reply came from elsewhere */
	json_t *all = json_array(), *m;
	size_t i, k;

	json_array_foreach(t->messages, i, m) {
		const char *by = json_get_text(m, "by", NULL), *role = json_get_text(m, "role", "");
		json_t *calls = json_object_get(m, "calls"), *call, *renamed;
		foreign = strcmp(role, "assistant") == 0 ? by != NULL && !is_related(by, now) : foreign;
		if (!foreign || strcmp(role, "user") == 0) {
			json_array_append(all, m);
			continue;
		}
		json_t *copy = json_copy(m);
		json_object_del(copy, "opaque");
		if (json_get_text(m, "ref", NULL) != NULL && json_get_text(m, "call", NULL) != NULL)
			json_put(copy, "call", call_name(json_get_text(m, "ref", "")));
		if (calls != NULL)
			json_put(copy, "calls", json_array());
		json_array_foreach(calls, k, call) {
			renamed = json_copy(call);
			json_put(renamed, "id", call_name(json_get_text(call, "ref", "")));
			json_array_append_new(json_object_get(copy, "calls"), renamed);
		}
		json_array_append_new(all, copy);
	}
	return all;
}

static bool has_name(const json_t *names, const char *name)
{
	for (size_t i = 0; i < json_array_size(names); i++)
		if (strcmp(json_string_value(json_array_get(names, i)), name) == 0)
			return true;
	return false;
}

int fallback_read(const char *text, const char *own, json_t **ret, struct err *err)
{
	AUTO(json_decrefp) json_t *names = json_array();
	struct str one;

	for (struct str rest = str_of(text != NULL ? text : ""); text != NULL && str_next(&rest, ',', &one);) {
		struct str name = str_trim(one);
		AUTO(freep) char *copy = xstrndup(name.ptr, name.len);
		const char *slash = strchr(copy, '/');
		if (slash == NULL || slash == copy || slash[1] == '\0')
			return err_set(err, EINVAL, "fallback: '%s' must be PROVIDER/MODEL; several are separated by commas: "
			               "openai/gpt-5-mini, ollama/llama3", copy);
		if (has_name(names, copy) || (own != NULL && strcmp(own, copy) == 0))
			return err_set(err, EINVAL, "fallback: %s is in the chain twice; leave one out", copy);
		if (json_array_size(names) == LIMIT_FALLBACKS)
			return err_set(err, EINVAL, "fallback: there are more than %d models; leave some out", LIMIT_FALLBACKS);
		json_array_append_new(names, json_string(copy));
	}
	*ret = TAKE(names);
	return 0;
}

json_t *fallback_chain(const struct agent_profile *profile, const json_t *from, const char *model)
{
	json_t *names = json_array();

	if (profile != NULL && profile->fallback != NULL)
		for (size_t i = 0; i < profile->fallback_count; i++)
			json_array_append_new(names, json_string(profile->fallback[i]));
	else
		for (size_t i = 0; i < json_array_size(from); i++)
			if (strcmp(json_string_value(json_array_get(from, i)), model) != 0)
				json_array_append(names, json_array_get(from, i));
	return names;
}

static int64_t or_else(int64_t given, int64_t otherwise)
{
	return given > 0 ? given : otherwise;
}

void fallback_config(const struct engine *engine, const struct agent_profile *profile, const json_t *above, const char *model,
                     json_t *config)
{
	const struct engine_patience *p = &engine->setup.patience;
	json_t *chain = fallback_chain(profile, above != NULL ? json_object_get(above, "fallback") : engine->setup.fallback, model);

	json_put(config, "retry", json_pack("{s:I, s:I, s:I, s:I, s:I}", "attempts",
	         (json_int_t)or_else(p->attempts, LIMIT_MODEL_ATTEMPTS),
	         "tool_attempts", (json_int_t)or_else(p->tool_attempts, LIMIT_TOOL_ATTEMPTS), "time_ms",
	         (json_int_t)or_else(p->time_ms, LIMIT_RETRY_TIME_MS), "wait_ms", (json_int_t)or_else(p->wait_ms, LIMIT_RETRY_AFTER_MS),
	         "stay_ms", (json_int_t)or_else(p->stay_ms, LIMIT_FALLBACK_STAY_MS)));
	if (json_array_size(chain) == 0) {
		json_decref(chain);
		return;
	}
	json_put(config, "fallback", chain);
	if (engine->setup.fallback_auth)
		json_put_bool(config, "fallback_auth", true);
}

void fallback_open(struct engine *engine)
{
	struct llm_model *model;

	for (size_t i = 0; i < json_array_size(engine->setup.fallback); i++)
		if (engine_model(engine, json_string_value(json_array_get(engine->setup.fallback, i)), &model, NULL) < 0)
			continue; /* told of when it would be asked */
	for (size_t i = 0; i < engine->setup.profile_count; i++)
		for (size_t k = 0; k < engine->setup.profiles[i].fallback_count; k++)
			if (engine_model(engine, engine->setup.profiles[i].fallback[k], &model, NULL) < 0)
				continue;
}

int fallback_resume(struct engine *engine, const struct task *t, struct llm_model **model, struct err *err)
{
	struct llm_model *opened;

	for (size_t at = 1; task_model(t, at) != NULL; at++) { /* all of them: the loop does not run yet */
		int r = engine_model(engine, task_model(t, at), &opened, err);
		if (r < 0 && at == t->models.at)
			return err_prefix(err, "%s, which the task asks now", task_model(t, at));
		if (at == t->models.at)
			*model = opened;
	}
	return 0;
}

/* May it be asked? */
static int check_model(const struct run *run, const char *name, struct llm_model **ret, struct err *err)
{
	const struct engine_setup *setup = &run->engine->setup;
	struct action action = { .kind = ACTION_MODEL };
	struct decision d;
	struct facts facts;
	char by[256];

	int r = engine_model(run->engine, name, ret, err);
	if (r < 0)
		return r;
	facts_of(run, &facts);
	action.model.provider = llm_model_provider(*ret);
	action.model.model = llm_model_name(*ret);
	policy_decide(run_policy(run), &action, &facts, &d);
	if (!policy_leaves_model(run_policy(run), &d))
		return err_set(err, EACCES, "%s %s by %s", name, d.effect == EFFECT_DENY ? "is denied" : "needs a person's approval",
		               decision_by(&d, by, sizeof by));
	return engine_check_budgets(run_policy(run), setup->prices, *ret, json_get_int(run->task->config, "budget_usd_nanos", -1), err);
}

void fallback_see(struct run *run)
{
	struct task *t = run->task;
	bool look = t->model_phase == MODEL_FAILED || t->models.at > 0;
	struct llm_model *model;
	struct err why;

	memset(run->input.models, 0, sizeof run->input.models);
	if (t->phase != PHASE_ACTIVE || (run->engine->breakers == NULL && !look))
		return;
	for (size_t at = 0; task_model(t, at) != NULL && at <= LIMIT_FALLBACKS; at++) {
		breaker_see(run->engine, task_model(t, at), &run->input.models[at]);
		look |= run->input.models[at].until_us != 0;
	}
	for (size_t at = 0; look && task_model(t, at) != NULL && at <= LIMIT_FALLBACKS; at++)
		run->input.models[at].barred = at != t->models.at && check_model(run, task_model(t, at), &model, &why) < 0;
}

/* Why, and what was passed over on the way. */
static char *reason_of(const struct run *run, const struct step *step)
{
	const struct task *t = run->task;
	struct buf text = BUF_INIT(KIB(8));
	struct llm_model *model;
	struct err why = ERR_NONE;

	if (strcmp(step->status, "return") == 0)
		buf_printf(&text, "%s may be there again", task_model(t, step->model));
	else if (strcmp(step->status, "breaker") == 0)
		buf_printf(&text, "%s failed so often that it is left alone for a while", task_model(t, t->models.at));
	else
		buf_printf(&text, "%s", t->failure_text);
	for (size_t at = 1; at < step->model; at++)
		if (run->input.models[at].barred && check_model(run, task_model(t, at), &model, &why) < 0)
			buf_printf(&text, "; passed over: %s", why.text);
	return buf_take(&text);
}

void fallback_switch(struct run *run, const struct step *step)
{
	const struct task *t = run->task;
	const struct engine_setup *setup = &run->engine->setup;
	const char *to = task_model(t, step->model);
	int64_t stay_ms = json_get_int(json_object_get(t->config, "retry"), "stay_ms", LIMIT_FALLBACK_STAY_MS);
	int64_t window = step->model == 0 ? json_get_int(t->config, "context_tokens", 0)
	                                  : or_else(setup->context_tokens, llm_window_tokens(to));
	AUTO(freep) char *reason = reason_of(run, step);
	AUTO(freep) char *turn = xasprintf("%lld", (long long)t->turns + 1);
	struct err err = ERR_NONE;

	if (engine_model(run->engine, to, &run->model, &err) < 0) {
		run_fail(run, RUN_STORE, &err);
		return;
	}
	json_t *data = json_pack("{s:I, s:s, s:s, s:I, s:s, s:I, s:I}", "turn", (json_int_t)t->turns + 1, "from",
	                         task_model(t, t->models.at), "to", to, "at", (json_int_t)step->model, "class", step->status,
	                         "window", (json_int_t)window, "stay_ms", (json_int_t)(step->model == 0 ? 0 : stay_ms));
	json_put_text(data, "reason", reason);
	run_emit(run, EVENT_MODEL_SWITCHED, "turn", turn, data);
}
