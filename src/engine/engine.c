/* engine.c - tasks enter here and leave here: started, taken over, brought to rest.
 * How a task goes on in between stands in run.c. */
#include "engine/breaker.h"
#include "engine/cell_late.h"
#include "engine/charge.h"
#include "engine/egress.h"
#include "engine/fallback.h"
#include "engine/limits.h"
#include "engine/place.h"
#include "engine/reload.h"
#include "engine/secrets.h"
#include "engine/slots.h"
#include "engine/traceparent.h"

#include <string.h>
#include <unistd.h>

#include "base/banned.h"

static void on_store(void *userdata)
{
	struct engine *engine = userdata;

	store_dispatch(engine->setup.store);
}

static void on_lease_timer(void *userdata)
{
	struct engine *engine = userdata;
	struct run *next;

	for (struct run *run = engine->runs; run != NULL; run = next) {
		next = run->next;
		if (!run->over && !run->committing && run->generation > 0)
			(void)run_holds(run);
	}
	store_lease_renew(engine->setup.store);
	watch_arm(engine->lease_timer, LIMIT_LEASE_RENEW_MS);
}

/* A fact about the engine itself, in the chain that belongs to no task. */
void engine_emit(struct engine *engine, enum event_type type, json_t *owned_data)
{
	struct event e = { .type = type, .time_us = clock_wall_us(), .attempt = 1, .data = owned_data };

	json_put_text(owned_data, "engine", store_engine_id(engine->setup.store));
	size_t len = MIN(strlen(engine->setup.user), (size_t)USER_LEN);
	memcpy(e.user, engine->setup.user, len);
	store_append(engine->setup.store, &(struct store_batch){ .root = "", .task = "", .events = &e, .count = 1 });
}

/* ---- agents and their models ------------------------------------------------------------------------ */

const struct agent_profile *profile_find(const struct engine *engine, const char *name)
{
	for (size_t i = 0; i < engine->setup.profile_count; i++)
		if (strcmp(engine->setup.profiles[i].name, name) == 0)
			return &engine->setup.profiles[i];
	return NULL;
}

static const char *own_environment(void *unused, const char *name)
{
	(void)unused;
	return getenv(name);
}

static bool is_named(const struct llm_model *model, const char *name)
{
	AUTO(freep) char *whole = model != NULL ? xasprintf("%s/%s", llm_model_provider(model), llm_model_name(model)) : NULL;

	return whole != NULL && strcmp(whole, name) == 0;
}

int engine_model(struct engine *engine, const char *name, struct llm_model **ret, struct err *err)
{
	struct opened_model *m = engine->models;
	size_t count = 0;

	if (is_named(engine->setup.model, name)) {
		*ret = engine->setup.model;
		return 0;
	}
	for (; m != NULL && strcmp(m->name, name) != 0; m = m->next)
		count++;
	bool fresh = m == NULL;
	if (fresh && count >= LIMIT_MODELS_OPEN) /* whoever may name models could fill the memory with names */
		return err_set(err, EAGAIN, "%d other models were asked for since this engine began, which is the most; end it and start it "
		               "again, or name one of those", LIMIT_MODELS_OPEN);
	if (fresh) {
		m = xcalloc(1, sizeof *m);
		m->name = xstrdup(name);
		m->next = engine->models;
		engine->models = m;
	}
	/* Of a service the next task tries again: a file with the key may be there by now. A command would hold up the loop. */
	if (fresh || (m->model == NULL && engine->setup.service && !llm_key_is_command(name, own_environment, NULL))) {
		m->why = ERR_NONE;
		if (llm_model_open(name, own_environment, NULL, &m->model, &m->why) < 0)
			m->model = NULL;
	}
	if (m->model == NULL)
		return err_set(err, m->why.code, "%s", m->why.text);
	*ret = m->model;
	return 0;
}

/* One that cannot be opened is told of when somebody wants to use it. */
static void open_profile_models(struct engine *engine)
{
	struct llm_model *model;

	for (size_t i = 0; i < engine->setup.profile_count; i++)
		if (engine->setup.profiles[i].model != NULL && engine_model(engine, engine->setup.profiles[i].model, &model, NULL) < 0)
			continue;
}

/* A policy that names models holds for every agent. Nobody is asked in the middle of a run. */
static int model_permitted(const struct run *parent, const char *agent, const struct llm_model *model, struct err *err)
{
	struct action action = { .kind = ACTION_MODEL };
	struct decision d;
	struct facts facts;
	char by[256];

	facts_of(parent, &facts);
	facts.agent = agent;
	facts.role = "worker";
	action.model.provider = llm_model_provider(model);
	action.model.model = llm_model_name(model);
	policy_decide(run_policy(parent), &action, &facts, &d);
	if (policy_leaves_model(run_policy(parent), &d))
		return 0;
	return err_set(err, EACCES, "the model %s/%s of agent '%s' %s by %s: %s", action.model.provider, action.model.model,
	               agent, d.effect == EFFECT_DENY ? "is denied" : "needs a person's approval",
	               decision_by(&d, by, sizeof by), d.reason);
}

int engine_agent_model(const struct run *parent, const char *agent, const char *recorded, struct llm_model **ret, struct err *err)
{
	struct engine *engine = parent->engine;
	const struct agent_profile *profile = profile_find(engine, agent);
	struct llm_model *model = parent->model;

	/* One that began keeps what it began with; a new one without its profile would have more than it should. */
	if (recorded == NULL && profile == NULL && strcmp(agent, "worker") != 0)
		return err_set(err, EINVAL, "there is no agent '%.64s'; 'worker' is always there", agent);
	const char *name = recorded != NULL ? recorded : profile != NULL ? profile->model : NULL;
	int r = name != NULL ? engine_model(engine, name, &model, err) : 0;
	if (r < 0)
		return err_prefix(err, "the model of agent '%s' cannot be used", agent);
	r = model_permitted(parent, agent, model, err);
	if (r == 0)
		r = engine_check_budgets(run_policy(parent), engine->setup.prices, model,
		                         json_get_int(parent->task->config, "budget_usd_nanos", -1), err);
	if (r == 0)
		*ret = model;
	return r;
}

int engine_new(const struct engine_setup *setup, struct engine **ret, struct err *err)
{
	(void)err;
	struct engine *engine = xcalloc(1, sizeof *engine);

	engine->setup = *setup;
	engine->store_readable = watch_fd(setup->loop, store_fd(setup->store), on_store, engine);
	warden_watch(engine);
	engine->lease_timer = watch_timer(setup->loop, on_lease_timer, engine);
	watch_arm(engine->lease_timer, LIMIT_LEASE_RENEW_MS);
	inbox_open(engine);
	places_open(engine);
	open_profile_models(engine);
	fallback_open(engine);
	slots_open(engine);
	policy_watch_start(engine);
	health_open(engine);
	service_open(engine);
	rest_open(engine);
	engine_emit(engine, EVENT_ENGINE_STARTED, json_pack("{s:i, s:s}", "pid", (int)getpid(), "version", MISHRI_VERSION));
	*ret = engine;
	return 0;
}

void engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	inbox_close(engine);
	service_close(engine);
	rest_close(engine);
	watch_free(engine->lease_timer);
	watch_free(TAKE(engine->warden_readable));
	watch_free(TAKE(engine->reopen_timer));
	watch_free(TAKE(engine->drain_timer));
	drain_end_cells(engine);
	while (engine->runs != NULL) {
		struct run *run = engine->runs;
		engine->runs = run->next;
		run_free(run);
	}
	runs_close(engine);
	cell_kinds_forget(engine);
	shared_forget(&engine->shared);
	health_close(engine);
	engine_emit(engine, EVENT_ENGINE_STOPPED, json_pack("{s:s}", "reason", engine->drains > 0 ? "signal" : "done"));
	json_decref(engine->warned);
	json_decref(engine->tools_told);
	json_decref(engine->fresh_grants);
	policy_watch_end(engine);
	places_close(engine);
	breakers_free(engine);
	slots_close(engine);
	while (engine->models != NULL) {
		struct opened_model *m = engine->models;
		engine->models = m->next;
		llm_model_close(m->model);
		free(m->name);
		free(m);
	}
	watch_free(engine->store_readable);
	free(engine);
}

static json_t *strings(const char *const *texts, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_of_str(str_of(texts[i])));
	return array;
}

static json_t *limits_data(const struct task_limits *limits)
{
	json_t *data = json_pack("{s:I, s:I, s:I, s:I}", "turns", (json_int_t)limits->turns, "calls",
	                         (json_int_t)limits->calls, "timeout_ms", (json_int_t)limits->timeout_ms, "output_bytes",
	                         (json_int_t)limits->output_bytes);

	bounds_write(&limits->bounds, data);
	return data;
}

static int64_t at_most(int64_t wanted, int64_t limit)
{
	return wanted > 0 && wanted < limit ? wanted : limit;
}

/* What a resume must repeat. told: instructions and skills. */
static json_t *config_data(const struct engine *engine, const struct agent_profile *profile, const char *model, int max_depth,
                           const json_t *rights, const json_t *told)
{
	int64_t window = engine->setup.context_tokens;
	json_t *config = json_pack("{s:i, s:I, s:O}", "max_depth", max_depth, "context_tokens",
	                           (json_int_t)(window > 0 ? window : llm_window_tokens(model)), "rights", rights);
	static const char *const parts[] = { "instructions", "skills", "budget_usd_nanos", "tracestate", "trace_flags" };

	if (engine->setup.loops_ignored)
		json_put_bool(config, "loop_detect", false);
	if (profile != NULL && profile->prompt != NULL)
		json_put_text(config, "prompt", profile->prompt);
	if (secrets_count(engine->setup.secrets) > 0)
		json_put(config, "secrets", secrets_names(engine->setup.secrets));
	for (size_t i = 0; i < COUNT(parts); i++)
		if (json_object_get(told, parts[i]) != NULL)
			json_put(config, parts[i], json_incref(json_object_get(told, parts[i])));
	return config;
}

static json_t *created_data(const struct engine *engine, const struct task_spec *spec)
{
	json_t *data = json_object();
	const struct agent_profile *profile = profile_find(engine, spec->agent);
	AUTO(json_decrefp) json_t *rights = rights_of(NULL, profile);
	struct task_limits limits = spec->limits;

	limits.turns = at_most(profile != NULL ? profile->turns : 0, limits.turns);
	limits.timeout_ms = at_most(profile != NULL ? profile->timeout_ms : 0, limits.timeout_ms);
	if (profile != NULL)
		bounds_tighten(&limits.bounds, &profile->bounds);
	json_put_text(data, "goal", spec->goal);
	json_put_text(data, "agent", spec->agent);
	json_put_text(data, "role", spec->role);
	json_put_int(data, "depth", 0);
	json_put_text(data, "model", spec->model);
	json_put_text(data, "workspace", spec->workspace);
	json_put_text(data, "isolation", cell_level_name(spec->level));
	json_put_text(data, "channel", spec->channel);
	json_put_bool(data, "interactive", engine->setup.interactive);
	json_put_text(data, "plan", spec->plan);
	json_put(data, "tools", tools_of_role(spec->role, spec->plan, spec->max_depth > 0, false, rights));
	json_put(data, "policies", strings(spec->policies, spec->policy_count));
	json_put(data, "limits", limits_data(&limits));
	json_t *config = config_data(engine, profile, spec->model, spec->max_depth, rights, spec->told);
	bool layered = spec->mode != NULL && strcmp(spec->mode, "overlay") == 0;
	files_config(config, spec->mode, layered ? at_most(spec->layer_bytes, LIMIT_LAYER_MOST_BYTES) : 0, profile);
	if (spec->budget_nanos >= 0)
		json_put_int(config, "budget_usd_nanos", spec->budget_nanos);
	permit_task(config, NULL, profile);
	fallback_config(engine, profile, NULL, spec->model, config);
	if (spec->wait_for_approval)
		json_put_bool(config, "wait_for_approval", true);
	if (json_array_size(spec->flags) > 0)
		json_put(config, "flags", json_deep_copy(spec->flags));
	traceparent_config(spec, config);
	json_put(data, "config", config);
	if (spec->taint != NULL)
		json_put(data, "taint", json_deep_copy(spec->taint));
	if (spec->schedule != NULL)
		json_put(data, "schedule", json_deep_copy(spec->schedule));
	return data;
}

struct run *engine_start(struct engine *engine, const struct task_spec *spec)
{
	struct task *task = task_new();
	struct run *run = run_new(engine, task, NULL);

	if (spec->task != NULL)
		memcpy(task->id, spec->task, MIN(strlen(spec->task), (size_t)ID_LEN));
	else
		id_new(task->id);
	memcpy(task->root, task->id, sizeof task->root);
	if (spec->session != NULL)
		memcpy(task->session, spec->session, MIN(strlen(spec->session), (size_t)ID_LEN));
	else
		id_new(task->session);
	traceparent_enter(spec, task);
	const char *user = spec->user != NULL ? spec->user : engine->setup.user;
	memcpy(task->user, user, MIN(strlen(user), (size_t)USER_LEN));
	run->fresh = true;
	run->model = spec->opened != NULL ? spec->opened : engine->setup.model;
	run->place = spec->place != NULL ? spec->place : engine->places;
	run->level = spec->level;
	run->workspace = xstrdup(spec->workspace);
	run->opening = created_data(engine, spec);
	shared_opening(&engine->shared, run->opening);
	run->policies = json_incref(json_object_get(run->opening, "policies"));
	run->opening_type = EVENT_TASK_CREATED;
	run->carried = json_incref((json_t *)spec->carried);
	cell_begin(run);
	return run;
}

static void tell_cell(struct run *run, const json_t *mechanisms)
{
	int64_t ms = (clock_mono_ns() - run->cell_asked_ns) / 1000000;

	json_t *copy = json_deep_copy(mechanisms);
	cell_files_tell(run_policy(run), run->level, copy);
	run_emit(run, EVENT_CELL_OPENED, "task", "",
	         json_pack("{s:s, s:s, s:o, s:I}", "cell", run->cell_id, "level", cell_level_name(run->level), "mechanisms",
	                   copy != NULL ? copy : json_object(), "ms", (json_int_t)ms));
	health_note_cell(run->engine, mechanisms);
}

void run_opened(struct run *run, const json_t *mechanisms)
{
	const struct policy *policy = run_policy(run);

	if (run->reopening) {
		cell_reopened(run);
		tell_cell(run, mechanisms);
		run_step(run);
		return;
	}
	run_emit(run, run->opening_type, "task", "", TAKE(run->opening));
	carry_emit(run);
	run_emit(run, EVENT_POLICY_LOADED, "task", "",
	         json_pack("{s:s, s:o, s:I}", "policy", policy_digest(policy), "sources", policy_sources(policy), "rules",
	                   (json_int_t)policy_rule_count(policy)));
	if (mechanisms != NULL)
		tell_cell(run, mechanisms);
	approvals_resume(run);
	control_opened(run);
	run_step(run);
}

/* ---- taking over --------------------------------------------------------------------------------- */

static int replay_one(void *userdata, const struct event *event, struct err *err)
{
	return task_apply(userdata, event, err);
}

int engine_load(struct store *store, const char *task, struct task **ret, struct err *err)
{
	AUTO(task_freep) struct task *t = task_new();

	int r = store_replay(store, task, replay_one, t, err);
	if (r < 0)
		return r;
	if (t->phase == PHASE_NEW)
		return err_set(err, ENOENT, "there is no task '%s'; `mishri history` lists them", task);
	*ret = TAKE(t);
	return 0;
}

static enum cell_level level_of(const char *name)
{
	for (enum cell_level level = CELL_FULL; level <= CELL_NONE; level++)
		if (strcmp(cell_level_name(level), name) == 0)
			return level;
	return CELL_FULL;
}

/* What is kept back is for the one above to hear of a child that ran out of time, and to say so. */
static int64_t child_time_ms(int64_t left_ms)
{
	return MAX(left_ms - MIN(left_ms / 10, LIMIT_CHILD_RESERVE_MS), 1);
}

/* A child has never more rights, turns, calls or time than are left to its parent. */
static json_t *child_data(const struct run *parent, const struct child *child, const struct agent_profile *profile)
{
	const struct task *t = parent->task;
	int64_t spent_us = t->active_us + clock_wall_us() - t->run_since_us - t->paused_us;
	int max_depth = (int)json_get_int(t->config, "max_depth", 1), depth = t->depth + 1;
	const char *role = profile != NULL && profile->role != NULL && depth < max_depth ? profile->role : "worker";
	const struct task_limits limits = {
		.turns = at_most(profile != NULL ? profile->turns : 0, t->limits.turns),
		.calls = MAX(t->limits.calls - t->calls_total - t->below.calls, 1),
		.timeout_ms = at_most(profile != NULL ? profile->timeout_ms : 0, child_time_ms(t->limits.timeout_ms - spent_us / 1000)),
		.output_bytes = t->limits.output_bytes,
		.bounds = limits_of_child(t, profile),
	};
	json_t *data = json_object();
	const char *model = child->question ? parent->parent->task->model
		: profile != NULL && profile->model != NULL ? profile->model : t->model;
	const json_t *above = json_object_get(t->config, "rights");
	AUTO(json_decrefp) json_t *rights = rights_of(above != NULL ? above : t->tools, profile);

	json_put_text(data, "goal", child->goal);
	json_put_text(data, "agent", child->agent);
	json_put_text(data, "role", role);
	json_put_int(data, "depth", depth);
	json_put_text(data, "root", t->root);
	json_put_text(data, "model", model);
	json_put_text(data, "workspace", t->workspace);
	json_put_text(data, "isolation", t->isolation);
	json_put_text(data, "channel", t->channel);
	json_put_bool(data, "interactive", t->interactive);
	json_put_text(data, "plan", "never");
	json_put(data, "tools", tools_of_role(role, "auto", depth < max_depth, true, rights));
	json_put(data, "policies", json_incref(parent->policies));
	json_put(data, "limits", limits_data(&limits));
	if (t->taint_count > 0)
		json_put(data, "taint", task_taint_json(t));
	json_t *config = config_data(parent->engine, profile, model, max_depth, rights, t->config);
	files_config(config, json_get_text(t->config, "workspace_mode", NULL), files_layer_bytes(t->config), profile);
	permit_task(config, t->config, profile);
	fallback_config(parent->engine, profile, t->config, model, config);
	if (t->patient)
		json_put_bool(config, "wait_for_approval", true);
	json_put(data, "config", config);
	if (child->question)
		ask_master_shape(parent, data);
	return data;
}

static void child_as_new(struct run *run, const struct run *parent, const struct call *call, const struct child *child)
{
	struct task *t = run->task;
	const struct task *above = parent->task;

	memcpy(t->id, child->id, sizeof t->id);
	memcpy(t->root, above->root, sizeof t->root);
	memcpy(t->parent, above->id, sizeof t->parent);
	memcpy(t->session, above->session, sizeof t->session);
	memcpy(t->trace_id, above->trace_id, sizeof t->trace_id);
	memcpy(t->user, above->user, sizeof t->user);
	task_span(above, "call", call->id, t->parent_span_id);
	run->fresh = true;
	run->opening = child_data(parent, child, profile_find(parent->engine, child->agent));
	shared_opening(&parent->engine->shared, run->opening);
	run->opening_type = EVENT_TASK_CREATED;
}

static json_t *resumed_data(struct store *store, int64_t generation, const struct task *t)
{
	return json_pack("{s:s, s:I, s:s}", "engine", store_engine_id(store), "generation", (json_int_t)generation, "reason",
	                 t->phase == PHASE_PARKED ? "parked" : "crash");
}

int engine_child(struct run *parent, const struct call *call, const struct child *child, struct err *err)
{
	struct engine *engine = parent->engine;
	struct store *store = engine->setup.store;
	struct llm_model *model = NULL;
	AUTO(task_freep) struct task *task = NULL;
	int64_t generation = 0;

	int r = store_lease_take(store, child->id, &generation, err);
	if (r < 0 && r != -ENOENT)
		return r;
	bool fresh = r == -ENOENT;
	if (!fresh && (r = engine_load(store, child->id, &task, err)) < 0)
		return r;
	assert(fresh || task != NULL);
	AUTO(json_decrefp) json_t *carried = fresh && child->question ? json_array() : NULL;
	if (carried != NULL && (r = ask_master_words(parent, child, carried, err)) < 0)
		return r;
	const char *named = carried != NULL ? parent->parent->task->model : fresh ? NULL : task->model;
	r = engine_agent_model(parent, child->agent, named, &model, err);
	if (r == 0 && !fresh)
		r = fallback_resume(engine, task, &model, err);
	if (r < 0)
		return r;
	struct run *run = run_new(engine, fresh ? task_new() : TAKE(task), parent);
	memcpy(run->parent_call, call->id, sizeof run->parent_call);
	run->model = model;
	run->place = parent->place;
	run->generation = generation;
	run->level = parent->level;
	run->workspace = xstrdup(parent->workspace);
	run->policies = json_incref(parent->policies);
	run->input.cancelled = parent->input.cancelled;
	if (fresh) {
		child_as_new(run, parent, call, child);
		run->carried = json_incref(carried);
	} else {
		run->opening_type = EVENT_TASK_RESUMED;
		run->opening = resumed_data(store, generation, run->task);
		if (parent->task->patient)
			json_put_bool(run->opening, "wait_for_approval", true);
	}
	cell_begin(run);
	return 0;
}

/* What a provider must not give twice: recorded lines that earlier replies used. Each belongs to the model of
 * the task that got the reply. */
struct used_lines {
	struct engine *engine;
	int64_t upto;                  /* seq; 0: all */
	json_t *models;                /* {task: model} of the whole tree */
};

static bool note_model(void *userdata, const struct event_row *row)
{
	struct used_lines *used = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) < 0)
		return true;
	json_put_text(used->models, e.task, json_get_text(e.data, "model", ""));
	event_done(&e);
	return true;
}

/* Of thousands of replies by a provider none has a line; what has none is not worth parsing. */
static bool may_tell(struct str text)
{
	static const char line[] = "\"ref\":", another[] = "\"model.switched\"";

	return memmem(text.ptr, text.len, line, sizeof line - 1) != NULL ||
	       memmem(text.ptr, text.len, another, sizeof another - 1) != NULL;
}

static bool mark_used(void *userdata, const struct event_row *row)
{
	struct used_lines *used = userdata;
	struct llm_model *model;
	struct event e;

	if (used->upto > 0 && row->seq > used->upto)
		return false;
	if (!may_tell(row->text) || event_parse(row->text, &e, NULL) < 0)
		return true;
	const char *ref = json_get_text(e.data, "ref", NULL);
	if (e.type == EVENT_MODEL_SWITCHED)
		json_put_text(used->models, e.task, json_get_text(e.data, "to", ""));
	if (ref != NULL && engine_model(used->engine, json_get_text(used->models, e.task, ""), &model, NULL) == 0)
		llm_model_used(model, ref);
	event_done(&e);
	return true;
}

/* upto: the last event that counts; 0: all. */
static int mark_tree(struct engine *engine, const char *root, int64_t upto, struct err *err)
{
	AUTO(json_decrefp) json_t *models = json_object();
	struct used_lines used = { engine, upto, models };
	struct event_filter created = { .task = root, .tree = true, .type = "task.created" };
	struct event_filter replied = { .task = root, .tree = true, .type = "model." };
	const char *task;
	json_t *name;
	struct llm_model *model;

	int r = store_events(engine->setup.store, &created, note_model, &used, err);
	if (r < 0)
		return r;
	json_object_foreach(models, task, name)
		if (engine_model(engine, json_string_value(name), &model, NULL) < 0)
			continue; /* told of when the task goes on */
	return store_events(engine->setup.store, &replied, mark_used, &used, err);
}

static int go_on(struct engine *engine, const char *id, const json_t *policies, bool wait_for_approval, int64_t generation,
                 struct run **ret, struct err *err)
{
	AUTO(task_freep) struct task *task = NULL;
	struct store *store = engine->setup.store;
	struct llm_model *model = NULL;
	struct policy_place *place = NULL;

	int r = engine_load(store, id, &task, err);
	if (r < 0)
		return r;
	assert(task != NULL);
	if (task->phase == PHASE_ENDED)
		return err_set(err, EALREADY, "task %s has ended", id);
	r = mark_tree(engine, task->root, 0, err);
	if (r == 0 && task->forked_from[0] != '\0')
		r = mark_tree(engine, task->forked_from, task->forked_at, err);
	if (r == 0)
		r = engine_place(engine, task->workspace, policies, &place, err);
	if (r == 0)
		r = engine_model(engine, task->model, &model, err);
	if (r == 0)
		r = fallback_resume(engine, task, &model, err);
	if (r < 0)
		return r;
	struct run *run = run_new(engine, TAKE(task), NULL);
	run->generation = generation;
	run->model = model;
	run->place = place;
	run->policies = json_incref((json_t *)policies);
	run->level = level_of(run->task->isolation);
	run->workspace = xstrdup(run->task->workspace);
	run->opening_type = EVENT_TASK_RESUMED;
	run->opening = resumed_data(store, generation, run->task);
	if (wait_for_approval || run->task->patient) /* it stays what it was told to be */
		json_put_bool(run->opening, "wait_for_approval", true);
	cell_begin(run);
	*ret = run;
	return 0;
}

int engine_resume(struct engine *engine, const char *id, const json_t *policies, bool wait_for_approval, struct run **ret,
                  struct err *err)
{
	int64_t generation;

	int r = store_lease_take(engine->setup.store, id, &generation, err);
	if (r < 0)
		return r;
	r = go_on(engine, id, policies, wait_for_approval, generation, ret, err);
	if (r < 0)
		store_lease_drop(engine->setup.store, id, generation); /* another engine may be able to */
	return r;
}

/* ---- the loop, and its end ------------------------------------------------------------------------- */

void engine_loop(struct engine *engine)
{
	if (engine->setup.service || engine->active > 0)
		loop_run(engine->setup.loop);
}

int engine_answer(struct engine *engine, const struct answer *answer, struct err *err)
{
	struct answer w = *answer;

	w.by = engine->setup.user;
	w.time_us = clock_wall_us();
	for (struct run *run = engine->runs; run != NULL; run = run->next) {
		if (run->over || task_approval(run->task, w.approval) == NULL)
			continue;
		int r = approval_take(run, &w, err);
		run_step(run);
		return r;
	}
	return err_set(err, ENOENT, "it does not wait any more");
}

void engine_say(struct engine *engine, const char *question, const char *words)
{
	for (struct run *run = engine->runs; run != NULL; run = run->next)
		if (control_answer(run, question, engine->setup.user, words, ""))
			return;
}

const struct task *run_task(const struct run *run)
{
	return run->task;
}

const struct err *run_failure(const struct run *run)
{
	static const struct err none = { 0 };

	return run->failure != NULL ? run->failure : &none;
}

enum run_failure_kind run_failure_kind(const struct run *run)
{
	return run->failure_kind;
}

/* ---- the environment of tools ------------------------------------------------------------------------ */

char **tool_environment(const char *workspace, const char *user, const char *tmp, bool proxy)
{
	char **env = xcalloc(32, sizeof *env);
	size_t n = 0;

	env[n++] = xstrdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	env[n++] = xasprintf("HOME=%s", tmp);
	env[n++] = xasprintf("TMPDIR=%s", tmp);
	env[n++] = xstrdup("LC_CTYPE=C.UTF-8");
	env[n++] = xstrdup("TERM=dumb");
	env[n++] = xstrdup("SHELL=/bin/sh");
	env[n++] = xasprintf("USER=%s", user);
	env[n++] = xasprintf("LOGNAME=%s", user);
	env[n++] = xasprintf("PWD=%s", workspace);
	for (size_t i = 0; proxy && egress_environment[i] != NULL; i++)
		env[n++] = xstrdup(egress_environment[i]);
	env[n] = NULL;
	return env;
}

void tool_environment_free(char **env)
{
	for (size_t i = 0; env != NULL && env[i] != NULL; i++)
		explicit_bzero(env[i], strlen(env[i])); /* it may hold a secret */
	for (size_t i = 0; env != NULL && env[i] != NULL; i++)
		free(env[i]);
	free(env);
}
