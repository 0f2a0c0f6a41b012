/* mock_start.h - starts bench/mock_model, and sorts what was measured around it. */
#ifndef MISHRI_BENCH_MOCK_START_H
#define MISHRI_BENCH_MOCK_START_H

#include <sys/types.h>

#include "base/util.h"

struct mock {
	pid_t pid;
	int in;
	long port;
};

/* The program that lies next to the caller's; ends the process when it cannot be started. */
struct mock mock_start(uint64_t calls_per_conversation);
void mock_stop(struct mock *mock);

/* The time below which the share lies, in microseconds. Sorts the times. */
double time_at_us(int64_t *ns, size_t count, double share);

#endif
