/* clock.c - reads the two clocks and writes UTC. */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/banned.h"

int64_t clock_wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_mono_ms(void)
{
	return clock_mono_ns() / 1000000;
}

const char *clock_format(int64_t wall_us, char text[static CLOCK_TEXT_BYTES])
{
	time_t seconds = (time_t)(wall_us / 1000000);
	int us = (int)(wall_us % 1000000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	size_t n = strftime(text, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, CLOCK_TEXT_BYTES - n, ".%06dZ", us);
	return text;
}

int clock_parse(const char *text, int64_t *ret_wall_us)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int us = 0, used = 0;

	if (rest == NULL || sscanf(rest, ".%6dZ%n", &us, &used) != 1 || rest[used] != '\0')
		return -EINVAL;
	int64_t wall_us = (int64_t)timegm(&tm) * 1000000 + us;
	char again[CLOCK_TEXT_BYTES];
	/* strptime and sscanf take signs, spaces and the 31st of February; clock_format writes none of them. */
	if (wall_us < 0 || strcmp(clock_format(wall_us, again), text) != 0)
		return -EINVAL;
	*ret_wall_us = wall_us;
	return 0;
}

const char *clock_span(int64_t ms, char *text, size_t size)
{
	long long s = ms / 1000;

	if (ms < 1000)
		snprintf(text, size, "%lld ms", (long long)ms);
	else if (s < 10)
		snprintf(text, size, "%lld.%lld s", s, (long long)(ms % 1000 / 100));
	else if (s < 60)
		snprintf(text, size, "%lld s", s);
	else if (s < 3600)
		snprintf(text, size, "%lld min %02lld s", s / 60, s % 60);
	else
		snprintf(text, size, "%lld h %02lld min", s / 3600, s % 3600 / 60);
	return text;
}
