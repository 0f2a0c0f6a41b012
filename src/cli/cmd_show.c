/* cmd_show.c - one task: what was asked, what it did turn by turn, what came out. It changes nothing. */
#include <stdio.h>
#include <string.h>

#include "cli/common.h"
#include "cli/print.h"

#include "base/banned.h"

enum { BLOCK_LINES = 20, RESULT_LINES = 200 };

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

static json_t *json_task(const struct task_row *row, json_t *turns)
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
	json_put(task, "exit", row->exit < 0 ? json_null() : json_integer(row->exit));
	json_put(task, "started", json_time(row->started_us));
	json_put(task, "ended", json_time(row->ended_us));
	json_put_int(task, "turns", row->turns);
	json_put_int(task, "calls", row->calls);
	json_put_int(task, "denied", row->denied);
	json_put(task, "cost", json_cost(row));
	json_put(task, "steps", json_incref(turns));
	return task;
}

static void print_named(const char *name, const char *text, bool colour)
{
	printf("%s%-10s%s", ink(colour, INK_FAINT), name, ink(colour, INK_PLAIN));
	print_line(text, SIZE_MAX);
	putchar('\n');
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
	else if (row->state == TASK_PARKED)
		printf("; 'mishri run --resume %s' goes on", row->task);
	else if (row->holder_pid != 0 && row->alive)
		printf(", process %d", row->holder_pid);
	putchar('\n');
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
	printf("%s%-10s%sinput %lld, cache read %lld, cache write %lld, output %lld\n", ink(colour, INK_FAINT),
	       "tokens", ink(colour, INK_PLAIN), (long long)row->input, (long long)row->cache_read,
	       (long long)row->cache_write, (long long)row->output);
	print_named("cost", cost_text(row->usd_nanos, cost), colour);
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
	if (status == NULL) {
		puts(json_is_null(json_object_get(call, "started")) ? ", not started" : ", no result yet");
		return;
	}
	printf(" -> %s", status);
	if (json_is_integer(json_object_get(call, "exit")))
		printf(", exit status %lld", (long long)json_get_int(call, "exit", 0));
	printf(", %s\n", clock_span(json_get_int(call, "ms", 0), span, sizeof span));
	print_block("        | ", json_get_text(call, "output", ""), BLOCK_LINES);
}

static void print_turns(const json_t *turns, bool colour)
{
	size_t i, k;
	json_t *turn, *call;

	json_array_foreach(turns, i, turn) {
		printf("\n%sturn %lld%s\n", ink(colour, INK_BOLD), (long long)json_get_int(turn, "turn", 0),
		       ink(colour, INK_PLAIN));
		print_block("  ", json_get_text(turn, "text", ""), BLOCK_LINES);
		json_array_foreach(json_object_get(turn, "calls"), k, call)
			print_call(call, colour);
	}
}

static int show_task(const struct options *o, struct store *store, const char *task, struct err *err)
{
	AUTO(json_decrefp) json_t *turns = json_array();
	AUTO(task_row_done) struct task_row row = { 0 };
	const struct event_filter replies = { .task = task, .type = "model.replied", .with_content = true };
	bool colour = print_colour(o);

	int r = store_task_get(store, task, &row, err);
	if (r == 0)
		r = store_events(store, &replies, add_reply, turns, err);
	if (r == 0)
		r = store_calls(store, task, add_call, turns, err);
	if (r < 0)
		return r;
	if (option_given(o, "--json")) {
		AUTO(json_decrefp) json_t *object = json_task(&row, turns);
		print_json(object);
		return 0;
	}
	print_head(&row, colour);
	print_turns(turns, colour);
	if (row.result != NULL) {
		printf("\n%sresult%s\n", ink(colour, INK_BOLD), ink(colour, INK_PLAIN));
		print_block("  ", row.result, RESULT_LINES);
	}
	return 0;
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
	.examples = "mishri show last\nmishri show k3f9 --json",
};
