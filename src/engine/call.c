/* call.c - one tool call: checked, decided, run in the cell, its output made fit for a model.
 * Nothing of a tool runs in this process. */
#include "engine/cell_late.h"
#include "engine/charge.h"
#include "engine/limits.h"
#include "engine/reload.h"
#include "engine/traceparent.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/permission.h"
#include "tools/own.h"
#include "tools/seen.h"

#include "base/banned.h"

struct live_call {
	char id[CALL_ID_BYTES];
	uint64_t tag;
	int out;                       /* our end of the pipe */
	struct watch *readable, *timer;
	struct redact_stream *guard;   /* before both outputs */
	struct output *output, *whole; /* what the model gets; what is kept */
	int mailbox;                   /* of a tool that runs no program; -1 */
	int64_t mail_from;
	int64_t started_ms, killed_ms; /* monotonic; killed_ms 0: not yet */
	struct call_limits limits;
	struct bound_hit hit;          /* what is ending it */
	int64_t execs, denied;
	bool terminated;               /* SIGTERM was sent; SIGKILL is next */
	int held;                      /* programs that wait for a person */
	int64_t held_since_ms, held_ms; /* held_ms: so long, until now */
};

uint64_t call_tag(const char *id)
{
	unsigned turn = 0, index = 0;

	if (sscanf(id, "%u.%u", &turn, &index) != 2)
		abort();
	return (uint64_t)turn << 16 | index;
}

void call_id_of(uint64_t tag, char ret[static CALL_ID_BYTES])
{
	snprintf(ret, CALL_ID_BYTES, "%u.%u", (unsigned)(tag >> 16), (unsigned)(tag & 0xffff));
}

/* ---- may it happen ------------------------------------------------------------------------------- */

static void decided(struct run *run, const struct call *c, const char *by, json_t *owned_fields)
{
	json_put_text(owned_fields, "call", c->id);
	json_put_text(owned_fields, "tool", c->tool);
	json_put_text(owned_fields, "by", by);
	run_emit(run, EVENT_CALL_DECIDED, "call", c->id, owned_fields);
}

static void refuse_by_schema(struct run *run, const struct call *c, const char *why)
{
	json_t *fields = json_pack("{s:s, s:n, s:n, s:[], s:n, s:i}", "effect", "deny", "rule", "source", "also", "policy",
	                           "ns", 0);
	json_put_text(fields, "reason", why);
	decided(run, c, "schema", fields);
}

static int check_args(const struct tool *tool, const struct call *c, struct err *err)
{
	if (!json_is_object(c->args))
		return err_set(err, EINVAL, "the arguments are no JSON object; see the schema of '%s'", tool->name);
	return schema_check_text(tool->schema, c->args, err);
}

static void unknown_tool(struct run *run, const struct call *c)
{
	struct buf text = BUF_INIT(KIB(4));
	size_t i;
	json_t *name;

	buf_printf(&text, "there is no tool '%.64s'; there are:", c->tool);
	json_array_foreach(run->task->tools, i, name)
		buf_printf(&text, " %s", json_string_value(name));
	refuse_by_schema(run, c, buf_text(&text));
	buf_done(&text);
}

void call_decide(const struct run *run, const struct call *c, struct decision *ret)
{
	const struct tool *tool = tool_find(c->tool);
	struct action action = {
		.kind = ACTION_TOOL,
		.tool = { .name = tool->name, .category = tool->category, .risk = tool_risk(tool, c->args), .args = c->args },
	};
	struct facts facts;

	facts_of(run, &facts);
	if (files_refuse(run, tool, c->args, ret))
		;
	else if (tool->control)
		control_decide(run, tool, c, ret);
	else
		policy_decide(run_policy(run), &action, &facts, ret);
	secret_decide(run, tool, c, &action, &facts, ret);
}

static void write_decision(struct run *run, const struct call *c, const struct decision *by_policy)
{
	struct decision d = *by_policy;
	unsigned granted;
	const char *by = permit_decide(run, tool_find(c->tool), c->args, &d, &granted) ? "policy" : "permissions";
	json_t *fields = effect_fields(&d, run_policy(run)), *also = json_array();

	for (size_t i = 0; i < d.also_count; i++)
		json_array_append_new(also, json_string(d.also[i]));
	json_put(fields, "also", also);
	json_put(fields, "permissions", permissions_json(granted));
	decided(run, c, by, fields);
}

void call_check(struct run *run, struct call *c)
{
	const struct tool *tool = tool_find(c->tool);
	struct err err = ERR_NONE;
	struct decision d;

	if (tool == NULL || !task_has_tool(run->task, c->tool)) {
		unknown_tool(run, c);
		return;
	}
	if (check_args(tool, c, &err) < 0 || secret_check(run, tool, c, &err) < 0 ||
	    (tool->control && control_check(run, tool, c, &err) < 0)) {
		refuse_by_schema(run, c, err.text);
		return;
	}
	engine_look_at_policy(run->engine);
	call_decide(run, c, &d);
	write_decision(run, c, &d);
}

/* ---- running ----------------------------------------------------------------------------------------- */

json_t *call_started(const struct call *c)
{
	const struct tool *tool = tool_find(c->tool);

	json_t *data = json_pack("{s:s, s:s, s:s, s:o}", "call", c->id, "tool", c->tool, "nature", nature_name(tool_nature(tool, c->args)),
	                         "permissions", permissions_json(permit_granted(c, tool)));
	if (tool->polls)
		json_put_bool(data, "polls", true);
	if (tool->run == NULL) /* a tool of ours in the cell is not given the value */
		secret_taint(tool, c->args, data);
	return data;
}

void call_intend(struct run *run, struct call *c)
{
	run_emit(run, EVENT_CALL_STARTED, "call", c->id, call_started(c));
}

json_t *call_counts(int64_t bytes, int64_t execs, int64_t denied, int64_t ms)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "bytes", (json_int_t)bytes, "execs", (json_int_t)execs, "denied_execs",
	                 (json_int_t)denied, "ms", (json_int_t)ms);
}

void call_finish(struct run *run, const char *id, const char *status, int exit, struct str output, json_t *owned_counts)
{
	const struct call *c = task_call_find(run->task, id);
	AUTO(buf_done) struct buf told = BUF_INIT(LIMIT_EVENT_BYTES / 2);

	if (c->edited_by != NULL) { /* else the model would take the outcome for that of its own words */
		AUTO(freep) char *args = json_text(c->args);
		buf_printf(&told, "[a person changed the arguments of this call to: %s]\n", args);
		buf_add_str(&told, output);
		output = buf_str(&told);
	}
	json_put_text(owned_counts, "call", c->id);
	json_put_text(owned_counts, "tool", c->tool);
	json_put_text(owned_counts, "status", status);
	json_put(owned_counts, "exit", exit >= 0 ? json_integer(exit) : json_null());
	json_put_str(owned_counts, "output", output);
	run_emit(run, EVENT_CALL_FINISHED, "call", id, owned_counts);
}

void call_close(struct run *run, struct call *c, const char *status, const char *text)
{
	const struct engine_setup *setup = &run->engine->setup;

	if (c->phase == CALL_HELD && setup->ask_withdrawn != NULL)
		setup->ask_withdrawn(setup->userdata, c->approval, "the task goes on without it");
	call_finish(run, c->id, status, -1, str_of(text), call_counts(0, 0, 0, 0));
}

static void live_free(struct live_call *live)
{
	watch_free(live->readable);
	watch_free(live->timer);
	fd_close(&live->out);
	fd_close(&live->mailbox);
	redact_stream_free(live->guard);
	output_free(live->output);
	output_free(live->whole);
	free(live);
}

const char *call_running(const struct run *run)
{
	return run->live != NULL ? run->live->id : "";
}

bool call_life(const struct run *run, struct call_life *ret)
{
	const struct live_call *live = run->live;

	if (live == NULL)
		return false;
	*ret = (struct call_life){ .id = live->id, .held = live->held > 0 && live->killed_ms == 0 };
	if (live->killed_ms > 0) {
		ret->since_ms = live->killed_ms;
		ret->most_ms = 2 * LIMIT_CELL_GRACE_MS;
	} else {
		ret->since_ms = live->started_ms + live->held_ms;
		ret->most_ms = live->limits.bounds.at[BOUND_WALL] + 2 * LIMIT_CELL_GRACE_MS;
	}
	return true;
}

void call_hint(struct run *run, const char *line)
{
	if (run->live == NULL)
		return;
	output_add(run->live->output, line, strlen(line));
	output_add(run->live->output, "\n", 1);
	output_add(run->live->whole, line, strlen(line));
	output_add(run->live->whole, "\n", 1);
}

void call_drop_live(struct run *run)
{
	if (run->live != NULL)
		live_free(TAKE(run->live));
}

struct outputs {
	struct output *output, *whole;
};

static void take(void *userdata, struct str text)
{
	const struct outputs *to = userdata;

	output_add(to->output, text.ptr, text.len);
	if (to->whole != NULL)
		output_add(to->whole, text.ptr, text.len);
}

/* Takes what is in a pipe, into one output or two. */
static bool drain_both(int out, struct redact_stream *guard, struct outputs to)
{
	char chunk[16384];

	for (int i = 0; i < 64; i++) { /* a flood may not starve the loop */
		ssize_t n = read(out, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0) {
			redact_stream_end(guard, take, &to);
			return false;
		}
		redact_stream_add(guard, (struct str){ chunk, (size_t)n }, take, &to);
	}
	return true;
}

bool call_drain(int out, struct redact_stream *guard, struct output *output)
{
	return drain_both(out, guard, (struct outputs){ output, NULL });
}

static bool drain(const struct live_call *live)
{
	return drain_both(live->out, live->guard, (struct outputs){ live->output, live->whole });
}

/* Nobody waits for the last words of who floods. */
static void check_printed(struct run *run)
{
	struct live_call *live = run->live;
	int64_t printed = (int64_t)output_total(live->output), most = live->limits.bounds.at[BOUND_PRINTED];

	if (printed <= most || live->hit.what != BOUND_NONE)
		return;
	live->hit = (struct bound_hit){ BOUND_PRINTED, printed, most };
	limits_reached(run, live->id, &live->limits, &live->hit);
	cell_kill(run->cell, live->tag, SIGKILL);
	run_step(run);
}

static void on_output(void *userdata)
{
	struct run *run = userdata;
	struct live_call *live = run->live;

	if (!drain(live))
		watch_free(TAKE(live->readable));
	check_printed(run);
}

/* Out of its time, or asked to end: first politely, then for certain. */
static void on_timer(void *userdata)
{
	struct run *run = userdata;
	struct live_call *live = run->live;
	struct call *c = task_call_find(run->task, live->id);

	if (!c->killing) {
		if (live->hit.what == BOUND_NONE) {
			int64_t most = live->limits.bounds.at[BOUND_WALL];
			live->hit = (struct bound_hit){ BOUND_WALL, MAX(clock_mono_ms() - live->started_ms, most), most };
			limits_reached(run, live->id, &live->limits, &live->hit);
		}
		call_kill(run, c, "timeout");
		run_step(run);
	} else {
		cell_kill(run->cell, live->tag, SIGKILL);
	}
}

void call_kill(struct run *run, struct call *c, const char *why)
{
	struct live_call *live = run->live;

	run_emit(run, EVENT_CALL_KILLED, "call", c->id, json_pack("{s:s, s:s}", "call", c->id, "reason", why));
	if (c->child_count > 0) {
		control_kill(run, c);
		return;
	}
	if (background_kill(run, c))
		return;
	if (c->asks_person) {
		control_withdraw_question(run, c, why);
		call_close(run, c, "cancelled", "Nobody answered: the task was stopped first.");
		return;
	}
	if (live == NULL) { /* its intent was not carried out yet, and will not be */
		call_close(run, c, "cancelled", "Not run: the task was stopped first.");
		return;
	}
	live->killed_ms = clock_mono_ms();
	cell_kill(run->cell, live->tag, SIGTERM);
	int64_t cancel_ms = run->engine->setup.cancel_grace_ms;
	bool cancelled = strcmp(why, "cancelled") == 0 && cancel_ms > 0 && run->engine->drains == 0;
	watch_arm(live->timer, cancelled ? cancel_ms : drain_grace_ms(run->engine));
}

void call_kill_at_once(const struct run *run)
{
	if (run->live != NULL)
		cell_kill(run->cell, run->live->tag, SIGKILL);
}

void call_stop(struct run *run, const char *why)
{
	struct call *c = run->live != NULL ? task_call_find(run->task, run->live->id) : NULL;

	if (c == NULL || c->killing)
		return;
	call_kill(run, c, why);
	run_step(run);
}

/* The run could not even begin: that is a result too. */
static void failed_to_start(struct run *run, const char *id, int code, const char *why)
{
	const struct call *c = task_call_find(run->task, id);
	bool busy = code == -EAGAIN || code == -EMFILE || code == -ENFILE || code == -ENOMEM;
	bool refused = code == -EINVAL || code == -E2BIG || code == -EAGAIN || code == -EEXIST || code == -EMFILE;
	AUTO(freep) char *text = refused ? xasprintf("The tool could not be run: %s", why)
	                                 : xasprintf("Outcome unknown: the sandbox ended when this was given to it (%s).", why);

	call_drop_live(run);
	if (busy && call_again(run, c, str_of(why), -1, NULL)) {
		run_step(run);
		return;
	}
	call_finish(run, id, refused ? "error" : "unknown", -1, str_of(text), call_counts(0, 0, 0, 0));
	run_step(run);
}

/* A file in memory: it has no name and is gone with the program. -1 with errno. */
static int input_open(const char *text)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd >= 0 && (io_write_all(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void trace_environment(struct run *run, uint64_t tag, char ***env)
{
	char id[CALL_ID_BYTES], parent[TRACEPARENT_LEN + 1];

	call_id_of(tag, id);
	traceparent_of_call(run->task, id, parent);
	env_append(env, xasprintf("TRACEPARENT=%s", parent));
	if (tracestate_of(run->task) != NULL)
		env_append(env, xasprintf("TRACESTATE=%s", tracestate_of(run->task)));
}

int call_launch(struct run *run, uint64_t tag, const struct tool *tool, const json_t *args, struct tool_plan *plan,
                int mailbox, const struct call_limits *limits, int *ret_out, struct err *err)
{
	AUTO(fd_closep) int null = plan->input != NULL ? input_open(plan->input) : open("/dev/null", O_RDONLY | O_CLOEXEC);
	AUTO(fd_closep) int in = -1;
	AUTO(fd_closep) int out = -1;
	char id[CALL_ID_BYTES];
	int ends[2];

	if (null < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "no pipe for the output");
	out = ends[0];
	in = ends[1];
	int r = fd_set_nonblock(out);
	if (r < 0)
		return err_set(err, -r, "no pipe for the output");
	char **env = tool_environment(run->task->workspace, run->task->user, run->tmp, run->net != NULL);
	env_append(&env, xasprintf("MISHRI_ISOLATION=%s", cell_level_name(run->level)));
	call_id_of(tag, id);
	env_append(&env, xasprintf("MISHRI_CALL=%s/%s", run->task->id, id)); /* the same at each attempt */
	if (run->engine->setup.trace_programs)
		trace_environment(run, tag, &env);
	r = secret_enter(run, tool, args, plan, &env, err);
	AUTO(json_decrefp) json_t *sent = secret_args(run, tool, args);
	struct cell_run what = {
		.call = tag,
		.builtin = plan->builtin,
		.args = sent,
		.withheld = permit_withheld(run, tag, tool),
		.hash_system = policy_wants_sha256(run_policy(run)),
		.argv = (const char *const *)plan->argv,
		.env = (const char *const *)env,
		.cwd = run->task->workspace,
		.fds = { mailbox >= 0 ? mailbox : null, in, in },
	};
	limits_of_run(limits, &what);
	if (r == 0)
		r = cell_run(run->cell, &what, err);
	tool_environment_free(env);
	if (r == 0) {
		*ret_out = out;
		out = -1;
	}
	return r;
}

static struct live_call *live_new(const struct run *run, const struct call *c)
{
	struct live_call *live = xcalloc(1, sizeof *live);

	memcpy(live->id, c->id, sizeof live->id);
	live->tag = call_tag(c->id);
	live->out = live->mailbox = -1;
	live->output = output_new(owntool_output_bytes(run, c->tool));
	live->guard = secret_guard(run);
	live->whole = output_new(LIMIT_KEPT_OUTPUT_BYTES);
	live->started_ms = clock_mono_ms();
	return live;
}

static void run_in_cell(struct run *run, const struct call *c, const struct tool *tool, struct tool_plan *plan)
{
	struct live_call *live = run->live = live_new(run, c);
	struct err err = ERR_NONE;
	int r = 0;

	limits_of_call(run->task, tool, plan, &live->limits);
	live->limits.bounds.at[BOUND_WALL] = MIN(live->limits.bounds.at[BOUND_WALL], charge_time_left_ms(run));
	if (plan->builtin != NULL)
		r = seen_open(run->task->seen, &live->mailbox, &live->mail_from, &err);
	if (r == 0)
		r = call_launch(run, live->tag, tool, c->args, plan, live->mailbox, &live->limits, &live->out, &err);
	if (r < 0) {
		failed_to_start(run, c->id, r, err.text);
		return;
	}
	live->readable = watch_fd(run->engine->setup.loop, live->out, on_output, run);
	live->timer = watch_timer(run->engine->setup.loop, on_timer, run);
	watch_arm(live->timer, live->limits.bounds.at[BOUND_WALL]);
}

void call_run(struct run *run, struct call *c)
{
	const struct tool *tool = tool_find(c->tool);
	struct tool_plan plan = { 0 };
	struct err err = ERR_NONE;

	assert(run->live == NULL && tool != NULL);
	bool in_cell = run->cell != NULL && run->cell_ready;
	if (!in_cell && cell_needed_by(tool)) {
		failed_to_start(run, c->id, -EINVAL, "the sandbox was lost before it began; another follows");
		return;
	}
	if (tool_plan_make(tool, c->args, run->task->workspace, &plan, &err) < 0)
		failed_to_start(run, c->id, -EINVAL, err.text);
	else if (in_cell && files_guard(run, &err) < 0)
		failed_to_start(run, c->id, -EINVAL, err.text);
	else if (tool == &tool_read_output)
		kept_read(run, c);
	else if (tool == &tool_background)
		background_act(run, c, &plan);
	else if (tool == &tool_memory)
		memory_act(run, c);
	else
		run_in_cell(run, c, tool, &plan);
	tool_plan_done(&plan);
}

/* Who counts what a run of the cell starts. What a process starts whose call is over counts for the task as a whole. */
static void counters(struct run *run, uint64_t tag, int64_t **execs, int64_t **denied)
{
	if (run->live != NULL && run->live->tag == tag) {
		*execs = &run->live->execs;
		*denied = &run->live->denied;
	} else if (!background_counters(run, tag, execs, denied)) {
		*execs = &run->stray_execs;
		*denied = &run->stray_denied;
	}
}

bool call_note_exec(struct run *run, uint64_t tag, bool denied)
{
	int64_t *execs, *refused;

	counters(run, tag, &execs, &refused);
	*execs += 1;
	*refused += denied;
	return (denied ? *refused : *execs) <= LIMIT_EXEC_EVENTS;
}

/* The time that a person takes is not the call's. */
void call_hold(struct run *run, uint64_t tag, bool held)
{
	struct live_call *live = run->live;

	const struct call *c = live != NULL && live->tag == tag ? task_call_find(run->task, live->id) : NULL;

	if (c == NULL || c->killing) /* what is being ended has little time, whoever waits */
		return;
	int before = live->held;
	live->held = MAX(before + (held ? 1 : -1), 0);
	if (before == 0 && held) {
		live->held_since_ms = clock_mono_ms();
		watch_arm(live->timer, -1);
	} else if (before == 1 && !held) {
		live->held_ms += clock_mono_ms() - live->held_since_ms;
		watch_arm(live->timer, MAX(live->limits.bounds.at[BOUND_WALL] - (clock_mono_ms() - live->started_ms - live->held_ms), 1));
	}
}

bool call_may_ask(struct run *run, uint64_t tag)
{
	int64_t *execs, *refused;

	counters(run, tag, &execs, &refused);
	return *refused < LIMIT_EXEC_EVENTS;
}

/* ---- the end ------------------------------------------------------------------------------------------ */

static void render_limit(const struct live_call *live, struct buf *text)
{
	buf_add_text(text, live->hit.what == BOUND_TMP ? "[" : "[stopped: ");
	limits_describe(&live->limits, &live->hit, text);
	buf_add_char(text, ']');
}

static const char *stopped_by(const char *why)
{
	if (strcmp(why, "steered") == 0)
		return "a person has something to say first";
	return strcmp(why, "paused") == 0 ? "a person lets the task rest" : why;
}

static void render(const struct live_call *live, const struct call *c, const struct cell_exit *ended, struct buf *text,
                   struct findings *found)
{
	output_render_found(live->output, text, found);
	if (text->len > 0 && text->ptr[text->len - 1] != '\n')
		buf_add_char(text, '\n');
	if (ended == NULL)
		buf_add_text(text, "[the sandbox ended while this ran]");
	else if (live->hit.what != BOUND_NONE)
		render_limit(live, text);
	else if (c->killing && strcmp(c->killed_why, "layer_limit") == 0)
		buf_add_text(text, "[stopped: what was changed in the workspace holds more than its quota; delete what is not needed]");
	else if (c->killing)
		buf_printf(text, "[stopped: %s]", stopped_by(c->killed_why));
	else if (ended->signal != 0)
		buf_printf(text, "[ended by signal %d (%s)]", ended->signal, strsignal(ended->signal));
	else if (ended->status != 0)
		buf_printf(text, "[exit status %d]", ended->status);
	else if (text->len == 0)
		buf_add_text(text, "[no output]");
}

/* A person's word ends a call as cancelled; everything else kills it. */
const char *call_killed_status(const struct call *c)
{
	static const char *const words[] = { "cancelled", "steered", "paused" };

	return name_find(words, COUNT(words), c->killed_why) >= 0 ? "cancelled" : "killed";
}

static const char *status_of(const struct live_call *live, const struct call *c, const struct cell_exit *ended)
{
	if (ended == NULL)
		return "unknown";
	if (live->hit.what != BOUND_NONE)
		return bound_row(live->hit.what)->status;
	if (c->killing)
		return strcmp(c->killed_why, "timeout") == 0 ? "timeout" : call_killed_status(c);
	return ended->status == 0 ? "ok" : "error";
}

/* The run of what left something behind is over for the call, and its id free again: then it is only written down. */
void call_limit(struct run *run, uint64_t tag, const struct bound_hit *hit)
{
	struct live_call *live = run->live;
	char id[CALL_ID_BYTES];

	if (live != NULL && live->tag == tag) {
		if (live->hit.what != BOUND_NONE)
			return;
		live->hit = limits_hit(run, &live->limits, hit);
		limits_reached(run, live->id, &live->limits, &live->hit);
	} else if (!background_limit(run, tag, hit)) {
		const struct call_limits none = { 0 };
		struct bound_hit whole = limits_hit(run, &none, hit);
		call_id_of(tag, id);
		limits_reached(run, id, &none, &whole);
	}
	run_step(run);
}

/* Its output is no result: only the first line of it is kept, as the reason. */
static bool try_again(struct run *run, struct live_call *live, const struct call *c, json_t *used)
{
	AUTO(buf_done) struct buf said = BUF_INIT(LIMIT_EVENT_BYTES / 2);

	output_render(live->output, &said);
	if (!call_again(run, c, buf_str(&said), live->mailbox >= 0 ? seen_wait_ms(live->mailbox, live->mail_from) : -1, used))
		return false;
	live_free(live);
	run_step(run);
	return true;
}

void call_ended(struct run *run, const struct cell_exit *ended)
{
	struct live_call *live = run->live;

	if (ended != NULL && (live == NULL || ended->call != live->tag))
		background_ended(run, ended);
	if (live == NULL || (ended != NULL && ended->call != live->tag))
		return;
	if (live->readable != NULL)
		drain(live);
	redact_stream_end(live->guard, take, &(struct outputs){ live->output, live->whole });
	run->live = NULL;
	if (ended != NULL && live->hit.what == BOUND_NONE)
		live->hit = ended->hit;
	files_touched(run);
	const struct call *c = task_call_find(run->task, live->id);
	struct buf text = BUF_INIT(LIMIT_EVENT_BYTES / 2);
	json_t *counts = call_counts((int64_t)output_total(live->output), live->execs, live->denied,
	                             clock_mono_ms() - live->started_ms);
	if (ended != NULL)
		json_put(counts, "used", limits_used(ended));
	if (live->hit.what != BOUND_NONE)
		json_put(counts, "limit", bound_json(&live->hit));
	bool may_pass = live->hit.what == BOUND_NONE && !c->killing && call_may_pass(tool_find(c->tool), ended);
	if (may_pass && try_again(run, live, c, json_object_get(counts, "used"))) {
		json_decref(counts);
		return;
	}
	json_t *files = live->mailbox >= 0 ? seen_collect(live->mailbox, live->mail_from) : NULL;
	if (files != NULL)
		json_put(counts, "files", files);
	struct findings found;
	bool kept_secret = kept_write(run, live->id, live->whole, live->output, &text);
	render(live, c, ended, &text, &found);
	taint_put(counts, tool_find(c->tool), &found, kept_secret);
	secret_taint(tool_find(c->tool), c->args, counts);
	const char *status = owntool_status(c->tool, status_of(live, c, ended), &text);
	call_tell_attempts(c, may_pass, &text, counts);
	call_finish(run, live->id, status, ended != NULL ? ended->status : -1, buf_str(&text), counts);
	buf_done(&text);
	live_free(live);
	run_step(run);
}
