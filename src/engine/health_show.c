/* health_show.c - how an engine is, as JSON and as numbers. It looks, and changes nothing. */
#include "engine/breaker.h"
#include "engine/health.h"

#include <string.h>
#include <unistd.h>

#include "engine/run.h"
#include "engine/watchdog.h"

#include "base/banned.h"

struct beats { json_t *rows; size_t left_out; bool well; };

static void add_beat(void *userdata, const struct beat_state *s)
{
	struct beats *all = userdata;
	bool of_task = strcmp(s->kind, "cell") == 0 || strcmp(s->kind, "tool") == 0 || strcmp(s->kind, "model") == 0;

	all->well &= !s->late;
	if (of_task && !s->late && json_array_size(all->rows) >= LIMIT_HEALTH_ROWS) {
		all->left_out++;
		return;
	}
	json_t *row = json_object();
	json_put_text(row, "kind", s->kind);
	json_put_text(row, "name", s->name);
	json_put_text(row, "state", s->late ? "late" : s->age_ms < 0 ? "rest" : "ok");
	json_put(row, "age_ms", s->age_ms >= 0 ? json_integer(s->age_ms) : json_null());
	json_put_int(row, "deadline_ms", s->deadline_ms);
	json_put_text(row, "action", beat_action_name(s->action));
	json_put_bool(row, "vital", s->vital);
	json_put_int(row, "misses", s->misses);
	json_array_append_new(all->rows, row);
}

struct sums { int64_t tasks, cells, calls, requests, people, opening; };

static struct sums sums_of(const struct engine *engine)
{
	struct sums s = { 0 };

	for (const struct run *run = engine->runs; run != NULL; run = run->next) {
		if (run->told)
			continue;
		s.tasks++;
		s.cells += run->cell != NULL && run->cell_ready;
		s.opening += run->opening != NULL || run->reopening;
		s.calls += run->live != NULL;
		s.requests += run->request != NULL;
		s.people += task_waits(run->task);
	}
	return s;
}

static json_t *store_json(struct engine *engine, bool *well)
{
	struct store_health h;
	struct err err = ERR_NONE;
	json_t *object = json_object();

	if (store_health(engine->setup.store, &h, &err) < 0) {
		*well = false;
		json_put_text(object, "failure", err.text);
		return object;
	}
	*well &= !h.broken && (h.free_bytes < 0 || h.free_bytes >= (int64_t)LIMIT_HEALTH_DISK_BYTES);
	json_put_int(object, "waiting", h.waiting);
	json_put_bool(object, "broken", h.broken);
	json_put_int(object, "events", h.events);
	json_put_int(object, "db_bytes", h.db_bytes);
	json_put_int(object, "wal_bytes", h.wal_bytes);
	json_put(object, "free_bytes", h.free_bytes >= 0 ? json_integer(h.free_bytes) : json_null());
	return object;
}

json_t *health_json(struct engine *engine)
{
	char since[CLOCK_TEXT_BYTES];
	struct beats beats = { .rows = json_array(), .well = true };
	struct sums s = sums_of(engine);
	json_t *object = json_object();

	heartbeats_see(engine->health.table, clock_mono_ms(), add_beat, &beats);
	json_t *store = store_json(engine, &beats.well);
	json_put_bool(object, "healthy", beats.well);
	json_put_text(object, "engine", store_engine_id(engine->setup.store));
	json_put_int(object, "pid", getpid());
	json_put_text(object, "version", MISHRI_VERSION);
	json_put_text(object, "user", engine->setup.user);
	json_put_text(object, "since", clock_format(engine->health.since_us, since));
	json_put_bool(object, "draining", engine->drains > 0);
	json_put(object, "beats", beats.rows);
	json_put_int(object, "beats_left_out", (int64_t)beats.left_out);
	json_put(object, "in_force", engine->health.in_force != NULL ? json_incref(engine->health.in_force) : json_null());
	json_put(object, "tasks", json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "here", (json_int_t)s.tasks, "cells", (json_int_t)s.cells,
	                                    "cells_opening", (json_int_t)s.opening, "calls", (json_int_t)s.calls, "model_requests",
	                                    (json_int_t)s.requests, "wait_for_people", (json_int_t)s.people));
	json_put(object, "store", store);
	json_put(object, "models", breakers_json(engine));
	json_put_int(object, "warden_restarts", engine->health.warden_restarts);
	json_put_int(object, "loop_stood", engine->health.loop_misses);
	json_put_int(object, "loop_longest_us", loop_longest_us(engine->setup.loop));
	return object;
}

bool health_is_well(struct engine *engine)
{
	AUTO(json_decrefp) json_t *object = health_json(engine);

	return json_get_bool(object, "healthy", false);
}

/* ---- numbers ---- */

struct measuring {
	void (*visit)(void *userdata, const struct health_measure *measure);
	void *userdata;
};

static void measure_beat(void *userdata, const struct beat_state *s)
{
	const struct measuring *m = userdata;
	AUTO(json_decrefp) json_t *labels = json_object();

	json_put_text(labels, "kind", s->kind);
	json_put_text(labels, "name", s->name);
	if (s->age_ms >= 0)
		m->visit(m->userdata, &(struct health_measure){ "mishri_heartbeat_age_seconds", "since the last sign of life", false,
		                                                (double)s->age_ms / 1000, labels });
	m->visit(m->userdata, &(struct health_measure){ "mishri_heartbeat_late", "1: it is over its deadline", false, s->late,
	                                                labels });
	m->visit(m->userdata, &(struct health_measure){ "mishri_heartbeat_misses_total", "times that it was", true,
	                                                (double)s->misses, labels });
}

/* A model that its breaker keeps from being asked. */
static void measure_models(const struct engine *engine, const struct measuring *m)
{
	AUTO(json_decrefp) json_t *models = breakers_json(engine);
	json_t *model;
	size_t i;

	json_array_foreach(models, i, model) {
		AUTO(json_decrefp) json_t *labels = json_object();
		json_put_text(labels, "model", json_get_text(model, "model", ""));
		m->visit(m->userdata, &(struct health_measure){ "mishri_model_breaker_open", "1: the model failed so often that it is left alone",
		                                                false, strcmp(json_get_text(model, "state", ""), "closed") != 0, labels });
		m->visit(m->userdata, &(struct health_measure){ "mishri_model_failures", "of the model, in a row", false,
		                                                (double)json_get_int(model, "failures", 0), labels });
	}
}

void health_measures(struct engine *engine, void (*visit)(void *userdata, const struct health_measure *measure), void *userdata)
{
	struct measuring m = { visit, userdata };
	struct sums s = sums_of(engine);
	struct store_health h = { .free_bytes = -1 };
	bool known = store_health(engine->setup.store, &h, NULL) == 0;
	const struct health_measure rows[] = {
		{ "mishri_healthy", "1: everything is in time, and the store can be written", false, health_is_well(engine), NULL },
		{ "mishri_tasks", "tasks that this engine holds", false, (double)s.tasks, NULL },
		{ "mishri_cells", "open cells", false, (double)s.cells, NULL },
		{ "mishri_calls", "calls that run in cells", false, (double)s.calls, NULL },
		{ "mishri_model_requests", "requests to models that are under way", false, (double)s.requests, NULL },
		{ "mishri_waiting_for_people", "tasks that wait for a person", false, (double)s.people, NULL },
		{ "mishri_warden_restarts_total", "wardens that were replaced", true, engine->health.warden_restarts, NULL },
		{ "mishri_loop_stood_total", "times that the event loop stood for too long", true,
		  (double)engine->health.loop_misses, NULL },
		{ "mishri_loop_longest_seconds", "the longest time that one callback took in the last minute or two", false,
		  (double)loop_longest_us(engine->setup.loop) / 1e6, NULL },
		{ "mishri_store_waiting_batches", "batches that are not durable yet", false, (double)h.waiting, NULL },
		{ "mishri_store_broken", "1: nothing can be written any more", false, h.broken, NULL },
		{ "mishri_store_db_bytes", "size of the database", false, (double)h.db_bytes, NULL },
		{ "mishri_store_wal_bytes", "size of its write-ahead log", false, (double)h.wal_bytes, NULL },
		{ "mishri_store_free_bytes", "free space where it lies", false, (double)h.free_bytes, NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (known || strncmp(rows[i].name, "mishri_store", 12) != 0)
			visit(userdata, &rows[i]);
	measure_models(engine, &m);
	heartbeats_see(engine->health.table, clock_mono_ms(), measure_beat, &m);
}
