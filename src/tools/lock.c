/* lock.c - the tools by which agents of one tree keep out of each other's way. The engine carries them out itself
 * (engine/locks.c). A lock is a word among agents: it keeps no program from anything. */
#include "tools/rows.h"

#include "base/banned.h"

#define NAME "\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":64,\"pattern\":\"^[A-Za-z0-9._/-]+$\"," \
             "\"description\":\"what is meant, e.g. a path or a branch\"}"

const struct tool tool_lock = {
	.name = "lock",
	.about = "Take a named lock, so that no other agent of this work has it at the same time; waits until it is free. Give it "
		 "back with unlock as soon as you can. Who needs several takes them in alphabetical order.",
	.category = "agent",
	.risk = "low",
	.permissions = "",
	.nature = NATURE_IDEMPOTENT,   /* who holds it already is told so */
	.control = true,
	.schema = "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\"],\"properties\":{" NAME ","
		  "\"wait\":{\"type\":\"boolean\",\"description\":\"false: say at once that somebody else has it\"}}}",
};

const struct tool tool_unlock = {
	.name = "unlock",
	.about = "Give a named lock back. At the end of your task all that you hold are given back.",
	.category = "agent",
	.risk = "low",
	.permissions = "",
	.nature = NATURE_IDEMPOTENT,
	.control = true,
	.schema = "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\"],\"properties\":{" NAME "}}",
};
