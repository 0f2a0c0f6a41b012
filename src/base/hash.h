/* hash.h - SHA-256 and hexadecimal. */
#ifndef MISHRI_BASE_HASH_H
#define MISHRI_BASE_HASH_H

#include "base/str.h"

enum { SHA256_BYTES = 32, SHA256_HEX_LEN = 64 };

void hex_encode(const void *bytes, size_t len, char *text); /* writes 2 * len characters and NUL */

/* SHA-256 of the parts, one after another, as lower-case hexadecimal. */
void sha256_hex(const struct str *parts, size_t count, char hex[static SHA256_HEX_LEN + 1]);
static inline void sha256_hex1(struct str s, char hex[static SHA256_HEX_LEN + 1]) { sha256_hex(&s, 1, hex); }

/* SHA-256 of what is left in a descriptor. 0 or -errno. */
MUST_USE int sha256_fd(int fd, char hex[static SHA256_HEX_LEN + 1]);

#endif
