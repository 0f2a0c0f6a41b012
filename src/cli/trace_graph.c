/* trace_graph.c - a trace as a graph, in two languages: tasks, turns, calls, decisions, program starts, connections, people;
 * what lies in what, what came after what, whose result went where, who waited for whom. What a model wrote stands in labels
 * only, and no character of it can end a label. Nodes have numbers for names. */
#include <stdio.h>
#include <string.h>

#include "cli/text.h"
#include "cli/trace.h"

#include "base/banned.h"

enum { LABEL_COLUMNS = 60 };

/* The spans that become nodes: all but the many program starts that were simply permitted. Bytes by index of the span. */
static char *chosen(const struct trace *t)
{
	char *ret = xcalloc(t->count + 1, 1);
	AUTO(freep) int *execs = xcalloc(t->count + 1, sizeof *execs);

	for (size_t i = 0; i < t->count; i++) {
		const struct span *s = t->spans[i];
		bool plain = s->kind == SPAN_EXEC && !s->denied && s->parent != NULL;
		ret[i] = !plain || ++execs[json_get_int(t->by_id, s->parent->id, 0)] <= EXECS_SHOWN;
	}
	return ret;
}

static long long number(const struct trace *t, const struct span *s)
{
	return (long long)json_get_int(t->by_id, s->id, 0);
}

/* The first line of a label, not clean yet; the caller owns it. */
static char *head_of(const struct span *s)
{
	const char *status = s->denied ? "DENIED" : s->status != NULL ? s->status : "no result yet";

	switch (s->kind) {
	case SPAN_NET: return xasprintf("net %s %s%s", s->name, status, s->denied ? s->why : "");
	case SPAN_EXEC: return xasprintf("exec %s %s", s->denied ? "DENIED" : s->name, s->denied ? s->why : "");
	case SPAN_DECISION:
		return xasprintf("%s by %s", s->name, json_get_text(s->attributes, "mishri.policy.rule",
		                                                    json_get_text(s->attributes, "mishri.policy.by", "the default")));
	case SPAN_TASK: case SPAN_MODEL: case SPAN_CALL: case SPAN_PERSON: case SPAN_PARKED: case SPAN_KINDS: break;
	}
	return xasprintf("%s %s %s", s->label != NULL ? s->label : "", s->name, status);
}

/* Lines of a label, clean. */
static size_t label(const struct span *s, struct buf lines[static 2])
{
	AUTO(freep) char *head = head_of(s);

	text_add(&lines[0], str_trim(str_of(head)).ptr, LABEL_COLUMNS);
	if (s->kind != SPAN_DECISION && s->text != NULL)
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

/* How edges look. parent: the index behind the kinds of edges. */
enum { PARENT = EDGE_KINDS };
static const struct { const char *dot, *mermaid; } looks[EDGE_KINDS + 1] = {
	[EDGE_SEQUENCE] = { "style=dashed, color=gray", "-.->|sequence|" },
	[EDGE_DATA] = { "color=blue", "==>|data|" },
	[EDGE_WAIT] = { "style=dotted, color=orange", "-.->|wait|" },
	[PARENT] = { "", "-->" },
};

/* Calls put(userdata) for each edge between nodes that are shown. */
static void edges(const struct trace *t, const char *shown,
                  void (*put)(const struct trace *t, const struct span *from, const struct span *to, int kind))
{
	for (size_t i = 0; i < t->count; i++) {
		const struct span *s = t->spans[i];
		if (!shown[i])
			continue;
		if (s->parent != NULL)
			put(t, s->parent, s, PARENT);
		for (size_t k = 0; k < s->edge_count; k++) {
			const struct span *from = trace_find(t, s->edges[k].from);
			if (from != NULL)
				put(t, from, s, (int)s->edges[k].kind);
		}
	}
}

static void put_dot(const struct trace *t, const struct span *from, const struct span *to, int kind)
{
	bool critical = kind == PARENT && from->critical && to->critical;
	const char *look = critical ? "color=red, penwidth=2" : looks[kind].dot;

	printf("\tn%lld -> n%lld", number(t, from), number(t, to));
	printf("%s%s%s;\n", look[0] != '\0' ? " [" : "", look, look[0] != '\0' ? "]" : "");
}

void trace_print_dot(const struct trace *trace)
{
	static const char *const shapes[SPAN_KINDS] = {
		[SPAN_TASK] = "box", [SPAN_MODEL] = "hexagon", [SPAN_CALL] = "ellipse", [SPAN_DECISION] = "diamond", [SPAN_EXEC] = "plain",
		[SPAN_NET] = "cds", [SPAN_PERSON] = "house", [SPAN_PARKED] = "note",
	};
	AUTO(freep) char *shown = chosen(trace);

	printf("digraph \"%s\" {\n\trankdir=LR;\n\tnode [fontname=\"sans-serif\", fontsize=10];\n", trace->task);
	for (size_t i = 0; i < trace->count; i++) {
		const struct span *s = trace->spans[i];
		if (!shown[i])
			continue;
		printf("\tn%lld [shape=%s%s%s, label=\"", number(trace, s), shapes[s->kind], s->denied ? ", color=red" : "",
		       s->critical ? ", penwidth=2" : "");
		put_label(s, dot_text, "\\n");
		puts("\"];");
	}
	edges(trace, shown, put_dot);
	puts("}");
}

static void put_mermaid(const struct trace *t, const struct span *from, const struct span *to, int kind)
{
	printf("\tn%lld %s n%lld\n", number(t, from), looks[kind].mermaid, number(t, to));
}

void trace_print_mermaid(const struct trace *trace)
{
	static const struct { const char *open, *close; } shapes[SPAN_KINDS] = {
		[SPAN_TASK] = { "[", "]" }, [SPAN_MODEL] = { "{{", "}}" }, [SPAN_CALL] = { "([", "])" }, [SPAN_DECISION] = { "{", "}" },
		[SPAN_EXEC] = { "[/", "/]" }, [SPAN_NET] = { "[[", "]]" }, [SPAN_PERSON] = { "((", "))" }, [SPAN_PARKED] = { ">", "]" },
	};
	AUTO(freep) char *shown = chosen(trace);

	puts("flowchart LR\n\tclassDef denied stroke:#c00,stroke-width:2px\n\tclassDef critical stroke-width:3px");
	for (size_t i = 0; i < trace->count; i++) {
		const struct span *s = trace->spans[i];
		if (!shown[i])
			continue;
		printf("\tn%lld%s\"", number(trace, s), shapes[s->kind].open);
		put_label(s, mermaid_text, "<br/>");
		printf("\"%s%s\n", shapes[s->kind].close, s->denied ? ":::denied" : s->critical ? ":::critical" : "");
	}
	edges(trace, shown, put_mermaid);
}
