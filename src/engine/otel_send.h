/* otel_send.h - a bounded queue of encoded spans and the POST requests that empty it, on the event loop. Putting a span never
 * waits: what finds no room is dropped, and counted. Knows nothing of tasks. */
#ifndef MISHRI_ENGINE_OTEL_SEND_H
#define MISHRI_ENGINE_OTEL_SEND_H

#include "engine/loop.h"
#include "engine/otlp.h"

struct otel_target {
	const char *url;             /* whole */
	const json_t *headers;       /* object of texts; NULL: none. They are in memory and in requests, nowhere else */
	bool json, gzip;
	int64_t timeout_ms;          /* of one request */
	const char *ca_file;         /* NULL: the machine's */
	int64_t queue_spans, batch_spans, delay_ms;
	const json_t *resource;      /* of otlp_resource */
	struct otlp_style style;
};

struct otel_stats {
	int64_t sent, rejected;      /* spans that the receiver took; that it said it did not take */
	int64_t dropped;             /* that found no room, or could not be delivered */
	int64_t waiting;             /* now, those under way among them */
	int64_t requests, failures;
	char why[200];               /* the last thing that went wrong; "" for nothing */
};

struct otel_sender;

/* All of target is copied. -EINVAL: the address or a header; -ENOENT: no libcurl. */
MUST_USE int otel_sender_new(struct loop *loop, const struct otel_target *target, struct otel_sender **ret, struct err *err);
void otel_sender_free(struct otel_sender *sender);       /* what waits is lost */
/* A row of the table of heartbeats: it beats when a request is begun and when the receiver takes one, and rests while nothing is
 * under way. Taken over. */
struct beat;
void otel_sender_watch(struct otel_sender *sender, struct beat *beat);
void otel_sender_put(struct otel_sender *sender, const json_t *span);
/* Runs the loop until all is delivered or given up, or the time is over; what is left then counts as dropped. */
void otel_sender_flush(struct otel_sender *sender, int64_t ms);
void otel_sender_give_up(struct otel_sender *sender);    /* ends a flush under way */
bool otel_sender_full(const struct otel_sender *sender); /* the next span would be dropped */
void otel_sender_stats(const struct otel_sender *sender, struct otel_stats *ret);

#endif
