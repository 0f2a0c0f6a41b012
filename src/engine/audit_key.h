/* audit_key.h - the key `audit.key`: where the private key is that signs checkpoints, if not in the data directory. */
#ifndef MISHRI_ENGINE_AUDIT_KEY_H
#define MISHRI_ENGINE_AUDIT_KEY_H

#include "base/sign.h"

/* Is it one of the forms? -EINVAL: err says them, and nothing of the text. */
MUST_USE int audit_key_check(const char *source, struct err *err);

/* Gets the key. It may start a command (10 s at most): before the event loop runs. A variable is taken out of the environment of
 * this process. -EACCES: it cannot be had; -EINVAL: it is no key. Nothing of a value is in err. The caller owns *ret. */
MUST_USE int audit_key_fetch(const char *source, struct sign_key **ret, struct err *err);

#endif
