/* cmd_tree.c - a task and what it delegated: states, times, money, and who waits for whom. It changes nothing. */
#include <stdio.h>
#include <string.h>

#include "cli/common.h"
#include "cli/print.h"
#include "cli/sums.h"
#include "cli/text.h"
#include "store/history.h"

#include "base/banned.h"

enum { MAX_DEPTH = 32, LEAST_GOAL = 24 };               /* tasks end at LIMIT_TASK_DEPTH; a foreign file may not */

struct node {
	struct task_row row;
	size_t parent;               /* index; SIZE_MAX: of the first one */
	int64_t all_nanos, all_tasks; /* with all below; -1: unknown */
	json_t *waits;               /* [{approval, kind, rule, votes, expires}] */
};

struct tree {
	struct node *nodes;          /* each after its parent */
	size_t count;
	const char *task;            /* of which and below which they are */
};

static size_t find(const struct tree *t, const char *task)
{
	for (size_t i = t->count; i-- > 0;)
		if (strcmp(t->nodes[i].row.task, task) == 0)
			return i;
	return SIZE_MAX;
}

/* A row is its owner's; what is kept is copied. */
static void add(void *userdata, const struct task_row *row)
{
	struct tree *t = userdata;
	size_t parent = find(t, row->parent);

	if (parent == SIZE_MAX && strcmp(row->task, t->task) != 0)
		return;                 /* beside the task or above it */
	if ((t->count & (t->count - 1)) == 0)
		t->nodes = xrealloc(t->nodes, MAX(t->count * 2, (size_t)1) * sizeof *t->nodes);
	struct node *n = &t->nodes[t->count++];
	*n = (struct node){ .row = *row, .parent = parent, .waits = json_array() };
	char **texts[] = { &n->row.goal, &n->row.agent, &n->row.role, &n->row.user, &n->row.model, &n->row.workspace };
	for (size_t i = 0; i < COUNT(texts); i++)
		*texts[i] = xstrdup(*texts[i]);
	n->row.result = row->result != NULL ? xstrdup(row->result) : NULL;
	for (size_t at = t->count - 1, depth = 0; at != SIZE_MAX && depth <= MAX_DEPTH; at = t->nodes[at].parent, depth++) {
		t->nodes[at].all_tasks++;
		t->nodes[at].all_nanos = usd_add(t->nodes[at].all_nanos, row->usd_nanos);
	}
}

static void add_wait(void *userdata, const struct approval_row *row)
{
	struct tree *t = userdata;
	size_t at = find(t, row->task);

	if (at == SIZE_MAX)
		return;
	json_t *one = json_object();
	json_put_text(one, "approval", row->approval);
	json_put_text(one, "kind", row->kind);
	json_put_text(one, "rule", json_get_text(row->request, "rule", NULL));
	json_put_text(one, "reason", json_get_text(row->request, "reason", ""));
	json_put(one, "expires", json_time(row->expires_us));
	json_array_append_new(t->nodes[at].waits, one);
}

static void tree_done(struct tree *t)
{
	for (size_t i = 0; i < t->count; i++) {
		task_row_done(&t->nodes[i].row);
		json_decref(t->nodes[i].waits);
	}
	free(t->nodes);
}

static json_t *json_node(struct store *store, const struct node *n, int *ret, struct err *err)
{
	json_t *node = json_object(), *taint = NULL;
	int r = cli_taint(store, n->row.task, &taint, err);

	json_put_text(node, "task", n->row.task);
	json_put_text(node, "agent", n->row.agent);
	json_put_text(node, "role", n->row.role);
	json_put_text(node, "goal", n->row.goal);
	json_put_text(node, "state", task_state_name(n->row.state));
	json_put_int(node, "priority", n->row.priority);
	json_put(node, "forked", n->row.forked_from[0] == '\0' ? json_null() :
	         json_pack("{s:s, s:I}", "task", n->row.forked_from, "event", (json_int_t)n->row.forked_at));
	json_put(node, "taint", r == 0 ? taint : json_array());
	json_put(node, "children", json_array());
	json_put(node, "cost", json_cost(&n->row));
	json_put(node, "usd_nanos_with_below", n->all_nanos < 0 ? json_null() : json_integer(n->all_nanos));
	if (json_array_size(n->waits) > 0)
		json_put(node, "waits", json_incref(n->waits));
	*ret = r;
	return node;
}

static int print_tree_json(struct store *store, const struct tree *t, struct err *err)
{
	json_t **nodes = xcalloc(t->count, sizeof *nodes);
	int r = 0;

	for (size_t i = 0; i < t->count && r == 0; i++) {
		nodes[i] = json_node(store, &t->nodes[i], &r, err);
		if (i > 0)
			json_array_append_new(json_object_get(nodes[t->nodes[i].parent], "children"), nodes[i]);
	}
	json_t *totals = NULL, *budgets = NULL;
	if (r == 0)
		r = sums_read(store, &t->nodes[0].row, &totals, err);
	if (r == 0)
		r = sums_warned(store, t->task, 0, &budgets, err);
	json_put(nodes[0], "totals", totals);
	json_put(nodes[0], "budgets", budgets);
	if (r == 0)
		print_json(nodes[0]);
	json_decref(nodes[0]);
	free(nodes);
	return r;
}

/* "`- " in front of the last child of its parent; lines of those above go on beside it. */
static void print_lead(const bool *last, const size_t *path, size_t depth, bool below)
{
	for (size_t i = 1; i < depth; i++) {
		bool own = i + 1 == depth && !below;
		fputs(own ? (last[path[i]] ? "`- " : "|- ") : (last[path[i]] ? "   " : "|  "), stdout);
	}
}

static void print_numbers(const struct node *n, bool colour)
{
	char span[SPAN_TEXT_BYTES], cost[COST_TEXT_BYTES], all[COST_TEXT_BYTES];

	print_count(n->row.turns, "turn");
	fputs(", ", stdout);
	print_count(n->row.calls, "call");
	if (n->row.denied > 0)
		printf(", %s%lld denied%s", ink(colour, INK_BAD), (long long)n->row.denied, ink(colour, INK_PLAIN));
	printf(", %s, %s", span_text(&n->row, span), cost_text(n->row.usd_nanos, cost));
	if (n->all_tasks > 1)
		printf(" (with %lld below %s)", (long long)n->all_tasks - 1, cost_text(n->all_nanos, all));
}

static void print_waits(const struct node *n, bool colour)
{
	size_t i;
	json_t *one;

	json_array_foreach(n->waits, i, one) {
		printf("  %swaits for a person%s: ", ink(colour, INK_WARN), ink(colour, INK_PLAIN));
		print_line(json_get_text(one, "kind", ""), 16);
		fputs(" by rule ", stdout);
		print_line(json_get_text(one, "rule", "(default)"), 40);
		printf("; mishri approve %s", json_get_text(one, "approval", ""));
	}
}

static int print_node(struct store *store, const struct tree *t, const bool *last, size_t at, bool colour, struct err *err)
{
	const struct node *n = &t->nodes[at];
	AUTO(json_decrefp) json_t *taint = NULL;
	size_t path[MAX_DEPTH + 2], depth = 0, width = text_width(1);

	for (size_t i = at; i != SIZE_MAX && depth < COUNT(path); i = t->nodes[i].parent)
		path[depth++] = i;
	for (size_t i = 0; i < depth / 2; i++) {
		size_t other = path[i];
		path[i] = path[depth - 1 - i];
		path[depth - 1 - i] = other;
	}
	int r = cli_taint(store, n->row.task, &taint, err);
	if (r < 0)
		return r;
	print_lead(last, path, depth, false);
	printf("%s  %s%s%s  %s ", n->row.task, ink(colour, ink_of_state(&n->row)), state_text(&n->row), ink(colour, INK_PLAIN),
	       n->row.role);
	print_line(n->row.agent, 30);
	fputs("  ", stdout);
	print_numbers(n, colour);
	print_waits(n, colour);
	if (n->row.priority != 0)
		printf("  [priority %lld]", (long long)n->row.priority);
	if (n->row.forked_from[0] != '\0')
		printf("  [fork of %s after event %lld]", n->row.forked_from, (long long)n->row.forked_at);
	if (json_array_size(taint) > 0) {
		printf("  %s[", ink(colour, INK_WARN));
		print_taint(taint);
		printf("]%s", ink(colour, INK_PLAIN));
	}
	putchar('\n');
	/* The goal stands below, behind the lines of what is still to come. */
	size_t used = 3 * depth + 3;
	print_lead(last, path, depth, true);
	bool parent = at + 1 < t->count && t->nodes[at + 1].parent == at;
	fputs(parent ? "|  " : "   ", stdout);
	print_line(n->row.goal, width > used + LEAST_GOAL ? width - used : LEAST_GOAL);
	putchar('\n');
	return 0;
}

/* Children under their parents, in the order in which they began. */
static int print_below(struct store *store, const struct tree *t, const bool *last, size_t at, int depth, bool colour,
                       struct err *err)
{
	int r = print_node(store, t, last, at, colour, err);

	for (size_t i = at + 1; i < t->count && r == 0 && depth < MAX_DEPTH; i++)
		if (t->nodes[i].parent == at)
			r = print_below(store, t, last, i, depth + 1, colour, err);
	return r;
}

/* Each model, and what there is beside this tree; nothing where it would say the same again. */
static int print_totals(struct store *store, const struct tree *t, bool colour, struct err *err)
{
	AUTO(json_decrefp) json_t *totals = NULL, *budgets = NULL;
	char text[SUMS_TEXT_BYTES], cost[COST_TEXT_BYTES];
	const json_t *one;
	size_t i;

	int r = sums_read(store, &t->nodes[0].row, &totals, err);
	if (r == 0)
		r = sums_warned(store, t->task, 0, &budgets, err);
	if (r < 0)
		return r;
	const json_t *models = json_object_get(totals, "models");
	json_array_foreach((json_t *)models, i, one) {
		if (json_array_size(models) < 2)
			break;
		print_line(json_get_text(one, "model", ""), 60);
		printf("  %lld tokens, %s\n", (long long)json_get_int(one, "tokens", 0), cost_text(json_get_int(one, "usd_nanos", -1), cost));
	}
	if (sums_text(totals, t->nodes[0].row.user, text)[0] != '\0')
		printf("%s%s%s\n", ink(colour, INK_FAINT), text, ink(colour, INK_PLAIN));
	sums_print_warned(budgets, colour);
	return 0;
}

static int print_tree(struct store *store, const struct tree *t, bool colour, struct err *err)
{
	bool *last = xcalloc(t->count, sizeof *last), *seen = xcalloc(t->count, sizeof *seen);

	for (size_t i = t->count; i-- > 1;) {
		last[i] = !seen[t->nodes[i].parent];
		seen[t->nodes[i].parent] = true;
	}
	int r = print_below(store, t, last, 0, 0, colour, err);
	if (r == 0)
		r = print_totals(store, t, colour, err);
	free(last);
	free(seen);
	return r;
}

static int tree(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	struct err err = ERR_NONE;
	char task[ID_LEN + 1];

	if (options_parse(&cmd_tree, argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int code = task_argument(o, store, task);
	if (code != 0)
		return code;
	AUTO(tree_done) struct tree t = { .task = task };
	int r = store_tree(store, task, add, &t, &err);
	if (r == 0)
		r = store_approvals(store, true, LIMIT_APPROVALS_SHOWN, add_wait, &t, &err);
	if (r == 0)
		r = option_given(o, "--json") ? print_tree_json(store, &t, &err) : print_tree(store, &t, print_colour(o), &err);
	return r < 0 ? complain(EXIT_FAILED, "%s", err.text) : EXIT_DONE;
}

const struct command cmd_tree = {
	.name = "tree", .args = "TASK", .about = "a task and its children, with states, times and costs", .run = tree,
	.examples = "  mishri tree last\n",
};
