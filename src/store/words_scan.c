/* words_scan.c - finds the strings of one field in the text of an event by walking along it once. Texts were checked when
 * they were written; this only has to find its way, and it gives up at the first thing that it does not expect: a
 * nesting beyond what is ever stored, an escape that stands for more than one byte, an event whose strings lie in blobs. */
#include "store/words_scan.h"

#include <string.h>

#include "base/limits.h"

#include "base/banned.h"

struct scan {
	const char *at, *end;
	const char *field;
	struct buf *words, *to;         /* to: words where we are in the field, else NULL */
	struct buf plain;               /* a string without its escapes */
};

void words_add(struct str string, struct buf *ret)
{
	if (ret->len >= LIMIT_WORDS_TEXT_BYTES)
		return;
	size_t len = MIN(string.len, LIMIT_WORDS_TEXT_BYTES - ret->len);
	while (len < string.len && len > 0 && ((unsigned char)string.ptr[len] & 0xc0) == 0x80)
		len--;
	if (ret->len > 0)
		buf_add_char(ret, ' ');
	buf_add(ret, string.ptr, len);
}

static bool take(struct scan *s, char c)
{
	bool there = s->at < s->end && *s->at == c;

	s->at += there;
	return there;
}

/* The escapes of one byte; those of a code point are for the parser. */
static bool unescape(struct scan *s, struct str raw)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";

	buf_reset(&s->plain);
	for (size_t i = 0; i < raw.len; i++) {
		const char *name = raw.ptr[i] == '\\' && i + 1 < raw.len ? memchr(names, raw.ptr[i + 1], sizeof names - 1) : NULL;
		if (raw.ptr[i] == '\\' && name == NULL)
			return false;
		if (buf_add_char(&s->plain, name != NULL ? bytes[name - names] : raw.ptr[i]) < 0)
			return false;
		i += name != NULL;
	}
	return true;
}

/* Between the quotes, as it is written. */
static bool take_string(struct scan *s, struct str *ret, bool *ret_escaped)
{
	if (!take(s, '"'))
		return false;
	const char *begin = s->at;
	*ret_escaped = false;
	for (;;) {
		const char *quote = memchr(s->at, '"', (size_t)(s->end - s->at));
		if (quote == NULL)
			return false;
		const char *slash = memchr(s->at, '\\', (size_t)(quote - s->at));
		if (slash == NULL) {
			*ret = (struct str){ begin, (size_t)(quote - begin) };
			s->at = quote + 1;
			return true;
		}
		*ret_escaped = true;
		if (s->end - slash < 2)
			return false;
		s->at = slash + 2;
	}
}

static bool take_text(struct scan *s)
{
	struct str raw;
	bool escaped;

	if (!take_string(s, &raw, &escaped))
		return false;
	if (s->to == NULL)
		return true;
	if (escaped && !unescape(s, raw))
		return false;
	words_add(escaped ? buf_str(&s->plain) : raw, s->to);
	return true;
}

static bool take_value(struct scan *s, int depth);

static bool take_object(struct scan *s, int depth)
{
	struct str key;
	bool escaped;

	if (take(s, '}'))
		return true;
	do {
		if (!take_string(s, &key, &escaped) || !take(s, ':') || !take_value(s, depth))
			return false;
	} while (take(s, ','));
	return take(s, '}');
}

static bool take_array(struct scan *s, int depth)
{
	if (take(s, ']'))
		return true;
	do {
		if (!take_value(s, depth))
			return false;
	} while (take(s, ','));
	return take(s, ']');
}

static bool take_value(struct scan *s, int depth)
{
	if (depth > LIMIT_JSON_DEPTH || s->at >= s->end)
		return false;
	if (*s->at == '"')
		return take_text(s);
	if (take(s, '{'))
		return take_object(s, depth + 1);
	if (take(s, '['))
		return take_array(s, depth + 1);
	const char *begin = s->at;
	while (s->at < s->end && strchr(",]}", *s->at) == NULL)
		s->at++;
	return s->at > begin;
}

/* The members of one object; the value of that name is taken by `found`. */
static bool take_members(struct scan *s, const char *name, bool (*found)(struct scan *s))
{
	struct str key;
	bool escaped;

	if (!take(s, '{'))
		return false;
	if (take(s, '}'))
		return true;
	do {
		if (!take_string(s, &key, &escaped) || escaped || !take(s, ':') || str_eq(key, STR("blobs")))
			return false;
		if (!(str_eq(key, str_of(name)) ? found(s) : take_value(s, 0)))
			return false;
	} while (take(s, ','));
	return take(s, '}');
}

static bool take_field(struct scan *s)
{
	s->to = s->words;
	bool taken = take_value(s, 0);
	s->to = NULL;
	return taken;
}

static bool take_data(struct scan *s)
{
	return take_members(s, s->field, take_field);
}

bool words_scan(struct str event, const char *field, struct buf *ret)
{
	struct scan s = { .at = event.ptr, .end = event.ptr + event.len, .field = field, .words = ret,
	                  .plain = BUF_INIT(LIMIT_EVENT_BYTES) };
	size_t before = ret->len;
	bool whole = take_members(&s, "data", take_data) && s.at == s.end;

	buf_done(&s.plain);
	if (!whole && ret->len > before) {
		ret->len = before;
		ret->ptr[before] = '\0';
	}
	return whole;
}
