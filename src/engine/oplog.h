/* oplog.h - what of the work goes to the operators' log (base/log.h): one line for an event that an operator wants to
 * hear of. No prompt, argument, output or answer is ever in it, whatever the level. */
#ifndef MISHRI_ENGINE_OPLOG_H
#define MISHRI_ENGINE_OPLOG_H

#include "base/log.h"
#include "core/event.h"
#include "engine/config.h"

struct secrets;

/* Level and format of the configuration (NULL: none); `otherwise`: the level where it says nothing. secrets: borrowed while the
 * process lives, what it knows is hidden; NULL: none. */
void oplog_open(const struct config *config, const struct secrets *secrets, enum log_level otherwise);

/* A durable event. */
void oplog_event(const struct event *event);

#endif
