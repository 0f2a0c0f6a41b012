/* inspect.h - what a program is that stands before its first instruction. */
#ifndef MISHRI_CELL_INSPECT_H
#define MISHRI_CELL_INSPECT_H

#include "cell/enter.h"

/* Read from the kernel, of a process that is stopped and cannot change. What cannot be read is untrusted. */
struct inspected {
	char program[PATH_MAX];       /* the real file: the script where one is run; "" when unreadable */
	char cwd[PATH_MAX];
	enum place origin;
	char why[256];                /* why untrusted; "" otherwise */
	char names[LIMIT_CELL_NAMES][256];
	size_t name_count, trusted_names;
	struct buf arguments;         /* NUL after each */
	bool arguments_too_long;      /* or more names than LIMIT_CELL_NAMES: policy cannot see all of them */
};

void inspected_init(struct inspected *what);
void inspected_done(struct inspected *what);
void inspect(pid_t pid, const struct places *places, struct inspected *ret);

#endif
