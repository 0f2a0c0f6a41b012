/* control_take.c - the engine's side of control: what people said becomes events, and the core does what follows. A word that
 * does not count becomes an event, too, so that who said it finds out why. */
#include "engine/control.h"
#include "engine/run.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

static bool is_below(const struct run *run, const struct run *above)
{
	while (run != NULL && run != above)
		run = run->parent;
	return run == above;
}

/* It began here, and can be told something. */
static bool hears(const struct run *run)
{
	return !run->over && run->opening == NULL && run->task->phase == PHASE_ACTIVE;
}

static void refuse(struct run *run, const struct inbox_message *m, const char *why)
{
	run_emit(run, EVENT_CONTROL_REFUSED, "task", "",
	         json_pack("{s:s, s:s, s:s, s:o}", "command", m->kind, "by", m->user, "reason", why, "word",
	                   json_of_str(str_of(json_get_text(m->body, "word", "")))));
}

/* Data of an event about `run`, because of a message to `addressed`, which is it or above it. */
static json_t *data_of(const struct run *run, const struct run *addressed, const struct inbox_message *m)
{
	json_t *data = json_pack("{s:s}", "by", m->user);

	if (run == addressed)
		json_put_text(data, "word", json_get_text(m->body, "word", ""));
	else
		json_put_text(data, "of", addressed->task->id);
	return data;
}

static void take_cancel(struct run *addressed, const struct inbox_message *m)
{
	bool now = addressed->task->cancelled_by != NULL || json_get_bool(m->body, "now", false);

	for (struct run *run = addressed->engine->runs; run != NULL; run = run->next) {
		if (!is_below(run, addressed))
			continue;
		run->input.cancelled = true; /* also of one whose sandbox is being made */
		if (!hears(run))
			continue;
		json_t *data = data_of(run, addressed, m);
		if (now)
			json_put_bool(data, "now", true);
		run_emit(run, EVENT_TASK_CANCELLED, "task", "", data);
		if (now)
			call_kill_at_once(run);
		if (run != addressed)
			run_step(run);
	}
}

static void pause_one(struct run *run, json_t *owned_data, bool now)
{
	json_put_bool(owned_data, "now", now);
	run_emit(run, EVENT_TASK_PAUSED, "task", "", owned_data);
}

static void take_pause(struct run *addressed, const struct inbox_message *m)
{
	bool now = json_get_bool(m->body, "now", false);

	if (addressed->task->paused && (!now || addressed->task->pause_now)) {
		refuse(addressed, m, "it is paused already");
		return;
	}
	for (struct run *run = addressed->engine->runs; run != NULL; run = run->next) {
		if (!is_below(run, addressed) || !hears(run) || (run->task->paused && run != addressed && !now))
			continue;
		pause_one(run, data_of(run, addressed, m), now);
		if (run != addressed)
			run_step(run);
	}
}

static void take_resume(struct run *addressed, const struct inbox_message *m)
{
	size_t count = 0;

	for (struct run *run = addressed->engine->runs; run != NULL; run = run->next) {
		if (!is_below(run, addressed) || !hears(run) || !run->task->paused)
			continue;
		run_emit(run, EVENT_TASK_CONTINUED, "task", "", data_of(run, addressed, m));
		count++;
		if (run != addressed)
			run_step(run);
	}
	if (count == 0 && m->time_us <= addressed->task->run_since_us) /* it rested then, and this is why it goes on */
		run_emit(addressed, EVENT_TASK_CONTINUED, "task", "", data_of(addressed, addressed, m));
	else if (count == 0)
		refuse(addressed, m, "it is not paused");
}

static void take_steer(struct run *run, const struct inbox_message *m)
{
	bool replan = json_get_bool(m->body, "replan", false);
	struct str text = str_of(json_get_text(m->body, "text", ""));

	if (str_trim(text).len == 0 || text.len > LIMIT_STEER_BYTES) {
		refuse(run, m, "the text is empty or too long");
	} else if (replan && !task_has_tool(run->task, tool_plan_steps.name)) {
		refuse(run, m, "it has no plan that could be made anew: leave --replan out, or say it to the task that leads");
	} else {
		json_t *data = data_of(run, run, m);
		json_put_str(data, "text", text);
		json_put_bool(data, "now", json_get_bool(m->body, "now", false));
		json_put_bool(data, "replan", replan);
		run_emit(run, EVENT_TASK_STEERED, "task", "", data);
	}
}

static void take_answer(struct run *run, const struct inbox_message *m)
{
	const char *text = json_get_text(m->body, "text", ""), *word = json_get_text(m->body, "word", "");

	if (str_trim(str_of(text)).len == 0 || strlen(text) > LIMIT_STEER_BYTES)
		refuse(run, m, "the text is empty or too long");
	else if (!control_answer(run, json_get_text(m->body, "question", ""), m->user, text, word))
		refuse(run, m, "the question is not open any more: somebody was faster, or the task went on without an answer");
}

static void take_priority(struct run *addressed, const struct inbox_message *m)
{
	int64_t priority = json_get_int(m->body, "priority", 0);

	if (priority < -LIMIT_PRIORITY || priority > LIMIT_PRIORITY) {
		refuse(addressed, m, "this is no priority");
		return;
	}
	for (struct run *run = addressed->engine->runs; run != NULL; run = run->next) {
		if (!is_below(run, addressed) || !hears(run))
			continue;
		json_t *data = data_of(run, addressed, m);
		json_put_int(data, "priority", priority);
		run_emit(run, EVENT_TASK_PRIORITIZED, "task", "", data);
		if (run != addressed)
			run_step(run);
	}
}

void control_take(struct run *run, const struct inbox_message *m)
{
	static void (*const takers[])(struct run *run, const struct inbox_message *message) = {
		[CONTROL_CANCEL] = take_cancel, [CONTROL_PAUSE] = take_pause, [CONTROL_RESUME] = take_resume,
		[CONTROL_STEER] = take_steer, [CONTROL_ANSWER] = take_answer, [CONTROL_PRIORITY] = take_priority,
	};
	int command = control_find(m->kind);

	assert(command >= 0);
	if (!control_may(run_policy(run), run->task->user, m->user)) {
		AUTO(freep) char *why = xasprintf("the task is %s's, and %s is neither root nor in the group `control` of the policy",
		                                  run->task->user, m->user);
		refuse(run, m, why);
	} else {
		takers[command](run, m);
	}
}

/* One that begins, or goes on, below another: what was said to that one holds for it, too. */
void control_opened(struct run *run)
{
	const struct task *above = run->parent != NULL ? run->parent->task : NULL;
	const struct task *t = run->task;

	if (above == NULL || !hears(run))
		return;
	if (above->paused && !t->paused)
		pause_one(run, json_pack("{s:s, s:s}", "by", "engine", "of", above->pause_of), above->pause_now);
	else if (!above->paused && t->paused && strcmp(t->pause_of, t->id) != 0)
		run_emit(run, EVENT_TASK_CONTINUED, "task", "", json_pack("{s:s, s:s}", "by", "engine", "of", t->pause_of));
	if (above->priority != t->priority && t->turns == 0)
		run_emit(run, EVENT_TASK_PRIORITIZED, "task", "",
		         json_pack("{s:s, s:I, s:s}", "by", "engine", "priority", (json_int_t)above->priority, "of", above->id));
}
