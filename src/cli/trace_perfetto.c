/* trace_perfetto.c - a trace for ui.perfetto.dev, in the JSON form of trace events that it (and chrome://tracing) reads: one
 * process, a thread for each task, and for each call, since calls and the tasks below them overlap. Of the two forms that
 * Perfetto reads this is the one that a person and a script can read too; its protobuf form says nothing more of these spans. */
#include <stdio.h>
#include <string.h>

#include "cli/trace.h"

#include "base/banned.h"

/* Slices of one thread must lie within each other: what hangs from a turn may run after it, so it gets a thread of its own.
 * Program starts, decisions and connections stay with their call. */
static const struct span *thread_of(const struct span *s)
{
	while (s->parent != NULL && s->kind != SPAN_TASK && s->kind != SPAN_CALL && s->kind != SPAN_PARKED)
		s = s->parent;
	return s;
}

static int64_t thread_number(const struct trace *t, const struct span *s)
{
	return json_get_int(t->by_id, thread_of(s)->id, 0) + 1;
}

static void put(json_t *owned_event, bool *first)
{
	AUTO(freep) char *text = json_text(owned_event);

	printf("%s%s", *first ? "\n" : ",\n", text);
	*first = false;
	json_decref(owned_event);
}

static void name_thread(const struct trace *t, const struct span *s, bool *first)
{
	AUTO(freep) char *name = xasprintf("%s %s", s->kind == SPAN_TASK ? s->name : s->kind == SPAN_CALL ? s->label : "",
	                                   s->kind == SPAN_TASK ? s->label : s->name);
	json_t *args = json_object();

	json_put_text(args, "name", name);
	put(json_pack("{s:s, s:s, s:i, s:I, s:o}", "ph", "M", "name", "thread_name", "pid", 1, "tid",
	              (json_int_t)thread_number(t, s), "args", args), first);
	put(json_pack("{s:s, s:s, s:i, s:I, s:{s:I}}", "ph", "M", "name", "thread_sort_index", "pid", 1, "tid",
	              (json_int_t)thread_number(t, s), "args", "sort_index", (json_int_t)thread_number(t, s)), first);
}

static json_t *slice(const struct trace *t, const struct span *s)
{
	bool moment = s->kind == SPAN_EXEC || s->kind == SPAN_DECISION;
	AUTO(freep) char *name = span_full_name(s);
	json_t *args = json_copy(s->attributes), *o = json_object();

	json_put_text(args, "span_id", s->id);
	if (s->status != NULL)
		json_put_text(args, "status", s->status);
	json_put_bool(args, "critical", s->critical);
	if (s->end_us == 0)
		json_put_bool(args, "mishri.running", true);
	json_put_text(o, "ph", moment ? "i" : "X");
	json_put_text(o, "name", name);
	json_put_text(o, "cat", span_kind_name(s->kind));
	json_put_int(o, "pid", 1);
	json_put_int(o, "tid", thread_number(t, s));
	json_put_int(o, "ts", s->start_us);
	if (moment)
		json_put_text(o, "s", "t");
	else
		json_put_int(o, "dur", MAX(span_end(t, s) - s->start_us, (int64_t)0));
	if (s->denied || s->failed)
		json_put_text(o, "cname", "terrible");
	json_put(o, "args", args);
	return o;
}

/* An arrow from the end of one slice to the beginning of another. */
static void put_flow(const struct trace *t, const struct span *from, const struct span *to, enum edge_kind kind, int64_t id,
                     bool *first)
{
	bool back = kind == EDGE_WAIT;          /* who waited began before: the arrow goes to where it went on */
	int64_t at[] = { MAX(span_end(t, from) - 1, from->start_us), back ? MAX(span_end(t, to) - 1, to->start_us) : to->start_us };
	const struct span *ends[] = { from, to };

	for (int i = 0; i < 2; i++) {
		json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:i, s:I, s:I}", "ph", i == 0 ? "s" : "f", "cat", "edge", "name",
		                      edge_kind_name(kind), "id", (json_int_t)id, "pid", 1, "tid", (json_int_t)thread_number(t, ends[i]),
		                      "ts", (json_int_t)at[i]);
		if (i == 1)
			json_put_text(o, "bp", "e");
		put(o, first);
	}
}

void trace_print_perfetto(const struct trace *t)
{
	bool first = true;
	int64_t flows = 0;

	printf("{\"displayTimeUnit\":\"ms\",\"otherData\":{\"task\":\"%s\",\"trace_id\":\"%s\",\"left_out\":%zu},\"traceEvents\":[",
	       t->task, t->trace_id, t->left_out);
	put(json_pack("{s:s, s:s, s:i, s:{s:s}}", "ph", "M", "name", "process_name", "pid", 1, "args", "name", "mishri"), &first);
	for (size_t i = 0; i < t->count; i++) {
		const struct span *s = t->spans[i];
		if (thread_of(s) == s)
			name_thread(t, s, &first);
		put(slice(t, s), &first);
	}
	for (size_t i = 0; i < t->count; i++)
		for (size_t k = 0; k < t->spans[i]->edge_count; k++) {
			const struct edge *edge = &t->spans[i]->edges[k];
			const struct span *from = trace_find(t, edge->from);
			if (from != NULL)
				put_flow(t, from, t->spans[i], edge->kind, ++flows, &first);
		}
	puts("\n]}");
}
