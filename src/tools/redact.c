/* redact.c - finds secrets in their usual disguises. Every disguise is compared digit by digit as it would be written, so that
 * nothing but the value itself is kept anywhere. It refuses to guess: what only looks like a secret is another's work. */
#include "tools/redact.h"

#include "base/banned.h"

struct known {
	const char *name;
	struct str value;
};

struct redactor {
	struct known list[LIMIT_SECRETS];
	size_t count;
	bool begins[256];                    /* may a secret in any disguise begin with this byte? */
};

/* Ordered: what is found counts more than what may come. */
enum found { NOTHING, BEGUN, WHOLE };

/* A place in the text that is compared. */
struct reader {
	const unsigned char *at, *end;
};

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- as it is, or escaped -------------------------------------------------------------------------------------- */

static int hex_digit(unsigned char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* `count` digits are the number `want`? */
static enum found read_digits(struct reader *r, int count, int want)
{
	int number = 0;

	for (int i = 0; i < count; i++) {
		if (r->at == r->end)
			return BEGUN;
		int digit = hex_digit(*r->at++);
		if (digit < 0)
			return NOTHING;
		number = number * 16 + digit;
	}
	return number == want ? WHOLE : NOTHING;
}

/* What follows a backslash. */
static enum found read_escape(struct reader *r, unsigned char want)
{
	static const char letters[] = "nrtbf0\"\\/'", values[] = "\n\r\t\b\f\0\"\\/'";

	if (r->at == r->end)
		return BEGUN;
	unsigned char c = *r->at++;
	if (c == 'u')
		return read_digits(r, 4, want);
	if (c == 'x')
		return read_digits(r, 2, want);
	const char *letter = memchr(letters, c, sizeof letters - 1);
	return letter != NULL && (unsigned char)values[letter - letters] == want ? WHOLE : NOTHING;
}

/* One byte of the secret, in any of its spellings. */
static enum found read_byte(struct reader *r, unsigned char want)
{
	if (r->at == r->end)
		return BEGUN;
	unsigned char c = *r->at++;
	if (c == '%' || c == '\\') {
		struct reader escape = *r;
		enum found found = c == '%' ? read_digits(&escape, 2, want) : read_escape(&escape, want);
		if (found != NOTHING) {
			*r = escape;
			return found;
		}
	}
	return c == want || (c == '+' && want == ' ') ? WHOLE : NOTHING;
}

static enum found match_plain(struct str value, struct reader *r)
{
	for (size_t i = 0; i < value.len; i++) {
		enum found found = read_byte(r, (unsigned char)value.ptr[i]);
		if (found != WHOLE)
			return found;
	}
	return WHOLE;
}

/* ---- in digits -------------------------------------------------------------------------------------------------- */

/* What tools put between digits: a line break, the columns of a dump. */
static void skip_between(struct reader *r, const char *between, size_t most)
{
	for (size_t i = 0; i < most && r->at < r->end && strchr(between, *r->at) != NULL && *r->at != '\0'; i++)
		r->at++;
}

static void skip_prefix(struct reader *r)
{
	if (r->end - r->at >= 2 && ((r->at[0] == '\\' && r->at[1] == 'x') || (r->at[0] == '0' && (r->at[1] | 32) == 'x')))
		r->at += 2;
}

static enum found match_hex(struct str value, struct reader *r)
{
	for (size_t i = 0; i < value.len; i++) {
		if (i > 0) {
			skip_between(r, " :,-\n\r\t", 4);
			skip_prefix(r);
		}
		enum found found = read_digits(r, 2, (unsigned char)value.ptr[i]);
		if (found != WHOLE)
			return found;
	}
	return WHOLE;
}

/* Digit `at` of the Base64 of `before` unknown bytes and the value. */
static char base64_digit(struct str value, size_t before, size_t at)
{
	unsigned bits = 0;

	for (size_t bit = at * 6; bit < at * 6 + 6; bit++) {
		size_t byte = bit / 8 - before;
		bits = bits << 1 | ((unsigned)(unsigned char)value.ptr[byte] >> (7 - bit % 8) & 1);
	}
	return base64[bits];
}

/* The digits that depend on the value alone; those at the ends hold bits of its neighbours too. */
static size_t base64_first(size_t before)
{
	return (before * 8 + 5) / 6;
}

static enum found match_base64(struct str value, size_t before, struct reader *r)
{
	size_t end = (before + value.len) * 8 / 6;

	for (size_t i = base64_first(before); i < end; i++) {
		if (i > base64_first(before))
			skip_between(r, "\n\r ", 4);
		if (r->at == r->end)
			return BEGUN;
		unsigned char c = *r->at++;
		char usual = c == '-' ? '+' : c == '_' ? '/' : (char)c;
		if (usual != base64_digit(value, before, i))
			return NOTHING;
	}
	return WHOLE;
}

/* ---- all of them -------------------------------------------------------------------------------------------------- */

enum { DISGUISES = 5 };

static enum found match_one(const struct known *k, size_t disguise, struct reader *r)
{
	switch (disguise) {
	case 0: return match_plain(k->value, r);
	case 1: return match_hex(k->value, r);
	default: return match_base64(k->value, disguise - 2, r);
	}
}

/* What stands at `text`? WHOLE: *ret_len bytes are the secret *ret. The longest one counts: of two secrets one may begin
 * with the other. */
static enum found match(const struct redactor *d, struct str text, size_t *ret_len, const struct known **ret)
{
	enum found best = NOTHING;

	for (size_t i = 0; i < d->count; i++)
		for (size_t disguise = 0; disguise < DISGUISES; disguise++) {
			struct reader r = { (const unsigned char *)text.ptr, (const unsigned char *)text.ptr + text.len };
			enum found found = match_one(&d->list[i], disguise, &r);
			size_t len = (size_t)((const char *)r.at - text.ptr);
			if (found == WHOLE && (best != WHOLE || len > *ret_len)) {
				*ret_len = len;
				*ret = &d->list[i];
			}
			best = MAX(best, found);
		}
	return best;
}

struct redactor *redactor_new(void)
{
	return xcalloc(1, sizeof(struct redactor));
}

void redactor_free(struct redactor *redactor)
{
	free(redactor);
}

void redactor_add(struct redactor *d, const char *name, struct str value)
{
	const unsigned char first = (unsigned char)value.ptr[0];

	assert(value.len >= LIMIT_SECRET_LEAST_BYTES && d->count < LIMIT_SECRETS);
	d->list[d->count++] = (struct known){ name, value };
	d->begins[first] = d->begins['%'] = d->begins['\\'] = true;
	d->begins['+'] |= first == ' ';
	d->begins[(unsigned char)"0123456789abcdef"[first >> 4]] = d->begins[(unsigned char)"0123456789ABCDEF"[first >> 4]] = true;
	for (size_t before = 0; before < 3; before++) {
		char digit = base64_digit(value, before, base64_first(before));
		d->begins[(unsigned char)digit] = true;
		d->begins['-'] |= digit == '+';
		d->begins['_'] |= digit == '/';
	}
}

/* Goes through a text; `final`: nothing follows. Gives the pieces that may be shown to the sink; how many bytes are done with. */
static size_t walk(const struct redactor *d, struct str text, bool final, redact_sink *sink, void *userdata, size_t *ret_count)
{
	size_t shown = 0, len = 0;
	const struct known *known = NULL;

	for (size_t at = 0; at < text.len;) {
		enum found found = d->begins[(unsigned char)text.ptr[at]] ? match(d, str_skip(text, at), &len, &known) : NOTHING;
		if (found == NOTHING || (found == BEGUN && final)) {
			at++;
			continue;
		}
		if (at > shown)
			sink(userdata, (struct str){ text.ptr + shown, at - shown });
		if (found == BEGUN)
			return at;
		AUTO(freep) char *mark = xasprintf("[redacted:secret %s]", known->name);
		sink(userdata, str_of(mark));
		*ret_count += 1;
		shown = at += len;
	}
	if (text.len > shown)
		sink(userdata, str_skip(text, shown));
	return text.len;
}

static void to_buf(void *userdata, struct str text)
{
	buf_add_str(userdata, text);
}

size_t redact_text(const struct redactor *d, struct str text, struct buf *ret)
{
	size_t count = 0;

	if (d == NULL || d->count == 0)
		buf_add_str(ret, text);
	else
		walk(d, text, true, to_buf, ret, &count);
	return count;
}

static void nowhere(void *userdata, struct str text)
{
	(void)userdata, (void)text;
}

bool redact_found(const struct redactor *d, struct str text)
{
	size_t count = 0;

	if (d != NULL && d->count > 0)
		walk(d, text, true, nowhere, NULL, &count);
	return count > 0;
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------ */

/* NULL: nothing to replace. */
static json_t *redacted_string(const struct redactor *d, struct str text)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(LIMIT_JSON_BYTES);

	if (!redact_found(d, text))
		return NULL;
	redact_text(d, text, &clean);
	return json_of_str(buf_str(&clean));
}

static size_t redact_members(const struct redactor *d, json_t *object)
{
	AUTO(json_decrefp) json_t *renamed = json_object();
	size_t count = 0;
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(object, next, key, value) {
		AUTO(json_decrefp) json_t *name = redacted_string(d, str_of(key));
		json_t *clean = json_is_string(value) ?
			redacted_string(d, (struct str){ json_string_value(value), json_string_length(value) }) : NULL;
		count += (name != NULL) + (clean != NULL);
		if (clean != NULL)
			json_object_set_new(object, key, clean);
		else
			count += redact_json(d, value);
		if (name != NULL) {
			json_object_set(renamed, json_string_value(name), json_object_get(object, key));
			json_object_del(object, key);
		}
	}
	json_object_update(object, renamed);
	return count;
}

size_t redact_json(const struct redactor *d, json_t *value)
{
	size_t i, count = 0;
	json_t *one;

	if (d == NULL || d->count == 0)
		return 0;
	if (json_is_object(value))
		return redact_members(d, value);
	json_array_foreach(value, i, one) {
		json_t *clean = json_is_string(one) ?
			redacted_string(d, (struct str){ json_string_value(one), json_string_length(one) }) : NULL;
		count += clean != NULL;
		if (clean != NULL)
			json_array_set_new(value, i, clean);
		else
			count += redact_json(d, one);
	}
	return count;
}

/* ---- streams ----------------------------------------------------------------------------------------------------------- */

struct redact_stream {
	const struct redactor *redactor;
	struct buf held;                     /* what may be the beginning of a secret */
};

struct redact_stream *redact_stream_new(const struct redactor *redactor)
{
	struct redact_stream *s = xcalloc(1, sizeof *s);

	s->redactor = redactor != NULL && redactor->count > 0 ? redactor : NULL;
	s->held = BUF_INIT(LIMIT_JSON_BYTES);
	return s;
}

void redact_stream_free(struct redact_stream *s)
{
	if (s == NULL)
		return;
	if (s->held.ptr != NULL)
		explicit_bzero(s->held.ptr, s->held.cap);
	buf_done(&s->held);
	free(s);
}

void redact_stream_add(struct redact_stream *s, struct str bytes, redact_sink *sink, void *userdata)
{
	size_t count = 0;

	if (s->redactor == NULL) {
		sink(userdata, bytes);
		return;
	}
	buf_add_str(&s->held, bytes);
	buf_consume(&s->held, walk(s->redactor, buf_str(&s->held), false, sink, userdata, &count));
}

void redact_stream_end(struct redact_stream *s, redact_sink *sink, void *userdata)
{
	size_t count = 0;

	if (s->redactor == NULL || s->held.len == 0)
		return;
	walk(s->redactor, buf_str(&s->held), true, sink, userdata, &count);
	buf_reset(&s->held);
}
