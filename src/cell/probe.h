/* probe.h - what this machine offers for cells. */
#ifndef MISHRI_CELL_PROBE_H
#define MISHRI_CELL_PROBE_H

#include "base/util.h"

/* [{"name","ok","detail","fix"}] as text, within LIMIT_CELL_REPORT_BYTES; the caller owns it. */
MUST_USE char *probe_text(void);

#endif
