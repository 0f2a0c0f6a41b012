/* failure.c - the table of kinds of failure, and how long to wait before another attempt. It does not decide whether
 * there is one: that is models.c for models and task.h for calls. */
#include "core/failure.h"

#include <string.h>

#include "base/limits.h"
#include "base/banned.h"

static const struct failure_row rows[] = {
	[FAILURE_TERMINAL] = { "terminal", "the same again would fail the same way", false, false, false, 1 },
	[FAILURE_TRANSIENT] = { "transient", "it may pass: network, overload, too many requests, a stream that was cut", true, true,
	                        true, 5 },
	[FAILURE_QUOTA] = { "quota", "money or quota is used up; only a person can change that", false, true, true, 5 },
	[FAILURE_AUTH] = { "auth", "the key is not accepted; only a person can change that", false, true, false, 4 },
	[FAILURE_REPLAY_UNSAFE] = { "replay-unsafe", "it may have taken effect, so doing it again might do it twice", false, false,
	                            false, 1 },
	[FAILURE_BREAKER] = { "breaker", "nothing was asked: the model failed so often that it is left alone for a while", true, true,
	                      false, 5 },
	[FAILURE_CANCELLED] = { "cancelled", "a person or the engine stopped it", false, false, false, 1 },
};
_Static_assert(COUNT(rows) == FAILURE_KINDS, "every kind has a row");

const struct failure_row *failure_row(enum failure kind)
{
	assert((size_t)kind < COUNT(rows));
	return &rows[kind];
}

const char *failure_name(enum failure kind)
{
	return failure_row(kind)->name;
}

enum failure failure_find(const char *name)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return (enum failure)i;
	return FAILURE_TERMINAL;
}

int64_t retry_delay_ms(int attempt, int64_t retry_after_ms, uint32_t random)
{
	assert(attempt >= 1);

	int64_t bound = LIMIT_RETRY_BASE_MS;
	for (int i = 1; i < attempt && bound < LIMIT_RETRY_CAP_MS; i++)
		bound *= 2;
	int64_t delay_ms = (int64_t)random % (MIN(bound, LIMIT_RETRY_CAP_MS) + 1);
	if (retry_after_ms < 0)
		return delay_ms;
	/* The provider's word is a floor; up to a fifth more, so that clients do not come back as one. */
	return MAX(delay_ms, retry_after_ms + (int64_t)random % (retry_after_ms / 5 + 1));
}
