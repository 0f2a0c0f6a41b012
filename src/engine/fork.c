/* fork.c - a new task from any point of an old one. It reads the old events and writes new ones; it changes none, starts
 * nothing, and gives the new task nothing that the old one had not. Files are not part of it: they stay as they are. */
#include "engine/fork.h"

#include <stdio.h>
#include <string.h>

#include "engine/control.h"
#include "engine/run.h"

#include "base/banned.h"

struct past {
	int64_t wanted, before, after; /* seq; before, after: the nearest that will do; 0: none */
	struct task *task;
	json_t *created;               /* data of its first event */
	bool fits;                     /* the state after `wanted` will do, and is `task` */
	struct err *err;
	int code;
};

static bool fold(void *userdata, const struct event_row *row)
{
	struct past *p = userdata;
	struct event e;

	p->code = event_parse(row->text, &e, p->err);
	if (p->code < 0)
		return false;
	if (e.type == EVENT_TASK_CREATED)
		p->created = json_deep_copy(e.data);
	p->code = task_apply(p->task, &e, p->err);
	event_done(&e);
	if (p->code < 0)
		return false;
	bool fits = task_may_fork(p->task);
	if (row->seq == p->wanted && fits)
		p->fits = true;
	else if (fits && row->seq < p->wanted)
		p->before = row->seq;
	else if (fits && p->after == 0)
		p->after = row->seq;
	return !p->fits && p->after == 0;
}

struct owner { char task[ID_LEN + 1]; bool there; };

static bool note_owner(void *userdata, const struct event_row *row)
{
	struct owner *owner = userdata;
	AUTO(json_decrefp) json_t *event = NULL;

	owner->there = json_parse(row->text, &event, NULL) == 0;
	snprintf(owner->task, sizeof owner->task, "%s", json_get_text(event, "task", ""));
	return false;
}

static int find_task(struct store *store, int64_t seq, char ret[static ID_LEN + 1], struct err *err)
{
	struct event_filter filter = { .after_seq = seq - 1, .limit = 1 };
	struct owner owner = { .there = false };
	int r = seq > 0 ? store_events(store, &filter, note_owner, &owner, err) : 0;

	if (r < 0)
		return r;
	if (!owner.there)
		return err_set(err, ENOENT, "there is no event %lld; `mishri events TASK` shows the number of each", (long long)seq);
	if (owner.task[0] == '\0')
		return err_set(err, EINVAL, "event %lld is the engine's and belongs to no task; `mishri events TASK` shows those of a task",
		               (long long)seq);
	memcpy(ret, owner.task, sizeof owner.task);
	return 0;
}

static int in_the_middle(const struct past *p, struct err *err)
{
	bool earlier = p->before > 0 && (p->after == 0 || p->wanted - p->before <= p->after - p->wanted);
	int64_t nearest = earlier ? p->before : p->after;
	AUTO(freep) char *other = p->before > 0 && p->after > 0 ? xasprintf(", or event %lld", (long long)(earlier ? p->after : p->before))
	                                                        : xstrdup("");

	if (nearest == 0)
		return err_set(err, EINVAL, "event %lld lies in the middle of a reply or a call, and so does every other of this task",
		               (long long)p->wanted);
	return err_set(err, EINVAL, "event %lld lies in the middle of a reply or a call; the nearest that will do is event %lld%s",
	               (long long)p->wanted, (long long)nearest, other);
}

/* The task as it was then. */
static int load(struct store *store, const struct fork_wish *wish, struct past *p, struct err *err)
{
	char task[ID_LEN + 1];
	int r = find_task(store, wish->event, task, err);

	if (r < 0)
		return r;
	struct event_filter filter = { .task = task, .with_content = true };
	p->task = task_new();
	p->wanted = wish->event;
	p->err = err;
	r = store_events(store, &filter, fold, p, err);
	if (r < 0 || p->code < 0)
		return r < 0 ? r : p->code;
	if (!control_may(wish->policy, p->task->user, wish->user))
		return err_set(err, EACCES, "the task is %s's, and %s is neither root nor in the group `control` of the policy", p->task->user,
		               wish->user);
	return p->fits ? 0 : in_the_middle(p, err);
}

/* ---- the new one ---- */

struct made {
	struct task *task;             /* the new one */
	struct event events[LIMIT_FORK_PARTS + 4];
	size_t count;
};

static void add(struct made *m, enum event_type type, json_t *owned_data)
{
	struct event e = { .type = type, .time_us = clock_wall_us(), .attempt = 1, .data = owned_data };
	const struct task *t = m->task;

	memcpy(e.session, t->session, sizeof e.session);
	memcpy(e.task, t->id, sizeof e.task);
	memcpy(e.user, t->user, sizeof e.user);
	memcpy(e.trace_id, t->trace_id, sizeof e.trace_id);
	run_spans(t, "task", "", &e);
	m->events[m->count++] = e;
}

static json_t *created_of(const struct past *p, const struct fork_wish *wish)
{
	const struct task *t = p->task;
	json_t *data = json_deep_copy(p->created), *config = json_object_get(data, "config");

	json_object_del(data, "root");
	json_object_del(data, "taint");
	json_put_int(data, "depth", 0);
	json_put_bool(data, "interactive", wish->interactive);
	if (t->taint_count > 0)
		json_put(data, "taint", task_taint_json(t));
	if (json_is_object(config)) /* as deep as it could delegate before */
		json_put_int(config, "max_depth", MAX(json_get_int(config, "max_depth", 1) - t->depth, 0));
	return data;
}

/* Ids of calls are those of the old task; here they would name others. */
static json_t *message_of(const json_t *message)
{
	json_t *copy = json_deep_copy(message), *call;
	size_t i;

	json_object_del(copy, "ref");
	json_array_foreach(json_object_get(copy, "calls"), i, call)
		json_object_del(call, "ref");
	return copy;
}

static json_t *part_of(const struct past *p, size_t number)
{
	return json_pack("{s:s, s:I, s:I, s:[]}", "from", p->task->id, "event", (json_int_t)p->wanted, "part", (json_int_t)number,
	                 "messages");
}

static int add_conversation(struct made *m, const struct past *p, struct err *err)
{
	json_t *all = json_copy(p->task->messages), *message;
	json_t *note = json_object();
	json_t *data = part_of(p, 1);
	int64_t bytes = 0;
	size_t i, number = 1;
	AUTO(json_decrefp) json_t *messages = all;
	AUTO(freep) char *text = xasprintf("(This conversation is a fork of task %s after its event %lld. Files and everything "
	                                   "else outside it are as they are now, which may be later: look before you rely "
	                                   "on them.)", p->task->id,
	                                   (long long)p->wanted);

	json_put_text(note, "role", "user");
	json_put_text(note, "text", text);
	json_array_append_new(all, note);
	if (p->task->plan != NULL)
		json_put(data, "plan", json_deep_copy(p->task->plan));
	json_put(data, "seen", json_deep_copy(p->task->seen));
	if (p->task->context.summary != NULL)
		json_put_text(data, "summary", p->task->context.summary);
	json_array_foreach(messages, i, message) {
		int64_t size = message_bytes(message);
		if (bytes > 0 && bytes + size > (int64_t)LIMIT_FORK_EVENT_BYTES && number < LIMIT_FORK_PARTS) {
			add(m, EVENT_TASK_FORKED, data);
			data = part_of(p, ++number);
			bytes = 0;
		}
		bytes += size;
		json_array_append_new(json_object_get(data, "messages"), message_of(message));
	}
	add(m, EVENT_TASK_FORKED, data);
	return bytes <= (int64_t)LIMIT_EVENT_BYTES ? 0 : err_set(err, EFBIG, "the conversation is too long to be forked; fork at an "
	                                                         "earlier event");
}

/* Nothing more was to be said there: the new words are what there is to do. */
static bool was_over(const struct task *t)
{
	const json_t *last = json_array_get(t->messages, json_array_size(t->messages) - 1);

	return t->last_word != NULL || strcmp(json_get_text(last, "role", ""), "assistant") == 0;
}

static int append(struct store *store, const struct made *m, size_t from, size_t count, enum lease_action lease, struct err *err)
{
	struct store_batch batch = { .root = m->task->id, .task = m->task->id, .generation = 1, .lease = lease,
	                             .events = (struct event *)m->events + from, .count = count, .checkpoint = lease == LEASE_RELEASE };
	int64_t first;

	return store_append_wait(store, &batch, &first, err);
}

static int write_down(struct store *store, const struct fork_wish *wish, const struct past *p, struct made *m, struct err *err)
{
	add(m, EVENT_TASK_CREATED, created_of(p, wish));
	int r = add_conversation(m, p, err);
	if (r < 0) {
		for (size_t i = 0; i < m->count; i++)
			event_done(&m->events[i]);
		return r;
	}
	if (wish->text != NULL)
		add(m, EVENT_TASK_STEERED, json_pack("{s:s, s:o, s:b, s:b}", "by", wish->user, "text", json_of_str(str_of(wish->text)),
		                                     "now", 0, "replan", 0));
	add(m, EVENT_TASK_PARKED, json_pack("{s:s}", "reason", "forked"));
	r = append(store, m, 0, m->count - 1, LEASE_CREATE, err);
	return r < 0 ? r : append(store, m, m->count - 1, 1, LEASE_RELEASE, err);
}

static int make(struct store *store, const struct fork_wish *wish, struct past *p, char ret_task[static ID_LEN + 1],
                struct err *err)
{
	AUTO(task_freep) struct task *t = task_new();
	struct made m = { .task = t };
	int r = load(store, wish, p, err);

	if (r < 0)
		return r;
	if (wish->text == NULL && was_over(p->task))
		return err_set(err, EINVAL, "after event %lld the task had said all that it had to say: give TEXT, which it is to go on with",
		               (long long)wish->event);
	if (store_engine_id(store)[0] == '\0' && (r = store_engine_register(store, "", err)) < 0)
		return r;
	id_new(t->id);
	id_trace(t->trace_id);
	memcpy(t->session, p->task->session, sizeof t->session);
	memcpy(t->user, p->task->user, sizeof t->user);
	r = write_down(store, wish, p, &m, err);
	if (r == 0)
		memcpy(ret_task, t->id, sizeof t->id);
	return r;
}

int fork_make(struct store *store, const struct fork_wish *wish, char ret_task[static ID_LEN + 1], struct err *err)
{
	struct past p = { 0 };

	if (wish->text != NULL && str_trim(str_of(wish->text)).len == 0)
		return err_set(err, EINVAL, "the text is empty; say what the model is to be told, or leave it out");
	if (wish->text != NULL && strlen(wish->text) > LIMIT_STEER_BYTES)
		return err_set(err, EINVAL, "the text has more than %zu bytes", LIMIT_STEER_BYTES);
	int r = make(store, wish, &p, ret_task, err);
	json_decref(p.created);
	task_free(p.task);
	return r;
}
