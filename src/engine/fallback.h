/* fallback.h - models that stand in for another: which there are, whether they may be asked, and the change itself. */
#ifndef MISHRI_ENGINE_FALLBACK_H
#define MISHRI_ENGINE_FALLBACK_H

#include "engine/run.h"

/* "openai/a, ollama/b" as a list of names. -EINVAL with what would be right. own: the model that they stand in for. The
 * caller owns *ret; NULL text: an empty list. */
MUST_USE int fallback_read(const char *text, const char *own, json_t **ret, struct err *err);

/* The chain of an agent: its own, or what the run has, without the model that it asks itself. profile, run: NULL: none. The
 * caller owns it. */
MUST_USE json_t *fallback_chain(const struct agent_profile *profile, const json_t *run, const char *model);

/* What a task must keep of it: `fallback`, `fallback_auth` and `retry` of its configuration. profile: NULL: none. above: the
 * configuration of the task that delegates; NULL: none. */
void fallback_config(const struct engine *engine, const struct agent_profile *profile, const json_t *above, const char *model,
                     json_t *config);

/* The conversation as the model in use may have it: without what only another provider understands, and without ids that only
 * another provider takes. The caller owns it. */
MUST_USE json_t *fallback_messages(const struct task *task);

/* Before the loop runs: models whose key comes from a command are opened. */
void fallback_open(struct engine *engine);
/* A task that goes on does so with the model that it was at, in the place of *model where that is another. -errno: it cannot be
 * had. */
MUST_USE int fallback_resume(struct engine *engine, const struct task *task, struct llm_model **model, struct err *err);

/* What task_decide must know; cheap where there is neither a chain nor a breaker. */
void fallback_see(struct run *run);
void fallback_switch(struct run *run, const struct step *step);  /* STEP_SWITCH_MODEL */

#endif
