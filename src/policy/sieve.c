/* sieve.c - which rules cannot match because a text lacks bytes that their patterns need. For each pattern a few triples
 * of bytes are known without which it never matches; for the text there is a set of all its triples, made once for all
 * rules. It only ever says "cannot match", and where a pattern is not understood to the last character, nothing. */
#include "policy/rules.h"

#include "base/banned.h"

enum { RUN = 256 };                    /* of a pattern, at most that much is looked for */

/* The longest run of characters so far that stand side by side in every text that matches. ASCII only, lower case. */
struct runs {
	char at[RUN], best[RUN];
	size_t len, best_len;
	bool caseless;
};

static void run_end(struct runs *r)
{
	if (r->len > r->best_len) {
		memcpy(r->best, r->at, r->len);
		r->best_len = r->len;
	}
	r->len = 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static void run_add(struct runs *r, char c)
{
	c = lower(c);
	/* U+212A and U+017F are k and s where case does not matter */
	if ((unsigned char)c >= 0x80 || (r->caseless && (c == 'k' || c == 's')) || r->len == RUN) {
		run_end(r);
		return;
	}
	r->at[r->len++] = c;
}

/* The character before a quantifier need not be there. */
static void run_drop(struct runs *r)
{
	r->len -= r->len > 0;
	run_end(r);
}

static uint16_t gram_of(const char *s)
{
	uint32_t g = (uint32_t)(unsigned char)s[0] | (uint32_t)(unsigned char)s[1] << 8 | (uint32_t)(unsigned char)s[2] << 16;

	return (uint16_t)(g * 2654435761u >> (32 - SIEVE_BITS));
}

static void needle_make(const struct runs *r, struct needle *ret)
{
	size_t grams = r->best_len >= 3 ? r->best_len - 2 : 0;

	ret->count = (uint8_t)MIN(grams, COUNT(ret->grams));
	for (size_t i = 0; i < ret->count; i++)            /* spread over the run, both ends among them */
		ret->grams[i] = gram_of(r->best + (ret->count > 1 ? i * (grams - 1) / (ret->count - 1) : 0));
}

/* ---- patterns ---- */

/* Behind a class; NULL: it is one that is not understood. */
static const char *skip_class(const char *p)
{
	p += 1 + (p[1] == '^');
	p += *p == ']';
	for (; *p != ']'; p++) {
		if (*p == '\0' || *p == '[' || (*p == '\\' && (p[1] == '\0' || strchr("QEc", p[1]) != NULL)))
			return NULL;
		p += *p == '\\';
	}
	return p + 1;
}

/* One escape at p, with its backslash; NULL: not understood. */
static const char *skip_escape(const char *p, struct runs *r)
{
	if (p[1] != '\0' && strchr("bBAzZ", p[1]) != NULL)   /* takes nothing: what stands beside it stays side by side */
		return p + 2;
	if (p[1] != '\0' && strchr("dDsSwWhHvVRNXnrtfae", p[1]) != NULL && p[2] != '{') {
		run_end(r);
		return p + 2;
	}
	if ((unsigned char)p[1] <= ' ' || (unsigned char)p[1] >= 0x7f || (p[1] >= '0' && p[1] <= '9') ||
	    (lower(p[1]) >= 'a' && lower(p[1]) <= 'z'))
		return NULL;
	run_add(r, p[1]);
	return p + 2;
}

/* Behind a group, whatever it holds; NULL: it says something about more than itself. */
static const char *skip_group(const char *p)
{
	struct runs none = { 0 };
	int depth = 0;

	do {
		if (*p == '\0' || (*p == '(' && (p[1] == '*' || (p[1] == '?' && p[2] != ':'))))
			return NULL;
		depth += (*p == '(') - (*p == ')');
		p = *p == '\\' ? skip_escape(p, &none) : *p == '[' ? skip_class(p) : p + 1;
	} while (p != NULL && depth > 0);
	return p;
}

static const char *skip_piece(const char *p, struct runs *r)
{
	const char *end;

	switch (*p) {
	case '|': case ')':
		return NULL;
	case '\\':
		return skip_escape(p, r);
	case '[':
		run_end(r);
		return skip_class(p);
	case '(':
		run_end(r);
		return skip_group(p);
	case '?': case '*':
		run_drop(r);
		return p + 1 + (p[1] == '?' || p[1] == '+');
	case '+':
		run_end(r);
		return p + 1 + (p[1] == '?' || p[1] == '+');
	case '{':
		end = p + 1 + strspn(p + 1, "0123456789,");
		run_drop(r);
		return *end == '}' ? end + 1 + (end[1] == '?' || end[1] == '+') : NULL;
	case '.': case '^': case '$':
		run_end(r);
		return p + 1;
	default:
		run_add(r, *p);
		return p + 1;
	}
}

void needle_of_regex(const char *pattern, struct needle *ret)
{
	struct runs r = { .caseless = strncmp(pattern, "(?i)", 4) == 0 };
	const char *p = pattern + (r.caseless ? 4 : 0);

	ret->count = 0;
	while (*p != '\0') {
		p = skip_piece(p, &r);
		if (p == NULL)
			return;
	}
	run_end(&r);
	needle_make(&r, ret);
}

void needle_of_glob(const char *pattern, struct needle *ret)
{
	struct runs r = { 0 };

	ret->count = 0;
	for (const char *p = pattern; *p != '\0'; p++) {
		if (*p == '[' || *p == '\\')
			return;
		if (*p == '*' || *p == '?')
			run_end(&r);
		else
			run_add(&r, *p);
	}
	run_end(&r);
	needle_make(&r, ret);
}

void needle_of_text(const char *text, struct needle *ret)
{
	struct runs r = { 0 };

	for (const char *p = text; *p != '\0'; p++)
		run_add(&r, *p);
	run_end(&r);
	needle_make(&r, ret);
}

/* ---- rules ---- */

static bool has_needles(const struct matcher *m)
{
	switch (m->op) {
	case OP_REGEX: case OP_GLOB: case OP_LITERAL:
		return m->needle.count > 0;
	case OP_ANY:
		for (size_t i = 0; i < m->count; i++)
			if (!has_needles(&m->children[i]))
				return false;
		return m->count > 0;
	case OP_ALL:
		for (size_t i = 0; i < m->count; i++)
			if (has_needles(&m->children[i]))
				return true;
		return false;
	case OP_NOT: case OP_WITHIN: case OP_EQ: case OP_NE: case OP_LT: case OP_LE: case OP_GT: case OP_GE: case OP_FROM:
	case OP_SHA256: case OP_FLAG: case OP_TIME: case OP_WEEKDAY:
		break;
	}
	return false;
}

void sieve_make(struct policy *p)
{
	struct name_map subjects = { 0 };

	for (size_t i = 0; i < p->rule_count; i++) {
		struct rule *rule = p->rules[i];
		rule->sieve = NULL;
		for (size_t k = 0; k < rule->clause.count && rule->sieve == NULL; k++) {
			const struct term *t = &rule->clause.terms[k];
			bool words = t->key->subject == SUBJECT_ARGV_REGEX;
			if ((!words && t->key->subject != SUBJECT_ARGS) || !has_needles(&t->matcher))
				continue;
			const char *name = words ? "" : t->pointer;  /* no argument has this name */
			const struct name_entry *known = name_map_find(&subjects, name);
			rule->sieve = t;
			rule->sieve_subject = known != NULL ? known->value : subjects.count;
			if (known == NULL)
				name_map_add(&subjects, name, subjects.count);
		}
	}
	name_map_done(&subjects);
}

/* ---- texts ---- */

void sieve_fill(struct sieve *s, struct str text)
{
	char three[3];

	memset(s->bits, 0, sizeof s->bits);
	if (text.len < 3)
		return;
	three[1] = lower(text.ptr[0]);
	three[2] = lower(text.ptr[1]);
	for (size_t i = 2; i < text.len; i++) {
		three[0] = three[1];
		three[1] = three[2];
		three[2] = lower(text.ptr[i]);
		uint16_t g = gram_of(three);
		s->bits[g / 64] |= (uint64_t)1 << g % 64;
	}
}

static bool needle_is_in(const struct needle *n, const struct sieve *s)
{
	for (size_t i = 0; i < n->count; i++)
		if ((s->bits[n->grams[i] / 64] >> n->grams[i] % 64 & 1) == 0)
			return false;
	return true;
}

bool sieve_passes(const struct sieve *s, const struct matcher *m)
{
	if (m->op == OP_ANY) {
		for (size_t i = 0; i < m->count; i++)
			if (sieve_passes(s, &m->children[i]))
				return true;
		return false;
	}
	for (size_t i = 0; m->op == OP_ALL && i < m->count; i++)
		if (!sieve_passes(s, &m->children[i]))
			return false;
	return needle_is_in(&m->needle, s);        /* one without a needle passes */
}
