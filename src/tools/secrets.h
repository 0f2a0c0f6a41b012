/* secrets.h - where a text holds a secret. The table is secrets.def; a row is a service or a form that is documented.
 *
 * One pass finds the words of all rows at once (secret_words.c); only where one stands is the row's pattern tried. What is
 * found is a guess that errs on the side of hiding: a wrong one costs a word of output, a missed one a key. */
#ifndef MISHRI_TOOLS_SECRETS_H
#define MISHRI_TOOLS_SECRETS_H

#include "base/err.h"
#include "base/json.h"
#include "base/limits.h"

enum secret_row {
#define SECRET(id, ...) SECRET_##id,
#include "tools/secrets.def"
#undef SECRET
	SECRET_ROWS
};

const char *secret_kind(size_t row);                        /* "github-token"; rows may share one */

struct secret_hit {
	size_t start, end;           /* bytes of the text */
	enum secret_row row;
	bool sure;                   /* a checksum or an inner form was right; its absence says nothing */
};

struct secret_hits {
	struct secret_hit *list;     /* sorted, disjoint */
	size_t count, room;
};
void secret_hits_done(struct secret_hits *hits);            /* fits AUTO(secret_hits_done) */

/* Fills *ret, which must be zeroed. Any bytes; escape sequences and hidden characters inside a secret do not hide it. */
void secrets_find(struct str text, struct secret_hits *ret);

/* What matches this pattern (PCRE2, unanchored) is never hidden, in this process, from now on. -EINVAL: err says what is wrong
 * with it, without a place. Set before the first text is looked at; not to be called by two threads at once. */
MUST_USE int secrets_allow(const char *pattern, struct err *err);
void secrets_allow_none(void);                              /* forgets them */

/* ---- parts of it, each for itself ---- */

struct word_hit {
	size_t start, end;
	unsigned row;
};
struct words;
/* words[i]: words of row i, separated by one blank; "" has none. Upper and lower case are the same. */
MUST_USE struct words *words_new(const char *const *words, size_t count);
void words_free(struct words *words);
/* Calls found() for each word in the text, in the order of their ends. */
void words_find(const struct words *words, struct str text, void (*found)(void *userdata, const struct word_hit *hit),
                void *userdata);

/* A text without what nobody sees. False: there is nothing of that in it, *ret is untouched. */
struct bare {
	char *ptr;
	size_t len;
	struct bare_run {
		size_t at, origin;
	} *runs;
	size_t run_count, run_room;
};
MUST_USE bool bare_text(struct str text, struct bare *ret);
size_t bare_origin(const struct bare *bare, size_t at);     /* at < bare->len */
void bare_done(struct bare *bare);

/* Bits per byte, by how often each byte is there. */
double secret_entropy(struct str value);
/* Is it what manuals write where a secret belongs: "changeme", "<token>", "${TOKEN}", "xxxx"? */
bool secret_placeholder(struct str value);
/* CRC-32 of the first bytes as six digits of base 62 at the end (GitHub, npm). */
bool secret_crc62(struct str token);
/* The first part is base64url of a JSON object. */
bool secret_jwt(struct str token);

/* `NAME = value`, `"name": "value"` and their like: text.ptr[word_start, word_end) is a word such as "password". True: *ret is the
 * value's place. */
bool secret_assigned(struct str text, size_t word_start, size_t word_end, bool password, struct str *ret);
/* From BEGIN or END of a private key: the whole of it, or what there is. */
bool secret_private_key(struct str text, size_t at, struct str *ret);

#endif
