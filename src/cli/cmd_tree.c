/* cmd_tree.c - a task and what it delegated. It changes nothing. */
#include <stdio.h>
#include <string.h>

#include "cli/common.h"
#include "cli/print.h"

#include "base/banned.h"

enum { MAX_DEPTH = 32 };                                /* tasks end at LIMIT_TASK_DEPTH; a foreign file may not */

static json_t *json_node(const struct task_row *row, json_t *owned_taint)
{
	json_t *node = json_object();

	json_put_text(node, "task", row->task);
	json_put_text(node, "agent", row->agent);
	json_put_text(node, "role", row->role);
	json_put_text(node, "goal", row->goal);
	json_put_text(node, "state", task_state_name(row->state));
	json_put_int(node, "priority", row->priority);
	json_put(node, "forked", row->forked_from[0] == '\0' ? json_null() :
	         json_pack("{s:s, s:I}", "task", row->forked_from, "event", (json_int_t)row->forked_at));
	json_put(node, "taint", owned_taint);
	json_put(node, "children", json_array());
	json_put(node, "cost", json_cost(row));
	return node;
}

static void print_row(const struct task_row *row, const json_t *taint, const char *lead, const char *branch, bool colour)
{
	char span[SPAN_TEXT_BYTES], cost[COST_TEXT_BYTES];

	printf("%s%s%s  %s%s%s  %s ", lead, branch, row->task, ink(colour, ink_of_state(row)), state_text(row),
	       ink(colour, INK_PLAIN), row->role);
	print_line(row->agent, 30);
	fputs("  ", stdout);
	print_count(row->turns, "turn");
	fputs(", ", stdout);
	print_count(row->calls, "call");
	if (row->denied > 0)
		printf(", %s%lld denied%s", ink(colour, INK_BAD), (long long)row->denied, ink(colour, INK_PLAIN));
	printf(", %s, %s  ", span_text(row, span), cost_text(row->usd_nanos, cost));
	print_line(row->goal, 60);
	if (row->priority != 0)
		printf("  [priority %lld]", (long long)row->priority);
	if (row->forked_from[0] != '\0')
		printf("  [fork of %s after event %lld]", row->forked_from, (long long)row->forked_at);
	if (json_array_size(taint) > 0) {
		printf("  %s[", ink(colour, INK_WARN));
		print_taint(taint);
		printf("]%s", ink(colour, INK_PLAIN));
	}
	putchar('\n');
}

static void add_child(void *userdata, const struct task_row *row)
{
	json_array_append_new(userdata, json_string(row->task));
}

static int list_children(struct store *store, const char *task, json_t *ret, struct err *err)
{
	return store_tasks(store, &(struct task_filter){ .parent = task, .limit = INT64_MAX }, add_child, ret, err);
}

static int make_json(struct store *store, const char *task, int depth, json_t **ret, struct err *err)
{
	AUTO(json_decrefp) json_t *names = json_array();
	struct task_row row;

	int r = store_task_get(store, task, &row, err);
	if (r < 0)
		return r;
	json_t *taint = NULL;
	r = cli_taint(store, task, &taint, err);
	AUTO(json_decrefp) json_t *node = json_node(&row, taint);
	task_row_done(&row);
	if (r < 0)
		return r;
	r = depth < MAX_DEPTH ? list_children(store, task, names, err) : 0;
	for (size_t i = 0; r == 0 && i < json_array_size(names); i++) {
		json_t *child = NULL;
		r = make_json(store, json_string_value(json_array_get(names, i)), depth + 1, &child, err);
		if (r == 0)
			json_array_append_new(json_object_get(node, "children"), child);
	}
	if (r == 0)
		*ret = TAKE(node);
	return r;
}

static int print_tree(struct store *store, const char *task, const char *lead, const char *branch, const char *below,
                      bool colour, struct err *err)
{
	AUTO(json_decrefp) json_t *names = json_array();
	AUTO(json_decrefp) json_t *taint = NULL;
	AUTO(freep) char *next = xasprintf("%s%s", lead, below);
	struct task_row row;

	int r = store_task_get(store, task, &row, err);
	if (r < 0)
		return r;
	r = cli_taint(store, task, &taint, err);
	print_row(&row, taint, lead, branch, colour);
	task_row_done(&row);
	if (r == 0 && strlen(next) / 3 < MAX_DEPTH)
		r = list_children(store, task, names, err);
	size_t count = json_array_size(names);
	for (size_t i = 0; r == 0 && i < count; i++) {
		bool last = i + 1 == count;
		r = print_tree(store, json_string_value(json_array_get(names, i)), next, last ? "`- " : "|- ",
		               last ? "   " : "|  ", colour, err);
	}
	return r;
}

static int tree(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	AUTO(json_decrefp) json_t *root = NULL;
	struct err err = ERR_NONE;
	char task[ID_LEN + 1];

	if (options_parse(&cmd_tree, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int code = task_argument(o, store, task);
	if (code != 0)
		return code;
	int r = option_given(o, "--json") ? make_json(store, task, 0, &root, &err)
	                                  : print_tree(store, task, "", "", "", print_colour(o), &err);
	if (r < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	if (root != NULL)
		print_json(root);
	return EXIT_DONE;
}

const struct command cmd_tree = {
	.name = "tree", .args = "TASK", .about = "a task and its children, with states, times and costs", .run = tree,
	.examples = "  mishri tree last\n",
};
