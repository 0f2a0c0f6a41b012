/* metrics.c - events into counters and histograms, by two tables: what there is, and which event adds what to it. It reads no
 * clock and no store but for what stands now, and invents no label: a value that a model could make up is one of a bounded
 * number, or "other". */
#include "engine/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/health.h"
#include "engine/otel.h"
#include "engine/run.h"

#include "base/banned.h"

const char metrics_type[] = "text/plain; version=0.0.4; charset=utf-8";
const char metrics_type_open[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/* ---- what there is ---- */

enum { LABELS_MOST = 2, BUCKETS_MOST = 16 };
enum type { COUNTER, HISTOGRAM };

/* Seconds. Of models and people; of what the machine does. */
static const double slow[] = { .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600 };
static const double quick[] = { .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5 };
_Static_assert(COUNT(slow) <= BUCKETS_MOST && COUNT(quick) <= BUCKETS_MOST && COUNT(slow) == COUNT(quick), "bounds of a histogram");

enum family {
	EVENTS, TASKS_STARTED, TASKS_ENDED, TASKS_PARKED, TASKS_RESUMED, MODEL_CALLS, MODEL_SECONDS, MODEL_FIRST, TOKENS,
	COST, COST_UNKNOWN, RETRIES, SWITCHES, BREAKERS, TOOL_CALLS, TOOL_SECONDS, DECISIONS, APPROVALS, APPROVAL_WAIT,
	CELL_START, LIMITS, BUDGETS, RESOURCES, LOOPS,
	HEALTH_MISSED, COMMIT, FAMILIES
};

static const struct row {
	const char *name, *about;
	enum type type;
	const char *labels[LABELS_MOST];
	const double *bounds;
} rows[FAMILIES] = {
	[EVENTS] = { "mishri_events_total", "Events that became durable.", COUNTER, { NULL }, NULL },
	[TASKS_STARTED] = { "mishri_tasks_started_total",
		"Goals that were accepted, by role.", COUNTER, { "role" }, NULL },
	[TASKS_ENDED] = { "mishri_tasks_ended_total", "Tasks that ended, by how.", COUNTER, { "state" }, NULL },
	[TASKS_PARKED] = { "mishri_tasks_parked_total",
		"Tasks that came to rest, by why.", COUNTER, { "reason" }, NULL },
	[TASKS_RESUMED] = { "mishri_tasks_resumed_total",
		"Tasks that were taken up again, by why.", COUNTER, { "reason" }, NULL },
	[MODEL_CALLS] = { "mishri_model_calls_total",
		"Requests to models, by how they ended: ok, or the class of the failure.",
		COUNTER, { "model", "status" }, NULL },
	[MODEL_SECONDS] = { "mishri_model_seconds",
		"From a request to the last byte of its reply.", HISTOGRAM, { "model" }, slow },
	[MODEL_FIRST] = { "mishri_model_first_token_seconds",
		"From a request to the first token of its reply.", HISTOGRAM, { "model" }, slow },
	[TOKENS] = { "mishri_tokens_total",
		"Tokens in buckets that do not overlap: input, cache_read, cache_write, output.",
		COUNTER, { "model", "bucket" }, NULL },
	[COST] = { "mishri_cost_usd_total", "US dollars, where the cost is known.", COUNTER, { "model" }, NULL },
	[COST_UNKNOWN] = { "mishri_cost_unknown_total",
		"Replies whose cost is not known.", COUNTER, { "model" }, NULL },
	[RETRIES] = { "mishri_retries_total",
		"Attempts that follow a failure, by its class; of a model or a tool.",
		COUNTER, { "of", "class" }, NULL },
	[SWITCHES] = { "mishri_model_switches_total",
		"Times that another model stood in, by why.", COUNTER, { "class" }, NULL },
	[BREAKERS] = { "mishri_breakers_opened_total",
		"Times that a model was left alone for a while.", COUNTER, { "model" }, NULL },
	[TOOL_CALLS] = { "mishri_tool_calls_total",
		"Tool calls, by how they ended.", COUNTER, { "tool", "status" }, NULL },
	[TOOL_SECONDS] = { "mishri_tool_seconds",
		"From the start of a tool call to its end.", HISTOGRAM, { "tool" }, slow },
	[DECISIONS] = { "mishri_decisions_total",
		"What policy decided, about tool calls, program starts and connections.",
		COUNTER, { "on", "effect" }, NULL },
	[APPROVALS] = { "mishri_approvals_total",
		"Questions to people, by their answer.", COUNTER, { "answer" }, NULL },
	[APPROVAL_WAIT] = { "mishri_approval_wait_seconds",
		"From a question to its answer.", HISTOGRAM, { NULL }, slow },
	[CELL_START] = { "mishri_cell_start_seconds", "Time to make a cell.", HISTOGRAM, { "level" }, quick },
	[LIMITS] = { "mishri_limits_reached_total",
		"Limits of the policy that were reached, by what they count and what followed.",
		COUNTER, { "on", "over" }, NULL },
	[BUDGETS] = { "mishri_budgets_exceeded_total",
		"Steps that a budget had no room for, by its unit.", COUNTER, { "unit" }, NULL },
	[RESOURCES] = { "mishri_resources_exceeded_total",
		"Calls that went beyond a limit of the kernel.", COUNTER, { "what" }, NULL },
	[LOOPS] = { "mishri_loops_total",
		"Tasks found going round in circles, by what followed.", COUNTER, { "level" }, NULL },
	[HEALTH_MISSED] = { "mishri_health_missed_total",
		"Parts that gave no sign of life in time.", COUNTER, { "kind" }, NULL },
	[COMMIT] = { "mishri_commit_seconds",
		"From the hand-over of a batch of events until it was durable.", HISTOGRAM, { NULL }, quick },
};

/* ---- which event adds what ---- */

/* A label: "=text" is the text, anything else a field of the event's data. value: a field; NULL: 1. */
static const struct feed {
	enum event_type type;
	enum family family;
	const char *labels[LABELS_MOST];
	const char *value;
	double scale;
} feeds[] = {
	{ EVENT_TASK_CREATED, TASKS_STARTED, { "role" }, NULL, 1 },
	{ EVENT_TASK_FINISHED, TASKS_ENDED, { "state" }, NULL, 1 },
	{ EVENT_TASK_PARKED, TASKS_PARKED, { "reason" }, NULL, 1 },
	{ EVENT_TASK_RESUMED, TASKS_RESUMED, { "reason" }, NULL, 1 },
	{ EVENT_MODEL_SWITCHED, SWITCHES, { "class" }, NULL, 1 },
	{ EVENT_BREAKER_OPENED, BREAKERS, { "model" }, NULL, 1 },
	{ EVENT_CALL_DECIDED, DECISIONS, { "=tool", "effect" }, NULL, 1 },
	{ EVENT_EXEC_DECIDED, DECISIONS, { "=exec", "effect" }, NULL, 1 },
	{ EVENT_NET_DECIDED, DECISIONS, { "=net", "effect" }, NULL, 1 },
	{ EVENT_APPROVAL_DECIDED, APPROVALS, { "answer" }, NULL, 1 },
	{ EVENT_CELL_OPENED, CELL_START, { "level" }, "ms", 1e-3 },
	{ EVENT_LIMIT_REACHED, LIMITS, { "on", "over" }, NULL, 1 },
	{ EVENT_BUDGET_EXCEEDED, BUDGETS, { "unit" }, NULL, 1 },
	{ EVENT_RESOURCE_EXCEEDED, RESOURCES, { "what" }, NULL, 1 },
	{ EVENT_LOOP_DETECTED, LOOPS, { "level" }, NULL, 1 },
	{ EVENT_HEALTH_MISSED, HEALTH_MISSED, { "kind" }, NULL, 1 },
};

/* ---- series ---- */

struct series {
	char *labels;                /* as they are written: role="worker",... */
	double sum;
	uint64_t count, buckets[BUCKETS_MOST];
};

struct metrics {
	struct { struct series *list; size_t count; json_t *by_labels; } families[FAMILIES];
	json_t *models;              /* task → provider/model that it asks */
	json_t *asked;               /* approval → when, in microseconds */
};

struct metrics *metrics_new(void)
{
	struct metrics *m = xcalloc(1, sizeof *m);

	for (size_t i = 0; i < FAMILIES; i++)
		m->families[i].by_labels = json_object();
	m->models = json_object();
	m->asked = json_object();
	return m;
}

void metrics_free(struct metrics *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < FAMILIES; i++) {
		for (size_t k = 0; k < m->families[i].count; k++)
			free(m->families[i].list[k].labels);
		free(m->families[i].list);
		json_decref(m->families[i].by_labels);
	}
	json_decref(m->models);
	json_decref(m->asked);
	free(m);
}

void metrics_freep(struct metrics **m)
{
	metrics_free(*m);
}

static void add_label(struct buf *ret, const char *name, const char *value)
{
	enum { VALUE_MOST = 100 };
	size_t len = MIN(strlen(value), (size_t)VALUE_MOST);

	buf_printf(ret, "%s%s=\"", ret->len > 0 ? "," : "", name);
	for (size_t i = 0; i < len; i++) {
		if (value[i] == '"' || value[i] == '\\')
			buf_add_char(ret, '\\');
		if (value[i] == '\n')
			buf_add_text(ret, "\\n");
		else if ((unsigned char)value[i] >= ' ' && (unsigned char)value[i] < 0x7f)
			buf_add_char(ret, value[i]);
		else
			buf_add_char(ret, '_');
	}
	buf_add_char(ret, '"');
}

static struct series *series_of(struct metrics *m, enum family family, const char *const values[LABELS_MOST])
{
	AUTO(buf_done) struct buf labels = BUF_INIT(KIB(4));
	json_t *known = m->families[family].by_labels;
	bool full = m->families[family].count >= LIMIT_METRIC_SERIES;

	for (size_t i = 0; i < LABELS_MOST && rows[family].labels[i] != NULL; i++)
		add_label(&labels, rows[family].labels[i], values[i] != NULL ? values[i] : "");
	const json_t *at = json_object_get(known, buf_text(&labels));
	if (at == NULL && full) {
		buf_reset(&labels);
		for (size_t i = 0; i < LABELS_MOST && rows[family].labels[i] != NULL; i++)
			add_label(&labels, rows[family].labels[i], "other");
		at = json_object_get(known, buf_text(&labels));
	}
	if (at != NULL)
		return &m->families[family].list[json_integer_value(at)];
	size_t count = m->families[family].count++;
	m->families[family].list = xrealloc(m->families[family].list, (count + 1) * sizeof(struct series));
	m->families[family].list[count] = (struct series){ .labels = xstrdup(buf_text(&labels)) };
	json_put_int(known, buf_text(&labels), (int64_t)count);
	return &m->families[family].list[count];
}

static void add(struct metrics *m, enum family family, const char *one, const char *two, double value)
{
	const char *const values[LABELS_MOST] = { one, two };
	struct series *s = series_of(m, family, values);

	s->sum += value;
	s->count++;
	for (size_t i = 0; rows[family].type == HISTOGRAM && i < COUNT(slow); i++)
		s->buckets[i] += value <= rows[family].bounds[i];
}

/* ---- events that say more than a row can ---- */

static void on_requested(struct metrics *m, const struct event *e)
{
	AUTO(freep) char *model = xasprintf("%s/%s", json_get_text(e->data, "provider", ""), json_get_text(e->data, "model", ""));

	if (json_object_size(m->models) < LIMIT_METRIC_TASKS || json_object_get(m->models, e->task) != NULL)
		json_put_text(m->models, e->task, strncmp(model, "recorded/", 9) == 0 ? "recorded" : model);
}

static const char *model_of(const struct metrics *m, const struct event *e)
{
	return json_get_text(m->models, e->task, "other");
}

static void on_replied(struct metrics *m, const struct event *e)
{
	static const char *const buckets[] = { "input", "cache_read", "cache_write", "output" };
	const json_t *usage = json_object_get(e->data, "usage"), *cost = json_object_get(e->data, "usd_nanos");
	const char *model = model_of(m, e);

	add(m, MODEL_CALLS, model, "ok", 1);
	add(m, MODEL_SECONDS, model, NULL, (double)json_get_int(e->data, "ms", 0) / 1e3);
	if (json_is_integer(json_object_get(e->data, "first_ms")))
		add(m, MODEL_FIRST, model, NULL, (double)json_get_int(e->data, "first_ms", 0) / 1e3);
	for (size_t i = 0; i < COUNT(buckets); i++)
		if (json_is_integer(json_object_get(usage, buckets[i])))
			add(m, TOKENS, model, buckets[i], (double)json_get_int(usage, buckets[i], 0));
	if (json_is_integer(cost))
		add(m, COST, model, NULL, (double)json_integer_value(cost) / 1e9);
	else
		add(m, COST_UNKNOWN, model, NULL, 1);
}

/* A name that no tool has is a model's invention. */
static const char *tool_label(const struct event *e)
{
	const char *name = json_get_text(e->data, "tool", "");

	return tool_find(name) != NULL ? name : "other";
}

static void on_finished(struct metrics *m, const struct event *e)
{
	add(m, TOOL_CALLS, tool_label(e), json_get_text(e->data, "status", ""), 1);
	add(m, TOOL_SECONDS, tool_label(e), NULL, (double)json_get_int(e->data, "ms", 0) / 1e3);
}

static void on_asked(struct metrics *m, const struct event *e)
{
	if (json_object_size(m->asked) < LIMIT_METRIC_TASKS)
		json_put_int(m->asked, json_get_text(e->data, "approval", ""), e->time_us);
}

static void on_answered(struct metrics *m, const struct event *e)
{
	const char *approval = json_get_text(e->data, "approval", "");
	int64_t asked_us = json_get_int(m->asked, approval, 0);

	if (asked_us != 0)
		add(m, APPROVAL_WAIT, NULL, NULL, (double)MAX(e->time_us - asked_us, (int64_t)0) / 1e6);
	json_object_del(m->asked, approval);
}

static void on_other(struct metrics *m, const struct event *e)
{
	const struct { enum event_type type; void (*fn)(struct metrics *m, const struct event *e); } more[] = {
		{ EVENT_MODEL_REQUESTED, on_requested }, { EVENT_MODEL_REPLIED, on_replied }, { EVENT_CALL_FINISHED, on_finished },
		{ EVENT_APPROVAL_REQUESTED, on_asked }, { EVENT_APPROVAL_DECIDED, on_answered },
	};

	for (size_t i = 0; i < COUNT(more); i++)
		if (more[i].type == e->type)
			more[i].fn(m, e);
	if (e->type == EVENT_MODEL_FAILED)
		add(m, MODEL_CALLS, model_of(m, e), json_get_text(e->data, "class", ""), 1);
	else if (e->type == EVENT_RETRY_SCHEDULED)
		add(m, RETRIES, json_object_get(e->data, "call") != NULL ? "tool" : "model", json_get_text(e->data, "class", ""), 1);
	else if (e->type == EVENT_TASK_FINISHED || e->type == EVENT_TASK_PARKED)
		json_object_del(m->models, e->task);
}

void metrics_event(struct metrics *m, const struct event *e)
{
	add(m, EVENTS, NULL, NULL, 1);
	for (size_t i = 0; i < COUNT(feeds); i++) {
		const struct feed *f = &feeds[i];
		const char *values[LABELS_MOST] = { NULL };
		if (f->type != e->type)
			continue;
		for (size_t k = 0; k < LABELS_MOST && f->labels[k] != NULL; k++)
			values[k] = f->labels[k][0] == '=' ? f->labels[k] + 1 : json_get_text(e->data, f->labels[k], "");
		add(m, f->family, values[0], values[1], f->value != NULL ? (double)json_get_int(e->data, f->value, 0) * f->scale : 1);
	}
	on_other(m, e);
}

void metrics_commit(struct metrics *m, int64_t us)
{
	add(m, COMMIT, NULL, NULL, (double)us / 1e6);
}

/* ---- text ---- */

bool metrics_wants_open(const char *accept)
{
	return accept != NULL && strstr(accept, "application/openmetrics-text") != NULL;
}

/* OpenMetrics names the family of a counter without its suffix. */
static void add_head(const char *name, const char *about, const char *type, bool open, struct buf *ret)
{
	size_t len = strlen(name), total = strlen("_total");
	bool cut = open && strcmp(type, "counter") == 0 && len > total && strcmp(name + len - total, "_total") == 0;
	int shown = (int)(cut ? len - total : len);

	buf_printf(ret, "# HELP %.*s %s\n# TYPE %.*s %s\n", shown, name, about, shown, name, type);
}

static void add_number(double value, struct buf *ret)
{
	if (floor(value) == value && fabs(value) < 1e15)
		buf_printf(ret, "%.0f\n", value);
	else
		buf_printf(ret, "%.9g\n", value);
}

static void add_sample(const char *name, const char *suffix, const char *labels, const char *le, double value, struct buf *ret)
{
	buf_printf(ret, "%s%s", name, suffix);
	if (labels[0] != '\0' || le != NULL)
		buf_printf(ret, "{%s%s%s%s%s}", labels, labels[0] != '\0' && le != NULL ? "," : "", le != NULL ? "le=\"" : "",
		           le != NULL ? le : "", le != NULL ? "\"" : "");
	buf_add_char(ret, ' ');
	add_number(value, ret);
}

static void add_histogram(const struct row *row, const struct series *s, struct buf *ret)
{
	char le[32];

	for (size_t i = 0; i < COUNT(slow); i++) {
		snprintf(le, sizeof le, "%g", row->bounds[i]);
		add_sample(row->name, "_bucket", s->labels, le, (double)s->buckets[i], ret);
	}
	add_sample(row->name, "_bucket", s->labels, "+Inf", (double)s->count, ret);
	add_sample(row->name, "_sum", s->labels, NULL, s->sum, ret);
	add_sample(row->name, "_count", s->labels, NULL, (double)s->count, ret);
}

/* ---- what stands now ---- */

enum { MEASURES_MOST = 64 };
struct gauges {
	struct buf *ret;
	bool open;
	struct { char *name; struct buf text; } measures[MEASURES_MOST];
	size_t count;
};

static void on_state(void *userdata, const char *state, int64_t count)
{
	AUTO(buf_done) struct buf labels = BUF_INIT(KIB(1));
	struct gauges *g = userdata;

	add_label(&labels, "state", state);
	add_sample("mishri_open_tasks", "", buf_text(&labels), NULL, (double)count, g->ret);
}

/* Samples of one name must stand together. NULL: there are too many names. */
static struct buf *text_of(struct gauges *g, const struct health_measure *measure)
{
	size_t i = 0;

	while (i < g->count && strcmp(g->measures[i].name, measure->name) != 0)
		i++;
	if (i == MEASURES_MOST)
		return NULL;
	if (i == g->count) {
		g->measures[i].name = xstrdup(measure->name);
		g->measures[i].text = BUF_INIT(LIMIT_METRICS_BYTES);
		g->count++;
		add_head(measure->name, measure->about, measure->counter ? "counter" : "gauge", g->open, &g->measures[i].text);
	}
	return &g->measures[i].text;
}

/* Rows of single tasks and calls are for `mishri health`: their ids would be labels without end. */
static void on_measure(void *userdata, const struct health_measure *measure)
{
	AUTO(buf_done) struct buf labels = BUF_INIT(KIB(4));
	const char *key;
	json_t *value;

	if (json_get_text(measure->labels, "name", "")[0] != '\0')
		return;
	struct buf *text = text_of(userdata, measure);
	json_object_foreach((json_t *)measure->labels, key, value)
		if (json_is_string(value) && strcmp(key, "name") != 0)
			add_label(&labels, key, json_string_value(value));
	if (text != NULL)
		add_sample(measure->name, "", buf_text(&labels), NULL, measure->value, text);
}

static void add_measures(struct engine *engine, struct gauges *g)
{
	health_measures(engine, on_measure, g);
	for (size_t i = 0; i < g->count; i++) {
		buf_add_str(g->ret, buf_str(&g->measures[i].text));
		buf_done(&g->measures[i].text);
		free(g->measures[i].name);
	}
	g->count = 0;
}

static void add_export(const struct otel *otel, bool open, struct buf *ret)
{
	struct otel_stats stats;

	otel_stats(otel, &stats);
	add_head("mishri_export_spans_total", "Spans for the receiver, by what became of them.", "counter", open, ret);
	add_sample("mishri_export_spans_total", "", "outcome=\"sent\"", NULL, (double)stats.sent, ret);
	add_sample("mishri_export_spans_total", "", "outcome=\"rejected\"", NULL, (double)stats.rejected, ret);
	add_sample("mishri_export_spans_total", "", "outcome=\"dropped\"", NULL, (double)stats.dropped, ret);
	add_head("mishri_export_queue_spans", "Spans that wait for the receiver.", "gauge", open, ret);
	add_sample("mishri_export_queue_spans", "", "", NULL, (double)stats.waiting, ret);
	add_head("mishri_export_requests_total", "Requests to the receiver.", "counter", open, ret);
	add_sample("mishri_export_requests_total", "", "", NULL, (double)stats.requests, ret);
}

void metrics_render(const struct metrics *m, const struct metrics_now *now, bool open, struct buf *ret)
{
	struct gauges gauges = { .ret = ret, .open = open };

	for (size_t i = 0; i < FAMILIES; i++) {
		if (m->families[i].count > 0)
			add_head(rows[i].name, rows[i].about, rows[i].type == COUNTER ? "counter" : "histogram", open, ret);
		for (size_t k = 0; k < m->families[i].count; k++) {
			const struct series *s = &m->families[i].list[k];
			if (rows[i].type == HISTOGRAM)
				add_histogram(&rows[i], s, ret);
			else
				add_sample(rows[i].name, "", s->labels, NULL, s->sum, ret);
		}
	}
	if (now->store != NULL) {
		add_head("mishri_open_tasks", "Root tasks that have not ended, by state.", "gauge", open, ret);
		if (store_task_counts(now->store, on_state, &gauges, NULL) < 0)
			buf_add_text(ret, "# the store could not be read\n");
	}
	if (now->engine != NULL)
		add_measures(now->engine, &gauges);
	if (now->engine != NULL && now->engine->setup.otel != NULL)
		add_export(now->engine->setup.otel, open, ret);
	if (open)
		buf_add_text(ret, "# EOF\n");
}
