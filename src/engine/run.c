/* run.c - the heart: steps of the core become events, events become durable, and only then effects happen.
 * What a step means in detail stands in model.c, call.c and exec.c. */
#include "engine/breaker.h"
#include "engine/cell_late.h"
#include "engine/charge.h"
#include "engine/fallback.h"
#include "engine/metrics.h"
#include "engine/otel.h"
#include "engine/slots.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

struct run *run_new(struct engine *engine, struct task *task, struct run *parent)
{
	struct run *run = xcalloc(1, sizeof *run);

	run->engine = engine;
	run->task = task;
	run->next = engine->runs;
	engine->runs = run;
	engine->active++;
	run->parent = parent;
	if (parent != NULL) {
		run->sibling = parent->children;
		parent->children = run;
		parent->active_children++;
	}
	return run;
}

static void drop_pending(struct run *run)
{
	for (size_t i = 0; i < run->pending_count; i++)
		event_done(&run->pending[i]);
	free(run->pending);
	free(run->deferred);
	run->pending = NULL;
	run->deferred = NULL;
	run->pending_count = run->deferred_count = 0;
}

void run_free(struct run *run)
{
	runs_remove(run);
	breaker_leave(run);
	slots_drop(run);
	if (run->request != NULL)
		llm_cancel(run->request);
	redact_stream_free(run->saying);
	call_drop_live(run);
	background_drop(run);
	exec_drop(run);
	net_close(run);
	exec_rate_drop(run);
	charge_drop(run);
	watch_free(run->cell_readable);
	watch_free(run->wakeup);
	watch_free(run->patience);
	cell_close(run->cell);
	drop_pending(run);
	task_free(run->task);
	json_decref(run->opening);
	json_decref(run->carried);
	json_decref(run->policies);
	free(run->workspace);
	meter_stop(run);
	health_leave(run);
	json_decref(run->files_told);
	json_decref(run->unlocking);
	json_decref(run->tools);
	free(run->tmp);
	free(run->failure);
	free(run);
}

void run_tell(struct run *run)
{
	if (run->told)
		return;
	run->told = run->over = true;
	watch_free(TAKE(run->wakeup));
	watch_free(TAKE(run->patience));
	slots_drop(run);
	run->engine->active--;
	if (run->parent != NULL)
		run->parent->active_children--;
	locks_over(run);
	if (run->parent != NULL)
		control_child_over(run);
	if (run->engine->setup.on_over != NULL && run->parent == NULL)
		run->engine->setup.on_over(run->engine->setup.userdata, run);
	if (!service_stays(run->engine))
		loop_stop(run->engine->setup.loop);
}

/* Nobody would hear of what goes on below a run that is gone: it parks, to be found again by a resume. */
static void drain_children(const struct run *run)
{
	const struct err why = { .code = EINTR, .text = "the task above cannot go on" };

	for (struct run *other = run->children; other != NULL; other = other->sibling) {
		if (other->told)
			continue;
		other->input.draining = true;
		if (other->opening != NULL)
			run_fail(other, RUN_INTERRUPTED, &why);
		else
			run_step(other);
	}
}

/* This run cannot go on: nothing more is written, so that what is durable stays the whole truth. */
void run_fail(struct run *run, enum run_failure_kind kind, const struct err *why)
{
	if (run->over)
		return;
	run->over = true;
	struct err *failure = xmalloc(sizeof *failure);
	*failure = *why;
	free(run->failure);
	run->failure = failure;
	run->failure_kind = kind;
	breaker_leave(run);
	if (run->request != NULL)
		llm_cancel(TAKE(run->request));
	call_drop_live(run);
	background_drop(run);
	exec_drop(run);
	net_close(run);
	exec_rate_drop(run);
	charge_drop(run);
	charge_withdraw(run);
	watch_free(TAKE(run->cell_readable));
	cell_close(TAKE(run->cell));
	drop_pending(run);
	health_leave(run);
	cell_check_ends(run, false);
	drain_children(run);
	run_tell(run);
}

/* The span of an event and the span above it. */
void run_spans(const struct task *t, const char *what, const char *name, struct event *e)
{
	task_span(t, what, name, e->span_id);
	if (strcmp(what, "task") == 0) {
		memcpy(e->parent_span_id, t->parent_span_id, sizeof e->parent_span_id);
	} else if (strcmp(what, "turn") == 0) {
		task_span(t, "task", "", e->parent_span_id);
	} else {
		AUTO(freep) char *turn = xstrndup(name, strcspn(name, "."));
		task_span(t, "turn", turn, e->parent_span_id);
	}
}

/* A program that was let go on, a connection that is over: nothing waits for the event, and where there are many, one
 * commit does for all. */
static bool can_wait(const struct event *e)
{
	return e->type == EVENT_NET_FINISHED ||
	       (e->type == EVENT_EXEC_DECIDED && strcmp(json_get_text(e->data, "effect", ""), "allow") == 0);
}

void run_event(struct run *run, enum event_type type, const char *what, const char *name, json_t *owned_data, struct event *ret)
{
	struct task *t = run->task;
	struct event e = { .type = type, .time_us = clock_wall_us(), .attempt = 1, .data = owned_data };

	secret_redact(run, type, owned_data);
	memcpy(e.session, t->session, sizeof e.session);
	memcpy(e.task, t->id, sizeof e.task);
	memcpy(e.parent, t->parent, sizeof e.parent);
	memcpy(e.user, t->user, sizeof e.user);
	memcpy(e.trace_id, t->trace_id, sizeof e.trace_id);
	run_spans(t, what, name, &e);
	const struct call *c = strcmp(what, "call") == 0 ? task_call_find(t, name) : NULL;
	if (c != NULL)
		e.attempt = MAX(c->attempt, 1);
	else if (strcmp(what, "turn") == 0)
		e.attempt = t->failures + 1;
	*ret = e;
}

void run_emit(struct run *run, enum event_type type, const char *what, const char *name, json_t *owned_data)
{
	struct task *t = run->task;
	struct event e;
	struct err err = ERR_NONE;

	if (run->over) {
		json_decref(owned_data);
		return;
	}
	run_event(run, type, what, name, owned_data, &e);
	/* Our own events are in the catalogue and in place: anything else is a bug, and must not be stored. */
	bool fits = event_check(type, e.data, &err) == 0 && task_apply(t, &e, &err) == 0;
	if (!fits) /* the last words of this process */
		fprintf(stderr, "mishri: %s\n", err.text);
	assert(fits);
	run->pending = xrealloc(run->pending, (run->pending_count + 1) * sizeof *run->pending);
	run->pending[run->pending_count++] = e;
	run->hurry |= !can_wait(&e);
}

void run_defer(struct run *run, int what, const char *name)
{
	struct deferred effect = { .what = what };

	assert(strlen(name) < sizeof effect.name);
	memcpy(effect.name, name, strlen(name));
	run->deferred = xrealloc(run->deferred, (run->deferred_count + 1) * sizeof *run->deferred);
	run->deferred[run->deferred_count++] = effect;
}

/* ---- one batch on its way to the disk ---------------------------------------------------------- */

struct batch {
	struct run *run;
	struct event *events;           /* our references, to publish them */
	size_t count;
	struct deferred *deferred;
	size_t deferred_count;
	int64_t since_ns;               /* when it was handed over */
};

static void batch_free(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		event_done(&b->events[i]);
	free(b->events);
	free(b->deferred);
	free(b);
}

/* A control tool whose start is durable: its own events follow, and a delegation begins when those are. */
static void begin_control(struct run *run, struct call *call)
{
	control_run(run, call);
	if (call->child_count > 0)
		run_defer(run, DO_START_CHILDREN, call->id);
}

bool run_holds(struct run *run)
{
	struct err lost = ERR_NONE;

	if (store_lease_check(run->engine->setup.store, run->task->id, run->generation, &lost) == 0)
		return true;
	run_fail(run, RUN_STORE, &lost);
	return false;
}

/* Between the commit and this moment the process may have stood still for longer than its lease. */
static void start_deferred(struct run *run, const struct deferred *effect)
{
	struct call *call;

	if (!run_holds(run))
		return;
	switch (effect->what) {
	case DO_SEND_REQUEST:
		if (run->task->model_phase == MODEL_ASKED && run->request == NULL)
			model_send(run);
		break;
	case DO_RUN_CALL:
		call = task_call_find(run->task, effect->name);
		if (call != NULL && call->phase == CALL_RUNNING)
			call_run(run, call);
		break;
	case DO_ASK_QUESTION: control_put_question(run, effect->name); break;
	case DO_ASK_PERSON: approval_put_question(run, effect->name); break;
	case DO_BEGIN_CONTROL:
		call = task_call_find(run->task, effect->name);
		if (call != NULL && call->phase == CALL_RUNNING)
			begin_control(run, call);
		break;
	case DO_CONNECT: net_connect(run, effect->name); break;
	case DO_UNLOCK: locks_freed(run, effect->name); break;
	case DO_START_CHILDREN:
		call = task_call_find(run->task, effect->name);
		/* a task that was parked meanwhile finds them again when it is resumed */
		if (call != NULL && call->phase == CALL_RUNNING && run->task->phase == PHASE_ACTIVE)
			control_start_children(run, call);
		break;
	}
}

/* A long output is for the record; who watches is told that it is there. */
static void publish(const struct engine_setup *setup, const struct event *e)
{
	struct event shown = *e;

	if (e->type != EVENT_OUTPUT_KEPT || json_get_int(e->data, "size", 0) <= (int64_t)LIMIT_EVENT_INLINE_BYTES) {
		setup->on_event(setup->userdata, e);
		return;
	}
	AUTO(json_decrefp) json_t *data = json_copy(e->data);
	json_put_text(data, "text", "");
	shown.data = data;
	setup->on_event(setup->userdata, &shown);
}

void run_published(struct run *run, const struct event *e)
{
	const struct engine_setup *setup = &run->engine->setup;

	if (setup->on_event != NULL)
		publish(setup, e);
	if (setup->otel != NULL)
		otel_event(setup->otel, e);
	if (setup->metrics != NULL)
		metrics_event(setup->metrics, e);
	charge_noted(run, e);
	approvals_noted(run, e);
}

void run_begin(struct run *run, int what, const char *name)
{
	struct deferred effect = { .what = what };

	memcpy(effect.name, name, strlen(name) + 1);
	start_deferred(run, &effect);
}

static void on_commit(void *userdata, int result, int64_t first_seq, const struct err *err)
{
	struct batch *b = userdata;
	struct run *run = b->run;

	run->committing = false;
	if (run->engine->setup.metrics != NULL)
		metrics_commit(run->engine->setup.metrics, (clock_mono_ns() - b->since_ns) / 1000);
	if (run->told) { /* it failed while this batch was on its way */
		batch_free(b);
		service_look(run->engine);
		return;
	}
	if (result < 0) {
		run_fail(run, RUN_STORE, err);
		batch_free(b);
		return;
	}
	for (size_t i = 0; i < b->count; i++) {
		b->events[i].seq = run->last_seq = first_seq + (int64_t)i;
		run_published(run, &b->events[i]);
	}
	for (size_t i = 0; i < b->deferred_count && !run->over; i++)
		start_deferred(run, &b->deferred[i]);
	batch_free(b);
	run_step(run);
}

static bool is_at_rest(const struct task *t)
{
	return t->phase == PHASE_ENDED || t->phase == PHASE_PARKED;
}

static void on_impatience(void *userdata)
{
	struct run *run = userdata;

	run->hurry = true;
	run->patient = false;
	run_step(run);
}

/* False: what is pending may lie a little longer. */
static bool must_flush(struct run *run)
{
	if (run->hurry || run->pending_count >= LIMIT_BATCH_EVENTS)
		return true;
	if (run->patient)
		return false;
	run->patient = true;
	if (run->patience == NULL)
		run->patience = watch_timer(run->engine->setup.loop, on_impatience, run);
	watch_arm(run->patience, LIMIT_EXEC_EVENT_MS);
	return false;
}

static void flush(struct run *run)
{
	if (!run->committing && !run->over && charge_flush(run))
		return;
	if (run->committing || run->pending_count == 0 || run->over || !must_flush(run))
		return;
	struct batch *b = xcalloc(1, sizeof *b);
	b->run = run;
	b->count = MIN(run->pending_count, LIMIT_BATCH_EVENTS);
	b->events = xcalloc(b->count, sizeof *b->events);
	for (size_t i = 0; i < b->count; i++) {
		b->events[i] = run->pending[i];
		json_incref(b->events[i].data);
	}
	bool all = b->count == run->pending_count;
	if (all) {
		b->deferred = TAKE(run->deferred);
		b->deferred_count = run->deferred_count;
		run->deferred_count = 0;
	}
	bool last = all && is_at_rest(run->task) && !run->fresh;
	struct store_batch batch = {
		.root = run->task->root,
		.task = run->task->id,
		.generation = run->generation,
		.lease = last ? LEASE_RELEASE : run->fresh ? LEASE_CREATE : LEASE_HOLD,
		.events = run->pending,
		.count = b->count,
		.checkpoint = last,
		.inbox_upto = all ? run->inbox_seen : 0,
		.on_commit = on_commit,
		.userdata = b,
	};
	if (run->fresh)
		run->generation = 1; /* what LEASE_CREATE makes */
	run->fresh = false;
	run->committing = true;
	b->since_ns = clock_mono_ns();
	store_append(run->engine->setup.store, &batch);
	run->pending_count -= b->count;
	run->hurry = run->pending_count > 0;
	memmove(run->pending, run->pending + b->count, run->pending_count * sizeof *run->pending);
	if (run->pending_count == 0) /* it may wait for days from here */
		free(TAKE(run->pending));
}

/* ---- steps of the core ---------------------------------------------------------------------------------- */

static void finish(struct run *run, const struct step *c)
{
	charge_withdraw(run);
	run_close_cell(run, "finished");
	files_forget(run->engine->setup.store, run->task);
	run_emit(run, EVENT_TASK_FINISHED, "task", "",
	         json_pack("{s:s, s:i, s:o}", "state", c->state, "exit", c->exit, "result", json_of_str(str_of(c->text))));
}

static void park(struct run *run, const struct step *c)
{
	charge_withdraw(run);
	run_close_cell(run, "parked");
	json_t *data = json_pack("{s:s}", "reason", c->status);
	if (run->resting && run->engine->drains == 0)
		json_put_bool(data, "resting", true);
	else if (run->engine->setup.service && run->engine->drains > 0 &&
	         (strcmp(c->status, "interrupted") == 0 || strcmp(c->status, "waiting") == 0))
		json_put_bool(data, "service", true);
	run_emit(run, EVENT_TASK_PARKED, "task", "", data);
}

static void warn_loop(struct run *run, const struct step *c)
{
	run_emit(run, EVENT_LOOP_DETECTED, "task", "",
	         json_pack("{s:s, s:s, s:I, s:I, s:s}", "kind", c->loop.kind, "level", loop_level_name(c->loop.level), "length",
	                   (json_int_t)c->loop.length, "count", (json_int_t)c->loop.count, "text", c->text));
}

static void begin_call(struct run *run, struct call *call)
{
	const struct tool *tool = tool_find(call->tool);

	if (tool == NULL) { /* it was approved before a resume, and its manifest is gone since */
		call_close(run, call, "error", "Not run: this tool is not there any more.");
		return;
	}
	if (cell_is_awaited(run, tool))
		return;
	bool control = tool->control;
	if (charge_call(run, call, control ? DO_BEGIN_CONTROL : DO_RUN_CALL))
		return;
	call_intend(run, call);
	if (control)
		control_run(run, call);
	if (control && call->child_count == 0)
		return; /* it is done, or waits for a person */
	run_defer(run, control ? DO_START_CHILDREN : DO_RUN_CALL, call->id);
}

static void obey(struct run *run, const struct step *c)
{
	switch (c->type) {
	case STEP_CHECK_CALL: call_check(run, c->call); break;
	case STEP_ASK_PERSON: call_ask(run, c->call); break;
	case STEP_EXPIRE: approval_expire(run, c->approval); break;
	case STEP_RUN_CALL: begin_call(run, c->call); break;
	case STEP_END_DELEGATION: control_end(run, c->call); break;
	case STEP_KILL_CALL: call_kill(run, c->call, c->status); break;
	case STEP_CLOSE_CALL: call_close(run, c->call, c->status, c->text); break;
	case STEP_WARN_LOOP: warn_loop(run, c); break;
	case STEP_COMPACT: model_compact(run); break;
	case STEP_ASK_MODEL: charge_ask_model(run); break;
	case STEP_CALL_MODEL:
		breaker_enter(run, task_model(run->task, run->task->models.at));
		if (charge_model(run))
			break;
		model_ask(run);
		run_defer(run, DO_SEND_REQUEST, "");
		break;
	case STEP_CANCEL_MODEL: model_cancel(run); break;
	case STEP_RETRY_MODEL: model_retry(run, c->status); break;
	case STEP_SWITCH_MODEL: fallback_switch(run, c); break;
	case STEP_PARK: park(run, c); break;
	case STEP_FINISH: finish(run, c); break;
	}
}

static void on_wakeup(void *userdata)
{
	run_step(userdata);
}

static void arm_wakeup(struct run *run)
{
	int64_t at_us = task_wakeup_us(run->task);

	if (at_us == INT64_MAX)
		return;
	if (run->wakeup == NULL)
		run->wakeup = watch_timer(run->engine->setup.loop, on_wakeup, run);
	watch_arm(run->wakeup, MAX((at_us - clock_wall_us()) / 1000 + 1, 1));
}

void run_step(struct run *run)
{
	struct step c;

	if (run->over)
		return;
	run->input.now_us = clock_wall_us();
	run->input.children_active = run->active_children > 0;
	fallback_see(run);
	run->slot_wanted = false;
	if (run->input.draining || run->input.cancelled || run->task->cancelled_by != NULL || run->task->paused)
		(void)charge_meanwhile(run, false);
	while (!run->over && !run->slot_wanted && run->charging == NULL && !run_waits_for_cell(run) &&
	       task_decide(run->task, &run->input, &c)) {
		if (!slots_hold_up(run, &c))
			obey(run, &c);
		step_done(&c);
	}
	if (run->over)
		return;
	slots_settle(run);
	if (run->charging == NULL && run->task->model_phase != MODEL_ASKED)
		breaker_leave(run);
	flush(run);
	if (is_at_rest(run->task) && !run->committing && run->pending_count == 0)
		run_tell(run);
	else
		arm_wakeup(run);
}
