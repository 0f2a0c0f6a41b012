/* crowd.c - many agents that want to work at once: `crowd FIRST COUNT [v]`. Slots (core/slots.c) and the watch over waits
 * (core/waits.c) are the real ones; the agents are scripts that work, lock in any order, give out parts, ask and wait for both, stand at
 * the gate, are cancelled, and lose their engine. After each step is checked: nothing works without a slot, who waits holds none,
 * no limit is passed, no deadlock stays, and nobody waits for ever. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "core/slots.h"
#include "core/waits.h"

#include "base/banned.h"

enum { AGENTS = 40, OPS = 12, LOCKS = 3, USERS = 3, PROVIDERS = 2, PROFILES = 2, STEPS = 20000, TREES = 4 };
enum op { OP_MODEL, OP_TOOL, OP_LOCK, OP_UNLOCK, OP_ASK, OP_DELEGATE };
enum state { READY, WANTS_SLOT, WORKS, AT_GATE, WANTS_LOCK, WAITS_FOR_PARTS, ENDED };

struct agent {
	enum state state;
	int tree, parent, user, profile, parts; /* parts: that have not ended */
	int64_t priority, since_us;
	struct { enum op op; int lock; } script[OPS];
	int length, at;
	struct slot_seat seat;
	bool forced, answers;          /* answers: a question of the one above it, with one model call and nothing else */
	long others;                   /* that were let go on while it waited, after its time was longer than any head start */
};

struct world {
	uint64_t seed, random;
	bool verbose;
	int64_t now_us, limits[SLOT_SCOPES];
	struct slots *slots;
	struct agent agents[AGENTS];
	int count;
	int holder[TREES][LOCKS];      /* -1: nobody */
	struct sums { long starts, deadlocks, crashes, cancels, forced, asked, longest; } sums;
};

static const char *const users[] = { "ann", "bob", "cem" };
static const char *const providers[] = { "east", "west" };
static const char *const profiles[] = { "worker", "writer" };
static const char *const state_names[] = { "ready", "wants a slot", "works", "at the gate", "wants a lock", "waits for parts", "ended" };
static const char *const lock_names[] = { "a", "b", "c" };

static _Noreturn void broken(const struct world *w, const char *promise)
{
	printf("seed %llu breaks a promise: %s\n", (unsigned long long)w->seed, promise);
	for (int i = 0; i < w->count; i++)
		printf("agent %d of tree %d below %d, user %d, profile %d: %s, %d parts, op %d of %d, seat %s\n", i, w->agents[i].tree,
		       w->agents[i].parent, w->agents[i].user, w->agents[i].profile, state_names[w->agents[i].state], w->agents[i].parts,
		       w->agents[i].at, w->agents[i].length, w->agents[i].seat.holds ? "held" : "not held");
	exit(1);
}

#define PROMISE(w, condition, text) do { if (!(condition)) broken(w, text); } while (0)

static int pick(struct world *w, int below) /* splitmix64 */
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (int)((z ^ (z >> 31)) % (uint64_t)below);
}

static void say(const struct world *w, const char *what, const struct agent *a)
{
	if (w->verbose)
		printf("  %lld s: agent %d %s\n", (long long)(w->now_us / 1000000), (int)(a - w->agents), what);
}

/* ---- slots ---- */

static bool asks_model(const struct agent *a)
{
	return a->script[a->at].op == OP_MODEL;
}

static struct slot_want want_of(const struct world *w, const struct agent *a)
{
	return (struct slot_want){ .user = users[a->user], .provider = asks_model(a) ? providers[a->user % PROVIDERS] : NULL,
	                           .agent = profiles[a->profile], .priority = a->priority, .now_us = w->now_us };
}

/* How many others work that count where this one would: the world's own sums. */
static int64_t working(const struct world *w, const struct agent *of, enum slot_scope scope)
{
	int64_t sum = 0;

	for (int i = 0; i < w->count; i++) {
		const struct agent *a = &w->agents[i];
		if (a->state != WORKS || a == of)
			continue;
		sum += scope == SLOT_ENGINE || (scope == SLOT_USER && a->user == of->user) || (scope == SLOT_AGENT && a->profile == of->profile) ||
		       (scope == SLOT_PROVIDER && asks_model(a) && asks_model(of) && a->user % PROVIDERS == of->user % PROVIDERS);
	}
	return sum;
}

static void let_go_on(struct world *w)
{
	static const int64_t head_start_us = 6 * LIMIT_SLOT_STEP_US;
	struct slot_seat *seat;

	while ((seat = slots_next(w->slots)) != NULL) {
		struct agent *a = seat->owner;
		PROMISE(w, a->state == WANTS_SLOT && seat->holds, "only who asked for a slot gets one");
		for (enum slot_scope s = 0; s < SLOT_SCOPES; s++)
			PROMISE(w, s == SLOT_PROVIDER && !asks_model(a) ? true : working(w, a, s) < w->limits[s], "no limit is passed");
		a->state = WORKS;
		w->sums.starts++;
		w->sums.longest = MAX(w->sums.longest, a->others);
		say(w, "works", a);
		for (int i = 0; i < w->count; i++) {
			struct agent *other = &w->agents[i];
			if (other->state == WANTS_SLOT && w->now_us - other->seat.since_us > head_start_us)
				PROMISE(w, ++other->others < 4 * AGENTS, "nobody waits for a slot for ever");
		}
	}
}

/* ---- locks ---- */

static void edge(struct wait_edge *e, int from, int to, enum wait_kind kind, int lock, int64_t since_us)
{
	*e = (struct wait_edge){ .kind = kind, .name = lock >= 0 ? lock_names[lock] : NULL, .since_us = since_us };
	snprintf(e->from, sizeof e->from, "%d", from);
	if (to >= 0)
		snprintf(e->to, sizeof e->to, "%d", to);
}

static int lock_wanted(const struct agent *a)
{
	return a->state == WANTS_LOCK ? a->script[a->at].lock : -1;
}

static size_t graph(const struct world *w, int tree, struct wait_edge *edges, size_t room)
{
	size_t n = 0;

	for (int i = 0; i < w->count; i++) {
		const struct agent *a = &w->agents[i];
		if (a->tree != tree)
			continue;
		if (lock_wanted(a) >= 0 && w->holder[tree][lock_wanted(a)] >= 0 && n < room)
			edge(&edges[n++], i, w->holder[tree][lock_wanted(a)], WAIT_LOCK, lock_wanted(a), a->since_us);
		if (a->state == AT_GATE && n < room)
			edge(&edges[n++], i, -1, WAIT_APPROVAL, -1, 0);
		for (int k = 0; k < w->count && a->state == WAITS_FOR_PARTS; k++)
			if (w->agents[k].parent == i && w->agents[k].state != ENDED && n < room)
				edge(&edges[n++], i, k, w->agents[k].answers ? WAIT_QUESTION : WAIT_CHILD, -1, a->since_us);
		for (int k = 0; k < w->count && a->state == WANTS_SLOT; k++)
			if (w->agents[k].tree == tree && w->agents[k].state == WORKS && n < room)
				edge(&edges[n++], i, k, WAIT_SLOT, -1, a->seat.since_us);
	}
	return n;
}

static void give_on(struct world *w, int tree, int lock)
{
	struct agent *first = NULL;

	for (int i = 0; i < w->count; i++) {
		struct agent *a = &w->agents[i];
		if (a->tree == tree && lock_wanted(a) == lock && (first == NULL || a->since_us < first->since_us))
			first = a;
	}
	w->holder[tree][lock] = first != NULL ? (int)(first - w->agents) : -1;
	if (first == NULL)
		return;
	say(w, "gets its lock", first);
	first->state = READY;
	first->at++;
}

static void give_back_all(struct world *w, const struct agent *a)
{
	for (int i = 0; i < LOCKS; i++)
		if (w->holder[a->tree][i] == (int)(a - w->agents))
			give_on(w, a->tree, i);
}

/* A wait has begun: where it closes a circle, one wait of it ends, and its agent gives back what it holds and goes on without. */
static void look(struct world *w, int start)
{
	struct wait_edge edges[AGENTS * 4];
	struct wait_cycle cycle;
	char name[ID_LEN + 1];
	size_t count = graph(w, w->agents[start].tree, edges, COUNT(edges));

	snprintf(name, sizeof name, "%d", start);
	if (!waits_find(edges, count, name, &cycle))
		return;
	const struct wait_edge *e = &cycle.edges[waits_victim(&cycle)];
	uint64_t at = 0;
	PROMISE(w, str_to_u64(str_of(e->from), &at) == 0 && w->agents[at].state == WANTS_LOCK, "what is ended is a wait for a lock");
	struct agent *victim = &w->agents[at];
	for (size_t i = 0; i < cycle.count; i++)
		PROMISE(w, cycle.edges[i].kind != WAIT_LOCK || cycle.edges[i].since_us <= victim->since_us, "the youngest wait for a lock ends");
	say(w, "is told of a deadlock", victim);
	w->sums.deadlocks++;
	victim->state = READY;
	victim->at++;
	give_back_all(w, victim);
}

static void lock(struct world *w, struct agent *a, int name)
{
	int *holder = &w->holder[a->tree][name], self = (int)(a - w->agents);

	if (*holder < 0 || *holder == self) {
		*holder = self;
		a->at++;
		return;
	}
	a->state = WANTS_LOCK;
	a->since_us = w->now_us;
	say(w, "waits for a lock", a);
	look(w, self);
}

/* ---- agents ---- */

static void write_script(struct world *w, struct agent *a, int depth)
{
	a->length = 2 + pick(w, OPS - 2);
	for (int i = 0; i < a->length; i++) {
		int n = pick(w, 100);
		a->script[i].op = n < 35 ? OP_MODEL : n < 55 ? OP_TOOL : n < 80 ? OP_LOCK : n < 88 ? OP_UNLOCK
			: n < 92 || depth > 1 ? depth > 0 ? OP_ASK : OP_UNLOCK : OP_DELEGATE;
		a->script[i].lock = pick(w, LOCKS);
	}
}

static int depth_of(const struct world *w, int agent)
{
	int depth = 0;

	while (w->agents[agent].parent >= 0) {
		agent = w->agents[agent].parent;
		depth++;
	}
	return depth;
}

static struct agent *agent_new(struct world *w, int tree, int parent)
{
	assert(w->count < AGENTS);
	struct agent *a = &w->agents[w->count++];
	*a = (struct agent){ .tree = tree, .parent = parent, .user = parent >= 0 ? w->agents[parent].user : tree % USERS,
	                     .profile = pick(w, PROFILES), .priority = pick(w, 7) - 3 };
	a->seat.owner = a;
	write_script(w, a, depth_of(w, (int)(a - w->agents)));
	return a;
}

static void over(struct world *w, struct agent *a)
{
	say(w, "ends", a);
	slots_leave(w->slots, &a->seat);
	a->state = ENDED;
	give_back_all(w, a);
	if (a->parent < 0)
		return;
	struct agent *above = &w->agents[a->parent];
	if (--above->parts == 0 && above->state == WAITS_FOR_PARTS) {
		above->state = READY;
		above->at++;
	}
}

static void delegate(struct world *w, struct agent *a)
{
	int wanted = 1 + pick(w, 4), parts = MIN(wanted, AGENTS - w->count);

	if (parts == 0) {
		a->at++;
		return;
	}
	a->state = WAITS_FOR_PARTS;
	a->parts = parts;
	for (int i = 0; i < parts; i++)
		agent_new(w, a->tree, (int)(a - w->agents));
	say(w, "gives parts out", a);
	look(w, (int)(a - w->agents));
}

/* Who is above is not woken; somebody answers in its name. */
static void ask(struct world *w, struct agent *a)
{
	if (w->count == AGENTS) {
		a->at++;
		return;
	}
	struct agent *other = agent_new(w, a->tree, (int)(a - w->agents));
	other->answers = true;
	other->length = 1;
	other->script[0].op = OP_MODEL;
	a->state = WAITS_FOR_PARTS;
	a->parts = 1;
	a->since_us = w->now_us;
	w->sums.asked++;
	say(w, "asks", a);
	look(w, (int)(a - w->agents));
}

static void goes_on(struct world *w, struct agent *a)
{
	if (a->at >= a->length) {
		over(w, a);
		return;
	}
	switch (a->script[a->at].op) {
	case OP_MODEL:
	case OP_TOOL: {
		struct slot_want want = want_of(w, a);
		a->state = WANTS_SLOT;
		a->others = 0;
		a->forced = false;
		slots_enter(w->slots, &a->seat, &want);
		break;
	}
	case OP_LOCK: lock(w, a, a->script[a->at].lock); break;
	case OP_UNLOCK:
		if (w->holder[a->tree][a->script[a->at].lock] == (int)(a - w->agents))
			give_on(w, a->tree, a->script[a->at].lock);
		a->at++;
		break;
	case OP_ASK: ask(w, a); break;
	case OP_DELEGATE: delegate(w, a); break;
	}
}

/* A program asks a person, and gives its slot back until then; it goes on at once, whatever the limits say. */
static void at_gate(struct world *w, struct agent *a)
{
	struct slot_want want = want_of(w, a);

	if (a->state == WORKS) {
		slots_leave(w->slots, &a->seat);
		a->state = AT_GATE;
		return;
	}
	slots_force(w->slots, &a->seat, &want);
	a->state = WORKS;
	a->forced = true;
	w->sums.forced++;
}

static void work_ends(struct world *w, struct agent *a)
{
	slots_leave(w->slots, &a->seat);
	a->state = READY;
	a->at++;
}

static void cancel(struct world *w, int agent)
{
	for (int i = w->count; i-- > agent + 1;)
		if (w->agents[i].parent == agent && w->agents[i].state != ENDED)
			cancel(w, i);
	if (w->agents[agent].state != ENDED)
		over(w, &w->agents[agent]);
	w->sums.cancels++;
}

static void slots_begin(struct world *w)
{
	w->slots = slots_new(w->limits);
	slots_limit(w->slots, SLOT_PROVIDER, providers[0], w->limits[SLOT_PROVIDER]);
}

/* Slots are in the engine's memory, locks in the store. What worked works again; who waited waits again. */
static void crash(struct world *w)
{
	slots_free(w->slots);
	slots_begin(w);
	for (int i = 0; i < w->count; i++) {
		struct agent *a = &w->agents[i];
		memset(&a->seat, 0, sizeof a->seat);
		a->seat.owner = a;
		if (a->state == WANTS_SLOT || a->state == WORKS || a->state == AT_GATE)
			a->state = READY;
	}
	w->sums.crashes++;
}

/* ---- promises ---- */

static void check(struct world *w)
{
	struct wait_edge edges[AGENTS * 4];
	struct wait_cycle cycle;
	char name[ID_LEN + 1];

	for (int i = 0; i < w->count; i++) {
		const struct agent *a = &w->agents[i];
		PROMISE(w, a->seat.holds == (a->state == WORKS), "who works has a slot, and who waits has none");
		size_t count = a->state == WANTS_LOCK || a->state == WAITS_FOR_PARTS ? graph(w, a->tree, edges, COUNT(edges)) : 0;
		snprintf(name, sizeof name, "%d", i);
		PROMISE(w, count == 0 || !waits_find(edges, count, name, &cycle), "no deadlock stays");
		if (lock_wanted(a) >= 0)
			PROMISE(w, w->holder[a->tree][lock_wanted(a)] >= 0, "nobody waits for a lock that is free");
	}
}

/* One that can do something now, from a random one on; NULL: none can. */
static struct agent *somebody(struct world *w)
{
	int from = pick(w, w->count);

	for (int i = 0; i < w->count; i++) {
		struct agent *a = &w->agents[(from + i) % w->count];
		if (a->state == READY || a->state == WORKS || a->state == AT_GATE)
			return a;
	}
	return NULL;
}

static bool all_ended(const struct world *w)
{
	for (int i = 0; i < w->count; i++)
		if (w->agents[i].state != ENDED)
			return false;
	return true;
}

static void step(struct world *w)
{
	struct agent *a = somebody(w);
	int what = pick(w, 1000);

	PROMISE(w, a != NULL, "as long as not all have ended, somebody can go on");
	w->now_us += pick(w, 2000000) + 1;
	if (what < 4)
		crash(w);
	else if (what < 10)
		cancel(w, pick(w, w->count));
	else if (a->state == READY)
		goes_on(w, a);
	else if (a->state == AT_GATE || (what < 150 && !asks_model(a)))
		at_gate(w, a);
	else
		work_ends(w, a);
	let_go_on(w);
	check(w);
}

static void run_seed(uint64_t seed, bool verbose, struct sums *sums)
{
	struct world w = { .seed = seed, .random = seed, .verbose = verbose, .now_us = 1, .sums = *sums };
	int trees = 1 + pick(&w, TREES), steps = 0;

	w.limits[SLOT_ENGINE] = 1 + pick(&w, 3);
	w.limits[SLOT_USER] = 1 + pick(&w, 3);
	w.limits[SLOT_PROVIDER] = 1 + pick(&w, 2);
	w.limits[SLOT_AGENT] = 1 + pick(&w, 3);
	memset(w.holder, 0xff, sizeof w.holder); /* -1 in each */
	slots_begin(&w);
	for (int i = 0; i < trees; i++)
		agent_new(&w, i, -1);
	while (!all_ended(&w) && steps++ < STEPS)
		step(&w);
	PROMISE(&w, all_ended(&w), "all come to their end");
	PROMISE(&w, slots_running(w.slots) == 0 && slots_waiting(w.slots) == 0, "no slot is left behind");
	slots_free(w.slots);
	*sums = w.sums;
}

int main(int argc, char **argv)
{
	uint64_t first = 1, count = 1000;
	struct sums sums = { 0 };

	if (argc > 1 && str_to_u64(str_of(argv[1]), &first) < 0)
		return 2;
	if (argc > 2 && str_to_u64(str_of(argv[2]), &count) < 0)
		return 2;
	for (uint64_t seed = first; seed < first + count; seed++)
		run_seed(seed, argc > 3, &sums);
	printf("%llu crowds: %ld works begun, %ld beyond the limits, %ld deadlocks broken, %ld questions, %ld crashes, %ld cancels; at most %ld others went "
	       "before one whose time had come\n", (unsigned long long)count, sums.starts, sums.forced, sums.deadlocks, sums.asked,
	       sums.crashes, sums.cancels, sums.longest);
	return 0;
}
