/* place.h - a workspace with the policy that holds in it. Internal to engine/. */
#ifndef MISHRI_ENGINE_PLACE_H
#define MISHRI_ENGINE_PLACE_H

#include "engine/reload.h"
#include "engine/run.h"

struct policy_place {
	struct policy_place *next;
	char *key;                     /* workspace and -p files; "": the engine's own */
	struct policy_home *home;      /* NULL: it never changes */
	const struct policy *policy;   /* in force now */
	struct policy **kept;          /* every set that was loaded for it: what is on its way may point into an old one */
	size_t kept_count;
	bool owned;                    /* the home is the place's */
};

void places_open(struct engine *engine);
void places_close(struct engine *engine);
void places_reap(struct engine *engine);                 /* forgets those that no run is in */
void place_keep(struct policy_place *place, struct policy *policy);   /* takes it over */

/* reload.c */
void policy_take(struct engine *engine, struct policy_place *place, const struct policy *policy);

#endif
