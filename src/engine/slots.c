/* slots.c - a step that is work (a model call, a tool in the cell) begins with a slot and not before; when the work is
 * over the slot is given back, so that who waits for workers, a person or a pause holds none. The order is
 * core/slots.c's. Nothing that runs is interrupted: who must give way waits with its next step. */
#include "engine/slots.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

/* ---- who has one and was not told ---- */

static void on_granted(void *userdata)
{
	struct engine *engine = userdata;

	while (engine->granted_count > 0) {
		struct run *run = engine->granted[0];
		memmove(engine->granted, engine->granted + 1, --engine->granted_count * sizeof *engine->granted);
		run_step(run);
	}
}

void slots_open(struct engine *engine)
{
	const struct engine_slots *setup = &engine->setup.slots;
	int64_t limits[SLOT_SCOPES];

	for (size_t i = 0; i < SLOT_SCOPES; i++)
		limits[i] = setup->at[i] > 0 ? setup->at[i] : LIMIT_SLOTS_DEFAULT;
	engine->slots = slots_new(limits);
	for (size_t i = 0; i < engine->setup.profile_count; i++)
		if (engine->setup.profiles[i].slots > 0)
			slots_limit(engine->slots, SLOT_AGENT, engine->setup.profiles[i].name, engine->setup.profiles[i].slots);
	struct str rest = str_of(setup->providers != NULL ? setup->providers : ""), name;
	for (int64_t most; slots_provider(&rest, &name, &most, NULL) > 0;) {
		AUTO(freep) char *whole = xstrndup(name.ptr, name.len);
		slots_limit(engine->slots, SLOT_PROVIDER, whole, most);
	}
	engine->slots_timer = watch_timer(engine->setup.loop, on_granted, engine);
}

void slots_close(struct engine *engine)
{
	watch_free(engine->slots_timer);
	free(engine->granted);
	slots_free(engine->slots);
}

static void forget_grant(const struct run *run)
{
	struct engine *engine = run->engine;

	for (size_t i = 0; i < engine->granted_count; i++)
		if (engine->granted[i] == run) {
			memmove(engine->granted + i, engine->granted + i + 1, (engine->granted_count - i - 1) * sizeof *engine->granted);
			engine->granted_count--;
			return;
		}
}

/* Gives out what is free. Whoever asks just now goes on at once; the others are told from the loop. */
static void give_out(struct engine *engine, const struct run *asks)
{
	for (struct slot_seat *seat; (seat = slots_next(engine->slots)) != NULL;) {
		struct run *run = seat->owner;

		assert(run != NULL);
		watch_free(TAKE(run->slot_timer));
		if (run == asks)
			continue;
		engine->granted = xrealloc(engine->granted, (engine->granted_count + 1) * sizeof *engine->granted);
		engine->granted[engine->granted_count++] = run;
		watch_arm(engine->slots_timer, 0);
	}
}

static void give_back(struct run *run)
{
	forget_grant(run);
	slots_leave(run->engine->slots, &run->seat);
}

void slots_drop(struct run *run)
{
	watch_free(TAKE(run->slot_timer));
	if (run->seat.lane == NULL)
		return;
	give_back(run);
	give_out(run->engine, NULL);
}

/* ---- who waits says so ---- */

static bool is_at(const struct run *run, const struct slot_state *why)
{
	const char *name[SLOT_SCOPES] = {
		[SLOT_ENGINE] = "", [SLOT_USER] = run->task->user, [SLOT_PROVIDER] = llm_model_provider(run->model),
		[SLOT_AGENT] = run->task->agent,
	};

	return run->seat.holds && why->scope < SLOT_SCOPES && name[why->scope] != NULL && strcmp(name[why->scope], why->name) == 0;
}

static json_t *behind(const struct engine *engine, const struct slot_state *why)
{
	json_t *tasks = json_array();

	for (const struct run *run = engine->runs; run != NULL && json_array_size(tasks) < LIMIT_SLOT_BEHIND; run = run->next)
		if (is_at(run, why))
			json_array_append_new(tasks, json_string(run->task->id));
	return tasks;
}

static void on_long_wait(void *userdata)
{
	struct run *run = userdata;
	struct slot_state why;

	if (run->over || run->seat.lane == NULL || run->seat.holds || run->task->phase != PHASE_ACTIVE)
		return;
	slots_why(run->engine->slots, &run->seat, &why);
	run_emit(run, EVENT_SLOT_WAITING, "task", "",
	         json_pack("{s:I, s:s, s:s, s:I, s:I, s:I, s:o}", "since_us", (json_int_t)run->seat.since_us, "scope",
	                   why.scope < SLOT_SCOPES ? slot_scope_name(why.scope) : "queue", "name", why.name, "running",
	                   (json_int_t)why.running, "limit", (json_int_t)why.limit, "ahead", (json_int_t)why.ahead, "behind",
	                   behind(run->engine, &why)));
	run_step(run);
}

/* ---- a step that is work ---- */

static bool is_work(const struct step *step)
{
	const struct tool *tool = step->type == STEP_RUN_CALL ? tool_find(step->call->tool) : NULL;

	return step->type == STEP_CALL_MODEL || (tool != NULL && !tool->control);
}

/* Its own; where it has none, that of the task above. */
static int64_t priority_of(const struct run *run)
{
	while (run->task->priority == 0 && run->parent != NULL)
		run = run->parent;
	return run->task->priority;
}

static struct slot_want want_of(const struct run *run, bool model)
{
	return (struct slot_want){
		.user = run->task->user, .agent = run->task->agent, .provider = model ? llm_model_provider(run->model) : NULL,
		.priority = priority_of(run), .now_us = clock_wall_us(),
	};
}

/* In the queue; where it waits there already under another priority, with the time that it has waited. */
static void ask(struct run *run, struct slot_want *want)
{
	if (run->seat.lane != NULL && !run->seat.holds)
		want->now_us = run->seat.since_us;
	give_back(run);
	run->seat.owner = run;
	slots_enter(run->engine->slots, &run->seat, want);
	give_out(run->engine, run);
}

bool slots_hold_up(struct run *run, const struct step *step)
{
	bool fresh = run->seat.holds && !run->slot_used;

	if (!is_work(step))
		return false;
	struct slot_want want = want_of(run, step->type == STEP_CALL_MODEL);
	if (!fresh && (run->seat.lane == NULL || run->seat.holds || run->seat.priority != want.priority))
		ask(run, &want);
	run->slot_used = run->seat.holds;
	run->slot_wanted = !run->seat.holds;
	if (run->slot_wanted && run->slot_timer == NULL) {
		run->slot_timer = watch_timer(run->engine->setup.loop, on_long_wait, run);
		watch_arm(run->slot_timer, LIMIT_SLOT_TELL_MS);
	}
	return run->slot_wanted;
}

/* Is something of the task at work? Not a call that waits for workers, a lock or an answer, nor one whose program a
 * person is asked about. */
static bool is_busy(const struct run *run)
{
	const struct task *t = run->task;

	if (t->phase != PHASE_ACTIVE)
		return false;
	if (run->charging != NULL || t->model_phase == MODEL_ASKED)
		return true;
	for (size_t i = 0; i < t->call_count; i++) {
		const struct tool *tool = t->calls[i].phase == CALL_RUNNING ? tool_find(t->calls[i].tool) : NULL;
		if (tool != NULL && !tool->control)
			return run->held == NULL;
	}
	return false;
}

void slots_settle(struct run *run)
{
	bool busy = is_busy(run);

	if (busy && run->seat.lane == NULL) { /* a program that a person was asked about goes on, whoever works by now */
		struct slot_want want = want_of(run, run->task->model_phase == MODEL_ASKED);
		run->seat.owner = run;
		slots_force(run->engine->slots, &run->seat, &want);
		run->slot_used = true;
	} else if (!busy && !run->slot_wanted) {
		slots_drop(run);
	}
}
