/* json_plain.c - the JSON that machines write, read fast: most of what is read here was written by this program. It knows objects,
 * arrays, strings with short escapes, integers of up to 18 digits, true, false, null. It decides nothing: whatever else it
 * meets, right or wrong, it leaves to jansson, which reads the text from its beginning and says what is wrong with it. */
#include "base/json_plain.h"

#include <string.h>

#include "base/banned.h"

enum { MOST_DIGITS = 18 };

struct reader {
	const char *at, *end;
	struct buf text;               /* of a string with escapes */
};

static json_t *read_value(struct reader *r, int depth);

static void skip_blanks(struct reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
		r->at++;
}

static bool take_char(struct reader *r, char c)
{
	skip_blanks(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

/* The byte that is meant by \ and `c`; 0: not for us. */
static char escaped(char c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at = c != '\0' ? strchr(from, c) : NULL;

	return at != NULL ? to[at - from] : '\0';
}

/* Behind the first quote. Borrowed from the text, or from r->text until the next one. False: not for us. */
static bool take_string(struct reader *r, struct str *ret)
{
	const char *from = r->at;

	buf_reset(&r->text);
	for (;;) {
		while (r->at < r->end && is_plain((unsigned char)*r->at))
			r->at++;
		if (r->at == r->end)
			return false;
		struct str part = { from, (size_t)(r->at - from) };
		char c = *r->at++;
		if (c == '"' && r->text.len == 0) {
			*ret = part;
			return true;
		}
		if (buf_add(&r->text, part.ptr, part.len) < 0)
			return false;
		if (c == '"')
			break;
		char meant = c == '\\' && r->at < r->end ? escaped(*r->at++) : '\0';
		if (meant == '\0' || buf_add(&r->text, &meant, 1) < 0)
			return false;
		from = r->at;
	}
	*ret = buf_str(&r->text);
	return true;
}

/* jansson looks whether it is UTF-8. */
static json_t *read_string(struct reader *r)
{
	struct str s;

	return take_string(r, &s) ? json_stringn(s.ptr, s.len) : NULL;
}

static json_t *read_integer(struct reader *r)
{
	bool negative = *r->at == '-';
	const char *first = r->at + negative;
	json_int_t n = 0;

	for (r->at = first; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
		if (r->at - first == MOST_DIGITS)
			return NULL;
		n = n * 10 + (*r->at - '0');
	}
	ptrdiff_t digits = r->at - first;
	bool odd = digits == 0 || (*first == '0' && (digits > 1 || negative));
	if (odd || (r->at < r->end && (*r->at == '.' || *r->at == 'e' || *r->at == 'E')))
		return NULL;
	return json_integer(negative ? -n : n);
}

static json_t *read_word(struct reader *r)
{
	static const char *const words[] = { "true", "false", "null" };

	for (size_t i = 0; i < COUNT(words); i++) {
		size_t len = strlen(words[i]);
		if ((size_t)(r->end - r->at) < len || memcmp(r->at, words[i], len) != 0)
			continue;
		r->at += len;
		return i == 2 ? json_null() : json_boolean(i == 0);
	}
	return NULL;
}

static json_t *read_array(struct reader *r, int depth)
{
	AUTO(json_decrefp) json_t *array = json_array();

	if (take_char(r, ']'))
		return TAKE(array);
	do {
		json_t *value = read_value(r, depth);
		if (value == NULL || json_array_append_new(array, value) < 0)
			return NULL;
	} while (take_char(r, ','));
	return take_char(r, ']') ? TAKE(array) : NULL;
}

static bool read_member(struct reader *r, json_t *object, int depth)
{
	struct str name;

	if (!take_char(r, '"') || !take_string(r, &name))
		return false;
	/* A name with escapes lies where the value's would. */
	if (name.ptr == r->text.ptr || json_object_getn(object, name.ptr, name.len) != NULL || !take_char(r, ':'))
		return false;
	json_t *value = read_value(r, depth);
	return value != NULL && json_object_setn_new(object, name.ptr, name.len, value) == 0;
}

static json_t *read_object(struct reader *r, int depth)
{
	AUTO(json_decrefp) json_t *object = json_object();

	if (take_char(r, '}'))
		return TAKE(object);
	do
		if (!read_member(r, object, depth))
			return NULL;
	while (take_char(r, ','));
	return take_char(r, '}') ? TAKE(object) : NULL;
}

static json_t *read_value(struct reader *r, int depth)
{
	skip_blanks(r);
	if (r->at == r->end || depth >= LIMIT_JSON_DEPTH)
		return NULL;
	switch (*r->at) {
	case '{':
		r->at++;
		return read_object(r, depth + 1);
	case '[':
		r->at++;
		return read_array(r, depth + 1);
	case '"':
		r->at++;
		return read_string(r);
	case 't': case 'f': case 'n':
		return read_word(r);
	default:
		return *r->at == '-' || (*r->at >= '0' && *r->at <= '9') ? read_integer(r) : NULL;
	}
}

json_t *json_plain(struct str text)
{
	struct reader r = { .at = text.ptr, .end = text.ptr + text.len, .text = BUF_INIT(LIMIT_JSON_BYTES) };
	AUTO(json_decrefp) json_t *value = read_value(&r, 0);

	skip_blanks(&r);
	buf_done(&r.text);
	return r.at == r.end ? TAKE(value) : NULL;
}
