/* detach.h - asks the service of this data directory for something: a goal that is handed over, a task that is to go on. */
#ifndef MISHRI_CLI_DETACH_H
#define MISHRI_CLI_DETACH_H

#include "cli/common.h"

/* POST of body to path; the answer's object, which the caller owns. -ENOENT: no service runs; others as it says. */
MUST_USE int detach_send(const struct options *o, const char *path, const json_t *body, json_t **ret, struct err *err);

#endif
