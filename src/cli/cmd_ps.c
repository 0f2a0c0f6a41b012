/* cmd_ps.c - what runs or is parked now, and what it is doing. It changes nothing. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/common.h"
#include "cli/print.h"
#include "cli/text.h"

#include "base/banned.h"

enum { DEPTH_MOST = 32 };

static void keep(void *userdata, const struct task_row *row)
{
	json_array_append_new(userdata, json_string(row->task));
}

static char *slot_text(const json_t *data)
{
	static const char *const whose[] = { "user", "provider", "agent" };
	const char *scope = json_get_text(data, "scope", ""), *name = json_get_text(data, "name", "");
	AUTO(buf_done) struct buf text = BUF_INIT(KIB(2));
	long long limit = json_get_int(data, "limit", 0);
	char since[TIME_TEXT_BYTES];
	size_t i;
	json_t *task;

	buf_printf(&text, "waits for a worker slot since %s", time_text(json_get_int(data, "since_us", 0), since));
	if (limit > 0 && name_find(whose, COUNT(whose), scope) >= 0)
		buf_printf(&text, ": %s %s has all %lld in use", scope, name, limit);
	else if (limit > 0)
		buf_printf(&text, ": the engine has all %lld in use", limit);
	json_array_foreach(json_object_get(data, "behind"), i, task)
		buf_printf(&text, "%s%s", i > 0 ? ", " : " by ", json_string_value(task));
	buf_printf(&text, "; %lld of the same user come first", (long long)json_get_int(data, "ahead", 0));
	return xstrdup(buf_text(&text));
}

/* The newest event in a person's words; made of what a model wrote, not clean yet. */
static char *doing(const struct event *e)
{
	const char *call = json_get_text(e->data, "call", ""), *tool = json_get_text(e->data, "tool", "");
	const char *reason = json_get_text(e->data, "reason", "");

	switch (e->type) {
	case EVENT_MODEL_REQUESTED: return xasprintf("asks the model, turn %lld", (long long)json_get_int(e->data, "turn", 0));
	case EVENT_RETRY_SCHEDULED:
		return xasprintf("waits to %s again: %s", call[0] != '\0' ? "run a call" : "ask the model", reason);
	case EVENT_MODEL_SWITCHED: return xasprintf("asks %s instead: %s", json_get_text(e->data, "to", ""), reason);
	case EVENT_CALL_STARTED: return xasprintf("runs %s, call %s", tool, call);
	case EVENT_EXEC_DECIDED: return xasprintf("runs %s, call %s", json_get_text(e->data, "program", ""), call);
	case EVENT_NET_DECIDED: return xasprintf("connects to %s:%lld, call %s", json_get_text(e->data, "host", ""),
	                                         (long long)json_get_int(e->data, "port", 0), call);
	case EVENT_CALL_KILLED: return xasprintf("ends call %s: %s", call, reason);
	case EVENT_RESOURCE_EXCEEDED: return xasprintf("ends call %s: %s", call, json_get_text(e->data, "text", ""));
	case EVENT_APPROVAL_REQUESTED: return xasprintf("waits for a person, call %s: %s", call, reason);
	case EVENT_APPROVAL_VOTED:
		return xasprintf("waits for more people, call %s: %s said yes", call, json_get_text(e->data, "by", ""));
	case EVENT_QUESTION_ASKED: return xasprintf("asks a person: %s", json_get_text(e->data, "question", ""));
	case EVENT_TASK_DELEGATED:
		if (json_get_bool(e->data, "question", false))
			return xasprintf("asks its master: %s", json_get_text(e->data, "goal", ""));
		return xstrdup("waits for its workers");
	case EVENT_TASK_REPORTED: return xstrdup("waits for its workers");
	case EVENT_SLOT_WAITING: return slot_text(e->data);
	case EVENT_LOCK_WAITING:
		return xasprintf("waits for lock %s, held by %s", json_get_text(e->data, "lock", ""), json_get_text(e->data, "holder", ""));
	case EVENT_TASK_PAUSED: return xasprintf("paused by %s", json_get_text(e->data, "by", ""));
	case EVENT_TASK_STEERED:
		return xasprintf("was told by %s: %s", json_get_text(e->data, "by", ""), json_get_text(e->data, "text", ""));
	case EVENT_TASK_CANCELLED: return xasprintf("ends: cancelled by %s", json_get_text(e->data, "by", ""));
	case EVENT_TASK_PARKED:
		if (json_get_bool(e->data, "resting", false))
			return xstrdup("waits for a person; the service goes on with it then");
		return xasprintf("parked: %s", json_get_text(e->data, "detail", reason));
	case EVENT_LIMIT_REACHED:
	case EVENT_BUDGET_EXCEEDED:
		return xasprintf("%s: %s", strcmp(json_get_text(e->data, "over", ""), "wait") == 0 ? "waits" : "stopped", reason);
	case EVENT_POLICY_REFUSED:
	case EVENT_BUDGET_WARNED:
	case EVENT_BUDGET_RAISED:
	case EVENT_ENGINE_STARTED:
	case EVENT_ENGINE_DRAINING:
	case EVENT_ENGINE_STOPPED:
	case EVENT_HEALTH_MISSED:
	case EVENT_HEALTH_RECOVERED:
	case EVENT_POLICY_LOADED:
	case EVENT_TASK_CREATED:
	case EVENT_TASK_RESUMED:
	case EVENT_RECOVERY_STARTED:
	case EVENT_TASK_CONTINUED:
	case EVENT_TASK_PRIORITIZED:
	case EVENT_TASK_FORKED:
	case EVENT_CONTROL_REFUSED:
	case EVENT_TASK_FINISHED:
	case EVENT_PLAN_UPDATED:
	case EVENT_CONVERSATION_COMPACTED:
	case EVENT_LOOP_DETECTED:
	case EVENT_LOCK_TAKEN:
	case EVENT_LOCK_RELEASED:
	case EVENT_DEADLOCK_DETECTED:
	case EVENT_OUTPUT_KEPT:
	case EVENT_QUESTION_ANSWERED:
	case EVENT_MODEL_REPLIED:
	case EVENT_MODEL_FAILED:
	case EVENT_BREAKER_OPENED:
	case EVENT_BREAKER_CLOSED:
	case EVENT_CALL_PROPOSED:
	case EVENT_CALL_DECIDED:
	case EVENT_APPROVAL_DECIDED:
	case EVENT_APPROVAL_REFUSED:
	case EVENT_GRANT_MADE:
	case EVENT_GRANT_USED:
	case EVENT_GRANT_REVOKED:
	case EVENT_CALL_FINISHED:
	case EVENT_NET_FINISHED:
	case EVENT_CELL_OPENED:
	case EVENT_CELL_CLOSED:
	case EVENT_FILES_VIOLATED:
	case EVENT_CHANGES_APPLIED:
	case EVENT_CHANGES_DROPPED:
	case EVENT_HISTORY_IMPORTED:
	case EVENT_HISTORY_PRUNED:
	case EVENT_TOKEN_ADDED:
	case EVENT_TOKEN_REVOKED:
	case EVENT_TOKEN_USED:
	case EVENT_TRUST_GIVEN:
	case EVENT_TRUST_TAKEN:
	case EVENT_SCHEDULE_ADDED:
	case EVENT_SCHEDULE_CHANGED:
	case EVENT_SCHEDULE_PAUSED:
	case EVENT_SCHEDULE_RESUMED:
	case EVENT_SCHEDULE_REMOVED:
	case EVENT_SCHEDULE_FIRED:
	case EVENT_SCHEDULE_QUEUED:
	case EVENT_SCHEDULE_PASSED:
	case EVENT_SCHEDULE_FAILED:
	case EVENT_TYPES: break;
	}
	return xasprintf("%s%s%s", event_name(e->type), call[0] != '\0' ? " " : "", call);
}

struct list {
	struct store *store;
	json_t *json;                /* NULL: text */
	size_t count, width;
	bool colour;
};

static void add_json(json_t *list, const struct task_row *row, const char *now)
{
	json_t *task = json_object();

	json_put_text(task, "task", row->task);
	json_put_text(task, "parent", row->parent[0] != '\0' ? row->parent : NULL);
	json_put_text(task, "state", state_text(row));
	json_put_text(task, "agent", row->agent);
	json_put_text(task, "user", row->user);
	json_put_text(task, "goal", row->goal);
	json_put(task, "started", json_time(row->started_us));
	json_put(task, "pid", row->holder_pid != 0 ? json_integer(row->holder_pid) : json_null());
	json_put_int(task, "turns", row->turns);
	json_put_int(task, "calls", row->calls);
	json_put(task, "cost", json_cost(row));
	json_put_int(task, "priority", row->priority);
	json_put_text(task, "now", now);
	json_array_append_new(list, task);
}

static void add_text(struct list *list, const struct task_row *row, size_t depth, const char *now)
{
	AUTO(buf_done) struct buf line = BUF_INIT(KIB(16));
	char span[SPAN_TEXT_BYTES], cost[COST_TEXT_BYTES], pid[24] = "-";

	if (list->count == 0)
		printf("%s%-16s %-7s %-8s %-10s %7s %5s %-9s %s%s\n", ink(list->colour, INK_FAINT), "TASK", "STATE", "AGENT",
		       "SINCE", "PID", "TURNS", "COST", "NOW", ink(list->colour, INK_PLAIN));
	if (row->holder_pid != 0)
		snprintf(pid, sizeof pid, "%d", row->holder_pid);
	buf_printf(&line, "%*s%s", (int)MIN(depth * 2, (size_t)4), "", row->task);
	text_pad(&line, 0, 16);
	printf("%s %s%-7s%s ", buf_text(&line), ink(list->colour, ink_of_state(row)), state_text(row), ink(list->colour, INK_PLAIN));
	buf_reset(&line);
	text_add(&line, row->agent, 8);
	text_pad(&line, 0, 8);
	buf_printf(&line, " %-10s %7s %5lld %-9s ", span_text(row, span), pid, (long long)row->turns,
	           cost_text(row->usd_nanos, cost));
	text_add(&line, now, MAX(list->width, (size_t)100) - 70);
	puts(buf_text(&line));
}

/* A task that has not ended, and those below it. */
static int add_task(struct list *list, const char *task, size_t depth, struct err *err)
{
	AUTO(json_decrefp) json_t *children = json_array();
	AUTO(task_row_done) struct task_row row = { 0 };
	AUTO(freep) char *now = NULL;
	struct event last = { 0 };

	int r = store_task_get(list->store, task, &row, err);
	if (r < 0 || (row.state != TASK_RUNNING && row.state != TASK_PARKED && row.state != TASK_PAUSED))
		return r;
	r = store_event_last(list->store, task, &last, err);
	if (r < 0 && r != -ENOTSUP && r != -ENOENT)
		return r;
	now = r == 0 ? doing(&last) : xstrdup("");
	event_done(&last);
	if (list->json != NULL)
		add_json(list->json, &row, now);
	else
		add_text(list, &row, depth, now);
	list->count++;
	if (depth < DEPTH_MOST)
		r = store_tasks(list->store, &(struct task_filter){ .parent = task, .limit = INT64_MAX }, keep, children, err);
	else
		r = 0;
	for (size_t i = 0; r == 0 && i < json_array_size(children); i++)
		r = add_task(list, json_string_value(json_array_get(children, i)), depth + 1, err);
	return r;
}

static int list_tasks(struct list *list, struct err *err)
{
	static const enum task_state states[] = { TASK_RUNNING, TASK_PAUSED, TASK_PARKED };
	AUTO(json_decrefp) json_t *roots = json_array();
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT(states); i++) {
		const struct task_filter filter = { .state = task_state_name(states[i]), .limit = INT64_MAX };
		r = store_tasks(list->store, &filter, keep, roots, err);
	}
	for (size_t i = 0; r == 0 && i < json_array_size(roots); i++)
		r = add_task(list, json_string_value(json_array_get(roots, i)), 0, err);
	return r;
}

static int ps(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(json_decrefp) json_t *json = NULL;
	const char *const *words;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_ps, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_positionals(o, &words) > 0)
		return complain(EXIT_USAGE, "ps: takes no argument; one task is shown by `mishri show TASK`");
	json = option_given(o, "--json") ? json_array() : NULL;
	int r = cli_open_store(o, STORE_READ_ONLY, &store, &err);
	struct list list = { .store = store, .json = json, .width = text_width(STDOUT_FILENO), .colour = print_colour(o) };
	if (r == 0)
		r = list_tasks(&list, &err);
	if (r < 0 && r != -ENOENT)                      /* no store yet: nothing runs */
		return complain(EXIT_FAILED, "%s", err.text);
	if (json != NULL)
		print_json(json);
	else if (list.count == 0)
		fputs("mishri: nothing runs, and nothing is parked\n", stderr);
	return EXIT_DONE;
}

const struct command cmd_ps = {
	.name = "ps", .args = "", .about = "what runs or is parked now, and what it is doing", .run = ps,
	.examples = "  mishri ps\n  mishri ps --json\n",
};
