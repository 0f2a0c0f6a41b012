/* recover.c - tasks of engines that are gone. It never takes what a living engine holds, nor what a person parked. */
#include "engine/recover.h"

#include <stdio.h>
#include <string.h>

#include "engine/run.h"

#include "base/banned.h"

static bool keep_policies(void *userdata, const struct event_row *row)
{
	json_t **policies = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) == 0) {
		*policies = json_incref(json_object_get(e.data, "policies"));
		event_done(&e);
	}
	return false;
}

/* One event, durable on return. */
static int write_one(struct engine *engine, const struct task *t, int64_t generation, enum event_type type, json_t *owned_data,
                     enum lease_action lease, struct err *err)
{
	struct event e = { .type = type, .time_us = clock_wall_us(), .attempt = 1, .data = owned_data };
	int64_t first;

	memcpy(e.session, t->session, sizeof e.session);
	memcpy(e.task, t->id, sizeof e.task);
	memcpy(e.parent, t->parent, sizeof e.parent);
	memcpy(e.user, t->user, sizeof e.user);
	memcpy(e.trace_id, t->trace_id, sizeof e.trace_id);
	run_spans(t, "task", "", &e);
	struct store_batch batch = { .root = t->root, .task = t->id, .generation = generation, .lease = lease, .events = &e, .count = 1,
	                             .checkpoint = lease == LEASE_RELEASE };
	return store_append_wait(engine->setup.store, &batch, &first, err);
}

static int give_up(struct engine *engine, const struct task *t, int64_t generation, struct err *err)
{
	AUTO(freep) char *why = xasprintf("%d times its engine ended and it got no further; look at `mishri show %s`, then"
	                                  " go on with: mishri run --resume %s", LIMIT_RECOVER_ATTEMPTS, t->id, t->id);

	return write_one(engine, t, generation, EVENT_TASK_PARKED, json_pack("{s:s, s:s}", "reason", "recovery", "detail", why),
	                 LEASE_RELEASE, err);
}

int engine_recover(struct engine *engine, const char *id, struct err *err)
{
	struct store *store = engine->setup.store;
	AUTO(task_freep) struct task *task = NULL;
	AUTO(json_decrefp) json_t *policies = NULL;
	struct event_filter created = { .task = id, .type = "task.created" };
	int64_t generation;
	struct run *run;

	int r = store_lease_take(store, id, &generation, err);
	if (r == 0)
		r = engine_load(store, id, &task, err);
	if (r < 0)
		return r;
	assert(task != NULL);
	if (task->phase == PHASE_ENDED)
		return 0;
	if (task->phase == PHASE_ACTIVE && task->recoveries >= LIMIT_RECOVER_ATTEMPTS)
		return give_up(engine, task, generation, err);
	if (task->phase == PHASE_ACTIVE)
		r = write_one(engine, task, generation, EVENT_RECOVERY_STARTED, json_pack("{s:s, s:I}", "engine", store_engine_id(store),
		              "attempt", (json_int_t)task->recoveries + 1), LEASE_HOLD, err);
	if (r == 0)
		r = store_events(store, &created, keep_policies, &policies, err);
	return r < 0 ? r : engine_resume(engine, id, policies, task->patient, &run, err);
}

int engine_wake(struct engine *engine, const char *id, struct err *err)
{
	AUTO(json_decrefp) json_t *policies = NULL;
	struct event_filter created = { .task = id, .type = "task.created" };
	struct run *run;

	int r = store_events(engine->setup.store, &created, keep_policies, &policies, err);
	return r < 0 ? r : engine_resume(engine, id, policies, true, &run, err);
}

static bool keep_reason(void *userdata, const struct event_row *row)
{
	struct event e;

	if (event_parse(row->text, &e, NULL) == 0) {
		snprintf(userdata, 24, "%s", json_get_text(e.data, "reason", ""));
		event_done(&e);
	}
	return true;
}

void recover_reason(struct store *store, const char *task, char ret[static 24])
{
	struct event_filter filter = { .task = task, .type = "task.parked" };

	ret[0] = '\0';
	if (store_events(store, &filter, keep_reason, ret, NULL) < 0)
		ret[0] = '\0';
}

struct why_parked { const char *key; bool is; };

static bool keep_why(void *userdata, const struct event_row *row)
{
	struct why_parked *why = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) == 0) {
		why->is = json_get_bool(e.data, why->key, false);
		event_done(&e);
	}
	return true;
}

/* What its last task.parked says of that. */
static bool was_parked(struct store *store, const char *task, const char *key)
{
	struct event_filter filter = { .task = task, .type = "task.parked" };
	struct why_parked why = { key, false };

	return store_events(store, &filter, keep_why, &why, NULL) == 0 && why.is;
}

bool recover_wanted(struct store *store, const char *task)
{
	return was_parked(store, task, "service");
}

bool recover_rests(struct store *store, const char *task)
{
	return was_parked(store, task, "resting");
}
