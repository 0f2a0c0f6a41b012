/* control_send.c - the front's side of control: is the message right, whose word counts, and what became of it. It decides
 * nothing that the engine has not decided: what it refuses here, the engine would refuse, too. */
#include "engine/control.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/banned.h"

static const char *const names[] = {
	[CONTROL_CANCEL] = "cancel", [CONTROL_PAUSE] = "pause",   [CONTROL_RESUME] = "resume",
	[CONTROL_STEER] = "steer",   [CONTROL_ANSWER] = "answer", [CONTROL_PRIORITY] = "priority",
};
_Static_assert(COUNT(names) == CONTROL_COMMANDS, "every command has a name");

const char *control_name(enum control_command command)
{
	return name_of(names, COUNT(names), command);
}

int control_find(const char *name)
{
	return name_find(names, COUNT(names), name);
}

bool control_may(const struct policy *policy, const char *owner, const char *user)
{
	return strcmp(owner, user) == 0 || strcmp(user, "root") == 0 || (policy != NULL && policy_in_group(policy, "control", user));
}

PRINTF(4, 5) static int settle(struct control_sent *ret, enum control_outcome outcome, int code, const char *format, ...)
{
	va_list args;

	ret->outcome = outcome;
	ret->code = code;
	va_start(args, format);
	vsnprintf(ret->said, sizeof ret->said, format, args);
	va_end(args);
	return 0;
}

/* True: the message itself is wrong. */
static bool refuse_words(const struct control *c, struct control_sent *ret)
{
	const char *text = c->text != NULL ? c->text : "";
	bool speaks = c->command == CONTROL_STEER || c->command == CONTROL_ANSWER;
	AUTO(json_decrefp) json_t *utf8 = json_of_str(str_of(text));

	if (speaks && str_trim(str_of(text)).len == 0)
		settle(ret, CONTROL_REFUSED, -EINVAL, "the text is empty; say what the model is to be told");
	else if (speaks && strlen(text) > LIMIT_STEER_BYTES)
		settle(ret, CONTROL_REFUSED, -EINVAL, "the text has more than %zu bytes", LIMIT_STEER_BYTES);
	else if (speaks && strcmp(json_string_value(utf8), text) != 0)
		settle(ret, CONTROL_REFUSED, -EINVAL, "the text is not UTF-8");
	else if (c->command == CONTROL_PRIORITY && (c->priority < -LIMIT_PRIORITY || c->priority > LIMIT_PRIORITY))
		settle(ret, CONTROL_REFUSED, -EINVAL, "a priority is a whole number from -%d to %d; higher goes first", LIMIT_PRIORITY,
		       LIMIT_PRIORITY);
	else
		return false;
	return true;
}

/* ---- questions ---- */

struct questions {
	const char *task, *wanted;
	char root[ID_LEN + 1];
	size_t count;
	char found[ID_LEN + 1], task_of[ID_LEN + 1];
	struct buf *all;
};

static void note_question(void *userdata, const struct approval_row *row)
{
	struct questions *q = userdata;

	if (strcmp(row->kind, "question") != 0)
		return;
	if (q->wanted != NULL ? strcmp(row->approval, q->wanted) != 0 : strcmp(row->task, q->task) != 0)
		return;
	if (q->count++ > 0)
		buf_add_text(q->all, ", ");
	buf_add_text(q->all, row->approval);
	memcpy(q->found, row->approval, sizeof q->found);
	memcpy(q->task_of, row->task, sizeof q->task_of);
}

struct past { char by[USER_LEN + 1], state[16]; };

static void note_past(void *userdata, const struct approval_row *row)
{
	struct past *past = userdata;

	snprintf(past->by, sizeof past->by, "%s", row->by);
	snprintf(past->state, sizeof past->state, "%s", row->state);
}

/* Which question is meant; false: none, and ret says why. */
static int find_question(struct store *store, const struct control *c, char id[static ID_LEN + 1], struct control_sent *ret,
                         struct err *err)
{
	AUTO(buf_done) struct buf all = BUF_INIT(KIB(64));
	struct questions q = { .task = c->task, .wanted = c->question, .all = &all };
	struct past past = { .by = "" };
	int r = store_approvals(store, true, INT64_MAX, note_question, &q, err);

	if (r < 0)
		return r;
	if (q.count == 1) {
		memcpy(id, q.found, sizeof q.found);
		return 0;
	}
	if (q.count > 1)
		return settle(ret, CONTROL_REFUSED, -EINVAL, "several questions are open: name one of %s", buf_text(&all));
	if (c->question != NULL && store_approval_get(store, c->question, note_past, &past, NULL) == 0 && past.by[0] != '\0')
		return settle(ret, CONTROL_REFUSED, -EALREADY, "the question is not open any more: %s by %s", past.state, past.by);
	return settle(ret, CONTROL_REFUSED, -ENOENT, "the task asks nothing now; `mishri approvals` lists open questions");
}

/* ---- sent ---- */

static json_t *body_of(const struct control *c, const char *word, const char *question)
{
	json_t *body = json_pack("{s:s, s:b, s:b, s:I}", "word", word, "now", c->now, "replan", c->replan, "priority",
	                         (json_int_t)c->priority);

	json_put_text(body, "text", c->text);
	json_put_text(body, "question", question[0] != '\0' ? question : NULL);
	return body;
}

static int last_seq(struct store *store, const char *task, int64_t *ret, struct err *err)
{
	struct event last = { 0 };
	int r = store_event_last(store, task, &last, err);

	if (r == -ENOENT || r == -ENOTSUP)
		r = 0;
	*ret = last.seq;
	event_done(&last);
	return r;
}

/* Nobody works on it: an end is made here, a rest is there already, and everything else waits for who goes on. */
static int without_engine(struct store *store, const struct control *c, const struct task_row *row, struct control_sent *ret,
                          struct err *err)
{
	const char *root = row->root;

	if (c->command == CONTROL_CANCEL) {
		int r = closing_cancel(store, c->task, c->user, ret->word, err);
		if (r == -EBUSY) { /* somebody goes on with it just now */
			AUTO(json_decrefp) json_t *body = body_of(c, ret->word, "");
			ret->alive = true;
			r = store_inbox_put(store, c->task, control_name(c->command), c->user, body, err);
			return r == -EALREADY ? settle(ret, CONTROL_NOTHING, -EALREADY, "the task has ended at this moment") : r;
		}
		if (r > 0)
			return settle(ret, CONTROL_NOTHING, -EALREADY, "the task had ended before: somebody was faster");
		return r < 0 ? r : settle(ret, CONTROL_DONE, 0, "cancelled; nothing of it ran");
	}
	if (c->command == CONTROL_PAUSE)
		return settle(ret, CONTROL_KEPT, 0, "nothing of it runs now; who goes on with it finds it paused");
	return settle(ret, CONTROL_KEPT, 0, "kept; it takes effect when the task goes on: mishri run --resume %s", root);
}

static bool nothing_to_do(const struct control *c, const struct task_row *row, struct control_sent *ret)
{
	if (row->ended_us != 0)
		settle(ret, CONTROL_NOTHING, -EALREADY, "the task has ended already (%s)", task_state_name(row->state));
	else if (c->command == CONTROL_PAUSE && row->state == TASK_PAUSED && !c->now)
		settle(ret, CONTROL_NOTHING, 0, "it is paused already");
	else if (c->command == CONTROL_RESUME && row->state == TASK_RUNNING && row->alive)
		settle(ret, CONTROL_NOTHING, 0, "it is not paused; it runs");
	else
		return false;
	return true;
}

static int put(struct store *store, const struct control *c, const struct task_row *row, struct control_sent *ret, struct err *err)
{
	char question[ID_LEN + 1] = "";
	int r = c->command == CONTROL_ANSWER ? find_question(store, c, question, ret, err) : 0;

	if (r < 0 || ret->outcome == CONTROL_REFUSED)
		return r;
	AUTO(json_decrefp) json_t *body = body_of(c, ret->word, question);
	if (ret->alive || c->command != CONTROL_CANCEL)
		r = store_inbox_put(store, c->task, control_name(c->command), c->user, body, err);
	if (r == -EALREADY)
		return settle(ret, CONTROL_NOTHING, -EALREADY, "the task has ended at this moment");
	return r < 0 || ret->alive ? r : without_engine(store, c, row, ret, err);
}

int control_send(struct store *store, const struct control *c, struct control_sent *ret, struct err *err)
{
	AUTO(task_row_done) struct task_row row = { 0 };

	*ret = (struct control_sent){ .command = c->command };
	snprintf(ret->task, sizeof ret->task, "%s", c->task);
	id_new(ret->word);
	int r = store_task_get(store, c->task, &row, err);
	if (r == 0)
		r = last_seq(store, c->task, &ret->after_seq, err);
	if (r < 0)
		return r;
	ret->alive = row.alive;
	if (refuse_words(c, ret) || nothing_to_do(c, &row, ret))
		return 0;
	/* Where an engine runs it, the refusal is its own, and becomes an event. */
	if (!row.alive && !control_may(c->policy, row.user, c->user))
		return settle(ret, CONTROL_REFUSED, -EACCES, "the task is %s's, and %s is neither root nor in the group `control` of the policy",
		              row.user, c->user);
	return put(store, c, &row, ret, err);
}

/* ---- looked at again ---- */

struct found { const char *word; bool there, refused; char reason[LIMIT_ERR_TEXT_BYTES]; };

static bool find_word(void *userdata, const struct event_row *row)
{
	struct found *found = userdata;
	AUTO(json_decrefp) json_t *event = NULL;

	if (json_parse(row->text, &event, NULL) < 0)
		return true;
	const json_t *data = json_object_get(event, "data");
	if (strcmp(json_get_text(data, "word", ""), found->word) != 0)
		return true;
	found->there = true;
	found->refused = strcmp(json_get_text(event, "type", ""), "control.refused") == 0;
	snprintf(found->reason, sizeof found->reason, "%s", json_get_text(data, "reason", ""));
	return false;
}

static int done(const struct control *c, const struct task_row *row, struct control_sent *sent)
{
	static const char *const words[] = {
		[CONTROL_PAUSE] = "paused: nothing new begins", [CONTROL_RESUME] = "it goes on",
		[CONTROL_STEER] = "told: it reads it before its next turn", [CONTROL_ANSWER] = "answered",
		[CONTROL_PRIORITY] = "its priority is set",
	};

	if (c->command != CONTROL_CANCEL)
		return settle(sent, CONTROL_DONE, 0, "%s", c->command == CONTROL_STEER && c->now ? "told: what ran is interrupted" :
		              name_of(words, COUNT(words), c->command));
	if (row->ended_us == 0)
		return 0; /* it is ending */
	return settle(sent, CONTROL_DONE, 0, "%s", row->state == TASK_CANCELLED ? "cancelled" : "it had ended before");
}

int control_look(struct store *store, const struct control *c, struct control_sent *sent, struct err *err)
{
	AUTO(task_row_done) struct task_row row = { 0 };
	struct found found = { .word = sent->word };
	struct event_filter filter = { .task = sent->task, .after_seq = sent->after_seq };

	if (sent->outcome != CONTROL_WAITING)
		return 0;
	/* The state first: what was taken before it is found behind it. */
	int r = store_task_get(store, sent->task, &row, err);
	if (r == 0)
		r = store_events(store, &filter, find_word, &found, err);
	if (r < 0)
		return r;
	if (found.refused)
		return settle(sent, CONTROL_REFUSED, -EPERM, "%s", found.reason);
	if (found.there && (row.alive || row.ended_us != 0 || c->command != CONTROL_CANCEL))
		return done(c, &row, sent);
	if (row.ended_us != 0)
		return settle(sent, CONTROL_NOTHING, -EALREADY, "the task had ended before (%s)", task_state_name(row.state));
	if (row.alive)
		return 0;
	sent->alive = false; /* its engine went before it came to this */
	return without_engine(store, c, &row, sent, err);
}

int control_wait(struct store *store, const struct control *c, int64_t timeout_ms, struct control_sent *sent, struct err *err)
{
	int64_t deadline = clock_mono_ms() + timeout_ms;
	struct timespec pause = { .tv_nsec = 10000000 };
	int r;

	while ((r = control_look(store, c, sent, err)) == 0 && sent->outcome == CONTROL_WAITING && clock_mono_ms() < deadline)
		nanosleep(&pause, NULL);
	return r;
}
