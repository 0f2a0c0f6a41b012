/* chat.c - the conversation: which words begin a task, which are told to the one that works, and what is left to say when it
 * is over. It decides nothing about tasks: all it does it does as `mishri run`, `steer`, `pause`, `resume` and `cancel` do. */
#include "cli/chat.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/changes.h"
#include "cli/progress.h"
#include "engine/carry.h"
#include "engine/control.h"
#include "tools/tool.h"

#include "base/banned.h"

static int control(struct chat *c, enum control_command command, const char *text, bool now)
{
	struct control_sent sent = { 0 };
	struct err err = ERR_NONE;
	const struct control wish = { .command = command, .task = c->task, .user = c->s->user, .policy = c->s->policy, .text = text,
	                              .now = now };
	int r = control_send(c->s->store, &wish, &sent, &err);

	if (r < 0)
		chat_tell(c, "%s", err.text);
	else if (sent.outcome == CONTROL_REFUSED)
		chat_tell(c, "%s", sent.said);
	return r < 0 ? r : sent.outcome == CONTROL_REFUSED ? -EINVAL : 0;
}

/* ---- messages ---- */

static void begin(struct chat *c, const char *said)
{
	struct task_spec spec = *c->spec;
	struct carried carried = { .task = "" };
	struct err err = ERR_NONE;
	int r = carry_read(c->s->store, c->session, c->s->user, said, &carried, &err);

	if (r < 0 && r != -ENOENT) {
		chat_tell(c, "%s", err.text);
		c->exit = EXIT_FAILED;
		return;
	}
	if (chat_changes_wait(c)) {
		carried_done(&carried);
		chat_tell(c, "The changes of the last message wait: /diff shows them, /apply takes them, /undo throws them away.");
		c->exit = EXIT_FAILED;
		return;
	}
	spec.goal = said;
	spec.session = c->session;
	spec.carried = carried.parts;
	spec.taint = carried.taint;
	AUTO(json_decrefp) json_t *flags = chat_flags(c);
	spec.flags = flags;
	if (c->model != NULL) {
		spec.opened = c->model;
		spec.model = c->model_name;
	}
	c->stopped = c->interrupted = false;
	chat_spent_reset(c, NULL);
	c->run = engine_start(c->s->engine, &spec);
	snprintf(c->task, sizeof c->task, "%s", run_task(c->run)->id);
	carried_done(&carried);
	chat_paint(c, STR(""));
}

void chat_next(struct chat *c)
{
	if (c->run != NULL || c->ending || json_array_size(c->queue) == 0)
		return;
	AUTO(freep) char *said = xstrdup(json_string_value(json_array_get(c->queue, 0)));
	json_array_remove(c->queue, 0);
	begin(c, said);
}

static void tell_task(struct chat *c, const char *text)
{
	if (strlen(text) > LIMIT_STEER_BYTES) {
		chat_tell(c, "That is too long for a task that works; it waits until the task is over.");
		json_array_append_new(c->queue, json_of_str(str_of(text)));
	} else if (control(c, CONTROL_STEER, text, false) == 0) {
		json_array_append_new(c->told, json_of_str(str_of(text)));
	}
}

void chat_say(struct chat *c, struct str text)
{
	struct str words = str_trim(text);
	AUTO(freep) char *said = xstrndup(words.ptr, words.len);

	if (words.len > 0 && *words.ptr == '/') {
		chat_command(c, words);
		return;
	}
	if (c->run == NULL && words.len > 0) {
		begin(c, said);
		return;
	}
	if (c->run != NULL && words.len > 0)
		tell_task(c, said);
	if (c->run != NULL && c->stopped && control(c, CONTROL_RESUME, NULL, false) == 0)
		c->stopped = false;
	chat_paint(c, STR(""));
}

/* ---- stopping ---- */

/* Once: what runs now ends, and the task rests. Again: the task ends; the conversation does not. */
void chat_stop(struct chat *c, bool end)
{
	if (c->run == NULL)
		return;
	if (end)
		control(c, CONTROL_CANCEL, NULL, false);
	else if (control(c, CONTROL_PAUSE, NULL, true) == 0)
		c->stopped = true;
	chat_tell(c, end ? "It is ended." : "Stopped. Write what it should do instead; Enter goes on, Esc ends it.");
}

void chat_end(struct chat *c)
{
	if (c->ending)
		return;
	if (c->run != NULL)
		c->exit = EXIT_SIGINT;
	else if (c->face != FACE_LINES)
		c->exit = EXIT_DONE; /* whoever leaves has seen how each message ended */
	c->ending = true;
	engine_drain(c->s->engine, "SIGINT");
}

bool chat_interrupt(struct chat *c)
{
	bool again = c->interrupted;

	if (c->ending || (c->face != FACE_SCREEN && c->face != FACE_SPOKEN))
		return false;
	c->interrupted = true;
	if (again) {
		chat_end(c);
	} else if (c->asking) { /* nothing runs that could be stopped, and the next line is the question's */
		fprintf(stderr, "\n  The question waits: n is no, and `n SENTENCE` tells the model what to do instead. Ctrl-C again leaves.\n> ");
	} else if (c->run != NULL) {
		if (!c->stopped)
			chat_stop(c, false);
		chat_tell(c, "Ctrl-C again leaves; the task goes on with the next `mishri chat --session %s`.", c->name);
	} else {
		if (c->line != NULL)
			lineedit_set(c->line, STR(""));
		chat_tell(c, "Ctrl-C again leaves, and so does /exit.");
	}
	return true;
}

/* ---- what the engine says ---- */

static bool on_signal(void *userdata, int signo)
{
	struct chat *c = userdata;

	if (signo == SIGINT && chat_interrupt(c))
		return true;
	c->ending = true;
	c->exit = signo == SIGTERM ? EXIT_SIGTERM : signo == SIGHUP ? EXIT_SIGHUP : EXIT_SIGINT;
	return false;
}

static void on_pause(void *userdata, bool paused)
{
	chat_face_pause(userdata, paused);
}

static void on_event(void *userdata, const struct event *e)
{
	struct chat *c = userdata;

	chat_spent_event(c, e); /* also of what it delegated */
	if (e->type == EVENT_MODEL_REPLIED && c->face == FACE_SCREEN)
		chat_spent_sum(c);
	if (strcmp(e->task, c->task) != 0)
		return;
	if (e->type == EVENT_TASK_STEERED && json_array_size(c->told) > 0)
		json_array_remove(c->told, 0);
	else if (e->type == EVENT_TASK_CONTINUED)
		c->stopped = false;
	else if (e->type == EVENT_TASK_PAUSED)
		c->stopped = true;
}

static void show_result(struct chat *c, const struct task *t)
{
	bool done = strcmp(t->state, "done") == 0;

	if (c->face == FACE_SCREEN && done && progress_has_shown(c->s->progress, t->result)) {
		chat_paint(c, STR(""));
		return;
	}
	if (c->face == FACE_SCREEN) { /* through the block, which would lie over it */
		progress_text(c->s->progress, t->id, str_of(t->result));
		progress_text(c->s->progress, t->id, STR("\n"));
		return;
	}
	int64_t ms = t->active_us / 1000 + (t->last_us - t->run_since_us) / 1000;
	c->exit = print_result(c->s->format, result_object(t, t->state, t->result, t->exit, ms));
}

static void on_over(void *userdata, struct run *run)
{
	struct chat *c = userdata;
	const struct task *t = run_task(run);
	json_t *left;
	size_t i;

	if (run != c->run)
		return;
	c->run = NULL;
	c->stopped = false;
	if (run_failure(run)->code != 0) {
		c->exit = run_failure_kind(run) == RUN_NO_CELL ? EXIT_CONFIG : EXIT_FAILED;
		chat_tell(c, "The task cannot go on: %s", run_failure(run)->text);
	} else if (t->phase == PHASE_ENDED) {
		c->exit = t->exit;
		show_result(c, t);
	} else if (!c->ending) {
		c->exit = strcmp(t->park_reason, "loop") == 0 ? EXIT_LOOP : EXIT_FAILED;
		chat_tell(c, "It is parked (%s); /resume goes on with it.", t->park_reason);
	}
	json_array_foreach(c->told, i, left) /* it came too late for that task: the next one begins with it */
		json_array_insert(c->queue, i, left);
	json_array_clear(c->told);
	chat_paint(c, STR(""));
	chat_next(c);
	if (c->tick != NULL)
		watch_arm(c->tick, 0); /* lines that waited */
}

/* ---- from the beginning to the end ---- */

void chat_hook(struct chat *c, struct session *s)
{
	c->s = s;
	s->stays = true;
	s->plain = c->face != FACE_SCREEN;
	s->userdata = c;
	s->on_event = on_event;
	s->on_over = on_over;
	s->on_pause = on_pause;
	s->on_signal = on_signal;
}

/* A task that was left in the middle goes on first: its words were said already. */
int chat_go_on(struct chat *c, struct err *err)
{
	struct carried carried = { .task = "" };

	c->task[0] = '\0';
	int r = carry_read(c->s->store, c->session, c->s->user, NULL, &carried, err);
	if (r < 0)
		return r;
	memcpy(c->task, carried.task, sizeof c->task);
	bool ended = carried.ended;
	carried_done(&carried);
	c->chat_nanos = 0;
	chat_spent_sum(c);
	if (ended)
		return 0;
	AUTO(json_decrefp) json_t *policies = json_array();
	r = engine_resume(c->s->engine, c->task, policies, c->spec->wait_for_approval, &c->run, err);
	if (r == -EBUSY)
		return err_set(err, EBUSY, "another engine works on task %s of this chat; wait until it is over, or end it: mishri cancel %s",
		               c->task, c->task);
	if (r == 0)
		chat_spent_reset(c, run_task(c->run));
	if (r == 0 && run_task(c->run)->paused)
		control(c, CONTROL_RESUME, NULL, false);
	return r;
}

/* What was taken over from before is shown: it decides what may happen. */
static void tell_before(struct chat *c)
{
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(16)), clean = BUF_INIT(KIB(64));
	json_t *word;
	size_t i;

	json_array_foreach(c->begun, i, word)
		buf_printf(&text, " %s", json_string_value(word));
	sanitize_shown(buf_str(&text), &clean);
	if (clean.len > 0)
		chat_tell(c, "As it was begun:%s. What you give to `mishri chat` goes before.", buf_text(&clean));
}

static int greet(struct chat *c, struct err *err)
{
	const char *wanted = option_text(c->o, "--resume", c->name);
	char task[ID_LEN + 1];
	int r = option_given(c->o, "--resume") ? store_task_find(c->s->store, wanted, task, err) : 0;

	if (r < 0)
		return r == -ENOENT ? err_set(err, EINVAL, "--resume: there is no task '%.40s'; `mishri history` lists tasks", wanted) : r;
	r = chat_choose(c, option_given(c->o, "--resume") ? task : wanted, err);
	if (r == 0)
		r = chat_go_on(c, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (c->face != FACE_LINES)
		chat_tell(c, "Chat %s%s. /help lists what there is; Ctrl-D leaves.", c->name, r == 0 ? ", which goes on" : "");
	tell_before(c);
	return 0;
}

int chat_run(struct chat *c, struct session *s, const struct task_spec *spec)
{
	struct err err = ERR_NONE;

	c->spec = spec;
	c->queue = json_array();
	c->told = json_array();
	int r = chat_face_open(c, &err);
	if (r == 0)
		r = greet(c, &err);
	if (r == 0) {
		chat_paint(c, STR(""));
		engine_loop(s->engine);
	}
	bool resumable = c->run != NULL;
	chat_face_close(c);
	if (r < 0)
		c->exit = complain(r == -EBUSY || r == -EINVAL ? EXIT_USAGE : r == -EACCES ? EXIT_DENIED : EXIT_FAILED, "chat: %s", err.text);
	else if (resumable || c->exit == EXIT_SIGINT)
		fprintf(stderr, "mishri: go on with: mishri chat --session %s\n", c->name);
	s->on_over = NULL;
	s->on_pause = NULL;
	s->on_event = NULL;
	s->on_signal = NULL;
	json_decref(TAKE(c->queue));
	json_decref(TAKE(c->told));
	free(TAKE(c->model_name));
	return c->exit;
}
