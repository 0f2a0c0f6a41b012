/* output.c - what a program printed, bounded, without its secrets, and made fit to be read. It keeps raw bytes, head and tail,
 * and looks at characters only when it renders, so that the same stream gives the same text however it
 * was cut into pieces. It refuses to pass on anything that acts on a terminal or hides from a reader.
 *
 * How things are shown: control bytes and DEL as \x1b; CR LF as a newline, a CR alone as \x0d; other
 * control, bidirectional, invisible and tag characters as <U+200B>; a byte that is no UTF-8 as U+FFFD.
 * A text that already has "\x1b" in it looks the same: the form is for reading, not for decoding. */
#include "tools/hidden.h"
#include "tools/leaks.h"

#include "base/banned.h"

struct output {
	size_t head_max, tail_max;
	char *head, *tail; /* tail is a ring; its oldest byte is at tail_total % tail_max */
	size_t head_len;
	uint64_t tail_total; /* bytes that went to the tail, also those that it forgot */
};

struct output *output_new(size_t max_bytes)
{
	struct output *o = xcalloc(1, sizeof *o);

	o->head_max = max_bytes / 2;
	o->tail_max = max_bytes - o->head_max;
	return o;
}

void output_free(struct output *output)
{
	if (output == NULL)
		return;
	free(output->head);
	free(output->tail);
	free(output);
}

void output_freep(struct output **output)
{
	output_free(*output);
}

/* Most calls print little: the memory comes with the first byte of each part. */
static void tail_add(struct output *o, const char *ptr, size_t len)
{
	if (len == 0 || o->tail_max == 0) {
		o->tail_total += len;
		return;
	}
	if (o->tail == NULL)
		o->tail = xmalloc(o->tail_max);
	if (len > o->tail_max) {
		o->tail_total += len - o->tail_max;
		ptr += len - o->tail_max;
		len = o->tail_max;
	}
	size_t at = (size_t)(o->tail_total % o->tail_max);
	size_t first = MIN(len, o->tail_max - at);
	memcpy(o->tail + at, ptr, first);
	memcpy(o->tail, ptr + first, len - first);
	o->tail_total += len;
}

void output_add(struct output *output, const void *bytes, size_t len)
{
	size_t first = MIN(len, output->head_max - output->head_len);

	if (first > 0) {
		if (output->head == NULL)
			output->head = xmalloc(output->head_max);
		memcpy(output->head + output->head_len, bytes, first);
		output->head_len += first;
	}
	tail_add(output, (const char *)bytes + first, len - first);
}

bool output_cut(const struct output *output)
{
	return output->tail_total > output->tail_max;
}

uint64_t output_total(const struct output *output)
{
	return output->head_len + output->tail_total;
}

/* The two selectors that say "as text" and "as emoji" stand behind one visible character: they are in
 * everyday text, and one a character carries no message. Anywhere else they are shown. */
static bool plain_style(uint32_t c, bool after_visible)
{
	return (c == 0xfe0e || c == 0xfe0f) && after_visible;
}

static size_t plain_run(struct str s)
{
	size_t n = 0;

	while (n < s.len && ((s.ptr[n] >= ' ' && s.ptr[n] < 0x7f) || s.ptr[n] == '\n' || s.ptr[n] == '\t'))
		n++;
	return n;
}

/* Everything but plain ASCII: one control byte, one character, or one byte that is none. */
static size_t clean_one(struct str s, bool *visible, struct buf *ret, struct findings *found)
{
	const unsigned char *at = (const unsigned char *)s.ptr;
	size_t len = utf8_length(at, s.len);

	if (at[0] == '\r' && s.len > 1 && at[1] == '\n') {
		*visible = false;
		buf_add_char(ret, '\n');
		return 2;
	}
	if (len == 0) {
		*visible = true;
		found->invalid++;
		buf_add_text(ret, "\xef\xbf\xbd");
		return 1;
	}
	uint32_t c = utf8_decode(at, len);
	const struct hidden *range = hidden_find(c);
	if (len == 1) {
		found->control++;
		buf_printf(ret, "\\x%02x", (unsigned)c);
	} else if (range == NULL || plain_style(c, *visible)) {
		*visible = range == NULL;
		buf_add(ret, s.ptr, len);
		return len;
	} else {
		++*(uint64_t *)((char *)found + range->found);
		buf_printf(ret, "<U+%04X>", (unsigned)c);
	}
	*visible = false;
	return len;
}

static void clean(struct str text, struct buf *ret, struct findings *found)
{
	bool visible = false;

	while (text.len > 0 && !ret->full) {
		size_t n = plain_run(text);
		if (n > 0) {
			visible = text.ptr[n - 1] > ' ';
			buf_add(ret, text.ptr, n);
		} else {
			n = clean_one(text, &visible, ret, found);
		}
		text = str_skip(text, n);
	}
}

void sanitize_text(struct str text, struct buf *ret)
{
	struct findings found = { 0 };

	clean(text, ret, &found);
}

static void redact(struct str text, struct buf *ret, struct findings *found)
{
	AUTO(leak_hits_done) struct leak_hits hits = { 0 };
	size_t at = 0;

	leaks_find(text, &hits);
	for (size_t i = 0; i < hits.count; i++) {
		const struct leak_hit *hit = &hits.list[i];
		clean((struct str){ text.ptr + at, hit->start - at }, ret, found);
		buf_printf(ret, "[redacted:%s]", leak_kind(hit->row));
		found->redacted++;
		found->sure += hit->sure;
		found->kinds[hit->row]++;
		at = hit->end;
	}
	clean(str_skip(text, at), ret, found);
}
_Static_assert((int)LEAK_ROWS <= (int)FINDINGS_KINDS, "every row can be counted");

void sanitize_shown(struct str text, struct buf *ret)
{
	struct findings found = { 0 };

	redact(text, ret, &found);
}

json_t *findings_redactions(const struct findings *found)
{
	json_t *all = found->redacted > 0 ? json_object() : NULL;

	for (size_t i = 0; i < LEAK_ROWS; i++)
		if (found->kinds[i] > 0)
			json_put_int(all, leak_kind(i), json_get_int(all, leak_kind(i), 0) + found->kinds[i]);
	return all;
}

/* The head without a character, or a CR LF, that the gap would cut in two. */
static size_t whole_head(struct str head)
{
	if (head.len > 0 && head.ptr[head.len - 1] == '\r')
		return head.len - 1;
	for (size_t back = 1; back <= MIN(head.len, (size_t)3); back++) {
		unsigned char c = (unsigned char)head.ptr[head.len - back];
		if (c >= 0xc2 && c <= 0xf4 && (c >= 0xf0 ? 4u : c >= 0xe0 ? 3u : 2u) > back)
			return head.len - back;
		if (c < 0x80 || c >= 0xc0)
			break;
	}
	return head.len;
}

/* A word that the gap cuts in two is left out whole where it is long: half a key is no key to the table. */
enum { CUT_WORD_LEAST = 12, CUT_WORD_MOST = 400 };

static bool of_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("_-.+/=~", c) != NULL;
}

static size_t cut_word(struct str s, bool at_end)
{
	size_t n = 0;

	while (n < s.len && n < CUT_WORD_MOST && s.ptr[at_end ? s.len - 1 - n : n] != '\0' && of_word(s.ptr[at_end ? s.len - 1 - n : n]))
		n++;
	return n < CUT_WORD_LEAST ? 0 : n;
}

static size_t broken_start(struct str tail)
{
	size_t n = 0;

	while (n < tail.len && n < 3 && ((unsigned char)tail.ptr[n] & 0xc0) == 0x80)
		n++;
	return n;
}

void output_render_found(const struct output *output, struct buf *ret, struct findings *found)
{
	size_t kept = (size_t)MIN(output->tail_total, (uint64_t)output->tail_max);
	bool wrapped = kept > 0 && output->tail_total > kept;
	size_t from = wrapped ? (size_t)(output->tail_total % output->tail_max) : 0;
	AUTO(buf_done) struct buf raw = BUF_INIT(output->head_max + output->tail_max);

	*found = (struct findings){ .bytes = output_total(output) };
	buf_add(&raw, output->head, output->head_len);
	if (kept > 0) {
		buf_add(&raw, output->tail + from, kept - from);
		buf_add(&raw, output->tail, from);
	}
	struct str head = buf_str(&raw), tail = str_skip(head, output->head_len);
	if (found->bytes > raw.len) {
		head.len = whole_head((struct str){ head.ptr, output->head_len });
		tail = str_skip(tail, broken_start(tail));
		head.len -= cut_word(head, true);
		tail = str_skip(tail, cut_word(tail, false));
		found->left_out = found->bytes - head.len - tail.len;
	}
	size_t start = ret->len;
	redact(head, ret, found);
	if (found->left_out == 0)
		return;
	if (ret->len > start && ret->ptr[ret->len - 1] != '\n')
		buf_add_char(ret, '\n');
	buf_printf(ret, "[... %llu bytes left out ...]\n", (unsigned long long)found->left_out);
	redact(tail, ret, found);
}

void output_render(const struct output *output, struct buf *ret)
{
	struct findings found;

	output_render_found(output, ret, &found);
}
