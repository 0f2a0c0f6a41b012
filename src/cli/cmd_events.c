/* cmd_events.c - the event log of everything or of a task with its children. It changes nothing. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/common.h"
#include "cli/match.h"
#include "cli/print.h"

#include "base/banned.h"

/* What a person wants to see of an event's data, in this order; other types show all of it. */
static const struct { enum event_type type; const char *fields[7]; } shown[] = {
	{ EVENT_ENGINE_STARTED, { "pid", "version" } },
	{ EVENT_HEALTH_MISSED, { "kind", "name", "age_ms", "deadline_ms", "action" } },
	{ EVENT_HEALTH_RECOVERED, { "kind", "name", "stood_ms", "stack" } },
	{ EVENT_POLICY_LOADED, { "rules", "policy" } },
	{ EVENT_POLICY_REFUSED, { "message" } },
	{ EVENT_LIMIT_REACHED, { "limit", "over", "call", "reason" } },
	{ EVENT_BUDGET_WARNED, { "budget", "percent", "unit" } },
	{ EVENT_BUDGET_EXCEEDED, { "budget", "over", "call", "reason" } },
	{ EVENT_BUDGET_RAISED, { "budget", "unit", "amount" } },
	{ EVENT_TASK_CREATED, { "role", "agent", "model", "goal" } },
	{ EVENT_TASK_FINISHED, { "state", "exit", "result" } },
	{ EVENT_SLOT_WAITING, { "scope", "name", "running", "limit", "ahead" } },
	{ EVENT_LOCK_WAITING, { "lock", "holder", "call" } },
	{ EVENT_LOCK_TAKEN, { "lock", "call" } },
	{ EVENT_LOCK_RELEASED, { "lock", "reason" } },
	{ EVENT_DEADLOCK_DETECTED, { "cycle", "call" } },
	{ EVENT_TASK_CANCELLED, { "by", "of", "now" } },
	{ EVENT_TASK_PAUSED, { "by", "of", "now" } },
	{ EVENT_TASK_CONTINUED, { "by", "of" } },
	{ EVENT_TASK_STEERED, { "by", "now", "replan", "text" } },
	{ EVENT_TASK_PRIORITIZED, { "by", "priority", "of" } },
	{ EVENT_TASK_FORKED, { "from", "event", "part" } },
	{ EVENT_CONTROL_REFUSED, { "command", "by", "reason" } },
	{ EVENT_LOOP_DETECTED, { "level", "kind", "length", "count" } },
	{ EVENT_MODEL_REQUESTED, { "turn", "provider", "model", "messages" } },
	{ EVENT_MODEL_REPLIED, { "turn", "finish", "calls", "ms", "usd_nanos", "text" } },
	{ EVENT_CALL_PROPOSED, { "call", "tool", "args" } },
	{ EVENT_CALL_DECIDED, { "call", "effect", "tool", "rule", "reason" } },
	{ EVENT_APPROVAL_REQUESTED, { "approval", "call", "kind", "rule", "action" } },
	{ EVENT_APPROVAL_DECIDED, { "approval", "call", "answer", "by", "reason" } },
	{ EVENT_CALL_STARTED, { "call", "tool", "nature" } },
	{ EVENT_RESOURCE_EXCEEDED, { "call", "status", "text" } },
	{ EVENT_OUTPUT_KEPT, { "call", "size" } },
	{ EVENT_CALL_FINISHED, { "call", "status", "exit", "ms", "bytes", "taint", "output" } },
	{ EVENT_EXEC_DECIDED, { "call", "effect", "argv", "rule", "reason" } },
	{ EVENT_NET_DECIDED, { "effect", "host", "port", "method", "rule", "reason" } },
	{ EVENT_NET_FINISHED, { "how", "host", "bytes_up", "bytes_down", "ms", "detail" } },
	{ EVENT_CELL_OPENED, { "cell", "level", "ms" } },
	{ EVENT_FILES_VIOLATED, { "places", "unknown" } },
	{ EVENT_CHANGES_APPLIED, { "sums", "refused", "forced", "digest" } },
	{ EVENT_CHANGES_DROPPED, { "sums", "digest" } },
	{ EVENT_HISTORY_IMPORTED, { "root", "events", "tasks", "exported", "by" } },
	{ EVENT_TOKEN_ADDED, { "name", "user", "role", "expires", "by" } },
	{ EVENT_TOKEN_REVOKED, { "name", "by" } },
	{ EVENT_TOKEN_USED, { "name", "user", "role", "state" } },
	{ EVENT_TRUST_GIVEN, { "directory", "digest", "by" } },
	{ EVENT_TRUST_TAKEN, { "directory", "by" } },
	{ EVENT_HISTORY_PRUNED, { "root", "events", "tasks", "bytes", "by", "reason" } },
	{ EVENT_SCHEDULE_ADDED, { "name", "by" } },
	{ EVENT_SCHEDULE_CHANGED, { "name", "by" } },
	{ EVENT_SCHEDULE_PAUSED, { "name", "by", "reason" } },
	{ EVENT_SCHEDULE_RESUMED, { "name", "by" } },
	{ EVENT_SCHEDULE_REMOVED, { "name", "by" } },
	{ EVENT_SCHEDULE_FIRED, { "name", "cause", "task" } },
	{ EVENT_SCHEDULE_QUEUED, { "name" } },
	{ EVENT_SCHEDULE_PASSED, { "name", "what", "count", "reason" } },
	{ EVENT_SCHEDULE_FAILED, { "name", "task", "reason" } },
};

struct output {
	bool json, colour;
	json_t *tasks;               /* only events of these; NULL: all */
	struct match match;
	int64_t last;
	int64_t left;                /* how many more are shown; -1: all */
	bool over;                   /* nothing more is to come, or nobody is there to read it */
};

static void print_field(const char *name, const json_t *value)
{
	AUTO(freep) char *text = NULL;

	if (value == NULL || json_is_null(value))
		return;
	text = json_is_string(value) ? xstrdup(json_string_value(value)) : json_text(value);
	if (text[0] == '\0')
		return;
	printf(" %s=", name);
	print_line(text, 100);
}

static void print_data(const json_t *event)
{
	const json_t *data = json_object_get(event, "data");
	int type = event_find(json_get_text(event, "type", ""));
	const char *key;
	json_t *value;

	for (size_t i = 0; i < COUNT(shown); i++) {
		if ((int)shown[i].type != type)
			continue;
		for (size_t k = 0; k < COUNT(shown[i].fields) && shown[i].fields[k] != NULL; k++)
			print_field(shown[i].fields[k], json_object_get(data, shown[i].fields[k]));
		return;
	}
	json_object_foreach((json_t *)data, key, value)
		print_field(key, value);
}

static enum ink ink_of_event(const json_t *event)
{
	const json_t *data = json_object_get(event, "data");
	const char *effect = json_get_text(data, "effect", json_get_text(data, "answer", ""));

	if (strcmp(effect, "deny") == 0 || strcmp(effect, "lapsed") == 0)
		return INK_BAD;
	return strcmp(effect, "ask") == 0 ? INK_WARN : INK_BOLD;
}

static void print_event(const struct output *out, const json_t *event)
{
	char local[TIME_TEXT_BYTES];
	int64_t time_us = 0;

	if (clock_parse(json_get_text(event, "time", ""), &time_us) < 0)
		time_us = 0;
	printf("%s.%03d  %-12.12s  %s%-18s%s", time_text(time_us, local), (int)(time_us / 1000 % 1000),
	       json_get_text(event, "task", "-"), ink(out->colour, ink_of_event(event)),
	       json_get_text(event, "type", "?"), ink(out->colour, INK_PLAIN));
	print_data(event);
	putchar('\n');
}

/* The stored text between seq and the links of its chain: taken apart, it still has its hash. */
static void print_stored(const struct event_row *row)
{
	printf("{\"seq\":%lld,%.*s,\"prev\":\"%s\",\"hash\":\"%s\"}\n", (long long)row->seq, (int)row->text.len - 2,
	       row->text.ptr + 1, row->prev, row->hash);
}

static bool visit(void *userdata, const struct event_row *row)
{
	struct output *out = userdata;
	AUTO(json_decrefp) json_t *event = NULL;
	struct err err = ERR_NONE;

	if (out->left == 0 || out->over)
		return false;
	out->last = row->seq;
	if (json_parse(row->text, &event, &err) < 0) {
		complain(EXIT_FAILED, "event %lld: %s; look with 'mishri audit verify'", (long long)row->seq, err.text);
		return true;
	}
	out->over = match_over(&out->match, event);
	if (out->over || (out->tasks != NULL && json_object_get(out->tasks, json_get_text(event, "task", "")) == NULL) ||
	    !match_event(&out->match, event))
		return !out->over;
	if (out->json)
		print_stored(row);
	else
		print_event(out, event);
	out->over = ferror(stdout) != 0;
	if (out->left > 0)
		out->left--;
	return true;
}

static void add_task(void *userdata, const struct task_row *row)
{
	json_array_append_new(userdata, json_string(row->task));
}

/* The task and all below it, as keys. */
static int collect(struct store *store, const char *task, json_t *ret, struct err *err)
{
	AUTO(json_decrefp) json_t *children = json_array();

	if (json_object_get(ret, task) != NULL)
		return 0;
	json_put_bool(ret, task, true);
	int r = store_tasks(store, &(struct task_filter){ .parent = task, .limit = INT64_MAX }, add_task, children, err);
	for (size_t i = 0; r == 0 && i < json_array_size(children); i++)
		r = collect(store, json_string_value(json_array_get(children, i)), ret, err);
	return r;
}

/* Is there more to come? Without a task always. */
static bool goes_on(struct store *store, const char *task)
{
	struct task_row row;

	if (task == NULL)
		return true;
	if (store_task_get(store, task, &row, NULL) < 0)
		return false;
	bool on = row.ended_us == 0 && (row.state != TASK_RUNNING || row.alive);
	task_row_done(&row);
	return on;
}

/* Looks for more only when somebody has written: reading a counter in the file is all that it costs to wait. */
static int wait_for_more(struct store *store, int64_t *version, bool *ret_nobody, struct err *err)
{
	struct pollfd reader = { .fd = STDOUT_FILENO };
	int64_t now = *version;
	int r = 0;

	for (int waited_ms = 0; r == 0 && now == *version && waited_ms < LIMIT_INBOX_POLL_MS * 4; waited_ms += LIMIT_FOLLOW_POLL_MS) {
		/* It wakes when the reader of the pipe has gone. */
		if (poll(&reader, 1, LIMIT_FOLLOW_POLL_MS) > 0 && (reader.revents & POLLERR) != 0) {
			*ret_nobody = true;
			return 0;
		}
		r = store_version(store, &now, err);
	}
	*version = now;
	return r;
}

static int print_all(struct store *store, struct event_filter *filter, struct output *out, bool follow, struct err *err)
{
	int64_t version = 0, before = -1;
	int r = store_version(store, &version, err);

	while (r == 0) {
		/* Asked first, so that what comes before the end is shown. */
		bool more = follow && goes_on(store, filter->task);
		if (filter->task != NULL && out->tasks != NULL && version != before)
			r = collect(store, filter->task, out->tasks, err);
		filter->after_seq = out->last;
		if (r == 0 && version != before)
			r = store_events(store, filter, visit, out, err);
		before = version;
		if (fflush(stdout) != 0)
			out->over = true;
		if (r < 0 || !more || out->over || out->left == 0)
			return r;
		r = wait_for_more(store, &version, &out->over, err);
		if (out->over)
			return r;
	}
	return r;
}

/* Where it begins: behind --after, or not long before --since. Returns an exit code. */
static int choose_place(const struct options *o, struct store *store, struct output *out)
{
	const char *after = option_text(o, "--after", NULL);
	struct err err = ERR_NONE;
	uint64_t seq;
	int r = 0;

	if (after != NULL && strcmp(after, "end") == 0)
		r = store_event_newest(store, &out->last, &err);
	else if (after != NULL && (str_to_u64(str_of(after), &seq) < 0 || seq > INT64_MAX))
		return complain(EXIT_USAGE, "events: --after wants the seq of an event, or 'end' for what comes from now on");
	else if (after != NULL)
		out->last = (int64_t)seq;
	else if (out->match.since_us > 0)
		r = store_event_before(store, out->match.since_us - LIMIT_CLOCK_STEP_US, &out->last, &err);
	return r < 0 ? complain(EXIT_FAILED, "%s", err.text) : 0;
}

/* JSON Schema of one type, or of all: an object by type. Returns an exit code. */
static int print_schemas(const struct options *o)
{
	const char *const *words;
	const char *names[EVENT_TYPES];
	size_t count = option_positionals(o, &words);
	AUTO(json_decrefp) json_t *schemas = json_object();

	for (size_t i = 0; i < EVENT_TYPES; i++) {
		names[i] = event_name((enum event_type)i);
		json_put(schemas, names[i], event_line_schema((enum event_type)i));
	}
	if (count > 1)
		return complain(EXIT_USAGE, "events: --schema takes one TYPE, or none for all");
	if (count == 0) {
		print_json(schemas);
		return EXIT_DONE;
	}
	const json_t *one = json_object_get(schemas, words[0]);
	if (one != NULL) {
		print_json(one);
		return EXIT_DONE;
	}
	const char *near = name_nearest(names, EVENT_TYPES, words[0]);
	return complain(EXIT_USAGE, "events: there is no type '%s'%s%s%s", words[0], near != NULL ? ": did you mean '" : "",
	                near != NULL ? near : "; `mishri events --schema` has them all", near != NULL ? "'?" : "");
}

/* Children come along; of a child only what lies below it. */
static int choose_tasks(const struct options *o, struct store *store, const char *task, struct event_filter *filter,
                        json_t **ret, struct err *err)
{
	struct task_row row;

	int r = store_task_get(store, task, &row, err);
	if (r < 0)
		return r;
	filter->task = task;
	filter->tree = !option_given(o, "--alone");
	if (filter->tree && strcmp(row.root, task) != 0)
		*ret = json_object();
	task_row_done(&row);
	return 0;
}

/* The TASK, as an argument or by --task. Returns an exit code; *ret_given: there is one. */
static int read_task(const struct options *o, struct store *store, char task[static ID_LEN + 1], bool *ret_given)
{
	const char *const *names, *name = option_text(o, "--task", NULL);
	struct err err = ERR_NONE;
	size_t count = option_positionals(o, &names);

	*ret_given = count > 0 || name != NULL;
	if (count > 0 && name != NULL)
		return complain(EXIT_USAGE, "events: the task is given twice; once would be right");
	if (count > 0)
		return task_argument(o, store, task);
	if (name != NULL && store_task_find(store, name, task, &err) < 0)
		return complain(EXIT_USAGE, "events: --task: %s", err.text);
	return 0;
}

/* Everything is read. Returns an exit code. */
static int run_events(const struct options *o, struct store *store, struct output *out)
{
	struct event_filter filter = { .type = out->match.type, .with_content = option_given(o, "--content") || !out->json };
	struct err err = ERR_NONE;
	char task[ID_LEN + 1];
	bool given;

	int code = read_task(o, store, task, &given);
	if (code == 0)
		code = choose_place(o, store, out);
	if (code != 0)
		return code;
	if (given && choose_tasks(o, store, task, &filter, &out->tasks, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (print_all(store, &filter, out, option_given(o, "--follow"), &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	return EXIT_DONE;
}

static int events(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	struct err err = ERR_NONE;

	if (options_parse(&cmd_events, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (option_given(o, "--schema"))
		return print_schemas(o);
	struct output out = { .json = option_given(o, "--json"), .colour = print_colour(o), .left = -1 };
	int code = match_read(o, &out.match);
	if (code == 0 && option_given(o, "--limit") && option_count(o, "--limit", -1, &out.left) < 0)
		code = EXIT_USAGE;
	if (code == 0 && cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		code = complain(EXIT_FAILED, "%s", err.text);
	if (code == 0)
		code = run_events(o, store, &out);
	json_decref(out.tasks);
	match_done(&out.match);
	return code;
}

static const struct option_row options[] = {
	{ "--follow", 'f', NULL, "go on as events come, from all engines, until the task ends", false },
	MATCH_OPTIONS,
	{ "--task", 0, "TASK", "the same as TASK", false },
	{ "--after", 0, "SEQ|end", "only what comes after this event; 'end': what comes from now on", false },
	{ "--limit", 'n', "N", "at most this many", false },
	{ "--alone", 0, NULL, "without the task's children", false },
	{ "--content", 0, NULL, "long texts in their places; such a line no longer has its hash", false },
	{ "--schema", 0, NULL, "the JSON Schema of each type, or of the one TYPE that is given instead of a task", false },
};

const struct command cmd_events = {
	.name = "events", .args = "[TASK]", .about = "the event log; with --json one stored event a line",
	.options = options, .option_count = COUNT(options), .run = events,
	.examples = "  mishri events last\n  mishri events --effect deny --since 7d\n  mishri events --follow --after end --json\n"
	            "  mishri events --schema call.decided\n",
};
