/* locks.c - named locks among the agents of one tree, and the watch over waits that never end. A lock is held by a task
 * from lock.taken until lock.released or its end, through crashes and rests; whoever waits gets it in the order of
 * asking. It refuses to lock anything on the machine, and to give a lock on before its release is durable. */
#include "engine/run.h"

#include <stdio.h>
#include <string.h>

#include "core/held.h"
#include "core/waits.h"

#include "base/banned.h"

/* ---- the runs of a tree ---- */

static struct run *root_of(struct run *run)
{
	while (run->parent != NULL)
		run = run->parent;
	return run;
}

/* The one after `at`, from the root down; NULL: there is none. */
static struct run *next_in_tree(struct run *at, const struct run *root)
{
	if (at->children != NULL)
		return at->children;
	while (at != root && at->sibling == NULL)
		at = at->parent;
	return at != root ? at->sibling : NULL;
}

#define TREE_FOREACH(at, root) for (struct run *at = (root); at != NULL; at = next_in_tree(at, (root)))

/* ---- who holds it ---- */

/* Tasks of the tree that were taken over are loaded one after the other; until then their histories speak. */
struct recorded {
	const char *lock;
	char holder[ID_LEN + 1];
};

static bool note_lock(void *userdata, const struct event_row *row)
{
	struct recorded *found = userdata;
	struct event e;

	if (event_parse(row->text, &e, NULL) < 0)
		return true;
	if (strcmp(json_get_text(e.data, "lock", ""), found->lock) == 0 && e.type == EVENT_LOCK_TAKEN)
		memcpy(found->holder, e.task, sizeof found->holder);
	else if (strcmp(json_get_text(e.data, "lock", ""), found->lock) == 0 && e.type == EVENT_LOCK_RELEASED &&
	         strcmp(found->holder, e.task) == 0)
		found->holder[0] = '\0';
	event_done(&e);
	return true;
}

static bool recorded_holder(struct run *root, const char *name, char ret[static ID_LEN + 1])
{
	struct recorded found = { .lock = name };
	struct event_filter filter = { .task = root->task->id, .tree = true, .type = "lock." };
	struct task *task = NULL;
	struct store *store = root->engine->setup.store;

	if (root->opening_type != EVENT_TASK_RESUMED || store_events(store, &filter, note_lock, &found, NULL) < 0 ||
	    found.holder[0] == '\0')
		return false;
	TREE_FOREACH(run, root)
		if (strcmp(run->task->id, found.holder) == 0)
			return false; /* it is here, and was asked itself */
	bool holds = engine_load(store, found.holder, &task, NULL) == 0 && holds_lock(task, name);
	task_free(task);
	memcpy(ret, found.holder, sizeof found.holder);
	return holds;
}

static bool holder_of(struct run *root, const char *name, char ret[static ID_LEN + 1])
{
	TREE_FOREACH(run, root)
		if (holds_lock(run->task, name) || (run->unlocking != NULL && json_object_get(run->unlocking, name) != NULL)) {
			memcpy(ret, run->task->id, ID_LEN + 1);
			return true;
		}
	return recorded_holder(root, name, ret);
}

/* Who has waited longest; NULL: nobody waits. */
static struct run *first_waiter(struct run *root, const char *name)
{
	struct run *first = NULL;
	int64_t since_us = INT64_MAX;

	TREE_FOREACH(run, root) {
		const struct call *c = run->over ? NULL : waits_for_lock(run->task);
		if (c == NULL || strcmp(c->wants_lock, name) != 0 || c->killing || c->wait_since_us >= since_us)
			continue;
		first = run;
		since_us = c->wait_since_us;
	}
	return first;
}

static void grant(struct run *run, const char *call, const char *name)
{
	AUTO(freep) char *text = xasprintf("You hold the lock %s. Give it back with unlock as soon as you can.", name);

	run_emit(run, EVENT_LOCK_TAKEN, "call", call, json_pack("{s:s, s:s}", "call", call, "lock", name));
	call_close(run, task_call_find(run->task, call), "ok", text);
}

/* A lock may be free now: the first who waits has it. */
static void give_on(struct run *root, const char *name)
{
	char holder[ID_LEN + 1];
	struct run *first = first_waiter(root, name);

	if (first == NULL || holder_of(root, name, holder))
		return;
	AUTO(freep) char *lock = xstrdup(name), *call = xstrdup(waits_for_lock(first->task)->id);
	grant(first, call, lock);
	run_step(first);
}

/* ---- waits that never end ---- */

struct graph {
	struct wait_edge edges[LIMIT_WAIT_EDGES / 16];
	size_t count;
};

static void edge(struct graph *g, const struct run *from, const char *to, enum wait_kind kind, const char *name, int64_t since_us)
{
	if (g->count == COUNT(g->edges))
		return; /* who has that many waits beside is taken to go on */
	struct wait_edge *e = &g->edges[g->count++];
	*e = (struct wait_edge){ .kind = kind, .name = name, .since_us = since_us };
	memcpy(e->from, from->task->id, sizeof e->from);
	snprintf(e->to, sizeof e->to, "%s", to);
}

static void edges_of_slot(struct graph *g, const struct run *run, struct run *root)
{
	bool any = false;

	if (run->seat.lane == NULL || run->seat.holds)
		return;
	TREE_FOREACH(other, root)
		if (other->seat.holds) {
			edge(g, run, other->task->id, WAIT_SLOT, NULL, run->seat.since_us);
			any = true;
		}
	if (!any) /* other trees have them all, and theirs end */
		edge(g, run, "", WAIT_SLOT, NULL, run->seat.since_us);
}

static void edges_of(struct graph *g, struct run *run, struct run *root)
{
	const struct task *t = run->task;
	char holder[ID_LEN + 1];

	for (size_t i = 0; i < t->call_count; i++) {
		const struct call *c = &t->calls[i];
		for (size_t k = 0; c->phase == CALL_RUNNING && k < c->child_count; k++)
			if (!c->children[k].reported)
				edge(g, run, c->children[k].id, c->children[k].question ? WAIT_QUESTION : WAIT_CHILD, NULL, 0);
		if (c->phase == CALL_RUNNING && c->wants_lock != NULL && holder_of(root, c->wants_lock, holder))
			edge(g, run, holder, WAIT_LOCK, c->wants_lock, c->wait_since_us);
		if (c->phase == CALL_RUNNING && c->asks_person)
			edge(g, run, "", WAIT_QUESTION, NULL, 0);
	}
	if (t->approval_count > 0)
		edge(g, run, "", WAIT_APPROVAL, NULL, t->waiting_since_us);
	edges_of_slot(g, run, root);
}

/* The wait of one call ends, so that the others go on. Its agent is told why. */
static void break_cycle(struct run *root, const struct wait_cycle *cycle)
{
	const struct wait_edge *e = &cycle->edges[waits_victim(cycle)];
	AUTO(freep) char *drawn = waits_draw(cycle);

	TREE_FOREACH(run, root) {
		const struct call *c = strcmp(run->task->id, e->from) == 0 && !run->over ? waits_for_lock(run->task) : NULL;
		if (c == NULL)
			continue;
		AUTO(freep) char *call = xstrdup(c->id), *lock = xstrdup(c->wants_lock);
		AUTO(freep) char *text = xasprintf("Deadlock, not locked: %s. Your wait began last and was "
		                                   "ended. Give back what you hold with unlock and take the locks in alphabetical "
		                                   "order, go on without, or finish and report what stands in the way.", drawn);
		run_emit(run, EVENT_DEADLOCK_DETECTED, "call", call,
		         json_pack("{s:s, s:s, s:s, s:o, s:s}", "call", call, "lock", lock, "cycle", drawn, "edges", waits_json(cycle),
		                   "rule", "youngest"));
		call_close(run, task_call_find(run->task, call), "error", text);
		run_step(run);
		return;
	}
}

void locks_look(struct run *run)
{
	struct run *root = root_of(run);
	struct wait_cycle cycle;
	bool waits = false;

	TREE_FOREACH(other, root)
		waits |= !other->over && waits_for_lock(other->task) != NULL;
	if (!waits) /* without a lock nothing here waits in a circle */
		return;
	struct graph *g = xcalloc(1, sizeof *g);
	TREE_FOREACH(other, root)
		if (!other->over)
			edges_of(g, other, root);
	bool found = waits_find(g->edges, g->count, run->task->id, &cycle);
	if (found)
		break_cycle(root, &cycle);
	free(g);
}

/* ---- the tools ---- */

static void take(struct run *run, struct call *c, const char *name)
{
	char holder[ID_LEN + 1];
	struct run *root = root_of(run), *first = first_waiter(root, name);
	bool taken = holder_of(root, name, holder);

	if (holds_lock(run->task, name)) {
		call_close(run, c, "ok", "You hold this lock already.");
	} else if (json_object_size(run->task->locks) >= LIMIT_LOCKS_PER_TASK) {
		call_close(run, c, "error", "You hold too many locks; give some back with unlock first.");
	} else if (!taken && first == NULL) {
		grant(run, c->id, name);
	} else if (!json_get_bool(c->args, "wait", true)) {
		AUTO(freep) char *text = xasprintf("Not locked: task %s has the lock %s.", taken ? holder : first->task->id, name);
		call_close(run, c, "error", text);
	} else {
		run_emit(run, EVENT_LOCK_WAITING, "call", c->id,
		         json_pack("{s:s, s:s, s:s}", "call", c->id, "lock", name, "holder", taken ? holder : first->task->id));
		run_defer(run, DO_UNLOCK, c->id); /* looks again once this is durable */
	}
}

static void give_back(struct run *run, struct call *c, const char *name)
{
	if (!holds_lock(run->task, name)) {
		call_close(run, c, "error", "You do not hold this lock.");
		return;
	}
	run_emit(run, EVENT_LOCK_RELEASED, "call", c->id,
	         json_pack("{s:s, s:s, s:s}", "lock", name, "reason", "unlocked", "call", c->id));
	if (run->unlocking == NULL)
		run->unlocking = json_object();
	json_put_text(run->unlocking, name, c->id);
	run_defer(run, DO_UNLOCK, c->id);
	call_close(run, c, "ok", "Given back.");
}

void locks_act(struct run *run, struct call *c)
{
	AUTO(freep) char *name = xstrdup(json_get_text(c->args, "name", ""));

	if (tool_find(c->tool) == &tool_lock)
		take(run, c, name);
	else
		give_back(run, c, name);
}

void locks_freed(struct run *run, const char *call)
{
	const char *name;
	json_t *by;
	void *unused;
	struct run *root = root_of(run);
	const struct call *c = task_call_find(run->task, call);

	json_object_foreach_safe(run->unlocking, unused, name, by) {
		if (strcmp(json_string_value(by), call) != 0)
			continue;
		AUTO(freep) char *lock = xstrdup(name);
		json_object_del(run->unlocking, lock);
		give_on(root, lock);
	}
	if (c == NULL || c->phase != CALL_RUNNING || c->wants_lock == NULL)
		return;
	AUTO(freep) char *wanted = xstrdup(c->wants_lock);
	give_on(root, wanted); /* it may have come free meanwhile */
	locks_look(run);
}

void locks_over(struct run *run)
{
	const char *name;
	json_t *call;
	struct run *root = root_of(run);

	if (run->task->phase != PHASE_ENDED || root->over)
		return;
	json_object_foreach(run->task->locks, name, call)
		give_on(root, name);
}
