/* model_end.h - the model's end of a conversation, in this process: it answers one client at a time and notes when each
 * request was whole and when its reply was out. */
#ifndef MISHRI_BENCH_MODEL_END_H
#define MISHRI_BENCH_MODEL_END_H

#include "base/util.h"

struct exchange { int64_t received_us, sent_us; };       /* wall clock, as events have it */

/* Listens on loopback; *ret_port is the port. Ends the process when it cannot. */
int model_end_open(int *ret_port);

/* Answers with `calls` calls of shell, one a reply, then with a text; returns the number of requests, which is at most
 * calls + 1. ret has room for as many. Returns early when the client goes away. */
size_t model_end_serve(int listener, size_t calls, struct exchange *ret);

#endif
