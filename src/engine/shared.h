/* shared.h - values that many tasks have in common, kept once. Internal to engine/. */
#ifndef MISHRI_ENGINE_SHARED_H
#define MISHRI_ENGINE_SHARED_H

#include "base/json.h"
#include "base/limits.h"

struct shared_values {
	json_t *value[LIMIT_SHARED_VALUES];
	size_t next;
};

/* The same value, of which there is one. Takes `owned`; the caller owns what comes back, and changes nothing in it. */
MUST_USE json_t *shared_value(struct shared_values *shared, json_t *owned);
void shared_opening(struct shared_values *shared, json_t *data);  /* of task.created, before anybody has seen it */
void shared_forget(struct shared_values *shared);

#endif
