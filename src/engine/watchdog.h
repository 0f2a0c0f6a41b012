/* watchdog.h - the thread that only watches: that the loop moves, that the service manager hears of it, and that an end
 * that was asked for comes. One a process; the front owns it, from before the engine until after the store is closed. */
#ifndef MISHRI_ENGINE_WATCHDOG_H
#define MISHRI_ENGINE_WATCHDOG_H

#include "base/err.h"
#include "base/heartbeat.h"

struct watchdog;

struct watchdog_setup {
	int64_t loop_ms;               /* for so long the loop may stand; 0: LIMIT_HEALTH_LOOP_MS */
	int64_t stop_ms;               /* `shutdown.deadline`; 0: LIMIT_STOP_MS */
};

/* On the thread whose loop is to be watched. It writes to stderr what it sees while the loop cannot. */
MUST_USE int watchdog_start(const struct watchdog_setup *setup, struct watchdog **ret, struct err *err);
void watchdog_stop(struct watchdog *watchdog);                   /* NULL is fine */

/* The table that it looks at; the row of the loop is in it. Borrowed. */
struct heartbeats *watchdog_table(struct watchdog *watchdog);
void watchdog_beat(struct watchdog *watchdog, int64_t now_ms);   /* the loop moves */

/* The loop has ended, and everything is being closed: from now on only the end of the process is watched over. */
void watchdog_closing(struct watchdog *watchdog);                /* NULL is fine */

/* A loop that stood and moves again. */
enum { WATCHDOG_FRAMES = 48 };
struct stood {
	int64_t ms;                    /* for so long */
	size_t frame_count;
	char frames[WATCHDOG_FRAMES][160];
};
/* Once for each time that the loop stood for too long, once it moves. */
bool watchdog_stood(struct watchdog *watchdog, struct stood *ret);
int64_t watchdog_longest_ms(const struct watchdog *watchdog);    /* that the loop ever stood, when it was too long */
int64_t watchdog_tick_ms(const struct watchdog *watchdog);       /* how often the loop has to beat */

#endif
