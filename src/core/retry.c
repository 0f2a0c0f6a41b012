/* retry.c - how long to wait before the next attempt. It does not decide whether there is one. */
#include "core/task.h"

#include "base/banned.h"

int64_t retry_delay_ms(int attempt, int64_t retry_after_ms, uint32_t random)
{
	assert(attempt >= 1);

	int64_t bound = LIMIT_RETRY_BASE_MS;
	for (int i = 1; i < attempt && bound < LIMIT_RETRY_CAP_MS; i++)
		bound *= 2;
	bound = MIN(bound, LIMIT_RETRY_CAP_MS);
	if (retry_after_ms < 0)
		return (int64_t)random % (bound + 1);
	/* The provider's word is a floor; up to a fifth more, so that clients do not come back as one. */
	return retry_after_ms + (int64_t)random % (retry_after_ms / 5 + 1);
}
