/* tmp_kept.h - what lies in a cell's /tmp, as one stream, and back. Both run inside a cell. */
#ifndef MISHRI_TOOLS_TMP_KEPT_H
#define MISHRI_TOOLS_TMP_KEPT_H

#include "base/json.h"

#define TMP_KEEP "tmp_keep"            /* names of the builtins */
#define TMP_BRING "tmp_bring"

/* To descriptor 1. Status 0; 1: more than LIMIT_TMP_KEPT_BYTES, or it cannot be read. */
int tmp_keep(const json_t *args, const char *workspace);
/* From descriptor 0, into an empty /tmp. Status 0; 1: it is damaged, or does not fit. */
int tmp_bring(const json_t *args, const char *workspace);

#endif
