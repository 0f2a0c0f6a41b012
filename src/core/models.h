/* models.h - which model a task asks: its own, or one of those that stand in for it. Pure. */
#ifndef MISHRI_CORE_MODELS_H
#define MISHRI_CORE_MODELS_H

#include "core/task.h"

/* "provider/model" at a place of the chain: 0 is the task's own, then those that stand in for it. Borrowed; NULL past the end. */
const char *task_model(const struct task *task, size_t at);

/* What is left of a failed request: another attempt, another model, or the end. Always a step. */
void models_after_failure(const struct task *task, const struct task_input *input, struct step *ret);

enum models_word { MODELS_GO, MODELS_STEP, MODELS_WAIT };
/* Before a request: may it go to the model that is in use? MODELS_STEP: *ret is what comes first. MODELS_WAIT: another task
 * tries the model just now, and whoever runs this asks again when that is over. */
enum models_word models_before_request(const struct task *task, const struct task_input *input, struct step *ret);

/* Folds, for task.c. */
void models_created(struct task *task, const json_t *config);
void models_resumed(struct task *task);
void models_replied(struct task *task);
int models_failed(struct task *task, const struct event *event, struct err *err);
int models_retried(struct task *task, const struct event *event, struct err *err);
int models_switched(struct task *task, const struct event *event, struct err *err);

#endif
