/* glob.c - pattern matching by two remembered stars instead of recursion, so that no pattern and no text can make
 * it slow. Compares characters, not bytes; bytes that are no UTF-8 stand for themselves. */
#include "policy/glob.h"

#include "base/banned.h"

/* The character at s as a number that differs for a stray byte; its length goes to *len. */
static uint32_t take_char(const char *s, size_t left, size_t *len)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t n = utf8_length(u, left);

	if (n == 0) {
		*len = 1;
		return 0x80000000u | *u;
	}
	*len = n;
	uint32_t c = n == 1 ? u[0] : u[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (u[i] & 0x3fu);
	return c;
}

/* The length of the class at p, which begins with '['; 0 when it is not closed. */
static size_t class_length(const char *p)
{
	const char *s = p + 1;

	s += *s == '!' || *s == '^';
	s += *s == ']';
	while (*s != '\0' && *s != ']')
		s += *s == '\\' && s[1] != '\0' ? 2 : 1;
	return *s == ']' ? (size_t)(s - p) + 1 : 0;
}

static uint32_t class_char(const char **s, const char *end)
{
	size_t len;

	*s += **s == '\\' && *s + 1 < end;
	uint32_t c = take_char(*s, (size_t)(end - *s), &len);
	*s += len;
	return c;
}

static bool class_match(const char *p, size_t len, uint32_t c)
{
	const char *s = p + 1, *end = p + len - 1;
	bool negated = *s == '!' || *s == '^', found = false;

	s += negated;
	while (s < end) {
		uint32_t from = class_char(&s, end), to = from;
		if (*s == '-' && s + 1 < end) {
			s++;
			to = class_char(&s, end);
		}
		found |= from <= c && c <= to;
	}
	return found != negated;
}

const char *glob_problem(const char *pattern)
{
	if (*pattern == '\0')
		return "it is empty and matches nothing";
	for (const char *p = pattern; *p != '\0';) {
		if (*p == '\\' && p[1] == '\0')
			return "it ends in '\\': write '\\\\' for the character itself";
		if (*p == '[' && class_length(p) == 0)
			return "'[' is not closed: write '\\[' for the character itself";
		p += *p == '\\' ? 2 : *p == '[' ? class_length(p) : 1;
	}
	return NULL;
}

bool glob_is_literal(const char *pattern, char *ret)
{
	for (const char *p = pattern; *p != '\0'; p++) {
		if (*p == '*' || *p == '?' || *p == '[')
			return false;
		p += *p == '\\' && p[1] != '\0';
		*ret++ = *p;
	}
	*ret = '\0';
	return true;
}

bool glob_is_everything(const char *pattern)
{
	return strcmp(pattern, "*") == 0 || strcmp(pattern, "**") == 0;
}

/* One character of the pattern that is no star. 0: does not match; else how far the pattern goes on. */
static size_t step(const char *p, const char *t, size_t left, bool path, size_t *taken)
{
	uint32_t c = take_char(t, left, taken);

	if (*p == '?')
		return !(path && c == '/');
	if (*p == '[') {
		size_t len = class_length(p);
		return len != 0 && !(path && c == '/') && class_match(p, len, c) ? len : 0;
	}
	size_t quoted = *p == '\\' && p[1] != '\0', len;
	return take_char(p + quoted, strlen(p + quoted), &len) == c ? quoted + len : 0;
}

struct star { const char *pattern, *text; bool whole_dirs; };

static bool is_plain(char c)
{
	return (unsigned char)c < 0x80 && c != '\0' && c != '*' && c != '?' && c != '[' && c != '\\';
}

/* On to where what follows the star can begin; the places between are not tried one by one. */
static bool star_skip(struct star *s, const char *end, bool stop_at_slash)
{
	size_t left = (size_t)(end - s->text);
	const char *next = *s->pattern == '\0' ? end : is_plain(*s->pattern) ? memchr(s->text, *s->pattern, left) : s->text;

	if (next == NULL)
		return false;
	if (stop_at_slash) {
		const char *slash = memchr(s->text, '/', left);
		if (slash != NULL && slash < next)
			return false;
	}
	s->text = next;
	return true;
}

static bool star_advance(struct star *s, const char *end, bool stop_at_slash)
{
	if (s->pattern == NULL || s->text == end || (stop_at_slash && *s->text == '/'))
		return false;
	if (s->whole_dirs) {
		const char *slash = memchr(s->text, '/', (size_t)(end - s->text));
		if (slash == NULL)
			return false;
		s->text = slash;
	}
	s->text++;
	return s->whole_dirs || star_skip(s, end, stop_at_slash);
}

/* Is this the pattern's last star, with nothing but ASCII behind it? Then only the end of the text can fit it. */
static bool ends_plainly(const char *p, size_t *ret_len)
{
	size_t len = 0;

	while (is_plain(p[len]))
		len++;
	*ret_len = len;
	return p[len] == '\0';
}

bool glob_match(const char *pattern, struct str text, bool path)
{
	const char *p = pattern, *t = text.ptr, *end = text.ptr + text.len;
	struct star one = { 0 }, two = { 0 };

	for (;;) {
		if (*p == '*') {
			bool wide = !path || p[1] == '*';
			bool at_start = p == pattern || p[-1] == '/';
			p += strspn(p, "*");
			bool dirs = path && wide && at_start && *p == '/';
			p += dirs;
			size_t len;
			if (wide && !dirs && ends_plainly(p, &len))
				return (size_t)(end - t) >= len && memcmp(end - len, p, len) == 0;
			*(wide ? &two : &one) = (struct star){ p, t, dirs };
			if (wide)
				one.pattern = NULL;
			continue;
		}
		if (t == end && *p == '\0')
			return true;
		size_t taken = 0, used = t < end && *p != '\0' ? step(p, t, (size_t)(end - t), path, &taken) : 0;
		if (used != 0) {
			p += used;
			t += taken;
		} else if (star_advance(&one, end, true)) {
			p = one.pattern;
			t = one.text;
		} else if (star_advance(&two, end, false)) {
			one.pattern = NULL;
			p = two.pattern;
			t = two.text;
		} else {
			return false;
		}
	}
}
