/* leak_bare.c - a text without what a terminal does not show: escape sequences, control bytes, hidden characters; and the
 * way back from a place in it to the place in the text. It is looked at, never shown. */
#include "tools/hidden.h"
#include "tools/leaks.h"

#include "base/banned.h"

static bool is_plain(unsigned char c)
{
	return (c >= ' ' && c < 0x7f) || c == '\n' || c == '\t' || c == '\r';
}

/* "ESC [ 1 ; 31 m", "ESC ] 0 ; title BEL", "ESC c": how many bytes; the introducer is `lead` bytes long. */
static size_t sequence(struct str s, size_t lead, char kind)
{
	size_t n = lead;

	if (kind == '[') {
		while (n < s.len && n < 64 && s.ptr[n] >= 0x20 && s.ptr[n] < 0x40)
			n++;
		return n < s.len && s.ptr[n] >= 0x40 && s.ptr[n] < 0x7f ? n + 1 : lead;
	}
	for (; n < s.len && n < 4096; n++) {
		if (s.ptr[n] == '\a')
			return n + 1;
		if (s.ptr[n] == '\x1b' && n + 1 < s.len && s.ptr[n + 1] == '\\')
			return n + 2;
		if (s.ptr[n] == '\n')
			break;
	}
	return lead;
}

/* How many bytes at the start of s nobody sees; 0: the first is seen. */
static size_t unseen(struct str s)
{
	const unsigned char *at = (const unsigned char *)s.ptr;

	if (is_plain(at[0]))
		return 0;
	if (at[0] == 0x1b && s.len > 1)
		return s.ptr[1] == '[' || s.ptr[1] == ']' || s.ptr[1] == 'P' || s.ptr[1] == '_' || s.ptr[1] == '^' ?
			sequence(s, 2, s.ptr[1]) : at[1] >= 0x20 && at[1] < 0x7f ? 2 : 1;
	if (at[0] < 0x80)
		return 1;
	size_t len = utf8_length(at, s.len);
	if (len == 0)
		return 0;
	uint32_t c = utf8_decode(at, len);
	if (c == 0x9b || c == 0x9d)
		return sequence(s, len, c == 0x9b ? '[' : ']');
	return hidden_find(c) != NULL ? len : 0;
}

static size_t seen_run(struct str s)
{
	size_t n = 0;

	while (n < s.len && is_plain((unsigned char)s.ptr[n]))
		n++;
	return n;
}

static void add(struct bare *b, struct str text, size_t start, size_t len)
{
	if (len == 0)
		return;
	if (b->run_count == b->run_room) {
		b->run_room = b->run_room * 2 + 16;
		b->runs = xrealloc(b->runs, b->run_room * sizeof *b->runs);
	}
	b->runs[b->run_count++] = (struct bare_run){ b->len, start };
	memcpy(b->ptr + b->len, text.ptr + start, len);
	b->len += len;
}

/* Where the first unseen byte is; text.len: nowhere. */
static size_t first_unseen(struct str text)
{
	size_t at = 0;

	while (at < text.len) {
		at += seen_run(str_skip(text, at));
		if (at == text.len || unseen(str_skip(text, at)) > 0)
			break;
		at++;
	}
	return at;
}

bool bare_text(struct str text, struct bare *ret)
{
	size_t start = 0, at = first_unseen(text);

	if (at == text.len)
		return false;
	*ret = (struct bare){ .ptr = xmalloc(text.len) };
	while (at < text.len) {
		size_t n = unseen(str_skip(text, at));
		if (n == 0) {
			at += MAX(seen_run(str_skip(text, at)), (size_t)1);
			continue;
		}
		add(ret, text, start, at - start);
		start = at = at + n;
	}
	add(ret, text, start, text.len - start);
	return true;
}

size_t bare_origin(const struct bare *bare, size_t at)
{
	size_t low = 0, high = bare->run_count;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		if (bare->runs[middle].at <= at)
			low = middle;
		else
			high = middle;
	}
	return bare->runs[low].origin + (at - bare->runs[low].at);
}

void bare_done(struct bare *bare)
{
	free(bare->ptr);
	free(bare->runs);
}
