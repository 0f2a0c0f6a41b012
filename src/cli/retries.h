/* retries.h - what `show` tells of attempts: of a turn, or of one call in it. */
#ifndef MISHRI_CLI_RETRIES_H
#define MISHRI_CLI_RETRIES_H

#include "core/event.h"

/* retry.scheduled and model.switched, into "retries" of a turn or a call: {"time","class","reason","delay_ms"|"to"}. */
bool retries_concern(const struct event *event);
void retries_note(json_t *target, const struct event *event);
void retries_print(const json_t *target, const char *indent);

#endif
