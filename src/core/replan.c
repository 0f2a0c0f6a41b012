/* replan.c - a person wants the plan made anew. Until it is, nothing of the old one is given out and the task does not end by
 * itself; a model that goes on as before is told so, and at the third time stopped. What runs already comes to its end. */
#include "core/replan.h"

#include <string.h>

#include "base/banned.h"

bool replan_possible(const struct task *t)
{
	size_t i;
	json_t *name;

	json_array_foreach(t->tools, i, name)
		if (json_is_string(name) && strcmp(json_string_value(name), "plan") == 0)
			return true;
	return false;
}

bool replan_refuses(const struct task *t, const struct call *c, struct step *ret)
{
	bool begins = c->phase == CALL_PROPOSED || c->phase == CALL_ASKED || c->phase == CALL_ALLOWED || c->phase == CALL_WAITING ||
	              c->phase == CALL_LOST;

	if (!t->replan_due || !begins || c->child_count > 0 || (strcmp(c->tool, "delegate") != 0 && strcmp(c->tool, "finish") != 0))
		return false;
	*ret = (struct step){
		STEP_CLOSE_CALL, .call = (struct call *)c, .status = "invalid",
		.text = xasprintf("Not run: a person wants the plan made anew. Write all steps again with the tool plan, then %s.", c->tool),
	};
	return true;
}

bool replan_reminds(const struct task *t, struct step *ret)
{
	enum loop_level level = MIN(t->loops.told + 1, LOOP_STOP);

	if (!t->replan_due)
		return false;
	*ret = (struct step){
		STEP_WARN_LOOP, .status = loop_level_name(level),
		.loop = { .level = level, .kind = "no_plan", .length = 1, .count = (size_t)level },
		.text = level == LOOP_STOP
			? xstrdup("The task was stopped: a person wanted its plan made anew, was told of none, and it did not go on without one.")
			: xstrdup("[mishri] A person wants the plan made anew, and there is no new plan yet. Call the tool plan with all steps: "
			          "what is done stays done, what does not serve the goal any more is skipped. Then go on."),
	};
	return true;
}
