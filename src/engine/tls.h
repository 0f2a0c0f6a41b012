/* tls.h - the client's side of TLS, with everything checked. */
#ifndef MISHRI_ENGINE_TLS_H
#define MISHRI_ENGINE_TLS_H

#include "policy/address.h"

struct tls;                                          /* what is trusted; read when it is first used */
struct ssl_st;

/* ca_file: a file of certificates (PEM) that are trusted instead of the system's; NULL: the system's, or what
 * SSL_CERT_FILE and SSL_CERT_DIR say. */
MUST_USE struct tls *tls_new(const char *ca_file);
void tls_free(struct tls *tls);                      /* NULL is fine */

/* A session with this host, whose certificate must name it. The caller owns *ret. */
MUST_USE int tls_session(struct tls *tls, const struct host *host, struct ssl_st **ret, struct err *err);
/* Why the last handshake of this session failed, in a phrase. */
void tls_failure(struct ssl_st *session, char *ret, size_t size);

#endif
