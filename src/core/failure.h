/* failure.h - kinds of failure, and what helps against each: asking again, asking another model, or neither. The one
 * table that models, tools, the engine and the documents go by. Pure. */
#ifndef MISHRI_CORE_FAILURE_H
#define MISHRI_CORE_FAILURE_H

#include "base/util.h"

enum failure {
	FAILURE_TERMINAL,       /* 0 is the safest: nothing is tried again */
	FAILURE_TRANSIENT,
	FAILURE_QUOTA,
	FAILURE_AUTH,
	FAILURE_REPLAY_UNSAFE,
	FAILURE_BREAKER,
	FAILURE_CANCELLED,
	FAILURE_KINDS
};

struct failure_row {
	const char *name;       /* as events have it */
	const char *about;
	bool again;             /* the same may be asked for again, after a while */
	bool elsewhere;         /* another model may be asked for it */
	bool counts;            /* against the model, until its breaker opens */
	int exit;               /* of a task that ends by it */
};

const struct failure_row *failure_row(enum failure kind);
const char *failure_name(enum failure kind);
enum failure failure_find(const char *name);      /* what is unknown (a newer version wrote it) is terminal */

/* Full jitter over an exponential: 1 s, 2 s, 4 s ... at most 30 s. retry_after_ms (or -1) is a floor, with up to a
 * fifth more. random: any value. attempt: how many failed, from 1. Pure. */
int64_t retry_delay_ms(int attempt, int64_t retry_after_ms, uint32_t random);

#endif
