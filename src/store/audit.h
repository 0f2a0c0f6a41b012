/* audit.h - keys that sign checkpoints, and what an audit takes away. A key lies in DIR/audit.key (0600, PEM); where there
 * is none, checkpoints are chained and not signed. */
#ifndef MISHRI_STORE_AUDIT_H
#define MISHRI_STORE_AUDIT_H

#include "base/sign.h"
#include "store/store.h"

/* This key signs from now on, whatever lies in DIR; borrowed as long as the store is open. Before anything is appended. */
void store_sign_with(struct store *store, const struct sign_key *key);
const struct sign_key *store_signer(struct store *store);       /* what signs now; NULL: nothing does */
/* The key of store_sign_with is signed by the one that signed before: who trusts that one trusts it. -EEXIST: it is known. */
MUST_USE int store_audit_key_follow(struct store *store, const struct sign_key *by, struct err *err);

/* A new key takes the place of the one that is there; that one signs it first. -errno. */
MUST_USE int store_audit_key_new(struct store *store, char ret_id[static SIGN_ID_LEN + 1], struct err *err);

struct audit_key_row { const char *key, *public, *by; int64_t since; };   /* since: the first checkpoint that it may sign */
MUST_USE int store_audit_keys(struct store *store, void (*visit)(void *userdata, const struct audit_key_row *row), void *userdata,
                              struct err *err);

struct audit_checkpoint { int64_t id; struct str text; const char *prev, *hash, *key, *signature; };  /* key "": not signed */
MUST_USE int store_audit_checkpoints(struct store *store, void (*visit)(void *userdata, const struct audit_checkpoint *row),
                                     void *userdata, struct err *err);

/* As store_verify; and every signature must be of `trusted`, or of a key that it signed, or one that that one did. */
MUST_USE int store_verify_by(struct store *store, const struct sign_key *trusted, struct store_report *ret, struct err *err);

#endif
