/* loop.h - the event loop: readable descriptors, timers, signals. A thin skin over libevent, whose
 * `struct event` is not our struct event (core/event.h); only loop.c sees both worlds. */
#ifndef MISHRI_ENGINE_LOOP_H
#define MISHRI_ENGINE_LOOP_H

#include "base/err.h"

struct event_base;
struct loop;
struct watch;
typedef void watch_fn(void *userdata);

MUST_USE int loop_new(struct loop **ret, struct err *err);
void loop_free(struct loop *loop);
void loop_freep(struct loop **loop);
struct event_base *loop_base(struct loop *loop);     /* for libraries that bring their own watchers */
void loop_run(struct loop *loop);                    /* until loop_stop */
void loop_stop(struct loop *loop);                   /* after the callback that is running */
/* The longest that one callback took in the last one to two minutes: so long everything else had to wait. Watches of other
 * libraries are not counted. */
int64_t loop_longest_us(struct loop *loop);

/* Each calls fn(userdata) on the loop. fd: whenever it is readable. timer: once after watch_arm.
 * signal: once per delivery. Freed by watch_free, which may be called from inside fn. */
MUST_USE struct watch *watch_fd(struct loop *loop, int fd, watch_fn *fn, void *userdata);
MUST_USE struct watch *watch_timer(struct loop *loop, watch_fn *fn, void *userdata);
MUST_USE struct watch *watch_signal(struct loop *loop, int signo, watch_fn *fn, void *userdata);
void watch_arm(struct watch *watch, int64_t ms);     /* timers: (re)start; ms < 0 stops it */
void watch_free(struct watch *watch);                /* NULL is fine */

#endif
