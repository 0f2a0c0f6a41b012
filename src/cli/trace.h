/* trace.h - the record of a task and the tasks below it as a tree of spans: what took how long, inside what.
 * The formats of `mishri trace` all read this tree. */
#ifndef MISHRI_CLI_TRACE_H
#define MISHRI_CLI_TRACE_H

#include "base/json.h"
#include "store/store.h"

enum span_kind { SPAN_TASK, SPAN_MODEL, SPAN_CALL, SPAN_EXEC, SPAN_NET, SPAN_PERSON, SPAN_PARKED, SPAN_KINDS };

struct span {
	enum span_kind kind;
	char id[SPAN_ID_LEN + 1], parent_id[SPAN_ID_LEN + 1];
	struct span *parent, *first, *last, *next;  /* the tree; siblings in the order in which they began */
	char *name;                  /* agent, "turn 3", tool, program, host:port, who is asked */
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
	bool content;                /* what was said is kept too; else only facts about it */
	struct span **spans;         /* in the order in which they began */
	size_t count, left_out;      /* left out: beyond LIMIT_TRACE_SPANS */
	int64_t start_us, end_us;    /* first and newest event */
	json_t *by_id;               /* span id → index */
	json_t *tasks;               /* ids of the tasks in it */
};

/* The subtree of one task, with what was said or without. Success: the caller owns what is in *ret. */
MUST_USE int trace_read(struct store *store, const char *task, bool content, struct trace *ret, struct err *err);
void trace_done(struct trace *trace);

const char *span_kind_name(enum span_kind kind);
/* The end, or the newest event where there is none. */
int64_t span_end(const struct trace *trace, const struct span *span);

/* The formats; each writes to stdout. */
void trace_print_text(const struct trace *trace, size_t width, bool colour);
void trace_print_json(const struct trace *trace);
void trace_print_dot(const struct trace *trace);
void trace_print_mermaid(const struct trace *trace);
void trace_print_html(const struct trace *trace);   /* one file, which asks nothing of anybody */

#endif
