/* facts.c - what policy may know about a task, and how decisions are written down. */
#include "engine/run.h"
#include "policy/probe.h"

#include <string.h>
#include <unistd.h>

#include "base/banned.h"

/* Of one run and those below it: those that work now say it themselves, those that ended are in the sums of the one above.
 * False: a price is not known. */
static bool add_cost(const struct run *run, int64_t *nanos)
{
	const struct task *t = run->task;

	bool counts = run->parent == NULL || !run->told;

	if (counts && (t->usd_unknown || t->below.usd_unknown))
		return false;
	*nanos += counts ? t->usd_nanos + t->below.usd_nanos : 0;
	for (const struct run *child = run->children; child != NULL; child = child->sibling)
		if (!add_cost(child, nanos))
			return false;
	return true;
}

/* Of all tasks of the tree, and of no other: the engine may have thousands. */
static int64_t tree_cost(const struct run *of)
{
	int64_t nanos = 0;

	while (of->parent != NULL)
		of = of->parent;
	return add_cost(of, &nanos) ? nanos : -1;
}

/* What a connection that is still open has brought: its net.finished will say so of the task. */
static void add_network(struct facts *facts)
{
	static const char *labels[LIMIT_TASK_TAINTS + 1];

	for (size_t i = 0; i < facts->taint_count; i++) {
		labels[i] = facts->taints[i];
		if (strcmp(labels[i], "network") == 0)
			return;
	}
	labels[facts->taint_count++] = "network";
	facts->taints = labels;
}

void facts_of(const struct run *run, struct facts *ret)
{
	const struct task *t = run->task;

	*ret = (struct facts){
		.user = t->user,
		.role = t->role,
		.agent = t->agent,
		.channel = t->channel,
		.workspace = t->workspace,
		.interactive = run->engine->setup.interactive,
		.depth = t->depth,
		.taints = (const char *const *)t->taints,
		.taint_count = t->taint_count,
		.calls = t->calls_total,
		.session = t->session,
		.root = t->root,
		.cost_nanos = tree_cost(run),
		.env = (const char *const *)environ,
		.time_us = clock_wall_us(),
		.resolve = resolve_path,
	};
	if (net_comes_in(run))
		add_network(ret);
}

json_t *effect_fields(const struct decision *d, const struct policy *policy)
{
	json_t *fields = json_object();

	json_put_text(fields, "effect", effect_name(d->effect));
	json_put_text(fields, "rule", d->rule);
	json_put_text(fields, "source", d->source);
	json_put_text(fields, "reason", d->reason);
	json_put_text(fields, "policy", policy_digest(policy));
	json_put_int(fields, "ns", d->ns);
	return fields;
}
