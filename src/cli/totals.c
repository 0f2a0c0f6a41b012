/* totals.c - sums over a tree in one walk. A task comes after the one above it, so that what is below is known at once. */
#include "cli/totals.h"

#include <string.h>

#include "cli/print.h"
#include "store/history.h"

#include "base/banned.h"

struct totals {
	const char *task;
	json_t *below;                /* names of the task and of all below it */
	struct sum { int64_t tasks; struct task_row row; } own, with_below, tree;
};

static void add(struct sum *to, const struct task_row *row)
{
	to->tasks++;
	to->row.turns += row->turns;
	to->row.calls += row->calls;
	to->row.denied += row->denied;
	to->row.input += row->input;
	to->row.cache_read += row->cache_read;
	to->row.cache_write += row->cache_write;
	to->row.cache_write_1h += row->cache_write_1h;
	to->row.output += row->output;
	to->row.reasoning += row->reasoning;
	to->row.usd_nanos = usd_add(to->row.usd_nanos, row->usd_nanos);
}

static void visit(void *userdata, const struct task_row *row)
{
	struct totals *t = userdata;
	bool own = strcmp(row->task, t->task) == 0;

	add(&t->tree, row);
	if (own)
		add(&t->own, row);
	if (!own && json_object_get(t->below, row->parent) == NULL)
		return;
	add(&t->with_below, row);
	json_put_bool(t->below, row->task, true);
}

static json_t *json_sum(const struct sum *sum)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:o}", "tasks", (json_int_t)sum->tasks, "turns", (json_int_t)sum->row.turns, "calls",
	                 (json_int_t)sum->row.calls, "denied", (json_int_t)sum->row.denied, "cost", json_cost(&sum->row));
}

int totals_read(struct store *store, const char *task, json_t **ret, struct err *err)
{
	AUTO(json_decrefp) json_t *below = json_object();
	struct totals t = { .task = task, .below = below };
	int r = store_tree(store, task, visit, &t, err);

	if (r == 0)
		*ret = json_pack("{s:s, s:s, s:o, s:o, s:o}", "type", "totals", "task", task, "own", json_sum(&t.own), "with_below",
		                 json_sum(&t.with_below), "tree", json_sum(&t.tree));
	return r;
}
