/* traceparent.h - W3C trace context: what a task is a part of, and what is a part of it
 * (https://www.w3.org/TR/trace-context-1/). */
#ifndef MISHRI_ENGINE_TRACEPARENT_H
#define MISHRI_ENGINE_TRACEPARENT_H

#include "core/task.h"
#include "engine/engine.h"

enum { TRACEPARENT_LEN = 55 };         /* "00-TRACEID-SPANID-FLAGS" */

struct traceparent { char trace_id[TRACE_ID_LEN + 1], span_id[SPAN_ID_LEN + 1]; int flags; };

/* -EINVAL: it is none, and counts for nothing, as the standard wants it. */
MUST_USE int traceparent_parse(const char *text, struct traceparent *ret);
/* May this go on as tracestate? At most 512 characters, all printable. */
bool tracestate_valid(const char *text);

/* What spec says goes into a new task: its trace and the span above it; else a trace of its own. */
void traceparent_enter(const struct task_spec *spec, struct task *task);
void traceparent_config(const struct task_spec *spec, json_t *config);

/* What a program or server that a call starts is a part of. */
void traceparent_of_call(const struct task *task, const char *call, char ret[static TRACEPARENT_LEN + 1]);
/* The same of the turn that is asked for. */
void traceparent_of_turn(const struct task *task, char ret[static TRACEPARENT_LEN + 1]);
/* NULL: none came. Borrowed. */
const char *tracestate_of(const struct task *task);

#endif
