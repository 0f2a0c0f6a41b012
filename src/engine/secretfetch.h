/* secretfetch.h - the value of one secret, into memory that is neither swapped nor dumped. */
#ifndef MISHRI_ENGINE_SECRETFETCH_H
#define MISHRI_ENGINE_SECRETFETCH_H

#include "engine/secrets.h"

/* Sets value and value_len. -EACCES or -EINVAL: err says what would be right, and repeats nothing of the value. */
MUST_USE int secret_fetch(struct secret *secret, bool *ret_locked, struct err *err);
void secret_forget(struct secret *secret);   /* wipes it; may be called twice */

#endif
