/* stop.h - the signals that ask a process to come to rest: SIGINT, SIGTERM, and SIGHUP unless it was ignored from the start
 * (nohup). One a process. */
#ifndef MISHRI_ENGINE_STOP_H
#define MISHRI_ENGINE_STOP_H

#include "engine/loop.h"

/* From now on these signals end nothing by themselves: each calls fn on the loop, and is known to stop_asked at once, also
 * while the loop stands. */
MUST_USE int stop_watch(struct loop *loop, void (*fn)(void *userdata, int signo), void *userdata, struct err *err);
void stop_unwatch(void);               /* the loop ends; what was asked stays known, and nothing dies of a signal */

struct stop_state { int count, first_signo; int64_t first_ms, second_ms; };   /* monotonic; 0: not yet */
struct stop_state stop_asked(void);    /* from any thread */
const char *stop_name(int signo);      /* "SIGTERM" */

#endif
