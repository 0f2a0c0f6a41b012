/* print.h - how tasks, times and money look on a terminal, and what a stranger's text may do there: nothing. */
#ifndef MISHRI_CLI_PRINT_H
#define MISHRI_CLI_PRINT_H

#include "base/json.h"
#include "cli/command.h"
#include "store/store.h"

/* May escape sequences be written to stdout? */
bool print_colour(const struct options *o);
enum ink { INK_PLAIN, INK_BOLD, INK_FAINT, INK_GOOD, INK_WARN, INK_BAD };
const char *ink(bool colour, enum ink ink);                     /* "" without colour */
enum ink ink_of_state(const struct task_row *row);

/* One line of at most `max` columns, cut with "..."; line breaks and tabs become spaces. Sanitised. */
void print_line(const char *text, size_t max);
/* All lines, each behind `indent`; at most max_lines, then how many were left out. Sanitised. */
void print_block(const char *indent, const char *text, size_t max_lines);

void print_count(int64_t n, const char *noun);                  /* "1 call", "2 calls" */

enum { TIME_TEXT_BYTES = 32, COST_TEXT_BYTES = 32, SPAN_TEXT_BYTES = 32 };
const char *time_text(int64_t wall_us, char text[static TIME_TEXT_BYTES]);       /* local, to the second */
const char *cost_text(int64_t usd_nanos, char text[static COST_TEXT_BYTES]);     /* "unknown" below 0 */
const char *span_text(const struct task_row *row, char text[static SPAN_TEXT_BYTES]);
const char *state_text(const struct task_row *row);             /* "lost": running, but nobody runs it */

/* -1 is unknown, and unknown and anything is unknown. */
int64_t usd_add(int64_t a, int64_t b);

json_t *json_cost(const struct task_row *row);                  /* the caller owns these */
json_t *json_time(int64_t wall_us);                             /* null for 0 */
void print_json(const json_t *value);                           /* one line on stdout */

/* The one TASK of a command, found in the store: 0, or an exit code after the complaint. */
int task_argument(const struct options *o, struct store *store, char ret[static ID_LEN + 1]);

#endif
