/* otel.c - folds the events of running tasks into spans and queues those that have ended; now and then it queues a moment for
 * each that has not, so that work is seen before it is over. Spans that were queued leave memory. It decides nothing about
 * tasks, and what it cannot do is counted, never waited for. */
#include "engine/otel.h"

#include <stdio.h>
#include <string.h>

#include "base/heartbeat.h"

#include "base/banned.h"

struct live {                          /* a tree of tasks that works now */
	struct trace trace;
	struct live *next;
	int64_t upto_seq;              /* of the record, where it was read from there: these are in it */
	size_t kept;                   /* spans after the last pruning */
};

struct otel {
	struct loop *loop;
	struct store *store;
	struct otel_setup setup;       /* scalars only; what it points to is the sender's copy */
	struct otel_sender *sender;
	struct live *live;
	size_t live_count;
	struct watch *timer;
	int64_t unseen;                /* trees that were too many at once */
};

/* ---- which ---- */

bool otel_sampled(const struct otel_setup *setup, const char *trace_id, int64_t flags)
{
	if (setup->by_parent && flags >= 0)
		return (flags & 1) != 0;
	if (setup->sampler != SAMPLE_RATIO)
		return setup->sampler == SAMPLE_ALL;
	/* the lower half of the id, as other tools do it: the same trace is sampled by all or by none */
	char low[SPAN_ID_LEN + 1];
	snprintf(low, sizeof low, "%.16s", trace_id + TRACE_ID_LEN - SPAN_ID_LEN);
	return (double)(strtoull(low, NULL, 16) >> 1) < setup->ratio * 9223372036854775808.0;
}

static bool is_sampled(const struct otel *o, const struct event *created)
{
	return otel_sampled(&o->setup, created->trace_id, json_get_int(json_object_get(created->data, "config"), "trace_flags", -1));
}

static struct live *find_live(const struct otel *o, const char *task)
{
	for (struct live *l = o->live; l != NULL; l = l->next)
		if (json_object_get(l->trace.tasks, task) != NULL)
			return l;
	return NULL;
}

static void live_free(struct otel *o, struct live *l)
{
	for (struct live **at = &o->live; *at != NULL; at = &(*at)->next)
		if (*at == l) {
			*at = l->next;
			break;
		}
	trace_done(&l->trace);
	free(l);
	o->live_count--;
}

/* ---- sending ---- */

static void put_span(struct otel *o, const struct trace *t, struct span *s)
{
	s->sent = true;
	if (s->kind == SPAN_DECISION)           /* in its call */
		return;
	AUTO(json_decrefp) json_t *span = otlp_span(t, s, &o->setup.target.style);
	otel_sender_put(o->sender, span);
}

/* A turn that failed may be tried again: its span ends when the turn does. */
static bool may_begin_again(const struct span *s)
{
	return s->kind == SPAN_MODEL && s->failed;
}

/* A decision goes with its call. */
static bool is_gone(const struct span *s)
{
	return s->sent && (s->kind != SPAN_DECISION || s->parent == NULL || s->parent->sent);
}

static void put_ended(struct otel *o, struct live *l)
{
	struct trace *t = &l->trace;

	for (size_t i = 0; i < t->ended_count; i++)
		if (t->ended[i]->end_us != 0 && !t->ended[i]->sent && !may_begin_again(t->ended[i]))
			put_span(o, t, t->ended[i]);
	t->ended_count = 0;
	if (t->count > 2 * l->kept + 256) {
		trace_prune(t, is_gone);
		l->kept = t->count;
	}
}

/* A task is over or at rest: what of it has ended will not go on. */
static void put_rest(struct otel *o, struct live *l, const char *task_span)
{
	for (size_t i = 0; i < l->trace.count; i++) {
		struct span *s = l->trace.spans[i];
		const struct span *task = s;
		while (task != NULL && task->kind != SPAN_TASK)
			task = task->parent;
		if (task != NULL && strcmp(task->id, task_span) == 0 && s->end_us != 0 && !s->sent)
			put_span(o, &l->trace, s);
	}
}

static void on_timer(void *userdata)
{
	struct otel *o = userdata;
	int64_t now_us = clock_wall_us();

	for (struct live *l = o->live; l != NULL; l = l->next)
		for (size_t i = 0; i < l->trace.count; i++) {
			struct span *s = l->trace.spans[i];
			if (s->end_us != 0 || s->shown || now_us - s->start_us < o->setup.target.delay_ms * 1000)
				continue;
			s->shown = true;
			AUTO(json_decrefp) json_t *moment = otlp_running(&l->trace, s, &o->setup.target.style, now_us);
			otel_sender_put(o->sender, moment);
		}
	if (o->live != NULL)
		watch_arm(o->timer, o->setup.target.delay_ms);
}

/* ---- events ---- */

static struct live *live_new(struct otel *o, const char *root)
{
	if (o->live_count >= LIMIT_OTEL_LIVE_TASKS) {
		o->unseen++;
		return NULL;
	}
	struct live *l = xcalloc(1, sizeof *l);
	trace_begin(&l->trace, root, o->setup.target.style.content, LIMIT_OTEL_LIVE_WORDS);
	l->trace.tells_ends = true;
	l->next = o->live;
	o->live = l;
	if (o->live_count++ == 0 && o->setup.running)
		watch_arm(o->timer, o->setup.target.delay_ms);
	return l;
}

struct reading { struct otel *otel; struct live *live; bool sampled; };

static bool read_row(void *userdata, const struct event_row *row)
{
	struct reading *r = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) < 0)
		return true;
	if (e.type == EVENT_TASK_CREATED && strcmp(e.task, r->live->trace.task) == 0)
		r->sampled = is_sampled(r->otel, &e);
	(void)trace_add(&r->live->trace, &e);
	r->live->upto_seq = row->seq;
	event_done(&e);
	return true;
}

/* A task that was taken over: its spans began in another process, which sent those that ended there. */
static struct live *live_resumed(struct otel *o, const struct event *resumed)
{
	struct task_row row;

	if (store_task_get(o->store, resumed->task, &row, NULL) < 0)
		return NULL;
	struct live *l = live_new(o, row.root);
	const struct event_filter filter = { .task = row.root, .tree = true };
	struct reading reading = { .otel = o, .live = l };
	task_row_done(&row);
	if (l == NULL)
		return NULL;
	if (store_events(o->store, &filter, read_row, &reading, NULL) < 0 || !reading.sampled) {
		live_free(o, l);
		return NULL;
	}
	for (size_t i = 0; i < l->trace.count; i++) {
		struct span *s = l->trace.spans[i];
		s->sent = s->end_us != 0 && s->end_us < resumed->time_us;
		if (s->end_us != 0 && !s->sent && !may_begin_again(s))
			put_span(o, &l->trace, s);
	}
	l->trace.ended_count = 0;
	return l;
}

void otel_event(struct otel *o, const struct event *e)
{
	bool is_child = e->parent[0] != '\0' && e->type == EVENT_TASK_CREATED;
	struct live *l = e->task[0] != '\0' ? find_live(o, is_child ? e->parent : e->task) : NULL;

	if (l == NULL && e->type == EVENT_TASK_CREATED && e->parent[0] == '\0' && is_sampled(o, e))
		l = live_new(o, e->task);
	else if (l == NULL && e->type == EVENT_TASK_RESUMED)
		l = live_resumed(o, e);
	if (l == NULL)
		return;
	if (e->seq > l->upto_seq)
		(void)trace_add(&l->trace, e);
	put_ended(o, l);
	if (e->type != EVENT_TASK_FINISHED && e->type != EVENT_TASK_PARKED)
		return;
	put_rest(o, l, e->span_id);
	if (strcmp(e->task, l->trace.task) == 0)
		live_free(o, l);
}

/* ---- outside ---- */

int otel_new(struct loop *loop, struct store *store, const struct otel_setup *setup, struct otel **ret, struct err *err)
{
	struct otel_sender *sender;
	int r = otel_sender_new(loop, &setup->target, &sender, err);

	if (r < 0)
		return r;
	struct otel *o = xcalloc(1, sizeof *o);
	o->loop = loop;
	o->store = store;
	o->setup = *setup;
	o->setup.url = o->setup.ca_file = NULL;
	o->setup.headers = o->setup.resource = NULL;
	o->sender = sender;
	o->timer = watch_timer(loop, on_timer, o);
	*ret = o;
	return 0;
}

void otel_free(struct otel *o)
{
	if (o == NULL)
		return;
	while (o->live != NULL)
		live_free(o, o->live);
	watch_free(o->timer);
	otel_sender_free(o->sender);
	free(o);
}

void otel_watch(struct otel *o, struct heartbeats *table)
{
	if (o == NULL)
		return;
	const struct beat_spec spec = { .kind = "exporter", .name = "", .action = BEAT_ALARM,
	                                .deadline_ms = o->setup.target.timeout_ms + LIMIT_OTEL_BACKOFF_MOST_MS };
	otel_sender_watch(o->sender, beat_new(table, &spec));
}

void otel_freep(struct otel **o)
{
	otel_free(*o);
}

void otel_flush(struct otel *o)
{
	otel_sender_flush(o->sender, o->setup.flush_ms);
}

void otel_give_up(struct otel *o)
{
	otel_sender_give_up(o->sender);
}

void otel_stats(const struct otel *o, struct otel_stats *ret)
{
	otel_sender_stats(o->sender, ret);
	if (o->unseen > 0 && ret->why[0] == '\0')
		snprintf(ret->why, sizeof ret->why, "%lld tasks began while %d others worked, and were left out", (long long)o->unseen,
		         LIMIT_OTEL_LIVE_TASKS);
}

void otel_send_trace(struct otel *o, const struct trace *t)
{
	for (size_t i = 0; i < t->count; i++) {
		if (otel_sender_full(o->sender))
			otel_flush(o);
		put_span(o, t, t->spans[i]);
	}
}
