/* doctor.h - mending what `mishri doctor` finds. */
#ifndef MISHRI_CLI_DOCTOR_H
#define MISHRI_CLI_DOCTOR_H

#include "cli/common.h"

/* --fix, with --yes and --json. Returns the exit code: 0 nothing is left to do. */
int doctor_fix(const struct options *o);

#endif
