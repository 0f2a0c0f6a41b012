/* scheduler.c - keeps all schedules of the store in memory, asks the core for the next step of each that is due, and writes
 * it down. One event of a schedule at a time is under way; what comes of it is read back from the store, never assumed.
 *
 * The wall clock may be set and the machine may sleep: a timer of the wall clock (TFD_TIMER_CANCEL_ON_SET) wakes it for
 * both, and every look compares three clocks to say which it was. */
#include "engine/scheduler.h"

#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "engine/control.h"

#include "base/banned.h"

enum { CLAIMS_EVERY = 5 };             /* looks between two searches for what gone engines left */

struct item {
	char id[ID_LEN + 1], name[LIMIT_SCHEDULE_NAME_BYTES + 1], user[USER_LEN + 1];
	struct schedule_rule rule;
	struct schedule_state state;
	int64_t version, wake_us, spec_us;
	int64_t cancelled_us;          /* the waiting instant for which the run before it was cancelled */
	int64_t ran_us;                /* an instant that the store says has had its run */
	bool on, under_way, removed;
};

struct zones { struct zone **list; size_t count; };

struct scheduler {
	struct scheduler_setup setup;
	struct item **items;
	size_t count, room;
	struct zones zones;
	int64_t seen;                  /* the newest event whose row was read */
	struct schedule_sight sight;
	char why[160];                 /* instants up to why_until_us were not seen in time */
	int64_t why_until_us;
	int timer;
	struct watch *timer_readable, *poll;
	size_t under_way;
	int looks;
	bool broken;
	int *alive;                    /* set to 0 at the end: a batch may come back later */
};

/* ---- clocks ---- */

static int64_t read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void look_at_clocks(struct scheduler *s)
{
	struct schedule_sight now = { read_clock(CLOCK_REALTIME), read_clock(CLOCK_BOOTTIME), read_clock(CLOCK_MONOTONIC) };

	if (schedule_clock_jumped(&s->sight, &now, s->why, sizeof s->why)) {
		s->why_until_us = now.wall_us;
		for (size_t i = 0; i < s->count; i++)
			s->items[i]->wake_us = 0;
	}
	s->sight = now;
}

static void arm(struct scheduler *s)
{
	int64_t wake_us = s->sight.wall_us + 86400ll * 1000000;

	for (size_t i = 0; i < s->count; i++)
		if (s->items[i]->on && !s->items[i]->under_way)
			wake_us = MIN(wake_us, s->items[i]->wake_us);
	/* Where something is due and could not be begun, a batch coming back wakes us, or the next look. */
	wake_us = MAX(wake_us, s->sight.wall_us + 1000);
	const struct itimerspec spec = { .it_value = { .tv_sec = wake_us / 1000000, .tv_nsec = wake_us % 1000000 * 1000 } };
	(void)timerfd_settime(s->timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, NULL);
}

/* ---- what is durable, into memory ---- */

/* Where an item is, or would be: they are sorted by id. */
static size_t place_of(const struct scheduler *s, const char *id)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(s->items[middle]->id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct item *find(const struct scheduler *s, const char *id)
{
	size_t at = place_of(s, id);

	return at < s->count && strcmp(s->items[at]->id, id) == 0 ? s->items[at] : NULL;
}

static const struct zone *zone_of(struct scheduler *s, const char *name, struct err *err)
{
	struct zone *zone = NULL;

	for (size_t i = 0; i < s->zones.count; i++)
		if (strcmp(zone_name(s->zones.list[i]), name) == 0)
			return s->zones.list[i];
	if (zone_load(name, &zone, err) < 0)
		return NULL;
	s->zones.list = xrealloc(s->zones.list, (s->zones.count + 1) * sizeof(struct zone *));
	s->zones.list[s->zones.count++] = zone;
	return zone;
}

static void emit(struct scheduler *s, struct item *item, enum event_type type, json_t *owned_data, const char *task);

/* What cannot be read any more (a zone that the system lost) runs nothing, and says so. */
static void read_rule(struct scheduler *s, struct item *item, const struct schedule_row *row)
{
	struct err err = ERR_NONE;
	const struct zone *zone = zone_of(s, json_get_text(row->spec, "zone", "UTC"), &err);

	if (zone != NULL && schedule_rule_read(row->spec, zone, row->spec_us, &item->rule, &err) == 0) {
		item->spec_us = row->spec_us;
		return;
	}
	item->on = false;
	if (strcmp(row->state, "on") == 0 && !item->under_way)
		emit(s, item, EVENT_SCHEDULE_PAUSED, json_pack("{s:s, s:s}", "by", "mishri", "reason", err.text), NULL);
}

static struct item *item_of(struct scheduler *s, const struct schedule_row *row)
{
	struct item *item = find(s, row->schedule);

	if (item != NULL || strcmp(row->state, "removed") == 0)
		return item;
	if (s->count == s->room) {
		s->room = s->room == 0 ? 64 : s->room * 2;
		s->items = xrealloc(s->items, s->room * sizeof(struct item *));
	}
	item = xcalloc(1, sizeof *item);
	memcpy(item->id, row->schedule, sizeof item->id);
	memcpy(item->state.id, row->schedule, sizeof item->state.id);
	size_t at = place_of(s, item->id);
	memmove(s->items + at + 1, s->items + at, (s->count - at) * sizeof(struct item *));
	s->items[at] = item;
	s->count++;
	return item;
}

static void take_row(void *userdata, const struct schedule_row *row)
{
	struct scheduler *s = userdata;
	struct item *item = item_of(s, row);

	s->seen = MAX(s->seen, row->changed);
	if (item == NULL)
		return;
	snprintf(item->name, sizeof item->name, "%s", row->name);
	snprintf(item->user, sizeof item->user, "%s", row->user);
	item->version = row->version;
	item->on = strcmp(row->state, "on") == 0;
	item->removed = strcmp(row->state, "removed") == 0;
	item->wake_us = 0;
	item->state.paused = !item->on;
	item->state.cursor_us = row->cursor_us;
	item->state.runs = row->fired;
	item->state.failures = row->failures;
	item->state.active = (int)row->active;
	item->state.queued = (int)row->queued;
	item->state.queued_us = row->queued_us;
	if (item->spec_us != row->spec_us && !item->removed)
		read_rule(s, item, row);
}

/* What other processes and finished tasks changed. False: the store cannot be read. */
static bool reload(struct scheduler *s, bool *ret_news)
{
	int64_t before = s->seen;
	struct err err = ERR_NONE;

	if (store_schedules_changed(s->setup.store, s->seen, LIMIT_SCHEDULES, take_row, s, &err) < 0)
		return false;
	*ret_news = s->seen != before;
	return true;
}

static void drop_removed(struct scheduler *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct item *item = s->items[i];
		if (item->removed && !item->under_way)
			free(item);
		else
			s->items[kept++] = item;
	}
	s->count = kept;
}

/* ---- events ---- */

struct word { struct scheduler *s; int *alive; enum event_type type; char schedule[ID_LEN + 1], task[ID_LEN + 1]; int64_t instant_us; };

static void start(struct scheduler *s, const char *schedule, const char *task, int64_t instant_us);

static void release(int *alive)
{
	if (--alive[1] == 0)
		free(alive);
}

static void on_written(void *userdata, int result, int64_t first_seq, const struct err *err)
{
	AUTO(freep) struct word *w = userdata;
	struct scheduler *s = w->s;
	bool alive = w->alive[0] != 0;

	(void)first_seq, (void)err;
	release(w->alive);
	if (!alive)
		return;
	struct item *item = find(s, w->schedule);
	assert(item != NULL);
	item->under_way = false;
	s->under_way--;
	if (result == 0 && w->type == EVENT_SCHEDULE_FIRED)
		start(s, w->schedule, w->task, w->instant_us);
	else if (result == -EEXIST)
		item->ran_us = w->instant_us;
	else if (result < 0 && result != -ECANCELED)
		s->broken = true; /* the store writes nothing more; the engine says it */
	item->wake_us = 0;
	watch_arm(s->poll, 0); /* once, however many come back together */
}

/* One at a time of a schedule: the next step is decided on what this one makes durable. */
static void emit(struct scheduler *s, struct item *item, enum event_type type, json_t *owned_data, const char *task)
{
	struct word *w = xcalloc(1, sizeof *w);
	struct event e = schedule_event(type, s->setup.user, item->id, item->name, item->version, owned_data);

	*w = (struct word){ .s = s, .alive = s->alive, .type = type, .instant_us = json_get_int(owned_data, "instant_us", 0) };
	memcpy(w->schedule, item->id, sizeof w->schedule);
	if (task != NULL)
		memcpy(w->task, task, sizeof w->task);
	s->alive[1]++;
	s->under_way++;
	item->under_way = true;
	store_append(s->setup.store, &(struct store_batch){ .root = "", .task = "", .events = &e, .count = 1, .on_commit = on_written,
	                                                    .userdata = w });
}

static void fire(struct scheduler *s, struct item *item, int64_t instant_us, const char *cause, const char *task, const char *from)
{
	json_t *data = json_pack("{s:I, s:s, s:s, s:s}", "instant_us", (json_int_t)instant_us, "cause", cause, "task", task, "engine",
	                         store_engine_id(s->setup.store));

	if (from != NULL)
		json_put_text(data, "from", from);
	emit(s, item, EVENT_SCHEDULE_FIRED, data, task);
}

static void pass(struct scheduler *s, struct item *item, const struct schedule_step *step)
{
	emit(s, item, EVENT_SCHEDULE_PASSED,
	     json_pack("{s:s, s:I, s:I, s:I, s:s}", "what", schedule_pass_names[step->pass], "first_us", (json_int_t)step->first_us, "last_us",
	               (json_int_t)step->last_us, "count", (json_int_t)step->count, "reason", step->reason), NULL);
}

/* ---- starting ---- */

struct wanted { struct scheduler *s; const char *task; int64_t instant_us; int result; struct err err; };

static void start_row(void *userdata, const struct schedule_row *row)
{
	struct wanted *w = userdata;
	AUTO(json_decrefp) json_t *mark = json_pack("{s:s, s:s, s:I}", "schedule", row->schedule, "name", row->name, "instant_us",
	                                            (json_int_t)w->instant_us);
	struct scheduler_job job = { .task = w->task, .schedule = row->schedule, .name = row->name, .user = row->user,
	                             .instant_us = w->instant_us, .spec = json_object_get(row->spec, "task"), .mark = mark };

	w->result = w->s->setup.start(w->s->setup.userdata, &job, &w->err);
}

static void failed(struct scheduler *s, struct item *item, const char *task, int64_t instant_us, const char *why)
{
	emit(s, item, EVENT_SCHEDULE_FAILED, json_pack("{s:I, s:s, s:s}", "instant_us", (json_int_t)instant_us, "task", task, "reason", why),
	     task);
}

static void start(struct scheduler *s, const char *schedule, const char *task, int64_t instant_us)
{
	struct wanted w = { .s = s, .task = task, .instant_us = instant_us, .err = ERR_NONE };
	int r = store_schedule_get(s->setup.store, schedule, start_row, &w, &w.err);
	bool news;

	if (r == 0 && w.result == 0)
		return;
	struct item *item = find(s, schedule);
	if (item == NULL || !reload(s, &news)) /* the version that this failure follows */
		return;
	failed(s, item, task, instant_us, w.err.text);
}

struct lost { struct scheduler *s; const char *task, *why; };

static void fail_claim(void *userdata, const struct schedule_claim *claim)
{
	const struct lost *lost = userdata;
	struct item *item = strcmp(claim->task, lost->task) == 0 ? find(lost->s, claim->schedule) : NULL;

	if (item != NULL && !item->under_way)
		failed(lost->s, item, claim->task, claim->instant_us, lost->why);
}

void scheduler_lost(struct scheduler *s, const char *task, const char *why)
{
	struct lost lost = { s, task, why };
	bool news;

	if (s != NULL && !s->broken && reload(s, &news))
		(void)!store_schedule_claims(s->setup.store, true, fail_claim, &lost, NULL);
}

static void take_over(void *userdata, const struct schedule_claim *claim)
{
	struct scheduler *s = userdata;
	struct item *item = find(s, claim->schedule);

	if (item != NULL && !item->under_way && s->under_way < LIMIT_SCHEDULE_UNDER_WAY)
		fire(s, item, claim->instant_us, claim->cause, claim->task, claim->engine);
}

/* ---- deciding ---- */

struct cancelling { struct store *store; const struct item *item; };

static void not_cancelled(const struct item *item, const char *task, const char *why)
{
	AUTO(json_decrefp) json_t *fields = json_pack("{s:s, s:s, s:s}", "name", item->name, "task", task, "reason", why);

	log_write(LEVEL_WARNING, "a run of a schedule cannot be cancelled", fields);
}

/* By the word of the schedule's own user, whose task it is. */
static void cancel_one(void *userdata, const char *task)
{
	const struct cancelling *c = userdata;
	const struct control word = { .command = CONTROL_CANCEL, .task = task, .user = c->item->user };
	struct control_sent sent;
	struct err err = ERR_NONE;

	if (control_send(c->store, &word, &sent, &err) < 0)
		not_cancelled(c->item, task, err.text);
}

static void cancel_active(struct scheduler *s, struct item *item)
{
	if (item->cancelled_us == item->state.queued_us)
		return;
	item->cancelled_us = item->state.queued_us;
	struct cancelling c = { s->setup.store, item };
	(void)!store_schedule_active(s->setup.store, item->id, cancel_one, &c, NULL);
}

static const char *why(const struct scheduler *s, const struct item *item)
{
	int64_t first;

	if (s->why_until_us == 0 || !schedule_next(&item->rule, item->state.cursor_us, &first) || first > s->why_until_us)
		return NULL;
	return s->why;
}

static void step(struct scheduler *s, struct item *item)
{
	struct schedule_step step;
	char task[ID_LEN + 1];

	schedule_decide(&item->rule, &item->state, s->sight.wall_us, why(s, item), &step);
	item->wake_us = step.wake_us;
	if (step.cancel)
		cancel_active(s, item);
	if ((step.act == SCHEDULE_FIRE || step.act == SCHEDULE_QUEUE) && step.cause != CAUSE_QUEUED && step.instant_us == item->ran_us) {
		step.act = SCHEDULE_PASS;
		step.pass = PASS_SKIPPED;
		step.first_us = step.last_us = step.instant_us;
		step.count = 1;
		snprintf(step.reason, sizeof step.reason, "this instant has had its run");
	}
	switch (step.act) {
	case SCHEDULE_WAIT: return;
	case SCHEDULE_FIRE:
		id_new(task);
		fire(s, item, step.instant_us, schedule_cause_names[step.cause], task, NULL);
		return;
	case SCHEDULE_QUEUE:
		emit(s, item, EVENT_SCHEDULE_QUEUED, json_pack("{s:I}", "instant_us", (json_int_t)step.instant_us), NULL);
		return;
	case SCHEDULE_PASS: pass(s, item, &step); return;
	case SCHEDULE_PAUSE:
		emit(s, item, EVENT_SCHEDULE_PAUSED, json_pack("{s:s, s:s}", "by", "mishri", "reason", step.reason), NULL);
		return;
	}
}

static void look(struct scheduler *s)
{
	bool news = false;

	if (s->broken || (s->setup.resting != NULL && s->setup.resting(s->setup.userdata)) || !reload(s, &news))
		return;
	look_at_clocks(s);
	if (news || s->looks++ % CLAIMS_EVERY == 0)
		(void)!store_schedule_claims(s->setup.store, false, take_over, s, NULL);
	for (size_t i = 0; i < s->count && s->under_way < LIMIT_SCHEDULE_UNDER_WAY; i++) {
		struct item *item = s->items[i];
		if (item->on && !item->under_way && item->wake_us <= s->sight.wall_us)
			step(s, item);
	}
	arm(s);
}

static void on_timer(void *userdata)
{
	struct scheduler *s = userdata;
	uint64_t count;

	if (read(s->timer, &count, sizeof count) < 0 && errno == EAGAIN)
		return;
	look(s); /* it came, or the clock was set (ECANCELED) */
}

static void on_poll(void *userdata)
{
	struct scheduler *s = userdata;

	drop_removed(s);
	look(s);
	if (s->setup.beat != NULL)
		s->setup.beat(s->setup.userdata);
	watch_arm(s->poll, LIMIT_SCHEDULE_POLL_MS);
}

/* ---- open and close ---- */

int scheduler_open(const struct scheduler_setup *setup, struct scheduler **ret, struct err *err)
{
	int timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);

	if (timer < 0)
		return err_sys(err, "schedules: a timer");
	struct scheduler *s = xcalloc(1, sizeof *s);
	s->setup = *setup;
	s->timer = timer;
	s->alive = xcalloc(2, sizeof *s->alive);
	s->alive[0] = s->alive[1] = 1;
	s->sight = (struct schedule_sight){ read_clock(CLOCK_REALTIME), read_clock(CLOCK_BOOTTIME), read_clock(CLOCK_MONOTONIC) };
	snprintf(s->why, sizeof s->why, "no engine ran the schedules then");
	s->why_until_us = s->sight.wall_us;
	s->timer_readable = watch_fd(setup->loop, timer, on_timer, s);
	s->poll = watch_timer(setup->loop, on_poll, s);
	watch_arm(s->poll, 0);
	*ret = s;
	return 0;
}

void scheduler_close(struct scheduler *s)
{
	if (s == NULL)
		return;
	watch_free(s->poll);
	watch_free(s->timer_readable);
	fd_close(&s->timer);
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i]);
	for (size_t i = 0; i < s->zones.count; i++)
		zone_free(s->zones.list[i]);
	free(s->items);
	free(s->zones.list);
	s->alive[0] = 0;
	release(s->alive);
	free(s);
}
