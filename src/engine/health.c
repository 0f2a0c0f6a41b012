/* health.c - the engine's table of heartbeats: who is in it, what follows a silence, and what is told of it. Rows of tasks are
 * not entered where things begin and end: at each tick the table is made to fit what there is. */
#include "engine/health.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/run.h"
#include "engine/watchdog.h"

#include "base/banned.h"

static int64_t or_else(int64_t ms, int64_t otherwise)
{
	return ms > 0 ? ms : otherwise;
}

struct heartbeats *engine_heartbeats(struct engine *engine)
{
	return engine->health.table;
}

/* ---- what is told ---- */

static json_t *stack_of(const struct stood *stood)
{
	json_t *stack = json_array();

	for (size_t i = 0; i < stood->frame_count; i++)
		json_array_append_new(stack, json_of_str(str_of(stood->frames[i])));
	return stack;
}

void health_tell_missed(struct engine *engine, const char *kind, const char *name, int64_t age_ms, int64_t deadline_ms,
                        const char *action)
{
	engine_emit(engine, EVENT_HEALTH_MISSED,
	            json_pack("{s:s, s:s, s:I, s:I, s:s}", "kind", kind, "name", name, "age_ms", (json_int_t)age_ms, "deadline_ms",
	                      (json_int_t)deadline_ms, "action", action));
}

void health_tell_recovered(struct engine *engine, const char *kind, const char *name, int64_t stood_ms)
{
	engine_emit(engine, EVENT_HEALTH_RECOVERED,
	            json_pack("{s:s, s:s, s:I}", "kind", kind, "name", name, "stood_ms", (json_int_t)stood_ms));
}

static void on_change(void *userdata, const struct beat_change *change)
{
	struct engine *engine = userdata;
	const struct beat_state *s = &change->state;

	if (change->recovered)
		health_tell_recovered(engine, s->kind, s->name, change->stood_ms);
	else
		health_tell_missed(engine, s->kind, s->name, s->age_ms, s->deadline_ms, beat_action_name(s->action));
	/* Where nothing can be stored, the log is all there is. */
	if (!change->recovered && strcmp(s->kind, "store") == 0)
		fprintf(stderr, "mishri: the store has written nothing for %lld ms: is its disk in order?\n", (long long)s->age_ms);
	if (change->recovered && strcmp(s->kind, "store") == 0)
		fprintf(stderr, "mishri: the store writes again, after %lld ms\n", (long long)change->stood_ms);
}

static void tell_stood(struct engine *engine)
{
	struct stood stood;

	if (engine->setup.watchdog == NULL || !watchdog_stood(engine->setup.watchdog, &stood))
		return;
	int64_t deadline_ms = or_else(engine->setup.health.loop_ms, LIMIT_HEALTH_LOOP_MS);
	health_tell_missed(engine, "loop", "", stood.ms, deadline_ms, beat_action_name(BEAT_ALARM));
	json_t *data = json_pack("{s:s, s:s, s:I}", "kind", "loop", "name", "", "stood_ms", (json_int_t)stood.ms);
	json_put(data, "stack", stack_of(&stood));
	engine_emit(engine, EVENT_HEALTH_RECOVERED, data);
	engine->health.loop_misses++;
	fprintf(stderr, "mishri: the event loop moves again, after %lld ms\n", (long long)stood.ms);
}

/* ---- what follows a silence ---- */

static void on_warden_missed(void *userdata, int64_t age_ms UNUSED)
{
	warden_replace(userdata);
}

static void on_cell_missed(void *userdata, int64_t age_ms UNUSED)
{
	struct run *run = userdata;

	cell_give_up(run->cell, "its first process gave no sign of life");
}

/* It was killed when its time was over, and its end was never told. */
static void on_tool_missed(void *userdata, int64_t age_ms UNUSED)
{
	struct run *run = userdata;

	cell_give_up(run->cell, "a call did not end although it was killed");
}

static void on_model_missed(void *userdata, int64_t age_ms)
{
	model_cut(userdata, age_ms);
}

/* ---- the rows of tasks ---- */

static void enter(struct run *run, enum run_beat which, const char *kind, const char *name, enum beat_action action,
                  void (*missed)(void *, int64_t))
{
	if (run->beats[which] == NULL)
		run->beats[which] = beat_new(run->engine->health.table, &(struct beat_spec){
			.kind = kind, .name = name, .action = action, .deadline_ms = LIMIT_HEALTH_CELL_MS, .missed = missed, .userdata = run });
}

static void leave(struct run *run, enum run_beat which)
{
	beat_free(TAKE(run->beats[which]));
}

static void see_cell(struct run *run, bool ask)
{
	if (run->cell == NULL || !run->cell_ready || run->over) {
		leave(run, RUN_BEAT_CELL);
		return;
	}
	enter(run, RUN_BEAT_CELL, "cell", run->task->id, BEAT_KILL, on_cell_missed);
	beat_deadline(run->beats[RUN_BEAT_CELL], or_else(run->engine->setup.health.cell_ms, LIMIT_HEALTH_CELL_MS));
	if (ask)
		beat_now(run->beats[RUN_BEAT_CELL], cell_ping(run->cell));
}

static void see_tool(struct run *run)
{
	struct call_life life;

	if (run->over || !call_life(run, &life)) {
		leave(run, RUN_BEAT_TOOL);
		return;
	}
	if (run->beats[RUN_BEAT_TOOL] != NULL && strcmp(run->beat_call, life.id) != 0)
		leave(run, RUN_BEAT_TOOL);
	snprintf(run->beat_call, sizeof run->beat_call, "%s", life.id);
	AUTO(freep) char *name = xasprintf("%s %s", run->task->id, life.id);
	enter(run, RUN_BEAT_TOOL, "tool", name, BEAT_KILL, on_tool_missed);
	beat_deadline(run->beats[RUN_BEAT_TOOL], life.most_ms + LIMIT_HEALTH_SLACK_MS);
	if (life.held)
		beat_rest(run->beats[RUN_BEAT_TOOL]);
	else
		beat_now(run->beats[RUN_BEAT_TOOL], life.since_ms);
}

static void see_model(struct run *run)
{
	int64_t patience_ms = 0, heard_ms = run->request != NULL && !run->over ? llm_call_heard_ms(run->request, &patience_ms) : -1;

	if (heard_ms < 0) {
		leave(run, RUN_BEAT_MODEL);
		return;
	}
	enter(run, RUN_BEAT_MODEL, "model", run->task->id, BEAT_RECONNECT, on_model_missed);
	beat_deadline(run->beats[RUN_BEAT_MODEL], patience_ms + LIMIT_HEALTH_SLACK_MS); /* its own timer comes first */
	beat_now(run->beats[RUN_BEAT_MODEL], heard_ms);
}

void health_leave(struct run *run)
{
	for (enum run_beat which = 0; which < RUN_BEATS; which++)
		leave(run, which);
}

/* ---- the tick ---- */

static int64_t tick_ms(const struct engine *engine)
{
	return engine->setup.watchdog != NULL ? watchdog_tick_ms(engine->setup.watchdog) : LIMIT_HEALTH_TICK_MS;
}

static void on_tick(void *userdata)
{
	struct engine *engine = userdata;
	struct health *h = &engine->health;
	int64_t now_ms = clock_mono_ms();
	bool ask = now_ms - h->asked_ms >= LIMIT_HEALTH_PING_MS;

	if (engine->setup.watchdog != NULL)
		watchdog_beat(engine->setup.watchdog, now_ms);
	tell_stood(engine);
	if (ask && engine->warden_readable != NULL)
		beat_now(h->warden, warden_ping(engine->setup.warden));
	for (struct run *run = engine->runs; run != NULL; run = run->next) {
		see_cell(run, ask);
		see_tool(run);
		see_model(run);
	}
	if (ask)
		h->asked_ms = now_ms;
	/* What stood still itself has heard nobody: the others get the time to be heard. */
	if (now_ms - h->ticked_ms < LIMIT_HEALTH_PING_MS + LIMIT_HEALTH_TICK_MS)
		heartbeats_judge(h->table, now_ms, "loop", on_change, engine);
	h->ticked_ms = now_ms;
	watch_arm(h->tick, tick_ms(engine));
}

void health_open(struct engine *engine)
{
	struct health *h = &engine->health;
	const struct health_limits *l = &engine->setup.health;

	h->since_us = clock_wall_us();
	h->table = engine->setup.watchdog != NULL ? watchdog_table(engine->setup.watchdog) : heartbeats_new();
	h->store = beat_new(h->table, &(struct beat_spec){ .kind = "store", .name = "", .action = BEAT_ALARM, .vital = true,
	                                                   .deadline_ms = or_else(l->store_ms, LIMIT_HEALTH_STORE_MS) });
	h->warden = beat_new(h->table, &(struct beat_spec){
		.kind = "warden", .name = "", .action = BEAT_RESTART, .vital = true, .missed = on_warden_missed, .userdata = engine,
		.deadline_ms = or_else(l->warden_ms, LIMIT_HEALTH_WARDEN_MS) });
	store_watch(engine->setup.store, h->store);
	h->ticked_ms = clock_mono_ms();
	h->tick = watch_timer(engine->setup.loop, on_tick, engine);
	watch_arm(h->tick, 0);
}

void health_close(struct engine *engine)
{
	struct health *h = &engine->health;

	store_watch(engine->setup.store, NULL);
	watch_free(TAKE(h->tick));
	beat_free(TAKE(h->store));
	beat_free(TAKE(h->warden));
	if (engine->setup.watchdog == NULL)
		heartbeats_free(h->table);
	h->table = NULL;
	json_decref(TAKE(h->in_force));
}

/* A cell is there: what it says is in force is what this machine gives. */
void health_note_cell(struct engine *engine, const json_t *mechanisms)
{
	static const char *const parts[] = {
		"level", "namespaces", "landlock_abi", "seccomp", "exec_gate", "network", "limits",
	};
	json_t *in_force = json_object();

	for (size_t i = 0; i < COUNT(parts); i++)
		if (json_object_get(mechanisms, parts[i]) != NULL)
			json_put(in_force, parts[i], json_incref(json_object_get(mechanisms, parts[i])));
	json_decref(engine->health.in_force);
	engine->health.in_force = in_force;
}
