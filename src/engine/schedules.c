/* schedules.c - makes, changes, pauses, resumes, removes schedules and orders a run by hand. It checks what a person says
 * before it becomes an event; what another person did at the same moment is found by the version, and said. */
#include "engine/schedules.h"

#include <stdio.h>

#include "base/date.h"

#include "base/banned.h"

static const char *const spec_keys[] = { "cron", "every", "at", "zone", "overlap", "queue", "catch_up", "jitter", "start", "end",
                                         "runs", "failures", "task" };

int schedule_check(const json_t *spec, int64_t now_us, struct schedule_rule *ret, struct zone **ret_zone, struct err *err)
{
	AUTO(zone_freep) struct zone *zone = NULL;
	const char *goal = json_get_text(json_object_get(spec, "task"), "goal", "");

	int r = json_only_keys(spec, spec_keys, COUNT(spec_keys), err);
	if (r == 0)
		r = zone_load(json_get_text(spec, "zone", "UTC"), &zone, err);
	if (r == 0)
		r = schedule_rule_read(spec, zone, now_us, ret, err);
	if (r < 0)
		return r == -ENOENT ? -EINVAL : r;
	if (str_trim(str_of(goal)).len == 0 || strlen(goal) > LIMIT_GOAL_BYTES)
		return err_set(err, EINVAL, "a goal is wanted: what each run is to do");
	*ret_zone = TAKE(zone);
	return 0;
}

struct event schedule_event(enum event_type type, const char *user, const char *schedule, const char *name, int64_t version,
                            json_t *owned_data)
{
	struct event e = { .type = type, .time_us = clock_wall_us(), .attempt = 1, .data = owned_data };

	memcpy(e.user, user, MIN(strlen(user), (size_t)USER_LEN));
	json_put_text(owned_data, "schedule", schedule);
	json_put_text(owned_data, "name", name);
	json_put_int(owned_data, "version", version);
	return e;
}

static int append(struct store *store, struct event e, struct err *err)
{
	int64_t seq;

	/* With a checkpoint: what a person said about schedules cannot be cut off unseen. */
	const struct store_batch batch = { .root = "", .task = "", .events = &e, .count = 1, .checkpoint = true };
	return store_append_wait(store, &batch, &seq, err);
}

/* ---- a row, looked at ---- */

struct seen { char schedule[ID_LEN + 1], name[LIMIT_SCHEDULE_NAME_BYTES + 1], user[USER_LEN + 1], state[16]; int64_t version; };

static void see(void *userdata, const struct schedule_row *row)
{
	struct seen *s = userdata;

	memcpy(s->schedule, row->schedule, sizeof s->schedule);
	snprintf(s->name, sizeof s->name, "%s", row->name);
	snprintf(s->user, sizeof s->user, "%s", row->user);
	snprintf(s->state, sizeof s->state, "%s", row->state);
	s->version = row->version;
}

/* The schedule, where this user may change it. */
static int look_up(struct store *store, const char *user, const char *name, struct seen *ret, struct err *err)
{
	char id[ID_LEN + 1];
	int r = store_schedule_find(store, name, id, err);

	if (r == 0)
		r = store_schedule_get(store, id, see, ret, err);
	if (r < 0)
		return r;
	if (strcmp(ret->state, "removed") == 0)
		return err_set(err, ENOENT, "schedule %s was removed", ret->name);
	if (strcmp(ret->user, user) != 0 && strcmp(user, "root") != 0)
		return err_set(err, EPERM, "schedule %s is of user %s; that user or root may change it", ret->name, ret->user);
	return 0;
}

/* ---- adding ---- */

static int add_new(struct store *store, const char *user, const char *name, const json_t *spec, int64_t cursor_us, struct err *err)
{
	char id[ID_LEN + 1];

	id_new(id);
	json_t *data = json_pack("{s:O, s:I, s:s}", "spec", spec, "cursor_us", (json_int_t)cursor_us, "by", user);
	return append(store, schedule_event(EVENT_SCHEDULE_ADDED, user, id, name, 0, data), err);
}

static int change_to(struct store *store, const char *user, const char *name, const json_t *spec, int64_t cursor_us,
                     struct err *err)
{
	struct seen seen = { .version = 0 };
	int r = look_up(store, user, name, &seen, err);

	if (r < 0)
		return r;
	if (strcmp(seen.user, user) != 0)
		return err_set(err, EPERM, "schedule %s runs as user %s, and would go on to with what %s says; remove it and add your own",
		               name, seen.user, user);
	json_t *data = json_pack("{s:O, s:I, s:s}", "spec", spec, "cursor_us", (json_int_t)cursor_us, "by", user);
	return append(store, schedule_event(EVENT_SCHEDULE_CHANGED, user, seen.schedule, seen.name, seen.version, data), err);
}

int schedule_add(struct store *store, const char *user, const char *name, const json_t *spec, bool replace, int64_t *ret_next_us,
                 struct err *err)
{
	AUTO(zone_freep) struct zone *zone = NULL;
	struct schedule_rule rule;
	int64_t now_us = clock_wall_us(), next_us = 0;

	int r = schedule_name_check(name, err);
	if (r == 0)
		r = schedule_check(spec, now_us, &rule, &zone, err);
	if (r < 0)
		return r;
	if (!schedule_next(&rule, now_us, &next_us))
		return err_set(err, EINVAL, "schedule %s: it would never run", name);
	if (!replace)
		r = add_new(store, user, name, spec, now_us, err);
	else if ((r = change_to(store, user, name, spec, now_us, err)) == -ENOENT)
		r = add_new(store, user, name, spec, now_us, err);
	if (r == 0)
		*ret_next_us = next_us;
	return r;
}

/* ---- orders ---- */

static int give(struct store *store, enum schedule_order order, const char *user, const struct seen *s, const char *reason,
                char ret_task[static ID_LEN + 1], struct err *err)
{
	bool paused = strcmp(s->state, "paused") == 0;
	json_t *data = json_pack("{s:s}", "by", user);
	enum event_type type = EVENT_SCHEDULE_REMOVED;

	switch (order) {
	case SCHEDULE_ORDER_PAUSE:
		type = EVENT_SCHEDULE_PAUSED;
		json_put_text(data, "reason", reason != NULL ? reason : "");
		break;
	case SCHEDULE_ORDER_RESUME:
		type = EVENT_SCHEDULE_RESUMED;
		json_put_int(data, "cursor_us", clock_wall_us());
		break;
	case SCHEDULE_ORDER_REMOVE: break;
	case SCHEDULE_ORDER_RUN:
		type = EVENT_SCHEDULE_FIRED;
		id_new(ret_task);
		json_put_int(data, "instant_us", clock_wall_us());
		json_put_text(data, "cause", schedule_cause_names[CAUSE_HAND]);
		json_put_text(data, "task", ret_task);
		json_put_text(data, "engine", "");
		break;
	}
	if (order == SCHEDULE_ORDER_PAUSE && paused) {
		json_decref(data);
		return err_set(err, EALREADY, "schedule %s is paused already", s->name);
	}
	return append(store, schedule_event(type, user, s->schedule, s->name, s->version, data), err);
}

int schedule_order(struct store *store, enum schedule_order order, const char *user, const char *name, const char *reason,
                   char ret_task[static ID_LEN + 1], struct err *err)
{
	enum { TRIES = 5 };
	int r = 0;

	ret_task[0] = '\0';
	if (reason != NULL && strlen(reason) > LIMIT_REASON_BYTES)
		return err_set(err, E2BIG, "the reason has more than %zu bytes", LIMIT_REASON_BYTES);
	/* An engine may write about it between our look and our word. */
	for (int i = 0; i < TRIES; i++) {
		struct seen seen = { .version = 0 };
		r = look_up(store, user, name, &seen, err);
		if (r == 0)
			r = give(store, order, user, &seen, reason, ret_task, err);
		if (r != -ECANCELED && r != -EEXIST)
			return r;
	}
	return r;
}

/* ---- shown ---- */

size_t schedule_instants(const struct schedule_row *row, int64_t now_us, int64_t *ret_us, size_t max)
{
	AUTO(zone_freep) struct zone *zone = NULL;
	struct schedule_rule rule;
	int64_t at = MAX(now_us, row->cursor_us);
	size_t count = 0;

	if (schedule_check(row->spec, row->spec_us, &rule, &zone, NULL) < 0)
		return 0;
	if (rule.runs_most > 0)
		max = MIN(max, (size_t)MAX(rule.runs_most - row->fired, (int64_t)0));
	while (count < max && schedule_next(&rule, at, &at))
		ret_us[count++] = at;
	return count;
}

void schedule_time(const struct zone *zone, int64_t us, struct buf *ret)
{
	struct zone_span span;
	struct date d;
	int64_t s = us / 1000000 - (us % 1000000 < 0);

	zone_at(zone, s, &span);
	date_of_seconds(s + span.offset_s, &d);
	int minutes = abs(span.offset_s) / 60;
	buf_printf(ret, "%04lld-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", (long long)d.year, d.month, d.day, d.hour, d.minute, d.second,
	           span.offset_s < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

static json_t *json_us(int64_t us)
{
	char text[CLOCK_TEXT_BYTES];

	return us == 0 ? json_null() : json_string(clock_format(us, text));
}

json_t *schedule_json(const struct schedule_row *row, size_t next, int64_t now_us)
{
	const struct { const char *key; int64_t value; } counts[] = {
		{ "started", row->started }, { "missed", row->missed },     { "skipped", row->skipped }, { "dropped", row->dropped },
		{ "failed", row->failed },   { "failures", row->failures }, { "active", row->active },   { "queued", row->queued },
	};
	json_t *o = json_object(), *list = json_array();
	int64_t *instants = xcalloc(MAX(next, (size_t)1), sizeof *instants);

	json_put_text(o, "schedule", row->schedule);
	json_put_text(o, "name", row->name);
	json_put_text(o, "user", row->user);
	size_t count = strcmp(row->state, "on") == 0 ? schedule_instants(row, now_us, instants, next) : 0;
	bool ended = strcmp(row->state, "on") == 0 && next > 0 && count == 0;
	json_put_text(o, "state", ended ? "ended" : row->state);
	json_put_text(o, "reason", row->reason);
	json_put(o, "spec", json_incref(row->spec));
	json_put(o, "since", json_us(row->spec_us));
	json_put(o, "decided_to", json_us(row->cursor_us));
	for (size_t i = 0; i < COUNT(counts); i++)
		json_put_int(o, counts[i].key, counts[i].value);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_us(instants[i]));
	json_put(o, "next", list);
	free(instants);
	return o;
}

json_t *schedule_run_json(const struct schedule_run_row *row)
{
	json_t *o = json_object();

	json_put(o, "instant", json_us(row->instant_us));
	json_put_text(o, "task", row->task[0] != '\0' ? row->task : NULL);
	json_put_text(o, "cause", row->cause);
	json_put_text(o, "state", row->state);
	json_put(o, "fired", json_us(row->fired_us));
	json_put(o, "ended", json_us(row->ended_us));
	json_put_text(o, "reason", row->reason);
	return o;
}
