/* sign.h - Ed25519: one key signs, everybody who has its public half can check. By OpenSSL; keys are PEM, as openssl(1)
 * writes and reads them. */
#ifndef MISHRI_BASE_SIGN_H
#define MISHRI_BASE_SIGN_H

#include "base/buf.h"
#include "base/err.h"

struct sign_key;                       /* a private or a public one */

enum { SIGN_BYTES = 64, SIGN_HEX_LEN = 128, SIGN_ID_LEN = 16 };

struct sign_key *sign_key_new(void);                            /* from the kernel's randomness; the caller owns it */
/* PEM: private or public. -EINVAL: err says what would be right. The caller owns *ret. */
MUST_USE int sign_key_parse(struct str pem, bool is_private, struct sign_key **ret, struct err *err);
void sign_key_free(struct sign_key *key);                       /* NULL is fine */
void sign_key_freep(struct sign_key **key);

/* PEM of the whole key, or of its public half. Appends. */
void sign_key_private(const struct sign_key *key, struct buf *ret);
void sign_key_public(const struct sign_key *key, struct buf *ret);
/* What a key is called: the beginning of the SHA-256 of its public half in DER. */
void sign_key_id(const struct sign_key *key, char ret[static SIGN_ID_LEN + 1]);

void sign_text(const struct sign_key *key, struct str text, char ret_hex[static SIGN_HEX_LEN + 1]);
bool sign_matches(const struct sign_key *key, struct str text, const char *hex);

#endif
