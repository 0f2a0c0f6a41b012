/* trace_graph.c - tasks, their calls and who delegated to whom as a graph, in two languages. What a model
 * wrote stands in labels only, and no character of it can end a label. Nodes have numbers for names. */
#include <stdio.h>
#include <string.h>

#include "cli/text.h"
#include "cli/trace.h"

#include "base/banned.h"

enum { LABEL_COLUMNS = 60 };

/* The task or call that a node hangs from; -1: none. Turns are left out. */
static const struct span *above(const struct span *s)
{
	do
		s = s->parent;
	while (s != NULL && s->kind != SPAN_TASK && s->kind != SPAN_CALL);
	return s;
}

static bool is_node(const struct span *s)
{
	return s->kind == SPAN_TASK || s->kind == SPAN_CALL || ((s->kind == SPAN_EXEC || s->kind == SPAN_NET) && s->denied);
}

static void number(const struct trace *t, const struct span *s, char ret[static 24])
{
	snprintf(ret, 24, "n%lld", (long long)json_get_int(t->by_id, s->id, 0));
}

/* Lines of a label, clean. */
static size_t label(const struct span *s, struct buf lines[static 2])
{
	AUTO(freep) char *head = s->kind == SPAN_NET ? xasprintf("net %s DENIED %s", s->name, s->why)
		: s->kind == SPAN_EXEC ? xasprintf("exec DENIED %s", s->why)
		: xasprintf("%s %s %s", s->label, s->name, s->denied ? "DENIED" : s->status != NULL ? s->status : "no result yet");

	text_add(&lines[0], head, LABEL_COLUMNS);
	text_add(&lines[1], s->text, LABEL_COLUMNS);
	return lines[1].len > 0 ? 2 : 1;
}

static void dot_text(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\')
			putchar('\\');
		putchar(text.ptr[i]);
	}
}

/* Letters, digits, space and what is beyond ASCII as they are; all else as a number. */
static void mermaid_text(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		bool plain = c >= 0x80 || c == ' ' || c == '.' || c == ',' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		             (c >= 'A' && c <= 'Z');
		if (plain)
			putchar(c);
		else
			printf("#%u;", c);
	}
}

static void put_label(const struct span *s, void (*put)(struct str), const char *line_break)
{
	struct buf lines[2] = { BUF_INIT(KIB(4)), BUF_INIT(KIB(4)) };
	size_t count = label(s, lines);

	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			fputs(line_break, stdout);
		put(buf_str(&lines[i]));
	}
	for (size_t i = 0; i < COUNT(lines); i++)
		buf_done(&lines[i]);
}

void trace_print_dot(const struct trace *trace)
{
	char own[24], from[24];

	printf("digraph \"%s\" {\n\trankdir=LR;\n\tnode [fontname=\"sans-serif\", fontsize=10];\n", trace->task);
	for (size_t i = 0; i < trace->count; i++) {
		const struct span *s = trace->spans[i];
		if (!is_node(s))
			continue;
		number(trace, s, own);
		printf("\t%s [shape=%s%s, label=\"", own, s->kind == SPAN_TASK ? "box" : "ellipse", s->denied ? ", color=red" : "");
		put_label(s, dot_text, "\\n");
		puts("\"];");
		if (above(s) != NULL) {
			number(trace, above(s), from);
			printf("\t%s -> %s;\n", from, own);
		}
	}
	puts("}");
}

void trace_print_mermaid(const struct trace *trace)
{
	char own[24], from[24];

	puts("flowchart LR\n\tclassDef denied stroke:#c00,stroke-width:2px");
	for (size_t i = 0; i < trace->count; i++) {
		const struct span *s = trace->spans[i];
		if (!is_node(s))
			continue;
		number(trace, s, own);
		printf("\t%s%s\"", own, s->kind == SPAN_TASK ? "[" : "([");
		put_label(s, mermaid_text, "<br/>");
		printf("\"%s%s\n", s->kind == SPAN_TASK ? "]" : "])", s->denied ? ":::denied" : "");
		if (above(s) != NULL) {
			number(trace, above(s), from);
			printf("\t%s --> %s\n", from, own);
		}
	}
}
