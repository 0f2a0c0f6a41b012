/* fetch_again.c - what of an answer, or of none, may pass: then the call ends in a way that says so, and the engine decides
 * whether it is run again. Runs in the cell, and waits for nothing itself. */
#include "tools/fetch.h"
#include "tools/seen.h"

#include <time.h>

#include "base/clock.h"

#include "base/banned.h"

static const int statuses[] = { 408, 425, 429, 502, 503, 504 };
static const int errors[] = { ECONNRESET, ECONNREFUSED, ECONNABORTED, EPIPE, EIO, ETIMEDOUT, EHOSTUNREACH };

static bool is_in(const int *list, size_t count, int number)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == number)
			return true;
	return false;
}

bool fetch_may_pass(const struct reply *reply, int error)
{
	return error < 0 ? is_in(errors, COUNT(errors), -error) : is_in(statuses, COUNT(statuses), reply->status);
}

int64_t fetch_wait_ms(struct str retry_after, int64_t now_wall_us)
{
	static const uint64_t year_s = 365 * 86400;
	char text[64];
	uint64_t seconds;
	struct tm tm = { 0 };

	if (retry_after.len == 0 || retry_after.len >= sizeof text)
		return -1;
	if (str_to_u64(retry_after, &seconds) == 0)
		return (int64_t)MIN(seconds, year_s) * 1000;
	memcpy(text, retry_after.ptr, retry_after.len);
	text[retry_after.len] = '\0';
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (end == NULL || *end != '\0')
		return -1;
	return MAX((int64_t)timegm(&tm) * 1000 - now_wall_us / 1000, (int64_t)0);
}

void fetch_tell_wait(const struct reply *reply)
{
	int64_t wait_ms = fetch_wait_ms(reply_header(reply, "retry-after"), clock_wall_us());

	if (wait_ms >= 0)
		seen_wait(wait_ms);
}
