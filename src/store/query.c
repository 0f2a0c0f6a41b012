/* query.c - questions about tasks, calls and events. It reads and never writes. */
#include "store/internal.h"

#include <stdio.h>

#include "base/banned.h"

static const char *const state_names[] = {
	[TASK_RUNNING] = "running", [TASK_PARKED] = "parked", [TASK_PAUSED] = "paused", [TASK_DONE] = "done",
	[TASK_FAILED] = "failed", [TASK_DENIED] = "denied", [TASK_CANCELLED] = "cancelled",
};
_Static_assert(COUNT(state_names) == TASK_STATES, "every state has a name");

const char *task_state_name(enum task_state state)
{
	return name_of(state_names, COUNT(state_names), state);
}

/* ---- tasks ---- */

/* The order of TASK_COLUMNS in statements.def. */
enum {
	T_TASK, T_ROOT, T_PARENT, T_SESSION, T_USER, T_AGENT, T_ROLE, T_MODEL, T_WORKSPACE, T_GOAL, T_RESULT, T_STATE,
	T_EXIT, T_STARTED, T_ENDED, T_TURNS, T_CALLS, T_DENIED, T_INPUT, T_CACHE_READ, T_CACHE_WRITE, T_OUTPUT,
	T_USD_NANOS, T_PID, T_START, T_BOOT, T_PID_NAMESPACE, T_UNTIL, T_PRIORITY, T_FORKED_FROM, T_FORKED_AT,
	T_CACHE_WRITE_1H, T_REASONING,
};

void task_row_done(struct task_row *row)
{
	char **texts[] = { &row->goal, &row->agent, &row->role, &row->user, &row->model, &row->workspace, &row->result };

	for (size_t i = 0; i < COUNT(texts); i++)
		free(TAKE(*texts[i]));
}

static void read_id(const struct query *q, int column, char to[static ID_LEN + 1])
{
	snprintf(to, ID_LEN + 1, "%s", query_text(q, column));
}

static void read_numbers(const struct query *q, struct task_row *row)
{
	row->exit = query_is_null(q, T_EXIT) ? -1 : (int)query_int(q, T_EXIT);
	row->started_us = query_int(q, T_STARTED);
	row->ended_us = query_int(q, T_ENDED);
	row->turns = query_int(q, T_TURNS);
	row->calls = query_int(q, T_CALLS);
	row->denied = query_int(q, T_DENIED);
	row->input = query_int(q, T_INPUT);
	row->cache_read = query_int(q, T_CACHE_READ);
	row->cache_write = query_int(q, T_CACHE_WRITE);
	row->output = query_int(q, T_OUTPUT);
	row->cache_write_1h = query_int(q, T_CACHE_WRITE_1H);
	row->reasoning = query_int(q, T_REASONING);
	row->usd_nanos = query_is_null(q, T_USD_NANOS) ? -1 : query_int(q, T_USD_NANOS);
}

static void read_holder(const struct query *q, struct task_row *row)
{
	enum life life = holder_life(q, T_PID);
	bool held = life != LIFE_GONE && query_int(q, T_UNTIL) > clock_mono_ms();

	row->holder_pid = held ? (int)query_int(q, T_PID) : 0;
	row->alive = held && (row->state == TASK_RUNNING || row->state == TASK_PAUSED);
}

void task_row_read(const struct query *q, struct task_row *row)
{
	const struct { int column; char **to; } texts[] = {
		{ T_USER, &row->user }, { T_AGENT, &row->agent }, { T_ROLE, &row->role }, { T_MODEL, &row->model },
		{ T_WORKSPACE, &row->workspace }, { T_GOAL, &row->goal },
	};

	*row = (struct task_row){ 0 };
	read_id(q, T_TASK, row->task);
	read_id(q, T_ROOT, row->root);
	read_id(q, T_PARENT, row->parent);
	read_id(q, T_SESSION, row->session);
	read_id(q, T_FORKED_FROM, row->forked_from);
	row->forked_at = query_int(q, T_FORKED_AT);
	row->priority = query_int(q, T_PRIORITY);
	for (size_t i = 0; i < COUNT(texts); i++)
		*texts[i].to = xstrdup(query_text(q, texts[i].column));
	row->result = query_is_null(q, T_RESULT) ? NULL : xstrdup(query_text(q, T_RESULT));
	int state = name_find(state_names, COUNT(state_names), query_text(q, T_STATE));
	row->state = state >= 0 ? (enum task_state)state : TASK_FAILED;
	read_numbers(q, row);
	read_holder(q, row);
}

int store_task_get(struct store *store, const char *task, struct task_row *ret, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_TASK_GET, "t", task);
	int r = query_next(&q, err);

	if (r == 0)
		return err_set(err, ENOENT, "there is no task %s; 'mishri history' lists them", task);
	if (r < 0)
		return r;
	task_row_read(&q, ret);
	return 0;
}

int store_tasks(struct store *store, const struct task_filter *filter,
                void (*visit)(void *userdata, const struct task_row *row), void *userdata, struct err *err)
{
	int64_t limit = filter->limit > 0 ? filter->limit : 100;
	AUTO(query_done) struct query q = filter->parent != NULL
		? query_start(&store->db, SQL_TASKS_CHILDREN, "tti", filter->parent, filter->state, limit)
		: query_start(&store->db, SQL_TASKS_STATE, "ti", filter->state, limit);
	int r;

	assert(filter->parent != NULL || filter->state != NULL);
	while ((r = query_next(&q, err)) > 0) {
		struct task_row row;
		task_row_read(&q, &row);
		visit(userdata, &row);
		task_row_done(&row);
	}
	return r;
}

static int find_last(struct db *db, char ret[static ID_LEN + 1], struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_TASK_LAST, "");
	int r = query_next(&q, err);

	if (r == 0)
		return err_set(err, ENOENT, "%s: there is no task yet; `mishri run` makes one", db->path);
	if (r > 0)
		read_id(&q, 0, ret);
	return MIN(r, 0);
}

static int find_beginning(struct db *db, const char *name, char ret[static ID_LEN + 1], struct err *err)
{
	AUTO(freep) char *beyond = xasprintf("%s~", name);
	AUTO(query_done) struct query q = query_start(db, SQL_TASK_BEGINS, "tt", name, beyond);
	char found[ID_LEN + 1] = "", list[256] = "";
	size_t count = 0, len = 0;
	int r;

	while ((r = query_next(&q, err)) > 0) {
		if (count++ == 0)
			read_id(&q, 0, found);
		len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", count > 1 ? ", " : "",
					query_text(&q, 0));
	}
	if (r < 0)
		return r;
	if (count == 0)
		return err_set(err, ENOENT, "there is no task '%s'; 'mishri history' lists them", name);
	if (count > 1)
		return err_set(err, EEXIST, "'%s' may be each of %s: give more characters", name, list);
	memcpy(ret, found, sizeof found);
	return 0;
}

int store_task_find(struct store *store, const char *name, char ret[static ID_LEN + 1], struct err *err)
{
	if (strcmp(name, "last") == 0)
		return find_last(&store->db, ret, err);
	if (strlen(name) < 4 || strlen(name) > ID_LEN)
		return err_set(err, ENOENT, "'%s' names no task: give its id, at least 4 characters of it, or 'last';"
		               " `mishri history` lists them",
			       name);
	return find_beginning(&store->db, name, ret, err);
}

/* What other models spent for this task, taken out of its row. */
static int visit_stand_ins(struct store *store, struct cost_row *row, void (*visit)(void *userdata, const struct cost_row *row),
                           void *userdata, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_STAND_INS, "t", row->task);
	int r;

	while ((r = query_next(&q, err)) > 0) {
		struct cost_row other = *row;
		other.model = query_text(&q, 0);
		other.stand_in = true;
		other.calls = other.denied = 0;
		int64_t *const to[] = { &other.turns, &other.input, &other.cache_read, &other.cache_write, &other.output, &other.known_nanos,
		                        &other.unknown, &other.cache_write_1h, &other.reasoning };
		int64_t *const from[] = { &row->turns, &row->input, &row->cache_read, &row->cache_write, &row->output, &row->known_nanos,
		                          &row->unknown, &row->cache_write_1h, &row->reasoning };
		for (size_t i = 0; i < COUNT(to); i++) {
			*to[i] = query_int(&q, (int)i + 1);
			*from[i] -= *to[i];
		}
		other.usd_nanos = other.unknown > 0 ? -1 : other.known_nanos;
		visit(userdata, &other);
	}
	row->usd_nanos = row->unknown > 0 ? -1 : row->known_nanos;
	return r;
}

int store_costs(struct store *store, const struct cost_filter *filter,
                void (*visit)(void *userdata, const struct cost_row *row), void *userdata, struct err *err)
{
	int64_t until_us = filter->until_us > 0 ? filter->until_us : INT64_MAX;
	AUTO(query_done) struct query q = filter->root != NULL
		? query_start(&store->db, SQL_COSTS_TREE, "t", filter->root)
		: query_start(&store->db, SQL_COSTS, "iitt", filter->since_us, until_us, filter->user, filter->session);
	int r;

	while ((r = query_next(&q, err)) > 0) {
		struct cost_row row = {
			.root = query_text(&q, 0), .task = query_text(&q, 1), .session = query_text(&q, 2),
			.user = query_text(&q, 3), .model = query_text(&q, 4), .goal = query_text(&q, 5),
			.started_us = query_int(&q, 6), .turns = query_int(&q, 7), .calls = query_int(&q, 8),
			.denied = query_int(&q, 9), .input = query_int(&q, 10), .cache_read = query_int(&q, 11),
			.cache_write = query_int(&q, 12), .output = query_int(&q, 13),
			.usd_nanos = query_is_null(&q, 14) ? -1 : query_int(&q, 14), .known_nanos = query_int(&q, 15), .unknown = query_int(&q, 16),
			.cache_write_1h = query_int(&q, 18), .reasoning = query_int(&q, 19),
		};
		if (query_int(&q, 17) != 0 && (r = visit_stand_ins(store, &row, visit, userdata, err)) < 0)
			return r;
		visit(userdata, &row);
	}
	return r;
}

static int64_t last_day(const struct cost_filter *filter)
{
	return filter->until_us > 0 ? (filter->until_us - 1) / LIMIT_DAY_US : INT64_MAX;
}

static int visit_days(struct query *started, void (*visit)(void *userdata, const struct day_row *row), void *userdata,
                      struct err *err)
{
	AUTO(query_done) struct query q = *started;
	int r;

	while ((r = query_next(&q, err)) > 0) {
		struct day_row row = {
			.day = query_int(&q, 0), .user = query_text(&q, 1), .model = query_text(&q, 2), .tasks = query_int(&q, 3),
			.unknown = query_int(&q, 4), .turns = query_int(&q, 5), .calls = query_int(&q, 6), .denied = query_int(&q, 7),
			.input = query_int(&q, 8), .cache_read = query_int(&q, 9), .cache_write = query_int(&q, 10),
			.output = query_int(&q, 11), .usd_nanos = query_int(&q, 12),
			.cache_write_1h = query_int(&q, 13), .reasoning = query_int(&q, 14),
		};
		visit(userdata, &row);
	}
	return r;
}

int store_days(struct store *store, const struct cost_filter *filter, void (*visit)(void *userdata, const struct day_row *row),
               void *userdata, struct err *err)
{
	struct query q = query_start(&store->db, SQL_DAYS, "iit", filter->since_us / LIMIT_DAY_US, last_day(filter), filter->user);

	return visit_days(&q, visit, userdata, err);
}

int store_day_sums(struct store *store, const struct cost_filter *filter, void (*visit)(void *userdata, const struct day_row *row),
                   void *userdata, struct err *err)
{
	struct query q = query_start(&store->db, SQL_DAY_SUMS, "ii", filter->since_us / LIMIT_DAY_US, last_day(filter));

	return visit_days(&q, visit, userdata, err);
}

/* ---- calls ---- */

/* A key of the data of an event's text, as text; the caller owns it. */
static int data_field(struct db *db, struct str text, const char *key, char **ret, struct err *err)
{
	AUTO(json_decrefp) json_t *event = NULL;

	if (text.len == 0) {
		*ret = xstrdup("");
		return 0;
	}
	int r = json_parse(text, &event, err);
	if (r == 0)
		r = blobs_restore(db, event, err);
	if (r < 0)
		return r;
	const json_t *value = json_object_get(json_object_get(event, "data"), key);
	bool plain = json_is_string(value) && strcmp(key, "output") == 0;
	*ret = plain ? xstrdup(json_string_value(value)) : json_text(value);
	return 0;
}

static int visit_call(struct db *db, const struct query *q, void (*visit)(void *, const struct call_row *),
                      void *userdata, struct err *err)
{
	AUTO(freep) char *args = NULL;
	AUTO(freep) char *output = NULL;

	int r = data_field(db, query_str(q, 9), "args", &args, err);
	if (r == 0)
		r = data_field(db, query_str(q, 10), "output", &output, err);
	if (r < 0)
		return r;
	struct call_row row = {
		.turn = query_int(q, 1), .tool = query_text(q, 2), .args = args, .effect = query_text(q, 3),
		.rule = query_text(q, 4), .status = query_text(q, 5), .output = output,
		.exit = query_is_null(q, 6) ? -1 : (int)query_int(q, 6),
		.started_us = query_int(q, 7), .ms = query_int(q, 8),
	};
	snprintf(row.call, sizeof row.call, "%s", query_text(q, 0));
	visit(userdata, &row);
	return 0;
}

int store_calls(struct store *store, const char *task, void (*visit)(void *userdata, const struct call_row *row),
                void *userdata, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_CALLS, "t", task);
	int r;

	while ((r = query_next(&q, err)) > 0) {
		r = visit_call(&store->db, &q, visit, userdata, err);
		if (r < 0)
			return r;
	}
	return r;
}

/* ---- events ---- */

/* The range of names: "call." holds "call.decided"; without the dot it is one name. */
static char *type_range_end(const char *type)
{
	size_t len = strlen(type);

	if (len == 0)
		return xstrdup("~");
	if (type[len - 1] == '.')
		return xasprintf("%.*s/", (int)len - 1, type);  /* the character after the dot */
	return xasprintf("%s!", type);                          /* comes before every character of a name */
}

static int with_content(struct db *db, struct str text, struct buf *ret, struct err *err)
{
	AUTO(json_decrefp) json_t *event = NULL;

	int r = json_parse(text, &event, err);
	if (r == 0)
		r = blobs_restore(db, event, err);
	if (r == 0)
		json_write(event, ret);
	return r;
}

int store_events(struct store *store, const struct event_filter *filter,
                 bool (*visit)(void *userdata, const struct event_row *row), void *userdata, struct err *err)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_JSON_BYTES);
	const char *from = filter->type != NULL ? filter->type : "";
	AUTO(freep) char *upto = type_range_end(from);
	enum statement id = filter->task == NULL ? (filter->type == NULL ? SQL_EVENTS_ALL : SQL_EVENTS_TYPE)
	                                         : (filter->tree ? SQL_EVENTS_TREE : SQL_EVENTS_TASK);

	AUTO(query_done) struct query q =
		query_start(&store->db, id, filter->task != NULL ? "ittit" : "itti", filter->after_seq, from, upto,
	                    filter->limit > 0 ? filter->limit : (int64_t)-1, filter->task);
	int r;
	while ((r = query_next(&q, err)) > 0) {
		struct event_row row = { query_int(&q, 0), query_str(&q, 1), query_text(&q, 2), query_text(&q, 3) };
		if (filter->with_content) {
			buf_reset(&text);
			r = with_content(&store->db, row.text, &text, err);
			row.text = buf_str(&text);
		}
		if (r < 0)
			return err_prefix(err, "event %lld", (long long)row.seq);
		if (!visit(userdata, &row))
			return 0;
	}
	return r;
}

int store_event_last(struct store *store, const char *task, struct event *ret, struct err *err)
{
	AUTO(query_done) struct query q = query_start(&store->db, SQL_EVENT_LAST, "t", task);
	int r = query_next(&q, err);

	if (r == 0)
		return err_set(err, ENOENT, "task %s has no event", task);
	if (r > 0)
		r = event_parse(query_str(&q, 1), ret, err);
	if (r == 0)
		ret->seq = query_int(&q, 0);
	return r;
}

static int number(struct db *db, enum statement id, int64_t *ret, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, id, "");
	int r = query_next(&q, err);

	if (r >= 0)
		*ret = r > 0 ? query_int(&q, 0) : 0;
	return MIN(r, 0);
}

int store_version(struct store *store, int64_t *ret, struct err *err)
{
	return number(&store->db, SQL_DATA_VERSION, ret, err);
}

int store_event_newest(struct store *store, int64_t *ret_seq, struct err *err)
{
	return number(&store->db, SQL_EVENT_NEWEST, ret_seq, err);
}

/* By halves: events are written in the order of time, and seq has holes only where trees left. */
int store_event_before(struct store *store, int64_t time_us, int64_t *ret_seq, struct err *err)
{
	int64_t low = 0, high = 0, at_us;
	int r = store_event_newest(store, &high, err);

	while (r == 0 && low < high) {
		AUTO(query_done) struct query q = query_start(&store->db, SQL_EVENT_FROM, "i", low + (high - low + 1) / 2);
		r = query_next(&q, err);
		if (r < 0)
			return r;
		bool earlier = r > 0 && clock_parse(query_text(&q, 1), &at_us) == 0 && at_us < time_us;
		if (earlier)
			low = query_int(&q, 0);
		else
			high = low + (high - low + 1) / 2 - 1;
		r = 0;
	}
	if (r == 0)
		*ret_seq = low;
	return r;
}
