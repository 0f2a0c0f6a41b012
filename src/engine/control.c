/* control.c - the tools by which agents lead and ask: plan, delegate, ask_user, ask_master, finish. They change nothing on
 * the machine, so no cell is involved; a delegation becomes tasks of their own, found again by their ids. */
#include "engine/run.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

static int max_depth(const struct task *t)
{
	return (int)json_get_int(t->config, "max_depth", 1);
}

static int check_part(const struct run *run, const json_t *tasks, size_t at, struct err *err)
{
	const json_t *part = json_array_get(tasks, at);
	const char *step = json_get_text(part, "step", NULL), *agent = json_get_text(part, "agent", "worker");
	struct llm_model *model;

	if (engine_agent_model(run, agent, NULL, &model, err) < 0)
		return err_prefix(err, "/tasks/%zu/agent", at);
	if (step == NULL)
		return 0;
	for (size_t i = 0; i < at; i++)
		if (strcmp(json_get_text(json_array_get(tasks, i), "step", ""), step) == 0)
			return err_set(err, EINVAL, "/tasks/%zu/step: step '%.32s' is given out twice", at, step);
	if (steps_may_begin(run->task, step, err) < 0)
		return err_prefix(err, "/tasks/%zu/step", at);
	return 0;
}

int control_check(const struct run *run, const struct tool *tool, const struct call *c, struct err *err)
{
	if (tool == &tool_plan_steps)
		return steps_check(json_object_get(c->args, "steps"), err);
	if (tool == &tool_ask_master)
		return ask_master_check(run, err);
	if (tool != &tool_delegate)
		return 0;
	const json_t *tasks = json_object_get(c->args, "tasks");
	if (run->task->depth >= max_depth(run->task))
		return err_set(err, EINVAL, "this task may not delegate: it is at depth %d, and the limit is %d", run->task->depth,
		               max_depth(run->task));
	for (size_t i = 0; i < json_array_size(tasks); i++) {
		int r = check_part(run, tasks, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Planning, asking and finishing touch nothing, so no policy has to name them before they may be; a
 * rule that denies them is kept. A delegation is an action of its own kind, the strictest of its parts. */
void control_decide(const struct run *run, const struct tool *tool, const struct call *c, struct decision *ret)
{
	const struct policy *policy = run_policy(run);
	struct facts facts;
	struct action action = {
		.kind = ACTION_TOOL,
		.tool = { .name = tool->name, .category = tool->category, .risk = tool->risk, .args = c->args },
	};

	facts_of(run, &facts);
	policy_decide(policy, &action, &facts, ret);
	if (ret->rule == NULL) {
		ret->effect = EFFECT_ALLOW;
		snprintf(ret->reason, sizeof ret->reason, "it touches nothing outside the task");
	}
	const json_t *tasks = json_object_get(c->args, "tasks");
	for (size_t i = 0; tool == &tool_delegate && i < json_array_size(tasks); i++) {
		struct decision d;
		struct action part = { .kind = ACTION_DELEGATE };
		part.delegate.agent = json_get_text(json_array_get(tasks, i), "agent", "worker");
		policy_decide(policy, &part, &facts, &d);
		if (d.effect < ret->effect || (i == 0 && d.effect == ret->effect))
			*ret = d;
	}
}

static void close_ok(struct run *run, struct call *c, const char *text)
{
	call_close(run, c, "ok", text);
}

static void write_plan(struct run *run, struct call *c)
{
	json_t *steps = json_deep_copy(json_object_get(c->args, "steps"));
	size_t i;
	json_t *step;

	json_array_foreach(steps, i, step) {
		if (json_object_get(step, "after") == NULL)
			json_put(step, "after", json_array());
		if (json_object_get(step, "state") == NULL) {
			const json_t *before = steps_find(run->task, json_get_text(step, "id", ""));
			json_put_text(step, "state", json_get_text(before, "state", "pending"));
		}
	}
	AUTO(freep) char *text = xasprintf("The plan has %zu steps.", json_array_size(steps));
	run_emit(run, EVENT_PLAN_UPDATED, "call", c->id, json_pack("{s:s, s:o}", "call", c->id, "steps", steps));
	close_ok(run, c, text);
}

static void answer_question(struct run *run, struct call *c, const char *by, const char *words, const char *word)
{
	json_t *data = json_pack("{s:s, s:s, s:s, s:o}", "call", c->id, "id", c->question, "by", by, "answer", json_of_str(str_of(words)));

	if (word[0] != '\0')
		json_put_text(data, "word", word);
	run_emit(run, EVENT_QUESTION_ANSWERED, "call", c->id, data);
	if (c->phase == CALL_RUNNING) /* else it is closed as soon as it is taken up again */
		close_ok(run, c, words);
}

/* After a crash it is the same question: an answer may be on its way, or there already. */
static void ask_person(struct run *run, struct call *c)
{
	const char *question = json_get_text(c->args, "question", "");
	char id[ID_LEN + 1];

	if (c->answer != NULL) {
		close_ok(run, c, c->answer);
		return;
	}
	if (!c->asks_person) {
		id_new(id);
		run_emit(run, EVENT_QUESTION_ASKED, "call", c->id,
		         json_pack("{s:s, s:s, s:s}", "call", c->id, "question", question, "id", id));
	}
	if (!approval_can_wait(run))
		answer_question(run, c, "nobody", "Nobody is there to answer. Decide yourself, and say in your report what you assumed.", "");
	else
		run_defer(run, DO_ASK_QUESTION, c->id);
}

void control_put_question(struct run *run, const char *call)
{
	const struct engine_setup *setup = &run->engine->setup;
	const struct call *c = task_call_find(run->task, call);

	if (c == NULL || c->phase != CALL_RUNNING || !c->asks_person || !setup->interactive || setup->ask == NULL)
		return;
	setup->ask(setup->userdata, &(struct question){
		.approval = c->question, .task = run->task->id, .user = run->task->user, .kind = "question",
		.text = json_get_text(c->args, "question", "") });
}

void control_withdraw_question(struct run *run, const struct call *c, const char *why)
{
	const struct engine_setup *setup = &run->engine->setup;

	if (c->asks_person && setup->ask_withdrawn != NULL)
		setup->ask_withdrawn(setup->userdata, c->question, why);
}

bool control_answer(struct run *run, const char *question, const char *by, const char *words, const char *word)
{
	for (size_t i = 0; i < run->task->call_count && !run->over; i++) {
		struct call *c = &run->task->calls[i];
		if (!c->asks_person || c->phase == CALL_CLOSED || strcmp(c->question, question) != 0)
			continue;
		AUTO(freep) char *why = xasprintf("answered by %s", by);
		if (word[0] != '\0')
			control_withdraw_question(run, c, why);
		answer_question(run, c, by, words, word);
		run_step(run);
		return true;
	}
	return false;
}

/* The ids are chosen here and made durable with the intent: after a crash the same tasks are found again. */
static void delegate(struct run *run, struct call *c)
{
	const json_t *tasks = json_object_get(c->args, "tasks");

	if (c->child_count > 0)
		return; /* taken up again after a crash */
	for (size_t i = 0; i < json_array_size(tasks); i++) {
		const json_t *part = json_array_get(tasks, i);
		char id[ID_LEN + 1];
		id_new(id);
		json_t *data = json_pack("{s:s, s:s, s:s, s:s}", "call", c->id, "child", id, "goal", json_get_text(part, "goal", ""),
		                         "agent", json_get_text(part, "agent", "worker"));
		json_put_text(data, "step", json_get_text(part, "step", NULL));
		run_emit(run, EVENT_TASK_DELEGATED, "call", c->id, data);
	}
}

void control_run(struct run *run, struct call *c)
{
	const struct tool *tool = tool_find(c->tool);

	if (tool == &tool_plan_steps)
		write_plan(run, c);
	else if (tool == &tool_ask_user)
		ask_person(run, c);
	else if (tool == &tool_delegate)
		delegate(run, c);
	else if (tool == &tool_ask_master)
		ask_master_run(run, c);
	else if (tool == &tool_lock || tool == &tool_unlock)
		locks_act(run, c);
	else
		close_ok(run, c, json_get_text(c->args, "result", ""));
}

static json_t *report(const char *call, const char *child, const char *state, int exit, const char *result, json_t *owned_sums)
{
	json_put_text(owned_sums, "call", call);
	json_put_text(owned_sums, "child", child);
	json_put_text(owned_sums, "state", state);
	json_put_int(owned_sums, "exit", exit);
	json_put_text(owned_sums, "result", result);
	return owned_sums;
}

json_t *control_no_report(const char *call, const char *child, const char *state, const char *result)
{
	return report(call, child, state, 1, result,
	              json_pack("{s:i, s:i, s:i, s:{s:i, s:i, s:i, s:i}, s:i}", "turns", 0, "calls", 0, "denied", 0, "usage", "input", 0,
	                        "cache_read", 0, "cache_write", 0, "output", 0, "usd_nanos", 0));
}

json_t *control_report(const char *call, const struct task *t)
{
	bool unknown = t->usd_unknown || t->below.usd_unknown;
	json_t *sums = json_pack("{s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:o}",
		"turns", (json_int_t)(t->turns + t->below.turns), "calls",
		(json_int_t)(t->calls_total + t->below.calls), "denied", (json_int_t)(t->denied + t->below.denied), "usage",
		"input", (json_int_t)(t->input + t->below.input), "cache_read", (json_int_t)(t->cache_read + t->below.cache_read),
		"cache_write", (json_int_t)(t->cache_write + t->below.cache_write), "output",
		(json_int_t)(t->output + t->below.output), "cache_write_1h", (json_int_t)(t->cache_write_1h + t->below.cache_write_1h),
		"reasoning", (json_int_t)(t->reasoning + t->below.reasoning), "usd_nanos",
		unknown ? json_null() : json_integer(t->usd_nanos + t->below.usd_nanos));

	json_put(sums, "used", json_pack("{s:I, s:I}", "cpu_ms", (json_int_t)(t->used.cpu_ms + t->below.cpu_ms), "written_bytes",
	                               (json_int_t)(t->used.written + t->below.written)));
	if (t->taint_count > 0)
		json_put(sums, "taint", task_taint_json(t));
	if (t->asked != NULL)
		json_put(sums, "asked", ask_master_told(t));
	return report(call, t->id, t->state, t->exit, t->result, sums);
}

static void report_task(struct run *run, const char *call, const struct task *t)
{
	run_emit(run, EVENT_TASK_REPORTED, "call", call, control_report(call, t));
}

static bool is_here(const struct run *parent, const char *task)
{
	for (const struct run *run = parent->children; run != NULL; run = run->sibling)
		if (!run->told && strcmp(run->task->id, task) == 0)
			return true;
	return false;
}

void control_start_children(struct run *run, struct call *c)
{
	char call[CALL_ID_BYTES];
	struct err err = ERR_NONE;

	memcpy(call, c->id, sizeof call);
	for (size_t i = 0; i < c->child_count && !run->over; i++) {
		const struct child *child = &c->children[i];
		struct task *ended = NULL;
		if (child->reported || is_here(run, child->id))
			continue;
		bool there = engine_load(run->engine->setup.store, child->id, &ended, NULL) == 0, over = there && ended->phase == PHASE_ENDED;
		int r = over ? 0 : engine_child(run, c, child, &err);
		if (over)
			report_task(run, call, ended);
		else if (r < 0 && there && (!c->killing || r == -EBUSY)) /* busy: in the hands of an engine that stands still */
			run_fail(run, RUN_NO_CELL, &err); /* it began, and goes on once this is mended; so does this task */
		else if (r < 0)
			run_emit(run, EVENT_TASK_REPORTED, "call", call, control_no_report(call, child->id, "failed", err.text));
		task_free(ended);
		if (run->over)
			return;
		if (c->killing && is_here(run, child->id))
			control_kill(run, c);
	}
	run_step(run);
}

/* The task above ends: so do those below. */
void control_kill(struct run *run, struct call *c)
{
	for (struct run *other = run->children; other != NULL; other = other->sibling) {
		if (other->told || strcmp(other->parent_call, c->id) != 0)
			continue;
		other->input.cancelled = true;
		if (other->task->phase != PHASE_NEW) /* else as soon as it begins */
			run_step(other);
	}
}

void control_child_over(struct run *child)
{
	struct run *run = child->parent;

	if (run->over)
		return;
	if (child->failure != NULL && child->failure_kind != RUN_INTERRUPTED) {
		run_fail(run, child->failure_kind, child->failure); /* it can be resumed, and so can this one */
		return;
	}
	if (child->task->phase == PHASE_ENDED && task_call_find(run->task, child->parent_call) != NULL)
		report_task(run, child->parent_call, child->task);
	run_step(run);
}

void control_reports(const struct call *c, struct buf *ret)
{
	for (size_t i = 0; i < c->child_count; i++) {
		const struct child *child = &c->children[i];
		buf_printf(ret, "%s## %s%s (task %s): %s\n", i > 0 ? "\n\n" : "", child->step != NULL ? "step " : "part ",
		           child->step != NULL ? child->step : "", child->id, child->state);
		struct str result = str_of(child->result);
		if (result.len > LIMIT_REPORT_BYTES) {
			buf_add(ret, result.ptr, LIMIT_REPORT_BYTES);
			buf_printf(ret, "\n[... %zu bytes left out ...]", result.len - LIMIT_REPORT_BYTES);
		} else {
			buf_add_str(ret, result);
		}
		ask_master_reports(child, ret);
	}
}

void control_end(struct run *run, struct call *c)
{
	AUTO(buf_done) struct buf text = BUF_INIT(LIMIT_EVENT_BYTES / 2);

	if (c->children[0].question && !c->killing) {
		ask_master_end(run, c);
		return;
	}
	control_reports(c, &text);
	call_close(run, c, c->killing ? call_killed_status(c) : "ok", buf_text(&text));
}
