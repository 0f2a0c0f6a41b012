/* sign.c - Ed25519 by OpenSSL. It keeps keys only as long as they are asked for, and writes none anywhere. */
#include "base/sign.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/hash.h"

#include "base/banned.h"

struct sign_key { EVP_PKEY *pkey; };

static struct sign_key *wrap(EVP_PKEY *pkey)
{
	struct sign_key *key = xcalloc(1, sizeof *key);

	key->pkey = pkey;
	return key;
}

struct sign_key *sign_key_new(void)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	if (pkey == NULL)
		abort(); /* no memory, or no randomness */
	return wrap(pkey);
}

int sign_key_parse(struct str pem, bool is_private, struct sign_key **ret, struct err *err)
{
	BIO *bio = BIO_new_mem_buf(pem.ptr, (int)MIN(pem.len, KIB(64)));
	EVP_PKEY *pkey = NULL;

	if (bio == NULL)
		abort();
	pkey = is_private ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (pkey == NULL || EVP_PKEY_get_base_id(pkey) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(pkey);
		return err_set(err, EINVAL, "it is no %s Ed25519 key in PEM; `openssl genpkey -algorithm ed25519` makes one",
		               is_private ? "private" : "public");
	}
	*ret = wrap(pkey);
	return 0;
}

void sign_key_free(struct sign_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

void sign_key_freep(struct sign_key **key)
{
	sign_key_free(*key);
}

static void write_pem(const struct sign_key *key, bool is_private, struct buf *ret)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	if (bio == NULL || (is_private ? PEM_write_bio_PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL)
	                               : PEM_write_bio_PUBKEY(bio, key->pkey)) != 1)
		abort();
	long len = BIO_get_mem_data(bio, &text);
	buf_add(ret, text, (size_t)len);
	BIO_free(bio);
}

void sign_key_private(const struct sign_key *key, struct buf *ret)
{
	write_pem(key, true, ret);
}

void sign_key_public(const struct sign_key *key, struct buf *ret)
{
	write_pem(key, false, ret);
}

void sign_key_id(const struct sign_key *key, char ret[static SIGN_ID_LEN + 1])
{
	unsigned char *der = NULL;
	char hex[SHA256_HEX_LEN + 1];
	int len = i2d_PUBKEY(key->pkey, &der);

	if (len <= 0)
		abort();
	sha256_hex1((struct str){ (const char *)der, (size_t)len }, hex);
	OPENSSL_free(der);
	memcpy(ret, hex, SIGN_ID_LEN);
	ret[SIGN_ID_LEN] = '\0';
}

void sign_text(const struct sign_key *key, struct str text, char ret_hex[static SIGN_HEX_LEN + 1])
{
	unsigned char signature[SIGN_BYTES];
	size_t len = sizeof signature;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL || EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) != 1 ||
	    EVP_DigestSign(ctx, signature, &len, (const unsigned char *)text.ptr, text.len) != 1 || len != sizeof signature)
		abort();
	EVP_MD_CTX_free(ctx);
	hex_encode(signature, sizeof signature, ret_hex);
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool sign_matches(const struct sign_key *key, struct str text, const char *hex)
{
	unsigned char signature[SIGN_BYTES];

	if (strlen(hex) != SIGN_HEX_LEN)
		return false;
	for (size_t i = 0; i < sizeof signature; i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		signature[i] = (unsigned char)(high * 16 + low);
	}
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
	            EVP_DigestVerify(ctx, signature, sizeof signature, (const unsigned char *)text.ptr, text.len) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}
