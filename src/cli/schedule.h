/* schedule.h - what the commands about schedules share. */
#ifndef MISHRI_CLI_SCHEDULE_H
#define MISHRI_CLI_SCHEDULE_H

#include "cli/common.h"

bool schedule_served(const struct options *o);             /* does a service run on this data directory? */
void schedule_warn(const struct options *o);               /* says so where none does */
void schedule_print_time(const json_t *spec, int64_t us);  /* on the clock of the schedule's zone */

#endif
