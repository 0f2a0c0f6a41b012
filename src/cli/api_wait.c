/* api_wait.c - answers that are given later: a task is only told of when it is durable, and a person's word when its engine has
 * said what it makes of it. Whoever goes meanwhile changes nothing. */
#include <stdio.h>
#include <string.h>

#include "cli/api.h"

#include "base/banned.h"

struct api_wait {
	struct api_wait *next;
	struct http_conn *conn;
	char task[ID_LEN + 1];         /* that must become durable; "" where a word is waited for */
	char approval[ID_LEN + 1], word[ID_LEN + 1], of_task[ID_LEN + 1];
	struct control_sent sent;      /* a word to a task; task "" there: it is none */
	char root[ID_LEN + 1];         /* the word lets this one go on here, whose sandbox is being made; "" */
	int64_t until_ms;
};

static struct api_wait *wait_add(struct api_call *c)
{
	struct api_wait *w = xcalloc(1, sizeof *w);

	w->conn = c->conn;
	w->next = c->api->waits;
	c->api->waits = w;
	w->until_ms = clock_mono_ms() + LIMIT_ANSWER_WAIT_MS;
	return w;
}

void api_wait_task(struct api_call *c, const char *task)
{
	struct api_wait *w = wait_add(c);

	memcpy(w->task, task, ID_LEN + 1);
}

static bool fits_event(const struct api_wait *w, const struct event *event)
{
	return w->task[0] != '\0' && event->type == EVENT_TASK_CREATED && strcmp(event->task, w->task) == 0;
}

static void answer_json(struct http_conn *conn, int status, json_t *owned, const char *more)
{
	AUTO(json_decrefp) json_t *object = owned;
	AUTO(freep) char *text = json_text(object);

	http_answer(conn, status, "application/json", str_of(text), more);
}

void api_waits_event(struct api *api, const struct event *event)
{
	for (struct api_wait **at = &api->waits; *at != NULL;) {
		struct api_wait *w = *at;
		if (!fits_event(w, event)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		AUTO(freep) char *place = xasprintf("Location: /v1/tasks/%s\r\n", event->task);
		answer_json(w->conn, 201, json_pack("{s:s, s:s, s:s}", "task", event->task, "session", event->session, "state", "running"),
		            place);
		free(w);
	}
}

/* It could not begin: no cell, a full disk. */
void api_waits_over(struct api *api, struct run *run)
{
	for (struct api_wait **at = &api->waits; *at != NULL;) {
		struct api_wait *w = *at;
		if (w->task[0] == '\0' || strcmp(run_task(run)->id, w->task) != 0) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		const struct err *why = run_failure(run);
		http_problem(w->conn, 503, why->code != 0 ? why->text : "the task could not begin");
		free(w);
	}
}

void api_wait_gone(struct api *api, struct http_conn *conn)
{
	for (struct api_wait **at = &api->waits; *at != NULL; at = &(*at)->next)
		if ((*at)->conn == conn) {
			struct api_wait *w = *at;
			*at = w->next;
			free(w);
			return;
		}
}

void api_waits_close(struct api *api)
{
	while (api->waits != NULL) {
		struct api_wait *w = api->waits;
		api->waits = w->next;
		free(w);
	}
	watch_free(TAKE(api->waiting));
}

/* ---- a person's word ---- */

void api_wait_answer(struct api_call *c, const char *word)
{
	struct api_wait *w = wait_add(c);

	memcpy(w->word, word, ID_LEN + 1);
	memcpy(w->approval, c->id, ID_LEN + 1);
	watch_arm(c->api->waiting, LIMIT_API_LOOK_MS);
}

void api_wait_control(struct api_call *c, const struct control_sent *sent, const char *root)
{
	struct api_wait *w = wait_add(c);

	w->sent = *sent;
	snprintf(w->root, sizeof w->root, "%s", root);
	watch_arm(c->api->waiting, LIMIT_API_LOOK_MS);
}

static bool try_control(struct api *api, struct api_wait *w)
{
	const struct control control = { .command = w->sent.command, .task = w->sent.task };
	struct err err = ERR_NONE;

	if (control_look(api->serve->s.store, &control, &w->sent, &err) < 0) {
		http_problem(w->conn, 503, err.text);
		return true;
	}
	if (w->sent.outcome == CONTROL_KEPT && w->root[0] != '\0' && engine_has(api->serve->s.engine, w->root))
		w->sent.outcome = CONTROL_WAITING;
	if (w->sent.outcome == CONTROL_WAITING && clock_mono_ms() < w->until_ms)
		return false;
	api_control_tell(w->conn, &w->sent);
	return true;
}

struct seen { const char *word; bool decided, counted, alive; char *by, *state; char task[ID_LEN + 1]; };

static void look(void *userdata, const struct approval_row *row)
{
	struct seen *s = userdata;

	s->decided = strcmp(row->state, "pending") != 0;
	s->counted = strcmp(row->word, s->word) == 0;
	s->alive = row->alive;
	s->by = xstrdup(s->decided ? row->by : row->voters);
	s->state = xstrdup(row->state);
	memcpy(s->task, row->task, sizeof s->task);
}

/* True: it was answered. */
static bool try_answer(struct api *api, const struct api_wait *w)
{
	struct store *store = api->serve->s.store;
	struct seen s = { .word = w->word };
	AUTO(freep) char *refused = NULL;
	struct err err = ERR_NONE;

	int r = store_approval_get(store, w->approval, look, &s, &err);
	if (r == 0)
		r = store_answer_refused(store, s.task, w->word, &refused, &err);
	bool late = clock_mono_ms() > w->until_ms || !s.alive, done = true;
	if (r < 0)
		http_problem(w->conn, 503, err.text);
	else if (s.decided && !s.counted) {
		AUTO(freep) char *text = xasprintf("already answered by %s: %s", s.by, strcmp(s.state, "allow") == 0 ? "yes" :
		                                   strcmp(s.state, "deny") == 0 ? "no" : s.state);
		http_problem(w->conn, 409, text);
	} else if (refused != NULL && !s.counted)
		http_problem(w->conn, 409, refused);
	else if (s.counted || late)
		answer_json(w->conn, s.counted ? 200 : 202, json_pack("{s:s, s:s, s:s}", "approval", w->approval, "state", s.decided ? s.state :
			s.counted ? "counted" : "kept", "by", s.by != NULL ? s.by : ""), "");
	else
		done = false;
	free(s.by);
	free(s.state);
	return done;
}

void api_waits_look(struct api *api)
{
	bool left = false;

	for (struct api_wait **at = &api->waits; *at != NULL;) {
		struct api_wait *w = *at;
		bool control = w->sent.task[0] != '\0', polled = control || w->word[0] != '\0';
		if (!polled || !(control ? try_control(api, w) : try_answer(api, w))) {
			left |= polled;
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
	if (left)
		watch_arm(api->waiting, LIMIT_API_LOOK_MS);
}
