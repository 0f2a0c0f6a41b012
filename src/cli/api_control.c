/* api_control.c - words to a task: cancel, pause, resume, steer, answer, priority, by the same function as the commands. */
#include <stdio.h>
#include <string.h>

#include "cli/api.h"

#include "base/banned.h"

void api_control_tell(struct http_conn *conn, const struct control_sent *sent)
{
	static const char *const names[] = {
		[CONTROL_WAITING] = "waiting", [CONTROL_DONE] = "done", [CONTROL_KEPT] = "kept", [CONTROL_NOTHING] = "nothing",
		[CONTROL_REFUSED] = "refused",
	};

	if (sent->outcome == CONTROL_REFUSED) {
		http_problem(conn, sent->code == -EACCES ? 403 : sent->code == -ENOENT ? 404 : sent->code == -EINVAL ? 422 : 409, sent->said);
		return;
	}
	AUTO(json_decrefp) json_t *object = json_pack("{s:s, s:s, s:s}", "task", sent->task, "outcome",
	                                              name_of(names, COUNT(names), sent->outcome), "said", sent->said);
	AUTO(freep) char *text = json_text(object);
	bool later = sent->outcome == CONTROL_WAITING || sent->outcome == CONTROL_KEPT;
	http_answer(conn, later ? 202 : 200, "application/json", str_of(text), "");
}

/* A word was kept because nothing runs the task: where it is one that lets it go on, it does so here. */
static void go_on(struct api_call *c, struct control_sent *sent, char ret_root[static ID_LEN + 1])
{
	AUTO(task_row_done) struct task_row row = { 0 };
	struct err err = ERR_NONE;

	ret_root[0] = '\0';
	if (sent->command != CONTROL_RESUME || sent->outcome != CONTROL_KEPT)
		return;
	int r = store_task_get(c->api->serve->s.store, sent->task, &row, &err);
	if (r == 0)
		r = serve_wake(c->api->serve, row.root, &err);
	if (r < 0) {
		snprintf(sent->said, sizeof sent->said, "kept, and it cannot go on here: %.*s", LIMIT_ERR_TEXT_BYTES - 48, err.text);
		return;
	}
	sent->outcome = CONTROL_WAITING;
	memcpy(ret_root, row.root, sizeof row.root);
}

static void say(struct api_call *c, struct control *control, const char *const *fields, size_t count)
{
	struct control_sent sent = { 0 };
	struct err err = ERR_NONE;

	control->task = c->id;
	control->user = c->who.user;
	control->policy = c->api->serve->s.policy;
	control->now = json_get_bool(c->body, "now", false);
	control->replan = json_get_bool(c->body, "replan", false);
	control->text = json_get_text(c->body, "text", NULL);
	control->question = json_get_text(c->body, "question", NULL);
	control->priority = json_get_int(c->body, "priority", 0);
	if (json_only_keys(c->body, fields, count, &err) < 0)
		http_problem(c->conn, 422, err.text);
	else if ((control->command == CONTROL_STEER || control->command == CONTROL_ANSWER) &&
	         (control->text == NULL || str_trim(str_of(control->text)).len == 0))
		http_problem(c->conn, 422, "text: words are wanted");
	else if (control->command == CONTROL_PRIORITY && !json_is_integer(json_object_get(c->body, "priority")))
		http_problem(c->conn, 422, "priority: a whole number is wanted");
	else if (control_send(c->api->serve->s.store, control, &sent, &err) < 0)
		api_fail(c, &err);
	else {
		char root[ID_LEN + 1];
		go_on(c, &sent, root);
		if (sent.outcome == CONTROL_WAITING)
			api_wait_control(c, &sent, root);
		else
			api_control_tell(c->conn, &sent);
	}
}

#define SEND(c, kind, ...) do { \
	static const char *const fields[] = { __VA_ARGS__ }; \
	say(c, &(struct control){ .command = kind }, fields, COUNT(fields)); \
} while (0)

void api_task_cancel(struct api_call *c)
{
	SEND(c, CONTROL_CANCEL, "now");
}

void api_task_pause(struct api_call *c)
{
	SEND(c, CONTROL_PAUSE, "now");
}

void api_task_resume(struct api_call *c)
{
	say(c, &(struct control){ .command = CONTROL_RESUME }, NULL, 0);
}

void api_task_steer(struct api_call *c)
{
	SEND(c, CONTROL_STEER, "text", "now", "replan");
}

void api_task_answer(struct api_call *c)
{
	SEND(c, CONTROL_ANSWER, "text", "question");
}

void api_task_priority(struct api_call *c)
{
	SEND(c, CONTROL_PRIORITY, "priority");
}
