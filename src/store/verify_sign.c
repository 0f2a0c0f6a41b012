/* verify_sign.c - are checkpoints signed by whom they say? A checkpoint whose text names a key has a signature of it; one
 * that names none has none. A key was signed by the one before it, so that trust in the first is trust in all. */
#include "store/verify_sign.h"

#include "base/banned.h"

struct known { struct sign_key *key; char id[SIGN_ID_LEN + 1]; bool trusted; };

struct signers { struct known list[LIMIT_AUDIT_KEYS]; size_t count; bool all; };

void signers_free(struct signers *s)
{
	for (size_t i = 0; s != NULL && i < s->count; i++)
		sign_key_free(s->list[i].key);
	free(s);
}

static const struct known *find(const struct signers *s, const char *id)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->list[i].id, id) == 0)
			return &s->list[i];
	return NULL;
}

static int bad_key(const struct query *q, const char *why, struct err *err)
{
	return err_set(err, EBADMSG, "%s: the key %s is not as it was written: %s", q->db->path, query_text(q, 0), why);
}

/* Columns: key, public, since, by, signature. */
static int add_key(struct signers *s, const struct query *q, const char *trusted, struct err *err)
{
	struct known *k = &s->list[s->count];
	const struct known *by = find(s, query_text(q, 3));

	if (s->count == COUNT(s->list))
		return err_set(err, E2BIG, "%s: more than %d keys have signed it", q->db->path, LIMIT_AUDIT_KEYS);
	if (sign_key_parse(query_str(q, 1), false, &k->key, err) < 0)
		return bad_key(q, "it is no key", err);
	s->count++;
	sign_key_id(k->key, k->id);
	if (strcmp(k->id, query_text(q, 0)) != 0)
		return bad_key(q, "it has another name", err);
	if (query_text(q, 3)[0] != '\0' && by == NULL)
		return bad_key(q, "the key that signed it is missing", err);
	if (by == NULL && query_text(q, 4)[0] != '\0')
		return bad_key(q, "it has a signature, and nobody who signed it", err);
	if (by != NULL && !sign_matches(by->key, query_str(q, 1), query_text(q, 4)))
		return bad_key(q, "it was not signed by the key before it", err);
	k->trusted = s->all || strcmp(k->id, trusted) == 0 || (by != NULL && by->trusted);
	return 0;
}

int signers_read(struct db *db, const struct sign_key *trusted, struct signers **ret, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_AUDIT_KEYS, "");
	AUTO(query_done) struct query odd = query_start(db, SQL_SIGNATURE_ODD, "");
	struct signers *s = xcalloc(1, sizeof *s);
	char id[SIGN_ID_LEN + 1] = "";
	int r;

	s->all = trusted == NULL;
	if (trusted != NULL)
		sign_key_id(trusted, id);
	while ((r = query_next(&q, err)) > 0)
		if ((r = add_key(s, &q, id, err)) < 0)
			break;
	if (r == 0 && trusted != NULL && find(s, id) == NULL)
		r = err_set(err, EBADMSG, "%s: the key %s has never signed it", db->path, id);
	if (r == 0 && (r = query_next(&odd, err)) > 0)
		r = err_set(err, EBADMSG, "%s: checkpoint %lld was signed, and is missing", db->path, (long long)query_int(&odd, 0));
	if (r < 0)
		signers_free(s);
	else
		*ret = s;
	return r;
}

int signers_check(const struct signers *s, struct db *db, int64_t checkpoint, const char *named, const char *hash, struct err *err)
{
	AUTO(query_done) struct query q = query_start(db, SQL_SIGNATURE_GET, "i", checkpoint);
	int r = query_next(&q, err);
	const char *why = NULL;

	if (r < 0)
		return r;
	const struct known *k = r > 0 ? find(s, query_text(&q, 0)) : NULL;
	if (r == 0 && named[0] == '\0')
		return 0;
	if (r == 0)
		why = "its signature is missing";
	else if (strcmp(named, query_text(&q, 0)) != 0)
		why = "it is signed by another key than it says";
	else if (k == NULL)
		why = "the key that signed it is missing";
	else if (!sign_matches(k->key, str_of(hash), query_text(&q, 1)))
		why = "its signature does not match";
	else if (!k->trusted)
		why = "it is signed by a key that the given one did not sign";
	if (why == NULL)
		return 1;
	return err_set(err, EBADMSG, "%s: checkpoint %lld is not as it was written: %s", db->path, (long long)checkpoint, why);
}
