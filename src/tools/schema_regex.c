/* schema_regex.c - regular expressions as JSON Schema means them: ECMA-262 with the u flag. They are read here, said
 * again in the words of PCRE2, and run by it under a match limit. What ECMA-262 does not have is refused, also where
 * PCRE2 has it: a schema must mean the same to everybody who reads it. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tools/schema_node.h"

#include <ctype.h>
#include <pcre2.h>

#include "base/banned.h"

struct regex {
	pcre2_code *code;
};

struct reader {
	struct str in;
	size_t at;
	struct buf *out;
	struct err *err;
};

static int refuse(const struct reader *r, const char *why)
{
	return err_set(r->err, EINVAL, "is no regular expression at offset %zu: %s", r->at, why);
}

static char peek(const struct reader *r, size_t ahead)
{
	return r->at + ahead < r->in.len ? r->in.ptr[r->at + ahead] : '\0';
}

/* White space of ECMA-262, and what is none. */
#define SPACE "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
#define NO_SPACE "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}" \
	"\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"
#define NO_DIGIT "\\x{0}-\\x{2f}\\x{3a}-\\x{10ffff}"
#define NO_WORD "\\x{0}-\\x{2f}\\x{3a}-\\x{40}\\x{5b}-\\x{5e}\\x{60}\\x{7b}-\\x{10ffff}"

static int hex(const struct reader *r, size_t ahead, size_t count, uint32_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < count; i++) {
		char c = peek(r, ahead + i);
		if (!isxdigit((unsigned char)c))
			return -EINVAL;
		*ret = *ret * 16 + (uint32_t)(isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10);
	}
	return 0;
}

/* Behind "\u": four digits, a pair of surrogates, or any number in braces. */
static int unicode_escape(struct reader *r, uint32_t *ret)
{
	uint32_t low;
	size_t n = 0;

	if (peek(r, 2) == '{') {
		while (isxdigit((unsigned char)peek(r, 3 + n)))
			n++;
		if (n == 0 || n > 6 || peek(r, 3 + n) != '}' || hex(r, 3, n, ret) < 0 || *ret > 0x10ffff)
			return refuse(r, "\\u{...} must hold a code point in hexadecimal");
		r->at += 4 + n;
		return 0;
	}
	if (hex(r, 2, 4, ret) < 0)
		return refuse(r, "\\u must be followed by four hexadecimal digits");
	r->at += 6;
	if (*ret >= 0xd800 && *ret < 0xdc00 && peek(r, 0) == '\\' && peek(r, 1) == 'u' && hex(r, 2, 4, &low) == 0 && low >= 0xdc00 &&
	    low < 0xe000) {
		*ret = 0x10000 + ((*ret - 0xd800) << 10) + (low - 0xdc00);
		r->at += 6;
	}
	return 0;
}

/* \p{Letter}: long names have short ones, scripts stand alone. */
static int property(struct reader *r)
{
	static const struct { const char *name, *is; } names[] = {
		{ "Letter", "L" }, { "Uppercase_Letter", "Lu" }, { "Lowercase_Letter", "Ll" }, { "Titlecase_Letter", "Lt" },
		{ "Modifier_Letter", "Lm" }, { "Other_Letter", "Lo" }, { "Cased_Letter", "L&" }, { "Mark", "M" }, { "Combining_Mark", "M" },
		{ "Nonspacing_Mark", "Mn" }, { "Spacing_Mark", "Mc" }, { "Enclosing_Mark", "Me" }, { "Number", "N" },
		{ "Decimal_Number", "Nd" }, { "digit", "Nd" }, { "Letter_Number", "Nl" }, { "Other_Number", "No" }, { "Punctuation", "P" },
		{ "punct", "P" }, { "Connector_Punctuation", "Pc" }, { "Dash_Punctuation", "Pd" }, { "Open_Punctuation", "Ps" },
		{ "Close_Punctuation", "Pe" }, { "Initial_Punctuation", "Pi" }, { "Final_Punctuation", "Pf" }, { "Other_Punctuation", "Po" },
		{ "Symbol", "S" }, { "Math_Symbol", "Sm" }, { "Currency_Symbol", "Sc" }, { "Modifier_Symbol", "Sk" }, { "Other_Symbol", "So" },
		{ "Separator", "Z" }, { "Space_Separator", "Zs" }, { "Line_Separator", "Zl" }, { "Paragraph_Separator", "Zp" },
		{ "Other", "C" }, { "Control", "Cc" }, { "cntrl", "Cc" }, { "Format", "Cf" }, { "Surrogate", "Cs" }, { "Private_Use", "Co" },
		{ "Unassigned", "Cn" },
	};
	size_t n = 3;

	while (isalnum((unsigned char)peek(r, n)) || peek(r, n) == '_' || peek(r, n) == '=')
		n++;
	if (peek(r, 2) != '{' || peek(r, n) != '}' || n == 3)
		return refuse(r, "\\p must be followed by the name of a property in braces, such as \\p{L}");
	struct str name = { r->in.ptr + r->at + 3, n - 3 }, before;
	struct str rest = name;
	if (memchr(name.ptr, '=', name.len) != NULL) {
		str_next(&rest, '=', &before);
		name = rest;
	}
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(name, str_of(names[i].name)))
			name = str_of(names[i].is);
	buf_printf(r->out, "\\%c{%.*s}", peek(r, 1), STR_ARG(name));
	r->at += n + 1;
	return 0;
}

/* What an escape says inside and outside of a class. */
static int escape(struct reader *r, bool in_class)
{
	static const struct { char letter; const char *is; bool negated; } sets[] = {
		{ 'd', "0-9", false }, { 'D', NO_DIGIT, false }, { 'w', "0-9A-Za-z_", false }, { 'W', NO_WORD, false },
		{ 's', SPACE, false }, { 'S', NO_SPACE, false },
	};
	char c = peek(r, 1);
	uint32_t code = 0;

	for (size_t i = 0; i < COUNT(sets); i++)
		if (c == sets[i].letter) {
			buf_printf(r->out, in_class ? "%s" : "[%s]", sets[i].is);
			r->at += 2;
			return 0;
		}
	if (c == 'p' || c == 'P')
		return property(r);
	if (c == 'u') {
		int e = unicode_escape(r, &code);
		if (e == 0)
			buf_printf(r->out, "\\x{%x}", code);
		return e;
	}
	if (c == 'x') {
		if (hex(r, 2, 2, &code) < 0)
			return refuse(r, "\\x must be followed by two hexadecimal digits");
		buf_printf(r->out, "\\x{%x}", code);
		r->at += 4;
		return 0;
	}
	if (c == 'c') {
		if (!isalpha((unsigned char)peek(r, 2)))
			return refuse(r, "\\c must be followed by a letter");
		buf_printf(r->out, "\\x{%x}", (unsigned)peek(r, 2) % 32);
		r->at += 3;
		return 0;
	}
	if (c == 'v' || c == '0' || (c == 'b' && in_class)) {
		if (c == '0' && isdigit((unsigned char)peek(r, 2)))
			return refuse(r, "octal escapes are not allowed; write \\x00");
		buf_add_text(r->out, c == 'v' ? "\\x{b}" : c == '0' ? "\\x{0}" : "\\x{8}");
		r->at += 2;
		return 0;
	}
	if (c == 'k' && !in_class) {
		buf_add_text(r->out, "\\k");
		r->at += 2;
		return 0;
	}
	if (c != '\0' && (strchr("fnrt^$\\.*+?()[]{}|/-", c) != NULL || ispunct((unsigned char)c) ||
	                  (!in_class && strchr("bB123456789", c) != NULL))) {
		buf_printf(r->out, "\\%c", c);
		r->at += 2;
		return 0;
	}
	return refuse(r, c == '\0' ? "a \\ at the end escapes nothing" : "this escape is not one of ECMA-262");
}

static int class(struct reader *r)
{
	bool empty = true;
	int e = 0;

	buf_add_char(r->out, '[');
	r->at++;
	if (peek(r, 0) == '^') {
		buf_add_char(r->out, '^');
		r->at++;
	}
	for (; e == 0 && r->at < r->in.len && peek(r, 0) != ']'; empty = false) {
		char c = peek(r, 0);
		if (c == '\\') {
			e = escape(r, true);
			continue;
		}
		if (c == '[') /* "[:" and its like mean something to PCRE2 */
			buf_add_char(r->out, '\\');
		buf_add_char(r->out, c);
		r->at++;
	}
	if (e == 0 && r->at >= r->in.len)
		return refuse(r, "a [ has no ]");
	if (e == 0 && empty) { /* "[]" matches nothing, "[^]" everything; both are spelled without an empty class */
		bool negated = r->out->ptr[r->out->len - 1] == '^';
		r->out->len -= negated ? 2 : 1;
		r->out->ptr[r->out->len] = '\0';
		buf_add_text(r->out, negated ? "[\\x{0}-\\x{10ffff}]" : "(?!)");
	} else {
		buf_add_char(r->out, ']');
	}
	r->at++;
	return e;
}

static int group(struct reader *r)
{
	buf_add_char(r->out, '(');
	r->at++;
	if (peek(r, 0) == '*')
		return refuse(r, "nothing stands before the *");
	if (peek(r, 0) != '?')
		return 0;
	char kind = peek(r, 1), more = peek(r, 2);
	if (strchr(":=!", kind) == NULL &&
	    !(kind == '<' && (more == '=' || more == '!' || isalpha((unsigned char)more) || more == '_' || more == '$')))
		return refuse(r, "a group begins with (, (?:, (?=, (?!, (?<=, (?<! or (?<name>");
	size_t n = kind == '<' && (more == '=' || more == '!') ? 3 : 2;
	buf_add(r->out, r->in.ptr + r->at, n);
	r->at += n;
	return 0;
}

static size_t quantifier(const struct reader *r)
{
	size_t n = 1, digits = 0;

	if (peek(r, 0) != '\0' && strchr("*+?", peek(r, 0)) != NULL)
		return 1;
	if (peek(r, 0) != '{')
		return 0;
	for (; isdigit((unsigned char)peek(r, n)); n++)
		digits++;
	if (peek(r, n) == ',')
		for (n++; isdigit((unsigned char)peek(r, n)); n++)
			;
	return digits > 0 && peek(r, n) == '}' ? n + 1 : 0;
}

static int quantify(struct reader *r, size_t n)
{
	buf_add(r->out, r->in.ptr + r->at, n);
	r->at += n;
	if (peek(r, 0) == '?') {
		buf_add_char(r->out, '?');
		r->at++;
	}
	return quantifier(r) > 0 ? refuse(r, "two quantifiers stand one behind the other") : 0;
}

static int translate(struct reader *r)
{
	bool atom = false; /* something that can be repeated stands before */
	int e = 0;

	while (e == 0 && r->at < r->in.len) {
		char c = r->in.ptr[r->at];
		size_t n = quantifier(r);
		if (n > 0 && !atom)
			return refuse(r, "nothing stands before the quantifier");
		if (n > 0) {
			e = quantify(r, n);
			atom = false;
			continue;
		}
		atom = c != '(' && c != '|' && c != '^' && c != '$';
		switch (c) {
		case '\\': e = escape(r, false); break;
		case '[': e = class(r); break;
		case '(': e = group(r); break;
		case '.': buf_add_text(r->out, "[^\\n\\r\\x{2028}\\x{2029}]"); r->at++; break;
		case '{': case '}': case ']': buf_printf(r->out, "\\%c", c); r->at++; break;
		default: buf_add_char(r->out, c); r->at++; break;
		}
	}
	return e;
}

int regex_new(struct str pattern, struct regex **ret, struct err *err)
{
	AUTO(buf_done) struct buf out = BUF_INIT(LIMIT_REGEX_BYTES * 64);
	struct reader r = { pattern, 0, &out, err };
	PCRE2_UCHAR why[128];
	PCRE2_SIZE offset;
	int code;

	if (pattern.len > LIMIT_REGEX_BYTES)
		return err_set(err, EINVAL, "has %zu bytes: at most %zu", pattern.len, LIMIT_REGEX_BYTES);
	if (translate(&r) < 0)
		return -EINVAL;
	pcre2_code *re = pcre2_compile((PCRE2_SPTR)buf_text(&out), out.len, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF |
		PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
	if (re == NULL) {
		pcre2_get_error_message(code, why, sizeof why);
		return err_set(err, EINVAL, "is no regular expression: %s", (const char *)why);
	}
	*ret = xcalloc(1, sizeof **ret);
	(*ret)->code = re;
	return 0;
}

void regex_free(struct regex *regex)
{
	if (regex == NULL)
		return;
	pcre2_code_free(regex->code);
	free(regex);
}

int regex_match(const struct regex *regex, struct str text)
{
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	pcre2_match_data *found = pcre2_match_data_create(1, NULL);

	if (limits == NULL || found == NULL)
		abort();
	pcre2_set_match_limit(limits, LIMIT_REGEX_STEPS);
	pcre2_set_depth_limit(limits, LIMIT_REGEX_STEPS);
	pcre2_set_heap_limit(limits, LIMIT_REGEX_HEAP_KIB);
	int r = pcre2_match(regex->code, (PCRE2_SPTR)text.ptr, text.len, 0, 0, found, limits);
	pcre2_match_data_free(found);
	pcre2_match_context_free(limits);
	return r >= 0 ? 1 : r == PCRE2_ERROR_NOMATCH ? 0 : -E2BIG;
}
