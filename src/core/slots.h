/* slots.h - who may work next, where more want to work than may at once. Pure: no I/O, no clock, no chance.
 *
 * A slot is for work (a model call, a tool that runs), not for being there. It counts in up to four places: for the
 * engine, the task's user, the provider that is asked (model calls), the agent profile. The order among those who
 * wait: the user with the fewest slots, then the user who was served longest ago; where users are alike and within one
 * user, who waits longest, where a step of priority is worth LIMIT_SLOT_STEP_US of waiting. So no priority keeps another
 * one out for ever. */
#ifndef MISHRI_CORE_SLOTS_H
#define MISHRI_CORE_SLOTS_H

#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"

enum slot_scope { SLOT_ENGINE, SLOT_USER, SLOT_PROVIDER, SLOT_AGENT, SLOT_SCOPES };

struct slots;
struct slot_lane;

/* A place in the queue, embedded in who waits; all zero before its first use. It must not move while it is taken. */
struct slot_seat {
	struct slot_lane *lane;        /* NULL: neither waits nor holds one */
	bool holds;
	int64_t since_us;              /* when it was asked for */
	int64_t priority;
	size_t at;                     /* place in the lane, while it waits */
	uint64_t order;
	void *owner;                   /* of the caller */
};

struct slot_want {
	const char *user, *provider, *agent; /* borrowed for the call; provider NULL: no model is asked */
	int64_t priority, now_us;
};

struct slot_state {                    /* why a seat waits */
	enum slot_scope scope;         /* the first that is full; SLOT_SCOPES: there is room, others come first */
	const char *name;              /* of it, "" for the engine; borrowed */
	int64_t running, limit;
	size_t ahead;                  /* seats of the same user that come before it, about */
};

/* limits: by scope, what one name may hold at once; 0: no limit. */
MUST_USE struct slots *slots_new(const int64_t limits[static SLOT_SCOPES]);
void slots_free(struct slots *slots);                     /* NULL is fine; no seat may be used after it */
/* Another limit for one name, such as a provider. */
void slots_limit(struct slots *slots, enum slot_scope scope, const char *name, int64_t limit);

void slots_enter(struct slots *slots, struct slot_seat *seat, const struct slot_want *want);   /* waits from now on */
/* Takes one whatever the limits say: work that goes on and cannot wait. */
void slots_force(struct slots *slots, struct slot_seat *seat, const struct slot_want *want);
void slots_leave(struct slots *slots, struct slot_seat *seat);  /* gives back, or waits no more; nothing where it did neither */
/* The next that has one from now on; NULL: nobody waits, or nobody who waits has room. */
struct slot_seat *slots_next(struct slots *slots);

void slots_why(const struct slots *slots, const struct slot_seat *seat, struct slot_state *ret);
/* Reads the next of "NAME=N, NAME=N" from *rest: 1; 0: there is none left; -EINVAL: err (may be NULL) says what would be
 * right. *ret_name is a part of the text. */
MUST_USE int slots_provider(struct str *rest, struct str *ret_name, int64_t *ret_slots, struct err *err);
const char *slot_scope_name(enum slot_scope scope);       /* engine, user, provider, agent */
size_t slots_waiting(const struct slots *slots);
int64_t slots_running(const struct slots *slots);

#endif
