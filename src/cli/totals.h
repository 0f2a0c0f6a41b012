/* totals.h - running totals of a tree, as `stream-json` tells them beside the events. It changes nothing. */
#ifndef MISHRI_CLI_TOTALS_H
#define MISHRI_CLI_TOTALS_H

#include "store/store.h"

/* {type: "totals", task, own, with_below, tree}: of the task alone, with all below it, and of the whole tree that it belongs to,
 * each {tasks, turns, calls, denied, cost}, as it stands in the store now. The caller owns it. */
MUST_USE int totals_read(struct store *store, const char *task, json_t **ret, struct err *err);

#endif
