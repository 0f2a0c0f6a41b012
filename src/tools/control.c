/* control.c - the tools by which a master leads: they act on the task, not on the machine. The engine
 * carries them out itself (engine/control.c); no cell is involved, so they have neither plan nor run. */
#include "tools/rows.h"

#include "base/banned.h"

const struct tool tool_plan_steps = {
	.name = "plan",
	.about = "Write down the plan, or change it: the whole list of steps each time. A step may wait for others ('after'). "
		 "Delegating a step and its report move its state on by themselves.",
	.category = "agent",
	.risk = "low",
	.permissions = "",
	.nature = NATURE_IDEMPOTENT,
	.control = true,
	.schema = "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"steps\"],\"properties\":{\"steps\":{"
		  "\"type\":\"array\",\"minItems\":1,\"maxItems\":64,\"items\":{\"type\":\"object\",\"additionalProperties\":false,"
		  "\"required\":[\"id\",\"title\"],\"properties\":{"
		  "\"id\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":32,\"description\":\"short, e.g. 1, 2a\"},"
		  "\"title\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":500},"
		  "\"after\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"description\":\"ids of steps that must be done first\"},"
		  "\"state\":{\"enum\":[\"pending\",\"running\",\"done\",\"failed\",\"skipped\"]}}}}}}",
};

const struct tool tool_delegate = {
	.name = "delegate",
	.about = "Give parts of the work to workers that run side by side, each with the tools and the workspace but without "
		 "this conversation: say in the goal all that a worker must know. Returns their reports when all have ended.",
	.category = "agent",
	.risk = "low",
	.permissions = "agent",
	.nature = NATURE_IDEMPOTENT, /* children are found again by their ids */
	.control = true,
	.schema = "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"tasks\"],\"properties\":{\"tasks\":{"
		  "\"type\":\"array\",\"minItems\":1,\"maxItems\":64,\"items\":{\"type\":\"object\",\"additionalProperties\":false,"
		  "\"required\":[\"goal\"],\"properties\":{"
		  "\"goal\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":100000,\"description\":\"what to do and what to report\"},"
		  "\"step\":{\"type\":\"string\",\"description\":\"id of the step of the plan that this carries out\"},"
		  "\"agent\":{\"type\":\"string\",\"description\":\"an agent profile; worker when not given\"}}}}}}",
};

const struct tool tool_ask_user = {
	.name = "ask_user",
	.about = "Ask the person something that you cannot find out yourself. There may be nobody; then decide yourself.",
	.category = "agent",
	.risk = "low",
	.permissions = "",
	.nature = NATURE_IDEMPOTENT,
	.control = true,
	.schema = "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"question\"],\"properties\":{"
		  "\"question\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":10000}}}",
};

const struct tool tool_ask_master = {
	.name = "ask_master",
	.about = "Ask the agent that gave you this work something that only it can know: what it wants, what others found, which "
		 "way to take. It answers from its conversation. Do not ask what you can find out or decide yourself.",
	.category = "agent",
	.risk = "low",
	.permissions = "",
	.nature = NATURE_IDEMPOTENT,   /* the task that answers is found again by its id */
	.control = true,
	.schema = "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"question\"],\"properties\":{"
		  "\"question\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":10000,"
		  "\"description\":\"with all that is needed to answer it: your master does not see your work\"}}}",
};

const struct tool tool_finish = {
	.name = "finish",
	.about = "End the task with its result: a report for the person, with what was done and what was not.",
	.category = "agent",
	.risk = "low",
	.permissions = "",
	.nature = NATURE_IDEMPOTENT,
	.control = true,
	.schema = "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"result\"],\"properties\":{"
		  "\"result\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1000000}}}",
};
