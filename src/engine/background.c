/* background.c - programs that run beside the calls of a task. Each is a run of the cell under the id of the call that
 * began it, so that what it starts is decided and written down as that call's. It ends with the cell; after a resume it is
 * gone, and whoever asks is told so. */
#include "engine/limits.h"

#include <signal.h>
#include <string.h>

#include "base/io.h"

#include "base/banned.h"

struct background {
	struct background *next;
	struct run *run;
	char id[CALL_ID_BYTES];        /* of the call that started it */
	uint64_t tag;
	int out;
	struct watch *readable, *timer;
	struct redact_stream *guard;
	struct output *output;         /* since the last read */
	int64_t started_ms;
	bool ended, told;              /* told: its end was told to the model */
	int status, signal;
	struct call_limits limits;
	struct bound_hit hit;          /* what ended it */
	int64_t cpu_ms, written;       /* not told yet */
	int64_t execs, execs_told, denied, denied_told;
	char stopping[CALL_ID_BYTES];  /* the call that waits for its end; "" */
};

static void background_free(struct background *b)
{
	watch_free(b->readable);
	watch_free(b->timer);
	fd_close(&b->out);
	redact_stream_free(b->guard);
	output_free(b->output);
	free(b);
}

void background_drop(struct run *run)
{
	while (run->background != NULL) {
		struct background *b = run->background;
		run->background = b->next;
		background_free(b);
	}
}

void background_stop(struct run *run)
{
	for (struct background *b = run->background; b != NULL; b = b->next)
		if (!b->ended)
			cell_kill(run->cell, b->tag, SIGKILL);
}

static struct background *by_id(const struct run *run, const char *id)
{
	struct background *b = run->background;

	while (b != NULL && strcmp(b->id, id) != 0)
		b = b->next;
	return b;
}

static struct background *by_tag(const struct run *run, uint64_t tag)
{
	struct background *b = run->background;

	while (b != NULL && b->tag != tag)
		b = b->next;
	return b;
}

bool background_counters(const struct run *run, uint64_t tag, int64_t **execs, int64_t **denied)
{
	struct background *b = by_tag(run, tag);

	if (b == NULL)
		return false;
	*execs = &b->execs;
	*denied = &b->denied;
	return true;
}

static void refuse(struct run *run, const struct call *c, const char *text)
{
	call_finish(run, c->id, "error", -1, str_of(text), call_counts(0, 0, 0, 0));
}

/* ---- start --------------------------------------------------------------------------------------------- */

static void on_output(void *userdata)
{
	struct background *b = userdata;

	if (!call_drain(b->out, b->guard, b->output))
		watch_free(TAKE(b->readable));
}

static void on_grace_over(void *userdata)
{
	const struct background *b = userdata;

	cell_kill(b->run->cell, b->tag, SIGKILL);
}

/* One place for a new one; who has ended, and whose end was told, makes room. */
static bool make_room(struct run *run)
{
	struct background **oldest = NULL;
	size_t count = 0;

	for (struct background **at = &run->background; *at != NULL; at = &(*at)->next) {
		count++;
		if (oldest == NULL && (*at)->told)
			oldest = at;
	}
	if (count < LIMIT_BACKGROUND)
		return true;
	if (oldest == NULL)
		return false;
	struct background *gone = *oldest;
	*oldest = gone->next;
	background_free(gone);
	return true;
}

static void start(struct run *run, const struct call *c, struct tool_plan *plan)
{
	struct background **end = &run->background;
	struct err err = ERR_NONE;

	if (!make_room(run)) {
		AUTO(freep) char *why = xasprintf("Not started: there are %d in the background; stop one first.", LIMIT_BACKGROUND);
		refuse(run, c, why);
		return;
	}
	struct background *b = xcalloc(1, sizeof *b);
	*b = (struct background){ .run = run, .tag = call_tag(c->id), .out = -1, .started_ms = clock_mono_ms() };
	memcpy(b->id, c->id, sizeof b->id);
	limits_of_call(run->task, &tool_background, plan, &b->limits);
	int r = call_launch(run, b->tag, &tool_background, c->args, plan, -1, &b->limits, &b->out, &err);
	if (r < 0) {
		AUTO(freep) char *why = xasprintf("Not started: %s", err.text);
		background_free(b);
		refuse(run, c, why);
		return;
	}
	b->guard = secret_guard(run);
	b->output = output_new((size_t)run->task->limits.output_bytes);
	b->readable = watch_fd(run->engine->setup.loop, b->out, on_output, b);
	while (*end != NULL)
		end = &(*end)->next;
	*end = b;
	AUTO(freep) char *text = xasprintf("Started; its id is \"%s\". It ends with the task at the latest.", b->id);
	call_finish(run, c->id, "ok", -1, str_of(text), call_counts(0, 0, 0, 0));
}

/* ---- read and stop ---------------------------------------------------------------------------------------- */

static void describe(const struct background *b, struct buf *text)
{
	char span[32];

	if (!b->ended)
		buf_printf(text, "[it runs, since %s]", clock_span(clock_mono_ms() - b->started_ms, span, sizeof span));
	else if (b->hit.what != BOUND_NONE) {
		buf_add_text(text, "[it was ended: ");
		limits_describe(&b->limits, &b->hit, text);
		buf_add_char(text, ']');
	} else if (b->signal != 0)
		buf_printf(text, "[it has ended, by signal %d (%s)]", b->signal, strsignal(b->signal));
	else
		buf_printf(text, "[it has ended, with exit status %d]", b->status);
}

/* Everything new about one, as the result of a call. */
static void report(struct background *b, const char *call, const char *status)
{
	struct run *run = b->run;
	struct buf text = BUF_INIT(LIMIT_EVENT_BYTES / 2);
	struct findings found;
	uint64_t bytes;

	if (b->readable != NULL)
		call_drain(b->out, b->guard, b->output);
	bytes = output_total(b->output);
	output_render_found(b->output, &text, &found);
	if (text.len == 0)
		buf_add_text(&text, "[no new output]");
	if (text.ptr[text.len - 1] != '\n')
		buf_add_char(&text, '\n');
	describe(b, &text);
	output_free(b->output);
	b->output = output_new((size_t)run->task->limits.output_bytes);
	b->told = b->ended;
	json_t *counts = call_counts((int64_t)bytes, b->execs - b->execs_told, b->denied - b->denied_told, 0);
	if (b->cpu_ms > 0 || b->written > 0)
		json_put(counts, "used", json_pack("{s:I, s:I}", "cpu_ms", (json_int_t)b->cpu_ms, "written_bytes", (json_int_t)b->written));
	b->cpu_ms = b->written = 0;
	taint_put(counts, &tool_background, &found, false);
	call_finish(run, call, status, b->ended ? b->status : -1, buf_str(&text), counts);
	b->execs_told = b->execs;
	b->denied_told = b->denied;
	buf_done(&text);
}

static void list(struct run *run, const struct call *c)
{
	struct buf text = BUF_INIT(KIB(16));

	for (const struct background *b = run->background; b != NULL; b = b->next) {
		buf_printf(&text, "%s: %llu bytes of new output ", b->id, (unsigned long long)output_total(b->output));
		describe(b, &text);
		buf_add_char(&text, '\n');
	}
	if (text.len == 0)
		buf_add_text(&text, "Nothing runs in the background.");
	call_finish(run, c->id, "ok", -1, buf_str(&text), call_counts(0, 0, 0, 0));
	buf_done(&text);
}

static void not_here(struct run *run, const struct call *c, const char *id)
{
	const json_t *lasted = json_object_get(run->task->background, id);
	AUTO(freep) char *text = NULL;

	if (json_is_true(lasted))
		text = xasprintf("%s ended some time ago, as you were told; what it printed then is in that answer.", id);
	else if (lasted != NULL)
		text = xasprintf("%s is gone: it ended when the task was interrupted, with all that it had printed. Start it again if it is "
		                 "still needed.", id);
	else
		text = xasprintf("There is no '%s' in the background; 'read' without an id lists what there is.", id);
	call_finish(run, c->id, lasted != NULL ? "ok" : "error", -1, str_of(text), call_counts(0, 0, 0, 0));
}

/* What it left behind when it ended is ended, too. */
static void stop(struct background *b, const struct call *c)
{
	if (b->ended) {
		cell_kill(b->run->cell, b->tag, SIGKILL);
		report(b, c->id, "ok");
		return;
	}
	memcpy(b->stopping, c->id, sizeof b->stopping);
	cell_kill(b->run->cell, b->tag, SIGTERM);
	b->timer = watch_timer(b->run->engine->setup.loop, on_grace_over, b);
	watch_arm(b->timer, LIMIT_CELL_GRACE_MS);
}

void background_act(struct run *run, const struct call *c, struct tool_plan *plan)
{
	const char *action = json_get_text(c->args, "action", ""), *id = json_get_text(c->args, "id", NULL);
	struct background *b = id != NULL ? by_id(run, id) : NULL;

	if (strcmp(action, "start") == 0)
		start(run, c, plan);
	else if (id == NULL)
		list(run, c);
	else if (b == NULL)
		not_here(run, c, id);
	else if (strcmp(action, "stop") == 0)
		stop(b, c);
	else
		report(b, c->id, "ok");
}

bool background_kill(struct run *run, const struct call *c)
{
	for (const struct background *b = run->background; b != NULL; b = b->next)
		if (strcmp(b->stopping, c->id) == 0) {
			cell_kill(run->cell, b->tag, SIGKILL);
			return true;
		}
	return false;
}

bool background_limit(struct run *run, uint64_t tag, const struct bound_hit *hit)
{
	struct background *b = by_tag(run, tag);

	if (b == NULL)
		return false;
	b->hit = limits_hit(run, &b->limits, hit);
	limits_reached(run, b->id, &b->limits, &b->hit);
	return true;
}

void background_ended(struct run *run, const struct cell_exit *ended)
{
	struct background *b = by_tag(run, ended->call);

	if (b == NULL)
		return;
	b->ended = true;
	b->status = ended->status;
	b->signal = ended->signal;
	b->cpu_ms = ended->cpu_ms;
	b->written = ended->written_bytes;
	if (b->stopping[0] == '\0')
		return;
	watch_free(TAKE(b->timer));
	cell_kill(run->cell, b->tag, SIGKILL);
	const struct call *c = task_call_find(run->task, b->stopping);
	report(b, b->stopping, c->killing ? call_killed_status(c) : "ok");
	b->stopping[0] = '\0';
	run_step(run);
}
