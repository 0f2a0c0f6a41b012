/* trace_html.c - a trace as one page that works by itself: data/trace/trace.html with the view that the
 * dashboard has, too, and the spans put in as JSON. What
 * models and tools wrote is data in it and nothing else: no character of it can end the element that holds it. */
#include <stdio.h>
#include <string.h>

#include "base/embedded.h"
#include "cli/trace.h"

#include "base/banned.h"

static json_t *relative(const struct trace *t, int64_t at_us)
{
	return at_us != 0 ? json_integer(at_us - t->start_us) : json_null();
}

/* [[kind, index], ...] of what leads here. */
static json_t *edge_data(const struct trace *t, const struct span *s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < s->edge_count; i++)
		if (trace_find(t, s->edges[i].from) != NULL)
			json_array_append_new(all, json_pack("[s, I]", edge_kind_name(s->edges[i].kind),
			                                     (json_int_t)json_get_int(t->by_id, s->edges[i].from, 0)));
	return all;
}

/* Short keys: there may be two hundred thousand. */
static json_t *span_data(const struct trace *t, const struct span *s)
{
	json_t *o = json_object();

	json_put_int(o, "p", s->parent != NULL ? json_get_int(t->by_id, s->parent->id, -1) : -1);
	json_put_text(o, "k", span_kind_name(s->kind));
	json_put_text(o, "n", s->name);
	json_put_text(o, "l", s->label);
	json_put_text(o, "x", s->text);
	json_put_text(o, "s", s->status);
	json_put_text(o, "w", s->why);
	json_put_bool(o, "d", s->denied);
	json_put_bool(o, "f", s->failed);
	json_put(o, "t0", relative(t, s->start_us));
	json_put(o, "t1", s->kind == SPAN_EXEC && s->end_us == 0 ? relative(t, s->start_us) : relative(t, s->end_us));
	if (s->critical)
		json_put_bool(o, "cr", true);
	if (s->edge_count > 0)
		json_put(o, "e", edge_data(t, s));
	json_put(o, "a", json_incref(s->attributes));
	json_put(o, "c", s->content != NULL ? json_incref(s->content) : json_object());
	return o;
}

/* In JSON a '<' stands in strings only, and there it may be written by its number. */
static void print_safe(const json_t *value)
{
	AUTO(freep) char *text = json_text(value);

	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '<')
			fputs("\\u003c", stdout);
		else
			putchar(*c);
	}
}

static void print_data(const struct trace *t)
{
	printf("{\"task\":\"%s\",\"now\":%lld,\"left_out\":%zu,\"spans\":[", t->task, (long long)(t->end_us - t->start_us), t->left_out);
	for (size_t i = 0; i < t->count; i++) {
		AUTO(json_decrefp) json_t *span = span_data(t, t->spans[i]);
		if (i > 0)
			putchar(',');
		print_safe(span);
	}
	fputs("]}", stdout);
}

void trace_print_view(const struct trace *t)
{
	print_data(t);
	putchar('\n');
}

static void print_file(const char *name)
{
	for (size_t i = 0; trace_files[i].path != NULL; i++)
		if (strcmp(trace_files[i].path, name) == 0)
			fwrite(trace_files[i].bytes, 1, trace_files[i].len, stdout);
}

void trace_print_html(const struct trace *t)
{
	static const struct { const char *marker, *file; } parts[] = {
		{ "@STYLE@", "view.css" }, { "@BODY@", "view.html" }, { "@DATA@", NULL }, { "@SCRIPT@", "view.js" },
	};
	struct str page = { (const char *)trace_files[0].bytes, trace_files[0].len };

	for (size_t i = 0; i < COUNT(parts); i++) {
		const char *at = memmem(page.ptr, page.len, parts[i].marker, strlen(parts[i].marker));
		assert(at != NULL);
		fwrite(page.ptr, 1, (size_t)(at - page.ptr), stdout);
		page = str_skip(page, (size_t)(at - page.ptr) + strlen(parts[i].marker));
		if (parts[i].file != NULL)
			print_file(parts[i].file);
		else
			print_data(t);
	}
	fwrite(page.ptr, 1, page.len, stdout);
}
