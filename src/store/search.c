/* search.c - reads the language of `mishri history QUERY`. It refuses what could only find nothing or everything, and lets
 * no character through to the syntax of the index: words go in quotes. */
#include "store/search.h"

#include <ctype.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/internal.h"

#include "base/banned.h"

struct token {
	struct str text;             /* without quotes, star, sign and place */
	const char *place;           /* NULL: anywhere */
	bool quoted, without, prefix;
};

static bool has_word(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (isalnum((unsigned char)s.ptr[i]) || (unsigned char)s.ptr[i] >= 0x80)
			return true;
	return false;
}

/* "goal:" in front, where it is one of the places. */
static const char *take_place(struct str *rest)
{
	for (size_t i = 0; words_place(i) != NULL; i++) {
		struct str name = str_of(words_place(i));
		if (str_starts(*rest, name) && rest->len > name.len + 1 && rest->ptr[name.len] == ':') {
			*rest = str_skip(*rest, name.len + 1);
			return words_place(i);
		}
	}
	return NULL;
}

static int take_quoted(struct str *rest, struct token *t, struct err *err)
{
	const char *end = memchr(rest->ptr + 1, '"', rest->len - 1);

	if (end == NULL)
		return err_set(err, EINVAL, "the phrase %.*s has no closing quote: write \"%.*s\"", STR_ARG(*rest),
		               (int)rest->len - 1, rest->ptr + 1);
	t->quoted = true;
	t->text = (struct str){ rest->ptr + 1, (size_t)(end - rest->ptr) - 1 };
	*rest = str_skip(*rest, t->text.len + 2);
	if (rest->len > 0 && rest->ptr[0] == '*') {
		t->prefix = true;
		*rest = str_skip(*rest, 1);
	}
	return 0;
}

static void take_word(struct str *rest, struct token *t)
{
	size_t len = 0;

	while (len < rest->len && !isspace((unsigned char)rest->ptr[len]) && rest->ptr[len] != '"')
		len++;
	t->text = (struct str){ rest->ptr, len };
	*rest = str_skip(*rest, len);
	if (len > 0 && t->text.ptr[len - 1] == '*') {
		t->prefix = true;
		t->text.len--;
	}
}

/* 1: a token; 0: the end. */
static int next(struct str *rest, struct token *ret, struct err *err)
{
	struct token t = { 0 };
	int r = 0;

	*rest = str_trim(*rest);
	if (rest->len == 0)
		return 0;
	if (rest->ptr[0] == '-' && rest->len > 1 && !isspace((unsigned char)rest->ptr[1])) {
		t.without = true;
		*rest = str_skip(*rest, 1);
	}
	t.place = take_place(rest);
	if (rest->ptr[0] == '"')
		r = take_quoted(rest, &t, err);
	else
		take_word(rest, &t);
	if (r < 0)
		return r;
	if (!has_word(t.text))
		return err_set(err, EINVAL, "'%.*s%s' has no letter or digit to look for", STR_ARG(t.text), t.prefix ? "*" : "");
	if (t.prefix && t.text.len < 2)
		return err_set(err, EINVAL, "'%.*s*' finds nearly everything: give at least two characters before the *",
		               STR_ARG(t.text));
	*ret = t;
	return 1;
}

static void add_match(struct buf *match, const struct token *t)
{
	if (t->place != NULL)
		buf_printf(match, "{%s} : ", t->place);
	buf_add_char(match, '"');
	for (size_t i = 0; i < t->text.len; i++) {
		if (t->text.ptr[i] == '"')
			buf_add_char(match, '"');
		buf_add_char(match, t->text.ptr[i]);
	}
	buf_add_text(match, t->prefix ? "\" *" : "\"");
}

/* The longest run of word characters: the part that is found again in a text. */
static char *first_word(struct str s)
{
	size_t start = 0, len = 0;

	while (start < s.len && !isalnum((unsigned char)s.ptr[start]) && (unsigned char)s.ptr[start] < 0x80)
		start++;
	while (start + len < s.len && (isalnum((unsigned char)s.ptr[start + len]) || (unsigned char)s.ptr[start + len] >= 0x80))
		len++;
	return xstrndup(s.ptr + start, len);
}

static int add_term(struct search *s, struct buf *match, const struct token *t, bool or_before, struct err *err)
{
	struct search_term *last = s->count > 0 ? &s->terms[s->count - 1] : NULL;

	if (or_before && (t->without || last->without))
		return err_set(err, EINVAL, "OR stands between two words to look for: 'a OR b -c', not '-a OR b'");
	if (or_before) {
		buf_add_text(match, last->match);
		buf_add_text(match, " OR ");
		free(TAKE(last->match));
		last->prefix |= t->prefix;
	} else {
		if (s->count == LIMIT_HISTORY_TERMS)
			return err_set(err, EINVAL, "more than %d words; fewer would be right, or a \"phrase\"", LIMIT_HISTORY_TERMS);
		last = &s->terms[s->count++];
		*last = (struct search_term){ .word = first_word(t->text), .without = t->without, .prefix = t->prefix };
	}
	add_match(match, t);
	last->match = xstrdup(buf_text(match));
	return 0;
}

static int parse(struct str rest, struct search *s, struct err *err)
{
	bool or_before = false, any = false;
	struct token t = { 0 };
	int r;

	while ((r = next(&rest, &t, err)) > 0) {
		AUTO(buf_done) struct buf match = BUF_INIT(KIB(16));
		if (!t.quoted && t.place == NULL && !t.without && str_eq(t.text, STR("OR"))) {
			if (s->count == 0 || or_before)
				return err_set(err, EINVAL, "OR stands between two words: 'invoice OR bill'");
			or_before = true;
			continue;
		}
		r = add_term(s, &match, &t, or_before, err);
		if (r < 0)
			return r;
		any |= !t.without;
		or_before = false;
	}
	if (r < 0)
		return r;
	if (or_before)
		return err_set(err, EINVAL, "OR stands between two words: 'invoice OR bill'");
	return any ? 0 : err_set(err, EINVAL, "there is no word to look for; a word without '-' would be right");
}

int search_parse(const char *text, struct search *ret, struct err *err)
{
	struct search s = { 0 };
	size_t len = strlen(text);

	if (len > LIMIT_HISTORY_QUERY_BYTES)
		return err_set(err, EINVAL, "what to look for has %zu bytes; %zu at most", len, LIMIT_HISTORY_QUERY_BYTES);
	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_length((const unsigned char *)text + i, len - i);
		if (n == 0)
			return err_set(err, EINVAL, "what to look for is not UTF-8");
	}
	int r = parse(str_of(text), &s, err);
	if (r < 0) {
		search_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void search_done(struct search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		free(TAKE(search->terms[i].match));
		free(TAKE(search->terms[i].word));
	}
	search->count = 0;
}

size_t search_find(struct str text, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; len > 0 && i + len <= text.len; i++)
		if (strncasecmp(text.ptr + i, word, len) == 0)
			return i;
	return text.len;
}
