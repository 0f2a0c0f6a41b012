/* replay.h - recorded actions, put to a policy again. */
#ifndef MISHRI_CLI_REPLAY_H
#define MISHRI_CLI_REPLAY_H

#include "policy/policy.h"
#include "store/store.h"

struct replayed {                        /* borrowed during the visit */
	const struct event *event;       /* the decision */
	const struct action *action;
	const struct facts *facts;
	const json_t *args;              /* of a tool call */
	const char *call;                /* id within the task */
	const char *effect, *rule;       /* as they were; rule NULL: the default */
};

/* Every decision that policy made at since_us or later, oldest first. task: of its tree only; NULL: of all. Facts that no
 * event keeps are unknown, and doubt opens nothing. */
MUST_USE int replay(struct store *store, const char *task, int64_t since_us,
                    void (*visit)(void *userdata, const struct replayed *action), void *userdata, struct err *err);
/* As the engine would decide: with what it adds for its own tools. */
void replay_decide(const struct policy *policy, const struct replayed *action, struct decision *ret);
/* The action in one line. The caller owns it. */
char *replay_text(const struct replayed *action);

#endif
