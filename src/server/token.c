/* token.c - makes tokens and knows them again. A token is 256 random bits; what is kept of it is a salted hash. It is never
 * written to a log, an event or an error. */
#include "server/token.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

/* Of nothing: compared with where there is no row. */
#define NO_HASH "0000000000000000000000000000000000000000000000000000000000000000"

/* Who shows one that is over is not told so. */
static const char unknown[] = "this token is not known, or it was revoked or has expired; `mishri token add` makes one";

static const struct role roles[] = {
	{ "viewer", RIGHT_READ, "sees its user's tasks" },
	{ "auditor", RIGHT_READ | RIGHT_READ_ALL, "sees everybody's tasks" },
	{ "operator", RIGHT_READ | RIGHT_START | RIGHT_CONTROL, "starts, steers and ends its user's tasks" },
	{ "approver", RIGHT_READ | RIGHT_READ_ALL | RIGHT_APPROVE, "sees everybody's tasks and answers what waits" },
	{ "admin", RIGHT_READ | RIGHT_READ_ALL | RIGHT_START | RIGHT_CONTROL | RIGHT_APPROVE | RIGHT_ADMIN, "all of it" },
};

const struct role *role_at(size_t i)
{
	return i < COUNT(roles) ? &roles[i] : NULL;
}

const struct role *role_find(const char *name)
{
	for (size_t i = 0; i < COUNT(roles); i++)
		if (strcmp(roles[i].name, name) == 0)
			return &roles[i];
	return NULL;
}

bool token_name_valid(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._");

	return len > 0 && len <= LIMIT_TOKEN_NAME_BYTES && name[len] == '\0';
}

static void hash_of(const char *salt, struct str secret, char ret[static SHA256_HEX_LEN + 1])
{
	const struct str parts[] = { str_of(salt), STR("\0"), secret };

	sha256_hex(parts, COUNT(parts), ret);
}

void token_make(struct token_row *row, char ret[static TOKEN_TEXT_BYTES])
{
	unsigned char bytes[32], salt[TOKEN_SALT_LEN / 2];
	char secret[65];

	id_new(row->id);
	id_random(bytes, sizeof bytes);
	id_random(salt, sizeof salt);
	hex_encode(bytes, sizeof bytes, secret);
	hex_encode(salt, sizeof salt, row->salt);
	hash_of(row->salt, str_of(secret), row->hash);
	snprintf(ret, TOKEN_TEXT_BYTES, "mishri-%s-%s", row->id, secret);
	explicit_bzero(bytes, sizeof bytes);
	explicit_bzero(secret, sizeof secret);
}

int token_look(struct store *store, struct str text, int64_t now_us, struct token_row *ret, const char **ret_state,
               struct err *err)
{
	struct token_row row = { .salt = "-" };
	char id[ID_LEN + 1] = "", hash[SHA256_HEX_LEN + 1];
	bool shaped = text.len == TOKEN_TEXT_BYTES - 1 && str_starts(text, STR("mishri-")) && text.ptr[7 + ID_LEN] == '-';

	if (shaped)
		memcpy(id, text.ptr + 7, ID_LEN);
	int r = shaped && id_valid(id) ? store_token_get(store, id, &row, err) : -ENOENT;
	if (r < 0 && r != -ENOENT)
		return r;
	hash_of(row.salt, shaped ? str_skip(text, 7 + ID_LEN + 1) : STR(""), hash);
	bool same = CRYPTO_memcmp(hash, r == 0 ? row.hash : NO_HASH, SHA256_HEX_LEN) == 0;
	if (r < 0 || !same)
		return err_set(err, EACCES, "%s", unknown);
	*ret = row;
	*ret_state = row.revoked_us != 0 ? "revoked"
		: row.expires_us != 0 && row.expires_us <= now_us ? "expired" : TOKEN_IN_FORCE;
	return 0;
}

int token_check(struct store *store, struct str text, int64_t now_us, struct token_row *ret, struct err *err)
{
	struct token_row row;
	const char *state;
	int r = token_look(store, text, now_us, &row, &state, err);

	if (r == 0 && strcmp(state, TOKEN_IN_FORCE) != 0)
		return err_set(err, EACCES, "%s", unknown);
	if (r == 0)
		*ret = row;
	return r;
}

bool token_guard_open(struct token_guard *g, int64_t now_ms)
{
	int64_t forgotten = (now_ms - g->since_ms) / LIMIT_TOKEN_FAILURE_MS;

	if (g->failures == 0 || forgotten >= g->failures) {
		g->failures = 0;
		g->since_ms = now_ms;
	} else if (forgotten > 0) {
		g->failures -= forgotten;
		g->since_ms += forgotten * LIMIT_TOKEN_FAILURE_MS;
	}
	return g->failures < LIMIT_TOKEN_FAILURES;
}

void token_guard_failed(struct token_guard *g, int64_t now_ms)
{
	if (g->failures == 0)
		g->since_ms = now_ms;
	g->failures++;
}
