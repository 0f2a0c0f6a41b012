/* sse.h - server-sent events (WHATWG HTML, "Server-sent events"), read piece by piece. */
#ifndef MISHRI_LLM_SSE_H
#define MISHRI_LLM_SSE_H

#include "base/buf.h"

/* One event: its name ("" when it has none) and its data lines joined by '\n'. Borrowed during the call. */
typedef void sse_event(void *userdata, struct str name, struct str data);

struct sse {
	struct buf line;        /* the part of a line that has come so far */
	struct buf data;
	struct buf name;
	bool begun;             /* a first line was seen: no byte order mark any more */
	bool after_cr;          /* a '\n' that comes now belongs to the '\r' before it */
	bool has_data;
	bool overflown;
	sse_event *on_event;
	void *userdata;
};

void sse_init(struct sse *sse, sse_event *on_event, void *userdata);
void sse_done(struct sse *sse);

/* Any number of bytes, cut anywhere. 0, or -EMSGSIZE when one line or one event is longer than
 * LIMIT_SSE_LINE_BYTES; nothing is read after that. */
MUST_USE int sse_feed(struct sse *sse, struct str bytes);

/* The stream is over: an event whose lines are whole is given although its empty line is missing.
 * A line without an end is dropped, because nobody knows what it would have become. */
void sse_finish(struct sse *sse);

#endif
