/* breaker.h - one breaker a model: after too many failures in a row nobody of this engine asks it for a while, then one
 * request is let through, and by what comes of it the breaker closes or stays open. */
#ifndef MISHRI_ENGINE_BREAKER_H
#define MISHRI_ENGINE_BREAKER_H

#include "engine/run.h"

/* What a task may know of a model before it asks. */
void breaker_see(const struct engine *engine, const char *model, struct model_sight *ret);
/* This run is about to ask: where the breaker lets one request through, it is this one. */
void breaker_enter(struct run *run, const char *model);
/* What came of it. */
void breaker_success(struct run *run, const char *model);
void breaker_failure(struct run *run, const char *model, enum failure kind, const struct llm_failure *why);
void breaker_leave(const struct run *run);                       /* the run is gone, or does not ask after all */

/* [{"model","state":"closed|open|trying","failures","until_us","reason"}] of all models that failed lately; the caller owns it. */
MUST_USE json_t *breakers_json(const struct engine *engine);
void breakers_free(struct engine *engine);

#endif
