/* health.h - how an engine is: its heartbeats, what is in force, what waits. For whoever shows it: `mishri health`, an HTTP
 * answer, metrics. Other parts of the engine enter their own rows into engine_heartbeats. */
#ifndef MISHRI_ENGINE_HEALTH_H
#define MISHRI_ENGINE_HEALTH_H

#include "base/heartbeat.h"
#include "base/json.h"

struct engine;
struct run;

/* How long each may be silent; 0: as limits.h has it. */
struct health_limits {
	int64_t loop_ms;               /* as the watchdog has it */
	int64_t store_ms, warden_ms, cell_ms;
	int64_t stop_ms;               /* from the first signal to the end */
};

/* The table, for rows of a scheduler, an exporter ...: beat_new, and beat_now from wherever it works. Borrowed; rows are
 * freed before the engine. */
struct heartbeats *engine_heartbeats(struct engine *engine);

/* {"healthy","engine","pid","version","user","since","draining","beats":[{"kind","name","state":"ok"|"rest"|"late","age_ms",
 * "deadline_ms","action","vital","misses"}],"beats_left_out","in_force":{...},"tasks":{...},"store":{...},"models":[of
 * breaker.h]}. The caller owns it. */
MUST_USE json_t *health_json(struct engine *engine);
bool health_is_well(struct engine *engine);

/* The same as numbers. labels: NULL, or an object of texts; borrowed. Seconds and bytes; a counter only rises. */
struct health_measure { const char *name, *about; bool counter; double value; const json_t *labels; };
void health_measures(struct engine *engine, void (*visit)(void *userdata, const struct health_measure *measure), void *userdata);

/* ---- from outside: another process asks by the engine's socket ---- */

/* Sends the question; the answer comes to the descriptor that is returned, which is the caller's. -errno. */
MUST_USE int health_ask(const char *socket_path, struct err *err);
/* Waits for the answer until `until_ms` (monotonic). -ETIMEDOUT: there was none. The caller owns *ret. */
MUST_USE int health_hear(int fd, int64_t until_ms, json_t **ret, struct err *err);
/* What the system says of a process: {"state","wchan","started","threads"}; the caller owns it. */
MUST_USE json_t *health_process(int64_t pid);

#endif
