/* cmd_trace.c - when what happened, inside what: the record of a task tree in several forms. It changes nothing. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/common.h"
#include "cli/print.h"
#include "cli/text.h"
#include "cli/trace.h"

#include "base/banned.h"

static json_t *json_span(const struct span *s)
{
	json_t *span = json_object();
	AUTO(freep) char *name = xasprintf("%s %s", json_get_text(s->attributes, "gen_ai.operation.name", span_kind_name(s->kind)),
	                                   s->kind == SPAN_MODEL ? json_get_text(s->attributes, "gen_ai.request.model", "") : s->name);

	json_put_text(span, "span_id", s->id);
	json_put_text(span, "parent_span_id", s->parent_id[0] != '\0' ? s->parent_id : NULL);
	json_put_text(span, "name", name);
	json_put_text(span, "kind", s->kind == SPAN_MODEL ? "client" : "internal");
	json_put(span, "start", json_time(s->start_us));
	json_put(span, "end", json_time(s->end_us));
	json_put(span, "attributes", json_incref(s->attributes));
	return span;
}

void trace_print_json(const struct trace *trace)
{
	AUTO(json_decrefp) json_t *object = json_object();
	json_t *spans = json_array();

	for (size_t i = 0; i < trace->count; i++)
		json_array_append_new(spans, json_span(trace->spans[i]));
	json_put_text(object, "task", trace->task);
	json_put_text(object, "trace_id", trace->trace_id);
	json_put(object, "spans", spans);
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

static const struct format {
	const char *name;
	void (*print)(const struct trace *trace, const struct options *o);
	bool content;                /* arguments, results and replies are wanted too */
} formats[] = {
	{ "text", print_text }, { "json", print_spans }, { "dot", print_dot }, { "mermaid", print_mermaid },
	{ "html", print_html, true },
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
		return complain(EXIT_USAGE, "trace: there is no format '%.40s'; there are text, json, dot, mermaid and html", name);
	if (cli_open_store(o, STORE_READ_ONLY, &store, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	int code = task_argument(o, store, task);
	if (code != 0)
		return code;
	if (trace_read(store, task, format->content, &spans, &err) < 0)
		return complain(EXIT_FAILED, "%s", err.text);
	format->print(&spans, o);
	trace_done(&spans);
	return EXIT_DONE;
}

static const struct option_row options[] = {
	{ "--format", 'f', "FORMAT", "text, json, dot, mermaid or html; text without it", false },
};

const struct command cmd_trace = {
	.name = "trace", .args = "TASK", .about = "the time line and the graph of a task and its children",
	.options = options, .option_count = COUNT(options), .run = trace,
	.examples = "  mishri trace last\n  mishri trace k3f9 --format dot | dot -Tsvg > task.svg\n"
	            "  mishri trace last --format html > trace.html    a page with graph and waterfall, to open in a browser\n",
};
