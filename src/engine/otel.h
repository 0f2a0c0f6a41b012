/* otel.h - what tasks do, as spans to an OTLP receiver: while they work, or afterwards from the record. The engine gives it
 * each durable event; it folds them as `mishri trace` does, and sends what has ended. It never waits and never fails a task. */
#ifndef MISHRI_ENGINE_OTEL_H
#define MISHRI_ENGINE_OTEL_H

#include "engine/config.h"
#include "engine/otel_send.h"

enum otel_sampler { SAMPLE_ALL, SAMPLE_NONE, SAMPLE_RATIO };

struct otel_setup {
	struct otel_target target;
	char *url, *ca_file;         /* owned, as headers and resource: what target borrows */
	json_t *headers, *resource;
	bool running;                /* what has begun and not ended is shown by a moment of its own */
	enum otel_sampler sampler;
	bool by_parent;              /* what came with the goal (traceparent) decides, where it came */
	double ratio;
	int64_t flush_ms;            /* how long the end waits for the receiver */
};

/* otel_setup.c: what the configuration says. 1: export is wanted; 0: it is not; -EINVAL: err says which key, and what would be
 * right. `always`: as if it was on, where there is an address. */
MUST_USE int otel_setup_read(const struct config *config, bool always, struct otel_setup *ret, struct err *err);
void otel_setup_done(struct otel_setup *setup);
/* otel_env.c: variables of the standard, OTEL_*, as keys of the configuration. Calls put(userdata, key, value, variable), in
 * the order in which later ones win; a value that nothing can be made of gives one sentence in err, and the export is off. */
typedef int otel_env_put(void *userdata, const char *key, const char *value, const char *variable);
MUST_USE int otel_env_read(const char *const *env, otel_env_put *put, void *userdata, struct err *err);

struct otel;
MUST_USE int otel_new(struct loop *loop, struct store *store, const struct otel_setup *setup, struct otel **ret, struct err *err);
void otel_free(struct otel *otel);                       /* NULL is fine; what was not sent is lost: otel_flush */
struct heartbeats;
void otel_watch(struct otel *otel, struct heartbeats *table);    /* a row "exporter" in it; NULL otel is fine */
void otel_freep(struct otel **otel);
void otel_event(struct otel *otel, const struct event *event);   /* durable, in order within a task */
void otel_flush(struct otel *otel);                      /* runs the loop, for flush_ms at most */
void otel_give_up(struct otel *otel);                    /* ends a flush under way */
void otel_stats(const struct otel *otel, struct otel_stats *ret);

/* Spans of the record, afterwards: all of a trace; it waits while the queue is full. Counts as the others do. */
void otel_send_trace(struct otel *otel, const struct trace *trace);

/* Is a tree of tasks sampled? trace_id: its own; flags: of the traceparent that came with it, or -1. */
bool otel_sampled(const struct otel_setup *setup, const char *trace_id, int64_t flags);

#endif
