/* beyond.c - what stops a program at the gate whatever policy says, and what policy is shown of it besides its own words.
 * It lets nothing through that policy would stop. */
#include "engine/run.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

/* Programs whose work is to trace another one. In a cell there is a tracer already, and a process can have one. */
static const char *const debuggers[] = { "strace", "ltrace", "gdb", "gdbserver", "gdb-multiarch", "rr", "lldb", "lldb-server",
                                         "cgdb" };

/* By the file's own name, not by what it is called: a name is easily given. */
static bool is_debugger(const struct cell_exec *exec)
{
	for (size_t i = 0; i < exec->trusted_names; i++)
		if (name_find(debuggers, COUNT(debuggers), exec->names[i]) >= 0)
			return true;
	return false;
}

bool exec_stopped(const struct cell_exec *exec, struct decision *d)
{
	const char *why = NULL;

	if (exec->unpermitted)
		why = "this call may start no program but its first: it was not granted `exec`";
	else if (is_debugger(exec))
		why = "a debugger cannot work in here: the exec gate traces every process of the cell, and a process has one"
		      " tracer; print from the program instead, or debug it outside of the cell";
	if (why == NULL)
		return false;
	*d = (struct decision){ .effect = EFFECT_DENY };
	snprintf(d->reason, sizeof d->reason, "%s", why);
	return true;
}

const char *exec_digest(const struct cell_exec *exec)
{
	return exec->hash_count > 0 && exec->hashes[0][0] != '\0' ? exec->hashes[0] : NULL;
}

/* git-push is git push: the command is a word of its own for the rules about git. */
const char **exec_words(const struct cell_exec *exec)
{
	static const char prefix[] = "git-";
	const char *command = NULL;
	bool git = false;

	for (size_t i = 0; i < exec->name_count; i++) {
		git |= strcmp(exec->names[i], "git") == 0;
		if (command == NULL && strncmp(exec->names[i], prefix, sizeof prefix - 1) == 0)
			command = exec->names[i] + sizeof prefix - 1;
	}
	if (!git || command == NULL || command[0] == '\0' || exec->argc == 0)
		return NULL;
	const char **words = xcalloc(exec->argc + 1, sizeof *words);
	words[0] = exec->argv[0];
	words[1] = command;
	memcpy(&words[2], &exec->argv[1], (exec->argc - 1) * sizeof *words);
	return words;
}
