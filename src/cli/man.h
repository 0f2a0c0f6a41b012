/* man.h - the manual pages that the tables make: mishri(1), one page a command, mishri-config(5). */
#ifndef MISHRI_CLI_MAN_H
#define MISHRI_CLI_MAN_H

#include "base/err.h"

/* Into DIR, which is made where it is missing; old pages of the same names are replaced. Their date is SOURCE_DATE_EPOCH
 * (seconds since 1970) where that is set, else today. */
MUST_USE int man_write(const char *dir, struct err *err);

#endif
