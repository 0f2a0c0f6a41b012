/* cmd_trace.c - when what happened, inside what: the record of a task tree in several forms. It changes nothing. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/common.h"
#include "cli/print.h"
#include "cli/text.h"
#include "cli/trace.h"
#include "engine/otlp.h"

#include "base/banned.h"

/* What the kinds of spans are called in words of the graph. */
static const char *node_name(const struct span *s)
{
	switch (s->kind) {
	case SPAN_MODEL: return "turn";
	case SPAN_PERSON: return s->name;       /* approval, question */
	case SPAN_TASK: case SPAN_CALL: case SPAN_DECISION: case SPAN_EXEC: case SPAN_NET: case SPAN_PARKED: case SPAN_KINDS: break;
	}
	return span_kind_name(s->kind);
}

static json_t *json_span(const struct span *s)
{
	json_t *span = json_object();
	AUTO(freep) char *name = span_full_name(s);

	json_put_text(span, "span_id", s->id);
	json_put_text(span, "parent_span_id", s->parent_id[0] != '\0' ? s->parent_id : NULL);
	json_put_text(span, "node", node_name(s));
	json_put_text(span, "name", name);
	json_put_text(span, "kind", s->kind == SPAN_MODEL ? "client" : "internal");
	json_put(span, "start", json_time(s->start_us));
	json_put(span, "end", json_time(s->end_us));
	json_put_bool(span, "critical", s->critical);
	json_put(span, "attributes", json_incref(s->attributes));
	return span;
}

static void add_edges(json_t *edges, const struct trace *trace, const struct span *s)
{
	if (s->parent != NULL)
		json_array_append_new(edges, json_pack("{s:s, s:s, s:s}", "from", s->parent->id, "to", s->id, "kind", "parent"));
	for (size_t i = 0; i < s->edge_count; i++)
		if (trace_find(trace, s->edges[i].from) != NULL)
			json_array_append_new(edges, json_pack("{s:s, s:s, s:s}", "from", s->edges[i].from, "to", s->id, "kind",
			                                       edge_kind_name(s->edges[i].kind)));
}

void trace_print_json(const struct trace *trace)
{
	AUTO(json_decrefp) json_t *object = json_object();
	json_t *spans = json_array(), *edges = json_array();

	for (size_t i = 0; i < trace->count; i++) {
		json_array_append_new(spans, json_span(trace->spans[i]));
		add_edges(edges, trace, trace->spans[i]);
	}
	json_put_text(object, "task", trace->task);
	json_put_text(object, "trace_id", trace->trace_id);
	json_put(object, "spans", spans);
	json_put(object, "edges", edges);
	json_put_int(object, "left_out", (int64_t)trace->left_out);
	print_json(object);
}

static void print_text(const struct trace *trace, const struct options *o)
{
	trace_print_text(trace, text_width(STDOUT_FILENO), print_colour(o));
}
static void print_spans(const struct trace *trace, const struct options *o UNUSED) { trace_print_json(trace); }
static void print_dot(const struct trace *trace, const struct options *o UNUSED) { trace_print_dot(trace); }
static void print_mermaid(const struct trace *trace, const struct options *o UNUSED) { trace_print_mermaid(trace); }

static void print_html(const struct trace *trace, const struct options *o UNUSED) { trace_print_html(trace); }

static void print_view(const struct trace *trace, const struct options *o UNUSED) { trace_print_view(trace); }

static void print_perfetto(const struct trace *trace, const struct options *o UNUSED) { trace_print_perfetto(trace); }

/* One request of the protocol, as a file exporter writes it. */
static void print_otlp(const struct trace *trace, const struct options *o UNUSED)
{
	const struct otlp_style style = { 0 };
	AUTO(json_decrefp) json_t *resource = otlp_resource("mishri", NULL);
	json_t *spans = json_array();

	for (size_t i = 0; i < trace->count; i++)
		if (trace->spans[i]->kind != SPAN_DECISION)
			json_array_append_new(spans, otlp_span(trace, trace->spans[i], &style));
	AUTO(json_decrefp) json_t *request = otlp_request(resource, spans, &style);
	print_json(request);
}

static const struct format {
	const char *name;
	void (*print)(const struct trace *trace, const struct options *o);
	bool content;                /* arguments, results and replies are wanted too */
} formats[] = {
	{ "text", print_text }, { "json", print_spans }, { "dot", print_dot }, { "mermaid", print_mermaid },
	{ "html", print_html, true }, { "view", print_view, true },
	{ "perfetto", print_perfetto, false }, { "otlp", print_otlp, false },
};

static const struct format *find_format(const char *name)
{
	for (size_t i = 0; i < COUNT(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

static int trace(int argc, char **argv)
{
	AUTO(options_freep) struct options *o = NULL;
	AUTO(store_closep) struct store *store = NULL;
	struct trace spans;
	struct err err = ERR_NONE;
	char task[ID_LEN + 1];

	if (options_parse(&cmd_trace, argc, argv, &o) < 0)
		return EXIT_USAGE;
	const char *name = option_text(o, "--format", option_given(o, "--json") ? "json" : "text");
	const struct format *format = find_format(name);
	if (format == NULL)
		return complain(EXIT_USAGE, "trace: there is no format '%.40s'; "
		                "there are text, json, dot, mermaid, html, view, perfetto and otlp",
		                name);
	if (cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int code = task_argument(o, store, task);
	if (code != 0)
		return code;
	if (trace_read(store, task, format->content, &spans, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	trace_mark_critical(&spans);
	format->print(&spans, o);
	trace_done(&spans);
	return EXIT_DONE;
}

static const struct option_row options[] = {
	{ "--format", 'f', "FORMAT", "text, json, dot, mermaid, html, view (html's data), perfetto or otlp; text without it", false },
};

const struct command cmd_trace = {
	.name = "trace", .args = "TASK", .about = "the time line and the graph of a task and its children",
	.options = options, .option_count = COUNT(options), .run = trace,
	.examples = "  mishri trace last\n  mishri trace k3f9 --format dot | dot -Tsvg > task.svg\n"
	            "  mishri trace last --format html > trace.html    a page for a browser\n"
	            "  mishri trace last --format perfetto > trace.json  for ui.perfetto.dev\n",
};
