/* carry.c - a task that goes on where the one before it in its session ended. It reads old events and makes new ones of what
 * was said; calls, limits and rights are the new task's own, labels of what was read stay. Files are not part of it. */
#include "engine/carry.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "engine/run.h"
#include "store/history.h"

#include "base/banned.h"

void carried_done(struct carried *c)
{
	json_decref(TAKE(c->parts));
	json_decref(TAKE(c->taint));
}

void carry_session(const char *user, const char *name, char ret[static ID_LEN + 1])
{
	static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
	AUTO(freep) char *text = xasprintf("chat of %s: %s", user, name);
	char hex[SHA256_HEX_LEN + 1];

	sha256_hex1(str_of(text), hex);
	for (size_t i = 0; i < ID_LEN; i++) {
		const char digits[] = { hex[2 * i], hex[2 * i + 1], '\0' };
		ret[i] = letters[strtoul(digits, NULL, 16) % 32];
	}
	ret[ID_LEN] = '\0';
}

struct newest { char task[ID_LEN + 1], user[USER_LEN + 1]; };

static void note_newest(void *userdata, const struct history_row *row)
{
	struct newest *n = userdata;

	snprintf(n->task, sizeof n->task, "%s", row->root->task);
	snprintf(n->user, sizeof n->user, "%s", row->root->user);
}

struct past {
	struct task *task;
	int64_t until, fits, last;     /* seq: stop behind it, the last state that will do, the last one */
	struct err *err;
	int code;
};

static bool fold(void *userdata, const struct event_row *row)
{
	struct past *p = userdata;
	struct event e;

	if (row->seq > p->until)
		return false;
	p->code = event_parse(row->text, &e, p->err);
	if (p->code < 0)
		return false;
	p->code = task_apply(p->task, &e, p->err);
	event_done(&e);
	p->last = row->seq;
	if (p->code == 0 && task_may_fork(p->task))
		p->fits = row->seq;
	return p->code == 0;
}

static int fold_until(struct store *store, const char *task, int64_t until, struct past *p, struct err *err)
{
	struct event_filter filter = { .task = task, .with_content = true };

	*p = (struct past){ .task = task_new(), .until = until, .err = err };
	int r = store_events(store, &filter, fold, p, err);
	return r < 0 ? r : p->code;
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

static json_t *add_part(json_t *parts, const struct task *t, int64_t event)
{
	json_t *part = json_pack("{s:s, s:I, s:I, s:[]}", "from", t->id, "event", (json_int_t)event, "part",
	                         (json_int_t)json_array_size(parts) + 1, "messages");

	json_array_append_new(parts, part);
	return part;
}

int carry_parts(const struct task *t, int64_t event, const json_t *more, json_t *parts, struct err *err)
{
	json_t *part = add_part(parts, t, event), *message;
	int64_t bytes = 0;
	size_t i;

	if (t->plan != NULL)
		json_put(part, "plan", json_deep_copy(t->plan));
	json_put(part, "seen", json_deep_copy(t->seen));
	if (t->context.summary != NULL)
		json_put_text(part, "summary", t->context.summary);
	AUTO(json_decrefp) json_t *all = json_copy(t->messages);
	json_array_extend(all, (json_t *)more);
	json_array_foreach(all, i, message) {
		int64_t size = message_bytes(message);
		if (bytes > 0 && bytes + size > (int64_t)LIMIT_FORK_EVENT_BYTES) {
			part = add_part(parts, t, event);
			bytes = 0;
		}
		bytes += size;
		json_array_append_new(json_object_get(part, "messages"), message_of(message));
	}
	return json_array_size(parts) <= LIMIT_FORK_PARTS ? 0
		: err_set(err, EFBIG, "the conversation is too long to go on with; begin a new one");
}

static int add_messages(const struct past *p, const char *said, json_t *parts, struct err *err)
{
	AUTO(json_decrefp) json_t *more = json_pack("[{s:s, s:o}]", "role", "user", "text", json_of_str(str_of(said)));

	return carry_parts(p->task, p->last, more, parts, err);
}

int carry_read(struct store *store, const char *session, const char *user, const char *said, struct carried *ret, struct err *err)
{
	struct history_filter filter = { .session = session, .limit = 1 };
	struct newest newest = { .task = "" };
	struct carried c = { .task = "" };
	struct past p = { NULL };
	bool more;
	int r = store_history(store, &filter, note_newest, &newest, &more, err);

	if (r == 0 && newest.task[0] == '\0')
		return err_set(err, ENOENT, "there is no task in session %s yet", session);
	if (r == 0 && strcmp(newest.user, user) != 0)
		return err_set(err, EACCES, "the session is %s's, and this would be %s's task", newest.user, user);
	if (r == 0)
		r = fold_until(store, newest.task, INT64_MAX, &p, err);
	if (r == 0 && p.fits > 0 && p.fits < p.last) { /* it ended in the middle of a call: what was whole before it counts */
		bool ended = p.task->phase == PHASE_ENDED;
		task_free(p.task);
		r = fold_until(store, newest.task, p.fits, &p, err);
		p.task->phase = r == 0 && ended ? PHASE_ENDED : p.task->phase;
	}
	if (r == 0) {
		memcpy(c.task, newest.task, sizeof c.task);
		c.ended = p.task->phase == PHASE_ENDED;
		c.layered = json_get_int(p.task->config, "layer_bytes", 0) > 0;
		c.parts = c.ended && said != NULL ? json_array() : NULL;
		c.taint = p.task->taint_count > 0 ? task_taint_json(p.task) : NULL;
	}
	if (r == 0 && c.parts != NULL)
		r = add_messages(&p, said, c.parts, err);
	task_free(p.task);
	if (r < 0)
		carried_done(&c);
	else
		*ret = c;
	return r;
}

/* Right behind the event that begins the task, in the same batch. */
void carry_emit(struct run *run)
{
	json_t *part;
	size_t i;

	json_array_foreach(run->carried, i, part)
		run_emit(run, EVENT_TASK_FORKED, "task", "", json_deep_copy(part));
	json_decref(TAKE(run->carried));
}
