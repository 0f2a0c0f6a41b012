/* detach.h - hands a goal to the service of this data directory. */
#ifndef MISHRI_CLI_DETACH_H
#define MISHRI_CLI_DETACH_H

#include "cli/common.h"

/* body: of POST /v1/tasks; the answer's object, which the caller owns. -ENOENT: no service runs; others as it says. */
MUST_USE int detach_send(const struct options *o, const json_t *body, json_t **ret, struct err *err);

#endif
