/* socks.h - SOCKS 5 (RFC 1928) without authentication, CONNECT alone. Pure. */
#ifndef MISHRI_ENGINE_SOCKS_H
#define MISHRI_ENGINE_SOCKS_H

#include "policy/address.h"

/* What a client answers to; the numbers are the protocol's. */
enum socks_reply {
	SOCKS_OK = 0, SOCKS_FAILED = 1, SOCKS_DENIED = 2, SOCKS_NO_NETWORK = 3, SOCKS_NO_HOST = 4, SOCKS_REFUSED = 5,
	SOCKS_EXPIRED = 6, SOCKS_NO_COMMAND = 7, SOCKS_NO_ADDRESS_TYPE = 8,
};

enum { SOCKS_REPLY_BYTES = 10 };

/* The greeting: how many bytes it has; 0: not whole yet; -EINVAL: none. *ret_open: can it do without a password? */
MUST_USE int socks_greeting_read(const unsigned char *bytes, size_t len, bool *ret_open);

struct socks_request {
	struct host host;
	int port;
	enum socks_reply refusal;        /* not SOCKS_OK: well formed, and not for us */
};
/* The same for the request. -EINVAL: err says why. */
MUST_USE int socks_request_read(const unsigned char *bytes, size_t len, struct socks_request *ret, struct err *err);

void socks_reply_write(enum socks_reply reply, unsigned char ret[static SOCKS_REPLY_BYTES]);

#endif
