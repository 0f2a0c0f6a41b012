/* signer.h - the key of `audit.key` for a store that is open for writing. */
#ifndef MISHRI_CLI_SIGNER_H
#define MISHRI_CLI_SIGNER_H

#include "cli/command.h"
#include "store/store.h"

/* Nothing is said: 0, and the key in the data directory counts, if there is one. A key that cannot be had: -errno, or 0 with a
 * line on stderr where `must` is not set: what stops work has to go through. */
MUST_USE int cli_signer(const struct options *o, const char *data, struct store *store, bool must, struct err *err);
/* Does `audit.key` say something? */
bool cli_signer_given(void);

#endif
