/* cmd_show.c - one task: what was asked, the plan, what it did turn by turn, whom it delegated to, what came
 * out. It changes nothing. */
#include <stdio.h>
#include <string.h>

#include "cli/changes.h"
#include "core/task.h"
#include "cli/print.h"
#include "cli/retries.h"

#include "base/banned.h"

enum { BLOCK_LINES = 20, RESULT_LINES = 200, DEPTH_MOST = 32 };

/* Turns in order: { turn, text, calls: [...] }. */
static json_t *turn_of(json_t *turns, int64_t number)
{
	size_t i;
	json_t *turn;

	json_array_foreach(turns, i, turn)
		if (json_get_int(turn, "turn", -1) == number)
			return turn;
	turn = json_object();
	json_put_int(turn, "turn", number);
	json_put(turn, "text", json_null());
	json_put(turn, "calls", json_array());
	json_array_append_new(turns, turn);
	return turn;
}

static bool add_reply(void *userdata, const struct event_row *row)
{
	AUTO(json_decrefp) json_t *event = NULL;

	if (json_parse(row->text, &event, NULL) < 0)
		return true;                    /* 'audit verify' tells about it */
	const json_t *data = json_object_get(event, "data");
	json_put_text(turn_of(userdata, json_get_int(data, "turn", 0)), "text", json_get_text(data, "text", ""));
	return true;
}

static json_t *text_or_null(const char *text)
{
	return text[0] != '\0' ? json_of_str(str_of(text)) : json_null();
}

static void add_call(void *userdata, const struct call_row *row)
{
	json_t *call = json_object(), *args = NULL;

	if (json_parse(str_of(row->args), &args, NULL) < 0)
		args = json_of_str(str_of(row->args));
	json_put_text(call, "call", row->call);
	json_put_text(call, "tool", row->tool);
	json_put(call, "args", args);
	json_put(call, "effect", text_or_null(row->effect));
	json_put(call, "rule", text_or_null(row->rule));
	json_put(call, "status", text_or_null(row->status));
	json_put(call, "exit", row->exit < 0 ? json_null() : json_integer(row->exit));
	json_put(call, "started", json_time(row->started_us));
	json_put(call, "ms", row->status[0] != '\0' ? json_integer(row->ms) : json_null());
	json_put(call, "output", row->status[0] != '\0' ? json_of_str(str_of(row->output)) : json_null());
	json_array_append_new(json_object_get(turn_of(userdata, row->turn), "calls"), call);
}

static json_t *call_of(json_t *turns, const char *name)
{
	size_t i, k;
	json_t *turn, *call;

	json_array_foreach(turns, i, turn)
		json_array_foreach(json_object_get(turn, "calls"), k, call)
			if (strcmp(json_get_text(call, "call", ""), name) == 0)
				return call;
	return NULL;
}

static void append(json_t *object, const char *key, json_t *owned_value)
{
	if (json_object_get(object, key) == NULL)
		json_put(object, key, json_array());
	json_array_append_new(json_object_get(object, key), owned_value);
}

static json_t *pick(const json_t *data, const char *const *keys, size_t count)
{
	json_t *object = json_object();

	for (size_t i = 0; i < count; i++)
		json_object_set(object, keys[i], json_object_get(data, keys[i]));
	return object;
}

/* What the rows of calls do not say: reasons, refused programs, answers, children. */
static bool has_detail(const struct event *e)
{
	return e->type == EVENT_CALL_DECIDED || e->type == EVENT_APPROVAL_DECIDED || e->type == EVENT_TASK_DELEGATED ||
	       e->type == EVENT_NET_DECIDED || e->type == EVENT_NET_FINISHED ||
	       (e->type == EVENT_EXEC_DECIDED && strcmp(json_get_text(e->data, "effect", ""), "deny") == 0);
}

/* What a connection came to, beside what was decided of it. */
static void end_connection(json_t *connections, const json_t *data)
{
	static const char *const keys[] = { "how", "detail", "status", "bytes_up", "bytes_down", "ms" };
	size_t i;
	json_t *c;

	json_array_foreach(connections, i, c)
		if (json_get_int(c, "connection", -1) == json_get_int(data, "connection", 0))
			for (size_t k = 0; k < COUNT(keys); k++)
				json_object_set(c, keys[k], json_object_get(data, keys[k]));
}

static void add_detail(json_t *call, const struct event *e)
{
	static const char *const refused[] = { "program", "argv", "rule", "reason" }, *const answer[] = { "answer", "by", "reason" },
	                         *const connection[] = { "connection", "host", "port", "scheme", "method", "address", "effect", "rule",
	                                                 "reason" },
	                         *const child[] = { "child", "goal", "agent", "step", "question" };

	if (e->type == EVENT_CALL_DECIDED)
		json_put_text(call, "reason", json_get_text(e->data, "reason", ""));
	else if (e->type == EVENT_EXEC_DECIDED)
		append(call, "denied_programs", pick(e->data, refused, COUNT(refused)));
	else if (e->type == EVENT_NET_DECIDED)
		append(call, "connections", pick(e->data, connection, COUNT(connection)));
	else if (e->type == EVENT_NET_FINISHED)
		end_connection(json_object_get(call, "connections"), e->data);
	else if (e->type == EVENT_APPROVAL_DECIDED)
		append(call, "answers", pick(e->data, answer, COUNT(answer)));
	else if (e->type == EVENT_TASK_DELEGATED)
		append(call, "children", pick(e->data, child, COUNT(child)));
}

struct story {
	json_t *turns;
	json_t *files;               /* events about files */
	struct task *task;           /* NULL: the events do not fit together */
};

static bool add_event(void *userdata, const struct event_row *row)
{
	struct story *story = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) < 0)
		return true;
	e.seq = row->seq;
	changes_note(story->files, &e);
	json_t *call = has_detail(&e) ? call_of(story->turns, json_get_text(e.data, "call", "")) : NULL;
	if (call != NULL)
		add_detail(call, &e);
	if (retries_concern(&e)) {
		json_t *again = call_of(story->turns, json_get_text(e.data, "call", ""));
		retries_note(again != NULL ? again : turn_of(story->turns, json_get_int(e.data, "turn", 0)), &e);
	}
	if (story->task != NULL && task_apply(story->task, &e, NULL) < 0)
		task_freep(&story->task);
	event_done(&e);
	return true;
}

/* The sums of all tasks below one, and of itself. */
struct sums { int64_t tasks, turns, calls, denied, input, cache_read, cache_write, output, usd_nanos, cache_write_1h, reasoning; };

static void keep_name(void *userdata, const struct task_row *row)
{
	json_array_append_new(userdata, json_string(row->task));
}

static int add_sums(struct store *store, const char *task, int depth, struct sums *sums, struct err *err)
{
	AUTO(json_decrefp) json_t *names = json_array();
	struct task_row row;

	int r = store_task_get(store, task, &row, err);
	if (r < 0)
		return r;
	sums->tasks++;
	sums->turns += row.turns;
	sums->calls += row.calls;
	sums->denied += row.denied;
	sums->input += row.input;
	sums->cache_read += row.cache_read;
	sums->cache_write += row.cache_write;
	sums->output += row.output;
	sums->cache_write_1h += row.cache_write_1h;
	sums->reasoning += row.reasoning;
	sums->usd_nanos = usd_add(sums->usd_nanos, row.usd_nanos);
	task_row_done(&row);
	if (depth < DEPTH_MOST)
		r = store_tasks(store, &(struct task_filter){ .parent = task, .limit = INT64_MAX }, keep_name, names, err);
	for (size_t i = 0; r == 0 && i < json_array_size(names); i++)
		r = add_sums(store, json_string_value(json_array_get(names, i)), depth + 1, sums, err);
	return r;
}

/* What became of a child. One that never began has no row. */
static int add_child_facts(struct store *store, json_t *child, struct err *err)
{
	AUTO(task_row_done) struct task_row row = { 0 };
	const char *name = json_get_text(child, "child", "");
	struct sums sums = { 0 };

	int r = store_task_get(store, name, &row, err);
	if (r == 0)
		r = add_sums(store, name, 0, &sums, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	json_put_text(child, "state", state_text(&row));
	json_put_text(child, "result", row.result);
	json_put_int(child, "ms", ((row.ended_us != 0 ? row.ended_us : clock_wall_us()) - row.started_us) / 1000);
	json_put_int(child, "turns", sums.turns);
	json_put_int(child, "calls", sums.calls);
	json_put_int(child, "denied", sums.denied);
	json_put(child, "usd_nanos", sums.usd_nanos < 0 ? json_null() : json_integer(sums.usd_nanos));
	return 0;
}

static int add_children(struct store *store, const json_t *turns, struct err *err)
{
	size_t i, k, m;
	json_t *turn, *call, *child;
	int r = 0;

	json_array_foreach((json_t *)turns, i, turn)
		json_array_foreach(json_object_get(turn, "calls"), k, call)
			json_array_foreach(json_object_get(call, "children"), m, child)
				if (r == 0)
					r = add_child_facts(store, child, err);
	return r;
}

static struct task_row row_of(const struct sums *sums)
{
	return (struct task_row){
		.input = sums->input, .cache_read = sums->cache_read, .cache_write = sums->cache_write, .output = sums->output,
		.usd_nanos = sums->usd_nanos, .cache_write_1h = sums->cache_write_1h, .reasoning = sums->reasoning,
	};
}

static json_t *json_sums(const struct sums *sums)
{
	json_t *object = json_object();
	const struct task_row row = row_of(sums);

	json_put_int(object, "tasks", sums->tasks);
	json_put_int(object, "turns", sums->turns);
	json_put_int(object, "calls", sums->calls);
	json_put_int(object, "denied", sums->denied);
	json_put(object, "cost", json_cost(&row));
	return object;
}

static json_t *json_task(const struct task_row *row, const struct sums *sums, const struct story *story)
{
	const struct { const char *key, *value; } texts[] = {
		{ "task", row->task }, { "root", row->root }, { "parent", row->parent[0] != '\0' ? row->parent : NULL },
		{ "session", row->session }, { "user", row->user }, { "goal", row->goal }, { "agent", row->agent },
		{ "role", row->role }, { "model", row->model }, { "workspace", row->workspace },
		{ "state", task_state_name(row->state) }, { "result", row->result },
	};
	json_t *task = json_object();

	for (size_t i = 0; i < COUNT(texts); i++)
		json_put_text(task, texts[i].key, texts[i].value);
	json_put_bool(task, "alive", row->alive);
	json_put_int(task, "priority", row->priority);
	json_put(task, "forked", row->forked_from[0] == '\0' ? json_null() :
	         json_pack("{s:s, s:I}", "task", row->forked_from, "event", (json_int_t)row->forked_at));
	json_put(task, "exit", row->exit < 0 ? json_null() : json_integer(row->exit));
	json_put(task, "started", json_time(row->started_us));
	json_put(task, "ended", json_time(row->ended_us));
	json_put_int(task, "turns", row->turns);
	json_put_int(task, "calls", row->calls);
	json_put_int(task, "denied", row->denied);
	json_put(task, "cost", json_cost(row));
	json_put(task, "total", json_sums(sums));
	json_put(task, "plan", story->task != NULL && story->task->plan != NULL ? json_incref(story->task->plan) : json_null());
	json_put(task, "taint", story->task != NULL ? task_taint_json(story->task) : json_array());
	json_put(task, "files", json_incref(story->files));
	json_put(task, "steps", json_incref(story->turns));
	return task;
}

static void print_named(const char *name, const char *text, bool colour)
{
	printf("%s%-10s%s", ink(colour, INK_FAINT), name, ink(colour, INK_PLAIN));
	print_line(text, SIZE_MAX);
	putchar('\n');
}

/* Buckets that do not overlap; a part of one is said where there is any. */
static void print_buckets(const struct task_row *row)
{
	printf("input %lld, cache read %lld, cache write %lld", (long long)row->input, (long long)row->cache_read,
	       (long long)row->cache_write);
	if (row->cache_write_1h > 0)
		printf(" (%lld of it for 1h)", (long long)row->cache_write_1h);
	printf(", output %lld", (long long)row->output);
	if (row->reasoning > 0)
		printf(" (%lld of it reasoning)", (long long)row->reasoning);
}

static void print_head(const struct task_row *row, bool colour)
{
	char started[TIME_TEXT_BYTES], ended[TIME_TEXT_BYTES] = "", span[SPAN_TEXT_BYTES], cost[COST_TEXT_BYTES];
	AUTO(freep) char *agent = xasprintf("%s (%s), model %s", row->agent, row->role, row->model);
	AUTO(freep) char *who = xasprintf("%s, session %s", row->user, row->session);

	printf("%s%-10s%s%s%s%s\n", ink(colour, INK_FAINT), "task", ink(colour, INK_PLAIN), row->task,
	       row->parent[0] != '\0' ? ", child of " : "", row->parent);
	print_named("goal", row->goal, colour);
	printf("%s%-10s%s%s%s", ink(colour, INK_FAINT), "state", ink(colour, ink_of_state(row)), state_text(row),
	       ink(colour, INK_PLAIN));
	if (row->exit >= 0)
		printf(", exit code %d", row->exit);
	if (row->state == TASK_RUNNING && !row->alive)
		printf(": its engine is gone; 'mishri run --resume %s' goes on", row->task);
	else if (row->state == TASK_PAUSED && row->alive)
		printf("; 'mishri resume %s' lets it go on", row->task);
	else if (row->state == TASK_PAUSED)
		printf("; 'mishri resume %s' goes on", row->task);
	else if (row->state == TASK_PARKED)
		printf("; 'mishri run --resume %s' goes on", row->task);
	else if (row->holder_pid != 0 && row->alive)
		printf(", process %d", row->holder_pid);
	putchar('\n');
	if (row->priority != 0)
		printf("%s%-10s%s%lld\n", ink(colour, INK_FAINT), "priority", ink(colour, INK_PLAIN), (long long)row->priority);
	if (row->forked_from[0] != '\0')
		printf("%s%-10s%sof task %s, after event %lld\n", ink(colour, INK_FAINT), "fork", ink(colour, INK_PLAIN), row->forked_from,
		       (long long)row->forked_at);
	print_named("agent", agent, colour);
	print_named("user", who, colour);
	print_named("workspace", row->workspace, colour);
	if (row->ended_us != 0)
		time_text(row->ended_us, ended);
	printf("%s%-10s%s%s%s%s, %s\n", ink(colour, INK_FAINT), "time", ink(colour, INK_PLAIN),
	       time_text(row->started_us, started), row->ended_us != 0 ? " to " : ", so far", ended,
	       span_text(row, span));
	printf("%s%-10s%s", ink(colour, INK_FAINT), "work", ink(colour, INK_PLAIN));
	print_count(row->turns, "turn");
	fputs(", ", stdout);
	print_count(row->calls, "call");
	printf(", %lld denied\n", (long long)row->denied);
	printf("%s%-10s%s", ink(colour, INK_FAINT), "tokens", ink(colour, INK_PLAIN));
	print_buckets(row);
	putchar('\n');
	print_named("cost", cost_text(row->usd_nanos, cost), colour);
}

static void print_total(const struct sums *sums, bool colour)
{
	char cost[COST_TEXT_BYTES];

	if (sums->tasks < 2)
		return;
	printf("%s%-10s%swith the ", ink(colour, INK_FAINT), "total", ink(colour, INK_PLAIN));
	print_count(sums->tasks - 1, "task");
	fputs(" below: ", stdout);
	print_count(sums->turns, "turn");
	fputs(", ", stdout);
	print_count(sums->calls, "call");
	const struct task_row row = row_of(sums);
	printf(", %lld denied, ", (long long)sums->denied);
	print_buckets(&row);
	printf(", cost %s\n", cost_text(sums->usd_nanos, cost));
}

static void print_labels(const struct task *task, bool colour)
{
	AUTO(json_decrefp) json_t *labels = task_taint_json(task);

	if (json_array_size(labels) == 0)
		return;
	printf("%s%-10s%s", ink(colour, INK_FAINT), "taint", ink(colour, INK_PLAIN));
	print_taint(labels);
	putchar('\n');
}

static void print_plan(const json_t *plan, bool colour)
{
	if (json_array_size(plan) == 0)
		return;
	printf("\n%splan%s\n", ink(colour, INK_BOLD), ink(colour, INK_PLAIN));
	for (size_t i = 0; i < json_array_size(plan); i++) {
		const json_t *step = json_array_get(plan, i), *after = json_object_get(step, "after");
		const char *state = json_get_text(step, "state", "");
		enum ink shade = strcmp(state, "done") == 0 ? INK_GOOD : strcmp(state, "failed") == 0 ? INK_BAD : INK_PLAIN;
		printf("  %s%-8s%s ", ink(colour, shade), state, ink(colour, INK_PLAIN));
		print_line(json_get_text(step, "id", ""), 32);
		fputs("  ", stdout);
		print_line(json_get_text(step, "title", ""), 80);
		for (size_t k = 0; k < json_array_size(after); k++) {
			fputs(k == 0 ? "  (after " : ", ", stdout);
			print_line(json_string_value(json_array_get(after, k)), 32);
		}
		puts(json_array_size(after) > 0 ? ")" : "");
	}
}

/* What it was refused, by whom and why; who it was given to. */
static void print_connections(const json_t *connections, bool colour)
{
	size_t i;
	json_t *c;

	json_array_foreach(connections, i, c) {
		bool denied = strcmp(json_get_text(c, "effect", ""), "deny") == 0;
		const char *method = json_get_text(c, "method", "");
		printf("        %sconnection%s%s to %s%s", denied ? ink(colour, INK_BAD) : "", denied ? " denied" : "",
		       denied ? ink(colour, INK_PLAIN) : "", method, method[0] != '\0' ? " " : "");
		print_line(json_get_text(c, "host", ""), 80);
		printf(":%lld", (long long)json_get_int(c, "port", 0));
		if (denied) {
			fputs(" by rule ", stdout);
			print_line(json_get_text(c, "rule", "(default)"), 60);
			fputs(": ", stdout);
			print_line(json_get_text(c, "reason", ""), 160);
		} else {
			printf("  %s, %lld bytes up, %lld down", json_get_text(c, "how", "open"), (long long)json_get_int(c, "bytes_up", 0),
			       (long long)json_get_int(c, "bytes_down", 0));
		}
		putchar('\n');
	}
}

static void print_details(const json_t *call, bool colour)
{
	size_t i;
	json_t *item;
	char cost[COST_TEXT_BYTES], span[SPAN_TEXT_BYTES];

	retries_print(call, "        ");
	json_array_foreach(json_object_get(call, "answers"), i, item) {
		printf("        %s by ", json_get_text(item, "answer", ""));
		print_line(json_get_text(item, "by", ""), 40);
		fputs(json_get_text(item, "reason", "")[0] != '\0' ? ": " : "", stdout);
		print_line(json_get_text(item, "reason", ""), 160);
		putchar('\n');
	}
	json_array_foreach(json_object_get(call, "denied_programs"), i, item) {
		AUTO(freep) char *argv = json_text(json_object_get(item, "argv"));
		printf("        %sprogram denied%s by rule ", ink(colour, INK_BAD), ink(colour, INK_PLAIN));
		print_line(json_get_text(item, "rule", "(default)"), 60);
		fputs(": ", stdout);
		print_line(argv, 80);
		fputs(" (", stdout);
		print_line(json_get_text(item, "reason", ""), 160);
		puts(")");
	}
	print_connections(json_object_get(call, "connections"), colour);
	json_array_foreach(json_object_get(call, "children"), i, item) {
		const char *state = json_get_text(item, "state", "not begun");
		bool done = strcmp(state, "done") == 0;
		printf("        > %s  %s%s%s", json_get_text(item, "child", ""), ink(colour, done ? INK_GOOD : INK_WARN), state,
		       ink(colour, INK_PLAIN));
		if (json_is_integer(json_object_get(item, "turns"))) {
			fputs("  ", stdout);
			print_count(json_get_int(item, "turns", 0), "turn");
			fputs(", ", stdout);
			print_count(json_get_int(item, "calls", 0), "call");
			printf(", %lld denied, %s, %s", (long long)json_get_int(item, "denied", 0),
			       clock_span(json_get_int(item, "ms", 0), span, sizeof span),
			       cost_text(json_get_int(item, "usd_nanos", -1), cost));
		}
		fputs("  ", stdout);
		print_line(json_get_text(item, "goal", ""), 60);
		putchar('\n');
	}
}

static void print_call(const json_t *call, bool colour)
{
	AUTO(freep) char *args = json_text(json_object_get(call, "args"));
	const char *effect = json_get_text(call, "effect", "not decided"), *rule = json_get_text(call, "rule", "");
	const char *status = json_get_text(call, "status", NULL);
	bool denied = strcmp(effect, "deny") == 0;
	char span[SPAN_TEXT_BYTES];

	printf("  %s%-6s%s", ink(colour, INK_BOLD), json_get_text(call, "call", "?"), ink(colour, INK_PLAIN));
	print_line(json_get_text(call, "tool", "?"), 40);
	putchar(' ');
	print_line(args, 100);
	printf("\n        %s%s%s", ink(colour, denied ? INK_BAD : INK_PLAIN), effect, ink(colour, INK_PLAIN));
	if (rule[0] != '\0') {
		fputs(" by rule ", stdout);
		print_line(rule, 60);
	}
	if (denied) {
		fputs(": ", stdout);
		print_line(json_get_text(call, "reason", ""), 160);
	}
	if (status == NULL) {
		puts(json_is_null(json_object_get(call, "started")) ? ", not started" : ", no result yet");
		print_details(call, colour);
		return;
	}
	printf(" -> %s", status);
	if (json_is_integer(json_object_get(call, "exit")))
		printf(", exit status %lld", (long long)json_get_int(call, "exit", 0));
	printf(", %s\n", clock_span(json_get_int(call, "ms", 0), span, sizeof span));
	print_details(call, colour);
	if (json_object_get(call, "children") == NULL)  /* their reports are what they say of themselves */
		print_block("        | ", json_get_text(call, "output", ""), BLOCK_LINES);
}

static void print_turns(const json_t *turns, bool colour)
{
	size_t i, k;
	json_t *turn, *call;

	json_array_foreach(turns, i, turn) {
		printf("\n%sturn %lld%s\n", ink(colour, INK_BOLD), (long long)json_get_int(turn, "turn", 0),
		       ink(colour, INK_PLAIN));
		retries_print(turn, "  ");
		print_block("  ", json_get_text(turn, "text", ""), BLOCK_LINES);
		json_array_foreach(json_object_get(turn, "calls"), k, call)
			print_call(call, colour);
	}
}

static int read_story(struct store *store, const char *task, struct story *story, struct sums *sums, struct err *err)
{
	const struct event_filter replies = { .task = task, .type = "model.replied", .with_content = true }, all = { .task = task };

	int r = store_events(store, &replies, add_reply, story->turns, err);
	if (r == 0)
		r = store_calls(store, task, add_call, story->turns, err);
	if (r == 0)
		r = store_events(store, &all, add_event, story, err);
	if (r == 0)
		r = add_children(store, story->turns, err);
	return r == 0 ? add_sums(store, task, 0, sums, err) : r;
}

static void print_task(const struct task_row *row, const struct sums *sums, const struct story *story, bool colour)
{
	print_head(row, colour);
	print_total(sums, colour);
	if (story->task != NULL) {
		print_labels(story->task, colour);
		print_plan(story->task->plan, colour);
	}
	print_turns(story->turns, colour);
	changes_print_notes(story->files, colour);
	if (row->result != NULL) {
		printf("\n%sresult%s\n", ink(colour, INK_BOLD), ink(colour, INK_PLAIN));
		print_block("  ", row->result, RESULT_LINES);
	}
}

static int show_task(const struct options *o, struct store *store, const char *task, struct err *err)
{
	AUTO(task_row_done) struct task_row row = { 0 };
	struct story story = { .turns = json_array(), .files = json_array(), .task = task_new() };
	struct sums sums = { 0 };

	int r = store_task_get(store, task, &row, err);
	if (r == 0)
		r = read_story(store, task, &story, &sums, err);
	if (r == 0 && option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *object = json_task(&row, &sums, &story);
		print_json(object);
	} else if (r == 0) {
		print_task(&row, &sums, &story, print_colour(o));
	}
	json_decref(story.turns);
	json_decref(story.files);
	task_free(story.task);
	return r;
}

static int show(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	struct err err = ERR_NONE;
	char task[ID_LEN + 1];

	if (options_parse(&cmd_show, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int code = task_argument(o, store, task);
	if (code != 0)
		return code;
	return show_task(o, store, task, &err) < 0 ? complain(EXIT_FAILED, "%s", err.text) : EXIT_DONE;
}

const struct command cmd_show = {
	.name = "show", .args = "TASK", .about = "one task: goal, turns, calls, decisions, result, cost", .run = show,
	.examples = "  mishri show last\n  mishri show k3f9 --json\n",
};
