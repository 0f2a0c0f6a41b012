/* otlp.h - spans in the form of the OpenTelemetry protocol: JSON as its HTTP binding has it, and protobuf bytes made from that
 * by a table of field numbers. Pure: no clock, no I/O. What was said (goals, arguments, results) is in it only where asked for. */
#ifndef MISHRI_ENGINE_OTLP_H
#define MISHRI_ENGINE_OTLP_H

#include "engine/trace.h"

struct otlp_style {
	bool latest;                 /* names of the newest draft alone; else those of the last release, and the draft's beside them */
	bool content;                /* the trace must have been read with it */
};

/* "key=value,key2=value2" with %XX, as OTEL_RESOURCE_ATTRIBUTES has it. The caller owns *ret, an object of texts. -EINVAL. */
MUST_USE int otlp_pairs(const char *text, json_t **ret, struct err *err);

/* The resource that all spans belong to; extra: of otlp_pairs, or NULL. The caller owns it. */
MUST_USE json_t *otlp_resource(const char *service_name, const json_t *extra);

/* One span; a decision is none, but an event of its call. The caller owns it. */
MUST_USE json_t *otlp_span(const struct trace *trace, const struct span *span, const struct otlp_style *style);
/* What stands for a span that has no end yet: a moment of its own inside it, with `mishri.running`. */
MUST_USE json_t *otlp_running(const struct trace *trace, const struct span *span, const struct otlp_style *style,
                              int64_t now_us);

/* An ExportTraceServiceRequest. The caller owns it. */
MUST_USE json_t *otlp_request(const json_t *resource, json_t *owned_spans, const struct otlp_style *style);

/* The same in pieces, in protobuf or JSON: bytes of one span; spans one behind another; the request around them. All
 * append to ret. */
void otlp_pack_span(const json_t *span, struct buf *ret);
void otlp_add_span(struct str span, bool json, bool first, struct buf *ret);
void otlp_wrap(const json_t *resource, struct str spans, bool json, const struct otlp_style *style, struct buf *ret);

/* What an ExportTraceServiceResponse says about spans that were not taken; 0 and "" where all were. An answer that cannot be
 * read says nothing. */
struct otlp_answer { int64_t rejected; char message[200]; };
void otlp_answer_read(struct str body, bool json, struct otlp_answer *ret);

#endif
