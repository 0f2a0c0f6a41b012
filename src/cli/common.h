/* common.h - what several commands need before they begin. */
#ifndef MISHRI_CLI_COMMON_H
#define MISHRI_CLI_COMMON_H

#include "cli/command.h"
#include "store/store.h"

/* Opens the store in --data, MISHRI_DATA or the usual place; flags as for store_open. */
MUST_USE int cli_open_store(const struct options *o, unsigned flags, struct store **ret, struct err *err);

#endif
