/* reveal.c - text that goes to a program while a model writes it. What was given cannot be taken back, so a word is held until it
 * is whole: the line until there is looked at anew each time, and only what it adds is given. A private key, which has many
 * lines, is one line here. It is a net like the one under a tool's output, and finds what that one finds in a line. */
#include "cli/reveal.h"

#include <string.h>

#include "base/str.h"
#include "tools/hidden.h"
#include "tools/tool.h"

#include "base/banned.h"

void reveal_init(struct reveal *r)
{
	r->line = BUF_INIT(LIMIT_REVEAL_BYTES);
	r->given = BUF_INIT(LIMIT_REVEAL_BYTES * 16); /* "<U+202E>" for three bytes; "[redacted:KIND]" for a short password */
}

void reveal_done(struct reveal *r)
{
	buf_done(&r->line);
	buf_done(&r->given);
}

static void forget(struct reveal *r)
{
	buf_reset(&r->line);
	buf_reset(&r->given);
}

/* The first `len` bytes of the line are whole. Where they turn out to be a secret that began in what was given, at least the
 * rest of it is hidden. */
static void give(struct reveal *r, size_t len, struct buf *ret)
{
	AUTO(buf_done) struct buf clean = BUF_INIT(r->given.max);
	size_t same = 0;

	sanitize_shown((struct str){ r->line.ptr, len }, &clean);
	while (same < MIN(clean.len, r->given.len) && clean.ptr[same] == r->given.ptr[same])
		same++;
	while (same > 0 && same < clean.len && ((unsigned char)clean.ptr[same] & 0xc0) == 0x80)
		same--;
	buf_add_str(ret, str_skip(buf_str(&clean), same));
	buf_reset(&r->given);
	buf_add_str(&r->given, buf_str(&clean));
}

/* A secret has no blank in it, and no letter of a script that is written without any. */
static size_t whole_words(struct str line)
{
	for (size_t at = line.len, len; at > 0; at--) {
		const unsigned char *c = (const unsigned char *)line.ptr + at - 1;
		if (*c == ' ' || *c == '\t')
			return at;
		if (*c < 0xc0)
			continue;
		len = utf8_length(c, line.len - at + 1);
		if (len >= 3 && utf8_decode(c, len) >= 0x0e00 && hidden_find(utf8_decode(c, len)) == NULL)
			return at - 1 + len;
	}
	return 0;
}

static const char *find(const char *at, const char *end, const char *word)
{
	return memmem(at, (size_t)(end - at), word, strlen(word));
}

/* Is the line within a private key, or in the words that begin or end one? */
static bool is_key(const struct reveal *r)
{
	const char *end = r->line.ptr + r->line.len, *begin = find(r->line.ptr, end, "-----BEGIN "), *line, *last;

	if (begin == NULL)
		return false;
	line = memchr(begin, '\n', (size_t)(end - begin));
	if (line == NULL)
		return true;
	if (find(begin, line, "PRIVATE KEY") == NULL)
		return false;
	last = find(line, end, "-----END ");
	return last == NULL || memchr(last, '\n', (size_t)(end - last)) == NULL;
}

/* Without the beginning of a letter whose end has not come yet. */
static size_t whole_letters(struct str line)
{
	for (size_t back = 1; back <= 3 && back < line.len; back++) {
		unsigned char c = (unsigned char)line.ptr[line.len - back];
		if ((c & 0xc0) != 0x80)
			return c >= 0xc0 && back < (c >= 0xf0 ? 4u : c >= 0xe0 ? 3u : 2u) ? line.len - back : line.len;
	}
	return line.len;
}

/* A line without an end: its words until here are a line now, or it is one long word. */
static void make_room(struct reveal *r, struct buf *ret)
{
	size_t len = whole_words(buf_str(&r->line));

	if (len == 0)
		len = whole_letters(buf_str(&r->line));
	give(r, len, ret);
	buf_reset(&r->given);
	buf_consume(&r->line, len);
}

void reveal_add(struct reveal *r, struct str text, struct buf *ret)
{
	while (text.len > 0) {
		const char *end = memchr(text.ptr, '\n', text.len);
		size_t len = end != NULL ? (size_t)(end - text.ptr) + 1 : text.len;
		if (r->line.len + len > LIMIT_REVEAL_BYTES) {
			len = LIMIT_REVEAL_BYTES - r->line.len;
			end = NULL;
		}
		buf_add(&r->line, text.ptr, len);
		text = str_skip(text, len);
		if (end != NULL && !is_key(r)) {
			give(r, r->line.len, ret);
			forget(r);
		} else if (r->line.len == LIMIT_REVEAL_BYTES) {
			make_room(r, ret);
		}
	}
	size_t whole = r->line.len == 0 || is_key(r) ? 0 : whole_words(buf_str(&r->line));
	if (whole > 0)
		give(r, whole, ret);
}

void reveal_end(struct reveal *r, bool keep, struct buf *ret)
{
	if (keep && r->line.len > 0)
		give(r, r->line.len, ret);
	forget(r);
}
