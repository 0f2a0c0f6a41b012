/* leaks.h - where a text holds a secret. The table is leaks.def; a row is a service or a form that is documented.
 *
 * One pass finds the words of all rows at once (leak_words.c); only where one stands is the row's pattern tried. What is
 * found is a guess that errs on the side of hiding: a wrong one costs a word of output, a missed one a key. */
#ifndef MISHRI_TOOLS_LEAKS_H
#define MISHRI_TOOLS_LEAKS_H

#include "base/err.h"
#include "base/json.h"
#include "base/limits.h"

enum leak_row {
#define LEAK(id, ...) LEAK_##id,
#include "tools/leaks.def"
#undef LEAK
	LEAK_ROWS
};

const char *leak_kind(size_t row);                        /* "github-token"; rows may share one */

struct leak_hit {
	size_t start, end;           /* bytes of the text */
	enum leak_row row;
	bool sure;                   /* a checksum or an inner form was right; its absence says nothing */
};

struct leak_hits {
	struct leak_hit *list;     /* sorted, disjoint */
	size_t count, room;
};
void leak_hits_done(struct leak_hits *hits);            /* fits AUTO(leak_hits_done) */

/* Fills *ret, which must be zeroed. Any bytes; escape sequences and hidden characters inside a secret do not hide it. */
void leaks_find(struct str text, struct leak_hits *ret);

/* What matches this pattern (PCRE2, unanchored) is never hidden, in this process, from now on. -EINVAL: err says what is wrong
 * with it, without a place. Set before the first text is looked at; not to be called by two threads at once. */
MUST_USE int leaks_allow(const char *pattern, struct err *err);
void leaks_allow_none(void);                              /* forgets them */

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
double leak_entropy(struct str value);
/* Is it what manuals write where a secret belongs: "changeme", "<token>", "${TOKEN}", "xxxx"? */
bool leak_placeholder(struct str value);
/* CRC-32 of the first bytes as six digits of base 62 at the end (GitHub, npm). */
bool leak_crc62(struct str token);
/* The first part is base64url of a JSON object. */
bool leak_jwt(struct str token);

/* `NAME = value`, `"name": "value"` and their like: text.ptr[word_start, word_end) is a word such as "password". True: *ret is the
 * value's place. */
bool leak_assigned(struct str text, size_t word_start, size_t word_end, bool password, struct str *ret);
/* From BEGIN or END of a private key: the whole of it, or what there is. */
bool leak_private_key(struct str text, size_t at, struct str *ret);

#endif
