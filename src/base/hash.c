/* hash.c - SHA-256 by OpenSSL. */
#include "base/hash.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/banned.h"

void hex_encode(const void *bytes, size_t len, char *text)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *b = bytes;

	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[b[i] >> 4];
		text[2 * i + 1] = digits[b[i] & 15];
	}
	text[2 * len] = '\0';
}

/* Looked up once: EVP_sha256() has the library search its providers anew for each digest. */
static const EVP_MD *sha256(void)
{
	static _Atomic(EVP_MD *) kept;
	EVP_MD *md = kept, *none = NULL;

	if (md != NULL)
		return md;
	md = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (md != NULL && !atomic_compare_exchange_strong(&kept, &none, md)) { /* another thread was faster */
		EVP_MD_free(md);
		md = none;
	}
	return md;
}

static EVP_MD_CTX *begin(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL || EVP_DigestInit_ex(ctx, sha256(), NULL) != 1)
		abort();
	return ctx;
}

static void end(EVP_MD_CTX *ctx, char *hex)
{
	unsigned char digest[SHA256_BYTES];

	if (EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
		abort();
	EVP_MD_CTX_free(ctx);
	hex_encode(digest, sizeof digest, hex);
}

void sha256_hex(const struct str *parts, size_t count, char hex[static SHA256_HEX_LEN + 1])
{
	EVP_MD_CTX *ctx = begin();

	for (size_t i = 0; i < count; i++)
		if (EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len) != 1)
			abort();
	end(ctx, hex);
}

int sha256_fd(int fd, char hex[static SHA256_HEX_LEN + 1])
{
	EVP_MD_CTX *ctx = begin();
	char chunk[16384];

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int code = errno;
			EVP_MD_CTX_free(ctx);
			return -code;
		}
		if (n == 0)
			break;
		if (EVP_DigestUpdate(ctx, chunk, (size_t)n) != 1)
			abort();
	}
	end(ctx, hex);
	return 0;
}
