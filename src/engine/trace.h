/* trace.h - events of tasks as a tree of spans: what took how long, inside what, and what it came from. Every format of
 * `mishri trace` and what is sent to others (otlp.h) are made from this tree. */
#ifndef MISHRI_ENGINE_TRACE_H
#define MISHRI_ENGINE_TRACE_H

#include "base/json.h"
#include "store/store.h"

enum span_kind { SPAN_TASK, SPAN_MODEL, SPAN_CALL, SPAN_DECISION, SPAN_EXEC, SPAN_NET, SPAN_PERSON, SPAN_PARKED, SPAN_KINDS };

/* That a span belongs to another is in the tree; this is what else leads from one to another.
 * sequence: came before it. data: its result went in. wait: was waited for. */
enum edge_kind { EDGE_SEQUENCE, EDGE_DATA, EDGE_WAIT, EDGE_KINDS };
struct edge { enum edge_kind kind; char from[SPAN_ID_LEN + 1]; };

struct span {
	enum span_kind kind;
	char id[SPAN_ID_LEN + 1], parent_id[SPAN_ID_LEN + 1];
	struct span *parent, *first, *last, *next;  /* the tree; siblings in the order in which they began */
	struct span *turn, *call;    /* the newest turn of a task, the newest call of a turn */
	struct edge *edges;          /* that lead here, in the order in which they were found */
	size_t edge_count;
	bool critical;               /* trace_mark_critical: had it been quicker, all would have been */
	bool sent, shown;            /* otel.c: it is on its way; it was told of while it had no end */
	char *name;                  /* agent, "turn 3", tool, effect, program, host:port, who is asked */
	char *label;                 /* of a call: its id; of a task: its id; "" else */
	char *text;                  /* goal, gist of arguments, arguments of a program; a stranger's */
	char *status;                /* how it ended or stands; NULL: not known yet */
	char *why;                   /* what went wrong or who refused it; NULL; a stranger's */
	bool denied, failed;
	int64_t start_us, end_us;    /* end 0: it has none yet */
	json_t *attributes;          /* names of OpenTelemetry (gen_ai.*) and ours (mishri.*) */
	json_t *content;             /* goal, args, output, text: only where asked for; NULL */
};

struct trace {
	char task[ID_LEN + 1], trace_id[TRACE_ID_LEN + 1];
	char *tracestate;            /* that came with the goal (W3C); NULL: none */
	bool content;                /* what was said is kept too; else only facts about it */
	struct span **spans;         /* in the order in which they began */
	size_t count, room, left_out; /* left out: beyond LIMIT_TRACE_SPANS */
	int64_t start_us, end_us;    /* first and newest event */
	json_t *by_id;               /* span id → index */
	json_t *tasks;               /* ids of the tasks in it */
	json_t *words;               /* that first stood in an output → id of its span; null: were known before */
	size_t words_most;
	bool tells_ends;
	struct span **ended;
	size_t ended_count;
};

/* The subtree of one task, with what was said or without. Success: the caller owns what is in *ret. */
MUST_USE int trace_read(struct store *store, const char *task, bool content, struct trace *ret, struct err *err);
void trace_done(struct trace *trace);

/* The same step by step: events that become durable one after another. False: it is not of this tree. With tells_ends,
 * spans that ended gather in `ended`, which the caller empties; a turn that failed may begin again. trace_prune frees spans
 * for which gone() holds and that nothing hangs from, but for the newest turn of a task and its calls. */
void trace_begin(struct trace *trace, const char *task, bool content, size_t words_most);
bool trace_add(struct trace *trace, const struct event *event);
void trace_prune(struct trace *trace, bool (*gone)(const struct span *span));

/* trace_edges.c, which trace.c calls */
void trace_edge(struct span *to, const struct span *from, enum edge_kind kind);
void trace_turn_edges(struct span *turn);                /* it has just begun */
void trace_call_edges(struct trace *trace, struct span *call, const json_t *args);
void trace_output_words(struct trace *trace, const struct span *call, const char *output);
const char *edge_kind_name(enum edge_kind kind);

/* trace_critical.c: marks the spans of the critical path, from the end backwards. */
void trace_mark_critical(struct trace *trace);

const char *span_kind_name(enum span_kind kind);
/* The end, or the newest event where there is none. */
int64_t span_end(const struct trace *trace, const struct span *span);

struct span *trace_find(const struct trace *trace, const char *span_id);     /* NULL: not in it */
/* "invoke_agent NAME", "chat MODEL", "execute_tool NAME", "exec NAME": as the convention wants it. The caller owns it. */
MUST_USE char *span_full_name(const struct span *span);

#endif
