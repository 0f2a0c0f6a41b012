/* slots.c - the queue for worker slots. Who waits stands in a lane of those with the same user, provider and agent,
 * which are held up by the same limits; a lane is a heap. So who is next costs a look at the head of each lane, however
 * many wait. It refuses to know what a task is, and wakes nobody: its caller does. */
#include "core/slots.h"

#include "base/util.h"

#include <string.h>

#include "base/banned.h"

struct count {                         /* what one name holds */
	enum slot_scope scope;
	char *name;
	int64_t running, limit;        /* limit 0: none */
	uint64_t served;               /* of a user: when it last got one, counted in slots given */
	struct count *next;
};

struct slot_lane {
	struct count *counts[SLOT_SCOPES]; /* NULL: does not count there */
	struct slot_seat **heap;
	size_t count, room;
	struct slot_lane *next;
};

struct slots {
	int64_t limits[SLOT_SCOPES];
	struct count *counts;
	struct slot_lane *lanes;
	struct count *engine;
	uint64_t order, served;
	size_t waiting;
};

static const char *const scope_names[] = {
	[SLOT_ENGINE] = "engine", [SLOT_USER] = "user", [SLOT_PROVIDER] = "provider", [SLOT_AGENT] = "agent",
};

const char *slot_scope_name(enum slot_scope scope)
{
	return scope_names[scope];
}

int slots_provider(struct str *rest, struct str *ret_name, int64_t *ret_slots, struct err *err)
{
	struct str one, name;
	uint64_t n;

	if (!str_next(rest, ',', &one))
		return 0;
	const char *equals = memchr(one.ptr, '=', one.len);
	size_t len = equals != NULL ? (size_t)(equals - one.ptr) : one.len;
	name = str_trim((struct str){ one.ptr, len });
	if (name.len == 0 || equals == NULL || str_to_u64(str_trim(str_skip(one, len + 1)), &n) < 0 || n < 1 || n > LIMIT_SLOTS_MOST)
		return err_set(err, EINVAL, "'%.*s' is no provider with its slots: write NAME=N, NAME=N, such as openai=8, N from 1 to %d",
		               (int)MIN(one.len, (size_t)64), one.ptr, LIMIT_SLOTS_MOST);
	*ret_name = name;
	*ret_slots = (int64_t)n;
	return 1;
}

static struct count *count_of(struct slots *slots, enum slot_scope scope, const char *name)
{
	struct count *c = slots->counts;

	while (c != NULL && (c->scope != scope || strcmp(c->name, name) != 0))
		c = c->next;
	if (c == NULL) {
		c = xcalloc(1, sizeof *c);
		*c = (struct count){ .scope = scope, .name = xstrdup(name), .limit = slots->limits[scope], .next = slots->counts };
		slots->counts = c;
	}
	return c;
}

struct slots *slots_new(const int64_t limits[static SLOT_SCOPES])
{
	struct slots *slots = xcalloc(1, sizeof *slots);

	memcpy(slots->limits, limits, sizeof slots->limits);
	slots->engine = count_of(slots, SLOT_ENGINE, "");
	return slots;
}

void slots_free(struct slots *slots)
{
	if (slots == NULL)
		return;
	while (slots->lanes != NULL) {
		struct slot_lane *lane = slots->lanes;
		slots->lanes = lane->next;
		free(lane->heap);
		free(lane);
	}
	while (slots->counts != NULL) {
		struct count *c = slots->counts;
		slots->counts = c->next;
		free(c->name);
		free(c);
	}
	free(slots);
}

void slots_limit(struct slots *slots, enum slot_scope scope, const char *name, int64_t limit)
{
	count_of(slots, scope, name)->limit = limit;
}

static struct slot_lane *lane_of(struct slots *slots, const struct slot_want *want)
{
	struct count *counts[SLOT_SCOPES] = {
		[SLOT_ENGINE] = slots->engine,
		[SLOT_USER] = count_of(slots, SLOT_USER, want->user),
		[SLOT_PROVIDER] = want->provider != NULL ? count_of(slots, SLOT_PROVIDER, want->provider) : NULL,
		[SLOT_AGENT] = count_of(slots, SLOT_AGENT, want->agent),
	};
	struct slot_lane *lane = slots->lanes;

	while (lane != NULL && memcmp(lane->counts, counts, sizeof counts) != 0)
		lane = lane->next;
	if (lane == NULL) {
		lane = xcalloc(1, sizeof *lane);
		memcpy(lane->counts, counts, sizeof counts);
		lane->next = slots->lanes;
		slots->lanes = lane;
	}
	return lane;
}

/* ---- the heap of a lane ---- */

static int64_t rank(const struct slot_seat *seat)
{
	return seat->since_us - seat->priority * LIMIT_SLOT_STEP_US;
}

static bool before(const struct slot_seat *a, const struct slot_seat *b)
{
	return rank(a) != rank(b) ? rank(a) < rank(b) : a->order < b->order;
}

static void put(struct slot_lane *lane, size_t at, struct slot_seat *seat)
{
	lane->heap[at] = seat;
	seat->at = at;
}

static void sift(struct slot_lane *lane, size_t at)
{
	struct slot_seat *seat = lane->heap[at];

	for (; at > 0 && before(seat, lane->heap[(at - 1) / 2]); at = (at - 1) / 2)
		put(lane, at, lane->heap[(at - 1) / 2]);
	for (size_t child; (child = 2 * at + 1) < lane->count; at = child) {
		if (child + 1 < lane->count && before(lane->heap[child + 1], lane->heap[child]))
			child++;
		if (!before(lane->heap[child], seat))
			break;
		put(lane, at, lane->heap[child]);
	}
	put(lane, at, seat);
}

static void take_out(struct slots *slots, struct slot_seat *seat)
{
	struct slot_lane *lane = seat->lane;
	size_t at = seat->at;
	struct slot_seat *last = lane->heap[--lane->count];

	slots->waiting--;
	if (last == seat)
		return;
	put(lane, at, last);
	sift(lane, at);
}

/* ---- in and out ---- */

static void sit(struct slots *slots, struct slot_seat *seat, const struct slot_want *want)
{
	assert(seat->lane == NULL);
	seat->lane = lane_of(slots, want);
	seat->holds = false;
	seat->since_us = want->now_us;
	seat->priority = want->priority;
	seat->order = slots->order++;
}

void slots_enter(struct slots *slots, struct slot_seat *seat, const struct slot_want *want)
{
	sit(slots, seat, want);
	struct slot_lane *lane = seat->lane;
	if (lane->count == lane->room) {
		lane->room = lane->room > 0 ? lane->room * 2 : 8;
		lane->heap = xrealloc(lane->heap, lane->room * sizeof *lane->heap);
	}
	put(lane, lane->count++, seat);
	sift(lane, seat->at);
	slots->waiting++;
}

static void hold(struct slots *slots, struct slot_seat *seat)
{
	for (size_t i = 0; i < SLOT_SCOPES; i++)
		if (seat->lane->counts[i] != NULL)
			seat->lane->counts[i]->running++;
	seat->lane->counts[SLOT_USER]->served = ++slots->served;
	seat->holds = true;
}

void slots_force(struct slots *slots, struct slot_seat *seat, const struct slot_want *want)
{
	sit(slots, seat, want);
	hold(slots, seat);
}

void slots_leave(struct slots *slots, struct slot_seat *seat)
{
	if (seat->lane == NULL)
		return;
	for (size_t i = 0; seat->holds && i < SLOT_SCOPES; i++)
		if (seat->lane->counts[i] != NULL)
			seat->lane->counts[i]->running--;
	if (!seat->holds)
		take_out(slots, seat);
	seat->lane = NULL;
	seat->holds = false;
}

static const struct count *full(const struct slot_lane *lane)
{
	for (size_t i = 0; i < SLOT_SCOPES; i++)
		if (lane->counts[i] != NULL && lane->counts[i]->limit > 0 && lane->counts[i]->running >= lane->counts[i]->limit)
			return lane->counts[i];
	return NULL;
}

static bool goes_first(const struct slot_lane *a, const struct slot_lane *b)
{
	const struct count *mine = a->counts[SLOT_USER], *theirs = b->counts[SLOT_USER];

	if (mine->running != theirs->running)
		return mine->running < theirs->running;
	if (mine->served != theirs->served)
		return mine->served < theirs->served;
	return before(a->heap[0], b->heap[0]);
}

struct slot_seat *slots_next(struct slots *slots)
{
	struct slot_lane *best = NULL;

	for (struct slot_lane *lane = slots->waiting > 0 ? slots->lanes : NULL; lane != NULL; lane = lane->next)
		if (lane->count > 0 && full(lane) == NULL && (best == NULL || goes_first(lane, best)))
			best = lane;
	if (best == NULL)
		return NULL;
	struct slot_seat *seat = best->heap[0];
	take_out(slots, seat);
	hold(slots, seat);
	return seat;
}

void slots_why(const struct slots *slots, const struct slot_seat *seat, struct slot_state *ret)
{
	const struct count *why = full(seat->lane);
	struct slot_state state = { .scope = SLOT_SCOPES, .name = "" };

	if (why != NULL)
		state = (struct slot_state){ .scope = why->scope, .name = why->name, .running = why->running, .limit = why->limit };
	for (const struct slot_lane *lane = slots->lanes; lane != NULL; lane = lane->next)
		for (size_t i = 0; i < lane->count && lane->counts[SLOT_USER] == seat->lane->counts[SLOT_USER]; i++)
			state.ahead += before(lane->heap[i], seat);
	*ret = state;
}

size_t slots_waiting(const struct slots *slots)
{
	return slots->waiting;
}

int64_t slots_running(const struct slots *slots)
{
	return slots->engine->running;
}
