/* trace.h - the forms in which a person or another program gets a trace; each writes to stdout. */
#ifndef MISHRI_CLI_TRACE_H
#define MISHRI_CLI_TRACE_H

#include "engine/trace.h"

/* Of one call or turn, the permitted program starts that the forms for people show; `--format json` has them all. */
enum { EXECS_SHOWN = 10 };

void trace_print_text(const struct trace *trace, size_t width, bool colour);
void trace_print_json(const struct trace *trace);
void trace_print_dot(const struct trace *trace);
void trace_print_mermaid(const struct trace *trace);
void trace_print_html(const struct trace *trace);   /* one file, which asks nothing of anybody */
void trace_print_view(const struct trace *trace);   /* what that page and the dashboard draw */
void trace_print_perfetto(const struct trace *trace);

#endif
