/* verify_sign.h - checks the signatures of checkpoints; for verify.c. */
#ifndef MISHRI_STORE_VERIFY_SIGN_H
#define MISHRI_STORE_VERIFY_SIGN_H

#include "store/audit.h"
#include "store/internal.h"

struct signers;
/* The keys that the store names, checked. trusted: NULL: whatever they are. -EBADMSG. The caller owns *ret. */
MUST_USE int signers_read(struct db *db, const struct sign_key *trusted, struct signers **ret, struct err *err);
void signers_free(struct signers *signers);             /* NULL is fine */

/* named: by which key the checkpoint's text says that it is signed, or "". 1: it is; 0: it is not, and says so. -EBADMSG. */
MUST_USE int signers_check(const struct signers *signers, struct db *db, int64_t checkpoint, const char *named, const char *hash,
                           struct err *err);

#endif
