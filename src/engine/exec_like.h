/* exec_like.h - a program that stands at the gate for longer than a moment, kept as JSON and made a program again. Internal to
 * engine/. */
#ifndef MISHRI_ENGINE_EXEC_LIKE_H
#define MISHRI_ENGINE_EXEC_LIKE_H

#include "engine/run.h"

/* What a decision reads of a program beside what exec.decided says of it. The caller owns it. */
MUST_USE json_t *exec_shape(const struct cell_exec *exec);

struct exec_like {                     /* borrows from the JSON that it was made of */
	struct cell_exec exec;         /* as it arrived: call exec_like_done before the JSON goes */
	const char *names[LIMIT_CELL_NAMES], *hashes[LIMIT_CELL_PROGRAM_HASHES];
	const char **argv;
};
/* facts: exec.decided; shape: exec_shape of the same. */
void exec_like_init(struct exec_like *like, uint32_t id, const json_t *facts, const json_t *shape);
void exec_like_done(struct exec_like *like);

/* What policy says of it now. */
void exec_like_decide(const struct run *run, const struct exec_like *like, struct decision *ret);
/* The line for its stderr, should it be refused, up to the reason. The caller owns it. */
MUST_USE char *exec_like_refusal(const struct exec_like *like, const char *rule);

#endif
