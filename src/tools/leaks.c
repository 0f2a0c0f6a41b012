/* leaks.c - finds secrets in any bytes. It knows how to look, the table knows for what. It refuses to be led astray by
 * escape sequences and hidden characters: a text that has some is looked at a second time without them.
 *
 * Every pattern is tried where a word of its row stands and nowhere else, runs under a match limit, and is not tried
 * again inside what it found: the time stays near the length of the text, whatever the text is. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tools/leaks.h"

#include <ctype.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tools/tool.h"

#include "base/banned.h"

enum check { CHECK_NONE, CHECK_SURE, CHECK_CRC62, CHECK_JWT, CHECK_BASIC };
enum { EDGE = 1, PLAIN = 2, MIXED = 4, DIGIT = 8, FIND_KEY = 16, FIND_PASSWORD = 32, FIND_ASSIGNED = 64, AUTHORITY = 128 };
#define BACK(n) ((n) << 8)

static const struct row {
	const char *kind, *words, *pattern;
	enum check check;
	unsigned char bits;
	unsigned flags;
} rows[] = {
#define LEAK(id, ...) [LEAK_##id] = { __VA_ARGS__ },
#include "tools/leaks.def"
#undef LEAK
};
_Static_assert(COUNT(rows) == LEAK_ROWS, "one row an id");

static struct words *words;
static pcre2_code *_Atomic compiled[LEAK_ROWS]; /* NULL: no word of the row was met yet */
static pcre2_match_context *limits;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static pcre2_code *allowed[LIMIT_SANITIZE_ALLOW];
static size_t allowed_count;

const char *leak_kind(size_t row)
{
	assert(row < COUNT(rows));
	return rows[row].kind;
}

void leak_hits_done(struct leak_hits *hits)
{
	free(hits->list);
	*hits = (struct leak_hits){ 0 };
}

static pcre2_code *compile(const char *pattern, uint32_t options, struct err *err)
{
	int code;
	PCRE2_SIZE offset;
	PCRE2_UCHAR why[128];
	pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options | PCRE2_NEVER_BACKSLASH_C, &code,
	                               &offset, NULL);

	if (re == NULL) {
		pcre2_get_error_message(code, why, sizeof why);
		err_set(err, EINVAL, "is no regular expression at offset %zu: %s", (size_t)offset, (const char *)why);
		return NULL;
	}
	pcre2_jit_compile(re, PCRE2_JIT_COMPLETE); /* without it the same is found, slower */
	return re;
}

static void set_up(void)
{
	const char *all[COUNT(rows)];

	for (size_t i = 0; i < COUNT(rows); i++)
		all[i] = rows[i].words;
	words = words_new(all, COUNT(all));
	limits = pcre2_match_context_create(NULL);
	if (limits == NULL)
		abort();
	pcre2_set_match_limit(limits, LIMIT_REGEX_STEPS);
}

int leaks_allow(const char *pattern, struct err *err)
{
	if (strlen(pattern) > LIMIT_REGEX_BYTES)
		return err_set(err, EINVAL, "has %zu bytes: at most %zu", strlen(pattern), LIMIT_REGEX_BYTES);
	if (allowed_count == COUNT(allowed))
		return err_set(err, EINVAL, "is one pattern too many: at most %zu", COUNT(allowed));
	pcre2_code *re = compile(pattern, PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, err);
	if (re == NULL)
		return -EINVAL;
	allowed[allowed_count++] = re;
	return 0;
}

void leaks_allow_none(void)
{
	while (allowed_count > 0)
		pcre2_code_free(allowed[--allowed_count]);
}

/* ---- one look at one view of the text --------------------------------------------------------------- */

struct look {
	struct str text;
	struct leak_hits *hits;
	pcre2_match_data *match;
	size_t past[LEAK_ROWS]; /* up to here the row has had its say */
};

static bool is_allowed(const struct look *l, struct str secret)
{
	for (size_t i = 0; i < allowed_count; i++)
		if (pcre2_match(allowed[i], (PCRE2_SPTR)secret.ptr, secret.len, 0, 0, l->match, limits) > 0)
			return true;
	return false;
}

static bool hex_before(struct str text, size_t at, size_t count, const char *lead)
{
	size_t len = strlen(lead);

	if (at < count + len || memcmp(text.ptr + at - count - len, lead, len) != 0)
		return false;
	for (size_t i = at - count; i < at; i++)
		if (!isxdigit((unsigned char)text.ptr[i]))
			return false;
	return true;
}

/* "...ESC [ 3 1 m" ends before `at`. */
static bool escape_before(struct str text, size_t at)
{
	size_t i = at - 1, least = at > 24 ? at - 24 : 0;

	while (i > least && (isdigit((unsigned char)text.ptr[i - 1]) || strchr(";:?", text.ptr[i - 1]) != NULL))
		i--;
	return i >= 2 && text.ptr[i - 1] == '[' && text.ptr[i - 2] == '\x1b';
}

/* Is a word that begins here the beginning of something? Not behind a letter or digit, unless that belongs to an escape: "\n" in
 * JSON, "%3D" in a URL, "ESC[31m" on a terminal. */
static bool at_edge(struct str text, size_t at)
{
	if (at == 0 || !isalnum((unsigned char)text.ptr[at - 1]))
		return true;
	char before = text.ptr[at - 1];
	if (at >= 2 && text.ptr[at - 2] == '\\' && strchr("nrtbf", before) != NULL)
		return true;
	return hex_before(text, at, 2, "%") || hex_before(text, at, 4, "\\u") || hex_before(text, at, 2, "\\x") ||
	       escape_before(text, at);
}

/* A digit, or the padding of base64: words of a program have neither. */
static bool is_mixed(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (isdigit((unsigned char)s.ptr[i]))
			return true;
	return s.len > 8 && s.ptr[s.len - 1] == '=';
}

static bool passes(const struct row *row, struct str secret)
{
	struct str sample = { secret.ptr, MIN(secret.len, (size_t)512) };

	if (row->bits > 0 && leak_entropy(sample) * 10 < row->bits)
		return false;
	if ((row->flags & MIXED) != 0 && !is_mixed(sample))
		return false;
	return (row->flags & PLAIN) == 0 || !leak_placeholder(secret);
}

static bool is_sure(const struct row *row, struct str secret)
{
	switch (row->check) {
	case CHECK_SURE: return true;
	case CHECK_CRC62: return leak_crc62(secret);
	case CHECK_JWT: return leak_jwt(secret);
	case CHECK_BASIC:
	case CHECK_NONE: break;
	}
	return false;
}

static void keep(struct look *l, enum leak_row row, struct str secret)
{
	struct leak_hits *h = l->hits;
	size_t start = (size_t)(secret.ptr - l->text.ptr);

	if (h->count == h->room) {
		h->room = h->room * 2 + 16;
		h->list = xrealloc(h->list, h->room * sizeof *h->list);
	}
	h->list[h->count++] = (struct leak_hit){ start, start + secret.len, row, is_sure(&rows[row], secret) };
}

/* Without the start optimisation, which would look ahead for a byte of the pattern far behind where it is to match.
 * All of them at once would cost a tenth of a second at every start. Two threads may both compile one; one is kept. */
static pcre2_code *code_of(enum leak_row row)
{
	pcre2_code *is = compiled[row];

	if (is != NULL)
		return is;
	pcre2_code *made = compile(rows[row].pattern, PCRE2_ANCHORED | PCRE2_NO_START_OPTIMIZE, NULL);
	if (made == NULL)
		abort(); /* the table is wrong */
	if (atomic_compare_exchange_strong(&compiled[row], &is, made))
		return made;
	pcre2_code_free(made);
	return is;
}

/* Where the row's pattern matches from `at` on; group 1 where there is one. */
static bool match_at(struct look *l, enum leak_row row, size_t at, struct str *ret, size_t *ret_end)
{
	int r = pcre2_match(code_of(row), (PCRE2_SPTR)l->text.ptr, l->text.len, at, 0, l->match, limits);

	if (r <= 0)
		return false;
	const PCRE2_SIZE *span = pcre2_get_ovector_pointer(l->match);
	size_t group = r > 1 && span[2] != PCRE2_UNSET ? 1 : 0;
	*ret = (struct str){ l->text.ptr + span[group * 2], span[group * 2 + 1] - span[group * 2] };
	*ret_end = span[1];
	return true;
}

static bool of_token(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '~' || c == '.';
}

/* The secret began up to this many bytes before its word. */
static bool match_back(struct look *l, enum leak_row row, const struct word_hit *hit, struct str *ret, size_t *ret_end)
{
	size_t from = hit->start, most = rows[row].flags >> 8;

	bool digits = (rows[row].flags & DIGIT) != 0;

	while (from > l->past[row] && hit->start - from < most &&
	       (digits ? isdigit((unsigned char)l->text.ptr[from - 1]) != 0 : of_token(l->text.ptr[from - 1])))
		from--;
	if (digits)
		return from < hit->start && match_at(l, row, from, ret, ret_end);
	for (; from < hit->start; from++)
		if (match_at(l, row, from, ret, ret_end))
			return true;
	return false;
}

static bool find(struct look *l, enum leak_row row, const struct word_hit *hit, struct str *ret, size_t *ret_end)
{
	unsigned flags = rows[row].flags;
	bool found;

	if ((flags & (FIND_KEY | FIND_PASSWORD | FIND_ASSIGNED)) == 0)
		return flags >> 8 != 0 ? match_back(l, row, hit, ret, ret_end) : match_at(l, row, hit->start, ret, ret_end);
	if ((flags & FIND_KEY) != 0)
		found = leak_private_key(l->text, hit->start, ret);
	else
		found = leak_assigned(l->text, hit->start, hit->end, (flags & FIND_PASSWORD) != 0, ret);
	*ret_end = found ? (size_t)(ret->ptr - l->text.ptr) + ret->len : hit->end;
	return found;
}

/* Most URLs have no user in them. */
static bool has_user(struct str text, size_t at)
{
	for (size_t n = 0; at + n < text.len && n < 512; n++) {
		if (text.ptr[at + n] == '@')
			return true;
		if (text.ptr[at + n] == '\0' || strchr("/?# \t\r\n\"'<>`|", text.ptr[at + n]) != NULL)
			return false;
	}
	return false;
}

static void on_word(void *userdata, const struct word_hit *hit)
{
	struct look *l = userdata;
	const struct row *row = &rows[hit->row];
	struct str secret;
	size_t end;

	if ((row->flags & AUTHORITY) != 0 && !has_user(l->text, hit->end))
		return;
	if (hit->start < l->past[hit->row] || ((row->flags & EDGE) != 0 && !at_edge(l->text, hit->start)) ||
	    ((row->flags & DIGIT) != 0 && (hit->start == 0 || !isdigit((unsigned char)l->text.ptr[hit->start - 1]))))
		return;
	if (!find(l, (enum leak_row)hit->row, hit, &secret, &end))
		return;
	l->past[hit->row] = end;
	if (passes(row, secret) && !is_allowed(l, secret))
		keep(l, (enum leak_row)hit->row, secret);
}

static void look_at(struct str text, struct leak_hits *ret)
{
	struct look l = { .text = text, .hits = ret, .match = pcre2_match_data_create(4, NULL) };

	if (l.match == NULL)
		abort();
	words_find(words, text, on_word, &l);
	pcre2_match_data_free(l.match);
}

/* ---- both views ------------------------------------------------------------------------------------------ */

/* Places of a bare text in the text that it was made of. */
static void map_back(const struct bare *bare, struct leak_hits *hits, size_t from)
{
	for (size_t i = from; i < hits->count; i++) {
		hits->list[i].start = bare_origin(bare, hits->list[i].start);
		hits->list[i].end = bare_origin(bare, hits->list[i].end - 1) + 1;
	}
}

static int by_start(const void *a, const void *b)
{
	const struct leak_hit *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* Where two overlap they become one, with the name of the more telling row. */
static void join(struct leak_hits *hits)
{
	size_t kept = 0;

	if (hits->count == 0)
		return;
	qsort(hits->list, hits->count, sizeof *hits->list, by_start);
	for (size_t i = 1; i < hits->count; i++) {
		struct leak_hit *last = &hits->list[kept], *hit = &hits->list[i];
		if (hit->start >= last->end) {
			hits->list[++kept] = *hit;
			continue;
		}
		last->end = MAX(last->end, hit->end);
		last->row = MIN(last->row, hit->row);
		last->sure |= hit->sure;
	}
	hits->count = kept + 1;
}

void leaks_find(struct str text, struct leak_hits *ret)
{
	struct bare bare;

	pthread_once(&once, set_up);
	look_at(text, ret);
	if (bare_text(text, &bare)) {
		size_t from = ret->count;
		look_at((struct str){ bare.ptr, bare.len }, ret);
		map_back(&bare, ret, from);
		bare_done(&bare);
	}
	join(ret);
}
