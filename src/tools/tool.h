/* tool.h - the table of tools. One file and one row make a tool; schema, help, permissions, policy
 * facts and what the model is told are read from the row. */
#ifndef MISHRI_TOOLS_TOOL_H
#define MISHRI_TOOLS_TOOL_H

#include "cell/cell.h"
#include "tools/schema.h"

enum nature { NATURE_AT_MOST_ONCE, NATURE_IDEMPOTENT, NATURE_PURE };   /* 0 is the safest */
const char *nature_name(enum nature nature);

/* How to run a checked call in the cell; all text is owned by the plan. */
struct tool_plan {
	const char *builtin;         /* name of a cell_builtin, or NULL: argv */
	char **argv;                 /* NULL-terminated; NULL for a builtin */
	int64_t wall_ms;
	char *input;                 /* what a program reads on its standard input; NULL: nothing */
};
void tool_plan_done(struct tool_plan *plan);

struct own;                          /* a tool by manifest: own.h */

struct tool {
	const char *name;            /* as the model and policy write it */
	const char *about;           /* for the model */
	const char *category;        /* read, write, exec, network, agent, schedule */
	const char *risk;            /* low, high */
	const char *permissions;     /* base/permission.h: "fs.read exec fs.write?"; with ? it does without; the kernel
	                              * gives a call no other */
	const char *taints;          /* labels that every result gives the task, "network untrusted"; NULL: none */
	enum nature nature;
	const struct bounds *limits; /* tighter than a task's; NULL: none but those of its kind */
	bool polls;                  /* made to be called again and again with the same arguments: no loop */
	const char *schema;          /* JSON Schema of the arguments, as text */
	bool control;                /* carried out by the engine itself, about the task; has neither plan nor run */
	bool hosted;                 /* carried out by the engine, once its intent is durable; has a plan and no run */
	/* args have passed the schema. 0, or -EINVAL with what would be right. */
	int (*plan)(const json_t *args, const char *workspace, struct tool_plan *ret, struct err *err);
	/* For tools that start no program; runs inside the cell, writes to fd 1. NULL otherwise. */
	int (*run)(const json_t *args, const char *workspace);
	const char *(*risk_of)(const json_t *args);  /* where it depends on the arguments; NULL: `risk` */
	enum nature (*nature_of)(const json_t *args); /* the same; NULL: `nature` */
	const struct own *own;       /* a tool that a person defined; NULL: one of ours */
};

const char *tool_risk(const struct tool *tool, const json_t *args);   /* of a checked call: low, high */
enum nature tool_nature(const struct tool *tool, const json_t *args);
/* The plan of a call, whoever defined the tool. 0 or -EINVAL. */
MUST_USE int tool_plan_make(const struct tool *tool, const json_t *args, const char *workspace, struct tool_plan *ret,
                            struct err *err);

/* The control tools, which the engine carries out. */
extern const struct tool tool_plan_steps, tool_delegate, tool_ask_user, tool_ask_master, tool_finish, tool_lock, tool_unlock;
/* The hosted ones: about what ran, and about what runs beside the calls. */
extern const struct tool tool_read_output, tool_background, tool_memory;

/* Ours first, then those by manifest (own.h), once they are loaded. */
const struct tool *tool_find(const char *name);              /* NULL: none */
const struct tool *tool_at(size_t i);                        /* NULL past the end */
size_t tool_names(const char **ret, size_t max);             /* fills names; returns how many */
size_t tool_builtins(struct cell_builtin *ret, size_t max);  /* the rows that have `run` */
json_t *tool_schema_of(const struct tool *tool);             /* parsed; the caller owns it */

/* Keeps head and tail of a stream within a bound, and makes it fit for a model and a terminal. */
struct output;
MUST_USE struct output *output_new(size_t max_bytes);        /* max: what is kept of the raw stream */
void output_free(struct output *output);
void output_freep(struct output **output);
void output_add(struct output *output, const void *bytes, size_t len);
bool output_cut(const struct output *output);                /* more came than is kept */
uint64_t output_total(const struct output *output);          /* raw bytes seen */
/* UTF-8 without control bytes but \n and \t: others, and bidirectional and zero-width characters, are
 * shown escaped; invalid bytes as U+FFFD; secrets as "[redacted:KIND]"; "[... N bytes left out ...]" in the gap. Appends to ret. */
void output_render(const struct output *output, struct buf *ret);
/* The same, and what was found: counts of what the text shows escaped, replaced or left out. */
enum { FINDINGS_KINDS = 192 };
struct findings {
	uint64_t bytes, left_out;    /* of the raw stream */
	uint64_t control, bidirectional, invisible, tags, invalid;
	uint64_t redacted, sure;     /* secrets; those that a checksum or an inner form confirms */
	uint32_t kinds[FINDINGS_KINDS]; /* secrets by row of leaks.def */
};
void output_render_found(const struct output *output, struct buf *ret, struct findings *found);
MUST_USE json_t *findings_redactions(const struct findings *found);  /* {KIND: count}; NULL where there is none */

/* The same for one text, e.g. for a terminal: characters and secrets. */
void sanitize_shown(struct str text, struct buf *ret);
/* Only characters, for what a person must see as it is: an action to approve, a file to trust. */
void sanitize_text(struct str text, struct buf *ret);

#endif
