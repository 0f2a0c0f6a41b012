/* heartbeat.h - who must give a sign of life, how often, and what follows where it does not. One table an engine.
 *
 * A row is made, judged and freed by one thread, that of the loop. beat_now and beat_rest may be called by any thread
 * that holds the row; heartbeats_see, by any thread at all. All times are monotonic milliseconds. */
#ifndef MISHRI_BASE_HEARTBEAT_H
#define MISHRI_BASE_HEARTBEAT_H

#include "base/util.h"

/* What follows where a beat is missed; `missed` of the row does it. */
enum beat_action { BEAT_ALARM, BEAT_RESTART, BEAT_KILL, BEAT_RECONNECT, BEAT_ACTIONS };
const char *beat_action_name(enum beat_action action);          /* "alarm", "restart", ... */

struct heartbeats;
struct beat;                           /* a row */

struct beat_spec {
	const char *kind;              /* "loop", "store", "warden", "cell", "tool", "model", "scheduler", "exporter" */
	const char *name;              /* which one: a task, a call; "" where there is one. Copied, as the kind */
	enum beat_action action;
	int64_t deadline_ms;           /* between two beats, at most */
	bool vital;                    /* without it the engine is of no use: the service manager is told nothing more */
	/* Carries the action out, on the loop, once a miss. It may free the row. NULL: an alarm is all there is. */
	void (*missed)(void *userdata, int64_t age_ms);
	void *userdata;
};

MUST_USE struct heartbeats *heartbeats_new(void);
void heartbeats_free(struct heartbeats *table);                 /* its rows too; NULL is fine */

/* A new row is at rest: nothing is due before its first beat. */
MUST_USE struct beat *beat_new(struct heartbeats *table, const struct beat_spec *spec);
void beat_free(struct beat *beat);                              /* NULL is fine, here and below */
void beat_now(struct beat *beat, int64_t now_ms);
void beat_rest(struct beat *beat);
void beat_deadline(struct beat *beat, int64_t deadline_ms);     /* another one from now on */

struct beat_state {                    /* borrowed from the row */
	const char *kind, *name;
	enum beat_action action;
	int64_t deadline_ms;
	int64_t age_ms;                /* since the last beat; -1: at rest */
	int64_t misses;                /* so far */
	bool vital, late;
};
void heartbeats_see(struct heartbeats *table, int64_t now_ms, void (*visit)(void *userdata, const struct beat_state *state),
                    void *userdata);
bool heartbeats_vital(struct heartbeats *table, int64_t now_ms); /* every vital row is in time */

/* Tells of each row that became late since it was last judged, or came back; then calls `missed` of those that became
 * late. stood_ms: how long one that came back was silent. skip: a kind that is judged elsewhere, or NULL. */
struct beat_change { struct beat_state state; bool recovered; int64_t stood_ms; };
void heartbeats_judge(struct heartbeats *table, int64_t now_ms, const char *skip,
                      void (*told)(void *userdata, const struct beat_change *change), void *userdata);

#endif
