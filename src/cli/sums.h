/* sums.h - what was spent so far, as it stands in the store: of a task, its tree, its session, its user today and all today, of
 * each model, and how full budgets are. It changes nothing. */
#ifndef MISHRI_CLI_SUMS_H
#define MISHRI_CLI_SUMS_H

#include "store/store.h"

enum { SUMS_TEXT_BYTES = 256 };

/* {own, tree, session, user_day, day: {usd_nanos, usd_nanos_known, tokens}, models: [{model, ...}]}; the caller owns it.
 * session counts what budgets count: where a cost is unknown, what was reserved for it. Days are in UTC. */
MUST_USE int sums_read(struct store *store, const struct task_row *task, json_t **ret, struct err *err);
/* "session $0.20, today $1.20 (all users $3.00)"; "" where all of it is this tree's. */
const char *sums_text(const json_t *sums, const char *user, char text[static SUMS_TEXT_BYTES]);

/* The newest budget.warned of each budget, per and unit: in the tree of a task, or (NULL) anywhere since a time. A list of
 * {budget, per, unit, percent, spent, most, task, time}; the caller owns it. */
MUST_USE int sums_warned(struct store *store, const char *task, int64_t since_us, json_t **ret, struct err *err);
void sums_print_warned(const json_t *list, bool colour);

#endif
